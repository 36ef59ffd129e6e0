"""Questions and everybody's guesses as people see them: by mouse, finger and keyboard, in pixels, and by axe."""

import lab
import numpy as np
import pytest
from asks_page import (
    EXACT,
    PENDING,
    SCENES,
    accepted,
    ask,
    begin,
    fingers,
    guesses,
    like,
    on_stage,
    picture,
    reveal,
    run_of,
    show,
    told,
    truth_of,
    value,
)
from axe_playwright_python.sync_playwright import Axe

from orwlab.show.lab.controls import BY_NAME

pytest_plugins = ["asks_page", "stage_page"]  # the fixtures asks and labs
pytestmark = pytest.mark.browser

OWN, GUESS, EXACTLY = "#E69F00", {False: "#0072B2", True: "#3D9BE0"}, {False: "#BF4E00", True: "#FF8B4D"}
SOME = {"choose": 2, "alpha": 0.5, "place": [1.4, -2.0], "curve": run_of(0.8), "order": [2, 1, 4, 3]}


# Questions ------------------------------------------------------------------------------------------------------------


def test_every_kind_begins_without_a_guess_and_its_guess_is_one_that_a_room_takes(asks, labs):
    page = asks(labs[1].value())
    for kind in SCENES:
        begin(page, kind)
        assert value(page) is None
        assert page.locator("#asked .ask-prompt").inner_text() == ask(kind)["prompt"]
        begin(page, kind, SOME[kind])
        assert value(page) == SOME[kind]
        assert accepted(kind, value(page))
        assert told(page) == []  # what was known already is not told again


def test_markup_in_a_lesson_is_text(asks):
    page = asks()
    prompt = "<img src=x onerror='window.hit = 1'><b>bold</b>"
    for kind in SCENES:
        if kind == "place":
            continue
        begin(page, kind, prompt=prompt)
        given = guesses(kind)
        show(page, kind, reveal(kind, given, truth_of(kind)), prompt=prompt)
        assert page.locator("#asked .ask-prompt").inner_text() == prompt
        assert page.locator(":is(#asked, #seen) :is(img, b)").count() == 0
    show(page, "place", reveal("place", [], {"value": None, "exact": [], "why": prompt}))
    assert prompt in page.locator(".guessed-note").inner_text()
    begin(page, "choose")
    assert page.locator(".ask-option").nth(2).inner_text().endswith(SCENES["choose"]["ask"]["options"][2])
    page.wait_for_timeout(100)
    assert page.evaluate("window.hit") is None


def test_an_option_is_chosen_by_mouse_finger_and_keyboard(asks):
    page = asks(has_touch=True)
    begin(page, "choose")
    options = page.locator(".ask-option")
    assert [box["height"] >= 44 for box in (option.bounding_box() for option in options.all())] == [True] * 3
    assert [option.inner_text()[0] for option in options.all()] == ["A", "B", "C"]
    options.nth(1).click()
    options.nth(0).tap()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert told(page) == [2, 1, 2, 3]
    assert page.get_by_role("radio", checked=True).count() == 1
    assert page.locator(".ask-state").inner_text() == "You chose C."
    page.evaluate("widget.lock(true)")
    options.nth(0).click(force=True)
    assert value(page) == 3
    assert page.locator(".ask-state").inner_text() == "Locked: you chose C."
    page.evaluate("widget.lock(false)")
    options.nth(0).click()
    assert value(page) == 1


def test_alphas_slider_is_the_labs(asks):
    page, scale = asks(), BY_NAME["alpha"].scale
    assert page.evaluate("ALPHA_PLACES") == list(scale.places)
    assert page.evaluate("ALPHA_TICKS") == list(scale.ticks)
    for alpha in (0.0, 0.004, 0.01, 0.32, 1.05, 7.0, 99.0, 100.0):
        assert page.evaluate("(alpha) => alphaShare(alpha)", alpha) == pytest.approx(scale.share(alpha), abs=1e-12)


def test_alphas_ticks_never_touch(asks):
    page = asks()
    begin(page, "alpha")
    for width in (320, 140, 1280):
        page.evaluate(f"document.querySelector('.ask-track').style.width = '{width - 40}px'")
        assert lab.eventually(lambda: [one["gap"] for one in lab.ticks(page)] > [7.9], 3), (width, lab.ticks(page))
    assert lab.eventually(lambda: lab.ticks(page)[0]["words"] == ["0", "0.1", "1", "10", "100"], 3)


def test_alpha_has_no_value_until_it_is_touched(asks):
    page = asks()
    begin(page, "alpha")
    slider = page.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "not chosen yet"
    assert page.locator(".ask-number").inner_text().endswith("?")
    start = page.evaluate("ALPHA_PLACES[document.querySelector('.range').value]")
    slider.focus()
    page.keyboard.press("Tab")
    assert value(page) is None  # looking at it is no guess
    box = slider.bounding_box()
    share = 14 / box["width"] + (1 - 28 / box["width"]) * BY_NAME["alpha"].scale.share(start)  # the handle's own middle
    page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    assert told(page) == [start]  # but a press on the handle is one


def test_alpha_is_dragged_typed_and_moved_by_keys_and_told_at_the_end(asks):
    page = asks()
    begin(page, "alpha")
    slider, places = page.get_by_role("slider"), BY_NAME["alpha"].scale.places
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 0.3 * box["width"], y, steps=8)
    on_the_way = value(page)
    assert on_the_way > 5  # one sees it move
    assert told(page) == []
    page.mouse.move(box["x"] + 1, y, steps=5)
    page.mouse.up()
    assert told(page) == [0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert told(page) == [0, places[1], places[2]]
    typed = page.get_by_label("α, typed")
    for text, number in (("0,33", 0.33), ("25.5", 25.5)):
        typed.fill(text)
        typed.press("Enter")
        assert told(page)[-1] == number
        assert accepted("alpha", value(page))
    many = len(told(page))
    for wrong in ("500", "-1", "much"):
        typed.fill(wrong)
        typed.press("Enter")
        assert page.locator(".ask-wrong").inner_text() == f"α is {wrong}; allowed: a number from 0 to 100."
    assert (len(told(page)), value(page)) == (many, 25.5)
    slider.focus()
    page.keyboard.press("End")
    assert (value(page), typed.input_value()) == (100, "100")
    assert page.locator(".ask-wrong").count() == 0
    page.evaluate("widget.lock(true)")
    assert slider.is_disabled()
    assert typed.is_disabled()
    assert page.locator(".ask-state").inner_text().replace("\xa0", " ") == "Locked: you say α = 100."


def test_a_tap_places_a_cross_and_leaves_the_stage_as_it_is(asks, labs):
    page = asks(labs[1].value(), 390, 760, has_touch=True, is_mobile=True)
    begin(page, "place")
    page.wait_for_selector(".room-overlay.taking")
    before, ground = page.evaluate("stage.camera.now"), picture(page)
    wanted = [1.4, -2.0]
    x, y = on_stage(page, wanted)
    page.touchscreen.tap(x, y)
    page.wait_for_function("told.length > 0")
    np.testing.assert_allclose(value(page), wanted, atol=0.03)
    assert accepted("place", value(page))
    assert page.locator(".ask-state").inner_text() == "You say x 1.4, y −2.0."
    assert page.evaluate("stage.camera.now") == before
    assert not page.evaluate("stage.camera.free")
    page.wait_for_timeout(100)
    seen = picture(page)
    here = (slice(int(y) - 20, int(y) + 20), slice(int(x) - 20, int(x) + 20))
    assert like(ground[here], OWN).sum() < 10
    found = np.argwhere(like(seen[here], OWN))
    assert len(found) > 120
    np.testing.assert_allclose(found.mean(0), (20, 20), atol=1.5)  # in its middle
    assert like(seen[here], "#1b1300").sum() > 60  # with a dark rim


def test_a_finger_scrolls_the_page_outside_of_the_plot_and_moves_the_cross_inside(asks, labs):
    page = asks(labs[1].value(), 390, 760, has_touch=True, is_mobile=True, below=800)
    begin(page, "place")
    page.wait_for_selector(".room-overlay.taking")
    touch = fingers(page)
    x, y = on_stage(page, [0, 0])
    touch("touchStart", (x, y))
    for k in range(1, 6):
        touch("touchMove", (x, y - 12 * k))
    touch("touchEnd")
    page.wait_for_function("told.length > 0")
    assert len(told(page)) == 1
    assert value(page)[1] > 1
    assert page.evaluate("scrollY") == 0
    low = on_stage(page, [0, -5])[1] + 150  # on the curves
    touch("touchStart", (x, low))
    for k in range(1, 9):
        touch("touchMove", (x, low - 25 * k))
        page.wait_for_timeout(30)
    touch("touchEnd")
    page.wait_for_function("scrollY > 60")
    assert len(told(page)) == 1


def test_a_place_is_found_by_keys_and_said(asks, labs):
    page = asks(labs[1].value())
    begin(page, "place")
    page.wait_for_selector(".room-overlay.taking")
    state, cross = page.locator(".ask-state"), page.get_by_role("application", name="Where will most samples be?")
    assert state.get_attribute("role") == "status"
    cross.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert state.inner_text() == "The cross is at x 0.4, y −0.8."
    assert told(page) == []
    page.keyboard.press("Enter")
    assert told(page) == [[0.4, -0.8]]
    assert state.inner_text() == "You say x 0.4, y −0.8."
    page.keyboard.press("ArrowLeft")
    cross.blur()  # a cross that was not placed goes back
    assert value(page) == [0.4, -0.8]
    assert state.inner_text() == "You say x 0.4, y −0.8."
    for _ in range(30):
        cross.press("Shift+ArrowLeft")
    cross.press("Enter")
    assert value(page)[0] == page.evaluate("stage.camera.now[0]")  # no farther than one sees
    page.evaluate("widget.lock(true)")
    assert state.inner_text().startswith("Locked: you say x ")
    cross.press("Enter")
    assert len(told(page)) == 2


def test_the_mark_follows_the_camera_and_the_stage_is_free_again_once_locked(asks, labs):
    page = asks(labs[1].value())
    begin(page, "place", [2.0, 1.0])
    page.evaluate("widget.lock(true)")
    page.wait_for_selector(".room-overlay:not(.taking)")
    spots = []
    for _ in range(2):
        page.wait_for_function("stage.camera.settled")
        page.wait_for_timeout(100)
        x, y = on_stage(page, [2.0, 1.0])
        assert like(picture(page)[int(y) - 18 : int(y) + 18, int(x) - 18 : int(x) + 18], OWN).sum() > 120
        spots.append((x, y))
        page.mouse.move(*on_stage(page, [0, 0]))
        page.keyboard.down("Control")
        page.mouse.wheel(0, -150)  # below the overlay the stage zooms
        page.keyboard.up("Control")
        page.wait_for_function("stage.camera.free")
    assert np.hypot(*np.subtract(*spots)) > 20
    page.evaluate("widget.destroy()")
    assert page.locator(".room-overlay").count() == 0


def stroke(page, points, steps: int = 12) -> None:
    """The mouse draws through shares of the curve's plot, [(from the left, from below), ...]."""
    box = page.locator(".ask-pad").bounding_box()  # eight pixels wider than the plot, at both sides
    places = [(box["x"] + 8 + u * (box["width"] - 16), box["y"] + (1 - v) * box["height"]) for u, v in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def test_a_curve_is_drawn_and_drawn_over(asks):
    page = asks()
    begin(page, "curve")
    stroke(page, [(0, 0.1), (0.5, 0.6)])
    assert told(page) == [None]  # half of it
    assert "from round 106 on" in page.locator(".ask-state").inner_text()
    stroke(page, [(0.5, 0.6), (1, 0.6)])
    at = np.linspace(0, 1, 33)
    first = value(page)
    np.testing.assert_allclose(first, np.interp(at, [0, 0.5, 1], [0.1, 0.6, 0.6]), atol=0.02)
    assert accepted("curve", first)
    stroke(page, [(0.75, 0.2), (0.5, 0.2)])  # backwards, too
    again = np.array(value(page))
    np.testing.assert_allclose(again[16:25], 0.2, atol=0.02)
    assert again[:16].tolist() == first[:16]
    assert again[25:].tolist() == first[25:]
    assert len(told(page)) == 3
    stroke(page, [(0.2, 0.5), (0.4, 1.4)])  # beyond the frame is at its edge
    assert max(value(page)) == 1
    assert accepted("curve", value(page))


def test_a_stroke_that_begins_beside_the_axis_is_enough(asks):
    page = asks(None, 352, 700)
    begin(page, "curve")
    stroke(page, [(0.05, 0.4), (0.96, 0.7)])
    (drawn,) = told(page)
    assert drawn[0] == drawn[2] == pytest.approx(0.4, abs=0.02)
    assert drawn[-1] == pytest.approx(0.7, abs=0.02)


def test_a_curve_is_drawn_by_a_finger_without_scrolling(asks):
    page = asks(None, 390, 500, has_touch=True, is_mobile=True, below=900)
    begin(page, "curve")
    touch, box = fingers(page), page.locator(".ask-pad").bounding_box()
    where = [
        (box["x"] + 8 + u * (box["width"] - 16), box["y"] + 0.9 * box["height"] * (1 - u))
        for u in np.linspace(0, 1, 12)
    ]
    touch("touchStart", where[0])
    for place in where[1:]:
        touch("touchMove", place)
    touch("touchEnd")
    page.wait_for_function("told.length > 0")
    assert page.evaluate("scrollY") == 0
    np.testing.assert_allclose(value(page), np.linspace(0.1, 1, 33), atol=0.04)


def test_a_curve_is_made_by_keys(asks):
    page = asks()
    begin(page, "curve")
    pad = page.get_by_role("slider", name="How will the mean reward go on?")
    pad.focus()
    assert pad.get_attribute("aria-valuetext") == "round 0: nothing yet"
    page.keyboard.press("Shift+ArrowDown")
    assert value(page) == pytest.approx(np.interp(np.arange(33), [0, 4, 32], [0.3, 0.5, 0.5]).tolist())
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    assert pad.get_attribute("aria-valuetext") == "round 200: 0.70"
    assert value(page) == pytest.approx(np.interp(np.arange(33), [0, 4, 28, 32], [0.3, 0.5, 0.5, 0.7]).tolist())
    assert len(told(page)) == 5
    assert accepted("curve", value(page))
    page.evaluate("widget.lock(true)")
    page.keyboard.press("ArrowUp")
    stroke(page, [(0, 0.1), (1, 0.1)])
    assert len(told(page)) == 5
    assert page.locator(".ask-state").inner_text() == "Locked: this is your curve."


def cards(page) -> list[str]:
    return [text.replace("\xa0", " ") for text in page.locator(".ask-card .ask-words").all_inner_texts()]


def test_cards_are_put_in_order_by_buttons(asks):
    page = asks()
    begin(page, "order")
    assert cards(page) == ["α = 0.3", "α = 0.1", "α = 3", "α = 1"]
    assert page.locator(".ask-end").all_inner_texts() == ["least mean reward", "most mean reward"]
    page.get_by_label("Move α = 3 up").click()
    assert told(page) == [[1, 3, 2, 4]]
    page.keyboard.press("Enter")  # the button that was pressed still has the keyboard
    assert told(page)[-1] == [3, 1, 2, 4]
    assert cards(page) == ["α = 3", "α = 0.3", "α = 0.1", "α = 1"]
    assert page.evaluate("document.activeElement.ariaLabel").replace("\xa0", " ") == "Move α = 3 down"
    assert page.locator(".ask-state").inner_text().replace("\xa0", " ") == "α = 3 is number 1 of 4."
    assert accepted("order", value(page))
    begin(page, "order")
    page.get_by_role("button", name="This order").click()
    assert told(page) == [[1, 2, 3, 4]]
    assert page.get_by_role("button", name="This order").count() == 0


@pytest.mark.parametrize("way", ["mouse", "finger"])
def test_cards_are_dragged(asks, way):
    page = asks(None, 390, 700, below=900, has_touch=way == "finger", is_mobile=way == "finger")
    begin(page, "order")
    boxes = [card.bounding_box() for card in page.locator(".ask-card").all()]
    x, (top, *_, bottom) = boxes[0]["x"] + 60, [box["y"] + box["height"] / 2 for box in boxes]
    ways = [top + (bottom - top) * part for part in np.linspace(0, 0.75, 10)]  # past two of three
    if way == "mouse":
        page.mouse.move(x, ways[0])
        page.mouse.down()
        for y in ways[1:]:
            page.mouse.move(x, y)
        held = page.locator(".ask-card.held").bounding_box()
        assert held["y"] + held["height"] / 2 == pytest.approx(ways[-1], abs=3)  # it stays below the pointer
        assert told(page) == []
        page.mouse.up()
    else:
        touch = fingers(page)
        touch("touchStart", (x, ways[0]))
        for y in ways[1:]:
            touch("touchMove", (x, y))
        touch("touchEnd")
        page.wait_for_function("told.length > 0")
        assert page.evaluate("scrollY") == 0
    assert told(page) == [[2, 3, 1, 4]]
    assert cards(page) == ["α = 0.1", "α = 3", "α = 0.3", "α = 1"]
    page.evaluate("widget.lock(true)")
    assert page.locator(".ask-card button:visible").count() == 0
    assert page.locator(".ask-state").inner_text() == "Locked: this is your order."


@pytest.mark.parametrize("kind", ["place", "curve", "order"])
def test_a_question_that_closes_during_a_drag_keeps_what_was_told(asks, labs, kind):
    page = asks(labs[1].value() if kind == "place" else None)
    begin(page, kind, SOME[kind])
    page.wait_for_timeout(100)
    box = page.locator({"place": ".room-overlay", "curve": ".ask-pad", "order": ".ask-cards"}[kind]).bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + box["height"] - 20, steps=6)
    page.evaluate("widget.lock(true)")
    page.mouse.move(box["x"] + 120, box["y"] + 30, steps=3)
    page.mouse.up()
    assert told(page) == []
    assert value(page) == SOME[kind]
    if kind == "order":
        assert cards(page) == ["α = 0.1", "α = 0.3", "α = 1", "α = 3"]


# Everybody's guesses --------------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_share_and_the_right_one_says_so(asks):
    page = asks()
    given, first = [1] * 5 + [2] * 15, [1] * 12 + [2] * 8
    before = reveal("choose", first)["together"]
    show(page, "choose", reveal("choose", given, truth_of("choose"), before=before), own=1)
    assert page.locator(".guessed-head").inner_text() == "20 guesses; 15 of them right (B)."
    rows = page.locator(".guessed-bars > li")
    assert page.locator(".guessed-count").all_inner_texts() == ["5 (25 %)", "15 (75 %)", "0 (0 %)"]
    assert ["✓ right" in row.inner_text() for row in rows.all()] == [False, True, False]
    assert ["yours" in row.inner_text() for row in rows.all()] == [True, False, False]
    assert page.locator(".guessed-before span").all_inner_texts() == [
        "first vote: 12 (60 %)", "first vote: 8 (40 %)", "first vote: 0 (0 %)",
    ]  # fmt: skip
    for k, share in enumerate((0.25, 0.75, 0.0)):
        track = picture(page, f".guessed-bars > li:nth-child({k + 1}) .guessed-track.now")
        filled = like(track[len(track) // 2], GUESS[False]).mean()
        assert filled == pytest.approx(share, abs=0.015)
    show(page, "choose", reveal("choose", given, {"value": None, "exact": EXACT[:1], "why": ""}))  # a poll
    assert page.locator(".guessed-head").inner_text() == "20 guesses."
    assert "right" not in page.locator("#seen").inner_text()


@pytest.mark.parametrize("width", [328, 560])
def test_alphas_are_dots_above_their_places_and_never_on_each_other(asks, width):
    page = asks(None, width + 24, 720)
    given = [0.3] * 9 + [0.0, 3.0, 100.0]
    show(page, "alpha", reveal("alpha", given, truth_of("alpha")), own=3.0)
    dots = page.evaluate(
        "[...document.querySelectorAll('circle.guess')].map((c) => [c.cx, c.cy, c.r].map((p) => p.baseVal.value))"
    )
    dots = np.array(dots)
    assert len(dots) == len(given) - 1  # one's own is no dot
    apart = np.hypot(*(dots[:, None, :2] - dots[None, :, :2]).T) + 1e3 * np.eye(len(dots))
    assert apart.min() >= 1.9 * dots[0, 2]
    ends = page.evaluate("(({x1, x2}) => [x1.baseVal.value, x2.baseVal.value])(document.querySelector('line.axis'))")
    share = (dots[:, 0] - ends[0]) / (ends[1] - ends[0])
    np.testing.assert_allclose(
        sorted(share), sorted(BY_NAME["alpha"].scale.share(a) for a in given if a != 3.0), atol=1e-6
    )
    line = page.evaluate("document.querySelector('line.exact').x1.baseVal.value")
    assert (line - ends[0]) / (ends[1] - ends[0]) == pytest.approx(BY_NAME["alpha"].scale.share(0.32))
    words = page.locator("#seen").inner_text().replace("\xa0", " ")
    assert "12 guesses; 9 within a factor of two of the right α." in words
    assert "yours: α = 3" in words
    assert "right: α = 0.32" in words
    assert "Exact limit at this scene's α: reward 0.70, diversity 3.35." in words
    seen = picture(page, "#seen")
    assert like(seen, EXACTLY[False]).sum() > 150
    assert like(seen, OWN).sum() > 40
    assert page.evaluate("document.querySelector('#seen').scrollWidth <= document.querySelector('#seen').clientWidth")


def test_two_hundred_alphas_alike_stay_in_their_picture(asks):
    page = asks(None, 352, 700)
    show(page, "alpha", reveal("alpha", [1.0] * 200, truth_of("alpha")))
    tops = page.evaluate("[...document.querySelectorAll('circle.guess')].map((c) => c.cy.baseVal.value)")
    assert len(set(tops)) == 200
    assert min(tops) >= 0


@pytest.mark.parametrize("dark", [False, True])
def test_places_lie_over_the_stage_with_a_star_where_it_is_exact(asks, labs, dark):
    page = asks(labs[1].value(), dark=dark)
    given = [[-3.5, 3.5], [2.4, 2.0], [1.8, 1.5], [-2.0, -4.0]]
    show(page, "place", reveal("place", given, truth_of("place")), own=[-2.0, -4.0])
    page.wait_for_timeout(150)
    assert page.locator(".guessed-head").inner_text() == "4 guesses; 2 within 1 unit of the exact place."
    assert "yours: x −2.0, y −4.0, 7.2 away" in page.locator(".guessed-legend").inner_text()
    seen = picture(page)

    def around(place, side):
        x, y = on_stage(page, place)
        return seen[int(y) - side : int(y) + side, int(x) - side : int(x) + side]

    star = like(around([2.0, 2.0], 18), EXACTLY[dark])
    assert star.sum() > 150
    assert like(around([-3.5, 3.5], 10), GUESS[dark]).sum() > 60
    ring = like(around([-2.0, -4.0], 22), OWN)
    assert ring.sum() > 120
    assert not like(around([-3.5, 3.5], 22), OWN).any()
    x, y = on_stage(page, [2.0, 2.0])
    label = like(seen[int(y) - 12 : int(y) + 12, int(x) + 20 : int(x) + 110], EXACTLY[dark])
    assert label.sum() > 60  # the word stands beside it
    assert page.evaluate("getComputedStyle(document.querySelector('.room-overlay')).pointerEvents") == "none"
    page.evaluate("shown.destroy()")
    assert page.locator(".room-overlay").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_curves_have_their_colours_where_they_run(asks, dark):
    page = asks(dark=dark)
    given = [[height] * 33 for height in (0.1, 0.5, 0.5, 0.5, 0.9)]
    truth = truth_of("curve", [0.3] * 33, exact=[{"reward": 0.7, "diversity": 1, "w2": 1, "effective": 1}])
    show(page, "curve", reveal("curve", given, truth), own=[0.9] * 33)
    seen = picture(page, ".room-picture")
    rim = page.evaluate(
        """() => { const { x, y, width, height } = document.querySelector('rect.rim');
        return [x, y, width, height].map((p) => p.baseVal.value); }"""
    )

    def height(share: float, kind: str, within: int = 40) -> float:
        """The share of the pixels across the plot that have a colour, near a height."""
        row = round(rim[1] + (1 - share) * rim[3])
        left, right = round(rim[0]) + 8, round(rim[0] + rim[2]) - 70  # free of words
        return float(like(seen[row - 1 : row + 2, left:right], kind, within).any(0).mean())

    assert height(0.5, GUESS[dark]) > 0.97
    assert height(0.3, "#ffffff" if dark else "#000000") > 0.97
    assert height(0.9, OWN) > 0.8  # but for the word on it
    dashes = height(0.7, EXACTLY[dark])
    assert 0.4 < dashes < 0.8
    assert height(0.1, GUESS[dark]) == 0  # one among many is fainter
    assert height(0.2, GUESS[dark], 200) == 0
    legend = page.locator(".guessed-legend").inner_text().splitlines()
    assert legend == ["a guess", "the middle of all guesses", "yours", "the run", "exact limit: 0.70"]
    assert page.locator(".guessed-head").inner_text() == "5 curves; the middle one ends at 0.50, the run at 0.30."
    rows = [row.split() for row in page.locator(".lab-said tr").all_inner_texts()]
    assert rows[0] == ["round", "0", "50", "100", "150", "200"]
    assert rows[-1] == ["the", "run", *["0.30"] * 5]


def test_an_exact_limit_beyond_the_axis_is_said_and_not_drawn(asks):
    page = asks()
    truth = truth_of("curve", exact=[{"reward": 1.4, "diversity": 1, "w2": 1, "effective": 1}])
    show(page, "curve", reveal("curve", guesses("curve"), truth))
    assert "exact limit: 1.40, outside of this picture" in page.locator(".guessed-legend").inner_text()
    assert page.locator(".room-picture .dashed").count() == 0
    show(page, "curve", reveal("curve", guesses("curve"), truth_of("curve", exact=[None])))
    assert "exact limit" not in page.locator("#seen").inner_text()


def test_orders_stand_beside_the_right_one(asks):
    page = asks()
    given = [[3, 4, 1, 2], [3, 4, 2, 1], [4, 3, 1, 2]]
    show(page, "order", reveal("order", given, truth_of("order")), own=given[1])
    rows = [
        [cell.replace("\xa0", " ") for cell in row.locator("th, td").all_inner_texts()]
        for row in page.locator("tbody tr").all()
    ]
    names, values, ranks, own = zip(*rows, strict=True)
    assert names == ("1. α = 3", "2. α = 1", "3. α = 0.3", "4. α = 0.1")
    assert values == ("0.20", "0.40", "0.70", "0.80")
    assert [rank.split()[:2] for rank in ranks] == [["1.3", "✓"], ["1.7", "✓"], ["3.3", "✓"], ["3.7", "✓"]]
    assert [rank.split()[:2] for rank in own] == [["1", "✓"], ["2", "✓"], ["4", "✗"], ["3", "✗"]]
    assert page.locator(".guessed-head").inner_text() == "3 guesses; 1 with every lane in its place."
    show(page, "order", reveal("order", given, truth_of("order", exact=[None] * 4, run=True)))
    assert page.locator("thead th").all_inner_texts() == ["right order", "mean rank in the class"]
    assert "The order is the run's, at its end." in page.locator("#seen").inner_text()
    shares = reveal("order", given, truth_of("order"))
    show(page, "order", shares, by="effective")
    assert "62 %" in page.locator("tbody tr").first.inner_text()


def test_nobody_not_yet_and_never(asks, labs):
    page = asks(labs[1].value())
    for kind in SCENES:
        show(page, kind, reveal(kind, []))
        assert page.locator(".guessed-head").inner_text() == "Nobody has guessed."
        assert page.locator(".guessed-note").inner_text() == PENDING
        page.evaluate("(reveal) => shown.update({ reveal })", reveal(kind, guesses(kind), truth_of(kind)))
        assert page.locator(".guessed-head").inner_text().startswith("31 ")
        assert page.locator(".guessed-note").count() == 0
    why = {"value": None, "exact": [None], "why": "no limit below α = 0.05: finer than the grid"}
    show(page, "place", reveal("place", guesses("place"), why))
    assert page.locator(".guessed-note").inner_text() == f"There is no exact answer: {why['why']}."
    assert "exact:" not in page.locator(".guessed-legend").inner_text()


# Both -----------------------------------------------------------------------------------------------------------------


def test_without_a_stage_a_place_is_told_in_words(asks):
    page = asks()
    page.evaluate("(ask) => { window.widget = askWidget(document.getElementById('asked'), ask, {}); }", ask("place"))
    assert page.locator(".ask-state").inner_text() == "Asked on the picture."
    given = {"ask": ask("place"), "reveal": reveal("place", guesses("place"), truth_of("place"))}
    page.evaluate("(given) => { window.shown = showGuesses(document.getElementById('seen'), given); }", given)
    assert "exact: x 2.0, y 2.0" in page.locator("#seen").inner_text()


def test_an_overlay_over_all_lanes(asks, labs):
    page = asks(labs[2].value(), 1600, 900)
    page.evaluate("document.getElementById('stage').style.maxWidth = ''")
    page.evaluate("""() => { window.overlay = new StageOverlay(stage, { all: true });
        overlay.draw((ctx, toScreen, theme, plot) => { ctx.fillStyle = ['#00ff00', '#ff00ff'][plot.lane];
            const [x, y] = toScreen([1, 1]); ctx.fillRect(x - 5, y - 5, 10, 10); }); }""")
    page.wait_for_function("document.querySelectorAll('.room-overlay').length === 2")
    page.wait_for_timeout(200)
    seen = picture(page)
    spots = [np.argwhere(like(seen, colour)) for colour in ("#00ff00", "#ff00ff")]
    assert min(len(spot) for spot in spots) > 70
    between = page.evaluate("stage.layout.plots[1].x - stage.layout.plots[0].x")
    assert spots[1].mean(0)[1] - spots[0].mean(0)[1] == pytest.approx(between, abs=1.01)
    x, y = on_stage(page, [1, 1])
    np.testing.assert_allclose(spots[0].mean(0)[::-1] + 0.5, (x, y), atol=1.5)
    np.testing.assert_allclose(page.evaluate("([x, y]) => overlay.toData(x, y)", [x, y]), [1, 1], atol=0.02)


SMALL = """() => [...document.querySelectorAll('#asked *, #seen *')]
    .filter((e) => e.getClientRects().length && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((e) => !e.closest('.lab-said'))
    .map((e) => [parseFloat(e.getAttribute('font-size') ?? getComputedStyle(e).fontSize), e.textContent])
    .filter(([size]) => size < 13)"""
CUT = """() => [...document.querySelectorAll('svg text')].filter((text) => {
    const t = text.getBoundingClientRect(), s = text.closest('svg').getBoundingClientRect();
    return t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1;
}).map((text) => text.textContent)"""
LOW = """() => [...document.querySelectorAll('#asked :is(button, .ask-option, .range)')]
    .filter((e) => e.offsetHeight && e.offsetHeight < 44).length"""


@pytest.mark.parametrize(("width", "size", "dark"), [(352, 16, False), (352, 16, True), (600, 20, False)])
def test_nothing_is_cut_and_nothing_is_small(asks, width, size, dark):
    page = asks(None, width, 720, dark=dark, size=size)
    for kind in SCENES:
        begin(page, kind, SOME[kind])
        before = reveal(kind, guesses(kind, seed=1))["together"]
        for first in ({}, {"before": before}):
            show(page, kind, reveal(kind, guesses(kind), truth_of(kind), **first), own=SOME[kind])
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), kind
            assert page.evaluate(SMALL) == []
            assert page.evaluate(CUT) == []
            assert page.evaluate(LOW) == 0


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(asks, labs, dark):
    page = asks(labs[1].value(), dark=dark)
    found = []
    for kind in SCENES:
        for own, locked in ((None, False), (SOME[kind], False), (SOME[kind], True)):
            begin(page, kind, own)
            page.evaluate("(on) => widget.lock(on)", locked)
            truth = truth_of(kind) if own else None
            show(page, kind, reveal(kind, guesses(kind), truth), own=own)
            page.wait_for_timeout(60)
            wrong = Axe().run(page, context=".room").response["violations"]
            found += [(kind, locked, v["id"], [node["html"] for node in v["nodes"]]) for v in wrong]
    assert found == []
