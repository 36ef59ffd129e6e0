"""The two terms of ORW-CFM-W2, on velocities already evaluated at the same ``(t, x_t)``.

loss = E[ w(x1) |v_theta(t, x_t) - u_t|^2 ]  +  alpha E[ |v_theta(t, x_t) - v_ref(t, x_t)|^2 ]
"""

from torch import Tensor


def squared_norm(v: Tensor) -> Tensor:
    """``|v|^2`` of each sample: (n, *event) -> (n,), summed over the event's dimensions."""
    return v.flatten(1).square().sum(1)


def fit(v_t: Tensor, u_t: Tensor, w: Tensor | float = 1.0) -> Tensor:
    """Reward-weighted conditional flow matching, ``mean(w |v_t - u_t|^2)``; plain flow matching with ``w = 1``.

    Args:
        v_t: ``v_theta(t, x_t)``, (n, *event).
        u_t: the conditional velocity, (n, *event).
        w: weights of the x1 behind each x_t, (n,).
    """
    return (w * squared_norm(v_t - u_t)).mean()


def penalty(v_t: Tensor, v_ref_t: Tensor) -> Tensor:
    """The W2 regulariser ``mean |v_t - v_ref_t|^2``: up to the constant ``e^{2L}``, Theorem 3's bound on W2^2."""
    return squared_norm(v_t - v_ref_t).mean()
