"""What an infinitely good network would do: the dynamics on a grid, where they end, and other methods' optima."""

from orwlab.lazy import submodules

__all__ = ["grid", "moments", "anderson", "dynamics", "optima", "laws", "frontiers", "sweep"]  # noqa: RUF022  the reading order

__getattr__, __dir__ = submodules(__name__, __all__)
