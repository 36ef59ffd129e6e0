"""Checks of arguments: each raises a ValueError that names the argument, its value and what is allowed."""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def fail(name: str, value: Any, allowed: str) -> ValueError:
    """The error that every check raises, for checks that do not fit one of the functions below."""
    return ValueError(f"{name} is {_brief(value)}; allowed: {allowed}")


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """``value`` must be one of the names in ``allowed``."""
    options = list(allowed)
    if not isinstance(value, str) or value not in options:
        raise fail(name, value, "one of " + ", ".join(repr(o) for o in options))
    return value


def number(name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf) -> float:
    """``value`` must be a finite real number with ``low <= value <= high`` and ``value > above``."""
    limits = [f">= {low:g}"] * (low > -math.inf) + [f"> {above:g}"] * (above > -math.inf)
    allowed = " ".join(["a finite number", " and ".join(limits + [f"<= {high:g}"] * (high < math.inf))]).strip()
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise fail(name, value, allowed)
    result = float(value)
    if not (low <= result <= high and result > above):
        raise fail(name, value, allowed)
    return result


def integer(name: str, value: Any, *, low: int = 1, high: int | None = None) -> int:
    """``value`` must be a whole number with ``low <= value <= high``."""
    allowed = f"a whole number >= {low}" + (f" and <= {high}" if high is not None else "")
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        raise fail(name, value, allowed)
    return int(value)


def points(name: str, x: Any, event_shape: tuple[int, ...] | None = None) -> Tensor:
    """``x`` must be a finite floating tensor of shape (n, *event_shape) with n >= 1; any event shape if None."""
    wanted = "(n, ...)" if event_shape is None else f"(n, {', '.join(map(str, event_shape))})"
    allowed = f"a finite floating-point tensor of shape {wanted} with n >= 1"
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2 or len(x) == 0:
        raise fail(name, x, allowed)
    if event_shape is not None and tuple(x.shape[1:]) != tuple(event_shape):
        raise fail(name, x, allowed)
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinite values; allowed: {allowed}")
    return x
