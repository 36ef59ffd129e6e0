"""Serving the studio until it is interrupted. The environment says how:

- HOST and PORT: where it listens; 127.0.0.1 and 7860 if nothing is said,
- ORWLAB_VISITORS: how many people may use it at once; if nothing is said, as many as ``broadcast.VISITORS``,
- ORWLAB_ROOMS: the file in which the Classroom keeps its rooms, ``ROOMS`` if nothing is said; empty for none,
- ORWLAB_ROOM_DAYS: after how many days without a visit a room is deleted; ``DAYS`` if nothing is said,
- GRADIO_ROOT_PATH: its address for others, where that is another machine's. A path below a proxy the page finds itself.
"""

import errno
import multiprocessing
import os
import signal
import socket
import sys
from typing import Any

ROOMS = "orwlab-rooms.sqlite"
"""where the app was started"""
DAYS = 30
AGAIN = "PORT={port} python app.py"  # how one starts it elsewhere

_SOME_HOSTS = "a name or address of this machine, such as 127.0.0.1, 0.0.0.0, localhost or ::"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # what to open in a browser on the same machine


def whole(name: str, *, low: int, high: int | None = None) -> int | None:
    """The whole number in the environment's ``name``, None if nothing is said; leaves with a sentence if it is none."""
    text = os.environ.get(name)
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else low - 1
    if number < low or (high is not None and number > high):
        allowed = f">= {low}" if high is None else f"from {low} to {high}"
        sys.exit(f"{name} is {_short(text)}; allowed: a whole number {allowed}")
    return number


def address(again: str = AGAIN) -> tuple[str, int, str]:
    """The numeric address and the port to listen at, and the URL to open; leaves with a sentence if there is none.

    ``again`` is what the sentence proposes, with ``{port}`` for another port.
    """
    port = whole("PORT", low=1, high=65535) or 7860
    name = os.environ.get("HOST", "127.0.0.1")
    host = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError):  # no such name, or none that could be one
        found = []
    if not found:
        sys.exit(f"HOST is {_short(name)}; allowed: {_SOME_HOSTS}")
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    problem: OSError | None = None
    for family, *_, place in sorted(found, key=lambda entry: entry[0] != socket.AF_INET):
        try:
            socket.create_server(place[:2], family=family).close()
        except OSError as error:
            problem = problem or error
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                break
        else:
            numeric = str(place[0])
            return numeric, port, f"http://{_EVERYWHERE[numeric]}:{port}" if numeric in _EVERYWHERE else url
    assert problem is not None
    hint = f"HOST is {_short(name)}; allowed: {_SOME_HOSTS}"
    if problem.errno in (errno.EADDRINUSE, errno.EACCES):
        other = port % 65535 + 1 if problem.errno == errno.EADDRINUSE else 7860
        hint = f"Another program may be using it; choose another port, for example: {again.format(port=other)}"
    sys.exit(f"Cannot listen on {url.removeprefix('http://')}: {os.strerror(problem.errno or 0)}.\n{hint}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def rooms() -> str:
    """The file of the Classroom's rooms; "" for none."""
    return os.environ.get("ORWLAB_ROOMS", ROOMS)


def launch(demo: Any, host: str, port: int, registry: Any) -> None:
    """Serve ``demo``, what ``pages.build`` gives with ``registry``, from a thread of its own; ``host`` is a numeric
    address.
    """
    from starlette.middleware import Middleware

    from orwlab.show.web import classroom, pages, pocket_page, preview
    from orwlab.show.web.door import Door
    from orwlab.show.web.own_address import OwnAddress

    elsewhere = demo.root_path.startswith(("http://", "https://"))  # then the page's address is not the app's
    names, hosts = pages.names(), classroom.hosts(host, port)
    days = whole("ORWLAB_ROOM_DAYS", low=1, high=3650) or DAYS
    middleware = [
        Middleware(Door),
        Middleware(classroom.Classroom, registry=registry, rooms=rooms(), days=days, names=names, hosts=hosts),
        Middleware(pocket_page.PocketPage, names=names),
        Middleware(OwnAddress, find=not elsewhere, names=names),
    ]
    demo.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        favicon_path=preview.ICON,
        app_kwargs={"middleware": middleware},
        **pages.appearance(),
    )


def main(again: str = AGAIN) -> None:
    """Build the studio and serve it until interrupted. ``again``: see ``address``."""
    host, port, url = address(again)
    visitors = whole("ORWLAB_VISITORS", low=1)
    print("Starting orwlab ...", flush=True)  # the imports below take some seconds
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: no request leaves this machine
    from orwlab.show.web.workers import Pool

    pool = Pool()  # its processes start while the lines below import torch and Gradio
    from orwlab.show.classroom.store import Store
    from orwlab.show.web import pages
    from orwlab.show.web.broadcast import Registry

    try:
        Store(rooms()).check()  # else a teacher would be the first to hear of it
    except ValueError as error:
        sys.exit(str(error))
    registry = Registry(visitors, pool)
    demo = pages.build(registry)
    try:
        launch(demo, host, port, registry)
    except Exception as error:  # of many types: Gradio looks whether it can be reached, and some networks forbid that
        sys.exit(f"Cannot serve at {url}: {error}")
    others = ", and at this machine's other addresses" if host in _EVERYWHERE else ""
    print(f"orwlab is listening on {url}{others}   (Ctrl+C stops it)", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being stopped by a machine ends like Ctrl+C
    demo.block_thread()
    for process in multiprocessing.active_children():  # nobody waits for what they are working out
        process.terminate()
