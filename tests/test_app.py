"""Starting the app: where it listens, and what it says when it cannot."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
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


def test_a_number_of_visitors_that_is_none_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _, err = (app := start(PORT=str(port), ORWLAB_VISITORS="many")).communicate(timeout=60)
    assert app.returncode == 1
    assert err == "ORWLAB_VISITORS is 'many'; allowed: a whole number >= 1\n"


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_answers_there_and_ends_with_all_its_processes(stop):
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
        workers = children(app.pid)
        assert workers
        app.send_signal(stop)
        _, err = app.communicate(timeout=30)
        assert "Traceback" not in err
        assert "leaked" not in err
        deadline = time.monotonic() + 10
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(alive, workers))
    finally:
        app.kill()
        app.wait(30)
        app.stdout.close()
        app.stderr.close()


def children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
