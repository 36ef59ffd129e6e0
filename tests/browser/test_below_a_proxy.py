"""The app below a path that a proxy hides from it, as on JupyterHub: the page works, or says what is wrong."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from conftest import serving
from lab import drag, state, wait
from playwright.sync_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OWN = ("connection", "transfer-encoding", "keep-alive", "host", "content-encoding", "accept-encoding", "content-length")


@contextlib.contextmanager
def proxy(behind: str, prefix: str, *, passes=lambda path: True, holds: str | None = None) -> Iterator[str]:
    """A reverse proxy that takes ``prefix`` off the path and says nothing of it; gives its address with the prefix."""

    async def handle(request: Request) -> Response:
        path = request.url.path
        if not f"{path}/".startswith(f"{prefix}/") or not passes(path.removeprefix(prefix)):
            return Response(f"nothing at {path}", 404)
        target = behind.rstrip("/") + (path.removeprefix(prefix) or "/")
        asked = client.build_request(
            request.method,
            httpx.URL(target, query=request.url.query.encode()),
            headers=[(name, value) for name, value in request.headers.items() if name not in OWN],
            content=await request.body(),
        )
        answer = await client.send(asked, stream=True)
        headers = {name: value for name, value in answer.headers.items() if name not in OWN}
        if holds and path.endswith(holds):
            await asyncio.sleep(60)  # until enough has come for a block
        return StreamingResponse(answer.aiter_bytes(), answer.status_code, headers, background=_Closing(answer))

    class _Closing:
        def __init__(self, answer: httpx.Response) -> None:
            self.answer = answer

        async def __call__(self) -> None:
            await self.answer.aclose()

    client = httpx.AsyncClient(timeout=None)
    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "HEAD", "POST"])])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}{prefix}"
    server.should_exit = True
    thread.join(10)


@contextlib.contextmanager
def opened(browser, address: str) -> Iterator[Page]:
    """A page that may complain."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


@pytest.mark.parametrize("prefix", ["/lab", "/user/x/proxy/7860"])
def test_the_page_works_below_a_path_that_the_server_does_not_know(visit, address, prefix):
    with proxy(address, prefix) as outside:
        page = visit(address=f"{outside}/")  # which also sees that nothing is asked beside that path
        drag(page, "alpha", 0.1)
        wait(page, "meta.lanes[0].alpha === 0.1 && round > 5")
        assert state(page)["counters"]["errors"] == 0
        page.context.close()


def test_it_works_without_a_slash_at_the_end(browser, address):
    with proxy(address, "/lab") as outside, opened(browser, outside) as page:  # it looks beside the path first
        wait(page, "meta.lanes && meta.run !== 'first'")
        page.locator("#toggle").click()
        wait(page, "round > 5")


@pytest.mark.parametrize("told", ["/lab", "/elsewhere"])
def test_it_works_whatever_the_server_was_told(visit, registry, monkeypatch, told):
    monkeypatch.setenv("GRADIO_ROOT_PATH", told)
    with serving(registry) as behind, proxy(behind, "/lab") as outside:
        page = visit(address=f"{outside}/")
        drag(page, "alpha", 10)
        wait(page, "meta.lanes[0].alpha === 10 && round > 5")
        page.context.close()


def test_a_page_without_its_scripts_says_so(browser, address):
    only_page = proxy(address, "/lab", passes=lambda path: path in ("", "/"))
    with only_page as outside, opened(browser, f"{outside}/") as page:
        alert = page.get_by_role("alert")
        alert.wait_for(timeout=20_000)
        assert "cannot load its own scripts" in alert.inner_text()
        assert "pass on everything below this address" in alert.inner_text()


@pytest.mark.parametrize("kind", ["refuses", "holds"])
def test_a_page_that_gets_no_pictures_says_so(browser, address, kind):
    def passes(path: str) -> bool:
        return kind == "holds" or not path.endswith("/queue/data")

    deaf = proxy(address, "/lab", passes=passes, holds="/queue/data" if kind == "holds" else None)
    with deaf as outside, opened(browser, f"{outside}/") as page:
        notice = page.locator(".lab .notice")
        notice.wait_for(timeout=40_000)
        assert "No picture has come from the server yet" in notice.inner_text()
