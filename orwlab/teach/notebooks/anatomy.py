"""What a notebook is made of: prose, code, exercises."""

import re
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

WORDS_A_MINUTE = 180
"""of prose, formulas counted as one word each"""
SECONDS_A_CELL = 15
"""to read a code cell and look at what it shows"""


@dataclass(frozen=True)
class Exercise:
    """One exercise: the task in words, the answer with its solution, and the cell that checks it."""

    name: str
    task: str
    answer: str
    check: str
    points: float


def text(notebook: NotebookNode) -> str:
    """The file's content: the same notebook always gives the same bytes."""
    return nbformat.writes(notebook) + "\n"


def code(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def setup(notebook: NotebookNode) -> str:
    """The source of the first code cell: with it alone every exercise can be answered and checked."""
    return code(notebook)[0].source


def prose(notebook: NotebookNode) -> str:
    """All markdown, joined."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def words(notebook: NotebookNode) -> int:
    """Words of prose; a formula counts as one, markup as none."""
    plain = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " formula ", prose(notebook), flags=re.DOTALL)
    plain = re.sub(r"\]\([^)]*\)|<[^>]*>|`", " ", plain)
    return len(re.findall(r"\w[\w'’-]*", plain))


def minutes_to_read(notebook: NotebookNode) -> float:
    """An estimate for somebody who reads everything once, without the exercises."""
    return words(notebook) / WORDS_A_MINUTE + len(code(notebook)) * SECONDS_A_CELL / 60


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises in order, found by nbgrader's metadata.

    Raises:
        ValueError: an answer without a check or the reverse, an id used twice, no task in words before an answer.
    """
    cells: dict[str, tuple[int, NotebookNode]] = {}
    for i, cell in enumerate(notebook.cells):
        if "nbgrader" in cell.metadata:
            grade_id = cell.metadata.nbgrader.grade_id
            if grade_id in cells:
                raise ValueError(f"grade_id {grade_id!r} is used twice")
            cells[grade_id] = i, cell
    found = []
    for grade_id, (i, cell) in cells.items():
        kind, _, name = grade_id.partition("-")
        partner = {"answer": "check", "check": "answer"}.get(kind)
        if partner is None or f"{partner}-{name}" not in cells:
            raise ValueError(f"grade_id {grade_id!r} stands alone; allowed: pairs such as 'answer-2-1' and 'check-2-1'")
        if kind == "answer":
            j, check = cells[f"check-{name}"]
            task = notebook.cells[i - 1]
            if task.cell_type != "markdown" or j < i:
                raise ValueError(f"exercise {name}: the task in words stands before {grade_id!r}, the check after it")
            found.append(Exercise(name, task.source, cell.source, check.source, check.metadata.nbgrader.points))
    return found
