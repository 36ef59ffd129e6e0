"""How fast the Pocket lab's engine is and what cutting its kernels costs: ``python benchmarks/pocket.py``. Needs Node.

First rounds a second of one lane, with kernels that are cut and whole ones by turns, beside a refresh of the oracle in
Python on one thread. Processor time is counted, which other work on the machine disturbs less. Then many runs, each
once with every cut and once with whole kernels: how far apart they end. Also a round of the small network that learns
in the page, a draw of 256 samples and some gradient steps, as a multiple of an exact refresh.

``--drag`` does something else instead, with the page in Chromium: from a moved slider to the picture with that α.
That is time that passes and not processor time: other work on the machine, whose load is printed, makes it longer.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import warnings
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
from live import FLAGS, slide

from orwlab import rewards, targets
from orwlab.oracle import OracleWarning, PopulationDynamics
from orwlab.show.notebook.still import browser_path

CUTS = (1e-12, 1e-20, 1e-30, 1e-40)  # of a row's largest entry, below which kernels are 0; the lab's own are whole
STEPS = (1, 4, 16)  # gradient steps in a round of the small network
SETTINGS = ((0.05, "exp", 3.0), (0.3, "mean_one", 1.0), (1.0, "clipped", 3.0), (3.0, "exp", 1.0))


def given(state: PopulationDynamics) -> dict[str, Any]:
    """What JavaScript has to know of dynamics."""
    return {
        "axis": state.cells.n,
        "extent": state.cells.extent,
        "logP": state.target.log_prob(state.cells.flat).tolist(),
        "reward": state.reward_values.flatten().tolist(),
        "alpha": state.alpha,
        "weighting": state.weighting,
        "tau": state.tau,
    }


def refresh(state: PopulationDynamics, repeats: int) -> float:
    """Median milliseconds of processor time of a refresh in Python."""
    found = []
    for k in range(-3, repeats):
        start = time.process_time()
        state.advance()
        if k >= 0:
            found.append(1000 * (time.process_time() - start))
    return median(found)


def drags(moves: int) -> None:
    """Print milliseconds from a moved slider to its picture, for one α and for four."""
    from playwright.sync_api import sync_playwright

    from orwlab.show.web import pocket_page

    print("\nfrom a moved slider to its picture in Chromium, milliseconds")
    print(f"{'lanes':>7}{'':>9}{'median':>9}{'95 %':>9}{'load':>7}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "pocket.html"
        file.write_text(pocket_page.page(), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        for others, state in product(("", "&others=0.3,1,3"), ("paused", "running")):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{file.as_uri()}#mode=exact&alpha=0.5{others}")
            page.wait_for_function("document.querySelector('.orw-stage')?.stage?.meta?.lanes")
            if state == "running":
                page.locator("#toggle").click()
                page.wait_for_function("document.querySelector('.orw-stage').stage.meta.round > 5")
            half, most = slide(page, moves)
            print(f"{4 if others else 1:7}{state:>9}{half:9.0f}{most:9.0f}{os.getloadavg()[0]:7.1f}", flush=True)
            page.close()
        browser.close()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", type=int, nargs="+", default=[48, 64, 96])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20, help="of each of the many runs")
    parser.add_argument("--targets", nargs="*", default=targets.names(2), choices=targets.names(2))
    parser.add_argument("--drag", action="store_true", help="only the page in Chromium, moved by hand")
    arguments = parser.parse_args()
    if arguments.drag:
        return drags(2 * arguments.repeats)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", OracleWarning)
    states = [
        PopulationDynamics(targets.get("eight_gaussians"), rewards.get("right"), axis=axis) for axis in arguments.axes
    ]
    compared = [
        given(
            PopulationDynamics(
                targets.get(target), rewards.get(reward), axis=48, alpha=alpha, weighting=weighting, tau=tau
            )
        )
        for target, reward, (alpha, weighting, tau) in product(arguments.targets, rewards.names(), SETTINGS)
    ]
    asked = {
        "timed": [given(state) for state in states],
        "compared": compared,
        "cuts": CUTS,
        "rounds": arguments.rounds,
        "repeats": arguments.repeats,
        "steps": STEPS,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.json"
        file.write_text(json.dumps(asked))
        command = ["node", str(Path(__file__).with_suffix(".mjs")), str(file)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    names = [f"{cut:g}" for cut in CUTS]
    print("one refresh, milliseconds of processor time; whole kernels are 1")
    print(f"{'axis':>5}{'whole':>9}" + "".join(f"{name:>9}" for name in names) + f"{'Python':>9}   {'rounds/s':>9}")
    for state, row in zip(states, found["times"]):
        *cut, whole = row["ms"]
        ratios = "".join(f"{ms / whole:9.2f}" for ms in cut)
        python = refresh(state, arguments.repeats) / whole
        print(f"{row['axis']:5}{whole:6.1f} ms{ratios}{python:9.2f}   {1000 / whole:9.0f}")
    made = ", ".join(f"{row['reference']:.0f} ms" for row in found["times"])
    print(f"making a reference: {made}")
    print("\na round of the small network; an exact refresh is 1")
    print(f"{'axis':>5}{'table':>9}" + "".join(f"{f'{steps} steps':>10}" for steps in STEPS) + f"   {'rounds/s':>9}")
    for row, exact in zip(found["learning"], found["times"]):
        refreshed = exact["ms"][-1]
        ratios = "".join(f"{ms / refreshed:10.2f}" for ms in row["ms"])
        print(f"{row['axis']:5}{row['table']:6.0f} ms{ratios}   {1000 / row['ms'][0]:9.0f}")
    if not compared:
        return
    print(f"\n{len(compared)} runs of {arguments.rounds} rounds at axis 48, the worst distance to whole kernels")
    print(f"{'cut':>9}{'total variation':>18}{'mean reward':>14}")
    for name, errors in zip(names, zip(*found["errors"])):
        print(f"{name:>9}{max(tv for tv, _ in errors):18.1e}{max(reward for _, reward in errors):14.1e}")


if __name__ == "__main__":
    main()
