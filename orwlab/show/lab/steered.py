"""The first lane's alpha: what the control says, or steered to a budget while it runs."""

import math
from collections.abc import Sequence
from typing import Any

from orwlab.methods.steering import Steering
from orwlab.show.lab.settings import Settings

RATES = {"learned": 0.03, "exact": 0.1}
"""of a step, by the kind of lanes: a network takes some rounds to follow, and with longer steps it swings"""
BACK = 4  # rounds that are remembered: a run that has diverged goes back by one or two
NO_KL = "α stays: a network's KL is not measured here. Take a W2 budget, or show the exact answer."


def labelled(alphas: Sequence[float], settings: Settings) -> list[str]:
    """What lanes of some alphas are called."""
    return ["α steered" if k == 0 and settings.steered else f"α = {alpha:g}" for k, alpha in enumerate(alphas)]


class Steered:
    """What decides the first lane's alpha.

    It begins with what the control says. That then waits until alpha is chosen by hand again: it changes nothing
    meanwhile, so that a story is repeated bit for bit in whatever order its changes came.

    Args:
        mode: "learned" or "exact", the kind of lanes.
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._steering: Steering | None = None
        self._start = math.nan
        self._known: dict[int, float] = {}  # alpha after a round
        self.kind = ""
        """what it is steered by, "w2" or "kl"; "" where the control decides"""
        self.spent = math.nan
        """what the last round spent"""

    def obey(self, settings: Settings, round: int) -> float:
        """The alpha for the round after ``round``."""
        before, self.kind = self.kind, settings.steer if settings.steered else ""
        if self.kind != before:
            self.spent = math.nan
        if not self.kind:
            self._steering = None
            return settings.alpha
        if self._steering is None:
            self._start = settings.alpha
            alpha = self._known.get(round, settings.alpha)
            self._steering = Steering(settings.budget, alpha, rate=RATES[self._mode])
        self._steering.budget = settings.budget
        return self._steering.alpha

    def after(self, round: int, spent: float) -> float:
        """The alpha for the round after ``round``, which has spent so much. Only where it is steered."""
        assert self._steering is not None
        self.spent = spent
        alpha = self._steering.update(spent)
        self._known = {at: known for at, known in self._known.items() if round - BACK < at < round} | {round: alpha}
        return alpha

    def back(self, round: int) -> float:
        """The alpha that it had after ``round``, to which a run that diverged has gone. Only where it is steered."""
        assert self._steering is not None
        self._known = {at: known for at, known in self._known.items() if at <= round}
        self._steering.alpha = self._known.get(round, self._start)
        return self._steering.alpha

    def plain(self, settings: Settings) -> dict[str, Any] | None:
        """As a frame says it, {kind, budget, alpha, spent, why}; None where nobody asks for it.

        ``why`` it is not steered all the same: a sentence, "" where it is.
        """
        if not settings.steer:
            return None
        alpha = None if self._steering is None else self._steering.alpha
        spent = None if math.isnan(self.spent) else self.spent
        why = "" if self.kind else NO_KL
        return {"kind": settings.steer, "budget": settings.budget, "alpha": alpha, "spent": spent, "why": why}
