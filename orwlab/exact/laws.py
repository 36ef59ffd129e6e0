"""What other methods make of a density, exactly: one round of each, or where its rounds end.

All take the oracle's cells, as ``optima`` does. With q the density that draws, F the distribution function of the
reward under it, and all fits perfect:

- best of K:  ``q K F(r)^(K - 1)``;
- threshold:  ``q 1[r >= c] / Z``;
- a lean by ``gain``:  the law of ``v^q + gain Cov(r, u_t | x_t)``, one round of DiffusionNFT and of ADRPO. With G =
  E[r | x_t] and ``e`` what is added, the continuity equations of q and of q r give, along a trajectory to x,
  ``q_new(x) = q(x) exp(gain (r(x) - E r - int_0^1 e . grad G dt))``: the tilt, but for a term of second order;
- policy gradient on the flow-matching loss, held by ``beta |v - v_ref|^2``: at rest ``beta (v - v_ref) = Cov(r, u_t |
  x_t)``. That is the equation of ORW-CFM-W2 for the weight ``w = r + any constant`` if v is the field of its own
  samples, which the oracle's limit nearly is: with other constants it lies within 0.01 in total variation (measured).
- positive part and a level:  ``(r - E r)_+ q + omega U``, one round of QVPO, U uniform on the cells;
- reward held by the variance of the weight:  ``w = (r - nu)_+ / (2 lam)``, the most of ``E_q[w r] - lam Var_q(w)``.
"""

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from orwlab import checks
from orwlab.exact.dynamics import FLOOR, OracleWarning, PopulationDynamics
from orwlab.exact.grid import Grid
from orwlab.exact.moments import STOP, kernel
from orwlab.exact.optima import Optimum, masses, relative_entropy, reward_on


def best_of(cells: Grid, density: Any, reward: Any, k: int, *, reference: Any = None) -> Optimum:
    """One round of best of ``k``: the law of the best of k samples of ``density``.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        density: q on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        k: how many samples, of which the best is kept; of equals the one or the other.
        reference: what ``kl`` is taken to; q if None.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite, a bad k.
    """
    q, r = masses("density", cells, density), reward_on(cells, reward)
    k = checks.integer("k", k)
    mass, which = _by_value(q, r)
    F = mass.cumsum(0) / mass.sum()
    # cells of one value share what the best of k gives that value, F^k - (F-)^k, as q shares it
    below = torch.cat([F.new_zeros(1), F[:-1]])
    gain = torch.where(mass > 0, (F**k - below**k) / mass.clamp_min(1e-300), 0.0)
    p = q if reference is None else masses("reference", cells, reference)
    return optimum_of(cells, q * gain[which].view(q.shape), p, r)


def _by_value(q: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """The mass of each value of the reward, from the least on, and which of them each cell has."""
    values, which = r.flatten().unique(return_inverse=True)
    return q.new_zeros(len(values)).index_add(0, which, q.flatten()), which


def above(
    cells: Grid, density: Any, reward: Any, *, threshold: float | None = None, share: float | None = None
) -> Optimum:
    """``q 1[r >= c] / Z``: what passes a threshold, or the best ``share`` of q, whose last cells count in part.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        density: q on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        threshold: c; or
        share: how much of q passes, above 0 to 1. Just one of the two.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite; nothing passes.
    """
    q, r = masses("density", cells, density), reward_on(cells, reward)
    if (threshold is None) == (share is None):
        raise checks.fail("threshold", threshold, "a number, or None and a share: one of the two")
    if threshold is not None:
        kept = q * (r >= checks.number("threshold", threshold))
        if float(kept.sum()) <= 0:
            raise checks.fail("threshold", threshold, f"at most the largest reward, {float(r[q > 0].max()):g}")
        return optimum_of(cells, kept, q, r)
    share = checks.number("share", share, above=0.0, high=1.0)
    mass, which = _by_value(q, r)
    better = mass.sum() - mass.cumsum(0)  # the mass with a larger reward than each value
    part = ((share - better) / mass.clamp_min(1e-300)).clamp(0, 1)
    return optimum_of(cells, q * part[which].view(q.shape), q, r)


def lean(cells: Grid, density: Any, reward: Any, gain: float, *, reference: Any = None, times: int = 40) -> Optimum:
    """Noise pushed through ``v^q + gain Cov(r, u_t | x_t)``: a first, perfect round of DiffusionNFT or ADRPO.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        density: q on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        gain: how far it leans, >= 0; for small ones the law is the tilt ``q exp(gain r) / Z``.
        reference: what ``kl`` is taken to; q if None.
        times: of the quadrature, dense towards t = 1; by Heun's method, backward from there.

    Raises:
        ValueError: an argument out of range, named.
    """
    q, r = masses("density", cells, density), reward_on(cells, reward)
    gain, times = checks.number("gain", gain, low=0.0, high=1e3), checks.integer("times", times, low=4, high=1000)
    p = q if reference is None else masses("reference", cells, reference)
    floored = q.clamp_min(FLOOR * float(q.max()))
    centred = r - (q * r).sum()
    weighed = torch.stack([floored, floored * centred])
    sources = torch.cat([weighed, *(weighed * x for x in cells.components)])  # (2 + 2 d, *shape)

    def look(t: float, x: Tensor) -> tuple[Tensor, Tensor]:
        """At positions x (d, *shape): (1 - t) v, and (1 - t) e . grad F."""
        K = kernel(cells.coordinates, cells.coordinates, cells.coordinates.new_tensor(t))[0]
        sums = sources @ K.T if cells.dim == 1 else K @ sources @ K.T
        S, F, first = sums[0], sums[1] / sums[0], sums[2:].unflatten(0, (cells.dim, 2)) / sums[0]
        added = gain * (first[:, 1] - F * first[:, 0])
        rate = sum(added[a] * cells.derivative(F, a) for a in range(cells.dim))
        fields = torch.cat([first[:, 0] + added, torch.as_tensor(rate)[None]])
        there = cells.interpolate(torch.where(S > 0, fields, 0.0), x)
        return there[:-1] - x, there[-1]

    u = torch.linspace(1.0, math.sqrt(STOP * cells.dx), times, dtype=torch.float64)
    clock = (1 - u.square()).tolist()
    x = end = cells.components
    for _ in range(3):  # from 1 back to the last time: a straight line
        x = end - look(clock[-1], x)[0]
    pull, rate = look(clock[-1], x)
    total = rate / 2  # (1 - t) e . grad F falls to 0 at t = 1, as (1 - t)^2 does
    for t, s in zip(clock[:0:-1], clock[-2::-1]):
        step = t - s
        velocity, here = pull / (1 - t), rate / (1 - t)
        pull, rate = look(s, x - step * velocity)
        x = x - step / 2 * (velocity + pull / (1 - s))
        pull, rate = look(s, x)
        total = total + step / 2 * (here + rate / (1 - s))
    new = q * (gain * (centred - total)).exp()
    if abs(float(new.sum()) - 1) > 0.02:
        warnings.warn(
            f"the density after leaning by {gain:g} sums to {float(new.sum()):.3f} before it is normalised: the grid "
            "does not resolve it; give a smaller gain, more cells or a larger extent",
            OracleWarning,
            stacklevel=2,
        )
    return optimum_of(cells, new, p, r)


def positive_part(cells: Grid, density: Any, reward: Any, omega: float = 0.0, *, reference: Any = None) -> Optimum:
    """One perfect round of QVPO (arXiv 2405.16173): ``(r - E r)_+ q / E_q (r - E r)_+ + omega U``, normalised.

    The positive part has mass one before ``omega`` is added, so that omega / (1 + omega) of the samples are uniform.
    Where no sample is better than the mean, as for a constant reward, q itself stands in its place.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``; U is uniform on it.
        density: q on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        omega: the weight of the uniform samples, >= 0.
        reference: what ``kl`` is taken to; q if None.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite, a bad omega.
    """
    q, r = masses("density", cells, density), reward_on(cells, reward)
    omega = checks.number("omega", omega, low=0.0, high=1e6)
    p = q if reference is None else masses("reference", cells, reference)
    chosen = q * (r - (q * r).sum()).clamp_min(0)
    chosen = chosen / chosen.sum() if float(chosen.sum()) > 0 else q
    return optimum_of(cells, chosen + omega / q.numel(), p, r)


def held_by_variance(cells: Grid, density: Any, reward: Any, lam: float) -> Optimum:
    """The most of ``E_q[w r] - lam Var_q(w)`` over weights w >= 0 with ``E_q w = 1``: the density ``w q``.

    A relative of OVAR (arXiv 2212.14405), which takes the variance of ``w r``.

    ``Var_q(w)`` is Pearson's chi-squared divergence of w q from q. Its Fenchel dual has one unknown, the level nu:
    ``min_nu nu + lam + E_q (r - nu)_+^2 / (4 lam)``, at which ``w = (r - nu)_+ / (2 lam)`` (proved: Slater's condition
    holds at w = 1). As lam grows w tends to ``1 + (r - E r) / (2 lam)``; at ``lam = E_q (r - E r)_+ / 2`` the level is
    E r, and w is the weight of ``positive_part`` without its level.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        density: q on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        lam: the price of variance, > 0, in units of the reward.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite, lam <= 0.
    """
    q, r = masses("density", cells, density), reward_on(cells, reward)
    lam = checks.number("lam", lam, above=0.0)
    mass, values = _by_value(q, r)[0], r.flatten().unique()
    # E_S (r - nu) <= E (r - nu)_+ for any set S of cells: each gives a level that is too low, but for the right set,
    # which holds all values above one of them
    above_mass, above_first = mass.flip(0).cumsum(0), (mass * values).flip(0).cumsum(0)
    nu = ((above_first - 2 * lam) / above_mass)[above_mass > 0].max()
    w = (r - nu).clamp_min(0) / (2 * lam)
    return optimum_of(cells, w * q, q, r)


def orw_limit(cells: Grid, reference: Any, reward: Any, tau: float, alpha: float) -> Optimum:
    """The limit of ORW-CFM-W2 with weights of mean one.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        reference: the density of p_ref on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        tau: inverse temperature of the weights, >= 0.
        alpha: W2 coefficient, > 0.

    Raises:
        ValueError: an argument out of range, named.
    """
    p, r = masses("reference", cells, reference), reward_on(cells, reward)
    return optimum_of(cells, _limit(cells, p, r, checks.number("tau", tau, low=0.0), alpha, "mean_one"), p, r)


def linear_limit(cells: Grid, reference: Any, reward: Any, beta: float) -> Optimum:
    """Where ``beta (v - v_ref) = Cov(r, u_t | x_t)``: the limit of AWM with the pull ``beta``.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        reference: the density of p_ref on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        beta: the pull, at least 1e-6, in units of the reward.

    Raises:
        ValueError: an argument out of range, named.
    """
    p, r = masses("reference", cells, reference), reward_on(cells, reward)
    beta, spread = checks.number("beta", beta, low=1e-6), float(r.max() - r.min())
    w = (r - r.min()) / (spread or 1.0) + 0.05  # a small constant is there soonest
    return optimum_of(cells, _limit(cells, p, w.log(), 1.0, beta / (spread or 1.0), "exp"), p, r)


def _limit(cells: Grid, p: Tensor, log_w: Tensor, tau: float, alpha: float, weighting: str) -> Tensor:
    alpha = checks.number("alpha", alpha, above=0.0)
    density = p / cells.dx**cells.dim
    dynamics = PopulationDynamics(
        density, log_w, tau, alpha, weighting=weighting, axis=cells.n, extent=cells.extent, device=cells.device
    )  # fmt: skip
    dynamics.fixed_point()
    return dynamics.density


def optimum_of(cells: Grid, q: Tensor, p: Tensor, r: Tensor) -> Optimum:
    """A density of cell masses q, normalised here, with its mean reward and its KL to p."""
    q = q / q.sum()
    return Optimum(q / cells.dx**cells.dim, float((q * r).sum()), relative_entropy(q, p))
