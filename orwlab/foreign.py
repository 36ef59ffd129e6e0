"""Calling what somebody else wrote, a reward, a density or a velocity: copies go in, checked values come out.

Nothing that such a callable does to its argument reaches the caller; a network is evaluated as it is used and not as it
is trained, where it lies and in its own floating type; and what comes back is checked once, here, with an error that
names what is wrong.
"""

import contextlib
import functools
import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks

_TIMES = ("t", "time", "times", "s", "timestep", "timesteps")
_DEPTH = 4  # how far networks are looked for behind a callable
_LIBRARIES = sys.stdlib_module_names | {"torch", "numpy", "scipy"}  # nobody's network lies in there

_lock = threading.Lock()
_resting: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()  # how many blocks hold each part


def networks(f: Any) -> list[nn.Module]:
    """The networks that calling ``f`` may run: ``f`` itself, and what it holds or, as a function, refers to.

    So that ``lambda x: classifier(x)[:, 0]`` is treated like the classifier. What lies deeper is not found.
    """
    found: dict[int, nn.Module] = {}
    seen: set[int] = set()

    def look(value: Any, depth: int) -> None:
        if depth == 0 or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, nn.Module):
            found[id(value)] = value
            held = [v for part in value.modules() for k, v in vars(part).items() if not k.startswith("_")]
            held = [v for v in held if isinstance(v, FunctionType | MethodType | functools.partial)]
        elif isinstance(value, list | tuple):
            held = list(value[:16])
        elif isinstance(value, dict):
            held = list(value.values())[:16]
        elif isinstance(value, functools.partial):
            held = [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, MethodType):
            held = [value.__self__, value.__func__]
        elif isinstance(value, FunctionType):
            held = _refers_to(value)
        elif isinstance(value, type | ModuleType | Tensor):
            held = []
        elif callable(value):
            held = [*getattr(value, "__dict__", {}).values(), type(value).__call__]
        elif depth == _DEPTH - 1:  # the object behind a method, or one whose attributes a function uses
            held = list(getattr(value, "__dict__", {}).values())
        else:
            held = []
        for part in held:
            look(part, depth - 1)

    look(f, _DEPTH)
    return list(found.values())


def _refers_to(f: FunctionType) -> list[Any]:
    """The values of a function's free and global names, and of its defaults."""
    if (f.__module__ or "").split(".")[0] in _LIBRARIES - {"__main__"}:
        return []

    def names(code: CodeType) -> set[str]:
        inner = [names(part) for part in code.co_consts if isinstance(part, CodeType)]
        return set(code.co_names).union(*inner)

    held = [f.__globals__[name] for name in sorted(names(f.__code__)) if name in f.__globals__]
    for cell in f.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet
            held.append(cell.cell_contents)
    return [*held, *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]


@contextlib.contextmanager
def at_rest(f: Any) -> Iterator[None]:
    """Within the block, all ``networks`` of ``f`` are in eval mode with all their parts; afterwards as they were.

    In training mode a batch normalisation would learn from what it is asked about, and dropout would answer at random.
    """
    parts = dict.fromkeys(part for network in networks(f) for part in network.modules())
    with _lock:  # two threads may ask one network: the one that is done first must not switch training on
        held = [part for part in parts if part.training or part in _resting]
        for part in held:
            _resting[part] = _resting.get(part, 0) + 1
            part.training = False
    try:
        yield
    finally:
        with _lock:
            for part in held:
                _resting[part] -= 1
                if _resting[part] == 0:
                    del _resting[part]
                    part.training = True


def home_of(f: Any) -> tuple[torch.dtype | None, torch.device | None]:
    """In which floating type and on which device ``networks(f)`` compute; None where no floating parameter says."""
    for network in networks(f):
        for p in network.parameters():
            if p.is_floating_point():
                return p.dtype, p.device
    return None, None


def dtype_of(f: Any) -> torch.dtype | None:
    """The floating type in which ``networks(f)`` compute; None where no floating parameter says."""
    return home_of(f)[0]


def values(name: str, f: Any, x: Tensor, *, infinite: bool = False) -> Tensor:
    """``f(x)``, one real number a point: (n,), on x's device, without gradient.

    ``f`` sees a copy of ``x``, and may differentiate on its own. It is asked in its network's floating type and on its
    device, else in x's, but in no shorter one than float32; and once more in others if it does not take that.

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
    x, infinite = checks.points("x", x), checks.yes_or_no("infinite", infinite)
    allowed = f"real numbers of shape ({len(x)},) for x of shape {tuple(x.shape)}"
    with torch.inference_mode(False), torch.enable_grad(), at_rest(f):
        r = checks.tensor(f"{name}(x)", _answer(name, f, x.detach(), allowed), allowed).detach()
    if r.shape != (len(x),):
        raise checks.fail(f"{name}(x)", r, allowed)
    r = r.to(device=x.device, dtype=torch.promote_types(x.dtype, torch.float32))
    bad = r.isnan() if infinite else ~torch.isfinite(r)
    if bad.any():
        what, fine = ("NaN", "numbers or infinity") if infinite else ("NaN or infinite", "finite values")
        raise ValueError(f"{name}(x) is {what} at {int(bad.sum())} of {len(x)} points; allowed: {fine}")
    return r


def _answer(name: str, f: Callable[[Tensor], Any], x: Tensor, allowed: str) -> Any:
    own, device = home_of(f)
    plain = torch.promote_types(x.dtype, torch.float32)
    first: Exception | None = None
    for dtype in dict.fromkeys((own or plain, plain, torch.float32, torch.float64)):
        try:
            return f(x.to(device=device or x.device, dtype=dtype, copy=True))
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            first = first or error
            if not isinstance(error, RuntimeError):  # with which torch refuses a floating type
                break
    raise ValueError(
        f"{name} raised {type(first).__name__}: {first}; it was called with points of shape {tuple(x.shape)} and dtype "
        f"{own or plain}; allowed: a callable that gives {allowed}"
    ) from first


def velocity(name: str, v: Any, *more: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """``v`` as a velocity that can be trusted: (t, x) -> u of x's shape, in x's floating type and on its device.

    ``v`` sees copies, in its network's floating type and on its device. Gradients pass.

    Args:
        name: what errors call it.
        v: a callable (t, x, *more) -> (n, *event).
        more: handed on as they are.

    Raises:
        ValueError: ``v`` is no callable or takes x before t, at once; it raises, or answers with another shape or with
            complex numbers, when it does.
    """
    allowed = f"a velocity v(t, x{', c' * len(more)}), time first: t scalar or (n,), x (n, *event) -> (n, *event)"
    if not callable(v):
        raise checks.fail(name, v, allowed)
    first = _parameters(v)[:2]
    if len(first) == 2 and first[1].lower() in _TIMES and first[0].lower() not in _TIMES:
        raise ValueError(f"{name} takes ({first[0]}, {first[1]}); allowed: {allowed}")
    dtype, device = home_of(v)

    def checked(t: Tensor, x: Tensor) -> Tensor:
        where, how = device or x.device, dtype or x.dtype
        try:
            u = v(t.to(where, how, copy=True), x.to(where, how, copy=True), *more)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"{name} raised {type(error).__name__}: {error}; it was called with t of shape {tuple(t.shape)} and "
                f"x of shape {tuple(x.shape)} and dtype {how}; allowed: {allowed}"
            ) from error
        u = checks.tensor(f"{name}(t, x)", u, f"{allowed}; x was {tuple(x.shape)}")
        if u.shape != x.shape:
            raise checks.fail(f"{name}(t, x)", u, f"{allowed}; x was {tuple(x.shape)}")
        return u.to(x)

    return checked


def _parameters(f: Any) -> list[str]:
    try:
        return list(inspect.signature(f.forward if isinstance(f, nn.Module) else f).parameters)
    except (TypeError, ValueError):  # builtins and the like do not say
        return []
