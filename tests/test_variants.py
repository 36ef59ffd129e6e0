"""Private variants: every form of every argument, solved as asked, and by somebody who copies the public solution."""

import re
from pathlib import Path

import nbformat
import pytest

from orwlab.teach import notebooks, variants

FOLDER = Path(__file__).parents[1] / "notebooks"
SOLVED = {path: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}
ALL = [(path, e, twist) for path, nb in SOLVED.items() for e in notebooks.exercises(nb) for twist in variants.twists(e)]
IDS = [f"{exercise.name} {twist.name}" for _, exercise, twist in ALL]


def only(monkeypatch, twist, name):
    """Every seed chooses this form for this exercise, and none for the others."""
    monkeypatch.setattr(variants, "chosen", lambda exercise, seed: twist if exercise.name == name else None)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "exercise", "twist"), ALL, ids=IDS)
def test_a_variant_can_be_solved_and_the_public_solution_does_not_pass(path, exercise, twist, prepared, monkeypatch):
    only(monkeypatch, twist, exercise.name)
    private = variants.variant(SOLVED[path], "secret")
    (changed,) = [e for e in notebooks.exercises(private) if e.name == exercise.name]
    assert f"**Your variant.** In place of `{twist.argument}` your function gets `{twist.name}`" in changed.task
    names = prepared(path)
    exec(changed.answer, names)
    exec(changed.check, names)
    for copied in (exercise.answer, renamed(exercise.answer, twist)):
        names = prepared(path)
        exec(copied, names)
        with pytest.raises(AssertionError):
            exec(changed.check, names)


def renamed(answer, twist):
    """The public solution by somebody who has only renamed the argument, everywhere."""

    return re.sub(rf"\b{twist.argument}\b", twist.name, answer)


def test_nearly_every_exercise_has_a_variant_and_seeds_choose_differently():
    tasks = [e for nb in SOLVED.values() for e in notebooks.exercises(nb)]
    without = [e.name for e in tasks if not variants.twists(e)]
    assert len(without) <= 0.15 * len(tasks), without
    choices = {seed: [variants.chosen(e, seed) for e in tasks] for seed in ("a", "b", "c")}
    assert choices["a"] == [variants.chosen(e, "a") for e in tasks]
    assert choices["a"] != choices["b"] != choices["c"]


def test_the_rest_of_the_notebook_stays_and_the_students_version_hides_the_solution():
    path = FOLDER / "00_start_here.ipynb"
    private = variants.variant(SOLVED[path], "secret")
    changed = sum(a.source != b.source for a, b in zip(private.cells, SOLVED[path].cells, strict=True))
    twisted = sum(variants.chosen(e, "secret") is not None for e in notebooks.exercises(SOLVED[path]))
    assert twisted >= 2
    assert changed == 3 * twisted
    student = notebooks.student_version(private, path.name)
    for exercise in notebooks.exercises(student):
        assert "SOLUTION" not in exercise.answer
    assert SOLVED[path] == nbformat.read(path, as_version=4), "the original is left alone"


def test_an_answer_without_the_argument_is_told_so():
    with pytest.raises(AssertionError, match=r"takes \(r, tau\): NO. Asked for: T, the temperature"):
        variants.given("T", lambda r, tau: r)
    assert variants.given("T", None) is None
    assert variants.given("T", lambda r, T: (r, T))(1.0, tau=4.0) == (1.0, 0.25)
    with pytest.raises(ValueError, match="name is 'temperature'"):
        variants.given("temperature", lambda T: T)
    with pytest.raises(ValueError, match="seed is ''"):
        variants.chosen(notebooks.exercises(SOLVED[FOLDER / "00_start_here.ipynb"])[0], "")


def test_the_command_writes_them_where_it_is_told(tmp_path, capsys):
    path = FOLDER / "02_reward_weighting.ipynb"
    variants.main(["secret", str(path), "--folder", str(tmp_path / "week1")])
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'week1' / path.name}: ")
    made = nbformat.read(tmp_path / "week1" / path.name, as_version=4)
    assert made == nbformat.from_dict(variants.variant(SOLVED[path], "secret"))
    with pytest.raises(SystemExit, match="would be overwritten"):
        variants.main(["secret", str(tmp_path / "week1" / path.name), "--folder", str(tmp_path / "week1")])
    with pytest.raises(SystemExit, match="allowed: a notebook's file"):
        variants.main(["secret", str(tmp_path / "none.ipynb"), "--folder", str(tmp_path)])
