"""Sphinx's settings for the site; ``build.py`` writes the pages that it reads."""

import html
import os
import re
from pathlib import Path
from typing import Any

import sphinx.search
from docutils import nodes
from math_core import LatexToMathML
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish
from sphinx.writers.html5 import HTML5Translator

project, author, copyright = "orwlab", "orwlab's authors", "orwlab's authors, MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["extra"]
html_theme = "furo"
html_title = "orwlab"
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["site.css", "pages.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_use_index = html_domain_indices = False  # the search finds names
html_show_search_summary = False  # it is fetched, which browsers refuse on a disk
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_baseurl = os.environ.get("ORWLAB_SITE", "")  # where it will lie, if that is known: previews want whole addresses
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1b2430", "color-brand-content": "#1b5fa8"},
    "dark_css_variables": {"color-brand-primary": "#e4e9f0", "color-brand-content": "#7fb8f5"},
}
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
nb_execution_mode = "off"  # outputs are committed
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
autodoc_typehints_format, python_maximum_signature_line_length = "short", 88
add_module_names = False
autodoc_preserve_defaults = True  # as they are written: a path would be that of the machine which builds


MATHML = LatexToMathML(fancy_error=False)  # raises where it cannot set a formula: none is shown as it was typed


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(MATHML.convert_with_local_state(node.astext(), displaystyle=False))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    formula = MATHML.convert_with_local_state(node.astext(), displaystyle=True)
    self.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def _plain(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text with ``code``: what is indented after an empty line is an example, and a star in
    (n, *event) or a bar in |v| starts nothing.
    """
    found: list[str] = []
    example, last = False, ""
    for line in lines:
        indented = line.startswith("    ")
        if indented and not example and found and not found[-1] and last and not last[0].isspace():
            example = True
            found += [] if last.endswith("::") else ["::", ""]
        elif line and not indented:
            example = False
        found.append(line if example else _escaped(line))
        last = line or last
    lines[:] = found


def _escaped(line: str) -> str:
    parts = re.split(r"(``.*?``|\*\*[^*]+\*\*)", line)
    return "".join(part if k % 2 else re.sub(r"(?<!\\)([*|])", r"\\\1", part) for k, part in enumerate(parts))


def _lazily(app: Sphinx) -> None:
    app.env.settings["image_loading"] = "lazy"


def _near(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """The list of pages at the side opens only where one is: the reference's hundred modules on their own pages."""
    if "toctree" in context:
        everything = context["toctree"]
        context["toctree"] = lambda **asked: everything(**asked | {"collapse": True})


LONGEST = 200  # letters of a page's description


def _described(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """What a search engine or a chat shows of a page: its title, its first sentences, and a picture."""
    title, words = html.unescape(re.sub("<[^>]*>", "", context.get("title") or project)), _first_words(tree)
    said = {"og:title": title, "og:site_name": project, "og:type": "website", "og:description": words}
    if html_baseurl:
        said |= {
            "og:url": f"{html_baseurl.rstrip('/')}/{page}.html",
            "og:image": f"{html_baseurl.rstrip('/')}/_static/pocket.webp",
        }
    tags = [f'<meta name="description" content="{html.escape(words)}">']
    tags += [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in said.items()]
    context["metatags"] = "\n".join([context.get("metatags", ""), *tags])


def _first_words(tree: nodes.document | None) -> str:
    """The first paragraph that says something: no formula, no note in italics, no heading."""
    for paragraph in tree.findall(nodes.paragraph) if tree else ():
        inside = [one for one in paragraph.children if one.astext().strip()]
        if all(isinstance(one, nodes.emphasis) for one in inside) or next(paragraph.findall(nodes.math), None):
            continue
        words = " ".join(re.sub("<[^>]*>", "", paragraph.astext()).split())
        if len(words) >= 40:
            return words if len(words) <= LONGEST else f"{words[:LONGEST].rpartition(' ')[0].rstrip(',;:')} …"
    return "Watch reward fine-tuning of flow matching: notebooks, a lab in the browser, and an exact oracle."


def _levels(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """Sphinx makes headings of a list's captions, and does not say of which level."""
    for name in ("furo_navigation_tree", "body"):
        if name in context:
            context[name] = context[name].replace('role="heading"', 'role="heading" aria-level="2"')


NAMES = ["alpha", "beta", "gamma", "delta", "theta", "lambda", "nu", "rho", "sigma", "tau"]
GREEK = dict(zip("αβγδθλνρστ", NAMES, strict=True))
SPELT = str.maketrans(
    {letter: f" {name} " for letter, name in GREEK.items()}
    | dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
    | dict.fromkeys("⁰¹²³⁴⁵⁶⁷⁸⁹", " ")
)


class Spelt(SearchEnglish):
    """W₂, W_2 and W2 are one word of the index, τ and tau another: ``scorer.js`` spells questions so too."""

    def split(self, input: str) -> list[str]:
        """The words of a text."""
        return super().split(re.sub(r"\b[wW]_2\b", "W2", input.translate(SPELT)))


def setup(app: Sphinx) -> None:
    """Formulas are set as MathML when the site is built: no script and no font has to be fetched."""
    sphinx.search.languages["en"] = Spelt
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-docstring", _plain, priority=100)  # before napoleon: it makes markup of its own
    app.connect("builder-inited", _lazily)
    app.connect("html-page-context", _near, priority=400)  # before furo, which asks for the list
    app.connect("html-page-context", _described)
    app.connect("html-page-context", _levels, priority=900)  # after furo
