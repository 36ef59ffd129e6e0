"""Notebooks as documents: what they are made of, their pictures, and the student's version without solutions.

``notebooks/make.py`` executes them with these; nothing here runs a notebook.
"""

from orwlab.teach.notebooks.anatomy import (
    FOLDED,
    SECOND,
    Exercise,
    Minutes,
    Written,
    code,
    exercises,
    minutes,
    prose,
    setup,
    text,
    words,
    written,
)
from orwlab.teach.notebooks.online import opened_online
from orwlab.teach.notebooks.pictures import PLOTLY, PNG, fingerprint, illustrate, known_pictures
from orwlab.teach.notebooks.student import linked_to_student, student_version

__all__ = [
    "FOLDED",
    "PLOTLY",
    "PNG",
    "SECOND",
    "Exercise",
    "Minutes",
    "Written",
    "code",
    "exercises",
    "fingerprint",
    "illustrate",
    "known_pictures",
    "linked_to_student",
    "minutes",
    "opened_online",
    "prose",
    "setup",
    "student_version",
    "text",
    "words",
    "written",
]
