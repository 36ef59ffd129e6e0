"""From rewards to weights: ``w = exp(tau r)`` and its variants, kept as logarithms so that nothing over- or underflows.

- ``"exp"``: the paper's raw weight. What a given alpha means then depends on the scale of r.
- ``"mean_one"``: raw weights divided by their mean over the batch. Adding a constant to r changes nothing.
- ``"clipped"``: ``min(exp(tau r), clip)``: bounded, whatever the reward.

Where a model is told what to make, samples compete only with samples of the same prompt: see ``within``.
"""

import math
from typing import Any

import torch
from torch import Tensor

from orwlab import checks

KINDS = ("exp", "mean_one", "clipped")
CLIP = 20.0
WITHIN = ("mean_one", "best", "above")


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


def within(r: Tensor, tau: float, weighting: str = "mean_one", threshold: float | None = None) -> Tensor:
    """``log w`` for rewards ``r`` (prompts, samples of each): (prompts, samples), -inf for a weight of 0.

    A prompt that is easy has large rewards. Weights over a whole batch would learn easy prompts and forget hard ones;
    with these every prompt is learned as much.

    - ``"mean_one"``: ``exp(tau r)``, divided by its mean over the prompt's own samples.
    - ``"best"``: all on the prompt's best sample (the first of equals), whatever tau is: RAFT (Dong et al., arXiv
      2304.06767).
    - ``"above"``: the same for all samples of the prompt whose reward is at least the threshold, in the mean one,
      whatever tau is; a prompt without any weighs nothing: ReFT.

    Raises:
        ValueError: an argument out of range, ``tau r`` beyond the range of floating-point numbers, or a threshold
            missing or unused.
    """
    checks.choice("weighting", weighting, WITHIN)
    allowed = "finite real numbers, a tensor or array of shape (prompts, samples), at least one of each"
    r = checks.array("r", r, allowed)
    if r.ndim != 2 or r.numel() == 0:
        raise checks.fail("r", r, allowed)
    tau = checks.number("tau", tau, low=0.0)
    if (threshold is None) == (weighting == "above"):
        raise checks.fail("threshold", threshold, 'a number for "above", None for other weightings')
    if weighting == "mean_one":
        return torch.stack([log_weights(row, tau, "mean_one") for row in r])
    if weighting == "best":
        chosen = torch.zeros_like(r, dtype=torch.bool).scatter_(1, r.argmax(1, keepdim=True), True)
    else:
        chosen = r >= checks.number("threshold", threshold)
    share = chosen.to(torch.promote_types(r.dtype, torch.float32)).mean(1, keepdim=True)
    return torch.where(chosen, -share.log(), -torch.inf)


def unit(log_w: Tensor) -> float:
    """The logarithm of the power of two nearest to the largest weight: a unit in which weights are numbers like 1.

    Weights of 1e-7 are as good as weights of 1, but not to float32 and to Adam's epsilon. Divided by a power of two
    they keep every digit. Where all weights are 0 it is 0.
    """
    largest = float(_logarithms(log_w).max())
    return math.log(2) * round(largest / math.log(2)) if largest > -math.inf else 0.0


def effective_sample_size(log_w: Tensor) -> float:
    """``(sum w)^2 / sum w^2``, between 1 (one sample decides all) and n (all weigh the same); 0 if none weighs."""
    log_w = _logarithms(log_w).double()
    if log_w.max() == -torch.inf:
        return 0.0
    w = (log_w - log_w.max()).exp()
    return float(w.sum().square() / w.square().sum())


def _logarithms(log_w: Any) -> Tensor:
    """Logarithms of weights, (n,), -inf for a weight of 0."""
    log_w = checks.tensor("log_w", log_w, "real numbers of shape (n,)")
    _vector("log_w", log_w.masked_fill(log_w == -torch.inf, 0.0))
    return log_w.to(torch.promote_types(log_w.dtype, torch.float32))


def _vector(name: str, x: Any) -> Tensor:
    allowed = "finite real numbers, a tensor or array of shape (n,) with n >= 1"
    x = checks.array(name, x, allowed)
    if x.ndim != 1 or len(x) == 0:
        raise checks.fail(name, x, allowed)
    return x.to(torch.promote_types(x.dtype, torch.float32))  # a sum in bfloat16 has three digits
