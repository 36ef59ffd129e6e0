"""The files in which MNIST and CIFAR-10 are handed out, read whole and checked; nothing in them is executed."""

import gzip
import io
import math
import pickle
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from orwlab import checks

CIFAR_SHAPE = (3, 32, 32)
_CIFAR_ROW = 1 + math.prod(CIFAR_SHAPE)  # a label and its image


def idx(path: str | PathLike[str]) -> np.ndarray:
    """An IDX file of bytes, as MNIST has it, plain or ``.gz``: uint8 of the shape that it says.

    Two zeros, the type (8: bytes), the number of dimensions; each dimension as four bytes, the largest first; the data.

    Raises:
        ValueError: it cannot be read, or is no such file, or not a whole one.
    """
    data, allowed = _bytes(path), "a whole IDX file of bytes"
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise checks.fail("file", str(path), allowed)
    dimensions = data[3]
    shape = tuple(int.from_bytes(data[4 + 4 * k : 8 + 4 * k], "big") for k in range(dimensions))
    start = 4 + 4 * dimensions
    if len(data) - start != math.prod(shape):
        raise checks.fail("file", str(path), f"{allowed}: it says {shape} and holds {len(data) - start:,} bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def cifar_binary(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary version, such as ``data_batch_1.bin``: images (n, 3, 32, 32) uint8 and labels (n,).

    Raises:
        ValueError: it cannot be read, or is no such file, or not a whole one.
    """
    data = _bytes(path)
    if not data or len(data) % _CIFAR_ROW:
        allowed = f"whole rows of {_CIFAR_ROW:,} bytes, a label and its image; it has {len(data):,} bytes"
        raise checks.fail("file", str(path), allowed)
    rows = np.frombuffer(data, np.uint8).reshape(-1, _CIFAR_ROW)
    return _labelled(path, rows[:, 1:], rows[:, 0])


def cifar_pickle(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's Python version, such as ``data_batch_1``: images (n, 3, 32, 32) uint8 and labels (n,).

    A pickle may run anything when it is read. This reader makes numbers of bytes itself, and calls nothing by name.

    Raises:
        ValueError: it cannot be read, or holds anything else than CIFAR-10 has.
    """
    try:
        found = _OnlyArrays(io.BytesIO(_bytes(path)), encoding="bytes").load()
        images, labels = (_numbers(found[key]) for key in (b"data", b"labels"))
    except ValueError:
        raise
    except Exception as error:  # what damaged pickles raise is not written down anywhere
        raise checks.fail("file", str(path), f"CIFAR-10's Python version ({type(error).__name__}: {error})") from error
    return _labelled(path, images, labels)


class _Type:
    """Stands for numpy's dtype: whole numbers of one to eight bytes."""

    def __init__(self, name: Any = "", *how: Any) -> None:
        self.name = name.decode() if isinstance(name, bytes) else str(name)

    def __setstate__(self, state: Any) -> None:
        self.order = state[1].decode() if isinstance(state[1], bytes) else state[1]


class _Array:
    """Stands for numpy's array while a pickle is read."""

    def __init__(self, *how: Any) -> None:
        self.numbers = np.zeros(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        if not isinstance(kind, _Type) or kind.name not in _WHOLE or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("it holds an array that is not of whole numbers")
        order = kind.order if kind.order in ("<", ">") else ""
        self.numbers = np.frombuffer(raw, order + kind.name).reshape(shape, order="F" if by_columns else "C")


_WHOLE = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


class _OnlyArrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the few names that an array of numbers needs."""
        if module.split(".")[0] == "numpy" and name in ("ndarray", "dtype"):
            return _Array if name == "ndarray" else _Type
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Array
        if (module, name) == ("_codecs", "encode"):
            return _encoded
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _encoded(text: Any, encoding: Any) -> bytes:
    """How a pickle of Python 3 writes bytes in an old protocol."""
    if encoding not in ("latin1", b"latin1") or not isinstance(text, str):
        raise pickle.UnpicklingError("it encodes what is no text of bytes")
    return text.encode("latin1")


def _numbers(found: Any) -> np.ndarray:
    if isinstance(found, _Array):
        return found.numbers
    if isinstance(found, list) and all(type(one) is int for one in found):
        return np.array(found, dtype=np.int64)
    raise pickle.UnpicklingError("it holds neither an array nor a list of whole numbers")


def _labelled(path: str | PathLike[str], images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    whole = images.ndim == 2 and images.dtype == np.uint8 and images.shape == (len(labels), _CIFAR_ROW - 1)
    if not whole or labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise checks.fail("file", str(path), "CIFAR-10's images, each 3,072 bytes, and a label for each")
    if labels.min() < 0 or labels.max() > 9:
        raise checks.fail("file", str(path), f"labels 0 .. 9; they go from {labels.min()} to {labels.max()}")
    return images.reshape(-1, *CIFAR_SHAPE), labels.astype(np.int64)


def _bytes(path: str | PathLike[str]) -> bytes:
    file = Path(path)
    try:
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise checks.fail("file", str(path), f"a whole file that can be read ({error})") from error
