"""Figures of what is optimised: densities in the plane side by side, and limits under their frontiers."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.exact.frontiers import Frontiers, Placement
from orwlab.show import theme
from orwlab.show.figures.theory import _array

PANEL = 260
"""pixels of one panel"""
SHADES = [[0.0, "#FFFFFF"], [0.15, "#C6DDEE"], [0.45, "#56B4E9"], [0.75, "#0072B2"], [1.0, "#0B2545"]]


def densities_in_panels(
    panels: Sequence[tuple[str, Tensor]],
    *,
    domain: float = 6.0,
    extent: float = 4.5,
    reward: Tensor | None = None,
    title: str = "",
) -> go.Figure:
    """Densities in the plane side by side, on equal axes; shades follow the square root, so that faint modes show.

    Args:
        panels: (heading, density (n, n)), the density's first index being x.
        domain: half the side of the square that the densities fill.
        extent: half the side that is shown.
        reward: values (n, n), drawn as dotted level lines in every panel.
        title: above all panels.
    """
    if not panels:
        raise checks.fail("panels", panels, "at least one (heading, density)")
    figure = make_subplots(cols=len(panels), subplot_titles=[heading for heading, _ in panels], horizontal_spacing=0.04)
    for column, (_, density) in enumerate(panels, start=1):
        axis, z = _coarse(density, domain, 96)
        figure.add_trace(
            go.Heatmap(
                x=axis,
                y=axis,
                z=np.sqrt(z.T),
                zmin=0,
                zsmooth="best",
                colorscale=SHADES,
                showscale=False,
                hoverinfo="skip",
            ),
            row=1,
            col=column,
        )
        if reward is not None:
            axis, r = _coarse(reward, domain, 40)
            figure.add_trace(_levels(axis, r), row=1, col=column)
        letter = "" if column == 1 else str(column)
        shown = dict(range=[-extent, extent], dtick=2, constrain="domain", showgrid=False, row=1, col=column)
        figure.update_xaxes(title="x<sub>1</sub>", **shown)
        figure.update_yaxes(
            title="x<sub>2</sub>" if column == 1 else None,
            showticklabels=column == 1,
            scaleanchor=f"x{letter}",
            **shown,
        )
    return figure.update_layout(
        template=theme.template(),
        title=title,
        showlegend=False,
        width=90 + PANEL * len(panels),
        height=PANEL + (130 if title else 90),
        margin=dict(t=95 if title else 50, r=10),
    )


def under_frontiers(both: Frontiers, placed: dict[str, Placement], *, title: str = "") -> go.Figure:
    """Mean reward against KL and against W2 squared: both frontiers, and densities placed under them.

    Args:
        both: the frontiers of a reward over a reference.
        placed: placements by label, such as those of the method's limits by alpha.
        title: above both axes.
    """
    if not placed:
        raise checks.fail("placed", placed, "at least one placement")
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    columns = (
        (both.kl, [p.kl for p in placed.values()], "KL(p | p<sub>ref</sub>), nats"),
        (both.w2, [p.w2_squared for p in placed.values()], "W<sub>2</sub>²(p, p<sub>ref</sub>), length²"),
    )
    rewards = [p.mean_reward for p in placed.values()]
    for column, (frontier, distance, xlabel) in enumerate(columns, start=1):
        far = 1.25 * max(distance)
        best = [frontier.allowed(far * k / 60) for k in range(61)]
        ends = np.linspace(0, far, 61, dtype=np.float32)
        line = dict(color=theme.BLACK, dash="dash", width=2.5)
        figure.add_trace(
            go.Scatter(x=ends, y=_array(best), mode="lines", line=line, name="frontier"), row=1, col=column
        )
        figure.add_trace(
            go.Scatter(
                x=_array(distance),
                y=_array(rewards),
                mode="markers+text",
                text=list(placed),
                textposition="bottom right",
                cliponaxis=False,
                marker=dict(color=theme.BLUE, size=11),
                textfont=dict(size=14, color=theme.BLUE),
                name="limits of ORW-CFM-W2",
            ),
            row=1,
            col=column,
        )
        figure.add_annotation(
            x=ends[20],
            y=best[20],
            text="frontier",
            showarrow=False,
            xanchor="right",
            xshift=-8,
            yshift=8,
            font=dict(size=15),
            row=1,
            col=column,
        )
        figure.update_xaxes(title=xlabel, range=[-0.03 * far, far], row=1, col=column)
    figure.update_yaxes(title="mean reward E[r]", row=1, col=1)
    return figure.update_layout(
        template=theme.template(), title=title, showlegend=False, width=920, height=430, margin=dict(t=70)
    )


def _coarse(values: Tensor, domain: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Axis (m,) and values (m, m) as float32, averaged down to at most ``most`` cells: small in a file."""
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise checks.fail("density", values, "values on a square grid (n, n)")
    m = min(most, len(values))
    coarse = torch.nn.functional.adaptive_avg_pool2d(values[None].double(), (m, m))[0]
    axis = (np.arange(m) + 0.5) * (2 * domain / m) - domain
    return axis.astype(np.float32), coarse.numpy().astype(np.float32)


def _levels(axis: np.ndarray, r: np.ndarray) -> go.Contour:
    low, high = float(r.min()), float(r.max())
    step = (high - low) / 5
    return go.Contour(
        x=axis,
        y=axis,
        z=r.T,
        contours=dict(coloring="none", start=low + step / 2, end=high - step / 2, size=step),
        line=dict(color=theme.PURPLE, width=1.2, dash="dot"),
        showlegend=False,
        showscale=False,
        hoverinfo="skip",
    )
