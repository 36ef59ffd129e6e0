"""The pages that are made from the package's own tables: scenes, lessons, cards, claims, docstrings, the README.

``write(folder)`` writes them into the folder that Sphinx reads. Nothing is measured and no network is loaded.
"""

from pathlib import Path

from pages import api, cards, chapters, gallery, lessons, report

STYLE = Path(__file__).with_name("pages.css")


def write(folder: Path) -> str:
    """Write all of them into ``folder``; returns the lists that lead to them, in Markdown, for the start page.

    Whatever is no page (pictures, handouts, lessons to download) goes into ``folder/_static`` and ``folder/extra``.
    """
    (folder / "_static").mkdir(exist_ok=True)
    (folder / "_static" / STYLE.name).write_text(STYLE.read_text(encoding="utf-8"), encoding="utf-8")
    listed = {
        "Play": [*gallery.write(folder), *chapters.write_some(folder, chapters.PLAY)],
        "Teach": lessons.write(folder),
        "Use": chapters.write(folder),
        "Look up": [
            *chapters.write_some(folder, chapters.LOOK_UP),
            *cards.write(folder),
            *report.write(folder),
            *api.write(folder),
        ],
    }
    return "\n\n".join(
        "```{toctree}\n:caption: " + caption + "\n:hidden:\n:maxdepth: 1\n\n" + "\n".join(names) + "\n```"
        for caption, names in listed.items()
    )
