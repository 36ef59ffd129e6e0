"""Key rounds: those that a page keeps, so that one can look back. Their pictures come with the flow of some particles,
from the noise to where they are: then flow time can be moved later, and nobody has to be asked.
"""

import time
from collections.abc import Callable

from orwlab.show.lab.experiment import Experiment
from orwlab.show.lab.lanes import NetworkLanes

DENSE = 200  # rounds of a run that may all be key rounds; of twice as many every second one, and so on
FIRST = 60  # rounds of a run that all are, whatever they cost: a short run has few enough
SHARE = 0.25  # of the work on rounds and particles that later flows may cost on top of it
MOST_OWED = 0.5  # seconds of other work after a flow that something else has held up


def gap(round: int) -> int:
    """Rounds from one key round to the next, at least, at this round of a run."""
    return 1 << (round // DENSE).bit_length()


class KeyRounds:
    """Says which rounds are key rounds, and works out their flows.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._of: tuple[object, list[int]] | None = None  # the picture and the rounds that the newest flow belongs to
        self._text = ""
        self._owed = 0.0  # seconds of other work, until flows are within their share of it

    def flow(self, it: Experiment, *, at_rest: bool, work: float) -> str:
        """The flow that belongs to what is on show: see ``scenes.flow``. "" where this is no key round, or where no
        particles are drawn.

        Args:
            it: what is on show.
            at_rest: whether no round is due; then every round is a key round, whatever it costs.
            work: seconds that were spent on what is new in this picture.
        """
        if not isinstance(it.lanes, NetworkLanes) or it.lanes.midway:  # a density, or lanes in different rounds
            return ""
        self._owed = max(0.0, self._owed - work)
        known = (it.picture, it.lanes.rounds)
        if known == self._of:  # the same text as long as it is true: then it does not matter which picture is missed
            return self._text
        same = self._of is not None and self._of[0] is it.picture
        since = it.round - max(self._of[1]) if self._of and same else 0
        due = at_rest or not same or it.round <= FIRST
        if not due and (self._owed > 0 or since < gap(it.round)):
            return ""
        before = self._clock()
        self._of, self._text = known, it.picture.flow(it.lanes)
        self._owed = 0.0 if due else min(MOST_OWED, (self._clock() - before) / SHARE)
        return self._text
