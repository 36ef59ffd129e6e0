"""The eye sees what the state says: ticked and unticked, chosen, filled, pointed at and switched off, in pixels."""

import io
import itertools
import time

import numpy as np
import pytest
from conftest import Visits
from lab import drag, unfold, wait
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SIZES = {360: 740, 768: 1024, 1024: 768, 1280: 720, 1920: 1080}
BOX = "input[type=checkbox]"


@pytest.fixture(scope="module", params=["light", "dark", "forced light", "forced dark"])
def at_rest(browser, address, request):
    """A page with everything unfolded, in one manner after the other."""
    visits = Visits(browser, address)
    forced, dark = "forced" in request.param, "dark" in request.param
    page = visits(running=False, dark=dark, forced_colors="active" if forced else "none", reduced_motion="reduce")
    unfold(page)
    yield page
    visits.close()


def pixels(page, selector: str, pad: int = 3) -> np.ndarray:
    """An element with a little around it, as numbers from 0 to 255, (height, width, 3)."""
    locator = page.locator(selector).first
    locator.scroll_into_view_if_needed()
    time.sleep(0.15)
    box = locator.bounding_box()
    clip = {
        "x": box["x"] - pad,
        "y": box["y"] - pad,
        "width": box["width"] + 2 * pad,
        "height": box["height"] + 2 * pad,
    }
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")).astype(float)


def differing(a: np.ndarray, b: np.ndarray, by: float = 60) -> int:
    """How many pixels differ clearly."""
    return int((np.abs(a - b).max(-1) > by).sum())


def contrast(a: np.ndarray, b: np.ndarray) -> float:
    """As in WCAG, of two colours."""
    low, high = sorted(float(((c / 255) ** 2.2) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("row", ["#ghost", "#contours", "#arrows", "#paths", "#others .row:nth-child(1)"])
def test_a_ticked_box_has_a_tick_and_an_unticked_one_has_none(at_rest, row):
    page, box = at_rest, f"{row} {BOX}"
    looks = {}
    for ticked in (True, False):
        page.locator(box).first.set_checked(ticked)
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur()")
        looks[ticked] = pixels(page, box)
    assert differing(looks[True], looks[False]) > 20
    # the tick itself: within the box there are two colours, far apart; without it there is one
    spread = {ticked: contrast(*extremes(look[7:-7, 7:-7])) for ticked, look in looks.items()}
    assert spread[True] > 3
    assert spread[False] < 1.2


def extremes(look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The darkest and the lightest pixel."""
    flat = look.reshape(-1, 3)
    order = flat.sum(1).argsort()
    return flat[order[0]], flat[order[-1]]


@pytest.mark.parametrize("ticked", [True, False])
def test_a_box_under_the_pointer_stays(at_rest, ticked):
    page, box = at_rest, f"#ghost {BOX}"
    page.locator(box).set_checked(ticked)
    page.locator(box).hover()
    look = pixels(page, box)
    edge, ground = look[3:5, 8:-8].reshape(-1, 3).mean(0), look[0, 0]
    assert contrast(edge, ground) > 3 or contrast(look[5, 8:-8].mean(0), ground) > 3
    page.mouse.move(2, 2)
    page.locator(box).set_checked(True)


def test_the_chosen_of_a_few_words_stands_out_and_moves(at_rest):
    page = at_rest
    looks = []
    for option in ("learned", "both"):
        page.locator(f"#mode input[value={option}]").check(force=True)
        page.mouse.move(2, 2)
        looks.append(pixels(page, "#mode .options", 0))
    assert differing(*looks) > 0.3 * looks[0].shape[0] * looks[0].shape[1]
    middle = looks[0].shape[0] // 2
    chosen, other = looks[0][middle, 8], looks[0][middle, -8]
    assert contrast(chosen, other) > 3
    page.locator("#mode input[value=learned]").check(force=True)


@pytest.mark.parametrize("name", ["alpha", "tau", "t"])
def test_a_slider_shows_how_far_it_is_filled(at_rest, name):
    page = at_rest
    drag(page, name, {"alpha": 1, "tau": 2, "t": 0.5}[name])
    page.mouse.move(2, 2)
    look = pixels(page, f"#{name} .range", 0)
    line = look[look.shape[0] // 2]
    ground = look[1, line.shape[0] // 2]
    filled, rest = line[6], line[-6]
    assert contrast(filled, ground) > 3
    assert contrast(filled, rest) > 1.4
    assert np.abs(rest - ground).max() > 8
    changes = np.flatnonzero(np.abs(np.diff(line, axis=0)).max(1) > 20)
    share = {"alpha": 0.5, "tau": 0.4, "t": 0.5}[name]
    assert changes.min() - 4 <= share * len(line) <= changes.max() + 12  # where it ends there is the handle


def test_what_cannot_be_used_looks_like_it(at_rest):
    page = at_rest
    slider = "#others .row:nth-child(2)"
    looks = {}
    for on in (False, True):
        page.locator(f"{slider} {BOX}").set_checked(on)
        page.mouse.move(2, 2)
        looks[on] = [pixels(page, f"{slider} {part}") for part in (".range", ".typed")]
    for off, on in zip(looks[False], looks[True]):
        assert differing(off, on, 30) > 40
    page.locator(f"{slider} {BOX}").set_checked(False)


def test_a_list_has_an_arrow_and_a_box_to_type_in_has_none(at_rest):
    page = at_rest
    page.mouse.move(2, 2)
    for name in ("target", "reward", "weighting", "speed"):
        look = pixels(page, f"#{name} select", 0)
        inner = look[6:-6, -24:-4]
        assert differing(inner, np.broadcast_to(inner[0, 0], inner.shape)) > 10, name


def test_a_box_to_type_in_has_an_edge(at_rest):
    for selector in ("#alpha .typed", "#target select"):
        look = pixels(at_rest, selector)
        middle = look.shape[0] // 2
        assert max(contrast(look[middle, x], look[middle, 0]) for x in range(1, 7)) > 3, selector


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", SIZES)
def test_no_word_on_a_button_is_cut_or_leaves_it(visit, width, dark):
    page = visit(width, SIZES[width], dark, running=False)
    unfold(page)
    for playing in ("Play", "Pause"):
        page.evaluate("(word) => { document.querySelector('#toggle .word').textContent = word; }", playing)
        spilled = page.evaluate("""() => [...document.querySelectorAll('.lab button, .lab .options span, .lab summary')]
            .filter((el) => el.getClientRects().length && el.textContent.trim() && !el.closest('.orw-stage'))
            .filter((el) => {
                const range = document.createRange(); range.selectNodeContents(el);
                const words = range.getBoundingClientRect(), box = el.getBoundingClientRect();
                return words.left < box.left + 1 || words.right > box.right - 1 || el.scrollWidth > el.clientWidth + 1;
            }).map((el) => el.textContent)""")
        assert spilled == []


@pytest.mark.parametrize("width", SIZES)
def test_whatever_is_unfolded_the_page_has_no_empty_field_and_the_moves_stay_by_the_stage(visit, width):
    page = visit(width, SIZES[width], running=False)
    wait(page, "meta.run !== 'first'")
    page.locator(".studio-foot").wait_for()
    before = page.evaluate("document.documentElement.scrollHeight")
    unfold(page)
    names = (".lab-stage", ".lab-try", ".lab-gallery", "#lab-explanation")
    parts = {name: page.locator(name).bounding_box() for name in names}
    if width > 900:
        assert page.evaluate("document.documentElement.scrollHeight") <= before + 2
        bottom = page.locator(".attempted").bounding_box()
        assert parts[".lab-gallery"]["y"] - (bottom["y"] + bottom["height"]) < 40
    for place in range(0, int(page.evaluate("document.documentElement.scrollHeight")), 200):
        page.evaluate(f"scrollTo(0, {place})")
        stage, moves = (page.locator(name).bounding_box() for name in (".lab-stage", ".lab-try"))
        assert stage["y"] + stage["height"] <= moves["y"] + 1
    edges = {name: (round(box["x"]), round(box["x"] + box["width"])) for name, box in parts.items()}
    page.evaluate("scrollTo(0, 0)")
    head = page.locator(".lab-head").bounding_box()
    assert edges["#lab-explanation"] == pytest.approx((head["x"], head["x"] + head["width"]), abs=2)


def test_fingers_find_everything(visit):
    for (width, height), present in itertools.product([(360, 740), (740, 360)], [False, True]):
        page = visit(width, height, running=False, has_touch=True)
        unfold(page)
        if present:
            page.locator("#present").tap()
        low = page.evaluate("""() => [...document.querySelectorAll(
                '.lab :is(button, select, summary, input), #lab-explanation > button')]
            .filter((el) => el.getClientRects().length && !el.closest('.orw-stage, dialog'))
            .map((el) => [Math.max(...[el, el.closest('label') ?? el].map((one) => one.getBoundingClientRect().height)),
                el.outerHTML.slice(0, 80)]).filter(([height]) => height < 43.5)""")
        assert low == []
        page.context.close()
