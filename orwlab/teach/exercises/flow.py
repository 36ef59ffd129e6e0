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
    for t, a, b in ((0.0, -1.0, 2.0), (0.3, -1.0, 2.0), (0.8, -1.0, 2.0), (0.6, 2.5, 0.5)):
        # the limit of two narrow components, which MixtureField knows in closed form
        narrow = targets.GaussianMixture(torch.ones(2), torch.tensor([[a], [b]]), 1e-10)
        hint = (
            "Average (a - x) / (1 - t) and (b - x) / (1 - t), weighted by how probably each made x: "
            "given a, x_t is normal with mean t a and variance (1 - t)^2."
        )
        what = f"velocity at t = {t:g}, data {a:g} and {b:g}"
        checks.same(what, answer(t, x, a, b), MixtureField(narrow)(t, x[:, None])[:, 0], 1e-5, hint=hint)


@checks.exercise
def loss_that_stays(answer: Callable[[float, float], float]) -> None:
    """1.3: ``answer(t, sigma)`` -> ``Var(u_t | x_t)`` for data N(0, sigma^2) on a line, noise N(0, 1), linear path."""
    g = _generator()
    for t, sigma in ((0.0, 0.5), (0.6, 2.0), (0.9, 0.5)):
        x0, x1 = torch.randn(2, 200_000, generator=g, dtype=D)
        x_t, u_t = (1 - t) * x0 + t * sigma * x1, sigma * x1 - x0
        slope = (x_t * u_t).mean() / x_t.square().mean()
        left = (u_t - slope * x_t).square().mean()  # what the best regression, here a linear one, cannot explain
        hint = "Var(u_t) - Cov(u_t, x_t)^2 / Var(x_t). Var(u_t) alone forgets that x_t tells something about u_t."
        checks.close(f"t = {t:g}, sigma = {sigma:g}", answer(t, sigma), left, 0.02, hint=hint)


@checks.exercise
def second_order_step(answer: Callable[[Velocity, float, float, Tensor], Tensor]) -> None:
    """1.4: ``answer(v, t, h, x)`` -> x at t + h, with an error that falls fourfold when the steps are halved."""

    def turning(t: float | Tensor, x: Tensor) -> Tensor:  # about the origin, by the angle sin t after a time t
        return math.cos(float(t)) * torch.stack([-x[:, 1], x[:, 0]], 1)

    x0 = torch.tensor([[1.0, 0.5], [-2.0, 0.3]], dtype=D)
    s, c = math.sin(math.sin(1.0)), math.cos(math.sin(1.0))
    solution = x0 @ torch.tensor([[c, s], [-s, c]], dtype=D)
    errors = {}
    for steps in (40, 80):
        x, h = x0.clone(), 1 / steps
        for k in range(steps):
            x = checks.shaped("a step's places", answer(turning, k * h, h, x), (2, 2))
        errors[steps] = float((x - solution).abs().max())
    checks.below(
        "error with 40 steps",
        errors[40],
        0.05,
        hint="It does not converge to the solution: is every step x + h * something?",
    )
    hint = (
        "Halving a first-order step halves the error (a ratio of 2). Take the velocity in the middle of the step: "
        "at time t + h/2, and at the x to which an Euler step of h/2 leads. (16 would be order four.)"
    )
    checks.close("error with 40 steps over error with 80", errors[40] / errors[80], 4.0, 0.4, hint=hint)


@checks.exercise
def log_density_of_a_linear_flow(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """1.5: ``answer(A, x1)``, x1 (n, d) -> (n,) log density at time 1 of standard normal noise moved by ``v = A x``."""
    hint = (
        "x0 = exp(-A) x1 row by row, and log p_1(x1) = log N(x0; 0, I) - trace(A): the divergence of A x is the trace."
    )
    plane = torch.tensor([[0.5, -0.8], [0.3, -0.2]], dtype=D)
    space = torch.tensor([[0.4, 0.1, -0.3], [0.0, -0.6, 0.5], [0.7, 0.2, 0.9]], dtype=D)
    for A in (plane, space):
        d = len(A)
        x1 = torch.randn(50, d, generator=_generator(), dtype=D)
        flow = torch.linalg.matrix_exp(A)  # x1 = flow @ x0, so x1 is normal with this covariance
        exact = torch.distributions.MultivariateNormal(torch.zeros(d, dtype=D), flow @ flow.T).log_prob(x1)
        checks.same(f"log density in {d} dimensions", answer(A, x1), exact, 1e-6, hint=hint)
