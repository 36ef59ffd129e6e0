"""A teacher's round with nbgrader's own commands: hand out, collect, grade."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from orwlab.teach import notebooks

FOLDER = Path(__file__).parents[1] / "notebooks"
pytestmark = pytest.mark.slow


def nbgrader(course, *arguments):
    # the environment is on the path for whoever activated it; the kernel runs in the folder of the submission
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--course-dir={course}"]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def small(path, keep):
    """The notebook's setup cell and its first ``keep`` exercises, unsolved parts and all."""
    notebook = nbformat.read(path, as_version=4)
    kept, seen = [notebooks.code(notebook)[0]], 0
    for i, cell in enumerate(notebook.cells):
        if cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith(("answer", "check")) and seen < 2 * keep:
            kept += [notebook.cells[i - 1]] * cell.metadata.nbgrader.solution + [cell]
            seen += 1
    notebook.cells = kept
    return notebook


def test_a_right_answer_scores_and_a_wrong_one_does_not(tmp_path):
    solved = small(FOLDER / "01_flow_matching.ipynb", keep=2)
    first, second = notebooks.exercises(solved)
    (tmp_path / "source" / "week1").mkdir(parents=True)
    nbformat.write(solved, tmp_path / "source" / "week1" / "flows.ipynb")
    nbgrader(tmp_path, "generate_assignment", "week1", "--create")

    handed_out = nbformat.read(tmp_path / "release" / "week1" / "flows.ipynb", as_version=4)
    assert "SOLUTION" not in nbformat.writes(handed_out)
    answers = [cell for cell in handed_out.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    assert ["raise NotImplementedError()" in cell.source for cell in answers] == [True, True]
    answers[0].source = first.answer  # right
    answers[1].source = answers[1].source.replace("raise NotImplementedError()", "return None")  # wrong
    (tmp_path / "submitted" / "ada" / "week1").mkdir(parents=True)
    nbformat.write(handed_out, tmp_path / "submitted" / "ada" / "week1" / "flows.ipynb")
    nbgrader(tmp_path, "autograde", "week1", "--create")

    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        submission = book.find_submission_notebook("flows", "week1", "ada")
        scores = {grade.name: (grade.score, grade.max_score) for grade in submission.grades}
    assert scores == {
        f"check-{first.name}": (first.points, first.points),
        f"check-{second.name}": (0, second.points),
    }
