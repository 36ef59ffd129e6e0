"""A sweep as a YAML file: the names of ``sweep.run``'s arguments, and a value, or a list of values, for each.

alphas: [0.1, 0.3, 1, 3]
taus: [0.5, 1]
seeds: [0, 1, 2]
target: eight_gaussians
reward: [right, ring]
method: [orw_cfm_w2, reft]
rounds: 300
lr: 1e-3                  # and whatever else all the methods take
folder: my-sweep
# of one's own, in a module beside this file, mine.py:
#   reward: [right, "mine:redness"]     a callable (n, *event) -> (n,)
#   target: "mine:pair"                 (density or None, flow), or a function without arguments that gives them
"""

from os import PathLike
from pathlib import Path
from typing import Any

from orwlab import checks, foreign, rewards, written, zoo
from orwlab.sweep import plan, sent

LARGEST = 65_536  # bytes of a file
HOW = ("folder", "jobs")
"""names that say how a sweep is done, not what"""


def read(path: str | PathLike[str]) -> dict[str, Any]:
    """The arguments of ``sweep.run`` that a file says; a relative ``folder`` is relative to where one is, as there.

    Raises:
        ValueError: there is no such file, it is no YAML, or what it says is no sweep: with the line, and what is
            allowed.
    """
    try:
        content = Path(path).read_bytes()
        text = content.decode()
    except (OSError, TypeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: {why}; allowed: a YAML file, such as `orwlab sweep --help` shows") from error
    if len(content) > LARGEST:
        raise ValueError(f"{path}: it has {len(content)} bytes; allowed: at most {LARGEST}")
    try:
        return parsed(text, home=Path(path).resolve().parent)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def folder_of(path: str | PathLike[str]) -> str:
    """Where a file's sweep is kept if nobody says: a folder of its name, beside it."""
    return str(Path(path).with_suffix(""))


def parsed(text: str, home: str | PathLike[str] | None = None) -> dict[str, Any]:
    """The arguments of ``sweep.run`` that a text says.

    Args:
        text: of the file.
        home: a folder with modules of one's own, for what is named "module:function".

    Raises:
        ValueError: as ``read`` has it, without the file.
    """
    if not isinstance(text, str):
        raise checks.fail("text", text, "the text of a YAML file")
    home = None if home is None else checks.folder("home", home)
    sheet = written.read(text, "sweep", most=4000)
    found = sheet.value
    if not isinstance(found, dict):
        said = "nothing is in it" if found is None else "it is no table"
        raise ValueError(f"{said}; allowed: names and values, such as alphas: [0.1, 1]")
    lines = {name: sheet.line([name]) for name in found}
    settings = plan.all_settings()
    for name in found:
        if name not in (*plan.OWN, *HOW, *settings):
            allowed = plan.unknown(name, [*plan.OWN, *HOW, *settings])
            raise ValueError(f"line {lines[name]}: {name} is not known here; allowed: {allowed}")
    for name, value in found.items():
        if isinstance(value, dict):
            raise ValueError(f"line {lines[name]}: {name} is a table; allowed: a value, or a list of values")
    if "alphas" not in found:
        raise ValueError("alphas is missing; allowed: a number, or a list of numbers, such as alphas: [0.1, 1]")
    if not isinstance(found.get("folder", ""), str):
        raise ValueError(
            f"line {lines['folder']}: folder is {found['folder']!r}; allowed: the name of a folder, quoted"
        )
    try:
        for name in ("target", "reward"):
            if name in found:
                found[name] = _with_own(name, found[name], home)
        plan.planned(**{name: value for name, value in found.items() if name not in HOW})
    except ValueError as error:
        said = str(error)
        line = next((lines[word] for word in said.replace(" of ", " ").split()[:4] if word in lines), None)
        raise ValueError(said if line is None else f"line {line}: {said}") from error
    return found


def _with_own(kind: str, value: Any, home: Path | None) -> Any:
    """Names, as they are; with one's own among them, a mapping from each name to what is behind it."""
    names = value if isinstance(value, list) else [value]
    if not any(isinstance(name, str) and ":" in name for name in names):
        return value
    found: dict[str, Any] = {}
    for name in names:
        if name in found:
            raise checks.fail(kind, names, "names that are all different")
        if isinstance(name, str) and ":" in name:
            found[name] = foreign.named(kind, name, home)
            if kind == "target" and callable(found[name]):
                found[name] = found[name]()
        elif kind == "reward":
            found[name] = rewards.get(name)
        else:
            found[name] = zoo.target(name), zoo.load(name)
    if home is not None:
        sent.carry(home)
    return found
