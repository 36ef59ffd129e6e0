"""Broadcasts, the queue, and the worker processes behind them; no Gradio, no browser."""

import asyncio
import contextlib
import json
import os
import signal
import time
from dataclasses import asdict

import pytest
import torch
from own_loop import in_own_loop

from orwlab import rewards, zoo
from orwlab.finetune import FineTuning
from orwlab.show.lab import acknowledgements, painting
from orwlab.show.lab.acknowledgements import Acknowledgements
from orwlab.show.lab.lanes import noise
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import decode
from orwlab.show.web import broadcast as broadcasts
from orwlab.show.web import workers
from orwlab.show.web.broadcast import Broadcast, Registry
from orwlab.show.web.workers import Pool

PARTICLES = 100


@pytest.fixture(scope="module")
def pool():
    pool = Pool(1)
    yield pool
    pool.shut()


def registry(pool: Pool, visitors: int = 20) -> Registry:
    return Registry(visitors, pool, PARTICLES)


class Viewer:
    """A browser as far as the server can tell."""

    def __init__(self, r: Registry, name: str, settings: Settings | None = None, *, running: bool = True) -> None:
        self.r, self.name, self.settings, self.running = r, name, settings or Settings(speed=0), running
        self.metas: list[dict] = []
        self.values: list[dict] = []
        self.notices: list[str] = []
        self.times: list[float] = []
        self.awake = True

    async def __aenter__(self) -> "Viewer":
        self.b: Broadcast = await self.r.open(self.name, self.settings)
        if self.running:
            self.b.obey({"press": "play"})
        self.task = asyncio.ensure_future(self.look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.r.close(self.name)
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def look(self) -> None:
        async for value in self.b.frames():
            if "notice" in value:
                self.notices.append(value["notice"])
                continue
            meta, _ = decode(value["frame"])
            self.metas.append(meta)
            self.values.append(value)
            self.times.append(time.monotonic())
            if self.awake:
                self.r.acknowledge(meta["run"], meta["seq"])

    def control(self, name: str, value, stamp: float = 1e9) -> bool:
        return self.b.obey({"name": name, "value": value, "stamp": stamp})

    def press(self, action: str) -> None:
        self.b.obey({"press": action})

    async def until(self, condition) -> dict:
        """The header of the first frame, from the present one on, that fulfils ``condition``."""
        seen = max(0, len(self.metas) - 1)  # several may come at once: none is passed over
        while True:
            for meta in self.metas[seen:]:
                seen += 1
                if condition(meta):
                    return meta
            if self.task.done():
                await self.task
                raise AssertionError(f"the stream ended; last {self.metas[-1:]}")
            await asyncio.sleep(0.01)


def samples_of(name: str) -> tuple[int, torch.Tensor]:
    """In the worker: a session's round and its particles."""
    session = workers._sessions[name]
    return session.round, session.samples


async def facts(pool: Pool) -> dict:
    return await pool.workers[0].call(workers._facts)


def test_frames_come_from_another_process_paced_and_in_order(pool):
    async def go():
        async with Viewer(registry(pool), "ada") as v:
            await v.until(lambda meta: meta["seq"] >= 16)
            assert (await facts(pool))["pid"] != os.getpid()
            assert (await facts(pool))["sessions"] == [v.b.name]
            return v

    v = in_own_loop(go())
    assert (v.times[-1] - v.times[1]) / (len(v.times) - 2) >= 0.9 / broadcasts.RATE
    assert [meta["seq"] for meta in v.metas] == list(range(1, len(v.metas) + 1))
    rounds = [meta["round"] for meta in v.metas]
    assert rounds == sorted(rounds)
    assert all(set(value) == {"scene", "exact", "frame", "flow", "story"} for value in v.values)


def test_the_same_seed_gives_the_same_samples_in_a_worker_as_in_plain_code(pool):
    async def go():
        async with Viewer(registry(pool), "ada", Settings(seed=4, alpha=0.3, speed=0)) as v:
            await v.until(lambda meta: meta["round"] >= 5)
            v.press("pause")
            await v.until(lambda meta: meta["state"] == "paused")
            return await pool.workers[0].call(samples_of, v.b.name)

    rounds, samples = in_own_loop(go())
    run = FineTuning(zoo.load("eight_gaussians"), rewards.get("right"), alpha=0.3, seed=4)
    *_, last = run.rounds(rounds, watch=noise(4, PARTICLES))
    assert torch.equal(samples[0], last.samples)


def test_controls_arrive_and_an_overtaken_move_is_ignored(pool):
    async def go():
        async with Viewer(registry(pool), "ada") as v:
            await v.until(lambda meta: meta["round"] >= 2)
            assert v.control("alpha", 0.25, stamp=12)
            assert not v.control("alpha", 9.0, stamp=11)
            assert v.control("tau", 2.0, stamp=11)
            meta = await v.until(lambda meta: meta["tau"] == 2.0)
            assert meta["lanes"][0]["alpha"] == 0.25
            assert meta["round"] > 0
            with pytest.raises(ValueError, match="W2 weight α is -1"):
                v.control("alpha", -1.0)
            with pytest.raises(ValueError, match="control is 'colour'"):
                v.control("colour", "red")
            with pytest.raises(ValueError, match="action is 'explode'"):
                v.press("explode")
            assert v.b.settings == Settings(speed=0, alpha=0.25, tau=2.0)
            v.b.obey({"scene": {}, "state": "paused"})
            assert v.b.settings == Settings()  # at once, so that a browser can be told
            meta = await v.until(lambda meta: meta["tau"] == 1.0)
            assert (meta["round"], meta["state"]) == (0, "paused")

    in_own_loop(go())


def test_every_action_can_be_pressed(pool):
    async def go():
        async with Viewer(registry(pool), "ada") as v:
            await v.until(lambda meta: meta["round"] >= 2)
            v.press("pause")
            meta = await v.until(lambda meta: meta["state"] == "paused")
            v.press("step")
            await v.until(lambda now: now["round"] == meta["round"] + 1)
            v.press("toggle")
            await v.until(lambda now: now["state"] == "running")
            v.press("reset")
            await v.until(lambda now: (now["state"], now["round"]) == ("paused", 0))
            v.press("play")
            await v.until(lambda now: now["round"] > 0)

    in_own_loop(go())


def test_a_paused_session_sends_nothing_until_something_happens(pool, monkeypatch):
    monkeypatch.setattr(broadcasts, "LATEST", 1e6)  # so it is the change that wakes it

    async def go():
        async with Viewer(registry(pool), "ada", Settings(speed=0, alpha=0.0)) as v:  # there is no limit to wait for
            await v.until(lambda meta: meta["round"] >= 1)
            v.press("pause")
            await v.until(lambda meta: meta["state"] == "paused")
            deadline = time.monotonic() + 60
            count = -1
            while count != len(v.metas) and time.monotonic() < deadline:  # until it is quiet
                count = len(v.metas)
                await asyncio.sleep(1)
            assert count == len(v.metas)
            v.control("alpha", 3.0)
            await v.until(lambda meta: meta["lanes"][0]["alpha"] == 3.0)

    in_own_loop(go())


def test_nobody_looks_nothing_is_computed_and_the_stream_ends(pool, monkeypatch):
    monkeypatch.setattr(broadcasts, "Acknowledgements", lambda: Acknowledgements(window=15, patience=2.0))

    async def go():
        async with Viewer(registry(pool), "ada") as v:
            v.awake = False
            await v.task
            assert acknowledgements.EVERY < len(v.metas) <= 15
            assert not v.b.alive
            assert not v.r.acknowledge(v.b.name, 15)  # that is how a browser that wakes learns it
            v.awake, round_then = True, v.metas[-1]["round"]
            v.task = asyncio.ensure_future(v.look())
            await v.until(lambda meta: meta["round"] > round_then + 1)  # it goes on where it was

    in_own_loop(go())


def test_a_new_stream_ends_the_old_one_and_closing_ends_both(pool):
    async def go():
        r = registry(pool)
        async with Viewer(r, "ada") as v:
            await v.until(lambda meta: meta["seq"] >= 2)
            assert await r.open("ada", Settings(seed=9)) is v.b
            old = v.task
            v.task = asyncio.ensure_future(v.look())
            await asyncio.wait_for(old, 10)
            assert v.b.alive
            r.close("ada")
            await asyncio.wait_for(v.task, 30)
            assert (len(r), r.find("ada"), r.find_run(v.b.name)) == (0, None, None)
            assert not r.acknowledge(v.b.name, 2)
            r.close("ada")  # twice does no harm
            assert (await facts(pool))["sessions"] == []  # the session is gone from the worker

    in_own_loop(go())


def test_visitors_do_not_see_each_other(pool):
    async def go():
        r = registry(pool)
        async with (
            Viewer(r, "ada", Settings(seed=1, speed=0)) as a,
            Viewer(r, "bob", Settings(seed=1, speed=0)) as b,
        ):
            await a.until(lambda meta: meta["round"] >= 2)
            await b.until(lambda meta: meta["round"] >= 2)
            a.control("target", "two_moons")
            a.control("alpha", 7.0)
            a.press("pause")
            await a.until(lambda meta: meta["lanes"][0]["alpha"] == 7.0 and meta["state"] == "paused")
            round_then = b.metas[-1]["round"]
            meta = await b.until(lambda meta: meta["round"] > round_then + 2)
            assert (meta["lanes"][0]["alpha"], meta["state"]) == (1.0, "running")
            b.press("pause")
            await b.until(lambda meta: meta["state"] == "paused")
            rounds, samples = await pool.workers[0].call(samples_of, b.b.name)
            assert {meta["run"] for meta in a.metas}.isdisjoint({meta["run"] for meta in b.metas})
            return rounds, samples

    rounds, samples = in_own_loop(go())
    run = FineTuning(zoo.load("eight_gaussians"), rewards.get("right"), seed=1)
    *_, last = run.rounds(rounds, watch=noise(1, PARTICLES))
    assert torch.equal(samples[0], last.samples)


def test_the_queue_is_first_come_first_served(pool):
    async def go():
        r = registry(pool, visitors=1)
        async with Viewer(r, "ada") as a:
            await a.until(lambda meta: meta["seq"] >= 1)
            async with Viewer(r, "bob") as b, Viewer(r, "cyd") as c:
                while not (b.notices and c.notices):
                    await asyncio.sleep(0.01)
                assert (r.place("ada"), r.place("bob"), r.place("cyd"), r.place("nobody")) == (0, 1, 2, 0)
                assert "One person is using it. You are next" in b.notices[0]
                assert "You are number 2 in the queue" in c.notices[0]
                assert not b.metas
                r.close("ada")
                await b.until(lambda meta: meta["seq"] >= 1)
                while len(c.notices) < 2:
                    await asyncio.sleep(0.01)
                assert "You are next" in c.notices[1]
                assert not c.metas
                r.close("bob")
                await c.until(lambda meta: meta["seq"] >= 1)

    in_own_loop(go())


def test_who_sleeps_makes_room_and_finds_the_settings_again(pool):
    async def go():
        r = registry(pool, visitors=1)
        async with Viewer(r, "ada", Settings(speed=0, tau=0.5)) as a:
            await a.until(lambda meta: meta["seq"] >= 1)
            a.control("alpha", 3.0)
            a.task.cancel()  # as when a browser is gone for good; its tab may come back
            await asyncio.wait([a.task])
            async with Viewer(r, "bob") as b:
                await b.until(lambda meta: meta["seq"] >= 1)
                assert (await facts(pool))["sessions"] == [b.b.name]
            a.task = asyncio.ensure_future(a.look())
            meta = await a.until(lambda meta: meta["lanes"][0]["alpha"] == 3.0)
            assert meta["tau"] == 0.5

    in_own_loop(go())


def test_a_worker_that_dies_is_replaced_and_visitors_are_told(pool):
    async def go():
        r = registry(pool)
        async with Viewer(r, "ada") as a, Viewer(r, "bob") as b:
            await a.until(lambda meta: meta["round"] >= 1)
            await b.until(lambda meta: meta["round"] >= 1)
            a.control("alpha", 4.0)
            await a.until(lambda meta: meta["lanes"][0]["alpha"] == 4.0)
            b.press("pause")
            await b.until(lambda meta: meta["state"] == "paused")
            reached = a.metas[-1]["round"]
            os.kill((await facts(pool))["pid"], signal.SIGKILL)
            b.control("tau", 3.0)
            seq = a.metas[-1]["seq"]
            meta = await a.until(
                lambda meta: (meta["lanes"][0]["banner"] or {}).get("title", "").startswith("The comp")
            )
            assert "Your run is repeated" in meta["lanes"][0]["banner"]["text"]
            assert meta["seq"] > seq  # the browser's acknowledgements still mean what they meant
            meta = await a.until(lambda meta: meta["replaying"] is None)
            assert meta["lanes"][0]["alpha"] == 4.0
            assert meta["round"] >= reached  # where it was
            meta = await b.until(lambda meta: meta["tau"] == 3.0)
            assert meta["state"] == "paused"
            await a.until(lambda meta: meta["round"] > reached + 6 and meta["lanes"][0]["banner"] is None)
            story = json.loads(a.values[-1]["story"])
            assert [entry[1:] for entry in story["log"]] == [["alpha", 4.0]]

    in_own_loop(go())


def test_it_begins_at_rest_with_the_reference(pool):
    async def go():
        async with Viewer(registry(pool), "ada", running=False) as v:
            meta = await v.until(lambda meta: meta["seq"] >= 1)
            assert (meta["round"], meta["state"]) == (0, "paused")
            assert json.loads(v.values[0]["story"]) == {"scene": {"speed": 0.0}, "log": [], "undo": False}
            await asyncio.sleep(0.5)
            assert v.metas[-1]["round"] == 0
            v.press("play")
            await v.until(lambda meta: meta["round"] > 0)

    in_own_loop(go())


def test_a_whole_state_is_set_by_one_order_and_a_wrong_one_changes_nothing(pool):
    async def go():
        async with Viewer(registry(pool), "ada", Settings(speed=0, tau=2.0, lr=0.05, target="two_moons")) as v:
            await v.until(lambda meta: meta["round"] >= 2)
            settings = v.b.settings
            for order, message in (
                ({"scene": {"alpha": -1}}, "W2 weight α is -1"),
                ({"scene": {}, "state": "stopped"}, "state is 'stopped'; allowed: one of 'paused', 'running'"),
                ({"scene": {}, "log": [[3, "seed", 1]]}, "control of a change is 'seed'"),
                ({"scene": {}, "press": "play"}, "order is "),
                ({"trace": PARTICLES}, "trace is 100; allowed: .* <= 99"),
                ({"trace": "all"}, "trace is 'all'"),
                ({"name": "alpha", "value": 1}, "order is "),
                (["scene"], "order is "),
            ):
                with pytest.raises(ValueError, match=message):
                    v.b.obey(order)
            assert v.b.settings == settings
            log = [[5, "tau", 0.5], [9, "lr", 1e-4]]
            v.b.obey({"scene": {"alpha": 0.3}, "state": "paused", "log": log, "round": 20})
            assert v.b.settings == Settings(alpha=0.3, tau=0.5, lr=1e-4)
            meta = await v.until(lambda meta: meta["round"] == 20)
            meta = await v.until(lambda meta: meta["replaying"] is None and meta["round"] == 20)
            assert (meta["state"], meta["tau"], meta["alpha"]) == ("paused", 0.5, 0.3)
            assert json.loads(v.values[-1]["story"])["log"] == log
            return await pool.workers[0].call(samples_of, v.b.name)

    rounds, samples = in_own_loop(go())
    run = FineTuning(zoo.load("eight_gaussians"), rewards.get("right"), tau=1.0, alpha=0.3)
    list(run.rounds(5))
    run.tau = 0.5
    list(run.rounds(4))
    run.lr = 1e-4
    *_, last = run.rounds(11, watch=noise(0, PARTICLES))
    assert rounds == 20
    assert torch.equal(samples[0], last.samples)


def test_a_worker_that_dies_while_a_story_is_repeated(pool):
    async def go():
        async with Viewer(registry(pool), "ada") as v:
            await v.until(lambda meta: meta["seq"] >= 1)
            log = [[5, "tau", 0.5], [150, "lr", 1e-4]]
            v.b.obey({"scene": {"alpha": 0.3}, "state": "running", "log": log, "round": 160})
            await v.until(lambda meta: meta["replaying"] and meta["round"] > 5)
            os.kill((await facts(pool))["pid"], signal.SIGKILL)
            await v.until(lambda meta: (meta["lanes"][0]["banner"] or {}).get("title", "").startswith("The comp"))
            meta = await v.until(lambda meta: meta["replaying"] is None and meta["round"] >= 160)
            assert (meta["tau"], meta["alpha"], meta["state"]) == (0.5, 0.3, "running")
            assert json.loads(v.values[-1]["story"])["log"] == log

    in_own_loop(go())


def test_undo_is_known_to_who_asks_which_settings_are_in_force(pool):
    async def go():
        async with Viewer(registry(pool), "ada") as v:
            await v.until(lambda meta: meta["round"] >= 3)
            v.control("alpha", 0.25)
            moved = await v.until(lambda meta: meta["alpha"] == 0.25)
            await v.until(lambda meta: meta["round"] > moved["round"] + 10)
            v.press("pause")
            await v.until(lambda meta: meta["state"] == "paused")
            v.press("undo")
            await v.b.obeyed()
            assert v.b.settings == Settings(speed=0)
            v.control("tau", 2.0, 2e9)  # at once: it does not bring the other change back
            assert v.b.settings == Settings(speed=0, tau=2.0)
            meta = await v.until(lambda meta: meta["tau"] == 2.0 and meta["replaying"] is None)
            assert (meta["round"], meta["alpha"], meta["state"]) == (moved["round"], 1.0, "paused")

    in_own_loop(go())


@pytest.mark.slow
def test_memory_comes_back(pool):
    async def visit(r: Registry, k: int) -> None:
        async with Viewer(r, f"v{k}", Settings(speed=0, seed=k, others=(0.1, 3.0))) as v:
            await v.until(lambda meta: meta["seq"] >= 3)

    async def go():
        r = registry(pool)
        sizes = []
        for _ in range(3):
            await asyncio.gather(*[visit(r, k) for k in range(8)])
            found = await facts(pool)
            assert found["sessions"] == []
            sizes.append(found["memory"])
        assert len(r) == 0
        return sizes

    sizes = in_own_loop(go(), 300)
    assert sizes[2] - sizes[1] < 30e6  # after the first, nothing grows


def test_how_many_may_come_in(pool):
    assert Registry(None, pool).visitors == broadcasts.VISITORS
    assert Registry(3, pool).visitors == 3
    with pytest.raises(ValueError, match="visitors is 0"):
        Registry(0, pool)


def test_the_time_between_frames_is_shared(pool):
    worker = pool.workers[0]
    names = ["a", "b", "c"]
    worker.names.update(names)
    try:
        alone = worker.budget("a", 100.0)
        for name in names:
            worker.budget(name, 100.1)
        crowded = worker.budget("a", 100.2)
        assert 3 * crowded < 1 / 12  # a frame for each, twelve times a second
        assert alone < 1 / 20
        assert worker.budget("a", 200.0) == alone  # the others have nothing to do any more
    finally:
        worker.names.difference_update(names)
        worker.busy.clear()


def test_the_first_picture_is_the_demo_at_rest(pool):
    meta, arrays = decode(pool.first_picture["frame"])
    assert (meta["round"], meta["state"]) == (0, "starting")
    assert arrays["x"].shape[0] == 1


def test_settings_travel(pool):
    settings = Settings(others=(0.5, 2.0), mode="both", t=0.25)
    assert Settings(**asdict(settings)) == settings
    assert Settings(**{**asdict(settings), "others": [0.5, 2.0]}) == settings  # as JSON has it


def test_a_painted_target_is_learned_on_the_spot_and_a_painted_reward_followed(pool):
    target = painting.write([painting.stroke([[-2, 1], [2, 1]], symmetry="up_down")])
    reward = painting.write([painting.stroke([[1, 1], [3, 1]], size=0.7)])

    async def watch():
        r = registry(pool)
        async with Viewer(r, "painter", Settings(speed=0)) as a:
            await a.until(lambda m: m["round"] > 0)
            with pytest.raises(ValueError, match="the painting is empty"):
                a.control("target", "paint:")
            assert a.control("target", target)
            waiting = await a.until(lambda m: m["fitting"] and m["fitting"]["step"] > 0)
            assert waiting["mode"] == "exact"
            assert a.b.settings.mode == "learned"
            there = await a.until(lambda m: m["fitting"] is None and m["mode"] == "learned")
            assert there["round"] < waiting["round"] or waiting["round"] < 3  # from the reference again
            await a.until(lambda m: m["mode"] == "learned" and m["round"] > 2)  # what changes at round 0 is no change
            assert a.control("reward", reward)
            moved = await a.until(
                lambda m: a.b.settings.reward == reward and m["lanes"][0]["limit"]["state"] == "there"
            )
            await a.until(lambda m: m["round"] > moved["round"] + 2)
            story = json.loads(a.values[-1]["story"])
            assert story["scene"]["target"] == target
            assert [change[1:] for change in story["log"]] == [["reward", reward]]
            async with Viewer(r, "friend", a.b.settings) as b:  # in the same process, where the network is known
                first = await b.until(lambda m: True)
                assert (first["mode"], first["fitting"]) == ("learned", None)

    in_own_loop(watch())
