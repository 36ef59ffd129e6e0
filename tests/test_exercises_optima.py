"""The checks of notebook 06 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import pytest
import torch

from orwlab import couplings
from orwlab.teach.exercises import optima as exercises


def kl(p, q):
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()


def tilt(p_ref, r, tau):
    q = p_ref * (tau * r).exp()
    return q / q.sum()


def shortfall(p, p_ref, r, tau):
    return kl(p, tilt(p_ref, r, tau)) / tau


def limit_for_large_alpha(p_ref, w, alpha):
    return p_ref * (1 + (w - (p_ref * w).sum()) / alpha)


def proximal(x, y, r, lam):
    return y[(r - lam * (y - x[:, None]) ** 2).argmax(1)]


def condensed_mass(p, w, w_sup, alpha):
    return max(0.0, 1 - alpha * float((p / (w_sup - w)).sum()))


def weighted_pairs(x0, x1, w, generator):
    rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, w), generator)
    return x0[rows], x1[columns], torch.full_like(w, float(w.mean()))


def test_right_answers_pass(capsys):
    exercises.shortfall(shortfall)
    exercises.limit_for_large_alpha(limit_for_large_alpha)
    exercises.proximal(proximal)
    exercises.condensed_mass(condensed_mass)
    exercises.weighted_pairs(weighted_pairs)
    printed = capsys.readouterr().out
    assert printed.count(": yes") >= 20
    assert "NO" not in printed


def test_other_right_answers_pass_too():
    def by_the_objective(p, p_ref, r, tau):
        best = tilt(p_ref, r, tau)
        return ((best - p) * r).sum() - (kl(best, p_ref) - kl(p, p_ref)) / tau

    def tilt_in_w(p_ref, w, alpha):
        return tilt(p_ref, w, 1 / alpha)

    exercises.shortfall(by_the_objective)
    exercises.limit_for_large_alpha(tilt_in_w)


def the_other_way_round(p, p_ref, r, tau):
    return kl(tilt(p_ref, r, tau), p) / tau


def without_tau(p, p_ref, r, tau):
    return kl(p, tilt(p_ref, r, tau))


def to_the_reference(p, p_ref, r, tau):
    return kl(p, p_ref) / tau


def nan_at_zero(p, p_ref, r, tau):
    return (p * (p / tilt(p_ref, r, tau)).log()).sum() / tau


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (the_other_way_round, "comes first"),
        (without_tau, "is tau in it"),
        (to_the_reference, "random density"),
        (nan_at_zero, "0 log 0"),
    ],
)
def test_wrong_shortfalls_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.shortfall(wrong)


def tilt_in_r(p_ref, w, alpha):
    return tilt(p_ref, w.log(), 1 / alpha)


def tilt_in_r_with_z(p_ref, w, alpha):
    return tilt(p_ref, w.log(), float((p_ref * w).sum()) / alpha)


def one_refresh(p_ref, w, alpha):
    return p_ref * (w + alpha) / ((p_ref * w).sum() + alpha)


def plain_average(p_ref, w, alpha):
    return p_ref * (1 + (w - w.mean()) / alpha)


def weights_alone(p_ref, w, alpha):
    return tilt(p_ref, w.log(), 1.0)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (tilt_in_r, "not in w"),
        (tilt_in_r_with_z, "not in w"),
        (one_refresh, "one refresh"),
        (plain_average, "mean under p_ref"),
        (weights_alone, "missed"),
    ],
)
def test_wrong_limits_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.limit_for_large_alpha(wrong)


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


def the_regular_part(p, w, w_sup, alpha):
    return alpha * float((p / (w_sup - w)).sum())


def negative_above(p, w, w_sup, alpha):
    return 1 - alpha * float((p / (w_sup - w)).sum())


def mean_gap(p, w, w_sup, alpha):
    return max(0.0, 1 - alpha / float((p * (w_sup - w)).sum()))


@pytest.mark.parametrize(
    ("wrong", "where"),
    [(the_regular_part, "missing to 1"), (negative_above, "never negative"), (mean_gap, "missing to 1")],
)
def test_wrong_condensates_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.condensed_mass(wrong)


def uniform(x0, x1, w, generator):
    return couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), generator)


def old_order(x0, x1, w, generator):
    rows, columns = uniform(x0, x1, w, generator)
    return x0[rows], x1[columns], w


def carried(x0, x1, w, generator):
    rows, columns = uniform(x0, x1, w, generator)
    return x0[rows], x1[columns], w[columns]


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
        (ones, "mean weight"),
        (pairs_from_the_whole_plan, "no longer Gaussian"),
    ],
)
def test_wrong_pairings_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.weighted_pairs(wrong)
