"""The exact dial as somebody has it in hand: a page with a stage and a slider, in a room of the real app."""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from stage_page import pixels

from orwlab.show.classroom import dial
from orwlab.show.lab import exact
from orwlab.show.lab.link import Link
from orwlab.show.stage import javascript
from orwlab.show.web import classroom_assets
from orwlab.show.web.lab_page import without_exports

pytestmark = pytest.mark.browser

LESSON = "title: Turn it\nscenes:\n  - {title: Held, link: alpha=0.3}\n"
REFUSED = "the server responded with a status of 400"  # the browser's own words for what is told on the page
SCENE = "alpha=0.3&tau=2"
CODE = "\n".join(
    (Path(classroom_assets.__file__).parent / name).read_text(encoding="utf-8")
    for name in ("widgets.js", "whole_lab.js", "dial.js")
)
PAGE = """<!doctype html><html lang="en" class="%(look)s"><head><meta charset="utf-8"><title>Dial</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>%(style)s
#lab .lab { display: block; max-width: 620px; --orw-height: 420px; }</style></head>
<body><main id="lab"><h1 style="position: absolute; clip-path: inset(50%%)">Dial</h1>
<div class="lab room"><div class="orw-stage"></div><div class="given"></div></div></main><script>(() => {
%(script)s
const post = async (path, body) => {
  const headers = { Authorization: "Bearer %(token)s" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify({ code: "%(code)s", ...body }) });
  const said = await answer.json();
  if (said.error && !answer.ok) throw new Error(said.error);
  return said;
};
window.asked = [];
window.stage = createStage(document.querySelector(".orw-stage"));
window.dial = new Dial(document.querySelector(".given"), {
  stage, root: "../", send: (link) => post("send", { link }),
  ask: (since) => (asked.push(since), post("dial", { since })),
});
})();</script></body></html>"""


class Room:
    """A room of the app, with its teacher and a student."""

    def __init__(self, address: str) -> None:
        self.address = address
        made = self.post("classroom/rooms", {"text": LESSON})
        self.code, self.secret, self.version = made["code"], made["secret"], 0
        self.token = self.post("join/enter", {"code": self.code, "name": "Ada"})["token"]

    def post(self, path: str, body: dict, token: str = "") -> dict:
        data = json.dumps(body).encode()
        asked = urllib.request.Request(self.address + path, data, {"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    def hand(self, link: str | None) -> None:
        """Everybody gets a link, or nothing any more."""
        body = {"code": self.code, "what": "hands", "version": self.version, "value": link}
        assert self.post("classroom/act", body, self.secret)["done"]
        self.version += 1

    def wait(self) -> list[dict]:
        """Until the dial is worked out; its pieces."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            found = self.post("classroom/dial", {"code": self.code, "since": 0}, self.secret)
            if found["done"]:
                return found["pieces"]
            time.sleep(0.6)
        raise AssertionError("the dial was not worked out in time")


@pytest.fixture
def room(address) -> Room:
    return Room(address)


@pytest.fixture
def hold(browser, room) -> Iterator[Callable]:
    """``hold(width=..., dark=...)`` opens a page with a dial of the room. No page may log an error."""
    contexts, complaints = [], []

    def open_page(width=390, height=844, dark=False, **more):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **more
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console",
            lambda one: complaints.append(one.text) if one.type == "error" and REFUSED not in one.text else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        style = classroom_assets.asset(classroom_assets.address("room", "css").rsplit("/", 1)[1])[1]
        text = PAGE % {
            "style": style, "script": f"{javascript()}\n{without_exports(CODE)}", "token": room.token,
            "code": room.code, "look": "dark" if dark else "",
        }  # fmt: skip
        page.route("**/join/held", lambda route: route.fulfill(body=text, content_type="text/html"))
        page.goto(f"{room.address}join/held")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def opened(page, link: str) -> None:
    """The page has the dial of ``link`` in hand, with all of its pictures."""
    page.evaluate("(link) => dial.open(link)", link)
    page.wait_for_function("dial.done", timeout=90_000)
    page.wait_for_function("stage.counters.painted > 0 && !stage.pending")


@pytest.fixture
def held(room, hold) -> tuple[Room, Callable]:
    """The room, and ``take(...)``: a page that has the dial of ``SCENE`` in hand."""
    room.hand(SCENE)
    room.wait()

    def take(**more):
        page = hold(**more)
        opened(page, SCENE)
        return page

    return room, take


def turn(page, alpha: float) -> None:
    """Put the slider's handle where it says ``alpha``, by the event that dragging makes."""
    page.evaluate(
        """(alpha) => {
            const range = document.querySelector(".dial .range");
            range.value = dial.alphas.indexOf(alpha);
            range.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        alpha,
    )
    page.wait_for_function("(alpha) => stage.meta.alpha === alpha && !stage.pending", arg=alpha)
    page.wait_for_timeout(350)  # dots glide


def middle_of(colours: np.ndarray, side: int, wanted: tuple[int, int, int]) -> float:
    """How far to the right the pixels of a colour lie on average, from 0 to 1."""
    at = np.flatnonzero(np.abs(colours - wanted).sum(1) < 30)
    assert len(at) > 50
    return float((at % side).mean() / side)


def test_it_turns_without_the_server_and_within_a_tenth_of_a_second(held):
    page = held[1]()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    took = page.evaluate("""async () => {
        const range = document.querySelector(".dial .range"), took = [];
        for (let at = Number(range.max); at >= 0; at--) {
            const painted = stage.counters.painted, before = stage.canvas.toDataURL(), start = performance.now();
            range.value = at;
            range.dispatchEvent(new Event("input", {bubbles: true}));
            while (stage.counters.painted === painted || stage.meta.alpha !== dial.alphas[at]) {
                await new Promise(requestAnimationFrame);
            }
            took.push(performance.now() - start);
            if (stage.canvas.toDataURL() === before) throw new Error(`nothing changed at ${at}`);
            await new Promise((go) => setTimeout(go, 60));
        }
        return took;
    }""")
    assert len(took) == len(dial.ALPHAS)
    assert np.median(took) < 100
    page.wait_for_timeout(2500)  # longer than between two questions
    assert asked == []


def test_a_mouse_drags_it_and_arrows_turn_it(held):
    page = held[1](width=800)
    box = page.locator(".dial .range").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    page.wait_for_function("stage.meta.alpha === 0.05")
    assert page.locator(".dial-alpha").inner_text() == "0.05"
    for key, alpha in (("ArrowRight", "0.07"), ("End", "100"), ("ArrowLeft", "70")):
        page.keyboard.press(key)
        page.wait_for_function("(alpha) => stage.meta.alpha === Number(alpha)", arg=alpha)
        said = page.locator(".dial .range").get_attribute("aria-valuetext")
        assert said.startswith(f"α = {alpha}. Exact limit: mean reward")


def test_the_picture_and_the_words_are_those_of_the_exact_limit(held):
    page = held[1]()
    settings = Link.read(SCENE).story.settings
    places = {}
    for alpha in (0.2, 1.0, 100.0):
        turn(page, alpha)
        limit = exact.limit(settings, alpha)
        words = page.locator(".dial-words").inner_text()
        assert words.startswith("Exact limit: mean reward ")
        said = [float(number) for number in re.findall(r" (\d+(?:\.\d+)?)", words)]
        assert said == pytest.approx(
            [limit.reward, limit.diversity, limit.w2, 100 * limit.ess], abs=0.0051, rel=0.05
        ), words
        places[alpha] = middle_of(pixels(page), page.evaluate("Math.round(stage.layout.plots[0].w) - 4"), (213, 94, 0))
    # the reward is at the right: held loosely, the limit's contours go there; held tightly, they stay around the middle
    assert places[0.2] > places[1.0] + 0.03 > places[100.0] + 0.1
    assert places[100.0] == pytest.approx(0.5, abs=0.03)


def test_each_picture_comes_once_and_all_of_them_are_small(room, hold):
    room.hand(SCENE)
    pages = [hold(), hold()]
    sizes = {}
    for k, page in enumerate(pages):
        page.on("requestfinished", lambda one, k=k: sizes.setdefault(k, []).append(one.sizes()["responseBodySize"]))
        page.evaluate("(link) => dial.open(link)", SCENE)
    for page in pages:
        page.wait_for_function("dial.done", timeout=90_000)
        assert page.evaluate("dial.known.size") == len(dial.ALPHAS)
        assert page.evaluate("dial.come") == len(dial.ALPHAS) + 1
        asked = page.evaluate("asked")
        assert asked == sorted(asked), "never again for what is here"
        page.evaluate("dial.close(); dial.open(dial.base)")
        page.wait_for_timeout(1500)
        assert page.evaluate("asked") == asked
    assert all(100_000 < sum(of_one) < 300_000 for of_one in sizes.values())


def test_what_is_not_there_is_said_and_its_picture_is_faint(room, hold):
    link = "reward=bump&tau=4"
    room.hand(link)
    pieces = {piece["alpha"]: piece for piece in room.wait()[1:]}
    none = max(alpha for alpha, piece in pieces.items() if not piece["frame"])
    least = min(alpha for alpha, piece in pieces.items() if piece["frame"])
    page = hold()
    opened(page, link)
    strong = page.evaluate("getComputedStyle(stage.canvas).opacity")
    page.evaluate("(at) => dial.turn(at)", sorted(pieces).index(none))
    page.wait_for_function("(alpha) => stage.meta.alpha === alpha", arg=least)
    words = page.locator(".dial-words").inner_text()
    assert words.startswith(f"No exact limit at α = {none:g}: ")
    assert words.endswith(f"The faint picture is that of α = {least:g}.")
    page.wait_for_timeout(300)
    assert (strong, page.evaluate("getComputedStyle(stage.canvas).opacity")) == ("1", "0.3")
    page.evaluate("dial.close()")
    page.wait_for_timeout(300)
    assert page.evaluate("getComputedStyle(stage.canvas).opacity") == "1"
    assert page.evaluate("dial.link") == ""


def test_before_a_picture_is_there_the_nearest_stands_in(hold, room):
    page = hold()
    pieces = [piece for _, piece in zip(range(4), dial.pieces(SCENE))]  # of three alphas
    page.evaluate(
        """(pieces) => {
            dial.ask = async (since) => ({pieces: pieces.slice(since), done: false, of: "x"});
            dial.open("alpha=0.3&tau=2");
        }""",
        pieces,
    )
    page.wait_for_function("dial.come === 4")
    there = sorted(piece["alpha"] for piece in pieces[1:])
    for alpha in sorted({0.07, 2.0, 70.0} - set(there)):
        near = min(there, key=lambda one: abs(np.log(one / alpha)))
        page.evaluate("(alpha) => dial.turn(dial.alphas.indexOf(alpha))", alpha)
        page.wait_for_function("(alpha) => stage.meta.alpha === alpha", arg=near)
        assert page.locator(".dial-words").inner_text() == (
            f"This one is being worked out. The faint picture is that of α = {near:g}."
        )
    assert page.locator(".dial-coming").inner_text() == "3 of 21 are here; the rest follow."


def test_another_scene_takes_the_place_of_the_first_and_nothing_is_mixed(held):
    room, take = held
    page = take()
    other = "alpha=0.4&tau=0.5&reward=bump"
    room.hand(other)
    opened(page, other)
    page.wait_for_function("stage.meta.alpha === 0.4")
    assert page.evaluate("dial.alphas") == list(dial.places_of(Link.read(other).story.settings))
    limit = exact.limit(Link.read(other).story.settings, 0.4)
    assert f"mean reward {limit.reward:.2f}" in page.locator(".dial-words").inner_text()
    # a page that has not heard of it yet, and asks on, drops what it had
    page.evaluate("Object.assign(dial, {of: 'of another', done: false}); dial.follow(++dial.opened)")
    page.wait_for_function("dial.done && dial.known.size === dial.alphas.length && dial.of !== 'of another'")
    room.hand(None)
    page.evaluate("Object.assign(dial, {done: false}); dial.follow(++dial.opened)")
    page.wait_for_function("dial.done")
    assert page.locator(".dial-coming").inner_text() == "There is nothing to turn any more."


def test_what_is_chosen_reaches_the_teacher(held):
    page = held[1]()
    turn(page, 2.0)
    with page.expect_request("**/join/send") as sent:
        page.get_by_role("button", name="Send this to the teacher").click()
    link = Link.read(sent.value.post_data_json["link"])
    settings = link.story.settings
    assert (settings.alpha, settings.tau, settings.mode) == (2.0, 2.0, "both")
    page.wait_for_function("document.querySelector('.dial-said').textContent === 'Sent: α = 2.'")


def test_all_controls_are_at_hand_and_cost_the_server_one_file(held):
    """The Pocket lab comes over the page with the scene; what is made of it reaches the teacher; a way back."""
    page = held[1]()
    turn(page, 2.0)
    page.wait_for_timeout(500)
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(held[0].address)))
    page.get_by_role("button", name="All controls").click()
    inside = page.frame_locator("iframe[title='Pocket lab']")
    inside.locator("#alpha output, #alpha input").first.wait_for()
    lab = page.frames[-1]
    lab.wait_for_function("document.querySelector('.orw-stage')?.stage?.meta?.alpha === 2")
    lab.wait_for_function("document.querySelector('.lab').lab.inForce.tau === 2")
    assert lab.evaluate("document.documentElement.scrollWidth") <= 390
    assert inside.get_by_role("navigation", name="Pages").is_hidden()
    lab.evaluate("""() => {
        const range = document.querySelector("#tau input[type=range]");
        range.value = range.max;
        range.dispatchEvent(new Event("input", {bubbles: true}));
    }""")
    inside.locator("#toggle").click()
    lab.wait_for_function("document.querySelector('.orw-stage').stage.meta.round > 3")
    with page.expect_request("**/join/send") as sent:
        page.locator(".whole-head").get_by_role("button", name="Send this to the teacher").click()
    link = Link.read(sent.value.post_data_json["link"])
    assert link.story.settings.alpha == 2.0
    assert link.story.at(link.story.round).tau == lab.evaluate("document.querySelector('.lab').lab.inForce.tau") > 2
    assert link.story.round > 3
    page.wait_for_function("document.querySelector('.whole-said').textContent === 'Sent, as it is now.'")
    page.get_by_role("button", name="Back").click()
    assert page.locator("iframe").count() == 0
    assert page.locator(".dial .range").is_visible()
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == [asked[0], "join/send"]
    assert asked[0].startswith("pocket")


def test_the_whole_lab_goes_with_the_scene(held):
    page = held[1]()
    page.get_by_role("button", name="All controls").click()
    assert page.locator("dialog.whole-lab").is_visible()
    page.evaluate("dial.close()")
    assert page.locator("dialog.whole-lab").is_hidden()
    assert page.locator("iframe").count() == 0


def test_what_happened_in_a_scene_stays_behind(hold):
    page = hold()
    link = Link.read(
        "alpha=3&others=0.1,10&tau=0.5&steer=w2&budget=0.2&round=30&log=10:alpha:0.5&mode=exact&reward=bump"
    )
    page.evaluate(
        "(link) => { dial.ask = () => new Promise(() => {}); dial.open(link); dial.alphas = [0.7]; }", link.text()
    )
    chosen = Link.read(page.evaluate("dial.link"))
    assert chosen.story == Link.read("alpha=0.7&tau=0.5&mode=both&reward=bump").story


def test_a_link_of_ones_own_is_sent_and_what_is_none_is_told(held):
    page = held[1]()
    box, said = page.get_by_label("or send a link from the Live lab"), page.locator(".dial-said")
    for text, words in (
        ("", "Paste a link first"),
        ("https://example.org/", "This is no link of a state"),
        ("https://example.org/#alpha=1e9", "W2 weight α is 1000000000.0; allowed: a number from 0 to 100."),
    ):
        box.fill(text)
        box.press("Enter")
        page.wait_for_function(
            "(words) => document.querySelector('.dial-said').textContent.startsWith(words)", arg=words
        )
        assert "dial-wrong" in said.get_attribute("class")
    box.fill("https://example.org/lab#alpha=0.5")
    page.get_by_role("button", name="Send link").click()
    page.wait_for_function("document.querySelector('.dial-said').textContent === 'The link was sent.'")
    assert box.input_value() == ""
    assert "dial-wrong" not in said.get_attribute("class")


def test_a_scene_without_a_dial_says_why(room, hold):
    room.hand("methods=orw_cfm,raft")
    page = hold()
    page.evaluate("dial.open('methods=orw_cfm,raft')")
    page.wait_for_function("dial.done")
    assert page.locator(".dial-coming").inner_text().startswith("methods is 'orw_cfm, raft'; allowed: no race")
    assert page.locator(".dial .range").is_disabled()
    assert page.get_by_role("button", name="Send this to the teacher").is_disabled()


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (1280, False), (1280, True)])
def test_it_fits_and_axe_is_content(held, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = held[1](width=width, height=740, dark=dark, has_touch=width < 500, is_mobile=width < 500)
    page.wait_for_timeout(900)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for element in page.locator(".dial :is(button, input, a):visible").all():
        assert element.bounding_box()["height"] >= 43.9
    sizes = page.evaluate(
        "[...document.querySelectorAll('.dial *')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 13
