"""Figures of the trade-off: maps over alpha and tau, reward against diversity, and runs laid out for a diagnosis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.exact.sweep import Map
from orwlab.show import theme
from orwlab.show.figures.theory import Numbers, _array

SHADES = [[0.0, "#0B2545"], [0.35, "#0072B2"], [0.65, "#7CC3EA"], [1.0, "#F5F0C8"]]


@dataclass(frozen=True)
class Patient:
    """One run to be diagnosed: its ``name``, its samples (n, 2), and a mean reward for each round."""

    name: str
    samples: Tensor
    rewards: Sequence[float]


def maps_over_alpha_and_tau(
    exact: Map,
    *,
    points: Sequence[tuple[float, float, float, float]] = (),
    collapse: float | None = None,
    title: str = "",
) -> go.Figure:
    """Mean reward and diversity of the exact limit over alpha and tau, each cell with its number.

    Args:
        exact: the limits.
        points: networks, (alpha, tau, reward, diversity) each, at alphas and taus of the map: circles in the colour of
            what they reached. A circle that cannot be told from its ground agrees with the limit.
        collapse: a diversity below which cells are hatched as collapsed.
        title: above both maps.
    """
    for alpha, tau, *_ in points:
        if alpha not in exact.alphas.tolist() or tau not in exact.taus.tolist():
            raise checks.fail("points", (alpha, tau), "alphas and taus of the map")
    headings = ["mean reward E[r]", "diversity E|x − x'|"]
    figure = make_subplots(cols=2, subplot_titles=headings, horizontal_spacing=0.09)
    # one cell a value, evenly spaced: places are numbers 0, 1, ...; the values are the ticks
    alphas, taus = exact.alphas.tolist(), exact.taus.tolist()
    columns, rows = list(range(len(alphas))), list(range(len(taus)))
    for column, field in enumerate((exact.reward, exact.diversity), start=1):
        z = _array(field).T  # rows are taus
        low, high = float(z.min()), float(z.max())
        text = [[f"{v:.2f}" for v in row] for row in z]
        if collapse is not None:
            lost = collapse > _array(exact.diversity).T
            text = [[f"{s} ✕" if gone else s for s, gone in zip(*pair)] for pair in zip(text, lost)]
        heat = go.Heatmap(
            x=columns, y=rows, z=z, zmin=low, zmax=high, colorscale=SHADES, showscale=False, hoverinfo="skip"
        )
        figure.add_trace(heat, row=1, col=column)
        for i, line in enumerate(text):
            for j, words in enumerate(line):
                dark = (z[i, j] - low) < 0.5 * (high - low)
                figure.add_annotation(
                    x=columns[j],
                    y=rows[i],
                    text=words,
                    showarrow=False,
                    yshift=17 if points else 0,
                    font=dict(size=14, color="white" if dark else "#1B2430"),
                    row=1,
                    col=column,
                )
        if points:
            found = [p[1 + column] for p in points]
            marker = dict(
                size=15,
                color=found,
                cmin=low,
                cmax=high,
                colorscale=SHADES,
                line=dict(color=theme.VERMILION, width=2.5),
            )
            figure.add_trace(
                go.Scatter(
                    x=[alphas.index(p[0]) for p in points],
                    y=[taus.index(p[1]) for p in points],
                    mode="markers",
                    marker=marker,
                    hoverinfo="skip",
                ),
                row=1,
                col=column,
            )
        x_ticks, y_ticks = [f"{a:g}" for a in alphas], [f"{t:g}" for t in taus]
        figure.update_xaxes(title="α", tickvals=columns, ticktext=x_ticks, showgrid=False, row=1, col=column)
        figure.update_yaxes(tickvals=rows, ticktext=y_ticks, showgrid=False, zeroline=False, row=1, col=column)
    figure.update_yaxes(title="τ", row=1, col=1)
    return figure.update_layout(
        template=theme.template(), title=title, showlegend=False, width=1040, height=430, margin=dict(t=100)
    )


def reward_against_diversity(
    alphas: Numbers,
    exact: tuple[Numbers, Numbers],
    learned: dict[float, Sequence[tuple[float, float]]],
    *,
    collapse: float | None = None,
    title: str = "",
) -> go.Figure:
    """The curve that alpha traces: diversity against mean reward, exact limits as a line, networks as points.

    Args:
        alphas: of the exact limits, (m,).
        exact: their diversities and mean rewards, (m,) each.
        learned: (diversity, mean reward) of every seed, by alpha.
        collapse: diversities below are shaded.
        title: above the figure.
    """
    diversity, reward = _array(exact[0]), _array(exact[1])
    if len(diversity) != len(reward) or len(_array(alphas)) != len(reward):
        raise checks.fail("exact", exact, "diversities and rewards, one of each an alpha")
    figure = go.Figure()
    if collapse is not None:
        figure.add_vrect(x0=0, x1=collapse, fillcolor=theme.ORANGE, opacity=0.18, line_width=0, layer="below")
        figure.add_annotation(
            x=collapse / 2, y=0.06, yref="paper", text="collapsed", textangle=-90, showarrow=False, font=dict(size=15)
        )
    line = dict(color=theme.BLACK, width=2, dash="dash")
    figure.add_trace(go.Scatter(x=diversity, y=reward, mode="lines", line=line, name="exact limits"))
    figure.add_trace(
        go.Scatter(
            x=diversity,
            y=reward,
            mode="markers+text",
            marker=dict(symbol="line-ns-open", size=11, color=theme.BLACK),
            text=[f"α = {a:.3g}" for a in _array(alphas)],
            textposition="top right",
            textfont=dict(size=14),
            showlegend=False,
        )
    )
    for colour, (alpha, seeds) in zip(theme.CYCLE, learned.items()):
        x, y = _array([s[0] for s in seeds]), _array([s[1] for s in seeds])
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="markers",
                marker=dict(color=colour, size=11, symbol="circle-open", line=dict(width=2.5)),
                name=f"networks, α = {alpha:g}",
            )
        )
    figure.update_xaxes(title="diversity E|x − x'|, length", range=[0, 1.12 * float(diversity.max())])
    figure.update_yaxes(title="mean reward E[r]")
    return figure.update_layout(template=theme.template(), title=title, width=860, height=480)


def ward(
    patients: Sequence[Patient], *, reference: Tensor | None = None, extent: float = 5.5, title: str = ""
) -> go.Figure:
    """A column for each patient: its samples over the reference's, below them its reward over rounds, on one scale.

    Args:
        patients: the runs.
        reference: samples (m, 2) drawn in grey.
        extent: half the side of each upper panel; points beyond are drawn on its edge as crosses.
        title: above all.
    """
    if not patients:
        raise checks.fail("patients", patients, "at least one")
    n = len(patients)
    low, high = min(min(p.rewards) for p in patients), max(max(p.rewards) for p in patients)
    figure = make_subplots(
        rows=2,
        cols=n,
        subplot_titles=[p.name for p in patients],
        row_heights=[0.6, 0.4],
        horizontal_spacing=0.03,
        vertical_spacing=0.13,
    )
    for column, patient in enumerate(patients, start=1):
        if reference is not None:
            figure.add_trace(_dots(reference, theme.GHOST, 3, 0.35), row=1, col=column)
        out = (patient.samples.abs() > extent).any(1)
        figure.add_trace(_dots(patient.samples[~out], theme.BLUE, 3.5, 0.6), row=1, col=column)
        if out.any():
            edge = patient.samples[out].clamp(-0.97 * extent, 0.97 * extent)
            figure.add_trace(_dots(edge, theme.VERMILION, 6, 0.8, "x"), row=1, col=column)
        rounds = np.arange(1, len(patient.rewards) + 1)
        line = dict(color=theme.BLUE, width=1.5)
        figure.add_trace(go.Scatter(x=rounds, y=_array(patient.rewards), mode="lines", line=line), row=2, col=column)
        letter = "" if column == 1 else str(column)
        shown = dict(range=[-extent, extent], dtick=3, constrain="domain", row=1, col=column)
        figure.update_xaxes(**shown)
        figure.update_yaxes(scaleanchor=f"x{letter}", showticklabels=column == 1, **shown)
        figure.update_xaxes(title="round", nticks=3, row=2, col=column)
        figure.update_yaxes(range=[low - 0.05, high + 0.05], showticklabels=column == 1, row=2, col=column)
    figure.update_yaxes(title="x<sub>2</sub>", row=1, col=1)
    figure.update_yaxes(title="mean reward", row=2, col=1)
    return figure.update_layout(
        template=theme.template(14), title=title, showlegend=False, width=80 + 215 * n, height=540, margin=dict(t=100)
    )


def readings_table(chart: dict[str, dict[str, float]], *, title: str = "") -> go.Figure:
    """The readings of several runs as a table: a row a run, a column a reading.

    Args:
        chart: readings by their name, by run; every run has the same ones.
        title: above the table.
    """
    if not chart:
        raise checks.fail("chart", chart, "readings of at least one run")
    names = list(next(iter(chart.values())))
    columns = [list(chart), *[[f"{readings[name]:.2f}" for readings in chart.values()] for name in names]]
    figure = go.Figure(
        go.Table(
            header=dict(
                values=[f"<b>{name.replace('_', ' ')}</b>" for name in ("run", *names)],
                font=dict(size=15),
                height=32,
                fill_color="#E3E6EB",
            ),
            cells=dict(values=columns, font=dict(size=16), height=30, fill_color="white", line_color="#E3E6EB"),
        )
    )
    height = 60 + 30 * (len(chart) + 1) + (40 if title else 0)
    margin = dict(l=10, r=10, t=50 if title else 15, b=10)
    return figure.update_layout(template=theme.template(), title=title, width=1000, height=height, margin=margin)


def _dots(x: Tensor, colour: str, size: float, opacity: float, symbol: str = "circle") -> go.Scatter:
    xy = x.detach().cpu().numpy().astype(np.float32)
    marker = dict(color=colour, size=size, opacity=opacity, symbol=symbol)
    return go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=marker, hoverinfo="skip")
