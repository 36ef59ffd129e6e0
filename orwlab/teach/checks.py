"""Checks for notebooks: each prints what was measured beside what was expected, and fails loudly."""

from typing import SupportsFloat


def close(what: str, measured: SupportsFloat, expected: SupportsFloat, tolerance: float) -> None:
    """``|measured - expected| <= tolerance``, or AssertionError."""
    gap = abs(float(measured) - float(expected))
    _report(what, float(measured), f"{float(expected):.4g} ± {tolerance:g}", gap <= tolerance)


def below(what: str, measured: SupportsFloat, limit: float) -> None:
    """``measured < limit``, or AssertionError."""
    _report(what, float(measured), f"below {limit:g}", float(measured) < limit)


def above(what: str, measured: SupportsFloat, limit: float) -> None:
    """``measured > limit``, or AssertionError."""
    _report(what, float(measured), f"above {limit:g}", float(measured) > limit)


def _report(what: str, measured: float, expected: str, holds: bool) -> None:
    line = f"{what}: measured {measured:.4g}, expected {expected}: {'yes' if holds else 'NO'}"
    print(line)
    if not holds:  # also when measured is NaN
        raise AssertionError(line)
