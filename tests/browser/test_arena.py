"""The Arena as people use it: who races, what the chart and the table say, who is shut out, keys, links, a phone."""

import io
import re

import numpy as np
import pytest
from lab import drag, eventually, press, state, typed, wait
from PIL import Image

from orwlab import methods
from orwlab.show.lab import rivals
from orwlab.show.lab.settings import Settings
from orwlab.show.web import arena, arena_markup

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LAB = "document.querySelector('.lab').lab"
THREE = ("orw_cfm_w2", "raft", "draft")
SHORT = {name: methods.card(name).short for name in methods.names()}


@pytest.fixture(scope="module")
def race(one_page):
    """One page at rest after a few rounds of three methods."""
    visits, page = one_page
    page.goto(f"{visits.address}arena")
    wait(page, "!['first', ''].includes(meta.run ?? '')")
    again(page)
    visits.complaints.clear()  # Gradio's own, of the page that was left
    return page


@pytest.fixture
def page(one_page, race):
    visits, _ = one_page
    against(race, arena_markup.FIRST)
    with visits.listening():
        yield race


def again(page) -> None:
    begin(page, {"methods": THREE, "strength": 3, "mode": "both", "speed": 0}, 12)
    known = "meta.race.goals[0] && meta.race.frontiers.kl.length"
    wait(page, f"meta.race?.dial.rounds.at(-1) === 12 && !meta.replaying && {known}", 120)


def begin(page, scene: dict, rounds: int = 0) -> None:
    page.evaluate(f"(scene) => {LAB}.begin(scene, 'paused', {{round: {rounds}, log: []}})", scene)


def against(page, what: str) -> None:
    page.locator(f"[name=arena-against][value={what}]").check(force=True)


def box(page, name: str):
    return page.locator(f"#methods input[value={name}]")


def table(page) -> dict[str, list[str]]:
    rows = page.evaluate("""[...document.querySelectorAll('.arena-table tbody tr')].map((row) =>
        [row.dataset.row, [...row.cells].slice(1).map((cell) => cell.textContent)])""")
    return dict(rows)


def number(text: str) -> float:
    value, _, unit = text.replace("−", "-").partition(" ")
    return float(value) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit]


def scales(page):
    """What the chart's ticks say: functions from pixels to values."""
    ticks = page.evaluate("""[...document.querySelectorAll('.arena-chart text')].map((one) =>
        [one.getAttribute('class'), one.textContent, Number(one.getAttribute('x')), Number(one.getAttribute('y'))])""")
    across = [(x, number(text)) for kind, text, x, _ in ticks if kind == "middle"]
    up = [(y - 4, number(text)) for kind, text, _, y in ticks if kind == "left"]
    assert len(across) > 2
    assert len(up) > 2
    return (np.poly1d(np.polyfit(*zip(*places), 1)) for places in (across, up))


def test_three_lanes_stand_under_their_names_with_colours_of_their_own(page):
    lanes = state(page)["meta"]["lanes"]
    assert [lane["label"] for lane in lanes] == [SHORT[name] for name in THREE]
    heads = page.locator(".arena-table thead button").all()
    assert [head.inner_text().strip() for head in heads] == [SHORT[name] for name in THREE]
    colours = [head.locator("svg").get_attribute("fill") for head in heads]
    assert len(set(colours)) == 3
    against(page, "evaluations")
    strokes = "[...document.querySelectorAll('.arena-chart path.way')].map((line) => line.getAttribute('stroke'))"
    assert page.evaluate(strokes) == colours


def test_the_table_says_what_was_measured(page):
    meta, rows = state(page)["meta"], table(page)
    assert list(rows) == list(arena_markup.ROWS)
    for k, (name, looks, goal) in enumerate(
        zip(THREE, meta["race"]["dial"]["lanes"], meta["race"]["goals"], strict=True)
    ):
        card, column = methods.card(name), {key: cells[k] for key, cells in rows.items()}
        assert column["needs"] == ", ".join(arena_markup.needs_in_short(card))
        for row, key in (("kl", "kl"), ("w2", "w2"), ("strength", "strength"), ("r2", "r2")):
            assert number(column[row]) == pytest.approx(looks[key][-1], abs=0.006)
        assert column["exact"] == (f"{goal['reward']:.2f}" if goal else "not known" if card.settles else "goes on")
        alone = methods.get(name)
        assert number(column["evaluations"]) > 0
        assert number(column["slopes"]) == (number(column["rewards"]) if card.gradient else 0)
        assert number(column["seconds"]) > 0
        assert alone.card.short == heads_of(page)[k]
    assert [number(text) for text in rows["rewards"]] == [256, 1020, 256]  # K = 1 + strength, of each the best


def heads_of(page) -> list[str]:
    return [head.strip() for head in page.locator(".arena-table thead button").all_inner_texts()]


@pytest.mark.parametrize("what", ["kl", "w2"])
def test_rings_and_lines_stand_where_the_numbers_say(page, what):
    against(page, what)
    race, (x_of, y_of) = state(page)["meta"]["race"], scales(page)
    (ring,) = page.evaluate("""[...document.querySelectorAll('.arena-chart .ring')].map((one) =>
        [Number(one.getAttribute('cx')), Number(one.getAttribute('cy'))])""")
    goal = race["goals"][0]
    assert x_of(ring[0]) == pytest.approx(goal[what], rel=0.03)
    assert y_of(ring[1]) == pytest.approx(goal["reward"], abs=0.01)
    known, _ = rivals.goal(Settings(strength=3.0), "orw_cfm_w2")
    assert goal["reward"] == pytest.approx(known.reward, abs=1e-6)
    path = page.locator(".arena-chart path.way").first.get_attribute("d")
    ends = np.array([[float(c) for c in point.split(",")] for point in re.findall(r"[ML]([-\d.]+,[-\d.]+)", path)])
    looks = race["dial"]["lanes"][0]
    np.testing.assert_allclose(x_of(ends[1:, 0]), looks[what], atol=0.03 * max(looks[what]))
    np.testing.assert_allclose(y_of(ends[1:, 1]), looks["reward"], atol=0.01)
    line = page.locator(".arena-chart path.frontier").get_attribute("d")
    best = np.array([[float(c) for c in point.split(",")] for point in re.findall(r"[ML]([-\d.]+,[-\d.]+)", line)])
    assert (np.diff(best[:, 1]) <= 0.2).all()  # pixels: the frontier never falls


@pytest.mark.parametrize("what", ["evaluations", "rewards", "seconds"])
def test_against_a_cost_each_line_ends_at_what_was_spent(page, what):
    against(page, what)
    x_of, y_of = scales(page)
    rows = table(page)
    ends = page.evaluate("""[...document.querySelectorAll('.arena-chart path.way')].map((line) =>
        line.getAttribute('d').split(/[ML]/).at(-1).split(',').map(Number))""")
    for k, (x, y) in enumerate(ends):
        each = number(rows[what][k]) / (1000 if what == "seconds" else 1)
        assert x_of(x) == pytest.approx(12 * each, rel=0.06)
        assert y_of(y) == pytest.approx(number(rows["reward"][k]), abs=0.015)
    assert page.locator(".arena-chart path.goal").count() == 1  # the one that has an exact answer
    title = page.locator(".arena-chart text.title").last.text_content()
    assert title == {"evaluations": "evaluations", "rewards": "reward calls", "seconds": "seconds"}[what]


def test_a_chip_that_is_chosen_can_be_seen(page):
    def seen(name: str) -> np.ndarray:
        shot = box(page, name).locator("xpath=..").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)[8:-8, 8:-8].mean((0, 1))

    chosen, other = seen("raft"), seen("reft")
    assert np.abs(chosen - other).max() > 60


def test_a_card_opens_and_closes(page):
    card = page.locator(".arena-card")
    assert not card.is_visible()
    press_head = page.locator(".arena-table thead button").nth(1)
    press_head.click()
    told = card.inner_text()
    raft = methods.card("raft")
    for text in (raft.title, raft.idea, raft.dial, raft.goes_to, raft.source):
        assert text in told
    assert press_head.get_attribute("aria-pressed") == "true"
    press_head.click()
    assert not card.is_visible()


def test_a_fifth_takes_the_place_of_the_fourth_and_the_others_stay(page):
    begin(page, {"methods": ["orw_cfm_w2", "raft", "reft", "awm"], "mode": "both"})
    wait(page, "meta.lanes.length === 4")
    box(page, "ddpo").check(force=True)
    wait(page, "meta.lanes.at(-1).label === 'DDPO' && meta.lanes.length === 4")
    assert not box(page, "awm").is_checked()
    for name in ("ddpo", "reft", "raft"):
        box(page, name).uncheck(force=True)
    wait(page, "meta.lanes.length === 1")
    box(page, "orw_cfm_w2").click(force=True)  # the last one stays, and it is said why
    assert box(page, "orw_cfm_w2").is_checked()
    assert page.locator("#methods .help").inner_text() == "One method at least has to race."
    box(page, "awm").check(force=True)
    wait(page, "meta.lanes.length === 2")
    assert "Up to four" in page.locator("#methods .help").inner_text()
    begin(page, {"alpha": 0.3})  # nobody races: the page is a lab of one alpha
    wait(page, "meta.lanes[0].label.startsWith('α')")
    assert "Choose from one to four" in page.locator(".arena-when").inner_text()
    assert page.locator("#alpha").is_visible()
    assert not page.locator("#strength").is_visible()
    again(page)


def test_a_reward_without_a_slope_shuts_out_and_says_so(page):
    page.locator("#reward select").select_option("box")
    wait(page, "meta.race.flat && meta.lanes[2].banner")
    lanes = state(page)["meta"]["lanes"]
    assert lanes[2]["banner"]["title"] == "DRaFT is shut out."
    assert "shuts out those that follow one" in page.locator("#methods .help").inner_text()
    for name in methods.names():
        assert box(page, name).is_disabled() == (methods.card(name).gradient and name not in THREE), name
    refl = "document.querySelector('#methods input[value=refl]').nextSibling"
    assert page.evaluate(f"getComputedStyle({refl}).textDecorationLine") == "line-through"
    press(page, "step")
    wait(page, "meta.lanes[0].round === 13")
    assert state(page)["meta"]["lanes"][2]["round"] == 12
    page.locator("#reward select").select_option("bump")
    wait(page, "!meta.race.flat && !meta.lanes[2].banner")
    assert not box(page, "refl").is_disabled()
    press(page, "step")
    wait(page, "meta.lanes[2].round === 13")
    again(page)


def test_arrows_move_the_strength_and_e_leaves_the_exact_out(page):
    before = typed(page, "alpha")
    page.locator(".lab-head").click()
    page.keyboard.press("ArrowRight")
    assert typed(page, "strength") > 3
    log = f"JSON.stringify({LAB}.told.log)"
    assert eventually(lambda: '[12,"strength",3.5]' in page.evaluate(log))
    assert typed(page, "alpha") == before
    page.keyboard.press("z")
    assert eventually(lambda: typed(page, "strength") == 3)
    seen = []
    for _ in range(3):
        page.keyboard.press("e")
        seen.append(page.evaluate(f"{LAB}.controls.mode.value"))
    assert seen == ["learned", "both", "learned"]
    assert not page.locator("#mode label", has_text="Exact").is_visible()
    again(page)


def test_a_link_to_a_race_opens_on_the_live_lab_too(visit):
    page = visit(query="#methods=raft,awm&strength=0.5&round=3&speed=0", running=False)
    wait(page, "meta.lanes.length === 2 && meta.lanes[1].label === 'AWM' && round === 3", 120)
    assert page.locator("#strength").is_visible()
    assert page.locator("#methods").is_visible()
    assert typed(page, "strength") == 0.5
    assert not page.locator("#alpha").is_visible()
    drag(page, "strength", 1.0)
    press(page, "step")
    wait(page, "round === 4")
    wanted = "#methods=raft,awm&strength=0.5&speed=0&round=4&log=3:strength:1"
    assert eventually(lambda: page.evaluate("location.hash") == wanted)


def test_every_move_does_what_it_says(visit):
    page = visit(query="arena", running=False)
    wait(page, "!['first', ''].includes(meta.run ?? '')")
    for k, expected in enumerate((3, 3, 4, 2)):
        page.locator("[data-attempt]").nth(k).click()
        wait(page, f"meta.lanes.length === {expected} && meta.lanes.some(({{round}}) => round > 1)", 120)
    assert arena.PAGE.story.startswith("Four races")


OUTSIDE = """(width) => [...document.querySelectorAll('.arena *, .lineup *')].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width && box.right > width + 1 && !part.closest('.arena-table');
}).map((part) => part.className || part.tagName)"""


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_and_axe_is_content(visit, width):
    page = visit(width=width, height=740, query="arena", has_touch=width < 500, dark=width > 500)
    wait(page, "meta.race?.frontiers.kl.length && meta.round > 4", 120)
    press(page, "toggle")
    assert page.evaluate(OUTSIDE, width) == []
    if width < 500:
        heights = page.evaluate("""[...document.querySelectorAll('.arena label, .arena button, .lineup label')]
            .map((part) => part.getBoundingClientRect().height)""")
        assert min(heights) >= 44
    from axe_playwright_python.sync_playwright import Axe

    found = [
        (rule["id"], node["target"], node["html"][:150])
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
    ]
    assert found == []
