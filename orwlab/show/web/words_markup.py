"""What stands on the Words page. ``words.js`` brings it to life."""

from collections.abc import Mapping

from orwlab.data import captions
from orwlab.show.lab.image_settings import CONTROLS
from orwlab.show.web import album_markup, controls
from orwlab.show.web.album_markup import shown
from orwlab.tasks.words import NEW, PROMPTS

LEAD = (
    "Say what is to be drawn; all grids come from the same noise. Press <b>Play</b>, and drag <b>α</b> while it "
    "learns. Press a picture to read which words are true of it."
)
_OF_DIGITS = "of digits alone"
_VOCABULARY: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("How many", captions.NUMBERS, "a single number: two kinds of things come one each"),
    ("Pen", captions.WEIGHTS, _OF_DIGITS),
    ("Lean", captions.LEANS, _OF_DIGITS),
    ("Colour", tuple(captions.COLOURS), ""),
    ("Thing", captions.THINGS, "with an ending if there are two or three"),
    ("Place", (*captions.RELATIONS, "and"), "between two things"),
)
MOVES = (
    controls.attempt(
        "Let go: α = 0",
        "Nothing holds the pictures now. Watch the CLIP score rise, and whether the judge and the share of pictures "
        "with all words true rise with it; and how much the pictures still differ from one another.",
        {"alpha": 0},
        free=("guidance",),
    ),
    controls.attempt(
        "Hold on: α = 0.3",
        "The same training, held to the reference. Compare each picture with the one in the same place of the "
        "reference: which words became true, and what has stayed as it was?",
        {"alpha": 0.3},
        free=("alpha", "guidance"),
    ),
    controls.attempt(
        "Four α side by side",
        "The same seed and the same noise; only α differs. Each curve has the colour of its pictures. Where does the "
        "judge stop following the score?",
        {"alpha": 0, "others": [0.1, 0.3, 3]},
        free=("guidance",),
    ),
    controls.attempt(
        "Guidance instead",
        "The reference is pushed towards the words while it draws, and nothing is learned; beside it a model learns. "
        "Move the guidance: watch the words become true, and the diversity under both grids.",
        {"alpha": 0.3, "guidance": 2},
        free=("alpha", "guidance"),
    ),
    controls.attempt(
        "Sentences it never learned",
        "It learns from a set of hard sentences, and this one is not among them. Watch whether it becomes true all the "
        "same; type others while it learns: nothing begins again.",
        {"lesson": "set", "prompt": NEW[0], "alpha": 0.3},
        free=("alpha", "guidance", "prompt"),
    ),
)


def markup(path: str, pages: Mapping[str, str]) -> str:
    """See ``album_markup.markup``."""
    above = f"{shown('prompt')}{controls.group('Which words there are', _vocabulary())}"
    more = (
        shown("lesson", "guidance"),
        controls.group(CONTROLS["others"].label, shown("others")),
        controls.group("The hard sentences", _sentences()),
        controls.group("Training", shown("seed")),
    )
    words = album_markup.Words(LEAD, MOVES, f'<div class="words-above">{above}</div>', "\n  ".join(more))
    return album_markup.markup(path, pages, words)


def _vocabulary() -> str:
    rows = "".join(
        f"<dt>{name}</dt><dd>{', '.join(map(_word, words))}{f' <i>({note})</i>' if note else ''}</dd>"
        for name, words, note in _VOCABULARY
    )
    return f"""<dl class="vocabulary">{rows}</dl>
<p class="help">In this order: how many, pen, lean, colour, thing; then a place and a second thing. What is left unsaid
is left to the model. Figures are read too (3 for three), and some other words for the same, as circle and thick.</p>"""


def _word(word: str) -> str:
    code = captions.COLOURS.get(word)
    return word if code is None else f'<span class="swatch" style="background:{code}"></span>{word}'


def _sentences() -> str:
    return f"""<div class="hard"><p class="help">Learned from with “A set of hard sentences”:</p>
{controls.sentences(PROMPTS)}
<p class="help">Never learned from; words were put together in them that the reference has not seen together either:</p>
{controls.sentences(NEW)}</div>"""
