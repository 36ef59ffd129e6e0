"""HTML of the Classroom's pages. Scripts fill them; ``classroom.css`` says what they look like."""

from collections.abc import Mapping

from orwlab.show.web import classroom_assets, preview


def page(up: str, title: str, body: str, script: str) -> str:
    """A whole page.

    Args:
        up: the way from its address to the app's, "./" or "../".
        title: what it is called.
        body: its HTML.
        script: which of ``classroom_assets.SCRIPTS`` it has.
    """
    style, code = classroom_assets.address("room", "css"), classroom_assets.address(script, "js")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{preview.title(title)}</title><meta name="description" content="{preview.SAYS}">
<link rel="icon" type="image/svg+xml" href="{up}favicon.ico"><link rel="stylesheet" href="{up}{style}">
<script src="{up}{code}" defer></script></head>
<body><main id="lab">{body}</main></body></html>
"""


def teacher(up: str, names: Mapping[str, str]) -> str:
    """Where a class begins, and the room."""
    return page(up, "Classroom", '<div class="lab room"></div>', "teacher")


def student(up: str, names: Mapping[str, str]) -> str:
    """What phones show."""
    return page(up, "Join", '<div class="lab room"></div>', "student")
