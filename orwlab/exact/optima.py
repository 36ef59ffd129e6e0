"""Three different optima of one reward, on a grid. Never compare two methods without naming which one is meant.

- KL:       ``argmax_p E_p[r] - KL(p | p_ref) / tau``, the exponential tilt ``p_ref exp(tau r) / Z``.
- W2:       ``argmax_p E_p[r] - lam W2^2(p, p_ref)``, p_ref pushed through ``x -> argmax_y r(y) - lam |y - x|^2``.
- mixture:  the limit ``alpha p_ref / (alpha + Z - w)`` of online reward weighting with the penalty averaged over the
  reference's samples (Kingman's house of cards), which can condense onto the reward's supremum.

The limit of ORW-CFM-W2 itself (``oracle.PopulationDynamics``) is none of them; ``effective_temperature`` says how far
it is a tilt, and ``frontiers`` how much reward it leaves on the table. All functions take the oracle's cells, so that
densities can be compared cell by cell: ``kl_tilt(exact.cells, exact.reference_density, exact.reward_values, tau)``.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from orwlab import checks
from orwlab.exact.dynamics import OracleWarning
from orwlab.exact.grid import Grid, as_field, normalised, reward_values


@dataclass(frozen=True)
class Optimum:
    """A density on the cells, (*shape), with ``mean_reward`` E r and ``kl``, KL(density | reference) in nats."""

    density: Tensor
    mean_reward: float
    kl: float


@dataclass(frozen=True)
class Proximal(Optimum):
    """The W2-proximal optimum: ``w2_squared`` to the reference, and ``map``, where each cell's mass goes, (*shape, d).

    The map may end between cell centres. ``density`` shares what arrives there among the cells around it, so that its
    mean reward is ``mean_reward``; its ``kl`` is the grid's own and grows without bound on finer grids wherever the
    map gathers mass in a point or on a curve.
    """

    w2_squared: float
    map: Tensor


@dataclass(frozen=True)
class MixtureLimit(Optimum):
    """The house-of-cards limit: ``density`` is its regular part, whose mass is ``1 - condensed``.

    ``Z`` is E w in the limit, the condensed mass included. ``threshold`` is alpha_c: below it the mass
    ``condensed = 1 - alpha / alpha_c`` sits where the reward has its supremum (``kl`` is then infinite).
    """

    Z: float
    threshold: float
    condensed: float


@dataclass(frozen=True)
class EffectiveTemperature:
    """``log(density / reference) ~ tau_eff r + intercept``; ``r_squared`` is 1 for an exact exponential tilt."""

    tau_eff: float
    intercept: float
    r_squared: float


# -- the optima --------------------------------------------------------------------------------------------------


def kl_tilt(cells: Grid, reference: Any, reward: Any, tau: float) -> Optimum:
    """The KL optimum ``p_ref exp(tau r) / Z``: what one offline round of reward weighting learns (Theorem 1).

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        reference: the density of p_ref on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        tau: inverse temperature, >= 0; however large, nothing overflows.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite, a bad tau.
    """
    p, r = masses("reference", cells, reference), reward_on(cells, reward)
    q = tilt(p, r, checks.number("tau", tau, low=0.0))
    _warn_at_the_edge(cells, p, q, "a smaller tau")
    return Optimum(q / cells.dx**cells.dim, float((q * r).sum()), relative_entropy(q, p))


def w2_proximal(cells: Grid, reference: Any, reward: Any, lam: float) -> Proximal:
    """The W2 optimum: p_ref pushed through ``x -> argmax_y r(y) - lam |y - x|^2``.

    The inner maximum (the c-transform of r; a Moreau envelope) is separable: one brute-force pass an axis finds the
    best cell exactly, and a parabola through its neighbours the point between cells, kept where it is better for the
    linearly interpolated reward. r has to grow slower than ``lam |y|^2``; y does not leave the domain.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        reference: the density of p_ref on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        lam: the price of a unit of W2^2, > 0, in units of reward / length^2.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite, lam <= 0.
    """
    p, r = masses("reference", cells, reference), reward_on(cells, reward)
    goal = proximal_map(cells, r, checks.number("lam", lam, above=0.0))  # (d, *shape)
    q = _deposit(cells, p, goal)
    _warn_at_the_edge(cells, p, q, "a larger lam")
    cost = float((p * (goal - cells.components).square().sum(0)).sum())
    volume = cells.dx**cells.dim
    return Proximal(q / volume, float((q * r).sum()), relative_entropy(q, p), cost, goal.movedim(0, -1))


def mixture_limit(
    cells: Grid, reference: Any, reward: Any, tau: float, alpha: float, *, reward_sup: float | None = None
) -> MixtureLimit:
    """The limit ``alpha p_ref / (alpha + Z - w)`` of ``q_new = (w q + alpha p_ref) / (Z + alpha)``, w = exp(tau r).

    Z = E w solves itself: the density must have mass 1. With ``w_sup = exp(tau reward_sup)`` that is possible only
    for ``alpha >= alpha_c = 1 / int p_ref / (w_sup - w)``; below, Z = w_sup - alpha, and the mass that is missing,
    ``1 - alpha / alpha_c``, has condensed where w has its supremum, possibly at infinity.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        reference: the density of p_ref on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        tau: inverse temperature, >= 0; the weights are raw.
        alpha: W2 coefficient, > 0.
        reward_sup: the supremum of r over p_ref's support, for when it lies outside the grid (1 for ``tanh``) or r
            comes to a point; the integral is then a sum over cells. None: the largest value on the grid, attained on
            a cell that has mass, so that nothing condenses. That is right for a smooth maximum inside: in one and two
            dimensions its integral diverges, though the sum over cells with a ``reward_sup`` is always finite.

    Raises:
        ValueError: bad densities or rewards, alpha <= 0, a ``reward_sup`` below the largest reward.
    """
    p, r = masses("reference", cells, reference), reward_on(cells, reward)
    tau, alpha = checks.number("tau", tau, low=0.0), checks.number("alpha", alpha, above=0.0)
    there = p > 0
    top = float(r[there].max())
    sup = top if reward_sup is None else checks.number("reward_sup", reward_sup, low=top)
    log_p, log_w = p[there].log(), tau * (r[there] - sup)  # weights and alpha in units of w_sup
    log_alpha, log_gap = math.log(alpha) - tau * sup, (-torch.expm1(log_w)).log()  # log(1 - w)
    log_threshold = -float((log_p - log_gap).logsumexp(0))

    def log_masses(log_s: float) -> Tensor:  # s = alpha + Z - w_sup
        return log_p + log_alpha - torch.logaddexp(log_gap, torch.full_like(log_gap, log_s))

    low, high, condensed = log_alpha - 800.0, log_alpha, 0.0
    if log_alpha < log_threshold:
        regular, condensed = log_masses(-math.inf).exp(), -math.expm1(log_alpha - log_threshold)
    else:
        for _ in range(80):  # the mass falls as s grows, and is at most 1 at s = alpha
            middle = (low + high) / 2
            low, high = (middle, high) if float(log_masses(middle).logsumexp(0)) > 0 else (low, middle)
        regular = log_masses(high).softmax(0)
    q = torch.zeros_like(p).masked_scatter(there, regular)
    Z = float((regular * log_w.exp()).sum()) + condensed
    reached = float((q * r).sum()) + condensed * sup
    kl = relative_entropy(q, p) if condensed == 0 else math.inf
    return MixtureLimit(
        q / cells.dx**cells.dim, reached, kl, _exp(math.log(Z) + tau * sup), _exp(log_threshold + tau * sup), condensed
    )


def effective_temperature(density: Any, reference: Any, reward: Any) -> EffectiveTemperature:
    """How much like a tilt ``reference exp(tau_eff r)`` a density is: least squares of log(density / reference) on r.

    Every cell counts with the density's own mass there. For a weak tilt the limit of ORW-CFM-W2 has tau_eff =
    ``tau Z / alpha`` with raw weights (Z = E_ref w) and ``tau / alpha`` with mean-one weights.

    Args:
        density: (n,) or (n, n), >= 0; normalised here.
        reference: of the same shape, > 0 wherever the density is.
        reward: its values, of the same shape.

    Raises:
        ValueError: shapes that differ, negative or non-finite values, a reward that is constant where the density is.
    """
    fields = {"density": density, "reference": reference, "reward": reward}
    q, p, r = (as_field(name, field) for name, field in fields.items())
    for name, field in (("reference", p), ("reward", r)):
        if field.shape != q.shape:
            raise checks.fail(name, field, f"values of the density's shape {tuple(q.shape)}")
    q, p = normalised("density", q), normalised("reference", p)
    there = q > 0
    if (p[there] == 0).any():
        raise ValueError("density is positive where reference is 0; allowed: densities that vanish wherever it does")
    q, p, r = q[there], p[there], r[there]
    y, unit = q.log() - p.log(), float(r.abs().max()) or 1.0  # so that squares of r neither over- nor underflow
    r = r / unit
    centred_r, centred_y = r - (q * r).sum(), y - (q * y).sum()
    spread = float((q * centred_r.square()).sum())
    if spread <= 1e-24:
        raise checks.fail("reward", float(r.mean()) * unit, "values that differ where the density is positive")
    slope = float((q * centred_r * centred_y).sum()) / spread
    total, left = float((q * centred_y.square()).sum()), float((q * (centred_y - slope * centred_r).square()).sum())
    intercept = float((q * y).sum()) - slope * float((q * r).sum())
    if not math.isfinite(slope / unit):
        raise ValueError(f"reward is {unit:g} at its largest; allowed: values for which tau_eff can be represented")
    return EffectiveTemperature(slope / unit, intercept, 1.0 if total < 1e-24 else 1 - left / total)


# -- what they are made of ---------------------------------------------------------------------------------------


def masses(name: str, cells: Grid, density: Any) -> Tensor:
    """A density on ``cells`` as the mass of each cell, (*shape), summing to 1; ``ValueError`` names it."""
    if not isinstance(cells, Grid):
        raise checks.fail("cells", cells, "a grids.Grid, such as PopulationDynamics.cells")
    field = as_field(name, density)
    if tuple(field.shape) != cells.shape:
        raise checks.fail(name, field, f"values of the grid's shape {cells.shape}")
    return normalised(name, field).to(cells.device)


def reward_on(cells: Grid, reward: Any) -> Tensor:
    """A reward, callable or values of the grid's own shape, as its values on ``cells``, (*shape), float64."""
    if not callable(reward):
        field = as_field("reward", reward)
        if tuple(field.shape) != cells.shape:
            raise checks.fail("reward", field, f"a callable, or values of the grid's shape {cells.shape}")
        return field.to(cells.device)
    return reward_values(reward, cells)


def tilt(p: Tensor, r: Tensor, tau: float) -> Tensor:
    """``p exp(tau r) / Z`` for cell masses p."""
    top = r[p > 0].max()
    return (p.log() + tau * (r - top).clamp_max(0)).flatten().softmax(0).reshape(p.shape)  # r > top has no mass


def relative_entropy(q: Tensor, p: Tensor) -> float:
    """``KL(q | p)`` in nats for cell masses; infinite where p is 0 and q is not."""
    return float((torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum())


def proximal_map(cells: Grid, r: Tensor, lam: float) -> Tensor:
    """``argmax_y r(y) - lam |y - x|^2`` for every cell centre x, (d, *shape); r (*shape) is linear between cells."""
    g, n = cells.coordinates, cells.n
    cost = lam * (g[:, None] - g).square()  # (x, y)
    value = r
    best: list[Tensor] = []  # the index of the best cell along each axis done so far
    for axis in reversed(range(cells.dim)):
        rows = value.movedim(axis, -1).reshape(-1, n)
        found = [(part[:, None, :] - cost).max(-1) for part in rows.split(max(1, 2**22 // n**2))]  # (rows, x)
        moved_shape = value.movedim(axis, -1).shape
        where = torch.cat([f.indices for f in found]).reshape(moved_shape).movedim(-1, axis)
        value = torch.cat([f.values for f in found]).reshape(moved_shape).movedim(-1, axis)
        best = [where, *[index.gather(axis, where) for index in best]]
    x, y = cells.components, g[torch.stack(best)]  # (d, *shape) each
    refined = y.clone()
    for axis in range(cells.dim):
        near = []
        for side in (-1, 1):
            index = list(best)
            index[axis] = (best[axis] + side).clamp(0, n - 1)
            near.append(r[tuple(index)] - lam * ((y[axis] + side * cells.dx) - x[axis]).square())
        here = r[tuple(best)] - lam * (y[axis] - x[axis]).square()
        offset = 0.5 * (near[1] - near[0]) / (2 * here - near[0] - near[1])
        inside = (best[axis] > 0) & (best[axis] < n - 1)
        refined[axis] += cells.dx * torch.where(inside, offset.nan_to_num(0.0, 0.0, 0.0).clamp(-0.5, 0.5), 0.0)
    better = cells.interpolate(r[None], refined)[0] - lam * (refined - x).square().sum(0) > value
    return torch.where(better, refined, y)


def _deposit(cells: Grid, p: Tensor, goal: Tensor) -> Tensor:
    """Masses p (*shape) put down at ``goal`` (d, *shape), each shared linearly among the cell centres around it."""
    at = ((goal + cells.extent) / cells.dx - 0.5).clamp(0, cells.n - 1).flatten(1)  # (d, cells)
    low = at.floor().clamp_max(cells.n - 2)
    index, share = torch.zeros(1, at.shape[1], dtype=torch.long, device=p.device), p.flatten()[None]
    for a in range(cells.dim):  # to the cell below and the cell above, along every axis
        index = torch.cat([index * cells.n + low[a].long(), index * cells.n + low[a].long() + 1])
        share = torch.cat([share * (1 - (at[a] - low[a])), share * (at[a] - low[a])])
    out = p.new_zeros(cells.n**cells.dim)
    return out.index_add(0, index.flatten(), share.flatten()).reshape(cells.shape)


def _warn_at_the_edge(cells: Grid, p: Tensor, q: Tensor, remedy: str) -> None:
    """Say so when the optimum has moved mass to the border: a larger domain would then have another optimum."""
    inside = (slice(1, -1),) * cells.dim
    gained = float(p[inside].sum() - q[inside].sum())
    if gained > 1e-3:
        warnings.warn(
            f"{gained:.1%} of the mass goes to the domain's edge (+-{cells.extent:g}) and would go further: give "
            f"{remedy}, a larger extent or a bounded reward",
            OracleWarning,
            stacklevel=3,
        )


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf
