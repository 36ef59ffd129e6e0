"""Checks of arguments: each raises a ValueError that names the argument, its value and what is allowed.

What people have at hand is taken as it is: numpy's numbers and arrays, lists, tensors of one number. A check returns
the plain Python number or the tensor that the code behind it works with.
"""

import math
import operator
import reprlib
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SEEDS = 2**32
"""how many seeds there are: torch's generator looks at 32 bits, and a larger seed would repeat a smaller one's run"""
LARGEST = 2**63 - 1
"""the largest whole number that torch takes"""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""the floating types in which torch can compute"""

_short = reprlib.Repr()  # never the whole of something large
_short.maxstring = _short.maxother = 80


def fail(name: str, value: Any, allowed: str) -> ValueError:
    """The error that every check raises, for checks that do not fit one of the functions below."""
    return ValueError(f"{name} is {_brief(value)}; allowed: {allowed}")


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {value.dtype}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return _short.repr(value)[:120]


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """``value`` must be one of the names in ``allowed``."""
    options = list(allowed)
    if not isinstance(value, str) or value not in options:
        raise fail(name, value, "one of " + ", ".join(repr(o) for o in options))
    return value


def yes_or_no(name: str, value: Any) -> bool:
    """``value`` must be true or false."""
    plain = _scalar(value)
    if not isinstance(plain, bool | np.bool_):
        raise fail(name, value, "True or False")
    return bool(plain)


def number(name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf) -> float:
    """``value`` must be a finite real number with ``low <= value <= high`` and ``value > above``."""
    limits = [f">= {low:g}"] * (low > -math.inf) + [f"> {above:g}"] * (above > -math.inf)
    allowed = " ".join(["a finite number", " and ".join(limits + [f"<= {high:g}"] * (high < math.inf))]).strip()
    plain = _scalar(value)
    if isinstance(plain, bool | np.bool_) or not isinstance(plain, Real):
        raise fail(name, value, allowed)
    try:
        result = float(plain)
    except OverflowError as error:
        raise fail(name, value, allowed) from error
    if not (math.isfinite(result) and low <= result <= high and result > above):
        raise fail(name, value, allowed)
    return result


def numbers(
    name: str, values: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
) -> tuple[float, ...]:
    """``values`` must be at least one number, in any sequence or array of one dimension; each as ``number`` has it."""
    if isinstance(values, str | bytes | dict) or getattr(values, "ndim", 1) != 1:
        raise fail(name, values, "a list of numbers")
    try:
        found = tuple(values)
    except TypeError as error:
        raise fail(name, values, "a list of numbers") from error
    if not found:
        raise fail(name, values, "at least one number")
    return tuple(number(name, value, low=low, high=high, above=above) for value in found)


def integer(name: str, value: Any, *, low: int = 1, high: int | None = None) -> int:
    """``value`` must be a whole number with ``low <= value <= high``, and below 2^63."""
    allowed = f"a whole number >= {low}" + (f" and <= {high}" if high is not None else "")
    plain = _scalar(value)
    if isinstance(plain, bool | np.bool_):
        raise fail(name, value, allowed)
    try:
        whole = operator.index(plain)
    except TypeError as error:
        raise fail(name, value, allowed) from error
    if whole > LARGEST:
        allowed += " and below 2^63" if high is None else ""
    if whole < low or whole > (LARGEST if high is None else high):
        raise fail(name, value, allowed)
    return whole


def seed(name: str, value: Any) -> int:
    """``value`` must be a seed: a whole number from 0 to 2^32 - 1."""
    return integer(name, value, low=0, high=SEEDS - 1)


def shape(name: str, value: Any) -> tuple[int, ...]:
    """``value`` must be the shape of one sample: at least one whole number, each >= 1."""
    allowed = "whole numbers >= 1, such as (2,) or (1, 8, 8)"
    try:
        found = () if isinstance(value, str | bytes | dict) else tuple(integer(name, size) for size in value)
    except (TypeError, ValueError) as error:
        raise fail(name, value, allowed) from error
    if not found:
        raise fail(name, value, allowed)
    return found


def floating(name: str, value: Any) -> torch.dtype:
    """``value`` must be a floating type of torch's."""
    if value not in FLOATS:
        raise fail(name, value, "a floating type, such as torch.float32")
    return value


def device(name: str, value: Any) -> torch.device:
    """``value`` must be a device, or the name of one, on which numbers can be kept."""
    try:
        found = torch.device(value)
        torch.empty(0, device=found)
    except (TypeError, RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise fail(name, value, f"a device that is there, such as 'cpu' ({error})") from error
    if found.type == "meta":
        raise fail(name, value, "a device that keeps numbers, such as 'cpu'")
    return found


def generator(name: str, value: Any) -> torch.Generator:
    """``value`` must be a torch.Generator of the CPU: all is drawn there, and every device gets the same numbers."""
    if not isinstance(value, torch.Generator) or value.device.type != "cpu":
        raise fail(name, value, "a torch.Generator of the CPU, such as torch.Generator().manual_seed(0)")
    return value


def folder(name: str, value: Any, allowed: str = "a folder that is there") -> Path:
    """``value`` must name a folder that is there; ``~`` is home."""
    try:
        place = Path(value).expanduser()
        found = str(value) != "" and place.is_dir()
    except (TypeError, ValueError, OSError, RuntimeError):
        found = False
    if not found:
        raise fail(name, value, allowed)
    return place


def tensor(name: str, x: Any, allowed: str) -> Tensor:
    """``x``, a tensor, array or nested list of real numbers, as a floating tensor; ``allowed`` is for the error.

    Whole numbers and truth values become torch's default floating type; a floating type, a device and a gradient stay.
    """
    if not isinstance(x, Tensor):
        try:
            if isinstance(x, np.ma.MaskedArray):
                raise TypeError("masked")
            own = np.array(x)  # a copy: arrays may be read-only or reversed
            x = torch.from_numpy(own.astype(own.dtype.newbyteorder("="), copy=False))
        except (TypeError, ValueError, RuntimeError) as error:
            raise fail(name, x, allowed) from error
    if x.is_complex() or x.is_quantized or x.layout != torch.strided or x.is_meta:
        raise fail(name, x, allowed)
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    if x.dtype not in FLOATS:
        raise fail(name, x, allowed)
    if x.is_inference():  # such a tensor cannot take part in anything that is differentiated
        with torch.inference_mode(False):
            x = x.clone()
    return x


def array(name: str, x: Any, allowed: str) -> Tensor:
    """``x`` as ``tensor`` has it, all of it finite."""
    x = tensor(name, x, allowed)
    if not all_finite(x):
        raise ValueError(f"{name} holds NaN or infinite values; allowed: {allowed}")
    return x


def points(name: str, x: Any, event_shape: tuple[int, ...] | None = None, *, at_least: int = 1) -> Tensor:
    """``x`` must hold finite real numbers in shape (n, *event_shape), n >= ``at_least``; any event shape if None.

    Returns a floating tensor: see ``array``.
    """
    wanted = "(n, ...)" if event_shape is None else f"(n, {', '.join(map(str, event_shape))})"
    allowed = f"finite real numbers, a tensor or array of shape {wanted} with n >= {at_least}"
    x = array(name, x, allowed)
    if x.ndim < 2 or len(x) < at_least or x[:1].numel() == 0:
        raise fail(name, x, allowed)
    if event_shape is not None and tuple(x.shape[1:]) != tuple(event_shape):
        raise fail(name, x, allowed)
    return x


def samples(name: str, x: Any, event_shape: tuple[int, ...]) -> Tensor:
    """``x`` must hold real numbers in shape (n, *event_shape), n >= 0, finite or not: what a network takes."""
    allowed = f"real numbers of shape (n, {', '.join(map(str, event_shape))})"
    x = tensor(name, x, allowed)
    if x.ndim == 0 or tuple(x.shape[1:]) != event_shape:
        raise fail(name, x, allowed)
    return x


def labels(name: str, values: Any, n: int, classes: int, each: str) -> Tensor:
    """``values`` must be ``n`` whole numbers from 0 to ``classes`` - 1, one for ``each`` of something: a copy, (n,)."""
    try:
        found = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        found = torch.empty(0)
    whole = found.shape == (n,) and not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if not whole or found.min() < 0 or found.max() >= classes:
        raise fail(name, values, f"{n} whole numbers from 0 to {classes - 1}, one a {each}")
    return found.long().clone()


def all_finite(x: Any) -> bool:
    """Whether every value of ``x``, numbers of any kind, is finite."""
    x = tensor("x", x, "real numbers")
    # a sum is finite only if all are: one pass in place of four; but a sum of large numbers may overflow
    return math.isfinite(float(x.detach().sum())) or bool(torch.isfinite(x).all())


def _scalar(value: Any) -> Any:
    """The number in a tensor or array without dimensions; anything else as it is."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 and not getattr(value, "is_meta", False):
        return value.item()
    return value
