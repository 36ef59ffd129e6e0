"""Which combinations are kept back, so that one can ask whether a model puts words together that it never saw together.

With the colours c = 0 .. 4 and the things t = 0 .. 14 in their order, kept back are

* the colour c of the thing t where c + t is a multiple of 5: of each thing one colour in five, of each colour three
  things;
* the thing i left of the thing j where i + 2 j leaves 1 when divided by 5, and i above j where 2 i + j leaves 3: for
  each thing on each side three partners of fifteen. Which side matters: a pair may be kept back in one order and not
  in the other.

Every word, every thing, and every thing on either side of every relation is left to learn from.
"""

from orwlab import checks
from orwlab.data.captions.grammar import COLOURS, CONVERSE, THINGS, Scene

SPLITS = ("train", "test", "held_out")
"""what is learned from; the same combinations in other people's handwriting; and those that were kept back, likewise"""

HELD_OUT_COLOURS = frozenset(
    (colour, thing) for c, colour in enumerate(COLOURS) for t, thing in enumerate(THINGS) if (c + t) % 5 == 0
)
"""(colour, thing): 15 of 75"""

_ONE_WAY = [
    (first, relation, second)
    for i, first in enumerate(THINGS)
    for j, second in enumerate(THINGS)
    for relation, kept in (("left of", (i + 2 * j) % 5 == 1), ("above", (2 * i + j) % 5 == 3))
    if kept
]
HELD_OUT_RELATIONS = frozenset(
    [*_ONE_WAY, *((second, CONVERSE[relation], first) for first, relation, second in _ONE_WAY)]
)
"""(thing, relation, thing): 180 of 900, each with its converse"""


def held_out(scene: Scene) -> bool:
    """Whether a scene says a combination that is kept back from "train".

    Raises:
        ValueError: no scene.
    """
    if not isinstance(scene, Scene):
        raise checks.fail("scene", scene, "a Scene, such as parse gives")
    if any((group.colour, group.thing) in HELD_OUT_COLOURS for group in scene.groups):
        return True
    if scene.relation is None:
        return False
    first, second = scene.groups
    return (first.thing, scene.relation, second.thing) in HELD_OUT_RELATIONS
