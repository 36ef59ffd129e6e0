"""What a session works on: its lanes, learned or exact, with their curves and pictures. For one thread at a time."""

import torch
from torch import Tensor

from orwlab import rewards
from orwlab.methods.orw import Diverged, FineTuning, Snapshot
from orwlab.show.lab import banners, exact, lanes, measures
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.exact import ExactLanes
from orwlab.show.lab.history import History
from orwlab.show.lab.lanes import LearnedLanes
from orwlab.show.lab.limits import Limits
from orwlab.show.lab.picture import Picture
from orwlab.show.lab.settings import Settings

LOOK_EVERY = 5  # rounds between checks for collapse and leaving the data


class Experiment:
    """Lanes from the pretrained reference on. Learned and exact ones are kept apart; each kind is made when wanted.

    Args:
        settings: what to start with.
        particles: of every lane.
        limits: where exact limits are known from.
        notice: a banner to begin with.
    """

    lanes: LearnedLanes | ExactLanes
    history: History
    picture: Picture
    samples: Tensor  # (lanes, n, 2) finished particles

    def __init__(self, settings: Settings, particles: int, limits: Limits, notice: Banner | None = None) -> None:
        self.settings, self.limits = settings, limits
        self.watch = lanes.noise(settings.seed, particles)
        self.shown = particles  # that are drawn
        self.failure: Banner | None = None
        self.notice = notice
        self._kinds: dict[str, tuple[LearnedLanes | ExactLanes, History, Picture]] = {}
        self._drawn: tuple[object, ...] = ()  # what the picture was drawn for
        self.obey(settings)

    def obey(self, settings: Settings) -> bool:
        """Let the lanes of the wanted kind, new ones if need be, know the settings.

        Returns whether they go another way now; a mark is left on the curves then.
        """
        self.settings = settings
        kind = "exact" if settings.mode == "exact" else "learned"
        fresh = kind not in self._kinds
        if fresh:
            made = ExactLanes(settings, self.watch) if kind == "exact" else LearnedLanes(settings, self.watch)
            self._kinds[kind] = (made, History(), Picture(made.first, exact.target(settings.target)))
        if not hasattr(self, "lanes") or self.lanes is not self._kinds[kind][0]:
            self.lanes, self.history, self.picture = self._kinds[kind]
            self.looks: list[Banner | None] = [None] * len(settings.alphas)
            self._drawn = ()
        if fresh:
            self.draw()
            self.measure(quiet=True)
        another_reward = self.lanes.settings.reward != settings.reward
        changed = self.lanes.obey(settings)
        if changed:
            self.history.mark(self.round)
        if another_reward:
            self.picture.forget_scene()
            value = float(rewards.evaluate(rewards.get(settings.reward), self.lanes.first).mean())
            self.history.first = {**self.history.first, "reward": value}
        return changed

    def resume(self) -> None:
        """Let lanes that stopped go on from their last good state."""
        self.failure = None
        self.lanes.resume()

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

        A lane whose particles are not finite stops and keeps its last ones.
        """
        if half is None or self._drawn[1:] != self._view()[1:]:
            x = self.lanes.push(self.shown)  # (lanes, n, 2)
        else:
            x = self.samples.clone()
            x[:, half::2] = self.lanes.push(self.shown, slice(half, None, 2))
        bad = [k for k in range(len(x)) if not x[k].isfinite().all()]
        for k in bad:
            self.lanes.stopped[k] = banners.diverged(Diverged("policy's samples", self.round, "on show"), self.settings)
        if bad:
            kept = hasattr(self, "samples") and self.samples.shape == x.shape
            old = self.samples if kept else self.lanes.first[: x.shape[1]].expand_as(x)
            x = torch.stack([old[k] if k in bad else x[k] for k in range(len(x))])
        self.samples, self._drawn = x, self._view()
        self.picture.draw(self.lanes, x, self.settings)

    def measure(self, *, quiet: bool) -> None:
        """Add this round's values to the curves; the dear ones only now and then, and only when it is ``quiet``."""
        steepness = self.limits.steepness(self.settings)
        self.picture.measure(self.lanes, self.samples, self.history, steepness, quiet=quiet)
        if self.round % LOOK_EVERY == 0:
            region, n = measures.region(self.settings.target), measures.DIVERSITY
            first = self.lanes.first[:n]
            self.looks = [banners.look(x[:n], first, region, self.settings) for x in self.samples]
            if self.round:
                self.notice = None

    # What others want to know -----------------------------------------------------------------------------------------

    @property
    def round(self) -> int:
        """Rounds done by the lanes on show."""
        return max(self.lanes.rounds)

    @property
    def runs(self) -> list[FineTuning]:
        """The run of every lane; none where the population dynamics are shown."""
        return self.lanes.runs if isinstance(self.lanes, LearnedLanes) else []

    @property
    def snapshot(self) -> Snapshot | None:
        """The first lane's last round."""
        return self.lanes.snapshots[0] if isinstance(self.lanes, LearnedLanes) else None

    def banner(self, lane: int) -> Banner | None:
        """The most important thing to say about a lane."""
        found = self.failure or self.lanes.stopped[lane] or self.notice
        return found or self.looks[lane] or self.lanes.warning(lane)
