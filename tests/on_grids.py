"""What the tests of optima and frontiers share: cells, densities on them, limits computed once."""

import math
from functools import cache

import torch

from orwlab import rewards, targets
from orwlab.exact.grid import Grid
from orwlab.oracle import PopulationDynamics
from orwlab.targets import GaussianMixture

RIGHT = rewards.get("right")
D = torch.float64
LINE, PLANE = Grid(1, 256, 6.0), Grid(2, 128, 6.0)


def normal(mean=(0.0,), cov=None):
    mean = torch.tensor([mean], dtype=D)
    cov = torch.eye(mean.shape[1], dtype=D) if cov is None else torch.tensor(cov, dtype=D)
    return GaussianMixture(torch.ones(1), mean, cov[None])


def density(cells, target):
    p = target.log_prob(cells.flat).exp().reshape(cells.shape)
    return p / (p.sum() * cells.dx**cells.dim)


def mass(cells, p):
    return p * cells.dx**cells.dim


def tv(cells, p, q):
    return 0.5 * float(mass(cells, p - q).abs().sum())


def expectation(cells, p, values):
    return float((mass(cells, p) * values).sum())


def random_densities(cells, reference, count, seed=0):
    """Smooth random tilts of a reference, from slight to violent."""
    generator = torch.Generator().manual_seed(seed)
    for i in range(count):
        k = 3 * torch.rand(6, cells.dim, generator=generator, dtype=D)
        phase = 2 * math.pi * torch.rand(6, generator=generator, dtype=D)
        size = 4.0 ** (i % 4 - 2) * torch.randn(6, generator=generator, dtype=D)
        q = reference * ((cells.points @ k.T + phase).sin() @ size).exp()
        yield q / (q.sum() * cells.dx**cells.dim)


@cache
def limit(name, reward="right", alpha=1.0, tau=1.0, weighting="exp", penalty="policy", axis=None):
    dynamics = PopulationDynamics(
        targets.get(name), rewards.get(reward), tau, alpha, weighting=weighting, penalty=penalty, axis=axis
    )
    assert dynamics.fixed_point(1e-7 if dynamics.cells.dim == 1 else 1e-5).converged
    return dynamics
