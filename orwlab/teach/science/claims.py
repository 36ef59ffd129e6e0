"""What a claim is: a sentence, what was measured, what was expected, and whether they agree."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import plotly.graph_objects as go


@dataclass(frozen=True)
class Claim:
    """One measured number against what was expected of it."""

    key: str
    """its name within the section, which does not change when the sentence does"""
    says: str
    measured: float
    kind: str
    """"close", "below", "above"; or "measured", where nothing was expected"""
    limit: float | None
    """what was expected, or the bound"""
    tolerance: float | None
    """of "close"; None for the others"""
    holds: bool

    @property
    def expected(self) -> str:
        """In words, for a table; empty for a measurement."""
        if self.limit is None:
            return ""
        return f"{self.kind} {self.limit:.4g}" if self.tolerance is None else f"{self.limit:.4g} ± {self.tolerance:g}"

    @property
    def verdict(self) -> str:
        """Whether it holds, as "yes" or "NO"; empty for a measurement that is finite."""
        return ("" if self.limit is None else "yes") if self.holds else "NO"


@dataclass
class Section:
    """A question of the report: its claims, its figures, and what a reader should take away."""

    title: str
    lead: str
    seed: int | None = None
    """of what is random in it (the first, where several seeds are taken); None where nothing is"""
    claims: list[Claim] = field(default_factory=list)
    figures: list[tuple[str, go.Figure]] = field(default_factory=list)
    """(text alternative, figure)"""

    def close(self, key: str, says: str, measured: float, expected: float, tolerance: float) -> None:
        """Claim ``|measured - expected| <= tolerance``."""
        holds = math.isfinite(measured) and abs(measured - expected) <= tolerance
        self._add(key, says, measured, "close", expected, tolerance, holds)

    def below(self, key: str, says: str, measured: float, limit: float) -> None:
        """Claim ``measured < limit``."""
        self._add(key, says, measured, "below", limit, None, measured < limit)

    def above(self, key: str, says: str, measured: float, limit: float) -> None:
        """Claim ``measured > limit``."""
        self._add(key, says, measured, "above", limit, None, measured > limit)

    def number(self, key: str, says: str, measured: float) -> None:
        """A measurement without a prediction, for others to compare themselves with."""
        self._add(key, says, measured, "measured", None, None, math.isfinite(measured))

    def _add(
        self, key: str, says: str, measured: float, kind: str, limit: float | None, tolerance: float | None, holds: bool
    ) -> None:
        if key in [claim.key for claim in self.claims]:
            raise ValueError(f"key is {key!r}, which another claim of {self.title!r} has; allowed: a new one")
        limit = None if limit is None else float(limit)
        self.claims.append(Claim(key, says, float(measured), kind, limit, tolerance, bool(holds)))


Investigation = Callable[[], Section]
