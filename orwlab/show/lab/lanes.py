"""The networks of an experiment: one fine-tuning run a lane, from the same seed and noise."""

import copy
import functools
import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from orwlab import couplings, flow, losses, rewards, weights, zoo
from orwlab.measure import samples
from orwlab.methods.orw import FineTuning
from orwlab.methods.run import Diverged, Run, Snapshot
from orwlab.paths import Linear
from orwlab.rewards import Reward
from orwlab.show.lab import banners, measures, own, yardstick
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.settings import SEED_MAX, Settings
from orwlab.show.lab.steered import Steered, labelled
from orwlab.show.lab.yardstick import Reading
from orwlab.velocity import Velocity


def noise(seed: int, n: int) -> Tensor:
    """The noise that is pushed for the picture, (n, 2): not from the run's own numbers."""
    return flow.noise(n, (2,), generator=torch.Generator().manual_seed(seed + SEED_MAX))


def reference_name(settings: Settings) -> str:
    """The network in the zoo: where there is one, that which was trained with the chosen coupling."""
    other = f"{settings.target}_{settings.coupling}"
    return other if other in _networks() else settings.target


def paid(settings: Settings) -> Reward:
    """The reward as the runs get it: with the ``fault``, if there is one. All that is read is read without it."""
    reward = own.reward(settings.reward)
    return shuffled(reward) if settings.fault == "shuffled" else reward


def shuffled(reward: Reward) -> Reward:
    """``reward`` with a mistake: every sample of a draw is paid for the one before it, the first for the last.

    Samples of a draw are independent of each other, so any way to mix them up is as good as any other. A fixed one
    remembers nothing: a run that is repeated, or goes back, makes the same mistakes again.
    """
    return lambda x: rewards.evaluate(reward, x).roll(1)


@functools.cache
def _networks() -> list[str]:
    return zoo.names()  # looked up in every frame, and a look into a folder


def mean(reward: str, x: Tensor) -> float:
    """The mean of a reward over samples (n, 2)."""
    return float(rewards.evaluate(own.reward(reward), x).mean())


class NetworkLanes:
    """A run in every lane. Each is what it would be alone: nothing is shared but the reference it copies.

    Args:
        settings: what decides the runs.
        x0: (n, 2) the noise that is pushed for the picture.
    """

    mode = "learned"
    runs: Sequence[Run]
    pauses = False  # whether a round may pause between two lanes
    settled = False  # chance never rests

    def __init__(self, settings: Settings, x0: Tensor) -> None:
        self.settings = settings
        self.reference = measures.network(reference_name(settings))
        self.steered = Steered(self.mode)
        self.runs = self._begun(settings)
        self.x0 = x0
        self.snapshots: list[Snapshot | None] = [None] * len(self.runs)
        self.resume()
        self.first = self._push(self.reference, x0)  # (n, 2): alike in all lanes
        self._yardstick = self._push(self.reference, yardstick.noise())  # (m, 2), where the reference takes it

    def _begun(self, settings: Settings) -> Sequence[Run]:
        """A run for each lane."""
        raise NotImplementedError

    @property
    def series(self) -> tuple[str, ...]:
        """The names of what is read off a lane."""
        raise NotImplementedError

    @property
    def midway(self) -> bool:
        """Whether some lanes have done a round that others have not."""
        return False

    @property
    def alphas(self) -> Sequence[float | None]:
        """Of the next round, one a lane, where it has one."""
        raise NotImplementedError

    @property
    def labels(self) -> list[str]:
        """What the lanes are called."""
        raise NotImplementedError

    def obey(self, settings: Settings) -> bool:
        """Take over what may change under way. Returns whether anything of the training did."""
        raise NotImplementedError

    @property
    def rests(self) -> list[bool]:
        """Of every lane whether it is known to come to rest, if lanes differ in that."""
        return [False] * len(self.runs)

    @property
    def rounds(self) -> list[int]:
        """Rounds done, one a lane."""
        return [run.round for run in self.runs]

    def copied(self) -> list[torch.nn.Module]:
        """The networks that numbers are read off, as they are now."""
        return [copy.deepcopy(self._read_on(run)) for run in self.runs]

    def _read_on(self, run: Run) -> torch.nn.Module:
        return run.average if self.settings.measured == "average" else run.policy

    def resume(self) -> None:
        """Let lanes that stopped go on from their last good state."""
        self.stopped: list[Banner | None] = [None] * len(self.runs)
        self._sources = [run.rounds(2**62) for run in self.runs]  # a run that raised has ended its iterator

    def advance(self, until: float = math.inf) -> bool:
        """One round of every lane that has not stopped; returns whether it is whole.

        Lanes whose rounds are long may pause between two of them when the clock, ``time.monotonic``, shows ``until``:
        the next call then goes on from there.
        """
        for k in range(len(self.runs)):
            self._round_of(k)
        return True

    def _round_of(self, lane: int) -> None:
        if self.stopped[lane]:
            return
        try:
            self.snapshots[lane] = next(self._sources[lane])
        except Diverged as error:
            self.stopped[lane] = banners.diverged(error, self.settings)

    def push(self, n: int, every: slice = slice(None)) -> Tensor:
        """Of the first ``n`` particles, those in ``every``, in all lanes, drawn as the training draws its data."""
        return torch.stack([self._push(run.policy, self.x0[:n][every]) for run in self.runs])  # (lanes, <= n, 2)

    def _push(self, v: Velocity, x0: Tensor) -> Tensor:
        return flow.push(v, x0, self.runs[0].sampler)

    def at(self, x: Tensor, t: float) -> Tensor:
        """The same particles as ``x`` (lanes, n, 2) at flow time ``t`` < 1."""
        x0 = self.x0[: x.shape[1]]
        if t == 0:
            return x0.expand_as(x)
        steps = 1 + round(4 * t)
        return torch.stack(
            [flow.trajectory(run.policy, x0, (0.0, t), method="rk4", steps=steps)[-1] for run in self.runs]
        )

    def paths(self, x: Tensor, times: Tensor, first: int = 0) -> Tensor:
        """The ways of the particles ``x`` (lanes, k, 2), which are those from ``first`` on, at ``times`` from 0 to 1:
        (lanes, k, s, 2).
        """
        x0, steps = self.x0[first : first + x.shape[1]], len(times) - 1
        ways = [flow.trajectory(run.policy, x0, times, method="midpoint", steps=steps) for run in self.runs]
        return torch.stack(ways).movedim(1, 2)

    def velocity(self, lane: int, t: float, x: Tensor) -> Tensor:
        """The lane's velocity at ``x`` (m, 2): (m, 2)."""
        with torch.no_grad():
            return self.runs[lane].policy(x.new_tensor(t), x)

    def warning(self, lane: int) -> Banner | None:
        """What the lane's last round has to say about itself."""
        return None

    # Read on the yardstick ------------------------------------------------------------------------------------------

    def of_reference(self, reward: str) -> float:
        """The mean of a reward over the reference's samples."""
        return mean(reward, self._yardstick)

    def read(self, lane: int, dear: Collection[str] = ()) -> Reading | None:
        """Read the lane's averaged weights, or its newest ones if the settings say so; None if that is not finite.

        Args:
            lane: which.
            dear: of "transport" and "secant", those that are to be measured as well.
        """
        run = self.runs[lane]
        v = self._read_on(run)
        x = self._push(v, yardstick.noise())
        if not x.isfinite().all():
            return None
        r = rewards.evaluate(own.reward(self.settings.reward), x)
        values = {
            "reward": float(r.mean()),
            "diversity": measures.diversity(x),
            "penalty": self._penalty(v, x),
        }
        if "transport" in dear:
            values["w2"], values["coupled"] = measures.transport(x, self._yardstick)
        values |= self._own_values(lane, v, r, dear)
        if self.settings.truth:
            values["truth"] = mean(self.settings.truth, x)
        if not all(map(math.isfinite, values.values())):
            return None
        if lane == 0 and "spent" in self.series:
            values["spent"] = self.steered.spent
        return Reading(values, samples.mode_mass(x, own.target(self.settings.target)))

    def _own_values(self, lane: int, v: Velocity, r: Tensor, dear: Collection[str]) -> dict[str, float]:
        """What is read only off lanes of this kind; ``v`` has the rewards ``r`` on the yardstick."""
        return {}

    def _penalty(self, v: Velocity, x1: Tensor) -> float:
        """E|v - v_ref|^2 at points x_t made of samples ``x1`` as the training makes them."""
        x0, t = yardstick.crossings()
        x_t, _ = Linear().interpolate(t, x0, x1)
        return self._apart(v, t, x_t)

    def _apart(self, v: Velocity, t: Tensor, x_t: Tensor) -> float:
        with torch.no_grad():
            return float(losses.penalty(v(t, x_t).double(), self.reference(t, x_t).double()))


class LearnedLanes(NetworkLanes):
    """The paper's method, a run for every alpha. Arguments as ``NetworkLanes`` has them."""

    runs: list[FineTuning]
    series = ("reward", "diversity", "effective", "penalty", "w2", "coupled", "secant", "alpha", "spent", "truth")

    def _begun(self, settings: Settings) -> list[FineTuning]:
        return [
            FineTuning(
                self.reference,
                paid(settings),
                settings.tau,
                alpha,
                settings.weighting,
                settings.coupling,
                settings.steps_per_round,
                lr=settings.lr,
                seed=settings.seed,
            )
            for alpha in (self.steered.obey(settings, 0), *settings.others)
        ]

    @property
    def alphas(self) -> list[float]:
        """Of the next round, one a lane: the first may be steered."""
        return [run.alpha for run in self.runs]

    @property
    def labels(self) -> list[str]:
        """What the lanes are called."""
        return labelled(self.alphas, self.settings)

    def obey(self, settings: Settings) -> bool:
        """Take over what may change under way. Returns whether anything of the training did."""
        before, self.settings = self.settings, settings
        names = ("reward", "tau", "lr", "steps_per_round", "alphas", "steer", "budget", "fault")
        if all(getattr(before, name) == getattr(settings, name) for name in names):
            return False
        alphas = (self.steered.obey(settings, self.runs[0].round), *settings.others)
        for run, alpha in zip(self.runs, alphas):
            run.alpha, run.tau, run.lr = alpha, settings.tau, settings.lr
            run.steps_per_round = settings.steps_per_round
            if (before.reward, before.fault) != (settings.reward, settings.fault):
                run.reward = paid(settings)
        return True

    def _round_of(self, lane: int) -> None:
        if self.stopped[lane]:
            return
        super()._round_of(lane)
        if lane or not self.steered.kind:
            return
        run, last = self.runs[lane], self.snapshots[lane]
        if self.stopped[lane]:
            run.alpha = self.steered.back(run.round)
        elif last is not None:
            run.alpha = self.steered.after(run.round, last.penalty)

    def warning(self, lane: int) -> Banner | None:
        """Whether few samples carry the weight."""
        last, run = self.snapshots[lane], self.runs[lane]
        return None if last is None else banners.few_decide(last.ess, run.pool_size, run.weighting)

    def _own_values(self, lane: int, v: Velocity, r: Tensor, dear: Collection[str]) -> dict[str, float]:
        run = self.runs[lane]
        log_w = weights.log_weights(r, run.tau, run.weighting)
        values = {"effective": weights.effective_sample_size(log_w) / len(r), "alpha": run.alpha}
        if "secant" in dear:
            values["secant"] = measures.secant(v, self.reference, yardstick.noise()[: measures.SECANT])
        return values

    def _penalty(self, v: Velocity, x1: Tensor) -> float:
        run, (x0, t) = self.runs[0], yardstick.crossings()
        parts = zip(x0.split(run.batch_size), x1.split(run.batch_size))  # pairs by transport depend on how many
        generator = torch.Generator().manual_seed(0)
        pairs = [couplings.pair_unweighted(run.coupling, *part, generator=generator) for part in parts]
        x_t, _ = run.path.interpolate(t, *(torch.cat(side) for side in zip(*pairs)))
        return self._apart(v, t, x_t)
