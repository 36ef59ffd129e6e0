"""The stage as a Gradio component."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from orwlab.show.lab.messages import count
from orwlab.show.stage import javascript, stylesheet

# Evaluated once, when the component is mounted. The template holds no ${value}: the canvas must survive updates, and
# only `watch` is to see them. 'wake' and 'state' are events that Python can listen to. A value without a frame may
# carry a notice: a sentence, for a page that has a place for it.
_MOUNT = """
const host = {
  acknowledge: (run, seq) => server.acknowledge(run, seq),
  wake: () => trigger('wake'),
  stateChanged: (state) => { if (state !== 'starting') trigger('state'); },
  ...around(element, server, trigger),
};
const stage = createStage(element.querySelector('.orw-stage'), host);
host.attach?.(stage);
watch('value', () => {
  host.notice?.(props.value?.notice);
  if (host.receive) host.receive(props.value);
  else stage.receive(props.value);
});
stage.receive(props.value);
"""


def gradio_stage(
    value: Any,
    acknowledge: Callable[[Any, int | None], bool],
    *,
    template: str = '<div class="orw-stage"></div>',
    styles: str = "",
    script: str = "const around = () => ({});",
    functions: Sequence[Callable[..., Any]] = (),
    **kwargs: Any,
) -> gr.HTML:
    """A stage whose value is a picture, ``{"scene", "exact", "frame"}``, or ``{"notice"}``, a sentence in its place.

    Events: ``wake`` (the browser expects frames but nobody sends any), ``state`` (running, paused or stopped changed).
    A function and not a subclass: Gradio writes a stub file beside the source of every subclass.

    Args:
        value: the first picture, part of the page itself.
        acknowledge: called with what a browser takes for the run's name, and the number of a painted frame or None;
            returns whether somebody is still sending.
        template: the HTML around the stage's element.
        styles: its style sheet.
        script: its JavaScript; it defines ``around(element, server, trigger)``, which returns the stage's host.
        functions: Python functions of one list, called from the script as ``server.NAME(...)``.
        kwargs: as for ``gr.HTML``.
    """

    async def receive(arguments: Any) -> bool:
        run, seq = arguments if isinstance(arguments, list) and len(arguments) == 2 else (None, None)
        return acknowledge(run, count(seq))

    receive.__name__ = "acknowledge"  # what the script calls it
    return gr.HTML(
        value,
        html_template=template,
        css_template=stylesheet() + styles,
        js_on_load=f"{javascript()}\n{script}\n{_MOUNT}",
        apply_default_css=False,
        server_functions=[receive, *functions],
        **kwargs,
    )
