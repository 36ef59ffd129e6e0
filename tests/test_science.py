"""The report's machinery, and all of its exact sections; the sections that train networks have tests of their own."""

import re

import pytest

from orwlab.teach.science import __main__ as science
from orwlab.teach.science.claims import Section

EXACT = ["theorem_4", "convergence", "effective_temperature", "unbounded", "house_of_cards", "three_optima"]


@pytest.mark.parametrize("name", EXACT)
def test_every_exact_claim_holds(name):
    section = science.INVESTIGATIONS[name]()
    assert len(section.claims) >= 2
    assert section.lead
    assert not [claim for claim in section.claims if not claim.holds]
    assert all(len(text) > 20 for text, _ in section.figures)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["theorem_1", "theorem_2", "pairings"])
def test_every_trained_claim_holds(name):
    assert not [claim for claim in science.INVESTIGATIONS[name]().claims if not claim.holds]


def test_claims_can_fail():
    section = Section("a", "b")
    section.close("k1", "near", 1.2, 1.0, 0.1)
    section.close("k2", "nan", float("nan"), 1.0, 0.1)
    section.below("k3", "small", 2.0, 1.0)
    section.above("k4", "large", float("nan"), 1.0)
    assert not any(claim.holds for claim in section.claims)
    assert science.text_table(section).count("NO") == 4


def test_the_report_is_one_file_that_needs_no_network(tmp_path, capsys):
    assert science.main(["--folder", str(tmp_path), "--only", "house_of_cards", "three_optima"]) == 0
    printed = capsys.readouterr().out
    assert "claims hold, 0 do not" in printed
    page = (tmp_path / "report.html").read_text()
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)  # plotly's own source names addresses
    assert "http" not in outside
    assert page.count("<figure") == 2
    assert "NO</td>" not in page


def test_a_claim_that_fails_fails_the_command(tmp_path, monkeypatch):
    section = Section("a", "b")
    section.below("k3", "small", 2.0, 1.0)
    monkeypatch.setitem(science.INVESTIGATIONS, "house_of_cards", lambda: section)
    assert science.main(["--folder", str(tmp_path), "--only", "house_of_cards"]) == 1
