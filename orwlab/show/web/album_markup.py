"""What stands on a page that fine-tunes on images: its words and controls. ``album.js`` brings them to life."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orwlab.show.lab.image_settings import CONTROLS, ImageSettings
from orwlab.show.web import bar, controls

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


@dataclass(frozen=True)
class Words:
    """What one of these pages says.

    Args:
        lead: a sentence or two at the top.
        moves: to try, at most five.
        above: what stands over the images.
        more: what stands beside them.
    """

    lead: str
    moves: Sequence[str]
    above: str
    more: str


def markup(path: str, pages: Mapping[str, str], words: Words) -> str:
    """The page's HTML; see ``lab_markup.markup`` for the order.

    Args:
        path: its address.
        pages: path -> name of all the pages there are.
        words: what it says.
    """
    return f"""
<div class="lab album">
  <section class="lab-strip" aria-label="Play">{_strip()}</section>
  <header class="lab-head">
    {bar.markup(path, pages)}
    <div class="corner">{_corner()}</div>
    <div class="teacher-says" role="note" hidden></div>
    <p>{words.lead}</p>
  </header>
  <section class="lab-stage" aria-label="Images">
    {words.above}<div class="orw-grids"></div>
    <div class="notice" role="status" hidden></div>
  </section>
  <section class="lab-try" aria-labelledby="try-title"><h2 id="try-title">Try this</h2>
  <div class="attempts">{"".join(words.moves)}</div></section>
  <p class="attempted" role="status">{STORY}</p>
  <section class="lab-more" aria-label="Controls">
  {words.more}</section>
  <p class="lab-said" aria-live="assertive"></p>
  {_keys()}
</div>"""


def _corner() -> str:
    button = controls.button
    return button("Present", "Images and curves fill the screen (P)", ident="present", command="present") + button(
        "Keys", "What can be done by keyboard (?)", ident="help", open="lab-keys"
    )


def _strip() -> str:
    button = controls.button
    buttons = (
        button("Play", "Play or pause (space)", ident="toggle", command="toggle", sign=True, kind="primary asks"),
        button("Step", "One round, then pause (S)", ident="step", command="step"),
        button("Reset", "Back to the reference, with these settings (R)", ident="reset", command="reset"),
    )
    leave = button("Leave (Esc)", "Leave the presentation", ident="leave", command="present")
    return f'<div class="buttons">{"".join(buttons)}</div>{shown("alpha")}<div class="leave">{leave}</div>'


def shown(*names: str) -> str:
    """Controls of these names, as one finds them."""
    settings = ImageSettings()
    return "".join(controls.markup(CONTROLS[name], getattr(settings, name)) for name in names)


def _keys() -> str:
    rows = "".join(f"<dt><kbd>{key}</kbd></dt><dd>{does}</dd>" for key, does in _KEYS.items())
    return f"""<dialog id="lab-keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2><dl>{rows}</dl>
<form method="dialog"><button>Close</button></form></dialog>"""
