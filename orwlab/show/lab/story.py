"""A run as one can tell it: what it began with, what was changed in which round, and how far it went."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orwlab import checks
from orwlab.show.lab.history import ONE_MOVE
from orwlab.show.lab.settings import FROM_THE_START, VIEWS, Settings

MOST = 500  # changes
HEAVY = 100_000  # characters of all texts among the changes
LAST = 100_000  # round
RESUME = "resume"
"""in a log: lanes that had stopped went on from their last good state in this round; its value is true"""

Change = tuple[int, str, Any]
"""a round, the name of a control, and the value that it took before the round after it"""


@dataclass(frozen=True)
class Story:
    """All that decides the course of a run: whoever repeats it gets the same numbers, bit for bit.

    A story is that of the lanes on show. Networks and exact densities are two kinds of lanes; while one kind is on show
    the other rests, and learns of all changes when it is shown again. So ``mode`` is no change of the course, and
    neither are flow time, speed, arrows, trajectories and what is measured: they are views. A story keeps no history
    of views: ``start`` has those of the present. A new target, weighting, coupling, seed or number of lanes begins a
    new story.

    Args:
        start: the settings at round 0.
        log: the changes since, in order.
        round: how far it went.
        whole: whether every change is in the log; False where quick moves were thinned out because they were too many.
    """

    start: Settings = field(default_factory=Settings)
    log: tuple[Change, ...] = ()
    round: int = 0
    whole: bool = True

    @classmethod
    def read(cls, given: Any) -> "Story":
        """A story from outside, ``{"scene": {control: value}, "log": [[round, control, value], ...], "round": n}``.

        ``log`` and ``round`` may be missing. Controls that the scene leaves out have their defaults.

        Raises:
            ValueError: in plain words: it is no such thing, a value is not allowed, rounds go back or are above
                100,000, there are more than 500 changes, or one that cannot happen under way.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("scene"), Mapping):
            raise checks.fail("scene", given, "controls and their values, such as {'alpha': 0.3}")
        for name in given["scene"]:
            checks.choice("control", name, vars(Settings()))
        start = Settings(**given["scene"])
        log = given.get("log", ())
        if not isinstance(log, list | tuple) or len(log) > MOST:
            raise checks.fail("log", log, f"a list of at most {MOST} changes, each [round, control, value]")
        changes: list[Change] = []
        settings, at = start, 0
        for entry in log:
            if not isinstance(entry, list | tuple) or len(entry) != 3:
                raise checks.fail("change", entry, "[round, control, value]")
            at = checks.integer("round of a change", entry[0], low=at, high=LAST)
            name = checks.choice("control of a change", entry[1], (*ON_THE_WAY, RESUME))
            if name != RESUME:
                settings = settings.changed(**{name: entry[2]})
            if len(settings.others) != len(start.others):
                raise checks.fail("further α", entry[2], f"as many as at the beginning, {len(start.others)}")
            _put(changes, (at, name, getattr(settings, name, True)))
        end = checks.integer("round", given.get("round", at), low=at, high=LAST)
        return cls(start, tuple(changes), end, given.get("whole") is not False)

    def plain(self) -> dict[str, Any]:
        """What ``read`` takes, as JSON has it; of the scene only what differs from the defaults.

        Changes before the first round are part of the scene.
        """
        scene = {name: _as_json(value) for name, value in replace(self, start=self.at(0)).scene.items()}
        log = [[at, name, _as_json(value)] for at, name, value in self.log if at > 0]
        return {"scene": scene, "log": log, "round": self.round} | ({} if self.whole else {"whole": False})

    def text(self, *, undo: bool) -> str:
        """The same as JSON for a picture: without the round, which pictures say by themselves, and with whether there
        is something to ``undo``.
        """
        plain = self.plain()
        del plain["round"]
        return json.dumps({**plain, "undo": undo}, ensure_ascii=False)

    @property
    def scene(self) -> dict[str, Any]:
        """What ``start`` has that is not the default."""
        return {name: value for name, value in vars(self.start).items() if value != getattr(_DEFAULT, name)}

    @property
    def settings(self) -> Settings:
        """The settings at its end."""
        return self.at(self.round)

    def at(self, round: int) -> Settings:
        """The settings for the round after ``round``."""
        changes = {name: value for at, name, value in self.log if at <= round and name != RESUME}
        return self.start.taken(**changes) if changes else self.start

    def changed(self, round: int, changes: Iterable[tuple[str, Any]] = ()) -> "Story":
        """With these changes after ``round`` rounds, and no further.

        A run that went back to its last good state takes with it what was changed since: it is as if that had been
        changed there.
        """
        log = list(self.log)
        if log and log[-1][0] > round:
            log = []
            for at, name, value in self.log:
                _put(log, (min(at, round), name, value))
        for name, value in changes:
            _put(log, (round, name, value))
        whole, gap = self.whole, ONE_MOVE
        while len(log) > MOST or (_heavy(log) and gap < 2 * LAST):
            log, whole, gap = _thinned(log, gap), False, 2 * gap
        return replace(self, log=tuple(log), round=round, whole=whole)

    def undone(self) -> "Story | None":
        """The story up to its last change, without it; None if there was none. A drag is one change."""
        log = list(self.log)
        while log and log[-1][1] == RESUME:
            log.pop()
        if not log:
            return None
        at, name, _ = log.pop()
        while log and log[-1][1] == name and at - log[-1][0] < ONE_MOVE:
            at = log.pop()[0]
        return replace(self, log=tuple(log), round=at)

    def seen_as(self, settings: Settings) -> "Story":
        """The same course with the views of ``settings``."""
        return replace(self, start=self.start.seen_as(settings))


def _put(log: list[Change], change: Change) -> None:
    """At the end, in place of what the same control was told in the same round."""
    for k in range(len(log) - 1, -1, -1):
        if log[k][0] != change[0]:
            break
        if log[k][1] == change[1]:
            del log[k]
            break
    log.append(change)


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _thinned(log: list[Change], gap: int) -> list[Change]:
    """Without changes that the same control takes back, or goes on with, fewer than ``gap`` rounds later."""
    kept: list[Change] = []
    later: dict[str, int] = {}  # when each control moves again
    for change in reversed(log):
        at, name, _ = change
        if name not in later or later[name] - at >= gap:
            later[name] = at
            kept.append(change)
    return kept[::-1]


def _heavy(log: list[Change]) -> bool:
    """Whether there are more texts, such as what somebody paints, than one likes to send."""
    return sum(len(value) for _, _, value in log if isinstance(value, str)) > HEAVY


_DEFAULT = Settings()
ON_THE_WAY = tuple(name for name in vars(_DEFAULT) if name not in (*FROM_THE_START, *VIEWS))
"""controls that change the course of a run under way: the only ones in a log"""
