"""The Trade-off map as people use it: cells, keys, the ring, the curve, goals, networks, tables."""

import io
import itertools
import time

import numpy as np
import pytest
from lab import STAGE, drag, eventually, press, shown, state, typed, wait
from PIL import Image

from orwlab.show.lab import tradeoffs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MAP = "document.querySelector('.lab').lab.instruments.find((one) => one.maps)"
WIDTHS = {360: 740, 768: 1024, 1280: 720, 1920: 1080}
TABLE = "alpha,tau,seed,reward,diversity,w2\n0.5,1,7,0.5,2.5,6\n0.5,1,8,0.6,2.4,7\n2,1,,0.2,3.6,1.5\n"


@pytest.fixture
def come(visit):
    """Opens the map at rest, with at least its first row."""

    def open_page(width=1280, height=720, dark=False, query="map", **options):
        page = visit(width, height, dark, query=query, running=False, **options)
        page.wait_for_function(f"!['first', ''].includes({STAGE}.meta?.run ?? '')")
        first_row(page)
        return page

    return open_page


@pytest.fixture(scope="module")
def one_map(one_page):
    """One map for all tests of this file that leave it as they found it."""
    visits, _ = one_page
    page = visits(1280, 900, query="map", running=False)
    page.wait_for_function(f"!['first', ''].includes({STAGE}.meta?.run ?? '')")
    first_row(page)
    return visits, page


@pytest.fixture
def one(one_map):
    visits, page = one_map
    for radio in ("[name=map-shows][value=reward]", "[name=map-against][value=diversity]"):  # whoever was here before
        page.locator(radio).check(force=True)
    with visits.listening():
        yield page


def first_row(page):
    page.wait_for_function(f"{MAP}.map.cells.size >= {len(tradeoffs.ALPHAS)}", timeout=120_000)
    page.wait_for_function("document.querySelector('[data-alpha=\"0.1\"][data-tau=\"1\"]').dataset.state !== 'waiting'")


def slot(page, alpha, tau):
    return page.locator(f'.map-grid [data-alpha="{alpha:g}"][data-tau="{tau:g}"]')


def cell(page, alpha, tau):
    return page.evaluate(f"{MAP}.map.cells.get('{alpha:g} {tau:g}')")


def unfold(page):
    page.evaluate("for (const group of document.querySelectorAll('.map details')) group.open = true")


def at(page):
    """Where the controls are."""
    return typed(page, "alpha"), typed(page, "tau")


def picture(page, selector):
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)


def middle_of(page, selector):
    """The middle of a circle or an ellipse, in its own picture."""
    return page.evaluate(
        "(s) => ['cx', 'cy'].map((name) => Number(document.querySelector(s).getAttribute(name)))", selector
    )


def test_a_cell_takes_the_stage_there_and_its_numbers_are_the_stage_s_exact_ones(one):
    slot(one, 0.5, 1).click()
    wait(one, "meta.lanes[0].alpha === 0.5 && meta.lanes[0].limit?.state === 'there' && meta.curves[0].exact?.[0]", 120)
    assert at(one) == (0.5, 1)
    assert shown(one)["mode"] == "both"
    assert state(one)["meta"]["state"] == "paused"
    found, meta = cell(one, 0.5, 1), state(one)["meta"]
    for name, number in (("reward", 0), ("diversity", 1)):
        said = next(n["exact"] for n in meta["lanes"][0]["numbers"] if n["key"] == name)
        assert float(said.replace("−", "-")) == pytest.approx(found[name], abs=0.006)  # it is said to two decimals
        assert meta["curves"][number]["exact"][0]["value"] == pytest.approx(found[name], abs=0.002)
    line = one.locator(".map-line").inner_text()
    for name in ("reward", "diversity", "kl", "w2"):
        assert f"{found[name]:.3f}" in line
    assert slot(one, 0.5, 1).get_attribute("aria-selected") == "true"
    assert f"{found['reward']:.2f}" == slot(one, 0.5, 1).inner_text()


def test_make_it_learn_this_begins_at_the_reference_and_runs_towards_the_cell(one):
    slot(one, 0.5, 1).click()
    one.locator("[data-learn]").click()
    wait(one, "meta.state === 'running' && meta.lanes[0].alpha === 0.5 && round > 2 && round < 60")
    one.wait_for_function("document.querySelector('.map-way')?.getAttribute('d').split('L').length > 3")
    goal = cell(one, 0.5, 1)["reward"]
    wait(one, f"Math.abs(stage.arrays.reward.data.at(-1) - {goal}) < 0.08", 120)
    press(one, "toggle")
    apart = np.subtract(middle_of(one, ".map-head-dot"), middle_of(one, ".map-point.marked"))
    assert np.hypot(*apart) < 60, "the network's dot has come to the cell's"


def test_by_keyboard_one_goes_from_cell_to_cell_and_the_stage_stays_until_enter(one):
    slot(one, 1, 1).click()
    wait(one, "meta.lanes[0].alpha === 1")
    slot(one, 1, 1).focus()
    one.keyboard.press("ArrowRight")
    one.keyboard.press("ArrowUp")
    focused = one.evaluate("({...document.activeElement.dataset})")
    assert (focused["alpha"], focused["tau"]) == ("2", "1.6")
    assert at(one) == (1, 1), "arrows do not move the sliders meanwhile"
    assert one.locator('.map-grid [tabindex="0"]').count() == 1
    assert one.locator(".map-line").inner_text().startswith("α = 2, τ = 1.6")
    one.keyboard.press("Enter")
    wait(one, "meta.lanes[0].alpha === 2")
    assert at(one) == (2, 1.6)
    one.keyboard.press("Home")
    assert one.evaluate("document.activeElement.dataset.alpha") == "0.1"
    one.keyboard.press("ArrowLeft")  # the edge
    assert one.evaluate("document.activeElement.dataset.alpha") == "0.1"
    one.keyboard.press(" ")
    wait(one, "meta.lanes[0].alpha === 0.1 && meta.state === 'paused'")
    one.keyboard.press("Tab")
    assert one.evaluate("document.activeElement.closest('.map-grid')") is None, "one stop for Tab"


def test_the_ring_follows_the_sliders(one):
    slot(one, 1, 1).click()
    wait(one, "meta.lanes[0].alpha === 1")

    def middle(alpha, tau):
        box, over = slot(one, alpha, tau).bounding_box(), one.locator(".map-over").bounding_box()
        return box["x"] + box["width"] / 2 - over["x"], box["y"] + box["height"] / 2 - over["y"]

    assert eventually(lambda: np.hypot(*np.subtract(middle_of(one, ".map-ring"), middle(1, 1))) < 1)
    drag(one, "alpha", 5)
    assert eventually(lambda: np.hypot(*np.subtract(middle_of(one, ".map-ring"), middle(5, 1))) < 1)
    drag(one, "tau", 2)
    one.wait_for_timeout(400)
    _, y = middle_of(one, ".map-ring")
    assert middle(5, 2.5)[1] < y < middle(5, 1.6)[1]
    assert not one.evaluate("document.querySelector('.map-ring').classList.contains('beyond')")
    drag(one, "alpha", 0)
    assert eventually(lambda: one.evaluate("document.querySelector('.map-ring').classList.contains('beyond')"))


def test_each_radio_shows_another_quantity(one):
    seen = {}
    for name in ("reward", "diversity", "kl", "w2"):
        one.locator(f"[name=map-shows][value={name}]").check(force=True)
        one.wait_for_timeout(300)
        seen[name] = picture(one, ".map-grid")
        assert slot(one, 1, 1).inner_text() == f"{cell(one, 1, 1)[name]:.2f}"
    for a, b in itertools.combinations(seen, 2):
        assert (np.abs(seen[a] - seen[b]).max(-1) > 40).mean() > 0.02, (a, b)
    one.locator("[name=map-shows][value=reward]").check(force=True)
    curves = {}
    for name in ("diversity", "kl", "w2"):
        one.locator(f"[name=map-against][value={name}]").check(force=True)
        one.wait_for_timeout(300)
        curves[name] = picture(one, ".map-curve")
    for a, b in itertools.combinations(curves, 2):
        assert (np.abs(curves[a] - curves[b]).max(-1) > 40).mean() > 0.003, (a, b)


def test_more_reward_is_lighter_and_colours_say_what_the_numbers_say(one):
    one.locator("[name=map-shows][value=reward]").check(force=True)
    one.wait_for_timeout(300)
    light = one.evaluate("""() => [...document.querySelectorAll('.map-grid [data-tau="1"]')].map((slot) =>
        getComputedStyle(slot).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b))""")
    assert light == sorted(light, reverse=True)  # alpha grows to the right
    assert light[0] > light[-1] + 100


def test_which_alpha_reaches_a_goal(one):
    slot(one, 1, 1).click()
    unfold(one)
    one.locator("[data-goal=quantity]").select_option("reward")
    one.locator("[data-goal=value]").fill("0,6")
    one.locator("[data-goal=value]").press("Enter")
    found = one.locator(".map-found")
    assert eventually(lambda: found.inner_text().startswith("α = "), 60)
    assert "reaches a mean reward of 0.60 at τ = 1" in found.inner_text()
    alpha = float(found.inner_text().split()[2])
    assert 0.4 < alpha < 0.5  # between the cells of 0.5, which has less, and of 0.2, which has more
    one.locator("[data-goal=show]").click()
    wait(one, f"meta.lanes[0].alpha === {alpha} && meta.curves[0].exact?.[0]", 120)
    assert state(one)["meta"]["curves"][0]["exact"][0]["value"] == pytest.approx(0.6, abs=0.005)


@pytest.mark.parametrize(
    ("goal", "said"), [("0.99", "No α gives that: at τ = 1"), ("much", "allowed: a number"), ("", "allowed: a number")]
)
def test_a_goal_that_cannot_be_is_told(one, goal, said):
    slot(one, 1, 1).click()
    unfold(one)
    one.locator("[data-goal=value]").fill(goal)
    one.locator(".map-goal [type=submit]").click()
    assert eventually(lambda: said in one.locator(".map-found").inner_text(), 60)
    assert one.locator("[data-goal=show]").is_hidden()


def test_networks_are_trained_and_put_beside_the_exact_answer(come):
    page = come()
    slot(page, 2, 1).click()
    unfold(page)
    page.locator("[data-train=cell]").click()
    assert eventually(lambda: page.locator(".map-net").count() == 2, 90)
    assert eventually(lambda: page.locator(".map-progress").inner_text() == "The networks are on the curve.")
    assert "Networks (mean of 2): mean reward" in page.locator(".map-line").inner_text()
    exact = cell(page, 2, 1)
    for point in page.evaluate(f"{MAP}.map.points"):
        assert point["reward"] == pytest.approx(exact["reward"], abs=0.05)
        assert point["diversity"] == pytest.approx(exact["diversity"], abs=0.15)
    page.locator("[data-train=row]").click()
    page.locator("[data-train=stop]").click()
    assert page.locator("[data-train=stop]").is_hidden()
    page.evaluate("document.querySelector('#group-training').open = true")
    page.locator("#weighting select").select_option("mean_one")  # another map, without these networks
    assert eventually(lambda: page.locator(".map-net").count() == 0)
    page.locator("#weighting select").select_option("exp")
    assert eventually(lambda: page.locator(".map-net").count() >= 2), "they are kept"


def test_a_table_of_points_is_taken_given_back_and_refused_in_a_sentence(one):
    unfold(one)
    one.locator("[data-points=clear]").click()
    one.locator(".map textarea").fill(TABLE)
    assert eventually(lambda: one.locator(".map-net").count() == 3, 30)
    assert one.locator(".map-report").inner_text() == "Read 3 points."
    with one.expect_download() as saved:
        one.locator("[data-points=save]").click()
    text = saved.value.path().read_text(encoding="utf-8-sig")
    assert text.replace("\r\n", "\n") == TABLE
    one.locator(".map textarea").fill("alpha,tau,reward\n1,1,lots")
    assert eventually(lambda: "Line 2: “lots” in column “reward”" in one.locator(".map-report").inner_text(), 30)
    assert one.locator(".map-net").count() == 3
    one.locator(".map textarea").fill("alpha,tau,reward,diversity\n1,1,0.5,2")
    assert eventually(lambda: one.locator(".map-net").count() == 1, 30), "what stood in the box before is replaced"
    one.locator(".map textarea").fill("alpha,tau,reward,diversity\n1,1,0.55,2")
    assert eventually(lambda: one.evaluate(f"{MAP}.map.points[0]?.reward") == 0.55, 30)
    assert one.locator(".map-net").count() == 1, "also without a seed"
    one.locator("[data-points=clear]").click()
    assert eventually(lambda: one.locator(".map-net").count() == 0)


def test_points_that_cannot_be_shown_are_counted(one):
    unfold(one)
    key = one.locator(".map-key")
    one.locator(".map textarea").fill("alpha,tau,reward,diversity,w2\n1,1,0.5,2,\n2,1,0.4,3,\n5,1,0.3,3.5,1")
    assert eventually(lambda: one.locator(".map-net").count() == 3, 30)
    assert "Blue dots: networks." in key.inner_text()
    assert "Not shown" not in key.inner_text()
    one.locator("[name=map-against][value=w2]").check(force=True)
    assert eventually(lambda: one.locator(".map-net").count() == 1)
    assert "Blue dots: networks. Not shown: 2 of which the W₂² is not known." in key.inner_text()
    one.locator(".map textarea").fill("alpha,tau,reward\n1,1,0.5")
    assert eventually(lambda: one.locator(".map-net").count() == 0, 30)
    assert "Blue dots" not in key.inner_text()
    assert "Not shown: 1 of which the W₂² is not known." in key.inner_text()
    one.locator("[data-points=clear]").click()


def test_a_file_that_is_dropped_on_the_map_is_no_target(one):
    one.evaluate(
        """(text) => { const given = new DataTransfer();
            given.items.add(new File([text], 'points.csv', {type: 'text/csv'}));
            const drop = new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true});
            document.querySelector('.map').dispatchEvent(drop); }""",
        TABLE,
    )
    assert eventually(lambda: one.locator(".map-net").count() == 3)
    assert shown(one)["target"] == "eight_gaussians"
    one.locator("[data-points=clear]").click()


def test_where_there_is_no_limit_cells_are_hatched_and_say_why(come):
    page = come()
    page.locator("#reward select").select_option("plane")
    page.wait_for_function(
        "document.querySelector('[data-alpha=\"0.1\"][data-tau=\"1\"]').dataset.state === 'none'", timeout=120_000
    )
    nowhere = slot(page, 0.1, 1)
    assert nowhere.inner_text() == "–"
    assert "the reward has no ceiling" in nowhere.get_attribute("aria-label")
    pixels = picture(page, '.map-grid [data-alpha="0.1"][data-tau="1"]')
    assert pixels.mean(-1).std() > 15  # hatched
    nowhere.hover()
    assert "the reward has no ceiling" in page.locator(".map-line").inner_text()


def test_a_link_to_the_map_restores_its_state(come):
    page = come(query="map#alpha=0.2&tau=1.6&reward=bump&mode=both")
    assert eventually(lambda: at(page) == (0.2, 1.6))
    assert page.evaluate(f"{MAP}.place.reward") == "bump"
    assert not page.evaluate("document.querySelector('.map-ring').classList.contains('beyond')")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_everything_can_be_pressed(come, width):
    page = come(width, WIDTHS[width], has_touch=width < 1000, is_mobile=width < 1000)
    unfold(page)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    seen = page.evaluate(
        """() => [...document.querySelectorAll('.map *')].filter((e) => e.getClientRects().length).map((e) => {
            const { left, right, height } = e.getBoundingClientRect();
            const pressed = e.matches('button, [role=gridcell], select, summary, .options label');
            return { left, right, height, pressed, html: e.outerHTML.slice(0, 80) }; })"""
    )
    for one in seen:
        assert one["left"] >= -0.5, one
        assert one["right"] <= width + 0.5, one
        assert not one["pressed"] or one["height"] >= (44 if width < 1000 else 24) - 0.5, one


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(come, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = come(dark=dark)
    unfold(page)
    slot(page, 0.5, 1).click()
    time.sleep(1)
    found = [
        (rule["id"], node["html"][:150])
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
        if page.evaluate("(s) => !!document.querySelector(s)?.closest('#lab')", " ".join(map(str, node["target"])))
    ]
    assert found == []
