"""Rewards ``r(x1)``: what fine-tuning is asked to increase. Any callable (n, *event) -> (n,) serves.

The gallery is for points in the plane (all but ``angle`` work on a line too). ``get("plane")`` is unbounded on
purpose: with it, online reward weighting runs away.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks, foreign

Reward = Callable[[Tensor], Tensor]


def _coordinates(x: Tensor, at_least: int = 1) -> Tensor:
    if x.ndim != 2 or x.shape[1] < at_least:
        raise checks.fail("x", x, f"points of shape (n, d) with d >= {at_least}")
    return x


@dataclass(frozen=True)
class Direction:
    """``tanh(x . direction / width)``, in (-1, 1): further along the direction is better, but with a ceiling."""

    degrees: float = 0.0
    width: float = 2.5

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        return (_along(x, self.degrees) / self.width).tanh()


@dataclass(frozen=True)
class Plane:
    """``slope * x . direction``: linear and unbounded."""

    degrees: float = 0.0
    slope: float = 1 / 3

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        return self.slope * _along(x, self.degrees)


@dataclass(frozen=True)
class Bump:
    """``height * exp(-|x - centre|^2 / (2 width^2))``, in (0, height]."""

    centre: tuple[float, ...] = (2.1, 2.1)
    width: float = 1.5
    height: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        centre = x.new_tensor(self.centre[: _coordinates(x).shape[1]])
        return self.height * (-(x - centre).square().sum(-1) / (2 * self.width**2)).exp()


@dataclass(frozen=True)
class Ring:
    """``exp(-(|x| - radius)^2 / (2 width^2))``, in (0, 1]: best on a circle around the origin."""

    radius: float = 1.8
    width: float = 0.8

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        return (-(_coordinates(x).norm(dim=-1) - self.radius).square() / (2 * self.width**2)).exp()


@dataclass(frozen=True)
class Angle:
    """``cos(angle of x - degrees)``, in [-1, 1]: only the direction counts, not the distance. Zero at the origin."""

    degrees: float = 90.0

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n,)."""
        return _along(_coordinates(x, 2), self.degrees) / x.norm(dim=-1).clamp_min(1e-6)


@dataclass(frozen=True)
class Box:
    """1 inside an axis-aligned box, 0 outside: a yes-or-no reward without a gradient."""

    low: tuple[float, ...] = (0.0, -4.0)
    high: tuple[float, ...] = (4.0, 4.0)

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        d = _coordinates(x).shape[1]
        inside = (x >= x.new_tensor(self.low[:d])) & (x <= x.new_tensor(self.high[:d]))
        return inside.all(-1).to(x.dtype)


@dataclass(frozen=True)
class Sum:
    """``sum_i coefficients_i r_i(x)`` of any rewards."""

    rewards: tuple[Reward, ...]
    coefficients: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.rewards:
            raise checks.fail("rewards", self.rewards, "at least one reward")
        if self.coefficients is not None and len(self.coefficients) != len(self.rewards):
            raise checks.fail("coefficients", self.coefficients, f"{len(self.rewards)} numbers, one a reward")

    def __call__(self, x: Tensor) -> Tensor:
        """(n, *event) -> (n,)."""
        coefficients = self.coefficients or (1.0,) * len(self.rewards)
        return torch.stack([c * r(x) for c, r in zip(coefficients, self.rewards)]).sum(0)


def _along(x: Tensor, degrees: float) -> Tensor:
    """The coordinate of ``x`` along a direction in the plane; on a line, the coordinate itself."""
    if _coordinates(x).shape[1] == 1:
        return x[:, 0] * math.cos(math.radians(degrees))
    angle = math.radians(degrees)
    return x[:, 0] * math.cos(angle) + x[:, 1] * math.sin(angle)


_REWARDS: dict[str, Reward] = {
    "right": Direction(),
    "plane": Plane(),
    "bump": Bump(),
    "ring": Ring(),
    "angle": Angle(),
    "box": Box(),
    "two_bumps": Sum((Bump((-2.1, 2.1), 1.0, 0.7), Bump((2.1, -2.1), 1.0, 1.0))),
}


def names() -> list[str]:
    """The names that ``get`` knows."""
    return list(_REWARDS)


def get(name: str) -> Reward:
    """The reward called ``name``; ``ValueError`` lists the names there are."""
    return _REWARDS[checks.choice("reward", name, _REWARDS)]


def evaluate(reward: Reward, x: Tensor) -> Tensor:
    """``reward(x)`` checked: (n,) floating, finite, without gradient, on x's device; see ``foreign.values``.

    Raises:
        ValueError: the reward raises, returns another shape, or returns NaN or infinity.
    """
    if not callable(reward):
        raise checks.fail("reward", reward, "a callable (n, *event) -> (n,), or rewards.get(name)")
    return foreign.values("reward", reward, checks.points("x", x))
