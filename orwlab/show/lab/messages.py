"""What browsers say, read with care: anybody can send anything that JSON can hold."""

from collections.abc import Sequence
from typing import Any

from orwlab import checks

LARGEST = 2**53
"""whole numbers up to here mean the same in a browser"""


def text(message: Any, name: str) -> str:
    """The text ``message[name]``, "" if there is none; at most 200 characters."""
    value = message.get(name) if isinstance(message, dict) else None
    return value[:200] if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """A whole number from 0 on, None if it is anything else."""
    plain = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST
    return int(value) if plain and value == int(value) else None


def question(message: Any, kinds: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """What is asked, ``message["what"]``, which is one of ``kinds``, and the message.

    Raises:
        ValueError: it is none of them, or no message.
    """
    asked = message if isinstance(message, dict) else {}
    return checks.choice("what", text(asked, "what"), kinds), asked
