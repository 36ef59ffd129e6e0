"""What a name means: fingerprints of networks, of other people's callables, and of the code that did the work.

A callable's fingerprint is that of its bytecode and of all that it refers to: defaults, free and global names, and the
weights of networks behind them. Bytecode, and not source, because the line in which a lambda stands holds other things
too, and because what is typed at a prompt has no source. Another version of Python may compile the same text to another
code: its functions then count as others. What belongs to a library is known by its name.
"""

import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import orwlab
from orwlab import files
from orwlab.sweep import once

PACKAGE = Path(orwlab.__file__).parent


def of(value: Any) -> str:
    """The fingerprint of a value of any kind: of its numbers, its code, and what it refers to."""
    return once.digest(_described(value, ()))


@functools.cache
def of_code(*places: str) -> str:
    """The fingerprint of rooms and files of the package: what was done by other code is done again."""
    found = hashlib.sha256()
    for place in places:
        path = PACKAGE / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()


def _described(value: Any, within: tuple[int, ...]) -> Any:
    """``value`` as JSON can hold it; ``within`` are those whose parts are being described."""
    if value is None or isinstance(value, bool | int | str):
        return [type(value).__name__, str(value)]
    if isinstance(value, float | complex | bytes | range | slice | torch.dtype | torch.device | type(Ellipsis)):
        return [type(value).__name__, repr(value)]
    if id(value) in within:
        return ["again", len(within) - within.index(id(value))]
    within = (*within, id(value))

    def inner(part: Any) -> Any:
        return _described(part, within)

    if isinstance(value, Tensor):
        return ["tensor", files.digest({"": value})]
    if isinstance(value, np.ndarray):
        return [
            "array",
            str(value.dtype),
            value.shape,
            value.tolist() if value.dtype == object else value.tobytes().hex(),
        ]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [inner(part) for part in value]]
    if isinstance(value, Mapping):
        return ["mapping", sorted(([inner(k), inner(v)] for k, v in value.items()), key=once.digest)]
    if isinstance(value, set | frozenset):
        return ["set", sorted((inner(part) for part in value), key=once.digest)]
    if isinstance(value, CodeType):
        return ["code", value.co_code.hex(), [inner(part) for part in value.co_consts], list(value.co_names)]
    if isinstance(value, functools.partial):
        return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, MethodType):
        return ["method", inner(value.__self__), inner(value.__func__)]
    if isinstance(value, FunctionType):
        if _of_a_library(value):
            return ["function", value.__module__, value.__qualname__]
        names = [name for name in _names_in(value.__code__) if name in value.__globals__]
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        return [
            "function",
            *map(inner, (value.__code__, value.__defaults__, value.__kwdefaults__, cells)),
            {name: inner(value.__globals__[name]) for name in names},
        ]
    if isinstance(value, ModuleType):
        return ["module", value.__name__]
    if isinstance(value, type):
        if _of_a_library(value):
            return ["class", value.__module__, value.__qualname__]
        own = {k: v for k, v in vars(value).items() if not (k.startswith("__") and k.endswith("__")) or callable(v)}
        return ["class", value.__qualname__, [inner(base) for base in value.__bases__], inner(own)]
    if isinstance(value, staticmethod | classmethod):
        return [type(value).__name__, inner(value.__func__)]
    if isinstance(value, property):
        return ["property", inner(value.fget)]
    if isinstance(value, BuiltinFunctionType):
        return ["built in", value.__module__, value.__qualname__]
    if isinstance(value, nn.Module):
        said = {k: v for k, v in vars(value).items() if not k.startswith("_") and k != "training"}
        said |= {name: type(part) for name, part in value.named_modules()}
        return ["network", inner(type(value)), files.digest(value.state_dict()), inner(said)]
    return ["object", inner(type(value)), inner(getattr(value, "__dict__", {}))]


def _names_in(code: CodeType) -> Iterator[str]:
    """The global names and attributes that code, and the functions in it, refer to."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names_in(part)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _of_a_library(value: FunctionType | type) -> bool:
    """Whether it comes with Python, with this package, or with one that is installed."""
    name = value.__module__ or ""
    if name.split(".")[0] in sys.stdlib_module_names | {"orwlab"} and name != "__main__":
        return True
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return bool({"site-packages", "dist-packages"} & set(Path(file).parts))
