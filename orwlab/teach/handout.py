"""The notebooks as files: where they are, and copies of them for somebody to work on."""

import os
import shutil
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import orwlab
from orwlab import checks

PATTERNS = ("*.md", "*.html", "*.ipynb", "student/*.ipynb", "films/*.gif")
FIRST = "00_start_here.ipynb"


@dataclass(frozen=True)
class Copied:
    """What ``copy`` did."""

    folder: Path
    written: list[str]
    """names of the files that were written"""
    same: list[str]
    """names of those that were there already, with the same content"""

    def __str__(self) -> str:
        there = _count(len(self.same), "file") + (" was" if len(self.same) == 1 else " were") + " there already"
        if not self.written:
            return f"Nothing to copy to {self.folder}: all {there}."
        student = sum(name.startswith("student/") for name in self.written)
        solved = sum(name.endswith(".ipynb") for name in self.written) - student
        parts = [_count(solved, "notebook")] * (solved > 0) + [_count(student, "student's version")] * (student > 0)
        others = [name for name in self.written if not name.endswith(".ipynb")]
        parts += others if len(others) == 1 else [_count(len(others), "other file")] * (len(others) > 0)
        listed = " and ".join([*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]])
        return f"Copied {listed} to {self.folder}" + (f"; {there}." if self.same else ".")


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def checkout() -> Path | None:
    """The folder ``notebooks`` beside the package, if this is a checkout of the repository."""
    beside = Path(orwlab.__file__).resolve().parents[1] / "notebooks"
    return beside if (beside / FIRST).is_file() else None


def source() -> Path:
    """Where the notebooks are: in the installed package, or beside it in a checkout.

    Raises:
        ValueError: they are nowhere.
    """
    inside = Path(orwlab.__file__).resolve().parent / "notebooks"
    found = inside if (inside / FIRST).is_file() else checkout()
    if found is None:
        raise ValueError(f"the notebooks are missing from {inside}; install orwlab again")
    return found


def copy(folder: str | PathLike[str], *, force: bool = False) -> Copied:
    """Copy the notebooks, the student's versions and their pages to ``folder``, which is made if there is none.

    Args:
        folder: where to.
        force: whether files that differ are replaced.

    Raises:
        ValueError: ``folder`` is no folder, or holds files that differ and ``force`` is not set: nothing is written.
        OSError: a file cannot be written.
    """
    force = checks.yes_or_no("force", force)
    try:
        given = os.fsdecode(folder)
    except TypeError as error:
        raise checks.fail("folder", folder, "the name of a folder") from error
    folder = Path(given)
    if given.strip() == "" or "\0" in given or (folder.exists() and not folder.is_dir()):
        raise checks.fail("folder", given, "a folder, or a name that is not taken")
    origin = source()
    names = [path.relative_to(origin).as_posix() for pattern in PATTERNS for path in sorted(origin.glob(pattern))]
    there = [name for name in names if (folder / name).exists()]
    differ = [name for name in there if not _alike(origin / name, folder / name)]
    if differ and not force:
        others = f" and {len(differ) - 1} more" if len(differ) > 1 else ""
        raise ValueError(f"{folder / differ[0]}{others} would be overwritten, and nothing was; --force replaces them")
    same = [name for name in there if name not in differ]
    written = [name for name in names if name not in same]
    for name in written:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / name, folder / name)
    return Copied(folder, written, same)


def _alike(a: Path, b: Path) -> bool:
    return b.is_file() and a.read_bytes() == b.read_bytes()
