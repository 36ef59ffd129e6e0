"""From lanes of particles to the stage's messages, and the measurements that go with them."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab import rewards
from orwlab.exact.grid import Grid
from orwlab.show.lab import exact, measures, readouts
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.exact import Exact, ExactLanes
from orwlab.show.lab.history import History
from orwlab.show.lab.lanes import LearnedLanes
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import scenes
from orwlab.targets import GaussianMixture

TRANSPORT_EVERY = 10  # rounds between measurements of W2^2
SECANT_EVERY = 100  # rounds between estimates of the secant bound
FIRST_SECANT = 20  # the round of the first one
ARROWS = 13  # a side
PATHS, PATH_TIMES = 24, 13
LABELS = 128  # cells an axis of the map of modes


class Picture:
    """What is on show of some lanes.

    Args:
        first: (n, 2) where the particles were at the beginning, in every lane.
        target: the data.
    """

    def __init__(self, first: Tensor, target: GaussianMixture) -> None:
        self.first, self.target = first, target
        self.labels = target.mode_of(first)
        self.size = scenes.HOME
        self._scene_of: tuple[float, int] | None = None
        self._scene = self._exact = ""
        self._exact_of: object = None
        # rounds of the last dear measurements
        self._last = {f"secant {k}": FIRST_SECANT - SECANT_EVERY for k in range(scenes.LANES)}

    def draw(self, lanes: LearnedLanes | ExactLanes, x: Tensor, settings: Settings) -> None:
        """Prepare what is drawn: particles at the flow time on show, and if wanted arrows and paths."""
        self.x = x if settings.t == 1 else lanes.at(x, settings.t)  # (lanes, n, 2)
        self.size = scenes.view_for(self.x.reshape(-1, 2), self.size)
        self.arrows = self.paths = None
        if settings.arrows:
            points = _lattice(self.size)  # (m, 2)
            fields = [lanes.velocity(k, settings.t, points) for k in range(len(x))]
            self.arrows = torch.stack([torch.cat([points, u], 1) for u in fields])  # (lanes, m, 4)
        if settings.paths:
            self.paths = lanes.paths(x[:, :PATHS], torch.linspace(0, 1, PATH_TIMES))  # (lanes, k, s, 2)

    def forget_scene(self) -> None:
        """The reward is another one."""
        self._scene_of = None

    # Measuring ------------------------------------------------------------------------------------------------------

    def measure(
        self, lanes: LearnedLanes | ExactLanes, x: Tensor, history: History, steepness: float | None, *, quiet: bool
    ) -> None:
        """Add the values of finished particles ``x`` (lanes, n, 2) to the curves.

        The dear ones are measured on subsets, every so many rounds and only when it is ``quiet``; in between they
        keep their last value.
        """
        count, round = len(x), max(lanes.rounds)
        self.mode_mass = torch.stack([self._masses(lanes, k, x[k]) for k in range(count)])
        values: dict[str, Sequence[float]] = {"diversity": [measures.diversity(points) for points in x]}
        if isinstance(lanes, ExactLanes):
            values["reward"] = [float(state.mean_reward) for state in lanes.states]
        else:
            reward = rewards.get(lanes.settings.reward)
            values["reward"] = [float(rewards.evaluate(reward, points).mean()) for points in x]
            penalty = [lanes.penalty(k) or 0.0 for k in range(count)]
            values["penalty"] = penalty
            values["bound"] = [_clipped(log_bound(p, steepness)) for p in penalty]
            values["secant"] = self._secants(lanes, history, round, quiet)
        if not history.rounds or (quiet and self._due("transport", TRANSPORT_EVERY, round)):
            values["w2"], values["coupled"] = zip(
                *(measures.transport(points, self.first[: len(points)]) for points in x)
            )
        else:
            values["w2"], values["coupled"] = history.last("w2"), history.last("coupled")
        history.add(round, values)

    def _due(self, what: str, every: int, round: int) -> bool:
        if round < self._last.get(what, 0) + every:
            return False
        self._last[what] = round
        return True

    def _secants(self, lanes: LearnedLanes, history: History, round: int, quiet: bool) -> Sequence[float]:
        """The last estimates; one lane's, whose turn it is, made anew: all at once would hold a frame up."""
        values = list(history.last("secant")) if history.rounds else [0.0] * len(lanes.runs)
        lane = next((k for k in range(len(values)) if quiet and self._due(f"secant {k}", SECANT_EVERY, round)), None)
        if lane is not None:
            found = measures.secant(lanes.runs[lane].policy, lanes.reference, lanes.x0[: measures.SECANT])
            values[lane] = found if math.isfinite(found) else 0.0
        return values

    def _masses(self, lanes: LearnedLanes | ExactLanes, lane: int, x: Tensor) -> Tensor:
        if isinstance(lanes, ExactLanes):
            return exact.mode_mass(lanes.states[lane], lanes.settings)
        labels, extent = _mode_map(self.target)
        cell = ((x + extent) * (LABELS / (2 * extent))).long().clamp(0, LABELS - 1)
        found = labels[cell[:, 0] * LABELS + cell[:, 1]]
        return torch.bincount(found, minlength=self.target.n_modes).double() / len(x)

    # Messages -------------------------------------------------------------------------------------------------------

    def messages(
        self,
        meta: dict[str, Any],
        lanes: LearnedLanes | ExactLanes,
        history: History,
        settings: Settings,
        limits: Sequence[Exact | None],
        steepness: float | None,
        banners: Sequence[Banner | None],
        speed: float | None,
        particles: int,
    ) -> dict[str, str]:
        """``{"scene", "exact", "frame"}``."""
        shown = self.x.shape[1]
        subset = min(measures.TRANSPORT, shown)
        meta["numbers"] = readouts.session_numbers(meta["round"], speed, shown, particles)
        meta["lanes"] = [
            {
                "alpha": alpha,
                "label": f"α = {alpha:g}",
                "round": lanes.rounds[k],
                "banner": banner.plain() if banner else None,
                "numbers": self._numbers(lanes, history, k, limits[k], subset, steepness),
            }
            for k, (alpha, banner) in enumerate(zip(settings.alphas, banners))
        ]
        learned = isinstance(lanes, LearnedLanes)
        known = any(limit is not None for limit in limits)
        return {
            "scene": self._scene_text(settings),
            "exact": self._exact_text(lanes, settings, limits),
            "frame": scenes.frame(
                meta,
                self.x,
                self.size,
                history.rounds,
                readouts.curves(history, limits, learned, subset),
                history.changes,
                arrows=self.arrows,
                paths=self.paths,
                mode_mass=self.mode_mass,
                mode_mass_exact=[None if limit is None else limit.mode_mass for limit in limits] if known else None,
            ),
        }

    def _numbers(
        self,
        lanes: LearnedLanes | ExactLanes,
        history: History,
        lane: int,
        limit: Exact | None,
        subset: int,
        steepness: float | None,
    ) -> list[Any]:
        if isinstance(lanes, ExactLanes):
            state = lanes.states[lane]
            return readouts.exact_numbers(history, lane, limit, subset, exact.ess(state), state.moved)
        bound = log_bound(lanes.penalty(lane) or 0.0, steepness)
        return readouts.learned_numbers(history, lane, limit, subset, lanes.effective(lane), bound)

    def _scene_text(self, settings: Settings) -> str:
        wanted = (self.size, self.x.shape[1])
        if self._scene_of != wanted:
            reward = rewards.get(settings.reward)
            self._scene = scenes.scene(self.target, reward, self.size, self.labels[: wanted[1]])
            self._scene_of = wanted
        return self._scene

    def _exact_text(self, lanes: LearnedLanes | ExactLanes, settings: Settings, limits: Sequence[Exact | None]) -> str:
        if isinstance(lanes, ExactLanes):
            wanted: object = lanes.densities
            if self._exact_of is not wanted:
                resolved = [not state.problems for state in lanes.states]
                self._exact = scenes.exact(lanes.densities, lanes.extent, resolved)
        else:
            known = [limit for limit in limits if limit is not None]
            if settings.mode == "learned" or not known:
                return ""
            wanted = limits
            if self._exact_of is not wanted:
                densities = [None if limit is None else limit.density for limit in limits]
                resolved = [bool(limit and limit.resolved) for limit in limits]
                self._exact = scenes.exact(densities, known[0].extent, resolved)
        self._exact_of = wanted
        return self._exact


def log_bound(penalty: float, steepness: float | None) -> float:
    """The logarithm of the paper's bound, ``2 L + log(penalty)``; -inf where it is 0 or not known yet."""
    return -math.inf if steepness is None or penalty <= 0 else 2 * steepness + math.log(penalty)


def _clipped(log: float) -> float:
    return math.exp(min(log, readouts.LARGEST))


@functools.lru_cache(maxsize=16)
def _mode_map(target: GaussianMixture) -> tuple[Tensor, float]:
    """The mode that claims each cell of a fine grid, (LABELS^2,), and half the side of that grid."""
    extent = 6.0
    return target.mode_of(Grid(2, LABELS, extent).flat), extent


@functools.lru_cache(maxsize=16)
def _lattice(size: float) -> Tensor:
    axis = torch.linspace(-0.92 * size, 0.92 * size, ARROWS)
    return torch.cartesian_prod(axis, axis)  # (ARROWS^2, 2)
