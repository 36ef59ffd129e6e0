"""A still picture of the stage, drawn by a Chromium that nobody sees: what shows where there is no kernel.

A stage in a notebook leaves a short description of itself in the cell's output (``MIME``). ``replace`` turns it into
a PNG when the notebooks are made, so that running a notebook costs no training and no browser.
"""

import base64
import contextlib
import functools
import hashlib
import html
import io
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from orwlab import checks
from orwlab.show.stage import frames, javascript, stylesheet

MIME = "application/vnd.orwlab.stage+json"
PNG, WIDGET, TEXT = "image/png", "application/vnd.jupyter.widget-view+json", "text/plain"
WIDTH = 900  # pixels of a still picture in a notebook, before SCALE
SCALE = 1.25
COLOURS = 255
NOTHING_YET = "–"  # the value of a number that has not been measured
CAPTION = "Run this cell to have it live."
PATIENCE = 60.0  # seconds that the page may take, and the exact limits

_PAGE = """<!doctype html><meta charset="utf-8"><style>%(style)s
body { margin: 0; padding: 8px; background: %(ground)s; font-family: system-ui, sans-serif; }
.orw-stage .orw-picture { height: %(height)dpx; }
.caption { margin: 4px 0 0; font-size: 15px; font-weight: 600; color: %(ink)s; }
</style><div class="orw-stage"></div><p class="caption">%(caption)s</p><script>%(script)s
const stage = createStage(document.querySelector('.orw-stage'), {});
stage.configure({ revealed: %(revealed)s });
stage.receive(%(value)s);
</script>"""


def png(
    value: Mapping[str, str],
    width: int = WIDTH,
    height: int = 520,
    dark: bool = False,
    caption: str = "",
    revealed: bool = False,
) -> bytes:
    """What the stage shows when it is given ``value``, as a PNG.

    Args:
        value: a value of ``Session.frame``.
        width: of the page, in CSS pixels.
        height: of the plot and its panels, in CSS pixels; the legend comes below.
        dark: the theme.
        caption: a line below.
        revealed: whether a true reward is shown, where there is one.

    Raises:
        ValueError: a value without a frame, or a size that is no whole number >= 1.
        RuntimeError: there is no Chromium, or the stage did not draw.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("frame"), str):
        raise checks.fail("value", value, "a value of Session.frame")
    width, height = checks.integer("width", width), checks.integer("height", height)
    dark, revealed = checks.yes_or_no("dark", dark), checks.yes_or_no("revealed", revealed)
    if not isinstance(caption, str):
        raise checks.fail("caption", caption, "a text")
    page = page_text(value, height=height, dark=dark, caption=caption, revealed=revealed)
    # in a thread of its own: the browser's library refuses to run where an event loop is, as in a notebook
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(_photograph, page, width, dark).result()


def page_text(
    value: Mapping[str, str], *, height: int, dark: bool = False, caption: str = "", revealed: bool = False
) -> str:
    """A page with nothing but the stage, which has received ``value``, and a caption below."""
    return _PAGE % {
        "style": stylesheet(),
        "ground": "#111111" if dark else "white",
        "ink": "#eef2f7" if dark else "#1b2430",
        "caption": html.escape(caption),
        "height": height,
        "revealed": json.dumps(revealed),
        "script": javascript(),
        "value": json.dumps(dict(value)),
    }


def browser_path() -> str | None:
    """The Chromium or Chrome to use: BROWSER_PATH, or the first one on the PATH."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = [os.environ.get("BROWSER_PATH"), *map(shutil.which, names)]
    return next((path for path in found if path and os.path.exists(path)), None)


def _photograph(text: str, width: int, dark: bool) -> bytes:
    with browser(width, dark) as page:
        page.set_content(text)
        drawn(page, 1)
        page.wait_for_timeout(1200)  # a wider view is reached in steps
        return page.locator("body").screenshot()


@contextlib.contextmanager
def browser(width: int, dark: bool) -> Iterator[Any]:
    """A page of a Chromium that nobody sees.

    Raises:
        RuntimeError: there is none, or what was done with the page failed.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise RuntimeError("pictures of the stage need the package playwright") from error
    try:
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu"]
            chromium = playwright.chromium.launch(executable_path=browser_path(), args=flags)
            yield chromium.new_page(
                viewport={"width": width, "height": 900},
                device_scale_factor=SCALE,
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",  # particles are at once where they belong
            )
            chromium.close()
    except Error as error:
        raise RuntimeError(f"no picture of the stage: {error}") from error


def drawn(page: Any, frames: int) -> None:
    """Wait until the stage on ``page`` has drawn so many frames."""
    done = f"document.querySelector('.orw-stage').stage.counters.decoded === {frames}"
    page.wait_for_function(done, timeout=1000 * PATIENCE)


def fingerprint(description: Mapping[str, Any]) -> str:
    """Equal for descriptions that give the same picture: it also changes with the code that draws."""
    if not isinstance(description, Mapping) or not {"settings", "particles", "round", "height"} <= set(description):
        raise checks.fail("description", description, "what a stage leaves in its output: settings, particles, ...")
    looks = json.dumps([dict(description), _drawing()], sort_keys=True)
    return hashlib.sha256(looks.encode()).hexdigest()


@functools.cache
def _drawing() -> str:
    here = Path(__file__).read_text(encoding="utf-8")
    return hashlib.sha256((javascript() + stylesheet() + here).encode()).hexdigest()


def picture(description: Mapping[str, Any]) -> bytes:
    """The PNG of a stage as its widget described it: trained for as many rounds, then drawn.

    The file also holds, as texts, the ``fingerprint`` and the alternative text (``words``).
    """
    key = fingerprint(description)  # before the training, for it looks at what is described
    value = _value(description)
    caption = f"A still picture, {_after(description)}. {CAPTION}"
    shot = Image.open(io.BytesIO(png(value, height=description["height"], caption=caption, revealed=True)))
    # few colours are needed, and a notebook is to stay small
    image = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("orwlab", key)
    texts.add_itxt("Description", words(value, description))
    file = io.BytesIO()
    image.save(file, "png", optimize=True, pnginfo=texts)
    return file.getvalue()


def _value(description: Mapping[str, Any]) -> dict[str, str]:
    """The frame after ``description["round"]`` rounds, with the exact limits."""
    from orwlab.show.lab import fitting, own  # they stand on this package
    from orwlab.show.lab.session import Session
    from orwlab.show.lab.settings import Settings

    settings = Settings(**description["settings"])
    if own.is_own(settings.target) and settings.mode != "exact":
        fitting.network(settings.target)  # else the exact answer would stand in for it at first
    session = Session(settings, particles=description["particles"], name="still")
    for _ in range(description["round"]):
        session.step()
        session.advance()
    settle(session)
    session.close()
    return session.frame()


def settle(session: Any) -> None:
    """Let the exact limits of a resting session arrive."""
    deadline = time.monotonic() + PATIENCE
    while session.idle_for < math.inf and time.monotonic() < deadline:
        session.advance()
        time.sleep(0.05)


def words(value: Mapping[str, str], description: Mapping[str, Any]) -> str:
    """The picture in words, for readers who do not see it."""
    from orwlab.show.lab import own  # it stands on this package

    meta, _ = frames.decode(value["frame"])
    chosen = description["settings"]
    named = {name: own.words(chosen[name]).replace("_", " ") for name in ("target", "reward")}
    lanes = []
    for lane in meta["lanes"]:
        numbers = [_said(number) for number in lane["numbers"][:3] if number["value"] != NOTHING_YET]
        called = lane["label"] if lane["alpha"] is None else f"alpha {lane['alpha']:g}"
        lanes.append(f"{called}: {', '.join(numbers)}{_warned(lane)}.")
    dial, one = ("strength", "method") if chosen.get("methods") else ("tau", "alpha")
    return (
        f"Live stage, {_after(description)}. Data: {named['target']}; reward: {named['reward']}; "
        f"{dial} {chosen[dial]:g}. For every {one} a square with the samples as dots over contours of the data, the "
        f"reward as background; beside them curves over rounds. {' '.join(lanes)}"
    )


def _said(number: Mapping[str, Any]) -> str:
    return f"{number['name']} {number['value']}" + (f" (exact limit {number['exact']})" if number["exact"] else "")


def _warned(lane: Mapping[str, Any]) -> str:
    return f". {lane['banner']['title'].rstrip('.')}" if lane["banner"] else ""


def _after(description: Mapping[str, Any]) -> str:
    rounds = description["round"]
    return "before the first round" if rounds == 0 else f"after {rounds} round{'s' * (rounds > 1)}"


def pictures(outputs: Iterable[Any]) -> dict[str, str]:
    """The still pictures (base64) among a notebook's outputs, by their fingerprint."""
    found = {}
    for output in outputs:
        data = output.get("data", {}).get(PNG)
        if data and "orwlab" in (texts := _texts(data)):
            found[texts["orwlab"]] = data
    return found


def _texts(data: str) -> dict[str, str]:
    return Image.open(io.BytesIO(base64.b64decode(data))).text  # type: ignore[attr-defined]


def replace(output: Any, known: dict[str, str] | None = None) -> bool:
    """Put a PNG in the place of a live stage in one output of a notebook, in place; other outputs stay as they are.

    What needs a kernel is taken out, the text for readers without pictures stays, and the alternative text goes where
    nbconvert looks for it.

    Args:
        output: of nbformat.
        known: pictures that need not be drawn again, as ``pictures`` returns them; new ones are added.

    Returns:
        whether a picture had to be drawn.
    """
    if not isinstance(output, Mapping):
        raise checks.fail("output", output, "an output of a cell, as nbformat has it")
    if MIME not in output.get("data", {}):
        return False
    known = {} if known is None else known
    description = output["data"].pop(MIME)
    output["data"].pop(WIDGET, None)
    key = fingerprint(description)
    drawn = key not in known
    if drawn:
        known[key] = base64.b64encode(picture(description)).decode()
    output["data"][PNG] = known[key]
    output["metadata"][PNG] = {"alt": _texts(known[key])["Description"], "width": WIDTH}
    return drawn
