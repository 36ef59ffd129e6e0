"""The checks of the notebooks' exercises, a module a notebook.

A check is a plain function that takes the student's answer (a function, or a value), tries it on seeded inputs, and
compares with a closed form or with the package through ``orwlab.teach.checks``, which prints every number. It raises
AssertionError with what was expected and, where a mistake is likely, a hint at it. In a notebook an exercise is

1. a markdown cell ``### Exercise 2.1: ...`` with the task and a folded hint;
2. the answer, a code cell tagged ``exercise``: ``def weighted_mean(...)`` with its docstring, and a body between
   ``### BEGIN SOLUTION`` and ``### END SOLUTION``, which nbgrader takes out of the student's notebook;
3. the check, a code cell of one line: ``exercises.weighted_mean(weighted_mean)``.

Answer and check run given only the notebook's first code cell. ``tests/test_exercises.py`` runs them so, with the
solution and with the student's empty cell; ``tests/test_exercises_<module>.py`` holds the wrong answers that must fail.
"""
