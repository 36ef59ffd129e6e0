"""Figures of optima and of the trade-off: what a person reads off them."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch

from orwlab import rewards, targets, tradeoff
from orwlab.exact import optima
from orwlab.exact.grid import Grid
from orwlab.frontiers import Frontiers
from orwlab.oracle import PopulationDynamics
from orwlab.show import figures, theme

RIGHT = rewards.get("right")
ALPHAS, TAUS = (0.3, 1.0, 3.0), (0.5, 2.0)


@cache
def exact_map():
    return tradeoff.limits(PopulationDynamics(targets.get("two_modes_1d"), RIGHT, axis=64), ALPHAS, TAUS)


@cache
def frontiers():
    limit = PopulationDynamics(targets.get("two_modes_1d"), RIGHT, axis=64)
    both, places = Frontiers(limit.cells, limit.reference_density, limit.reward_values), {}
    for alpha in ALPHAS:
        limit.alpha = alpha
        limit.fixed_point()
        places[f"α = {alpha:g}"] = both.place(limit.density)
    return both, places


def words(figure):
    return [a.text for a in figure.layout.annotations]


def test_densities_stand_where_they_are_and_are_small_in_a_file():
    cells = Grid(2, 128, 6.0)
    corner = ((cells.points - torch.tensor([2.0, -3.0])).square().sum(-1) / -0.1).exp()
    figure = figures.densities_in_panels([("a", corner), ("b", corner.T)], reward=optima.reward_on(cells, RIGHT))
    first = figure.data[0]
    row, column = np.unravel_index(np.argmax(first.z), first.z.shape)
    assert first.x[column] == pytest.approx(2.0, abs=0.1), "the density's first index is x"
    assert first.y[row] == pytest.approx(-3.0, abs=0.1)
    assert len(figure.to_json()) < 300_000
    assert words(figure) == ["a", "b"]
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.yaxis2.scaleanchor == "x2"


def test_more_than_three_densities_stand_in_two_rows_of_squares_with_every_heading_on_one_line():
    q = torch.ones(16, 16)
    names = ["reference", "KL optimum, τ = 1.90", "W2 optimum, λ = 0.060", "ORW-CFM-W2, α = 0.5"]
    figure = figures.densities_in_panels([(name, q) for name in names], title="t")
    assert words(figure) == names
    x, y = figure.layout.xaxis.domain, figure.layout.yaxis.domain
    inside = figure.layout.height - figure.layout.margin.t - theme.MARGIN["b"]
    assert (y[1] - y[0]) * inside == pytest.approx(340, abs=10), "as large as one that stands alone"
    assert figure.layout.xaxis2.domain[0] > x[1]
    assert figure.layout.yaxis3.domain[1] < y[0]
    assert figure.layout.yaxis4.scaleanchor == "x4"
    for below in (figure.layout.xaxis3, figure.layout.xaxis4):
        assert below.title.text == "first coordinate"
    assert figure.layout.yaxis3.title.text == figure.layout.yaxis.title.text == "second coordinate"


def test_a_limit_has_the_colour_of_its_alpha():
    both, places = frontiers()
    marks = figures.under_frontiers(both, places).data[1]
    assert list(marks.marker.color) == [theme.alpha_colour(alpha) for alpha in ALPHAS]


def test_no_limit_is_drawn_above_a_frontier():
    both, places = frontiers()
    figure = figures.under_frontiers(both, places, title="t")
    for line, marks in (figure.data[:2], figure.data[2:4]):
        assert list(marks.text) == list(places)
        assert (marks.y <= np.interp(marks.x, line.x, line.y) + 0.01).all()
        assert (np.diff(line.y) >= -1e-6).all()
        assert max(marks.x) < max(line.x)
    assert figure.layout.xaxis.title.text.startswith("KL")
    assert "W" in figure.layout.xaxis2.title.text


def test_a_map_shows_every_number_in_its_cell_and_marks_collapse():
    exact = exact_map()
    limit = float(exact.diversity[0, 1]) + 0.01
    figure = figures.maps_over_alpha_and_tau(exact, collapse=limit)
    assert list(figure.layout.xaxis.ticktext) == ["0.3", "1", "3"]
    assert list(figure.layout.yaxis.ticktext) == ["1/2", "2"]
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1], "one map above the other"
    assert figure.layout.width <= 760
    cells = {(a.xref, a.x, a.y): a.text for a in figure.layout.annotations if a.xref in ("x", "x2")}
    for i in range(3):
        for j in range(2):
            gone = " ✕" if float(exact.diversity[i, j]) < limit else ""
            assert cells["x", i, j] == f"{float(exact.reward[i, j]):.2f}{gone}"
            assert cells["x2", i, j] == f"{float(exact.diversity[i, j]):.2f}{gone}"
    assert cells["x", 0, 1].endswith("✕")
    assert not cells["x", 2, 0].endswith("✕")


def test_networks_on_the_map_are_coloured_on_the_maps_own_scale():
    exact = exact_map()
    figure = figures.maps_over_alpha_and_tau(exact, points=[(1.0, 2.0, 0.4, 2.0)])
    heat, marks = figure.data[0], figure.data[1]
    assert list(marks.x) == [1]
    assert 0.7 < marks.y[0] < 0.9, "in its cell, below the number"
    assert (marks.marker.cmin, marks.marker.cmax) == (heat.zmin, heat.zmax)
    assert marks.marker.color == (0.4,)
    assert figure.data[3].marker.color == (2.0,)
    with pytest.raises(ValueError, match=r"points is .*alphas and taus of the map"):
        figures.maps_over_alpha_and_tau(exact, points=[(0.7, 2.0, 0.4, 2.0)])
    figures.maps_over_alpha_and_tau(exact, points=[(np.float32(0.3), 2, 0.4, 2.0)])  # 0.3 is none in float32


def test_a_map_says_what_is_not_trusted_or_not_known():
    exact = exact_map()
    doubted, unknown = exact.trusted.clone(), exact.reward.clone()
    doubted[1, 0], unknown[2, 1] = False, float("nan")
    figure = figures.maps_over_alpha_and_tau(dataclasses.replace(exact, trusted=doubted, reward=unknown))
    cells = {(a.xref, a.x, a.y): a.text for a in figure.layout.annotations if a.xref in ("x", "x2")}
    assert cells["x", 1, 0].endswith("?")
    assert cells["x2", 1, 0].endswith("?")
    assert cells["x", 2, 1] == "–"
    assert sum(text.endswith("?") for text in cells.values()) == 2
    assert figure.data[0].zmin == pytest.approx(float(exact.reward.min()))


def test_the_curve_names_its_alphas_and_shades_collapse():
    exact = exact_map()
    learned = {1.0: [(2.0, 0.3), (2.1, 0.31)]}
    figure = figures.reward_against_diversity(
        ALPHAS, (exact.diversity[:, 1], exact.reward[:, 1]), learned, collapse=0.5
    )
    assert list(figure.data[2].text) == ["α = 0.3", "α = 1", "α = 3"]
    assert list(figure.data[1].x) == pytest.approx([2.0, 2.1])
    assert figure.data[1].marker.color == theme.alpha_colour(1.0)
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [
        "exact limits",
        "discs: networks, one a seed",
    ]
    assert figure.layout.shapes[0].x1 == 0.5
    with pytest.raises(ValueError, match="exact"):
        figures.reward_against_diversity(ALPHAS, ([1.0], [2.0, 3.0]), learned)


def test_powers_of_two_are_named_as_fractions():
    halves = [1 / 32, 1 / 4, 0.5, 1.0, 2.0, 0.3, 1 / 3]
    places = list(torch.linspace(1.0, 4.0, 7)), list(torch.linspace(0.9, 0.0, 7))
    named = figures.reward_against_diversity(halves, places, {}).data[1].text
    assert list(named) == ["α = 1/32", "α = 1/4", "α = 1/2", "α = 1", "α = 2", "α = 0.3", "α = 0.333"]


def test_limits_that_crowd_together_keep_their_names():
    alphas = [1, 3, 10, 30, 100]
    crowded = [3.6, 3.82, 3.86, 3.865, 3.866], [0.3, 0.1, 0.03, 0.01, 0.003]
    figure = figures.reward_against_diversity(alphas, crowded, {})
    names = [text for text in figure.data[1].text if text] + words(figure)
    assert sorted(names) == sorted(f"α = {alpha}" for alpha in alphas)


def test_on_the_ward_rewards_share_a_scale_and_what_is_far_out_is_seen():
    x = torch.zeros(5, 2)
    far = x.clone()
    far[0] = torch.tensor([40.0, 1.0])
    figure = figures.ward([figures.Patient("A", x, [0.0, 0.1]), figures.Patient("B", far, [0.0, 2.0])], extent=5.0)
    assert words(figure)[:2] == ["A", "B"]
    assert figure.layout.yaxis3.range == figure.layout.yaxis4.range
    assert figure.layout.yaxis3.range[1] > 2.0
    crosses = [trace for trace in figure.data if trace.marker.symbol == "x"]
    assert len(crosses) == 1
    assert crosses[0].x[0] == pytest.approx(4.85)
    assert crosses[0].y[0] == pytest.approx(1.0)


def test_readings_are_a_row_a_run():
    figure = figures.readings_table({"A": {"reward": 0.123, "ess_last": 1.0}, "B": {"reward": 2.0, "ess_last": 0.5}})
    table = figure.data[0]
    assert list(table.header.values) == ["<b>run</b>", "<b>reward</b>", "<b>ess last</b>"]
    assert [list(column) for column in table.cells["values"]] == [["A", "B"], ["0.12", "2.00"], ["1.00", "0.50"]]
    odd = figures.readings_table({"A": {"reward": -1e-9, "ess": float("nan")}}).data[0].cells["values"]
    assert [list(column) for column in odd[1:]] == [["0.00"], ["–"]]
    for other in ({"reward": 1.0}, {"reward": 1.0, "ess": 1.0, "more": 1.0}):
        with pytest.raises(ValueError, match=r"chart\['B'\]"):
            figures.readings_table({"A": {"reward": 1.0, "ess": 1.0}, "B": other})


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.densities_in_panels([]),
        lambda: figures.densities_in_panels([("a", torch.ones(4, 5))]),
        lambda: figures.under_frontiers(frontiers()[0], {}),
        lambda: figures.ward([]),
        lambda: figures.readings_table({}),
    ],
)
def test_nothing_to_draw_is_said_so(call):
    with pytest.raises(ValueError, match="allowed"):
        call()


def test_every_seed_has_its_dot_over_its_alpha_and_the_line_goes_through_the_means():
    values = torch.tensor([[1.0, 3.0], [2.0, 2.5], [0.0, 1.0]])
    figure = figures.seeds_over_alpha([0.0, 0.5, None], {"a": values, "b": values + 1}, ylabel="y", title="t")
    line, dots, other, _ = figure.data
    assert list(line.y) == [2.0, 2.25, 0.5]
    assert sorted(zip(dots.x, dots.y)) == [(0, 1.0), (0, 3.0), (1, 2.0), (1, 2.5), (2, 0.0), (2, 1.0)]
    assert line.line.color == dots.marker.color != other.line.color
    assert dict(zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext)) == {0: "0", 1: "0.5", 2: "reference"}
    assert set(words(figure)) == {"a", "b"}
    for alphas in ([0.5], [0.5, 0.5], [None, None], []):
        with pytest.raises(ValueError, match=r"alphas is .*allowed: at least two different numbers"):
            figures.seeds_over_alpha(alphas, {"a": [[1.0]] * len(alphas)}, ylabel="y")
    with pytest.raises(ValueError, match=r"numbers\['a'\] .*shape \(3, n\)"):
        figures.seeds_over_alpha([0.0, 0.5, None], {"a": values[:2]}, ylabel="y")
