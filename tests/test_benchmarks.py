"""What is measured on a graphics card is ready to be: it runs to its end without one, and says what it could not do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


def told(*arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout


def test_every_part_runs_without_a_graphics_card():
    table = told("--device", "cpu", "--small")
    assert "no GPU here: not measured. What follows is the CPU." in table
    for part in (
        r"4 runs, 3 rounds, batch 256, numbers own +\d",
        r"numbers shared +\d",
        r"one run alone on cpu, 3 rounds +\d",
    ):
        assert re.search(part, table), part
    assert table.count("4 of 4 went on") == 2
    assert re.search(r"a refresh of the oracle at axis 64, float64 +[\d.]+ ms", table)
    assert re.search(r"a training step of velocity.UNet, [\d.]+ M parameters, batch 4 +[\d.]+ ms +torchcfm", table)
    assert "goal" not in table, "which is one for a graphics card"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_where_there_is_none_it_says_so():
    assert told() == "no GPU here (cuda): not measured. --device cpu --small shows that it would run.\n"
