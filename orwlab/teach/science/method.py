"""ORW-CFM-W2 itself: what Theorem 4's form would need at the exact limit, and what averaging the weights does."""

import math

import numpy as np
import torch
from torch import Tensor

from orwlab import flow, rewards, targets, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.methods.orw import FineTuning
from orwlab.show import figures
from orwlab.show.figures import Curve
from orwlab.teach.science.claims import Section
from orwlab.teach.science.theorems import RIGHT
from orwlab.velocity import Velocity


def discrepancy(policy: Velocity, reference: Velocity, x1: Tensor, *, times: int = 24, nodes: int = 24) -> Tensor:
    """``D(x1) = int_0^1 E|v(t, x_t) - v_ref(t, x_t)|^2 dt`` over the interpolants that end at x1, on a line.

    Args:
        policy: v.
        reference: v_ref.
        x1: (n,), float64.
        times: midpoints in [0, 1].
        nodes: of Gauss-Hermite quadrature over x0.
    """
    x0, share = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(nodes))
    share = share / share.sum()
    total = torch.zeros_like(x1)
    for k in range(times):
        t = x1.new_tensor((k + 0.5) / times)
        x_t = ((1 - t) * x0 + t * x1[:, None]).reshape(-1, 1)  # (n * nodes, 1)
        gap = (policy(t, x_t) - reference(t, x_t)).square().sum(1)
        total += gap.reshape(len(x1), nodes) @ share / times
    return total


def best_beta(dynamics: PopulationDynamics, D: Tensor) -> tuple[float, float]:
    """What Theorem 4's form needs at the limit, ``beta D = tau r + const``: the best beta, and the r^2 it reaches.

    Least squares of tau r on D, every cell weighing as much as its mass; nothing keeps beta positive.
    """
    q = dynamics.density / dynamics.density.sum()
    d, y = D - (q * D).sum(), dynamics.tau * (dynamics.reward_values - dynamics.mean_reward)
    beta = float((q * d * y).sum() / (q * d * d).sum())
    return beta, 1 - float((q * (y - beta * d).square()).sum() / (q * y * y).sum())


def theorem_4_limit() -> Section:
    """At the exact limit one more refresh changes nothing; in Theorem 4's form that takes beta D = tau r + const."""
    section = Section(
        "Theorem 4 at the exact limit",
        "A density that w q exp(-beta D) leaves alone has beta D = tau r + const. D is taken as the mean of "
        "|v - v_ref|^2 over the interpolants that end at x1. At the recursion's limit D is not such a function: on two modes the best "
        "beta is even negative: the fields disagree most between the modes, and more at the low reward than at the high one.",
    )
    lines = []
    for name in ("two_modes_1d", "three_modes_1d"):
        for alpha in (1.0, 3.0):
            limit = PopulationDynamics(targets.get(name), RIGHT, tau=1.0, alpha=alpha)
            v_ref = limit.velocity
            limit.fixed_point(1e-8)
            D = discrepancy(limit.policy, v_ref, limit.grid[:, 0])
            beta, r_squared = best_beta(limit, D)
            key, says = f"{name}_alpha_{alpha:g}", f"{name}, alpha {alpha:g}"
            section.below(f"{key}_r2", f"{says}: r^2 of beta D against tau r, best beta", r_squared, 0.9)
            if name == "two_modes_1d":
                section.below(f"{key}_beta", f"{says}: the best beta, which ought to be positive", beta, 0.0)
            else:
                section.number(f"{key}_beta", f"{says}: the best beta", beta)
            there = limit.density > 1e-3 * limit.density.max()
            lines.append(Curve(says, limit.reward_values[there], D[there] / D[there].mean(), "markers"))
    drawn = figures.curves(
        lines, xlabel="reward r", ylabel="D over its mean", title="D against the reward at the exact limit"
    )
    section.figures.append(("D against the reward at the exact limit: not a rising line in any of four cases", drawn))
    return section


def averaging() -> Section:
    """Single iterates wander around the limit; the running average of the weights stays near it."""
    section = Section(
        "Single iterates and averaged weights",
        "Eight Gaussians, reward right, tau 1, alpha 0.3, rounds 200 to 400. Mean reward on the same 2,000 noises every "
        "tenth round, of the policy as it is and of the running average of its weights.",
        seed=0,
    )
    exact = PopulationDynamics(targets.get("eight_gaussians"), RIGHT, tau=1.0, alpha=0.3)
    exact.fixed_point()
    x0 = flow.noise(2000, (2,), generator=torch.Generator().manual_seed(1))
    single, averaged = wandering(FineTuning(zoo.load("eight_gaussians"), RIGHT, alpha=0.3), x0, 200, 400)
    spread = {name: float(torch.tensor(values).std()) for name, values in (("single", single), ("averaged", averaged))}
    section.number("single_std", "single iterates: standard deviation of their mean reward", spread["single"])
    section.below(
        "averaged_over_single", "the same of the average, as a fraction", spread["averaged"] / spread["single"], 0.6
    )
    gap = math.fsum(averaged) / len(averaged) - exact.mean_reward
    section.close("averaged_gap", "averaged weights: mean reward minus the exact limit", gap, 0.0, 0.03)
    rounds = list(range(210, 401, 10))
    drawn = figures.curves(
        [
            Curve("single iterates", rounds, single),
            Curve("averaged weights", rounds, averaged),
            Curve("exact limit", [rounds[0], rounds[-1]], [exact.mean_reward] * 2, "dashes", "#000000"),
        ],
        xlabel="round",
        ylabel="mean reward",
        title="Iterates and their average (α = 0.3)",
    )
    section.figures.append(
        ("Mean reward over rounds of single iterates, which wander, and of averaged weights, which do so less", drawn)
    )
    return section


def wandering(run: FineTuning, x0: Tensor, start: int, stop: int, every: int = 10) -> tuple[list[float], list[float]]:
    """Mean reward on the noise ``x0`` of the policy and of its average, every so many rounds from ``start`` to ``stop``."""
    single: list[float] = []
    averaged: list[float] = []
    for snapshot in run.rounds(stop - run.round):
        if snapshot.round > start and snapshot.round % every == 0:
            for network, values in ((run.policy, single), (run.average, averaged)):
                values.append(float(rewards.evaluate(run.reward, flow.sample(network, x0)).mean()))
    return single, averaged


def exception() -> Section:
    """The one setting where networks stay off the exact limit, over seeds."""
    section = Section(
        "Where networks stay off the limit",
        "Eight Gaussians with the ring at alpha 0.3: the reward pulls samples to radius 1.8, where the reference has next "
        "to none. Averaged policies of three "
        "seeds after 400 rounds are above the exact limit, one of them by little.",
        seed=0,
    )
    ring, x0 = rewards.get("ring"), torch.randn(4000, 2, generator=torch.Generator().manual_seed(5))
    exact = PopulationDynamics(targets.get("eight_gaussians"), ring, tau=1.0, alpha=0.3)
    exact.fixed_point()
    section.number("exact", "mean reward at the exact limit", exact.mean_reward)
    for seed in range(3):
        run = FineTuning(zoo.load("eight_gaussians"), ring, tau=1.0, alpha=0.3, seed=seed)
        for _ in run.rounds(400):
            pass
        gap = float(ring(flow.sample(run.average, x0)).mean()) - exact.mean_reward
        section.above(f"gap_seed_{seed}", f"seed {seed}: mean reward learned minus exact", gap, 0.0)
    return section
