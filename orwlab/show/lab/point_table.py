"""Points of networks that somebody has trained elsewhere, from the text of a table.

The table has a header. Columns are found by their names, in any order; others are passed over.
"""

import csv
import math
from typing import Any

from orwlab import checks

COLUMNS = ("alpha", "tau", "seed", "reward", "diversity", "w2")
NEEDED = ("alpha", "tau", "reward")
MOST_ROWS = 2000
MOST_LETTERS = 1_000_000
LARGEST = 1e9  # of a number
_SHOWN = 40  # characters of somebody's text in a sentence
_NAMES = {"α": "alpha", "τ": "tau", "w2^2": "w2", "w2²": "w2", "w2_squared": "w2", "mean reward": "reward"}
_HEADER = f"a first line with the names {', '.join(NEEDED)}, and perhaps seed, diversity and w2"
_MISSING = ("", "na", "n/a", "nan", "null", "none", "-")

Point = dict[str, float | None]


def parse(text: Any) -> tuple[list[Point], list[str]]:
    """The points of a table, and what was done, in sentences. A number that is missing is None.

    Args:
        text: lines with commas, semicolons or tabs between columns; with the latter two, decimals may have a comma.

    Raises:
        ValueError: a sentence for whoever brought the table.
    """
    if not isinstance(text, str):
        raise checks.fail("table", text, "the text of a table")
    if len(text) > MOST_LETTERS:
        raise ValueError(f"The table has {len(text):,} characters; allowed: at most {MOST_LETTERS:,}.")
    lines = [(k, line) for k, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1) if line.strip()]
    if len(lines) < 2:
        raise ValueError(f"The table has no rows; allowed: {_HEADER}, and then a line for each network.")
    delimiter = max("\t;,", key=lines[0][1].count)
    columns = _columns(_cells(lines[0][1], delimiter))
    points: list[Point] = []
    incomplete = 0
    for number, line in lines[1:]:
        point = _point(_cells(line, delimiter), columns, number, delimiter != ",")
        if any(point[name] is None for name in NEEDED):
            incomplete += 1
        elif len(points) < MOST_ROWS:
            points.append(point)
    if not points:
        raise ValueError(f"No row has all of {', '.join(NEEDED)}; allowed: a number in each of these columns.")
    said = [f"Read {len(points):,} point{'s' * (len(points) != 1)}."]
    if incomplete:
        said.append(f"Left out for missing numbers: {incomplete:,}.")
    if len(points) == MOST_ROWS < len(lines) - 1 - incomplete:
        said.append("The rest was left out: there were more.")
    return points, said


def _cells(line: str, delimiter: str) -> list[str]:
    # one line at a time: a quote that is never closed must not swallow the rest
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
    except csv.Error as error:
        raise ValueError(f"The line {_shown(line)} cannot be read: {error}; allowed: a line of a CSV file.") from None


def _columns(header: list[str]) -> dict[str, int]:
    """Name -> where it is."""
    words = [_NAMES.get(word.lower(), word.lower()) for word in header]
    for name in NEEDED:
        if name not in words:
            shown = ", ".join(header)
            raise ValueError(
                f"The table has no column “{name}” (its first line is {_shown(shown)}); allowed: {_HEADER}."
            )
    return {name: words.index(name) for name in COLUMNS if name in words}


def _point(row: list[str], columns: dict[str, int], line: int, decimal_comma: bool) -> Point:
    point: Point = dict.fromkeys(COLUMNS)
    for name, k in columns.items():
        cell = (row[k] if k < len(row) else "").replace("−", "-")
        if cell.lower() in _MISSING:
            continue
        try:
            value = float(cell.replace(",", ".") if decimal_comma else cell)
        except ValueError:
            value = math.nan
        least = -LARGEST if name in ("reward", "seed") else 0.0
        if not least <= value <= LARGEST:
            allowed = f"a number from {least:,.0f} to {LARGEST:,.0f}, or nothing"
            raise ValueError(f"Line {line}: {_shown(cell)} in column “{name}”; allowed: {allowed}.")
        point[name] = value
    return point


def _shown(text: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text)
    return f"“{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}”"
