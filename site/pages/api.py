"""The reference: a page for every module of ``orwlab``, from its docstrings, in the order in which to read them."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import orwlab
from pages.words import plain

_TOP = """# Reference

Every module in the order in which to read them: each needs only what stands before it. What is not here is the app,
the figures and the exercises; their docstrings are beside their code.

"""


def write(folder: Path) -> list[str]:
    """The list of modules, and their pages."""
    (folder / "api").mkdir()
    for name in orwlab.__all__:
        for one in (name, *within(name)):
            (folder / f"api/{one}.md").write_text(page(one), encoding="utf-8")
    (folder / "api.md").write_text(index(), encoding="utf-8")
    return ["api"]


def index() -> str:
    """The list, in Markdown."""
    lines = [
        _line(name, "api/") + "".join("\n  " + _line(one, "api/") for one in within(name)) for name in orwlab.__all__
    ]
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
    """One module's page in Markdown. What it takes over from other modules is shown too."""
    module, inner = _module(name), within(name)
    lines = [f".. automodule:: orwlab.{name}"]
    if inner and _lazy(module):  # its dir() lists modules alone
        for one, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and not one.startswith("_"):
                lines += ["", f".. autofunction:: orwlab.{name}.{one}"]
    else:
        lines.append("   :members:")
    text = f"# orwlab.{name}\n\n```{{eval-rst}}\n" + "\n".join(lines) + "\n```\n"
    if inner:
        text += "\n" + "\n".join(_line(one) for one in inner) + "\n\n" + _toctree(inner)
    return text


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


def _lazy(module: ModuleType) -> bool:
    return "__getattr__" in vars(module)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"orwlab.{name}")
