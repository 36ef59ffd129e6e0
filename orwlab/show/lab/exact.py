"""What an infinitely good network would do: the population dynamics round by round, and where they end."""

import copy
import functools
import math
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks, flow, losses, paths, weights
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.grid import Grid, evaluate, reward_values
from orwlab.show.lab import measures, own, yardstick
from orwlab.show.lab.banners import FINER_YET, Banner, beyond_the_grid, unbounded
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.steered import Steered, labelled
from orwlab.show.lab.yardstick import Reading

AXIS = 64  # cells an axis of what is stepped while one watches: 13 ms a round
LIMIT_AXIS = 96  # of the limits beside networks: their mean reward is right to 0.002
FINE = 96  # cells an axis of what is drawn
SMALLEST_ALPHA = 0.05  # below, the limit is a spike that no grid of this size holds
LEAST_SQUARE = 1e-12  # of distances: less is rounding
MAX_ROUNDS = 100
SETTLED = 1e-5  # total variation a refresh: no digit changes any more
ENDS = 4  # limits from which others are looked for
KEPT = 32  # targets, what is derived from which is remembered
NEAR = 1e-3  # the same, of a search that may end before it has settled

NEVER_FINE = "no limit to show: it is finer than the grid"
NEVER_INSIDE = "no limit to show: it leaves the grid"
NO_CEILING = "no limit: the reward has no ceiling"
STILL_MOVING = f"no limit found: still moving after {MAX_ROUNDS} rounds"
SPIKE = Banner(
    "stopped",
    "The exact density has collapsed to less than a cell.",
    "There is nothing finer to show. Try a larger α, or press Reset.",
)


class _Quiet(PopulationDynamics):
    """``problems`` are read and shown as banners; warnings' filters, on the other hand, are not safe in threads."""

    def _warn_of_new(self, known: dict[str, str]) -> None:
        pass


@functools.lru_cache(maxsize=20)  # of up to 11 MB each
def _at_rest(name: str, axis: int) -> PopulationDynamics:
    return _Quiet(own.target(name), own.reward("right"), axis=axis)


@functools.lru_cache(maxsize=KEPT)
def _too_fine(name: str, axis: int) -> float:
    """The share of the data's mass that the grid is too coarse for; 0 where it holds them."""
    state = _at_rest(name, axis)
    return state.cells.alternating(state.density) if "coarse" in state.problems else 0.0


@functools.lru_cache(maxsize=KEPT)
def _fine(name: str, extent: float) -> tuple[Grid, Tensor]:
    grid = Grid(2, FINE, extent)
    return grid, evaluate(own.target(name).log_prob, grid).reshape(grid.shape)  # (FINE, FINE)


@functools.lru_cache(maxsize=KEPT)
def _modes(name: str, axis: int, extent: float) -> Tensor:
    return own.target(name).mode_of(Grid(2, axis, extent).flat)  # (axis^2,)


def dynamics(settings: Settings, alpha: float, axis: int = AXIS) -> PopulationDynamics:
    """The population dynamics at round 0 for these settings."""
    fresh = copy.copy(_at_rest(settings.target, axis))  # a step replaces what it changes: a shallow copy is enough
    fresh.weighting, fresh.tau, fresh.alpha = settings.weighting, settings.tau, alpha
    fresh.reward = own.reward(settings.reward)
    return fresh


def density(state: PopulationDynamics) -> Tensor:
    """The state's density on the finer cells, (FINE, FINE) indexed [x, y], summing to 1.

    What the state adds to the reference, ``log(q / p_ref)``, is smooth and is interpolated; the reference is exact.
    """
    grid, log_p = _fine(state.target.name, state.cells.extent)
    ratio = (state.density / state.reference_density).clamp_min(1e-300).log()
    log_q = state.cells.interpolate(ratio[None], grid.components)[0] + log_p
    q = (log_q - log_q.max()).exp()
    return q / q.sum()


def place(q: Tensor, extent: float, u: Tensor) -> Tensor:
    """Points of density ``q`` (A, A) on ``[-extent, extent]^2`` from uniform numbers ``u`` (n, 2): (n, 2), float32.

    Rosenblatt's map: the first coordinate inverts the marginal's distribution function, the second that of the
    conditional density. Between cell centres the density is taken to be linear. Points move continuously with q.
    """
    A = len(q)
    q = q.double()
    x = _invert(q.sum(1).expand(1, A), u[:, 0].double())  # in cells
    left = x.floor().long().clamp(0, A - 2)
    share = (x - left)[:, None]
    y = _invert((1 - share) * q[left] + share * q[left + 1], u[:, 1].double())
    return ((torch.stack([x, y], -1) + 0.5) * (2 * extent / A) - extent).float()


def _invert(f: Tensor, u: Tensor) -> Tensor:
    """Where the integral of ``f`` (n or 1, A), linear between whole numbers, reaches the share ``u`` (n,): (n,)."""
    areas = (f[:, :-1] + f[:, 1:]) / 2
    below = areas.cumsum(1)  # (n or 1, A - 1)
    wanted = u[:, None] * below[:, -1:]  # (n, 1)
    k = torch.searchsorted(below.expand(len(u), -1).contiguous(), wanted).clamp_max(f.shape[1] - 2)  # (n, 1)
    f = f.expand(len(u), -1)
    a, b = f.gather(1, k), f.gather(1, k + 1)
    rest = wanted - below.expand(len(u), -1).gather(1, k) + areas.expand(len(u), -1).gather(1, k)
    rest = torch.minimum(rest.clamp_min(0), (a + b) / 2)
    # a s + (b - a) s^2 / 2 = rest, in the form that does not cancel
    s = 2 * rest / (a + (a.square() + 2 * (b - a) * rest).clamp_min(0).sqrt()).clamp_min(1e-300)
    return (k + s.clamp(0, 1))[:, 0]


def uniform(z: Tensor) -> Tensor:
    """Standard normal numbers (n, 2) as uniform ones, kept off 0 and 1."""
    return torch.special.ndtr(z.double()).clamp(1e-9, 1 - 1e-9)


@dataclass(frozen=True)
class Exact:
    """A density of the population dynamics and its numbers."""

    reward: float
    resolved: bool
    """whether the grid was fine enough to call it exact to two decimals"""
    density: Tensor
    """(FINE, FINE) indexed [x, y], summing to 1"""
    extent: float
    mode_mass: Tensor
    """(modes,)"""
    ess: float
    """(E w)^2 / E w^2, the share of a draw that counts"""
    diversity: float
    w2: float
    """W2^2 to the reference"""


def numbers(state: PopulationDynamics, settings: Settings) -> Exact:
    """All numbers of a state, integrated over its cells but for W2^2; takes about 10 ms because of the distances."""
    q, extent = density(state), state.cells.extent
    return Exact(
        float(state.mean_reward),
        not state.problems,
        q,
        extent,
        mass_at_modes(settings.target, state.cells, state.density),
        ess(state),
        diversity(state),
        w2(settings.target, q, extent),
    )


def diversity(state: PopulationDynamics) -> float:
    """``E|x - x'|`` for two independent draws of the state's density."""
    from orwlab.exact import sweep  # imported here because scipy takes most of a second

    return sweep.mean_distance(state.cells, state.density)


def w2(name: str, q: Tensor, extent: float) -> float:
    """``W2^2`` between a density ``q`` (FINE, FINE) and the reference, from the points where the yardstick meets them.

    The same number of points as of a network's samples, so that what they miss they miss in both.
    """
    return _beyond_rounding(measures.w2(place(q, extent, _corners()), _reference_points(name, extent)))


def mass_at_modes(target: str, cells: Grid, q: Tensor) -> Tensor:
    """The mass that a density has at each of the target's modes, (modes,)."""
    labels = _modes(target, cells.n, cells.extent)
    mass = (q * cells.dx**2).flatten()
    return torch.zeros(own.target(target).n_modes, dtype=torch.float64).index_add(0, labels, mass)


def middle_of_mode(target: str, cells: Grid, mode: int) -> list[float]:
    """Where one of the target's modes is, [x, y]: the mean of what the data have there."""
    here = _modes(target, cells.n, cells.extent) == mode
    p = evaluate(own.target(target).log_prob, cells)[here].exp()
    return [round(float(c), 3) for c in (p @ cells.flat[here].to(p.dtype)) / p.sum()]


def ess(state: PopulationDynamics) -> float:
    """``(E w)^2 / E w^2`` under the state's density: the share of a large draw that counts."""
    kind = "clipped" if state.weighting == "clipped" else "exp"  # a common factor cancels
    log_w = weights.log_weights(state.reward_values.flatten(), state.tau, kind)
    log_q = state.density.clamp_min(1e-300).log().flatten()
    log_q = log_q - log_q.logsumexp(0)
    return float((2 * (log_w + log_q).logsumexp(0) - (2 * log_w + log_q).logsumexp(0)).exp())


def _corners() -> Tensor:
    return yardstick.uniform()[: measures.TRANSPORT]


@functools.lru_cache(maxsize=KEPT)
def _reference_points(name: str, extent: float) -> Tensor:
    return place(_fine(name, extent)[1].exp(), extent, _corners())


def penalty(state: PopulationDynamics) -> float:
    """``E|v* - v_ref|^2`` where the state's own samples come by, on the yardstick: what the last round has spent of the
    W2 term, with the field v* that it fitted; takes some 5 ms.
    """
    x0, t = yardstick.crossings()
    x1 = place(density(state), state.cells.extent, yardstick.uniform())
    x_t, _ = paths.get("linear").interpolate(t, x0, x1)
    with torch.no_grad():
        reference = _at_rest(state.target.name, state.cells.n)
        return _beyond_rounding(float(losses.penalty(state.policy(t, x_t), reference.velocity(t, x_t))))


def _beyond_rounding(square: float) -> float:
    """A mean square; 0 where what differs may differ by rounding alone."""
    return square if square > LEAST_SQUARE else 0.0


def kl(state: PopulationDynamics) -> float:
    """``KL(q | p_ref)`` in nats, >= 0: that of the reference itself rounds to a hair less."""
    return max(0.0, state.kl)


def mean(reward: str, found: Exact) -> float:
    """The mean of a reward over a density."""
    cells = Grid(2, len(found.density), found.extent)
    return _mean(reward, cells, found.density / cells.dx**2)


def _mean(reward: str, cells: Grid, q: Tensor) -> float:
    return float((_values(reward, cells.n, cells.extent) * q).sum() * cells.dx**2)


@functools.lru_cache(maxsize=KEPT)
def _values(reward: str, axis: int, extent: float) -> Tensor:
    return reward_values(own.reward(reward), Grid(2, axis, extent))  # (axis, axis)


def limit(settings: Settings, alpha: float | None) -> Exact | None:
    """Where the dynamics settle at these settings with this alpha; None where no grid can hold it, or for pairs by
    optimal transport, whose limit is another. Remembered; seconds at worst.

    Where the dynamics themselves are on show, it is the limit of their own grid: they come to rest in it to the last
    digit. Beside networks, which know no grid, it is that of a finer one.
    """
    if alpha is None or why_never(settings, alpha):
        return None
    return _found(settings, alpha)[0]


def why_none(settings: Settings, alpha: float | None) -> str:
    """In a few words, why ``limit`` has none to show; "" if it has. As slow as ``limit``."""
    why = why_never(settings, alpha)
    return why if why or alpha is None else _found(settings, alpha)[1]


def why_never(settings: Settings, alpha: float | None) -> str:
    """The reasons that one knows without looking for a limit; "" if there is none of them."""
    if alpha is None:
        return "no limit: α is steered, and moves"
    if settings.coupling != "independent":
        return "no exact limit for pairs by optimal transport"
    if alpha == 0:
        return "no limit at α = 0: nothing holds it back"
    if alpha < SMALLEST_ALPHA:
        return f"no limit below α = {SMALLEST_ALPHA:g}: finer than the grid"
    return ""


def _found(settings: Settings, alpha: float) -> tuple[Exact | None, str]:
    return _limit(settings.target, settings.reward, settings.weighting, settings.tau, alpha, _axis(settings))


def limit_key(settings: Settings) -> tuple[object, ...]:
    """What the limits of all lanes depend on."""
    return (*_recursion(settings), _axis(settings))


def resting(settings: Settings) -> tuple[float | None, ...]:
    """The alpha of every lane that has a limit to be looked for; None where it is steered, and moves, or where methods
    race: see ``rivals``.
    """
    if settings.methods:
        return (None,) * settings.lanes
    return (None if settings.steered else settings.alpha, *settings.others)


def _recursion(settings: Settings) -> tuple[object, ...]:
    return (
        settings.target, settings.reward, settings.weighting, settings.coupling, settings.tau, resting(settings),
    )  # fmt: skip


def _course(settings: Settings) -> tuple[object, ...]:
    return (*_recursion(settings), settings.steer, settings.budget)


def _axis(settings: Settings) -> int:
    return AXIS if settings.exact else LIMIT_AXIS


@functools.lru_cache(maxsize=256)
def _limit(
    target_name: str, reward: str, weighting: str, tau: float, alpha: float, axis: int
) -> tuple[Exact | None, str]:
    """The limit, or None and why."""
    settings = Settings(target=target_name, reward=reward, weighting=weighting, tau=tau)
    state = dynamics(settings, alpha, axis)
    near = (target_name, weighting, tau, alpha, axis)
    if own.is_own(reward) and (other := _from(_ends.get(near), state)) is not None:
        return numbers(other, settings), ""
    if why := settle(state, reward):
        return None, why
    _remember(near, state)
    return numbers(state, settings), ""


def settle(state: PopulationDynamics, reward: str) -> str:
    """Let ``state`` go on to its limit; in a few words why there is none to show, "" if it is there."""
    try:
        found = state.fixed_point(SETTLED, max_rounds=MAX_ROUNDS)
    except FloatingPointError:
        return NEVER_FINE
    if {"domain", "tail"} & state.problems.keys():
        return NO_CEILING if unbounded(reward) else NEVER_INSIDE
    if "mass" in state.problems:
        return NEVER_FINE
    return STILL_MOVING if found.moved > NEAR else ""


def _from(end: PopulationDynamics | None, fresh: PopulationDynamics) -> PopulationDynamics | None:
    """The limit of ``fresh`` from the limit ``end`` of another reward: while somebody paints, the two are close. None
    if it is not found so.
    """
    if end is None:
        return None
    state = copy.copy(end)
    state.reward = fresh.reward
    try:
        found = state.fixed_point(SETTLED, max_rounds=MAX_ROUNDS)
    except FloatingPointError:
        return None
    if not found.converged or {"domain", "tail", "mass"} & state.problems.keys():
        return None
    _remember((state.target.name, state.weighting, state.tau, state.alpha, state.cells.n), state)
    return state


_ends: OrderedDict[tuple[object, ...], PopulationDynamics] = OrderedDict()
"""the newest limits, by all they depend on but the reward"""


def _remember(near: tuple[object, ...], state: PopulationDynamics) -> None:
    _ends.pop(near, None)
    _ends[near] = state
    while len(_ends) > ENDS:
        _ends.popitem(last=False)


class ExactLanes:
    """The population dynamics of every lane, stepped round by round; no network anywhere.

    Args:
        settings: with the alphas.
        noise: (n, 2) standard normal, from which the particles are placed.
    """

    mode = "exact"
    pauses = False  # whether a round may pause between two lanes
    midway = False  # whether some lanes have done a round that others have not
    series = ("reward", "diversity", "effective", "moved", "w2", "alpha", "spent", "truth")

    def __init__(self, settings: Settings, noise: Tensor) -> None:
        self.settings = settings
        self.steered = Steered(self.mode)
        self.states = [dynamics(settings, alpha) for alpha in (self.steered.obey(settings, 0), *settings.others)]
        self.stopped: list[Banner | None] = [None] * len(self.states)
        self.extent = self.states[0].cells.extent
        self._u = uniform(noise)
        self.first = place(density(_at_rest(settings.target, AXIS)), self.extent, self._u)  # (n, 2)

    @property
    def rounds(self) -> list[int]:
        """Rounds done, one a lane."""
        return [state.round for state in self.states]

    @property
    def alphas(self) -> list[float]:
        """Of the next round, one a lane: the first may be steered."""
        return [state.alpha for state in self.states]

    @property
    def labels(self) -> list[str]:
        """What the lanes are called."""
        return labelled(self.alphas, self.settings)

    @property
    def rests(self) -> list[bool]:
        """See ``NetworkLanes``."""
        return [False] * len(self.states)

    @property
    def settled(self) -> bool:
        """Whether another round would move nothing that one could see."""
        return all(stop or (s.round > 0 and s.moved < SETTLED) for s, stop in zip(self.states, self.stopped))

    def obey(self, settings: Settings) -> bool:
        """Take over what may change under way. Returns whether the recursion is another one now."""
        before, self.settings = self.settings, settings
        changed = _course(before) != _course(settings)
        if changed:
            self.resume()
        alphas = (self.steered.obey(settings, self.states[0].round), *settings.others)
        for state, alpha in zip(self.states, alphas):
            state.alpha, state.tau = alpha, settings.tau
            if before.reward != settings.reward:
                state.reward = own.reward(settings.reward)
        return changed

    def resume(self) -> None:
        """Let lanes that stopped go on from their last good state."""
        self.stopped = [None] * len(self.states)

    def advance(self, until: float = math.inf) -> bool:
        """One refresh of every lane that has not stopped; all of it, whatever the clock says."""
        for k, state in enumerate(self.states):
            if self.stopped[k]:
                continue
            try:
                state.advance()
                if k == 0 and self.steered.kind:
                    spent = kl(state) if self.steered.kind == "kl" else penalty(state)
                    state.alpha = self.steered.after(state.round, spent)
            except FloatingPointError:
                self.stopped[k] = SPIKE
        return True

    def push(self, n: int, every: slice = slice(None)) -> Tensor:
        """Of the first ``n`` particles, those in ``every``, in all lanes, (lanes, <= n, 2)."""
        self.densities = [density(state) for state in self.states]
        return torch.stack([place(q, self.extent, self._u[:n][every]) for q in self.densities])

    def at(self, x: Tensor, t: float) -> Tensor:
        """Where finished particles ``x`` (lanes, n, 2) were at flow time ``t``: carried back by each lane's flow."""
        return torch.stack([self._back(k, x[k], (1.0, t))[-1] for k in range(len(x))])

    def paths(self, x: Tensor, times: Tensor, first: int = 0) -> Tensor:
        """The ways that led to ``x`` (lanes, k, 2), at ``times`` from 0 to 1: (lanes, k, s, 2)."""
        backwards = [self._back(k, x[k], times.flip(0)).flip(0).movedim(0, 1) for k in range(len(x))]
        return torch.stack(backwards)

    def _back(self, lane: int, x: Tensor, times: Tensor | tuple[float, ...]) -> Tensor:
        return flow.trajectory(self.states[lane].velocity, x, times, method="rk4", steps=4)

    def velocity(self, lane: int, t: float, x: Tensor) -> Tensor:
        """The lane's velocity at ``x`` (m, 2): (m, 2)."""
        with torch.no_grad():
            return self.states[lane].velocity(checks.number("t", t), x)

    def warning(self, lane: int) -> Banner | None:
        """What the grid has to say about itself; that the data are thin already is no news of the density."""
        state, problems = self.states[lane], dict(self.states[lane].problems)
        at_rest = _too_fine(self.settings.target, state.cells.n) if "coarse" in problems else 0.0
        if at_rest and state.cells.alternating(state.density) <= FINER_YET * at_rest:
            del problems["coarse"]
        return beyond_the_grid(problems, self.settings)

    # Read off the densities -----------------------------------------------------------------------------------------

    def of_reference(self, reward: str) -> float:
        """The mean of a reward over the reference."""
        return _mean(reward, self.states[0].cells, self.states[0].reference_density)

    def read(self, lane: int, dear: Collection[str] = ()) -> Reading:
        """Integrate over the lane's density; ``dear`` may hold "transport", for W2^2 as well."""
        state = self.states[lane]
        values = {
            "reward": state.mean_reward,
            "diversity": diversity(state),
            "effective": ess(state),
            "moved": state.moved,
        }
        if "transport" in dear:
            values["w2"] = w2(self.settings.target, density(state), self.extent)
        values["alpha"] = state.alpha
        if self.settings.truth:
            values["truth"] = _mean(self.settings.truth, state.cells, state.density)
        if lane == 0:
            values["spent"] = self.steered.spent
        return Reading(values, mass_at_modes(self.settings.target, state.cells, state.density))
