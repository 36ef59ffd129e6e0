"""HTML of a lesson's handout: one prints it, or has the browser make a PDF of it."""

from orwlab.show.classroom.lesson import Lesson


def handout(lesson: Lesson, up: str) -> str:
    """The page; ``up`` is the way from its address to the app's."""
    return f"<!doctype html><title>{lesson.title}</title>"
