"""Checks of notebook 09, on compression: the unit of a reward, what a JPEG keeps, precision, the best of K."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from orwlab import data, metrics
from orwlab.tasks.photographs import JpegBytes
from orwlab.teach import checks


@checks.exercise
def effective_share(answer: Callable[[Tensor, float], Any]) -> None:
    """9.1: ``answer(sizes, unit)``: bytes (n,) -> the effective share of the samples, in (0, 1].

    Their weights are ``exp(-size / unit)``; the share is ``(sum w)^2 / (n sum w^2)``.
    """
    formula = "The square of the sum of the weights, over the sum of their squares, over n."
    checks.close("four equal files", answer(torch.full((4,), 300.0), 100.0), 1.0, 1e-4, hint=formula)
    two = torch.tensor([200.0, 200.0 + 50 * math.log(3.0)])
    checks.close(
        "two files, weights 3 to 1", answer(two.clone(), 50.0), 0.8, 1e-4, hint=f"{formula} A small file wins."
    )
    sizes = 280 + 65 * torch.randn(64, generator=torch.Generator().manual_seed(0))
    log_w = -sizes.double() / 100
    exact = float((2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()) / 64
    checks.close("64 files, unit 100 bytes", answer(sizes.clone(), 100.0), exact, 1e-4, hint=formula)
    one = "exp of minus some thousands is 0. What does a number that is added to all sizes do to the share?"
    checks.close("the same with a header of 5,000 bytes", answer(sizes + 5000, 100.0), exact, 1e-3, hint=one)
    steep = "Almost all weight lies on the smallest file, and it must not become 0 over 0: `softmax` takes care."
    fine = torch.tensor([300.0, 200.0, 400.0, 350.0])
    checks.close("four files, unit 1 byte", answer(fine, 1.0), 0.25, 1e-4, hint=steep)


def _kept(levels: NDArray[np.float64], step: float) -> int:
    high, wide = levels.shape
    blocks = levels.reshape(high // 8, 8, wide // 8, 8).swapaxes(1, 2) - 128
    return int(np.count_nonzero(np.rint(fft.dctn(blocks, axes=(-2, -1), norm="ortho") / step)))


@checks.exercise
def coefficients_kept(answer: Callable[[NDArray[np.float64], float], Any]) -> None:
    """9.2: ``answer(levels, step)``: one channel (h, w), 0 to 255, h and w multiples of 8 -> cosine coefficients kept.

    How many of all its 8 x 8 blocks are not 0 after: minus 128, ``scipy.fft.dctn(..., norm="ortho")``, divided by
    ``step``, rounded.
    """
    middle = "Take 128 from all levels first: the middle of the grey levels costs nothing then."
    blocks = "Every block of 8 by 8 is transformed by itself. Are the rows of a block neighbours in your reshape?"
    grey = np.full((16, 24), 128.0)
    checks.close("an even grey of 128", answer(grey.copy(), 16.0), 0, 1e-6, hint=middle)
    checks.close("an even grey of 200, six blocks", answer(grey + 72, 16.0), 6, 1e-6, hint=f"{middle} {blocks}")
    wave = np.cos(np.pi * (2 * np.arange(8) + 1) * 3 / 16)  # the third cosine, and it alone
    lone = grey.copy()
    lone[8:16, 8:16] += 60 * wave
    checks.close("one wave in one block", answer(lone, 16.0), 1, 1e-6, hint=blocks)
    faint = grey.copy()
    faint[:8, :8] += 2 * wave  # its coefficient is 2 sqrt(32), below half of 24
    checks.close("a wave too faint to be kept", answer(faint, 24.0), 0, 1e-6, hint="Divide by the step, then round.")
    x = data.small_photographs().sample(64, generator=torch.Generator().manual_seed(3))
    levels = data.as_bytes(x, channels=3).astype(np.float64).mean(-1)
    mine = [float(answer(picture.copy(), 24.0)) for picture in levels]
    checks.close("64 photographs, mean", np.mean(mine), np.mean([_kept(p, 24.0) for p in levels]), 1e-6, hint=blocks)
    together = np.corrcoef(mine, 100 * JpegBytes(sign=1)(x).numpy())[0, 1]
    checks.above("64 photographs, correlation with the bytes of their JPEGs", together, 0.9)


@checks.exercise
def looks_like_data(answer: Callable[[Tensor, Tensor, int], Any]) -> None:
    """9.3: ``answer(x, data, k)`` -> precision: the share of ``x`` (n, d) within reach of a point of ``data`` (m, d).

    A data point's reach is its distance to its own k-th neighbour in the data.
    """
    own = "Each data point has a reach of its own, that to its k-th *other* data point: itself, at 0, does not count."
    sides = "For each sample: is there any data point whose reach it is within? Then the mean over samples."
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # reaches 1, 1, 2, 4 for k = 1
    there = torch.tensor([[-0.5], [4.5], [10.5], [11.5], [-1.5]])
    checks.close(
        "five samples on a line, k = 1", answer(there.clone(), line.clone(), 1), 0.6, 1e-4, hint=f"{own} {sides}"
    )
    checks.close("the same, k = 2", answer(there.clone(), line.clone(), 2), 1.0, 1e-4, hint=own)
    generator = torch.Generator().manual_seed(4)
    cloud = torch.randn(120, 5, generator=generator)
    wide = 2 * torch.randn(90, 5, generator=generator)
    exact = metrics.precision_and_recall(wide, cloud, 3)[0]
    checks.close(
        "90 wide samples, 120 narrow data, k = 3", answer(wide.clone(), cloud.clone(), 3), exact, 1e-4, hint=sides
    )
    checks.close("data among themselves", answer(cloud.clone(), cloud.clone(), 3), 1.0, 1e-4, hint=sides)


@checks.exercise
def best_of(answer: Callable[[Tensor, int], Any]) -> None:
    """9.4: ``answer(r, k)`` -> exact mean of the largest of ``k`` draws, with replacement, from rewards ``r`` (n,)."""
    order = (
        "Sort. The largest of k is at most the i-th of n with probability (i/n)^k. What is the probability of just it?"
    )
    checks.close("rewards 0 and 1, k = 3", answer(torch.tensor([0.0, 1.0]), 3), 7 / 8, 1e-5, hint=order)
    r = torch.tensor([2.0, -1.0, 0.5, 0.5, 4.0])
    checks.close("five rewards in no order, k = 1: the mean", answer(r.clone(), 1), 1.2, 1e-5, hint=order)
    exact = sum(max(draw) for draw in itertools.product(r.tolist(), repeat=4)) / 5**4
    checks.close("the same, k = 4: all 625 draws", answer(r.clone(), 4), exact, 1e-5, hint=order)
    many = torch.randn(400, generator=torch.Generator().manual_seed(5)).double()
    cdf = (torch.arange(401, dtype=torch.float64) / 400) ** 7
    checks.close(
        "400 rewards, k = 7", answer(many.clone(), 7), (many.sort().values * cdf.diff()).sum(), 1e-4, hint=order
    )
    checks.close("k = 100,000: the largest", answer(many.clone(), 100_000), many.max(), 1e-4, hint=order)
