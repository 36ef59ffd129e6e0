"""What is kept of the contest: who meets the exact answer, who does not and by how much; and it can be repeated."""

import json
import math

import pytest

from orwlab import methods
from orwlab.tasks import contest

ROWS = contest.load()
MEETS = [  # the exact mean reward within NEAR, on each target
    "ORW-CFM-W2",
    "RW-CFM",
    "AWM",
    "ReFT, one round",
    "RAFT, one round",
    "ORW-CFM, one round",
    "DiffusionNFT, one round",
    "ADRPO, one round",
]


def gap(target, entry):
    return contest.mean(ROWS, target, entry, "gap")[0]


def test_every_method_takes_part_with_every_seed_on_every_target():
    assert {entry.method for entry in contest.ENTRIES.values()} == set(methods.names())
    assert len(ROWS) == len(contest.TARGETS) * len(contest.ENTRIES) * len(contest.SEEDS)
    for row in ROWS:
        assert math.isfinite(row.achieved["mean_reward"])
        assert row.cost["forward"] >= row.cost["backward"] > 0


@pytest.mark.parametrize("target", contest.TARGETS)
@pytest.mark.parametrize("entry", MEETS)
def test_these_meet_their_exact_answer(entry, target):
    assert abs(gap(target, entry)) < contest.NEAR


@pytest.mark.parametrize("target", contest.TARGETS)
def test_most_of_flow_grpo_s_gap_is_the_kl_of_later_steps(target):
    short, seeing = gap(target, "Flow-GRPO, memoryless"), gap(target, "Flow-GRPO, foresight")
    assert abs(seeing) < 0.4 * abs(short)
    assert abs(seeing) < 0.04
    assert short < -0.01
    assert gap(target, "Flow-GRPO") < -0.02  # with Euler's steps


def test_adjoint_matching_is_exact_on_one_gaussian_and_short_between_sharp_modes():
    assert abs(gap("gaussian", "Adjoint Matching")) < 0.005
    assert abs(gap("two_modes_1d", "Adjoint Matching")) < contest.NEAR
    assert -0.08 < gap("eight_gaussians", "Adjoint Matching") < -0.03


def test_a_network_drifts_from_a_cut_and_without_an_anchor():
    for target in contest.TARGETS:
        assert gap(target, "ReFT") > 3 * contest.NEAR
        assert contest.ran_away(ROWS, target, "AWM") == 0
    assert contest.ran_away(ROWS, "two_modes_1d", "AWM, no anchor") == 3
    far = {entry: contest.mean(ROWS, "eight_gaussians", entry, "w2_squared")[0] for entry in ("AWM", "AWM, no anchor")}
    assert far["AWM, no anchor"] > 1.5 * far["AWM"]


def test_what_nothing_holds_has_gone_to_the_best_point():
    for entry in ("RAFT", "ORW-CFM", "DiffusionNFT", "DDPO", "ReFL"):
        assert not methods.card(contest.ENTRIES[entry].method).settles
        for target in contest.TARGETS:
            assert contest.mean(ROWS, target, entry, "mean_reward")[0] > 0.8, (entry, target)


def test_a_row_can_be_repeated():
    kept = next(row for row in ROWS if (row.target, row.entry, row.seed) == ("two_modes_1d", "RAFT, one round", 1))
    again = contest.run("two_modes_1d", "RAFT, one round", 1)
    assert again.curve == pytest.approx(kept.curve, abs=0.005)
    assert again.cost == kept.cost
    assert again.exact == pytest.approx(kept.exact, abs=1e-6)


def test_results_of_another_recipe_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"folder is .*; allowed: a folder with contest.json"):
        contest.load(tmp_path)
    kept = json.loads((contest.FOLDER / "contest.json").read_text())
    kept["recipe"]["strength"] = 3.0
    (tmp_path / "contest.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match="results of the present recipe: make them again"):
        contest.load(tmp_path)


def test_a_table_has_a_line_an_entry():
    for target in contest.TARGETS:
        lines = contest.table(ROWS, target).splitlines()
        assert [line[:26].strip() for line in lines[1:]] == list(contest.ENTRIES)
    with pytest.raises(ValueError, match="entry is 'PPO'; allowed: "):
        contest.mean(ROWS, "gaussian", "PPO", "gap")
    with pytest.raises(ValueError, match="what is 'speed'"):
        contest.mean(ROWS, "gaussian", "RAFT", "speed")
