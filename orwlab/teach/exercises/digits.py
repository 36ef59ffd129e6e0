"""Checks of notebook 08, on images: a reward from logits, what is unlike data, choosing alpha, shares under a tilt."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab import data
from orwlab.teach import checks

EVEN = (0, 2, 4, 6, 8)


@checks.exercise
def wanted_probability(answer: Callable[[Tensor, Sequence[int]], Tensor]) -> None:
    """8.1: ``answer(logits, wanted)``: logits (n, 10) -> the probability of a wanted digit (n,), in [0, 1]."""
    hint = "Probabilities first: e to the logits, divided by their sum over all ten. Then add those that are wanted."
    by_hand = torch.tensor([[0.0] * 10, [math.log(9.0)] + [0.0] * 9])  # equal; the 0 as likely as all others together
    found = checks.shaped("two images by hand", answer(by_hand.clone(), EVEN), (2,), hint=hint)
    checks.close("ten equal logits, even", found[0], 0.5, 1e-4, hint=hint)
    checks.close("a 0 with odds of one to one, even", found[1], 0.5 + 4 / 18, 1e-4, hint=hint)
    logits = 4 * torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    two, others = answer(logits.clone(), (1, 7)), answer(logits.clone(), (0, 2, 3, 4, 5, 6, 8, 9))
    probabilities = logits.double().softmax(1).float()
    checks.same("200 images, 1 or 7", two, probabilities[:, 1] + probabilities[:, 7], 1e-4, hint=hint)
    checks.same("wanted and unwanted together", two + others, torch.ones(200), 1e-4, hint=hint)
    loud = checks.shaped("logits of 500", answer(100 * by_hand + 500, EVEN), (2,))
    overflow = "e to the 500 overflows. `softmax` takes the largest logit out first."
    checks.close("logits of 500, even", loud[0], 0.5, 1e-4, hint=overflow)


@checks.exercise
def unlike_any(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """8.2: ``answer(images, real)`` -> the share of images that are unlike any real one.

    Those that are farther from all real ones than any real one is from its own nearest; images (n, 1, s, s), real
    (m, 1, s, s).
    """
    generator = torch.Generator().manual_seed(1)
    real = data.digits("all")[0][:300]
    itself = "A real image is nearest to itself, at distance 0. Its nearest *other* one is what counts."
    nearest = "For each image the smallest distance to a real one; then compare with the largest of the real ones' own."
    line = torch.zeros(3, 1, 2, 2)
    line[:, 0, 0, 0] = torch.tensor([0.0, 1.0, 3.0])  # 1, 1 and 2 to the nearest other
    there = torch.zeros(4, 1, 2, 2)
    there[:, 0, 0, 0] = torch.tensor([-1.5, 2.0, 4.5, 5.5])  # 1.5, 1, 1.5, 2.5
    checks.close("four images on a line", answer(there.clone(), line.clone()), 0.25, 1e-4, hint=f"{itself} {nearest}")
    checks.close("real images among themselves", answer(real[:100].clone(), real.clone()), 0.0, 1e-4, hint=itself)
    noise = 2 * torch.rand(50, 1, 8, 8, generator=generator) - 1
    mixed = torch.cat([noise, real[:150]])
    checks.close("50 of noise among 200", answer(mixed, real.clone()), 0.25, 1e-4, hint=nearest)
    far = real[:40] + 10
    checks.close("real images, all 10 too bright", answer(far, real.clone()), 1.0, 1e-4, hint=nearest)


def _row(*numbers: float) -> dict[str, float]:
    return dict(zip(("alpha", "reward", "judge", "off_data", "within", "smallest"), numbers, strict=True))


_HACKED = _row(0.0, 1.0, 0.99, 1.0, 0.9, 0.9)
_TABLES: dict[str, tuple[list[dict[str, float]], float]] = {
    "a table like the one above": (
        [
            _row(0.0, 1.0, 0.93, 1.0, 0.4, 0.0), _row(0.05, 0.97, 0.97, 0.0, 0.91, 0.41),
            _row(0.1, 0.92, 0.93, 0.0, 0.93, 0.65), _row(1.0, 0.67, 0.67, 0.0, 0.97, 0.89),
        ],
        0.1,
    ),
    "the best judged is off the data": ([_HACKED, _row(0.3, 0.9, 0.88, 0.01, 0.85, 0.7)], 0.3),
    "the best judged has too little left within a class": (
        [_row(0.2, 0.9, 0.95, 0.0, 0.7, 0.8), _row(0.4, 0.8, 0.81, 0.0, 0.9, 0.8), _row(3.0, 0.6, 0.6, 0.0, 1.0, 0.9)],
        0.4,
    ),
    "reward and judge disagree": (
        [_row(0.1, 0.99, 0.7, 0.0, 0.9, 0.6), _row(0.5, 0.8, 0.78, 0.0, 0.9, 0.6)],
        0.5,
    ),
    "in no order": (
        [_row(0.2, 0.9, 0.9, 0.0, 0.9, 0.6), _row(2.0, 0.6, 0.6, 0.0, 1.0, 0.9), _row(0.7, 0.8, 0.8, 0.0, 1.0, 0.8)],
        0.2,
    ),
    "none will do": ([_HACKED, _row(0.01, 0.99, 0.98, 0.0, 0.9, 0.1)], math.inf),
}  # fmt: skip


@checks.exercise
def best_alpha(answer: Callable[[list[dict[str, float]]], float]) -> None:
    """8.3: ``answer(rows)`` -> the alpha that the judge likes best among those that meet the requirement.

    ``math.inf`` if none does. Each row holds "alpha", "reward", "judge", "off_data", "within" and "smallest".
    """
    for name, (rows, alpha) in _TABLES.items():
        said = answer([dict(row) for row in rows])
        checks.holds(
            f"{name}: α = {alpha:g}",
            said == alpha,
            hint=f"You said {said!r}. First drop rows: off_data at most 0.02, within at least 0.8, smallest at least "
            "0.5. Of those that are left, the largest judge, not the largest reward.",
        )


@checks.exercise
def tilted_shares(answer: Callable[[Tensor, float, Sequence[int]], Tensor]) -> None:
    """8.4: ``answer(probabilities, tau_eff, wanted)`` -> shares (10,) of the digits after a tilt by exp(tau_eff r).

    From the classifier's probabilities (n, 10) of reference samples; each sample counts as its likeliest digit.
    """
    hint = "Weights exp(tau_eff r), divided by their sum. A digit's share is the sum over the images that are it."
    sure = torch.eye(10).repeat(3, 1)  # three of each digit, told with certainty
    found = checks.shaped("thirty sure images", answer(sure.clone(), math.log(3.0), EVEN), (10,), hint=hint)
    checks.close("thirty sure images, odds 3 to 1: share of a 2", found[2], 0.15, 1e-4, hint=hint)
    checks.close("share of a 3", found[3], 0.05, 1e-4, hint=hint)
    generator = torch.Generator().manual_seed(2)
    doubtful = (3 * torch.randn(500, 10, generator=generator)).softmax(1)
    labels = doubtful.argmax(1)
    plain = answer(doubtful.clone(), 0.0, (1, 7))
    checks.same("no tilt: the plain shares", plain, labels.bincount(minlength=10) / 500, 1e-4, hint=hint)
    r = doubtful[:, [1, 7]].double().sum(1)
    weights = (5 * r).softmax(0)
    exact = torch.zeros(10, dtype=torch.float64).index_add(0, labels, weights).float()
    doubts = "The reward is the probability of a wanted digit, not whether the likeliest one is wanted."
    checks.same("500 doubtful images, 1 or 7", answer(doubtful.clone(), 5.0, (1, 7)), exact, 1e-4, hint=doubts)
