"""The site for tests: built once for all processes that read it, and again as soon as anything is different.

``at(folder)`` gives a build of what is in the checkout now. Builds lie in ``folder``, each by a fingerprint of all that
decides it: every file of the checkout that a build may read, the package as it is imported, what is installed, Python,
and the language. What a build really read is written down beside it, so that a test can ask whether the fingerprint
holds it. Only files of installed packages that somebody edits by hand are not seen.
"""

import hashlib
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from filelock import FileLock

import orwlab

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(orwlab.__file__).resolve().parent
NOT_READ = {"tests", "benchmarks", "build", "dist", "science", "screenshots", "_site"}
"""folders of the checkout that no build reads, beside hidden ones"""
LANGUAGE = ("LANG", "LC_", "PYTHON", "SOURCE_DATE", "SPHINX", "TZ")
"""how variables of the environment begin that may decide what is built; those of the lab, ORWLAB_..., no build gets"""
KEPT = 3600.0  # seconds since its last use after which another build may be deleted
PATIENCE = 540.0  # seconds for one build, or until another process has built

_RUN = """
import os, runpy, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def note(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and not args[2] & (os.O_WRONLY | os.O_RDWR):
        name = os.fsencode(args[0])
        os.write(log, os.path.normpath(name) + b"\\n" if os.path.isabs(name) else b"")  # none lies where it runs
sys.addaudithook(note)
script, *sys.argv = sys.argv[2], *sys.argv[2:]
sys.path[0] = os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
"""


def files() -> Iterator[Path]:
    """Every file of the checkout, and of the package, that a build may read."""
    for top in [ROOT] if ROOT in PACKAGE.parents else [ROOT, PACKAGE]:
        for folder, inner, names in os.walk(top):
            inner[:] = sorted(
                one for one in inner if not one.startswith((".", "__pycache__")) and not one.endswith(".egg-info")
            )
            if Path(folder) == ROOT:
                inner[:] = [one for one in inner if one not in NOT_READ]
            yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def decides() -> list[str]:
    """All that decides what a build comes out as, a line each."""
    about = (sys.version, sys.platform, str(ROOT), str(PACKAGE), _digest(Path(__file__).read_bytes()))
    language = (f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(LANGUAGE))
    return [*about, *language, *sorted(_installed()), *(f"{_digest(path.read_bytes())} {path}" for path in files())]


def _digest(what: bytes) -> str:
    return hashlib.sha256(what).hexdigest()


def _installed() -> Iterator[str]:
    """Of everything that a build can import the list of its files, which has a digest of each; itself as a digest.

    A build does not have what this process has put on its path: setuptools, once imported, brings libraries along.
    """
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    places = {*filter(None, before), *map(sysconfig.get_path, ("purelib", "platlib")), site.getusersitepackages()}
    for one in metadata.distributions(path=sorted(places)):
        record = one.read_text("RECORD") or one.read_text("PKG-INFO") or ""
        yield f"{one.metadata['Name']} {one.version} {_digest(record.encode())}"


def at(folder: Path) -> Path:
    """The site as it would be built now, in a folder below ``folder`` that nobody may change.

    Raises:
        AssertionError: it cannot be built without a warning.
    """
    with FileLock(folder / "lock", timeout=PATIENCE):
        while True:
            lines = decides()
            whole = folder / _digest(repr(lines).encode())[:24]
            if not whole.is_dir():
                _forget(folder)
                _build(folder / "half")
                if decides() != lines:  # something changed meanwhile: nobody knows what this shows
                    continue
                (folder / "half/decides.txt").write_text("\n".join(lines), encoding="utf-8")  # to see what changed
                (folder / "half").rename(whole)
            os.utime(whole)
            return whole / "site"


def read(built: Path) -> set[Path]:
    """The files that were read while it was built."""
    return {Path(line) for line in (built.parent / "read.txt").read_text(encoding="utf-8").splitlines()}


def _build(half: Path) -> None:
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    build = ROOT / "site/build.py"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORWLAB_")}
    before = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
    environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *before])  # the package that the tests import
    run = subprocess.run(
        [sys.executable, "-c", _RUN, str(half / "read.txt"), str(build), str(half / "site")],
        capture_output=True,
        text=True,
        cwd=half,
        env=environment,
        timeout=PATIENCE,
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stderr


def _forget(folder: Path) -> None:
    """Delete builds of what is no longer there; one that another process may be reading is left."""
    for old in folder.iterdir():
        if old.is_dir() and time.time() - old.stat().st_mtime > KEPT:
            shutil.rmtree(old, ignore_errors=True)
