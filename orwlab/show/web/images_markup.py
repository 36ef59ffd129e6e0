"""What stands on the Images page: its words and controls. ``images.js`` brings them to life."""

from collections.abc import Mapping

from orwlab.show.lab.image_settings import CONTROLS, ImageSettings
from orwlab.show.web import bar, controls

LEAD = (
    "All grids come from the same noise. Press <b>Play</b>, and drag <b>α</b> while it learns. Press an image to see "
    "where it comes from."
)
STORY = "Moves that tell the story. Each sets every control and says what to watch."
_KEYS = {
    "Space": "play or pause",
    "S": "one step: a single round, then pause",
    "R": "reset: back to the reference",
    "← →": "smaller or larger α",
    "1 2 3 4 5": "the moves",
    "P": "present: images and curves fill the screen",
    "Tab, arrows, Enter": "to the images, from one to another, and its way from noise",
    "?": "this list",
    "Esc": "leave a box, close the way from noise, leave the presentation, close this list",
}
MOVES = (
    controls.attempt(
        "Let go: α = 0",
        "Nothing holds the images now. Within 60 rounds the reward is above 0.9, and nearly no image is like a real "
        "digit. The classifier is fooled, and for a while the judge with it: watch “Unlike any digit”.",
        {"alpha": 0},
    ),
    controls.attempt(
        "Hold on: α = 0.2",
        "The same training, held to the reference: more of the wanted digits, and all of them digits. Compare an image "
        "with the one in the same place of the reference.",
        {"alpha": 0.2},
        free=("alpha",),
    ),
    controls.attempt(
        "Four α side by side",
        "The same seed and the same noise; only α differs. Each curve has the colour of its images.",
        {"alpha": 0, "others": [0.05, 0.2, 1]},
    ),
    controls.attempt(
        "Only sevens",
        "Sevens alone are paid for. With α = 0.1 images that began as other digits turn into sevens, one by one.",
        {"alpha": 0.1, "wanted": [7]},
    ),
    controls.attempt(
        "Photographs in small files",
        "The reward is minus the size of a JPEG file: it has no gradient, and needs none. A round takes a second or "
        "more. Without α coverage falls with the bytes: soon all is sky, and after 120 rounds all is grain.",
        {"task": "photographs", "alpha": 0},
    ),
)


def markup(path: str, pages: Mapping[str, str]) -> str:
    """The page's HTML; see ``lab_markup.markup`` for the order.

    Args:
        path: its address.
        pages: path -> name of all the pages there are.
    """
    settings = ImageSettings()
    return f"""
<div class="lab album">
  <section class="lab-strip" aria-label="Play">{_strip(settings)}</section>
  <header class="lab-head">
    {bar.markup(path, pages)}
    <div class="corner">{_corner()}</div>
    <div class="teacher-says" role="note" hidden></div>
    <p>{LEAD}</p>
  </header>
  <section class="lab-stage" aria-label="Images">
    <div class="orw-grids"></div>
    <div class="notice" role="status" hidden></div>
  </section>
  <section class="lab-try" aria-labelledby="try-title"><h2 id="try-title">Try this</h2>
  <div class="attempts">{"".join(MOVES)}</div></section>
  <p class="attempted" role="status">{STORY}</p>
  <section class="lab-more" aria-label="Controls">
  {_controls(settings, "task", "wanted", "files")}
  {controls.group(CONTROLS["others"].label, _controls(settings, "others"))}
  {controls.group("Which α?", _goal())}
  {controls.group("Training", _controls(settings, "seed"))}</section>
  <p class="lab-said" aria-live="assertive"></p>
  {_keys()}
</div>"""


def _corner() -> str:
    button = controls.button
    return button("Present", "Images and curves fill the screen (P)", ident="present", command="present") + button(
        "Keys", "What can be done by keyboard (?)", ident="help", open="lab-keys"
    )


def _strip(settings: ImageSettings) -> str:
    button = controls.button
    buttons = (
        button("Play", "Play or pause (space)", ident="toggle", command="toggle", sign=True, kind="primary asks"),
        button("Step", "One round, then pause (S)", ident="step", command="step"),
        button("Reset", "Back to the reference, with these settings (R)", ident="reset", command="reset"),
    )
    leave = button("Leave (Esc)", "Leave the presentation", ident="leave", command="present")
    return (
        f'<div class="buttons">{"".join(buttons)}</div>{_controls(settings, "alpha")}<div class="leave">{leave}</div>'
    )


def _controls(settings: ImageSettings, *names: str) -> str:
    return "".join(controls.markup(CONTROLS[name], getattr(settings, name)) for name in names)


def _goal() -> str:
    box = (
        '<input class="typed" type="text" inputmode="decimal" autocomplete="off" value="0.8" aria-label="Goal" '
        'data-goal="value">'
    )
    return f"""<form class="images-goal" novalidate>
<p class="help">No grid can be laid over images, so no exact answer is known. A guess comes from the rewards of the
reference’s own images.</p>
<div class="images-row"><label><span class="images-goal-name">a mean reward of</span> {box}</label>
<button type="submit" title="Which α should come to rest there">Suggest α</button></div>
<p class="images-found" role="status"></p>
{controls.button("Put α there", "The slider goes there", goal="take", kind="images-take", state="hidden")}</form>"""


def _keys() -> str:
    rows = "".join(f"<dt><kbd>{key}</kbd></dt><dd>{does}</dd>" for key, does in _KEYS.items())
    return f"""<dialog id="lab-keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2><dl>{rows}</dl>
<form method="dialog"><button>Close</button></form></dialog>"""
