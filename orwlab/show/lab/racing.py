"""Methods side by side: a run of each, from the same reference, seed and noise, and what each of them spends."""

import math
import time
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from orwlab import methods, rewards
from orwlab.show.lab import own, rivals
from orwlab.show.lab.lanes import NetworkLanes
from orwlab.show.lab.settings import Settings
from orwlab.velocity import Velocity

SLOPED = "plane"  # a reward that every method can start with


class RacingLanes(NetworkLanes):
    """A run for every method. Arguments as ``NetworkLanes`` has them.

    A method that follows the reward's slope stands still while there is none: its lane says so, and goes on when it is
    paid for something that it can climb.
    """

    runs: Sequence[Any]
    pauses = True
    series = (
        *("reward", "diversity", "penalty", "w2", "coupled", "evaluations", "rewards", "slopes", "seconds", "truth"),
    )

    def _begun(self, settings: Settings) -> list[Any]:
        self.seconds = [0.0] * settings.lanes  # that the rounds of each have taken
        self._next = 0  # the lane whose round is the next
        self._shut = [False] * settings.lanes
        self._pushed: dict[tuple[Any, ...], tuple[object, int, Tensor]] = {}  # the newest particles of every lane
        return [self._run(k, name, settings) for k, name in enumerate(settings.methods)]

    def _run(self, lane: int, name: str, settings: Settings) -> Any:
        kind, more = methods.get(name), {"strength": settings.strength, "seed": settings.seed, "lr": settings.lr}
        try:
            return kind(self.reference, own.reward(settings.reward), **more)
        except ValueError:
            if not kind.card.gradient:
                raise
        self._shut[lane] = True
        return kind(self.reference, rewards.get(SLOPED), **more)

    @property
    def alphas(self) -> list[None]:
        """None of them has one that could be compared."""
        return [None] * len(self.runs)

    @property
    def labels(self) -> list[str]:
        """What the lanes are called."""
        return [run.card.short for run in self.runs]

    @property
    def rests(self) -> list[bool]:
        """See ``NetworkLanes``: what the methods' cards say."""
        return [run.card.settles for run in self.runs]

    @property
    def midway(self) -> bool:
        """Whether some lanes have done a round that others have not."""
        return self._next > 0

    def obey(self, settings: Settings) -> bool:
        """Take over what may change under way. Returns whether anything of the training did."""
        before, self.settings = self.settings, settings
        if all(getattr(before, name) == getattr(settings, name) for name in ("reward", "strength", "lr")):
            return False
        for k, run in enumerate(self.runs):
            run.strength, run.lr = settings.strength, settings.lr
            if before.reward != settings.reward:
                self._pay(k, run, settings.reward)
        return True

    def _pay(self, lane: int, run: Any, name: str) -> None:
        before, was = run.reward, self._shut[lane]
        run.reward = own.reward(name)
        try:
            if run.card.gradient:
                run.check_reward()
            self._shut[lane] = False
        except ValueError:
            run.reward, self._shut[lane] = before, True
        if self._shut[lane]:
            self.stopped[lane] = rivals.shut_out(run.card)
        elif was:
            self.stopped[lane], self._sources[lane] = None, run.rounds(2**62)

    def resume(self) -> None:
        """Let lanes that stopped go on from their last good state; not those that are shut out."""
        super().resume()
        self.stopped = [rivals.shut_out(run.card) if shut else None for run, shut in zip(self.runs, self._shut)]

    def advance(self, until: float = math.inf) -> bool:
        """See ``NetworkLanes``: what these methods do in a round takes from three to forty milliseconds."""
        while True:
            began = time.monotonic()
            self._round_of(self._next)
            now = time.monotonic()
            if not self.stopped[self._next]:
                self.seconds[self._next] += now - began
            self._next = (self._next + 1) % len(self.runs)
            if not self._next:
                return True
            if now + self._usual(self._next) > until:
                return False

    def _usual(self, lane: int) -> float:
        """Seconds that a round of the lane takes."""
        return 0.0 if self.stopped[lane] else self.seconds[lane] / max(1, self.runs[lane].round)

    def push(self, n: int, every: slice = slice(None)) -> Tensor:
        """See ``NetworkLanes``: of lanes that have not moved since, as it was."""
        self._pushed = {about: known for about, known in self._pushed.items() if about[1] == n}
        parts = []
        for k, run in enumerate(self.runs):
            about, last = (k, n, every.start, every.step), self.snapshots[k]
            known = self._pushed.get(about)
            if known is None or known[0] is not last or known[1] != run.round:
                known = self._pushed[about] = (last, run.round, self._push(run.policy, self.x0[:n][every]))
            parts.append(known[2])
        return torch.stack(parts)

    def _own_values(self, lane: int, v: Velocity, r: Tensor, dear: Collection[str]) -> dict[str, float]:
        cost = self.runs[lane].cost
        return {
            "evaluations": float(cost.forward + 2 * cost.backward),
            "rewards": float(cost.rewards),
            "slopes": float(cost.reward_gradients),
            "seconds": self.seconds[lane],
        }
