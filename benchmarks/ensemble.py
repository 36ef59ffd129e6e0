"""Are many runs as one program faster than one after the other, on one thread of a CPU?

    python benchmarks/ensemble.py [--quick]

Runs of eight Gaussians (MLP 3 x 128, batch 256), as one ``Ensemble`` and as so many ``FineTuning``, a few rounds each
in turn, in one process; a ratio is taken within each turn and the median is reported, of processor time, which other
work on the machine disturbs less.

Measured twice, beside other work on two cores: four runs are 1.0 times as fast together, 1.0 and 1.2 times with eight
gradient steps a draw, and sixteen runs 1.2 and 1.3 times. So the live lab's four lanes stay runs of their own.
"""

import argparse
import statistics
import time

import torch

from orwlab import rewards, zoo
from orwlab.finetune import FineTuning
from orwlab.methods.ensemble import Ensemble

ALPHAS = (0.1, 0.3, 1.0, 3.0)
ROUNDS = 3  # in a turn


def seconds(*runs: FineTuning) -> float:
    start = time.process_time()
    for run in runs:
        for _ in run.rounds(ROUNDS):
            pass
    return (time.process_time() - start) / ROUNDS


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 3 if parser.parse_args().quick else 30
    torch.set_num_threads(1)
    reference, reward = zoo.load("eight_gaussians"), rewards.get("right")
    print(f"{'a round of all, batch 256':<40}{'one by one, ms':>15}{'together, ms':>14}{'times faster':>14}")
    for count, steps in ((4, 1), (4, 8), (16, 1)):
        alphas = [ALPHAS[i % len(ALPHAS)] for i in range(count)]
        more = {"steps_per_round": steps}
        alone = [FineTuning(reference, reward, alpha=alpha, seed=i, **more) for i, alpha in enumerate(alphas)]
        together = Ensemble(reference, reward, alpha=alphas, seed=range(count), **more)
        seconds(*alone), seconds(together)  # what is done once is done
        pairs = [(seconds(*alone), seconds(together)) for _ in range(turns)]
        apart, joint = (1000 * statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(a / b for a, b in pairs)
        print(
            f"{f'{count} runs, {steps} gradient steps a draw':<40}{apart:>15.1f}{joint:>14.1f}{ratio:>13.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
