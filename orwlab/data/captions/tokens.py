"""Sentences as rows of whole numbers, as a text transformer takes them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab import checks
from orwlab.data.captions.grammar import COLOURS, LEANS, MOST, RELATIONS, THINGS, WEIGHTS, Group, Scene, parse

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


def checked(texts: Any) -> list[Scene]:
    """Sentences or scenes, at least one, as scenes."""
    allowed = 'a list of sentences or scenes, at least one, such as ["a red three"]'
    if isinstance(texts, str | bytes | dict | Scene) or not isinstance(texts, Sequence) or not len(texts):
        raise checks.fail("texts", texts, allowed)
    if not all(isinstance(text, str | Scene) for text in texts):
        raise checks.fail("texts", texts, allowed)
    return [text if isinstance(text, Scene) else parse(text) for text in texts]


def _words(scene: Scene) -> list[str]:
    found: list[str] = []
    for group in scene.groups:
        found += [scene.relation or "and"] * bool(found) + _group(group)
    return found


def _group(group: Group) -> list[str]:
    return [f"x{group.count}", *group.words, group.thing]
