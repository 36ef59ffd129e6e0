"""The prediction sheet as it is printed, and on a phone."""

import re
from pathlib import Path

import pytest

SHEET = Path(__file__).parents[2] / "notebooks" / "prediction_sheet.html"
pytestmark = pytest.mark.browser


def test_it_prints_on_one_side_and_fits_a_phone(browser):
    page = browser.new_page(viewport={"width": 360, "height": 780})
    page.goto(SHEET.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("td.q").first.bounding_box()["width"] > 250, "one column"
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1
    page.close()
