"""The reference: a page for every module of ``orwlab``, from its docstrings, in the order in which to read them."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import orwlab
from pages.words import plain

_TOP = """# Reference

Every module in the order in which to read them: each needs only what stands before it. What is not here is the app,
the figures and the exercises; their docstrings are beside their code.

"""


def write(folder: Path) -> list[str]:
    """The list of modules, and their pages."""
    (folder / "api").mkdir()
    for name in names():
        (folder / f"api/{name}.md").write_text(page(name), encoding="utf-8")
    (folder / "api.md").write_text(index(), encoding="utf-8")
    return ["api"]


def names() -> list[str]:
    """All modules that have a page, without ``orwlab.``, in the order in which to read them."""
    found: list[str] = []
    for name in orwlab.__all__:
        found += _below(name)
    return found


def _below(name: str) -> list[str]:
    return [name, *(one for inner in within(name) for one in _below(inner))]


def index() -> str:
    """The list, in Markdown."""
    lines = ["  " * name.count(".") + _line(name, "api/") for name in names()]
    return _TOP + "\n".join(lines) + "\n\n" + _toctree([f"api/{name}" for name in orwlab.__all__])


def within(name: str) -> list[str]:
    """The modules of the package ``orwlab.NAME`` that are for others, as ``NAME.MODULE``; [] of a plain module."""
    package = module(name)
    if not hasattr(package, "__path__"):
        return []
    found = [one.name for one in pkgutil.iter_modules(package.__path__) if not one.name.startswith("_")]
    said = getattr(package, "__all__", None)
    return [f"{name}.{one}" for one in (found if said is None else said) if one in found]


def page(name: str) -> str:
    """One module's page in Markdown. What it takes over from other modules is shown too; links lead to the others."""
    known, inner = module(name), within(name)
    lines = [f".. automodule:: orwlab.{name}"]
    if "__all__" not in vars(known):
        lines.append("   :members:")
    else:
        for one, value in offered(known).items():
            kind = "autoclass" if inspect.isclass(value) else "autofunction"
            lines += ["", f".. {kind}:: orwlab.{name}.{one}"]
            lines += ["   :members:"] * inspect.isclass(value)
            lines += ["   :no-index:"] * (value.__module__ != known.__name__)
    text = f"# orwlab.{name}\n\n```{{eval-rst}}\n" + "\n".join(lines) + "\n```\n"
    if inner:
        text += "\n" + "\n".join(_line(one) for one in inner) + "\n\n" + _toctree(inner)
    return text


def offered(known: ModuleType) -> dict[str, Any]:
    """Functions and classes that a module with an ``__all__`` offers; beside it, where that lists modules alone."""
    names = list(vars(known)["__all__"])
    if "__getattr__" in vars(known):
        names = [one for one, value in vars(known).items() if getattr(value, "__module__", "") == known.__name__]
    found = {one: getattr(known, one) for one in names if not one.startswith("_")}
    return {one: value for one, value in found.items() if callable(value)}  # constants are beside their code


def _line(name: str, folder: str = "") -> str:
    says = (module(name).__doc__ or "").strip().partition("\n\n")[0]
    return f"- [`{name}`]({folder}{name}.md): {_plain_code(says)}"


def _plain_code(text: str) -> str:
    """A docstring's words, with its ``code`` as code."""
    parts = text.split("``")
    return "".join(f"`{part}`" if k % 2 else _plain_within(part) for k, part in enumerate(parts))


def _plain_within(text: str) -> str:
    """As ``plain``, with the blanks at both ends kept."""
    said = plain(text)
    before, after = text[:1].isspace(), text[-1:].isspace()
    return f"{' ' * before}{said}{' ' * (after and bool(said))}"


def _toctree(names: list[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def module(name: str) -> ModuleType:
    """``orwlab.NAME``."""
    return importlib.import_module(f"orwlab.{name}")
