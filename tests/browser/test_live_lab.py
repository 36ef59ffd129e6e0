"""The Live lab as a person sees it."""

import io
import json
import re
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STAGE = "document.querySelector('.orw-stage').stage"


def state(page) -> dict:
    """What the stage shows: the frame's header, its counters and the particles as drawn."""
    text = page.evaluate(f"""() => {{ const s = {STAGE};
        return JSON.stringify({{meta: s.meta, counters: s.counters, visible: s.visible,
                                positions: Array.from(s.positions.slice(0, 400))}}); }}""")
    found = json.loads(text)
    return {**found, "positions": np.array(found["positions"]).reshape(-1, 2)}


def wait(page, condition: str, timeout: float = 30) -> None:
    """Until ``condition``, in terms of ``meta``, ``counters`` and ``stage``, holds."""
    test = f"() => {{ const stage = {STAGE}, {{meta, counters}} = stage; return {condition}; }}"
    try:
        page.wait_for_function(test, timeout=1000 * timeout)
    except TimeoutError:
        seen = state(page)
        pytest.fail(f"not within {timeout} s: {condition}; the stage shows {seen['meta']}, {seen['counters']}")


def press(page, name: str) -> None:
    page.locator(f"#{name}").click()


def drag(page, name: str, value: float) -> None:
    """Put a slider's handle where it says ``value``, by the events that dragging it makes."""
    page.evaluate(
        """([name, value]) => {
            const range = document.querySelector(`#${name} .range`), typed = document.querySelector(`#${name} .typed`);
            let best = 0, off = Infinity;
            for (let p = 0; p <= Number(range.max); p++) {
                range.value = p;
                range.dispatchEvent(new Event('input', {bubbles: true}));
                const now = Math.abs(Number(typed.value) - value);
                if (now < off) [best, off] = [p, now];
            }
            range.value = best;
            range.dispatchEvent(new Event('input', {bubbles: true}));
        }""",
        [name, value],
    )
    assert float(page.locator(f"#{name} .typed").input_value()) == pytest.approx(value)


def choose(page, name: str, option: str) -> None:
    page.locator(f"#{name} input").click()
    page.get_by_role("option", name=option).click()


def reward(page) -> float:
    return float(state(page)["meta"]["curves"][0]["value"].replace("−", "-"))


def test_it_runs_by_itself_and_the_particles_move(visit):
    page = visit()
    before = state(page)
    wait(page, f"meta.round > {before['meta']['round'] + 15}")
    after = state(page)
    assert after["meta"]["state"] == "running"
    assert after["counters"]["painted"] > before["counters"]["painted"] + 10
    assert after["counters"]["errors"] == 0
    assert np.linalg.norm(after["positions"] - before["positions"], axis=1).mean() > 0.02
    assert after["visible"] > 1000
    assert reward(page) > 0.05  # the reference's is near 0


def test_painting_goes_on_between_data_frames(visit):
    page = visit()
    before = state(page)["counters"]
    time.sleep(3)
    after = state(page)["counters"]
    assert after["painted"] - before["painted"] > 1.2 * (after["decoded"] - before["decoded"])


def test_pause_stops_it_step_does_one_round_and_start_goes_on(visit):
    page = visit()
    press(page, "pause")
    wait(page, "meta.state === 'paused'")
    time.sleep(0.5)
    still = state(page)
    time.sleep(1)
    assert state(page)["meta"]["round"] == still["meta"]["round"]
    np.testing.assert_array_equal(state(page)["positions"], still["positions"])
    press(page, "step")
    wait(page, f"meta.round === {still['meta']['round'] + 1}")
    time.sleep(0.5)
    assert state(page)["meta"]["round"] == still["meta"]["round"] + 1
    press(page, "start")
    wait(page, f"meta.round > {still['meta']['round'] + 5} && meta.state === 'running'")


def test_a_smaller_alpha_raises_the_reward_and_a_larger_one_lowers_it(visit):
    page = visit()
    drag(page, "alpha", 0.1)
    wait(page, "stage.arrays.changes.data.length > 0")
    start = state(page)["meta"]["round"]
    wait(page, f"meta.round > {start + 70}", 60)
    high = reward(page)
    drag(page, "alpha", 100)
    wait(page, f"meta.round > {start + 150}", 60)
    assert high > 0.5
    assert reward(page) < high - 0.2


def test_the_exact_limit_appears_and_follows_alpha(visit):
    page = visit()
    wait(page, "meta.curves[0].exact?.label === 'exact limit 0.40'")
    drag(page, "alpha", 10)
    wait(page, "meta.curves[0].exact && meta.curves[0].exact.value < 0.15")


def test_tau_acts_while_it_runs(visit, registry):
    page = visit()
    drag(page, "tau", 0)
    wait(page, "meta.numbers[2][1] === '100 %'")  # without a preference all samples count the same


def test_typing_a_value_that_does_not_exist_takes_the_nearest_one(visit):
    page = visit()
    box = page.locator("#alpha .typed")
    box.fill("-3")
    box.press("Enter")
    assert box.input_value() == "0"
    box.fill("")
    box.press("Tab")
    assert box.input_value() == "0"


def test_reset_shows_the_reference_again(visit):
    page = visit()
    wait(page, "meta.round > 10")
    press(page, "reset")
    wait(page, "meta.round === 0 && meta.state === 'paused'")
    time.sleep(0.6)  # the particles glide back
    once = state(page)
    press(page, "start")
    wait(page, "meta.round > 5")
    press(page, "reset")
    wait(page, "meta.round === 0 && meta.state === 'paused'")
    time.sleep(0.6)
    np.testing.assert_array_equal(state(page)["positions"], once["positions"])


def test_another_target_and_another_reward_start_again(visit):
    page = visit()
    for name, option, seen in (("target", "Four modes", "modes === 4"), ("reward", "Ring", "reward.low >= 0")):
        wait(page, "meta.round > 60")
        choose(page, name, option)
        wait(page, f"stage.scene.{seen} && meta.round < 60 && meta.state === 'running'")


def test_a_plain_sentence_when_it_leaves_the_data(visit):
    page = visit()
    choose(page, "reward", "Plane")
    drag(page, "alpha", 0)
    wait(page, "meta.banner !== null", 60)
    banner = page.locator(".orw-banner")
    assert banner.is_visible()
    assert "Try a larger α" in banner.inner_text()
    press(page, "reset")
    wait(page, "meta.banner === null")
    assert not banner.is_visible()


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_nothing_sticks_out_or_overlaps(visit, width):
    page = visit(width=width, height=844 if width == 390 else 900)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = {name: page.locator(name).bounding_box() for name in ("#stage", "#lab-controls", "#lab-explanation")}
    for name, box in boxes.items():
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= width + 0.5, name
    names = list(boxes)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            p, q = boxes[a], boxes[b]
            apart = (
                p["x"] + p["width"] <= q["x"] + 0.5
                or q["x"] + q["width"] <= p["x"] + 0.5
                or p["y"] + p["height"] <= q["y"] + 0.5
                or q["y"] + q["height"] <= p["y"] + 0.5
            )
            assert apart, (a, p, b, q)
    before = {name: page.locator(name).bounding_box() for name in boxes}
    drag(page, "alpha", 0.1)
    time.sleep(1)
    assert {name: page.locator(name).bounding_box() for name in boxes} == before  # nothing jumps


@pytest.mark.parametrize("dark", [False, True])
def test_it_draws_in_light_and_in_dark(visit, dark):
    page = visit(dark=dark)
    assert page.locator(".orw-stage").get_attribute("data-theme") == ("dark" if dark else "light")
    shot = Image.open(io.BytesIO(page.locator(".orw-stage canvas").screenshot())).convert("RGB")
    pixels = np.asarray(shot).reshape(-1, 3).astype(float)
    brightness = pixels.mean(1)
    assert (np.median(brightness) < 90) == dark
    colourful = (pixels.max(1) - pixels.min(1)) > 90
    assert colourful.mean() > 0.005  # the particles


def test_sharp_on_a_fine_screen(visit):
    page = visit(width=390, height=844, device_scale_factor=3)
    wide, shown = page.evaluate("""() => { const c = document.querySelector('.orw-stage canvas');
        return [c.width, c.clientWidth]; }""")
    assert wide == 3 * shown


def test_two_visitors_do_not_see_each_other(visit):
    one, two = visit(), visit()
    wait(two, "meta.round > 20")
    press(one, "pause")
    wait(one, "meta.state === 'paused'")
    drag(one, "alpha", 100)
    choose(one, "reward", "Ring")
    before = state(two)["meta"]["round"]
    wait(two, f"meta.round > {before + 10} && meta.state === 'running'")
    assert state(two)["meta"]["run"] != state(one)["meta"]["run"]
    assert page_alpha(two) == 1
    assert two.evaluate(f"{STAGE}.scene.reward.low") < -0.9  # still "right"


def page_alpha(page) -> float:
    return float(page.locator("#alpha .typed").input_value())


def test_leaving_frees_the_session(visit, registry):
    page = visit()
    here = len(registry)
    assert here >= 1
    page.close()
    deadline = time.monotonic() + 10
    while len(registry) >= here and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(registry) < here


def test_a_stream_that_ended_is_asked_for_again(visit, registry):
    page = visit()
    run = state(page)["meta"]["run"]
    broadcast = registry._by_run[run]
    broadcast._generation += 1  # as after a long sleep: the stream is over, the session is still there
    broadcast._streaming = False
    round_then = broadcast.session.run.round
    wait(page, f"meta.round > {round_then + 10}", 30)


def test_reduced_motion_paints_seldom_and_never_between_frames(visit):
    page = visit(reduced_motion="reduce")
    before = state(page)["counters"]
    time.sleep(3)
    after = state(page)
    assert 2 <= after["counters"]["painted"] - before["painted"] <= 8
    assert after["meta"]["state"] == "running"


def test_the_picture_is_told_to_those_who_do_not_see_it(visit):
    page = visit()
    summary = page.locator(".orw-summary")
    page.wait_for_function("document.querySelector('.orw-summary').textContent.startsWith('Running')")
    assert summary.get_attribute("aria-live") == "polite"
    assert re.match(r"Running, round \d+\. Mean reward −?\d\.\d\d", summary.text_content())
    texts = {summary.text_content()}
    for _ in range(20):
        time.sleep(0.1)
        texts.add(summary.text_content())
    assert len(texts) <= 3  # it does not chatter
    assert page.locator(".orw-stage canvas").get_attribute("aria-label")
    for name in ("alpha", "tau"):
        assert page.locator(f"#{name} .range").get_attribute("aria-valuetext") == "1"


def test_the_formula_is_set_and_every_control_has_a_sentence_of_help(visit):
    page = visit()
    assert page.locator("#lab-explanation .katex-display").count() == 1
    for name in ("target", "reward", "seed", "alpha", "tau"):
        assert "." in page.locator(f"#{name}").inner_text()
