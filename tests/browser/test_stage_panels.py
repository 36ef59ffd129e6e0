"""The panels of the stage: nothing is left behind, nothing is written over anything, and values can be read off."""

import base64
import json

import numpy as np
import pytest
from stage_extremes import value
from stage_page import give

pytest_plugins = ["stage_page"]  # the fixture host
pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (360, 768, 1280, 1920)
# all of the canvas but the plots, whose particles glide
BESIDE_THE_PLOTS = """() => {
    const { canvas, layout, picture } = stage, { area } = layout, r = picture.ratio, context = canvas.getContext('2d');
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const right = Math.ceil((area.x + area.w + 2) * r), bottom = Math.ceil((area.y + area.h + 2) * r);
    const left = Math.floor(area.x * r), at = (x, y) => 4 * (y * canvas.width + x);
    for (let y = 0; y < bottom; y++) data.fill(0, at(left, y), at(right, y));
    let text = '';
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode.apply(null, data.subarray(i, i + 8192));
    return btoa(text);
}"""
# the words of the panels, and what is painted where they stand when no word is painted
UNDER_THE_WORDS = """() => {
    const { picture, frame, canvas } = stage, r = picture.ratio, context = canvas.getContext('2d');
    const { panels } = stage.layout;
    const words = picture.texts.map((texts, k) => texts.map((word) => ({ ...word, body: panels[k].body })));
    const paint = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = () => {};
    picture.paintPanels(frame);
    CanvasRenderingContext2D.prototype.fillText = paint;
    const ground = stage.theme.panel.match(/\\w\\w/g).map((hex) => parseInt(hex, 16));
    for (const word of words.flat()) {
        const { data } = context.getImageData(word.x * r, word.y * r, Math.max(1, word.w * r), Math.max(1, word.h * r));
        word.painted = 0;
        for (let i = 0; i < data.length; i += 4) {
            const away = Math.max(...ground.map((c, j) => Math.abs(c - data[i + j])));
            if (data[i + 3] > 0 && away > 34) word.painted++; // more than the lines of the grid
        }
    }
    picture.paintPanels(frame);
    return words;
}"""


def beside_the_plots(page) -> np.ndarray:
    return np.frombuffer(base64.b64decode(page.evaluate(BESIDE_THE_PLOTS)), np.uint8)


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
@pytest.mark.parametrize("width", WIDTHS)
def test_what_was_written_before_leaves_nothing_behind(host, width, lanes):
    dark, fine = lanes % 2 == 0, 1.25 if width == 1280 else 1
    page = host(value(lanes, -1.5e12), width, 900, dark=dark, device_scale_factor=fine)
    for scale in (1e-9, 3e6, 1.0):
        give(page, value(lanes, scale))
    fresh = host(value(lanes, 1.0), width, 900, dark=dark, device_scale_factor=fine)
    np.testing.assert_array_equal(beside_the_plots(page), beside_the_plots(fresh))


@pytest.mark.parametrize("scale", [1.0, 1e6, -1.5e12, 1e-9])
@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
def test_words_lie_neither_on_lines_nor_on_each_other(host, lanes, scale):
    page = host(None, dark=lanes == 2)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        give(page, value(lanes, scale))
        page.wait_for_timeout(100)
        panels = page.evaluate(UNDER_THE_WORDS)
        assert len(panels) >= 3
        for words in panels:
            assert words, width
            for i, word in enumerate(words):
                body, where = word["body"], (width, word)
                assert word["painted"] == 0, where
                assert word["x"] >= body["x"] - 0.5, where
                assert word["y"] >= body["y"] - 0.5, where
                assert word["x"] + word["w"] <= body["x"] + body["w"] + 0.5, where
                assert word["y"] + word["h"] <= body["y"] + body["h"] + 0.5, where
                for other in words[i + 1 :]:
                    apart = (
                        word["x"] + word["w"] <= other["x"] + 0.5
                        or other["x"] + other["w"] <= word["x"] + 0.5
                        or word["y"] + 0.85 * word["h"] <= other["y"]
                        or other["y"] + 0.85 * other["h"] <= word["y"]
                    )
                    assert apart, (where, other)


def test_what_the_lines_are_is_written_at_them(host):
    said = [[word["text"] for word in words] for words in host(value(4), 1920, 1080).evaluate(UNDER_THE_WORDS)]
    reward, distances, masses = said[0], set(said[2]), set(said[3])
    names = [text.removeprefix("limit ").removeprefix("α = ") for text in reward]
    assert all(names.count(name) == 2 for name in ("0.001", "0.3", "10"))  # at the end of its line, and at its limit
    assert "the paper's bound ↑ 10¹⁴" in distances or "bound ↑ 10¹⁴" in distances
    assert {"W₂²", "coupled cost", "penalty"} <= distances
    assert {str(mode) for mode in range(1, 9)} <= masses
    alone = {word["text"] for words in host(value(1)).evaluate(UNDER_THE_WORDS) for word in words}
    assert {"exact limit 1.10", "reference 0.00", "the paper's bound ↑ 10¹⁴", "coupled cost 3.3"} <= alone


def over(page, panel: int, share: float) -> tuple[float, float]:
    """A place in a panel, as a share of its width."""
    x, y, w, h = page.evaluate(f"(({{ x, y, w, h }}) => [x, y, w, h])(stage.picture.areas[{panel}].area)")
    at = page.locator("canvas").bounding_box()
    return at["x"] + x + share * w, at["y"] + y + 0.5 * h


def test_values_are_read_off_the_curves(host):
    page = host(value(2))
    box = page.locator(".orw-reading")
    page.mouse.move(*over(page, 0, 0.52))
    box.wait_for(state="visible")
    words = box.inner_text().split()
    assert words[:2] == ["round", "50"]
    assert [f"{k * 0.5**0.7:.2f}" for k in (1, 2)] == words[words.index("reward") + 1 :][:2]
    assert words[words.index("limit") + 1 :][:2] == ["1.10", "2.20"]
    page.mouse.move(*over(page, 2, 1.0))
    assert "round 100" in box.inner_text()
    assert "8.0·10¹³" in box.inner_text()  # also of the line that is off the panel
    page.mouse.move(*over(page, 3, 0.3))
    assert "mode 3" in box.inner_text()
    assert "12.5 %" in box.inner_text()
    give(page, value(2, rounds=20))  # another run: there is no such place any more
    page.mouse.move(*over(page, 0, 1))
    assert box.inner_text().startswith("round 20")
    page.mouse.move(5, 5)
    box.wait_for(state="hidden")


def test_a_finger_reads_values_too(host):
    page = host(value(1), 390, 800, has_touch=True)
    page.evaluate("document.querySelector('.orw-picture').scrollIntoView({ block: 'end' })")
    page.touchscreen.tap(*over(page, 0, 0.3))
    box = page.locator(".orw-reading")
    box.wait_for(state="visible")
    assert box.inner_text().startswith("round 30")
    side = box.bounding_box()
    assert side["x"] >= 0
    assert side["x"] + side["width"] <= 390
    page.touchscreen.tap(*over(page, 0, -0.5))
    box.wait_for(state="hidden")


def test_a_resting_pointer_does_not_leave_it_there(host):
    page = host(value(1))
    page.mouse.move(*over(page, 0, 0.5))
    page.locator(".orw-reading").wait_for(state="visible")
    page.locator(".orw-reading").wait_for(state="hidden", timeout=8000)


# words that do not fit where they stand, of any kind
CUT = """() => {
    const kinds = 'term label note badge now value exact spread more item head lane tile'.split(' ');
    const places = ['th', 'td', ...kinds.map((kind) => '.orw-' + kind)].join();
    return [...document.querySelectorAll(`.orw-stage :is(${places})`)]
        .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
        .map((e) => `${e.className || e.tagName}: ${e.textContent} ${e.scrollWidth} > ${e.clientWidth}`);
}"""


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
@pytest.mark.parametrize("more", [False, True])
def test_no_word_is_cut(host, lanes, more):
    page = host(None, options={"more": more}, dark=more)
    for width in (*WIDTHS, 1024):
        page.set_viewport_size({"width": width, "height": 800})
        for present in (False, True):
            page.evaluate("(present) => stage.configure({present})", present)
            for scale in (1.0, -20.0):
                give(page, value(lanes, scale))
                page.wait_for_timeout(60)
                assert page.evaluate(CUT) == [], (width, present, scale)


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_phone_on_its_side_shows_plot_and_curves_at_once(host, lanes):
    page = host(value(lanes), 740, 360, options={"more": False})
    layout = json.loads(page.evaluate("JSON.stringify(stage.layout)"))
    plots = [*layout["plots"], *[panel["body"] for panel in layout["panels"][:2]]]
    if lanes == 1:
        assert page.locator(".orw-picture").bounding_box()["height"] <= 360
        assert len(layout["panels"]) >= 2
        assert all(plot["y"] + plot["h"] <= 360 for plot in plots)
    assert all(panel["body"]["h"] >= 60 for panel in layout["panels"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 740
