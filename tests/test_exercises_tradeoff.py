"""The checks of notebook 07 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math
from functools import cache

import pytest
from scipy.optimize import brentq

from orwlab.teach.exercises import tradeoff as exercises


@cache
def cases():
    return list(exercises._cases())


@pytest.fixture(autouse=True)
def train_once(monkeypatch):
    found = cases()
    monkeypatch.setattr(exercises, "_cases", lambda: iter(found))


def diagnose(readings):
    if readings["outside"] > 0.3:
        return "off the data"
    if readings["diversity"] < 0.3:
        return "collapsed"
    if readings["penalty"] < 0.02:
        return "asleep"
    return "healthy"


def alpha_from_rewards(r, goal, tau):
    tau_eff = brentq(lambda s: float((r * (s * r).softmax(0)).sum()) - goal, 1e-6, 100)
    return tau * float((tau * r).exp().mean()) / tau_eff


def same_limit(alpha, tau, shift):
    return alpha * math.exp(tau * shift)


def effective_share(tau, spread):
    return math.exp(-((tau * spread) ** 2))


def test_right_answers_pass(capsys):
    exercises.diagnose(diagnose)
    exercises.alpha_from_rewards(alpha_from_rewards)
    exercises.same_limit(same_limit)
    exercises.effective_share(effective_share)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 13
    assert "NO" not in printed


def test_the_cases_are_clear():
    """Far enough from any sensible threshold that another machine's training gives the same verdicts."""
    for verdict, settings, found in cases():
        assert (found["outside"] > 0.6) == (verdict == "off the data"), settings
        assert (found["outside"] < 0.15) == (verdict != "off the data"), settings
        if verdict in ("healthy", "asleep"):
            assert found["diversity"] > 0.6, settings
        if verdict == "collapsed":
            assert found["diversity"] < 0.3, settings
        assert (found["penalty"] < 0.01) == (verdict == "asleep"), settings
        assert (found["penalty"] > 0.05) == (verdict != "asleep"), settings


def by_effective_sample_size(readings):
    return "collapsed" if readings["ess"] < 0.2 else diagnose(readings)


def by_reward_alone(readings):
    gain = readings["reward"] - readings["reward_before"]
    return "healthy" if 0.1 < gain < 0.6 else "asleep" if gain < 0.1 else "collapsed"


def diversity_first(readings):
    return "collapsed" if readings["diversity"] < 0.6 else diagnose(readings)


def always_healthy(readings):
    return "healthy"


@pytest.mark.parametrize("wrong", [by_effective_sample_size, by_reward_alone, diversity_first, always_healthy])
def test_wrong_diagnoses_fail(wrong):
    with pytest.raises(AssertionError, match="The readings were"):
        exercises.diagnose(wrong)


def mean_one_formula(r, goal, tau):
    return alpha_from_rewards(r, goal, tau) / float((tau * r).exp().mean())


def linearised(r, goal, tau):
    return tau * float((tau * r).exp().mean()) * float(r.var()) / (goal - float(r.mean()))


def upside_down(r, goal, tau):
    return 1 / alpha_from_rewards(r, goal, tau)


@pytest.mark.parametrize(
    ("wrong", "where"), [(mean_one_formula, "mean-one"), (linearised, "very weak"), (upside_down, "Without Z")]
)
def test_wrong_alphas_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.alpha_from_rewards(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda alpha, tau, shift: alpha,
        lambda alpha, tau, shift: alpha + shift,
        lambda alpha, tau, shift: alpha * math.exp(-tau * shift),
        lambda alpha, tau, shift: alpha * (1 + tau * shift),
    ],
)
def test_wrong_shifts_fail(wrong):
    with pytest.raises(AssertionError, match="multiplies every weight"):
        exercises.same_limit(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda tau, spread: math.exp(-((tau * spread) ** 2) / 2),
        lambda tau, spread: math.exp(-2 * (tau * spread) ** 2),
        lambda tau, spread: 1 / (1 + (tau * spread) ** 2),
    ],
)
def test_wrong_shares_fail(wrong):
    with pytest.raises(AssertionError, match="E w"):
        exercises.effective_share(wrong)
