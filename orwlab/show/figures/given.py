"""What figures are given, checked: numbers along a line, points, images of values, names, panels.

Everything comes back as numpy arrays on the CPU without gradients, in float32 where that loses nothing but digits: a
figure in a file shall be small. plotly itself drops what it cannot draw without a word; so nothing of that kind gets
that far.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks

Numbers = Sequence[float] | np.ndarray | Tensor
Values = Sequence | np.ndarray | Tensor
"""what ``checks.array`` takes, of any number of dimensions"""


def line(name: str, values: Any, n: int | None = None, *, gaps: bool = False, positive: bool = False) -> np.ndarray:
    """Numbers of shape (n,), any n >= 1 if None.

    Args:
        name: what errors call them.
        values: a list, array or tensor.
        n: how many there must be.
        gaps: whether NaN is allowed, which is drawn as a gap; there must be one number besides. Infinity never is.
        positive: whether all numbers must be > 0, as on a logarithmic axis.

    Raises:
        ValueError: anything else.
    """
    allowed = f"a list, array or tensor of {'' if n is None else f'{n} '}{'positive' if positive else 'finite'} numbers"
    allowed += ", NaN for a gap" if gaps else ""
    if isinstance(values, list | tuple):  # numbers that carry a gradient are no obstacle
        values = [v.item() if isinstance(v, Tensor) and v.ndim == 0 else v for v in values]
    if isinstance(values, Tensor):
        if values.is_complex() or values.is_quantized or values.layout != torch.strided:
            raise checks.fail(name, values, allowed)
        found = values.detach().cpu().double().numpy()
    else:
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(float), np.nan)
        try:
            found = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise checks.fail(name, values, allowed) from error
        if found.dtype.kind not in "biuf":
            raise checks.fail(name, values, allowed)
    if found.ndim != 1 or len(found) == 0 or (n is not None and len(found) != n):
        raise checks.fail(name, values, allowed)
    gap = np.isnan(found)
    if np.isinf(found).any() or gap.all() or (gap.any() and not gaps):
        raise ValueError(f"{name} holds NaN or infinite values; allowed: {allowed}")
    if positive and not (found[~gap] > 0).all():
        raise ValueError(f"{name} holds {float(np.nanmin(found)):g}; allowed: {allowed}")
    return small(found, tiny=positive)


def times(name: str, values: Any) -> np.ndarray:
    """Flow times (n,), increasing from 0 at the earliest to 1 at the latest, but for rounding."""
    t = line(name, values)
    if t.min() < -1e-3 or t.max() > 1 + 1e-3 or (np.diff(t) <= 0).any():
        raise checks.fail(name, values, "increasing numbers from 0 to 1")
    return t


def points(name: str, x: Any, dim: int = 2) -> np.ndarray:
    """Points of shape (n, ``dim``), n >= 1, all finite."""
    return plain(checks.points(name, x, (dim,)))


def field(name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Finite values of this shape, None being any length >= 1."""
    return small(_field(name, values, shape))


def _field(name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """In float64."""
    letters = iter("nmkl")
    wanted = f"({', '.join(next(letters) if size is None else str(size) for size in shape)}{',' * (len(shape) == 1)})"
    allowed = f"finite real numbers, a tensor or array of shape {wanted}"
    x = checks.array(name, values, allowed)
    fits = x.ndim == len(shape) and all(size in (None, have) for size, have in zip(shape, x.shape))
    if not fits or x.numel() == 0:
        raise checks.fail(name, values, allowed)
    return x.detach().cpu().double().numpy()


def density(name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Values that are at least 0, but for rounding, and not all 0, in float64."""
    p = _field(name, values, shape)
    top = float(p.max())
    if top <= 0 or float(p.min()) < -1e-6 * top:
        raise ValueError(
            f"{name} goes from {float(p.min()):g} to {top:g}; allowed: a density, >= 0 and not 0 everywhere"
        )
    return np.maximum(p, 0)


def plain(x: Tensor) -> np.ndarray:
    """A tensor as an array."""
    return small(x.detach().cpu().double().numpy())


def small(x: np.ndarray, *, tiny: bool = False) -> np.ndarray:
    """In float32, unless that overflows or, where ``tiny`` numbers matter, makes a zero of them."""
    with np.errstate(over="ignore", under="ignore"):
        short = x.astype(np.float32)
    lost = (np.isinf(short) & ~np.isinf(x)) | (tiny & (short == 0) & (x != 0))
    return x.astype(np.float64) if lost.any() else short


def words(name: str, value: Any) -> str:
    """A text, perhaps empty."""
    if not isinstance(value, str):
        raise checks.fail(name, value, "a text")
    return str(value)


def panels(name: str, values: Any, parts: str) -> list[tuple[Any, ...]]:
    """At least one panel, each as many parts as ``parts`` names, separated by commas; the first is the heading."""
    count, allowed = parts.count(",") + 1, f"at least one ({parts})"
    try:
        found = [] if isinstance(values, str | bytes | Mapping | Tensor | np.ndarray) else list(values)
    except TypeError as error:
        raise checks.fail(name, values, allowed) from error
    if not found:
        raise checks.fail(name, values, allowed)
    for panel in found:
        if not isinstance(panel, tuple | list) or len(panel) != count or not isinstance(panel[0], str):
            raise checks.fail(f"a panel of {name}", panel, f"({parts}), the heading a text")
    return [tuple(panel) for panel in found]


def by_name(name: str, values: Any, allowed: str, *, empty: bool = False) -> dict[str, Any]:
    """Series by their names, which are texts; at least one unless ``empty``."""
    if not isinstance(values, Mapping) or not (values or empty) or not all(isinstance(key, str) for key in values):
        raise checks.fail(name, values, allowed)
    return dict(values)


def instances(name: str, values: Any, kind: type) -> list[Any]:
    """At least one ``kind``, in any sequence."""
    allowed = f"at least one {kind.__name__}, in a list"
    try:
        found = list(values)
    except TypeError as error:
        raise checks.fail(name, values, allowed) from error
    if not found or not all(isinstance(value, kind) for value in found):
        raise checks.fail(name, values, allowed)
    return found


def among(name: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Every name in ``given`` must be one of ``known``: what matches nothing would not be drawn."""
    unknown = [key for key in given if key not in known]
    if unknown:
        raise checks.fail(name, unknown, "names of what is drawn: " + ", ".join(repr(key) for key in known))


def for_each(name: str, values: Any, count: int) -> list[Any]:
    """One value for each of ``count`` panels; nothing at all stands for None everywhere."""
    allowed = f"nothing, or one for each of {count} panels, None where there is none"
    if values is None or isinstance(values, str | bytes | Mapping | Tensor | np.ndarray):
        raise checks.fail(name, values, allowed)
    try:
        found = list(values)
    except TypeError as error:
        raise checks.fail(name, values, allowed) from error
    if found and len(found) != count:
        raise ValueError(f"{name} holds {len(found)} entries; allowed: {allowed}")
    return found or [None] * count
