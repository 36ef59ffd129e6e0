"""Calling what somebody else wrote, a reward, a density or a velocity: copies go in, checked values come out.

Nothing that such a callable does to its argument reaches the caller; a network is evaluated as it is used and not as it
is trained, where it lies and in its own floating type; and what comes back is checked once, here, with an error that
names what is wrong.
"""

import contextlib
import functools
import importlib
import importlib.machinery
import inspect
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks

_TIMES = ("t", "time", "times", "s", "timestep", "timesteps")
_DEPTH = 4  # how far networks are looked for behind a callable
_LIBRARIES = sys.stdlib_module_names | {"torch", "numpy", "scipy"}  # nobody's network lies in there

_FUNCTIONS = (FunctionType, MethodType, functools.partial)

_lock = threading.Lock()
_resting: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()  # how many blocks hold each part


def named(name: str, spec: Any, home: str | PathLike[str] | None = None) -> Any:
    """What ``"module:function"`` names; of a class, what it makes when it is called without arguments.

    Args:
        name: what errors call it.
        spec: the name of a module, a colon, and that of something in it.
        home: a folder with modules of one's own, which come before those that are installed. It stays on Python's path,
            for what they import later.

    Raises:
        ValueError: there is no such thing, or it cannot be imported.
    """
    allowed = '"module:function"'
    if not isinstance(spec, str) or not re.fullmatch(r"[\w.]+:[\w.]+", spec):
        raise checks.fail(name, spec, allowed)
    module, _, inside = spec.partition(":")
    try:
        found = _imported(module, None if home is None else checks.folder("home", home))
    except Exception as error:  # whatever somebody's module does
        said = f"{type(error).__name__}: {error}"
        raise checks.fail(name, spec, f"{allowed} that can be imported ({said})") from error
    for part in inside.split("."):
        if not hasattr(found, part):
            raise checks.fail(name, spec, f"the name of something in {module} ({getattr(found, '__file__', '')})")
        found = getattr(found, part)
    if not isinstance(found, type):
        return found
    try:
        return found()
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise checks.fail(name, spec, f"a class that needs no arguments ({said})") from error


def _imported(module: str, home: Path | None) -> ModuleType:
    if home is None:
        return importlib.import_module(module)
    place = str(home.absolute())
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    top = module.partition(".")[0]
    there, known = importlib.machinery.PathFinder.find_spec(top, [place]), sys.modules.get(top)
    if there is not None and known is not None and getattr(known, "__file__", None) != there.origin:
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]  # of another folder
    return importlib.import_module(module)


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
        held: list[Any]
        if isinstance(value, nn.Module):
            found[id(value)] = value
            parts = [part for part in value.modules() if not type(part).__module__.startswith("torch.")]
            held = [v for part in parts for v in vars(part).values() if isinstance(v, _FUNCTIONS)]
        elif isinstance(value, _Checked):
            held = list(value._networks)
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

    if isinstance(f, _Checked):
        return list(f._networks)
    look(f, _DEPTH)
    return list(found.values())


def _refers_to(f: FunctionType) -> list[Any]:
    """The values of a function's free and global names, and of its defaults."""
    if (f.__module__ or "").split(".")[0] in _LIBRARIES - {"__main__"}:
        return []
    held = [f.__globals__[name] for name in _names_in(f.__code__) if name in f.__globals__]
    for cell in f.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet
            held.append(cell.cell_contents)
    return [*held, *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]


def at_rest(f: Any) -> contextlib.AbstractContextManager[None]:
    """Within the block, all ``networks`` of ``f`` are in eval mode with all their parts; afterwards as they were.

    In training mode a batch normalisation would learn from what it is asked about, and dropout would answer at random.
    """
    return _at_rest(networks(f))


@functools.lru_cache(maxsize=1024)
def _names_in(code: CodeType) -> list[str]:
    """The global names and attributes that a function's code, and the functions in it, refer to."""
    inner = [_names_in(part) for part in code.co_consts if isinstance(part, CodeType)]
    return sorted({*code.co_names}.union(*inner))


@contextlib.contextmanager
def _at_rest(found: list[nn.Module]) -> Iterator[None]:
    parts = dict.fromkeys(part for network in found for part in network.modules())
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
    return _home(networks(f))


def _home(found: list[nn.Module]) -> tuple[torch.dtype | None, torch.device | None]:
    for network in found:
        for p in network.parameters():
            if p.is_floating_point():
                return p.dtype, p.device
    return None, None


def dtype_of(f: Any) -> torch.dtype | None:
    """The floating type in which ``networks(f)`` compute; None where no floating parameter says."""
    return home_of(f)[0]


def at_home(f: Any, x: Any) -> Tensor:
    """``x``, numbers, where ``networks(f)`` compute and in their floating type, but in no shorter one than float32."""
    x = checks.tensor("x", x, "real numbers")
    dtype, device = home_of(f)
    return x.to(device or x.device, torch.promote_types(dtype or x.dtype, torch.float32))


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
    with torch.inference_mode(False), torch.enable_grad():
        return _values(name, f, checks.points("x", x).detach(), infinite).detach()


def _values(name: str, f: Any, x: Tensor, infinite: bool = False) -> Tensor:
    """``values``, with the gradient that leads back to ``x``."""
    if not callable(f):
        raise checks.fail(name, f, "a callable (n, *event) -> (n,)")
    infinite = checks.yes_or_no("infinite", infinite)
    allowed = f"real numbers of shape ({len(x)},) for x of shape {tuple(x.shape)}"
    found = networks(f)
    with _at_rest(found):
        r = checks.tensor(f"{name}(x)", _answer(name, f, x, allowed, _home(found)), allowed)
    if r.shape != (len(x),):
        raise checks.fail(f"{name}(x)", r, allowed)
    r = r.to(device=x.device, dtype=torch.promote_types(x.dtype, torch.float32))
    if not checks.all_finite(r) and (bad := r.isnan() if infinite else ~torch.isfinite(r)).any():
        what, fine = ("NaN", "numbers or infinity") if infinite else ("NaN or infinite", "finite values")
        raise ValueError(f"{name}(x) is {what} at {int(bad.sum())} of {len(x)} points; allowed: {fine}")
    return r


def slope(name: str, f: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """``f(x)`` and its gradient in x: (n,) and (n, *event), where x is and in its floating type.

    Args:
        name: what errors call it.
        f: a callable (n, *event) -> (n,), made of operations that torch can differentiate, each point's for itself.
        x: (n, *event).

    Raises:
        ValueError: as ``values`` does; ``f`` has no gradient, or one that is not finite.
    """
    x = checks.points("x", x)
    with torch.inference_mode(False), torch.enable_grad():
        along = x.detach().clone().requires_grad_()
        try:
            r = _values(name, f, along)
        except ValueError:  # numpy refuses numbers that carry a gradient
            r = _values(name, f, x.detach())
        if not r.requires_grad:
            raise ValueError(
                f"{name} has no gradient: its values do not depend on x by way of torch; allowed: a reward made of "
                "differentiable operations, for a method that follows its slope"
            )
        (g,) = torch.autograd.grad(r.sum(), along, allow_unused=True)
    g = torch.zeros_like(along) if g is None else g
    if not checks.all_finite(g):
        bad = int((~torch.isfinite(g.flatten(1)).all(1)).sum())
        raise ValueError(
            f"the gradient of {name} is NaN or infinite at {bad} of {len(x)} points; allowed: finite values"
        )
    return r.detach(), g.detach()


def _answer(
    name: str,
    f: Callable[[Tensor], Any],
    x: Tensor,
    allowed: str,
    home: tuple[torch.dtype | None, torch.device | None],
) -> Any:
    own, device = home
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


class _Checked:
    """A velocity as ``velocity`` gives it: (t, x) -> u of x's shape, in x's floating type and on its device."""

    def __init__(self, name: str, v: Callable[..., Any], more: tuple[Any, ...], allowed: str) -> None:
        self._name, self._v, self._more, self._allowed = name, v, more, allowed
        self._networks = networks(v)
        self._dtype, self._device = _home(self._networks)

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """``v``'s answer, checked. A solver asks hundreds of times: what is as it should be takes the short way."""
        where, how = self._device or x.device, self._dtype or x.dtype
        try:
            u = self._v(t.to(where, how, copy=True), x.to(where, how, copy=True), *self._more)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"{self._name} raised {type(error).__name__}: {error}; it was called with t of shape {tuple(t.shape)} "
                f"and x of shape {tuple(x.shape)} and dtype {how}; allowed: {self._allowed}"
            ) from error
        fits = type(u) is Tensor and u.shape == x.shape and u.dtype == x.dtype and u.device == x.device
        if not fits or u.is_inference():
            allowed = f"{self._allowed}; x was {tuple(x.shape)}"
            u = checks.tensor(f"{self._name}(t, x)", u, allowed)
            if u.shape != x.shape:
                raise checks.fail(f"{self._name}(t, x)", u, allowed)
            u = u.to(x)
        return u


def velocity(name: str, v: Any, *more: Any) -> _Checked:
    """``v`` as a velocity that can be trusted: (t, x) -> u of x's shape, in x's floating type and on its device.

    ``v`` sees copies, in its network's floating type and on its device. Gradients pass. What this gave comes back as
    it is.

    Args:
        name: what errors call it.
        v: a callable (t, x, *more) -> (n, *event).
        more: handed on as they are.

    Raises:
        ValueError: ``v`` is no callable or takes x before t, at once; it raises, or answers with another shape or with
            complex numbers, when it does.
    """
    if isinstance(v, _Checked) and not more:
        return v
    allowed = f"a velocity v(t, x{', c' * len(more)}), time first: t scalar or (n,), x (n, *event) -> (n, *event)"
    if not callable(v):
        raise checks.fail(name, v, allowed)
    first = _parameters(v)[:2]
    if len(first) == 2 and first[1].lower() in _TIMES and first[0].lower() not in _TIMES:
        raise ValueError(f"{name} takes ({first[0]}, {first[1]}); allowed: {allowed}")
    return _Checked(name, v, more, allowed)


def _parameters(f: Any) -> list[str]:
    """The names of what a call of ``f`` takes."""
    if not isinstance(f, nn.Module):
        return _names(f)
    if "forward" in vars(f):
        return _names(f.forward)
    kind: Any = type(f)
    return _forward_names(kind)[1:]


@functools.lru_cache(maxsize=256)
def _forward_names(network: Any) -> list[str]:
    return _names(network.forward)


def _names(f: Any) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):  # builtins and the like do not say
        return []
