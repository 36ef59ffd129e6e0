"""Every method against its exact answer: three targets, three seeds, one strength; kept in a file.

    python -m orwlab.tasks.contest [--jobs N]   # a quarter of an hour on two cores
    rows = contest.load()               # what is kept
    print(contest.table(rows, "eight_gaussians"))

Mean rewards are of the running average's samples from fixed noise, less what the pretrained reference has from the same
noise, plus what p_ref has exactly: neither the noise nor what the reference has not learned counts.
"""

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orwlab import checks, files, flow, methods, rewards, targets, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.methods import dial, rollout
from orwlab.methods.run import Diverged
from orwlab.tasks.results import FOLDER, each_once

FORMAT = "orwlab contest 1"
TARGETS = ("gaussian", "two_modes_1d", "eight_gaussians")
REWARD = "right"
STRENGTH = 2.0
SEEDS = (0, 1, 2)
NEAR = 0.03  # of the exact mean reward
EVERY = 10  # rounds between two looks
SEEN = 4000  # samples of a look
FAR = 20.0  # nats: of a policy that has left the reference behind, KL and slope are no numbers to read
MEMORYLESS = dict(noise=rollout.MEMORYLESS, rule="exact")
WHOLE = dict(pool_size=8192, steps_per_round=300)  # a draw that is fitted as well as can be


@dataclass(frozen=True)
class Entry:
    """One method as it takes part."""

    method: str
    rounds: int
    against: str = ""
    """what it is held to: "limit", "round" (one perfect round), or nothing"""
    more: Mapping[str, Any] = field(default_factory=dict)


ENTRIES: dict[str, Entry] = {
    "ORW-CFM-W2": Entry("orw_cfm_w2", 400, "limit"),
    "RW-CFM": Entry("rw_cfm", 400, "limit"),
    "AWM": Entry("awm", 400, "limit"),
    "AWM, no anchor": Entry("awm", 400, "limit", dict(anchor=0.0)),
    "Adjoint Matching": Entry("adjoint_matching", 300, "limit"),
    "Flow-GRPO": Entry("flow_grpo", 400, "limit"),
    "Flow-GRPO, memoryless": Entry("flow_grpo", 400, "limit", dict(noisy_steps=20) | MEMORYLESS),
    "Flow-GRPO, foresight": Entry("flow_grpo", 400, "limit", dict(noisy_steps=20, foresight=True) | MEMORYLESS),
    "ReFT, one round": Entry("reft", 1, "round", WHOLE),
    "RAFT, one round": Entry("raft", 1, "round", WHOLE),
    "ORW-CFM, one round": Entry("orw_cfm", 1, "round", WHOLE),
    "DiffusionNFT, one round": Entry("diffusion_nft", 1, "round", WHOLE),
    "ADRPO, one round": Entry("adrpo", 1, "round", WHOLE),
    "ReFT": Entry("reft", 300, "limit"),
    "ADRPO": Entry("adrpo", 400),
    "DRaFT": Entry("draft", 200),
    "RAFT": Entry("raft", 300),
    "ORW-CFM": Entry("orw_cfm", 300),
    "DiffusionNFT": Entry("diffusion_nft", 300),
    "DDPO": Entry("ddpo", 300),
    "ReFL": Entry("refl", 300),
}


@dataclass(frozen=True)
class Row:
    """What one run came to; numbers that there are not are NaN."""

    target: str
    entry: str
    seed: int
    exact: float
    """the mean reward that it is held to"""
    exact_kl: float
    achieved: dict[str, float]
    """of ``dial.achieved``, with ``mean_reward`` as this file measures it"""
    curve: list[float]
    """mean reward before the first round and after every ``EVERY``"""
    cost: dict[str, int]
    seconds: float
    rounds: int
    """how many it did: fewer than planned if it ran away until numbers were no longer finite"""
    near: dict[str, float]
    """forward, backward, rewards and seconds until the curve is within ``NEAR`` of exact for good; empty if never"""

    @property
    def gap(self) -> float:
        """Mean reward less the exact one."""
        return self.achieved["mean_reward"] - self.exact


def run(target: str, entry: str, seed: int) -> Row:
    """One run, measured.

    Args:
        target: one of ``TARGETS``.
        entry: one of ``ENTRIES``.
        seed: of the run.
    """
    checks.choice("target", target, TARGETS)
    plan = ENTRIES[checks.choice("entry", entry, ENTRIES)]
    kind, reference, reward = methods.get(plan.method), zoo.load(target), rewards.get(REWARD)
    dynamics = PopulationDynamics(targets.get(target), reward)
    cells, p, r = dynamics.cells, dynamics.reference_density, dynamics.reward_values
    start = float((p * r).sum()) * cells.dx**cells.dim
    ask = {"limit": kind.exact, "round": kind.exact_round}.get(plan.against)
    law = None if ask is None else ask(cells, p, r, STRENGTH)
    x0 = flow.noise(SEEN, (cells.dim,), generator=torch.Generator().manual_seed(1234))
    base = float(rewards.evaluate(reward, flow.sample(reference, x0)).mean())

    def look(policy: Any) -> float:
        return float(rewards.evaluate(reward, flow.sample(policy, x0)).mean()) - base + start

    fine_tuning = kind(reference, reward, strength=STRENGTH, seed=checks.seed("seed", seed), **plan.more)
    curve, spent, seconds = [start], [{**asdict(fine_tuning.cost), "seconds": 0.0}], 0.0
    rounds = fine_tuning.rounds(plan.rounds)
    for k in range(plan.rounds):
        began = time.perf_counter()
        try:
            next(rounds)
        except Diverged:
            break
        seconds += time.perf_counter() - began
        if (k + 1) % EVERY == 0 or k + 1 == plan.rounds:
            curve.append(look(fine_tuning.average))
            spent.append({**asdict(fine_tuning.cost), "seconds": seconds})
    reached = dial.achieved(fine_tuning.average, reference, reward, n=1024, seed=seed)
    exact = math.nan if law is None else law.mean_reward
    far = [i for i, value in enumerate(curve) if not abs(value - exact) <= NEAR]
    near = spent[far[-1] + 1] if far and far[-1] + 1 < len(curve) else {}
    return Row(
        target, entry, seed, exact, math.nan if law is None else law.kl, asdict(reached) | {"mean_reward": curve[-1]},
        [round(value, 4) for value in curve], asdict(fine_tuning.cost), seconds, fine_tuning.round, near,
    )  # fmt: skip


def _one(target: str, entry: str, seed: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return asdict(run(target, entry, seed)), {}


def load(folder: str | PathLike[str] = FOLDER) -> list[Row]:
    """What is kept.

    Raises:
        ValueError: there is nothing, or it was made by another recipe.
    """
    path = checks.folder("folder", folder) / "contest.json"
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise checks.fail(
            "folder", str(folder), f"a folder with contest.json, which make() writes ({error})"
        ) from error
    if not isinstance(kept, dict) or kept.get("format") != FORMAT or kept.get("recipe") != _recipe():
        raise checks.fail("folder", str(folder), "results of the present recipe: make them again")
    return [Row(**row) for row in kept["rows"]]


def make(folder: str | PathLike[str] = FOLDER, jobs: int = -1) -> list[Row]:
    """Run all and keep it: half an hour of one core, a quarter of two.

    Args:
        folder: where contest.json goes.
        jobs: processes, each on one thread; -1: as many as there are processor cores.
    """
    place = checks.folder("folder", folder)
    tasks = [(target, entry, seed) for target in TARGETS for entry in ENTRIES for seed in SEEDS]
    rows = [row for row, _ in each_once("contest", _recipe(), _one, tasks, place, jobs)]
    text = json.dumps({"format": FORMAT, "recipe": _recipe(), "rows": rows}, indent=1)
    files.write_bytes(place / "contest.json", f"{text}\n".encode())
    return load(place)


def _recipe() -> dict[str, Any]:
    entries = {name: asdict(entry) for name, entry in ENTRIES.items()}
    settings = dict(reward=REWARD, strength=STRENGTH, near=NEAR, every=EVERY, seen=SEEN)
    return json.loads(json.dumps({"targets": TARGETS, "seeds": SEEDS, "entries": entries, **settings}))


def mean(rows: list[Row], target: str, entry: str, what: str) -> tuple[float, float]:
    """Mean and spread over seeds of "gap", "exact", "seconds" or one of what was ``achieved``.

    Raises:
        ValueError: no row is of that target and entry, or there is no such number.
    """
    rows = _rows(rows)
    checks.choice("target", target, dict.fromkeys(row.target for row in rows))
    there = [row for row in rows if row.target == target]
    checks.choice("entry", entry, dict.fromkeys(row.entry for row in there))
    found = [row for row in there if row.entry == entry]
    checks.choice("what", what, ["gap", "exact", "exact_kl", "seconds", *found[0].achieved])
    values = torch.tensor([row.achieved.get(what, getattr(row, what, math.nan)) for row in found], dtype=torch.float64)
    return float(values.mean()), float(values.std(correction=0))


def _rows(rows: Any) -> list[Row]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Row) for row in rows):
        raise checks.fail("rows", rows, "rows, as load() gives them")
    return rows


def ran_away(rows: list[Row], target: str, entry: str) -> int:
    """How many of an entry's runs ended before their time, because numbers were no longer finite."""
    return sum(row.rounds < ENTRIES[entry].rounds for row in rows if (row.target, row.entry) == (target, entry))


def table(rows: list[Row], target: str) -> str:
    """A line an entry: exact, reached, their gap, slope and r^2, KL, W2^2, and seconds."""
    rows, target = _rows(rows), checks.choice("target", target, TARGETS)
    lines = [
        f"{target:<26}{'exact':>8}{'reached':>9}{'gap':>17}{'slope':>8}{'r^2':>6}{'KL':>8}{'W2^2':>8}{'seconds':>9}"
    ]
    for entry in ENTRIES:
        (exact, _), (reached, _), (gap, spread), (slope, _), (fit, _), (kl, _), (w2, _), (seconds, _) = (
            mean(rows, target, entry, what)
            for what in ("exact", "mean_reward", "gap", "strength", "r_squared", "kl", "w2_squared", "seconds")
        )
        lost = ran_away(rows, target, entry)
        there = 0 <= kl < FAR  # far from the reference neither density can be followed
        placed = f"{slope:8.2f}{fit:6.2f}{kl:8.2f}{w2:8.2f}" if there else f"{'-':>8}{'-':>6}{'-':>8}{'-':>8}"
        lines.append(
            f"{entry:<26}{exact:8.3f}{reached:9.3f}{gap:9.3f} ± {spread:.3f}{placed}{seconds:9.1f}"
            + f"  {lost} of {len(SEEDS)} diverged" * (lost > 0)
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m orwlab.tasks.contest", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=-1, help="processes, each on one thread (default: one a core)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: the package)")
    options = parser.parse_args(arguments)
    try:
        rows = make(options.folder, options.jobs)
    except ValueError as error:
        print(f"contest: {error}")
        return 1
    for target in TARGETS:
        print(table(rows, target), end="\n\n")
    return 0


if __name__ == "__main__":
    from orwlab.tasks import contest  # by its own name, under which other processes find its rows

    raise SystemExit(contest.main())
