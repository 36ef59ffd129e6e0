"""Processes that do the work of sessions, so that the one that talks to browsers always has time to.

A session lives in one worker, which does one thing at a time; requests to it are served in the order in which they
come, and a session has at most one under way: so all get their turn. A worker that dies is replaced.
"""

import asyncio
import atexit
import contextlib
import ctypes
import functools
import itertools
import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orwlab.show.lab.session import Session
    from orwlab.show.lab.settings import Settings
    from orwlab.show.lab.story import Story

FIRST, CROWD = 20.0, 14.0  # frames a second that the work is cut to fit, for one session and for many
LARGEST_KEPT = 16 * 2**20  # bytes: arrays up to this size stay with a worker when they are freed
SHARE = 0.85  # of the time between frames that a worker's sessions may take


class WorkerDied(RuntimeError):
    """The process ended, and with it the session; another process is there for a new one."""


@dataclass
class Reply:
    """What a worker answers: the parts of a picture that changed, None if there is nothing new to draw."""

    picture: dict[str, str] | None
    seq: int
    state: str
    round: int
    """how far the session's story goes"""
    settings: "Settings"
    idle_for: float
    """seconds until it is worth asking again"""


# In the worker process ------------------------------------------------------------------------------------------------

_sessions: "dict[str, Session]" = {}
_sent: dict[str, dict[str, str]] = {}


def _start() -> None:
    """Once in every worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that started this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_memory()
    import torch

    torch.set_num_threads(1)  # threads inside one operation would fight with the other worker over the cores


def _keep_memory() -> None:
    """Have the C library keep what is freed, where it is glibc: see its manual on ``mallopt``.

    A picture's 2,000 particles pass through a network in arrays of a megabyte. Handed back to the kernel and asked for
    again each time, they cost half as much time as the arithmetic.
    """
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold = -1, -3  # as malloc.h numbers them
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, LARGEST_KEPT)
        libc.mallopt(trim_threshold, 4 * LARGEST_KEPT)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _first_picture() -> dict[str, str]:
    from orwlab.show.lab.session import first_picture

    return first_picture()


Order = tuple[str, tuple[Any, ...]]
"""the name of one of a session's methods, and its arguments"""


def _open(name: str, story: "Story", state: str, particles: int, seq: int, again: bool, ladder: bool = False) -> None:
    """A session that repeats ``story``, ``again`` because the one before it was lost; with the ``ladder`` of bounds."""
    from orwlab.show.lab.banners import RESTARTED
    from orwlab.show.lab.session import Session

    notice = RESTARTED if again else None
    session = Session(
        story.at(0), particles=particles, running=state == "running", name=name, notice=notice, ladder=ladder, flow=True
    )
    session.seq = seq  # the browser counts on
    if story.round > 0:
        session.begin(story, state, notice)
    _sessions[name], _sent[name] = session, {}


def _work(name: str, orders: list[Order], budget: float, whole: bool) -> Reply:
    """Obey, do what is due, and draw if there is something new, or in any case if the ``whole`` picture is wanted."""
    session = _sessions[name]
    for action, arguments in orders:
        getattr(session, action)(*arguments)
    picture = None
    if session.advance(budget) or whole:
        parts = session.frame()
        before = {} if whole else _sent[name]
        picture = {key: text for key, text in parts.items() if before.get(key) != text}
        _sent[name] = parts
    return Reply(picture, session.seq, session.state, session.story.round, session.settings, session.idle_for)


def _close(name: str) -> None:
    session = _sessions.pop(name, None)
    _sent.pop(name, None)
    if session is not None:
        session.close()


def _warm() -> dict[str, Any]:
    """What the first session of a process would otherwise wait for."""
    import scipy.optimize  # noqa: F401
    import torchdiffeq  # noqa: F401

    import orwlab.show.lab.session  # noqa: F401

    return _facts()


def _facts() -> dict[str, Any]:
    """For tests and measurements."""
    memory = 0
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        memory = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"sessions": sorted(_sessions), "memory": memory, "pid": os.getpid()}


# In the process that asks ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Worker:
    """One process. It is started at once, in the background."""

    busy: dict[str, float] = field(default_factory=dict)
    """when each session last had something to do"""
    names: set[str] = field(default_factory=set)
    """sessions that live here"""
    shut_down: bool = False

    def __post_init__(self) -> None:
        self._hire()

    def _hire(self) -> None:
        # spawn: a copy of a process that runs threads (torch's, the web server's) may hang
        context = multiprocessing.get_context("spawn")
        self._process = ProcessPoolExecutor(1, mp_context=context, initializer=_start)
        self.warm = self._process.submit(_warm)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """``function(*arguments)`` in the process.

        Raises:
            WorkerDied: it ended before it answered; there is a new one then.
        """
        process = self._process
        if self.shut_down:
            raise WorkerDied("the workers have been shut down")
        try:
            return await asyncio.wrap_future(process.submit(function, *arguments))
        except BrokenProcessPool as error:
            if process is self._process:  # and nobody else has seen it yet
                process.shutdown(wait=False)
                self.names.clear()
                self._hire()
            raise WorkerDied(str(error)) from error

    def begin(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """The answer to come. ``RuntimeError``: nothing is begun any more; a BrokenProcessPool if the process ended."""
        return self._process.submit(function, *arguments)

    def post(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have it done without waiting for it."""
        with contextlib.suppress(RuntimeError):
            self.begin(function, *arguments)

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The answer, waited for; not from an event loop."""
        return self.begin(function, *arguments).result()

    def budget(self, name: str, now: float) -> float:
        """Seconds that the session may take for a frame, so that all that are busy here get their frames."""
        self.busy[name] = now
        active = sum(1 for other, when in self.busy.items() if now - when < 1.0 and other in self.names) or 1
        return SHARE / ((FIRST if active == 1 else CROWD) * active)

    def shut(self) -> None:
        """End the process when it has done what it is doing."""
        self.shut_down = True
        self._process.shutdown(wait=False, cancel_futures=True)


class Pool:
    """Some workers; sessions go to the one with the fewest.

    Args:
        size: processes; by default two, or one on a single core.
    """

    def __init__(self, size: int | None = None) -> None:
        self.workers = [Worker() for _ in range(size or min(2, os.cpu_count() or 1))]
        self._turn = itertools.count()
        atexit.register(self.shut)

    def pick(self) -> Worker:
        """The worker with the fewest sessions, in turn if alike."""
        start = next(self._turn)
        count = len(self.workers)
        return min((self.workers[(start + k) % count] for k in range(count)), key=lambda worker: len(worker.names))

    @functools.cached_property
    def first_picture(self) -> dict[str, str]:
        """What a page shows before its visitor's own stream takes over; waits for a worker to have started."""
        return self.workers[0].ask(_first_picture)

    @property
    def shut_down(self) -> bool:
        """Whether there are no processes any more."""
        return all(worker.shut_down for worker in self.workers)

    def shut(self) -> None:
        """End all processes."""
        atexit.unregister(self.shut)
        for worker in self.workers:
            worker.shut()
