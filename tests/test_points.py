"""Somebody's own points: whatever a table looks like, its numbers or a sentence; and their density as a short text."""

import math
import random
import re

import numpy as np
import pytest
import torch

from orwlab.oracle import PopulationDynamics
from orwlab.show.lab import points
from orwlab.show.lab.points import Sketch, parse, sketch

WANTED = np.array([[-4.0, -2.0], [0.0, 2.0], [4.0, 0.0]])  # (1, 2), (3, 4), (5, 3)
CLOUDS = np.random.default_rng(0).normal(0, 0.25, (3000, 2)) + np.repeat([[-2.0, -1], [2, -1], [0, 2]], 1000, 0)


def said(table, **options):
    return " ".join(parse(table, **options).report)


@pytest.mark.parametrize(
    "table",
    [
        "1,2\n3,4\n5,3",
        "x,y\n1,2\n3,4\n5,3\n",
        "x;y\r\n1;2\r\n3;4\r\n5;3\r\n",
        "x\ty\n1\t2\n3\t4\n5\t3\n",
        "1 2\n3   4\n 5 3 ",
        "x, y\n1, 2\n3, 4\n5, 3",
        "\ufeffx,y\n1,2\n3,4\n5,3",
        '"x","y"\n"1","2"\n"3","4"\n"5","3"',
        "# a comment\n\n1,2\n\n3,4\n  # another\n5,3\n\n",
        "name,x,y\na,1,2\nb,3,4\nc,5,3",
        "x,name,y\n1,a,2\n3,b,4\n5,c,3",
        "1,2,9\n3,4,9\n5,3,9",
        ",x,y\n0,1,2\n1,3,4\n2,5,3",
        "id;x;y\n1;1;2\n2;3;4\n3;5;3",
        "x,y\n1,2\n3,4\n,7\n5,3\n6,\nNA,1\n8,nan\n9",
        "x,y\n1,2\n3,4\n5,3\ninf,1\n1e999,-Infinity",
        "1,0;2,0\n3,0;4,0\n5,0;3,0",
        "1,0 2,0\n3,0 4,0\n5,0 3,0",
        "1,0\t2\n3,0\t4\n5,0\t3",
        "1000;2000\n3.000,0;4.000,0\n5.000,0;3.000,0",  # points between thousands
        '"1,000.0","2,000"\n"3,000","4,000"\n5000,3000',  # commas between thousands
        "1e0,2e0\n+3.,4\n0.5E1,3",
        "−1,−2\n1,0\n3,-1",  # minus signs as in print
        "1,2\r3,4\r5,3",
        "1e9,2e9\n3e9,4e9\n5e9,3e9",
        "1e-9,2e-9\n3e-9,4e-9\n5e-9,3e-9",
        b"\xef\xbb\xbfx,y\n1,2\n3,4\n5,3",
        "x;y\n1;2\n3;4\n5;3".encode("utf-16"),
        "größe;y\n1;2\n3;4\n5;3".encode("latin-1"),
        bytearray(b"1,2\n3,4\n5,3"),
        memoryview(b"1,2\n3,4\n5,3"),
    ],
)
def test_the_same_points_however_they_are_written(table):
    found = parse(table)
    assert found.data.dtype == np.float64
    np.testing.assert_allclose(found.data, WANTED, atol=1e-9)


def test_what_was_done_is_told():
    report = said("lon,lat\n1,2\n3,4\n,7\n5,3\n6,\n7,inf")
    assert "Read 3 points from columns 'lon' and 'lat'." in report
    assert "2 rows with missing numbers left out." in report
    assert "1 row with infinite numbers left out." in report
    assert "Moved by (-3, -3) and multiplied by 2, so that they fit." in report
    assert "semicolons between columns and a decimal comma" in said("1,0;2,0\n3,0;4,0")
    assert "columns 1 and 2, without a header" in said("1,2\n3,4")
    assert "there are 2 further columns" in said("1,2,3,4\n3,4,5,6")
    assert "Column 'id' only numbers the rows and was passed over." in said("id,x,y\n1,5,2\n2,3,4\n3,5,3")
    assert "Column 'Lon' is the same everywhere" in said("Lon,Lat\n1,2\n1,3")
    assert "Column 2 is the same everywhere: the points lie on a line." in said("1,2\n3,2")
    assert "A few points far away" in said("\n".join(f"{k % 7},{k % 5}" for k in range(99)) + "\n1e6,1e6")
    assert "A few points far away" not in said("1,2\n3,4\n5,3")


def test_the_scale_leads_back():
    table = np.random.default_rng(0).normal(3, [2, 0.5], (50, 2))
    found = parse("\n".join(f"{a},{b}" for a, b in table))
    np.testing.assert_allclose(found.data / found.scale + found.shift, table, atol=1e-12)
    assert np.abs(found.data).max() == pytest.approx(points.HALF)


def test_a_single_column_lies_along_x():
    for table in ("1\n2\n4", "value\n1\n2\n4", "name;value\na;1,0\nb;2,0\nc;4,0", "1;\n2;\n4;"):
        found = parse(table)
        np.testing.assert_allclose(found.data, [[-4, 0], [-4 / 3, 0], [4, 0]], atol=1e-9)
        assert "one column of numbers: they lie along x, and y is 0" in " ".join(found.report)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "x,y\n1,2\nabc,3\n4,5",
            "line 3: 'abc' in column 'x' is not a number; allowed: numbers such as 1.5, or nothing",
        ),
        ("1;2\n3,5;4\n5;6 m", "line 3: '6 m' in column 2 is not a number; allowed: numbers such as 1,5"),
        ("# one\n\nx,y\n1,2\n3,4\n5,oops", "line 6: 'oops'"),
        ("1,2\n3,4\n5," + "z" * 500, "line 3: 'z{39}…' in"),
        ("", "the table is empty; allowed: lines with two numbers each"),
        (b"", "the table is empty"),
        (" \r\n\t", "the table is empty"),
        ("# only\n# comments", "no lines but comments"),
        ("x,y", "no column holds numbers"),
        ("a,b\nc,d", r"no column holds numbers \(I found '.*'\); allowed: numbers such as 1.5 or 1,5"),
        ("1,2", "there is only one point; allowed: at least two that differ"),
        ("1,2\n1,2\n1,2", "all 3 points are the same; allowed: at least two that differ"),
        ("x,y\n1,\n,2\n3,\n,4", "no row has all its numbers"),
        ("1e200,1e200\n-1e200,1", "no row has all its numbers"),
        ("1e-300,0\n2e-300,0", "all 2 points are the same"),
        (b"PK\x03\x04" + bytes(range(256)), "a workbook or a zip archive, whatever its name says.*Save it as CSV"),
        (b"\x89PNG\r\n", "this is a picture"),
        (bytes(range(256)) * 20, "this is no text: it holds bytes that no table has"),
        (b"\xff\xfe\x00", "this is no text that can be read"),
        (b"\x00" * 50_000_000, "the file has 50 MB; allowed: at most 20 MB"),
        ("1,2\n" * 10_000_000, "the file has 40 MB; allowed: at most 20 MB"),
        ("1," * 9_000_000, "line 1 has 18,000,000 characters; allowed: at most 10,000"),
        ('x,y\n"' + "1,2\n" * 5, "all 4 points|line 2: "),  # a quote that is never closed
        (None, "points is None; allowed: the text of a table, or the bytes of a file"),
        (7, "points is 7"),
        ([[1, 2]], "points is"),
    ],
)
def test_bad_tables_are_told_in_a_sentence(table, message):
    with pytest.raises(ValueError, match=message):
        parse(table)


def test_a_column_may_begin_with_nothing():
    found = parse("x,y\n" + ",1\n" * 500 + "1,2\n3,4\n" * 500)
    assert len(found.data) == 1000
    assert "500 rows with missing numbers left out." in found.report


def test_a_long_table_is_read_evenly():
    rows = 300_000
    table = "\n".join(f"{k},{k % 2}" for k in range(rows))
    found = parse(table, seed=1)
    assert len(found.data) == points.MOST_ROWS
    assert "The table has 300,000 rows; 20,000 were taken, evenly." in found.report
    steps = np.diff(found.data[:, 0])  # one row of each twenty thousandth
    assert steps.min() > 0
    assert steps.max() < 2.1 * 2 * points.HALF / points.MOST_ROWS
    assert 0.45 < (found.data[:, 1] > 0).mean() < 0.55  # what alternates is not met always on the same side
    np.testing.assert_array_equal(found.data, parse(table, seed=1).data)
    assert not np.array_equal(found.data, parse(table, seed=2).data)


def test_a_thousand_malformed_tables_end_in_points_or_a_sentence():
    rng = random.Random(0)
    cells = [
        "1",
        "2.5",
        "-3",
        "4,5",
        "",
        "NA",
        "nan",
        "inf",
        "1e400",
        "abc",
        '"',
        '"1',
        "1.234,5",
        "1,234.5",
        "٣",
        "=1+1",
    ]
    odd = ["\0", "\ufeff", "\u2028", "\x0b", "\x1c", "\ud800", "🙂", "\r", "'", "\\", "#", "%"]
    good = "x;y\n" + "\n".join(f"{k * 7 % 13},5;{k * 5 % 11}" for k in range(30))

    def table():
        kind = rng.randrange(4)
        if kind == 0:
            return bytes(rng.randrange(256) for _ in range(rng.randrange(400)))
        if kind == 1:
            between = rng.choice([",", ";", "\t", " ", "|", ", "])
            usual = cells[: rng.choice([3, 8, len(cells)])]
            rows = [[rng.choice(usual) for _ in range(rng.randrange(5))] for _ in range(rng.randrange(30))]
            return rng.choice(["\n", "\r\n", "\r"]).join(between.join(row) for row in rows)
        if kind == 2:
            letters = list(good)
            for _ in range(rng.randrange(1, 6)):
                letters[rng.randrange(len(letters))] = rng.choice(odd + cells)
            return "".join(letters)
        return "".join(rng.choice(odd + cells + [",", ";", "\n", " "]) for _ in range(rng.randrange(200)))

    read, sentences = 0, []
    for _ in range(1000):
        try:
            found = parse(table())
        except ValueError as error:
            sentences.append(str(error))
        else:
            read += 1
            assert found.data.shape[1] == 2
            assert np.isfinite(found.data).all()
            assert np.abs(found.data).max() <= points.HALF
            assert len(found.report) >= 2
    assert 100 < read < 900
    assert read + len(sentences) == 1000
    assert all("allowed: " in one and len(one) < 400 for one in sentences)


def test_the_density_has_the_points_modes_and_spread():
    target = points.target(sketch(CLOUDS))
    assert target.n_modes == 3
    assert len(target.weights) == points.CENTRES
    assert target.name == "points"
    centres = torch.tensor([[-2.0, -1], [2, -1], [0, 2]])
    assert sorted(target.mode_of(centres).tolist()) == [0, 1, 2]
    torch.testing.assert_close(target.mean(), torch.tensor(CLOUDS.mean(0)), rtol=0, atol=0.01)
    # a kernel density widens the points by its kernel and by nothing else
    wider = target.cov() - torch.tensor(np.cov(CLOUDS.T))
    assert 0 < float(wider.trace()) < 2 * 0.2**2
    shares = [float(target.weights[target.modes == k].sum()) for k in range(3)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.01)


def test_few_points_are_kept_as_they_are():
    data = CLOUDS[::50]
    found = sketch(data)
    target = points.target(found)
    assert len(found.centres) == len(data)
    kept = target.means[torch.cdist(torch.tensor(data), target.means).argmin(1)]
    torch.testing.assert_close(kept, torch.tensor(data), rtol=0, atol=1.3e-4)  # a text's lattice
    width = torch.eye(2, dtype=torch.float64) * target.std**2
    torch.testing.assert_close(target.cov(), torch.tensor(np.cov(data.T, ddof=0)) + width, rtol=0, atol=1e-3)


def test_the_bandwidth_is_that_of_leaving_one_out():
    def likelihood(x, h):
        kernel = np.exp(-((x[:, None] - x) ** 2).sum(-1) / (2 * h * h)) / (2 * math.pi * h * h)
        np.fill_diagonal(kernel, 0)
        return np.log(kernel.sum(1) / (len(x) - 1)).mean()

    for spread in (0.5, 1.0):
        x = np.clip(np.random.default_rng(1).normal(0, spread, (300, 2)), -4, 4)
        std = points.target(sketch(x)).std
        assert likelihood(x, std) > max(likelihood(x, std * 1.25), likelihood(x, std / 1.25))
        normal_rule = spread * 300 ** (-1 / 6)  # Scott's, best for one normal
        assert std == pytest.approx(normal_rule, rel=0.5)


def test_on_a_line_the_bandwidth_is_that_of_the_line():
    found, scott = [], []
    for seed in range(7):  # leaving one out now and then takes chance for structure
        values = np.random.default_rng(seed).normal(0, 1, 100)
        target = points.target(sketch(parse("\n".join(map(str, values))).data))
        found.append(target.std)
        scott.append(1.06 * np.std(values) * 8 / np.ptp(values) * 100**-0.2)
    assert np.median(found) == pytest.approx(np.median(scott), rel=0.3)


def test_equal_points_weigh_as_many():
    target = points.target(sketch([[0.0, 0], [0, 0], [0, 0], [3, 3]]))
    assert sorted(target.weights.tolist()) == pytest.approx([0.25, 0.75], abs=1e-4)


@pytest.mark.parametrize("n", [1, 2, 60, 3000])
def test_a_density_survives_its_text(n):
    found = sketch(CLOUDS[:: 3000 // n], seed=3)
    text = points.write(found)
    assert points.read(text) == found
    assert points.write(points.read(text)) == text
    assert re.fullmatch(r"points:[A-Za-z0-9_-]+", text)
    assert len(text) <= 3213
    assert sketch(CLOUDS[:: 3000 // n], seed=3) == found


def test_any_text_is_a_density_or_a_sentence():
    rng = random.Random(0)
    good = points.write(sketch(CLOUDS[::100]))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    read, sentences = 0, set()
    for _ in range(1000):
        text = list(good)
        for _ in range(rng.randrange(1, 4)):
            text[rng.randrange(7, len(text))] = rng.choice(letters if rng.random() < 0.7 else "=+/ é\0.")
        text = "".join(text[: rng.choice([len(text), rng.randrange(7, len(text))])])
        try:
            assert points.write(points.read(text)) == text
            read += 1
        except ValueError as error:
            sentences.add(str(error))
    assert 0 < read < 1000
    assert sentences == {"the text of the points is damaged: it is not as the lab writes it"}


@pytest.mark.parametrize(
    "text", ["points:", "points:AA", "points:AAA", "points:" + "A" * 99_999, "paint:", "", None, 7]
)
def test_damaged_texts_are_said_to_be(text):
    with pytest.raises(ValueError, match=r"damaged|allowed"):
        points.read(text)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(centres=()), "centres is"),
        (dict(centres=((1, 2),) * 401, weights=(1,) * 401), "centres is .*1 to 400 pairs"),
        (dict(weights=(1, 2)), "centres is"),
        (dict(centres=((1, 65536),)), "y is 65536"),
        (dict(centres=((-1, 0),)), "x is -1"),
        (dict(centres=5), "centres is 5"),
        (dict(weights=(0,)), "weight is 0"),
        (dict(width=0), "width is 0"),
        (dict(width=1.5), "width is 1.5"),
    ],
)
def test_bad_sketches(wrong, message):
    with pytest.raises(ValueError, match=message):
        Sketch(**{"centres": ((1, 2),), "weights": (1,), "width": 9, **wrong})


@pytest.mark.parametrize("data", [[], [[1.0]], [[math.nan, 1]], [[9.0, 0]], "x", torch.zeros(2, 3)])
def test_a_sketch_wants_points_in_the_square(data):
    with pytest.raises(ValueError, match=r"data (is|holds)"):
        sketch(data)


@pytest.mark.parametrize("use", [points.write, points.target])
@pytest.mark.parametrize("wrong", [None, "points:", CLOUDS[:2]])
def test_only_sketches_are_written(use, wrong):
    with pytest.raises(ValueError, match=r"sketch is .*; allowed: a points.Sketch"):
        use(wrong)


@pytest.mark.parametrize("data", [torch.zeros(1, 2), np.float32([[1, 1], [2, 2]]), [[1, 1], [2, 2]]])
def test_points_in_any_form(data):
    assert len(sketch(data).centres) == len(data)


def test_the_oracle_takes_them():
    dynamics = PopulationDynamics(points.target(sketch(CLOUDS)), lambda x: x[:, 0].tanh(), axis=64)
    before = dynamics.mode_mass
    dynamics.iterate(3)
    assert not {"domain", "mass", "tail"} & dynamics.problems.keys()
    right = int(dynamics.target.mode_of(torch.tensor([[2.0, -1.0]])))
    assert float(dynamics.mode_mass[right]) > float(before[right]) + 0.1
