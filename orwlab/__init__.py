"""orwlab: watch flow-matching models being fine-tuned with rewards.

The method is ORW-CFM-W2 (Fan et al., "Online Reward-Weighted Fine-Tuning of Flow Matching with Wasserstein
Regularization", ICLR 2025, arXiv 2502.06061). Submodules load when they are first used, so that
``import orwlab`` costs nothing. ``__all__`` is the order in which to read them: each needs only what stands before it.
"""

from orwlab.lazy import submodules

__version__ = "0.2.0"
__all__ = [  # noqa: RUF022  the reading order
    # the vocabulary: one idea a file
    "paths",
    "couplings",
    "weights",
    "rewards",
    "targets",
    "losses",
    "velocity",
    "adapters",
    "solvers",
    "flow",
    # what samples and flows look like, and how far apart they are
    "measure",
    "metrics",
    "wasserstein",
    # what a perfect network would do: rounds, limits, optima
    "exact",
    "oracle",
    "optima",
    "frontiers",
    "tradeoff",
    # the method, and its rivals
    "methods",
    "finetune",
    # real pictures, and pretrained networks
    "data",
    "zoo",
    # many runs
    "sweep",
    # all of it at work on pictures and words
    "tasks",
    # the method for models that fill a graphics card
    "large",
]

__getattr__, __dir__ = submodules(__name__, __all__)
