"""A bare page with a stage on it, for the stage's own tests, and ways to look at what is painted."""

import base64
import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from stage_host import Lab, page_text

ALPHAS = {1: [1.0], 2: [0.3, 1.0], 4: [0.1, 0.3, 1.0, 3.0]}
LEAVING = {"kind": "warning", "title": "It is leaving the data.", "text": "Try a larger α."}
PICTURE = """() => {
    const p = stage.layout.plots[LANE], r = stage.picture.ratio;
    const { data } = stage.canvas.getContext('2d').getImageData(p.x * r + 2, p.y * r + 2, p.w * r - 4, p.h * r - 4);
    let text = '';
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode.apply(null, data.subarray(i, i + 8192));
    return btoa(text);
}"""


@pytest.fixture(scope="session")
def labs() -> dict[int, Lab]:
    return {lanes: Lab(alphas, 12, particles=400) for lanes, alphas in ALPHAS.items()}


@pytest.fixture
def host(browser) -> Iterator[Callable]:
    """``host(value, width=..., ...)`` opens a bare page and hands it a value; no page may log an error."""
    contexts, complaints = [], []

    def open_page(value=None, width=1280, height=800, dark=False, below=0, options=None, **more):
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.set_content(page_text(dark, below))
        page.evaluate("(options) => stage.configure(options)", options or {})
        if value is not None:
            give(page, value)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def give(page, value) -> None:
    """Hand a value over and wait until it is painted."""
    before = counters(page)
    page.evaluate("(value) => stage.receive(value)", value)
    page.wait_for_function(f"stage.counters.painted > {before['painted']} && !stage.pending")


def counters(page) -> dict:
    return json.loads(page.evaluate("JSON.stringify(stage.counters)"))


def pixels(page, lane: int = 0) -> np.ndarray:
    """What is painted inside a lane's plot, (n, 3)."""
    data = base64.b64decode(page.evaluate(PICTURE.replace("LANE", str(lane))))
    return np.frombuffer(data, np.uint8).reshape(-1, 4)[:, :3].astype(int)


def near(colours: np.ndarray, wanted: tuple[int, int, int], within: int = 40) -> float:
    """The share of pixels of about this colour."""
    return float((np.abs(colours - wanted).sum(1) < within).mean())


def camera(page) -> list[float]:
    page.wait_for_function("stage.camera.settled")
    return page.evaluate("Array.from(stage.camera.now)")
