"""Pages that fine-tune on images, watched from fixed noise and steered while they run.

They differ in what they say and offer; the processes behind them are the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from orwlab.show import grids
from orwlab.show.web import lab_page
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.image_runs import ImageRuns
from orwlab.tasks import results

_FOLDER = Path(__file__).parent
_SCRIPTS = ("widgets.js", "line.js", "address.js", "memory.js", "run_page.js", "album.js")
_STYLES = ("lab.css", "images.css")

RUNS = ImageRuns()
"""where images are fine-tuned: processes of their own, with the first question"""


@dataclass(frozen=True)
class AlbumPage:
    """See ``pages.Page``.

    Args:
        path: the end of its address.
        name: what it is called.
        markup: (path, pages) -> its HTML.
        explanation: () -> Markdown with formulas.
        begins: the class of its script that brings it to life.
        scripts: files that define it.
        styles: style sheets of its own.
        runs: where images are fine-tuned.
    """

    path: str
    name: str
    markup: Callable[[str, Mapping[str, str]], str]
    explanation: Callable[[], str]
    begins: str
    scripts: tuple[str, ...]
    styles: tuple[str, ...] = ()
    runs: ImageRuns = field(default=RUNS)

    def build(self, demo: gr.Blocks, registry: Registry, pages: Mapping[str, str]) -> None:
        """Put the page into ``demo``, which must be open."""
        gr.HTML(
            "",
            html_template=self.markup(self.path, pages),
            css_template=grids.stylesheet() + _joined((*_STYLES, *self.styles)),
            js_on_load=f"{self.script()}\nnew {self.begins}(element, server);",
            apply_default_css=False,
            server_functions=[lab_page.asked("ask", self.runs.answer)],
            elem_id="lab",
        )
        with gr.Accordion("What you are seeing, and why", open=False, elem_id="lab-explanation"):
            gr.Markdown(self.explanation(), latex_delimiters=lab_page.DELIMITERS)

    def script(self) -> str:
        """The page's scripts as one."""
        return grids.javascript() + lab_page.without_exports(_joined((*_SCRIPTS, *self.scripts), "\n"))


def _joined(names: tuple[str, ...], between: str = "") -> str:
    return between.join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


def measured(studies: Mapping[str, tuple[str, Mapping[str, str]]]) -> str:
    """The kept results as tables; a sentence where they are not of the present networks.

    Args:
        studies: name -> title, and the columns, number -> what it is called.
    """
    try:
        return "\n\n".join(_table(title, results.load(name), columns) for name, (title, columns) in studies.items())
    except ValueError:
        return "The results that are kept are of other networks: `make results` measures them again."


def _table(title: str, found: results.Results, columns: Mapping[str, str]) -> str:
    """Mean and spread over seeds, a line an alpha."""
    rows = [f"| α | {' | '.join(columns.values())} |", "|---|" + "---|" * len(columns)]
    for alpha in (None, *found.alphas):
        cells = []
        for name in columns:
            mean, spread = found.mean(name, alpha)
            digits = 0 if name == "bytes" else 2
            cells.append(f"{mean:.{digits}f} ± {spread:.{digits}f}")
        rows.append(f"| {'reference' if alpha is None else f'{alpha:g}'} | {' | '.join(cells)} |")
    seeds, rounds = len(found.recipe["seeds"]), found.recipe["plan"]["rounds"]
    return f"{title}, {rounds} rounds, mean and spread over {seeds} seeds:\n\n" + "\n".join(rows)
