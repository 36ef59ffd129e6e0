"""Notebooks as files: executed, with pictures beside figures, readable, small. nbval runs them separately."""

import json
from pathlib import Path

import pytest

from orwlab.teach import checks

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text()) | {"path": request.param}


def code_cells(notebook):
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_executed_in_order_and_without_errors(notebook):
    assert [c["execution_count"] for c in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    kinds = [o["output_type"] for c in code_cells(notebook) for o in c["outputs"]]
    assert "error" not in kinds
    assert not [o for c in code_cells(notebook) for o in c["outputs"] if o.get("name") == "stderr"]


def test_every_figure_has_a_picture(notebook):
    data = [o["data"] for c in code_cells(notebook) for o in c["outputs"] if "data" in o]
    figures = [d for d in data if "application/vnd.plotly.v1+json" in d]
    assert figures
    assert all("image/png" in d for d in figures)


def test_every_check_held(notebook):
    printed = "".join("".join(o["text"]) for c in code_cells(notebook) for o in c["outputs"] if "text" in o)
    assert printed.count(": yes") >= 5
    assert ": NO" not in printed


def test_small_enough_to_open_quickly_and_cells_fit_on_a_screen(notebook):
    assert notebook["path"].stat().st_size <= 1.5e6
    assert "widgets" not in notebook["metadata"]
    assert max(len("".join(c["source"]).splitlines()) for c in code_cells(notebook)) <= 40


def test_says_how_long_it_takes_and_where_it_comes_from(notebook):
    prose = "".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
    assert "to read" in prose
    assert "2502.06061" in prose
    assert len(prose.split()) > 400


def test_checks_print_and_fail_loudly(capsys):
    checks.close("a", 1.01, 1.0, 0.02)
    checks.below("b", 0.5, 1)
    checks.above("c", 2, 1)
    assert capsys.readouterr().out.splitlines() == [
        "a: measured 1.01, expected 1 ± 0.02: yes",
        "b: measured 0.5, expected below 1: yes",
        "c: measured 2, expected above 1: yes",
    ]
    for call in (
        lambda: checks.close("a", 1.1, 1.0, 0.02),
        lambda: checks.below("b", 1.5, 1),
        lambda: checks.above("c", float("nan"), 1),
        lambda: checks.close("d", float("nan"), 1.0, 0.02),
    ):
        with pytest.raises(AssertionError, match="NO"):
            call()
