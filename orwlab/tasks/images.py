"""What tasks on images share: a pretrained flow, a reward that is optimised, and numbers that nothing optimises.

    task = digits.Digits()  # or another
    outcomes = images.fine_tune(task, alphas=(0.0, 0.1, 1.0), seeds=(0, 1, 2))

A run optimises ``task.reward``. Whether that was what one wanted, ``task.judge`` says.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from orwlab import checks, flow, rewards, zoo
from orwlab.methods.orw import FineTuning
from orwlab.methods.run import Snapshot
from orwlab.velocity import Velocity

Numbers = dict[str, float | list[float]]
MOST = 1_000_000  # images at a time


@dataclass(frozen=True)
class Plan:
    """How a task is fine-tuned, next to alpha and seed: arguments of ``FineTuning``, and how many rounds."""

    tau: float
    lr: float
    rounds: int
    batch_size: int = 256
    steps_per_round: int = 1


@dataclass(frozen=True)
class Outcome:
    """What fine-tuning at one ``alpha`` gave; ``alpha`` None is the reference itself."""

    alpha: float | None
    samples: Tensor
    """(n, channels, height, width); all outcomes of one seed start from the same noise"""
    reward: float
    """mean of the reward that was optimised"""
    numbers: Numbers
    """what the task's judge says of the samples"""
    rewards: list[float] = field(default_factory=list)
    """mean reward of each round"""
    seed: int = 0


class Task(ABC):
    """A task on images.

    A subclass sets the attributes and says what ``judge`` measures.
    """

    name: str
    reference: nn.Module
    """v_ref(t, x), with an ``event_shape``"""
    reward: rewards.Reward
    plan: Plan
    words: Mapping[str, str]
    """the judge's numbers -> what they are called"""
    judged_on: int = 512
    """images that the judge is shown, if nobody says how many"""
    judged_by: int = 1
    """grows whenever the judge measures something else, so that kept results are known to be of another judge"""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of an image."""
        return tuple(self.reference.event_shape)  # type: ignore[arg-type]

    @abstractmethod
    def judge(self, x: Tensor) -> Numbers:
        """Numbers of images (n, channels, height, width) that no gradient and no selection ever saw."""

    def begin(self, alpha: float, seed: int = 0, plan: Plan | None = None) -> FineTuning:
        """A run at ``alpha``, against weights of mean one; by the task's plan if there is no other."""
        plan = plan_of(plan, self.plan)
        return FineTuning(
            self.reference,
            self.reward,
            tau=plan.tau,
            alpha=alpha,
            weighting="mean_one",
            steps_per_round=plan.steps_per_round,
            batch_size=plan.batch_size,
            lr=plan.lr,
            seed=seed,
        )

    def push(self, v: Any, x0: Tensor) -> Tensor:
        """Noise x0 (n, *event) to images, by the solver of ``v``, a network like the reference."""
        return push(network(v), checks.points("x0", x0, self.event_shape))

    def shown(self, k: int, n: int) -> list[int]:
        """Which ``k`` of ``n`` images of an outcome are shown where there is not room for all."""
        return list(range(min(checks.integer("k", k), checks.integer("n", n, high=MOST))))

    def noise(self, n: int, seed: int = 0) -> Tensor:
        """The noise x0 (n, *event) from which a seed's images start."""
        n, seed = checks.integer("n", n, low=2), checks.seed("seed", seed)
        return flow.noise(n, self.event_shape, generator=torch.Generator().manual_seed(seed))

    def outcome(self, v: nn.Module, x0: Tensor, alpha: float | None, seed: int = 0, **more: Any) -> Outcome:
        """What ``v`` makes of the noise ``x0``, as it is judged."""
        v = network(v)
        x0 = checks.points("x0", x0, self.event_shape, at_least=2)
        alpha = None if alpha is None else checks.number("alpha", alpha, low=0.0)
        seed = checks.seed("seed", seed)
        x = self.push(v, x0)
        if not checks.all_finite(x):
            raise ValueError("v leads x0 to numbers that are not finite; allowed: a flow that ends in images")
        r = float(rewards.evaluate(self.reward, x).mean())
        return Outcome(alpha, x, r, self.judge(x), seed=seed, **more)


def fine_tune(
    task: Task,
    alphas: Sequence[float],
    seeds: Sequence[int] = (0,),
    *,
    plan: Plan | None = None,
    samples: int | None = None,
    progress: bool = True,
    told: Callable[[Snapshot], Any] | None = None,
) -> list[Outcome]:
    """Fine-tune ``task`` once for each seed and alpha.

    Args:
        task: such as ``digits.Digits()``.
        alphas: W2 coefficients, each >= 0, against weights of mean one.
        seeds: of the runs and of the noise behind the images.
        plan: how, such as ``dataclasses.replace(task.plan, rounds=50)``; the task's own if None.
        samples: how many images each outcome keeps and is judged by; the task's number if None.
        progress: show a bar.
        told: is given every round's snapshot.

    Returns:
        For each seed the reference's outcome, then one for each alpha, in order. Read off the running average.

    Raises:
        ValueError: an argument out of range.
        Diverged: a run stopped being finite; outcomes before it are lost.
    """
    if not isinstance(task, Task):
        raise checks.fail("task", task, "a task, such as digits.Digits()")
    alphas = checks.numbers("alphas", alphas, low=0.0)
    seeds = _seeds(seeds)
    plan = plan_of(plan, task.plan)
    rounds = checks.integer("rounds", plan.rounds)
    if told is not None and not callable(told):
        raise checks.fail("told", told, "None, or a callable that is given each round's snapshot")
    samples = checks.integer("samples", task.judged_on if samples is None else samples, low=2)
    progress = checks.yes_or_no("progress", progress)
    outcomes = []
    for seed in seeds:
        x0 = task.noise(samples, seed)
        outcomes.append(task.outcome(task.reference, x0, None, seed))
        for alpha in alphas:
            run = task.begin(alpha, seed, plan)
            label = f"{task.name}, alpha {alpha:g}, seed {seed}"
            history = []
            for snapshot in tqdm(run.rounds(rounds), total=rounds, desc=label, disable=not progress):
                history.append(snapshot.reward)
                if told is not None:
                    told(snapshot)
            outcomes.append(task.outcome(run.average, x0, alpha, seed, rewards=history))
    return outcomes


def _seeds(seeds: Any) -> list[int]:
    allowed = "a list of seeds, at least one of them"
    try:
        found = [] if isinstance(seeds, str | bytes | dict) else list(seeds)
    except TypeError as error:
        raise checks.fail("seeds", seeds, allowed) from error
    if not found:
        raise checks.fail("seeds", seeds, allowed)
    return [checks.seed("seeds", seed) for seed in found]


def plan_of(plan: Any, usual: Plan) -> Plan:
    """``plan``, checked, or the usual one if it is None."""
    if plan is not None and not isinstance(plan, Plan):
        raise checks.fail("plan", plan, "a Plan, or None for the task's own")
    return usual if plan is None else plan


def network(v: Any) -> nn.Module:
    """``v``, if it is a network."""
    if not isinstance(v, nn.Module):
        raise checks.fail("v", v, "a network v(t, x)")
    return v


def push(v: Velocity, x0: Tensor, size: int = 64) -> Tensor:
    """Noise x0 (n, *event) to images, by ``v``'s own solver; some at a time, so that all fits into a cache."""
    x0, size = checks.points("x0", x0), checks.integer("size", size)
    return torch.cat([flow.push(v, part, getattr(v, "solver", ("midpoint", 12))) for part in x0.split(size)])


def check_classifier(network: Any, event_shape: tuple[int, ...], classes: int) -> None:
    """Whether a network that was read from a folder is a classifier of these images and so many classes."""
    shape, found = getattr(network, "event_shape", None), getattr(getattr(network, "head", None), "out_features", None)
    if shape != event_shape or found != classes:
        said = f"a {type(network).__name__} of images {shape} and {found} classes"
        raise checks.fail("networks", said, f"a classifier of images {event_shape} and {classes} classes")


def networks_of(folder: str | PathLike[str] | None, *names: str) -> list[Any]:
    """The zoo's networks of these names; or those of ``folder``, flows with the solver that the zoo's have.

    Raises:
        ValueError: no such folder, or a file in it that is missing or damaged.
    """
    return [zoo.load(name, folder) for name in names]
