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


@dataclass(frozen=True)
class Direction:
    """``tanh(x . direction / width)``, in (-1, 1): further along the direction is better, but with a ceiling."""

    degrees: float = 0.0
    width: float = 2.5

    def __post_init__(self) -> None:
        _set(self, degrees=checks.number("degrees", self.degrees), width=checks.number("width", self.width, above=0.0))

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        return (_along(_points(x), self.degrees) / self.width).tanh()


@dataclass(frozen=True)
class Plane:
    """``slope * x . direction``: linear and unbounded."""

    degrees: float = 0.0
    slope: float = 1 / 3

    def __post_init__(self) -> None:
        _set(self, degrees=checks.number("degrees", self.degrees), slope=checks.number("slope", self.slope))

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        return self.slope * _along(_points(x), self.degrees)


@dataclass(frozen=True)
class Bump:
    """``height * exp(-|x - centre|^2 / (2 width^2))``, in (0, height].

    ``centre`` has at least as many coordinates as the points; of a longer one the first are taken, so that one bump
    serves the plane and the line.
    """

    centre: tuple[float, ...] = (2.1, 2.1)
    width: float = 1.5
    height: float = 1.0

    def __post_init__(self) -> None:
        _set(
            self,
            centre=checks.numbers("centre", self.centre),
            width=checks.number("width", self.width, above=0.0),
            height=checks.number("height", self.height),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        x = _points(x)
        away = (x - _first("centre", self.centre, x)) / self.width  # divided first: no square of a tiny width is 0
        return self.height * (-away.square().sum(-1) / 2).exp()


@dataclass(frozen=True)
class Ring:
    """``exp(-(|x| - radius)^2 / (2 width^2))``, in (0, 1]: best on a circle around the origin."""

    radius: float = 1.8
    width: float = 0.8

    def __post_init__(self) -> None:
        _set(
            self,
            radius=checks.number("radius", self.radius, low=0.0),
            width=checks.number("width", self.width, above=0.0),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        return (-((_norm(_points(x)) - self.radius) / self.width).square() / 2).exp()


@dataclass(frozen=True)
class Angle:
    """``cos(angle of x - degrees)``, in [-1, 1]: only the direction counts, not the distance. Zero at the origin."""

    degrees: float = 90.0

    def __post_init__(self) -> None:
        _set(self, degrees=checks.number("degrees", self.degrees))

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n,)."""
        x = _points(x, at_least=2)
        return _along(x, self.degrees) / _norm(x).clamp_min(1e-6)


@dataclass(frozen=True)
class Box:
    """1 inside an axis-aligned box, 0 outside: a yes-or-no reward without a gradient.

    ``low`` and ``high`` have at least as many coordinates as the points; of longer ones the first are taken.
    """

    low: tuple[float, ...] = (0.0, -4.0)
    high: tuple[float, ...] = (4.0, 4.0)

    def __post_init__(self) -> None:
        low, high = checks.numbers("low", self.low), checks.numbers("high", self.high)
        if len(low) != len(high) or any(a > b for a, b in zip(low, high)):
            raise checks.fail("high", self.high, f"as many numbers as low = {low}, none smaller than low's")
        _set(self, low=low, high=high)

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        x = _points(x)
        inside = (x >= _first("low", self.low, x)) & (x <= _first("high", self.high, x))
        return inside.all(-1).to(x.dtype)


@dataclass(frozen=True)
class Sum:
    """``sum_i coefficients_i r_i(x)`` of any rewards."""

    rewards: tuple[Reward, ...]
    coefficients: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.rewards, list | tuple) or not self.rewards or not all(map(callable, self.rewards)):
            raise checks.fail("rewards", self.rewards, "at least one reward, each a callable (n, *event) -> (n,)")
        _set(self, rewards=tuple(self.rewards))
        if self.coefficients is not None:
            _set(self, coefficients=checks.numbers("coefficients", self.coefficients))
            if len(self.coefficients) != len(self.rewards):
                raise checks.fail("coefficients", self.coefficients, f"{len(self.rewards)} numbers, one a reward")

    def __call__(self, x: Tensor) -> Tensor:
        """(n, *event) -> (n,)."""
        x = checks.points("x", x)
        coefficients = self.coefficients or (1.0,) * len(self.rewards)
        return torch.stack([c * self._part(i, x.clone()) for i, c in enumerate(coefficients)]).sum(0)

    def _part(self, i: int, x: Tensor) -> Tensor:
        allowed = f"real numbers of shape ({len(x)},) for x of shape {tuple(x.shape)}"
        r = checks.tensor(f"rewards[{i}](x)", self.rewards[i](x), allowed).to(x.device)
        if r.shape != (len(x),):
            raise checks.fail(f"rewards[{i}](x)", r, allowed)
        return r


def _set(reward: object, **values: object) -> None:
    """Keep what the checks returned, plain numbers and tuples, in a frozen dataclass."""
    for name, value in values.items():
        object.__setattr__(reward, name, value)


def _points(x: Tensor, at_least: int = 1) -> Tensor:
    """``x`` as points (n, d), in no shorter floating type than float32."""
    x = checks.points("x", x)
    if x.ndim != 2 or x.shape[1] < at_least:
        raise checks.fail("x", x, f"points of shape (n, d) with d >= {at_least}")
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _first(name: str, values: tuple[float, ...], x: Tensor) -> Tensor:
    """As many of the ``values`` as ``x`` (n, d) has coordinates, (d,)."""
    if len(values) < x.shape[1]:
        raise checks.fail(name, values, f"at least {x.shape[1]} numbers, for x of shape {tuple(x.shape)}")
    return x.new_tensor(values[: x.shape[1]])


def _norm(x: Tensor) -> Tensor:
    """``|x|`` of each point, (n, d) -> (n,), however large or small its coordinates."""
    top = x.detach().abs().amax(-1, keepdim=True)
    unit = torch.where(top > 0, top, 1.0)
    return unit.squeeze(-1) * (x / unit).norm(dim=-1)


def _along(x: Tensor, degrees: float) -> Tensor:
    """The coordinate of ``x`` along a direction in the plane; on a line, the coordinate itself."""
    angle = math.radians(degrees)
    if x.shape[1] == 1:
        return x[:, 0] * math.cos(angle)
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
    return foreign.values("reward", reward, x)
