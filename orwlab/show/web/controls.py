"""Markup of a page's controls. ``widgets.js`` brings them to life; ``lab.css`` says what they look like.

Labels and sentences of help are our own HTML and go in as they are; values and names are escaped.
"""

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any


def choice(name: str, label: str, info: str, value: Any, options: Mapping[Any, str]) -> str:
    """A list to choose from; ``options`` is value -> words. Numbers stay numbers."""
    numeric = "true" if all(isinstance(option, int | float) for option in options) else "false"
    entries = "".join(
        f'<option value="{html.escape(_text(option))}"{" selected" if option == value else ""}>{words}</option>'
        for option, words in options.items()
    )
    return f"""
<div class="control choice" data-kind="choice" data-name="{name}" data-numeric="{numeric}" id="{name}">
  <div class="head"><label class="label" for="{name}-list">{label}</label>
  <select id="{name}-list" aria-describedby="{name}-help">{entries}</select></div>
  <p class="help" id="{name}-help">{info}</p>
</div>"""


def radios(name: str, label: str, info: str, value: str, options: Mapping[str, str]) -> str:
    """A few words side by side, one of them chosen."""
    entries = "".join(
        f'<label><input type="radio" name="{name}" value="{html.escape(option)}"'
        f"{' checked' if option == value else ''}><span>{words}</span></label>"
        for option, words in options.items()
    )
    return f"""
<fieldset class="control radios" data-kind="radios" data-name="{name}" id="{name}" aria-describedby="{name}-help">
  <legend class="label">{label}</legend>
  <div class="options">{entries}</div>
  <p class="help" id="{name}-help">{info}</p>
</fieldset>"""


def number(name: str, label: str, info: str, value: float) -> str:
    """A box for a number."""
    return f"""
<div class="control number" data-kind="number" data-name="{name}" id="{name}">
  <div class="head"><label class="label" for="{name}-box">{label}</label>
  <input class="typed" id="{name}-box" type="text" inputmode="decimal" autocomplete="off" value="{value:g}"
    aria-describedby="{name}-help"></div>
  <p class="help" id="{name}-help">{info}</p>
</div>"""


def switch(name: str, label: str, info: str, value: bool) -> str:
    """Something to have or not."""
    return f"""
<div class="control switch" data-kind="switch" data-name="{name}" id="{name}">
  <label><input type="checkbox" aria-describedby="{name}-help"{" checked" if value else ""}>
  <span class="label">{label}</span></label>
  <p class="help" id="{name}-help">{info}</p>
</div>"""


def several(name: str, info: str, rows: Iterable[tuple[str, bool, str]]) -> str:
    """Sliders that one can switch on and off: rows of (label, on, markup of a slider without help)."""
    entries = "".join(
        f'<div class="row"><label><input type="checkbox"{" checked" if on else ""}>'
        f'<span class="label">{label}</span></label>{markup}</div>'
        for label, on, markup in rows
    )
    return f"""
<div class="control several" data-kind="several" data-name="{name}" id="{name}">
  {entries}
  <p class="help">{info}</p>
</div>"""


def group(title: str, *controls: str) -> str:
    """Controls that are folded away until somebody wants them."""
    ident = "group-" + title.lower().replace(" ", "-")
    return f'<details class="group" id="{ident}"><summary>{title}</summary><div>{"".join(controls)}</div></details>'


def button(word: str, title: str, *, mark: str = "", ident: str = "", **data: str) -> str:
    """A button; ``data`` says what it does, ``mark`` is a sign before the word."""
    attributes = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in data.items())
    sign = f'<span class="mark" aria-hidden="true">{mark}</span>' if mark else ""
    named = f' id="{ident}"' if ident else ""
    return f'<button type="button"{named} title="{title}" {attributes}>{sign}<span class="word">{word}</span></button>'


def attempt(word: str, say: str, settings: Mapping[str, Any], press: Iterable[str] = ()) -> str:
    """A button that sets controls and says what to watch."""
    data = html.escape(json.dumps({"set": dict(settings), "press": list(press), "say": say}, ensure_ascii=False))
    return f'<button type="button" aria-pressed="false" data-attempt="{data}">{word}</button>'


def _text(option: Any) -> str:
    return f"{option:g}" if isinstance(option, int | float) else str(option)
