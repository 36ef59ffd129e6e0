"""Rewards typed as a formula of x and y, such as ``exp(-x^2) * sin(3*y)``.

    sum      = product {("+" | "-") product}
    product  = signed {("*" | "/") signed}
    signed   = ("+" | "-") signed | power
    power    = atom ["^" signed]
    atom     = number | name | function "(" sum {"," sum} ")" | "(" sum ")"

As mathematicians read it: ``-x^2`` is ``-(x^2)``, ``2^3^2`` is ``2^9``; ``**`` is ``^``. The parser writes a list of
steps for a stack of tensors. Only the names below exist, all arithmetic is in floating point, and there are no loops:
nothing that can be typed runs code, grows or goes on for ever.
"""

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from orwlab import checks

PREFIX = "formula:"
LONGEST = 200  # characters
DEEPEST = 30  # things within each other
CHECKED = 6.0  # half the side of the square on which a formula must have values
FINENESS = 40  # places a unit at which it is looked at
LARGEST = 1e6  # that a reward may be
GROWS = 0.1  # from one distance to ten times that, what has no ceiling

_Step = tuple[Callable[..., Tensor], int]  # what to do with so many of the stack's last tensors


def _step_function(u: Tensor) -> Tensor:
    return (u >= 0).to(u.dtype)


def _least(*values: Tensor) -> Tensor:
    return functools.reduce(torch.minimum, values)


def _most(*values: Tensor) -> Tensor:
    return functools.reduce(torch.maximum, values)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "tanh": torch.tanh,
    "min": _least,
    "max": _most,
    "sign": torch.sign,
    "step": _step_function,
}
"""``log`` is the natural logarithm, ``step(u)`` is 1 from 0 on and else 0; ``min`` and ``max`` take two or more."""
SEVERAL = ("min", "max")
CONSTANTS = {"pi": math.pi, "e": math.e}
VARIABLES: dict[str, Callable[[Tensor], Tensor]] = {
    "x": lambda x: x[:, 0],
    "y": lambda x: x[:, 1],
    "r": lambda x: torch.linalg.vector_norm(x, dim=1),  # whose gradient at 0 is 0
    "angle": lambda x: torch.atan2(x[:, 1], x[:, 0]),
}
"""``r`` is the distance from the middle, ``angle`` the angle from the right, anticlockwise, from -pi to pi."""
_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "^": torch.pow,
}
_ALLOWED = f"x, y, r, angle, pi, e, numbers, + - * / ^ ( ) and {', '.join(FUNCTIONS)}"
_SPELLINGS = {"**": "^", "−": "-", "–": "-", "·": "*", "×": "*", "÷": "/", "π": "pi"}
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z_0-9]*|π)"
    r"|(?P<sign>\*\*|[-+*/^(),−–·×÷])"
)


@dataclass(frozen=True)
class _Token:
    kind: str  # "number", "name", "sign" or "end"
    text: str
    at: int  # character, counted from 1


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise _wrong(f"I do not know {text[at]!r} at character {at + 1}; allowed: {_ALLOWED}")
        what = match.group()
        found.append(_Token(str(match.lastgroup), _SPELLINGS.get(what, what), at + 1))
        at = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


def _wrong(why: str) -> ValueError:
    return ValueError(f"formula: {why}")


class _Parser:
    """Reads tokens from left to right and writes down steps."""

    def __init__(self, text: str) -> None:
        self.tokens, self.position, self.depth = _tokens(text), 0, 0
        self.steps: list[_Step] = []
        if self.now.kind == "end":
            raise _wrong("nothing is written; allowed: for example exp(-x^2) * sin(3*y)")
        self.sum()
        if self.now.kind != "end":
            raise self.surprised()

    @property
    def now(self) -> _Token:
        return self.tokens[self.position]

    def take(self, *signs: str) -> str | None:
        """The next token's text, and on to the one after it, if it is one of ``signs``."""
        if self.now.kind != "sign" or self.now.text not in signs:
            return None
        self.position += 1
        return self.tokens[self.position - 1].text

    def surprised(self) -> ValueError:
        """What is wrong where something else should stand."""
        token, before = self.now, self.tokens[max(self.position - 1, 0)]
        if token.kind == "end":
            return _wrong(f"it ends too early, after character {token.at - 1}; a number, x, y or a ) is missing")
        after_value = before.kind in ("number", "name") or before.text == ")"
        if self.position and after_value and (token.kind in ("number", "name") or token.text == "("):
            return _wrong(f"between {before.text!r} and {token.text!r} at character {token.at} a * is missing")
        if token.text == ",":
            return _wrong(f"the comma at character {token.at} does not fit there; allowed: 1.5 with a point, min(x, y)")
        return _wrong(f"{token.text!r} at character {token.at} does not fit there; allowed: {_ALLOWED}")

    def sum(self) -> None:
        self.row(self.product, "+", "-")

    def product(self) -> None:
        self.row(self.signed, "*", "/")

    def row(self, part: Callable[[], None], *signs: str) -> None:
        part()
        while sign := self.take(*signs):
            part()
            self.steps.append((_OPERATIONS[sign], 2))

    def signed(self) -> None:
        self.depth += 1  # everything that stands within something else passes here
        if self.depth > DEEPEST:
            raise _wrong(f"more than {DEEPEST} things stand within each other at character {self.now.at}")
        if sign := self.take("+", "-"):
            self.signed()
            if sign == "-":
                self.steps.append((torch.neg, 1))
        else:
            self.power()
        self.depth -= 1

    def power(self) -> None:
        self.atom()
        if self.take("^"):
            self.signed()
            self.steps.append((torch.pow, 2))

    def atom(self) -> None:
        token = self.now
        if self.take("("):
            self.sum()
            self.close()
            return
        if token.kind not in ("number", "name"):
            raise self.surprised()
        self.position += 1
        if token.kind == "number":
            self.constant(float(token.text))
        elif token.text in CONSTANTS:
            self.constant(CONSTANTS[token.text])
        elif token.text in VARIABLES:
            self.steps.append((VARIABLES[token.text], 0))
        elif token.text in FUNCTIONS:
            self.function(token)
        else:
            raise _wrong(f"I do not know {token.text!r} at character {token.at}; allowed: {_ALLOWED}")

    def constant(self, value: float) -> None:
        self.steps.append((lambda x: x.new_tensor(value), 0))

    def function(self, token: _Token) -> None:
        if not self.take("("):
            raise _wrong(f"after {token.text!r} at character {token.at} a ( is missing, as in {token.text}(x)")
        self.sum()
        given = 1
        while self.take(","):
            self.sum()
            given += 1
        self.close()
        if (given > 1) != (token.text in SEVERAL):
            wanted = "two numbers or more" if token.text in SEVERAL else "one number"
            raise _wrong(f"{token.text!r} at character {token.at} takes {wanted}, not {given}")
        self.steps.append((FUNCTIONS[token.text], given))

    def close(self) -> None:
        if not self.take(")"):
            if self.now.kind == "end":
                raise _wrong(f"a ) is missing at the end, character {self.now.at}")
            raise self.surprised()


@dataclass(frozen=True)
class Formula:
    """A formula of x and y as a reward (n, 2) -> (n,).

    It must have a value, of at most ``LARGEST``, on the square ``[-CHECKED, CHECKED]^2``; it is looked at 40 places a
    unit, and closer where it is highest. Farther out, where it has none, that at the square's nearest point counts.

    Args:
        text: at most ``LONGEST`` characters.

    Raises:
        ValueError: it is no formula, with the place, or has no value somewhere, with a point.
    """

    text: str
    _steps: tuple[_Step, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise checks.fail("formula", self.text, "a text such as exp(-x^2) * sin(3*y)")
        if len(self.text) > LONGEST:
            raise _wrong(f"it has {len(self.text):,} characters; allowed: at most {LONGEST}")
        object.__setattr__(self, "_steps", tuple(_Parser(self.text).steps))
        self._look_everywhere()

    def __reduce__(self) -> tuple[type["Formula"], tuple[str]]:
        return Formula, (self.text,)  # to another process it goes as its text

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n,)."""
        x = checks.points("x", x, (2,))
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        found = self._values(x)
        bad = ~(found.detach().abs() <= LARGEST)
        if bad.any():  # asked again elsewhere, lest NaN comes back through the gradient
            found = self._values(torch.where(bad[:, None], x.clamp(-CHECKED, CHECKED), x))
            found = found.nan_to_num(0.0).clamp(-LARGEST, LARGEST)  # a place that nobody looked at
        return found

    def _values(self, x: Tensor) -> Tensor:
        """Whatever comes out, (n,)."""
        stack: list[Tensor] = []
        for do, count in self._steps:
            if count == 0:
                stack.append(do(x))
            else:
                stack[-count:] = [do(*stack[-count:])]
        return stack[0].expand(len(x)).clone()

    @torch.inference_mode(False)
    @torch.no_grad()
    def _look_everywhere(self) -> None:
        n = round(CHECKED * FINENESS)
        axis = torch.arange(-n, n + 1, dtype=torch.float64) / FINENESS  # holds 0 and the whole numbers
        tops, heights = [], []
        for x in torch.cartesian_prod(axis, axis).split(16 * (2 * n + 1)):
            self._look(x.float())  # a network's samples come in it, and it overflows much sooner
            top = self._look(x).abs().topk(4)
            tops.append(x[top.indices])
            heights.append(top.values)
        self._climb(torch.cat(tops)[torch.cat(heights).topk(16).indices])

    def _climb(self, x: Tensor) -> None:
        """Look ever closer around the highest of what was seen: at a pole between the places it grows and grows."""
        apart = 1 / FINENESS
        steps = torch.linspace(-1, 1, 5, dtype=torch.float64)
        around = torch.cartesian_prod(steps, steps)
        while apart > 1e-8:
            near = (x[:, None] + apart * around).clamp(-CHECKED, CHECKED)  # (m, 25, 2)
            best = self._look(near.reshape(-1, 2)).abs().reshape(len(x), -1).argmax(1)
            x = near[torch.arange(len(x)), best]
            apart /= 2

    @functools.cached_property
    def unbounded(self) -> bool:
        """Whether it has no ceiling: far out, ten times as far, its highest values keep growing."""
        angle = torch.arange(720, dtype=torch.float64) * (math.pi / 360)
        ring = torch.stack([angle.cos(), angle.sin()], 1)
        tops = [float(self._values(radius * ring).nan_to_num(-math.inf).max()) for radius in (10.0, 100.0, 1000.0)]
        near, far, farther = tops
        return farther - far > max(GROWS, (far - near) / 2) or farther == math.inf

    def _look(self, x: Tensor) -> Tensor:
        """The values, (n,), if all are good."""
        found = self._values(x)
        bad = ~(found.abs() <= LARGEST)
        if bad.any():
            k = int(bad.nonzero()[0])
            raise _wrong(f"at {_point(x[k])} it {_said(float(found[k]))}; allowed: {_everywhere()}")
        return found


def _point(x: Tensor) -> str:
    return f"x = {float(x[0]):g}, y = {float(x[1]):g}"


def _said(value: float) -> str:
    if math.isnan(value):
        return "has no value"
    return "is infinite" if math.isinf(value) else f"is {value:.3g}"


def _everywhere() -> str:
    return f"values from -{LARGEST:,.0f} to {LARGEST:,.0f} wherever x and y lie between -{CHECKED:g} and {CHECKED:g}"


def write(text: str) -> str:
    """A typed formula as the value of a setting; ``read`` gives it back.

    Raises:
        ValueError: as ``Formula``.
    """
    return PREFIX + Formula(text.strip() if isinstance(text, str) else text).text


def read(text: str) -> Formula:
    """The reward of a setting's value.

    Raises:
        ValueError: it does not begin with ``PREFIX``; or as ``Formula``.
    """
    if not isinstance(text, str) or not text.startswith(PREFIX):
        raise checks.fail("formula", text, f"a text that begins with {PREFIX!r}")
    return Formula(text.removeprefix(PREFIX))
