"""The prediction sheet: a question for every notebook, and room for a guess."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "notebooks"
SHEET = FOLDER / "prediction_sheet.html"


def test_every_notebook_has_questions_and_every_question_a_place_for_the_guess_and_for_the_answer():
    html = SHEET.read_text(encoding="utf-8")
    sections = re.findall(r"<h2>(\d\d) .*?</h2>(.*?)</section>", html, flags=re.DOTALL)
    assert [number for number, _ in sections] == sorted(path.name[:2] for path in FOLDER.glob("*.ipynb"))
    for number, section in sections:
        rows = re.findall(r"<tr><td.*?</tr>", section)
        assert len(rows) >= 2, number
        for row in rows:
            assert re.search(r'<td class="g">.*(☐|class="line").*</td><td class="w"></td></tr>', row), row
    assert "http" not in html.replace("http-equiv", ""), "nothing from outside"
