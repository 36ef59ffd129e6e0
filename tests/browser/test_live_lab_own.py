"""One's own data and rewards on the page: painted on the picture, typed as a formula, read from a table."""

import itertools
import json
import re
import time

import numpy as np
import pytest
from lab import STAGE, choose, drag, eventually, in_force, press, round_of, shown, state, wait

from orwlab.show.lab import own, painting

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PANELS = (("reward", "paint"), ("reward", "formula"), ("target", "points"), ("reward", "digits"))


@pytest.fixture
def at_rest(visit):
    """Opens a page at rest that has its run."""

    def open_page(**options):
        page = visit(running=False, **options)
        page.wait_for_function(f"!['first', ''].includes({STAGE}.meta?.run ?? '')")
        return page

    return open_page


def offer(page, name, kind):
    page.locator(f"#{name} select").select_option(f"+{kind}")
    page.locator(f"#own-{kind}").wait_for(state="visible")


def at(page, x, y):
    """Where a point of the plane is in the window."""
    return page.evaluate(
        f"""([x, y]) => {{
            const r = document.querySelector('.own-canvas').getBoundingClientRect();
            const [x0, x1, y0, y1] = {STAGE}.camera.now;
            return [r.left + (x - x0) / (x1 - x0) * r.width, r.top + (y1 - y) / (y1 - y0) * r.height];
        }}""",
        [x, y],
    )


def paint(page, *way):
    page.locator(".own-canvas").scroll_into_view_if_needed()
    page.mouse.move(*at(page, *way[0]))
    page.mouse.down()
    for a, b in itertools.pairwise([way[0], *way]):
        for share in (0.25, 0.5, 0.75, 1):
            page.mouse.move(*at(page, a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
    page.mouse.up()


def value(page, name):
    return shown(page)[name]


def ground(page, x, y):
    """The colour of the overlay's pixel at a point of the plane, as (r, g, b, a)."""
    return page.evaluate(
        """([left, top]) => {
            const c = document.querySelector('.own-canvas'), r = c.getBoundingClientRect();
            const p = [(left - r.left) * c.width / r.width, (top - r.top) * c.height / r.height].map(Math.round);
            return [...c.getContext('2d').getImageData(...p, 1, 1).data];
        }""",
        at(page, x, y),
    )


def test_a_painted_reward_is_seen_at_once_and_moves_the_exact_answer(at_rest):
    page = at_rest(query="#mode=both")
    page.wait_for_function(f"{STAGE}.texts.exact")
    offer(page, "reward", "paint")
    before = page.evaluate(f"{STAGE}.texts.exact")
    paint(page, (-3, 0), (-2.8, 0.5))
    assert ground(page, -3, 0)[3] > 100
    assert ground(page, 3, 0)[3] == 0
    assert value(page, "reward").startswith("paint:")
    assert page.locator("#reward select option:checked").text_content() == "Your painting"
    painted = own.reward(value(page, "reward"))
    there, elsewhere = painted(np.array([[-2.9, 0.2], [3.0, 0.0]])).tolist()
    assert there > 0.9
    assert elsewhere == 0
    assert eventually(lambda: in_force(page, "reward") == value(page, "reward"))
    page.wait_for_function(f"(before) => {STAGE}.texts.exact && {STAGE}.texts.exact !== before", arg=before)


def test_an_order_is_sent_while_the_stroke_is_drawn(at_rest):
    page = at_rest()
    offer(page, "reward", "paint")
    page.mouse.move(*at(page, -2, -2))
    page.mouse.down()
    for k in range(20):
        page.mouse.move(*at(page, -2 + 0.1 * k, -2))
        time.sleep(0.03)
    assert eventually(lambda: (in_force(page, "reward") or "").startswith("paint:"))
    page.mouse.up()


def test_undo_redo_and_clear(at_rest):
    page = at_rest()
    offer(page, "reward", "paint")
    texts = []
    for x in (-3, 0, 3):
        paint(page, (x, 0))
        texts.append(value(page, "reward"))
    assert len(set(texts)) == 3
    page.keyboard.press("Control+z")
    assert value(page, "reward") == texts[1]
    page.locator("[data-paint=undo]").click()
    assert value(page, "reward") == texts[0]
    page.keyboard.press("Control+y")
    page.locator("[data-paint=redo]").click()
    assert value(page, "reward") == texts[2]
    page.locator("[data-paint=clear]").click()
    assert value(page, "reward") == "paint:"
    assert eventually(lambda: in_force(page, "reward") == "paint:")  # the server's answer takes nothing away
    page.keyboard.press("Control+z")
    assert value(page, "reward") == texts[2]


def test_by_keyboard_alone(at_rest):
    page = at_rest()
    page.locator("#reward select").focus()
    page.keyboard.press("Shift")
    offer(page, "reward", "paint")
    assert page.evaluate("document.activeElement.className") == "own-canvas"
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("+")
    page.keyboard.press(" ")
    assert state(page)["meta"]["state"] == "paused"  # space has stamped, and not played
    (stroke,) = painting.read(value(page, "reward"))
    assert stroke.size == 0.7
    assert (np.array(stroke.points[0]) + 0.5) / 25.6 - 5 == pytest.approx([-1, 1], abs=0.03)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.brush") == "tool"
    page.keyboard.press("ArrowRight")  # the eraser
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(" ")
    assert [one.eraser for one in painting.read(value(page, "reward"))] == [False, True]
    page.keyboard.press("Escape")
    assert page.locator("#own-paint").is_hidden()
    assert page.evaluate("document.activeElement.id") == "reward-list"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (800, 360)], ids=["upright", "on its side"])
def test_by_touch(at_rest, width, height):
    page = at_rest(width=width, height=height, has_touch=True, is_mobile=True)
    offer(page, "reward", "paint")
    page.locator(".own-canvas").scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    client = page.context.new_cdp_session(page)

    def touch(kind, *place):
        points = [{"x": place[0], "y": place[1]}] if place else []
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", *at(page, 0, 3))
    for k in range(1, 11):
        touch("touchMove", *at(page, 0, 3 - 0.5 * k))
    touch("touchEnd")
    (stroke,) = painting.read(value(page, "reward"))
    ends = (np.array(stroke.points)[[0, -1]] + 0.5) / 25.6 - 5
    np.testing.assert_allclose(ends, [[0, 3], [0, -2]], atol=0.1)
    assert page.evaluate("scrollY") == scrolled  # the finger has painted, and not scrolled
    plot, panel = page.locator(".own-canvas").bounding_box(), page.locator("#own-paint").bounding_box()
    below = panel["y"] + panel["height"] <= plot["y"] + 1
    beside = plot["x"] + plot["width"] <= panel["x"] + 1
    assert below if height > width else beside
    bar = page.locator(".lab-strip").bounding_box()  # tools and picture are seen together
    assert min(plot["y"], panel["y"]) >= -1
    assert max(plot["y"] + plot["height"], panel["y"] + panel["height"]) <= bar["y"] + 1
    small = page.evaluate("""() => [...document.querySelectorAll('#own-paint :is(button, select, .options label)')]
        .filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 60))""")
    assert small == []


def test_the_canvas_follows_the_camera_and_the_window(at_rest):
    page = at_rest()
    offer(page, "reward", "paint")
    paint(page, (2, 2))
    page.evaluate(f"{STAGE}.camera.look([0, 4, 0, 4], true); {STAGE}.looked()")
    assert eventually(lambda: ground(page, 2, 2)[3] > 100)
    assert ground(page, 0.5, 3.5)[3] == 0
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_function(f"""() => {{
        const r = document.querySelector('.own-canvas').getBoundingClientRect(), [plot] = {STAGE}.layout.plots;
        const c = {STAGE}.canvas.getBoundingClientRect();
        return [r.left - c.left - plot.x, r.top - c.top - plot.y, r.width - plot.w].every((off) => Math.abs(off) < 1);
    }}""")
    paint(page, (1, 3))
    last = painting.read(value(page, "reward"))[-1]
    assert (np.array(last.points[0]) + 0.5) / 25.6 - 5 == pytest.approx([1, 3], abs=0.05)


def test_an_empty_painting_of_data_asks_for_some(at_rest):
    page = at_rest()
    offer(page, "target", "paint")
    status = page.locator("#own-paint [role=status]")
    assert status.text_content().startswith("Paint where the data are")
    page.locator("[data-brush=tool][value=eraser]").check(force=True)
    paint(page, (0, 0), (1, 1))
    assert value(page, "target") == "eight_gaussians"  # nothing was sent
    assert status.text_content().startswith("Paint where the data are")


def test_a_link_with_a_painting_goes_on_with_its_strokes(at_rest):
    text = painting.write([painting.stroke([[-3, 0], [3, 1]], symmetry="up_down")])
    page = at_rest(query=f"#reward={text}")
    assert eventually(lambda: value(page, "reward") == text)
    offer(page, "reward", "paint")
    assert eventually(lambda: ground(page, 0, 0.5)[3] > 100)
    paint(page, (-2, 3))
    strokes = painting.read(value(page, "reward"))
    assert painting.write(strokes[:1]) == text
    assert len(strokes) == 2


def test_a_refused_painting_is_not_lost(at_rest, monkeypatch):
    page = at_rest()
    offer(page, "reward", "paint")

    def refuse(text):
        raise ValueError("the colours have run out")

    with monkeypatch.context() as patch:
        patch.setattr(painting, "read", refuse)
        paint(page, (0, 0))
        status = page.locator("#own-paint [role=status]")
        assert eventually(lambda: status.text_content() == "the colours have run out")
    assert value(page, "reward") == "right"
    assert ground(page, 0, 0)[3] > 100
    paint(page, (2, 2))
    assert len(painting.read(value(page, "reward"))) == 2
    assert eventually(lambda: (in_force(page, "reward") or "").startswith("paint:"))


def test_the_labs_undo_takes_a_stroke_back_while_it_runs(visit):
    page = visit()
    offer(page, "reward", "paint")
    paint(page, (-2, 0))
    first = value(page, "reward")
    start = round_of(page)
    wait(page, f"round > {start + 20}")
    paint(page, (2, 0))
    assert eventually(lambda: page.evaluate(f"({STAGE}.story ?? '').includes({json.dumps(value(page, 'reward'))})"))
    press(page, "undo")
    assert eventually(lambda: value(page, "reward") == first)
    assert eventually(lambda: ground(page, 2, 0)[3] == 0)
    assert ground(page, -2, 0)[3] > 100
    page.locator("[data-paint=undo]").click()  # the painting's own brings the stroke back
    assert len(painting.read(value(page, "reward"))) == 2


def test_keys_pass_over_what_one_has_made(at_rest):
    page = at_rest()
    offer(page, "reward", "paint")
    paint(page, (0, 0))
    page.keyboard.press("Escape")
    names = page.locator("#reward option:not(optgroup option, [disabled])").evaluate_all(
        "(all) => all.map((o) => o.value)"
    )
    seen = []
    for _ in range(len(names) + 1):
        page.locator("body").press("w")
        seen.append(value(page, "reward"))
    assert seen == [*names, names[0]]
    assert page.locator(".own:visible").count() == 0


def test_a_name_chosen_meanwhile_closes_the_panel_and_the_painting_stays_in_the_list(at_rest):
    page = at_rest()
    offer(page, "reward", "paint")
    paint(page, (0, 0))
    text = value(page, "reward")
    assert eventually(lambda: in_force(page, "reward") == text)
    page.locator("#reward select").select_option("ring")
    page.locator("#own-paint").wait_for(state="hidden")
    page.locator("#reward select").select_option(text)
    assert page.locator("#reward select option:checked").text_content() == "Your painting"
    assert eventually(lambda: in_force(page, "reward") == text)


def test_a_formula_is_taken_while_one_types(at_rest):
    page = at_rest()
    offer(page, "reward", "formula")
    box, wrong = page.locator("#own-formula-box"), page.locator("#own-formula-wrong")
    box.press_sequentially("exp(-x^2) * sin(3*z)")
    page.wait_for_function("document.querySelector('#own-formula-wrong').textContent")
    assert "'z' at character 19" in wrong.text_content()
    assert page.locator(".own-place").text_content().index("^") == 18
    assert value(page, "reward") == "right"  # the run goes on as it was
    assert state(page)["meta"]["state"] == "paused"  # its keys were not the page's
    assert page.locator("#reward .help").text_content() == "What is paid for: violet ground pays more."
    drag(page, "tau", 2)  # what is said of the box does not go away with other things
    assert eventually(lambda: in_force(page, "tau") == 2)
    assert "'z' at character 19" in wrong.text_content()
    box.fill("exp(-x^2) * sin(3*y)")
    box.press("Enter")
    assert eventually(lambda: value(page, "reward") == "formula:exp(-x^2) * sin(3*y)")
    assert wrong.text_content() == ""
    assert eventually(lambda: in_force(page, "reward") == "formula:exp(-x^2) * sin(3*y)")
    assert page.locator("#reward select option:checked").text_content() == "Your formula: exp(-x^2) * sin(3*y)"
    page.get_by_role("button", name="-abs(r - 2)").click()
    assert eventually(lambda: value(page, "reward") == "formula:-abs(r - 2)")


TABLE = "x;y\n" + "".join(f"{k % 20 / 10:.1f};{k // 20 / 5:.1f}\n" for k in range(200))


def test_pasted_points_are_told_and_used(at_rest):
    page = at_rest()
    offer(page, "target", "points")
    page.locator("#own-points textarea").fill(TABLE)
    page.locator("#own-points [data-use]:enabled").wait_for()
    report = page.locator("#own-points .own-report").text_content()
    assert "Read 200 points from columns 'x' and 'y'." in report
    assert value(page, "target") == "eight_gaussians"  # not before somebody says so
    page.locator("#own-points [data-use]").click()
    assert page.locator("#target select option:checked").text_content() == "Your points"
    assert eventually(lambda: in_force(page, "target") == value(page, "target"))
    page.locator(".own-fitting").wait_for(state="visible")
    assert re.search(r"A network is learning your data: \d+ %", page.locator(".own-fitting").text_content())
    page.locator(".own-fitting button").click()
    assert eventually(lambda: value(page, "target") == "eight_gaussians")
    page.locator(".own-fitting").wait_for(state="hidden")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("numbers.csv", b"PK\x03\x04\x00\x00", "“numbers.csv” cannot be read: it is no table of text."),
        ("words.csv", b"a,b\nc,d\n", "No column holds numbers"),
        ("one.csv", b"1,2\n", "There is only one point"),
    ],
)
def test_a_dropped_file_that_is_no_table_ends_in_a_sentence(at_rest, name, data, sentence):
    page = at_rest()
    drop(page, name, data)
    alert = page.locator("#own-points [role=alert]")
    assert eventually(lambda: alert.text_content().startswith(sentence))
    assert page.locator("#own-points [data-use]").is_disabled()


def drop(page, name, data):
    page.evaluate(
        """([name, bytes]) => {
            const given = new DataTransfer();
            given.items.add(new File([new Uint8Array(bytes)], name, {type: 'text/csv'}));
            document.querySelector('.lab').dispatchEvent(
                new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true}));
        }""",
        [name, list(data)],
    )


def test_a_dropped_table_is_read(at_rest):
    page = at_rest()
    drop(page, "mine.csv", TABLE.encode())
    page.locator("#own-points [data-use]:enabled").wait_for()
    assert "Read 200 points" in page.locator("#own-points .own-report").text_content()


def test_a_control_that_is_locked_takes_nothing(at_rest):
    page = at_rest(query="#lock=target")
    drop(page, "mine.csv", TABLE.encode())
    page.locator(".notice").wait_for(state="visible")
    assert page.locator("#own-points").is_hidden()


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_the_panels(at_rest, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = at_rest(dark=dark)
    for name, kind in PANELS:
        if kind == "digits":
            choose(page, "target", "digits_latent")
        offer(page, name, kind)
        if kind == "paint":
            paint(page, (0, 0))
        found = Axe().run(page, context=".lab").response["violations"]
        assert [(rule["id"], node["html"][:120]) for rule in found for node in rule["nodes"]] == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_cut(at_rest, width):
    page = at_rest(width=width, height=800)
    for name, kind in PANELS:
        if kind == "digits":
            choose(page, "target", "digits_latent")
        offer(page, name, kind)
        cut = page.evaluate(
            """(kind) => [...document.querySelectorAll(`#own-${kind} *`)].filter((e) => e.getClientRects().length
                && !e.matches('.own-unseen, select, textarea, input')
                && (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline'
                    || e.getBoundingClientRect().right > innerWidth)).map((e) => e.outerHTML.slice(0, 80))""",
            kind,
        )
        assert cut == []
