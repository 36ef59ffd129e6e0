"""What `make test` compares when it runs the notebooks: what was expected and the verdict, not the last digits."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = 'from orwlab.teach import checks\nchecks.close("a length", 1.23456, 1.2, 0.05)\nchecks.below("b", -1e-7, 0.1)'
PRINTED = "a length: measured 1.235, expected 1.2 ± 0.05: yes\nb: measured -1e-07, expected below 0.1: yes\n"
STORED = {
    "as it was": PRINTED,
    "measured otherwise": PRINTED.replace("1.235", "1.2279").replace("-1e-07", "3.1e-08"),
    "another expectation": PRINTED.replace("expected 1.2 ", "expected 1.3 "),
    "another tolerance": PRINTED.replace("± 0.05", "± 0.5"),
    "another limit": PRINTED.replace("below 0.1", "below 0.2"),
    "another verdict": PRINTED.replace("yes", "NO", 1),
    "a check less": PRINTED.splitlines(keepends=True)[0],
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Each stored output against what the cell prints now, by the very options of the Makefile."""
    new, folder = nbformat.v4, tmp_path_factory.mktemp("nbval")
    cells = []
    for text in STORED.values():
        output = new.new_output("stream", name="stdout", text=text)
        tags = {"tags": ["nbval-check-output"]}
        cells.append(new.new_code_cell(SOURCE, execution_count=1, outputs=[output], metadata=tags))
    nbformat.write(new.new_notebook(cells=cells), folder / "doctored.ipynb")
    (options,) = re.findall(r"pytest .*?(--nbval.*) notebooks/\*\.ipynb", (ROOT / "Makefile").read_text())
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options.split()]
    done = subprocess.run(
        [*command, str(folder / "doctored.ipynb")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = re.findall(r"::Cell (\d+) (PASSED|FAILED)", done.stdout)
    assert len(found) == len(STORED), done.stdout
    return {name: verdict for name, (_, verdict) in zip(STORED, found)}


@pytest.mark.parametrize("name", STORED)
def test_only_what_was_measured_may_differ(outcomes, name):
    assert outcomes[name] == ("PASSED" if name in ("as it was", "measured otherwise") else "FAILED")
