"""What the browser does to a file with points before it sends it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from orwlab.show.lab import points
from orwlab.show.web.door import LARGEST

SOURCE = Path(__file__).parents[1] / "orwlab/show/web/tables.js"


def in_the_browser(tmp_path, file: bytes):
    """{"text", "said"} of a file, or {"error"}."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    (tmp_path / "tables.mjs").write_text(f"{SOURCE.read_text(encoding='utf-8')}\nexport {{ tableIn }};\n")
    (tmp_path / "file.csv").write_bytes(file)
    (tmp_path / "run.mjs").write_text("""
import { readFileSync, writeFileSync } from "node:fs";
import { tableIn } from "./tables.mjs";
const bytes = readFileSync("file.csv");
const file = { size: bytes.length, arrayBuffer: async () => bytes };
const found = await tableIn(file).catch(({ message, name }) => ({ error: message, name }));
writeFileSync("found.json", JSON.stringify(found));
""")
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "found.json").read_text())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (b"x,y\n1,2\n", "x,y\n1,2\n"),
        ("größe;y\n1,5;2\n".encode(), "größe;y\n1,5;2\n"),
        ("größe;y\n1,5;2\n".encode("latin-1"), "größe;y\n1,5;2\n"),
        ("\ufeff1,2\n3,4".encode(), "1,2\n3,4"),
        ("1\t2\n3\t4".encode("utf-16"), "1\t2\n3\t4"),
        (b"", ""),
    ],
)
def test_a_small_file_goes_as_it_is(tmp_path, file, text):
    assert in_the_browser(tmp_path, file) == {"text": text, "said": ""}


@pytest.mark.parametrize("rows", [60_000, 400_000])
def test_a_long_table_is_thinned_evenly_below_its_first_line(tmp_path, rows):
    file = "x;y\r\n" + "".join(f'{k / rows:.6f};"{(7 * k % rows) / rows:.6f}"\r\n' for k in range(rows))
    found = in_the_browser(tmp_path, file.encode())
    assert len(json.dumps(found["text"])) <= 900_000 < LARGEST
    head, *kept = found["text"].split("\n")
    assert head == "x;y"
    assert f"{rows:,} rows" in found["said"]
    every = round(rows / len(kept))
    assert [round(float(row.split(";")[0]) * rows) for row in kept] == list(range(0, rows, every))
    assert 15_000 < len(kept) <= points.MOST_ROWS  # it is as much as goes
    assert "evenly" not in " ".join(points.parse(found["text"]).report)  # the lab thins it no further


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"PK\x03\x04\x00\x00rest", "it is no table of text. Save it as CSV first."),
        (b"1,2\n3,4\n" + bytes(10), "it is no table of text. Save it as CSV first."),
        (b"7" * 2_000_000, "it has a line of 2,000,000 characters. A row of a table is shorter."),
        (b"1,2\n" + b"7" * 2_000_000, "it has a line of 2,000,000 characters. A row of a table is shorter."),
        (b"1,2\n" * 12_500_001, "it is larger than 50 MB."),
    ],
    ids=["workbook", "NULs", "one line", "a long line", "50 MB"],
)
def test_what_is_no_table_ends_in_a_sentence(tmp_path, file, sentence):
    assert in_the_browser(tmp_path, file) == {"error": sentence, "name": "Error"}
