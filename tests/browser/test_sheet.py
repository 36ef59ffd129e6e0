"""The prediction sheet as it is printed, and on a phone."""

import re
from pathlib import Path

import pytest

SHEET = Path(__file__).parents[2] / "notebooks" / "prediction_sheet.html"
pytestmark = pytest.mark.browser


def test_it_prints_on_both_sides_of_a_sheet_and_fits_a_phone(browser):
    page = browser.new_page(viewport={"width": 360, "height": 780})
    page.goto(SHEET.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("td.q").first.bounding_box()["width"] > 250, "one column"
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 2
    page.emulate_media(media="print")
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 11, "to be read on paper"
    page.close()
