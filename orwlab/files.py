"""Networks and runs in safetensors files, and other files: written whole or not at all, and checked before use."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from orwlab import checks


def write(path: str | PathLike[str], tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and JSON-able ``metadata`` to a safetensors file; an old file stays until the new is whole.

    A new file's permissions are those that the umask leaves; an old one keeps its own. A link is followed, and stays.

    Raises:
        ValueError: ``path`` is no place for a file, the disk is full, its folder has gone meanwhile, or what is to be
            written is not as it should be.
    """
    target = _real(path)
    if not isinstance(tensors, dict) or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise checks.fail("tensors", tensors, "a dictionary of tensors by name")
    # clone: safetensors refuses tensors that share memory
    held = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    try:
        # one entry, for safetensors writes several in random order: the same content shall give the same bytes
        entry = json.dumps({**metadata, "digest": digest(held)}, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise checks.fail("metadata", metadata, f"a dictionary of what JSON can hold ({error})") from error
    with _whole(target, path) as temporary:
        save_file(held, temporary, {"orwlab": entry})


def write_bytes(path: str | PathLike[str], content: bytes) -> None:
    """Write ``content`` to a file, as it is; otherwise as ``write``.

    Raises:
        ValueError: ``path`` is no place for a file, the disk is full, its folder has gone meanwhile, or ``content`` is
            not bytes.
    """
    target = _real(path)
    if not isinstance(content, bytes):
        raise checks.fail("content", content, "bytes")
    with _whole(target, path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def _whole(target: Path, named: str | PathLike[str]) -> Iterator[Path]:
    """A file beside ``target``, to be written to, that takes its place at the end and with it its permissions.

    It is on the disk before it does, and the folder after: a power cut leaves the old one or the new one, whole.
    """
    temporary = target.with_name(f"{secrets.token_hex(8)}.partial")
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # less the umask
        try:
            mode = os.fstat(handle).st_mode
        finally:
            os.close(handle)
        yield temporary  # safetensors gives it a mode of its own
        os.chmod(temporary, stat.S_IMODE(target.stat().st_mode if target.exists() else mode))
        _to_disk(temporary, os.O_RDWR)
        os.replace(temporary, target)
        _to_disk(target.parent, os.O_RDONLY)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or str(error)
        gone = "" if target.parent.is_dir() else "the folder is no longer there; "
        allowed = f"a file in a folder that can be written to, which {target.parent} is not ({gone}{why})"
        raise checks.fail("path", str(named), allowed) from error
    finally:
        with contextlib.suppress(OSError):  # what has gone wrong is said already
            temporary.unlink(missing_ok=True)


def _to_disk(place: Path, how: int) -> None:
    """Have what was written lie on the disk, and not only in memory; a folder's names too, where that can be asked."""
    try:
        handle = os.open(place, how)
    except OSError:
        if place.is_dir():
            return  # of Windows, where a folder cannot be opened
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # a file system that cannot do so
            raise
    finally:
        os.close(handle)


def cell(text: str) -> str:
    """``text`` for a table that a spreadsheet opens: with a ' before what it would work out as a formula.

    Also before wide letters that it takes for such signs, and before a ', so that ``uncelled`` gives back any text.

    Raises:
        ValueError: no text.
    """
    text = _text(text)
    return f"'{text}" if unicodedata.normalize("NFKC", text[:1]) in _SIGNS else text


def uncelled(text: str) -> str:
    """The text of which ``cell`` made this.

    Raises:
        ValueError: no text.
    """
    return _text(text).removeprefix("'")


_SIGNS = {"=", "+", "-", "@", "\t", "\r", "\n", "'"}


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise checks.fail("text", text, "a text")
    return text


def read(path: str | PathLike[str], format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors and the metadata of a file of that ``format``.

    Raises:
        ValueError: the file is missing, damaged or not of this format.
    """
    try:
        if not Path(path).is_file():
            raise FileNotFoundError("there is no such file")
        with safe_open(os.fspath(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("orwlab", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise checks.fail("path", path, f"a readable safetensors file ({error})") from error
    found = metadata.get("format") if isinstance(metadata, dict) else None
    if found != format:
        raise checks.fail("path", str(path), f"a file of format {format!r}, not {found!r}")
    if metadata.get("digest") != digest(tensors):
        raise checks.fail("path", str(path), "an undamaged file: its numbers are not those that were written")
    return tensors, metadata


def digest(tensors: dict[str, Tensor]) -> str:
    """A fingerprint of the tensors' names, shapes and bytes."""
    if not isinstance(tensors, dict) or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise checks.fail("tensors", tensors, "a dictionary of tensors by name")
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        total.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _real(path: str | PathLike[str]) -> Path:
    """Where ``path`` leads: a file, or a place for one in a folder that is there."""
    allowed = "the name of a file in a folder that exists"
    try:
        target = Path(os.path.realpath(os.fspath(path)))
        fits = target.parent.is_dir() and not target.is_symlink() and (target.is_file() or not target.exists())
    except (TypeError, ValueError, OSError) as error:
        raise checks.fail("path", path, allowed) from error
    if not fits:
        raise checks.fail("path", str(path), allowed)
    return target
