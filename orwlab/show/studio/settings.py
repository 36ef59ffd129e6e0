"""What one can choose in the Live lab, checked with messages for people."""

from dataclasses import dataclass

from orwlab import _check, rewards, targets, zoo

ALPHA_MAX, TAU_MAX, SEED_MAX = 100.0, 5.0, 2**31 - 1


def target_names() -> list[str]:
    """The targets one can choose: two-dimensional, with a pretrained reference."""
    pretrained = zoo.names()
    return [name for name in targets.names(dim=2) if name in pretrained]


@dataclass(frozen=True)
class Settings:
    """What one can choose. ``ValueError`` says in plain words what does not fit."""

    target: str = "eight_gaussians"
    reward: str = "right"
    alpha: float = 1.0
    tau: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check.choice("target", self.target, target_names())
        _check.choice("reward", self.reward, rewards.names())
        _check.number("W2 weight α", self.alpha, low=0.0, high=ALPHA_MAX)
        _check.number("inverse temperature τ", self.tau, low=0.0, high=TAU_MAX)
        _check.integer("seed", self.seed, low=0, high=SEED_MAX)
