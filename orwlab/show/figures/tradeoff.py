"""Figures of the trade-off: maps over alpha and tau, reward against diversity, seeds over alpha, runs to diagnose."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks
from orwlab.exact.sweep import Map
from orwlab.show import theme
from orwlab.show.figures import given, layout, online, theory
from orwlab.show.figures.given import Numbers, Values

NAMES = 15
"""pixels, the type of names beside points"""
BETWEEN = 115
"""pixels between two maps"""
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
    """Mean reward and, below it, diversity of the exact limit over alpha and tau, each cell with its number.

    Cells that are not trusted have a question mark, those that are not finite a dash.

    Args:
        exact: the limits.
        points: networks, (alpha, tau, reward, diversity) each, at alphas and taus of the map: circles in the colour of
            what they reached. A circle that cannot be told from its ground agrees with the limit.
        collapse: a diversity below which cells are marked with a cross as collapsed.
        title: above both maps.
    """
    if not isinstance(exact, Map):
        raise checks.fail("exact", exact, "a Map, as limits() of orwlab.tradeoff returns it")
    alphas, taus = exact.alphas.tolist(), exact.taus.tolist()
    trusted = exact.trusted.detach().cpu().numpy().astype(bool).T  # rows are taus
    reward, diversity = (values.detach().cpu().double().numpy().T for values in (exact.reward, exact.diversity))
    if any(field.shape != (len(taus), len(alphas)) for field in (reward, diversity, trusted)):
        raise checks.fail("exact", exact, f"fields of shape ({len(alphas)}, {len(taus)})")
    networks = [_network(point, exact) for point in _list("points", points)]
    if collapse is not None:
        collapse = checks.number("collapse", collapse)
    body = (58 if networks else 36) * len(taus)  # pixels of one map
    figure = make_subplots(
        rows=2,
        subplot_titles=["mean reward E[r]", "diversity E|x − x'|"],
        vertical_spacing=BETWEEN / (2 * body + BETWEEN),
    )
    # one cell a value, evenly spaced: places are numbers 0, 1, ...; the values are the ticks
    columns, rows = list(range(len(alphas))), list(range(len(taus)))
    for row, field in enumerate((reward, diversity), start=1):
        finite = np.isfinite(field)
        if not finite.any():
            raise checks.fail("exact", exact, "a map with at least one finite number")
        z = given.small(np.where(finite, field, np.nan))
        low, high = float(np.nanmin(z)), float(np.nanmax(z))
        texts = [
            [
                (f"{field[i, j]:.2f}" if finite[i, j] else "–")
                + ("" if trusted[i, j] else "?")
                + (" ✕" if collapse is not None and diversity[i, j] < collapse else "")
                for j in columns
            ]
            for i in rows
        ]
        cells(figure, row, z, texts, (low, high), yshift=16 if networks else 0)
        if networks:
            marker = dict(
                size=19,
                color=[network[1 + row] for network in networks],
                cmin=low,
                cmax=high,
                colorscale=SHADES,
                line=dict(color=theme.VERMILION, width=2.5),
            )
            figure.add_trace(
                go.Scatter(
                    x=[network[0] for network in networks],
                    y=[network[1] - 0.17 for network in networks],  # below the number
                    mode="markers",
                    marker=marker,
                    hoverinfo="skip",
                ),
                row=row,
                col=1,
            )
        axes_of_cells(figure, row, alphas, taus)
    return layout.finished(
        figure,
        title,
        width=max(760, 100 + 60 * len(alphas)),
        height=2 * body + BETWEEN + 160,
        top=100,
        bottom=60,
        showlegend=False,
    )


def cells(
    figure: go.Figure,
    row: int,
    z: np.ndarray,
    texts: Sequence[Sequence[str]],
    limits: tuple[float, float],
    *,
    shades: Sequence[Sequence[Any]] = SHADES,
    dark: tuple[float, float] = (0.0, 0.5),
    yshift: int = 0,
) -> None:
    """A map in a row of a figure: a cell a value, evenly spaced, each with its text in ink or in white.

    Args:
        figure: changed in place.
        row: of the figure, from 1.
        z: values (taus, alphas); NaN leaves a cell white.
        texts: of every cell.
        limits: the values at the two ends of the ``shades``.
        shades: plotly's colour scale.
        dark: between which shares of the way from one end to the other it is too dark for ink.
        yshift: pixels by which the texts stand higher than the middle.
    """
    low, high = limits
    columns, rows = list(range(z.shape[1])), list(range(z.shape[0]))
    heat = go.Heatmap(x=columns, y=rows, z=z, zmin=low, zmax=high, colorscale=shades, showscale=False, hoverinfo="skip")
    figure.add_trace(heat, row=row, col=1)
    words = []
    for i, j in np.ndindex(*z.shape):
        white = dark[0] * (high - low) <= z[i, j] - low < dark[1] * (high - low)
        words.append(
            dict(
                x=columns[j],
                y=rows[i],
                xref="x" if row == 1 else f"x{row}",
                yref="y" if row == 1 else f"y{row}",
                text=texts[i][j],
                showarrow=False,
                yshift=yshift,
                font=dict(size=15, color="white" if white else theme.INK),
            )
        )
    figure.layout.annotations += tuple(map(go.layout.Annotation, words))  # all at once: one by one takes seconds


def axes_of_cells(figure: go.Figure, row: int, alphas: Sequence[float], taus: Sequence[float]) -> None:
    """The axes of ``cells``, which say the alphas and taus."""
    for update, title, values in ((figure.update_xaxes, "α", alphas), (figure.update_yaxes, "τ", taus)):
        ticks = dict(tickvals=list(range(len(values))), ticktext=[_short(value) for value in values])
        update(title=title, **ticks, showgrid=False, zeroline=False, row=row, col=1)


def _short(value: float) -> str:
    """1/8 and the like for powers of two below 1, whose decimals are long; three digits for others."""
    parts = round(1 / value) if 1e-6 < value < 1 else 0
    return f"1/{parts}" if parts and parts & (parts - 1) == 0 and parts * value == 1 else f"{value:.3g}"


def _list(name: str, values: Any) -> list[Any]:
    try:
        return values.tolist() if isinstance(values, Tensor | np.ndarray) and values.ndim else list(values)
    except TypeError as error:
        raise checks.fail(name, values, "a list, perhaps empty") from error


def _network(point: Any, exact: Map) -> tuple[int, int, float, float]:
    """Column and row in the map, reward and diversity."""
    allowed = "(alpha, tau, reward, diversity), at alphas and taus of the map"
    if not isinstance(point, Sequence) or len(point) != 4:
        raise checks.fail("a point of points", point, allowed)
    alpha, tau, reward, diversity = (checks.number("a point of points", value) for value in point)
    places = []
    for value, axis in ((alpha, exact.alphas), (tau, exact.taus)):
        near = [k for k, have in enumerate(axis.tolist()) if math.isclose(have, value, rel_tol=1e-6)]
        if not near:
            raise checks.fail("a point of points", (alpha, tau), allowed)
        places.append(near[0])
    return places[0], places[1], reward, diversity


def reward_against_diversity(
    alphas: Numbers,
    exact: tuple[Numbers, Numbers],
    learned: Mapping[float, Sequence[tuple[float, float]]],
    *,
    collapse: float | None = None,
    title: str = "",
) -> go.Figure:
    """The curve that alpha traces: diversity against mean reward, exact limits dashed, networks as coloured discs.

    Args:
        alphas: of the exact limits, (m,).
        exact: their diversities and mean rewards, (m,) each.
        learned: (diversity, mean reward) of every seed, by alpha; perhaps of none.
        collapse: diversities below are shaded.
        title: above the figure.
    """
    a = given.line("alphas", alphas)
    if not isinstance(exact, tuple | list) or len(exact) != 2:
        raise checks.fail("exact", exact, "(diversities, mean rewards), one of each an alpha")
    diversity, reward = (given.line("exact", values, len(a)) for values in exact)
    if not isinstance(learned, Mapping):
        raise checks.fail("learned", learned, "(diversity, mean reward) of every seed, by alpha")
    seeds = {
        checks.number("an alpha of learned", alpha): given.field(f"learned[{alpha}]", found, (None, 2))
        for alpha, found in learned.items()
    }
    figure = go.Figure()
    right = 1.12 * float(max([diversity.max(), *(found[:, 0].max() for found in seeds.values())]))
    plot = _Axes(right, np.concatenate([reward, *(found[:, 1] for found in seeds.values())]))
    if collapse is not None:
        collapse = checks.number("collapse", collapse, above=0.0)
        figure.add_vrect(x0=0, x1=collapse, fillcolor=theme.ORANGE, opacity=0.18, line_width=0, layer="below")
    line = dict(color=theme.BLACK, width=2, dash="dash")
    figure.add_trace(go.Scatter(x=diversity, y=reward, mode="lines", line=line, name="exact limits"))
    limits = plot.pixels(diversity, reward)
    marks = [plot.pixels(found[:, 0], found[:, 1]) for found in seeds.values()]
    taken = np.concatenate([layout.along(limits), layout.discs(limits, 7), *[layout.discs(m, 8) for m in marks]])
    texts = [f"α = {_short(value)}" for value in a]
    where = layout.beside(limits, texts, taken, plot.size, size=NAMES, reach=10)
    names = [f"networks, α = {_short(alpha)}" for alpha in seeds]
    for name, look, found in zip(names, theme.looks("learned", names), seeds.values(), strict=True):
        disc = dict(color=look.colour, symbol=look.symbol, size=14, opacity=0.6, line=dict(width=1.5, color="white"))
        figure.add_trace(
            go.Scatter(x=found[:, 0], y=found[:, 1], mode="markers", marker=disc, name=name, showlegend=False)
        )
    figure.add_trace(
        go.Scatter(
            x=diversity,
            y=reward,
            mode="markers+text",
            marker=dict(symbol="x-thin-open", size=9, color=theme.BLACK, line=dict(width=2)),
            text=[text if slot else "" for text, (slot, *_) in zip(texts, where, strict=True)],
            textposition=layout.slots(where),
            textfont=dict(size=NAMES),
            cliponaxis=False,
            showlegend=False,
        )
    )
    for x, y, text, place in zip(diversity, reward, texts, where, strict=True):
        layout.point_at(figure, float(x), float(y), text, place, theme.BLACK)
    if seeds:  # what a disc is, in the corner that a falling curve leaves free
        disc = dict(color=theme.GHOST, size=14, opacity=0.6)
        figure.add_trace(
            go.Scatter(x=[None], y=[None], mode="markers", marker=disc, name="discs: networks, one a seed")
        )
    if collapse is not None:  # upright in its band, at a height where nothing is drawn
        band = plot.pixels(np.array([collapse / 2]), np.array([0.0]))[0, 0]
        half = (12.0, layout.width_of("collapsed", 15) / 2 + 4)
        free = [
            y
            for y in (0.06, 0.25, 0.5, 0.75)
            if not (np.abs(taken - [band, plot.size[1] * (1 - y) - half[1]]) < half).all(1).any()
        ]
        figure.add_annotation(
            x=collapse / 2,
            y=free[0] if free else 0.06,
            yref="paper",
            yanchor="bottom" if free[:1] != [0.06] else None,
            text="collapsed",
            textangle=-90,
            showarrow=False,
            font=dict(size=15),
        )
    figure.update_xaxes(title="diversity E|x − x'|, length", range=[0, right])
    figure.update_yaxes(title="mean reward E[r]")
    return layout.finished(
        figure, title, width=760, height=520, legend=dict(x=1, y=1, xanchor="right", yanchor="top", font=dict(size=15))
    )


class _Axes:
    """About where things are in pixels, in axes from 0 to ``right``."""

    def __init__(self, right: float, y: np.ndarray) -> None:
        self.size = (760 - 65 - 20, 520 - 60 - 55.0)
        self.right, self.low, self.high = right, float(y.min()), float(y.max())
        air = 0.055 * (self.high - self.low) or 0.5
        self.low, self.high = self.low - air, self.high + air

    def pixels(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(n,) and (n,) -> (n, 2), from the upper left corner."""
        across = self.size[0] * x / self.right
        return np.stack([across, self.size[1] * (self.high - y) / (self.high - self.low)], 1)


def seeds_over_alpha(
    alphas: Sequence[float | None],
    numbers: Mapping[str, Values],
    *,
    ylabel: str,
    title: str = "",
    y_range: tuple[float, float] | None = None,
) -> go.Figure:
    """Numbers over alpha, a dot for every seed and a line through their means, named at its end.

    The alphas stand equally far apart, so that 0 and the reference, which no logarithmic axis holds, have a place.

    Args:
        alphas: in the order in which they are drawn, each >= 0, or None for the reference; at least two, all different.
        numbers: a name -> values (len(alphas), seeds).
        ylabel: the y axis.
        title: above the figure.
        y_range: the y axis from, to; else what holds all dots.
    """
    shown, allowed = _list("alphas", alphas), "at least two different numbers >= 0, or None for the reference"
    known = [None if a is None else checks.number("an alpha of alphas", a, low=0.0) for a in shown]
    if len(known) < 2 or len(set(known)) < len(known):
        raise checks.fail("alphas", alphas, allowed)
    found = given.by_name("numbers", numbers, "at least one name -> values (alphas, seeds)")
    places, lines = np.arange(len(known)), []
    looks = theme.looks("numbers", list(found))
    for look, (name, seeds) in zip(looks, found.items(), strict=True):
        values = given.field(f"numbers[{name!r}]", seeds, (len(known), None))
        lines.append(theory.Curve(name, places, values.mean(1), colour=look.colour))
        lines.append(theory.Curve("", places.repeat(values.shape[1]), values.ravel(), "markers", look.colour))
    figure = theory.drawn(lines, 2.2, 7)
    for k, look in enumerate(looks):
        figure.data[2 * k].line.dash, figure.data[2 * k + 1].marker.symbol = look.dash, look.symbol
    online.labelled(figure, xlabel="α", ylabel=ylabel, title=title, y_range=y_range)
    texts = ["reference" if a is None else f"{a:g}" for a in known]
    return figure.update_xaxes(tickvals=places, ticktext=texts)


def ward(
    patients: Sequence[Patient], *, reference: Tensor | None = None, extent: float = 5.5, title: str = ""
) -> go.Figure:
    """A column for each patient: its samples over the reference's, below them its reward over rounds, on one scale.

    Args:
        patients: the runs; NaN among a run's rewards is a gap.
        reference: samples (m, 2) drawn in grey.
        extent: half the side of each upper panel; points beyond are drawn on its edge as crosses.
        title: above all.
    """
    runs = given.instances("patients", patients, Patient)
    extent = checks.number("extent", extent, above=0.0)
    n = len(runs)
    between, width = layout.gap(0.025, n), 80 + 150 * n
    names = layout.headings([given.words("a patient's name", p.name) for p in runs], width, between)
    samples = [given.points(f"samples of {p.name!r}", p.samples) for p in runs]
    rewards = [given.line(f"rewards of {p.name!r}", p.rewards, gaps=True) for p in runs]
    behind = None if reference is None else _dots(given.points("reference", reference), theme.GHOST, 3, 0.35)
    low, high = min(float(np.nanmin(r)) for r in rewards), max(float(np.nanmax(r)) for r in rewards)
    figure = make_subplots(
        rows=2,
        cols=n,
        subplot_titles=names,
        row_heights=[0.6, 0.4],
        horizontal_spacing=between,
        vertical_spacing=0.17,
    )
    for column, (x, curve) in enumerate(zip(samples, rewards, strict=True), start=1):
        if behind is not None:
            figure.add_trace(behind, row=1, col=column)
        out = (np.abs(x) > extent).any(1)
        figure.add_trace(_dots(x[~out], theme.BLUE, 3.5, 0.6), row=1, col=column)
        if out.any():
            edge = x[out].clip(-0.97 * extent, 0.97 * extent)
            figure.add_trace(_dots(edge, theme.VERMILION, 6, 0.8, "x"), row=1, col=column)
        rounds = np.arange(1, len(curve) + 1)
        line = dict(color=theme.BLUE, width=1.5)
        figure.add_trace(go.Scatter(x=rounds, y=curve, mode="lines", line=line), row=2, col=column)
        letter = "" if column == 1 else str(column)
        shown = dict(range=[-extent, extent], dtick=layout.steps(extent, 3.0), constrain="domain", row=1, col=column)
        figure.update_xaxes(title=dict(text=layout.FIRST, standoff=3), **shown)
        figure.update_yaxes(scaleanchor=f"x{letter}", showticklabels=column == 1, **shown)
        figure.update_xaxes(title="round", nticks=3, row=2, col=column)
        figure.update_yaxes(range=[low - 0.05, high + 0.05], showticklabels=column == 1, row=2, col=column)
    figure.update_yaxes(title=layout.SECOND, row=1, col=1)
    figure.update_yaxes(title="mean reward", row=2, col=1)
    return layout.finished(figure, title, width=width, height=470, top=95, over=names, font_size=14, showlegend=False)


def readings_table(chart: Mapping[str, Mapping[str, float]], *, title: str = "") -> go.Figure:
    """The readings of several runs as a table: a row a run, a column a reading.

    Args:
        chart: readings by their name, by run; every run has the same ones. NaN is shown as a dash.
        title: above the table.
    """
    runs = given.by_name("chart", chart, "readings of at least one run, by its name")
    names: list[str] = []
    cells = []
    for run, readings in runs.items():
        found = given.by_name(f"chart[{run!r}]", readings, "at least one reading by its name")
        names = names or list(found)
        if set(found) != set(names):
            raise checks.fail(f"chart[{run!r}]", list(found), f"the readings of the first run, {names}")
        cells.append([_reading(f"chart[{run!r}][{name!r}]", found[name]) for name in names])
    columns = [list(runs), *[list(column) for column in zip(*cells, strict=True)]]
    wide = 780 / len(columns) - 16
    heads = [layout.wrapped(f"<b>{name.replace('_', ' ')}</b>", 15, wide) for name in ("run", *names)]
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
    lines = max(map(layout.rows, heads))
    first = [layout.rows(layout.wrapped(run, 16, wide)) for run in runs]
    height = (
        60
        + 40 * bool(given.words("title", title))
        + 30 * (len(runs) + 1)
        + 20 * max(0, lines - 2)
        + 21 * (sum(first) - len(first))
    )
    return layout.finished(figure, title, width=800, height=height, top=(50, 15), bottom=10, margin=dict(l=10, r=10))


def _reading(name: str, value: Any) -> str:
    if isinstance(value, float | np.floating) and math.isnan(value):
        return "–"
    text = f"{checks.number(name, value):.2f}"
    return "0.00" if text == "-0.00" else text


def _dots(xy: np.ndarray, colour: str, size: float, opacity: float, symbol: str = "circle") -> go.Scatter:
    marker = dict(color=colour, size=size, opacity=opacity, symbol=symbol)
    return go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=marker, hoverinfo="skip")
