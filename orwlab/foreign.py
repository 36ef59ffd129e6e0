"""Calling what somebody else wrote, a reward, a density or a velocity: copies go in, checked values come out.

Nothing that such a callable does to its argument reaches the caller; a network is evaluated as it is used and not as it
is trained; and what comes back is checked once, here, with an error that names what is wrong.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks

_STATES = ("x", "x_t", "xt", "y", "z", "state")
_TIMES = ("t", "time", "times", "s", "timestep", "timesteps")


@contextlib.contextmanager
def at_rest(f: Any) -> Iterator[None]:
    """Within the block, ``f`` and all its parts are in eval mode if it is a network; afterwards as they were.

    In training mode a batch normalisation would learn from what it is asked about, and dropout would answer at random.
    """
    training = [part for part in f.modules() if part.training] if isinstance(f, nn.Module) else []
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def dtype_of(f: Any) -> torch.dtype | None:
    """The floating type in which a network computes; None for what has no floating parameters."""
    if not isinstance(f, nn.Module):
        return None
    return next((p.dtype for p in f.parameters() if p.is_floating_point()), None)


def values(name: str, f: Any, x: Tensor, *, infinite: bool = False) -> Tensor:
    """``f(x)``, one real number a point: (n,), on x's device, without gradient.

    ``f`` sees a copy of ``x``, and may differentiate on its own. It is asked in its own floating type if it is a
    network, else in x's, and once more in float32 if it does not take that.

    Args:
        name: what errors call it.
        f: a callable (n, *event) -> (n,); arrays, lists and whole numbers are taken too.
        x: (n, *event).
        infinite: whether infinite values are allowed.

    Returns:
        In x's floating type, or float32 if that is a shorter one.

    Raises:
        ValueError: ``f`` is no callable, raises, or returns another shape, complex numbers, NaN or infinity.
    """
    if not callable(f):
        raise checks.fail(name, f, "a callable (n, *event) -> (n,)")
    own = dtype_of(f) or x.dtype
    with torch.inference_mode(False), torch.enable_grad(), at_rest(f):
        try:
            r = f(x.detach().to(own, copy=True))
        except Exception as first:
            try:
                if own == torch.float32:
                    raise first
                r = f(x.detach().to(torch.float32, copy=True))
            except Exception:
                raise ValueError(
                    f"{name} raised {type(first).__name__}: {first}; it was called with points of shape "
                    f"{tuple(x.shape)} and dtype {own}"
                ) from first
    allowed = f"real numbers of shape ({len(x)},) for x of shape {tuple(x.shape)}"
    if not isinstance(r, Tensor):
        try:
            r = torch.as_tensor(r)
        except (TypeError, ValueError, RuntimeError) as error:
            raise checks.fail(f"{name}(x)", r, allowed) from error
    if r.shape != (len(x),) or r.is_complex():
        raise checks.fail(f"{name}(x)", r, allowed)
    r = r.detach().to(device=x.device, dtype=torch.promote_types(x.dtype, torch.float32))
    bad = r.isnan() if infinite else ~torch.isfinite(r)
    if bad.any():
        what, fine = ("NaN", "numbers or infinity") if infinite else ("NaN or infinite", "finite values")
        raise ValueError(f"{name}(x) is {what} at {int(bad.sum())} of {len(x)} points; allowed: {fine}")
    return r


def velocity(name: str, v: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """``v`` with every answer's shape checked: (t, x) -> u of x's shape.

    Raises:
        ValueError: ``v`` is no callable or takes x before t, at once; it raises, or answers with another shape or with
            complex numbers, when it does.
    """
    allowed = "a velocity v(t, x), time first: t scalar or (n,), x (n, *event) -> (n, *event)"
    if not callable(v):
        raise checks.fail(name, v, allowed)
    first = _parameters(v)[:2]
    if len(first) == 2 and first[0] in _STATES and first[1] in _TIMES:
        raise ValueError(f"{name} takes ({first[0]}, {first[1]}); allowed: {allowed}")

    def checked(t: Tensor, x: Tensor) -> Tensor:
        try:
            u = v(t, x)
        except (RuntimeError, TypeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise ValueError(
                f"{name} raised {type(error).__name__}: {error}; it was called with t of shape {tuple(t.shape)} and "
                f"x of shape {tuple(x.shape)} and dtype {x.dtype}; allowed: {allowed}"
            ) from error
        if not isinstance(u, Tensor) or u.shape != x.shape or u.is_complex():
            raise checks.fail(f"{name}(t, x)", u, f"{allowed}; x was {tuple(x.shape)}")
        return u

    return checked


def _parameters(f: Any) -> list[str]:
    try:
        return list(inspect.signature(f.forward if isinstance(f, nn.Module) else f).parameters)
    except (TypeError, ValueError):  # builtins and the like do not say
        return []
