"""Figures of couplings and of the ladder of W2 bounds."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures.theory import _array

PANEL = 330  # pixels
WORDS = {
    "empirical": "W<sub>2</sub>² from samples",
    "coupled": "coupled cost",
    "secant": "secant",
    "flow_map": "flow map",
    "one_sided": "one-sided",
    "minkowski": "L(t), Minkowski",
    "time_varying": "L(t), squares",
    "global_lipschitz": "Theorem 3, global L",
}
"""the rungs from tight to loose, as ``wasserstein.Ladder`` names them, and what figures call them"""
PENALTY = "the penalty itself"
CERTIFIED = ("coupled", "secant", "flow_map")


def pairings(panels: Sequence[tuple[str, Tensor, Tensor, Tensor]], *, title: str = "") -> go.Figure:
    """Two small sets of points in the plane and who is paired with whom, side by side.

    Args:
        panels: (heading, x (n, 2), y (n, 2), order (n,)) each; point i of x goes to point order[i] of y.
        title: above all panels.
    """
    if not panels:
        raise checks.fail("panels", panels, "at least one (heading, x, y, order)")
    figure = make_subplots(cols=len(panels), subplot_titles=[panel[0] for panel in panels], horizontal_spacing=0.04)
    for column, (_, x, y, order) in enumerate(panels, start=1):
        at = dict(row=1, col=column)
        a, b = _array(x), _array(y[order])
        gap = np.full(len(a), np.nan, dtype=np.float32)
        lines = dict(color=theme.GHOST, width=2)
        figure.add_trace(
            go.Scatter(
                x=np.stack([a[:, 0], b[:, 0], gap], 1).ravel(),
                y=np.stack([a[:, 1], b[:, 1], gap], 1).ravel(),
                mode="lines",
                line=lines,
                hoverinfo="skip",
            ),
            **at,
        )
        for points, name, colour, symbol in ((a, "x", theme.BLUE, "circle"), (b, "y", theme.VERMILION, "square")):
            figure.add_trace(
                go.Scatter(
                    x=points[:, 0],
                    y=points[:, 1],
                    mode="markers",
                    name=name,
                    marker=dict(color=colour, size=11, symbol=symbol),
                ),
                **at,
            )
        figure.update_xaxes(title="x<sub>1</sub>", constrain="domain", **at)
        figure.update_yaxes(
            title="x<sub>2</sub>" if column == 1 else None, scaleanchor="x" if column == 1 else f"x{column}", **at
        )
    return figure.update_layout(
        template=theme.template(),
        title=title,
        showlegend=False,
        width=60 + PANEL * len(panels),
        height=PANEL + 110,
        margin=dict(t=110 if title else 70),
    )


def coupled_paths(
    times: Tensor, x: Tensor, y: Tensor, *, names: tuple[str, str] = ("policy", "reference"), title: str = ""
) -> go.Figure:
    """Trajectories of two flows on a line that start at the same noise, and the gap between their ends.

    Args:
        times: (T,).
        x: the first flow's trajectories, (T, n, 1).
        y: the second's, likewise.
        names: of the two flows.
        title: above the figure.
    """
    if x.ndim != 3 or x.shape != y.shape or x.shape[2] != 1 or len(times) != len(x):
        shapes = (tuple(times.shape), tuple(x.shape), tuple(y.shape))
        raise checks.fail("shapes of times, x, y", shapes, "(T,), (T, n, 1) and (T, n, 1)")
    figure = go.Figure()
    t = _array(times)
    for paths, colour, dash in ((y, theme.VERMILION, "dash"), (x, theme.BLUE, "solid")):
        n = paths.shape[1]
        values = np.concatenate([_array(paths[:, :, 0]), np.full((1, n), np.nan, dtype=np.float32)])
        figure.add_trace(
            go.Scatter(
                x=np.tile(np.append(t, np.nan), n).astype(np.float32),
                y=values.T.ravel(),
                mode="lines",
                line=dict(color=colour, width=2, dash=dash),
                hoverinfo="skip",
            )
        )
    ends = zip(_array(x[-1, :, 0]), _array(y[-1, :, 0]))
    for k, (a, b) in enumerate(ends):
        side = [1.02 + 0.2 * (k + 0.5) / x.shape[1]] * 2  # beside one another, lest they hide each other
        figure.add_trace(
            go.Scatter(x=side, y=[a, b], mode="lines", line=dict(color=theme.BLACK, width=2), hoverinfo="skip")
        )
    tops = (_array(x[-1, :, 0]).max(), _array(y[-1, :, 0]).min())
    for top, name, colour, shift in zip(tops, names, (theme.BLUE, theme.VERMILION), (10, -10)):
        figure.add_annotation(
            x=1.0,
            y=float(top),
            text=f"{name}",
            font=dict(color=colour, size=15),
            showarrow=False,
            yshift=shift,
            xanchor="right",
        )
    figure.add_annotation(
        x=1.12, y=1.0, yref="paper", yanchor="bottom", text="gaps", font=dict(size=14), showarrow=False
    )
    figure.update_layout(template=theme.template(), title=title, showlegend=False, width=760, height=420)
    figure.update_xaxes(title="flow time t", range=[-0.01, 1.24], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_yaxes(title="position x")
    return figure


def ladder_over_alpha(
    rungs: Mapping[float, Mapping[str, float]],
    penalty: Mapping[float, float],
    *,
    start: float | None = None,
    title: str = "",
) -> go.Figure:
    """The rungs of ``wasserstein.bounds`` on a logarithmic scale, one alpha at a time, with a slider between them.

    Filled dots are certified, open ones estimated; the dashed line is the penalty without a constant. The slider works
    in any page that shows the figure, without a kernel.

    Args:
        rungs: alpha -> rung -> log10 of the bound.
        penalty: alpha -> ``int E|dv|^2 ds``.
        start: the alpha shown first; the first one if None.
        title: above the figure.
    """
    if not rungs or any(set(logs) != set(WORDS) for logs in rungs.values()) or set(penalty) != set(rungs):
        raise checks.fail("rungs", rungs, f"for each alpha of penalty the logarithms of {', '.join(WORDS)}")
    alphas = list(rungs)
    first = alphas.index(start) if start is not None and start in alphas else 0
    low = min(float(np.log10(p)) for p in penalty.values()) - 1
    high = max(max(logs.values()) for logs in rungs.values())
    figure = go.Figure()
    for k, alpha in enumerate(alphas):
        for trace in _rungs(rungs[alpha], penalty[alpha], low):
            trace.visible = k == first
            figure.add_trace(trace)
    each = len(figure.data) // len(alphas)
    steps = [
        dict(
            label=f"{alpha:g}",
            method="update",
            args=[{"visible": [i // each == k for i in range(len(figure.data))]}],
        )
        for k, alpha in enumerate(alphas)
    ]
    figure.update_layout(
        template=theme.template(),
        title=title,
        showlegend=False,
        width=820,
        height=520,
        margin=dict(l=190, b=150),
        sliders=[dict(active=first, steps=steps, currentvalue=dict(prefix="α = ", font=dict(size=17)), pad=dict(t=60))],
    )
    for words, colour, place in (
        ("● certified", theme.BLUE, 0.1),
        ("○ estimated", theme.VERMILION, 0.02),
    ):
        figure.add_annotation(
            x=0.99,
            y=0.88 - place,
            xref="paper",
            yref="paper",
            xanchor="right",
            text=words,
            showarrow=False,
            font=dict(color=colour, size=15),
        )
    figure.update_xaxes(title="log<sub>10</sub> of the bound on W<sub>2</sub>²", range=[low, high * 1.18], dtick=5)
    figure.update_yaxes(
        categoryorder="array", categoryarray=[PENALTY, *WORDS.values()][::-1], range=[-0.6, len(WORDS) + 0.5]
    )
    return figure


def _rungs(logs: Mapping[str, float], penalty: float, low: float) -> list[go.Scatter]:
    """Sticks, dots with their values, and the penalty's dashed line."""
    names, values = [WORDS[name] for name in WORDS], [float(logs[name]) for name in WORDS]
    colours = [theme.BLUE if name in CERTIFIED else theme.VERMILION for name in WORDS]
    fill = [colour if name in CERTIFIED else "white" for name, colour in zip(WORDS, colours)]
    sticks = go.Scatter(
        x=[v for value in values for v in (low, value, None)],
        y=[n for name in names for n in (name, name, None)],
        mode="lines",
        line=dict(color="#C8CED8", width=2),
        hoverinfo="skip",
    )
    dots = go.Scatter(
        x=values,
        y=names,
        mode="markers+text",
        marker=dict(size=13, color=fill, line=dict(color=colours, width=2.5)),
        text=[f"  {10**v:.3g}" if v < 4 else f"  10<sup>{v:.1f}</sup>" for v in values],
        textposition="middle right",
        textfont=dict(size=14),
        hoverinfo="skip",
    )
    at = float(np.log10(penalty))
    line = go.Scatter(
        x=[at, at],
        y=[PENALTY, names[-1]],
        mode="lines+markers+text",
        line=dict(color=theme.BLACK, width=2, dash="dash"),
        marker=dict(size=[12, 0.1], color=theme.BLACK, symbol="diamond"),
        text=[f"  {penalty:.3g}", ""],
        textposition="middle right",
        textfont=dict(size=14),
        hoverinfo="skip",
    )
    return [sticks, line, dots]


def penalty_against_distance(runs: Mapping[str, Sequence[tuple[float, float]]], *, title: str = "") -> go.Figure:
    """W2^2 against the penalty for policies along several runs, both logarithmic, with lines of equal ratio.

    Args:
        runs: name -> (penalty, W2^2) of its policies, in the order of the rounds.
        title: above the figure.
    """
    if not runs:
        raise checks.fail("runs", runs, "at least one run")
    points = np.array([point for run in runs.values() for point in run], dtype=np.float32)
    low, high = float(points[:, 0].min()) / 2, float(points[:, 0].max()) * 2
    figure = go.Figure()
    for ratio in (1.0, 10.0):
        figure.add_trace(
            go.Scatter(
                x=[low, high],
                y=[ratio * low, ratio * high],
                mode="lines",
                line=dict(color=theme.GHOST, width=1.5, dash="dot"),
                hoverinfo="skip",
            )
        )
        words = "W<sub>2</sub>² = penalty" if ratio == 1 else f"W<sub>2</sub>² = {ratio:g} × penalty"
        place = 6 * low if ratio == 1 else high  # where no points are
        figure.add_annotation(
            x=float(np.log10(place)),
            y=float(np.log10(ratio * place)),
            text=words,
            xanchor="left" if ratio == 1 else "right",
            yanchor="top" if ratio == 1 else "bottom",
            xshift=6 if ratio == 1 else -30,
            showarrow=False,
            font=dict(size=14),
        )
    symbols = ("circle", "square", "diamond", "cross")
    for k, (name, run) in enumerate(runs.items()):
        x, y = np.array(run, dtype=np.float32).T
        colour = theme.CYCLE[k % len(theme.CYCLE)]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines+markers",
                name=name,
                line=dict(color=colour, width=1.5),
                marker=dict(color=colour, size=10, symbol=symbols[k % len(symbols)]),
            )
        )
        figure.add_annotation(
            x=float(np.log10(x[-1])),
            y=float(np.log10(y[-1])),
            text=name,
            showarrow=False,
            xshift=14,
            xanchor="left",
            font=dict(color=colour, size=15),
        )
    figure.update_layout(template=theme.template(), title=title, showlegend=False, width=680, height=520)
    figure.update_xaxes(title="penalty ∫ E|v − v<sub>ref</sub>|² dt", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title="W<sub>2</sub>²", type="log", exponentformat="power", dtick=1)
    return figure
