"""Checks of notebook 01, on flow matching: a path, a marginal field, a loss that stays, a sampler, a likelihood."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from orwlab import paths, targets
from orwlab.teach import checks
from orwlab.velocity import MixtureField, Velocity

D = torch.float64


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@checks.exercise
def cosine_path(answer: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """1.1: ``answer(t, x0, x1)`` with t (n, 1) and points (n, d) -> ``x_t`` and ``u_t`` of the cosine path, (n, d)."""
    g = _generator()
    x0, x1 = torch.randn(2, 64, 3, generator=g, dtype=D)
    t = torch.rand(64, 1, generator=g, dtype=D)
    found = answer(t, x0, x1)
    checks.holds("it returns two tensors", isinstance(found, tuple) and len(found) == 2)
    x_t, u_t = paths.get("cosine").interpolate(t[:, 0], x0, x1)
    checks.same("x_t", found[0], x_t, 1e-6, hint="At t = 0 it is x0, at t = 1 it is x1; the angle is pi t / 2.")
    checks.same("u_t", found[1], u_t, 1e-6, hint="Differentiate x_t with respect to t; the chain rule brings a pi / 2.")


@checks.exercise
def two_point_field(answer: Callable[[float, Tensor, float, float], Tensor]) -> None:
    """1.2: ``answer(t, x, a, b)`` with x (n,) -> the marginal velocity (n,) when the data are a or b, equally often."""
    x = torch.linspace(-3, 3, 61, dtype=D)
    for t in (0.0, 0.3, 0.8):
        a, b = -1.0, 2.0
        # the limit of two narrow components, which MixtureField knows in closed form
        narrow = targets.GaussianMixture(torch.ones(2), torch.tensor([[a], [b]]), 1e-10)
        hint = (
            "Average (a - x) / (1 - t) and (b - x) / (1 - t), weighted by how probably each made x: "
            "given a, x_t is normal with mean t a and variance (1 - t)^2."
        )
        checks.same(
            f"velocity at t = {t:g}", answer(t, x, a, b), MixtureField(narrow)(t, x[:, None])[:, 0], 1e-5, hint=hint
        )


@checks.exercise
def loss_that_stays(answer: Callable[[float, float], float]) -> None:
    """1.3: ``answer(t, s)`` -> ``Var(u_t | x_t)`` for data N(0, s^2) on a line, noise N(0, 1), linear path."""
    g = _generator()
    for t, s in ((0.0, 0.5), (0.6, 2.0), (0.9, 0.5)):
        x0, x1 = torch.randn(2, 200_000, generator=g, dtype=D)
        x_t, u_t = (1 - t) * x0 + t * s * x1, s * x1 - x0
        slope = (x_t * u_t).mean() / x_t.square().mean()
        left = (u_t - slope * x_t).square().mean()  # what the best regression, here a linear one, cannot explain
        hint = "Var(u_t) - Cov(u_t, x_t)^2 / Var(x_t). Var(u_t) alone forgets that x_t tells something about u_t."
        checks.close(f"t = {t:g}, s = {s:g}", answer(t, s), left, 0.03, hint=hint)


@checks.exercise
def second_order_step(answer: Callable[[Velocity, float, float, Tensor], Tensor]) -> None:
    """1.4: ``answer(v, t, h, x)`` -> x at t + h, with an error that falls fourfold when the steps are halved."""

    def turning(t: float | Tensor, x: Tensor) -> Tensor:  # dx/dt = cos(t) x, so x_1 = x_0 exp(sin 1)
        return math.cos(float(t)) * x

    x0 = torch.tensor([[1.0], [-2.0]], dtype=D)
    errors = []
    for steps in (40, 80):
        x, h = x0.clone(), 1 / steps
        for k in range(steps):
            x = answer(turning, k * h, h, x)
        errors.append(float((x - x0 * math.exp(math.sin(1.0))).abs().max()))
    checks.below(
        "error with 40 steps",
        errors[1],
        0.01,
        hint="It does not converge to the solution: is every step x + h * something?",
    )
    hint = (
        "Halving a first-order step halves the error. Take the velocity in the middle of the step: "
        "at time t + h/2, and at the x to which an Euler step of h/2 leads."
    )
    checks.close("error with 40 steps over error with 80", errors[0] / errors[1], 4.0, 0.4, hint=hint)


@checks.exercise
def log_density_of_a_linear_flow(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """1.5: ``answer(A, x1)``, x1 (n, d) -> (n,) log density at time 1 of standard normal noise moved by ``v = A x``."""
    A = torch.tensor([[0.5, -0.8], [0.3, -0.2]], dtype=D)
    x1 = torch.randn(50, 2, generator=_generator(), dtype=D)
    flow = torch.linalg.matrix_exp(A)  # x1 = flow @ x0, so x1 is normal with this covariance
    exact = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=D), flow @ flow.T).log_prob(x1)
    hint = (
        "x0 = exp(-A) x1 row by row, and log p_1(x1) = log N(x0; 0, I) - trace(A): the divergence of A x is the trace."
    )
    checks.same("log density", answer(A, x1), exact, 1e-6, hint=hint)
