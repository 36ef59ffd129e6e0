"""The Pocket lab: the Live lab without a server, in JavaScript that runs in a worker thread of the page.

``grid.js`` to ``measure.js`` are the oracle: what ``orwlab.exact`` computes, by the same scheme in double precision.
``network.js`` and ``training.js`` are ``FineTuning`` with a small network that adds to the reference's exact velocity.
Nothing is loaded from anywhere else; ``script`` makes one text of a module and all that it needs.
"""

import posixpath
import re
from pathlib import Path

from orwlab.show import stage

_SHOW = Path(__file__).parents[1]
_IMPORTED = re.compile(r'^import\s[^;]*?from\s+"([^"]+)";\n', re.MULTILINE)


def script(entry: str) -> str:
    """The module ``entry`` of this folder with all that it imports, each once and after what it needs, as one script.

    Hosts evaluate it where nothing can be imported: in a worker that is made of a text. A name can therefore be
    defined only once among these files.
    """
    return stage.joined("\n".join((_SHOW / name).read_text(encoding="utf-8") for name in files(entry)))


def files(entry: str) -> list[str]:
    """What ``script`` joins, as paths in the folder above: ``entry`` is the last of them."""
    found: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{' imports '.join([*above, name])}; allowed: imports without a circle")
        if name in found:
            return
        for needed in _IMPORTED.findall((_SHOW / name).read_text(encoding="utf-8")):
            visit(posixpath.normpath(posixpath.join(posixpath.dirname(name), needed)), (*above, name))
        found.append(name)

    visit(f"pocket/{entry}", ())
    return found
