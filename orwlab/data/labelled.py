"""Labelled images, each from several sources: what ships with a library, files that one has, libraries that fetch."""

import importlib
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks
from orwlab.data import formats
from orwlab.data.pictures import as_images

SPLITS = ("train", "test", "all")
Source = str | PathLike[str]
Raw = tuple[np.ndarray, np.ndarray]  # images (n, h, w) or (n, 3, h, w), levels 0 .. 255, and labels

MOST_CLASSES = 10_000
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""CIFAR-10's classes, in the order of their labels"""

_MNIST = {"train": "train", "test": "t10k"}
_CIFAR = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}
_HUB = {"mnist": ("ylecun/mnist", "image"), "cifar10": ("uoft-cs/cifar10", "img")}


def digits(split: str = "all", source: Source = "scikit-learn") -> tuple[Tensor, Tensor]:
    """Handwritten digits: images (n, 1, s, s) in [-1, 1] and labels (n,) 0 .. 9.

    Args:
        split: "train", "test" or "all". Scikit-learn's are cut into two halves, always the same; MNIST as its makers
            did.
        source: "scikit-learn", 1,797 images of 8 x 8 pixels that ship inside it; or MNIST, 70,000 of 28 x 28: a folder
            that holds its four files, plain or ``.gz``; "torchvision" or "datasets", which fetch it if they are
            installed.

    Raises:
        ValueError: there is no such split or source, a file is missing or damaged, a library is not installed.
    """
    checks.choice("split", split, SPLITS)
    if isinstance(source, str) and source == "scikit-learn":
        return _scikit_learn(split)
    of = {"torchvision": lambda part: _torchvision("MNIST", part), "datasets": lambda part: _datasets("mnist", part)}
    return _parts(
        split, source, of, _mnist, '"scikit-learn", "torchvision", "datasets", or a folder with MNIST\'s files'
    )


def cifar10(split: str = "all", source: Source = "torchvision") -> tuple[Tensor, Tensor]:
    """CIFAR-10: small colour photographs (n, 3, 32, 32) in [-1, 1] and labels (n,) 0 .. 9.

    Args:
        split: "train" (50,000), "test" (10,000) or "all".
        source: a folder that holds its files, the binary or the Python version; or "torchvision" or "datasets", which
            fetch it if they are installed.

    Raises:
        ValueError: as ``digits``.
    """
    checks.choice("split", split, SPLITS)
    of = {
        "torchvision": lambda part: _torchvision("CIFAR10", part),
        "datasets": lambda part: _datasets("cifar10", part),
    }
    return _parts(split, source, of, _cifar10, '"torchvision", "datasets", or a folder with CIFAR-10\'s files')


class Pool:
    """A fixed set of labelled images, from which one draws with replacement.

    Args:
        images: (n, channels, h, w).
        labels: (n,), whole numbers from 0.
        names: of the classes, in the order of their labels; the numbers themselves if None.

    Raises:
        ValueError: no images, or labels that do not belong to them.
    """

    def __init__(self, images: Tensor, labels: Tensor, names: Sequence[str] | None = None) -> None:
        self.images = checks.points("images", images)
        if names is not None:
            names = _names(names)
        classes = MOST_CLASSES if names is None else len(names)
        self.labels = checks.labels("labels", labels, len(self.images), classes, "image")
        self.names = tuple(map(str, range(int(self.labels.max()) + 1))) if names is None else names
        self.event_shape = tuple(self.images.shape[1:])

    def draw(self, n: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """``n`` images (n, channels, h, w) and their labels (n,)."""
        n, generator = checks.integer("n", n), checks.generator("generator", generator)
        rows = torch.randint(len(self.images), (n,), generator=generator)
        return self.images[rows], self.labels[rows]

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """``n`` images, (n, channels, h, w)."""
        return self.draw(n, generator=generator)[0]


def _names(names: Any) -> tuple[str, ...]:
    if isinstance(names, str | bytes) or not isinstance(names, Sequence) or not all(isinstance(k, str) for k in names):
        raise checks.fail("names", names, "a text for each class, or None")
    return tuple(names)


def _parts(
    split: str, source: Any, of: dict[str, Callable[[str], Raw]], files: Callable[[Path, str], Raw], allowed: str
) -> tuple[Tensor, Tensor]:
    """The wanted parts from a library of ``of`` or from ``files`` in a folder, one after the other."""
    if isinstance(source, str) and source in of:
        read = of[source]
    else:
        place = checks.folder("source", source, f"{allowed} (there is no such folder)")
        read = lambda part: files(place, part)  # noqa: E731
    found = [read(part) for part in (("train", "test") if split == "all" else (split,))]
    images = as_images(np.concatenate([image for image, _ in found]))
    labels = torch.from_numpy(np.concatenate([label for _, label in found]).astype(np.int64))
    return images[:, None] if images.ndim == 3 else images, labels


def _scikit_learn(split: str) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits  # imported here because it takes a second

    raw = load_digits()
    images = torch.from_numpy(raw.images).float()[:, None] / 8 - 1  # pixels are 0 .. 16
    labels = torch.from_numpy(raw.target).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    cut = -(-len(images) // 2)
    rows = {"train": order[:cut], "test": order[cut:], "all": torch.arange(len(images))}[split]
    return images[rows], labels[rows]


def _mnist(place: Path, part: str) -> Raw:
    images = formats.idx(_file(place, f"{_MNIST[part]}-images-idx3-ubyte", f"{_MNIST[part]}-images.idx3-ubyte"))
    labels = formats.idx(_file(place, f"{_MNIST[part]}-labels-idx1-ubyte", f"{_MNIST[part]}-labels.idx1-ubyte"))
    if len(labels) and labels.max() > 9:
        raise checks.fail("source", str(place), f"labels 0 .. 9; they go to {labels.max()}")
    if images.ndim != 3 or labels.shape != images.shape[:1] or not len(labels):
        allowed = "a folder whose images (n, h, w) and labels (n,) 0 .. 9 belong together"
        raise checks.fail("source", str(place), f"{allowed}; they are {images.shape} and {labels.shape}")
    return images, labels


def _cifar10(place: Path, part: str) -> Raw:
    for folder in _cifar10_folders(place):
        for ending, read in ((".bin", formats.cifar_binary), ("", formats.cifar_pickle)):
            files = [folder / f"{name}{ending}" for name in _CIFAR[part]]
            if any(file.is_file() for file in files):
                missing = [file.name for file in files if not file.is_file()]
                if missing:
                    raise checks.fail("source", str(place), f"a folder with all of CIFAR-10's files; no {missing[0]}")
                found = [read(file) for file in files]
                return np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found])
    raise checks.fail("source", str(place), f"a folder that holds {_CIFAR[part][0]}.bin or {_CIFAR[part][0]}")


def _cifar10_folders(place: Path) -> list[Path]:
    return [place, *(place / name for name in ("cifar-10-batches-bin", "cifar-10-batches-py"))]


def holds_cifar10(place: Source) -> bool:
    """Whether a folder has at least one of CIFAR-10's files."""
    names = [f"{name}{ending}" for part in _CIFAR.values() for name in part for ending in ("", ".bin")]
    return any((folder / name).is_file() for folder in _cifar10_folders(Path(place).expanduser()) for name in names)


def _file(place: Path, *names: str) -> Path:
    """The first of the files that is there, plain or compressed, also in the folder that torchvision makes."""
    for folder in (place, place / "raw", place / "MNIST" / "raw"):
        for name in names:
            for file in (folder / name, folder / f"{name}.gz"):
                if file.is_file():
                    return file
    raise checks.fail("source", str(place), f"a folder that holds {names[0]} or {names[0]}.gz")


def _library(name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:  # the latter where it does not fit the installed torch
        allowed = f"a folder with the files of {what}, or install it first: pip install {name.split('.')[0]} ({error})"
        raise checks.fail("source", name.split(".")[0], allowed) from error


def _torchvision(name: str, part: str) -> Raw:
    sets = _library("torchvision.datasets", name)
    try:
        found = getattr(sets, name)(str(Path.home() / ".cache" / "orwlab"), train=part == "train", download=True)
    except (OSError, RuntimeError) as error:
        raise checks.fail("source", "torchvision", f"a library that can fetch {name} ({error})") from error
    images = np.asarray(found.data)  # CIFAR's are (n, 32, 32, 3)
    return images.transpose(0, 3, 1, 2) if images.ndim == 4 else images, np.asarray(found.targets)


def _datasets(name: str, part: str) -> Raw:
    library, (address, column) = _library("datasets", name), _HUB[name]
    try:
        rows = library.load_dataset(address, split=part)
    except Exception as error:  # its errors have no common class
        allowed = f"a library that can fetch {address} ({type(error).__name__}: {error})"
        raise checks.fail("source", "datasets", allowed) from error
    images = np.stack([np.asarray(image) for image in rows[column]])
    return images.transpose(0, 3, 1, 2) if images.ndim == 4 else images, np.asarray(rows["label"])
