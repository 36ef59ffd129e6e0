"""The checks of notebook 02 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab import paths
from orwlab.teach.exercises import weighting

LINEAR = paths.get("linear")


def overtaking(share, mean, std):
    square, linear = (std[1] ** 2 - std[0] ** 2) / 2, mean[1] - mean[0]
    constant = math.log(share[1] / share[0])
    return (-linear + math.sqrt(linear**2 - 4 * square * constant)) / (2 * square)


def weighted_velocity(t, x, x1, w):
    log_kernel = -(torch.cdist(x, t * x1) ** 2) / (2 * (1 - t) ** 2)
    share = (log_kernel + w.log()).softmax(1)
    return (share @ x1 - x) / (1 - t)


def largest_tau(std, n, ess):
    return math.sqrt(math.log(n / ess)) / std


def weighted_loss(v, x1, reward, tau, generator):
    x1 = x1[torch.randperm(len(x1), generator=generator)]
    w = (tau * reward(x1)).softmax(0) * len(x1)
    x0 = torch.randn(x1.shape, generator=generator)
    t = torch.rand(len(x1), generator=generator)
    x_t, u_t = LINEAR.interpolate(t, x0, x1)
    return (w * (v(t, x_t) - u_t).square().sum(1)).mean()


def test_a_right_loss_passes_whatever_the_order_of_its_draws():
    def other_order(v, x1, reward, tau, generator):
        torch.rand(int(torch.randint(1, 99, (), generator=generator)), generator=generator)
        t = torch.rand(len(x1), generator=generator)
        x_t, u_t = LINEAR.interpolate(t, torch.randn(x1.shape, generator=generator), x1)
        w = (tau * reward(x1) - (tau * reward(x1)).logsumexp(0) + math.log(len(x1))).exp()
        return (w * (v(t, x_t) - u_t).square().sum(1)).mean()

    weighting.weighted_loss(other_order)


def test_right_answers_pass(capsys):
    weighting.weighted_velocity(weighted_velocity)
    weighting.overtaking(overtaking)
    weighting.largest_tau(largest_tau)
    weighting.weighted_loss(weighted_loss)
    printed = capsys.readouterr().out
    assert printed.count(": yes") >= 15
    assert "NO" not in printed


def roots(share, mean, std, constant=1.0, linear=1.0, power=2, half=0.5, sign=1):
    """The quadratic's roots with one of the things done otherwise that one may get wrong."""
    square, slope = half * (std[1] ** power - std[0] ** power), linear * (mean[1] - mean[0])
    rest = slope**2 - 4 * square * constant * math.log(share[1] / share[0])
    return (-slope + sign * math.sqrt(rest)) / (2 * square)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda *modes: roots(*modes, sign=-1), "your tau|two roots"),  # the first crossing, or a negative one
        (lambda *modes: roots(*modes, constant=0.0), "a quadratic in tau"),  # shares forgotten
        (lambda *modes: roots(*modes, constant=-1.0), "a quadratic in tau"),  # upside down
        (lambda *modes: roots(*modes, power=1), "a quadratic in tau"),  # standard deviations, not variances
        (lambda *modes: roots(*modes, half=1.0), "a quadratic in tau"),  # no half
        (lambda *modes: -roots(*modes), "tau is positive"),
        (lambda *modes: roots(*modes, linear=-1.0), "your tau|a quadratic in tau"),  # the means the wrong way round
        (lambda *modes: 1.01 * roots(*modes), "a quadratic in tau"),
        (lambda share, mean, std: math.log(share[0] / share[1]) / (mean[1] - mean[0]), "your tau|a quadratic"),
        (lambda *modes: 1e6, "a quadratic in tau"),  # surely beyond
    ],
)
def test_wrong_crossings_fail(wrong, hint):
    with pytest.raises(AssertionError, match=hint):
        weighting.overtaking(wrong)


def unweighted(t, x, x1, w):
    return weighted_velocity(t, x, x1, torch.ones_like(w))


def weight_only_above(t, x, x1, w):
    kernel = (-(torch.cdist(x, t * x1) ** 2) / (2 * (1 - t) ** 2)).exp()
    return ((kernel * w) @ x1 - x * (kernel * w).sum(1, True)) / (1 - t) / kernel.sum(1, True)


def kernel_without_t(t, x, x1, w):
    log_kernel = -(torch.cdist(x, x1) ** 2) / (2 * (1 - t) ** 2)
    return ((log_kernel + w.log()).softmax(1) @ x1 - x) / (1 - t)


def data_instead_of_velocity(t, x, x1, w):
    return weighted_velocity(t, x, x1, w) * (1 - t) + x


def no_logarithms(t, x, x1, w):
    kernel = (-(torch.cdist(x, t * x1) ** 2) / (2 * (1 - t) ** 2)).exp() * w
    return (kernel @ x1 / kernel.sum(1, True) - x) / (1 - t)


def weights_twice(t, x, x1, w):
    return weighted_velocity(t, x, x1, w**2)


def variance_of_the_time(t, x, x1, w):
    """t^2 where (1 - t)^2 belongs: the same half way."""
    log_kernel = -(torch.cdist(x, t * x1) ** 2) / (2 * t**2)
    return ((log_kernel + w.log()).softmax(1) @ x1 - x) / (1 - t)


def time_backwards(t, x, x1, w):
    log_kernel = -(torch.cdist(x, (1 - t) * x1) ** 2) / (2 * t**2)
    return ((log_kernel + w.log()).softmax(1) @ x1 - x) / t


def not_squared(t, x, x1, w):
    log_kernel = -(torch.cdist(x, t * x1) ** 2) / (2 * (1 - t))
    return ((log_kernel + w.log()).softmax(1) @ x1 - x) / (1 - t)


def over_the_places(t, x, x1, w):
    """Shares that sum to one over the wrong index."""
    log_kernel = -(torch.cdist(x, t * x1) ** 2) / (2 * (1 - t) ** 2)
    return ((log_kernel + w.log()).softmax(0) @ x1 - x) / (1 - t)


def backwards(t, x, x1, w):
    return -weighted_velocity(t, x, x1, w)


def rewards_for_weights(t, x, x1, w):
    """w taken for a logarithm."""
    return weighted_velocity(t, x, x1, w.exp())


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (variance_of_the_time, "by hand"),
        (time_backwards, "by hand"),
        (not_squared, "by hand"),
        (over_the_places, "by hand"),
        (backwards, "by hand"),
        (rewards_for_weights, "by hand"),
        (unweighted, "by hand"),
        (weight_only_above, "by hand"),
        (kernel_without_t, "by hand"),
        (data_instead_of_velocity, "by hand"),
        (weights_twice, "by hand"),
        (no_logarithms, "underflows"),
    ],
)
def test_wrong_velocities_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        weighting.weighted_velocity(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda std, n, ess: math.log(n / ess) / std,
        lambda std, n, ess: math.sqrt(2 * math.log(n / ess)) / std,
        lambda std, n, ess: math.sqrt(math.log(n / ess)) * std,
        lambda std, n, ess: math.sqrt(math.log(n / ess) / 2) / std,
        lambda std, n, ess: math.sqrt(math.log10(n / ess)) / std,
        lambda std, n, ess: math.sqrt(math.log(n)) / std,
        lambda std, n, ess: -math.sqrt(math.log(n / ess)) / std,
        lambda std, n, ess: math.log(n / ess) / std**2,
        lambda std, n, ess: math.sqrt(math.log(n / ess)) / std**2,
        lambda std, n, ess: math.sqrt(1 - ess / n) / std,
        lambda std, n, ess: math.sqrt(2 * math.log(n)) / (2 * std),  # where the estimate leaves the truth
    ],
)
def test_wrong_taus_fail(wrong):
    with pytest.raises(AssertionError, match="solve for tau"):
        weighting.largest_tau(wrong)


def order_lost(v, x1, reward, tau, generator):
    w = (tau * reward(x1)).softmax(0) * len(x1)
    x1 = x1[torch.randperm(len(x1), generator=generator)]
    x0 = torch.randn(x1.shape, generator=generator)
    t = torch.rand(len(x1), generator=generator)
    x_t, u_t = LINEAR.interpolate(t, x0, x1)
    return (w * (v(t, x_t) - u_t).square().sum(1)).mean()


def overflowing(v, x1, reward, tau, generator):
    x0 = torch.randn(x1.shape, generator=generator)
    t = torch.rand(len(x1), generator=generator)
    x_t, u_t = LINEAR.interpolate(t, x0, x1)
    w = (tau * reward(x1)).exp()
    return (w / w.mean() * (v(t, x_t) - u_t).square().sum(1)).mean()


def raw(v, x1, reward, tau, generator):
    x0 = torch.randn(x1.shape, generator=generator)
    t = torch.rand(len(x1), generator=generator)
    x_t, u_t = LINEAR.interpolate(t, x0, x1)
    return ((tau * reward(x1)).exp() * (v(t, x_t) - u_t).square().sum(1)).mean()


def coordinates_averaged(v, x1, reward, tau, generator):
    return weighted_loss(v, x1, reward, tau, generator) / 2


def reward_of_the_noisy_point(v, x1, reward, tau, generator):
    x0 = torch.randn(x1.shape, generator=generator)
    t = torch.rand(len(x1), generator=generator)
    x_t, u_t = LINEAR.interpolate(t, x0, x1)
    w = (tau * reward(x_t)).softmax(0) * len(x1)
    return (w * (v(t, x_t) - u_t).square().sum(1)).mean()


def tau_forgotten(v, x1, reward, tau, generator):
    return weighted_loss(v, x1, reward, 1.0, generator)


def tau_twice(v, x1, reward, tau, generator):
    return weighted_loss(v, x1, lambda x: tau * reward(x), tau, generator)


def summed(v, x1, reward, tau, generator):
    return weighted_loss(v, x1, reward, tau, generator) * len(x1)


def shares_for_weights(v, x1, reward, tau, generator):
    return weighted_loss(v, x1, reward, tau, generator) / len(x1)


def lowest_first(v, x1, reward, tau, generator):
    return weighted_loss(v, x1, lambda x: -reward(x), tau, generator)


def largest_is_one(v, x1, reward, tau, generator):
    r = tau * reward(x1)
    return weighted_loss(v, x1, reward, tau, generator) * (r - r.max()).exp().mean()


def time_backwards_in_the_field(v, x1, reward, tau, generator):
    return weighted_loss(lambda t, x: v(1 - t, x), x1, reward, tau, generator)


def noise_for_data(v, x1, reward, tau, generator):
    return weighted_loss(lambda t, x: -v(t, x), x1, reward, tau, generator)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (tau_forgotten, "does your function use its tau"),
        (tau_twice, "does your function use its tau"),
        (summed, "loss of v = 0"),
        (shares_for_weights, "loss of v = 0"),
        (largest_is_one, "loss of v = 0"),
        (lowest_first, "the tilted field is better"),
        (time_backwards_in_the_field, "the tilted field is better"),
        (noise_for_data, "the tilted field is better"),
        (order_lost, "4 is what weights give"),
        (overflowing, "overflows"),
        (raw, "do not average 1"),
        (coordinates_averaged, "a mean over the coordinates"),
        (reward_of_the_noisy_point, "loss of v = 0"),
    ],
)
def test_wrong_losses_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        weighting.weighted_loss(wrong)
