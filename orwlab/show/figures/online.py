"""Lines over rounds, each with its name at its end."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures.theory import Curve, drawn

WIDTH, HEIGHT = 820, 420
TOP, BOTTOM = 60, 60  # margins in pixels
LINE_HEIGHT = 19  # pixels between two names, so that they do not touch


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

    Args:
        lines: what to draw; ``style`` is "line", "dashes" or "markers". A name may hold ``<br>``; "" gives none.
        xlabel: the x axis, with its symbol.
        ylabel: the y axis, with its symbol.
        title: above the figure.
        log_x: a logarithmic x axis; all x must be > 0.
        log_y: a logarithmic y axis; all y must be > 0.
        y_range: the y axis from, to; else what holds all points.
        room: pixels for the names.

    Raises:
        ValueError: no lines, an unknown style, or numbers that a logarithmic axis cannot show.
    """
    figure = drawn(lines, 2.2, 8)
    ends: list[tuple[float, str, str]] = []
    for line, trace in zip(lines, figure.data):
        if (log_x and not (trace.x > 0).all()) or (log_y and not (trace.y > 0).all()):
            raise checks.fail("lines", line.name, "positive numbers on a logarithmic axis")
        ends.append((float(trace.y[-1]), line.name, trace.line.color))
    figure.update_layout(
        template=theme.template(),
        title=title,
        width=WIDTH,
        height=HEIGHT,
        showlegend=False,
        margin=dict(l=70, r=room, t=TOP, b=BOTTOM),
    )
    figure.update_xaxes(title=xlabel, type="log" if log_x else None)
    low, high = y_range or _reach(figure, log_y)
    if log_y:
        low, high = math.log10(low), math.log10(high)
        ends = [(math.log10(y), name, colour) for y, name, colour in ends]
    figure.update_yaxes(title=ylabel, type="log" if log_y else None, range=[low, high], exponentformat="power")
    if log_y:
        figure.update_yaxes(**_ticks(low, high))
    if log_x:
        xs = [float(np.log10(value)) for trace in figure.data for value in (trace.x.min(), trace.x.max())]
        figure.update_xaxes(**_ticks(min(xs), max(xs)))
    _name(figure, [end for end in ends if end[1]], low, high)
    return figure


def _ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis from 10^low to 10^high: 1, 2, 5, 10, ... or, over many decades, powers of ten."""
    if high - low > 3:
        return dict(dtick=1)
    values = [m * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    return dict(tickvals=values, ticktext=[f"{value:g}" for value in values])


def _reach(figure: go.Figure, log_y: bool) -> tuple[float, float]:
    """The y axis that holds every point, with a little air."""
    low = min(float(np.min(trace.y)) for trace in figure.data)
    high = max(float(np.max(trace.y)) for trace in figure.data)
    if log_y:
        return low / 1.2, high * 1.2
    air = 0.05 * (high - low) or 0.5
    return low - air, high + air


def _name(figure: go.Figure, ends: list[tuple[float, str, str]], low: float, high: float) -> None:
    """Names beside the lines' ends, from the top down, moved apart where they would touch."""
    pixels = HEIGHT - TOP - BOTTOM
    ends = sorted(ends, key=lambda end: -end[0])
    half = [LINE_HEIGHT * (1 + name.count("<br>")) / 2 for _, name, _ in ends]
    places = [min(max((high - y) / (high - low), 0.0), 1.0) * pixels for y, _, _ in ends]  # from the top
    for k in range(1, len(ends)):
        places[k] = max(places[k], places[k - 1] + half[k - 1] + half[k])
    for k in reversed(range(len(ends))):  # what was pushed off the bottom goes back up
        floor = pixels + half[k] if k == len(ends) - 1 else places[k + 1] - half[k + 1] - half[k]
        places[k] = min(places[k], floor)
    for (_, name, colour), place in zip(ends, places):
        figure.add_annotation(
            x=1.0,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=1 - place / pixels,
            yref="paper",
            yanchor="middle",
            text=name,
            align="left",
            showarrow=False,
            font=dict(color=colour, size=14),
        )
