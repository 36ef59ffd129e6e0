"""What networks learn: against the oracle, by width, and where pairing loses the reward."""

import torch
from torch import Tensor

from orwlab import couplings, flow, losses, paths, rewards, targets, velocity, zoo
from orwlab.couplings import Pairs
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.grid import GridDensity
from orwlab.measure.samples import energy_distance
from orwlab.methods.orw import FineTuning
from orwlab.show import figures
from orwlab.teach.science.claims import Section
from orwlab.teach.science.theorems import RIGHT

OFF_THE_DATA = ("eight_gaussians", "ring", 0.3)
"""the setting where networks do not come close: its limit lies where there are almost no data"""


def learned_and_exact() -> Section:
    """Three targets, three rewards, three alphas."""
    section = Section(
        "Networks come close to the exact limit",
        "An averaged policy's mean reward against the oracle's limit, over three targets, three rewards and three alphas "
        "(raw weights, tau 1, one gradient step a round). Here all agree to 0.03. The least sure is eight Gaussians with "
        "the ring at alpha 0.3, where the reward pulls samples into ground that holds almost no data: with other seeds "
        "networks were above the limit by up to 0.08. The zoo's own error, before any fine-tuning, is listed for each "
        "target and reward.",
        seed=0,
    )
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(5))
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for name in ("eight_gaussians", "two_moons", "pinwheel"):
        reference = zoo.load(name)
        groups[name] = [], []
        for reward_name in ("right", "bump", "ring"):
            reward = rewards.get(reward_name)
            for alpha in (3.0, 1.0, 0.3):
                exact = PopulationDynamics(targets.get(name), reward, tau=1.0, alpha=alpha)
                start = exact.mean_reward
                exact.fixed_point(1e-3)
                run = FineTuning(reference, reward, tau=1.0, alpha=alpha)
                rounds = 700 if alpha < 1 else 400
                for snapshot in run.rounds(rounds):
                    if snapshot.round == 2 * rounds // 3:
                        run.lr = 3e-4
                learned = float(reward(flow.sample(run.average, x0)).mean())
                if (name, reward_name, alpha) == OFF_THE_DATA:
                    section.above(
                        f"{name}_{reward_name}_alpha_{alpha:g}",
                        f"{name}, {reward_name}, alpha {alpha:g}: the exception",
                        learned,
                        exact.mean_reward,
                    )
                else:
                    section.close(
                        f"{name}_{reward_name}_alpha_{alpha:g}",
                        f"{name}, {reward_name}, alpha {alpha:g}",
                        learned,
                        exact.mean_reward,
                        0.04,
                    )
                groups[name][0].append(exact.mean_reward)
                groups[name][1].append(learned)
            zoo_error = float(reward(flow.sample(reference, x0)).mean()) - start
            section.close(
                f"{name}_{reward_name}_zoo_error", f"{name}, {reward_name}: the zoo's own error", zoo_error, 0.0, 0.02
            )
    section.figures.append(
        (
            "Learned against exact mean reward for 27 settings, all near the diagonal",
            figures.learned_against_exact(
                {k: (list(e), list(v)) for k, (e, v) in groups.items()}, title="27 settings, one network each"
            ),
        )
    )
    return section


def distance_to_the_exact_limit(width: int, seed: int) -> float:
    """Energy distance to the oracle's limit of a network of this width, held to the exact reference field."""
    target = targets.get("eight_gaussians")
    field = velocity.MixtureField(target)
    policy = velocity.MLP(2, width, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(policy.parameters(), lr=2e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1200)
    for _ in range(1200):
        x1 = target.sample(256, generator=generator)
        t = torch.rand(256, generator=generator)
        x_t, _ = paths.get("linear").interpolate(t, torch.randn(x1.shape, generator=generator), x1)
        loss = losses.penalty(policy(t, x_t), field(t, x_t))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    run = FineTuning(field, RIGHT, tau=1.0, alpha=0.5, policy=policy, seed=seed)
    for _ in run.rounds(200):
        pass
    exact = PopulationDynamics(target, RIGHT, tau=1.0, alpha=0.5)
    exact.fixed_point(1e-3)
    limit = GridDensity(exact.density, exact.cells.extent).sample(3000, generator=generator)
    x = flow.sample(run.average, torch.randn(3000, 2, generator=generator))
    return energy_distance(x, limit)


def widths() -> Section:
    """A wider network comes closer."""
    section = Section(
        "Wider networks come closer",
        "The oracle is the limit of infinite capacity. Energy distance between a fine-tuned network's samples and the "
        "exact limit, three seeds a width.",
        seed=0,
    )
    found = {width: [distance_to_the_exact_limit(width, seed) for seed in range(3)] for width in (16, 256)}
    section.below(
        "wide_over_narrow", "width 256 over width 16, mean of three seeds", sum(found[256]) / sum(found[16]), 0.5
    )
    section.below(
        "worst_over_best", "worst seed at width 256 over best at width 16", max(found[256]) / min(found[16]), 1.0
    )
    section.figures.append(
        (
            "Energy distance to the exact limit for widths 16 and 256, three seeds each",
            figures.bars(
                {f"seed {k}": {f"width {w}": max(d[k], 0.0) for w, d in found.items()} for k in range(3)},
                xlabel="network",
                ylabel="energy distance to the exact limit",
                title="Capacity and distance to the exact limit",
            ),
        )
    )
    return section


class _WeightsInOldOrder(FineTuning):
    """What goes wrong, and only here: x1 is resampled by transport, the weights stay where they were."""

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> Pairs:
        rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), self.generator)
        return Pairs(x0[rows], x1[columns], w)


class _WeightsCarried(FineTuning):
    """Also not enough: each weight goes along with its x1, but where x_t determines the pair it cancels."""

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> Pairs:
        rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), self.generator)
        return Pairs(x0[rows], x1[columns], w[columns])


def pairings() -> Section:
    """What becomes of the reward under each pairing."""
    section = Section(
        "Weights and pairings",
        "A weight belongs to its x1. Resampling x1 by optimal transport and leaving the weights in their old order loses "
        "the reward; carrying them along is not enough either, since where x_t determines its pair the weight cancels. "
        "The remedy, weights inside the transport problem, restores it.",
        seed=0,
    )
    x0 = torch.randn(3000, 2, generator=torch.Generator().manual_seed(1))
    found: dict[str, float] = {}
    for label, method, reference_name, coupling in (
        ("independent", FineTuning, "eight_gaussians", "independent"),
        ("OT, weighted marginal", FineTuning, "eight_gaussians_ot", "ot"),
        ("OT, weights in old order", _WeightsInOldOrder, "eight_gaussians_ot", "ot"),
        ("OT, weights carried", _WeightsCarried, "eight_gaussians_ot", "ot"),
    ):
        run = method(zoo.load(reference_name), RIGHT, alpha=0.3, coupling=coupling)
        for _ in run.rounds(250):
            pass
        found[label] = float(RIGHT(flow.sample(run.average, x0)).mean())
    section.above("independent", "independent coupling: mean reward", found["independent"], 0.6)
    section.above(
        "ot_weighted_marginal", "OT with the weighted marginal: mean reward", found["OT, weighted marginal"], 0.6
    )
    section.below(
        "ot_old_order", "OT with weights in their old order: mean reward", found["OT, weights in old order"], 0.06
    )
    section.below("ot_carried", "OT with the weights carried along: mean reward", found["OT, weights carried"], 0.2)
    section.figures.append(
        (
            "Mean reward after 250 rounds for four ways of pairing: two learn, two do not",
            figures.bars(
                {"alpha 0.3": found}, xlabel="pairing", ylabel="mean reward", title="The reward's signal by pairing"
            ),
        )
    )
    return section
