"""A film of the stage as a GIF: what happens on it, for those who have no kernel.

It is recorded when the notebooks are made, as still pictures are: the run is trained, its controls move at set rounds,
and a Chromium that nobody sees draws every frame.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from orwlab import checks
from orwlab.show.notebook import still
from orwlab.show.stage.gif import COLOURS, animated

WIDTH, HEIGHT = 760, 380  # CSS pixels of the page, and of the plot with its panels
FRAMES, MILLISECONDS, LAST = 32, 160, 2500  # of a film; how long a frame, and the last one, is seen
WHOLE = 4000  # milliseconds that a film of few rounds takes


def fingerprint(description: Mapping[str, Any]) -> str:
    """Equal for descriptions that give the same film: it also changes with the code that draws."""
    look = [still.fingerprint(description), description["film"], WIDTH, HEIGHT, FRAMES, MILLISECONDS, LAST, COLOURS]
    return hashlib.sha256(json.dumps(look, sort_keys=True).encode()).hexdigest()


def key_of(gif: bytes) -> str:
    """The ``fingerprint`` that a film carries; "" if it has none."""
    comment = Image.open(io.BytesIO(gif)).info.get("comment", b"")
    return comment.decode() if isinstance(comment, bytes) else str(comment)


def gif(description: Mapping[str, Any]) -> bytes:
    """The film of a stage as its widget described it; its comment is the ``fingerprint``.

    Raises:
        ValueError: the description has no film.
        RuntimeError: there is no Chromium, or the stage did not draw.
    """
    if not isinstance(description, Mapping) or not description.get("film"):
        raise checks.fail("description", description, "what a stage with a film leaves in its output")
    key, values = fingerprint(description), _values(description)
    # in a thread of its own: the browser's library refuses to run where an event loop is
    with ThreadPoolExecutor(max_workers=1) as aside:
        shots = aside.submit(_photographs, values).result()
    pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    return animated(pictures, max(MILLISECONDS, WHOLE // len(pictures)), LAST, key)


def _values(description: Mapping[str, Any]) -> list[dict[str, str]]:
    """A frame of the stage every few rounds, with controls moved at the rounds that the film says."""
    from orwlab.show.lab.session import Session  # it stands on this package
    from orwlab.show.lab.settings import Settings

    moves = {round: dict(changes) for round, changes in description["film"]}
    end = max(moves)
    session = Session(Settings(**description["settings"]), particles=description["particles"], name="film")
    session.control(**moves.get(0, {}))
    shown = {round(k * end / (FRAMES - 1)) for k in range(FRAMES)}
    still.settle(session)
    values = [session.frame()]
    for k in range(1, end + 1):
        session.step()
        session.advance()
        if k in moves and k < end:
            session.control(**moves[k])
            still.settle(session)
        if k in shown:
            values.append(session.frame())
    session.close()
    return values


def _photographs(values: list[dict[str, str]]) -> list[bytes]:
    shots = []
    with still.browser(WIDTH, dark=False) as page:
        page.set_content(still.page_text(values[0], height=HEIGHT, revealed=True))
        for k, value in enumerate(values):
            if k:
                page.evaluate("value => document.querySelector('.orw-stage').stage.receive(value)", value)
            still.drawn(page, k + 1)
            shots.append(page.locator("body").screenshot())
    return shots
