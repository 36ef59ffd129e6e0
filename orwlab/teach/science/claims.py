"""What a claim is: a sentence, what was measured, what was expected, and whether they agree."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import plotly.graph_objects as go


@dataclass(frozen=True)
class Claim:
    """One measured number against what was expected of it."""

    says: str
    measured: float
    expected: str
    holds: bool


@dataclass
class Section:
    """A question of the report: its claims, its figures, and what a reader should take away."""

    title: str
    lead: str
    claims: list[Claim] = field(default_factory=list)
    figures: list[tuple[str, go.Figure]] = field(default_factory=list)
    """(text alternative, figure)"""

    def close(self, says: str, measured: float, expected: float, tolerance: float) -> None:
        """Claim ``|measured - expected| <= tolerance``."""
        holds = math.isfinite(measured) and abs(measured - expected) <= tolerance
        self.claims.append(Claim(says, measured, f"{expected:.4g} ± {tolerance:g}", holds))

    def below(self, says: str, measured: float, limit: float) -> None:
        """Claim ``measured < limit``."""
        self.claims.append(Claim(says, measured, f"below {limit:.4g}", measured < limit))

    def above(self, says: str, measured: float, limit: float) -> None:
        """Claim ``measured > limit``."""
        self.claims.append(Claim(says, measured, f"above {limit:.4g}", measured > limit))


Investigation = Callable[[], Section]
