"""The curves of a run, in bounded memory however long it goes on. NaN stands where there is nothing to read."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

CAPACITY = 400  # points a curve, about one a pixel
CHANGES = 60  # marks kept
ONE_MOVE = 8  # rounds: changes closer than this are one move of a hand, marked where it ended
WINDOW = 100  # rounds that a spread looks back


class History:
    """Series over rounds, each with a value a lane. Beyond ``CAPACITY`` points every second one is dropped."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.changes: list[int] = []
        self.first: dict[str, float] = {}
        """the reference's values: those of the first lane at the first round"""
        self._columns: dict[str, list[tuple[float, ...]]] = {}
        self._gap = 1  # rounds between two points that are kept, at least
        self._recent: deque[tuple[int, dict[str, tuple[float, ...]]]] = deque(maxlen=WINDOW)

    def add(self, round: int, values: Mapping[str, Sequence[float]]) -> None:
        """The values after ``round``, series -> one a lane; always the same series and lanes."""
        if not self.rounds:
            self.first = {name: lanes[0] for name, lanes in values.items()}
        while self.rounds and self.rounds[-1] >= round:  # read again, or the run went back to its last good state
            self._drop(slice(-1, None))
        if len(self.rounds) > 1 and self.rounds[-1] - self.rounds[-2] < self._gap:  # the newest is always kept
            self._drop(slice(-1, None))
        self.rounds.append(round)
        for name, lanes in values.items():
            self._columns.setdefault(name, []).append(tuple(lanes))
        if len(self.rounds) > CAPACITY:
            self._gap = max(1, 2 * (self.rounds[-1] - self.rounds[0]) // CAPACITY)
            self._drop(slice(1, None, 2))
        while self._recent and self._recent[-1][0] >= round:
            self._recent.pop()
        while self._recent and self._recent[0][0] <= round - WINDOW:
            self._recent.popleft()
        self._recent.append((round, {name: tuple(lanes) for name, lanes in values.items()}))

    def _drop(self, which: slice) -> None:
        for column in (self.rounds, *self._columns.values()):
            del column[which]  # type: ignore[attr-defined]

    def mark(self, round: int) -> None:
        """Somebody moved a control at ``round``."""
        earlier = self.changes[:-1] if self.changes and round - self.changes[-1] < ONE_MOVE else self.changes
        self.changes = [*earlier[1 - CHANGES :], round]

    def __contains__(self, name: str) -> bool:
        """Whether there is such a series."""
        return name in self._columns

    def series(self, name: str) -> np.ndarray:
        """The values of one series, (lanes, R)."""
        flat = np.fromiter(chain.from_iterable(self._columns[name]), np.float64)  # ten times faster than np.array
        return flat.reshape(len(self.rounds), -1).T

    def last(self, name: str) -> Sequence[float]:
        """The newest values of one series, one a lane."""
        return self._columns[name][-1]

    def spread(self, name: str, lane: int) -> float | None:
        """The standard deviation of a lane's values over the last ``WINDOW`` rounds; None for fewer than three."""
        values = [lanes[name][lane] for _, lanes in self._recent if not math.isnan(lanes[name][lane])]
        return float(np.std(values, ddof=1)) if len(values) > 2 else None

    def forget(self, name: str) -> None:
        """What has been read of one series was of something else: it is NaN now."""
        nothing = (math.nan,) * len(self.last(name))
        self._columns[name] = [nothing] * len(self.rounds)
        for _, values in self._recent:
            values[name] = nothing

    def forget_spread(self) -> None:
        """From now on the values are of another kind: spreads begin anew."""
        self._recent.clear()
