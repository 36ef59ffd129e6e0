"""From rewards to weights: ``w = exp(tau r)`` and its variants, kept as logarithms so that nothing overflows.

- ``"exp"``: the paper's raw weight. What a given alpha means then depends on the scale of r.
- ``"mean_one"``: raw weights divided by their mean over the batch. Adding a constant to r changes nothing.
- ``"clipped"``: ``min(exp(tau r), clip)``: bounded, whatever the reward.
"""

import math

from torch import Tensor

from orwlab import _check

KINDS = ("exp", "mean_one", "clipped")
CLIP = 20.0
# above this log weight (e^30 = 1e13) the whole loss is divided by a common factor instead
_LARGEST = 30.0


def log_weights(r: Tensor, tau: float, kind: str = "exp", clip: float = CLIP) -> Tensor:
    """``log w`` for rewards ``r`` (n,): (n,).

    Args:
        r: rewards, finite.
        tau: inverse temperature, >= 0; 0 makes all weights 1.
        kind: one of ``KINDS``.
        clip: the largest weight of kind "clipped", > 0.
    """
    _check.choice("weighting", kind, KINDS)
    log_w = _check.number("tau", tau, low=0.0) * r
    if kind == "mean_one":
        return log_w - (log_w.logsumexp(0) - math.log(len(log_w)))
    if kind == "clipped":
        return log_w.clamp_max(math.log(_check.number("clip", clip, above=0.0)))
    return log_w


def exponentiate(log_w: Tensor) -> tuple[Tensor, float]:
    """``w * scale`` and ``scale``, where ``scale`` is 1 unless a weight would be astronomically large.

    A loss ``mean(w fit) + alpha penalty`` has the same minimiser when both terms are multiplied by ``scale``, so
    callers multiply alpha by it and overflow never happens.
    """
    excess = max(0.0, float(log_w.max()) - _LARGEST)
    return (log_w - excess).exp(), math.exp(-min(excess, 700.0))


def effective_sample_size(log_w: Tensor) -> float:
    """``(sum w)^2 / sum w^2``, between 1 (one sample decides everything) and n (all weigh the same)."""
    return float((2 * log_w.double().logsumexp(0) - (2 * log_w.double()).logsumexp(0)).exp())
