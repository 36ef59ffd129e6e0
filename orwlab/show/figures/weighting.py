"""Figures of weighted samples: a weighted regression, what few heavy samples do, estimates against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given, layout
from orwlab.show.figures.given import Numbers
from orwlab.show.figures.online import SIZE, labelled, reach
from orwlab.show.figures.samples import _contour, _points, plane_axes
from orwlab.show.figures.theory import Curve, drawn

PANEL = 310  # pixels


@dataclass(frozen=True)
class Band:
    """Estimates over x: the middle one ``y``, and ``low`` and ``high``, between which most of them lie."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers
    high: Numbers


def bands(
    estimates: Sequence[Band],
    truth: Curve,
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log_y: bool = False,
    show: Sequence[float] | None = None,
) -> go.Figure:
    """Estimates as lines in shaded bands, and the truth as a dashed black line; each is named at its end.

    A truth that leaves the axes is named where it leaves them.

    Args:
        estimates: a colour each, all finite, low <= high.
        truth: the closed form.
        xlabel: the x axis, with its symbol.
        ylabel: the y axis, with its symbol.
        title: above the figure.
        log_y: a logarithmic y axis, down to half of the smallest estimate; all numbers must be > 0.
        show: values that the y axis must reach in any case, if it is not logarithmic.
    """
    log_y = checks.yes_or_no("log_y", log_y)
    reached = () if show is None else checks.numbers("show", show)
    shown = given.instances("estimates", estimates, Band)
    (exact,) = given.instances("truth", [truth], Curve)
    looks = theme.looks("estimates", [band.name for band in shown])
    lines = [Curve(exact.name, exact.x, exact.y, "dashes", theme.BLACK)]
    lines += [Curve(band.name, band.x, band.y, colour=look.colour) for look, band in zip(looks, shown, strict=True)]
    edges = []
    for band in shown:
        x = given.line(f"x of {band.name!r}", band.x)
        low = given.line(f"low of {band.name!r}", band.low, len(x), positive=log_y)
        high = given.line(f"high of {band.name!r}", band.high, len(x), positive=log_y)
        if (low > high).any():
            raise checks.fail(f"low of {band.name!r}", band.low, "at most high, everywhere")
        edges.append((x, low, high))
    lowest, highest = min(float(low.min()) for _, low, _ in edges), max(float(high.max()) for *_, high in edges)
    figure = drawn(lines, 2.2, 8, log_y=log_y)
    for look, trace in zip(looks, figure.data[1:], strict=True):
        trace.line.dash = look.dash
    if log_y:
        y_range = (lowest / 2, 1.3 * max(highest, float(np.nanmax(figure.data[0].y))))
    else:
        bottom, top = reach(figure, False)
        y_range = (
            min(bottom, lowest, *reached),
            max(top, highest, *reached),
        )  # as wide as the lines need, and the bands
    leaves = _last_within(figure.data[0].y, y_range)
    if leaves is not None:
        figure.data[0].name = ""  # no name at its end, which is not shown
    labelled(figure, xlabel=xlabel, ylabel=ylabel, title=title, log_y=log_y, y_range=y_range)
    if leaves is not None:
        figure.data[0].name = exact.name
        below = float(figure.data[0].y[leaves + 1]) < y_range[0]
        figure.add_annotation(
            x=float(figure.data[0].x[leaves + 1]),
            y=0.0 if below else 1.0,
            yref="y domain",
            text=exact.name,
            showarrow=False,
            xanchor="left",
            yanchor="bottom" if below else "top",
            font=dict(color=theme.BLACK, size=SIZE),
        )
    for look, band, (x, low, high) in zip(looks, shown, edges, strict=True):
        r, g, b = (int(look.colour[i : i + 2], 16) for i in (1, 3, 5))
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([x, x[::-1]]),
                y=np.concatenate([high, low[::-1]]),
                fill="toself",
                fillcolor=f"rgba({r},{g},{b},0.18)",
                line=dict(width=0),
                mode="lines",
                hoverinfo="skip",
                name=f"{band.name}, band",
            )
        )
    return figure


def _last_within(y: np.ndarray, y_range: tuple[float, float]) -> int | None:
    """Where a line is within the range for the last time; None if it stays until its end, or was never in it."""
    within = np.flatnonzero((y >= y_range[0]) & (y <= y_range[1]))
    return int(within[-1]) if len(within) and within[-1] + 1 < len(y) else None


def weighted_regression(
    x_t: Tensor,
    u_t: Tensor,
    w: Tensor,
    curves: Sequence[Curve],
    *,
    title: str = "",
    xlabel: str = "x<sub>t</sub>",
    ylabel: str = "u<sub>t</sub> = x<sub>1</sub> − x<sub>0</sub>",
) -> go.Figure:
    """The regression that flow matching is, at one time: points (x_t, u_t) as large as their weight, and fits.

    Args:
        x_t: (n,) or (n, 1).
        u_t: (n,) or (n, 1).
        w: weights, (n,) or (n, 1), >= 0 and not all 0; a point's area is proportional to its weight.
        curves: conditional means, drawn over the points.
        title: above the figure.
        xlabel: the x axis.
        ylabel: the y axis.
    """
    x, y = given.line("x_t", _flat("x_t", x_t)), given.line("u_t", _flat("u_t", u_t))
    if len(x) != len(y):
        raise checks.fail("u_t", u_t, f"one number for each of the {len(x)} of x_t")
    weights = _flat("w", w)
    _weights("w", weights, len(x))
    size = given.plain(weights.sqrt())
    figure = drawn(curves, 2.2, 8)
    labelled(figure, xlabel=xlabel, ylabel=ylabel, title=title, y_range=_middle(y, [trace.y for trace in figure.data]))
    dots = dict(size=2 + 12 * size / size.max(), color=theme.GHOST, opacity=0.45, line=dict(width=0))
    points = go.Scatter(x=x, y=y, mode="markers", marker=dots, name="pairs", hoverinfo="skip")
    figure.add_trace(points)
    figure.data = (figure.data[-1], *figure.data[:-1])  # behind the curves
    return figure


def _flat(name: str, values: Any) -> Tensor:
    x = checks.array(name, values, "finite real numbers of shape (n,) or (n, 1)")
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[1] != 1):
        raise checks.fail(name, values, "finite real numbers of shape (n,) or (n, 1)")
    return x.reshape(-1)


def _weights(name: str, values: Any, n: int) -> np.ndarray:
    w = given.line(name, values, n)
    if w.min() < 0 or w.max() == 0:
        raise checks.fail(name, values, "weights >= 0, not all 0")
    return w


def weighted_samples(
    panels: Sequence[tuple[str, Tensor, Tensor, Tensor | None]],
    *,
    contours: Sequence[tuple[Tensor, Tensor] | None] = (),
    extent: float = 4.5,
    centre: tuple[float, float] = (0.0, 0.0),
    title: str = "",
) -> go.Figure:
    """Data as rings as large as their weight, and what was learned from them as blue dots, side by side.

    Args:
        panels: (heading, data (m, 2), weights (m,), learned samples (n, 2) or None) for each panel.
        contours: nothing, or for each panel None or (axis (k,), density (k, k)) of the density that should have been
            learned, drawn as dashed lines; its first index is x.
        extent: half the side of each panel.
        centre: of each panel.
        title: above all panels.
    """
    shown = given.panels("panels", panels, "heading, data, weights, samples")
    between, width = layout.gap(0.03, len(shown)), 60 + PANEL * len(shown)
    headings = layout.headings([panel[0] for panel in shown], width, between)
    exact = given.for_each("contours", contours, len(shown))
    figure = make_subplots(cols=len(shown), subplot_titles=headings, horizontal_spacing=between)
    for column, ((heading, data, w, learned), contour) in enumerate(zip(shown, exact, strict=True), start=1):
        at = dict(row=1, col=column)
        xy = given.points(f"data of {heading!r}", data)
        weights = _weights(f"weights of {heading!r}", w, len(xy))
        share = np.sqrt(weights / weights.sum())  # the ring's area is the share of all weight
        rings = dict(size=2 + 60 * share, color="rgba(0,0,0,0)", line=dict(color=theme.BLACK, width=1.2), opacity=0.8)
        if learned is not None:
            figure.add_trace(_points(f"samples of {heading!r}", learned, theme.BLUE, 3, 0.35, "learned"), **at)
        if contour is not None:
            figure.add_trace(_contour(contour), **at)
        figure.add_trace(go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=rings, name="data"), **at)
        plane_axes(figure, column, extent, centre)
    return layout.finished(
        figure,
        title,
        width=width,
        height=PANEL + 140,
        top=(110, 70),
        over=headings,
        showlegend=False,
    )


def _middle(y: np.ndarray, curves: Sequence[np.ndarray]) -> tuple[float, float]:
    """Most points, lest a few outliers shrink the rest, and all curves."""
    low, high = np.percentile(y, [0.2, 99.8])
    air = 0.1 * (high - low) or 0.5
    ends = [low - air, high + air, *(end for curve in curves for end in (np.nanmin(curve), np.nanmax(curve)))]
    return float(min(ends)), float(max(ends))
