"""Ways to fine-tune a flow with a reward: ``run`` does what all share, each other file is one method."""

from orwlab.lazy import submodules

__all__ = ["run", "orw", "prompted", "steering"]  # noqa: RUF022  the reading order

__getattr__, __dir__ = submodules(__name__, __all__)
