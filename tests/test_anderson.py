"""Anderson's method on maps whose limits are known, none of them the oracle's."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from orwlab.exact import anderson

D = torch.float64


@dataclass(frozen=True)
class Step:
    state: Tensor
    moved: float
    over: bool = False


class Searched:
    """A search on ``f`` from zero, in the maximum norm, and all that it accepted."""

    def __init__(self, f, n, *, tol=1e-6, max_rounds=500, memory=6, slowest=1.0, over=lambda x: False):
        self.accepted = []

        def refresh(x):
            y = f(x)
            return Step(y, float((y - x).abs().max()), over(y))

        self.end = anderson.search(
            refresh,
            torch.zeros(n, dtype=D),
            accept=self.accepted.append,
            restore=lambda x: x,
            weight=torch.ones(n, dtype=D),
            tol=tol,
            max_rounds=max_rounds,
            memory=memory,
            slowest=slowest,
        )
        self.state = self.accepted[-1].state if self.accepted else None


def linear(rates, seed=0):
    """``x <- J x + b`` with the eigenvalues ``rates``, small enough to be extrapolated at once, and its fixed point."""
    generator = torch.Generator().manual_seed(seed)
    rates = torch.tensor(rates, dtype=D)
    n = len(rates)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=D)).Q
    J = basis @ rates.diag() @ basis.T
    b = 1e-2 * torch.randn(n, generator=generator, dtype=D)
    return lambda x: J @ x + b, torch.linalg.solve(torch.eye(n, dtype=D) - J, b)


@pytest.mark.parametrize("rates", [[0.9, 0.5, 0.1], [0.98, 0.97, 0.6, 0.3, 0.0], [0.99, -0.7, 0.2]])
def test_a_linear_map_of_few_dimensions_is_solved_in_about_as_many_refreshes(rates):
    f, limit = linear(rates)
    fast, plain = Searched(f, len(rates)), Searched(f, len(rates), memory=0, max_rounds=5000)
    assert fast.end.converged
    assert plain.end.converged
    assert fast.end.rounds <= 3 * len(rates) + 2
    assert fast.end.rounds < plain.end.rounds / 2
    assert (fast.state - limit).abs().max() <= fast.end.error + 1e-8
    assert (plain.state - limit).abs().max() <= plain.end.error
    assert plain.end.rate == pytest.approx(max(rates), abs=0.01)


def test_the_rate_is_the_slowest_even_if_that_error_is_small():
    f, _ = linear([0.95] + [0.3] * 6)
    found = Searched(f, 7, tol=1e-5)
    assert found.end.rate == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("memory", [0, 6])
def test_a_search_without_time_says_so_and_one_refresh_has_no_rate(memory):
    f, _ = linear([0.99, 0.98, 0.97, 0.96, 0.95, 0.9, 0.8, 0.7])
    ended = Searched(f, 8, max_rounds=4, memory=memory).end
    assert (ended.converged, ended.rounds) == (False, 4)
    single = Searched(f, 8, tol=1.0, max_rounds=1, memory=memory).end
    assert not single.converged
    assert math.isnan(single.rate)
    assert single.error == math.inf
    two = Searched(f, 8, tol=1.0, max_rounds=2, memory=memory).end
    assert two.converged
    assert 0 < two.rate < 1
    assert two.error < math.inf


def test_at_a_fixed_point_the_search_ends_at_once_with_the_rate_it_is_told():
    resting = Searched(lambda x: x, 3, slowest=0.5).end
    assert (resting.converged, resting.rounds, resting.moved, resting.rate) == (True, 2, 0.0, 0.5)
    assert resting.error == 0.0
    neutral = Searched(lambda x: x, 3).end  # where nothing contracts, any state is a limit
    assert (neutral.converged, neutral.rate, neutral.error) == (True, 1.0, 0.0)


def test_a_map_that_turns_extrapolation_away_costs_a_few_refreshes_more_than_the_plain_recursion():
    """Contracts by 0.9 in even steps with jumps of the sign, so that secants never tell the truth."""
    signs = torch.tensor([1.0, -1.0], dtype=D).repeat(20)

    def jumpy(x):
        noise = ((1e5 * x).sin() * signs).roll(1)
        return 0.9 * x + 1e-3 * signs + 0.3 * x.abs().clamp_max(1e-2) * noise

    plain, fast = (Searched(jumpy, 40, tol=1e-4, memory=memory, max_rounds=3000).end for memory in (0, 6))
    assert fast.rounds <= plain.rounds + 2 * math.log2(plain.rounds) + 6


def test_a_refresh_that_fails_is_forgiven_after_an_extrapolation_only():
    f, limit = linear([0.98, 0.9, 0.5])
    seen = []

    def fragile(x):
        if len(seen) >= 4 and not any(torch.equal(x, y) for y in seen):  # any state that no refresh has led to
            raise FloatingPointError("too far")
        y = f(x)
        seen.append(y)
        return y

    seen.append(torch.zeros(3, dtype=D))
    found = Searched(fragile, 3, tol=1e-4, max_rounds=3000)
    assert found.end.converged
    assert (found.state - limit).abs().max() <= found.end.error

    def broken(x):
        raise FloatingPointError("at once")

    with pytest.raises(FloatingPointError, match="at once"):
        Searched(broken, 3)


def test_what_is_over_is_not_converged():
    f, _ = linear([0.5, 0.4])
    found = Searched(f, 2, over=lambda x: len(str(x)) > 0).end
    assert (found.converged, found.rounds) == (False, 1)
