"""Figures of a sweep: what networks reached and what is exact stand where they belong, on one scale."""

import math

import numpy as np
import pytest

from orwlab.show import figures
from orwlab.sweep import Row, Table

ALPHAS, TAUS = (3.0, 0.0, 0.3), (2.0, 0.5)


def exact(alpha, tau):
    return tau / (1 + alpha)


def table(**more):
    """In no order; of two seeds one is 0.1 above the exact value and the other at it; of one cell nothing is left."""
    rows = []
    for tau in TAUS:
        for alpha in ALPHAS:
            for seed in (0, 1):
                value = exact(alpha, tau)
                lost = (alpha, tau) == (3.0, 0.5) or (alpha, tau, seed) == (0.3, 2.0, 0)
                known = dict(exact=value, exact_kl=2 * value, trusted=alpha > 0)
                own = {"mean_reward": value + 0.1 * (seed == 0), "kl": 2 * value + 0.2}
                rows.append(
                    Row(target="t", reward="r", method="m", alpha=alpha, tau=tau, seed=seed, strength=1.0,
                        error="Diverged: so" if lost else "", **{**known, **own, **more})
                )  # fmt: skip
    return Table(rows)


def texts(figure, axis):
    """Row by row from below, what stands in the cells of a map."""
    found = {(a.y, a.x): a.text for a in figure.layout.annotations if a.xref == axis and not a.showarrow}
    return [[found[i, j] for j in range(3)] for i in range(2)]


def test_maps_show_means_and_exact_values_in_one_scale_and_their_gap():
    figure = figures.sweep_maps(table(), title="t")
    learned, known, gap = figure.data
    assert list(figure.layout.xaxis.ticktext) == ["0", "0.3", "3"]
    assert list(figure.layout.yaxis.ticktext) == ["1/2", "2"]
    assert known.z[1, 2] == pytest.approx(exact(3.0, 2.0))
    assert learned.z[0, 0] == pytest.approx(exact(0.0, 0.5) + 0.05), "the mean over seeds"
    assert learned.z[1, 1] == pytest.approx(exact(0.3, 2.0)), "of the runs that ended"
    assert math.isnan(learned.z[0, 2])
    assert gap.z == pytest.approx(learned.z - known.z, nan_ok=True)
    assert (learned.zmin, learned.zmax) == (known.zmin, known.zmax)
    assert learned.zmin == pytest.approx(np.nanmin([learned.z, known.z]))
    assert -gap.zmin == gap.zmax == pytest.approx(0.05)
    assert texts(figure, "x")[0] == ["0.55", "0.43", "– ✕"]
    assert texts(figure, "x")[1][1] == "1.54 ✕"
    assert [row[0] for row in texts(figure, "x2")] == ["0.50?", "2.00?"], "not trusted"
    assert texts(figure, "x3")[1] == ["+0.05?", "0.00", "+0.05"]
    kl = figures.sweep_maps(table(), what="kl")
    assert kl.data[1].z[1, 2] == pytest.approx(2 * exact(3.0, 2.0))
    assert kl.data[2].z[1, 2] == pytest.approx(0.2)


def test_a_gap_below_has_the_other_colour_and_a_minus():
    figure = figures.sweep_maps(table(mean_reward=-3.0))
    assert texts(figure, "x3")[1][2] == "−3.50"
    assert figure.data[2].z[1, 2] < 0 == figure.data[2].zmin + figure.data[2].zmax
    words = {a.text: a.font.color for a in figure.layout.annotations if a.xref == "x3"}
    assert words["−5.00?"] == "white", "on dark blue"


def test_where_nothing_is_exact_there_is_one_map():
    figure = figures.sweep_maps(table(exact=math.nan))
    assert len(figure.data) == 1
    assert figure.data[0].z[0, 0] == pytest.approx(exact(0.0, 0.5) + 0.05)


def test_curves_over_alpha_have_a_dot_a_seed_and_the_exact_line():
    figure = figures.sweep_over_alpha(table(), tau=2.0)
    line, mean, dots = figure.data
    assert (line.name, mean.name, dots.name) == ("exact", "mean", "a seed each")
    assert line.line.dash == "dash"
    assert mean.line.dash == "solid"
    assert line.line.color == mean.line.color == dots.marker.color
    assert list(figure.layout.xaxis.ticktext) == ["0", "0.3", "3"]
    assert list(line.y) == pytest.approx([exact(alpha, 2.0) for alpha in (0.0, 0.3, 3.0)])
    assert list(dots.x) == [0, 0, 1, 2, 2]
    assert sorted(dots.y[:2] - exact(0.0, 2.0)) == pytest.approx([0.0, 0.1], abs=1e-6)
    assert mean.y[0] == pytest.approx(exact(0.0, 2.0) + 0.05)


def test_methods_have_a_colour_each():
    both = Table((*table(), *(Row(**{**vars(row), "method": "n", "exact": math.nan}) for row in table())))
    figure = figures.sweep_over_alpha(both, tau=0.5)
    assert [trace.name for trace in figure.data] == [
        *("exact, m", "mean, m", "a seed each, m", "mean, n", "a seed each, n")
    ]
    colours = [trace.marker.color or trace.line.color for trace in figure.data]
    assert colours[0] == colours[1] == colours[2] != colours[3] == colours[4]
    with pytest.raises(ValueError, match="table holds several of method: m, n; allowed: one, as "):
        figures.sweep_maps(both)


def test_what_is_not_said_is_asked_for():
    with pytest.raises(ValueError, match=r"tau is None; allowed: one of 2, 0\.5"):
        figures.sweep_over_alpha(table())
    with pytest.raises(ValueError, match=r"tau is 7\.0; allowed: one of"):
        figures.sweep_over_alpha(table(), tau=7.0)
    with pytest.raises(ValueError, match="what is 'speed'; allowed: one of 'mean_reward', 'kl', 'diversity'"):
        figures.sweep_maps(table(), what="speed")
    nothing = table(mean_reward=math.nan, exact=math.nan)
    for draw in (figures.sweep_maps, lambda t: figures.sweep_over_alpha(t, tau=2.0)):
        with pytest.raises(ValueError, match="table holds no number to show"):
            draw(nothing)


def test_without_any_density_the_raw_reward_is_drawn_and_called_so():
    raw = table(mean_reward=math.nan, raw_reward=0.25, exact=math.nan)
    (learned,) = figures.sweep_maps(raw).data
    assert learned.z[0, 0] == 0.25
    assert any("as they are" in (a.text or "") for a in figures.sweep_maps(raw).layout.annotations)
    line = figures.sweep_over_alpha(raw, tau=0.5)
    assert np.nanmax(line.data[0].y) == np.nanmin(line.data[0].y) == 0.25
    assert "as they are" in line.layout.yaxis.title.text
