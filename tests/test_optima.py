"""The three optima and the effective temperature against closed forms, bounds and each other."""

import math
from itertools import pairwise

import pytest
import torch
from on_grids import LINE, PLANE, RIGHT, D, density, expectation, limit, mass, normal, random_densities, tv

from orwlab import rewards, targets
from orwlab.exact import optima
from orwlab.exact.grid import Grid
from orwlab.frontiers import w2_distance_squared
from orwlab.oracle import OracleWarning, PopulationDynamics

# -- the KL tilt -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.2, 1.0, 2.5])
def test_a_linear_reward_tilts_a_gaussian_by_tau(tau):
    # N(0, 1) exp(tau x) = N(tau, 1), and KL(N(tau, 1) | N(0, 1)) = tau^2 / 2
    cells = Grid(1, 256, 9.0)
    tilted = optima.kl_tilt(cells, density(cells, normal()), lambda x: x[:, 0], tau)
    assert tv(cells, tilted.density, density(cells, normal((tau,)))) < 1e-9
    assert tilted.mean_reward == pytest.approx(tau, abs=1e-8)
    assert tilted.kl == pytest.approx(tau**2 / 2, abs=1e-8)


@pytest.mark.parametrize("name", ["eight_gaussians", "pinwheel", "three_modes_1d"])
def test_linear_and_quadratic_rewards_tilt_mixtures_as_theorem_1_says(name):
    target = targets.get(name)
    cells = PLANE if target.dim == 2 else LINE
    a = torch.tensor([0.7, -0.4], dtype=D)[: target.dim]
    C = torch.tensor([[0.5, 0.2], [0.2, 0.3]], dtype=D)[: target.dim, : target.dim]

    def reward(x):
        return x @ a.to(x) - 0.5 * ((x @ C.to(x)) * x).sum(-1)

    tilted = optima.kl_tilt(cells, density(cells, target), reward, 1.5)
    assert tv(cells, tilted.density, density(cells, target.tilted(1.5 * a, -1.5 * C))) < 1e-9


@pytest.mark.parametrize("cells", [LINE, PLANE], ids=["line", "plane"])
def test_every_other_density_falls_short_of_the_tilt_by_its_divergence_from_it(cells):
    # E_p r - KL(p | p_ref) / tau = optimum - KL(p | tilt) / tau
    reference, tau = density(cells, targets.get("rings" if cells.dim == 2 else "three_modes_1d")), 0.8
    r = optima.reward_on(cells, RIGHT)
    best = optima.kl_tilt(cells, reference, r, tau)
    for q in random_densities(cells, reference, 8):
        kl = optima.relative_entropy(mass(cells, q), mass(cells, reference))
        beyond = optima.relative_entropy(mass(cells, q), mass(cells, best.density))
        short = (best.mean_reward - best.kl / tau) - (expectation(cells, q, r) - kl / tau)
        assert short == pytest.approx(beyond / tau, rel=1e-9)
        assert short > 1e-4


def test_a_tilt_of_any_strength_is_finite_and_stays_where_the_reference_is():
    reference = density(LINE, targets.get("two_modes_1d"))
    reference[LINE.coordinates > 1.0] = 0.0
    last = int((reference > 0).nonzero().max())
    for tau in (1e3, 1e300):
        tilted = optima.kl_tilt(LINE, reference, RIGHT, tau)
        assert torch.isfinite(tilted.density).all()
        assert tilted.density[last + 1 :].abs().max() == 0
        assert math.isfinite(tilted.kl)
    assert float(mass(LINE, tilted.density)[last]) == pytest.approx(1)
    assert tilted.kl == pytest.approx(-math.log(float(mass(LINE, reference)[last] / mass(LINE, reference).sum())))
    assert (
        tv(LINE, optima.kl_tilt(LINE, 5 * reference, RIGHT, 0.0).density, reference / mass(LINE, reference).sum())
        < 1e-12
    )


def test_the_tilt_is_the_oracle_without_penalty():
    dynamics = PopulationDynamics(targets.get("two_moons"), RIGHT, tau=0.6, alpha=0.0)
    for n in (1, 2, 3):
        dynamics.step()
        tilted = optima.kl_tilt(dynamics.cells, dynamics.reference_density, dynamics.reward_values, 0.6 * n)
        assert tv(dynamics.cells, tilted.density, dynamics.density) < 1e-12
        assert tilted.kl == pytest.approx(dynamics.kl)


# -- the W2-proximal optimum -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.3, 0.47, 2.0, 30.0])
def test_a_linear_reward_shifts_by_half_the_inverse_of_lam(lam):
    # argmax_y a.y - lam |y - x|^2 = x + a / (2 lam)
    a = torch.tensor([0.8, -0.6], dtype=D)
    for cells, slope in ((Grid(1, 256, 8.0), a[:1]), (Grid(2, 128, 8.0), a)):
        target = normal((0.0,) * cells.dim)
        moved = optima.w2_proximal(cells, density(cells, target), lambda x, s=slope: x @ s.to(x), lam)
        shift = slope / (2 * lam)
        middle = cells.points.norm(dim=-1) < 5
        assert torch.allclose((moved.map - cells.points)[middle], shift.expand(*middle.shape, -1)[middle], atol=1e-9)
        assert moved.mean_reward == pytest.approx(float(slope @ shift), abs=1e-6)
        assert moved.w2_squared == pytest.approx(float(shift @ shift), rel=1e-5)
        # shared among the cells around it, the density is convolved with a tent: a second-order error
        assert tv(cells, moved.density, density(cells, normal(tuple(shift.tolist())))) < 0.3 * cells.dx**2


@pytest.mark.parametrize("curvature", [-2.0, -0.5, 0.3])
def test_a_quadratic_reward_scales_a_line(curvature):
    # argmax_y c y^2 / 2 - lam (y - x)^2 = 2 lam x / (2 lam - c)
    lam = 0.5
    scale = 2 * lam / (2 * lam - curvature)
    std = 0.8
    cells = Grid(1, 512, 8.0)
    moved = optima.w2_proximal(
        cells, density(cells, normal(cov=[[std**2]])), lambda x: curvature / 2 * x[:, 0] ** 2, lam
    )
    middle = cells.coordinates.abs() < 4
    assert (moved.map[middle, 0] - scale * cells.coordinates[middle]).abs().max() < cells.dx / 2
    assert moved.mean_reward == pytest.approx(curvature / 2 * (scale * std) ** 2, abs=1e-3)
    assert moved.w2_squared == pytest.approx((scale - 1) ** 2 * std**2, abs=1e-3)


def test_a_quadratic_reward_with_mixed_terms_maps_the_plane_linearly():
    # -x.C x / 2: y solves (I + C / (2 lam)) y = x
    C, lam = torch.tensor([[0.6, 0.5], [0.5, 0.9]], dtype=D), 0.4
    A = torch.linalg.inv(torch.eye(2, dtype=D) + C / (2 * lam))
    moved = optima.w2_proximal(
        PLANE, density(PLANE, normal((0.0, 0.0))), lambda x: -0.5 * ((x @ C.to(x)) * x).sum(-1), lam
    )
    middle = PLANE.points.norm(dim=-1) < 3
    assert (moved.map - PLANE.points @ A)[middle].abs().max() < PLANE.dx
    lost = A - torch.eye(2, dtype=D)
    assert moved.w2_squared == pytest.approx(float((lost @ lost.T).trace()), rel=5e-3)
    assert moved.mean_reward == pytest.approx(-0.5 * float((A @ C @ A).trace()), rel=5e-3)


def test_the_two_optima_of_a_distant_bump_are_those_of_a_published_page():
    """N(0, 1), a bump at 4.75 of width 2.25, both held with lam = 7 (Wasserstein-tilted flow maps, arXiv 2609.27033).

    Their W2 is that of control along the linear path's flow: for N(0, 1) data, W2^2 divided by pi, as
    ``int_0^1 dt / ((1 - t)^2 + t^2) = pi / 2``. So their lam is ours times 7 pi.
    """
    cells = Grid(1, 1024, 8.0)
    p, bump = (-cells.coordinates.square() / 2).exp(), rewards.Bump((4.75,), 2.25)
    r = optima.reward_on(cells, bump)
    found = float((p * r).sum() / p.sum()), optima.kl_tilt(cells, p, r, 7.0).mean_reward
    assert found == pytest.approx((0.1421, 0.3669), abs=1e-4)
    assert optima.w2_proximal(cells, p, r, 1 / (7 * math.pi)).mean_reward == pytest.approx(0.6168, abs=1e-4)


def test_a_box_draws_what_is_near_enough_to_its_edge():
    # a step of height 1 at 0 pays for a move of up to 1 / sqrt(lam)
    lam, cells = 0.4, LINE
    reference = density(cells, normal())
    moved = optima.w2_proximal(cells, reference, rewards.get("box"), lam)
    x, y = cells.coordinates, moved.map[:, 0]
    drawn = (x < 0) & (x > -1 / math.sqrt(lam) + cells.dx)
    assert y[drawn].abs().max() < cells.dx
    stays = (x > cells.dx) & (x < 4) | (x < -1 / math.sqrt(lam) - cells.dx)
    assert torch.allclose(y[stays], x[stays])
    inside = 0.5 + 0.5 * math.erf(1 / math.sqrt(2 * lam))
    assert moved.mean_reward == pytest.approx(inside, abs=0.02)


def brute_force(cells, r, lam):
    cost = (cells.flat[:, None] - cells.flat).square().sum(-1)
    return (r.flatten() - lam * cost).max(1)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("lam", [0.05, 1.0, 20.0])
def test_the_transform_finds_the_best_of_all_cells_or_better_even_for_rough_rewards(dim, lam):
    generator = torch.Generator().manual_seed(dim)
    cells = Grid(dim, 24, 3.0)
    r = torch.randn(cells.shape, generator=generator, dtype=D)
    goal = optima.proximal_map(cells, r, lam)
    reached = cells.interpolate(r[None], goal)[0] - lam * (goal - cells.components).square().sum(0)
    best, where = brute_force(cells, r, lam)
    assert (reached.flatten() - best).min() > -1e-12
    near = (goal.flatten(1).T - cells.flat[where]).abs().max()  # the point between cells lies in the best cell
    assert near < cells.dx / 2 + 1e-9


@pytest.mark.parametrize("cells", [LINE, PLANE], ids=["line", "plane"])
def test_no_other_map_does_better_than_the_proximal_one(cells):
    reference, lam = density(cells, targets.get("eight_gaussians" if cells.dim == 2 else "three_modes_1d")), 0.2
    r = optima.reward_on(cells, RIGHT)
    moved = optima.w2_proximal(cells, reference, r, lam)
    p, best = mass(cells, reference), moved.mean_reward - lam * moved.w2_squared
    generator = torch.Generator().manual_seed(0)
    for size in (0.01, 0.1, 1.0):
        A = size * torch.randn(cells.dim, cells.dim, generator=generator, dtype=D)
        b = size * torch.randn(cells.dim, generator=generator, dtype=D)
        for start in (moved.map, cells.points):
            other = (start + 0.3 * start.sin() @ A + b).movedim(-1, 0)
            value = cells.interpolate(r[None], other)[0] - lam * (other - cells.components).square().sum(0)
            assert float((p * value).sum()) < best - 1e-6
    assert float((p * r).sum()) < best - 0.05  # staying where it is


def test_on_a_line_no_other_density_does_better_and_the_map_is_the_transport():
    reference, lam = density(LINE, targets.get("three_modes_1d")), 0.1
    r = optima.reward_on(LINE, RIGHT)
    moved = optima.w2_proximal(LINE, reference, r, lam)
    assert (moved.map[:, 0].diff() >= 0).all()
    assert w2_distance_squared(LINE, moved.density, reference) == pytest.approx(moved.w2_squared, abs=1e-3)
    assert expectation(LINE, moved.density, r) == pytest.approx(moved.mean_reward, abs=1e-12)
    best = moved.mean_reward - lam * moved.w2_squared
    others = [*random_densities(LINE, reference, 12), *random_densities(LINE, moved.density, 12)]
    others += [optima.kl_tilt(LINE, reference, r, tau).density for tau in (0.3, 1.0, 3.0)]
    for q in others:
        assert expectation(LINE, q, r) - lam * w2_distance_squared(LINE, q, reference) < best - 1e-4


# -- the house of cards ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reward", "tau", "alpha"),
    [("two_modes_1d", "bump", 1.0, 0.5), ("three_modes_1d", "right", 0.5, 3.0), ("four_modes", "box", 1.0, 0.7)],
)
def test_the_mixture_limit_is_where_the_house_of_cards_ends(name, reward, tau, alpha):
    dynamics = limit(name, reward, alpha, tau, penalty="reference")
    cells, p, r = dynamics.cells, dynamics.reference_density, dynamics.reward_values
    end = optima.mixture_limit(cells, p, r, tau, alpha)
    assert tv(cells, end.density, dynamics.density) < 1e-5
    assert end.condensed == 0
    assert end.threshold == 0  # the grid's best cell has mass
    w = (tau * r).exp()
    assert expectation(cells, end.density, w) == pytest.approx(end.Z, rel=1e-9)
    assert float(mass(cells, end.density).sum()) == pytest.approx(1, abs=1e-9)
    assert tv(cells, end.density, alpha * p / (alpha + end.Z - w)) < 1e-9
    assert end.mean_reward == pytest.approx(dynamics.mean_reward, abs=1e-5)


def test_the_threshold_is_its_integral_and_what_lies_below_it_condenses():
    from scipy.integrate import quad

    target, tau = targets.get("two_modes_1d"), 1.3

    def integrand(x):
        p = float(target.log_prob(torch.tensor([[x]], dtype=D)).exp())
        return p / (math.exp(tau) - math.exp(tau * math.tanh(x / 2.5)))

    threshold = 1 / quad(integrand, -9, 9, epsabs=1e-10, limit=200)[0]
    p = density(LINE, target)
    above = optima.mixture_limit(LINE, p, RIGHT, tau, 1.2 * threshold, reward_sup=1.0)
    assert above.threshold == pytest.approx(threshold, rel=1e-6)
    assert above.condensed == 0
    assert float(mass(LINE, above.density).sum()) == pytest.approx(1, abs=1e-9)
    for share in (0.1, 0.5, 0.999):
        below = optima.mixture_limit(LINE, p, RIGHT, tau, share * threshold, reward_sup=1.0)
        assert below.condensed == pytest.approx(1 - share, abs=1e-6)
        assert float(mass(LINE, below.density).sum()) == pytest.approx(share, abs=1e-6)
        assert abs(below.Z - (math.exp(tau) - share * threshold)) < 1e-9
        w = (tau * optima.reward_on(LINE, RIGHT)).exp()
        assert tv(LINE, below.density, share * threshold * p / (math.exp(tau) - w)) < 1e-9
        assert below.mean_reward > above.mean_reward
    assert math.isinf(below.kl)


def test_a_cell_of_vanishing_mass_at_the_top_takes_what_condenses():
    # the theorem's condensate as a limit: one cell with the best reward, whose own mass goes to nothing
    p = density(LINE, targets.get("two_modes_1d"))
    r = optima.reward_on(LINE, RIGHT).clone()
    r[128] = 1.1
    empty = p.clone()
    empty[128] = 0
    alpha = 0.5 * optima.mixture_limit(LINE, empty, r, 1.0, 1.0, reward_sup=1.1).threshold
    condensed = optima.mixture_limit(LINE, empty, r, 1.0, alpha, reward_sup=1.1)
    assert condensed.condensed == pytest.approx(0.5)
    for tiny, tolerance in ((1e-4, 1e-2), (1e-8, 1e-6)):
        q = empty.clone()
        q[128] = tiny
        end = optima.mixture_limit(LINE, q, r, 1.0, alpha)
        assert float(mass(LINE, end.density)[128]) == pytest.approx(0.5, abs=tolerance)
        assert abs(end.Z - condensed.Z) < tolerance * condensed.Z


def test_a_kink_has_a_threshold_and_a_smooth_maximum_inside_has_none():
    from scipy.integrate import quad

    def p(x):
        return math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    exact = 1 / (2 * quad(lambda s: 2 * s * p(s**2) / -math.expm1(-s), 0, 4)[0])  # x = s^2
    cells = Grid(1, 4096, 6.0)
    cusp = optima.mixture_limit(
        cells, density(cells, normal()), lambda x: -x[:, 0].abs().sqrt(), 1.0, 1.0, reward_sup=0.0
    )
    assert cusp.threshold == pytest.approx(exact, rel=0.02)
    found = []
    for n in (128, 256, 512, 1024):  # the integral diverges like n: refined, the sum's threshold vanishes
        cells = Grid(1, n, 6.0)
        top = optima.mixture_limit(
            cells, density(cells, normal()), lambda x: -(x[:, 0] ** 2), 1.0, 0.01, reward_sup=0.0
        )
        found.append(top.threshold)
        assert (
            optima.mixture_limit(cells, density(cells, normal()), lambda x: -(x[:, 0] ** 2), 1.0, 0.01).condensed == 0
        )
    for coarse, fine in pairwise(found):
        assert fine == pytest.approx(coarse / 2, rel=0.1)


@pytest.mark.parametrize("tau", [0.0, 50.0, 1e5])
def test_the_mixture_limit_neither_overflows_nor_loses_mass(tau):
    p = density(PLANE, targets.get("four_modes"))
    for alpha in (1e-3, 1.0, 1e6):
        end = optima.mixture_limit(PLANE, p, RIGHT, tau, alpha)
        assert float(mass(PLANE, end.density).sum()) == pytest.approx(1, abs=1e-9)
        assert math.isfinite(end.mean_reward)
        assert math.isfinite(end.kl)
    if tau == 0:
        assert tv(PLANE, end.density, p) < 1e-9
        assert abs(end.Z - 1) < 1e-9


# -- the effective temperature -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [LINE, PLANE], ids=["line", "plane"])
@pytest.mark.parametrize("tau", [0.0, 0.05, 2.0])
def test_an_exact_tilt_has_its_own_temperature_and_nothing_left_over(cells, tau):
    reference = density(cells, targets.get("rings" if cells.dim == 2 else "two_modes_1d"))
    r = optima.reward_on(cells, RIGHT)
    tilted = optima.kl_tilt(cells, reference, r, tau)
    fit = optima.effective_temperature(tilted.density, reference, r)
    assert fit.tau_eff == pytest.approx(tau, abs=1e-9)
    assert fit.intercept == pytest.approx(-math.log(expectation(cells, reference, (tau * r).exp())), abs=1e-9)
    assert fit.r_squared == pytest.approx(1, abs=1e-9)


def test_r_squared_is_the_share_of_the_log_ratio_that_the_reward_explains():
    reference = density(LINE, normal())
    x = LINE.coordinates
    tilted = reference * (0.5 * x).exp()
    assert optima.effective_temperature(tilted, reference, x).r_squared == pytest.approx(1)
    # N(0, 1) tilted by x^2 instead: under an even density x explains nothing of it
    narrow = density(LINE, normal(cov=[[0.5]]))
    fit = optima.effective_temperature(narrow, reference, x)
    assert fit.tau_eff == pytest.approx(0, abs=1e-9)
    assert fit.r_squared == pytest.approx(0, abs=1e-9)
    # log ratio x + b (x^2 - 1) under N(m, 1 / (1 - 2b)): the variance splits into (1 + 2 b m)^2 s^2 and 2 b^2 s^4
    b, s2 = -0.25, 1 / 1.5
    m = s2
    fit = optima.effective_temperature(reference * (x + b * (x**2 - 1)).exp(), reference, x)
    linear, rest = (1 + 2 * b * m) ** 2 * s2, 2 * b**2 * s2**2
    assert fit.tau_eff == pytest.approx(1 + 2 * b * m, abs=1e-6)
    assert fit.r_squared == pytest.approx(linear / (linear + rest), abs=1e-6)


@pytest.mark.parametrize("name", ["two_modes_1d", "gaussian"])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 10.0])
def test_a_weak_tilt_has_the_predicted_temperature_for_raw_and_mean_one_weights(name, alpha):
    tau = 0.1
    for weighting in ("exp", "mean_one"):
        # a reward of mean 2, or raw and mean-one weights would hardly differ
        dynamics = PopulationDynamics(
            targets.get(name),
            lambda x: RIGHT(x) + 2,
            tau,
            alpha,
            weighting=weighting,
            axis=96 if name == "gaussian" else 256,
        )
        assert dynamics.fixed_point(1e-7).converged
        Z = expectation(dynamics.cells, dynamics.reference_density, (tau * dynamics.reward_values).exp())
        assert Z > 1.2
        predicted = tau * Z / alpha if weighting == "exp" else tau / alpha
        fit = optima.effective_temperature(dynamics.density, dynamics.reference_density, dynamics.reward_values)
        assert fit.tau_eff == pytest.approx(predicted, rel=0.015)
        assert fit.r_squared > 0.998


@pytest.mark.parametrize(("name", "alpha"), [("two_modes_1d", 100.0), ("gaussian", 10.0)])
def test_a_large_alpha_alone_gives_a_tilt_in_the_weight_not_in_the_reward(name, alpha):
    exact = limit(name, "right", alpha)
    on_r = optima.effective_temperature(exact.density, exact.reference_density, exact.reward_values)
    on_w = optima.effective_temperature(exact.density, exact.reference_density, exact.reward_values.exp())
    assert on_r.r_squared < 0.99
    assert on_w.r_squared > 0.9999
    assert on_w.tau_eff == pytest.approx(1 / alpha, rel=0.01)


def test_a_strong_tilt_is_not_exponential():
    r_squared = []
    for alpha in (1.0, 0.3, 0.1):
        exact = limit("two_modes_1d", "right", alpha)
        fit = optima.effective_temperature(exact.density, exact.reference_density, exact.reward_values)
        r_squared.append(fit.r_squared)
    assert r_squared[0] > 0.98
    assert max(r_squared[1:]) < 0.9


# -- refusals and warnings ---------------------------------------------------------------------------------------

P = density(Grid(1, 64, 6.0), targets.get("two_modes_1d"))
R = RIGHT(Grid(1, 64, 6.0).flat)
NAN = torch.full((64,), math.nan)
BAD = [
    (lambda c: optima.kl_tilt(c, -P, R, 1.0), "reference has negative"),
    (lambda c: optima.kl_tilt(c, P[:50], R, 1.0), "reference"),
    (lambda c: optima.kl_tilt(c, torch.zeros(64), R, 1.0), "reference is zero"),
    (lambda c: optima.kl_tilt(c, NAN, R, 1.0), "reference"),
    (lambda c: optima.kl_tilt(c, P, R[:50], 1.0), "reward"),
    (lambda c: optima.kl_tilt(c, P, NAN, 1.0), "reward"),
    (lambda c: optima.kl_tilt(c, P, lambda x: x[:, 0] / 0, 1.0), "reward"),
    (lambda c: optima.kl_tilt(c, P, lambda x: x, 1.0), "reward"),
    (lambda c: optima.kl_tilt(c, P, "right", 1.0), "reward"),
    (lambda c: optima.kl_tilt(c, P, R, -1.0), "tau"),
    (lambda c: optima.kl_tilt(c, P, R, math.inf), "tau"),
    (lambda c: optima.kl_tilt(6.0, P, R, 1.0), "cells"),
    (lambda c: optima.w2_proximal(c, P, R, 0.0), "lam"),
    (lambda c: optima.w2_proximal(c, P, R, -1.0), "lam"),
    (lambda c: optima.w2_proximal(c, P, R, math.nan), "lam"),
    (lambda c: optima.w2_proximal(c, -P, R, 1.0), "reference"),
    (lambda c: optima.w2_proximal(c, P, NAN, 1.0), "reward"),
    (lambda c: optima.mixture_limit(c, P, R, 1.0, 0.0), "alpha"),
    (lambda c: optima.mixture_limit(c, P, R, -1.0, 1.0), "tau"),
    (lambda c: optima.mixture_limit(c, P, R, 1.0, 1.0, reward_sup=0.5), "reward_sup"),
    (lambda c: optima.mixture_limit(c, P[None], R, 1.0, 1.0), "reference"),
    (lambda c: optima.effective_temperature(-P, P, R), "density has negative"),
    (lambda c: optima.effective_temperature(P, P[:50], R), "reference"),
    (lambda c: optima.effective_temperature(P, P, R[:50]), "reward"),
    (lambda c: optima.effective_temperature(P, P, NAN), "reward"),
    (lambda c: optima.effective_temperature(P, P, torch.ones(64)), "reward"),
    (lambda c: optima.effective_temperature(P, P * (R > 0), R), "density is positive where reference is 0"),
]


@pytest.mark.parametrize(("call", "named"), BAD)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call(Grid(1, 64, 6.0))


def test_an_optimum_that_wants_to_leave_the_domain_says_so():
    reference = density(LINE, normal())
    with pytest.warns(OracleWarning, match="smaller tau"):
        optima.kl_tilt(LINE, reference, lambda x: x[:, 0], 5.0)
    with pytest.warns(OracleWarning, match="larger lam"):
        optima.w2_proximal(LINE, reference, lambda x: x[:, 0], 0.1)


# -- odd arguments -----------------------------------------------------------------------------------------------

CELLS = Grid(1, 16, 4.0)
VALUES = torch.tensor([1.0, 2, 3, 2, 1, 4, 8, 2, 1, 1, 2, 4, 2, 1, 1, 2], dtype=D)  # exact in every type
KINDS = {
    "float32": VALUES.float(),
    "bfloat16": VALUES.bfloat16(),
    "integer": VALUES.long(),
    "numpy": VALUES.numpy()[::-1].copy()[::-1],
    "list": VALUES.tolist(),
    "strided": torch.stack([VALUES, -VALUES], 1)[:, 0],
    "grad": VALUES.clone().requires_grad_(),
}
NUMBERS = {
    "tilt": lambda p, r: optima.kl_tilt(CELLS, p, r, 0.5).kl,
    "proximal": lambda p, r: optima.w2_proximal(CELLS, p, r, 0.5).w2_squared,
    "mixture": lambda p, r: optima.mixture_limit(CELLS, p, r, 0.5, 2.0).mean_reward,
    "temperature": lambda p, r: optima.effective_temperature(p, VALUES.roll(3), r).tau_eff,
    "temperature of": lambda p, r: optima.effective_temperature(VALUES.roll(3), p, r).tau_eff,
}


@pytest.mark.filterwarnings("ignore::orwlab.oracle.OracleWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NUMBERS)
def test_densities_and_rewards_of_any_kind_are_taken(name, kind):
    expected = NUMBERS[name](VALUES, VALUES.flip(0) / 8)
    assert NUMBERS[name](KINDS[kind], VALUES.flip(0) / 8) == pytest.approx(expected, rel=1e-12)
    assert NUMBERS[name](VALUES.flip(0), KINDS[kind]) == pytest.approx(NUMBERS[name](VALUES.flip(0), VALUES), rel=1e-12)


@pytest.mark.filterwarnings("ignore::orwlab.oracle.OracleWarning")
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_the_temperature_scales_with_the_reward(scale):
    tilted = VALUES * (VALUES.flip(0) / 8).exp()
    once = optima.effective_temperature(tilted, VALUES, VALUES.flip(0) / 8)
    found = optima.effective_temperature(tilted, VALUES, scale * VALUES.flip(0) / 8)
    assert once.tau_eff == pytest.approx(1)
    assert found.tau_eff == pytest.approx(1 / scale, rel=1e-9)
    assert found.r_squared == pytest.approx(1)
    with pytest.raises(ValueError, match="reward is 5e-311 at its largest"):
        optima.effective_temperature(tilted, VALUES, 5e-311 * VALUES.flip(0) / 8)
