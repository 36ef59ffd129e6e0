"""The notebooks as pages: their committed outputs, with nothing that needs a kernel.

A figure's picture stands in the page until plotly draws it; a stage's still picture leads to the Pocket lab, where the
same run is worked out on the spot, with the moves of its film.
"""

import ast
import base64
import html
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orwlab.show.lab.link import Link
from orwlab.show.lab.story import Story
from orwlab.teach.notebooks import pictures

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TEXTS = ("README.md", "notation.md", "where_this_sits.md", "teaching.md")
PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"
IN_ORDER = ("target", "reward", "tau", "alpha", "mode")
"""arguments of ``live.stage`` that may come without a name"""
EXACT = ("target", "reward", "tau", "alpha", "others", "weighting", "steer", "budget", "truth", "seed")
"""settings that decide the course of an exact run"""
ALIGNED = re.compile(r"\S {2,}\S|^ ", re.MULTILINE)
"""printed in columns: what is not may be wrapped"""
PROSE = "prose"
"""the tag of cells whose printed lines may be wrapped"""
FILES = r"\[([^\]]*)\]\(((?:student/[^)]*\.ipynb)|student/|prediction_sheet\.html)\)"
"""links to what is no page: a file to take home, or one that is a page already"""


def names() -> list[str]:
    """The notebooks, in order, without ``.ipynb``."""
    return [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


def titles() -> dict[str, str]:
    """The notebooks and what the list of them calls each."""
    listed = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| \[\d\d\]\((\w+)\.ipynb\) \| \*\*(.*?)[.?]?\*\*", listed, re.MULTILINE))


def write(source: Path, extra: Path, pocket: str | None) -> None:
    """Write them to ``source/notebooks``, and what they link to beside it in ``extra``.

    Args:
        source: the folder that Sphinx reads.
        extra: the folder that is copied as it is.
        pocket: the way from a notebook's page to the Pocket lab; None if there is none.
    """
    pages, files = source / "notebooks", extra / "notebooks"
    pages.mkdir()
    shutil.copytree(NOTEBOOKS / "student", files / "student")
    shutil.copytree(NOTEBOOKS / "films", pages / "films")
    shutil.copy(NOTEBOOKS / "prediction_sheet.html", files)
    _zip(files / "student.zip", sorted((NOTEBOOKS / "student").glob("*.ipynb")))
    (files / "figures").mkdir()
    for name in TEXTS:
        (pages / name).write_text(_linked((NOTEBOOKS / name).read_text(encoding="utf-8")), encoding="utf-8")
    for name in names():
        notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
        for number, cell in enumerate(notebook["cells"]):
            _turn(cell, f"figures/{name[:2]}-{number:02d}", files, pocket)
        (pages / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def pocket_link(code: str) -> str:
    """What stands behind the Pocket lab's ``#`` to see the run of a cell with ``live.stage(...)``; "" if it cannot.

    The exact mode has neither other methods nor views of networks. The film's moves become the run's log.
    """
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    stages = [call for call in calls if ast.unparse(call.func) == "live.stage"]
    if len(stages) != 1:
        return ""
    fixed = {
        node.targets[0].id: node.value.value
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    try:
        values = [_value(argument, fixed) for argument in stages[0].args]
        given = {word.arg: _value(word.value, fixed) for word in stages[0].keywords}
    except ValueError:  # it is computed, and nothing is executed here
        return ""
    given |= dict(zip(IN_ORDER, values))
    if given.keys() & {"methods", "t"} or given.get("tau") == 0:  # with nothing paid only a network moves
        return ""
    film = given.pop("film", ())
    scene = {name: value for name, value in given.items() if name in EXACT} | {"mode": "exact"}
    log = [[round, name, value] for round, moves in film for name, value in moves.items() if round]
    return Link(
        Story.read({"scene": scene, "log": log, "round": max((round for round, _ in film), default=100)})
    ).text()


def _value(node: ast.expr, fixed: dict[str, Any]) -> Any:
    return fixed[node.id] if isinstance(node, ast.Name) and node.id in fixed else ast.literal_eval(node)


def _turn(cell: dict[str, Any], figure: str, files: Path, pocket: str | None) -> None:
    """Change a cell in place: into what a page can show."""
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        cell["source"] = _linked(text)
        return
    if cell["metadata"].get("jupyter", {}).get("source_hidden"):
        tags = cell["metadata"].setdefault("tags", [])
        tags += ["hide-input"] * ("hide-input" not in tags)
        if "exercise" in tags:
            cell["metadata"]["mystnb"] = {
                "code_prompt_show": "Show a solution",
                "code_prompt_hide": "Hide the solution",
            }
    printed = ["".join(output["text"]) for output in cell.get("outputs", ()) if output["output_type"] == "stream"]
    if printed and not ALIGNED.search("".join(printed)):
        cell["metadata"].setdefault("tags", []).append(PROSE)
    for k, output in enumerate(cell.get("outputs", ())):
        data = output.get("data", {})
        if "".join(data.get("text/plain", "")) == pictures.WIDGET_SAYS:
            output["data"] = {"text/html": "<p>A widget stands here where the notebook runs; a page has none.</p>"}
        if PNG not in data:
            continue
        name = f"{figure}{'-' * (k > 0)}{k or ''}.png"
        png, words = base64.b64decode("".join(data[PNG])), output["metadata"].get(PNG, {}).get("alt", "")
        (files / name).write_bytes(png if PLOTLY in data else _without_caption(png))
        picture = _picture(files / name, name, words)
        if PLOTLY in data:
            output["data"] = {"text/html": _figure(picture, data[PLOTLY])}
        else:
            link = pocket_link(text) if pocket else ""
            output["data"] = {"text/html": _stage(picture, words, f"{pocket}#{link}" if link else "")}


def _picture(path: Path, address: str, words: str) -> str:
    width, height = Image.open(io.BytesIO(path.read_bytes())).size
    size = f'width="{width}" height="{height}"'
    return f'<img src="{address}" alt="{html.escape(words)}" {size} loading="lazy">'


def _figure(picture: str, figure: dict[str, Any]) -> str:
    """A figure for ``site.js`` to draw, and its committed picture until then."""
    text = json.dumps(figure, separators=(",", ":")).replace("</", "<\\/")
    height = figure["layout"].get("height", 450)
    return (
        f'<div class="orw-figure" style="min-height: {height}px">{picture}'
        f'<script type="application/json">{text}</script></div>'
    )


def _without_caption(png: bytes) -> bytes:
    """A stage's still picture without its last line, which asks the reader to run the cell."""
    picture = Image.open(io.BytesIO(png))
    rows = np.flatnonzero((np.asarray(picture.convert("L")) < 200).any(axis=1))
    (*_, above) = np.flatnonzero(np.diff(rows) > 5)  # the gap between what is below the plot and the caption
    whole = picture.crop((0, 0, picture.width, int(rows[above]) + 6))
    out = io.BytesIO()
    whole.save(out, "PNG", optimize=True)
    return out.getvalue()


def _stage(picture: str, words: str, link: str) -> str:
    """A stage's still picture, and where it moves."""
    when = re.match(r"Live stage, (.*?)\.", words)
    still = f"This is a picture of the stage{', ' + html.escape(when[1]) if when else ''}."
    if link:
        way = (
            f'<a class="orw-go" href="{html.escape(link)}">Play this run in the Pocket lab</a> {still} The Pocket lab '
            "plays the run: exact, without networks, with the moves of the film; and there you can steer."
        )
    else:
        way = f"{still} It needs what only a running notebook has: it moves there, and in its film below."
    return f'<div class="orw-still"><div class="orw-box">{picture}</div><p>{way}</p></div>'


def _linked(text: str) -> str:
    def link(found: re.Match[str]) -> str:
        words = re.sub(r"`([^`]*)`", r"<code>\1</code>", found[1])
        to = "student.zip" if found[2] == "student/" else found[2]
        return f'<a href="{to}"{"" if to.endswith(".html") else " download"}>{words}</a>'

    return re.sub(FILES, link, text)


def _zip(path: Path, files: list[Path]) -> None:
    """The same bytes for the same files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(f"student/{file.name}"), file.read_bytes(), zipfile.ZIP_DEFLATED)
