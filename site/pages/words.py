"""Plain text in Markdown: nothing in it starts markup."""

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#$|~])")


def plain(text: str) -> str:
    """``text`` as it is, in one line of Markdown."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """A table of cells that are Markdown already.

    Args:
        head: what stands above the columns.
        rows: as many cells each.
        numbers: columns that are set to the right, from 0.
    """
    right = set(numbers)
    rule = ["--:" if k in right else "---" for k in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))
