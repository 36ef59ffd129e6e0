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
    return _log_weights(_vector("r", r), checks.number("tau", tau, low=0.0), tau, weighting, clip)


def log_weights_of_rows(r: Tensor, tau: Any, weighting: str = "exp", clip: float = CLIP) -> Tensor:
    """``log_weights`` of each row of ``r`` (m, n) by itself: (m, n).

    Args:
        r: rewards, finite.
        tau: inverse temperature of each row, (m,), or one number for all.
        weighting: as in ``log_weights``.
        clip: as in ``log_weights``.

    Raises:
        ValueError: as ``log_weights`` does.
    """
    r = _vector("r", r, rows=True)
    allowed = f"a finite number >= 0, or one for each of {len(r)} rows"
    each = checks.array("tau", tau, allowed).detach()
    if each.shape not in ((), (len(r),)) or bool((each < 0).any()):
        raise checks.fail("tau", tau, allowed)
    return _log_weights(r, each.to(r)[..., None], tau, weighting, clip)


def _log_weights(r: Tensor, factor: Any, tau: Any, weighting: str, clip: float) -> Tensor:
    """Of checked rewards (..., n), ``factor`` being tau as r can be multiplied by it."""
    checks.choice("weighting", weighting, KINDS)
    clip = checks.number("clip", clip, above=0.0)
    log_w = factor * r
    if not bool(log_w.isfinite().all()):
        raise checks.fail("tau", tau, f"a number for which tau r is finite; r is up to {float(r.abs().max()):g}")
    if weighting == "mean_one":
        return log_w - (log_w.logsumexp(-1, keepdim=True) - math.log(log_w.shape[-1]))
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
        return log_weights_of_rows(r, tau, "mean_one")
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
    return float(_units(_logarithms(log_w)))


def units(log_w: Tensor) -> Tensor:
    """The ``unit`` of each row of ``log_w`` (m, n): (m,), in float64 on the CPU."""
    return _units(_logarithms(log_w, rows=True))


def _units(log_w: Tensor) -> Tensor:
    largest = log_w.amax(-1).cpu().double()  # there are devices without double precision
    return (math.log(2) * (largest / math.log(2)).round()).where(largest > -math.inf, 0.0)


def effective_sample_size(log_w: Tensor) -> float:
    """``(sum w)^2 / sum w^2``, between 1 (one sample decides all) and n (all weigh the same); 0 if none weighs."""
    return float(_sizes(_logarithms(log_w)))


def effective_sample_sizes(log_w: Tensor) -> Tensor:
    """The ``effective_sample_size`` of each row of ``log_w`` (m, n): (m,), in float64 on the CPU."""
    return _sizes(_logarithms(log_w, rows=True))


def _sizes(log_w: Tensor) -> Tensor:
    log_w = log_w.cpu().double()
    largest = log_w.amax(-1, keepdim=True)
    w = (log_w - largest.where(largest > -torch.inf, 0.0)).exp()
    return w.sum(-1).square() / w.square().sum(-1).clamp_min(torch.finfo(w.dtype).tiny)


def _logarithms(log_w: Any, rows: bool = False) -> Tensor:
    """Logarithms of weights, (n,), or (m, n) with ``rows``; -inf for a weight of 0."""
    log_w = checks.tensor("log_w", log_w, f"real numbers of shape {'(m, n)' if rows else '(n,)'}")
    _vector("log_w", log_w.masked_fill(log_w == -torch.inf, 0.0), rows=rows)
    return log_w.to(torch.promote_types(log_w.dtype, torch.float32))


def _vector(name: str, x: Any, *, rows: bool = False) -> Tensor:
    """Numbers, (n,), or with ``rows`` (m, n), in no shorter floating type than float32."""
    shapes = "(m, n), at least one of each" if rows else "(n,) with n >= 1"
    allowed = f"finite real numbers, a tensor or array of shape {shapes}"
    x = checks.array(name, x, allowed)
    if x.ndim != 1 + rows or x.numel() == 0:
        raise checks.fail(name, x, allowed)
    return x.to(torch.promote_types(x.dtype, torch.float32))  # a sum in bfloat16 has three digits
