"""A run of the lab as a cell of a notebook: the same rounds, the same changes, the same numbers."""

from orwlab import methods, zoo
from orwlab.show.lab import own
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.exact import AXIS
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.steered import RATES
from orwlab.show.lab.story import RESUME, Story

_OF_NETWORKS = ("lr", "steps_per_round", "fault")
"""changes that the exact densities know nothing of"""

_NOT_OF_A_RACE = ("alpha", "others", "steer", "budget", "tau", "steps_per_round", "fault")
"""changes that methods which race know nothing of"""

_LEARNED = """\
{head}
import orwlab
from orwlab.show.lab import {modules}

reference = {reference}
runs = [
    orwlab.finetune.FineTuning(
        reference, {paid}, tau={tau!r}, alpha=alpha, weighting={weighting!r},
        coupling={coupling!r}, steps_per_round={steps_per_round}, lr={lr!r}, seed={seed},
    )
    for alpha in {alphas!r}
]
{rounds}
for run in runs:
    v = run.{network}
    x = orwlab.flow.push(v, yardstick.noise(), run.sampler)  # fixed, evenly spread noise: what the lab reads on
    r = orwlab.rewards.evaluate({read}, x)
    print(f"alpha {{run.alpha:g}}: mean reward {{r.mean():.3f}}, diversity {{measures.diversity(x):.3f}}")
"""

_RACE = """\
{head}
import orwlab
from orwlab.show.lab import {modules}

reference = {reference}
runs = [
    orwlab.methods.get(name)(reference, {reward}, strength={strength!r}, lr={lr!r}, seed={seed})
    for name in {methods!r}
]
{rounds}
for run in runs:
    v = run.{network}
    x = orwlab.flow.push(v, yardstick.noise(), run.sampler)  # fixed, evenly spread noise: what the lab reads on
    r = orwlab.rewards.evaluate(run.reward, x)
    print(f"{{run.card.short}}: mean reward {{r.mean():.3f}}, diversity {{measures.diversity(x):.3f}}")
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
        ValueError: lanes had stopped on the way and gone on, or methods stood still for want of a slope: in a cell they
            would just stop.
    """
    if any(name == RESUME for _, name, _ in story.log):
        raise ValueError("This run had stopped on the way and gone on; a cell that repeats it would stop there.")
    settings = Settings(**story.scene)
    exact = mode == "exact" and not settings.methods
    settings = settings.changed(mode="exact" if exact else "learned")
    what, one = ("lanes", "lane") if exact else ("runs", "run")
    blocks, now, at = _steers(one, settings), settings, 0
    unknown = _OF_NETWORKS if exact else _NOT_OF_A_RACE if settings.methods else ()
    for round, name, value in story.log:
        if name in unknown:
            continue
        then = now.changed(**{name: value})
        blocks += [*_go(what, one, at, round, now), *_change(what, one, name, now, then)]
        now, at = then, max(at, round)
    blocks += _go(what, one, at, story.round, now)
    said = {name: BY_NAME[name].words(getattr(settings, name)) for name in ("target", "reward")}  # type: ignore[attr-defined]
    head = f"# orwlab's live lab: target “{said['target']}”, reward “{said['reward']}”, {story.round} rounds"
    brought = {name: own.is_own(getattr(settings, name)) for name in ("target", "reward")}
    brought["reward"] |= any(name == "reward" and own.is_own(value) for _, name, value in story.log)
    modules = {"exact"} if exact else {"measures", "yardstick"}
    faults = {settings.fault, *(value for _, name, value in story.log if name == "fault")} - {""}
    modules |= {"lanes"} if faults and not exact else set()
    modules |= {"own"} if brought["reward"] or (brought["target"] and exact) else set()
    modules |= {"fitting"} if brought["target"] and not exact else set()
    if settings.methods:
        _refuse_the_shut_out(settings, [value for _, name, value in story.log if name == "reward"])
    return (_RACE if settings.methods else _EXACT if exact else _LEARNED).format(
        head=head,
        modules=", ".join(sorted(modules)),
        reference=_reference(settings),
        target=_target(settings.target),
        reward=_reward(settings.reward),
        paid=_paid(settings),
        read=_reward(now.reward) if faults else "run.reward",
        tau=settings.tau,
        weighting=settings.weighting,
        coupling=settings.coupling,
        steps_per_round=settings.steps_per_round,
        lr=settings.lr,
        seed=settings.seed,
        alphas=settings.alphas,
        methods=settings.methods,
        strength=settings.strength,
        axis=AXIS,
        network="average" if measured == "average" else "policy",
        rounds="\n".join(blocks),
    )


def _refuse_the_shut_out(settings: Settings, later: list[str]) -> None:
    from orwlab.show.lab import rivals  # imported here: it needs all of the exact answers

    sloped = [name for name in settings.methods if methods.card(name).gradient]
    if sloped and any(rivals.shuts_out(settings.target, reward) for reward in (settings.reward, *later)):
        names = " and ".join(methods.card(name).short for name in sloped)
        raise ValueError(f"{names} stood still for want of a slope; a cell that repeats this race would stop there.")


def _reward(name: str) -> str:
    return f"own.reward({name!r})" if own.is_own(name) else f"orwlab.rewards.get({name!r})"


def _target(name: str) -> str:
    if own.is_own(name):
        return f"own.target({name!r})"
    return f"orwlab.zoo.target({name!r})" if name in zoo.CODES else f"orwlab.targets.get({name!r})"


def _paid(settings: Settings) -> str:
    """The reward as a run gets it."""
    reward = _reward(settings.reward)
    return f"lanes.shuffled({reward})" if settings.fault == "shuffled" else reward


def _steers(one: str, settings: Settings) -> list[str]:
    """Lines that begin to steer the first alpha, if it is steered."""
    if not settings.steered:
        return []
    rate = RATES["exact" if settings.mode == "exact" else "learned"]
    return [
        f"steering = orwlab.methods.steering.Steering({settings.budget!r}, {one}s[0].alpha, rate={rate!r})",
        f"{one}s[0].alpha = steering.alpha",
    ]


def _reference(settings: Settings) -> str:
    from orwlab.show.lab.lanes import reference_name  # imported here: it needs all of the lab

    name = reference_name(settings)
    # trained again in the cell, as it was in the lab: some seconds
    return f"fitting.network({name!r})" if own.is_own(name) else f"orwlab.zoo.load({name!r})"


def _go(what: str, one: str, at: int, until: int, now: Settings) -> list[str]:
    """Lines that do the rounds from ``at`` to ``until``."""
    n = until - at
    if n <= 0:
        return []
    lines = [f"for {one} in {what}:  # rounds {at + 1} to {until}"]
    if now.mode == "exact":
        lines += [f"    for _ in range({n}):", f"        {one}.step()"]
        spent = f"exact.kl({one})" if now.steer == "kl" else f"exact.penalty({one})"
    elif now.steered:
        lines += [f"    for last in {one}.rounds({n}):"]
        spent = "last.penalty"
    else:
        lines += [f"    for _ in {one}.rounds({n}):", "        pass"]
    if now.steered:
        lines += [
            f"        if {one} is {what}[0]:",
            f"            {one}.alpha = steering.update({spent})",
        ]
    return lines


def _change(what: str, one: str, name: str, now: Settings, then: Settings) -> list[str]:
    """Lines that change one control."""
    head = f"for {one} in {what}:  # {BY_NAME[name].label}"
    if name == "steer":
        if then.steered:
            return [] if now.steered else _steers(one, then)
        return [f"{what}[0].alpha = {then.alpha!r}"] if now.steered else []
    if name == "budget":
        return [f"steering.budget = {then.budget!r}"] if then.steered else []
    if name == "alpha":
        return [] if then.steered else [f"{what}[0].alpha = {then.alpha!r}"]
    if name == "others":
        return [f"for {one}, alpha in zip({what}[1:], {then.others!r}):", f"    {one}.alpha = alpha"]
    if name in ("reward", "fault"):
        return [head, f"    {one}.reward = {_reward(then.reward) if then.mode == 'exact' else _paid(then)}"]
    return [head, f"    {one}.{name} = {getattr(then, name)!r}"]
