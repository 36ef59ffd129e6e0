"""The ladder of bounds on W2^2, measured beside a session's rounds by a thread of its own: see ``measure.ladder``.

Every so many rounds each lane's policy is copied, and the rungs between it and its reference are worked out while the
run goes on: a run is bitwise what it would be without.
"""

import copy
import functools
import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.frontiers import w2_distance_squared
from orwlab.exact.grid import Grid
from orwlab.measure import ladder
from orwlab.measure.ladder import Ladder
from orwlab.show.lab import exact, yardstick
from orwlab.show.lab.beside import Beside
from orwlab.show.lab.exact import ExactLanes
from orwlab.show.lab.lanes import NetworkLanes
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import Quantised
from orwlab.velocity import Velocity

PARTICLES = 256  # of the yardstick, the same ones every time
EVERY = 25  # rounds from one ladder to the next, if it is done by then
ALPHAS = (1.0, 3.0, 0.3, 10.0, 0.1, 30.0)  # of exact limits, in the order in which they are worked out
HISTORY = 64  # ladders whose values are kept; beyond, every second one is dropped
NAMES = ("empirical", "coupled", "secant", "flow_map", "one_sided", "minkowski", "time_varying", "global_lipschitz")

PENDING = "The bounds are being worked out."
ALIKE = "In round 0 the policy is the reference: every bound is 0."
FAILED = "The bounds could not be worked out."

# one for all sessions of a process, so that ladders hold up other ladders and never anybody's rounds
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ladder")
_log = logging.getLogger(__name__)


def measured(policy: Velocity, reference: Velocity) -> Ladder:
    """The ladder between two velocities, on the yardstick's noise; seconds. ``ValueError`` as ``ladder.bounds``."""
    return ladder.bounds(policy, reference, x0=yardstick.noise()[:PARTICLES], warn=False)


@dataclass(frozen=True)
class _Lane:
    """One lane as it is copied, or as it was measured."""

    alpha: float | None
    policy: Velocity
    found: Ladder | None = None
    said: str = PENDING
    """why there is none; "" where there is one"""
    state: PopulationDynamics | None = None
    """of an exact lane"""
    w2: float | None = None
    """its W2^2 to the reference, without samples; None of a network"""
    limit: float | None = None
    """W2^2 between the exact limit and the reference; None where there is no limit"""


@dataclass(frozen=True)
class _Look:
    """All lanes after one round."""

    round: int
    measured: str
    reference: Velocity
    lanes: tuple[_Lane, ...]
    settings: Settings

    def same_policies(self, other: "_Look | None") -> bool:
        return other is not None and (self.round, self.measured) == (other.round, other.measured)


class Ladders(Beside[_Look]):
    """What is known of the bounds of some lanes.

    Args:
        arrived: called, from the other thread, when more is known.
    """

    def __init__(self, arrived: Callable[[], None]) -> None:
        super().__init__(arrived, _thread)
        self._asked: tuple[object, ...] = ()  # what the newest wish was for
        self._look: _Look | None = None  # the newest that something is known of
        self._history: list[tuple[int, list[dict[str, float]]]] = []  # round, of every lane the logarithms
        self._gap = 1  # rounds between two that are kept, at least
        self._none = ALIKE  # what is said while nothing is known
        self._made: tuple[_Look, dict[str, Any], dict[str, np.ndarray | Quantised]] | None = None

    def look(self, lanes: NetworkLanes | ExactLanes, *, at_rest: bool) -> None:
        """After a round: begin with it if it is one to be measured, ``at_rest`` whichever it is."""
        settings, round = lanes.settings, max(lanes.rounds)
        asked = (round, settings.measured, exact.limit_key(settings))
        if round == 0 or asked == self._asked or not (at_rest or (round % EVERY == 0 and not self._working)):
            return
        self._asked = asked
        try:
            wanted = _Look(round, settings.measured, *_copied(lanes), settings)
        except Exception:  # never breaks a round
            _log.exception("nothing to measure")
            self._none = FAILED
            return
        self._want(wanted)

    def _failed(self, look: _Look) -> None:
        self._show(replace(look, lanes=tuple(replace(lane, said=FAILED) for lane in look.lanes)))

    def _measure(self, look: _Look) -> None:
        """Measure lane after lane, and show each at once; a newer wish, or nobody there, ends it."""
        known = self._look
        if known is not None and look.same_policies(known):  # only what the limit depends on has moved
            look = replace(look, lanes=tuple(_again(lane, old) for lane, old in zip(look.lanes, known.lanes)))
        resting = exact.resting(look.settings)  # an alpha that is steered has no limit
        for k, lane in enumerate(look.lanes):
            if lane.said == PENDING:
                try:
                    lane = replace(lane, found=measured(lane.policy, look.reference), said="")
                except ValueError as error:
                    lane = replace(lane, said=f"There are no bounds: {error}.")
            lane = replace(lane, w2=_w2_now(look.settings, lane.state), limit=w2_of_limit(look.settings, resting[k]))
            look = replace(look, lanes=(*look.lanes[:k], lane, *look.lanes[k + 1 :]))
            if k + 1 == len(look.lanes):
                self._remember(look)  # before it is shown: what a frame says of a look is made once
            self._show(look)
            if self.overtaken:
                return

    def _show(self, look: _Look) -> None:
        self._look = look
        self._arrived()

    def _remember(self, look: _Look) -> None:
        logs = [{} if lane.found is None else _logs(lane.found) for lane in look.lanes]
        rows = [row for row in self._history if row[0] < look.round]
        if len(rows) > 1 and rows[-1][0] - rows[-2][0] < self._gap:  # the newest is always kept
            rows.pop()
        rows.append((look.round, logs))
        if len(rows) > HISTORY:
            self._gap = max(1, 2 * (rows[-1][0] - rows[0][0]) // HISTORY)
            rows = rows[::2]
        self._history = rows  # replaced: others read it

    # For a frame ----------------------------------------------------------------------------------------------------

    def plain(self) -> tuple[dict[str, Any], dict[str, np.ndarray | Quantised]]:
        """What is known as JSON can hold it, and the arrays that belong to it, lanes first.

        ``{"n", "said", "rungs": [{"name", "assumes"}], "history", "lanes"}``; of every lane ``{"said"}``, why there are
        no bounds, or ``{"round", "alpha", "log", "certified", "times", "penalty", "lipschitz", "log_norm",
        "steepest": [t, x, y], "problem", "w2": {"now", "limit"}}``. Logarithms are natural, None for that of 0; so is a
        W2^2 that is not known. "lipschitz" and "log_norm" are L(t) and mu(t) at equally spaced times; "steepest" is
        where the largest mu(t) was found. The arrays are ``ladder x`` (lanes, n, 2), where the policy takes the
        particles, and ``ladder shares`` (lanes, rungs, n).
        """
        look = self._look
        if look is None:
            return {"said": PENDING if self._working else self._none, "lanes": []}, {}
        if self._made is None or self._made[0] is not look:
            self._made = (look, *self._plain(look))
        return self._made[1], self._made[2]

    def _plain(self, look: _Look) -> tuple[dict[str, Any], dict[str, np.ndarray | Quantised]]:
        found = [lane.found for lane in look.lanes]
        known = next((one for one in found if one is not None), None)
        meta: dict[str, Any] = {
            "n": PARTICLES,
            "said": "",
            "rungs": [{"name": rung.name, "assumes": rung.assumes} for rung in known.rungs.values()] if known else [],
            "history": self._curves(),
            "lanes": [_lane(look, lane) for lane in look.lanes],
        }
        if known is None:
            return meta, {}
        none = np.zeros((PARTICLES, 2)), np.zeros((len(NAMES), PARTICLES))
        parts = [none if one is None else _in_space(one) for one in found]
        x, shares = (np.stack(part) for part in zip(*parts))
        reach = float(np.abs(x).max()) + 1e-6
        arrays: dict[str, np.ndarray | Quantised] = {
            "ladder x": Quantised(x, -reach, reach),
            "ladder shares": Quantised(shares, 0.0, float(shares.max()) or 1.0),
        }
        return meta, arrays

    def _curves(self) -> dict[str, Any]:
        """``{"rounds", "log": name -> lane -> value or None}`` of the ladders so far, "penalty" among the names."""
        rows, names = self._history, (*NAMES, "penalty")
        by_lane = list(zip(*(logs for _, logs in rows)))  # always the same number of lanes
        return {
            "rounds": [round for round, _ in rows],
            "log": {name: [[_number(log.get(name, -math.inf)) for log in logs] for logs in by_lane] for name in names},
        }


def _copied(lanes: NetworkLanes | ExactLanes) -> tuple[Velocity, tuple[_Lane, ...]]:
    """The reference, and the policies as they are now: what changes from round to round is copied."""
    if isinstance(lanes, ExactLanes):
        states = [copy.copy(state) for state in lanes.states]  # a step replaces what it changes
        exactly = tuple(_Lane(state.alpha, state.policy, state=state) for state in states)
        return exact.dynamics(lanes.settings, 1.0).velocity, exactly
    return lanes.reference, tuple(_Lane(alpha, v) for alpha, v in zip(lanes.alphas, lanes.copied()))


def _again(lane: _Lane, old: _Lane) -> _Lane:
    """What is known of the same policy."""
    return replace(lane, found=old.found, said=old.said)


def _logs(found: Ladder) -> dict[str, float]:
    return found.log | {"penalty": math.log(found.penalty) if found.penalty > 0 else -math.inf}


def _finite(value: float | None) -> float | None:
    """As JSON can hold it, with all its digits."""
    return value if value is not None and math.isfinite(value) else None


def _number(value: float) -> float | None:
    """The same with a few."""
    found = _finite(value)
    return None if found is None else round(found, 4)


def _lane(look: _Look, lane: _Lane) -> dict[str, Any]:
    if lane.found is None:
        return {"said": lane.said, "round": look.round, "alpha": lane.alpha}
    found, pair = lane.found, lane.found.pair
    worst = int(pair.log_norm.argmax())
    return {
        "said": "",
        "round": look.round,
        "alpha": lane.alpha,
        "log": {name: _number(value) for name, value in found.log.items()},
        "certified": {name: rung.certified for name, rung in found.rungs.items()},
        "times": {name: [round(float(share), 4) for share in rung.times] for name, rung in found.rungs.items()},
        "penalty": _finite(found.penalty),
        "lipschitz": [round(float(rate), 3) for rate in pair.lipschitz],
        "log_norm": [round(float(rate), 3) for rate in pair.log_norm],
        "steepest": [float(pair.times[worst]), *[float(c) for c in pair.steepest[worst]]],
        "problem": found.problem,
        "w2": {"now": _finite(lane.w2), "limit": _finite(lane.limit)},
    }


def _in_space(found: Ladder) -> tuple[np.ndarray, np.ndarray]:
    """Where the policy takes the particles, (n, 2), and their shares of each rung, (rungs, n)."""
    shares = np.stack([rung.particles.double().numpy() for rung in found.rungs.values()])
    return found.pair.x[-1].double().numpy(), shares


# Of exact limits ------------------------------------------------------------------------------------------------------


def w2_of_limit(settings: Settings, alpha: float | None) -> float | None:
    """``W2^2`` between the exact limit at ``alpha`` and the reference, by optimal transport between cells of the grid,
    within 4 %: see ``frontiers.w2_distance_squared``. None where there is no limit. Remembered; seconds at worst.
    """
    if alpha is None or exact.why_never(settings, alpha):
        return None
    mode = "exact" if settings.exact else "both"
    return _w2_of_limit(settings.target, settings.reward, settings.weighting, settings.tau, alpha, mode)


@functools.lru_cache(maxsize=128)
def _w2_of_limit(target: str, reward: str, weighting: str, tau: float, alpha: float, mode: str) -> float | None:
    settings = Settings().taken(target=target, reward=reward, weighting=weighting, tau=tau, mode=mode)
    limit = exact.limit(settings, alpha)
    return None if limit is None else _w2(settings, limit.density, limit.extent)


def _w2_now(settings: Settings, state: PopulationDynamics | None) -> float | None:
    return None if state is None else _w2(settings, exact.density(state), state.cells.extent)


def _w2(settings: Settings, density: Tensor, extent: float) -> float:
    reference = exact.density(exact.dynamics(settings, 1.0))  # at round 0
    return w2_distance_squared(Grid(2, exact.FINE, extent), density, reference)


def over_alpha(target: str, reward: str, weighting: str, tau: float) -> Iterator[dict[str, Any]]:
    """The ladders of the exact limits at ``ALPHAS``, one after the other: see ``at_limit``."""
    settings = Settings(target=target, reward=reward, weighting=weighting, tau=tau)
    for alpha in ALPHAS:
        yield at_limit(settings, alpha)


def at_limit(settings: Settings, alpha: float) -> dict[str, Any]:
    """The ladder of the exact limit at ``alpha``, whose policy is a field on the grid: no network anywhere.

    ``{"alpha", "said"}``, why there is none, or ``{"alpha", "said": "", "log", "certified", "penalty", "w2"}``, with
    natural logarithms and the limit's ``W2^2``. Ten seconds.
    """
    settings = settings.taken(mode="exact")
    why = exact.why_none(settings, alpha)
    if why:
        return {"alpha": alpha, "said": why}
    state = exact.dynamics(settings, alpha)
    reference = state.velocity
    state.fixed_point(exact.SETTLED, max_rounds=exact.MAX_ROUNDS)
    try:
        found = measured(state.policy, reference)
    except ValueError as error:
        return {"alpha": alpha, "said": str(error)}
    return {
        "alpha": alpha,
        "said": "",
        "log": {name: _number(value) for name, value in found.log.items()},
        "certified": {name: rung.certified for name, rung in found.rungs.items()},
        "penalty": _finite(found.penalty),
        "w2": _finite(w2_of_limit(settings, alpha)),
    }
