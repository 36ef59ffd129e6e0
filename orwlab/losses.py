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


def steadied_fit(
    v_t: Tensor, u_t: Tensor, v_old_t: Tensor, w: Tensor | float = 1.0, held: Tensor | float = 1.0
) -> Tensor:
    """``fit`` with a control variate, ``mean((w - h) |v_t - u_t|^2 + h |v_t - v_old_t|^2)``.

    Up to what does not depend on ``v_t`` this is ``fit`` and ``2 h v_t . (u_t - v_old_t)``, whose expectation is 0 if
    ``v_old_t = E[u_t | x_t]``. Where w = h and v_t = v_old_t, value and gradient are exactly 0.

    Args:
        v_t: ``v_theta(t, x_t)``, (n, *event).
        u_t: the conditional velocity, (n, *event).
        v_old_t: of the policy that drew the x1 behind x_t, (n, *event).
        w: weights of the x1, (n,), or one number for all.
        held: the part h of them that holds to ``v_old_t``, likewise.
    """
    v_t, u_t = _pair("v_t", v_t, "u_t", u_t)
    v_t, v_old_t = _pair("v_t", v_t, "v_old_t", v_old_t)
    w, held = _weights(w, v_t), _weights(held, v_t, "held")
    return ((w - held) * squared_norm(v_t - u_t) + held * squared_norm(v_t - v_old_t)).mean()


def penalty(v_t: Tensor, v_ref_t: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """The W2 regulariser ``mean |v_t - v_ref_t|^2``: up to the constant ``e^{2L}``, Theorem 3's bound on W2^2.

    Args:
        v_t: ``v_theta(t, x_t)``, (n, *event).
        v_ref_t: ``v_ref(t, x_t)``, (n, *event).
        weight: of each x_t, (n,), or one number for all; ``kl_weight(t)`` makes another regulariser of it.
    """
    v_t, v_ref_t = _pair("v_t", v_t, "v_ref_t", v_ref_t)
    return (_weights(weight, v_t, "weight") * squared_norm(v_t - v_ref_t)).mean()


MOST_KL = 19.0


def kl_weight(t: Tensor) -> Tensor:
    """``t / (1 - t)``, at most 19: with it the mean of ``|v_t - v_ref_t|^2`` over t bounds a KL divergence.

    On the linear path the SDE ``dx = (2 v - x/t) dt + sqrt(2 (1 - t) / t) dW`` has the marginals of the flow of v, if v
    is the flow-matching field of its own samples. By Girsanov's theorem the laws of two such processes from the same
    noise are ``KL = E int |2 v - 2 v_ref|^2 / (2 sigma^2) dt = E int t / (1 - t) |v - v_ref|^2 dt`` apart, and their
    ends no more (proved). The limit stands for what 20 equal steps see; an integral up to 1 is infinite unless v and
    v_ref agree there. Its mean over t in [0, 1] is 3.0: the same alpha holds about three times as hard.

    Args:
        t: times in [0, 1], any shape.
    """
    t = checks.tensor("t", t, "times in [0, 1]")
    return (t / (1 - t)).clamp(max=MOST_KL)


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


def _weights(w: Any, v: Tensor, name: str = "w") -> Tensor:
    allowed = f"one number, or a tensor of shape ({len(v)},)"
    w = checks.tensor(name, w, allowed)
    if w.ndim > 0 and w.shape != (len(v),):
        raise checks.fail(name, w, allowed)
    return w.to(v.device) if w.ndim > 0 else w  # one number may stay where it is, in whatever precision
