"""How far each method has gone, on one scale: ``methods.dial``, measured beside a race's rounds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from orwlab.methods import dial
from orwlab.methods.dial import Achieved
from orwlab.show.lab import own, yardstick
from orwlab.show.lab.beside import Beside
from orwlab.show.lab.lanes import NetworkLanes
from orwlab.velocity import Velocity

SAMPLES = 256  # of the yardstick, which are as even as all of it
EVERY = 25  # rounds from one look to the next, if it is done by then
AT_FIRST = 5  # the same before the first of these
HISTORY = 64  # looks that are kept; beyond, every second one is dropped

# one for all sessions of a process, as of ladders
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dial")


@dataclass(frozen=True)
class _Look:
    """All lanes after one round."""

    round: int
    measured: str
    reward: str
    reference: Velocity
    policies: tuple[Velocity, ...]
    found: tuple[Achieved | None, ...] = ()


class Dials(Beside[_Look]):
    """What is known of how far some lanes have gone.

    Args:
        arrived: called, from the other thread, when more is known.
    """

    def __init__(self, arrived: Callable[[], None]) -> None:
        super().__init__(arrived, _thread)
        self._asked: tuple[object, ...] = ()  # what the newest wish was for
        self._looks: list[_Look] = []

    def look(self, lanes: NetworkLanes, *, at_rest: bool) -> None:
        """After a round: begin with it if it is one to be measured, ``at_rest`` whichever it is."""
        settings, round = lanes.settings, max(lanes.rounds)
        asked = (round, settings.measured, settings.reward)
        due = round % (AT_FIRST if round < EVERY else EVERY) == 0
        if round == 0 or asked == self._asked or not (at_rest or (due and not self._working)):
            return
        self._asked = asked
        self._want(_Look(round, settings.measured, settings.reward, lanes.reference, tuple(lanes.copied())))

    def _measure(self, look: _Look) -> None:
        for policy in look.policies:
            try:
                found = dial.achieved(policy, look.reference, own.reward(look.reward), x0=yardstick.noise()[:SAMPLES])
            except ValueError:  # it has run away: there is no density to speak of
                found = None
            look = replace(look, found=(*look.found, found))
            if self._forgotten:
                return
        self._remember(look)

    def _failed(self, look: _Look) -> None:
        self._remember(replace(look, found=(None,) * len(look.policies)))

    def _remember(self, look: _Look) -> None:
        kept = [old for old in self._looks if old.round < look.round and _alike(old, look)]
        kept = kept[::2] if len(kept) >= HISTORY else kept
        self._looks = [*kept, replace(look, policies=(), reference=None)]  # type: ignore[arg-type]  # the numbers alone
        self._arrived()

    def plain(self) -> dict[str, Any]:
        """What is known, as JSON holds it: ``{"rounds", "pending", "lanes"}``; of every lane the lists ``kl``, ``w2``,
        ``reward``, ``strength`` and ``r2``, with None where there is none.
        """
        looks = self._looks
        lanes = len(looks[-1].found) if looks else 0
        names = {"kl": "kl", "w2": "w2_squared", "reward": "mean_reward", "strength": "strength", "r2": "r_squared"}
        return {
            "rounds": [look.round for look in looks],
            "pending": self._working,
            "lanes": [
                {said: [_number(look.found[k], name) for look in looks] for said, name in names.items()}
                for k in range(lanes)
            ],
        }


def _alike(one: _Look, other: _Look) -> bool:
    """Whether they were read in the same way."""
    return (one.measured, one.reward) == (other.measured, other.reward)


def _number(found: Achieved | None, name: str) -> float | None:
    value = None if found is None else float(getattr(found, name))
    return None if value is None or value != value or abs(value) > 1e12 else round(value, 5)
