"""The controls of the lab, each once: what it is called, what it does, what is allowed, and the steps of its slider.

``Settings`` checks by this table; the page's markup, the notebook's widgets and the keys are made from it. It knows
neither Gradio nor Jupyter.
"""

import bisect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from orwlab import checks, couplings, methods, rewards, targets, weights, zoo
from orwlab.data import captions
from orwlab.show.lab import digits, own
from orwlab.show.stage.scenes import LANES

__all__ = [
    "BY_NAME",
    "OF_THE_STAGE",
    "SEED_MAX",
    "TABLE",
    "Choice",
    "Control",
    "Lineup",
    "Number",
    "Scale",
    "Sentence",
    "Several",
    "Subset",
    "Switch",
    "Whole",
    "target_names",
]

SEED_MAX = 2**31 - 1
IN_A_DECADE = (1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 5.6, 6.3, 7, 8, 9)


@dataclass(frozen=True)
class Scale:
    """A slider.

    Args:
        places: the values that its handle can take, growing.
        ticks: the values that are written below it.
    """

    places: tuple[float, ...]
    ticks: tuple[float, ...]

    @property
    def step(self) -> float | None:
        """The distance between two places, if it is everywhere the same."""
        first, second = self.places[:2]
        even = all(abs(b - a - (second - first)) < 1e-9 for a, b in itertools.pairwise(self.places))
        return second - first if even else None

    def nearest(self, value: float) -> float:
        """The place closest to ``value``."""
        return min(self.places, key=lambda place: abs(place - value))

    def next(self, value: float, way: int) -> float:
        """The nearest place above (``way`` 1) or below (-1) ``value``; ``value`` itself if there is none."""
        further = [place for place in self.places if (place - value) * way > 1e-9]
        return value if not further else min(further) if way > 0 else max(further)

    def share(self, value: float) -> float:
        """How far from its left end the slider shows ``value``, from 0 to 1."""
        k = min(max(bisect.bisect_right(self.places, value), 1), len(self.places) - 1)
        left, right = self.places[k - 1 : k + 1]
        return (k - 1 + (value - left) / (right - left)) / (len(self.places) - 1)


def _decades(first: int, last: int) -> tuple[float, ...]:
    """From 10^first to 10^last, evenly in the logarithm, as one would say them."""
    places = [float(f"{step * 10.0**power:.2g}") for power in range(first, last) for step in IN_A_DECADE]
    return (*places, 10.0**last)


def _evenly(high: float, steps: int) -> tuple[float, ...]:
    """From 0 to ``high``."""
    return tuple(round(high * k / steps, 4) for k in range(steps + 1))


@dataclass(frozen=True)
class Control:
    """One control.

    Args:
        name: of the setting.
        label: what stands beside it.
        help: a sentence about what it does.
        restarts: whether a new value starts again from the reference.
        default: what it says at first; of settings ``Settings`` knows it.
    """

    name: str
    label: str
    help: str
    restarts: bool = field(default=False, kw_only=True)
    default: Any = field(default=None, kw_only=True)

    def check(self, value: Any) -> Any:
        """The clean value.

        Raises:
            ValueError: names the control, the value and what is allowed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Control):
    """A number from ``low`` to ``high``: with a slider, or chosen from some ``options``, value -> words.

    ``unit`` stands behind a value that has no words. ``said`` is what it is called within a sentence: the label with a
    small letter if nothing is said.
    """

    low: float
    high: float
    scale: Scale | None = None
    options: Mapping[float, str] = field(default_factory=dict)
    unit: str = ""
    said: str = ""

    def check(self, value: Any) -> float:
        """See ``Control``."""
        return self.called(self.said or small(self.label), value)

    def called(self, name: str, value: Any) -> float:
        """``check`` of a number that is called something else."""
        try:
            return checks.number(name, value, low=self.low, high=self.high)
        except ValueError:
            allowed = f"a number from {plainly(self.low)} to {plainly(self.high)}"
            raise checks.fail(name, value, allowed) from None

    def words(self, value: float) -> str:
        """The value as one reads it."""
        return self.options.get(value, f"{value:g} {self.unit}".strip())


@dataclass(frozen=True)
class Whole(Control):
    """A whole number from ``low`` to ``high``, to be typed."""

    low: int
    high: int

    def check(self, value: Any) -> int:
        """See ``Control``."""
        try:
            return checks.integer(small(self.label), value, low=self.low, high=self.high)
        except ValueError:
            allowed = f"a whole number from {self.low} to {self.high}"
            raise checks.fail(small(self.label), value, allowed) from None


def plainly(value: float) -> str:
    """Without powers of ten."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def small(label: str) -> str:
    """Within a sentence; W2 stays W2."""
    return label[0].lower() + label[1:] if label[1:2].islower() else label


@dataclass(frozen=True)
class Choice(Control):
    """One of ``options``, value -> words; ``few`` that fit side by side, or a list.

    With ``brought``, a check of texts, also whatever somebody brings along: see ``own``.
    """

    options: Mapping[str, str]
    few: bool = False
    brought: Callable[[str], str] | None = None

    def check(self, value: Any) -> str:
        """See ``Control``."""
        if self.brought is not None and own.is_own(value):
            return self.brought(value)
        return checks.choice(self.name, value, self.options)

    def offered(self, target: str) -> list[str]:
        """The options that there are for ``target``."""
        return [option for option in self.options if own.belongs(option, target)]

    def next(self, value: str, target: str) -> str:
        """What is offered after ``value``, round and round; the first of it after what is not among it."""
        options = self.offered(target)
        return options[(options.index(value) + 1) % len(options)] if value in options else options[0]

    def words(self, value: str) -> str:
        """The value as one reads it: short, whatever it is."""
        return self.options[value] if value in self.options else own.words(value)


@dataclass(frozen=True)
class Sentence(Control):
    """A sentence of the small world that ``captions`` describes, to be typed; ``offered`` are some to press."""

    offered: tuple[str, ...]

    def check(self, value: Any) -> str:
        """See ``Control``; as the grammar writes it, whatever way it was typed."""
        name = small(self.label)
        try:
            scene = captions.parse(value)
        except ValueError as error:
            raise ValueError(f"{name}{str(error).removeprefix('text')}") from None
        if not scene.groups:
            raise checks.fail(name, value, f'one that says something, such as "{self.offered[0]}"')
        return str(scene)


@dataclass(frozen=True)
class Switch(Control):
    """Something to have or not."""

    def check(self, value: Any) -> bool:
        """See ``Control``."""
        return checks.yes_or_no(self.name, value)


@dataclass(frozen=True)
class Subset(Control):
    """Some of ``options``, which are the whole numbers from 0 on: at least one of them, and not all."""

    options: tuple[str, ...]

    def check(self, value: Any) -> tuple[int, ...]:
        """See ``Control``."""
        name, last = small(self.label), len(self.options) - 1
        allowed = f"at least one of {self.options[0]} to {self.options[last]}, and not all of them"
        if isinstance(value, np.ndarray | Tensor):
            value = value.tolist()
        if not isinstance(value, tuple | list):
            raise checks.fail(name, value, allowed)
        try:
            found = sorted({checks.integer(name, _whole(one), low=0, high=last) for one in value})
        except ValueError:
            raise checks.fail(name, value, allowed) from None
        if not 0 < len(found) <= last:
            raise checks.fail(name, "none" if not found else "all", allowed)
        return tuple(found)


def _whole(value: Any) -> Any:
    """2 for 2.0, which is how a list of numbers comes out of a link."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Several(Control):
    """Some numbers of another control's kind, as many at most as there are names for them in ``rows``.

    ``offered`` are values to begin with, ``said`` is what they are called within a sentence.
    """

    of: Number
    rows: tuple[str, ...]
    offered: tuple[float, ...]
    said: str

    def check(self, value: Any) -> tuple[float, ...]:
        """See ``Control``."""
        if isinstance(value, np.ndarray | Tensor):
            value = value.tolist()
        if not isinstance(value, tuple | list) or len(value) > len(self.rows):
            raise checks.fail(self.said, value, f"at most {len(self.rows)} numbers, to be shown side by side")
        return tuple(self.of.called(f"a {self.said}", one) for one in value)

    def read(self, text: str) -> tuple[float, ...]:
        """The numbers of a list that was typed, with commas between them; not yet checked.

        Raises:
            ValueError: a part is not a number.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        try:
            return tuple(float(part) for part in parts)
        except ValueError:
            allowed = "numbers with commas between them, such as 0, 0.3, 10"
            raise checks.fail(self.said, text, allowed) from None

    def write(self, value: tuple[float, ...]) -> str:
        """The same as one would type it."""
        return ", ".join(f"{one:g}" for one in value)


@dataclass(frozen=True)
class Lineup(Control):
    """Some of ``options``, name -> words, side by side in the order in which they were chosen; none at all is allowed.

    ``said`` is what one of them is called within a sentence.
    """

    options: Mapping[str, str]
    said: str

    def check(self, value: Any) -> tuple[str, ...]:
        """See ``Control``."""
        if not isinstance(value, tuple | list) or len(value) > LANES:
            raise checks.fail(f"{self.said}s", value, f"at most {LANES}, to be shown side by side")
        found = tuple(checks.choice(self.said, one, self.options) for one in value)
        if len(set(found)) < len(found):
            raise checks.fail(f"{self.said}s", value, "each one once")
        return found


_REWARDS = {
    "right": "Right (with a ceiling)",
    "plane": "Plane (without a ceiling)",
    "bump": "Bump (one good place)",
    "ring": "Ring (one good distance)",
    "angle": "Angle (up is good)",
    "box": "Box (in or out)",
    "two_bumps": "Two bumps (good, better)",
}
_OF_DIGITS = {text: own.words(text) for text in ("digits:02468", "digits:17")}
_BY_THE_JUDGE = {text: own.words(text) for text in ("judge:02468",)}
_TARGETS = {digits.PLANE: "Handwritten digits"}
_WEIGHTINGS = {"exp": "w = exp(τ r), the paper's", "mean_one": "divided by their mean", "clipped": "with a ceiling"}
_COUPLINGS = {"independent": "independent", "ot": "optimal transport"}


def _words(names: Any, known: Mapping[str, str] = {}) -> dict[str, str]:
    return {name: known.get(name, name.replace("_", " ").capitalize()) for name in names}


def target_names() -> list[str]:
    """The targets one can choose: two-dimensional, with a pretrained reference."""
    pretrained = zoo.names()
    return [name for name in (*targets.names(dim=2), *zoo.CODES) if name in pretrained]


_ALPHA = Number(
    "alpha",
    "W2 weight α",
    "How strongly the model is held to the reference; 0 lets it go.",
    0.0,
    100.0,
    Scale((0.0, *_decades(-2, 2)), (0, 0.1, 1, 10, 100)),
)

TABLE: tuple[Control, ...] = (
    Choice(
        "target",
        "Target",
        "What the reference learned; starts again.",
        _words(target_names(), _TARGETS),
        brought=own.check_target,
        restarts=True,
    ),
    Choice(
        "reward",
        "Reward",
        "What is paid for: violet ground pays more.",
        _words(rewards.names(), _REWARDS) | _OF_DIGITS,
        brought=own.check_reward,
    ),
    _ALPHA,
    Several(
        "others",
        "Compare alphas",
        "Up to three more values of α, from the same seed and the same noise.",
        _ALPHA,
        ("Second α", "Third α", "Fourth α")[: LANES - 1],
        (0.0, 0.3, 3.0),
        said="further α",
    ),
    Choice(
        "steer",
        "Set α",
        "By hand, or by itself: so that the model strays just as far from the reference as the budget allows.",
        {"": "by hand", "w2": "to a W2 budget", "kl": "to a KL budget"},
    ),
    Number(
        "budget",
        "Budget",
        "How far the model may stray: E|v − v_ref|² where its samples come by, or KL in nats.",
        0.01,
        10.0,
        Scale(_decades(-2, 1), (0.01, 0.1, 1, 10)),
    ),
    Lineup(
        "methods",
        "Who races",
        "Up to four ways to fine-tune, from the same seed and the same noise; a fifth takes the last one's place.",
        {name: methods.card(name).short for name in methods.names()},
        said="method",
        restarts=True,
    ),
    Number(
        "strength",
        "Strength",
        "The inverse temperature that every method aims at. What each makes of it stands on its card.",
        0.01,
        100.0,
        Scale(_decades(-1, 2), (0.1, 1, 10, 100)),
    ),
    Number(
        "tau",
        "Inverse temperature τ",
        "How sharply samples with a high reward are preferred; 0 ignores the reward.",
        0.0,
        5.0,
        Scale(_evenly(5.0, 100), (0, 1, 2, 3, 4, 5)),
    ),
    Choice(
        "weighting",
        "Weights w",
        "How a reward becomes a weight. A new choice starts again.",
        _words(weights.KINDS, _WEIGHTINGS),
        restarts=True,
    ),
    Choice(
        "coupling",
        "Coupling",
        "How noise x₀ and samples x₁ are paired in training. A new choice starts again.",
        _words(couplings.NAMES, _COUPLINGS),
        restarts=True,
    ),
    Choice(
        "fault",
        "Fault",
        "A mistake that nothing tells of, such as weights that belong to other samples. Only networks have it.",
        {"": "none", "shuffled": "weights shuffled"},
    ),
    Whole(
        "steps_per_round",
        "Gradient steps a round",
        "How long the model imitates one draw of its own samples before it draws again.",
        1,
        32,
    ),
    Number(
        "lr",
        "Learning rate",
        "How far one gradient step goes; too far, and it diverges.",
        1e-5,
        0.1,
        Scale(_decades(-5, -1), (1e-5, 1e-4, 1e-3, 0.01, 0.1)),
    ),
    Whole(
        "seed",
        "Seed",
        "The same seed and the same moves give the same run. A new one starts again.",
        0,
        SEED_MAX,
        restarts=True,
    ),
    Choice(
        "mode",
        "Show",
        "The network, the exact answer, or both.",
        {"learned": "Learned", "both": "Both", "exact": "Exact"},
        few=True,
    ),
    Choice(
        "measured",
        "Numbers",
        "Read off the network's running average, which wanders less, or off the newest network.",
        {"average": "Average", "iterate": "Newest"},
        few=True,
    ),
    Choice(
        "truth",
        "True reward",
        "What you really want, if the reward is only a proxy of it. Nothing is trained on it.",
        {"": "none", **_words(rewards.names(), _REWARDS), **_BY_THE_JUDGE},
        brought=own.check_reward,
    ),
    Number(
        "speed",
        "Speed",
        "How many rounds it does in a second.",
        0.0,
        100.0,
        options={
            1: "1 round a second",
            4: "4 rounds a second",
            20: "20 rounds a second",
            0: "as fast as it goes",
        },
        unit="rounds a second",
        said="speed in rounds a second",
    ),
    Number(
        "t",
        "Flow time t",
        "On the way from noise (t = 0) to finished samples (t = 1).",
        0.0,
        1.0,
        Scale(_evenly(1.0, 50), (0, 0.25, 0.5, 0.75, 1)),
    ),
    Switch("arrows", "Velocity arrows", "The model's velocity v(t, x) at flow time t."),
    Switch("paths", "Trajectories", "How some samples flow from noise to where they are."),
)
"""one for every field of ``Settings``, in its order"""

OF_THE_STAGE: tuple[Control, ...] = (
    Choice(
        "background",
        "Background",
        "What the colour of the ground says.",
        {"reward": "Reward", "truth": "True", "density": "Data", "pictures": "Digits", "none": "Plain"},
        few=True,
        default="reward",
    ),
    Switch("revealed", "Reveal the true reward", "Its curve, its number and its ground: green pays.", default=False),
    Switch("samples", "Samples", "A dot for each. Without dots one sees what is behind them.", default=True),
    Switch("ghost", "Reference", "Grey lines around the data that the reference has learned.", default=True),
    Switch(
        "contours",
        "Exact contours",
        "Around half and nine tenths of the exact density; beside networks, of the exact limit.",
        default=True,
    ),
    Switch("modes", "Mode numbers", "The number of each place where the data are, as its bar has it.", default=True),
    Switch("more", "All numbers", "All that is measured, and not only the reward and the diversity.", default=True),
)
"""what a stage does by itself: no session knows of them"""

BY_NAME: Mapping[str, Control] = {control.name: control for control in (*TABLE, *OF_THE_STAGE)}
