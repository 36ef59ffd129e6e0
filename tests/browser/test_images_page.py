"""The Images page as people use it: grids from one noise, alpha dragged while it learns, ways, words, links."""

import base64
import io
import os
import signal

import numpy as np
import pytest
from lab import drag, enter, eventually, typed
from PIL import Image

from orwlab.show.web import image_runs, images_page
from orwlab.show.web.workers import _facts
from orwlab.tasks import results

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = "document.querySelector('.lab').images"
WIDTHS = {360: 740, 768: 1024, 1280: 720, 1920: 1080}


def wait(page, condition, timeout=120):
    """Until ``condition``, in terms of ``page`` and its newest ``frame``, holds."""
    page.wait_for_function(
        f"() => {{ const page = {PAGE}, frame = page.grids.frame; return {condition}; }}", timeout=1000 * timeout
    )


def at_rest(page, round=0):
    wait(page, f"page.round === {round} && page.state === 'paused' && page.atRest && !page.orders.length")


@pytest.fixture
def come(visit):
    """Opens the page at rest."""

    def open_page(width=1280, height=720, dark=False, link="", **options):
        page = visit(width, height, dark, query=f"images{link}", running=False, **options)
        wait(page, "page.atRest")
        return page

    return open_page


@pytest.fixture(scope="module")
def one_album(one_page):
    visits, _ = one_page
    page = visits(1280, 900, query="images", running=False)
    return visits, page


@pytest.fixture
def one(one_album):
    """One page for all tests of this file that are content with the digits; each finds it as at the beginning."""
    visits, page = one_album
    page.evaluate(f"{PAGE}.begin({{}}, 'paused')")
    page.evaluate(f"{PAGE}.present(false)")
    wait(
        page,
        "page.atRest && page.round === 0 && page.told.log.length === 0 && Object.keys(page.told.scene).length === 0",
    )
    with visits.listening():
        yield page


def board(page, lane):
    return page.locator(f".orw-board[data-lane='{lane}']")


def images(page, lane):
    """The pixels that a board has painted."""
    return decoded(board(page, lane).locator("canvas").evaluate("(canvas) => canvas.toDataURL()"))


def decoded(url):
    """The pixels of a picture in a data URL."""
    data = base64.b64decode(url.partition("base64,")[2].rstrip('")'))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def seen(page, selector):
    """What a person sees there."""
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)


def press(page, name):
    page.locator(f"#{name}").click()


def test_an_empty_page_says_what_it_waits_for_and_already_obeys(browser, address):
    held, holding = [], True
    page = browser.new_page()
    page.route("**/component_server**", lambda route: held.append(route) if holding else route.continue_())
    page.goto(f"{address}images")
    doing = page.locator(".orw-doing")
    page.wait_for_function("/ [1-9][0-9]* s$/.test(document.querySelector('.orw-doing')?.textContent)")
    assert doing.inner_text().startswith("Loading the networks")
    page.get_by_role("button", name="Let go: α = 0").click()  # while the first question is still on its way
    holding = False
    for route in held:
        route.continue_()
    wait(page, "page.inForce.alpha === 0 && page.round > 0", 90)
    assert not doing.inner_text().startswith("Loading")
    page.close()


def test_before_the_first_round_both_grids_are_alike_and_then_only_the_lane_changes(one):
    reference = images(one, "reference")
    on_screen = [seen(one, f".orw-board[data-lane='{lane}'] canvas") for lane in ("reference", 0)]
    assert on_screen[0].std() > 40, "there is something to see"
    assert np.abs(images(one, 0) - reference).mean() < 1
    press(one, "toggle")
    wait(one, "page.round > 7")
    press(one, "toggle")
    wait(one, "page.atRest")
    assert np.abs(images(one, "reference") - reference).max() == 0
    assert np.abs(images(one, 0) - reference).mean() > 5
    assert np.abs(seen(one, ".orw-board[data-lane='0'] canvas") - on_screen[1]).mean() > 5
    assert board(one, 0).locator(".orw-when").inner_text() == f"round {one.evaluate(f'{PAGE}.round')}"


def test_it_is_at_rest_when_all_that_was_ordered_is_in_the_picture(one):
    press(one, "step")
    at_rest(one, 1)
    reference = images(one, "reference")
    assert np.abs(images(one, 0) - reference).max() > 0
    alike = "{...frame, lanes: frame.lanes.map((lane) => ({...lane, sheet: frame.reference.sheet}))}"
    again = f"() => {{ const page = {PAGE}, frame = page.grids.frame; page.answered({alike}); return page.atRest; }}"
    assert not one.evaluate(again), "images are decoded a moment after they came"
    wait(one, "page.atRest")
    assert np.abs(images(one, 0) - reference).max() == 0
    late = f"() => {{ const page = {PAGE}; page.press('step'); page.answered(page.grids.frame); return page.atRest; }}"
    assert not one.evaluate(late), "an answer to an older question says nothing of what was ordered since"
    at_rest(one, 2)


def test_step_does_one_round_and_reset_goes_back_to_the_reference(one):
    press(one, "step")
    at_rest(one, 1)
    assert np.abs(images(one, 0) - images(one, "reference")).mean() > 0
    press(one, "reset")
    at_rest(one, 0)
    assert np.abs(images(one, 0) - images(one, "reference")).max() == 0


def test_alpha_is_dragged_while_it_learns(one):
    press(one, "toggle")
    wait(one, "page.round > 1")
    drag(one, "alpha", 0)
    wait(one, "frame.lanes[0].alpha === 0")
    assert one.evaluate(f"{PAGE}.running")
    assert one.evaluate(f"{PAGE}.round") > 1, "it has not begun again"
    assert board(one, 0).locator(".orw-name").inner_text() == "α = 0"
    wait(one, "page.told.log.length === 1")
    at, name, value = one.evaluate(f"{PAGE}.told.log[0]")
    assert (name, value) == ("alpha", 0)
    assert at > 0


def test_numbers_and_words_are_those_of_the_frame(one):
    frame = one.evaluate(f"{PAGE}.grids.frame")
    for lane, numbers in (("reference", frame["reference"]["numbers"]), (0, frame["lanes"][0]["numbers"])):
        said = board(one, lane).locator("dd").all_inner_texts()
        assert said == [f"{numbers[key]:.2f}" for key in ("reward", "judge", "off_data", "smallest")]
    assert board(one, 0).locator(".orw-verdict").inner_text() == "About what the reference draws."


def test_an_image_shows_its_way_from_noise(one):
    press(one, "step")
    at_rest(one, 1)
    board(one, 0).locator("[role=gridcell]").nth(10).click()
    one.wait_for_selector(".orw-strip")
    assert one.locator(".orw-path h2").inner_text().startswith("Image 11: from noise")
    assert one.locator(".orw-way").count() == 2
    assert one.locator(".orw-moment").count() == 16
    assert one.locator(".orw-moment span").all_inner_texts()[:8] == [
        *("t = 0", "t = 0.3", "t = 0.5", "t = 0.6", "t = 0.7", "t = 0.8", "t = 0.9", "t = 1"),
    ]
    assert all("The judge sees a" in words for words in one.locator(".orw-way figcaption").all_inner_texts())
    firsts = "[...document.querySelectorAll('.orw-moment:first-child .orw-picture-of')]"
    strips = one.evaluate(f"{firsts}.map((moment) => moment.style.backgroundImage)")
    reference, lane = (decoded(strip) for strip in strips)
    assert reference.shape == lane.shape == (8, 64, 3)
    assert np.array_equal(reference[:, :8], lane[:, :8]), "the same noise"
    assert not np.array_equal(reference[:, -8:], lane[:, -8:])
    assert seen(one, ".orw-way:last-child .orw-moment:first-child .orw-picture-of").std() > 30
    one.keyboard.press("Escape")
    assert one.locator(".orw-path").is_hidden()
    assert one.evaluate("document.activeElement.getAttribute('aria-label')") == "Image 11"


def test_images_are_reached_by_keyboard(one):
    board(one, 0).locator("[role=gridcell]").first.focus()
    one.keyboard.press("ArrowRight")
    one.keyboard.press("ArrowDown")
    assert one.evaluate("document.activeElement.getAttribute('aria-label')") == "Image 10"
    assert typed(one, "alpha") == 0.2, "arrows do not move the slider meanwhile"
    assert board(one, 0).locator("[tabindex='0']").count() == 1
    one.keyboard.press("Enter")
    one.wait_for_selector(".orw-strip")
    assert one.locator(".orw-path h2").inner_text().startswith("Image 10:")
    one.locator(".orw-path button").click()


def test_no_digit_and_all_digits_are_refused_in_words_and_nothing_is_lost(one):
    press(one, "step")
    at_rest(one, 1)
    for k in (0, 2, 4, 6, 8):
        one.locator(f"#wanted input[value='{k}']").uncheck(force=True)
    help_ = one.locator("#wanted .help")
    assert eventually(lambda: "at least one of 0 to 9" in help_.inner_text())
    assert one.evaluate(f"{PAGE}.round") == 1
    one.locator("#wanted input[value='7']").check(force=True)
    wait(one, "page.inForce.wanted.length === 1 && page.inForce.wanted[0] === 7")
    at_rest(one, 0)
    assert "at least" not in help_.inner_text()
    for k in range(10):
        one.locator(f"#wanted input[value='{k}']").check(force=True)
    assert eventually(lambda: "and not all" in help_.inner_text())
    assert one.evaluate(f"{PAGE}.inForce.wanted") == [7]


def test_digits_just_chosen_are_not_forgotten_when_something_else_is_moved(one):
    one.locator("#wanted input[value='7']").check(force=True)
    drag(one, "alpha", 1)
    press(one, "step")
    wait(one, "page.inForce.wanted.includes(7) && page.inForce.alpha === 1")
    at_rest(one, 1)
    assert one.locator("#wanted input[value='7']").is_checked()


def test_alphas_side_by_side_have_a_curve_of_each_kind(one):
    one.evaluate("document.querySelector('#group-compare-alphas').open = true")
    one.locator("#others .row").first.locator("input[type=checkbox]").check(force=True)
    wait(one, "frame.lanes.length === 2 && page.atRest")
    assert np.abs(images(one, 1) - images(one, "reference")).max() == 0
    press(one, "step")
    at_rest(one, 1)
    curves = one.evaluate(
        "[...document.querySelectorAll('.orw-curve')]"
        ".map((curve) => [curve.dataset.lane, curve.dataset.dashed, curve.getAttribute('stroke')])"
    )
    assert [(lane, dashed) for lane, dashed, _ in curves] == [
        ("0", "false"),
        ("1", "false"),
        ("0", "true"),
        ("1", "true"),
    ]
    colours = [colour for *_, colour in curves]
    assert colours[:2] == colours[2:]
    assert colours[0] != colours[1]
    swatches = one.evaluate(
        "[...document.querySelectorAll('.orw-board')].map((b) => b.style.getPropertyValue('--lane'))"
    )
    assert swatches[1:] == colours[:2]
    assert "round" in one.locator(".orw-axis").all_text_contents()
    assert one.locator("#alpha .label").inner_text() == "W2 weight α of the first lane"


def test_keys(one):
    one.keyboard.press("s")
    at_rest(one, 1)
    one.keyboard.press("ArrowLeft")
    wait(one, "page.inForce.alpha === 0.18")
    one.keyboard.press("ArrowRight")
    wait(one, "page.inForce.alpha === 0.2")
    one.keyboard.press(" ")
    wait(one, "page.state === 'running' && page.round > 2")
    one.keyboard.press(" ")
    wait(one, "page.state === 'paused' && page.atRest")
    one.keyboard.press("r")
    at_rest(one, 0)
    one.keyboard.press("p")
    assert one.evaluate("document.querySelector('.lab').classList.contains('showing')")
    assert board(one, 0).locator("canvas").is_visible()
    assert one.locator(".lab-more").is_hidden()
    titled = "[...document.querySelectorAll('.lab button')].filter((button) => button.title).length"
    assert one.evaluate(titled) == 0, "a resting pointer would leave a hint on the screen"
    one.keyboard.press("Escape")
    assert one.evaluate(titled) > 5
    assert eventually(lambda: one.locator(".lab-more").is_visible())
    one.keyboard.press("?")
    assert one.locator("#lab-keys").is_visible()
    one.keyboard.press("Escape")


def test_a_move_sets_everything_and_says_what_to_watch(one):
    one.locator("[data-attempt]").nth(3).click()
    wait(one, "page.running && page.inForce.wanted.join() === '7' && page.inForce.alpha === 0.1 && page.round > 0")
    assert "sevens" in one.locator(".attempted").inner_text()
    assert one.locator("[data-attempt][aria-pressed=true]").inner_text() == "Only sevens"
    drag(one, "alpha", 1)
    assert one.locator("[data-attempt][aria-pressed=true]").count() == 0


def test_a_goal_gives_an_alpha_with_its_error_in_words(one):
    one.evaluate("document.querySelector('#group-which-α\\\\?').open = true")
    box, found = one.locator("[data-goal=value]"), one.locator(".images-found")
    assert box.input_value() == "0.8"
    box.press("Enter")
    assert eventually(lambda: found.inner_text().startswith("About α = "), 30)
    assert "between 0.7 and 6 times" in found.inner_text()
    alpha = float(found.inner_text().split()[3].rstrip("."))
    one.locator("[data-goal=take]").click()
    wait(one, f"page.inForce.alpha === {alpha}")
    assert typed(one, "alpha") == alpha
    for goal, said in (("0.1", "the reference's mean"), ("much", "allowed: a number"), ("", "allowed: a number")):
        box.fill(goal)
        box.press("Enter")
        assert eventually(lambda said=said: said in found.inner_text(), 30)
        assert one.locator("[data-goal=take]").is_hidden()


def test_a_link_restores_the_state_and_the_address_holds_it(come):
    page = come(link="#wanted=2,3&alpha=0.1&others=0&seed=5&log=1:alpha:3&round=2")
    at_rest(page, 2)
    assert page.evaluate(f"{PAGE}.inForce") == {
        "task": "digits", "wanted": [2, 3], "files": "small", "alpha": 3, "others": [0], "seed": 5,
    }  # fmt: skip
    assert page.evaluate(f"{PAGE}.grids.frame.lanes.map((lane) => lane.alpha)") == [3, 0], "as the log says"
    enter(page, "alpha", "0,5")
    wait(page, "page.inForce.alpha === 0.5")
    page.wait_for_function("location.hash.includes('2:alpha:0.5')")
    assert page.evaluate("location.hash").startswith("#wanted=2,3&alpha=0.1&others=0&seed=5")
    page.evaluate("location.hash = '#alpha=7'")
    wait(page, "page.inForce.alpha === 7 && page.inForce.wanted.length === 5 && page.round === 0")


def test_a_teacher_s_link_fixes_controls_and_says_something(come):
    page = come(link="#alpha=0.3&lock=alpha&hide=others,wanted&say=Which%20digits%3F%20%3Cb%3EGuess%3C/b%3E%20first.")
    assert page.locator(".teacher-says").inner_text() == "Which digits? <b>Guess</b> first."
    assert page.locator("#wanted").is_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('#alpha > .help'), '::before').content").strip(
        '"'
    ) == ("Set for you. ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("2")
    page.wait_for_timeout(300)
    assert (typed(page, "alpha"), page.evaluate(f"{PAGE}.running")) == (0.3, False)
    assert page.locator("[data-attempt]").first.is_hidden(), "a move would set what is fixed"


@pytest.mark.parametrize(
    ("link", "said"), [("#alpha=much", "allowed: a number"), ("#colour=red", "does not have"), ("#alpha=-3", "allowed")]
)
def test_a_link_that_cannot_be_followed_is_told(visit, link, said):
    page = visit(query=f"images{link}", running=False)
    assert eventually(lambda: page.locator(".notice").is_visible() and said in page.locator(".notice").inner_text(), 30)
    wait(page, "page.atRest && page.inForce.alpha === 0.2")


def test_a_process_that_ends_is_told_and_the_run_goes_on(come):
    page = come(link="#alpha=0.3")
    press(page, "step")
    at_rest(page, 1)
    before, run = images(page, 0), page.evaluate(f"{PAGE}.run")
    worker = images_page.PAGE.runs._runs[run].worker
    os.kill(worker.ask(_facts)["pid"], signal.SIGKILL)
    page.evaluate(f"{PAGE}.press('pause')")
    wait(page, f"page.run !== '{run}' && page.round === 1 && page.atRest")
    assert page.locator(".notice").inner_text() in (image_runs.LOST, image_runs.DROPPED)
    assert np.abs(images(page, 0) - before).max() == 0
    assert typed(page, "alpha") == 0.3
    assert page.evaluate(f"{PAGE}.grids.points.map((point) => point[1])") == [0, 1], "its curves are there again"


def test_who_finds_no_place_is_told_and_comes_in_by_itself(one, come, visit, monkeypatch):
    runs = images_page.PAGE.runs
    monkeypatch.setattr(runs, "yields", 1e9)
    monkeypatch.setattr(runs, "_most", 1)
    context = one.context.browser.new_context()
    page = context.new_page()
    page.goto(one.url.partition("#")[0] + "#colour=red")
    assert eventually(lambda: page.locator(".notice").inner_text().startswith("All places are taken"), 30)
    page.evaluate("document.querySelector('#group-which-α\\\\?').open = true")
    assert page.locator("[data-goal=value]").is_visible()
    assert page.locator("[data-goal=take]").is_hidden(), "nothing was suggested yet"
    monkeypatch.undo()
    wait(page, "page.atRest")
    assert "does not have" in page.locator(".notice").inner_text(), "what was said before is not lost"
    enter(page, "alpha", "0.5")
    wait(page, "page.inForce.alpha === 0.5")
    assert page.locator(".notice").is_hidden()
    context.close()


def test_photographs_are_shown_with_their_own_numbers(come):
    page = come(link="#task=photographs")
    assert page.locator("#files").is_visible()
    assert page.locator("#wanted").is_hidden()
    assert board(page, 0).locator("[role=gridcell]").count() == 16
    assert board(page, 0).locator("dt").all_inner_texts() == ["Bytes", "Coverage", "Precision"]
    pixels = images(page, "reference")
    assert (pixels.max(-1) - pixels.min(-1)).mean() > 10, "in colour"
    assert page.locator(".orw-title").all_text_contents() == ["Bytes", "Coverage"]
    press(page, "step")
    page.wait_for_function("document.querySelector('.orw-doing').textContent.startsWith('Round 1')")
    at_rest(page, 1)
    assert np.abs(images(page, 0) - pixels).mean() > 0.5


def test_what_is_said_below_is_what_is_kept(come):
    page = come()
    page.locator("#lab-explanation > button").click()
    page.wait_for_selector("#lab-explanation td")
    tables = page.locator("#lab-explanation table")
    shown = [("digits", "judge", 0.2, 2), ("photographs", "bytes", 0.3, 0), ("photographs_long", "bytes", 0.0, 0)]
    for table, (name, number, alpha, digits) in enumerate(shown):
        heads, cells = (tables.nth(table).locator(tag).all_inner_texts() for tag in ("th", "td"))
        mean, spread = results.load(name).mean(number, alpha)
        at = cells.index(f"{alpha:g}") + heads.index(number)
        assert cells[at] == f"{mean:.{digits}f} ± {spread:.{digits}f}"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_everything_can_be_pressed(come, width, dark):
    page = come(width, WIDTHS[width], dark, link="#others=0,1", has_touch=width < 1000, is_mobile=width < 1000)
    page.evaluate("for (const group of document.querySelectorAll('.lab details')) group.open = true")
    board(page, 1).locator("[role=gridcell]").nth(5).click()
    page.wait_for_selector(".orw-strip")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    seen = page.evaluate(
        """() => [...document.querySelectorAll('.lab *')].filter((e) => e.getClientRects().length).map((e) => {
            const { left, right, height } = e.getBoundingClientRect();
            const pressed = e.matches('button, select, summary, .options label, .chips label');
            return { left, right, height, pressed, html: e.outerHTML.slice(0, 80) }; })"""
    )
    for one in seen:
        assert one["left"] >= -0.5, one
        assert one["right"] <= width + 0.5, one
        assert not one["pressed"] or one["height"] >= (43.5 if width < 1000 else 23.5), one
    sizes = page.evaluate("[...document.querySelectorAll('.orw-sheet')].map((s) => [s.clientWidth, s.clientHeight])")
    assert len({tuple(size) for size in sizes}) == 1, "all grids are of one size"
    assert page.evaluate("getComputedStyle(document.querySelector('.orw-sheet canvas')).imageRendering") == "pixelated"
    ink = page.evaluate("getComputedStyle(document.querySelector('.orw-grids')).color")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = [sum(int(part) for part in text.split("(")[1].rstrip(")").split(",")[:3]) for text in (ink, ground)]
    assert (light[0] > light[1]) == dark


def test_curves_are_as_high_as_the_grids_beside_them_and_stay_so(come):
    """At any width: most are no whole number of pixels for the curves."""
    page = come(1280, 720)
    for width in (1280, 1283, 1297, 1366, 1440, 1531, 1920):
        page.set_viewport_size({"width": width, "height": 720})
        heights = page.evaluate(
            """async () => {
                const frames = async (n) => { while (n--) await new Promise(requestAnimationFrame); };
                const box = (part) => document.querySelector(part).getBoundingClientRect();
                const now = () => [box('.orw-curves').height, box('.orw-verdict').bottom - box('.orw-boards').top];
                await frames(10);
                const first = now();
                await frames(40);
                return [first, now()];
            }"""
        )
        assert heights[0] == heights[1], width
        assert heights[0][0] <= max(heights[0][1], 380) + 1, width


def test_nothing_jumps_while_it_learns(one):
    places = """JSON.stringify([...document.querySelectorAll('.orw-sheet, .orw-numbers, .orw-curves, .lab-try')]
        .map((part) => Math.round(part.getBoundingClientRect().top + scrollY)))"""
    before = one.evaluate(places)
    press(one, "toggle")
    wait(one, "page.round > 8")
    press(one, "toggle")
    wait(one, "page.atRest")
    assert one.evaluate(places) == before


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(come, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = come(dark=dark, link="#others=0")
    page.evaluate("for (const group of document.querySelectorAll('.lab details')) group.open = true")
    board(page, 0).locator("[role=gridcell]").nth(5).click()
    page.wait_for_selector(".orw-strip")
    found = [
        (rule["id"], node["html"][:150])
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
        if page.evaluate("(s) => !!document.querySelector(s)?.closest('#lab')", " ".join(map(str, node["target"])))
    ]
    assert found == []
