"""What one brings along, by the text that says it all: painted, typed or read, beside what has a name.

A setting of the lab is one text. ``paint:...`` is a painting, ``points:...`` somebody's points, ``formula:...`` a
formula, ``digits:...`` and ``judge:...`` say which digits are wanted; all other texts are names.
"""

import functools

import torch

from orwlab import rewards, zoo
from orwlab.rewards import Reward
from orwlab.show.lab import digits, formula, painting, points
from orwlab.targets import GaussianMixture

KEPT = 64  # densities and rewards that are remembered
MOST_WORDS = 40  # characters of what somebody brought, as one reads it

_PREFIXES = (painting.PREFIX, points.PREFIX, formula.PREFIX, *digits.PREFIXES)
_REWARDS_ONLY = {formula.PREFIX: "a formula is", **dict.fromkeys(digits.PREFIXES, "wanted digits are")}


def is_own(text: object) -> bool:
    """Whether ``text`` is something brought along rather than a name."""
    return isinstance(text, str) and text.startswith(_PREFIXES)


@functools.lru_cache(maxsize=KEPT)
@torch.inference_mode(False)  # what is kept serves under any mode
def _target(text: str) -> GaussianMixture:
    if text.startswith(painting.PREFIX):
        made: GaussianMixture = painting.target(painting.read(text))
    elif text.startswith(points.PREFIX):
        made = points.target(points.read(text))
    elif (what := _only_a_reward(text)) is not None:
        raise ValueError(f"{what} a reward, not a target; allowed: the name of a target, a painting or points")
    else:
        return zoo.target(text)
    made.name = text
    return made


def _only_a_reward(text: str) -> str | None:
    return next((what for prefix, what in _REWARDS_ONLY.items() if text.startswith(prefix)), None)


@functools.lru_cache(maxsize=KEPT)
@torch.inference_mode(False)  # what is kept serves under any mode
def _reward(text: str) -> Reward:
    if text.startswith(painting.PREFIX):
        return painting.Painted(painting.read(text))
    if text.startswith(formula.PREFIX):
        return formula.read(text)
    if text.startswith(digits.PREFIXES):
        return digits.read(text)
    if text.startswith(points.PREFIX):
        raise ValueError("points are a target, not a reward; allowed: the name of a reward, a painting or a formula")
    return rewards.get(text)


def belongs(text: str, target: str) -> bool:
    """Whether a list offers ``text`` while ``target`` is on show: wanted digits only in the plane of digits."""
    return target == digits.PLANE or not text.startswith(digits.PREFIXES)


def words(text: str) -> str:
    """What somebody brought along, in a few words: at most ``MOST_WORDS`` characters. A name is said as it is."""
    if text.startswith(painting.PREFIX):
        return "Your painting"
    if text.startswith(points.PREFIX):
        return "Your points"
    if text.startswith(digits.PREFIXES):
        text = digits.words(text)
    elif text.startswith(formula.PREFIX):
        text = f"Your formula: {text.removeprefix(formula.PREFIX)}"
    return text if len(text) <= MOST_WORDS else f"{text[: MOST_WORDS - 1]}…"


def target(text: str) -> GaussianMixture:
    """The target that ``text`` says: one object a text, whose ``name`` is that text.

    Raises:
        ValueError: there is no such name, or what was brought is damaged or empty, in people's words.
    """
    return _target(text) if isinstance(text, str) else zoo.target(text)


def reward(text: str) -> Reward:
    """The reward that ``text`` says: one object a text.

    Raises:
        ValueError: there is no such name, or what was brought is damaged or has no value somewhere, in people's words.
    """
    return _reward(text) if isinstance(text, str) else rewards.get(text)


def check_target(text: str) -> str:
    """``text``, if it says a target; ``ValueError`` as ``target``. No density is made of it yet."""
    if not is_own(text) or _only_a_reward(text) is not None:
        target(text)
    elif text.startswith(painting.PREFIX):
        painting.check_inked(painting.read(text))
    else:
        points.read(text)
    return text


def check_reward(text: str) -> str:
    """``text``, if it says a reward; ``ValueError`` as ``reward``."""
    reward(text)
    return text
