"""The checks of notebook 06 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch
from scipy.special import zeta

from orwlab import couplings
from orwlab.teach.exercises import optima as exercises


def kl(p, q):
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()


def tilt(p_ref, r, tau):
    q = p_ref * (tau * r).exp()
    return q / q.sum()


def shortfall(p, p_ref, r, tau):
    return kl(p, tilt(p_ref, r, tau)) / tau


def tilt_exponent(low, high, tau, alpha):
    return math.log((math.exp(tau * high) + alpha) / (math.exp(tau * low) + alpha)) / (high - low)


FALLS = {"1 + (w - Z) / alpha": 4, "tilt in w": 4, "tilt in r": 2, "one refresh": 4}


def proximal(x, y, r, lam):
    return y[(r - lam * (y - x[:, None]) ** 2).argmax(1)]


def condensed(d, alpha):
    return max(0.0, 1 - alpha * zeta(d / 2)) if d > 2 else 0.0


def weighted_pairs(x0, x1, w, generator):
    rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, w), generator)
    return x0[rows], x1[columns], torch.full_like(w, float(w.mean()))


def test_right_answers_pass(capsys):
    exercises.shortfall(shortfall)
    exercises.tilt_exponent(tilt_exponent)
    exercises.falls(FALLS)
    exercises.proximal(proximal)
    exercises.condensed(condensed)
    exercises.weighted_pairs(weighted_pairs)
    printed = capsys.readouterr().out
    assert printed.count(": yes") >= 20
    assert "NO" not in printed


def test_other_right_answers_pass_too():
    def by_the_objective(p, p_ref, r, tau):
        best = tilt(p_ref, r, tau)
        return ((best - p) * r).sum() - (kl(best, p_ref) - kl(p, p_ref)) / tau

    def summed(d, alpha):
        return 0.0 if d < 3 else max(0.0, 1 - alpha * sum(k ** (-d / 2) for k in range(1, 300_000)))

    def resampled(x0, x1, w, generator):
        x1 = x1[torch.multinomial(w, len(w), replacement=True, generator=generator)]
        rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), generator)
        return x0[rows], x1[columns], torch.full_like(w, float(w.mean()))

    exercises.shortfall(by_the_objective)
    exercises.condensed(lambda d, alpha: summed(d, alpha) if d != 3 else condensed(d, alpha))
    exercises.falls({name: float(fall) for name, fall in FALLS.items()})
    exercises.weighted_pairs(resampled)


def the_other_way_round(p, p_ref, r, tau):
    return kl(tilt(p_ref, r, tau), p) / tau


def without_tau(p, p_ref, r, tau):
    return kl(p, tilt(p_ref, r, tau))


def to_the_reference(p, p_ref, r, tau):
    return kl(p, p_ref) / tau


def without_z(p, p_ref, r, tau):
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, p_ref) - tau * p * r).sum() / tau


def the_debugged_one_as_it_was(p, p_ref, r, tau):
    best = p_ref * (tau * r).exp()
    best = best / best.sum()
    return (best * (best / p).log()).sum()


def nan_at_zero(p, p_ref, r, tau):
    return (p * (p / tilt(p_ref, r, tau)).log()).sum() / tau


def zero_where_p_is_not_everywhere(p, p_ref, r, tau):
    return shortfall(p, p_ref, r, tau) if (p > 0).all() else 0.0


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (zero_where_p_is_not_everywhere, "0 log 0"),
        (the_other_way_round, "comes first"),
        (without_tau, "is tau in it"),
        (to_the_reference, "random density"),
        (nan_at_zero, "0 log 0"),
        (without_z, "random density"),
        (the_debugged_one_as_it_was, "random density"),
    ],
)
def test_wrong_shortfalls_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.shortfall(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda low, high, tau, alpha: tau,
        lambda low, high, tau, alpha: tau / (1 + alpha),  # the share of the KL optimum, with Z taken for 1
        lambda low, high, tau, alpha: tau / alpha if alpha else tau,  # the limit's, not round one's
        lambda low, high, tau, alpha: math.log((math.exp(tau * high) + alpha) / (math.exp(tau * low) + alpha)),
        lambda low, high, tau, alpha: math.log((math.exp(tau * (high - low)) + alpha) / (1 + alpha)) / (high - low),
        lambda low, high, tau, alpha: -tilt_exponent(low, high, tau, alpha),
        lambda low, high, tau, alpha: abs(tilt_exponent(low, high, tau, alpha)) + 0.001,
        lambda low, high, tau, alpha: tilt_exponent(low, high, tau, alpha) * tau,
    ],
)
def test_wrong_exponents_fail(wrong):
    with pytest.raises(AssertionError, match="Divide the two values"):
        exercises.tilt_exponent(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"one refresh": 2},  # as if it had to be repeated
        {"tilt in r": 4},
        {"tilt in w": 2},
        {"1 + (w - Z) / alpha": 2},
        {"1 + (w - Z) / alpha": 8},
        {"tilt in r": 1},  # as if it did not get better
        {name: 1 / fall for name, fall in FALLS.items()},
    ],
)
def test_wrong_predictions_fail(wrong):
    with pytest.raises(AssertionError, match="halves"):
        exercises.falls(FALLS | wrong)


@pytest.mark.parametrize("wrong", [{}, {"tilt in w": 4}, FALLS | {"more": 4}])
def test_a_prediction_that_is_not_whole_is_told_so(wrong):
    with pytest.raises(AssertionError, match="a number for each"):
        exercises.falls(wrong)


def gradient_step(x, y, r, lam):
    slope = torch.gradient(r, spacing=(y,))[0]
    return x + slope[(y - x[:, None]).abs().argmin(1)] / (2 * lam)


def not_squared(x, y, r, lam):
    return y[(r - lam * (y - x[:, None]).abs()).argmax(1)]


def best_reward(x, y, r, lam):
    return y[r.argmax()].expand(len(x))


def divided_by_lam(x, y, r, lam):
    return y[(r - (y - x[:, None]) ** 2 / (2 * lam)).argmax(1)]


@pytest.mark.parametrize("wrong", [gradient_step, not_squared, best_reward, divided_by_lam])
def test_wrong_proximal_maps_fail(wrong):
    with pytest.raises(AssertionError, match="where the point arrives"):
        exercises.proximal(wrong)


def half_the_square(x, y, r, lam):
    return y[(r - lam * (y - x[:, None]) ** 2 / 2).argmax(1)]


def worst(x, y, r, lam):
    return y[(r - lam * (y - x[:, None]) ** 2).argmin(1)]


@pytest.mark.parametrize("wrong", [half_the_square, worst])
def test_more_wrong_proximal_maps_fail(wrong):
    with pytest.raises(AssertionError, match="where the point arrives"):
        exercises.proximal(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d, alpha: max(0.0, 1 - alpha * zeta(d)) if d > 2 else 0.0,  # the exponent is d / 2
        lambda d, alpha: max(0.0, 1 - alpha / zeta(d / 2)) if d > 2 else 0.0,  # upside down
        lambda d, alpha: 1 - alpha * zeta(d / 2) if d > 2 else 0.0,  # negative above the threshold
        lambda d, alpha: alpha * zeta(d / 2) if d > 2 else 0.0,  # the regular part
        lambda d, alpha: max(0.0, 1 - alpha * (1 + zeta(d / 2))) if d > 2 else 0.0,  # the series begins at 0
        lambda d, alpha: max(0.0, 1 - alpha * sum(k ** (-d / 2) for k in range(1, 1000))),  # a sum cut short
        lambda d, alpha: max(0.0, 1 - alpha * (1 - 2 ** (-d / 2))),  # E[1 - w] for E[1 / (1 - w)]
        lambda d, alpha: max(0.0, 1 - alpha / (1 - 2 ** (-d / 2))),
        lambda d, alpha: 0.0,
        lambda d, alpha: max(0.0, 1 - alpha * zeta(d / 2)) if d != 2 else 1.0,
    ],
)
def test_wrong_condensates_fail(wrong):
    with pytest.raises(AssertionError, match="geometric series"):
        exercises.condensed(wrong)


def uniform(x0, x1, w, generator):
    return couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), generator)


def old_order(x0, x1, w, generator):
    rows, columns = uniform(x0, x1, w, generator)
    return x0[rows], x1[columns], w


def carried(x0, x1, w, generator):
    rows, columns = uniform(x0, x1, w, generator)
    return x0[rows], x1[columns], w[columns]


def independent(x0, x1, w, generator):
    return x0, x1[torch.randperm(len(x1), generator=generator)], w


def independent_kept(x0, x1, w, generator):
    return x0, x1, w


def twice(x0, x1, w, generator):
    rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, w), generator)
    return x0[rows], x1[columns], w[columns]


def ones(x0, x1, w, generator):
    rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, w), generator)
    return x0[rows], x1[columns], torch.ones_like(w)


def pairs_from_the_whole_plan(x0, x1, w, generator):
    plan = couplings.transport_plan(x0, x1, w)
    drawn = torch.multinomial(plan.flatten(), len(x0), replacement=True, generator=generator)
    return x0[drawn // len(x1)], x1[drawn % len(x1)], torch.full_like(w, float(w.mean()))


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (old_order, "belong to other points"),
        (carried, "Put w into the transport"),
        (twice, "weighted twice"),
        (independent, "belong to other points"),
        (independent_kept, "Put w into the transport"),
        (ones, "mean weight"),
        (pairs_from_the_whole_plan, "no longer Gaussian"),
    ],
)
def test_wrong_pairings_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.weighted_pairs(wrong)
