"""Looking back on two axes: the rounds that were kept, and flow time in each of them; in a file and in the lab."""

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from lab import choose, drag, eventually, pick, press, state, unfold, wait
from stage_page import pixels

from orwlab.show.lab.picture import FLOW, FLOW_TIMES
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import replay, scenes
from orwlab.show.stage.frames import decode

pytestmark = pytest.mark.browser

ROUNDS = 6
SET = """([axis, value]) => {
    const range = document.querySelector(`.${axis} input`);
    range.value = value;
    range.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def settled(s: Session) -> dict[str, str]:
    while s.wants_work:
        s.advance()
    return s.frame()


@pytest.fixture(scope="module")
def kept():
    """(round, picture) pairs, and what a picture has at other flow times in the last round: t -> (n, 2)."""
    s = Session(Settings(alpha=0.3, tau=2.0), particles=1000, flow=True)
    pairs = [(0, settled(s))]
    for k in range(1, ROUNDS + 1):
        s.step()
        pairs.append((k, settled(s)))
    there = {}
    for k in range(FLOW_TIMES):
        s.control(t=k / (FLOW_TIMES - 1))
        there[k / (FLOW_TIMES - 1)] = decode(settled(s)["frame"])[1]["x"][0]
    s.close()
    return pairs, there


@pytest.fixture
def file(browser, tmp_path):
    """``file(pairs)`` opens a replay from the disk, without a network; it may not complain, nor ask for anything."""
    contexts, complaints = [], []

    def opened(pairs, width=1000, **more):
        path = tmp_path / "replay.html"
        path.write_text(replay.page(pairs, "A run"), encoding="utf-8")
        contexts.append(browser.new_context(offline=True, viewport={"width": width, "height": 800}, **more))
        page = contexts[-1].new_page()
        page.on("request", lambda request: complaints.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        wait(page, "round === 0")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [text for text in complaints if not text.startswith(("file:", "data:"))] == []


def at(page, t: float) -> None:
    page.evaluate("(t) => player.seek(t)", t)
    wait(page, f"Math.abs(stage.frame.time - {t}) < 1e-9 && stage.retimed !== true")
    page.wait_for_timeout(300)  # what glides has come to rest


def test_at_every_flow_time_the_file_shows_what_the_lab_showed(file, kept):
    pairs, there = kept
    page = file(pairs)
    page.evaluate(SET, ["orw-rounds", str(ROUNDS)])
    wait(page, f"round === {ROUNDS}")
    ways = decode(pairs[-1][1]["flow"])[1]["flow"][0]
    for k, (t, dots) in enumerate(there.items()):
        if t == 1:
            continue
        at(page, t)
        positions = state(page)["positions"]
        assert positions.shape == (FLOW, 2)
        np.testing.assert_allclose(positions, ways[k], atol=1e-5)
        apart = np.linalg.norm(positions - dots[:FLOW], axis=1)
        assert np.median(apart) < 0.02  # a pixel: the two have solvers with steps of their own
        assert np.quantile(apart, 0.95) < 0.05
        assert page.locator(".orw-note").text_content().startswith(f"t = {page.evaluate('(t) => t.toFixed(2)', t)}")
    at(page, 1)
    np.testing.assert_array_equal(state(page)["positions"], there[1.0])  # all of them, and nothing was lost


def in_the_middle(page) -> float:
    """The share of pixels in a square of side 2 around the origin that are not of the ground."""
    seen = pixels(page)
    side = round(len(seen) ** 0.5)
    square = seen[: side * side].reshape(side, side, 3)
    edge = round(side * (0.5 - 1 / (2 * scenes.HOME)))
    middle = square[edge : side - edge, edge : side - edge].reshape(-1, 3)
    return float((np.abs(middle - np.median(middle, axis=0)).sum(1) > 60).mean())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_the_beginning_one_sees_the_noise_and_at_the_end_the_data(file, kept, scheme):
    page = file(kept[0], color_scheme=scheme)
    page.evaluate("stage.configure({background: 'none', ghost: false, modes: false})")
    at(page, 0)
    noise = in_the_middle(page)
    labels = page.evaluate("[...stage.scene.labels.slice(0, stage.frame.n)]")
    assert len(set(labels)) == 8  # every dot keeps the colour of the mode that it will come to
    at(page, 1)
    assert noise > 0.02
    assert in_the_middle(page) < 0.1 * noise  # eight modes around an empty middle


def test_both_axes_are_moved_and_played_by_keys(file, kept):
    page = file(kept[0])
    press_key = page.keyboard.press
    for key, seen in [(".", 1), (".", 2), (",", 1)]:
        press_key(key)
        wait(page, f"round === {seen}")
    for key, t in [("<", 0.95), ("<", 0.9), (">", 0.95), (";", 0.9)]:
        press_key(key)
        wait(page, f"Math.abs(stage.frame.time - {t}) < 1e-9")
    press_key(".")
    wait(page, "round === 2")
    assert state(page)["meta"]["t"] == 1
    assert page.evaluate("stage.frame.time") == pytest.approx(0.9)  # the other axis stays where it was
    press_key("Space")
    wait(page, f"round === {ROUNDS}")
    assert page.evaluate("stage.frame.time") == pytest.approx(0.9)
    for _ in range(20):
        press_key("<")
    wait(page, "stage.frame.time === 0")
    press_key("f")
    wait(page, "stage.frame.time > 0.1 && stage.frame.time < 0.9")
    wait(page, "stage.frame.time === 1")
    page.locator(".orw-times input").focus()
    press_key("ArrowLeft")
    wait(page, "Math.abs(stage.frame.time - 0.99) < 1e-9")
    assert page.locator(".orw-times input").get_attribute("aria-valuetext") == "t = 0.99"
    press_key("Home")
    wait(page, "stage.frame.time === 0")


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_a_finger_hits_what_is_in_the_bar(file, kept, width):
    page = file(kept[0], width)
    boxes = [found.bounding_box() for found in page.locator(".orw-player :is(button, input):visible").all()]
    assert len(boxes) == 4
    for box in boxes:
        assert box["height"] >= 44
        assert box["width"] >= 44
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_file_of_before_has_one_axis(file, kept):
    page = file([(k, {part: value[part] for part in ("scene", "exact", "frame")}) for k, value in kept[0]])
    assert page.locator(".orw-rounds").is_visible()
    assert not page.locator(".orw-times").is_visible()
    page.keyboard.press("<")
    page.keyboard.press("f")
    page.keyboard.press(".")
    wait(page, "round === 1")
    assert page.evaluate("stage.frame.time") == 1


@pytest.mark.parametrize("flow", ["AAAA", "frame", "two lanes"])
def test_a_flow_that_is_none_leaves_the_picture_as_it_is(file, kept, flow):
    (first, value), *_ = kept[0]
    odd = {"frame": value["frame"], "two lanes": scenes.flow(torch.zeros(2, 3, 4, 2), 5.0)}.get(flow, flow)
    page = file([(first, value), (1, value)])
    page.evaluate("(odd) => { recorder.entries[0].flow = odd; player.show(0); }", odd)
    page.wait_for_timeout(300)
    before = state(page)["positions"]
    page.evaluate("stage.seek(0.5)")
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(state(page)["positions"], before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_file(file, kept, scheme):
    page = file(kept[0], color_scheme=scheme)
    at(page, 0.5)
    found = Axe().run(page)
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found.response["violations"]] == []


# ---- in the lab


def looking(page, t: float) -> None:
    page.evaluate(SET, ["lab-player .orw-times", str(t)])
    wait(page, f"Math.abs(stage.frame.time - {t}) < 1e-9")


def test_flow_time_is_moved_in_every_kept_round_and_the_present_comes_back(visit):
    page = visit()
    wait(page, "round > 40")
    looking(page, 0.3)
    wait(page, f"stage.frame.n === {FLOW}")
    assert page.evaluate("document.querySelector('.lab').lab.recorder.entries.every(({flow}) => flow)")
    first = page.locator(".lab-player .orw-rounds input")
    first.focus()
    page.keyboard.press("Home")
    wait(page, "round === 0")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.querySelector('.orw-stage').stage.frame.time") == pytest.approx(0.3)
        assert page.locator(".orw-times input").is_enabled()
    page.wait_for_timeout(600)
    assert page.evaluate("document.querySelector('.lab').lab.player.on")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("f")  # plays what one looks at, and not the present
    wait(page, "stage.frame.time === 1 && meta.round < 20")
    page.keyboard.press("Escape")
    wait(page, "round > 40 && meta.state === 'running' && stage.frame.time === 1")
    assert page.evaluate("document.querySelector('.orw-stage').stage.seeking.t") is None


def test_the_present_flow_time_is_kept(visit):
    page = visit(running=False, query="#t=0.6&round=8")
    wait(page, "round === 8 && meta.state === 'paused' && !meta.replaying")
    assert eventually(lambda: page.locator(".orw-times output").text_content() == "0.60")
    looking(page, 0.2)
    page.locator(".orw-live").click()
    wait(page, "stage.frame.time === 0.6 && stage.frame.n > 400")
    assert page.locator("#t .typed").input_value() == "0.6"


def test_where_a_density_is_drawn_flow_time_has_its_place_and_nothing_to_move(visit):
    page = visit(running=False)
    wait(page, "meta.state === 'paused' && meta.run !== 'first'")
    assert eventually(lambda: page.locator(".orw-times input").is_enabled())
    before = page.locator(".orw-times").bounding_box()
    pick(page, "mode", "exact")
    wait(page, "meta.mode === 'exact'")
    assert eventually(lambda: page.locator(".orw-times input").is_disabled())
    assert page.locator(".orw-times").bounding_box() == before


def test_play_is_about_the_present(visit):
    page = visit()
    wait(page, "round > 20")
    page.keyboard.press(",")
    wait(page, "meta.round < 40")
    press(page, "toggle")
    wait(page, "meta.state === 'running'")
    assert not page.evaluate("document.querySelector('.lab').lab.player.on")


def test_the_bar_is_written_only_when_it_says_something_else(visit):
    page = visit(running=False)
    wait(page, "meta.state === 'paused' && meta.run !== 'first'")
    unfold(page)
    page.wait_for_timeout(1000)
    page.evaluate(
        """() => { window.written = 0;
            new MutationObserver((found) => { window.written += found.length; }).observe(
                document.querySelector('.lab-player'),
                {subtree: true, childList: true, attributes: true, characterData: true}); }"""
    )
    painted = state(page)["counters"]["painted"]
    drag(page, "alpha", 0.3)
    choose(page, "reward", "bump")
    wait(page, f"counters.painted > {painted} + 1")
    page.wait_for_timeout(500)
    assert page.evaluate("window.written") == 0


def test_the_kept_rounds_stay_in_their_memory(visit):
    page = visit(query="#others=0.1,3")
    wait(page, "round > 60")
    size, most = page.evaluate(
        "(() => { const { size, most } = document.querySelector('.lab').lab.recorder; return [size, most]; })()"
    )
    assert 0 < size <= most == 64e6
