"""Checks of notebook 12, on silent bugs; its anonymous patients, and the readings that give them away."""

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab import flow, rewards, targets, velocity, weights, zoo
from orwlab.methods import failures, rollout
from orwlab.methods.failures import Failure
from orwlab.methods.orw import FineTuning
from orwlab.rewards import Reward
from orwlab.teach import checks

D = torch.float64
FAR = 64.0  # taken from every reward, which should not matter
PATIENTS = (
    *("resampled_pairs", "stale_rewards", "shuffled_weights", "inverted_temperature", "weights_that_vanish"),
    *("no_refresh", "dropout_in_one", "guided_rollout", "start_bias", "exploding_adjoints", "penalty_elsewhere"),
)
"""the patients of the notebook by number; here, so that the notebook does not give them away"""
BLIND = "a drawer that nobody opens"
WRONG_WEIGHTS = ("shuffled_weights", "resampled_pairs", "stale_rewards")
VERDICTS = (
    *("healthy", "wrong weights", "inverted_temperature", "weights_that_vanish", "no_refresh"),
    *("dropout_in_one", "guided_rollout", "penalty_elsewhere"),
)
"""what ``readings`` can tell apart: three failures put weights on the wrong samples, and look the same"""


def patient(number: int) -> Failure:
    """The failure that the notebook calls by this number, from 1."""
    return failures.get(PATIENTS[number - 1])


def blind() -> dict[str, str]:
    """Six anonymous runs, A to F: the verdict on each, in an order that a seed has chosen."""
    order = torch.randperm(len(VERDICTS), generator=torch.Generator().manual_seed(len(BLIND))).tolist()
    return dict(zip("ABCDEF", (VERDICTS[k] for k in order), strict=False))


def kind_of(verdict: str) -> Callable[..., Any]:
    """The class of a run with this verdict."""
    if verdict == "healthy":
        return FineTuning
    return failures.get(WRONG_WEIGHTS[0] if verdict == "wrong weights" else verdict).run


def at_the_loss(run: FineTuning) -> tuple[Tensor, Tensor]:
    """The samples and weights of a draw as a gradient step has them, (n, *event) and (n,); one draw goes before it."""
    _weighed(run)
    x1, log_w = _weighed(run)
    pairs = run._pair(run._noise(len(x1)), x1, (log_w - log_w.max()).exp())
    return pairs.x1, pairs.w


def _weighed(run: FineTuning) -> tuple[Tensor, Tensor]:
    """A draw of a run that is told nothing, and the logarithms of its weights."""
    x1 = run._draw()
    assert isinstance(x1, Tensor)
    return x1, run._weighed(x1, None)[1]


def readings(
    kind: Callable[..., Any], name: str, reward: Reward, *, seed: int = 0, rounds: int = 80
) -> tuple[dict[str, float], Tensor, list[float]]:
    """A check-up of a training loop: its readings, samples of the tuned policy (n, d), and rewards by round.

    ``kind`` is a class, ``FineTuning`` or one with a bug, and ``name`` that of a flow of the zoo, to be tuned. All runs
    have tau 2 and alpha 0.3, raw weights.

    - ``correlation``: of log weight and reward, as the loss has them in the second draw. 1.
    - ``tau_used``: the slope of log weight over reward, over tau. 1.
    - ``penalty_at_start``: E |v - v_ref|^2 before the first step. 0.
    - ``far_over_near``: how far ten rounds move the parameters at alpha 0 if 64 is taken from every reward, over how
      far they do if not. 1.
    - ``draw_width``: the spread of the first draw around the nearest mode, over that of the reference's samples. 1.
    - ``draw_gap``: mean reward of one more, large draw, less that of fresh samples of the tuned policy. 0.
    - ``penalty_ratio``: the penalty of that round, over E |v - v_ref|^2 at the policy's own x_t. 1.
    """
    reference, centres = zoo.load(name), zoo.target(name).means
    start = kind(reference, reward, tau=2.0, alpha=0.3, seed=seed, pool_size=1024)
    first, _ = _weighed(start)
    x1, w = at_the_loss(start)
    log_w, r = w.clamp_min(1e-38).log(), rewards.evaluate(reward, x1)
    centred = r - r.mean()
    found = {
        "correlation": float(torch.corrcoef(torch.stack([log_w, r]))[0, 1]),
        "tau_used": float((log_w * centred).sum() / centred.square().sum()) / 2.0,
    }
    run = kind(reference, reward, tau=2.0, alpha=0.3, seed=seed)
    snapshots = list(run.rounds(rounds))
    found["penalty_at_start"] = snapshots[0].penalty
    near, far = (
        _moved(kind(reference, shifted, tau=1.0, alpha=0.0, seed=seed)) for shifted in (reward, _Lower(reward, FAR))
    )
    found["far_over_near"] = far / near
    x0 = flow.noise(2000, run.event_shape, generator=torch.Generator().manual_seed(7))
    found["draw_width"] = _width(first, centres) / _width(flow.push(reference, x0, run.sampler), centres)
    tuned = copy.deepcopy(run.average).requires_grad_(True)
    (once,) = kind(
        reference, reward, tau=2.0, alpha=0.3, seed=seed, policy=tuned, batch_size=2048, event_shape=run.event_shape
    ).rounds(1)
    x = flow.push(run.average, x0, run.sampler)
    found["draw_gap"] = once.reward - float(rewards.evaluate(reward, x).mean())
    found["penalty_ratio"] = once.penalty / _penalty(run, torch.Generator().manual_seed(8))
    return found, x, [snapshot.reward for snapshot in snapshots]


class _Lower:
    """A reward less a constant."""

    def __init__(self, reward: Reward, by: float) -> None:
        self.reward, self.by = reward, by

    def __call__(self, x: Tensor) -> Tensor:
        return self.reward(x) - self.by


def _moved(run: FineTuning, rounds: int = 10) -> float:
    def parameters() -> Tensor:
        return torch.cat([p.detach().flatten() for p in run.policy.parameters()])

    start = parameters().clone()
    list(run.rounds(rounds))
    return float((parameters() - start).norm())


def _width(x: Tensor, centres: Tensor) -> float:
    """The root mean squared distance to the nearest centre."""
    return float(torch.cdist(x, centres.to(x)).amin(1).square().mean().sqrt())


def _penalty(run: FineTuning, generator: torch.Generator, n: int = 8192) -> float:
    """E |v - v_ref|^2 at the x_t of the averaged policy's own samples."""
    draws = [flow.noise(n, run.event_shape, generator=generator) for _ in range(2)]
    t = torch.rand(n, generator=generator)
    x_t, _ = run.path.interpolate(t, draws[0], flow.push(run.average, draws[1], run.sampler))
    with torch.no_grad():
        return float((run.average(t, x_t) - run.reference(t, x_t)).square().sum(1).mean())


# The exercises ----------------------------------------------------------------------------------------------------

Weigh = Callable[[Tensor], Tensor]


def _pipelines() -> list[tuple[str, bool, Weigh, Reward, str]]:
    """Ways to weigh samples: what each does, whether weights belong to samples, the function, its reward, a hint."""
    right = rewards.get("right")
    generator = torch.Generator().manual_seed(4)

    def weighed(tau: float, kind: str = "exp", reward: Reward = right) -> Weigh:
        return lambda x1: weights.log_weights(rewards.evaluate(reward, x1), tau, kind)

    def shuffled(x1: Tensor) -> Tensor:
        return weighed(1.0)(x1)[torch.randperm(len(x1), generator=generator)]

    def shifted(x1: Tensor) -> Tensor:
        return weighed(1.0)(x1).roll(1)

    kept: list[Tensor] = []

    def stale(x1: Tensor) -> Tensor:
        kept.append(weighed(1.0)(x1))
        return kept[-2] if kept[1:] else kept[-1]

    scale = "Whatever the scale of tau and r and whatever constant is added, weights are in order: use a correlation."
    order = "Correlate log w with r: in health it is 1, with weights on other samples about 0."
    again = "Some bugs show in the second draw only. Ask twice, with other samples or with the same in another order."
    return [
        ("tau 1", True, weighed(1.0), right, scale),
        ("mean one, tau 4", True, weighed(4.0, "mean_one"), right, scale),
        (
            "rewards around 300, tau 0.01",
            True,
            weighed(0.01, "exp", _Lower(right, -300.0)),
            _Lower(right, -300.0),
            scale,
        ),
        ("shuffled", False, shuffled, right, order),
        ("moved by one place", False, shifted, right, order),
        ("of the draw before", False, stale, right, again),
    ]


@checks.exercise
def weights_belong(answer: Callable[[Weigh, Reward, Tensor], Any]) -> None:
    """12.1: ``answer(weigh, reward, x1)`` -> whether ``weigh`` gives each sample of x1 (n, d) its own weight.

    ``weigh(x1)`` gives logarithms of weights (n,), tau times the reward plus any constant; it may remember its calls.
    """
    for what, fine, weigh, reward, hint in _pipelines():
        x1 = torch.randn(512, 2, generator=torch.Generator().manual_seed(2))
        said = answer(weigh, reward, x1)
        checks.holds(f"weights {what}: {'passes' if fine else 'is caught'}", bool(said) == fine, hint=hint)


@checks.exercise
def mended(answer: Callable[[Tensor, float], Any]) -> None:
    """12.2: ``answer(r, tau)`` -> mean-one weights of rewards r (n,), and the logarithm of the mean of e^{tau r}."""
    base = torch.linspace(-1.0, 1.0, 64)
    exact = (2.0 * base.double()).exp()
    for what, added in (("rewards around 0", 0.0), ("around 200", 200.0), ("around -200", -200.0)):
        w, log_mean = checks.pair(what, answer(base + added, 2.0), "weights and log of their mean")
        w = checks.shaped(f"{what}: weights", w, (64,))
        checks.holds(f"{what}: all finite", torch.isfinite(w).all(), hint="Subtract the largest tau r before exp.")
        checks.close(
            f"{what}: largest error of a weight",
            (w.double() - exact / exact.mean()).abs().max(),
            0.0,
            1e-3,
            hint="exp(tau r - max) keeps the ratios; divide by the mean, not by the sum.",
        )
        checks.close(
            f"{what}: log of the mean",
            log_mean,
            math.log(float(exact.mean())) + 2.0 * added,
            1e-3,
            hint="logsumexp(tau r) - log n. What was subtracted has to come back.",
        )
    lone = torch.zeros(64)
    lone[7] = 500.0
    w, log_mean = checks.pair("one far above", answer(lone, 1.0), "weights and log of their mean")
    checks.close(
        "one reward far above the others: its weight", w[7], 64.0, 1e-3, hint="Subtract the largest, not the mean."
    )
    checks.close("the same: log of the mean", log_mean, 500.0 - math.log(64), 1e-3, hint="logsumexp(tau r) - log n.")


@checks.exercise
def memory(answer: Callable[[list[rollout.Step], float], Any]) -> None:
    """12.3: ``answer(way, s)`` -> the correlation of x_0 and x_1, and the variance of x_1, for data N(0, s^2)."""
    linear = (
        "Write x_k = A_k x_0 + noise of variance B_k. A step multiplies A by keep + move m_t, and B by its square; "
        "then it adds spread^2 to B."
    )
    for n, noise, rule, s in (
        (10, 0.3, "euler", 1.0),
        (40, 0.7, "euler", 0.5),
        (10, 0.3, "exact", 1.0),
        (25, 1.0, "euler", 2.0),
    ):
        way = rollout.way(n, noise, rule)
        correlation, variance = checks.pair("answer", answer(way, s), "the correlation and the variance")
        known = _simulated(way, s)
        what = f"{n} steps, noise {noise:g}, {rule}, s {s:g}"
        checks.close(f"{what}: correlation", correlation, known[0], 0.02, hint=linear)
        checks.close(f"{what}: variance over s^2", variance / s**2, known[1] / s**2, 0.03, hint=linear)


@functools.cache
def _states(n: int) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(5), dtype=D)


def _simulated(way: list[rollout.Step], s: float, n: int = 60_000) -> tuple[float, float]:
    """The same by samples, step for step."""
    generator = torch.Generator().manual_seed(6)
    start = x = _states(n)
    for step in way:
        t = step.t
        v = (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * x
        x = step.keep * x + step.move * v + step.spread * torch.randn(n, generator=generator, dtype=D)
    return float(torch.corrcoef(torch.stack([start, x]))[0, 1]), float(x.var())


@functools.cache
def _cases() -> tuple[tuple[str, str, dict[str, float]], ...]:
    """Runs that the notebook does not show: (verdict, where, readings)."""
    right, found = rewards.get("right"), []
    few = ("healthy", "no_refresh", "penalty_elsewhere")
    for name, seed, among in (("two_modes_1d", 1, VERDICTS), ("four_modes", 2, few)):
        for verdict in among:
            found.append((verdict, f"{name}, seed {seed}", readings(kind_of(verdict), name, right, seed=seed)[0]))
    for hidden in WRONG_WEIGHTS[2:]:
        numbers, _, _ = readings(failures.get(hidden).run, "two_modes_1d", right, seed=1)
        found.append(("wrong weights", "two_modes_1d, another cause", numbers))
    return tuple(found)


@checks.exercise
def examine(answer: Callable[[dict[str, float]], str]) -> None:
    """12.4: ``answer(readings)`` -> one of ``VERDICTS``."""
    checks.diagnosed(answer, _cases(), "Which is the first that is not as in health?")


@checks.exercise
def batch_loss(answer: Callable[..., Tensor]) -> None:
    """12.5: ``answer(policy, reference, x1, w, alpha, batch, x0, t)`` -> the loss of ORW-CFM-W2 on a batch of a draw.

    x1 (m, d) and w (m,) are the draw and its weights, ``batch`` (n,) says which of them count; x0 (n, d), t (n,).
    """
    mixture = targets.get("two_modes_1d")
    generator = torch.Generator().manual_seed(0)
    x1 = mixture.sample(64, generator=generator)
    x0, t = torch.randn(16, 1, generator=generator), torch.rand(16, generator=generator)
    batch = torch.randperm(64, generator=generator)[:16]
    w, field = (0.8 * x1[:, 0]).exp(), velocity.MixtureField(mixture)
    x_t = (1 - t[:, None]) * x0 + t[:, None] * x1[batch]
    u_t = x1[batch] - x0

    def still(t: Tensor, x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    def loss(policy: Any, reference: Any, w: Tensor, alpha: float, batch: Tensor = batch) -> Any:
        return answer(policy, reference, x1.clone(), w.clone(), alpha, batch.clone(), x0.clone(), t.clone())

    def fit(v: Any, w: Tensor) -> Tensor:
        return (w[batch] * (v(t, x_t) - u_t).square().sum(1)).mean()

    own = "Which weights belong to x1[batch]?"
    checks.close("fit alone, equal weights", loss(field, still, torch.ones(64), 0.0), fit(field, torch.ones(64)), 1e-4)
    checks.close("fit alone, weights of the draw", loss(field, still, w, 0.0), fit(field, w), 1e-4, hint=own)
    where = "Both fields of the penalty are asked at the same t and x_t as the fit: v_ref(t, x_t)."
    checks.close(
        "policy and reference the same: the penalty",
        loss(field, field, w, 5.0) - loss(field, field, w, 0.0),
        0.0,
        1e-4,
        hint=where,
    )
    penalty = (field(t, x_t) - 0).square().sum(1).mean()
    scale = "The penalty is alpha times the mean of |v - v_ref|^2, and no weight is in it."
    checks.close(
        "a reference that stands still: alpha times the penalty",
        loss(field, still, w, 2.0),
        fit(field, w) + 2 * penalty,
        1e-3,
        hint=scale,
    )
    policy = velocity.MLP(1, 8, 1, frequencies=1)
    value = loss(policy, field, w, 1.0)
    checks.holds(
        "a gradient comes back to the policy",
        isinstance(value, Tensor) and value.requires_grad,
        hint="No detach, no no_grad for the policy.",
    )
    exact = torch.autograd.grad(
        fit(policy, w) + (policy(t, x_t) - field(t, x_t)).square().sum(1).mean(), list(policy.parameters())
    )
    found = torch.autograd.grad(value, list(policy.parameters()))
    gap = max(float((a - b).abs().max()) for a, b in zip(found, exact, strict=True))
    checks.close("largest error of that gradient", gap, 0.0, 1e-3, hint=f"{own} {where}")
