"""One person's experiment: the run, its settings, and the pictures of it. It knows nothing of Gradio.

Controls may be called from any thread at any time: they check what they are given, write it down and return. One
worker at a time calls ``advance``, which obeys them and does one round.
"""

import functools
import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor, nn

from orwlab import _check, flow, metrics, rewards, targets, zoo
from orwlab.finetune import Diverged, FineTuning, Snapshot
from orwlab.show.stage import scenes
from orwlab.show.studio.history import History
from orwlab.show.studio.settings import SEED_MAX, Settings

PARTICLES = 1500  # pushing them costs twice as much as a round of training
SUBSET = 512  # particles that the diversity is computed from; all of them would cost as much as a round
OUTSIDE = 0.3  # of the samples: then it is said that they leave the data
LOOK_EVERY = 5  # rounds between checks for collapse and leaving the data

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Banner:
    """A sentence over the picture: what happened, and what to try."""

    kind: str  # "warning" or "stopped"
    title: str
    text: str


COLLAPSED = Banner(
    "warning",
    "It has collapsed.",
    "Nearly all samples are in one place: the reward is high, the variety is gone. Try a larger α, or press Reset.",
)
LEFT = Banner("warning", "It is leaving the data.", "Many samples lie where there were never any data.")
UNBOUNDED = ("plane",)  # rewards without a ceiling


def _advice(settings: Settings) -> str:
    ceiling = ", or a reward with a ceiling" if settings.reward in UNBOUNDED else ""
    return f"Try a larger α{',' if ceiling else ' or'} a smaller τ{ceiling}."


class Session:
    """A fine-tuning run that one can steer.

    Args:
        settings: what to start with.
        particles: samples on show.
        running: whether ``advance`` does rounds before ``play`` is called.
        name: sent in every frame, so that a host can tell runs apart.

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
    ) -> None:
        self.particles = _check.integer("particles", particles, low=2)
        self.name = name
        self.state = "running" if running else "paused"
        self.banner: Banner | None = None
        self.seq = 0
        self._settings = settings or Settings()
        self._lock = threading.RLock()  # controls against each other, and against the start of a round
        self._working = threading.Lock()  # one worker at a time
        self._steps = 0  # single rounds asked for
        self._restart = False
        self._dirty = True  # something on the picture changed
        self._exact: tuple[Settings, tuple[float, bool] | None] | None = None
        self._begin(self._settings)

    # Controls -------------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings as they are now (those of the next round)."""
        return self._settings

    def control(self, **changes: Any) -> None:
        """Change settings. ``alpha`` and ``tau`` act from the next round; any other starts again from the reference.

        Raises:
            ValueError: in plain words; nothing is changed then.
        """
        with self._lock:
            for name in changes:
                _check.choice("control", name, Settings.__dataclass_fields__)
            before, after = self._settings, replace(self._settings, **changes)
            if after == before:
                return
            self._settings, self._dirty = after, True
            if replace(after, alpha=before.alpha, tau=before.tau) != before:
                self._restart = True
                self.state = "running" if self.state == "stopped" else self.state

    def play(self) -> None:
        """Go on. After a stop (divergence) it goes on from the last good state."""
        self._set_state("running")

    def pause(self) -> None:
        """Stop after the round that is under way."""
        self._set_state("paused")

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

    def set_exact(self, settings: Settings, limit: tuple[float, bool] | None) -> None:
        """Give the exact limit for ``settings``: mean reward, and whether the grid resolved it; None if there is none.

        It is drawn as long as these are the settings.
        """
        with self._lock:
            self._exact, self._dirty = (settings, limit), True

    def _set_state(self, state: str) -> None:
        with self._lock:
            self.state, self._dirty = state, True
            if self.banner and self.banner.kind == "stopped" and state != "stopped":
                self.banner = None

    # Work -----------------------------------------------------------------------------------------------------------

    @property
    def wants_work(self) -> bool:
        """Whether ``advance`` would do anything."""
        return self.state == "running" or self._steps > 0 or self._restart or self._dirty

    def advance(self) -> bool:
        """Obey the controls and do at most one round. Returns whether there is something new to draw.

        Never raises: whatever goes wrong becomes a banner, and the last good state stays.
        """
        with self._working:
            with self._lock:
                settings, restart, self._restart = self._settings, self._restart, False
                go = self._steps > 0 or self.state == "running"
                self._steps = max(0, self._steps - 1)
                new, self._dirty = self._dirty, False
            try:
                if restart:
                    self._begin(settings)
                    return True  # show the reference itself before it moves
                if go:
                    self._round(settings)
                return new or go
            except Diverged as error:
                title = f"It has diverged: the {error.what} stopped being finite."
                self._stop(title, f"{_advice(settings)} Then press Reset.")
            except Exception as error:  # never a frozen page: say it, and log the rest
                _log.exception("round failed")
                self._stop("This round failed.", f"{error} Press Reset, or choose another target or reward.")
            return True

    def _begin(self, settings: Settings) -> None:
        """A fresh run from the pretrained reference. The old one stays if this raises."""
        reference = _reference(settings.target)
        run = FineTuning(reference, rewards.get(settings.reward), settings.tau, settings.alpha, seed=settings.seed)
        noise = Generator().manual_seed(settings.seed + SEED_MAX)  # not the run's own numbers
        self.run, self.target = run, _target(settings.target)
        self.watch = flow.noise(self.particles, run.event_shape, generator=noise)
        self._region = _region(settings.target)
        self._source = run.rounds(2**62)
        self.snapshot: Snapshot | None = None
        self.samples = self._push()
        self._first = self.samples
        self._labels = self.target.mode_of(self.samples)
        self._size = scenes.HOME
        self._scene_size = 0.0  # no backdrop yet
        self.banner, self._speed, self._clock = None, 0.0, 0.0
        self.history = History()
        self._measure()

    def _round(self, settings: Settings) -> None:
        if (self.run.alpha, self.run.tau) != (settings.alpha, settings.tau):
            self.run.alpha, self.run.tau = settings.alpha, settings.tau
            self.history.mark(self.run.round)
        snapshot = next(self._source)
        samples = self._push()
        if not samples.isfinite().all():
            raise Diverged("policy's samples", self.run.round, "on show")
        self.snapshot, self.samples = snapshot, samples
        now = time.monotonic()
        if 0 < now - self._clock < 1:
            self._speed += 0.1 * (1 / (now - self._clock) - self._speed)
        self._clock = now
        self._measure()

    def _push(self) -> Tensor:
        method, steps = self.run.sampler  # the particles are drawn as the training draws its data
        return flow.sample(self.run.policy, self.watch, method=method, steps=steps)

    def _measure(self) -> None:
        reward = float(rewards.evaluate(self.run.reward, self.samples).mean())
        diversity = metrics.mean_pairwise_distance(self.samples[:SUBSET])
        self.history.add(self.run.round, reward, diversity)
        self._size = scenes.view_for(self.samples, self._size)
        if self.run.round % LOOK_EVERY == 0:
            self.banner = self._look(self.samples[:SUBSET])

    def _look(self, some: Tensor) -> Banner | None:
        collapsed = metrics.collapsed(some, self._first[:SUBSET])
        outside = self._region.fraction_outside(some) > OUTSIDE
        if collapsed and outside:
            return replace(COLLAPSED, title="It has collapsed, outside the data.")
        if outside:
            return replace(LEFT, text=f"{LEFT.text} {_advice(self.settings)}")
        return COLLAPSED if collapsed else None

    def _stop(self, title: str, text: str) -> None:
        with self._lock:
            self.state, self._steps = "stopped", 0
            self.banner = Banner("stopped", title, text)
            # a run that raised has ended its iterator
            self._source = self.run.rounds(2**62)

    # Pictures -------------------------------------------------------------------------------------------------------

    def frame(self) -> dict[str, str]:
        """What the stage draws now: ``{"scene", "frame"}``, both base64 text."""
        with self._working:
            if self._scene_size != self._size:
                self._scene = scenes.scene(self.target, self.run.reward, self._size, self._labels)
                self._scene_size = self._size
            self.seq += 1
            meta = {
                "run": self.name,
                "seq": self.seq,
                "round": self.run.round,
                "alpha": self.run.alpha,
                "tau": self.run.tau,
                "state": self.state,
                "numbers": self._numbers(),
                "banner": vars(self.banner) if self.banner else None,
            }
            exact = self._exact[1] if self._exact and self._exact[0] == self.settings else None
            curves = self.history.curves(exact)
            changes = self.history.changes
            return {
                "scene": self._scene,
                "frame": scenes.frame(meta, self.samples, self._size, self.history.rounds, curves, changes),
            }

    def _numbers(self) -> list[tuple[str, str, str]]:
        """Name, value, and a short name for narrow screens."""
        last = self.snapshot
        return [
            ("round", f"{self.run.round:,}", "round"),
            ("rounds a second", f"{self._speed:.0f}" if last and self.state == "running" else "–", "rounds/s"),
            ("effective samples", f"{100 * last.ess / self.run.pool_size:.0f} %" if last else "–", "effective"),
            ("distance penalty", scenes.signed(last.penalty) if last else "–", "penalty"),
        ]


@functools.cache
def _reference(name: str) -> nn.Module:
    return zoo.load(name)  # shared: a run copies it


@functools.cache
def _target(name: str) -> targets.GaussianMixture:
    return targets.get(name)  # one object a name: its contours are remembered by it


@functools.cache
def _region(name: str) -> metrics.DataRegion:
    return metrics.DataRegion(_target(name).sample(2000, generator=Generator().manual_seed(0)))
