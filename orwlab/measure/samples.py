"""What a set of samples looks like: diversity, modes, distance to another set, collapse, leaving the data.

Samples are tensors, arrays or lists of numbers of any type; everything is computed in double precision.
"""

import numpy as np
import torch
from torch import Tensor

from orwlab import checks
from orwlab.measure.distances import BLOCK, alike, blocks, doubles
from orwlab.targets import GaussianMixture

__all__ = [  # noqa: RUF022  the reading order
    "mean_pairwise_distance",
    "vendi_score",
    "mode_mass",
    "energy_distance",
    "precision_and_recall",
    "coverage",
    "collapsed",
    "DataRegion",
]

MOST_SCORED = 10_000  # samples that the Vendi score takes: minutes, and 0.8 GB


def mean_pairwise_distance(x: Tensor) -> float:
    """The mean Euclidean distance between two different samples of ``x`` (n, *event), n >= 2: a diversity."""
    return _mean_pairwise(doubles("x", x, at_least=2).flatten(1))


def vendi_score(x: Tensor, bandwidth: float = 1.0) -> float:
    """The effective number of different samples in ``x`` (n, *event), from 1 to n (Friedman and Dieng, 2023).

    ``exp`` of the entropy of the eigenvalues of ``K / n`` with ``K_ij = exp(-|x_i - x_j|^2 / (2 bandwidth^2))``:
    samples closer than ``bandwidth`` count as the same. Cubic in n; give it a few hundred, at most 10,000.
    """
    points = doubles("x", x).flatten(1)
    bandwidth = checks.number("bandwidth", bandwidth, above=0.0)
    if len(points) > MOST_SCORED:
        raise checks.fail("x", x, f"at most {MOST_SCORED:,} samples: the time is cubic in their number")
    distance = torch.cat(list(blocks(points, points)))
    kernel = distance.div_(bandwidth).square_().div_(-2).exp_()  # divided first: the square of a bandwidth may be 0
    eigenvalues = torch.linalg.eigvalsh(kernel / len(points)).clamp_min(0)
    return min(max(float(torch.special.entr(eigenvalues).sum().exp()), 1.0), float(len(points)))


def mode_mass(x: Tensor, target: GaussianMixture) -> Tensor:
    """The fraction of the samples ``x`` (n, d) that each mode of ``target`` claims: (n_modes,), summing to 1."""
    if not isinstance(target, GaussianMixture):
        raise checks.fail("target", target, "a GaussianMixture, such as targets.get('four_modes')")
    points = doubles("x", x, (target.dim,)).cpu()
    some = max(1, BLOCK // (4 * len(target.weights) * target.dim))  # the mixture looks at all components of a point
    counts = torch.zeros(target.n_modes, dtype=torch.int64)
    for part in points.split(some):
        counts += torch.bincount(target.mode_of(part), minlength=target.n_modes)
    return counts / len(points)


def energy_distance(x: Tensor, y: Tensor) -> float:
    """``2 E|x - y| - E|x - x'| - E|y - y'|`` between samples (n, *event) and (m, *event), n, m >= 2.

    0 between equal laws and only there. The unbiased form (Szekely and Rizzo, 2013): two samples of one law give
    values around 0, of either sign, and one sample with itself a negative one.
    """
    a, b = (points.flatten(1) for points in alike("x", x, "y", y, at_least=2))
    cross = sum(float(block.sum()) for block in blocks(a, b)) / (len(a) * len(b))
    return 2 * cross - _mean_pairwise(a) - _mean_pairwise(b)


def precision_and_recall(x: Tensor, data: Tensor, k: int = 3) -> tuple[float, float]:
    """The share of samples that look like data, and the share of data that the samples cover: both in [0, 1].

    A point belongs to a set if it is within reach of one of its points, the reach being that point's distance to its
    own k-th neighbour in the set (Kynkaanniemi et al., 2019). Precision falls when samples leave the data, recall when
    they keep to a part of them; but where samples are few they reach far, and a handful of them may reach over much of
    the data: ``coverage`` asks more. Both depend on the numbers of points: compare at equal ones, and beside two draws
    of data.

    Args:
        x: samples (n, *event), n > k, usually features of images.
        data: (m, *event), m > k.
        k: which neighbour.
    """
    k = checks.integer("k", k)
    a, b = (points.flatten(1) for points in alike("x", x, "data", data, at_least=k + 1))
    reach_a, reach_b = _reach(a, k), _reach(b, k)
    like_data = sum(int((part <= reach_b).any(1).sum()) for part in blocks(a, b))
    covered = sum(int((part <= reach_a).any(1).sum()) for part in blocks(b, a))
    return like_data / len(a), covered / len(b)


def coverage(x: Tensor, data: Tensor, k: int = 3) -> float:
    """The share of data that have a sample nearer than their own k-th neighbour in the data, in [0, 1].

    The data say what is near, so that samples far from all cover nothing (Naeem et al., 2020). Fresh draws of the data
    do not cover all: n of them cover m data by chance to ``1 - prod_{i=1..k} (m - i) / (n + m - i)``, whatever the
    law, about 0.875 for k = 3 and n = m.

    Args:
        x: samples (n, *event), usually features of images.
        data: (m, *event), m > k.
        k: which neighbour.
    """
    k = checks.integer("k", k)
    a, b = (points.flatten(1) for points in alike("x", x, "data", data))
    if len(b) <= k:
        raise checks.fail("data", f"of {len(b)} points", f"more than k = {k}")
    nearest = torch.cat([part.amin(1) for part in blocks(b, a)])
    return float((nearest <= _reach(b, k)).double().mean())


def _reach(points: Tensor, k: int) -> Tensor:
    """The distance of each of (n, d) to its k-th neighbour: (n,)."""
    # sorted distances to oneself begin with 0, so that one's k-th neighbour comes k + 1st
    return torch.cat([part.kthvalue(k + 1, dim=1).values for part in blocks(points, points)])


def collapsed(x: Tensor, reference: Tensor, ratio: float = 0.25) -> bool:
    """Whether the samples ``x`` keep less than ``ratio`` of the reference samples' mean pairwise distance.

    Args:
        x: (n, *event), n >= 2.
        reference: (m, *event), m >= 2, not all alike.
        ratio: above 0.
    """
    now, before = (_mean_pairwise(p.flatten(1)) for p in alike("x", x, "reference", reference, at_least=2))
    ratio = checks.number("ratio", ratio, above=0.0)
    if before == 0:
        raise checks.fail("reference", reference, "samples that are not all alike")
    return now < ratio * before


class DataRegion:
    """Where the data are: within reach of a data point, the reach being what data points have among themselves.

    Args:
        data: (m, *event), m >= 10, not all alike.
        quantile: in [0, 1]; the reach is this quantile of the distances from data to their nearest different data.
        slack: above 0; the reach is then multiplied by this.
    """

    def __init__(self, data: Tensor, quantile: float = 0.999, slack: float = 1.5) -> None:
        from scipy.spatial import KDTree  # imported here because it takes a third of a second

        points = doubles("data", data, at_least=10)
        quantile = checks.number("quantile", quantile, low=0.0, high=1.0)
        slack = checks.number("slack", slack, above=0.0)
        different = np.unique(points.flatten(1).cpu().numpy(), axis=0)  # a repeated point has no reach of its own
        if len(different) < 2:
            raise checks.fail("data", data, "data that are not all alike")
        self.event_shape = tuple(points.shape[1:])
        self._tree = KDTree(different)
        self.reach = slack * float(np.quantile(self._tree.query(different, k=2)[0][:, 1], quantile))

    def fraction_outside(self, x: Tensor) -> float:
        """The fraction of the samples ``x`` (n, *event) that are farther than the reach from every data point."""
        points = doubles("x", x, self.event_shape).flatten(1)
        return float((self._tree.query(points.cpu().numpy())[0] > self.reach).mean())


def _mean_pairwise(x: Tensor) -> float:
    """The mean distance between two different rows of ``x`` (n, k), n >= 2."""
    return sum(float(block.sum()) for block in blocks(x, x)) / (len(x) * (len(x) - 1))
