"""The format of lessons: every fault is one sentence with its line, said quickly, and nothing in a file is obeyed."""

import json
import re
import time

import pytest
import yaml

from orwlab import written
from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom.lesson import LARGEST, read, schema

TOP = "title: Collapse\nscenes:\n  - title: Two hundred rounds\n"  # three lines that lack nothing
ASK = TOP + "    ask:\n      prompt: What then?\n"


def wrong(text: str) -> str:
    """What is said of a lesson that is none: one line, that names a line, within a second."""
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"\Aline \d+: ") as found:
        read(text)
    assert time.perf_counter() - start < 1
    said = str(found.value)
    assert type(found.value) is ValueError
    assert len(said) < 1200
    assert said.isprintable()
    assert not re.search(r"Traceback|pydantic|Input should|yaml\.org|literal\[|/work|\.py", said)
    return said


FAULTS = {
    "title: 3\nscenes: [{title: A}]": "line 1: title is 3; allowed: a text; quote it if it looks like a number",
    "scenes: [{title: A}]": "line 1: title is missing",
    "title: T": "line 1: scenes is missing",
    "title: ' '\nscenes: [{title: A}]": "line 1: title is empty; allowed: a text",
    "title: T\nabout: []\nscenes: [{title: A}]": "line 2: about is []; allowed: a text",
    "title: T\n\nminutes: 91\nscenes: [{title: A}]": "line 3: minutes is 91; allowed: less than or equal to 90",
    "minutes: soon\n" + TOP: "line 1: minutes is 'soon'; allowed: a whole number",
    "minutes: 1.5\n" + TOP: "line 1: minutes is 1.5; allowed: a whole number",
    "scores: maybe\n" + TOP: "line 1: scores is 'maybe'; allowed: true or false",
    TOP + "colour: red\n": "line 4: colour is not known here; allowed: title, about, notes, minutes, scores, scenes",
    "title: T\nscenes: []": "line 2: scenes has 0 entries; allowed: at least 1",
    "title: T\nscenes: [" + "{title: A}," * 21 + "]": "line 2: scenes has 21 entries; allowed: at most 20",
    "title: T\nscenes: all": "line 2: scenes is 'all'; allowed: a list",
    "title: T\nscenes:\n  - A": "line 3: scenes[1] is 'A'; allowed: a table",
    "title: T\nscenes:\n  - title: A\n  - say: B": "line 4: scenes[2].title is missing",
    TOP + "    rounds: 2001\n": "line 4: scenes[1].rounds is 2001; allowed: less than or equal to 2000",
    TOP + "    rounds: -1\n": "line 4: scenes[1].rounds is -1; allowed: greater than or equal to 0",
    TOP + "    alpha: 3\n": "line 4: scenes[1].alpha is not known here; allowed: title, link, say, rounds, ask, why",
    TOP + "    extra:\n      - 1\n": "line 4: scenes[1].extra is not known here",
    TOP + "    link: '#colour=3'\n": "line 4: scenes[1]: link cannot be used: link's part is 'colour'",
    TOP + "    link: '#alpha=-3'\n": "line 4: scenes[1]: link cannot be used: W2 weight α is -3",
    TOP + f"    link: {'x' * 60_001}\n": "at most 60000 characters",
    TOP + f"    say: {'x' * 401}\n": "line 4: scenes[1].say is 'xxxx",
    TOP + "    ask: why\n": "line 4: scenes[1].ask is 'why'; allowed: a table",
    ASK: "line 4: scenes[1].ask.kind is missing; allowed: one of alpha, choose, curve, order, place",
    ASK + "      kind: guess\n": "line 6: scenes[1].ask.kind is 'guess'; allowed: one of alpha, choose, curve",
    ASK + "      kind: choose\n": "line 4: scenes[1].ask.options is missing",
    ASK
    + "      kind: choose\n      options: [a]\n": "line 7: scenes[1].ask.options has 1 entries; allowed: at least 2",
    ASK + "      kind: choose\n      options: [a, a]\n": "line 7: scenes[1].ask: options hold one sentence twice",
    ASK + "      kind: choose\n      options:\n        - a\n        - 3\n": "line 9: scenes[1].ask.options[2] is 3",
    ASK
    + "      kind: choose\n      options: [a, b]\n      answer: 3\n": "line 8: scenes[1].ask: answer is 3; allowed: "
    "from 1 to 2, one of the options",
    ASK
    + "      kind: choose\n      order: 3\n      options: [a, b]\n": "line 7: scenes[1].ask.order is not known here; "
    "allowed: kind, prompt, options, answer",
    ASK + "      kind: alpha\n      answer: 101\n": "line 7: scenes[1].ask.answer is 101; allowed: less than or equal",
    ASK + "      kind: alpha\n      goal: {reading: colour, value: 1}\n": "line 7: scenes[1].ask.goal.reading is "
    "'colour'; allowed: 'reward', 'diversity', 'w2' or 'effective'",
    ASK
    + "      kind: alpha\n      goal: {reading: w2, value: 1, of: 2}\n": "line 7: scenes[1].ask.goal.of is not known "
    "here; allowed: reading, value",
    ASK
    + "      kind: alpha\n      answer: 1\n      goal: {reading: w2, value: 1}\n": "line 8: scenes[1].ask: goal and "
    "answer are both there; allowed: one of them",
    ASK + "      kind: place\n      answer: middle\n": "line 7: scenes[1].ask.answer is 'middle'; allowed: peak, "
    "first_to_die, or [x, y], each from -20 to 20",
    ASK
    + "      kind: place\n      answer: [1, 2, 3]\n": "line 7: scenes[1].ask.answer is ['1', '2', '3']; allowed: peak",
    ASK + "      kind: place\n      answer: [1, 200]\n": "line 7: scenes[1].ask.answer is ['1', '200']; allowed: peak",
    ASK
    + "      kind: curve\n      low: 0\n      high: 1\n": "rounds is 0; allowed: at least 1 where a curve over rounds",
    ASK + "      kind: curve\n      low: 1\n      high: 0\n    rounds: 5\n": "line 7: scenes[1].ask: low is 1 and high",
    ASK
    + "      kind: curve\n      low: 1.0e+400\n      high: 0\n": "line 7: scenes[1].ask.low is inf; allowed: a finite",
    ASK + "      kind: curve\n      low: 0\n      high: .nan\n": "line 8: scenes[1].ask.high is nan; allowed: a finite",
    ASK + "      kind: curve\n      low: -1.0e+308\n      high: 1\n": "line 7: scenes[1].ask.low is -1e+308; allowed: "
    "greater than or equal to -1000000",
    ASK + "      kind: order\n": "link has fewer than three alphas",
    ASK + "      kind: alpha\n    link: '#methods=orw_cfm_w2,raft'\n": "line 7: scenes[1]: link lets methods race",
}


@pytest.mark.parametrize(("text", "said"), FAULTS.items())
def test_what_is_wrong_is_said_with_its_line_and_what_is_allowed(text, said):
    found = wrong(text)
    assert said in found
    if said.startswith("line"):
        assert found.startswith(said)


def test_without_its_fault_each_is_a_lesson():
    assert read(TOP).scenes[0].title == "Two hundred rounds"
    asked = read(ASK + "      kind: place\n      answer: [1, -2.5]\n").scenes[0].ask
    assert asked is not None
    assert asked.answer == (1.0, -2.5)
    assert read(ASK + "      kind: place\n      answer: peak\n").scenes[0].ask.answer == "peak"


NOT_YAML = {
    "twice": (TOP + "    title: Another\n", "line 4: 'title' is there twice; allowed: once"),
    "alias": (TOP.replace("Two", "*two"), "line 3: & and * are not known here"),
    "anchor": (TOP.replace("Two", "&two Two"), "line 3: & and * are not known here"),
    "python": (TOP + "    say: !!python/object/apply:os.system ['echo obeyed']\n", "line 4: ! is not known here"),
    "tag on a number": (TOP + "    rounds: !!int ''\n", "line 4: ! is not known here"),
    "tag on a switch": ("scores: !!bool perhaps\n" + TOP, "line 1: ! is not known here"),
    "own tag": ("%TAG ! tag:x,2000:\n---\n!lesson\n" + TOP, "line 3: ! is not known here"),
    "tag on a table": (TOP + "    ask: !!set {a, b}\n", "line 4: ! is not known here"),
    "number as a name": (TOP + "    1: 3\n", "line 4: a name is no word; allowed: words, such as title"),
    "switch as a name": (TOP + "    true: 3\n", "line 4: a name is no word"),
    "table as a name": (TOP + "    ? {a: b}\n    : 3\n", "line 4: a name is no word"),
    "merge": (TOP + "    <<: {say: B}\n", "line 4: scenes[1].<< is not known here"),
    "name that hides": (TOP + '    "a\\eb\\u202e": 1\n', "line 4: scenes[1].a\\x1bb\\u202e is not known here"),
    "endless name": (TOP + f"    {'long' * 200}: 1\n", "line 4: scenes[1].longlong"),
    "endless name twice": ((f"? {'long' * 200}\n: 1\n" * 2), "line 3: 'longlong"),
    "tab": (TOP + "\tsay: B\n", "line 4: this is no YAML: found character '\\t' that cannot start any token"),
    "two in one": (TOP + "---\n" + TOP, "line 4: this is no YAML: found another document"),
    "another version": ("%YAML 9.0\n---\n" + TOP, "line 1: this is no YAML: found incompatible YAML document"),
    "open bracket": (TOP + "    ask: [\n", "line 5: this is no YAML"),
    "NUL": (TOP + "    say: a\0b\n", "line 4: this is no YAML: it holds a character that no text has"),
    "half a character": (TOP + "    say: \ud800\n", "line 4: this is no YAML: it holds a character that no text has"),
    "half a character, written": (TOP + '    say: "\\ud800"\n', "line 4: scenes[1].say is '\\ud800'; allowed: a text"),
    "bell": (TOP.replace("\n", "\r\n") + "    say: \a\n", "line 4: this is no YAML: it holds a character"),
    "no number": (TOP + "    rounds: 0x_\n", "line 4: '0x_' looks like a number, and is none"),
    "no number either": (TOP + "    rounds: -0b_\n", "line 4: '-0b_' looks like a number, and is none"),
    "long number": (TOP + "    rounds: " + "9" * 5000 + "\n", "line 4: this number is too long"),
    "large number": (TOP + "    rounds: " + "9" * 30 + "\n", "line 4: scenes[1].rounds is 99999"),
    "nothing": ("", "line 1: a lesson begins with a table: title, about, minutes, scenes"),
    "null": ("null", "line 1: a lesson begins with a table"),
    "a list": ("- title: A\n", "line 1: a lesson begins with a table"),
    "a word": ("lesson", "line 1: a lesson begins with a table"),
}


@pytest.mark.parametrize("name", NOT_YAML)
def test_what_yaml_can_and_lessons_cannot_is_a_sentence(name, capfd):
    text, said = NOT_YAML[name]
    assert wrong(text).startswith(said)
    assert capfd.readouterr().out == "", "nothing in it was obeyed"


BOMBS = {
    "lists in lists": "[" * 60_000,
    "tables in lists": "[{" * 30_000,
    "dashes": "- " * 32_000,
    "question marks": "? " * 32_000,
    "colons": ": " * 32_000,
    "names": "".join(f"{k}x:\n" for k in range(9000)),
    "names in a row": "{" + ",".join(f"a{k}" for k in range(9000)),
    "entries": "[" + "a," * 32_000 + "]",
    "entries below each other": "- a\n" * 16_000,
    "laughs": "a: &a [ha, ha]\n" + "".join(f"b{k}: &b{k} [*a, *a, *a, *a]\n" for k in range(900)),
    "escapes": 'title: "' + "\\x41" * 16_000 + '"',
    "folded": "title: >\n" + " a\n" * 20_000,
    "quotes": "title: '" + "''" * 32_000 + "'",
    "words": "title: " + "a " * 32_000,
    "breaks": "\n" * 65_000,
    "remarks": "#\n" * 32_000,
    "anchors": "&" * 65_000,
    "tags": "!" * 65_000,
    "percents": "%" * 65_000,
    "log": TOP + "    link: '#log=" + "1:tau:2;" * 7000 + "'\n",
    "link": TOP + "    link: '#" + "&".join(f"a{k}" for k in range(9000)) + "'\n",
    "others": TOP + "    link: '#others=" + "1," * 28_000 + "'\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_the_largest_of_bad_files_are_said_to_be_that_within_a_second(name):
    text = BOMBS[name]
    assert 40_000 < len(text) <= LARGEST or name == "laughs"
    wrong(text)


def test_a_large_lesson_is_read_as_quickly():
    scenes = "".join(
        f"  - title: Scene {k}\n    link: '#tau=2&alpha=0.{k}'\n    say: {'word ' * 70}\n    rounds: 200\n    ask:\n"
        f"      kind: choose\n      prompt: {'what ' * 40}\n      options:\n"
        + "".join(f"        - {c * 75}\n" for c in "abcdef")
        + f"    why: {'because ' * 45}\n"
        for k in range(20)
    )
    start = time.perf_counter()
    assert len(read("title: Long\nscenes:\n" + scenes).scenes) == 20
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("given", [None, 3, b"title: T", ["title"], {"title": "T"}, "x" * (LARGEST + 1)])
def test_what_is_no_text_or_too_long_is_refused_before_it_is_read(given):
    with pytest.raises(ValueError, match=f"too long, or no text; allowed: at most {LARGEST} characters"):
        read(given)


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_all_systems_are_read_and_lines_counted_alike(breaks, mark):
    text = mark + TOP.replace("\n", breaks)
    assert read(text) == read(TOP)
    assert wrong(text + f"    say: A{breaks}    colour: red{breaks}").startswith("line 5: scenes[1].colour")


def test_words_that_other_yaml_takes_for_something_else_stay_words():
    text = "title: no\nabout: 2020-01-01\nscenes:\n  - title: =\n    say: on\n    ask:\n      kind: choose\n"
    read_ = read(text + "      prompt: y\n      options: [yes, no, Yes, off, ~x]\n")
    assert (read_.title, read_.about, read_.scenes[0].title, read_.scenes[0].say) == ("no", "2020-01-01", "=", "on")
    assert read_.scenes[0].ask.options == ("yes", "no", "Yes", "off", "~x")
    assert read("title: true rewards\nabout: falsehood\nscores: true\nscenes: [{title: A}]").title == "true rewards"


def test_markup_and_templates_stay_text():
    title = "<script>{{7*7}}</script> ${HOME} %s {0}"
    assert read(f"title: '{title}'\nscenes: [{{title: A}}]").title == title


def test_what_comes_along_can_be_read_and_fits_its_schema():
    jsonschema = pytest.importorskip("jsonschema")
    checker = jsonschema.Draft202012Validator(schema())
    checker.check_schema(schema())
    assert lessons.names() == sorted(lessons.names())
    assert lessons.names()
    for name in lessons.names():
        text = lessons.text_of(name)
        found = read(text)
        checker.validate(written.read(text, "lesson", most=lessons.MOST).value)
        again = yaml.safe_dump(json.loads(found.model_dump_json(exclude_none=True)), allow_unicode=True)
        assert read(again) == found, f"{name} says the same when it is written down again"


@pytest.mark.parametrize("text", [t for t, said in FAULTS.items() if "is missing" in said or "not known" in said])
def test_the_schema_refuses_what_lacks_something_or_has_too_much(text):
    jsonschema = pytest.importorskip("jsonschema")
    assert not jsonschema.Draft202012Validator(schema()).is_valid(written.read(text, "lesson", most=lessons.MOST).value)


@pytest.mark.parametrize(
    "name", ["", "../1_collapse", "1_collapse.yaml", "/etc/passwd", None, 3, ["1_collapse"], "x" * 500]
)
def test_only_lessons_that_come_along_have_a_name(name):
    with pytest.raises(ValueError, match=r"lesson is .*; allowed: one of ") as found:
        lessons.text_of(name)
    assert len(str(found.value)) < 600
