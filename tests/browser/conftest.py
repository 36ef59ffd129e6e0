"""A real Chromium and the real app, started once; every test gets a browser context of its own."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """The browser to drive: BROWSER_PATH, or the first Chromium on the PATH."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    candidates = [os.environ.get("BROWSER_PATH"), *map(shutil.which, names)]
    return next((path for path in candidates if path and os.path.exists(path)), None)


@pytest.fixture(scope="session")
def browser():
    path = chromium()
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


@pytest.fixture(scope="session")
def registry():
    from orwlab.show.studio.broadcast import Registry

    return Registry()


@pytest.fixture(scope="session")
def address(browser, registry) -> Iterator[str]:
    """The app's address, on a free port of 127.0.0.1."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from orwlab.show.studio import pages

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    demo = pages.build(registry)
    demo.launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        **pages.appearance(),
    )
    yield f"http://127.0.0.1:{port}/"
    demo.close()


@pytest.fixture
def visit(browser, address) -> Iterator[Callable]:
    """``visit(width=..., height=..., dark=..., ...)`` opens the page as a new visitor, with the stage running.

    At the end no page may have logged an error or asked anything of another address.
    """
    contexts, complaints = [], []

    def note(request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            complaints.append(f"request to {request.url}")

    def open_page(width: int = 1280, height: int = 720, dark: bool = False, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", note)
        page.goto(address)
        # never networkidle: server-sent events keep the network busy as long as the page lives
        page.wait_for_function("document.querySelector('.orw-stage')?.stage?.meta?.round > 2")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
