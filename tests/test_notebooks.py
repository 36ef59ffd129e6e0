"""Notebooks as files: executed, complete, illustrated, readable, small. nbval runs them separately."""

import ast
import collections
import re
from pathlib import Path

import nbformat
import pytest

from orwlab.teach import checks, notebooks
from orwlab.teach.notebooks import PLOTLY, PNG

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
START = "00_start_here"
# what MathJax and KaTeX both know, as far as notebooks need it: no definitions, no packages, no numbered environments
MACROS = set(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi varphi chi
    psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega partial nabla infty ell
    mathbb mathcal mathrm mathbf mathsf text textbf operatorname boldsymbol
    frac tfrac dfrac sqrt binom sum prod int iint oint lim sup inf max min log ln exp sin cos tan tanh cosh sinh det arg
    argmax argmin Pr deg dim
    left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr middle lVert rVert lvert rvert langle rangle lfloor
    rfloor lceil rceil Vert vert mid
    hat bar tilde dot ddot vec overline underline widehat widetilde underbrace overbrace stackrel overset underset
    to mapsto rightarrow Rightarrow leftarrow Leftarrow leftrightarrow Leftrightarrow longrightarrow implies iff
    xrightarrow uparrow downarrow
    le ge leq geq ne neq ll gg approx sim simeq propto equiv cong perp parallel in notin subset subseteq supset cup cap
    setminus emptyset forall exists neg land lor
    cdot cdots ldots dots vdots times div pm mp circ ast star otimes oplus top bot dagger prime
    quad qquad begin end label tag limits nolimits displaystyle not quad hspace phantom
    color colon dotsb choose sharp boxed Longrightarrow Longleftrightarrow
    longleftarrow iiint ddots hbar Re Im""".split()  # noqa: SIM905
)
ENVIRONMENTS = {"aligned", "cases", "pmatrix", "bmatrix", "array"}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    return [output for cell in notebooks.code(notebook) for output in cell.outputs]


def figures(notebook):
    return [o for o in outputs(notebook) if PLOTLY in o.get("data", {})]


def headings(notebook):
    """(level, text) in order."""
    text = re.sub(r"```.*?```", "", notebooks.prose(notebook), flags=re.DOTALL)
    return [(len(marks), words.strip()) for marks, words in re.findall(r"^(#+) (.*)$", text, flags=re.MULTILINE)]


def test_there_are_notebooks():
    assert START in {path.stem for path in PATHS}


def test_executed_in_order_and_without_errors(notebook):
    cells = notebooks.code(notebook)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1)), "execute it: make notebooks"
    assert not [o for o in outputs(notebook) if o.output_type == "error"]
    assert not [o.text for o in outputs(notebook) if o.get("name") == "stderr"], "nothing may be printed to stderr"


def test_every_figure_has_a_picture_and_words(notebook):
    assert figures(notebook)
    for output in figures(notebook):
        start = str(output.data[PLOTLY]["layout"].get("title", {}).get("text"))
        assert PNG in output.data, f"no picture of {start!r}: make notebooks"
        shown = list(notebooks.known_pictures(nbformat.from_dict({"cells": [{"outputs": [output]}]})))
        assert shown == [notebooks.fingerprint(output.data[PLOTLY])], f"the picture of {start!r} is old: make notebooks"
        alt = output.metadata.get(PNG, {}).get("alt", "")
        assert len(alt) >= 40, f"no words for {start!r}: end its cell with figures.described(figure, '...')"


def test_every_check_held(notebook):
    printed = "".join(o.text for o in outputs(notebook) if "text" in o)
    assert printed.count(": yes") >= 5
    assert ": NO" not in printed


def test_cells_that_only_check_are_compared_by_nbval(notebook):
    for cell in notebooks.code(notebook):
        printed = "".join(o.text for o in cell.outputs if "text" in o)
        compared = "nbval-check-output" in cell.metadata.get("tags", [])
        if printed and all(line.endswith(": yes") for line in printed.splitlines()):
            assert compared or len(cell.outputs) > 1, f"tag it nbval-check-output: {cell.source[:200]}"
        if compared:
            assert printed
            assert all(o.output_type == "stream" for o in cell.outputs), f"has more than checks: {cell.source[:200]}"


def test_small_enough_to_open_quickly_and_cells_fit_on_a_screen(path, notebook):
    assert path.stat().st_size <= 1.5e6
    assert "widgets" not in notebook.metadata
    for cell in notebooks.code(notebook):
        assert len(cell.source.splitlines()) <= 40, f"longer than 40 lines: {cell.source[:200]}"
        wide = [line for line in cell.source.splitlines() if len(line) > 150]
        assert not wide, "wider than 150 characters"


def test_begins_as_all_do(path, notebook):
    first = notebook.cells[0].source
    assert re.match(r"# \S", first)
    assert re.search(r"\*.*to read.*to run.*\*", first), "say how long it takes to read and to run"
    listed = re.findall(r"^(?:\d\.|-) \S", first.partition("You will see")[2], flags=re.MULTILINE)
    assert len(listed) >= 3, "a list of three things after 'You will see'"
    setup = notebooks.setup(notebook)
    assert "torch.set_num_threads(1)" in setup
    assert 'plotly.io.renderers.default = "plotly_mimetype"' in setup


def test_has_the_parts_that_all_have(path, notebook):
    titles = [title for _, title in headings(notebook)]
    assert "What could go wrong" in titles
    assert "Where to go next" in titles
    assert titles[-1] in ("Reference", "References")
    assert "2502.06061" in notebook.cells[-1].source
    assert notebooks.words(notebook) >= (400 if path.stem == START else 1200)
    assert 3 <= len(notebooks.exercises(notebook)) <= 6


def test_has_something_live(notebook):
    """A stage that trains in the kernel; the file holds a still picture of it, with words."""
    cells = [cell for cell in notebooks.code(notebook) if "live.stage(" in cell.source]
    assert cells
    for cell in cells:
        (shown,) = [o for o in cell.outputs if "data" in o]
        assert PNG in shown.data, "no still picture of the stage: make notebooks"
        assert shown.metadata.get(PNG, {}).get("alt")


def test_nothing_in_the_file_needs_a_running_kernel(notebook):
    for output in outputs(notebook):
        assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), "make notebooks takes it out"


def test_headings_are_in_order(notebook):
    levels = [level for level, _ in headings(notebook)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    for (above, title), (below, next_title) in zip(headings(notebook), headings(notebook)[1:]):
        assert below <= above + 1, f"from {title!r} (level {above}) to {next_title!r} (level {below})"
    titles = [title for _, title in headings(notebook)]
    assert len(titles) == len(set(titles)), "two headings are the same"


def test_folded_text_can_be_unfolded(notebook):
    text = notebooks.prose(notebook)
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>") == text.count("</summary>")
    assert not re.findall(r"</summary>\n?[^\n]", text), "an empty line after </summary>, or Markdown inside is not read"


def test_formulas_use_plain_latex(notebook):
    formulas = re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+(?:\n[^$\n]+)?)\$", notebooks.prose(notebook), flags=re.DOTALL)
    assert formulas
    for formula in ("".join(pair) for pair in formulas):
        unknown = set(re.findall(r"\\([a-zA-Z]+)", formula)) - MACROS
        assert not unknown, f"{unknown} in {formula!r}"
        assert set(re.findall(r"\\begin\{(.*?)\}", formula)) <= ENVIRONMENTS, formula
        assert formula.count("{") - formula.count(r"\{") == formula.count("}") - formula.count(r"\}"), formula
        assert len(re.findall(r"\\left(?![a-z])", formula)) == len(re.findall(r"\\right(?![a-z])", formula)), formula


def test_links_lead_somewhere(path, notebook):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", notebooks.prose(notebook)):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
    for target in re.findall(r"https?://[^\s)>]+", notebooks.prose(notebook)):
        assert target.startswith("https://")


def test_no_helper_is_defined_in_two_notebooks():
    """What two notebooks need belongs into the package. Answers to exercises may share a name."""
    where = collections.defaultdict(set)
    for path in PATHS:
        for cell in notebooks.code(nbformat.read(path, as_version=4)):
            if "nbgrader" not in cell.metadata:
                for node in ast.walk(ast.parse(cell.source)):
                    if isinstance(node, ast.FunctionDef | ast.ClassDef):
                        where[node.name].add(path.stem)
    assert not {name: stems for name, stems in where.items() if len(stems) > 1}


def test_all_together_are_small_enough_to_clone():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.ipynb")) <= 20e6


def test_words_count_a_formula_once_and_markup_not():
    new = nbformat.v4
    cells = [new.new_markdown_cell("# A title\n\nThe flow $x_t = (1-t) x_0$ ends [here](a/b.ipynb).\n\n$$a\n=b$$")]
    notebook = nbformat.from_dict(new.new_notebook(cells=[*cells, new.new_code_cell("1 + 1")]))
    assert notebooks.words(notebook) == 8, "A title, The flow formula ends here, formula"
    estimate = notebooks.minutes(notebook)
    assert estimate.first == estimate.all == pytest.approx(8 / 100 + 1 + 0.5), "words, one formula, one code cell"
    assert estimate.exercises == 0


def test_minutes_leave_out_a_second_reading_and_the_exercises():
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# A title"),
        new.new_markdown_cell("## Skip\n\n*Second reading.*\n\n" + "word " * 100 + "\n\n### Also\n\n$$a$$"),
        new.new_code_cell("1 + 1"),
        new.new_markdown_cell("## Back\n\n" + "word " * 99 + "\n\n### Exercise 0.1: a ★★☆\n\n" + "word " * 100),
        new.new_code_cell("2 + 2", metadata=dict(nbgrader=dict(grade_id="answer-0-1"))),
        new.new_code_cell("3 + 3", metadata=dict(nbgrader=dict(grade_id="check-0-1"))),
        new.new_markdown_cell("word " * 100),
    ]
    estimate = notebooks.minutes(nbformat.from_dict(new.new_notebook(cells=cells)))
    assert estimate.first == pytest.approx(2 / 100 + 1 + 1)
    assert estimate.all - estimate.first == pytest.approx(5 / 100 + 1 + 1 + 0.5)
    assert estimate.exercises == 10


def test_checks_print_and_fail_loudly(capsys):
    import torch

    checks.close("a", 1.01, 1.0, 0.02)
    checks.below("b", 0.5, 1)
    checks.above("c", 2, 1)
    checks.same("d", torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]), 0.6)
    checks.holds("e", True)
    checks.regression("f", 1.01, 1.0, 0.02)
    assert capsys.readouterr().out.splitlines() == [
        "a: measured 1.01, expected 1 ± 0.02: yes",
        "b: measured 0.5, expected below 1: yes",
        "c: measured 2, expected above 1: yes",
        "d, largest difference: measured 0.5, expected below 0.6: yes",
        "e: yes",
        "f [regression]: measured 1.01, expected 1 ± 0.02: yes",
    ]
    for call in (
        lambda: checks.close("a", 1.1, 1.0, 0.02),
        lambda: checks.below("b", 1.5, 1),
        lambda: checks.above("c", float("nan"), 1),
        lambda: checks.close("d", float("nan"), 1.0, 0.02),
        lambda: checks.same("e", torch.tensor([1.0, float("nan")]), torch.ones(2), 0.1),
        lambda: checks.same("f", torch.ones(2, 1), torch.ones(2), 0.1),
        lambda: checks.same("g", None, torch.ones(2), 0.1),
        lambda: checks.holds("h", False),
        lambda: checks.regression("i", 1.1, 1.0, 0.02),
    ):
        with pytest.raises(AssertionError, match="NO"):
            call()


def test_hints_are_shown_only_on_failure(capsys):
    checks.below("a", 0.5, 1, hint="look at the sign")
    assert "sign" not in capsys.readouterr().out
    with pytest.raises(AssertionError, match="look at the sign"):
        checks.below("a", 1.5, 1, hint="look at the sign")
