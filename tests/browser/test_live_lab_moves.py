"""The first minute on the Live lab, and its moves: each sets everything, whatever was there before."""

import re
import time

import numpy as np
import pytest
from lab import choose, drag, enter, eventually, pick, press, round_of, shown, state, typed, unfold, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOVES = [
    ("Let go: α = 0", {"alpha": "0", "tau": "2"}),
    ("Hold on: α = 1", {}),
    ("The exact answer", {"mode": "both"}),
    ("Four α side by side", {"alpha": "0", "others": ["0.3", "1", "3"]}),
]


def telling(page) -> str:
    """The sentence of the move that is on show, or nothing."""
    chosen = page.locator("[data-attempt][aria-pressed=true]").count()
    sentence = page.locator(".attempted.telling")
    assert sentence.count() == chosen
    return sentence.inner_text() if chosen else ""


def others(page) -> None:
    """Leave nothing as it was."""
    unfold(page)
    choose(page, "target", "two_moons")
    choose(page, "reward", "ring")
    choose(page, "coupling", "ot")
    choose(page, "background", "none") if page.locator("#background select").count() else pick(
        page, "background", "none"
    )
    drag(page, "alpha", 10)
    drag(page, "tau", 0.5)
    drag(page, "t", 0.5)
    drag(page, "lr", 0.01)
    enter(page, "seed", "7")
    page.locator("#ghost input").uncheck()
    page.locator("#arrows input").check()
    page.locator("#others .row").first.locator("[type=checkbox]").check()
    pick(page, "mode", "exact")
    page.evaluate("""() => { const stage = document.querySelector('.orw-stage').stage;
        stage.camera.look([0, 1, 0, 1]); stage.looked(); }""")


def test_it_is_at_rest_at_first_and_asks_to_be_played(visit):
    page = visit(running=False)
    wait(page, "meta.run !== 'first' && meta.state === 'paused' && round === 0")
    button = page.locator("#toggle")
    assert button.inner_text() == "Play"
    assert "Press Play" in page.locator(".lab-head p").inner_text()
    assert button.evaluate("(el) => getComputedStyle(el).animationName") == "lab-asks"
    largest = max((box["width"] * box["height"], name) for name, box in boxes(page).items())
    assert largest[1] == "toggle"
    time.sleep(0.7)
    assert round_of(page) == 0
    button.click()
    wait(page, "meta.state === 'running' && round > 3")
    assert button.inner_text() == "Pause"
    assert button.evaluate("(el) => getComputedStyle(el).animationName") == "none"


def boxes(page) -> dict[str, dict]:
    return {
        name: page.locator(f"#{name}").bounding_box() for name in ("toggle", "flow", "step", "undo", "reset", "demo")
    }


def test_nothing_pulses_for_those_who_asked_for_little_motion(visit):
    page = visit(running=False, reduced_motion="reduce")
    assert page.locator("#toggle").evaluate("(el) => getComputedStyle(el).animationName") == "none"


@pytest.mark.parametrize("hand", ["mouse", "touch", "keyboard"])
def test_play_and_the_moves_by_every_hand(visit, hand):
    page = visit(running=False, has_touch=hand == "touch")
    act = {"mouse": lambda el: el.click(), "touch": lambda el: el.tap(), "keyboard": lambda el: el.press("Enter")}[hand]
    act(page.locator("#toggle"))
    wait(page, "meta.state === 'running' && round > 2")
    act(page.locator("[data-attempt]").first)
    wait(page, "meta.lanes[0].alpha === 0 && meta.tau === 2 && meta.state === 'running' && round > 2")
    assert telling(page).startswith("Nothing holds")
    act(page.locator("#demo"))
    wait(page, "meta.lanes[0].alpha === 1 && meta.tau === 1 && meta.state === 'paused' && round === 0")
    assert telling(page) == ""


def test_play_is_within_six_tabs(visit):
    page = visit(running=False)
    for _tabs in range(1, 6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "toggle":
            break
    assert page.evaluate("document.activeElement.id") == "toggle"
    page.keyboard.press("Space")
    wait(page, "meta.state === 'running' && round > 2")


@pytest.mark.parametrize("k", range(4))
def test_a_move_sets_everything_whatever_was_there_before(visit, k):
    page = visit(running=False)
    start = shown(page)
    others(page)
    name, differences = MOVES[k]
    page.get_by_role("button", name=name).click()
    values = {**start, **differences}
    assert shown(page) == values
    wait(page, "meta.state === 'running' && round > 2 && meta.t === 1 && stage.options.background === 'reward'")
    assert eventually(lambda: shown(page) == values)
    seen = state(page)["meta"]
    alphas = [float(values["alpha"]), *(float(one) for one in values["others"] if one)]
    assert [lane["alpha"] for lane in seen["lanes"]] == alphas
    assert (seen["tau"], seen["mode"]) == (float(values["tau"]), values["mode"])
    assert page.evaluate("document.querySelector('.orw-stage').stage.scene.modes") == 8
    assert not page.evaluate("document.querySelector('.orw-stage').stage.camera.free")
    assert telling(page)


def test_after_any_move_every_other_one_gives_the_same(visit):
    page = visit(running=False)
    pictures = []
    for before in (3, 0, 2):
        page.locator("[data-attempt]").nth(before).click()
        wait(page, "round > 3", 120)
        page.locator("[data-attempt]").nth(1).click()
        wait(page, "meta.lanes.length === 1 && meta.lanes[0].alpha === 1 && meta.tau === 1 && meta.mode === 'learned'")
        press(page, "reset")
        wait(page, "round === 0 && meta.state === 'paused'")
        for k in (1, 2):
            press(page, "step")
            wait(page, f"round === {k}")
        time.sleep(0.7)
        pictures.append(state(page)["positions"][:200])
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


BREAKING = {
    "reset": lambda page: press(page, "reset"),
    "start over": lambda page: press(page, "demo"),
    "target": lambda page: choose(page, "target", "four_modes"),
    "reward": lambda page: choose(page, "reward", "ring"),
    "alpha": lambda page: drag(page, "alpha", 10),
    "a box": lambda page: enter(page, "tau", "3"),
    "a lane": lambda page: page.locator("#others .row").last.locator("[type=checkbox]").check(),
    "mode": lambda page: pick(page, "mode", "exact"),
}


@pytest.mark.parametrize("what", BREAKING)
def test_a_caption_is_taken_back_as_soon_as_it_is_no_longer_true(visit, what):
    page = visit(running=False)
    unfold(page)
    page.locator("[data-attempt]").first.click()
    assert telling(page)
    BREAKING[what](page)
    assert telling(page) == ""


def test_a_caption_stays_while_only_what_it_invites_to_is_moved(visit):
    page = visit(running=False)
    unfold(page)
    page.get_by_role("button", name="The exact answer").click()
    for act in (
        lambda: drag(page, "alpha", 10),
        lambda: page.locator("#ghost input").uncheck(),
        lambda: press(page, "toggle"),
    ):
        act()
        assert telling(page).startswith("The contours")
    page.locator("#contours input").uncheck()
    assert telling(page) == ""


def test_start_over_puts_every_control_back_at_rest(visit):
    page = visit()
    start = shown(page)
    others(page)
    press(page, "demo")
    assert shown(page) == start
    wait(page, "meta.lanes.length === 1 && meta.lanes[0].alpha === 1 && meta.state === 'paused' && round === 0")
    time.sleep(0.5)
    assert shown(page) == start
    assert round_of(page) == 0


def test_what_is_being_typed_when_a_move_is_pressed_does_not_count(visit):
    page = visit(running=False)
    page.locator("#alpha .typed").fill("55")
    page.keyboard.press("Tab")  # which leaves the box: now it counts
    wait(page, "meta.lanes[0].alpha === 55")
    page.locator("#tau .typed").fill("4")
    page.locator("[data-attempt]").nth(1).click()
    wait(page, "meta.lanes[0].alpha === 1 && meta.tau === 1 && round > 2")
    assert typed(page, "tau") == typed(page, "alpha") == 1


def test_undo_goes_back_to_the_round_of_the_last_change(visit):
    page = visit()
    undo = page.locator("#undo")
    assert undo.is_disabled()
    wait(page, "round > 20")
    drag(page, "alpha", 0.1)
    wait(page, "meta.lanes[0].alpha === 0.1")
    at = round_of(page)
    wait(page, f"round > {at + 15}")
    assert eventually(undo.is_enabled)
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")
    end = round_of(page)
    undo.click()
    wait(page, f"meta.lanes[0].alpha === 1 && !meta.replaying && round > {at - 12} && round <= {at}")
    assert round_of(page) < end - 10
    assert eventually(lambda: typed(page, "alpha") == 1)
    assert eventually(undo.is_disabled)
    assert state(page)["meta"]["state"] == "paused"


def test_while_changes_are_repeated_the_page_says_how_far_it_is(visit):
    page = visit()
    unfold(page, "training")
    choose(page, "speed", "0")
    wait(page, "round > 250", 120)
    drag(page, "alpha", 0.1)
    wait(page, "round > 270 && meta.lanes[0].alpha === 0.1", 120)
    page.evaluate("""() => { const box = document.querySelector('.lab .notice'); window.told = [];
        new MutationObserver(() => told.push(box.textContent))
            .observe(box, {childList: true, characterData: true, subtree: true}); }""")
    press(page, "undo")
    wait(page, "meta.lanes[0].alpha === 1 && !meta.replaying", 120)
    assert eventually(lambda: typed(page, "alpha") == 1)
    told = page.evaluate("told.filter(Boolean)")
    found = [re.fullmatch(r"Repeating your changes: round (\d+) of (\d+)", words) for words in told]
    assert found
    assert all(found)
    rounds = [int(one[1]) for one in found]
    assert rounds == sorted(rounds)
    assert max(rounds) <= int(found[0][2])
    assert not page.locator(".lab .notice").is_visible()


# ---- noise becomes data


def spread(page) -> float:
    """How far the particles are from the middle, on the average."""
    return float(np.linalg.norm(state(page)["positions"], axis=1).mean())


@pytest.mark.parametrize("hand", ["mouse", "touch", "keyboard"])
def test_noise_becomes_data_before_any_training(visit, hand):
    page = visit(running=False, has_touch=hand == "touch")
    unfold(page, "view")
    data = spread(page)
    start = time.monotonic()
    if hand == "keyboard":
        page.keyboard.press("f")
    else:
        getattr(page.locator("#flow"), "click" if hand == "mouse" else "tap")()
    assert page.locator("#flow").get_attribute("aria-pressed") == "true"
    seen = []
    while page.locator("#flow").get_attribute("aria-pressed") == "true":
        seen.append((state(page)["meta"]["t"], spread(page)))
        time.sleep(0.05)
    assert time.monotonic() - start > 3.5
    wait(page, "meta.t === 1")
    # a standard normal is 1.25 from the middle on the average, eight modes on a circle of radius 3 are 3
    assert min(spread for _, spread in seen) < 0.6 * data
    flow = [t for t, _ in seen if t < 1]
    assert flow == sorted(flow)
    assert len(set(flow)) > 4
    assert typed(page, "t") == 1
    time.sleep(0.7)
    assert spread(page) == pytest.approx(data, rel=0.02)
    assert page.locator("#flow").get_attribute("aria-pressed") == "false"
    assert round_of(page) == 0


@pytest.mark.parametrize("how", ["again", "escape", "pause", "hand", "move"])
def test_it_can_be_stopped(visit, how):
    page = visit(running=how == "pause")
    unfold(page, "view")
    press(page, "flow")
    assert eventually(lambda: 0.1 < typed(page, "t") < 0.8)
    act = {
        "again": lambda: press(page, "flow"),
        "escape": lambda: page.keyboard.press("Escape"),
        "pause": lambda: press(page, "toggle"),
        "hand": lambda: drag(page, "t", 0.5),
        "move": lambda: page.locator("[data-attempt]").first.click(),
    }[how]
    act()
    assert page.locator("#flow").get_attribute("aria-pressed") == "false"
    stands = typed(page, "t")
    time.sleep(0.8)
    assert typed(page, "t") == stands
    assert stands == {"hand": 0.5, "move": 1}.get(how, stands)
    wait(page, f"Math.abs(meta.t - {stands}) < 1e-6")


def test_with_little_motion_it_goes_in_steps(visit):
    page = visit(running=False, reduced_motion="reduce")
    press(page, "flow")
    seen = []
    while page.locator("#flow").get_attribute("aria-pressed") == "true":
        seen.append(typed(page, "t"))
        time.sleep(0.05)
    assert len(set(seen)) <= 6
    assert typed(page, "t") == 1


# ---- what is said


def test_with_several_lanes_the_slider_says_which_one_it_moves(visit):
    page = visit(running=False)
    label = page.locator("#alpha .label")
    assert "lane" not in label.inner_text()
    unfold(page, "compare-alphas")
    page.locator("#others .row").first.locator("[type=checkbox]").check()
    assert label.inner_text().endswith("of the first lane")
    assert page.get_by_role("slider", name="of the first lane").count() == 1
    press(page, "demo")
    assert "lane" not in label.inner_text()
    page.get_by_role("button", name="Four α side by side").click()
    assert label.inner_text().endswith("of the first lane")


def test_the_same_mistake_twice_is_said_twice(visit):
    page = visit(running=False)
    wait(page, "meta.run !== 'first'")
    page.evaluate("""() => { window.heard = [];
        new MutationObserver(() => heard.push(document.querySelector('.lab-said').textContent))
            .observe(document.querySelector('.lab-said'), {childList: true, characterData: true, subtree: true}); }""")
    for count in (1, 2):
        enter(page, "alpha", "-3")
        assert eventually(lambda n=count: page.evaluate("heard.filter(Boolean).length") == n)
    assert page.evaluate("heard.filter(Boolean)[0] === heard.filter(Boolean)[1]")


# ---- on a phone


@pytest.mark.parametrize(("width", "height"), [(360, 740), (740, 360)])
@pytest.mark.parametrize("k", range(4))
def test_on_a_phone_the_stage_is_in_sight_after_a_move(visit, width, height, k):
    page = visit(width, height, running=False, has_touch=True)
    page.locator("[data-attempt]").nth(k).tap()
    wait(page, "meta.state === 'running' && round > 1", 120)
    time.sleep(1)  # it scrolls
    plot = page.evaluate("""() => { const stage = document.querySelector('.orw-stage').stage;
        const at = stage.canvas.getBoundingClientRect(), plot = stage.layout.plots[0], {narrow} = stage.layout;
        return {top: at.y + plot.y, bottom: at.y + plot.y + (narrow && innerHeight < 400 ? plot.h / 2 : plot.h)}; }""")
    strip = page.locator(".lab-strip").bounding_box()
    assert plot["top"] >= 0
    assert plot["bottom"] <= strip["y"] + 1
    sentence = page.locator(".attempted").bounding_box()
    assert sentence["y"] >= -1
    assert sentence["y"] + sentence["height"] <= plot["top"]
