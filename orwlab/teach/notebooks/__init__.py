"""Notebooks as documents: what they are made of, their pictures, and the student's version without solutions.

``notebooks/make.py`` executes them with these; nothing here runs a notebook.
"""

from orwlab.teach.notebooks.anatomy import Exercise, code, exercises, minutes_to_read, prose, setup, text, words
from orwlab.teach.notebooks.pictures import PLOTLY, PNG, fingerprint, illustrate, known_pictures
from orwlab.teach.notebooks.student import linked_to_student, student_version

__all__ = [
    "PLOTLY",
    "PNG",
    "Exercise",
    "code",
    "exercises",
    "fingerprint",
    "illustrate",
    "known_pictures",
    "linked_to_student",
    "minutes_to_read",
    "prose",
    "setup",
    "student_version",
    "text",
    "words",
]
