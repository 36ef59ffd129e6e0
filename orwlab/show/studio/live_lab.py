"""The Live lab: steer a fine-tuning run while it happens."""

import math
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from orwlab import rewards
from orwlab.show.stage.gradio_stage import gradio_stage
from orwlab.show.studio.broadcast import Broadcast, Registry
from orwlab.show.studio.session import Session
from orwlab.show.studio.settings import ALPHA_MAX, SEED_MAX, TAU_MAX, Settings, target_names
from orwlab.show.studio.slider import parameter_slider

VISITORS = 20  # streams at once; the next visitor waits for one of them to end

_REWARD_LABELS = {
    "right": "Right (with a ceiling)",
    "plane": "Plane (without a ceiling)",
    "bump": "Bump (one good place)",
    "ring": "Ring (one good distance)",
    "angle": "Angle (up is good)",
    "box": "Box (in or out)",
    "two_bumps": "Two bumps (good, better)",
}

_DELIMITERS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]

_HEADING = """
<h1>Live lab: teach a flow model to like a reward, while you watch</h1>
<p>Each dot is one sample, and violet ground pays more: watch the dots move there, and what that costs in
<b>diversity</b>; then drag <b>α</b>.</p>
"""

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

The dashed line is where a perfect network would settle, computed without any network.

**Try this.** Set α to 0: nothing holds the samples back, and they crowd together where the reward is best, even beyond
the data. Move α back to 1: do they return? A large α gives the reference again. τ says how strongly the weights prefer
good samples.
"""


def build(demo: gr.Blocks, registry: Registry) -> None:
    """Put the page into ``demo``, which must be open. ``registry`` holds the sessions of everybody who comes."""
    default = Settings()
    targets = [(name.replace("_", " ").capitalize(), name) for name in target_names()]
    gallery = [(_REWARD_LABELS.get(name, name), name) for name in rewards.names()]

    gr.HTML(_HEADING, elem_id="lab-heading", apply_default_css=False)
    with gr.Row(elem_id="lab", equal_height=False):
        with gr.Column(scale=7, min_width=320, elem_id="lab-stage"):
            first = Session(default, name="first")
            first.state = "starting"  # until the visitor's own stream takes over
            stage = gradio_stage(first.frame(), registry.acknowledge, elem_id="stage")
            with gr.Accordion("What you are seeing", open=True, elem_id="lab-explanation"):
                gr.Markdown(_EXPLANATION, latex_delimiters=_DELIMITERS)
        with gr.Column(scale=2, min_width=300, elem_id="lab-controls"):
            with gr.Row(elem_id="lab-buttons"):
                start = gr.Button("Start", variant="primary", min_width=60, elem_id="start")
                pause = gr.Button("Pause", min_width=60, elem_id="pause")
                step = gr.Button("Step", min_width=60, elem_id="step")
                reset = gr.Button("Reset", min_width=60, elem_id="reset")
            alpha = parameter_slider(
                default.alpha,
                label="W2 weight α",
                info="How strongly the model is held to the reference; 0 lets it go.",
                low=0.01,
                high=ALPHA_MAX,
                positions=81,
                ticks=(0, 0.1, 1, 10, 100),
                log=True,
                elem_id="alpha",
            )
            tau = parameter_slider(
                default.tau,
                label="Inverse temperature τ",
                info="How sharply the weights prefer samples with a high reward; 0 ignores the reward.",
                low=0.0,
                high=TAU_MAX,
                positions=100,
                ticks=(0, 1, 2, 3, 4, 5),
                log=False,
                elem_id="tau",
            )
            target = gr.Dropdown(
                targets,
                value=default.target,
                label="Target",
                info="The data the reference was trained on; a new choice starts again.",
                elem_id="target",
            )
            reward = gr.Dropdown(
                gallery,
                value=default.reward,
                label="Reward",
                info="What samples are paid for; a new choice starts again.",
                elem_id="reward",
            )
            seed = gr.Number(
                default.seed,
                label="Seed",
                info="The same seed and the same moves give the same run; a new one starts again.",
                precision=0,
                minimum=0,
                maximum=SEED_MAX,
                elem_id="seed",
            )
    _connect(
        demo,
        registry,
        stage,
        dict(target=target, reward=reward, alpha=alpha, tau=tau, seed=seed),
        dict(play=start, pause=pause, step=step, reset=reset),
    )


def _connect(
    demo: gr.Blocks,
    registry: Registry,
    stage: gr.HTML,
    settings: dict[str, Any],
    buttons: dict[str, gr.Button],
) -> None:
    """Wire controls to the visitor's session.

    Handlers only write into the session, so they answer at once; ``queue=False`` because running streams would
    otherwise stand before them in the queue.
    """
    hot: dict[str, Any] = dict(queue=False, show_progress="hidden", api_visibility="private")

    async def stream(request: gr.Request, *values: Any) -> AsyncIterator[dict[str, str]]:
        visitor = _visitor(request)
        try:
            chosen = Settings(**{name: _unstamped(value)[0] for name, value in zip(settings, values)})
        except ValueError:
            chosen = Settings()  # the page's own controls cannot say this; somebody called the interface by hand
        broadcast = await registry.open(visitor, chosen)
        async for picture in broadcast.frames():
            yield picture

    live: dict[str, Any] = dict(
        fn=stream,
        inputs=list(settings.values()),
        outputs=stage,
        show_progress="hidden",
        concurrency_limit=VISITORS,
        concurrency_id="stream",
        api_visibility="private",
    )
    demo.load(**live)
    stage.wake(trigger_mode="multiple", **live)

    def changed(name: str) -> Any:
        async def handler(value: Any, request: gr.Request) -> None:
            broadcast = registry.find(_visitor(request))
            if broadcast is None:
                return  # the stream that is about to start reads the controls itself
            try:
                value, stamp = _unstamped(value)
                if broadcast.is_newest(name, stamp):
                    broadcast.session.control(**{name: value})
            except ValueError as error:
                raise gr.Error(str(error), print_exception=False) from None

        return handler

    for name in ("alpha", "tau", "target", "reward"):
        settings[name].input(changed(name), settings[name], trigger_mode="always_last", **hot)
    gr.on(
        [settings["seed"].submit, settings["seed"].blur],
        changed("seed"),
        settings["seed"],
        trigger_mode="always_last",
        **hot,
    )

    def pressed(action: str) -> Any:
        async def handler(request: gr.Request) -> None:
            broadcast: Broadcast | None = registry.find(_visitor(request))
            if broadcast is not None:
                getattr(broadcast.session, action)()

        return handler

    for action, button in buttons.items():
        button.click(pressed(action), trigger_mode="multiple", **hot)

    async def relabel(request: gr.Request) -> list[Any]:
        broadcast = registry.find(_visitor(request))
        running = broadcast is not None and broadcast.session.state == "running"
        return [gr.Button(variant="secondary"), gr.Button(variant="primary")][:: 1 if running else -1]

    stage.state(relabel, outputs=[buttons["play"], buttons["pause"]], trigger_mode="always_last", **hot)

    def leave(request: gr.Request) -> None:
        registry.close(_visitor(request))

    demo.unload(leave)


def _visitor(request: gr.Request) -> str:
    return str(request.session_hash or "")


def _unstamped(value: Any) -> tuple[Any, float]:
    """A control's value and, for the sliders, its stamp; both come from a browser and may be anything."""
    if isinstance(value, list):
        if len(value) != 2 or not isinstance(value[1], int | float):
            raise ValueError(f"a slider sent {value!r:.80}; allowed: [number, stamp]")
        return value[0], value[1]
    return value, math.inf
