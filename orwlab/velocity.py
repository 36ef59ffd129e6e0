"""Velocity fields ``v(t, x)``: three small networks and the exact field of a Gaussian mixture.

Every field takes time first: ``t`` is a scalar or (n,), ``x`` is (n, *event), and the answer has x's shape.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, foreign, paths
from orwlab.targets import GaussianMixture

Velocity = Callable[[Tensor, Tensor], Tensor]
SMALLEST = (
    1e-15  # standard deviation of data (the largest is 1 over this): float32 must hold its square and its inverse
)


class Field(nn.Module, ABC):
    """A network ``v(t, x)``: takes any floating type, whole numbers and arrays, and computes where its parameters are.

    A subclass sets ``event_shape`` and says what ``_at(time, x)`` is, with ``time`` (1,) or (n,) and ``x`` checked.
    """

    event_shape: tuple[int, ...]

    def forward(self, t: Tensor | float, x: Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, *event) -> (n, *event), in x's floating type and on its device."""
        x = self._samples("x", x)
        own = self._computes_in(x)
        return self._at(paths.time_like(t, own).reshape(-1), own).to(x)

    def _samples(self, name: str, x: Tensor) -> Tensor:
        if type(x) is Tensor and x.shape[1:] == self.event_shape and x.dtype in checks.FLOATS and not x.is_inference():
            return x  # the short way, for solvers that ask hundreds of times
        return checks.samples(name, x, self.event_shape)

    def _computes_in(self, x: Tensor) -> Tensor:
        """``x`` in the floating type and on the device of the parameters."""
        return x.to(next(self.parameters()))

    @abstractmethod
    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        """The velocity at checked arguments."""


def _time_features(time: Tensor, n: int, frequencies: int) -> Tensor:
    """``time`` (1,) or (n,), and its sines and cosines at 1, 2, ... half turns, (n, 1 + 2 * frequencies)."""
    time = time.reshape(-1, 1)
    angle = math.pi * time * torch.arange(1, frequencies + 1, dtype=time.dtype, device=time.device)
    return torch.cat([time, angle.sin(), angle.cos()], dim=-1).expand(n, -1)


class MLP(Field):
    """A plain multilayer perceptron ``v(t, x)`` for points.

    Args:
        dim: d, the dimension of a point.
        width: units a hidden layer.
        depth: hidden layers.
        frequencies: time frequencies in the input.
        seed: of the initial weights; the global random state is left alone.
    """

    net: nn.Sequential

    def __init__(self, dim: int, width: int = 128, depth: int = 3, *, frequencies: int = 4, seed: int = 0) -> None:
        super().__init__()
        dim, width, depth = checks.integer("dim", dim), checks.integer("width", width), checks.integer("depth", depth)
        frequencies, seed = checks.integer("frequencies", frequencies), checks.seed("seed", seed)
        self.config = dict(kind="mlp", dim=dim, width=width, depth=depth, frequencies=frequencies)
        self.event_shape = (dim,)
        self.frequencies = frequencies
        sizes = [dim + 1 + 2 * frequencies] + [width] * depth
        with torch.inference_mode(False), torch.device("meta"):
            layers: list[nn.Module] = []
            for size_in, size_out in pairwise(sizes):
                layers += [nn.Linear(size_in, size_out), nn.SiLU()]
            self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], dim))
        initialise(self, seed)

    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        """The network's answer to each point beside the features of its time."""
        features = _time_features(time, len(x), self.frequencies)  # (n, F)
        return self.net(torch.cat([x, features], dim=-1))

    def at_each(self, times: Sequence[float], x: Tensor) -> list[Callable[[Tensor], Tensor]] | None:
        """``v(t, .)`` for each of ``times``, for points like ``x`` (n, d): what depends on time alone is computed once.

        For solvers, which ask again and again: a draw takes a quarter less time. The answers may differ from
        ``v(t, x)`` by rounding, and carry no gradient; the functions are good until the parameters change. None where
        this would not be the same: x is not in the network's type or on its device, or somebody has changed the layers.
        """
        times, x = checks.numbers("times", times, low=0.0, high=1.0), checks.tensor("x", x, "real numbers")
        own = next(self.parameters())
        if (x.shape[1:], x.dtype, x.device) != (self.event_shape, own.dtype, own.device) or not self._is_plain():
            return None
        linear = [layer for layer in self.net if isinstance(layer, nn.Linear)]
        (first, shift), *others = [(layer.weight.detach(), layer.bias.detach()) for layer in linear]
        inward = first[:, : x.shape[1]].t().contiguous()
        features = _time_features(x.new_tensor(times), len(times), self.frequencies)  # (T, F)

        def v(of_time: Tensor, x: Tensor) -> Tensor:
            h = torch.addmm(of_time, x, inward)
            for weight, bias in others:
                h = nn.functional.linear(nn.functional.silu(h, inplace=True), weight, bias)
            return h

        return [functools.partial(v, s) for s in nn.functional.linear(features, first[:, x.shape[1] :], shift)]

    def _is_plain(self) -> bool:
        """Whether nobody has put other layers, hooks or another call in the place of what this class has made."""
        layers = list(self.net)
        parts = [self, self.net, *layers]
        return (
            type(self) is MLP
            and [type(layer) for layer in layers] == [nn.Linear, nn.SiLU] * (len(layers) // 2) + [nn.Linear]
            and not any(p._forward_hooks or p._forward_pre_hooks or "forward" in vars(p) for p in parts)
        )


class ResidualMLP(Field):
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
        self.event_shape = checks.shape("event_shape", event_shape)
        width, blocks = checks.integer("width", width), checks.integer("blocks", blocks)
        self.frequencies, seed = checks.integer("frequencies", frequencies), checks.seed("seed", seed)
        self.config = dict(
            kind="residual_mlp",
            event_shape=list(self.event_shape),
            width=width,
            blocks=blocks,
            frequencies=self.frequencies,
        )
        size = math.prod(self.event_shape)
        with torch.inference_mode(False), torch.device("meta"):
            self.inward = nn.Linear(size, width)
            self.time = nn.Sequential(nn.Linear(1 + 2 * self.frequencies, width), nn.SiLU())
            self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
            self.outward = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))
        initialise(self, seed)

    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        """The residual stream, read out."""
        features = self.time(_time_features(time, len(x), self.frequencies))  # (n, width)
        h = self.inward(x.flatten(1))  # (n, width)
        for block in self.blocks:
            h = block(h, features)
        return self.outward(h).reshape(x.shape)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.time = nn.Linear(width, width)
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        return h + self.net(self.norm(h) + self.time(time))


class UNet(Field):
    """Convolutions on an image at a half and at a quarter of its size, and one look at all of it, for pictures.

    Two by two pixels are folded into channels first: a quarter of the work at full size, and nothing is lost. What the
    fine level has seen is handed on past the coarse one (Ronneberger et al., 2015); every block is told the time by a
    scale and a shift of its channels.

    Args:
        event_shape: (channels, height, width); height and width are multiples of 4.
        width: channels of the fine level, a multiple of 8; the coarse one has twice as many.
        blocks: residual blocks on the way down, on the way up, and half of those in between.
        frequencies: time frequencies.
        seed: of the initial weights; the global random state is left alone.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        width: int = 32,
        blocks: int = 2,
        *,
        frequencies: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.event_shape = checks.shape("event_shape", event_shape)
        if len(self.event_shape) != 3 or self.event_shape[1] % 4 or self.event_shape[2] % 4:
            raise checks.fail("event_shape", event_shape, "(channels, height, width), the latter multiples of 4")
        width, blocks = checks.integer("width", width), checks.integer("blocks", blocks)
        if width % 8:
            raise checks.fail("width", width, "a multiple of 8")
        self.frequencies, seed = checks.integer("frequencies", frequencies), checks.seed("seed", seed)
        self.config = dict(
            kind="unet",
            event_shape=list(self.event_shape),
            width=width,
            blocks=blocks,
            frequencies=self.frequencies,
        )
        folded, told = 4 * self.event_shape[0], 4 * width
        with torch.inference_mode(False), torch.device("meta"):
            self.time = nn.Sequential(nn.Linear(1 + 2 * self.frequencies, told), nn.SiLU())
            self.inward = nn.Conv2d(folded, width, 3, padding=1)
            self.down = nn.ModuleList(_ConvBlock(width, told) for _ in range(blocks))
            self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
            self.middle = nn.ModuleList(_ConvBlock(2 * width, told) for _ in range(2 * blocks))
            self.look = _Attention(2 * width)
            self.grow = nn.Conv2d(2 * width, width, 3, padding=1)
            self.join = nn.Conv2d(2 * width, width, 1)
            self.up = nn.ModuleList(_ConvBlock(width, told) for _ in range(blocks))
            self.outward = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, folded, 3, padding=1))
        initialise(self, seed)

    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        """What the time alone tells."""
        return self.through(self.features(time, len(x)), x)

    def features(self, time: Tensor, n: int) -> Tensor:
        """What every block is told of ``time`` (1,) or (n,): (n, 4 width)."""
        return self.time(_time_features(time, n, self.frequencies))

    def through(self, features: Tensor, x: Tensor, ask: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Down, through the middle, and up again past what the way down has seen.

        Args:
            features: (n, 4 width), what every block is told.
            x: (n, *event), in the parameters' floating type.
            ask: the coarse level (n, 2 width, H/4, W/4) -> the same, right after all of it was looked at: where a
                network that is told more puts it in.
        """
        if len(x) == 0:  # which torch does not fold
            return x.clone()
        h = self.inward(nn.functional.pixel_unshuffle(x, 2))  # (n, width, H/2, W/2)
        for block in self.down:
            h = block(h, features)
        fine, h = h, self.shrink(h)  # (n, 2 width, H/4, W/4)
        for k, block in enumerate(self.middle):
            if 2 * k == len(self.middle):
                h = self.look(h)
                h = h if ask is None else ask(h)
            h = block(h, features)
        h = self.grow(nn.functional.interpolate(h, scale_factor=2.0))
        h = self.join(torch.cat([h, fine], dim=1))
        for block in self.up:
            h = block(h, features)
        return nn.functional.pixel_shuffle(self.outward(h), 2)


class _ConvBlock(nn.Module):
    def __init__(self, channels: int, told: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))
        self.time = nn.Linear(told, 2 * channels)
        self.norm = nn.GroupNorm(8, channels)
        self.second = nn.Sequential(nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[..., None, None].chunk(2, dim=1)
        return h + self.second(self.norm(self.first(h)) * (1 + scale) + shift)


class _Attention(nn.Module):
    """Every place asks all others once (Vaswani et al., 2017)."""

    HEADS = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.ask, self.tell = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, h: Tensor) -> Tensor:
        n, channels, high, wide = h.shape
        places = self.norm(h).flatten(2).transpose(1, 2)  # (n, high wide, channels)
        asked = self.ask(places).reshape(n, high * wide, 3, self.HEADS, channels // self.HEADS).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(*asked)  # (n, HEADS, high wide, channels / HEADS)
        told = self.tell(found.transpose(1, 2).reshape(n, high * wide, channels))
        return h + told.transpose(1, 2).reshape(h.shape)


class MixtureField(Field):
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
        if not isinstance(mixture, GaussianMixture):
            raise checks.fail("mixture", mixture, "a targets.GaussianMixture, such as targets.get(name)")
        self.event_shape = (mixture.dim,)
        self.path = paths.get(path)
        variances, axes = torch.linalg.eigh(mixture.covs)  # Sigma_k = axes_k diag(variances_k) axes_k^T
        for name, value in dict(
            log_weights=mixture.weights.log(), means=mixture.means, variances=variances, axes=axes
        ).items():
            self.register_buffer(name, value)

    def _computes_in(self, x: Tensor) -> Tensor:
        """``x`` as it is, but in no shorter floating type than float32."""
        return x.to(torch.promote_types(x.dtype, torch.float32))

    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        """The posterior mean over components of each one's linear regression."""
        buffers = (self.log_weights, self.means, self.variances, self.axes)
        log_weights, means, variances, axes = (b.to(x) for b in buffers)  # (K,), (K, d), (K, d), (K, d, d)
        t = time.reshape(-1, 1, 1)  # (n or 1, 1, 1)
        noise, data = self.path.noise(t), self.path.data(t)
        d_noise, d_data = self.path.d_noise(t), self.path.d_data(t)
        z = torch.einsum("kij,nki->nkj", axes, x[:, None, :] - data * means)  # (n, K, d), along each component's axes
        s = noise**2 + data**2 * variances  # (n or 1, K, d), eigenvalues of S_k
        posterior = torch.softmax(log_weights - 0.5 * (z.square() / s + s.log()).sum(-1), dim=-1)  # (n, K)
        slope = (d_noise * noise + d_data * data * variances) / s  # Cov(u_t, x_t) S_k^{-1}, per axis
        u = d_data * means + torch.einsum("kij,nkj->nki", axes, slope * z)  # (n, K, d)
        return (posterior[..., None] * u).sum(1)


class Preconditioned(Field):
    """A network for data of mean 0 and standard deviation 1, ``net(tau, y)``, as one for data ``x1 = m + s y1``.

        v(t, x) = m + (s - 1) y + (s / c) net(tau, y),   y = (x - t m) / c,   tau = t s / c,   c = 1 - t + t s

    This is exact: ``x_t = (1 - t) x0 + t x1`` is ``c y_tau + t m``, so that y_tau runs along the linear path of the
    standardised data. What goes into ``network`` and what comes out has about unit variance at every time, whatever
    the data's position and size, while the noise of v stays N(0, I). ``flow`` solves in these coordinates too.

    Args:
        network: v(t, x) with an ``event_shape``.
        mean: m, of the event's shape, or one number.
        std: s > 0, one number.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Any, std: float) -> None:
        super().__init__()
        shape = getattr(network, "event_shape", None)
        if not isinstance(network, nn.Module) or shape is None or not any(True for _ in network.parameters()):
            raise checks.fail("network", network, "a network v(t, x) with parameters and an event_shape")
        self.event_shape = checks.shape("network.event_shape", shape)
        like = next(network.parameters())
        allowed = f"finite numbers of shape {self.event_shape}, or one number, of type {like.dtype}"
        mean = checks.array("mean", mean, allowed)
        kept = mean.detach().to(like)
        if (mean.ndim > 0 and mean.shape != self.event_shape) or not torch.isfinite(kept).all():
            raise checks.fail("mean", mean, allowed)
        std = checks.number("std", std, low=SMALLEST, high=1 / SMALLEST)
        if isinstance(getattr(network, "config", None), dict):
            self.config = dict(kind="preconditioned", network=network.config, mean=mean.tolist(), std=std)
        self.network = network
        self.register_buffer("mean", kept)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).to(like))

    def inward(self, t: Tensor | float, x: Tensor) -> tuple[Tensor, Tensor]:
        """``tau`` and ``y`` where v's time and place are t, a scalar or (n,), and x (n, *event)."""
        x = self._samples("x", x)
        t = paths.time_like(t, x)
        mean, std = self.mean.to(x), self.std.to(x)
        c = 1 - t + t * std
        return (t * std / c).reshape(-1) if t.ndim else t * std / c, (x - t * mean) / c

    def outward(self, t: Tensor | float, y: Tensor) -> Tensor:
        """The place x (n, *event) that is y at v's time t."""
        y = self._samples("y", y)
        t = paths.time_like(t, y)
        return (1 - t + t * self.std.to(y)) * y + t * self.mean.to(y)

    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        """The network's answer in its own coordinates, carried outward."""
        tau, y = self.inward(time, x)
        t = paths.time_like(time, x)
        return self.mean + (self.std - 1) * y + self.std / (1 - t + t * self.std) * self.network(tau, y)


class Conditioned(nn.Module):
    """A field ``v(t, x, c)`` bound to a condition: ``v(t, x)``, for samplers and losses that know of no condition.

    Args:
        v: a callable (t, x, c) -> (n, *event), a network or not.
        c: the condition, handed on as it is, such as one row for each x.
    """

    c: Any

    def __init__(self, v: Callable[[Tensor, Tensor, Any], Tensor], c: Any) -> None:
        super().__init__()
        foreign.velocity("v", v, c)
        self.v = v
        if isinstance(c, Tensor) and not isinstance(c, nn.Parameter):
            self.register_buffer("c", c)  # it moves with the network
        else:
            self.c = c
        for name in ("event_shape", "path"):
            if hasattr(v, name):
                setattr(self, name, getattr(v, name))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, *event) -> (n, *event)."""
        x = checks.tensor("x", x, "real numbers of shape (n, *event)")
        t = checks.tensor("t", t, f"a scalar or a tensor of shape ({len(x) if x.ndim else 'n'},)").to(x)
        return foreign.velocity("v", self.v, self.c)(t, x)


def _build_preconditioned(network: dict[str, Any], mean: Any, std: float) -> nn.Module:
    return Preconditioned(build(network), mean, std)


def build(config: dict[str, Any]) -> nn.Module:
    """The network that ``config`` (a network's ``.config``) describes, with fresh weights."""
    kinds: dict[str, Callable[..., nn.Module]] = {
        "mlp": MLP,
        "residual_mlp": ResidualMLP,
        "unet": UNet,
        "preconditioned": _build_preconditioned,
    }
    if not isinstance(config, dict):
        raise checks.fail("config", config, "a dictionary, as in a network's .config")
    arguments = dict(config)
    kind = checks.choice("config['kind']", arguments.pop("kind", None), kinds)
    try:
        return kinds[kind](**arguments)
    except (TypeError, RecursionError) as error:
        raise checks.fail("config", config, f"the arguments of a network of kind {kind!r} ({error})") from error


@torch.inference_mode(False)
def initialise(network: nn.Module, seed: int) -> None:
    """Fill a network that was laid out on the device "meta" with initial values: torch's own, from ``seed``.

    torch's layers draw from a generator that all threads share; here each network has its own.
    """
    generator = torch.Generator().manual_seed(checks.seed("seed", seed))
    allowed = "a network of linear layers, convolutions, embeddings, layer norms and group norms"
    if not isinstance(network, nn.Module):
        raise checks.fail("network", network, allowed)
    parts = [part for part in network.modules() if next(part.parameters(recurse=False), None) is not None]
    for part in parts:
        if not isinstance(part, nn.Linear | nn.Conv2d | nn.Embedding | nn.LayerNorm | nn.GroupNorm):
            raise checks.fail("network", type(part).__name__, allowed)
    network.to_empty(device="cpu")
    for part in parts:
        if isinstance(part, nn.LayerNorm | nn.GroupNorm):
            part.reset_parameters()
        elif isinstance(part, nn.Embedding):  # as torch's
            nn.init.normal_(part.weight, generator=generator)
        elif isinstance(part, nn.Linear | nn.Conv2d):  # as torch's reset_parameters
            nn.init.kaiming_uniform_(part.weight, a=math.sqrt(5), generator=generator)
            if part.bias is not None:
                bound = 1 / math.sqrt(part.weight[0].numel())
                nn.init.uniform_(part.bias, -bound, bound, generator=generator)
