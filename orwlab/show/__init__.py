"""What draws: figures, the stage that animates particles in a browser, the lab behind it, and its hosts."""

from orwlab.lazy import submodules

__all__ = ["theme", "figures", "stage", "lab", "web", "notebook"]  # noqa: RUF022  each needs only what stands before it

_load, __dir__ = submodules(__name__, __all__)


def __getattr__(name: str) -> object:
    if name in ("live", "explorer", "images"):  # what notebooks import from here
        from importlib import import_module

        return import_module(f"{__name__}.notebook.{name}")
    return _load(name)
