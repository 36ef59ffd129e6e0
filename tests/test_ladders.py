"""The ladder of bounds beside a session's rounds: its numbers, what a frame says of it, and that no run notices."""

import copy
import itertools
import json
import math
import threading
import time

import numpy as np
import pytest
import torch

from orwlab import wasserstein
from orwlab.exact.frontiers import w2_distance_squared
from orwlab.exact.grid import Grid
from orwlab.measure import ladder
from orwlab.show.lab import exact, ladders, yardstick
from orwlab.show.lab.ladders import Ladders
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import Story
from orwlab.show.stage.frames import decode
from orwlab.show.web import bound_lab, bounds_markup, workers

FEW = 48  # particles: a second each


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(ladders, "PARTICLES", FEW)


def meta(s: Session) -> dict:
    return decode(s.frame()["frame"])[0]


def settle(s: Session) -> None:
    """Until the ladder of the present round is known."""
    s.advance()
    s.advance()
    deadline = time.monotonic() + 120
    while s._it.ladders.pending and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not s._it.ladders.pending


def after(rounds: int, **settings) -> Session:
    s = Session(Settings(speed=0, **settings), particles=50, ladder=True)
    s.begin(Story(s.settings, round=rounds))
    while s._script or s._wanted:
        s.advance(1.0)
    settle(s)
    return s


@pytest.fixture(scope="module")
def learned():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladders, "PARTICLES", FEW)
        yield after(40, others=(3.0,))


def test_the_rungs_are_those_of_the_ladder_worked_out_by_hand(learned):
    found = meta(learned)["ladder"]
    for k, run in enumerate(learned.runs):
        by_hand = wasserstein.bounds(run.average, learned._it.lanes.reference, x0=yardstick.noise()[:FEW])
        lane = found["lanes"][k]
        assert lane["round"] == learned.round == 40
        assert lane["alpha"] == learned.settings.alphas[k]
        assert lane["log"] == pytest.approx(by_hand.log, abs=1e-3)
        assert lane["penalty"] == pytest.approx(by_hand.penalty, rel=1e-3)
        assert lane["certified"] == {name: rung.certified for name, rung in by_hand.rungs.items()}
        assert lane["lipschitz"] == pytest.approx(by_hand.pair.lipschitz.tolist(), rel=1e-2)
    assert [rung["name"] for rung in found["rungs"]] == list(ladders.NAMES) == list(by_hand.rungs)


def ordered(log: dict[str, float]) -> None:
    """What is proved, up to the solvers' error."""
    for a, b in itertools.pairwise(["empirical", "coupled", "flow_map", "one_sided", "minkowski", "time_varying"]):
        assert log[a] <= log[b] + 0.02, (a, b)
    assert log["time_varying"] <= log["global_lipschitz"] + 0.02
    assert log["coupled"] - 0.02 <= log["secant"] <= log["one_sided"] + 0.02


def test_the_rungs_are_ordered_and_the_loose_ones_are_very_loose(learned):
    for lane in meta(learned)["ladder"]["lanes"]:
        ordered(lane["log"])
        assert lane["log"]["flow_map"] - lane["log"]["coupled"] < math.log(10)
        assert lane["log"]["global_lipschitz"] - lane["log"]["flow_map"] > 4 * math.log(10)
        assert lane["log"]["global_lipschitz"] == pytest.approx(
            math.log(lane["penalty"]) + 2 * max(lane["lipschitz"]), abs=0.2
        )


def test_shares_of_particles_and_of_times_sum_to_one(learned):
    header, arrays = decode(learned.frame()["frame"])
    lanes = header["ladder"]["lanes"]
    assert arrays["ladder x"].shape == (2, FEW, 2)
    assert arrays["ladder shares"].shape == (2, len(ladders.NAMES), FEW)
    assert arrays["ladder shares"].min() >= 0
    np.testing.assert_allclose(arrays["ladder shares"].sum(-1), 1, atol=2e-3)  # they travel in 16 bits
    for lane in lanes:
        for name, times in lane["times"].items():
            assert len(times) == 8
            assert sum(times) == pytest.approx(1, abs=1e-3), name
    ends = wasserstein.bounds(learned.runs[0].average, learned._it.lanes.reference, x0=yardstick.noise()[:FEW]).pair.x[
        -1
    ]
    np.testing.assert_allclose(arrays["ladder x"][0], ends, atol=2e-3)


def test_the_exact_distance_beside_it_is_that_of_the_limit(learned):
    lanes = meta(learned)["ladder"]["lanes"]
    for lane, alpha in zip(lanes, learned.settings.alphas):
        limit = exact.limit(learned.settings, alpha)
        reference = exact.density(exact.dynamics(learned.settings, alpha))
        by_hand = w2_distance_squared(Grid(2, exact.FINE, limit.extent), limit.density, reference)
        assert lane["w2"] == {"now": None, "limit": pytest.approx(by_hand)}
        assert lane["w2"]["limit"] == pytest.approx(limit.w2, rel=0.1)  # the same, from 256 evenly spread points
    assert lanes[0]["w2"]["limit"] > lanes[1]["w2"]["limit"]


def test_where_there_is_no_limit_there_is_no_exact_distance():
    assert ladders.w2_of_limit(Settings(), 0.0) is None
    assert ladders.w2_of_limit(Settings(coupling="ot"), 1.0) is None


def test_exact_lanes_have_a_ladder_of_fields(few):
    s = after(30, mode="exact", target="two_moons", reward="bump")
    (lane,) = meta(s)["ladder"]["lanes"]
    ordered(lane["log"])
    assert lane["w2"]["now"] == pytest.approx(lane["w2"]["limit"], rel=0.02)  # they have arrived
    assert lane["log"]["empirical"] == pytest.approx(math.log(lane["w2"]["now"]), abs=math.log(1.6))
    state = s._it.lanes.states[0]
    by_hand = ladders.measured(state.policy, exact.dynamics(s.settings, 1.0).velocity)
    assert lane["log"] == pytest.approx(by_hand.log, abs=1e-3)


def test_a_run_is_bitwise_what_it_is_without(few):
    plain = Session(Settings(speed=0, seed=3), particles=50)
    watched = Session(Settings(speed=0, seed=3), particles=50, ladder=True)
    for s in (plain, watched):
        s.play()
        while s.round < ladders.EVERY + 5:
            s.advance()
        s.pause()
    settle(watched)
    assert meta(watched)["ladder"]["history"]["rounds"] == [ladders.EVERY, watched.round]
    assert plain.round == watched.round
    for a, b in zip(plain.runs[0].policy.state_dict().values(), watched.runs[0].policy.state_dict().values()):
        assert torch.equal(a, b)
    assert torch.equal(plain.samples, watched.samples)


def test_only_sessions_that_were_asked_to_measure(few, monkeypatch):
    asked = []
    monkeypatch.setattr(Ladders, "look", lambda self, lanes, *, at_rest: asked.append(at_rest))
    plain, watched = Session(Settings(), particles=50), Session(Settings(), particles=50, ladder=True)
    for s in (plain, watched):
        s.step()
        s.advance()
        s.advance()
    header, arrays = decode(plain.frame()["frame"])
    assert "ladder" not in header
    assert not [name for name in arrays if name.startswith("ladder")]
    assert "ladder" in meta(watched)
    assert len(asked) >= 1
    assert plain._it.ladders is None


def test_in_round_0_it_is_said_that_nothing_has_happened(few):
    s = Session(Settings(), particles=50, ladder=True)
    s.advance()
    assert meta(s)["ladder"] == {"said": ladders.ALIKE, "lanes": []}


@pytest.mark.parametrize(
    ("error", "words"), [(ValueError("policy has left"), "policy has left"), (RuntimeError("no"), ladders.FAILED)]
)
def test_what_fails_is_a_sentence_and_the_run_goes_on(monkeypatch, error, words):
    def fails(policy, reference):
        raise error

    monkeypatch.setattr(ladders, "measured", fails)
    s = after(10)
    (lane,) = meta(s)["ladder"]["lanes"]
    assert words in lane["said"]
    assert "log" not in lane
    s.step()
    s.advance()
    assert s.round == 11
    assert s.state == "paused"
    assert meta(s)["lanes"][0]["banner"] is None


class Lanes:
    """Lanes that stand still, but for their number of rounds."""

    def __init__(self, s: Session) -> None:
        self.settings, self.reference, self.runs = s.settings, s._it.lanes.reference, s.runs
        self.rounds = [0]

    @property
    def alphas(self) -> tuple[float, ...]:
        return self.settings.alphas

    def copied(self) -> list:
        return [copy.deepcopy(run.average) for run in self.runs]


@pytest.fixture
def standing(few, monkeypatch):
    """Lanes, and ladders of them that come when they are let."""
    s = Session(Settings(), particles=50)
    found = ladder.bounds(copy.deepcopy(s.runs[0].policy), s._it.lanes.reference, x0=yardstick.noise()[:8], warn=False)
    gate = threading.Semaphore(0)

    def measured(policy, reference):
        assert gate.acquire(timeout=30)
        return found

    monkeypatch.setattr(ladders, "measured", measured)
    monkeypatch.setattr(ladders, "w2_of_limit", lambda settings, alpha: 1.5)
    monkeypatch.setattr(ladders, "_in_space", lambda one: (np.zeros((8, 2)), np.ones((len(ladders.NAMES), 8)) / 8))
    return Lanes(s), gate


def until_idle(some: Ladders) -> None:
    deadline = time.monotonic() + 30
    while some.pending and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not some.pending


def test_when_to_measure_is_a_matter_of_rounds_and_the_newest_is_measured_at_rest(standing):
    lanes, gate = standing
    arrived: list[int] = []
    some = Ladders(lambda: arrived.append(1))
    for round in range(1, 3 * ladders.EVERY):
        lanes.rounds = [round]
        some.look(lanes, at_rest=False)
        assert some.pending == (round >= ladders.EVERY)  # the second one waits for nobody: it is left out
    gate.release()
    until_idle(some)
    assert some.plain()[0]["history"]["rounds"] == [ladders.EVERY]
    some.look(lanes, at_rest=True)
    gate.release()
    until_idle(some)
    some.look(lanes, at_rest=True)  # known already
    assert not some.pending
    found = some.plain()[0]
    assert found["history"]["rounds"] == [ladders.EVERY, 3 * ladders.EVERY - 1]
    assert found["lanes"][0]["w2"]["limit"] == 1.5
    assert arrived


def test_another_alpha_at_rest_does_not_measure_the_same_network_again(standing, monkeypatch):
    lanes, gate = standing
    some = Ladders(lambda: None)
    lanes.rounds = [7]
    some.look(lanes, at_rest=True)
    gate.release()
    until_idle(some)
    monkeypatch.setattr(ladders, "w2_of_limit", lambda settings, alpha: 2.5)
    lanes.settings = lanes.settings.changed(alpha=3.0)
    some.look(lanes, at_rest=True)
    until_idle(some)  # the gate is shut: nothing has been measured
    (lane,) = some.plain()[0]["lanes"]
    assert lane["w2"]["limit"] == 2.5
    assert lane["alpha"] == 3.0


def test_the_history_is_bounded_and_goes_back_with_the_run(standing):
    lanes, gate = standing
    some = Ladders(lambda: None)
    for round in range(1, 4 * ladders.HISTORY):
        lanes.rounds = [round]
        some.look(lanes, at_rest=True)
        gate.release()
        until_idle(some)
        kept = some.plain()[0]["history"]
        assert len(kept["rounds"]) <= ladders.HISTORY
        assert kept["rounds"] == sorted(set(kept["rounds"]))
        assert kept["rounds"][0] == 1
        assert kept["rounds"][-1] == round
        assert {len(values) for lanes_of in kept["log"].values() for values in lanes_of} == {len(kept["rounds"])}
    json.dumps(some.plain()[0], allow_nan=False)
    lanes.rounds = [50]  # an earlier state
    some.look(lanes, at_rest=True)
    gate.release()
    until_idle(some)
    assert some.plain()[0]["history"]["rounds"][-1] == 50


def test_whoever_leaves_is_not_told_any_more(standing):
    lanes, gate = standing
    arrived: list[int] = []
    some = Ladders(lambda: arrived.append(1))
    lanes.rounds = [5]
    some.look(lanes, at_rest=True)
    some.forget()
    gate.release()
    until_idle(some)
    assert not arrived


def test_for_whom_nobody_waits_no_further_lane_is_measured(standing):
    lanes, gate = standing
    lanes.settings, lanes.runs = lanes.settings.changed(others=[3.0]), [*lanes.runs, *lanes.runs]
    some = Ladders(lambda: None)
    lanes.rounds = [5, 5]
    some.look(lanes, at_rest=True)
    while some._wanted is not None:  # until the other thread has begun
        time.sleep(0.005)
    some.forget()
    gate.release()  # for the first lane only
    until_idle(some)
    assert some._look is not None
    assert [lane.said for lane in some._look.lanes] == ["", ladders.PENDING]


def test_a_frame_that_sees_a_ladder_arrive_has_it_in_the_history(standing):
    lanes, gate = standing
    seen: list[list[int]] = []
    some = Ladders(lambda: seen.append(some.plain()[0]["history"]["rounds"]))
    lanes.rounds = [5]
    some.look(lanes, at_rest=True)
    gate.release()
    until_idle(some)
    assert seen[0] == [5]


def test_an_alpha_that_is_steered_has_no_limit(standing, monkeypatch):
    lanes, gate = standing
    monkeypatch.setattr(ladders, "w2_of_limit", lambda settings, alpha: alpha)
    lanes.settings = lanes.settings.changed(steer="w2")
    some = Ladders(lambda: None)
    lanes.rounds = [5]
    some.look(lanes, at_rest=True)
    gate.release()
    until_idle(some)
    assert some.plain()[0]["lanes"][0]["w2"]["limit"] is None


def test_a_worker_opens_sessions_with_a_ladder_when_it_is_wanted():
    try:
        for name, wanted in (("with", True), ("without", False)):
            workers._open(name, Story(Settings()), "paused", 50, 0, False, wanted)
            header = decode(workers._work(name, [], 0.0, True).picture["frame"])[0]
            assert ("ladder" in header) == wanted
    finally:
        workers._close("with")
        workers._close("without")


# Over alpha -----------------------------------------------------------------------------------------------------------


def test_the_ladders_of_limits_over_alpha(few, monkeypatch):
    monkeypatch.setattr(ladders, "ALPHAS", (1.0, 0.3, 3.0))
    found = {piece["alpha"]: piece for piece in ladders.over_alpha("eight_gaussians", "right", "exp", 1.0)}
    assert set(found) == set(ladders.ALPHAS)
    there = [found[alpha] for alpha in sorted(found)]
    for piece in there:
        ordered(piece["log"])
    for looser, tighter in itertools.pairwise(there):  # a larger alpha holds more tightly
        for name in ("coupled", "secant", "flow_map"):
            assert looser["log"][name] > tighter["log"][name], name
        assert looser["penalty"] > tighter["penalty"]
        assert looser["w2"] > tighter["w2"]
    json.dumps(list(found.values()), allow_nan=False)


def test_where_there_is_no_limit_it_is_said_why():
    found = ladders.at_limit(Settings(reward="plane", tau=5.0), 0.1)
    assert found == {"alpha": 0.1, "said": "no limit: the reward has no ceiling"}


class Noted:
    """Errands that only note what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def look(self, work, *arguments, since=0):
        self.asked.append((work, arguments, since))
        return {"pieces": [], "done": False}


def answer(question: object) -> tuple[dict, list[tuple]]:
    import asyncio

    errands = Noted()
    return asyncio.run(bound_lab.Bounds(errands).answer(question)), errands.asked


GOOD = {"what": "ladder", "target": "rings", "reward": "bump", "weighting": "exp", "tau": 2}


def test_a_question_is_checked_and_passed_on():
    said, asked = answer(GOOD | {"from": 2})
    assert said == {"pieces": [], "done": False, "of": len(ladders.ALPHAS)}
    assert asked == [(ladders.over_alpha, ("rings", "bump", "exp", 2.0), 2)]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([], "what"),
        ({"what": "map"}, "what is 'map'"),
        (GOOD | {"target": "moon"}, "'moon'"),
        (GOOD | {"reward": "formula:__import__('os')"}, "formula"),
        (GOOD | {"weighting": None}, "None"),
        (GOOD | {"tau": "many"}, "'many'"),
        (GOOD | {"tau": float("nan")}, "nan"),
        (GOOD | {"from": -1}, "-1"),
        (GOOD | {"from": 1.5}, "1.5"),
    ],
    ids=str,
)
def test_a_bad_question_is_a_sentence(bad, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        answer(bad)


def test_the_page_has_words_for_every_rung_and_compares_it_with_a_tighter_one():
    order = list(bounds_markup.RUNGS)
    for name, words in bounds_markup.RUNGS.items():
        assert words.beside == "" or order.index(words.beside) < order.index(name)
        assert f'data-rung="{name}"' in bounds_markup.markup()
