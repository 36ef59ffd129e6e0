"""The stage on a bare page: what a person sees."""

import io
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from stage_page import ALPHAS, LEAVING, counters, give, near, pixels

pytest_plugins = ["stage_page"]  # the fixtures host and labs
pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOXES = """() => [...document.querySelectorAll('.orw-lane, .orw-head, .orw-tile, .orw-numbers tr, .orw-line')]
    .map((element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        return [element.className + ' ' + element.textContent, left, top, right, bottom];
    })"""
# values and names of lanes that do not fit where they stand
CUT_OFF = """() => [...document.querySelectorAll('.orw-value, .orw-label, .orw-now, .orw-exact, .orw-spread')]
    .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
    .map((e) => e.textContent)"""
TYPE_SIZES = """() => [...document.querySelectorAll('.orw-stage *')]
    .filter((e) => e.offsetParent && e.textContent.trim()).map((e) => parseFloat(getComputedStyle(e).fontSize))"""


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_everything_has_its_place(host, labs, lanes):
    page = host(labs[lanes].value(mode="both", banners=[LEAVING] + [None] * (lanes - 1)))
    for width, present in itertools.product((360, 390, 768, 1280, 1920), (False, True)):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("(present) => stage.configure({present})", present)
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = page.evaluate(BOXES)
        assert len(found) >= lanes + 2
        for i, (name, *a) in enumerate(found):
            assert a[0] >= 0, (width, name)
            assert a[2] <= width + 0.5, (width, name)
            for other, *b in found[i + 1 :]:
                apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
                assert apart, (width, present, name, a, other, b)
        assert page.evaluate(CUT_OFF) == [], (width, present)
        assert min(page.evaluate(TYPE_SIZES)) >= 13


@pytest.mark.parametrize("dark", [False, True])
def test_it_draws_every_lane_in_its_colour(host, labs, dark):
    page = host(labs[4].value(), dark=dark)
    assert page.locator(".orw-stage").get_attribute("data-theme") == ("dark" if dark else "light")
    colours = page.evaluate("stage.theme.dots")
    for lane, colour in enumerate(colours):
        rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert near(pixels(page, lane), rgb, 60) > 0.002
        assert page.evaluate(
            f"getComputedStyle(document.querySelectorAll('.orw-label')[{lane}]).color"
        ) == page.evaluate(
            f"(() => {{ const e = document.createElement('i'); e.style.color = stage.theme.lanes[{lane}];"
            " document.body.append(e); return getComputedStyle(e).color; })()"
        )
    assert page.evaluate("stage.visible") > 1500
    assert [e.text_content() for e in page.locator(".orw-label").all()] == [f"α = {a:g}" for a in ALPHAS[4]]


def test_the_exact_limit_is_drawn_where_it_is_asked_for_and_unlike_the_data(host, labs):
    vermilion = (0xD5, 0x5E, 0x00)
    page = host(labs[2].value(mode="learned"))
    learned = near(pixels(page), vermilion)
    give(page, labs[2].value(mode="both"))
    both = near(pixels(page), vermilion)
    assert both > learned + 0.004
    page.evaluate("stage.configure({contours: false})")
    assert near(pixels(page), vermilion) < 0.5 * both
    page.evaluate("stage.configure({contours: true})")
    give(page, labs[2].value(mode="exact"))
    blue = (0x1F, 0x5F, 0xE0)
    assert near(pixels(page), blue) < 1e-4  # not the learned samples
    assert near(pixels(page), vermilion) > 0.004
    give(page, labs[2].value(mode="exact", exact=False))
    assert page.evaluate("stage.visible") > 300  # without a density there are still its samples
    assert counters(page)["errors"] == 0


def test_backgrounds_ghost_arrows_and_trails_can_be_switched(host, labs):
    page = host(labs[1].value())

    def changed(action: Callable[[], None]) -> float:
        before = pixels(page)
        action()
        return float((np.abs(pixels(page) - before).sum(1) > 6).mean())

    def choose(**options) -> Callable[[], None]:
        return lambda: page.evaluate("(options) => stage.configure(options)", options)

    assert changed(choose(background="density")) > 0.5
    assert changed(choose(background="none")) > 0.02
    assert changed(choose(ghost=False)) > 0.005
    assert changed(choose(background="no such thing", trails=3)) == 0  # what is wrong is left as it was
    page.wait_for_timeout(200)
    assert changed(lambda: give(page, labs[1].value(paths=True))) > 0.005
    assert changed(choose(trails=False)) > 0.005
    assert changed(lambda: give(page, labs[1].value(arrows=True))) > 0.005


def test_between_frames_particles_glide_and_never_jump(host, labs):
    lab = labs[1]
    page = host(lab.value())
    page.wait_for_function("stage.motion.x.done")
    lab.advance(3)
    seen = page.evaluate(
        """(value) => { // a clock of its own: the machine may be busy
            const seen = [Array.from(stage.positions)], from = performance.now();
            stage.receive(value);
            for (let ms = 0; ms <= 300; ms += 10) {
                stage.tick(from + ms);
                seen.push(Array.from(stage.positions));
            }
            return [...seen, Array.from(stage.arrays.x.data)];
        }""",
        lab.value(),
    )
    path = np.array(seen)
    whole = np.abs(path[-1] - path[0]).max()
    assert whole > 0.02
    np.testing.assert_allclose(path[1], path[0], atol=1e-6)  # it starts from what is drawn
    assert np.abs(np.diff(path[:-1], axis=0)).max() < 0.5 * whole
    np.testing.assert_allclose(path[-2], path[-1], atol=1e-6)  # and ends where the frame has it


def test_two_more_lanes_start_from_the_ones_that_are_there(host, labs):
    page = host(labs[2].value())
    text = page.evaluate(
        """async (value) => {
            const before = stage.positions.slice(0, 800);
            stage.receive(value);
            await new Promise(requestAnimationFrame);
            const now = stage.motion.x.from;
            return [now.length, Math.max(...before.map((b, i) => Math.abs(b - now[i])))];
        }""",
        labs[4].value(),
    )
    assert text[0] == 4 * 800
    assert text[1] == 0
    assert page.locator(".orw-lane").count() == 4


def test_a_picture_of_it_has_the_lanes_colours(host, labs):
    """The same as `pixels`, but by a screenshot: what is over the canvas must not hide it."""
    page = host(labs[2].value())
    page.wait_for_timeout(300)
    shot = np.asarray(Image.open(io.BytesIO(page.locator(".orw-picture").screenshot())).convert("RGB")).reshape(-1, 3)
    for colour in ((0x1F, 0x5F, 0xE0), (0x04, 0xB0, 0x78)):
        assert near(shot.astype(int), colour, 60) > 0.003


NUMBERS = (
    "() => [...document.querySelectorAll('.orw-tile, tbody tr')].map((e) => e.querySelector('.orw-term')?.textContent)"
)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_two_numbers_are_large_and_the_rest_behind_a_button(host, labs, lanes):
    page = host(labs[lanes].value(), options={"more": False})
    page.evaluate("() => { window.told = []; stage.host.configured = (options) => told.push(options); }")
    button = page.locator(".orw-more")
    assert page.evaluate(NUMBERS)[0] in ("mean reward", "reward")
    few = len(page.evaluate(NUMBERS))
    size = "parseFloat(getComputedStyle(document.querySelector('.orw-value')).fontSize)"
    large = page.evaluate(size)
    assert button.inner_text() == "more numbers"
    assert button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert len(page.evaluate(NUMBERS)) > few
    assert page.evaluate(size) < large
    assert page.evaluate("document.activeElement.className") == "orw-more"  # the keyboard stays where it was
    button.click()
    assert len(page.evaluate(NUMBERS)) == few
    assert page.evaluate("told.map(({ more }) => more)") == [True, False]


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1024, 768), (1920, 1080), (768, 1024), (740, 360)])
def test_on_a_projector_reward_diversity_and_distance_stay(host, labs, lanes, width, height):
    page = host(labs[lanes].value(mode="both", tau=2.5), width, height)
    for high in (max(280, height - 60), max(260, height - 200)):  # however much the legend takes
        page.add_style_tag(content=f".orw-stage {{ --orw-height: {high}px; }}")
        page.evaluate("stage.configure({present: true})")
        shown = page.evaluate(NUMBERS)
        assert any("reward" in (name or "") for name in shown)
        assert any("W₂²" in (name or "") for name in shown)
        assert "particles" not in page.locator(".orw-numbers").inner_text()
        assert page.evaluate("parseFloat(stage.layout.small)") >= (18 if width >= 800 else 15)
    assert width < 768 or "τ = 2.5" in page.locator(".orw-note").first.inner_text()


def test_lanes_are_told_apart_in_the_readers_own_colours(host, labs):
    """Where a reader's colours replace those of the page, the legend's marks and the badge are still there."""
    page = host(labs[4].value(mode="both", state="paused"), forced_colors="active")
    marks = page.locator(".orw-legend svg")
    assert marks.count() >= 4
    for k in range(4):
        shot = np.asarray(Image.open(io.BytesIO(marks.nth(k).screenshot())).convert("RGB")).reshape(-1, 3).astype(int)
        assert len(np.unique(shot // 64, axis=0)) > 1, k  # not of one colour
    badge = page.locator(".orw-badge").first
    shot = np.asarray(Image.open(io.BytesIO(badge.screenshot())).convert("RGB")).reshape(-1, 3).astype(int)
    assert np.ptp(shot, axis=0).max() > 120
