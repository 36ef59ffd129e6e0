"""Checks of notebook 11, the arena: best of K, a mended loss, foresight, the lean adjoint, and who is better."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab import rewards, targets
from orwlab.exact import laws
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.methods import rollout
from orwlab.teach import checks

D = torch.float64
VERDICTS = ("first", "second", "no difference", "no comparison")
"""of 11.5"""


@checks.exercise
def best_of(answer: Callable[[Tensor, Tensor, int], Any]) -> None:
    """11.1: ``answer(mass, r, k)`` -> the masses of the best of k draws, (m,).

    ``mass`` (m,) are the probabilities of m places, ``r`` (m,) their rewards, in any order; places of equal reward
    share what the best of k gives that reward in proportion to their mass.
    """
    power = "That the best has at most this reward: all k have, F^k. So a reward gets F^k less the F^k just below it."
    order = "F adds up the masses of all places whose reward is not larger, wherever they stand: sort, or compare."
    tie = "Places of equal reward share: what the best of k gives that reward, times their part of its mass."
    half = torch.tensor([0.5, 0.5], dtype=D)
    found = _masses("two places, best of 3", answer(half.clone(), torch.tensor([0.0, 1.0], dtype=D), 3), 2, power)
    checks.close("two places alike, best of 3: mass of the better, 1 - (1/2)^3", found[1], 0.875, 1e-6, hint=power)
    mass, r = torch.tensor([0.2, 0.5, 0.3], dtype=D), torch.tensor([2.0, 0.0, 1.0], dtype=D)
    found = _masses("three places", answer(mass.clone(), r.clone(), 2), 3, order)
    exact = torch.tensor([0.36, 0.25, 0.39], dtype=D)
    checks.same("three places, not in order, best of 2", found, exact, 1e-6, hint=order)
    mass, r = torch.tensor([0.3, 0.4, 0.3], dtype=D), torch.tensor([1.0, 0.0, 1.0], dtype=D)
    found = _masses("two equal rewards", answer(mass.clone(), r.clone(), 2), 3, tie)
    exact = torch.tensor([0.42, 0.16, 0.42], dtype=D)
    checks.same("two places of equal reward, best of 2", found, exact, 1e-6, hint=tie)
    arena = PopulationDynamics(targets.get("two_modes_1d"), rewards.get("bump"))
    p = arena.reference_density / arena.reference_density.sum()
    law = laws.best_of(arena.cells, p, arena.reward_values, 4)
    exact = law.density / law.density.sum()
    found = _masses("two modes, bump", answer(p.clone(), arena.reward_values.clone(), 4), len(p), order)
    checks.same("two modes, bump, best of 4", found, exact, 1e-6, hint=power)
    found = _masses("one of 1", answer(p.clone(), arena.reward_values.clone(), 1), len(p), power)
    checks.same("the best of 1 is any", found, p, 1e-6, hint=power)


def _masses(what: str, found: Any, n: int, hint: str) -> Tensor:
    return checks.shaped(f"{what}: masses", found, (n,), hint=hint)


@checks.exercise
def awm_loss(answer: Callable[[Tensor, Tensor, Tensor, Tensor, float], Any]) -> None:
    """11.2: ``answer(v, v_ref, u, r, beta)``, mended -> AWM's loss with the anchor 1, one number.

    ``v``, ``v_ref``, ``u`` (n, d) are velocities, ``r`` (n,) the rewards of the end points, ``beta`` the pull.
    """
    generator = torch.Generator().manual_seed(0)
    v, v_ref, u = torch.randn(3, 64, 2, generator=generator, dtype=D)
    r = torch.randn(64, generator=generator, dtype=D)
    mean = "The advantage is the reward less its mean over the batch: then a constant more pays for nothing."
    checks.close(
        "a constant of 5 added to every reward changes the loss by",
        float(answer(v, v_ref, u, r + 5, 0.5)) - float(answer(v, v_ref, u, r, 0.5)),
        0.0,
        1e-6,
        hint=mean,
    )
    fit, pull = (v - u).square().sum(1), (v - v_ref).square().sum(1)
    alike = torch.full((64,), 3.0, dtype=D)
    checks.close(
        "all rewards alike, no pull: plain flow matching is left",
        answer(v, v_ref, u, alike, 0.0),
        fit.mean(),
        1e-6,
        hint="The anchor: plain flow matching on the same pairs, with the factor 1, whatever the rewards are. "
        "Squares are summed over the coordinates and averaged over the batch.",
    )
    checks.close(
        "v = u: the pull alone is left, beta times the mean square",
        answer(u, v_ref, u, r, 0.5),
        0.5 * (u - v_ref).square().sum(1).mean(),
        1e-6,
        hint="The pull is the same for good and for bad samples.",
    )
    exact = ((r - r.mean() + 1) * fit).mean() + 0.25 * pull.mean()
    checks.close("a random batch, beta 0.25", answer(v, v_ref, u, r, 0.25), exact, 1e-6, hint=mean)


@checks.exercise
def foresight(answer: Callable[[Tensor, Tensor, float], Any]) -> None:
    """11.3: ``answer(r, kl, beta)`` -> what each step is credited with, (k, n).

    ``r`` (n,) are the rewards of n paths of k steps, ``kl`` (k, n) the KL of every step. The credit of a step is the
    path's reward less ``beta`` times the KL of the steps after it, less the mean of this over the paths.
    """
    after = "Only the steps *after* it: its own KL stands in the loss already, and earlier ones it cannot change."
    mean = "Subtract the mean over the n paths, for each step on its own."
    r = torch.tensor([1.0, 3.0], dtype=D)
    kl = torch.tensor([[8.0, 9.0], [1.0, 2.0], [0.0, 4.0]], dtype=D)
    found = checks.shaped("three steps, two paths", answer(r.clone(), kl.clone(), 0.5), (3, 2), hint=after)
    checks.close("last step: credit of the second path", found[2, 1], 1.0, 1e-6, hint=f"{after} {mean}")
    checks.close("step before: credit of the second path", found[1, 1], 0.0, 1e-6, hint=after)
    checks.close("first step: credit of the second path", found[0, 1], -0.25, 1e-6, hint=after)
    checks.close("mean credit over the paths", found.mean(1).abs().max(), 0.0, 1e-6, hint=mean)
    beta, b, n = 0.5, -0.3, 100_000
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(21, n, generator=generator, dtype=D)
    exact = _slope(b, beta)
    x, states, way = noise[0], [], rollout.way(20, rollout.MEMORYLESS)
    for step, z in zip(way, noise[1:], strict=True):
        states.append(x)
        x = (step.keep + step.move * (_pull(step.t) + b)) * x + step.spread * z
    at, push = torch.stack(states), torch.tensor([step.move / step.spread for step in way], dtype=D)[:, None]
    costs = (push * b * at).square() / 2
    credit = checks.shaped("20 steps", answer(-x.square() / 2, costs, beta), (20, n), hint=after)
    found = (credit * push * at * noise[1:] - beta * push.square() * b * at.square()).sum(0).mean()
    checks.close("slope of E r - beta KL in the text's example", found, exact, 0.015, hint=after)


def _pull(t: float) -> float:
    """``v_ref(t, x) / x`` for data N(0, 1)."""
    return (2 * t - 1) / ((1 - t) ** 2 + t**2)


def _slope(b: float, beta: float) -> float:
    """``d/db (E r - beta KL)`` of ``v_ref + b x`` for data N(0, 1), r = -x^2 / 2 and twenty memoryless steps."""
    rate = torch.tensor(b, dtype=D, requires_grad=True)
    variance, spent = torch.ones((), dtype=D), torch.zeros((), dtype=D)
    for step in rollout.way(20, rollout.MEMORYLESS):
        spent = spent + (step.move / step.spread * rate) ** 2 / 2 * variance
        variance = (step.keep + step.move * (_pull(step.t) + rate)) ** 2 * variance + step.spread**2
    (slope,) = torch.autograd.grad(-variance / 2 - beta * spent, rate)
    return float(slope)


@checks.exercise
def leaning(answer: Callable[[float, float, float, float], Any]) -> None:
    """11.4: ``answer(t, c, beta, s)`` -> ``v* - v_ref`` at time t in [0, 1], one number.

    Data N(m, s^2) on a line, the reward r = c x; ``v* = v_ref - (sigma^2 / 2) a`` with Adjoint Matching's lean adjoint
    a, which ends at ``-c / beta``, and ``sigma^2 / 2 = (1 - t) / t``.
    """
    ode = "da/dt = -(2 k - 1/t) a, with k = (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) the slope of v_ref. Try t / c_t."
    for c, beta, s in ((1.0, 1.0, 0.5), (-0.4, 0.5, 2.0), (2.0, 3.0, 1.0)):
        what = f"c = {c:g}, beta = {beta:g}, s = {s:g}"
        a, steps = -c / beta, 20_000
        seen = {}
        for k in range(steps, steps // 10, -1):  # back from 1 to 0.1, by the midpoint rule
            h, t = 1 / steps, k / steps
            half = a + h / 2 * _rate(t, s) * a
            a = a + h * _rate(t - h / 2, s) * half
            seen[k - 1] = a
        for t in (0.25, 0.75):
            exact = -(1 - t) / t * seen[round(t * steps)]
            checks.close(f"{what}: at t = {t:g}", answer(t, c, beta, s), exact, 1e-4 * max(1, abs(exact)), hint=ode)
        checks.close(f"{what}: at t = 1", answer(1.0, c, beta, s), 0.0, 1e-6, hint="No noise is left to lean on.")
        ends = "Divide t out before you put t = 0 in: a falls to 0 as t does, and sigma^2 grows as 1 / t."
        checks.close(f"{what}: at t = 0", answer(0.0, c, beta, s), s**2 * c / beta, 1e-6, hint=ends)
        times = [(k + 0.5) / 2000 for k in range(2000)]
        moved = sum(float(answer(t, c, beta, s)) * s / math.sqrt((1 - t) ** 2 + t**2 * s**2) for t in times) / 2000
        tilt = "The tilt of N(m, s^2) by e^(c x / beta) is N(m + s^2 c / beta, s^2)."
        checks.close(f"{what}: where the flow ends, beyond m", moved, s**2 * c / beta, 1e-3, hint=tilt)


def _rate(t: float, s: float) -> float:
    """``-da/dt / a`` of the lean adjoint, for data of standard deviation s."""
    return 2 * (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) - 1 / t


@checks.exercise
def referee(answer: Callable[[Sequence[float], Sequence[float], Sequence[float]], Any]) -> None:
    """11.5: ``answer(rewards, errors, prices)`` -> "first", "second", "no difference" or "no comparison".

    Of two methods: mean rewards, their standard errors, and what was paid for them (KL, W2 squared or evaluations).
    Rewards differ if they are more than two standard errors of their difference apart, prices if they are more than 5 %
    of the larger one apart. Better is who has more reward at an equal price, or a lower price without less reward.
    """
    noise = "The difference of two independent means has the standard error sqrt(a^2 + b^2); twice that is the limit."
    price = "More reward for more money decides nothing: nobody knows what the other would do with as much."
    cheap = "Who pays less and does not have less is better, also where both rewards are alike."
    equal = "Within 5 % of the larger price both have paid the same: then the rewards decide."
    cases = (
        ("equal price, clearly more reward", (0.50, 0.42), (0.01, 0.01), (1.00, 1.02), "first", equal),
        ("equal price, less reward", (0.42, 0.50), (0.01, 0.01), (1.00, 1.02), "second", equal),
        ("equal price, rewards within their errors", (0.50, 0.48), (0.01, 0.01), (1.00, 1.02), "no difference", noise),
        ("equal price, rewards a little further apart", (0.500, 0.465), (0.01, 0.01), (1.00, 1.02), "first", noise),
        ("rewards as close, with smaller errors", (0.50, 0.48), (0.001, 0.001), (1.00, 1.02), "first", noise),
        ("more reward at a higher price", (0.50, 0.42), (0.01, 0.01), (2.00, 1.00), "no comparison", price),
        ("more reward at a lower price", (0.50, 0.42), (0.01, 0.01), (1.00, 2.00), "first", cheap),
        ("as much reward at a lower price", (0.50, 0.50), (0.01, 0.01), (2.00, 1.00), "second", cheap),
        ("less reward at a lower price", (0.42, 0.50), (0.01, 0.01), (1.00, 2.00), "no comparison", price),
        ("one noisy run beside a sure one", (0.50, 0.42), (0.05, 0.001), (1.00, 1.00), "no difference", noise),
        ("millions: equal ones", (0.30, 0.40), (0.01, 0.01), (1.2e6, 1.23e6), "second", equal),
    )
    for what, rewards_, errors, prices, verdict, hint in cases:
        found = answer(rewards_, errors, prices)
        checks.holds(f"{what}: one of the four verdicts", isinstance(found, str) and found in VERDICTS, hint=_FOUR)
        checks.holds(f"{what}: {verdict}", found == verdict, hint=hint)


_FOUR = f"Return one of {', '.join(map(repr, VERDICTS))}."
