"""Conditional paths from noise x0 to data x1: ``x_t = noise(t) x0 + data(t) x1`` and its velocity ``u_t``."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks


def time_like(t: Tensor | float, x: Tensor) -> Tensor:
    """``t``, a scalar or (n,), shaped to broadcast over the event dimensions of ``x`` (n, *event), as x is floating."""
    x = checks.tensor("x", x, "real numbers of shape (n, *event)")
    allowed = f"a scalar or a tensor of shape ({len(x) if x.ndim else 'n'},) for x of shape {tuple(x.shape)}"
    t = checks.tensor("t", t, allowed).to(x)
    if t.ndim not in (0, 1) or (t.ndim == 1 and (x.ndim == 0 or len(t) not in (1, len(x)))):
        raise checks.fail("t", t, allowed)
    return t if t.ndim == 0 else t.reshape(-1, *[1] * (x.ndim - 1))


@dataclass(frozen=True)
class Linear:
    """The straight path ``x_t = (1 - t) x0 + t x1`` of flow matching, the paper's choice."""

    name: str = "linear"

    def noise(self, t: Tensor) -> Tensor:
        """The coefficient of x0."""
        return 1 - _times(t)

    def data(self, t: Tensor) -> Tensor:
        """The coefficient of x1."""
        return _times(t)

    def d_noise(self, t: Tensor) -> Tensor:
        """The time derivative of ``noise``."""
        return 0 * _times(t) - 1

    def d_data(self, t: Tensor) -> Tensor:
        """The time derivative of ``data``."""
        return 0 * _times(t) + 1

    def interpolate(self, t: Tensor | float, x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor]:
        """``x_t`` and ``u_t = d x_t / dt``, each (n, *event), at times ``t`` (scalar or (n,)) in [0, 1].

        Raises:
            ValueError: shapes that differ, values that are not finite, times out of range.
        """
        x0, x1 = checks.points("x0", x0), checks.points("x1", x1)
        if x0.shape != x1.shape:
            raise checks.fail("x0", x0, f"the shape of x1, {tuple(x1.shape)}")
        x0 = x0.to(x1.device)
        t = time_like(t, x0.to(torch.promote_types(x0.dtype, x1.dtype)))
        low, high = (float(end) for end in t.detach().aminmax())
        if not 0 <= low <= high <= 1:
            raise ValueError(f"t is from {low:g} to {high:g}; allowed: times in [0, 1]")
        return self.noise(t) * x0 + self.data(t) * x1, self.d_noise(t) * x0 + self.d_data(t) * x1


@dataclass(frozen=True)
class Cosine(Linear):
    """The trigonometric path ``x_t = cos(pi t / 2) x0 + sin(pi t / 2) x1``: it keeps unit variance for unit data."""

    name: str = "cosine"

    def noise(self, t: Tensor) -> Tensor:
        """The coefficient of x0."""
        return (math.pi / 2 * _times(t)).cos()

    def data(self, t: Tensor) -> Tensor:
        """The coefficient of x1."""
        return (math.pi / 2 * _times(t)).sin()

    def d_noise(self, t: Tensor) -> Tensor:
        """The time derivative of ``noise``."""
        return -math.pi / 2 * (math.pi / 2 * _times(t)).sin()

    def d_data(self, t: Tensor) -> Tensor:
        """The time derivative of ``data``."""
        return math.pi / 2 * (math.pi / 2 * _times(t)).cos()


def _times(t: Tensor) -> Tensor:
    return checks.tensor("t", t, "real numbers")


_PATHS: dict[str, Linear] = {"linear": Linear(), "cosine": Cosine()}


def names() -> list[str]:
    """The names that ``get`` knows."""
    return list(_PATHS)


def get(name: str) -> Linear:
    """The path called ``name``."""
    return _PATHS[checks.choice("path", name, _PATHS)]
