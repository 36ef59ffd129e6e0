"""Starting the app: where it listens, and what it says when it cannot."""

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

APP = Path(__file__).parents[1] / "app.py"


def start(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(APP)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_taken_port_is_named_and_another_proposed():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, err = (app := start(PORT=str(port))).communicate(timeout=60)
    assert app.returncode == 1
    assert err.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert f"PORT={port % 65535 + 1} python app.py" in err


@pytest.mark.parametrize("port", ["", "abc", "0", "65536", "-1", "7860.0"])
def test_a_port_that_is_none_is_refused(port):
    _, err = (app := start(PORT=port)).communicate(timeout=60)
    assert app.returncode == 1
    assert err == f"PORT is {port!r}; allowed: a whole number from 1 to 65535\n"


@pytest.mark.slow
def test_it_says_where_it_listens_and_answers_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = start(PORT=str(port))
    try:
        assert app.stdout.readline() == "Starting orwlab ...\n"
        line = app.stdout.readline()
        assert f"http://127.0.0.1:{port} " in line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            text = page.read().decode()
        assert "orwlab: live lab" in text
        assert "fonts.googleapis" not in text
    finally:
        app.terminate()
        app.wait(30)
        app.stdout.close()
        app.stderr.close()
