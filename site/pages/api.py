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
    module = _module(name)
    if not hasattr(module, "__path__"):
        return []
    found = [one.name for one in pkgutil.iter_modules(module.__path__) if not one.name.startswith("_")]
    said = getattr(module, "__all__", None)
    return [f"{name}.{one}" for one in (found if said is None else said) if one in found]


def page(name: str) -> str:
    """One module's page in Markdown. What it takes over from other modules is shown too; links lead to the others."""
    module, inner = _module(name), within(name)
    own, others = members(module)
    lines = [f".. automodule:: orwlab.{name}"]
    if "__all__" not in vars(module):
        lines.append("   :members:")
    else:
        for one, value in {**own, **others}.items():
            kind = "autoclass" if inspect.isclass(value) else "autofunction"
            lines += ["", f".. {kind}:: orwlab.{name}.{one}"]
            lines += ["   :members:"] * inspect.isclass(value) + ["   :no-index:"] * (one in others)
    text = f"# orwlab.{name}\n\n```{{eval-rst}}\n" + "\n".join(lines) + "\n```\n"
    if inner:
        text += "\n" + "\n".join(_line(one) for one in inner) + "\n\n" + _toctree(inner)
    return text


def members(module: ModuleType) -> tuple[dict[str, Any], dict[str, Any]]:
    """Functions and classes that a module offers: those that it defines, and those that it takes over."""
    known = vars(module)
    offered = dict.fromkeys([*known.get("__all__", ()), *known])
    found = {one: known[one] for one in offered if not one.startswith("_") and callable(known.get(one))}
    own = {one: value for one, value in found.items() if getattr(value, "__module__", "") == module.__name__}
    others = {one: value for one, value in found.items() if one not in own and one in known.get("__all__", ())}
    return own, others


def _line(name: str, folder: str = "") -> str:
    says = (_module(name).__doc__ or "").strip().partition("\n\n")[0]
    return f"- [`{name}`]({folder}{name}.md): {_plain_code(says)}"


def _plain_code(text: str) -> str:
    """A docstring's words, with its ``code`` as code."""
    parts = text.split("``")
    return "".join(f"`{part}`" if k % 2 else plain_within(part) for k, part in enumerate(parts))


def plain_within(text: str) -> str:
    """``plain``, with the blanks at both ends kept."""
    said = plain(text)
    before, after = text[:1].isspace(), text[-1:].isspace()
    return f"{' ' * before}{said}{' ' * (after and bool(said))}"


def _toctree(names: list[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"orwlab.{name}")
