"""The student's notebook, generated from the solved one by nbgrader's own preprocessors."""

import copy
import re

from nbformat import NotebookNode

from orwlab.teach.notebooks.anatomy import FOLDED

PAGES = (
    "[Symbols and conventions]({up}notation.md) are on one page, [other methods]({up}where_this_sits.md) on another.*"
)
TO_STUDENT = (
    "*To solve the exercises yourself, open the [student's version](student/{name}): "
    "the same notebook without solutions and outputs. " + PAGES.format(up="")
)
TO_SOLVED = "*This is the student's version. Stuck, or done? The solved notebook is [here](../{name}). " + PAGES.format(
    up="../"
)


def linked_to_student(notebook: NotebookNode, name: str) -> NotebookNode:
    """The notebook with a line after its title block that leads to the student's version, added or renewed in place.

    Args:
        notebook: a solved notebook; its first cell is the title's.
        name: its file's name, such as ``01_flow_matching.ipynb``.
    """
    first = notebook.cells[0]
    line = TO_STUDENT.format(name=name)
    if line not in first.source:
        blocks = [block for block in first.source.split("\n\n") if "(student/" not in block]
        first.source = "\n\n".join([*blocks[:2], line, *blocks[2:]])  # after the title and the time to read
    return notebook


def student_version(notebook: NotebookNode, name: str) -> NotebookNode:
    """A copy without solutions and outputs, for ``student/name``; the original stays as it is.

    Answers are empty but for their signature and docstring, and are shown; links lead to the same places.
    """
    from nbgrader.preprocessors import ClearOutput, ClearSolutions  # an extra, needed by whoever makes notebooks

    student = copy.deepcopy(notebook)
    for preprocessor in (ClearSolutions(), ClearOutput()):
        student, _ = preprocessor.preprocess(student, {})
    for cell in student.cells:
        if FOLDED not in cell.metadata.get("tags", []):
            cell.metadata.pop("jupyter", None)  # solutions were folded, answers are not
    head, middle, tail = student.cells[0].source.partition(TO_STUDENT.format(name=name))
    student.cells[0].source = _moved(head, name) + (TO_SOLVED.format(name=name) if middle else "") + _moved(tail, name)
    for cell in student.cells[1:]:
        if cell.cell_type == "markdown":
            cell.source = _moved(cell.source, name)
    return student


def _moved(text: str, name: str) -> str:
    """Text with links as they have to be in the folder ``student``, which holds all notebooks and nothing else."""

    def from_below(link: re.Match[str]) -> str:
        beside = link[1].endswith(".ipynb") and "/" not in link[1]
        return link[0] if beside else f"](../{link[1]})"

    text = re.sub(r"\]\((?!https?:|#)([^)\s]+)\)", from_below, text)
    for folder in ("notebooks/", "notebooks%2F"):  # in Colab's address, in Binder's
        text = text.replace(f"{folder}{name})", f"{folder}student{folder.removeprefix('notebooks')}{name})")
    return text
