"""The frontiers and W2 between grids against closed forms, and every density against the frontiers."""

import math
from itertools import pairwise

import pytest
import torch
from on_grids import LINE, PLANE, RIGHT, D, density, limit, normal, random_densities

from orwlab import rewards, targets
from orwlab.exact import optima
from orwlab.exact.grid import Grid
from orwlab.frontiers import Frontiers, w2_distance_squared

# -- W2 between grids --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "std"), [(0.01, 1.0), (0.4, 1.0), (-1.0, 0.6), (0.0, 1.2)])
def test_w2_on_a_line_meets_the_gaussian_form(shift, std):
    a, b = density(LINE, normal()), density(LINE, normal((shift,), [[std**2]]))
    exact = shift**2 + (std - 1) ** 2
    assert w2_distance_squared(LINE, a, b) == pytest.approx(exact, rel=1e-3, abs=1e-7)
    assert w2_distance_squared(LINE, b, a) == pytest.approx(exact, rel=1e-3, abs=1e-7)
    assert w2_distance_squared(LINE, a, a) == pytest.approx(0, abs=1e-12)


def test_w2_across_a_gap_is_the_distance_squared():
    a, b = torch.zeros(256, dtype=D), torch.zeros(256, dtype=D)
    a[10:20], b[110:120] = 1.0, 3.0
    assert w2_distance_squared(LINE, a, b) == pytest.approx((100 * LINE.dx) ** 2, rel=1e-12)
    b[110:120] = 0.0
    b[0:10] = b[20:30] = 1.0  # half goes each way, each point 5 to 10 cells far
    assert w2_distance_squared(LINE, a, b) == pytest.approx(175 / 3 * LINE.dx**2, rel=1e-9)


def test_w2_in_the_plane_is_close_to_known_answers():
    import ot

    round_ = density(PLANE, normal((0.0, 0.0)))
    mean, cov = (0.2, -0.1), [[0.6, 0.3], [0.3, 1.2]]
    bures = ot.gaussian.bures_wasserstein_distance(
        torch.zeros(2, dtype=D), torch.tensor(mean, dtype=D), torch.eye(2, dtype=D), torch.tensor(cov, dtype=D)
    )
    assert w2_distance_squared(PLANE, density(PLANE, normal(mean, cov)), round_) == pytest.approx(bures**2, rel=0.03)
    # a shift of less than half a cell, where plain atoms are wrong by a factor of five
    assert w2_distance_squared(PLANE, density(PLANE, normal((0.04, 0.0))), round_) == pytest.approx(0.0016, rel=0.03)
    for name, lam in (("eight_gaussians", 0.3), ("two_spirals", 1.0)):
        reference = density(PLANE, targets.get(name))
        moved = optima.w2_proximal(PLANE, reference, RIGHT, lam)
        assert w2_distance_squared(PLANE, moved.density, reference) == pytest.approx(moved.w2_squared, rel=0.02)
    product = limit("gaussian")  # r depends on x alone, so the limit is a product
    across = Grid(1, 128, 6.0)
    on_a_line = w2_distance_squared(across, product.density.sum(1), product.reference_density.sum(1))
    found = w2_distance_squared(PLANE, product.density, product.reference_density)
    assert found == pytest.approx(on_a_line, rel=0.01)


# -- frontiers ---------------------------------------------------------------------------------------------------


def test_frontiers_of_a_gaussian_with_a_linear_reward_are_square_roots():
    # KL = tau^2 s^2 / 2 at reward tau s^2; W2^2 = d^2 at reward d
    cells, std = Grid(1, 512, 12.0), 0.8
    both = Frontiers(cells, density(cells, normal(cov=[[std**2]])), lambda x: x[:, 0])
    for distance in (1e-4, 0.003, 0.1, 1.0, 4.0):
        assert both.kl.allowed(distance) == pytest.approx(std * math.sqrt(2 * distance), rel=1e-4)
        assert both.w2.allowed(distance) == pytest.approx(math.sqrt(distance), rel=1e-3)
    assert both.kl.allowed(0.0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "reward"),
    [("three_modes_1d", "right"), ("two_modes_1d", "box"), ("three_modes_1d", "two_bumps"), ("two_moons", "ring")],
)
def test_frontiers_rise_bend_down_and_run_along_their_points(name, reward):
    target = targets.get(name)
    cells = LINE if target.dim == 1 else Grid(2, 48, 6.0)
    both = Frontiers(cells, density(cells, target), rewards.get(reward))
    for frontier in (both.kl, both.w2):
        d, r = frontier.distance, frontier.reward
        assert (d.diff() >= -1e-9).all()
        assert (r.diff() >= -1e-9).all()
        far = d.diff() > 1e-6
        slope = r.diff()[far] / d.diff()[far]
        assert (slope.diff() <= 1e-3 * slope[:-1]).all()  # concave
        assert float(r[-1]) == pytest.approx(frontier.highest, rel=0.01)
        for i in range(0, len(d), 7):
            allowed = frontier.allowed(float(d[i]))
            assert allowed >= float(r[i]) - 2e-5
            assert allowed == pytest.approx(float(r[i]), abs=2e-3)
        middle = [float(x) for x in torch.linspace(0, float(d[-1]), 15)]
        allowed = [frontier.allowed(x) for x in middle]
        assert all(a <= b + 1e-9 for a, b in pairwise(allowed))
        assert all(2 * b >= a + c - 1e-4 for a, b, c in zip(allowed, allowed[1:], allowed[2:]))
        assert frontier.allowed(1e6) == frontier.highest


@pytest.mark.parametrize(("name", "reward"), [("three_modes_1d", "right"), ("two_modes_1d", "bump")])
def test_every_density_lies_under_both_frontiers_and_the_optima_on_their_own(name, reward):
    reference = density(LINE, targets.get(name))
    r = optima.reward_on(LINE, rewards.get(reward))
    both = Frontiers(LINE, reference, r)
    limits = [limit(name, reward, alpha).density for alpha in (0.3, 1.0, 3.0)]
    cards = optima.mixture_limit(LINE, reference, r, 1.0, 2.0)
    for q in [*random_densities(LINE, reference, 16), *limits, cards.density]:
        place = both.place(q)
        assert place.mean_reward < place.kl_allows - 1e-5
        assert place.mean_reward < place.w2_allows - 1e-4
    tilted = both.place(optima.kl_tilt(LINE, reference, r, 1.7).density)
    assert tilted.mean_reward == pytest.approx(tilted.kl_allows, abs=1e-6)
    assert tilted.mean_reward < tilted.w2_allows - 2e-3
    proximal = optima.w2_proximal(LINE, reference, r, 0.1)
    moved = both.place(proximal.density, w2_squared=proximal.w2_squared)
    assert moved.mean_reward == pytest.approx(moved.w2_allows, abs=1e-5)
    assert moved.mean_reward < moved.kl_allows - 0.01
    assert both.place(reference).mean_reward == pytest.approx(both.place(reference).kl_allows, abs=1e-9)


PLACES = {  # alpha: mean reward of the limit, what KL allows, what W2 allows
    "two_modes_1d": {3.0: (0.1034, 0.1037, 0.1493), 1.0: (0.2736, 0.2753, 0.3269), 0.3: (0.5183, 0.5310, 0.5452)},
    "three_modes_1d": {3.0: (-0.1228, -0.1214, -0.0947), 1.0: (0.1378, 0.1392, 0.1761), 0.3: (0.5461, 0.5574, 0.5843)},
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("axis", [256, 400])
def test_the_limits_on_a_line_are_near_the_kl_frontier_and_below_the_w2_frontier_on_any_grid(name, axis):
    for alpha, expected in PLACES[name].items():
        exact = limit(name, "right", alpha, axis=axis)
        place = Frontiers(exact.cells, exact.reference_density, exact.reward_values).place(exact.density)
        assert (place.mean_reward, place.kl_allows, place.w2_allows) == pytest.approx(expected, abs=1e-3)
        assert place.kl == pytest.approx(exact.kl, abs=1e-9)


def test_the_limit_for_eight_gaussians_lies_under_both_frontiers():
    exact = limit("eight_gaussians")
    place = Frontiers(exact.cells, exact.reference_density, exact.reward_values, n=24).place(exact.density)
    assert place.mean_reward == pytest.approx(0.397, abs=2e-3)
    assert place.kl_allows == pytest.approx(0.404, abs=2e-3)
    assert place.w2_allows == pytest.approx(0.493, abs=4e-3)
    assert 3.3 < place.w2_squared < 3.6


def test_a_constant_reward_has_flat_frontiers():
    both = Frontiers(LINE, density(LINE, normal()), torch.full((256,), 0.7))
    place = both.place(density(LINE, normal((1.0,))))
    assert (place.kl_allows, place.w2_allows) == pytest.approx((0.7, 0.7))


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e99])
def test_frontiers_scale_with_the_reward(scale):
    cells = Grid(1, 64, 6.0)
    p, r = density(cells, targets.get("two_modes_1d")), RIGHT(cells.flat).double()
    once, scaled = (Frontiers(cells, p, factor * r, n=12).place(p * (0.5 * r).exp()) for factor in (1.0, scale))
    assert scaled.kl_allows == pytest.approx(scale * once.kl_allows, rel=1e-6)
    assert scaled.w2_allows == pytest.approx(scale * once.w2_allows, rel=1e-6)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "integer", "numpy", "list", "strided", "grad"])
def test_densities_of_any_kind_are_placed(kind):
    cells = Grid(1, 16, 4.0)
    values = torch.tensor([1.0, 2, 3, 2, 1, 4, 8, 2, 1, 1, 2, 4, 2, 1, 1, 2], dtype=D)  # exact in every type
    given = {
        "float32": values.float(),
        "bfloat16": values.bfloat16(),
        "integer": values.long(),
        "numpy": values.numpy()[::-1].copy()[::-1],
        "list": values.tolist(),
        "strided": torch.stack([values, -values], 1)[:, 0],
        "grad": values.clone().requires_grad_(),
    }[kind]
    expected = Frontiers(cells, values, values.roll(4), n=8).place(values.roll(1))
    assert Frontiers(cells, given, values.roll(4), n=torch.tensor(8)).place(values.roll(1)) == expected
    other = Frontiers(cells, values.roll(4), values, n=8).place(values)
    assert Frontiers(cells, values.roll(4), given, n=8).place(given) == other
    assert w2_distance_squared(cells, given, values.roll(2)) == w2_distance_squared(cells, values, values.roll(2))


# -- refusals

P = density(Grid(1, 64, 6.0), targets.get("two_modes_1d"))
R = RIGHT(Grid(1, 64, 6.0).flat)
NAN = torch.full((64,), math.nan)
BAD = [
    (lambda c: Frontiers(c, -P, R), "reference"),
    (lambda c: Frontiers(c, P, NAN), "reward"),
    (lambda c: Frontiers(c, P, R, n=1), "n is"),
    (lambda c: Frontiers(c, P, R).place(-P), "density"),
    (lambda c: Frontiers(c, P, R).place(P[:50]), "density"),
    (lambda c: Frontiers(c, P, R).place(P, w2_squared=-1.0), "w2_squared"),
    (lambda c: Frontiers(c, P, R).kl.allowed(-0.1), "distance"),
    (lambda c: w2_distance_squared(c, P, -P), "b has negative"),
    (lambda c: w2_distance_squared(c, P[:50], P), "a is"),
    (lambda c: w2_distance_squared(c, P, P, max_atoms=0), "max_atoms"),
    (lambda c: w2_distance_squared(c, P, P, max_atoms=64.0), "max_atoms"),
    (lambda c: w2_distance_squared(c, P[:, None], P), "a is"),
    (lambda c: Frontiers(c, P, 1e300 * R), "reward is .* at its largest"),
    (lambda c: Frontiers(c, P, lambda x: x), "reward"),
    (lambda c: Frontiers(6.0, P, R), "cells"),
    (lambda c: Frontiers(c, P, R).kl.optimum(0.0), "price"),
    (lambda c: Frontiers(c, P, R).kl.optimum("1"), "price"),
    (lambda c: Frontiers(c, P, R).w2.optimum(math.nan), "price"),
    (lambda c: Frontiers(c, P, R).w2.allowed(math.inf), "distance"),
]


@pytest.mark.parametrize(("call", "named"), BAD)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call(Grid(1, 64, 6.0))
