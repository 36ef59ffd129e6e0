"""How much reward any method can have at a given distance from the reference: the frontiers of E[r].

Both are traced by sweeping a price: ``max_p E_p[r] - price * distance(p, p_ref)`` has the KL tilt as its answer for
distance KL (price 1 / tau) and the proximal optimum for distance W2^2 (price lam). Each answer gives one point of the
frontier and one straight line, ``E_p[r] <= optimum + price * distance``, that no density crosses. Both distances are
convex in p, so both frontiers are concave.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from orwlab import checks
from orwlab.exact import optima
from orwlab.exact.grid import Grid


@dataclass(frozen=True)
class Frontier:
    """The best mean reward at each distance, as ``reward`` (m,) against ``distance`` (m,), which ascends from 0.

    ``price`` (m,) is the slope of the frontier at each point (infinite at the first, the reference itself);
    ``highest`` the largest reward there is; ``optimum(price)`` gives the point of any price.
    """

    distance: Tensor
    reward: Tensor
    price: Tensor
    highest: float
    optimum: Callable[[float], tuple[float, float]]

    def allowed(self, distance: float) -> float:
        """The largest mean reward at ``distance`` >= 0 from the reference.

        The least of the straight lines over all prices, found by bisection: never below the frontier, but for what
        the grid does not resolve (1e-5 with jumps, 1e-8 without).
        """
        distance = checks.number("distance", distance, low=0.0)
        if distance == 0 or len(self.price) == 1:
            return float(self.reward[0])
        after = int(torch.searchsorted(self.distance, distance).clamp(1, len(self.price) - 1))
        tried = [(float(self.price[i]), float(self.distance[i]), float(self.reward[i])) for i in (after, after - 1)]
        tried = [point for point in tried if point[0] < math.inf]
        if len(tried) == 2:
            low, high = tried[0][0], tried[1][0]
            for _ in range(12):
                middle = math.sqrt(low) * math.sqrt(high)
                reached, reward = self.optimum(middle)
                tried.append((middle, reached, reward))
                low, high = (middle, high) if reached > distance else (low, middle)
        return min(self.highest, *[reward + price * (distance - reached) for price, reached, reward in tried])


@dataclass(frozen=True)
class Placement:
    """Where a density lies: its mean reward, its distances, and what each frontier allows at them.

    ``mean_reward <= kl_allows`` and ``<= w2_allows`` for every density, up to the grid's resolution.
    """

    mean_reward: float
    kl: float
    w2_squared: float
    kl_allows: float
    w2_allows: float


class Frontiers:
    """Both frontiers of a reward over a reference, and the place of any method's density under them.

    ``Frontiers(exact.cells, exact.reference_density, exact.reward_values).place(exact.density)`` places the limit of a
    ``PopulationDynamics``. Each frontier is computed when it is first asked for. Densities stay on the domain: where
    it is too small for the reward, the frontiers are those of the domain.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        reference: the density of p_ref on it, (*shape), >= 0; normalised here.
        reward: a callable (n, d) -> (n,), or values (*shape).
        n: prices swept.

    Raises:
        ValueError: a density that is negative or not of the grid's shape, a reward that is not finite or beyond 1e100.
    """

    def __init__(self, cells: Grid, reference: Any, reward: Any, *, n: int = 64) -> None:
        self.cells, self.n = cells, checks.integer("n", n, low=2)
        self._p, self._r = optima.masses("reference", cells, reference), optima.reward_on(cells, reward)
        largest = float(self._r.abs().max())
        if largest > 1e100:
            raise ValueError(f"reward is {largest:g} at its largest; allowed: values of at most 1e100")

    @cached_property
    def kl(self) -> Frontier:
        """E[r] against KL(p | p_ref) in nats."""
        p, r = self._p, self._r
        unit = float(r.abs().max()) or 1.0  # so that squares do not underflow
        there = r[p > 0]
        spread = unit * math.sqrt(float((p * ((r - (p * r).sum()) / unit).square()).sum()))
        if bool((there == there[0]).all()):  # else rounding alone
            spread = 0.0

        def optimum(price: float) -> tuple[float, float]:
            q = optima.tilt(p, r, min(1 / checks.number("price", price, above=0.0), 1e308))
            return max(0.0, optima.relative_entropy(q, p)), float((q * r).sum())

        return self._sweep(optimum, 1e-4 * spread, 1e4 * spread, float(there.max()))

    @cached_property
    def w2(self) -> Frontier:
        """E[r] against W2^2(p, p_ref); the swept points need no concave hull, being on it by construction."""
        cells, p, r = self.cells, self._p, self._r
        steepest = max(float(r.diff(dim=axis).abs().max()) for axis in range(cells.dim))

        def optimum(price: float) -> tuple[float, float]:
            goal = optima.proximal_map(cells, r, checks.number("price", price, above=0.0))
            cost = float((p * (goal - cells.components).square().sum(0)).sum())
            return cost, float((p * cells.interpolate(r[None], goal)[0]).sum())

        spread = float(r.max() - r.min())
        # from almost everything at the best place of the domain to moves of a twentieth of a cell
        lowest, highest = 1e-3 * spread / (2 * cells.extent) ** 2, 10 * steepest / cells.dx**2
        return self._sweep(optimum, lowest, highest, float(r.max()))

    def place(self, density: Any, *, w2_squared: float | None = None) -> Placement:
        """Where ``density`` (*shape) lies; ``w2_squared`` if it is known better than ``w2_squared(...)`` finds it."""
        q = optima.masses("density", self.cells, density)
        kl = max(0.0, optima.relative_entropy(q, self._p))
        if w2_squared is None:
            w2_squared = w2_distance_squared(self.cells, q, self._p)
        w2_squared = checks.number("w2_squared", w2_squared, low=0.0)
        kl_allows = self.kl.allowed(kl) if kl < math.inf else self.kl.highest
        return Placement(float((q * self._r).sum()), kl, w2_squared, kl_allows, self.w2.allowed(w2_squared))

    def _sweep(
        self, optimum: Callable[[float], tuple[float, float]], low: float, high: float, highest: float
    ) -> Frontier:
        start = float((self._p * self._r).sum())
        prices = [high * (low / high) ** (i / (self.n - 1)) for i in range(self.n)] if low > 0 else []
        points = [(0.0, start, math.inf), *[(*optimum(price), price) for price in prices]]
        distance, reward, price = torch.tensor(points, dtype=torch.float64).T.contiguous()
        return Frontier(distance, reward, price, highest, optimum)


def w2_distance_squared(cells: Grid, a: Any, b: Any, *, max_atoms: int = 2500) -> float:
    """``W2^2`` between two densities on the same grid: exact on a line, estimated in the plane.

    On a line by quantiles, each cell's mass spread evenly over it. In the plane POT's exact solver couples atoms at
    the barycentres of blocks of cells, the smallest blocks for which at most ``max_atoms`` of them hold mass. An atom
    shifted by less than a block has to be torn between its neighbours, which reads high; so each atom is taken to
    move to the mean of where its mass goes, and the answer is the mean over both directions. Against known answers
    that is within 1.5 %, and within 4 % for shifts of a few cells (the plain coupling: up to a factor of five). The
    W2 optimum needs none of this: ``w2_proximal`` knows its own W2^2.

    Args:
        cells: the grid, as ``PopulationDynamics.cells``.
        a: a density on it, (*shape), >= 0; normalised here.
        b: another.
        max_atoms: atoms a density, in the plane; half a second for 2,500, and a few for 4,500.

    Raises:
        ValueError: a density that is negative or not of the grid's shape.
    """
    first, second = optima.masses("a", cells, a), optima.masses("b", cells, b)
    max_atoms = checks.integer("max_atoms", max_atoms, low=16)
    return _on_a_line(cells, first, second) if cells.dim == 1 else _in_the_plane(cells, first, second, max_atoms)


def _on_a_line(cells: Grid, a: Tensor, b: Tensor) -> float:
    """Both quantile functions are linear between the levels of either: integrate the squared difference exactly."""
    levels_a, levels_b = a.cumsum(0), b.cumsum(0)
    level = torch.cat([levels_a, levels_b, a.new_zeros(1)]).clamp(0, 1).sort().values
    start, end = level[:-1], level[1:]

    def quantiles(mass: Tensor, levels: Tensor) -> Tensor:  # at both ends of each interval, (2, intervals)
        i = torch.searchsorted(levels, (start + end) / 2).clamp_max(len(mass) - 1)
        within = (torch.stack([start, end]) - (levels - mass)[i]) / mass[i].clamp_min(1e-300)
        return cells.coordinates[i] + cells.dx * (within.clamp(0, 1) - 0.5)

    left, right = quantiles(a, levels_a) - quantiles(b, levels_b)
    return float(((end - start) * (left * left + left * right + right * right) / 3).sum())


def _in_the_plane(cells: Grid, a: Tensor, b: Tensor, max_atoms: int) -> float:
    import ot

    block = 1
    while True:
        atoms = [_atoms(cells, mass, block) for mass in (a, b)]
        if max(len(weight) for weight, _ in atoms) <= max_atoms:
            break
        block += 1
    (weight_a, x), (weight_b, y) = (tuple(part.cpu() for part in found) for found in atoms)
    cost = (x[:, None] - y).square().sum(-1)
    plan = torch.from_numpy(ot.emd(weight_a.numpy(), weight_b.numpy(), cost.numpy(), numItermax=5_000_000))
    there = (weight_a * ((plan @ y) / weight_a[:, None] - x).square().sum(-1)).sum()
    back = (weight_b * ((plan.T @ x) / weight_b[:, None] - y).square().sum(-1)).sum()
    return float(there + back) / 2


def _atoms(cells: Grid, mass: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Masses (k,) and barycentres (k, 2) of blocks of ``block``^2 cells, without the emptiest that hold 1e-5 in all."""
    n = -(-cells.n // block)
    along = torch.arange(cells.n, device=mass.device) // block
    index = (along[:, None] * n + along).flatten()
    weighted = torch.cat([mass.new_ones(1, cells.n**2), cells.flat.T]) * mass.flatten()  # (3, cells)
    total, *first = mass.new_zeros(3, n * n).index_add(1, index, weighted)
    order = total.argsort()
    kept = order[total[order].cumsum(0) > 1e-5]
    return total[kept] / total[kept].sum(), torch.stack([f[kept] / total[kept] for f in first], -1)
