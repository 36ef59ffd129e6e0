"""The two terms of ORW-CFM-W2, on velocities already evaluated at the same ``(t, x_t)``.

loss = E[ w(x1) |v_theta(t, x_t) - u_t|^2 ]  +  alpha E[ |v_theta(t, x_t) - v_ref(t, x_t)|^2 ]
"""

from typing import Any

import torch
from torch import Tensor

from orwlab import checks


def squared_norm(v: Tensor) -> Tensor:
    """``|v|^2`` of each sample: (n, *event) -> (n,), summed over the event's dimensions."""
    return _batch("v", v).flatten(1).square().sum(1)


def fit(v_t: Tensor, u_t: Tensor, w: Tensor | float = 1.0) -> Tensor:
    """Reward-weighted conditional flow matching, ``mean(w |v_t - u_t|^2)``; plain flow matching with ``w = 1``.

    Args:
        v_t: ``v_theta(t, x_t)``, (n, *event).
        u_t: the conditional velocity, (n, *event).
        w: weights of the x1 behind each x_t, (n,), or one number for all.
    """
    v_t, u_t = _pair("v_t", v_t, "u_t", u_t)
    w = _weights(w, v_t)
    return (w * squared_norm(v_t - u_t)).mean()


def penalty(v_t: Tensor, v_ref_t: Tensor) -> Tensor:
    """The W2 regulariser ``mean |v_t - v_ref_t|^2``: up to the constant ``e^{2L}``, Theorem 3's bound on W2^2."""
    v_t, v_ref_t = _pair("v_t", v_t, "v_ref_t", v_ref_t)
    return squared_norm(v_t - v_ref_t).mean()


# Values that are not finite pass: a loss that says so is what stops a run.


def _batch(name: str, v: Any) -> Tensor:
    allowed = "real numbers of shape (n, *event) with n >= 1"
    v = checks.tensor(name, v, allowed)
    if v.ndim < 2 or v.numel() == 0:
        raise checks.fail(name, v, allowed)
    return v.to(torch.promote_types(v.dtype, torch.float32))  # a sum in bfloat16 has three digits


def _pair(name_a: str, a: Any, name_b: str, b: Any) -> tuple[Tensor, Tensor]:
    a = _batch(name_a, a)
    b = _batch(name_b, b).to(a.device)
    if a.shape != b.shape:
        raise checks.fail(name_b, b, f"the shape of {name_a}, {tuple(a.shape)}")
    return a, b


def _weights(w: Any, v: Tensor) -> Tensor:
    allowed = f"one number, or a tensor of shape ({len(v)},)"
    w = checks.tensor("w", w, allowed).to(v.device)
    if w.ndim > 0 and w.shape != (len(v),):
        raise checks.fail("w", w, allowed)
    return w
