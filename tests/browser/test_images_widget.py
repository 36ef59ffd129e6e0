"""The grids in JupyterLab, as a person who reads a notebook meets them."""

import base64
import io

import numpy as np
import pytest
from jupyter_lab import lab, open_notebook  # noqa: F401
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETUP = "import torch\ntorch.set_num_threads(1)\nfrom orwlab.show import images"
GRIDS = "document.querySelector('.orw-grids').grids"


@pytest.fixture(scope="module")
def lesson(open_notebook):  # noqa: F811
    notebook = open_notebook([SETUP, "one = images.stage(alpha=0.5)\none", "one.settings.alpha"])
    notebook.run()
    wait(notebook.page, "grids.reference.painted > 0 && grids.boards[0].painted > 0")
    return notebook


def wait(page, condition):
    page.wait_for_function(f"() => {{ const grids = {GRIDS}, frame = grids?.frame; return frame && ({condition}); }}")


def pixels(page, lane):
    url = page.locator(f".orw-board[data-lane='{lane}'] canvas").evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("L")).astype(int)


def press(page, name):
    page.locator(".orw-bar").get_by_role("button", name=name).click()


def test_it_learns_obeys_its_slider_and_shows_ways_from_noise(lesson):
    page = lesson.page
    reference = pixels(page, "reference")
    assert reference.std() > 40
    assert np.array_equal(pixels(page, 0), reference)
    press(page, "Play")
    wait(page, "frame.lanes[0].round > 3")
    handle = page.get_by_role("slider", name="W2 weight α")
    handle.focus()
    handle.press("Home")
    wait(page, "frame.lanes[0].alpha === 0")
    press(page, "Pause")
    wait(page, "frame.state === 'paused' && frame.idle && grids.drawn")
    assert np.array_equal(pixels(page, "reference"), reference)
    assert np.abs(pixels(page, 0) - reference).mean() > 3
    lesson.run(2)
    assert lesson.printed(2) == "0.0"  # the kernel has the value
    page.locator(".orw-board[data-lane='0'] [role=gridcell]").nth(3).click()
    page.wait_for_selector(".orw-strip")
    assert page.locator(".orw-moment").count() == 16
    page.locator(".orw-path button").click()


def test_keys_on_the_images_are_its_own_and_not_jupyters(lesson):
    page, cells = lesson.page, lesson.cells()
    press(page, "Reset")
    wait(page, "frame.round === 0 && frame.idle && grids.drawn")
    page.locator(".orw-board[data-lane='0'] [role=gridcell]").first.focus()
    page.keyboard.press("s")
    wait(page, "frame.round === 1 && frame.idle && grids.drawn")
    page.keyboard.press("r")
    wait(page, "frame.round === 0 && frame.idle && grids.drawn")
    for key in ("b", "a", "m", "x", "d", "d"):
        page.keyboard.press(key)
    assert lesson.cells() == cells
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".orw-path h2:has-text('Image 9: from noise')")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_in_light_and_in_dark(open_notebook, dark):  # noqa: F811
    notebook = open_notebook([SETUP, "images.stage(others=(0.0,))"], dark=dark)
    notebook.run()
    wait(notebook.page, "grids.boards[1]?.painted > 0")
    grids = notebook.page.locator(".orw-grids")
    assert grids.get_attribute("data-theme") == ("dark" if dark else "light")
    inside = grids.bounding_box()
    for sheet in notebook.page.locator(".orw-sheet").all():
        box = sheet.bounding_box()
        assert box["x"] + box["width"] <= inside["x"] + inside["width"] + 1
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(notebook.page, context=".orw-grids")
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found.response["violations"]] == []
    notebook.close()
