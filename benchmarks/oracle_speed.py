"""How fast the exact dynamics are, as ratios measured in one run: ``python benchmarks/oracle_speed.py``.

One refresh in the plane is compared with its own matrix products alone (they depend on the machine), the two
alternating; then the limit is searched for a range of alphas, as a slider would ask for it. With one thread processor
time is counted, which other work on the machine disturbs less.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TypeVar

import torch

from orwlab import rewards, targets
from orwlab.oracle import OracleWarning, PopulationDynamics

T = TypeVar("T")


def timed(f: Callable[[], T]) -> tuple[float, T]:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    found = f()
    return clock() - start, found


def one_round(target: str, reward: str, axis: int, repeats: int) -> tuple[float, float, float]:
    """Median seconds of one refresh and of its matrix products alone, and the median of their ratios."""
    dynamics = PopulationDynamics(targets.get(target), rewards.get(reward), axis=axis)
    dynamics.iterate(2)
    moments = dynamics._moments
    mass = dynamics.density * dynamics.cells.dx**2
    sources = [moments.lay_out(mass), moments.lay_out(mass * dynamics.reward_values.exp())]
    sums = torch.empty(2, 3, axis, axis, dtype=mass.dtype)

    def products() -> None:
        for k in range(1, len(moments.times)):
            for source, out in zip(sources, sums):
                moments.sums(k, source, out)

    products()
    pairs = [(timed(dynamics.step)[0], timed(products)[0]) for _ in range(repeats)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="eight_gaussians", choices=targets.names(2))
    parser.add_argument("--reward", default="right", choices=rewards.names())
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tol", type=float, default=1e-3, help="total variation of a last refresh, for the limits")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore", OracleWarning)
    print(
        f"{arguments.target}, reward {arguments.reward}, {arguments.threads} thread(s), medians of {arguments.repeats}"
    )
    print(f"{'one refresh':<14}{'ms':>8}{'products, ms':>15}{'ratio':>8}")
    for axis in (64, 128, 256):
        whole, products, ratio = one_round(arguments.target, arguments.reward, axis, arguments.repeats)
        print(f"  axis {axis:<7}{1e3 * whole:>8.1f}{1e3 * products:>15.1f}{ratio:>8.2f}")

    print(f"\nthe limit, tol {arguments.tol:g}: from the reference | dragging the slider there from twice that alpha")
    print(f"{'':<8}{'alpha':>6}{'refreshes':>11}{'s':>7}{'rate':>7}{'E[r]':>8} |{'refreshes':>10}{'s':>7}")
    target, reward = targets.get(arguments.target), rewards.get(arguments.reward)
    for axis in (64, 128):
        for alpha in (10.0, 3.0, 1.0, 0.3, 0.1):
            dynamics = PopulationDynamics(target, reward, alpha=alpha, axis=axis)
            cold_s, cold = timed(partial(dynamics.fixed_point, arguments.tol))
            mean = dynamics.mean_reward
            dynamics.reset()
            dynamics.alpha = 2 * alpha
            dynamics.fixed_point(arguments.tol)
            dynamics.alpha = alpha
            warm_s, warm = timed(partial(dynamics.fixed_point, arguments.tol))
            row = f"axis {axis:<3}{alpha:>6g}{cold.rounds:>11}{cold_s:>7.2f}{cold.rate:>7.2f}{mean:>8.4f} |"
            print(row + f"{warm.rounds:>10}{warm_s:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
