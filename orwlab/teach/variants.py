"""Private variants of the notebooks' exercises: ``python -m orwlab.teach.variants SEED NOTEBOOK ... --folder FOLDER``.

Solutions are public. In a variant each function gets one of its arguments in another form, such as a temperature in
place of tau, and which one depends on a seed that only the teacher knows. Who copies a public solution fails; who has
understood it changes a line. The checks are the same: ``given`` stands between them and the answer.
"""

import argparse
import ast
import copy
import functools
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import torch
from nbformat import NotebookNode
from torch import Tensor

from orwlab import checks
from orwlab.teach import notebooks
from orwlab.teach.notebooks import Exercise

__all__ = ["Twist", "chosen", "given", "main", "twists", "variant"]


@dataclass(frozen=True)
class Twist:
    """Another form of one argument: ``name`` stands in its place, ``back`` is code that makes the argument of it."""

    argument: str
    name: str
    says: str
    there: Callable[[Any], Any]
    back: str


def _inverse(x: Any) -> Any:
    if isinstance(x, Tensor):
        return 1 / x
    return 1 / x if x else np.inf


def _log(x: Any) -> Any:
    return x.log() if isinstance(x, Tensor) else float(np.log(x)) if x > 0 else -np.inf


def _cost_of(reward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: -reward(x)


def _in_percent(readings: Mapping[str, float]) -> dict[str, float]:
    return {name: 100 * value if name in ("diversity", "outside") else value for name, value in readings.items()}


def _in_hundredths(readings: Mapping[str, float]) -> dict[str, float]:
    return {name: 100 * value for name, value in readings.items()}


def _others(wanted: Sequence[int]) -> tuple[int, ...]:
    return tuple(k for k in range(10) if k not in wanted)


def _as_costs(rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    return [{**row, "reward": -row["reward"], "judge": -row["judge"]} for row in rows]


# by argument, or by function and argument where it is of another kind there; the seed chooses among all that fit
_FORMS: dict[str, list[tuple[str, str, Callable[[Any], Any], str]]] = {
    "tau": [("T", "the temperature $T = 1/\\tau$, which is infinite where $\\tau = 0$", _inverse, "1 / T")],
    "alpha": [("tightness", "$1/\\alpha$, which is infinite where $\\alpha = 0$", _inverse, "1 / tightness")],
    "r": [("costs", "the negative rewards", lambda r: -r, "-costs")],
    "reward": [("cost", "a function that gives the negative reward", _cost_of, "lambda x: -cost(x)")],
    "w": [("log_w", "the logarithms of the weights", _log, "log_w.exp()")],
    "p": [("log_p", "the logarithms of the masses", _log, "log_p.exp()")],
    "p_ref": [("log_p_ref", "the logarithms of the reference's masses", _log, "log_p_ref.exp()")],
    "mass": [("log_mass", "the logarithms of the masses", _log, "log_mass.exp()")],
    "weights": [("log_weights", "the logarithms of the weights", _log, "log_weights.exp()")],
    "t": [("to_go", "the time that is left, $1 - t$", lambda t: 1 - t, "1 - to_go")],
    "std": [("variance", "the variance, the standard deviation squared", lambda s: s**2, "variance**0.5")],
    "overtaking.std": [
        (
            "variances",
            "the modes' variances",
            lambda pair: tuple(s**2 for s in pair),
            "tuple(variance**0.5 for variance in variances)",
        )
    ],
    "s": [("variance", "the data's variance, $s^2$", lambda s: s**2, "variance**0.5")],
    "spread": [("variance", "the rewards' variance", lambda s: s**2, "variance**0.5")],
    "std_a": [("variance_a", "the variances of the first", lambda s: s**2, "variance_a**0.5")],
    "std_b": [("variance_b", "the variances of the second", lambda s: s**2, "variance_b**0.5")],
    "sizes": [("kilobytes", "the sizes in thousands of bytes", lambda s: s / 1000, "1000 * kilobytes")],
    "start": [("start_percent", "the share at the beginning in percent", lambda s: 100 * s, "start_percent / 100")],
    "x": [("x_cm", "`x` in centimetres, where all other lengths are in metres", lambda x: 100 * x, "x_cm / 100")],
    "y": [("y_cm", "`y` in centimetres, where all other lengths are in metres", lambda y: 100 * y, "y_cm / 100")],
    "A": [("A_percent", "100 times the matrix", lambda A: 100 * A, "A_percent / 100")],
    "J": [("J_percent", "100 times the Jacobians", lambda J: 100 * J, "J_percent / 100")],
    "dv": [("log_dv", "the logarithms of the gaps in velocity", _log, "log_dv.exp()")],
    "logits": [("misfits", "the negative logits: the smaller, the better they fit", lambda x: -x, "-misfits")],
    "scale": [("extra", "the scale minus 1, which is 0 where nothing is exaggerated", lambda s: s - 1, "1 + extra")],
    "change": [("change_percent", "100 times the change", lambda change: 100 * change, "change_percent / 100")],
    "lam": [("softness", "$1/\\lambda$", _inverse, "1 / softness")],
    "beta": [("strength", "$1/\\beta$, which is infinite where $\\beta = 0$", _inverse, "1 / strength")],
    "mtbf": [("hourly", "the mean number of failures an hour, which is 1 over `mtbf`", _inverse, "1 / hourly")],
    "sampler_steps": [
        ("step_length", "the length of a sampler step, 1 over their number", _inverse, "1 / step_length")
    ],
    "rewards": [
        ("losses", "the negative rewards", lambda pair: tuple(-r for r in pair), "tuple(-loss for loss in losses)")
    ],
    "wanted": [
        ("unwanted", "the digits that are *not* wanted", _others, "tuple(k for k in range(10) if k not in unwanted)")
    ],
    "real": [("negatives", "the real images as negatives, black for white: `-real`", lambda x: -x, "-negatives")],
    "rows": [
        (
            "cost_rows",
            "the rows with `reward` and `judge` negative, as costs",
            _as_costs,
            "[{**row, 'reward': -row['reward'], 'judge': -row['judge']} for row in cost_rows]",
        )
    ],
    "examine.readings": [
        (
            "hundredths",
            "the readings in hundredths, 100 for a correlation of 1",
            _in_hundredths,
            "{name: value / 100 for name, value in hundredths.items()}",
        )
    ],
    "readings": [
        (
            "in_percent",
            "the readings with `diversity` and `outside` in percent",
            _in_percent,
            "{k: v / 100 if k in ('diversity', 'outside') else v for k, v in in_percent.items()}",
        )
    ],
}


def twists(exercise: Exercise) -> list[Twist]:
    """All forms that arguments of the exercise's function may take; none for an answer that is no function."""
    function = _function(exercise)
    if function is None:
        return []
    names = [argument.arg for argument in function.args.args]
    forms = {name: _FORMS.get(f"{function.name}.{name}", _FORMS.get(name, [])) for name in names}
    found = [Twist(name, *form) for name in names for form in forms[name]]
    return [twist for twist in found if twist.name not in names]


def _function(exercise: Exercise) -> ast.FunctionDef | None:
    """The function whose name the check is called with."""
    asked = re.search(r"\((\w+)\)\s*$", exercise.check)
    if asked is None:
        raise checks.fail("exercise", exercise.check, "an exercise whose check is called with the answer's name")
    for node in ast.parse(exercise.answer).body:
        if isinstance(node, ast.FunctionDef) and node.name == asked[1]:
            return node
    return None


def chosen(exercise: Exercise, seed: str) -> Twist | None:
    """The form that ``seed``, any text, chooses for the exercise; None if it has none."""
    if not isinstance(seed, str) or not seed:
        raise checks.fail("seed", seed, "a text that only the teacher knows")
    found = twists(exercise)
    number = hashlib.sha256(f"{seed} {exercise.name}".encode()).digest()
    return found[int.from_bytes(number[:8], "big") % len(found)] if found else None


def given(name: str, answer: Any) -> Any:
    """``answer``, a function of an argument ``name``, as one of the argument that it stands for; others as they are."""
    form = next(((a, f) for a, forms in _FORMS.items() for f in forms if f[0] == name), None)
    if form is None:
        raise checks.fail("name", name, f"one of {', '.join(f[0] for forms in _FORMS.values() for f in forms)}")
    if not callable(answer):
        return answer
    argument, (_, says, there, _) = form[0].split(".")[-1], form[1]
    names = list(inspect.signature(answer).parameters)
    if name not in names:
        raise AssertionError(f"Your function takes ({', '.join(names)}): NO. Asked for: {name}, {says}.")

    @functools.wraps(answer)
    def asked(*arguments: Any, **named: Any) -> Any:
        at = names.index(name)
        changed = [there(value) if k == at else value for k, value in enumerate(arguments)]
        if argument in named:
            named[name] = there(named.pop(argument))
        return answer(*changed, **named)

    return asked


def variant(notebook: NotebookNode, seed: str) -> NotebookNode:
    """A copy of a solved notebook whose exercises are the seed's: tasks, signatures, solutions and checks.

    Exercises whose answer is a number stay as they are.
    """
    private = copy.deepcopy(notebook)
    for exercise in notebooks.exercises(notebook):
        twist = chosen(exercise, seed)
        if twist is None:
            continue
        cells = {c.metadata.nbgrader.grade_id: c for c in private.cells if "nbgrader" in c.metadata}
        answer, check = cells[f"answer-{exercise.name}"], cells[f"check-{exercise.name}"]
        task = private.cells[private.cells.index(answer) - 1]
        sentence = f"**Your variant.** In place of `{twist.argument}` your function gets `{twist.name}`: {twist.says}."
        before, mark, hints = task.source.partition("<details>")
        task.source = f"{before.rstrip()}\n\n{sentence}\n\n{mark}{hints}"
        function = _function(exercise)
        assert function is not None
        answer.source = _rewritten(answer.source, function, twist)
        check.source = "from orwlab.teach import variants\n\n" + check.source.replace(
            f"({function.name})", f'(variants.given("{twist.name}", {function.name}))'
        )
        for cell in (answer, check):
            cell.outputs, cell.execution_count = [], None
    return private


def _rewritten(source: str, function: ast.FunctionDef, twist: Twist) -> str:
    """The answer with its argument renamed in the signature, and made again where the solution begins."""
    lines = source.split("\n")
    argument = next(a for a in function.args.args if a.arg == twist.argument)
    line = lines[argument.lineno - 1]
    start = len(line.encode()[: argument.col_offset].decode())
    lines[argument.lineno - 1] = line[:start] + twist.name + line[start + len(twist.argument) :]
    begin = next(k for k, text in enumerate(lines) if k >= function.lineno and "### BEGIN SOLUTION" in text)
    indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
    lines.insert(begin + 1, f"{indent}{twist.argument} = {twist.back}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Write variants of notebooks."""
    parser = argparse.ArgumentParser(
        prog="python -m orwlab.teach.variants", description="Variants of the exercises that only you know."
    )
    parser.add_argument("seed", help="any text; the same seed makes the same variants")
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="solved notebooks")
    parser.add_argument("--folder", type=Path, required=True, help="where to write them, such as course/source/week1")
    options = parser.parse_args(arguments)
    missing = [path for path in options.notebooks if not path.is_file()]
    if missing:
        sys.exit(f"NOTEBOOK is {missing[0]}; allowed: a notebook's file")
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in options.notebooks:
        there = options.folder / path.name
        if there.exists() and there.samefile(path):
            sys.exit(f"{there} would be overwritten; choose another --folder")
        solved = nbformat.read(path, as_version=4)
        there.write_text(notebooks.text(variant(solved, options.seed)), encoding="utf-8", newline="\n")
        twisted = sum(chosen(e, options.seed) is not None for e in notebooks.exercises(solved))
        print(f"{there}: {twisted} exercises changed")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
