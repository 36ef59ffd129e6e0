"""What samples look like, how far apart they are, and the bounds on that distance."""

from orwlab.lazy import submodules

__all__ = ["samples", "distances", "coupled_flows", "ladder"]  # noqa: RUF022  the reading order

__getattr__, __dir__ = submodules(__name__, __all__)
