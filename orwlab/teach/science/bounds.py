"""Theorem 3: the ladder of bounds on W2^2 over alpha, the penalty against the distance, and the Lipschitz constant."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from orwlab import flow, targets, wasserstein, zoo
from orwlab.measure.coupled_flows import jacobian
from orwlab.methods.orw import FineTuning
from orwlab.show import figures, theme
from orwlab.show.figures import Curve
from orwlab.teach.science.claims import Section
from orwlab.teach.science.theorems import RIGHT
from orwlab.velocity import MixtureField, Velocity

ORDER = (
    "empirical",
    "coupled",
    "flow_map",
    "one_sided",
    "minkowski",
    "time_varying",
    "global_lipschitz",
)
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0)


def ladder() -> Section:
    """The rungs over alpha: all ordered, the certified constant vacuous."""
    section = Section(
        "Theorem 3 and the ladder of W2 bounds",
        "Every rung bounds the squared Wasserstein-2 distance between policy and reference. The penalty itself follows "
        "the distance over alpha within a small factor; the constant e^{2L} in front of it makes the bound of the theorem "
        "astronomically loose, even with L sampled (and so too small).",
        seed=0,
    )
    reference, found = zoo.load("eight_gaussians"), []
    for alpha in ALPHAS:
        run = FineTuning(reference, RIGHT, tau=1.0, alpha=alpha)
        for _ in run.rounds(300):
            pass
        found.append(wasserstein.bounds(run.average, reference, n=500, seed=0))
        log = found[-1].log
        worst = max(log[a] - log[b] for a, b in pairwise(ORDER))
        section.below(f"order_alpha_{alpha:g}", f"alpha {alpha:g}: largest violation of the order (log)", worst, 0.02)
        secant = max(log["coupled"] - log["secant"], log["secant"] - log["one_sided"])
        section.below(
            f"secant_alpha_{alpha:g}", f"alpha {alpha:g}: the secant between coupled and one-sided (log)", secant, 0.02
        )
        identity = found[-1].identity / found[-1].coupled
        section.close(
            f"identity_alpha_{alpha:g}", f"alpha {alpha:g}: E|int Phi dv|^2 over the coupled cost", identity, 1.0, 0.02
        )
        section.above(
            f"digits_alpha_{alpha:g}",
            f"alpha {alpha:g}: decimal digits of the theorem's bound over the distance",
            (log["global_lipschitz"] - log["empirical"]) / math.log(10),
            4.0,
        )
        for name, value in log.items():
            section.number(f"log10_{name}_alpha_{alpha:g}", f"alpha {alpha:g}: log10 of {name}", value / math.log(10))
        section.number(f"penalty_alpha_{alpha:g}", f"alpha {alpha:g}: int E|dv|^2 ds", found[-1].penalty)
    ratio = [b.empirical / b.penalty for b in found]
    section.below(
        "ratio_spread", "W2^2 over the penalty: largest over smallest over alpha", max(ratio) / min(ratio), 6.0
    )
    names = {
        "global_lipschitz": "Theorem 3, global L",
        "time_varying": "L(t)",
        "one_sided": "one-sided",
        "flow_map": "flow map",
        "secant": "secant",
        "coupled": "coupled cost",
        "empirical": "W2² (exact, samples)",
    }
    lines = [Curve(label, ALPHAS, [getattr(b, name) for b in found]) for name, label in names.items()]
    lines.append(Curve("penalty ∫E|dv|²", ALPHAS, [b.penalty for b in found], "dashes", theme.BLACK))
    section.figures.append(
        (
            "The rungs of the ladder against alpha on a logarithmic scale: from the distance itself to the theorem's bound",
            figures.curves(
                lines,
                xlabel="α",
                ylabel="bound on W2²",
                log_x=True,
                log_y=True,
                title="The ladder over α (estimated suprema)",
            ),
        )
    )
    return section


def penalty_and_distance(policy: Velocity, reference: Velocity, x0: Tensor) -> tuple[float, float]:
    """``int_0^1 E|v - v_ref|^2 dt`` on the policy's own trajectories from ``x0`` (n, d), and W2^2 of the two samples."""
    times = torch.linspace(0, 1, 33, dtype=x0.dtype)
    x = flow.trajectory(policy, x0, times, method="rk4", steps=64)  # (33, n, d)
    with torch.no_grad():
        squares = [(policy(t, x_t) - reference(t, x_t)).square().sum(1).mean() for t, x_t in zip(times, x)]
    y1 = flow.sample(reference, x0, method="rk4", steps=48)
    return float(torch.trapezoid(torch.stack(squares), times)), wasserstein.w2_squared(x[-1], y1)


def penalty() -> Section:
    """The penalty without its constant: no bound, but it moves with the distance."""
    section = Section(
        "The W2 term follows the distance it stands for",
        "Eight Gaussians, reward right, tau 1. Over four alphas and six stages of each run the penalty on the policy's own "
        "trajectories and the squared distance order the policies nearly alike. Without a constant the penalty is no bound: it is "
        "smaller than the distance everywhere, by a factor that falls from about 16 to 4 the further the policy is away.",
        seed=0,
    )
    reference, x0 = zoo.load("eight_gaussians"), flow.noise(500, (2,), generator=torch.Generator().manual_seed(0))
    runs: dict[str, list[tuple[float, float]]] = {}
    for alpha in (0.3, 1.0, 3.0, 10.0):
        run = FineTuning(reference, RIGHT, tau=1.0, alpha=alpha)
        points = []
        for snapshot in run.rounds(300):
            if snapshot.round in (10, 20, 40, 80, 150, 300):
                points.append(penalty_and_distance(run.average, reference, x0))
        section.number(
            f"ratio_alpha_{alpha:g}",
            f"alpha {alpha:g}: W2^2 over the penalty at the end",
            points[-1][1] / points[-1][0],
        )
        runs[f"α = {alpha:g}"] = points
    logs = torch.tensor([point for points in runs.values() for point in points]).log()
    ratios = (logs[:, 1] - logs[:, 0]).exp()
    section.above(
        "log_correlation",
        "correlation of log penalty and log W2^2, 24 policies",
        float(torch.corrcoef(logs.T)[0, 1]),
        0.97,
    )
    section.above(
        "least_ratio", "W2^2 over the penalty, least: the penalty alone is no bound", float(ratios.min()), 1.0
    )
    section.number("largest_ratio", "W2^2 over the penalty, largest", float(ratios.max()))
    drawn = figures.penalty_against_distance(runs, title="Penalty and distance over rounds")
    section.figures.append(
        ("The squared distance against the penalty over rounds for three alphas, along one rising band", drawn)
    )
    return section


def steepness_at_the_centre(t: Tensor, radius: float, std: float) -> Tensor:
    """Largest eigenvalue of the Jacobian of the exact field of a ring of Gaussians in the plane, at its centre.

    ``(-(1 - t) + t std^2) / s + t (1 - t) radius^2 / (2 s^2)`` with ``s = (1 - t)^2 + t^2 std^2``.
    """
    s = (1 - t) ** 2 + (t * std) ** 2
    return (t * std**2 - (1 - t)) / s + t * (1 - t) * radius**2 / (2 * s**2)


def supremum() -> Section:
    """What L is for an exact field, and what becomes of the order when it is sampled badly."""
    section = Section(
        "The Lipschitz constant, exact and badly sampled",
        "The exact field of a mixture is steepest where it has to decide between modes, shortly before t = 1: there L "
        "grows like 1 / std^3. Sampled where the policy goes it can be far too small, and the bound is then none.",
    )
    field = MixtureField(targets.get("eight_gaussians"))
    times = torch.linspace(0, 1, 101, dtype=torch.float64)
    axis = torch.linspace(-5, 5, 41, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)  # the centre is one of them
    found = max(float(torch.linalg.matrix_norm(jacobian(field, t, points)[1], ord=2).max()) for t in times)
    formula = float(steepness_at_the_centre(times, 3.0, 0.3).max())
    section.close(
        "sup_L_eight_gaussians", "eight Gaussians, exact field: sup of L, at the centre", found, formula, 0.01
    )
    section.number("log10_constant", "log10 of the certified constant e^{2L}", 2 * found / math.log(10))

    reference, policy = between_two_modes()
    bounds = wasserstein.bounds(policy, reference, n=300)
    badly = one_sided_along(reference, bounds.pair.times, bounds.pair.x, bounds.pair.dv)
    section.number("far_coupled", "reference +-2, policy N(4, 0.1): coupled cost", bounds.coupled)
    section.below(
        "far_badly_sampled",
        "one-sided, mu on the policy's trajectories only, over the coupled cost",
        badly / bounds.coupled,
        0.8,
    )
    section.above(
        "far_pool",
        "one-sided, mu over the whole pool, over the coupled cost (log10)",
        (bounds.log["one_sided"] - bounds.log["coupled"]) / math.log(10),
        5.0,
    )
    return section


def between_two_modes() -> tuple[MixtureField, MixtureField]:
    """Two exact fields on a line: a reference with modes at -2 and 2, and a far policy N(4, 0.1). Variances 0.1."""
    modes = targets.GaussianMixture(torch.ones(2), torch.tensor([[-2.0], [2.0]]), 0.1)
    return MixtureField(modes), MixtureField(targets.GaussianMixture(torch.ones(1), torch.tensor([[4.0]]), 0.1))


def one_sided_along(reference: Velocity, times: Tensor, x: Tensor, dv: Tensor) -> float:
    """The one-sided "bound" with mu taken over the points ``x`` (T, n, d) alone, for |dv_s| (T, n): not to be trusted."""
    J = [jacobian(reference, t, x_t)[1] for t, x_t in zip(times, x)]  # (n, d, d) each
    mu = torch.stack([torch.linalg.eigvalsh((J_t + J_t.mT) / 2)[:, -1].max() for J_t in J])  # (T,)
    passed = torch.cat([mu.new_zeros(1), torch.cumulative_trapezoid(mu, times)])  # int_0^s mu
    stretch = (passed[-1] - passed).exp()  # e^{int_s^1 mu}
    return float(torch.trapezoid(stretch * dv.square().mean(1).sqrt(), times)) ** 2
