"""orwlab: watch flow-matching models being fine-tuned with rewards.

The method is ORW-CFM-W2 (Fan et al., "Online Reward-Weighted Fine-Tuning of Flow Matching with Wasserstein
Regularization", ICLR 2025, arXiv 2502.06061). Submodules load when they are first used, so that
``import orwlab`` costs nothing; read them in the order of ``__all__``.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"
__all__ = [
    "couplings",
    "finetune",
    "flow",
    "frontiers",
    "losses",
    "metrics",
    "optima",
    "oracle",
    "paths",
    "rewards",
    "targets",
    "tasks",
    "tradeoff",
    "velocity",
    "wasserstein",
    "weights",
    "zoo",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'orwlab' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
