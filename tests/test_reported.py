"""reported.json is what the investigations measure, and what the notebooks print."""

import json
import re
from pathlib import Path

import pytest

from orwlab.teach import science
from orwlab.teach.science import __main__ as report
from orwlab.teach.science.claims import Section
from orwlab.teach.science.reported import FILE, numbers, record

QUICK = ["theorem_4", "convergence", "effective_temperature", "house_of_cards"]
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CALL = re.compile(r'science\.reported\("(\w+)", f?"([\w.{}:]+)"(?:, "(\w+)")?\)')


def test_every_investigation_is_recorded_and_held():
    assert set(numbers()) == set(report.INVESTIGATIONS)
    for section, claims in numbers().items():
        assert claims, section
        assert all(claim["holds"] for claim in claims.values()), section
        assert all(set(claim) == set(next(iter(claims.values()))) for claim in claims.values())


def test_recorded_verdicts_follow_from_recorded_numbers():
    judges = {
        "close": lambda c: abs(c["measured"] - c["expected"]) <= c["tolerance"] + 1e-4 * abs(c["expected"]),
        "below": lambda c: c["measured"] < c["expected"],
        "above": lambda c: c["measured"] > c["expected"],
        "measured": lambda c: c["expected"] is None,
    }
    for claims in numbers().values():
        assert all(judges[claim["kind"]](claim) for claim in claims.values())


@pytest.mark.parametrize("name", QUICK)
def test_measuring_again_gives_the_recorded_numbers(name):
    section, recorded = report.INVESTIGATIONS[name](), numbers()[name]
    assert [claim.key for claim in section.claims] == list(recorded)
    for claim in section.claims:
        kept = recorded[claim.key]
        assert kept["says"] == claim.says
        assert kept["tolerance"] == claim.tolerance
        assert claim.limit == pytest.approx(kept["expected"], rel=1e-3)
        assert claim.measured == pytest.approx(kept["measured"], rel=5e-3, abs=1e-4), claim.key


def test_reported_reads_one_number_and_names_what_there_is():
    rate = science.reported("convergence", "weak_rate_alpha_1")
    assert rate == pytest.approx(0.5, abs=0.01)
    assert science.reported("convergence", "weak_rate_alpha_1", "expected") == 0.5
    for call, message in (
        (lambda: science.reported("convergense", "x"), "section is 'convergense'.*'convergence'"),
        (lambda: science.reported("convergence", "x"), "key is 'x'.*'weak_rate_alpha_1'"),
        (lambda: science.reported("convergence", "weak_rate_alpha_1", "guess"), "which is 'guess'"),
        (lambda: science.reported("supremum", "far_coupled", "expected"), "nothing was expected"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_recording_replaces_its_sections_and_keeps_the_others(tmp_path):
    file = tmp_path / "reported.json"
    one, two = Section("one", "", seed=3), Section("two", "")
    one.close("k", "says", 1.23456789, 1.2, 0.1)
    two.number("n", "says", 2.0)
    record({"one": one, "two": two}, file)
    again = Section("one", "")
    again.below("k", "says", 3.0, 4.0)
    record({"one": again}, file)
    kept = json.loads(file.read_text())
    assert list(kept) == ["one", "two"]
    assert kept["one"]["k"] == dict(
        says="says", measured=3.0, kind="below", expected=4.0, tolerance=None, holds=True, seed=None
    )
    assert kept["two"]["n"]["expected"] is None
    assert FILE.read_text() == json.dumps(numbers(), indent=1, ensure_ascii=False) + "\n"  # recording keeps the form


def test_a_key_is_used_once():
    section = Section("a", "b")
    section.below("k", "says", 1.0, 2.0)
    with pytest.raises(ValueError, match="key is 'k'"):
        section.above("k", "says again", 1.0, 0.0)


ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
THEORY = ("04", "05", "06")
"""notebooks whose claims are the report's"""


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_notebooks_take_their_expectations_from_the_report(path):
    """Every check against a reported number still prints the number that the report has now."""
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    using = [c for c in cells if "checks." in "".join(c["source"]) and CALL.search("".join(c["source"]))]
    assert using or not path.name.startswith(THEORY), f"{path.name} checks nothing against the report"
    for cell in using:
        printed = "".join("".join(o.get("text", "")) for o in cell["outputs"])
        for section, key, which in CALL.findall("".join(cell["source"])):
            pattern = re.sub(r"\\{.*?\\}", ".+", re.escape(key))  # alpha_{alpha:g}: at least one of its numbers
            values = [
                science.reported(section, k, which or "measured")
                for k in numbers()[section]
                if re.fullmatch(pattern, k)
            ]
            assert any(f"{value:.4g}" in printed for value in values), f"{section}, {key}: {values} not in the output"
