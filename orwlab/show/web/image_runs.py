"""Runs on images, each in a process that works as long as its page asks.

A page asks again and again. Each question makes the run go on for a moment, and is answered with what is new since the
last one. Where nobody asks, nothing is done; a run that nobody has asked of in a while makes room for others. A page
whose run is gone begins another one with all that was done to it: it knows its story.

These processes are not those of the Live lab: a round of photographs takes a second, and would hold up its pictures.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orwlab import checks
from orwlab.show.lab import messages
from orwlab.show.web.errands import give_way
from orwlab.show.web.workers import Pool, Worker, WorkerDied

if TYPE_CHECKING:
    from orwlab.show.lab.image_session import ImageSession

BUDGET = 0.25  # seconds of work for a question; a piece that has begun is finished
MOST_ORDERS = 100  # in one question
EACH = 4  # runs of one process
PROCESSES = 4  # at most: half of the cores
PATIENCE = 300.0  # seconds without a question until a run is dropped
YIELDS = 20.0  # the same, if somebody else wants its place

LOST = "The computation had to be started again: your run is repeated, with all your changes."
_GONE = "This run has gone, and the page begins it again. Ask once more"
DROPPED = "Nobody had looked at this run for a while, so it was put away: it is repeated, with all your changes."


# In the worker process ------------------------------------------------------------------------------------------------

_sessions: "dict[str, ImageSession]" = {}


def _open(name: str, begin: Any, notice: str) -> None:
    from orwlab.show.lab.image_session import ImageSession

    give_way()
    session = ImageSession()
    session.obey(begin)
    session.notice = notice
    _sessions[name] = session


class Gone(RuntimeError):
    """Its process has been replaced since."""


def _session(name: str) -> "ImageSession":
    if name not in _sessions:
        raise Gone(name)
    return _sessions[name]


def _look(name: str, orders: list[Any], have: int, budget: float) -> dict[str, Any]:
    """Obey, work, and tell what is new. What cannot be is told beside it."""
    session, errors = _session(name), []
    for order in orders:
        try:
            session.obey(order)
        except ValueError as error:
            errors.append({"name": messages.text(order, "name"), "text": str(error)})
    session.advance(budget)
    return session.frame(have) | {"errors": errors}


def _path(name: str, lane: Any, k: Any) -> dict[str, Any]:
    return _session(name).path(lane, k)


def _suggest(name: str, goal: Any) -> dict[str, Any]:
    return _session(name).suggest(goal)


def _close(name: str) -> None:
    _sessions.pop(name, None)


# In the process that asks ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Run:
    name: str
    worker: Worker
    asked: float
    pending: int = 0
    """questions that are being answered"""
    looking: bool = False
    """whether one of them is a look: there is one at a time"""


class ImageRuns:
    """Answers ``{"what": ...}``, asked by ``images.js``:

    - "look", with ``run`` (a name, or "" for a new one), ``have``, ``orders`` and ``begin``, a whole story as
      ``ImageSession.obey`` takes it: the session's frame, with "run" and "errors". A run that is gone is begun again by
      ``begin``.
    - "path", with ``run``, ``lane`` and ``k``: see ``ImageSession.path``,
    - "suggest", with ``run`` and ``goal``: see ``ImageSession.suggest``.

    ``{"wait": True}`` is the answer while an older question of the same run is still being answered; ``{"full":
    sentence}`` while there are too many runs.

    Args:
        pool: the processes; new ones, with the first question, if None.
        most: runs at once; so many for each process if None.
        patience: seconds without a question until a run is dropped.
        yields: the same, if somebody else wants its place.

    Raises:
        ValueError: a sentence about what was asked; anybody can ask anything.
    """

    def __init__(
        self, pool: Pool | None = None, most: int | None = None, patience: float = PATIENCE, yields: float = YIELDS
    ) -> None:
        self._pool, self._most = pool, most
        self.patience, self.yields = patience, yields
        self._runs: dict[str, _Run] = {}

    @property
    def pool(self) -> Pool:
        """The processes. They start with the first question."""
        if self._pool is None or self._pool.shut_down:
            self._pool = Pool(max(1, min(PROCESSES, (os.cpu_count() or 1) // 2)))
        return self._pool

    @property
    def most(self) -> int:
        """Runs at once."""
        return EACH * len(self.pool.workers) if self._most is None else self._most

    def __len__(self) -> int:
        return len(self._runs)

    async def answer(self, question: Any) -> dict[str, Any]:
        """One question of a browser."""
        what, asked = messages.question(question, ("look", "path", "suggest"))
        self._tidy(self.patience)
        given = messages.text(asked, "run")
        run = self._runs.get(given)
        if what == "look":
            have = messages.count(asked.get("have")) or 0
            orders = asked.get("orders", [])
            if not isinstance(orders, list) or len(orders) > MOST_ORDERS:
                raise checks.fail("orders", orders, f"a list of at most {MOST_ORDERS}")
            if run is None:
                if not self._has_room():
                    return {"full": self._sentence()}
                run, have = await self._begin(asked.get("begin"), DROPPED if given else ""), 0
            if run.looking:
                return {"wait": True}
            try:
                found = await self._look(run, orders, have)
            except WorkerDied:
                run = await self._begin(asked.get("begin"), LOST)
                found = await self._look(run, orders, 0)
            return {"run": run.name, **found}
        if run is None:
            raise ValueError(_GONE)
        try:
            if what == "path":
                return await self._call(run, _path, asked.get("lane"), asked.get("k"))
            return await self._call(run, _suggest, asked.get("goal"))
        except WorkerDied:
            raise ValueError(_GONE) from None

    async def _begin(self, begin: Any, notice: str) -> _Run:
        if not isinstance(begin, dict) or "scene" not in begin:
            raise checks.fail("begin", begin, "a scene, such as {'scene': {'alpha': 0.3}}")
        name = secrets.token_hex(12)  # whoever knows it steers the run
        run = _Run(name, self.pool.pick(), time.monotonic())
        self._runs[name] = run
        run.worker.names.add(name)
        try:
            await self._call(run, _open, begin, notice)
        except BaseException:
            self._drop(run)
            raise
        return run

    async def _look(self, run: _Run, orders: list[Any], have: int) -> dict[str, Any]:
        run.looking = True
        try:
            return await self._call(run, _look, orders, have, BUDGET)
        finally:
            run.looking = False

    async def _call(self, run: _Run, function: Callable[..., Any], *arguments: Any) -> Any:
        """Ask its session; ``WorkerDied`` if that is gone, and then it is forgotten here too."""
        run.pending += 1
        try:
            return await run.worker.call(function, run.name, *arguments)
        except (WorkerDied, Gone) as error:  # the process of another run may have taken this one with it
            self._drop(run)
            raise WorkerDied(str(error)) from error
        finally:
            run.asked = time.monotonic()
            run.pending -= 1

    # Who has a place ------------------------------------------------------------------------------------------------

    def _tidy(self, patience: float) -> None:
        now = time.monotonic()
        for run in [run for run in self._runs.values() if not run.pending and now - run.asked > patience]:
            self._drop(run)

    def _has_room(self) -> bool:
        if len(self._runs) < self.most:
            return True
        silent = [run for run in self._runs.values() if not run.pending and time.monotonic() - run.asked > self.yields]
        if silent:
            self._drop(min(silent, key=lambda run: run.asked))
        return bool(silent)

    def _sentence(self) -> str:
        people = "One person is" if self.most == 1 else f"{self.most} people are"
        return f"All places are taken: {people} training images here. You come in by yourself as soon as one leaves."

    def _drop(self, run: _Run) -> None:
        self._runs.pop(run.name, None)
        run.worker.names.discard(run.name)
        run.worker.post(_close, run.name)

    def shut(self) -> None:
        """Forget all runs, and end the processes."""
        self._runs.clear()
        if self._pool is not None:
            self._pool.shut()
