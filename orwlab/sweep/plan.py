"""What a sweep is to do: its settings, checked before any work, and the tasks that they come to."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from orwlab import checks, methods, rewards, written, zoo
from orwlab.sweep import meaning, once, work
from orwlab.sweep.once import Call

OWN = ("alphas", "taus", "seeds", "target", "reward", "method", "rounds")
"""what every sweep has; whatever else is given goes to the methods"""


@dataclass(frozen=True)
class Plan:
    """A sweep's settings, checked; ``planned`` makes one."""

    alphas: tuple[float, ...]
    taus: tuple[float, ...]
    seeds: tuple[int, ...]
    targets: Mapping[str, tuple[Any, nn.Module] | None]
    """name -> (target, reference); None for those of the zoo"""
    rewards: Mapping[str, Any]
    """name -> callable; None for those of the gallery"""
    methods: tuple[str, ...]
    rounds: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    """of the methods, such as batch_size and lr"""

    @functools.cached_property
    def meanings(self) -> dict[tuple[str, str], str]:
        """("target" or "reward", name) -> a fingerprint of what is behind it."""
        found = {}
        for name, pair in self.targets.items():
            found["target", name] = _meant("target", name, (zoo.target(name), zoo.load(name)) if pair is None else pair)
        for name, reward in self.rewards.items():
            found["reward", name] = _meant("reward", name, rewards.get(name) if reward is None else reward)
        return found

    @functools.cached_property
    def places(self) -> list["Place"]:
        """The rows of the table, in its order."""
        return [
            Place(target, reward, method, alpha, tau, seed)
            for target in self.targets
            for reward in self.rewards
            for method in self.methods
            for tau in self.taus
            for alpha in self.alphas
            for seed in self.seeds
        ]

    def run(self, place: "Place") -> tuple[str, Call]:
        """The key and the call of a row's run. Rows that come to the same run have the same key."""
        target, reward = self.targets[place.target], self.rewards[place.reward]
        more = dict(self.settings)
        call = (
            *(work.run, place.target if target is None else target[1], place.reward if reward is None else reward),
            *(place.method, place.dial, place.seed, self.rounds, more),
        )
        return self._told(call, "run", place, seed=place.seed, rounds=self.rounds, settings=more)

    def limit(self, place: "Place") -> tuple[str, Call] | None:
        """The key and the call of a row's exact answer, the same for all seeds; None where no density is known."""
        target, reward = self.targets[place.target], self.rewards[place.reward]
        if target is not None and (target[0] is None or target[0].dim > 2):
            return None
        kind = methods.get(place.method)
        known = kind.goes_there(self.settings)
        sure = known and kind.is_sure(self.settings)
        call = (
            *(work.limit, place.target if target is None else target[0], place.reward if reward is None else reward),
            *(place.method, place.dial, known, sure),
        )
        return self._told(call, "limit", place, **{n: v for n, v in (("known", known), ("sure", sure)) if not v})

    def _told(self, call: Call, kind: str, place: "Place", **more: Any) -> tuple[str, Call]:
        """The key of a call, and the call, which hands on what it is that it does."""
        task = {
            "kind": kind,
            "target": [place.target, self.meanings["target", place.target]],
            "reward": [place.reward, self.meanings["reward", place.reward]],
            "method": place.method,
            "dial": place.dial,
            "code": meaning.of_code(*work.CODE),
            **more,
        }
        return once.digest(task)[:32], (work.told, task, *call)


@dataclass(frozen=True)
class Place:
    """Which run a row is of."""

    target: str
    reward: str
    method: str
    alpha: float
    tau: float
    seed: int

    @property
    def strength(self) -> float:
        """The ratio tau / alpha, or tau for a method without alpha; to twelve digits, so that 0.3 / 0.1 is 3 / 1."""
        if self.method in work.BY_TAU:
            return self.tau
        return float(f"{self.tau / self.alpha:.12g}") if self.alpha > 0 else float("inf")

    @property
    def dial(self) -> dict[str, float]:
        """What the method is told."""
        if self.method == work.PAPER:
            return {"alpha": self.alpha, "tau": self.tau}
        return {"strength": self.strength}


def planned(
    alphas: Any,
    taus: Any = 1.0,
    seeds: Any = 0,
    *,
    target: Any = "eight_gaussians",
    reward: Any = "right",
    method: Any = work.PAPER,
    rounds: Any = 300,
    **settings: Any,
) -> Plan:
    """The arguments of ``sweep.run``, checked.

    Raises:
        ValueError: any of them out of range, named; before any work.
    """
    plan = Plan(
        alphas=_amounts("alphas", alphas),
        taus=_amounts("taus", taus),
        seeds=_different("seeds", [checks.seed("a seed of seeds", one) for one in _list("seeds", seeds)]),
        targets=_named("target", target, zoo.names("points"), _target),
        rewards=_named("reward", reward, rewards.names(), _reward),
        methods=_different(
            "method", [checks.choice("method", one, methods.names()) for one in _list("method", method)]
        ),
        rounds=checks.integer("rounds", rounds),
        settings={name: _plain(name, value) for name, value in settings.items()},
    )
    _check_settings(plan)
    return plan


def known_settings(method: str) -> list[str]:
    """What a sweep of a method takes beside ``OWN``."""
    return sorted(set(methods.get(method).settings_names) - {"strength", "tau", "alpha", "seed"})


def all_settings() -> list[str]:
    """What a sweep of one method or another takes beside ``OWN``."""
    return sorted({setting for name in methods.names() for setting in known_settings(name)})


def unknown(name: Any, known: Iterable[str]) -> str:
    """A sentence's end: which names are allowed, the nearest first."""
    known = list(known)
    near = written.nearest(str(name), known)
    return ("one of " if near is None else f"{near!r} (the nearest), or another of ") + ", ".join(known)


def _meant(kind: str, name: str, value: Any) -> str:
    try:
        return meaning.of(value)
    except ValueError as error:
        raise ValueError(f"{kind} {name!r}: {error}") from None


def _check_settings(plan: Plan) -> None:
    for method in plan.methods:
        known = known_settings(method)
        for name in plan.settings:
            if name not in known:
                raise ValueError(f"{name} is no setting of {method}; allowed: {unknown(name, [*OWN, *known])}")
    for place in plan.places:
        if place.method != work.PAPER and not 1e-3 <= place.strength <= 1e3:
            which = "tau" if place.method in work.BY_TAU else f"tau / alpha, here {place.tau:g} / {place.alpha:g},"
            raise checks.fail("strength", place.strength, f"0.001 to 1000; for {place.method} it is {which}")
    reference = zoo.load("gaussian")
    for method in plan.methods:  # settings are tried on the smallest network there is, before any work
        place = next(place for place in plan.places if place.method == method)
        work.begun(reference, _slope, method, place.dial, 0, plan.settings)


def _slope(x: Any) -> Any:
    return x.sum(-1)


def _amounts(name: str, value: Any) -> tuple[float, ...]:
    """Numbers >= 0: one, or several."""
    listed = hasattr(value, "__iter__") and not isinstance(value, str | bytes | Mapping)
    several = listed and getattr(value, "ndim", 1) > 0
    if not several:
        with contextlib.suppress(ValueError):
            value = checks.number(name, value)
        if not isinstance(value, float):
            raise checks.fail(name, value, "a number >= 0, or a list of them")
    return _different(name, checks.numbers(name, value if several else [value], low=0.0))


def _list(name: str, value: Any) -> list[Any]:
    """One thing, or several in a list, tuple, range or array."""
    if isinstance(value, str | Mapping | int) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) == 0:
        return [value]
    found = list(value)
    if not found:
        raise checks.fail(name, value, "at least one")
    return found


def _different(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    found = tuple(values)
    if len(set(found)) < len(found):
        raise checks.fail(name, list(found), "values that are all different")
    return found


def _named(name: str, given: Any, known: list[str], check: Callable[[str, Any], Any]) -> dict[str, Any]:
    """By name what is behind it, or None for a name of the library's."""
    if not isinstance(given, Mapping):
        return dict.fromkeys(_different(name, [_library(name, one, known) for one in _list(name, given)]))
    if not given:
        raise checks.fail(name, given, "at least one")
    for key in given:
        if not isinstance(key, str) or not key.strip() or len(key) > 80 or not key.isprintable():
            raise checks.fail(f"a name of {name}", key, "1 to 80 letters, digits and signs")
    return {key: check(f"{name} {key!r}", value) for key, value in given.items()}


def _library(name: str, one: Any, known: list[str]) -> str:
    allowed = {"target": "(target, reference)", "reward": "callable"}[name]
    if not isinstance(one, str) or one not in known:
        raise checks.fail(name, one, f"{unknown(one, known)}; or a mapping name -> {allowed}")
    return one


def _target(name: str, value: Any) -> tuple[Any, nn.Module]:
    allowed = "(target, reference): a density with dim and log_prob, or None, and its flow v(t, x)"
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[1], nn.Module):
        raise checks.fail(name, value, allowed)
    target, reference = value
    shape = getattr(reference, "event_shape", None)
    if shape is None or not any(p.requires_grad for p in reference.parameters()):
        raise checks.fail(f"the reference of {name}", reference, "a trainable network with an event_shape")
    if target is not None and (getattr(target, "dim", None),) != tuple(shape):
        raise checks.fail(f"the target of {name}", target, f"a density of the dimension of its flow, {tuple(shape)}")
    if target is not None and not callable(getattr(target, "log_prob", None)):
        raise checks.fail(name, value, allowed)
    return target, reference


def _reward(name: str, value: Any) -> Any:
    if not callable(value):
        raise checks.fail(name, value, "a callable (n, *event) -> (n,)")
    return value


def _plain(name: str, value: Any) -> Any:
    """A setting as a file can hold it."""
    allowed = "a number, a word, true, false, nothing, or a list of these"
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(name, one) for one in value]
    with contextlib.suppress(ValueError):
        return checks.integer(name, value, low=-checks.LARGEST)
    try:
        return checks.number(name, value)
    except ValueError as error:
        raise checks.fail(name, value, allowed) from error
