"""What one can choose in the Live lab, checked once: from here on a ``Settings`` itself travels."""

import copy
from dataclasses import dataclass
from typing import Any

from orwlab import checks
from orwlab.show.lab import controls
from orwlab.show.lab.controls import SEED_MAX as SEED_MAX

VIEWS = ("mode", "measured", "speed", "t", "arrows", "paths")
"""What is shown and how fast: none of it changes the course of a run."""
FROM_THE_START = tuple(control.name for control in controls.TABLE if control.restarts)
"""Cannot change under a run: a new value starts again from the reference. So does another number of lanes."""


@dataclass(frozen=True)
class Settings:
    """What one can choose; ``controls.TABLE`` says what is allowed. ``ValueError`` tells it in plain words.

    Args:
        target: the data the reference has learned.
        reward: what samples are paid for.
        alpha: W2 weight.
        others: up to three more alphas, shown side by side with the first, from the same seed and noise.
        tau: inverse temperature.
        weighting: "exp", "mean_one" or "clipped".
        coupling: "independent" or "ot".
        steps_per_round: gradient steps on each draw.
        lr: learning rate.
        seed: of everything random.
        mode: "learned" shows networks, "exact" the population dynamics without any network, "both" networks and the
            contours of the exact limit.
        measured: whether numbers are read off the running "average" of a network's weights or off the "iterate".
        speed: rounds a second, at most; 0 is as fast as it goes.
        t: flow time on show; 1 is finished samples.
        arrows: whether to show the velocity at that time.
        paths: whether to show the way of some particles.
    """

    target: str = "eight_gaussians"
    reward: str = "right"
    alpha: float = 1.0
    others: tuple[float, ...] = ()
    tau: float = 1.0
    weighting: str = "exp"
    coupling: str = "independent"
    steps_per_round: int = 1
    lr: float = 1e-3
    seed: int = 0
    mode: str = "learned"
    measured: str = "average"
    speed: float = 20.0
    t: float = 1.0
    arrows: bool = False
    paths: bool = False

    def __post_init__(self) -> None:
        for control in controls.TABLE:
            object.__setattr__(self, control.name, control.check(getattr(self, control.name)))

    def changed(self, **changes: Any) -> "Settings":
        """These settings with some others in place of theirs; only those are checked.

        Raises:
            ValueError: in plain words.
        """
        for name in changes:
            checks.choice("control", name, vars(self))
        return self.taken(**{name: controls.BY_NAME[name].check(value) for name, value in changes.items()})

    def taken(self, **checked: Any) -> "Settings":
        """The same with values that other settings have had, and so have checked."""
        made = copy.copy(self)
        for name, value in checked.items():
            object.__setattr__(made, name, value)
        return made

    def seen_as(self, other: "Settings") -> "Settings":
        """These settings with the views of ``other``."""
        made = copy.copy(self)
        for name in VIEWS:
            object.__setattr__(made, name, getattr(other, name))
        return made

    @property
    def alphas(self) -> tuple[float, ...]:
        """The alpha of every lane."""
        return (self.alpha, *self.others)

    def starts_again(self, before: "Settings") -> bool:
        """Whether coming from ``before`` means to start again from the reference."""
        changed = any(getattr(self, name) != getattr(before, name) for name in FROM_THE_START)
        return changed or len(self.others) != len(before.others)
