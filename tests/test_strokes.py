"""The browser's paintings are the lab's: the same text of the same way, the same picture of the same strokes."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from orwlab.show.lab import painting

SOURCE = Path(__file__).parents[1] / "orwlab/show/web/strokes.js"


def in_the_browser(tmp_path, script, **given):
    """What ``script`` finds, a body of JavaScript with the names of strokes.js and ``given`` that returns something."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    shutil.copy(SOURCE, tmp_path / "strokes.mjs")
    (tmp_path / "given.json").write_text(json.dumps(given))
    (tmp_path / "run.mjs").write_text(f"""
import {{ readFileSync, writeFileSync }} from "node:fs";
import * as js from "./strokes.mjs";
const given = JSON.parse(readFileSync("given.json", "utf8"));
const find = () => {{ {script} }};
writeFileSync("found.json", JSON.stringify(find()));
""")
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "found.json").read_text())


def brushes(rng):
    return {
        "size": float(rng.choice(painting.SIZES)),
        "strength": float(rng.choice(painting.STRENGTHS)),
        "eraser": bool(rng.random() < 0.25),
        "symmetry": str(rng.choice(list(painting.SYMMETRIES))),
    }


def ways(seed, n):
    """Dabs, smooth lines, jumps across the square and lines that leave it, each with a brush."""
    rng = np.random.default_rng(seed)
    for k in range(n):
        count = (1, 2, 40, 6)[k % 4]
        steps = rng.normal(size=(count, 2)) * (0.1, 1.0, 0.15, 4.0)[k % 4]
        yield (rng.uniform(-4, 4, 2) + steps.cumsum(0)).tolist(), brushes(rng)


def test_a_way_becomes_the_same_text(tmp_path):
    drawn = list(ways(0, 40))
    script = "return given.drawn.map(([way, brush]) => js.writePainting([js.strokeOf(way, brush)]));"
    found = in_the_browser(tmp_path, script, drawn=drawn)
    assert found == [painting.write([painting.stroke(way, **brush)]) for way, brush in drawn]


def test_a_text_becomes_the_same_picture(tmp_path):
    texts = [
        painting.write([painting.stroke(way, **brush) for way, brush in ways(seed, 4 + seed)]) for seed in range(1, 9)
    ]
    found = in_the_browser(
        tmp_path, "return given.texts.map((text) => [...js.inkOf(js.readPainting(text))]);", texts=texts
    )
    for text, ink in zip(texts, found, strict=True):
        there = painting.canvas(painting.read(text)).numpy().ravel()
        assert np.abs(np.array(ink) - there).max() < 1 / 255
        assert there.max() > 0.2


def test_every_symmetry_is_the_same(tmp_path):
    strokes = [painting.Stroke(((200, 140), (230, 150)), symmetry=name) for name in painting.SYMMETRIES]
    texts = [painting.write([one]) for one in strokes]
    found = in_the_browser(
        tmp_path, "return given.texts.map((text) => [...js.inkOf(js.readPainting(text))]);", texts=texts
    )
    for one, ink in zip(strokes, found, strict=True):
        np.testing.assert_allclose(ink, painting.canvas([one]).numpy().ravel(), atol=1e-12)


@pytest.mark.parametrize(("name", "count"), list(zip(painting.SYMMETRIES, (0, 1, 1, 3, 3, 7))))
def test_the_brush_is_shown_wherever_it_paints(tmp_path, name, count):
    images = in_the_browser(tmp_path, "return js.imagesOf([2.9, 0.9], given.name);", name=name)
    ink = painting.canvas([painting.stroke([[2.9, 0.9]], size=0.2, symmetry=name)]).numpy()
    pixels = {tuple(((np.array(place) + 5) * 12.8).astype(int)) for place in [[2.9, 0.9], *images]}
    assert len(images) == count
    assert len(pixels) == count + 1
    assert min(ink[pixel] for pixel in pixels) > 0.9


def test_a_stroke_that_grows_covers_what_the_whole_one_does(tmp_path):
    script = """
      const [stroke] = js.readPainting(given.text), cover = new js.Cover(stroke);
      for (const place of stroke.points) { cover.reach(place); cover.picture; }
      return [[...js.laidOn(js.blankInk(), cover.picture, false)], [...js.inkOf([stroke])]];"""
    text = painting.write([painting.stroke([[-3, 0], [0, 2], [3, -1]], symmetry="quarters")])
    grown, whole = in_the_browser(tmp_path, script, text=text)
    assert grown == whole


def test_a_text_that_is_damaged_is_told_apart(tmp_path):
    whole = painting.write([painting.stroke(way, **brush) for way, brush in ways(3, 5)])
    damaged = ["", "paint", "paint:.", "paint:AA", whole[:-1], whole + ".", whole + "AA!"]
    damaged += [whole.replace("paint", "points"), "paint:A_AAA", "paint:_AAAA", "paint:AAAAA_", "paint:AA_____"]
    damaged.append("paint:" + "A" * 20_000)
    script = """return given.texts.map((text) => {
      try { return js.writePainting(js.readPainting(text)); } catch ({ message }) { return { message }; } });"""
    found = in_the_browser(tmp_path, script, texts=[whole, "paint:", *damaged])
    assert found[:2] == [whole, "paint:"]
    for text, answer in zip(damaged, found[2:], strict=True):
        with pytest.raises(ValueError, match="painting"):
            painting.read(text)
        assert answer == {"message": "This painting's text is damaged."}


def test_a_full_painting_says_so(tmp_path):
    script = """try { js.writePainting(Array(4000).fill(js.strokeOf([[0, 0]], given.brush))); }
      catch ({ message }) { return message; }"""
    brush = {"size": 0.2, "strength": 1, "eraser": False, "symmetry": "none"}
    assert in_the_browser(tmp_path, script, brush=brush) == "The painting is full. Undo some strokes, or clear it."
