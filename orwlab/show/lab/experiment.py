"""What a session works on: its lanes, learned or exact, with their curves and pictures. For one thread at a time."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab.methods.run import Run, Snapshot
from orwlab.show.lab import banners, lanes, load, measures, own
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.dials import Dials
from orwlab.show.lab.exact import ExactLanes
from orwlab.show.lab.history import History
from orwlab.show.lab.ladders import Ladders
from orwlab.show.lab.lanes import LearnedLanes, NetworkLanes
from orwlab.show.lab.limits import Limits
from orwlab.show.lab.picture import Picture
from orwlab.show.lab.racing import RacingLanes
from orwlab.show.lab.readings import Readings
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import ON_THE_WAY, RESUME, Story

LOOK_EVERY = 5  # rounds between checks for collapse and leaving the data


def _lanes(settings: Settings) -> type[LearnedLanes] | type[RacingLanes] | type[ExactLanes]:
    return ExactLanes if settings.exact else RacingLanes if settings.methods else LearnedLanes


class Experiment:
    """Lanes from the pretrained reference on. Learned and exact ones are kept apart; each kind is made when wanted.

    Args:
        settings: what to start with.
        particles: of every lane.
        limits: where exact limits are known from.
        notice: a banner to begin with, until something is seen after the round ``notice_until``.
        arrived: called, from another thread, whenever more is known of what is measured beside the rounds.
        ladder: whether the ladders of bounds are.
    """

    lanes: NetworkLanes | ExactLanes
    readings: Readings
    picture: Picture
    samples: Tensor  # (lanes, n, 2) finished particles

    def __init__(
        self,
        settings: Settings,
        particles: int,
        limits: Limits,
        notice: Banner | None = None,
        notice_until: int = 0,
        arrived: Callable[[], None] = lambda: None,
        ladder: bool = False,
    ) -> None:
        self.settings, self.limits, self._arrived, self._ladder = settings, limits, arrived, ladder
        self.watch = lanes.noise(settings.seed, particles)
        self.shown = particles  # that are drawn
        self.failure: Banner | None = None
        self.notice, self._notice_until = notice, notice_until
        self._kinds: dict[str, tuple[NetworkLanes | ExactLanes, Readings, Picture]] = {}
        self._beside: dict[str, list[Ladders | Dials]] = {}  # of each kind of lanes
        self._stories: dict[str, Story] = {}  # of each kind of lanes
        self._lost: set[int] = set()  # lanes whose newest particles cannot be shown
        self._drawn: tuple[object, ...] = ()  # what the picture was drawn for
        self.obey(settings)

    def obey(self, settings: Settings) -> bool:
        """Let the lanes of the wanted kind, new ones if need be, know the settings.

        Returns whether they go another way now; a mark is left on the curves then.
        """
        if hasattr(self, "lanes") and self.lanes.midway and settings != self.settings:
            self.lanes.advance()  # a round that some lanes have done is done by all before anything changes
        self.settings = settings
        kind = "exact" if settings.exact else "learned"
        fresh = kind not in self._kinds
        if fresh:
            made = _lanes(settings)(settings, self.watch)
            self._kinds[kind] = (made, Readings(made), Picture(made.first, own.target(settings.target)))
            self._stories[kind] = Story(settings)
            self._beside[kind] = [Ladders(self._arrived)] if self._ladder else []
            self._beside[kind] += [Dials(self._arrived)] if settings.methods else []
        if not hasattr(self, "lanes") or self.lanes is not self._kinds[kind][0]:
            self.lanes, self.readings, self.picture = self._kinds[kind]
            self.looks: list[Banner | None] = [None] * settings.lanes
            self._looked = -LOOK_EVERY  # the round of the last look
            self._drawn = ()
        if fresh:
            self.draw()
            self.read()
        before = self.lanes.settings
        moved = [name for name in ON_THE_WAY if getattr(before, name) != getattr(settings, name)]
        if moved:
            self._note([(name, getattr(settings, name)) for name in moved])
        changed = self.lanes.obey(settings)
        if changed or (kind == "learned" and before.measured != settings.measured):
            self.history.mark(self.round)
        if before.reward != settings.reward:
            self.picture.forget_scene()
            self.history.first = {**self.history.first, "reward": self.lanes.of_reference(settings.reward)}
        if before.truth != settings.truth:
            self.picture.forget_scene()
            known = self.lanes.of_reference(settings.truth) if settings.truth else math.nan
            self.history.first = {**self.history.first, "truth": known}
        return changed

    def resume(self) -> None:
        """Let lanes that stopped go on from their last good state."""
        if any(self.lanes.stopped):
            self._note([(RESUME, True)])
        self.failure = None
        self.lanes.resume()

    def _note(self, changes: list[tuple[str, Any]]) -> None:
        self._stories[self._kind] = self._stories[self._kind].changed(self.round, changes)

    @property
    def _kind(self) -> str:
        return self.lanes.mode

    @property
    def story(self) -> Story:
        """How the lanes on show came to be what they are."""
        return self._stories[self._kind].seen_as(self.settings).changed(self.round)

    @property
    def stopped(self) -> bool:
        """Whether no lane can go on."""
        return all(self.lanes.stopped)

    @property
    def up_to_date(self) -> bool:
        """Whether the particles are drawn for the present view."""
        return self._view() == self._drawn

    def _view(self) -> tuple[object, ...]:
        s = self.settings
        return (self.round, self.shown, s.t, s.paths, s.arrows, s.mode)

    def draw(self, half: int | None = None) -> None:
        """Push the particles, or one ``half`` of them: every second one, from 0 or from 1.

        A lane whose particles are not all finite keeps its last ones. It does not stop for that: what it draws itself
        decides, so that its course does not depend on what is shown. That is where it stops a round later, as a rule.
        """
        if half is None or self._drawn[1:] != self._view()[1:]:
            x = self.lanes.push(self.shown)  # (lanes, n, 2)
        else:
            x = self.samples.clone()
            x[:, half::2] = self.lanes.push(self.shown, slice(half, None, 2))
        bad = [k for k in range(len(x)) if not x[k].isfinite().all()]
        self._lost = set(bad)
        if bad:
            kept = hasattr(self, "samples") and self.samples.shape == x.shape
            old = self.samples if kept else self.lanes.first[: x.shape[1]].expand_as(x)
            x = torch.stack([old[k] if k in bad else x[k] for k in range(len(x))])
        self.samples, self._drawn = x, self._view()
        self.picture.draw(self.lanes, x, self.settings)
        if not self._looked <= self.round < self._looked + LOOK_EVERY:
            self._look()

    def _look(self) -> None:
        """Whether what is on show has collapsed or is leaving the data, by particles that are always drawn."""
        self._looked = self.round
        region, n = measures.region(self.settings.target), load.LEAST
        self.looks = [banners.look(x[:n], self.lanes.first[:n], region, self.settings) for x in self.samples]
        if self.round > self._notice_until:
            self.notice = None

    def due(self, *, at_rest: bool) -> bool:
        """Whether the lanes are to be read now: ``at_rest`` whatever has not been read yet, else every few rounds."""
        return self.readings.due(at_rest=at_rest)

    def read(self, *, quiet: bool = True, at_rest: bool = False) -> None:
        """Read all lanes and add that to the curves; what is dear only when it is ``quiet``, and ``at_rest``."""
        self.readings.read(quiet=quiet, at_rest=at_rest)

    def climb(self, *, at_rest: bool) -> None:
        """Begin with what is measured beside the rounds, if it is due and anybody wants it."""
        for one in self._beside[self._kind]:
            one.look(self.lanes, at_rest=at_rest)  # type: ignore[arg-type]  # dials are of networks, and are made for them

    def forget(self) -> None:
        """Nobody looks any more."""
        for one in (one for several in self._beside.values() for one in several):
            one.forget()

    # What others want to know -----------------------------------------------------------------------------------------

    @property
    def round(self) -> int:
        """Rounds done by the lanes on show."""
        return max(self.lanes.rounds)

    @property
    def history(self) -> History:
        """The curves of the lanes on show."""
        return self.readings.history

    @property
    def ladders(self) -> Ladders | None:
        """The ladders of the lanes on show, if they are measured."""
        return next((one for one in self._beside[self._kind] if isinstance(one, Ladders)), None)

    @property
    def dials(self) -> Dials | None:
        """How far the methods have gone, where some race."""
        return next((one for one in self._beside[self._kind] if isinstance(one, Dials)), None)

    @property
    def pending(self) -> bool:
        """Whether something is being measured beside the rounds."""
        return any(one.pending for one in self._beside[self._kind])

    @property
    def runs(self) -> Sequence[Run]:
        """The run of every lane; none where the population dynamics are shown."""
        return self.lanes.runs if isinstance(self.lanes, NetworkLanes) else []

    @property
    def snapshot(self) -> Snapshot | None:
        """The first lane's last round."""
        return self.lanes.snapshots[0] if isinstance(self.lanes, NetworkLanes) else None

    def banner(self, lane: int) -> Banner | None:
        """The most important thing to say about a lane."""
        found = self.failure or self.lanes.stopped[lane] or self.notice
        if found is None and lane in self._lost:
            return banners.LOST
        return found or self.looks[lane] or self.lanes.warning(lane)
