"""How fast is the live lab, for one person and for a crowd, and does it clean up after people who leave?

    python benchmarks/live.py [--quick]

Starts the real app, opens it in a real Chromium, and lets light clients that speak Gradio's protocol (they read the
stream and acknowledge frames, as a browser does, but paint nothing) be the crowd. Everything runs on this machine, the
browser's painting in software too: a browser elsewhere leaves the server more. Slider to paint is from an input event
on the slider of alpha until a frame with that alpha is on the canvas.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from visitors import App, Client, cpu_seconds, descendants, memory

from orwlab.show.notebook.still import browser_path

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SLIDE = """async ([values, rest]) => {
  const stage = document.querySelector('.orw-stage').stage;
  const range = document.querySelector('#alpha input[type=range]');
  const shown = () => stage.meta.lanes[0].alpha;
  const took = [];
  for (const share of values) {
    const before = shown(), start = performance.now();
    range.value = Math.round(Number(range.max) * share);
    range.dispatchEvent(new Event('input', {bubbles: true}));
    while (shown() === before && performance.now() - start < 5000) await new Promise(requestAnimationFrame);
    took.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, rest));
  }
  return took;
}"""


def wait(condition: Any, seconds: float, what: str) -> float:
    """Seconds until ``condition()``."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            print(f"  (not within {seconds:.0f} s: {what})", flush=True)
            return float("nan")
        time.sleep(0.02)
    return time.monotonic() - start


def counters(page: Any) -> dict[str, Any]:
    return page.evaluate("({...document.querySelector('.orw-stage').stage.counters, at: performance.now()})")


def rates(page: Any, seconds: float) -> tuple[float, float]:
    """Painted and data frames a second."""
    before = counters(page)
    time.sleep(seconds)
    after = counters(page)
    span = (after["at"] - before["at"]) / 1000
    return (after["painted"] - before["painted"]) / span, (after["received"] - before["received"]) / span


def slide(page: Any, moves: int) -> tuple[float, float]:
    """Slider to paint, ms: median and 95th percentile."""
    took = page.evaluate(SLIDE, [[0.2 + 0.6 * (k * 0.618 % 1) for k in range(moves)], 137])
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


def working(app: App, seconds: float) -> float:
    """What the app uses, % of a core."""
    before, start = cpu_seconds(app.processes()), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(app.processes()) - before) / (time.monotonic() - start)


def alone(app: App, browser: Any, seconds: float, moves: int) -> Any:
    """One person. Returns the page."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    start = time.perf_counter()
    page.goto(app.address)
    page.wait_for_function("document.querySelector('.orw-stage')?.stage?.counters.painted > 0", timeout=60_000)
    row("page load to first particle", f"{time.perf_counter() - start:.1f} s")
    page.wait_for_function("!['', 'first'].includes(document.querySelector('.orw-stage').stage.meta?.run ?? '')")
    page.locator("#toggle").click()
    page.wait_for_function("document.querySelector('.orw-stage').stage.meta.round > 20", timeout=60_000)
    time.sleep(3)
    used, own = cpu_seconds(app.processes()), cpu_seconds(descendants(os.getpid()))
    painted, data = rates(page, seconds)
    server = cpu_seconds(app.processes()) - used
    everything = cpu_seconds(descendants(os.getpid())) - own
    row("painted frames a second", f"{painted:.1f}")
    row("data frames a second", f"{data:.1f}")
    row("particles", page.evaluate("document.querySelector('.orw-stage').stage.positions.length / 2"))
    row(
        "CPU of server; of browser (% of a core)",
        f"{100 * server / seconds:.0f}; {100 * (everything - server) / seconds:.0f}",
    )
    row("slider to paint p50; p95", "{:.0f}; {:.0f} ms".format(*slide(page, moves)))
    return page


RACES = {
    "as one finds it": ("orw_cfm_w2", "raft", "flow_grpo", "adjoint_matching"),
    "the four dearest": ("adjoint_matching", "draft", "flow_grpo", "ddpo"),
}


def races(app: App, browser: Any, seconds: float) -> None:
    """One person in the Arena, four methods side by side, as fast as it goes."""
    for what, methods in RACES.items():
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{app.address.rstrip('/')}/arena/#methods={','.join(methods)}&mode=both&speed=0")
        page.wait_for_function("document.querySelector('.orw-stage')?.stage?.meta?.lanes?.length === 4", timeout=60_000)
        page.locator("#toggle").click()
        page.wait_for_function("document.querySelector('.orw-stage').stage.meta.round > 10", timeout=60_000)
        time.sleep(3)
        lanes = "document.querySelector('.orw-stage').stage.meta.lanes.map(({round}) => round)"
        before = sum(page.evaluate(lanes)) / 4
        painted, data = rates(page, seconds)
        rounds = (sum(page.evaluate(lanes)) / 4 - before) / seconds
        drawn = page.evaluate("document.querySelector('.orw-stage').stage.positions.length / 8")
        row(f"a race, {what}: painted; data frames a second", f"{painted:.1f}; {data:.1f}")
        row("  rounds a second; particles a method", f"{rounds:.1f}; {drawn:.0f}")
        page.close()
        time.sleep(2)


def come(app: App, count: int, seconds: float, what: str) -> list[Client]:
    """So many clients; their data frames a second, the least and the median, are a row that begins with ``what``."""
    clients = [Client(app.address) for _ in range(count)]
    wait(lambda: all(len(client.frames) > 20 for client in clients), 120, "frames for all")
    time.sleep(seconds)
    found = sorted(client.rate(seconds) for client in clients)
    row(f"{what}: data frames a second, least; median", f"{found[0]:.1f}; {statistics.median(found):.1f}")
    return clients


def elsewhere(app: App, sessions: int, seconds: float) -> None:
    """All of them with their browsers on other machines."""
    clients = come(app, sessions, seconds, f"{sessions} sessions, no browser here")
    for client in clients:
        client.close()
    time.sleep(2)


def crowd(app: App, page: Any, others: int, seconds: float, moves: int) -> list[Client]:
    """One person among ``others``."""
    clients = come(app, others, seconds, f"{others + 1} sessions")
    drawn = sorted(client.particles[-1] for client in clients)
    row("  particles drawn, least; most", f"{drawn[0]}; {drawn[-1]}")
    painted, data = rates(page, seconds)
    row("  in the browser: painted; data", f"{painted:.1f}; {data:.1f}")
    row("  slider to paint p50; p95", "{:.0f}; {:.0f} ms".format(*slide(page, moves)))
    return clients


def leaving(app: App, clients: list[Client], quick: bool) -> None:
    """How soon work stops, and whether memory comes back."""
    sleeper = clients.pop()
    for client in clients:
        client.close()
    sleeper.awake = False
    asleep = time.monotonic()
    wait(lambda: time.monotonic() - sleeper.frames[-1] > 4, 60, "a sleeping browser's frames end")
    row("sleeping browser: computing stops after", f"{max(0.0, sleeper.frames[-1] - asleep):.1f} s")
    if not quick:
        wait(lambda: not sleeper.thread.is_alive() or sleeper.ended, 60, "its stream ends")
        row("  and its stream ends after", f"{time.monotonic() - asleep:.0f} s")
    sleeper.close()
    client = Client(app.address)
    wait(lambda: len(client.frames) > 20, 60, "frames")
    busy = working(app, 2)
    client.close()
    idle = wait(lambda: working(app, 0.25) < 0.2 * busy, 20, "work stops after a tab is closed")
    row("closed tab: the server rests after", f"{idle:.1f} s")
    sizes = []
    for _ in range(2):  # what the first twenty leave behind is what programs keep; the second twenty tell
        visitors = [Client(app.address) for _ in range(10 if quick else 20)]
        wait(lambda group=visitors: all(member.frames for member in group), 180, "first frames")
        full = memory(app.processes())
        for visitor in visitors:
            visitor.close()
        time.sleep(5)
        sizes.append((full, memory(app.processes())))
    row("memory with all of them; after they left; again", " ".join(f"{a:.0f}→{b:.0f}" for a, b in sizes) + " MB")


def queue() -> None:
    """What somebody reads who does not fit in."""
    app = App(ORWLAB_VISITORS="1")
    try:
        first = Client(app.address)
        wait(lambda: bool(first.frames), 60, "frames")
        second = Client(app.address)
        wait(lambda: bool(second.notices), 30, "a sentence")
        row("queue", second.notices[0] if second.notices else "no sentence")
        first.close()
        row("  admitted after", f"{wait(lambda: bool(second.frames), 30, 'admission'):.1f} s")
        second.close()
    finally:
        app.stop()


def row(name: str, value: Any) -> None:
    print(f"{name:58} {value}", flush=True)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter measurements, fewer visitors")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        raise SystemExit("no Chromium found; set BROWSER_PATH")
    seconds, moves = (6.0, 12) if options.quick else (15.0, 40)
    row("machine", f"{processor()}, {os.cpu_count()} cores, {platform.system()}")
    if hasattr(os, "getloadavg"):
        row("load before (others' work on this machine)", f"{os.getloadavg()[0]:.1f}")
    app = App()
    try:
        row("start of the app", f"{app.started:.1f} s")
        elsewhere(app, 10, seconds)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            races(app, browser, seconds)
            page = alone(app, browser, seconds, moves)
            clients = crowd(app, page, 9, seconds, moves)
            browser.close()
        leaving(app, clients, options.quick)
    finally:
        app.stop()
    queue()


if __name__ == "__main__":
    main()
