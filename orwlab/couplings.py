"""Which noise x0 is paired with which data x1, and what that does to the reward weights.

Independent coupling, the default, pairs at random, and each x1 carries its weight into the loss.

Minibatch optimal transport (OT) pairs near with near, which straightens the flow. But it cannot simply be combined
with weights: where x_t nearly determines its pair, ``E[w u | x_t] = W u`` and the weight cancels from the
minimiser. The remedy here puts the weights into the transport problem: the target's marginal is w / sum(w), so heavy
points are matched more often, and the loss must then not be weighted again.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks

NAMES = ("independent", "ot")


@dataclass(frozen=True)
class Pairs:
    """Noise and data paired for a loss: ``x0``, ``x1`` (n, *event); ``w`` (n,), the weight of each pair."""

    x0: Tensor
    x1: Tensor
    w: Tensor


def pair(coupling: str, x0: Tensor, x1: Tensor, w: Tensor, *, generator: torch.Generator) -> Pairs:
    """Pair ``x0`` with ``x1`` so that the mean of ``w |v - u_t|^2`` over the pairs is the reward-weighted loss.

    Args:
        coupling: "independent" or "ot".
        x0: noise, (n, *event).
        x1: data, (n, *event).
        w: weight of each x1, (n,), positive.
        generator: for drawing pairs from the transport plan.

    Returns:
        With "independent", the arguments as they are. With "ot", n pairs drawn from the optimal plan between the
        uniform distribution on x0 and w / sum(w) on x1, each with the batch's mean weight, so that the balance
        against the W2 penalty stays that of raw weights.
    """
    checks.choice("coupling", coupling, NAMES)
    if x0.shape != x1.shape or w.shape != (len(x1),):
        shapes = tuple(map(tuple, (x0.shape, x1.shape, w.shape)))
        raise checks.fail("shapes of x0, x1, w", shapes, "(n, *event), (n, *event) and (n,)")
    if coupling == "independent":
        return Pairs(x0, x1, w)
    rows, columns = draw_pairs(transport_plan(x0, x1, w), generator)
    return Pairs(x0[rows], x1[columns], torch.full_like(w, float(w.mean())))


def pair_unweighted(coupling: str, x0: Tensor, x1: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs for a term that carries no reward weight: pretraining, or the W2 penalty."""
    pairs = pair(coupling, x0, x1, torch.ones(len(x1), dtype=x1.dtype, device=x1.device), generator=generator)
    return pairs.x0, pairs.x1


def transport_plan(x0: Tensor, x1: Tensor, w: Tensor) -> Tensor:
    """The plan (n, n) of least mean squared distance between uniform x0 and x1 weighted by w / sum(w)."""
    import ot  # POT; imported here because it takes two seconds

    cost = torch.cdist(x0.flatten(1).double(), x1.flatten(1).double()).square()
    uniform = torch.full((len(x0),), 1 / len(x0), dtype=torch.float64)
    marginal = w.double().cpu() / w.double().cpu().sum()
    return torch.from_numpy(ot.emd(uniform.numpy(), marginal.numpy(), cost.cpu().numpy()))


def draw_pairs(plan: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One x1 for every x0, drawn from that row of the plan: each x0 is used once, so the source stays Gaussian."""
    columns = torch.multinomial(plan.clamp_min(0), 1, generator=generator).squeeze(-1)  # (n,)
    return torch.arange(len(plan)), columns
