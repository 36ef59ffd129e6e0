"""Who has painted what: browsers say so, and their word decides whether it is worth making more frames.

Nothing between a session and a browser pushes back when it is slow. So a browser acknowledges every tenth frame: far
behind, or silent where it should have spoken, the work rests; silent for long, nobody is taken to be there any more
until the browser speaks again. Hosts call this from any thread.
"""

import threading
from dataclasses import dataclass

EVERY = 10  # frames, by a browser that is awake (so says stage.js)
WINDOW = 40  # frames that may be unacknowledged
DOUBT = 5.0  # seconds without a word, when there should be one, before the work rests
PATIENCE = 30.0  # seconds without a word, when there should be one, before a view counts as gone


@dataclass
class _View:
    visible: bool
    painted: int  # the newest frame that it is known to have painted, or to have been sent to begin with
    owing_since: float | None = None


class Acknowledgements:
    """Of one session's frames, by everybody who looks at them: a notebook can show the same stage twice.

    Args:
        window: frames that may be unacknowledged.
        doubt: seconds without a word that is due before the work rests.
        patience: seconds without a word that is due before a view counts as gone.
    """

    def __init__(self, window: int = WINDOW, doubt: float = DOUBT, patience: float = PATIENCE) -> None:
        self.window, self.doubt, self.patience = window, doubt, patience
        self._lock = threading.Lock()
        self._views: dict[str, _View] = {}
        self._newest = 0

    def sent(self, seq: int) -> None:
        """Frame ``seq`` goes out; they are counted from 1."""
        with self._lock:
            self._newest = max(self._newest, seq)

    def heard(self, view: str, seq: int | None = None, *, visible: bool = True) -> None:
        """A view is there, whether it can be seen, and perhaps which frame it painted last.

        A new one has nothing outstanding. A number that nobody has sent counts as the newest one.
        """
        with self._lock:
            known = self._views.get(view)
            painted = self._newest if known is None else max(known.painted, min(seq or 0, self._newest))
            self._views[view] = _View(visible, painted)

    def gone(self, view: str) -> None:
        """A view has been taken away."""
        with self._lock:
            self._views.pop(view, None)

    def watched(self, now: float) -> bool:
        """Whether somebody sees the frames. Views that have been silent beyond patience are forgotten."""
        with self._lock:
            for name in [name for name, view in self._views.items() if self._silent(view, now) > self.patience]:
                del self._views[name]
            return any(view.visible for view in self._views.values())

    def behind(self, now: float) -> bool:
        """Whether the work should rest: whoever sees the frames has too many to paint yet, or is in doubt."""
        with self._lock:
            return not any(
                self._newest - view.painted < self.window and self._silent(view, now) <= self.doubt
                for view in self._views.values()
                if view.visible
            )

    @property
    def painted(self) -> int:
        """The newest frame that anybody has painted; 0 if nobody is there."""
        with self._lock:
            return max((view.painted for view in self._views.values()), default=0)

    def _silent(self, view: _View, now: float) -> float:
        """Seconds since the view should have said something."""
        if self._newest - view.painted <= EVERY:
            view.owing_since = None
            return 0.0
        if view.owing_since is None:
            view.owing_since = now
        return now - view.owing_since
