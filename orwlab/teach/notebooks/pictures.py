"""A picture and its words beside every figure of a notebook, so that it shows without JavaScript.

A widget needs a kernel, which a file has not: a live stage leaves its still picture, any other widget a line of text.
"""

import base64
import hashlib
import io
import json
import warnings
from collections.abc import Iterator

from nbformat import NotebookNode
from PIL import Image

from orwlab.show.stage import still

PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"
COLOURS = 255
WIDGET, TEXT = "application/vnd.jupyter.widget-view+json", "text/plain"


def known_pictures(notebook: NotebookNode) -> dict[str, str]:
    """The pictures that the notebook holds (base64), by the fingerprint of their figure or stage."""
    shown = list(_outputs(notebook))
    figures = {_fingerprint(o.data[PLOTLY]): o.data[PNG] for o in shown if {PLOTLY, PNG} <= o.data.keys()}
    return figures | still.pictures(o for o in shown if PLOTLY not in o.data)


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
            key = _fingerprint(figure)
            if key not in known:
                known[key] = _drawn(figure)
                drawn += 1
            output.data[PNG] = known[key]
            alt = (figure["layout"].get("meta") or {}).get("alt")
            if alt:
                output.metadata[PNG] = {"alt": alt}  # where nbconvert looks for it
        drawn += still.replace(output, known)
        if output.data.pop(WIDGET, None) is not None:
            output.data[TEXT] = "A widget: run this cell to use it."
    return drawn


def _outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                yield output


def _fingerprint(figure: dict) -> str:
    """Equal for figures that look equal."""
    layout = {key: value for key, value in figure["layout"].items() if key != "meta"}  # words do not change the picture
    looks = json.dumps({"data": figure["data"], "layout": layout}, sort_keys=True)
    return hashlib.sha256(looks.encode()).hexdigest()


def _drawn(figure: dict) -> str:
    import kaleido
    import plotly.io

    kaleido.start_sync_server(silence_warnings=True)  # one browser for all; plotly alone starts one a picture
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The kopts argument")
        png = plotly.io.from_json(json.dumps(figure), skip_invalid=True).to_image("png", scale=1.25)
    # figures have few colours; a palette makes the file a third as large, and nobody sees it
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
