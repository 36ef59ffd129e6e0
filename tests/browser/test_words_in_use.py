"""The Words page as people use it: sentences typed and pressed, guidance, words one by one, links."""

import numpy as np
import pytest
from lab import drag, eventually
from test_images_page import PAGE, WIDTHS, at_rest, board, images, press, seen, wait

from orwlab.tasks.words import NEW, PROMPTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OTHER = "two bold green sevens"


@pytest.fixture
def come(visit):
    """Opens the page at rest."""

    def open_page(width=1280, height=720, dark=False, link="", **options):
        page = visit(width, height, dark, query=f"words{link}", running=False, **options)
        wait(page, "page.atRest", 120)
        return page

    return open_page


@pytest.fixture(scope="module")
def one_page_of_words(one_page):
    visits, _ = one_page
    return visits, visits(1280, 900, query="words", running=False)


@pytest.fixture
def one(one_page_of_words):
    """One page for all tests that are content with it; each finds it as at the beginning."""
    visits, page = one_page_of_words
    page.evaluate(f"{PAGE}.begin({{}}, 'paused')")
    page.evaluate(f"{PAGE}.present(false)")
    wait(page, "page.atRest && page.round === 0 && Object.keys(page.told.scene).length === 0", 120)
    with visits.listening():
        yield page


def say(page, sentence):
    """Type a sentence into the box."""
    box = page.locator("#prompt-box")
    box.fill(sentence)
    box.press("Enter")


def help_of(page):
    return page.locator("#prompt > .help").inner_text()


def choose(page, lesson):
    page.locator(f"#lesson input[value={lesson}]").check(force=True)
    wait(page, f"page.inForce.lesson === '{lesson}' && page.atRest", 120)


def test_a_sentence_that_is_typed_is_drawn(one):
    before = images(one, "reference")
    say(one, "2 Bold green 7s")
    wait(one, f"page.inForce.prompt === '{OTHER}' && page.atRest", 120)
    assert one.locator("#prompt-box").input_value() == OTHER, "as the grammar writes it"
    assert np.abs(images(one, "reference") - before).mean() > 0
    assert one.locator("#prompt [data-sentence][aria-pressed=true]").inner_text() == OTHER
    assert one.evaluate("document.activeElement.id") != "prompt-box", "the next key is the page's"


def test_a_word_that_is_not_known_is_named_with_the_nearest_and_nothing_is_lost(one):
    press(one, "step")
    at_rest(one, 1)
    before, sentence = images(one, 0), one.evaluate(f"{PAGE}.inForce.prompt")
    say(one, "a purpel thre left of a dragon")
    assert eventually(lambda: '"purpel" (perhaps "purple"), "thre" (perhaps "three"), "dragon"' in help_of(one), 30)
    assert one.locator("#prompt-box").input_value() == "a purpel thre left of a dragon", "it can be mended"
    assert one.evaluate(f"{PAGE}.inForce.prompt") == sentence
    assert one.evaluate(f"{PAGE}.round") == 1
    assert np.abs(images(one, 0) - before).max() == 0
    press(one, "step")
    at_rest(one, 2)
    one.locator("#prompt-box").focus()
    one.keyboard.press("Escape")
    assert one.locator("#prompt-box").input_value() == sentence
    assert eventually(lambda: "perhaps" not in help_of(one))
    assert one.evaluate(f"{PAGE}.round") == 2


def test_play_changes_the_lane_alone(one):
    reference = images(one, "reference")
    assert seen(one, ".orw-board[data-lane='0'] canvas").std() > 20, "there is something to see"
    assert np.abs(images(one, 0) - reference).max() == 0
    press(one, "toggle")
    wait(one, "page.round > 1", 120)
    press(one, "toggle")
    wait(one, "page.atRest", 120)
    assert np.abs(images(one, "reference") - reference).max() == 0
    assert np.abs(images(one, 0) - reference).mean() > 0.01
    frame = one.evaluate(f"{PAGE}.grids.frame")
    numbers = frame["lanes"][0]["numbers"]
    said = [f"{numbers[key]:.2f}".replace("-", "−") for key in ("score", "judge", "true", "diversity")]
    assert board(one, 0).locator("dd").all_inner_texts() == said
    assert board(one, 0).locator(".orw-verdict").inner_text() == frame["lanes"][0]["said"] != ""


def test_guidance_redraws_the_reference_and_begins_nothing_again(one):
    press(one, "step")
    at_rest(one, 1)
    before, lane = images(one, "reference"), images(one, 0)
    drag(one, "guidance", 3)
    wait(one, "frame.reference.when && frame.settings.guidance === page.controls.guidance.value && page.atRest", 120)
    value = one.evaluate(f"{PAGE}.inForce.guidance")
    assert board(one, "reference").locator(".orw-when").inner_text() == f"guidance {value:g}"
    left = "name => name.getBoundingClientRect().left"
    axis = "name.parentNode.querySelector('.orw-frame').getBoundingClientRect().left"
    within = one.locator(".orw-floor-name").evaluate_all(f"names => names.map({left} >= {axis})")
    assert within == [True, True], "the name of the reference's line leaves its panel"
    assert np.abs(images(one, "reference") - before).mean() > 0
    assert np.abs(images(one, 0) - lane).max() == 0
    assert one.evaluate(f"{PAGE}.round") == 1


def test_with_the_set_sentences_are_tried_while_it_learns(one):
    choose(one, "set")
    assert "not learned from" in help_of(one)
    press(one, "step")
    at_rest(one, 1)
    before = images(one, 0)
    one.evaluate("document.querySelector('#group-the-hard-sentences').open = true")
    one.locator(".hard [data-sentence]").last.click()
    last = one.locator(".hard [data-sentence]").last.inner_text()
    assert last == NEW[-1]
    one.locator("#prompt [data-sentence]", has_text=OTHER).click()
    wait(one, f"page.inForce.prompt === '{OTHER}' && page.atRest", 120)
    assert one.evaluate(f"{PAGE}.round") == 1, "it goes on"
    assert np.abs(images(one, 0) - before).mean() > 0
    assert one.evaluate(f"{PAGE}.told.log.at(-1)") == [1, "prompt", OTHER]


def test_with_this_sentence_another_one_begins_again(one):
    assert "Another sentence starts again" in help_of(one)
    press(one, "step")
    at_rest(one, 1)
    one.locator("#prompt [data-sentence]", has_text=OTHER).click()
    wait(one, f"page.inForce.prompt === '{OTHER}' && page.round === 0 && page.atRest", 120)


def test_a_picture_is_read_word_by_word(one):
    board(one, 0).locator("[role=gridcell]").nth(5).click()
    one.wait_for_selector(".orw-words")
    assert one.locator(".orw-words").count() == 2, "the reference's and the lane's"
    table = one.locator(".orw-words").first
    heads = table.locator("thead th").all_inner_texts()
    assert heads == ["Word", "True?", "Measured in the pixels", "CLIP score without it"]
    words = table.locator("tbody th").all_inner_texts()
    assert set(PROMPTS[0].replace(" of", "_of").split()) - {"a", "an"} <= {w.replace(" of", "_of") for w in words}
    for row in table.locator("tbody tr").all():
        _, holds, measured, falls = row.locator("th, td").all_inner_texts()
        assert holds in ("✓ true", "✗ false", "not asked"), "not by colour alone"
        assert measured
        assert falls == "–" or falls.split(" by ")[0] in ("falls", "rises", "the same")
    assert table.locator("tbody tr").first.locator("td").last.inner_text() == "–", "a number cannot be left out"
    one.keyboard.press("Escape")
    assert one.locator(".orw-path").is_hidden()


def test_keys_and_presenting_leave_the_sentence_in_sight(one):
    one.keyboard.press("s")
    at_rest(one, 1)
    one.locator("#prompt-box").focus()
    one.keyboard.press("r")
    assert one.evaluate(f"{PAGE}.round") == 1, "who types, types"
    one.keyboard.press("Escape")
    one.keyboard.press("p")
    assert one.locator("#prompt-box").is_visible()
    assert one.locator("#prompt .sentences").is_hidden()
    one.keyboard.press("Escape")
    assert eventually(lambda: one.locator(".lab-more").is_visible())


def test_a_move_sets_everything_and_says_what_to_watch(one):
    one.locator("[data-attempt]").nth(4).click()
    wait(one, f"page.running && page.inForce.lesson === 'set' && page.inForce.prompt === '{NEW[0]}'", 120)
    wait(one, "page.round > 0", 120)
    assert "type others" in one.locator(".attempted").inner_text()
    press(one, "toggle")
    say(one, OTHER)
    wait(one, f"page.inForce.prompt === '{OTHER}'", 120)
    assert one.locator("[data-attempt][aria-pressed=true]").count() == 1, "that is what it is for"


def test_a_link_restores_the_state_and_the_address_holds_it(come):
    page = come(
        link="#prompt=three%20purple%20rings&lesson=set&alpha=0.1&seed=5&log=1:prompt:a%20ring;1:guidance:2&round=1"
    )
    at_rest(page, 1)
    assert page.evaluate(f"{PAGE}.inForce") == {
        "prompt": "a ring", "lesson": "set", "guidance": 2, "alpha": 0.1, "others": [], "seed": 5,
    }  # fmt: skip
    assert page.locator("#prompt-box").input_value() == "a ring"
    assert board(page, "reference").locator(".orw-when").inner_text() == "guidance 2"
    say(page, OTHER)
    wait(page, f"page.inForce.prompt === '{OTHER}' && page.atRest", 120)
    page.wait_for_function(
        "decodeURIComponent(decodeURIComponent(location.hash)).includes('1:prompt:two bold green sevens')"
    )
    assert "task" not in page.evaluate("location.hash")
    again = come(link=page.evaluate("location.hash"))
    at_rest(again, 1)
    for lane in (0, "reference"):
        assert np.abs(images(again, lane) - images(page, lane)).max() == 0


@pytest.mark.parametrize(
    ("link", "said"),
    [("#prompt=a%20dragon", "not known"), ("#guidance=9", "from 1 to 4"), ("#wanted=2", "does not have")],
)
def test_a_link_that_cannot_be_followed_is_told(visit, link, said):
    page = visit(query=f"words{link}", running=False)
    assert eventually(lambda: page.locator(".notice").is_visible() and said in page.locator(".notice").inner_text(), 60)
    wait(page, f"page.atRest && page.inForce.prompt === '{PROMPTS[0]}'", 120)


def test_a_teacher_s_link_fixes_the_sentence(come):
    page = come(link="#prompt=a%20ring&lock=prompt&hide=guidance")
    assert page.locator("#guidance").is_hidden()
    assert page.evaluate("document.querySelector('#prompt').inert")
    assert page.locator("[data-attempt]").first.is_hidden(), "a move would set what is fixed"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_everything_can_be_pressed(come, width, dark):
    page = come(width, WIDTHS[width], dark, link="#others=0,1", has_touch=width < 1000, is_mobile=width < 1000)
    page.evaluate("for (const group of document.querySelectorAll('.lab details')) group.open = true")
    board(page, 1).locator("[role=gridcell]").nth(5).click()
    page.wait_for_selector(".orw-words")
    say(page, "a thin slanted black three left of an upright purpel seven")
    assert eventually(lambda: 'perhaps "purple"' in help_of(page), 30)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(
        """() => [...document.querySelectorAll('.lab *')].filter((e) => e.getClientRects().length).map((e) => {
            const { left, right, height } = e.getBoundingClientRect();
            const pressed = e.matches('button, select, summary, .options label, .chips label');
            const { overflow } = getComputedStyle(e);
            const over = e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1;
            const cut = over && overflow !== 'visible' && e.matches('textarea, button, th, td, dt, dd');
            return { left, right, height, pressed, cut, html: e.outerHTML.slice(0, 80) }; })"""
    )
    for one in found:
        assert one["left"] >= -0.5, one
        assert one["right"] <= width + 0.5, one
        assert not one["cut"], one
        assert not one["pressed"] or one["height"] >= (43.5 if width < 1000 else 23.5), one


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(come, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = come(dark=dark, link="#others=0")
    page.evaluate("for (const group of document.querySelectorAll('.lab details')) group.open = true")
    board(page, 0).locator("[role=gridcell]").nth(5).click()
    page.wait_for_selector(".orw-words")
    found = [
        (rule["id"], node["html"][:150])
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
        if page.evaluate("(s) => !!document.querySelector(s)?.closest('#lab')", " ".join(map(str, node["target"])))
    ]
    assert found == []
