"""Execute the notebooks in place and put a PNG beside every plotly figure, so that they show without JavaScript.

    python notebooks/make.py [NAME ...]

A picture is rendered again only when its figure changed. Needs a Chromium (on the path, or BROWSER_PATH).
"""

import argparse
import base64
import hashlib
import json
import shutil
import time
from pathlib import Path

import nbformat
import plotly.io
from nbclient import NotebookClient
from tqdm import tqdm

FOLDER = Path(__file__).parent
PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Every output that holds data."""
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs if "data" in o]


def fingerprint(figure: dict) -> str:
    """Equal for figures that look equal."""
    return hashlib.sha256(json.dumps(figure, sort_keys=True).encode()).hexdigest()


def known_pictures(path: Path) -> dict[str, str]:
    """PNGs of the notebook as it is on disk, by their figure's fingerprint."""
    if not path.exists():
        return {}
    found = outputs(nbformat.read(path, as_version=4))
    return {fingerprint(o.data[PLOTLY]): o.data[PNG] for o in found if PLOTLY in o.data and PNG in o.data}


def make(path: Path) -> str:
    """Execute one notebook; returns a line about it."""
    known = known_pictures(path)
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    seconds = time.perf_counter() - started
    drawn = 0
    for output in outputs(notebook):
        if PLOTLY in output.data:
            key = fingerprint(output.data[PLOTLY])
            if key not in known:
                figure = plotly.io.from_json(json.dumps(output.data[PLOTLY]), skip_invalid=True)
                known[key] = base64.b64encode(figure.to_image("png", scale=1.25)).decode()
                drawn += 1
            output.data[PNG] = known[key]
    notebook.metadata.pop("widgets", None)  # large, and dead without a kernel
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)  # times of day, different on every run
    notebook.metadata.language_info.pop("version", None)
    nbformat.write(notebook, path)
    return f"{path.name}: {seconds:.0f} s, {drawn} pictures drawn, {path.stat().st_size / 1e6:.2f} MB"


def main() -> None:
    """Execute the named notebooks, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="such as 00_start_here (default: all)")
    names = parser.parse_args().names or sorted(p.stem for p in FOLDER.glob("*.ipynb"))
    if not any(shutil.which(name) for name in ("chromium", "google-chrome", "chrome")):
        print("No Chromium found on the path: figures that changed cannot be drawn.")
    for name in (bar := tqdm(names)):
        bar.set_description(name)
        tqdm.write(make(FOLDER / f"{name}.ipynb"))


if __name__ == "__main__":
    main()
