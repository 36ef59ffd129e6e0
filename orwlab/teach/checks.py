"""Checks for notebooks: each prints what was measured beside what was expected, and fails loudly.

Each takes a ``hint``: what to look at when it fails, for exercises. It is shown only then.
"""

from typing import SupportsFloat

import torch
from torch import Tensor


def close(what: str, measured: SupportsFloat, expected: SupportsFloat, tolerance: float, *, hint: str = "") -> None:
    """``|measured - expected| <= tolerance``, or AssertionError."""
    gap = abs(float(measured) - float(expected))
    _report(what, measured, f"{float(expected):.4g} ± {tolerance:g}", gap <= tolerance, hint)


def below(what: str, measured: SupportsFloat, limit: float, *, hint: str = "") -> None:
    """``measured < limit``, or AssertionError."""
    _report(what, measured, f"below {limit:g}", float(measured) < limit, hint)


def above(what: str, measured: SupportsFloat, limit: float, *, hint: str = "") -> None:
    """``measured > limit``, or AssertionError."""
    _report(what, measured, f"above {limit:g}", float(measured) > limit, hint)


def same(what: str, measured: Tensor, expected: Tensor, tolerance: float, *, hint: str = "") -> None:
    """Tensors of one shape whose largest absolute difference is below ``tolerance``, or AssertionError."""
    if not isinstance(measured, Tensor):
        raise AssertionError(_with_hint(f"{what}: a {type(measured).__name__}, expected a tensor: NO", hint))
    if measured.shape != expected.shape:
        shapes = f"shape {tuple(measured.shape)}, expected {tuple(expected.shape)}"
        raise AssertionError(_with_hint(f"{what}: {shapes}: NO", hint))
    gap = (measured.detach().double() - expected.detach().double()).abs().max() if expected.numel() else torch.zeros(())
    _report(f"{what}, largest difference", gap, f"below {tolerance:g}", float(gap) < tolerance, hint)


def holds(what: str, condition: object, *, hint: str = "") -> None:
    """Something that is true or false and has no number of its own, or AssertionError."""
    line = f"{what}: {'yes' if condition else 'NO'}"
    _print(line, bool(condition), hint)


def _report(what: str, measured: SupportsFloat, expected: str, holds: bool, hint: str) -> None:
    line = f"{what}: measured {float(measured):.4g}, expected {expected}: {'yes' if holds else 'NO'}"
    _print(line, holds, hint)  # NaN fails every comparison, so it never holds


def _print(line: str, holds: bool, hint: str) -> None:
    print(line)
    if not holds:
        raise AssertionError(_with_hint(line, hint))


def _with_hint(line: str, hint: str) -> str:
    return f"{line}\n{hint}" if hint else line
