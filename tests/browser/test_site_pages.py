"""The site in a browser: from a disk, with the network cut."""

import itertools
from urllib.parse import urlsplit

import lab
import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser
KINDS = {"start": "index.html", "notebook": "notebooks/00_start_here.html", "module": "api/finetune.html"}
UPSTREAM = {"definition-list"}  # Sphinx breaks a long signature with a list in it that has no terms
SHOWN = (
    "index.html",
    "gallery.html",
    "methods.html",
    "api/finetune.html",
    "notebooks/README.html",
    "notebooks/05_orw_cfm_w2.html",
    "notebooks/13_neighbours.html",
)
SMALL = """ms => ms.filter(m => m.checkVisibility() && m.getBoundingClientRect().height < 4 && m.textContent.trim())
    .map(m => m.outerHTML)"""


@pytest.fixture
def opened(browser, site):
    """``opened(path, width, **options)``: the page, which may log no error and ask for nothing but files."""
    complaints, contexts = [], []

    def open(path, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda one: None if one.url.startswith(("file:", "data:", "blob:")) else complaints.append(one.url),
        )
        page.goto(f"{site.as_uri()}/{path}")
        return page

    yield open
    for context in contexts:
        context.close()
    assert complaints == []


def test_the_start_page_has_the_lab_at_work_where_there_is_room(opened):
    page = opened("index.html")
    frame = page.frame_locator("iframe[title='The Pocket lab']")
    frame.locator("#toggle").click()
    inside = next(one for one in page.frames if "pocket/" in one.url)
    lab.wait(inside, "round >= 3")
    phone = opened("index.html", width=360, has_touch=True)
    assert phone.locator("iframe").count() == 0
    phone.get_by_role("link", name="Open the Pocket lab").click()
    lab.wait(phone, "counters.painted > 0")


def framed(page):
    """The lab in the start page, once it has painted."""
    page.locator("iframe:not(.waiting)").wait_for()
    inside = next(one for one in page.frames if "pocket/" in one.url)
    lab.wait(inside, "counters.painted > 0")
    return inside


FITS = "() => innerHeight === Math.ceil(document.querySelector('main').getBoundingClientRect().height)"
HEIGHT = "document.querySelector('iframe').clientHeight"


def test_the_frame_is_as_tall_as_the_lab_also_with_a_panel_open_so_that_the_page_alone_scrolls(opened):
    page = opened("index.html")
    reserved = page.evaluate(HEIGHT)
    inside = framed(page)
    inside.wait_for_function(FITS)
    folded = page.evaluate(HEIGHT)
    assert abs(folded - reserved) < 25, "what is below would jump"
    inside.locator(".line-lab > summary").click()
    inside.wait_for_function(f"innerHeight > {folded} + 300")
    whole = "document.documentElement.scrollHeight"
    assert lab.eventually(lambda: page.evaluate(HEIGHT) == inside.evaluate(whole)), "there is something to scroll in it"
    inside.locator(".line-lab > summary").click()
    page.wait_for_function(f"{HEIGHT} === {folded}")


def test_only_the_lab_says_how_tall_it_is_and_only_within_bounds(opened):
    page = opened("index.html")
    inside = framed(page)
    inside.wait_for_function(FITS)
    assert page.evaluate(HEIGHT) == inside.evaluate("innerHeight")
    told = page.evaluate(HEIGHT)
    page.evaluate("postMessage({ about: 'height', height: 2000 }, '*')")  # from no frame
    for height in ("299", "12001", "Infinity", "NaN", "'2000'", "null", "-5"):
        inside.evaluate(f"parent.postMessage({{ about: 'height', height: {height} }}, '*')")
    inside.evaluate("parent.postMessage(null, '*')")
    page.wait_for_timeout(200)
    assert page.evaluate(HEIGHT) == told
    inside.evaluate("parent.postMessage({ about: 'height', height: 2000 }, '*')")
    page.wait_for_function(f"{HEIGHT} === 2000")


def test_the_lab_in_the_frame_fills_the_screen_and_comes_back_as_it_was(opened):
    page = opened("index.html")
    inside = framed(page)
    inside.wait_for_function(FITS)
    told = page.evaluate(HEIGHT)
    inside.locator("#present").click()
    page.wait_for_function("document.fullscreenElement?.matches('iframe')")
    inside.wait_for_function("document.fullscreenElement && innerHeight <= 800")
    inside.locator("#leave").click()
    page.wait_for_function(f"!document.fullscreenElement && {HEIGHT} === {told}")
    inside.wait_for_function(FITS)
    inside.locator("#help").click()
    close = inside.locator("#lab-keys button")
    close.click()
    assert not close.is_visible()


def test_figures_are_drawn_and_formulas_set(opened):
    page = opened("notebooks/05_orw_cfm_w2.html")
    figures = page.locator(".orw-figure")
    assert figures.count() == 13
    for k in (0, 12):  # only those that somebody comes near
        figures.nth(k).scroll_into_view_if_needed()
        page.wait_for_function("k => document.querySelectorAll('.orw-figure')[k].matches('.drawn')", arg=k)
        assert figures.nth(k).locator("svg.main-svg").count() >= 1
        assert len(figures.nth(k).locator("[role=group]").get_attribute("aria-label")) > 40
    assert page.locator("script[src*=plotly]").count() == 1
    formulas = page.locator("article p math, article .formula math")
    assert formulas.count() > 150
    assert formulas.evaluate_all(SMALL) == []
    high = page.locator(".formula math:has(mfrac)").first.bounding_box()["height"]
    assert (
        high > 1.5 * page.locator("p math:not(:has(mfrac))").first.bounding_box()["height"]
    )  # a fraction is a fraction


OUTSIDE = """plots => plots.flatMap(plot => {
    const frame = plot.getBoundingClientRect();
    return [...plot.querySelectorAll("svg text")].map(text => [text.textContent, text.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.left < frame.left - 5 || box.right > frame.right + 5))
        .map(([words]) => words);
})"""


@pytest.mark.parametrize("name", ["05_orw_cfm_w2", "07_the_trade_off"])
def test_figures_on_a_phone_are_whole_and_say_that_they_go_on(opened, name):
    page = opened(f"notebooks/{name}.html", width=360)
    figures = page.locator(".orw-figure")
    for k in range(min(figures.count(), 6)):
        figures.nth(k).scroll_into_view_if_needed()
        page.wait_for_function("k => document.querySelectorAll('.orw-figure')[k].matches('.drawn')", arg=k)
    drawn = page.locator(".orw-figure.drawn")
    assert drawn.locator("> [role=group]").evaluate_all(OUTSIDE) == []
    assert drawn.locator(".plot").evaluate_all("all => all.filter(one => one.getBoundingClientRect().width < 80)") == []
    hints = drawn.evaluate_all("all => all.map(one => getComputedStyle(one, '::after').content)")
    assert all("scroll sideways" in hint for hint in hints)
    assert drawn.evaluate_all("all => all.map(one => one.tabIndex)") == [0] * len(hints)


def test_a_figure_is_as_wide_as_its_labels_need(opened):
    """Six panels beside each other on a page of 1280 pixels: their axes' names lay over each other."""
    page = opened("notebooks/12_failure_gallery.html")
    place = page.locator(".orw-figure").nth(11)
    place.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.orw-figure')[11].matches('.drawn')")
    names = [
        box for box in (one.bounding_box() for one in place.locator("text", has_text="first coordinate").all()) if box
    ]
    assert len(names) == 6
    assert all(one["x"] + one["width"] < other["x"] for one, other in itertools.pairwise(names))
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_without_scripts_the_pictures_stay(opened):
    page = opened("notebooks/00_start_here.html", java_script_enabled=False)
    picture = page.locator(".orw-figure img").first
    picture.scroll_into_view_if_needed()
    assert picture.bounding_box()["width"] > 200


def test_a_stage_plays_on_in_the_pocket_lab(opened):
    page = opened("notebooks/09_compression.html")
    page.get_by_role("link", name="Play this run in the Pocket lab").click()
    lab.wait(page, "round === 100 && !meta.replaying")
    assert lab.state(page)["meta"]["lanes"][0]["alpha"] == 1
    page.go_back()
    page.get_by_text("A film of it, for those without a kernel").click()
    film = page.locator("details[open] img")
    film.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('details[open] img').naturalWidth > 300")


def test_the_search_finds(opened):
    page = opened("index.html")
    page.locator("input[name=q]").first.fill("Wasserstein bound")
    page.keyboard.press("Enter")
    page.locator("#search-results a[href*='04_wasserstein_and_the_bound']").first.click()
    page.locator("h1", has_text="velocities").wait_for()


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("alpha", "notebooks/"),  # a property of four classes too
        ("collapse", "notebooks/00"),
        ("KL", "notebooks/06"),
        ("handout", "a_class"),
        ("FineTuning", "api/methods.orw.html#"),
        ("PopulationDynamics.step", "api/exact.dynamics.html#"),
        ("adjoint matching", "api/methods.adjoint_matching"),
        ("DPO", "notebooks/"),  # no part of DDPO or FixedPoint
    ],
)
def test_the_search_finds_first_what_is_meant(opened, words, first):
    assert found(opened, words)[0][0].startswith(first)


def found(opened, words):
    """Addresses and titles, in the order of the list."""
    page = opened(f"search.html?q={words}")
    page.locator("#search-results h2", has_text="Search Results").wait_for()
    page.wait_for_function("document.querySelector('.search-summary').innerText")
    return page.locator("#search-results li a").evaluate_all(
        "all => all.map(a => [a.getAttribute('href'), a.innerText])"
    )


@pytest.mark.parametrize(
    ("one", "other"), [("W₂", "W2"), ("W_2", "W2"), ("optimization", "optimisation"), ("τ", "tau")]
)
def test_other_spellings_find_the_same(opened, one, other):
    here = found(opened, one)
    assert len(here) > 5
    assert {where for where, _ in here} == {where for where, _ in found(opened, other)}


def test_other_words_and_symbols_lead_somewhere_and_notebooks_have_their_numbers(opened):
    assert "notebooks/00_start_here.html" in [where for where, _ in found(opened, "overfitting")]
    titled = found(opened, "overoptimization")
    assert any(where.startswith("notebooks/08") for where, _ in titled)
    assert all(title[:3] == f"{where[10:12]} " for where, title in titled if where.startswith("notebooks/0"))
    for symbol in ("tau", "alpha"):
        first = [where.partition("#")[0] for where, _ in found(opened, symbol)[:4]]
        assert {"notebooks/notation.html", "the_words.html"} & {*first}, symbol


# Paper ----------------------------------------------------------------------------------------------------------------

SHEET = {"width": 718, "height": 1000}  # A4 within its margins
PICTURES = """() => [...document.querySelectorAll(".orw-figure > img")].every(
    one => one.complete && one.naturalWidth > 100)"""
SEEN = "() => [...document.querySelectorAll('.orw-figure > img')].every(one => one.getBoundingClientRect().width > 300)"


def test_on_paper_stand_all_pictures_and_nothing_is_cut(opened):
    page = opened("notebooks/05_orw_cfm_w2.html")
    page.locator(".orw-figure").first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.orw-figure.drawn')")
    page.wait_for_function(PICTURES)  # also of those far below
    assert not page.evaluate(SEEN)
    page.set_viewport_size(SHEET)
    page.emulate_media(media="print")
    assert page.evaluate(SEEN)
    assert not page.locator(".skip-to-content").is_visible()
    assert page.locator(".orw-figure .main-svg").first.is_hidden()
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert page.locator("article pre, article .orw-figure").evaluate_all(wide) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= SHEET["width"]


def test_the_pocket_lab_on_paper_keeps_its_picture_in_shape_and_has_no_controls(opened):
    page = opened("pocket/index.html")
    lab.wait(page, "counters.painted > 0")
    shape = "(box => box.width / box.height)(document.querySelector('.orw-picture canvas').getBoundingClientRect())"
    shown = page.evaluate(shape)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size(SHEET)
    assert page.evaluate(shape) == pytest.approx(shown, rel=0.01)
    box = page.locator(".orw-picture").bounding_box()
    assert box["x"] + box["width"] <= SHEET["width"]
    for control in ("#toggle", "#share", ".lab-more", ".lab-try"):
        assert page.locator(control).is_hidden(), control


def test_the_pocket_lab_leads_back_but_not_from_within_the_start_page(opened):
    page = opened("index.html")
    assert framed(page).get_by_role("link", name="What is this?").count() == 0
    alone = opened("pocket/index.html")
    alone.get_by_role("link", name="What is this? Read on").click()
    alone.locator("h1", has_text="orwlab").wait_for()


def test_a_lost_visitor_is_led_to_the_start_page(browser, site):
    """At any depth, wherever the host has put the site."""
    context = browser.new_context()
    page = context.new_page()

    def answer(route):
        path = urlsplit(route.request.url).path
        file = site / path.removeprefix("/deep/lab/") if path.startswith("/deep/lab/") else site / "no"
        file = file / "index.html" if file.is_dir() else file
        there = file.is_file()
        route.fulfill(status=200 if there else 404, path=file if there else site / "404.html")

    page.route("**/*", answer)
    for lost in ("nothing", "notebooks/nothing.html", "a/b/c/"):
        page.goto(f"http://host.example/deep/lab/{lost}")
        page.get_by_role("link", name="The start page").click()
        page.locator("h1", has_text="orwlab").wait_for()
        assert page.url == "http://host.example/deep/lab/"
    context.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_serious(opened, kind, dark):
    page = opened(KINDS[kind], color_scheme="dark" if dark else "light")
    page.wait_for_load_state("load")
    if kind == "notebook":
        page.locator(".orw-figure").first.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('.orw-figure.drawn')")
    options = {
        "runOnly": ["wcag2a", "wcag2aa"],
        "iframes": False,
        "preload": False,
    }  # the lab in its frame has tests of its own
    rules = Axe().run(page, options=options).response["violations"]
    found = [(rule["id"], [node["html"][:160] for node in rule["nodes"]][:3]) for rule in rules]
    grave = [one for one, rule in zip(found, rules) if rule["impact"] in ("serious", "critical")]
    assert [one for one in grave if one[0] not in UPSTREAM] == []


@pytest.mark.parametrize("path", SHOWN)
def test_a_phone_has_nothing_to_scroll_sideways(opened, path):
    page = opened(path, width=360)
    for place in page.locator(".orw-figure").all()[:2]:
        place.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    said = "all => all.map(one => getComputedStyle(one, '::after').content)"
    wide = "one => one.scrollWidth > one.clientWidth + 1"
    hints = page.locator(".formula").evaluate_all(f"all => ({said})(all.filter({wide}))")
    assert all("the formula goes on" in hint for hint in hints)
    assert hints or path != "methods.html"
    for box in page.locator("article pre, .formula, .orw-figure").all():
        assert box.evaluate("b => b.getBoundingClientRect().right <= innerWidth + 1")
