"""Checks of notebook 04: distances on a line and between Gaussians, Groenwall's lemma, the steepness of a field."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab import wasserstein
from orwlab.teach import checks


@checks.exercise
def distance_on_a_line(w2_squared: Callable[[Tensor, Tensor], Tensor]) -> None:
    """``w2_squared(x, y)`` for samples x, y (n,): the squared Wasserstein-2 distance, by sorting."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(500, generator=generator), 2 + 0.5 * torch.randn(500, generator=generator)
    before, exact = x.clone(), wasserstein.w2_squared(x[:, None], y[:, None])
    checks.close("two samples of 500", w2_squared(x, y), exact, 0.001, hint="Pair in order of size; square.")
    three = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([1.0, 4.0, 2.0])
    checks.close("{3, 1, 2} and {1, 4, 2}, by hand", w2_squared(*three), 1 / 3, 1e-4, hint="A mean, not a sum.")
    checks.holds("the samples are left as they were", torch.equal(x, before), hint="sort() gives a copy, sort_() not.")


@checks.exercise
def diagonal_gaussians(w2_squared: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """``w2_squared(mean_a, std_a, mean_b, std_b)``, all (d,), for Gaussians with independent coordinates."""
    generator = torch.Generator().manual_seed(1)
    mean_a, mean_b = torch.randn(2, 3, generator=generator)
    std_a, std_b = 0.3 + torch.rand(2, 3, generator=generator)
    bures = wasserstein.w2_squared_gaussian(mean_a, torch.diag(std_a**2), mean_b, torch.diag(std_b**2))
    hint = "The optimal map of one coordinate is m_b + (s_b / s_a)(x - m_a): what is its mean squared length?"
    checks.close("against Bures, three dimensions", w2_squared(mean_a, std_a, mean_b, std_b), bures, 1e-4, hint=hint)
    zero = torch.zeros(2)
    point = w2_squared(zero, torch.tensor([1.0, 2.0]), zero, zero)
    checks.close("to a single point, the second moment", point, 5.0, 1e-4, hint=hint)


@checks.exercise
def grown_gap(bound: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """``bound(times, lipschitz, dv)``, all (T,): ``(int_0^1 e^{int_t^1 L(u) du} |dv_t| dt)^2``, equal steps."""
    times = torch.linspace(0, 1, 401, dtype=torch.float64)
    one = torch.ones_like(times)
    constant = bound(times, 2 * one, 3 * one)
    exact = (3 * (math.e**2 - 1) / 2) ** 2
    checks.close("L = 2, |dv| = 3", constant, exact, 1.0, hint="The whole bound is squared.")
    early, late = bound(times, one, (times < 0.5).double()), bound(times, one, (times >= 0.5).double())
    hint = "A difference made at time t grows from t to 1, so an early one has longer to grow."
    checks.close("error before t = 1/2", early, (math.e - math.e**0.5) ** 2, 0.03, hint=hint)
    checks.close("error after t = 1/2", late, (math.e**0.5 - 1) ** 2, 0.03, hint=hint)
    ramp = bound(times, 4 * times, one)
    expected = float(torch.trapezoid((2 * (1 - times**2)).exp(), times)) ** 2
    checks.close("L(t) = 4 t, |dv| = 1", ramp, expected, 0.2, hint="L stands inside an integral from t to 1.")


@checks.exercise
def two_rates(rates: Callable[[Tensor], Any]) -> None:
    """``rates(J)`` for Jacobians J (n, d, d): a pair, the Lipschitz constant and the one-sided one, over all n.

    The first is the largest spectral norm, the second the largest eigenvalue of a symmetric part, with its sign.
    """
    names = "(Lipschitz constant, one-sided constant)"
    turn, shear = [[0.0, -1.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 0.0]]
    for name, rows, expected in (
        ("a contraction, -I", [[[-1.0, 0.0], [0.0, -1.0]]], (1.0, -1.0)),
        ("a contraction at two speeds", [[[-1.0, 0.0], [0.0, -3.0]]], (3.0, -1.0)),
        ("a rotation", [turn], (1.0, 0.0)),
        ("a shear", [shear], (2.0, 1.0)),
        ("these four", [[[-1.0, 0.0], [0.0, -1.0]], [[-1.0, 0.0], [0.0, -3.0]], turn, shear], (3.0, 1.0)),
    ):
        found = checks.pair(name, rates(torch.tensor(rows, dtype=torch.float64)), names)
        checks.close(f"{name}: Lipschitz constant", found[0], expected[0], 1e-6, hint="How long can J e be, |e| = 1?")
        hint = "How fast can |δ| grow? <δ, J δ> is <δ, (J + J^T)/2 δ>. It may be negative."
        checks.close(f"{name}: one-sided constant", found[1], expected[1], 1e-6, hint=hint)
    J = torch.randn(50, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = checks.pair("fifty random ones", rates(J), names)
    directions = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    directions /= directions.norm(dim=1, keepdim=True)
    moved = torch.einsum("nij,kj->nki", J, directions)  # (50, 20000, 3)
    hint = "Compare with a search over 20,000 directions, which is at most a little too small."
    checks.close("fifty random 3 x 3: Lipschitz constant", found[0], moved.norm(dim=2).max(), 0.01, hint=hint)
    along = (moved * directions).sum(2).max()
    checks.close("fifty random 3 x 3: one-sided constant", found[1], along, 0.01, hint=hint)


@checks.exercise
def narrowest(std: float) -> None:
    """The std below which the certified constant e^{2 max L} of two modes at +-1.5 passes one million."""
    times = torch.linspace(0, 1, 4001, dtype=torch.float64)

    def log10_constant(std: float) -> float:
        S = (1 - times) ** 2 + (times * std) ** 2
        rate = (times * std**2 - (1 - times)) / S + times * (1 - times) * 1.5**2 / S**2
        return 2 * float(rate.max()) / math.log(10)

    low, high = 0.1, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if log10_constant(middle) > 6 else (low, middle)
    hint = (
        f"At your std the constant is 10^{log10_constant(float(std)):.1f}." if 0.01 < float(std) < 10 else "0.1 to 1."
    )
    checks.close("std at which e^{2L} is a million", std, high, 0.005, hint=hint)
