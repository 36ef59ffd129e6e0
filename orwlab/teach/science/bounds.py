"""Theorem 3 and the ladder of bounds on W2^2, over alpha."""

import math
from itertools import pairwise

from orwlab import wasserstein, zoo
from orwlab.finetune import FineTuning
from orwlab.show import figures, theme
from orwlab.show.figures import Curve
from orwlab.teach.science.claims import Section
from orwlab.teach.science.theorems import RIGHT

ORDER = (
    "empirical",
    "coupled",
    "flow_map",
    "one_sided",
    "minkowski",
    "time_varying",
    "global_lipschitz",
)


def ladder() -> Section:
    """The rungs over alpha: all ordered, the penalty useful, the certified constant vacuous."""
    section = Section(
        "Theorem 3 and the ladder of W2 bounds",
        "Every rung bounds the squared Wasserstein-2 distance between policy and reference. The penalty itself follows the "
        "distance over alpha within a factor of about two; the constant e^{2L} in front of it makes the bound of the theorem astronomically loose, "
        "even with L sampled (and so too small).",
    )
    reference, alphas = zoo.load("eight_gaussians"), (0.3, 1.0, 3.0)
    found = []
    for alpha in alphas:
        run = FineTuning(reference, RIGHT, tau=1.0, alpha=alpha)
        for _ in run.rounds(300):
            pass
        found.append(wasserstein.bounds(run.average, reference, n=500, seed=0))
        log = found[-1].log
        worst = max(log[a] - log[b] for a, b in pairwise(ORDER))
        section.below(f"alpha {alpha:g}: largest violation of the order of the rungs (log)", worst, 0.02)
        secant = max(log["coupled"] - log["secant"], log["secant"] - log["one_sided"])
        section.below(f"alpha {alpha:g}: the secant between coupled and one-sided (log)", secant, 0.02)
        identity = found[-1].identity / found[-1].coupled
        section.close(f"alpha {alpha:g}: E|int Phi dv|^2 over the coupled cost", identity, 1.0, 0.02)
        section.above(
            f"alpha {alpha:g}: decimal digits of the theorem's bound over the distance",
            (log["global_lipschitz"] - log["empirical"]) / math.log(10),
            4.0,
        )
    ratio = [b.empirical / b.penalty for b in found]
    section.below("W2^2 over the penalty: largest over smallest over the three alphas", max(ratio) / min(ratio), 2.5)
    names = {
        "global_lipschitz": "Theorem 3, global L",
        "time_varying": "L(t)",
        "one_sided": "one-sided",
        "flow_map": "flow map",
        "secant": "secant",
        "coupled": "coupled cost",
        "empirical": "W2² (exact, samples)",
    }
    lines = [Curve(label, alphas, [getattr(b, name) for b in found]) for name, label in names.items()]
    lines.append(Curve("penalty ∫E|dv|²", alphas, [b.penalty for b in found], "dashes", theme.BLACK))
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
