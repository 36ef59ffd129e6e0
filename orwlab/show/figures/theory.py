"""Figures of exact results: densities, curves against alpha, the ladder, learned against exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from torch import Tensor

from orwlab import checks
from orwlab.show import theme

WIDTH, HEIGHT = 760, 420
Numbers = Sequence[float] | Tensor


@dataclass(frozen=True)
class Curve:
    """One line of ``curves``: points (x, y), drawn solid, dashed (a prediction) or as markers (a measurement)."""

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
        log_x: a logarithmic x axis.
        log_y: a logarithmic y axis.
    """
    return _finish(drawn(lines, 2.5, 10), xlabel, ylabel, title, log_x, log_y)


def drawn(lines: Sequence[Curve], width: float, size: float) -> go.Figure:
    """A bare figure with the lines in it, ``width`` pixels thick, markers of ``size`` pixels.

    Raises:
        ValueError: no lines, or an unknown style.
    """
    if not lines:
        raise checks.fail("lines", lines, "at least one curve")
    figure = go.Figure()
    for k, line in enumerate(lines):
        checks.choice("style", line.style, ("line", "dashes", "markers"))
        colour = line.colour or theme.CYCLE[k % len(theme.CYCLE)]
        figure.add_trace(
            go.Scatter(
                x=_array(line.x),
                y=_array(line.y),
                name=line.name,
                mode="markers" if line.style == "markers" else "lines",
                line=dict(color=colour, width=width, dash="dash" if line.style == "dashes" else "solid"),
                marker=dict(color=colour, size=size),
            )
        )
    return figure


def densities_on_a_line(
    x: Numbers, densities: dict[str, Numbers], *, reference: Numbers | None = None, title: str = ""
) -> go.Figure:
    """Densities over x, the reference filled in grey."""
    figure = go.Figure()
    if reference is not None:
        line = dict(color=theme.GHOST, width=1.5)
        figure.add_trace(
            go.Scatter(x=_array(x), y=_array(reference), name="reference", line=line, fill="tozeroy", mode="lines")
        )
    for colour, (name, density) in zip(theme.CYCLE, densities.items()):
        line = dict(color=colour, width=2.5)
        figure.add_trace(go.Scatter(x=_array(x), y=_array(density), name=name, line=line, mode="lines"))
    return _finish(figure, "x", "density", title, False, False)


def learned_against_exact(groups: dict[str, tuple[Numbers, Numbers]], *, title: str = "") -> go.Figure:
    """Mean rewards that networks reached against the oracle's, a colour a group, with the diagonal.

    Args:
        groups: (exact, learned) by label.
        title: above the figure.
    """
    if not groups:
        raise checks.fail("groups", groups, "at least one group of points")
    everything = np.concatenate([np.concatenate([_array(e), _array(v)]) for e, v in groups.values()])
    low, high = float(everything.min()) - 0.05, float(everything.max()) + 0.05
    figure = go.Figure(
        go.Scatter(x=[low, high], y=[low, high], mode="lines", name="equal", line=dict(color=theme.GHOST, dash="dash"))
    )
    for colour, (name, (exact, learned)) in zip(theme.CYCLE, groups.items()):
        marker = dict(color=colour, size=10)
        figure.add_trace(go.Scatter(x=_array(exact), y=_array(learned), mode="markers", name=name, marker=marker))
    figure = _finish(figure, "mean reward at the exact limit", "mean reward learned", title, False, False)
    figure.update_xaxes(range=[low, high], constrain="domain")
    figure.update_yaxes(range=[low, high], scaleanchor="x")
    return figure.update_layout(height=560, width=WIDTH)


def bars(
    groups: dict[str, dict[str, float]], *, xlabel: str, ylabel: str, title: str = "", log_y: bool = False
) -> go.Figure:
    """Grouped bars: ``groups[series][category]``."""
    if not groups:
        raise checks.fail("groups", groups, "at least one series")
    figure = go.Figure()
    for colour, (series, heights) in zip(theme.CYCLE, groups.items()):
        figure.add_trace(go.Bar(x=list(heights), y=_array(list(heights.values())), name=series, marker_color=colour))
    figure.update_layout(barmode="group")
    return _finish(figure, xlabel, ylabel, title, False, log_y)


def _finish(figure: go.Figure, xlabel: str, ylabel: str, title: str, log_x: bool, log_y: bool) -> go.Figure:
    figure.update_layout(template=theme.template(), title=title, width=WIDTH, height=HEIGHT)
    figure.update_xaxes(title=xlabel, type="log" if log_x else None)
    if log_x:  # the values that were used say more than powers of ten
        values = sorted({float(x) for trace in figure.data for x in trace.x})
        figure.update_xaxes(tickvals=values, ticktext=[f"{x:.6g}" for x in values])
    figure.update_yaxes(title=ylabel, type="log" if log_y else None, exponentformat="power")
    return figure


def _array(values: Numbers) -> np.ndarray:
    plain = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values
    return np.asarray(plain, dtype=np.float32)
