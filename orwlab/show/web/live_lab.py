"""The Live lab: steer a fine-tuning run while it happens."""

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from orwlab.show.lab import messages
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.settings import Settings
from orwlab.show.web import lab_markup
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.gradio_stage import gradio_stage
from orwlab.show.web.keeping import Keeping

_FOLDER = Path(__file__).parent
_SCRIPTS = (  # in the order of what they need
    *("widgets.js", "line.js", "flow_time.js", "address.js", "memory.js"),
    *("strokes.js", "tables.js", "paint.js", "own.js", "keep.js", "lab.js"),
)
_STYLES = ("lab.css", "keep.css", "own.css")
MOST_ORDERS = 200  # in one message
_FAILED = "Something went wrong on the server. Your settings are kept; it tries again by itself."

_log = logging.getLogger(__name__)

_DELIMITERS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]

_EXPLANATION = r"""
A flow model has learned the grey contours: it turns noise into samples of them. Now it is being **fine-tuned**. In
every round it draws samples $x_1$, each is weighted by how much the reward likes it, $w(x_1) = e^{\tau\, r(x_1)}$,
and the model takes one gradient step to imitate its own weighted samples:

$$
\begin{aligned}
\mathcal{L}(\theta) = \mathbb{E}\Big[\;
& \underbrace{w(x_1)\,\big\|v_\theta(t, x_t) - u_t\big\|^2}_{\text{do more of what pays}} \\
+\;& \alpha\, \underbrace{\big\|v_\theta(t, x_t) - v_{\text{ref}}(t, x_t)\big\|^2}_{\text{stay close to the reference}}
\;\Big]
\end{aligned}
$$

**Why it collapses.** The next round draws from the model that has just been pulled towards the reward. Weights are
multiplied on weights: without the second term, the samples after $N$ rounds have density $\propto w(x_1)^N\, q_0(x_1)$,
and all of it ends where the reward is best.

**What α does.** The second term holds the model's velocity $v_\theta$ to the reference's, and with it the distance
between their distributions. A large α gives the reference again; τ says how strongly the weights prefer good samples.

**The exact answer.** The dashed lines and the contours are where a perfect network would settle. They are computed on
a grid, without any network.
"""


def build(demo: gr.Blocks, registry: Registry) -> None:
    """Put the page into ``demo``, which must be open. ``registry`` holds the sessions of everybody who comes."""
    default = Settings()
    stage = gradio_stage(
        registry.first_picture(),
        registry.acknowledge,
        template=lab_markup.markup(default),
        styles="".join((_FOLDER / name).read_text(encoding="utf-8") for name in _STYLES),
        script=_script(),
        functions=[_obey(registry), _keep()],
        elem_id="lab",
    )
    with gr.Accordion("What you are seeing, and why", open=False, elem_id="lab-explanation"):
        gr.Markdown(_EXPLANATION, latex_delimiters=_DELIMITERS)

    async def stream(request: gr.Request) -> AsyncIterator[dict[str, str]]:
        visitor = str(request.session_hash or "")
        broadcast = await registry.open(visitor, default)
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


def _script() -> str:
    """The page's own scripts as one; its names are kept apart from the stage's."""
    text = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    text = re.sub(r"^export\s+", "", text, flags=re.MULTILINE)
    return f"const around = (() => {{\n{text}\nreturn around;\n}})();"


def _keep() -> Any:
    """The server's end of ``keep.js``."""
    keeping = Keeping()

    async def keep(question: Any) -> dict[str, Any]:
        return await keeping.answer(question)

    return keep


def _obey(registry: Registry) -> Any:
    """The server's end of ``line.js``: controls moved, buttons pressed and whole states, in order."""

    async def obey(arguments: Any) -> dict[str, Any]:
        run, given = arguments if isinstance(arguments, list) and len(arguments) == 2 else ("", [])
        broadcast = registry.find_run(run)
        if broadcast is None:
            return {"known": False}
        errors = []
        # {} only asks which settings are in force
        given = [order for order in given if order != {}] if isinstance(given, list) else [given]
        for order in given[:MOST_ORDERS]:
            try:
                broadcast.obey(order)
            except ValueError as error:
                name = messages.text(order, "name")
                errors.append({"name": name if name in BY_NAME else "", "text": str(error)})
        if {"press": "undo"} in given:  # only the session knows what the settings are then
            await broadcast.obeyed()
        if len(given) > MOST_ORDERS:
            errors.append({"name": "", "text": f"orders are {len(given)}; allowed: at most {MOST_ORDERS} at a time"})
        return {"known": True, "settings": asdict(broadcast.settings), "errors": errors}

    return obey
