"""Does a whole class get its pictures, and is every answer counted at once, also when some phones are slow or asleep?

    python benchmarks/classroom.py [--quick]

Starts the real app and, in another process, one projector and 40 phones that speak to it as browsers do. They all
answer a question within a second; then a run goes on. It is measured twice: all phones read what they are sent; and
five of them do not keep up, three read 2 kB a second, two do not read at all. Everything runs on this machine.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from live import processor, row
from visitors import App, cpu_seconds

PHONES, SLOW, ASLEEP = 40, 3, 2
SLOWLY = 2000  # bytes a second
PROJECTOR, PHONE, COUNTED = 8.0, 4.0, 1.0
"""pictures a second that a projector and a phone are to get, and seconds within which an answer is to be counted"""
LESSON = """
title: How a class is served
scenes:
  - title: A run that goes on
    link: "#alpha=0.5"
    rounds: 2000
    ask: {kind: choose, prompt: "What becomes of it?", options: [this, that], answer: 1}
"""


def ask(address: str, path: str, given: dict[str, Any], token: str = "") -> Any:
    """A question to the server."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{address}/{path}", json.dumps(given).encode(), headers)
    return json.load(urllib.request.urlopen(request, timeout=60))


# In the process of the crowd ------------------------------------------------------------------------------------------


class Line:
    """A line of events that is open.

    Args:
        name: whose.
        pace: bytes a second that are read; None: all there are; 0: none.
    """

    def __init__(self, name: str, pace: int | None) -> None:
        self.name, self.pace = name, pace
        self.pictures: list[float] = []
        self.answered: list[tuple[float, int]] = []
        self.bytes = 0

    async def look(self, place: tuple[str, int], code: str, token: str) -> None:
        """Read until it is cancelled."""
        line = socket.socket()
        if self.pace is not None:  # what the network holds for somebody is not endless, either
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, place)
        reader, writer = await asyncio.open_connection(sock=line, limit=2**20 if self.pace is None else 1024)
        writer.write(
            f"GET /classroom/events?code={code} HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        if self.pace == 0:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        rest = b""
        while data := await reader.read(2**20 if self.pace is None else self.pace // 10):
            now = time.monotonic()
            self.bytes += len(data)
            *events, rest = (rest + data).split(b"event: ")
            for event in events:
                if event.startswith(b"picture"):
                    self.pictures.append(now)
                elif found := re.search(rb'"answered": (\d+)', event):
                    self.answered.append((now, int(found[1])))
            if found := re.search(rb'"answered": (\d+)', rest):  # it may be the last one for long
                self.answered.append((now, int(found[1])))
            if self.pace is not None:
                await asyncio.sleep(0.1)
        raise SystemExit(f"the line of {self.name} ended")


async def answer(place: tuple[str, int], code: str, token: str, when: float) -> float:
    """Answer so many seconds from now. Returns when it was sent."""
    await asyncio.sleep(when)
    body = json.dumps({"code": code, "item": "0.0", "value": 1}).encode()
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(*place)
    writer.write(
        f"POST /join/answer HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    told = await reader.read()
    writer.close()
    if b" 200 " not in told.split(b"\r\n", 1)[0]:
        raise SystemExit(f"an answer was refused: {told[-200:].decode()}")
    return start


async def crowd(given: dict[str, Any]) -> dict[str, Any]:
    """Be the projector and all phones: what they saw."""
    address, code, secret, tokens = (given[name] for name in ("address", "code", "secret", "tokens"))
    url = urlsplit(address)
    place = (url.hostname or "", url.port or 0)

    async def act() -> None:
        told = {"code": code, "what": "next", "version": given["version"]}
        assert (await asyncio.to_thread(ask, address, "classroom/act", told, secret))["done"]
        given["version"] += 1

    paces: list[int | None] = [0] * given["asleep"] + [SLOWLY] * given["slow"]
    paces += [None] * (len(tokens) - len(paces))
    projector = Line("the projector", None)
    phones = [Line(f"phone {k + 1}", pace) for k, pace in enumerate(paces)]
    looking = [asyncio.ensure_future(projector.look(place, code, secret))]
    looking += [asyncio.ensure_future(p.look(place, code, t)) for p, t in zip(phones, tokens, strict=True)]
    awake = [phone for phone in phones if phone.pace is None]
    await until(lambda: all(one.pictures for one in (projector, *awake)), looking)
    await act()
    await asyncio.sleep(2)
    rng = random.Random(1)
    sent = sorted(await asyncio.gather(*(answer(place, code, token, rng.random()) for token in tokens)))
    await until(lambda: projector.answered[-1][1] >= len(tokens), looking)
    counted = [next(at for at, count in projector.answered if count > k) - start for k, start in enumerate(sent)]
    await act()
    await act()
    await asyncio.sleep(3)
    print("measuring", flush=True)
    begin, count = time.monotonic(), given["seconds"]
    before = projector.bytes, awake[0].bytes
    await asyncio.sleep(count)
    rates = [sum(begin <= at < begin + count for at in one.pictures) / count for one in (projector, *awake)]
    kilobytes = [(one.bytes - at) / count / 1000 for one, at in zip((projector, awake[0]), before, strict=True)]
    print("measured", flush=True)
    for task in looking:
        if task.done():
            task.result()
        task.cancel()
    return {"projector": rates[0], "phones": rates[1:], "counted": counted, "kilobytes": kilobytes}


async def until(holds: Callable[[], bool], looking: list["asyncio.Future[None]"], seconds: float = 60) -> None:
    """Wait, for at most so long."""
    end = time.monotonic() + seconds
    while not holds():
        for task in looking:
            if task.done():
                task.result()
        if time.monotonic() > end:
            raise SystemExit("it did not begin in time")
        await asyncio.sleep(0.01)


# In the process that measures -----------------------------------------------------------------------------------------


def lesson(app: App, slow: int, asleep: int, seconds: float) -> dict[str, Any]:
    """A room with its class: what the crowd saw, and what the app needed for it, in % of a core."""
    room = ask(app.address, "classroom/rooms", {"text": LESSON})
    code, secret = room["code"], room["secret"]
    tokens = [ask(app.address, "join/enter", {"code": code, "name": f"P{k}"})["token"] for k in range(PHONES)]
    given = {"address": app.address, "code": code, "secret": secret, "tokens": tokens, "version": 0}
    given |= {"slow": slow, "asleep": asleep, "seconds": seconds}
    process = subprocess.Popen(
        [sys.executable, __file__, "--crowd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    used: list[tuple[float, float, float]] = []
    said = ""
    for line in process.stdout:
        if line.strip() in ("measuring", "measured"):
            server = app.process.pid
            workers = [pid for pid in app.processes() if pid != server]
            used.append((time.monotonic(), cpu_seconds([server]), cpu_seconds(workers)))
        else:
            said = line
    if process.wait() or not said:
        raise SystemExit("the crowd went home")
    ask(app.address, "classroom/delete", {"code": code}, secret)
    span = used[1][0] - used[0][0]
    return {**json.loads(said), "server": (used[1][1] - used[0][1]) / span, "workers": (used[1][2] - used[0][2]) / span}


def told(seen: dict[str, Any], what: str) -> bool:
    """Say it. Returns whether it is good enough."""
    phones, counted = sorted(seen["phones"]), sorted(seen["counted"])
    print(what)
    row("  pictures a second: projector", f"{seen['projector']:.1f}   (required: {PROJECTOR:g})")
    row("  pictures a second: phones, least; median", f"{phones[0]:.1f}; {statistics.median(phones):.1f}   "
        f"(required: {PHONE:g})")  # fmt: skip
    row("  kB a second: projector; a phone", "; ".join(f"{one:.0f}" for one in seen["kilobytes"]))
    row(f"  {len(counted)} answers within a second, until counted, p50; max",
        f"{1000 * statistics.median(counted):.0f}; {1000 * counted[-1]:.0f} ms   "
        f"(required: {1000 * COUNTED:g})")  # fmt: skip
    row("  CPU of server; of workers (% of a core)", f"{100 * seen['server']:.0f}; {100 * seen['workers']:.0f}")
    return seen["projector"] >= PROJECTOR and phones[0] >= PHONE and counted[-1] <= COUNTED


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds of each")
    parser.add_argument("--crowd", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        print(json.dumps(asyncio.run(crowd(json.load(sys.stdin)))))
        return
    seconds = 5.0 if options.quick else 20.0
    row("machine", f"{processor()}, {os.cpu_count()} cores, {platform.system()}")
    if hasattr(os, "getloadavg"):
        row("load before (others' work on this machine)", f"{os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        app = App(ORWLAB_ROOMS=str(Path(folder) / "rooms.sqlite"))
        try:
            time.sleep(3)  # the workers warm up
            good = told(lesson(app, 0, 0, seconds), f"one projector, {PHONES} phones that all keep up")
            slow = f"{SLOW} that read {SLOWLY / 1000:g} kB a second and {ASLEEP} that do not read"
            good &= told(lesson(app, SLOW, ASLEEP, seconds), f"one projector, {PHONES} phones, of them {slow}")
        finally:
            app.stop()
    if not good:
        raise SystemExit("This is less than required.")


if __name__ == "__main__":
    main()
