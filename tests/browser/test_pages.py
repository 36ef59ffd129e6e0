"""The app has several pages: one leads to another, each with a name and an address of its own."""

import pytest
from lab import RELOADED, drag
from test_below_a_proxy import proxy

from orwlab.show.web.pages import names

pytestmark = pytest.mark.browser

NAMES = names()
DRAWN = (
    "document.querySelector('.orw-stage')?.stage?.counters.painted > 0 "
    "|| document.querySelector('.orw-grids')?.grids?.reference.painted > 0 "
    "|| document.querySelectorAll('.teacher .lessons li').length > 0"
)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_bar_leads_from_every_page_to_every_other(visit, width):
    page = visit(width=width, height=740, running=False, tolerate=RELOADED)
    for path, name in [*NAMES.items(), next(iter(NAMES.items()))]:
        bar = page.get_by_role("navigation", name="Pages")
        if path or page.title() != f"orwlab: {name.lower()}":
            bar.get_by_role("link", name=name, exact=True).click()
        page.wait_for_function("name => document.querySelector('h1')?.textContent === name", arg=name)
        page.wait_for_function(DRAWN, timeout=90_000)
        assert page.title() == f"orwlab: {name.lower()}"
        assert page.evaluate("location.pathname") == f"/{path}"
        assert page.locator("h1").count() == 1
        assert page.locator("[aria-current=page]").inner_text() == name
        assert bar.get_by_role("link").all_inner_texts() == [other for other in NAMES.values() if other != name]
        # one bar, and nothing is wider than the window
        assert page.get_by_role("navigation").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def moved(path):
    """A condition: the dial's new place has arrived in what is shown."""
    if path in ("images", "words"):
        return "document.querySelector('.lab').images.grids.frame?.settings.alpha === 2"
    if path == "arena":  # its dial is the strength
        return "document.querySelector('.orw-stage').stage.meta.race?.strength === 3.5"
    return "document.querySelector('.orw-stage').stage.meta.lanes?.[0].alpha === 2"


@pytest.mark.parametrize("path", [path for path in NAMES if path not in ("", "classroom")])
def test_every_page_works_below_a_proxy(visit, address, path):
    with proxy(address, "/user/x/lab") as outside:
        page = visit(address=f"{outside}/", query=path, running=False, tolerate=RELOADED)
        page.wait_for_function(
            "!!document.querySelector('.orw-grids') || "
            "!['first', ''].includes(document.querySelector('.orw-stage').stage.meta?.run ?? '')"
        )
        drag(page, *(("strength", 3.5) if path == "arena" else ("alpha", 2)))
        page.wait_for_function(moved(path), timeout=90_000)
        first = next(iter(NAMES.values()))
        page.get_by_role("link", name=first, exact=True).click()
        page.wait_for_function("name => document.querySelector('h1')?.textContent === name", arg=first)
        assert page.evaluate("location.pathname") == "/user/x/lab/"
        page.context.close()


def test_there_is_no_page_of_another_name(browser, address):
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(f"{address}nowhere").status == 404
    context.close()
