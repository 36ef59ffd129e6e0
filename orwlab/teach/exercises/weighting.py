"""Checks of notebook 02, on reward weighting."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab.targets import GaussianMixture
from orwlab.teach import checks
from orwlab.velocity import MixtureField

D = torch.float64


def _mixture() -> GaussianMixture:
    """Unequal weights, and components that are longer in one direction than in another, so that nothing cancels."""
    covs = torch.tensor([[[0.5, 0.3], [0.3, 0.4]], [[0.2, 0.0], [0.0, 1.0]], [[1.0, -0.5], [-0.5, 0.8]]], dtype=D)
    means = torch.tensor([[-1.0, 0.5], [1.5, 1.0], [0.0, -2.0]], dtype=D)
    return GaussianMixture(torch.tensor([0.5, 0.3, 0.2]), means, covs)


@checks.exercise
def weighted_velocity(answer: Callable[..., Tensor]) -> None:
    """2.1: ``answer(t, x, x1, w)`` -> the pointwise minimiser for the data x1 (m, d) with weights w (m,), (n, d)."""
    x, x1 = torch.tensor([[0.3], [-0.2]], dtype=D), torch.tensor([[1.0], [-1.0]], dtype=D)
    w = torch.tensor([3.0, 1.0], dtype=D)
    t = 0.3  # by hand: q(x1 = 1 | x_t = x) = 3 a / (3 a + b) with a, b the two kernels
    share = 1 / (1 + torch.exp(-4 * x * t / (2 * (1 - t) ** 2)) / 3)
    by_hand = ((2 * share - 1) - x) / (1 - t)
    found = answer(t, x, x1, w)
    checks.same(
        "two data points, by hand",
        found,
        by_hand,
        1e-6,
        hint="Average u_t = (x1 - x) / (1 - t) with weights w_i exp(-|x - t x1_i|^2 / (2 (1 - t)^2)) that sum to 1.",
    )
    checks.same(
        "seven times every weight", answer(t, x, x1, 7 * w), found, 1e-6, hint="Divide by the sum of the weights."
    )
    far = answer(0.9, torch.full((1, 1), 40.0, dtype=D), x1, w)
    checks.close(
        "far from all data, where every kernel underflows",
        far,
        (1.0 - 40.0) / 0.1,
        1e-3,
        hint="0 / 0: add log w to the exponent and let torch.softmax normalise.",
    )
    mixture, a = _mixture(), torch.tensor([0.7, -0.4], dtype=D)
    data = mixture.sample(40_000, generator=torch.Generator().manual_seed(0)).double()
    points = torch.tensor([[0.0, 0.0], [0.8, 0.3], [-0.7, -0.6]], dtype=D)
    measured = answer(0.6, points, data, (data @ a).exp())
    exact = MixtureField(mixture.tilted(a))(torch.tensor(0.6, dtype=D), points)
    # 40,000 points leave 0.02; unweighted, the field is 0.3 and more away
    checks.same("many data points: the field of w q", measured, exact, 0.08, hint="Is w in it?")


@checks.exercise
def overtaking(answer: Callable[..., Any]) -> None:
    """2.2: ``answer(share, mean, std)``, of a far mode and of a wide one -> the tau from which on the wide wins."""
    cases = (
        ((0.15, 0.85), (2.4, 0.0), (0.3, 0.6)),
        ((0.5, 0.5), (1.0, -1.0), (0.5, 1.0)),
        ((0.2, 0.8), (3.0, -0.5), (0.4, 0.7)),  # the wide one is heavier at first, lighter later, heavier in the end
        ((0.9, 0.1), (1.5, 1.0), (1.0, 1.2)),
    )
    for share, mean, std in cases:
        modes = GaussianMixture(
            torch.tensor(share, dtype=D),
            torch.tensor(mean, dtype=D)[:, None],
            torch.tensor(std, dtype=D).square()[:, None, None],
        )
        what = f"modes at {mean[0]:g} and {mean[1]:g}"
        tau = answer(share, mean, std)
        checks.above(f"{what}: your tau", tau, 0.0, hint="Far modes win at first: tau is positive.")

        def heavier(tau: float, modes: GaussianMixture = modes) -> float:
            """By how much the wide mode's log weight is the larger one."""
            far, wide = modes.tilted(torch.tensor([tau], dtype=D)).weights.log()
            return float(wide - far)

        checks.close(
            f"{what}: log ratio of their shares there",
            heavier(float(tau)),
            0.0,
            1e-6,
            hint="Set the two log weights of the text equal: log pi + tau m + tau^2 std^2 / 2, a quadratic in tau.",
        )
        beyond = min(heavier(k * float(tau)) for k in (1.02, 1.5, 4.0))
        checks.above(f"{what}: the same for larger tau, at least", beyond, 0.0, hint="A quadratic has two roots.")


@checks.exercise
def largest_tau(answer: Callable[..., Any]) -> None:
    """2.3: ``answer(std, n, ess)`` -> the largest tau at which n samples keep an expected effective size of ess."""
    for std, n, ess in ((1.0, 1000, 100), (0.5, 1000, 100), (2.0, 256, 32)):
        exact = math.sqrt(math.log(n / ess)) / std
        checks.close(
            f"rewards of std {std:g}, {ess} of {n:,}",
            answer(std, n, ess),
            exact,
            1e-6,
            hint="Set n exp(-tau^2 std^2) equal to ess and solve for tau.",
        )
    rewards = torch.randn(100_000, generator=torch.Generator().manual_seed(0), dtype=D)
    log_w = float(answer(1.0, 1000, 500)) * rewards
    measured = (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp() / len(rewards)
    checks.close("100,000 samples, half of them effective", measured, 0.5, 0.02)


@checks.exercise
def weighted_loss(answer: Callable[..., Tensor]) -> None:
    """2.4: ``answer(v, x1, reward, tau, generator)`` -> the mean-one weighted loss on the batch x1, mended."""
    n = 60_000
    normal = GaussianMixture(torch.ones(1), torch.zeros(1, 2), 1.0)
    x1 = normal.sample(n, generator=torch.Generator().manual_seed(0))

    def loss(v: Callable[[Tensor, Tensor], Tensor], reward: Callable[[Tensor], Tensor], tau: float = 1.0) -> float:
        return float(answer(v, x1, reward, tau, torch.Generator().manual_seed(1)))

    def right(x: Tensor) -> Tensor:
        return x[:, 0]

    def still(t: Tensor, x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    def expected(tau: float) -> float:
        """For v = 0, given these data: the weighted mean of |x1|^2, and 2 from the noise; about tau^2 + 4."""
        return float(((tau * x1[:, 0]).softmax(0) * (x1.square().sum(1) + 2)).sum())

    checks.close(
        "loss of v = 0, tilted by tau = 1",
        loss(still, right),
        expected(1.0),
        0.1,
        hint="4 is what weights give that do not know their x1; 8.2 and more: weights that do not average 1; "
        "2.5: a mean over the coordinates, where the squared norm is a sum.",
    )
    checks.close(
        "the same at tau = 0.5",
        loss(still, right, 0.5),
        expected(0.5),
        0.1,
        hint="5 is what tau = 1 gives: does your function use its tau?",
    )
    plain, tilted = MixtureField(normal), MixtureField(normal.tilted(torch.tensor([1.0, 0.0])))
    gain = loss(plain, right) - loss(tilted, right)
    checks.close(
        "by how much the tilted field is better",
        gain,
        # E |v_tilted - v|^2 under the tilted x_t: the fields differ by (1 - t) / (t^2 + (1 - t)^2) in one coordinate
        _gain(),
        0.1,
        hint="Negative or 0: the weights reach the wrong samples.",
    )
    checks.close(
        "a constant added to the reward",
        loss(still, lambda x: right(x) + 500.0) - loss(still, right),
        0.0,
        1e-2,
        hint="exp(500) overflows: divide by the mean weight before exponentiating, as torch.softmax does.",
    )


def _gain() -> float:
    t = (torch.arange(1000, dtype=D) + 0.5) / 1000
    return float(((1 - t) / (t**2 + (1 - t) ** 2)).square().mean())
