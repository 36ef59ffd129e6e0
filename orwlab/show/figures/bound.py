"""Figures of couplings and of the ladder of W2 bounds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given, layout, theory

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
        panels: (heading, x (n, 2), y (n, 2), order (n,)) each; point i of x goes to point order[i] of y, a permutation
            of 0, ..., n - 1.
        title: above all panels.
    """
    shown = given.panels("panels", panels, "heading, x, y, order")
    between, width = layout.gap(0.04, len(shown)), 60 + PANEL * len(shown)
    headings = layout.headings([panel[0] for panel in shown], width, between)
    figure = make_subplots(cols=len(shown), subplot_titles=headings, horizontal_spacing=between)
    for column, (heading, x, y, order) in enumerate(shown, start=1):
        at = dict(row=1, col=column)
        a = given.points(f"x of {heading!r}", x)
        b = given.field(f"y of {heading!r}", y, a.shape)[_permutation(f"order of {heading!r}", order, len(a))]
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
        figure.update_xaxes(title=layout.FIRST, constrain="domain", **at)
        figure.update_yaxes(
            title=layout.SECOND if column == 1 else None, scaleanchor="x" if column == 1 else f"x{column}", **at
        )
    return layout.finished(
        figure,
        title,
        width=width,
        height=PANEL + 110,
        top=(110, 70),
        over=headings,
        showlegend=False,
    )


def _permutation(name: str, order: Any, n: int) -> np.ndarray:
    places = given.line(name, order, n)
    if sorted(places.tolist()) != list(range(n)):
        raise checks.fail(name, order, f"the numbers 0 to {n - 1}, each once")
    return places.astype(int)


def coupled_paths(
    times: Tensor, x: Tensor, y: Tensor, *, names: tuple[str, str] = ("policy", "reference"), title: str = ""
) -> go.Figure:
    """Trajectories of two flows on a line that start at the same noise, and the gap between their ends.

    Args:
        times: (T,), from 0 to 1.
        x: the first flow's trajectories, (T, n, 1).
        y: the second's, likewise.
        names: of the two flows.
        title: above the figure.
    """
    t = given.times("times", times)
    first = given.field("x", x, (len(t), None, 1))[..., 0]
    second = given.field("y", y, (len(t), first.shape[1], 1))[..., 0]
    if not isinstance(names, tuple | list) or len(names) != 2:
        raise checks.fail("names", names, "two texts")
    figure = go.Figure()
    n = first.shape[1]
    for paths, colour in ((second, theme.GHOST), (first, theme.BLUE)):
        values = np.concatenate([paths, np.full((1, n), np.nan, dtype=np.float32)])
        figure.add_trace(
            go.Scatter(
                x=np.tile(np.append(t, np.nan), n).astype(np.float32),
                y=values.T.ravel(),
                mode="lines",
                line=dict(color=colour, width=2),
                hoverinfo="skip",
            )
        )
    for k, (a, b) in enumerate(zip(first[-1], second[-1], strict=True)):
        side = [1.02 + 0.2 * (k + 0.5) / n] * 2  # beside one another, lest they hide each other
        figure.add_trace(
            go.Scatter(x=side, y=[a, b], mode="lines", line=dict(color=theme.BLACK, width=2), hoverinfo="skip")
        )
    # the flow that ends higher is named above all lines that pass there, the other one below
    wide = max(layout.width_of(given.words("names", name), 15) for name in names) / 540  # in flow time, from 1 back
    late = np.concatenate([first, second], 1)[max(0, min(int(np.searchsorted(t, 1 - wide)), len(t)) - 1) :]
    both = [(names[0], theme.BLUE, first[-1].max()), (names[1], theme.GHOST, second[-1].max())]
    both.sort(key=lambda flow: -flow[2])
    for (name, colour, _), place, shift in zip(both, (late.max(), late.min()), (10, -10), strict=True):
        figure.add_annotation(
            x=1.0,
            y=float(place),
            text=name,
            font=dict(color=colour, size=15),
            showarrow=False,
            yshift=shift,
            xanchor="right",
        )
    figure.add_annotation(
        x=1.12, y=1.0, yref="paper", yanchor="bottom", text="gaps", font=dict(size=14), showarrow=False
    )
    layout.finished(figure, title, width=760, height=420, showlegend=False)
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

    Filled dots are certified, open ones estimated; the upright line is the penalty without a constant. The slider works
    in any page that shows the figure, without a kernel.

    Args:
        rungs: alpha -> rung -> log10 of the bound, finite, a value for each of ``WORDS``.
        penalty: alpha -> ``int E|dv|^2 ds``, > 0, for the same alphas.
        start: the alpha shown first; the first one if None.
        title: above the figure.
    """
    allowed = f"for each alpha of penalty the logarithms of {', '.join(WORDS)}"
    if not isinstance(rungs, Mapping) or not rungs:
        raise checks.fail("rungs", rungs, allowed)
    if not isinstance(penalty, Mapping) or set(penalty) != set(rungs):
        raise checks.fail("penalty", penalty, f"a number for each alpha of rungs, {', '.join(map(str, rungs))}")
    logs: list[dict[str, float]] = []
    for alpha, found in rungs.items():
        if not isinstance(found, Mapping) or set(found) != set(WORDS):
            raise checks.fail("rungs", found, allowed)
        logs.append({name: checks.number(f"rungs[{alpha}][{name!r}]", found[name]) for name in WORDS})
    alphas = [checks.number("an alpha of rungs", alpha, low=0.0) for alpha in rungs]
    sizes = [checks.number(f"penalty[{alpha}]", penalty[alpha], above=0.0) for alpha in rungs]
    start = alphas[0] if start is None else checks.number("start", start)
    if start not in alphas:
        raise checks.fail("start", start, f"one of the alphas {', '.join(f'{alpha:g}' for alpha in alphas)}")
    first = alphas.index(start)
    low = min(*map(math.log10, sizes), *(min(found.values()) + 0.5 for found in logs)) - 1
    high = max(*map(math.log10, sizes), *(max(found.values()) for found in logs))
    figure = go.Figure()
    for k, (found, size) in enumerate(zip(logs, sizes, strict=True)):
        for trace in _rungs(found, size, low):
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
    layout.finished(
        figure,
        title,
        width=820,
        height=520,
        bottom=150,
        showlegend=False,
        margin=dict(l=190),
        sliders=[dict(active=first, steps=steps, currentvalue=dict(prefix="α = ", font=dict(size=17)), pad=dict(t=60))],
    )
    for words, colour, place in (("● certified", theme.BLUE, 0.78), ("○ estimated", theme.VERMILION, 0.99)):
        figure.add_annotation(  # above the axes: within them any place may be some bound's
            x=place,
            y=1.0,
            xref="paper",
            yref="paper",
            xanchor="right",
            yanchor="bottom",
            text=words,
            showarrow=False,
            font=dict(color=colour, size=15),
        )
    span = high + 0.18 * (high - low) - low
    figure.update_xaxes(
        title="log<sub>10</sub> of the bound on W<sub>2</sub>²",
        range=[low, low + span],
        dtick=5 if span > 12 else 2 if span > 5 else 1,
    )
    figure.update_yaxes(
        categoryorder="array", categoryarray=[PENALTY, *WORDS.values()][::-1], range=[-0.6, len(WORDS) + 0.5]
    )
    return figure


def _rungs(logs: Mapping[str, float], penalty: float, low: float) -> list[go.Scatter]:
    """Sticks, dots with their values, and the penalty's upright line."""
    names, values = [WORDS[name] for name in WORDS], [float(logs[name]) for name in WORDS]
    colours = [theme.BLUE if name in CERTIFIED else theme.VERMILION for name in WORDS]
    fill = [colour if name in CERTIFIED else "white" for name, colour in zip(WORDS, colours, strict=True)]
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
    at = math.log10(penalty)
    line = go.Scatter(
        x=[at, at],
        y=[PENALTY, names[-1]],
        mode="lines+markers+text",
        line=dict(color=theme.BLACK, width=2),
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
        runs: name -> (penalty, W2^2), both > 0, of its policies, in the order of the rounds.
        title: above the figure.
    """
    series = {}
    for name, run in given.by_name("runs", runs, "at least one run, its (penalty, W2^2) by its name").items():
        pairs = given.field(f"runs[{name!r}]", run, (None, 2))
        if not (pairs > 0).all():
            raise checks.fail(f"runs[{name!r}]", run, "(penalty, W2^2), both > 0: the axes are logarithmic")
        series[name] = pairs
    points = np.concatenate(list(series.values()))
    low, high = float(points[:, 0].min()) / 2, float(points[:, 0].max()) * 2
    figure = go.Figure()
    for ratio, dash in ((1.0, "dot"), (10.0, "dashdot")):
        figure.add_trace(
            go.Scatter(
                x=[low, high],
                y=[ratio * low, ratio * high],
                mode="lines",
                name="W<sub>2</sub>² = penalty" if ratio == 1 else f"W<sub>2</sub>² = {ratio:g} × penalty",
                line=dict(color=theme.GHOST, width=2, dash=dash),
                hoverinfo="skip",
            )
        )
    symbols = ("circle", "square", "diamond", "cross")
    for k, (look, (name, pairs)) in enumerate(zip(theme.looks("runs", list(series)), series.items(), strict=True)):
        figure.add_trace(
            go.Scatter(
                x=pairs[:, 0],
                y=pairs[:, 1],
                mode="lines+markers",
                name=name,
                line=dict(color=look.colour, width=1.5, dash=look.dash),
                marker=dict(color=look.colour, size=10, symbol=symbols[k % len(symbols)]),
            )
        )
    layout.finished(figure, title, width=820, height=520)
    ends = [(low, high), (float(points[:, 1].min()), float(points[:, 1].max()))]
    spans = [math.log10(b / a) for a, b in ends]
    for axis, title, (a, b) in (
        (figure.update_xaxes, "penalty ∫ E|v − v<sub>ref</sub>|² dt", ends[0]),
        (figure.update_yaxes, "W<sub>2</sub>²", ends[1]),
    ):  # powers of ten, or closer ticks where there would be hardly any
        ticks = dict(dtick=1) if min(spans) > 1.5 and max(spans) < 12 else theory.ticks(math.log10(a), math.log10(b))
        axis(title=title, type="log", exponentformat="power", **ticks)
    return figure
