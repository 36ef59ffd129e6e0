"""One person's experiment: the runs, their settings, and the pictures of them. It knows nothing of Gradio.

Controls may be called from any thread at any time: they check what they are given, write it down and return. One
worker at a time calls ``advance``, which obeys them and does a round, and ``frame``, which draws.
"""

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from orwlab import checks
from orwlab.methods.run import Run, Snapshot
from orwlab.show.lab import banners, readings, rivals
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.experiment import Experiment
from orwlab.show.lab.fitting import Fitting
from orwlab.show.lab.history import History
from orwlab.show.lab.key_rounds import KeyRounds
from orwlab.show.lab.limits import Limits
from orwlab.show.lab.load import Load
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import ON_THE_WAY, RESUME, Story

PARTICLES = 2000
FOLLOW = 300  # rounds at most after which a moved control is not followed any further while paused
EARLY = 0.01  # seconds that a round may come before its time: frames and rounds have clocks of their own
QUIET = 0.5  # seconds since a control moved, before dear measurements are made again
LISTEN = 0.2  # seconds between looks for an exact limit that is being worked out
SLICE = 0.1  # seconds of a repetition at a time, where nobody says how long
SEEN = 0.35  # seconds between pictures of a repetition, at least
SELDOM = 8  # times as long as a picture takes is the time to the next one
EARLIER = 20  # stories that one can go back to, besides the changes of the present one

_log = logging.getLogger(__name__)


class Session:
    """A fine-tuning experiment that one can steer, of one to four lanes.

    Args:
        settings: what to start with.
        particles: samples on show in every lane.
        running: whether ``advance`` does rounds before ``play`` is called.
        name: sent in every frame, so that a host can tell runs apart.
        notice: a banner to begin with, until the next round of checks.
        ladder: whether the ladder of bounds is measured, again and again.
        flow: whether pictures of key rounds come with the flow of some particles, for a host that can look back.

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
        ladder: bool = False,
        flow: bool = False,
    ) -> None:
        self.particles = checks.integer("particles", particles, low=2)
        self.name = name
        self.state = "running" if running else "paused"
        self.seq = 0
        self._settings = settings or Settings()
        self._lock = threading.RLock()  # controls against each other, and against the start of a round
        self._working = threading.Lock()  # one worker at a time
        self._steps = 0  # single rounds asked for
        self._wanted: Story | None = None  # to begin with, from the reference
        self._script: Story | None = None  # what is being repeated
        self._earlier: list[Story] = []  # that others took the place of
        self._undo = 0  # changes to be undone
        self._resume = False
        self._dirty = True  # something on the picture changed
        self._prompt = False  # whether the last picture was of moved controls alone
        self._traced: int | None = None  # particle whose way is shown
        self._notice: Banner | None = None
        self._text: tuple[object, str] = (None, "")
        arrived = _weakly(self._touch)
        self._limits, self._fitting = Limits(arrived), Fitting(arrived)
        self._arrived, self._ladder = arrived, ladder
        self._key_rounds = KeyRounds() if flow else None
        self._waits = False  # whether exact densities stand in for networks that are being trained
        self._meant: Story | None = None  # what networks are to repeat once they are there
        self._load = Load(self.particles)
        self._begin(Story(self._settings), notice)

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

    def move(self, changes: Mapping[str, Any]) -> None:
        """The same as ``control``, of values that were checked already."""
        with self._lock:
            self.obey(self._settings.taken(**changes))

    def obey(self, settings: Settings) -> None:
        """From now on these settings. What cannot change under a run starts again from the reference."""
        with self._lock:
            before, self._settings = self._settings, settings
            if settings == before:
                return
            self._dirty, self._moved = True, time.monotonic()
            if settings.starts_again(before):
                self._replace(Story(settings))
                self.state = "running" if self.state == "stopped" else self.state
            if any(getattr(before, name) != getattr(settings, name) for name in ON_THE_WAY):
                self._meant = None
            self._ask()

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
        self.begin(Story(self._settings))

    def begin(self, story: Story, state: str = "paused", notice: Banner | None = None) -> None:
        """Repeat a story from the reference on, as fast as it goes; then be in ``state``, "paused" or "running".

        It takes the place of the present one, or of another that is being repeated. A control that moves meanwhile
        counts from the story's end on.

        Raises:
            ValueError: there is no such state.
        """
        checks.choice("state", state, ("paused", "running"))
        with self._lock:
            self._replace(story)
            self._settings, self._steps, self._undo, self._notice = story.settings, 0, 0, notice
            self._set_state(state)
            self._resume = False
            self._ask()

    def _replace(self, story: Story) -> None:
        if self._wanted is None and (self._script or self._it.round or self._it.story.log):
            self._earlier = [*self._earlier[1 - EARLIER :], self._script or self._it.story]
        self._wanted = story

    def undo(self) -> None:
        """Back to the round of the last change, as if it had not been made; nothing if there was none.

        A drag is one change. Where a change, or ``reset``, began a new story, it goes back to where the old one was.
        What is shown, and whether it runs, stays.
        """
        with self._lock:
            self._undo += 1

    def _undone(self) -> None:
        """What ``undo`` asks for, once all earlier changes have been obeyed."""
        with self._lock:
            story = (self._script or self._it.story).undone()
            if story is None and self._earlier:
                story = self._earlier.pop()
            if story is None:
                return
            views = self._settings
            self._wanted, self._settings = story.seen_as(views), story.settings.seen_as(views)
            self._set_state("paused" if self.state == "stopped" else self.state)
            self._resume = False
            self._ask()

    def _ask(self) -> None:
        """For what is worked out elsewhere: a network for a target of one's own, and the exact limits."""
        self._fitting.want(self._settings.target)
        self._limits.want(self._shown(self._settings))

    def _shown(self, settings: Settings) -> Settings:
        """The settings of what is shown: while a network is being trained, the exact answer stands in for it."""
        if settings.exact or not self._fitting.missing(settings.target):
            return settings
        if settings.methods:  # for all of them the one whose course is known exactly
            alone = {"methods": (), "others": (), "steer": "", "weighting": "mean_one", "tau": 1.0}
            return settings.taken(mode="exact", alpha=1 / settings.strength, **alone)
        return settings.taken(mode="exact")

    def _arrive(self) -> None:
        """If networks are there that had been waited for, begin again with them, in the same state."""
        if self._fitting.failure is not None and self._it.failure is None:
            self._it.failure = banners.no_network(self._fitting.failure)
        waited, exact = self._waits, self._settings.exact
        self._waits = not exact and self._fitting.missing(self._settings.target)
        if self._waits or self._wanted or exact:
            return
        if waited:
            self.state = "running" if self.state == "stopped" else self.state
            self._ask()
        if self._meant:
            self._wanted, self._meant = self._meant.seen_as(self._settings), None

    def close(self) -> None:
        """Nobody looks any more: work that is under way elsewhere is not waited for."""
        self._limits.forget()
        self._fitting.forget()
        self._it.forget()

    def _set_state(self, state: str) -> None:
        with self._lock:
            self._resume = self._resume or self.state == "stopped" or state == "running" != self.state
            self.state, self._dirty = state, True
            self._next = time.monotonic()

    def _touch(self) -> None:
        with self._lock:
            self._dirty = True

    def trace(self, particle: int | None) -> None:
        """Send the way of a particle from its noise with the pictures; None: of none.

        Raises:
            ValueError: there is no such particle.
        """
        if particle is not None:
            particle = checks.integer("trace", particle, low=0, high=self.particles - 1)
        with self._lock:
            self._traced, self._dirty = particle, True

    # Work -----------------------------------------------------------------------------------------------------------

    @property
    def wants_work(self) -> bool:
        """Whether ``advance`` would do anything now."""
        return self.idle_for == 0

    @property
    def idle_for(self) -> float:
        """Seconds until ``advance`` has something to do; inf if nothing will happen by itself."""
        other_half = self._mixed and (self._load.turns or self.state != "running")
        asked = (
            self._steps > 0 or self._dirty or self._wanted or self._script or self._undo > 0 or self._it.lanes.midway
        )
        if asked or self._following > 0 or other_half:
            return 0.0
        if self.state == "running":
            wait = self._next - EARLY - time.monotonic()
            return max(0.0, wait) if self._settings.speed > 0 else 0.0
        busy = self._limits.pending or self._fitting.pending or self._it.pending
        return LISTEN if busy else math.inf

    def advance(self, budget: float = 0.0) -> bool:
        """Obey the controls and do a round if one is due. Returns whether there is something new to draw.

        With a ``budget`` in seconds it does as many due rounds, and draws as many particles, as fit between two
        frames, a round every second frame if need be, and none in the first one after a control was moved; with 0 one
        round at most, and all particles. Never raises: whatever goes wrong becomes a banner, and the last good state
        stays.
        """
        with self._working:
            with self._lock:
                self._arrive()
                settings, wanted, self._wanted = self._shown(self._settings), self._wanted, None
                resume, self._resume = self._resume, False
                new, self._dirty = self._dirty, False
                undo = self._undo > 0 and wanted is None
                self._undo -= undo
            try:
                if wanted:
                    self._begin(wanted, self._notice)
                    return True  # show the reference itself before it moves
                if undo:
                    if self._script is None:
                        self._it.obey(settings)
                    self._undone()
                    return True
                if self._script:
                    return self._repeat(self._script, settings, budget) or new
                if resume:
                    self._it.resume()
                moved = settings != self._it.settings
                if self._it.obey(settings):
                    self._following = FOLLOW if self._it.round > 0 else 0
                if not settings.exact:  # networks, even if they have just taken over, wait until they are asked
                    self._following = 0
                # a moved control is seen at once, with its exact limit: a round and its particles come in the next
                # picture, which they would hold up and hardly change
                now = self.state == "running" and budget > 0 and self._it.up_to_date
                self._prompt = moved and now and not self._prompt
                if self._prompt:
                    return True
                others = self._load.turns and self._half == 1 and self._it.up_to_date
                moved = not others and self._rounds(budget)
                self._it.shown = self._load.adapt(budget if self.state == "running" else 0.0)
                if self._it.lanes.pauses:  # then a round is spread over pictures as it is
                    self._load.turns = False
                drawn = True
                if moved or others:
                    self._draw(self._half if self._load.halves else None)
                elif not self._it.up_to_date or (self._mixed and self.state != "running"):
                    self._draw(None)
                else:
                    drawn = False
                seen = self._read() or drawn
                if self._it.stopped and (seen or self.state == "running"):
                    self._stop()
                elif not seen:
                    return new
            except Exception as error:  # never a frozen page: say it, and log the rest
                _log.exception("round failed")
                self._it.failure, self._script = banners.failed(error), None
                self._stop()
            return True

    def _stop(self) -> None:
        with self._lock:
            self.state, self._steps, self._following = "stopped", 0, 0

    def _begin(self, story: Story, notice: Banner | None = None) -> None:
        """A new experiment from the pretrained reference. The old one stays if this raises."""
        self._script, self._notice = None, None
        with self._lock:
            self._fitting.want(self._settings.target)
            shown = self._shown(story.start)
            self._waits = shown != story.start
            self._meant = story if self._waits and story.round else None
        story = Story(shown) if self._waits and story.start.methods else story.seen_as(shown)
        before = getattr(self, "_it", None)
        self._it = Experiment(
            story.at(0), self.particles, self._limits, notice, story.round, self._arrived, self._ladder
        )
        if before:
            before.forget()
        self._script = story if story.round else None
        self._speed, self._clock, self._seen = 0.0, 0.0, time.monotonic() + SEEN
        self._half, self._mixed = 0, False  # the half to push next; whether the other is a round older
        self._prompt = False
        with self._lock:
            self._following, self._moved, self._next = 0, -math.inf, time.monotonic()
            self._ask()  # for settings that may have moved on meanwhile

    def _repeat(self, script: Story, settings: Settings, budget: float) -> bool:
        """Some rounds of what is being repeated, without drawing each. Returns whether there is something to draw."""
        end = time.monotonic() + (budget or SLICE)
        # another kind of lanes is not shown before its end
        views = settings if settings.exact == script.start.exact else script.start
        while True:
            here = self._it.round
            self._it.obey(self._it.settings.seen_as(views))
            for _, name, value in (change for change in script.log if change[0] == here):
                if name == RESUME:
                    self._it.resume()
                else:
                    self._it.obey(self._it.settings.taken(**{name: value}))
            if here >= script.round or self._it.stopped or time.monotonic() >= end:
                break
            before = time.monotonic()
            self._it.lanes.advance()
            self._load.note_round(time.monotonic() - before)
            self._read()
        if here < script.round and not self._it.stopped:
            before = time.monotonic()
            if before < self._seen:
                return False
            self._draw(None)
            now = time.monotonic()
            self._seen = now + max(SEEN, SELDOM * (now - before))
            return True
        with self._lock:
            self._script, self._next, self._dirty = None, time.monotonic(), True
        self._draw(None)
        if self._it.stopped:
            self._stop()
        return True

    def _rounds(self, budget: float) -> bool:
        """Do the rounds that are due, the last one perhaps in part; returns whether any lane has moved."""
        start, done, part = time.monotonic(), 0, False
        room = (
            start + max(0.0, budget - self._load.drawing) if budget > 0 else math.inf
        )  # a picture has to be drawn, too
        while self._due() and not self._it.stopped:
            if done and (now := time.monotonic()) - start + self._load.cost > budget:
                with self._lock:
                    self._next = max(self._next, now - 1)  # what does not fit is not made up for for ever
                break
            if not self._it.lanes.midway:
                with self._lock:
                    self._steps, self._following = max(0, self._steps - 1), max(0, self._following - 1)
                    if self._it.settings.speed > 0:
                        self._next += 1 / self._it.settings.speed
            before = time.monotonic()
            part = not self._it.lanes.advance(room)
            self._load.note_round(time.monotonic() - before)
            if part:
                break
            done += 1
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
        return done > 0 or part

    def _due(self) -> bool:
        if self._it.lanes.midway:
            return True
        if self._steps > 0 or self._following > 0:
            return True
        if self.state != "running":
            return False
        return self._it.settings.speed == 0 or time.monotonic() >= self._next - EARLY

    def _read(self) -> bool:
        """Read the lanes if that is due; returns whether it was. Not while some are a round ahead of others."""
        if self._it.lanes.midway:
            return False
        at_rest = self.state != "running" and self._steps == 0 and self._following == 0 and self._script is None
        self._it.climb(at_rest=at_rest)
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
        """What the stage draws now: ``{"scene", "exact", "frame"}``, each base64 text ("exact" may be empty), and
        ``"story"``: see ``Story.text``. If flows were asked for, ``"flow"`` as well, empty between key rounds.
        """
        with self._working:
            self.seq, it, settings = self.seq + 1, self._it, self._it.settings
            meta = {
                "run": self.name,
                "seq": self.seq,
                "round": it.round,
                "alpha": it.lanes.alphas[0],
                "steering": it.lanes.steered.plain(settings),
                "tau": None if settings.methods else settings.tau,
                "state": self.state,
                "settling": self.state == "paused" and self._following > 0,
                "mode": "both" if settings.methods and settings.mode == "exact" else settings.mode,
                "t": settings.t,
                "fitting": self._fitting.progress if self._waits else None,
                "replaying": {"round": it.round, "of": self._script.round} if self._script else None,
                "flow": self._key_rounds is not None and it.lanes.mode == "learned",
            }
            arrays: dict[str, Any] = {}
            if it.ladders:
                meta["ladder"], arrays = it.ladders.plain()
            if it.dials:
                meta["race"], arrays = self._race(it), arrays | it.readings.spent()
            shown = self._traced is not None and self._traced < it.picture.x.shape[1]
            meta["traced"] = self._traced if shown else None
            parts = it.picture.messages(
                meta,
                it.lanes,
                it.readings,
                settings,
                self._limits.of(settings),
                self._limits.said(settings),
                self._limits.steepness(settings),
                [it.banner(k) for k in range(settings.lanes)],
                self._speed if self.state == "running" and it.round else None,
                self.particles,
                arrays,
            )
            if self._key_rounds:
                at_rest, work = self.state != "running", self._load.cost
                parts["flow"] = "" if self._script else self._key_rounds.flow(it, at_rest=at_rest, work=work)
            return {**parts, "story": self._told(replace(self.story, round=0))}

    def _race(self, it: Experiment) -> dict[str, Any]:
        """``{"methods", "strength", "flat", "frontiers", "goals", "dial"}``: what the methods on show are held to, and
        how far they have gone; see ``rivals`` and ``dials``.
        """
        settings = it.settings
        assert it.dials is not None
        return {
            "methods": list(settings.methods),
            "strength": settings.strength,
            "flat": rivals.shuts_out(settings.target, settings.reward),
            "frontiers": self._limits.frontiers(settings),
            "goals": [rivals.plain(goal) for goal in self._limits.of(settings)],
            "dial": it.dials.plain(),
        }

    def _told(self, story: Story) -> str:
        undo = bool(story.log or self._earlier)
        if self._text[0] != (story, undo):
            self._text = ((story, undo), story.text(undo=undo))
        return self._text[1]

    @property
    def story(self) -> Story:
        """How the lanes on show came to be what they are; of one that is being repeated, the whole."""
        if self._waits and self._settings.methods:
            return self._meant or Story(self._settings)
        views = self._it.settings
        views = views.taken(mode=self._settings.mode) if self._waits else views
        return (self._script or self._it.story).seen_as(views)

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
    def runs(self) -> Sequence[Run]:
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


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """``method`` as long as its object is there. Whoever holds this does not hold the object: without circles a session
    that is dropped is gone at once, with its megabytes of networks, and not when the collector comes by.
    """
    there = weakref.WeakMethod(method)

    def call() -> None:
        known = there()
        if known is not None:
            known()

    return call


def first_picture(settings: Settings | None = None) -> dict[str, str]:
    """What a page shows before its visitor's own stream takes over."""
    session = Session(settings, name="first")
    session.state = "starting"
    return session.frame()
