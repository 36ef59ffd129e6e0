"""The page on which lessons are written: what is typed is read, shown, kept, and becomes a room."""

import io
import re
import textwrap
from html.parser import HTMLParser

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from lab import eventually
from PIL import Image
from test_below_a_proxy import proxy

from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom import truths
from orwlab.show.lab import exact
from orwlab.show.web.writer_markup import BEGIN, SCENES, format_table

pytestmark = pytest.mark.browser

EXPECTED = ("status of 400", "status of 429")  # a browser tells of what the page asked, and of the answer it wanted
SHORT = "title: Short\nscenes:\n  - title: One\n"
WIDTHS = {360: 780, 768: 1024, 1280: 720, 1920: 1080}


@pytest.fixture
def write(browser, address):
    """``write(...)`` opens the page as a new visitor. No page may log an error, or ask anything of another address."""
    contexts, complaints, expected = [], [], [*EXPECTED]

    def opened(width=1280, dark=False, *, query="", at=address, context=None, tolerate=(), **options):
        expected.extend(tolerate)
        if context is None:
            scheme = "dark" if dark else "light"
            size = {"width": width, "height": WIDTHS[width]}
            context = browser.new_context(viewport=size, color_scheme=scheme, **options)
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: request.url.startswith((at, "blob:")) or complaints.append(request.url))
        page.goto(f"{at}classroom/write{query}")
        assert eventually(lambda: status(page) != "")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [text for text in complaints if not any(words in text for words in expected)] == []


def status(page):
    return page.locator("#writer-status").inner_text()


def said(page):
    return page.locator("#writer-said").inner_text()


def text(page):
    return page.locator("#writer-box").input_value()


def fill(page, given):
    page.locator("#writer-box").fill(given)


def told(page, *words):
    """Whether the server comes to say this of the text as it is now."""
    now = page.locator("#writer-status[aria-busy=false]")
    return eventually(lambda: now.count() == 1 and all(word in now.inner_text() for word in words))


def reads(page):
    return told(page, "Reads without errors")


def coloured(page, selector):
    """How far the pixels of an element are from grey, at most."""
    picture = np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB"))
    return int(np.ptp(picture.astype(int), axis=2).max())


def scenes(page):
    return page.locator(".writer-lesson > ol > li")


def selected(page):
    box = "document.querySelector('#writer-box')"
    return page.evaluate(f"{box}.value.slice({box}.selectionStart, {box}.selectionEnd)")


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


# What it offers -------------------------------------------------------------------------------------------------------


def shares(link, rounds):
    """The mass of each mode after some exact rounds."""
    settings = lessons.read(f'title: x\nscenes: [{{title: x, link: "{link}"}}]').scenes[0].seen.story.settings
    state = exact.dynamics(settings, settings.alpha)
    for _ in range(rounds):
        state.step()
    return exact.mass_at_modes(settings.target, state.cells, state.density)


@pytest.fixture(scope="module")
def offered():
    """Kind -> the scene of the menu."""
    given = {kind: textwrap.indent(scene, "  ") for kind, (_, scene) in SCENES.items()}
    return {kind: lessons.read(f"title: x\nscenes:\n{scene}").scenes[0] for kind, scene in given.items()}


def test_a_scene_of_every_kind_is_offered_and_its_answer_is_known(offered):
    assert {kind: scene.ask and scene.ask.kind for kind, scene in offered.items()} == {
        **{kind: kind for kind in ("choose", "alpha", "place", "curve", "order")}, "none": None,
    }  # fmt: skip
    known = {kind: truths.truth(scene) for kind, scene in offered.items()}
    assert not any(found["why"] for found in known.values())
    goal, alpha = offered["alpha"].ask.goal.value, known["alpha"]["value"]
    settings = offered["alpha"].seen.story.settings
    less, right, more = (exact.limit(settings, factor * alpha).reward for factor in (3, 1, 1 / 3))
    assert right == pytest.approx(goal, abs=0.01)
    assert less < goal - 0.1 < goal + 0.1 < more
    assert known["order"]["value"] == [2, 1, 3], "the smallest alpha has the least diversity"
    assert np.hypot(*np.subtract(known["place"]["value"], 3 / np.sqrt(2))) < 0.2, "at the mode that is paid most"


def test_the_answers_that_are_written_down_hold_in_the_exact_dynamics(offered):
    first, choose = lessons.read(BEGIN).scenes[0], offered["choose"]
    assert first.ask.options[first.ask.answer - 1] == "one mode"
    assert shares(first.link, first.rounds).max() > 0.999
    assert choose.ask.options[choose.ask.answer - 1] == "all eight"
    assert shares(choose.link, choose.rounds).min() > 0.1


class _Rows(HTMLParser):
    """The cells' texts, row by row."""

    def __init__(self, page):
        super().__init__()
        self.rows = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_format_names_every_field_there_is_in_words():
    schema = lessons.schema()
    tables = [schema, *schema["$defs"].values()]
    rows = [row for row in _Rows(format_table()).rows if len(row) == 3][1:]
    assert sorted(row[0].removesuffix(" needed") for row in rows) == sorted(
        name for table in tables for name in table["properties"]
    )
    assert sum(row[0].endswith(" needed") for row in rows) == sum(len(table["required"]) for table in tables)
    assert all(row[1] and row[2] for row in rows)
    allowed = {(name.removesuffix(" needed"), what): words for name, what, words in rows}
    assert allowed["minutes", "how long it takes"] == "a whole number from 1 to 90; 8 if it is left out"
    for minutes in (1, 90):
        assert lessons.read(f"{SHORT}minutes: {minutes}").minutes == minutes
    for minutes in (0, 91):
        with pytest.raises(ValueError, match="minutes is"):
            lessons.read(f"{SHORT}minutes: {minutes}")


@pytest.mark.parametrize("start", [BEGIN, "scenes:\n- title: One\n\n# below\nminutes: 5\ntitle: Flat", "title: Bare"])
def test_every_scene_of_the_menu_goes_where_scenes_are_and_reads(write, start):
    page = write()
    fill(page, start)
    there = start.count("- title:")
    for k in range(len(SCENES)):
        page.locator(".writer-add summary").click()
        page.locator(".writer-add button").nth(k).click()
        assert page.locator(".writer-add ul").is_hidden()
        assert focused(page) == "writer-box"
        title = re.search("title: (.*)", list(SCENES.values())[k][1])[1]
        assert selected(page) == title, "one goes on by typing"
        assert reads(page), status(page)
        assert scenes(page).count() == there + k + 1
        assert scenes(page).last.locator("h4").inner_text() == f"{there + k + 1}. {title}"
    assert set(filter(None, start.split("\n"))) <= set(text(page).split("\n"))
    asked = [one.ask and one.ask.kind for one in lessons.read(text(page)).scenes][there:]
    assert asked == ["choose", "alpha", "place", "curve", "order", None]
    lanes = scenes(page).nth(there + 4).locator(".writer-ask").inner_text()
    assert "0.3" in lanes
    assert "10" in lanes
    assert "Asked on the picture" in scenes(page).nth(there + 2).inner_text()
    while text(page) != start and page.evaluate("document.queryCommandEnabled('undo')"):
        page.keyboard.press("Control+z")
    assert text(page) == start, "what a button put in can be undone"


# It is read while one types -------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_with_its_line_and_what_was_right_stays(write):
    page = write()
    assert reads(page)
    assert page.locator("#writer-go").is_hidden()
    right = page.locator(".writer-lesson").inner_text()
    assert coloured(page, ".writer-answer") > 100
    fill(page, BEGIN.replace("rounds: 60 ", "rounds: -60 "))
    line = 1 + BEGIN.split("\n").index("    rounds: 60  # how far it runs; 0: one looks at it as it is")
    assert told(page, f"Line {line}: scenes[1].rounds is -60; allowed: greater than or equal to 0")
    assert page.locator("#writer-status").get_attribute("role") == "status"
    assert page.locator("#writer-box").get_attribute("aria-invalid") == "true"
    assert page.locator(".writer-old").inner_text() == "As it last read without errors."
    assert page.locator(".writer-lesson").inner_text() == right
    assert coloured(page, ".writer-answer") < 12, "what is old is grey"

    page.get_by_role("button", name=f"Go to line {line}").click()
    assert selected(page).strip().startswith("rounds: -60")
    assert focused(page) == "writer-box"
    page.keyboard.insert_text("    rounds: 30")
    assert reads(page)
    assert page.locator(".writer-old").is_hidden()
    assert page.locator("#writer-go").is_hidden()
    assert page.locator("#writer-box").get_attribute("aria-invalid") == "false"
    assert "Runs 30 rounds." in scenes(page).first.inner_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("title: [", ("Line ", "no YAML")),
        ("", ("Line 1", "a lesson begins with a table")),
        (f"{SHORT}    link: '#alpha=none'\n", ("Line ", "link cannot be used", "alpha")),
        (f"{SHORT}title: Again\n", ("Line ", "'title' is there twice")),
        (f"# {'x' * 70_000}\n{SHORT}", ("70039 characters", "at most 65536")),
    ],
)
def test_other_mistakes_are_told_in_the_readers_words(write, given, words):
    page = write()
    assert reads(page)
    fill(page, given)
    assert told(page, *words), status(page)
    assert page.locator("#writer-go").is_visible() == ("Line " in words[0])


def test_the_mark_stands_at_the_line_that_is_wrong_wherever_the_text_is_scrolled(write):
    page = write()
    notes = "".join(f"# {k}\n" for k in range(300))
    fill(page, f"{notes}{SHORT}    rounds: many\n")
    assert told(page, "Line 304: scenes[1].rounds")
    page.locator("#writer-go").click()
    assert selected(page) == "    rounds: many"
    for scroll in (0, 40):
        at, mark, shown = page.evaluate(
            """(by) => {
                const box = document.querySelector('#writer-box'), { lineHeight, paddingTop } = getComputedStyle(box);
                box.scrollTop += by;
                const top = box.getBoundingClientRect().top - box.scrollTop + parseFloat(paddingTop);
                const mark = document.querySelector('.writer-lines i'), { y, bottom } = box.getBoundingClientRect();
                return new Promise((told) => requestAnimationFrame(() => requestAnimationFrame(() => told(
                    [top + 303 * parseFloat(lineHeight), mark.getBoundingClientRect().top, [y, bottom]])))); }""",
            scroll,
        )
        assert mark == pytest.approx(at, abs=1.5)
        assert shown[0] < at < shown[1] - 10, "it is in sight"


def test_markup_is_text(write):
    page = write()
    evil = "<img src=x onerror='window.hit=1'>"
    fill(
        page,
        f"""title: "{evil}"
about: "{evil} about"
scenes:
  - title: "<b>{evil}"
    link: "#target=two_moons"
    say: "{evil} say"
    rounds: 9
    ask: {{kind: choose, prompt: "{evil} prompt", options: ["{evil} a", "<b>b</b>"], answer: 1}}
    why: "{evil} why"
  - title: Point
    ask: {{kind: place, prompt: "{evil} place", answer: [1, -2]}}
""",
    )
    assert reads(page), status(page)
    seen = page.locator(".writer-lesson")
    assert seen.locator("h3").inner_text() == evil
    assert seen.locator("h4").first.inner_text() == f"1. <b>{evil}"
    for words in ("about", "say", "prompt", "a", "why", "place"):
        assert f"{evil} {words}" in seen.inner_text()
    assert f"Answer: A. {evil} a" in seen.inner_text()
    assert "x 1, y −2" in seen.inner_text()
    assert page.evaluate("[document.querySelectorAll('#lab img').length, window.hit ?? null]") == [0, None]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("{kind: choose, prompt: p, options: [a, b]}", "No answer: this is a poll."),
        ("{kind: alpha, prompt: p}", "No answer: this is a poll."),
        ("{kind: alpha, prompt: p, answer: 0.3}", "Answer: α\xa0=\xa00.3"),
        (
            "{kind: alpha, prompt: p, goal: {reading: w2, value: 4}}",
            "Answer: the α whose exact limit has distance W₂² 4; worked out in the room",
        ),
        (
            "{kind: place, prompt: p, answer: first_to_die}",
            "Answer: the mode that exact rounds empty first; worked out in the room",
        ),
        (
            "{kind: curve, prompt: p, of: diversity, low: 0, high: 4}",
            "Answer: the diversity of the run, as it comes out in the room",
        ),
        ("{kind: order, prompt: p}", "Answer: by mean reward, least first; worked out in the room"),
    ],
)
def test_the_answer_is_said_as_the_file_has_it(write, ask, words):
    page = write()
    fill(page, f'title: x\nscenes:\n- {{title: y, link: "#alpha=1&others=2,3", rounds: 9, ask: {ask}}}\n')
    assert eventually(lambda: scenes(page).first.locator(".writer-answer").inner_text() == words)


def test_alphas_are_those_after_the_changes_of_a_link(write):
    page = write()
    link = "https://elsewhere.org/#alpha=2&others=5%2C7&log=3:alpha:0.25;4:others:6,8&round=9"
    fill(page, f'title: x\nscenes:\n- {{title: y, link: "{link}", ask: {{kind: order, prompt: Order}}}}\n')
    settings = lessons.read(text(page)).scenes[0].seen.story.settings
    assert settings.alphas == (0.25, 6, 8)
    assert eventually(lambda: "0.25" in scenes(page).first.locator(".writer-ask").inner_text())
    shown = scenes(page).first.locator(".writer-ask").inner_text()
    assert "6" in shown
    assert "8" in shown
    assert "5" not in shown.replace("0.25", "")
    assert "7" not in shown


def test_a_scene_opens_in_the_live_lab_of_this_app(write, address):
    page = write()
    assert reads(page)
    open_ = page.get_by_role("link", name="open “Let go” in the Live lab, in a new tab")
    assert page.evaluate("(link) => link.href", open_.element_handle()) == f"{address}#reward=bump&tau=2&alpha=0"
    assert open_.get_attribute("rel") == "noopener"
    assert open_.get_attribute("target") == "_blank"


def test_a_question_that_stays_is_not_made_anew(write):
    page = write()
    assert reads(page)
    page.evaluate("document.querySelector('.writer-ask').dataset.tried = 'yes'")
    fill(page, f"{BEGIN}  - title: Another\n")
    assert eventually(lambda: scenes(page).count() == 2)
    assert scenes(page).first.locator("[data-tried=yes]").count() == 1
    fill(page, BEGIN.replace("What is left", "What remains"))
    assert eventually(lambda: "What remains" in scenes(page).first.inner_text())
    assert scenes(page).count() == 1
    assert page.locator("[data-tried]").count() == 0


def test_a_server_that_cannot_be_reached_takes_nothing_away(write):
    page = write(tolerate=("ERR_FAILED",))
    assert reads(page)
    page.route("**/classroom/check", lambda route: route.abort())
    fill(page, SHORT)
    assert told(page, "does not answer", "Nothing is lost")
    assert text(page) == SHORT
    page.unroute("**/classroom/check")
    assert reads(page), "it asks again by itself"
    assert page.locator(".writer-lesson h3").inner_text() == "Short"


# Nothing is lost ------------------------------------------------------------------------------------------------------


def test_what_is_typed_is_there_after_a_reload_and_start_again_asks_first(write):
    page = write()
    mine = SHORT.replace("Short", "Öffnen, ⅓ & “so”")
    fill(page, mine)
    page.reload()
    assert text(page) == mine
    assert eventually(lambda: page.locator(".writer-lesson h3").inner_text() == "Öffnen, ⅓ & “so”")
    page.get_by_role("button", name="Start again").click()
    dialog = page.get_by_role("dialog", name="Start again?")
    assert "It is in no file yet." in dialog.inner_text()
    assert focused(page) == "Keep it", "who presses Enter loses nothing"
    page.keyboard.press("Escape")
    assert text(page) == mine
    page.get_by_role("button", name="Start again").click()
    dialog.get_by_role("button", name="Start again").click()
    assert eventually(lambda: text(page) == BEGIN)
    page.reload()
    assert text(page) == BEGIN


def test_two_tabs_keep_a_text_each(write):
    one = write()
    fill(one, SHORT)
    other = write(context=one.context)
    assert text(other) == SHORT, "a new one begins with what was written last"
    fill(other, SHORT.replace("Short", "Other"))
    one.reload()
    other.reload()
    assert text(one) == SHORT
    assert "Other" in text(other)


def test_a_browser_that_keeps_nothing_says_so(write, browser, address):
    context = browser.new_context()
    context.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
    page = write(context=context)
    fill(page, SHORT)
    assert reads(page)
    told = page.evaluate("getComputedStyle(document.querySelector('#writer-keys'), '::after').content")
    assert "This browser keeps nothing of what you type" in told
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(f"{address}classroom/schema.json")
    assert asked == ["beforeunload"]
    context.close()


def test_a_lesson_that_comes_along_is_begun_with_by_the_list_or_the_address(write):
    name = lessons.names()[0]
    page = write()
    page.get_by_label("Begin with").select_option(name)
    page.get_by_role("button", name="Begin", exact=True).click()
    assert eventually(lambda: text(page) == lessons.text_of(name)), "nothing was written yet: it does not ask"
    fill(page, SHORT)
    page.get_by_role("button", name="Begin", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    assert text(page) == SHORT

    asked = write(query=f"?lesson={name}")
    assert eventually(lambda: text(asked) == lessons.text_of(name))
    assert reads(asked)
    fill(asked, SHORT)
    asked.reload()
    assert text(asked) == SHORT, "the address asked once"
    asked.goto(f"{asked.url}?lesson={name}")
    with asked.expect_download() as saved:
        asked.get_by_role("dialog").get_by_role("button", name="Save it as a file first").click()
    assert saved.value.path().read_text(encoding="utf-8") == SHORT
    assert eventually(lambda: text(asked) == lessons.text_of(name))


def test_a_lesson_that_there_is_not_is_told(write):
    page = write(query="?lesson=<b>x")
    assert said(page).startswith("lesson is “<b>x”; allowed: one of")
    assert lessons.names()[0] in said(page)
    assert text(page) == BEGIN


# Files, and what it becomes -------------------------------------------------------------------------------------------


def test_what_is_saved_is_the_text_and_loads_again(write, tmp_path):
    page = write()
    mine = f"{SHORT}# ümläut ✓\n\n"
    fill(page, mine.replace("Short", "Wer stirbt zuerst?"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a file").click()
    assert saved.value.suggested_filename == "wer_stirbt_zuerst.yaml"
    assert saved.value.path().read_bytes() == text(page).encode()
    file = tmp_path / "lesson.yaml"
    file.write_bytes(mine.replace("\n", "\r\n").encode())
    page.locator("#writer-file").set_input_files(file)
    assert eventually(lambda: text(page) == mine), "it is in a file: it does not ask"
    assert said(page) == "Loaded lesson.yaml."
    fill(page, SHORT)
    page.locator("#writer-file").set_input_files(file)
    page.get_by_role("dialog", name="Load lesson.yaml?").get_by_role("button", name="Load it").click()
    assert eventually(lambda: text(page) == mine)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#" * 70_000, "big.yaml has 69 kB; allowed: at most 64 kB."),
        (b"title: \xff\xfe", "big.yaml cannot be read; allowed: a file of text, as UTF-8."),
    ],
)
def test_files_that_are_none_are_told_and_change_nothing(write, tmp_path, content, words):
    page = write()
    file = tmp_path / "big.yaml"
    file.write_bytes(content)
    page.locator("#writer-file").set_input_files(file)
    assert eventually(lambda: said(page) == words), said(page)
    assert text(page) == BEGIN


def test_a_file_can_be_dropped_onto_the_box(write):
    page = write()
    files = page.evaluate_handle(
        """(text) => { const all = new DataTransfer();
            all.items.add(new File([text], 'dropped.yaml')); return all; }""",
        SHORT,
    )
    box = page.locator("#writer-box")
    box.dispatch_event("dragover", {"dataTransfer": files})
    box.dispatch_event("drop", {"dataTransfer": files})
    assert eventually(lambda: text(page) == SHORT)
    assert said(page) == "Loaded dropped.yaml."
    assert page.locator(".writer-over").count() == 0


def test_it_is_copied(write, address):
    page = write(permissions=["clipboard-read", "clipboard-write"])
    fill(page, SHORT)
    page.get_by_role("button", name="Copy").click()
    assert eventually(lambda: said(page) == "Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == SHORT


def test_a_room_opens_with_it(write, address):
    page = write()
    fill(page, SHORT)
    page.get_by_role("button", name="Open a room with it").click()
    page.wait_for_url("**/classroom#*")
    room = page.locator(".room-in")
    room.wait_for()
    code = re.match(rf"{address}classroom#(\w+)", page.url)[1]
    assert eventually(lambda: code in room.inner_text())
    secret = page.evaluate("(code) => JSON.parse(localStorage['orwlab.rooms'])[code].secret", code)
    entered = page.request.post(f"{address}join/enter", data={"code": code, "name": ""}).json()
    assert entered["lesson"] == "Short"
    who = {"Authorization": f"Bearer {secret}"}
    assert page.request.post(f"{address}classroom/delete", data={"code": code}, headers=who).json() == {"deleted": True}


def test_no_room_opens_while_something_is_wrong(write):
    page = write()
    fill(page, "title: Nothing else")
    page.get_by_role("button", name="Open a room with it").click()
    assert eventually(lambda: said(page) == "No room was opened: something in the text is wrong.")
    assert "scenes is missing" in status(page)
    assert "classroom/write" in page.url
    page.get_by_role("button", name="Handout").click()
    assert said(page) == "There is no handout while something in the text is wrong."
    assert len(page.context.pages) == 1


def test_the_handout_opens_in_another_tab(write, address):
    page = write()
    fill(page, SHORT.replace("Short", "Wer & wie"))
    assert reads(page)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Handout").click()
    sheet = opened.value
    sheet.wait_for_load_state()
    assert sheet.url == f"{address}classroom/handout"
    assert "Wer & wie" in sheet.title() + sheet.locator("body").inner_text()


def test_it_works_below_a_path_that_the_server_does_not_know(write, address):
    with proxy(address, "/user/x/lab") as outside:
        page = write(at=f"{outside}/")
        assert reads(page)
        for link in page.locator("#lab a").all():
            assert page.evaluate("(link) => link.href", link.element_handle()).startswith(f"{outside}/")
        page.get_by_label("Begin with").select_option(lessons.names()[0])
        page.get_by_role("button", name="Begin", exact=True).click()
        assert eventually(lambda: text(page) == lessons.text_of(lessons.names()[0]))
        page.get_by_role("button", name="Open a room with it").click()
        page.wait_for_url(f"{outside}/classroom#*")
        page.context.close()


# Keys, sizes, everybody -----------------------------------------------------------------------------------------------


def test_all_of_it_goes_by_keyboard(write):
    page = write()
    fill(page, SHORT)
    page.keyboard.press("Control+End")
    page.keyboard.press("Tab")
    assert text(page) == f"{SHORT}  ", "Tab indents"
    page.keyboard.type("  say: Look")
    page.keyboard.press("Enter")
    page.keyboard.type("rounds: 9")
    assert text(page).endswith("    say: Look\n    rounds: 9"), "Enter keeps the indentation"
    page.keyboard.press("Control+a")
    page.keyboard.press("Tab")
    assert text(page).split("\n") == [
        *("  title: Short", "  scenes:", "    - title: One", "      say: Look", "      rounds: 9"),
    ]
    page.keyboard.press("Control+z")
    assert text(page).startswith("title: Short")
    assert "press Escape, then Tab" in page.locator("#writer-keys").inner_text()
    page.keyboard.press("Control+End")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert focused(page) == "writer-open"
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "writer-box"
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "Add a scene"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page) == SCENES["choose"][0]
    page.keyboard.press("Escape")
    assert focused(page) == "Add a scene"
    assert page.locator(".writer-add ul").is_hidden()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("Typed over")
    assert reads(page), status(page)
    assert eventually(lambda: scenes(page).count() == 2)
    assert scenes(page).last.locator("h4").inner_text() == "2. Typed over"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/classroom#*")


def test_a_long_text_is_indented_without_a_wait(write):
    page = write()
    long = "".join(f"# note {k} {'y' * 40}\n" for k in range(1000)) + SHORT
    fill(page, long)
    page.keyboard.press("Control+a")
    took = page.evaluate(
        """() => { const before = performance.now();
            document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Tab', cancelable: true }));
            return performance.now() - before; }"""
    )
    assert text(page) == textwrap.indent(long, "  ")
    assert took < 1500
    assert reads(page), "a lesson may be indented as a whole"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("wrong", [False, True])
def test_axe_finds_nothing(write, dark, wrong):
    page = write(dark=dark)
    assert reads(page)
    for k in range(len(SCENES)):
        page.locator(".writer-add summary").click()
        page.locator(".writer-add button").nth(k).click()
    assert eventually(lambda: scenes(page).count() == 7)
    if wrong:
        fill(page, text(page).replace("rounds: 60", "rounds: sixty"))
        assert told(page, "Line ")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = [
        (rule["id"], node["html"][:150]) for rule in Axe().run(page).response["violations"] for node in rule["nodes"]
    ]
    assert found == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_everything_can_be_pressed(write, width, dark):
    phone = width < 1000
    page = write(width, dark, has_touch=phone, is_mobile=phone)
    fill(page, BEGIN.replace("about: What", f"about: {'long' * 60} What").replace("rounds: 60", "rounds: sixty"))
    assert told(page, "Line ")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(
        """() => [...document.querySelectorAll('.writer *')].filter((e) => e.getClientRects().length).map((e) => {
            const { left, right, height } = e.getBoundingClientRect(), { fontSize } = getComputedStyle(e);
            const pressed = e.matches('button, select, summary, header a'), html = e.outerHTML.slice(0, 80);
            return { left, right, height, size: parseFloat(fontSize), pressed, html }; })"""
    )
    for one in found:
        if "lab-said" in one["html"]:
            continue
        assert one["left"] >= -0.5, one
        assert one["right"] <= width + 0.5, one
        assert one["size"] >= 13, one
        assert not one["pressed"] or one["height"] >= 43.5, one
    written, seen = (page.locator(part).bounding_box() for part in (".writer-text", ".writer-seen"))
    if phone:
        assert seen["y"] >= written["y"] + written["height"], "one below the other"
    else:
        assert seen["x"] >= written["x"] + written["width"], "side by side"
        assert abs(seen["y"] - written["y"]) < 2
