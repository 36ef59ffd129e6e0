"""The Pocket lab in a browser: from a disk, with the network cut."""

import json

import lab
import pytest

from orwlab import oracle, rewards, targets
from orwlab.show.lab.cell import cell
from orwlab.show.lab.story import Story
from orwlab.show.web import pocket_page

pytestmark = pytest.mark.browser
LARGEST = 1_000_000  # bytes
QUICK = 0.25  # seconds from a moved control to its picture; on an idle machine a fifth of that


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pocket") / "pocket.html"
    path.write_text(pocket_page.page(), encoding="utf-8")
    assert path.stat().st_size < LARGEST
    return path.as_uri()


@pytest.fixture
def opened(browser, file):
    """``opened(link, width, height, **options)``: the page, which may log no error and ask for nothing."""
    complaints, contexts = [], []

    def open(link="", width=1280, height=720, script="", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.add_init_script(script)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda one: None if one.url.startswith(("file:", "data:", "blob:")) else complaints.append(one.url),
        )
        page.goto(file + link)
        lab.wait(page, "counters.painted > 0")
        return page

    yield open
    for context in contexts:
        context.close()
    assert complaints == []


def test_it_plays_without_a_network_and_its_link_opens_as_it_was(opened):
    page = opened()
    lab.press(page, "toggle")
    lab.wait(page, "round >= 5")
    lab.press(page, "toggle")
    lab.wait(page, "meta.state === 'paused'")
    lab.enter(page, "alpha", "0.3")
    lab.wait(page, "meta.alpha === 0.3")

    def rests():  # while it is paused the exact densities follow a moved control until they are there
        before = lab.round_of(page)
        page.wait_for_timeout(500)
        return lab.round_of(page) == before

    assert lab.eventually(rests, 20)
    link, seen = page.evaluate("document.querySelector('.lab').lab.memory.hash()"), lab.state(page)["meta"]
    assert "mode=exact" in link
    again = opened(link)
    lab.wait(again, f"round === {seen['lanes'][0]['round']} && !meta.replaying")
    found = lab.state(again)["meta"]
    assert [curve["values"] for curve in found["curves"]] == [curve["values"] for curve in seen["curves"]]


def test_its_numbers_are_those_of_the_app(opened):
    def after_four_rounds(alpha):
        dynamics = oracle.PopulationDynamics(
            targets.get("eight_gaussians"), rewards.get("right"), tau=2.0, alpha=alpha, axis=64
        )
        for _ in range(4):
            dynamics.step()
        return dynamics.mean_reward

    page = opened("#alpha=0.3&tau=2&others=1&mode=exact&round=4")
    lab.wait(page, "round === 4 && !meta.replaying && counters.painted > 1")
    exact = [after_four_rounds(alpha) for alpha in (0.3, 1.0)]
    assert [lab.reward(page, k) for k in range(2)] == pytest.approx(exact, abs=0.006)


def test_a_drag_is_on_the_screen_at_once(opened):
    page = opened()
    took = page.evaluate(
        """async () => {
            const { stage } = document.querySelector('.orw-stage'), range = document.querySelector('#alpha .range');
            const took = [];
            for (const place of [20, 30, 10, 25]) {
                const begun = performance.now(), before = stage.meta.alpha;
                range.value = place;
                range.dispatchEvent(new Event('input', { bubbles: true }));
                while (stage.meta.alpha === before) await new Promise(requestAnimationFrame);
                took.push(performance.now() - begun);
            }
            return took.sort((a, b) => a - b);
        }"""
    )
    assert took[1] < 1000 * QUICK, took


def test_what_somebody_paints_or_types_is_taken(opened):
    page = opened()
    lab.choose(page, "reward", "+formula")
    page.locator("#own-formula-box").fill("x + y")
    page.locator("#own-formula-box").press("Enter")
    lab.wait(page, "stage.story.includes('formula:x + y')")
    page.locator("#own-formula-box").fill("x +")
    page.locator("#own-formula-box").press("Enter")
    page.wait_for_function("document.querySelector('#own-formula-wrong').textContent.length > 0")


def test_a_link_that_needs_networks_says_so_and_stays_what_it_was(opened):
    page = opened("#alpha=0.3&mode=both&lr=0.003&round=2")
    lab.wait(page, "round === 2 && !meta.replaying")
    assert "need the app" in page.locator(".pocket-says").inner_text()
    link = page.evaluate("document.querySelector('.lab').lab.memory.hash()")
    assert {"alpha=0.3", "mode=both", "lr=0.003"} <= {*link.removeprefix("#").split("&")}
    assert not page.locator("#mode").is_visible()
    page.keyboard.press("e")
    assert page.evaluate("document.querySelector('.lab').lab.controls.mode.value") == "both"


def test_keys_and_a_phone(opened):
    page = opened(width=360, height=740, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.documentElement.className") == "dark"
    page.keyboard.press("s")
    lab.wait(page, "round === 1")
    page.keyboard.press("r")
    lab.wait(page, "round === 0")


def test_without_workers_the_page_computes_itself(opened):
    page = opened(script="delete window.Worker;")
    lab.press(page, "step")
    lab.wait(page, "round === 1")


def test_a_cell_and_a_replay_are_made_here(opened):
    page = opened("#alpha=0.3&mode=exact&round=3")
    lab.wait(page, "round === 3 && !meta.replaying")
    ask = "question => document.querySelector('.lab').lab.keeping.answer({...question, ...(question.what === 'cell' && "
    ask += "{story: document.querySelector('.lab').lab.keeping.story()})})"
    text = page.evaluate(ask, {"what": "cell"})["text"]
    given = next(line for line in text.splitlines() if line.startswith("text = "))
    literal = given[given.index("json.loads(") + len("json.loads(") : given.index("))")]
    story = Story.read(json.loads(json.loads(literal)))
    assert story.round == 3
    assert "0.3" in cell(story, "exact")
    compile(text, "cell", "exec")
    made = page.evaluate(ask, {"what": "replay", "title": "<b>", "note": "n", "revealed": True})
    from orwlab.show.stage import replay

    assert made["text"] == replay.shell("<b>", "n", True)
    assert made["place"] == replay.PLACE
