"""What the Pocket lab makes of texts is what Python makes of them: targets, rewards, paintings, points and formulas."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
import torch

from orwlab import rewards, targets, zoo
from orwlab.show import pocket
from orwlab.show.lab import formula, own, painting, points
from orwlab.show.pocket import given as tables
from orwlab.show.stage import scenes

FORMULAS = [
    "exp(-x^2) * sin(3*y)",
    "-x^2 + 2^3^0.5 - y/3",
    "log(1 + r^2) * cos(2*angle)",
    "min(x, y, 1.5) + max(-x, pi/4, y**2/10)",
    "step(x) - sign(y) + abs(tanh(x*y))",
    "sqrt(abs(x)) + tan(y/10) − e·x ÷ 7 × .5e-1",
    "1",
    "x^3 / (1 + x^2)",
    "1/(8.1 - x)",
    "log(x + 7)",
    "exp(x)",
    "  2*(x - 1)^2 ",
    "sign(log(x)) + sign(y)*x",
]
NO_FORMULAS = [
    *(
        "",
        "  ",
        "2x",
        "x y",
        "sin x",
        "sin(x",
        "(x",
        "x)",
        "min(x)",
        "sin(x, y)",
        "x,y",
        "1,5",
        "x +",
        "* x",
        "x ^ ",
        "()",
    ),
    *(
        "z",
        "import os",
        "x @ y",
        "'x'",
        "log(x)",
        "1/x",
        "1/(x-1.2345)",
        "sqrt(x)",
        "exp(x^3)",
        "1e7",
        "0/0",
        "exp(20*x)",
    ),
    *(
        "(" * 31 + "x" + ")" * 31,
        "x" + "+x" * 100,
        "x²",
        "𝑥",
        "1e999",
        "-(-(",
        "x**-1",
        "__proto__",
        "constructor(x)",
        "exp(89 + x/100) * 0",
        "x\x00",
        "\ue000x",
        "x + \u200by",
        "\U000e0001",
    ),
]


def in_node(folder, script, entry="given.js", **handed):
    """What ``script`` finds, a body of JavaScript with the names of ``entry`` and its modules, and ``handed``."""
    if shutil.which("node") is None:
        assert os.environ.get("ORWLAB_REQUIRE_BROWSER") != "1", "no Node"
        pytest.skip("no Node")
    (folder / "handed.json").write_text(
        json.dumps(handed | ({"tables": tables.tables()} if entry == "given.js" else {}))
    )
    (folder / "run.mjs").write_text(f"""
import {{ readFileSync, writeFileSync }} from "node:fs";
{pocket.script(entry)}
const handed = JSON.parse(readFileSync("handed.json", "utf8"));
if (handed.tables) given.load(handed.tables);
const attempt = (act) => {{ try {{ return act(); }} catch ({{ message }}) {{ return {{ message }}; }} }};
const field = (values) => Float64Array.from(values.flat());
const text = (value) => (Number.isFinite(value) ? value : String(value));
const plain = (key, value) => (ArrayBuffer.isView(value) ? [...value].map(text) : value);
writeFileSync("found.json", JSON.stringify((() => {{ {script} }})(), plain));
""")
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def said(act, text):
    """What Python answers: None if all is well, or its sentence."""
    try:
        act(text)
    except ValueError as error:
        return str(error)
    return None


def scattered(n=400, dim=2, seed=0):
    return 14 * torch.rand(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 7


def paintings(n=8):
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        strokes = []
        for k in range(1 + seed):
            way = rng.uniform(-4, 4, 2) + rng.normal(size=((1, 2, 20)[k % 3], 2)).cumsum(0) * 0.6
            brush = {"size": float(rng.choice(painting.SIZES)), "strength": float(rng.choice(painting.STRENGTHS))}
            symmetry = str(rng.choice(list(painting.SYMMETRIES)))
            strokes.append(painting.stroke(way, eraser=k % 5 == 4, symmetry=symmetry, **brush))
        found.append(painting.write(strokes))
    return found


def own_points(n=4):
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        data = np.concatenate([rng.normal(rng.uniform(-3, 3, 2), 0.4, (60, 2)) for _ in range(seed + 1)]).clip(-4, 4)
        found.append(points.write(points.sketch(data)))
    return found


TARGETS = """return handed.texts.map((text) => {
  const made = given.target(text), x = field(handed.x);
  return { ...made, logProb: made.logProb(x), modeOf: made.modeOf(x), kept: given.target(text) === made };
});"""


def compare_target(found, made, x, atol):
    assert found["kept"]
    assert found["dim"] == made.dim
    assert found["count"] == made.n_modes
    np.testing.assert_allclose(found["weights"], made.weights, atol=1e-9)
    np.testing.assert_allclose(found["means"], made.means.flatten(), atol=1e-12)
    np.testing.assert_allclose(found["covs"], made.covs.flatten(), atol=1e-12)
    np.testing.assert_allclose(found["logProb"], made.log_prob(x), atol=atol, rtol=1e-10)
    assert found["modes"] == made.modes.tolist()
    assert np.mean(np.array(found["modeOf"]) == made.mode_of(x).numpy()) > 0.99  # but where two are equally likely


@pytest.mark.parametrize("dim", [1, 2])
def test_named_targets_are_the_same(tmp_path, dim):
    names = [*targets.names(dim), *(list(zoo.CODES) if dim == 2 else [])]
    x = scattered(dim=dim)
    for name, found in zip(names, in_node(tmp_path, TARGETS, texts=names, x=x.tolist()), strict=True):
        assert found["name"] == name
        compare_target(found, zoo.target(name), x, 1e-10)


def test_where_modes_are_and_how_far_they_reach(tmp_path):
    names = targets.names(2)
    for name, found in zip(names, in_node(tmp_path, TARGETS, texts=names, x=[[0, 0]]), strict=True):
        modes = scenes._modes(targets.get(name))
        np.testing.assert_allclose(found["centres"], modes["centres"], atol=1e-12)
        np.testing.assert_allclose(found["spreads"], modes["spreads"], atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2])
def test_named_rewards_are_the_same(tmp_path, dim):
    names = [name for name in rewards.names() if dim == 2 or name != "angle"]
    x = torch.cat([scattered(dim=dim), torch.zeros(1, dim, dtype=torch.float64)])
    script = "return handed.names.map((name) => given.reward(name)(field(handed.x), handed.dim));"
    found = in_node(tmp_path, script, names=names, x=x.tolist(), dim=dim)
    for name, r in zip(names, found, strict=True):
        np.testing.assert_allclose(r, rewards.get(name)(x), atol=1e-14, err_msg=name)


def test_a_reward_that_javascript_does_not_know_is_refused():
    with pytest.raises(ValueError, match="Direction, Plane"):
        tables._reward(torch.sum)


def test_what_was_brought_is_the_same_target(tmp_path):
    texts, x = [*paintings(), *own_points()], scattered(dim=2)
    for text, found in zip(texts, in_node(tmp_path, TARGETS, texts=texts, x=x.tolist()), strict=True):
        compare_target(found, own.target(text), x, 1e-7)


def test_a_painting_is_the_same_reward(tmp_path):
    texts, x = paintings(), scattered()
    found = in_node(
        tmp_path, "return handed.texts.map((t) => given.reward(t)(field(handed.x)));", texts=texts, x=x.tolist()
    )
    for text, r in zip(texts, found, strict=True):
        np.testing.assert_allclose(r, own.reward(text)(x), atol=1e-12)
        assert max(r) > 0.1


def test_a_formula_is_the_same_reward(tmp_path):
    x = torch.cat([scattered(), 100 * scattered(50, seed=1)])
    script = """return handed.texts.map((text) => {
      const r = given.reward(`formula:${text}`);
      return { r: r(field(handed.x)), unbounded: r.unbounded };
    });"""
    found = in_node(tmp_path, script, texts=FORMULAS, x=x.tolist())
    for text, one in zip(FORMULAS, found, strict=True):
        made = formula.Formula(text)
        np.testing.assert_allclose(np.array(one["r"], dtype=float), made(x), atol=1e-9, rtol=1e-12, err_msg=text)
        assert one["unbounded"] == made.unbounded, text
    assert {one["unbounded"] for one in found} == {True, False}


def test_what_is_no_formula_is_refused_in_the_same_words(tmp_path):
    texts = [f"formula:{text}" for text in NO_FORMULAS]
    found = in_node(tmp_path, "return handed.texts.map((t) => attempt(() => given.checkReward(t)));", texts=texts)
    answers = dict(zip(texts, found, strict=True))
    wanted = {text: said(own.check_reward, text) for text in texts}
    assert {text: answer["message"] for text, answer in answers.items() if isinstance(answer, dict)} == {
        text: sentence for text, sentence in wanted.items() if sentence is not None
    }


def test_random_texts_are_formulas_in_both_or_in_none(tmp_path):
    rng = np.random.default_rng(0)
    parts = [
        *"xxyyr+-*/^,12 ",
        "(x)",
        "(x)",
        "exp(y)",
        "exp(",
        "min(",
        "sin(",
        "tanh(",
        "pi",
        "angle",
        "**",
        "3e2",
        "é",
    ]
    texts = ["formula:" + "".join(rng.choice(parts, rng.integers(1, 6))) for _ in range(150)]
    found = in_node(
        tmp_path, "return handed.texts.map((t) => attempt(() => given.checkReward(t)).message ?? null);", texts=texts
    )
    assert found == [said(own.check_reward, text) for text in texts]
    assert 10 < sum(one is None for one in found) < 140


def test_what_is_damaged_is_refused_in_both(tmp_path):
    paint, dots = paintings(3)[2], own_points(1)[0]
    texts = [
        "paint:",
        "paint:AA",
        paint[:-1],
        paint + ".",
        paint + "é",
        "paint:" + "A" * 20_000,
        "points:",
        "points:AAAA",
    ]
    texts += [dots[:-1], dots + "A", dots + "AAAAAAAA", dots + "=", "points:AAEAAAAAAAA", "formula:x", "digits:02468"]
    texts += ["judge:1", "digits:11", "nobody", "", "toString", "points:AAEAAAAAAAE", paint, dots, "right", "rings"]
    script = "return handed.texts.map((t) => [attempt(() => given[handed.check](t)), given.isOwn(t), given.words(t)]);"
    for check, python in (("checkTarget", own.check_target), ("checkReward", own.check_reward)):
        for text, (answer, is_own, words) in zip(
            texts, in_node(tmp_path, script, texts=texts, check=check), strict=True
        ):
            wanted = said(python, text)
            if check == "checkReward" and text in ("digits:02468", "judge:1"):
                wanted = tables.NO_DIGITS
            assert (answer == text) == (wanted is None), text
            if isinstance(answer, dict) and "damaged" not in wanted and "characters" not in wanted:
                assert answer["message"] == wanted
            assert is_own == own.is_own(text)
            assert words == own.words(text)


def csv_of(rows, delimiter=",", decimal="."):
    return "\n".join(delimiter.join(f"{v:.3f}".replace(".", decimal) for v in row) for row in rows)


def numbers(n, columns=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, columns)) * 3 + 100


TABLES = [
    *(
        csv_of(numbers(60), delimiter, decimal)
        for delimiter, decimal in ((",", "."), (";", ","), ("\t", "."), (" ", ","))
    ),
    "x,y\n" + csv_of(numbers(40)),
    '\ufeffno;größe;\'s "Name"\n' + "\n".join(f"{k};{k * k % 7},5;−{k % 3}" for k in range(30)),
    "# a comment\n\n1 2\r\n3 4\r\n5 na\r\n-inf 6\n7 1e200\n",
    "value\n" + "\n".join(map(str, range(12))),
    csv_of(numbers(300, 4)),
    "1,234.5,2\n2,345.5,3\n1,2\n",
    "a,b\n1,5\n2,5\n3,5",
    '"x" , "y"\n"1","2"\n 3, 4\n"5","6"\n"7",8',
    csv_of([*numbers(100), [1e6, 1e6]]),
    csv_of(np.repeat(numbers(5), 20, 0)),
    "1\x1f,2\n3,\x1f4\n5\u3000,9",
    "\ufeffa;\ufeffx\n0;1\n753700;2",  # its middle, 376850, lies between two numbers of four digits
]
NO_TABLES = [
    "",
    " \n",
    "# only\n",
    "a,b\nc,d",
    "1,2",
    "1,2\n1,2\n",
    "1,2\nx,3\n4,5\n6,7",
    "a\0b",
    "1,2\n" + "7" * 10_001,
]
NO_TABLES += ["1,na\nna,2", "x;y\n1,5;2\nzwölf\u00a0;3\n4;5\n7;8"]


def test_a_table_becomes_the_same_text_of_points_with_the_same_report(tmp_path):
    script = "return handed.texts.map((text) => attempt(() => pointsOf(text)));"
    found = in_node(tmp_path, script, entry="points_table.js", texts=TABLES + NO_TABLES)
    for text, answer in zip(TABLES + NO_TABLES, found, strict=True):
        if (why := said(points.parse, text)) is not None:
            assert answer == {"message": why}
        else:
            read = points.parse(text)
            assert answer == {"value": points.write(points.sketch(read.data)), "report": list(read.report)}
    assert sum("value" in answer for answer in found) == len(TABLES)


def test_many_points_become_a_density_as_near_to_them(tmp_path):
    """Which points are drawn, and where k-means begins, differs: not what comes of it."""
    text = csv_of(np.concatenate([numbers(3000), numbers(2000, seed=1) / 3 + 60]))
    value = in_node(tmp_path, "return pointsOf(handed.text).value;", entry="points_table.js", text=text)
    read = points.parse(text)
    here, there = (own.target(one) for one in (value, points.write(points.sketch(read.data))))
    data = torch.from_numpy(read.data)
    assert abs(here.log_prob(data).mean() - there.log_prob(data).mean()) < 0.02
    torch.testing.assert_close(here.cov(), there.cov(), rtol=0.02, atol=0.02)
    assert here.n_modes == there.n_modes
