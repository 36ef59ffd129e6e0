"""Frames: the binary messages that the stage draws, the same for every host (Gradio, notebooks, replays).

A frame is a small container of named arrays with a JSON header::

    bytes 0-3   "ORW1"
    bytes 4-7   length of the header, little-endian uint32
    header      JSON, padded with spaces to a multiple of 4:
                {"meta": {...}, "arrays": [{"name", "type", "shape", "low", "high"}, ...]}
    payload     the arrays, little-endian, in the header's order, each padded to a multiple of 4 bytes

and travels as base64 text. Positions and grids are quantised to 16 bits between two limits: a tenth of the size of
JSON numbers and five times faster in the browser. ``stage/decode.js`` is the other side of this file.
"""

import base64
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC = b"ORW1"
LEVELS = 65535  # steps of a quantised array between its limits


@dataclass(frozen=True)
class Quantised:
    """An array to be sent in 16 bits: values outside ``[low, high]`` are clipped, inside the error is at most
    ``(high - low) / (2 * LEVELS)``.
    """

    values: np.ndarray
    low: float
    high: float


def encode(meta: Mapping[str, Any], arrays: Mapping[str, "np.ndarray | Quantised"]) -> str:
    """One frame as base64 text.

    Args:
        meta: anything JSON can hold.
        arrays: name -> ``Quantised`` (sent as uint16), uint8 array, or numbers (sent as float32).

    Raises:
        ValueError: an array holds NaN or infinity (a browser must never have to draw one), or the limits of a
            quantised array are not ``low < high``.
    """
    described, payload = [], []
    for name, array in arrays.items():
        entry, data = _encode_array(name, array)
        described.append(entry)
        payload.append(data + b"\0" * (-len(data) % 4))
    return _packed(meta, described, payload)


def amended(text: str, change: Callable[[dict[str, Any]], None], without: Container[str] = ()) -> str:
    """A frame, or a scene, with another ``meta`` and fewer arrays; the others' bytes stay as they are.

    Args:
        text: what ``encode`` made.
        change: told the meta, which it may change in place.
        without: names of arrays that are left out.
    """
    data = base64.b64decode(text)
    start = 8 + int.from_bytes(data[4:8], "little")
    header = json.loads(data[8:start])
    change(header["meta"])
    kept, payload = [], []
    for entry in header["arrays"]:
        size = int(np.prod(entry["shape"], dtype=np.int64)) * {"uint16": 2, "uint8": 1, "float32": 4}[entry["type"]]
        size += -size % 4
        if entry["name"] not in without:
            kept.append(entry)
            payload.append(data[start : start + size])
        start += size
    return _packed(header["meta"], kept, payload)


def _packed(meta: Mapping[str, Any], described: list[dict[str, Any]], payload: list[bytes]) -> str:
    header = json.dumps({"meta": dict(meta), "arrays": described}, allow_nan=False).encode()
    header += b" " * (-len(header) % 4)
    frame = MAGIC + len(header).to_bytes(4, "little") + header + b"".join(payload)
    return base64.b64encode(frame).decode("ascii")


def _encode_array(name: str, array: "np.ndarray | Quantised") -> tuple[dict[str, Any], bytes]:
    values = np.asarray(array.values if isinstance(array, Quantised) else array)
    if not np.isfinite(values).all():
        raise ValueError(f"array {name!r} holds NaN or infinite values; allowed: finite values")
    entry: dict[str, Any] = {"name": name, "shape": list(values.shape)}
    if isinstance(array, Quantised):
        low, high = float(array.low), float(array.high)
        if not low < high or not np.isfinite(high - low):
            raise ValueError(f"limits of {name!r} are {low}, {high}; allowed: finite, low < high")
        steps = np.rint((values.astype(np.float64).clip(low, high) - low) * (LEVELS / (high - low)))
        return {**entry, "type": "uint16", "low": low, "high": high}, steps.astype("<u2").tobytes()
    if values.dtype == np.uint8:
        return {**entry, "type": "uint8"}, values.tobytes()
    return {**entry, "type": "float32"}, values.astype("<f4").tobytes()


def decode(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """``(meta, arrays)`` of a frame made by ``encode``; quantised arrays come back as float32.

    Raises:
        ValueError: the text is not a whole frame.
    """
    data = base64.b64decode(text, validate=True)
    if data[:4] != MAGIC or len(data) < 8:
        raise ValueError(f"not a frame: it starts with {data[:4]!r}; allowed: {MAGIC!r}")
    start = 8 + int.from_bytes(data[4:8], "little")
    header = json.loads(data[8:start])
    arrays = {}
    for entry in header["arrays"]:
        kind = {"uint16": "<u2", "uint8": "u1", "float32": "<f4"}[entry["type"]]
        count = int(np.prod(entry["shape"], dtype=np.int64))
        size = count * np.dtype(kind).itemsize
        if start + size > len(data):
            raise ValueError(f"frame ends inside array {entry['name']!r}")
        values = np.frombuffer(data, kind, count, start).reshape(entry["shape"])
        if entry["type"] == "uint16":
            scale = (entry["high"] - entry["low"]) / LEVELS
            values = (entry["low"] + values * scale).astype(np.float32)
        arrays[entry["name"]] = values
        start += size + (-size % 4)
    return header["meta"], arrays
