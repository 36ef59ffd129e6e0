"""Pictures for sentences, and sentences for pictures: things on white, 24 x 24 pixels, nowhere touching."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from orwlab import checks
from orwlab.data.captions import pens
from orwlab.data.captions.grammar import (
    COLOURS,
    CONVERSE,
    DIGITS,
    LEANS,
    MOST,
    RELATIONS,
    SHAPES,
    THINGS,
    WEIGHTS,
    Group,
    Scene,
)
from orwlab.data.captions.splits import HELD_OUT_COLOURS, HELD_OUT_RELATIONS, SPLITS, held_out
from orwlab.data.captions.tokens import checked

SIDE = 24
"""pixels of a picture's side"""
GAP = 2
"""empty rows or columns between two things, at least"""
TILT = 30.0
"""degrees between "left of" and where the first thing lies, at most; so for every relation"""
FAINT = 0.05
"""cover of a pixel below which nobody sees it"""

TOWARDS = {"left of": (0, -1), "right of": (0, 1), "above": (-1, 0), "below": (1, 0)}
"""where the first thing lies, seen from the second: down, across"""
PALETTE = torch.tensor(
    [[int(code[k : k + 2], 16) / 255 for k in (1, 3, 5)] for code in COLOURS.values()], dtype=torch.float32
)
"""the colours, (5, 3): red, green, blue, 0 .. 1"""

_KINDS = (1, 2, 3, "pair")
_ODDS = torch.tensor([0.3, 0.15, 0.15, 0.4], dtype=torch.float32)  # of a thing, two alike, three alike, two things
_TRIES = 64  # places that are looked at together
_TOGETHER = 2048  # pictures that are in the making: more would only take memory
_APART = torch.tensor([[(colour, thing) in HELD_OUT_COLOURS for thing in THINGS] for colour in COLOURS])
_APART_PAIRS = torch.tensor(
    [[[(a, relation, b) in HELD_OUT_RELATIONS for b in THINGS] for a in THINGS] for relation in RELATIONS]
)


def sample(
    n: int, split: str = "train", *, whole: bool = False, generator: torch.Generator
) -> tuple[Tensor, list[Scene]]:
    """``n`` pictures (n, 3, 24, 24) in [-1, 1] and what is said of each: some of what is true, or all of it.

    Three in ten show one thing, three in ten two or three alike, four in ten two things of which one is left of, right
    of, above or below the other. Things, colours, relations and handwriting are equally likely, as far as the split
    allows. Two digits in three were given a weight on purpose, the others have one by chance or none; so with their
    lean.

    Args:
        n: how many.
        split: "train"; "test": the same combinations of words in handwriting that is not in "train"; or "held_out":
            the combinations that are in neither (``HELD_OUT_COLOURS``, ``HELD_OUT_RELATIONS``), at least one in each
            sentence, in the handwriting of "test".
        whole: say all that is true, in place of a random part; the pictures are the same.
        generator: of all that is random.

    Raises:
        ValueError: no such split, or ``n`` below 1.
    """
    n, split = checks.integer("n", n), checks.choice("split", split, SPLITS)
    whole, generator = checks.yes_or_no("whole", whole), checks.generator("generator", generator)
    asked = _scenes(n, split, generator)
    aims = [
        torch.where(
            torch.rand(n, 2, generator=generator, dtype=torch.float32) < 2 / 3,
            torch.randint(2, (n, 2), generator=generator),
            -1,
        )
        for _ in range(2)
    ]  # weight and lean of each group: one or the other on purpose, or as it comes
    pictures, scenes = _composed(asked, aims[0], aims[1], split, generator)
    said = [_short(scene, split, generator) for scene in scenes]
    return pictures, scenes if whole else said


def draw(texts: Sequence[str | Scene], split: str = "test", *, generator: torch.Generator) -> Tensor:
    """A picture for each sentence, (n, 3, 24, 24) in [-1, 1]. What is left unsaid is chosen by chance.

    Args:
        texts: sentences as ``parse`` takes them, or scenes.
        split: whose handwriting, and which combinations: "train" and "test" add none that are held out, and "train"
            takes none either.
        generator: of all that is random.

    Raises:
        ValueError: a sentence that is not understood, or that does not belong to the split.
    """
    scenes, split = checked(texts), checks.choice("split", split, SPLITS)
    generator = checks.generator("generator", generator)
    for scene in scenes:
        if split == "train" and held_out(scene):
            raise checks.fail("texts", str(scene), 'sentences without held-out combinations, or split="test"')
        if split == "held_out" and not held_out(scene):
            raise checks.fail("texts", str(scene), 'sentences with a held-out combination, or split="test"')
    asked = [_completed(scene, generator) for scene in scenes]
    weight, lean = (torch.full((len(asked), 2), -1) for _ in range(2))
    for row, scene in enumerate(asked):
        for k, group in enumerate(scene.groups):
            weight[row, k] = -1 if group.weight is None else WEIGHTS.index(group.weight)
            lean[row, k] = -1 if group.lean is None else LEANS.index(group.lean)
    return _composed(asked, weight, lean, split, generator)[0]


def shortened(scene: Scene, *, generator: torch.Generator) -> Scene:
    """A random part of what a scene says: the things and how many there are, and some of the rest.

    How talkative it is varies: each word is kept with the same chance, which is drawn first. Of two things either may
    come first.
    """
    if not isinstance(scene, Scene):
        raise checks.fail("scene", scene, "a Scene, such as parse gives")
    talkative, turn, place, *kept = torch.rand(
        9, generator=checks.generator("generator", generator), dtype=torch.float32
    ).tolist()
    keep = [value < 0.2 + talkative for value in kept]
    groups = tuple(
        replace(
            group,
            colour=group.colour if keep[3 * k] else None,
            weight=group.weight if keep[3 * k + 1] else None,
            lean=group.lean if keep[3 * k + 2] else None,
        )
        for k, group in enumerate(scene.groups)
    )
    found = Scene(groups, scene.relation if place < 0.2 + talkative else None)
    return found.turned() if turn < 0.5 else found


def altered(scene: Scene, *, generator: torch.Generator) -> Scene:
    """A near miss: the same sentence with one thing wrong, so that it is false wherever the sentence says all there is.

    Where a relation is said it is turned round every second time. Otherwise, where two things differ in colour, these
    are exchanged every second time. Otherwise one word that is said, a thing or its number is another of its kind.

    Raises:
        ValueError: no scene, or one that says nothing.
    """
    if not isinstance(scene, Scene) or not scene.groups:
        raise checks.fail("scene", scene, "a Scene that says something, such as parse gives")
    generator = checks.generator("generator", generator)
    pick = lambda among: among[int(torch.randint(len(among), (), generator=generator))]  # noqa: E731
    if scene.relation is not None and pick((True, False)):
        return Scene(scene.groups, CONVERSE[scene.relation])
    colours = [group.colour for group in scene.groups]
    if len({*colours} - {None}) == 2 and pick((True, False)):
        groups = [replace(group, colour=colour) for group, colour in zip(scene.groups, colours[::-1])]
        return Scene(tuple(groups), scene.relation)
    place = pick(range(len(scene.groups)))
    group = scene.groups[place]
    alike = next(kind for kind in (DIGITS, SHAPES) if group.thing in kind)
    allowed: dict[str, tuple[Any, ...]] = {"thing": alike, "colour": tuple(COLOURS), "weight": WEIGHTS, "lean": LEANS}
    if len(scene.groups) == 1:
        allowed["count"] = tuple(range(1, MOST + 1))
    name = pick([name for name in allowed if getattr(group, name) is not None])
    wrong = replace(group, **{name: pick([word for word in allowed[name] if word != getattr(group, name)])})
    return Scene((*scene.groups[:place], wrong, *scene.groups[place + 1 :]), scene.relation)


def _short(scene: Scene, split: str, generator: torch.Generator) -> Scene:
    """A part of a scene that is held out where the split says so."""
    found = shortened(scene, generator=generator)
    while split == "held_out" and not held_out(found):
        found = shortened(scene, generator=generator)
    return found


def _scenes(n: int, split: str, generator: torch.Generator) -> list[Scene]:
    """What is to be seen, but for the manners of digits."""
    kind = torch.multinomial(_ODDS, n, replacement=True, generator=generator)
    pair = kind == _KINDS.index("pair")
    colour, thing, relation = (torch.zeros(n, k, dtype=torch.long) for k in (2, 2, 1))
    todo = torch.arange(n)
    while len(todo):
        for drawn, most in ((colour, len(COLOURS)), (thing, len(THINGS)), (relation, len(RELATIONS))):
            drawn[todo] = torch.randint(most, (len(todo), drawn.shape[1]), generator=generator)
        c, t, r, two = colour[todo], thing[todo], relation[todo, 0], pair[todo]
        apart = _APART[c, t]  # (m, 2)
        kept_back = apart[:, 0] | (two & (apart[:, 1] | _APART_PAIRS[r, t[:, 0], t[:, 1]]))
        todo = todo[kept_back != (split == "held_out")]
    names, found = list(COLOURS), []
    for k, c, t, (r,) in zip(kind.tolist(), colour.tolist(), thing.tolist(), relation.tolist()):
        groups = [Group(THINGS[a], colour=names[b]) for a, b in zip(t, c)]
        found.append(
            Scene(tuple(groups), RELATIONS[r]) if _KINDS[k] == "pair" else Scene((replace(groups[0], count=k + 1),))
        )
    return found


def _completed(scene: Scene, generator: torch.Generator) -> Scene:
    """What a scene leaves unsaid, but for manners, is chosen by chance among what is not held out."""
    pick = lambda among: among[int(torch.randint(len(among), (), generator=generator))]  # noqa: E731
    if not scene.groups:
        return _scenes(1, "train", generator)[0]
    groups = tuple(
        replace(group, colour=group.colour or pick([c for c in COLOURS if (c, group.thing) not in HELD_OUT_COLOURS]))
        for group in scene.groups
    )
    if len(groups) == 1:
        return Scene(groups)
    free = [r for r in RELATIONS if (groups[0].thing, r, groups[1].thing) not in HELD_OUT_RELATIONS]
    return Scene(groups, scene.relation or pick(free))


def _composed(
    scenes: list[Scene], weight: Tensor, lean: Tensor, split: str, generator: torch.Generator
) -> tuple[Tensor, list[Scene]]:
    """Pictures of whole scenes, and these with the manners that the digits turned out to have.

    Args:
        scenes: with colours and relations.
        weight: (n, 2), of each group, the place in WEIGHTS; -1 where any will do.
        lean: (n, 2), likewise in LEANS.
        split: whose handwriting.
        generator: of all that is random.
    """
    pictures, told = [], []
    for k in range(0, len(scenes), _TOGETHER):
        some = slice(k, k + _TOGETHER)
        images, whole = _some_composed(scenes[some], weight[some], lean[some], split, generator)
        pictures.append(images)
        told += whole
    return torch.cat(pictures), told


def _some_composed(
    scenes: list[Scene], weight: Tensor, lean: Tensor, split: str, generator: torch.Generator
) -> tuple[Tensor, list[Scene]]:
    n, colours = len(scenes), list(COLOURS)
    relation = torch.tensor([-1 if scene.relation is None else RELATIONS.index(scene.relation) for scene in scenes])
    slots = []  # each picture has room for three things: of which group each is, which thing, which colour
    for scene in scenes:
        inside = [
            (k, THINGS.index(one.thing), colours.index(one.colour or ""))
            for k, one in enumerate(scene.groups)
            for _ in range(one.count)
        ]
        slots.append(inside + [(-1, 0, 0)] * (MOST - len(inside)))
    group, thing, colour = torch.tensor(slots).permute(2, 0, 1)
    there = group >= 0
    rows, place = there.nonzero(as_tuple=True)
    kinds, whose = thing[rows, place], group[rows, place]
    writing = "train" if split == "train" else "test"
    cover = torch.zeros(n, MOST, pens.TILE, pens.TILE, dtype=torch.float32)
    cover[rows, place] = pens.tiles(kinds, weight[rows, whose], lean[rows, whose], writing, generator)
    pictures = _pasted(cover, PALETTE[colour], _placed(cover, there, relation, generator))
    manners = torch.full((2, n, MOST), -1)
    manners[:, rows, place] = torch.stack(pens.words_of(kinds, cover[rows, place]))
    heavy, leaning = manners.tolist()
    return pictures, [_told(*found) for found in zip(scenes, heavy, leaning)]


def _told(scene: Scene, heavy: list[int], leaning: list[int]) -> Scene:
    """A scene with the manners that all things of a group have."""
    groups, place = [], 0
    for group in scene.groups:
        ends = slice(place, place + group.count)
        (a, *more), (b, *others) = (sorted(set(part[ends])) for part in (heavy, leaning))
        weight = None if more or a < 0 else WEIGHTS[a]
        groups.append(replace(group, weight=weight, lean=None if others or b < 0 else LEANS[b]))
        place += group.count
    return Scene(tuple(groups), scene.relation)


def _placed(cover: Tensor, there: Tensor, relation: Tensor, generator: torch.Generator) -> Tensor:
    """Where the tiles' corners lie in the pictures, (n, 3, 2), down and across: no two things near, all on the canvas.

    Places are drawn until they fit; that there are such places for the largest tiles is what ``pens`` takes care of.
    """
    seen = cover > FAINT
    ends = []
    for axis in (3, 2):  # rows that hold ink, then columns
        line = seen.any(axis)  # (n, 3, 12)
        first = line.float().argmax(2)
        last = pens.TILE - 1 - line.flip(2).float().argmax(2)
        ends.append(torch.stack([first, torch.where(there, last, first)]))
    first, last = torch.stack(ends, -1)  # (n, 3, 2) each
    size = last - first + 1
    centre = pens.middle(cover.flatten(0, 1)).reshape(*there.shape, 2)
    towards = torch.tensor([*TOWARDS.values(), (0, 0)], dtype=torch.float32)[relation]  # (n, 2)
    found = torch.zeros_like(first)
    todo = torch.arange(len(cover))
    while len(todo):
        room = (SIDE - size[todo] + 1)[:, None]
        corner = (
            (torch.rand(len(todo), _TRIES, MOST, 2, generator=generator, dtype=torch.float32) * room)
            .long()
            .clamp(max=room - 1)
        )
        fits = torch.ones(len(todo), _TRIES, dtype=torch.bool)
        for a, b in ((0, 1), (0, 2), (1, 2)):
            before = corner[:, :, a] + size[todo, None, a] + GAP <= corner[:, :, b]
            after = corner[:, :, b] + size[todo, None, b] + GAP <= corner[:, :, a]
            both = (there[todo, a] & there[todo, b])[:, None]
            fits &= (before | after).any(2) | ~both
        where = corner - first[todo, None] + centre[todo, None]  # (m, tries, 3, 2), the things' middles
        way = where[:, :, 0] - where[:, :, 1]
        along = (way * towards[todo, None]).sum(2)
        fits &= (along >= math.cos(math.radians(TILT)) * way.norm(dim=2)) | (relation[todo] < 0)[:, None]
        best = fits.float().argmax(1)
        found[todo] = corner[torch.arange(len(todo)), best] - first[todo]
        todo = todo[~fits.any(1)]
    return found


def _pasted(cover: Tensor, colour: Tensor, corner: Tensor) -> Tensor:
    """Tiles of cover (n, 3, 12, 12) in their colours (n, 3, 3) at their corners (n, 3, 2), on white: pictures."""
    n, edge = len(cover), pens.TILE
    wide = SIDE + 2 * edge  # tiles may reach over the edge, where they are empty
    ink = torch.zeros(n, 3, wide, wide, dtype=torch.float32)
    line = torch.arange(edge)
    rows = torch.arange(n)[:, None, None]
    for k in range(MOST):
        down, across = ((corner[:, k, axis, None] + edge + line) for axis in (0, 1))
        part = cover[:, k, None] * (1 - colour[:, k])[:, :, None, None]  # (n, 3, 12, 12): what it takes from white
        ink[rows, :, down[:, :, None], across[:, None, :]] += part.permute(0, 2, 3, 1)
    return (1 - 2 * ink[:, :, edge:-edge, edge:-edge]).clamp(-1, 1).contiguous()
