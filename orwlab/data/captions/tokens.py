"""Sentences as rows of whole numbers, as a text transformer takes them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab import checks
from orwlab.data.captions.grammar import (
    COLOURS,
    CONVERSE,
    LEANS,
    MOST,
    RELATIONS,
    THINGS,
    WEIGHTS,
    Group,
    Scene,
    parse,
)

NULL = ""
"""the sentence that says nothing, true of every picture: what classifier-free guidance is guided away from"""
PAD, START, END = 0, 1, 2
VOCABULARY = (
    "<pad>", "<start>", "<end>", *(f"x{count}" for count in range(1, MOST + 1)), "and", *RELATIONS, *WEIGHTS, *LEANS,
    *COLOURS, *THINGS,
)  # fmt: skip
"""the tokens, each at its id. "x1", "x2", "x3" say how many, so that "three twos" does not have the tokens of "two
threes" in another order; plurals have the token of their thing"""
LENGTH = 13
"""tokens of a sentence at most, start and end among them"""

_IDS = {word: number for number, word in enumerate(VOCABULARY)}


def tokens(texts: Sequence[str | Scene]) -> Tensor:
    """The ids of each sentence's tokens, (n, 13), int64: start, the words in canonical order, end, and padding.

    Args:
        texts: sentences as ``parse`` takes them, or scenes; at least one.

    Raises:
        ValueError: no sentences, or one that ``parse`` does not understand.
    """
    scenes = checked(texts)
    rows = torch.full((len(scenes), LENGTH), PAD)
    known: dict[Scene, list[int]] = {}
    for row, scene in zip(rows, scenes):
        if scene not in known:
            known[scene] = [START, *(_IDS[word] for word in _words(scene)), END]
        row[: len(known[scene])] = torch.tensor(known[scene])
    return rows


def entailed(whole: Sequence[str | Scene], said: Sequence[str | Scene]) -> Tensor:
    """Whether each of n scenes entails each of m sentences, (n, m), bool: ``Scene.entails``, all at once.

    Args:
        whole: sentences or scenes, such as all that is true of n pictures.
        said: m others.

    Raises:
        ValueError: no sentences, or one that ``parse`` does not understand.
    """
    (mine, turned, number, relation), (theirs, _, others, place) = (
        _columns(checked(texts, name)) for name, texts in (("whole", whole), ("said", said))
    )
    backwards = torch.tensor([*(RELATIONS.index(CONVERSE[word]) for word in RELATIONS), -1])[relation]
    true = torch.zeros(len(mine), len(theirs), dtype=torch.bool)
    for things, where in ((mine, relation), (turned, backwards)):
        fit = ((theirs == -1) | (things[:, None] == theirs)).all(-1).all(-1)
        true |= fit & ((place == -1) | (where[:, None] == place))
    return (true & (number[:, None] == others)) | (others == 0)


def _columns(scenes: list[Scene]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What scenes say, as numbers: -1 where something is left unsaid.

    Returns:
        Each of up to three things, with its kind, colour, weight and lean (n, 3, 4); the same with the first two
        exchanged; how many there are (n,); and the relation (n,).
    """
    rows = []
    for scene in scenes:
        things = [
            [
                THINGS.index(group.thing),
                *(-1 if word is None else known.index(word) for word, known in (
                    (group.colour, [*COLOURS]), (group.weight, WEIGHTS), (group.lean, LEANS),
                )),
            ]
            for group in scene.groups
            for _ in range(group.count)
        ]  # fmt: skip
        rows.append(things + [[-1] * 4] * (MOST - len(things)))
    kinds = torch.tensor(rows)
    number = torch.tensor([scene.count for scene in scenes])
    relation = torch.tensor([-1 if scene.relation is None else RELATIONS.index(scene.relation) for scene in scenes])
    turned = torch.where((number == 2)[:, None, None], kinds[:, [1, 0, 2]], kinds)
    return kinds, turned, number, relation


def checked(texts: Any, name: str = "texts") -> list[Scene]:
    """Sentences or scenes, at least one, as scenes; ``name`` is what errors call them."""
    allowed = 'a list of sentences or scenes, at least one, such as ["a red three"]'
    if isinstance(texts, str | bytes | dict | Scene) or not isinstance(texts, Sequence) or not len(texts):
        raise checks.fail(name, texts, allowed)
    if not all(isinstance(text, str | Scene) for text in texts):
        raise checks.fail(name, texts, allowed)
    return [text if isinstance(text, Scene) else parse(text) for text in texts]


def _words(scene: Scene) -> list[str]:
    found: list[str] = []
    for group in scene.groups:
        found += [scene.relation or "and"] * bool(found) + _group(group)
    return found


def _group(group: Group) -> list[str]:
    return [f"x{group.count}", *group.words, group.thing]
