"""Whether a callable can go to another process: if not, what in it is to blame is said before any work."""

import contextlib
import functools
import importlib
import sys
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from orwlab.sweep import meaning, modules

DEPTH = 8  # how far in one looks for what is to blame


def check(name: str, value: Any, jobs: int | None) -> None:
    """Refuse a value that cannot be sent to where ``jobs`` would have it; within this process anything goes.

    Raises:
        ValueError: it cannot; with ``name``, and what in it.
    """
    if not _leaves(jobs) or (why := _refusal(value)) is None:
        return
    trail = _trail(value, DEPTH)
    where = f" (it is {' > '.join(trail)})" if trail else ""
    raise ValueError(
        f"{name} cannot be sent to another process: {why}{where}; allowed: jobs=1, or what is made when it is called"
    )


def carry(home: str | PathLike[str]) -> None:
    """From now on the modules that lie in a folder are sent along, for where they go nobody else has them."""
    place, found = Path(home).resolve(), []
    for kept in ("cloudpickle", "joblib.externals.cloudpickle"):  # joblib had one of its own
        with contextlib.suppress(ImportError):
            found.append(importlib.import_module(kept))
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        own = file is not None and Path(file).resolve().is_relative_to(place) and not modules.is_library(name)
        for pickler in found if own and name != "__main__" else ():
            pickler.register_pickle_by_value(module)


def _leaves(jobs: int | None) -> bool:
    """Whether tasks leave this process."""
    from joblib import Parallel, effective_n_jobs

    backend = Parallel(n_jobs=jobs)._backend
    alone = effective_n_jobs(jobs) == 1 and type(backend).__module__.startswith("joblib._parallel")
    return not (alone or getattr(backend, "supports_sharedmem", False))


def _refusal(value: Any) -> str | None:
    from joblib.externals.loky.backend import reduction  # by which processes send

    try:
        reduction.dumps(value)
    except Exception as error:  # whatever somebody's class raises
        return f"{type(error).__name__}: {error}"
    return None


def _trail(value: Any, depth: int) -> list[str]:
    """The names that lead to the first part that cannot be sent by itself."""
    for name, part in _parts(value).items() if depth else ():
        if _refusal(part) is not None:
            return [name, *_trail(part, depth - 1)]
    return []


def _parts(value: Any) -> Mapping[str, Any]:
    if isinstance(value, FunctionType):
        loaded, _ = meaning.names_in(value.__code__)
        held = {name: value.__globals__[name] for name in sorted(loaded & value.__globals__.keys())}
        cells = zip(value.__code__.co_freevars, value.__closure__ or ())
        held |= {name: cell.cell_contents for name, cell in cells if meaning.filled(cell)}
        return held | dict(_numbered(value.__defaults__ or ())) | (value.__kwdefaults__ or {})
    if isinstance(value, MethodType):
        return {type(value.__self__).__name__: value.__self__}
    if isinstance(value, functools.partial):
        return {"func": value.func} | dict(_numbered(value.args)) | value.keywords
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return dict(_numbered(value))
    return getattr(value, "__dict__", {})


def _numbered(values: Any) -> list[tuple[str, Any]]:
    return [(f"[{k}]", part) for k, part in enumerate(values)]
