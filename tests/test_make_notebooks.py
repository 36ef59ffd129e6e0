"""How notebooks are made: pictures drawn once, words beside them, files written only when they change."""

import base64
import importlib.util
import io
import json
import sys
from pathlib import Path

import nbformat
import plotly.graph_objects as go
import pytest
from PIL import Image, ImageChops, PngImagePlugin

from orwlab.show import figures, theme
from orwlab.teach import notebooks
from orwlab.teach.notebooks import PLOTLY, PNG, pictures

ROOT = Path(__file__).parents[1]
WORDS = "Values of y over x from 1 to 2: a line that rises from 3 to 4."


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_notebooks", ROOT / "notebooks" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def showing(figure=None, data=None):
    """A notebook with one executed cell that shows a figure, or other data."""
    data = {PLOTLY: json.loads(figure.to_json())} if figure is not None else data
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("1", execution_count=1, outputs=[output])
    return nbformat.from_dict(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell]))


def line(top=4):
    return figures.described(go.Figure(go.Scatter(x=[1, 2], y=[3, top])), WORDS)


def test_words_travel_with_a_figure():
    figure = line()
    assert figure.layout.meta == {"alt": WORDS}
    assert figures.described(figure, "  \n ".join(WORDS.split())).layout.meta["alt"] == WORDS
    with pytest.raises(ValueError, match="alt is 'a plot'"):
        figures.described(figure, "a plot")


def test_a_picture_is_drawn_once_and_again_when_its_figure_changes(monkeypatch):
    drawn = []

    def draw(figure):
        drawn.append(figure)
        file, texts = io.BytesIO(), PngImagePlugin.PngInfo()
        texts.add_text("orwlab", notebooks.fingerprint(figure))
        Image.new("P", (1, 1)).save(file, "png", pnginfo=texts)
        return base64.b64encode(file.getvalue()).decode()

    monkeypatch.setattr(pictures, "_drawn", draw)
    first = showing(line())
    assert notebooks.illustrate(first, {}) == 1
    output = first.cells[1].outputs[0]
    assert output.metadata[PNG] == {"alt": WORDS}

    known = notebooks.known_pictures(first)
    reworded = showing(figures.described(line(), "Other words about the very same line, from 3 up to 4."))
    assert notebooks.illustrate(reworded, dict(known)) == 0
    assert reworded.cells[1].outputs[0].data[PNG] == output.data[PNG]
    assert reworded.cells[1].outputs[0].metadata[PNG]["alt"].startswith("Other words")
    assert notebooks.illustrate(showing(line(top=5)), dict(known)) == 1
    monkeypatch.setattr(pictures, "DRAWN", pictures.DRAWN + 1)
    assert notebooks.illustrate(showing(line()), dict(known)) == 1
    assert len(drawn) == 3


def test_a_widget_leaves_words_for_those_without_a_kernel():
    notebook = showing(data={pictures.WIDGET: {"model_id": "x"}, "text/plain": "VBox(children=(...))"})
    assert notebooks.illustrate(notebook, {}) == 0
    assert dict(notebook.cells[1].outputs[0].data) == {"text/plain": "A widget: run this cell to use it."}


def test_a_small_dot_keeps_its_colour_in_a_palette():
    """Many greys and blues, and one red dot: the palette must not give it away."""
    greys = Image.linear_gradient("L").resize((300, 300))
    image = Image.merge("RGB", (greys, greys, greys.rotate(90)))
    red = tuple(int(theme.VERMILION[i : i + 2], 16) for i in (1, 3, 5))
    image.paste(red, (100, 100, 105, 105))
    small = pictures._with_palette(image).convert("RGB")
    assert small.getpixel((102, 102)) == red
    assert max(high for _, high in ImageChops.difference(small, image).getextrema()) < 25


@pytest.mark.browser
def test_a_drawn_picture_shows_the_figure():
    notebook = showing(line())
    notebooks.illustrate(notebook, {})
    assert list(notebooks.known_pictures(notebook)) == [
        notebooks.fingerprint(notebook.cells[1].outputs[0].data[PLOTLY])
    ]
    picture = Image.open(io.BytesIO(base64.b64decode(notebook.cells[1].outputs[0].data[PNG]))).convert("RGB")
    assert picture.width > 500
    colours = {colour for _, colour in picture.getcolors(100_000)}
    assert (255, 255, 255) in colours
    assert len(colours) > 10, "a line, letters and a grid, not an empty page"


def test_what_differs_on_every_run_is_removed(make):
    notebook = showing(line())
    notebook.cells[1].metadata["execution"] = {"iopub.execute_input": "2024-01-01T00:00:00"}
    notebook.metadata.update(language_info={"name": "python", "version": "3.11.7"}, widgets={"state": {}})
    make.tidy(notebook, "09_x.ipynb")
    once = notebooks.text(notebook)
    assert "2024" not in once
    assert "3.11.7" not in once
    assert "widgets" not in notebook.metadata
    notebook.cells[0].id = "random"
    make.tidy(notebook, "09_x.ipynb")
    assert notebooks.text(notebook) == once


def test_a_file_is_written_only_when_its_content_changes(make, tmp_path):
    path = tmp_path / "a" / "x.ipynb"
    assert make.write(path, "content ±\n")
    stamp = path.stat().st_mtime_ns
    assert not make.write(path, "content ±\n")
    assert path.stat().st_mtime_ns == stamp
    assert make.write(path, "other\n")


def test_names_are_beginnings_of_file_names(make):
    assert [path.stem for path in make.chosen(["00"])] == ["00_start_here"]
    assert len(make.chosen([])) >= 2
    with pytest.raises(SystemExit, match=r"NAME is '99'; allowed: .*00_start_here"):
        make.chosen(["99"])


def test_without_a_browser_nothing_is_executed(make, monkeypatch):
    monkeypatch.setattr(make.Chromium, "find_browser", lambda **_: None)
    monkeypatch.setattr(make, "make", lambda path: pytest.fail("executed"))
    monkeypatch.setattr(sys, "argv", ["make.py", "00"])
    with pytest.raises(SystemExit, match="No Chromium or Chrome found"):
        make.main()
