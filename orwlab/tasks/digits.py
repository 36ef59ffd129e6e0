"""Handwritten digits, pulled towards some: collapse and reward hacking at alpha 0, real digits with the W2 term.

    from orwlab.tasks import digits
    outcomes = digits.fine_tune(alphas=(0.0, 0.1, 0.5, 2.0))

The reward is a small classifier's probability of a wanted digit. A judge that no gradient and no selection ever saw,
another network trained on other images, says what the digits really are; and the nearest real image
whether they are digits at all.
"""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, data, zoo
from orwlab.measure.samples import DataRegion, mean_pairwise_distance
from orwlab.tasks import images
from orwlab.tasks.images import Numbers, Outcome, Plan, Task, check_classifier, networks_of

EVEN = (0, 2, 4, 6, 8)
MOST_REAL = 4000  # real images with which others are compared: in many dimensions each is looked at
ENOUGH = 5  # images of a class, from which its diversity is told


class Wanted(nn.Module):
    """The reward ``r(x1)``: a classifier's probability that an image shows one of the wanted digits.

    Args:
        wanted: digits, 0 .. 9, at least one and not all.
        classifier: maps images to ten logits; the zoo's if None.
    """

    def __init__(self, wanted: Iterable[int] = EVEN, classifier: nn.Module | None = None) -> None:
        super().__init__()
        self.wanted = _classes(wanted)
        if classifier is not None and not isinstance(classifier, nn.Module):
            raise checks.fail("classifier", classifier, "a network that maps images to ten logits, or None")
        self.classifier = zoo.load("digits_classifier") if classifier is None else classifier

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n,), in [0, 1]."""
        p = self.classifier(x).softmax(1)
        if p.shape[1] <= self.wanted[-1]:
            raise checks.fail("classifier", f"a network of {p.shape[1]} classes", "one that knows the wanted digits")
        return p[:, list(self.wanted)].sum(1)


_WORDS = {
    "judge": "wanted, says the judge",
    "off_data": "unlike any real digit",
    "diversity": "mean pairwise distance",
    "within": "diversity within a class, of the reference's",
    "smallest": "smallest share of a wanted digit, of an even split",
}


class Digits(Task):
    """Handwritten digits, pulled towards the wanted ones.

    Args:
        wanted: digits, 0 .. 9, at least one and not all.
        source: of the real images: see ``data.digits``.
        networks: a folder with ``digits``, ``digits_classifier`` and ``digits_judge``, as ``orwlab zoo train NAME
            --source SOURCE --folder FOLDER`` makes them for another source; the zoo's if None.

    Raises:
        ValueError: no digit is wanted or all are; images or networks that are not there or do not fit.
    """

    name = "digits"
    plan = Plan(tau=2.0, lr=3e-4, rounds=400)
    words = _WORDS
    judged_by = 2

    def __init__(
        self,
        wanted: Iterable[int] = EVEN,
        *,
        source: str | PathLike[str] = "scikit-learn",
        networks: str | PathLike[str] | None = None,
    ) -> None:
        self.wanted = _classes(wanted)
        self.reference, classifier, self.judging = networks_of(networks, "digits", "digits_classifier", "digits_judge")
        self.reward = Wanted(self.wanted, classifier)
        for judging in (classifier, self.judging):
            check_classifier(judging, self.event_shape, 10)
        pictures, _ = data.digits("all", source)
        if tuple(pictures.shape[1:]) != self.event_shape:
            raise checks.fail("source", source, f"images of the networks' shape {self.event_shape}")
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
        self._region = DataRegion(pictures[order[:MOST_REAL]], slack=1.0)
        self._usual: dict[int, float] | None = None

    def judge(self, x: Tensor) -> Numbers:
        """Numbers of images that nothing was optimised for.

        "judge": the mean probability of a wanted digit, by the judge. "off_data": the share that is farther from every
        real image (of ``MOST_REAL``) than 999 in 1,000 of these are from their nearest. "diversity": mean pairwise
        distance. "within": the mean pairwise distance within a wanted digit, divided by the reference's, mean over
        those of which there are at least ``ENOUGH``: 1 is as varied as before, 0 where there are none. "smallest": the
        least share of a wanted digit among the wanted ones, times how many they are: 1 where all are equally many, 0
        where one is missing. "shares": of each digit, 0 .. 9, by the judge.

        Levels beyond black and white count as black and white, as they do for whoever looks at the image. The reward
        sees them as they are.
        """
        x = checks.points("x", x, self.event_shape, at_least=2).clamp(-1, 1)
        p = self.seen(x)
        labels = p.argmax(1)
        shares = (labels.bincount(minlength=10).double() / len(labels)).tolist()
        good, own = [shares[k] for k in self.wanted], _spreads(x, labels)
        usual = self._reference_spreads()
        ratios = [own[k] / usual[k] for k in self.wanted if k in own and k in usual]
        return {
            "judge": float(p[:, list(self.wanted)].sum(1).mean()),
            "off_data": self._region.fraction_outside(x),
            "diversity": mean_pairwise_distance(x),
            "within": sum(ratios) / len(ratios) if ratios else 0.0,
            "smallest": len(self.wanted) * min(good) / sum(good) if sum(good) else 0.0,
            "shares": shares,
        }

    @torch.no_grad()
    def seen(self, x: Tensor) -> Tensor:
        """Images (n, *event) -> what the judge takes them for: probabilities of the digits, (n, 10)."""
        return self.judging(checks.points("x", x, self.event_shape).clamp(-1, 1)).softmax(1)

    def _reference_spreads(self) -> dict[int, float]:
        """Within each class of the reference's own samples."""
        if self._usual is None:
            x = images.push(self.reference, self.noise(1024, seed=2**32 - 1)).clamp(-1, 1)
            self._usual = _spreads(x, self.seen(x).argmax(1))
        return self._usual


def fine_tune(
    alphas: Sequence[float] = (0.0, 0.1, 0.5, 2.0),
    seeds: Sequence[int] = (0,),
    *,
    plan: Plan | None = None,
    samples: int | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Fine-tune the zoo's digits towards even ones, once for each seed and alpha: half a minute each on one core.

    Arguments and outcomes as ``images.fine_tune`` has them.
    """
    return images.fine_tune(Digits(), alphas, seeds, plan=plan, samples=samples, progress=progress)


def _spreads(x: Tensor, labels: Tensor) -> dict[int, float]:
    """The mean pairwise distance within each class that has ``ENOUGH`` images."""
    classes = {k: x[labels == k] for k in range(10)}
    return {k: mean_pairwise_distance(those) for k, those in classes.items() if len(those) >= ENOUGH}


def _classes(wanted: Any) -> tuple[int, ...]:
    allowed = "digits 0 .. 9, at least one of them and not all, such as (0, 2, 4, 6, 8)"
    try:
        found = sorted({checks.integer("wanted", k, low=0, high=9) for k in wanted})
    except (TypeError, ValueError) as error:
        raise checks.fail("wanted", wanted, allowed) from error
    if not 0 < len(found) < 10:
        raise checks.fail("wanted", wanted, allowed)
    return tuple(found)
