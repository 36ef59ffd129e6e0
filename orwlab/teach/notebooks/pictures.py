"""A picture and its words beside every figure of a notebook, so that it shows without JavaScript or a kernel."""

import base64
import hashlib
import json
import warnings
from collections.abc import Iterator

from nbformat import NotebookNode

PLOTLY, PNG = "application/vnd.plotly.v1+json", "image/png"


def pictures(notebook: NotebookNode) -> dict[str, str]:
    """The pictures that the notebook holds (base64), by their figure's fingerprint."""
    return {_fingerprint(o.data[PLOTLY]): o.data[PNG] for o in _outputs(notebook) if {PLOTLY, PNG} <= o.data.keys()}


def illustrate(notebook: NotebookNode, known: dict[str, str]) -> int:
    """Put a PNG and its alternative text beside every plotly figure, in place; returns how many had to be drawn.

    Args:
        notebook: executed.
        known: pictures that need not be drawn again, as ``pictures`` returns them.
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
    return base64.b64encode(png).decode()
