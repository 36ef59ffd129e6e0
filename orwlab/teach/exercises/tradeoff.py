"""Checks of notebook 07, on the trade-off and on choosing alpha."""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab import flow, rewards, targets, weights, zoo
from orwlab.exact.dynamics import OracleWarning, PopulationDynamics
from orwlab.measure.samples import DataRegion, mean_pairwise_distance
from orwlab.methods.orw import FineTuning
from orwlab.teach import checks

D = torch.float64
VERDICTS = ("healthy", "collapsed", "off the data", "asleep", "doubtful")

PATIENTS = {
    "A": ("right", 1.0, 30.0),
    "B": ("right", 30.0, 1.0),
    "C": ("bump", 2.0, 0.0),
    "D": ("right", 1.0, 0.3),
    "E": ("plane", 1.0, 0.02),
}
"""the five runs of "Name the illness": reward, tau, alpha; here, so that the notebook does not give them away"""


def readings(
    run: FineTuning, rounds: int, x0: Tensor, region: DataRegion
) -> tuple[dict[str, float], Tensor, list[float]]:
    """Train a run and take its readings, samples (n, d) from ``x0``, and rewards by round.

    ``reward_before`` and ``reward`` are means over samples of the reference and of the averaged policy; ``ess`` is the
    first round's effective sample size over the batch size and ``ess_last`` the last one's; ``penalty`` is
    E |v - v_ref|^2 in the last round; ``diversity`` is the mean distance between samples over the reference's;
    ``outside`` is the share of samples off the data.
    """
    snapshots = list(run.rounds(rounds))
    before, x = flow.sample(run.reference, x0), flow.sample(run.average, x0)
    found = {
        "reward_before": float(rewards.evaluate(run.reward, before).mean()),
        "reward": float(rewards.evaluate(run.reward, x).mean()),
        "ess": snapshots[0].ess / run.batch_size,
        "ess_last": snapshots[-1].ess / run.batch_size,
        "penalty": snapshots[-1].penalty,
        "diversity": mean_pairwise_distance(x) / mean_pairwise_distance(before),
        "outside": region.fraction_outside(x),
    }
    return found, x, [snapshot.reward for snapshot in snapshots]


def _outward(x: Tensor) -> Tensor:
    """A reward that is better away from the centre on every side: it rises with diversity."""
    return (x.norm(dim=1) / 2.5).tanh()


@functools.cache
def _cases() -> tuple[tuple[str, str, dict[str, float]], ...]:
    """Runs on targets that the notebook does not show: (verdict, settings in words, readings).

    No single reading tells the verdicts apart. Rewards come in several units (tau in the inverse ones, which changes
    nothing but the reading): so no gain in reward means the same everywhere. Healthy runs have penalties and
    diversities above and below those of sick ones.
    """
    right, bump, plane = rewards.get("right"), rewards.get("bump"), rewards.get("plane")
    found = []
    for verdict, name, words, reward, unit, tau, alpha in (
        ("healthy", "pinwheel", "right", right, 1.0, 1.0, 0.05),
        ("healthy", "pinwheel", "right", right, 0.05, 1.0, 0.3),
        ("healthy", "four_modes", "right", right, 1.0, 1.0, 0.1),
        ("healthy", "pinwheel", "outward", _outward, 1.0, 2.0, 0.3),
        ("collapsed", "two_moons", "a bump", rewards.Bump((1.0, 0.0), 1.0), 1.0, 2.0, 0.0),
        ("collapsed", "pinwheel", "bump", bump, 0.1, 2.0, 0.0),
        ("off the data", "pinwheel", "plane", plane, 1.0, 1.0, 0.05),
        ("off the data", "two_moons", "plane", plane, 0.1, 1.0, 0.05),
        ("asleep", "pinwheel", "right", right, 20.0, 1.0, 30.0),
        ("doubtful", "pinwheel", "right", right, 1.0, 30.0, 1.0),
    ):
        target, reference = targets.get(name), zoo.load(name)
        x0 = flow.noise(400, (2,), generator=torch.Generator().manual_seed(3))
        region = DataRegion(target.sample(2000, generator=torch.Generator().manual_seed(2)))
        run = FineTuning(reference, _InUnits(reward, unit), tau=tau / unit, alpha=alpha, weighting="mean_one", seed=1)
        scaled = words if unit == 1 else f"{unit:g} x {words}"
        settings = f"{name}, {scaled}, tau {tau / unit:g}, alpha {alpha:g}"
        found.append((verdict, settings, readings(run, 110, x0, region)[0]))
    return tuple(found)


class _InUnits:
    """A reward in another unit."""

    def __init__(self, reward: Callable[[Tensor], Tensor], unit: float) -> None:
        self.reward, self.unit = reward, unit

    def __call__(self, x: Tensor) -> Tensor:
        return self.unit * self.reward(x)


@checks.exercise
def diagnose(answer: Callable[[dict[str, float]], str]) -> None:
    """7.1: ``answer(readings)`` -> one of ``VERDICTS``."""
    checks.diagnosed(answer, _cases(), "Which of them differ from a healthy run's?")


@checks.exercise
def alpha_from_rewards(answer: Callable[..., Any]) -> None:
    """7.2: ``answer(r, goal, tau)`` -> the alpha for raw weights at which a tilt of the rewards r reaches the goal."""
    levels = (torch.arange(20_000, dtype=D) + 0.5) / 20_000
    r = torch.distributions.Normal(torch.zeros((), dtype=D), torch.ones((), dtype=D)).icdf(levels)
    for tau, goal in ((0.8, 0.4), (0.3, 1.0)):  # for N(0, 1) the tilt's mean is tau_eff itself
        checks.close(
            f"normal rewards, τ = {tau:g}, goal {goal:g}: τ Z / goal",
            answer(r, goal, tau),
            tau * math.exp(tau**2 / 2) / goal,
            0.02,
            hint="First tau_eff, at which the tilted mean is the goal, then tau Z / tau_eff, Z being the "
            "reference's mean weight at tau. Without Z you have the formula for mean-one weights.",
        )
    coin = torch.tensor([0.0, 1.0], dtype=D).repeat(50)
    checks.close(
        "a coin, τ = 1, goal 0.8",
        answer(coin, 0.8, 1.0),
        (1 + math.e) / 2 / math.log(4),  # e^s / (1 + e^s) = 0.8 at s = log 4
        0.005,
        hint="(goal - mean) / variance is tau_eff only for a very weak tilt: solve for it.",
    )


@checks.exercise
def same_limit(answer: Callable[..., Any]) -> None:
    """7.3: ``answer(alpha, tau, scale, shift, weighting)`` -> (alpha, tau) for the reward scale * r + shift.

    They shall keep the limit that (alpha, tau) has with the reward r; weighting is "exp" (raw) or "mean_one".
    """
    right = rewards.get("right")
    for weighting, words, tau, alpha, scale, shift in (
        ("exp", "raw", 1.0, 1.0, 1.0, 0.7),
        ("exp", "raw", 1.0, 0.5, 2.0, 0.0),
        ("exp", "raw", 0.5, 0.4, 0.5, -1.0),
        ("mean_one", "mean-one", 1.0, 0.5, 2.0, 0.7),
        ("mean_one", "mean-one", 2.0, 1.0, 0.5, -1.0),
    ):
        name = f"{words} weights, α = {alpha:g}, τ = {tau:g}, {scale:g} r {shift:+g}"
        found = checks.pair(name, answer(alpha, tau, scale, shift, weighting), "(alpha, tau)")
        new_alpha, new_tau = (float(value) for value in found)
        if not (0 < new_alpha < math.inf and 0 < new_tau < math.inf):
            raise AssertionError(f"{name}: alpha {new_alpha:g} and tau {new_tau:g}, both have to be > 0: NO")
        before = PopulationDynamics(targets.get("two_modes_1d"), right, tau=tau, alpha=alpha, weighting=weighting)
        after = PopulationDynamics(
            targets.get("two_modes_1d"),
            lambda x, scale=scale, shift=shift: scale * right(x) + shift,
            tau=new_tau,
            alpha=new_alpha,
            weighting=weighting,
        )
        for dynamics in (before, after):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OracleWarning)  # a wrong answer may ask for what no grid resolves
                dynamics.fixed_point(1e-6)
        checks.close(
            f"{name}: total variation between the limits",
            0.5 * float((before.density - after.density).abs().sum() * before.cells.dx),
            0.0,
            1e-3,
            hint="Write the new weight as a constant times the old one. What does mean_one do with the constant? The "
            "minimiser stays if the whole loss is multiplied by a constant, alpha's term too.",
        )


@checks.exercise
def safe_weights(answer: Callable[[Tensor, float], Tensor]) -> None:
    """7.4: ``answer(r, tau)`` -> weights (n,) with mean one, proportional to e^{tau r}, for any rewards r (n,)."""
    generator = torch.Generator().manual_seed(0)
    for name, r, tau in (
        ("200 rewards, tau 1", torch.randn(200, generator=generator), 1.0),
        ("the same in per cent, tau 30", 100 * torch.rand(200, generator=generator), 30.0),
        ("one far above the others", torch.cat([torch.zeros(9), torch.full((1,), 5000.0)]), 1.0),
        ("all far below 0", torch.randn(50, generator=generator) - 1000, 1.0),
        ("half of them far below the others", torch.tensor([0.0, 1.0, -1e4, -1e4]), 1.0),
        ("all the same", torch.full((4,), 7.0), 2.0),
    ):
        found = checks.shaped(f"{name}: weights", answer(r.clone(), tau), tuple(r.shape))
        exact = weights.log_weights(r.double(), tau, "mean_one").exp()
        hint = "Subtracting a constant from all rewards changes no mean-one weight. Which constant keeps e^x finite?"
        checks.holds(f"{name}: all finite", bool(found.isfinite().all()), hint=hint)
        checks.close(f"{name}: mean", found.double().mean(), 1.0, 1e-3, hint="A mean of one, not a sum.")
        gap = (found.double() - exact).abs().max() / exact.max()
        checks.below(f"{name}: largest error over the largest weight", gap, 1e-2, hint="Proportional to e^{tau r}.")
