"""Every exercise of every notebook: its solution passes, an empty answer fails, and both need only the setup cell."""

import ast
import contextlib
import copy
import importlib
import io
import math
import pkgutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from orwlab.teach import exercises as package
from orwlab.teach import notebooks

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


ALL = [(path, exercise) for path in PATHS for exercise in notebooks.exercises(read(path))]
IDS = [f"{path.stem} {exercise.name}" for path, exercise in ALL]


def run(source, names, where):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, where, "exec"), names)
    return printed.getvalue()


@pytest.mark.parametrize(("path", "exercise"), ALL, ids=IDS)
def test_the_solution_passes_with_nothing_but_the_setup(path, exercise, prepared):
    names = prepared(path)
    run(exercise.answer, names, f"answer {exercise.name}")
    printed = run(exercise.check, names, f"check {exercise.name}")
    assert ": yes" in printed, "a check prints its numbers through orwlab.teach.checks"
    assert ": NO" not in printed


@pytest.mark.parametrize(("path", "exercise"), ALL, ids=IDS)
def test_the_empty_answer_fails(path, exercise, prepared):
    student = notebooks.student_version(read(path), path.name)
    (empty,) = [e for e in notebooks.exercises(student) if e.name == exercise.name]
    assert "SOLUTION" not in empty.answer
    assert empty.check == exercise.check
    names = prepared(path)
    with pytest.raises((NotImplementedError, AssertionError)):
        run(empty.answer + "\n" + empty.check, names, f"empty {exercise.name}")


@pytest.mark.parametrize(("path", "exercise"), ALL, ids=IDS)
def test_an_exercise_is_put_together_as_a_teacher_expects(path, exercise):
    number = int(path.stem.split("_")[0])
    assert exercise.name.split("-")[0] == str(number), f"exercises of notebook {number} are called {number}-1, ..."
    assert f"### Exercise {exercise.name.replace('-', '.')}: " in exercise.task
    assert "<details><summary>Hint 1</summary>" in exercise.task
    assert exercise.points > 0
    assert exercise.check.startswith("exercises.")
    assert len(ast.parse(exercise.check).body) == 1
    for function in (node for node in ast.walk(ast.parse(exercise.answer)) if isinstance(node, ast.FunctionDef)):
        if function.col_offset == 0:
            assert ast.get_docstring(function), f"{function.name} has no docstring for the student"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_cells_say_to_nbgrader_what_they_are(path):
    for cell in read(path).cells:
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            assert "BEGIN SOLUTION" not in cell.source
            continue
        if marks.grade_id.startswith("words-"):  # a person grades it
            assert cell.cell_type == "markdown"
            assert (marks.grade, marks.locked, marks.solution, marks.task) == (True, False, True, False)
            continue
        answer = marks.grade_id.startswith("answer-")
        wanted = dict(grade=not answer, locked=not answer, solution=answer, task=False, schema_version=3)
        assert {key: marks[key] for key in wanted} == wanted, marks.grade_id
        assert ("exercise" if answer else "nbval-check-output") in cell.metadata.tags
        assert ("### BEGIN SOLUTION" in cell.source and "### END SOLUTION" in cell.source) == answer
        assert bool(cell.metadata.get("jupyter", {}).get("source_hidden")) == answer, "solutions are folded, checks not"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_students_notebook_is_up_to_date(path):
    made = notebooks.text(notebooks.student_version(read(path), path.name))
    there = FOLDER / "student" / path.name
    assert there.exists(), f"make it: python notebooks/make.py --student {path.stem}"
    assert there.read_text(encoding="utf-8") == made, f"renew it: python notebooks/make.py --student {path.stem}"


def test_no_student_notebook_is_left_over():
    assert {p.name for p in (FOLDER / "student").glob("*.ipynb")} == {p.name for p in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_students_notebook_shows_no_solution_and_no_output(path):
    student = read(FOLDER / "student" / path.name)
    solved = read(path)
    solutions = [exercise.answer for exercise in [*notebooks.exercises(solved), *notebooks.written(solved)]]
    for cell in student.cells:
        assert cell.source not in solutions
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        folded = notebooks.FOLDED in cell.metadata.get("tags", [])
        assert bool(cell.metadata.get("jupyter", {}).get("source_hidden")) == folded
    assert f"](../{path.name})" in student.cells[0].source
    assert f"](student/{path.name})" in read(path).cells[0].source
    assert "student/" not in student.cells[0].source


def one_exercise():
    """A notebook with one exercise, to see what is refused."""
    new = nbformat.v4
    marks = dict(locked=False, schema_version=3, task=False)
    answer = new.new_code_cell("def one():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION")
    answer.metadata.nbgrader = dict(grade=False, grade_id="answer-9-1", solution=True, **marks)
    check = new.new_code_cell("assert one() == 1")
    check.metadata.nbgrader = dict(grade=True, grade_id="check-9-1", solution=False, points=2, **marks)
    notebook = new.new_notebook(cells=[new.new_markdown_cell("### Exercise 9.1: one"), answer, check])
    return nbformat.from_dict(notebook)


def test_exercises_are_found_and_broken_ones_refused():
    notebook = one_exercise()
    (found,) = notebooks.exercises(notebook)
    assert (found.name, found.points, found.check) == ("9-1", 2, "assert one() == 1")
    student = notebooks.student_version(notebook, "09_x.ipynb")
    assert "raise NotImplementedError()" in student.cells[1].source
    assert "return 1" in notebook.cells[1].source, "the original is left alone"
    alone = copy.deepcopy(notebook)
    del alone.cells[2]
    with pytest.raises(ValueError, match="'answer-9-1' stands alone"):
        notebooks.exercises(alone)
    twice = copy.deepcopy(notebook)
    twice.cells.append(copy.deepcopy(twice.cells[2]))
    with pytest.raises(ValueError, match="'check-9-1' is used twice"):
        notebooks.exercises(twice)
    wordless = copy.deepcopy(notebook)
    del wordless.cells[0]
    wordless.cells.insert(0, nbformat.from_dict(nbformat.v4.new_code_cell("1")))
    with pytest.raises(ValueError, match="the task in words"):
        notebooks.exercises(wordless)


def test_what_a_person_grades_is_found_and_its_model_answer_is_not_handed_out():
    notebook = one_exercise()
    task = nbformat.v4.new_markdown_cell("### Exercise 9.2: why ★★☆ (in words)\n\nWhy?")
    answer = nbformat.v4.new_markdown_cell("Because of this and that.")
    answer.metadata.nbgrader = dict(
        grade=True, grade_id="words-9-2", locked=False, points=4, schema_version=3, solution=True, task=False
    )
    notebook.cells += [nbformat.from_dict(task), nbformat.from_dict(answer)]
    (found,) = notebooks.written(notebook)
    assert (found.name, found.points, found.answer) == ("9-2", 4, "Because of this and that.")
    assert [e.name for e in notebooks.exercises(notebook)] == ["9-1"]
    student = notebooks.student_version(notebook, "09_x.ipynb")
    assert student.cells[-1].source == "YOUR ANSWER HERE"
    del notebook.cells[-2:]
    notebook.cells.insert(0, nbformat.from_dict(answer))
    with pytest.raises(ValueError, match="the task stands before 'words-9-2'"):
        notebooks.written(notebook)


def test_the_line_to_the_students_version_is_put_in_once():
    notebook = one_exercise()
    notebook.cells[0].source = "# Title\n\n*Ten minutes to read.*\n\nText."
    once = notebooks.linked_to_student(notebook, "09_x.ipynb").cells[0].source
    assert once.split("\n\n")[2].startswith("*To solve")
    assert "(student/09_x.ipynb)" in once
    assert notebooks.linked_to_student(notebook, "09_x.ipynb").cells[0].source == once
    renamed = notebooks.linked_to_student(notebook, "09_y.ipynb").cells[0].source
    assert renamed == once.replace("09_x", "09_y")


def test_links_of_the_students_version_lead_to_the_same_places():
    notebook = one_exercise()
    notebook.cells[0].source = (
        "# Title\n\n*Ten minutes to read.*\n\nSee [a page](notation.md), [the next](02_x.ipynb), "
        "[the readme](../README.md), [a part](#part) and [the paper](https://arxiv.org)."
    )
    notebooks.linked_to_student(notebook, "09_x.ipynb")
    notebooks.opened_online(notebook, "notebooks/09_x.ipynb", "https://github.com/some/where")
    source = notebooks.student_version(notebook, "09_x.ipynb").cells[0].source
    for link in (
        "[a page](../notation.md)", "[the next](02_x.ipynb)", "[the readme](../../README.md)", "[a part](#part)",
        "[the paper](https://arxiv.org)", "[here](../09_x.ipynb)", "(../where_this_sits.md)",
        "/github/some/where/blob/main/notebooks/student/09_x.ipynb)", "labpath=notebooks%2Fstudent%2F09_x.ipynb)",
    ):  # fmt: skip
        assert link in source, link


def test_a_notebook_can_be_opened_online_once_the_repository_has_an_address():
    notebook = one_exercise()
    notebook.cells[0].source = "# Title\n\n*Ten minutes to read.*\n\nText."
    setup, plain = notebook.cells[1].source, notebook.cells[0].source
    for address in ("https://github.com/some/where", "https://github.com/some/where.git"):
        for _ in range(2):
            notebooks.opened_online(notebook, "notebooks/09_x.ipynb", address)
        first = notebook.cells[0].source
        assert first.count("(https://colab.research.google.com/github/some/where/blob/main/notebooks/09_x.ipynb)") == 1
        assert first.count("(https://mybinder.org/v2/gh/some/where/HEAD?labpath=notebooks%2F09_x.ipynb)") == 1
        assert notebook.cells[1].source.count("git+https://github.com/some/where'") == 1
        assert notebook.cells[1].source.endswith(setup)
        exec(notebook.cells[1].source, {"get_ipython": None})  # installs nothing where the package is
    notebooks.opened_online(notebook, "notebooks/09_x.ipynb", None)
    assert (notebook.cells[0].source, notebook.cells[1].source) == (plain, setup)
    for wrong in ("github.com/some/where", "https://example.org/some/where", "https://github.com/some", 3):
        with pytest.raises(ValueError, match="repository is"):
            notebooks.opened_online(notebook, "notebooks/09_x.ipynb", wrong)


# Answers of every kind ----------------------------------------------------------------------------------------------


def all_checks():
    """Every check of every exercise, found by what marks it."""
    for module in pkgutil.iter_modules(package.__path__):
        for name, check in vars(importlib.import_module(f"{package.__name__}.{module.name}")).items():
            if hasattr(check, "is_exercise"):
                yield pytest.param(check, id=f"{module.name}.{name}")


def test_every_exercise_of_the_notebooks_has_such_a_check():
    answers = sum(len(notebooks.exercises(nbformat.read(file, 4))) for file in FOLDER.glob("*.ipynb"))
    assert len(list(all_checks())) == answers


class Odd:
    """Something that is no number, no tensor and no function."""

    def __float__(self):
        raise RuntimeError("not a number")


def raising(*_):
    raise ZeroDivisionError("by accident")


GUESTS = {
    "forgotten return": lambda *_: None,
    "raises": raising,
    "wrong shape": lambda *_: torch.zeros(7, 3),
    "a column": lambda *_: torch.zeros(5, 1),
    "nothing in it": lambda *_: torch.zeros(0),
    "NaN": lambda *_: math.nan,
    "a word": lambda *_: "healthier",
    "a list": lambda *_: [1.0, 2.0],
    "an array": lambda *_: np.zeros(3),
    "complex": lambda *_: 1j,
    "three of them": lambda *_: (None, None, None),
    "other arguments": lambda: 1.0,
    "no function": 3.0e7,
    "no number": Odd(),
    "not answered": None,
    "negative": -1.0,
    "infinite": math.inf,
}


@pytest.mark.parametrize("check", list(all_checks()))
def test_an_answer_of_any_kind_is_told_what_was_asked_for(check, capsys):
    wanted = " ".join(check.__doc__.split())[:30]
    for what, guest in GUESTS.items():
        with pytest.raises(AssertionError, match=r"NO|expected") as told:
            check(guest)
        message = str(told.value)
        if what in ("forgotten return", "raises", "not answered"):
            assert wanted in message, f"{what}: {message}"
        if what == "forgotten return":
            assert "returned nothing" in message or "is a function" in message
        if what == "raises":
            assert "ZeroDivisionError" in message or "function" in message
