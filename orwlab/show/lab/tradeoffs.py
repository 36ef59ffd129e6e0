"""What alpha and tau trade, for any target and reward of the lab: exact limits, goals, and networks beside them.

Each comes piece by piece, as plain values that travel: one can look at what is there so far, and stop.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from orwlab.exact.dynamics import PopulationDynamics
from orwlab.show.lab import exact, lanes
from orwlab.show.lab.settings import Settings

ALPHAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
TAUS = (0.25, 0.4, 0.65, 1.0, 1.6, 2.5, 4.0)
SMALLEST, LARGEST = ALPHAS[0], 100.0  # alphas among which a goal is looked for
TOLERANCE = 1e-4  # total variation: of the limits on the way to a goal
SEEDS = (0, 1)
ROUNDS = 200  # of a network: at 1e-3 its reward is at its limit after about 50, unless alpha is small
TELL_EVERY = 20  # rounds

Piece = dict[str, Any]


def _w2(state: PopulationDynamics) -> float:
    return exact.w2(state.target.name, exact.density(state), state.cells.extent)


MEASURES: dict[str, Callable[[PopulationDynamics], float]] = {
    "reward": lambda state: state.mean_reward,
    "diversity": exact.diversity,
    "kl": exact.kl,
    "w2": _w2,
}
"""what is traded; each is monotone in alpha, as far as it has been measured"""
WORDS = {"reward": "mean reward", "diversity": "diversity", "kl": "KL", "w2": "W₂²"}
_LOST = {"domain", "tail", "mass"}  # problems of a state that is no limit
_ROUGH = {"coarse": "rough: nearly finer than the grid", "limit": "rough: it has not quite come to rest"}


def cells(target: str, reward: str, weighting: str) -> Iterator[Piece]:
    """The limits of all ``TAUS`` and ``ALPHAS``: rows from tau = 1 outward, each from the reference outward.

    A piece is ``{"alpha", "tau", "reward", "diversity", "kl", "w2", "state", "why"}``. ``state`` is "exact"; or
    "rough", where the grid hardly resolves the limit; or "none", and the numbers are None. The grid is that of the
    limits beside networks, and so are the ways to measure: W2^2 is that of as many points as are taken from a network.
    """
    for tau in sorted(TAUS, key=lambda tau: abs(math.log(tau))):
        settings = Settings(target=target, reward=reward, weighting=weighting, tau=tau)
        state = exact.dynamics(settings, ALPHAS[-1], exact.LIMIT_AXIS)
        for alpha in reversed(ALPHAS):
            state.alpha = alpha
            yield _cell(state, settings)


def _cell(state: PopulationDynamics, settings: Settings) -> Piece:
    """The limit from where ``state`` is, which is left there; or at the reference, if there is none."""
    piece = {"alpha": state.alpha, "tau": state.tau, **dict.fromkeys(MEASURES)}
    why = exact.settle(state, settings.reward)
    if why:
        state.reset()
        return piece | {"state": "none", "why": why}
    rough = next((words for kind, words in _ROUGH.items() if kind in state.problems), "")
    numbers = {name: float(measure(state)) for name, measure in MEASURES.items()}
    return piece | numbers | {"state": "rough" if rough else "exact", "why": rough}


class _NoLimit(ArithmeticError):
    """On the way to a goal there was an alpha without a limit."""


def reaching(target: str, reward: str, weighting: str, tau: float, quantity: str, goal: float) -> Iterator[Piece]:
    """The limit, as in ``cells``, at whose alpha ``quantity`` is ``goal``; alpha is rounded to three digits.

    Raises:
        ValueError: no alpha reaches it that has a limit; in people's words.
    """
    settings = Settings(target=target, reward=reward, weighting=weighting, tau=tau)
    state = exact.dynamics(settings, LARGEST, exact.LIMIT_AXIS)
    state.alpha = float(f"{_alpha(state, quantity, goal):.3g}")
    found = _cell(state, settings)
    if found["state"] == "none":
        raise ValueError(f"It would take α = {found['alpha']:g} at τ = {tau:g}, but there: {found['why']}.")
    yield found


def _alpha(state: PopulationDynamics, quantity: str, goal: float) -> float:
    """``tradeoff.alpha_for`` among the alphas that have a limit: where they end is found by bisection, to 20 %."""
    from orwlab.exact import sweep  # imported here because scipy takes most of a second

    seen: dict[float, float] = {}
    bottom = 0.0  # the largest alpha that is known to have no limit

    def measure(state: PopulationDynamics) -> float:
        if _LOST & state.problems.keys():
            raise _NoLimit
        seen[state.alpha] = MEASURES[quantity](state)
        return seen[state.alpha]

    low, high = SMALLEST, LARGEST
    while low < high / 1.2:
        try:
            return sweep.alpha_for(state, measure, goal, low=low, high=high, tol=TOLERANCE)
        except (FloatingPointError, ValueError) as failure:
            if isinstance(failure, FloatingPointError) or isinstance(failure.__cause__, _NoLimit):
                bottom = state.alpha
                high = min((alpha for alpha in seen if alpha > bottom), default=bottom)
            elif not seen or min(seen.values()) <= goal <= max(seen.values()):
                raise
            elif not bottom:
                break
            else:
                high = low
            low = math.sqrt(bottom * high)
    if not seen:
        raise ValueError(f"No α was found: at τ = {state.tau:g} there is no limit up to α = {LARGEST:g}.")
    ends = [_short(end) for end in (min(seen.values()), max(seen.values()))]
    reached = f"for α from {_short(min(seen))} to {LARGEST:g}, {WORDS[quantity]} goes from {ends[0]} to {ends[1]}"
    more = ", and below there is no limit" if bottom else ""
    raise ValueError(f"No α gives that: at τ = {state.tau:g}, {reached}{more}.")


def _short(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "−")


def networks(target: str, reward: str, weighting: str, tau: float, alphas: tuple[float, ...]) -> Iterator[Piece]:
    """Networks of every alpha and of all ``SEEDS``, trained one after the other and read as the lab reads them.

    A piece is ``{"rounds", "of"}``, how far they have come in all, with a ``"point"`` whenever one is ready:
    ``{"alpha", "tau", "seed", "reward", "diversity", "w2"}``, or with ``"lost"``: a sentence about one that diverged.
    """
    total = ROUNDS * len(SEEDS) * len(alphas)
    yield {"rounds": 0, "of": total}
    for k, (alpha, seed) in enumerate([(alpha, seed) for alpha in alphas for seed in SEEDS]):
        settings = Settings(target=target, reward=reward, weighting=weighting, alpha=alpha, tau=tau, seed=seed)
        lane = lanes.LearnedLanes(settings, lanes.noise(seed, 2))
        for done in range(1, ROUNDS):
            lane.advance()
            if lane.stopped[0]:
                break
            if done % TELL_EVERY == 0:
                yield {"rounds": k * ROUNDS + done, "of": total}
        else:
            lane.advance()
        found = None if lane.stopped[0] else lane.read(0, ("transport",))
        so_far = {"rounds": (k + 1) * ROUNDS, "of": total}
        if found is None:
            yield so_far | {"lost": f"The network of α = {alpha:g}, τ = {tau:g}, seed {seed} has diverged."}
        else:
            values = {name: found.values[name] for name in ("reward", "diversity", "w2")}
            yield so_far | {"point": {"alpha": alpha, "tau": tau, "seed": seed, **values}}
