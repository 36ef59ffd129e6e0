"""Wasserstein-2 distances between sets of samples, and between Gaussians.

Everything here is **squared**: ``W2^2(p, q)``, the least ``E|x - y|^2`` over all couplings of x ~ p and y ~ q.
``orwlab.wasserstein`` offers these functions together with the ladder of bounds.

All is computed in double precision from differences of coordinates, never from ``|x|^2 + |y|^2 - 2 x.y``, which far
from the origin is noise. POT (Flamary et al., 2021) solves the transport problems where its solvers are as good as
any; Sinkhorn's algorithm and the Gaussians' formula stand here, and say why.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks

__all__ = ["sinkhorn_w2_squared", "sliced_w2_squared", "w2_squared", "w2_squared_gaussian"]

MOST_PAIRS = 10**8  # of points x and y whose costs are held at once: 0.8 GB, and as much again in the solver
FARTHEST = 1e150  # beyond it squares overflow
CONVERGED = 1e-3  # of the mean cost: how wrong the cost may at most be when Sinkhorn's algorithm ends
SAFE = "donot_use_mm_for_euclid_dist"  # differences, not products
BLOCK = 2**23  # numbers in a block of what is too large to be held at once: 64 MB


def w2_squared(x: Tensor, y: Tensor) -> float:
    """``W2^2`` between the empirical distributions of ``x`` (n, *event) and ``y`` (m, *event), exactly.

    In one dimension by quantiles; otherwise by POT's network simplex: seconds for 2,000 points, use
    ``sinkhorn_w2_squared`` or ``sliced_w2_squared`` beyond. As an estimate of W2^2 between the laws that x and y were
    drawn from it is biased upward, because W2^2 is jointly convex.

    Raises:
        ValueError: samples of different shapes, or more than 10^8 pairs of points in more than one dimension.
    """
    x, y = _pair(x, y)
    if x.shape[1] == 1:
        return float(_quantile_cost(x, y)[0])
    cost, unit = _unit_cost(x, y)
    if unit == 0:
        return 0.0
    import ot  # POT; imported here because it takes two seconds

    value, log = ot.emd2([], [], cost.numpy(), numItermax=10**9, log=True)
    if log["warning"] is not None:
        raise ValueError(f"the transport problem between x and y has no solution that POT can find: {log['warning']}")
    return max(0.0, float(value)) * unit


def w2_squared_gaussian(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """``W2^2`` between two Gaussians: ``|mean_a - mean_b|^2`` plus the squared Bures distance of the covariances.

    ``tr(A + B - 2 (A^{1/2} B A^{1/2})^{1/2})`` (Dowson and Landau, 1982); means (d,), covariances (d, d), which may
    be singular.

    Raises:
        ValueError: shapes that do not fit, or a covariance that is not symmetric and positive semi-definite.
    """
    means, roots = [], []
    for name, given_mean, given_cov in (("a", mean_a, cov_a), ("b", mean_b, cov_b)):
        mean = _double(f"mean_{name}", given_mean, "finite numbers of shape (d,), d >= 1")
        if mean.ndim != 1 or len(mean) == 0:
            raise checks.fail(f"mean_{name}", given_mean, "finite numbers of shape (d,), d >= 1")
        d = len(mean)
        allowed = f"a symmetric positive semi-definite matrix of shape ({d}, {d}), as mean_{name} is ({d},)"
        cov = _double(f"cov_{name}", given_cov, allowed)
        largest = float(cov.abs().max()) if cov.numel() else 0.0
        if cov.shape != (d, d) or (cov - cov.mT).abs().max() > 1e-5 * largest:
            raise checks.fail(f"cov_{name}", given_cov, allowed)
        values, axes = torch.linalg.eigh((cov + cov.mT) / 2)
        if values.min() < -1e-6 * largest:  # the rounding of a singular one in single precision
            raise checks.fail(f"cov_{name}", given_cov, allowed)
        means.append(mean.cpu())
        roots.append((axes * values.clamp_min(0).sqrt() @ axes.mT).cpu())
    if means[0].shape != means[1].shape:
        raise checks.fail("mean_b", mean_b, f"the shape of mean_a, {tuple(means[0].shape)}")
    # The least |A^{1/2} - B^{1/2} Q|^2 over orthogonal Q: the same number, but without the traces' cancellation, which
    # leaves the formula above (and POT's bures_wasserstein_distance) no digit where the two are close.
    U, _, Vh = torch.linalg.svd(roots[0] @ roots[1])
    return float((means[0] - means[1]).square().sum() + (roots[0] - roots[1] @ (U @ Vh).mT).square().sum())


def sliced_w2_squared(x: Tensor, y: Tensor, projections: int = 128, *, generator: torch.Generator) -> float:
    """The mean of ``W2^2`` of the samples' projections onto random directions: for large n, at most ``W2^2 / d``.

    Args:
        x: (n, *event).
        y: (m, *event).
        projections: number of directions, uniform on the sphere.
        generator: draws them.
    """
    x, y = _pair(x, y)
    projections = checks.integer("projections", projections)
    device = checks.generator("generator", generator).device
    directions = (
        torch.randn(x.shape[1], projections, generator=generator, device=device, dtype=torch.float32).cpu().double()
    )
    directions = torch.nn.functional.normalize(directions, dim=0)  # (d, projections)
    together = max(1, BLOCK // (8 * (len(x) + len(y))))  # POT holds eight arrays of that size
    costs = [_quantile_cost(x @ some, y @ some) for some in directions.split(together, dim=1)]
    return float(np.concatenate(costs).mean())


def sinkhorn_w2_squared(x: Tensor, y: Tensor, epsilon: float = 0.05, *, max_iterations: int = 5000) -> float:
    """``W2^2`` by entropic transport without its bias, ``S(x, y) - S(x, x) / 2 - S(y, y) / 2``: for large n.

    S is the mean squared distance under the plan that minimises it plus ``epsilon`` times the plan's entropy relative
    to independence (Cuturi, 2013; Genevay et al., 2018), to 0.001 of the mean squared distance between x and y.

    Args:
        x: (n, *event).
        y: (m, *event).
        epsilon: strength of the entropy in units of the mean squared distance between x and y. It tends to the exact
            value as epsilon goes to 0, ever more slowly.
        max_iterations: of Sinkhorn's algorithm, for each of the three plans.

    Raises:
        ValueError: more than 10^8 pairs of points, or the iterations end before the plan fits its marginals.
    """
    x, y = _pair(x, y)
    epsilon = checks.number("epsilon", epsilon, low=1e-9)  # below, rounding decides
    max_iterations = checks.integer("max_iterations", max_iterations)
    cost, unit = _unit_cost(x, y)
    if unit == 0:
        return 0.0
    total = _entropic(cost, epsilon, max_iterations)
    for z in (x, y):
        total -= _entropic(_unit_cost(z, z, unit)[0], epsilon, max_iterations) / 2
    return max(0.0, total) * unit


def _entropic(cost: Tensor, epsilon: float, max_iterations: int) -> float:
    """``sum P cost`` for the plan ``P_ij = exp((f_i + g_j - cost_ij) / epsilon) / (n m)`` with uniform marginals.

    By Sinkhorn's algorithm with an entropy that falls by halves from the largest cost: with a small one from the start
    it creeps. On the way f and g are updated together, each to the mean of its old and new value, so that between a
    sample and itself they stay equal, and converge in 100 iterations whatever epsilon is (Feydy et al., 2019). POT's
    ``sinkhorn2`` and ``empirical_sinkhorn_divergence`` do neither, and take the logarithm of a sum in every iteration:
    they were 20 to 100 times slower at 400 points.
    """
    n, m = cost.shape
    f, g = cost.new_zeros(n), cost.new_zeros(m)
    farthest_x, farthest_y = cost.amax(1), cost.amax(0)
    halvings = max(0, math.ceil(math.log2(max(float(cost.max()), epsilon) / epsilon)))
    done, wrong = 0, math.inf
    for halving in range(halvings, -1, -1):
        e, last = math.ldexp(epsilon, halving), halving == 0
        while done < max_iterations:
            new_f = e * math.log(m) - e * ((g - cost) / e).logsumexp(1)
            if last:
                f, g = new_f, e * math.log(n) - e * ((new_f[:, None] - cost) / e).logsumexp(0)
            else:
                new_g = e * math.log(n) - e * ((f[:, None] - cost) / e).logsumexp(0)
                f, g = (f + new_f) / 2, (g + new_g) / 2
            plan = ((f[:, None] + g - cost) / e).exp_().div_(n * m)
            u, v, sweeps = _sweep(plan, min(20 if last else 5, max_iterations - done - 1), together=not last)
            f, g, done = f + e * u.log(), g + e * v.log(), done + 1 + sweeps
            if not last:
                break  # a first guess for the next e is all that this one has to give
            plan.mul_(u[:, None]).mul_(v)
            # what it would cost at most to put the mass that is out of place where it belongs
            wrong = float((plan.sum(0) - 1 / m).abs() @ farthest_y + (plan.sum(1) - 1 / n).abs() @ farthest_x)
            if wrong <= CONVERGED:
                return float(plan.mul_(cost).sum())
    raise ValueError(
        f"epsilon is {epsilon:g} and max_iterations is {max_iterations}, after which the transport plan is not found; "
        f"allowed: a larger epsilon or more iterations. w2_squared is exact, and faster for up to 2,000 points"
    )


def _sweep(plan: Tensor, most: int, *, together: bool) -> tuple[Tensor, Tensor, int]:
    """Sinkhorn's iterations on the plan itself, an iteration being two products: scalings u (n,), v (m,).

    One after the other and over-relaxed (Thibault et al., 2017), or ``together``, halfway; and ended early before a
    scaling leaves the range of numbers. Also how many iterations there were.
    """
    n, m = plan.shape
    u, v = plan.new_ones(n), plan.new_ones(m)
    for k in range(most):
        rows = (n * (plan @ v)).clamp(1e-90, 1e90)
        if together:
            u, v = (u / rows).sqrt(), (v / (m * (u @ plan)).clamp(1e-90, 1e90)).sqrt()
        else:
            u = u**-0.5 * rows**-1.5
            v = v**-0.5 * (m * (u @ plan)).clamp(1e-90, 1e90) ** -1.5
        if torch.cat([u, v]).log().abs().max() > 70:
            return u, v, k + 1
    return u, v, most


def _pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    x, y = alike("x", x, "y", y)
    return x.flatten(1).cpu(), y.flatten(1).cpu()


def _unit_cost(x: Tensor, y: Tensor, unit: float | None = None) -> tuple[Tensor, float]:
    """Squared distances (n, m) in units of their mean, and that unit, or in the unit that is given.

    POT's network simplex stops at once where costs are below 1e-16.
    """
    if len(x) * len(y) > MOST_PAIRS:
        raise ValueError(
            f"x and y are {len(x):,} and {len(y):,} points; allowed: at most {MOST_PAIRS:,} pairs of them; "
            "sliced_w2_squared takes any number"
        )
    cost = torch.cdist(x, y, compute_mode=SAFE).square_()
    unit = float(cost.mean()) if unit is None else unit
    return cost.div_(unit) if unit > 0 else cost, unit


def _quantile_cost(x: Tensor, y: Tensor) -> np.ndarray:
    """W2^2 in one dimension, column by column, for x (n, k) and y (m, k): (k,)."""
    import ot

    return np.asarray(ot.wasserstein_1d(x.numpy(), y.numpy(), p=2))


# -- what distances are computed from ----------------------------------------------------------------------------


def doubles(name: str, x: Any, event_shape: tuple[int, ...] | None = None, *, at_least: int = 1) -> Tensor:
    """Points as ``checks.points`` has them, in double precision and without gradient.

    Raises:
        ValueError: no such points, or coordinates whose squares overflow.
    """
    checks.points(name, x, event_shape, at_least=at_least)
    x = _double(name, x, "")
    if float(x.abs().max()) > FARTHEST:
        raise ValueError(f"{name} holds numbers as large as {float(x.abs().max()):.1g}; allowed: up to {FARTHEST:g}")
    return x


def alike(name: str, x: Any, other_name: str, y: Any, *, at_least: int = 1) -> tuple[Tensor, Tensor]:
    """Two sets of points as ``doubles`` has them, (n, *event) and (m, *event), on the device of the first."""
    x, given = doubles(name, x, at_least=at_least), y
    y = doubles(other_name, y, at_least=at_least)
    if y.shape[1:] != x.shape[1:]:
        raise checks.fail(other_name, given, f"points of the same shape as those of {name}, {tuple(x.shape[1:])}")
    return x, y.to(x.device)


def blocks(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """The distances between points (n, k) and (m, k), some rows of the (n, m) at a time."""
    for rows in x.split(max(1, BLOCK // len(y))):
        yield torch.cdist(rows, y, compute_mode=SAFE)


def _double(name: str, x: Any, allowed: str) -> Tensor:
    checks.array(name, x, allowed)  # which leaves whole numbers 24 bits
    x = x.detach() if isinstance(x, Tensor) else torch.from_numpy(np.array(x, dtype=np.float64))
    return (x.cpu() if x.device.type == "mps" else x).double()  # that device has no double precision
