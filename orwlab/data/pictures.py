"""Picture files and the numbers in them: 0 .. 255 in a file, -1 .. 1 for a flow."""

import math
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_GREY = ("1", "L", "LA", "La", "F", "I", "I;16", "I;16B", "I;16L")  # PIL's modes
KINDS = {1: "grey", 3: "colour"}
MOST_PIXELS = 100_000_000
"""of one picture: no photograph has more, and a small file may claim to"""


def as_images(levels: Any) -> Tensor:
    """Levels 0 .. 255 as float32 in [-1, 1], in the same shape."""
    allowed = "levels 0 .. 255 of pictures (numbers from 0 to 1 are multiplied by 255 first)"
    found = checks.array("levels", levels, allowed)
    if found.numel() == 0 or found.min() < 0 or found.max() > 255:
        raise checks.fail("levels", levels, allowed)
    return found.float() / 127.5 - 1


def as_bytes(x: Any, channels: int | None = None) -> np.ndarray:
    """Images (n, channels, h, w), about -1 .. 1, as levels 0 .. 255, uint8 (n, h, w, channels): what is seen or saved.

    What lies outside is clipped, as every screen would.

    Raises:
        ValueError: ``x`` are no images, or their number of ``channels`` is not the one that is due.
    """
    channels = None if channels is None else _channels(channels)
    due = "1 or 3 channels" if channels is None else f"{channels} channel{'s' * (channels != 1)} ({KINDS[channels]})"
    allowed = f"finite images of shape (n, channels, height, width) with {due}"
    images = checks.array("x", x, allowed)
    if images.ndim != 4 or 0 in images.shape[2:] or images.shape[1] not in ([1, 3] if channels is None else [channels]):
        raise checks.fail("x", images, allowed)
    levels = ((images.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().numpy()


def picture(path: str | PathLike[str], channels: int = 3) -> np.ndarray:
    """One picture file as levels 0 .. 255, uint8 (height, width, channels).

    A colour picture is made grey where ``channels`` is 1; a grey one is not passed off as colour.

    Raises:
        ValueError: no such file, one that is no whole picture, or a grey one where colour is due.
    """
    from PIL import Image, ImageOps

    channels, name = _channels(channels), str(path)
    try:
        there = Path(path).is_file()
    except (TypeError, ValueError, OSError):
        there = False
    if not there:
        raise checks.fail("picture", path, "a picture file that is there")
    try:
        with Image.open(path) as opened:
            size, mode = opened.size, opened.mode
            levels = _upright(ImageOps.exif_transpose(opened), channels) if math.prod(size) <= MOST_PIXELS else None
    except Exception as error:  # what damaged pictures raise is not written down anywhere
        allowed = f"a whole picture file, such as PNG or JPEG ({type(error).__name__}: {error})"
        raise checks.fail("picture", name, allowed) from error
    if levels is None:
        raise checks.fail("picture", name, f"at most {MOST_PIXELS:,} pixels; it says {size[0]} x {size[1]}")
    if channels == 3 and mode in _GREY:
        raise checks.fail("picture", name, "a colour picture (this one is grey), or channels=1")
    if mode.startswith("I") or mode == "F":
        raise checks.fail("picture", name, "8 bits a channel (this one has more)")
    return levels


def _upright(image: Any, channels: int) -> np.ndarray:
    """Levels of what PIL has read; what is clear lies on white paper."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "La", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    levels = np.array(image.convert("L" if channels == 1 else "RGB"))
    return levels.reshape(*levels.shape[:2], channels)


def folder(path: str | PathLike[str], channels: int = 3) -> list[np.ndarray]:
    """All pictures in a folder, in the order of their names: levels 0 .. 255, each uint8 (height, width, channels).

    Args:
        path: the folder; folders inside it are not looked at.
        channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: no such folder, no picture in it, or one of them is no whole picture or grey where colour is due.
    """
    return [levels for _, levels in pictures_in("folder", path, channels)]


def pictures_in(name: str, path: Any, channels: int) -> Iterator[tuple[str, np.ndarray]]:
    """See ``folder``: each file's name and its levels, one after the other. ``name`` is what errors call the folder."""
    channels, place = _channels(channels), checks.folder(name, path)
    files = sorted(file for file in place.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    if not files:
        raise checks.fail(name, str(path), f"a folder with pictures in it ({', '.join(ENDINGS)}); there are none")
    for file in files:
        yield file.name, picture(file, channels)


def _channels(channels: Any) -> int:
    channels = checks.integer("channels", channels)
    if channels not in KINDS:
        raise checks.fail("channels", channels, "1 (grey) or 3 (colour)")
    return channels
