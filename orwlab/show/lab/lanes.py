"""The networks of an experiment: one fine-tuning run for each alpha, from the same seed and noise."""

import functools

import torch
from torch import Tensor

from orwlab import flow, rewards, zoo
from orwlab.methods.orw import Diverged, FineTuning, Snapshot
from orwlab.show.lab import banners, measures
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.settings import SEED_MAX, Settings


def noise(seed: int, n: int) -> Tensor:
    """The noise that is pushed for the picture, (n, 2): not from the run's own numbers."""
    return flow.noise(n, (2,), generator=torch.Generator().manual_seed(seed + SEED_MAX))


def reference_name(settings: Settings) -> str:
    """The network in the zoo: where there is one, that which was trained with the chosen coupling."""
    other = f"{settings.target}_{settings.coupling}"
    return other if other in _networks() else settings.target


@functools.cache
def _networks() -> list[str]:
    return zoo.names()  # looked up in every frame, and a look into a folder


class LearnedLanes:
    """A run for every alpha. Each is what it would be alone: nothing is shared but the reference it copies.

    Args:
        settings: with the alphas.
        x0: (n, 2) the noise that is pushed for the picture.
    """

    mode = "learned"

    def __init__(self, settings: Settings, x0: Tensor) -> None:
        self.settings = settings
        self.reference = measures.network(reference_name(settings))
        self.runs = [
            FineTuning(
                self.reference,
                rewards.get(settings.reward),
                settings.tau,
                alpha,
                settings.weighting,
                settings.coupling,
                settings.steps_per_round,
                lr=settings.lr,
                seed=settings.seed,
            )
            for alpha in settings.alphas
        ]
        self.x0 = x0
        self.snapshots: list[Snapshot | None] = [None] * len(self.runs)
        self.resume()
        self.first = self._push(self.runs[0], x0)  # (n, 2), the reference's: alike in all lanes

    @property
    def rounds(self) -> list[int]:
        """Rounds done, one a lane."""
        return [run.round for run in self.runs]

    settled = False  # chance never rests

    def obey(self, settings: Settings) -> bool:
        """Take over what may change under way. Returns whether anything of the training did."""
        before, self.settings = self.settings, settings
        names = ("reward", "tau", "lr", "steps_per_round", "alphas")
        if all(getattr(before, name) == getattr(settings, name) for name in names):
            return False
        for run, alpha in zip(self.runs, settings.alphas):
            run.alpha, run.tau, run.lr = alpha, settings.tau, settings.lr
            run.steps_per_round = settings.steps_per_round
            if before.reward != settings.reward:
                run.reward = rewards.get(settings.reward)
        return True

    def resume(self) -> None:
        """Let lanes that stopped go on from their last good state."""
        self.stopped: list[Banner | None] = [None] * len(self.runs)
        self._sources = [run.rounds(2**62) for run in self.runs]  # a run that raised has ended its iterator

    def advance(self) -> None:
        """One round of every lane that has not stopped."""
        for k, source in enumerate(self._sources):
            if self.stopped[k]:
                continue
            try:
                self.snapshots[k] = next(source)
            except Diverged as error:
                self.stopped[k] = banners.diverged(error, self.settings)

    def push(self, n: int, every: slice = slice(None)) -> Tensor:
        """Of the first ``n`` particles, those in ``every``, in all lanes, drawn as the training draws its data."""
        return torch.stack([self._push(run, self.x0[:n][every]) for run in self.runs])  # (lanes, <= n, 2)

    def _push(self, run: FineTuning, x0: Tensor) -> Tensor:
        method, steps = run.sampler
        return flow.sample(run.policy, x0, method=method, steps=steps)

    def at(self, x: Tensor, t: float) -> Tensor:
        """The same particles as ``x`` (lanes, n, 2) at flow time ``t`` < 1."""
        x0 = self.x0[: x.shape[1]]
        if t == 0:
            return x0.expand_as(x)
        steps = 1 + round(4 * t)
        return torch.stack(
            [flow.trajectory(run.policy, x0, (0.0, t), method="rk4", steps=steps)[-1] for run in self.runs]
        )

    def paths(self, x: Tensor, times: Tensor) -> Tensor:
        """The ways of the particles ``x`` (lanes, k, 2), at ``times`` from 0 to 1: (lanes, k, s, 2)."""
        x0, steps = self.x0[: x.shape[1]], len(times) - 1
        ways = [flow.trajectory(run.policy, x0, times, method="midpoint", steps=steps) for run in self.runs]
        return torch.stack(ways).movedim(1, 2)

    def velocity(self, lane: int, t: float, x: Tensor) -> Tensor:
        """The lane's velocity at ``x`` (m, 2): (m, 2)."""
        with torch.no_grad():
            return self.runs[lane].policy(x.new_tensor(t), x)

    def warning(self, lane: int) -> Banner | None:
        """Whether few samples carry the weight."""
        last, run = self.snapshots[lane], self.runs[lane]
        return None if last is None else banners.few_decide(last.ess, run.pool_size, run.weighting)

    def effective(self, lane: int) -> float | None:
        """The share of the last draw that counts."""
        last = self.snapshots[lane]
        return None if last is None else last.ess / self.runs[lane].pool_size

    def penalty(self, lane: int) -> float | None:
        """E|v - v_ref|^2 in the last round."""
        last = self.snapshots[lane]
        return None if last is None else last.penalty
