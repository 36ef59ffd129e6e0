"""What stands on a page around a stage: its words and controls. ``lab.js`` brings them to life."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.settings import Settings
from orwlab.show.web import bar, controls, keep_markup, own_markup

_ESSENTIALS = ("tau", "mode", "target", "reward")
_DIALS = ("alpha", "strength")  # one of them is on show: see ``lab.css``
_TRAINING = ("steer", "budget", "weighting", "coupling", "fault", "steps_per_round", "lr", "seed", "speed")
_VIEW = ("t", "measured", "truth", "revealed", "background", "samples", "modes", "ghost", "contours", "arrows", "paths")

_KEYS = {
    "Space": "play or pause",
    "S": "one step: a single round, then pause",
    "Z": "undo: go back to before the last change",
    "R": "reset: back to the reference",
    "F": "noise → data: play flow time t from 0 to 1",
    "← →": "smaller or larger α; strength, where methods race",
    "↓ ↑": "smaller or larger τ",
    "1 2 3 4": "the four moves",
    "E": "show: learned, both, exact",
    "T": "the next target",
    "W": "the next reward",
    "P": "present: the stage fills the screen",
    "+ − 0": "on the stage: zoom in, zoom out, the whole picture",
    ", .": "look back: the round before, the round after",
    "Shift + , .": "look back: flow time t back, t on",
    "?": "this list",
    "Enter": "take a typed number and leave its box",
    "Esc": "leave a box, stop the flow, look back no longer, leave the presentation, close this list",
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a page says and begins with.

    Args:
        path: the end of its address; "" of the first page.
        name: what it is called.
        lead: what one should do first, HTML.
        moves: buttons that tell the story, each a whole state: see ``controls.attempt``.
        story: what stands below the moves before one is pressed.
        instrument: HTML of what stands beside the stage; none if empty.
        lineup: whether who races is chosen above the instrument.
        begin: settings that it begins with, where they are not the default.
    """

    path: str
    name: str
    lead: str
    moves: tuple[str, ...]
    story: str = "Four moves that tell the story. Each sets every control and says what to watch."
    instrument: str = ""
    lineup: bool = False
    begin: Mapping[str, Any] = field(default_factory=dict)


def markup(page: Words, pages: Mapping[str, str]) -> str:
    """The page's HTML. Its controls say the defaults; ``lab.js`` has them say what the page begins with. Play comes
    first for those who go by keyboard, however many pages the bar lists; ``lab.css`` says where everything stands.

    Args:
        page: which.
        pages: path -> name of all the pages there are, as the bar at the top lists them.
    """
    settings, begin = Settings(), html.escape(json.dumps(dict(page.begin)))
    kind = "lab" + " with-instrument" * bool(page.instrument) + " with-lineup" * page.lineup
    return f"""
<div class="{kind}" data-begin="{begin}">
  <section class="lab-strip" aria-label="Play">{_strip(settings)}</section>
  <header class="lab-head">
    {bar.markup(page.path, pages)}
    <div class="corner">{_corner()}</div>
    <div class="teacher-says" role="note" hidden></div>
    <p>{page.lead}</p>
  </header>
  <section class="lab-stage" aria-label="Stage">
    {_reveal()}
    <div class="orw-stage"></div>
    <div class="lab-player"></div>
    <div class="notice" role="status" hidden></div>
    {own_markup.fitting()}
  </section>
  {_instrument(page)}
  <section class="lab-try" aria-labelledby="try-title">{_try(page)}</section>
  <p class="attempted" role="status">{page.story}</p>
  <section class="lab-more" aria-label="Controls">{_controls(settings, *_essentials(page))}{_groups(settings)}
  {own_markup.panels()}</section>
  <p class="lab-said" aria-live="assertive"></p>
  {"" if page.instrument else keep_markup.scenes()}
  {_keys()}
  {keep_markup.dialog()}
</div>"""


def _instrument(page: Words) -> str:
    lineup = _controls(Settings(), "methods") if page.lineup else ""
    return f'<section class="lab-instrument">{lineup}{page.instrument}</section>' if page.instrument else ""


def _essentials(page: Words) -> tuple[str, ...]:
    """Who races is asked in the instrument, where a page is about that."""
    return _ESSENTIALS if page.lineup else ("methods", *_ESSENTIALS)


def _reveal() -> str:
    title = "Show what was really wanted: its curve, its number, its ground"
    button = controls.button("Reveal the true reward", title, ident="reveal", kind="primary")
    return f'<div class="lab-reveal" hidden>{button}</div>'


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
        button("Undo", "Back to before the last change (Z)", ident="undo", command="undo", state="disabled"),
        button("Reset", "Back to the reference, with these settings (R)", ident="reset", command="reset"),
        button("Start over", "Everything as when you came", ident="demo", command="start_over"),
    )
    leave = button("Leave (Esc)", "Leave the presentation", ident="leave", command="present")
    return f'<div class="buttons">{"".join(buttons)}</div>{_controls(default, *_DIALS)}<div class="leave">{leave}</div>'


def _controls(default: Settings, *names: str) -> str:
    found = [BY_NAME[name] for name in names]
    return "".join(controls.markup(control, getattr(default, control.name, control.default)) for control in found)


def _groups(default: Settings) -> str:
    return (
        controls.group(BY_NAME["others"].label, _controls(default, "others"))
        + controls.group("Training", _controls(default, *_TRAINING))
        + controls.group("View", _controls(default, *_VIEW))
    )


def _try(page: Words) -> str:
    return f'<h2 id="try-title">Try this</h2><div class="attempts">{"".join(page.moves)}</div>'


def _keys() -> str:
    rows = "".join(f"<dt><kbd>{key}</kbd></dt><dd>{does}</dd>" for key, does in _KEYS.items())
    return f"""<dialog id="lab-keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2><dl>{rows}</dl>
<form method="dialog"><button>Close</button></form></dialog>"""
