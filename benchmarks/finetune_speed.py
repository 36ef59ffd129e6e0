"""How fast is fine-tuning, against a plain recipe after the method's released code, and does speed cost accuracy?

    python benchmarks/finetune_speed.py [--quick]

The released recipe is written out here in plain PyTorch, without any of orwlab's checks, and simplified: every batch is
drawn from the policy by 100 Euler steps of torchdiffeq, and one step of torch's default Adam is taken on it. Their
trainer also warms its learning rate up, clips gradients, draws from a copy of the policy that is renewed once an epoch,
and pairs each batch by optimal transport; that pairing is another algorithm, and its price stands on a line of its own.

Speed: contenders run in turn, a few gradient steps each, in one process on one thread, so that whatever else the
machine does hits all alike; a ratio is taken within each turn and the median is reported.

Accuracy: mean reward against the exact limit after as many gradient steps each, on 512 even points, for three
seeds; and the time until it stays within 0.02 of the limit, in which nothing but fine-tuning is counted. orwlab's runs
are read on their running average, which the released recipe does not have: it is read as it is, and with one.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import nn
from torchdiffeq import odeint
from tqdm import tqdm

from orwlab import couplings, flow, oracle, rewards, targets, zoo
from orwlab.finetune import FineTuning
from orwlab.rewards import Reward
from orwlab.show.lab import yardstick

STEPS, READ_EVERY = 500, 10  # gradient steps for the accuracy part
CLOSE = 0.02  # of the exact limit's mean reward
SEEDS = (0, 1, 2)
REFERENCE, REWARD = "eight_gaussians", "right"


class Contender(Protocol):
    """What is measured: rounds, of so many gradient steps each, and the averaged policy."""

    steps_per_round: int
    average: nn.Module

    def rounds(self, n: int) -> Iterator[object]:
        """``n`` rounds, one whenever the next is asked for."""
        ...


class Released:
    """The released recipe, line by line. It has no running average; ``kept`` gives it ours, else it is the policy."""

    steps_per_round = 1

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        *,
        alpha: float = 1.0,
        seed: int = 0,
        batch_size: int = 256,
        coupling: str = "independent",
        kept: float = 0.0,
    ) -> None:
        self.reference, self.policy, self.average = (copy.deepcopy(reference) for _ in range(3))
        self.reference.requires_grad_(False)
        self.average.requires_grad_(False)
        self.reward, self.alpha, self.batch_size = reward, alpha, batch_size
        self.coupling, self.kept = coupling, kept
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=1e-3)
        self.steps = 0

    def rounds(self, n: int) -> Iterator[None]:
        """One gradient step each."""
        times = torch.linspace(0, 1, 101)
        for _ in range(n):
            noise = torch.randn(self.batch_size, 2, generator=self.generator)
            with torch.no_grad():
                x1 = odeint(self.policy, noise, times, method="euler")[-1]
                w = self.reward(x1).exp()
            x0, t = torch.randn(x1.shape, generator=self.generator), torch.rand(len(x1), 1, generator=self.generator)
            if self.coupling == "ot":
                x0, x1 = couplings.pair_unweighted("ot", x0, x1, generator=self.generator)
            x_t = (1 - t) * x0 + t * x1
            v_t = self.policy(t[:, 0], x_t)
            with torch.no_grad():
                v_ref = self.reference(t[:, 0], x_t)
            fit, penalty = (v_t - (x1 - x0)).square().sum(1), (v_t - v_ref).square().sum(1)
            self.optimizer.zero_grad()
            # over 1 + alpha, as everywhere in orwlab: the same Adam steps
            ((w * fit + self.alpha * penalty).mean() / (1 + self.alpha)).backward()
            self.optimizer.step()
            self.steps += 1
            with torch.no_grad():
                for mean, p in zip(self.average.parameters(), self.policy.parameters()):
                    mean.lerp_(p, (1 - self.kept) / (1 - self.kept**self.steps))
            yield


RELEASED = "released recipe (Euler, 100 evaluations)"
CONTENDERS: dict[str, Callable[..., Contender]] = {
    RELEASED: Released,
    "  read on a running average": lambda *a, **k: Released(*a, kept=0.98, **k),
    "  rk4's 3 steps, 12 evaluations": lambda *a, **k: FineTuning(*a, sampler=("rk4", 3), **k),
    "orwlab's default (learned solver, 8 evaluations)": FineTuning,
    "  each draw used 4 times": lambda *a, **k: FineTuning(*a, steps_per_round=4, **k),
    "  each draw used 8 times": lambda *a, **k: FineTuning(*a, steps_per_round=8, **k),
}
PAIRED = "  pairing each batch by optimal transport"


def milliseconds_a_step(run: Contender, steps: int) -> float:
    """Wall time of a gradient step, its share of the drawing included."""
    rounds = run.rounds(max(1, steps // run.steps_per_round))
    start = time.perf_counter()
    taken = sum(run.steps_per_round for _ in rounds)
    return 1000 * (time.perf_counter() - start) / taken


def speed(turns: int) -> None:
    """Print milliseconds and ratios."""
    reference, reward = zoo.load(REFERENCE), rewards.get(REWARD)
    runs = {name: make(reference, reward) for name, make in CONTENDERS.items()}
    runs[PAIRED] = Released(reference, reward, coupling="ot")
    for run in runs.values():
        milliseconds_a_step(run, 8)  # warm up
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in tqdm(range(turns), desc="speed"):
        for name, run in runs.items():
            times[name].append(milliseconds_a_step(run, 16))
    base = times[RELEASED]
    print(f"\n{'one gradient step, batch 256, MLP 3 x 128, one thread':56} {'ms':>7} {'times faster':>13}")
    for name, values in times.items():
        ratio = statistics.median(b / v for b, v in zip(base, values))
        print(f"{name:56} {statistics.median(values):7.2f} {ratio:12.1f}x")


def path(run: Contender, reward: Reward, bar: tqdm) -> tuple[list[float], list[float]]:
    """Seconds of fine-tuning so far, and the mean reward then."""
    seconds, found = [0.0], [float(reward(flow.sample(run.average, yardstick.noise())).mean())]
    for _ in range(STEPS // READ_EVERY):
        start = time.perf_counter()
        for _ in run.rounds(max(1, round(READ_EVERY / run.steps_per_round))):
            pass
        seconds.append(seconds[-1] + time.perf_counter() - start)
        found.append(float(reward(flow.sample(run.average, yardstick.noise())).mean()))
        bar.update()
    return seconds, found


def settled(seconds: list[float], found: list[float], exact: float) -> float:
    """Seconds after which the reward stays within ``CLOSE`` of the limit; infinity if it never does."""
    outside = [k for k, value in enumerate(found) if abs(value - exact) > CLOSE]
    after = outside[-1] + 1 if outside else 0
    return seconds[after] if after < len(seconds) else float("inf")


def accuracy(alphas: tuple[float, ...]) -> None:
    """Print mean rewards against the exact limit, and the time until they stay close to it."""
    reference, reward = zoo.load(REFERENCE), rewards.get(REWARD)
    bar = tqdm(total=len(alphas) * len(SEEDS) * len(CONTENDERS) * (STEPS // READ_EVERY), desc="accuracy")
    lines = []
    for alpha in alphas:
        dynamics = oracle.PopulationDynamics(targets.get(REFERENCE), reward, tau=1.0, alpha=alpha)
        dynamics.fixed_point()
        exact = dynamics.mean_reward
        gaps: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        waits: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for seed in SEEDS:
            for name, make in CONTENDERS.items():
                seconds, found = path(make(reference, reward, alpha=alpha, seed=seed), reward, bar)
                last = found[-10:]  # one reading wanders
                gaps[name].append(statistics.fmean(last) - exact)
                waits[name].append(settled(seconds, found, exact))
        lines.append(f"\nalpha {alpha:g}: exact limit of the mean reward {exact:.4f}")
        lines.append(
            f"{f'{STEPS} gradient steps':56} {'reward - exact, seeds 0 1 2':>28} {f's until within {CLOSE}':>22}"
        )
        for name in CONTENDERS:
            lines.append(
                f"{name:56} {' '.join(f'{gap:+.3f}' for gap in gaps[name]):>28} "
                f"{' '.join(f'{wait:.2f}' for wait in waits[name]):>22}"
            )
    bar.close()
    print("\n".join(lines))


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, one alpha")
    options = parser.parse_args()
    torch.set_num_threads(1)
    speed(5 if options.quick else 25)
    accuracy((1.0,) if options.quick else (1.0, 0.3))


if __name__ == "__main__":
    main()
