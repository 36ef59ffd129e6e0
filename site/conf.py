"""Sphinx's settings for the site; ``build.py`` writes the pages that it reads."""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

project, author, copyright = "orwlab", "orwlab's authors", "orwlab's authors, MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["extra"]
html_theme = "furo"
html_title = "orwlab"
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["site.css", "pages.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = html_show_sourcelink = False
nb_execution_mode = "off"  # outputs are committed
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
autodoc_typehints = "description"


def _math(tex: str, block: bool) -> str:
    plain = re.sub(r"\\middle\s*\|", r"\\mid ", tex)  # docutils has no \middle
    plain = re.sub(r"\\[bB]ig(?![a-zA-Z])", "", plain).replace(r"\dots", r"\ldots")  # nor \big, nor \dots
    try:
        return latex2mathml.tex2mathml(plain, as_block=block)
    except (MathError, AssertionError, AttributeError, SyntaxError) as error:
        logging.getLogger(__name__).warning("a formula is shown as it was typed: %s (%s)", tex, error)
        return f"<code>{html.escape(tex)}</code>"


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(_math(node.astext(), False))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append('<div class="formula">' + _math(node.astext(), True) + "</div>")
    raise nodes.SkipNode


def _plain(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text with ``code``: a star in (n, *event) or a bar in |v| starts nothing."""
    for i, line in enumerate(lines):
        parts = re.split(r"(``.*?``)", line)
        lines[i] = "".join(p if p.startswith("``") else re.sub(r"(?<!\\)([*|])", r"\\\1", p) for p in parts)


def setup(app: Sphinx) -> None:
    """Formulas are set as MathML when the site is built: no script and no font has to be fetched."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-docstring", _plain, priority=100)  # before napoleon: it makes markup of its own
