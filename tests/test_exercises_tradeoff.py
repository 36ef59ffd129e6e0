"""The checks of notebook 07 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import itertools
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
    if readings["ess"] < 0.2:
        return "doubtful"
    return "healthy"


def alpha_from_rewards(r, goal, tau):
    tau_eff = brentq(lambda s: float((r * (s * r).softmax(0)).sum()) - goal, 1e-6, 100)
    return tau * float((tau * r).exp().mean()) / tau_eff


def same_limit(alpha, tau, scale, shift, weighting):
    raw = weighting == "exp"
    return alpha * math.exp(tau * shift / scale) if raw else alpha, tau / scale


def safe_weights(r, tau):
    return (tau * r).softmax(0) * len(r)


def test_right_answers_pass(capsys):
    exercises.diagnose(diagnose)
    exercises.alpha_from_rewards(alpha_from_rewards)
    exercises.same_limit(same_limit)
    exercises.safe_weights(safe_weights)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 10 + 3 + 5 + 18
    assert "NO" not in printed


def test_the_cases_are_clear():
    """Far enough from any sensible threshold that another machine's training gives the same verdicts."""
    assert {verdict for verdict, *_ in cases()} == set(exercises.VERDICTS)
    for verdict, settings, found in cases():
        assert (found["outside"] > 0.6) == (verdict == "off the data"), settings
        assert (found["outside"] < 0.15) == (verdict != "off the data"), settings
        assert (found["diversity"] < 0.25) == (verdict == "collapsed"), settings
        assert (found["diversity"] > 0.4) == (verdict != "collapsed"), settings
        assert (found["penalty"] < 0.01) == (verdict == "asleep"), settings
        assert (found["penalty"] > 0.1) == (verdict != "asleep"), settings
        assert (found["ess"] < 0.08) == (verdict == "doubtful"), settings
        assert (found["ess"] > 0.4) == (verdict != "doubtful"), settings


@pytest.mark.parametrize("reading", ["reward", "gain", "ess_last", "penalty", "diversity", "outside", "ess"])
def test_no_thresholds_on_one_reading_pass(reading):
    """However the line is cut, some verdict has to be given on two sides of another."""
    value = {
        settings: found["reward"] - found["reward_before"] if reading == "gain" else found[reading]
        for _, settings, found in cases()
    }
    order = sorted((round(value[settings], 2), verdict) for verdict, settings, _ in cases())
    blocks = [verdict for verdict, _ in itertools.groupby(verdict for _, verdict in order)]
    tied = any(a[0] == b[0] and a[1] != b[1] for a, b in itertools.pairwise(order))
    assert tied or len(blocks) > len(set(blocks))


def by_effective_sample_size(readings):
    return "doubtful" if readings["ess"] < 0.2 else "healthy"


def few_samples_are_a_collapse(readings):
    return "collapsed" if readings["ess"] < 0.2 else diagnose(readings)


def few_samples_are_fine(readings):
    return diagnose(readings | {"ess": 1.0})


def by_last_effective_sample_size(readings):
    return "collapsed" if readings["ess_last"] > 0.95 else diagnose(readings)


def by_reward_alone(readings):
    gain = readings["reward"] - readings["reward_before"]
    if gain < 0.1:
        return "asleep"
    return "healthy" if gain < 0.6 else "collapsed" if gain < 1 else "off the data"


def by_reward_for_asleep(readings):
    if readings["penalty"] < 0.02:
        return "healthy" if readings["reward"] - readings["reward_before"] > 0.1 else "asleep"
    return diagnose(readings)


def by_penalty_alone(readings):
    size = readings["penalty"]
    if size < 0.02:
        return "asleep"
    return "healthy" if size < 4 else "collapsed" if size < 10 else "off the data"


def by_penalty_for_all_but_doubtful(readings):
    return "doubtful" if readings["ess"] < 0.2 else by_penalty_alone(readings)


def by_diversity_alone(readings):
    kept = readings["diversity"]
    if kept < 0.35:
        return "collapsed"
    return "off the data" if kept < 0.6 else "healthy" if kept < 0.95 else "asleep"


def by_outside_alone(readings):
    return "off the data" if readings["outside"] > 0.3 else "healthy"


def diversity_first(readings):
    return "collapsed" if readings["diversity"] < 0.6 else diagnose(readings)


def full_diversity_is_asleep(readings):
    return "asleep" if readings["diversity"] > 0.99 else diagnose(readings)


def always_healthy(readings):
    return "healthy"


@pytest.mark.parametrize(
    "wrong",
    [
        by_effective_sample_size,
        few_samples_are_a_collapse,
        few_samples_are_fine,
        by_last_effective_sample_size,
        by_reward_alone,
        by_reward_for_asleep,
        by_penalty_alone,
        by_penalty_for_all_but_doubtful,
        by_diversity_alone,
        by_outside_alone,
        diversity_first,
        full_diversity_is_asleep,
        always_healthy,
    ],
)
def test_wrong_diagnoses_fail(wrong):
    with pytest.raises(AssertionError, match="The readings were"):
        exercises.diagnose(wrong)


def mean_one_formula(r, goal, tau):
    return alpha_from_rewards(r, goal, tau) / float((tau * r).exp().mean())


def linearised(r, goal, tau):
    return tau * float((tau * r).exp().mean()) * float(r.var()) / (goal - float(r.mean()))


def weight_of_the_tilt(r, goal, tau):
    tau_eff = tau * float((tau * r).exp().mean()) / alpha_from_rewards(r, goal, tau)
    return tau * float((tau_eff * r).exp().mean()) / tau_eff


def upside_down(r, goal, tau):
    return 1 / alpha_from_rewards(r, goal, tau)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (mean_one_formula, "mean-one"),
        (linearised, "very weak"),
        (upside_down, "Without Z"),
        (weight_of_the_tilt, "at tau"),
    ],
)
def test_wrong_alphas_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.alpha_from_rewards(wrong)


def scale_forgotten(alpha, tau, scale, shift, weighting):
    return alpha * math.exp(tau * shift) if weighting == "exp" else alpha, tau


def old_tau_in_the_exponent(alpha, tau, scale, shift, weighting):
    return alpha * math.exp(tau * shift) if weighting == "exp" else alpha, tau / scale


def tau_the_wrong_way(alpha, tau, scale, shift, weighting):
    return alpha * math.exp(tau * scale * shift) if weighting == "exp" else alpha, tau * scale


def alpha_the_wrong_way(alpha, tau, scale, shift, weighting):
    return alpha * math.exp(-tau * shift / scale) if weighting == "exp" else alpha, tau / scale


def one_rule_for_both_weightings(alpha, tau, scale, shift, weighting):
    return alpha * math.exp(tau * shift / scale), tau / scale


def mean_one_rule_for_both(alpha, tau, scale, shift, weighting):
    return alpha, tau / scale


def alpha_scaled_too(alpha, tau, scale, shift, weighting):
    found, new_tau = same_limit(alpha, tau, scale, shift, weighting)
    return found / scale, new_tau


def linear_in_the_shift(alpha, tau, scale, shift, weighting):
    return alpha * max(0.1, 1 + tau * shift / scale) if weighting == "exp" else alpha, tau / scale


@pytest.mark.parametrize(
    "wrong",
    [
        scale_forgotten,
        old_tau_in_the_exponent,
        tau_the_wrong_way,
        alpha_the_wrong_way,
        one_rule_for_both_weightings,
        mean_one_rule_for_both,
        alpha_scaled_too,
        linear_in_the_shift,
    ],
)
def test_wrong_conversions_fail(wrong):
    with pytest.raises(AssertionError, match="a constant times the old one"):
        exercises.same_limit(wrong)


@pytest.mark.parametrize("answer", [lambda *_: 1.0, lambda *_: (1.0, 1.0, 1.0), lambda *_: (-1.0, 1.0)])
def test_conversions_are_pairs_of_positive_numbers(answer):
    with pytest.raises(AssertionError, match="NO"):
        exercises.same_limit(answer)


def rewards_standardised(r, tau):
    return safe_weights((r - r.mean()) / (r.std() + 1e-6), tau)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda r, tau: (tau * r).exp() / (tau * r).exp().sum(), "mean of one"),
        (lambda r, tau: (tau * r).softmax(0), "mean of one"),
        (lambda r, tau: (tau * r).exp() / (tau * r).exp().mean(), "keeps e"),
        (lambda r, tau: (tau * r).exp(), "mean of one"),
        (lambda r, tau: (tau * r).clamp(max=80).exp() / (tau * r).clamp(max=80).exp().mean(), "Proportional"),
        (lambda r, tau: (tau * (r - r.mean())).exp() / (tau * (r - r.mean())).exp().mean(), "keeps e"),
        (lambda r, tau: (tau * (r - r.max())).exp(), "mean of one"),
        (lambda r, tau: (r - r.max()).exp() / (r - r.max()).exp().mean(), "Proportional"),
        (lambda r, tau: (tau * (r - r.min())).exp() / (tau * (r - r.min())).exp().mean(), "keeps e"),
        (rewards_standardised, "Proportional"),
        (lambda r, tau: ((tau * r).exp() / (tau * r).exp().mean()).nan_to_num(1.0), "mean of one"),
    ],
)
def test_wrong_weights_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.safe_weights(wrong)
