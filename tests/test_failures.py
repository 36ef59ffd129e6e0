"""The failure gallery: each silent bug has the symptom and the reading that its card says, and health has neither."""

import math

import pytest
import torch

from orwlab import flow, optima, rewards, targets, zoo
from orwlab.finetune import FineTuning
from orwlab.methods import failures, rollout
from orwlab.methods.adjoint_matching import AdjointMatching
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
    assert len(failures.names()) >= 12
    for name in failures.names():
        failure = failures.get(name)
        assert failure.name == name
        assert issubclass(failure.run, failure.healthy)
        assert failure.healthy in (FineTuning, AdjointMatching)
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


# what a loss is given ---------------------------------------------------------------------------------------------


def given_to_the_loss(run):
    """The pairs of the run's second draw: noise, samples and weights as a step has them; batches of 256 are paired."""
    for _ in range(2):
        x1 = run._draw()
        _, log_w = run._weighed(x1, None)
    x0 = run._noise(len(x1))
    batches = [run._pair(*batch) for batch in zip(x0.split(256), x1.split(256), log_w.exp().split(256))]
    return [torch.cat(parts) for parts in zip(*((pairs.x0, pairs.x1, pairs.w) for pairs in batches))]


WRONG = ["shuffled_weights", "resampled_pairs", "stale_rewards"]


@pytest.mark.parametrize("name", ["", *WRONG])
def test_weights_that_reach_the_loss_belong_to_their_samples(line, name):
    kind = failures.get(name).run if name else FineTuning
    _, x1, w = given_to_the_loss(kind(line, RIGHT, tau=2.0, alpha=0.3, seed=0, pool_size=4096))
    correlation = float(torch.corrcoef(torch.stack([w.log(), RIGHT(x1)]))[0, 1])
    if name:
        assert abs(correlation) < 0.1
    else:
        assert correlation > 0.999


@pytest.mark.parametrize("name", ["", *WRONG])
def test_the_first_gradient_is_the_exact_covariance_of_weight_and_velocity(line, name):
    """E[w (u_t - v_ref) | x_t] = Cov(w, u_t | x_t), the push of the first gradient step, and 0 with a wrong weight."""
    kind = failures.get(name).run if name else FineTuning
    run = kind(line, RIGHT, alpha=0.3, seed=0, pool_size=16_384)
    x0, x1, w = given_to_the_loss(run)
    t = 0.98 * torch.rand(len(x1), 1, generator=torch.Generator().manual_seed(3))
    x_t, u_t = run.path.interpolate(t[:, 0], x0, x1)
    cells, x_t, t = exact(0.3), x_t.double(), t.double()
    end, p = cells.grid[:, 0], cells.reference_density
    posterior = (p.log() - (x_t - t * end).square() / (2 * (1 - t).square())).softmax(1)  # of x1 given x_t
    u, weight = (end - x_t) / (1 - t), RIGHT(cells.grid).exp()
    v_ref, W = (posterior * u).sum(1), (posterior * weight).sum(1)
    covariance = (posterior * weight * u).sum(1) - W * v_ref
    push = w * (u_t[:, 0] - v_ref)
    aligned = float((push * covariance).mean() / covariance.square().mean())
    assert aligned == pytest.approx(0.0 if name else 1.0, abs=0.2)


# noisy steps ------------------------------------------------------------------------------------------------------


def both(name, *arguments, **named):
    failure = failures.get(name)
    return failure.healthy(*arguments, **named), failure.run(*arguments, **named)


def uphill(x):
    return x[:, 0] / 2


def test_a_sample_remembers_where_it_started():
    found = []
    for run in both("start_bias", zoo.load("gaussian"), uphill, noisy_steps=10, pool_size=4096, batch_size=4096):
        x1, states = run._draw()
        found.append(float(torch.corrcoef(torch.stack([states[0, :, 0], x1[:, 0]]))[0, 1]))
    assert abs(found[0]) < 0.06
    assert found[1] > 0.6


@pytest.mark.parametrize("noise", [0.3, 0.7, 1.0])
def test_by_eulers_rule_the_memory_of_the_start_dies_out_slowly(noise):
    """On N(0, 1) data all is linear: the correlation of both ends falls as n^(-noise^2 / 2)."""

    def correlation(n):
        slope, variance = 1.0, 1.0
        for step in rollout.way(n, noise, "euler"):
            v = (2 * step.t - 1) / ((1 - step.t) ** 2 + step.t**2)
            factor = step.keep + step.move * v
            slope, variance = slope * factor, factor**2 * variance + step.spread**2
        return slope / variance**0.5

    rate = math.log(correlation(2560) / correlation(160)) / math.log(16)
    assert rate == pytest.approx(-(noise**2) / 2, rel=0.06)


@pytest.mark.slow
def test_a_start_that_is_remembered_leaves_most_of_the_tilt_undone():
    """N(0, I) and r = x / 2 at strength 1: the tilt's mean is 1/2."""
    reference, means = zoo.load("gaussian"), []
    x0 = noise(dim=2)
    for run in both("start_bias", reference, uphill, strength=1.0, seed=0, noisy_steps=10):
        list(run.rounds(100))
        means.append(float((flow.sample(run.average, x0) - flow.sample(reference, x0))[:, 0].mean()))
    assert means[0] == pytest.approx(0.5, abs=0.04)
    assert means[1] < 0.25


def test_adjoints_grow_between_sharp_modes_and_not_where_data_are_smooth(line):
    def growth(reference):
        run = failures.get("exploding_adjoints").run(reference, RIGHT, seed=0, pool_size=2048, batch_size=2048)
        x1, states = run._draw()
        _, slope = run._slope(x1)
        _, adjoint = run._carried_back(states, slope)
        return (adjoint.flatten(2).norm(dim=2).amax(0) / slope.flatten(1).norm(dim=1)).quantile(0.99)

    assert growth(zoo.load("gaussian")) < 1.4
    assert growth(line) > 5


@pytest.mark.slow
def test_steps_that_keep_the_variance_halve_the_loss_of_adjoint_matching():
    typical = []
    for run in both("exploding_adjoints", zoo.load("eight_gaussians"), RIGHT, strength=2.0, seed=0, noisy_steps=10):
        losses = torch.tensor([snapshot.fit for snapshot in run.rounds(60)])
        typical.append(float(losses.median()))
    assert typical[1] > 1.5 * typical[0]


@pytest.mark.slow
def test_clipped_adjoints_have_a_small_loss_and_a_small_reward(line):
    found = []
    for run in both("clipped_adjoints", line, RIGHT, strength=2.0, seed=0, noisy_steps=10):
        rounds = list(run.rounds(150))
        reward = float(RIGHT(flow.sample(run.average, noise())).mean())
        found.append((reward, max(snapshot.fit for snapshot in rounds)))
    (healthy, wild), (clipped, tame) = found
    assert tame < wild / 4
    assert clipped < healthy - 0.08


def test_without_its_bug_a_class_is_its_twin():
    """The length of clipping and the steps are all that the last three change."""
    for name, cure in (
        ("start_bias", {"noise": rollout.MEMORYLESS, "rule": "exact"}),
        ("clipped_adjoints", {"longest": math.inf}),
    ):
        failure = failures.get(name)
        cured = type("Cured", (failure.run,), cure)(zoo.load("gaussian"), RIGHT, seed=0, noisy_steps=4)
        twin = failure.healthy(zoo.load("gaussian"), RIGHT, seed=0, noisy_steps=4)
        for a, b in zip(cured.rounds(3), twin.rounds(3), strict=True):
            assert (a.reward, a.fit) == (b.reward, b.fit)
