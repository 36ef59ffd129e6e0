"""What a browser asks for, read with care: anybody can send anything, and nothing of it is trusted.

Everything here takes any value that JSON can hold and returns a clean one, or raises a ``ValueError`` that says in
plain words what is wrong.
"""

import math
from dataclasses import dataclass
from typing import Any

from orwlab import checks
from orwlab.show.lab.controls import TABLE

ACTIONS = ("play", "pause", "toggle", "step", "reset", "reset_to_demo")
LARGEST = 2**53  # whole numbers up to here mean the same in a browser
_SETTINGS = tuple(control.name for control in TABLE)


@dataclass(frozen=True)
class Change:
    """A control was moved. Of two for the same control the one with the later stamp counts."""

    name: str
    value: Any
    stamp: float = math.inf

    def __post_init__(self) -> None:
        checks.choice("control", self.name, _SETTINGS)


@dataclass(frozen=True)
class Press:
    """A button was pressed, one of ``ACTIONS``."""

    action: str

    def __post_init__(self) -> None:
        checks.choice("action", self.action, ACTIONS)


def read(order: Any) -> Change | Press | None:
    """One order: ``{name, value, stamp}``, ``{press}``, or ``{}``, which asks for nothing.

    Raises:
        ValueError: it is none of them.
    """
    if order == {}:
        return None
    if not isinstance(order, dict) or not ("press" in order or {"name", "value", "stamp"} <= order.keys()):
        raise checks.fail("order", order, "a name, a value and a stamp; or press and the name of a button")
    if "press" in order:
        return Press(order["press"])
    return Change(order["name"], order["value"], checks.number("stamp", order["stamp"], low=0, high=LARGEST))


def text(message: Any, name: str) -> str:
    """The text ``message[name]``, "" if there is none; at most 200 characters."""
    value = message.get(name) if isinstance(message, dict) else None
    return value[:200] if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """A whole number from 0 on, None if it is anything else."""
    plain = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST
    return int(value) if plain and value == int(value) else None
