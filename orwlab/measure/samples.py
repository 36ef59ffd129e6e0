"""What a set of samples looks like: diversity, modes, distance to another set, collapse, leaving the data."""

import torch
from torch import Tensor

from orwlab import checks
from orwlab.targets import GaussianMixture


def mean_pairwise_distance(x: Tensor) -> float:
    """The mean Euclidean distance between two different samples of ``x`` (n, *event), n >= 2: a diversity."""
    checks.points("x", x)
    if len(x) < 2:
        raise checks.fail("x", x, "at least two samples")
    return float(torch.nn.functional.pdist(x.flatten(1)).mean())


def vendi_score(x: Tensor, bandwidth: float = 1.0) -> float:
    """The effective number of different samples in ``x`` (n, *event), from 1 to n (Friedman and Dieng, 2023).

    ``exp`` of the entropy of the eigenvalues of ``K / n`` with ``K_ij = exp(-|x_i - x_j|^2 / (2 bandwidth^2))``:
    samples closer than ``bandwidth`` count as the same. Cubic in n; give it a few hundred.
    """
    checks.points("x", x)
    flat = x.flatten(1).double()
    kernel = (-torch.cdist(flat, flat).square() / (2 * checks.number("bandwidth", bandwidth, above=0.0) ** 2)).exp()
    eigenvalues = torch.linalg.eigvalsh(kernel / len(x)).clamp_min(0)
    return float(torch.special.entr(eigenvalues).sum().exp())


def mode_mass(x: Tensor, target: GaussianMixture) -> Tensor:
    """The fraction of the samples ``x`` (n, d) that each mode of ``target`` claims: (n_modes,), summing to 1."""
    return torch.bincount(target.mode_of(x), minlength=target.n_modes) / len(x)


def energy_distance(x: Tensor, y: Tensor) -> float:
    """``2 E|x - y| - E|x - x'| - E|y - y'|`` between samples (n, *event) and (m, *event): 0 iff the laws are equal.

    The unbiased form (Szekely and Rizzo, 2013): two samples of one law give values around 0, of either sign.
    """
    checks.points("x", x)
    checks.points("y", y, tuple(x.shape[1:]))
    cross = torch.cdist(x.flatten(1), y.flatten(1)).double().mean()
    return 2 * float(cross) - mean_pairwise_distance(x) - mean_pairwise_distance(y)


def collapsed(x: Tensor, reference: Tensor, ratio: float = 0.25) -> bool:
    """Whether the samples ``x`` keep less than ``ratio`` of the reference samples' mean pairwise distance."""
    return mean_pairwise_distance(x) < checks.number("ratio", ratio, above=0.0) * mean_pairwise_distance(reference)


class DataRegion:
    """Where the data are: within reach of a data point, the reach being what data points have among themselves.

    Args:
        data: (m, *event), m >= 10.
        quantile: the reach is this quantile of the data's own nearest-neighbour distances.
        slack: the reach is then multiplied by this.
    """

    def __init__(self, data: Tensor, quantile: float = 0.999, slack: float = 1.5) -> None:
        checks.points("data", data)
        if len(data) < 10:
            raise checks.fail("data", data, "at least 10 samples")
        self.data = data.flatten(1)
        distance = torch.cdist(self.data, self.data).fill_diagonal_(torch.inf)
        self.reach = slack * float(distance.min(1).values.quantile(quantile))

    def fraction_outside(self, x: Tensor) -> float:
        """The fraction of the samples ``x`` (n, *event) that are farther than the reach from every data point."""
        checks.points("x", x)
        return float((torch.cdist(x.flatten(1), self.data).min(1).values > self.reach).float().mean())
