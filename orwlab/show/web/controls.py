"""Markup of a page's controls. ``widgets.js`` brings them to life; ``lab.css`` says what they look like.

What they are called and what they allow is in ``lab.controls``. Labels and sentences of help are our own HTML and go
in as they are; values and names are escaped.
"""

import functools
import html
import json
import math
from collections.abc import Container, Iterable, Mapping
from typing import Any

from orwlab.show.lab.controls import (
    OF_THE_STAGE,
    Choice,
    Control,
    Lineup,
    Number,
    Scale,
    Sentence,
    Several,
    Subset,
    Switch,
    Whole,
)
from orwlab.show.stage.scenes import LANES

_OFFERS = {
    "target": {"paint": "Paint it …", "points": "Your own points …"},
    "reward": {"paint": "Paint it …", "formula": "A formula …", "digits": "Digits of your choice …"},
    "truth": {"paint": "Paint it …", "formula": "A formula …", "digits": "Digits of your choice …"},
}
"""what a list offers below its names; ``own.js`` opens a panel for it"""

_OF_THE_VIEW = (
    *("truth", "revealed", "background", "samples", "ghost", "modes"),
    *("arrows", "paths", "t", "measured", "speed"),
)


@functools.singledispatch
def markup(control: Control, value: Any) -> str:
    """The control, saying ``value``."""
    raise TypeError(f"no markup for {type(control).__name__}")


@markup.register
def _number(control: Number, value: float) -> str:
    if control.scale is None:
        return _list(control, value, control.options)
    return slider(control.name, control.label, control.help, value, control.scale)


@markup.register
def _choice(control: Choice, value: str) -> str:
    return (_radios if control.few else _list)(control, value, control.options)


@markup.register
def _whole(control: Whole, value: int) -> str:
    name, typed = control.name, _typed(value, f'id="{control.name}-box" aria-describedby="{control.name}-help"')
    return f"""
<div class="control number" {_about("number", control)}>
  <div class="head"><label class="label" for="{name}-box">{control.label}</label>
  {typed}</div>
  <p class="help" id="{name}-help">{control.help}</p>
</div>"""


@markup.register
def _sentence(control: Sentence, value: str) -> str:
    name = control.name
    return f"""
<form class="control sentence" {_about("sentence", control)} novalidate>
  <label class="label" for="{name}-box">{control.label}</label>
  <div class="line"><textarea class="typed" id="{name}-box" rows="1" maxlength="200" spellcheck="false"
    autocomplete="off" enterkeyhint="go" aria-describedby="{name}-help">{html.escape(value)}</textarea>
  <button type="submit" title="Draw this sentence (Enter)">Draw</button></div>
  <p class="help" id="{name}-help">{control.help}</p>
  {sentences(control.offered)}
</form>"""


def sentences(texts: Iterable[str]) -> str:
    """Buttons that put a sentence into the box."""
    found = (
        f'<button type="button" data-sentence="{html.escape(text)}">{html.escape(text)}</button>' for text in texts
    )
    return f'<div class="sentences">{"".join(found)}</div>'


@markup.register
def _switch(control: Switch, value: bool) -> str:
    return f"""
<div class="control switch" {_about("switch", control)}>
  <label><input type="checkbox" aria-describedby="{control.name}-help"{" checked" if value else ""}>
  <span class="label">{control.label}</span></label>
  <p class="help" id="{control.name}-help">{control.help}</p>
</div>"""


@markup.register
def _several(control: Several, values: tuple[float, ...]) -> str:
    assert control.of.scale is not None
    rows = ""
    for k, label in enumerate(control.rows):
        on = k < len(values)
        row = slider(f"other-{k}", label, "", values[k] if on else control.offered[k], control.of.scale)
        box = f'<label><input type="checkbox"{" checked" if on else ""}><span class="label">{label}</span></label>'
        rows += f'<div class="row">{box}{row}</div>'
    return f"""
<div class="control several" {_about("several", control)}>
  {rows}
  <p class="help">{control.help}</p>
</div>"""


@markup.register
def _subset(control: Subset, values: tuple[int, ...]) -> str:
    return f"""
<fieldset class="control subset" {_about("subset", control)} aria-describedby="{control.name}-help">
  <legend class="label">{control.label}</legend>
  {chips(control.options, values)}
  <p class="help" id="{control.name}-help">{control.help}</p>
</fieldset>"""


@markup.register
def _lineup(control: Lineup, values: tuple[str, ...]) -> str:
    return f"""
<fieldset class="control lineup" {_about("lineup", control)} data-most="{LANES}" aria-describedby="{control.name}-help">
  <legend class="label">{control.label}</legend>
  {_chips(control.options, values)}
  <p class="help" id="{control.name}-help">{control.help}</p>
</fieldset>"""


def chips(words: Iterable[str], chosen: Container[int] = ()) -> str:
    """Words of which any can be chosen; ``chosen`` are numbers of theirs, from 0."""
    return _chips(dict(enumerate(words)), chosen)


def _chips(words: Mapping[Any, str], chosen: Container[Any]) -> str:
    marks = {value: " checked" if value in chosen else "" for value in words}
    boxes = "".join(
        f'<label><input type="checkbox" value="{value}"{marks[value]}><span>{word}</span></label>'
        for value, word in words.items()
    )
    return f'<div class="chips">{boxes}</div>'


def slider(name: str, label: str, info: str, value: float, scale: Scale) -> str:
    """A slider with a box to type in. Without ``info``, ``label`` names it only to screen readers.

    A browser's own slider shows the handle's position, which is a number of one of the scale's places and no value.
    """
    ticks = "".join(f'<span style="left:{100 * scale.share(tick):.1f}%">{_short(tick)}</span>' for tick in scale.ticks)
    caption = f'<label class="label" for="{name}-range">{label}</label>' if info else ""
    described = f'aria-describedby="{name}-help"' if info else f'aria-label="{label}"'
    place = scale.places.index(scale.nearest(value))
    return f"""
<div class="control slider" data-kind="slider" data-name="{name}" id="{name}" data-places="{json.dumps(scale.places)}">
  <div class="head">{caption}
    {_typed(value, f'aria-label="{label}, typed"')}</div>
  <div class="track"><input class="range" id="{name}-range" type="range" min="0" max="{len(scale.places) - 1}" step="1"
    value="{place}" {described}>
  <div class="ticks" aria-hidden="true">{ticks}</div></div>
  {f'<p class="help" id="{name}-help">{info}</p>' if info else ""}
</div>"""


def group(title: str, *controls: str, unfolded: bool = False) -> str:
    """Controls that are folded away until somebody wants them, or from the beginning ``unfolded``."""
    ident = "group-" + title.lower().replace(" ", "-")
    state = " open" if unfolded else ""
    return (
        f'<details class="group" id="{ident}"{state}><summary>{title}</summary><div>{"".join(controls)}</div></details>'
    )


def button(
    word: str, title: str, *, ident: str = "", sign: bool = False, kind: str = "", state: str = "", **data: str
) -> str:
    """A button; ``data`` says what it does, ``kind`` are classes. ``sign`` makes room for a sign before the word.

    ``state``, "disabled" or "hidden", is what it is in until a script says otherwise.
    """
    attributes = "".join(f' data-{name}="{html.escape(value)}"' for name, value in data.items())
    named = (f' id="{ident}"' if ident else "") + (f' class="{kind}"' if kind else "") + (f" {state}" if state else "")
    drawn = '<span class="mark" aria-hidden="true"></span>' if sign else ""
    return f'<button type="button"{named} title="{title}"{attributes}>{drawn}<span class="word">{word}</span></button>'


def attempt(word: str, say: str, scene: Mapping[str, Any], free: Iterable[str] = ()) -> str:
    """A button that sets the whole state and says what to watch.

    ``scene`` holds what differs from the defaults. The sentence is true until a control is moved that is neither one of
    ``free`` nor one that only changes the view.
    """
    about = {"scene": dict(scene), "free": [*free, *_OF_THE_VIEW], "say": say}
    data = html.escape(json.dumps(about, ensure_ascii=False))
    return f'<button type="button" aria-pressed="false" data-attempt="{data}">{word}</button>'


def _list(control: Control, value: Any, options: Mapping[Any, str]) -> str:
    """A list to choose from; ``options`` is value -> words. Numbers stay numbers."""
    numeric = "true" if all(isinstance(option, int | float) for option in options) else "false"
    entries = "".join(
        f'<option value="{html.escape(_text(option))}"{" selected" if option == value else ""}>{words}</option>'
        for option, words in options.items()
    )
    name = control.name
    offers = "".join(f'<option value="+{kind}">{words}</option>' for kind, words in _OFFERS.get(name, {}).items())
    entries += f'<optgroup label="Your own">{offers}</optgroup>' if offers else ""
    variety = ' data-variety="own"' if offers else ""
    return f"""
<div class="control choice" {_about("choice", control)} data-numeric="{numeric}"{variety}>
  <div class="head"><label class="label" for="{name}-list">{control.label}</label>
  <select id="{name}-list" aria-describedby="{name}-help">{entries}</select></div>
  <p class="help" id="{name}-help">{control.help}</p>
</div>"""


def segments(name: str, value: str, options: Mapping[str, str]) -> str:
    """A few words side by side, one of them chosen; ``options`` is value -> words."""
    entries = "".join(
        f'<label><input type="radio" name="{name}" value="{html.escape(option)}"'
        f"{' checked' if option == value else ''}><span>{words}</span></label>"
        for option, words in options.items()
    )
    return f'<div class="options">{entries}</div>'


def _radios(control: Control, value: str, options: Mapping[str, str]) -> str:
    name = control.name
    return f"""
<fieldset class="control radios" {_about("radios", control)} aria-describedby="{name}-help">
  <legend class="label">{control.label}</legend>
  {segments(name, value, options)}
  <p class="help" id="{name}-help">{control.help}</p>
</fieldset>"""


def _about(kind: str, control: Control) -> str:
    whose = ' data-of="stage"' if control in OF_THE_STAGE else ""
    return f'data-kind="{kind}" data-name="{control.name}" id="{control.name}"{whose}'


def _typed(value: float, attributes: str) -> str:
    return f'<input class="typed" type="text" inputmode="decimal" autocomplete="off" value="{value:g}" {attributes}>'


def _text(option: Any) -> str:
    return f"{option:g}" if isinstance(option, int | float) else str(option)


def _short(tick: float) -> str:
    exponent = math.log10(tick) if tick > 0 else 0.0
    return f"10<sup>−{-exponent:.0f}</sup>" if exponent <= -3 and exponent == round(exponent) else f"{tick:g}"
