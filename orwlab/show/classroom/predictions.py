"""Guesses: what one may answer to each kind of question, how near it is, and what all of them say together."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from orwlab import checks
from orwlab.show.classroom.lesson import Alpha, Ask, Choose, Curve, Order, Place, Scene

CURVE = 33
"""values of a curve that is drawn, evenly spaced from the first round to the last"""
NOWHERE = 3.0
"""how far from the right place a guess is worth nothing, in units of the data"""
DECADES = 1.0
"""how many powers of ten from the right alpha a guess is worth nothing"""
LEAST_ALPHA = 0.01
"""what alpha = 0 counts as where powers of ten are compared: the slider's place next to it"""
FAR = 20.0
SAME = 0.005
"""below this difference two readings are alike; of large ones, below this share"""


def check(scene: Scene, value: Any) -> Any:
    """A guess as it is kept: an option's number from 1, an alpha, [x, y], ``CURVE`` heights, or lanes from 1 in order.

    Raises:
        ValueError: it is none for this scene's question; in plain words.
    """
    ask = scene.ask
    if isinstance(ask, Choose):
        return checks.integer("choice", value, low=1, high=len(ask.options))
    if isinstance(ask, Alpha):
        return checks.number("α", value, low=0.0, high=100.0)
    if isinstance(ask, Place):
        place = _numbers("place", value, 2, -FAR, FAR)
        return [round(c, 3) for c in place]
    if isinstance(ask, Curve):
        return [round(y, 4) for y in _numbers("curve", value, CURVE, ask.low, ask.high)]
    if isinstance(ask, Order):
        lanes = list(range(1, len(scene.seen.story.settings.alphas) + 1))
        if not isinstance(value, list) or len(value) != len(lanes) or any(type(one) is not int for one in value):
            raise checks.fail("order", value, f"the numbers {lanes[0]} to {lanes[-1]}, each once")
        if sorted(value) != lanes:
            raise checks.fail("order", value, f"the numbers {lanes[0]} to {lanes[-1]}, each once")
        return value
    raise ValueError("nothing is asked here; allowed: an answer while a question is on show")


def _numbers(name: str, value: Any, count: int, low: float, high: float) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise checks.fail(name, value, f"{count} numbers")
    return [checks.number(name, one, low=low, high=high) for one in value]


def closeness(ask: Ask, guess: Any, truth: Any, alike: Collection[Sequence[int]] = ()) -> float | None:
    """How near a guess is, from 0 to 1; None where nothing is right or wrong.

    Of an order it is the share of pairs that stand the right way round; pairs that are ``alike`` do not count.
    """
    if truth is None:
        return None
    if isinstance(ask, Choose):
        return float(guess == truth)
    if isinstance(ask, Alpha):
        return max(0.0, 1 - abs(_log(guess) - _log(truth)) / DECADES)
    if isinstance(ask, Place):
        return max(0.0, 1 - math.dist(guess, truth) / NOWHERE)
    if isinstance(ask, Curve):
        away = np.abs(np.subtract(guess, truth)).mean() / (ask.high - ask.low)
        return max(0.0, 1 - 2 * float(away))
    same = {frozenset(pair) for pair in alike}
    pairs = [(a, b) for i, a in enumerate(truth) for b in truth[i + 1 :] if frozenset((a, b)) not in same]
    return sum(guess.index(a) < guess.index(b) for a, b in pairs) / len(pairs) if pairs else 1.0


def ordered(readings: Sequence[float]) -> tuple[list[int] | None, list[list[int]]]:
    """Lanes from 1, the least reading first, and the pairs of which nobody could say which is less; no order of NaN."""
    if not np.isfinite(readings).all():
        return None, []
    order = sorted(range(len(readings)), key=readings.__getitem__)
    near = [[a + 1, b + 1] for i, a in enumerate(order) for b in order[i + 1 :] if _same(readings[a], readings[b])]
    return [k + 1 for k in order], near


def _same(a: float, b: float) -> bool:
    return abs(a - b) < SAME * max(1.0, abs(a), abs(b))


def _log(alpha: float) -> float:
    return math.log10(max(alpha, LEAST_ALPHA))


def points(near: float | None) -> int:
    """What a guess is worth, out of 100."""
    return 0 if near is None else round(100 * near)


def together(scene: Scene, guesses: Sequence[Any]) -> dict[str, Any]:
    """What all guesses say: of options how many chose each, of an order each lane's mean rank, else the middle one."""
    ask, many = scene.ask, len(guesses)
    if isinstance(ask, Choose):
        return {"counts": [sum(guess == k + 1 for guess in guesses) for k in range(len(ask.options))]}
    if not many:
        return {}
    if isinstance(ask, Alpha):
        return {"middle": float(np.median(guesses))}
    if isinstance(ask, Place | Curve):
        return {"middle": [round(float(c), 4) for c in np.median(np.array(guesses, float), 0)]}
    assert isinstance(ask, Order)
    ranks = [[guess.index(lane) + 1 for guess in guesses] for lane in sorted(guesses[0])]
    return {"ranks": [round(float(np.mean(ones)), 2) for ones in ranks]}


def of_the_run(ask: Ask, end: Mapping[str, Any], last_round: int) -> Any:
    """The truth that only the scene's run can tell, None if it is not there.

    Args:
        ask: the question.
        end: of the run's last picture: its ``rounds``, and ``values``, name -> a list a lane.
        last_round: how far the scene runs. A picture may be of some rounds more.
    """
    values = end.get("values", {})
    if isinstance(ask, Curve) and ask.of in values and len(end["rounds"]) > 1:
        at = np.linspace(0, last_round, CURVE)
        seen = np.interp(at, np.asarray(end["rounds"], float), np.asarray(values[ask.of][0], float))
        if not np.isfinite(seen).all():
            return None
        return [round(float(y), 4) for y in seen.clip(ask.low, ask.high)]
    if isinstance(ask, Order) and ask.by in values:
        last = [float(np.interp(last_round, end["rounds"], lane)) for lane in values[ask.by]]
        return ordered(last)[0]
    return None
