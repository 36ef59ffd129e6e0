"""The trade-off that alpha sets: the exact limit for every alpha and tau, and which alpha reaches a goal.

The limits are those of ``oracle.PopulationDynamics``: where an infinitely good network settles. Where no grid can be
laid (images), ``alpha_from_rewards`` needs only the rewards of reference samples, and is good for weak tilts.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def limits(dynamics: PopulationDynamics, alphas: Sequence[float], taus: Sequence[float], *, tol: float = 1e-3) -> Map:
    """The limit for every alpha and tau, each search starting where its neighbour's ended.

    Args:
        dynamics: target, reward, weighting and grid; it is left at the last limit.
        alphas: W2 coefficients, > 0.
        taus: inverse temperatures, >= 0.
        tol: as in ``PopulationDynamics.fixed_point``.

    Raises:
        ValueError: nothing to sweep, or a value that is not allowed.
    """
    for name, values in (("alphas", alphas), ("taus", taus)):
        if not values:
            raise checks.fail(name, values, "at least one number")
    fields = torch.zeros(4, len(alphas), len(taus), dtype=torch.float64)
    order = sorted(range(len(alphas)), key=lambda i: -alphas[i])  # from the reference outward
    for j, tau in enumerate(taus):
        dynamics.reset()
        dynamics.tau = tau
        for i in order:
            dynamics.alpha = checks.number("alpha", alphas[i], above=0.0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OracleWarning)  # what they would say is kept in ``trusted``
                end = dynamics.fixed_point(tol)
            trusted = end.converged and not dynamics.problems
            spread = mean_distance(dynamics.cells, dynamics.density)
            fields[:, i, j] = torch.tensor([dynamics.mean_reward, spread, dynamics.kl, trusted])
    reward, diversity, kl, trusted = fields
    return Map(
        torch.tensor(alphas, dtype=torch.float64),
        torch.tensor(taus, dtype=torch.float64),
        reward,
        diversity,
        kl,
        trusted.bool(),
    )


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
        ValueError: no alpha in the range reaches the goal; the message says what the range reaches.
    """
    checks.number("high", high, above=checks.number("low", low, above=0.0))
    checks.number("goal", goal)

    def excess(log_alpha: float) -> float:
        dynamics.alpha = math.exp(log_alpha)
        dynamics.fixed_point(tol)
        return measure(dynamics) - goal

    dynamics.reset()
    start = here = excess(math.log(high))
    above = below = math.log(high)
    while here * start > 0 and below > math.log(low):  # downwards by factors of three: small alphas are slow
        above, below = below, max(below - math.log(3), math.log(low))
        here = excess(below)
    if here * start > 0:
        reached = " to ".join(f"{goal + end:.4g}" for end in sorted((start, here)))
        raise checks.fail("goal", goal, f"{reached}, which alpha from {low:g} to {high:g} reaches")
    found = brentq(excess, below, above, xtol=1e-3) if above > below else above
    excess(found)
    return math.exp(found)


def alpha_from_rewards(r: Tensor, goal: float, tau: float, weighting: str = "exp") -> float:
    """The alpha whose effective temperature takes the reference's rewards ``r`` (n,) to the mean ``goal``.

    Finds tau_eff with ``mean(r exp(tau_eff r)) / mean(exp(tau_eff r)) = goal`` and returns ``tau Z / tau_eff`` for
    raw weights, Z = mean(exp(tau r)), or ``tau / tau_eff`` for mean-one weights. It takes the limit for an
    exponential tilt: right while tau times the spread of r is small, a guess where it is not.

    Raises:
        ValueError: a goal that is not between the mean and the largest of r, tau <= 0, another weighting.
    """
    r = checks.points("r", r[:, None])[:, 0].double()
    tau = checks.number("tau", tau, above=0.0)
    checks.choice("weighting", weighting, ("exp", "mean_one"))
    mean, top = float(r.mean()), float(r.max())
    if not mean < goal < top:
        raise checks.fail("goal", goal, f"a number between the rewards' mean {mean:.4g} and their largest {top:.4g}")

    def excess(log_temperature: float) -> float:
        return float((r * (math.exp(log_temperature) * r).softmax(0)).sum()) - goal

    tau_eff = math.exp(brentq(excess, -12.0, 12.0, xtol=1e-9))
    Z = float((tau * r).exp().mean()) if weighting == "exp" else 1.0
    return tau * Z / tau_eff


def mean_distance(cells: Grid, density: Tensor) -> float:
    """``E|x - x'|`` for two independent draws of a density: what ``metrics.mean_pairwise_distance`` estimates.

    Mass is spread evenly over each cell; cells that hold less than 1e-7 of the fullest one's are left out.
    """
    q = masses("density", cells, density).flatten()
    kept = q > 1e-7 * q.max()
    q, x = q[kept] / q[kept].sum(), cells.flat[kept]
    within = cells.dx * (1 / 3 if cells.dim == 1 else 0.5214)  # two uniform points in one cell
    apart = sum(float(part_q @ torch.cdist(part_x, x) @ q) for part_q, part_x in zip(q.split(1024), x.split(1024)))
    return apart + within * float(q.square().sum())
