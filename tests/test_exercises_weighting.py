"""The checks of notebook 02 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab import paths
from orwlab.teach.exercises import weighting

LINEAR = paths.get("linear")


def tilted_mixture(weights, means, covs, a, tau):
    Sa = covs @ a
    log_weights = weights.log() + tau * means @ a + tau**2 * (Sa @ a) / 2
    return log_weights.softmax(0), means + tau * Sa


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


def test_right_answers_pass(capsys):
    weighting.tilted_mixture(tilted_mixture)
    weighting.weighted_velocity(weighted_velocity)
    weighting.largest_tau(largest_tau)
    weighting.weighted_loss(weighted_loss)
    printed = capsys.readouterr().out
    assert printed.count(": yes") >= 15
    assert "NO" not in printed


def moved_by_tau_a(weights, means, covs, a, tau):
    return tilted_mixture(weights, means, covs, a, tau)[0], means + tau * a


def without_the_half_square(weights, means, covs, a, tau):
    return (weights.log() + tau * means @ a).softmax(0), tilted_mixture(weights, means, covs, a, tau)[1]


def with_the_new_mean(weights, means, covs, a, tau):
    new = tilted_mixture(weights, means, covs, a, tau)[1]
    return (weights.log() + tau * new @ a).softmax(0), new


def not_normalised(weights, means, covs, a, tau):
    Sa = covs @ a
    return weights * (tau * means @ a + tau**2 * (Sa @ a) / 2).exp(), means + tau * Sa


def weights_from_scratch(weights, means, covs, a, tau):
    return tilted_mixture(torch.ones_like(weights), means, covs, a, tau)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (moved_by_tau_a, "tau Sigma_k a"),
        (without_the_half_square, "b.Sigma b / 2"),
        (with_the_new_mean, "old mean"),
        (not_normalised, "1 / Z"),
        (weights_from_scratch, "weights at tau"),
    ],
)
def test_wrong_tilts_fail(wrong, hint):
    with pytest.raises(AssertionError, match=hint.replace(".", r"\.").replace("(", r"\(")):
        weighting.tilted_mixture(wrong)


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


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
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


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
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
