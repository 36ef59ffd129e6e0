"""Links: everything that somebody set, in the part of an address behind ``#``, which never leaves the browser.

    #alpha=0.3&reward=bump&round=240&log=120:tau:2;180:alpha:0.1&background=density

Controls that are not named have their defaults. ``log`` lists what was changed on the way (round, control, value),
``round`` is where to stop. ``view`` is what the stage looks at, four numbers. A teacher may add ``lock`` and ``hide``,
names of controls, and ``say``, a short text. ``address.js`` is the browser's side of this file.
"""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orwlab import checks
from orwlab.show.lab.controls import BY_NAME, OF_THE_STAGE, TABLE, Choice, Lineup, Number, Several, Switch, Whole
from orwlab.show.lab.story import RESUME, Story

LONGEST = 60_000  # characters of a link: browsers take more, but some programs that pass links on do not
SAY = 400  # characters of a teacher's text
WIDEST = 1e6  # of what the stage can look at, in units of the data

_REAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{0,30})?(e[-+]?[0-9]{1,3})?")
_STAGE = {control.name: control for control in OF_THE_STAGE}
_OTHERS = ("round", "log", "view", "lock", "hide", "say")


@dataclass(frozen=True)
class Link:
    """What a link says.

    Args:
        story: the settings at round 0, the changes since, and the round to stop at.
        stage: what the stage shows, by the names in ``controls.OF_THE_STAGE``, where that is not the default.
        view: x0, x1, y0, y1 of what the stage looks at; None for all of it.
        lock: controls that are shown and cannot be moved.
        hide: controls that are not shown.
        say: a teacher's text.

    Raises:
        ValueError: in plain words.
    """

    story: Story = field(default_factory=Story)
    stage: Mapping[str, Any] = field(default_factory=dict)
    view: tuple[float, float, float, float] | None = None
    lock: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    say: str = ""

    def __post_init__(self) -> None:
        stage = {checks.choice("control", name, _STAGE): _STAGE[name].check(v) for name, v in self.stage.items()}
        object.__setattr__(self, "stage", {n: v for n, v in stage.items() if v != _STAGE[n].default})
        if self.view is not None:
            view = checks.numbers("view", self.view, low=-WIDEST, high=WIDEST)
            if len(view) != 4 or not (view[0] < view[1] and view[2] < view[3]):
                raise checks.fail("view", self.view, "four numbers x0, x1, y0, y1 with x0 < x1 and y0 < y1")
            object.__setattr__(self, "view", view)
        for what in ("lock", "hide"):
            names = tuple(checks.choice(what, name, BY_NAME) for name in getattr(self, what))
            object.__setattr__(self, what, names)
        if not isinstance(self.say, str) or len(self.say) > SAY:
            raise checks.fail("say", self.say, f"a text of at most {SAY} characters")

    def text(self) -> str:
        """What stands behind the ``#``; as short as it can be, and always the same for the same link."""
        story = self.story
        pairs = [(name, _written(name, value)) for name, value in story.scene.items()]
        if story.round:
            pairs.append(("round", str(story.round)))
        if story.log:
            entries = [(at, name, _quoted(_written(name, value), also=",:")) for at, name, value in story.log]
            pairs.append(("log", ";".join(f"{at}:{name}:{value}" for at, name, value in entries)))
        pairs += [(name, _written(name, value)) for name, value in self.stage.items()]
        if self.view is not None:
            pairs.append(("view", ",".join(_number(float(f"{edge:.4g}")) for edge in self.view)))
        pairs += [(what, ",".join(getattr(self, what))) for what in ("lock", "hide") if getattr(self, what)]
        if self.say:
            pairs.append(("say", self.say))
        return "&".join(f"{name}={_quoted(value)}" for name, value in pairs)

    @classmethod
    def read(cls, text: str) -> "Link":
        """The link of an address, or of what stands behind its ``#``.

        Raises:
            ValueError: in plain words.
        """
        if not isinstance(text, str) or len(text) > LONGEST:
            raise checks.fail("link", text, f"a text of at most {LONGEST} characters")
        pairs = _pairs(text.split("#", 1)[-1])  # as browsers take addresses apart
        for name in pairs:
            checks.choice("link's part", name, (*BY_NAME, *_OTHERS))
        names = {what: tuple(filter(None, pairs.get(what, "").split(","))) for what in ("lock", "hide")}
        return cls(
            Story.read(
                {
                    "scene": {c.name: _meant(c.name, pairs[c.name]) for c in TABLE if c.name in pairs},
                    "log": _log(pairs.get("log", "")),
                    "round": _whole("round", pairs.get("round", "0")),
                }
            ),
            {name: _meant(name, pairs[name]) for name in _STAGE if name in pairs},
            tuple(_real("view", edge) for edge in pairs["view"].split(",")) if "view" in pairs else None,  # type: ignore[arg-type]
            **names,
            say=pairs.get("say", ""),
        )


def _quoted(text: str, also: str = ",:;") -> str:
    return urllib.parse.quote(text, safe=f"~()*!.'-_{also}")  # as JavaScript's encodeURIComponent but for ``also``


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        plain = _unquoted("link's part", name)
        if plain in found:
            raise checks.fail("link's part", plain, "each part once")
        found[plain] = _unquoted("link's part", value)
    return found


def _unquoted(what: str, text: str) -> str:
    try:
        if re.search("%(?![0-9A-Fa-f]{2})", text):
            raise ValueError
        return urllib.parse.unquote(text, errors="strict")
    except ValueError:  # that is also what bytes are that stand for no text
        raise checks.fail(what, text, "text as browsers encode it") from None


def _log(text: str) -> list[list[Any]]:
    entries = []
    for entry in filter(None, text.split(";")):
        at, _, rest = entry.partition(":")
        name, _, value = rest.partition(":")
        checks.choice("log's control", name, (*BY_NAME, RESUME))
        entries.append([_whole("log's round", at), name, _meant(name, _unquoted("log's value", value))])
    return entries


def _written(name: str, value: Any) -> str:
    """A control's value as a link says it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple | list):
        return ",".join(one if isinstance(one, str) else _number(one) for one in value)
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    """As JavaScript writes it."""
    if value == int(value) or abs(value) >= 1e-6:
        return np.format_float_positional(value, trim="-")
    return repr(value).replace("e-0", "e-")


def _meant(name: str, text: str) -> Any:
    """What a control's value in a link means; the control itself says whether it is allowed."""
    control = BY_NAME.get(name)
    if isinstance(control, Number):
        return _real(name, text)
    if isinstance(control, Whole):
        return _whole(name, text)
    if name == RESUME:
        return checks.choice(name, text, ("0", "1")) == "1"
    if isinstance(control, Switch):
        return text == "1" if text in ("0", "1") else text
    if isinstance(control, Several):
        return [_real(name, part) for part in filter(None, text.split(","))]
    if isinstance(control, Lineup):
        return list(filter(None, text.split(",")))
    assert isinstance(control, Choice)
    return text


def _real(name: str, text: str) -> float:
    if not _REAL.fullmatch(text):
        raise checks.fail(name, text, "a number")
    return float(text)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise checks.fail(name, text, "a whole number")
    return int(text)
