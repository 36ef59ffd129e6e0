"""The plane of digits on the stage and on the page: every sample shows its picture, with a mouse, a finger and keys."""

import numpy as np
import pytest
import torch
from lab import eventually, in_force, unfold, wait
from stage_page import give, pixels

from orwlab import zoo
from orwlab.show.lab import digits
from orwlab.show.lab.session import Session
from orwlab.show.lab.story import Story

pytest_plugins = ["stage_page"]  # the fixture host
pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETTINGS = {"target": digits.PLANE, "reward": "digits:02468", "alpha": 0.3}
INK = """() => [...document.querySelectorAll('.orw-glimpse:not([hidden])')].map((box) => {
    const { width, height } = box.children[0], ctx = box.children[0].getContext('2d');
    return Array.from(ctx.getImageData(0, 0, width, height).data).filter((_, k) => k % 4 === 3); })"""
LONELY = """() => { // the first lane's sample whose nearest neighbour is farthest
    const { positions, frame: { n }, layout: { plots: [p] }, camera: { now: [x0, x1, y0, y1] } } = stage;
    let best = -1, most = 0;
    for (let k = 0; k < n; k++) {
      const [x, y] = [positions[2 * k], positions[2 * k + 1]];
      let apart = Infinity;
      for (let i = 0; i < n; i++) {
        if (i !== k) apart = Math.min(apart, Math.hypot(positions[2 * i] - x, positions[2 * i + 1] - y));
      }
      if (apart > most && Math.hypot(x, y) < 3.5) [best, most] = [k, apart];
    }
    const at = stage.canvas.getBoundingClientRect(), [x, y] = [positions[2 * best], positions[2 * best + 1]];
    const left = at.left + p.x + (x - x0) / (x1 - x0) * p.w, top = at.top + p.y + (y1 - y) / (y1 - y0) * p.h;
    return { x, y, left, top };
}"""


@pytest.fixture(scope="module")
def values() -> dict[int, dict[str, str]]:
    """What the stage gets of a paused run with one and with two alphas."""
    made = {}
    for others in ((), (3.0,)):
        session = Session(particles=300, name="digits")
        session.begin(Story.read({"scene": {**SETTINGS, "others": list(others)}, "round": 0, "log": []}))
        session.advance()
        made[1 + len(others)] = session.frame()
        session.close()
    return made


def shown_at(x: float, y: float) -> tuple[np.ndarray, torch.Tensor]:
    """The ink of what is decoded there, from 0 to 255, and what the judge makes of it."""
    z = torch.tensor([[x, y]])
    with torch.no_grad():
        ink = (zoo.load("digits_vae").decode(z) + 1) / 2
        return 255 * ink.flatten().numpy(), digits.odds(z, "digits_judge")[0]


def check_shown(page, x: float, y: float) -> None:
    """The first lane's picture is the decoder's, pixel by pixel, and the words below it are the judge's."""
    ink, odds = shown_at(x, y)
    found = np.array(page.evaluate(INK)[0])
    assert found.shape == (64,)
    assert np.abs(found - ink).mean() < 8  # of 255: blended between places half a unit apart
    assert np.corrcoef(found, ink)[0, 1] > 0.98
    said, percent = page.locator(".orw-glimpse").first.inner_text().replace("%", "").split()
    assert said == str(int(odds.argmax())) or odds[int(said)] > 0.3  # at a border both are seen
    assert abs(int(percent) - 100 * float(odds[int(said)])) < 15


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_pointer_at_a_sample_shows_its_digit(host, values, lanes):
    page = host(values[lanes])
    page.wait_for_function("stage.motion.x.done")
    assert page.locator(".orw-glimpse:visible").count() == 0
    at = page.evaluate(LONELY)
    page.mouse.move(at["left"] + 3, at["top"] - 3)
    page.wait_for_selector(".orw-glimpse:visible")
    assert page.locator(".orw-glimpse:visible").count() == lanes  # the same noise, in every lane
    check_shown(page, at["x"], at["y"])
    box = page.locator(".orw-glimpse").first.bounding_box()
    assert abs(box["y"] + box["height"] / 2 - at["top"]) < 60
    assert not box["x"] <= at["left"] <= box["x"] + box["width"]  # beside the sample, not on it
    page.mouse.move(5, 5)
    page.wait_for_selector(".orw-glimpse:visible", state="detached")


def test_a_finger_shows_a_digit_on_a_phone(host, values):
    page = host(values[1], width=360, height=740, has_touch=True, dark=True)
    page.wait_for_function("stage.motion.x.done")
    at = page.evaluate(LONELY)
    page.touchscreen.tap(at["left"], at["top"])
    page.wait_for_selector(".orw-glimpse:visible")
    check_shown(page, at["x"], at["y"])
    box, plot = page.locator(".orw-glimpse").first.bounding_box(), page.locator("canvas").first.bounding_box()
    assert box["x"] >= plot["x"]
    assert box["x"] + box["width"] <= plot["x"] + plot["width"]
    assert "tap a sample" in page.locator(".orw-legend").inner_text()


def test_who_follows_samples_by_keyboard_is_told_what_they_show(host, values):
    page = host(values[1])
    page.wait_for_function("stage.motion.x.done")
    page.locator("canvas").first.focus()
    page.keyboard.press("n")
    page.wait_for_selector(".orw-glimpse:visible")
    x, y = page.evaluate("[stage.positions[0], stage.positions[1]]")
    said = page.locator(".orw-summary").inner_text()
    assert said.startswith("Sample 1 of 300 shows ")
    assert shown_at(x, y)[1][int(said.split("shows ")[1][0])] > 0.3


def test_all_pictures_can_be_the_ground_and_samples_stay_visible(host, values):
    page = host(values[1], options={"background": "none", "ghost": False, "modes": False})
    plain = pixels(page)
    page.evaluate("stage.configure({background: 'pictures'})")
    page.wait_for_timeout(200)
    other = np.abs(pixels(page) - plain).sum(1)
    assert 0.1 < (other > 20).mean() < 0.6  # ink, and paper between it
    assert other.max() < 350  # faint: no pixel as dark as a word
    assert "grey pictures: what each place shows" in page.locator(".orw-legend").inner_text()


def test_modes_are_called_by_their_digits_and_other_planes_have_no_pictures(host, values, labs):
    page = host(values[1])
    assert "0 1 2" in page.locator(".orw-legend").inner_text()
    assert page.evaluate("stage.picture.texts.at(-1).map(({ text }) => text).filter((text) => /^[0-9]$/.test(text))")[
        :2
    ] == ["0", "1"]
    page.evaluate("stage.configure({background: 'pictures'})")
    give(page, labs[1].value())
    assert "1 2 3" in page.locator(".orw-legend").inner_text()
    assert "grey pictures: what each place shows" not in page.locator(".orw-legend").inner_text()
    page.mouse.move(300, 300)
    assert page.locator(".orw-glimpse:visible").count() == 0


def test_wanted_digits_are_offered_where_there_are_digits(visit):
    page = visit(running=False)
    unfold(page, "view")
    offered = (
        "[...document.querySelectorAll('#reward-list option')].filter((o) => !o.disabled).map((o) => o.textContent)"
    )
    assert "Even digits" not in page.evaluate(offered)
    assert not page.get_by_text("Digits", exact=True).is_visible()
    page.locator("#target-list").select_option(label="Handwritten digits")
    wait(page, "stage.scene.pictures")
    assert "Even digits" in page.evaluate(offered)
    page.locator("#reward-list").select_option(label="Even digits")
    page.locator("input[name=background][value=pictures]").check()
    wait(page, "stage.options.background === 'pictures'")
    page.locator("#target-list").select_option("rings")
    wait(page, "!stage.scene.pictures && stage.options.background === 'reward'")
    assert "Even digits" in page.evaluate(offered)  # what is in force stays


def test_a_link_may_want_any_digits(visit):
    page = visit(running=False, query="#target=digits_latent&reward=digits:358&round=3")
    wait(page, "round === 3")
    assert page.locator("#reward-list option:checked").inner_text() == "Digits 3, 5, 8"


def test_any_digits_can_be_chosen_where_there_are_digits(visit):
    """By hand and by keys; none and all of them are answered in words, and what was chosen last stays in force."""
    page = visit(running=False, query="#target=digits_latent&reward=digits:02468")
    unfold(page, "view")
    wait(page, "stage.scene.pictures")
    page.locator("#reward-list").select_option("+digits")
    panel = page.locator("#own-digits")
    box = lambda digit: panel.locator(f"label:has(input[value='{digit}'])")  # noqa: E731
    assert panel.locator("input:checked").evaluate_all("all => all.map((e) => e.value).join('')") == "02468"
    for digit in (0, 4, 6, 8):
        box(digit).click()
    box(3).click()
    chosen = page.locator("#reward-list option:checked")
    assert chosen.inner_text() == "Digits 2, 3"
    assert eventually(lambda: in_force(page, "reward") == "digits:23")
    panel.locator("input[value='7']").focus()
    page.keyboard.press("Space")
    assert eventually(lambda: in_force(page, "reward") == "digits:237")
    for digit in (2, 3, 7):
        box(digit).click()
    assert "at least one" in panel.inner_text()
    assert chosen.inner_text() == "Digit 7"
    for digit in range(10):
        box(digit).click()
    assert "Leave one out" in panel.inner_text()
    assert chosen.inner_text() == "All digits but 9"
    box(0).click()
    assert "Leave one out" not in panel.inner_text()
    assert eventually(lambda: in_force(page, "reward") == "digits:123456789")
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert page.locator("#reward-list option", has_text="All digits but 0").count() == 1, "what one has made stays"

    page.locator("#truth-list").select_option("+digits")
    box(1).click()
    assert eventually(lambda: in_force(page, "truth") == "judge:1")
    page.locator("#target-list").select_option("rings")
    wait(page, "!stage.scene.pictures")
    assert not panel.is_visible()
    offers = page.locator("#reward-list option[value='+digits'], #truth-list option[value='+digits']")
    assert offers.evaluate_all("all => all.every((o) => o.hidden && o.disabled)")
