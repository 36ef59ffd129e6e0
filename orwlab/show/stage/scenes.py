"""What the stage's messages hold: from samples, rewards and densities to what is drawn.

There are four, each a container of ``frames``; a host hands them to the stage as
``{"scene", "exact", "frame", "flow"}``:

- ``scene``: what is behind the particles (reward, contours of the data, colours); changes rarely,
- ``exact``: the exact limit of every lane, which changes when alpha, tau or the reward does; in frames of mode "exact"
  the exact density of the round on show,
- ``frame``: particles, numbers and curves; many times a second,
- ``flow``: where some of the particles are at other flow times; only in pictures that one may look back at.

A *lane* is one model: up to four are drawn side by side, from the same seed and noise.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab.rewards import Reward
from orwlab.show.stage.frames import Quantised, encode
from orwlab.show.stage.readouts import Curve, Number, plain, signed, significant
from orwlab.targets import GaussianMixture

__all__ = [
    "HOME",
    "LANES",
    "Curve",
    "Number",
    "Pictures",
    "exact",
    "flow",
    "frame",
    "scene",
    "signed",
    "significant",
    "view_for",
]

GRID = 112  # points a side of the backdrop's grids
SHARES = (0.9, 0.5)  # of the data that lie inside the contours
LANES = 4  # at most, side by side
HOME = 5.0  # half the side of the square one sees first
MISSING = -1.0  # mass of a mode that nobody has worked out
_ZOOM = 1.5  # the square grows and shrinks by this factor


@dataclass(frozen=True)
class Pictures:
    """A picture at every point of a square grid on ``[-size, size]^2``, row 0 at the lowest y."""

    size: float
    levels: np.ndarray
    """(rows, columns, height, width), ink from 0 to 255"""
    odds: np.ndarray
    """(rows, columns, kinds), how probably it shows each kind, from 0 to 255"""
    kinds: list[str]
    """what they are called"""


def view_for(x: Tensor, before: float = HOME) -> float:
    """Half the side of the square to show: the home square, or larger if more than 2 % of ``x`` (..., 2) are outside.

    It grows at once and shrinks late, so that it does not flutter.
    """
    reach = float(x.abs().amax(-1).flatten().quantile(0.98))
    size = HOME
    while size < reach and size < 1e6:
        size *= _ZOOM
    return before if before / _ZOOM**1.01 <= size < before and reach > 0.8 * size else size


def scene(
    target: GaussianMixture,
    reward: Reward,
    size: float = HOME,
    labels: Tensor | None = None,
    grid: int = GRID,
    truth: Reward | None = None,
    pictures: Pictures | None = None,
) -> str:
    """The backdrop: reward and density of the data on ``[-size, size]^2``, and the particles' colours.

    Args:
        target: the data; its contours hold the shares ``SHARES`` of it (as far as it lies on the grid).
        reward: (n, 2) -> (n,).
        size: half the side of the square.
        labels: (n,) integers, the colour of each particle.
        grid: points a side.
        truth: what is really wanted, if the reward is only a proxy of it; shown on demand.
        pictures: what each place shows, where the data are codes of pictures; the modes are then called by its kinds.
    """
    root, levels = _contours(target, size, grid)
    grounds = {"reward": reward} if truth is None else {"reward": reward, "truth": truth}
    arrays: dict[str, np.ndarray | Quantised] = {
        "density": Quantised(root.numpy().reshape(grid, grid), 0.0, 1.0),
    }
    ranges = {}
    for name, ground in grounds.items():
        values = ground(_points(size, grid)).numpy().reshape(grid, grid)
        low, high = float(values.min()), float(values.max())
        arrays[name] = Quantised(values, low, high if high > low else low + 1)
        ranges[name] = {"low": low, "high": high}
    if labels is not None:
        arrays["labels"] = labels.to(torch.uint8).numpy()
    meta = {
        "view": [-size, size, -size, size],
        "levels": levels,
        "shares": " and ".join(f"{100 * share:.0f} %" for share in reversed(SHARES)),
        **ranges,
        "modes": target.n_modes,
        **_modes(target),
    }
    if pictures is not None:
        arrays |= {"pictures": pictures.levels, "odds": pictures.odds}
        s = pictures.size
        meta |= {"pictures": {"view": [-s, s, -s, s], "kinds": pictures.kinds}, "names": pictures.kinds}
    return encode(meta, arrays)


def _points(size: float, grid: int) -> Tensor:
    axis = torch.linspace(-size, size, grid)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)  # (grid^2, 2), row 0 at the lowest y


@functools.lru_cache(maxsize=64)
def _modes(target: GaussianMixture) -> dict[str, list]:
    """``centres``: the mean [x, y] of each mode; ``spreads``: how far the mode reaches from it, a root mean square."""
    centres, spreads = [], []
    for k in range(target.n_modes):
        own = target.modes == k
        weights = target.weights[own] / target.weights[own].sum()
        centre = weights @ target.means[own]
        square = (target.means[own] - centre).square().sum(1) + target.covs[own].diagonal(dim1=1, dim2=2).sum(1)
        centres.append([float(c) for c in centre])
        spreads.append(float((weights @ square / 2).sqrt()))
    return {"centres": centres, "spreads": spreads}


@functools.lru_cache(maxsize=64)
def _contours(target: GaussianMixture, size: float, grid: int) -> tuple[Tensor, list[float]]:
    """The root of the density over its maximum, (grid^2,), and its levels around ``SHARES`` of the mass."""
    return _levels(torch.cat([target.log_prob(part) for part in _points(size, grid).split(2048)]).double().exp())


def _levels(density: Tensor) -> tuple[Tensor, list[float]]:
    """The root of a density over its maximum, both (n,), and its levels around ``SHARES`` of the mass."""
    # square roots spend the 16 bits where the outer contour is
    root = (density / density.max().clamp_min(1e-300)).sqrt()
    ordered = density.sort(descending=True).values
    inside = ordered.cumsum(0) / ordered.sum().clamp_min(1e-300)
    last = len(root) - 1
    falling = root.sort(descending=True).values
    return root, [float(falling[min(last, int((inside < share).sum()))]) for share in SHARES]


def exact(densities: Sequence[Tensor | None], s: float, resolved: bool | Sequence[bool] = True) -> str:
    """The exact limits, or the exact densities of a round, one a lane.

    Args:
        densities: for every lane the density on the cells of ``[-s, s]^2``, (A, A) indexed [x, y] as
            ``PopulationDynamics.density``; None where there is none. All of one size; the scale does not matter.
        s: half the side of the square.
        resolved: whether the grid was fine enough; one for all, or one a lane.

    Raises:
        ValueError: no lanes or too many, not square, sizes that differ, or values that are negative or not finite.
    """
    flags = [resolved] * len(densities) if isinstance(resolved, bool) else list(resolved)
    if not 1 <= len(densities) <= LANES or len(flags) != len(densities):
        raise ValueError(f"densities has {len(densities)} lanes, resolved {len(flags)}; allowed: 1 to {LANES}, alike")
    shapes = {tuple(density.shape) for density in densities if density is not None} or {(2, 2)}
    cells = shapes.pop()
    if shapes or len(cells) != 2 or cells[0] != cells[1] or cells[0] < 2:
        raise ValueError(f"densities have shapes {[cells, *shapes]}; allowed: one shape (A, A)")
    grids = torch.zeros(len(densities), *cells, dtype=torch.float64)
    lanes: list[dict[str, Any] | None] = []
    for k, density in enumerate(densities):
        if density is None:
            lanes.append(None)
            continue
        if not (density.isfinite().all() and (density >= 0).all()):
            raise ValueError(f"densities[{k}] holds values that are no densities; allowed: finite, at least 0")
        root, levels = _levels(density.double().T.reshape(-1))  # rows are y here
        grids[k] = root.reshape(cells)
        lanes.append({"levels": levels, "resolved": bool(flags[k])})
    edge = s * (1 - 1 / cells[0])  # where the outermost values lie: in the middle of their cells
    meta = {"view": [-edge, edge, -edge, edge], "lanes": lanes}
    return encode(meta, {"density": Quantised(grids.numpy(), 0.0, 1.0)})


def frame(
    meta: Mapping[str, Any],
    x: Tensor,
    size: float,
    rounds: Sequence[int],
    curves: Sequence[Curve],
    changes: Sequence[int] = (),
    *,
    arrows: Tensor | None = None,
    paths: Tensor | None = None,
    trace: Tensor | None = None,
    mode_mass: Tensor | None = None,
    mode_mass_exact: Tensor | Sequence[Tensor | None] | None = None,
    others: Mapping[str, np.ndarray | Quantised] | None = None,
) -> str:
    """One frame.

    Args:
        meta: run, seq, state ("running", "paused" or "stopped"), settling (paused, and the rounds still go on to where
            they come to rest), mode ("learned", "exact" or "both"), t (flow time on show, 1 by default), numbers (of
            the whole session), and lanes: a list of {alpha, label, round, banner, numbers, limit}. Numbers are
            ``Number`` or mappings; a banner is None or {kind, title, text}; limit says whether there is an exact one:
            None or {state: "there", "pending" or "none", text: why not}.
        x: (lanes, n, 2) the particles, or (n, 2) for one lane; in mode "exact" samples of the exact density. Those
            farther out than twice the view are drawn nowhere and sent as if they were there.
        size: half the side of the square on show.
        rounds: the rounds at which the curves have values.
        curves: the panels.
        changes: rounds at which somebody moved a control.
        arrows: (lanes, m, 4) places and velocities x, y, u, v at flow time t; or (m, 4).
        paths: (lanes, k, s, 2) trajectories of k particles over s flow times; or (k, s, 2).
        trace: (lanes, s, 2) the way of one particle from its noise to where it is, or (s, 2); meta says whose: traced.
        mode_mass: (lanes, K) share of the particles at each mode; or (K,).
        mode_mass_exact: the same in the exact limit; None for a lane without.
        others: what the stage does not draw and something beside it may, lanes first.

    Raises:
        ValueError: NaN or infinity anywhere, or the number of lanes differs.
    """
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or x.shape[2] != 2 or not 1 <= len(x) <= LANES:
        raise ValueError(f"x has shape {tuple(x.shape)}; allowed: (lanes, n, 2) with 1 to {LANES} lanes, or (n, 2)")
    arrays: dict[str, np.ndarray | Quantised] = {"x": Quantised(x.detach().numpy(), -2 * size, 2 * size)}
    arrays["rounds"] = np.asarray(rounds, np.float32)
    arrays["changes"] = np.asarray(changes, np.float32)
    for curve in curves:
        arrays.update(curve.arrays())
    if arrows is not None:
        arrays["arrows"] = _lanes("arrows", arrows, 3).float().numpy()
    if paths is not None:
        arrays["paths"] = Quantised(_lanes("paths", paths, 4).numpy(), -2 * size, 2 * size)
    if trace is not None:
        arrays["trace"] = Quantised(_lanes("trace", trace, 3).numpy(), -2 * size, 2 * size)
    if mode_mass is not None:
        arrays["mode_mass"] = _lanes("mode_mass", mode_mass, 2).float().numpy()
    if mode_mass_exact is not None:
        arrays["mode_mass_exact"] = _masses(mode_mass_exact).numpy()
    arrays.update(others or {})
    for name, array in arrays.items():
        lanes = len(array.values if isinstance(array, Quantised) else array)
        if lanes != len(x) and not name.startswith(("rounds", "changes")):
            raise ValueError(f"{name} has {lanes} lanes; allowed: as many as x has, {len(x)}")
    header = {**meta, "view": [-size, size, -size, size], "curves": [curve.header() for curve in curves]}
    header["numbers"] = [plain(number) for number in meta.get("numbers", ())]
    if "lanes" in meta:
        if len(meta["lanes"]) != len(x):
            raise ValueError(f"meta describes {len(meta['lanes'])} lanes; allowed: as many as x has, {len(x)}")
        header["lanes"] = [{**lane, "numbers": [plain(n) for n in lane.get("numbers", ())]} for lane in meta["lanes"]]
    return encode(header, arrays)


def flow(ways: Tensor, size: float) -> str:
    """The flow of some particles, the first ones of a frame.

    Args:
        ways: (lanes, s, n, 2) where they are at s >= 2 equally spaced flow times from 0 to 1; or (s, n, 2).
        size: half the side of the square on show; farther out than twice that they are sent as if they were there.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    ways = _lanes("ways", ways, 4)
    if not 1 <= len(ways) <= LANES or ways.shape[1] < 2 or ways.shape[2] < 1 or ways.shape[3] != 2:
        raise ValueError(
            f"ways has shape {tuple(ways.shape)}; allowed: (lanes, s, n, 2) with 1 to {LANES} lanes and s >= 2"
        )
    return encode({}, {"flow": Quantised(ways.numpy(), -2 * size, 2 * size)})


def _lanes(name: str, values: Tensor, dims: int) -> Tensor:
    """``values`` with the leading dimension of lanes that may be left out for a single one."""
    values = values.detach()
    values = values[None] if values.ndim == dims - 1 else values
    if values.ndim != dims:
        raise ValueError(f"{name} has shape {tuple(values.shape)}; allowed: {dims} dimensions, lanes first")
    return values


def _masses(given: Tensor | Sequence[Tensor | None]) -> Tensor:
    """(lanes, K), ``MISSING`` where a lane has none."""
    if isinstance(given, Tensor):
        return _lanes("mode_mass_exact", given, 2).float()
    known = next((mass for mass in given if mass is not None), torch.full((1,), MISSING))
    return torch.stack([torch.full_like(known, MISSING) if m is None else m for m in given]).detach().float()
