"""Where the recursion goes: convergence, rates, effective inverse temperature, run-away, house of cards, the three optima."""

import math
import warnings

import torch

from orwlab import rewards, targets
from orwlab.exact import frontiers, optima
from orwlab.exact.dynamics import OracleWarning, PopulationDynamics
from orwlab.show import figures
from orwlab.show.figures import Curve
from orwlab.teach.science.claims import Section
from orwlab.teach.science.theorems import RIGHT, cell_tv


def plain_rate(dynamics: PopulationDynamics) -> float:
    """The factor by which refreshes shrink near the limit, by the plain recursion."""
    return dynamics.fixed_point(1e-6, accelerated=False).rate


def convergence() -> Section:
    """Bounded weights converge, at a rate one can predict."""
    section = Section(
        "Convergence and its rate",
        "For bounded weights the recursion converged in every case tried (that it must is not proved). For a weak tilt "
        "the rate is Z / (Z + alpha). In general the slowest mode contracts by less than sup w / (w + alpha): small alpha "
        "is slow.",
    )
    alphas, weak, strong, bound = (0.1, 0.3, 1.0, 3.0, 10.0), [], [], []
    target = targets.get("two_modes_1d")
    for alpha in alphas:
        tilt = PopulationDynamics(target, RIGHT, tau=1e-3, alpha=alpha)
        tilt.step()
        steps = []
        for _ in range(4):
            tilt.step()
            steps.append(tilt.moved)
        weak.append((steps[-1] / steps[0]) ** (1 / 3))
        section.close(
            f"weak_rate_alpha_{alpha:g}",
            f"weak tilt, alpha {alpha:g}: rate Z / (Z + alpha)",
            weak[-1],
            1 / (1 + alpha),
            0.01,
        )
        full = PopulationDynamics(target, RIGHT, tau=1.0, alpha=alpha)
        strong.append(plain_rate(full))
        bound.append(math.e / (math.e + alpha))
        section.below(
            f"rate_alpha_{alpha:g}", f"tau 1, alpha {alpha:g}: rate under sup w / (w + alpha)", strong[-1], bound[-1]
        )
    section.figures.append(
        (
            "Contraction factor a round against alpha: measured rates for a weak and a strong tilt with their predictions",
            figures.curves(
                [
                    Curve("weak tilt, Z / (Z + α)", alphas, [1 / (1 + a) for a in alphas], "dashes", "#0072B2"),
                    Curve("weak tilt, measured", alphas, weak, "markers", "#0072B2"),
                    Curve("sup w / (w + α)", alphas, bound, "dashes", "#D55E00"),
                    Curve("τ = 1, measured", alphas, strong, "markers", "#D55E00"),
                ],
                xlabel="α",
                ylabel="contraction a round",
                log_x=True,
                title="How fast the exact recursion converges (two modes on a line)",
            ),
        )
    )
    return section


def effective_temperature() -> Section:
    """A weak tilt's limit is an exponential tilt; a strong one's is not."""
    section = Section(
        "Effective inverse temperature, and where it ends",
        "When tau times the spread of r is small, the limit is p_ref exp(tau_eff r) with tau_eff = tau Z / alpha for raw "
        "weights and tau / alpha for mean-one weights. A large alpha alone is not enough: it makes the limit an "
        "exponential tilt in w, not in r. As alpha falls the limit stops being a tilt at all.",
    )
    target = targets.get("two_modes_1d")
    for kind in ("exp", "mean_one"):
        weak = PopulationDynamics(target, RIGHT, tau=0.02, alpha=2.0, weighting=kind)
        weak.fixed_point(1e-8)
        w = (0.02 * weak.reward_values).exp()
        Z = float((w * weak.reference_density).sum() / weak.reference_density.sum()) if kind == "exp" else 1.0
        fit = optima.effective_temperature(weak.density, weak.reference_density, weak.reward_values)
        section.close(f"weak_tau_eff_{kind}", f"weak tilt, {kind} weights: tau_eff", fit.tau_eff, 0.02 * Z / 2.0, 2e-4)
    far = PopulationDynamics(target, RIGHT, tau=1.0, alpha=100.0)
    far.fixed_point(1e-8)
    r, w = far.reward_values, far.reward_values.exp()
    in_r, in_w = (optima.effective_temperature(far.density, far.reference_density, f) for f in (r, w))
    section.below("alpha_100_in_r", "alpha 100 at tau 1: r^2 of a tilt in r", in_r.r_squared, 0.99)
    section.above("alpha_100_in_w", "alpha 100 at tau 1: r^2 of a tilt in w", in_w.r_squared, 0.999)
    section.close(
        "alpha_100_slope_in_w", "alpha 100 at tau 1: slope of the tilt in w, 1 / alpha", in_w.tau_eff, 0.01, 2e-4
    )
    alphas = (0.3, 1.0, 3.0, 10.0)
    lines = []
    for name in ("two_modes_1d", "three_modes_1d", "eight_gaussians"):
        gaps = []
        for alpha in alphas:
            limit = PopulationDynamics(targets.get(name), RIGHT, tau=1.0, alpha=alpha, weighting="mean_one")
            limit.fixed_point()
            tilt = optima.kl_tilt(limit.cells, limit.reference_density, RIGHT, 1.0 / alpha)
            gaps.append(cell_tv(limit, tilt.density))
        section.below(f"{name}_tv_alpha_10", f"{name}: TV to exp(tau r / alpha) at alpha 10", gaps[-1], 0.01)
        section.above(
            f"{name}_tv_alpha_0.3", f"{name}: the same at alpha 0.3, no exponential tilt any more", gaps[0], 0.1
        )
        lines.append(Curve(name, alphas, gaps))
    section.figures.append(
        (
            "Total variation between the exact limit and the exponential tilt against alpha, growing as alpha falls",
            figures.curves(
                lines, xlabel="α", ylabel="TV to p_ref exp(τ r / α)", log_x=True, title="Where the tilt stops being one"
            ),
        )
    )
    return section


def unbounded() -> Section:
    """Unbounded weights run away, unless alpha is large enough for the tail that is followed."""
    section = Section(
        "Unbounded weights",
        "N(0, 1) with r = x: a small alpha runs away, and the oracle says so instead of returning numbers. At alpha 5 the "
        "recursion settles as far as any grid can follow the tail (to a density of 1e-9 of the peak): the run-away that "
        "an unbounded weight must cause in the end sits beyond, where nothing is ever sampled.",
    )
    normal = targets.GaussianMixture(torch.ones(1), torch.zeros(1, 1), 1.0)
    verdicts = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OracleWarning)
        for alpha in (0.5, 5.0):
            dynamics = PopulationDynamics(normal, lambda x: x[:, 0], tau=0.5, alpha=alpha, extent=12.0, axis=512)
            verdicts[alpha] = dynamics.fixed_point(1e-5), dict(dynamics.problems), dynamics.mean_reward
    section.close(
        "runs_away_alpha_0.5",
        "alpha 0.5: the oracle reports run-away (1 = yes)",
        float(bool(verdicts[0.5][1])),
        1.0,
        0.0,
    )
    section.close("settles_alpha_5", "alpha 5: mean reward where it settles", verdicts[5.0][2], 0.13, 0.01)
    return section


def house_of_cards() -> Section:
    """Penalty over the reference's samples: a mixture limit with a condensation threshold."""
    section = Section(
        "House of cards: the penalty over the reference's samples",
        "Averaging the penalty over reference samples instead of the policy's gives q_new = (w q + alpha p_ref) / "
        "(Z + alpha), Kingman's model. Below a critical alpha mass condenses at the supremum of w; the method's own "
        "recursion has no such threshold.",
    )
    target = targets.get("two_modes_1d")
    probe = PopulationDynamics(target, RIGHT, penalty="reference")
    limit = optima.mixture_limit(probe.cells, probe.reference_density, RIGHT, 1.0, 10.0, reward_sup=1.0)
    threshold = limit.threshold
    above = PopulationDynamics(target, RIGHT, alpha=2 * threshold, penalty="reference")
    above.fixed_point(1e-8)
    exact = optima.mixture_limit(probe.cells, probe.reference_density, RIGHT, 1.0, 2 * threshold, reward_sup=1.0)
    section.below(
        "limit_tv", "TV to alpha p_ref / (alpha + Z - w) at twice the threshold", cell_tv(above, exact.density), 1e-5
    )
    half = optima.mixture_limit(probe.cells, probe.reference_density, RIGHT, 1.0, 0.5 * threshold, reward_sup=1.0)
    section.close("condensed", "condensed mass at half the threshold, 1 - alpha / alpha_c", half.condensed, 0.5, 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OracleWarning)
        below = PopulationDynamics(target, RIGHT, alpha=0.5 * threshold, penalty="reference")
        section.close(
            "converges_below_threshold",
            "the recursion converges there (1 = yes)",
            float(below.fixed_point(1e-8).converged),
            0.0,
            0.0,
        )
    own = PopulationDynamics(target, RIGHT, alpha=0.5 * threshold)
    section.close(
        "method_converges",
        "the method itself converges there (1 = yes)",
        float(own.fixed_point(1e-6).converged),
        1.0,
        0.0,
    )
    return section


def placed(target_name: str, alphas: tuple[float, ...]) -> tuple[frontiers.Frontiers, list[frontiers.Placement]]:
    """Both frontiers of the bump over a target, and where the method's limits lie under them."""
    limit = PopulationDynamics(targets.get(target_name), rewards.get("bump"), tau=1.0, alpha=1.0)
    both = frontiers.Frontiers(limit.cells, limit.reference_density, limit.reward_values)
    places = []
    for alpha in alphas:
        limit.alpha = alpha
        limit.fixed_point()
        places.append(both.place(limit.density))
    return both, places


def three_optima() -> Section:
    """The limit against the KL and the W2 frontier."""
    section = Section(
        "What is really optimised: three optima",
        "The limit maximises neither E[r] - KL / tau nor E[r] - lam W2^2. Typically it lies close under the KL frontier "
        "and clearly below the W2 frontier, but not always: the last claim is a case where it is nearer the W2 frontier. "
        "A fair comparison names the distance it uses.",
    )
    alphas = (3.0, 1.0, 0.3, 0.1)
    both, places = placed("three_modes_1d", alphas)
    for alpha, place in zip(alphas, places):
        section.below(
            f"under_kl_alpha_{alpha:g}",
            f"alpha {alpha:g}: reward, under the KL frontier",
            place.mean_reward,
            place.kl_allows + 1e-3,
        )
        section.below(
            f"under_w2_alpha_{alpha:g}",
            f"alpha {alpha:g}: reward, under the W2 frontier",
            place.mean_reward,
            place.w2_allows + 1e-3,
        )
    slack = [(p.kl_allows - p.mean_reward, p.w2_allows - p.mean_reward) for p in places]
    section.below(
        "kl_slack", "largest distance to the KL frontier over the four alphas", max(k for k, _ in slack), 0.05
    )
    section.above(
        "w2_farther_by",
        "the W2 frontier is farther at every alpha: least difference",
        min(w - k for k, w in slack),
        0.0,
    )
    _, (other,) = placed("two_modes_1d", (0.3,))
    section.below(
        "two_modes_w2_over_kl",
        "two modes, alpha 0.3: distance to the W2 frontier over that to the KL frontier",
        (other.w2_allows - other.mean_reward) / (other.kl_allows - other.mean_reward),
        1.0,
    )
    for name, frontier, distance in (
        ("KL", both.kl, [p.kl for p in places]),
        ("W2²", both.w2, [p.w2_squared for p in places]),
    ):
        section.figures.append(
            (
                f"Mean reward against {name}: the frontier and the limits of the method under it",
                figures.curves(
                    [
                        Curve(f"{name} frontier", frontier.distance, frontier.reward, "dashes", "#000000"),
                        Curve("limits of ORW-CFM-W2", distance, [p.mean_reward for p in places], "markers", "#0072B2"),
                    ],
                    xlabel=f"{name} to the reference",
                    ylabel="mean reward",
                    title=f"Reward against {name} (three modes on a line, bump)",
                ),
            )
        )
    return section
