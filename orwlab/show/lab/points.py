"""Somebody's own points: from the text of a table to points in the lab's square, to a density, to one short text.

A table is what programs write as CSV: with commas, semicolons, tabs or blanks, with a decimal point or a decimal comma,
with a header or without. What was done to it is told in sentences.
"""

import base64
import binascii
import csv
import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from orwlab import checks
from orwlab.show.lab.clouds import Cloud

PREFIX = "points:"
MOST_BYTES = 20_000_000
MOST_ROWS = 20_000  # that are read of a long table
MOST_SHOWN = 40  # characters of somebody's text in a sentence
HALF = 4.0  # half the side of the square into which points are brought
WIDEST = 8.0  # half the side of the square in which a text's centres lie, and the largest width
CENTRES = 400  # of a density; with a thousand, a text would hardly fit a link
TRIED = 1000  # points, on which the bandwidth is chosen
THINNEST = 0.15  # a bandwidth; the lab's exact limits see nothing finer
LONGEST_LINE = 10_000  # characters
WIDE = 1.0  # the widest bandwidth: of few points far apart nobody knows
_LOOKED_AT = 200  # lines, to see how a table is made
_HUGE = 1e150  # whose square is still a number

_MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "--", "?", ".", "#n/a"}
_INFINITE = {"inf", "infinity", "∞"}
_BLANK = " "
_STYLES = [("\t", "."), ("\t", ","), (";", "."), (";", ","), (",", "."), (_BLANK, "."), (_BLANK, ",")]
"""between columns, and before decimals"""
_NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas", _BLANK: "blanks"}
_DECIMALS = {".": "point", ",": "comma"}
_GAPS, _TOO_LARGE = "with missing numbers", "with infinite numbers"
_NUMBERING = {"", "id", "index", "row", "no", "no.", "nr", "nr.", "#"}  # titles
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_OTHER_FILES = {
    b"PK\x03\x04": "a workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old workbook",
    b"\x1f\x8b": "a compressed file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF",
}


def _pattern(delimiter: str, decimal: str) -> re.Pattern[str]:
    """Numbers in a style. One comma before three digits may stand for thousands only where commas cannot be decimal."""
    point, comma = re.escape(decimal), re.escape("." if decimal == "," else ",")
    grouped = rf"[0-9]{{1,3}}(?:{comma}[0-9]{{3}})"
    thousands = [rf"{grouped}+{point}[0-9]*", rf"{grouped}{{{1 if delimiter == ',' else 2},}}"]
    plain = [rf"[0-9]+{point}?[0-9]*", rf"{point}[0-9]+"]
    return re.compile(rf"[+-]?(?:{'|'.join(plain + thousands)})(?:[eE][+-]?[0-9]{{1,4}})?")


_PATTERNS = {style: _pattern(*style) for style in _STYLES}


@dataclass(frozen=True)
class Points:
    """Points in the lab's square.

    Args:
        data: (n, 2), float64, within ``[-HALF, HALF]^2``.
        shift: (x, y) that was taken from the numbers of the table.
        scale: by which they were multiplied then, the same for both.
        report: what was done, in sentences.
    """

    data: np.ndarray
    shift: tuple[float, float]
    scale: float
    report: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    """The rows of a table that were kept: their fields, and the number of each one's line."""

    rows: list[list[str]]
    lines: list[int]
    style: tuple[str, str]
    header: list[str] | None
    said: list[str]


def parse(source: str | bytes, *, seed: int = 0) -> Points:
    """The points of a table.

    The first two columns of numbers are x and y; of a single one the values lie along x, and y is 0. A column that
    only numbers the rows is passed over. Rows in which a number is missing or infinite are left out and counted. Both
    columns are moved and scaled by one factor, so that the larger of their spans fills the square.

    Args:
        source: the table's text, or a file's bytes.
        seed: of the choice among more than ``MOST_ROWS`` rows: one of each of as many equal parts of the table.

    Raises:
        ValueError: a sentence for whoever brought the table: too large, no text, no numbers, text among the numbers
            (with its line), or no two points apart.
    """
    seed = checks.seed("seed", seed)
    table = _table(_text(source).splitlines(), seed)
    columns = _columns(table)
    data, lost = _numbers(table, columns)
    said = [f"Read {_count(len(data), 'point')} from {_from(table, columns)}.", *table.said]
    said += [f"{_count(count, 'row')} {why} left out." for why, count in lost.items() if count]
    return _brought_in(data, columns, table, said)


def _text(source: Any) -> str:
    if not isinstance(source, str | bytes | bytearray | memoryview):
        raise checks.fail("points", source, "the text of a table, or the bytes of a file")
    size = source.nbytes if isinstance(source, memoryview) else len(source)
    if size > MOST_BYTES:
        raise ValueError(f"the file has {size / 1e6:.0f} MB; allowed: at most {MOST_BYTES / 1e6:.0f} MB")
    text = source if isinstance(source, str) else _decoded(bytes(source))
    if "\0" in text:
        raise ValueError("this is no text: it holds bytes that no table has; allowed: a CSV file")
    if not text.strip("\ufeff \t\r\n"):
        raise ValueError("the table is empty; allowed: lines with two numbers each")
    return text.removeprefix("\ufeff").replace("−", "-")


def _decoded(source: bytes) -> str:
    for start, what in _OTHER_FILES.items():
        if source.startswith(start):
            raise ValueError(f"this is {what}, whatever its name says; allowed: a CSV file. Save it as CSV first")
    encoding = next((name for start, name in _BOMS if source.startswith(start)), "utf-8")
    try:
        return source.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise ValueError("this is no text that can be read; allowed: a CSV file in UTF-8") from error
    return source.decode("latin-1")  # every byte is a letter there; numbers are the same


def _table(lines: list[str], seed: int) -> _Table:
    numbered = [(k + 1, line) for k, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    for k, line in numbered:
        if len(line) > LONGEST_LINE:
            raise ValueError(f"line {k} has {len(line):,} characters; allowed: at most {LONGEST_LINE:,}")
    if not numbered:
        raise ValueError("the table has no lines but comments; allowed: lines with two numbers each")
    first = numbered[:_LOOKED_AT]
    style = max(_STYLES, key=lambda style: _fits([line for _, line in first], style))  # the first of the best
    header: list[str] | None = None
    said: list[str] = []
    head = _split([first[0][1]], style)[0]
    if len(numbered) > 1 and not any(_is_number(cell, style) for cell in head) and any(map(_filled, head)):
        header, numbered = [cell.strip() for cell in head], numbered[1:]
    if len(numbered) > MOST_ROWS:
        total = len(numbered)
        edges = np.linspace(0, total, MOST_ROWS + 1)
        chosen = (edges[:-1] + np.random.default_rng(seed).random(MOST_ROWS) * np.diff(edges)).astype(int)
        numbered = [numbered[k] for k in chosen.clip(0, total - 1)]
        said.append(f"The table has {total:,} rows; {MOST_ROWS:,} were taken, evenly.")
    rows = _split([line for _, line in numbered], style)
    several = [f"{_NAMES[style[0]]} between columns"] * (max(map(len, rows)) > 1)
    if style[1] == "," or (several and style[0] != ","):
        said.append(f"Taken: {' and '.join([*several, f'a decimal {_DECIMALS[style[1]]}'])}.")
    return _Table(rows, [number for number, _ in numbered], style, header, said)


def _fits(lines: list[str], style: tuple[str, str]) -> tuple[bool, float]:
    """How well lines are read in a style: whether it gives two columns of numbers, and which share of the cells."""
    # but for a header; None is text, NaN is nothing
    rows = [[_value(cell, style) for cell in row] for row in _split(lines[1:] or lines, style)]
    known = [[value for value in row if value is not None] for row in rows]
    two = sum(len(row) >= 2 and not all(map(math.isnan, row)) for row in known) >= 0.5 * len(rows)
    return two, round(sum(map(len, known)) / max(sum(map(len, rows)), 1), 2)


def _split(lines: list[str], style: tuple[str, str]) -> list[list[str]]:
    if style[0] == _BLANK:
        return [[cell.strip('"') for cell in line.split()] for line in lines]
    # one at a time: a quote that is never closed must not swallow the rest
    return [next(csv.reader([line], delimiter=style[0], skipinitialspace=True)) for line in lines]


def _is_number(cell: str, style: tuple[str, str]) -> bool:
    return _PATTERNS[style].fullmatch(cell.strip()) is not None


def _value(cell: str, style: tuple[str, str]) -> float | None:
    """The number in a cell: NaN if it is missing, infinite if it is too large to compute with, None for text."""
    cell = cell.strip()
    if _is_number(cell, style):
        plain = cell.replace(",", "") if style[1] == "." else cell.replace(".", "").replace(",", ".")
        value = float(plain)
        return value if abs(value) < _HUGE else math.inf
    word = cell.lower()
    return math.nan if word in _MISSING else math.inf if word.lstrip("+-") in _INFINITE else None


def _filled(cell: str) -> bool:
    return cell.strip().lower() not in _MISSING


def _columns(table: _Table) -> list[int]:
    """Which columns to take, one or two: the first that hold numbers in at least half of their filled cells."""
    width = max(map(len, table.rows))
    filled, numeric = [0] * width, [0] * width
    for row in _some(table.rows):
        for k, cell in enumerate(row):
            filled[k] += _filled(cell)
            numeric[k] += _filled(cell) and _value(cell, table.style) is not None
    found = [k for k in range(width) if filled[k] and 2 * numeric[k] >= filled[k]]
    if not found:
        cell = next((c for row in table.rows for c in row if _filled(c)), "")
        raise ValueError(f"no column holds numbers (I found {_shown(cell)}); allowed: numbers such as 1.5 or 1,5")
    if len(found) > 2 and _counts_rows(table, found[0]):
        table.said.append(f"Column {_title(table, found[0])} only numbers the rows and was passed over.")
        found = found[1:]
    if len(found) > 2:
        more = _count(len(found) - 2, "further column")
        table.said.append(f"Only the first two columns of numbers are used; there {_are(len(found) - 2)} {more}.")
    return found[:2]


def _some(rows: list[list[str]]) -> list[list[str]]:
    """Rows from everywhere in a table, not many more than ``_LOOKED_AT``."""
    return rows[:: max(1, len(rows) // _LOOKED_AT)]


def _counts_rows(table: _Table, k: int) -> bool:
    values = [_value(row[k], table.style) if k < len(row) else None for row in _some(table.rows)]
    known = [value for value in values if value is not None]
    rising = all(b > a and b == round(b) for a, b in itertools.pairwise(known) if math.isfinite(a + b))
    title = "x" if table.header is None else (table.header[k : k + 1] or [""])[0].lower()
    return title in _NUMBERING and len(known) == len(values) > 2 and rising


def _numbers(table: _Table, columns: list[int]) -> tuple[np.ndarray, dict[str, int]]:
    """The finite rows of the chosen columns, (n, 1 or 2), and how many were left out, and why."""
    found, lost = [], dict.fromkeys((_GAPS, _TOO_LARGE), 0)
    for row, line in zip(table.rows, table.lines):
        values = []
        for k in columns:
            value = _value(row[k], table.style) if k < len(row) else math.nan
            if value is None:
                allowed = (
                    f"numbers such as {'1.5' if table.style[1] == '.' else '1,5'}, or nothing where one is missing"
                )
                where = f"line {line}: {_shown(row[k])} in column {_title(table, k)}"
                raise ValueError(f"{where} is not a number; allowed: {allowed}")
            values.append(value)
        if any(map(math.isnan, values)):
            lost[_GAPS] += 1
        elif any(map(math.isinf, values)):
            lost[_TOO_LARGE] += 1
        else:
            found.append(values)
    if not found:
        raise ValueError("no row has all its numbers; allowed: at least two points")
    return np.array(found), lost


def _brought_in(data: np.ndarray, columns: list[int], table: _Table, said: list[str]) -> Points:
    low, high = data.min(0), data.max(0)
    span = float((high - low).max())
    middle = low / 2 + high / 2
    if not span > 1e-12 * float(np.abs(data).max()) or span < 1 / _HUGE:
        many = "there is only one point" if len(data) == 1 else f"all {len(data):,} points are the same"
        raise ValueError(f"{many}; allowed: at least two that differ")
    for k, one_span in enumerate(high - low):
        if one_span == 0:
            said.append(f"Column {_title(table, columns[k])} is the same everywhere: the points lie on a line.")
    scale = 2 * HALF / span
    moved = np.clip((data - middle) * scale, -HALF, HALF)
    if data.shape[1] == 1:
        moved = np.column_stack([moved, np.zeros(len(moved))])
        said.append("There is one column of numbers: they lie along x, and y is 0.")
    shift = (float(middle[0]), float(middle[1]) if len(middle) > 1 else 0.0)
    by = ", ".join(f"{-one:.4g}" for one in middle)
    said.append(f"Moved by ({by}) and multiplied by {scale:.4g}, so that they fit.")
    inner = np.abs(moved - np.median(moved, 0)).max(1)
    if np.quantile(inner, 0.98) < HALF / 5:
        said.append("A few points far away make all others small; leave them out to see more.")
    return Points(moved, shift, scale, tuple(said))


def _from(table: _Table, columns: list[int]) -> str:
    if table.header is None:
        return f"column{'s' * (len(columns) > 1)} {' and '.join(str(k + 1) for k in columns)}, without a header"
    return f"column{'s' * (len(columns) > 1)} {' and '.join(_title(table, k) for k in columns)}"


def _title(table: _Table, k: int) -> str:
    name = table.header[k] if table.header is not None and k < len(table.header) else ""
    return _shown(name) if name else str(k + 1)


def _shown(cell: str) -> str:
    cell = "".join(c if c.isprintable() else "?" for c in cell.strip())
    return repr(cell if len(cell) <= MOST_SHOWN else cell[: MOST_SHOWN - 1] + "…")


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


@dataclass(frozen=True)
class Sketch:
    """A density as few numbers: what a text of points holds.

    Args:
        centres: (K, 2) whole numbers from 0 to 65535: places in ``[-WIDEST, WIDEST]^2``; K is at most ``CENTRES``.
        weights: (K,) whole numbers from 1 to 65535.
        width: the Gaussians' std, a whole number from 1 to 65535, of ``WIDEST / 65535`` each.
    """

    centres: tuple[tuple[int, int], ...]
    weights: tuple[int, ...]
    width: int

    def __post_init__(self) -> None:
        try:
            centres = [(x, y) for x, y in self.centres]
            weights = list(self.weights)
        except (TypeError, ValueError) as error:
            raise checks.fail("centres", self.centres, "pairs of whole numbers, each with its weight") from error
        if not 1 <= len(centres) <= CENTRES or len(weights) != len(centres):
            raise checks.fail("centres", self.centres, f"1 to {CENTRES} pairs of whole numbers, each with its weight")
        whole = [
            (checks.integer("x", x, low=0, high=65535), checks.integer("y", y, low=0, high=65535)) for x, y in centres
        ]
        object.__setattr__(self, "centres", tuple(whole))
        object.__setattr__(self, "weights", tuple(checks.integer("weight", w, high=65535) for w in weights))
        object.__setattr__(self, "width", checks.integer("width", self.width, high=65535))


def sketch(data: Any, *, seed: int = 0) -> Sketch:
    """The kernel density of points, as few Gaussians.

    The bandwidth makes each point most likely under the others (on at most ``TRIED`` of them, then narrowed by
    ``n^(-1/6)`` for all n). More than ``CENTRES`` points are gathered by k-means; what they were spread around their
    centres is added to the variance, so that the whole keeps its own.

    Args:
        data: (n, 2) numbers within ``[-WIDEST, WIDEST]^2``, such as ``Points.data``.
        seed: of what is drawn among many points.
    """
    data = checks.points("data", data, (2,)).detach().double().cpu().numpy()
    if np.abs(data).max() > WIDEST:
        raise checks.fail("data", data, f"points from -{WIDEST:g} to {WIDEST:g}, such as parse(table).data")
    rng = np.random.default_rng(checks.seed("seed", seed))
    n = len(data)
    some = data if n <= TRIED else rng.choice(data, TRIED, replace=False)
    variance = (_bandwidth(some) * (len(some) / n) ** (1 / 6)) ** 2
    centres, weights = np.unique(data, axis=0, return_counts=True)
    if len(centres) > CENTRES:
        centres, weights, within = _gathered(data, rng)
        variance += within
    std = min(max(math.sqrt(variance), THINNEST), WIDEST)
    places = np.round((centres / WIDEST + 1) / 2 * 65535).astype(int)
    heavy = np.maximum(np.round(weights / weights.max() * 65535), 1).astype(int)
    order = np.lexsort(places.T)
    return Sketch(
        tuple((int(x), int(y)) for x, y in places[order]),
        tuple(int(w) for w in heavy[order]),
        max(1, round(std / WIDEST * 65535)),
    )


def _bandwidth(x: np.ndarray) -> float:
    """The std of kernels under which each of ``x`` (n, 2) is most likely, made from all others.

    In the plane, or along the line on which they lie: across it, the narrowest kernel would always be the best.
    """
    if len(x) < 2:
        return THINNEST
    dim = max(1, int((np.ptp(x, axis=0) > 0).sum()))
    squares = ((x[:, None] - x) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    tried = np.geomspace(THINNEST, WIDE, 18)
    likely = [np.log(np.exp(-squares / (2 * h * h)).mean(1) + 1e-300).mean() - dim * math.log(h) for h in tried]
    return float(tried[int(np.argmax(likely))])


def _gathered(data: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Centres (K, 2), how many points each stands for, and the points' variance around them, of one coordinate."""
    from sklearn.cluster import KMeans  # imported here because it takes a second

    means = KMeans(CENTRES, init="random", n_init=1, max_iter=20, random_state=int(rng.integers(2**31))).fit(data)
    counts = np.bincount(means.labels_, minlength=CENTRES)
    kept = counts > 0
    return means.cluster_centers_[kept], counts[kept], float(means.inertia_) / len(data) / 2


def _checked(sketch: Any) -> Sketch:
    if not isinstance(sketch, Sketch):
        raise checks.fail("sketch", sketch, "a points.Sketch, such as sketch(parse(table).data)")
    return sketch


def target(sketch: Sketch) -> Cloud:
    """The density of a sketch."""
    _checked(sketch)
    centres = torch.tensor(sketch.centres, dtype=torch.float64) * (2 * WIDEST / 65535) - WIDEST
    return Cloud(torch.tensor(sketch.weights, dtype=torch.float64), centres, sketch.width * WIDEST / 65535, "points")


def write(sketch: Sketch) -> str:
    """The text of a sketch; ``read`` gives it back. ``CENTRES`` take 3,213 characters, all of them fit for a link."""
    numbers: Iterable[int] = [_checked(sketch).width]
    numbers = [*numbers, *(n for (x, y), w in zip(sketch.centres, sketch.weights) for n in (x, y, w))]
    return PREFIX + base64.urlsafe_b64encode(np.array(numbers, ">u2").tobytes()).decode().rstrip("=")


def read(text: str) -> Sketch:
    """The sketch of a text.

    Raises:
        ValueError: it is not a text that ``write`` writes.
    """
    if not isinstance(text, str) or not text.startswith(PREFIX):
        raise checks.fail("points", text, f"a text that begins with {PREFIX!r}, as the lab writes it")
    body = text.removeprefix(PREFIX)
    damaged = ValueError("the text of the points is damaged: it is not as the lab writes it")
    if len(body) > 8 * CENTRES + 3:
        raise damaged
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
        numbers = np.frombuffer(data, ">u2").astype(int).tolist()
        width, rows = numbers[0], np.array(numbers[1:]).reshape(-1, 3).tolist()
        found = Sketch(tuple((x, y) for x, y, _ in rows), tuple(w for _, _, w in rows), width)
    except (binascii.Error, ValueError, IndexError) as error:
        raise damaged from error
    if write(found) != text:  # two texts of one density would be kept as two
        raise damaged
    return found
