"""Rooms on the air: one run a room, its pictures made once and sent to everybody who looks. It knows nothing of HTTP.

Everybody has a place for one picture. Who is slow finds the newest one there, skips those between, and holds up nobody.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from orwlab.show.classroom import predictions, truths
from orwlab.show.classroom.lesson import Curve, Order
from orwlab.show.classroom.room import NO_ROOM, Room, Wish
from orwlab.show.classroom.store import ALPHABET, LENGTH, Store
from orwlab.show.classroom.veil import at_end, end_of, veiled
from orwlab.show.lab.link import Link
from orwlab.show.lab.story import Story
from orwlab.show.web import errands
from orwlab.show.web.broadcast import Broadcast, Registry, obey_all

PARTICLES = 1000
"""of a room's run: phones draw them, over one network"""
PROJECTOR, PHONE = 25.0, 6.0
"""pictures a second, at most"""
TALK = 0.2
"""seconds between two messages about the room to one viewer, at least"""
ALIVE = 10.0
"""seconds after which a line that has nothing to say says so: that is how a gone one is noticed"""
EMPTY = 60.0
"""seconds without a viewer after which a room's run is dropped; its story stays"""
LINES = 6
"""that one person may have open: another one ends the oldest, and says so"""
LATER = 5.0
"""seconds until what could not be worked out is tried again"""
_SENT = ("scene", "exact", "frame")

_log = logging.getLogger(__name__)


class Viewer:
    """Somebody who looks at a room.

    Args:
        who: "teacher", or a person's number.
        rate: pictures a second, at most.
    """

    def __init__(self, who: str, rate: float) -> None:
        self.who, self.rate = who, rate
        self.closed = False
        self.crowded = False  # closed because there are too many
        self.sent: dict[str, int] = {}  # part -> its number
        self.stale = True  # whether the room has something new to tell
        self.wake = asyncio.Event()

    def rouse(self) -> None:
        """There is something new."""
        self.wake.set()


class Live:
    """A room on the air. Used from the event loop.

    Args:
        room: what is on.
        registry: holds its run.
        gone: called when it is over.
    """

    def __init__(self, room: Room, registry: Registry, gone: Callable[[], object] = lambda: None) -> None:
        self.room, self._registry, self._gone = room, registry, gone
        self.lock = asyncio.Lock()  # of the room: its functions wait for a disk
        self.viewers: dict[Viewer, None] = {}  # in the order in which they came
        self.broadcast: Broadcast | None = None
        self.notice = ""
        self.over = False  # whether the scene's run has come to its end
        self._parts: dict[str, str] = {}  # the newest picture, whole
        self._shown: dict[str, tuple[int, str]] = {}  # part -> a number, and what is sent of it
        self._numbers = 0
        self._fresh = False  # whether the newest picture is of what was begun last
        self._events: dict[tuple[tuple[str, int], ...], bytes] = {}
        self._wish: Wish | None = None
        self._common = ""
        self._leaving: asyncio.TimerHandle | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._truths: dict[str, dict[str, Any]] = {}  # question -> what the oracle says
        self._asked: set[str] = set()

    # Who looks ------------------------------------------------------------------------------------------------------

    @property
    def here(self) -> int:
        """How many students are looking."""
        return len({viewer.who for viewer in self.viewers} - {"teacher"})

    async def events(self, who: str) -> AsyncGenerator[bytes, None]:
        """The room and its pictures as server-sent events, for the teacher or for a person, until it is closed."""
        if self._closed:
            return
        viewer = Viewer(who, PROJECTOR if who == "teacher" else PHONE)
        for older in [one for one in self.viewers if one.who == who][: -LINES + 1]:
            older.closed = older.crowded = True
            older.rouse()
        self.viewers[viewer] = None
        if self._leaving is not None:
            self._leaving.cancel()
        self._tell("teacher")
        self._begin()
        try:
            yield b"retry: 1000\n\n"
            told = drawn = 0.0
            while not viewer.closed:
                now = time.monotonic()
                if viewer.stale and now >= told + TALK:
                    viewer.stale, told = False, now
                    yield self._said(who)
                elif self._news(viewer) and now >= drawn + 1 / viewer.rate:
                    drawn = now
                    yield self._picture(viewer)
                else:
                    due = min(
                        told + TALK if viewer.stale else now + ALIVE,
                        drawn + 1 / viewer.rate if self._news(viewer) else now + ALIVE,
                    )
                    viewer.wake.clear()
                    try:
                        async with asyncio.timeout(max(0.0, due - now)):
                            await viewer.wake.wait()
                    except TimeoutError:
                        if due >= now + ALIVE:
                            yield b": there\n\n"
            if viewer.crowded:
                yield _event("crowded", "{}")
        finally:
            self.viewers.pop(viewer, None)
            if not self.viewers:
                self._leaving = asyncio.get_running_loop().call_later(EMPTY, self._leave)
            self._tell("teacher")

    def _leave(self) -> None:
        """Nobody has looked for a while: the run makes room for others', and its pictures for theirs."""
        if not self.viewers:
            self._drop()
            self._parts.clear()
            self._shown.clear()
            self._events.clear()

    def _news(self, viewer: Viewer) -> bool:
        return any(viewer.sent.get(name) != number for name, (number, _) in self._shown.items())

    def _picture(self, viewer: Viewer) -> bytes:
        """What of the newest picture a viewer has not got. Worked out once for all who have got the same."""
        new = tuple((name, number) for name, (number, _) in self._shown.items() if viewer.sent.get(name) != number)
        viewer.sent.update(new)
        found = self._events.get(new)
        if found is None:
            parts = {name: self._shown[name][1] for name, _ in new}
            found = self._events[new] = _event("picture", json.dumps(parts))
        return found

    def _said(self, who: str) -> bytes:
        if not self._common:
            told = self.room.common() | {"here": self.here, "over": self.over, "notice": self.notice}
            self._common = json.dumps(told, ensure_ascii=False)
        own = self.room.for_teacher() if who == "teacher" else self.room.for_student(int(who))
        mine = json.dumps(own, ensure_ascii=False)
        return _event("room", f'{{"all":{self._common},"mine":{mine}}}')

    def _tell(self, who: str | None = None) -> None:
        """There is something new to tell, to all or to one."""
        self._common = ""
        for viewer in self.viewers:
            if who is None or viewer.who == who:
                viewer.stale = True
                viewer.rouse()

    # What happens ---------------------------------------------------------------------------------------------------

    async def act(self, what: Any, version: Any, value: Any = None) -> bool:
        """See ``Room.act``."""
        async with self.lock:
            if what == "next" and self.room.state.step == "run" and version == self.room.state.version:
                await self._keep_run()
                version = self.room.state.version
            done = await asyncio.to_thread(self.room.act, what, version, value)
        if done:
            self._follow()
        return done

    async def _keep_run(self) -> None:
        """How the run came out is kept, so that it can be repeated."""
        if self.broadcast is None or not self._parts.get("story"):
            return
        try:
            story = Story.read({**json.loads(self._parts["story"]), "round": self.broadcast.round})
            await asyncio.to_thread(self.room.came_out, Link(story, self.room.scene.seen.stage).text())
        except ValueError:
            _log.exception("a run cannot be kept")

    async def answer(self, person: int, item: Any, value: Any) -> Any:
        """See ``Room.answer``."""
        async with self.lock:
            kept = await asyncio.to_thread(self.room.answer, person, item, value)
        self._tell("teacher")
        self._tell(str(person))
        return kept

    async def enter(self, name: Any) -> tuple[int, str]:
        """See ``Room.enter``."""
        async with self.lock:
            entered = await asyncio.to_thread(self.room.enter, name)
        self._tell("teacher")
        return entered

    async def send(self, person: int, link: Any) -> None:
        """See ``Room.send``."""
        async with self.lock:
            await asyncio.to_thread(self.room.send, person, link)
        self._tell("teacher")

    async def steer(self, orders: Any) -> dict[str, Any]:
        """Orders of the teacher for the run; see ``broadcast.obey_all``."""
        return await obey_all(self.broadcast, orders)

    def close(self) -> None:
        """The room is deleted, or the server ends: everybody's line ends."""
        self._closed = True
        for viewer in self.viewers:
            viewer.closed = True
            viewer.rouse()
        self._drop()
        for task in self._tasks:
            task.cancel()
        self._gone()

    # The run --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._stream is None or self._stream.done():
            self._stream = self._task(self._watch())
        self._ask()

    def _task(self, work: Any) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def _visitor(self) -> tuple[str, str]:
        """A key that no browser can have: theirs are texts."""
        return "room", self.room.code

    def _drop(self) -> None:
        self._registry.close(self._visitor)
        self.broadcast, self._wish, self.over = None, None, False

    async def _watch(self) -> None:
        """Take the run's pictures as long as somebody looks."""
        wish = self.room.wish
        mine = self.broadcast = await self._registry.open(self._visitor, wish.link.story.settings, particles=PARTICLES)
        self._follow()
        try:
            async for picture in mine.frames():
                mine.acknowledge(mine.seq)
                if mine is self.broadcast:  # and has not been dropped while the picture was made
                    self._take(picture)
        except Exception:
            _log.exception("a room's run failed")
            self.notice = "Something went wrong with the run. It begins again by itself."
            self._tell()
            await asyncio.sleep(1)
        finally:
            self._drop()
        if self.viewers and not self._closed and not self._registry.pool.shut_down:
            self._task(self._again())

    async def _again(self) -> None:
        if self._stream is not None:
            await asyncio.wait([self._stream])
        self._begin()

    def _take(self, picture: dict[str, str]) -> None:
        assert self.broadcast is not None
        notice = picture.get("notice", "")
        if notice != self.notice:
            self.notice = notice
            self._tell()
        if notice:
            return
        self._fresh = self._fresh or not self.broadcast.behind
        if not self._fresh:  # of what was on before: nobody may see it with the eyes of now
            return
        self._parts.update(picture)
        self._put()
        wish = self.room.wish
        if wish.rounds is None:
            return
        if not wish.running:
            self._ask()
        elif not self.over and (self.broadcast.round >= wish.rounds or self.broadcast.state == "stopped"):
            self.over = True
            if self.broadcast.state == "running":
                self.broadcast.obey({"press": "pause"})
            self._tell()

    def _put(self) -> None:
        """Have the newest picture shown, with what may be seen of it."""
        seen = self._parts if self.room.wish.open else veiled(self._parts)
        for name in _SENT:
            text = seen.get(name, "")
            if name not in self._shown or self._shown[name][1] != text:
                self._numbers += 1
                self._shown[name] = self._numbers, text
        self._events.clear()
        for viewer in self.viewers:
            viewer.rouse()

    def _follow(self) -> None:
        """Let the run do what the room wants, and everybody know."""
        before, wish = self._wish, self.room.wish
        self._wish = None if self.broadcast is None else wish  # a run that comes later begins with all of it
        if self.broadcast is not None:
            try:
                self._order(before, wish)
            except ValueError:
                _log.exception("a scene cannot be shown")
        if self._parts and (before is None or before.open != wish.open):
            self._put()
        self._ask()
        self._tell()

    def _order(self, before: Wish | None, wish: Wish) -> None:
        """Begin anew, go on, or rest: whichever leads from what was wanted before to what is wanted now."""
        assert self.broadcast is not None
        same = before if before is not None and before.key == wish.key else None
        if wish.running:
            if same is None or (not same.running and same.rounds != 0):
                self._begin_anew(wish, 0)
            elif not same.running:
                self.broadcast.obey({"press": "play"})
        elif wish.rounds and not (same and same.rounds == wish.rounds and (self.over or not same.running)):
            self._begin_anew(wish, wish.rounds)
        elif wish.rounds and same and same.running:
            self.broadcast.obey({"press": "pause"})
        elif not wish.rounds and (same is None or same.rounds != wish.rounds):
            self._begin_anew(wish, 0)
        mode = wish.link.story.settings.mode
        shown = "both" if wish.answers and mode == "learned" else mode
        if self.broadcast.settings.mode != shown:
            self.broadcast.set(mode=shown)

    def _begin_anew(self, wish: Wish, round: int) -> None:
        assert self.broadcast is not None
        story = wish.link.story
        self.over = round > 0
        self._parts.clear()
        self._fresh = False
        state = "running" if wish.running else "paused"
        self.broadcast.obey({**story.plain(), "round": max(story.round, round), "state": state})

    # What is true ---------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Have the answer worked out while people still guess, and tell it once it may be told."""
        state = self.room.state
        if self.room.scene.ask is None or state.step in ("lobby", "show", "end"):
            return
        if self.room.item not in self._asked:
            self._asked.add(self.room.item)
            self._task(self._find(self.room.item))
        elif self._can_tell():
            self._task(self._reveal())

    def _can_tell(self) -> bool:
        """Whether the answer is to be told now: it is known, or the run has come to where it can be read."""
        room, state = self.room, self.room.state
        found = self._truths.get(room.item)
        if state.step != "reveal" or found is None or room.item in (state.truths or {}):
            return False
        if found["value"] is not None or not room.scene.rounds or not isinstance(room.scene.ask, Curve | Order):
            return True
        return self._fresh and room.wish.rounds is not None and at_end(self._parts, room.scene.rounds)

    async def _find(self, item: str) -> None:
        scene = self.room.lesson.scenes[int(item.split(".")[0])].model_dump_json()
        found: dict[str, Any] = {}
        while not found:
            said = errands.of_the_app().look(truths.pieces, scene)
            if said.get("again"):
                await asyncio.sleep(LATER)
                if self.room.item != item:  # whoever comes back to it asks again
                    self._asked.discard(item)
                    return
            elif said.get("error"):
                found = {"value": None, "exact": [], "why": said["error"]}
            elif said["pieces"]:
                found = said["pieces"][0]
            else:
                await asyncio.sleep(TALK)
        self._truths[item] = found
        await self._reveal()

    async def _reveal(self) -> None:
        async with self.lock:
            room, item = self.room, self.room.item
            if not self._can_tell():
                return
            truth, ask = dict(self._truths[item]), room.scene.ask
            if truth["value"] is None and room.scene.rounds and isinstance(ask, Curve | Order):
                truth["value"] = predictions.of_the_run(ask, end_of(self._parts), room.scene.rounds)
                truth["why"] = "" if truth["value"] is not None else truth["why"]
                truth["run"] = truth["value"] is not None
            await asyncio.to_thread(room.told, truth, item)
        self._tell()


class Hall:
    """All rooms of an app.

    Args:
        store: where they are kept.
        registry: holds their runs.
        days: without a visit, after which a room is deleted.
    """

    def __init__(self, store: Store, registry: Registry, days: float) -> None:
        self.store, self.registry, self.days = store, registry, days
        self._live: dict[str, Live] = {}
        self._opening = asyncio.Lock()
        self._swept = -float("inf")

    async def find(self, code: Any) -> Live:
        """The room with a code, however it is typed.

        Raises:
            ValueError: there is none.
        """
        plain = plain_code(code)
        if plain is None:
            raise ValueError(NO_ROOM)
        await self.sweep()
        async with self._opening:
            if plain not in self._live:
                self._put_on(await asyncio.to_thread(Room, self.store, plain))
            return self._live[plain]

    def _put_on(self, room: Room) -> Live:
        live = self._live[room.code] = Live(room, self.registry, lambda: self._live.pop(room.code, None))
        return live

    async def make(self, text: str) -> tuple[Live, str]:
        """A new room for a lesson, and its teacher's secret; see ``Room.make``."""
        await self.sweep()
        room, secret = await asyncio.to_thread(Room.make, self.store, text)
        return self._put_on(room), secret

    async def delete(self, live: Live) -> None:
        """The room with all that is kept of it."""
        await asyncio.to_thread(self.store.delete, live.room.code)
        live.close()

    async def sweep(self) -> None:
        """Delete rooms that are long over; once an hour is enough."""
        now = time.monotonic()
        if now - self._swept < 3600:
            return
        self._swept = now
        for code in await asyncio.to_thread(self.store.sweep, self.days):
            if code in self._live:
                self._live[code].close()


def plain_code(given: Any) -> str | None:
    """A code as it is kept, None if it cannot be one: small letters, blanks and dashes are forgiven."""
    if not isinstance(given, str) or len(given) > 40:
        return None
    plain = "".join(one for one in given.upper() if one not in " -\u00a0\u2013")
    return plain if len(plain) == LENGTH and set(plain) <= set(ALPHABET) else None


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
