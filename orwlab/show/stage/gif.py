"""Pictures in few colours, one after the other as a GIF. Dots and lines are few pixels and keep their colours."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

COLOURS = 128
STRONG = 60  # by how much the channels of a strong colour differ


def indexed(image: Image.Image, palette: np.ndarray) -> Image.Image:
    """``image`` in the colours of ``palette`` (k, 3), the nearest for each pixel; Pillow looks for it only roughly."""
    colours, which = np.unique(np.asarray(image).reshape(-1, 3), axis=0, return_inverse=True)
    nearest = cKDTree(palette).query(colours)[1].astype(np.uint8)
    return _with(palette, nearest[which].reshape(image.height, image.width))


def animated(pictures: Sequence[Image.Image], pace: int, last: int, comment: str = "") -> bytes:
    """A GIF that goes round for ever.

    Args:
        pictures: of one size, RGB.
        pace: milliseconds that a picture is seen.
        last: the same of the last one.
        comment: a text in the file.
    """
    palette = _palette(pictures)
    table = _table(palette)
    first, *others = (_by_table(picture, palette, table) for picture in pictures)
    times = [pace] * (len(pictures) - 1) + [last]
    file = io.BytesIO()
    first.save(file, "gif", save_all=True, append_images=others, duration=times, loop=0, optimize=True, comment=comment)
    return file.getvalue()


def _table(palette: np.ndarray) -> np.ndarray:
    """The nearest colour of ``palette`` for every colour in steps of 4, (64^3,): looked up once for many pictures."""
    steps = 4 * np.arange(64) + 2
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    return cKDTree(palette).query(colours)[1].astype(np.uint8)


def _by_table(image: Image.Image, palette: np.ndarray, table: np.ndarray) -> Image.Image:
    red, green, blue = np.moveaxis(np.asarray(image).astype(np.int32) >> 2, -1, 0)
    return _with(palette, table[(red << 12) | (green << 6) | blue])


def _with(palette: np.ndarray, indices: np.ndarray) -> Image.Image:
    small = Image.fromarray(indices, mode="P")
    small.putpalette(palette.astype(np.uint8).tobytes())
    return small


def _palette(pictures: Sequence[Image.Image]) -> np.ndarray:
    """Colours for all of them, (COLOURS, 3). Strong ones count like pale ones, though only dots and lines have them."""
    pixels = np.concatenate([np.asarray(picture).reshape(-1, 3) for picture in pictures[:: len(pictures) // 4 or 1]])
    strong = pixels[np.ptp(pixels.astype(int), axis=1) > STRONG]
    pale = pixels[:: max(1, len(pixels) // max(1, len(strong)))]
    both = np.concatenate([strong, pale])
    image = Image.fromarray(both.reshape(1, -1, 3)).quantize(COLOURS, dither=Image.Dither.NONE)
    return np.array(image.getpalette() or []).reshape(-1, 3)[:COLOURS]
