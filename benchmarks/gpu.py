"""What a graphics card does for orwlab, in one table: ``python benchmarks/gpu.py``.

    python benchmarks/gpu.py [--device cuda] [--small]

1. 1,024 runs of the eight-Gaussians problem at once (``Ensemble``), 300 rounds with a batch of 256; beside it one run
   alone on the device, and on one thread of the CPU.
2. A refresh of the oracle in the plane at 256 cells an axis, on the device and on the CPU.
3. A training step of the U-shaped network (``velocity.UNet``) on images of 32 x 32, beside that of torchcfm's
   ``UNetModelWrapper`` with about as many parameters, if torchcfm is installed (``pip install torchcfm``).

Seconds are wall time, and the device is waited for; whatever can be divided within one run is given as a ratio. What
the machine has no device for is said to be not measured. ``--small`` does a little of everything, to see that it runs.
"""

import argparse
import importlib.util
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from orwlab import flow, losses, paths, rewards, targets, velocity, zoo
from orwlab.exact.dynamics import OracleWarning, PopulationDynamics
from orwlab.finetune import FineTuning
from orwlab.methods.ensemble import Ensemble

GOAL = 60.0  # seconds that 1,024 runs may take
CHANNELS = 32  # of torchcfm's smallest network: its norms take multiples of 32


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize(device)


def seconds(work: Callable[[], Any], device: torch.device, times: int = 1) -> float:
    """Median wall time."""
    taken = []
    for _ in range(times):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def row(what: str, value: str, beside: str = "") -> None:
    print(f"{what:<66}{value:>14}  {beside}", flush=True)


def rounds(run: FineTuning, n: int) -> Callable[[], None]:
    def work() -> None:
        for _ in run.rounds(n):
            pass

    return work


def many_runs(device: torch.device, small: bool) -> None:
    """Part 1."""
    runs, n = (4, 3) if small else (1024, 300)
    reference, reward = zoo.load("eight_gaussians").to(device), rewards.get("right")
    alphas = [10 ** (-1 + 2 * i / (runs - 1)) for i in range(runs)]
    for draws in ("own", "shared"):
        ensemble = Ensemble(reference, reward, alpha=alphas, seed=range(runs), draws=draws)
        rounds(ensemble, 1)()  # what is done once is done
        taken = seconds(rounds(ensemble, n), device)
        per_run = taken / runs
        goal = f"goal {GOAL:g} s: {'met' if taken <= GOAL else 'missed'}" if not small and device.type != "cpu" else ""
        row(f"{runs:,} runs, {n} rounds, batch 256, numbers {draws}", f"{taken:.1f} s", goal)
        last = next(ensemble.rounds(1))
        low, high = float(last.reward[0]), float(last.reward[-1])
        row(
            "  mean reward at alpha 0.1 and at 10",
            f"{low:.2f}, {high:.2f}",
            f"{int(last.going.sum())} of {runs} went on",
        )
        del ensemble
        for place in dict.fromkeys((device, torch.device("cpu"))):
            if draws == "own":
                alone = FineTuning(reference.to(place), reward, seed=0)
                rounds(alone, 3)()
                taken = seconds(rounds(alone, 3 if small else 30), place) * n / (3 if small else 30)
                row(
                    f"  one run alone on {place}, {n} rounds",
                    f"{taken:.2f} s",
                    f"{taken / per_run:.1f} times a run above",
                )
        reference.to(device)


def oracle(device: torch.device, small: bool) -> None:
    """Part 2."""
    axis = 64 if small else 256
    taken = {}
    for place in dict.fromkeys((device, torch.device("cpu"))):
        dynamics = PopulationDynamics(targets.get("eight_gaussians"), rewards.get("right"), axis=axis, device=place)
        dynamics.iterate(2)
        taken[place] = seconds(dynamics.step, place, 3 if small else 20)
    fast, slow = taken[device], taken[torch.device("cpu")]
    row(
        f"a refresh of the oracle at axis {axis}, float64",
        f"{1e3 * fast:.1f} ms",
        f"CPU {1e3 * slow:.1f} ms, {slow / fast:.1f}x",
    )


def step_of(network: nn.Module, x1: torch.Tensor) -> Callable[[], None]:
    """A training step of flow matching with Adam."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        x0 = flow.noise(len(x1), tuple(x1.shape[1:]), generator=generator, device=x1.device)
        t = torch.rand(len(x1), generator=generator).to(x1)
        x_t, u_t = paths.get("linear").interpolate(t, x0, x1)
        optimizer.zero_grad()
        losses.fit(network(t, x_t), u_t).backward()
        optimizer.step()

    return step


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def unet(device: torch.device, small: bool) -> None:
    """Part 3."""
    shape, batch, times = (3, 32, 32), 4 if small else 128, 2 if small else 20
    x1 = flow.noise(batch, shape, generator=torch.Generator().manual_seed(1), device=device)
    theirs = None
    if importlib.util.find_spec("torchcfm") is not None:
        from torchcfm.models.unet.unet import UNetModelWrapper

        theirs = UNetModelWrapper(dim=shape, num_channels=CHANNELS, num_res_blocks=1, channel_mult=[1, 2]).to(device)
        sizes = {width: parameters(velocity.UNet(shape, width, 2)) for width in range(8, 129, 8)}
        width = min(sizes, key=lambda width: abs(sizes[width] - parameters(theirs)))
    else:
        width = 32
    ours = velocity.UNet(shape, width, 2).to(device)
    work = step_of(ours, x1)
    work()
    label = f"a training step of velocity.UNet, {parameters(ours) / 1e6:.2f} M parameters, batch {batch}"
    if theirs is None:
        row(label, f"{1e3 * seconds(work, device, times):.1f} ms", "torchcfm is not installed: pip install torchcfm")
        return
    other = step_of(theirs, x1)
    other()
    pairs = [(seconds(work, device), seconds(other, device)) for _ in range(times)]  # in turn
    mine, its = (1e3 * statistics.median(column) for column in zip(*pairs))
    row(label, f"{mine:.1f} ms", f"torchcfm's, {parameters(theirs) / 1e6:.2f} M: {its:.1f} ms, {its / mine:.2f}x")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="such as cuda, cuda:1, mps or cpu")
    parser.add_argument("--small", action="store_true", help="a little of everything, to see that it runs")
    options = parser.parse_args()
    warnings.simplefilter("ignore", OracleWarning)
    device = torch.device(options.device)
    there = device.type == "cpu" or (hasattr(torch, device.type) and getattr(torch, device.type).is_available())
    if not there:
        print(f"no GPU here ({options.device}): not measured. --device cpu --small shows that it would run.")
        return
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else options.device
    print(f"{name}, torch {torch.__version__}, Python {platform.python_version()}, one thread on the CPU")
    if device.type == "cpu":
        print("no GPU here: not measured. What follows is the CPU.")
    for part in (many_runs, oracle, unet):
        part(device, options.small)


if __name__ == "__main__":
    main()
