"""Networks and runs in safetensors files: written whole or not at all, read completely and checked before use."""

import hashlib
import json
import os
import tempfile
import threading
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from orwlab import checks

_umask_lock = threading.Lock()


def write(path: str | PathLike[str], tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and JSON-able ``metadata`` to a safetensors file; an old file stays until the new is whole."""
    given, path = path, _real(path)
    if not path.parent.is_dir() or path.is_dir():
        raise checks.fail("path", str(given), "a file in an existing folder")
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    os.close(handle)
    try:
        # clone: safetensors refuses tensors that share memory
        held = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        # one entry, for safetensors writes several in random order: the same content shall give the same bytes
        save_file(held, temporary, {"orwlab": json.dumps(metadata | {"digest": digest(held)}, sort_keys=True)})
        os.chmod(temporary, path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read(path: str | PathLike[str], format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors and the metadata of a file of that ``format``.

    Raises:
        ValueError: the file is missing, damaged, not of this format, or holds values that are not finite.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("orwlab", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise checks.fail("path", str(path), f"a readable safetensors file ({error})") from error
    if metadata.get("format") != format:
        raise checks.fail("path", str(path), f"a file of format {format!r}, not {metadata.get('format')!r}")
    if metadata.get("digest") != digest(tensors):
        raise checks.fail("path", str(path), "an undamaged file: its numbers are not those that were written")
    return tensors, metadata


def digest(tensors: dict[str, Tensor]) -> str:
    """A fingerprint of the tensors' names, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        total.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _real(path: str | PathLike[str]) -> Path:
    """Where ``path`` leads: a file is written where a link points to, and the link stays."""
    try:
        return Path(os.path.realpath(path))
    except (TypeError, ValueError) as error:
        raise checks.fail("path", path, "the name of a file") from error


def _umask() -> int:
    """What the process takes away from a new file's permissions; it can only be read by setting it."""
    with _umask_lock:
        mask = os.umask(0o022)
        os.umask(mask)
    return mask
