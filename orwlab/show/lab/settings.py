"""What one can choose in the Live lab, checked once: from here on a ``Settings`` itself travels."""

import copy
from dataclasses import dataclass
from typing import Any

from orwlab import checks
from orwlab.show.lab import controls
from orwlab.show.lab.controls import SEED_MAX as SEED_MAX

VIEWS = ("mode", "measured", "truth", "speed", "t", "arrows", "paths")
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
        steer: "" leaves the first alpha as it is, "w2" and "kl" steer it to a ``budget`` of that; see ``lab.steered``.
        budget: what may be spent: of the W2 term's E|v - v_ref|^2, or of KL(q | p_ref) in nats.
        methods: up to four names of ``orwlab.methods`` that race side by side, in place of the alphas; then alpha, tau,
            weighting, coupling, fault and steps_per_round mean nothing, and the networks are always on show.
        strength: what those that race aim at, an inverse temperature.
        tau: inverse temperature.
        weighting: "exp", "mean_one" or "clipped".
        coupling: "independent" or "ot".
        fault: "" or what is wrong with the networks' training: "shuffled", every sample has the weight of another.
        steps_per_round: gradient steps on each draw.
        lr: learning rate.
        seed: of everything random.
        mode: "learned" shows networks, "exact" the population dynamics without any network, "both" networks and the
            contours of the exact limit.
        measured: whether numbers are read off the running "average" of a network's weights or off the "iterate".
        truth: what is really wanted where ``reward`` is only a proxy of it; "" if nothing else is. It is only read.
        speed: rounds a second, at most; 0 is as fast as it goes.
        t: flow time on show; 1 is finished samples.
        arrows: whether to show the velocity at that time.
        paths: whether to show the way of some particles.
    """

    target: str = "eight_gaussians"
    reward: str = "right"
    alpha: float = 1.0
    others: tuple[float, ...] = ()
    steer: str = ""
    budget: float = 0.5
    methods: tuple[str, ...] = ()
    strength: float = 2.0
    tau: float = 1.0
    weighting: str = "exp"
    coupling: str = "independent"
    fault: str = ""
    steps_per_round: int = 1
    lr: float = 1e-3
    seed: int = 0
    mode: str = "learned"
    measured: str = "average"
    truth: str = ""
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
        """The alpha of every lane; of none where methods race."""
        return (self.alpha, *self.others)

    @property
    def steered(self) -> bool:
        """Whether the first alpha is steered to the budget: one of KL needs exact densities."""
        if self.methods:
            return False
        return self.steer == "w2" or (self.steer == "kl" and self.exact)

    @property
    def exact(self) -> bool:
        """Whether the population dynamics are on show, and no networks; a race is always one of networks."""
        return self.mode == "exact" and not self.methods

    @property
    def lanes(self) -> int:
        """How many models stand side by side."""
        return len(self.methods) or len(self.alphas)

    def starts_again(self, before: "Settings") -> bool:
        """Whether coming from ``before`` means to start again from the reference."""
        changed = any(getattr(self, name) != getattr(before, name) for name in FROM_THE_START)
        return changed or self.lanes != before.lanes
