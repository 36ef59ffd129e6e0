"""What a notebook is made of: prose, code, exercises, and how long it takes."""

import re
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

FOLDED = "hide-input"
"""the tag of cells whose code only draws: it is folded until somebody wants to see it"""
SECOND = "*Second reading.*"
"""begins a section that a first reading may skip; its subsections go with it"""
WORDS_A_MINUTE = 100
"""of prose, formulas within a line counted as one word each"""
SECONDS = dict(formula=60, code=30, figure=45)
"""to read a displayed formula, a code cell that is not folded, and to look at a figure"""
EXERCISE_MINUTES = {1: 5, 2: 10, 3: 20}
"""of an exercise, by its stars"""


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


@dataclass(frozen=True)
class Written:
    """A task that a person grades: its text ends in what is graded, point by point, and a model answer follows."""

    name: str
    task: str
    answer: str
    points: float


def prose(notebook: NotebookNode) -> str:
    """All markdown, joined."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def words(notebook: NotebookNode) -> int:
    """Words of prose; a formula counts as one, markup as none."""
    return _words(prose(notebook))


def _words(prose: str) -> int:
    plain = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " formula ", prose, flags=re.DOTALL)
    plain = re.sub(r"\]\([^)]*\)|<[^>]*>|`", " ", plain)
    return len(re.findall(r"\w[\w'’-]*", plain))


@dataclass(frozen=True)
class Minutes:
    """Estimates for somebody who reads every sentence and formula once."""

    first: float
    """without exercises, and without what is marked for a second reading"""
    all: float
    """without exercises"""
    exercises: float
    """for the exercises, by their stars"""


def minutes(notebook: NotebookNode) -> Minutes:
    """How long the notebook takes: by words, displayed formulas, code that is not folded, figures, and stars."""
    spent = {"first": 0.0, "second": 0.0, "tasks": 0.0}
    below = 0  # the level of the section for a second reading that we are in, 0 in none
    in_task = False
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            in_task = in_task and cell.metadata.nbgrader.grade_id.startswith("answer-")
            continue
        if cell.cell_type == "code":
            if in_task:
                continue
            shows = any("data" in output for output in cell.get("outputs", []))
            folded = FOLDED in cell.metadata.get("tags", [])
            spent["second" if below else "first"] += (SECONDS["figure"] * shows + SECONDS["code"] * (not folded)) / 60
            continue
        for part in re.split(r"^(?=#+ )", cell.source, flags=re.MULTILINE):
            heading = re.match(r"(#+) (.*)", part)
            if heading:
                level = len(heading[1])
                in_task = heading[2].startswith("Exercise ")
                if below and level <= below:
                    below = 0
                if SECOND in part:
                    below = level
            if in_task:
                spent["tasks"] += EXERCISE_MINUTES[part.partition("\n")[0].count("★") or 1] if heading else 0
                continue
            shown = re.findall(r"\$\$.*?\$\$", part, flags=re.DOTALL)
            reading = _words(part) / WORDS_A_MINUTE + len(shown) * SECONDS["formula"] / 60
            spent["second" if below else "first"] += reading
    return Minutes(spent["first"], spent["first"] + spent["second"], spent["tasks"])


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises in order, found by nbgrader's metadata.

    Raises:
        ValueError: an answer without a check or the reverse, an id used twice, no task in words before an answer.
    """
    return [found for found in _tasks(notebook) if isinstance(found, Exercise)]


def written(notebook: NotebookNode) -> list[Written]:
    """The tasks that a person grades, in order.

    Raises:
        ValueError: as ``exercises``.
    """
    return [found for found in _tasks(notebook) if isinstance(found, Written)]


def _tasks(notebook: NotebookNode) -> list[Exercise | Written]:
    cells: dict[str, tuple[int, NotebookNode]] = {}
    for i, cell in enumerate(notebook.cells):
        if "nbgrader" in cell.metadata:
            grade_id = cell.metadata.nbgrader.grade_id
            if grade_id in cells:
                raise ValueError(f"grade_id {grade_id!r} is used twice")
            cells[grade_id] = i, cell
    found: list[Exercise | Written] = []
    for grade_id, (i, cell) in cells.items():
        kind, _, name = grade_id.partition("-")
        if kind == "words":
            if i == 0 or notebook.cells[i - 1].cell_type != "markdown":
                raise ValueError(f"exercise {name}: the task stands before {grade_id!r}")
            found.append(Written(name, notebook.cells[i - 1].source, cell.source, cell.metadata.nbgrader.points))
            continue
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
