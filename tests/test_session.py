"""The Live lab's session as plain Python: no Gradio, no browser, no other process."""

import contextlib
import gc
import random
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
import torch

from orwlab import checks, flow, metrics, oracle, rewards, targets, wasserstein, zoo
from orwlab.exact import frontiers, sweep
from orwlab.finetune import FineTuning
from orwlab.methods.run import Diverged
from orwlab.show.lab import banners, exact, lanes, measures, yardstick
from orwlab.show.lab import session as sessions
from orwlab.show.lab.controls import target_names
from orwlab.show.lab.history import CAPACITY, History
from orwlab.show.lab.load import FIXED, Load
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import Story
from orwlab.show.stage.frames import decode
from orwlab.show.stage.readouts import SUPERSCRIPTS


def session(particles: int = 60, **settings) -> Session:
    """One that does a round whenever it is asked to."""
    return Session(Settings(**{"speed": 0, **settings}), particles=particles, running=True, name="test")


def picture(s: Session) -> tuple[dict, dict]:
    return decode(s.frame()["frame"])


def work(s: Session, n: int) -> None:
    for _ in range(n):
        s.advance()


def rest(s: Session) -> None:
    """Pause it, and let everything be read."""
    s.pause()
    s.advance()


def tile(s: Session, key: str, lane: int = 0) -> dict:
    return next(n for n in picture(s)[0]["lanes"][lane]["numbers"] if n["key"] == key)


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("about ", "").rstrip(" %"))


def until_known(s: Session) -> None:
    """Wait for the exact limit, which another thread works out."""
    deadline = time.monotonic() + 60
    while s._limits.pending and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not s._limits.pending


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": -0.1}, "W2 weight α is -0.1; allowed: a number from 0 to 100$"),
        ({"alpha": float("nan")}, "W2 weight α is nan"),
        ({"alpha": None}, "W2 weight α is None"),
        ({"alpha": "1"}, "W2 weight α is '1'"),
        ({"tau": 1e9}, "inverse temperature τ is 1000000000.0; allowed: a number from 0 to 5$"),
        ({"target": "circles"}, "target is 'circles'; allowed: one of 'gaussian', "),
        ({"target": "two_modes_1d"}, "target is 'two_modes_1d'"),  # a line has no picture here
        ({"reward": None}, "reward is None; allowed: one of 'right', "),
        ({"seed": -1}, "seed is -1; allowed: a whole number from 0 to 2147483647$"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": 2**40}, "seed is 1099511627776"),
        ({"colour": "red"}, "control is 'colour'; allowed: one of 'target', "),
        ({"others": (1.0, 2.0, 3.0, 4.0)}, "further α is .*; allowed: at most 3 numbers"),
        ({"others": (1.0, -2.0)}, "a further α is -2.0; allowed: a number from 0 to 100$"),
        ({"others": 3.0}, "further α is 3.0"),
        ({"weighting": "none"}, "weighting is 'none'; allowed: one of 'exp', "),
        ({"coupling": "best"}, "coupling is 'best'; allowed: one of 'independent', 'ot'"),
        ({"steps_per_round": 0}, "gradient steps a round is 0; allowed: a whole number from 1 to 32$"),
        ({"lr": 1.0}, "learning rate is 1.0; allowed: a number from 0.00001 to 0.1$"),
        ({"mode": "exactly"}, "mode is 'exactly'; allowed: one of 'learned', 'both', 'exact'"),
        ({"measured": "best"}, "measured is 'best'; allowed: one of 'average', 'iterate'"),
        ({"speed": -1}, "speed in rounds a second is -1"),
        ({"t": 1.1}, "flow time t is 1.1; allowed: a number from 0 to 1$"),
        ({"arrows": 1}, "arrows is 1; allowed: True or False"),
        ({"alpha": 2.0, "seed": None}, "seed is None"),
    ],
)
def test_bad_values_are_named_and_change_nothing(changes, message):
    s = session()
    before = s.settings
    with pytest.raises(ValueError, match=message):
        s.control(**changes)
    assert s.settings == before


def test_every_plane_target_with_a_reference_can_be_chosen():
    assert "eight_gaussians" in target_names()
    assert not [name for name in target_names() if name.endswith("_1d")]


# What the controls do -------------------------------------------------------------------------------------------------


def test_alpha_and_tau_act_in_the_next_round_and_do_not_restart():
    s = session()
    work(s, 3)
    s.control(alpha=0.25, tau=2.0)
    work(s, 1)
    assert (s.runs[0].round, s.snapshot.alpha, s.snapshot.tau) == (4, 0.25, 2.0)
    meta, arrays = picture(s)
    assert (meta["lanes"][0]["alpha"], meta["lanes"][0]["label"], meta["tau"]) == (0.25, "α = 0.25", 2.0)
    assert list(arrays["changes"]) == [3]


def test_a_moved_control_is_seen_before_the_next_round_and_holds_no_round_up():
    """Where time counts: the first picture is of what moved, the second has the round, whatever moved meanwhile."""
    s = session(speed=0)
    s.advance(0.05)
    before = s.round
    for alpha in (0.3, 3.0, 0.1, 10.0):
        s.control(alpha=alpha)
        assert s.advance(0.05)
        assert (picture(s)[0]["alpha"], s.round) == (alpha, before)
        s.control(alpha=alpha / 2)
        assert s.advance(0.05)
        assert s.round > before
        assert picture(s)[0]["alpha"] == alpha / 2
        before = s.round
        s.advance(0.05)
        assert s.round > before  # nothing has moved: it goes on
        before = s.round


def test_what_needs_other_particles_is_not_shown_without_them():
    s = session(speed=0)
    s.advance(0.05)
    before = s.round
    s.control(t=0.0)
    assert s.advance(0.05)
    assert s.round > before
    np.testing.assert_allclose(picture(s)[1]["x"].reshape(-1, 2), s.watch.numpy(), atol=1e-2)


def test_a_smaller_alpha_gives_a_larger_reward():
    ends = []
    for alpha in (10.0, 0.1):
        s = session(particles=200)
        s.control(alpha=alpha)
        work(s, 60)
        ends.append(s.history.last("reward")[0])
    assert ends[1] > ends[0] + 0.25


@pytest.mark.parametrize(
    "change",
    [
        {"target": "gaussian"},
        {"seed": 5},
        {"weighting": "mean_one"},
        {"coupling": "ot"},
        {"others": (0.1,)},
    ],
)
def test_what_cannot_change_under_a_run_starts_again_from_the_reference(change):
    s = session()
    work(s, 5)
    s.control(**change)
    work(s, 1)  # shows the reference itself
    assert (s.runs[0].round, s.state) == (0, "running")
    fresh = session(**change)
    np.testing.assert_array_equal(picture(s)[1]["x"], picture(fresh)[1]["x"])
    work(s, 2)
    work(fresh, 2)
    np.testing.assert_array_equal(picture(s)[1]["x"], picture(fresh)[1]["x"])


@pytest.mark.parametrize(
    "change",
    [
        {"reward": "ring"},
        {"lr": 1e-4},
        {"steps_per_round": 3},
        {"speed": 90.0},
        {"t": 0.5},
        {"arrows": True, "paths": True},
        {"mode": "both"},
    ],
)
def test_what_can_change_under_a_run_does(change):
    s = session()
    work(s, 5)
    s.control(**change)
    s.advance()
    assert s.runs[0].round in (5, 6)  # at 90 rounds a second perhaps not yet
    for name, value in change.items():
        assert getattr(s.runs[0], name, value) == (rewards.get(value) if name == "reward" else value)


def test_another_reward_changes_the_background_and_the_references_value():
    s = session(particles=500)
    work(s, 3)
    before = s.frame()["scene"]
    s.control(reward="ring")
    s.advance()
    assert s.frame()["scene"] != before
    shown = picture(s)[0]["curves"][0]["baseline"]["value"]
    samples = targets.get("eight_gaussians").sample(20000, generator=torch.Generator().manual_seed(0))
    assert shown == pytest.approx(float(rewards.get("ring")(samples).mean()), abs=0.01)


def test_speed_is_a_limit():
    s = session(speed=10.0)
    start = time.monotonic()
    while time.monotonic() - start < 0.75:
        s.advance()
        time.sleep(0.002)
    assert 3 <= s.round <= 9
    until_known(s)
    while s.idle_for == 0:
        s.advance()
    assert s.idle_for <= 0.1
    s.control(speed=0)
    before = s.round
    work(s, 5)
    assert s.round == before + 5


def test_pause_step_and_play():
    s = session()
    work(s, 2)
    s.pause()
    work(s, 3)
    assert (s.runs[0].round, s.state) == (2, "paused")
    until_known(s)
    work(s, 1)
    assert not s.wants_work
    s.step()
    s.step()
    work(s, 5)
    assert (s.runs[0].round, s.state) == (4, "paused")
    s.play()
    work(s, 2)
    assert s.runs[0].round == 6
    s.step()  # while it runs: one more, then paused
    work(s, 4)
    assert (s.runs[0].round, s.state) == (7, "paused")


def test_toggle_and_back_to_the_demo():
    s = session(alpha=0.0, target="gaussian", others=(3.0,), mode="exact")
    s.toggle()
    assert s.state == "paused"
    s.toggle()
    assert s.state == "running"
    work(s, 3)
    s.begin(Story())
    work(s, 1)
    assert (s.settings, s.state, s.round) == (Settings(), "paused", 0)


def test_reset_brings_the_first_picture_back_and_waits():
    s = session()
    first = picture(s)
    work(s, 8)
    assert np.abs(picture(s)[1]["x"] - first[1]["x"]).max() > 0.01
    s.reset()
    work(s, 3)
    meta, arrays = picture(s)
    assert (meta["round"], meta["state"]) == (0, "paused")
    np.testing.assert_array_equal(arrays["x"], first[1]["x"])
    np.testing.assert_array_equal(arrays["reward"], first[1]["reward"])


# What is shown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", ["independent", "ot"])
def test_the_picture_is_plain_fine_tuning_with_the_same_seed(coupling):
    s = session(particles=100, seed=3, coupling=coupling)
    reference = zoo.load(lanes.reference_name(s.settings))
    run = FineTuning(reference, rewards.get("right"), tau=1.0, alpha=1.0, seed=3, coupling=coupling)
    snapshots = run.rounds(10, watch=s.watch)
    for _ in range(6):
        s.advance()
        next(snapshots)
    s.control(alpha=0.2)
    run.alpha = 0.2
    for _ in range(4):
        s.advance()
        snapshot = next(snapshots)
    assert torch.equal(s.samples[0], snapshot.samples)  # bit for bit
    assert s.snapshot.reward == snapshot.reward
    meta, arrays = picture(s)
    size = meta["view"][1]
    np.testing.assert_allclose(arrays["x"][0], snapshot.samples, atol=4 * size / 65535)


@pytest.mark.parametrize("name", ["eight_gaussians", "two_moons", "pinwheel"])
def test_particles_are_pushed_well_enough_to_look_at(name):
    run = FineTuning(zoo.load(name), rewards.get("right"), alpha=0.3)
    list(run.rounds(20))
    x0 = flow.noise(300, (2,), generator=torch.Generator().manual_seed(0))
    accurate = flow.sample(run.policy, x0, method="dopri5")
    off = (flow.push(run.policy, x0, run.sampler) - accurate).norm(dim=1)
    assert off.mean() < 0.03  # of a square 10 wide: a third of a per cent, two pixels
    middle = flow.trajectory(run.policy, x0, (0.0, 0.6), method="dopri5")[-1]
    s = session(particles=300, target=name)
    s._it.lanes.runs[0].policy.load_state_dict(run.policy.state_dict())
    s._it.lanes.x0 = x0
    assert (s._it.lanes.at(x0[None], 0.6)[0] - middle).norm(dim=1).mean() < 0.03


def test_every_lane_is_what_it_would_be_alone():
    alphas = (1.0, 0.1, 10.0, 0.0)
    s = session(particles=300, alpha=alphas[0], others=alphas[1:])
    work(s, 12)
    rest(s)
    meta, arrays = picture(s)
    assert [lane["label"] for lane in meta["lanes"]] == ["α = 1", "α = 0.1", "α = 10", "α = 0"]
    for k, alpha in enumerate(alphas):
        alone = session(particles=300, alpha=alpha)
        work(alone, 12)
        rest(alone)
        assert torch.equal(s.samples[k], alone.samples[0])
        other, values = picture(alone)
        assert list(arrays["rounds"]) == list(values["rounds"]) == [0, 10, 12]
        for series in ("reward", "diversity", "w2", "coupled", "penalty", "mode_mass"):
            np.testing.assert_array_equal(arrays[series][k], values[series][0])
        secret = ("exact", "bound")  # they come from another thread
        for mine, its in zip(meta["lanes"][k]["numbers"], other["lanes"][0]["numbers"]):
            if mine["key"] not in secret:
                assert mine["value"] == its["value"]
        if k:
            assert not torch.equal(s.samples[k], s.samples[0])


def test_lanes_change_alpha_without_starting_again():
    s = session(others=(0.1,))
    work(s, 3)
    s.control(others=(5.0,), alpha=0.5)
    s.advance()
    assert [run.alpha for run in s.runs] == [0.5, 5.0]
    assert [run.round for run in s.runs] == [4, 4]


def test_same_seed_same_frames_other_seed_other_frames():
    def strip(seed: int) -> np.ndarray:
        s = session(seed=seed)
        work(s, 4)
        return picture(s)[1]["x"]

    np.testing.assert_array_equal(strip(1), strip(1))
    assert np.abs(strip(1) - strip(2)).max() > 0.1


def test_two_sessions_share_nothing():
    alone, a, b = session(), session(), session(alpha=0.0, tau=3.0)
    for _ in range(6):
        a.advance()
        b.advance()
    work(alone, 6)
    assert torch.equal(a.samples, alone.samples)
    assert not torch.equal(a.samples, b.samples)


def test_it_says_so_when_it_collapses():
    s = session(particles=600, target="gaussian", reward="bump", alpha=0.0, tau=5.0)
    titles = []
    while s.round < 300 and "It has collapsed." not in titles:
        s.advance()
        titles.append(s.banner.title if s.banner else None)
    assert "It has collapsed." in titles
    assert titles[0] is None
    assert "larger α" in picture(s)[0]["lanes"][0]["banner"]["text"]


def test_it_says_so_when_it_leaves_the_data():
    s = session(particles=600, reward="plane", alpha=0.0)
    work(s, 40)
    assert s.banner.title == "It is leaving the data."
    assert "ceiling" in s.banner.text
    assert picture(s)[0]["view"][1] > 5  # the view follows


def test_it_says_so_when_few_samples_decide():
    s = session(reward="two_bumps", tau=0.0)
    work(s, 1)
    assert s.banner is None
    s.control(tau=5.0, alpha=100.0)
    s.runs[0].reward = lambda x: torch.where(x[:, 0] == x[:, 0].max(), 2.0, 0.0)  # one in 256 weighs 22,000
    s.advance()
    assert s.banner.title == "A few samples decide everything."
    assert "Only about 1 of 256 samples" in s.banner.text
    assert "smaller τ" in s.banner.text


def test_divergence_stops_its_lane_with_advice_and_keeps_the_last_picture():
    s = session(others=(2.0,))
    work(s, 2)
    last = s.samples
    work(s, 1)
    with torch.no_grad():
        next(s.runs[0].policy.parameters()).fill_(float("nan"))
    s.advance()
    meta, arrays = picture(s)
    assert meta["state"] == "running"  # the other lane goes on
    banner = meta["lanes"][0]["banner"]
    assert banner["kind"] == "stopped"
    assert "stopped being finite" in banner["title"]
    assert "larger α" in banner["text"]
    np.testing.assert_allclose(arrays["x"][0], last[0], atol=1e-3)
    assert meta["lanes"][1]["banner"] is None
    assert [lane["round"] for lane in meta["lanes"]] == [2, 4]  # the last state that drew finite samples
    with torch.no_grad():
        next(s.runs[1].policy.parameters()).fill_(float("nan"))
    s.advance()
    assert picture(s)[0]["state"] == "stopped"
    s.play()  # from the last good state
    work(s, 2)
    assert (s.state, s.banner) == ("running", None)
    assert [run.round for run in s.runs] == [4, 5]
    assert s.history.rounds == sorted(set(s.history.rounds))


@pytest.mark.parametrize(("lr", "first"), [(1e-4, False), (1e-3, False), (0.01, True), (0.1, True)])
def test_at_divergence_a_large_learning_rate_is_the_first_thing_to_doubt(lr, first):
    banner = banners.diverged(Diverged("policy", 3, ""), Settings(lr=lr, reward="plane"))
    assert (
        banner.text.startswith("Try a smaller learning rate, such as 0.001. It also helps to take a larger α") == first
    )
    assert banner.text.startswith("Try a larger α") != first
    assert "a reward with a ceiling" in banner.text
    assert "Play goes on from the last good round" in banner.text  # as the button is called


def test_an_unexpected_failure_becomes_a_sentence(caplog):
    s = session()
    picture(s)

    def broken(x):
        raise RuntimeError("the cable is loose")

    s.runs[0].reward = broken
    work(s, 2)
    meta, _ = picture(s)
    assert meta["state"] == "stopped"
    assert "the cable is loose" in meta["lanes"][0]["banner"]["text"]
    assert "Traceback" not in meta["lanes"][0]["banner"]["text"]
    s.reset()
    s.play()
    work(s, 3)
    assert (s.state, s.runs[0].round) == ("running", 2)


# Exact ----------------------------------------------------------------------------------------------------------------


def test_the_exact_limit_is_shown_for_the_settings_it_belongs_to():
    s = session(others=(0.01,))
    until_known(s)
    limit = exact.limit(s.settings, 1.0)
    assert limit.reward == pytest.approx(0.3975, abs=0.01)  # the axis-256 value
    meta = picture(s)[0]
    assert meta["curves"][0]["exact"][0]["label"] == "exact limit 0.40"
    assert meta["curves"][0]["exact"][1] is None  # a spike that no grid holds
    assert tile(s, "reward")["exact"] == "0.40"
    s.control(alpha=0.5)
    s.advance()
    if s._limits.pending:
        assert tile(s, "reward")["exact"] != "0.40"
    until_known(s)
    assert number(tile(s, "reward")["exact"]) > 0.5
    assert exact.limit(Settings(alpha=0.0), 0.0) is None
    assert exact.limit(Settings(coupling="ot"), 1.0) is None  # its limit is another


def test_exact_numbers_agree_with_an_accurate_oracle():
    limit = exact.limit(Settings(), 1.0)
    target = targets.get("eight_gaussians")
    state = oracle.PopulationDynamics(target, rewards.get("right"), axis=128)
    state.fixed_point()
    q = (state.density * state.cells.dx**2).flatten()
    w = state.reward_values.flatten().exp()
    assert limit.ess == pytest.approx(float((q * w).sum() ** 2 / (q * w * w).sum()), abs=0.005)
    torch.testing.assert_close(limit.mode_mass, state.mode_mass, atol=0.01, rtol=0)
    assert limit.diversity == pytest.approx(sweep.mean_distance(state.cells, state.density), abs=0.003)
    w2 = frontiers.w2_distance_squared(state.cells, state.density, state.reference_density)
    assert limit.w2 == pytest.approx(w2, rel=0.02)


def test_exact_mode_is_the_oracle():
    s = session(particles=2000, mode="exact", others=(0.3,))
    work(s, 6)
    s.control(alpha=0.2)
    work(s, 4)
    meta, arrays = picture(s)
    assert (meta["mode"], meta["round"], s.runs) == ("exact", 10, [])
    for k, alphas in enumerate([(1.0, 0.2), (0.3, 0.3)]):
        state = oracle.PopulationDynamics(targets.get("eight_gaussians"), rewards.get("right"), axis=exact.AXIS)
        for alpha, rounds in zip(alphas, (6, 4)):
            state.alpha = alpha
            state.iterate(rounds)
        assert arrays["reward"][k, -1] == pytest.approx(state.mean_reward, abs=1e-6)
        np.testing.assert_allclose(arrays["mode_mass"][k], state.mode_mass, atol=1e-6)
        # the particles are samples of that density: 2,000 of them have masses within 4 standard deviations
        np.testing.assert_allclose(metrics.mode_mass(s.samples[k], state.target), state.mode_mass, atol=0.045)
        mean = float(rewards.get("right")(s.samples[k]).mean())
        assert mean == pytest.approx(state.mean_reward, abs=4 * 0.7 / 2000**0.5)


def test_at_rest_networks_do_no_rounds_for_what_moved_while_densities_were_shown():
    """Densities at rest go on to the new limit by themselves; networks wait for Play."""
    s = session(mode="exact")
    work(s, 3)
    s.pause()
    s.control(alpha=0.3)
    work(s, 2)
    assert s.round > 3
    s.control(mode="learned")
    work(s, 4)
    assert (s.state, s.round) == ("paused", 0)


def test_exact_needs_no_network(monkeypatch):
    monkeypatch.setattr(zoo, "load", lambda name: pytest.fail("a network was loaded"))
    measures._pretrained.cache_clear()
    with monkeypatch.context() as without:
        without.setattr(measures, "lipschitz", lambda name: 1.0)
        s = session(mode="exact")
        work(s, 3)
        until_known(s)
    assert s.round == 3


def test_a_moved_alpha_shows_in_exact_mode_at_once_even_while_paused():
    s = session(particles=500, mode="exact")
    work(s, 5)
    s.pause()
    work(s, 2)
    before, round = s.samples.clone(), s.round
    s.control(alpha=0.2)
    assert s.advance()
    assert float((s.samples - before).norm(dim=-1).mean()) > 0.05
    s.advance()
    assert decode(s.frame()["frame"])[0]["settling"]  # and says so
    for _ in range(200):
        s.advance()
    assert s._it.lanes.settled  # and is followed until it rests
    assert not decode(s.frame()["frame"])[0]["settling"]
    assert s.state == "paused"
    assert round < s.round < round + sessions.FOLLOW
    limit = exact.limit(s.settings, 0.2)
    assert s.history.last("reward")[0] == pytest.approx(limit.reward, abs=0.02)
    until_known(s)
    work(s, 2)
    assert not s.wants_work


def test_exact_particles_move_continuously():
    state = exact.dynamics(Settings(), 0.3)
    u = exact.uniform(flow.noise(2000, (2,), generator=torch.Generator().manual_seed(0)))
    q = exact.density(state)
    state.advance()
    other = exact.density(state)
    start, near = exact.place(q, 6.0, u), exact.place(0.9999 * q + 0.0001 * other, 6.0, u)
    far = exact.place(other, 6.0, u)
    # a step in a thousand of the change moves nobody far: where a gap has no mass there is nobody to jump it
    assert float((near - start).norm(dim=1).quantile(0.99)) < 0.02
    assert float((far - start).norm(dim=1).mean()) > 0.1


def test_particles_are_placed_by_the_density():
    axis = torch.linspace(-5.9, 5.9, 60, dtype=torch.float64)
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    q = (-(x**2) / 2 - (y - 0.5 * x) ** 2).exp()
    k = torch.arange(1, 20001, dtype=torch.float64)[:, None]
    u = (0.5 + k * torch.tensor([0.7548776662466927, 0.5698402909980532])) % 1
    points = exact.place(q, 6.0, u).double()
    p = q / q.sum()
    for f in (lambda x, y: x, lambda x, y: y, lambda x, y: x * y, lambda x, y: y * y):
        assert float(f(points[:, 0], points[:, 1]).mean()) == pytest.approx(float((p * f(x, y)).sum()), abs=0.02)
    assert points.abs().max() < 6.0


def test_learned_and_exact_are_kept_apart_and_both_draws_contours():
    s = session(particles=100)
    work(s, 4)
    learned = s.samples
    s.control(mode="exact")
    work(s, 3)
    assert s.round == 2 or s.round == 3
    assert len(decode(s.frame()["exact"])[0]["lanes"]) == 1
    s.control(mode="both")
    s.pause()
    s.advance()
    assert s.round == 4
    assert torch.equal(s.samples, learned)  # where it was left
    until_known(s)
    meta, arrays = decode(s.frame()["exact"])
    assert meta["lanes"][0]["resolved"]
    root = arrays["density"][0]
    limit = exact.limit(s.settings, 1.0)
    expected = (limit.density / limit.density.max()).sqrt().T
    np.testing.assert_allclose(root, expected, atol=1e-4)


# Flow time, arrows, paths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["learned", "exact"])
def test_flow_time_arrows_and_paths(mode):
    s = session(particles=400, mode=mode, arrows=True, paths=True)
    work(s, 3)
    finished = s.samples.clone()
    meta, arrays = picture(s)
    paths = arrays["paths"][0]  # (k, s, 2)
    np.testing.assert_allclose(paths[:, -1], finished[0, : len(paths)], atol=0.05)
    s.pause()
    shown = {}
    for t in (0.0, 0.5, 1.0):
        s.control(t=t)
        s.advance()
        meta, arrays = picture(s)
        shown[t] = arrays["x"][0]
        assert meta["t"] == t
        assert torch.equal(s.samples, finished)  # the numbers stay those of finished samples
    np.testing.assert_allclose(shown[1.0], finished[0], atol=1e-3)
    np.testing.assert_allclose(shown[0.5][: len(paths)], paths[:, paths.shape[1] // 2], atol=0.12)
    # at t = 0 they are noise: the learned ones those that they are pushed from
    assert abs(float(shown[0.0].std()) - 1) < 0.1
    if mode == "learned":
        np.testing.assert_allclose(shown[0.0], s.watch, atol=1e-3)
        points, fields = torch.tensor(arrays["arrows"][0]).split(2, dim=1)
        with torch.no_grad():
            torch.testing.assert_close(s.runs[0].policy(torch.tensor(1.0), points), fields, atol=1e-4, rtol=0)


# The yardstick --------------------------------------------------------------------------------------------------------


def on_the_yardstick(v) -> torch.Tensor:
    return flow.push(v, yardstick.noise(), zoo.solver())


def test_the_yardstick_is_even_and_one_for_all():
    z = yardstick.noise()
    assert z.shape == (yardstick.SIZE, 2)
    assert z.mean(0).abs().max() < 1e-3  # random points: 0.04
    torch.testing.assert_close(z.T.cov(), torch.eye(2), atol=0.01, rtol=0)  # random points: 0.06
    # E|x - x'| of N(0, I) in the plane is sqrt(pi)
    assert measures.diversity(z) == pytest.approx(np.sqrt(np.pi), abs=0.003)  # 400 random points: 0.04
    x0, t = yardstick.crossings()
    assert float((z * x0).mean().abs()) < 0.005  # even together
    assert float(t.mean()) == pytest.approx(0.5, abs=1e-3)
    assert session(seed=1)._it.lanes._yardstick.equal(session(seed=2, particles=30)._it.lanes._yardstick)
    assert torch.equal(yardstick.even_noise(64, seed=3), yardstick.even_noise(128, seed=3)[:64])
    assert not torch.equal(yardstick.even_noise(64, seed=3), yardstick.even_noise(64, seed=4))
    assert yardstick.even_noise(2**14, seed=5).isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0; allowed: a whole number >= 1"),
        ({"n": 4, "dim": 0}, "dim is 0"),
        ({"n": 4, "dim": 10**6}, "dim is 1000000"),
        ({"n": 4, "seed": -1}, "seed is -1"),
        ({"n": "many"}, "n is 'many'"),
    ],
)
def test_even_noise_says_what_it_takes(arguments, message):
    with pytest.raises(ValueError, match=message):
        yardstick.even_noise(**arguments)


def everything_read(s: Session) -> tuple[dict, dict]:
    """The curves, the shares at modes, and the read-outs of lanes as they are written; not what other threads find."""
    meta, arrays = picture(s)
    series = {name: arrays[name] for name in arrays if name not in ("x", "bound", "mode_mass_exact", "changes")}
    said = {
        n["key"]: (n["value"], n["spread"]) for lane in meta["lanes"] for n in lane["numbers"] if n["key"] != "bound"
    }
    return series, said


@pytest.mark.parametrize("mode", ["learned", "exact"])
def test_the_same_run_reads_the_same_however_many_particles_are_drawn(mode):
    few, many = session(particles=250, mode=mode), session(particles=2000, mode=mode)
    for s in (few, many):
        work(s, 24)
        rest(s)
    assert [one.samples.shape[1] for one in (few, many)] == [250, 2000]
    (series, said), (others, other) = everything_read(few), everything_read(many)
    assert said == other
    assert series.keys() == others.keys()
    for name in series:
        np.testing.assert_array_equal(series[name], others[name])


def test_curves_know_nothing_of_the_load():
    busy, free = session(particles=1000, speed=0), session(particles=1000, speed=0)
    while busy.round < 40:
        busy.advance(budget=1e-6 if busy.round < 20 else 1.0)  # 200 particles, in turns with rounds; then all at once
        if 5 < busy.round < 20:
            assert busy.samples.shape[1] == 200
    busy.step()  # whatever it has reached, both end at the same round
    busy.advance()
    while free.round < busy.round - 1:
        free.advance()
    free.step()
    free.advance()
    assert free.samples.shape[1] == 1000
    (series, said), (others, other) = everything_read(busy), everything_read(free)
    assert said == other
    for name in series:
        np.testing.assert_array_equal(series[name], others[name])


@pytest.mark.parametrize("speed", [1.0, 20.0, 0.0])
def test_numbers_are_read_every_few_rounds_and_at_rest_always(speed):
    s = session(speed=speed)
    stride = {1.0: 1, 20.0: 4, 0.0: 10}[speed]
    s.pause()
    for k in range(1, 4):
        s.step()
        s.advance()
        assert s.history.rounds[-1] == s.round == k
    s.play()
    while s.round < 13:
        s._next = 0.0  # no waiting
        s.advance()
    assert [k for k in s.history.rounds if k > 3] == [k for k in range(4, 14) if k % stride == 0]


def test_what_is_measured_can_be_chosen_and_the_picture_stays():
    s, other = session(particles=300), session(particles=300, measured="iterate")
    right = rewards.get("right")
    for one in (s, other):
        work(one, 40)
        rest(one)
    assert torch.equal(s.samples, other.samples)
    average, iterate = (float(right(on_the_yardstick(v)).mean()) for v in (s.runs[0].average, s.runs[0].policy))
    assert s.history.last("reward")[0] == pytest.approx(average, abs=1e-6)
    assert other.history.last("reward")[0] == pytest.approx(iterate, abs=1e-6)
    assert abs(iterate - average) > 1e-3  # they can be told apart
    marks = list(s.history.changes)
    s.control(measured="iterate")
    s.advance()  # at once, and while paused
    assert s.history.last("reward")[0] == pytest.approx(iterate, abs=1e-6)
    assert s.history.last("secant") == other.history.last("secant")
    assert s.history.changes == [*marks, 40]
    assert "newest network" in tile(s, "reward")["hint"]
    assert tile(s, "reward")["spread"] is None  # there is only one value of that kind yet
    s.control(measured="average")
    s.advance()
    assert "running average" in tile(s, "reward")["hint"]


def test_the_spread_is_that_of_the_last_hundred_rounds():
    history = History()
    values = np.random.default_rng(0).normal(3.0, 0.2, (60, 2))
    for k in range(60):
        history.add(4 * k, {"reward": values[k]})
    recent = values[4 * np.arange(60) > 4 * 59 - 100]
    for lane in range(2):
        assert history.spread("reward", lane) == pytest.approx(recent[:, lane].std(ddof=1))
    history.forget_spread()
    assert history.spread("reward", 0) is None
    s = session()
    widths = set()
    while s.round < 120:
        s.advance()
        if s.round % 10 == 0 and s.round > 20:
            said = tile(s, "reward")["spread"]
            assert number(said.lstrip("±")) == pytest.approx(s.history.spread("reward", 0), abs=5e-4)
            widths.add(len(said))
    assert widths == {6}  # ±0.012: nothing jumps


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("alpha", [1.0, 3.0])
@pytest.mark.slow
def test_at_convergence_the_reading_is_the_exact_limit(alpha, seed):
    s = session(alpha=alpha, seed=seed)
    work(s, 300)
    limit = exact.limit(s.settings, alpha)
    curve = picture(s)[1]["reward"][0, -11:]  # the last 100 rounds
    np.testing.assert_allclose(curve, limit.reward, atol=0.03)
    assert curve.mean() == pytest.approx(limit.reward, abs=0.015)
    assert s.history.last("diversity")[0] == pytest.approx(limit.diversity, abs=0.1)
    assert s.history.last("w2")[0] == pytest.approx(limit.w2, rel=0.1)
    assert abs(s._it.readings.mode_mass[0] - limit.mode_mass).max() < 0.03


EXACT_SETTINGS = [
    {},
    {"alpha": 3.0},
    {"alpha": 0.3, "tau": 2.0},
    {"reward": "ring"},
    {"reward": "bump", "weighting": "mean_one"},
    {"target": "two_moons", "alpha": 0.5},
    {"target": "checkerboard", "weighting": "clipped"},
    {"target": "gaussian", "reward": "two_bumps", "others": (0.2,)},
]


@pytest.mark.parametrize("settings", EXACT_SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_exact_mode_comes_to_rest_in_its_limit_to_the_last_digit(settings):
    s = session(mode="exact", particles=60, **settings)
    while not s._it.lanes.settled:
        s.advance(budget=1.0)
        assert s.round < sessions.FOLLOW
    rest(s)
    until_known(s)
    meta, arrays = picture(s)
    for lane in meta["lanes"]:
        beside = {n["key"]: n for n in lane["numbers"]}
        assert beside["moved"]["value"] in ("0 %", "0.0 %")  # the first where it is rounding alone
        for key in ("reward", "diversity", "w2", "ess"):
            value, limit = beside[key]["value"], beside[key]["exact"]
            assert limit.removeprefix("about ") == value, key
            assert beside[key]["spread"] is None  # nothing wanders
    for curve in meta["curves"][:2]:
        for value, mark in zip(curve["values"], curve["exact"]):
            assert mark["label"].endswith(f" {value}")
    np.testing.assert_allclose(arrays["mode_mass"], arrays["mode_mass_exact"], atol=1e-4)
    target, reward = targets.get(s.settings.target), rewards.get(s.settings.reward)
    first = float(reward(target.sample(40000, generator=torch.Generator().manual_seed(0))).mean())
    assert meta["curves"][0]["baseline"]["value"] == pytest.approx(first, abs=0.02)


def test_limits_are_kept_when_the_mode_goes_back_and_forth():
    s = session(particles=60)
    until_known(s)
    beside_networks = tile(s, "reward")["exact"]
    s.control(mode="exact")
    s.advance()
    until_known(s)
    assert tile(s, "reward")["exact"] is not None
    for mode in ("both", "exact", "learned"):
        s.control(mode=mode)
        s.advance()
        assert tile(s, "reward")["exact"] is not None  # at once
    assert tile(s, "reward")["exact"] == beside_networks


# Read-outs ------------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_same_samples_and_in_order():
    s = session(others=(0.1,))
    work(s, 60)
    rest(s)
    for k in range(2):
        x, y = on_the_yardstick(s.runs[k].average), on_the_yardstick(zoo.load("eight_gaussians"))
        w2, coupled = s.history.last("w2")[k], s.history.last("coupled")[k]
        assert coupled == pytest.approx(float((x - y).square().sum(1).mean()), rel=1e-5)
        assert w2 == pytest.approx(wasserstein.w2_squared(x, y), rel=0.03)
        assert 0 < w2 <= coupled <= s.history.last("secant")[k]  # no supremum: on samples it could be a little below


def test_the_secant_is_the_ladders():
    reference = zoo.load("eight_gaussians")
    run = FineTuning(reference, rewards.get("right"), alpha=1.0)
    list(run.rounds(40))
    x0 = flow.noise(96, (2,), generator=torch.Generator().manual_seed(0))
    ladder = wasserstein.bounds(run.policy, reference, x0=x0, tol=0.05)
    assert measures.secant(run.policy, reference, x0) == pytest.approx(ladder.secant, rel=0.1)
    assert measures.secant(reference, reference, x0) == 0


def penalty_of(v) -> float:
    """E|v - v_ref|^2 as the training estimates it, on many random points."""
    reference, generator = zoo.load("eight_gaussians"), torch.Generator().manual_seed(0)
    noise, x0 = (torch.randn(20000, 2, generator=generator) for _ in range(2))
    t, x1 = torch.rand(20000, generator=generator), flow.sample(v, noise, method="rk4", steps=3)
    x_t = (1 - t)[:, None] * x0 + t[:, None] * x1
    with torch.no_grad():
        return float((v(t, x_t) - reference(t, x_t)).square().sum(1).mean())


@pytest.mark.parametrize("measured", ["average", "iterate"])
def test_the_penalty_is_that_of_the_network_that_is_measured(measured):
    s = session(measured=measured)
    work(s, 40)
    network = s.runs[0].average if measured == "average" else s.runs[0].policy
    assert s.history.last("penalty")[0] == pytest.approx(penalty_of(network), rel=0.05)


def test_the_bound_is_the_papers():
    s = session()
    work(s, 30)
    rest(s)
    until_known(s)
    L = measures.lipschitz("eight_gaussians")
    expected = 2 * L / np.log(10) + np.log10(penalty_of(s.runs[0].average))
    bound, penalty = (picture(s)[1][name][0, 1:] for name in ("bound", "penalty"))  # decades
    assert bound[-1] == pytest.approx(expected, abs=0.02)
    np.testing.assert_allclose(bound - penalty, 2 * L / np.log(10), atol=1e-4)  # in all rounds, though L came late
    power = f"{expected:.0f}".translate(SUPERSCRIPTS)
    assert tile(s, "bound")["value"] == f"10{power}"
    v = zoo.load("eight_gaussians")
    x = flow.noise(50, (2,), generator=torch.Generator().manual_seed(4))
    J = torch.func.vmap(torch.func.jacrev(lambda p: v(torch.tensor(0.0), p[None])[0]))(x)
    assert torch.linalg.matrix_norm(J, ord=2).max() < 1.2 * L


@pytest.mark.parametrize("mode", ["learned", "exact"])
def test_every_readout_is_explained(mode):
    s = session(mode=mode)
    until_known(s)
    work(s, 2)
    meta = picture(s)[0]
    numbers = meta["numbers"] + meta["lanes"][0]["numbers"]
    assert len({n["key"] for n in numbers}) == len(numbers) >= 8
    for said in [*numbers, *meta["curves"]]:
        assert said["hint"].endswith(".")
        assert "{" not in said["hint"]


# Curves, and how much is drawn ----------------------------------------------------------------------------------------


def test_curves_stay_small_and_keep_both_ends():
    history = History()
    for k in range(5000):
        history.add(k, {"reward": [float(k), -float(k)]})
        assert len(history.rounds) <= CAPACITY + 1
        assert (history.rounds[0], history.rounds[-1]) == (0, k)
    assert np.max(np.diff(history.rounds)) <= 5000 / CAPACITY * 4
    np.testing.assert_array_equal(history.series("reward"), [history.rounds, [-k for k in history.rounds]])


def test_a_drag_leaves_one_mark():
    history = History()
    for k in (3, 4, 5, 9, 14, 40, 41, 90):
        history.mark(k)
    assert history.changes == [14, 41, 90]
    for k in range(100, 5000, 10):
        history.mark(k)
    assert len(history.changes) <= 60


def test_with_little_time_fewer_particles_are_drawn_and_that_is_said():
    load = Load(2000)

    def push():
        pushed = load.shown // 2 if load.halves else load.shown
        load.note_push(0.020 * (pushed + FIXED) / (2000 + FIXED), pushed)  # 20 ms for all

    for budget, shown, halves, turns in (
        (0.026, 2000, False, False),  # a round, and all particles
        (0.018, 2000, True, False),  # a round, and half of them
        (0.012, 500, True, False),
        (0.007, 250, True, True),  # not even a round and half of the fewest
        (1.0, 2000, False, False),
        (0.0, 2000, False, False),
    ):
        for _ in range(40):
            load.note_round(0.005)
            push()
            load.adapt(budget)
        assert (load.shown, load.halves, load.turns) == (shown, halves, turns)
        assert budget == 0 or turns or load.cost <= budget

    s = session(particles=1000)
    for _ in range(20):
        s.advance(budget=1e-6)
    meta, arrays = picture(s)
    assert arrays["x"].shape[1] == 200
    drawn = next(n for n in meta["numbers"] if n["key"] == "drawn")
    assert drawn["value"] == "200"
    assert "fewer than 1,000" in drawn["hint"]
    assert (
        10 <= s.round <= 12
    )  # it goes on, taking turns with the other half of the particles, and with the same numbers
    fresh = session(particles=1000)
    work(fresh, s.round)
    assert torch.equal(fresh.runs[0].policy.net[0].weight, s.runs[0].policy.net[0].weight)
    s.advance()
    assert s.samples.shape[1] == 1000


def test_half_of_the_particles_a_frame_are_at_most_a_round_old_and_all_are_new_when_paused():
    class Half(Load):
        halves = True

        def adapt(self, budget):
            return self.shown

    s, fresh = session(particles=60), session(particles=60)
    s._load = Half(60)
    for k in range(1, 6):
        before = s.samples
        s.advance(budget=1e-6)
        work(fresh, 1)
        new = (k + 1) % 2  # the first frame pushes the even ones
        assert torch.equal(s.samples[:, new::2], fresh.samples[:, new::2])
        assert torch.equal(s.samples[:, 1 - new :: 2], before[:, 1 - new :: 2])
        assert not torch.equal(s.samples, fresh.samples)
    rest(fresh)
    s.pause()
    assert s.wants_work
    assert s.advance(budget=1e-6)
    assert torch.equal(s.samples, fresh.samples)
    assert s.history.last("reward") == fresh.history.last("reward")
    assert not s.advance(budget=1e-6)


def test_with_much_time_a_frame_holds_several_rounds():
    s = session(particles=60)
    work(s, 3)
    s.advance(budget=0.3)
    assert s.round > 6


# Anything a person might do -------------------------------------------------------------------------------------------

EXTREMES = {
    "alpha": [0.0, 1e-9, 0.01, 1.0, 100.0, -1.0, float("nan"), None],
    "others": [(), (0.0,), (0.0, 100.0, 0.1), [3], (1.0, None), "ab"],
    "tau": [0.0, 1e-9, 1.0, 5.0, 99.0, float("inf"), "x"],
    "target": ["gaussian", "eight_gaussians", "nowhere", ""],
    "reward": [*rewards.names(), "gold"],
    "seed": [0, 1, 2**31 - 1, -1, 0.5],
    "weighting": ["exp", "mean_one", "clipped", 3],
    "coupling": ["independent", "ot", "none"],
    "steps_per_round": [1, 2, 0, 1.5],
    "lr": [1e-5, 1e-3, 0.1, 0.0, 7],
    "mode": ["learned", "exact", "both", "all"],
    "measured": ["average", "iterate", "both"],
    "speed": [0, 50.0, 100.0, -1],
    "t": [0.0, 1e-9, 0.5, 0.999, 1.0, 2.0],
    "arrows": [True, False, "yes"],
    "paths": [True, False, None],
}
PRESSES = ["play", "play", "toggle", "pause", "step", "reset", "undo"]


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_no_sequence_of_controls_breaks_it(block, monkeypatch):
    monkeypatch.setattr(sessions.Limits, "want", lambda self, settings: None)  # two minutes of limits nobody looks at
    for seed in range(25 * block, 25 * block + 25):  # 500 sequences in all
        rng = random.Random(seed)
        s = session(particles=24, seed=seed)
        seq = 0
        for _ in range(5):
            for _ in range(rng.randrange(1, 4)):
                if rng.random() < 0.7:
                    name = rng.choice(list(EXTREMES))
                    with contextlib.suppress(ValueError):  # what is refused must be refused politely
                        s.control(**{name: rng.choice(EXTREMES[name])})
                else:
                    getattr(s, rng.choice(PRESSES))()
            for _ in range(rng.randrange(3)):
                s.advance(rng.choice([0.0, 0.0, 0.005]))
            value = s.frame()
            for name, part in value.items():
                if part and name != "story":
                    arrays = decode(part)[1]
                    assert all(np.isfinite(a).all() for a in arrays.values())
            meta = decode(value["frame"])[0]
            assert meta["seq"] > seq
            seq = meta["seq"]
            for lane in meta["lanes"]:
                assert lane["banner"] is None or lane["banner"]["title"] != "This round failed.", lane["banner"]
        s.control(speed=0, alpha=1.0, tau=1.0, reward="right", lr=1e-3)
        s.reset()
        s.play()
        work(s, 2)
        assert (s.round, s.state) == (1, "running")  # no control is stuck


def test_the_session_does_not_need_gradio():
    code = "import sys, orwlab.show.web.broadcast; sys.exit('gradio' in sys.modules or 'plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Settings that travel, and threads ------------------------------------------------------------------------------------


def test_settings_are_checked_once_and_travel_as_themselves(monkeypatch):
    s = session()
    work(s, 2)
    looked_at = []
    number = checks.number

    def noted(name, value, **limits):
        looked_at.append((name, value))
        return number(name, value, **limits)

    monkeypatch.setattr(checks, "number", noted)
    settings = s.settings.changed(alpha=0.037)  # so small that nobody works out its limit meanwhile
    assert looked_at == [("W2 weight α", 0.037)]
    s.obey(settings)
    work(s, 1)
    assert s.settings is s._it.settings is s._it.lanes.settings is settings
    assert s.runs[0].alpha == 0.037
    assert [name for name, value in looked_at if value == 0.037] == ["W2 weight α", "alpha"]  # then the run's own door


def test_changed_settings_are_what_new_ones_would_be():
    changes = {"alpha": np.float32(0.5), "others": [1, 2], "seed": np.int64(4)}
    assert Settings(tau=2.0).changed(**changes) == Settings(tau=2.0, **changes)
    with pytest.raises(ValueError, match="control is 'colour'; allowed: one of 'target', "):
        Settings().changed(colour="red")


def test_news_from_another_thread_are_not_lost():
    s = session()
    work(s, 2)
    with s._lock:  # as while a worker reads and resets what happened
        s._dirty = True
        news = threading.Thread(target=s._touch)
        news.start()
        time.sleep(0.1)
        s._dirty = False
    news.join(10)
    assert s._dirty


def test_a_control_moved_while_it_starts_again_is_not_forgotten(monkeypatch):
    s = session()
    work(s, 2)
    wishes = []
    monkeypatch.setattr(s._limits, "want", wishes.append)
    experiment = sessions.Experiment

    def slow(*arguments):
        s.control(tau=2.0)
        return experiment(*arguments)

    monkeypatch.setattr(sessions, "Experiment", slow)
    s.control(seed=3)
    work(s, 1)
    assert wishes[-1] == s.settings == Settings(speed=0, tau=2.0, seed=3)


@pytest.mark.parametrize("mode", ["learned", "both", "exact"])
def test_a_session_that_is_dropped_is_gone_at_once(mode):
    """Not when the collector comes by: tensors do not count there, and it comes seldom."""
    Session(particles=10).close()  # whatever is loaded once
    gc.collect()
    gc.disable()
    try:
        s = session(20, mode=mode, others=(0.3,))
        for _ in range(3):
            s.advance()
            s.frame()
        gone = [weakref.ref(s), weakref.ref(s._it), weakref.ref(s._it.lanes)]
        until_known(s)
        s.close()
        del s
        assert [one() for one in gone] == [None, None, None]
    finally:
        gc.enable()
