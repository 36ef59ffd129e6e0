"""Who is watching which session, and how fast its frames go out. It knows nothing of Gradio and does no arithmetic.

Frames are paced here, and by the browser's acknowledgements.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Any

from orwlab import checks
from orwlab.show.lab import messages
from orwlab.show.lab.acknowledgements import Acknowledgements
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import Story
from orwlab.show.web import workers
from orwlab.show.web.workers import Order, Pool, Reply, Worker, WorkerDied

RATE = 25.0  # frames a second, at most
IDLE = 0.05  # seconds between looks while a browser is behind
LATEST = 5.0  # seconds after which a session that does nothing is asked all the same
MOST_ORDERS = 200  # in one message
WAITING = 100  # orders for a session that has not come to them yet
VISITORS = 20  # sessions at once
ATTEMPTS = 3  # to give a session another worker, one after the other
ACTIONS = ("play", "pause", "toggle", "step", "reset", "undo")
ONCE = ("step", "undo", "toggle")  # orders that mean something else when they are obeyed twice
_PAGE = "page"  # the only view of a broadcast


Visitor = str | tuple[str, str]
"""who looks at a run: what a host calls a browser, or a kind and a name that no browser has"""


class Broadcast:
    """One visitor's session and the stream of its frames. Used from the event loop.

    Args:
        registry: where it belongs.
        name: of the run; in every frame.
        settings: to start with.
        ladder: whether its session measures the ladder of bounds.
        particles: on show; as many as the registry says if None.
    """

    def __init__(
        self,
        registry: "Registry",
        name: str,
        settings: Settings,
        ladder: bool = False,
        particles: int | None = None,
    ) -> None:
        self.name, self.settings, self.ladder = name, settings, ladder
        self.particles = registry.particles if particles is None else particles
        self.state = "paused"
        self.seq = self.round = 0
        self.closed = False
        self.worker: Worker | None = None  # where the session lives, if it does
        self._registry = registry
        self.acknowledgements = Acknowledgements()
        self._orders: list[Order] = []  # for the session, with its next request
        self._asking = False  # whether a request is under way
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = 0  # of streams; only the newest is alive
        self._streaming = False
        self._stamps: dict[str, float] = {}
        self._parts: dict[str, str] = {}  # the last picture
        self._idle_for = 0.0

    @property
    def alive(self) -> bool:
        """Whether somebody is sending this session's frames."""
        return self._streaming and not self.closed

    @property
    def behind(self) -> bool:
        """Whether there are orders that the last picture knows nothing of."""
        return bool(self._orders)

    # From the browser -----------------------------------------------------------------------------------------------

    def obey(self, order: Any) -> bool:
        """Do what a browser asks for. Returns whether it was done: a move that another one with a later stamp has
        overtaken is not.

        Args:
            order: a control moved, ``{"name", "value", "stamp"}``; a button pressed, ``{"press": action}``; a whole
                state, ``{"scene": {control: value}, "state": "paused" or "running", "log", "round"}``, which takes the
                place of everything (see ``Story.read``; without ``state`` it is paused); or a particle whose way from
                its noise is wanted, ``{"trace": its number or None}``.

        Raises:
            ValueError: it is no such order, or what it asks for cannot be; in plain words. Nothing is changed then.
        """
        kinds = [kind for kind in ("press", "scene", "trace", "name") if isinstance(order, dict) and kind in order]
        if len(kinds) != 1 or (kinds == ["name"] and not {"value", "stamp"} <= order.keys()):
            allowed = "a name, a value and a stamp; or press and the name of a button; or a scene; or a trace"
            raise checks.fail("order", order, allowed)
        if len(self._orders) >= WAITING:
            raise checks.fail("orders that wait", len(self._orders), f"fewer than {WAITING}")
        if kinds == ["press"]:
            self._order(checks.choice("action", order["press"], ACTIONS))
        elif kinds == ["scene"]:
            story = Story.read(order)
            state = checks.choice("state", order.get("state", "paused"), ("paused", "running"))
            self.settings, self.state = story.settings, state
            self._orders = []
            self._order("begin", story, state)
        elif kinds == ["trace"]:
            k, last = order["trace"], self.particles - 1
            self._order("trace", None if k is None else checks.integer("trace", k, low=0, high=last))
        else:
            name = checks.choice("control", order["name"], vars(self.settings))
            stamp = checks.number("stamp", order["stamp"], low=0, high=messages.LARGEST)
            if stamp < self._stamps.get(name, 0):
                return False
            self.settings = self.settings.changed(**{name: order["value"]})
            self._stamps[name] = stamp
            # only what moved: what others do to the settings meanwhile, as undo does, stays
            moved = {name: getattr(self.settings, name)}
            if self._orders and self._orders[-1][0] == "move":
                moved = self._orders.pop()[1][0] | moved
            self._order("move", moved)
        self._rouse()
        return True

    def set(self, **changes: Any) -> None:
        """Controls moved by the server itself: no browser's stamp overtakes them.

        Raises:
            ValueError: in plain words.
        """
        self.settings = self.settings.changed(**changes)
        self._order("move", {name: getattr(self.settings, name) for name in changes})
        self._rouse()

    def _order(self, action: str, *arguments: Any) -> None:
        self._orders.append((action, arguments))

    async def obeyed(self, patience: float = 2.0) -> None:
        """Wait until the session has obeyed what it was told, and ``settings`` are its own; at most so many seconds."""
        until = time.monotonic() + patience
        while self.alive and (self._orders or self._asking) and time.monotonic() < until:
            await asyncio.sleep(IDLE / 5)

    def acknowledge(self, seq: int | None) -> None:
        """The browser has painted frame ``seq``."""
        self.acknowledgements.heard(_PAGE, seq)

    def _rouse(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def close(self) -> None:
        """End the stream and drop the session."""
        self.closed = True
        self.drop()
        self._rouse()

    def drop(self) -> None:
        """Free the session's memory. Its story stays, and a new stream begins a new session that repeats it."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.names.discard(self.name)
            worker.busy.pop(self.name, None)
            worker.post(workers._close, self.name)

    # The stream -----------------------------------------------------------------------------------------------------

    async def frames(self) -> AsyncIterator[dict[str, str]]:
        """The stream: a picture at once, then one whenever there is something new, at most ``RATE`` a second.

        While the lab is full it gives ``{"notice": sentence}`` instead. A second call ends the first one's stream: a
        page has one stage.
        """
        self._generation += 1
        mine = self._generation
        self._loop, self._streaming = asyncio.get_running_loop(), True
        self._wake.set()  # an older stream looks up and ends
        try:
            told = 0
            while mine == self._generation and not self.closed and not self._registry.admit(self):
                place = self._registry.place_of(self)
                if place != told:
                    yield {"notice": self._registry.sentence(place)}
                    told = place
                await asyncio.sleep(IDLE)
            self.acknowledgements.gone(_PAGE)
            self.acknowledgements.heard(_PAGE)  # a new reader has nothing outstanding
            whole, due = True, time.monotonic()
            while mine == self._generation and not self.closed:
                if not whole:
                    await self._until(due)
                    if mine != self._generation or self.closed:
                        return
                    if not self.acknowledgements.watched(time.monotonic()):
                        return
                    if self.acknowledgements.behind(time.monotonic()):
                        await asyncio.sleep(IDLE)
                        continue
                due = time.monotonic() + 1 / RATE
                try:
                    reply = await self._request(whole)
                except WorkerDied:
                    if self.closed or self._registry.pool.shut_down:
                        return
                    raise
                if reply.picture is not None:
                    whole = False
                    yield dict(self._parts)
        finally:
            if mine == self._generation:
                self._streaming = False
                self._registry.left(self)

    async def _until(self, due: float) -> None:
        """Wait for the next request's time: when a round is due, or sooner if something was ordered."""
        now = time.monotonic()
        rest = max(due, now + min(self._idle_for, LATEST)) - now
        if rest > 0 and not self._orders:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), rest)
            except TimeoutError:
                return
        # an order goes out early, but not at once: that would make a frame for every move of a drag
        await asyncio.sleep(due - 0.75 / RATE - time.monotonic())

    async def _request(self, whole: bool) -> Reply:
        """One request to the session's worker; if that is gone, to another one, with the same story."""
        for attempt in range(ATTEMPTS):
            orders: list[Order] = []
            try:
                if self.worker is None or self.name not in self.worker.names:
                    await self._move_in()
                    whole = True
                if self.worker is None:  # dropped while it was moving in: whoever was here has left
                    raise WorkerDied("the session has been dropped")
                orders, self._orders, self._asking = self._orders, [], True
                budget = self.worker.budget(self.name, time.monotonic())
                reply: Reply = await self.worker.call(workers._work, self.name, orders, budget, whole)
                break
            except (WorkerDied, KeyError):
                self._orders = [*(order for order in orders if order[0] not in ONCE), *self._orders]
                if self.closed or attempt + 1 == ATTEMPTS:
                    raise
            finally:
                self._asking = False
        self.state, self.seq, self.round, self._idle_for = reply.state, reply.seq, reply.round, reply.idle_for
        if not self._orders:
            self.settings = reply.settings
        self.acknowledgements.sent(self.seq)
        if reply.picture is not None:
            self._parts.update(reply.picture)
        return reply

    async def _move_in(self) -> None:
        """Begin a session in the worker with most room. If there was one before, its story is repeated there."""
        lost, self.worker = self.worker is not None, self._registry.pool.pick()
        self.worker.names.add(self.name)
        state = self.state if self.state == "running" else "paused"
        await self.worker.call(
            workers._open, self.name, self._story(), state, self.particles, self.seq, lost, self.ladder
        )
        # what had not been obeyed yet, and what was obeyed since the last picture, is in the settings
        scenes = [order for order in self._orders if order[0] == "begin"]
        others = [order for order in self._orders if order[0] not in ("begin", "move", "obey")]
        self._orders = [*scenes[-1:], ("obey", (self.settings,)), *others]

    def _story(self) -> Story:
        """What is known of the session's run: that of the last picture."""
        if not self._parts.get("story"):
            return Story(self.settings)
        story = Story.read(json.loads(self._parts["story"]))
        story = replace(story, round=max(story.round, self.round))
        return Story(self.settings) if self.settings.starts_again(story.settings) else story


async def obey_all(broadcast: Broadcast | None, given: Any) -> dict[str, Any]:
    """What ``line.js`` asks a server: orders for a run, in order, and what came of them.

    Returns:
        ``{"known": False}`` if there is no such run; else also ``settings``, those in force, and ``errors``, each
        ``{"name", "text"}``: which control's order could not be obeyed, and why.
    """
    if broadcast is None:
        return {"known": False}
    errors = []
    # {} only asks which settings are in force
    orders = [order for order in given if order != {}] if isinstance(given, list) else [given]
    for order in orders[:MOST_ORDERS]:
        try:
            broadcast.obey(order)
        except ValueError as error:
            name = messages.text(order, "name")
            errors.append({"name": name if name in BY_NAME else "", "text": str(error)})
    if {"press": "undo"} in orders:  # only the session knows what the settings are then
        await broadcast.obeyed()
    if len(orders) > MOST_ORDERS:
        errors.append({"name": "", "text": f"orders are {len(orders)}; allowed: at most {MOST_ORDERS} at a time"})
    return {"known": True, "settings": asdict(broadcast.settings), "errors": errors}


class Registry:
    """The broadcasts of everybody who is here, by the host's key for a visitor and by the run's own name.

    Args:
        visitors: how many sessions there may be at once, ``VISITORS`` if None; others wait.
        pool: the workers; new ones if None.
        particles: of a session, 2,000 by default.
    """

    def __init__(self, visitors: int | None = None, pool: Pool | None = None, particles: int = 2000) -> None:
        self.visitors = VISITORS if visitors is None else checks.integer("visitors", visitors)
        self.particles = particles
        self.pool = Pool() if pool is None else pool
        self._by_visitor: dict[Visitor, Broadcast] = {}
        self._by_run: dict[str, Broadcast] = {}
        self._inside: set[Broadcast] = set()
        self._queue: list[Broadcast] = []

    def __len__(self) -> int:
        return len(self._by_visitor)

    def first_picture(self) -> dict[str, str]:
        """What a page shows before its visitor's own stream takes over. Waits for a worker; not for the event loop."""
        return self.pool.first_picture

    def find(self, visitor: Visitor | None) -> Broadcast | None:
        """The visitor's broadcast, if there is one."""
        return self._by_visitor.get(visitor or "")

    def find_run(self, run: Any) -> Broadcast | None:
        """The broadcast of a run, by the name in its frames; anything that is no such name has none."""
        return self._by_run.get(run) if isinstance(run, str) else None

    async def open(
        self, visitor: Visitor, settings: Settings, *, ladder: bool = False, particles: int | None = None
    ) -> Broadcast:
        """The visitor's broadcast; a new one starts with ``settings``, paused, as soon as it is read. With a ``ladder``
        its session measures the bounds on W2^2 as well; it shows so many ``particles``, its usual number if None.
        """
        if visitor not in self._by_visitor:
            name = secrets.token_hex(12)  # also what an acknowledgement is recognised by: not to be guessed
            made = self._by_visitor[visitor] = Broadcast(self, name, settings, ladder, particles)
            if isinstance(visitor, str):  # a room's run is nobody's to steer by its name: all who look at it know that
                self._by_run[name] = made
        return self._by_visitor[visitor]

    def acknowledge(self, run: Any, seq: int | None) -> bool:
        """Note that frame ``seq`` of ``run`` was painted. Returns whether anybody is still sending."""
        broadcast = self.find_run(run)
        if broadcast is None:
            return False
        broadcast.acknowledge(seq)
        return broadcast.alive

    def close(self, visitor: Visitor | None) -> None:
        """Forget a visitor who has gone."""
        broadcast = self._by_visitor.pop(visitor or "", None)
        if broadcast is not None:
            self._by_run.pop(broadcast.name, None)
            broadcast.close()
            self._inside.discard(broadcast)
            if broadcast in self._queue:
                self._queue.remove(broadcast)

    # Who may come in ------------------------------------------------------------------------------------------------

    def place(self, visitor: Visitor | None) -> int:
        """The visitor's place in the queue, from 1; 0 for those who are in, or not there."""
        broadcast = self.find(visitor)
        return self.place_of(broadcast) if broadcast else 0

    def place_of(self, broadcast: Broadcast) -> int:
        """The same of a broadcast."""
        return self._queue.index(broadcast) + 1 if broadcast in self._queue else 0

    def sentence(self, place: int) -> str:
        """What somebody who waits is told."""
        ahead = "You are next" if place == 1 else f"You are number {place} in the queue"
        crowd = "One person is" if self.visitors == 1 else f"{self.visitors} people are"
        return f"The lab is full: {crowd} using it. {ahead}; you come in by yourself as soon as somebody leaves."

    def admit(self, broadcast: Broadcast) -> bool:
        """Whether the broadcast may work; if not it stands in the queue."""
        if broadcast in self._inside:
            return True
        if broadcast not in self._queue:
            self._queue.append(broadcast)
        if len(self._inside) >= self.visitors:  # who sleeps makes room for who is awake
            asleep = next((other for other in self._inside if not other.alive), None)
            if asleep is None:
                return False
            self._inside.discard(asleep)
            asleep.drop()
        if self._queue[0] is not broadcast:
            return False
        self._queue.pop(0)
        self._inside.add(broadcast)
        return True

    def left(self, broadcast: Broadcast) -> None:
        """Its stream has ended: who was waiting waits no more."""
        if broadcast in self._queue:
            self._queue.remove(broadcast)
