"""Which noise x0 is paired with which data x1, and what that does to the reward weights.

Independent coupling, the default, pairs at random, and each x1 carries its weight into the loss.

Minibatch optimal transport (OT) pairs near with near, which straightens the flow. But it cannot simply be combined
with weights: where x_t nearly determines its pair, ``E[w u | x_t] = W u`` and the weight cancels from the
minimiser. The remedy here puts the weights into the transport problem: the target's marginal is w / sum(w), so heavy
points are matched more often, and the loss must then not be weighted again.
"""

import math
from dataclasses import dataclass
from typing import Any

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
        w: weight of each x1, (n,), >= 0 and not all 0.
        generator: for drawing pairs from the transport plan.

    Returns:
        With "independent", the arguments as they are. With "ot", n pairs drawn from the optimal plan between the
        uniform distribution on x0 and w / sum(w) on x1, each with the batch's mean weight, so that the balance
        against the W2 penalty stays that of raw weights.

    Raises:
        ValueError: shapes that differ, weights that are negative, not finite or all zero.
    """
    checks.choice("coupling", coupling, NAMES)
    checks.generator("generator", generator)
    x0, x1, w = _checked(x0, x1, w)
    if x0.shape != x1.shape:
        raise checks.fail("x0", x0, f"the shape of x1, {tuple(x1.shape)}")
    if coupling == "independent":
        return Pairs(x0, x1, w)
    rows, columns = draw_pairs(transport_plan(x0, x1, w), generator)
    top = w.max()  # in units of which no sum of weights overflows
    return Pairs(x0[rows], x1[columns], torch.full_like(w, float(top * (w / top).mean())))


def pair_unweighted(coupling: str, x0: Tensor, x1: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs for a term that carries no reward weight: pretraining, or the W2 penalty."""
    x1 = checks.points("x1", x1)
    pairs = pair(coupling, x0, x1, torch.ones(len(x1), dtype=x1.dtype, device=x1.device), generator=generator)
    return pairs.x0, pairs.x1


def transport_plan(x0: Tensor, x1: Tensor, w: Tensor) -> Tensor:
    """The plan (n, m) of least mean squared distance between uniform x0 and x1 weighted by w / sum(w), on the CPU."""
    import ot  # POT; imported here because it takes two seconds

    x0, x1, w = (part.detach().cpu().double() for part in _checked(x0, x1, w))
    cost = torch.cdist(x0.flatten(1), x1.flatten(1), compute_mode="donot_use_mm_for_euclid_dist").square()
    if not torch.isfinite(cost).all():
        raise ValueError("x0 and x1 are too far apart; allowed: points whose squared distances are numbers")
    # in units of a power of two near their mean, exactly: the solver takes costs far below 1 for zero
    if (mean := float(cost.mean())) > 0:
        cost = torch.ldexp(cost, torch.tensor(-math.frexp(mean)[1]))
    uniform = torch.full((len(x0),), 1 / len(x0), dtype=torch.float64)
    relative = w / w.max()  # so that no sum overflows, and small weights are numbers like large ones
    plan = ot.emd(uniform.numpy(), (relative / relative.sum()).numpy(), cost.numpy(), numItermax=10_000_000)
    return torch.from_numpy(plan)


def draw_pairs(plan: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One x1 for every x0, drawn from that row of the plan: each x0 is used once, so the source stays Gaussian.

    Returns the rows (n,), in order, and a column for each (n,).
    """
    plan = checks.points("plan", plan).detach()
    if plan.ndim != 2 or not bool((plan.clamp_min(0).sum(1) > 0).all()):
        raise checks.fail("plan", plan, "a matrix (n, m) with a positive number in every row")
    plan = plan.cpu().double().clamp_min(0)  # rounding may have left a trace below 0
    columns = torch.multinomial(
        plan / plan.amax(1, keepdim=True), 1, generator=checks.generator("generator", generator)
    )
    return torch.arange(len(plan)), columns.squeeze(-1).cpu()


def _checked(x0: Any, x1: Any, w: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Points of one event shape, and a weight >= 0 for each of x1."""
    x0, x1 = checks.points("x0", x0), checks.points("x1", x1)
    if x0.shape[1:] != x1.shape[1:]:
        raise checks.fail("x0", x0, f"samples like those of x1, of shape {tuple(x1.shape[1:])} each")
    allowed = f"finite weights >= 0, not all 0, of shape ({len(x1)},), one for each of x1"
    w = checks.array("w", w, allowed)
    if w.shape != (len(x1),):
        raise checks.fail("w", w, allowed)
    low, high = (float(end) for end in w.detach().aminmax())
    if low < 0 or high == 0:
        raise ValueError(f"w is from {low:g} to {high:g}; allowed: {allowed}")
    return x0, x1, w.to(x1.device)
