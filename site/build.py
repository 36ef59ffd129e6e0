"""Builds the site: ``python site/build.py [OUT]`` writes a folder for any static host, ``_site`` if none is named.

Pages come from what is committed: notebooks with their outputs, docstrings, cards. Nothing is executed.
"""

import json
import re
import shutil
import sys
import tempfile
from importlib import util
from pathlib import Path
from typing import Any

import pages as made
import plotly.offline
from sphinx.cmd.build import build_main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
_STUDENT = r"\[([^\]]*)\]\((student/[^)]*\.ipynb)\)"
PLOTLY = "application/vnd.plotly.v1+json"


def main(out: Path) -> int:
    """Write the site to ``out``; returns Sphinx's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        _write(source)
        return build_main(["-q", "-b", "html", "-d", f"{folder}/doctrees", folder, str(out)])


def _write(source: Path) -> None:
    shutil.copy(HERE / "conf.py", source)
    static, extra = source / "_static", source / "extra"
    static.mkdir()
    extra.mkdir()
    for name in ("site.css", "site.js"):
        shutil.copy(HERE / name, static)
    (static / "plotly.min.js").write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
    names = _notebooks(source)
    shutil.copy(ROOT / "docs/images/alpha.png", static)
    pocket = _pocket(extra)
    pages = "\n".join(f"notebooks/{name}" for name in names)
    more = made.write(source)
    (source / "index.md").write_text(_START.format(pages=pages, pocket=pocket, more=more), encoding="utf-8")


_START = """# orwlab

Fine-tune a flow-matching model with a reward and watch what happens, beside an exact oracle that says where it ends.

{pocket}

```{{toctree}}
:caption: Notebooks
:maxdepth: 1

{pages}
notebooks/notation
notebooks/where_this_sits
```

{more}
"""


def _pocket(extra: Path) -> str:
    """The pocket lab as a page of its own behind a picture: in a frame a phone would have two things to scroll."""
    picture = "![Samples at four values of alpha, with their exact limits](_static/alpha.png)"
    if util.find_spec("orwlab.show.web.pocket_page") is None:
        return picture
    from orwlab.show.web import pocket_page

    (extra / "pocket").mkdir()
    (extra / "pocket/index.html").write_text(pocket_page.page(), encoding="utf-8")
    return f'{picture}\n\n<p><a href="pocket/index.html">Open the Pocket lab</a>: it runs in this page, offline.</p>'


def _notebooks(source: Path) -> list[str]:
    (source / "notebooks").mkdir()
    shutil.copytree(ROOT / "notebooks/student", source / "extra/notebooks/student")
    for name in ("notation.md", "where_this_sits.md", "teaching.md"):
        shutil.copy(ROOT / "notebooks" / name, source / "notebooks")
    shutil.copytree(ROOT / "notebooks/films", source / "notebooks/films")
    names = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = re.sub(_STUDENT, r'<a href="\2" download>\1</a>', "".join(cell["source"]))
            for output in cell.get("outputs", ()):
                if PLOTLY in output.get("data", {}):
                    output["data"] = {"text/html": _figure(output["data"])}
        (source / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")
        names.append(path.stem)
    return names


def _figure(data: dict[str, Any]) -> str:
    """A figure for ``site.js`` to draw, and its committed picture until then."""
    text = json.dumps(data[PLOTLY]).replace("</", "<\\/")
    still = "".join(data.get("image/png", "")).replace("\n", "")
    picture = f'<img src="data:image/png;base64,{still}" alt="">' if still else ""
    return f'<div class="orw-plotly">{picture}<script type="application/json">{text}</script></div>'


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_site"))
