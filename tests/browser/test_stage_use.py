"""The stage on a bare page: using it with a mouse, fingers, keys or a screen reader, and what no message can break."""

import json

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from stage_host import Lab
from stage_page import LEAVING, camera, counters, give, near, pixels

pytest_plugins = ["stage_page"]  # the fixtures host and labs
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_zoom_by_keys_wheel_and_drag_is_shared_and_comes_home(host, labs):
    page = host(labs[2].value(), below=1500)
    home = camera(page)
    x, y = page.evaluate("""() => { const p = stage.layout.plots[1], at = stage.canvas.getBoundingClientRect();
        return [at.left + p.x + 0.75 * p.w, at.top + p.y + 0.5 * p.h]; }""")
    page.mouse.move(x, y)
    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 50")  # the wheel belongs to the page
    assert camera(page) == home
    assert page.locator(".orw-advice").get_attribute("data-on") is not None  # and it is said how to zoom
    page.evaluate("scrollTo(0, 0)")
    page.mouse.click(x, y)
    page.mouse.wheel(0, -300)
    page.wait_for_function("stage.camera.free")
    near_by = camera(page)
    assert page.evaluate("scrollY") == 0
    assert near_by[1] - near_by[0] < 0.8 * (home[1] - home[0])
    fixed = home[0] + 0.75 * (home[1] - home[0])  # the point under the pointer stays where it is
    assert near_by[0] + 0.75 * (near_by[1] - near_by[0]) == pytest.approx(fixed, abs=0.05)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=4)
    page.mouse.up()
    assert camera(page)[0] > near_by[0] + 0.1
    give(page, labs[2].value())
    assert camera(page)[0] > near_by[0] + 0.1  # new frames leave it there
    assert page.locator(".orw-home").is_visible()
    page.keyboard.press("0")
    page.wait_for_function("!stage.camera.free")
    assert camera(page) == home
    assert not page.locator(".orw-home").is_visible()
    page.keyboard.press("+")
    assert camera(page)[1] < home[1]
    page.locator(".orw-home").click()
    assert camera(page) == home
    page.keyboard.press("+")
    page.mouse.dblclick(x, y)
    assert camera(page) == home
    page.keyboard.press("Escape")
    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 50")


def test_one_finger_scrolls_the_page_two_zoom(host, labs):
    page = host(labs[1].value(), 390, 700, below=1200, has_touch=True)
    home = camera(page)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        given = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

    fingers("touchStart", (200, 300))
    for k in range(1, 8):
        fingers("touchMove", (200, 300 - 25 * k))
    for k in range(
        4
    ):  # the finger comes to rest before it is lifted: a flung page scrolls on, on a busy machine for long
        page.wait_for_timeout(100)
        fingers("touchMove", (200, 125 - k % 2))
    fingers("touchEnd")
    page.wait_for_function("scrollY > 60")
    assert camera(page) == home
    page.wait_for_function("(now = scrollY) => window.was === now || (window.was = now, false)", polling=300)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("scrollY === 0")
    fingers("touchStart", (180, 200), (220, 200))
    for k in range(1, 8):
        fingers("touchMove", (180 - 10 * k, 200), (220 + 10 * k, 200))
    fingers("touchEnd")
    page.wait_for_function("stage.camera.free")
    assert page.evaluate("scrollY") == 0
    now = camera(page)
    assert now[1] - now[0] < 0.5 * (home[1] - home[0])


def test_keys_become_commands(host, labs):
    page = host(labs[1].value())
    canvas = page.locator("canvas")
    assert canvas.get_attribute("tabindex") == "0"
    canvas.focus()
    for key in (" ", "s", "r", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "p", "x"):
        page.keyboard.press(key)
    expected = ["toggle", "step", "reset", "alpha_down", "alpha_up", "tau_up", "tau_down", "present"]
    assert page.evaluate("commands") == expected
    page.evaluate("""() => { commands.length = 0; document.addEventListener('keydown', (event) => stage.key(event));
        document.body.insertAdjacentHTML('beforeend', '<input id="typed"><button id="pressed">x</button>'); }""")
    page.locator("#typed").focus()
    page.keyboard.press("s")
    page.locator("#pressed").focus()
    page.keyboard.press(" ")
    assert page.evaluate("commands") == []
    page.locator("#pressed").blur()
    page.keyboard.press("s")
    canvas.focus()
    page.keyboard.press("r")  # heard inside and by the page, done once
    assert page.evaluate("commands") == ["step", "reset"]


@pytest.mark.parametrize("lanes", [1, 2])
def test_read_outs_explain_themselves(host, labs, lanes):
    page = host(labs[lanes].value())
    tip = page.locator(".orw-tip")
    assert not tip.is_visible()
    term = page.locator(".orw-term", has_text="effective").first
    term.hover()
    assert "weighted by exp(τ r)" in tip.inner_text()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    page.mouse.move(5, 700)
    tip.wait_for(state="hidden")
    page.locator("canvas").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    for button in page.locator(".orw-term").all():  # the same words for those who do not see the box
        described = button.get_attribute("aria-describedby")
        assert page.locator(f"#{described}").text_content().endswith(".")


def test_a_tap_explains_too(host, labs):
    page = host(labs[1].value(), 390, 800, has_touch=True)
    page.locator(".orw-head .orw-term").first.tap()
    assert page.locator(".orw-tip").inner_text().startswith("Mean reward")


@pytest.mark.parametrize(("lanes", "width"), [(1, 1500), (1, 390), (4, 1500)])
def test_a_spread_stands_beside_its_value_or_in_what_explains_it(host, labs, lanes, width):
    page = host(labs[lanes].value(), width, 800)
    beside = page.locator(".orw-tile[data-key=reward] .orw-spread, td .orw-spread").all_text_contents()
    page.locator(".orw-tile[data-key=reward] .orw-term, th .orw-term").first.hover()
    said = page.locator(".orw-tip").inner_text()
    assert ("±0.012" in beside) != ("±0.012" in said)
    assert ("±0.012" in beside) == (lanes == 1 and width == 1500)


def test_tiles_show_the_value_beside_the_exact_one_and_do_not_move(host, labs):
    page = host(labs[1].value())
    tile = page.locator(".orw-tile[data-key=reward]")
    assert tile.locator(".orw-exact").text_content() == "exact 0.40"
    boxes = "() => [...document.querySelectorAll('.orw-tile')].map((e) => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(boxes)
    value = tile.locator(".orw-value").text_content()
    labs[1].advance(6)
    give(page, labs[1].value())
    assert tile.locator(".orw-value").text_content() != value
    assert page.evaluate(boxes) == before


def test_banners_and_badges_belong_to_their_lane(host, labs):
    page = host(labs[2].value(banners=[None, LEAVING], state="paused"))
    banners = page.locator(".orw-banner")
    assert [banner.is_visible() for banner in banners.all()] == [False, True]
    assert banners.nth(1).inner_text() == "It is leaving the data. Try a larger α."
    plot = page.evaluate("stage.layout.plots[1].x") + 12
    assert banners.nth(1).bounding_box()["x"] >= plot
    assert [badge.text_content() for badge in page.locator(".orw-badge").all()] == ["paused", "paused"]
    stopped = {"kind": "stopped", "title": "It has diverged.", "text": "Press Reset."}
    give(page, labs[2].value(banners=[stopped, None]))
    assert [badge.text_content() for badge in page.locator(".orw-badge").all()] == ["stopped", ""]
    give(page, labs[2].value(state="paused", settling=True))
    assert [badge.text_content() for badge in page.locator(".orw-badge").all()] == ["settling", "settling"]
    give(page, labs[2].value())
    assert not any(banner.is_visible() for banner in banners.all())
    assert page.evaluate("states") == ["paused", "running", "paused", "running"]


def test_no_message_can_break_it(host, labs):
    page = host(labs[2].value())
    page.wait_for_timeout(300)
    good = labs[2].value()
    before, state = pixels(page), page.evaluate("JSON.stringify(stage.meta)")
    three = Lab([1.0], 0, particles=50).value()["frame"]
    damaged = [
        {**good, "frame": "AAAA"},
        {**good, "frame": good["frame"][:-400]},
        {**good, "frame": good["scene"]},
        {**good, "frame": "not base64 !!"},
        {**good, "frame": three[:60] + "A" * 40 + three[100:]},
    ]
    for count, value in enumerate(damaged, 1):
        page.evaluate("(value) => stage.receive(value)", value)
        page.wait_for_function(f"stage.counters.errors === {count}")
    assert page.evaluate("JSON.stringify(stage.meta)") == state
    assert np.abs(pixels(page) - before).max() <= 2
    page.evaluate("stage.receive(null); stage.receive({}); stage.receive('x')")
    give(page, {**good, "scene": "AAAA", "exact": "BBBB"})  # the frame is good: it is shown over the last good backdrop
    assert page.evaluate("stage.meta.seq") == json.loads(state)["seq"] + 1
    assert page.evaluate("stage.scene.modes") == 8
    assert counters(page)["errors"] == len(damaged) + 2
    give(page, labs[2].value())
    assert counters(page)["errors"] == len(damaged) + 2


def test_a_slow_browser_skips_frames_and_never_queues_them(host, labs):
    page = host(labs[1].value())
    values = [labs[1].value() for _ in range(20)]
    page.evaluate("(values) => values.forEach((value) => stage.receive(value))", values)
    page.wait_for_function("!stage.pending")
    found = counters(page)
    assert found["received"] == 21
    assert found["skipped"] == 19
    assert found["decoded"] == 2
    assert page.evaluate("stage.meta.seq") == labs[1].seq  # the newest


def test_the_picture_is_told_in_words(host, labs):
    page = host(labs[2].value(state="paused"))
    summary = page.locator(".orw-summary")
    assert summary.get_attribute("aria-live") == "polite"
    text = summary.text_content()
    assert text.startswith("Paused, round 12. α = 0.3: Mean reward 0.")
    assert "exact limit 0.67" in text
    assert page.locator("canvas").get_attribute("aria-describedby") == summary.get_attribute("id")
    page.wait_for_timeout(1100)
    give(page, labs[2].value(banners=[LEAVING, None]))
    assert "It is leaving the data." in summary.text_content()  # what happens is told at once
    said = {summary.text_content()}
    for _ in range(8):
        give(page, labs[2].value(banners=[LEAVING, None], t=0.5))
        said.add(summary.text_content())
    assert len(said) == 1  # what only goes on is not


def test_reduced_motion_paints_seldom_and_never_between_frames(host, labs):
    page = host(labs[1].value(), reduced_motion="reduce")
    labs[1].advance(2)
    values = [labs[1].value() for _ in range(3)]
    painted = page.evaluate(
        """async (values) => {
            const before = stage.counters.painted, from = performance.now();
            for (let k = 0; performance.now() - from < 2000; k++) {
                stage.receive(values[k % 3]);
                await new Promise((done) => setTimeout(done, 50));
            }
            return stage.counters.painted - before;
        }""",
        values,
    )
    assert 2 <= painted <= 6
    at = page.evaluate("[Array.from(stage.positions), Array.from(stage.arrays.x.data)]")
    np.testing.assert_allclose(at[0], at[1], atol=1e-6)


def test_it_survives_being_taken_out_and_put_back(host, labs):
    page = host(labs[1].value())
    page.evaluate("window.kept = document.getElementById('stage'); kept.remove(); stage.receive(null)")
    page.evaluate("(value) => stage.receive(value)", labs[1].value())
    page.wait_for_timeout(300)
    page.evaluate("document.querySelector('main').prepend(kept)")
    give(page, labs[1].value())
    assert page.evaluate("stage.meta.seq") == labs[1].seq
    assert near(pixels(page), (0, 0x72, 0xB2), 60) > 1e-3


def test_sharp_on_a_fine_screen_and_larger_type_for_a_room(host, labs):
    page = host(labs[1].value(), 390, 800, device_scale_factor=3)
    assert page.evaluate(
        "(() => { const c = document.querySelector('canvas'); return c.width === 3 * c.clientWidth; })()"
    )
    page = host(labs[1].value(), 1920, 1080)
    size = "parseFloat(getComputedStyle(document.querySelector('.orw-value')).fontSize)"
    plain, panels = page.evaluate(size), page.locator(".orw-head").count()
    page.evaluate("stage.configure({present: true})")
    assert page.evaluate(size) > 1.3 * plain
    assert page.locator(".orw-head").count() < panels


@pytest.mark.parametrize(("lanes", "dark"), [(1, False), (2, True), (4, False)])
def test_axe_finds_nothing(host, labs, lanes, dark):
    banners = [LEAVING] + [None] * (lanes - 1)
    page = host(labs[lanes].value(mode="both", state="paused", banners=banners), dark=dark)
    page.locator(".orw-term").first.focus()
    found = Axe().run(page, context=".orw-stage").response["violations"]
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in found] == []
