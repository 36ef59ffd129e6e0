"""Pictures that words describe, and words that pixels can be asked about.

    from orwlab.data import captions
    pictures, scenes = captions.sample(40, generator=torch.Generator().manual_seed(0))
    captions.table(pictures[0], scenes[0])      # each word: whether it holds, what was measured, its limit

A small world: ten handwritten digits and five shapes in five colours, bold or thin, slanted or upright, one to three of
them, or two of which one is left of, right of, above or below the other. Pictures are (n, 3, 24, 24) in [-1, 1].

``grammar`` has the words: a ``Scene`` is what a sentence says. ``tokens`` makes numbers of them, ``splits`` says which
combinations are held out, ``pens`` draws one thing, ``drawing`` whole pictures, ``measuring`` asks the pixels,
``crops`` has what a classifier of digits learns from.
"""

from orwlab.data.captions.crops import Crops
from orwlab.data.captions.drawing import GAP, PALETTE, SIDE, TILT, altered, draw, sample, shortened
from orwlab.data.captions.grammar import (
    COLOURS,
    CONVERSE,
    DIGITS,
    LEANS,
    LONGEST,
    MOST,
    NUMBERS,
    RELATIONS,
    SHAPES,
    THINGS,
    WEIGHTS,
    Group,
    Scene,
    parse,
)
from orwlab.data.captions.measuring import KINDS, Row, Thing, agreement, holds, look, table, tables
from orwlab.data.captions.splits import HELD_OUT_COLOURS, HELD_OUT_RELATIONS, SPLITS, held_out
from orwlab.data.captions.tokens import END, LENGTH, NULL, PAD, START, VOCABULARY, entailed, tokens

__all__ = [  # noqa: RUF022  the reading order
    "DIGITS",
    "SHAPES",
    "THINGS",
    "COLOURS",
    "PALETTE",
    "WEIGHTS",
    "LEANS",
    "RELATIONS",
    "CONVERSE",
    "NUMBERS",
    "MOST",
    "LONGEST",
    "Group",
    "Scene",
    "parse",
    "NULL",
    "VOCABULARY",
    "PAD",
    "START",
    "END",
    "LENGTH",
    "tokens",
    "entailed",
    "SPLITS",
    "HELD_OUT_COLOURS",
    "HELD_OUT_RELATIONS",
    "held_out",
    "SIDE",
    "GAP",
    "TILT",
    "sample",
    "draw",
    "shortened",
    "altered",
    "KINDS",
    "Thing",
    "Row",
    "look",
    "table",
    "tables",
    "holds",
    "agreement",
    "Crops",
]
