"""The Live lab's story as a person sees it: played, it moves, alpha and tau act, the exact answer stands beside it."""

import time

import numpy as np
import pytest
from lab import choose, drag, pick, press, reward, round_of, shown, state, typed, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_once_played_it_runs_and_the_particles_move(visit):
    page = visit()
    before = state(page)
    wait(page, f"round > {round_of(page) + 15}")
    after = state(page)
    assert after["meta"]["state"] == "running"
    assert after["counters"]["painted"] > before["counters"]["painted"] + 10
    assert after["counters"]["errors"] == 0
    moved = after["positions"][:200] - before["positions"][:200]  # how many are drawn depends on the load
    assert np.linalg.norm(moved, axis=1).mean() > 0.02
    assert reward(page) > 0.05  # the reference's is near 0


def test_painting_goes_on_between_data_frames(visit):
    page = visit()
    before = state(page)["counters"]
    time.sleep(3)
    after = state(page)["counters"]
    assert after["painted"] - before["painted"] > 1.2 * (after["decoded"] - before["decoded"])


def test_pause_stops_it_step_does_one_round_and_play_goes_on(visit):
    page = visit()
    button = page.locator("#toggle")
    assert button.inner_text() == "Pause"
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")
    assert button.inner_text() == "Play"
    time.sleep(0.7)
    still = state(page)
    round_then = round_of(page)
    time.sleep(1)
    assert round_of(page) == round_then
    np.testing.assert_array_equal(state(page)["positions"], still["positions"])
    press(page, "step")
    wait(page, f"round === {round_then + 1}")
    time.sleep(0.5)
    assert round_of(page) == round_then + 1
    press(page, "toggle")
    wait(page, f"round > {round_then + 5} && meta.state === 'running'")
    assert button.inner_text() == "Pause"


def test_a_smaller_alpha_raises_the_reward_and_a_larger_one_lowers_it(visit):
    page = visit()
    drag(page, "alpha", 0.1)
    wait(page, "meta.lanes[0].alpha === 0.1")
    start = round_of(page)
    wait(page, f"round > {start + 70}", 120)
    high = reward(page)
    drag(page, "alpha", 100)
    wait(page, f"round > {start + 140}", 120)
    assert high > 0.5
    assert reward(page) < high - 0.2


def test_the_exact_limit_appears_and_follows_alpha(visit):
    page = visit()
    wait(page, "Math.abs(meta.curves[0].exact?.[0]?.value - 0.397) < 0.02")
    drag(page, "alpha", 10)
    wait(page, "meta.curves[0].exact?.[0]?.value < 0.15")


def test_tau_acts_while_it_runs(visit):
    page = visit()
    wait(page, "round > 20")
    drag(page, "tau", 0)
    start = round_of(page)
    # without a preference the samples go back towards the reference, whose reward is near 0
    wait(page, f"round > {start + 60} && Number(meta.curves[0].values[0].replace('−', '-')) < 0.2", 120)


def test_reset_shows_the_reference_again(visit):
    page = visit()
    drag(page, "alpha", 0.1)
    wait(page, "round > 10")
    seen = []
    for _ in range(2):
        press(page, "reset")
        wait(page, "round === 0")
        if state(page)["meta"]["state"] == "running":  # it may go on by itself
            press(page, "toggle")
            press(page, "reset")
            wait(page, "round === 0 && meta.state === 'paused'")
        time.sleep(0.7)  # the particles glide back
        seen.append(state(page)["positions"][:200])  # how many are drawn depends on the load
        assert typed(page, "alpha") == 0.1  # a reset keeps what was chosen
        press(page, "toggle")
        wait(page, "round > 5")
    np.testing.assert_array_equal(*seen)


def test_exact_and_both_show_the_distribution_that_a_perfect_network_gives(visit):
    page = visit()
    pick(page, "mode", "both")
    wait(page, "meta.mode === 'both' && stage.value?.exact !== ''")
    pick(page, "mode", "exact")
    wait(page, "meta.mode === 'exact'")
    start = round_of(page)
    wait(page, f"round > {start + 3} && counters.errors === 0", 120)
    pick(page, "mode", "learned")
    wait(page, "meta.mode === 'learned'")


def test_four_alphas_side_by_side(visit):
    page = visit()
    page.get_by_role("button", name="Four α side by side").click()
    wait(page, "meta.lanes.length === 4 && round > 20", 120)
    lanes = state(page)["meta"]["lanes"]
    assert [lane["alpha"] for lane in lanes] == [0, 0.3, 1, 3]
    assert len({lane["round"] for lane in lanes}) == 1  # they keep step
    values = [reward(page, lane) for lane in range(4)]
    assert values == sorted(values, reverse=True)  # the smaller alpha, the higher the reward
    assert state(page)["counters"]["errors"] == 0


def test_another_target_and_another_reward(visit):
    page = visit()
    wait(page, "round > 40")
    choose(page, "target", "four_modes")
    wait(page, "stage.scene.modes === 4 && round < 40 && meta.state === 'running'")
    choose(page, "reward", "ring")
    wait(page, "stage.scene.reward.low >= 0")


def test_a_plain_sentence_when_it_leaves_the_data(visit):
    page = visit()
    choose(page, "reward", "plane")
    drag(page, "alpha", 0)
    wait(page, "meta.lanes[0].banner !== null", 120)
    banner = page.locator(".orw-banner").first
    assert banner.is_visible()
    assert "Try a larger α" in banner.inner_text()
    press(page, "reset")
    wait(page, "meta.lanes[0].banner === null")
    assert not banner.is_visible()


@pytest.mark.parametrize("attempt", range(4))
def test_what_to_try_sets_the_controls_and_says_what_to_watch(visit, attempt):
    page = visit()
    start = shown(page)
    before = page.locator(".attempted").inner_text()
    page.locator("[data-attempt]").nth(attempt).click()
    assert page.locator(".attempted").inner_text() != before
    assert page.locator("[data-attempt][aria-pressed=true]").count() == 1
    after = shown(page)
    wait(page, "meta.state === 'running' && round > 3")
    if attempt == 1:
        assert after == start  # the demo's own settings, from the start
        return
    changed = {name for name in after if after[name] != start[name]}
    assert changed == [{"alpha", "tau"}, set(), {"mode"}, {"alpha", "others"}][attempt]
