"""Many networks of one shape as one: their weights in a stack, and one product of matrices where each had its own.

    policies = stacked.stack(network, 8)     # eight that begin as ``network``
    policies(t, x)                           # x (8 n, *event): the first n are the first one's

What does not learn, frozen weights and buffers, is held once for all.
"""

import contextlib
import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from orwlab import checks, velocity


class Stacked(nn.Module):
    """``v(t, x)`` of many networks: x holds as many points in a row for each of them, in their order.

    Not for two threads at once. To average over the copies of a stack is not what it is for: each learns by itself.

    Args:
        network: ``v(t, x)`` with trainable parameters, without random numbers in its answer; a copy is taken.
        runs: how many of it.
    """

    def __init__(self, network: nn.Module, runs: int) -> None:
        super().__init__()
        self.runs = checks.integer("runs", runs)
        if not isinstance(network, nn.Module) or not any(p.requires_grad for p in network.parameters()):
            raise checks.fail("network", network, "a network with trainable parameters")
        self.each = copy.deepcopy(network)
        named = self.each.named_parameters(remove_duplicate=False)
        self.learning = frozenset(name for name, p in named if p.requires_grad)
        self._places: list[tuple[str, nn.Module, str]] = []
        made: dict[nn.Parameter, nn.Parameter] = {}  # a parameter that stands in two places still does
        for where, part in self.each.named_modules():
            for name, p in part._parameters.items():
                if p is not None and p.requires_grad:
                    made.setdefault(p, nn.Parameter(p.detach().expand(self.runs, *p.shape).clone()))
                    part._parameters[name] = made[p]
                    self._places.append((f"{where}.{name}".lstrip("."), part, name))
        for name in ("event_shape", "path", "config"):
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))

    def forward(self, t: Tensor | float, x: Tensor) -> Tensor:
        """``t`` scalar or (runs n,), ``x`` (runs n, *event) -> (runs n, *event)."""
        if len(x) % self.runs:
            raise checks.fail("x", x, f"as many points for each of {self.runs} networks")
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
        each_time = t.ndim > 0 and len(t) == len(x)
        t, x = t.unflatten(0, (self.runs, -1)) if each_time else t, x.unflatten(0, (self.runs, -1))
        weights = {name: part._parameters[own] for name, part, own in self._places}
        with _as_vmap_can(x.device):
            return torch.vmap(self._one, in_dims=(0, 0 if each_time else None, 0))(weights, t, x).flatten(0, 1)

    def _one(self, weights: dict[str, Any], t: Tensor, x: Tensor) -> Tensor:
        return functional_call(self.each, weights, (t, x), tie_weights=False)  # each place where one stands is named


def stack(network: nn.Module, runs: int) -> nn.Module:
    """``runs`` networks that begin as ``network``; of a ``velocity.Preconditioned`` what is inside it, for ``flow``
    solves in its coordinates.

    Raises:
        ValueError: nothing in ``network`` can be trained.
    """
    if type(network) is not velocity.Preconditioned:
        return Stacked(network, runs)
    inner = Stacked(network.network, runs)
    outer = velocity.Preconditioned(inner, network.mean, float(network.std))
    if hasattr(network, "path"):
        outer.path = network.path
    return outer


def rows(network: nn.Module) -> dict[str, nn.Parameter]:
    """The stacked weights of what ``stack`` gave, by the name that each has in a network alone."""
    outside, inner = _parts(network)
    return {outside + name: p for name, p in inner.each.named_parameters() if name in inner.learning}


def alone(network: nn.Module, i: int) -> nn.Module:
    """Network ``i``, from 0, of what ``stack`` gave, as a network of its own: a copy."""
    _, inner = _parts(network)
    i = checks.integer("i", i, low=0, high=inner.runs - 1)
    own = {id(p): nn.Parameter(p.detach()[i].clone(), p.requires_grad) for p in rows(network).values()}
    plain = copy.deepcopy(inner.each, own)  # with these in the place of the stack's
    return plain if inner is network else copy.deepcopy(network, {id(inner): plain})


def state_alone(network: nn.Module, state: dict[str, Tensor], i: int) -> dict[str, Tensor]:
    """Of a ``state_dict()`` of what ``stack`` gave, of now or of another time, what is network ``i``'s."""
    outside, inner = _parts(network)
    found = {}
    for key, value in state.items():
        name = key.removeprefix(f"{outside}each.")
        own = name != key  # else of what stands around the stack
        found[outside + name if own else key] = value[i] if own and name in inner.learning else value
    return found


def _parts(network: Any) -> tuple[str, Stacked]:
    """Where in what ``stack`` gave the stack stands, and the stack."""
    outside = "" if isinstance(network, Stacked) else "network."
    inner = network if isinstance(network, Stacked) else getattr(network, "network", None)
    if not isinstance(inner, Stacked):
        raise checks.fail("network", type(network).__name__, "a stack of networks, as stack(network, runs) gives")
    return outside, inner


def _as_vmap_can(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """On a CPU torch's fused attention knows nothing of stacks, and would take one network after the other."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext()
