"""The stage as a Gradio component."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from orwlab.show.stage import javascript, stylesheet

# Evaluated once, when the component is mounted. The template holds no ${value}: the canvas must survive updates, and
# only `watch` is to see them. 'wake' and 'state' are events that Python can listen to.
_MOUNT = """
const stage = createStage(element.querySelector('.orw-stage'), {
  acknowledge: (run, seq) => server.acknowledge(run, seq),
  wake: () => trigger('wake'),
  stateChanged: (state) => { if (state !== 'starting') trigger('state'); },
});
watch('value', () => stage.receive(props.value));
stage.receive(props.value);
"""


def gradio_stage(value: Any, acknowledge: Callable[[str, int], bool], **kwargs: Any) -> gr.HTML:
    """A stage whose value is ``{"scene", "frame"}``: the messages of ``Session.frame``.

    Events: ``wake`` (the browser expects frames but nobody sends any), ``state`` (running, paused or stopped changed).
    A function and not a subclass: Gradio writes a stub file beside the source of every subclass.

    Args:
        value: the first picture, part of the page itself.
        acknowledge: called with the run's name and the number of a painted frame; returns whether somebody is
            still sending.
        kwargs: as for ``gr.HTML``.
    """

    async def receive(arguments: list[Any]) -> bool:
        run, seq = arguments
        return acknowledge(str(run), int(seq))

    receive.__name__ = "acknowledge"  # what the script calls it
    return gr.HTML(
        value,
        html_template='<div class="orw-stage"></div>',
        css_template=stylesheet(),
        js_on_load=javascript() + _MOUNT,
        apply_default_css=False,
        server_functions=[receive],
        **kwargs,
    )
