"""Checks of notebook 00: weights, collapse in one line, a first alpha found by hand."""

from collections.abc import Callable

import torch
from torch import Tensor

from orwlab import rewards, targets
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.teach import checks


@checks.exercise
def batch_weights(answer: Callable[[Tensor, float], Tensor]) -> None:
    """``answer(r, tau)``: weights (n,) proportional to ``exp(tau r)`` with mean 1, for rewards of any size."""
    r = torch.randn(256, generator=torch.Generator().manual_seed(1))
    raw = (2.0 * r.double()).exp()
    w = checks.shaped("weights", answer(r.clone(), 2.0), (256,))
    checks.same(
        "weights", w, (raw / raw.mean()).float(), 1e-3, hint="w_i = exp(tau r_i), divided by the mean of all of them."
    )
    checks.close("their mean", w.mean(), 1.0, 1e-3)
    shifted = answer(r + 500, 2.0)
    checks.same(
        "the same rewards, all 500 higher",
        shifted,
        w,
        0.02,  # float32 keeps r + 500 to 3e-5, and a weight of 100 turns that into 0.01
        hint="exp(2 * 500) overflows. Take the largest exponent out first, or let torch.softmax do it.",
    )


@checks.exercise
def mass_after_rounds(answer: Callable[[Tensor, Tensor, float, int], Tensor]) -> None:
    """``answer(mass, r, tau, rounds)``: masses (K,) after rounds of weighting with rewards ``r`` of the modes."""
    equal, r = torch.full((8,), 1 / 8), torch.tensor([0.1, 0.9, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])
    once = equal * (2.0 * r).exp()
    hint = "One round multiplies each mass by exp(tau r) and divides by the sum, so that masses add up to 1 again."
    checks.same("masses after 1 round", answer(equal, r, 2.0, 1), once / once.sum(), 1e-5, hint=hint)
    many = checks.shaped("masses after 6 rounds", answer(equal, r, 2.0, 6), (8,), hint=hint)
    checks.close("the best mode after 6 rounds", many[1], 0.99167, 1e-3, hint="Round after round: exp(tau r)^N.")
    unequal = torch.tensor([0.9, 0.1])
    checks.close(
        "a rare mode with reward 1 after 2 rounds, tau 1",
        checks.shaped("masses of two modes", answer(unequal, torch.tensor([0.0, 1.0]), 1.0, 2), (2,))[1],
        0.4509,
        1e-3,
        hint="Where it began counts too: q_N is proportional to w^N q_0.",
    )


@checks.exercise
def alpha_for_forty_percent(alpha: float) -> None:
    """``alpha``: where the right mode of ``three_modes_1d`` holds 40 % at the exact limit: bump, tau 2, raw weights."""
    target, reward = targets.get("three_modes_1d"), rewards.get("bump")
    exact = PopulationDynamics(target, reward, tau=2.0, alpha=float(alpha))
    exact.fixed_point()
    share = exact.mode_mass[-1]
    hint = (
        "Too much: a larger alpha holds more."
        if share > 0.4
        else "Too little: a smaller alpha lets the reward count more."
    )
    checks.close("share of the right mode", share, 0.40, 0.02, hint=hint)
