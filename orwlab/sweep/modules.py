"""Whose a module is: one's own, which counts by what its files hold, or a library's, which counts by name and version.

One's own is whatever is neither installed nor part of Python or of this package. What it imports, anywhere in it, is
followed through all modules that are one's own too. A module is found without being run.
"""

import ast
import dis
import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType
from typing import Any

import orwlab

PACKAGE = Path(orwlab.__file__).parent
_INSTALLED = {"site-packages", "dist-packages"}


def is_library(name: str) -> bool:
    """Whether a module comes with Python, with this package, or with one that is installed."""
    top = name.partition(".")[0]
    if top in ("", "__main__"):
        return False
    if top == PACKAGE.name or top in sys.builtin_module_names:
        return True
    spec = _spec(top)
    if spec is None:
        return False  # made at a prompt, or by exec
    if spec.origin in ("built-in", "frozen"):
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any(_is_installed(Path(place)) for place in places)


def known_as(name: str) -> list[str]:
    """A library's module, and the version of the library; of Python's and of this package, its name alone."""
    return [name, _version(name.partition(".")[0])]


def contents(name: str) -> dict[str, str]:
    """One's own module, the packages that it is in, and all of one's own that these import: name -> fingerprint."""
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        for module in _with_parents(waiting.pop()):
            if module in found or is_library(module):
                continue
            content = _content(module)
            found[module] = hashlib.sha256(content).hexdigest()
            spec = _spec(module)
            waiting += _imported(content, module, spec is not None and spec.submodule_search_locations is not None)
    return found


def imported_by(code: CodeType, package: str) -> Iterator[str]:
    """The modules that a function's code imports, where ``package`` is what relative names are relative to.

    Of ``from a import b`` both a and a.b, which may be one.
    """
    before: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            level, names = before[-2:]
            yield from _meant(str(step.argval), int(level or 0), names or (), package)
        before.append(step.argval)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from imported_by(part, package)


def _imported(content: bytes, module: str, is_package: bool) -> list[str]:
    """The modules that a file's text imports, at its top or anywhere in it; also those named to ``import_module``."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return []
    package, found = module if is_package else module.rpartition(".")[0], list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += _meant(node.module or "", node.level, [alias.name for alias in node.names], package)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            said = node.args[0].value
            if called in ("import_module", "__import__") and isinstance(said, str):
                found += _meant(said.lstrip("."), len(said) - len(said.lstrip(".")), (), package)
    return found


def _meant(name: str, level: int, names: Any, package: str) -> list[str]:
    if level:
        try:
            name = importlib.util.resolve_name("." * level + name, package)
        except (ImportError, ValueError):
            return []
    inside = [f"{name}.{one}" for one in names if one != "*"]
    return [name, *(one for one in inside if _spec(one) is not None)]


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def _file(name: str) -> Path | None:
    spec = _spec(name)
    file = None if spec is None or not spec.has_location or spec.origin is None else Path(spec.origin)
    return file if file is not None and file.is_file() else None


def _content(name: str) -> bytes:
    """What a module's file holds; of one in an archive what its loader says."""
    if (file := _file(name)) is not None:
        return file.read_bytes()
    try:
        source = _spec(name).loader.get_source(name)  # type: ignore[union-attr]
    except (AttributeError, ImportError):
        return b""
    return (source or "").encode()


def _spec(name: str) -> ModuleSpec | None:
    """What is known of a module, which is not run for that: of one that is there, where it has come from."""
    there = sys.modules.get(name)
    spec = getattr(there, "__spec__", None)
    if spec is not None:
        return spec
    if there is not None:
        file = getattr(there, "__file__", None)
        return None if file is None else importlib.util.spec_from_file_location(name, file)
    parent = name.rpartition(".")[0]
    places = None
    if parent:
        above = _spec(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        places = list(above.submodule_search_locations)
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, places)
        except (ImportError, ValueError, AttributeError):
            continue
        if spec is not None:
            return spec
    return None


@functools.cache
def _is_installed(file: Path) -> bool:
    if _INSTALLED & set(file.parts):
        return True
    python = [Path(sysconfig.get_path(which)) for which in ("stdlib", "platstdlib")]
    return any(file.is_relative_to(place) or file.resolve().is_relative_to(place.resolve()) for place in python)


@functools.cache
def _version(top: str) -> str:
    if top in sys.stdlib_module_names or top == PACKAGE.name:
        return ""
    said = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(said, str):
        return said
    try:
        return importlib.metadata.version(top)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        known = importlib.metadata.packages_distributions().get(top, [])
        return ", ".join(f"{one} {importlib.metadata.version(one)}" for one in sorted(set(known)))
