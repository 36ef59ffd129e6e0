"""The stage in JupyterLab, as a person who reads a notebook meets it."""

import io
import math
import time

import numpy as np
import pytest
from jupyter_lab import lab, open_notebook  # noqa: F401
from PIL import Image

from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.notebook import still

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETUP = "import torch\ntorch.set_num_threads(1)\nfrom orwlab.show import live"
ONE = "one = live.stage(particles=400, controls=('alpha', 'tau', 'others', 'reward'))\none"
TWO = "two = live.stage(target='two_moons', reward='ring', particles=400)\ntwo"


@pytest.fixture(scope="module")
def lesson(open_notebook):  # noqa: F811
    """A notebook with two stages, run from top to bottom, and a cell for whatever a test wants to know."""
    notebook = open_notebook([SETUP, ONE, TWO, "one.session.settings.alpha, two.session.settings.alpha"])
    notebook.run()
    return notebook


@pytest.fixture
def one(lesson):
    """The first stage, as at the beginning."""
    stage = lesson.stage(0)
    if stage.get("meta.state") == "running":
        stage.press("Pause")
    stage.press("Reset")
    stage.slide("W2 weight α", "Home")
    stage.slide("W2 weight α", "ArrowRight", 41)
    stage.slide("Inverse temperature τ", "Home")
    stage.slide("Inverse temperature τ", "ArrowRight", 20)
    stage.wait("meta.lanes[0].round === 0 && meta.state === 'paused' && meta.lanes[0].alpha === 1 && meta.tau === 1")
    return stage


def moved(before, after) -> float:
    return float(np.abs(np.subtract(before, after)).mean())


def test_it_waits_until_it_is_asked_and_then_trains(one):
    before, painted = one.positions, one.get("counters.painted")
    time.sleep(1)
    assert one.round == 0
    one.press("Play")
    one.wait("meta.lanes[0].round > 20 && meta.state === 'running'")
    assert moved(before, one.positions) > 0.05
    assert one.get("counters.painted") > painted + 20
    assert one.get("counters.errors") == 0
    assert one.reward > 0.05  # read off the running average, which has gone a third of the way; the reference is near 0
    one.press("Pause")
    one.wait("meta.state === 'paused'")
    rest = one.round
    time.sleep(0.7)
    assert one.round == rest
    one.press("Step")
    one.wait(f"meta.lanes[0].round === {rest + 1}")
    one.press("Reset")
    one.wait("meta.lanes[0].round === 0")
    time.sleep(0.7)  # the particles glide back
    assert moved(before, one.positions) == 0


def test_the_slider_steers_the_training(one, lesson):
    one.press("Play")
    one.wait("meta.lanes[0].round > 40")
    held, before = one.reward, one.positions
    assert one.slide("W2 weight α", "ArrowLeft", 20) == "0.1"
    one.wait("meta.lanes[0].alpha === 0.1")
    start = one.round
    one.wait(f"meta.lanes[0].round > {start + 60}", 120)
    assert one.reward > held + 0.1
    assert moved(before, one.positions) > 0.1
    assert one.slide("W2 weight α", "Home") == "0"
    one.wait("meta.lanes[0].alpha === 0")
    lesson.run(3)
    assert lesson.printed(3) == "(0.0, 1.0)"  # the kernel has the value, and is free while the stage runs
    assert one.get("meta.state") == "running"


def test_keys_in_the_picture_are_the_stages_and_not_jupyters(one, lesson):
    cells = lesson.cells()
    keyboard = lesson.page.keyboard
    one.canvas.click()
    keyboard.press("Space")
    one.wait("meta.state === 'running' && meta.lanes[0].round > 3")
    keyboard.press("Space")
    one.wait("meta.state === 'paused'")
    rest = one.round
    keyboard.press("s")
    one.wait(f"meta.lanes[0].round === {rest + 1}")
    keyboard.press("ArrowRight")
    one.wait("meta.lanes[0].alpha === 1.1")
    assert one.box.get_by_role("slider", name="W2 weight α").get_attribute("aria-valuetext") == "1.1"
    keyboard.press("ArrowUp")
    one.wait("Math.abs(meta.tau - 1.05) < 1e-9")
    keyboard.press("ArrowDown")
    keyboard.press("r")  # in Jupyter: make it a raw cell
    one.wait("meta.lanes[0].round === 0")
    for key in ("b", "a", "m", "x", "d", "d", "Shift+m", "z"):
        keyboard.press(key)
    time.sleep(0.3)
    assert lesson.cells() == cells
    lesson.page.evaluate("jupyterapp.shell.currentWidget.model.dirty = true")
    one.canvas.click()
    keyboard.press("Control+s")  # this one is still Jupyter's
    lesson.page.wait_for_function("!jupyterapp.shell.currentWidget.model.dirty", timeout=10_000)


def test_it_fills_the_screen_for_a_projector(one, lesson):
    one.canvas.click()
    lesson.page.keyboard.press("p")
    one.wait("document.fullscreenElement?.contains(stage.root) && stage.options.present")
    tall = one.box.locator(".orw-picture").bounding_box()["height"]
    assert tall > 520
    lesson.page.keyboard.press("p")
    one.wait("!document.fullscreenElement && !stage.options.present")


def test_two_stages_run_at_once_and_do_not_know_of_each_other(one, lesson):
    two = lesson.stage(1)
    two.press("Play")
    one.box.scroll_into_view_if_needed()
    one.press("Play")
    lesson.page.set_viewport_size({"width": 1100, "height": 2200})
    try:
        starts = one.round, two.round
        one.wait(f"meta.lanes[0].round > {starts[0] + 10}")
        two.wait(f"meta.lanes[0].round > {starts[1] + 10}")
        one.slide("W2 weight α", "End")
        one.wait("meta.lanes[0].alpha === 100")
        assert two.alpha == 1
        assert two.get("stage.scene.modes") == 2
    finally:
        two.press("Pause")
        lesson.page.set_viewport_size({"width": 1100, "height": 1000})


def test_out_of_sight_it_rests(one, lesson):
    one.press("Play")
    one.wait("meta.lanes[0].round > 3")
    lesson.page.set_viewport_size({"width": 1100, "height": 500})
    lesson.stage(1).canvas.scroll_into_view_if_needed()
    lesson.page.wait_for_function(
        "document.querySelector('.orw-jupyter').getBoundingClientRect().bottom < 0", timeout=5_000
    )
    time.sleep(0.8)
    rest = one.get("counters.received")
    time.sleep(1.2)
    assert one.get("counters.received") == rest
    lesson.page.set_viewport_size({"width": 1100, "height": 1000})
    one.box.scroll_into_view_if_needed()
    one.wait(f"counters.received > {rest + 5}")


def test_what_does_not_fit_is_said(one, lesson):
    box = one.box.get_by_label("Compare alphas")
    notice = one.box.locator(".orw-notice")
    box.fill("0.1, much")
    box.press("Enter")
    lesson.page.wait_for_function("document.querySelector('.orw-notice').textContent.includes('further α is')")
    assert notice.get_attribute("role") == "status"
    assert notice.is_visible()
    box.fill("0.1")
    box.press("Enter")
    one.wait("meta.lanes.length === 2 && meta.lanes[1].alpha === 0.1")
    assert notice.inner_text().strip() == ""
    box.fill("")
    box.press("Enter")
    one.wait("meta.lanes.length === 1")


def test_screen_readers_are_told(one, lesson):
    for name in ("Play", "Step", "Reset"):
        assert one.box.locator(".orw-bar").get_by_role("button", name=name).count() == 1
    handle = one.box.get_by_role("slider", name="Inverse temperature τ")
    assert handle.get_attribute("aria-valuetext") == "1.00"
    assert one.box.get_by_label("Reward", exact=True).input_value()
    assert one.canvas.get_attribute("aria-label")
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(lesson.page, context=".orw-live")
    ours = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found.response["violations"]]
    assert not ours


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1100, 1600])
def test_it_fits_in_light_and_in_dark(open_notebook, width, dark):  # noqa: F811
    notebook = open_notebook([SETUP, ONE.replace("'reward'", "'reward', 'mode'")], width=width, height=900, dark=dark)
    notebook.run()
    stage = notebook.stage()
    assert notebook.page.locator(".orw-stage").get_attribute("data-theme") == ("dark" if dark else "light")
    inside = stage.box.bounding_box()
    for part in (".orw-bar", ".orw-jupyter", ".orw-picture"):
        box = stage.box.locator(part).bounding_box()
        assert box["x"] >= inside["x"] - 1, part
        assert box["x"] + box["width"] <= inside["x"] + inside["width"] + 1, part
    controls = stage.box.locator(".orw-bar").bounding_box()
    assert controls["y"] + controls["height"] <= stage.canvas.bounding_box()["y"] + 1
    assert math.isclose(stage.box.locator(".orw-picture").bounding_box()["height"], 520, abs_tol=1)
    notebook.close()


@pytest.mark.parametrize("dark", [False, True])
def test_a_still_is_a_picture_of_the_stage(browser, dark):
    value = Session(particles=500, name="still").frame()
    image = Image.open(io.BytesIO(still.png(value, width=800, height=400, dark=dark, caption="a line below")))
    assert image.width == pytest.approx(800 * still.SCALE, abs=2)
    assert image.height > 400 * still.SCALE
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(float)
    assert (np.median(pixels.mean(1)) < 90) == dark
    assert ((pixels.max(1) - pixels.min(1)) > 90).mean() > 0.002  # the particles


def test_a_still_shows_a_true_reward_only_where_it_is_revealed(browser):
    """Revealed, it has a panel and a line of numbers more."""
    session = Session(Settings(reward="plane", truth="right"), particles=300, name="still")
    for _ in range(5):
        session.step()
        session.advance()
    value = session.frame()
    session.close()
    hidden, shown = (Image.open(io.BytesIO(still.png(value, revealed=revealed))) for revealed in (False, True))
    plain = Image.open(io.BytesIO(still.png(value)))
    assert plain.tobytes() == hidden.tobytes()
    assert shown.size != hidden.size or np.abs(np.asarray(shown, float) - np.asarray(hidden, float)).max() > 100


def test_running_the_cell_again_begins_anew_and_closing_ends_it(open_notebook):  # noqa: F811
    notebook = open_notebook([SETUP, ONE, "first = one.session", "first.seq", "one.close()"])
    notebook.run(0, 1, 2)
    stage = notebook.stage()
    stage.press("Play")
    stage.wait("meta.lanes[0].round > 5")
    notebook.run(1)
    stage.wait("meta.state === 'paused' && meta.lanes[0].round === 0")
    notebook.run(3)
    before = notebook.printed(3)
    time.sleep(1)
    notebook.run(3)
    assert notebook.printed(3) == before  # nobody looks at the old one: it rests
    notebook.run(4)
    assert notebook.page.locator(".orw-live").count() == 0
    notebook.close()
