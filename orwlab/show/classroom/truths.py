"""The exact answers to a scene's question: from the population dynamics, without a network. Seconds, at worst many."""

import math
from collections.abc import Iterator
from typing import Any

from orwlab.show.classroom import predictions
from orwlab.show.classroom.lesson import READINGS, Alpha, Ask, Choose, Goal, Order, Place, Scene
from orwlab.show.lab import exact
from orwlab.show.lab.exact import Exact
from orwlab.show.lab.settings import Settings

SMALLEST, LARGEST = exact.SMALLEST_ALPHA, 100.0
"""alphas between which a goal is looked for"""
CLOSE = 0.01
"""how well its alpha is known, in powers of ten"""
MISSED = 0.005
"""by how much its reading may differ from the goal's, and so much of the range"""
DEAD = 0.1
"""the share of its first mass below which a mode has died"""
ROUNDS = 100
"""exact rounds in which a mode may die"""


def truth(scene: Scene) -> dict[str, Any]:
    """``{"value", "exact", "why"}`` of a scene: the right answer as ``predictions.check`` keeps it, None where there is
    none or where only the run can tell; of every lane what its exact limit reads, None where it has none; and why the
    answer is not known exactly, "" if it is. Of an order also ``alike``: see ``predictions.ordered``.

    Raises:
        ValueError: the question has no answer, such as a goal that no alpha reaches; in plain words.
    """
    settings, ask = scene.seen.story.settings, scene.ask
    limits = [exact.limit(settings, alpha) for alpha in exact.resting(settings)]
    reasons = [exact.why_none(settings, alpha) for alpha in exact.resting(settings)] if not settings.methods else []
    alike: list[list[int]] = []
    if isinstance(ask, Order):
        known = [reading(limit, ask.by) for limit in limits if limit is not None]
        value, alike = predictions.ordered(known) if len(known) == len(limits) else (None, [])
    else:
        value = None if ask is None else _value(ask, settings, limits)
    why = "" if value is not None or ask is None else next(filter(None, reasons), "")
    told = {"value": value, "exact": [_read(limit) for limit in limits], "why": why}
    return told | {"alike": alike} if isinstance(ask, Order) and value is not None else told


def pieces(scene: str) -> Iterator[dict[str, Any]]:
    """The same of a scene as JSON, as an errand: see ``web.errands``."""
    yield truth(Scene.model_validate_json(scene))


def _read(limit: Exact | None) -> dict[str, float] | None:
    return None if limit is None else {name: round(reading(limit, name), 4) for name in READINGS}


def reading(limit: Exact, name: str) -> float:
    """One of ``READINGS`` of a limit."""
    return float(limit.ess if name == "effective" else getattr(limit, name))


def _value(ask: Ask, settings: Settings, limits: list[Exact | None]) -> Any:
    if isinstance(ask, Choose):
        return ask.answer
    if isinstance(ask, Alpha):
        return ask.answer if ask.goal is None else round(alpha_for(settings, ask.goal), 3)
    if isinstance(ask, Place):
        if ask.answer == "peak":
            return peak(limits[0])
        if ask.answer == "first_to_die":
            return first_to_die(settings)
        return None if ask.answer is None else list(ask.answer)
    return None


def peak(limit: Exact | None) -> list[float] | None:
    """Where a limit is densest."""
    if limit is None:
        return None
    side = len(limit.density)
    x, y = divmod(int(limit.density.argmax()), side)
    return [round((k + 0.5) * 2 * limit.extent / side - limit.extent, 3) for k in (x, y)]


def first_to_die(settings: Settings) -> list[float] | None:
    """The middle of the mode that the exact rounds of the first alpha empty first; None if none dies in ``ROUNDS``."""
    state = exact.dynamics(settings, settings.alpha)
    name, cells = settings.target, state.cells
    first = exact.mass_at_modes(name, cells, state.density)
    for _ in range(ROUNDS):
        try:
            state.step()
        except FloatingPointError:
            return None
        share = exact.mass_at_modes(name, cells, state.density) / first
        if float(share.min()) < DEAD:
            return exact.middle_of_mode(name, cells, int(share.argmin()))
    return None


def alpha_for(settings: Settings, goal: Goal) -> float:
    """The alpha whose exact limit has what ``goal`` says, by bisection in its logarithm.

    Raises:
        ValueError: no alpha from ``SMALLEST`` to ``LARGEST`` has.
    """

    def off(log: float) -> float | None:
        limit = exact.limit(settings, math.exp(log))
        return None if limit is None else reading(limit, goal.reading) - goal.value

    low, high = math.log(SMALLEST), math.log(LARGEST)
    above, below = off(high), off(low)
    while below is None and high - low > math.log(2):  # the smallest alphas may have no limit on this grid
        low += math.log(2) / 2
        below = off(low)
    if above is None or below is None or above * below > 0:
        ends = [f"{gap + goal.value:.3g}" for gap in (below, above) if gap is not None]
        reached = f"from {ends[0]} to {ends[1]}" if len(ends) == 2 else "nothing"
        raise ValueError(f"goal.value is {goal.value:g}; allowed: what an α reaches there: {reached}")
    while high - low > CLOSE * math.log(10):
        middle = (low + high) / 2
        found = off(middle)
        if found is None or found * above <= 0:
            low = middle
        else:
            high = middle
    alpha = math.exp((low + high) / 2)
    missed = off(math.log(alpha))
    if missed is None or abs(missed) > MISSED * (1 + abs(above - below)):  # a hole: no limit in between
        raise ValueError(
            f"goal.value is {goal.value:g}; allowed: another one. Around α = {alpha:.2g} there are no limits"
        )
    return alpha
