"""What can be said: ten digits and five shapes, what they are like, how many there are, and where they stand.

    sentence   nothing, GROUP, GROUP and GROUP, or GROUP RELATION GROUP
    GROUP      a | two | three   [bold | thin]  [slanted | upright]  [COLOUR]  THING

Said is how many things there are, and which: "a three" is not true of two threes, nor of a three beside a two. Colour,
manner and relation may be left unsaid. Manners are of handwriting: a square has none.
"""

import difflib
import itertools
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from orwlab import checks

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHAPES = ("square", "disc", "ring", "cross", "triangle")
THINGS = (*DIGITS, *SHAPES)
COLOURS = {"black": "#000000", "red": "#D55E00", "blue": "#0072B2", "green": "#009E73", "purple": "#CC79A7"}
"""five of Okabe and Ito's, which stay apart for every kind of colour vision, and on white"""
WEIGHTS = ("bold", "thin")
LEANS = ("slanted", "upright")
RELATIONS = ("left of", "right of", "above", "below")
CONVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""what the second thing is to the first"""
NUMBERS = ("a", "two", "three")
MOST = len(NUMBERS)
"""things of a group"""
LONGEST = 200
"""characters of a sentence: the longest canonical one has 64"""

_PLURAL = {thing: thing + ("es" if thing in ("six", "cross") else "s") for thing in THINGS}
_EXAMPLE = 'such as "two bold red threes" or "a blue seven left of a ring"'


def _maybe(name: str, value: Any, allowed: tuple[str, ...]) -> str | None:
    return None if value is None else str(checks.choice(name, value, (*allowed,)))


@dataclass(frozen=True)
class Group:
    """Some things of a kind that look alike: "two bold red threes".

    Args:
        thing: one of ``THINGS``.
        count: how many, 1 to 3.
        colour: one of ``COLOURS``; None where it is left unsaid, as the others.
        weight: "bold" or "thin"; of digits alone.
        lean: "slanted" or "upright"; of digits alone.

    Raises:
        ValueError: no such word, or a shape with a manner.
    """

    thing: str
    count: int = 1
    colour: str | None = None
    weight: str | None = None
    lean: str | None = None

    def __post_init__(self) -> None:
        own = {
            "thing": str(checks.choice("thing", self.thing, THINGS)),
            "count": checks.integer("count", self.count, high=MOST),
            "colour": _maybe("colour", self.colour, tuple(COLOURS)),
            "weight": _maybe("weight", self.weight, WEIGHTS),
            "lean": _maybe("lean", self.lean, LEANS),
        }
        for name in ("weight", "lean"):
            if own[name] is not None and own["thing"] in SHAPES:
                raise checks.fail(
                    name, own[name], f"None for a {own['thing']}: only digits are {' or '.join(_MANNERS)}"
                )
        for name, value in own.items():  # numpy's texts and numbers as plain ones
            object.__setattr__(self, name, value)

    @property
    def words(self) -> tuple[str, ...]:
        """What is said of the things beside their kind and number, in the order of the sentence."""
        return tuple(word for word in (self.weight, self.lean, self.colour) if word is not None)

    def __str__(self) -> str:
        noun = self.thing if self.count == 1 else _PLURAL[self.thing]
        said = " ".join((NUMBERS[self.count - 1], *self.words, noun))
        return re.sub(r"^a (?=[aeiou])(?!one)", "an ", said)


_MANNERS = (*WEIGHTS, *LEANS)


@dataclass(frozen=True)
class Scene:
    """What a sentence says, ``str(scene)`` the sentence itself; ``parse`` goes the other way.

    Args:
        groups: none, where nothing is said; one; or two of a single thing each.
        relation: where the first stands, seen from the second: one of ``RELATIONS``; None if that is left unsaid.

    Raises:
        ValueError: too many groups, two groups of more than one thing each, or a relation without two groups.
    """

    groups: tuple[Group, ...] = ()
    relation: str | None = None

    def __post_init__(self) -> None:
        allowed = "none, one or two of Group"
        if not isinstance(self.groups, tuple | list) or not all(isinstance(group, Group) for group in self.groups):
            raise checks.fail("groups", self.groups, allowed)
        if len(self.groups) > 2:
            raise checks.fail("groups", f"a list of {len(self.groups)}", allowed)
        if len(self.groups) == 2 and any(group.count > 1 for group in self.groups):
            said = " and ".join(map(str, self.groups))
            raise checks.fail("groups", said, "one of each where there are two groups, such as a red three and a two")
        relation = _maybe("relation", self.relation, RELATIONS)
        if relation is not None and len(self.groups) != 2:
            raise checks.fail("relation", relation, "None unless there are two groups")
        object.__setattr__(self, "groups", tuple(self.groups))
        object.__setattr__(self, "relation", relation)

    @property
    def count(self) -> int:
        """How many things there are."""
        return sum(group.count for group in self.groups)

    def __str__(self) -> str:
        return f" {self.relation or 'and'} ".join(map(str, self.groups))

    def turned(self) -> "Scene":
        """The same, told from the other thing: "a two right of a seven" for "a seven left of a two"."""
        return Scene(self.groups[::-1], None if self.relation is None else CONVERSE[self.relation])

    def entails(self, other: "Scene") -> bool:
        """Whether ``other`` is true of all that this is true of: it says less, or the same in another order."""
        if not isinstance(other, Scene):
            raise checks.fail("other", other, "a Scene, such as parse gives")
        if not other.groups:
            return True
        mine, theirs = (
            [replace(group, count=1) for group in scene.groups for _ in range(group.count)] for scene in (self, other)
        )
        if len(mine) != len(theirs):
            return False
        for order in itertools.permutations(range(len(mine))):
            relation = self.relation
            if relation is not None and order[0] == 1:
                relation = CONVERSE[relation]
            if other.relation in (None, relation) and all(
                _says(mine[place], said) for place, said in zip(order, theirs)
            ):
                return True
        return False


def _says(whole: Group, part: Group) -> bool:
    """Whether all that is said in ``part`` is said in ``whole``."""
    return whole.thing == part.thing and set(part.words) <= set(whole.words)


# Reading --------------------------------------------------------------------------------------------------------------

_ALSO = {  # what people say for a word that there is
    "circle": "disc", "disk": "disc", "dot": "disc", "plus": "cross", "box": "square",
    "thick": "bold", "heavy": "bold", "light": "thin", "italic": "slanted", "leaning": "slanted", "straight": "upright",
    "violet": "purple", "over": "above", "under": "below", "beneath": "below",
    "an": "a", "single": "a", "1": "a", "2": "two", "3": "three", "&": "and", "with": "and",
}  # fmt: skip
_SINGULAR = {thing: thing for thing in THINGS} | {
    word: thing for word, thing in _ALSO.items() if thing in SHAPES
}  # a noun -> the thing
_SINGULAR |= {str(k): digit for k, digit in enumerate(DIGITS)}
_MANY = {plural: thing for thing, plural in _PLURAL.items()} | {"zeroes": "zero", "boxes": "square", "pluses": "cross"}
_MANY |= {f"{word}s": thing for word, thing in _SINGULAR.items() if word not in THINGS and word not in ("plus", "box")}
_COUNT = {"a": 1, "one": 1, "two": 2, "three": 3}
_PLACES = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
_BEFORE = ("is", "are", "lies", "stands", "to", "on", "at", "the")  # what may stand before a place: "to the left of"
_NUMERALS = {*DIGITS, *map(str, range(10))}
_KNOWN = {
    *_SINGULAR, *_MANY, *COLOURS, *_MANNERS, *_PLACES, *_ALSO, *_BEFORE, "a", "of", "and",
}  # fmt: skip


def parse(text: str) -> Scene:
    """What a sentence says, as people type it.

    Articles may be missing, capitals and full stops do not matter, "3" is "three", "to the left of" is "left of",
    "circle" is "disc". Nothing at all is a sentence too: it says nothing.

    Raises:
        ValueError: a word that is not known, with the nearest that is; or the part that cannot be understood.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise checks.fail("text", text, f"a sentence of at most {LONGEST} characters, {_EXAMPLE}")
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'s", "s").replace("’s", "s")
    words = re.sub(r"[\s.,;:!?\"“”_-]+", " ", plain).split()
    unknown = [word for word in dict.fromkeys(words) if word not in _KNOWN]
    if unknown:
        raise _unclear(text, f"words that are known; not known: {', '.join(map(_nearest, unknown[:3]))}")
    words = [_ALSO.get(word, word) if word not in _NUMERALS else word for word in words]
    if not words:
        return Scene()
    cuts = [k for k, word in enumerate(words) if word in _PLACES or word == "and"]
    if len(cuts) > 1:
        raise _unclear(text, 'one "and" or one place (left of, right of, above, below), for two things at most')
    if not cuts:
        return Scene((_group(text, words),))
    (cut,) = cuts
    relation, first, second = _PLACES.get(words[cut]), words[:cut], words[cut + 1 :]
    if relation is not None:
        while first and first[-1] in _BEFORE:
            first = first[:-1]
        second = second[second[:1] == ["of"] :]
    groups = tuple(_group(text, part, words[cut]) for part in (first, second))
    if any(group.count > 1 for group in groups):
        many = next(group for group in groups if group.count > 1)
        raise _unclear(text, f'one of each where there are two kinds of things (not "{many}"), {_EXAMPLE}')
    return Scene(groups, relation)


def _group(text: str, words: list[str], beside: str = "") -> Group:
    """What a part of the sentence says of some things of a kind; ``beside`` is the word before or after it."""
    if words[:1] == ["the"] or words[:2] == ["a", "a"]:  # the latter from "a single"
        words = words[1:]
    if not words:
        raise _unclear(
            text, f'a thing before "{beside}" and one after it, {_EXAMPLE}' if beside else f"a thing, {_EXAMPLE}"
        )
    *others, noun = words
    part = " ".join(words)
    thing = _SINGULAR.get(noun, _MANY.get(noun))
    if thing is None:
        raise _unclear(text, f'a thing at the end of "{part}", {_EXAMPLE}')
    count = 1
    if others and (others[0] in _COUNT or others[0] in _NUMERALS):
        number, *others = others
        number = _ALSO.get(number, number)
        if number not in _COUNT:
            raise _unclear(text, f'a, two or three of a thing (not "{part}")')
        count = _COUNT[number]
        if count == 1 and noun in _MANY:
            raise _unclear(text, f'one thing or several (not "{part}")')
    elif noun in _MANY:
        raise _unclear(text, f'how many {_PLURAL[thing]} there are: two or three (it says "{part}")')
    said: dict[str, str] = {}
    for word in others:
        kind = next((kind for kind, known in _KINDS.items() if word in known), None)
        if kind is None:
            raise _unclear(text, f'colours and manners before the thing (not "{word}" in "{part}"), {_EXAMPLE}')
        if said.setdefault(kind, word) != word:
            raise _unclear(text, f'one {kind} a thing (not "{said[kind]}" and "{word}" in "{part}")')
        if kind != "colour" and thing in SHAPES:
            raise _unclear(text, f'"{word}" of digits alone (a {thing} has no handwriting), such as "a {word} three"')
    return Group(thing, count, **said)


_KINDS = {"colour": tuple(COLOURS), "weight": WEIGHTS, "lean": LEANS}


def _unclear(text: str, allowed: str) -> ValueError:
    return checks.fail("text", text, allowed)


def _nearest(word: str) -> str:
    """A word that is not known, and the nearest that is, if one is near."""
    short = word if len(word) <= 24 else f"{word[:24]}..."
    near = difflib.get_close_matches(word[:24], sorted(_KNOWN), n=1, cutoff=0.6)
    return f'"{short}"' + (f' (perhaps "{near[0]}")' if near else "")
