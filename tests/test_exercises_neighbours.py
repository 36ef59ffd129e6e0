"""The checks of notebook 13 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.teach.exercises import neighbours as exercises


def gap_left(k, lam, rate, steps):
    return (1 - rate * (2 * lam + k**2)) ** (2 * steps)


def influence(s, n=2000):
    t = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return float((s / ((1 - t) ** 2 + s**2 * t**2).sqrt()).mean())


def shift_of(s, eta):
    return eta * influence(s) ** 2 / 2


def held_weights(r, lam):
    """By sorting, where the notebook searches."""
    best = r.sort(descending=True).values
    levels = (best.cumsum(0) - 2 * lam * len(r)) / torch.arange(1, len(r) + 1)
    return (r - levels.max()).clamp_min(0) / (2 * lam)


def careful(r, kappa):
    return r.mean(0) - kappa * r.var(0, correction=0).sqrt()


def best_alpha(std, n, gap):
    return (std / gap) ** 2 / n


def hypervolume(r, corner):
    area, highest = 0.0, 0.0
    for x, y in sorted((r - corner).clamp_min(0).tolist(), reverse=True):
        area, highest = area + x * max(0.0, y - highest), max(highest, y)
    return area


RIGHT = [gap_left, shift_of, held_weights, careful, best_alpha, hypervolume]


def test_right_answers_pass(capsys):
    for answer in RIGHT:
        getattr(exercises, answer.__name__)(answer)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 4 + 4 + 9 + 3 + 4 + 4
    assert "NO" not in printed


@pytest.mark.parametrize("answer", RIGHT, ids=lambda f: f.__name__)
@pytest.mark.parametrize("bad", [None, 3.0, lambda *a: None, lambda *a: "much", lambda *a: 1 / 0, lambda: 1.0])
def test_nonsense_ends_in_words(answer, bad):
    with pytest.raises(AssertionError, match="NO"):
        getattr(exercises, answer.__name__)(bad)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda k, lam, rate, steps: 1 - rate * (2 * lam + k**2), "one factor"),
        (lambda k, lam, rate, steps: (1 - rate * (2 * lam + k**2)) ** steps, "one factor"),
        (lambda k, lam, rate, steps: (1 - rate * (lam + k**2)) ** (2 * steps), "one factor"),
        (lambda k, lam, rate, steps: (1 - rate * (2 * lam + k)) ** (2 * steps), "multiplied"),
        (lambda k, lam, rate, steps: (1 - rate * (2 * lam + k**2)) ** 2, "multiplied"),
    ],
)
def test_wrong_rates_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.gap_left(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda s, eta: eta * influence(s) / 2, "k times that"),
        (lambda s, eta: eta * influence(s) ** 2, "k times that"),
        (lambda s, eta: eta * math.pi / 4, "k times that"),  # a b for each time of its own
        (lambda s, eta: eta * math.asinh(1) ** 2, "integrate"),  # s = 1 for all
        (lambda s, eta: eta * (influence(s) / s) ** 2 / 2, "integrate"),
    ],
)
def test_wrong_shifts_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.shift_of(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda r, lam: (r - r.mean()).clamp_min(0) / (2 * lam), "set so that"),
        (lambda r, lam: 1 + (r - r.mean()) / (2 * lam), "clamp"),
        (lambda r, lam: len(r) * (r / lam).softmax(0), "is the 2 there"),
        (lambda r, lam: held_weights(r, lam / 2), "is the 2 there"),
        (lambda r, lam: (r - r.mean()).clamp_min(0) / (r - r.mean()).clamp_min(0).mean(), "is the 2 there"),
        (lambda r, lam: held_weights(r, lam) / len(r), "set so that"),
    ],
)
def test_wrong_weights_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.held_weights(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda r, kappa: r.mean(0) + kappa * r.std(0, correction=0), "lower"),
        (lambda r, kappa: r.mean(0) - kappa * r.std(0), "lower"),
        (lambda r, kappa: r.mean(0) - kappa * r.var(0, correction=0), "the root"),
        (lambda r, kappa: r.min(0).values, "mean of the members"),
        (lambda r, kappa: r.mean(0) - r.std(0, correction=0), "mean of the members"),
    ],
)
def test_careless_rewards_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.careful(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda std, n, gap: std / (n * gap**2),
        lambda std, n, gap: n * gap**2 / std**2,
        lambda std, n, gap: std**2 / gap**2,
        lambda std, n, gap: std**2 / (std**2 + n * gap**2),  # the share of the model, alpha / (1 + alpha)
        lambda std, n, gap: std**2 / (n * gap),
    ],
)
def test_wrong_alphas_fail(wrong):
    with pytest.raises(AssertionError, match="mean square"):
        exercises.best_alpha(wrong)


def sum_of_rectangles(r, corner):
    return float((r - corner).clamp_min(0).prod(1).sum())


def staircase(r, corner):
    """Without a look at who is dominated."""
    area, last = 0.0, 0.0
    for x, y in sorted((r - corner).clamp_min(0).tolist()):
        area, last = area + (x - last) * y, x
    return area


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda r, corner: float((r - corner).sum()), "Width"),
        (sum_of_rectangles, "overlap"),
        (lambda r, corner: float((r - corner).amax(0).prod()), "overlap"),
        (staircase, "highest so far"),
        (lambda r, corner: hypervolume(r, 0 * corner), "subtract it"),
    ],
)
def test_wrong_areas_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.hypervolume(wrong)
