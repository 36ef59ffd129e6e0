"""Theorems 1, 2 and 4, and the law of the first refresh."""

import torch

from orwlab import flow, rewards, targets, zoo
from orwlab.exact import optima
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.measure.samples import DataRegion
from orwlab.methods.orw import FineTuning
from orwlab.show import figures
from orwlab.show.figures import Curve
from orwlab.teach.science.claims import Section

RIGHT = rewards.get("right")


def cell_tv(dynamics: PopulationDynamics, density: torch.Tensor) -> float:
    """Total variation between the dynamics' density and another on its cells, normalised here."""
    other = density / density.sum()
    return 0.5 * float((dynamics.density / dynamics.density.sum() - other).abs().sum())


def theorem_1() -> Section:
    """Offline reward weighting learns q_new proportional to w q."""
    section = Section(
        "Theorem 1: offline weighting learns w q",
        "A network trained on fixed Gaussian data weighed by exp(tau r). For r linear the answer is the Gaussian moved "
        "by tau times the slope; for r quadratic its variance shrinks to 1 / (1 + tau b).",
        seed=0,
    )
    tau, slope, b = 0.5, 1.2, 2.0
    data = targets.get("gaussian").sample(20_000, generator=torch.Generator().manual_seed(5))
    run = FineTuning(
        zoo.load("gaussian"),
        lambda x: slope * x[:, 0] - 0.5 * b * x[:, 1] ** 2,
        tau=tau,
        alpha=0.0,
        data=data,
        lr=2e-3,
        batch_size=512,
    )
    for _ in run.rounds(500):
        pass
    x = flow.sample(run.average, torch.randn(8000, 2, generator=torch.Generator().manual_seed(1)))
    section.close(
        "network_mean",
        "network: mean along the linear reward a x, tau a for slope a = 1.2",
        float(x[:, 0].mean()),
        tau * slope,
        0.06,
    )
    section.close(
        "network_variance",
        "network: variance under the quadratic reward",
        float(x[:, 1].var()),
        1 / (1 + tau * b),
        0.06,
    )
    dynamics = PopulationDynamics(targets.get("three_modes_1d"), RIGHT, tau=2.0, alpha=0.0)
    tilt = optima.kl_tilt(dynamics.cells, dynamics.reference_density, RIGHT, 2.0)
    dynamics.step()
    section.below(
        "one_refresh_is_kl_tilt",
        "oracle: TV between one refresh and the KL optimum p_ref exp(tau r)",
        cell_tv(dynamics, tilt.density),
        1e-6,
    )
    return section


def theorem_2() -> Section:
    """Online, q_N is w^N q_0; a network leaves the data when the reward is unbounded."""
    section = Section(
        "Theorem 2: online, w is applied again every round",
        "After N refreshes the density is w^N q_0: a Gaussian mixture under a linear reward stays a mixture, with means "
        "and weights in closed form. A network under an unbounded reward does not follow: it extrapolates, and leaves "
        "the data far faster than the theorem.",
        seed=0,
    )
    target, tau, n = targets.get("three_modes_1d"), 0.3, 6
    dynamics = PopulationDynamics(target, lambda x: x[:, 0], tau=tau, alpha=0.0)
    dynamics.iterate(n)
    exact = target.tilted(torch.tensor([n * tau])).log_prob(dynamics.cells.flat).exp()
    section.below("closed_form_tv", f"oracle: TV to the closed form after {n} rounds", cell_tv(dynamics, exact), 1e-3)

    plane, eight = rewards.get("plane"), targets.get("eight_gaussians")
    x0 = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    region = DataRegion(eight.sample(2000, generator=torch.Generator().manual_seed(2)))
    curves = []
    for seed in range(3):
        run = FineTuning(zoo.load("eight_gaussians"), plane, alpha=0.0, seed=seed)
        curves.append([snapshot.reward for snapshot in run.rounds(300)])
        x = flow.sample(run.average, x0)
    section.above(
        "network_outside_data",
        "network: fraction outside the data after 300 rounds of r = x / 3",
        region.fraction_outside(x),
        0.5,
    )
    closed = [float(eight.tilted(torch.tensor([k / 3, 0.0])).mean()[0]) / 3 for k in range(1, 301)]
    section.close(
        "closed_form_reward_100", "closed form: mean reward after 100 rounds, 1 + 0.01 N", closed[99], 2.0, 0.05
    )
    lines = [Curve(f"network, seed {k}", list(range(1, 301)), y) for k, y in enumerate(curves)]
    lines.append(Curve("Theorem 2", list(range(1, 301)), closed, "dashes", "#000000"))
    section.figures.append(
        (
            "Mean reward over rounds: three seeds of a network, and the closed form, which grows slowly",
            figures.curves(lines, xlabel="round", ylabel="mean reward", title="Unbounded reward, α = 0"),
        )
    )
    bump = PopulationDynamics(target, rewards.get("bump"), tau=1.0, alpha=0.0)
    spread = []
    for _ in range(60):
        bump.step()
        g, q = bump.grid[:, 0], bump.density * bump.cells.dx
        spread.append(float(((g - (q * g).sum()) ** 2 * q).sum().sqrt()))
    section.below(
        "bump_spread_60",
        "oracle: standard deviation after 60 rounds of a bump, collapsed",
        spread[-1],
        0.25 * spread[0],
    )
    return section


def theorem_4() -> Section:
    """The first refresh, and how far Theorem 4's form is from it."""
    section = Section(
        "Theorem 4 and the exact first refresh",
        "The loss's minimiser turns p_ref into exactly (w + alpha) p_ref in the first round. Theorem 4's form, "
        "w q exp(-beta D), predicts w p_ref there for every alpha, as D starts at 0: it is off by "
        "alpha / (Z + alpha) TV(p_ref, w p_ref / Z). It gives the direction, not the size.",
        seed=3,
    )
    target, tau = targets.get("two_modes_1d"), 1.0
    alphas, found, predicted = (0.3, 1.0, 3.0), [], []
    for alpha in alphas:
        dynamics = PopulationDynamics(target, RIGHT, tau=tau, alpha=alpha)
        p, w = dynamics.reference_density, (tau * dynamics.reward_values).exp()
        Z = float((p * w).sum() / p.sum())
        dynamics.step()
        section.below(
            f"first_refresh_alpha_{alpha:g}",
            f"TV between the first refresh and (w + alpha) p_ref, alpha {alpha:g}",
            cell_tv(dynamics, (w + alpha) * p),
            1e-5,
        )
        found.append(cell_tv(dynamics, w * p))
        predicted.append(alpha / (Z + alpha) * 0.5 * float((p / p.sum() - w * p / (w * p).sum()).abs().sum()))
        section.close(
            f"form_off_alpha_{alpha:g}",
            f"how far Theorem 4's form is off, alpha {alpha:g} (TV)",
            found[-1],
            predicted[-1],
            1e-4,
        )
        x0 = torch.randn(4000, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        pushed = flow.sample(dynamics.policy, x0, method="rk4", steps=20)
        gap = abs(float(RIGHT(pushed).mean()) - dynamics.mean_reward)
        section.below(
            f"pushed_alpha_{alpha:g}",
            f"samples pushed through v* agree in mean reward, alpha {alpha:g}",
            gap,
            4 * 0.6 / 4000**0.5,
        )
    section.figures.append(
        (
            "Total variation between Theorem 4's form and the exact first refresh, measured and by formula",
            figures.curves(
                [Curve("formula", alphas, predicted, "dashes"), Curve("measured", alphas, found, "markers")],
                xlabel="α",
                ylabel="total variation",
                log_x=True,
                title="Theorem 4's form against the exact first refresh",
            ),
        )
    )
    return section
