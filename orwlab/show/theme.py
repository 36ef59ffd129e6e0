"""How figures look: Okabe and Ito's colours, which people with any colour vision tell apart, and a plotly template."""

from dataclasses import dataclass
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


def looks(name: str, count: int) -> list[Look]:
    """A look for each of ``count`` series, no two alike; ``name`` is what an error calls them.

    Raises:
        ValueError: more than ``SERIES``.
    """
    return [look(name, CYCLE[k % len(CYCLE)], k // len(CYCLE)) for k in range(count)]


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
