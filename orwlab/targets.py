"""Target distributions to learn: Gaussian mixtures in one and two dimensions, each with an exact density.

Curves (moons, rings, spirals) and the checkerboard are mixtures of many small Gaussians, so that one class serves
all: it samples, it has an exact ``log_prob``, and its flow-matching velocity is known in closed form
(``velocity.MixtureField``). Nothing needs a data file.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab import checks


class GaussianMixture:
    """The density ``q(x) = sum_k weights_k N(x; means_k, covs_k)``.

    Args:
        weights: (K,) positive; normalised here.
        means: (K, d).
        covs: (K, d, d) symmetric positive definite, or (K,) / scalar variances for round components.
        modes: (K,) integer label, 0 .. K - 1, of the mode that each component belongs to (a ring of sixty components
            is one mode); each component is its own mode if None.
        name: what errors and figures call it.

    All are copied, and kept in float64 without gradient.

    Raises:
        ValueError: shapes that do not fit, weights that are not positive, covariances that are not positive definite.
    """

    def __init__(
        self,
        weights: Tensor,
        means: Tensor,
        covs: Tensor | float,
        modes: Tensor | None = None,
        name: str = "mixture",
    ) -> None:
        means = _double("means", means, "finite numbers of shape (K, d)")
        if means.ndim != 2 or 0 in means.shape:
            raise checks.fail("means", means, "finite numbers of shape (K, d)")
        K, d = means.shape
        allowed = f"{K} finite positive numbers, one for each of the means"
        weights = _double("weights", weights, allowed)
        if weights.shape != (K,) or not (weights > 0).all():
            raise checks.fail("weights", weights, allowed)
        weights = weights / weights.max()  # no sum of weights overflows
        allowed = (
            f"for means of shape ({K}, {d}): positive variances, () or ({K},), or symmetric positive definite matrices"
        )
        covs = _double("covs", covs, allowed)
        if covs.shape in ((), (K,)):  # variances of round components
            covs = covs.expand(K)[:, None, None] * torch.eye(d, dtype=torch.float64)
        if covs.shape != (K, d, d) or not torch.allclose(covs, covs.mT, atol=1e-8 * float(covs.abs().max())):
            raise checks.fail("covs", covs, allowed)
        cholesky, info = torch.linalg.cholesky_ex(covs)
        if info.any():
            raise checks.fail("covs", covs, allowed)
        self.name, self.dim = name, d
        self.weights, self.means, self.covs = weights / weights.sum(), means, covs  # (K,), (K, d), (K, d, d)
        self.modes = torch.arange(K) if modes is None else _labels(modes, K)
        self.n_modes = int(self.modes.max()) + 1
        self._cholesky = cholesky  # (K, d, d)

    def __repr__(self) -> str:
        return f"GaussianMixture({self.name!r}, dim={self.dim}, components={len(self.weights)}, modes={self.n_modes})"

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw ``n`` points, (n, d), float32."""
        n, generator = checks.integer("n", n), checks.generator("generator", generator)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)  # (n,)
        z = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)  # (n, d)
        return (self.means[k] + (self._cholesky[k] @ z[..., None]).squeeze(-1)).float()

    def component_log_prob(self, x: Tensor) -> Tensor:
        """``log(weights_k N(x; means_k, covs_k))`` for every component, (n, K), float64, on x's device."""
        x = checks.points("x", x, (self.dim,)).double()
        weights, means, cholesky = (part.to(x.device) for part in (self.weights, self.means, self._cholesky))
        inverse = torch.linalg.inv(cholesky)  # (K, d, d); d <= 2 and well conditioned
        whitened = torch.einsum("kij,nkj->nki", inverse, x[:, None, :] - means)  # (n, K, d)
        log_det = cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)  # (K,)
        constant = weights.log() - log_det - 0.5 * self.dim * math.log(2 * math.pi)
        return constant - 0.5 * whitened.square().sum(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log density at ``x`` (n, d): (n,), in x's floating type, but no shorter one than float32."""
        x = checks.points("x", x, (self.dim,))
        return self.component_log_prob(x).logsumexp(-1).to(torch.promote_types(x.dtype, torch.float32))

    def mode_of(self, x: Tensor) -> Tensor:
        """The mode that most probably made each point, (n,) integers in [0, n_modes)."""
        log_p, k = self.component_log_prob(x).max(-1)
        if log_p.isneginf().any():
            raise checks.fail("x", x, "points near enough for float64 to tell one component from another")
        return self.modes.to(k.device)[k]

    def mean(self) -> Tensor:
        """The mean, (d,)."""
        return self.weights @ self.means

    def cov(self) -> Tensor:
        """The covariance matrix, (d, d)."""
        centred = self.means - self.mean()
        return torch.einsum("k,kij->ij", self.weights, self.covs + centred[:, :, None] * centred[:, None, :])

    def tilted(self, a: Tensor, B: Tensor | None = None) -> "GaussianMixture":
        """The mixture proportional to ``q(x) exp(a.x + x.B x / 2)``: again a Gaussian mixture.

        Component k keeps its form: its precision falls by B, and its weight is multiplied by the integral of the tilt.
        With ``a = N tau * direction`` and no B this is Theorem 2 after N rounds of a linear reward; with N = 1 it is
        Theorem 1.

        Args:
            a: (d,).
            B: (d, d) symmetric, or None for zero.

        Raises:
            ValueError: shapes that do not fit, or B so large that the tilted density has no finite mass.
        """
        d = self.dim
        a = _double("a", a, f"finite numbers of shape ({d},)")
        if a.shape != (d,):
            raise checks.fail("a", a, f"finite numbers of shape ({d},)")
        allowed = f"a symmetric matrix of shape ({d}, {d})"
        B = torch.zeros(d, d, dtype=torch.float64) if B is None else _double("B", B, allowed)
        if B.shape != (d, d) or not torch.allclose(B, B.mT, atol=1e-8 * float(B.abs().max())):
            raise checks.fail("B", B, allowed)
        precision = torch.linalg.inv(self.covs)  # (K, d, d)
        new_precision = precision - B
        if (torch.linalg.eigvalsh(new_precision) <= 0).any():
            raise checks.fail("B", B, "matrices below every component's precision (else the mass is infinite)")
        shift = torch.einsum("kij,kj->ki", precision, self.means) + a  # (K, d)
        means = torch.linalg.solve(new_precision, shift)
        log_mass = 0.5 * (
            (shift * means).sum(-1)
            - torch.einsum("ki,kij,kj->k", self.means, precision, self.means)
            + torch.logdet(precision)
            - torch.logdet(new_precision)
        )
        log_weights = self.weights.log() + log_mass
        if not torch.isfinite(log_weights).all():
            raise checks.fail("a", a, "numbers for which the tilted density's mass has a finite logarithm")
        covs = torch.linalg.inv(new_precision)
        weights = torch.softmax(log_weights, 0).clamp_min(1e-300)
        return GaussianMixture(weights, means, (covs + covs.mT) / 2, self.modes, f"{self.name}, tilted")


def _double(name: str, x: Any, allowed: str) -> Tensor:
    """A copy of ``x`` in float64 on the CPU, without gradient."""
    return checks.array(name, x, allowed).detach().to("cpu", torch.float64, copy=True)


def _labels(modes: Any, K: int) -> Tensor:
    return checks.labels("modes", modes, K, K, "component")


def _round(name: str, means: Tensor, std: float, modes: Tensor | None = None) -> GaussianMixture:
    """Equally heavy round components, the whole moved so that its mean is 0."""
    means = means - means.mean(0)
    return GaussianMixture(torch.ones(len(means)), means, std**2, modes, name)


def _arc(n: int, radius: float, start: float, stop: float) -> Tensor:
    """``n`` points along a circular arc between two angles (radians), ends included: (n, 2)."""
    angle = torch.linspace(start, stop, n, dtype=torch.float64)
    return radius * torch.stack([angle.cos(), angle.sin()], -1)


def _circle(n: int, radius: float) -> Tensor:
    return _arc(n + 1, radius, 0.0, 2 * math.pi)[:-1]


def gaussian() -> GaussianMixture:
    """The standard normal, as simple as a target gets: its flow is linear."""
    return _round("gaussian", torch.zeros(1, 2), 1.0)


def four_modes() -> GaussianMixture:
    """Four round modes on the axes at radius 2.5."""
    return _round("four_modes", _circle(4, 2.5), 0.35)


def eight_gaussians() -> GaussianMixture:
    """Eight round modes of std 0.3 on a circle of radius 3."""
    return _round("eight_gaussians", _circle(8, 3.0), 0.3)


def two_moons() -> GaussianMixture:
    """Two interleaved half circles."""
    upper = _arc(40, 2.0, 0.0, math.pi)
    lower = _arc(40, 2.0, math.pi, 2 * math.pi) + torch.tensor([2.0, 0.9], dtype=torch.float64)
    modes = torch.arange(2).repeat_interleave(40)
    return _round("two_moons", torch.cat([upper, lower]), 0.16, modes)


def checkerboard() -> GaussianMixture:
    """The eight dark squares of a 4 x 4 board of side 6, each an 8 x 8 lattice of Gaussians with soft edges."""
    side, n = 1.5, 8
    offset = (torch.arange(n, dtype=torch.float64) + 0.5) / n * side
    lattice = torch.cartesian_prod(offset, offset)  # (n^2, 2)
    corners = [(i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0]
    means = torch.cat([lattice + side * (torch.tensor(c, dtype=torch.float64) - 2) for c in corners])
    modes = torch.arange(len(corners)).repeat_interleave(n * n)
    # a std of 0.6 lattice spacings leaves a ripple of 2 exp(-2 pi^2 0.36), under 0.2 %, inside a square
    return _round("checkerboard", means, 0.6 * side / n, modes)


def pinwheel() -> GaussianMixture:
    """Five bent arms, thin at the hub and thicker outside."""
    arms, per_arm = 5, 12
    s = torch.linspace(0.15, 1.0, per_arm, dtype=torch.float64)
    means, covs = [], []
    for arm in range(arms):
        angle = 2 * math.pi * arm / arms + 0.9 * s  # the arm bends as it goes out
        radius = 0.4 + 3.0 * s
        along = torch.stack([angle.cos(), angle.sin()], -1)  # (per_arm, 2)
        across = torch.stack([-angle.sin(), angle.cos()], -1)
        means.append(radius[:, None] * along)
        thick = (0.05 + 0.22 * s)[:, None, None] ** 2
        covs.append(0.18**2 * along[:, :, None] * along[:, None, :] + thick * across[:, :, None] * across[:, None, :])
    modes = torch.arange(arms).repeat_interleave(per_arm)
    return GaussianMixture(torch.ones(arms * per_arm), torch.cat(means), torch.cat(covs), modes, "pinwheel")


def rings() -> GaussianMixture:
    """Three concentric rings of equal linear density."""
    counts, radii = (24, 48, 72), (1.1, 2.2, 3.3)
    means = torch.cat([_circle(n, r) for n, r in zip(counts, radii)])
    return _round("rings", means, 0.15, torch.repeat_interleave(torch.arange(3), torch.tensor(counts)))


def two_spirals() -> GaussianMixture:
    """Two interleaved spiral arms of one and a half turns."""
    n = 60
    s = torch.linspace(0.0, 1.0, n, dtype=torch.float64).sqrt()  # even spacing along the arm
    angle, radius = 3 * math.pi * s, 0.4 + 2.9 * s
    arm = radius[:, None] * torch.stack([angle.cos(), angle.sin()], -1)
    return _round("two_spirals", torch.cat([arm, -arm]), 0.14, torch.arange(2).repeat_interleave(n))


def two_modes_1d() -> GaussianMixture:
    """Two equal modes on a line, at -1.5 and 1.5 with std 0.5."""
    return _round("two_modes_1d", torch.tensor([[-1.5], [1.5]], dtype=torch.float64), 0.5)


def three_modes_1d() -> GaussianMixture:
    """Three modes on a line, unequal in weight and width: the smallest sits where rewards like to pull."""
    means = torch.tensor([[-2.2], [0.0], [2.4]], dtype=torch.float64)
    return GaussianMixture(
        torch.tensor([0.5, 0.35, 0.15], dtype=torch.float32),
        means,
        torch.tensor([0.4, 0.6, 0.3], dtype=torch.float32) ** 2,
        name="three_modes_1d",
    )


_MAKERS: dict[str, Callable[[], GaussianMixture]] = {
    maker.__name__: maker
    for maker in (
        gaussian,
        four_modes,
        eight_gaussians,
        two_moons,
        checkerboard,
        pinwheel,
        rings,
        two_spirals,
        two_modes_1d,
        three_modes_1d,
    )
}


def names(dim: int | None = None) -> list[str]:
    """The names that ``get`` knows, only those of ``dim`` dimensions if given."""
    dim = None if dim is None else checks.integer("dim", dim)
    return [name for name, maker in _MAKERS.items() if dim is None or maker().dim == dim]


def get(name: str) -> GaussianMixture:
    """The target called ``name``; ``ValueError`` lists the names there are."""
    return _MAKERS[checks.choice("target", name, _MAKERS)]()
