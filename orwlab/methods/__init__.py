"""Ways to fine-tune a flow with a reward, by their names, with one dial and a card each.

    methods.names()  # those that ``get`` knows
    print(methods.card("raft"))
    run = methods.get("raft")(reference, reward, strength=2.0, seed=0)
    for snapshot in run.rounds(300): ...

``run`` does what all share; most other files hold one method each.
"""

import importlib
from typing import TYPE_CHECKING, Any

from orwlab import checks
from orwlab.lazy import submodules

if TYPE_CHECKING:
    from orwlab.methods.cards import Card

__all__ = [  # noqa: RUF022  the reading order
    # what all share, and the paper's method
    "run",
    "orw",
    "prompted",
    "stacked",
    "ensemble",
    "steering",
    # what the others share beside that
    "cards",
    "rollout",
    "method",
    # one each
    "weighting",
    "raft",
    "reft",
    "awm",
    "adrpo",
    "diffusion_nft",
    "ddpo",
    "flow_grpo",
    "adjoint_matching",
    "draft",
    # how far one has gone, and how it goes wrong
    "dial",
    "failures",
]

__getattr__, __dir__ = submodules(__name__, __all__)

_WHERE = {
    "orw_cfm_w2": ("weighting", "OrwCfmW2"),
    "orw_cfm": ("weighting", "OrwCfm"),
    "rw_cfm": ("weighting", "RwCfm"),
    "raft": ("raft", "Raft"),
    "reft": ("reft", "Reft"),
    "awm": ("awm", "Awm"),
    "adrpo": ("adrpo", "Adrpo"),
    "diffusion_nft": ("diffusion_nft", "DiffusionNft"),
    "ddpo": ("ddpo", "Ddpo"),
    "flow_grpo": ("flow_grpo", "FlowGrpo"),
    "adjoint_matching": ("adjoint_matching", "AdjointMatching"),
    "draft": ("draft", "Draft"),
    "refl": ("draft", "Refl"),
}


def names() -> list[str]:
    """The methods that ``get`` knows, in the order in which to read them."""
    return list(_WHERE)


def get(name: str) -> Any:
    """The class of a method: ``get(name)(reference, reward, strength=1.0, seed=0)`` is a run, see ``method.Method``.

    Raises:
        ValueError: nothing is called that.
    """
    module, kind = _WHERE[checks.choice("method", name, _WHERE)]
    return getattr(importlib.import_module(f"{__name__}.{module}"), kind)


def card(name: str) -> "Card":
    """What a method says of itself: loss, source, what it needs, what its dial sets, and where it goes.

    Raises:
        ValueError: nothing is called that.
    """
    return get(name).card
