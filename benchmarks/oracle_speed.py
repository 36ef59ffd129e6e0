"""How fast the exact dynamics are, as ratios measured in one run: ``python benchmarks/oracle_speed.py``.

One refresh in the plane is compared with its own matrix products alone (they are most of the work and depend on the
machine), the two alternating; then the limit is searched for a range of alphas, as a slider would ask for it.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from statistics import median

import torch

from orwlab import rewards, targets
from orwlab.oracle import OracleWarning, PopulationDynamics


def seconds(f: Callable[[], object]) -> float:
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def one_round(target: str, reward: str, axis: int, repeats: int) -> tuple[float, float]:
    """Median seconds of one refresh and of its matrix products alone."""
    dynamics = PopulationDynamics(targets.get(target), rewards.get(reward), axis=axis)
    dynamics.iterate(2)
    moments = dynamics._moments
    mass = dynamics.density * dynamics.cells.dx**2
    source = moments.lay_out(torch.stack([mass, mass * dynamics.reward_values.exp()]))

    def products() -> None:
        for k in range(len(moments.times)):
            moments.sums(k, source)

    products()
    pairs = [(seconds(dynamics.step), seconds(products)) for _ in range(repeats)]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


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
    for axis in (64, 128):
        whole, products = one_round(arguments.target, arguments.reward, axis, arguments.repeats)
        print(f"  axis {axis:<7}{1e3 * whole:>8.1f}{1e3 * products:>15.1f}{whole / products:>8.2f}")

    print(f"\nthe limit, tol {arguments.tol:g}: from the reference | dragging the slider there from twice that alpha")
    print(f"{'':<8}{'alpha':>6}{'refreshes':>11}{'s':>7}{'rate':>7}{'E[r]':>8} |{'refreshes':>10}{'s':>7}")
    target, reward = targets.get(arguments.target), rewards.get(arguments.reward)
    for axis in (64, 128):
        for alpha in (10.0, 3.0, 1.0, 0.3, 0.1):
            dynamics = PopulationDynamics(target, reward, alpha=alpha, axis=axis)
            start = time.perf_counter()
            cold = dynamics.fixed_point(arguments.tol)
            cold_s = time.perf_counter() - start
            mean = dynamics.mean_reward
            dynamics.reset()
            dynamics.alpha = 2 * alpha
            dynamics.fixed_point(arguments.tol)
            dynamics.alpha = alpha
            start = time.perf_counter()
            warm = dynamics.fixed_point(arguments.tol)
            warm_s = time.perf_counter() - start
            row = f"axis {axis:<3}{alpha:>6g}{cold.rounds:>11}{cold_s:>7.2f}{cold.rate:>7.2f}{mean:>8.4f} |"
            print(row + f"{warm.rounds:>10}{warm_s:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
