"""A loop that learns from its own samples: with a control variate it means the same, and does not run away."""

import pytest
import torch
from torch import nn

from orwlab import flow, losses, metrics, oracle, rewards, targets, velocity, zoo
from orwlab.data import captions
from orwlab.finetune import FineTuning
from orwlab.methods.prompted import PromptedFineTuning
from orwlab.tasks.words import PROMPTS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


# the loss -----------------------------------------------------------------------------------------------------------


def test_what_it_adds_is_linear_in_the_velocity():
    """steadied - fit = 2 m v.(u - v_old) + m (|v_old|^2 - |u|^2), sample by sample."""
    v, u, old = (numbers(50, 2, 3, seed=seed) for seed in range(3))
    w, m = numbers(50, seed=3).exp(), numbers(50, seed=4).exp()
    added = losses.steadied_fit(v, u, old, w, m) - losses.fit(v, u, w)
    by_hand = m * (2 * (v * (u - old)).sum((1, 2)) + old.square().sum((1, 2)) - u.square().sum((1, 2)))
    assert float(added) == pytest.approx(float(by_hand.mean()), rel=1e-12)


def test_the_gradient_has_the_same_mean_and_less_noise():
    """On N(0, I), whose marginal velocity is known, weighed by exp(tau a.x1) / mean, at v = v_old and time t.

    The tilt moves the mean of x1 by tau a: E[w u_t] = tau a, and E[w v_old] = t (2t - 1) / c tau a, c = (1-t)^2 + t^2.
    """
    n, tau, a = 400_000, 0.4, torch.tensor([1.0, 0.0], dtype=torch.float64)
    field = velocity.MixtureField(targets.get("gaussian")).double()
    x0, x1 = numbers(n, 2, seed=5), numbers(n, 2, seed=6)
    t = torch.full((n,), 0.6, dtype=torch.float64)
    x_t, u_t = (1 - t)[:, None] * x0 + t[:, None] * x1, x1 - x0
    w = (tau * x1 @ a - tau**2 / 2).exp()
    old = field(t, x_t).detach()
    plain, steadied = w[:, None] * (old - u_t), (w - 1)[:, None] * (old - u_t)
    v = old.clone().requires_grad_()
    losses.steadied_fit(v, u_t, old, w, 1.0).backward()
    assert torch.allclose(v.grad * n / 2, steadied, atol=1e-9)
    for gradient in (plain, steadied):
        error = gradient.std(0) / n**0.5
        assert ((gradient.mean(0) + 0.4 / 0.52 * tau * a).abs() < 4 * error).all()  # (1 - t) / c
    assert (steadied.var(0) < 0.5 * plain.var(0)).all()


def test_what_the_policy_is_off_by_is_carried_over():
    """argmin = v* + h / (W + alpha) (v_old - v^q), at one place; by the vertex of a parabola through three points."""
    u, w, h, alpha = numbers(300, 1, seed=7), numbers(300, seed=8).exp(), 0.8, 0.3
    v_ref, v_old = torch.full_like(u, -0.5), torch.full_like(u, float(u.mean()) + 0.7)

    def loss(v):
        v = torch.full_like(u, v)
        return float(losses.steadied_fit(v, u, v_old, w, h) + alpha * losses.penalty(v, v_ref))

    low, mid, high = loss(-1.0), loss(0.0), loss(1.0)
    best = float(((w * u[:, 0]).mean() - alpha * 0.5) / (w.mean() + alpha))
    assert (low - high) / (low + high - 2 * mid) / 2 == pytest.approx(best + h / float(w.mean() + alpha) * 0.7, 1e-9)


# the loop -----------------------------------------------------------------------------------------------------------


class Told(nn.Module):
    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.net = velocity.MLP(4, 16, 1, seed=1)

    def forward(self, t, x, c):
        return self.net(t, torch.cat([x, c.to(x).expand(len(x), -1)], 1))[:, :2]


def told(x, c):
    return x[:, 0] + c[:, 0]


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("kind", ["plain", "prompted"])
def test_where_all_weights_are_the_same_nothing_moves(kind, rank):
    def run(**more):
        more = {"tau": 0.0, "alpha": 0.5, "steps_per_round": 3, "batch_size": 16, "rank": rank} | more
        if kind == "plain":
            return FineTuning(velocity.MLP(2, 16, 1), rewards.get("right"), pool_size=24, **more)
        return PromptedFineTuning(Told(), told, torch.eye(2), samples_a_prompt=12, **more)

    still, moved = run(control_variate=1.0), run()
    for each in (still, moved):
        last = list(each.rounds(4))[-1]
        assert last.fit > 0
    assert equal(still.policy, run().policy)
    assert not equal(moved.policy, run().policy)


def test_alone_the_loop_runs_away_from_its_own_samples():
    """No reward at all: what the network gets wrong is in the next draw. Exact distances of samples to the target."""
    reference, target = zoo.load("eight_gaussians"), targets.get("eight_gaussians")
    data = target.sample(3000, generator=seeded(7))
    x0 = flow.noise(3000, (2,), generator=seeded(8))
    far = {}
    for steadied in (False, True):
        run = FineTuning(
            reference, rewards.get("right"), tau=0.0, alpha=0.0, lr=1e-3, batch_size=64, control_variate=float(steadied)
        )
        list(run.rounds(300))
        far[steadied] = metrics.energy_distance(flow.sample(run.policy, x0), data)
    assert far[True] == metrics.energy_distance(flow.sample(reference, x0), data)
    assert far[False] > far[True] + 0.02


def test_it_still_moves_a_gaussian_by_tau_a_each_refresh():
    """Theorem 2 as without it: q_N is N(N tau a, I)."""
    tau = 0.4
    run = FineTuning(
        zoo.load("gaussian"), lambda x: x[:, 0], tau=tau, alpha=0.0, weighting="mean_one", steps_per_round=250,
        pool_size=8192, lr=2e-3, seed=1, control_variate=1.0,
    )  # fmt: skip
    x0 = flow.noise(8000, (2,), generator=seeded(99))
    means = []
    for _ in range(3):
        list(run.rounds(1))
        x = flow.sample(run.average, x0)
        means.append(float(x[:, 0].mean()))
        assert abs(x[:, 1].mean()) < 0.1
    assert means == pytest.approx([tau, 2 * tau, 3 * tau], abs=0.12)
    assert float(x[:, 0].std()) == pytest.approx(1, abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_is_sooner_at_the_exact_limit(seed):
    """Two moons, the ring as reward, alpha 0.3: 100 rounds, of a run that needs 400 without."""
    reward, reference = rewards.get("ring"), zoo.load("two_moons")
    exact = oracle.PopulationDynamics(targets.get("two_moons"), reward, alpha=0.3)
    exact.fixed_point(1e-3)
    x0 = flow.noise(3000, (2,), generator=seeded(5))
    below = {}
    for c in (0.0, 0.9):
        run = FineTuning(reference, reward, alpha=0.3, seed=seed, control_variate=c)
        list(run.rounds(100))
        below[c] = exact.mean_reward - float(reward(flow.sample(run.average, x0)).mean())
    assert below[0.0] > 0.03, below
    assert abs(below[0.9]) < 0.5 * below[0.0], below


@pytest.mark.slow
def test_a_small_flow_of_pictures_forgets_without_it_and_learns_with_it():
    """Sentences that it gets wrong, a tiny CLIP as the reward: five rounds, the same noise before and after."""
    v, clip, told = zoo.load("captions"), zoo.load("captions_clip"), captions.tokens(PROMPTS)
    x0, of_each = flow.noise(128, v.event_shape, generator=seeded(77)), told.repeat_interleave(16, 0)

    @torch.no_grad()
    def score(v):
        x = flow.push(velocity.Conditioned(v, of_each), x0, zoo.load("captions").solver)
        return float(clip.score(x, of_each).mean())

    start, gained = score(v), {}
    for c in (0.0, 1.0):
        run = PromptedFineTuning(
            v, clip.score, told, tau=20.0, alpha=0.3, samples_a_prompt=32, batch_size=64, steps_per_round=12, lr=2e-4,
            control_variate=c,
        )  # fmt: skip
        list(run.rounds(5))
        gained[c] = score(run.policy) - start
    assert gained[0.0] < -0.01, gained
    assert gained[1.0] > 0.015, gained


def test_each_prompt_has_its_own_mean():
    """A prompt of which nothing passes the threshold adds nothing, though others do."""
    reward = lambda x, c: c[:, 0] + 0 * x[:, 0]  # noqa: E731
    run = PromptedFineTuning(
        Told(), reward, torch.eye(2), weighting="above", threshold=0.5, alpha=0.0, samples_a_prompt=4,
        control_variate=1.0,
    )  # fmt: skip
    w = torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0])
    assert torch.equal(run._mean(w), w)
    list(run.rounds(3))
    assert equal(run.policy, Told())  # here the others all pass, and weigh the same


@pytest.mark.parametrize("rank", [None, 2])
def test_a_run_goes_on_from_its_file(tmp_path, rank):
    reference = velocity.MLP(2, 16, 1)
    run = FineTuning(
        reference, rewards.get("right"), weighting="mean_one", steps_per_round=3, control_variate=1.0, rank=rank
    )
    list(run.rounds(3))
    run.save(tmp_path / "run.safetensors")
    again = FineTuning.load(tmp_path / "run.safetensors", reward=rewards.get("right"), reference=reference)
    assert again.control_variate == 1
    for one, other in zip(run.rounds(3), again.rounds(3), strict=True):
        assert (one.reward, one.penalty, one.fit) == (other.reward, other.penalty, other.fit)
    assert equal(run.policy, again.policy)


def test_where_it_would_mean_something_else_it_is_refused():
    reference = velocity.MLP(2, 16, 1)
    for more, message in [
        ({"control_variate": "yes"}, "control_variate is 'yes'"),
        ({"control_variate": 1.5}, "control_variate is 1.5"),
        ({"control_variate": -0.1}, "control_variate is -0.1"),
        ({"control_variate": 0.5, "coupling": "ot"}, "control_variate is .*coupling 'ot'"),
        ({"control_variate": 0.5, "data": torch.zeros(40, 2)}, "control_variate is .*data"),
    ]:
        with pytest.raises(ValueError, match=message):
            FineTuning(reference, rewards.get("right"), **more)
    run = FineTuning(reference, rewards.get("right"), coupling="ot")
    with pytest.raises(ValueError, match=r"control_variate is .*coupling 'ot'"):
        run.control_variate = 0.9
    assert run.control_variate == 0


def test_it_may_be_switched_between_rounds():
    run = FineTuning(velocity.MLP(2, 16, 1), rewards.get("right"), tau=0.0, alpha=0.0, control_variate=1.0)
    list(run.rounds(2))
    assert equal(run.policy, velocity.MLP(2, 16, 1))
    run.control_variate = 0.0
    list(run.rounds(1))
    assert not equal(run.policy, velocity.MLP(2, 16, 1))
