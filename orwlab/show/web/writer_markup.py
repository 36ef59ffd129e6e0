"""HTML of the page on which lessons are written and tried. ``writer.js`` brings it to life.

Here are also the texts that it offers: a lesson to begin with, and a scene with each kind of question.
"""

import functools
import html
from collections.abc import Mapping
from typing import Any

from orwlab.show.classroom import lesson as lessons
from orwlab.show.lab.settings import Settings
from orwlab.show.web import bar
from orwlab.show.web.classroom_markup import page

BEGIN = """\
# A lesson is a list of scenes. Change whatever you like: what it becomes is shown as you type.
# What stands behind a # is a note for you alone.
title: My first lesson
about: What imitation does when nothing holds it.
notes: Go on only when everybody has a guess.
minutes: 8
scores: false  # true: guesses earn points

scenes:
  # In the Live lab, set a run up, press "Share and keep" and "Copy link", and put the link here, in quotes.
  - title: Let go
    link: "#reward=bump&tau=2&alpha=0"
    say: The reward is high in one place. Nothing holds the model to what it has learned.
    rounds: 60  # how far it runs; 0: one looks at it as it is
    ask:
      kind: choose  # or alpha, place, curve, order: "Add a scene" has one of each
      prompt: What is left after 60 rounds?
      options:
        - all eight modes
        - one mode
        - the whole plane
      answer: 2  # counted from 1; without an answer it is a poll
    why: Whoever imitates their best samples again and again multiplies the weights, and one mode takes all.
"""
"""what one finds who has written nothing yet"""

SCENES: Mapping[str, tuple[str, str]] = {
    "choose": (
        "Choose one of some sentences",
        """\
- title: Choose
  link: "#reward=bump&tau=2&alpha=10"
  rounds: 60
  ask:
    kind: choose
    prompt: α is 10. How many of the eight modes are there after 60 rounds?
    options: [one, all eight, none]
    answer: 2
  why: A large α holds the model close to the reference, which has all eight.
""",
    ),
    "alpha": (
        "Guess a value of α",
        """\
- title: Guess α
  link: "#reward=bump&tau=2"
  ask:
    kind: alpha
    prompt: At which α does the exact limit have a mean reward of 0.5?
    goal:
      reading: reward
      value: 0.5
  why: The larger α, the less is left of the reward.
""",
    ),
    "place": (
        "Point at a place",
        """\
- title: Point
  link: "#reward=bump&tau=2&alpha=1"
  rounds: 60
  ask:
    kind: place
    prompt: Where will the exact limit be densest?
    answer: peak
  why: Where the reference has samples and the reward is high.
""",
    ),
    "curve": (
        "Draw a curve over the rounds",
        """\
- title: Draw
  link: "#reward=bump&tau=2&alpha=1"
  rounds: 60
  ask:
    kind: curve
    prompt: Draw the mean reward over 60 rounds.
    of: reward
    low: 0
    high: 1
  why: It rises fast at first, and settles where α holds it.
""",
    ),
    "order": (
        "Put values of α in order",
        """\
- title: Put in order
  link: "#reward=bump&alpha=1&others=0.3,10"
  rounds: 60
  ask:
    kind: order
    prompt: Which α ends with the least diversity, and which with the most?
    by: diversity
  why: The smaller α, the nearer to one another the samples come.
""",
    ),
    "none": (
        "No question: look at it together",
        """\
- title: Look
  link: "#reward=bump&tau=2"
  say: Eight modes, and a reward that is high at one of them.
""",
    ),
}
"""kind of question -> its words in the menu, and a scene with it that reads without errors"""


def writer(up: str, names: Mapping[str, str]) -> str:
    """A lesson's text, and beside it what it becomes."""
    body = f"""<div class="lab room writer" data-alpha="{Settings().alpha:g}">
{bar.markup("classroom", names, up)}
<header><h2>Write a lesson</h2><a href="{up}classroom">Back to the Classroom</a>
<p>What your class will see is shown as you type. The text is kept in this browser; the server only reads it, and keeps
nothing before you open a room.</p></header>
{_text()}
<section class="writer-seen" aria-labelledby="writer-seen-title"><h2 id="writer-seen-title">What it becomes</h2>
<p class="writer-old" hidden></p><div class="writer-lesson"></div></section>
<details class="writer-format"><summary>The format: every name there is, and what it takes</summary>
{format_table()}
<p>The same for programs: <a href="{up}classroom/schema.json">schema.json</a>. An editor that knows JSON schemas checks
lessons with it as they are typed.</p></details>
<dialog id="writer-sure" aria-labelledby="writer-sure-title"><h2 id="writer-sure-title"></h2><p></p>
<form method="dialog"><button value="yes" class="primary"></button>
<button value="save">Save it as a file first</button><button value="no" autofocus>Keep it</button></form></dialog>
</div>"""
    return page(up, "Write a lesson", body, "writer")


def _text() -> str:
    """The text with all that one does with it."""
    begin = "".join(f'<option value="{name}">{html.escape(title)}</option>' for name, title in _titles().items())
    scenes = "".join(
        f'<li><button type="button" data-scene="{html.escape(text)}">{html.escape(words)}</button></li>'
        for words, text in SCENES.values()
    )
    return f"""<section class="writer-text" aria-label="The text">
<div class="writer-bar"><label for="writer-names">Begin with</label>
<select id="writer-names"><option value="">a first scene, with notes</option>{begin}</select>
<button type="button" id="writer-begin">Begin</button>
<details class="writer-add"><summary>Add a scene</summary><ul>{scenes}</ul></details></div>
<div class="writer-box"><div class="writer-lines" aria-hidden="true"><div><i hidden></i><pre></pre></div></div>
<textarea id="writer-box" name="text" form="writer-handout" aria-label="The lesson, as YAML"
 aria-describedby="writer-keys" wrap="off" spellcheck="false" autocomplete="off" autocapitalize="off"></textarea></div>
<p id="writer-keys" class="help">Tab indents by two spaces. To leave the box by keyboard press Escape, then Tab.</p>
<div class="writer-told"><p id="writer-status" role="status"></p>
<button type="button" id="writer-go" hidden></button></div>
<div class="writer-buttons"><button type="button" class="primary" id="writer-open">Open a room with it</button>
<form id="writer-handout" method="post" target="_blank" rel="noopener" action="handout"><button>Handout</button></form>
<button type="button" id="writer-save">Save as a file</button>
<button type="button" id="writer-load">Load a file</button>
<button type="button" id="writer-copy">Copy</button><button type="button" id="writer-again">Start again</button>
<input type="file" id="writer-file" accept=".yaml,.yml,.txt" hidden></div>
<p id="writer-said" role="status"></p>
<template id="writer-template">{html.escape(BEGIN)}</template></section>"""


@functools.cache
def _titles() -> dict[str, str]:
    """Name -> title of the lessons that come along."""
    return {name: lessons.read(lessons.text_of(name)).title for name in lessons.names()}


# What the format is: read off the schema, which is the reader's own ---------------------------------------------------


@functools.cache
def format_table() -> str:
    """All fields of a lesson as an HTML table: name, what it is, what is allowed."""
    schema = lessons.schema()
    known = schema["$defs"]
    kinds = known["Scene"]["properties"]["ask"]["anyOf"][0]["discriminator"]["mapping"]
    parts = {
        "A lesson": schema,
        "One of its scenes": known["Scene"],
        **{f"ask, of kind {kind}": known[reference.rpartition("/")[2]] for kind, reference in kinds.items()},
        "goal, of a question of kind alpha": known["Goal"],
    }
    groups = "".join(_group(words, table, known) for words, table in parts.items())
    heads = "".join(f'<th scope="col">{words}</th>' for words in ("Name", "What it is", "Allowed"))
    return f"<table><thead><tr>{heads}</tr></thead>{groups}</table>"


def _group(words: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    rows = [f'<tr><th colspan="3" scope="rowgroup">{html.escape(words)}</th></tr>']
    for name, field in table["properties"].items():
        needed = name in table["required"]
        default = "" if needed or field["default"] in (None, "") else f"; {_word(field['default'])} if it is left out"
        what = field.get("description", "")
        rows.append(
            f'<tr><th scope="row"><code>{html.escape(name)}</code>{" needed" if needed else ""}</th>'
            f"<td>{html.escape(what)}</td><td>{html.escape(_allowed(field, known) + default)}</td></tr>"
        )
    return f"<tbody>{''.join(rows)}</tbody>"


def _allowed(field: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What a part of a JSON schema lets through, in words."""
    match field:
        case {"anyOf": parts}:
            return ", or ".join(_allowed(part, known) for part in parts if part.get("type") != "null")
        case {"discriminator": {"propertyName": name, "mapping": kinds}}:
            return f"a table whose {name} is {_either(kinds)}"
        case {"$ref": reference}:
            return f"a table of {', '.join(known[reference.rpartition('/')[2]]['properties'])}"
        case {"const": word}:
            return _word(word)
        case {"enum": words}:
            return _either(words)
        case {"type": "array"}:
            each = field["prefixItems"][0] if "prefixItems" in field else field["items"]
            return f"a list of {_span(field, 'Items')} entries, each {_allowed(each, known)}"
        case {"type": "string"}:
            return f"a text of {span} characters" if (span := _span(field, "Length")) else "a text"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "integer" | "number" as kind}:
            low, high = field.get("minimum"), field.get("maximum")
            limits = {(True, True): f" from {low} to {high}", (True, False): f", at least {low}"}
            words = "a whole number" if kind == "integer" else "a number"
            return words + limits.get((low is not None, high is not None), "")
    raise ValueError(f"field is {field}; allowed: what this page can put into words")


def _span(field: Mapping[str, Any], of: str) -> str:
    low, high = field.get(f"min{of}"), field.get(f"max{of}")
    if low is not None and low == high:
        return str(low)
    return f"{low} to {high}" if low is not None else f"at most {high}" if high is not None else ""


def _either(words: Any) -> str:
    *others, last = map(_word, words)
    return f"{', '.join(others)} or {last}" if others else last


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
