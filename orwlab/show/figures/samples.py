"""Figures of samples: points in panels, curves over rounds, images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks, rewards
from orwlab.rewards import Reward
from orwlab.show import theme

if TYPE_CHECKING:
    from orwlab.tasks.digits import Outcome

HEIGHT = 400


def samples_in_panels(
    panels: Sequence[tuple[str, Tensor]],
    *,
    reference: Tensor | None = None,
    contours: Sequence[tuple[Tensor, Tensor] | None] = (),
    reward: Reward | None = None,
    extent: float = 5.0,
    title: str = "",
) -> go.Figure:
    """Scatter plots of points side by side, on equal axes of the same range.

    Args:
        panels: (heading, points (n, 2)) for each panel.
        reference: points (m, 2) drawn in grey behind every panel.
        contours: for each panel None or (axis (k,), density (k, k)) of an exact density, drawn as lines; the density's
            first index is x.
        reward: drawn as a pale background, darker where it is larger.
        extent: half the side of each panel.
        title: above all panels.
    """
    if not panels:
        raise checks.fail("panels", panels, "at least one (heading, points)")
    figure = make_subplots(cols=len(panels), subplot_titles=[heading for heading, _ in panels], horizontal_spacing=0.03)
    for column, (_, x) in enumerate(panels, start=1):
        if reward is not None:
            figure.add_trace(_background(reward, extent), row=1, col=column)
        if reference is not None:
            figure.add_trace(_points(reference, theme.GHOST, 3, 0.35, "reference"), row=1, col=column)
        figure.add_trace(_points(x, theme.BLUE, 3.5, 0.55, "samples"), row=1, col=column)
        if column <= len(contours) and contours[column - 1] is not None:
            axis, density = contours[column - 1]  # type: ignore[misc]
            figure.add_trace(_contour(axis, density), row=1, col=column)
        plane_axes(figure, column, extent)
    figure.update_layout(
        template=theme.template(),
        title=title,
        showlegend=False,
        width=60 + (HEIGHT - 90) * len(panels),
        height=HEIGHT,
        margin=dict(t=110 if title else 70),
    )
    return figure


def curves_over_rounds(
    series: dict[str, Sequence[float]],
    *,
    exact: dict[str, float] | None = None,
    ylabel: str = "mean reward",
    title: str = "",
) -> go.Figure:
    """One line a series over rounds, with exact limits as dashed lines of the same colour.

    Args:
        series: values at rounds 1, 2, ... by label.
        exact: the exact limit by the same label.
        ylabel: what is drawn.
        title: above the figure.
    """
    figure = go.Figure()
    for colour, (label, values) in zip(theme.CYCLE, series.items()):
        rounds = np.arange(1, len(values) + 1)
        y = np.asarray(values, dtype=np.float32)
        limit = exact.get(label) if exact else None
        name = label if limit is None else f"{label}, limit {limit:.3f}"
        figure.add_trace(go.Scatter(x=rounds, y=y, name=name, mode="lines", line=dict(color=colour, width=1.5)))
        if limit is not None:
            figure.add_hline(limit, line=dict(color=colour, dash="dash", width=2.5))
    figure.update_layout(
        template=theme.template(), title=title, height=HEIGHT, width=820, xaxis_title="round", yaxis_title=ylabel
    )
    return figure


def digits_over_alpha(outcomes: Sequence["Outcome"], columns: int = 10) -> go.Figure:
    """A row of sample images for the reference and for each alpha, with the numbers that say what they are worth.

    Args:
        outcomes: as ``tasks.digits.fine_tune`` returns them.
        columns: images a row; the same noise stands in the same column.
    """
    if not outcomes:
        raise checks.fail("outcomes", outcomes, "at least one outcome")
    columns = min(checks.integer("columns", columns), len(outcomes[0].samples))
    cell, gap = 8, 1
    canvas = np.full((len(outcomes) * (cell + 2 * gap), columns * (cell + gap)), np.nan, dtype=np.float32)
    text_cells, pixels = 47, 7  # room for the words, in image pixels; how large an image pixel is drawn
    figure = go.Figure()
    for i, outcome in enumerate(outcomes):
        top = i * (cell + 2 * gap)
        for j, image in enumerate(outcome.samples[:columns, 0].clamp(-1, 1).numpy()):
            canvas[top : top + cell, j * (cell + gap) : j * (cell + gap) + cell] = image
        heading = "reference" if outcome.alpha is None else f"α = {outcome.alpha:g}"
        numbers = (
            f"classifier says even: {outcome.reward:.0%}<br>unlike any real digit: {outcome.off_data:.0%}"
            f"<br>diversity: {outcome.diversity:.1f}"
        )
        middle = dict(y=top + cell / 2 - 0.5, showarrow=False, align="left", xanchor="left")
        figure.add_annotation(x=-text_cells, text=f"<b>{heading}</b>", font=dict(size=18), **middle)
        figure.add_annotation(x=17 - text_cells, text=numbers, font=dict(size=14), **middle)
    figure.add_trace(go.Heatmap(z=canvas, zmin=-1, zmax=1, colorscale="Greys", showscale=False, hoverinfo="skip"))
    height, width = canvas.shape
    figure.update_xaxes(visible=False, range=[-text_cells, width], constrain="domain")
    figure.update_yaxes(visible=False, range=[height - gap, -gap], scaleanchor="x")
    figure.update_layout(
        template=theme.template(),
        width=pixels * (width + text_cells) + 20,
        height=pixels * height + 60,
        margin=dict(l=10, r=10, t=40, b=10),
        title=dict(text="Digits fine-tuned towards even ones", font=dict(size=18)),
    )
    return figure


def _points(x: Tensor, colour: str, size: float, opacity: float, name: str) -> go.Scatter:
    xy = x.detach().cpu().numpy().astype(np.float32)
    return go.Scatter(
        x=xy[:, 0],
        y=xy[:, 1],
        mode="markers",
        marker=dict(color=colour, size=size, opacity=opacity),
        name=name,
        hoverinfo="skip",
    )


def _background(reward: Reward, extent: float, n: int = 41) -> go.Heatmap:
    axis = torch.linspace(-extent, extent, n)
    r = rewards.evaluate(reward, torch.cartesian_prod(axis, axis)).reshape(n, n)  # first index x
    return go.Heatmap(
        x=axis.numpy(),
        y=axis.numpy(),
        z=r.T.numpy(),
        colorscale=[[0, "#FFFFFF"], [1, "#CFC4E8"]],
        showscale=False,
        hoverinfo="skip",
        zsmooth="best",
    )


def _contour(axis: Tensor, density: Tensor) -> go.Contour:
    z = density.cpu().numpy().astype(np.float32)
    top = float(z.max())
    return go.Contour(
        x=axis.cpu().numpy().astype(np.float32),
        y=axis.cpu().numpy().astype(np.float32),
        z=z.T,  # plotly wants rows to be y
        contours=dict(coloring="none", start=0.06 * top, end=0.9 * top, size=0.28 * top),
        line=dict(color=theme.VERMILION, width=1.5),
        showscale=False,
        hoverinfo="skip",
        name="exact",
    )


def plane_axes(figure: go.Figure, column: int, extent: float, centre: tuple[float, float] = (0.0, 0.0)) -> None:
    """Axes of one panel in a row of planes: equal units, ``extent`` to each side of ``centre``, one label for x2."""
    x, y = ([c - extent, c + extent] for c in centre)
    place = dict(row=1, col=column)
    figure.update_xaxes(range=x, title="x<sub>1</sub>", constrain="domain", dtick=2, **place)
    figure.update_yaxes(
        range=y,
        title="x<sub>2</sub>" if column == 1 else None,
        showticklabels=column == 1,
        scaleanchor="x" if column == 1 else f"x{column}",
        dtick=2,
        **place,
    )
