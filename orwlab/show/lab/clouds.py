"""Many equal round Gaussians as one target, as painted or given points become one: its modes are its density's hills.

A hill is what water keeps together when it falls: going down from the highest cell of a grid, a cell without higher
neighbours founds a hill; where two hills meet, the lower one is a hill of its own only if its top stands clearly above
the pass between them.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks
from orwlab.targets import GaussianMixture

CELLS = 80  # an axis, on which hills are told apart
CLEAR = 1.5  # how many times as dense as the pass a hill's top must be
FAINT = 1e-3  # of the highest density, below which nothing founds a hill
SPECK = 0.01  # of the mass; what is lighter belongs to the nearest hill
AT_ONCE = 512  # points
MOST_MODES = 12  # that one can still tell apart by colour and number
_DECIMALS = 9  # that count: what only rounding tells apart is equal, here and in a browser


class Cloud(GaussianMixture):
    """``q(x) = sum_k weights_k N(x; means_k, std^2 I)`` in the plane.

    The modes are the density's hills, numbered anticlockwise around the middle from the right, as those of
    ``targets.eight_gaussians`` are.

    Args:
        weights: (K,) positive; normalised.
        means: (K, 2).
        std: of every component, > 0.
        name: what errors and figures call it.

    Raises:
        ValueError: as ``GaussianMixture``.
    """

    def __init__(self, weights: Any, means: Any, std: float, name: str = "cloud") -> None:
        self.std = checks.number("std", std, above=0.0)
        super().__init__(weights, checks.points("means", means, (2,)), self.std**2, name=name)
        self.modes = _hills(self.weights.numpy(), self.means.numpy(), self.std)
        self.n_modes = int(self.modes.max()) + 1

    def component_log_prob(self, x: Tensor) -> Tensor:
        """See ``GaussianMixture``; equal round components need no matrices, which saves most of the time."""
        x = checks.points("x", x, (2,)).double() / self.std
        means = self.means.to(x.device) / self.std
        # -|x - m|^2 / 2, but for what all components have in common
        here = self.weights.to(x.device).log() - math.log(2 * math.pi * self.std**2) - means.square().sum(1) / 2
        return torch.addmm(here, x, means.T).sub_(x.square().sum(1, keepdim=True) / 2)

    def log_prob(self, x: Tensor) -> Tensor:
        """See ``GaussianMixture``; some points at a time, which the processor's cache can hold."""
        x = checks.points("x", x, (2,))
        return torch.cat([super(Cloud, self).log_prob(part) for part in x.split(AT_ONCE)])


def _hills(weights: np.ndarray, means: np.ndarray, std: float) -> Tensor:
    """The hill on which each component stands, (K,) whole numbers from 0 without gaps."""
    low, high = means.min(0) - 2 * std, means.max(0) + 2 * std
    side = float((high - low).max())
    low = (low + high - side) / 2  # a square
    cells = low + (np.arange(CELLS)[:, None] + 0.5) * side / CELLS  # (CELLS, 2), a column an axis
    bells = [np.exp(-(((cells[:, a, None] - means[:, a]) / max(std, side / CELLS)) ** 2) / 2) for a in (0, 1)]
    owner = _flood((bells[0] * weights) @ bells[1].T)
    at = np.clip(((means - low) / side * CELLS).astype(int), 0, CELLS - 1)
    found = owner[at[:, 0], at[:, 1]]
    found[found < 0] = found.max() + 1 + np.arange((found < 0).sum())  # too faint: specks, which follow go to others
    return torch.from_numpy(_numbered(found, weights, means))


def _flood(density: np.ndarray) -> np.ndarray:
    """The hill of every cell of ``density`` (n, n) by its top's number among the cells; -1 where next to nothing is."""
    n = density.shape[1]
    height = np.pad(density / density.max(), 1).ravel().round(_DECIMALS)  # zeros around: every cell has 8 neighbours
    around = [a * (n + 2) + b for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    order = np.argsort(-height, kind="stable")
    order = order[height[order] > FAINT].tolist()
    levels = height.tolist()
    parent: dict[int, int] = {}  # towards the top

    def top(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    for k in order:
        tops = {top(k + step) for step in around if k + step in parent}
        highest = max(tops, key=lambda j: (levels[j], -j), default=k)
        parent[k] = highest
        for other in tops - {highest}:
            if levels[other] < CLEAR * levels[k]:
                parent[other] = highest
    owner = np.full(len(height), -1)
    owner[order] = [top(k) for k in order]
    return owner.reshape(-1, n + 2)[1:-1, 1:-1]


def _numbered(found: np.ndarray, weights: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Labels (K,) without specks, at most ``MOST_MODES``, by angle from 0 on."""
    while True:
        names, labels = np.unique(found, return_inverse=True)
        mass = np.bincount(labels, weights)
        centres = np.stack([np.bincount(labels, weights * means[:, a]) / mass for a in (0, 1)], 1)  # (hills, 2)
        least = int(mass.round(_DECIMALS).argmin())
        if len(names) == 1 or (len(names) <= MOST_MODES and mass[least] >= SPECK * mass.sum()):
            break
        away = ((centres - centres[least]) ** 2).sum(1)
        away[least] = math.inf
        found = np.where(labels == least, names[away.round(_DECIMALS).argmin()], found)
    angle = np.arctan2(centres[:, 1], centres[:, 0]) % (2 * math.pi)
    angle[(angle > 2 * math.pi - 1e-6) | (np.hypot(*centres.T) < 1e-6)] = 0.0  # but for rounding
    return np.argsort(np.argsort(angle.round(_DECIMALS), kind="stable"))[labels]
