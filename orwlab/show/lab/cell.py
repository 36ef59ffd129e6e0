"""A run of the lab as a cell of a notebook: the same rounds, the same changes, the same numbers."""

from typing import Any

from orwlab.show.lab import own
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.exact import AXIS
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import RESUME, Story

_OF_NETWORKS = ("lr", "steps_per_round")
"""changes that the exact densities know nothing of"""

_LEARNED = """\
{head}
import orwlab
from orwlab.show.lab import {modules}

reference = {reference}
runs = [
    orwlab.finetune.FineTuning(
        reference, {reward}, tau={tau!r}, alpha=alpha, weighting={weighting!r},
        coupling={coupling!r}, steps_per_round={steps_per_round}, lr={lr!r}, seed={seed},
    )
    for alpha in {alphas!r}
]
{rounds}
for run in runs:
    v = run.{network}
    x = orwlab.flow.push(v, yardstick.noise(), run.sampler)  # fixed, evenly spread noise: what the lab reads on
    r = orwlab.rewards.evaluate(run.reward, x)
    print(f"alpha {{run.alpha:g}}: mean reward {{r.mean():.3f}}, diversity {{measures.diversity(x):.3f}}")
"""

_EXACT = """\
{head}
import orwlab
from orwlab.show.lab import {modules}

target = {target}
lanes = [
    orwlab.oracle.PopulationDynamics(
        target, {reward}, tau={tau!r}, alpha=alpha, weighting={weighting!r}, axis={axis}
    )
    for alpha in {alphas!r}
]
{rounds}
for lane in lanes:
    print(f"alpha {{lane.alpha:g}}: mean reward {{lane.mean_reward:.3f}}, diversity {{exact.diversity(lane):.3f}}")
"""


def cell(story: Story, mode: str = "learned", measured: str = "average") -> str:
    """The source of a cell that repeats ``story`` and prints every lane's mean reward and diversity.

    Args:
        story: the settings at round 0, the changes since, and the round to stop at.
        mode: "exact" repeats the population dynamics, anything else the networks.
        measured: whether it reads the "average" of a network's weights or the "iterate".

    Raises:
        ValueError: lanes had stopped on the way and gone on: in a cell they would just stop.
    """
    if any(name == RESUME for _, name, _ in story.log):
        raise ValueError("This run had stopped on the way and gone on; a cell that repeats it would stop there.")
    settings = Settings(**story.scene)
    exact = mode == "exact"
    what, one = ("lanes", "lane") if exact else ("runs", "run")
    blocks, now, at = [], settings, 0
    for round, name, value in story.log:
        if exact and name in _OF_NETWORKS:
            continue
        blocks += [*_go(what, one, at, round, exact), *_change(what, one, name, value, now)]
        now, at = now.changed(**{name: value}), max(at, round)
    blocks += _go(what, one, at, story.round, exact)
    said = {name: BY_NAME[name].words(getattr(settings, name)) for name in ("target", "reward")}  # type: ignore[attr-defined]
    head = f"# orwlab's live lab: target “{said['target']}”, reward “{said['reward']}”, {story.round} rounds"
    brought = {name: own.is_own(getattr(settings, name)) for name in ("target", "reward")}
    brought["reward"] |= any(name == "reward" and own.is_own(value) for _, name, value in story.log)
    modules = {"exact"} if exact else {"measures", "yardstick"}
    modules |= {"own"} if brought["reward"] or (brought["target"] and exact) else set()
    modules |= {"fitting"} if brought["target"] and not exact else set()
    return (_EXACT if exact else _LEARNED).format(
        head=head,
        modules=", ".join(sorted(modules)),
        reference=_reference(settings),
        target=f"own.target({settings.target!r})" if brought["target"] else f"orwlab.targets.get({settings.target!r})",
        reward=_reward(settings.reward),
        tau=settings.tau,
        weighting=settings.weighting,
        coupling=settings.coupling,
        steps_per_round=settings.steps_per_round,
        lr=settings.lr,
        seed=settings.seed,
        alphas=settings.alphas,
        axis=AXIS,
        network="average" if measured == "average" else "policy",
        rounds="\n".join(blocks),
    )


def _reward(name: str) -> str:
    return f"own.reward({name!r})" if own.is_own(name) else f"orwlab.rewards.get({name!r})"


def _reference(settings: Settings) -> str:
    from orwlab.show.lab.lanes import reference_name  # imported here: it needs all of the lab

    name = reference_name(settings)
    # trained again in the cell, as it was in the lab: some seconds
    return f"fitting.network({name!r})" if own.is_own(name) else f"orwlab.zoo.load({name!r})"


def _go(what: str, one: str, at: int, until: int, exact: bool) -> list[str]:
    """Lines that do the rounds from ``at`` to ``until``."""
    n = until - at
    if n <= 0:
        return []
    if exact:
        return [
            f"for {one} in {what}:  # rounds {at + 1} to {until}",
            f"    for _ in range({n}):",
            f"        {one}.step()",
        ]
    return [f"for {one} in {what}:  # rounds {at + 1} to {until}", f"    for _ in {one}.rounds({n}):", "        pass"]


def _change(what: str, one: str, name: str, value: Any, now: Settings) -> list[str]:
    """Lines that change one control."""
    label = BY_NAME[name].label
    if name in ("alpha", "others"):
        alphas = now.changed(**{name: value}).alphas
        return [f"for {one}, alpha in zip({what}, {alphas!r}):  # {label}", f"    {one}.alpha = alpha"]
    value = _reward(value) if name == "reward" else repr(value)
    return [f"for {one} in {what}:  # {label}", f"    {one}.{name} = {value}"]
