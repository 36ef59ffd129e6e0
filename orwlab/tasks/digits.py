"""Handwritten digits, pulled towards even ones: collapse and reward hacking at alpha 0, real digits with the W2 term.

    from orwlab.tasks import digits
    outcomes = digits.fine_tune(alphas=(0.0, 0.1, 0.5, 2.0))

The reward is a small classifier's probability of "even". A second judge that no gradient and no selection ever saw, the
label of the nearest real image, says whether a sample is a digit or an adversarial pattern.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from orwlab import checks, flow, rewards, zoo
from orwlab.measure.samples import DataRegion, mean_pairwise_distance
from orwlab.methods.orw import FineTuning
from orwlab.zoo import data

EVENT_SHAPE = (1, 8, 8)


class EvenProbability(nn.Module):
    """The reward ``r(x1)``: the zoo classifier's probability that an image shows an even digit."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = zoo.load("digits_classifier")

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, 8, 8) -> (n,), in [0, 1]."""
        return self.classifier(x).softmax(1)[:, ::2].sum(1)


@dataclass(frozen=True)
class Outcome:
    """What fine-tuning at one ``alpha`` gave; ``alpha`` None is the reference itself."""

    alpha: float | None
    samples: Tensor
    """(n, 1, 8, 8), all from the same noise"""
    reward: float
    """mean P(even) by the classifier that was optimised"""
    judged_even: float
    """fraction whose nearest real image is an even digit"""
    off_data: float
    """fraction farther from every real image than real images are from each other"""
    diversity: float
    """mean pairwise distance"""
    rewards: list[float]
    """mean reward of each round"""


def fine_tune(
    alphas: Sequence[float] = (0.0, 0.1, 0.5, 2.0),
    *,
    tau: float = 2.0,
    rounds: int = 400,
    lr: float = 3e-4,
    samples: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> list[Outcome]:
    """Fine-tune the digit flow towards even digits once for each alpha; 20 to 40 seconds each on one core.

    Args:
        alphas: W2 coefficients, each >= 0, against weights of mean one.
        tau: inverse temperature.
        rounds: rounds of 256 samples and one gradient step.
        lr: learning rate.
        samples: how many images each outcome keeps.
        seed: of the runs and of the noise behind the images.
        progress: show a bar.

    Returns:
        The reference's outcome, then one for each alpha, in order.
    """
    alphas = checks.numbers("alphas", alphas, low=0.0)
    tau, lr = checks.number("tau", tau, low=0.0), checks.number("lr", lr, above=0.0)
    rounds, samples = checks.integer("rounds", rounds), checks.integer("samples", samples, low=2)
    seed, progress = checks.seed("seed", seed), checks.yes_or_no("progress", progress)
    reference, reward = zoo.load("digits"), EvenProbability()
    images, labels = data.digits("all")
    x0 = flow.noise(samples, EVENT_SHAPE, generator=torch.Generator().manual_seed(seed))
    region = DataRegion(images, slack=1.0)

    def outcome(alpha: float | None, v: nn.Module, history: list[float]) -> Outcome:
        x = flow.sample(v, x0)
        if not bool(torch.isfinite(x).all()):
            raise checks.fail("lr", lr, "a learning rate at which the samples stay finite")
        even = float(rewards.evaluate(reward, x).mean())
        nearest = labels[torch.cdist(x.flatten(1), images.flatten(1)).argmin(1)]
        return Outcome(
            alpha=alpha,
            samples=x,
            reward=even,
            judged_even=float((nearest % 2 == 0).float().mean()),
            off_data=region.fraction_outside(x),
            diversity=mean_pairwise_distance(x),
            rewards=history,
        )

    outcomes = [outcome(None, reference, [])]
    for alpha in alphas:
        run = FineTuning(reference, reward, tau=tau, alpha=alpha, weighting="mean_one", lr=lr, seed=seed)
        bar = tqdm(run.rounds(rounds), total=rounds, desc=f"alpha {alpha:g}", disable=not progress)
        history = [snapshot.reward for snapshot in bar]
        outcomes.append(outcome(alpha, run.average, history))
    return outcomes
