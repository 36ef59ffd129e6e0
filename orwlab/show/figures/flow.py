"""Figures of flows themselves: paths in time, velocities at a point, arrows, trajectories in the plane."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures.samples import plane_axes

HEIGHT = 430
_PALE = [[0, "#FFFFFF"], [1, "#8FA3BC"]]


def paths_in_time(
    panels: Sequence[tuple[str, Tensor, Tensor]],
    *,
    density: tuple[Tensor, Tensor, Tensor] | None = None,
    mark: tuple[float, float] | None = None,
    title: str = "",
) -> go.Figure:
    """Ways of points on a line, time to the right, side by side.

    Args:
        panels: (heading, times (T,), positions (T, n)).
        density: (times (S,), axis (k,), p (S, k)), the density at each time, as a background darker where p is larger.
        mark: (time, position) of a point to draw large.
        title: above the figure.
    """
    if not panels:
        raise checks.fail("panels", panels, "at least one (heading, times, positions)")
    figure = make_subplots(
        cols=len(panels),
        subplot_titles=[heading for heading, _, _ in panels],
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    for column, (_, times, x) in enumerate(panels, start=1):
        if density is not None:
            figure.add_trace(_strip(*density), row=1, col=column)
        way = _broken(times[:, None].expand_as(x), x)
        line = dict(color=theme.BLUE, width=1.2)
        figure.add_trace(go.Scatter(x=way[0], y=way[1], mode="lines", line=line, opacity=0.7), row=1, col=column)
        if mark is not None:
            dot = dict(color=theme.VERMILION, size=13, line=dict(color="white", width=2))
            figure.add_trace(go.Scatter(x=[mark[0]], y=[mark[1]], mode="markers", marker=dot), row=1, col=column)
        figure.update_xaxes(title="time t", range=[0, 1], row=1, col=column)
    figure.update_yaxes(title="x<sub>t</sub>", row=1, col=1)
    figure.update_traces(hoverinfo="skip")
    return _finish(figure, title, 60 + 400 * len(panels))


def velocities_at_a_point(
    drawn: Tensor, grid: Tensor, density: Tensor, mean: float, *, title: str = "", bins: int = 40
) -> go.Figure:
    """The conditional velocities that meet at one point: drawn ones as bars, their density as a line, their mean.

    Args:
        drawn: velocities (n,) of pairs whose path passes close to the point.
        grid: velocities (k,), increasing.
        density: of the velocity given the point, at ``grid``.
        mean: the marginal velocity.
        title: above the figure.
        bins: bars.
    """
    edges = np.linspace(float(grid[0]), float(grid[-1]), bins + 1)
    heights, _ = np.histogram(_array(drawn), bins=edges, density=True)
    figure = go.Figure(
        go.Bar(
            x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
            y=heights.astype(np.float32),
            marker_color="#A9C9E2",
            width=float(edges[1] - edges[0]),
        )
    )
    line = dict(color=theme.BLUE, width=2.5)
    figure.add_trace(go.Scatter(x=_array(grid), y=_array(density), mode="lines", line=line))
    figure.add_vline(float(mean), line=dict(color=theme.VERMILION, width=3, dash="dash"))
    figure.add_annotation(
        x=float(mean),
        y=1.0,
        yref="paper",
        yanchor="top",
        xanchor="left",
        xshift=8,
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
    figure = _planes([heading for heading, _, _ in panels], extent)
    for column, (_, x, v) in enumerate(panels, start=1):
        if points is not None:
            dots = dict(color=theme.GHOST, size=3, opacity=0.5)
            xy = _array(points)
            figure.add_trace(go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=dots), row=1, col=column)
        start, tip = _array(x), _array(x) + length * _array(v)
        along = tip - start
        across = np.stack([-along[:, 1], along[:, 0]], -1)
        barbs = [tip - 0.35 * along + sign * 0.2 * across for sign in (1, -1)]
        stroke = np.stack([start, tip, barbs[0], tip, barbs[1]])  # (5, n, 2)
        way = _broken(stroke[..., 0], stroke[..., 1])
        line = dict(color=theme.BLUE, width=1.4)
        figure.add_trace(go.Scatter(x=way[0], y=way[1], mode="lines", line=line), row=1, col=column)
    figure.update_traces(hoverinfo="skip")
    return _finish(figure, title, 60 + 370 * len(panels))


def trajectories_in_panels(panels: Sequence[tuple[str, Tensor]], *, extent: float = 4.0, title: str = "") -> go.Figure:
    """Ways of points in the plane side by side: from noise, a small grey dot, to a sample, a blue one.

    Args:
        panels: (heading, positions (T, n, 2)).
        extent: half the side of each panel.
        title: above the figure.
    """
    figure = _planes([heading for heading, _ in panels], extent)
    for column, (_, x) in enumerate(panels, start=1):
        xy = _array(x)
        way = _broken(xy[..., 0], xy[..., 1])
        line = dict(color=theme.SKY, width=1)
        figure.add_trace(go.Scatter(x=way[0], y=way[1], mode="lines", line=line), row=1, col=column)
        for ends, colour, size in ((xy[0], theme.GHOST, 3.5), (xy[-1], theme.BLUE, 4.5)):
            dots = dict(color=colour, size=size)
            figure.add_trace(go.Scatter(x=ends[:, 0], y=ends[:, 1], mode="markers", marker=dots), row=1, col=column)
    figure.update_traces(hoverinfo="skip")
    return _finish(figure, title, 60 + 370 * len(panels))


def _planes(headings: Sequence[str], extent: float) -> go.Figure:
    if not headings:
        raise checks.fail("panels", headings, "at least one panel")
    figure = make_subplots(cols=len(headings), subplot_titles=list(headings), horizontal_spacing=0.03)
    for column in range(1, len(headings) + 1):
        plane_axes(figure, column, extent)
    return figure


def _strip(times: Tensor, axis: Tensor, p: Tensor) -> go.Heatmap:
    share = p / p.max(dim=1, keepdim=True).values  # each time on its own scale: a wide density is not lost
    return go.Heatmap(
        x=_array(times), y=_array(axis), z=_array(share).T, colorscale=_PALE, showscale=False, zsmooth="best"
    )


def _broken(x: Tensor | np.ndarray, y: Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The n lines of T points (T, n) as one line with gaps: one trace is small and fast, n traces are neither."""
    return tuple(np.append(_array(z), np.full((1, z.shape[1]), np.nan, np.float32), axis=0).T.ravel() for z in (x, y))  # type: ignore[return-value]


def _finish(figure: go.Figure, title: str, width: int) -> go.Figure:
    return figure.update_layout(
        template=theme.template(),
        title=title,
        showlegend=False,
        width=width,
        height=HEIGHT,
        margin=dict(t=105 if title else 70),
    )


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    plain = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return np.asarray(plain, dtype=np.float32)
