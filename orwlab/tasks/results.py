"""What fine-tuning the tasks gives, over alphas and seeds: minutes of work, kept in small files with their recipe.

    make results                        # or python -m orwlab.tasks.results [NAME ...] [--jobs N]
    found = results.load("digits")      # what is kept
    found.mean("judge", 0.1)            # mean and spread over seeds

The recipe is alphas, seeds, plan, and the fingerprints of networks and solvers. Where one of them has changed since,
``load`` says so.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orwlab import checks, files, zoo
from orwlab.data import as_bytes
from orwlab.sweep import meaning, once
from orwlab.tasks import images
from orwlab.tasks.digits import Digits
from orwlab.tasks.images import Outcome, Plan, Task
from orwlab.tasks.photographs import Photographs
from orwlab.tasks.words import METHODS, Words

FORMAT = "orwlab results 1"
FOLDER = Path(__file__).parent / "kept"
SHOWN = 16  # images that are kept of each alpha, of the first seed
POINTS = 100  # of a curve over rounds, or a few more


@dataclass(frozen=True)
class Study:
    """What is done with a task."""

    task: Callable[[], Task]
    networks: tuple[str, ...]
    """of the zoo, and the solvers that draw from them"""
    alphas: tuple[float, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    changes: Mapping[str, Any] = field(default_factory=dict)
    """what is done otherwise than the task's plan says"""

    @property
    def plan(self) -> Plan:
        """The task's, with the study's changes."""
        plan: Plan = self.task.plan  # type: ignore[attr-defined]
        return replace(plan, **self.changes)


_DIGITS = ("digits", "digits_classifier", "digits_judge", "solver_8")
_WORDS = ("captions", "captions_clip", "captions_judge", "captions_digits", "solver_captions")
_PHOTOGRAPHS = ("patches", "patches_features", "solver_patches")
STUDIES: dict[str, Study] = {
    "digits": Study(Digits, _DIGITS, (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)),
    "photographs": Study(Photographs, _PHOTOGRAPHS, (0.0, 0.1, 0.3, 0.5, 1.0, 3.0)),
    "photographs_long": Study(Photographs, _PHOTOGRAPHS, (0.0, 0.3), changes={"rounds": 120}),
    "words": Study(Words, _WORDS, (0.0, 0.1, 0.3, 1.0, 3.0)),
    "words_plain": Study(Words, _WORDS, (0.3,), changes={"control_variate": 0.0}),
    "words_raft": Study(Words, _WORDS, (0.3,), changes={"method": METHODS["RAFT"]}),
    "words_reft": Study(Words, _WORDS, (0.3,), changes={"method": METHODS["ReFT"]}),
    "words_kl": Study(Words, _WORDS, (0.3,), changes={"method": METHODS["ORW-CFM-KL"]}),
}
"""photographs_long: what becomes of photographs when a run goes on long after its reward has stopped growing;
words_raft and so on: the same sentences by other methods"""


@dataclass(frozen=True)
class Results:
    """What is kept of a study."""

    recipe: dict[str, Any]
    rows: list[dict[str, Any]]
    """one for each seed and alpha: "seed", "alpha" (None: the reference), "reward", "numbers", and "rewards", the mean
    reward of every so-many-th round: see ``curve``"""
    samples: dict[float | None, Tensor]
    """alpha -> (SHOWN, channels, height, width), of the first seed, all from the same noise: see ``Task.shown``"""

    @property
    def alphas(self) -> list[float]:
        """In order, without the reference."""
        return list(self.recipe["alphas"])

    def values(self, name: str, alpha: float | None) -> list[float]:
        """A number at ``alpha`` (None: the reference's), one for each seed: "reward", or one of the judge's."""
        alpha = None if alpha is None else checks.number("alpha", alpha)
        rows = [row for row in self.rows if row["alpha"] == alpha]
        if not rows:
            raise checks.fail("alpha", alpha, f"None or one of {', '.join(f'{known:g}' for known in self.alphas)}")
        known = {"reward": 0.0, **{key: v for key, v in rows[0]["numbers"].items() if not isinstance(v, list)}}
        checks.choice("name", name, known)
        return [row["reward"] if name == "reward" else row["numbers"][name] for row in rows]

    def mean(self, name: str, alpha: float | None) -> tuple[float, float]:
        """Mean and standard deviation over seeds."""
        values = self.values(name, alpha)
        return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0

    def curve(self, alpha: float) -> tuple[list[int], list[float]]:
        """Rounds, from 1, and the mean reward of each, mean over seeds."""
        alpha = checks.number("alpha", alpha)
        self.values("reward", alpha)
        rows = [row["rewards"] for row in self.rows if row["alpha"] == alpha]
        every = _every(self.recipe["plan"]["rounds"])
        return [1 + every * k for k in range(len(rows[0]))], [statistics.mean(values) for values in zip(*rows)]

    def outcomes(self) -> list[Outcome]:
        """The first seed's, with the images that are kept and without the curves: what figures draw."""
        first = self.recipe["seeds"][0]
        return [
            Outcome(row["alpha"], self.samples[row["alpha"]], row["reward"], row["numbers"], seed=first)
            for row in self.rows
            if row["seed"] == first
        ]


def recipe_of(name: str) -> dict[str, Any]:
    """How a study is done: alphas, seeds, plan, and the fingerprints of its networks."""
    study = STUDIES[checks.choice("name", name, STUDIES)]
    return {
        "name": name,
        "alphas": list(study.alphas),
        "seeds": list(study.seeds),
        "plan": asdict(study.plan),
        "weighting": "mean_one",
        "judge": study.task.judged_by,  # type: ignore[attr-defined]
        "judged_on": study.task.judged_on,  # type: ignore[attr-defined]
        "networks": {network: _identity(zoo.card(network)) for network in study.networks},
    }


def _identity(card: dict[str, Any]) -> str:
    """The fingerprint of a network's weights, or of a solver's numbers, which its card has in full."""
    return card["sha256"] if "sha256" in card else hashlib.sha256(json.dumps(card["solver"]).encode()).hexdigest()


def load(name: str, folder: str | PathLike[str] = FOLDER) -> Results:
    """What is kept of study ``name``.

    Raises:
        ValueError: there is no such study, its file is missing or damaged, or it was made by another recipe: other
            alphas, another plan, or networks that have been trained again since.
    """
    wanted = recipe_of(name)
    path = checks.folder("folder", folder) / f"{name}.safetensors"
    tensors, metadata = files.read(path, FORMAT)
    if metadata["recipe"] != wanted:
        raise checks.fail("results", str(path), f"those of the present recipe: run `make results`, or its {name} alone")
    kept = tensors["samples"].float() / 127.5 - 1
    return Results(wanted, metadata["rows"], dict(zip([None, *wanted["alphas"]], kept)))


def make(name: str, folder: str | PathLike[str] = FOLDER, jobs: int = -1) -> Results:
    """Do study ``name`` and keep what it gives.

    It takes one core ten minutes for the digits, twenty for either study of photographs, fifty for the words and ten
    for each of their rivals. What was done when it was interrupted is not done again: until the end it lies in a hidden
    folder beside the file.

    Args:
        name: one of ``STUDIES``.
        folder: where NAME.safetensors goes.
        jobs: processes, each on one thread; -1: as many as there are processor cores.
    """
    recipe, place = recipe_of(name), checks.folder("folder", folder)
    tasks = [(name, seed, alpha) for seed in recipe["seeds"] for alpha in [None, *recipe["alphas"]]]
    rows, kept = [], []
    for row, tensors in each_once(name, recipe, _one, tasks, place, jobs):
        rows.append(row)
        if row["seed"] == recipe["seeds"][0]:
            kept.append(tensors["samples"])
    metadata = {"format": FORMAT, "recipe": recipe, "rows": rows}
    files.write(place / f"{name}.safetensors", {"samples": torch.stack(kept)}, metadata)
    return load(name, place)


def each_once(
    name: str, recipe: dict[str, Any], one: Callable[..., Any], tasks: list[tuple[Any, ...]], place: Path, jobs: int
) -> Iterator[Any]:
    """``one(*task)`` for every task, in their order, over several processes: something that JSON holds, and tensors.

    What was done when it was interrupted is not done again by the same recipe and code: until the last one it lies in a
    hidden folder in ``place``.
    """
    once.checked_jobs(jobs)
    code = meaning.of_code("tasks", "methods")  # what was done by other code is done again
    unfinished = place / f".{name}-{once.digest([recipe, code])[:12]}"
    for stale in {*place.glob(f".{name}-*")} - {unfinished}:
        shutil.rmtree(stale)
    unfinished.mkdir(exist_ok=True)
    shelf = once.Shelf(unfinished, ".safetensors", _keep, _kept)
    calls = {once.digest(task): (one, *task) for task in tasks}
    found = dict(once.each(calls, shelf, jobs=jobs, name=name))
    yield from (found[key] for key in calls)
    shutil.rmtree(unfinished)


def _keep(path: Path, answer: tuple[Any, dict[str, Tensor]]) -> None:
    said, tensors = answer
    files.write(path, tensors, {"format": FORMAT, "said": said})


def _kept(path: Path) -> tuple[Any, dict[str, Tensor]]:
    tensors, metadata = files.read(path, FORMAT)
    return metadata["said"], tensors


def _one(name: str, seed: int, alpha: float | None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """One seed and alpha: its row, and the images to keep as bytes."""
    task, plan = _task(name), STUDIES[name].plan
    if alpha is None:
        outcome = task.outcome(task.reference, task.noise(task.judged_on, seed), None, seed)
    else:
        outcome = images.fine_tune(task, [alpha], [seed], plan=plan, progress=False)[1]
    rewards = [round(reward, 4) for reward in outcome.rewards[:: _every(plan.rounds)]]
    row = {"seed": seed, "alpha": alpha, "reward": outcome.reward, "numbers": outcome.numbers, "rewards": rewards}
    shown = outcome.samples[task.shown(SHOWN, len(outcome.samples))]
    return row, {"samples": torch.from_numpy(as_bytes(shown)).permute(0, 3, 1, 2)}


def _every(rounds: int) -> int:
    """Of how many rounds one is kept."""
    return max(1, rounds // POINTS)


@cache
def _task(name: str) -> Task:
    return STUDIES[name].task()


def table(found: Results) -> str:
    """Mean and spread over seeds of every number, a line an alpha."""
    if not isinstance(found, Results):
        raise checks.fail("found", found, "Results, as load(name) gives them")
    names = ["reward", *(key for key, value in found.rows[0]["numbers"].items() if not isinstance(value, list))]
    lines = [f"{'alpha':>9}  " + "".join(f"{name:>18}" for name in names)]
    for alpha in [None, *found.alphas]:
        cells = (f"{mean:9.3f} ± {spread:.3f}" for mean, spread in (found.mean(name, alpha) for name in names))
        lines.append(f"{'reference' if alpha is None else f'{alpha:g}':>9}  " + "".join(f"{c:>18}" for c in cells))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m orwlab.tasks.results", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(STUDIES)}; all if none is named")
    parser.add_argument("--jobs", type=int, default=-1, help="processes, each on one thread (default: one a core)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: the package)")
    options = parser.parse_args(arguments)
    try:
        for name in options.names or STUDIES:
            print(table(make(name, options.folder, options.jobs)))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    # The other processes find functions by their module's name, and this one's is not __main__ there.
    from orwlab.tasks import results

    sys.exit(results.main())
