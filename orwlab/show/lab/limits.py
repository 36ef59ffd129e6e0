"""The exact limits of a session, worked out beside its rounds by a thread of its own."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from orwlab.show.lab import exact, fitting, measures, own, rivals
from orwlab.show.lab.exact import Exact
from orwlab.show.lab.lanes import reference_name
from orwlab.show.lab.settings import Settings

PENDING = "the exact limit is being worked out"
FAILED = "the exact limit could not be worked out"
KEPT = 8  # settings whose limits a session keeps: who goes back and forth finds them there

# one for all sessions of a process, so that limits hold up other limits and never anybody's rounds
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exact")
_log = logging.getLogger(__name__)


def key(settings: Settings) -> tuple[object, ...]:
    """What the limits of all lanes depend on."""
    return rivals.key(settings) if settings.methods else exact.limit_key(settings)


def _found(settings: Settings) -> list[tuple[Exact | None, str]]:
    """Of every lane the limit, or None and why. Seconds."""
    if settings.methods:
        return [rivals.goal(settings, name) for name in settings.methods]
    return [(exact.limit(settings, alpha), exact.why_none(settings, alpha)) for alpha in exact.resting(settings)]


def _never(settings: Settings) -> list[str]:
    """Of every lane why there is none, as far as one knows without looking; else ""."""
    if settings.methods:
        return [rivals.why_never(name) for name in settings.methods]
    return [exact.why_never(settings, alpha) for alpha in exact.resting(settings)]


class Limits:
    """What is known of the limits at a session's settings.

    Args:
        arrived: called, from the other thread, when more is known.
    """

    def __init__(self, arrived: Callable[[], None]) -> None:
        self._arrived = arrived
        self._lock = threading.Lock()
        self._wanted: Settings | None = None
        self._working = False
        self._key: object = None  # of the newest wish
        self._found: dict[object, list[Exact | None]] = {}  # the newest last
        self._why: dict[object, list[str]] = {}  # there is none, of every lane; "" where there is one
        self._steepness: dict[str, float] = {}
        self._frontiers: dict[tuple[str, str], rivals.Frontiers] = {}  # the newest

    @property
    def pending(self) -> bool:
        """Whether something is being worked out."""
        return self._working

    def want(self, settings: Settings) -> None:
        """Find out about these settings; older wishes that nobody has begun with are forgotten."""
        with self._lock:
            known = key(settings) in self._found and not self._steepness_to_find(settings)
            self._wanted = None if known else settings
            self._key = key(settings)
            if self._wanted is not None and not self._working:
                self._working = True
                _thread.submit(self._work)

    def forget(self) -> None:
        """Nobody asks any more."""
        with self._lock:
            self._wanted = None
            self._arrived = lambda: None

    def of(self, settings: Settings) -> Sequence[Exact | None]:
        """The limit of every lane, as far as it is known."""
        return self._found.get(key(settings)) or [None] * settings.lanes

    def frontiers(self, settings: Settings) -> rivals.Frontiers:
        """Where methods race: what ``rivals.frontiers`` knows; empty as long as it is not known."""
        return self._frontiers.get((settings.target, settings.reward), {"kl": (), "w2": ()})

    def said(self, settings: Settings) -> list[dict[str, str]]:
        """Of every lane ``{"state": "there", "pending" or "none", "text"}``: why there is no limit to be seen."""
        mine = key(settings)
        reasons = self._why.get(mine) or [why or PENDING for why in _never(settings)]
        if mine == self._key and mine not in self._why and not self._working:
            reasons = [FAILED if why == PENDING else why for why in reasons]
        states = {"": "there", PENDING: "pending"}
        return [{"state": states.get(why, "none"), "text": why} for why in reasons]

    def steepness(self, settings: Settings) -> float | None:
        """The reference's sampled Lipschitz constant, once it is known."""
        return self._steepness.get(reference_name(settings))

    def _steepness_to_find(self, settings: Settings) -> bool:
        name = reference_name(settings)
        there = not own.is_own(name) or fitting.known(name) is not None  # that of a network which is being trained
        return there and name not in self._steepness

    def _work(self) -> None:
        while True:
            with self._lock:
                settings, self._wanted = self._wanted, None
                if settings is None:
                    self._working = False
                    return
            try:
                mine, pairs = key(settings), _found(settings)
                with self._lock:
                    newest = [*self._found.items()][1 - KEPT :]
                    self._why = {**{other: self._why[other] for other, _ in newest}, mine: [why for _, why in pairs]}
                    self._found = {**dict(newest), mine: [limit for limit, _ in pairs]}  # replaced: others read it
                self._arrived()
                if settings.methods:
                    place = settings.target, settings.reward
                    self._frontiers = {place: rivals.frontiers(*place)}
                    self._arrived()
                if self._steepness_to_find(settings):
                    steepness = measures.lipschitz(reference_name(settings))
                    with self._lock:
                        known = [*self._steepness.items()][1 - KEPT :]
                        self._steepness = {**dict(known), reference_name(settings): steepness}
            except Exception:  # without a limit there is no dashed line; the session goes on
                _log.exception("exact limit failed")
            self._arrived()
