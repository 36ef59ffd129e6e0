"""The controls beside the stage: one ipywidget for every field of the settings, labelled in plain words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets

from orwlab import checks, rewards, weights
from orwlab.show.lab.settings import (
    ALPHA_MAX,
    LR_MAX,
    LR_MIN,
    SEED_MAX,
    SPEED_MAX,
    STEPS_MAX,
    TAU_MAX,
    Settings,
    target_names,
)

DECADES = (0.01, 0.1, 1.0, 10.0)  # where those of the slider for alpha begin, above 0
IN_A_DECADE = (1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 5.6, 6.3, 7, 8, 9)
TAU_STEP = 0.05
_STYLE = {"description_width": "initial"}
_WIDE = {"width": "310px"}
_MENU = {"width": "auto"}
_MODES = {"learned": "learned", "exact": "exact limit", "both": "both"}


def alphas(also: float = 0.0) -> list[float]:
    """0, then values on a logarithmic scale up to ``ALPHA_MAX``, as one would say them; ``also`` is put in."""
    scale = {float(f"{start * step:.2g}") for start in DECADES for step in IN_A_DECADE}
    return sorted({0.0, *scale, ALPHA_MAX, float(also)})


def taus() -> list[float]:
    """The places of the slider for tau."""
    return [round(TAU_STEP * k, 2) for k in range(round(TAU_MAX / TAU_STEP) + 1)]


def parse_alphas(text: str) -> tuple[float, ...]:
    """The numbers of a comma-separated list.

    Raises:
        ValueError: a part is not a number.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        raise checks.fail("other alphas", text, "numbers with commas between them, such as 0, 0.3, 10") from None


@dataclass(frozen=True)
class Control:
    """One control: its widget, and how the widget's value becomes the setting's and back."""

    widget: Any
    read: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any], Any] = lambda value: value


def _menu(label: str, names: dict[str, str], value: Any) -> Control:
    options = [(words, name) for name, words in names.items()]
    widget = ipywidgets.Dropdown(options=options, value=value, description=label, style=_STYLE, layout=_MENU)
    return Control(widget)


def _plain(names: Any) -> dict[str, str]:
    return {name: name.replace("_", " ") for name in names}


def _alpha(value: float) -> Control:
    options = alphas(also=value)
    widget = ipywidgets.SelectionSlider(
        options=[(f"{alpha:g}", alpha) for alpha in options],
        value=float(value),
        description="W2 weight α",
        style=_STYLE,
        layout={"width": "270px"},
    )
    # a value from elsewhere (the keyboard in the stage) goes to the nearest place
    return Control(widget, write=lambda alpha: min(options, key=lambda place: abs(place - alpha)))


def _slider(label: str, value: float, low: float, high: float, step: float) -> Control:
    widget = ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=label, readout_format=".2f", style=_STYLE, layout=_WIDE
    )
    return Control(widget)


def _whole(label: str, value: int, low: int, high: int) -> Control:
    widget = ipywidgets.BoundedIntText(
        value=value, min=low, max=high, description=label, style=_STYLE, layout={"width": "auto", "max_width": "230px"}
    )
    return Control(widget)


def _speed(value: float) -> Control:
    label = "rounds a second, at most (0: no limit)"
    layout = {"width": "340px"}
    return Control(
        ipywidgets.BoundedFloatText(
            value=value, min=0.0, max=SPEED_MAX, step=1.0, description=label, style=_STYLE, layout=layout
        )
    )


def _rate(value: float) -> Control:
    widget = ipywidgets.FloatLogSlider(
        value=value,
        min=math.log10(LR_MIN),
        max=math.log10(LR_MAX),
        step=0.125,
        description="learning rate",
        readout_format=".1e",
        style=_STYLE,
        layout=_WIDE,
    )
    return Control(widget)


def _others(value: tuple[float, ...]) -> Control:
    def write(alphas: tuple[float, ...]) -> str:
        return ", ".join(f"{alpha:g}" for alpha in alphas)

    widget = ipywidgets.Text(
        value=write(value),
        placeholder="such as 0, 10",
        description="compare with α =",
        continuous_update=False,
        style=_STYLE,
    )
    return Control(widget, read=parse_alphas, write=write)


def _box(label: str, value: bool) -> Control:
    return Control(ipywidgets.Checkbox(value=value, description=label, indent=False, layout={"width": "auto"}))


_MAKERS: dict[str, Callable[[Any], Control]] = {
    "target": lambda value: _menu("data", _plain(target_names()), value),
    "reward": lambda value: _menu("reward", _plain(rewards.names()), value),
    "alpha": _alpha,
    "others": _others,
    "tau": lambda value: _slider("inverse temperature τ", value, 0.0, TAU_MAX, TAU_STEP),
    "weighting": lambda value: _menu("weights", _plain(weights.KINDS), value),
    "coupling": lambda value: _menu(
        "pairing of noise and data", {"independent": "independent", "ot": "optimal"}, value
    ),
    "steps_per_round": lambda value: _whole("gradient steps a round", value, 1, STEPS_MAX),
    "lr": _rate,
    "seed": lambda value: _whole("seed", value, 0, SEED_MAX),
    "mode": lambda value: _menu("show", _MODES, value),
    "speed": _speed,
    "t": lambda value: _slider("flow time t", value, 0.0, 1.0, 0.02),
    "arrows": lambda value: _box("velocity arrows", value),
    "paths": lambda value: _box("paths of some samples", value),
}
NAMES = tuple(_MAKERS)
"""of the settings that can have a control"""


def make(name: str, settings: Settings) -> Control:
    """The control for one field of the settings.

    Raises:
        ValueError: there is no such field.
    """
    checks.choice("controls", name, _MAKERS)
    return _MAKERS[name](getattr(settings, name))
