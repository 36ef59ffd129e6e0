"""What can be read from pixels: which things there are, and whether a sentence is true of them.

Ink is what differs from white; pixels of ink that touch, or have one empty pixel between them, are one thing. Each
thing has a colour, an amount of ink, a slant, a place, and a likeness to each of the five shapes. Which digit it is
somebody else has to say: a classifier that gets each thing as an image of 8 x 8 pixels.

How far that goes, on 4,000 pictures of handwriting that nothing here was fitted to: of what is true, 0.998 is found
true for numbers, 0.999 for leans, 1.000 for colours, weights, shapes and relations. For the names of digits it is 0.93,
by ``digits_classifier`` on "test" and ``digits_judge`` on "train", the halves that they have not seen; eights and nines
are the worst. A classifier that learns from crops of "train" names 0.97 of those of "test". A wrong word is found
true in at most 2 of 1,000.

What breaks it: noise of standard deviation 0.1 costs weights six in a hundred and leans four, and noise of 0.3 makes
all of it useless. Two things with less than two empty pixels between them are one; a stroke that a thin pen breaks is
two. What leans to the left is upright, because "slanted" is to the right.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from orwlab import checks, foreign
from orwlab.data.captions import pens
from orwlab.data.captions.drawing import PALETTE, SIDE, TOWARDS
from orwlab.data.captions.grammar import COLOURS, DIGITS, NUMBERS, SHAPES, Group, Scene, parse
from orwlab.data.captions.tokens import checked

INK = 0.25
"""cover of a pixel from which it counts as ink"""
SPECK = 4.0
"""pixels of ink, less than which is no thing"""
PURE = 0.7
"""of a thing's ink that has to have a colour, for it to be of that colour"""
ALIKE = 0.95
"""likeness to a shape, from which a thing is one: the cosine between its pixels and the shape's"""
SURE = 0.5
"""probability of a digit, from which a thing is that digit"""
ACROSS = 45.0
"""degrees from "left of" to where a thing lies, up to which it is left of the other; so for every relation"""
KINDS = ("number", "thing", "colour", "weight", "lean", "relation")
"""what a word is about"""

_HUE = 0.35  # distance from the nearest colour's mixtures with white, beside a pixel's own from white: else it has none
_BRIGHT = 1.5  # a level above white's 1
_TOGETHER = 1024  # pictures that are looked at: more would only take memory
_MOST = 5  # things that are compared with a sentence, the largest

Names = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Thing:
    """A thing as it is seen.

    Attributes:
        colour: the one that most of its ink has.
        purity: of its ink that has this colour, 0 .. 1.
        ink: in pixels.
        slant: columns to the right per row up.
        middle: of its ink, rows down and columns across from the middle of the first pixel.
        box: first and last row, first and last column of its ink.
        likeness: to each of SHAPES, at most 1.
        crop: the thing alone, upright and 8 pixels high as handwritten digits are, (1, 8, 8) in [-1, 1].
    """

    colour: str
    purity: float
    ink: float
    slant: float
    middle: tuple[float, float]
    box: tuple[int, int, int, int]
    likeness: dict[str, float]
    crop: Tensor

    @property
    def shape(self) -> str | None:
        """The shape that it has, if any."""
        best = max(self.likeness, key=lambda name: self.likeness[name])
        return best if self.likeness[best] >= ALIKE else None


@dataclass(frozen=True)
class Row:
    """A word, and what was measured.

    Attributes:
        kind: what the word is about: one of KINDS.
        word: as the sentence has it; for a number of two different things, "and".
        holds: whether it is true; None where that was not asked: which digit, without a classifier.
        value: what was measured, of several things that of the worst; NaN if there is nothing to measure.
        limit: what it has to reach, or for "thin" and "upright", and degrees, what it must not pass. For a number, it
            itself.
    """

    kind: str
    word: str
    holds: bool | None
    value: float
    limit: float


def look(pictures: Any) -> list[tuple[Thing, ...]]:
    """The things on each picture, the largest first.

    Args:
        pictures: (n, 3, 24, 24), about -1 .. 1. What is darker than black counts as black; a little brighter than white
            may be, so that noise on white adds no ink.

    Raises:
        ValueError: no such pictures.
    """
    x = checks.points("pictures", pictures, (3, SIDE, SIDE)).detach().cpu().double().clamp(-1, _BRIGHT).float()
    return [things for k in range(0, len(x), _TOGETHER) for things in _look(x[k : k + _TOGETHER])]


def _look(x: Tensor) -> list[tuple[Thing, ...]]:
    taken = ((1 - x) / 2).permute(0, 2, 3, 1)  # what each pixel takes from white, (n, 24, 24, 3)
    cover, own, strength = _mixtures(taken)
    number, places, owner = _parts(strength.numpy())
    if not number:
        return [() for _ in x]
    part = torch.from_numpy(places)  # (n, 24, 24): 0 for none, else a number that no other picture has
    flat = part.flatten()
    total = lambda of: torch.zeros(number + 1).index_add_(0, flat, of)[1:]  # noqa: E731
    by_colour = torch.stack([total((strength * (own == k)).flatten()) for k in range(len(COLOURS))], 1)
    colour = by_colour.argmax(1)  # (m,)
    purity = by_colour.amax(1) / total(strength.flatten()).clamp(min=1e-6)
    rows = torch.from_numpy(owner)
    level = cover[rows].gather(3, colour[:, None, None, None].expand(-1, SIDE, SIDE, 1))[..., 0]
    alone = torch.where(part[rows] == torch.arange(1, number + 1)[:, None, None], level, 0.0)
    ink, slant, middle = pens.ink(alone), pens.slant(alone), pens.middle(alone)
    big = (ink >= SPECK).nonzero()[:, 0]
    boxes, likeness = _boxes(alone[big]), _likeness(alone[big], middle[big])
    crops = _crops(alone[big], middle[big], slant[big])
    found: list[list[Thing]] = [[] for _ in x]
    names = list(COLOURS)
    for k, m in enumerate(big.tolist()):
        found[owner[m]].append(
            Thing(
                names[int(colour[m])], float(purity[m]), float(ink[m]), float(slant[m]),
                (float(middle[m, 0]), float(middle[m, 1])), tuple(boxes[k].tolist()),
                dict(zip(SHAPES, likeness[k].tolist())), crops[k],
            )
        )  # fmt: skip
    return [tuple(sorted(things, key=lambda thing: -thing.ink)) for things in found]


def table(picture: Any, text: str | Scene, names: Names | None = None) -> list[Row]:
    """For each word of a sentence whether it is true of a picture, and what was measured.

    Where there are more things than the sentence says, it is about those of which most is true.

    Args:
        picture: (3, 24, 24), about -1 .. 1.
        text: a sentence as ``parse`` takes it, or a scene.
        names: crops (m, 1, 8, 8) -> probabilities of the ten digits (m, 10), such as ``lambda x:
            zoo.load("digits_judge")(x).softmax(1)``. None: which digit it is is not asked.

    Raises:
        ValueError: no such picture, a sentence that is not understood, or a classifier that answers otherwise.
    """
    scene = text if isinstance(text, Scene) else parse(text)
    allowed = f"finite real numbers of shape (3, {SIDE}, {SIDE})"
    x = checks.array("picture", picture, allowed)
    if x.shape != (3, SIDE, SIDE):
        raise checks.fail("picture", picture, allowed)
    return tables(x[None], [scene], names)[0]


def tables(pictures: Any, texts: Sequence[str | Scene], names: Names | None = None) -> list[list[Row]]:
    """A ``table`` for each of (n, 3, 24, 24) and its sentence; the classifier is asked once."""
    seen, scenes = look(pictures), checked(texts)
    if len(seen) != len(scenes):
        raise checks.fail("texts", f"a list of {len(scenes)}", f"one for each of {len(seen)} pictures")
    odds = iter(_odds([thing for things in seen for thing in things], names))
    return [_table([(thing, next(odds)) for thing in things], scene) for things, scene in zip(seen, scenes)]


def holds(pictures: Any, texts: Sequence[str | Scene], names: Names | None = None) -> Tensor:
    """Whether each sentence is true of its picture, as far as it was asked: (n,), bool. See ``table``."""
    return torch.tensor([all(row.holds is not False for row in rows) for rows in tables(pictures, texts, names)])


def agreement(pictures: Any, texts: Sequence[str | Scene], names: Names | None = None) -> Tensor:
    """Which share of each sentence's words is true of its picture: (n,), 0 .. 1; 1 where nothing is said.

    See ``table``; a word that was not asked does not count.
    """
    found = [[row.holds for row in rows if row.holds is not None] for rows in tables(pictures, texts, names)]
    return torch.tensor([sum(rows) / len(rows) if rows else 1.0 for rows in found])


# Pixels ---------------------------------------------------------------------------------------------------------------


def _mixtures(taken: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each pixel as a mixture of white with a colour.

    Returns:
        Its cover by each colour, (n, 24, 24, 5), at most 1, below 0 where it is brighter than white; which is nearest,
        (n, 24, 24), -1 where none is near: such ink counts, and makes no colour pure; and the cover by the nearest.
    """
    full = 1 - PALETTE  # (5, 3): what the colours themselves take from white
    cover = (taken @ full.T / full.square().sum(1)).clamp(max=1)
    off = (taken[..., None, :] - cover[..., None] * full).norm(dim=-1)
    least, nearest = off.min(-1)
    strength = cover.gather(-1, nearest[..., None])[..., 0].clamp(min=0)
    return cover, nearest.masked_fill(least > _HUE * taken.norm(dim=-1), -1), strength


def _parts(cover: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Connected parts: how many, (n, 24, 24) numbers from 1 in which pictures do not share any, and whose each is.

    A part takes the fainter pixels next to it along: the soft edge of its ink.
    """
    from scipy import ndimage

    mask = cover >= INK
    flat = np.zeros((3, 3, 3), dtype=bool)
    flat[1] = True  # neighbours within a picture
    near = mask.copy()  # with each pixel its right, lower and lower right neighbour: an empty pixel is bridged
    near[:, 1:] |= mask[:, :-1]
    near[:, :, 1:] |= near[:, :, :-1].copy()
    labels, number = ndimage.label(near, flat)
    labels[~mask] = 0
    edge = ndimage.grey_dilation(labels, footprint=flat)
    labels = np.where(mask, labels, edge)
    first = np.zeros(number, dtype=np.int64)
    where = np.nonzero(labels)
    first[labels[where] - 1] = where[0]
    return number, labels.astype(np.int64), first


def _boxes(alone: Tensor) -> Tensor:
    """First and last row, first and last column of ink: (m, 4)."""
    ends = []
    for axis in (2, 1):
        line = (alone >= INK).any(axis).float()
        ends += [line.argmax(1), SIDE - 1 - line.flip(1).argmax(1)]
    return torch.stack(ends, 1).reshape(-1, 4)


def _likeness(alone: Tensor, middle: Tensor) -> Tensor:
    """To each shape, (m, 5): the cosine with the pixels of the shape of the same middle and the same spread."""
    spread = _spread(alone, middle)
    found = []
    for name in SHAPES:
        centre = torch.tensor([[(SIDE - 1) / 2] * 2])
        unit = pens.shape(name, centre, torch.tensor([SIDE / 4]), SIDE)
        radius = spread * (SIDE / 4) / _spread(unit, centre)
        ideal = pens.shape(name, middle, radius, SIDE)
        found.append(F.cosine_similarity(ideal.flatten(1), alone.flatten(1)))
    return torch.stack(found, 1)


def _spread(alone: Tensor, middle: Tensor) -> Tensor:
    line = torch.arange(SIDE, dtype=torch.float32)
    away = (line[:, None] - middle[:, 0, None, None]).square() + (line - middle[:, 1, None, None]).square()
    return ((alone * away).sum((1, 2)) / pens.ink(alone).clamp(min=1e-6)).sqrt()


def _crops(alone: Tensor, middle: Tensor, slant: Tensor) -> Tensor:
    """Each thing alone, as a classifier of handwritten digits knows them: (m, 1, 8, 8), paper -1, ink 1.

    As high as the crop, upright, in the middle. Of the lean a fifth stays: some of it is the digit's own.
    """
    size = 8
    profile = alone.amax(2)
    profile = profile / profile.amax(1, keepdim=True).clamp(min=1e-6)
    top = (1 - profile.cummax(1).values).sum(1) - 0.5  # the edges of the ink, to a fraction of a pixel
    bottom = SIDE - (1 - profile.flip(1).cummax(1).values).sum(1) - 0.5
    height = (0.95 * (bottom - top)).clamp(min=7.5)[:, None]
    line = (torch.arange(size) + 0.5) / size - 0.5
    y = (((top + bottom) / 2)[:, None] + line * height)[:, :, None].expand(-1, -1, size)
    x = (middle[:, 1, None] + line * height)[:, None, :]
    x = x - 0.8 * slant[:, None, None] * (y - middle[:, 0, None, None])
    grid = (torch.stack([x, y], -1) + 0.5) * 2 / SIDE - 1
    return F.grid_sample(alone[:, None], grid, mode="bicubic", align_corners=False).clamp(0, 1) * 2 - 1


# Words ----------------------------------------------------------------------------------------------------------------


Seen = tuple[Thing, list[float] | None]  # a thing, and the probabilities of the digits if that was asked


def _odds(things: list[Thing], names: Names | None) -> list[list[float] | None]:
    if names is None:
        return [None] * len(things)
    allowed = "a callable (m, 1, 8, 8) -> probabilities of the ten digits, (m, 10), such as a network's softmax"
    if not callable(names):
        raise checks.fail("names", names, allowed)
    if not things:
        return []
    crops = foreign.at_home(names, torch.stack([thing.crop for thing in things]))
    try:
        with torch.no_grad(), foreign.at_rest(names):
            given = names(crops.clone())
    except Exception as error:
        raise ValueError(f"names raised {type(error).__name__}: {error}; allowed: {allowed}") from error
    odds = checks.array("names(crops)", given, allowed)
    if (
        odds.shape != (len(things), 10)
        or odds.min() < 0
        or not torch.allclose(odds.sum(1), odds.new_ones(()), atol=1e-2)
    ):
        raise checks.fail("names(crops)", odds, f"{allowed}; each row >= 0 with sum 1")
    return odds.tolist()


def _table(seen: list[Seen], scene: Scene) -> list[Row]:
    if not scene.groups:
        return []
    pair = len(scene.groups) == 2
    word = "and" if pair else NUMBERS[scene.count - 1]
    rows = [Row("number", word, len(seen) == scene.count, float(len(seen)), float(scene.count))]
    seen = seen[:_MOST]
    if not pair:
        chosen = itertools.combinations(seen, min(scene.count, len(seen)))
        return rows + max(([*_group(scene.groups[0], list(some))] for some in chosen), key=_true)
    if len(seen) < 2:
        ways = [(seen, []), ([], seen)]
    else:
        ways = [([a], [b]) for a, b in itertools.permutations(seen, 2)]
    return rows + max(([*_pair(scene, *way)] for way in ways), key=_true)


def _true(rows: list[Row]) -> int:
    return sum(row.holds is True for row in rows)


def _pair(scene: Scene, first: list[Seen], second: list[Seen]) -> list[Row]:
    rows = [*_group(scene.groups[0], first), *_group(scene.groups[1], second)]
    if scene.relation is not None:
        degrees = float("nan")
        if first and second:
            (a, _), (b, _) = first[0], second[0]
            way = torch.tensor(a.middle) - torch.tensor(b.middle)
            along = float(way @ torch.tensor(TOWARDS[scene.relation], dtype=torch.float32))
            degrees = float(
                torch.rad2deg(torch.atan2((way.square().sum() - along**2).clamp(min=0).sqrt(), torch.tensor(along)))
            )
        rows.append(Row("relation", scene.relation, degrees <= ACROSS, degrees, ACROSS))
    return rows


def _group(group: Group, seen: list[Seen]) -> list[Row]:
    """The words of a group, about the things that may be it: true if it is true of each, and of at least one."""
    rows = [_thing(group.thing, seen)]
    if group.weight is not None:
        rows.append(_manner("weight", group.weight, group.thing, [thing.ink for thing, _ in seen]))
    if group.lean is not None:
        rows.append(_manner("lean", group.lean, group.thing, [thing.slant for thing, _ in seen]))
    if group.colour is not None:
        pure = [thing.purity if thing.colour == group.colour else 1 - thing.purity for thing, _ in seen]
        right = [thing.colour == group.colour and thing.purity >= PURE for thing, _ in seen]
        rows.append(Row("colour", group.colour, bool(right) and all(right), min(pure, default=float("nan")), PURE))
    return rows


def _thing(name: str, seen: list[Seen]) -> Row:
    if name in SHAPES:
        value = min((thing.likeness[name] for thing, _ in seen), default=float("nan"))
        return Row("thing", name, bool(seen) and all(thing.shape == name for thing, _ in seen), value, ALIKE)
    if seen and any(odds is None for _, odds in seen):
        return Row("thing", name, None, float("nan"), SURE)
    # a classifier of digits takes a square for one of them: what has a shape is none
    sure = [0.0 if thing.shape else odds[DIGITS.index(name)] for thing, odds in seen if odds is not None]
    return Row("thing", name, bool(sure) and min(sure) >= SURE, min(sure, default=float("nan")), SURE)


def _manner(kind: str, word: str, digit: str, values: list[float]) -> Row:
    limit = pens.limits().of(word, digit)
    if not values:
        return Row(kind, word, False, float("nan"), limit)
    if word in ("bold", "slanted"):
        return Row(kind, word, min(values) >= limit, min(values), limit)
    return Row(kind, word, max(values) <= limit, max(values), limit)
