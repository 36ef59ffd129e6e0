"""What one can choose in the Live lab, checked with messages for people."""

from dataclasses import dataclass
from typing import Any

from orwlab import checks, couplings, rewards, targets, weights, zoo

ALPHA_MAX, TAU_MAX, SEED_MAX = 100.0, 5.0, 2**31 - 1
LR_MIN, LR_MAX = 1e-5, 0.1
SPEED_MAX = 100.0  # rounds a second
STEPS_MAX = 32
LANES = 4  # at most, side by side
MODES = ("learned", "exact", "both")

FROM_THE_START = ("target", "seed", "weighting", "coupling")
"""Cannot change under a run: a new value starts again from the reference. So does another number of lanes."""


def target_names() -> list[str]:
    """The targets one can choose: two-dimensional, with a pretrained reference."""
    pretrained = zoo.names()
    return [name for name in targets.names(dim=2) if name in pretrained]


@dataclass(frozen=True)
class Settings:
    """What one can choose. ``ValueError`` says in plain words what does not fit.

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
    speed: float = 20.0
    t: float = 1.0
    arrows: bool = False
    paths: bool = False

    def __post_init__(self) -> None:
        checks.choice("target", self.target, target_names())
        checks.choice("reward", self.reward, rewards.names())
        self._set("alpha", checks.number("W2 weight α", self.alpha, low=0.0, high=ALPHA_MAX))
        if not isinstance(self.others, tuple | list) or len(self.others) > LANES - 1:
            raise checks.fail("further α", self.others, f"at most {LANES - 1} numbers, to be shown side by side")
        self._set("others", tuple(checks.number("a further α", a, low=0.0, high=ALPHA_MAX) for a in self.others))
        self._set("tau", checks.number("inverse temperature τ", self.tau, low=0.0, high=TAU_MAX))
        checks.choice("weighting", self.weighting, weights.KINDS)
        checks.choice("coupling", self.coupling, couplings.NAMES)
        checks.integer("gradient steps a round", self.steps_per_round, low=1, high=STEPS_MAX)
        self._set("lr", checks.number("learning rate", self.lr, low=LR_MIN, high=LR_MAX))
        checks.integer("seed", self.seed, low=0, high=SEED_MAX)
        checks.choice("mode", self.mode, MODES)
        self._set("speed", checks.number("speed in rounds a second", self.speed, low=0.0, high=SPEED_MAX))
        self._set("t", checks.number("flow time t", self.t, low=0.0, high=1.0))
        for name in ("arrows", "paths"):
            if not isinstance(getattr(self, name), bool):
                raise checks.fail(name, getattr(self, name), "yes or no (true or false)")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def alphas(self) -> tuple[float, ...]:
        """The alpha of every lane."""
        return (self.alpha, *self.others)

    def starts_again(self, before: "Settings") -> bool:
        """Whether coming from ``before`` means to start again from the reference."""
        changed = any(getattr(self, name) != getattr(before, name) for name in FROM_THE_START)
        return changed or len(self.others) != len(before.others)
