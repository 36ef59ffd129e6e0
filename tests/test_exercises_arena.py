"""The checks of notebook 11 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.teach.exercises import arena as exercises


def best_of(mass, r, k):
    """By comparison of all pairs: another way than the notebook's."""
    F = (mass * (r[None] <= r[:, None])).sum(1)
    here = (mass * (r[None] == r[:, None])).sum(1)
    return mass * (F**k - (F - here) ** k) / here


def awm_loss(v, v_ref, u, r, beta):
    A = r - r.mean()
    return ((A + 1) * (v - u).square().sum(1)).mean() + beta * (v - v_ref).square().sum(1).mean()


def foresight(r, kl, beta):
    later = torch.stack([kl[k + 1 :].sum(0) for k in range(len(kl))])
    return (r - beta * later) - (r - beta * later).mean(1, keepdim=True)


def leaning(t, c, beta, s):
    return s**2 * c / beta * (1 - t) / ((1 - t) ** 2 + t**2 * s**2)


def referee(rewards, errors, prices):
    gap, noise = rewards[0] - rewards[1], 2 * math.hypot(*errors)
    more, less = gap > noise, gap < -noise
    if abs(prices[0] - prices[1]) <= 0.05 * max(prices):
        return "first" if more else "second" if less else "no difference"
    if prices[0] < prices[1]:
        return "no comparison" if less else "first"
    return "no comparison" if more else "second"


def test_right_answers_pass(capsys):
    exercises.best_of(best_of)
    exercises.awm_loss(awm_loss)
    exercises.foresight(foresight)
    exercises.leaning(leaning)
    exercises.referee(referee)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 5 + 4 + 5 + 15 + 22
    assert "NO" not in printed


def as_sorted(mass, r, k):
    """As if the places stood in the order of their rewards."""
    F = mass.cumsum(0)
    return F**k - (F - mass) ** k


def each_for_itself(mass, r, k):
    """Places of equal reward one after the other."""
    order = r.argsort(stable=True)
    found = torch.empty_like(mass)
    found[order] = as_sorted(mass[order], r[order], k)
    return found


def without_jumps(mass, r, k):
    F = (mass * (r[None] <= r[:, None])).sum(1)
    found = mass * k * F ** (k - 1)
    return found / found.sum()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (as_sorted, "not in order.*\n.*wherever they stand"),
        (each_for_itself, "equal reward.*\n.*share"),
        (without_jumps, r"best of 3.*\n.*F\^k less"),
        (lambda mass, r, k: best_of(mass, -r, k), "best of 3"),
        (lambda mass, r, k: best_of(mass, r, k + 1), "best of 3"),
        (lambda mass, r, k: best_of(mass, r, k).cumsum(0), "best of 3"),
        (lambda mass, r, k: best_of(mass, r, k)[1:], "expected a tensor of shape"),
    ],
)
def test_wrong_laws_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.best_of(wrong)


def as_given(v, v_ref, u, r, beta):
    fit = (r * (v - u).square().sum(1)).mean()
    return fit + beta * (r * (v - v_ref).square().sum(1)).mean()


def without_anchor(v, v_ref, u, r, beta):
    A = r - r.mean()
    return (A * (v - u).square().sum(1)).mean() + beta * (v - v_ref).square().sum(1).mean()


def pull_weighed(v, v_ref, u, r, beta):
    A = r - r.mean()
    return ((A + 1) * (v - u).square().sum(1)).mean() + beta * ((A + 1) * (v - v_ref).square().sum(1)).mean()


def mean_over_coordinates(v, v_ref, u, r, beta):
    A = r - r.mean()
    return ((A + 1) * (v - u).square().mean(1)).mean() + beta * (v - v_ref).square().mean(1).mean()


def anchored_to_reference(v, v_ref, u, r, beta):
    return without_anchor(v, v_ref, u, r, beta) + (v - v_ref).square().sum(1).mean()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (as_given, "constant of 5"),
        (without_anchor, "(?s)rewards alike.*anchor"),
        (pull_weighed, "(?s)the pull alone.*same for good and for bad"),
        (mean_over_coordinates, "(?s)rewards alike.*summed over the coordinates"),
        (anchored_to_reference, "rewards alike"),
        (lambda v, v_ref, u, r, beta: awm_loss(v, v_ref, u, r, 2 * beta), "the pull alone"),
        (lambda v, v_ref, u, r, beta: awm_loss(v, v_ref, u, -r, beta), "random batch"),
        (lambda v, v_ref, u, r, beta: awm_loss(v, v_ref, u, r / r.std(), beta), "constant|rewards alike|random batch"),
    ],
)
def test_wrong_losses_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.awm_loss(wrong)


def with_its_own(r, kl, beta):
    left = kl.flip(0).cumsum(0).flip(0)
    return (r - beta * left) - (r - beta * left).mean(1, keepdim=True)


def what_came_before(r, kl, beta):
    before = kl.cumsum(0) - kl
    return (r - beta * before) - (r - beta * before).mean(1, keepdim=True)


def as_published(r, kl, beta):
    return (r - r.mean()).expand_as(kl)


def one_mean_for_all(r, kl, beta):
    later = kl.flip(0).cumsum(0).flip(0) - kl
    return (r - beta * later) - (r - beta * later).mean()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (with_its_own, "(?s)last step.*after"),
        (what_came_before, "last step"),
        (as_published, "step before"),
        (one_mean_for_all, "(?s)(last step|step before|mean credit).*mean over the n paths"),
        (lambda r, kl, beta: foresight(r, kl, -beta), "step before"),
        (lambda r, kl, beta: foresight(r, kl, 1.0), "step before"),
        (lambda r, kl, beta: foresight(r, kl, beta).sum(0), "expected a tensor of shape"),
    ],
)
def test_wrong_credits_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.foresight(wrong)


def undefined_at_the_start(t, c, beta, s):
    return (1 - t) / t * (s**2 * c / beta) * t / ((1 - t) ** 2 + t**2 * s**2)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda t, c, beta, s: -leaning(t, c, beta, s), "at t = 0.25"),
        (lambda t, c, beta, s: leaning(t, c, 1 / beta, s), "c = -0.4.*at t = 0.25"),
        (lambda t, c, beta, s: leaning(t, c, beta, 1.0), "at t = 0.25"),
        (lambda t, c, beta, s: leaning(t, c, beta, s) / s, "at t = 0.25"),
        (lambda t, c, beta, s: c / beta * (1 - t), "at t = 0.25"),
        (lambda t, c, beta, s: s**2 * c / beta / ((1 - t) ** 2 + t**2 * s**2), "at t = 0.25"),  # DRaFT's shape
        (undefined_at_the_start, "ZeroDivisionError"),
    ],
)
def test_wrong_leanings_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.leaning(wrong)


def more_reward_wins(rewards, errors, prices):
    return "first" if rewards[0] > rewards[1] else "second"


def more_for_the_money(rewards, errors, prices):
    return "first" if rewards[0] / prices[0] > rewards[1] / prices[1] else "second"


def errors_added(rewards, errors, prices):
    return referee(rewards, (sum(errors), 0.0), prices)


def one_error_is_enough(rewards, errors, prices):
    return referee(rewards, [error / 2 for error in errors], prices)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (more_reward_wins, "within their errors"),
        (more_for_the_money, "within their errors"),
        (errors_added, "a little further apart: first: NO"),
        (one_error_is_enough, "within their errors"),
        (lambda r, e, p: referee(r, (0.0, 0.0), p), "within their errors.*NO\nThe difference of two"),
        (lambda r, e, p: referee(r, e, (1.0, 1.0)), "(?s)higher price.*decides nothing"),
        (lambda r, e, p: referee(r, e, p[::-1]), "higher price"),
        (lambda r, e, p: referee(r[::-1], e, p), "clearly more reward"),
        (lambda r, e, p: "first" if p[0] == p[1] else "no comparison", "clearly more reward"),
        (lambda r, e, p: referee(r, e, p).upper(), "one of the four verdicts.*NO\nReturn one of 'first'"),
        (lambda r, e, p: 1, "one of the four verdicts"),
    ],
)
def test_wrong_verdicts_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.referee(wrong)


def test_an_alike_reward_at_a_higher_price_is_no_draw():
    def draw_whenever_alike(rewards, errors, prices):
        alike = abs(rewards[0] - rewards[1]) <= 2 * math.hypot(*errors)
        return "no difference" if alike else referee(rewards, errors, prices)

    with pytest.raises(AssertionError, match=r"(?s)as much reward at a lower price.*Who pays less"):
        exercises.referee(draw_whenever_alike)
