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
    for share, start, gap, tau in ((0.9, 0.5, 0.5, 1.0), (0.99, 0.1, 0.3, 2.0), (0.5, 0.02, 0.4, 0.5)):
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
            "must they get? A round is whole: round up.",
        )


def _two_valued(start: float, gap: float, tau: float) -> PopulationDynamics:
    """Two narrow modes; the right one holds ``start`` and has ``gap`` more reward, everywhere in its half."""
    means = torch.tensor([[-2.0], [2.0]], dtype=D)
    modes = GaussianMixture(torch.tensor([1 - start, start]), means, 0.01)
    return PopulationDynamics(modes, lambda x: gap * (x[:, 0] > 0).to(x.dtype), tau=tau, alpha=0.0)


@checks.exercise
def spread_after(answer: Callable[..., Any]) -> None:
    """3.2: ``answer(rounds, tau, std, curvature)`` -> standard deviation of a Gaussian after rounds of -c x^2 / 2."""
    for rounds, tau, std, curvature in ((5, 1.0, 1.0, 0.5), (20, 0.5, 2.0, 1.0), (3, 2.0, 0.5, 0.25)):
        dynamics = PopulationDynamics(
            GaussianMixture(torch.ones(1), torch.zeros(1, 1), std**2),
            lambda x, c=curvature: -c * x[:, 0] ** 2 / 2,
            tau=tau,
            alpha=0.0,
            extent=8 * std,
            axis=512,
        )
        dynamics.iterate(rounds)
        x, mass = dynamics.grid[:, 0], dynamics.density * dynamics.cells.dx
        exact = float((mass * x**2).sum().sqrt())
        checks.close(
            f"std {std:g} after {rounds} rounds, tau {tau:g}, curvature {curvature:g}",
            answer(rounds, tau, std, curvature),
            exact,
            1e-3,
            hint="Add exponents: -x^2 / (2 std^2) and, every round, -tau c x^2 / 2. The precision 1 / variance grows "
            "by the same amount a round; the answer is a standard deviation.",
        )


@checks.exercise
def online(answer: Callable[..., Tensor]) -> None:
    """3.3: ``answer(x, reward, tau, rounds, generator)`` -> the particles after so many rounds, mended."""
    n, tau = 100_000, 0.4
    places = torch.tensor([-1.0, 0.0, 1.0], dtype=D)
    start = torch.tensor([0.5, 0.3, 0.2], dtype=D)
    draws = torch.multinomial(start, n, replacement=True, generator=torch.Generator().manual_seed(0))
    x = places[draws][:, None]  # (n, 1)

    def reward(x: Tensor) -> Tensor:
        return x[:, 0]

    kept = x.clone()
    for rounds in (1, 2, 5):
        found = answer(x, reward, tau, rounds, torch.Generator().manual_seed(rounds))
        checks.holds(f"{n:,} particles come back", isinstance(found, Tensor) and found.shape == x.shape)
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
def variety_after(answer: Callable[..., Any]) -> None:
    """3.4: ``answer(n, rounds, start)`` -> expected p (1 - p) after rounds of resampling n particles, no reward."""
    for n, rounds, start in ((20, 10, 0.5), (50, 60, 0.5), (10, 5, 0.2)):
        generator = torch.Generator().manual_seed(n)
        p = torch.full((20_000,), start)
        for _ in range(rounds):
            p = torch.binomial(torch.full_like(p, float(n)), p, generator=generator) / n
        simulated = float((p * (1 - p)).mean())
        checks.close(
            f"n = {n}, {rounds} rounds from p = {start:g}, 20,000 simulations",
            answer(n, rounds, start),
            simulated,
            0.004,
            hint="In one round E[p'^2] = p^2 + p (1 - p) / n, so E[p' (1 - p')] = p (1 - p) (1 - 1 / n). Repeat.",
        )
        checks.close(
            "and by the formula", answer(n, rounds, start), start * (1 - start) * math.pow(1 - 1 / n, rounds), 1e-9
        )
