"""What stands on the Live lab's page: its words and controls. ``lab.js`` brings them to life."""

from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.settings import Settings
from orwlab.show.web import controls, keep_markup, own_markup

_ESSENTIALS = ("tau", "mode", "target", "reward")
_TRAINING = ("weighting", "coupling", "steps_per_round", "lr", "seed", "speed")
_VIEW = ("t", "measured", "background", "modes", "ghost", "contours", "arrows", "paths")

_KEYS = {
    "Space": "play or pause",
    "S": "one step: a single round, then pause",
    "Z": "undo: go back to before the last change",
    "R": "reset: back to the reference",
    "F": "noise → data: play flow time t from 0 to 1",
    "← →": "smaller or larger α",
    "↓ ↑": "smaller or larger τ",
    "1 2 3 4": "the four moves",
    "E": "show: learned, both, exact",
    "T": "the next target",
    "W": "the next reward",
    "P": "present: the stage fills the screen",
    "+ − 0": "on the stage: zoom in, zoom out, the whole picture",
    "?": "this list",
    "Enter": "take a typed number and leave its box",
    "Esc": "leave a box, stop the flow, leave the presentation, close this list",
}


def markup(default: Settings) -> str:
    """The page's HTML with the controls set to ``default``. Play comes early for those who go by keyboard."""
    return f"""
<div class="lab">
  <header class="lab-head">
    <h1>Live lab: teach a flow model what to like</h1>
    <div class="corner">{_corner()}</div>
    <div class="teacher-says" role="note" hidden></div>
    <p>A flow model has learned these data. Press <b>Play</b>: it is trained on its own samples, and violet ground pays
    more. Watch the dots move there and the <b>diversity</b> fall. Then drag <b>α</b>.</p>
  </header>
  <section class="lab-strip" aria-label="Play">{_strip(default)}</section>
  <section class="lab-stage" aria-label="Stage">
    <div class="orw-stage"></div>
    <div class="lab-player"></div>
    <div class="notice" role="status" hidden></div>
    {own_markup.fitting()}
  </section>
  <section class="lab-try" aria-labelledby="try-title">{_try()}</section>
  <p class="attempted" role="status">Four moves that tell the story. Each sets every control and says what to watch.</p>
  <section class="lab-more" aria-label="Controls">{_controls(default, *_ESSENTIALS)}{_groups(default)}
  {own_markup.panels()}</section>
  <p class="lab-said" aria-live="assertive"></p>
  {keep_markup.scenes()}
  {_keys()}
  {keep_markup.dialog()}
</div>"""


def _corner() -> str:
    return (
        controls.button("Share", "A link, pictures, tables, a replay", ident="share", open="lab-keep")
        + controls.button("Present", "The stage fills the screen (P)", ident="present", command="present")
        + controls.button("Keys", "What can be done by keyboard (?)", ident="help", open="lab-keys")
    )


def _strip(default: Settings) -> str:
    button = controls.button
    buttons = (
        button("Play", "Play or pause (space)", ident="toggle", command="toggle", sign=True, kind="primary asks"),
        button("Noise → data", "Play flow time t from 0 to 1: noise becomes data (F)", ident="flow", command="flow"),
        button("Step", "One round, then pause (S)", ident="step", command="step"),
        button("Undo", "Back to before the last change (Z)", ident="undo", command="undo", disabled=True),
        button("Reset", "Back to the reference, with these settings (R)", ident="reset", command="reset"),
        button("Start over", "Everything as when you came", ident="demo", command="start_over"),
    )
    leave = button("Leave (Esc)", "Leave the presentation", ident="leave", command="present")
    return f'<div class="buttons">{"".join(buttons)}</div>{_controls(default, "alpha")}<div class="leave">{leave}</div>'


def _controls(default: Settings, *names: str) -> str:
    found = [BY_NAME[name] for name in names]
    return "".join(controls.markup(control, getattr(default, control.name, control.default)) for control in found)


def _groups(default: Settings) -> str:
    return (
        controls.group(BY_NAME["others"].label, _controls(default, "others"))
        + controls.group("Training", _controls(default, *_TRAINING))
        + controls.group("View", _controls(default, *_VIEW))
    )


def _try() -> str:
    """Each move is a whole state: what it does not name has its default, whatever was there before."""
    buttons = (
        controls.attempt(
            "Let go: α = 0",
            "Nothing holds the samples now. The model imitates its own best samples, round after round: the reward "
            "rises, the variety goes, and everything ends in one place, even outside the data.",
            {"alpha": 0, "tau": 2},
        ),
        controls.attempt(
            "Hold on: α = 1",
            "Held to the reference, the same training comes to rest: near the dashed line, where a perfect network "
            "would.",
            {"alpha": 1},
        ),
        controls.attempt(
            "The exact answer",
            "The contours show the distribution that a perfect network would end in. No network was needed to compute "
            "it. Drag α and watch both.",
            {"alpha": 1, "mode": "both"},
            free=("alpha", "tau"),
        ),
        controls.attempt(
            "Four α side by side",
            "The same seed and the same noise; only α differs. Small α: high reward, little variety. Large α: the "
            "reference again.",
            {"alpha": 0, "others": [0.3, 1, 3]},
        ),
    )
    return f'<h2 id="try-title">Try this</h2><div class="attempts">{"".join(buttons)}</div>'


def _keys() -> str:
    rows = "".join(f"<dt><kbd>{key}</kbd></dt><dd>{does}</dd>" for key, does in _KEYS.items())
    return f"""<dialog id="lab-keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2><dl>{rows}</dl>
<form method="dialog"><button>Close</button></form></dialog>"""
