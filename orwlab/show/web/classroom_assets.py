"""Scripts and styles of the Classroom's pages. Addresses hold a digest of the text: browsers keep it for good."""

import functools
import gzip
import hashlib
from pathlib import Path

from orwlab.show.stage import javascript, stylesheet
from orwlab.show.web.lab_page import without_exports

_FOLDER = Path(__file__).parent
_ROOM = (
    "widgets.js",
    "address.js",
    "room_line.js",
    "room_overlay.js",
    "ask_parts.js",
    "guesses.js",
    "asks.js",
    "whole_lab.js",
    "dial.js",
)
SCRIPTS = {
    "teacher": (*_ROOM, "line.js", "room_page.js", "teacher.js"),
    "student": (*_ROOM, "room_page.js", "student.js"),
    "writer": (*_ROOM, "room_page.js", "writer.js"),
    "handout": ("handout.js",),
}
"""page -> its own files, in the order of what they need; all but the handout have the stage before them"""
STYLES = {
    "room": ("lab.css", "classroom.css", "asks.css", "dial.css", "writer.css"),
    "handout": ("handout.css",),
}


@functools.cache
def _all() -> dict[str, tuple[str, str, bytes]]:
    """Name -> what it is, its text, and the same compressed: a class of phones asks for it at once."""
    found: dict[str, tuple[str, str]] = {}
    for page, names in SCRIPTS.items():
        text = without_exports(_joined(names))
        if page != "handout":
            text = f"{javascript()}\n(() => {{\n{text}\n}})();"  # its names are kept apart from the stage's
        found[_name(page, "js", text)] = ("text/javascript", f"(() => {{\n{text}\n}})();\n")
    for page, names in STYLES.items():
        text = _joined(names)
        if page == "room":  # its rules are written to lie within the component that holds them
            text = f"#lab {{\n{stylesheet()}\n{text}\n}}\n{_joined(('studio.css', 'classroom_page.css'))}"
        found[_name(page, "css", text)] = ("text/css", text)
    return {name: (kind, text, gzip.compress(text.encode(), mtime=0)) for name, (kind, text) in found.items()}


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


def _name(page: str, kind: str, text: str) -> str:
    return f"{page}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.{kind}"


def address(page: str, kind: str) -> str:
    """Of a page's ``kind`` "js" or "css", from the app's own address on."""
    return "classroom/assets/" + next(name for name in _all() if name.startswith(f"{page}.") and name.endswith(kind))


def asset(name: str) -> tuple[str, str, bytes] | None:
    """What an asset is, its text, and the same as gzip; None if there is none of that name."""
    return _all().get(name)
