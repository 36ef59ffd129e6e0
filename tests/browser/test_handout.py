"""A lesson's handout, on a screen and on paper."""

import re

import pytest

from orwlab.show.classroom import lesson as lessons
from orwlab.show.web import classroom_assets, handout_markup

pytestmark = pytest.mark.browser
NAMES = lessons.names()
PAPER = {"A4": (794, 1123), "Letter": (816, 1056)}  # in pixels of 1/96 inch
BESIDE = 2 * 13 / 25.4 * 96  # the margins of ``handout.css``
SMALLEST = 11
EVIL = '<img src=x onerror="document.title=1">'
HOSTILE = f"""
title: '{EVIL} & "quoted"'
about: '</p><script>document.title = 2</script>'
minutes: 1
scenes:
  - title: '<b>one</b>'
    say: '<style>body {{ display: none }}</style>'
    link: "#alpha=1&others=3,10"
    ask: {{kind: choose, prompt: '{EVIL}', options: ['</li><h1>a</h1>', '&lt;b&gt;'], answer: 1}}
    why: '{EVIL}'
  - title: two
    link: "#alpha=1&others=3,10"
    ask: {{kind: order, prompt: '{EVIL}', by: w2}}
"""


def styled(lesson):
    """A handout that needs no server."""
    kind, text, _ = classroom_assets.asset(classroom_assets.address("handout", "css").rpartition("/")[2])
    assert kind == "text/css"
    page = handout_markup.handout(lesson, "../")
    return re.sub(r'<link rel="(icon|stylesheet)"[^>]*>|<script[^>]*></script>', "", page).replace(
        "</head>", f"<style>{text}</style></head>"
    )


def text_of(name):
    return lessons.read(lessons.text_of(name))


@pytest.fixture
def shown(browser):
    """``shown(lesson, width, ...)``: a page with its handout."""
    pages = []

    def show(lesson, width=1280, height=800, **options):
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        pages.append(page)
        page.set_content(styled(lesson))
        return page

    yield show
    for page in pages:
        page.close()


def sticking_out(page):
    """Elements whose text is cut, or that are wider than the page."""
    return page.evaluate(
        """() => [...document.querySelectorAll("main, main *:not(svg *)")].filter((one) => {
             const box = one.getBoundingClientRect();
             return box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5 ||
               one.scrollWidth > Math.ceil(one.clientWidth) + 1 && getComputedStyle(one).display !== "inline";
           }).map((one) => `${one.tagName} ${one.textContent.slice(0, 40)}`)"""
    )


def type_sizes(page):
    """The size of all that is read, as it is drawn: letters in pictures shrink with them."""
    return page.evaluate(
        """() => [...document.querySelectorAll("main *")]
             .filter((one) => one.checkVisibility())
             .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
             .map((one) => {
               const svg = one.closest("svg");
               const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
               return scale * parseFloat(getComputedStyle(one).fontSize);
             })"""
    )


# On paper -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paper", PAPER)
@pytest.mark.parametrize("name", NAMES)
def test_it_prints_on_two_or_three_pages_and_nothing_is_cut(shown, name, paper):
    width, height = PAPER[paper]
    page = shown(text_of(name), round(width - BESIDE), height)
    pdf = page.pdf(format=paper)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) <= 3
    page.emulate_media(media="print")
    assert not sticking_out(page)
    assert min(type_sizes(page)) >= SMALLEST
    assert not page.locator(".print").is_visible(), "a button is no use on paper"
    for scene in page.locator("section.scene").all():
        assert scene.bounding_box()["height"] < height - 100, "a scene is not torn in two"


def test_on_paper_it_is_black_on_white_whatever_the_screen_is(shown):
    page = shown(text_of("3_who_dies_first"), color_scheme="dark")
    colours = "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
    dark = page.evaluate(colours)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert dark != ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


def test_answers_are_on_a_page_of_their_own(shown):
    lesson = text_of("1_collapse")
    page = shown(lesson)
    teacher = page.locator("section.teacher")
    page.emulate_media(media="print")
    assert teacher.evaluate("(one) => getComputedStyle(one).breakBefore") == "page"
    before = page.evaluate("document.querySelector('section.teacher').remove() ?? document.body.innerText")
    for scene in lesson.scenes:
        assert not scene.why or scene.why not in before
    assert "Worked out" not in before


# What is on it --------------------------------------------------------------------------------------------------------


def test_there_is_room_for_each_kind_of_guess(shown):
    page = shown(text_of("3_who_dies_first"))
    assert page.locator("section.scene").count() == 5
    sharp = page.locator("section.scene").nth(1)
    assert sharp.locator(".options li").count() == sharp.locator(".options .box").count() == 4
    assert sharp.locator(".options li").first.inner_text().split() == ["A", "The", "left", "one", "both", "times"]
    plane = page.locator("section.scene").first.locator("svg")
    assert plane.get_attribute("aria-label") == "an empty plane, x and y from −5 to 5"
    assert page.locator("section.scene").nth(3).inner_text().endswith("What I see")

    curve = shown(text_of("4_kl_or_w2")).locator("section.scene").first
    assert curve.locator("svg text").all_text_contents() == [
        "distance W₂²", "round", "0", "50", "100", "150", "0", "2", "4", "6", "8", "10",
    ]  # fmt: skip
    alpha = shown(text_of("4_kl_or_w2")).locator("section.scene").nth(3)
    assert alpha.locator("svg text").all_text_contents() == ["0", "0.01", "0.1", "1", "10", "100"]
    order = shown(text_of("2_what_alpha_does")).locator("section.scene").nth(3)
    assert order.locator(".ranks li").all_inner_texts() == ["α = 0.3", "α = 1", "α = 3", "α = 30"]
    assert order.locator(".ranks .box").count() == 4
    assert "1: the least share of effective samples; 4: the most" in order.inner_text()


def test_contours_are_drawn_where_the_data_are(shown):
    """The lines around the data of the plane, in its own numbers, lie around the eight spots and nowhere else."""
    page = shown(text_of("3_who_dies_first"))
    found = (
        page.locator("section.scene")
        .first.locator("svg")
        .evaluate(
            """(svg) => [...svg.querySelectorAll("path.data")].map((path) => path.getAttribute("d").split("M").slice(1)
             .map((line) => line.split("L").map((point) => point.split(" ").map(Number))))"""
        )
    )
    plane, margin = handout_markup.PLANE, handout_markup.MARGIN
    for level, lines in enumerate(found):
        assert len(lines) == 8, "one around each spot"
        for line in lines:
            places = [((x - margin) / plane * 10 - 5, (plane - y) / plane * 10 - 5) for x, y in line]
            assert places[0] == places[-1], "it is closed"
            middle = [sum(c) / (len(places) - 1) for c in zip(*places[:-1])]
            assert abs((middle[0] ** 2 + middle[1] ** 2) ** 0.5 - 3) < 0.1
            away = [((x - middle[0]) ** 2 + (y - middle[1]) ** 2) ** 0.5 for x, y in places]
            radius = 0.3 * (4.605**0.5, 1.386**0.5)[level]  # of a Gaussian: 9 of 10 samples, and a half
            assert min(away) > 0.85 * radius
            assert max(away) < 1.15 * radius


def test_markup_in_a_lesson_is_text(shown):
    lesson = lessons.read(HOSTILE)
    page = shown(lesson)
    page.wait_for_timeout(100)
    assert page.title() == f'Handout: {EVIL} & "quoted"'
    assert page.locator("h1").all_inner_texts() == [f'{EVIL} & "quoted"']
    assert page.locator("img, main script, main style, main b b").count() == 0
    assert page.locator("section.scene h2").first.inner_text() == "1. <b>one</b>"
    assert page.locator(".options li").all_inner_texts()[0].endswith("</li><h1>a</h1>")
    assert page.locator(".options li").all_inner_texts()[1].endswith("&lt;b&gt;")
    assert page.locator(".answers li").first.inner_text().count(EVIL) == 1
    assert "1 minute." in page.locator(".facts").inner_text()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_light(name):
    assert len(handout_markup.handout(text_of(name), "../").encode()) < 100_000


@pytest.mark.parametrize("target", ["checkerboard", "rings", "two_spirals", "digits_latent"])
def test_a_plane_of_any_data_is_light(target):
    ask = {"kind": "place", "prompt": "?"}
    scene = lessons.Scene(title="a scene", link=f"#target={target}&reward=ring", ask=ask)
    page = handout_markup.handout(lessons.Lesson(title="a lesson", scenes=(scene,)), "../")
    assert 5_000 < len(page.encode()) < 100_000


# On a screen ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
@pytest.mark.parametrize("name", ["2_what_alpha_does", "3_who_dies_first", "4_kl_or_w2"])
def test_on_a_screen_nothing_sticks_out_and_all_can_be_read(shown, name, width):
    page = shown(text_of(name), width)
    assert not sticking_out(page)
    assert min(type_sizes(page)) >= 12.9
    assert page.locator(".print").bounding_box()["height"] >= 44


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(shown, dark):
    from axe_playwright_python.sync_playwright import Axe

    for name in ("2_what_alpha_does", "3_who_dies_first"):
        page = shown(text_of(name), color_scheme="dark" if dark else "light")
        found = Axe().run(page).response["violations"]
        assert not [(one["id"], one["nodes"][0]["html"][:120]) for one in found]


def test_the_app_serves_it_and_the_button_prints(browser, address):
    page = browser.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.add_init_script("window.print = () => { window.printed = (window.printed ?? 0) + 1; };")
    page.goto(f"{address}classroom/handout?lesson=1_collapse")
    assert page.locator("h1").inner_text() == "Collapse"
    assert page.evaluate("getComputedStyle(document.querySelector('.scene')).borderTopStyle") == "solid", "its style"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "print"
    page.keyboard.press("Enter")
    page.locator(".print").click()
    assert page.evaluate("window.printed") == 2
    assert not problems
    page.set_content(
        f'<form method="post" action="{address}classroom/handout"><textarea name="text"></textarea></form>'
    )
    page.locator("textarea").fill(HOSTILE)
    page.evaluate("document.forms[0].submit()")
    page.wait_for_selector("h1")
    assert page.locator("h1").inner_text() == f'{EVIL} & "quoted"'
    page.close()
