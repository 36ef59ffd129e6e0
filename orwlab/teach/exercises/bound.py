"""Checks of notebook 04: distances on a line and between Gaussians, Groenwall's lemma, the steepness of a field."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from orwlab import targets, wasserstein
from orwlab.measure.coupled_flows import jacobian
from orwlab.teach import checks
from orwlab.velocity import MixtureField


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
    """``bound(times, lipschitz, dv)``, all (T,): ``(int_0^1 e^{int_s^1 L(u) du} |dv_s| ds)^2``, equal steps."""
    times = torch.linspace(0, 1, 401, dtype=torch.float64)
    one = torch.ones_like(times)
    constant = bound(times, 2 * one, 3 * one)
    exact = (3 * (math.e**2 - 1) / 2) ** 2
    checks.close("L = 2, |dv| = 3", constant, exact, 1.0, hint="The whole bound is squared.")
    early, late = bound(times, one, (times < 0.5).double()), bound(times, one, (times >= 0.5).double())
    hint = "A difference made at time s grows from s to 1, so an early one has longer to grow."
    checks.close("error before t = 1/2", early, (math.e - math.e**0.5) ** 2, 0.03, hint=hint)
    checks.close("error after t = 1/2", late, (math.e**0.5 - 1) ** 2, 0.03, hint=hint)
    ramp = bound(times, 4 * times, one)
    expected = float(torch.trapezoid((2 * (1 - times**2)).exp(), times)) ** 2
    checks.close("L(t) = 4 t, |dv| = 1", ramp, expected, 0.2, hint="L stands inside an integral from s to 1.")


@checks.exercise
def steepness(steepest: Callable[[Tensor, float, float], Tensor]) -> None:
    """``steepest(t, m, std)``: dv/dx at x = 0 of the exact field of modes at -m and m on a line; t (T,) -> (T,)."""
    times = torch.linspace(0, 1, 21, dtype=torch.float64)
    for m, std in ((1.5, 0.5), (2.0, 0.2)):
        modes = targets.GaussianMixture(torch.ones(2), torch.tensor([[-m], [m]]), std**2)
        field, middle = MixtureField(modes), torch.zeros(1, 1, dtype=torch.float64)
        exact = torch.stack([jacobian(field, t, middle)[1].flatten()[0] for t in times])
        scale = float(exact.abs().max())
        found = checks.shaped("slopes", torch.as_tensor(steepest(times, m, std)), tuple(times.shape))
        gap = (found - exact).abs().max() / scale
        hint = "Two terms: within a mode, (t s^2 - (1 - t)) / S; between the modes, t (1 - t) Var(mu | x_t = 0) / S^2."
        checks.below(f"modes at +-{m:g}, std {std:g}: largest error over the peak", gap, 1e-6, hint=hint)


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
