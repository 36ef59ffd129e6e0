"""Many pure tasks, each done once: over processes or a cluster, every answer kept in a file of its own.

    shelf = once.json_shelf("answers", "my answers 1")
    for key, value in once.each({"first": (one, 1), "second": (one, 2)}, shelf): ...

The caller writes the files, and nobody else: a worker only computes, so that on a cluster it needs neither the folder
nor a file system that is shared. An answer is written when it arrives. Whatever ends the work, at most the tasks that
were under way are lost. Two callers with one folder do not disturb each other: a file appears whole or not at all, both
would write the same answer, and what one has finished the other skips, unless it has begun it already.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from orwlab import checks, files


class WorkerLost(RuntimeError):
    """A process that worked on a task has gone."""


_LOST = ("KilledWorker", "TerminatedWorkerError")
"""what dask and joblib call it"""

Call = tuple[Any, ...]
"""a function that has a name in a module, and its arguments"""


@dataclass(frozen=True)
class Shelf:
    """Where answers lie: in ``folder``, which must be there, a file for each key."""

    folder: Path
    suffix: str
    write: Callable[[Path, Any], None]
    read: Callable[[Path], Any]
    """what was written; a ``ValueError`` where the file is damaged"""
    final: Callable[[Any], bool] = lambda value: True
    """whether a value is kept; what is not is done again next time"""

    def get(self, key: str) -> Any:
        """What is kept; None if there is nothing, or nothing sound."""
        path = self.folder / f"{key}{self.suffix}"
        if not path.exists():
            return None
        try:
            return self.read(path)
        except ValueError as error:
            warnings.warn(f"{path.name} is damaged, and is done again: {error}", stacklevel=2)
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep an answer."""
        if self.final(value):
            self.write(self.folder / f"{key}{self.suffix}", value)


def json_shelf(folder: str | PathLike[str], format: str, final: Callable[[Any], bool] = lambda value: True) -> Shelf:
    """A shelf for whatever JSON holds; NaN and infinity too.

    Args:
        folder: which must be there.
        format: a name for what is kept; files of another are not taken.
        final: as ``Shelf`` has it.

    Raises:
        ValueError: no such folder.
    """

    def write(path: Path, value: Any) -> None:
        text = json.dumps({"format": format, "digest": digest(value), "value": value}, indent=1)
        files.write_bytes(path, f"{text}\n".encode())

    def read(path: Path) -> Any:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            sound = found["format"] == format and found["digest"] == digest(found["value"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise checks.fail("path", str(path), f"a readable file of format {format!r} ({error})") from error
        if not sound:
            raise checks.fail("path", str(path), f"an undamaged file of format {format!r}")
        return found["value"]

    return Shelf(checks.folder("folder", folder), ".json", write, read, final)


def digest(value: Any) -> str:
    """A fingerprint of what JSON holds: the same for the same value, in whatever order its names stand."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def each(
    calls: Mapping[str, Call], shelf: Shelf, *, jobs: int | None = -1, name: str = "", progress: bool = True
) -> Iterator[tuple[str, Any]]:
    """Do every call that has no answer on the shelf: pairs (key, answer), the kept ones first, the others as they come.

    An answer may not be None. What a call raises goes through, and ends the work; what is finished stays.

    Args:
        calls: key -> (function, argument, ...). Keys are names of files.
        shelf: where answers lie.
        jobs: processes, each on one thread; -1: as many as there are processor cores; None: what
            ``joblib.parallel_config`` says, else one.
        name: beside the progress bar.
        progress: whether there is one.

    Raises:
        ValueError: a bad ``jobs``, at once.
        WorkerLost: a worker process was killed.
    """
    jobs = checked_jobs(jobs)
    return _each(dict(calls), shelf, jobs, name, progress)


def checked_jobs(jobs: Any) -> int | None:
    """``jobs`` must be a number of processes, -1 or None."""
    if jobs is None:
        return None
    count = checks.integer("jobs", jobs, low=-checks.LARGEST)
    if count == 0 or count < -1:
        less = "; all but one, as joblib's -2 has it, is to be said as a number" if count < -1 else ""
        raise checks.fail("jobs", jobs, f"a number of processes, or -1 for one a processor core{less}")
    return count


def _each(
    calls: dict[str, Call], shelf: Shelf, jobs: int | None, name: str, progress: bool
) -> Iterator[tuple[str, Any]]:
    kept = {key: value for key in calls if (value := shelf.get(key)) is not None}
    with tqdm(total=len(calls), initial=len(kept), desc=name or None, disable=not progress) as bar:
        yield from kept.items()
        missing = {key: call for key, call in calls.items() if key not in kept}
        for key, value in _done(missing, shelf, jobs):
            bar.update()
            yield key, value


def _done(calls: dict[str, Call], shelf: Shelf, jobs: int | None) -> Iterator[tuple[str, Any]]:
    from joblib import Parallel, delayed

    elsewhere: dict[str, Any] = {}  # by another caller, meanwhile

    def still(keys: list[str]) -> Iterator[Any]:
        for key in keys:
            if (value := shelf.get(key)) is not None:
                elsewhere[key] = value
            else:
                yield delayed(_one)(key, *calls[key])

    if not calls:
        return
    how: dict[str, Any] = dict(n_jobs=jobs, batch_size=1, max_nbytes=None)  # one at a time, as it is written then
    keys = list(calls)
    try:
        parallel, parts = Parallel(return_as="generator_unordered", **how), [keys]
    except ValueError:  # a backend that gives back all at once: little by little, then
        parallel = Parallel(**how)
        size = parallel._effective_n_jobs()
        parts = [keys[k : k + size] for k in range(0, len(keys), size)]
    try:
        for part in parts:
            for key, value in parallel(still(part)):
                shelf.put(key, value)
                yield key, value
    except Exception as error:
        if not isinstance(error, BrokenExecutor) and type(error).__name__ not in _LOST:
            raise
        if "un-serialize" in str(error):
            raise WorkerLost(
                "a worker process could not read what it was sent, mostly for lack of a module that is there only here "
                f"({error.__cause__ or error}). What is finished is kept"
            ) from error
        raise WorkerLost(
            "a worker process was ended from outside, mostly for lack of memory. What is finished is kept: begin again "
            "and it goes on; fewer jobs need less memory"
        ) from error
    yield from elsewhere.items()


def _one(key: str, function: Callable[..., Any], *arguments: Any) -> tuple[str, Any]:
    return key, on_one_thread(function, *arguments)


def on_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)`` with one thread of torch's: beside others, more would only be in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return function(*arguments)
    finally:
        torch.set_num_threads(before)
