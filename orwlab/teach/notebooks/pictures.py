"""A picture and its words beside every figure of a notebook, so that it shows without JavaScript.

A widget needs a kernel, which a file has not: a live stage leaves its still picture, any other widget a line of text.
"""

import base64
import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from nbformat import NotebookNode
from PIL import Image, ImageColor, PngImagePlugin

from orwlab import checks
from orwlab.show import theme
from orwlab.show.notebook import still
from orwlab.show.stage.gif import indexed

PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"
DRAWN = 3
"""raised whenever ``_drawn`` draws otherwise, so that all pictures are drawn again"""
WIDGET, TEXT = "application/vnd.jupyter.widget-view+json", "text/plain"
WIDGET_SAYS = "A widget: run this cell to use it."


def known_pictures(notebook: NotebookNode) -> dict[str, str]:
    """The pictures that the notebook holds (base64), by the fingerprint that is in the PNG itself."""
    return still.pictures(_outputs(notebook))


def illustrate(notebook: NotebookNode, known: dict[str, str]) -> int:
    """A PNG with words beside every figure, and in the place of every widget; returns how many had to be drawn.

    Args:
        notebook: executed; changed in place.
        known: pictures that need not be drawn again, as ``known_pictures`` returns them.
    """
    drawn = 0
    for output in _outputs(notebook):
        if PLOTLY in output.data:
            figure = output.data[PLOTLY]
            key = fingerprint(figure)
            if key not in known:
                known[key] = _drawn(figure)
                drawn += 1
            output.data[PNG] = known[key]
            alt = (figure["layout"].get("meta") or {}).get("alt")
            if alt:
                output.metadata[PNG] = {"alt": alt}  # where nbconvert looks for it
        drawn += still.replace(output, known)
        if output.data.pop(WIDGET, None) is not None:
            output.data[TEXT] = WIDGET_SAYS
    return drawn


def _outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    if not isinstance(notebook, NotebookNode) or "cells" not in notebook:
        raise checks.fail("notebook", notebook, "a notebook as nbformat.read returns it")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                yield output


def fingerprint(figure: Mapping[str, Any]) -> str:
    """Equal for figures that give the same picture.

    Args:
        figure: as plotly writes it, with its "data" and its "layout".
    """
    if not isinstance(figure, Mapping) or not {"data", "layout"} <= set(figure):
        raise checks.fail("figure", figure, "a figure as plotly writes it, with data and layout")
    layout = {key: value for key, value in figure["layout"].items() if key != "meta"}  # words do not change the picture
    looks = json.dumps({"drawn": DRAWN, "data": figure["data"], "layout": layout}, sort_keys=True)
    return hashlib.sha256(looks.encode()).hexdigest()


def _drawn(figure: dict) -> str:
    import kaleido
    import plotly.io

    kaleido.start_sync_server(silence_warnings=True)  # one browser for all; plotly alone starts one a picture
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The kopts argument")
        png = plotly.io.from_json(json.dumps(figure), skip_invalid=True).to_image("png", scale=1.25)
    file = io.BytesIO()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("orwlab", fingerprint(figure))
    _with_palette(Image.open(io.BytesIO(png)).convert("RGB")).save(file, "png", optimize=True, pnginfo=texts)
    return base64.b64encode(file.getvalue()).decode()


def _with_palette(image: Image.Image) -> Image.Image:
    """The same picture in 256 colours: a third of the bytes, and nobody sees it."""
    # a single dot of one of our colours would be lost among many greys, so those are always in the palette
    kept = [ImageColor.getrgb(colour) for colour in (*theme.CYCLE, theme.GHOST, "#FFFFFF")]
    found = image.quantize(256 - len(kept), dither=Image.Dither.NONE).getpalette() or []
    palette = np.concatenate([np.array(kept), np.array(found).reshape(-1, 3)])[:256]
    return indexed(image, palette)
