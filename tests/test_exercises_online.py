"""The checks of notebook 03 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.teach.exercises import online


def logit(p):
    return math.log(p / (1 - p))


def rounds_until(share, start, gap, tau):
    return math.ceil((logit(share) - logit(start)) / (tau * gap))


def spread_after(rounds, tau, std, curvature):
    return (1 / std**2 + rounds * tau * curvature) ** -0.5


def loop(x, reward, tau, rounds, generator):
    for _ in range(rounds):
        w = (tau * reward(x)).softmax(0)
        x = x[torch.multinomial(w, len(x), replacement=True, generator=generator)]
    return x


def variety_after(n, rounds, start):
    return start * (1 - start) * (1 - 1 / n) ** rounds


def test_right_answers_pass(capsys):
    online.rounds_until(rounds_until)
    online.spread_after(spread_after)
    online.online(loop)
    online.variety_after(variety_after)
    printed = capsys.readouterr().out
    assert printed.count(": yes") >= 16
    assert "NO" not in printed


@pytest.mark.parametrize(
    "wrong",
    [
        lambda share, start, gap, tau: math.ceil(logit(share) / (tau * gap)),  # as if it began at one half
        lambda share, start, gap, tau: math.floor((logit(share) - logit(start)) / (tau * gap)),
        lambda share, start, gap, tau: (logit(share) - logit(start)) / (tau * gap),  # not whole
        lambda share, start, gap, tau: math.ceil(math.log(share / start) / (tau * gap)),  # shares, not odds
        lambda share, start, gap, tau: math.ceil((logit(share) - logit(start)) * tau / gap),
    ],
)
def test_wrong_rounds_fail(wrong):
    with pytest.raises(AssertionError, match="round up"):
        online.rounds_until(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rounds, tau, std, curvature: 1 / (1 / std**2 + rounds * tau * curvature),  # the variance
        lambda rounds, tau, std, curvature: (rounds * tau * curvature) ** -0.5,  # forgets where it started
        lambda rounds, tau, std, curvature: (1 / std + rounds * tau * curvature) ** -0.5,
        lambda rounds, tau, std, curvature: (1 / std**2 + 2 * rounds * tau * curvature) ** -0.5,
        lambda rounds, tau, std, curvature: std * math.exp(-rounds * tau * curvature / 2),  # not exponential
        lambda rounds, tau, std, curvature: (1 / std**2 + tau * curvature) ** -0.5,  # one round
    ],
)
def test_wrong_spreads_fail(wrong):
    with pytest.raises(AssertionError, match="precision"):
        online.spread_after(wrong)


def never_refreshed(x, reward, tau, rounds, generator):
    w = (tau * reward(x)).softmax(0)
    new = x
    for _ in range(rounds):
        new = x[torch.multinomial(w, len(x), replacement=True, generator=generator)]
    return new


def stale_weights(x, reward, tau, rounds, generator):
    w = (tau * reward(x)).softmax(0)
    for _ in range(rounds):
        x = x[torch.multinomial(w, len(x), replacement=True, generator=generator)]
    return x


def forgets_the_temperature(x, reward, tau, rounds, generator):
    return loop(x, reward, 1.0, rounds, generator)


def one_round_too_many(x, reward, tau, rounds, generator):
    return loop(x, reward, tau, rounds + 1, generator)


def in_place(x, reward, tau, rounds, generator):
    x.copy_(loop(x, reward, tau, rounds, generator))
    return x


def fewer(x, reward, tau, rounds, generator):
    return loop(x, reward, tau, rounds, generator).unique(dim=0)


@pytest.mark.parametrize("wrong", [never_refreshed, stale_weights, forgets_the_temperature, one_round_too_many])
def test_wrong_loops_fail(wrong):
    with pytest.raises(AssertionError, match="what was drawn"):
        online.online(wrong)


def test_loops_that_change_their_input_or_lose_particles_fail():
    with pytest.raises(AssertionError):
        online.online(in_place)
    with pytest.raises(AssertionError, match="come back"):
        online.online(fewer)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n, rounds, start: start * (1 - start) * (1 - 1 / (2 * n)) ** rounds,  # diploid
        lambda n, rounds, start: start * (1 - start) * (1 - rounds / n),
        lambda n, rounds, start: start * (1 - start),
        lambda n, rounds, start: start * (1 - start) * math.exp(-rounds),
        lambda n, rounds, start: start * (1 - start) * (1 - 1 / n) ** (2 * rounds),
        lambda n, rounds, start: 0.25 * (1 - 1 / n) ** rounds,
    ],
)
def test_wrong_varieties_fail(wrong):
    with pytest.raises(AssertionError, match="Repeat"):
        online.variety_after(wrong)
