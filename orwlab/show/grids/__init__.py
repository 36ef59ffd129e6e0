"""Grids of images that change while they are fine-tuned: the part that runs in a browser, written once for every host.

``grids.js`` draws what ``ImageSession.frame`` gives. A host gets one self-contained script from ``javascript()`` and
the style sheet from ``stylesheet()``; nothing is loaded from anywhere else.
"""

from pathlib import Path

from orwlab.show import stage

_FOLDER = Path(__file__).parent
_OF_THE_STAGE = ("numerals.js", "theme.js")
_MODULES = ("curves.js", "grids.js")


def javascript() -> str:
    """One script that defines ``createGrids`` where it is evaluated."""
    own = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _MODULES)
    return stage.joined(stage.scripts(_OF_THE_STAGE) + own)


def stylesheet() -> str:
    """The style sheet; every rule is below ``.orw-grids``, the class of the element given to ``createGrids``."""
    return (_FOLDER / "grids.css").read_text(encoding="utf-8")
