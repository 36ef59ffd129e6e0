"""The trade-off that alpha sets: the exact limit for every alpha and tau, and which alpha reaches a goal.

The limits are those of ``oracle.PopulationDynamics``: where an infinitely good network settles. Where no grid can be
laid (images), ``alpha_from_rewards`` needs only the rewards of reference samples, and learns from runs.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy.optimize import brentq
from torch import Tensor

from orwlab import checks
from orwlab.exact.dynamics import OracleWarning, PopulationDynamics
from orwlab.exact.grid import Grid
from orwlab.exact.optima import masses


@dataclass(frozen=True)
class Map:
    """Exact limits over ``alphas`` (a,) and ``taus`` (b,): each field is (a, b).

    ``reward`` is E r, ``diversity`` the mean distance between two draws, ``kl`` KL(limit | p_ref) in nats. ``trusted``
    is False where the search did not end or the grid no longer resolves the limit.
    """

    alphas: Tensor
    taus: Tensor
    reward: Tensor
    diversity: Tensor
    kl: Tensor
    trusted: Tensor


def limits(dynamics: PopulationDynamics, alphas: Any, taus: Any, *, tol: float = 1e-3) -> Map:
    """The limit for every alpha and tau, each search starting where its neighbour's ended.

    Args:
        dynamics: target, reward, weighting and grid; it is left at the last limit.
        alphas: W2 coefficients, > 0; any sequence, array or tensor of one dimension.
        taus: inverse temperatures, >= 0; the same.
        tol: as in ``PopulationDynamics.fixed_point``.

    Raises:
        ValueError: nothing to sweep, or a value that is not allowed; before any search.
    """
    dynamics = _dynamics(dynamics)
    alphas, taus = checks.numbers("alphas", alphas, above=0.0), checks.numbers("taus", taus, low=0.0)
    tol = checks.number("tol", tol, above=0.0)
    fields = torch.zeros(4, len(alphas), len(taus), dtype=torch.float64)
    order = sorted(range(len(alphas)), key=lambda i: -alphas[i])  # from the reference outward
    for j, tau in enumerate(taus):
        dynamics.reset()
        dynamics.tau = tau
        for i in order:
            dynamics.alpha = alphas[i]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OracleWarning)  # what they would say is kept in ``trusted``
                end = dynamics.fixed_point(tol)
            trusted = end.converged and not dynamics.problems
            spread = mean_distance(dynamics.cells, dynamics.density)
            fields[:, i, j] = torch.tensor([dynamics.mean_reward, spread, dynamics.kl, trusted])
    reward, diversity, kl, trusted = fields
    of_alpha, of_tau = torch.tensor(alphas, dtype=torch.float64), torch.tensor(taus, dtype=torch.float64)
    return Map(of_alpha, of_tau, reward, diversity, kl, trusted.bool())


def alpha_for(
    dynamics: PopulationDynamics,
    measure: Callable[[PopulationDynamics], float],
    goal: float,
    *,
    low: float = 0.01,
    high: float = 100.0,
    tol: float = 1e-3,
) -> float:
    """The alpha in [low, high] at whose limit ``measure(dynamics)`` is ``goal``; ``dynamics`` is left at that limit.

    ``measure`` has to be monotone in alpha, such as ``lambda limit: limit.mean_reward``, or W2^2 to the reference.

    Args:
        dynamics: target, reward, tau, weighting and grid.
        measure: a number of the limit.
        goal: what it shall be.
        low: smallest alpha tried, > 0; small ones are slow.
        high: largest alpha tried.
        tol: as in ``PopulationDynamics.fixed_point``.

    Raises:
        ValueError: no alpha in the range reaches the goal (the message says what the range reaches), a measure that
            raises or is no finite number, or another bad argument.
    """
    dynamics, goal = _dynamics(dynamics), checks.number("goal", goal)
    low = checks.number("low", low, above=0.0)
    high, tol = checks.number("high", high, above=low), checks.number("tol", tol, above=0.0)
    wanted = "a callable, from the dynamics at a limit to a number"
    if not callable(measure):
        raise checks.fail("measure", measure, wanted)
    found: dict[float, float] = {}  # searches that start elsewhere end a little elsewhere: each alpha is asked once

    def excess(log_alpha: float) -> float:
        if log_alpha not in found:
            dynamics.alpha = min(max(math.exp(log_alpha), low), high)
            dynamics.fixed_point(tol)
            try:
                value = measure(dynamics)
            except Exception as error:
                raise ValueError(f"measure raised {type(error).__name__}: {error}; allowed: {wanted}") from error
            found[log_alpha] = checks.number("measure(dynamics)", value) - goal
        return found[log_alpha]

    dynamics.reset()
    least, most = math.log(low), math.log(min(high, 1e308))
    above = below = most
    start = here = excess(most)
    while (here > 0) == (start > 0) and here and below > least:  # downwards by factors of three: small ones are slow
        above, below = below, max(below - math.log(3), least)
        here = excess(below)
    if here and (here > 0) == (start > 0):
        reached = " to ".join(f"{goal + end:.4g}" for end in sorted((start, here)))
        raise checks.fail("goal", goal, f"{reached}, which alpha from {low:g} to {high:g} reaches")
    answer = brentq(excess, below, above, xtol=1e-3) if above > below else above
    dynamics.alpha = min(max(math.exp(answer), low), high)
    dynamics.fixed_point(tol)
    return dynamics.alpha


def _dynamics(dynamics: Any) -> PopulationDynamics:
    if not isinstance(dynamics, PopulationDynamics):
        raise checks.fail("dynamics", dynamics, "an oracle.PopulationDynamics")
    return dynamics


def alpha_from_rewards(
    r: Any, goal: float, tau: float, weighting: str = "exp", *, seen: Sequence[tuple[float, float]] = ()
) -> float:
    """The alpha at which the mean reward should come to rest at ``goal``, where no grid can be laid.

    From the reference's rewards ``r`` (n,) alone: the tau_eff with ``mean(r exp(tau_eff r)) / mean(exp(tau_eff r)) =
    goal``, and ``tau Z / tau_eff`` for raw weights, Z = mean(exp(tau r)), or ``tau / tau_eff`` for mean-one weights.
    It takes the limit for an exponential tilt: right while tau times the spread of r is small. Measured on exact limits
    of six targets and rewards with mean-one weights, at alpha 0.1 to 3: between 0.7 and 6 times the alpha that is
    needed, mostly more, which errs on the side of the reference. Of the runs on digits that ``tasks.results`` keeps, at
    alpha 0.05 to 2: 3 to 11 times.

    What runs have ``seen`` mends that: each pair says how far the tilt's answer is off at that alpha, and this is
    carried to the goal: as a factor from one pair; along a straight line in logarithms, its slope kept between 0.3 and
    3, from the two that are nearest. Measured on the same six: the fourth guess is within 0.02 of the goal. Of networks
    we expect as much as their rewards wander.

    Args:
        r: rewards of the reference's samples, n >= 2; some thousand.
        goal: between their mean and their largest.
        tau: inverse temperature of the run, > 0.
        weighting: "exp" or "mean_one".
        seen: pairs (alpha, mean reward) of runs that have come to rest, or nearly, in any order. Those whose reward
            does not lie between the mean and the largest of r say nothing, and are passed over.

    Raises:
        ValueError: a goal that is not between the mean and the largest of r, rewards that are all the same, tau <= 0,
            another weighting, or an alpha that no floating-point number holds.

    Warns:
        FewSamplesWarning: the goal is so far up that it rests on fewer than ``FEW`` of the rewards.
    """
    log_alpha, rests_on = _log_alpha_of_tilt(r, goal, tau, weighting)
    if rests_on < FEW:
        warnings.warn(
            f"a mean reward of {float(goal):.4g} rests on about {rests_on:.1f} of the {len(r)} rewards: take more "
            "samples, or a goal that is nearer to their mean",
            FewSamplesWarning,
            stacklevel=2,
        )
    off = []  # (log of what the tilt says, log of the alpha that it really was)
    for alpha, reward in _pairs(seen):
        with contextlib.suppress(ValueError):
            off.append((_log_alpha_of_tilt(r, reward, tau, weighting)[0], math.log(alpha)))
    return math.exp(_carried(log_alpha, off))


FEW = 20
"""effective number of rewards below which a tilt is a matter of chance"""


class FewSamplesWarning(UserWarning):
    """A mean reward that only a few of the samples reach."""


def _pairs(seen: Any) -> list[tuple[float, float]]:
    allowed = "pairs of an alpha > 0 and the mean reward of its run"
    if isinstance(seen, str | bytes):
        raise checks.fail("seen", seen, allowed)
    try:
        pairs = [(alpha, reward) for alpha, reward in seen]
    except (TypeError, ValueError) as error:
        raise checks.fail("seen", seen, allowed) from error
    return [(checks.number("alpha of seen", a, above=0.0), checks.number("reward of seen", r)) for a, r in pairs]


def _carried(log_alpha: float, off: list[tuple[float, float]]) -> float:
    """``log_alpha`` of the tilt, mended by what is known of its error: the nearest two pairs, or one, or none."""
    nearest = sorted(off, key=lambda pair: abs(pair[0] - log_alpha))
    if not nearest:
        return log_alpha
    said, was = nearest[0]
    slope = 1.0
    for other, its in nearest[1:]:
        if abs(other - said) > 0.05:  # closer ones differ by chance
            slope = min(max((its - was) / (other - said), 0.3), 3.0)
            break
    return min(max(was + slope * (log_alpha - said), -708.0), 709.0)


def _log_alpha_of_tilt(r: Any, goal: float, tau: float, weighting: str) -> tuple[float, float]:
    """Logarithm of the alpha that an exponential tilt says, and how many rewards carry the tilted mean."""
    allowed = "finite real numbers, a tensor or array of shape (n,) with n >= 2"
    r = checks.array("r", r, allowed)
    if r.ndim != 1 or len(r) < 2:
        raise checks.fail("r", r, allowed)
    r, goal = r.detach().cpu().double(), checks.number("goal", goal)
    tau = checks.number("tau", tau, above=0.0)
    weighting = checks.choice("weighting", weighting, ("exp", "mean_one"))
    top, bottom = float(r.max()), float(r.min())
    if not top > bottom:
        raise ValueError(f"r is {top:g} at all {len(r)} points; allowed: rewards that are not all the same")
    unit = max(abs(top), abs(bottom))  # so that neither sums nor differences overflow
    mean = float((r / unit).mean())
    span = top / unit - mean
    reached = (goal / unit - mean) / span  # of the way from the mean to the largest
    lacking = (top / unit - goal / unit) / span
    if not (reached > 0 and lacking > 0):
        allowed = f"a number between the rewards' mean {mean * unit:.4g} and their largest {top:.4g}"
        raise checks.fail("goal", goal, allowed)
    gain, loss = (r / unit - mean) / span, (top / unit - r / unit) / span  # the mean gains 0, the largest loses 0

    def excess(log_s: float) -> float:
        """Whether the tilt by s is too strong, on a scale that resolves both ends."""
        s = math.exp(log_s)
        if lacking < 0.5:
            return math.log(lacking) - math.log(max(float((loss * (-s * loss).softmax(0)).sum()), 1e-300))
        if s < 1:  # sum gain = 0, so this is exact to the last digit however small s is
            shift = float((gain * (s * gain).expm1()).mean() / (s * gain).exp().mean())
        else:
            shift = 1 - float((loss * (-s * loss).softmax(0)).sum())
        return math.log(max(shift, 1e-300)) - math.log(reached)

    low = high = 0.0
    while excess(low) > 0 and low > -690:
        low -= 3.0
    while excess(high) < 0 and high < 690:
        high += 3.0
    log_s = brentq(excess, low, high, xtol=1e-12) if low < high else low
    log_alpha = math.log(tau) - (log_s - math.log(span) - math.log(unit))  # tau_eff = s / (top - mean)
    if weighting == "exp":
        log_alpha += tau * top + math.log(float((tau * (r - top)).exp().mean()))
    tilted = (math.exp(min(log_s, 700.0)) * gain).log_softmax(0)
    rests_on = math.exp(-float((2 * tilted).logsumexp(0)))
    if not -708.0 < log_alpha < 709.0:
        held = f"a number for which alpha can be represented (here it is e^{log_alpha:.4g})"
        raise checks.fail("tau", tau, held + (", or mean-one weights" if weighting == "exp" else ""))
    return log_alpha, rests_on


def mean_distance(cells: Grid, density: Any) -> float:
    """``E|x - x'|`` for two independent draws of a density: what ``metrics.mean_pairwise_distance`` estimates.

    Mass is spread evenly over each cell; cells that hold less than 1e-7 of the fullest one's are left out.

    Raises:
        ValueError: a density that is negative or not of the grid's shape.
    """
    q = masses("density", cells, density).flatten()
    kept = q > 1e-7 * q.max()
    q, x = q[kept] / q[kept].sum(), cells.flat[kept]
    within = cells.dx * (1 / 3 if cells.dim == 1 else 0.5214)  # two uniform points in one cell
    apart = sum(float(part_q @ torch.cdist(part_x, x) @ q) for part_q, part_x in zip(q.split(1024), x.split(1024)))
    return apart + within * float(q.square().sum())
