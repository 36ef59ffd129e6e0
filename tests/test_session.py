"""The Live lab's session and its broadcast as plain Python: no Gradio, no browser."""

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from orwlab import flow, rewards, zoo
from orwlab.finetune import FineTuning
from orwlab.show.stage.frames import decode
from orwlab.show.studio import broadcast as broadcasts
from orwlab.show.studio.broadcast import Broadcast, Registry
from orwlab.show.studio.exact import exact_limit
from orwlab.show.studio.history import CAPACITY, History
from orwlab.show.studio.session import Session
from orwlab.show.studio.settings import Settings, target_names


def in_own_loop(coroutine):
    """Run it in a thread of its own: where browser tests ran before, this thread has a loop that never ends."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def session(particles: int = 60, **settings) -> Session:
    return Session(Settings(**settings), particles=particles, running=True, name="test")


def picture(s: Session) -> tuple[dict, dict]:
    return decode(s.frame()["frame"])


def work(s: Session, n: int) -> None:
    for _ in range(n):
        s.advance()


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": -0.1}, r"W2 weight α is -0.1; allowed: .* >= 0 and <= 100"),
        ({"alpha": float("nan")}, "W2 weight α is nan"),
        ({"alpha": None}, "W2 weight α is None"),
        ({"alpha": "1"}, "W2 weight α is '1'"),
        ({"tau": 1e9}, "inverse temperature τ is 1000000000.0; allowed: .* >= 0 and <= 5"),
        ({"target": "circles"}, "target is 'circles'; allowed: one of 'gaussian', "),
        ({"target": "two_modes_1d"}, "target is 'two_modes_1d'"),  # a line has no picture here
        ({"reward": None}, "reward is None; allowed: one of 'right', "),
        ({"seed": -1}, "seed is -1; allowed: a whole number >= 0"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": 2**40}, "seed is 1099511627776"),
        ({"colour": "red"}, "control is 'colour'; allowed: one of 'target', "),
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
    assert (s.run.round, s.snapshot.alpha, s.snapshot.tau) == (4, 0.25, 2.0)
    meta, arrays = picture(s)
    assert (meta["alpha"], meta["tau"]) == (0.25, 2.0)
    assert list(arrays["changes"]) == [3]


def test_a_smaller_alpha_gives_a_larger_reward():
    ends = []
    for alpha in (10.0, 0.1):
        s = session(particles=200)
        s.control(alpha=alpha)
        work(s, 60)
        ends.append(s.history.reward[-1])
    assert ends[1] > ends[0] + 0.25


@pytest.mark.parametrize("change", [{"target": "gaussian"}, {"reward": "ring"}, {"seed": 5}])
def test_target_reward_and_seed_start_again_from_the_reference(change):
    s = session()
    work(s, 5)
    s.control(**change)
    work(s, 1)  # shows the reference itself
    assert (s.run.round, s.state) == (0, "running")
    fresh = session(**change)
    np.testing.assert_array_equal(picture(s)[1]["x"], picture(fresh)[1]["x"])
    work(s, 2)
    work(fresh, 2)
    np.testing.assert_array_equal(picture(s)[1]["x"], picture(fresh)[1]["x"])


def test_pause_step_and_play():
    s = session()
    work(s, 2)
    s.pause()
    work(s, 3)
    assert (s.run.round, s.state) == (2, "paused")
    assert not s.wants_work
    s.step()
    s.step()
    work(s, 5)
    assert (s.run.round, s.state) == (4, "paused")
    s.play()
    work(s, 2)
    assert s.run.round == 6
    s.step()  # while it runs: one more, then paused
    work(s, 4)
    assert (s.run.round, s.state) == (7, "paused")


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


def test_the_picture_is_plain_fine_tuning_with_the_same_seed():
    s = session(particles=100, seed=3)
    run = FineTuning(zoo.load("eight_gaussians"), rewards.get("right"), tau=1.0, alpha=1.0, seed=3)
    snapshots = run.rounds(10)
    for _ in range(6):
        s.advance()
        next(snapshots)
    s.control(alpha=0.2)
    run.alpha = 0.2
    for _ in range(4):
        s.advance()
        snapshot = next(snapshots)
    method, steps = run.sampler
    expected = flow.sample(run.policy, s.watch, method=method, steps=steps)
    assert torch.equal(s.samples, expected)
    assert s.snapshot.reward == snapshot.reward
    meta, arrays = picture(s)
    size = meta["view"][1]
    np.testing.assert_allclose(arrays["x"], expected, atol=4 * size / 65535)
    assert arrays["reward"][-1] == pytest.approx(float(rewards.get("right")(expected).mean()), abs=1e-6)


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
    while s.run.round < 300 and "It has collapsed." not in titles:
        s.advance()
        titles.append(s.banner.title if s.banner else None)
    assert "It has collapsed." in titles
    assert titles[0] is None
    assert "larger α" in picture(s)[0]["banner"]["text"]


def test_it_says_so_when_it_leaves_the_data():
    s = session(particles=600, reward="plane", alpha=0.0)
    work(s, 60)
    assert s.banner.title == "It is leaving the data."
    assert "ceiling" in s.banner.text
    assert picture(s)[0]["view"][1] > 5  # the view follows


def test_divergence_stops_it_with_advice_and_keeps_the_last_picture():
    s = session()
    work(s, 3)
    last = s.samples
    with torch.no_grad():
        next(s.run.policy.parameters()).fill_(float("nan"))
    s.advance()
    meta, arrays = picture(s)
    assert (meta["state"], meta["banner"]["kind"]) == ("stopped", "stopped")
    assert "stopped being finite" in meta["banner"]["title"]
    assert "larger α" in meta["banner"]["text"]
    np.testing.assert_allclose(arrays["x"], last, atol=1e-3)
    s.play()  # from the last good state
    work(s, 2)
    assert (s.state, s.banner) == ("running", None)
    assert s.run.round > meta["round"]
    assert s.history.rounds == sorted(set(s.history.rounds))


def test_an_unexpected_failure_becomes_a_sentence(caplog):
    s = session()
    picture(s)

    def broken(x):
        raise RuntimeError("the cable is loose")

    s.run.reward = broken
    work(s, 2)
    meta, _ = picture(s)
    assert meta["state"] == "stopped"
    assert "the cable is loose" in meta["banner"]["text"]
    assert "Traceback" not in meta["banner"]["text"]
    s.reset()
    s.play()
    work(s, 3)
    assert (s.state, s.run.round) == ("running", 2)


def test_the_exact_limit_is_drawn_for_the_settings_it_belongs_to():
    s = session()
    limit = exact_limit(s.settings)
    assert limit.reward == pytest.approx(0.3975, abs=0.01)  # the axis-256 value
    s.set_exact(s.settings, limit)
    assert picture(s)[0]["curves"][0]["exact"]["label"] == "exact limit 0.40"
    s.control(alpha=0.5)
    assert picture(s)[0]["curves"][0]["exact"] is None
    assert exact_limit(Settings(alpha=0.0)) is None


def test_curves_stay_small_and_keep_both_ends():
    history = History()
    for k in range(5000):
        history.add(k, float(k), 1.0)
        assert len(history.rounds) <= CAPACITY + 1
        assert (history.rounds[0], history.rounds[-1]) == (0, k)
    assert np.max(np.diff(history.rounds)) <= 5000 / CAPACITY * 4
    assert history.reward == [float(k) for k in history.rounds]


def test_a_drag_leaves_one_mark():
    history = History()
    for k in (3, 4, 5, 9, 14, 40, 41, 90):
        history.mark(k)
    assert history.changes == [14, 41, 90]
    for k in range(100, 5000, 10):
        history.mark(k)
    assert len(history.changes) <= 60


# Anything a person might do -------------------------------------------------------------------------------------------

EXTREMES = {
    "alpha": [0.0, 1e-9, 0.01, 1.0, 100.0, -1.0, float("nan"), None],
    "tau": [0.0, 1e-9, 1.0, 5.0, 99.0, float("inf"), "x"],
    "target": ["gaussian", "eight_gaussians", "nowhere", ""],
    "reward": [*rewards.names(), "gold"],
    "seed": [0, 1, 2**31 - 1, -1, 0.5],
}


@pytest.mark.parametrize("block", range(10))
def test_no_sequence_of_controls_breaks_it(block):
    for seed in range(10 * block, 10 * block + 10):  # 100 sequences in all
        rng = random.Random(seed)
        s = session(particles=40, seed=seed)
        seq = 0
        for _ in range(12):
            if rng.random() < 0.5:
                name = rng.choice(list(EXTREMES))
                with contextlib.suppress(ValueError):  # what is refused must be refused politely
                    s.control(**{name: rng.choice(EXTREMES[name])})
            else:
                getattr(s, rng.choice(["play", "play", "pause", "step", "reset"]))()
            work(s, rng.randrange(4))
            meta, arrays = picture(s)
            assert meta["seq"] > seq
            seq = meta["seq"]
            assert all(np.isfinite(a).all() for a in arrays.values())
            assert meta["state"] in ("running", "paused"), meta["banner"]
        s.reset()
        s.play()
        work(s, 2)
        assert s.run.round == 1  # no control is stuck


# Broadcasting ---------------------------------------------------------------------------------------------------------


def collect(b: Broadcast, n: int, acknowledge: bool = True) -> list[tuple[float, dict]]:
    async def go():
        seen = []
        async for value in b.frames():
            meta, _ = decode(value["frame"])
            seen.append((time.monotonic(), meta))
            if acknowledge:
                b.acknowledge(meta["seq"])
            if len(seen) == n:
                return seen
        return seen

    return in_own_loop(asyncio.wait_for(go(), 60))


def test_frames_are_paced():
    seen = collect(Broadcast(session(), rate=25), 16)
    assert (seen[-1][0] - seen[1][0]) / 14 >= 0.99 / 25
    assert [meta["round"] for _, meta in seen[1:]] == sorted({meta["round"] for _, meta in seen[1:]})


def test_nobody_looks_nothing_is_computed_and_the_stream_ends(monkeypatch):
    monkeypatch.setattr(broadcasts, "WINDOW", 5)
    monkeypatch.setattr(broadcasts, "PATIENCE", 0.3)
    b = Broadcast(session(), rate=200)
    seen = collect(b, 1000, acknowledge=False)
    assert len(seen) == 5
    assert b.session.run.round <= 5
    assert not b.alive


def test_a_paused_session_sends_nothing_until_something_happens():
    b = Broadcast(session(), rate=50)

    async def go():
        stream = b.frames()
        b.session.pause()
        b._asked = b.session.settings  # leave the oracle out of it
        for _ in range(2):
            await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        b.session.step()
        meta, _ = decode((await asyncio.wait_for(waiting, 5))["frame"])
        assert meta["round"] == 1
        await stream.aclose()

    in_own_loop(go())


def test_a_new_stream_ends_the_old_one_and_closing_ends_both():
    registry = Registry()

    async def ended(stream):
        assert len([frame async for frame in stream]) <= 2

    async def go():
        b = await registry.open("ada", Settings())
        assert await registry.open("ada", Settings(seed=9)) is b
        old, new = b.frames(), b.frames()
        await anext(old)
        await anext(new)
        await asyncio.wait_for(ended(old), 5)
        assert registry.acknowledge(b.session.name, 1)
        registry.close("ada")
        await asyncio.wait_for(ended(new), 5)
        assert len(registry) == 0
        assert not registry.acknowledge(b.session.name, 2)
        registry.close("ada")  # twice does no harm

    in_own_loop(go())


def test_a_move_that_was_overtaken_is_ignored():
    b = Broadcast(session())
    assert b.is_newest("alpha", 10)
    assert b.is_newest("alpha", 12)
    assert not b.is_newest("alpha", 11)
    assert b.is_newest("tau", 11)


def test_the_session_does_not_need_gradio():
    code = "import sys, orwlab.show.studio.broadcast; sys.exit('gradio' in sys.modules or 'plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
