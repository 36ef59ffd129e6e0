"""A slider and a picture for notebooks: the exact limit on a line, recomputed while alpha is dragged (raw weights)."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from orwlab import checks, rewards, targets
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.rewards import Reward
from orwlab.show import figures, theme

LOWEST, HIGHEST = 0.03, 30.0
"""the slider's alphas: below, the limit is a spike; above, the reference"""


def exact_limit_figure(target_name: str, reward: Reward, tau: float, alphas: Sequence[float]) -> go.Figure:
    """Densities on a line: the pretrained one in grey, dashed the exact limit for each of ``alphas``.

    Args:
        target_name: a target on a line.
        reward: what is asked for.
        tau: inverse temperature, >= 0.
        alphas: W2 coefficients, > 0, no two alike.
    """
    named = {f"α = {alpha:g}": alpha for alpha in checks.numbers("alphas", alphas, above=0.0)}
    if len(named) < len(alphas):
        raise checks.fail("alphas", alphas, "numbers that differ in their first six digits: each names a curve")
    limits = {name: _limit(target_name, reward, tau, alpha) for name, alpha in named.items()}
    first = next(iter(limits.values()))
    return figures.densities_on_a_line(
        first.grid[:, 0], {name: limit.density for name, limit in limits.items()}, reference=first.reference_density
    )


def with_stops(figure: go.Figure, target_name: str, reward: Reward, tau: float, stops: Sequence[float]) -> go.Figure:
    """``figure``, as ``exact_limit_figure`` draws it, with a slider below that needs no kernel.

    At its left end it shows all that the figure held, then the exact limit at one of ``stops`` after another, computed
    now and kept in the figure.

    Args:
        figure: changed in place.
        target_name: a target on a line.
        reward: what is asked for.
        tau: inverse temperature, >= 0.
        stops: W2 coefficients, > 0, from left to right.
    """
    stops = checks.numbers("stops", stops, above=0.0)
    held, exact = len(figure.data), [_limit(target_name, reward, tau, alpha) for alpha in stops]
    for alpha, limit in zip(stops, exact):
        line = dict(color=theme.alpha_colour(alpha), width=2.5, dash="dash")
        x, y = (values.numpy().astype("float32") for values in (limit.grid[:, 0], limit.density))
        name = f"α = {alpha:g}<br>reward {limit.mean_reward:.2f}"
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", name=name, line=line, visible=False))
    shown = [[True] * held + [False] * len(stops)]
    shown += [[True] + [False] * (held - 1) + [k == j for j in range(len(stops))] for k in range(len(stops))]
    labels = ["all of these", *(f"{alpha:g}" for alpha in stops)]
    steps = [
        dict(method="restyle", args=[{"visible": visible}], label=label)
        for visible, label in zip(shown, labels, strict=True)
    ]
    slider = dict(active=0, steps=steps, currentvalue=dict(prefix="α: "), x=0.02, len=0.75, pad=dict(t=55))
    height, bottom = figure.layout.height or 420, figure.layout.margin.b or theme.MARGIN["b"]
    figure.update_layout(sliders=[slider], height=height + 90, margin=dict(b=bottom + 90))
    top = 1.05 * max(float(limit.density.max()) for limit in exact)
    figure.update_yaxes(range=[0, max(top, *(1.05 * float(max(trace.y)) for trace in figure.data[:held]))])
    return figure


def alpha_slider(target_name: str = "three_modes_1d", reward_name: str = "bump", tau: float = 2.0) -> Any:
    """An ipywidgets box: drag alpha (logarithmic), and the exact limit and its mean reward follow.

    Without a running kernel it cannot move; show ``exact_limit_figure`` next to it.
    """
    import ipywidgets  # imported here: everything else in this module draws without it

    reward = rewards.get(reward_name)
    # drawn for 1 whatever the slider says: blue, and not the grey of an alpha that leaves the reference as it is
    figure = go.FigureWidget(exact_limit_figure(target_name, reward, tau, (1.0,)))
    slider = ipywidgets.FloatLogSlider(
        value=HIGHEST,
        min=math.log10(LOWEST),
        max=math.log10(HIGHEST),
        step=0.02,
        description="W2 weight α",
        readout_format=".2f",
        style={"description_width": "initial"},
        layout={"width": "600px"},
    )
    words = ipywidgets.HTML()

    def follow(change: Any = None) -> None:
        limit = _limit(target_name, reward, tau, slider.value)
        with figure.batch_update():
            figure.data[1].y = limit.density.numpy()
            figure.data[1].name = f"α = {slider.value:.2f}"
        words.value = f"mean reward at the exact limit: <b>{limit.mean_reward:.3f}</b>"

    slider.observe(follow, names="value")
    follow()
    return ipywidgets.VBox([slider, words, figure])


def _limit(target_name: str, reward: Reward, tau: float, alpha: float) -> PopulationDynamics:
    target = targets.get(target_name)
    if target.dim != 1:
        raise checks.fail("target_name", target_name, "a target on a line, such as 'three_modes_1d'")
    limit = PopulationDynamics(target, reward, tau=tau, alpha=alpha)
    limit.fixed_point()
    return limit
