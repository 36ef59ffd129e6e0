"""Figures of a sweep: what networks reached over alpha and tau, the exact values beside, and how far apart they are."""

import math
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given, layout, theory, tradeoff
from orwlab.sweep.table import Table

ROW = 46
"""pixels of a row of cells"""
BETWEEN = 100
"""pixels between two maps"""
APART = [[0.0, theme.BLUE], [0.5, "#FFFFFF"], [1.0, theme.VERMILION]]
"""shades of a gap: below the exact value, the same, above"""


class _Reading(NamedTuple):
    words: str
    exact: str


READINGS = {
    "mean_reward": _Reading("mean reward E[r]", "exact"),
    "kl": _Reading("KL(policy | reference), nats", "exact_kl"),
    "diversity": _Reading("diversity E|x − x'|", "exact_diversity"),
}
"""what has an exact value"""
_RAW = _Reading("mean reward of samples, as they are", "exact")


def sweep_maps(table: Table, *, what: str = "mean_reward", title: str = "") -> go.Figure:
    """Over alpha and tau: what networks reached, mean over seeds; the exact value on the same scale; and the gap.

    A dash stands where there is no number, a question mark behind an exact value that is not trusted, and a cross
    behind the mean of a cell some of whose runs failed or diverged: it is that of the others.

    Args:
        table: of one target, one reward and one method; ``table.select`` takes one out.
        what: "mean_reward", "kl" or "diversity"; where no density is known, the raw mean reward.
        title: above the maps.
    """
    table, what, reading = _read(table, what)
    for setting in ("target", "reward", "method"):
        if len(table.values(setting)) > 1:
            said = ", ".join(map(str, table.values(setting)))
            raise ValueError(f"table holds several of {setting}: {said}; allowed: one, as table.select gives it")
    alphas, taus = sorted(table.values("alpha")), sorted(table.values("tau"))
    shape = (len(taus), len(alphas))
    learned, exact = np.full(shape, np.nan), np.full(shape, np.nan)
    marks = [np.full(shape, "", dtype=object) for _ in range(2)]
    for cell in table.cells():
        first = cell.rows[0]
        place = taus.index(first.tau), alphas.index(first.alpha)
        learned[place], exact[place] = cell.mean(what).mean, getattr(first, reading.exact)
        marks[0][place] = " ✕" if any(row.error for row in cell) else ""
        marks[1][place] = "" if first.trusted else "?"
    gap = learned - exact
    shown = [(reading.words, learned, marks[0], False)]
    if np.isfinite(exact).any():
        shown.append(("the exact value", exact, marks[1], False))
    if np.isfinite(gap).any():
        shown.append(("gap: reached less exact", gap, marks[1], True))
    both = np.concatenate([learned.ravel(), exact.ravel()])
    both = both[np.isfinite(both)]
    if not len(both):
        raise ValueError("table holds no number to show; allowed: at least one run that ended, or one exact value")
    body = ROW * len(taus)
    between = BETWEEN / (len(shown) * body + (len(shown) - 1) * BETWEEN) if len(shown) > 1 else 0.0
    headings = [words for words, *_ in shown]
    figure = make_subplots(rows=len(shown), subplot_titles=headings, vertical_spacing=between)
    for row, (_, field, behind, signed) in enumerate(shown, start=1):
        far = float(np.nanmax(np.abs(gap))) or 1.0 if signed else 0.0
        limits = (-far, far) if signed else (float(both.min()), float(both.max()))
        texts = [
            [_number(value, signed) + mark for value, mark in zip(*line, strict=True)]
            for line in zip(field, behind, strict=True)
        ]
        z = given.small(np.where(np.isfinite(field), field, np.nan))
        how: dict[str, Any] = dict(shades=APART, dark=(0.0, 0.25)) if signed else {}
        tradeoff.cells(figure, row, z, texts, limits, **how)
        tradeoff.axes_of_cells(figure, row, alphas, taus)
    return layout.finished(
        figure,
        title,
        width=max(480, 100 + 64 * len(alphas)),
        height=len(shown) * body + (len(shown) - 1) * BETWEEN + 160,
        top=(100, 60),
        bottom=60,
        showlegend=False,
    )


def sweep_over_alpha(
    table: Table, *, tau: float | None = None, what: str = "mean_reward", title: str = ""
) -> go.Figure:
    """For one tau: a dot a seed over alpha, a line through their means, and the exact values, dashed.

    A colour for each target, reward and method. The alphas stand equally far apart, so that 0 has a place. Runs that
    failed or diverged are left out.

    Args:
        table: of a sweep.
        tau: which, if there are several.
        what: "mean_reward", "kl" or "diversity"; where no density is known, the raw mean reward.
        title: above the figure.
    """
    table, what, reading = _read(table, what)
    taus = table.values("tau")
    if tau is None and len(taus) > 1:
        raise checks.fail("tau", tau, f"one of {', '.join(f'{one:g}' for one in taus)}")
    if tau is not None:
        table = table.select(tau=checks.number("tau", tau))
    alphas = sorted(table.values("alpha"))
    groups: dict[str, list[Table]] = {}
    free = [name for name in ("target", "reward", "method") if len(table.values(name)) > 1]
    for cell in table.cells():
        name = ", ".join(str(getattr(cell.rows[0], setting)) for setting in free)
        groups.setdefault(name, []).append(cell)
    looks = theme.looks("table", list(groups))
    figure = go.Figure()
    for look, (name, cells) in zip(looks, groups.items(), strict=True):
        cells.sort(key=lambda cell: cell.rows[0].alpha)
        places = np.array([alphas.index(cell.rows[0].alpha) for cell in cells], dtype=float)
        exact = np.array([getattr(cell.rows[0], reading.exact) for cell in cells])
        means = np.array([cell.mean(what).mean for cell in cells])
        seeds = [
            (place, getattr(row, what))
            for place, cell in zip(places, cells, strict=True)
            for row in cell
            if not row.error and math.isfinite(getattr(row, what))
        ]
        of = f", {name}" if name else ""
        line: dict[str, Any] = dict(color=look.colour, width=2.2)
        if np.isfinite(exact).any():
            y = given.small(np.where(np.isfinite(exact), exact, np.nan))
            dashes = dict(line, dash=look.limit)
            figure.add_trace(go.Scatter(x=places, y=y, mode="lines", line=dashes, name=f"exact{of}"))
        if seeds:
            y = given.small(means)
            figure.add_trace(go.Scatter(x=places, y=y, mode="lines", line=dict(line, dash=look.dash), name=f"mean{of}"))
            x, y = (given.small(np.array(part)) for part in zip(*seeds, strict=True))
            disc = dict(color=look.colour, symbol=look.symbol, size=9, opacity=0.7)
            figure.add_trace(go.Scatter(x=x, y=y, mode="markers", marker=disc, name=f"a seed each{of}"))
    if not figure.data:
        raise ValueError("table holds no number to show; allowed: at least one run that ended, or one exact value")
    figure.update_xaxes(
        title="α", title_standoff=4, tickvals=list(range(len(alphas))), ticktext=[f"{alpha:g}" for alpha in alphas]
    )
    figure.update_yaxes(title=reading.words)
    return layout.finished(
        figure,
        title,
        width=theory.WIDTH,
        height=theory.HEIGHT,
        legend=dict(orientation="h", yanchor="top", y=-0.2, x=0, font=dict(size=14)),
    )


def _number(value: float, signed: bool) -> str:
    """With two digits; a gap has its sign, unless it rounds to none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def _read(table: Any, what: Any) -> tuple[Table, str, _Reading]:
    """What is asked for, and the column that has it: without any target's density, the raw reward is what there is."""
    if not isinstance(table, Table):
        raise checks.fail("table", table, "a Table, as sweep.run returns it")
    what = checks.choice("what", what, READINGS)
    if what == "mean_reward" and all(math.isnan(row.mean_reward) for row in table):
        return table, "raw_reward", _RAW
    return table, what, READINGS[what]
