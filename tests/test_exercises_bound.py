"""Exercises of notebook 04: the right answer passes, each plausible wrong one fails where it should."""

import math

import pytest
import torch

from orwlab.teach.exercises import bound


def sorted_mean(x, y):
    return (x.sort().values - y.sort().values).square().mean()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda x, y: (x - y).square().mean(), "two samples"),
        (lambda x, y: (x.sort().values - y.sort(descending=True).values).square().mean(), "two samples"),
        (lambda x, y: (x.sort().values - y.sort().values).abs().mean(), "two samples"),
        (lambda x, y: sorted_mean(x, y).sqrt(), "two samples"),
        (lambda x, y: (x.mean() - y.mean()).square(), "two samples"),
        (lambda x, y: sorted_mean(x, y) * len(x), "two samples"),
    ],
)
def test_distance_on_a_line(wrong, where):
    bound.distance_on_a_line(sorted_mean)
    with pytest.raises(AssertionError, match=where):
        bound.distance_on_a_line(wrong)


def test_distance_on_a_line_notices_a_changed_sample():
    def in_place(x, y):
        x.copy_(x.sort().values)
        return sorted_mean(x, y)

    with pytest.raises(AssertionError, match="left as they were"):
        bound.distance_on_a_line(in_place)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m, s, n, r: (m - n).square().sum() + (s**2 - r**2).square().sum(),
        lambda m, s, n, r: (m - n).square().sum() + (s**2 + r**2).sum(),
        lambda m, s, n, r: (m - n).square().sum(),
        lambda m, s, n, r: (m - n).square().mean() + (s - r).square().mean(),
        lambda m, s, n, r: ((m - n).square().sum() + (s - r).square().sum()).sqrt(),
    ],
)
def test_diagonal_gaussians(wrong):
    bound.diagonal_gaussians(lambda m, s, n, r: (m - n).square().sum() + (s - r).square().sum())
    with pytest.raises(AssertionError, match="against Bures"):
        bound.diagonal_gaussians(wrong)


def grown(times, lipschitz, dv, since_zero=False, square=True, jensen=False):
    passed = torch.cat([torch.zeros(1, dtype=times.dtype), torch.cumulative_trapezoid(lipschitz, times)])
    stretch = passed if since_zero else passed[-1] - passed
    if jensen:
        return torch.trapezoid((2 * stretch).exp() * dv.square(), times)
    total = torch.trapezoid(stretch.exp() * dv, times)
    return total.square() if square else total


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda t, L, dv: grown(t, L, dv, square=False), "L = 2"),
        (lambda t, L, dv: grown(t, L, dv, since_zero=True), "error before"),
        (lambda t, L, dv: grown(t, L, dv, jensen=True), "L = 2"),
        (lambda t, L, dv: torch.trapezoid((L * (1 - t)).exp() * dv, t).square(), "L\\(t\\) = 4 t"),
        (lambda t, L, dv: (2 * L.max()).exp() * torch.trapezoid(dv.square(), t), "L = 2"),
    ],
)
def test_grown_gap(wrong, where):
    bound.grown_gap(grown)
    with pytest.raises(AssertionError, match=where):
        bound.grown_gap(wrong)


def two_rates(J):
    return torch.linalg.matrix_norm(J, ord=2).max(), torch.linalg.eigvalsh((J + J.mT) / 2)[:, -1].max()


def spectral_radius(J):
    return torch.linalg.eigvals(J).abs().max(), two_rates(J)[1]


def frobenius(J):
    return J.square().sum((1, 2)).sqrt().max(), two_rates(J)[1]


def signed_for_both(J):
    return two_rates(J)[1], two_rates(J)[1]


def first_only(J):
    return two_rates(J[:1])


def real_parts(J):
    return two_rates(J)[0], torch.linalg.eigvals(J).real.max()


def eigvalsh_of_a_triangle(J):
    return two_rates(J)[0], torch.linalg.eigvalsh(J)[:, -1].max()


def not_halved(J):
    return two_rates(J)[0], torch.linalg.eigvalsh(J + J.mT)[:, -1].max()


def without_its_sign(J):
    return two_rates(J)[0], torch.linalg.eigvalsh((J + J.mT) / 2).abs().max()


def norm_for_both(J):
    return two_rates(J)[0], two_rates(J)[0]


def smallest(J):
    return two_rates(J)[0], torch.linalg.eigvalsh((J + J.mT) / 2)[:, 0].max()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (spectral_radius, "Lipschitz constant"),
        (frobenius, "Lipschitz constant"),
        (signed_for_both, "Lipschitz constant"),
        (first_only, "Lipschitz constant"),
        (real_parts, "one-sided constant"),
        (eigvalsh_of_a_triangle, "one-sided constant"),
        (not_halved, "one-sided constant"),
        (without_its_sign, "one-sided constant"),
        (norm_for_both, "one-sided constant"),
        (smallest, "one-sided constant"),
        (lambda J: two_rates(J)[::-1], "Lipschitz constant"),
        (lambda J: two_rates(J)[0], "expected a pair"),
    ],
)
def test_two_rates(wrong, where):
    bound.two_rates(two_rates)
    with pytest.raises(AssertionError, match=where):
        bound.two_rates(wrong)


def steepest(t, m, std, power=2, within=True, mass=1.0):
    S = (1 - t) ** 2 + (t * std) ** 2
    return within * (t * std**2 - (1 - t)) / S + mass * t * (1 - t) * m**2 / S**power


def first_below(limit, factor=2.0, **variant):
    """The narrowest std, on a fine list, at which ``factor`` times the largest slope is below the limit."""
    times = torch.linspace(0, 1, 2001, dtype=torch.float64)
    stds = torch.linspace(0.2, 2.0, 1801).tolist()
    return next(std for std in stds if factor * float(steepest(times, 1.5, std, **variant).max()) < limit)


MILLION = 6 * math.log(10)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: first_below(MILLION, factor=1),  # e^L
        lambda: first_below(6.0),  # 6 for log 10^6
        lambda: first_below(MILLION, within=False),
        lambda: first_below(MILLION, mass=0.5),  # the ring's covariance
        lambda: first_below(MILLION, mass=4.0),  # (2 m)^2
        lambda: first_below(MILLION, power=1),
        lambda: first_below(MILLION) ** 2,  # the variance
        lambda: 0.0,
        lambda: float("nan"),
    ],
)
def test_narrowest(wrong):
    bound.narrowest(first_below(MILLION))
    with pytest.raises(AssertionError, match="a million"):
        bound.narrowest(wrong())
