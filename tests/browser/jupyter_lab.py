"""A JupyterLab of the tests' own on a free port of 127.0.0.1, and a notebook in it to drive."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "recordTiming": False},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
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
        server.set({"@jupyterlab/apputils-extension/themes": {"theme": THEMES[dark]}})
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{server.address}doc/tree/{file.name}?token={server.token}")  # one document, nothing else of Lab around it
        self.page.wait_for_function(
            """() => { const panel = window.jupyterapp?.shell?.currentWidget;
                return panel?.content?.widgets?.length && panel.sessionContext?.session?.kernel?.status === 'idle'; }"""
        )

    def run(self, *cells: int) -> None:
        """Run these cells (counted from 0, all kinds) one after another, each to its end; none given: all.

        An error in one raises, with what the cell printed.
        """
        indices = list(cells) or list(range(self.page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")))
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
                raise AssertionError(f"cell {index} failed:\n{error}")

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()
