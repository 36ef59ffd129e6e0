"""Numbers of samples from the yardstick, and of the velocities that made them."""

import functools
import math

import torch
from torch import Tensor

from orwlab import flow, zoo
from orwlab.measure import coupled_flows
from orwlab.measure.samples import DataRegion
from orwlab.show.lab import fitting, own
from orwlab.velocity import Velocity

TRANSPORT = 256  # samples; the assignment of all of them would take ten times as long
SECANT = 128  # samples
TIMES = 9  # of the secant's integrals: they are right to 5 %, as its samples are
KEPT = 32  # targets, what is derived from which is remembered
LIPSCHITZ = 256  # trajectories that the reference's steepness is looked for on


def diversity(x: Tensor) -> float:
    """``E|x - x'|`` for two independent draws, from samples ``x`` (n, 2) that lie evenly.

    The double sum counts each sample with itself as well. Random samples would make it too small by 1/n; but those of
    the yardstick keep away from each other, and it is the sum over different ones that would be too large.
    """
    x = x.double() - x.double().mean(0)  # far from the origin the distances would lose digits
    return float(torch.cdist(x, x).mean())


def w2(x: Tensor, y: Tensor) -> float:
    """``W2^2`` between equally many samples (n, 2) each, exactly: the best assignment.

    The same as ``wasserstein.w2_squared``; but POT takes seconds to import, and somebody is waiting for a frame.
    """
    from scipy.optimize import linear_sum_assignment  # imported here because it takes most of a second

    cost = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist").square().numpy()
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


def transport(x: Tensor, y: Tensor) -> tuple[float, float]:
    """``W2^2`` and the coupled cost ``E|x - y|^2`` of samples (n, 2) that started from the same noise.

    W2^2 is measured on the first ``TRANSPORT`` of them. What the choice does to those it does to their coupled cost as
    well, so the difference to that is taken off the coupled cost of all; like the two of the subset, W2^2 is then
    never above the coupled cost.
    """
    cost = (x - y).double().square().sum(1)
    n = min(TRANSPORT, len(x))
    above = float(cost[:n].mean()) - w2(x[:n], y[:n])
    return max(0.0, float(cost.mean()) - above), float(cost.mean())


def secant(policy: Velocity, reference: Velocity, x0: Tensor) -> float:
    """The ladder's secant rung, ``E( int e^{int_s^1 m_u du} |dv_s| ds )^2``, for noise ``x0`` (n, 2).

    See ``orwlab.wasserstein``, which does it with adaptive solvers; here by trapezoids on a fixed grid.
    """
    times = torch.linspace(0, 1, TIMES)
    x = flow.trajectory(policy, x0, times, method="midpoint", steps=TIMES - 1)  # (T, n, 2)
    y = flow.trajectory(reference, x0, times, method="midpoint", steps=TIMES - 1)
    with torch.no_grad():
        at_x, at_y = torch.stack([reference(t, p) for t, p in zip(times, torch.cat([x, y], 1))]).chunk(2, 1)
        dv = (torch.stack([policy(t, p) for t, p in zip(times, x)]) - at_x).norm(dim=-1).double()  # (T, n)
    gap = (x - y).double()
    m = (gap * (at_x - at_y)).sum(-1) / gap.square().sum(-1).clamp_min(1e-12)  # (T, n); where x = y it does not count
    h = 1 / (TIMES - 1)
    later = ((m[1:] + m[:-1]) / 2 * h).flip(0).cumsum(0).flip(0)
    growth = torch.cat([later, torch.zeros_like(m[:1])]).exp() * dv
    return float(((growth[1:] + growth[:-1]) / 2 * h).sum(0).square().mean())


def log_bound(penalty: float, steepness: float | None) -> float:
    """The logarithm of the paper's bound on W2^2, ``2 L + log(penalty)``; -inf where it is 0 or not known yet."""
    return -math.inf if steepness is None or penalty <= 0 else 2 * steepness + math.log(penalty)


@functools.lru_cache(maxsize=KEPT)
def lipschitz(name: str) -> float:
    """The largest spectral norm of the Jacobian of the reference on its own trajectories: a lower estimate of L."""
    v = network(name)
    x0 = flow.noise(LIPSCHITZ, (2,), generator=torch.Generator().manual_seed(0))
    times = torch.linspace(0, 1, 33)
    x = flow.trajectory(v, x0, times, method="rk4", steps=32)
    return max(
        float(torch.linalg.matrix_norm(coupled_flows.jacobian(v, t, p)[1], ord=2).max()) for t, p in zip(times, x)
    )


def network(name: str) -> torch.nn.Module:
    """The reference, one for all: a run copies it. Of the zoo, or trained here if somebody brought the target along."""
    return fitting.network(name) if own.is_own(name) else _pretrained(name)


@functools.cache
def _pretrained(name: str) -> torch.nn.Module:
    return zoo.load(name)


@functools.lru_cache(maxsize=KEPT)
def region(name: str) -> DataRegion:
    """Where the data of a target are."""
    return DataRegion(own.target(name).sample(2000, generator=torch.Generator().manual_seed(0)))
