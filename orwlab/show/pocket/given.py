"""What the Pocket lab's JavaScript has to know of targets and rewards that have a name, as JSON holds it."""

import dataclasses
import functools
from typing import Any

import torch
from torch import Tensor

from orwlab import checks, rewards, targets, zoo
from orwlab.rewards import Reward
from orwlab.show.lab import own
from orwlab.targets import GaussianMixture

NO_DIGITS = (
    "Which digits are wanted is judged by a network; networks need the app, in which this page's link shows them."
)
KINDS = (rewards.Direction, rewards.Plane, rewards.Bump, rewards.Ring, rewards.Angle, rewards.Box, rewards.Sum)
"""rewards that ``rewards.js`` can compute"""


@functools.cache
def tables() -> dict[str, Any]:
    """What ``given.load`` of ``given.js`` is given: the numbers of all named targets and rewards."""
    return {
        "targets": {name: _target(zoo.target(name)) for name in (*targets.names(), *zoo.CODES)},
        "rewards": {name: _reward(rewards.get(name)) for name in rewards.names()},
        "mostWords": own.MOST_WORDS,
        "noDigits": NO_DIGITS,
    }


def _target(target: GaussianMixture) -> dict[str, Any]:
    covs = target.covs
    variance = float(covs[0, 0, 0])
    alike = torch.equal(covs, variance * torch.eye(target.dim, dtype=covs.dtype).expand_as(covs))
    return {
        "dim": target.dim,
        "weights": target.weights.tolist(),
        "means": _flat(target.means),
        "covs": variance if alike else _flat(covs),
        "modes": target.modes.tolist(),
    }


def _flat(x: Tensor) -> list[float]:
    return x.flatten().tolist()


def _reward(reward: Reward) -> dict[str, Any]:
    """Its kind and its numbers.

    Raises:
        ValueError: ``rewards.js`` cannot compute it.
    """
    if not isinstance(reward, KINDS):
        raise checks.fail("reward", reward, f"one of {', '.join(kind.__name__ for kind in KINDS)}")
    said = {field.name: getattr(reward, field.name) for field in dataclasses.fields(reward)}
    if isinstance(reward, rewards.Sum):
        said["rewards"] = [_reward(one) for one in reward.rewards]
    return {"kind": type(reward).__name__, **said}
