"""Checks of notebook 03, on going online."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab.exact.dynamics import PopulationDynamics
from orwlab.targets import GaussianMixture
from orwlab.teach import checks

D = torch.float64


@checks.exercise
def rounds_until(answer: Callable[..., Any]) -> None:
    """3.1: ``answer(share, start, gap, tau)`` -> the first round in which the better of two modes holds ``share``."""
    for share, start, gap, tau in (
        (0.9, 0.5, 0.5, 1.0),
        (0.99, 0.1, 0.3, 2.0),
        (0.5, 0.02, 0.4, 0.5),
        (0.5, 0.9, 0.5, 1.0),  # held from the beginning
        (0.3, 0.35, 0.1, 1.0),
    ):
        dynamics = _two_valued(start, gap, tau)
        rounds = 0
        while float(dynamics.density[dynamics.grid[:, 0] > 0].sum() * dynamics.cells.dx) < share:
            dynamics.step()
            rounds += 1
        checks.close(
            f"from {start:g} to {share:g}, gap {gap:g}, tau {tau:g}",
            answer(share, start, gap, tau),
            rounds,
            0,
            hint="Each round multiplies the odds share / (1 - share) by exp(tau gap). Where do they start, and where "
            "must they get? A round is whole: round up. And no round comes before the beginning, which is round 0.",
        )


def _two_valued(start: float, gap: float, tau: float) -> PopulationDynamics:
    """Two narrow modes; the right one holds ``start`` and has ``gap`` more reward, everywhere in its half."""
    means = torch.tensor([[-2.0], [2.0]], dtype=D)
    modes = GaussianMixture(torch.tensor([1 - start, start]), means, 0.01)
    return PopulationDynamics(modes, lambda x: gap * (x[:, 0] > 0).to(x.dtype), tau=tau, alpha=0.0)


@checks.exercise
def shares_after(answer: Callable[..., Tensor]) -> None:
    """3.2: ``answer(rounds, tau, mass, std, curvature)`` -> shares (K,) of modes whose tops are equally high."""
    cases = (
        (0, 1.0, [0.7, 0.3], [0.5, 0.3], [1.0, 4.0]),
        (6, 1.0, [0.5, 0.5], [0.5, 0.5], [1.0, 16.0]),
        (6, 1.0, [0.5, 0.5], [0.3, 0.8], [2.0, 2.0]),
        (40, 0.5, [0.2, 0.8], [0.8, 0.4], [0.5, 8.0]),
    )
    for rounds, tau, *modes in cases:
        mass, std, curvature = (torch.tensor(numbers, dtype=D) for numbers in modes)
        dynamics = _two_tops(mass, std, curvature, tau)
        dynamics.iterate(rounds)
        right = float(dynamics.density[dynamics.grid[:, 0] > 0].sum() * dynamics.cells.dx)
        found = answer(rounds, tau, mass.clone(), std.clone(), curvature.clone())
        checks.same(
            f"{rounds} rounds, masses {modes[0]}, std {modes[1]}, curvatures {modes[2]}",
            checks.shaped("shares", found, (2,), hint=_TOPS),
            torch.tensor([1 - right, right]),
            2e-3,
            hint=_TOPS,
        )


_TOPS = (
    "A mode holds mass times the mean of exp(-N tau c (x - m)^2 / 2) under N(m, std^2): a product of two Gaussians, so "
    "add their precisions, and mind both normalisations. At the end divide by the sum. What does it give for N = 0?"
)


def _two_tops(mass: Tensor, std: Tensor, curvature: Tensor, tau: float) -> PopulationDynamics:
    """Two modes far apart, each with its own parabola as reward, with its top, at height 0, in the mode's centre."""
    centres = torch.tensor([-5.0, 5.0], dtype=D)

    def reward(x: Tensor) -> Tensor:
        side = (x[:, 0] > 0).long()
        return -curvature.to(x)[side] * (x[:, 0] - centres.to(x)[side]) ** 2 / 2

    modes = GaussianMixture(mass, centres[:, None], std**2)
    return PopulationDynamics(modes, reward, tau=tau, alpha=0.0, axis=512, extent=10.0)


@checks.exercise
def online(answer: Callable[..., Tensor]) -> None:
    """3.3: ``answer(x, reward, tau, rounds, generator)`` -> the particles after so many rounds, mended."""
    n, tau = 100_000, 0.4
    places = torch.tensor([-1.0, 0.0, 1.0], dtype=D)
    start = torch.tensor([0.5, 0.3, 0.2], dtype=D)
    draws = torch.multinomial(start, n, replacement=True, generator=torch.Generator().manual_seed(0))
    x = places[draws][:, None]  # (n, 1)
    asked = [0]

    def reward(x: Tensor) -> Tensor:
        asked[0] += 1
        return x[:, 0]

    kept = x.clone()
    for rounds in (1, 2, 5):
        asked[0] = 0
        found = answer(x, reward, tau, rounds, torch.Generator().manual_seed(rounds))
        checks.holds(f"{n:,} particles come back", isinstance(found, Tensor) and found.shape == x.shape)
        checks.holds(
            "the reward is asked in every round",
            asked[0] >= rounds,
            hint="Weights to the power N and one draw give these shares too, but an online method knows only the "
            "samples that it has now: weigh what was drawn.",
        )
        share = torch.stack([(found[:, 0] == place).double().mean() for place in places])
        exact = (start.log() + rounds * tau * places).softmax(0)
        # drift of 100,000 particles leaves 0.005 after five rounds; a round more or less is 0.05 and more
        checks.same(
            f"shares at round {rounds}, w^{rounds} q",
            share,
            exact,
            0.02,
            hint="Stuck at one round's tilt? Then samples or weights are those of round 0. A weight belongs to the "
            "sample it was computed from: draw, then weigh what was drawn.",
        )
    checks.holds("the particles given are left as they were", torch.equal(x, kept))


@checks.exercise
def rounds_to_half(answer: Callable[..., Any]) -> None:
    """3.4: ``answer(n, part)`` -> rounds, a number, until p (1 - p) is expected to be half, if a part is learned."""
    for n, part in ((10, 1.0), (20, 0.5), (12, 0.2)):
        found = checks.shaped("rounds", torch.as_tensor(answer(n, part), dtype=D), ())
        rounds = math.log(0.5) / math.log1p(-(part**2) / n)
        hint = (
            "The new share is (1 - part) p + part p', and p' has mean p and variance p (1 - p) / n. What variance has "
            "the new share, and by which factor does that change p (1 - p)? Repeat it until the product is 1/2."
        )
        checks.close(f"n = {n}, part {part:g}", found, rounds, 0.005 * rounds, hint=hint)
        generator = torch.Generator().manual_seed(n)
        p = torch.full((20_000,), 0.5)
        for _ in range(round(rounds)):
            drawn = torch.binomial(torch.full_like(p, float(n)), p, generator=generator) / n
            p = (1 - part) * p + part * drawn
        exact = 0.25 * 2 ** (-round(rounds) / float(found))
        checks.close("and in 20,000 simulations: p (1 - p)", (p * (1 - p)).mean(), exact, 0.004, hint=hint)
