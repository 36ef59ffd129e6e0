"""Wasserstein-2 distances between sets of samples, and between Gaussians.

Everything here is **squared**: ``W2^2(p, q)``, the least ``E|x - y|^2`` over all couplings of x ~ p and y ~ q.
``orwlab.wasserstein`` offers these functions together with the ladder of bounds.
"""

import torch
from torch import Tensor

from orwlab import checks


def w2_squared(x: Tensor, y: Tensor) -> float:
    """``W2^2`` between the empirical distributions of ``x`` (n, *event) and ``y`` (m, *event), exactly.

    In one dimension by quantiles; otherwise by POT's network simplex: seconds for 2,000 points, use
    ``sinkhorn_w2_squared`` or ``sliced_w2_squared`` beyond. As an estimate of W2^2 between the laws that x and y were
    drawn from it is biased upward, because W2^2 is jointly convex.
    """
    x, y = _flat_pair(x, y)
    if x.shape[1] == 1:
        return float(_quantile_cost(x, y)[0])
    import ot  # POT; imported here because it takes two seconds

    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square().numpy()
    return float(ot.emd2([], [], cost, numItermax=1_000_000))


def w2_squared_gaussian(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """``W2^2`` between two Gaussians: ``|mean_a - mean_b|^2`` plus the squared Bures distance of the covariances.

    ``tr(A + B - 2 (A^{1/2} B A^{1/2})^{1/2})`` (Dowson and Landau, 1982); means (d,), covariances (d, d), which may
    be singular.
    """
    means, roots, traces = [], [], []
    for name, mean, cov in (("a", mean_a, cov_a), ("b", mean_b, cov_b)):
        mean, cov = torch.as_tensor(mean).double(), torch.as_tensor(cov).double()
        if mean.ndim != 1 or not torch.isfinite(mean).all():
            raise checks.fail(f"mean_{name}", mean, "a finite tensor of shape (d,)")
        d = len(mean)
        symmetric = cov.shape == (d, d) and torch.isfinite(cov).all() and torch.allclose(cov, cov.mT)
        values, axes = torch.linalg.eigh((cov + cov.mT) / 2) if symmetric else (cov.new_full((1,), -1.0), cov)
        if values.min() < -1e-9 * values.abs().max():
            raise checks.fail(f"cov_{name}", cov, f"a symmetric positive semi-definite matrix of shape ({d}, {d})")
        means.append(mean)
        roots.append(axes @ torch.diag(values.clamp_min(0).sqrt()) @ axes.mT)
        traces.append(float(values.clamp_min(0).sum()))
    if means[0].shape != means[1].shape:
        raise checks.fail("mean_b", mean_b, f"the shape of mean_a, {tuple(means[0].shape)}")
    # tr (A^{1/2} B A^{1/2})^{1/2} is the sum of the singular values of A^{1/2} B^{1/2}
    overlap = float(torch.linalg.svdvals(roots[0] @ roots[1]).sum())
    return float((means[0] - means[1]).square().sum()) + max(0.0, sum(traces) - 2 * overlap)


def sliced_w2_squared(x: Tensor, y: Tensor, projections: int = 128, *, generator: torch.Generator) -> float:
    """The mean of ``W2^2`` of the samples' projections onto random directions: for large n, at most ``W2^2 / d``.

    Args:
        x: (n, *event).
        y: (m, *event).
        projections: number of directions, uniform on the sphere.
        generator: draws them.
    """
    x, y = _flat_pair(x, y)
    directions = torch.randn(x.shape[1], checks.integer("projections", projections), generator=generator).double()
    directions = torch.nn.functional.normalize(directions, dim=0)  # (d, projections)
    return float(_quantile_cost(x @ directions, y @ directions).mean())


def sinkhorn_w2_squared(x: Tensor, y: Tensor, epsilon: float = 0.05, *, max_iterations: int = 2000) -> float:
    """``W2^2`` by entropic transport without its bias, ``S(x, y) - S(x, x) / 2 - S(y, y) / 2``: for large n.

    Args:
        x: (n, *event).
        y: (m, *event).
        epsilon: strength of the entropy in units of the mean squared distance between x and y. It tends to the exact
            value as epsilon goes to 0, ever more slowly.
        max_iterations: of Sinkhorn's algorithm.
    """
    x, y = _flat_pair(x, y)
    checks.number("epsilon", epsilon, above=0.0)
    checks.integer("max_iterations", max_iterations)
    import ot

    def cost(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()

    strength = epsilon * float(cost(x, y).mean())
    if strength == 0:
        return 0.0

    def entropic(a: Tensor, b: Tensor) -> float:
        options = dict(method="sinkhorn_log", numItermax=max_iterations, stopThr=1e-6, warn=False)
        return float(ot.sinkhorn2([], [], cost(a, b).numpy(), strength, **options))

    return max(0.0, entropic(x, y) - entropic(x, x) / 2 - entropic(y, y) / 2)


def _flat_pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    checks.points("x", x)
    checks.points("y", y, tuple(x.shape[1:]))
    return x.detach().flatten(1).double().cpu(), y.detach().flatten(1).double().cpu()


def _quantile_cost(x: Tensor, y: Tensor) -> Tensor:
    """W2^2 in one dimension, column by column, for x (n, k) and y (m, k): (k,)."""
    n, m = len(x), len(y)
    x, y = x.sort(dim=0).values, y.sort(dim=0).values
    if n == m:
        return (x - y).square().mean(0)
    # both quantile functions are constant between the levels i / n and j / m; in whole numbers, i m and j n of n m
    levels = torch.cat([torch.arange(n) * m, torch.arange(m) * n, torch.tensor([n * m])]).unique()
    widths = levels.diff().double() / (n * m)
    return widths @ (x[levels[:-1] // m] - y[levels[:-1] // n]).square()
