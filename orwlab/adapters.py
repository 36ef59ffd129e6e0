"""Low-rank adapters: a few trainable numbers beside frozen weights, and the reference back at the turn of a switch.

    policy = adapters.attach(reference, rank=4)      # begins as the reference, exactly
    with adapters.off(policy):
        policy(t, x)                                 # v_ref(t, x), from the same weights: there is no second copy

This is how large models are fine-tuned. Each weight W of a linear layer or a convolution, as a matrix with a row for
each output, becomes ``W + B A`` with B (outputs, rank), A (rank, inputs); B is 0 at first (Hu et al., "LoRA: Low-Rank
Adaptation of Large Language Models", arXiv 2106.09685). ``FineTuning(..., rank=4)`` does it for a run.
"""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orwlab import checks


class LowRank(nn.Module):
    """What is added to a weight: ``up @ down``, in its shape.

    Args:
        weight: of a layer; its first axis are the outputs.
        rank: of the product, at most; never more than the weight's own could be.
        generator: draws ``down``, as a linear layer's weights are drawn; ``up`` is 0.
    """

    def __init__(self, weight: Tensor, rank: int, *, generator: torch.Generator) -> None:
        super().__init__()
        rank, generator = checks.integer("rank", rank), checks.generator("generator", generator)
        rows, columns = len(weight), weight[0].numel()
        rank = min(rank, rows, columns)
        down = (2 * torch.rand(rank, columns, generator=generator, dtype=torch.float32) - 1) / columns**0.5
        self.down, self.up = nn.Parameter(down.to(weight)), nn.Parameter(weight.new_zeros(rows, rank))
        self.on = True

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer uses."""
        return weight + (self.up @ self.down).reshape(weight.shape) if self.on else weight


class _Linear(nn.Linear):
    adapter: LowRank

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.adapter(self.weight), self.bias)


class _Conv2d(nn.Conv2d):
    adapter: LowRank

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.adapter(self.weight), self.bias)


_WITH: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: _Linear, nn.Conv2d: _Conv2d}
_WITHOUT = {adapted: plain for plain, adapted in _WITH.items()}


def attach(network: nn.Module, rank: int, *, seed: int = 0) -> nn.Module:
    """A copy of ``network`` with its own weights frozen, and a trainable adapter on each linear layer and convolution.

    Args:
        network: any network; what it answers does not change at first.
        rank: of the adapters.
        seed: of their initial values.

    Raises:
        ValueError: no network, or one without such layers, or one that has adapters.
    """
    if not isinstance(network, nn.Module):
        raise checks.fail("network", network, "a torch.nn.Module")
    rank, generator = checks.integer("rank", rank), torch.Generator().manual_seed(checks.seed("seed", seed))
    if _of(network):
        raise checks.fail("network", f"a {type(network).__name__} with adapters", "one without, such as adapters.base")
    adapted = copy.deepcopy(network).requires_grad_(False)
    layers: list[Any] = [part for part in adapted.modules() if type(part) in _WITH]
    if not layers:
        raise checks.fail("network", type(network).__name__, "a network with linear layers or convolutions")
    for layer in layers:
        layer.adapter = LowRank(layer.weight.detach(), rank, generator=generator)
        layer.__class__ = _WITH[type(layer)]  # whatever else refers to the layer still does
    return adapted


def off(network: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Within the block the network answers as it did before adapters were attached; afterwards as before the block.

    Not for two threads at once on one network.

    Raises:
        ValueError: a network without adapters.
    """
    return _off(_adapters(network))


@contextlib.contextmanager
def _off(found: list[LowRank]) -> Iterator[None]:
    before = [adapter.on for adapter in found]
    for adapter in found:
        adapter.on = False
    try:
        yield
    finally:
        for adapter, on in zip(found, before):
            adapter.on = on


class Off(nn.Module):
    """A network with its adapters off, as a network: ``v_ref`` of a policy that has adapters. It owns no parameters.

    Args:
        network: what ``attach`` gave; it is not copied, and what becomes of its own weights becomes of this one's.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        _adapters(network)
        self._network = [network]  # in a list: not a part, so that freezing or moving this one does nothing to it
        for name in ("event_shape", "path", "solver", "config"):
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))

    def forward(self, *arguments: Any) -> Any:
        """What the network answers with its adapters off."""
        with off(self._network[0]):
            return self._network[0](*arguments)


def base(network: nn.Module) -> nn.Module:
    """A plain copy without adapters: the network that they were attached to, frozen."""
    return _plain(network, merged=False)


def merged(network: nn.Module) -> nn.Module:
    """A plain copy that answers as the network does, with ``W + B A`` as its weights: nothing slower than before."""
    return _plain(network, merged=True)


def _plain(network: nn.Module, merged: bool) -> nn.Module:
    _adapters(network)
    plain = copy.deepcopy(network)
    layers: list[Any] = [part for part in plain.modules() if type(part) in _WITHOUT]
    with torch.no_grad():
        for layer in layers:
            if merged:
                layer.weight.copy_(layer.adapter(layer.weight))
            del layer.adapter
            layer.__class__ = _WITHOUT[type(layer)]
    return plain.requires_grad_(False)


def _of(network: nn.Module) -> list[LowRank]:
    return [part for part in network.modules() if isinstance(part, LowRank)]


def _adapters(network: Any) -> list[LowRank]:
    found = _of(network) if isinstance(network, nn.Module) else []
    if not found:
        said = type(network).__name__ if isinstance(network, nn.Module) else network
        raise checks.fail("network", said, "a network with adapters, as adapters.attach gives")
    return found
