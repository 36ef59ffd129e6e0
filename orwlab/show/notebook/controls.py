"""The controls beside the stage: an ipywidget for every setting, made from the table in ``lab.controls``."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets

from orwlab import checks
from orwlab.show.lab.controls import TABLE, Choice, Control, Lineup, Number, Several, Switch, Whole
from orwlab.show.lab.settings import Settings

_BY_NAME = {control.name: control for control in TABLE}
NAMES = tuple(_BY_NAME)
"""of the settings that can have a control"""


@dataclass(frozen=True)
class Widget:
    """A control's widget, and how the widget's value becomes the setting's and back.

    ``write`` is told the target, too: some lists are longer in the plane of digits.
    """

    widget: Any
    read: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any, str], Any] = lambda value, target: value


def make(name: str, settings: Settings) -> Widget:
    """The control for one field of the settings.

    Raises:
        ValueError: there is no such field.
    """
    checks.choice("controls", name, NAMES)
    return made(_BY_NAME[name], getattr(settings, name), settings.target)


@functools.singledispatch
def made(control: Control, value: Any, target: str) -> Widget:
    """The widget of a control, saying ``value`` while ``target`` is on show."""
    raise TypeError(f"no widget for {type(control).__name__}")


@made.register
def _number(control: Number, value: float, target: str) -> Widget:
    if control.scale is None:
        values = [float(option) for option in control.options]
        return _selection(ipywidgets.Dropdown, control, values, value, "auto")
    if step := control.scale.step:
        limits = {"min": control.low, "max": control.high, "step": step}
        return Widget(ipywidgets.FloatSlider(value=value, readout_format=".2f", **limits, **_about(control, "310px")))
    return _selection(ipywidgets.SelectionSlider, control, list(control.scale.places), value, "270px")


@made.register
def _whole(control: Whole, value: int, target: str) -> Widget:
    limits = {"min": control.low, "max": control.high}
    box = ipywidgets.BoundedIntText(value=value, **limits, **_about(control, "auto", max_width="230px"))
    return Widget(box)


@made.register
def _choice(control: Choice, value: str, target: str) -> Widget:
    """With what somebody brought along at the end of the list, while it is chosen."""

    def options(value: str, target: str) -> list[tuple[str, str]]:
        offered = control.offered(target)
        shown = [*offered, *[value] * (value not in offered)]
        return [(control.words(option), option) for option in shown]

    def write(value: str, target: str) -> str:
        if list(widget.options) != (wanted := options(value, target)):
            widget.options = wanted
        return value

    widget = ipywidgets.Dropdown(options=options(value, target), value=value, **_about(control, "auto"))
    return Widget(widget, write=write)


@made.register
def _switch(control: Switch, value: bool, target: str) -> Widget:
    return Widget(ipywidgets.Checkbox(value=value, indent=False, **_about(control, "auto")))


@made.register
def _several(control: Several, value: tuple[float, ...], target: str) -> Widget:
    text = control.write(value)
    box = ipywidgets.Text(value=text, placeholder="such as 0, 10", continuous_update=False, **_about(control, "300px"))
    return Widget(box, read=control.read, write=lambda value, target: control.write(value))


@made.register
def _lineup(control: Lineup, value: tuple[str, ...], target: str) -> Widget:
    options = [(words, name) for name, words in control.options.items()]
    return Widget(ipywidgets.SelectMultiple(options=options, value=value, rows=6, **_about(control, "300px")))


def _selection(kind: type, control: Number, values: list[float], value: float, width: str) -> Widget:
    """One of some ``values``; another one, from the keyboard or from code, is put in among them."""

    def options(value: float) -> list[tuple[str, float]]:
        shown = values if value in values else [*values, value]
        shown = sorted(shown) if values == sorted(values) else shown
        return [(control.words(option), option) for option in shown]

    def write(value: float, target: str) -> float:
        if list(widget.options) != (wanted := options(value)):
            widget.options = wanted
        return value

    widget = kind(options=options(value), value=value, **_about(control, width))
    return Widget(widget, write=write)


def _about(control: Control, width: str, **layout: str) -> dict[str, Any]:
    return {
        "description": control.label,
        "tooltip": control.help,
        "style": {"description_width": "initial"},
        "layout": {"width": width, **layout},
    }


def button(label: str, icon: str, tooltip: str) -> ipywidgets.Button:
    """One of those above a stage."""
    return ipywidgets.Button(description=label, icon=icon, tooltip=tooltip, layout={"width": "84px"})
