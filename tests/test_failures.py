"""The failure gallery: each silent bug has the symptom and the reading that its card says, and health has neither."""

import pytest
import torch

from orwlab import flow, optima, rewards, targets, zoo
from orwlab.finetune import FineTuning
from orwlab.methods import failures
from orwlab.oracle import PopulationDynamics

RIGHT = rewards.get("right")


@pytest.fixture(scope="module")
def line():
    return zoo.load("two_modes_1d")


def noise(n=4000, dim=1):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(1))


def gained(run, rounds):
    """Mean reward after so many rounds, less the reference's from the same noise."""
    list(run.rounds(rounds))
    x0 = noise(dim=run.event_shape[0])
    return float((RIGHT(flow.sample(run.average, x0)) - RIGHT(flow.sample(run.reference, x0))).mean())


def exact(alpha):
    return PopulationDynamics(targets.get("two_modes_1d"), RIGHT, 1.0, alpha)


def test_every_failure_says_what_it_is():
    assert len(failures.names()) >= 9
    for name in failures.names():
        failure = failures.get(name)
        assert failure.name == name
        assert issubclass(failure.run, FineTuning)
        for text in (failure.title, failure.bug, failure.symptom, failure.reading, failure.cure):
            assert text.strip().endswith(".") or text == failure.title
    with pytest.raises(ValueError, match=r"failure is 'typo'; allowed: .*stale_rewards"):
        failures.get("typo")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shuffled_weights", "resampled_pairs", "stale_rewards"])
def test_weights_on_the_wrong_samples_teach_nothing(line, name):
    healthy = gained(FineTuning(line, RIGHT, alpha=0.3, seed=0), 200)
    broken = gained(failures.get(name).run(line, RIGHT, alpha=0.3, seed=0), 200)
    assert healthy == pytest.approx(limit(0.3), abs=0.05)
    assert abs(broken) < 0.3 * healthy


def limit(alpha):
    dynamics = exact(alpha)
    dynamics.fixed_point()
    return dynamics.mean_reward


@pytest.mark.parametrize(("name", "least", "most"), [("", 0.999, 1.0), ("stale_rewards", -0.3, 0.3)])
def test_the_correlation_of_weights_and_rewards_gives_stale_rewards_away(line, name, least, most):
    run = (failures.get(name).run if name else FineTuning)(line, RIGHT, alpha=0.3, seed=0)
    found = []
    for _ in range(2):
        r, log_w = run._weighed(run._draw(), None)
        found.append(float(torch.corrcoef(torch.stack([r, log_w]))[0, 1]))
    assert found[0] > 0.999
    assert least <= found[1] <= most + 1e-6


@pytest.mark.slow
def test_without_a_refresh_it_settles_at_the_law_of_the_first_round(line):
    first = exact(0.3)
    first.step()
    broken = gained(failures.get("no_refresh").run(line, RIGHT, alpha=0.3, seed=0), 300)
    assert broken == pytest.approx(first.mean_reward, abs=0.03)
    assert limit(0.3) > first.mean_reward + 0.1


def test_dropout_in_one_network_shows_before_the_first_step(line):
    first = [
        next(kind(line, RIGHT, alpha=1.0, seed=0).rounds(1))
        for kind in (FineTuning, failures.get("dropout_in_one").run)
    ]
    assert first[0].penalty < 1e-10
    assert first[1].penalty > 0.02


@pytest.mark.slow
def test_an_inverted_temperature_does_less_with_more(line):
    def both(kind):
        return [gained(kind(line, RIGHT, tau=tau, alpha=1.0, weighting="mean_one", seed=0), 150) for tau in (0.25, 4.0)]

    low, high = both(FineTuning)
    assert high > low + 0.2
    low, high = both(failures.get("inverted_temperature").run)
    assert low > high + 0.2


def test_a_constant_more_changes_nothing_in_health_and_everything_where_weights_vanish(line):
    def far(x):
        return RIGHT(x) - 64.0

    def after(kind, reward):
        run = kind(line, reward, tau=1.0, alpha=0.0, seed=0)
        list(run.rounds(20))
        return torch.cat([p.detach().flatten() for p in run.policy.parameters()])

    start = torch.cat([p.detach().flatten() for p in line.parameters()])
    near, moved = (after(FineTuning, reward) for reward in (RIGHT, far))
    assert float((near - start).abs().max()) > 1e-3
    assert float((near - moved).abs().max()) < 0.1 * float((near - start).abs().max())
    assert torch.equal(after(failures.get("weights_that_vanish").run, far), start)


@pytest.mark.slow
def test_guidance_in_the_rollout_sharpens_modes_though_every_sample_is_worth_the_same(line):
    def width(run):
        list(run.rounds(60))
        x = flow.sample(run.average, noise())[:, 0]
        return float(x[x > 0].std())

    def level(x):
        return 0 * x[:, 0]

    before = float(flow.sample(line, noise())[:, 0].abs().std())
    assert width(FineTuning(line, level, alpha=0.3, seed=0)) == pytest.approx(before, rel=0.06)
    assert width(failures.get("guided_rollout").run(line, level, alpha=0.3, seed=0)) < 0.9 * before


@pytest.mark.slow
def test_the_penalty_elsewhere_leads_to_another_limit(line):
    """Nearer to the house of cards, alpha p_ref / (alpha + Z - w), than to the method's own limit."""
    alpha = 0.3
    dynamics = exact(alpha)
    cards = optima.mixture_limit(dynamics.cells, dynamics.reference_density, dynamics.reward_values, 1.0, alpha)
    assert cards.mean_reward > limit(alpha) + 0.05
    broken = gained(failures.get("penalty_elsewhere").run(line, RIGHT, alpha=alpha, seed=0), 400)
    assert broken > limit(alpha) + 0.04
    assert abs(broken - cards.mean_reward) < abs(broken - limit(alpha))
