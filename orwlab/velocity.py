"""Velocity fields ``v(t, x)``: two small networks and the exact field of a Gaussian mixture.

Every field takes time first: ``t`` is a scalar or (n,), ``x`` is (n, *event), and the answer has x's shape.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import _check, paths
from orwlab.targets import GaussianMixture

Velocity = Callable[[Tensor, Tensor], Tensor]


def time_features(t: Tensor, n: int, frequencies: int) -> Tensor:
    """``t`` and its sines and cosines at 1, 2, ... half turns, (n, 1 + 2 * frequencies)."""
    t = t.reshape(-1, 1).expand(n, 1)
    angle = math.pi * t * torch.arange(1, frequencies + 1, dtype=t.dtype, device=t.device)
    return torch.cat([t, angle.sin(), angle.cos()], dim=-1)


class MLP(nn.Module):
    """A plain multilayer perceptron ``v(t, x)`` for points.

    Args:
        dim: d, the dimension of a point.
        width: units a hidden layer.
        depth: hidden layers.
        frequencies: time frequencies in the input.
        seed: of the initial weights; the global random state is left alone.
    """

    def __init__(self, dim: int, width: int = 128, depth: int = 3, *, frequencies: int = 4, seed: int = 0) -> None:
        super().__init__()
        self.config = dict(kind="mlp", dim=dim, width=width, depth=depth, frequencies=frequencies)
        for name in ("dim", "width", "depth", "frequencies"):
            _check.integer(name, self.config[name])
        self.event_shape = (dim,)
        self.frequencies = frequencies
        sizes = [dim + 1 + 2 * frequencies] + [width] * depth
        with seeded(seed):
            layers: list[nn.Module] = []
            for size_in, size_out in pairwise(sizes):
                layers += [nn.Linear(size_in, size_out), nn.SiLU()]
            self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], dim))

    def forward(self, t: Tensor | float, x: Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, d) -> (n, d)."""
        features = time_features(_time(t, x, self.event_shape), len(x), self.frequencies)  # (n, F)
        return self.net(torch.cat([x, features], dim=-1))


class ResidualMLP(nn.Module):
    """Residual blocks ``h + MLP(norm(h) + time)`` on flattened events, for small images.

    Args:
        event_shape: shape of one sample, such as (1, 8, 8).
        width: units of the residual stream.
        blocks: residual blocks.
        frequencies: time frequencies.
        seed: of the initial weights; the global random state is left alone.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        width: int = 256,
        blocks: int = 4,
        *,
        frequencies: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.config = dict(
            kind="residual_mlp",
            event_shape=list(event_shape),
            width=width,
            blocks=blocks,
            frequencies=frequencies,
        )
        self.frequencies = frequencies
        size = math.prod(self.event_shape)
        with seeded(seed):
            self.inward = nn.Linear(size, width)
            self.time = nn.Sequential(nn.Linear(1 + 2 * frequencies, width), nn.SiLU())
            self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
            self.outward = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))

    def forward(self, t: Tensor | float, x: Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, *event) -> (n, *event)."""
        time = self.time(time_features(_time(t, x, self.event_shape), len(x), self.frequencies))  # (n, width)
        h = self.inward(x.flatten(1))  # (n, width)
        for block in self.blocks:
            h = block(h, time)
        return self.outward(h).reshape(x.shape)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.time = nn.Linear(width, width)
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        return h + self.net(self.norm(h) + self.time(time))


class MixtureField(nn.Module):
    """The exact field ``v(t, x) = E[u_t | x_t = x]`` for Gaussian-mixture data, independent noise and a given path.

    Given component k, ``x_t`` is Gaussian with mean ``data(t) mu_k`` and covariance
    ``S_k = noise(t)^2 I + data(t)^2 Sigma_k``; ``u_t`` is regressed on it linearly, and the components are averaged
    with their posterior weights. It has no parameters: nothing in it can be trained.
    """

    log_weights: Tensor  # (K,)
    means: Tensor  # (K, d)
    variances: Tensor  # (K, d)
    axes: Tensor  # (K, d, d)

    def __init__(self, mixture: GaussianMixture, path: str = "linear") -> None:
        super().__init__()
        self.event_shape = (mixture.dim,)
        self.path = paths.get(path)
        variances, axes = torch.linalg.eigh(mixture.covs)  # Sigma_k = axes_k diag(variances_k) axes_k^T
        for name, value in dict(
            log_weights=mixture.weights.log(), means=mixture.means, variances=variances, axes=axes
        ).items():
            self.register_buffer(name, value)

    def forward(self, t: Tensor | float, x: Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, d) -> (n, d)."""
        buffers = (self.log_weights, self.means, self.variances, self.axes)
        log_weights, means, variances, axes = (b.to(x.dtype) for b in buffers)  # (K,), (K, d), (K, d), (K, d, d)
        t = _time(t, x, self.event_shape).reshape(-1, 1, 1)  # (n or 1, 1, 1)
        noise, data = self.path.noise(t), self.path.data(t)
        d_noise, d_data = self.path.d_noise(t), self.path.d_data(t)
        z = torch.einsum("kij,nki->nkj", axes, x[:, None, :] - data * means)  # (n, K, d), along each component's axes
        s = noise**2 + data**2 * variances  # (n or 1, K, d), eigenvalues of S_k
        posterior = torch.softmax(log_weights - 0.5 * (z.square() / s + s.log()).sum(-1), dim=-1)  # (n, K)
        slope = (d_noise * noise + d_data * data * variances) / s  # Cov(u_t, x_t) S_k^{-1}, per axis
        u = d_data * means + torch.einsum("kij,nkj->nki", axes, slope * z)  # (n, K, d)
        return (posterior[..., None] * u).sum(1)


def build(config: dict[str, Any]) -> nn.Module:
    """The network that ``config`` (a network's ``.config``) describes, with fresh weights."""
    kinds: dict[str, Callable[..., nn.Module]] = {"mlp": MLP, "residual_mlp": ResidualMLP}
    if not isinstance(config, dict):
        raise _check.fail("config", config, "a dictionary, as in a network's .config")
    arguments = dict(config)
    kind = _check.choice("config['kind']", arguments.pop("kind", None), kinds)
    try:
        return kinds[kind](**arguments)
    except TypeError as error:
        raise _check.fail("config", config, f"the arguments of a network of kind {kind!r} ({error})") from error


def _time(t: Tensor | float, x: Tensor, event_shape: tuple[int, ...]) -> Tensor:
    """``t`` as (1,) or (n,) in x's dtype, after checking both shapes."""
    if tuple(x.shape[1:]) != event_shape:
        raise _check.fail("x", x, f"shape (n, {', '.join(map(str, event_shape))})")
    return paths.time_like(t, x).reshape(-1)


class seeded:
    """A block whose draws from torch's global generator are seeded, and which leaves that generator as it was."""

    def __init__(self, seed: int) -> None:
        self.seed = _check.integer("seed", seed, low=0)

    def __enter__(self) -> None:
        self.state = torch.get_rng_state()
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self.state)
