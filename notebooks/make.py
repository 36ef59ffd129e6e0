"""Execute the notebooks in place, draw the figures' PNGs, record the stages' films, write the student's versions.

    python notebooks/make.py [NAME ...]     NAME is a file's name or how it begins, such as 03; default: all
    python notebooks/make.py --pictures     execute nothing: only draw the pictures, and write the student's versions
    python notebooks/make.py --student      execute and draw nothing: only write the student's versions

A picture is rendered again only when its figure changed, a file written only when its content did. Pictures need a
Chromium or Chrome (on the path, or BROWSER_PATH).
"""

import argparse
import sys
import time
import tomllib
from pathlib import Path

import nbformat
from choreographer.browsers.chromium import Chromium
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

from orwlab.show.notebook import film, still
from orwlab.teach import notebooks

FOLDER = Path(__file__).parent
LARGEST = 1.5e6  # bytes


def chosen(names: list[str]) -> list[Path]:
    """The files that names stand for, in order."""
    there = sorted(FOLDER.glob("*.ipynb"))
    for name in names:
        if not any(path.name.startswith(name) for path in there):
            sys.exit(f"NAME is {name!r}; allowed: the beginning of one of {', '.join(p.stem for p in there)}")
    return [path for path in there if not names or path.name.startswith(tuple(names))]


def execute(notebook: nbformat.NotebookNode, bar: tqdm) -> None:
    """Run every cell in place; ``bar`` counts the code cells."""
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(FOLDER)}},
        on_cell_executed=lambda **_: bar.update(),
    )
    client.execute()


def tidy(notebook: nbformat.NotebookNode, name: str) -> None:
    """Remove what differs on every run, and what is dead without a kernel."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info.pop("version", None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)  # times of day
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
        if notebooks.FOLDED in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}  # what JupyterLab goes by
    notebooks.linked_to_student(notebook, name)
    notebooks.opened_online(notebook, f"notebooks/{name}", address())


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Text that follows text as one: into how many pieces it is cut is chance."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = found[-1] if found else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            found.append(output)
    return found


def address() -> str | None:
    """Where the repository is: ``Repository`` under ``[project.urls]`` in pyproject.toml, None if it is not there."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def write(path: Path, content: str) -> bool:
    """Write unless the file already holds this; says whether it did."""
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")
    return True


def make(path: Path, run: bool = True) -> str:
    """Execute one notebook, unless ``run`` is false, and write it and the student's; returns a line about it."""
    notebook = nbformat.read(path, as_version=4)
    known = notebooks.known_pictures(notebook)
    started = time.perf_counter()
    with tqdm(total=len(notebooks.code(notebook)), desc=path.stem, unit="cell", leave=False) as bar:
        if run:
            execute(notebook, bar)
        seconds = time.perf_counter() - started
        bar.set_description(f"{path.stem}, pictures")
        films(notebook, path.stem[:2])
        drawn = notebooks.illustrate(notebook, known)
    tidy(notebook, path.name)
    content = notebooks.text(notebook)
    if len(content.encode()) > LARGEST:
        sys.exit(
            f"{path.name} would be {len(content) / 1e6:.2f} MB; allowed: {LARGEST / 1e6} MB. Fewer points, float32."
        )
    changed = write(path, content)
    student(path)
    size = f"{len(content) / 1e6:.2f} MB{'' if changed else ', unchanged'}"
    return f"{path.name}: {seconds:.0f} s, {drawn} pictures drawn, {size}"


def films(notebook: nbformat.NotebookNode, number: str) -> None:
    """Record the films of its stages, ``films/NUMBER_1.gif`` and so on, where they would differ from those there."""
    outputs = [output for cell in notebooks.code(notebook) for output in cell.outputs]
    described = [output.data[still.MIME] for output in outputs if still.MIME in output.get("data", {})]
    for k, description in enumerate((d for d in described if "film" in d), start=1):
        there = FOLDER / "films" / f"{number}_{k}.gif"
        if not there.exists() or film.key_of(there.read_bytes()) != film.fingerprint(description):
            there.parent.mkdir(exist_ok=True)
            there.write_bytes(film.gif(description))


def student(path: Path) -> None:
    """Write the student's version of the notebook as it is on disk."""
    solved = nbformat.read(path, as_version=4)
    write(FOLDER / "student" / path.name, notebooks.text(notebooks.student_version(solved, path.name)))


def main() -> None:
    """Make the named notebooks, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 03 (default: all)")
    parser.add_argument("--pictures", action="store_true", help="execute nothing, only draw pictures")
    parser.add_argument("--student", action="store_true", help="only write the student's versions")
    arguments = parser.parse_args()
    paths = chosen(arguments.names)
    if arguments.student:
        for path in paths:
            student(path)
        return
    if Chromium.find_browser(skip_local=False) is None:
        sys.exit("No Chromium or Chrome found to draw the figures with. Install one, or set BROWSER_PATH to it.")
    for number, path in enumerate(paths, start=1):
        tqdm.write(f"{number} of {len(paths)}: {path.stem}")
        try:
            tqdm.write(make(path, run=not arguments.pictures))
        except CellExecutionError as error:
            sys.exit(f"{path.name} was left as it was: a cell failed.\n{error}")


if __name__ == "__main__":
    main()
