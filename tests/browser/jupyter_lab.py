"""A JupyterLab of the tests' own on a free port of 127.0.0.1, and a notebook in it to drive."""

import atexit
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import TimeoutError

SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "recordTiming": False},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
# What Lab itself complains of: the address of the language servers' state, where there are none; and, rarely, a
# message on a kernel's stderr stream that it cannot read
KNOWN = ("status of 404", "stream.stderr")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
THEMES = {False: "JupyterLab Light", True: "JupyterLab Dark"}


class Server:
    """A running JupyterLab whose root is ``folder``; nothing of the user's own settings is read or written."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self.settings = folder / "settings"
        self.set(SETTINGS)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.token = secrets.token_hex(16)
        self.address = f"http://127.0.0.1:{self.port}/"
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.root_dir": self.root,
            "ServerApp.allow_root": True,
            "IdentityProvider.token": self.token,
            "LabApp.user_settings_dir": self.settings,
            "LabApp.workspaces_dir": folder / "workspaces",
            "LabApp.expose_app_in_browser": True,
            "LabApp.extension_manager": "readonly",
            "LanguageServerManager.autodetect": False,
        }
        own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
        self.log = folder / "log.txt"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
                cwd=folder,
                env={**os.environ, **own, "JUPYTER_NO_CONFIG": "1", "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def set(self, settings: dict[str, dict[str, Any]]) -> None:
        """Write settings; pages opened from now on have them."""
        for name, values in settings.items():
            file = self.settings / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))

    def _wait(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.address}api/status?token={self.token}", timeout=2)
                return
            except OSError:
                time.sleep(0.1)
        self.close()
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-3000:]}")

    def close(self) -> None:
        """End it and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Notebook:
    """One notebook open in a page of a browser.

    Args:
        server: where it is.
        context: the browser's context in which it is opened.
        file: copied into the server's root, so that the original stays as it is.
        dark: the theme.
    """

    def __init__(self, server: Server, context: Any, file: Path, dark: bool = False) -> None:
        if file.parent != server.root:
            shutil.copy(file, server.root / file.name)
            if (file.parent / "films").is_dir():  # its prose shows them
                shutil.copytree(file.parent / "films", server.root / "films", dirs_exist_ok=True)
        server.set({"@jupyterlab/apputils-extension/themes": {"theme": THEMES[dark]}})
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("response", lambda r: r.status >= 400 and "/lsp/" not in r.url and self.complaints.append(r.url))
        self.page.on("request", self._request)
        self.server = server
        self.page.goto(
            f"{server.address}doc/tree/{file.name}?token={server.token}"
        )  # one document, nothing else of Lab around it
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp?.shell?.currentWidget;
                return panel?.content?.widgets?.length && panel.sessionContext?.session?.kernel?.status === 'idle';
            }""",
            timeout=150_000,  # the first page of a server is slow where others work, too
        )

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self._note(message.text)

    def _note(self, complaint: str) -> None:
        if not any(known in complaint for known in KNOWN):
            self.complaints.append(complaint)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.server.address, "data:", "blob:")):
            self.complaints.append(f"request to {request.url}")

    def run(self, *cells: int) -> None:
        """Run these cells (counted from 0, all kinds) one after another, each to its end; none given: all.

        An error in one raises, with what the cell printed.
        """
        indices = list(cells) or list(
            range(self.page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length"))
        )
        for index in indices:
            error = self.page.evaluate(
                """async (index) => {
                    const content = jupyterapp.shell.currentWidget.content;
                    content.activeCellIndex = index;
                    await jupyterapp.commands.execute('notebook:run-cell');
                    const outputs = content.widgets[index].model.sharedModel.outputs ?? [];
                    const error = outputs.find((output) => output.output_type === 'error');
                    return error ? error.traceback.join('\\n') : null;
                }""",
                index,
            )
            if error:
                raise AssertionError(f"cell {index} failed:\n{ANSI.sub('', error)}")

    def printed(self, cell: int) -> str:
        """What a cell printed or returned, as text."""
        return self.page.evaluate(
            """(index) => jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.outputs
                .map((o) => [o.text ?? o.data?.['text/plain'] ?? ''].flat().join('')).join('')""",
            cell,
        )

    def cells(self) -> list[str]:
        """Kind and source of every cell."""
        return self.page.evaluate(
            """jupyterapp.shell.currentWidget.content.widgets
                .map((cell) => cell.model.type + ': ' + cell.model.sharedModel.source)"""
        )

    def stage(self, number: int = 0) -> "Stage":
        """The live stage that is so many-eth on the page."""
        return Stage(self.page, number)

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()


class Stage:
    """A live stage on a page: what it shows, and its controls."""

    def __init__(self, page: Any, number: int) -> None:
        self.page, self.number = page, number
        self.box = page.locator(".orw-live").nth(number)
        self.box.scroll_into_view_if_needed()
        self.wait("counters.painted > 0 && stage.positions.length > 0")
        self.canvas = self.box.locator(".orw-stage canvas").first

    @property
    def _js(self) -> str:
        return f"document.querySelectorAll('.orw-jupyter .orw-stage')[{self.number}]?.stage"

    def _function(self, expression: str) -> str:
        return f"""() => {{
            const stage = {self._js};
            if (!stage?.meta) return null;
            const {{ meta, counters }} = stage;
            return {expression};
        }}"""

    def get(self, expression: str) -> Any:
        """A value in terms of ``stage``, ``meta`` and ``counters``."""
        return self.page.evaluate(self._function(expression))

    def wait(self, condition: str, timeout: float = 90) -> None:
        """Until ``condition``, in the same terms, holds."""
        test = self._function(condition)
        try:
            self.page.wait_for_function(test, timeout=1000 * timeout)
        except TimeoutError:
            seen = self.page.evaluate(f"JSON.stringify([{self._js}?.meta, {self._js}?.counters])")
            pytest.fail(f"not within {timeout} s: {condition}; the stage shows {seen}")

    def press(self, name: str) -> None:
        """Click a button."""
        self.box.locator(".orw-bar").get_by_role("button", name=name).click()

    def slide(self, label: str, key: str, times: int = 1) -> str:
        """Move a slider with the keyboard; what its handle says afterwards."""
        handle = self.box.get_by_role("slider", name=label)
        handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        return handle.get_attribute("aria-valuetext")

    @property
    def round(self) -> int:
        """The first lane's."""
        return self.get("meta.lanes[0].round")

    @property
    def alpha(self) -> float:
        """The first lane's."""
        return self.get("meta.lanes[0].alpha")

    @property
    def positions(self) -> list[float]:
        """Of the first hundred particles, as drawn."""
        return self.get("Array.from(stage.positions.slice(0, 200))")

    @property
    def reward(self) -> float:
        """The mean reward that is written there."""
        return float(self.get("meta.curves[0].values[0]").replace("−", "-"))


_servers: list[Server] = []


@pytest.fixture(scope="session")
def lab(browser) -> Server:
    """One for all modules of a session that import this fixture."""
    if not _servers:
        folder = Path(tempfile.mkdtemp(prefix="lab"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # called last
        _servers.append(Server(folder))
        atexit.register(_servers[0].close)
    return _servers[0]


@pytest.fixture(scope="module")
def open_notebook(browser, lab) -> Iterator[Callable[..., Notebook]]:
    """``open_notebook(file or [cell, ...], width=..., height=..., dark=...)``: it in a page of its own.

    At the end no page may have logged an error or asked anything of another address.
    """
    opened = []

    def open_one(what: Path | list[str], width: int = 1100, height: int = 1000, dark: bool = False) -> Notebook:
        if isinstance(what, list):
            cells = [nbformat.v4.new_code_cell(source) for source in what]
            metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
            file = lab.root / f"own_{secrets.token_hex(4)}.ipynb"
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), file)
        else:
            file = what
        context = browser.new_context(viewport={"width": width, "height": height})
        opened.append((context, Notebook(lab, context, file, dark)))
        return opened[-1][1]

    yield open_one
    complaints = [complaint for _, notebook in opened for complaint in notebook.complaints]
    for context, notebook in opened:
        if not notebook.page.is_closed():
            notebook.close()
        context.close()
    assert not complaints, complaints
