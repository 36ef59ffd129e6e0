"""Who is watching which session, and how fast its frames go out. It knows nothing of Gradio either.

Nothing between here and the browser pushes back when it is slow, so frames are paced here and the browser
acknowledges what it painted: far behind, the work rests; silent for long, the stream ends.
"""

import asyncio
import math
import os
import secrets
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from orwlab.show.studio.exact import exact_limit
from orwlab.show.studio.session import Session
from orwlab.show.studio.settings import Settings

RATE = 20.0  # frames a second, at most
WINDOW = 40  # frames that may be unacknowledged
PATIENCE = 30.0  # seconds without an acknowledgement, when there should be one, before the stream ends
IDLE = 0.03  # seconds between looks at a paused session
SETTLED = 0.4  # seconds that a control must rest before its exact limit is worked out

_workers = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="round")
# one at a time, so that a limit that takes long holds up other limits and never anybody's rounds
_oracle = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exact")


class Broadcast:
    """One session and the stream of its frames. Used from the event loop only."""

    def __init__(self, session: Session, rate: float = RATE) -> None:
        self.session = session
        self.period = 1 / rate
        self.closed = False
        self._generation = 0  # of streams; only the newest is alive
        self._streaming = False
        self._acknowledged, self._heard = 0, time.monotonic()
        self._stamps: dict[str, float] = {}
        self._asked: Settings | None = None
        self._seen, self._since = session.settings, -math.inf

    @property
    def alive(self) -> bool:
        """Whether somebody is sending this session's frames."""
        return self._streaming and not self.closed

    def acknowledge(self, seq: int) -> None:
        """The browser has painted frame ``seq``."""
        self._acknowledged = max(self._acknowledged, min(int(seq), self.session.seq))
        self._heard = time.monotonic()

    def is_newest(self, control: str, stamp: float) -> bool:
        """Whether no later move of ``control`` has arrived before this one: requests can overtake each other."""
        if stamp < self._stamps.get(control, 0):
            return False
        self._stamps[control] = stamp
        return True

    def close(self) -> None:
        """End the stream at its next look."""
        self.closed = True

    async def frames(self) -> AsyncIterator[dict[str, str]]:
        """The stream: a frame at once, then one whenever there is something new, at most ``rate`` a second.

        A second call ends the first one's stream: a page has one stage.
        """
        self._generation += 1
        mine = self._generation
        loop = asyncio.get_running_loop()
        self._streaming = True
        self.acknowledge(self.session.seq)  # a new reader has nothing outstanding
        try:
            yield await loop.run_in_executor(_workers, self.session.frame)
            due = time.monotonic()
            while mine == self._generation and not self.closed:
                now = time.monotonic()
                self._ask_oracle(now)
                behind = self.session.seq - self._acknowledged >= WINDOW
                if behind and now - self._heard > PATIENCE:
                    return
                if behind or not self.session.wants_work:
                    await asyncio.sleep(IDLE)
                    due = time.monotonic()
                    continue
                if now < due:
                    await asyncio.sleep(due - now)
                due = max(due + self.period, time.monotonic())  # a late frame is not made up for
                frame = await loop.run_in_executor(_workers, self._work)
                if frame is not None:
                    yield frame
        finally:
            if mine == self._generation:
                self._streaming = False

    def _ask_oracle(self, now: float) -> None:
        """Work out the exact limit off the hot path, once the settings have come to rest."""
        settings = self.session.settings
        if settings != self._seen:
            self._seen, self._since = settings, now
        if settings == self._asked or now - self._since < SETTLED:
            return
        self._asked = settings

        def ask() -> None:
            if not self.closed and self.session.settings == settings:  # nobody waits for an outdated answer
                self.session.set_exact(settings, exact_limit(settings))

        _oracle.submit(ask)

    def _work(self) -> dict[str, str] | None:
        return self.session.frame() if self.session.advance() else None


class Registry:
    """The broadcasts of everybody who is here, by the host's key for a visitor and by the run's own name."""

    def __init__(self) -> None:
        self._by_visitor: dict[str, Broadcast] = {}
        self._by_run: dict[str, Broadcast] = {}

    def __len__(self) -> int:
        return len(self._by_visitor)

    def find(self, visitor: str | None) -> Broadcast | None:
        """The visitor's broadcast, if there is one."""
        return self._by_visitor.get(visitor or "")

    async def open(self, visitor: str, settings: Settings) -> Broadcast:
        """The visitor's broadcast; a new one starts running with ``settings``."""
        if visitor not in self._by_visitor:
            name = secrets.token_hex(12)  # also what an acknowledgement is recognised by: not to be guessed
            loop = asyncio.get_running_loop()
            session = await loop.run_in_executor(_workers, lambda: Session(settings, running=True, name=name))
            broadcast = self._by_visitor.setdefault(visitor, Broadcast(session))
            self._by_run[broadcast.session.name] = broadcast
        return self._by_visitor[visitor]

    def acknowledge(self, run: str, seq: int) -> bool:
        """Note that frame ``seq`` of ``run`` was painted. Returns whether anybody is still sending."""
        broadcast = self._by_run.get(run)
        if broadcast is None:
            return False
        broadcast.acknowledge(seq)
        return broadcast.alive

    def close(self, visitor: str | None) -> None:
        """Forget a visitor who has gone. A stream that is under way holds its own session and ends."""
        broadcast = self._by_visitor.pop(visitor or "", None)
        if broadcast is not None:
            self._by_run.pop(broadcast.session.name, None)
            broadcast.close()
