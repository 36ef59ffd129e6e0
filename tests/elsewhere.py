"""A device that is not there: it computes on the CPU, and refuses what a graphics card would refuse.

    with Elsewhere():
        network.to("elsewhere")

A tensor there knows its values, so that code runs as it would on a card, with the CPU's numbers; but an operation on
tensors of both places is an error, as are ``numpy()`` and random numbers from a generator of the CPU. What a card has
and this device has not, such as generators of its own, has to be tested on a card. torch's interface for devices
written in Python, with which it is made, cannot be taken back: use it in a process of its own.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

NAME = "elsewhere"
# copies from one place to the other; and torch takes indices of the CPU everywhere
BETWEEN = {"_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_"}


class There(Tensor):
    """A tensor on the device: around one of the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "There":
        found = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip
        found.inner = inner
        return found

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    # which torch does not offer to a device of Python's
    def tolist(self):
        return self.inner.tolist()

    def new_tensor(self, data, dtype=None, device=None, requires_grad=False):
        return torch.tensor(data, dtype=dtype or self.dtype).to(device or self.device).requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"There({self.inner})"


def _run(func, args, kwargs):
    """The operation on what is inside, if all is in one place: numbers without dimensions may come from the CPU."""
    name, leaves = func.overloadpacket.__name__, tree_leaves((args, kwargs))
    there = any(isinstance(x, There) for x in leaves)
    here = [x for x in leaves if isinstance(x, Tensor) and not isinstance(x, There) and x.ndim > 0]
    if there and here and name not in BETWEEN:
        shapes = [tuple(x.shape) for x in here]
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but {shapes} are on the CPU")
    inside = tree_map(lambda x: x.inner if isinstance(x, There) else x, (args, dict(kwargs)))
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == NAME
        if there and isinstance(kwargs.get("generator"), torch.Generator):
            raise RuntimeError(f"{func}: expected a generator of the device {NAME!r}, but found one of the CPU")
        inside[1]["device"] = torch.device("cpu")
    elif there and isinstance(kwargs.get("generator"), torch.Generator):
        raise RuntimeError(f"{func}: expected a generator of the device {NAME!r}, but found one of the CPU")
    found = func(*inside[0], **inside[1])
    if there and not _Operations.double and any(getattr(x, "dtype", None) == torch.float64 for x in tree_leaves(found)):
        raise TypeError(f"{func}: cannot make a tensor of float64 on a device without double precision")
    if not there or name == "_local_scalar_dense":
        return found
    found = tree_map(lambda x: There(x) if isinstance(x, Tensor) else x, found)
    return return_and_correct_aliasing(func, args, kwargs, found)


class _Operations(TorchDispatchMode):
    """For those that make tensors from nothing, such as ``torch.zeros(2, device="elsewhere")``."""

    double = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Numbers(TorchFunctionMode):
    """``torch.tensor`` and ``as_tensor`` of Python's numbers, which torch takes there by a way of its own."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = torch.device(kwargs.pop("device"))
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


@contextlib.contextmanager
def Elsewhere(*, double: bool = True) -> Iterator[None]:
    """Within the block there is a device "elsewhere", with or without double precision (Apple's have none)."""
    _Operations.double = double
    with _Operations(), _Numbers():
        yield


torch.utils.backend_registration._setup_privateuseone_for_python_backend(NAME)
