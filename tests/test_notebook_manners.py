"""What all notebooks have in common for a reader: times, aims, captions, folded drawing, exercises that are graded."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from orwlab.teach import notebooks
from orwlab.teach.notebooks import FOLDED, PLOTLY, SECOND

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
STAR = re.compile(r"^### Exercise \d+\.\d: .* (★☆☆|★★☆|★★★)( \(in words\))?$", flags=re.MULTILINE)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def shows(cell):
    """Whether a cell shows a figure or a stage."""
    return any(PLOTLY in o.get("data", {}) for o in cell.get("outputs", [])) or "live.stage(" in cell.source


def test_says_honestly_how_long_it_takes(notebook):
    """Within a fifth, or three minutes, of what is estimated from words, formulas, code, figures and stars."""
    estimate = notebooks.minutes(notebook)
    said = re.search(
        r"\*About (\d+) minutes to read(?:, (\d+) with the second reading)?, "
        r"(\d+) more for the exercises; .* to run\.\*",
        notebook.cells[0].source,
    )
    assert said, (
        "*About N minutes to read(, M with the second reading), K more for the exercises; half a minute to run.*"
    )
    first, everything, tasks = int(said[1]), int(said[2] or said[1]), int(said[3])
    for what, number, expected in (
        ("to read", first, estimate.first),
        ("with the second reading", everything, estimate.all),
        ("for the exercises", tasks, estimate.exercises),
    ):
        assert number == pytest.approx(expected, abs=max(3.0, 0.2 * expected)), what
    assert (said[2] is not None) == (SECOND in notebooks.prose(notebook))


def test_a_second_reading_is_marked_below_a_heading(notebook):
    text = notebooks.prose(notebook)
    assert text.count(SECOND) == len(re.findall(r"^##+ .*\n\n" + re.escape(SECOND), text, flags=re.MULTILINE))


def test_begins_with_aims_and_ends_with_what_was_reached(notebook):
    first = notebook.cells[0].source
    assert re.search(r"^\*\*You need\*\* .{20,}", first, flags=re.MULTILINE), "what to know before"
    titles = re.findall(r"^## (.*)$", notebooks.prose(notebook), flags=re.MULTILINE)
    assert titles.index("What you can do now") == titles.index("Where to go next") - 1
    done = re.search(r"^## What you can do now\n(.*?)^## ", notebooks.prose(notebook), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^- ", done[1], flags=re.MULTILINE)) >= 3


def test_says_which_weights_its_alphas_go_with(notebook):
    """Its alphas mean nothing without: every notebook names its convention at the top, every caption repeats it."""
    assert re.search(r"raw weights|mean-one weights", notebook.cells[0].source)
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("**Figure "):
            caption = cell.source.split("\n\n")[0]
            if re.search(r"α|\\alpha", caption):
                assert re.search(r"raw weights|mean-one weights|[Bb]oth kinds of weights", caption), caption


def test_figures_are_numbered_and_have_captions(notebook):
    found = []
    for cell, following in zip(notebook.cells, notebook.cells[1:]):
        if cell.cell_type == "code" and shows(cell):
            assert following.cell_type == "markdown", f"no caption below {cell.source[:80]!r}"
            label = re.match(r"\*\*Figure (\d+)\.(\d+)\.\*\* \S.{30,}", following.source)
            assert label, f"begin it with **Figure N.k.** and say what is seen: {following.source[:80]!r}"
            found.append((int(label[1]), int(label[2])))
    assert [k for _, k in found] == list(range(1, len(found) + 1))
    assert len({n for n, _ in found}) == 1
    for n, k in re.findall(r"[Ff]igures? (\d+)\.(\d+)", notebooks.prose(notebook)):
        if int(n) == found[0][0]:
            assert (int(n), int(k)) in found, f"there is no Figure {n}.{k}"


def test_code_that_only_draws_is_folded(notebook):
    """A cell with a figure is folded, and nothing that a reader has to see is in it: no check, no training."""
    for cell in notebooks.code(notebook):
        draws = "figures.described(" in cell.source
        folded = FOLDED in cell.metadata.get("tags", [])
        assert folded == draws, cell.source[:80]
        if folded:
            assert cell.metadata["jupyter"]["source_hidden"] is True
            for word in ("checks.", "FineTuning(", ".rounds(", ".backward(", "PopulationDynamics(", ".fixed_point("):
                assert word not in cell.source, f"{word} belongs into a cell of its own: {cell.source[:80]!r}"


def test_exercises_have_stars_and_hints(notebook):
    for exercise in notebooks.exercises(notebook):
        assert STAR.search(exercise.task), exercise.task[:80]
        numbers = [int(n) for n in re.findall(r"<summary>Hint (\d)</summary>", exercise.task)]
        assert numbers in ([1, 2], [1, 2, 3]), f"{exercise.name}: two or three hints, Hint 1, Hint 2, ..."


def test_what_a_person_grades_has_a_rubric_and_a_model_answer(notebook):
    for task in notebooks.written(notebook):
        assert STAR.search(task.task)
        assert "(in words)" in task.task
        rubric = task.task.partition("**What is graded.**")[2]
        points = [int(p) for p in re.findall(r"^- .*\((\d) points?\)", rubric, flags=re.MULTILINE)]
        assert len(points) >= 2
        assert sum(points) == task.points
        assert len(task.answer.split()) >= 40, "a model answer"


def test_some_answers_are_in_words():
    tasks = [task for path in PATHS for task in notebooks.written(nbformat.read(path, as_version=4))]
    assert len(tasks) >= 7


def durations(gif):
    """Milliseconds of each frame."""
    for k in range(gif.n_frames):
        gif.seek(k)
        yield gif.info["duration"]


def test_a_stage_has_a_film_for_those_without_a_kernel():
    """Below its caption, folded; no film is left over."""
    shown = []
    for path in PATHS:
        notebook = nbformat.read(path, as_version=4)
        cells = [
            (cell, below) for cell, below in zip(notebook.cells, notebook.cells[1:]) if "live.stage(" in cell.source
        ]
        for k, (cell, below) in enumerate(cells, start=1):
            assert "film=" in cell.source, cell.source
            name = f"films/{path.stem[:2]}_{k}.gif"
            found = re.search(
                r"<details><summary>[^\n]*film[^\n]*</summary>\n\n!\[([^\]]{40,})\]\((.*?)\)\n\n</details>",
                below.source,
            )
            assert found, below.source[:80]
            assert found[2] == name
            gif = Image.open(FOLDER / name)
            assert gif.n_frames >= 4
            assert sum(durations(gif)) >= 4000, "time to look"
            assert (FOLDER / name).stat().st_size <= 1.7e6
            shown.append(name)
    assert sorted(shown) == sorted(f"films/{path.name}" for path in (FOLDER / "films").iterdir())


def test_own_records_are_called_regression(notebook):
    """A number that the package recorded itself is no independent expectation."""
    for cell in notebooks.code(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "checks.close",
                "checks.above",
                "checks.below",
            ):
                assert "reported(" not in ast.unparse(node), ast.unparse(node)
            if isinstance(node, ast.Assign):
                assert "reported(" not in ast.unparse(node), f"use it where it is checked: {ast.unparse(node)}"


def test_plain_english(notebook):
    text = notebooks.prose(notebook) + "".join(cell.source for cell in notebooks.code(notebook))
    for word in (" is dear", "It rots", "nats that the network", "infinite temperature", "towards infinite"):
        assert word not in text, word
