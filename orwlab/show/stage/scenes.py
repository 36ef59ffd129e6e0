"""What a frame and its backdrop hold: from samples, rewards and densities to the stage's messages.

The backdrop (reward, contours of the data, colours of the particles) changes rarely and is a frame of its own, a
*scene*; hosts send it beside every frame, or only when it changed.
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
from orwlab.targets import GaussianMixture

GRID = 112  # points a side of the backdrop's grids
SHARES = (0.9, 0.5)  # of the data that lie inside the contours
HOME = 5.0  # half the side of the square one sees first
_ZOOM = 1.5  # the square grows and shrinks by this factor


@dataclass(frozen=True)
class Curve:
    """One panel: values over rounds, with the reference's value and, where there is one, the exact limit."""

    series: str
    title: str
    values: Sequence[float]
    baseline: float
    exact: float | None = None
    exact_name: str = "exact limit"
    span: float = 0.5
    """the least height of the panel in the curve's units, so that noise is not blown up"""

    def header(self) -> dict[str, Any]:
        """The part of it that goes into a frame's header."""
        exact = (
            None if self.exact is None else {"value": self.exact, "label": f"{self.exact_name} {signed(self.exact)}"}
        )
        return {
            "series": self.series,
            "title": self.title,
            "value": signed(self.values[-1]) if len(self.values) else "–",
            "baseline": {"value": self.baseline, "label": f"reference {signed(self.baseline)}"},
            "exact": exact,
            "span": self.span,
        }


def signed(value: float) -> str:
    """Two decimals with a proper minus sign, shorter for large numbers."""
    text = f"{value:.2f}" if abs(value) < 1000 else f"{value:.1e}"
    return (text[1:] if text.strip("-0.") == "" and text.startswith("-") else text).replace("-", "−")


def view_for(x: Tensor, before: float = HOME) -> float:
    """Half the side of the square to show: the home square, or larger if more than 2 % of ``x`` (n, 2) are outside.

    It grows at once and shrinks late, so that it does not flutter.
    """
    reach = float(x.abs().amax(1).quantile(0.98))
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
) -> str:
    """The backdrop: reward and density of the data on ``[-size, size]^2``, and the particles' colours.

    Args:
        target: the data; its contours hold the shares ``SHARES`` of it (as far as it lies on the grid).
        reward: (n, 2) -> (n,).
        size: half the side of the square.
        labels: (n,) integers, the colour of each particle.
        grid: points a side.
    """
    values = reward(_points(size, grid)).numpy().reshape(grid, grid)
    root, levels = _contours(target, size, grid)
    low, high = float(values.min()), float(values.max())
    arrays: dict[str, np.ndarray | Quantised] = {
        "reward": Quantised(values, low, high if high > low else low + 1),
        "density": Quantised(root.numpy().reshape(grid, grid), 0.0, 1.0),
    }
    if labels is not None:
        arrays["labels"] = labels.to(torch.uint8).numpy()
    meta = {
        "view": [-size, size, -size, size],
        "levels": levels,
        "shares": " and ".join(f"{100 * share:.0f} %" for share in reversed(SHARES)),
        "reward": {"low": low, "high": high},
        "modes": target.n_modes,
    }
    return encode(meta, arrays)


def _points(size: float, grid: int) -> Tensor:
    axis = torch.linspace(-size, size, grid)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)  # (grid^2, 2), row 0 at the lowest y


@functools.lru_cache(maxsize=64)
def _contours(target: GaussianMixture, size: float, grid: int) -> tuple[Tensor, list[float]]:
    """The root of the density over its maximum, (grid^2,), and its levels around ``SHARES`` of the mass."""
    density = torch.cat([target.log_prob(part) for part in _points(size, grid).split(2048)]).double().exp()
    # square roots spend the 16 bits where the outer contour is
    root = (density / density.max().clamp_min(1e-300)).sqrt()
    ordered = density.sort(descending=True).values
    inside = ordered.cumsum(0) / ordered.sum().clamp_min(1e-300)
    last = len(root) - 1
    falling = root.sort(descending=True).values
    return root, [float(falling[min(last, int((inside < share).sum()))]) for share in SHARES]


def frame(
    meta: Mapping[str, Any],
    x: Tensor,
    size: float,
    rounds: Sequence[int],
    curves: Sequence[Curve],
    changes: Sequence[int] = (),
) -> str:
    """One frame.

    Args:
        meta: run, seq, round, state, numbers, banner: see ``studio.session``.
        x: (n, 2) the particles. Those farther out than twice the view are drawn nowhere and sent as if they were there.
        size: half the side of the square on show.
        rounds: the rounds at which the curves have values.
        curves: the panels.
        changes: rounds at which somebody moved a control.
    """
    arrays: dict[str, np.ndarray | Quantised] = {"x": Quantised(x.numpy(), -2 * size, 2 * size)}
    arrays["rounds"] = np.asarray(rounds, np.float32)
    arrays["changes"] = np.asarray(changes, np.float32)
    for curve in curves:
        arrays[curve.series] = np.asarray(curve.values, np.float32)
    header = {**meta, "view": [-size, size, -size, size], "curves": [curve.header() for curve in curves]}
    return encode(header, arrays)
