"""Thousands of messages and lessons that nobody in their senses would send: sentences, and the room goes on."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from own_loop import in_own_loop
from test_classroom import POST, Browser, Line, a_room, app, pool, sentence

from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom.lesson import LARGEST
from orwlab.show.classroom.store import Store
from orwlab.show.web.classroom import Throttle
from orwlab.show.web.door import Door

__all__ = ("app", "pool")  # fixtures
APP = Path(__file__).parents[1] / "app.py"

TEXTS = [
    "", " ", "0", "null", "\0", "\ud800", "\u202e", "\ufeff", "%00", "%ff", "%s%s%n", "{0}", "${7*7}", "{{7*7}}", "#",
    "../../etc/passwd", "' or 1=1 --", "'; drop table rooms; --", "<script>alert(1)</script>", "\r\nSet-Cookie: a=b",
    "=1+1", "#alpha=", "#alpha=nan", "#alpha=1&alpha=2", "#alpha=1e999", "#own=%7B%7D", "#view=0,0,0,0",
    "#methods=raft,raft", "#others=1,2,3,4,5", "#log=1:alpha:2;0:alpha:3", "#round=999999", "#say=\ud800", "x" * 70_000,
    "😀" * 5000, "next", "back", "again", "show", "hands", "points", "0.0", "0.1", "1.0", "-1.-1", "0." * 50, "http://x",
    "BCDFG", "a" * 24, "a" * 25, "&a *a", "!!python/object/apply:os.system [id]", "title: T", "[" * 900,
]  # fmt: skip
NUMBERS = [0, 1, 2, 3, -1, 0.5, -0.0, 1e308, -1e308, 10**30, 2**63, 33, 100, 101, 1e-320, float("nan"), float("inf")]
NAMES = ["code", "what", "version", "value", "item", "text", "lesson", "name", "link", "orders", "press", "scene",
         "log", "stamp", "state", "round", "trace", "token", "secret", "__class__", "since"]  # fmt: skip


def a_value(rng: random.Random, deep: int = 0):
    kind = rng.randrange(7 if deep < 3 else 5)
    if kind < 2:
        return rng.choice(TEXTS)
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind == 4:
        return rng.choice([None, True, False])
    if kind == 5:
        return [a_value(rng, deep + 1) for _ in range(rng.choice([0, 1, 2, 3, 33, 60]))]
    return {rng.choice(NAMES): a_value(rng, deep + 1) for _ in range(rng.randrange(5))}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_messages_are_answered_with_sentences_and_the_room_goes_on(app, seed):
    rng = random.Random(seed)
    for name, throttle in vars(app).items():
        if isinstance(throttle, Throttle):
            setattr(app, name, Throttle(10**6, 10**6))

    async def work():
        b = Browser(Door(app))
        code, secret, token, _ = await a_room(b)
        async with Line(app, code, secret) as teacher, Line(app, code, token) as student:
            await teacher.until(lambda me: b"event: picture" in me.sent)
            statuses = []
            for _ in range(250):
                path = rng.choice([one for one in POST if one != "classroom/delete"])
                given = {rng.choice(NAMES): a_value(rng) for _ in range(rng.randrange(6))}
                if rng.random() < 0.8:
                    given["code"] = code
                if rng.random() < 0.5:
                    given |= {
                        "version": app.hall._live[code].room.state.version,
                        "item": app.hall._live[code].room.item,
                    }
                if rng.random() < 0.3:
                    given["what"] = rng.choice(["next", "back", "again", "hands", "show", "points"])
                token_ = rng.choice([secret, secret, token, token, "", "x" * 43])
                body = json.dumps(given).encode()
                if rng.random() < 0.15:
                    at = rng.randrange(len(body))
                    body = body[:at] + bytes(rng.randrange(256) for _ in range(rng.randrange(4))) + body[at + 1 :]
                start = time.monotonic()
                answer = await b.post(path, token=token_, content=body)
                assert time.monotonic() - start < 5
                statuses.append(answer.status_code)
                assert answer.status_code in (200, 400, 403, 404, 413), (path, body[:300], answer.text)
                if answer.status_code != 200:
                    sentence(answer)
                elif path != "classroom/results":
                    json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
            assert min(statuses.count(200), statuses.count(400), statuses.count(403)) > 10
            assert not teacher.task.done()
            assert not student.task.done()
            live = app.hall._live[code]
            while live.room.state.step != "lobby":  # and then a lesson is given
                assert await live.act("back", live.room.state.version)
            given = {"code": code, "what": "next", "version": live.room.state.version}
            assert (await b.post("classroom/act", given, secret)).json() == {"done": True}
            answer = await b.post("join/answer", {"code": code, "item": live.room.item, "value": 2}, token)
            assert answer.json() == {"own": 2}
            await student.until(lambda me: me.rooms[-1]["mine"]["own"] == 2)
            for _ in range(3):
                await live.act("next", live.room.state.version)
            await student.until(lambda me: me.rooms[-1]["mine"]["near"] == 1.0)
            count = teacher.sent.count(b"event: picture")
            await live.act("back", live.room.state.version)
            await teacher.until(lambda me: me.sent.count(b"event: picture") > count)
            for event in (*teacher.sent.split(b"\n\n"), *student.sent.split(b"\n\n")):
                if event.startswith(b"event: "):
                    json.loads(event.partition(b"\ndata: ")[2], parse_constant=lambda name: pytest.fail(name))

    in_own_loop(work())


PIECES = [
    "\t", "\n", "  ", "- ", ": ", "? ", "& ", "*a", "!!int ", "|\n", ">\n", "{", "}", "[", "]", "'", '"', "\0",
    "\ud800", "\ufeff", "#", "%", "---\n", "...\n", "<<", "0x_", "1:30", ".inf", ".nan", "~", "true", "null", "1e999",
    "ask:", "9" * 40, "title", "scenes:", "kind: ", "order", "alpha", "answer: ", "😀", "\x85", "\u2028", "@", "`",
]  # fmt: skip
WHOLE = """
title: Everything
about: All there is in a lesson.
minutes: 12
scores: true
scenes:
  - title: Choose
    link: "#reward=bump&tau=2&alpha=0.5&round=3&log=1:tau:1"
    say: "Look: it moves."
    rounds: 20
    ask: {kind: choose, prompt: "Which?", options: [yes, "no", 'never'], answer: 2}
    why: |
      Because it does,
      and for no other reason.
  - title: Alpha
    ask:
      kind: alpha
      prompt: >
        Which alpha
        has it?
      goal: {reading: w2, value: 1.5}
  - {title: Place, ask: {kind: place, prompt: Where, answer: [1.5, -2]}}
  - title: Curve
    rounds: 7
    ask: {kind: curve, prompt: How, of: w2, low: -1, high: 1.5e+1}
  - title: Order
    link: "#alpha=1&others=0.2,3"
    ask: {kind: order, prompt: Least first, by: diversity}
"""


def mutated(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        lines = text.split("\n")
        at, k = rng.randrange(len(text) + 1), rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                text = text[:at] + rng.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + rng.randrange(1, 30) :]
            case 2:
                text = text[:at] + chr(rng.choice([rng.randrange(128), rng.randrange(0x110000)])) + text[at + 1 :]
            case 3:
                text = "\n".join(lines[:k] + lines[k + 1 :])
            case 4:
                text = "\n".join([*lines[:k], " " * rng.randrange(9) + lines[k].strip(), *lines[k + 1 :]])
            case 5:
                other = rng.randrange(len(lines))
                text = "\n".join([*lines[:k], lines[other], *lines[k:]])
            case 6:
                other = rng.choice([rng.choice(TEXTS), rng.choice(PIECES)])
                text = "\n".join(
                    [*lines[:k], re.sub(r"(?<=: ).*", lambda _, other=other: other, lines[k]), *lines[k + 1 :]]
                )
            case 7:
                text = text[:at] + rng.choice(PIECES) * rng.randrange(1, 200) + text[at:]
    return text


def tried(text: str) -> tuple[lessons.Lesson | None, str]:
    """A lesson, or what is said."""
    try:
        return lessons.read(text), ""
    except ValueError as error:
        return None, str(error) if type(error) is ValueError else f"{type(error)}: {error}"


def test_a_thousand_spoilt_lessons_are_lessons_or_sentences_with_a_line():
    rng = random.Random(11)
    sources = [WHOLE, *(lessons.text_of(name) for name in lessons.names())]
    good = 0
    for source in sources:
        lessons.read(source)
    for k in range(1000):
        text = mutated(rng, sources[k % len(sources)])
        start = time.perf_counter()
        found, said = tried(text)
        if found is None:
            count = len(re.findall("\r\n|[\r\n\x85\u2028\u2029]", text))
            if len(text) <= LARGEST:
                assert 1 <= int(re.match(r"line (\d+): \S", said)[1]) <= count + 1
            assert said.isprintable()
            assert len(said) < 1500
            assert not re.search(r"Traceback|pydantic|yaml\.org|literal\[|Input should|/work|\.py\b|object at 0x", said)
        else:
            good += 1
            json.dumps(found.model_dump(mode="json"), allow_nan=False)
        assert time.perf_counter() - start < 1
    assert 50 < good < 950


def test_spoilt_lessons_at_the_server_s_door(app):
    rng = random.Random(5)
    app.checks = app.makings = Throttle(10**6, 10**6)

    async def work():
        b = Browser(Door(app))
        good = 0
        for k in range(120):
            text = mutated(rng, WHOLE)
            path = "classroom/check" if k % 3 else "classroom/rooms"
            answer = await b.post(path, content=json.dumps({"text": text}).encode())
            assert answer.status_code in (200, 400)
            if "error" in answer.json():
                sentence(answer)
            else:
                good += 1
        assert 5 < good < 115

    in_own_loop(work())


def test_a_handout_of_whatever_lesson_holds_text_and_no_markup_of_its(app):
    rng = random.Random(2)
    app.checks = Throttle(10**6, 10**6)
    evil = "<img src=x onerror=alert(1)>\"'&<"

    async def work():
        b = Browser(Door(app), raises=False)
        texts = [evil_lesson(evil), *(mutated(rng, WHOLE) for _ in range(60))]
        seen = []
        for text in texts:
            start = time.monotonic()
            answer = await b.post("classroom/handout", data={"text": text.encode(errors="replace").decode()})
            assert time.monotonic() - start < 5
            seen.append(answer.status_code)
            assert answer.status_code in (200, 400)
            if answer.status_code == 400:
                sentence(answer)
            else:
                assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
                assert not re.search(r"<img src=x|<script(?! src=)|\son\w+=(?!alert\(1\)&gt;)", answer.text)
        assert seen[0] == 200, b.answers[0].text
        assert "&lt;img src=x onerror=alert(1)&gt;" in b.answers[0].text
        assert seen.count(200) > 5

    in_own_loop(work())


def evil_lesson(words: str) -> str:
    """One whose every text is such."""
    asks = [
        {"kind": "choose", "options": [words, f"{words}2"], "answer": 1},
        {"kind": "alpha", "answer": 2.0},
        {"kind": "place", "answer": "peak"},
        {"kind": "curve", "low": 0, "high": 1},
        {"kind": "order"},
    ]
    link = f"#alpha=1&others=0.2,3&say={quote(words)}"
    texts = {"title": words, "say": words, "why": words}
    scenes = [{**texts, "link": link, "rounds": 3, "ask": {**ask, "prompt": words}} for ask in asks]
    return json.dumps({"title": words, "about": words, "notes": words, "scenes": scenes})


# The plug is pulled ---------------------------------------------------------------------------------------------------


class Server:
    """The app in a process of its own."""

    def __init__(self, rooms: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, str(APP)],
            env={**os.environ, "PORT": str(self.port), "ORWLAB_ROOMS": str(rooms), "HOST": "127.0.0.1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert any("listening" in line for line in self.process.stdout)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def post(self, path: str, given: dict, token: str = "") -> dict:
        answer = self.client.post(path, json=given, headers={"Authorization": f"Bearer {token or 'none'}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def room(self, code: str, token: str) -> dict:
        """What the line of somebody says first."""
        headers = {"Authorization": f"Bearer {token}"}
        with self.client.stream("GET", f"/classroom/events?code={code}", headers=headers) as stream:
            for line in stream.iter_lines():
                if line.startswith('data: {"all"'):
                    return json.loads(line.removeprefix("data: "))
        raise AssertionError("the line ended")

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.mark.slow
def test_whoever_pulls_the_plug_while_a_class_votes_finds_all_of_it_again(tmp_path):
    rooms = tmp_path / "rooms.sqlite"
    before = Server(rooms)
    said: dict[int, int] = {}
    try:
        made = before.post("/classroom/rooms", {"text": WHOLE})
        code, secret = made["code"], made["secret"]
        people = [before.post("/join/enter", {"code": code, "name": f"P{k}"}) for k in range(30)]
        before.post("/classroom/act", {"code": code, "what": "next", "version": 0}, secret)

        async def vote() -> None:
            async with httpx.AsyncClient(base_url=before.client.base_url, timeout=10) as client:

                async def one(k: int) -> None:
                    given = {"code": code, "item": "0.0", "value": 1 + k % 3}
                    headers = {"Authorization": f"Bearer {people[k]['token']}"}
                    answer = await client.post("/join/answer", json=given, headers=headers)
                    said[people[k]["person"]] = answer.json()["own"]
                    if len(said) == 17:
                        os.kill(before.process.pid, signal.SIGKILL)

                await asyncio.gather(*(one(k) for k in range(30)), return_exceptions=True)

        in_own_loop(vote())
    finally:
        before.kill()
    assert 17 <= len(said) <= 30
    again = Server(rooms)
    try:
        told = again.room(code, secret)
        assert (told["all"]["step"], told["all"]["version"], told["all"]["people"]) == ("ask", 1, 30)
        assert told["all"]["answered"] >= len(said)
        for one in people:
            if one["person"] in said:
                assert again.room(code, one["token"])["mine"]["own"] == said[one["person"]]
        assert again.post("/join/answer", {"code": code, "item": "0.0", "value": 3}, people[0]["token"]) == {"own": 3}
        assert again.post("/classroom/act", {"code": code, "what": "next", "version": 1}, secret) == {"done": True}
    finally:
        again.kill()
    store = Store(rooms)
    kept = store.answers(code)["0.0"]
    assert {**said, people[0]["person"]: 3} == {person: kept[person] for person in {**said, people[0]["person"]: 3}}
    store.close()
