"""The Pocket lab in a browser: from a disk, with the network cut."""

import json

import lab
import numpy as np
import pytest
from test_live_lab_own import TABLE, ground, offer, paint

from orwlab import oracle, rewards, targets
from orwlab.show.lab import points
from orwlab.show.lab.cell import cell
from orwlab.show.lab.story import Story
from orwlab.show.pocket import tables
from orwlab.show.stage import replay
from orwlab.show.stage.frames import decode
from orwlab.show.web import pocket_page

pytestmark = pytest.mark.browser
LARGEST = 1_000_000  # bytes
ARRIVED = "meta.state === 'paused' && !meta.replaying && meta.run !== 'first'"
HASH = "document.querySelector('.lab').lab.memory.hash()"
WORKERS = """window.workers = [];
window.Worker = class extends Worker { constructor(...given) { super(...given); window.workers.push(this); } };"""
BARE = "&samples=0&ghost=0&contours=0&modes=0"
# what is painted at a place of the first plot, [r, g, b]
COLOUR = """([u, v]) => { const { layout, camera, picture, canvas } = document.querySelector('.orw-stage').stage;
    const { x, y, w, h } = layout.plots[0], [x0, x1, y0, y1] = camera.now, r = picture.ratio;
    const left = Math.round((x + (u - x0) / (x1 - x0) * w) * r), top = Math.round((y + (y1 - v) / (y1 - y0) * h) * r);
    return Array.from(canvas.getContext('2d').getImageData(left, top, 1, 1).data.slice(0, 3)); }"""
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
        page.set_default_timeout(60_000)
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


def rests(page):
    """While it is paused the exact densities follow a moved control until they are there."""
    before = lab.round_of(page)
    page.wait_for_timeout(500)
    return lab.round_of(page) == before


def test_it_plays_without_a_network_and_its_link_opens_as_it_was(opened):
    page = opened()
    lab.press(page, "toggle")
    lab.wait(page, "round >= 5")
    lab.press(page, "toggle")
    lab.wait(page, "meta.state === 'paused'")
    lab.enter(page, "alpha", "0.3")
    lab.wait(page, "meta.alpha === 0.3")
    assert lab.eventually(lambda: rests(page), 20)
    lab.wait(page, "meta.lanes[0].limit.state === 'there'")
    link, seen = page.evaluate(HASH), lab.state(page)["meta"]
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


def test_paused_it_says_that_a_moved_control_is_followed_and_the_address_keeps_up(opened):
    page = opened("#mode=exact&alpha=0.3")
    lab.press(page, "step")
    lab.wait(page, "round === 1")
    badge = page.locator(".orw-badge").first
    assert badge.inner_text() == "paused"
    lab.enter(page, "tau", "3")
    # the address is asked for in the same moment: what is written at rest would be too late for a reload
    page.wait_for_function(
        "() => { const { stage } = document.querySelector('.orw-stage'), shown = document.querySelector('.orw-badge');"
        " return stage.meta.settling && shown.textContent === 'settling' && location.hash.includes('tau'); }",
    )
    lab.wait(page, "!meta.settling")
    assert lab.eventually(lambda: badge.inner_text() == "paused")
    assert lab.round_of(page) > 5
    assert rests(page)


def test_what_somebody_paints_or_types_is_taken(opened):
    page = opened()
    lab.choose(page, "reward", "+formula")
    page.locator("#own-formula-box").fill("x + y")
    page.locator("#own-formula-box").press("Enter")
    lab.wait(page, "stage.story.includes('formula:x + y')")
    page.locator("#own-formula-box").fill("x +")
    page.locator("#own-formula-box").press("Enter")
    page.wait_for_function("document.querySelector('#own-formula-wrong').textContent.length > 0")


def test_a_painted_target_is_drawn_from_and_a_painted_reward_is_paid(opened):
    page = opened("#reward=plane&mode=exact")
    scattered = lab.state(page)["positions"]
    assert np.hypot(*(scattered - [2, 2]).T).max() > 4
    offer(page, "target", "paint")
    paint(page, (2, 2), (2.2, 2))
    lab.wait(page, "stage.story.includes('target\":\"paint:') && meta.run !== 'first'")

    def gathered():
        return np.hypot(*(lab.state(page)["positions"] - [2.1, 2]).T).max() < 2

    assert lab.eventually(gathered)
    page.keyboard.press("Escape")
    before = lab.reward(page)
    offer(page, "reward", "paint")
    paint(page, (2, 2), (2.2, 2))
    assert ground(page, 2.1, 2)[3] > 100
    assert ground(page, -3, 0)[3] == 0
    lab.wait(page, "stage.story.includes('reward\":\"paint:')")
    assert lab.eventually(lambda: lab.reward(page) > 0.3)  # where the samples are, it pays
    assert lab.reward(page) != before


def test_pasted_points_are_read_here_and_used(opened):
    page = opened()
    offer(page, "target", "points")
    assert "sent" not in page.locator("#own-points").inner_text()
    page.locator("#own-points textarea").fill("x,y\n1,2\n")
    alert = page.locator("#own-points [role=alert]")
    assert lab.eventually(lambda: alert.text_content().startswith("There is only one point"))
    page.locator("#own-points textarea").fill(TABLE)
    page.locator("#own-points [data-use]:enabled").wait_for()
    found = points.parse(TABLE)
    assert page.locator("#own-points .own-report li").all_text_contents() == list(found.report)
    page.locator("#own-points [data-use]").click()
    assert lab.eventually(lambda: lab.in_force(page, "target") == points.write(points.sketch(found.data)))
    lab.press(page, "step")
    lab.wait(page, "round === 1")


def test_wanted_digits_are_not_offered_and_a_link_to_them_is_kept_with_a_sentence(opened):
    link = "#target=digits_latent&reward=digits:02468&mode=exact"
    page = opened(link)
    assert (
        page.locator("option[value^='digits:'], option[value='+digits'], option[value^='judge:']").count() <= 1
    )  # its own
    assert lab.eventually(lambda: "judged by a network" in page.locator(".notice").inner_text())
    assert page.evaluate(HASH) == link


def test_a_small_network_learns_beside_the_exact_limit(opened):
    link = "#mode=both&lr=0.003&steps_per_round=4&speed=0"
    page = opened(link)
    lab.wait(page, "meta.mode === 'both' && meta.run !== 'first'")
    first = lab.state(page)
    reward = lab.reward(page)
    lab.press(page, "toggle")
    lab.wait(page, "round >= 20 && meta.lanes[0].limit.state === 'there'", 120)
    lab.wait(page, "meta.curves[0].exact[0].label.startsWith('exact limit')")
    assert lab.eventually(lambda: lab.reward(page) > reward + 0.05, 60)
    moved = np.abs(lab.state(page)["positions"] - first["positions"])
    assert np.median(moved) > 0.1
    assert page.evaluate("document.querySelector('.orw-stage').stage.frame.parts?.exact !== ''")
    page.evaluate(
        """async () => {
            const range = document.querySelector('#alpha .range');
            for (let place = 20; place < 40; place += 2) {
                range.value = place;
                range.dispatchEvent(new Event('input', { bubbles: true }));
                await new Promise((done) => setTimeout(done, 30));
            }
        }"""
    )
    wanted = page.evaluate("document.querySelector('.lab').lab.controls.alpha.value")
    lab.wait(page, f"meta.alpha === {wanted}")
    here = lab.round_of(page)
    lab.wait(page, f"round > {here} && meta.state === 'running'")
    assert page.locator(".pocket-says").inner_text() == ""
    assert page.locator("#steps_per_round").evaluate("one => getComputedStyle(one).display") != "none"
    assert "mode=both" in page.evaluate(HASH)
    page.keyboard.press("e")
    lab.wait(page, "meta.mode === 'exact'")
    assert page.locator("#steps_per_round").evaluate("one => getComputedStyle(one).display") == "none"


def test_a_link_that_needs_the_app_says_so_and_stays_what_it_was(opened):
    page = opened("#alpha=0.3&mode=both&coupling=ot&lr=0.003&round=2")
    lab.wait(page, "round === 2 && !meta.replaying")
    assert page.locator(".pocket-says").inner_text() == tables.NETWORKS
    link = page.evaluate(HASH)
    assert {"alpha=0.3", "mode=both", "coupling=ot", "lr=0.003"} <= {*link.removeprefix("#").split("&")}


def test_a_phone_shows_the_exact_answer_and_says_so(opened):
    page = opened("#mode=both", width=360, height=740, screen={"width": 360, "height": 740})
    lab.wait(page, "meta.mode === 'exact' && meta.run !== 'first'")
    assert page.locator(".pocket-says").inner_text() == tables.WITHOUT["phone"]
    page.locator("#mode input[value=exact]").check(force=True)
    assert lab.eventually(lambda: page.locator(".pocket-says").inner_text() == "")


@pytest.mark.parametrize("dark", [False, True])
def test_one_sees_what_is_paid_for_and_the_mass_that_goes_there(opened, dark):
    page = opened(f"#alpha=0.1&tau=2&mode=exact&round=4{BARE}", color_scheme="dark" if dark else "light")
    lab.wait(page, f"round === 4 && {ARRIVED} && stage.motion.x.done && stage.camera.settled")
    low, high = page.evaluate("document.querySelector('.orw-stage').stage.theme.reward")
    np.testing.assert_allclose(page.evaluate(COLOUR, [-4.6, 4.6]), low, atol=6)  # the reward grows to the right
    np.testing.assert_allclose(page.evaluate(COLOUR, [4.6, 4.6]), high, atol=6)
    red, _, blue = page.evaluate(COLOUR, [3.0, 0.0])  # in the middle of the mode that is paid best
    assert red > blue + 20
    assert high[0] < high[2] - 20  # the ground alone is violet there
    told = page.locator(".orw-legend").inner_text()
    assert "the exact density in this round" in told
    assert "reward −0.96" in told


def test_a_sample_is_pointed_at_and_its_way_from_the_noise_is_shown(opened):
    page = opened("#alpha=0.3&tau=2&round=3")
    lab.wait(page, f"round === 3 && {ARRIVED} && stage.motion.x.done")
    place = page.evaluate(
        """() => { const stage = document.querySelector('.orw-stage').stage, { x, y, w, h } = stage.layout.plots[0];
            const [x0, x1, y0, y1] = stage.camera.now, [u, v] = stage.positions;
            const { left, top } = stage.canvas.getBoundingClientRect();
            return [left + x + (u - x0) / (x1 - x0) * w, top + y + (y1 - v) / (y1 - y0) * h]; }"""
    )
    page.mouse.move(*place)
    lab.wait(page, "meta.traced !== null && meta.traced === stage.tracing.wanted")
    assert page.evaluate("document.querySelector('.orw-stage').stage.arrays.trace.shape.join()") == "1,25,2"
    assert "one sample: from its noise" in page.locator(".orw-legend").inner_text()


def test_keys_and_a_phone(opened):
    page = opened(width=360, height=740, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.documentElement.className") == "dark phone"
    assert not page.locator(".lab-head .trains").is_visible()
    page.keyboard.press("s")
    lab.wait(page, "round === 1")
    page.keyboard.press("r")
    lab.wait(page, "round === 0")


def test_ticks_of_sliders_never_touch_and_all_are_there_where_there_is_room(opened):
    page = opened("#alpha=1&others=3&mode=both", width=1280)
    lab.unfold(page)
    assert lab.eventually(lambda: len(lab.ticks(page)) >= 6)
    assert all(len(one["words"]) == one["of"] for one in lab.ticks(page))
    for width in (360, 320, 560, 768, 901, 1920):
        page.set_viewport_size({"width": width, "height": 740})
        assert lab.eventually(lambda: all(one["gap"] >= 7.9 for one in lab.ticks(page)), 3), (width, lab.ticks(page))
        alpha = lab.ticks(page)[0]["words"]
        assert alpha[0] == "0"
        assert len(alpha) >= 2, "it says where it begins and at least one more"
    page.set_viewport_size({"width": 1280, "height": 740})
    assert lab.eventually(lambda: all(len(one["words"]) == one["of"] for one in lab.ticks(page)), 3)


SLOW = """window.Worker = class extends Worker {
    postMessage(data) { this.held ??= []; this.held.push(data); Worker.last = this; }
    go() {
        this.postMessage = super.postMessage;
        for (const data of this.held) this.postMessage(data);
    }
};"""
PLACES = """['.lab-stage', '.lab-try', '.frontier'].map(name => document.querySelector(name).getBoundingClientRect())
    .flatMap(({ top, bottom }) => [top, bottom])"""


@pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024), (1280, 720), (1920, 1080)])
def test_until_the_first_picture_is_there_the_page_says_so_and_then_nothing_moves(browser, file, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    bare, page = context.new_page(), context.new_page()
    whole = pocket_page.page()
    bare.set_content(
        whole[: whole.index('<script type="application/json" id="pocket">')]
    )  # before its scripts have come
    says = "Working out the first picture …"
    assert bare.get_by_text(says).is_visible()
    page.add_init_script(SLOW)
    page.goto(file)
    page.locator(".orw-stage canvas").first.wait_for()
    assert page.get_by_text(says).is_visible()
    waiting = page.evaluate(PLACES)
    assert bare.evaluate(PLACES) == pytest.approx(waiting, abs=10)
    then = page.evaluate(f"""() => new Promise((tell) => {{
        const says = document.querySelector('.pocket-first');
        const watch = new MutationObserver(() => {{ if (!says.isConnected) tell({PLACES}); }});
        watch.observe(says.parentElement, {{ childList: true }});
        Worker.last.go();
    }})""")
    assert page.evaluate("document.querySelector('.orw-stage').stage.counters.painted > 0")
    assert then == pytest.approx(waiting, abs=4)
    context.close()


def test_without_javascript_it_says_what_it_needs(opened, browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file)
    assert page.locator("noscript p").is_visible()
    assert "needs a browser with JavaScript" in page.locator("noscript p").inner_text()
    assert not page.get_by_text("Working out the first picture").is_visible()
    context.close()


def test_without_workers_the_page_computes_itself(opened):
    page = opened(script="delete window.Worker;")
    lab.press(page, "step")
    lab.wait(page, "round === 1")


def test_a_cell_and_a_replay_are_made_here(opened):
    page = opened("#alpha=0.3&mode=exact&round=3")
    lab.wait(page, "round === 3 && !meta.replaying")
    ask = "question => document.querySelector('.lab').lab.keeping.answer({...question, ...(question.what === 'cell' && "
    ask += "{story: document.querySelector('.lab').lab.keeping.story()})})"
    text = page.evaluate(ask, {"what": "cell", "mode": "exact"})["text"]
    refused = page.evaluate(f"question => ({ask})(question).catch(String)", {"what": "cell", "mode": "both"})
    assert "choose “Exact”" in refused, "the page's network is not Python's"
    given = next(line for line in text.splitlines() if line.startswith("text = "))
    literal = given[given.index("json.loads(") + len("json.loads(") : given.index("))")]
    story = Story.read(json.loads(json.loads(literal)))
    assert story.round == 3
    assert "0.3" in cell(story, "exact")
    compile(text, "cell", "exec")
    made = page.evaluate(ask, {"what": "replay", "title": "<b>", "note": "n", "revealed": True})
    assert made["text"] == replay.shell("<b>", "n", True)
    assert made["place"] == replay.PLACE


def test_a_cell_runs_and_prints_the_numbers_of_the_page(opened, capsys):
    page = opened("#alpha=0.3&mode=exact&round=3")
    lab.wait(page, "round === 3 && !meta.replaying")
    text = page.evaluate(
        """() => { const { keeping } = document.querySelector('.lab').lab;
            return keeping.answer({ what: 'cell', mode: 'exact', story: keeping.story() }); }"""
    )["text"]
    exec(text, {})
    printed = capsys.readouterr().out
    reward = lab.state(page)["meta"]["curves"][0]["values"][0]
    assert f"reward {reward}" in printed.replace("mean ", ""), printed[-500:]


def test_a_worker_that_dies_is_begun_anew_and_the_story_is_kept(opened):
    page = opened(script=WORKERS)
    lab.press(page, "toggle")
    lab.wait(page, "round >= 5")
    lab.enter(page, "alpha", "0.3")
    lab.wait(page, "meta.alpha === 0.3")
    lab.press(page, "toggle")
    lab.wait(page, "meta.state === 'paused'")
    assert lab.eventually(lambda: rests(page), 20)
    link, round = page.evaluate(HASH), lab.round_of(page)
    page.evaluate("workers[0].onerror({ message: 'out of memory' })")
    assert page.locator(".notice").inner_text() == "The part of this page that computes has stopped. " + (
        "Your settings are kept; it begins again."
    )
    lab.wait(page, f"meta.run === 'pocket-2' && round >= {round} && meta.alpha === 0.3 && {ARRIVED}")
    assert page.evaluate("workers.length") == 2
    assert page.evaluate(HASH) == link
    assert lab.eventually(lambda: not page.locator(".notice").is_visible())
    lab.press(page, "step")
    lab.wait(page, f"round >= {round + 1}")


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(opened, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = opened("#others=1&mode=exact", color_scheme="dark" if dark else "light")
    lab.unfold(page)
    page.evaluate("document.querySelectorAll('main details').forEach(part => { part.open = true; })")
    offer(page, "target", "points")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], node["html"][:120]) for rule in found for node in rule["nodes"]] == []


# What the reward could buy --------------------------------------------------------------------------------------------

LANES = "[...document.querySelectorAll('.frontier-lanes li')].map(item => item.textContent)"
DOTS = "[...document.querySelectorAll('.frontier-chart .now')].map(dot => [dot.cx.baseVal.value, dot.cy.baseVal.value])"


def unfolded(page):
    page.locator(".frontier > summary").click()
    page.wait_for_function(f"{LANES}.length > 0 && !document.querySelector('.frontier-state').textContent")


def test_the_best_that_rewards_could_buy_is_shown_and_the_dots_move_with_the_run(opened):
    page = opened("#alpha=1&others=3&mode=exact")
    unfolded(page)
    before, told = page.evaluate(DOTS), page.locator(".frontier-chart svg").get_attribute("aria-label")
    assert len(before) == 2
    assert "frontier rises from" in told
    for _ in range(3):
        lab.press(page, "step")
    lab.wait(page, "round === 3")
    page.wait_for_function(f"{LANES}.every(text => text.includes('round 3'))")
    after = page.evaluate(DOTS)
    assert all(x > x0 + 5 and y < y0 - 5 for (x0, y0), (x, y) in zip(before, after, strict=True)), "right and up"
    reward = page.evaluate(LANES)[0].split("reward ")[1].split(" ")[0]
    assert reward == lab.state(page)["meta"]["curves"][0]["values"][0]
    # under the curve, as read off by a slider that has keys
    slider = page.locator(".frontier-slide input")
    slider.focus()
    slider.press("End")
    assert "at most" in page.locator(".frontier-read").inner_text()
    assert slider.get_attribute("aria-valuetext").startswith("KL")


def test_the_panel_measures_w2_and_the_coupled_cost_at_rest(opened):
    page = opened("#alpha=1&others=3&mode=exact&round=4", width=360, height=740)
    lab.wait(page, "round === 4 && !meta.replaying")
    unfolded(page)
    page.locator(".frontier [value=w2]").check()
    page.wait_for_function(f"{LANES}.length === 2 && {LANES}.every(text => text.includes('≤'))")
    for text in page.evaluate(LANES):
        paired, coupled = (float(part.split()[0]) for part in text.split("best pairing W₂² ")[1].split("≤"))
        assert 0 < paired <= coupled
        assert f"The dot's {text.split('W₂² ')[1].split(';')[0]} is of other points." in text
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_dot_that_was_measured_some_rounds_ago_is_pale_until_it_is_renewed(opened):
    page = opened("#alpha=1&mode=exact")
    unfolded(page)
    pale = ".frontier-chart .now.old"
    lab.press(page, "toggle")
    lab.wait(page, "round >= 2")
    assert page.locator(pale).count() == 0, "the KL is that of every round"
    assert not page.locator(".key-old").is_visible()
    page.locator(".frontier [value=w2]").check()
    page.wait_for_function(f"document.querySelector('{pale}') && {LANES}[0].includes('as measured in round ')")
    assert page.locator(".key-old").is_visible()
    lab.press(page, "toggle")
    page.wait_for_function(f"!document.querySelector('{pale}') && {LANES}[0].includes(', round ')")


def test_folded_it_asks_for_nothing(opened):
    page = opened(
        script=WORKERS.replace(
            "super(...given);",
            "super(...given); const post = this.postMessage; window.calls = [];"
            " this.postMessage = (data) => { calls.push(data.call); post.call(this, data); };",
        )
    )
    lab.press(page, "step")
    lab.wait(page, "round === 1")
    assert "frontier" not in page.evaluate("calls")
    unfolded(page)
    assert "frontier" in page.evaluate("calls")


# On a line -----------------------------------------------------------------------------------------------------------

MOVED = """([name, value]) => {
    const input = document.querySelector(`.line-lab [name=${name}]`);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
}"""
NUMBERS = (
    "[...document.querySelectorAll('.line-lab tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
)
SETTLED = "document.querySelector('.line-says').textContent.includes('The limit has reward')"


def on_a_line(opened, **options):
    page = opened(**options)
    page.locator(".line-lab > summary").click()
    page.wait_for_function(SETTLED)
    return page


def curve(page, name):
    return page.locator(f"[data-curve={name}]").get_attribute("d")


def test_on_a_line_a_dragged_alpha_moves_the_density_and_the_limit_is_the_oracles(opened):
    page = on_a_line(opened)
    before, picture = curve(page, "q"), page.locator(".line-plot").screenshot()
    page.evaluate(MOVED, ["alpha", "-0.3"])
    page.wait_for_function(f"{SETTLED} && {NUMBERS}[4][1] > '0.35'")
    assert curve(page, "q") != before
    assert page.locator(".line-plot").screenshot() != picture
    state = oracle.PopulationDynamics(targets.get("two_modes_1d"), rewards.get("plane"), tau=1.0, alpha=0.5, axis=128)
    state.fixed_point(1e-5)
    assert [float(text) for text in page.evaluate(NUMBERS)[4][1:3]] == pytest.approx(
        [state.mean_reward, state.kl], abs=1e-3
    )
    assert "α = 0.5" in page.locator(".line-formula").inner_text()


def test_on_a_line_words_are_true_at_the_ends(opened):
    page = on_a_line(opened)
    says = page.locator(".line-says")
    assert says.inner_text().endswith("It is neither.")
    page.evaluate(MOVED, ["tau", "0"])
    page.wait_for_function(f"{SETTLED} && {NUMBERS}[4][2] === '0.000'")
    assert not says.inner_text().endswith("It is neither."), "the reference is both"
    assert page.evaluate(NUMBERS)[2][1] == page.evaluate(NUMBERS)[0][1], "for nothing nothing is to be had"
    for name in ("W2 weight α", "Rounds", "Inverse temperature τ"):
        assert page.locator(".line-lab").get_by_role("slider", name=name).count() == 1


def test_what_was_before_a_link_is_not_in_its_replay(opened):
    page = opened("#mode=both&alpha=0.3&round=4")
    lab.wait(page, "round === 4 && !meta.replaying", 120)
    kept = page.evaluate("document.querySelector('.lab').lab.recorder.entries.map(({ frame }) => frame)")
    assert {(meta["alpha"], meta["mode"]) for meta, _ in map(decode, kept)} == {(0.3, "both")}


def test_on_a_line_rounds_play_and_a_target_is_drawn_by_hand(opened):
    page = on_a_line(opened, width=360, height=740)
    page.locator(".line-play").click()
    page.wait_for_function(f"{NUMBERS}[3][0] === 'after round 5'")
    page.locator(".line-play").click()
    page.locator(".line-lab [name=target]").select_option("own")
    page.wait_for_function(SETTLED)
    before = curve(page, "p")
    plot = page.locator(".line-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    x = [box["x"] + share * box["width"] for share in (0.45, 0.6)]
    page.mouse.move(x[0], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(x[1], box["y"] + 40, steps=6)
    page.mouse.up()
    assert lab.eventually(lambda: curve(page, "p") != before)
    page.wait_for_function(SETTLED)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_a_line_a_target_is_drawn_by_keys_and_said(opened):
    page = on_a_line(opened)
    handle = page.get_by_role("slider", name="The reference's curve")
    assert handle.count() == 0, "only where one draws"
    page.locator(".line-lab [name=target]").select_option("own")
    page.wait_for_function(f"{SETTLED} && {NUMBERS}[0][0] === 'reference, as you drew it'")
    before, alpha = float(page.evaluate(NUMBERS)[0][1]), lab.typed(page, "alpha")
    page.locator(".line-lab > summary").focus()
    page.keyboard.press("Tab")
    assert handle.evaluate("one => one === document.activeElement && getComputedStyle(one).boxShadow !== 'none'")
    for _ in range(9):
        page.keyboard.press("Shift+ArrowRight")
    assert handle.get_attribute("aria-valuetext") == "x = 4.6: height 0 of 100"
    page.keyboard.press("Shift+ArrowLeft")
    for key in ("Shift+ArrowUp", "Shift+ArrowUp", "ArrowUp", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert handle.get_attribute("aria-valuetext") == "x = 3.6: height 55 of 100"
    assert handle.get_attribute("aria-valuenow") == "55"
    page.wait_for_function(f"{SETTLED} && Number({NUMBERS}[0][1].replace('−', '-')) > {before + 0.05}")
    ring, plot = handle.bounding_box(), page.locator(".line-plot").bounding_box()
    along = (ring["x"] + ring["width"] / 2 - plot["x"] - 50) / (plot["width"] - 62)
    assert along == pytest.approx((3.62 / 5 + 1) / 2, abs=0.01), "it stands on the curve"
    for _ in range(55):  # from right to left, until nothing would be left
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    assert page.evaluate(SETTLED), "no density is nothing: the last of it stays"
    assert lab.typed(page, "alpha") == alpha, "the arrows were meant for the curve alone"


# Beside the app ------------------------------------------------------------------------------------------------------


def numbers(page):
    return [curve["values"] for curve in lab.state(page)["meta"]["curves"]]


def test_links_lead_from_the_app_and_back_with_the_same_numbers(visit, opened):
    app = visit(running=False, query="#alpha=0.3&tau=2&others=1&mode=exact&round=6")
    lab.wait(app, f"round === 6 && {ARRIVED}")
    pocket = opened(app.evaluate(HASH))
    lab.wait(pocket, f"round === 6 && {ARRIVED}")
    assert lab.eventually(lambda: numbers(app) == numbers(pocket)), (numbers(app), numbers(pocket))
    lab.enter(pocket, "tau", "1")
    lab.press(pocket, "step")
    lab.wait(pocket, "round >= 7")
    lab.wait(pocket, f"meta.tau === 1 && {ARRIVED}")
    assert lab.eventually(lambda: rests(pocket), 20)
    back = visit(running=False, query=pocket.evaluate(HASH))
    lab.wait(back, f"round === {lab.round_of(pocket)} && {ARRIVED}", 120)
    assert lab.eventually(lambda: numbers(back) == numbers(pocket)), (numbers(back), numbers(pocket))


def test_the_app_serves_it(visit):
    page = visit(query="pocket")
    assert page.title() == "orwlab: pocket lab"
    assert page.evaluate("document.querySelector('.orw-stage').stage.meta.run") == "pocket-1"
    page.locator("#toggle").click()
