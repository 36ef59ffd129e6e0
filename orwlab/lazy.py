"""Submodules that load when they are first used, so that importing a package costs nothing."""

import importlib
from collections.abc import Callable
from types import ModuleType


def submodules(package: str, names: list[str]) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__`` (PEP 562), for the submodules ``names``."""

    def load(name: str) -> ModuleType:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(names)}")

    return load, lambda: list(names)
