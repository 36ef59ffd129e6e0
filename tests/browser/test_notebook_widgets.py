"""The notebooks' own widgets in JupyterLab: each comes, moves when alpha moves, and says another number then."""

import json
from pathlib import Path

import pytest
from jupyter_lab import lab, open_notebook  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> dict[int, str]:
    """Position -> source."""
    cells = json.loads(path.read_text())["cells"]
    return {k: "".join(cell["source"]) for k, cell in enumerate(cells) if cell["cell_type"] == "code"}


def places(call: str) -> list:
    """(notebook, position) of every cell that makes such a widget."""
    found = [(path, k) for path in NOTEBOOKS for k, source in code_cells(path).items() if call in source]
    return [pytest.param(path, k, id=f"{path.stem}-{k}") for path, k in found]


def bring_up(notebook, path: Path, cell: int) -> None:
    """Run the setup cell and the widget's; where that is not enough, everything up to the widget."""
    before = [k for k in code_cells(path) if k < cell]
    notebook.run(before[0])
    try:
        notebook.run(cell)
    except AssertionError:
        notebook.run(*before, cell)


@pytest.fixture
def opened(open_notebook):  # noqa: F811
    notebooks = []

    def bring(path: Path, cell: int):
        notebooks.append(open_notebook(path))
        bring_up(notebooks[0], path, cell)
        return notebooks[0]

    yield bring
    for notebook in notebooks:
        notebook.close()


@pytest.mark.parametrize(("path", "cell"), places("live.stage("))
def test_a_live_stage_trains_and_obeys_its_dial(opened, path, cell):
    notebook = opened(path, cell)
    stage = notebook.stage()
    assert stage.get("stage.positions.length") >= 200
    before, reward = stage.positions, stage.reward
    races = stage.get("!!stage.meta.race")  # methods, which have one dial for all
    dial, label = ("meta.race.strength", "Strength") if races else ("meta.lanes[0].alpha", "W2 weight α")
    value = stage.get(f"stage.{dial}")
    stage.press("Play")
    stage.wait("meta.lanes[0].round > 8")
    assert stage.positions != before
    if stage.box.get_by_role("slider", name=label).count():
        stage.slide(label, "ArrowLeft" if value > 1 else "ArrowRight", 12)
    else:
        stage.canvas.click()
        for _ in range(12):
            notebook.page.keyboard.press("ArrowLeft" if value > 1 else "ArrowRight")
    stage.wait(f"{dial} {'<' if value > 1 else '>'} {value}")
    start = stage.round
    stage.wait(f"meta.lanes[0].round > {start + 8} || meta.state !== 'running'")
    assert stage.get("counters.errors") == 0
    assert stage.reward != reward


@pytest.mark.parametrize(("path", "cell"), places("explorer.alpha_slider("))
def test_the_exact_limit_follows_its_slider(opened, path, cell):
    page = opened(path, cell).page
    figure = page.locator(".widget-box .js-plotly-plot").first
    figure.wait_for()
    figure.scroll_into_view_if_needed()
    curve = "(figure) => Array.from(figure.data[1].y)"
    words = page.locator(".widget-html-content", has_text="mean reward at the exact limit")
    before, said = figure.evaluate(curve), words.inner_text()
    assert max(before) > 0
    handle = page.locator(".widget-slider [role=slider]").first
    handle.focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "(said) => [...document.querySelectorAll('.widget-html-content')].some("
        "(e) => e.innerText.includes('mean reward') && e.innerText !== said)",
        arg=said,
    )
    page.wait_for_timeout(500)
    after = figure.evaluate(curve)
    assert max(abs(a - b) for a, b in zip(before, after)) > 0.01
    assert float(words.inner_text().split(":")[1]) > float(said.split(":")[1])  # a smaller alpha gives more reward


def test_there_are_live_stages():
    assert len(places("live.stage(")) >= 5
