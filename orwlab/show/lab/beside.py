"""Work beside a session's rounds, by a thread of its own: what takes seconds, of a copy of what was there."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Look = TypeVar("Look")

_log = logging.getLogger(__name__)


class Beside(Generic[Look]):
    """Works on the newest wish; older ones that nobody has begun with are forgotten.

    Args:
        arrived: called, from the other thread, when more is known.
        thread: that works.
    """

    def __init__(self, arrived: Callable[[], None], thread: ThreadPoolExecutor) -> None:
        self._arrived, self._thread = arrived, thread
        self._lock = threading.Lock()
        self._wanted: Look | None = None
        self._working = self._forgotten = False

    @property
    def pending(self) -> bool:
        """Whether something is being worked out."""
        return self._working

    @property
    def overtaken(self) -> bool:
        """Whether there is a newer wish, or nobody who asks: what is being worked out may end."""
        return self._wanted is not None or self._forgotten

    def _want(self, look: Look) -> None:
        with self._lock:
            self._wanted = look
            if not self._working:
                self._working = True
                self._thread.submit(self._work)

    def forget(self) -> None:
        """Nobody asks any more."""
        with self._lock:
            self._wanted, self._forgotten = None, True
            self._arrived = lambda: None

    def _work(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._working = False
                    break
            try:
                self._measure(wanted)
            except Exception:  # a sentence in place of the numbers; the session goes on
                _log.exception("a measurement failed")
                self._failed(wanted)
        self._arrived()

    def _measure(self, look: Look) -> None:
        """Work it out, and show it."""
        raise NotImplementedError

    def _failed(self, look: Look) -> None:
        """Say that it could not be worked out."""
        raise NotImplementedError
