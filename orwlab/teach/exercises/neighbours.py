"""Checks of notebook 13, on the neighbours: a multiplier, a shift, weights held by their variance, careful rewards."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab.teach import checks

D = torch.float64


@checks.exercise
def gap_left(answer: Callable[[float, float, float, int], Any]) -> None:
    """13.1: ``answer(k, lam, rate, steps)`` -> the share of J(b) - J* that is left after so many gradient steps.

    ``J(b) = lam |b|^2 + |m + k b - a|^2 / 2``, and a step is ``b <- b - rate grad J(b)``.
    """
    a = torch.tensor([1.5, -0.5], dtype=D)
    hints = (
        "The slope of J is (2 lam + k^2) times the way to the optimum: each step multiplies that way by one factor.",
        "J - J* goes with the square of the way, and the factors of all steps are multiplied.",
    )
    for k, lam, rate, steps in ((1.0, 0.5, 0.3, 1), (1.25, 0.2, 0.4, 3), (1.25, 2.0, 0.1, 5), (1.25, 0.1, 1.5, 2)):
        b = torch.zeros(2, dtype=D, requires_grad=True)
        best = k * a / (2 * lam + k**2)

        def J(b: Tensor, k: float = k, lam: float = lam) -> Tensor:
            return lam * b.square().sum() + (k * b - a).square().sum() / 2

        first = float(J(b.detach()) - J(best))
        for _ in range(steps):
            (slope,) = torch.autograd.grad(J(b), b)
            b = (b - rate * slope).detach().requires_grad_()
        exact = float(J(b.detach()) - J(best)) / first
        what = f"k = {k:g}, κ = {lam:g}, rate {rate:g}, {steps} step{'s' if steps > 1 else ''}"
        checks.close(what, answer(k, lam, rate, steps), exact, 1e-6, hint=hints[steps > 1])


@checks.exercise
def shift_of(answer: Callable[[float, float], Any]) -> None:
    """13.2: ``answer(s, eta)`` -> how far Diffusion-QL with one velocity b moves N(m, s^2 I), r = c.x, |c| = 1."""
    for s, eta in ((1.0, 1.0), (1.0, 3.0), (0.5, 1.0), (2.0, 0.5)):
        n = 200_000
        t = (torch.arange(n, dtype=D) + 0.5) / n
        k = float((s / ((1 - t) ** 2 + s**2 * t**2).sqrt()).mean())
        hint = (
            "b = eta k / 2 is the velocity that is added; the mean moves by k times that."
            if s == 1
            else "What enters at time t arrives multiplied by s / sqrt(c_t), with c_t = (1-t)^2 + s^2 t^2: "
            "integrate that over t for k."
        )
        checks.close(f"s = {s:g}, η = {eta:g}: shift", answer(s, eta), eta * k**2 / 2, 2e-3, hint=hint)


@checks.exercise
def held_weights(answer: Callable[[Tensor, float], Tensor]) -> None:
    """13.3: ``answer(r, lam)`` -> w (n,): the most of mean(w r) - lam var(w), for w >= 0 of mean one."""
    r = torch.randn(400, generator=torch.Generator().manual_seed(2), dtype=D)
    for lam in (3.0, 0.3, 0.05):
        w = checks.shaped("weights", answer(r.clone(), lam), (400,)).double()
        one = "The level nu is set so that the mean of w is 1: search for it, the mean falls as nu grows."
        checks.close(f"κ = {lam:g}: mean weight", w.mean(), 1.0, 1e-4, hint=one)
        checks.above(f"κ = {lam:g}: least weight", w.min(), -1e-9, hint="Below the level the weight is 0: clamp.")
        found = float((w * r).mean() - lam * (w - 1).square().mean())
        nu = torch.linspace(float(r.min()) - 2 * lam - 1, float(r.max()), 20_001, dtype=D)
        dual = min(
            float((part + lam + (r - part[:, None]).clamp_min(0).square().mean(1) / (4 * lam)).min())
            for part in nu.split(500)
        )
        best = "w = (r - nu)_+ / (2 lam): is the 2 there, and the level the one that makes the mean 1?"
        checks.close(f"κ = {lam:g}: what is maximised, against the dual", found, dual, 1e-3, hint=best)


@checks.exercise
def careful(answer: Callable[[Tensor, float], Tensor]) -> None:
    """13.4: ``answer(r, kappa)``: (k, n) rewards by k members -> (n,), their mean minus kappa standard deviations.

    The standard deviation is over the members, the root of the mean squared distance from their mean.
    """
    r = torch.tensor([[1.0, 0.0, 2.0], [1.0, 2.0, -2.0]], dtype=D)
    alike = (
        "Where all members agree the reward is theirs; elsewhere it is lower, by kappa times the root of the mean "
        "squared distance from their mean: `std(0, correction=0)`."
    )
    checks.same(
        "two members, by hand", answer(r.clone(), 1.0), torch.tensor([1.0, 0.0, -2.0], dtype=D), 1e-6, hint=alike
    )
    r = torch.randn(5, 7, generator=torch.Generator().manual_seed(3), dtype=D)
    plain = "kappa 0 is the mean of the members."
    checks.same("kappa 0", answer(r.clone(), 0.0), r.mean(0), 1e-6, hint=plain)
    exact = r.mean(0) - 2 * (r - r.mean(0)).square().mean(0).sqrt()
    over = "Over members, the first dimension; divide by their number, k: `std(0, correction=0)`."
    checks.same("five members, kappa 2", answer(r.clone(), 2.0), exact, 1e-6, hint=over)


@checks.exercise
def best_alpha(answer: Callable[[float, int, float], Any]) -> None:
    """13.5: ``answer(std, n, gap)`` -> the alpha at which (mean + alpha v_ref) / (1 + alpha) is nearest to v.

    The mean is of n directions u that scatter around v with standard deviation std; v_ref lies gap from v.
    """
    generator = torch.Generator().manual_seed(4)
    hint = (
        "The error is (noise + alpha gap) / (1 + alpha), with noise of variance std^2 / n: write its mean square as a "
        "function of alpha, and set the slope 0."
    )
    for std, n, gap in ((1.0, 4, 0.5), (1.5, 10, 1.0), (0.7, 50, 0.2)):
        alpha = float(answer(std, n, gap))
        checks.close(f"std {std:g}, n = {n}, gap {gap:g}: α", alpha, std**2 / (n * gap**2), 1e-6, hint=hint)
    noise = 1.5 / math.sqrt(10) * torch.randn(400_000, generator=generator, dtype=D)
    alpha = float(answer(1.5, 10, 1.0))

    def error(alpha: float) -> float:
        return float(((noise + alpha) / (1 + alpha)).square().mean())

    worse = min(error(alpha / 2), error(2 * alpha), error(0.0))
    checks.below("measured: error at your α, over the least of half, twice and none", error(alpha) / worse, 1.0)


@checks.exercise
def hypervolume(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """13.6: ``answer(r, corner)``: points (n, 2), a corner (2,) -> the area that they dominate beyond it."""
    corner = torch.zeros(2, dtype=D)
    one = torch.tensor([[2.0, 3.0]], dtype=D)
    checks.close("one point: a rectangle", answer(one.clone(), corner.clone()), 6.0, 1e-6, hint="Width times height.")
    two = torch.tensor([[1.0, 3.0], [3.0, 1.0]], dtype=D)
    union = "Rectangles overlap: sort by the first coordinate, from the right, and add the height that is new."
    checks.close("two points", answer(two.clone(), corner.clone()), 5.0, 1e-6, hint=union)
    hidden = torch.tensor([[1.0, 3.0], [0.5, 0.5], [3.0, 1.0], [2.0, 1.0]], dtype=D)
    checks.close(
        "two more, which these dominate",
        answer(hidden.clone(), corner.clone()),
        5.0,
        1e-6,
        hint="Whoever is dominated adds nothing: only height above the highest so far counts.",
    )
    r = torch.rand(12, 2, generator=torch.Generator().manual_seed(5), dtype=D) * 2 - 0.5
    corner = torch.tensor([0.1, -0.1], dtype=D)
    sides = [torch.cat([corner[k : k + 1], r[:, k].clamp_min(corner[k])]).sort().values for k in (0, 1)]
    exact = 0.0  # cell by cell between all coordinates
    for i in range(len(sides[0]) - 1):
        for j in range(len(sides[1]) - 1):
            x, y = sides[0][i + 1], sides[1][j + 1]
            if bool(((r[:, 0] >= x) & (r[:, 1] >= y)).any()):
                exact += float((x - sides[0][i]) * (y - sides[1][j]))
    beyond = "The corner is where counting begins: subtract it, and nothing below it counts (a negative side is none)."
    checks.close("twelve points, another corner", answer(r.clone(), corner.clone()), exact, 1e-6, hint=beyond)
