"""Figures of flows themselves: paths in time, velocities at a point, arrows, trajectories in the plane."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given, layout
from orwlab.show.figures.samples import plane_axes

HEIGHT, PLANES = 430, 530  # pixels, of a figure with time to the right, and of one with planes, which are square
_PALE = [[0, "#FFFFFF"], [1, "#8FA3BC"]]
_STEP, _ALONE, _PLANE = 400, 640, 370  # pixels of a panel with time to the right, of a single one, of a plane


def paths_in_time(
    panels: Sequence[tuple[str, Tensor, Tensor]],
    *,
    density: tuple[Tensor, Tensor, Tensor] | None = None,
    mark: tuple[float, float] | None = None,
    title: str = "",
) -> go.Figure:
    """Ways of points on a line, time to the right, side by side.

    Args:
        panels: (heading, times (T,), positions (T, n)), the times increasing from 0 to 1.
        density: (times (S,), axis (k,), p (S, k)), the density at each time, as a background darker where p is larger.
        mark: (time, position) of a point to draw large.
        title: above the figure.
    """
    shown = given.panels("panels", panels, "heading, times, positions")
    between, width = layout.gap(0.04, len(shown)), 60 + (_ALONE if len(shown) == 1 else _STEP * len(shown))
    headings = layout.headings([heading for heading, _, _ in shown], width, between)
    strip = None if density is None else _strip(density)
    at = None if mark is None else checks.numbers("mark", mark)
    if at is not None and len(at) != 2:
        raise checks.fail("mark", mark, "(time, position)")
    figure = make_subplots(cols=len(shown), subplot_titles=headings, shared_yaxes=True, horizontal_spacing=between)
    for column, (heading, times, positions) in enumerate(shown, start=1):
        if strip is not None:
            figure.add_trace(strip, row=1, col=column)
        t = given.times(f"times of {heading!r}", times)
        x = given.field(f"positions of {heading!r}", positions, (len(t), None))
        way = _broken(np.broadcast_to(t[:, None], x.shape), x)
        line = dict(color=theme.BLUE, width=1.2)
        figure.add_trace(go.Scatter(x=way[0], y=way[1], mode="lines", line=line, opacity=0.7), row=1, col=column)
        if at is not None:
            dot = dict(color=theme.VERMILION, size=13, line=dict(color="white", width=2))
            figure.add_trace(go.Scatter(x=[at[0]], y=[at[1]], mode="markers", marker=dot), row=1, col=column)
        figure.update_xaxes(title="time t", range=[0, 1], row=1, col=column)
    figure.update_yaxes(title="x<sub>t</sub>", row=1, col=1)
    figure.update_traces(hoverinfo="skip")
    return _finish(figure, title, width, headings)


def velocities_at_a_point(
    drawn: Tensor, grid: Tensor, density: Tensor, mean: float, *, title: str = "", bins: int = 40
) -> go.Figure:
    """The conditional velocities that meet at one point: drawn ones as bars, and dashed the exact density and mean.

    Args:
        drawn: velocities (n,) of pairs whose path passes close to the point; those beyond the grid have no bar.
        grid: velocities (k,), k >= 2, increasing.
        density: of the velocity given the point, at ``grid``.
        mean: the marginal velocity.
        title: above the figure.
        bins: bars.
    """
    axis = given.line("grid", grid)
    if len(axis) < 2 or (np.diff(axis) <= 0).any():
        raise checks.fail("grid", grid, "at least two numbers, increasing")
    u, p = given.line("drawn", drawn), given.small(given.density("density", density, (len(axis),)))
    mean = checks.number("mean", mean)
    edges = np.linspace(float(axis[0]), float(axis[-1]), checks.integer("bins", bins) + 1)
    width = float(edges[1] - edges[0])
    heights = np.histogram(u, bins=edges)[0] / (len(u) * width)  # of all that were drawn, also those beyond the grid
    figure = go.Figure(
        go.Bar(
            x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
            y=heights.astype(np.float32),
            marker_color="#A9C9E2",
            width=width,
        )
    )
    line = dict(color=theme.BLACK, width=2.5, dash="dash")
    figure.add_trace(go.Scatter(x=axis, y=p, mode="lines", line=line))
    figure.add_vline(mean, line=dict(color=theme.VERMILION, width=3, dash="dash"))
    right = mean > float(axis[0] + axis[-1]) / 2
    figure.add_annotation(
        x=mean,
        y=1.0,
        yref="paper",
        yanchor="bottom",
        xanchor="right" if right else "left",
        xshift=20 if right else -20,
        showarrow=False,
        text=f"mean {mean:.2f}: the velocity v(t, x)",
        font=dict(color=theme.VERMILION),
    )
    figure.update_xaxes(title="conditional velocity u<sub>t</sub> = x<sub>1</sub> − x<sub>0</sub>")
    figure.update_yaxes(title="density given x<sub>t</sub> = x")
    return _finish(figure, title, 760)


def arrows_in_panels(
    panels: Sequence[tuple[str, Tensor, Tensor]],
    *,
    points: Tensor | None = None,
    extent: float = 4.0,
    length: float = 0.14,
    title: str = "",
) -> go.Figure:
    """Velocity fields in the plane as arrows, side by side on equal axes.

    Args:
        panels: (heading, places (n, 2), velocities (n, 2)).
        points: samples (m, 2) drawn in grey behind every panel.
        extent: half the side of each panel.
        length: of an arrow, for one unit of velocity.
        title: above the figure.
    """
    shown = given.panels("panels", panels, "heading, places, velocities")
    length = checks.number("length", length, above=0.0)
    dots = None if points is None else given.points("points", points)
    figure, headings = _planes([heading for heading, _, _ in shown], extent)
    for column, (heading, x, v) in enumerate(shown, start=1):
        if dots is not None:
            grey = dict(color=theme.GHOST, size=3, opacity=0.5)
            figure.add_trace(go.Scatter(x=dots[:, 0], y=dots[:, 1], mode="markers", marker=grey), row=1, col=column)
        start = given.points(f"places of {heading!r}", x)
        tip = start + length * given.field(f"velocities of {heading!r}", v, start.shape)
        along = tip - start
        across = np.stack([-along[:, 1], along[:, 0]], -1)
        barbs = [tip - 0.35 * along + sign * 0.2 * across for sign in (1, -1)]
        stroke = np.stack([start, tip, barbs[0], tip, barbs[1]])  # (5, n, 2)
        way = _broken(stroke[..., 0], stroke[..., 1])
        line = dict(color=theme.BLUE, width=1.4)
        figure.add_trace(go.Scatter(x=way[0], y=way[1], mode="lines", line=line), row=1, col=column)
    figure.update_traces(hoverinfo="skip")
    return _finish(figure, title, 60 + _PLANE * len(shown), headings, PLANES)


def trajectories_in_panels(panels: Sequence[tuple[str, Tensor]], *, extent: float = 4.0, title: str = "") -> go.Figure:
    """Ways of points in the plane side by side: from noise, a small grey dot, to a sample, a blue one.

    Args:
        panels: (heading, positions (T, n, 2)).
        extent: half the side of each panel.
        title: above the figure.
    """
    shown = given.panels("panels", panels, "heading, positions")
    figure, headings = _planes([heading for heading, _ in shown], extent)
    for column, (heading, x) in enumerate(shown, start=1):
        xy = given.field(f"positions of {heading!r}", x, (None, None, 2))
        way = _broken(xy[..., 0], xy[..., 1])
        line = dict(color=theme.SKY, width=1)
        figure.add_trace(go.Scatter(x=way[0], y=way[1], mode="lines", line=line), row=1, col=column)
        for ends, colour, size in ((xy[0], theme.GHOST, 3.5), (xy[-1], theme.BLUE, 4.5)):
            dots = dict(color=colour, size=size)
            figure.add_trace(go.Scatter(x=ends[:, 0], y=ends[:, 1], mode="markers", marker=dots), row=1, col=column)
    figure.update_traces(hoverinfo="skip")
    return _finish(figure, title, 60 + _PLANE * len(shown), headings, PLANES)


def _planes(texts: Sequence[str], extent: float) -> tuple[go.Figure, list[str]]:
    """Empty panels, and their headings as they are written."""
    extent = checks.number("extent", extent, above=0.0)
    between = layout.gap(0.03 if extent < 10 else 0.05, len(texts))  # ticks of two digits need more room
    headings = layout.headings(texts, 60 + _PLANE * len(texts), between)
    figure = make_subplots(cols=len(headings), subplot_titles=headings, horizontal_spacing=between)
    for column in range(1, len(headings) + 1):
        plane_axes(figure, column, extent)
    return figure, headings


def _strip(density: tuple[Tensor, Tensor, Tensor]) -> go.Heatmap:
    if not isinstance(density, tuple | list) or len(density) != 3:
        raise checks.fail("density", density, "(times (S,), axis (k,), p (S, k))")
    times, axis = given.times("times of density", density[0]), given.line("axis of density", density[1])
    p = given.density("p of density", density[2], (len(times), len(axis)))
    top = p.max(axis=1, keepdims=True)  # each time on its own scale: a wide density is not lost
    share = given.small(np.divide(p, top, out=np.zeros_like(p), where=top > 0))
    return go.Heatmap(x=times, y=axis, z=share.T, colorscale=_PALE, showscale=False, zsmooth="best")


def _broken(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The n lines of T points (T, n) as one line with gaps: one trace is small and fast, n traces are neither."""
    gaps = np.full((1, x.shape[1]), np.nan, np.float32)
    return np.append(x, gaps, axis=0).T.ravel(), np.append(y, gaps, axis=0).T.ravel()


def _finish(figure: go.Figure, title: str, width: int, headings: Sequence[str] = (), height: int = HEIGHT) -> go.Figure:
    return layout.finished(figure, title, width=width, height=height, top=(105, 70), over=headings, showlegend=False)
