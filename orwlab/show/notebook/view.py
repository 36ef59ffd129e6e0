"""The widget that draws: the stage as every host has it, connected to a kernel by anywidget."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from orwlab.show import stage

_FOLDER = Path(__file__).parent


def script(name: str) -> str:
    """What connects a view to a kernel: a file of this folder, after what all of them use."""
    return "".join((_FOLDER / one).read_text(encoding="utf-8") for one in ("sliders.js", "kernel_line.js", name))


def stylesheet() -> str:
    """How a view lies among the cells of a notebook."""
    return (_FOLDER / "view.css").read_text(encoding="utf-8")


class StageView(anywidget.AnyWidget):
    """The picture. ``on_message`` is called with everything that a browser says; see ``view.js`` for the messages.

    Args:
        first: what it shows before anything is sent: a value of ``Session.frame``.
        height: of the picture, in pixels.
    """

    _esm = stage.javascript() + script("view.js")
    _css = stage.stylesheet() + stylesheet()
    first = traitlets.Dict().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)
    """a sentence below the picture, for what could not be done"""

    def __init__(self, first: dict[str, str], height: int, on_message: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(first=first, height=height)
        self._newest = first
        self._one_at_a_time = threading.Lock()
        self.on_msg(lambda _, content, buffers: on_message(content if isinstance(content, dict) else {}))

    def show(self, value: dict[str, str]) -> None:
        """Send a frame; parts that every browser already has are left out."""
        with self._one_at_a_time:
            parts = {name: None if self._newest.get(name) == part else part for name, part in value.items()}
            self._newest = value
            self.send({"kind": "frame", "value": parts})

    def show_again(self) -> None:
        """Send the newest frame with all its parts, for a browser that has just come."""
        with self._one_at_a_time:
            self.send({"kind": "frame", "value": self._newest})
