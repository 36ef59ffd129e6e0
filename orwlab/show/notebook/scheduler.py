"""Who works when: one thread of the kernel does the rounds of all stages of a notebook, in turn.

Only a stage that somebody sees works, and only as fast as its browser paints.
"""

import atexit
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from orwlab.show.lab.acknowledgements import Acknowledgements

RATE = 20.0  # frames a second of one stage, at most
LOOK = 0.1  # seconds at most between looks at stages with nothing to do: an exact limit may have arrived
SHARE = 0.8  # of the time between two frames that rounds may take; the rest is the notebook's

_log = logging.getLogger(__name__)


class Played(Protocol):
    """What can be played: see ``lab.session.Session``."""

    @property
    def seq(self) -> int:
        """Grows with every frame that is new."""

    @property
    def state(self) -> str:
        """Whether it is "running"."""

    @property
    def idle_for(self) -> float:
        """Seconds until there may be something to do."""

    def advance(self, budget: float) -> bool:
        """Work so many seconds; whether there is something new to draw."""

    def frame(self) -> dict[str, Any]:
        """What one draws."""

    def pause(self) -> None:
        """Rest."""


class Player:
    """One stage's session, and who is looking at it.

    Args:
        session: what is played.
        send: called with every new frame, from the worker's thread.
        failed: called with a sentence if that goes wrong; the session then pauses.
    """

    def __init__(
        self, session: Played, send: Callable[[dict[str, Any]], None], failed: Callable[[str], None] = print
    ) -> None:
        self.session = session
        self._send, self._failed = send, failed
        self.acknowledgements = Acknowledgements()
        self.acknowledgements.sent(session.seq)
        self.due = 0.0

    def watched(self, now: float) -> bool:
        """Whether somebody sees it."""
        return self.acknowledgements.watched(now)

    def idle_for(self, now: float) -> float:
        """Seconds until ``work`` may be called; inf while nobody sees it, or while the browser is behind."""
        if not self.watched(now) or self.acknowledgements.behind(now):
            return math.inf
        return max(self.session.idle_for, self.due - now, 0.0)

    def work(self, now: float, budget: float = SHARE / RATE) -> None:
        """As many rounds as are due and fit into ``budget`` seconds, and a frame."""
        try:
            if self.session.advance(budget):
                value = self.session.frame()
                self.acknowledgements.sent(self.session.seq)
                self._send(value)
        except Exception as error:  # the thread serves other stages too: say it, and go on with those
            _log.exception("frame failed")
            self.session.pause()
            self._failed(f"This stage has stopped: {error}.")
        self.due = max(self.due + 1 / RATE, now)  # a late frame is not made up for


class Scheduler:
    """Does the work of all players, in a thread that exists only while somebody looks at one of them."""

    def __init__(self) -> None:
        self._players: list[Player] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def working(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None

    def add(self, player: Player) -> None:
        """Work for it from now on."""
        with self._changed:
            self._players.append(player)

    def remove(self, player: Player) -> None:
        """Work for it no more. A round that is under way ends by itself."""
        with self._changed:
            self._players = [other for other in self._players if other is not player]
            self._changed.notify_all()

    def stop(self) -> None:
        """Remove all players and wait for the thread to end."""
        with self._changed:
            self._players, thread = [], self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)

    def nudge(self) -> None:
        """Something happened: look again now, and start the thread if somebody looks at a stage."""
        with self._changed:
            if self._thread is None and any(player.watched(time.monotonic()) for player in self._players):
                self._thread = threading.Thread(target=self._serve, name="live stages", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def turn(self, now: float) -> float | None:
        """One piece of work for the player that has waited longest.

        Returns:
            seconds until there may be more to do; None if nobody looks at any stage.
        """
        players = [player for player in self._players if player.watched(now)]
        if not players:
            return None
        waits = [player.idle_for(now) for player in players]
        if min(waits) > 0:
            return min(LOOK, *waits)
        first = min((player for player, wait in zip(players, waits) if wait == 0), key=lambda player: player.due)
        playing = sum(player.session.state == "running" for player in players)
        first.work(now, SHARE / RATE / max(1, playing))
        return 0.0

    def _serve(self) -> None:
        while True:
            wait = self.turn(time.monotonic())
            with self._changed:
                if wait is None:
                    # under the lock: a nudge either came before this look or starts a new thread
                    if not any(player.watched(time.monotonic()) for player in self._players):
                        self._thread = None
                        return
                elif wait:
                    self._changed.wait(wait)


shared = Scheduler()
atexit.register(shared.stop)
