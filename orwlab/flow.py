"""From a velocity to samples, trajectories and likelihoods: ``dx/dt = v(t, x)``, ``x_0 ~ N(0, I)``.

torchdiffeq solves the equations. Fixed-step methods cost a known number of evaluations (for live use); adaptive ones
meet a tolerance (for exact work).
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from orwlab import _check
from orwlab.velocity import Velocity

FIXED = {"euler": 1, "midpoint": 2, "rk4": 4}  # evaluations of v a step
ADAPTIVE = ("dopri5", "dopri8", "bosh3")


def noise(
    n: int,
    event_shape: tuple[int, ...],
    *,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """``x0 ~ N(0, I)``, (n, *event). Drawn on the CPU, so that every device starts from the same numbers."""
    _check.integer("n", n)
    return torch.randn(n, *event_shape, generator=generator).to(device)


def sample(
    v: Velocity,
    x0: Tensor,
    *,
    method: str = "midpoint",
    steps: int = 24,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> Tensor:
    """Push noise ``x0`` (n, *event) through the flow of ``v`` to time 1: (n, *event), without gradient.

    Args:
        v: velocity ``v(t, x)``.
        x0: the starting points.
        method: "euler", "midpoint" or "rk4" (fixed steps), "dopri5", "dopri8" or "bosh3" (adaptive).
        steps: steps of a fixed method.
        rtol: relative tolerance of an adaptive method.
        atol: absolute tolerance of an adaptive method.
    """
    return trajectory(v, x0, (0.0, 1.0), method=method, steps=steps, rtol=rtol, atol=atol)[-1]


def trajectory(
    v: Velocity,
    x0: Tensor,
    times: Tensor | tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0),
    *,
    method: str = "midpoint",
    steps: int = 24,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> Tensor:
    """The flow's positions at each of ``times``, starting from ``x0`` at ``times[0]``: (T, n, *event).

    No gradient is kept. Times may run backwards (from data to noise). Arguments as in ``sample``; ``steps`` are
    spread over the whole span, at least one between two times.
    """
    _check.points("x0", x0)
    grid, stops = _grid(times, method, steps, x0)
    solver = _solver(method, rtol, atol)
    with torch.no_grad():
        from torchdiffeq import odeint  # imported here because it takes half a second

        return odeint(v, x0, grid, **solver)[stops]


def log_prob(
    v: Velocity,
    x1: Tensor,
    *,
    divergence: str = "exact",
    probes: int = 1,
    generator: torch.Generator | None = None,
    method: str = "dopri5",
    steps: int = 24,
    rtol: float = 1e-6,
    atol: float = 1e-7,
) -> Tensor:
    """The model's log density at ``x1`` (n, *event): (n,), by the instantaneous change of variables.

    ``log p_1(x_1) = log N(x_0; 0, I) - int_0^1 div v(t, x_t) dt`` along the flow that ends at x1.

    Args:
        v: velocity ``v(t, x)``, differentiable in x.
        x1: where to evaluate.
        divergence: "exact" costs one backward pass a dimension: for few dimensions. "hutchinson" estimates it without
            bias from ``probes`` random directions: for many.
        probes: directions of Hutchinson's estimate, the same all along a trajectory.
        generator: draws the probes; needed by "hutchinson".
        method: as in ``sample``.
        steps: as in ``sample``.
        rtol: as in ``sample``.
        atol: as in ``sample``.
    """
    _check.points("x1", x1)
    _check.choice("divergence", divergence, ("exact", "hutchinson"))
    size = math.prod(x1.shape[1:])
    if divergence == "exact":
        directions = torch.eye(size, dtype=x1.dtype, device=x1.device)[:, None, :].expand(-1, len(x1), -1)
        scale = 1.0
    else:
        if generator is None:
            raise _check.fail("generator", generator, "a torch.Generator (hutchinson's estimate is random)")
        signs = torch.randint(0, 2, (_check.integer("probes", probes), len(x1), size), generator=generator)
        directions, scale = (2.0 * signs - 1.0).to(x1), 1.0 / probes  # (D, n, size)

    def augmented(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = state[0].detach().requires_grad_()
            velocity = v(t, x)
            flat = velocity.flatten(1)
            div = torch.zeros_like(state[1])
            for i, e in enumerate(directions):
                (row,) = torch.autograd.grad((flat * e).sum(), x, retain_graph=i + 1 < len(directions))
                div = div + scale * (row.flatten(1) * e).sum(1)
        return velocity.detach(), div

    grid, _ = _grid((1.0, 0.0), method, steps, x1)
    solver = _solver(method, rtol, atol)
    with torch.no_grad():
        from torchdiffeq import odeint

        # integrating from 1 to 0, the second component becomes minus the integral of the divergence
        x, minus_integral = odeint(augmented, (x1, x1.new_zeros(len(x1))), grid, **solver)
    x0 = x[-1].flatten(1)
    return -0.5 * x0.square().sum(1) - 0.5 * size * math.log(2 * math.pi) + minus_integral[-1]


def _solver(method: str, rtol: float, atol: float) -> dict[str, Any]:
    if method in FIXED:
        return dict(method=method)
    return dict(
        method=method,
        rtol=_check.number("rtol", rtol, above=0.0),
        atol=_check.number("atol", atol, above=0.0),
    )


def _grid(times: Tensor | tuple[float, ...], method: str, steps: int, x: Tensor) -> tuple[Tensor, slice | Tensor]:
    """The solver's grid, and where the wanted times stand in it."""
    _check.choice("method", method, [*FIXED, *ADAPTIVE])
    _check.integer("steps", steps)
    stops = torch.as_tensor(times, dtype=x.dtype, device=x.device)
    gaps = stops.diff() if stops.ndim == 1 else stops
    if stops.ndim != 1 or len(stops) < 2 or not ((gaps > 0).all() or (gaps < 0).all()):
        raise _check.fail("times", times, "at least two times, strictly increasing or decreasing")
    if stops.min() < 0 or stops.max() > 1:
        raise _check.fail("times", times, "times in [0, 1]")
    if method not in FIXED:
        return stops, slice(None)
    span = float((stops[-1] - stops[0]).abs())
    counts = [max(1, round(steps * float((b - a).abs()) / span)) for a, b in pairwise(stops)]
    pieces = [
        torch.linspace(a, b, n + 1, dtype=torch.float64)[:-1] for (a, b), n in zip(pairwise(stops.tolist()), counts)
    ]
    grid = torch.cat([*pieces, stops[-1:].double().cpu()]).to(x)
    return grid, torch.tensor([0, *counts]).cumsum(0)
