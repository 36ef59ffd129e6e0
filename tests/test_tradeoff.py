"""The trade-off's exact limits and their inverse: against closed forms, samples, and each other."""

import math

import pytest
import torch
from on_grids import LINE, RIGHT, density, limit, normal

from orwlab import metrics, rewards, targets, tradeoff
from orwlab.exact import optima
from orwlab.exact.grid import Grid
from orwlab.oracle import PopulationDynamics


def on_a_line(**settings):
    return PopulationDynamics(targets.get("two_modes_1d"), RIGHT, axis=128, **settings)


@pytest.mark.parametrize("std", [0.2, 0.5, 1.0])
def test_two_draws_of_a_gaussian_are_as_far_apart_as_theory_says(std):
    # |x - x'| of N(0, s^2): 2 s / sqrt(pi) on a line, s sqrt(pi) in the plane
    line = density(LINE, normal(cov=[[std**2]]))
    assert tradeoff.mean_distance(LINE, line) == pytest.approx(2 * std / math.sqrt(math.pi), rel=0.005)
    cells = Grid(2, 96, 4.0)
    plane = density(cells, normal((0.0, 0.0), [[std**2, 0.0], [0.0, std**2]]))
    assert tradeoff.mean_distance(cells, plane) == pytest.approx(std * math.sqrt(math.pi), rel=0.03)


def test_the_distance_is_what_samples_estimate_and_everything_in_one_cell_is_not_zero():
    target = targets.get("eight_gaussians")
    cells = Grid(2, 64, 6.0)
    x = target.sample(4000, generator=torch.Generator().manual_seed(0))
    found = tradeoff.mean_distance(cells, density(cells, target))
    assert found == pytest.approx(metrics.mean_pairwise_distance(x), rel=0.01)
    spike = torch.zeros(cells.shape, dtype=torch.float64)
    spike[30, 30] = 1.0
    pairs = cells.dx * torch.rand(2, 20_000, 2, generator=torch.Generator().manual_seed(0))
    assert tradeoff.mean_distance(cells, spike) == pytest.approx(
        float((pairs[0] - pairs[1]).norm(dim=1).mean()), rel=0.02
    )


def test_the_map_holds_the_limits_and_runs_the_way_the_trade_off_does():
    alphas, taus = (0.3, 3.0, 1.0), (0.5, 1.0, 2.0)
    found = tradeoff.limits(on_a_line(), alphas, taus, tol=1e-7)
    assert found.reward.shape == found.diversity.shape == found.kl.shape == (3, 3)
    assert found.trusted.all()
    for i, alpha in enumerate(alphas):
        for j, tau in enumerate(taus):
            alone = limit("two_modes_1d", alpha=alpha, tau=tau, axis=128)
            assert float(found.reward[i, j]) == pytest.approx(alone.mean_reward, abs=2e-4)
            assert float(found.kl[i, j]) == pytest.approx(alone.kl, abs=1e-3)
            assert float(found.diversity[i, j]) == pytest.approx(
                tradeoff.mean_distance(alone.cells, alone.density), abs=1e-3
            )
    by_alpha = found.reward[torch.tensor(alphas).argsort()]
    assert (by_alpha.diff(dim=0) < 0).all(), "more alpha, less reward"
    assert (by_alpha.diff(dim=1) > 0).all(), "more tau, more reward"


def test_a_limit_that_the_grid_does_not_resolve_is_not_trusted():
    dynamics = PopulationDynamics(targets.get("eight_gaussians"), rewards.get("bump"), weighting="mean_one", axis=64)
    found = tradeoff.limits(dynamics, (10.0, 0.1), (4.0,))
    assert found.trusted.flatten().tolist() == [True, False]


@pytest.mark.parametrize("weighting", ["exp", "mean_one"])
def test_alpha_for_inverts_the_map(weighting):
    dynamics = on_a_line(weighting=weighting)
    for goal in (0.05, 0.3, 0.55):
        alpha = tradeoff.alpha_for(dynamics, lambda d: d.mean_reward, goal, tol=1e-5)
        assert dynamics.alpha == pytest.approx(alpha)
        again = on_a_line(weighting=weighting, alpha=alpha)
        again.fixed_point(1e-6)
        assert again.mean_reward == pytest.approx(goal, abs=1e-3)
    alpha = tradeoff.alpha_for(dynamics, lambda d: d.kl, 0.2, tol=1e-5)
    assert dynamics.kl == pytest.approx(0.2, abs=1e-3)
    with pytest.raises(ValueError, match=r"goal is 0.99; allowed: .* to .*, which alpha from 0.2 to 100 reaches"):
        tradeoff.alpha_for(dynamics, lambda d: d.mean_reward, 0.99, low=0.2)


@pytest.mark.parametrize("weighting", ["exp", "mean_one"])
def test_alpha_from_rewards_is_right_for_a_weak_tilt_and_wrong_for_a_strong_one(weighting):
    x = targets.get("two_modes_1d").sample(200_000, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, -x])  # the mean reward is then 0, as it is in truth
    gaps = {}
    for tau, goal in ((0.05, 0.02), (1.0, 0.5)):
        alpha = tradeoff.alpha_from_rewards(RIGHT(x), goal, tau, weighting)
        reached = on_a_line(tau=tau, alpha=alpha, weighting=weighting)
        reached.fixed_point(1e-6)
        gaps[tau] = abs(reached.mean_reward - goal) / goal
    assert gaps[0.05] < 0.04
    assert gaps[1.0] > 0.05


def test_alpha_from_rewards_of_a_gaussian_reward_is_the_closed_form():
    # r ~ N(0, 1): the tilt has mean tau_eff, so alpha = tau Z / goal, Z = e^{tau^2 / 2}
    r = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000)
    assert tradeoff.alpha_from_rewards(r, 0.4, 0.8) == pytest.approx(0.8 * math.exp(0.32) / 0.4, rel=1e-3)
    assert tradeoff.alpha_from_rewards(r, 0.4, 0.8, "mean_one") == pytest.approx(2.0, rel=1e-3)


def test_bad_arguments_are_named():
    r = torch.linspace(0, 1, 10)
    for call, name in (
        (lambda: tradeoff.limits(on_a_line(), (), (1.0,)), "alphas"),
        (lambda: tradeoff.limits(on_a_line(), (1.0,), ()), "taus"),
        (lambda: tradeoff.limits(on_a_line(), (0.0,), (1.0,)), "alphas"),
        (lambda: tradeoff.alpha_for(on_a_line(), lambda d: d.kl, 0.1, low=2.0, high=1.0), "high"),
        (lambda: tradeoff.alpha_for(on_a_line(), lambda d: d.kl, math.nan), "goal"),
        (lambda: tradeoff.alpha_from_rewards(r, 0.4, 1.0), "goal"),
        (lambda: tradeoff.alpha_from_rewards(r, 1.0, 1.0), "goal"),
        (lambda: tradeoff.alpha_from_rewards(r, 0.7, 0.0), "tau"),
        (lambda: tradeoff.alpha_from_rewards(r, 0.7, 1.0, "clipped"), "weighting"),
        (lambda: tradeoff.mean_distance(LINE, torch.zeros(256)), "density"),
    ):
        with pytest.raises(ValueError, match=f"^{name} "):
            call()


def test_the_frontier_of_rewards_alone_is_the_tilt():
    # alpha_from_rewards finds the temperature at which the KL tilt of the same points reaches the goal
    p, r = density(LINE, targets.get("three_modes_1d")), optima.reward_on(LINE, RIGHT)
    tilt = optima.kl_tilt(LINE, p, r, 0.7)
    mass = optima.masses("p", LINE, p)
    cells = torch.multinomial(mass, 400_000, replacement=True, generator=torch.Generator().manual_seed(1))
    alpha = tradeoff.alpha_from_rewards(r[cells], tilt.mean_reward, 1.0, "mean_one")
    assert 1 / alpha == pytest.approx(0.7, rel=0.01)
