"""Methods that race in the lab: each as it would be alone, held to its own exact answer, and saying what it pays."""

import copy
import math
import time

import numpy as np
import pytest
import torch
from stories import again, told
from test_own_in_the_lab import LINES, forget

from orwlab import flow, methods, rewards, zoo
from orwlab.methods import dial
from orwlab.show.lab import exact, fitting, lanes, rivals, yardstick
from orwlab.show.lab.dials import AT_FIRST, EVERY, SAMPLES
from orwlab.show.lab.link import Link
from orwlab.show.lab.racing import RacingLanes
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import decode

FOUR = ("orw_cfm_w2", "raft", "flow_grpo", "draft")
SLOPED = [name for name in methods.names() if methods.card(name).gradient]


def race(*names: str, **settings) -> Session:
    return Session(Settings(methods=names, **{"speed": 0, **settings}), particles=60, running=True, name="test")


def work(s: Session, rounds: int) -> Session:
    while s.round < rounds:
        s.advance()
    assert s._it.failure is None
    return s


def rest(s: Session) -> Session:
    s.pause()
    deadline = time.monotonic() + 120
    while s.idle_for <= 1 and time.monotonic() < deadline:
        s.advance()
        time.sleep(0.002)
    assert math.isinf(s.idle_for)
    return s


def picture(s: Session) -> tuple[dict, dict]:
    return decode(s.frame()["frame"])


@pytest.fixture(scope="module")
def four() -> Session:
    """Four methods at rest after twelve rounds."""
    return rest(work(race(*FOUR, strength=1.5, seed=3), 12))


# What one can choose --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("ppo",)}, "method is 'ppo'; allowed: one of 'orw_cfm_w2'"),
        ({"methods": "raft"}, "methods is 'raft'; allowed: at most 4, to be shown side by side"),
        ({"methods": 3}, "methods is 3"),
        ({"methods": None}, "methods is None"),
        ({"methods": ("raft", "raft")}, "methods is .*allowed: each one once"),
        ({"methods": ("raft", ["reft"])}, r"method is \['reft'\]"),
        ({"methods": ("raft", "reft", "awm", "ddpo", "refl")}, "allowed: at most 4"),
        ({"strength": 0}, "strength is 0; allowed: a number from 0.01 to 100"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"strength": "two"}, "strength is 'two'"),
    ],
)
def test_bad_values_are_named(changes, message):
    for attempt in (lambda: Settings(**changes), lambda: Settings().changed(**changes)):
        with pytest.raises(ValueError, match=message):
            attempt()


def test_a_line_up_keeps_its_order_in_settings_and_links():
    settings = Settings(methods=["raft", "awm"], strength=0.5)
    assert settings.methods == ("raft", "awm")
    assert settings.lanes == 2
    assert Link.read("methods=raft,awm&strength=0.5").story.settings == settings
    assert Link(Link.read("#methods=raft,awm&strength=0.5").story).text() == "methods=raft,awm&strength=0.5"
    assert Settings(others=(0.1, 0.3)).lanes == 3
    assert Settings(others=(0.1, 0.3), methods=("reft",)).lanes == 1


def test_who_races_begins_anew_and_the_strength_changes_under_way():
    race_of = Settings(methods=("raft", "awm"))
    assert race_of.starts_again(Settings())
    assert race_of.changed(methods=("awm", "raft")).starts_again(race_of)
    assert not race_of.changed(strength=0.3).starts_again(race_of)
    assert not race_of.changed(others=(1.0,)).starts_again(race_of)


# Each is what it would be alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", methods.names())
def test_every_method_races_as_it_would_run_alone(name):
    s = race("orw_cfm_w2" if name != "orw_cfm_w2" else "raft", name, strength=1.5, seed=5, lr=2e-3)
    work(s, 3)
    alone = methods.get(name)(zoo.load("eight_gaussians"), rewards.get("right"), strength=1.5, seed=5, lr=2e-3)
    for _ in alone.rounds(3):
        pass
    mine = s._it.lanes.runs[1]
    for key, value in alone.state_dict().items():
        assert torch.equal(value, mine.state_dict()[key]), key
    x = flow.push(alone.policy, s.watch, alone.sampler)
    assert torch.equal(s.samples[1], x)


def test_a_round_may_pause_between_two_methods_and_is_the_same():
    settings = Settings(methods=FOUR)
    x0 = lanes.noise(0, 20)
    parts, whole = RacingLanes(settings, x0), RacingLanes(settings, x0)
    for k in range(3):
        assert not parts.advance(time.monotonic())
        assert parts.midway
        assert parts.rounds == [1] * (k + 1) + [0] * (3 - k)
    assert parts.advance(time.monotonic())
    assert not parts.midway
    assert whole.advance()
    assert parts.rounds == whole.rounds == [1] * 4
    assert torch.equal(parts.push(20), whole.push(20))


def test_what_is_pushed_is_what_the_policies_make_now():
    """Lanes that have not moved are not pushed again; those that have are, whichever particles are asked for."""
    some = RacingLanes(Settings(methods=FOUR), lanes.noise(0, 20))
    for n, every in ((20, slice(None)), (10, slice(None)), (20, slice(1, None, 2)), (20, slice(None))):
        for _ in range(3):
            some.advance(time.monotonic())
            expected = [flow.push(run.policy, some.x0[:n][every], run.sampler) for run in some.runs]
            assert torch.equal(some.push(n, every), torch.stack(expected))


def test_a_control_waits_until_a_round_that_has_begun_is_whole():
    s = race(*FOUR)
    s.advance(1e-4)  # with next to no time: a part of a round
    assert s._it.lanes.midway
    s.control(strength=0.5)
    s.advance(1e-4)
    assert all(run.strength == 0.5 for run in s.runs)
    other = race(*FOUR)
    other.advance()
    other.control(strength=0.5)
    for one in (s, other):
        one._load.turns = False
        work(one, 3)
        rest(one)
    assert [run.round for run in s.runs] == [run.round for run in other.runs]
    assert torch.equal(s.samples, other.samples)


def test_who_pauses_midway_gets_a_whole_round():
    s = race(*FOUR)
    s.advance(1e-4)
    rest(s)
    assert s._it.lanes.rounds == [1] * 4
    assert not s._it.lanes.midway


def test_a_race_is_repeated_bit_for_bit():
    s = work(race("awm", "adjoint_matching", seed=2), 4)
    s.control(strength=0.7)
    work(s, 7)
    s.control(reward="bump", lr=3e-3)
    rest(work(s, 9))
    assert [name for _, name, _ in told(s)["log"]] == ["strength", "reward", "lr"]
    other = rest(again(s, 60))
    assert torch.equal(other.samples, s.samples)
    for name in ("reward", "penalty", "evaluations", "rewards"):
        assert np.array_equal(other.history.series(name), s.history.series(name)), name


# Who is shut out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SLOPED)
def test_without_a_slope_those_that_follow_one_stand_still_and_say_so(name):
    s = race("raft", name, reward="box")
    work(s, 4)
    first = s._it.lanes.first
    assert torch.equal(s.samples[1], first)
    assert not torch.equal(s.samples[0], first)
    lane = picture(s)[0]["lanes"][1]
    assert lane["banner"]["kind"] == "stopped"
    assert lane["banner"]["title"] == f"{methods.card(name).short} is shut out."
    assert "slope" in lane["banner"]["text"]
    assert picture(s)[0]["race"]["flat"]
    assert picture(s)[0]["race"]["goals"][1] is None
    assert rivals.goal(s.settings, name)[1] in (rivals.SHUT, rivals.GOES_ON)
    assert s.state == "running"
    s.pause()
    s.play()  # which lets lanes that stopped go on
    work(s, 6)
    assert s._it.lanes.rounds == [6, 0]
    s.control(reward="right")
    work(s, 8)
    assert s._it.lanes.rounds[1] >= 2
    meta = picture(s)[0]
    assert meta["lanes"][1]["banner"] is None
    assert not meta["race"]["flat"]
    s.control(reward="box")
    stood = s._it.lanes.rounds[1]
    work(s, 10)
    assert s._it.lanes.rounds[1] == stood
    assert picture(s)[0]["lanes"][1]["banner"]["title"] == f"{methods.card(name).short} is shut out."


@pytest.mark.parametrize("name", [name for name in methods.names() if name not in SLOPED])
def test_those_that_need_only_values_race_for_a_box(name):
    s = work(race(name, reward="box"), 3)
    assert not torch.equal(s.samples[0], s._it.lanes.first)
    assert picture(s)[0]["lanes"][0]["banner"] is None or "shut out" not in picture(s)[0]["lanes"][0]["banner"]["title"]


def test_a_race_of_those_that_are_shut_out_stops_and_goes_on_with_another_reward():
    s = race("draft", "refl", reward="box")
    s.advance()
    assert s.state == "stopped"
    s.control(reward="bump")
    s.play()
    work(s, 2)
    assert s._it.lanes.rounds == [2, 2]


# What they are held to ------------------------------------------------------------------------------------------------


def test_each_lane_has_its_own_exact_answer(four):
    meta = picture(four)[0]
    state = exact.dynamics(Settings(), 1.0, exact.LIMIT_AXIS)
    for name, goal, lane in zip(FOUR, meta["race"]["goals"], meta["lanes"], strict=True):
        kind = methods.get(name)
        known = kind.exact(state.cells, state.reference_density, state.reward_values, 1.5)
        if known is None or not kind.card.settles:
            assert goal is None
            assert lane["limit"]["state"] == "none"
            assert lane["limit"]["text"] == (rivals.UNKNOWN if kind.card.settles else rivals.GOES_ON)
            continue
        assert goal["reward"] == pytest.approx(known.mean_reward, abs=1e-6)
        assert goal["kl"] == pytest.approx(known.kl, abs=1e-6)
        assert lane["limit"]["state"] == "there"
        numbers = {number["key"]: number for number in lane["numbers"]}
        assert float(numbers["reward"]["exact"]) == pytest.approx(known.mean_reward, abs=0.006)
    assert [goal is None for goal in meta["race"]["goals"]] == [False, True, False, True]


@pytest.mark.parametrize("reward", ["right", "bump", "box", "two_bumps"])
def test_nobody_has_more_reward_for_a_distance_than_the_frontier(reward):
    """For KL the tilts, which lie on it themselves; for W2 the proximal optima. Ends and points between are checked."""
    found = rivals.frontiers("eight_gaussians", reward)
    for what in ("kl", "w2"):
        distance, best = np.array(found[what]).T
        assert (np.diff(distance) >= 0).all(), what
        assert (np.diff(best) > -1e-9).all(), what
        apart = np.diff(distance) > 1e-3  # a box is full in the end
        assert apart.sum() > 4
        slopes = np.diff(best)[apart] / np.diff(distance)[apart]
        assert (np.diff(slopes) < 1e-3 * slopes[0]).all(), "less and less for each further step"
    for name in methods.names():
        goal, why = rivals.goal(Settings(reward=reward), name)
        if goal is None:
            assert why
            continue
        for what, slack in (("kl", 0.004), ("w2", 0.02)):  # straight lines between points lie below the curve
            distance, best = np.array(found[what]).T
            if goal.kl < found["kl"][-1][0] and getattr(goal, what) < distance[-1]:
                assert goal.reward < np.interp(getattr(goal, what), distance, best) + slack, (name, what)
    tilt, _ = rivals.goal(Settings(reward=reward, strength=2.0), "rw_cfm")
    assert [tilt.kl, tilt.reward] == pytest.approx(found["kl"][rivals.STRENGTHS.index(2.0) + 1], abs=1e-6)


def test_a_law_that_leaves_the_grid_is_said_to():
    goal, why = rivals.goal(Settings(target="rings", reward="plane", strength=100.0), "rw_cfm")
    assert goal is None
    assert why == rivals.LEAVES


def test_the_dial_says_what_the_library_measures(four):
    found = picture(four)[0]["race"]["dial"]
    assert found["rounds"][-1] == 12
    for run, lane in zip(four.runs, found["lanes"], strict=True):
        known = dial.achieved(run.average, run.reference, run.reward, x0=yardstick.noise()[:SAMPLES])
        assert lane["kl"][-1] == pytest.approx(known.kl, abs=1e-4)
        assert lane["w2"][-1] == pytest.approx(known.w2_squared, abs=1e-4)
        assert lane["strength"][-1] == pytest.approx(known.strength, abs=1e-4)
        assert lane["r2"][-1] == pytest.approx(known.r_squared, abs=1e-4)
        assert lane["reward"][-1] == pytest.approx(known.mean_reward, abs=1e-4)


def test_the_dial_is_looked_at_every_so_many_rounds_and_at_rest():
    s = race("rw_cfm", measured="iterate")
    looked = []
    for _ in range(2 * EVERY + 3):
        s.advance()
        deadline = time.monotonic() + 60
        while s._it.pending and time.monotonic() < deadline:
            time.sleep(0.002)
        rounds = picture(s)[0]["race"]["dial"]["rounds"]
        if rounds and (not looked or rounds[-1] != looked[-1]):
            looked.append(rounds[-1])
        if s.round >= 2 * EVERY + 2:
            break
    assert looked == [*range(AT_FIRST, EVERY, AT_FIRST), EVERY, 2 * EVERY]
    rest(s)
    assert picture(s)[0]["race"]["dial"]["rounds"] == [*looked, s.round]
    s.control(reward="bump")  # what was read is of another reward now
    rest(s)
    assert picture(s)[0]["race"]["dial"]["rounds"] == [s.round]


# What they pay --------------------------------------------------------------------------------------------------------


def test_costs_are_those_of_the_runs(four):
    meta, arrays = picture(four)
    for k, run in enumerate(four.runs):
        cost = run.cost
        assert arrays["race evaluations"][k, -1] == cost.forward + 2 * cost.backward
        assert arrays["race rewards"][k, -1] == cost.rewards
        assert arrays["race seconds"][k, -1] == pytest.approx(four._it.lanes.seconds[k], rel=1e-5)
        assert four._it.lanes.seconds[k] > 0
        assert (np.diff(arrays["race evaluations"][k]) > 0).all()
    assert arrays["race evaluations"].shape == arrays["race reward"].shape == (4, len(arrays["rounds"]))
    keys = [[number["key"] for number in lane["numbers"]] for lane in meta["lanes"]]
    assert keys == [["reward", "diversity", "w2", "coupled", "penalty", "evaluations", "rewards", "seconds"]] * 4
    assert [lane["label"] for lane in meta["lanes"]] == ["ORW-CFM-W2", "RAFT", "Flow-GRPO", "DRaFT"]


def test_the_numbers_are_read_off_the_policies(four):
    for k, run in enumerate(four.runs):
        x = flow.push(run.average, yardstick.noise(), run.sampler)
        assert four.history.last("reward")[k] == pytest.approx(float(rewards.get("right")(x).mean()), abs=1e-6)
        x0, t = yardstick.crossings()
        x_t = (1 - t[:, None]) * x0 + t[:, None] * x
        with torch.no_grad():
            apart = (run.average(t, x_t) - run.reference(t, x_t)).square().sum(1).mean()
        assert four.history.last("penalty")[k] == pytest.approx(float(apart), rel=1e-4)


# Besides --------------------------------------------------------------------------------------------------------------


def test_a_race_is_never_one_of_exact_densities():
    s = work(race("raft", "awm", mode="exact"), 2)
    meta = picture(s)[0]
    assert meta["mode"] == "both"
    assert [run.round for run in s.runs] == [2, 2]


def test_a_collapse_gives_no_advice_about_alpha():
    s = race("raft", "orw_cfm", strength=8.0, lr=3e-3)
    work(s, 60)
    said = [lane["banner"] for lane in picture(s)[0]["lanes"]]
    assert any(said), "they go on to one point"
    assert not any("α" in banner["text"] or "τ" in banner["text"] for banner in said if banner)


def test_while_a_network_is_trained_the_exact_answer_of_one_method_stands_in(monkeypatch):
    monkeypatch.setattr(fitting, "STEPS", 40)
    forget(monkeypatch)
    s = Session(Settings(target=LINES, methods=("orw_cfm_w2", "raft"), strength=4.0, speed=0), particles=30)
    meta = picture(s)[0]
    assert meta["fitting"] is not None
    assert len(meta["lanes"]) == 1
    assert meta["lanes"][0]["alpha"] == pytest.approx(0.25)
    assert told(s)["scene"]["methods"] == ["orw_cfm_w2", "raft"]
    deadline = time.monotonic() + 60
    while len(picture(s)[0]["lanes"]) == 1 and time.monotonic() < deadline:
        s.advance()
        time.sleep(0.01)
    s.play()
    work(s, 2)
    assert [run.card.name for run in s.runs] == ["orw_cfm_w2", "raft"]
    assert told(s)["scene"]["target"] == LINES


def test_a_race_in_a_notebook_is_the_same():
    from orwlab.show import live

    stage = live.stage(
        "eight_gaussians", "right", methods=("raft", "awm"), strength=1.0, controls=("methods", "strength")
    )
    assert stage.session.settings.methods == ("raft", "awm")
    stage.close()


def test_copies_are_no_longer_the_runs(four):
    before = [copy.deepcopy(v.state_dict()) for v in four._it.lanes.copied()]
    copies = four._it.lanes.copied()
    for v in copies:
        for p in v.parameters():
            p.data.add_(1.0)
    for known, v in zip(before, four._it.lanes.copied(), strict=True):
        assert all(torch.equal(value, v.state_dict()[key]) for key, value in known.items())


def test_who_runs_away_does_not_make_the_others_tiny():
    s = work(race("orw_cfm_w2", "raft", lr=3e-3, strength=4.0), 80)
    reach = s.samples.abs().amax(-1).quantile(0.98, dim=1)
    assert reach[1] > 3 * reach[0]
    size = picture(s)[0]["view"][1]
    assert reach[0] < size < 2.3 * 1.5 * max(float(reach[0]), 5.0)
    alone = work(race("raft", lr=3e-3, strength=4.0), 80)
    assert torch.equal(alone.samples[0], s.samples[1])
    assert picture(alone)[0]["view"][1] > float(reach[1])
