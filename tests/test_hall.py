"""Rooms on the air: one run, many who look, and what each of them gets to see when. No HTTP, no browser."""

import asyncio
import contextlib
import json
import time

import numpy as np
import pytest
from own_loop import in_own_loop

from orwlab.show.classroom import predictions, truths
from orwlab.show.classroom.room import NO_ROOM, Room
from orwlab.show.classroom.store import GONE, Store
from orwlab.show.classroom.veil import at_end, end_of, veiled
from orwlab.show.lab.link import Link
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import amended, decode
from orwlab.show.web import errands, hall, workers
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.hall import Hall, Live, plain_code
from orwlab.show.web.workers import Pool

PARTICLES, ROUNDS = 60, 24
CURVE = f"""
title: A curve
scenes:
  - title: Reward
    link: "#alpha=0.5&speed=0"
    rounds: {ROUNDS}
    ask: {{kind: curve, prompt: "How does it go on?", of: reward, low: 0, high: 1}}
    why: Because.
  - title: A look
    link: "#reward=bump&speed=0"
    rounds: 8
"""
CHOOSE = CURVE.replace("kind: curve,", "kind: choose, options: [up, down], answer: 1,").replace(
    ", of: reward, low: 0, high: 1", ""
)
SLOW = CHOOSE.replace("speed=0", "speed=10")


@pytest.fixture(scope="module")
def pool():
    pool = Pool(1)
    yield pool
    pool.shut()


@pytest.fixture(autouse=True)
def few_particles(monkeypatch):
    monkeypatch.setattr(hall, "PARTICLES", PARTICLES)


@pytest.fixture(scope="module", autouse=True)
def errands_end():
    yield
    errands.of_the_app().shut()


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "rooms.sqlite")
    yield made
    made.close()


class Watcher:
    """Somebody who looks at a room: what comes along the line is read at once, or not before ``read``."""

    def __init__(self, live: Live, who: str = "teacher", *, reads: bool = True) -> None:
        self.live, self.lines, self.reads = live, live.events(who), reads
        self.events: list[bytes] = []
        self.times: list[tuple[float, str]] = []
        self.rooms: list[dict] = []
        self.pictures: list[dict[str, str]] = []
        self.parts: dict[str, str] = {}
        self.ended = False

    async def __aenter__(self) -> "Watcher":
        self.task = asyncio.ensure_future(self.look()) if self.reads else None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
        await self.lines.aclose()

    async def look(self) -> None:
        async for event in self.lines:
            self.take(event)
        self.ended = True

    async def read(self) -> None:
        """The next event."""
        self.take(await anext(self.lines))

    def take(self, event: bytes) -> None:
        self.events.append(event)
        name, _, data = event.decode().partition("\ndata: ")
        self.times.append((time.monotonic(), name))
        if name == "event: room":
            self.rooms.append(json.loads(data))
        elif name == "event: picture":
            parts = json.loads(data)
            assert set(parts) <= {"scene", "exact", "frame"}
            self.pictures.append(parts)
            self.parts |= parts

    @property
    def all(self) -> dict:
        return self.rooms[-1]["all"]

    @property
    def meta(self) -> dict:
        return decode(self.parts["frame"])[0]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return decode(self.parts["frame"])[1]

    async def until(self, holds, seconds: float = 60) -> None:
        """Until what is seen holds; what is not there yet does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.task is not None and self.task.done():
                self.task.result()
            with contextlib.suppress(LookupError, TypeError):
                if holds(self):
                    return
            await asyncio.sleep(0.01)
        seen = {key: self.meta[key] for key in ("round", "state", "mode")} if self.parts.get("frame") else None
        raise AssertionError(f"not in time: {self.rooms[-1:]}, {seen}")

    async def step(self, name: str) -> None:
        await self.until(lambda me: me.all["step"] == name)


def opened(store: Store, pool: Pool, visitors: int = 20) -> Hall:
    return Hall(store, Registry(visitors, pool), 30)


async def act(live: Live, what: str, value=None) -> None:
    assert await live.act(what, live.room.state.version, value)


async def to(live: Live, step: str) -> None:
    while live.room.state.step != step:
        await act(live, "next")


def during(work) -> None:
    """Run it, for at most two minutes, in a loop of its own."""
    in_own_loop(work())


async def closed(live: Live) -> None:
    live.close()
    await asyncio.sleep(0.1)


# Pictures -------------------------------------------------------------------------------------------------------------


def test_who_comes_late_gets_the_whole_picture_and_then_what_changes(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("speed=0", "speed=20").replace("24", "400"))
        await to(live, "run")
        async with Watcher(live) as first:
            await first.until(lambda me: me.meta["round"] >= 5)
            person, _ = await live.enter("Ada")
            async with Watcher(live, str(person)) as late:
                await late.until(lambda me: len(me.pictures) >= 6)
                assert set(late.pictures[0]) == {"scene", "exact", "frame"}
                assert all(set(parts) == {"frame"} for parts in late.pictures[1:])
                assert late.parts["scene"] == first.parts["scene"]
                assert late.events[0] == b"retry: 1000\n\n"
                assert decode(late.pictures[0]["frame"])[0]["round"] >= 5
                rounds = [decode(parts["frame"])[0]["round"] for parts in late.pictures]
                assert rounds == sorted(rounds)
                assert late.arrays["x"].shape == (1, PARTICLES, 2)
        await closed(live)

    during(work)


def test_a_picture_is_made_once_for_all_who_have_got_the_same(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("24", "400"))
        await to(live, "run")
        async with Watcher(live) as one, Watcher(live) as two:
            await one.until(lambda me: len(me.pictures) > 30 and len(two.pictures) > 30)
            mine = {id(event) for event in one.events if event.startswith(b"event: picture")}
            same = [event for event in two.events if id(event) in mine]
            assert len(same) > 10
        await closed(live)

    during(work)


def test_who_does_not_read_holds_nobody_up_and_finds_the_newest(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("24", "2000"))
        await to(live, "run")
        people = [(await live.enter(""))[0] for _ in range(10)]
        async with contextlib.AsyncExitStack() as stack:
            teacher = await stack.enter_async_context(Watcher(live))
            asleep = [await stack.enter_async_context(Watcher(live, str(one), reads=False)) for one in people]
            await teacher.until(lambda me: me.meta["round"] > 2)
            for one in asleep:
                while not one.pictures:
                    await one.read()
            before, start = len(teacher.pictures), time.monotonic()
            old = asleep[0].meta["round"]
            await asyncio.sleep(3)
            rate = (len(teacher.pictures) - before) / (time.monotonic() - start)
            assert rate > 4, "those who read get theirs as if nobody slept"
            assert len(live._shown) <= 3
            assert len(live._events) <= 8, "nothing is piled up for those who sleep"
            now = teacher.meta["round"]
            assert now > old + 8
            for one in asleep:
                count = len(one.pictures)
                while len(one.pictures) == count:
                    await one.read()
                assert one.meta["round"] >= now, "what lay between is skipped"
        await closed(live)

    during(work)


def test_nobody_gets_more_than_is_good_for_the_network(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("24", "2000"))
        await to(live, "run")
        person, _ = await live.enter("Ada")
        async with Watcher(live) as teacher, Watcher(live, str(person)) as phone:
            await phone.until(lambda me: len(me.pictures) > 3)
            for name in range(40):
                await live.enter(f"P{name}")
            await asyncio.sleep(3)
            for watcher, most in ((teacher, hall.PROJECTOR), (phone, hall.PHONE)):
                at = [when for when, name in watcher.times if name == "event: picture"]
                assert min(np.diff(at[1:])) > 0.5 / most
                assert (len(at) - 2) / (at[-1] - at[1]) <= 1.05 * most
            at = [when for when, name in teacher.times if name == "event: room"]
            assert min(np.diff(at)) > 0.5 * hall.TALK
            assert teacher.all["people"] == 41
        await closed(live)

    during(work)


# What may be seen -----------------------------------------------------------------------------------------------------


def exact_marks(parts: dict[str, str]) -> list[str]:
    """What of a picture tells something exact."""
    meta, arrays = decode(parts["frame"])
    found = [f"lane {k}'s limit" for k, lane in enumerate(meta["lanes"]) if lane["limit"] is not None]
    numbers = [*meta["numbers"], *(one for lane in meta["lanes"] for one in lane["numbers"])]
    found += [one["key"] for one in numbers if one["exact"] is not None or one["key"] == "truth"]
    found += [str(curve["series"]) for curve in meta["curves"] if curve["exact"] or curve["series"] == "truth"]
    found += [name for name in arrays if "truth" in name or "exact" in name]
    found += ["densities"] * bool(parts.get("exact"))
    found += ["true reward"] * ("truth" in decode(parts["scene"])[1])
    if meta.get("race"):
        found += ["frontiers"] * any(len(line) for line in meta["race"]["frontiers"].values())
        found += ["goals"] * any(goal is not None for goal in meta["race"]["goals"])
    return found


@pytest.mark.parametrize("link", ["#alpha=0.5&truth=bump&speed=0", "#methods=orw_cfm_w2,raft&speed=0"])
def test_a_veil_takes_all_that_is_exact_and_nothing_else(link):
    session = Session(Link.read(link).story.settings, particles=PARTICLES, running=True, name="veil")
    end = time.monotonic() + 60
    while True:
        session.advance(0.05)
        parts = session.frame()
        marks = exact_marks(parts)
        if {"reward", "mode_mass_exact"} <= set(marks) and ("goals" in marks or "methods" not in link):
            break
        assert time.monotonic() < end, f"the limits never came: {marks}"
    session.close()
    shown = veiled(parts)
    assert exact_marks(shown) == []
    before, after = decode(parts["frame"]), decode(shown["frame"])
    assert {name for name in before[1] if name not in after[1]} <= {"mode_mass_exact", "truth", "rounds of truth"}
    assert all(np.array_equal(after[1][name], before[1][name]) for name in after[1])
    for key in ("round", "seq", "state", "numbers", "alpha"):
        assert after[0][key] == before[0][key]
    values = [[one["value"] for one in lane["numbers"] if one["key"] != "truth"] for lane in before[0]["lanes"]]
    assert [[one["value"] for one in lane["numbers"]] for lane in after[0]["lanes"]] == values
    assert parts == session.frame() | {key: parts[key] for key in ("frame", "story")}, "the picture itself is as it was"


def test_a_warning_waits_for_the_answer_and_a_stop_does_not():
    session = Session(Link.read("reward=bump&tau=2&alpha=0").story.settings, particles=PARTICLES, running=True)
    while not (decode(session.frame()["frame"])[0]["lanes"][0]["banner"] or {}).get("title", "").startswith("It has"):
        session.advance(0.05)
        assert session.frame()["story"]
        assert decode(session.frame()["frame"])[0]["round"] < 300
    parts = session.frame()
    session.close()
    assert decode(veiled(parts)["frame"])[0]["lanes"][0]["banner"] is None

    def stop(meta):
        meta["lanes"][0]["banner"] = {"kind": "stopped", "title": "It diverged.", "text": ""}

    stopped = {**parts, "frame": amended(parts["frame"], stop)}
    assert decode(veiled(stopped)["frame"])[0]["lanes"][0]["banner"]["kind"] == "stopped"


def test_effective_samples_are_read_off_a_run_for_an_order():
    session = Session(Link.read("reward=bump&tau=2&alpha=0&others=3").story.settings, particles=PARTICLES, running=True)
    for _ in range(12):
        session.advance(0.0)
    parts = session.frame()
    session.close()
    found = end_of(parts)["values"]["effective"]
    assert len(found) == 2
    assert all(0 < lane[-1] <= 1 for lane in found)


def test_densities_that_are_themselves_on_show_stay():
    session = Session(Settings(mode="exact"), particles=PARTICLES)
    session.advance()
    parts = session.frame()
    session.close()
    assert parts["exact"]
    assert veiled(parts)["exact"] == parts["exact"]


def test_before_the_answer_no_picture_holds_what_is_exact_and_with_it_all_do(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("alpha=0.5", "alpha=0.5&truth=bump"))
        person, _ = await live.enter("Ada")
        async with Watcher(live) as teacher, Watcher(live, str(person)) as student:
            both = (teacher, student)
            for step in ("ask", "locked", "run"):
                await act(live, "next")
                for one in both:
                    await one.step(step)
            await teacher.until(lambda me: me.all["over"])
            await asyncio.sleep(2)  # limits arrive meanwhile
            for one in both:
                seen: dict[str, str] = {}
                for picture in one.pictures:
                    seen |= picture
                    assert exact_marks(seen) == []
                assert b"Because" not in b"".join(one.events)
            await act(live, "next")
            for one in both:
                await one.until(lambda me: {"reward", "densities", "mode_mass_exact"} <= set(exact_marks(me.parts)))
                assert "truth" in exact_marks(one.parts)
                assert one.meta["mode"] == "both"
                assert one.all["reveal"]["why"] == "Because."
            await act(live, "back")
            await teacher.until(lambda me: me.meta["mode"] == "learned" and not exact_marks(me.parts))
            await student.until(lambda me: not exact_marks(me.parts))
            await to(live, "show")  # where nothing is asked, everything may be seen
            await student.until(
                lambda me: "densities" not in exact_marks(me.parts) and "reward" in exact_marks(me.parts)
            )
        await closed(live)

    during(work)


# The run --------------------------------------------------------------------------------------------------------------


def test_a_run_stops_where_the_lesson_says_and_can_be_run_again(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("speed=0", "speed=20"))
        async with Watcher(live) as teacher:
            await to(live, "run")
            await teacher.until(lambda me: me.all["over"] and me.meta["state"] == "paused")
            assert 0 <= teacher.meta["round"] - ROUNDS <= 2
            first = teacher.arrays["reward"].copy()
            await asyncio.sleep(0.6)
            assert len(teacher.arrays["reward"][0]) == len(first[0]), "and it rests there"

            await act(live, "back")
            await teacher.until(lambda me: me.all["step"] == "locked" and me.meta["round"] == 0 and not me.all["over"])
            await act(live, "next")
            await teacher.until(lambda me: me.meta["round"] > 3)
            assert not teacher.all["over"]
            await teacher.until(lambda me: me.all["over"] and me.meta["state"] == "paused")
            assert 0 <= teacher.meta["round"] - ROUNDS <= 2
            assert np.array_equal(teacher.arrays["reward"], first), "the same run, bit for bit"

            await act(live, "next")
            await teacher.step("reveal")
            await act(live, "back")
            await teacher.until(lambda me: me.all["step"] == "run" and me.meta["round"] < 5)
            await teacher.until(lambda me: me.all["over"] and me.meta["state"] == "paused")
            assert 0 <= teacher.meta["round"] - ROUNDS <= 2

            await act(live, "again")
            await teacher.until(lambda me: me.all["step"] == "ask" and me.meta["round"] == 0)
            assert (teacher.all["item"], teacher.all["over"]) == ("0.1", False)
            await to(live, "end")  # past the last scene, whose run has not come to its end
            await teacher.until(lambda me: me.all["step"] == "end" and me.meta["round"] == 8)
        await closed(live)

    during(work)


def test_back_and_on_in_a_hurry_does_not_take_the_old_end_for_the_new(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE)
        async with Watcher(live) as teacher:
            for _ in range(4):
                await to(live, "run")
                await teacher.until(lambda me: me.all["over"] and me.meta["state"] == "paused")
                old = teacher.parts["frame"]
                await act(live, "back")
                await act(live, "next")  # at once
                assert live.broadcast.behind
                live.broadcast.round = ROUNDS  # a picture that was under way when it was told to begin anew
                live._take({"frame": old})
                assert not live.over
                await teacher.until(  # a quick run may be over before anybody saw it begin
                    lambda me, old=old: me.all["over"] and me.parts["frame"] != old and me.meta["round"] >= ROUNDS
                )
                await act(live, "back")
        await closed(live)

    during(work)


def test_who_goes_on_early_sees_the_end_all_the_same(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CURVE.replace("speed=0", "speed=10"))
        person, _ = await live.enter("Ada")
        async with Watcher(live) as teacher:
            await to(live, "ask")
            await live.answer(person, "0.0", [0.25] * predictions.CURVE)
            await to(live, "run")
            await teacher.until(lambda me: 3 <= me.meta["round"] < ROUNDS - 5)
            await act(live, "next")
            await teacher.step("reveal")
            await teacher.until(lambda me: me.all["reveal"]["truth"] is not None)
            assert at_end(teacher.parts, ROUNDS)
            told = teacher.all["reveal"]
            assert (told["truth"]["run"], told["guesses"]) == (True, [[0.25] * predictions.CURVE])
            end = end_of(teacher.parts)
            expected = np.interp(np.linspace(0, ROUNDS, predictions.CURVE), end["rounds"], end["values"]["reward"][0])
            assert np.allclose(told["truth"]["value"], expected.clip(0, 1), atol=1e-4)
            assert end["rounds"][-1] == ROUNDS
        await closed(live)

    during(work)


def test_of_a_run_that_went_too_far_only_the_asked_rounds_count():
    ask = Room.make(Store(""), CURVE)[0].scene.ask
    rounds = [0.0, 10.0, 20.0, 40.0]
    end = {"rounds": rounds, "values": {"reward": [[0.0, 0.5, 1.0, 0.0]]}}
    found = predictions.of_the_run(ask, end, 20)
    assert np.allclose(found, np.linspace(0, 1, predictions.CURVE), atol=1e-4)
    assert predictions.of_the_run(ask, {"rounds": rounds, "values": {}}, 20) is None


@pytest.mark.parametrize("step", ["lobby", "ask", "locked", "run", "reveal", "end"])
def test_a_server_that_starts_again_goes_on_where_it_was(store, pool, step):
    async def work():
        before = opened(store, pool)
        live, secret = await before.make(CURVE.split("  - title: A look")[0])
        person, token = await live.enter("Ada")
        async with Watcher(live) as teacher:
            if step != "lobby":
                await to(live, "ask")
                await live.answer(person, "0.0", [0.5] * predictions.CURVE)
            if step not in ("lobby", "ask", "locked"):
                await to(live, "run")
                await teacher.until(lambda me: me.meta["round"] >= 6)
                await live.steer(
                    [{"name": "alpha", "value": 2.0, "stamp": 1e9}]
                )  # the teacher does something under way
                await teacher.until(lambda me: me.all["over"] and me.meta["state"] == "paused")
                assert teacher.meta["lanes"][0]["alpha"] == 2.0
            if step in ("reveal", "end"):
                await to(live, "reveal")
                await teacher.until(lambda me: me.all["reveal"]["truth"] is not None)
            await to(live, step)
            await teacher.step(step)
            await asyncio.sleep(0.5)
            old, arrays, told = teacher.meta, teacher.arrays, teacher.all
        # the server is gone, and its run with it
        live.close()
        again = await opened(store, pool).find(live.room.code)
        assert again is not live
        assert again.room.is_teacher(secret)
        assert again.room.person(token) == person
        async with Watcher(again) as teacher:
            await teacher.step(step)
            await teacher.until(lambda me: me.parts["frame"])
            fresh = {name: teacher.all[name] for name in ("scene", "item", "version", "people", "answered", "open")}
            assert fresh == {name: told[name] for name in fresh}
            if step in ("reveal", "end"):
                await teacher.until(lambda me: at_end(me.parts, ROUNDS))
                await teacher.until(lambda me: me.meta["round"] == old["round"])
                assert teacher.meta["lanes"][0]["alpha"] == 2.0
                for name in ("reward", "diversity", "rounds", "x"):
                    assert np.array_equal(teacher.arrays[name], arrays[name]), f"{name}: the same, bit for bit"
                assert teacher.all.get("reveal") == told.get("reveal")
            elif step == "run":
                await teacher.until(lambda me: me.all["over"])
            else:
                await asyncio.sleep(0.5)
                assert (teacher.meta["round"], teacher.all["over"]) == (0, False)
        await closed(again)

    during(work)


def test_the_answer_that_only_the_run_knows_waits_for_it_after_a_restart(store, pool, monkeypatch):
    found = []
    monkeypatch.setattr(truths, "truth", lambda scene: found.append(scene))

    async def work():
        live, _ = await opened(store, pool).make(CURVE)
        async with Watcher(live):
            await to(live, "ask")
        room = live.room  # as if the process had ended within this step
        room.act("next", room.state.version)
        room.act("next", room.state.version)
        room.act("next", room.state.version)
        live.close()
        again = await opened(store, pool).find(room.code)
        async with Watcher(again) as teacher:
            await teacher.until(lambda me: me.all["reveal"]["truth"] is not None)
            assert len(teacher.all["reveal"]["truth"]["value"]) == predictions.CURVE
            assert at_end(teacher.parts, ROUNDS)
        await closed(again)

    during(work)


def test_when_nobody_looks_for_a_while_the_run_is_dropped_in_every_step(store, pool, monkeypatch):
    monkeypatch.setattr(hall, "EMPTY", 0.4)

    async def sessions() -> list[str]:
        return (await pool.workers[0].call(workers._facts))["sessions"]

    async def work():
        registry = Registry(20, pool)
        live, _ = await Hall(store, registry, 30).make(CHOOSE)
        for step in ("lobby", "ask", "run", "reveal"):
            async with Watcher(live) as teacher:
                await to(live, step)
                await teacher.step(step)
                await teacher.until(lambda me: me.parts["frame"])
                if step == "run":
                    await teacher.until(lambda me: me.all["over"])
                await asyncio.sleep(0.6)
                assert (len(registry), len(await sessions())) == (1, 1), "as long as somebody looks it stays"
            await asyncio.sleep(0.1)
            assert len(registry) == 1, "a page that is loaded again finds it"
            for _ in range(100):
                await asyncio.sleep(0.05)
                if not len(registry) and not await sessions() and not live._tasks:
                    break
            assert (len(registry), await sessions(), live._parts, live._shown) == (0, [], {}, {})
        async with Watcher(live) as teacher:
            await teacher.until(lambda me: me.all["step"] == "reveal" and me.meta["round"] >= ROUNDS)
        await closed(live)

    during(work)


def test_who_comes_back_while_the_run_is_being_dropped_gets_another(store, pool, monkeypatch):
    monkeypatch.setattr(hall, "EMPTY", 0.0)

    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("24", "2000"))
        await to(live, "run")
        for pause in (0.0, 0.001, 0.01, 0.02, 0.03, 0.05, 0.08):
            async with Watcher(live) as teacher:
                await teacher.until(lambda me: len(me.pictures) > 3)
                assert teacher.all["notice"] == ""
            await asyncio.sleep(pause)
        await closed(live)

    during(work)


def test_a_room_that_waits_for_a_place_says_so(store, pool):
    async def work():
        registry = Registry(1, pool)
        live, _ = await Hall(store, registry, 30).make(CHOOSE)
        other = await registry.open("somebody else", Settings(speed=0))
        pictures = other.frames()
        await anext(pictures)
        person, _ = await live.enter("Ada")
        async with Watcher(live) as teacher, Watcher(live, str(person)) as student:
            for one in (teacher, student):
                await one.until(lambda me: "The lab is full" in me.all["notice"])
            assert "You are next" in teacher.all["notice"]
            assert not teacher.pictures
            await act(live, "next")
            await student.step("ask")  # one may answer all the same
            await live.answer(person, "0.0", 1)
            registry.close("somebody else")
            await pictures.aclose()
            for one in (teacher, student):
                await one.until(lambda me: me.parts["frame"] and me.all["notice"] == "")
            assert teacher.all["answered"] == 1
        await closed(live)

    during(work)


def test_a_run_that_fails_begins_again(store, pool, monkeypatch, caplog):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("24", "2000"))
        await to(live, "run")
        async with Watcher(live) as teacher:
            await teacher.until(lambda me: me.meta["round"] > 2)
            monkeypatch.setattr(live, "_put", lambda: 1 / 0)
            await teacher.until(lambda me: me.all["notice"].startswith("Something went wrong with the run"))
            monkeypatch.undo()
            count = len(teacher.pictures)
            await teacher.until(lambda me: me.all["notice"] == "" and len(me.pictures) > count + 3)
        await closed(live)

    during(work)
    assert "a room's run failed" in caplog.text


# Who looks ------------------------------------------------------------------------------------------------------------


def test_another_line_of_somebody_ends_the_oldest(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE)
        ada, bob = (await live.enter("Ada"))[0], (await live.enter("Bob"))[0]
        async with contextlib.AsyncExitStack() as stack:
            mine = []
            other = await stack.enter_async_context(Watcher(live, str(bob)))
            for k in range(hall.LINES + 4):
                mine.append(await stack.enter_async_context(Watcher(live, str(ada))))
                await mine[-1].until(lambda me: me.rooms)
                await mine[max(0, k - hall.LINES)].until(lambda me, k=k: me.ended == (k >= hall.LINES))
                assert [one.ended for one in mine] == [j <= k - hall.LINES for j in range(k + 1)]
            assert not other.ended
            assert live.here == 2, "people, not lines"
        assert live.here == 0
        await closed(live)

    during(work)


def test_a_press_that_comes_twice_is_obeyed_once_and_leaves_nobody_behind(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE.replace("24", "2000"))
        async with Watcher(live) as teacher:
            await to(live, "locked")
            await teacher.step("locked")
            version = teacher.all["version"]
            assert [await live.act("next", version) for _ in range(4)] == [True, False, False, False]
            await teacher.step("run")
            await teacher.until(lambda me: me.meta["round"] > 0)
            for old in (version, version - 1, None):
                assert not await live.act("next", old)
            assert teacher.all["version"] == live.room.state.version, "what the teacher's page knows is still true"
            assert await live.act("next", teacher.all["version"])
            assert live.room.state.step == "reveal"
        await closed(live)

    during(work)


def test_everybody_is_told_what_concerns_them(store, pool):
    async def work():
        live, _ = await opened(store, pool).make(CHOOSE)
        (ada, _), (bob, _) = await live.enter("Ada"), await live.enter("Bob")
        async with Watcher(live) as teacher, Watcher(live, str(ada)) as a, Watcher(live, str(bob)) as b:
            await act(live, "next")
            for one in (teacher, a, b):
                await one.step("ask")
            count = len(b.rooms)
            assert await live.answer(ada, "0.0", 2) == 2
            await teacher.until(lambda me: me.all["answered"] == 1)
            await a.until(lambda me: me.rooms[-1]["mine"]["own"] == 2)
            assert b.rooms[-1]["mine"] == {"name": "Bob", "own": None}
            assert len(b.rooms) <= count + 1, "nobody is told what does not concern them"
            with pytest.raises(ValueError, match="choice is 7; allowed"):
                await live.answer(bob, "0.0", 7)
            await live.send(bob, "#alpha=3")
            await teacher.until(lambda me: me.rooms[-1]["mine"]["links"])
            assert teacher.rooms[-1]["mine"]["links"][0]["link"] == "alpha=3"
            assert '"links"' not in json.dumps([a.rooms, b.rooms])
            await to(live, "reveal")
            await a.until(lambda me: me.rooms[-1]["mine"]["near"] == 0.0)
            await b.until(lambda me: me.all["reveal"]["together"] == {"counts": [0, 1]})
            assert teacher.all["reveal"]["truth"]["value"] == 1
        await closed(live)

    during(work)


def test_a_room_that_is_deleted_ends_for_everybody(store, pool):
    async def work():
        registry = Registry(20, pool)
        rooms = Hall(store, registry, 30)
        live, _ = await rooms.make(CHOOSE)
        person, _ = await live.enter("Ada")
        await to(live, "ask")
        async with Watcher(live) as teacher, Watcher(live, str(person)) as student:
            await teacher.until(lambda me: me.parts["frame"])
            await rooms.delete(live)
            await teacher.until(lambda me: me.ended)
            await student.until(lambda me: me.ended)
        for late in (live.enter("Bob"), live.answer(person, "0.0", 1), live.send(person, "#alpha=1")):
            with pytest.raises(ValueError, match=GONE):
                await late
        async with Watcher(live) as late:
            await late.until(lambda me: me.ended)
        with pytest.raises(ValueError, match=NO_ROOM):
            await rooms.find(live.room.code)
        assert len(registry) == 0

    during(work)


def test_rooms_that_are_long_over_are_swept_away_once_an_hour(tmp_path, pool, monkeypatch):
    async def work():
        now = [1e9]
        store = Store(tmp_path / "rooms.sqlite", clock=lambda: now[0])
        rooms = Hall(store, Registry(20, pool), 3)
        live, _ = await rooms.make(CHOOSE)
        async with Watcher(live) as teacher:
            await teacher.until(lambda me: me.rooms)
            now[0] += 4 * 86_400
            assert await rooms.find(live.room.code) is live, "within the hour nothing is looked for"
            rooms._swept = time.monotonic() - 3601
            with pytest.raises(ValueError, match=NO_ROOM):
                await rooms.find(live.room.code)
            await teacher.until(lambda me: me.ended)
        store.close()

    during(work)


# What is true ---------------------------------------------------------------------------------------------------------


class Oracle:
    """Errands that fail some times before they come to an end."""

    def __init__(self, failures: int, said: dict) -> None:
        self.failures, self.said, self.asked = failures, said, 0

    def look(self, work, *arguments, since=0):
        self.asked += 1
        if self.asked <= self.failures:
            return {"pieces": [], "done": True, "error": errands.FAILED, "again": True}
        return self.said


def test_what_could_not_be_worked_out_is_tried_again(store, pool, monkeypatch):
    oracle = Oracle(2, {"pieces": [{"value": 2, "exact": [], "why": ""}], "done": True})
    monkeypatch.setattr(hall, "LATER", 0.05)
    monkeypatch.setattr(errands, "of_the_app", lambda: oracle)

    async def work():
        live, _ = await opened(store, pool).make(CHOOSE)
        async with Watcher(live) as teacher:
            await to(live, "reveal")
            await teacher.until(lambda me: me.all["reveal"]["truth"] is not None)
            assert teacher.all["reveal"]["truth"] == {"value": 2, "exact": [], "why": ""}
            assert oracle.asked == 3
        await closed(live)

    during(work)


def test_a_question_without_an_answer_says_why(store, pool, monkeypatch):
    oracle = Oracle(0, {"pieces": [], "done": True, "error": "goal.value is 9; allowed: less"})
    monkeypatch.setattr(errands, "of_the_app", lambda: oracle)

    async def work():
        live, _ = await opened(store, pool).make(CHOOSE)
        async with Watcher(live) as teacher:
            await to(live, "reveal")
            await teacher.until(lambda me: me.all["reveal"]["truth"] is not None)
            assert teacher.all["reveal"]["truth"]["why"] == "goal.value is 9; allowed: less"
            assert teacher.all["reveal"]["truth"]["value"] is None
        await closed(live)

    during(work)


# Codes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["BCDFG", "bcdfg", " b c-d f g ", "bc\u00a0dfg", "BCD\u2013FG"])
def test_codes_are_found_however_they_are_typed(given):
    assert plain_code(given) == "BCDFG"


@pytest.mark.parametrize(
    "given", ["", "BCDF", "BCDFGH", "BCDFA", "BCDF1", None, 3, ["BCDFG"], "B" * 10_000, "ＢＣＤＦＧ", "ß" * 5]
)
def test_what_is_no_code_is_none(given):
    assert plain_code(given) is None


def test_no_browser_can_name_a_room_s_run(store, pool):
    """Gradio lets a browser choose what it is called, and every picture says the run's name."""

    async def work() -> None:
        hall = opened(store, pool)
        live, _ = await hall.make(CHOOSE)
        async with Watcher(live) as teacher:
            await teacher.until(lambda me: me.meta["run"])
            run = teacher.meta["run"]
        registry = hall.registry
        assert run == live.broadcast.name
        assert registry.find_run(run) is None
        assert registry.acknowledge(run, 10) is False
        for name in (f"room {live.room.code}", str(("room", live.room.code)), run):
            assert registry.find(name) is None
            registry.close(name)
        assert not live.broadcast.closed
        await closed(live)

    during(work)
