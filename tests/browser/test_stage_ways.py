"""The stage on a bare page: the modes' numbers, the way of one sample, why there is no limit, and manners of hints."""

import json

import numpy as np
import pytest
from stage_extremes import value
from stage_page import counters, give, near, pixels

from orwlab.show.stage.frames import Quantised, decode, encode

pytest_plugins = ["stage_page"]  # the fixture host
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def changed(page, action) -> float:
    """The share of the first plot's pixels that an action changes."""
    before = pixels(page)
    action()
    page.wait_for_timeout(150)
    return float((np.abs(pixels(page) - before).sum(1) > 60).mean())


def with_way(given: dict[str, str], traced: int, steps: int = 9) -> dict[str, str]:
    """A value with the way of a particle: straight, from 3 to the left and 3 below where it is."""
    meta, arrays = decode(given["frame"])
    end = arrays["x"][:, traced : traced + 1]
    s = np.linspace(1, 0, steps)[None, :, None]
    kept = {name: Quantised(a, -10.0, 10.0) if name == "x" else a for name, a in arrays.items()}
    return given | {"frame": encode({**meta, "traced": traced}, kept | {"trace": Quantised(end - 3 * s, -10.0, 10.0)})}


def place_of(page, particle: int, lane: int = 0) -> tuple[float, float]:
    """Where a particle is drawn, on the page."""
    return tuple(
        page.evaluate(f"""() => {{
        const p = stage.layout.plots[{lane}], [x0, x1, y0, y1] = stage.camera.now;
        const at = stage.canvas.getBoundingClientRect();
        const k = 2 * ({lane} * stage.frame.n + {particle}), [x, y] = [stage.positions[k], stage.positions[k + 1]];
        return [at.left + p.x + (x - x0) / (x1 - x0) * p.w, at.top + p.y + (y1 - y) / (y1 - y0) * p.h];
    }}""")
    )


@pytest.mark.parametrize("lanes", [1, 4])
def test_modes_have_numbers_that_can_be_switched_off(host, lanes):
    page = host(value(lanes))
    assert "the modes of the data" in page.locator(".orw-legend").inner_text()
    assert changed(page, lambda: page.evaluate("stage.configure({modes: false})")) > 0.004
    assert "the modes of the data" not in page.locator(".orw-legend").inner_text()
    spots = page.evaluate("stage.picture.places")
    assert len(spots) == 8
    assert np.hypot(*np.array(spots).T) == pytest.approx(np.full(8, 3.72), abs=0.01)  # outside the ring of eight


def test_colours_are_explained_where_they_stand(host):
    words = host(value(1)).locator(".orw-legend").inner_text()
    assert "a dot's colour is the mode it starts from" in words
    assert "a bar's colour is the mode where samples are now" in words
    words = host(value(2)).locator(".orw-legend").inner_text()
    assert "one α a colour" in words
    assert "bar's colour" not in words


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_pointer_at_a_sample_asks_for_its_way(host, lanes):
    page = host(value(lanes))
    page.evaluate("() => { window.asked = []; stage.host.trace = (k) => asked.push(k); }")
    page.wait_for_function("stage.motion.x.done")
    # one that is alone: its nearest neighbour is far
    x = np.array(page.evaluate("Array.from(stage.positions)")).reshape(lanes, -1, 2)[-1]
    apart = np.hypot(*(x[:, None] - x[None]).transpose(2, 0, 1)) + 9 * np.eye(len(x))
    inside = (np.abs(x) < 4.5).all(1)
    particle = int(np.argmax(np.where(inside, apart.min(1), -1)))
    at = place_of(page, particle, lanes - 1)
    page.mouse.move(at[0] + 4, at[1] - 4)
    page.wait_for_function(f"asked.at(-1) === {particle}")
    drawn = changed(page, lambda: give(page, with_way(value(lanes), particle)))
    assert drawn > 0.001
    assert "from its noise" in page.locator(".orw-legend").inner_text()
    page.mouse.move(2, 2)
    page.wait_for_function("asked.at(-1) === null")
    give(page, value(lanes))
    assert "from its noise" not in page.locator(".orw-legend").inner_text()
    page.locator("canvas").focus()
    for _ in range(2):
        page.keyboard.press("n")
    assert page.evaluate("asked.slice(-2)") == [0, 1]
    page.keyboard.press("Escape")  # lets go of the picture
    assert page.evaluate("asked.at(-1)") is None
    assert counters(page)["errors"] == 0


def test_the_way_goes_from_the_noise_to_the_sample(host):
    page = host(value(1), options={"background": "none", "ghost": False, "modes": False})
    given = value(1)
    x = decode(given["frame"])[1]["x"][0]
    particle = int(np.argmin(np.hypot(*(x - 1).T)))
    plain = pixels(page)
    give(page, with_way(given, particle))
    side = page.evaluate("Math.round(stage.layout.plots[0].w * stage.picture.ratio) - 4")
    new = (np.abs(pixels(page) - plain).sum(1) > 60).reshape(-1, side)
    rows, columns = np.nonzero(new)
    to_x, to_y = -5 + 10 * columns / side, 5 - 10 * rows / side
    assert to_x.min() == pytest.approx(x[particle, 0] - 3, abs=0.35)
    assert to_y.min() == pytest.approx(x[particle, 1] - 3, abs=0.35)
    assert to_x.max() == pytest.approx(x[particle, 0], abs=0.25)
    assert np.abs((to_y - x[particle, 1]) - (to_x - x[particle, 0])).max() < 0.6  # along the diagonal between them


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_where_there_is_no_limit_it_is_said_why(host, width):
    def told(limits, mode="both"):
        meta, arrays = decode(value(2, mode=mode)["frame"])
        for lane, limit in zip(meta["lanes"], limits):
            lane["limit"] = limit
        kept = {name: Quantised(a, -10.0, 10.0) if name == "x" else a for name, a in arrays.items()}
        return value(2) | {"frame": encode(meta, kept)}

    none = {"state": "none", "text": "no limit at α = 0: nothing holds it back"}
    page = host(told([none, {"state": "there", "text": ""}]), width, 800)
    legend = page.locator(".orw-legend")
    assert "α = 0.001: no limit at α = 0: nothing holds it back" in legend.inner_text()
    assert "α = 0.3:" not in legend.inner_text()
    assert page.locator(".orw-note").first.inner_text().startswith("no limit") or width < 1280
    cut = "(e) => e.scrollWidth > e.clientWidth + 1"
    assert not any(note.evaluate(cut) for note in page.locator(".orw-note").all())
    give(page, told([none, {"state": "pending", "text": ""}]))
    assert "α = 0.3: the exact limit is being worked out" in legend.inner_text()
    assert "the exact limit: the same shares" not in legend.inner_text()  # there are no contours
    give(page, told([none, none], mode="learned"))
    assert "no limit" not in legend.inner_text()  # nobody asked
    hostile = {"state": "none", "text": "<img src=x onerror=alert(1)>"}
    give(page, told([hostile, hostile]))
    assert "<img" in legend.inner_text()
    assert legend.locator("img").count() == 0


def test_no_explanation_is_left_standing(host):
    page = host(value(1), below=1500)
    tip, term = page.locator(".orw-tip"), page.locator(".orw-head .orw-term").first

    def explained() -> None:
        page.mouse.move(5, 5)
        tip.wait_for(state="hidden")
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(300)  # scrolling hides it, too
        term.hover()
        tip.wait_for(state="visible")

    page.locator("canvas").focus()
    explained()
    page.keyboard.press("Space")
    assert not tip.is_visible()
    explained()
    page.evaluate("stage.configure({present: true})")
    assert not tip.is_visible()
    page.evaluate("stage.configure({present: false})")
    explained()
    page.mouse.wheel(0, 30)
    tip.wait_for(state="hidden")
    explained()
    tip.wait_for(state="hidden", timeout=8000)  # a pointer that only rests there


def test_fingers_are_not_told_of_a_wheel_and_hit_the_buttons(host):
    page = host(value(2), 390, 800, has_touch=True, is_mobile=True, options={"more": False})
    words = page.locator(".orw-legend").inner_text()
    assert "Two fingers zoom" in words
    assert "wheel" not in words
    page.evaluate("stage.camera.look([0, 2, 0, 2], true); stage.looked()")
    for name in (".orw-home", ".orw-more"):
        box = page.locator(name).bounding_box()
        assert box["height"] >= 44, name
        assert box["width"] >= 44, name
    page.locator(".orw-more").tap()
    assert page.evaluate("stage.options.more")
    page = host(value(2))
    assert "Ctrl + wheel" in page.locator(".orw-legend").inner_text()


def test_a_story_is_passed_on_when_it_changes(host):
    page = host(None)
    page.evaluate("() => { window.stories = []; stage.host.story = (text) => stories.push(text); }")
    one, two = json.dumps({"scene": {}, "log": []}), json.dumps({"scene": {}, "log": [[3, "alpha", 0.1]]})
    for story in (one, one, two, None, two):
        give(page, value(1) | ({"story": story} if story else {}))
    assert page.evaluate("stories") == [one, two]
    assert near(pixels(page), (0xE6, 0x9F, 0x00), 60) > 0
