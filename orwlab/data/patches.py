"""Patches of photographs: a law of small colour images, from which one draws as from any other target."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks
from orwlab.data.labelled import CIFAR10, SPLITS, Pool, cifar10, holds_cifar10
from orwlab.data.pictures import as_images, pictures_in

CREDITS = {
    "china": "A temple. © danielbuechele, CC BY 2.0. Ships with scikit-learn.",
    "flower": "A flower. © vultilion, CC BY 2.0. Ships with scikit-learn.",
    "astronaut": "Eileen Collins. NASA, public domain. Ships with scikit-image.",
    "chelsea": "A cat. Stefan van der Walt, CC0. Ships with scikit-image.",
    "coffee": "A cup of coffee. Rachel Michetti, CC0. Ships with scikit-image.",
    "rocket": "A Falcon 9 takes off. SpaceX, public domain. Ships with scikit-image.",
}
"""name -> what is on each photograph, whose it is, its licence as its library states it, and where it comes from"""


@lru_cache(maxsize=1)
def photographs() -> dict[str, np.ndarray]:
    """The colour photographs that ship with scikit-learn and scikit-image: uint8 (height, width, 3); see ``CREDITS``.

    Raises:
        ValueError: scikit-image is not installed.
    """
    from sklearn.datasets import load_sample_image

    try:
        from skimage import data as shipped
    except ImportError as error:
        allowed = 'a folder of your own, or install it first: pip install "orwlab[images]"'
        raise checks.fail("source", "scikit-image", f"{allowed} ({error})") from error
    found = {}
    for name in CREDITS:
        levels = load_sample_image(f"{name}.jpg") if name in ("china", "flower") else getattr(shipped, name)()
        found[name] = np.array(levels[..., :3])
        found[name].flags.writeable = False  # they are shared
    return found


class Patches:
    """Square patches of photographs made smaller: which photograph, where in it and which way round, by chance.

    Args:
        source: None: ``photographs()``. A folder: its pictures. Or the pictures themselves, uint8 (height, width, 3).
        size: pixels of a patch's side.
        shrink: each photograph is made smaller by this factor first, so that a patch shows more of it.

    Raises:
        ValueError: as ``photographs`` and ``folder``; a picture that is too small for a patch.
    """

    def __init__(
        self,
        source: str | PathLike[str] | Sequence[np.ndarray] | None = None,
        size: int = 32,
        shrink: float = 5.0,
    ) -> None:
        from PIL import Image

        self.size, self.shrink = checks.integer("size", size), checks.number("shrink", shrink, low=1.0)
        pictures: Iterable[tuple[str, np.ndarray]]
        if source is None:
            pictures = photographs().items()
        elif isinstance(source, str | PathLike):
            pictures = pictures_in("source", source, 3)
        else:
            pictures = ((f"number {k}", _colour(levels)) for k, levels in enumerate(_listed(source)))
        self.event_shape = (3, self.size, self.size)
        names, self._pictures = [], []
        for name, levels in pictures:  # one after the other: a folder may hold more than fits into memory
            height, width = (round(side / self.shrink) for side in levels.shape[:2])
            if min(height, width) < self.size:
                shape = f"{levels.shape[1]} x {levels.shape[0]}"
                allowed = f"pictures of at least {round(self.size * self.shrink)} pixels a side (or a smaller shrink)"
                raise checks.fail("source", f"picture {name}, {shape} pixels", allowed)
            small = Image.fromarray(levels).resize((width, height), Image.Resampling.LANCZOS)
            names.append(name)
            self._pictures.append(as_images(np.array(small)).permute(2, 0, 1).contiguous())  # (3, height, width)
        self.names = tuple(names)
        areas = torch.tensor([(p.shape[1] - size + 1) * (p.shape[2] - size + 1) for p in self._pictures])
        self._weights = areas.double().sqrt()  # large photographs count for more, but do not drown the others

    def draw(self, n: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """``n`` patches (n, 3, size, size) and the photograph that each is of (n,), by its place in ``names``."""
        n, generator = checks.integer("n", n), checks.generator("generator", generator)
        which = torch.multinomial(self._weights, n, replacement=True, generator=generator)
        place = torch.rand(n, 3, generator=generator, dtype=torch.float64)
        patches = []
        for k, (down, across, flip) in zip(which.tolist(), place.tolist()):
            whole = self._pictures[k]
            top, left = int(down * (whole.shape[1] - self.size + 1)), int(across * (whole.shape[2] - self.size + 1))
            patch = whole[:, top : top + self.size, left : left + self.size]
            patches.append(patch.flip(2) if flip < 0.5 else patch)
        return torch.stack(patches), which

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """``n`` patches, (n, 3, size, size) in [-1, 1]."""
        return self.draw(n, generator=generator)[0]


def small_photographs(source: Any = None, split: str = "train") -> Patches | Pool:
    """What a flow of small colour pictures learns from, 32 x 32.

    Args:
        source: None: patches of the photographs that ship with libraries. A folder: patches of its pictures, or
            CIFAR-10 if it holds that. "torchvision" or "datasets": CIFAR-10, which they fetch if they are installed.
        split: of CIFAR-10; patches have none.

    Raises:
        ValueError: as ``cifar10`` and ``Patches``.
    """
    checks.choice("split", split, SPLITS)
    if isinstance(source, str | PathLike):
        fetched = source in ("torchvision", "datasets")
        if fetched or holds_cifar10(checks.folder("source", source)):
            return Pool(*cifar10(split, source), CIFAR10)
    return Patches(source)


def _listed(source: Any) -> list[Any]:
    if not isinstance(source, Sequence | np.ndarray) or not len(source):
        raise checks.fail("source", source, "None, a folder, or at least one picture, uint8 (height, width, 3)")
    return list(source)


def _colour(levels: Any) -> np.ndarray:
    if not isinstance(levels, np.ndarray) or levels.ndim != 3 or levels.shape[2] != 3 or levels.dtype != np.uint8:
        raise checks.fail("source", levels, "pictures as arrays of uint8, (height, width, 3): red, green, blue")
    return levels
