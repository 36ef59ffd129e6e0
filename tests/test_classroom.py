"""The Classroom's addresses: who may do what, how often, and what is said; as a browser and as an attacker ask."""

import asyncio
import contextlib
import csv
import io
import json
import re
from urllib.parse import urljoin

import httpx
import pytest
from own_loop import in_own_loop
from starlette.responses import PlainTextResponse

from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom.room import NO_ROOM
from orwlab.show.classroom.store import ALPHABET
from orwlab.show.web import classroom, errands
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.classroom import FAILED, NO_TEACHER, NOT_YOURS, SLOWER, Classroom, hosts
from orwlab.show.web.door import Door
from orwlab.show.web.workers import Pool

LESSON = """
title: A question
scenes:
  - title: Left or right
    rounds: 10
    ask: {kind: choose, prompt: "Where?", options: [left, right], answer: 2}
"""
NAME = lessons.names()[0]
NAMES = {"": "Live lab", "classroom": "Classroom", "arena/": "Arena"}
TEACHER = ("classroom/act", "classroom/steer", "classroom/results", "classroom/delete")
STUDENT = ("join/answer", "join/send")
BOTH = ("classroom/dial", "join/dial")
POST = (*TEACHER, *STUDENT, *BOTH, "classroom/rooms", "classroom/check", "classroom/qr", "join/enter")


@pytest.fixture(scope="module")
def pool():
    pool = Pool(1)
    yield pool
    pool.shut()
    errands.of_the_app().shut()


async def behind(scope, receive, send):
    """The app that serves all other pages."""
    await PlainTextResponse(f"behind: {scope['path']}")(scope, receive, send)


@pytest.fixture
def app(tmp_path, pool):
    made = Classroom(behind, Registry(5, pool), tmp_path / "rooms.sqlite", names=NAMES, hosts=("http://10.1.2.3:7860",))
    yield made
    made.hall.store.close()


class Browser:
    """Somebody at an address of their own."""

    def __init__(self, app, address: str = "10.0.0.1", root: str = "", raises: bool = True) -> None:
        transport = httpx.ASGITransport(app, client=(address, 4000), root_path=root, raise_app_exceptions=raises)
        self.client = httpx.AsyncClient(transport=transport, base_url=f"http://studio{root}/")
        self.answers: list[httpx.Response] = []

    async def post(self, path: str, given=None, token: str = "", **more) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = {} if more else {"json": {} if given is None else given}
        self.answers.append(await self.client.post(path, headers=headers, **content, **more))
        return self.answers[-1]

    async def get(self, path: str) -> httpx.Response:
        self.answers.append(await self.client.get(path))
        return self.answers[-1]


class Line:
    """A line of events, spoken with the app itself: ``reads`` tells whether what is sent is taken."""

    def __init__(self, app, code: str, token: str, address: str = "10.0.0.1") -> None:
        self.scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/classroom/events",
            "raw_path": b"/classroom/events", "query_string": f"code={code}".encode(), "root_path": "",
            "headers": [(b"authorization", f"Bearer {token}".encode())], "client": (address, 4000),
            "server": ("studio", 80), "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip
        self.app, self.reads, self.sent = app, True, b""
        self.status, self.headers = 0, {}
        self.gone = asyncio.Event()

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        while not self.reads:
            await asyncio.sleep(0.01)
        self.sent += message.get("body", b"")

    async def __aenter__(self) -> "Line":
        self.task = asyncio.ensure_future(self.app(self.scope, self._receive, self._send))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gone.set()
        await asyncio.wait_for(self.task, 10)

    @property
    def rooms(self) -> list[dict]:
        whole = self.sent.decode().split("\n\n")[:-1]
        return [json.loads(event.partition("\ndata: ")[2]) for event in whole if event.startswith("event: room")]

    async def until(self, holds, seconds: float = 30) -> None:
        for _ in range(int(100 * seconds)):
            with contextlib.suppress(LookupError):
                if holds(self):
                    return
            await asyncio.sleep(0.01)
        raise AssertionError(f"not in time; {self.status}, {self.sent[-2000:]!r}")


async def a_room(browser: Browser) -> tuple[str, str, str, int]:
    """Code, secret, and of one who has joined token and number."""
    made = (await browser.post("classroom/rooms", {"text": LESSON})).json()
    joined = (await browser.post("join/enter", {"code": made["code"], "name": "Ada"})).json()
    return made["code"], made["secret"], joined["token"], joined["person"]


def during(work) -> None:
    in_own_loop(work())


def sentence(answer: httpx.Response) -> str:
    """The error that an answer is, and that it is fit for a page."""
    said = answer.json()["error"] if "json" in answer.headers["content-type"] else answer.text
    assert said.isprintable()
    assert said[-1] in ".!?"
    assert 5 < len(said) < 1500
    assert not re.search(r"Traceback|Error\b|File \"|/work|/tmp|\.py\b|sqlite|object at 0x|codec", said)
    return said


# Who may --------------------------------------------------------------------------------------------------------------


def test_a_class_from_beginning_to_end(app):
    async def work():
        b = Browser(app)
        code, secret, token, person = await a_room(b)
        async with Line(app, code, secret) as teacher, Line(app, code, token) as student:
            await teacher.until(lambda me: me.rooms[-1]["all"]["here"] == 1)
            assert teacher.headers[b"content-type"].startswith(b"text/event-stream")
            assert teacher.rooms[-1]["mine"]["links"] == []
            assert student.rooms[-1]["mine"]["name"] == "Ada"

            async def act(what, value=None):
                version = teacher.rooms[-1]["all"]["version"]
                given = {"code": code, "what": what, "version": version, "value": value}
                answer = await b.post("classroom/act", given, secret)
                assert answer.json() == {"done": True}
                await teacher.until(lambda me: me.rooms[-1]["all"]["version"] > version)

            await act("next")
            answer = await b.post("join/answer", {"code": code, "item": "0.0", "value": 2}, token)
            assert answer.json() == {"own": 2}
            await teacher.until(lambda me: me.rooms[-1]["all"]["answered"] == 1)
            await act("next")
            late = await b.post("join/answer", {"code": code, "item": "0.0", "value": 1}, token)
            assert (late.status_code, sentence(late)) == (400, "This question is closed: the answer was not counted.")
            await act("next")
            await teacher.until(lambda me: b"event: picture" in me.sent)
            steered = await b.post("classroom/steer", {"code": code, "orders": [{"press": "play"}, {"x": 1}]}, secret)
            assert [one["text"][:9] for one in steered.json()["errors"]] == ["order is "]
            assert steered.json()["settings"]["alpha"] == 1.0
            sent = await b.post("join/send", {"code": code, "link": "#alpha=2"}, token)
            assert sent.json() == {"sent": True}
            await teacher.until(lambda me: me.rooms[-1]["mine"]["links"][0]["link"] == "alpha=2")
            await act("next")
            await student.until(lambda me: me.rooms[-1]["mine"]["near"] == 1.0)
            results = await b.post("classroom/results", {"code": code}, secret)
            assert results.headers["content-type"] == "text/csv; charset=utf-8"
            rows = list(csv.reader(io.StringIO(results.text.removeprefix("\ufeff"))))
            assert rows[1] == ["1", "1", "Where?", str(person), "Ada", "2", "2", "100"]
            assert (await b.post("classroom/delete", {"code": code}, secret)).json() == {"deleted": True}
            await asyncio.wait_for(asyncio.gather(teacher.task, student.task), 10)
        for path in (*TEACHER, *STUDENT, *BOTH, "join/enter"):
            answer = await b.post(path, {"code": code}, secret)
            assert (answer.status_code, sentence(answer)) == (404, NO_ROOM)

    during(work)


def test_nobody_does_what_only_the_teacher_may_and_nobody_speaks_for_others(app):
    async def work():
        b = Browser(app)
        code, secret, token, _ = await a_room(b)
        other, others, stranger, _ = await a_room(b)
        kept = app.hall.store.room(code)["secret"]
        wrong = {"nobody": "", "junk": "x" * 43, "a student": token, "another teacher": others, "a digest": kept,
                 "another's student": stranger, "half": secret[:20], "long": "y" * 5000}  # fmt: skip
        app.wrong_codes = app.all_wrong_codes = classroom.Throttle(10_000, 1)
        for name, given in wrong.items():
            for path in TEACHER:
                body = {"code": code, "what": "next", "version": 0, "orders": []}
                answer = await b.post(path, body, given)
                assert (answer.status_code, sentence(answer)) == (403, NO_TEACHER), (name, path)
        for name, given in {**wrong, "a student": "", "the teacher": secret}.items():
            for path in (*STUDENT, *BOTH) if name not in ("a student", "the teacher") else STUDENT:
                answer = await b.post(path, {"code": code, "item": "0.0", "value": 1, "link": "#alpha=1"}, given)
                assert (answer.status_code, sentence(answer)) == (403, NOT_YOURS), (name, path)
            if name != "the teacher":
                answer = await b.client.get(
                    f"classroom/events?code={code}", headers={"Authorization": f"Bearer {given}"}
                )
                assert (answer.status_code, sentence(answer)) == (403, NOT_YOURS), name
        for scheme in (f"Basic {secret}", secret, f"Bearer{secret}", f"Bearer  {secret}", f"Token {secret}"):
            answer = await b.client.post("classroom/act", json={"code": code}, headers={"Authorization": scheme})
            assert answer.status_code == 403
        for place in (f"classroom/act?token={secret}&secret={secret}", f"classroom/results?code={code}"):
            answer = await b.client.post(place, json={"code": code, "token": secret, "secret": secret})
            assert answer.status_code == 403, "a token counts in its header alone"
        state = app.hall.store.room(code)["state"]
        assert (state["step"], state["version"]) == ("lobby", 0)
        assert app.hall.store.room(other) is not None
        ok = await b.post("classroom/act", {"code": code.lower(), "what": "next", "version": 0}, secret)
        assert ok.json() == {"done": True}

    during(work)


def test_a_secret_is_said_once_and_never_again(app):
    async def work():
        b = Browser(app)
        code, secret, token, _ = await a_room(b)
        kept = app.hall.store.room(code)["secret"]
        b.answers.clear()
        async with Line(app, code, secret) as teacher, Line(app, code, token) as student:
            await teacher.until(lambda me: b"event: picture" in me.sent)
            for path in POST:
                await b.post(path, {"code": code, "what": "next", "version": 0, "lesson": "x", "text": 3}, secret)
                await b.post(path, {"code": code, "what": 3, "version": secret, "name": "Bob", "value": 1}, token)
            for path in ("classroom", f"join/{code}", "classroom/write", "classroom/schema.json"):
                await b.get(path)
        said = b"".join(one.content + str(one.headers.raw).encode() for one in b.answers) + teacher.sent + student.sent
        assert len(said) > 20_000
        assert [word for word in (secret, token, kept) if word.encode() in said] == []

    during(work)


# How often ------------------------------------------------------------------------------------------------------------


def wrong_code(k: int) -> str:
    return "".join(ALPHABET[k // len(ALPHABET) ** j % len(ALPHABET)] for j in range(5))


def test_who_tries_codes_is_stopped_and_nobody_else(app):
    async def work():
        b, elsewhere = Browser(app), Browser(app, "10.0.0.2")
        code, secret, token, _ = await a_room(b)
        await b.post("classroom/act", {"code": code, "what": "next", "version": 0}, secret)
        tried = [await b.post("join/enter", {"code": wrong_code(k)}) for k in range(40)]
        statuses = [one.status_code for one in tried]
        assert statuses == [404] * statuses.count(404) + [429] * statuses.count(429)
        assert 20 <= statuses.count(404) <= 21
        assert {sentence(one) for one in tried} == {NO_ROOM, SLOWER}
        for path in ("join/enter", "join/answer", "join/dial", "classroom/act", "classroom/delete"):
            assert (await b.post(path, {"code": code}, "x" * 43)).status_code == 429, "not even a right code is told"
        assert (await b.client.get(f"classroom/events?code={code}")).status_code == 429
        # somebody else in the same school
        assert (await b.post("join/answer", {"code": code, "item": "0.0", "value": 1}, token)).json() == {"own": 1}
        assert (await b.post("classroom/act", {"code": code, "what": "next", "version": 1}, secret)).json()["done"]
        for who in (token, secret):
            assert (await b.post("join/dial", {"code": code}, who)).json() == {"pieces": [], "done": True}
        async with Line(app, code, token) as line:
            await line.until(lambda me: me.rooms[-1]["mine"]["own"] == 1)
        joined = await elsewhere.post("join/enter", {"code": code})
        assert joined.status_code == 200, "and whoever is elsewhere comes in"

    during(work)


def test_many_addresses_together_are_stopped_too_and_members_go_on(app):
    async def work():
        b = Browser(app)
        code, secret, token, _ = await a_room(b)
        statuses = []
        for k in range(330):
            tries = Browser(app, f"10.7.{k // 250}.{k % 250}")
            statuses.append((await tries.post("join/enter", {"code": wrong_code(k)})).status_code)
        assert set(statuses) == {404, 429}
        assert statuses.count(404) < 325
        assert (await b.post("join/send", {"code": code, "link": "#alpha=1"}, token)).json() == {"sent": True}
        assert (await b.post("classroom/act", {"code": code, "what": "next", "version": 0}, secret)).json()["done"]

    during(work)


def test_wrong_secrets_are_wrong_codes(app):
    async def work():
        b = Browser(app)
        code, secret, _, _ = await a_room(b)
        tried = [(await b.post("classroom/delete", {"code": code}, f"{k}" * 43)).status_code for k in range(30)]
        assert set(tried[:20]) == {403}
        assert set(tried[22:]) == {429}
        assert (await b.post("classroom/delete", {"code": code}, secret)).json() == {"deleted": True}

    during(work)


@pytest.mark.parametrize(
    ("path", "given", "most"),
    [("join/answer", {"item": "0.0", "value": 1}, 20), ("join/send", {"link": "#alpha=1"}, 5)],
)
def test_what_one_person_sends_is_slowed_down_and_others_are_not(app, path, given, most):
    async def work():
        b = Browser(app)
        code, secret, token, _ = await a_room(b)
        other = (await b.post("join/enter", {"code": code})).json()["token"]
        await b.post("classroom/act", {"code": code, "what": "next", "version": 0}, secret)
        statuses = [(await b.post(path, {"code": code, **given}, token)).status_code for _ in range(most + 8)]
        assert set(statuses[:most]) == {200}
        assert 429 in statuses
        assert (await b.post(path, {"code": code, **given}, other)).status_code == 200

    during(work)


@pytest.mark.parametrize(
    ("path", "given", "most"),
    [
        ("classroom/rooms", {"text": LESSON}, 60),
        ("classroom/check", {"text": LESSON}, 30),
        ("classroom/qr", {"text": "http://10.1.2.3/join/BCDFG"}, 30),
    ],
)
def test_what_costs_something_one_address_gets_so_often(app, path, given, most):
    async def work():
        b = Browser(app)
        answers = [await b.post(path, given) for _ in range(most + 25)]
        statuses = [one.status_code for one in answers]
        assert set(statuses[:most]) == {200}
        assert 429 in statuses
        assert sentence(next(one for one in answers if one.status_code == 429)) == SLOWER
        assert (await Browser(app, "10.0.0.2").post(path, given)).status_code == 200

    during(work)


def test_a_phone_in_a_pocket_does_not_hold_its_place_for_ever(app, monkeypatch):
    monkeypatch.setattr(classroom, "GONE", 0.4)

    async def work():
        b = Browser(app)
        code, secret, token, _ = await a_room(b)
        async with Line(app, code, secret) as teacher, Line(app, code, token) as phone:
            await teacher.until(lambda me: me.rooms[-1]["all"]["here"] == 1)
            await phone.until(lambda me: b"event: picture" in me.sent)
            phone.reads = False
            await b.post("classroom/act", {"code": code, "what": "next", "version": 0}, secret)  # there is news
            await teacher.until(lambda me: me.rooms[-1]["all"]["here"] == 0)
            await asyncio.wait_for(phone.task, 5)
            assert not teacher.task.done()

    during(work)


# What is said ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POST)
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"3", b'"text"', b"{", b"\xff\xfe", b'{"code": "\xff"}', b'{"code": "\\ud800"}', b"{'a': 1}",
     b"[" * 90_000, b'{"a":' * 15_000, b"1" * 5000, b"code=BCDFG", b"\0", b"x" * 100_001, b'{"a": "' + b"a" * 200_000],
    ids=lambda body: f"{body[:12]!r} ({len(body)})",
)  # fmt: skip
def test_what_is_no_question_is_said_to_be_none(app, path, body):
    async def work():
        answer = await Browser(app).post(path, content=body)
        assert answer.status_code == 400
        assert sentence(answer) in (
            "this is no question; allowed: a JSON object.",
            "the question is too long; allowed: at most 100000 bytes.",
        )

    during(work)


def test_the_door_stands_before_it(app):
    async def work():
        b = Browser(Door(app))
        assert (await b.post("classroom/check", content=b"x" * 2**21)).status_code == 413
        assert (await b.post("classroom/rooms", files={"text": ("a.yaml", LESSON)})).status_code == 403
        assert (await b.post("classroom/check", {"text": LESSON})).json()["lesson"]["title"] == "A question"

    during(work)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "title: T"}, "line 1: scenes is missing."),
        ({"text": None}, "the lesson is too long, or no text; allowed: at most 65536 characters."),
        ({"text": "title: '"}, "line 1: this is no YAML: found unexpected end of stream."),
        ({}, f"lesson is None; allowed: one of {NAME}"),
        ({"lesson": [NAME]}, f"lesson is ['{NAME}']; allowed: one of {NAME}"),
        ({"lesson": "../../secrets"}, f"lesson is '../../secrets'; allowed: one of {NAME}"),
    ],
)
def test_what_is_no_lesson_makes_no_room_and_a_sentence(app, given, said):
    async def work():
        answer = await Browser(app).post("classroom/rooms", given)
        assert answer.status_code == 400
        assert sentence(answer).startswith(said)
        assert app.hall.store.room("BCDFG") is None

    during(work)


def test_all_answers_have_the_headers_that_keep_pages_safe(app):
    async def work():
        b = Browser(app, raises=False)
        code, _, token, _ = await a_room(b)
        for path in ("classroom", "classroom/", "classroom/write", f"classroom/handout?lesson={NAME}", "join", "join/",
                     f"join/{code}", "classroom/schema.json", f"classroom/lessons/{NAME}.yaml", "classroom/nothing",
                     "classroom/handout?lesson=none", "classroom/lessons/none.yaml", "classroom/assets/none.js",
                     "classroom/act", "join/a/b", "classroom/events?code=x"):  # fmt: skip
            await b.get(path)
        for path in POST:
            await b.post(path, {})
            await b.post(path, {"code": code}, "x" * 43)
        await b.post("join", {})
        await b.post("classroom/nothing", {})
        app.hall.find = None  # a fault of ours
        for path in ("join/enter", "classroom/delete"):
            answer = await b.post(path, {"code": code}, token)
            assert answer.status_code in (429, 500)
        statuses = {one.status_code for one in b.answers}
        assert {200, 400, 403, 404, 405, 500} <= statuses
        for one in b.answers:
            policy = one.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; ")
            assert "unsafe-inline" not in re.search("script-src[^;]*", policy)[0]
            assert "frame-ancestors 'self'" in policy
            assert one.headers["x-content-type-options"] == "nosniff"
            assert one.headers["referrer-policy"] == "no-referrer"
            assert one.headers["cache-control"] == "no-store"
            assert "set-cookie" not in one.headers
            assert "access-control-allow-origin" not in one.headers
            if one.status_code >= 400:
                sentence(one)

    during(work)


@pytest.mark.parametrize("path", ["classroom", "join/enter", "classroom/events?code=BCDFG"])
def test_a_fault_of_ours_is_a_sentence_and_is_logged(app, monkeypatch, caplog, path):
    def fault(*_, **__):
        raise KeyError("/elsewhere/secret.py is broken")

    monkeypatch.setattr(app.hall, "find", fault)
    monkeypatch.setattr(classroom.classroom_assets, "address", fault)

    async def work():
        b = Browser(app, raises=False)
        answer = await (b.post(path, {"code": "BCDFG"}) if path == "join/enter" else b.get(path))
        assert (answer.status_code, sentence(answer)) == (500, FAILED)

    during(work)


def test_unknown_addresses_are_sentences_and_the_rest_is_the_app_behind(app):
    async def work():
        b = Browser(app)
        for path in (
            "classroom/nothing",
            "join/a/b",
            "classroom/assets/../serve.py",
            "classroom/lessons/a/b",
            "join/../x",
        ):
            answer = await b.get(path)
            if answer.text.startswith("behind: "):
                assert answer.text == "behind: /x"
                continue
            assert (answer.status_code, sentence(answer)) == (404, "There is no such page.")
        for path in (
            "joinx",
            "classroomx",
            "classrooms/act",
            "joi",
            "",
            "JOIN",
            "x/join",
            "config",
            "gradio_api/queue/join",
        ):
            assert (await b.get(path)).text == f"behind: /{path}"
        assert (await b.get("classroom/act")).status_code == 405
        answer = await b.post("classroom", {})
        assert (answer.status_code, {*answer.headers["allow"].split(", ")}) == (405, {"GET", "HEAD"})
        assert "location" not in (await b.get("classroom/write/")).headers, "no way out of a proxy's path"

    during(work)


@pytest.mark.parametrize("root", ["", "/lab", "/user/ada/proxy/7860", "/join"])
@pytest.mark.parametrize("path", ["classroom", "classroom/", "classroom/write", "join", "join/", "join/BCDFG"])
def test_pages_and_what_they_fetch_lie_below_any_prefix(app, root, path):
    async def work():
        b = Browser(app, root=root)
        page = await b.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        found = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(found) >= 3
        assert not re.search(r"<script(?! src=)|\son\w+=|javascript:", page.text), "nothing that the policy forbids"
        for one in found:
            if one.startswith("#"):
                continue
            assert one.startswith("./" if path in ("classroom", "join") else "../")
            address = urljoin(str(page.url), one)
            assert address.startswith(f"http://studio{root}/")
            if "/assets/" in one:
                asset = await b.client.get(address)
                assert asset.status_code == 200
                assert "immutable" in asset.headers["cache-control"]
                assert asset.headers["content-type"].split(";")[0] in ("text/javascript", "text/css")
        made = (await b.post("classroom/rooms", {"text": LESSON})).json()
        assert (await b.post("join/enter", {"code": made["code"]})).status_code == 200

    during(work)


def test_lessons_and_their_schema_can_be_fetched_and_nothing_else(app):
    async def work():
        b = Browser(app)
        for name in lessons.names():
            for path in (name, f"{name}.yaml"):
                answer = await b.get(f"classroom/lessons/{path}")
                assert answer.text == lessons.text_of(name)
                assert answer.headers["content-type"].startswith("application/yaml")
            assert (await b.get(f"classroom/handout?lesson={name}")).status_code == 200
        assert (await b.get("classroom/schema.json")).json() == json.loads(json.dumps(lessons.schema()))
        for name in (
            "..%2f..%2fpyproject.toml",
            "%2e%2e%2flesson.py",
            "x" * 3000,
            "%00",
            f"{NAME}.yaml.yaml",
            "%ff",
        ):
            answer = await b.get(f"classroom/lessons/{name}")
            assert answer.status_code == 404
            sentence(answer)

    during(work)


def test_a_code_for_phones_is_a_picture_of_the_address_and_of_nothing_else(app):
    async def work():
        b = Browser(app)
        answer = (await b.post("classroom/qr", {"text": "https://studio.example/lab/join/BCDFG"})).json()
        assert answer["svg"].startswith("<svg")
        assert not re.search("script|on[a-z]+=|href", answer["svg"])
        assert answer["hosts"] == ["http://10.1.2.3:7860"]
        for text in (
            None,
            3,
            "",
            "javascript:alert(1)",
            "http://",
            "http://a b",
            "http://x\n",
            "ftp://x",
            "http://" + "x" * 301,
        ):
            answer = await b.post("classroom/qr", {"text": text})
            assert answer.status_code == 400
            assert sentence(answer).startswith("address is no address of a page; allowed: ")

    during(work)


def test_names_with_markup_come_back_as_json_that_no_browser_runs(app):
    async def work():
        b = Browser(app)
        code, secret, _, _ = await a_room(b)
        name = "<script>alert(1)</script"[:24]
        joined = await b.post("join/enter", {"code": code, "name": name})
        assert joined.headers["content-type"] == "application/json"
        async with Line(app, code, joined.json()["token"]) as line:
            await line.until(lambda me: me.rooms[-1]["mine"]["name"] == name)
        results = await b.post("classroom/results", {"code": code}, secret)
        assert results.headers["content-type"].startswith("text/csv")
        line_breaks = await b.post("join/enter", {"code": code, "name": "a\n\ndata: x\r\nevent: room"})
        async with Line(app, code, line_breaks.json()["token"]) as line:
            await line.until(lambda me: me.rooms[-1]["mine"]["name"] == "a data: x event: room")

    during(work)


def test_a_room_outlives_the_server(app, tmp_path, pool):
    async def work():
        b = Browser(app)
        code, secret, token, _ = await a_room(b)
        await b.post("classroom/act", {"code": code, "what": "next", "version": 0}, secret)
        await b.post("join/answer", {"code": code, "item": "0.0", "value": 2}, token)
        again = Classroom(behind, Registry(5, pool), tmp_path / "rooms.sqlite")
        other = Browser(again)
        async with Line(again, code, secret) as line:
            await line.until(lambda me: me.rooms[-1]["all"]["answered"] == 1)
            assert line.rooms[-1]["all"]["step"] == "ask"
        assert (await other.post("join/answer", {"code": code, "item": "0.0", "value": 1}, token)).json() == {"own": 1}
        again.hall.store.close()

    during(work)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_what_only_this_machine_reaches_is_no_address_for_phones(host):
    assert hosts(host, 7860) == ()


def test_addresses_for_phones_can_be_typed():
    assert hosts("192.168.1.7", 80) == ("http://192.168.1.7:80",)
    assert hosts("2001:db8::7", 7860) == ("http://[2001:db8::7]:7860",)
    for everywhere in ("0.0.0.0", "::"):
        assert all(re.fullmatch(r"http://[0-9a-f.:\[\]]+:7860", one) for one in hosts(everywhere, 7860))
        assert not any("//127." in one for one in hosts(everywhere, 7860))
