"""Sampling by Gaussian steps, whose likelihood is known: what policy gradients and adjoints need in place of an ODE.

    x_(k+1) = a_k x_k + b_k v(t_k, x_k) + s_k z_k,     z_k ~ N(0, I)

As steps get short, both rules below follow the SDE ``dx = [v + sigma^2 / 2 score] dt + sigma dW`` with
``sigma(t) = noise sqrt((1 - t) / t)`` and ``score = (t v - x) / (1 - t)``, whose marginals are the flow's for every
``noise`` (see ``flow.sample_sde``). At ``noise = sqrt 2`` it is called memoryless: what it has been at a small t has no
weight in where it ends.

- ``"euler"``: Euler's and Maruyama's step. At t = 0, where sigma is infinite, it takes ``noise sqrt(1 / t_1)``, as
  Flow-GRPO's code does. The first steps are too wide, and the end remembers it: of n steps, an error as n^(-noise^2) is
  left in the variance (measured on N(0, I) data for noise below 1; at 0.7 that is about n^(-1/2)).
- ``"exact"``: what v says of the end, ``x + (1 - t) v``, and of the noise, ``x - t v``, make up the next point, with
  the part ``rho = (t (1 - s) / (s (1 - t)))^(noise^2 / 2)`` of the noise kept from t to s, which is the SDE's own rate,
  and the rest renewed. v gives only the mean of the end; its variance, as it is for N(0, I) data, is added as noise.
  For such data the law at every time is right, however long the steps (proved). The first step forgets the start,
  whatever the noise. DDIM's eta is the same idea, without that variance.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks
from orwlab.velocity import Velocity

RULES = ("euler", "exact")
MEMORYLESS = math.sqrt(2)


@dataclass(frozen=True)
class Step:
    """One step from time ``t``: ``x' = keep x + move v(t, x) + spread z``."""

    t: float
    keep: float
    move: float
    spread: float


def way(steps: int, noise: float, rule: str = "exact") -> list[Step]:
    """``steps`` equal steps from 0 to 1.

    Args:
        steps: how many, 2 to 100,000.
        noise: the factor of sigma, 0.001 to 10; sqrt 2 is memoryless.
        rule: "euler" or "exact".

    Raises:
        ValueError: an argument out of range, named.
    """
    n, noise = checks.integer("steps", steps, low=2, high=100_000), checks.number("noise", noise, low=1e-3, high=10.0)
    rule, h = checks.choice("rule", rule, RULES), 1 / n
    found = []
    for k in range(n):
        t, s = k * h, (k + 1) * h if k + 1 < n else 1.0
        if rule == "exact":
            kept = (t * (1 - s) / (s * (1 - t))) ** (noise**2 / 2)
            move = s * (1 - t) - (1 - s) * kept * t
            variance = (1 - s) ** 2 * (1 - kept**2) + move**2 / ((1 - t) ** 2 + t**2)  # renewed, and unknown
            found.append(Step(t, s + (1 - s) * kept, move, math.sqrt(variance)))
        else:
            variance = noise**2 * (1 - t) / (t or h)  # sigma^2
            pull = h * variance / (2 * (1 - t))
            found.append(Step(t, 1 - pull, h + pull * t, math.sqrt(variance * h)))
    return found


def roll(v: Velocity, x0: Tensor, steps: list[Step], generator: torch.Generator) -> Tensor:
    """Noise to samples: all states, (n_steps + 1, n, *event); the last ones are the samples.

    Args:
        v: velocity ``v(t, x)``.
        x0: (n, *event) noise.
        steps: of ``way``.
        generator: draws z, on the CPU.
    """
    states = [x0]
    with torch.no_grad():
        for step in steps:
            x = states[-1]
            x = step.keep * x + step.move * v(x.new_full((), step.t), x)
            states.append(x + step.spread * torch.randn(x.shape, generator=generator, dtype=torch.float32).to(x))
    return torch.stack(states)


def along(v: Velocity, steps: list[Step], states: Tensor) -> Tensor:
    """``v`` at the start of every step, all at once: states (k, n, *event) -> (k, n, *event), k = len(steps)."""
    n = states.shape[1]
    t = torch.tensor([step.t for step in steps], dtype=torch.float32).to(states).repeat_interleave(n)
    return v(t, states.flatten(0, 1)).view_as(states)


def column(steps: list[Step], what: str, like: Tensor) -> Tensor:
    """One coefficient of every step, shaped to multiply states (k, n, *event)."""
    values = torch.tensor([getattr(step, what) for step in steps], dtype=torch.float64)
    return values.to(like).view(-1, *[1] * (like.ndim - 1))
