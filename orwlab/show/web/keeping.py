"""What a visitor takes home that the browser cannot make alone: a GIF, a notebook's cell, the page of a replay."""

import asyncio
import base64
import binascii
import io
import time
from typing import Any

from PIL import Image, UnidentifiedImageError

from orwlab import checks
from orwlab.show.lab import messages, points
from orwlab.show.lab.cell import cell
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.story import Story
from orwlab.show.stage import replay
from orwlab.show.stage.gif import animated

FRAMES = 60  # pictures of a GIF
HEAVIEST = 500_000  # bytes of one of them
WIDEST = 1000  # pixels of its sides
PACE, LAST = 120, 2000  # milliseconds that a picture is seen, and the last one
FILMS = 8  # that are being collected at once, by anybody
FORGET = 120.0  # seconds after which a film that nobody goes on with is dropped
_PREFIX = "data:image/png;base64,"
_ALLOWED = f"a PNG of at most {HEAVIEST} bytes and {WIDEST} pixels a side, as a data URL"


class Keeping:
    """Answers ``{"what": ...}``, asked by ``keep.js``:

    - "cell", with ``story``, ``mode`` and ``measured``: ``{"text"}``, the source of a notebook's cell,
    - "replay", with ``title``, ``note`` and ``revealed``: ``{"text", "place"}``, the page and what in it stands for the
      pictures,
    - "picture", with ``film``, a name, and ``data``, a PNG as a data URL: ``{"count"}`` of the pictures so far,
    - "gif", with ``film``: ``{"data"}``, the GIF of them as a data URL,
    - "points", with ``text``, somebody's table: ``{"value", "report"}``, a value of "target", and sentences,

    or ``{"error"}``, a sentence. Nothing is written to a disk.
    """

    def __init__(self) -> None:
        self._films: dict[str, tuple[float, tuple[int, int], list[bytes]]] = {}  # as files: a tenth of the memory
        self._reading = asyncio.Semaphore(1)  # tables at a time: one takes seconds of a core

    async def answer(self, question: Any) -> dict[str, Any]:
        """One question of a browser; anybody can send anything."""
        try:
            what, asked = messages.question(question, ("cell", "replay", "picture", "gif", "points"))
            return await getattr(self, f"_{what}")(asked)
        except ValueError as error:
            return {"error": str(error)}

    async def _cell(self, asked: dict[str, Any]) -> dict[str, Any]:
        chosen = {name: BY_NAME[name].check(messages.text(asked, name)) for name in ("mode", "measured")}
        return {"text": cell(Story.read(asked.get("story")), **chosen)}

    async def _replay(self, asked: dict[str, Any]) -> dict[str, Any]:
        shell = replay.shell(
            messages.text(asked, "title") or "A replay", messages.text(asked, "note"), asked.get("revealed") is True
        )
        return {"text": shell, "place": replay.PLACE}

    async def _picture(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, now = messages.text(asked, "film"), time.monotonic()
        self._films = {n: film for n, film in self._films.items() if now - film[0] < FORGET}
        _, size, pictures = self._films.get(name, (now, (0, 0), []))
        if name not in self._films and len(self._films) >= FILMS:
            raise ValueError("Too many films are being made at the moment. Please try again in a minute.")
        if len(pictures) >= FRAMES:
            raise checks.fail("pictures of a film", len(pictures) + 1, f"at most {FRAMES}")
        file = _file(asked.get("data"))
        picture = await asyncio.to_thread(_read, file)
        if pictures and size != picture.size:
            raise checks.fail("size of a picture", picture.size, f"that of the first one, {size}")
        self._films[name] = (now, picture.size, [*pictures, file])
        return {"count": len(pictures) + 1}

    async def _gif(self, asked: dict[str, Any]) -> dict[str, Any]:
        _, _, pictures = self._films.pop(messages.text(asked, "film"), (0.0, (0, 0), []))
        if not pictures:
            raise ValueError("This film has no pictures any more. Please make it again.")
        data = await asyncio.to_thread(_animated, pictures)
        return {"data": "data:image/gif;base64," + base64.b64encode(data).decode()}

    async def _points(self, asked: dict[str, Any]) -> dict[str, Any]:
        text = asked.get("text")
        if not isinstance(text, str):
            raise checks.fail("text", text, "the text of a table")
        async with self._reading:
            value, report = await asyncio.to_thread(_sketched, text)
        return {"value": value, "report": list(report)}


def _sketched(text: str) -> tuple[str, tuple[str, ...]]:
    """A table as the value of a control, and what was done to it."""
    found = points.parse(text)
    return points.write(points.sketch(found.data)), found.report


def _animated(files: list[bytes]) -> bytes:
    return animated([_read(file) for file in files], PACE, LAST, "orwlab")


def _file(data: Any) -> bytes:
    """What is in a data URL."""
    if not isinstance(data, str) or not data.startswith(_PREFIX) or len(data) > 4 * HEAVIEST // 3 + 100:
        raise checks.fail("data", data, _ALLOWED)
    try:
        return base64.b64decode(data[len(_PREFIX) :], validate=True)
    except binascii.Error as error:
        raise checks.fail("data", str(error), _ALLOWED) from None


def _read(file: bytes) -> Image.Image:
    """A PNG as a browser's canvas gives it."""
    try:
        image = Image.open(io.BytesIO(file), formats=("PNG",))  # its size, and no pixel yet
        if max(image.size) > WIDEST:
            raise checks.fail("data", f"a picture of {image.size} pixels", _ALLOWED)
        return image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise checks.fail("data", str(error), _ALLOWED) from None
