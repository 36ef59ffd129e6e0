"""Paintings: strokes of a brush as one short text, as a picture, as a target density and as a reward.

The text is ``paint:`` and the strokes with dots between them, all of characters that may stand in a link. One painting
has one text.

A stroke's characters stand for numbers from 0 to 63, in the order of base64url (``A-Z a-z 0-9 - _``):

- ``6 i + 2 j + e`` for the brush: size ``SIZES[i]``, strength ``STRENGTHS[j]``, e = 1 for the eraser,
- the number of its symmetry in ``SYMMETRIES``,
- three for the first point (x, y) on the lattice: the digits of ``256 x + y`` to the base 64,
- two for each further point, ``31 + dx`` and ``31 + dy``, if no step exceeds 30; else ``_`` and the point's three.

A browser paints the same picture with this, on pixels whose centres are ``-5 + (k + 1/2) 10 / side``; a place i on the
lattice is ``-5 + (i + 1/2) 10 / 256``:

1. ``d`` is the distance of a pixel's centre to the stroke's line (to its only point, if it has one).
2. Its cover is ``g = strength exp(-d^2 / (2 size^2))``, and 0 where ``d > 5 size``.
3. A symmetric stroke's cover is, at each pixel, the largest among its images: the cover mirrored or turned.
4. Paint makes ``c`` into ``c + (1 - c) g``, which never exceeds 1; the eraser makes it ``c (1 - g)``.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks
from orwlab.exact.grid import Grid
from orwlab.show.lab.clouds import Cloud

PREFIX = "paint:"
LONGEST = 20_000  # characters of a text
EXTENT = 5.0  # half the side of the square one paints on
LATTICE = 256  # places an axis, the middles of as many cells
SIDE = 128  # pixels an axis of a picture
SIZES = (0.2, 0.35, 0.7, 1.2)
STRENGTHS = (1.0, 0.5, 0.25)
REACH = 5.0  # sizes, beyond which a brush leaves nothing
CANVASES = 16  # that are remembered
BLANK = 0.02  # the most ink of a picture on which one sees nothing
STEPS = (40, 36, 32, 28, 24, 20)  # a target's components an axis: the finest that needs no more than ``MOST``
MOST = 400
WIDTH = 0.6  # a component's std in steps: even ink then ripples by less than 0.2 %
SPARED = 0.005  # of the mass, in the lightest components, which are left out
FITTING = 20  # rounds of expectation maximisation

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_NEAR = 31  # steps that fit a single digit are smaller than this
_FAR = _DIGITS[63]  # stands before a point that is given by its place
_ALLOWED = f"a text that begins with {PREFIX!r}, as the lab writes it"


def _flipped(*axes: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda cover: np.flip(cover, axes)


def _turned(cover: np.ndarray) -> np.ndarray:
    """By a quarter, anticlockwise: what was at (x, y) is at (-y, x)."""
    return cover.T[::-1]


SYMMETRIES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], ...]] = {
    "none": (),
    "left_right": (_flipped(0),),
    "up_down": (_flipped(1),),
    "both": (_flipped(0), _flipped(1)),
    "quarters": (_turned, _flipped(0, 1)),
    "eighths": (_turned, _flipped(0), _flipped(1)),
}
"""What a symmetric brush does: each map of the square is applied to all there is so far. "quarters" turns, "eighths"
also mirrors."""


@dataclass(frozen=True)
class Stroke:
    """A line drawn with a brush, or a dab.

    Args:
        points: (n, 2) whole numbers from 0 to 255, x and y on the lattice; at least one.
        size: of the brush, its profile's standard deviation: one of ``SIZES``.
        strength: one of ``STRENGTHS``.
        eraser: whether it takes away.
        symmetry: one of ``SYMMETRIES``.
    """

    points: tuple[tuple[int, int], ...]
    size: float = 0.35
    strength: float = 1.0
    eraser: bool = False
    symmetry: str = "none"

    def __post_init__(self) -> None:
        allowed = f"at least one pair of whole numbers from 0 to {LATTICE - 1}"
        try:
            points = tuple((int(x), int(y)) for x, y in _lattice_points(self.points, allowed).tolist())
        except (TypeError, OverflowError) as error:
            raise checks.fail("points", self.points, allowed) from error
        for name, value in (
            ("points", points),
            ("size", _one_of("size", self.size, SIZES)),
            ("strength", _one_of("strength", self.strength, STRENGTHS)),
            ("eraser", checks.yes_or_no("eraser", self.eraser)),
            ("symmetry", checks.choice("symmetry", self.symmetry, SYMMETRIES)),
        ):
            object.__setattr__(self, name, value)


def _lattice_points(points: Any, allowed: str) -> Tensor:
    found = checks.array("points", points, allowed)
    inside = found.ndim == 2 and found.shape[1:] == (2,) and len(found) > 0
    if not inside or (found != found.round()).any() or found.min() < 0 or found.max() >= LATTICE:
        raise checks.fail("points", points, allowed)
    return found


def _one_of(name: str, value: Any, allowed: tuple[float, ...]) -> float:
    number = checks.number(name, value)
    if number not in allowed:
        raise checks.fail(name, value, "one of " + ", ".join(f"{one:g}" for one in allowed))
    return number


def stroke(way: Any, *, tolerance: float = 0.03, **brush: Any) -> Stroke:
    """The stroke along points in the plane, with as few points as keep it within ``tolerance``.

    Args:
        way: (n, 2) numbers; what lies outside of the square is brought to its edge.
        tolerance: how far the line may move, >= 0; half a lattice step, 0.02, comes on top.
        brush: size, strength, eraser and symmetry of the ``Stroke``.
    """
    way = checks.points("way", way, (2,)).detach().double().cpu().numpy()
    tolerance = checks.number("tolerance", tolerance, low=0.0)
    places = (way.clip(-EXTENT, EXTENT) / EXTENT + 1) * (LATTICE / 2) - 0.5
    kept = _simplified(places, tolerance * LATTICE / (2 * EXTENT)).round().clip(0, LATTICE - 1).astype(int).tolist()
    return Stroke(tuple((x, y) for (x, y), _ in itertools.groupby(kept)), **brush)


def _simplified(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Some of the ``points`` (n, 2), whose line has no point farther away than ``tolerance``.

    Douglas and Peucker, "Algorithms for the reduction of the number of points required to represent a digitized line",
    Cartographica 10, 1973: between two that are kept, the farthest is kept too, if it is too far.
    """
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        x, y = points[first + 1 : last].T
        away = _squared_distance(x, y, points[first], points[last])
        farthest = int(away.argmax())
        if away[farthest] > tolerance**2:
            middle = first + 1 + farthest
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return points[keep]


def _squared_distance(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From points (x, y), which broadcast, to the segment from ``a`` to ``b``, (2,) each."""
    x, y, (u, v) = x - a[0], y - a[1], b - a
    along = np.clip((x * u + y * v) / max(u * u + v * v, 1e-300), 0.0, 1.0)
    return (x - along * u) ** 2 + (y - along * v) ** 2


def write(strokes: Iterable[Stroke]) -> str:
    """The text of a painting; ``read`` gives the strokes back.

    Raises:
        ValueError: no strokes, or more than a text may hold.
    """
    text = PREFIX + ".".join(_written(one) for one in _checked(strokes))
    if len(text) > LONGEST:
        raise ValueError(
            f"the painting is full: it takes {len(text):,} characters; allowed: {LONGEST:,}. Undo some strokes"
        )
    return text


def _checked(strokes: Any) -> tuple[Stroke, ...]:
    try:
        found = tuple(strokes)
    except TypeError as error:
        raise checks.fail("strokes", strokes, "painting.Strokes") from error
    if not all(isinstance(one, Stroke) for one in found):
        raise checks.fail("strokes", strokes, "painting.Strokes")
    return found


def _written(stroke: Stroke) -> str:
    brush = (SIZES.index(stroke.size) * len(STRENGTHS) + STRENGTHS.index(stroke.strength)) * 2 + stroke.eraser
    parts = [_DIGITS[brush], _DIGITS[list(SYMMETRIES).index(stroke.symmetry)], _placed(*stroke.points[0])]
    for (a, b), (x, y) in itertools.pairwise(stroke.points):
        near = abs(x - a) < _NEAR and abs(y - b) < _NEAR
        parts.append(_DIGITS[x - a + _NEAR] + _DIGITS[y - b + _NEAR] if near else _FAR + _placed(x, y))
    return "".join(parts)


def _placed(x: int, y: int) -> str:
    place = x * LATTICE + y
    return _DIGITS[place >> 12] + _DIGITS[place >> 6 & 63] + _DIGITS[place & 63]


def read(text: str) -> tuple[Stroke, ...]:
    """The strokes of a painting's text.

    Raises:
        ValueError: it is not a text that ``write`` writes.
    """
    if not isinstance(text, str) or not text.startswith(PREFIX):
        raise checks.fail("painting", text, _ALLOWED)
    if len(text) > LONGEST:
        raise ValueError(f"the painting's text has {len(text):,} characters; allowed: {LONGEST:,}")
    body = text.removeprefix(PREFIX)
    strokes = tuple(_stroke_of(part, k + 1) for k, part in enumerate(body.split("."))) if body else ()
    if write(strokes) != text:  # two texts of one painting would be kept as two
        raise ValueError("the painting's text is damaged: it is not as the lab writes it")
    return strokes


def _stroke_of(text: str, number: int) -> Stroke:
    try:
        values = [_VALUES[digit] for digit in text]
        brush, symmetry = values[0], values[1]
        points, at = [_place(values[2:5])], 5
        while at < len(values):
            if values[at] == _VALUES[_FAR]:
                points.append(_place(values[at + 1 : at + 4]))
                at += 4
            else:
                x, y = points[-1]
                points.append((x + values[at] - _NEAR, y + values[at + 1] - _NEAR))
                at += 2
        return Stroke(
            tuple(points),
            SIZES[brush // 2 // len(STRENGTHS)],
            STRENGTHS[brush // 2 % len(STRENGTHS)],
            bool(brush % 2),
            list(SYMMETRIES)[symmetry],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"the painting's text is damaged at its stroke {number}") from error


def _place(values: list[int]) -> tuple[int, int]:
    high, middle, low = values
    return divmod((high << 12) + (middle << 6) + low, LATTICE)


def canvas(strokes: Iterable[Stroke], side: int = SIDE) -> Tensor:
    """The picture, (side, side) indexed [x, y], from 0 to 1, float64; see above for how it is painted.

    Args:
        strokes: in the order in which they were made.
        side: pixels an axis, 16 to 1024.
    """
    found, side = _checked(strokes), checks.integer("side", side, low=16, high=1024)
    begun: tuple[Stroke, ...] = ()
    ink = np.zeros((side, side))
    for (known, its_side), picture in list(_canvases.items()):
        if its_side == side and len(begun) < len(known) and found[: len(known)] == known:
            begun, ink = known, picture
    for k in range(len(begun), len(found)):
        if k == len(found) - 1:
            _remember(found[:-1], side, ink)  # the last stroke may be one that grows
        cover = _cover(found[k], side)
        ink = ink * (1 - cover) if found[k].eraser else ink + (1 - ink) * cover
    _remember(found, side, ink)
    return torch.from_numpy(ink.copy())


_canvases: dict[tuple[tuple[Stroke, ...], int], np.ndarray] = {}
"""the last ones, the newest at the end: whoever paints adds a stroke, or undoes one"""


def _remember(strokes: tuple[Stroke, ...], side: int, ink: np.ndarray) -> None:
    _canvases.pop((strokes, side), None)
    _canvases[strokes, side] = ink
    for oldest in list(_canvases)[:-CANVASES]:
        _canvases.pop(oldest, None)


@functools.lru_cache(maxsize=128)  # while one paints, all strokes but the last stay what they are
def _cover(stroke: Stroke, side: int) -> np.ndarray:
    """How much a stroke covers of each pixel, (side, side)."""
    step = 2 * EXTENT / side
    centres = (np.arange(side) + 0.5) * step - EXTENT
    places = (np.array(stroke.points) + 0.5) * (2 * EXTENT / LATTICE) - EXTENT
    ends = [(places[0], places[0])] if len(places) == 1 else list(itertools.pairwise(places))
    reach = REACH * stroke.size
    away = np.full((side, side), np.inf)
    for a, b in ends:
        first = np.maximum(np.floor((np.minimum(a, b) - reach + EXTENT) / step).astype(int), 0)
        last = np.ceil((np.maximum(a, b) + reach + EXTENT) / step).astype(int)
        here = (slice(first[0], last[0]), slice(first[1], last[1]))
        near = _squared_distance(centres[here[0], None], centres[here[1]], a, b)
        np.minimum(away[here], near, out=away[here])
    cover = np.where(away > reach**2, 0.0, stroke.strength * np.exp(-away / (2 * stroke.size**2)))
    for image in SYMMETRIES[stroke.symmetry]:
        cover = np.maximum(cover, image(cover))
    cover.setflags(write=False)
    return cover


def check_inked(strokes: Iterable[Stroke]) -> Tensor:
    """The ``canvas``.

    Raises:
        ValueError: one sees nothing on it.
    """
    ink = canvas(strokes)
    if float(ink.max()) < BLANK:
        raise ValueError("the painting is empty; allowed: some ink, from which a density can be made. Paint something")
    return ink


def target(strokes: Iterable[Stroke]) -> Cloud:
    """The density that one sees painted: ink is probability. At most ``MOST`` equal round Gaussians.

    They stand on a lattice, as fine a one as their number allows, and their weights are fitted to the picture by
    expectation maximisation, so that a line is about as thin as it was painted.

    Raises:
        ValueError: nothing is painted.
    """
    ink = check_inked(strokes)
    grid = Grid(2, SIDE, EXTENT)
    for n in STEPS:
        lattice = Grid(2, n, EXTENT)
        std = WIDTH * lattice.dx
        away = (grid.coordinates[:, None] - lattice.coordinates) / std
        bells = (-away.square() / 2).exp() * (grid.dx / std / (2 * math.pi) ** 0.5)  # (SIDE, n): a pixel's share
        start = bells.T @ (ink / ink.sum()) @ bells
        if n > STEPS[-1] and int(_heavy(start).sum()) > 2 * MOST:  # fitting does not make them so few
            continue
        weights = _fitted(ink / ink.sum(), bells, start)
        kept = _heavy(weights)
        if int(kept.sum()) <= MOST:
            break
    return Cloud(weights[kept], lattice.points[kept], std, "painting")


def _fitted(share: Tensor, bells: Tensor, weights: Tensor) -> Tensor:
    """Weights (n, n) of Gaussians whose mixture comes as near to ``share`` (SIDE, SIDE) as its likelihood can tell."""
    for _ in range(FITTING):
        density = (bells @ weights @ bells.T).clamp_min_(1e-300)
        weights = weights * (bells.T @ (share / density) @ bells)
    return weights


def _heavy(weights: Tensor) -> Tensor:
    """Those that remain if the lightest are left out, up to a share ``SPARED`` of the sum; equal ones stay together."""
    ordered = weights.flatten().sort().values
    least = ordered[int((ordered.cumsum(0) <= SPARED * ordered.sum()).sum())]
    return weights >= least * (1 - 1e-9)


@dataclass(frozen=True)
class Painted:
    """The ink at a point as a reward, in [0, 1]: cubic between the pixels, constant beyond those at the edge.

    An eraser brings it back to 0, never below. The convolution is Keys', "Cubic convolution interpolation for digital
    image processing", IEEE Trans. ASSP 29, 1981: its gradient is right too, which that of ``grid_sample`` is not.
    """

    strokes: tuple[Stroke, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "strokes", _checked(self.strokes))

    @functools.cached_property
    @torch.inference_mode(False)
    def ink(self) -> Tensor:
        """The picture, (SIDE, SIDE) indexed [x, y]."""
        return canvas(self.strokes)

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n,)."""
        x = checks.points("x", x, (2,))
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        place = ((x / EXTENT + 1) * (SIDE / 2) - 0.5).clamp(0, SIDE - 1)  # in pixels
        pixel = place.detach().floor().clamp(0, SIDE - 2)
        near = (pixel.long()[..., None] + torch.arange(-1, 3, device=x.device)).clamp(0, SIDE - 1)  # (n, 2, 4)
        rows, columns = _keys(place - pixel).unbind(1)  # (n, 4) each
        ink = self.ink.to(x)[near[:, 0, :, None], near[:, 1, None, :]]  # (n, 4, 4)
        return torch.einsum("ni,nij,nj->n", rows, ink, columns).clamp(0, 1)


def _keys(s: Tensor) -> Tensor:
    """The weights of the four pixels around a place a share ``s`` of the way from the second to the third: (*, 4)."""
    a, b, c = s * (1 - s).square(), s.square() * (1 - s), s.square() * (3 - 2 * s)
    return torch.stack([-a / 2, 1 - c + b / 2, c + a / 2, -b / 2], -1)
