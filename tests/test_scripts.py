"""Scripts that are joined into one share their names: each may be given once."""

import re
from collections import Counter

import pytest

from orwlab.show import pocket, stage
from orwlab.show.web import classroom_assets, images_page, lab_page, pages, words_page

_NAMED = re.compile(
    r"^(?:async )?(?:const|let|class|function\*?) ([A-Za-z_$][\w$]*)|^(?:const|let) \{([^}]*)\} =", re.MULTILINE
)


def _names(script: str) -> Counter:
    found: Counter = Counter()
    for one, several in _NAMED.findall(script):
        found.update([one] if one else re.findall(r"[\w$]+(?=\s*(?:,|$))", several))
    return found


_JOINED = {"stage": stage.javascript(), "images": images_page.PAGE.script(), "words": words_page.PAGE.script()} | {
    page.name: lab_page.script(page.scripts).partition("\n")[2]
    for page in pages.PAGES
    if isinstance(page, lab_page.LabPage)
}
_JOINED |= {
    f"classroom: {page}": lab_page.without_exports(classroom_assets._joined(names))
    for page, names in classroom_assets.SCRIPTS.items()
    if page != "handout"
}
_JOINED |= {f"pocket: {entry}": pocket.script(entry) for entry in ("host.js", "worker.js")}


@pytest.mark.parametrize("name", _JOINED)
def test_no_name_is_given_twice(name):
    names = _names(_JOINED[name])
    assert len(names) > 10
    assert [one for one, count in names.items() if count > 1] == []


def test_a_name_that_is_given_twice_is_seen():
    twice = _names("const A = 1;\nfunction b() {\n  const A = 2;\n}\nclass A {}\nlet b = 3;\nconst { c, d: e } = A;\n")
    assert twice == {"A": 2, "b": 2, "c": 1, "e": 1}
