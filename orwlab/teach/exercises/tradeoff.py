"""Checks of notebook 07, on the trade-off and on choosing alpha."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab import flow, rewards, targets, weights, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.measure.samples import DataRegion, mean_pairwise_distance
from orwlab.methods.orw import FineTuning
from orwlab.teach import checks

D = torch.float64
VERDICTS = ("healthy", "collapsed", "off the data", "asleep")


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


@functools.cache
def _cases() -> tuple[tuple[str, str, dict[str, float]], ...]:
    """Runs on a target that the notebook does not show: (verdict, settings in words, readings)."""
    target, reference = targets.get("pinwheel"), zoo.load("pinwheel")
    x0 = flow.noise(400, (2,), generator=torch.Generator().manual_seed(3))
    region = DataRegion(target.sample(2000, generator=torch.Generator().manual_seed(2)))
    found = []
    for verdict, reward, tau, alpha in (
        ("healthy", "right", 1.0, 0.3),
        ("collapsed", "bump", 2.0, 0.0),
        ("off the data", "plane", 1.0, 0.05),
        ("asleep", "right", 1.0, 30.0),
        ("healthy", "right", 30.0, 1.0),
    ):
        run = FineTuning(reference, rewards.get(reward), tau=tau, alpha=alpha, weighting="mean_one", seed=1)
        found.append((verdict, f"{reward}, tau {tau:g}, alpha {alpha:g}", readings(run, 110, x0, region)[0]))
    return tuple(found)


@checks.exercise
def diagnose(answer: Callable[[dict[str, float]], str]) -> None:
    """7.1: ``answer(readings)`` -> one of ``VERDICTS``."""
    for verdict, settings, found in _cases():
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
        said = answer(dict(found))
        checks.holds(
            f"pinwheel, {settings}: {verdict}",
            said == verdict,
            hint=f"You said {said!r}. The readings were: {numbers}. Which of them differ from a healthy run's?",
        )


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
            hint="First the temperature at which the tilted mean is the goal, then tau Z / tau_eff, Z being the "
            "reference's mean weight. Without Z you have the formula for mean-one weights.",
        )
    coin = torch.tensor([0.0, 1.0], dtype=D).repeat(50)
    checks.close(
        "a coin, τ = 1, goal 0.8",
        answer(coin, 0.8, 1.0),
        (1 + math.e) / 2 / math.log(4),  # e^s / (1 + e^s) = 0.8 at s = log 4
        0.005,
        hint="(goal - mean) / variance is the temperature only for a very weak tilt: solve for it.",
    )


@checks.exercise
def same_limit(answer: Callable[..., Any]) -> None:
    """7.3: ``answer(alpha, tau, shift)`` -> the alpha that keeps the limit when the reward becomes r + shift (raw)."""
    right = rewards.get("right")
    for tau, alpha, shift in ((1.0, 1.0, 0.7), (0.5, 0.4, -1.0)):
        before = PopulationDynamics(targets.get("two_modes_1d"), right, tau=tau, alpha=alpha)
        after = PopulationDynamics(
            targets.get("two_modes_1d"),
            lambda x, shift=shift: right(x) + shift,
            tau=tau,
            alpha=float(answer(alpha, tau, shift)),
        )
        for dynamics in (before, after):
            dynamics.fixed_point(1e-6)
        checks.close(
            f"α = {alpha:g}, τ = {tau:g}, r {shift:+g}: total variation between the limits",
            0.5 * float((before.density - after.density).abs().sum() * before.cells.dx),
            0.0,
            1e-3,
            hint="Adding c to r multiplies every weight. The minimiser stays if alpha is multiplied by the same.",
        )


@checks.exercise
def effective_share(answer: Callable[..., Any]) -> None:
    """7.4: ``answer(tau, spread)`` -> the share ESS / n that normal rewards of this standard deviation leave."""
    generator = torch.Generator().manual_seed(0)
    for tau, spread in ((0.5, 1.0), (1.0, 0.6), (4.0, 0.3)):
        r = 5.0 + spread * torch.randn(400_000, generator=generator, dtype=D)
        measured = weights.effective_sample_size(weights.log_weights(r, tau)) / len(r)
        checks.close(
            f"400,000 normal rewards of spread {spread:g}, τ = {tau:g}",
            answer(tau, spread),
            measured,
            0.02,
            hint="ESS / n is (E w)^2 / E w^2, and E e^{sX} = e^{s² spread² / 2} for a centred normal X.",
        )
