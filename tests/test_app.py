"""Starting the app: where it listens, what it says when it cannot, and what it lets in."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest

from orwlab.show.web.own_address import rewritten

APP = Path(__file__).parents[1] / "app.py"
HAS_IPV6 = False
with contextlib.suppress(OSError):
    socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    HAS_IPV6 = True


def start(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(APP)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def refused(**environment: str) -> str:
    """What it says instead of starting."""
    _, err = (app := start(**environment)).communicate(timeout=60)
    assert app.returncode == 1
    assert "Traceback" not in err
    return err


@contextlib.contextmanager
def running(**environment: str):
    """The app, and the line in which it says where it listens."""
    app = start(**environment)
    try:
        assert app.stdout.readline() == "Starting orwlab ...\n"
        yield app, app.stdout.readline()
    finally:
        app.kill()
        app.wait(30)
        app.stdout.close()
        app.stderr.close()


def test_a_taken_port_is_named_and_another_proposed():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        err = refused(PORT=str(port))
    assert err.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert f"PORT={port % 65535 + 1} python app.py" in err


@pytest.mark.parametrize("port", ["", "abc", "0", "65536", "-1", "7860.0", "٧٨٦٠", " 7860", "1" * 5000])
def test_a_port_that_is_none_is_refused(port):
    shown = port if len(port) < 60 else port[:57] + "..."
    assert refused(PORT=port) == f"PORT is {shown!r}; allowed: a whole number from 1 to 65535\n"


@pytest.mark.parametrize("visitors", ["many", "0", "-2", "", "1.5", "1" * 5000])
def test_a_number_of_visitors_that_is_none_is_refused(visitors):
    shown = visitors if len(visitors) < 60 else visitors[:57] + "..."
    err = refused(PORT=free_port(), ORWLAB_VISITORS=visitors)
    assert err == f"ORWLAB_VISITORS is {shown!r}; allowed: a whole number >= 1\n"


def test_a_file_of_rooms_that_cannot_be_is_refused(tmp_path):
    rooms = str(tmp_path / "no/rooms.sqlite")
    err = refused(PORT=free_port(), ORWLAB_ROOMS=rooms)
    assert re.fullmatch(r"ORWLAB_ROOMS is '/.*rooms.sqlite'; allowed: a file .* \(No such file or directory\)\n", err)


@pytest.mark.parametrize("host", ["", "no such host", "a" * 300, "[", "1.2.3.4.5", "ö..ö", "203.0.113.7"])
def test_a_host_that_is_none_of_this_machines_is_refused(host):
    err = refused(PORT=free_port(), HOST=host)
    shown = host if len(host) < 60 else host[:57] + "..."
    assert f"HOST is {shown!r}; allowed: a name or address of this machine, such as 127.0.0.1" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("localhost", "localhost"),
        ("0.0.0.0", "127.0.0.1"),
        pytest.param("::", "[::1]", marks=pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")),
    ],
)
def test_the_address_it_prints_can_be_opened(host, shown):
    port = free_port()
    with running(PORT=port, HOST=host) as (_, line):
        url = line.removeprefix("orwlab is listening on ").split(",")[0].split()[0]
        assert url == f"http://{shown}:{port}"
        assert ("other addresses" in line) == (host in ("0.0.0.0", "::"))
        with urllib.request.urlopen(url, timeout=30) as page:
            assert "orwlab: live lab" in page.read().decode()


@pytest.mark.slow
def test_it_takes_no_files_and_nothing_large(tmp_path):
    port = free_port()
    with running(PORT=port, GRADIO_TEMP_DIR=str(tmp_path), TMPDIR=str(tmp_path)):
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/gradio_api/", timeout=60) as client:
            for route in ("upload", "upload/", "component_server", "process_recording", "queue/join"):
                for size in (10, 5_000_000):
                    answer = client.post(route, files={"files": ("f.txt", b"x" * size)})
                    assert (answer.status_code, answer.text) == (403, "This app takes no files.")
            large = {"data": ["x" * 5_000_000]}
            pieces = (b"x" * 100_000 for _ in range(50))  # without saying how many
            for answer in (client.post("queue/join", json=large), client.post("component_server", content=pieces)):
                assert (answer.status_code, answer.text) == (413, "This is too large; allowed: at most 1048576 bytes.")
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_only_pages_of_gradios_are_rewritten():
    plain = '<html><head><base href="./"></head><body>const root = "/";</body></html>'
    assert rewritten(plain, "/") == plain
    page = plain.replace("<body>", "<body>window.gradio_config = {};")
    assert "const root = window.gradio_config.root;" in rewritten(page, "/")
    assert '("/arena");</script>' in rewritten(page, "/arena/")
    assert "</script><b>" not in rewritten(page, "/</script><b>")


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_answers_there_and_ends_with_all_its_processes(stop):
    port = free_port()
    with running(PORT=port) as (app, line):
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


def children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
