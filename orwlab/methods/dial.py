"""What a run has achieved, on one scale for all methods: the tilt that its law is nearest to, KL, W2, and reward."""

from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks, flow, foreign, rewards
from orwlab.measure import distances
from orwlab.rewards import Reward
from orwlab.velocity import Velocity

FARTHEST = 1e3  # of noise: nothing that is drawn lies so far out


@dataclass(frozen=True)
class Achieved:
    """Where a policy stands, estimated from its samples; ``standard_error`` is that of ``mean_reward``."""

    mean_reward: float
    standard_error: float
    strength: float
    """the slope of ``log p / p_ref`` over the reward, an inverse temperature"""
    r_squared: float
    """how much of ``log p / p_ref`` that slope explains: 1 for an exact tilt; NaN where there is nothing to explain"""
    kl: float
    """``KL(p | p_ref)`` in nats"""
    w2_squared: float
    """``W2^2`` between as many samples of both, from the same noise"""


def achieved(
    policy: Velocity,
    reference: Velocity,
    reward: Reward,
    *,
    n: int = 512,
    seed: int = 0,
    event_shape: tuple[int, ...] | None = None,
    x0: Tensor | None = None,
) -> Achieved:
    """How far ``policy`` has gone from ``reference``, and for how much reward.

    Both densities are exact along the flow (``flow.log_prob``), so that KL and slope have no bias but that of the
    solver; what noise there is comes from ``n``. For few dimensions: a backward pass each at every step.

    Args:
        policy: ``v(t, x)``.
        reference: ``v_ref(t, x)``.
        reward: any callable (n, *event) -> (n,).
        n: samples, at least 8.
        seed: of the noise.
        event_shape: shape of one sample; needed only where neither velocity has an ``event_shape``.
        x0: noise (m, *event), m at least 8, in place of ``n`` fresh points, such as points that lie evenly.

    Raises:
        ValueError: an argument out of range, named.
    """
    n, seed = checks.integer("n", n, low=8), checks.seed("seed", seed)
    said = (event_shape, *(getattr(v, "event_shape", None) for v in (policy, reference)))
    shape = checks.shape("event_shape", next((shape for shape in said if shape is not None), None))
    if x0 is None:
        x0 = flow.noise(n, shape, generator=torch.Generator().manual_seed(seed))
    elif len(x0 := checks.points("x0", x0, shape)) < 8 or float(x0.abs().max()) > FARTHEST:
        raise checks.fail("x0", x0, f"at least 8 points, none farther out than {FARTHEST:g}")
    n = len(x0)
    x1, y1 = _pushed("policy", policy, x0), _pushed("reference", reference, x0)
    log_p, log_ref = (flow.log_prob(v, x1, method="rk4", steps=24).double() for v in (policy, reference))
    r, y = rewards.evaluate(reward, x1).double(), log_p - log_ref
    centred_r, centred_y = r - r.mean(), y - y.mean()
    spread, total = float(centred_r.square().sum()), float(centred_y.square().sum())
    slope = float((centred_r * centred_y).sum()) / spread if spread > 0 else 0.0
    left = float((centred_y - slope * centred_r).square().sum())
    return Achieved(
        mean_reward=float(r.mean()),
        standard_error=float(r.std()) / n**0.5,
        strength=slope,
        r_squared=1 - left / total if total > 1e-12 * n else float("nan"),
        kl=float(y.mean()),
        w2_squared=distances.w2_squared(x1, y1),
    )


def _pushed(name: str, v: Velocity, x0: Tensor) -> Tensor:
    checked = foreign.velocity(name, v)
    checked(torch.tensor(0.5), foreign.at_home(checked, x0[:2]))  # whatever is wrong with it is said by its name
    x1 = flow.sample(v, x0, method="rk4", steps=24)
    if not checks.all_finite(x1):
        raise ValueError(f"{name} leads to samples that are NaN or infinite; allowed: a velocity whose flow is finite")
    return x1
