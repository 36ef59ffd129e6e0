"""Checks for notebooks: each prints what was measured beside what was expected, and fails loudly.

Each takes a ``hint``: what to look at when it fails, for exercises. It is shown only then. A failure is always an
AssertionError with a sentence, whatever a student's answer is or does.
"""

import functools
import typing
from collections.abc import Callable, Iterable
from typing import Any, SupportsFloat

import numpy as np
import torch
from torch import Tensor


def exercise(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """Makes ``check``, whose docstring begins with what is asked for, safe against any answer.

    An answer that is missing, is no function where one is asked for, raises, or returns nothing or something that
    cannot be compared ends in an AssertionError that says so, and what was asked for.
    """
    wanted = " ".join((check.__doc__ or "").split())
    wants_function = typing.get_origin(next(iter(typing.get_type_hints(check).values()))) is Callable

    @functools.wraps(check)
    def checked(answer: Any) -> None:
        if answer is None or callable(answer) != wants_function:
            raise AssertionError(f"The answer is {_described(answer)}: NO.\nAsked for: {wanted}")
        returned: list[Any] = []

        def asked(*arguments: Any, **named: Any) -> Any:
            try:
                found = answer(*arguments, **named)
            except Exception as error:
                given = ", ".join(map(_described, arguments))
                raise AssertionError(
                    f"Your function raised {type(error).__name__}: {error}: NO. It was called with {given}.\n"
                    f"Asked for: {wanted}"
                ) from error
            if found is None:
                raise AssertionError(f"Your function returned nothing: NO. Does it end in return?\nAsked for: {wanted}")
            returned.append(found)
            return found

        try:
            check(asked if wants_function else answer)
        except AssertionError:
            raise
        except Exception as error:
            got = f"Your function returned {_described(returned[-1])}" if returned else f"It is {_described(answer)}"
            raise AssertionError(
                f"This answer cannot be checked ({type(error).__name__}: {error}): NO. {got}.\nAsked for: {wanted}"
            ) from None

    checked.is_exercise = True  # type: ignore[attr-defined]
    return checked


def shaped(what: str, measured: object, shape: tuple[int, ...], *, hint: str = "") -> Tensor:
    """``measured``, which must be a tensor of this shape, or AssertionError."""
    if not isinstance(measured, Tensor) or tuple(measured.shape) != shape:
        line = f"{what}: {_described(measured)}, expected a tensor of shape {shape}: NO"
        raise AssertionError(_with_hint(line, hint))
    return measured.detach()


def close(what: str, measured: SupportsFloat, expected: SupportsFloat, tolerance: float, *, hint: str = "") -> None:
    """``|measured - expected| <= tolerance``, or AssertionError."""
    number = _number(what, measured, hint)
    gap = abs(number - float(expected))
    _report(what, number, f"{float(expected):.4g} ± {tolerance:g}", gap <= tolerance, hint)


def pair(what: str, measured: object, names: str) -> tuple[Any, Any]:
    """The two things in ``measured``, which ``names`` calls by name, or AssertionError."""
    if not isinstance(measured, tuple | list) or len(measured) != 2:
        raise AssertionError(f"{what}: expected a pair, {names}: NO")
    return measured[0], measured[1]


def regression(what: str, measured: SupportsFloat, recorded: SupportsFloat, tolerance: float) -> None:
    """As ``close``, against a number that this package itself recorded: the line says so.

    It guards against changes. It is no evidence for the claim: theory or an independent computation has to be.
    """
    close(f"{what} [regression]", measured, recorded, tolerance)


def below(what: str, measured: SupportsFloat, limit: float, *, hint: str = "") -> None:
    """``measured < limit``, or AssertionError."""
    number = _number(what, measured, hint)
    _report(what, number, f"below {limit:g}", number < limit, hint)


def above(what: str, measured: SupportsFloat, limit: float, *, hint: str = "") -> None:
    """``measured > limit``, or AssertionError."""
    number = _number(what, measured, hint)
    _report(what, number, f"above {limit:g}", number > limit, hint)


def same(what: str, measured: Tensor, expected: Tensor, tolerance: float, *, hint: str = "") -> None:
    """Tensors of one shape whose largest absolute difference is below ``tolerance``, or AssertionError."""
    measured = shaped(what, measured, tuple(expected.shape), hint=hint)
    gap = (measured.double() - expected.detach().double()).abs().max() if expected.numel() else torch.zeros(())
    _report(f"{what}, largest difference", float(gap), f"below {tolerance:g}", float(gap) < tolerance, hint)


def holds(what: str, condition: object, *, hint: str = "") -> None:
    """Something that is true or false and has no number of its own, or AssertionError."""
    line = f"{what}: {'yes' if condition else 'NO'}"
    _print(line, bool(condition), hint)


def diagnosed(
    answer: Callable[[dict[str, float]], Any], cases: Iterable[tuple[str, str, dict[str, float]]], ask: str
) -> None:
    """``answer(readings)`` has to be each case's verdict; a case is (verdict, where, readings), ``ask`` a last hint."""
    for verdict, where, found in cases:
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
        said = answer(dict(found))
        hint = f"You said {said!r}. The readings were: {numbers}. {ask}"
        holds(f"{where}: {verdict.replace('_', ' ')}", said == verdict, hint=hint)


def _number(what: str, measured: object, hint: str) -> float:
    """``measured`` as one number, or AssertionError."""
    try:
        return float(measured)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        line = f"{what}: {_described(measured)}, expected one number: NO"
        raise AssertionError(_with_hint(line, hint)) from None


def _described(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray) and value.ndim > 0:
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        return f"{kind} of shape {tuple(value.shape)}"
    if isinstance(value, int | float | Tensor | np.ndarray | np.generic):
        return f"the number {float(value):.4g}" if not np.iscomplexobj(value) else "a complex number"
    if value is None:
        return "nothing (None)"
    return "a function" if callable(value) and not isinstance(value, type) else f"a {type(value).__name__}"


def _report(what: str, measured: float, expected: str, holds: bool, hint: str) -> None:
    line = f"{what}: measured {measured:.4g}, expected {expected}: {'yes' if holds else 'NO'}"
    _print(line, holds, hint)  # NaN fails every comparison, so it never holds


def _print(line: str, holds: bool, hint: str) -> None:
    print(line)
    if not holds:
        raise AssertionError(_with_hint(line, hint))


def _with_hint(line: str, hint: str) -> str:
    return f"{line}\n{hint}" if hint else line
