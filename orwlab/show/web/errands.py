"""Long questions, worked out piece by piece in a process of their own, for as long as somebody asks.

A page asks again and again and gets what is there so far. What nobody has asked for in a while rests, and goes on where
it was when somebody asks again. Several errands take turns. Sessions go first: the process gives way to others.
"""

import contextlib
import functools
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from orwlab.show.web.workers import Worker

SLICE = 0.4  # seconds of one errand before it is another one's turn
PATIENCE = 5.0  # seconds without a question until an errand rests
KEPT = 24  # errands that are remembered
COURSES = 4  # that can be gone on with where they were; others begin again
ATTEMPTS = 3  # at an errand whose process ends
FAILED = "This could not be worked out. It is tried again in a few seconds."

Work = Callable[..., Iterator[Any]]
"""a function of a module, whose results travel between processes"""

_log = logging.getLogger(__name__)


# In the process -------------------------------------------------------------------------------------------------------

_courses: OrderedDict[tuple[Work, tuple[Any, ...]], tuple[int, Iterator[Any]]] = OrderedDict()


@functools.cache
def give_way() -> None:
    """Let the processes of sessions go first. Once is enough, and more changes nothing."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(2)


def _go_on(work: Work, arguments: tuple[Any, ...], have: int, budget: float) -> tuple[list[Any], bool]:
    """What comes after the first ``have`` pieces within a time, and whether that is all."""
    give_way()
    key, until = (work, arguments), time.monotonic() + budget
    found: list[Any] = []
    at, course = _courses.pop(key, (0, None))
    if course is None or at > have:
        at, course = 0, work(*arguments)
    while time.monotonic() < until:
        try:
            piece = next(course)
        except StopIteration:
            return found, True
        at += 1
        if at > have:
            found.append(piece)
    _courses[key] = at, course
    while len(_courses) > COURSES:
        _courses.popitem(last=False)
    return found, False


# In the process that asks ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Errand:
    work: Work
    arguments: tuple[Any, ...]
    asked: float = 0.0
    served: float = 0.0
    pieces: list[Any] = field(default_factory=list)
    done: bool = False
    error: str = ""
    lost: int = 0
    """how often its process has ended"""


class Errands:
    """All errands of an app. The process is started with the first one. Can be used from any thread.

    Args:
        patience: seconds without a question until an errand rests.
        kept: errands that are remembered.
    """

    def __init__(self, patience: float = PATIENCE, kept: int = KEPT) -> None:
        self.patience, self.kept = patience, kept
        self._lock = threading.Lock()
        self._errands: OrderedDict[tuple[Work, tuple[Any, ...]], _Errand] = OrderedDict()  # the last asked at the end
        self._worker: Worker | None = None
        self._busy = False

    def look(self, work: Work, *arguments: Any, since: int = 0) -> dict[str, Any]:
        """``{"pieces", "done"}``: what there is of ``work(*arguments)`` after the first ``since`` pieces.

        It goes on as long as somebody looks. What cannot be has ``"error"``, a sentence. So has what failed by a fault,
        once, with ``"again"``: whoever looks again has it tried again. Where ``kept`` errands are under way another one
        waits: it has no pieces yet.
        """
        key = (work, arguments)
        with self._lock:
            now = time.monotonic()
            errand = self._errands.pop(key, None)
            if errand is None:
                errand = _Errand(work, arguments)
                while len(self._errands) >= self.kept:
                    oldest = next(iter(self._errands.values()))
                    if not oldest.done and now - oldest.asked < self.patience:
                        return {"pieces": [], "done": False}  # all are wanted: who asks again comes in later
                    self._errands.popitem(last=False)
            self._errands[key] = errand
            errand.asked = now
            if not errand.done and not self._busy:
                self._busy = True
                threading.Thread(target=self._run, name="errands", daemon=True).start()
            said: dict[str, Any] = {"error": errand.error} if errand.error else {}
            if errand.lost >= ATTEMPTS:
                del self._errands[key]
                said["again"] = True
            return {"pieces": errand.pieces[since:], "done": errand.done, **said}

    def _run(self) -> None:
        try:
            while errand := self._next():
                self._serve(errand)
        except BaseException:
            with self._lock:
                self._busy = False
            raise

    def _next(self) -> _Errand | None:
        with self._lock:
            now = time.monotonic()
            wanted = [e for e in self._errands.values() if not e.done and now - e.asked < self.patience]
            if not wanted:
                self._busy = False
                return None
            errand = min(wanted, key=lambda one: one.served)
            errand.served = now
            return errand

    def _serve(self, errand: _Errand) -> None:
        pieces: list[Any] = []
        done, error = True, ""
        try:
            self._worker = worker = self._worker or Worker()
            try:
                answer = worker.begin(_go_on, errand.work, errand.arguments, len(errand.pieces), SLICE)
            except BrokenProcessPool:
                raise
            except RuntimeError:  # the app is ending: nobody will ask again
                sys.exit()
            pieces, done = answer.result()
        except BrokenProcessPool:
            self._drop_worker()
            errand.lost += 1
            done, error = errand.lost >= ATTEMPTS, FAILED
        except ValueError as failure:  # a sentence for whoever asked
            error = str(failure)
        except Exception:
            _log.exception("an errand failed")
            errand.lost, error = ATTEMPTS, FAILED
        with self._lock:
            errand.pieces.extend(pieces)
            errand.done, errand.error = done, error if done else ""

    def _drop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.shut()

    def shut(self) -> None:
        """Forget everything and end the process when it has done what it is doing."""
        with self._lock:
            self._errands.clear()
        self._drop_worker()


@functools.cache
def of_the_app() -> Errands:
    """The errands of all pages, which share a process."""
    return Errands()
