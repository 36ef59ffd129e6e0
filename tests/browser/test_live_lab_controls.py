"""The Live lab's controls: what they accept, and what they say when they do not."""

import time

import numpy as np
import pytest
from lab import choose, drag, enter, eventually, pick, press, round_of, shown, state, typed, unfold, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("alpha", "-3", "a number from 0 to 100"),
        ("alpha", "1e999", "a number from 0 to 100"),
        ("alpha", "much", "a number from 0 to 100"),
        ("tau", "5.1", "a number from 0 to 5"),
        ("lr", "0", "a number from 0.00001 to 0.1"),
        ("seed", "1.5", "a whole number"),
        ("seed", "", "a whole number"),
        ("steps_per_round", "0", "a whole number from 1 to 32"),
        ("other-1", "101", "a number from 0 to 100"),
    ],
)
def test_what_cannot_be_is_answered_with_what_can(visit, name, text, words):
    page = visit()
    unfold(page)
    if name == "other-1":
        page.locator("#others .row").nth(1).locator("[type=checkbox]").check()
        wait(page, "meta.lanes.length === 2 && round > 2")
    control = page.locator("#others" if name == "other-1" else f"#{name}")
    help_before, value_before, start = control.locator("> .help").inner_text(), typed(page, name), round_of(page)
    enter(page, name, text)
    assert eventually(lambda: words in control.locator("> .help").inner_text()), control.inner_text()
    assert "allowed" in control.locator("> .help").inner_text()
    assert typed(page, name) == value_before  # back to what is in force
    wait(page, f"round > {start + 3}")  # and the run goes on: nothing is lost
    enter(page, name, {"seed": "7", "steps_per_round": "2", "lr": "0.002"}.get(name, "0.5"))
    assert eventually(lambda: control.locator("> .help").inner_text() == help_before)


def test_escape_takes_an_entry_back_and_a_comma_is_a_point(visit):
    page = visit()
    box = page.locator("#alpha .typed")
    box.fill("55")
    box.press("Escape")
    assert box.input_value() == "1"
    enter(page, "alpha", "0,3")
    wait(page, "meta.lanes[0].alpha === 0.3")


def test_the_last_value_of_a_storm_of_moves_is_the_one_in_force(visit):
    page = visit()
    page.evaluate("""() => { for (let k = 0; k < 300; k++) for (const name of ['alpha', 'tau']) {
        const range = document.querySelector(`#${name} .range`);
        range.value = (k * 37) % 80;
        range.dispatchEvent(new Event('input', {bubbles: true})); } }""")
    drag(page, "alpha", 10)
    drag(page, "tau", 0.5)
    wait(page, "meta.lanes[0].alpha === 10")
    time.sleep(1)
    assert state(page)["meta"]["lanes"][0]["alpha"] == typed(page, "alpha") == 10
    assert typed(page, "tau") == 0.5


def test_the_same_seed_gives_the_same_picture_twice_and_another_one_another(visit):
    pictures = []
    for seed in ("3", "3", "4"):
        page = visit()
        press(page, "toggle")
        wait(page, "meta.state === 'paused'")
        unfold(page, "training")
        enter(page, "seed", seed)
        press(page, "reset")
        wait(page, "round === 0")
        for k in range(3):
            press(page, "step")
            wait(page, f"round === {k + 1} && meta.state === 'paused'")
        time.sleep(0.7)
        pictures.append(state(page)["positions"][:200])  # how many are drawn depends on the load
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0] - pictures[2]).mean() > 0.1


def test_training_controls_start_again_where_they_must_and_act_at_once_where_they_can(visit):
    page = visit()
    unfold(page)
    for name, option in (("weighting", "mean_one"), ("coupling", "ot")):
        wait(page, "round > 30")
        choose(page, name, option)
        wait(page, "round < 20 && meta.state === 'running'")
    start = round_of(page)
    enter(page, "steps_per_round", "4")
    drag(page, "lr", 1e-4)
    wait(page, f"round > {start + 3}")
    assert shown(page)["steps_per_round"] == "4"


def test_speed_holds_it_back(visit):
    page = visit()
    unfold(page, "training")
    choose(page, "speed", "1")
    time.sleep(1)
    start, clock = round_of(page), time.monotonic()
    time.sleep(4)
    passed = time.monotonic() - clock
    assert 1 <= round_of(page) - start <= passed + 2


def test_view_controls_change_the_picture(visit):
    page = visit()
    unfold(page, "view")
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")
    time.sleep(0.7)
    canvas = page.locator(".orw-stage canvas").first
    before = canvas.screenshot()
    for act in (
        lambda: pick(page, "background", "density"),
        lambda: pick(page, "background", "none"),
        lambda: page.locator("#ghost input").uncheck(),
        lambda: page.locator("#arrows input").check(),
        lambda: page.locator("#paths input").check(),
        lambda: drag(page, "t", 0.5),
    ):
        act()

        def differs(old: bytes = before) -> bool:
            return canvas.screenshot() != old

        assert eventually(differs)
        time.sleep(0.5)
        before = canvas.screenshot()
    assert state(page)["meta"]["t"] == 0.5
    assert state(page)["counters"]["errors"] == 0
