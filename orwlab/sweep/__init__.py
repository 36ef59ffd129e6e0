"""Many runs: every alpha, tau, seed, target, reward and method, over processes or a cluster; it goes on after any end.

    table = sweep.run(alphas=(0.1, 1.0), taus=1.0, seeds=range(3), target="eight_gaussians", reward="right",
                      method="orw_cfm_w2", rounds=300, folder="my-sweep")
    print(table)                            # a line a cell, the exact values beside
    table.write("my-sweep.csv")
    figures.sweep_over_alpha(table, tau=1.0).show()

The same from a file, whose names are those of the arguments (``spec`` shows one):

    orwlab sweep spec.yaml --folder my-sweep --jobs 4

**alpha and tau.** ORW-CFM-W2 takes both as they are, with weights of mean one. ``orw_cfm`` and ``rw_cfm`` have no
alpha: tau is their strength. Every other method has one dial, its strength, which is tau / alpha. Combinations that
come to the same run are done once, and are a row each. The exact answer of a cell is the same for all its seeds, and is
found once. Where a setting leads elsewhere than the dial says, as ReFT's ``threshold`` does, "ot", a coarse sampler or
a small ``rank``, none is known (``Contestant.goes_there``); where a method only aims at it, it is not trusted.

**What is kept.** ``folder`` holds a small file for each finished task, under a name that is a fingerprint of all that
decides its result: the settings, the networks' weights, what rewards compute (``meaning``), and the code of this
package that did it: after an update of the methods it is done again. What is there is not done again. A folder in which
a name means something else is refused. A run that diverges is a result, and stays. Anything else that goes wrong, such
as a reward that raises, is a row with a sentence, and is tried again at the next start.

**At random.** A reward that draws from Python's, numpy's or torch's own generator draws what is its task's: the same in
every process, and the caller's generators stay as they are. Only threads share theirs.

**On a cluster.** Tasks are pure and can be pickled; joblib's backend says where they run, and nothing else changes. A
worker needs this package, and neither the folder nor its file system: only the caller writes.

    with Client("tcp://scheduler:8786"), joblib.parallel_config(backend="dask"):    # from distributed import Client
        table = sweep.run(...)              # tested: the same numbers as on one machine

    ray.util.joblib.register_ray()          # expected: not tested here
    with joblib.parallel_config(backend="ray"):
        table = sweep.run(...)

Two processes may work at one folder. Each skips what the other has finished, and may do again what it is just at.

``orwlab.exact.sweep`` is another thing: exact limits alone, over alpha and tau, without a network.
"""

import math
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from orwlab import checks
from orwlab.sweep import once, sent, work
from orwlab.sweep.plan import Place, Plan, planned
from orwlab.sweep.table import COLUMNS, SETTINGS, Row, Table

__all__ = ["Row", "Table", "finished", "run"]

FORMAT = "orwlab sweep 1"
TASKS, NAMES = "tasks", "names"
"""in a sweep's folder: what is finished, and what names mean there"""


def run(
    alphas: Any,
    taus: Any = 1.0,
    seeds: Any = 0,
    *,
    target: Any = "eight_gaussians",
    reward: Any = "right",
    method: Any = work.PAPER,
    rounds: int = 300,
    folder: str | PathLike[str] | None = None,
    jobs: int | None = -1,
    progress: bool = True,
    **settings: Any,
) -> Table:
    """Run every combination, and hold each to its exact answer. What ``folder`` holds already is not done again.

    Args:
        alphas: W2 coefficients, >= 0; a number or several. At 0 nothing holds the paper's method, and other methods
            that have an alpha have no strength.
        taus: inverse temperatures, >= 0; one or several.
        seeds: of the runs; one or several.
        target: names of the zoo's flows of points, one or several; or a mapping name -> (target, reference): a density
            with ``dim`` and ``log_prob``, None if it is unknown, and its pretrained flow.
        reward: names, one or several; or a mapping name -> callable (n, *event) -> (n,).
        method: names of ``methods.names()``, one or several.
        rounds: of every run.
        folder: where finished tasks are kept; made if there is none. None: nowhere.
        jobs: processes, each on one thread; -1: as many as there are processor cores, or the cluster's; None: what
            ``joblib.parallel_config`` says, else one.
        progress: whether there is a progress bar.
        settings: of the methods, all of which must have them: ``batch_size``, ``lr``, ``steps_per_round``, ...

    Returns:
        a row for each combination: see ``table.Row``. Of one cell's rows, ``seconds`` alone differ from one time that
        they are done to another on the same machine.

    Raises:
        ValueError: an argument out of range, named, before any work; a folder in which a name means something else; a
            reward that cannot be sent to another process; a folder that can no longer be written to.
        once.WorkerLost: a worker process was killed. What is finished is kept.
    """
    plan = planned(alphas, taus, seeds, target=target, reward=reward, method=method, rounds=rounds, **settings)
    jobs, progress = once.checked_jobs(jobs), checks.yes_or_no("progress", progress)
    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            return _done(plan, _own(place), jobs, progress)
    return _done(plan, _own(folder), jobs, progress)


def finished(*, folder: str | PathLike[str], jobs: Any = None, progress: Any = None, **asked: Any) -> tuple[int, int]:
    """How many tasks of a sweep, asked for as ``run`` is, are finished in its folder; and how many there are.

    Raises:
        ValueError: as ``run`` does.
    """
    plan = planned(**asked)
    shelf, calls = _shelf(_own(folder)), _calls(plan)
    return sum(shelf.get(key) is not None for key in calls), len(calls)


def _shelf(folder: Path) -> once.Shelf:
    return once.json_shelf(folder / TASKS, FORMAT, lambda value: not value.get("again"))


def _calls(plan: Plan) -> dict[str, once.Call]:
    """All tasks, a cell's limit before its runs."""
    calls: dict[str, once.Call] = {}
    for place in plan.places:
        calls.update(task for task in (plan.limit(place), plan.run(place)) if task is not None)
    return calls


def _done(plan: Plan, folder: Path, jobs: int | None, progress: bool) -> Table:
    shelf = _shelf(folder)
    _claim(plan, folder, shelf)
    runs = {place: plan.run(place) for place in plan.places}
    limits = {place: plan.limit(place) for place in plan.places}
    for kind, things in (("reward", plan.rewards), ("target", plan.targets)):
        for name, thing in things.items():
            sent.check(f"{kind} {name!r}", thing, jobs)
    found = dict(once.each(_calls(plan), shelf, jobs=jobs, name="sweep", progress=progress))
    return Table(
        tuple(
            _row(place, found[runs[place][0]], found[task[0]] if (task := limits[place]) is not None else {})
            for place in plan.places
        )
    )


def _row(place: Place, run: dict[str, Any], limit: dict[str, Any]) -> Row:
    errors = [run["error"]] if run["error"] else []
    if limit.get("error"):
        errors.append(f"the exact answer: {limit['error']}")
    said = {name: getattr(place, name) for name in (*SETTINGS, "strength")}
    measured, exact = ({k: v for k, v in kept.items() if k in COLUMNS} for kept in (run, limit))
    row = {**said, **exact, **measured, "error": "; ".join(errors)}
    if "raw_reward" in run:
        row["mean_reward"] = run["raw_reward"] + (limit.get("exact_reference", math.nan) - run["raw_reference"])
        row["gap"] = row["mean_reward"] - limit.get("exact", math.nan)
    return Row(**row)


def _own(folder: Any) -> Path:
    """The folder with its parts, made if there are none."""
    allowed = "a folder, or a place for one"
    try:
        place = Path(folder).expanduser()
        for part in (TASKS, NAMES):
            (place / part).mkdir(parents=True, exist_ok=True)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise checks.fail("folder", folder, f"{allowed} ({error})") from error
    return place


def _claim(plan: Plan, folder: Path, kept: once.Shelf) -> None:
    """Write down what names mean here; refuse those by which something else has been done already."""
    shelf = once.json_shelf(folder / NAMES, FORMAT)
    for (kind, name), meant in plan.meanings.items():
        key, said = f"{kind}-{once.digest(name)[:16]}", {"kind": kind, "name": name, "meaning": meant}
        before = shelf.get(key)
        other = before is not None and before != said
        if other and any(task[kind] == [name, before["meaning"]] for task in _tasks(kept)):
            raise ValueError(
                f"folder is {str(folder)!r}, where the {kind} {name!r} is another one than here: its code, what it "
                "refers to, or the version of a library is not the same; allowed: another name, another folder, or "
                "what it was then"
            )
        if before != said:
            shelf.put(key, said)


def _tasks(kept: once.Shelf) -> Iterator[dict[str, Any]]:
    """Those that are finished."""
    for path in kept.folder.glob(f"*{kept.suffix}"):
        if (value := kept.get(path.stem)) is not None:
            yield value["task"]
