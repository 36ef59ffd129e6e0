"""Figures of what is optimised: densities in the plane side by side, and limits under their frontiers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.exact.frontiers import Frontiers, Placement
from orwlab.show import theme
from orwlab.show.figures import given, layout

PANEL = 340
"""pixels of one panel"""
MOST = 3
"""panels in one row; more stand in two rows"""
SHADES = [[0.0, "#FFFFFF"], [0.15, "#C6DDEE"], [0.45, "#56B4E9"], [0.75, "#0072B2"], [1.0, "#0B2545"]]


def densities_in_panels(
    panels: Sequence[tuple[str, Tensor]],
    *,
    domain: float = 6.0,
    extent: float = 4.5,
    reward: Tensor | None = None,
    title: str = "",
) -> go.Figure:
    """Densities in the plane, on equal axes; shades follow the square root, so that faint modes show.

    Every panel has its own scale: its darkest place is its highest. Up to three stand side by side, more in two rows.

    Args:
        panels: (heading, density (n, n)), the density's first index being x.
        domain: half the side of the square that the densities fill.
        extent: half the side that is shown.
        reward: values (n, n), drawn as dotted level lines in every panel.
        title: above all panels.
    """
    shown = given.panels("panels", panels, "heading, density")
    domain, extent = (checks.number(n, v, above=0.0) for n, v in (("domain", domain), ("extent", extent)))
    columns = len(shown) if len(shown) <= MOST else math.ceil(len(shown) / 2)
    rows = math.ceil(len(shown) / columns)
    between, width = layout.gap(0.04, columns), 90 + PANEL * columns
    texts = [heading for heading, _ in shown] + [""] * (rows * columns - len(shown))
    headings = [
        text for k in range(0, len(texts), columns) for text in layout.headings(texts[k : k + columns], width, between)
    ]
    levels = None if reward is None else _levels(*_coarse("reward", reward, domain, 40))
    apart = max((layout.LINE * layout.HEADING * layout.rows(text) for text in headings[columns:]), default=0.0) + 20
    drawn = rows * PANEL + (rows - 1) * apart
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=headings,
        horizontal_spacing=between,
        vertical_spacing=apart / drawn if rows > 1 else None,
    )
    for k, (heading, density) in enumerate(shown):
        row, column = k // columns + 1, k % columns + 1
        axis, z = _coarse(f"density of {heading!r}", density, domain, 128)
        seen = np.abs(axis) <= extent + 2 * domain / len(axis)
        axis, z = (axis[seen], z[np.ix_(seen, seen)]) if seen.any() else (axis, z)
        figure.add_trace(
            go.Heatmap(
                x=axis,
                y=axis,
                z=given.small(np.sqrt(given.density(f"density of {heading!r}", z, z.shape).T)),
                zmin=0,
                zsmooth="best",
                colorscale=SHADES,
                showscale=False,
                hoverinfo="skip",
            ),
            row=row,
            col=column,
        )
        if levels is not None:
            figure.add_trace(levels, row=row, col=column)
        axes = dict(range=[-extent, extent], dtick=layout.steps(extent), constrain="domain", showgrid=False)
        lowest = k + columns >= len(shown)  # nothing below
        figure.update_xaxes(title=layout.FIRST if lowest else None, showticklabels=lowest, row=row, col=column, **axes)
        figure.update_yaxes(
            title=layout.SECOND if column == 1 else None,
            showticklabels=column == 1,
            scaleanchor="x" if k == 0 else f"x{k + 1}",
            row=row,
            col=column,
            **axes,
        )
    return layout.finished(
        figure,
        title,
        width=width,
        height=math.ceil(drawn) + (130 if given.words("title", title) else 90),
        top=(95, 50),
        over=headings[:columns],
        showlegend=False,
        margin=dict(r=10),
    )


def under_frontiers(both: Frontiers, placed: Mapping[str, Placement], *, title: str = "") -> go.Figure:
    """Mean reward against KL and against W2 squared: both frontiers, and densities placed under them.

    Args:
        both: the frontiers of a reward over a reference.
        placed: placements by label, such as those of the method's limits by alpha; all distances finite.
        title: above both axes.
    """
    if not isinstance(both, Frontiers):
        raise checks.fail("both", both, "Frontiers of a reward over a reference")
    given.words("title", title)  # before the long part
    named = given.by_name("placed", placed, "at least one Placement by its label")
    places = given.instances("placed", named.values(), Placement)
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    columns = (
        (both.kl, [p.kl for p in places], "KL(p ‖ p<sub>ref</sub>), nats"),
        (both.w2, [p.w2_squared for p in places], "W<sub>2</sub>²(p, p<sub>ref</sub>), length²"),
    )
    reached = given.line("mean rewards of placed", [p.mean_reward for p in places])
    colours = theme.colours(list(named))
    for column, (frontier, distances, xlabel) in enumerate(columns, start=1):
        distance = given.line("distances of placed", distances)
        far = 1.25 * max(distances) or 1.0
        best = [frontier.allowed(far * k / 60) for k in range(61)]
        ends = np.linspace(0, far, 61, dtype=np.float32)
        line = dict(color=theme.BLACK, dash="dash", width=2.5)
        figure.add_trace(
            go.Scatter(x=ends, y=given.line("frontier", best), mode="lines", line=line, name="frontier"),
            row=1,
            col=column,
        )
        where = _beside(ends, np.array(best), distance, reached, list(named))
        figure.add_trace(
            go.Scatter(
                x=distance,
                y=reached,
                mode="markers+text",
                text=[name if slot else "" for name, (slot, *_) in zip(named, where, strict=True)],
                textposition=layout.slots(where),
                cliponaxis=False,
                marker=dict(color=colours, size=11),
                textfont=dict(size=14, color=colours),
                name="limits of ORW-CFM-W2",
            ),
            row=1,
            col=column,
        )
        for x, y, name, place, colour in zip(distance, reached, named, where, colours, strict=True):
            layout.point_at(figure, float(x), float(y), name, place, colour, row=1, col=column)
        figure.add_annotation(
            x=ends[20],
            y=best[20],
            text="frontier",
            showarrow=False,
            xanchor="right",
            xshift=-8,
            yshift=8 if best[20] - best[19] > 0.01 * (best[-1] - best[0]) else 13,  # above a level line
            font=dict(size=15),
            row=1,
            col=column,
        )
        figure.update_xaxes(title=xlabel, range=[-0.03 * far, far], row=1, col=column)
    figure.update_yaxes(title="mean reward E[r]", row=1, col=1)
    return layout.finished(figure, title, width=920, height=430, top=70, showlegend=False)


def _beside(
    ends: np.ndarray, best: np.ndarray, distance: np.ndarray, reached: np.ndarray, names: Sequence[str]
) -> list[tuple[str, float, float]]:
    """Where names stand beside their points under a frontier."""
    wide, high = 395.0, 310.0  # pixels of one panel
    low, top = min(float(best.min()), float(reached.min())), max(float(best.max()), float(reached.max()))
    air = 0.06 * (top - low) or 0.5

    def pixels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        right = (x / float(ends[-1]) + 0.03) / 1.03
        return np.stack([wide * right, high * (top + air - y) / (top - low + 2 * air)], 1)

    at = pixels(distance, reached)
    taken = np.concatenate([layout.along(pixels(ends, best)), layout.discs(at, 6)])
    return layout.beside(at, names, taken, (wide, high), first="bottom right")


def _coarse(name: str, values: Tensor, domain: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Axis (m,) and values (m, m) as float32, averaged down to at most ``most`` cells: small in a file."""
    allowed = "finite values on a square grid (n, n)"
    x = checks.array(name, values, allowed)
    if x.ndim != 2 or x.shape[0] != x.shape[1] or len(x) == 0:
        raise checks.fail(name, values, allowed)
    m = min(most, len(x))
    coarse = torch.nn.functional.adaptive_avg_pool2d(x.detach().cpu()[None].double(), (m, m))[0]
    axis = (np.arange(m) + 0.5) * (2 * domain / m) - domain
    return axis.astype(np.float32), given.plain(coarse)


def _levels(axis: np.ndarray, r: np.ndarray) -> go.Contour | None:
    """Five level lines; a constant reward has none."""
    low, high = float(r.min()), float(r.max())
    step = (high - low) / 5
    if step <= 1e-6 * max(abs(low), abs(high)):
        return None
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
