"""Builds the site: ``python site/build.py [OUT]`` writes a folder for any static host, ``_site`` if none is named.

Pages come from what is committed: notebooks with their outputs, docstrings, cards. Nothing is executed.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

import notebook_pages
import pages
import plotly.offline
from sphinx.cmd.build import build_main

from orwlab.show.web import pocket_page, preview

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def main(out: Path) -> int:
    """Write the site to ``out``, in place of what is there; returns Sphinx's exit status. A warning is an error."""
    with tempfile.TemporaryDirectory() as folder:
        source, fresh = Path(folder) / "source", Path(folder) / "site"
        write(source)
        status = build_main(
            ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{folder}/trees", str(source), str(fresh)]
        )
        if status == 0:
            shutil.rmtree(out, ignore_errors=True)
            shutil.move(fresh, out)
            for left_over in (".buildinfo", "objects.inv"):
                (out / left_over).unlink(missing_ok=True)
            shutil.rmtree(out / "_sources", ignore_errors=True)
            (out / ".nojekyll").touch()  # else GitHub Pages leaves out what begins with _
        return status


def write(source: Path) -> None:
    """Write what Sphinx reads."""
    static, extra = source / "_static", source / "extra"
    for folder in (source, static, extra, extra / "pocket"):
        folder.mkdir()
    for name in ("conf.py", "scorer.js"):
        shutil.copy(HERE / name, source)
    shutil.copy(HERE / "404.html", extra)
    for path in (HERE / "site.css", HERE / "site.js", HERE / "pocket.webp", preview.ICON):
        shutil.copy(path, static)
    (static / "plotly.min.js").write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
    (extra / "pocket/index.html").write_text(pocket_page.page(back="../index.html"), encoding="utf-8")
    notebook_pages.write(source, extra, "../pocket/index.html")
    (source / "index.md").write_text(_start(pages.write(source)), encoding="utf-8")


def _start(listed_pages: str) -> str:
    """The start page, with the README's example, the notebooks' names, and the lists of the other pages."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"## Ten lines\n+(```python\n.*?```)", readme, re.DOTALL)
    listed = "\n".join(f"{name[:2]} {title} <notebooks/{name}>" for name, title in notebook_pages.titles().items())
    text = (HERE / "index.md").read_text(encoding="utf-8")
    return text.replace("@TEN_LINES@", example).replace("@NOTEBOOKS@", listed).replace("@PAGES@", listed_pages)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_site"))
