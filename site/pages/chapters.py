"""Chapters of the README as pages of their own, from the README itself, and the pages of ``docs``."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USE = ("Two commands", "Installing", "Ten lines", "Many runs", "Your own data", "On real data", "Sentences",
       "Large models", "Benchmarks")  # fmt: skip
PLAY = ("Without a server: the Pocket lab",)
TEACH = ("A class",)
LOOK_UP = ("The words", "From the paper to the code", "Other ways to fine-tune")
"""chapters, by where they are listed"""
LEFT_OUT = {
    "Fifteen notebooks": "they are here themselves",
    "The site": "it is this",
    "What to read next": "it lists files",
    "Citing, licence": "it says where a file is",
}
"""chapters that are no pages, and why"""

_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def write(folder: Path) -> list[str]:
    """The chapters on using it, and the page on serving many."""
    shutil.copytree(ROOT / "docs/images", folder / "docs/images", dirs_exist_ok=True)
    (folder / "serving.md").write_text(
        linked((ROOT / "docs/serving.md").read_text(encoding="utf-8"), Path("docs")), encoding="utf-8"
    )
    return [*write_some(folder, USE), "serving"]


def write_some(folder: Path, titles: tuple[str, ...]) -> list[str]:
    """Pages of some chapters; their names."""
    found = chapters()
    for title in titles:
        (folder / f"{slug(title)}.md").write_text(linked(f"# {title}\n{found[title]}"), encoding="utf-8")
    return [slug(title) for title in titles]


def chapters() -> dict[str, str]:
    """Title -> text of the README's chapters, in their order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def slug(title: str) -> str:
    """A chapter's name in an address."""
    return re.sub(r"\W+", "_", title.lower()).strip("_")


def linked(text: str, beside: Path = Path()) -> str:
    """``text`` with its links leading to this site's pages.

    Args:
        text: Markdown, of a file of the repository.
        beside: the folder that its links start from.

    Raises:
        ValueError: a link leads to nothing that the site has.
    """
    pages = {f"#{slug(title).replace('_', '-')}": f"{slug(title)}.md" for title in (*PLAY, *TEACH, *USE, *LOOK_UP)}

    def other(found: re.Match[str]) -> str:
        path, anchor = found[1], f"#{found[2]}" if found[2] else ""
        place = "README.md" if not path and beside == Path() else _plainly(beside / path)
        if place == "README.md" and anchor in pages:
            return f"]({pages[anchor]})"
        if place == "docs/serving.md":
            return f"](serving.md{anchor})"
        if not path or place.startswith(("docs/images/", "notebooks/")):
            return f"]({place if path else ''}{anchor})"
        raise ValueError(f"link is {found[0][1:]!r}; allowed: chapters that are shown, pictures, notebooks")

    return _LINK.sub(other, text)


def _plainly(path: Path) -> str:
    """``a/../b`` as ``b``."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
