"""From lanes of particles and what was read off them to the stage's messages."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab.show.lab import digits, own, readouts
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.exact import Exact, ExactLanes, mean
from orwlab.show.lab.history import History
from orwlab.show.lab.lanes import NetworkLanes
from orwlab.show.lab.readings import Readings
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import scenes
from orwlab.show.stage.frames import Quantised
from orwlab.targets import GaussianMixture

ARROWS = 13  # a side
PATHS, PATH_TIMES = 24, 13
TRACE_TIMES = 25
FARTHER = 1.5  # times as far as those reach that come to rest, the picture goes at most for those that do not
FLOW, FLOWS, FLOW_TIMES = 400, 800, 9  # particles of a lane, of all lanes, at most


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

    def draw(self, lanes: NetworkLanes | ExactLanes, x: Tensor, settings: Settings) -> None:
        """Prepare what is drawn: particles at the flow time on show, and if wanted arrows and paths."""
        self._finished = x
        self.x = x if settings.t == 1 else lanes.at(x, settings.t)  # (lanes, n, 2)
        self.size = self._view(lanes)
        self.arrows = self.paths = None
        if settings.arrows:
            points = _lattice(self.size)  # (m, 2)
            fields = [lanes.velocity(k, settings.t, points) for k in range(len(x))]
            self.arrows = torch.stack([torch.cat([points, u], 1) for u in fields])  # (lanes, m, 4)
        if settings.paths:
            self.paths = lanes.paths(x[:, :PATHS], torch.linspace(0, 1, PATH_TIMES))  # (lanes, k, s, 2)

    def _view(self, lanes: NetworkLanes | ExactLanes) -> float:
        """Half the side of the square on show. Who has run far away does not make those tiny that come to rest."""
        size = scenes.view_for(self.x.reshape(-1, 2), self.size)
        rests = [k for k, there in enumerate(lanes.rests) if there]
        if not 0 < len(rests) < len(self.x):
            return size
        return min(size, FARTHER * scenes.view_for(self.x[rests].reshape(-1, 2), scenes.HOME))

    def trace(self, lanes: NetworkLanes | ExactLanes, particle: int, t: float) -> Tensor:
        """The way of one particle from its noise to where it is at flow time ``t``, (lanes, s, 2)."""
        times = torch.linspace(0, 1, TRACE_TIMES)
        ways = lanes.paths(self._finished[:, particle : particle + 1], times, particle)[:, 0]
        before = int((times < t - 1e-6).sum())
        return torch.cat([ways[:, : max(1, before)], self.x[:, particle : particle + 1]], 1)

    def flow(self, lanes: NetworkLanes) -> str:
        """Where the first particles are at some flow times, as ``scenes.flow`` has it; "" where that is not finite.

        The last time has them where the picture has them: by the lanes' own solver, and not by this one.
        """
        x = self._finished[:, : min(FLOW, FLOWS // len(self._finished))]
        ways = lanes.paths(x, torch.linspace(0, 1, FLOW_TIMES)).movedim(2, 1)  # (lanes, s, n, 2)
        ways[:, -1] = x
        return scenes.flow(ways, self.size) if ways.isfinite().all() else ""

    def forget_scene(self) -> None:
        """The reward, or the true one, is another one."""
        self._scene_of = None

    # Messages -------------------------------------------------------------------------------------------------------

    def messages(
        self,
        meta: dict[str, Any],
        lanes: NetworkLanes | ExactLanes,
        readings: Readings,
        settings: Settings,
        limits: Sequence[Exact | None],
        why: Sequence[Mapping[str, str]],
        steepness: float | None,
        banners: Sequence[Banner | None],
        speed: float | None,
        particles: int,
        arrays: Mapping[str, np.ndarray | Quantised] | None = None,
    ) -> dict[str, str]:
        """``{"scene", "exact", "frame"}``; ``why`` there is no limit to be seen, of every lane. ``arrays`` go along."""
        traced = meta["traced"]
        history, learned = readings.history, isinstance(lanes, NetworkLanes)
        meta["numbers"] = readouts.session_numbers(meta["round"], speed, self.x.shape[1], particles)
        measured, steered = settings.measured if learned else None, settings.steered
        truths = (
            [None if limit is None else mean(settings.truth, limit) for limit in limits] if settings.truth else None
        )
        meta["lanes"] = [
            {
                "alpha": alpha,
                "label": label,
                "round": lanes.rounds[k],
                "banner": banner.plain() if banner else None,
                "limit": dict(why[k]),
                "numbers": self._numbers(
                    history, k, limits[k], measured, steepness, truths, alpha if steered else None
                ),
            }
            for k, (alpha, label, banner) in enumerate(zip(lanes.alphas, lanes.labels, banners))
        ]
        known = any(limit is not None for limit in limits)
        return {
            "scene": self._scene_text(settings),
            "exact": self._exact_text(lanes, settings, limits),
            "frame": scenes.frame(
                meta,
                self.x,
                self.size,
                history.rounds,
                readouts.curves(history, limits, measured, steepness, truths, meta["steering"]),
                history.changes,
                arrows=self.arrows,
                paths=self.paths,
                **({} if traced is None else {"trace": self.trace(lanes, traced, settings.t)}),
                mode_mass=readings.mode_mass,
                mode_mass_exact=[None if limit is None else limit.mode_mass for limit in limits] if known else None,
                others=arrays,
            ),
        }

    @staticmethod
    def _numbers(
        history: History,
        lane: int,
        limit: Exact | None,
        measured: str | None,
        steepness: float | None,
        truths: Sequence[float | None] | None,
        steered: float | None,
    ) -> list[readouts.Number]:
        """The read-outs of a lane, with ``steered`` the alpha where one is steered."""
        if measured and "evaluations" in history:
            numbers = readouts.racing_numbers(history, lane, limit, measured)
        elif measured:
            numbers = readouts.learned_numbers(history, lane, limit, measured, steepness)
        else:
            numbers = readouts.exact_numbers(history, lane, limit)
        if truths is not None:
            numbers.insert(1, readouts.truth_number(history, lane, truths[lane], measured))
        if steered is not None:
            numbers.append(readouts.alpha_number(steered))
        return numbers

    def _scene_text(self, settings: Settings) -> str:
        wanted = (self.size, self.x.shape[1])
        if self._scene_of != wanted:
            truth = own.reward(settings.truth) if settings.truth else None
            labels = self.labels[: wanted[1]]
            self._scene = scenes.scene(
                self.target,
                own.reward(settings.reward),
                self.size,
                labels,
                truth=truth,
                pictures=digits.atlas() if settings.target == digits.PLANE else None,
            )
            self._scene_of = wanted
        return self._scene

    def _exact_text(self, lanes: NetworkLanes | ExactLanes, settings: Settings, limits: Sequence[Exact | None]) -> str:
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


@functools.lru_cache(maxsize=16)
def _lattice(size: float) -> Tensor:
    axis = torch.linspace(-0.92 * size, 0.92 * size, ARROWS)
    return torch.cartesian_prod(axis, axis)  # (ARROWS^2, 2)
