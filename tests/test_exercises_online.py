"""The checks of notebook 03 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.teach.exercises import online


def logit(p):
    return math.log(p / (1 - p))


def rounds_until(share, start, gap, tau):
    return max(0, math.ceil((logit(share) - logit(start)) / (tau * gap)))


def shares_after(rounds, tau, mass, std, curvature):
    kept = mass / (1 + rounds * tau * curvature * std**2).sqrt()
    return kept / kept.sum()


def loop(x, reward, tau, rounds, generator):
    for _ in range(rounds):
        w = (tau * reward(x)).softmax(0)
        x = x[torch.multinomial(w, len(x), replacement=True, generator=generator)]
    return x


def rounds_to_half(n, part):
    return math.log(0.5) / math.log(1 - part**2 / n)


def test_right_answers_pass(capsys):
    online.rounds_until(rounds_until)
    online.shares_after(shares_after)
    online.online(loop)
    online.rounds_to_half(rounds_to_half)
    printed = capsys.readouterr().out
    assert printed.count(": yes") >= 20
    assert "NO" not in printed


@pytest.mark.parametrize(
    "wrong",
    [
        lambda share, start, gap, tau: math.ceil(logit(share) / (tau * gap)),  # as if it began at one half
        lambda share, start, gap, tau: math.floor((logit(share) - logit(start)) / (tau * gap)),
        lambda share, start, gap, tau: (logit(share) - logit(start)) / (tau * gap),  # not whole
        lambda share, start, gap, tau: math.ceil(math.log(share / start) / (tau * gap)),  # shares, not odds
        lambda share, start, gap, tau: math.ceil((logit(share) - logit(start)) * tau / gap),
        lambda share, start, gap, tau: math.ceil((logit(share) - logit(start)) / (tau * gap)),  # before round 0
        lambda share, start, gap, tau: abs(rounds_until(share, start, gap, tau) or -3),
        lambda share, start, gap, tau: math.ceil(abs(logit(share) - logit(start)) / (tau * gap)),
        lambda share, start, gap, tau: max(1, rounds_until(share, start, gap, tau)),  # one round at least
        lambda share, start, gap, tau: rounds_until(share, start, gap, tau) - 1,  # counts from 0
        lambda share, start, gap, tau: -rounds_until(share, start, gap, tau),
    ],
)
def test_wrong_rounds_fail(wrong):
    with pytest.raises(AssertionError, match="round up"):
        online.rounds_until(wrong)


def normalised(x):
    return x / x.sum()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n, tau, m, s, c: m,  # equally high, so nothing changes
        lambda n, tau, m, s, c: torch.full_like(m, 1 / len(m)) if n else m,
        lambda n, tau, m, s, c: m / (1 + n * tau * c * s**2).sqrt(),  # does not sum to one
        lambda n, tau, m, s, c: normalised(m / (1 + n * tau * c * s**2)),  # the variance, not the width
        lambda n, tau, m, s, c: normalised(m * (1 + n * tau * c * s**2).sqrt()),  # the sharper top wins
        lambda n, tau, m, s, c: normalised(1 / (1 + n * tau * c * s**2).sqrt()),  # forgets where it began
        lambda n, tau, m, s, c: normalised(m / (1 / s**2 + n * tau * c).sqrt()),  # forgets the density's own height
        lambda n, tau, m, s, c: normalised(m / (1 + n * tau * c * s).sqrt()),
        lambda n, tau, m, s, c: normalised(m / (1 + tau * c * s**2).sqrt()) if n else m,  # one round
        lambda n, tau, m, s, c: normalised(m / (s * c.sqrt())) if n else m,  # only in the limit
        lambda n, tau, m, s, c: torch.softmax(-n * tau * c, 0) if n else m,
        lambda n, tau, m, s, c: torch.nn.functional.one_hot(c.argmin(), 2).to(m) if n else m,  # the winner takes all
        lambda n, tau, m, s, c: shares_after(n, tau, m, s, c)[0],
    ],
)
def test_wrong_shares_fail(wrong):
    with pytest.raises(AssertionError, match="both normalisations"):
        online.shares_after(wrong)


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


def forgets_tau(x, reward, tau, rounds, generator):
    return loop(x, reward, 1.0, rounds, generator)


def one_round_too_many(x, reward, tau, rounds, generator):
    return loop(x, reward, tau, rounds + 1, generator)


def in_place(x, reward, tau, rounds, generator):
    x.copy_(loop(x, reward, tau, rounds, generator))
    return x


def fewer(x, reward, tau, rounds, generator):
    return loop(x, reward, tau, rounds, generator).unique(dim=0)


def all_at_once(x, reward, tau, rounds, generator):
    return loop(x, reward, rounds * tau, 1, generator)


def takes_the_best(x, reward, tau, rounds, generator):
    for _ in range(rounds):
        best = x[reward(x).argsort(descending=True)[: len(x) // 2]]
        x = best.repeat(2, 1)
    return x


def weights_by_the_reward(x, reward, tau, rounds, generator):
    for _ in range(rounds):
        w = (1 + tau * reward(x)).clamp(min=0)
        x = x[torch.multinomial(w, len(x), replacement=True, generator=generator)]
    return x


WRONG = [
    never_refreshed,
    stale_weights,
    forgets_tau,
    one_round_too_many,
    all_at_once,
    takes_the_best,
    weights_by_the_reward,
]


@pytest.mark.parametrize("wrong", WRONG)
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
        lambda n, part: math.log(0.5) / math.log(1 - 1 / n),  # as if everything were learned
        lambda n, part: math.log(0.5) / math.log(1 - part / n),  # the standard deviation scales, not the variance
        lambda n, part: math.log(0.5) / math.log(1 - part * (2 - part) / n),
        lambda n, part: math.log(0.5) / math.log(1 - (1 - part) ** 2 / n) if part < 1 else 6.58,
        lambda n, part: n * math.log(2) / part**2,  # only for large n / part^2
        lambda n, part: n / (2 * part**2),
        lambda n, part: 2 * rounds_to_half(n, part),  # of p - 1/2
        lambda n, part: -rounds_to_half(n, part),
        lambda n, part: math.ceil(rounds_to_half(n, part)),
    ],
)
def test_wrong_half_lives_fail(wrong):
    with pytest.raises(AssertionError, match="Repeat it until"):
        online.rounds_to_half(wrong)
