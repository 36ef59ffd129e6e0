"""One person's experiment: the runs, their settings, and the pictures of them. It knows nothing of Gradio.

Controls may be called from any thread at any time: they check what they are given, write it down and return. One
worker at a time calls ``advance``, which obeys them and does a round, and ``frame``, which draws.
"""

import logging
import math
import threading
import time
from typing import Any

from torch import Tensor

from orwlab import checks
from orwlab.methods.orw import FineTuning, Snapshot
from orwlab.show.lab import banners, readings
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.experiment import Experiment
from orwlab.show.lab.history import History
from orwlab.show.lab.limits import Limits
from orwlab.show.lab.load import Load
from orwlab.show.lab.settings import Settings

PARTICLES = 2000
FOLLOW = 300  # rounds at most after which a moved control is not followed any further while paused
EARLY = 0.01  # seconds that a round may come before its time: frames and rounds have clocks of their own
QUIET = 0.5  # seconds since a control moved, before dear measurements are made again
LISTEN = 0.2  # seconds between looks for an exact limit that is being worked out

_log = logging.getLogger(__name__)


class Session:
    """A fine-tuning experiment that one can steer, of one to four lanes.

    Args:
        settings: what to start with.
        particles: samples on show in every lane.
        running: whether ``advance`` does rounds before ``play`` is called.
        name: sent in every frame, so that a host can tell runs apart.
        notice: a banner to begin with, until the next round of checks.

    Raises:
        ValueError: the reference cannot be loaded.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        particles: int = PARTICLES,
        running: bool = False,
        name: str = "",
        notice: Banner | None = None,
    ) -> None:
        self.particles = checks.integer("particles", particles, low=2)
        self.name = name
        self.state = "running" if running else "paused"
        self.seq = 0
        self._settings = settings or Settings()
        self._lock = threading.RLock()  # controls against each other, and against the start of a round
        self._working = threading.Lock()  # one worker at a time
        self._steps = 0  # single rounds asked for
        self._restart = self._resume = False
        self._dirty = True  # something on the picture changed
        self._prompt = False  # whether the last picture was of moved controls alone
        self._limits = Limits(self._touch)
        self._load = Load(self.particles)
        self._begin(self._settings, notice)

    # Controls -------------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings as they are now (those of the next round)."""
        return self._settings

    def control(self, **changes: Any) -> None:
        """Change some settings; see ``obey``.

        Raises:
            ValueError: in plain words; nothing is changed then.
        """
        with self._lock:
            self.obey(self._settings.changed(**changes))

    def obey(self, settings: Settings) -> None:
        """From now on these settings. What cannot change under a run starts again from the reference."""
        with self._lock:
            before, self._settings = self._settings, settings
            if settings == before:
                return
            self._dirty, self._moved = True, time.monotonic()
            if settings.starts_again(before):
                self._restart = True
                self.state = "running" if self.state == "stopped" else self.state
            self._limits.want(settings)

    def play(self) -> None:
        """Go on. After a stop (divergence) it goes on from the last good state."""
        self._set_state("running")

    def pause(self) -> None:
        """Stop after the round that is under way."""
        self._set_state("paused")

    def toggle(self) -> None:
        """Pause if it runs, else go on."""
        with self._lock:
            self._set_state("paused" if self.state == "running" else "running")

    def step(self) -> None:
        """Do one round, then be paused."""
        with self._lock:
            self._steps = self._steps + 1 if self.state == "paused" else 1
            self._set_state("paused")

    def reset(self) -> None:
        """Back to round 0, the pretrained reference, with the present settings; paused."""
        with self._lock:
            self._restart, self._steps = True, 0
            self._set_state("paused")

    def reset_to_demo(self) -> None:
        """Back to round 0 with the settings one meets first; running."""
        with self._lock:
            self.obey(Settings())
            self._restart, self._steps = True, 0
            self._set_state("running")

    def close(self) -> None:
        """Nobody looks any more: work that is under way elsewhere is not waited for."""
        self._limits.forget()

    def _set_state(self, state: str) -> None:
        with self._lock:
            self._resume = self._resume or self.state == "stopped" or state == "running" != self.state
            self.state, self._dirty = state, True
            self._next = time.monotonic()

    def _touch(self) -> None:
        with self._lock:
            self._dirty = True

    # Work -----------------------------------------------------------------------------------------------------------

    @property
    def wants_work(self) -> bool:
        """Whether ``advance`` would do anything now."""
        return self.idle_for == 0

    @property
    def idle_for(self) -> float:
        """Seconds until ``advance`` has something to do; inf if nothing will happen by itself."""
        other_half = self._mixed and (self._load.turns or self.state != "running")
        if self._steps > 0 or self._restart or self._dirty or self._following > 0 or other_half:
            return 0.0
        if self.state == "running":
            wait = self._next - EARLY - time.monotonic()
            return max(0.0, wait) if self._settings.speed > 0 else 0.0
        return LISTEN if self._limits.pending else math.inf

    def advance(self, budget: float = 0.0) -> bool:
        """Obey the controls and do a round if one is due. Returns whether there is something new to draw.

        With a ``budget`` in seconds it does as many due rounds, and draws as many particles, as fit between two
        frames, a round every second frame if need be, and none in the first one after a control was moved; with 0 one
        round at most, and all particles. Never raises: whatever goes wrong becomes a banner, and the last good state
        stays.
        """
        with self._working:
            with self._lock:
                settings, restart, self._restart = self._settings, self._restart, False
                resume, self._resume = self._resume, False
                new, self._dirty = self._dirty, False
            try:
                if restart:
                    self._begin(settings)
                    return True  # show the reference itself before it moves
                if resume:
                    self._it.resume()
                moved = settings != self._it.settings
                if self._it.obey(settings):
                    self._following = FOLLOW if settings.mode == "exact" and self._it.round > 0 else 0
                # a moved control is seen at once, with its exact limit: a round and its particles come in the next
                # picture, which they would hold up and hardly change
                now = self.state == "running" and budget > 0 and self._it.up_to_date
                self._prompt = moved and now and not self._prompt
                if self._prompt:
                    return True
                others = self._load.turns and self._half == 1 and self._it.up_to_date
                done = 0 if others else self._rounds(budget)
                self._it.shown = self._load.adapt(budget if self.state == "running" else 0.0)
                drawn = True
                if done or others:
                    self._draw(self._half if self._load.halves else None)
                elif not self._it.up_to_date or (self._mixed and self.state != "running"):
                    self._draw(None)
                else:
                    drawn = False
                if not (self._read() or drawn):
                    return new
                if self._it.stopped:
                    self._stop()
            except Exception as error:  # never a frozen page: say it, and log the rest
                _log.exception("round failed")
                self._it.failure = banners.failed(error)
                self._stop()
            return True

    def _stop(self) -> None:
        with self._lock:
            self.state, self._steps, self._following = "stopped", 0, 0

    def _begin(self, settings: Settings, notice: Banner | None = None) -> None:
        """A new experiment from the pretrained reference. The old one stays if this raises."""
        self._it = Experiment(settings, self.particles, self._limits, notice)
        self._speed, self._clock = 0.0, 0.0
        self._half, self._mixed = 0, False  # the half to push next; whether the other is a round older
        self._prompt = False
        with self._lock:
            self._following, self._moved, self._next = 0, -math.inf, time.monotonic()
            self._limits.want(self._settings)  # which may have moved on meanwhile

    def _rounds(self, budget: float) -> int:
        """Do the rounds that are due; returns how many."""
        start, done = time.monotonic(), 0
        while self._due() and not self._it.stopped:
            if done and (now := time.monotonic()) - start + self._load.cost > budget:
                with self._lock:
                    self._next = max(self._next, now - 1)  # what does not fit is not made up for for ever
                break
            with self._lock:
                self._steps, self._following = max(0, self._steps - 1), max(0, self._following - 1)
                if self._it.settings.speed > 0:
                    self._next += 1 / self._it.settings.speed
            before = time.monotonic()
            self._it.lanes.advance()
            done += 1
            self._load.note_round(time.monotonic() - before)
            if self._it.lanes.settled:
                self._following = 0
            self._read()
            if budget <= 0:
                break
        if done:
            now = time.monotonic()
            if 0 < now - self._clock < 1.5:
                self._speed += 0.1 * (done / (now - self._clock) - self._speed)
            self._clock = now
        return done

    def _due(self) -> bool:
        if self._steps > 0 or self._following > 0:
            return True
        if self.state != "running":
            return False
        return self._it.settings.speed == 0 or time.monotonic() >= self._next - EARLY

    def _read(self) -> bool:
        """Read the lanes if that is due; returns whether it was."""
        at_rest = self.state != "running" and self._steps == 0 and self._following == 0
        if not self._it.due(at_rest=at_rest):
            return False
        before = time.monotonic()
        self._it.read(quiet=before - self._moved > QUIET, at_rest=at_rest)
        if not at_rest:
            self._load.note_reading(time.monotonic() - before, readings.every(self._it.settings.speed))
        return True

    def _draw(self, half: int | None) -> None:
        before = time.monotonic()
        self._it.draw(half)
        self._half, self._mixed = (0, False) if half is None else (1 - half, not (half == 1 and self._load.turns))
        shown = self._it.samples.shape[1]
        self._load.note_push(time.monotonic() - before, shown if half is None else shown // 2)

    # Pictures -------------------------------------------------------------------------------------------------------

    def frame(self) -> dict[str, str]:
        """What the stage draws now: ``{"scene", "exact", "frame"}``, each base64 text ("exact" may be empty)."""
        with self._working:
            self.seq, it, settings = self.seq + 1, self._it, self._it.settings
            meta = {
                "run": self.name,
                "seq": self.seq,
                "round": it.round,
                "alpha": settings.alpha,
                "tau": settings.tau,
                "state": self.state,
                "mode": settings.mode,
                "t": settings.t,
            }
            return it.picture.messages(
                meta,
                it.lanes,
                it.readings,
                settings,
                self._limits.of(settings),
                self._limits.steepness(settings),
                [it.banner(k) for k in range(len(settings.alphas))],
                self._speed if self.state == "running" and it.round else None,
                self.particles,
            )

    @property
    def round(self) -> int:
        """Rounds done by the lanes on show."""
        return self._it.round

    @property
    def samples(self) -> Tensor:
        """The finished particles on show, (lanes, n, 2)."""
        return self._it.samples

    @property
    def watch(self) -> Tensor:
        """The noise that they were pushed from, (n, 2)."""
        return self._it.watch

    @property
    def history(self) -> History:
        """The curves."""
        return self._it.history

    @property
    def runs(self) -> list[FineTuning]:
        """The run of every lane; none where the population dynamics are shown."""
        return self._it.runs

    @property
    def snapshot(self) -> Snapshot | None:
        """The first lane's last round."""
        return self._it.snapshot

    @property
    def banner(self) -> Banner | None:
        """The first lane's banner."""
        return self._it.banner(0)


def first_picture(settings: Settings | None = None) -> dict[str, str]:
    """What a page shows before its visitor's own stream takes over."""
    session = Session(settings, name="first")
    session.state = "starting"
    return session.frame()
