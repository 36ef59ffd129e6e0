"""Each thing alone, drawn on a small tile: real handwriting with another pen and another lean, and shapes by formula.

A digit is a real one of 8 x 8 pixels, read as a landscape: ink is where it is higher than the pen's level. A low level
is a bold pen, a high one a thin pen. A shear makes it lean. What "bold" and "slanted" mean is then measured: ink and
slant of the training digits, drawn with all pens and leans, have a lower and an upper third for each digit, and a word
belongs to each. What lies between carries neither.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from orwlab.data.captions.grammar import DIGITS, LEANS, SHAPES, THINGS, WEIGHTS
from orwlab.data.labelled import digits

TILE = 12
"""pixels of a tile's side: what leans needs more than 8"""
SHARE = 0.3
"""of the training digits of a kind that are bold, and that are thin; likewise for slanted and upright"""
_FINE = 3  # points across a pixel
_SOFT = 0.4  # of the levels over which ink fades
_PENS = {"bold": (0.30, 0.38), None: (0.30, 0.58), "thin": (0.50, 0.58)}  # levels
_SHEARS = {"slanted": (0.28, 0.45), None: (-0.05, 0.45), "upright": (-0.05, 0.12)}  # columns to the right per row up
_SIZES = {"square": (2.7, 3.7), "disc": (3.0, 4.0), "ring": (3.3, 4.1), "cross": (3.3, 4.1), "triangle": (3.8, 4.7)}
_HOLE, _ARM = 0.5, 0.33  # of a ring's radius, half the width of a cross's arm


@dataclass(frozen=True)
class Limits:
    """Where a digit's words begin, each (10,): ink in pixels, slant in columns to the right per row up."""

    thin: Tensor  # at most
    bold: Tensor  # at least
    upright: Tensor  # at most
    slanted: Tensor  # at least

    def of(self, word: str, digit: str) -> float:
        """Where ``word`` begins for a ``digit``."""
        return float(getattr(self, word)[DIGITS.index(digit)])


@functools.cache
def limits() -> Limits:
    """The words' limits, from every training digit drawn with 24 pens and leans."""
    generator, count = torch.Generator().manual_seed(0), 24
    _, labels, _ = _handwriting("train")
    rows = torch.arange(len(labels)).repeat(count)
    tiles = _written("train", rows, _uniform([_PENS[None]] * len(rows), generator), _uniform(
        [_SHEARS[None]] * len(rows), generator), generator)  # fmt: skip
    measured, which = (ink(tiles), slant(tiles)), labels[rows]
    share = [
        torch.stack([of[which == digit].quantile(q) for digit in range(10)])
        for of in measured
        for q in (SHARE, 1 - SHARE)
    ]
    return Limits(*share)


def ink(cover: Tensor) -> Tensor:
    """How much ink there is on each of (n, h, w), cover 0 .. 1: (n,), in pixels."""
    return cover.sum((1, 2))


def middle(cover: Tensor) -> Tensor:
    """The middle of the ink on each of (n, h, w): (n, 2), down and across from the middle of the first pixel."""
    down, across = _places(cover)
    whole = ink(cover).clamp(min=1e-6)
    return torch.stack([(cover * down).sum((1, 2)) / whole, (cover * across).sum((1, 2)) / whole], 1)


def slant(cover: Tensor) -> Tensor:
    """How far the ink on each of (n, h, w) leans: (n,), columns to the right per row up; a shear adds to it.

    The slope of the ink's columns over its rows, from its second moments.
    """
    down, across = _places(cover)
    centre = middle(cover)[..., None, None]
    down, across = down - centre[:, 0], across - centre[:, 1]
    return -(cover * across * down).sum((1, 2)) / (cover * down.square()).sum((1, 2)).clamp(min=1e-6)


def _places(cover: Tensor) -> tuple[Tensor, Tensor]:
    height, width = cover.shape[1:]
    return torch.arange(height).to(cover)[:, None], torch.arange(width).to(cover)[None]


def words_of(thing: Tensor, tiles: Tensor) -> tuple[Tensor, Tensor]:
    """Which manners tiles have, by their things: places in WEIGHTS and in LEANS, (n,) each, -1 for neither word."""
    ends, digit = limits(), thing.clamp(max=9)
    weight, lean = torch.full((2, len(thing)), -1)
    weight[ink(tiles) >= ends.bold[digit]] = WEIGHTS.index("bold")
    weight[ink(tiles) <= ends.thin[digit]] = WEIGHTS.index("thin")
    lean[slant(tiles) >= ends.slanted[digit]] = LEANS.index("slanted")
    lean[slant(tiles) <= ends.upright[digit]] = LEANS.index("upright")
    shape = thing >= len(DIGITS)
    return weight.masked_fill(shape, -1), lean.masked_fill(shape, -1)


def tiles(thing: Tensor, weight: Tensor, lean: Tensor, split: str, generator: torch.Generator) -> Tensor:
    """Each thing on its own tile, cover 0 .. 1: (n, 12, 12).

    Args:
        thing: (n,), places in THINGS.
        weight: (n,), places in WEIGHTS, which each digit is to have; -1 where any will do.
        lean: (n,), likewise in LEANS.
        split: whose handwriting, "train" or "test".
        generator: of all that varies.
    """
    found = torch.zeros(len(thing), TILE, TILE, dtype=torch.float32)
    shapes = (thing >= len(DIGITS)).nonzero()[:, 0]
    if len(shapes):
        names = [THINGS[k] for k in thing[shapes].tolist()]
        radius = _uniform([_SIZES[name] for name in names], generator)
        place = torch.rand(len(shapes), 2, generator=generator, dtype=torch.float32) - 0.5 + (TILE - 1) / 2
        for name in SHAPES:
            rows = torch.tensor([k for k, other in enumerate(names) if other == name], dtype=torch.long)
            found[shapes[rows]] = shape(name, place[rows], radius[rows], TILE)
    todo = (thing < len(DIGITS)).nonzero()[:, 0]
    _, _, starts = _handwriting(split)
    while len(todo):  # a pen and a lean that make a word likely do not make it certain: what lacks it is drawn again
        kinds, heavy, leaning = thing[todo], weight[todo], lean[todo]
        counts = (starts[1:] - starts[:-1])[kinds]
        rows = starts[kinds] + (torch.rand(len(todo), generator=generator, dtype=torch.float32) * counts).long().clamp(
            max=counts - 1
        )
        level = _uniform([_PENS[WEIGHTS[k] if k >= 0 else None] for k in heavy.tolist()], generator)
        shear = _uniform([_SHEARS[LEANS[k] if k >= 0 else None] for k in leaning.tolist()], generator)
        found[todo] = _written(split, rows, level, shear, generator)
        is_heavy, is_leaning = words_of(kinds, found[todo])
        todo = todo[((heavy >= 0) & (is_heavy != heavy)) | ((leaning >= 0) & (is_leaning != leaning))]
    return found


def shape(name: str, place: Tensor, radius: Tensor, side: int) -> Tensor:
    """A shape with smooth edges on each of ``side`` x ``side`` pixels, cover 0 .. 1: (n, side, side).

    Args:
        name: one of SHAPES.
        place: of its middle, (n, 2), down and across from the middle of the first pixel.
        radius: (n,), half a square's side, from the middle to a triangle's corner, to the end of a cross's arm.
        side: pixels.
    """
    line = torch.arange(side, dtype=torch.float32)
    y, x = line[None, :, None] - place[:, 0, None, None], line[None, None, :] - place[:, 1, None, None]
    r = radius[:, None, None]
    if name == "square":
        outside = torch.maximum(x.abs(), y.abs()) - r
    elif name == "cross":
        long, short = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
        outside = torch.maximum(long - r, short - _ARM * r)
    elif name == "triangle":  # its base lies half as far below the middle as its top lies above
        outside = torch.maximum(y - r / 2, (3**0.5 * x.abs() - y - r) / 2)
    else:
        away = (x.square() + y.square()).sqrt()
        outside = away - r if name == "disc" else torch.maximum(away - r, _HOLE * r - away)
    return (0.5 - outside).clamp(0, 1)  # an edge that crosses a pixel leaves as much of it inked as lies within


@functools.cache
def _handwriting(split: str) -> tuple[Tensor, Tensor, Tensor]:
    """Real digits in the order of their labels, cover (n, 1, 8, 8); the labels; and where each begins, (11,)."""
    images, labels = digits(split)
    order = labels.argsort(stable=True)
    starts = F.pad(labels.bincount(minlength=10).cumsum(0), (1, 0))
    return (images[order] + 1) / 2, labels[order], starts


def _written(split: str, rows: Tensor, level: Tensor, shear: Tensor, generator: torch.Generator) -> Tensor:
    """Real digits with a pen and a lean each, half a pixel here or there: (n, 12, 12)."""
    shift = torch.rand(len(rows), 2, generator=generator, dtype=torch.float32) - 0.5
    line = (torch.arange(TILE * _FINE, dtype=torch.float32) + 0.5) / _FINE - TILE / 2
    y = line[None, :, None] - shift[:, 0, None, None]
    x = line[None, None, :] - shift[:, 1, None, None] + shear[:, None, None] * y
    y = y.expand_as(x)
    image = F.pad(_handwriting(split)[0][rows], (2, 2, 2, 2))  # 12 x 12: empty paper around it
    height = F.grid_sample(image, torch.stack([x, y], -1) / (TILE / 2), mode="bicubic", align_corners=False)
    fine = ((height - level[:, None, None, None]) / _SOFT + 0.5).clamp(0, 1)
    return F.avg_pool2d(fine, _FINE)[:, 0]


def _uniform(ranges: list[tuple[float, float]], generator: torch.Generator) -> Tensor:
    """A number from each range, (n,)."""
    low, high = torch.tensor(ranges, dtype=torch.float32).reshape(-1, 2).unbind(1)
    return low + (high - low) * torch.rand(len(ranges), generator=generator, dtype=torch.float32)
