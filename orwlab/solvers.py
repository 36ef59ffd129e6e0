"""Solvers with few evaluations: the end of a flow from noise by a rule whose coefficients were learned.

    x_(i+1) = x_0 + sum_(j <= i) B_ij v(t_j, x_j),    i = 0 .. n-1,    x_n the answer at time 1

Euler's steps, midpoint steps and explicit multistep methods have this form, so that a learned rule can start from one
and get better: the non-stationary solvers of Shaul et al. ("Bespoke Non-Stationary Solvers for Fast Sampling of
Diffusion and Flow Models", 2024, arXiv 2403.01329). Theirs has a factor a_i before x_0 too; here it is 1 and row i of B
sums to t_(i+1), for only then are fields that are constant solved exactly, and data that are moved come out moved.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from orwlab import checks, foreign, velocity
from orwlab.velocity import Velocity

CLOSE = 1e-6  # how near a row's sum must be to the time that it leads to
_FINITE = "a velocity, noise and end points whose squares are finite all the way from 0 to 1"
MOST = 100  # evaluations; classical rules are as good long before


@dataclass(frozen=True)
class NonStationary:
    """A solver from time 0 to 1 with fixed coefficients. They are plain numbers: any device and floating type is fine.

    Args:
        times: t_0 = 0 < t_1 < ... < t_(n-1) < 1, at which v is evaluated.
        B: n rows of n numbers, 0 above the diagonal; row i sums to t_(i+1), the last one to 1.

    Raises:
        ValueError: coefficients that are not such, named.
    """

    times: tuple[float, ...]
    B: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        times = checks.numbers("times", self.times, low=0.0, high=1.0)
        n = len(times)
        if times[0] != 0 or any(b <= a for a, b in zip(times, (*times[1:], 1.0))):
            raise checks.fail("times", self.times, "times that start at 0 and increase, all below 1")
        wanted = f"{n} rows of {n} finite numbers, one a time, 0 above the diagonal"
        rows = checks.array("B", self.B, wanted).detach().to("cpu", torch.float64)
        if rows.shape != (n, n) or rows.triu(1).any():
            raise checks.fail("B", self.B, wanted)
        if (rows.sum(1) - torch.tensor([*times[1:], 1.0], dtype=torch.float64)).abs().max() > CLOSE:
            raise checks.fail("B", self.B, "rows that sum to the next time each, the last one to 1")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "B", tuple(map(tuple, rows.tolist())))

    @property
    def evaluations(self) -> int:
        """How often v is evaluated."""
        return len(self.times)

    @property
    def config(self) -> dict[str, Any]:
        """What ``build`` needs, as JSON can hold it."""
        return {"kind": "non_stationary", "times": list(self.times), "B": [list(row) for row in self.B]}

    def sample(self, v: Velocity, x0: Tensor, *, grad: bool = False) -> Tensor:
        """Push noise ``x0`` (n, *event) through the flow of ``v`` to time 1: (n, *event), as x0 is.

        Args:
            v: velocity ``v(t, x)``. A network is evaluated in eval mode, where it lies and in its own floating type,
                but in no shorter one than float32; a ``velocity.Preconditioned`` in its own coordinates.
            x0: the starting points.
            grad: whether the answer carries a gradient to x0 and to v's parameters.

        Raises:
            ValueError: an argument out of range; ``v`` does not answer with x's shape.
        """
        inner, grad = _inner(v), checks.yes_or_no("grad", grad)
        field = foreign.velocity("v", inner)
        x0 = checks.points("x0", x0)
        x = foreign.at_home(field, x0)
        with torch.inference_mode(False), torch.set_grad_enabled(grad), foreign.at_rest(field):
            each = inner.at_each(self.times, x) if isinstance(inner, velocity.MLP) and not grad else None
            x1 = _push(each or _at_each(field, self.times, x), [x], self.B)
            if isinstance(v, velocity.Preconditioned):  # noise is the same in both coordinates
                x1 = v.outward(1.0, x1)
        return x1.to(x0)


def midpoint(evaluations: int) -> NonStationary:
    """The midpoint rule with ``evaluations`` / 2 equal steps; an odd number ends with half a step of Euler's."""
    n = checks.integer("evaluations", evaluations, high=MOST)
    half = 1 / n
    steps = [[2 * half * (j % 2) if j < i - i % 2 else 0.0 for j in range(n)] for i in range(n)]
    for i, row in enumerate(steps):
        row[i] = half if i % 2 == 0 else 2 * half
    return NonStationary(tuple(i * half for i in range(n)), tuple(map(tuple, steps)))


def build(config: dict[str, Any]) -> NonStationary:
    """The solver that ``config`` (a solver's ``.config``) describes."""
    allowed = "a solver's .config: its kind, 'non_stationary', times and B"
    if not isinstance(config, dict) or config.keys() != {"kind", "times", "B"} or config["kind"] != "non_stationary":
        raise checks.fail("config", config, allowed)
    return NonStationary(config["times"], config["B"])


def fit(
    v: Velocity,
    x0: Tensor,
    x1: Tensor,
    *,
    evaluations: int = 8,
    steps: int = 30,
    large: float = 0.1,
    progress: bool = True,
) -> NonStationary:
    """The solver that takes noise ``x0`` nearest to the end points ``x1`` of its flow.

    Robust least squares within a trust region (scipy's), from the midpoint rule. Fitted to one flow, a solver may be
    useless on its neighbours: let v be many flows at once, such as one for each row of x0.

    Args:
        v: velocity ``v(t, x)``.
        x0: (n, *event) noise.
        x1: (n, *event), where ``flow.sample`` takes it with many steps.
        evaluations: of v, by the solver.
        steps: at most so many of the fit's.
        large: errors well above this, such as of points that fall to another mode, count by their size instead of
            their square; else few of them would decide everything.
        progress: show a bar.

    Raises:
        ValueError: an argument out of range; ``v`` does not answer with x's shape.
    """
    from scipy.optimize import least_squares  # imported here because it takes a quarter of a second

    start, steps = midpoint(evaluations), checks.integer("steps", steps)
    large, progress = checks.number("large", large, low=1e-9, high=1e9), checks.yes_or_no("progress", progress)
    field = foreign.velocity("v", _inner(v))
    x0 = foreign.at_home(field, checks.points("x0", x0).detach())
    x1 = checks.points("x1", x1, tuple(x0.shape[1:])).detach().to(x0)
    if len(x1) != len(x0):
        raise checks.fail("x1", x1, f"as many end points as noise, {len(x0)}")
    if isinstance(v, velocity.Preconditioned):
        x1 = v.inward(1.0, x1)[1]
    n = start.evaluations
    below = np.tril_indices(n, -1)
    h = float(torch.finfo(foreign.dtype_of(field) or x0.dtype).eps) ** 0.5

    def coefficients(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Any numbers give a solver: what part of the time that is left each step takes, and B below its diagonal.

        A number changes only the rule's steps from its own on.
        """
        times = 1 - np.cumprod(1 / (1 + np.exp(np.clip(theta[: n - 1], -9, 9))))
        B = np.zeros((n, n))
        B[below] = theta[n - 1 :]
        return np.array([0.0, *times]), B + np.diag(np.array([*times, 1.0]) - B.sum(1))

    def errors(seen: list[Tensor], times: np.ndarray, B: np.ndarray) -> np.ndarray:
        x = _push(_at_each(field, times.tolist(), x0), seen, B.tolist())
        return (x - x1).cpu().double().flatten().numpy()

    def jacobian(theta: np.ndarray) -> np.ndarray:
        bar.update()
        seen, (times, B) = [x0], coefficients(theta)
        base, columns = errors(seen, times, B), []
        for e in np.eye(len(theta)):
            moved = coefficients(theta + h * e)
            first = int(np.argmax((moved[1] != B).any(1)))  # the first row that moves: what is seen before it stays
            columns.append((errors(seen[: first + 2], *moved) - base) / h)
        slopes = np.stack(columns, 1)
        if not np.isfinite((slopes**2).sum() + (base**2).sum()):
            raise ValueError(f"v leads to errors that are not finite; allowed: {_FINITE}")
        return slopes

    theta = np.concatenate([-np.log(np.arange(n - 1, 0, -1)), np.array(start.B)[below]])
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        foreign.at_rest(field),
        np.errstate(over="ignore", invalid="ignore"),
        tqdm(total=steps, desc=f"solver, {n} evaluations", disable=not progress) as bar,
    ):
        if not np.isfinite((errors([x0], *coefficients(theta)) ** 2).sum()):
            raise ValueError(f"v leads to errors that are not finite; allowed: {_FINITE}")
        if n > 1:  # else nothing is left to choose
            theta = least_squares(
                lambda theta: errors([x0], *coefficients(theta)),
                theta,
                jacobian,
                loss="soft_l1",
                f_scale=large,
                max_nfev=steps,
            ).x
    times, B = coefficients(theta)
    return NonStationary(tuple(times), tuple(map(tuple, B)))


def _inner(v: Velocity) -> Velocity:
    return v.network if isinstance(v, velocity.Preconditioned) else v


def _at_each(v: Velocity, times: Sequence[float], x: Tensor) -> list[Callable[[Tensor], Tensor]]:
    """``v(t, .)`` for each of ``times``, for points like ``x``."""
    return [functools.partial(v, t) for t in x.new_tensor(times)]


def _push(v_at: Sequence[Callable[[Tensor], Tensor]], seen: list[Tensor], B: Sequence[Sequence[float]]) -> Tensor:
    """The rule itself: noise to time 1. ``seen`` holds the noise and the velocities found so far; more are appended."""
    x = seen[0]
    for i, v in enumerate(v_at):
        if i + 1 == len(seen):
            seen.append(v(x))
        # added one by one: in a product of matrices the last digit of a point depends on how many go with it
        x = seen[0]
        for b, u in zip(B[i], seen[1 : i + 2]):
            x = torch.add(x, u, alpha=b)
    return x
