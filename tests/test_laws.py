"""The exact laws of other methods: best of K, thresholds, and the limit where the reward itself is the weight."""

import itertools
import math

import numpy as np
import pytest
import torch

from orwlab import oracle, rewards, targets
from orwlab.exact import laws, optima
from orwlab.exact.grid import Grid


@pytest.fixture(scope="module")
def line():
    """Two modes on a line, and a reward that no two cells share."""
    exact = oracle.PopulationDynamics(targets.get("two_modes_1d"), rewards.get("right"), axis=512)
    return exact.cells, exact.reference_density, exact.reward_values


def tv(cells, a, b):
    return 0.5 * float((a - b).abs().sum()) * cells.dx**cells.dim


def ranks(cells, p, r):
    """F(r) under p at every cell, half of the cell's own mass counted."""
    mass = p * cells.dx
    order = r.argsort()
    F = torch.empty_like(mass)
    F[order] = mass[order].cumsum(0) - mass[order] / 2
    return F


@pytest.mark.parametrize("k", [1, 2, 5])
def test_best_of_k_is_q_k_f_to_the_k_minus_1(line, k):
    cells, p, r = line
    best = laws.best_of(cells, p, r, k)
    assert tv(cells, best.density, p * k * ranks(cells, p, r) ** (k - 1)) < 2e-4
    if k == 1:
        assert best.kl == pytest.approx(0, abs=1e-12)
    else:
        assert best.kl == pytest.approx(math.log(k) - (k - 1) / k, abs=1e-3)  # whatever the reward is


def test_after_n_rounds_the_mean_rank_is_k_to_the_n(line):
    cells, p, r = line
    q, F = p, ranks(cells, p, r)
    for n in range(1, 6):
        q = laws.best_of(cells, q, r, 2, reference=p).density
        assert float((q * F).sum() * cells.dx) == pytest.approx(2**n / (2**n + 1), abs=2e-3)


def test_only_the_order_of_the_rewards_counts(line):
    cells, p, r = line
    plain, bent = (laws.best_of(cells, p, x, 3) for x in (r, (5 * r).exp()))
    assert torch.allclose(plain.density, bent.density)
    assert torch.allclose(laws.above(cells, p, r, share=0.3).density, laws.above(cells, p, r**3, share=0.3).density)


def test_cells_of_one_reward_share_as_the_density_does():
    cells = Grid(1, 16, 4.0)
    p = torch.rand(16, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    r = (cells.coordinates > 0).double()
    best = laws.best_of(cells, p, r, 2)
    good = float(p[8:].sum() / p.sum())
    mass = best.density * cells.dx
    assert float(mass[8:].sum()) == pytest.approx(1 - (1 - good) ** 2)
    for half in (slice(0, 8), slice(8, 16)):
        assert torch.allclose(mass[half] / mass[half].sum(), p[half] / p[half].sum())


def test_a_threshold_cuts_once_and_then_no_more(line):
    cells, p, r = line
    once = laws.above(cells, p, r, threshold=0.2)
    assert float(once.density[r < 0.2].sum()) == 0
    assert torch.allclose(laws.above(cells, once.density, r, threshold=0.2).density, once.density)
    kept = float(p[r >= 0.2].sum() * cells.dx)
    assert once.kl == pytest.approx(-math.log(kept))
    assert once.mean_reward > float((p * r).sum() * cells.dx)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_the_best_share_has_that_share(line, share):
    cells, p, r = line
    best = laws.above(cells, p, r, share=share)
    assert -math.log(share) - 0.03 < best.kl < -math.log(share) + 1e-6  # the last cell is let in in part
    assert tv(cells, best.density, p) == pytest.approx(1 - share, abs=2e-3)


def test_nothing_above_a_threshold_is_said(line):
    cells, p, r = line
    with pytest.raises(ValueError, match=r"threshold is 2.0; allowed: at most the largest reward"):
        laws.above(cells, p, r, threshold=2.0)
    with pytest.raises(ValueError, match="threshold is None; allowed: a number, or None and a share"):
        laws.above(cells, p, r)


@pytest.mark.parametrize(("target", "beta"), [("two_modes_1d", 1.0), ("two_modes_1d", 0.3), ("four_modes", 1.0)])
def test_of_the_reward_as_a_weight_a_constant_more_changes_next_to_nothing(target, beta):
    """``beta (v - v_ref) = Cov(r + k, u)`` is the same equation for every k; the rounds that lead there are not."""
    exact = oracle.PopulationDynamics(targets.get(target), rewards.get("right"), axis=128)
    cells, p, r = exact.cells, exact.reference_density, exact.reward_values
    limit = laws.linear_limit(cells, p, r, beta)
    far = oracle.PopulationDynamics(p, (r - r.min() + 10).log(), 1.0, beta, axis=cells.n, extent=cells.extent)
    far.fixed_point()
    assert tv(cells, limit.density, far.density) < 0.01
    assert laws.linear_limit(cells, p, r + 7, beta).mean_reward == pytest.approx(limit.mean_reward + 7, abs=1e-6)


def test_weakly_pulled_the_limits_are_the_tilt(line):
    cells, p, r = line
    for limit, strength in (
        (laws.linear_limit(cells, p, r, 20.0), 1 / 20),
        (laws.orw_limit(cells, p, r, 0.2, 4.0), 0.05),
    ):
        tilt = optima.kl_tilt(cells, p, r, strength)
        moved = tv(cells, tilt.density, p)
        assert tv(cells, limit.density, tilt.density) < 0.1 * moved


def test_with_mean_one_weights_the_limit_is_the_oracle_s(line):
    cells, p, r = line
    exact = oracle.PopulationDynamics(
        targets.get("two_modes_1d"), rewards.get("right"), 1.0, 0.5, weighting="mean_one", axis=512
    )
    exact.fixed_point()
    assert tv(cells, laws.orw_limit(cells, p, r, 1.0, 0.5).density, exact.density) < 1e-3


# Leaning: v^q + gain Cov(r, u | x_t) ----------------------------------------------------------------------------------


def test_a_lean_on_a_gaussian_with_a_linear_reward_is_the_tilt():
    exact = oracle.PopulationDynamics(targets.get("gaussian"), lambda x: 0.5 * x[:, 0], axis=96)
    for gain in (0.5, 2.0):
        lean = laws.lean(exact.cells, exact.reference_density, exact.reward_values, gain)
        tilt = optima.kl_tilt(exact.cells, exact.reference_density, exact.reward_values, gain)
        assert tv(exact.cells, lean.density, tilt.density) < 1e-3


def test_a_lean_differs_from_the_tilt_by_a_term_of_second_order(line):
    cells, p, r = line
    off = [
        tv(cells, laws.lean(cells, p, r, gain).density, optima.kl_tilt(cells, p, r, gain).density)
        for gain in (0.05, 0.1, 0.2)
    ]
    for small, large in itertools.pairwise(off):
        assert large / small == pytest.approx(4, rel=0.15)
    assert laws.lean(cells, p, r, 0.0).kl == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_particles_that_lean_arrive_where_the_density_says(line, gain, generator):
    """Noise pushed through the field itself, in small steps, has the law's quantiles."""
    cells, p, r = line
    q, g = p * cells.dx, cells.coordinates
    weighed = torch.stack([q, q * r, q * g, q * r * g])
    x, steps = torch.randn(4000, generator=generator).double().sort().values, 400
    clock = [1 - (1 - k / steps) ** 2 for k in range(steps + 1)]

    def velocity(t, x):
        K = (-((x[:, None] - t * g) ** 2) / (2 * (1 - t) ** 2)).softmax(1)
        S, R, G, RG = (K @ weighed.T).T
        mean, cov = G / S, RG / S - R * G / S**2
        return (mean + gain * cov - x) / (1 - t)

    for t, s in itertools.pairwise(clock[:-1]):
        half = x + (s - t) / 2 * velocity(t, x)
        x = x + (s - t) * velocity((t + s) / 2, half)
    lean = laws.lean(cells, p, r, gain, times=80)
    F = (lean.density * cells.dx).cumsum(0)
    for level in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert np.interp(float(x.quantile(level)), g + cells.dx / 2, F) == pytest.approx(level, abs=0.02)


# The positive part and a level; the variance of the weight as the price ----------------------------------------------


def test_the_positive_part_is_what_weighted_samples_show(line, generator):
    cells, p, r = line
    found = laws.positive_part(cells, p, r, 0.25)
    rows = torch.multinomial(p, 400_000, replacement=True, generator=generator)
    w = (r[rows] - r[rows].mean()).clamp_min(0)
    chosen = float((w * r[rows]).sum() / w.sum())
    assert found.mean_reward == pytest.approx((chosen + 0.25 * float(r.mean())) / 1.25, abs=3e-3)
    assert float(found.density.min()) == pytest.approx(0.2 / (2 * cells.extent))  # the floor that omega leaves
    level = laws.positive_part(cells, p, 0 * r + 3.0, 0.25)
    assert tv(cells, level.density, (p + 0.25 / (2 * cells.extent)) / 1.25) < 1e-9


@pytest.mark.parametrize("lam", [0.02, 0.2, 3.0])
def test_a_weight_held_by_its_variance_has_no_gap_to_the_dual(line, lam):
    cells, p, r = line
    q, found = p / p.sum(), laws.held_by_variance(cells, p, r, lam)
    w = found.density * cells.dx / q.clamp_min(1e-300)
    nu = torch.linspace(-10, 1, 20_001, dtype=torch.float64)
    dual = min(
        float((part + lam + (r - part[:, None]).clamp_min(0).square() @ q / (4 * lam)).min()) for part in nu.split(500)
    )
    value = found.mean_reward - lam * float((q * (w - 1).square()).sum())
    assert value == pytest.approx(dual, abs=1e-5)
    for other in (torch.ones_like(w), (r / lam).softmax(0) / q.clamp_min(1e-300), w.roll(3)):  # feasible, and worse
        other = other / (q * other).sum()
        assert float((q * other * r).sum()) - lam * float((q * (other - 1).square()).sum()) < value - 1e-7


def test_a_high_price_of_variance_makes_the_weight_linear_and_one_price_makes_it_qvpo_s(line):
    cells, p, r = line
    q = p / p.sum()
    E = float((q * r).sum())
    high = laws.held_by_variance(cells, p, r, 5.0)
    assert tv(cells, high.density, q / cells.dx * (1 + (r - E) / 10)) < 1e-9
    price = float((q * (r - E).clamp_min(0)).sum()) / 2
    assert tv(cells, laws.held_by_variance(cells, p, r, price).density, laws.positive_part(cells, p, r).density) < 1e-9


def test_a_bad_price_or_level_is_named(line):
    cells, p, r = line
    with pytest.raises(ValueError, match="lam is 0"):
        laws.held_by_variance(cells, p, r, 0.0)
    with pytest.raises(ValueError, match="omega is -1"):
        laws.positive_part(cells, p, r, -1.0)
