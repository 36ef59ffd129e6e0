"""The app in a process of its own, and light clients that speak its protocol: what ``live.py`` measures with."""

import base64
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FRAME = re.compile(r'"(T1JXM[A-Za-z0-9+/=]+)"')  # base64 of "ORW1"
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class App:
    """The app in a process of its own, on a free port."""

    def __init__(self, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")],
            env={**os.environ, "PORT": str(port), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "listening" in line:
                break
        else:
            raise SystemExit("the app did not start")
        self.started = time.perf_counter() - start
        self.address = f"http://127.0.0.1:{port}"

    def processes(self) -> list[int]:
        """The app's own process and its workers."""
        return [self.process.pid, *descendants(self.process.pid)]

    def stop(self) -> None:
        """End it, and whatever it started."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def descendants(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found += [int(entry.name), *descendants(int(entry.name))]
        except (OSError, IndexError):
            continue
    return found


def cpu_seconds(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
        except OSError:
            continue
    return total


def memory(pids: list[int]) -> float:
    """Resident memory, MB."""
    total = 0.0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        except OSError:
            continue
    return total


class Client:
    """Somebody with a page open, who has pressed Play, as far as the server can tell."""

    def __init__(self, address: str) -> None:
        self.api = f"{address}/gradio_api"
        config = json.load(urllib.request.urlopen(f"{address}/config", timeout=60))
        self.session = secrets.token_hex(6)
        self.dependency = next(d["id"] for d in config["dependencies"] if ["load"] in [t[1:] for t in d["targets"]])
        self.stage = next(c["id"] for c in config["components"] if c.get("props", {}).get("elem_id") == "lab")
        self.frames: list[float] = []
        self.rounds: list[int] = []
        self.particles: list[int] = []
        self.notices: list[str] = []
        self.run, self.awake, self.open = "", True, True
        self.ended = False  # the server has ended the stream
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.api}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request, timeout=60))

    def call(self, function: str, *arguments: Any) -> Any:
        """Call one of the stage's functions on the server."""
        body = {"session_hash": self.session, "component_id": self.stage, "fn_name": function, "data": list(arguments)}
        return self._post("component_server", body)

    def _read(self) -> None:
        join = {"fn_index": self.dependency, "data": [], "session_hash": self.session, "event_data": None}
        self._post("queue/join", {**join, "trigger_id": None})
        self.stream = urllib.request.urlopen(f"{self.api}/queue/data?session_hash={self.session}", timeout=120)
        try:
            for line in self.stream:
                if not self.open:
                    return
                text = line.decode()
                self.ended = self.ended or '"process_completed"' in text
                for notice in re.findall(r"The lab is full[^\"]*", text):
                    self.notices.append(notice)
                for found in FRAME.findall(text):
                    header = self._header(found)
                    if "run" in header and header["run"] != "first":
                        self._seen(header)
        except (OSError, ValueError, AttributeError):
            pass  # closed under our hands

    @staticmethod
    def _header(text: str) -> dict[str, Any]:
        data = base64.b64decode(text)
        found = json.loads(data[8 : 8 + int.from_bytes(data[4:8], "little")])
        shape = next((a["shape"] for a in found["arrays"] if a["name"] == "x"), [0, 0, 0])
        return {**found["meta"], "drawn": shape[1]}

    def _seen(self, meta: dict[str, Any]) -> None:
        if not self.run:
            play = (meta["run"], [{"press": "play"}])
            threading.Thread(target=self.call, args=("obey", *play), daemon=True).start()
        self.run = meta["run"]
        self.frames.append(time.monotonic())
        self.rounds.append(meta["round"])
        self.particles.append(meta["drawn"])
        if self.awake and meta["seq"] % 10 == 0:
            threading.Thread(target=self.call, args=("acknowledge", self.run, meta["seq"]), daemon=True).start()

    def rate(self, seconds: float) -> float:
        """Frames a second over the last ``seconds``."""
        since = time.monotonic() - seconds
        return sum(1 for when in self.frames if when > since) / seconds

    def close(self) -> None:
        """As when a tab is closed."""
        self.open = False
        raw = getattr(getattr(self.stream.fp, "raw", None), "_sock", None)
        if raw is not None:
            raw.shutdown(socket.SHUT_RDWR)
        self.stream.close()
