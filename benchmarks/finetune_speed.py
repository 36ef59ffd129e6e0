"""How fast is a gradient step, against the recipe in the method's released code, and does speed cost accuracy?

    python benchmarks/finetune_speed.py [--quick]

The released recipe draws every batch by 100 Euler steps from the policy and takes one gradient step on it with Adam.
Contenders run in turn, a few rounds each, in one process on one thread, so that whatever else the machine does hits
all alike; a ratio is taken within each turn and the median is reported. Accuracy is what the averaged policy's samples
have after 300 gradient steps: mean reward against the exact limit, energy distance to the released recipe's samples
beside the distance between two seeds of that recipe.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from tqdm import tqdm

from orwlab import flow, metrics, oracle, rewards, targets, zoo
from orwlab.finetune import FineTuning

STEPS = 300  # gradient steps for the accuracy part
REFERENCE, REWARD = "eight_gaussians", "right"


class Released(FineTuning):
    """The released recipe: 100 Euler evaluations a batch and torch's default Adam (several small kernels a tensor)."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, sampler=("euler", 100), **kwargs)  # type: ignore[arg-type]
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=self.lr)


CONTENDERS: dict[str, Callable[..., FineTuning]] = {
    "released recipe (Euler, 100 evaluations)": Released,
    "  its optimiser fused": lambda *a, **k: FineTuning(*a, sampler=("euler", 100), **k),
    "(a) 12 evaluations (rk4, 3 steps), the default": FineTuning,
    "(a) 8 evaluations (midpoint, 4 steps)": lambda *a, **k: FineTuning(*a, sampler=("midpoint", 4), **k),
    "(b) default, each batch used 4 times": lambda *a, **k: FineTuning(*a, steps_per_round=4, **k),
    "(b) default, each batch used 8 times": lambda *a, **k: FineTuning(*a, steps_per_round=8, **k),
}


def milliseconds_a_step(run: FineTuning, steps: int) -> float:
    """Wall time of a gradient step, its share of the drawing included."""
    rounds = run.rounds(max(1, steps // run.steps_per_round))
    start = time.perf_counter()
    taken = sum(run.steps_per_round for _ in rounds)
    return 1000 * (time.perf_counter() - start) / taken


def speed(turns: int) -> None:
    """Print milliseconds and ratios."""
    reference, reward = zoo.load(REFERENCE), rewards.get(REWARD)
    runs = {name: make(reference, reward) for name, make in CONTENDERS.items()}
    for run in runs.values():
        milliseconds_a_step(run, 8)  # warm up
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in tqdm(range(turns), desc="speed"):
        for name, run in runs.items():
            times[name].append(milliseconds_a_step(run, 8))
    base = times[next(iter(times))]
    print(f"\n{'one gradient step, batch 256, MLP 3 x 128, one thread':56} {'ms':>7} {'times faster':>13}")
    for name, values in times.items():
        ratio = statistics.median(b / v for b, v in zip(base, values))
        print(f"{name:56} {statistics.median(values):7.2f} {ratio:12.1f}x")


def accuracy(alphas: tuple[float, ...]) -> None:
    """Print mean rewards against the exact limit, and energy distances to the released recipe's samples."""
    reference, reward = zoo.load(REFERENCE), rewards.get(REWARD)
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))

    def samples(make: Callable[..., FineTuning], alpha: float, seed: int) -> torch.Tensor:
        run = make(reference, reward, alpha=alpha, seed=seed)
        for _ in run.rounds(STEPS // run.steps_per_round):
            pass
        return flow.sample(run.average, x0, steps=48)

    bar = tqdm(total=len(alphas) * (2 + 3 * (len(CONTENDERS) - 2)), desc="accuracy")
    lines = []
    for alpha in alphas:
        dynamics = oracle.PopulationDynamics(targets.get(REFERENCE), reward, tau=1.0, alpha=alpha)
        dynamics.fixed_point()
        exact = dynamics.mean_reward
        released = []
        for seed in (0, 1):
            released.append(samples(Released, alpha, seed))
            bar.update()
        seeds = metrics.energy_distance(*released)
        lines.append(f"\nalpha {alpha:g}: exact limit of the mean reward {exact:.4f}")
        lines.append(f"{'after 300 gradient steps':56} {'reward - exact, seeds 0 1 2':>28} {'energy distance':>16}")
        gaps = " ".join(f"{float(reward(x).mean()) - exact:+.3f}" for x in released)
        lines.append(f"{'released recipe':56} {gaps:>28} {seeds:16.4f}   (its two seeds)")
        for name, make in list(CONTENDERS.items())[2:]:
            found = []
            for seed in (0, 1, 2):
                found.append(samples(make, alpha, seed))
                bar.update()
            gaps = " ".join(f"{float(reward(x).mean()) - exact:+.3f}" for x in found)
            lines.append(f"{name:56} {gaps:>28} {metrics.energy_distance(found[0], released[0]):16.4f}")
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
