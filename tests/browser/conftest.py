"""A real Chromium and the real app, started once; every test gets a browser context of its own."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from orwlab.show.notebook.still import browser_path

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


DRAWN = (
    "document.querySelector('.orw-stage')?.stage?.counters.painted > 0 "
    "|| document.querySelector('.orw-grids')?.grids?.reference.painted > 0"
)
"""a condition: there is something to see"""


@pytest.fixture(scope="session")
def browser():
    path = browser_path()
    if path is None:
        reason = "no Chromium: none on the PATH and BROWSER_PATH is not set"
        if os.environ.get("ORWLAB_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(registry) -> Iterator[str]:
    """The app on a free port of 127.0.0.1; gives its address."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("ORWLAB_ROOMS", "")  # in memory
    from orwlab.show.web import pages, serve

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    demo = pages.build(registry)
    serve.launch(demo, "127.0.0.1", port, registry)
    yield f"http://127.0.0.1:{port}/"
    demo.close()


@pytest.fixture(scope="session")
def registry() -> Iterator:
    from orwlab.show.web.broadcast import Registry

    registry = Registry()
    yield registry
    registry.pool.shut()


@pytest.fixture(scope="session")
def address(browser, registry) -> Iterator[str]:
    """The app's address."""
    with serving(registry) as address:
        yield address


@pytest.fixture(scope="module")
def small_lab(browser) -> Iterator[str]:
    """The address of an app that lets one visitor in at a time."""
    from orwlab.show.web.broadcast import Registry
    from orwlab.show.web.workers import Pool

    registry = Registry(visitors=1, pool=Pool(1))
    with serving(registry) as address:
        yield address
    registry.pool.shut()


def _waiting(route) -> None:
    """Lets the tests wait for conditions on a page whose policy forbids to evaluate texts, and changes nothing else."""
    if route.request.resource_type != "document":
        return route.fallback()
    answer = route.fetch()
    name = "content-security-policy"
    policy = answer.headers.get(name, "").replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
    return route.fulfill(response=answer, headers={**answer.headers, **({name: policy} if policy else {})})


class Visits:
    """Opens pages, each as a new visitor, and notes what they complain of: errors, and requests to elsewhere."""

    def __init__(self, browser, address: str) -> None:
        self.browser, self.address = browser, address
        self.contexts, self.complaints = [], []

    def __call__(
        self,
        width: int = 1280,
        height: int = 720,
        dark: bool = False,
        *,
        address: str | None = None,
        query: str = "",
        running: bool = True,
        tolerate: tuple[str, ...] = (),
        ready: str = DRAWN,
        policy: bool = False,
        **options,
    ):
        """A page. ``policy``: it comes with one, to which what waits here is added; what it forbids is an error."""
        address = address or self.address

        def error(message) -> None:
            if message.type == "error" and not any(words in message.text for words in tolerate):
                self.complaints.append(message.text)

        def uncaught(error) -> None:
            if not any(words in str(error) for words in tolerate):
                self.complaints.append(str(error))

        def request(request) -> None:
            if not request.url.startswith((address, "data:", "blob:")):
                self.complaints.append(f"request to {request.url}")

        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options
        )
        self.contexts.append(context)
        if policy:
            context.route("**/*", _waiting)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", error)
        page.on("pageerror", uncaught)
        page.on("request", request)
        page.goto(address + query)
        # never networkidle: server-sent events keep the network busy as long as the page lives
        page.wait_for_function(ready, timeout=90_000)  # the first images wait for a process that loads its networks
        if running:
            page.wait_for_function(
                "!['first', ''].includes(document.querySelector('.orw-stage').stage.meta?.run ?? '')"
            )
            page.locator("#toggle").click()
            page.wait_for_function("document.querySelector('.orw-stage').stage.meta.lanes?.[0].round > 2")
        return page

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """What is done meanwhile may leave no complaint."""
        yield
        complaints, self.complaints = self.complaints, []
        assert not complaints

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.complaints


@pytest.fixture
def visit(browser, address) -> Iterator[Callable]:
    """``visit(width=..., height=..., dark=..., ...)`` opens the page as a new visitor, and presses Play.

    With ``running=False`` it stays as one finds it: at rest.

    At the end no page may have logged an error or asked anything of another address.
    """
    visits = Visits(browser, address)
    yield visits
    visits.close()


@pytest.fixture(scope="module")
def one_page(browser, address):
    visits = Visits(browser, address)
    yield visits, visits()
    visits.close()


@pytest.fixture
def lab_page(one_page):
    """One page for all tests of a file; no test may leave a complaint."""
    visits, page = one_page
    with visits.listening():
        yield page
