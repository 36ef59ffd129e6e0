"""How figures look: Okabe and Ito's colours, which people with any colour vision tell apart, and a plotly template."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from orwlab import checks

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
CYCLE = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK]
GHOST = "#9AA3AF"
"""the reference, behind what is shown"""
INK = "#1B2430"
"""text"""
MARGIN = dict(l=60, r=20, t=60, b=50)
"""pixels around the axes"""

# one colour for each alpha that is drawn; a large one is the reference itself, and has its grey
_ALPHAS = {0.03: BLACK, 0.1: PURPLE, 0.3: ORANGE, 1.0: BLUE, 3.0: GREEN, 10.0: SKY, 100.0: GHOST}
_NAMED = re.compile(r"α\s*=\s*([0-9.]+)(?:/([0-9]+))?")
_GRID = "#E3E6EB"
# each time the colours come round again: the dash of a line, of a prediction or limit; a marker; the hatching of a bar
_LAPS = (
    ("solid", "dash", "circle", ""),
    ("dot", "longdash", "square", "/"),
    ("dashdot", "longdashdot", "diamond", "x"),
)
SERIES = len(CYCLE) * len(_LAPS)
"""how many series of one figure can be told apart"""


@dataclass(frozen=True)
class Look:
    """How one series is drawn: a colour, and what sets it apart from others of that colour.

    ``dash`` is for its line, ``limit`` the dash of its prediction or limit, ``symbol`` for its markers, ``hatch`` for
    its bars. ``lap`` says how often the colour has come before.
    """

    colour: str
    dash: str
    limit: str
    symbol: str
    hatch: str
    lap: int = 0


def look(name: str, colour: str, lap: int) -> Look:
    """The look of a series in ``colour`` that ``lap`` others have already.

    Raises:
        ValueError: too many of one colour; it says that ``name`` holds too many series.
    """
    if lap >= len(_LAPS):
        raise ValueError(f"{name} holds too many series; allowed: at most {SERIES}, which can be told apart")
    return Look(colour, *_LAPS[lap], lap)


def alpha_colour(alpha: float) -> str:
    """The colour of an alpha >= 0, the same in every figure: that of the nearest of 0.03, 0.1, ..., 100, or of 0."""
    alpha = checks.number("alpha", alpha, low=0.0)
    if alpha == 0:
        return VERMILION
    steps = list(_ALPHAS)
    middles = [(a * b) ** 0.5 for a, b in pairwise(steps)]
    return _ALPHAS[steps[sum(alpha >= middle for middle in middles)]]


def colours(names: Sequence[str]) -> list[str]:
    """A colour for each series by its name: one that says "α = 0.3" has that alpha's, the others take turns.

    The others keep clear of the colours of the alphas beside them, as long as there are enough. Where too many alphas
    would share a colour, all take turns.
    """
    found: list[str | None] = []
    for name in names:
        if not isinstance(name, str):
            raise checks.fail("a series' name", name, "a text")
        said = _NAMED.search(name)
        value = float(said[1].rstrip(".") or 0) / float(said[2] or 1) if said else None
        found.append(None if value is None else alpha_colour(value))
    if any(count > len(_LAPS) for count in Counter(filter(None, found)).values()):
        found = [None] * len(found)  # more near one alpha than can be told apart in its colour
    free = [colour for colour in CYCLE if colour not in found] or CYCLE
    turn = iter(free[k % len(free)] for k in range(len(found)))
    return [next(turn) if colour is None else colour for colour in found]


def looks(argument: str, names: Sequence[str]) -> list[Look]:
    """A look for each series, no two alike, in the ``colours`` of their names.

    Raises:
        ValueError: too many of one colour; it calls the series ``argument``.
    """
    laps: Counter[str] = Counter()
    found = []
    for colour in colours(names):
        found.append(look(argument, colour, laps[colour]))
        laps[colour] += 1
    return found


def template(font_size: int = 15) -> go.layout.Template:
    """The plotly template of every figure: white, thin grid, large type.

    Args:
        font_size: pixels, a whole number >= 1.
    """
    font_size = checks.integer("font_size", font_size)
    axis: dict[str, Any] = dict(
        gridcolor=_GRID, linecolor="#8A94A3", zerolinecolor=_GRID, ticks="outside", ticklen=4, automargin=True
    )
    return go.layout.Template(
        layout=go.Layout(
            colorway=CYCLE,
            font=dict(family="DejaVu Sans, Verdana, Arial, sans-serif", size=font_size, color=INK),
            title=dict(x=0.02, xanchor="left", font=dict(size=font_size + 4)),
            paper_bgcolor="white",
            plot_bgcolor="white",
            xaxis=axis,
            yaxis=axis,
            margin=MARGIN,
            legend=dict(bgcolor="rgba(255,255,255,0.7)"),
        )
    )
