"""A bare page with a stage and a place beside it for questions and guesses, and scenes to ask about."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orwlab.show import stage
from orwlab.show.classroom import predictions
from orwlab.show.classroom.lesson import Scene
from orwlab.show.web import classroom_assets, lab_page

_SCRIPTS = ("widgets.js", "room_overlay.js", "ask_parts.js", "guesses.js", "asks.js")
_PAGE = """<!doctype html><html lang="en" class="%(theme)s"><head><meta charset="utf-8"><title>Questions</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>%(style)s</style></head>
<body><main id="lab"><div class="lab room" style="display: block; font-size: %(size)dpx"><h1 hidden>Questions</h1>
<div class="orw-stage" id="stage" style="max-width: 760px"></div><div id="asked" style="max-width: 560px"></div>
<div id="seen" style="max-width: 560px"></div><div style="height: %(below)dpx"></div></div></main><script>
(() => {
%(script)s
Object.assign(window, { askWidget, showGuesses, StageOverlay, ALPHA_PLACES, ALPHA_TICKS, alphaShare, THEMES });
window.stage = createStage(document.getElementById('stage'));
window.told = [];
window.asking = (ask, value = null) => {
  window.widget?.destroy();
  told.length = 0;
  const changed = (guess) => told.push(guess);
  window.widget = askWidget(document.getElementById('asked'), ask, { value, stage, changed });
};
window.showing = (given) => {
  window.shown?.destroy();
  window.shown = showGuesses(document.getElementById('seen'), { ...given, stage });
};
})();
</script></body></html>"""

SCENES: dict[str, dict[str, Any]] = {
    "choose": {
        "ask": {"kind": "choose", "prompt": "What is left after 200 rounds?",
                "options": ["All eight modes, a little thinner", "One mode", "<img src=x onerror='window.hit = 1'>"]},
    },
    "alpha": {"ask": {"kind": "alpha", "prompt": "Which α earns a mean reward of 0.4?"}},
    "place": {"ask": {"kind": "place", "prompt": "Where will most samples be?"}},
    "curve": {
        "rounds": 200,
        "ask": {"kind": "curve", "prompt": "How will the mean reward go on?", "of": "reward", "low": 0, "high": 1},
    },
    "order": {
        "link": "#alpha=0.3&others=0.1,3,1",
        "ask": {"kind": "order", "prompt": "Which α earns more?", "by": "reward"},
    },
}  # fmt: skip
RIGHT = {"choose": 2, "alpha": 0.32, "place": [2.0, 2.0], "order": [3, 4, 1, 2]}
EXACT = [{"reward": value, "diversity": 3.35, "w2": 0.51, "effective": 0.62} for value in (0.7, 0.8, 0.2, 0.4)]
PENDING = "The exact answer is being worked out …"


def scene(kind: str, **asked: Any) -> Scene:
    """A scene with a question of this kind; ``asked`` is said differently."""
    made = SCENES[kind]
    return Scene.model_validate({"title": "A scene", **made, "ask": {**made["ask"], **asked}})


def ask(kind: str, **asked: Any) -> dict[str, Any]:
    """The question as a room tells it."""
    made = scene(kind, **asked)
    alphas = list(made.seen.story.settings.alphas)
    plain = made.ask.model_dump(mode="json", exclude={"answer", "goal"})
    return plain | {"alphas": alphas, "curve": predictions.CURVE, "rounds": made.rounds}


def accepted(kind: str, value: Any) -> bool:
    """Whether a room takes a guess just as it is."""
    kept = predictions.check(scene(kind), value)
    return np.allclose(kept, value, atol=1e-3)


def run_of(end: float = 0.6) -> list[float]:
    """A curve that grows quickly and comes to rest."""
    at = np.linspace(0, 1, predictions.CURVE)
    return (end * (1 - np.exp(-5 * at))).round(4).tolist()


def guesses(kind: str, count: int = 31, seed: int = 0) -> list[Any]:
    """What a class might say."""
    draw = np.random.default_rng(seed)
    if kind == "choose":
        return draw.choice([1, 2, 3], count, p=[0.5, 0.4, 0.1]).tolist()
    if kind == "alpha":
        return [0.0, *(10 ** draw.normal(-0.3, 0.5, count - 1)).clip(0.01, 100).round(2).tolist()]
    if kind == "place":
        return (np.array([1.5, 1.0]) + draw.normal(0, 1.1, (count, 2))).round(2).tolist()
    if kind == "curve":
        return [np.clip(run_of(end), 0, 1).tolist() for end in draw.uniform(0.2, 0.95, count)]
    return [(draw.permutation(4) + 1).tolist() for _ in range(count)]


def reveal(kind: str, given: list[Any], truth: Any = None, **more: Any) -> dict[str, Any]:
    """What a room tells when it is revealed."""
    return {"guesses": given, "together": predictions.together(scene(kind), given), "truth": truth} | more


def truth_of(kind: str, value: Any = None, **more: Any) -> dict[str, Any]:
    """A truth as a room tells it; the usual one of this kind."""
    right = RIGHT.get(kind, run_of()) if value is None else value
    return {"value": right, "exact": EXACT if kind == "order" else EXACT[:1], "why": "", "run": kind == "curve"} | more


def page_text(dark: bool = False, size: int = 16, below: int = 0) -> str:
    """The bare page; ``size`` is that of its type."""
    folder = Path(lab_page.__file__).parent
    joined = "\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = classroom_assets.asset(classroom_assets.address("room", "css").rpartition("/")[2])
    assert style is not None
    script = f"{stage.javascript()}\n{lab_page.without_exports(joined)}"
    theme = "dark" if dark else "light"
    return _PAGE % {"style": style[1], "script": script, "theme": theme, "size": size, "below": below}


@pytest.fixture
def asks(browser) -> Iterator[Callable]:
    """``asks(value, width=..., ...)`` opens the page and hands its stage a value; no page may log an error."""
    contexts, complaints = [], []

    def open_page(value=None, width=1280, height=720, dark=False, size=16, below=0, **more):
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.set_content(page_text(dark, size, below))
        if value is not None:
            page.evaluate("(value) => stage.receive(value)", value)
            page.wait_for_function(
                "stage.counters.painted > 0 && stage.frame && !stage.pending && stage.camera.settled"
            )
        else:
            page.evaluate("document.getElementById('stage').hidden = true")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def begin(page, kind: str, value: Any = None, **asked: Any) -> None:
    """Ask a question."""
    page.evaluate("([ask, value]) => asking(ask, value)", [ask(kind, **asked), value])


def show(page, kind: str, told: dict[str, Any], own: Any = None, **asked: Any) -> None:
    """Show what all have guessed."""
    page.evaluate("(given) => showing(given)", {"ask": ask(kind, **asked), "reveal": told, "own": own})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def told(page) -> list[Any]:
    """The guesses that the widget has passed on."""
    return page.evaluate("told")


def value(page) -> Any:
    return page.evaluate("widget.value")


def fingers(page) -> Callable:
    """``touch("touchStart", (x, y))`` and so on, as a screen tells it."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        given = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

    return touch


def picture(page, selector: str | None = None) -> np.ndarray:
    """What one sees of an element or of the window, (rows, columns, 3)."""
    data = page.locator(selector).screenshot() if selector else page.screenshot()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def like(pixels: np.ndarray, colour: str, within: int = 30) -> np.ndarray:
    """Which pixels have about this colour, "#rrggbb"."""
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return np.abs(pixels - wanted).sum(-1) < within


def on_stage(page, place: list[float]) -> tuple[float, float]:
    """Where a place of the data is in the window."""
    x, y = page.evaluate(
        """([x, y]) => { const p = stage.layout.plots[0], at = stage.canvas.getBoundingClientRect();
        const [x0, x1, y0, y1] = stage.camera.now;
        return [at.left + p.x + (x - x0) / (x1 - x0) * p.w, at.top + p.y + (y1 - y) / (y1 - y0) * p.h]; }""",
        place,
    )
    return x, y
