"""Lines over rounds, each with its name at its end."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from orwlab import checks
from orwlab.show.figures import given, layout, theory
from orwlab.show.figures.theory import Curve

WIDTH, HEIGHT = 820, 420
TOP, BOTTOM = 60, 60  # margins in pixels
SIZE = 14  # of the names, pixels
LINE_HEIGHT = 19  # pixels between two names, so that they do not touch
BELOW = 7  # pixels that a name may reach below the axes, beside the last tick's label
NEAR = 5  # pixels that a name may stand off its line's end without a leader
LEADER = 26  # pixels from the axes to a name that a line leads to
AIR = 0.025  # of the x axis beside markers at its ends, which would be cut else
_DASHES = {"dot": "··· ", "dashdot": "–·– ", "longdash": "— — ", "longdashdot": "—·— "}
_MARKS = {"square": "■ ", "diamond": "◆ "}


def labelled_curves(
    lines: Sequence[Curve],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    y_range: tuple[float, float] | None = None,
    room: int = 170,
) -> go.Figure:
    """Lines, dashed predictions and measured markers, named at their right ends in place of a legend.

    A thin line leads to the name where it had to move away from its end, or where the line ends early.

    Args:
        lines: what to draw; ``style`` is "line", "dashes" or "markers". A name may hold ``<br>``; "" gives none.
        xlabel: the x axis, with its symbol.
        ylabel: the y axis, with its symbol.
        title: above the figure.
        log_x: a logarithmic x axis; all x must be > 0.
        log_y: a logarithmic y axis; all y must be > 0.
        y_range: the y axis from, to; else what holds all points.
        room: pixels for the names; the figure is wider where they need more.

    Raises:
        ValueError: no lines or more than can be told apart, an unknown style, x and y of different lengths, or numbers
            that the axes cannot show.
    """
    figure = theory.drawn(lines, 2.2, 8, log_x, log_y)
    return labelled(
        figure, xlabel=xlabel, ylabel=ylabel, title=title, log_x=log_x, log_y=log_y, y_range=y_range, room=room
    )


def labelled(
    figure: go.Figure,
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    y_range: tuple[float, float] | None = None,
    room: int = 170,
) -> go.Figure:
    """The figure of ``theory.drawn`` with its axes, and names at the lines' right ends; see ``labelled_curves``."""
    room = checks.integer("room", room, low=0)
    left, right = _across(figure, log_x)
    ends = []  # height at the right end, name, colour, how far across the axes the end is
    for trace in figure.data:
        if trace.name:
            at = np.flatnonzero(~np.isnan(trace.y))[-1]
            x, y = float(trace.x[at]), float(trace.y[at])
            across = ((math.log10(x) if log_x else x) - left) / (right - left)
            ends.append((math.log10(y) if log_y else y, _named(trace), trace.line.color, across))
    low, high = reach(figure, log_y) if y_range is None else _range(y_range, log_y)
    if log_y:
        low, high = math.log10(low), math.log10(high)
    wide = max((math.ceil(layout.width_of(name, SIZE)) + LEADER + 6 for _, name, *_ in ends), default=0)
    names = LINE_HEIGHT * sum(layout.rows(name) for _, name, *_ in ends)
    layout.finished(
        figure,
        title,
        width=WIDTH + max(0, wide - room),
        height=max(HEIGHT, TOP + BOTTOM + names),
        top=TOP,
        bottom=BOTTOM,
        showlegend=False,
        margin=dict(l=70, r=max(room, wide)),
    )
    figure.update_xaxes(title=given.words("xlabel", xlabel), type="log" if log_x else None, range=[left, right])
    figure.update_yaxes(
        title=given.words("ylabel", ylabel),
        type="log" if log_y else None,
        range=[low, high],
        exponentformat="power",
    )
    if log_y:
        figure.update_yaxes(**theory.ticks(low, high))
    if log_x:
        xs = [float(np.log10(value)) for trace in figure.data for value in (trace.x.min(), trace.x.max())]
        figure.update_xaxes(**theory.ticks(min(xs), max(xs)))
    _name(figure, ends, low, high)
    return figure


def _named(trace: go.Scatter) -> str:
    """A line's name, with a sample of its dash where another line has its colour."""
    mark = _MARKS.get(trace.marker.symbol, "") if trace.mode == "markers" else _DASHES.get(trace.line.dash, "")
    return mark + trace.name


def _range(y_range: tuple[float, float], log_y: bool) -> tuple[float, float]:
    limits = checks.numbers("y_range", y_range, above=0.0 if log_y else -math.inf)
    if len(limits) != 2 or limits[0] >= limits[1]:
        raise checks.fail("y_range", y_range, "(from, to), from < to")
    return limits[0], limits[1]


def reach(figure: go.Figure, log_y: bool) -> tuple[float, float]:
    """The y axis that holds every point, with a little air."""
    low = min(float(np.nanmin(trace.y)) for trace in figure.data)
    high = max(float(np.nanmax(trace.y)) for trace in figure.data)
    if log_y:
        return low / 1.2, high * 1.2
    air = 0.05 * (high - low) or 0.5
    return low - air, high + air


def _across(figure: go.Figure, log_x: bool) -> tuple[float, float]:
    """The x axis that holds every point, from and to; powers of ten if it is logarithmic."""
    low = min(float(trace.x.min()) for trace in figure.data)
    high = max(float(trace.x.max()) for trace in figure.data)
    if log_x:
        low, high = math.log10(low), math.log10(high)
    if low == high:
        return low - 0.5, high + 0.5
    air = AIR * (high - low) if any(trace.mode == "markers" for trace in figure.data) else 0.0
    return low - air, high + air


def _name(figure: go.Figure, ends: list[tuple[float, str, str, float]], low: float, high: float) -> None:
    """Names beside the lines' ends, from the top down, moved apart where they would touch."""
    shown = figure.layout
    pixels = shown.height - shown.margin.t - shown.margin.b
    wide = shown.width - shown.margin.l - shown.margin.r
    ends = sorted(ends, key=lambda end: -end[0])
    half = [LINE_HEIGHT * layout.rows(name) / 2 for _, name, *_ in ends]
    own = [min(max((high - y) / (high - low), 0.0), 1.0) * pixels for y, *_ in ends]  # from the top
    places = list(own)
    for k in range(1, len(ends)):
        places[k] = max(places[k], places[k - 1] + half[k - 1] + half[k])
    for k in reversed(range(len(ends))):  # what was pushed off the bottom goes back up
        floor = pixels + BELOW - half[k] if k == len(ends) - 1 else places[k + 1] - half[k + 1] - half[k]
        places[k] = min(places[k], floor)
    for (_, name, colour, across), end, place in zip(ends, own, places, strict=True):
        figure.add_annotation(
            x=1.0,
            xref="paper",
            xanchor="left",
            xshift=8 if abs(place - end) <= NEAR else LEADER,
            y=1 - place / pixels,
            yref="paper",
            yanchor="middle",
            text=name,
            align="left",
            showarrow=False,
            font=dict(color=colour, size=SIZE),
        )
        if abs(place - end) > NEAR or (1 - across) * wide > 3 * LEADER:
            figure.add_shape(
                type="line",
                xref="paper",
                yref="paper",
                x0=across + 4 / wide,
                y0=1 - end / pixels,
                x1=1 + (LEADER - 2) / wide if abs(place - end) > NEAR else 1.0 + 5 / wide,
                y1=1 - place / pixels,
                line=dict(color=colour, width=1, dash="solid"),
                opacity=0.6,
            )
