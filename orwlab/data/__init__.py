"""Pictures as tensors: digits and photographs that ship inside libraries, files that somebody has, and a small world
of things that words describe, ``captions``.

Nothing is downloaded, unless a library is asked by name that does so. Images are (n, channels, height, width),
float32 in [-1, 1]; labels (n,), whole numbers.
"""

from orwlab.data import captions
from orwlab.data.labelled import Pool, cifar10, digits
from orwlab.data.patches import CREDITS, Patches, photographs, small_photographs
from orwlab.data.pictures import as_bytes, as_images, folder

__all__ = [  # noqa: RUF022  the reading order
    "as_images",
    "as_bytes",
    "folder",
    "digits",
    "cifar10",
    "Pool",
    "CREDITS",
    "photographs",
    "Patches",
    "small_photographs",
    "captions",
]
