"""The mean reward that an infinitely good network would settle at, for the dashed line beside the learned one."""

import functools
import warnings
from typing import NamedTuple

from orwlab import oracle, rewards, targets
from orwlab.show.studio.settings import Settings

AXIS = 96  # cells an axis: the reward is right to about 0.01, in half a second where alpha is not small
SMALLEST_ALPHA = 0.05  # below, the limit is a spike that no grid of this size holds
MAX_ROUNDS = 100


class ExactLimit(NamedTuple):
    """The mean reward of the limit, and whether the grid was fine enough to call it exact to two decimals."""

    reward: float
    resolved: bool


def exact_limit(settings: Settings) -> ExactLimit | None:
    """The limit of the population dynamics at these settings; None where there is none that a grid can hold."""
    return _limit(settings.target, settings.reward, settings.alpha, settings.tau)


@functools.lru_cache(maxsize=512)
def _limit(target: str, reward: str, alpha: float, tau: float) -> ExactLimit | None:
    if alpha < SMALLEST_ALPHA:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oracle.OracleWarning)  # its `problems` are read below
        dynamics = oracle.PopulationDynamics(targets.get(target), rewards.get(reward), tau=tau, alpha=alpha, axis=AXIS)
        found = dynamics.fixed_point(1e-3, max_rounds=MAX_ROUNDS)
    if not found.converged or "domain" in dynamics.problems or "mass" in dynamics.problems:
        return None
    return ExactLimit(float(dynamics.mean_reward), not dynamics.problems)
