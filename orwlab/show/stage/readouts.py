"""What a frame says beside the particles: numbers with their explanation, and curves over rounds, a value a lane."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NOTHING = -99.0
"""log10 of a value that a logarithmic panel cannot show (zero or below): it is left out of the line"""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Number:
    """A read-out: a tile, or a row of the table when several lanes are side by side.

    Args:
        key: the same in every frame and every lane; the stage keeps one slot for it.
        name: what it is called, and ``short`` where there is no room.
        value: ready to be read, such as "0.40" or "43 %".
        exact: what it would be without a network and without samples, ready to be read; None if nobody knows.
        hint: what explains the symbol.
        spread: how far the value wanders, ready to be read, such as "±0.004"; shown where there is room.
    """

    key: str
    name: str
    short: str
    value: str
    exact: str | None = None
    hint: str = ""
    spread: str | None = None


@dataclass(frozen=True)
class Curve:
    """One panel over rounds, holding the lines of all lanes.

    Args:
        series: its name; in a logarithmic panel there may be several.
        title: what stands over the panel.
        values: (R,) for a single lane, (lanes, R), or (series, lanes, R) where there are several series.
        baseline: the reference's value, a dotted line.
        exact: the exact limit, a dashed line: one value, or one (or None) a lane.
        exact_name: what the dashed line is called: one name, or one a lane.
        span: the least height of the panel in the curve's units, so that noise is not blown up.
        hint: one sentence that explains the quantity.
        log: logarithmic axis. Values of zero or below are left out.
        names: what the lines of several series are called.
        rounds: the rounds at which it has values, if these are not the frame's.
    """

    series: str | Sequence[str]
    title: str
    values: Any
    baseline: float | None = None
    exact: float | Sequence[float | None] | None = None
    exact_name: str | Sequence[str] = "exact limit"
    span: float = 0.5
    hint: str = ""
    log: bool = False
    names: Sequence[str] = ()
    rounds: Sequence[int] | None = None

    def header(self) -> dict[str, Any]:
        """The part of it that goes into a frame's header.

        Raises:
            ValueError: the shape of ``values`` does not fit ``series`` or ``rounds``.
        """
        values = self._values()  # (series, lanes, R)
        say = significant if self.log else signed
        last = [[say(float(lane[-1])) if len(lane) else "–" for lane in series] for series in values]
        return {
            "series": self.series if isinstance(self.series, str) else list(self.series),
            "title": self.title,
            "hint": self.hint,
            "log": self.log,
            "span": self.span,
            "names": list(self.names),
            "values": last[0] if isinstance(self.series, str) else last,
            "baseline": _mark(self.baseline, "reference", say),
            "exact": self._exact_marks(values.shape[1], say),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Series name -> (lanes, R), log10 of it in a logarithmic panel; and the rounds if it has its own."""
        values, names = self._values(), self._names()
        if self.log:
            positive = values > 0
            values = np.where(positive, np.log10(np.where(positive, values, 1.0)), NOTHING)
        found = {name: lanes.astype(np.float32) for name, lanes in zip(names, values)}
        if self.rounds is not None:
            found[f"rounds of {names[0]}"] = np.asarray(self.rounds, np.float32)
        return found

    def _names(self) -> list[str]:
        return [self.series] if isinstance(self.series, str) else list(self.series)

    def _values(self) -> np.ndarray:
        """(series, lanes, R)"""
        values = np.asarray(self.values, np.float64)
        names = self._names()
        if isinstance(self.series, str):
            values = values[None, None] if values.ndim == 1 else values[None]
        if values.ndim != 3 or len(values) != len(names):
            wanted = f"(R,) or (lanes, R), and ({len(names)}, lanes, R) for several series"
            raise ValueError(f"values of curve {self.title!r} has shape {np.shape(self.values)}; allowed: {wanted}")
        if self.rounds is not None and len(self.rounds) != values.shape[2]:
            raise ValueError(f"rounds of curve {self.title!r} has {len(self.rounds)} entries; allowed: one a value")
        return values

    def _exact_marks(self, lanes: int, say: Any) -> list[dict[str, Any] | None]:
        values = [self.exact] * lanes if self.exact is None or isinstance(self.exact, int | float) else self.exact
        names = [self.exact_name] * lanes if isinstance(self.exact_name, str) else self.exact_name
        if len(values) != lanes or len(names) != lanes:
            raise ValueError(f"exact of curve {self.title!r} has {len(values)} entries; allowed: one a lane, {lanes}")
        return [_mark(value, name, say) for value, name in zip(values, names)]


def _mark(value: float | None, name: str, say: Any) -> dict[str, Any] | None:
    return None if value is None else {"value": float(value), "label": f"{name} {say(value)}"}


def plain(number: "Number | Mapping[str, Any] | Sequence[str]") -> Any:
    """A number as JSON holds it."""
    return dict(vars(number)) if isinstance(number, Number) else number  # asdict copies deeply: half of a frame's time


def signed(value: float) -> str:
    """Two decimals with a proper minus sign; a power of ten for large numbers."""
    if math.isfinite(value) and abs(value) >= 999.995:  # which two decimals would call 1000
        return _scientific(value)
    text = f"{value:.2f}"
    return (text[1:] if text.strip("-0.") == "" and text.startswith("-") else text).replace("-", "−")


def significant(value: float) -> str:
    """Two significant digits, for quantities that span decades."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if not 0.001 <= abs(value) < 1000:
        return _scientific(value)
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}".replace("-", "−")


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.replace('-', '−')}·10{str(int(exponent)).translate(SUPERSCRIPTS)}"
