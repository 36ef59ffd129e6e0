"""Exercises of notebook 00: right answers pass, plausible wrong ones fail for the right reason."""

import pytest
import torch

from orwlab.teach.exercises import start


def test_right_answers_pass(capsys):
    start.batch_weights(lambda r, tau: len(r) * torch.softmax(tau * r, 0))
    start.mass_after_rounds(lambda m, r, tau, n: torch.softmax(m.log() + n * tau * r, 0))
    start.alpha_for_forty_percent(3.58)
    assert capsys.readouterr().out.count(": yes") == 7


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda r, tau: (tau * r).exp(), "divided by the mean"),
        (lambda r, tau: torch.softmax(tau * r, 0), "divided by the mean"),
        (lambda r, tau: len(r) * torch.softmax(r / tau, 0), "divided by the mean"),
        (lambda r, tau: (tau * (r - r.max())).exp(), "divided by the mean"),  # stable, and not of mean one
        (lambda r, tau: (tau * (r - r.mean())).exp(), "divided by the mean"),  # the mean of r is not that of w
        (lambda r, tau: 1 + tau * (r - r.mean()), "divided by the mean"),  # of mean one, and not exponential
        (lambda r, tau: (tau * r).exp() / (tau * r).exp().mean().sqrt(), "divided by the mean"),
        (lambda r, tau: (tau * r).exp() / (tau * r).exp().mean(), "overflows"),
        (lambda r, tau: len(r) * torch.softmax(tau * r, 0)[:, None], "shape"),
    ],
)
def test_wrong_weights(wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        start.batch_weights(wrong)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda m, r, tau, n: m * (n * tau * r).exp(), "after 1 round"),  # does not sum to one
        (lambda m, r, tau, n: torch.softmax(m.log() + tau * r, 0), "after 6 rounds"),  # one round whatever n
        (lambda m, r, tau, n: n * (tau * r).exp() * m / (n * (tau * r).exp() * m).sum(), "after 6 rounds"),
        (lambda m, r, tau, n: torch.softmax(n * tau * r, 0), "Where it began"),
        (lambda m, r, tau, n: torch.softmax(m.log() + n * r / tau, 0), "after 1 round"),
    ],
)
def test_wrong_masses(wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        start.mass_after_rounds(wrong)


@pytest.mark.parametrize(
    ("alpha", "reason"),
    [
        (2.4, "Too much"),
        (5.0, "Too little"),
        (10.0, "Too little"),
        (0.87, "Too much"),  # the answer for mean-one weights
        (1 / 3.58, "Too much"),
        (-3.58, "alpha is -3.58"),
    ],
)
def test_wrong_alphas(alpha, reason):
    with pytest.raises(AssertionError, match=reason):
        start.alpha_for_forty_percent(alpha)
