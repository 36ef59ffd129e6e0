"""What has been read off some lanes: their curves, the shares at modes, and when to read again.

A value that nobody has asked for, or that there is not, is NaN: what was read before the true reward was chosen says
nothing of it.

When is a matter of rounds and never of time, so that the curves of a run are the same however busy the computer is.
Only what is dear waits while somebody drags a control.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

from orwlab.show.lab import own
from orwlab.show.lab.exact import ExactLanes
from orwlab.show.lab.history import History
from orwlab.show.lab.lanes import NetworkLanes

READINGS = 5  # a second, at the speed that is asked for
SELDOM = 10  # rounds from one reading to the next, at most
FIRST = 10  # rounds that are read one by one where that costs next to nothing: most of what happens happens there
DEAR = {"transport": 10, "secant": 25}  # rounds from one to the next, at least
AT_TIMES = ("spent", "truth")  # series that are known at some rounds only


def every(speed: float) -> int:
    """Rounds from one reading to the next at a speed in rounds a second; 0 is as fast as it goes."""
    return SELDOM if speed == 0 else min(SELDOM, max(1, round(speed / READINGS)))


class _Subject(NamedTuple):
    """What a reading is of."""

    round: int
    measured: str
    reward: str
    tau: float
    truth: str
    steered: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """Where one of these is another, numbers are of something else."""
        return (self.measured, self.reward, self.truth, self.steered)


class Readings:
    """The readings of the lanes of one kind.

    Args:
        lanes: what is read.
    """

    def __init__(self, lanes: NetworkLanes | ExactLanes) -> None:
        self.history = History()
        modes = own.target(lanes.settings.target).n_modes
        self.mode_mass = torch.zeros(len(lanes.rounds), modes, dtype=torch.float64)
        self._lanes = lanes
        self._names = lanes.series
        self._dear_ones = DEAR.keys() & {"transport" if name == "w2" else name for name in lanes.series}
        self._last: _Subject | None = None
        self._dear: dict[tuple[str, int], tuple[int, str]] = {}  # the last round and measure, by what and lane

    def _now(self) -> _Subject:
        settings = self._lanes.settings
        round = max(self._lanes.rounds)
        steered = self._lanes.steered.kind
        return _Subject(round, settings.measured, settings.reward, settings.tau, settings.truth, steered)

    def due(self, *, at_rest: bool) -> bool:
        """Whether to read now: ``at_rest`` whatever has not been read yet; else only every so many rounds."""
        now, last = self._now(), self._last
        lanes = range(len(self._lanes.rounds))
        if at_rest and any(self._wanted(what, k, now, at_rest) for what in self._dear_ones for k in lanes):
            return True
        if last is None or at_rest or now.kinds != last.kinds:
            return now != last
        first = now.round <= FIRST and self._lanes.mode == "exact"
        return now.round != last.round and (first or now.round % every(self._lanes.settings.speed) == 0)

    def read(self, *, quiet: bool, at_rest: bool = False) -> None:
        """Read all lanes, and add that to the curves. A lane whose numbers are not finite keeps its last ones.

        What is dear is measured every so many rounds and only when it is ``quiet``, and in between keeps its last
        value; ``at_rest`` all of it is measured.
        """
        now, last = self._now(), self._last
        if last is not None and (now.measured, now.reward) != (last.measured, last.reward):
            self.history.forget_spread()
        if last is not None and now.truth != last.truth:
            self.history.forget("truth")
        if last is not None and now.steered != last.steered and "spent" in self._names:
            self.history.forget("spent")
        self._last = now
        count = len(self._lanes.rounds)
        values = {name: self._kept(name, count) for name in self._names}
        for k in range(count):
            dear = {what for what in self._dear_ones if (quiet or at_rest) and self._wanted(what, k, now, at_rest)}
            found = self._lanes.read(k, dear)
            self._dear |= {(what, k): (now.round, now.measured) for what in dear}
            if found is None:
                continue
            self.mode_mass[k] = found.mode_mass
            for name, value in found.values.items():
                values[name][k] = value
        self.history.add(now.round, values)

    def spent(self) -> dict[str, np.ndarray]:
        """Where methods race: ``race reward``, and what each had spent by then, (lanes, R) as the curves have them."""
        names = ("reward", "evaluations", "rewards", "seconds")
        return {f"race {name}": self.history.series(name).astype(np.float32) for name in names}

    def _kept(self, name: str, count: int) -> list[float]:
        nothing = math.nan if name in AT_TIMES else 0.0
        return list(self.history.last(name)) if self.history.rounds else [nothing] * count

    def _wanted(self, what: str, lane: int, now: _Subject, at_rest: bool) -> bool:
        """In round 0 nothing is: the policy is the reference then, and all distances are 0."""
        round, measured = self._dear.get((what, lane), (0, now.measured))
        if at_rest or measured != now.measured:
            return (round, measured) != (now.round, now.measured)
        if what == "secant" and any(self._dear.get((what, k), (-1, ""))[0] == now.round for k in range(lane)):
            return False  # one lane's alone takes long: the next reading is for the next lane
        return not round <= now.round < round + DEAR[what]
