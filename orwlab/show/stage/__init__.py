"""The stage: the part of the picture that runs in a browser, written once for every host.

``stage.js`` draws frames; ``frames.py`` makes them. A host gets one self-contained script from ``javascript()`` and
the style sheet from ``stylesheet()``; nothing is loaded from anywhere else.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_FOLDER = Path(__file__).parent
_MODULES = (  # in the order of what they need
    "decode.js",
    "contours.js",
    "message.js",
    "flow.js",
    "truth.js",
    "numerals.js",
    "theme.js",
    "marks.js",
    "places.js",
    "axes.js",
    "layout.js",
    "camera.js",
    "motion.js",
    "draw.js",
    "panels.js",
    "masses.js",
    "stamps.js",
    "modes.js",
    "tracing.js",
    "tips.js",
    "glimpse.js",
    "picture.js",
    "numbers.js",
    "words.js",
    "reading.js",
    "input.js",
    "link.js",
    "stage.js",
    "portrait.js",
    "flow_time.js",
    "replay.js",
    "player.js",
)


def javascript() -> str:
    """The stage as one script that defines ``createStage`` (and what it needs) where it is evaluated.

    The modules are joined and their ``import`` and ``export`` words removed: hosts evaluate the text inside a
    function, where modules cannot be imported. A name can therefore be defined only once among them.
    """
    return joined(scripts(_MODULES))


def scripts(names: Iterable[str]) -> str:
    """The texts of some of the stage's files, in this order."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


def joined(text: str) -> str:
    """Modules that stand one after the other, as one script: without the words by which they name each other."""
    text = re.sub(r"^import\s[^;]*;\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^export\s+", "", text, flags=re.MULTILINE)


def stylesheet() -> str:
    """The style sheet; every rule is below ``.orw-stage``, the class of the element given to ``createStage``."""
    return (_FOLDER / "stage.css").read_text(encoding="utf-8")
