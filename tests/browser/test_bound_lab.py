"""The Bound lab as people use it: rows, numbers, the map of a rung, its charts, keys, a narrow window."""

import base64
import io
import re

import numpy as np
import pytest
from lab import state, wait
from PIL import Image

from orwlab.show.lab import ladders
from orwlab.show.web import bounds_markup

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LAB = "document.querySelector('.lab').lab"
BOUNDS = f"{LAB}.instruments.find((one) => one.limits)"
KNOWN = "meta.ladder?.lanes.length > 0 && meta.ladder.lanes.every(({log}) => log)"
WIDTHS = {360: 740, 768: 1024, 1280: 720, 1920: 1080}
HALF = "every bound is 0"


@pytest.fixture(scope="module")
def bounds(one_page):
    """One page at rest after a few rounds, with the ladder of two lanes."""
    visits, page = one_page
    page.goto(f"{visits.address}bounds")
    wait(page, "!['first', ''].includes(meta.run ?? '')")
    page.evaluate(f"{LAB}.begin({{alpha: 0.3, others: [3], speed: 0}}, 'paused', {{round: 12, log: []}})")
    wait(page, f"{KNOWN} && meta.ladder.lanes[0].round === 12 && !meta.replaying", 120)
    visits.complaints.clear()  # Gradio's own, of the page that was left
    return page


@pytest.fixture
def page(one_page, bounds):
    visits, _ = one_page
    pick(bounds, "view", "now")
    pick(bounds, "span", "all")
    pick(bounds, "lane", "0")
    choose(bounds, bounds_markup.FIRST)
    with visits.listening():
        yield bounds


def pick(page, what: str, value: str) -> None:
    page.locator(f"[name=bounds-{what}][value='{value}']").check(force=True)


def choose(page, rung: str) -> None:
    page.locator(f"[name=rung][value={rung}]").check(force=True)


def lane_of(page, k: int = 0) -> dict:
    return state(page)["meta"]["ladder"]["lanes"][k]


DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def number(text: str) -> float:
    """What a number on the page says."""
    found = re.fullmatch(r"(?:(\d)·)?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", text)
    return float(found[1] or 1) * 10.0 ** int(found[2].translate(DIGITS)) if found else float(text)


def map_of(page) -> np.ndarray:
    """The pixels of the map."""
    data = page.evaluate("document.querySelector('.rung-space canvas').toDataURL()").split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def rungs(page) -> list[dict]:
    return page.evaluate("""[...document.querySelectorAll('.rung[data-rung]')].map((row) => ({
        name: row.dataset.rung, kind: row.querySelector('.word').textContent,
        value: row.querySelector('.value').textContent,
        top: row.getBoundingClientRect().top, at: parseFloat(row.style.getPropertyValue('--at')),
        filled: getComputedStyle(row.querySelector('.sign')).backgroundColor !== 'rgba(0, 0, 0, 0)'}))""")


@pytest.mark.parametrize("k", [0, 1])
def test_the_rungs_stand_in_order_and_say_what_was_measured(page, k):
    pick(page, "lane", str(k))
    lane, rows = lane_of(page, k), rungs(page)
    assert [row["name"] for row in rows] == list(ladders.NAMES)
    assert [row["top"] for row in rows] == sorted(row["top"] for row in rows)
    for row in rows:
        value = np.exp(lane["log"][row["name"]])
        assert number(row["value"]) == pytest.approx(value, rel=0.06 if value < 1e4 else 0.5)
        certified = lane["certified"][row["name"]]
        assert row["kind"] == ("certified" if certified else "estimated")
        assert row["filled"] == certified  # and a sign that needs no colour
    on_axis = {row["name"]: row["at"] for row in rows}
    logs = lane["log"]
    steps = np.polyfit([logs[name] for name in on_axis], list(on_axis.values()), 1)
    np.testing.assert_allclose(np.polyval(steps, [logs[name] for name in on_axis]), list(on_axis.values()), atol=0.01)
    assert number(page.locator(".rung.penalty .value").inner_text()) == pytest.approx(lane["penalty"], rel=0.06)
    assert f"{lane['alpha']:g}" in page.locator(".bounds-when").inner_text()
    limit = page.locator(".bounds-legend").inner_text()
    assert number(limit.split(": ")[-1]) == pytest.approx(lane["w2"]["limit"], rel=0.06)
    line = page.locator(".rungs-lines b").evaluate("(line) => parseFloat(line.style.left)")
    assert line == pytest.approx(np.polyval(steps, np.log(lane["w2"]["limit"])), abs=0.05)


def test_the_map_shows_the_shares_of_the_rung_that_was_chosen(page):
    seen = {}
    for name in ("coupled", "flow_map", "one_sided", "coupled"):
        choose(page, name)
        shown = map_of(page)
        if name in seen:
            assert (shown == seen[name]).all()
        seen[name] = shown
        half = int(re.search(r"comes from (\d+) of 256", page.locator(".rung-half").inner_text())[1])
        shares = np.sort(page.evaluate(f"Array.from({BOUNDS}.sharesOf(0, '{name}'))"))[::-1]
        assert half == int((np.cumsum(shares) < 0.5).sum()) + 1
    names = list(seen)
    for k, name in enumerate(names):
        for other in names[k + 1 :]:
            assert (np.abs(seen[name] - seen[other]).max(-1) > 12).mean() > 0.01, (name, other)
    # dark where the shares are: the particles' weighted mean is where the ink's is
    x = np.array(page.evaluate(f"Array.from({BOUNDS}.pointsOf(0))")).reshape(-1, 2)
    shares = np.array(page.evaluate(f"Array.from({BOUNDS}.sharesOf(0, 'one_sided'))"))
    low, high = state(page)["meta"]["view"][:2]
    ink = np.clip(255 - seen["one_sided"][..., 0], 0, None) ** 2.0  # the ramp loses its red first
    across = np.linspace(low, high, ink.shape[1])
    assert (ink.sum(0) @ across) / ink.sum() == pytest.approx(float(shares @ x[:, 0]), abs=0.6)


def test_the_bars_are_the_shares_of_flow_time(page):
    for name in ("secant", "global_lipschitz"):
        choose(page, name)
        heights = page.evaluate(
            "[...document.querySelectorAll('.rung-time rect')].map((bar) => Number(bar.getAttribute('height')))"
        )
        times = np.array(lane_of(page)["times"][name])
        assert len(heights) == 8
        np.testing.assert_allclose(np.array(heights) / max(heights), times / times.max(), atol=0.02)


def test_a_rung_says_what_it_assumes_and_what_it_costs(page):
    for name, words in bounds_markup.RUNGS.items():
        choose(page, name)
        told = page.locator(".rung-told").inner_text()
        assert words.label in told
        assert words.formula in told
        assert words.assumes in told
        assert words.loses in told
        assert ("Certified." in told) == lane_of(page)["certified"][name]
        if words.beside:
            log = lane_of(page)["log"]
            factor = number(re.search(r"a factor of (\S+) on top", told)[1])
            assert factor == pytest.approx(np.exp(log[name] - log[words.beside]), rel=0.5)


def test_rungs_are_chosen_by_keyboard(page):
    page.locator("[name=rung][value=secant]").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#rung-title").inner_text() == bounds_markup.RUNGS["flow_map"].label
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.locator("#rung-title").inner_text() == bounds_markup.RUNGS["coupled"].label
    assert page.evaluate("document.activeElement.value") == "coupled"
    page.locator("[name=bounds-view][value=now]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".bounds-chart svg").is_visible()


def test_the_table_says_the_same(page):
    page.evaluate("document.querySelector('.bounds-table').open = true")
    rows = page.locator(".bounds-table tbody tr").all()
    for row, shown in zip(rows, rungs(page), strict=True):
        cells = row.locator("td").all_inner_texts()
        assert cells[:2] == [shown["value"], shown["kind"]]
    page.evaluate("document.querySelector('.bounds-table').open = false")


def test_tight_rungs_alone_fill_the_axis(page):
    whole = {row["name"]: row["at"] for row in rungs(page)}
    pick(page, "span", "tight")
    tight = {row["name"]: row["at"] for row in rungs(page)}
    assert tight["flow_map"] - tight["empirical"] > 3 * (whole["flow_map"] - whole["empirical"])
    assert page.locator(".rung.beyond").count() == 4


def test_the_ladders_so_far_are_a_curve(page):
    pick(page, "view", "training")
    assert page.locator(".bounds-chart").inner_text().count("The curves begin") == 1
    page.evaluate(f"{LAB}.line.press('step')")
    wait(page, f"{KNOWN} && meta.ladder.history.rounds.length === 2", 120)
    assert page.locator(".bounds-chart circle.chosen").count() == 2
    assert page.locator(".bounds-chart circle").count() == 2 * (len(ladders.NAMES) + 1)
    assert page.locator(".bounds-chart path.exact").count() == 1
    assert "round" in page.locator(".bounds-chart").inner_text()
    choose(page, "coupled")
    assert page.locator(".bounds-chart text.chosen").text_content() == "coupled cost"


PIECE = dict(said="", certified=dict.fromkeys(ladders.NAMES, True))


def test_limits_over_alpha_are_drawn_as_they_come(page):

    def piece(alpha: float) -> dict:
        log = {name: k - np.log(alpha) for k, name in enumerate(ladders.NAMES)}
        return PIECE | {"alpha": alpha, "log": log, "penalty": 1 / alpha, "w2": 2 / alpha}

    made = [piece(alpha) for alpha in (1.0, 10.0, 0.1)]
    made.append({"alpha": 0.01, "said": "no limit to show: it leaves the grid"})
    page.evaluate(
        f"""(made) => {{ const bounds = {BOUNDS}; bounds.kept = bounds.ask; bounds.asked = [];
        bounds.ask = async (question) => {{ bounds.asked.push(question); const from = question.from;
            return {{pieces: made.slice(from, from + 1), done: from + 1 >= made.length, of: made.length}}; }}; }}""",
        made,
    )
    choose(page, "coupled")
    pick(page, "view", "alpha")
    page.wait_for_function(f"{BOUNDS}.limits.done")
    asked = page.evaluate(f"{BOUNDS}.asked")
    assert [question["from"] for question in asked] == [0, 1, 2, 3]
    assert asked[0] == {
        "what": "ladder", "target": "eight_gaussians", "reward": "right", "weighting": "exp", "tau": 1, "from": 0,
    }  # fmt: skip
    page.wait_for_function("document.querySelectorAll('.bounds-chart circle.chosen').length === 3")
    places = page.evaluate("""[...document.querySelectorAll('.bounds-chart circle.chosen')].map(
        (dot) => [Number(dot.getAttribute('cx')), Number(dot.getAttribute('cy'))])""")
    x, y = np.array(places).T
    assert x[0] < x[1] < x[2]  # by alpha, whatever came first
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.5)  # a logarithmic axis
    assert y[0] < y[1] < y[2]  # a smaller alpha has the larger bound, which is higher up
    assert "α = 0.01: no limit to show: it leaves the grid." in page.locator(".bounds-when").inner_text()
    assert page.locator(".bounds-chart .learned").count() == 2  # the two lanes' own
    page.evaluate(
        f"{BOUNDS}.ask = {BOUNDS}.kept; {BOUNDS}.limits = {{key: '', pieces: [], done: false, error: '', of: 0}}"
    )


def test_the_server_works_limits_out_one_after_the_other(page):
    pick(page, "view", "alpha")
    page.wait_for_function(f"{BOUNDS}.limits.pieces.length > 0", timeout=180_000)
    piece = page.evaluate(f"{BOUNDS}.limits.pieces[0]")
    assert piece["alpha"] == ladders.ALPHAS[0]
    assert piece["log"]["coupled"] <= piece["log"]["flow_map"] <= piece["log"]["one_sided"]
    assert page.locator(".bounds-chart circle").count() >= len(ladders.NAMES)
    pick(page, "view", "now")


def test_at_rest_in_round_0_it_is_said_that_there_is_nothing_to_bound(visit):
    page = visit(query="bounds", running=False)
    wait(page, "meta.ladder")
    assert HALF in page.locator(".bounds-when").inner_text()
    assert {row["value"] for row in rungs(page)} == {"–"}
    assert not page.locator(".rung-where").is_visible()


def test_the_live_lab_measures_no_ladder(visit):
    assert "ladder" not in state(visit())["meta"]


@pytest.mark.parametrize("move", range(4))
def test_every_move_is_a_whole_state(visit, move):
    page = visit(query="bounds", running=False)
    wait(page, "meta.run !== 'first'")
    button = page.locator("[data-attempt]").nth(move)
    button.click()
    about = page.evaluate("(k) => JSON.parse(document.querySelectorAll('[data-attempt]')[k].dataset.attempt)", move)
    lanes = 1 + len(about["scene"].get("others", []))
    wait(page, f"meta.lanes.length === {lanes} && meta.alpha === {about['scene']['alpha']} && meta.round > 1")
    assert page.locator(".attempted").inner_text() == about["say"]
    assert page.locator("[data-pick=lane]").is_visible() == (lanes > 1)


OUTSIDE = """(width) => [...document.querySelectorAll('.bounds *')].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width > 1 && (box.left < -1 || box.right > width + 1);
}).map((part) => part.className)"""
CUT = """() => [...document.querySelectorAll('.bounds svg')].flatMap((svg) => {
    const outer = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.left < outer.left - 1 || box.right > outer.right + 1;
    }).map((text) => text.textContent);
})"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_fingers_find_what_they_press(visit, width):
    page = visit(width=width, height=WIDTHS[width], query="bounds", has_touch=width < 500)
    wait(page, KNOWN, 120)
    for view in ("now", "training", "alpha"):
        pick(page, "view", view)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        out = page.evaluate(OUTSIDE, width)
        assert out == []
        assert page.evaluate(CUT) == []
        if width < 500:
            heights = page.evaluate("""[...document.querySelectorAll('.bounds label, .bounds summary')]
                .map((part) => part.getBoundingClientRect().height).filter((height) => height > 0)""")
            assert min(heights) >= 44


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(visit, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(query="bounds", dark=dark)
    wait(page, KNOWN, 120)
    page.locator("#toggle").click()
    page.evaluate("document.querySelector('.bounds-table').open = true")
    for view in ("now", "training"):
        pick(page, "view", view)
        found = [
            (rule["id"], node["target"], node["html"][:150])
            for rule in Axe().run(page).response["violations"]
            for node in rule["nodes"]
        ]
        assert found == []
