"""Images: fine-tuning on digits and photographs, watched from fixed noise and steered while it runs."""

from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from orwlab.show import grids
from orwlab.show.web import images_markup, lab_page
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.image_runs import ImageRuns
from orwlab.tasks import results

_FOLDER = Path(__file__).parent
_SCRIPTS = ("widgets.js", "line.js", "address.js", "memory.js", "run_page.js", "images.js")
_STYLES = ("lab.css", "images.css")

_EXPLANATION = r"""
A flow model turns noise $x_0$ into an image $x_1$. Every grid is made from **the same noise**: images in the same place
of two grids differ only by what the model has learned since. In every round the model draws images of its own, weighs
them by the reward, and imitates them; $\alpha$ holds its velocity to the reference's:

$$
\mathcal{L}(\theta) = \mathbb{E}\big[\, w(x_1)\,\|v_\theta(t, x_t) - u_t\|^2
+ \alpha\,\|v_\theta(t, x_t) - v_{\text{ref}}(t, x_t)\|^2 \,\big],
\qquad w(x_1) = e^{\tau\, r(x_1)} \,/\, \text{mean}
$$

**Proxy and judge.** The reward is a *proxy* of what one wants: for digits a small classifier's probability of a wanted
one, for photographs the size of a JPEG file. What is optimised is no longer a measure. So a *judge* looks at the same
images: another network that was trained on other real digits; for photographs precision and coverage against real ones.
No gradient and no selection ever sees it. Where the solid and the dashed line part, the proxy is being exploited. The
judge of the digits is a network too, and may be fooled along with the classifier: then only the distance to real digits
tells, "unlike any digit".

**What is proved.** Without $\alpha$, and if every round learned its weighted images perfectly, the images after $N$
rounds would have density $\propto w(x_1)^N q_0(x_1)$: all of it ends where the reward is largest (Theorem 2 of the
paper). A large $\alpha$ gives the reference back: that is proved of the velocity that one round learns.

**What is measured.** That the classifier can be fooled, and how large an $\alpha$ prevents it, no theorem says.
@measured@

**What you see is the running average** of the model's weights, which wanders less than the newest ones. Numbers of
digits are read off @digits@ images of which the grid shows the first @shown@; of photographs off @photographs@. So few
images make coverage and precision rough: compare lanes, which share their noise, and not single digits of a number.

**Where the α of a suggestion comes from.** It takes the limit for an exponential tilt of the reference. Measured on
exact limits of six targets and rewards, that gives between 0.7 and 6 times the $\alpha$ that
is needed; on the kept runs of digits 3 to 11 times, on those of photographs 1.2 to 4. What a run has shown at another
$\alpha$ corrects it.
"""


class ImagesPage:
    """See ``pages.Page``.

    Args:
        runs: where images are fine-tuned; processes of its own, with the first question, if None.
    """

    path, name = "images", "Images"

    def __init__(self, runs: ImageRuns | None = None) -> None:
        self.runs = ImageRuns() if runs is None else runs

    def build(self, demo: gr.Blocks, registry: Registry, pages: Mapping[str, str]) -> None:
        """Put the page into ``demo``, which must be open."""
        styles = grids.stylesheet() + "".join((_FOLDER / name).read_text(encoding="utf-8") for name in _STYLES)
        gr.HTML(
            "",
            html_template=images_markup.markup(self.path, pages),
            css_template=styles,
            js_on_load=f"{script()}\nnew ImagesPage(element, server);",
            apply_default_css=False,
            server_functions=[lab_page.asked("ask", self.runs.answer)],
            elem_id="lab",
        )
        with gr.Accordion("What you are seeing, and why", open=False, elem_id="lab-explanation"):
            gr.Markdown(explanation(), latex_delimiters=lab_page.DELIMITERS)


def script() -> str:
    """The page's scripts as one."""
    own = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return grids.javascript() + lab_page.without_exports(own)


def explanation() -> str:
    """Markdown with formulas; its numbers are those of the results that are kept."""
    from orwlab.show.lab.exhibits import DigitsExhibit, PhotographsExhibit

    numbers = {"digits": DigitsExhibit.judged, "shown": DigitsExhibit.shown, "photographs": PhotographsExhibit.judged}
    text = _EXPLANATION.replace("@measured@", _measured())
    for name, number in numbers.items():
        text = text.replace(f"@{name}@", str(number))
    return text


def _measured() -> str:
    """The kept results as tables; a sentence where they are not of the present networks."""
    try:
        return "\n\n".join(_table(title, results.load(name), columns) for name, (title, columns) in _KEPT.items())
    except ValueError:
        return "The results that are kept are of other networks: `make results` measures them again."


_OF_PHOTOGRAPHS = {"bytes": "bytes", "precision": "precision", "coverage": "coverage", "diversity": "diversity"}
_KEPT = {
    "digits": (
        "Even digits wanted",
        {"reward": "reward", "judge": "judge", "off_data": "unlike any digit", "smallest": "rarest wanted"},
    ),
    "photographs": ("Photographs in small files", _OF_PHOTOGRAPHS),
    "photographs_long": ("The same runs at two α, longer", _OF_PHOTOGRAPHS),
}


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


PAGE = ImagesPage()
