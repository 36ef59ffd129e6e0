"""The Pocket lab's page: the Live lab in one HTML file that needs no server, no internet and no Python.

Its markup, scripts and links are the Live lab's; in the server's place stands a worker thread: see ``show.pocket``.
"""

import functools
import gzip
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.responses import Response

from orwlab.show import pocket
from orwlab.show.lab import own
from orwlab.show.pocket import given, tables
from orwlab.show.stage import javascript, replay, stylesheet
from orwlab.show.web import controls, frontier_markup, keep_markup, lab_markup, lab_page, line_markup, preview

PATH = "pocket"
NAME = "Pocket lab"

_FOLDER = Path(__file__).parent
_STYLES = ("lab.css", "keep.css", "own.css")
_NO_SCRIPT = (
    "This page needs a browser with JavaScript, which is switched off here: the page works everything out itself, and "
    "asks no server."
)
_STAGE = '<div class="orw-stage"></div>'
_FIRST = '<p class="pocket-first" role="status">Working out the first picture …</p>'
_MOVES = (
    controls.attempt(
        "Let go: α = 0",
        "Nothing holds the samples now. Round after round the best are imitated: the reward rises, the variety goes, "
        "and everything ends in one place.",
        {"alpha": 0, "tau": 2, "mode": "exact"},
    ),
    controls.attempt(
        "Hold on: α = 1",
        "Held to the reference, the same dynamics come to rest, at the dashed line. Drag α and watch where.",
        {"alpha": 1, "mode": "exact"},
        free=("alpha", "tau"),
    ),
    controls.attempt(
        "α as a price",
        "Here a budget is set, how far the samples may go, and α finds itself: it rises while more is spent, and falls "
        "while less is.",
        {"alpha": 0.3, "tau": 2, "steer": "w2", "budget": 0.5, "mode": "exact"},
        free=("budget",),
    ),
    controls.attempt(
        "Four α side by side",
        "The same noise; only α differs. Small α: high reward, little variety. Large α: the reference again.",
        {"alpha": 0, "others": [0.3, 1, 3], "mode": "exact"},
    ),
    controls.attempt(
        "Let a network learn it",
        "The dots are samples of a small network that learns here, four gradient steps a round. The orange lines and "
        "the dashes say where a perfect one would end; this one stops a little short.",
        {"alpha": 1, "mode": "both", "steps_per_round": 4, "lr": 0.003},
        free=("alpha", "tau"),
    ),
)
WORDS = lab_markup.Words(
    path=PATH,
    name=NAME,
    lead="A flow model has learned the grey contours, and violet ground pays more. Press <b>Play</b>: round by round "
    "perfect training on its own best samples moves it, in orange, to where more is paid. Watch the <b>reward</b> rise "
    "and the <b>diversity</b> fall. Then drag <b>α</b>. <span class='trains'><b>Both</b> trains a small network, "
    "against where a perfect one ends.</span>",
    moves=_MOVES,
    story="Five moves that tell the story. Each sets every control and says what to watch.",
    begin={"mode": "exact"},
)
_ABOUT = """<details class="pocket-about"><summary>What you are seeing, and why</summary>
<p>A flow model turns noise into samples of the grey contours. In every round it draws samples, each is weighted by
how much the reward likes it, <i>w</i> = e<sup>τ r</sup>, and the model imitates its own weighted samples. A second
term, α times the squared distance between its velocity and the reference's, holds it back.</p>
<p>Orange is the density of the round on show, the fuller the more mass is there, and each dot is one sample of it. The
dashed lines in the curves say where it comes to rest. A control that is moved while all is paused is followed to its
end: the rounds go on by themselves until they come to rest, 300 at most, and the picture says “settling”.</p>
<p>In “Exact” no network learns that: what a perfect one would do is computed on a grid, in your browser, and nothing
is sent anywhere: a page that was saved works without internet. In “Both” a small network does learn it here, from its
own samples, and the lines and dashes are the limit of a perfect one. It is not the app's network: it has two layers of
64 units, needs no pretraining, and learns only what is to be added to the reference's exact velocity.</p>
<p>So small a network ends short of the limit. Measured, after 100 rounds of 4 gradient steps at learning rate 0.003: of
the way from the reference's mean reward to the exact limit's it went about nine tenths on eight Gaussians with reward
“right” at α = 1, and two thirds on two moons with reward “bump” at α = 0.5. Elsewhere the gap may be another.</p>
<p>A link from here opens in the app, where larger networks, other methods and couplings are; a link from there opens
here.</p></details>"""

_CELL = """# A run of the Pocket lab. The lab writes the cell that repeats it, and prints its numbers.
import json

from orwlab.show.lab.cell import cell
from orwlab.show.lab.story import Story

text = cell(Story.read(json.loads(@STORY@)), mode="exact")
print(text)
exec(text)
"""
_LEFT_OUT = (  # of the Live lab's markup: which digits are wanted is judged by a network of the app's
    *(f'<option value="{text}">{own.words(text)}</option>' for text in ("digits:02468", "digits:17", "judge:02468")),
    '<option value="+digits">Digits of your choice …</option>',
)
_SENT = "The points are sent to this app's server and are not kept there."
_STAY = "Nothing leaves this page."
_OPEN = """
openPocket(document.getElementById("lab"), {
  around, createStage, own: JSON.parse(document.getElementById("pocket").textContent),
  stage: {
    style: document.getElementById("stage-style").textContent,
    script: document.getElementById("stage-script").textContent,
  },
});"""
_PHONE = 640  # pixels of the screen's smaller side, below which it is one
_LOOK = f"""const dark = matchMedia("(prefers-color-scheme: dark)");
const told = new URLSearchParams(location.search).get("__theme"); // a page that holds this one has a look of its own
const {{ classList }} = document.documentElement;
const follow = () => classList.toggle("dark", told ? told === "dark" : dark.matches);
dark.addEventListener("change", follow);
follow();
const framed = window.parent !== window;
classList.toggle("within", framed);
classList.toggle("whole", framed && window.name === "orwlab-whole"); // the frame is as tall as we say: frame_height.js
classList.toggle("phone", Math.min(screen.width, screen.height) < {_PHONE});"""


def page(pages: Mapping[str, str] = {PATH: NAME}, up: str = "./", back: str = "") -> str:
    """The file.

    In another page's frame it leaves out what that page says. A frame by the name ``orwlab-whole`` is to be as tall as
    what is in it: then the page does not scroll, and posts {about: "height", height} to the page around whenever that
    changes, in CSS pixels.

    Args:
        pages: path -> name of what the bar at the top lists; this page's own heading alone, if there is no app around.
        up: the way from the page's address to the app's, "./" or "../".
        back: the address of a page that says more, which the head leads to; "" if there is none around.
    """
    markup = _without(lab_markup.markup(WORDS, pages), keep_markup.scenes(), *_LEFT_OUT)
    markup = _without(markup, _STAGE, instead=_STAGE + _FIRST)
    if back:
        link = f'<a class="pocket-back" href="{html.escape(back)}">What is this? Read on</a>'
        markup = _without(markup, WORDS.lead, instead=f"{WORDS.lead} {link}")
    markup = _without(markup, _SENT, instead=_STAY).replace('<a href="./', f'<a href="{up}')
    icon = html.escape(preview.ICON.read_text(encoding="utf-8")).replace("#", "%23").replace("\n", "")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{preview.title(NAME)}</title><meta name="description" content="{html.escape(preview.SAYS)}">
<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,{icon}">
<style>{_styles()}</style>
<style id="stage-style" media="not all">{stylesheet()}</style>
<script>{_inside(_LOOK)}</script></head>
<body><main><noscript><p>{_NO_SCRIPT}</p><style>.pocket-first {{ display: none; }}</style></noscript>
<div id="lab">{markup}<p class="pocket-says" role="status"></p>
<p class="pocket-cells"></p></div>
{frontier_markup.markup()}
{line_markup.markup()}
{_ABOUT}</main>
<script type="application/json" id="pocket">{_json(_own())}</script>
<script id="stage-script">{_inside(javascript())}</script>
<script>{_inside(_scripts())}</script></body></html>
"""


def _styles() -> str:
    """The rules of the component are written to lie within it, as ``lab.css`` says."""
    within = "\n".join(_text(name) for name in _STYLES)
    return f"#lab {{\n{stylesheet()}\n{within}\n}}\n" + "\n".join(
        _text(name) for name in ("studio.css", "classroom_page.css", "pocket.css", "explorable.css")
    )


def _scripts() -> str:
    host = f"const openPocket = (() => {{\n{pocket.script('host.js')}\nreturn openPocket;\n}})();"
    return f"{lab_page.script()}\n{host}\n{_OPEN}"


@functools.cache
def _own() -> dict[str, Any]:
    """What ``host.js`` finds in the page: the worker, its tables, and what can be taken home."""
    words = {"title": "@TITLE@", "note": "@NOTE@", "style": "@STYLE@", "script": "@SCRIPT@", "place": replay.PLACE}
    shell = replay.shell(words["title"], words["note"])
    shell = shell.replace(stylesheet(), words["style"]).replace(javascript(), words["script"])
    hidden, revealed = ("stage.configure({ revealed: " + value + " })" for value in ("false", "true"))
    return {
        "worker": f'(() => {{\n"use strict";\n{pocket.script("worker.js")}\n}})();',
        "tables": tables.plain(),
        "ownTables": given.tables(),
        "replay": {**words, "shell": shell, "hidden": hidden, "revealed": revealed},
        "cell": {"text": _CELL, "story": "@STORY@"},
    }


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _inside(script: str) -> str:
    """A script that can stand in a page."""
    if "</script" in script or "<!--" in script:
        raise ValueError("a script of the page holds </script or <!--, which would end it; allowed: one that does not")
    return script


def _without(markup: str, *parts: str, instead: str = "") -> str:
    for part in parts:
        if part not in markup:
            raise ValueError(f"the lab's markup has no {part[:60]!r} any more; allowed: parts that it has")
        markup = markup.replace(part, instead)
    return markup


class PocketPage:
    """ASGI middleware that serves the page at ``/pocket``: a text, which costs the server nothing.

    Args:
        app: what serves the other pages.
        names: path -> name of all pages, for the bar.
    """

    def __init__(self, app: Any, names: Mapping[str, str]) -> None:
        self.app = app
        self._file = functools.cache(lambda up: gzip.compress(page(names, up).encode(), mtime=0))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path not in (f"/{PATH}", f"/{PATH}/"):
            return await self.app(scope, receive, send)
        body, headers = self._file("../" if path.endswith("/") else "./"), {"cache-control": "no-cache"}
        if b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
            headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
        else:
            body = gzip.decompress(body)
        return await Response(body, media_type="text/html", headers=headers)(scope, receive, send)
