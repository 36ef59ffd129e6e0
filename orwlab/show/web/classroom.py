"""The Classroom's addresses: pages, questions and lines of events, beside Gradio and without it.

Phones join by ``/join``; teachers begin at ``/classroom``. Who may do what hangs on a token in a header, which no
address and no log holds: a teacher's secret, or what a student was given on entering. Pages work below any prefix.
"""

import asyncio
import gzip
import io
import json
import logging
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from orwlab import checks
from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom.dial import Fans
from orwlab.show.classroom.room import NO_ROOM
from orwlab.show.classroom.store import Store
from orwlab.show.web import classroom_assets, classroom_markup, errands, handout_markup, writer_markup
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.hall import Hall, Live, plain_code
from orwlab.show.web.throttle import Throttle

LONGEST = 100_000
"""characters of a question to the server"""
PATH = re.compile(r"/(classroom|join)(/.*)?")
FAILED = "Something went wrong on the server. Nothing was lost; try again."
SLOWER = "Too many at once from here. Wait a few seconds and try again."
NOT_YOURS = "This room knows you no more: join again."
NO_TEACHER = "This is not the link of this room's teacher."
NO_PAGE = "There is no such page."
NOT_SO = "This page is not asked like that."
GONE = 30.0
"""seconds after which somebody who takes nothing of what is sent is taken to have left"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_log = logging.getLogger(__name__)


class Refused(Exception):
    """Not for whoever asks; with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Line(StreamingResponse):
    """A line of events. Who has stopped to read, such as a phone in a pocket, does not hold its place for ever.

    Args:
        lines: what is sent.
    """

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        headers = {**_HEADERS, "X-Accel-Buffering": "no"}
        super().__init__(lines, media_type="text/event-stream", headers=headers)
        self.lines = lines

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        gone = False

        async def patient(message: Any) -> None:
            nonlocal gone
            try:
                async with asyncio.timeout(GONE):
                    await send(message)
            except TimeoutError:
                gone = True
                raise

        try:
            await super().__call__(scope, receive, patient)
        except Exception:
            if not gone:
                raise
        finally:
            await self.lines.aclose()


class Classroom:
    """The addresses, as an ASGI middleware: everything else goes on to the app behind it.

    Args:
        app: what serves the other pages.
        registry: holds the rooms' runs.
        names: path -> name of all pages, for the bar.
        rooms: the file in which rooms are kept; "" for none.
        days: without a visit, after which a room is deleted.
        hosts: addresses of this machine that others may reach, such as "http://10.0.0.7:7860"; for the code that
            phones read, where the teacher's own address is one that only this machine knows.
    """

    def __init__(
        self,
        app: Any,
        registry: Registry,
        rooms: str | Path = "",
        days: float = 30,
        names: Mapping[str, str] = {},
        hosts: tuple[str, ...] = (),
    ) -> None:
        self.app, self.names, self.hosts = app, names, hosts
        self.hall = Hall(Store(rooms), registry, days)
        self.wrong_codes = Throttle(20, 1 / 3)  # of one address
        self.all_wrong_codes = Throttle(300, 5)
        self.entries = Throttle(100, 2)
        self.makings = Throttle(60, 1 / 10)
        self.checks = Throttle(30, 2)
        self.answers = Throttle(20, 2)  # of one person
        self.links = Throttle(5, 0.2)
        self.acts = Throttle(60, 30)
        self.turns = Throttle(10, 2)  # of one person's dial
        self.fans = Fans(errands.of_the_app().look)
        self._inner = Starlette(
            routes=[
                Route("/classroom", self._page(classroom_markup.teacher)),
                Route("/classroom/", self._page(classroom_markup.teacher)),
                Route("/classroom/write", self._page(writer_markup.writer)),
                Route("/classroom/handout", self._handout, methods=["GET", "POST"]),
                Route("/classroom/assets/{name}", self._asset),
                Route("/classroom/schema.json", self._schema),
                Route("/classroom/lessons/{name}", self._lesson),
                Route("/classroom/events", self._events),
                *(
                    Route(f"/classroom/{name}", self._question(answer), methods=["POST"])
                    for name, answer in {
                        "rooms": self._make,
                        "check": self._check,
                        "act": self._act,
                        "steer": self._steer,
                        "results": self._results,
                        "delete": self._delete,
                        "qr": self._qr,
                        "dial": self._dial,
                    }.items()
                ),
                Route("/join", self._page(classroom_markup.student)),
                Route("/join/", self._page(classroom_markup.student)),
                *(
                    Route(f"/join/{name}", self._question(answer), methods=["POST"])
                    for name, answer in {
                        "enter": self._enter,
                        "answer": self._answer,
                        "send": self._send,
                        "dial": self._dial,
                    }.items()
                ),
                Route("/join/{code}", self._page(classroom_markup.student)),
            ],
            exception_handlers={404: self._not_there, 405: self._not_there, 500: self._failed},
        )
        self._inner.router.redirect_slashes = False  # it would lead out of a proxy's path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if PATH.fullmatch(path):
                inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
                return await self._inner(inner, receive, send)
        return await self.app(scope, receive, send)

    async def _not_there(self, request: Request, error: Any) -> Response:
        assert isinstance(error, HTTPException)
        said, headers = NO_PAGE if error.status_code == 404 else NOT_SO, {**(error.headers or {}), **_HEADERS}
        if request.method == "POST":
            return JSONResponse({"error": said}, error.status_code, headers=headers)
        return PlainTextResponse(said, error.status_code, headers=headers)

    async def _failed(self, request: Request, error: Any) -> Response:
        return PlainTextResponse(FAILED, 500, headers=_HEADERS)

    # Pages ----------------------------------------------------------------------------------------------------------

    def _page(self, markup: Callable[..., str]) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            up = "./" if request.url.path.count("/") < 2 else "../"
            return HTMLResponse(markup(up, self.names), headers=_HEADERS)

        return page

    async def _asset(self, request: Request) -> Response:
        found = classroom_assets.asset(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404, headers=_HEADERS)
        kind, _, small = found
        return _small(request, small, kind, {**_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"})

    async def _handout(self, request: Request) -> Response:
        try:
            if request.method == "POST":
                self._slowly(self.checks, _from(request))
                form = (await request.body()).decode("utf-8", "replace")
                text = _form_value(form, "text")
            else:
                text = lessons.text_of(request.query_params.get("lesson", ""))
            read = await asyncio.to_thread(lessons.read, text)
        except Refused as refused:
            return PlainTextResponse(str(refused), refused.status, headers=_HEADERS)
        except ValueError as error:
            return PlainTextResponse(_sentence(error), 400, headers=_HEADERS)
        return HTMLResponse(await asyncio.to_thread(handout_markup.handout, read, "../"), headers=_HEADERS)

    async def _schema(self, request: Request) -> Response:
        return JSONResponse(lessons.schema(), headers=_HEADERS)

    async def _lesson(self, request: Request) -> Response:
        name = request.path_params["name"].removesuffix(".yaml")
        try:
            return PlainTextResponse(lessons.text_of(name), media_type="application/yaml", headers=_HEADERS)
        except ValueError as error:
            return PlainTextResponse(f"{error}.", 404, headers=_HEADERS)

    # Questions ------------------------------------------------------------------------------------------------------

    def _question(self, answer: Callable[[Request, Any], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
        """JSON in, JSON out; whatever goes wrong is a sentence."""

        async def question(request: Request) -> Response:
            try:
                given = _json(await request.body())
                found = await answer(request, given)
                return found if isinstance(found, Response) else JSONResponse(found, headers=_HEADERS)
            except Refused as refused:
                return JSONResponse({"error": str(refused)}, refused.status, headers=_HEADERS)
            except ValueError as error:
                return JSONResponse({"error": _sentence(error)}, 400, headers=_HEADERS)
            except Exception:
                _log.exception("a question failed")
                return JSONResponse({"error": FAILED}, 500, headers=_HEADERS)

        return question

    async def _make(self, request: Request, given: Any) -> Any:
        self._slowly(self.makings, _from(request))
        text = given.get("text") if "text" in given else lessons.text_of(given.get("lesson"))
        live, secret = await self.hall.make(text)
        return {"code": live.room.code, "secret": secret}

    async def _check(self, request: Request, given: Any) -> Any:
        self._slowly(self.checks, _from(request))
        try:  # what is half written is no bad question: browsers would complain of every key
            return {"lesson": (await asyncio.to_thread(lessons.read, given.get("text"))).model_dump(mode="json")}
        except ValueError as error:
            return {"error": _sentence(error)}

    async def _act(self, request: Request, given: Any) -> Any:
        live = await self._taught(request, given)
        return {"done": await live.act(given.get("what"), given.get("version"), given.get("value"))}

    async def _steer(self, request: Request, given: Any) -> Any:
        live = await self._taught(request, given)
        return await live.steer(given.get("orders"))

    async def _results(self, request: Request, given: Any) -> Any:
        live = await self._taught(request, given)
        text = "\ufeff" + await asyncio.to_thread(live.room.results)  # a spreadsheet takes it for UTF-8 then
        return Response(text, media_type="text/csv; charset=utf-8", headers=_HEADERS)

    async def _delete(self, request: Request, given: Any) -> Any:
        await self.hall.delete(await self._taught(request, given))
        return {"deleted": True}

    async def _qr(self, request: Request, given: Any) -> Any:
        import segno

        self._slowly(self.checks, _from(request))
        text = given.get("text")
        if not isinstance(text, str) or not re.fullmatch(r"https?://[!-~]{1,300}", text):
            raise ValueError("address is no address of a page; allowed: one that begins with http:// or https://")
        file = io.BytesIO()
        segno.make(text, error="m").save(
            file, kind="svg", xmldecl=False, svgns=True, border=2, dark="#000", light="#fff"
        )
        return {"svg": file.getvalue().decode(), "hosts": list(self.hosts)}

    async def _enter(self, request: Request, given: Any) -> Any:
        live = await self._found(request, given)
        self._slowly(self.entries, _from(request))
        person, token = await live.enter(given.get("name"))
        return {"code": live.room.code, "person": person, "token": token, "lesson": live.room.lesson.title}

    async def _answer(self, request: Request, given: Any) -> Any:
        live, person = await self._student(request, given)
        self._slowly(self.answers, f"{live.room.code} {person}")
        return {"own": await live.answer(person, given.get("item"), given.get("value"))}

    async def _send(self, request: Request, given: Any) -> Any:
        live, person = await self._student(request, given)
        self._slowly(self.links, f"{live.room.code} {person}")
        await live.send(person, given.get("link"))
        return {"sent": True}

    async def _dial(self, request: Request, given: Any) -> Any:
        """The pieces of the dial that everybody has in hand; none where nobody has."""
        live, person = await self._known(request, given, NOT_YOURS)
        self._slowly(self.turns, f"{live.room.code} {person}")
        since, link = checks.integer("since", given.get("since", 0), low=0), live.room.state.hands
        if link is None:
            return {"pieces": [], "done": True}
        packed = await asyncio.to_thread(self.fans.answer, link, since)  # the first answer of its kind is worked for
        return _small(request, packed, "application/json", _HEADERS)

    async def _events(self, request: Request) -> Response:
        given = {"code": request.query_params.get("code")}
        try:
            live, person = await self._known(request, given, NOT_YOURS)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status, headers=_HEADERS)
        except Exception:
            _log.exception("a line could not be opened")
            return JSONResponse({"error": FAILED}, 500, headers=_HEADERS)
        return Line(live.events(str(person) if person else "teacher"))

    # Who may --------------------------------------------------------------------------------------------------------

    def _slowly(self, throttle: Throttle, who: str) -> None:
        if not throttle.allows(who):
            raise Refused(429, SLOWER)

    async def _found(self, request: Request, given: Any) -> Live:
        """The room that is meant. Who tries codes that are none is soon not answered any more."""
        who = _from(request)
        if not (self.wrong_codes.allows(who, spend=False) and self.all_wrong_codes.allows("", spend=False)):
            raise Refused(429, SLOWER)
        try:
            return await self.hall.find(given.get("code"))
        except ValueError as error:
            if str(error) == NO_ROOM:
                self.wrong_codes.allows(who)
                self.all_wrong_codes.allows("")
                raise Refused(404, NO_ROOM) from None
            raise

    async def _known(self, request: Request, given: Any, otherwise: str) -> tuple[Live, int]:
        """The room that is meant, and who asks, 0 for its teacher. Who belongs to it is never held up by what others at
        the same address try, such as somebody else in the same school.
        """
        code = plain_code(given.get("code"))
        person = None if code is None else await asyncio.to_thread(self.hall.store.who, code, _token(request))
        if person is None:
            await self._found(request, given)
            self.wrong_codes.allows(_from(request))
            raise Refused(403, otherwise)
        return await self.hall.find(code), person

    async def _taught(self, request: Request, given: Any) -> Live:
        live, person = await self._known(request, given, NO_TEACHER)
        if person:
            raise Refused(403, NO_TEACHER)
        self._slowly(self.acts, live.room.code)
        return live

    async def _student(self, request: Request, given: Any) -> tuple[Live, int]:
        live, person = await self._known(request, given, NOT_YOURS)
        if not person:
            raise Refused(403, NOT_YOURS)
        return live, person


def _small(request: Request, packed: bytes, kind: str, headers: Mapping[str, str]) -> Response:
    """What is kept as gzip, as whoever asks can read it."""
    headers = {**headers, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=kind, headers=headers | {"Content-Encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type=kind, headers=headers)


def _from(request: Request) -> str:
    return request.client.host if request.client else ""


def _token(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else ""


def _json(body: bytes) -> dict[str, Any]:
    if len(body) > LONGEST:
        raise ValueError(f"the question is too long; allowed: at most {LONGEST} bytes")
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()  # no halves of characters, which no file and no line could hold
    except (ValueError, RecursionError):
        raise ValueError("this is no question; allowed: a JSON object") from None
    if not isinstance(found, dict):
        raise ValueError("this is no question; allowed: a JSON object")
    return found


def _form_value(form: str, name: str) -> str:
    from urllib.parse import parse_qs

    if len(form) > 4 * LONGEST:
        raise ValueError("the lesson is too long")
    return (parse_qs(form, max_num_fields=10).get(name) or [""])[0]


def _sentence(error: ValueError) -> str:
    text = str(error)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def hosts(host: str, port: int) -> tuple[str, ...]:
    """Addresses at which others in the same network may reach an app that listens at ``host``; none if they cannot."""
    everywhere = host in ("0.0.0.0", "::")
    if not everywhere:
        return () if host.startswith("127.") or host == "::1" else (_url(host, port),)
    found: list[str] = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        if family == socket.AF_INET6 and host != "::":
            continue
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))  # nothing is sent: it only asks which way it would go
                found.append(str(probe.getsockname()[0]))
        except OSError:  # no such network
            continue
    return tuple(_url(one, port) for one in found if not one.startswith("127."))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
