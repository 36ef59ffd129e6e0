"""Figures of weighted samples: a weighted regression, what few heavy samples do, estimates against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures.online import labelled_curves
from orwlab.show.figures.samples import _contour, _points, plane_axes
from orwlab.show.figures.theory import Curve, Numbers, _array

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
    estimates: Sequence[Band], truth: Curve, *, xlabel: str, ylabel: str, title: str = "", log_y: bool = False
) -> go.Figure:
    """Estimates as lines in shaded bands, and the truth as a dashed black line; each is named at its end.

    Args:
        estimates: a colour each.
        truth: the closed form.
        xlabel: the x axis, with its symbol.
        ylabel: the y axis, with its symbol.
        title: above the figure.
        log_y: a logarithmic y axis, down to half of the smallest estimate.
    """
    if not estimates:
        raise checks.fail("estimates", estimates, "at least one band")
    lines = [Curve(truth.name, truth.x, truth.y, "dashes", theme.BLACK)]
    lines += [Curve(e.name, e.x, e.y, colour=c) for c, e in zip(theme.CYCLE, estimates)]
    lowest = min(float(_array(e.low).min()) for e in estimates)
    highest = max(float(_array(values).max()) for values in (truth.y, *(e.high for e in estimates)))
    y_range = (lowest / 2, highest * 1.3) if log_y else None
    figure = labelled_curves(lines, xlabel=xlabel, ylabel=ylabel, title=title, log_y=log_y, y_range=y_range)
    for colour, e in zip(theme.CYCLE, estimates):
        x = _array(e.x)
        r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([x, x[::-1]]),
                y=np.concatenate([_array(e.high), _array(e.low)[::-1]]),
                fill="toself",
                fillcolor=f"rgba({r},{g},{b},0.18)",
                line=dict(width=0),
                mode="lines",
                hoverinfo="skip",
                name=f"{e.name}, band",
            )
        )
    return figure


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
        w: weights, (n,), positive; a point's area is proportional to its weight.
        curves: conditional means, drawn over the points.
        title: above the figure.
        xlabel: the x axis.
        ylabel: the y axis.
    """
    x, y, size = (_array(values.flatten()) for values in (x_t, u_t, w.clamp_min(0).sqrt()))
    figure = labelled_curves(curves, xlabel=xlabel, ylabel=ylabel, title=title, y_range=_middle(y))
    dots = dict(size=2 + 12 * size / size.max(), color=theme.GHOST, opacity=0.45, line=dict(width=0))
    points = go.Scatter(x=x, y=y, mode="markers", marker=dots, name="pairs", hoverinfo="skip")
    figure.add_trace(points)
    figure.data = (figure.data[-1], *figure.data[:-1])  # behind the curves
    return figure


def weighted_samples(
    panels: Sequence[tuple[str, Tensor, Tensor, Tensor]],
    *,
    contours: Sequence[tuple[Tensor, Tensor] | None] = (),
    extent: float = 4.5,
    centre: tuple[float, float] = (0.0, 0.0),
    title: str = "",
) -> go.Figure:
    """Data as rings as large as their weight, and what was learned from them as blue dots, side by side.

    Args:
        panels: (heading, data (m, 2), weights (m,), learned samples (n, 2)) for each panel.
        contours: for each panel None or (axis (k,), density (k, k)) of the density that should have been learned, drawn
            as lines; its first index is x.
        extent: half the side of each panel.
        centre: of each panel.
        title: above all panels.
    """
    if not panels:
        raise checks.fail("panels", panels, "at least one (heading, data, weights, samples)")
    figure = make_subplots(cols=len(panels), subplot_titles=[panel[0] for panel in panels], horizontal_spacing=0.03)
    for column, (_, data, w, learned) in enumerate(panels, start=1):
        at = dict(row=1, col=column)
        share = (w / w.sum()).sqrt()  # the ring's area is the share of all weight
        rings = dict(
            size=_array(2 + 60 * share), color="rgba(0,0,0,0)", line=dict(color=theme.BLACK, width=1.2), opacity=0.8
        )
        xy = _array(data)
        figure.add_trace(_points(learned, theme.BLUE, 3, 0.35, "learned"), **at)
        if column <= len(contours) and contours[column - 1] is not None:
            figure.add_trace(_contour(*contours[column - 1]), **at)  # type: ignore[misc]
        figure.add_trace(go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=rings, name="data"), **at)
        plane_axes(figure, column, extent, centre)
    return figure.update_layout(
        template=theme.template(),
        title=title,
        showlegend=False,
        width=60 + PANEL * len(panels),
        height=PANEL + 140,
        margin=dict(t=110 if title else 70),
    )


def _middle(y: np.ndarray) -> tuple[float, float]:
    """From the 0.2nd to the 99.8th percentile, with a little air: a few outliers shall not shrink the rest."""
    low, high = np.percentile(y, [0.2, 99.8])
    return float(low - 0.1 * (high - low)), float(high + 0.1 * (high - low))
