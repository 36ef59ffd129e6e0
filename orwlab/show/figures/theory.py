"""Figures of exact results: densities, curves against alpha, the ladder, learned against exact."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given
from orwlab.show.figures.given import Numbers
from orwlab.show.figures.layout import finished

WIDTH, HEIGHT = 760, 420
MOST_TICKS = 9
"""on a logarithmic axis that shows the values that were used"""


@dataclass(frozen=True)
class Curve:
    """One line of ``curves``: points (x, y), drawn solid, dashed (a prediction) or as markers (a measurement).

    NaN in ``y`` is a gap. ``colour`` is any that plotly knows; if None, that of the alpha in
    its name, or the next one of ``theme.CYCLE``.
    """

    name: str
    x: Numbers
    y: Numbers
    style: str = "line"
    colour: str | None = None


def curves(
    lines: Sequence[Curve],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """Lines, dashed predictions and measured markers in one set of axes.

    Args:
        lines: what to draw; ``style`` is "line", "dashes" or "markers".
        xlabel: the x axis, with its symbol.
        ylabel: the y axis, with its symbol.
        title: above the figure.
        log_x: a logarithmic x axis; all x must be > 0.
        log_y: a logarithmic y axis; all y must be > 0.

    Raises:
        ValueError: no lines or more than can be told apart, an unknown style, x and y of different lengths, or numbers
            that the axes cannot show.
    """
    return _finish(drawn(lines, 2.5, 10, log_x, log_y), xlabel, ylabel, title, log_x, log_y)


def drawn(lines: Sequence[Curve], width: float, size: float, log_x: bool = False, log_y: bool = False) -> go.Figure:
    """A bare figure with the lines in it, ``width`` pixels thick, markers of ``size`` pixels.

    Lines without a colour take one in turn; those that share a colour and a style differ in dash or marker.

    Raises:
        ValueError: as ``curves``.
    """
    log_x, log_y = checks.yes_or_no("log_x", log_x), checks.yes_or_no("log_y", log_y)
    figure = go.Figure()
    laps: Counter[tuple[str, str]] = Counter()
    shown = given.instances("lines", lines, Curve)
    names = [given.words("a curve's name", curve.name) for curve in shown]
    for curve, name, colour in zip(shown, names, theme.colours(names), strict=True):
        style = checks.choice("style", curve.style, ("line", "dashes", "markers"))
        x = given.line(f"x of {name!r}", curve.x, positive=log_x)
        y = given.line(f"y of {name!r}", curve.y, len(x), gaps=True, positive=log_y)
        if curve.colour is None:
            look = theme.look("lines", colour, laps[colour, style])
        else:
            look = theme.look("lines", _colour(f"colour of {name!r}", curve.colour), 0)
        laps[look.colour, style] += 1
        trace: dict[str, Any] = dict(
            mode="markers" if style == "markers" else "lines",
            line=dict(color=look.colour, width=width, dash=look.limit if style == "dashes" else look.dash),
            marker=dict(color=look.colour, size=size, **_symbol(look)),
        )
        figure.add_trace(go.Scatter(x=x, y=y, name=name, **trace))
    return figure


def densities_on_a_line(
    x: Numbers, densities: Mapping[str, Numbers], *, reference: Numbers | None = None, title: str = ""
) -> go.Figure:
    """Exact densities over x, dashed, the reference filled in grey.

    Args:
        x: places, (n,).
        densities: values at ``x``, (n,), by their name; NaN is a gap.
        reference: of the pretrained model, (n,).
        title: above the figure.
    """
    places = given.line("x", x)
    figure = go.Figure()
    if reference is not None:
        line: dict[str, Any] = dict(color=theme.GHOST, width=1.5)
        y = given.line("reference", reference, len(places), gaps=True)
        figure.add_trace(go.Scatter(x=places, y=y, name="reference", line=line, fill="tozeroy", mode="lines"))
    series = given.by_name("densities", densities, "at least one density by its name")
    for look, (name, density) in zip(theme.looks("densities", list(series)), series.items(), strict=True):
        line = dict(color=look.colour, width=2.5, dash=look.limit)
        y = given.line(f"density {name!r}", density, len(places), gaps=True)
        figure.add_trace(go.Scatter(x=places, y=y, name=name, line=line, mode="lines"))
    return _finish(figure, "x", "density", title, False, False)


def learned_against_exact(groups: Mapping[str, tuple[Numbers, Numbers]], *, title: str = "") -> go.Figure:
    """Mean rewards that networks reached against the oracle's, a colour a group, with the diagonal.

    Args:
        groups: (exact, learned), (n,) each, by label.
        title: above the figure.
    """
    series = given.by_name("groups", groups, "at least one group of points, (exact, learned) by its label")
    pairs = {name: _pair(f"groups[{name!r}]", pair) for name, pair in series.items()}
    everything = np.concatenate([np.concatenate(pair) for pair in pairs.values()])
    low, high = float(everything.min()), float(everything.max())
    air = max(0.05, 0.03 * (high - low))
    low, high = low - air, high + air
    figure = go.Figure(
        go.Scatter(x=[low, high], y=[low, high], mode="lines", name="equal", line=dict(color=theme.GHOST, dash="dash"))
    )
    for look, (name, (exact, learned)) in zip(theme.looks("groups", list(pairs)), pairs.items(), strict=True):
        marker = dict(color=look.colour, size=10, **_symbol(look))
        figure.add_trace(go.Scatter(x=exact, y=learned, mode="markers", name=name, marker=marker))
    figure = _finish(figure, "mean reward at the exact limit", "mean reward learned", title, False, False, 560)
    figure.update_xaxes(range=[low, high], constrain="domain")
    figure.update_yaxes(range=[low, high], scaleanchor="x")
    return figure


def bars(
    groups: Mapping[str, Mapping[str, float]], *, xlabel: str, ylabel: str, title: str = "", log_y: bool = False
) -> go.Figure:
    """Grouped bars: ``groups[series][category]``; every series has a bar for every category.

    Args:
        groups: heights by category, by series.
        xlabel: the categories.
        ylabel: the heights, with their symbol.
        title: above the figure.
        log_y: a logarithmic y axis; all heights must be > 0.
    """
    log_y = checks.yes_or_no("log_y", log_y)
    series = given.by_name("groups", groups, "at least one series, its bars by category")
    figure = go.Figure()
    names: list[str] = []
    for look, (name, values) in zip(theme.looks("groups", list(series)), series.items(), strict=True):
        heights = given.by_name(f"groups[{name!r}]", values, "at least one bar by its category")
        names = names or list(heights)
        if set(heights) != set(names):
            raise checks.fail(f"groups[{name!r}]", list(heights), f"the categories of the first series, {names}")
        y = given.line(f"groups[{name!r}]", list(heights.values()), positive=log_y)
        hatch = dict(marker_pattern_shape=look.hatch) if look.hatch else {}
        figure.add_trace(go.Bar(x=list(heights), y=y, name=name, marker_color=look.colour, **hatch))
    figure.update_layout(barmode="group")
    return _finish(figure, xlabel, ylabel, title, False, log_y)


def ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis from 10^low to 10^high: 1, 2, 5, 10, ... or, over many decades, powers of ten."""
    if high - low > 3:
        return dict(dtick=1 if high - low < 12 else float(np.ceil((high - low) / 8)))
    values = [m * 10.0**k for k in range(int(np.floor(low)), int(np.ceil(high)) + 1) for m in (1, 2, 5)]
    return dict(tickvals=values, ticktext=[f"{value:g}" for value in values])


def _pair(name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise checks.fail(name, pair, "(exact, learned)")
    exact = given.line(f"exact of {name}", pair[0])
    return exact, given.line(f"learned of {name}", pair[1], len(exact))


def _colour(name: str, colour: Any) -> str:
    try:
        return go.scatter.Line(color=given.words(name, colour)).color
    except ValueError as error:
        raise checks.fail(name, colour, "a colour that CSS knows, such as '#0072B2' or 'red'") from error


def _symbol(look: theme.Look) -> dict[str, str]:
    return dict(symbol=look.symbol) if look.lap else {}


def _finish(
    figure: go.Figure, xlabel: str, ylabel: str, title: str, log_x: bool, log_y: bool, height: int = HEIGHT
) -> go.Figure:
    finished(figure, title, width=WIDTH, height=height)
    figure.update_xaxes(title=given.words("xlabel", xlabel), type="log" if log_x else None)
    if log_x:  # the values that were used say more than powers of ten, if they are few
        values = sorted({float(x) for trace in figure.data for x in trace.x})
        shown = dict(tickvals=values, ticktext=[f"{x:.6g}" for x in values])
        if len(values) > MOST_TICKS:
            shown = ticks(np.log10(values[0]), np.log10(values[-1]))
        figure.update_xaxes(**shown)
    figure.update_yaxes(title=given.words("ylabel", ylabel), type="log" if log_y else None, exponentformat="power")
    return figure
