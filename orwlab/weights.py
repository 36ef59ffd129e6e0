"""From rewards to weights: ``w = exp(tau r)`` and its variants, kept as logarithms so that nothing over- or underflows.

- ``"exp"``: the paper's raw weight. What a given alpha means then depends on the scale of r.
- ``"mean_one"``: raw weights divided by their mean over the batch. Adding a constant to r changes nothing.
- ``"clipped"``: ``min(exp(tau r), clip)``: bounded, whatever the reward.
"""

import math
from typing import Any

import torch
from torch import Tensor

from orwlab import checks

KINDS = ("exp", "mean_one", "clipped")
CLIP = 20.0


def log_weights(r: Tensor, tau: float, weighting: str = "exp", clip: float = CLIP) -> Tensor:
    """``log w`` for rewards ``r`` (n,): (n,).

    Args:
        r: rewards, finite.
        tau: inverse temperature, >= 0; 0 makes all weights 1.
        weighting: one of ``KINDS``.
        clip: the largest weight of "clipped", > 0.

    Raises:
        ValueError: an argument out of range, or ``tau r`` beyond the range of floating-point numbers.
    """
    checks.choice("weighting", weighting, KINDS)
    r, clip = _vector("r", r), checks.number("clip", clip, above=0.0)
    log_w = checks.number("tau", tau, low=0.0) * r
    if not bool(log_w.isfinite().all()):
        raise checks.fail("tau", tau, f"a number for which tau r is finite; r is up to {float(r.abs().max()):g}")
    if weighting == "mean_one":
        return log_w - (log_w.logsumexp(0) - math.log(len(log_w)))
    if weighting == "clipped":
        return log_w.clamp_max(math.log(clip))
    return log_w


def unit(log_w: Tensor) -> float:
    """The logarithm of the power of two nearest to the largest weight: a unit in which weights are numbers like 1.

    Weights of 1e-7 are as good as weights of 1, but not to float32 and to Adam's epsilon. Divided by a power of two
    they keep every digit.
    """
    return math.log(2) * round(float(_vector("log_w", log_w).max()) / math.log(2))


def effective_sample_size(log_w: Tensor) -> float:
    """``(sum w)^2 / sum w^2``, between 1 (one sample decides everything) and n (all weigh the same)."""
    log_w = _vector("log_w", log_w).double()
    w = (log_w - log_w.max()).exp()
    return float(w.sum().square() / w.square().sum())


def _vector(name: str, x: Any) -> Tensor:
    allowed = "finite real numbers, a tensor or array of shape (n,) with n >= 1"
    x = checks.array(name, x, allowed)
    if x.ndim != 1 or len(x) == 0:
        raise checks.fail(name, x, allowed)
    return x.to(torch.promote_types(x.dtype, torch.float32))  # a sum in bfloat16 has three digits
