"""HTML of the page on which lessons are written and tried."""

from collections.abc import Mapping

from orwlab.show.web.classroom_markup import page


def writer(up: str, names: Mapping[str, str]) -> str:
    """A lesson's text, and beside it what it becomes."""
    return page(up, "Write a lesson", '<div class="lab room"></div>', "writer")
