"""The trade-off's exact limits and their inverse: against closed forms, samples, and each other."""

import math
import warnings

import numpy as np
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


def tilted_mean(r, s):
    """By plain sums in extended precision."""
    weight = np.exp(np.longdouble(s) * (r - r.max()))
    return (weight * r).sum() / weight.sum()


@pytest.mark.filterwarnings("ignore::orwlab.exact.sweep.FewSamplesWarning")
@pytest.mark.parametrize("share", [1e-9, 1e-3, 0.3, 0.9, 1 - 1e-6, 1 - 1e-12])
@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 0.0), (1e-6, 0.01), (1e6, -5.0), (1.0, 1e3), (1e250, 0.0), (1e-250, 0.0)]
)
def test_alpha_from_rewards_is_right_at_every_scale_and_near_both_ends(scale, offset, share):
    r = np.linspace(-1, 1, 401) ** 3 * scale + offset
    mean, top = r.mean(), r.max()
    goal = mean + share * (top - mean)
    alpha = tradeoff.alpha_from_rewards(r, goal, 1.0, "mean_one")
    found = tilted_mean(r.astype(np.longdouble), 1 / np.longdouble(alpha))
    rounding = 1e-14 * max(abs(mean), abs(top))
    assert float(abs(found - goal)) <= 1e-9 * min(goal - mean, top - goal) + rounding


@pytest.mark.parametrize("tau", [1e-300, 1e-3, 1.0, 300.0, 690.0])
def test_raw_weights_scale_alpha_by_their_mean(tau):
    r = torch.linspace(-1, 1, 101, dtype=torch.float64)
    raw, mean_one = (tradeoff.alpha_from_rewards(r, 0.3, tau, weighting) for weighting in ("exp", "mean_one"))
    log_Z = float((tau * r).logsumexp(0)) - math.log(101)
    assert math.log(raw) - math.log(mean_one) == pytest.approx(log_Z, rel=1e-12, abs=1e-12)
    shifted = tradeoff.alpha_from_rewards(r + 700.0, 700.3, 1e-3)  # tau r = 0.7
    assert shifted == pytest.approx(math.exp(0.7) * tradeoff.alpha_from_rewards(r, 0.3, 1e-3), rel=1e-9)


@pytest.mark.parametrize("kind", ["float32", "integer", "numpy", "reversed", "list", "grad"])
@pytest.mark.filterwarnings("ignore::orwlab.exact.sweep.FewSamplesWarning")
def test_alpha_from_rewards_takes_rewards_of_any_kind(kind):
    r = torch.tensor([0.0, 1.0, 2.0, 5.0, 3.0], dtype=torch.float64)
    given = {
        "float32": r.float(),
        "integer": r.long(),
        "numpy": r.numpy(),
        "reversed": r.numpy()[::-1].copy()[::-1],
        "list": r.tolist(),
        "grad": r.clone().requires_grad_(),
    }[kind]
    found = tradeoff.alpha_from_rewards(given, np.float32(3.0), torch.tensor(1.0))
    assert found == pytest.approx(tradeoff.alpha_from_rewards(r, 3.0, 1.0), rel=1e-12)


@pytest.mark.filterwarnings("ignore::orwlab.exact.sweep.FewSamplesWarning")
def test_what_cannot_be_inverted_is_refused_by_name():
    r = torch.linspace(0, 1, 10)
    for call, message in (
        (lambda: tradeoff.alpha_from_rewards(torch.full((9,), 0.7), 0.7, 1.0), "^r is 0.7 at all 9 points"),
        (lambda: tradeoff.alpha_from_rewards(torch.full((9,), 0.1), 0.1, 1.0), "^r is 0.1 at all 9 points"),
        (lambda: tradeoff.alpha_from_rewards(r, 0.9, 1e5), r"^tau is 100000.0; .*e\^1e\+05\), or mean-one weights"),
        (lambda: tradeoff.alpha_from_rewards(1e4 * r, 9e3, 1.0), "^tau is 1.0"),
        (lambda: tradeoff.alpha_from_rewards(-1e4 * r, -1e3, 1.0, "exp"), None),
        (lambda: tradeoff.alpha_from_rewards(-1e4 * r - 1e4, -1.1e4, 1.0, "exp"), "^tau is 1.0"),
        (lambda: tradeoff.alpha_from_rewards(r, torch.nan, 1.0), "^goal"),
        (lambda: tradeoff.alpha_from_rewards(r, -1e300, 1.0), "^goal"),
        (lambda: tradeoff.alpha_from_rewards(r, "0.9", 1.0), "^goal"),
        (lambda: tradeoff.alpha_from_rewards(r[:, None], 0.9, 1.0), "^r is"),
        (lambda: tradeoff.alpha_from_rewards([], 0.9, 1.0), "^r is"),
        (lambda: tradeoff.alpha_from_rewards(r * torch.nan, 0.9, 1.0), "^r holds"),
        (lambda: tradeoff.alpha_from_rewards(["a", "b"], 0.9, 1.0), "^r is"),
    ):
        if message is None:
            assert call() > 0
            continue
        with pytest.raises(ValueError, match=message):
            call()


def test_arrays_and_tensors_of_alphas_and_taus_are_swept():
    expected = tradeoff.limits(on_a_line(), (1.0, 3.0), (1.0, 0.5))
    for alphas, taus in (
        (np.array([1.0, 3.0], dtype=np.float32), torch.tensor([1.0, 0.5])),
        (torch.tensor([1, 3]), np.array([1.0, 0.5])[::1]),
        (iter([1.0, 3.0]), [np.float64(1.0), torch.tensor(0.5)]),
    ):
        found = tradeoff.limits(on_a_line(), alphas, taus)
        for field in ("alphas", "taus", "reward", "diversity", "kl"):
            assert torch.allclose(getattr(found, field), getattr(expected, field), rtol=1e-9, atol=1e-12)
        assert found.trusted.equal(expected.trusted)
    untouched = on_a_line()
    for alphas, taus, name in (
        ([1.0, -1.0], [1.0], "alphas"),
        ([1.0], [1.0, math.nan], "taus"),
        (1.0, [1.0], "alphas"),
        ("1", [1.0], "alphas"),
        ([[1.0]], [1.0], "alphas"),
        (np.ones((2, 2)), [1.0], "alphas"),
        (None, [1.0], "alphas"),
    ):
        with pytest.raises(ValueError, match=f"^{name} "):
            tradeoff.limits(untouched, alphas, taus)
    assert untouched.round == 0


def test_alpha_for_names_what_is_wrong_with_a_measure():
    def fails(limit):
        raise KeyError("nothing")

    for arguments, message in (
        ((on_a_line(), fails, 0.1), "^measure raised KeyError"),
        ((on_a_line(), lambda d: math.nan, 0.1), r"^measure\(dynamics\) is nan"),
        ((on_a_line(), lambda d: "much", 0.1), r"^measure\(dynamics\)"),
        ((on_a_line(), 0.3, 0.1), "^measure is"),
        (("two_modes_1d", lambda d: d.kl, 0.1), "^dynamics is"),
    ):
        with pytest.raises(ValueError, match=message):
            tradeoff.alpha_for(*arguments)
    with pytest.raises(ValueError, match=r"^dynamics is"):
        tradeoff.limits(None, [1.0], [1.0])


def test_alpha_for_takes_tensors_and_finds_goals_at_the_ends_of_its_range():
    for end in (0.5, 4.0):
        reached = limit("two_modes_1d", alpha=end, axis=128).mean_reward
        dynamics = on_a_line()
        found = tradeoff.alpha_for(
            dynamics,
            lambda d: torch.tensor(d.mean_reward),
            np.float64(reached),
            low=0.499,
            high=torch.tensor(4.01),
            tol=1e-6,
        )
        assert found == pytest.approx(end, rel=0.01)
        assert dynamics.alpha == found
    asked = []

    def measure(dynamics):  # an answer that changes whenever it is asked again
        asked.append(dynamics.alpha)
        return dynamics.mean_reward + 1e-4 * (-1) ** len(asked)

    assert 0.1 < tradeoff.alpha_for(on_a_line(), measure, 0.3) < 3
    assert len(asked) == len(set(asked))


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


CASES = [
    ("eight_gaussians", "right", 1.0, 0.5),
    ("eight_gaussians", "bump", 2.0, 0.7),
    ("four_modes", "box", 2.0, 0.9),
    ("two_moons", "right", 2.0, 0.5),
    ("rings", "two_bumps", 2.0, 0.7),
    ("two_modes_1d", "right", 2.0, 0.5),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::orwlab.exact.dynamics.OracleWarning")
@pytest.mark.parametrize(("target", "reward", "tau", "goal"), CASES)
def test_what_runs_have_seen_mends_the_guess(target, reward, tau, goal):
    """Exact limits stand for runs. The first guess is off by up to a factor of five; the fourth is not."""
    dynamics = PopulationDynamics(targets.get(target), rewards.get(reward), tau=tau, weighting="mean_one", axis=64)
    r = rewards.get(reward)(targets.get(target).sample(4000, generator=torch.Generator().manual_seed(0)))
    seen, off = [], []
    for _ in range(4):
        alpha = tradeoff.alpha_from_rewards(r, goal, tau, "mean_one", seen=seen)
        dynamics.alpha = alpha
        dynamics.reset()
        dynamics.fixed_point()
        seen.append((alpha, dynamics.mean_reward))
        off.append(abs(dynamics.mean_reward - goal))
    assert off[0] > 0.03, "else there was nothing to mend"
    assert off[3] < 0.02
    assert off[3] < off[0] / 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::orwlab.exact.dynamics.OracleWarning")
@pytest.mark.parametrize(("target", "reward", "tau"), [case[:3] for case in CASES])
def test_how_far_the_guess_from_rewards_alone_is_off(target, reward, tau):
    """What the docstring says is measured."""
    dynamics = PopulationDynamics(targets.get(target), rewards.get(reward), tau=tau, weighting="mean_one", axis=64)
    r = rewards.get(reward)(targets.get(target).sample(4000, generator=torch.Generator().manual_seed(0)))
    for alpha in (3.0, 1.0, 0.3, 0.1):
        dynamics.alpha = alpha
        dynamics.fixed_point()
        guess = tradeoff.alpha_from_rewards(r, dynamics.mean_reward, tau, "mean_one")
        assert 0.7 < guess / alpha < 6


def test_one_run_at_the_goal_is_its_own_answer_and_what_says_nothing_is_passed_over():
    r = torch.linspace(0, 1, 2000, dtype=torch.float64)
    plain = tradeoff.alpha_from_rewards(r, 0.7, 1.0, "mean_one")
    assert tradeoff.alpha_from_rewards(r, 0.7, 1.0, "mean_one", seen=[(0.123, 0.7)]) == pytest.approx(0.123)
    silent = [(1.0, 0.4), (1.0, 1.5), (2.0, 0.5)]  # below the mean, above the largest, and at the mean
    assert tradeoff.alpha_from_rewards(r, 0.7, 1.0, "mean_one", seen=silent) == plain
    halved = [(tradeoff.alpha_from_rewards(r, g, 1.0, "mean_one") / 2, g) for g in (0.6, 0.8)]
    assert tradeoff.alpha_from_rewards(r, 0.7, 1.0, "mean_one", seen=halved) == pytest.approx(plain / 2, rel=1e-3)
    for odd in (3, [1.0], [(1.0,)], [(0.0, 0.5)], [(1.0, torch.nan)], "ab"):
        with pytest.raises(ValueError, match="seen"):
            tradeoff.alpha_from_rewards(r, 0.7, 1.0, "mean_one", seen=odd)


def test_a_goal_that_rests_on_few_samples_is_said():
    r = torch.randn(500, generator=torch.Generator().manual_seed(0))
    with pytest.warns(tradeoff.FewSamplesWarning, match=r"a mean reward of 2\.5 rests on about .* of the 500 rewards"):
        tradeoff.alpha_from_rewards(r, 2.5, 1.0, "mean_one")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tradeoff.alpha_from_rewards(r, 0.5, 1.0, "mean_one")
