"""Stories: a run that is repeated is the same run, bit for bit; and one can go back in it."""

import json
import random

import numpy as np
import pytest
import torch
from stories import again, told

from orwlab.show.lab import banners
from orwlab.show.lab.experiment import Experiment
from orwlab.show.lab.lanes import LearnedLanes
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import HEAVY, LAST, MOST, ON_THE_WAY, RESUME, Story
from orwlab.show.stage.frames import decode

READ = ("reward", "diversity", "penalty")


@pytest.fixture(autouse=True)
def without_limits(monkeypatch):
    """Nobody looks at them here."""
    monkeypatch.setattr("orwlab.show.lab.session.Limits.want", lambda self, settings: None)


def session(**settings) -> Session:
    return Session(Settings(**{"speed": 0, **settings}), particles=200, running=True, name="test")


def until(s: Session, round: int, budget: float = 0.02) -> None:
    while s.round < round and s.state != "stopped":
        s._next = 0.0  # no waiting
        s.advance(budget)


def rest(s: Session) -> Session:
    s.pause()
    for _ in range(1000):
        if not s.wants_work:
            return s
        s.advance(0.04)
    raise AssertionError("it does not come to rest")


def repeated(s: Session) -> Session:
    return rest(again(s, 200))


def assert_same(a: Session, b: Session) -> None:
    assert a.round == b.round
    assert torch.equal(a.samples, b.samples)
    names = [name for name in READ if name in a.history._columns]
    values = [dict(zip(s.history.rounds, zip(*(s.history._columns[name] for name in names)))) for s in (a, b)]
    moved = {at for at, _, _ in a.story.log}  # there it was read before the move, or at rest after it
    common = (values[0].keys() & values[1].keys()) - (moved - {a.round})
    assert max(common) == a.round
    assert len(common) > 1
    assert all(values[0][r] == values[1][r] for r in common)
    assert {name: a.history.last(name) for name in a.history._columns} == {
        name: b.history.last(name) for name in b.history._columns
    }


# The course -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [{}, {"others": (0.1, 3.0)}, {"mode": "exact", "others": (0.3,)}, {"coupling": "ot"}])
def test_a_run_with_changes_at_odd_moments_is_repeated_bit_for_bit(start):
    rng, s = random.Random(0), session(**start)
    choices = {
        "alpha": [0.0, 0.1, 1.0, 5.0],
        "others": [tuple(rng.choice([0.05, 0.5, 2.0]) for _ in start.get("others", ())) for _ in range(3)],
        "tau": [0.5, 1.0, 2.0],
        "reward": ["right", "ring", "bump"],
        "lr": [1e-4, 1e-3, 3e-3],
        "steps_per_round": [1, 2],
        "speed": [0.0, 20.0, 4.0],
        "t": [0.5, 1.0],
        "paths": [True, False],
    }
    if not s.settings.others:
        del choices["others"]
    if s.settings.mode == "exact":
        del choices["paths"], choices["t"]  # slow there
    for _ in range(9):
        until(s, s.round + rng.randrange(1, 8), rng.choice([0.0, 1e-6, 0.03]))
        for name in rng.sample(list(choices), rng.randrange(2, 5)):
            s.control(**{name: rng.choice(choices[name])})
        if rng.random() < 0.3:
            s.pause()
            s.advance()
            s.step()
            s.advance()
            s.play()
    s.control(t=1.0)
    rest(s)
    assert len(told(s)["log"]) > 5
    other = repeated(s)
    assert_same(s, other)
    assert other.settings == s.settings
    assert told(other) == told(s)
    for one in (s, other):  # and they go on alike
        one.play()
        one.step()
        one.advance()
        rest(one)
    assert_same(s, other)


def test_a_lane_that_diverges_and_goes_on_is_repeated_too():
    s = session(reward="plane", tau=5.0, lr=0.1, alpha=0.0, others=(100.0,), steps_per_round=8)
    while not any(s._it.lanes.stopped):
        s.advance()
    stopped = s.round
    until(s, stopped + 3)
    s.pause()
    s.advance()
    s.control(lr=1e-3, tau=0.5)
    s.play()  # both go on; one of them from its last good state
    until(s, s.round + 3)
    rest(s)
    rounds = s._it.lanes.rounds
    assert rounds[0] < rounds[1]
    assert [entry[1] for entry in told(s)["log"]].count(RESUME) == 1
    other = repeated(s)
    assert other._it.lanes.rounds == rounds
    assert_same(s, other)
    assert told(other) == told(s)


def test_a_run_that_went_back_takes_its_changes_with_it():
    story = Story().changed(10, [("lr", 0.1)]).changed(12, [("tau", 2.0)])
    back = story.changed(9, [(RESUME, True), ("lr", 1e-4)])
    assert back.log == ((9, "tau", 2.0), (9, RESUME, True), (9, "lr", 1e-4))
    assert back.settings == Settings(tau=2.0, lr=1e-4)


def test_a_story_never_ends_before_its_last_change():
    story = Story().changed(10, [("lr", 0.1), ("tau", 2.0)]).changed(12, [("lr", 0.05)])
    assert story.changed(9).plain() == {"scene": {}, "log": [[9, "tau", 2.0], [9, "lr", 0.05]], "round": 9}
    assert Story.read(story.changed(9).plain()) == story.changed(9)
    s = session(reward="plane", tau=5.0, lr=0.01, alpha=0.0, steps_per_round=8)
    s.advance()
    while s.state != "stopped":
        before = s.round
        s.control(lr=0.1 if s.settings.lr < 0.1 else 0.09)
        s.advance()
    assert s.round < before + 1  # it has gone back
    Story.read(told(s))
    s.control(lr=1e-3, tau=0.1)
    s.play()
    until(s, s.round + 3)
    rest(s)
    assert_same(s, repeated(s))


def test_going_to_exact_and_back_is_no_change_of_the_course():
    s = session()
    until(s, 6, 0.0)  # one by one, else rounds come in bundles
    s.control(alpha=0.3)
    until(s, 9, 0.0)
    s.control(mode="exact")
    until(s, 0)
    s.advance()
    exact_rounds = s.round
    s.control(tau=2.0)
    s.advance()
    s.control(tau=3.0)
    s.advance()
    story = told(s)
    assert story["scene"]["mode"] == "exact"
    assert story["scene"]["alpha"] == 0.3  # where the exact lanes began
    assert [entry[1:] for entry in story["log"]] == [["tau", 2.0], ["tau", 3.0]] or exact_rounds == 0
    s.control(mode="learned")
    rest(s)
    assert s.round == 9  # they rested
    assert told(s)["log"] == [[6, "alpha", 0.3], [9, "tau", 3.0]]
    assert_same(s, repeated(s))


def test_what_begins_again_begins_a_new_story():
    s = session()
    until(s, 4)
    s.control(alpha=0.2)
    until(s, 6)
    for change in ({"seed": 3}, {"target": "two_moons"}, {"weighting": "mean_one"}, {"others": (3.0,)}):
        s.control(**change)
        s.advance()
        name, value = next(iter(change.items()))
        assert told(s)["log"] == []
        assert told(s)["scene"][name] == (list(value) if isinstance(value, tuple) else value)
        assert told(s)["scene"]["alpha"] == 0.2


def test_views_are_those_of_the_present():
    s = session(t=0.5, arrows=True)
    until(s, 3)
    s.control(t=1.0, arrows=False, paths=True, speed=4.0)
    s.advance()
    assert told(s)["scene"] == {"paths": True, "speed": 4.0}
    assert told(s)["log"] == []


def test_a_whole_state_has_the_default_of_what_it_does_not_name():
    s = session(target="two_moons", reward="ring", lr=0.05, tau=3.0, others=(0.1,), t=0.3, seed=7)
    until(s, 4)
    s.begin(Story.read({"scene": {"alpha": 0.3}}), "running")
    assert s.settings == Settings(alpha=0.3)
    s.advance()
    assert (s.round, s.state, s._it.settings) == (0, "running", Settings(alpha=0.3))
    fresh = Session(Settings(alpha=0.3), particles=200, running=True)
    until(s, 4)
    until(fresh, 4)
    rest(s), rest(fresh)
    if s.round == fresh.round:
        assert torch.equal(s.samples, fresh.samples)


# Repeating ------------------------------------------------------------------------------------------------------------


def test_repeating_takes_about_as_long_as_the_rounds_and_is_seen_a_few_times_a_second(monkeypatch):
    now = 1000.0  # the session's clock: a round takes 5 ms and a picture 40 ms, on any machine

    def taking(seconds, method):
        def timed(*arguments):
            nonlocal now
            now += seconds
            return method(*arguments)

        return timed

    monkeypatch.setattr("orwlab.show.lab.session.time.monotonic", lambda: now)
    monkeypatch.setattr(LearnedLanes, "advance", taking(0.005, LearnedLanes.advance))
    monkeypatch.setattr(Experiment, "draw", taking(0.040, Experiment.draw))
    s = Session(particles=60)
    s.begin(Story.read({"scene": {}, "log": [[40, "alpha", 0.3]], "round": 150}))
    start, pictures = now, []
    while s.wants_work:
        if s.advance(0.04):
            pictures.append(decode(s.frame()["frame"])[0])
    took = now - start
    assert s.round == 150
    assert 150 * 0.005 < took < 1.4 * 150 * 0.005
    seen = [meta["replaying"] for meta in pictures]
    assert seen[0] == {"round": 0, "of": 150}
    assert seen[-1] is None
    assert 3 <= len(pictures) <= 3 + took / 0.35
    rounds = [meta["round"] for meta in pictures]
    assert rounds == sorted(rounds)


def test_a_later_scene_takes_the_place_of_one_under_way():
    s = Session(particles=60)
    s.begin(Story.read({"scene": {}, "round": LAST}), "running")
    for _ in range(4):
        s.advance(0.02)
    assert 0 < s.round < 100
    s.begin(Story.read({"scene": {"tau": 2.0}, "log": [[3, "tau", 0.5]], "round": 5}), "paused")
    rest(s)
    assert (s.round, s.state, s.settings.tau) == (5, "paused", 0.5)
    s.begin(Story.read({"scene": {}, "round": LAST}), "running")
    s.advance(0.02)
    s.advance(0.02)
    s.reset()
    rest(s)
    assert (s.round, s.state) == (0, "paused")


def test_a_repetition_that_fails_ends_with_a_sentence(monkeypatch, caplog):
    s = Session(particles=60)
    s.begin(Story.read({"scene": {}, "round": 30}), "running")
    s.advance(0.02)

    def broken(*_):
        raise RuntimeError("the cable is loose")

    monkeypatch.setattr(s._it.lanes, "advance", broken)
    s.advance(0.02)
    assert (s.state, s._script) == ("stopped", None)
    assert "the cable is loose" in s.banner.text
    monkeypatch.undo()
    monkeypatch.setattr(s._it, "obey", broken)
    s.undo()
    s.advance(0.02)
    assert s._undo == 0  # and not again and again


def test_a_control_moved_while_it_repeats_counts_from_the_end_on():
    s = Session(particles=60)
    s.begin(Story.read({"scene": {}, "round": 30}))
    s.advance(0.02)
    s.advance(0.02)
    assert s.round < 30
    s.control(alpha=0.25)
    rest(s)
    assert told(s) == {"scene": {}, "log": [[30, "alpha", 0.25]], "round": 30}
    s.begin(Story.read({"scene": {}, "round": 30}))
    s.advance(0.02)
    s.control(seed=4)  # begins a new one at once
    rest(s)
    assert (s.round, s.settings.seed) == (0, 4)


# Going back -----------------------------------------------------------------------------------------------------------


def test_undo_goes_back_to_the_round_of_the_last_change():
    s, other = session(), session()
    until(s, 10)
    first = s.round
    s.control(alpha=0.3)
    until(s, first + 10)
    second = s.round
    s.control(tau=2.0)
    until(s, second + 10)
    s.undo()
    rest(s)
    until(other, first, 0.0)  # one by one, else rounds come in bundles
    other.control(alpha=0.3)
    until(other, second, 0.0)
    rest(other)
    assert s.settings == Settings(speed=0, alpha=0.3)
    assert_same(s, other)
    s.undo()
    rest(s)
    assert (s.round, s.settings.alpha) == (first, 1.0)
    s.undo()  # there is nothing more to undo
    rest(s)
    assert (s.round, s.settings) == (first, Settings(speed=0))


def test_a_drag_is_one_change_and_the_state_and_the_view_stay():
    s = session()
    until(s, 5, 0.0)
    for k in range(6):
        s.control(alpha=0.1 + 0.1 * k)
        until(s, s.round + 2, 0.0)
    s.control(mode="both", t=0.5)
    until(s, 40, 0.0)
    s.undo()
    s.advance()
    assert s.state == "running"
    while s.wants_work and (s._script or s._wanted or s._undo):
        s.advance(0.04)
    assert (s.round, s.settings.alpha, s.settings.mode, s.settings.t) == (5, 1.0, "both", 0.5)
    assert s.state == "running"


def test_undo_brings_back_what_a_new_target_or_reset_took_away():
    s = session()
    until(s, 8)
    s.control(alpha=0.3)
    until(s, 12)
    rest(s)
    before, round = s.samples.clone(), s.round
    s.control(target="two_moons")
    rest(s)
    assert s.round == 0
    s.undo()
    rest(s)
    assert (s.round, s.settings.target) == (round, "eight_gaussians")
    assert torch.equal(s.samples, before)
    s.reset()
    rest(s)
    s.undo()
    rest(s)
    assert torch.equal(s.samples, before)


def test_a_page_is_told_whether_there_is_something_to_undo():
    def possible() -> bool:
        return json.loads(s.frame()["story"])["undo"]

    s = Session(particles=60)
    assert not possible()
    s.control(alpha=0.3)  # at rest
    rest(s)
    assert possible()
    s.undo()
    rest(s)
    assert not possible()
    assert s.settings == Settings()
    s.step()
    rest(s)
    s.reset()
    rest(s)
    assert possible()  # the round that was taken back
    s.undo()
    rest(s)
    assert (s.round, possible()) == (1, False)


def test_a_change_and_undo_in_one_breath():
    s = session()
    until(s, 8)
    rest(s)
    round = s.round
    s.control(alpha=0.3)
    s.undo()
    rest(s)
    assert (s.round, s.settings.alpha) == (round, 1.0)


# From outside ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "scene is None; allowed: controls and their values"),
        ({}, "scene is {}"),
        ({"scene": []}, "scene is "),
        ({"scene": {"colour": 1}}, "control is 'colour'; allowed: one of 'target'"),
        ({"scene": {"alpha": -1}}, "W2 weight α is -1"),
        ({"scene": {}, "log": {}}, "log is {}; allowed: a list of at most 500 changes"),
        ({"scene": {}, "log": [[0, "alpha", 1.0]] * (MOST + 1)}, "log is .*at most 500 changes"),
        ({"scene": {}, "log": ["abc"]}, "change is 'abc'"),
        ({"scene": {}, "log": [[1, "alpha"]]}, r"change is \[1, 'alpha'\]"),
        ({"scene": {}, "log": [[1.5, "alpha", 1]]}, "round of a change is 1.5"),
        ({"scene": {}, "log": [[5, "alpha", 1], [4, "alpha", 2]]}, "round of a change is 4; allowed: .* >= 5"),
        ({"scene": {}, "log": [[LAST + 1, "alpha", 1]]}, "round of a change is 100001"),
        ({"scene": {}, "log": [[1, "seed", 1]]}, "control of a change is 'seed'"),
        ({"scene": {}, "log": [[1, "t", 1]]}, "control of a change is 't'"),
        ({"scene": {}, "log": [[1, "others", [1.0]]]}, "further α is .*; allowed: as many as at the beginning, 0"),
        ({"scene": {}, "log": [[1, "tau", "big"]]}, "inverse temperature τ is 'big'"),
        ({"scene": {}, "log": [[7, "tau", 1]], "round": 6}, "round is 6; allowed: .* >= 7"),
        ({"scene": {}, "round": LAST + 1}, "round is 100001"),
        ({"scene": {}, "round": "many"}, "round is 'many'"),
    ],
)
def test_a_story_from_outside_is_checked(given, message):
    with pytest.raises(ValueError, match=message):
        Story.read(given)


def test_a_story_survives_json():
    story = Story(Settings(others=(0.1, 2.0), seed=4)).changed(0, [("tau", 0.5)])
    story = story.changed(7, [("others", (0.3, 2.0)), ("reward", "ring")]).changed(90, [("alpha", 0.0)])
    plain = json.loads(json.dumps(story.plain()))
    assert plain == {
        "scene": {"others": [0.1, 2.0], "seed": 4, "tau": 0.5},
        "log": [[7, "others", [0.3, 2.0]], [7, "reward", "ring"], [90, "alpha", 0.0]],
        "round": 90,
    }
    again = Story.read(plain)
    assert again.plain() == plain
    assert again.settings == story.settings
    steering, training = {"alpha", "others", "steer", "budget"}, {"reward", "tau", "steps_per_round", "lr", "fault"}
    assert set(ON_THE_WAY) == steering | training | {"strength"}
    assert Story.read({"scene": {}}) == Story()


def test_too_many_changes_are_thinned_out_and_that_is_said():
    story = Story()
    for k in range(3 * MOST):
        story = story.changed(k, [("alpha", 0.001 * k)])
        assert len(story.log) <= MOST
    assert story.log[-1] == (3 * MOST - 1, "alpha", pytest.approx(0.001 * (3 * MOST - 1)))
    assert story.plain()["whole"] is False
    assert Story.read(story.plain()) == story
    gaps = np.diff([at for at, _, _ in story.log])
    assert gaps.max() < 32  # a long drag is followed all the way


def test_moves_of_two_hands_are_thinned_out_too():
    story = Story()
    for k in range(2 * MOST):
        story = story.changed(k, [("alpha", 0.001 * k), ("tau", 0.001 * k)])
    assert len(story.log) <= MOST
    assert (story.settings.alpha, story.settings.tau) == pytest.approx((0.999, 0.999))


def test_long_texts_are_fewer():
    story = Story()
    for k in range(60):  # as when a reward is painted
        story = story.changed(k, [("reward", "r" * HEAVY + str(k))] if k < 3 else [("reward", "r" * 5000 + str(k))])
    assert sum(len(value) for _, _, value in story.log) <= HEAVY
    assert story.log[-1][2].endswith("59")
    assert not story.whole
    far = Story().changed(1, [("reward", "r" * 2 * HEAVY)])  # it cannot be helped
    assert len(far.log) == 1


def test_random_nonsense_is_refused_politely():
    rng = random.Random(1)
    atoms = [None, True, -1, 0, 3, 1e300, float("nan"), float("inf"), "", "alpha", "x" * 500, [], {}, [1, 2], (), b"a"]
    for _ in range(1000):
        given = {
            key: rng.choice([rng.choice(atoms), [[rng.choice(atoms) for _ in range(rng.randrange(5))]]])
            for key in rng.sample(["scene", "log", "round", "state", "whole"], rng.randrange(6))
        }
        if rng.random() < 0.5:
            given["scene"] = {rng.choice(["alpha", "others", "t", "q"]): rng.choice(atoms)}
        sentence = "allowed: nothing was wrong"
        try:
            Story.read(given)
        except ValueError as error:
            sentence = str(error)
        assert "allowed: " in sentence
        assert len(sentence) < 700


def test_the_banner_of_a_repetition_stays_until_it_is_over():
    s = Session(particles=60)
    s.begin(Story.read({"scene": {}, "round": 12}), "running", banners.RESTARTED)
    titles = []
    while s.round < 20:
        s._next = 0.0
        if s.advance(0.02):
            titles.append((s.round, s.banner.title if s.banner else None))
    assert all(title == banners.RESTARTED.title for round, title in titles if round <= 12)
    assert titles[-1][1] is None


def test_a_story_is_written_once_and_not_in_every_frame(monkeypatch):
    s = session()
    until(s, 2)
    at = s.round
    s.control(alpha=0.5)
    until(s, at + 2)
    s.frame()
    written = []
    write = Story.text
    monkeypatch.setattr(Story, "text", lambda story, **how: written.append(story) or write(story, **how))
    until(s, at + 8)
    first = s.frame()["story"]
    assert first == s.frame()["story"]
    assert not written
    later = s.round
    s.control(alpha=0.25)
    s.advance(0.02)
    assert json.loads(s.frame()["story"])["log"] == [[at, "alpha", 0.5], [later, "alpha", 0.25]]
    assert s.frame()["story"] != first
    assert len(written) == 1


def test_what_is_shown_does_not_decide_the_course(monkeypatch):
    """Particles on show that are not finite are not shown; the run goes on as it does where nobody looks."""
    s, other = session(others=(0.1,)), session(others=(0.1,))
    for one in (s, other):
        one.advance()
    shown = s.samples.clone()
    push = s._it.lanes.push

    def broken(n, every=slice(None)):
        x = push(n, every)
        x[0, 0] = float("inf")
        return x

    monkeypatch.setattr(s._it.lanes, "push", broken)
    for one in (s, other):
        one.advance()
    meta, arrays = decode(s.frame()["frame"])
    assert meta["lanes"][0]["banner"]["title"] == "It is about to diverge."
    assert meta["lanes"][1]["banner"] is None
    assert torch.equal(s.samples[0], shown[0])
    assert torch.equal(s.samples[1], other.samples[1])
    assert np.isfinite(arrays["x"]).all()
    monkeypatch.undo()
    for one in (s, other):
        one.advance()
    assert torch.equal(s.samples, other.samples)
    assert s.banner is None
