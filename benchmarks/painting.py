"""How soon does the exact answer follow a stroke? ``python benchmarks/painting.py``

A reward, then a target, is painted stroke by stroke, and after each stroke the limit is asked for as the lab does:
from the painting's text, at alpha 1 and tau 1. Once from the reference, once from the limit before the
stroke. The parts are given in milliseconds and in refreshes of the same run, which depend less on the machine. With one
thread processor time is counted, which other work on the machine disturbs less. 300 ms is what the lab promises of a
reward, and a second until a running network goes another way.
"""

import argparse
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import TypeVar

import torch

from orwlab import rewards, targets
from orwlab.oracle import OracleWarning, PopulationDynamics
from orwlab.show.lab import exact, own, painting
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import decode

T = TypeVar("T")
PROMISED = 300.0  # ms
STEERED = 1000.0  # ms, until a running network has another course
BUDGET = 0.04  # seconds between two pictures


class Parts:
    """What each part took, ms, one entry a stroke."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)

    def time(self, part: str, f: Callable[[], T]) -> T:
        """Whatever ``f`` gives."""
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        start = clock()
        found = f()
        self.took[part].append(1e3 * (clock() - start))
        return found

    def table(self, wanted: list[str], promised: float | None = None) -> None:
        """Print the ``wanted`` parts and their sum, beside what is ``promised``, ms."""
        refresh = median(self.took["one refresh"])
        whole = [sum(parts) for parts in zip(*(self.took[part] for part in wanted))]
        for part, row in [*((part, self.took[part]) for part in wanted), ("together", whole)]:
            print(f"  {part:<38}{median(row):>8.1f}{max(row):>8.1f}{median(row) / refresh:>12.1f}")
        if promised is not None:
            print(f"  promised: {promised:g} ms, {'held' if max(whole) <= promised else 'NOT HELD'}")
        print(flush=True)


def drawing(strokes: int) -> list[painting.Stroke]:
    """Lines, dabs and the eraser, with every brush."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for k in range(strokes):
        way = (torch.randn(40, 2, generator=generator) * 0.3).cumsum(0) + 2 * torch.randn(2, generator=generator)
        brush = dict(size=painting.SIZES[k % 4], strength=painting.STRENGTHS[k % 3], eraser=k % 5 == 4)
        made.append(painting.stroke(way, symmetry=list(painting.SYMMETRIES)[k % 6], **brush))
    return made


def limit(dynamics: PopulationDynamics) -> None:
    dynamics.fixed_point(exact.SETTLED, max_rounds=exact.MAX_ROUNDS)


def painted_reward(strokes: list[painting.Stroke], axis: int, parts: Parts) -> None:
    cold = PopulationDynamics(targets.get("eight_gaussians"), rewards.get("right"), axis=axis)
    warm = PopulationDynamics(targets.get("eight_gaussians"), rewards.get("right"), axis=axis)
    limit(warm)
    exact.numbers(warm, Settings())
    for n in range(1, len(strokes) + 1):
        text = painting.write(strokes[:n])
        reward = parts.time("text to picture", lambda text=text: (found := own.reward(text)).ink is None or found)
        parts.time("picture to reward on the cells", lambda r=reward: setattr(warm, "reward", r))
        cold.reward = reward
        cold.reset()
        parts.time("limit, from the reference", lambda: limit(cold))
        parts.time("limit, from the one before", lambda: limit(warm))
        parts.time("its numbers", lambda: exact.numbers(warm, Settings()))
        parts.time("one refresh", warm.step)


def painted_target(strokes: list[painting.Stroke], axis: int, parts: Parts) -> None:
    for n in range(1, len(strokes) + 1):
        text = painting.write(strokes[:n])
        target = parts.time("text to mixture", lambda text=text: own.target(text))
        dynamics = parts.time("setting up", lambda t=target: PopulationDynamics(t, rewards.get("right"), axis=axis))
        parts.time("limit, from the reference", lambda d=dynamics: limit(d))
        parts.time("one refresh", dynamics.step)


def followed(strokes: list[painting.Stroke], parts: Parts) -> None:
    """A session that rests: from a stroke to the picture with its limit."""
    session = Session(Settings(mode="both"))
    while session.idle_for < math.inf:
        session.advance(BUDGET)
        time.sleep(0.005)
    for n in range(1, len(strokes) + 1):
        start = time.perf_counter()
        session.control(reward=painting.write(strokes[:n]))
        while True:
            if session.advance(BUDGET):
                picture = session.frame()
                said = decode(picture["frame"])[0]["lanes"][0]["limit"]["state"]
                if said != "pending":
                    break
            time.sleep(0.002)
        parts.took["a stroke, to its limit in the picture"].append(1e3 * (time.perf_counter() - start))
        while session.idle_for < math.inf:
            session.advance(BUDGET)
            time.sleep(0.005)
    session.close()


def steered(strokes: list[painting.Stroke], parts: Parts) -> None:
    """Networks that run as fast as they can: from a stroke to the picture of a round that was done for it."""
    session = Session(Settings(speed=0), running=True)
    for n in range(1, len(strokes) + 1):
        for _ in range(3):
            session.advance(BUDGET)
            session.frame()
        start, text = time.perf_counter(), painting.write(strokes[:n])
        session.control(reward=text)
        before = None
        while before is None or session.round == before:
            session.advance(BUDGET)
            session.frame()
            if before is None and session.runs[0].reward is own.reward(text):
                before = session.round
        parts.took["a stroke, to a running network's round"].append(1e3 * (time.perf_counter() - start))
    session.close()


def in_a_session(part: str, promised: float, parts: Parts) -> None:
    """Print what a session takes, on a clock that other work on the machine disturbs: so the least counts."""
    took, refresh = parts.took[part], median(parts.took["one refresh"])
    print(f"  {part:<38}{median(took):>8.1f}{max(took):>8.1f}{median(took) / refresh:>12.1f}   least {min(took):.1f}")
    print(f"  promised: {promised:g} ms, {'held' if min(took) <= promised else 'NOT HELD'}\n", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=24)
    parser.add_argument("--axis", type=int, default=exact.AXIS, help="cells an axis; beside networks the lab takes 96")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore", OracleWarning)
    strokes = drawing(arguments.strokes)
    length = len(painting.write(strokes))
    print(
        f"{len(strokes)} strokes, {length:,} characters, {arguments.axis} cells an axis; median and most of all strokes"
    )
    print(f"  {'':<38}{'ms':>8}{'most':>8}{'refreshes':>12}\n")
    parts = Parts()
    painted_reward(strokes, arguments.axis, parts)
    before = ["text to picture", "picture to reward on the cells"]
    print("a painted reward, on eight_gaussians")
    parts.table([*before, "limit, from the reference", "its numbers"], PROMISED)
    print("the same, from the limit before the stroke")
    parts.table([*before, "limit, from the one before", "its numbers"], PROMISED)
    followed(strokes, parts)
    steered(strokes, parts)
    print("in a session, on the wall's clock")
    in_a_session("a stroke, to its limit in the picture", PROMISED, parts)
    in_a_session("a stroke, to a running network's round", STEERED, parts)
    parts = Parts()
    painted_target(strokes, arguments.axis, parts)
    print("a painted target, with the reward 'right'")
    parts.table(["text to mixture", "setting up", "limit, from the reference"])


if __name__ == "__main__":
    main()
