"""The rows of a sweep: chosen, averaged over seeds, printed, and kept as CSV."""

import csv
import io
import math
import statistics
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from orwlab import checks, files

SETTINGS = ("target", "reward", "method", "alpha", "tau", "seed")
"""the columns that say which run a row is of"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run. Numbers that there are not are NaN.

    ``mean_reward = raw_reward - raw_reference + exact_reference``: what the samples have gained over the reference's
    from the same noise, beside what the target has exactly. So neither the noise nor what the reference has not learned
    counts, and it can be held to ``exact``. Where nobody knows the target's density it is NaN, and ``raw_reward`` is
    what there is.
    """

    target: str
    reward: str
    method: str
    alpha: float
    tau: float
    seed: int
    strength: float
    """tau / alpha; tau alone for methods without an alpha"""
    mean_reward: float = math.nan
    """of the running average, less what the reference has from the same noise, plus what the target has exactly; NaN
    where the target's density is not known"""
    raw_reward: float = math.nan
    """mean reward of the running average's samples, as they are"""
    raw_reference: float = math.nan
    """that of the reference's samples from the same noise"""
    exact_reference: float = math.nan
    """the mean reward under the target itself"""
    exact: float = math.nan
    """the mean reward where an infinitely good network would settle"""
    gap: float = math.nan
    """mean_reward - exact"""
    kl: float = math.nan
    """KL(policy | reference) in nats"""
    exact_kl: float = math.nan
    w2_squared: float = math.nan
    """W2^2 between samples of policy and reference"""
    diversity: float = math.nan
    """E|x - x'| between two samples"""
    exact_diversity: float = math.nan
    ess: float = math.nan
    """effective sample size of the weights, mean over the last tenth of the rounds"""
    achieved: float = math.nan
    """the slope of log p / p_ref over the reward: the strength that was reached"""
    r_squared: float = math.nan
    """how much of log p / p_ref that slope explains"""
    forward: int = 0
    """evaluations of velocities"""
    backward: int = 0
    """of these, those through which a gradient went back"""
    rewards: int = 0
    """rewards asked for"""
    reward_gradients: int = 0
    rounds: int = 0
    """rounds done"""
    seconds: float = math.nan
    """of the rounds, on one thread"""
    trusted: bool = False
    """whether the exact values are sure: the search for them ended, the grid resolves the limit, and the method is
    known to lead there"""
    error: str = ""
    """what went wrong, in a sentence"""


COLUMNS = tuple(field.name for field in fields(Row))
_TYPES = typing.get_type_hints(Row)
NUMBERS = tuple(name for name in COLUMNS if name not in SETTINGS and _TYPES[name] in (int, float))
"""the columns that ``mean`` takes"""


SAID = 5  # errors that are printed below a table


class Mean(NamedTuple):
    """Over seeds: the mean, the standard deviation (0 for one), and of how many runs."""

    mean: float
    spread: float
    n: int


@dataclass(frozen=True)
class Table:
    """Rows in a fixed order: target, reward, method, tau, alpha, seed, each as it was given.

    ``pandas.DataFrame(table.rows)`` takes it.
    """

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        allowed = "at least one Row"
        try:
            rows = tuple(self.rows)
        except TypeError as error:
            raise checks.fail("rows", self.rows, allowed) from error
        if not rows or not all(isinstance(row, Row) for row in rows):
            raise checks.fail("rows", self.rows, allowed)
        object.__setattr__(self, "rows", rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def values(self, setting: str) -> list[Any]:
        """What a setting, one of ``SETTINGS``, is in the table: each value once, in order."""
        setting = checks.choice("setting", setting, SETTINGS)
        return list(dict.fromkeys(getattr(row, setting) for row in self.rows))

    def select(self, **which: Any) -> "Table":
        """The rows with these settings, one or several values each: ``table.select(alpha=(0.1, 1.0), seed=0)``.

        Raises:
            ValueError: no setting of that name, or no row with that value.
        """
        rows: Iterable[Row] = self.rows
        for name, wanted in which.items():
            known = self.values(name)
            several = wanted if isinstance(wanted, list | tuple | set | range) else (wanted,)
            for value in several:
                if not any(value == one for one in known):
                    raise checks.fail(name, value, f"one of {', '.join(map(str, known))}")
            rows = [row for row in rows if any(getattr(row, name) == value for value in several)]
        return Table(tuple(rows))

    def cells(self) -> list["Table"]:
        """A table for each cell: the rows that differ in their seed alone."""
        found: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            found.setdefault(tuple(getattr(row, name) for name in SETTINGS[:-1]), []).append(row)
        return [Table(tuple(rows)) for rows in found.values()]

    def mean(self, what: str, **which: Any) -> Mean:
        """Mean and spread of a number, one of ``NUMBERS``, over the runs with these settings that ran to their end.

        Runs that failed or diverged do not count; with none left it is NaN.

        Raises:
            ValueError: no such number, no setting of that name, or no row with that value.
        """
        what = checks.choice("what", what, NUMBERS)
        values = [float(getattr(row, what)) for row in self.select(**which) if not row.error]
        values = [value for value in values if not math.isnan(value)]
        if not values:
            return Mean(math.nan, math.nan, 0)
        return Mean(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values))

    def csv(self) -> str:
        """The table as CSV: a line of names, a line a row. ``Table.parsed`` gives back every number to the last digit.

        NaN is an empty cell. A text that a spreadsheet would take for a formula has a ' before it.
        """
        file = io.StringIO()
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        lines.writerows([_as_cell(getattr(row, name)) for name in COLUMNS] for row in self.rows)
        return file.getvalue()

    def write(self, path: str | PathLike[str]) -> None:
        """Write the ``csv`` to a file, whole or not at all.

        Raises:
            ValueError: ``path`` is no place for a file.
        """
        files.write_bytes(path, self.csv().encode())

    @classmethod
    def parsed(cls, text: str) -> "Table":
        """The table of which ``csv`` made this text.

        Raises:
            ValueError: it is none; the message says where.
        """
        allowed = "the CSV of a table of a sweep"
        if not isinstance(text, str):
            raise checks.fail("text", text, allowed)
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        if not lines or tuple(lines[0]) != COLUMNS:
            raise checks.fail("text", text, f"{allowed}, which begins with {','.join(COLUMNS[:3])}, ...")
        rows = []
        for number, line in enumerate(lines[1:], start=2):
            try:
                rows.append(
                    Row(**{name: _of_cell(cell, _TYPES[name]) for name, cell in zip(COLUMNS, line, strict=True)})
                )
            except ValueError as error:
                raise ValueError(f"row {number} of text: {error}; allowed: {allowed}") from error
        return cls(tuple(rows))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "Table":
        """The table in a file that ``write`` made.

        Raises:
            ValueError: the file is missing or holds something else.
        """
        try:
            text = Path(path).read_bytes().decode()
        except (OSError, TypeError, ValueError) as error:
            raise checks.fail("path", path, f"a file that Table.write made ({error})") from error
        return cls.parsed(text)

    def __str__(self) -> str:
        """A line a cell, mean ± spread over its seeds; above it what is the same everywhere, below it errors.

        "mean reward" is ``Row.mean_reward``. Where there is none for want of a density, "raw reward" stands beside it.
        """
        known = {name: self.values(name) for name in SETTINGS[:-1]}
        same = [f"{name} {_short(values[0])}" for name, values in known.items() if len(values) == 1]
        free = [name for name in ("target", "reward", "method", "tau", "alpha") if len(known[name]) > 1]
        seeds = self.values("seed")
        weights = ["weights mean_one"] * ("orw_cfm_w2" in known["method"])  # what its alpha goes with
        heading = [*same, *weights, f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"]
        raw = any(math.isnan(row.mean_reward) and not math.isnan(row.raw_reward) for row in self.rows)
        lines = [
            [
                *free,
                *["raw reward"] * raw,
                "mean reward",
                "exact",
                "gap",
                "KL",
                "exact",
                "W2^2",
                "diversity",
                "exact",
                "ESS",
                "achieved",
                "seconds",
                "",
            ]
        ]
        for cell in self.cells():
            first = cell.rows[0]
            exact, exact_kl, exact_diversity = (
                f"{getattr(first, name):.3f}{'' if first.trusted else '?'}"
                if not math.isnan(getattr(first, name))
                else "-"
                for name in ("exact", "exact_kl", "exact_diversity")
            )
            lines.append([
                *(_short(getattr(first, name)) for name in free),
                *[_spread(cell.mean("raw_reward"))] * raw,
                _spread(cell.mean("mean_reward")), exact, _spread(cell.mean("gap")),
                _spread(cell.mean("kl")), exact_kl, _plain(cell.mean("w2_squared"), 2),
                _plain(cell.mean("diversity"), 2), exact_diversity, _plain(cell.mean("ess"), 0),
                _plain(cell.mean("achieved"), 2), _plain(cell.mean("seconds"), 1), _lost(cell),
            ])  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = [
            "  ".join(f"{text:>{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        errors = list(dict.fromkeys(row.error for row in self.rows if row.error))
        said = errors[:SAID] + [f"and {len(errors) - SAID} other errors"] * (len(errors) > SAID)
        return "\n".join([", ".join(heading), *body, *said])


def _lost(cell: Table) -> str:
    lost = [row for row in cell if row.error]
    if not lost:
        return ""
    kinds = dict.fromkeys(row.error.partition(":")[0] for row in lost)
    return f"{len(lost)} of {len(cell)}: {', '.join(kinds)}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spread(found: Mean) -> str:
    return f"{found.mean:.3f} ± {found.spread:.3f}" if found.n > 1 else _plain(found, 3)


def _plain(found: Mean, digits: int) -> str:
    return f"{found.mean:.{digits}f}" if found.n else "-"


def _as_cell(value: Any) -> str:
    if isinstance(value, str):
        return files.cell(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return str(value)


def _of_cell(text: str, kind: Any) -> Any:
    if kind is str:
        return files.uncelled(text)
    if kind is bool:
        return checks.choice("a cell", text, ("True", "False")) == "True"
    if kind is int:
        return int(text)
    return float(text) if text else math.nan
