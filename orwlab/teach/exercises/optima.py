"""Checks of notebook 06, on what is optimised."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from orwlab import rewards, targets
from orwlab.exact import optima
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.grid import Grid
from orwlab.teach import checks

D = torch.float64


@checks.exercise
def shortfall(answer: Callable[..., Any]) -> None:
    """6.1: ``answer(p, p_ref, r, tau)``, repaired -> how far the objective of p lies below the optimum's."""
    cells = Grid(1, 128, 6.0)
    p_ref = optima.masses("p_ref", cells, targets.get("three_modes_1d").log_prob(cells.flat).exp())
    r = optima.reward_on(cells, rewards.get("right"))
    generator = torch.Generator().manual_seed(0)
    for tau in (0.5, 2.0):
        bumps = torch.sin(torch.outer(cells.coordinates, 3 * torch.rand(5, generator=generator, dtype=D)))
        p = p_ref * (bumps @ torch.randn(5, generator=generator, dtype=D)).exp()
        p = p / p.sum()
        best = optima.kl_tilt(cells, p_ref, r, tau)
        here = float((p * r).sum()) - optima.relative_entropy(p, p_ref) / tau
        checks.close(
            f"a random density, tau {tau:g}",
            answer(p, p_ref, r, tau),
            best.mean_reward - best.kl / tau - here,
            1e-6,
            hint="J(p) = log Z / tau - KL(p | p*) / tau: which of the two densities comes first, and is tau in it?",
        )
        at_best = answer(optima.masses("p", cells, best.density), p_ref, r, tau)
        checks.close(f"the optimum itself, tau {tau:g}", at_best, 0.0, 1e-6, hint="KL(p* | p*) is 0.")
    empty = torch.where(cells.coordinates < 0, 0.0, p_ref)
    empty = empty / empty.sum()
    best = optima.kl_tilt(cells, p_ref, r, 1.0)
    expected = best.mean_reward - best.kl - float((empty * r).sum()) + optima.relative_entropy(empty, p_ref)
    hint = "0 log 0 is 0: torch.special.xlogy, or optima's own."
    checks.close("a density with empty cells, tau 1", answer(empty, p_ref, r, 1.0), expected, 1e-6, hint=hint)


@checks.exercise
def tilt_exponent(answer: Callable[..., Any]) -> None:
    """6.2: ``answer(low, high, tau, alpha)`` -> the s of round one, ``p_ref e^{s r}``, for a reward of two values."""
    for low, high, tau, alpha in (
        (0.0, 1.0, 1.0, 1.0),
        (-1.0, 2.0, 0.5, 3.0),
        (0.5, -0.5, 2.0, 0.7),
        (0.0, 1.0, 1.0, 0.0),
    ):
        one = PopulationDynamics(
            targets.get("two_modes_1d"),
            lambda x, low=low, high=high: torch.where(x[:, 0] < 0.3, low, high),
            tau=tau,
            alpha=alpha,
        )
        one.step()
        shown = one.reference_density > 1e-6
        ratio, top = (one.density / one.reference_density).log()[shown], one.reward_values[shown] > min(low, high)
        s = float(ratio[top].mean() - ratio[~top].mean()) / abs(high - low)
        checks.close(
            f"rewards {low:g} and {high:g}, tau {tau:g}, alpha {alpha:g}: s",
            answer(low, high, tau, alpha),
            s,
            1e-4,
            hint="q_1 / p_ref is (w + alpha) over a constant. It takes two values; so does e^{s r} over its constant. "
            "Divide the two values, and the constants are gone.",
        )


FORMULAS = ("1 + (w - Z) / alpha", "tilt in w", "tilt in r", "one refresh")
"""of 6.3"""


@checks.exercise
def falls(prediction: Mapping[str, float]) -> None:
    """6.3: by what factor the distance of each of ``FORMULAS`` to the exact limit falls when alpha doubles."""
    if not isinstance(prediction, Mapping) or set(prediction) != set(FORMULAS):
        raise AssertionError(f"expected a dict with a number for each of {', '.join(map(repr, FORMULAS))}.")
    found: dict[str, list[float]] = {name: [] for name in FORMULAS}
    for alpha in (40.0, 80.0):
        limit = PopulationDynamics(targets.get("two_modes_1d"), rewards.get("right"), tau=1.0, alpha=alpha, times=80)
        limit.fixed_point(1e-10)
        p_ref, q = (d / d.sum() for d in (limit.reference_density, limit.density))
        w, r = limit.reward_values.exp(), limit.reward_values
        Z = float((p_ref * w).sum())
        shapes = (1 + (w - Z) / alpha, (w / alpha).exp(), (Z * r / alpha).exp(), w + alpha)
        for name, shape in zip(FORMULAS, shapes, strict=True):
            formula = p_ref * shape / (p_ref * shape).sum()
            found[name].append(0.5 * float((formula - q).abs().sum()))
    hint = "An error of order 1 / alpha halves, one of order 1 / alpha^2 falls to a quarter. Expand each in 1 / alpha."
    for name, (here, there) in found.items():
        checks.close(f"{name}: fall of its error from α = 40 to 80", here / there, prediction[name], 0.3, hint=hint)


@checks.exercise
def proximal(answer: Callable[..., Tensor]) -> None:
    """6.4: ``answer(x, y, r, lam)`` -> for each x (n,) the best of the places y (m,) with rewards r (m,)."""
    y = torch.linspace(-6, 6, 2401, dtype=D)
    x = torch.tensor([-2.0, -0.3, 0.0, 1.1, 2.0], dtype=D)
    for b, lam in ((2.0, 0.5), (0.4, 3.0)):
        checks.same(
            f"r = -{b:g} y²/2, κ = {lam:g}: 2κx / (2κ + {b:g})",
            answer(x, y, -b * y.square() / 2, lam),
            2 * lam * x / (2 * lam + b),
            0.003,
            hint="The slope that counts is the one where the point arrives, not where it starts; distance is squared.",
        )
    edge = torch.tensor([-1.2, -0.9, -0.1, 0.5], dtype=D)
    checks.same(
        "a box from 0, κ = 1: only points within 1 of it move, and no farther than its edge",
        answer(edge, y, (y >= 0).to(D), 1.0),
        torch.tensor([-1.2, 0.0, 0.0, 0.5], dtype=D),
        0.006,
        hint="Compare all y: a step has no slope.",
    )


@checks.exercise
def condensed(answer: Callable[..., Any]) -> None:
    """6.5: ``answer(d, alpha)`` -> the mass that condenses, p_ref = N(0, I) in d dimensions, r = -|x|^2 / 2, tau 1."""
    hint = (
        "1 / (1 - w) is a geometric series in w = e^(-|x|^2 / 2), and E[w^k] is a Gaussian integral. Where the series "
        "diverges, alpha_c is 0; above alpha_c nothing condenses, and a mass is never negative."
    )
    for d, alpha in ((3, 0.2), (4, 0.3), (5, 0.5), (3, 0.6), (2, 0.2), (1, 0.05)):
        # E[1 / (1 - w)] in polar coordinates; near 0 the integrand goes as |x|^(d - 3)
        inverse = math.inf
        if d > 2:
            radius = (torch.arange(200_000, dtype=D) + 0.5) * (12 / 200_000)
            shell = radius ** (d - 1) * (-radius.square() / 2).exp()
            inverse = float((shell / -torch.expm1(-radius.square() / 2)).sum() / shell.sum())
        checks.close(f"d = {d}, α = {alpha:g}", answer(d, alpha), max(0.0, 1 - alpha * inverse), 1e-3, hint=hint)


@checks.exercise
def weighted_pairs(answer: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
    """6.6: ``answer(x0, x1, w, generator)`` -> paired x0, x1 and weights, in which the reward is still felt."""
    generator = torch.Generator().manual_seed(0)
    n = 400
    x0 = torch.randn(n, 1, generator=generator)
    right = torch.arange(n) % 2 == 0
    x1 = torch.where(right, 2.0, -2.0)[:, None] + 0.1 * torch.randn(n, 1, generator=generator)
    w = torch.where(right, 3.0, 1.0)
    found = answer(x0, x1, w, torch.Generator().manual_seed(1))
    checks.holds("it returns x0, x1 and weights", isinstance(found, tuple | list) and len(found) == 3)
    wanted = (("x0", (n, 1)), ("x1", (n, 1)), ("weights", (n,)))
    new_x0, new_x1, new_w = (checks.shaped(name, part, shape) for part, (name, shape) in zip(found, wanted))
    mass = new_w / new_w.sum()
    checks.close(
        "weighted share of the good mode, 3 / (3 + 1)",
        mass[new_x1[:, 0] > 0].sum(),
        0.75,
        0.03,
        hint="0.5: the weights belong to other points. 0.9: weighted twice, once by drawing and once by w.",
    )
    low, high = x0[:, 0].quantile(0.3), x0[:, 0].quantile(0.45)
    middle = (new_x0[:, 0] > low) & (new_x0[:, 0] < high)
    checks.close(
        "share of the good mode among noise between its 30 % and 45 % quantiles",
        mass[middle & (new_x1[:, 0] > 0)].sum() / mass[middle].sum(),
        1.0,
        0.05,
        hint="Transport sends the left half of the noise to the left half of the points, whatever their weights. Put w "
        "into the transport problem.",
    )
    checks.close(
        "mean weight, which balances the fit against alpha",
        new_w.mean(),
        w.mean(),
        1e-4,
        hint="Once w is in the plan every pair gets the batch's mean weight.",
    )
    checks.same(
        "every x0 used once",
        new_x0[:, 0].sort().values,
        x0[:, 0].sort().values,
        1e-6,
        hint="Draw an x1 for each x0, not pairs from the whole plan: else the noise is no longer Gaussian.",
    )
