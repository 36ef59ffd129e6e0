"""What a run keeps in its folder, and who may write there: its state, the state before, and a lock.

    keeping.hold(folder, run)      # ValueError: another process works in it
    begun = keeping.kept(settings)  # None where they begin a run
    keeping.write(folder, tensors, metadata)

``state.safetensors`` is the whole run; ``state.previous.safetensors`` the one before it, for the day on which the first
cannot be read: the run then goes on from there, and says so. The lock falls when its process ends, however it ends.
"""

import contextlib
import errno
import os
import secrets
import shutil
import socket
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from torch import Tensor

from orwlab import checks, files
from orwlab.large.settings import STEERED, Settings

FORMAT = "orwlab large run 1"
STATE, PREVIOUS, LOCK = "state.safetensors", "state.previous.safetensors", ".lock"
KEPT = "kept"
"""the folder in a run's folder with the states that stay; see the setting ``keep_every``"""

_held: dict[tuple[int, Path], tuple[TextIO, set[int]]] = {}
"""by process and folder: the file that is locked, and whose it is; POSIX locks are a process's, and fall as a whole"""


@dataclass(frozen=True)
class Kept:
    """A state that was read."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]
    note: str = ""
    """what a person should know of it, if anything"""

    @property
    def round(self) -> int:
        """How many rounds it has behind it."""
        return int(self.tensors["round"])


def kept(settings: Settings) -> Kept | None:
    """The state of the run that these settings go on from; None where they begin one.

    Raises:
        ValueError: the folder holds a run with other settings, or one though ``resume`` is false; or its file is
            damaged, and there is none before it.
    """
    place, wrong = Path(settings.folder), None
    if not any((place / name).exists() for name in (STATE, PREVIOUS)):
        return None
    if settings.resume is False:
        raise checks.fail("folder", str(place), "one without a run in it, or resume: true")
    for name in (STATE, PREVIOUS):
        try:
            tensors, metadata = files.read(str(place / name), FORMAT)
        except ValueError as error:
            if "a file of format" in str(error):  # not damaged, but another program's
                raise
            wrong = wrong or error
            continue
        free = STEERED if metadata.get("diverged") or settings.resume == "anyway" else ()
        settings.goes_on(metadata["settings"], but=free)
        found = Kept(tensors, metadata)
        if name == STATE:
            return found
        note = f"{STATE} cannot be read ({wrong}): the run goes on from the state before it, of round {found.round}"
        return Kept(tensors, metadata, note)
    assert wrong is not None
    raise wrong


def changed(settings: Settings, begun: Kept, origin: dict[str, str | None]) -> list[str]:
    """How a run goes on that was kept, in sentences: from which state, and with what other values, model or reward.

    Args:
        settings: of now.
        begun: what was kept.
        origin: what decides beside the settings, or some of it, as fingerprints, of now; see ``origin.of``.

    Raises:
        ValueError: another model or reward, and nobody said that this is meant.
    """
    before, now = begun.metadata["settings"], settings.as_json()
    old_values = {name: before.get(name, Settings.model_fields[name].default) for name in STEERED}
    found = [f"{name} is {now[name]} in place of {old}" for name, old in old_values.items() if now[name] != old]
    diverged, then = begun.metadata.get("diverged"), begun.metadata.get("origin", {})
    for part, new in sorted(origin.items()):
        old = then.get(part)
        if old is None or old == new:  # unknown then: nothing to compare
            continue
        if settings.resume == "anyway" or (diverged and part == "reward"):
            found.append(f"{part} is another one")
            continue
        raise ValueError(
            f"{part} is not what it was when the run in {settings.folder} was begun: "
            f"{'its code or what it refers to' if part == 'reward' else 'its numbers or its configuration'} changed; "
            "allowed: what it was, another folder, or resume: anyway, which goes on with what it is now"
        )
    note = [begun.note] if begun.note else []
    return [*note, f"after round {begun.round}: {', '.join(found)}"] if found else note


def write(place: Path, tensors: dict[str, Tensor], metadata: dict[str, Any], *, rotate: bool = True) -> None:
    """Keep a state; the one that was there becomes the one before.

    Args:
        place: the run's folder.
        tensors: the state.
        metadata: what JSON can hold.
        rotate: whether the file that is there is good enough to be the one before.

    Raises:
        ValueError: there is no such folder, or it cannot be written to.
        OSError: there is no more room.
    """
    if rotate and (place / STATE).exists():
        link(place / STATE, place / PREVIOUS)
    files.write(place / STATE, tensors, {"format": FORMAT, **metadata})


def link(path: Path, name: Path) -> None:
    """Give a file that is only ever replaced another name, or a copy where a disk has no links; whole or not at all."""
    beside = name.with_name(f"{secrets.token_hex(8)}.partial")
    try:
        try:
            os.link(os.path.realpath(path), beside)
        except OSError:
            shutil.copyfile(path, beside)
        os.replace(beside, name)
    finally:
        beside.unlink(missing_ok=True)  # a file that has that name already is not renamed


# Who may write --------------------------------------------------------------------------------------------------------


def hold(folder: Path, owner: object) -> str:
    """Take a folder for this process, until ``owner`` is gone, ``let_go`` says so or the process ends.

    Returns a sentence where the system or the folder's disk has no locks, as some network disks: then nothing is held.

    Raises:
        ValueError: another process has it.
    """
    place = folder.resolve()
    key = (os.getpid(), place)
    if key not in _held:
        try:
            _held[key] = _locked(place), set()
        except BlockingIOError as error:
            allowed = f"one in which no other run is under way; {error.strerror} works in this one"
            raise checks.fail("folder", str(folder), allowed) from None
        except (OSError, ImportError) as error:
            why = getattr(error, "strerror", None) or error
            return f"{folder} cannot be locked ({why}): that no second run is started in it is up to you"
    _held[key][1].add(id(owner))
    weakref.finalize(owner, _release, key, id(owner))
    return ""


def let_go(folder: Path, owner: object) -> None:
    """What ``hold`` took for ``owner`` is free again, if nobody else in this process has it too."""
    _release((os.getpid(), folder.resolve()), id(owner))


def _locked(place: Path) -> TextIO:
    """The lock's file, locked. A BlockingIOError says who has it."""
    import fcntl  # Windows has none

    handle = (place / LOCK).open("a+")
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        by = handle.read(200).strip() or "another process"
        handle.close()
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise BlockingIOError(error.errno, by) from None
        raise
    with contextlib.suppress(OSError):  # a full disk: whose it is will not be said
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
    return handle


def _release(key: tuple[int, Path], owner: int) -> None:
    if key not in _held:
        return
    handle, owners = _held[key]
    owners.discard(owner)
    if not owners:
        del _held[key]
        handle.close()
