"""A page around a stage: controls, Play, keys, the link and what one takes home, and perhaps an instrument of its own.

The Live lab is such a page, and so are those that look at its runs with another eye. They differ in what they say, in
what they begin with, and in what stands beside the stage.
"""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from orwlab.show.lab.settings import Settings
from orwlab.show.web import lab_markup
from orwlab.show.web.broadcast import Registry, obey_all
from orwlab.show.web.gradio_stage import gradio_stage
from orwlab.show.web.keeping import Keeping

Answer = Callable[[Any], Awaitable[dict[str, Any]]]

_FOLDER = Path(__file__).parent
_SCRIPTS = (  # in the order of what they need
    *("widgets.js", "line.js", "address.js", "memory.js", "run_page.js"),
    *("strokes.js", "tables.js", "paint.js", "digit_words.js", "digits.js", "own.js", "keep.js", "truth.js", "lab.js"),
)
_STYLES = ("lab.css", "keep.css", "own.css")
_FAILED = "Something went wrong on the server. Your settings are kept; it tries again by itself."
DELIMITERS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LabPage(lab_markup.Words):
    """What makes a page its own.

    Args:
        explanation: Markdown with formulas.
        scripts: files that bring the instrument to life: see ``lab.js``.
        styles: their style sheets.
        ladder: whether the ladder of bounds is measured in its sessions.
        answer: what the instrument's questions are asked of.
    """

    explanation: str
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    ladder: bool = False
    answer: Answer | None = None

    @property
    def settings(self) -> Settings:
        """What it begins with."""
        return Settings().changed(**self.begin)

    def build(self, demo: gr.Blocks, registry: Registry, pages: Mapping[str, str]) -> None:
        """Put the page into ``demo``, which must be open.

        Args:
            demo: the app.
            registry: holds the sessions of everybody who comes.
            pages: path -> name of all the pages there are.
        """
        questions = {"keep": Keeping().answer, "ask": self.answer}
        stage = gradio_stage(
            registry.first_picture(),
            registry.acknowledge,
            template=lab_markup.markup(self, pages),
            styles="".join((_FOLDER / name).read_text(encoding="utf-8") for name in (*_STYLES, *self.styles)),
            script=script(self.scripts),
            functions=[_obey(registry), *(asked(name, answer) for name, answer in questions.items() if answer)],
            elem_id="lab",
        )
        with gr.Accordion("What you are seeing, and why", open=False, elem_id="lab-explanation"):
            gr.Markdown(self.explanation, latex_delimiters=DELIMITERS)

        async def stream(request: gr.Request) -> AsyncIterator[dict[str, str]]:
            visitor = str(request.session_hash or "")
            broadcast = await registry.open(visitor, self.settings, ladder=self.ladder)
            try:
                async for picture in broadcast.frames():
                    yield picture
            except Exception:  # a sentence and never a trace; the page asks for another stream
                _log.exception("stream failed")
                yield {"notice": _FAILED}

        live: dict[str, Any] = dict(
            fn=stream, outputs=stage, show_progress="hidden", concurrency_limit=None, api_visibility="private"
        )
        demo.load(**live)
        stage.wake(trigger_mode="multiple", **live)

        async def leave(request: gr.Request) -> None:  # a plain function would run in a thread, against the event loop
            registry.close(str(request.session_hash or ""))

        demo.unload(leave)


def script(instrument: tuple[str, ...] = ()) -> str:
    """The page's own scripts as one; its names are kept apart from the stage's."""
    names = (*_SCRIPTS[:-1], *instrument, *_SCRIPTS[-1:])
    text = without_exports("\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names))
    return f"const around = (() => {{\n{text}\nreturn around;\n}})();"


def without_exports(text: str) -> str:
    """Modules that stand one after the other, as one script."""
    return re.sub(r"^export\s+", "", text, flags=re.MULTILINE)


def asked(name: str, answer: Answer) -> Any:
    """The server's end of questions, which the scripts ask as ``server.NAME``."""

    async def ask(question: Any) -> dict[str, Any]:
        try:
            return await answer(question)
        except ValueError as error:
            return {"error": str(error)}
        except Exception:  # a sentence and never a trace
            _log.exception("a question failed")
            return {"error": _FAILED, "again": True}

    ask.__name__ = name
    return ask


def _obey(registry: Registry) -> Any:
    """The server's end of ``line.js``: controls moved, buttons pressed and whole states, in order."""

    async def obey(arguments: Any) -> dict[str, Any]:
        run, given = arguments if isinstance(arguments, list) and len(arguments) == 2 else ("", [])
        return await obey_all(registry.find_run(run), given)

    return obey
