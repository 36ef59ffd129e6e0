"""Links: what is written is read again, in Python and in the browser alike; what is no link ends in a sentence."""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orwlab.show.lab.controls import BY_NAME, OF_THE_STAGE, Lineup, Number, Several, Switch, Whole
from orwlab.show.lab.link import Link
from orwlab.show.lab.story import Story

ROOT = Path(__file__).parents[1]
STAGE = [control.name for control in OF_THE_STAGE]

LINKS = {
    "": Link(),
    "alpha=0.3&tau=2.5": Link(Story.read({"scene": {"alpha": 0.3, "tau": 2.5}})),
    "others=0,0.3,1&lr=0.00001&arrows=1": Link(
        Story.read({"scene": {"others": [0, 0.3, 1], "lr": 1e-5, "arrows": True}})
    ),
    "target=rings&round=240&log=120:tau:2;180:reward:bump;180:others:": Link(
        Story.read(
            {
                "scene": {"target": "rings"},
                "log": [[120, "tau", 2.0], [180, "reward", "bump"], [180, "others", []]],
                "round": 240,
            }
        )
    ),
    "methods=raft,orw_cfm_w2&strength=0.5&round=9&log=4:strength:3": Link(
        Story.read(
            {"scene": {"methods": ["raft", "orw_cfm_w2"], "strength": 0.5}, "log": [[4, "strength", 3]], "round": 9}
        )
    ),
    "view=-0.00000376,12350,-200000,3.25": Link(view=(-3.76e-6, 12350.0, -2e5, 3.25)),
    "background=density&ghost=0&view=-1.25,2,0,3.25&lock=alpha,tau&hide=seed&say=Look:%20why%3F%20%26%20%CE%B1": Link(
        stage={"background": "density", "ghost": False, "contours": True},
        view=(-1.25, 2.0, 0.0, 3.25),
        lock=("alpha", "tau"),
        hide=("seed",),
        say="Look: why? & α",
    ),
}


def kinds():
    def kind(control):
        if isinstance(control, Number | Whole):
            return "number"
        if isinstance(control, Lineup):
            return "names"
        return "switch" if isinstance(control, Switch) else "list" if isinstance(control, Several) else "text"

    return {name: kind(control) for name, control in BY_NAME.items()}


def plain(link):
    story = link.story.plain()
    return {
        "scene": story["scene"],
        "log": story["log"],
        "round": story["round"],
        "stage": dict(link.stage),
        "view": list(link.view) if link.view else None,
        "lock": list(link.lock),
        "hide": list(link.hide),
        "say": link.say,
    }


def in_the_browser(tmp_path, *, write=(), read=()):
    """What address.js makes of links to write and of texts to read: texts; links, or the sentence of an error."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    (tmp_path / "address.mjs").write_text((ROOT / "orwlab/show/web/address.js").read_text(encoding="utf-8"))
    (tmp_path / "cases.json").write_text(
        json.dumps({"write": list(write), "read": list(read), "kinds": kinds(), "stage": STAGE})
    )
    (tmp_path / "run.mjs").write_text("""
import { readFileSync, writeFileSync } from "node:fs";
import { readAddress, writeAddress } from "./address.mjs";
const { write, read, kinds, stage } = JSON.parse(readFileSync("cases.json", "utf8"));
const tried = (text) => {
  try { return readAddress(text, kinds, stage); } catch ({ message, name }) { return { error: message, kind: name }; }
};
writeFileSync("found.json", JSON.stringify({ write: write.map(writeAddress), read: read.map(tried) }));
""")
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    return found["write"], found["read"]


@pytest.mark.parametrize("text", LINKS)
def test_a_link_is_written_and_read_again(text):
    link = LINKS[text]
    assert link.text() == text
    assert Link.read(text) == link
    assert Link.read(f"http://127.0.0.1:7860/?x=1#{text}") == link


def test_the_browser_writes_and_reads_the_same(tmp_path):
    written, found = in_the_browser(tmp_path, write=[plain(link) for link in LINKS.values()], read=LINKS)
    assert written == list(LINKS)
    assert found == [plain(link) for link in LINKS.values()]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alpha=much", "alpha is 'much'; allowed: a number"),
        ("alpha=200", "α is 200"),
        ("alpha=nan", "alpha is 'nan'; allowed: a number"),
        ("alpha=1&tau=2&alpha=1", "link's part is 'alpha'; allowed: each part once"),
        ("wheels=4", "link's part is 'wheels'"),
        ("target=nowhere", "target is 'nowhere'"),
        ("round=-3", "round is '-3'; allowed: a whole number"),
        ("log=12:alpha", "alpha is ''; allowed: a number"),
        ("log=12:wheels:4", "log's control is 'wheels'"),
        ("log=9:alpha:1;3:alpha:2", "round of a change is 3"),
        ("log=9:resume:x", "resume is 'x'"),
        ("lab#alpha=1#tau=2", "alpha is '1#tau=2'"),
        ("log=9:target:rings", "control of a change is 'target'"),
        ("view=1,0,0,1", "x0 < x1"),
        ("lock=wheels", "lock is 'wheels'"),
        ("say=" + "a" * 500, "at most 400 characters"),
        ("arrows=yes", "arrows is 'yes'"),
        ("say=%ff", "text as browsers encode it"),
    ],
)  # fmt: skip
def test_what_is_no_link_is_answered_by_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Link.read(text)


def hostile(n, seed):
    """Links with a part changed, parts of links in any order, and noise."""
    rng = random.Random(seed)
    parts = list({part.partition("=")[0]: part for text in LINKS for part in text.split("&")}.values())
    odd = [
        "",
        "NaN",
        "-Infinity",
        "1e999",
        "0x10",
        "١٢",
        "__proto__",
        "constructor",
        "<script>",
        "%",
        "%00",
        "\0",
        "é",
        "😀",
        "'",
        '"',
        ";",
        ":",
        "=",
        "1_000",
        " 1 ",
    ]
    for _ in range(n):
        chosen = rng.sample(parts, rng.randint(0, 5))
        text = "&".join(chosen)
        for _ in range(rng.randint(0, 2)):
            at = rng.randint(0, len(text))
            cut = at + rng.choice((0, 0, 1, 3))
            text = text[:at] + rng.choice([*odd, *parts, *BY_NAME, "log=", "view=", "&"]) + text[cut:]
        yield text


def test_a_thousand_hostile_links_end_in_a_link_or_in_a_sentence(tmp_path):
    texts = list(hostile(1000, seed=0))
    _, there = in_the_browser(tmp_path, read=texts)
    read = 0
    for text, found in zip(texts, there, strict=True):
        try:
            link = Link.read(text)
        except ValueError:
            continue
        read += 1
        assert "error" not in found, text  # what Python takes the browser takes as well
        assert Link.read(link.text()) == link
    assert 100 < read < 900
    errors = [found for found in there if "error" in found]
    assert errors
    assert all(found["kind"] == "Error" and len(found["error"]) < 200 for found in errors)
