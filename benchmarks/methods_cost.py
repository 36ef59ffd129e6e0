"""What does a round of each method cost, against one of ORW-CFM-W2, in time and in what it asks for?

    python benchmarks/methods_cost.py [--quick]

All methods run in turn, a few rounds each, in one process on one thread, on eight Gaussians with a batch of 256, so
that whatever else the machine does hits all alike; a ratio is taken within each turn and the median is reported. What
they ask for is counted by the runs themselves (``run.cost``). How far each gets is another question: ``python -m
orwlab.tasks.contest``.
"""

import argparse
import statistics
import time

import torch

from orwlab import methods, rewards, zoo

BASE = "orw_cfm_w2"
ROUNDS = 5  # in a turn


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 8 if parser.parse_args().quick else 30
    torch.set_num_threads(1)
    reference, reward = zoo.load("eight_gaussians"), rewards.get("right")
    runs = {name: methods.get(name)(reference, reward, strength=1.0, seed=0) for name in methods.names()}
    before = {}
    for name, run in runs.items():
        list(run.rounds(ROUNDS))  # what is done once is done
        before[name] = vars(run.cost).copy()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            began = time.perf_counter()
            list(run.rounds(ROUNDS))
            seconds[name].append((time.perf_counter() - began) / ROUNDS)
    print(
        f"{'method':<18}{'ms a round':>11}{'times':>7}{'evaluations':>13}{'gradients':>11}{'rewards':>9}{'slopes':>8}"
    )
    for name, run in runs.items():
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds[BASE], strict=True))
        each = {key: (value - before[name][key]) / (turns * ROUNDS) for key, value in vars(run.cost).items()}
        print(
            f"{name:<18}{1000 * statistics.median(seconds[name]):11.1f}{ratio:7.1f}{each['forward']:13.0f}"
            f"{each['backward']:11.0f}{each['rewards']:9.0f}{each['reward_gradients']:8.0f}"
        )


if __name__ == "__main__":
    main()
