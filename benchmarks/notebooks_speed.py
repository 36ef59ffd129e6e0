"""How long each notebook takes to run and to read, and how large it is. Nothing is written.

    python benchmarks/notebooks_speed.py [NAME ...]

Fails if one takes longer than 90 s or is larger than 1.5 MB. Measure on an idle machine.
"""

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from orwlab.teach import notebooks

FOLDER = Path(__file__).parents[1] / "notebooks"
SLOWEST, LARGEST = 90.0, 1.5e6  # seconds, bytes


def seconds_to_run(notebook: nbformat.NotebookNode) -> float:
    """Wall time of all cells, the kernel's start included."""
    options = dict(timeout=600, kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=40"])
    client = NotebookClient(notebook, resources={"metadata": {"path": str(FOLDER)}}, **options)
    start = time.perf_counter()
    client.execute()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="how files begin, such as 03 (default: all)")
    names = tuple(parser.parse_args().names)
    paths = [path for path in sorted(FOLDER.glob("*.ipynb")) if not names or path.name.startswith(names)]
    print(f"{'notebook':32} {'run, s':>7} {'words':>6} {'first, min':>10} {'all, min':>8} {'tasks, min':>10} {'MB':>5}")
    bad = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        words, minutes = notebooks.words(notebook), notebooks.minutes(notebook)
        size = path.stat().st_size
        seconds = seconds_to_run(notebook)
        times = f"{minutes.first:10.0f} {minutes.all:8.0f} {minutes.exercises:10.0f}"
        print(f"{path.stem:32} {seconds:7.1f} {words:6d} {times} {size / 1e6:5.2f}", flush=True)
        if seconds > SLOWEST or size > LARGEST:
            bad.append(path.stem)
    if bad:
        sys.exit(f"slower than {SLOWEST:g} s or larger than {LARGEST / 1e6:g} MB: {', '.join(bad)}")


if __name__ == "__main__":
    main()
