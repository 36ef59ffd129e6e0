"""The failure gallery: fine-tuning with one silent bug at a time. Nothing raises; each only learns the wrong thing.

    broken = failures.get("stale_rewards")
    print(broken.symptom, broken.reading, broken.cure)
    run = broken.run(reference, reward, alpha=0.3, seed=0)  # a FineTuning like any other, but for the bug
    twin = broken.healthy(reference, reward, alpha=0.3, seed=0)  # the same without it

Each bug is one method of its healthy twin overridden in a few lines, and each has a number that gives it away:
``reading`` says which. The twin is ``FineTuning``; for the last three, ``AdjointMatching``, which takes a ``strength``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, couplings, flow, losses, rewards, weights
from orwlab.methods import rollout
from orwlab.methods.adjoint_matching import AdjointMatching
from orwlab.methods.orw import FineTuning
from orwlab.methods.run import Run
from orwlab.velocity import Velocity


class ShuffledWeights(FineTuning):
    """Weights in another order than their samples."""

    def _weighed(self, x1: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        r, log_w = super()._weighed(x1, c)
        return r, log_w[torch.randperm(len(log_w), generator=self.generator)]


class ResampledPairs(FineTuning):
    """Minibatch OT draws the samples anew, and the weights stay where they were."""

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> couplings.Pairs:
        rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), self.generator)
        return couplings.Pairs(x0[rows], x1[columns], w)


class StaleRewards(FineTuning):
    """The rewards of the draw before, on the samples of this one."""

    _before: Tensor | None = None

    def _weighed(self, x1: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        r, log_w = super()._weighed(x1, c)
        last, self._before = self._before, log_w
        return r, log_w if last is None else last

    def _state(self) -> dict[str, Tensor]:
        return super()._state() | ({} if self._before is None else {"before": self._before})

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        self._before = state["before"].clone() if "before" in state else None


class NoRefresh(FineTuning):
    """Samples of the reference in place of the policy's: no round builds on the one before."""

    def _draw(self) -> Tensor:
        return self._samples_of(self.reference, self.pool_size)


class DropoutInOne(FineTuning):
    """Dropout is on in the policy and off in the reference."""

    dropped = 0.1  # share of what the policy answers

    def _told(self, network: nn.Module, c: Tensor | None) -> Velocity:
        if network is not self.policy:
            return super()._told(network, c)

        def dropping(t: Tensor, x: Tensor) -> Tensor:
            kept = torch.rand(x.shape, generator=self.generator, dtype=torch.float32).to(x) >= self.dropped
            return network(t, x) * kept / (1 - self.dropped)

        return dropping


class InvertedTemperature(FineTuning):
    """tau is taken for a temperature: exp(r / tau) in place of exp(tau r)."""

    def _weighed(self, x1: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        r = rewards.evaluate(self.reward, x1)
        return r, weights.log_weights(r, 1 / max(self.tau, 1e-6), self.weighting)


class WeightsThatVanish(FineTuning):
    """exp(tau r) as it stands: weights of 1e-26 vanish beside the 1e-8 in Adam's denominator, though they are not 0."""

    def _unit_for(self, log_w: Tensor) -> float:
        self._log_unit = 0.0
        return 0.0


class GuidedRollout(FineTuning):
    """Samples are drawn with guidance, and learned by a loss that knows nothing of it."""

    guidance = 1.5  # 1 is none

    def _draw(self) -> Tensor:
        self.cost.add(forward=(self.pool_size + 1024) * flow.evaluations(self.sampler))
        own = torch.Generator().manual_seed(self.seed)  # what the data look like from afar: their mean and spread
        x = flow.push(self.reference, flow.noise(1024, self.event_shape, generator=own).to(self.device), self.sampler)
        mean, variance = x.mean(0), x.var(0)

        def guided(t: Tensor, x: Tensor) -> Tensor:
            t = t.reshape(-1, *[1] * (x.ndim - 1))
            spread = (1 - t) ** 2 + t**2 * variance  # the exact field of N(mean, variance)
            plain = mean + (t * variance - (1 - t)) / spread * (x - t * mean)
            return plain + self.guidance * (self.policy(t.flatten(), x) - plain)

        x1 = flow.push(guided, self._noise(self.pool_size), self.sampler)
        if not checks.all_finite(x1):
            raise self._diverged("policy's samples")
        return x1


class PenaltyElsewhere(FineTuning):
    """The penalty at the reference's x_t in place of the policy's."""

    def _penalty(self, t: Tensor, v_t: Tensor, v_ref_t: Tensor) -> Tensor:
        n = len(v_t)
        self.cost.add(forward=2 * n, backward=n)
        x_t, _ = self.path.interpolate(t, self._noise(n), self._samples_of(self.reference, n))
        return losses.penalty(self.policy(t, x_t), self.reference(t, x_t))


class StartBias(AdjointMatching):
    """Noisy steps with little noise, by Euler's rule: where a sample ends is mostly decided by where it starts."""

    noise, rule = 0.3, "euler"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.way = rollout.way(self.noisy_steps, self.noise, self.rule)


class ExplodingAdjoints(AdjointMatching):
    """Memoryless steps by Euler's rule, in place of those that keep the variance."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.way = rollout.way(self.noisy_steps, rollout.MEMORYLESS, "euler")


class ClippedAdjoints(AdjointMatching):
    """Adjoints that grew are cut back to a fixed length, against spikes of the loss."""

    longest = 1.0  # of an adjoint; the slopes of rewards between -1 and 1 are mostly shorter

    def _carried_back(self, states: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        v_ref, adjoint = super()._carried_back(states, end)
        length = adjoint.flatten(2).norm(dim=2).view(*adjoint.shape[:2], *[1] * (adjoint.ndim - 2))
        return v_ref, adjoint * (self.longest / length.clamp_min(1e-12)).clamp_max(1)


@dataclass(frozen=True)
class Failure:
    """One silent bug: what one sees, which number gives it away, and what to do."""

    name: str
    title: str
    run: Callable[..., Run]
    """takes what ``healthy`` takes"""
    bug: str
    symptom: str
    reading: str
    cure: str

    @property
    def healthy(self) -> Callable[..., Run]:
        """The same method without the bug."""
        return AdjointMatching if self.run in _ADJOINTS else FineTuning


_ADJOINTS = (StartBias, ExplodingAdjoints, ClippedAdjoints)
_GALLERY = {
    "shuffled_weights": (
        ShuffledWeights, "Shuffled weights", "The weights come in another order than the samples they belong to.",
        "The loss falls, nothing diverges, and the reward stays where it was.",
        "The correlation of the weights that reach the loss with the rewards of their samples: 1 in health, 0 here. "
        "So shuffling the rewards on purpose changes nothing: on average the gradient never saw them.",
        "Keep samples and weights in one object, and index them together.",
    ),
    "resampled_pairs": (
        ResampledPairs, "Resampled pairs", "A transport plan draws samples anew; the weights stay in the old order.",
        "As with shuffled weights; it looks like a coupling that does not work.",
        "The same correlation, taken after the pairing: 0. Before the pairing it is 1.",
        "Put the weights into the plan, as the target's marginal, and do not multiply by them again.",
    ),
    "stale_rewards": (
        StaleRewards, "Stale rewards", "Rewards are cached, and used one draw too late.",
        "The first round is right; then nothing more is learned.",
        "The correlation of log weights with the rewards of the samples they stand on: 1 in health, 0 here.",
        "Compute rewards where the samples are drawn.",
    ),
    "no_refresh": (
        NoRefresh, "No refresh", "Samples still come from the reference.",
        "The reward rises, and settles too low. At alpha 0 there is no collapse, which may please.",
        "Where it settles: at the law of the first round, (w + alpha) p_ref / (Z + alpha), not at the oracle's limit.",
        "Draw from the policy of the last round.",
    ),
    "dropout_in_one": (
        DropoutInOne, "Dropout in one network", "The policy drops a tenth of what it answers; the reference does not.",
        "The policy shrinks towards the origin, and alpha seems too strong.",
        "The penalty before the first step: 0 in health.",
        "Evaluate both networks in the same mode.",
    ),
    "inverted_temperature": (
        InvertedTemperature, "Inverted temperature", "tau divides the reward where it should multiply.",
        "At tau = 1 all is well. A larger tau, which should sharpen, does less.",
        "Run two values of tau: the one that should tilt more tilts less.",
        "Call it an inverse temperature, and test its direction.",
    ),
    "weights_that_vanish": (
        WeightsThatVanish, "Weights that vanish", "exp(tau r) is computed as it stands.",
        "With rewards around -60 nothing is learned at all, though only their differences should matter at alpha 0.",
        "Add a constant to the reward: at alpha 0 the run must be the same.",
        "Keep logarithms, and subtract the largest before exp.",
    ),
    "guided_rollout": (
        GuidedRollout, "Guidance in the rollout", "Samples are drawn with guidance, and learned without.",
        "Modes sharpen although the reward says nothing of it, and v_ref no longer belongs to the samples.",
        "A constant reward: the samples must stay what they are.",
        "Draw without guidance, or fine-tune the guided field.",
    ),
    "penalty_elsewhere": (
        PenaltyElsewhere, "The penalty elsewhere", "The penalty is taken at the reference's x_t.",
        "It holds where the policy no longer is: at small alpha the reward passes the exact limit.",
        "Where it settles: near the mixture limit alpha p_ref / (alpha + Z - w), not at the oracle's.",
        "Take the penalty at the x_t of the samples that are learned from.",
    ),
    "start_bias": (
        StartBias, "A start that is remembered", "Adjoint Matching on steps with little noise, 0.3 in place of sqrt 2.",
        "All curves are smooth and level off, far below the tilt.",
        "The correlation of a sample with the noise it starts from: 0 in health. By Euler's rule it dies out only as "
        "n^(-noise^2 / 2) with the number of steps.",
        "Memoryless noise, sqrt 2. With less, the rule 'exact' forgets x_0 itself, but not the point after it.",
    ),
    "exploding_adjoints": (
        ExplodingAdjoints, "Exploding adjoints", "Adjoints go back through Euler's steps, between sharp modes.",
        "The loss jumps by factors of ten to a hundred, and the reward lags.",
        "How much an adjoint grows on its way back: by a fifth where data are smooth, ten times and more for one of a "
        "hundred samples between sharp modes. The loss is twice the healthy one.",
        "Steps that keep the variance; they halve the loss. The growth itself stays: more samples, and patience.",
    ),
    "clipped_adjoints": (
        ClippedAdjoints, "Clipped adjoints", "Whatever an adjoint is longer than 1, it is cut back to 1.",
        "A small and quiet loss, and a reward that settles far too low.",
        "The share of adjoints that were cut. Each one pulls less than it should: the mean is off, not only its noise.",
        "Do not clip what is averaged. A spike of the loss is not yet an error of its mean.",
    ),
}  # fmt: skip


def names() -> list[str]:
    """The failures that ``get`` knows."""
    return list(_GALLERY)


def get(name: str) -> Failure:
    """The failure called ``name``; ``ValueError`` lists those there are."""
    kind, title, *texts = _GALLERY[checks.choice("failure", name, _GALLERY)]
    return Failure(name, title, kind, *texts)


__all__ = ["Failure", "get", "names"]
