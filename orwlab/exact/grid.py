"""Functions on a square grid, and painted densities: what the oracle computes with."""

import math
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks, foreign, rewards
from orwlab.rewards import Reward

NOISE = 3.0  # half the side of the smallest domain that holds the noise N(0, I)
# interpolating (4th-order) smoothing filter: keeps what a few cells resolve, removes what alternates from cell to cell
SMOOTHING = (-1 / 16, 4 / 16, 10 / 16, 4 / 16, -1 / 16)


@dataclass(frozen=True)
class Grid:
    """``n`` cell centres an axis on ``[-extent, extent]^dim``; fields have shape (n,) or (n, n), indexed [x] or [x, y].

    Args:
        dim: 1 or 2.
        n: cells an axis, 4 to 4096.
        extent: half the side of the domain, 1e-6 to 1e6.
        device: where its coordinates are, and what is made of them: one that has double precision.
    """

    dim: int
    n: int
    extent: float
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        for name, value in (
            ("dim", checks.integer("dim", self.dim, low=1, high=2)),
            ("n", checks.integer("axis", self.n, low=4, high=4096)),
            ("extent", checks.number("extent", self.extent, low=1e-6, high=1e6)),
            ("device", _precise("device", self.device)),
        ):
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,) or (n, n)."""
        return (self.n,) * self.dim

    @property
    def dx(self) -> float:
        """The side of a cell."""
        return 2 * self.extent / self.n

    @cached_property
    @torch.inference_mode(False)
    def coordinates(self) -> Tensor:
        """The cell centres along one axis, (n,), float64."""
        return (torch.arange(self.n, dtype=torch.float64, device=self.device) + 0.5) * self.dx - self.extent

    @cached_property
    @torch.inference_mode(False)
    def points(self) -> Tensor:
        """The cell centres, (n, 1) or (n, n, 2)."""
        return torch.stack(torch.meshgrid(*[self.coordinates] * self.dim, indexing="ij"), -1)

    @cached_property
    @torch.inference_mode(False)
    def components(self) -> Tensor:
        """Each coordinate of the cell centres as a field, (dim, *shape)."""
        return self.points.movedim(-1, 0).contiguous()

    @property
    def flat(self) -> Tensor:
        """The cell centres as a batch of points, (n^dim, dim)."""
        return self.points.reshape(-1, self.dim)

    def interpolate(self, fields: Tensor, x: Tensor) -> Tensor:
        """Fields (c, *shape) at points ``x`` (dim, *any) by (bi)linear interpolation, constant outside: (c, *any)."""
        wanted = [x[1], x[0]] if self.dim == 2 else [x[0], torch.zeros_like(x[0])]  # grid_sample's order
        where = torch.stack(wanted, -1).reshape(-1, 2).mul_(1 / self.extent)
        fields = fields if self.dim == 2 else fields[:, None]
        values = torch.nn.functional.grid_sample(
            fields[None], where[None, None], mode="bilinear", padding_mode="border", align_corners=False
        )
        return values.reshape(len(fields), *x.shape[1:])

    def derivative(self, f: Tensor, axis: int) -> Tensor:
        """``df / dx_axis`` by 4th-order differences, (*shape); zero in the two outermost cells."""
        out = torch.zeros_like(f)
        for weight, shifted in self.differences(f, axis):
            self.inside(out, axis).add_(shifted, alpha=weight)
        return out

    def inside(self, f: Tensor, axis: int) -> Tensor:
        """``f`` without its two outermost cells along ``axis``; a view."""
        return f.narrow(axis, 2, self.n - 4)

    def differences(self, f: Tensor, axis: int) -> list[tuple[float, Tensor]]:
        """Weights and shifted views of ``f`` that sum to ``df / dx_axis`` in all but the two outermost cells."""
        h = 1 / (12 * self.dx)
        return [(c * h, f.narrow(axis, shift, self.n - 4)) for shift, c in ((3, 8), (1, -8), (0, 1), (4, -1))]

    def smooth(self, f: Tensor) -> Tensor:
        """``f`` (*shape) with what alternates from cell to cell removed, along every axis."""
        for axis in range(self.dim):
            first, last = f.narrow(axis, 0, 1), f.narrow(axis, self.n - 1, 1)
            wide = torch.cat([first, first, f, last, last], axis)
            f = f * SMOOTHING[2]
            for i in (0, 1, 3, 4):
                f.add_(wide.narrow(axis, i, self.n), alpha=SMOOTHING[i])
        return f

    def alternating(self, q: Tensor) -> float:
        """The share of the masses ``q`` (*shape) that varies from cell to cell: what the cells are too coarse for."""
        return float((self.smooth(q) - q).abs().sum() / (2 * q.sum()))

    def widened(self, where: Tensor, by: int) -> Tensor:
        """The cells at most ``by`` cells an axis from those of ``where`` (*shape), bool: likewise."""
        pool = torch.nn.functional.max_pool2d if self.dim == 2 else torch.nn.functional.max_pool1d
        return pool(where.double()[None], 2 * by + 1, stride=1, padding=by)[0] > 0

    def resample(self, values: Tensor) -> Tensor:
        """Values on a grid of any resolution over the same domain, (m,) or (m, k), brought to this one's."""
        if tuple(values.shape) == self.shape:
            return values.double().clone()
        line = torch.linspace(-1, 1, 2 * self.n + 1, dtype=torch.float64, device=values.device)
        pixels = [line[1::2]] * self.dim
        where = torch.stack(torch.meshgrid(*pixels, indexing="ij"), -1).flip(-1).reshape(1, 1, -1, self.dim)
        fields = values.double()[None, None] if self.dim == 2 else values.double()[None, None, None]
        if self.dim == 1:
            where = torch.cat([where, torch.zeros_like(where)], -1)
        out = torch.nn.functional.grid_sample(fields, where, padding_mode="border", align_corners=False)
        return out.reshape(self.shape)


def _precise(name: str, value: Any) -> torch.device:
    """A device that computes in float64: the oracle's weights reach from 1 down to 1e-150."""
    device = checks.device(name, value)
    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError) as error:
        raise checks.fail(name, value, f"a device with double precision, such as 'cpu' ({error})") from error
    return device


class GridDensity:
    """A density given by its values on a grid, such as a painting: a target like those of ``orwlab.targets``.

    Between cell centres the density is interpolated linearly, so that ``sample`` and ``log_prob`` describe exactly
    the same law.

    Args:
        values: (n,) or (n, n), indexed [x] or [x, y]; finite, none negative, not all zero; normalised here.
        extent: half the side of the domain, which is centred at 0.
        name: what errors and figures call it.

    Raises:
        ValueError: values that are not such a grid, or negative or not finite.
    """

    def __init__(self, values: Any, extent: float = 6.0, name: str = "painted") -> None:
        values = as_field("density", values)
        if values.ndim == 2 and values.shape[0] != values.shape[1]:
            raise checks.fail("density", values, "a square grid (n, n), or (n,) on a line")
        self.name, self.dim = name, values.ndim
        self.grid = Grid(values.ndim, len(values), extent)
        self.extent = self.grid.extent
        self.mass = normalised("density", values)  # of each cell

    @classmethod
    def from_image(
        cls, image: Any, extent: float = 6.0, axis: int = 128, *, blur: float = 1.5, dark: bool = True
    ) -> "GridDensity":
        """The density whose picture is ``image``: row 0 is the top, dark is dense (light if not ``dark``).

        Args:
            image: a PIL image of any mode, or an array (H, W), (H, W, 3) or (H, W, 4) of whole numbers (0 to 65535 if
                they are of 16 bits, else 0 to 255) or of numbers from 0 to 1; transparent counts as empty.
            extent: half the side of the domain; the image is stretched over the middle three quarters of it, so that
                the flow has room around it.
            axis: cells an axis, at least 16.
            blur: standard deviation, in cells, of the Gaussian blur that lets the grid resolve hard edges.
            dark: whether dark pixels are dense.

        Raises:
            ValueError: no such picture, one on which nothing is painted, or another bad argument.
        """
        axis, blur = checks.integer("axis", axis, low=16, high=4096), checks.number("blur", blur, low=0.0, high=1e6)
        pixels = torch.from_numpy(_pixels(image))
        painted = 3 if pixels.shape[-1] > 2 else 1  # channels, beside transparency
        ink = pixels[..., :painted].mean(-1)
        ink = 1 - ink if checks.yes_or_no("dark", dark) else ink
        if pixels.shape[-1] > painted:
            ink = ink * pixels[..., -1]
        inner = Grid(2, max(16, round(axis * 0.75)), 1.0).resample(_coarsened(ink, round(axis * 0.75)).flip(0).T)
        values = torch.zeros(axis, axis, dtype=torch.float64)
        low = (axis - len(inner)) // 2
        values[low : low + len(inner), low : low + len(inner)] = inner
        if blur > 0:
            offset = torch.arange(axis, dtype=torch.float64)
            kernel = (-0.5 * ((offset[:, None] - offset) / blur).square()).exp()
            kernel = kernel / kernel.sum(1, keepdim=True)
            values = kernel @ values @ kernel.T
        return cls(values, extent)

    def __repr__(self) -> str:
        return f"GridDensity({self.name!r}, dim={self.dim}, axis={self.grid.n}, extent={self.extent:g})"

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw ``n`` points, (n, dim), float32."""
        n, generator = checks.integer("n", n), checks.generator("generator", generator)
        cell = torch.multinomial(self.mass.flatten(), n, replacement=True, generator=generator)  # (n,)
        # the sum of two uniforms has the tent-shaped density that linear interpolation puts on a cell
        tent = torch.rand(2, n, self.dim, generator=generator, dtype=torch.float64).sum(0) - 1
        return (self.grid.flat[cell] + self.grid.dx * tent).float()

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log density at ``x`` (n, dim): (n,), minus infinity where nothing is painted."""
        x = checks.points("x", x, (self.dim,))
        padded = torch.nn.functional.pad(self.mass, [1] * 2 * self.dim)  # the tents of the edge cells reach outside
        outer = Grid(self.dim, self.grid.n + 2, self.extent + self.grid.dx)
        density = outer.interpolate(padded.to(x.device)[None], x.double().mT)[0] / self.grid.dx**self.dim
        return density.log().to(x.dtype)


def as_field(name: str, values: Any) -> Tensor:
    """``values`` as a finite float64 tensor with one or two dimensions of at least four; ``ValueError`` names it.

    A copy, so that nothing written to ``values`` later reaches what was made of it.
    """
    allowed = "a finite numeric grid of shape (n,) or (n, n), n >= 4"
    if isinstance(values, Tensor) and not values.is_floating_point() and not values.is_complex():
        values = values.detach().cpu().double()  # whole numbers lose nothing
    found = checks.array(name, values, allowed)
    if found.ndim not in (1, 2) or min(found.shape) < 4:
        raise checks.fail(name, found, allowed)
    return found.detach().cpu().to(torch.float64, copy=True).contiguous()


def normalised(name: str, values: Tensor) -> Tensor:
    """``values`` >= 0, (*shape), divided by their sum; ``ValueError`` names them."""
    if (values < 0).any():
        raise ValueError(f"{name} has negative values (the least is {float(values.min()):.4g}); allowed: values >= 0")
    top = float(values.max())
    if not top > 0:
        raise ValueError(f"{name} is zero everywhere; allowed: values >= 0 with a positive sum")
    scaled = values / top  # whose sum can neither over- nor underflow
    return scaled / scaled.sum()


_PICTURE = (
    "a PIL image, or an array of shape (H, W), (H, W, 3) or (H, W, 4), H and W >= 4, of numbers from 0 to 1 or whole "
    "ones from 0 to 255 (65535 with 16 bits)"
)


def _pixels(image: Any) -> np.ndarray:
    """A picture as a float64 array (H, W, c) of numbers from 0 to 1: grey or red, green, blue; then perhaps opacity."""
    if "PIL.Image" in sys.modules and isinstance(image, sys.modules["PIL.Image"].Image):
        image = _as_seen(image)
    try:
        array = _numpy(image) if isinstance(image, Tensor) else np.array(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise checks.fail("image", image, _PICTURE) from error
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype.kind not in "buif" or array.ndim != 3:
        raise checks.fail("image", image, _PICTURE)
    if array.shape[-1] not in (1, 2, 3, 4) or min(array.shape[:2]) < 4:
        raise checks.fail("image", image, _PICTURE)
    scale = 1.0 if array.dtype.kind in "bf" else 65535.0 if array.dtype.itemsize == 2 else 255.0
    values = array.astype(np.float64) / scale
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ValueError(f"image has {array.dtype} pixels from {array.min()} to {array.max()}; allowed: {_PICTURE}")
    return values


def _numpy(x: Tensor) -> np.ndarray:
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


def _as_seen(image: Any) -> np.ndarray:
    """A PIL image of any mode as the pixels that a viewer shows: upright, palettes looked up, inks mixed."""
    from PIL import ImageOps

    try:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # whole numbers of 16 bits, which Pillow may keep in 32
            deep = np.array(image)
            return deep.astype(np.uint16) if deep.min() >= 0 and deep.max() <= 65535 else deep.astype(float)
        if image.mode == "La":
            image = image.convert("LA")
        if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
        elif image.mode != "F":
            image = image.convert("L" if image.mode in ("1", "L") else "RGB")
        return np.array(image)
    except (OSError, ValueError, SyntaxError) as error:  # a broken file, or a mode that Pillow does not convert
        raise ValueError(f"image is a PIL image that cannot be read: {error}; allowed: {_PICTURE}") from error


def _coarsened(ink: Tensor, n: int) -> Tensor:
    """Block means down to about ``n`` pixels a side, so that thin strokes are not skipped when resampling."""
    height, width = (min(n, s) for s in ink.shape)
    return torch.nn.functional.adaptive_avg_pool2d(ink[None].double(), (height, width))[0]


def default_extent(target: Any) -> float:
    """Half the side of a domain that holds both the noise N(0, I) and all but a negligible part of ``target``.

    Grows from 6 in steps of a quarter until the target's log density on the border is 23 (a factor 1e-10) below
    its maximum, or to 30.
    """
    if isinstance(target, GridDensity):
        return max(target.extent, NOISE)
    dim = checks.integer("target.dim", getattr(target, "dim", None), low=1, high=2)
    extent = 6.0
    while extent < 30.0:
        grid = Grid(dim, 64, extent)
        log_p = evaluate(target.log_prob, grid).reshape(grid.shape)
        inner = (slice(1, -1),) * grid.dim
        border = log_p.clone()
        border[inner] = -math.inf
        if not border.max() > log_p.max() - 23.0:
            break
        extent *= 1.25
    return min(extent, 30.0)


def reward_values(reward: Reward, grid: Grid) -> Tensor:
    """A callable reward at all cell centres, checked, (*shape), float64."""
    return rewards.evaluate(reward, grid.flat).double().reshape(grid.shape)


def evaluate(f: Any, grid: Grid) -> Tensor:
    """``f`` (n, d) -> (n,), such as a log density, at all cell centres, (n^d,), float64; infinity is allowed."""
    return foreign.values("log_prob", f, grid.flat, infinite=True).double()
