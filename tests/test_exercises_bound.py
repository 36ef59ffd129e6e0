"""Exercises of notebook 04: the right answer passes, each plausible wrong one fails where it should."""

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


def steepest(t, m, std, power=2, within=True, mass=1.0):
    S = (1 - t) ** 2 + (t * std) ** 2
    return within * (t * std**2 - (1 - t)) / S + mass * t * (1 - t) * m**2 / S**power


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t, m, s: steepest(t, m, s, power=1),
        lambda t, m, s: steepest(t, m, s, within=False),
        lambda t, m, s: steepest(t, m, s, mass=0.5),
        lambda t, m, s: steepest(t, m, s**2),
        lambda t, m, s: steepest(t, 2 * m, s),
    ],
)
def test_steepness(wrong):
    bound.steepness(steepest)
    with pytest.raises(AssertionError, match="modes at"):
        bound.steepness(wrong)


def test_narrowest():
    times = torch.linspace(0, 1, 2001, dtype=torch.float64)

    def first_below(limit, factor):
        stds = torch.linspace(0.3, 1.5, 1201).tolist()
        return next(std for std in stds if factor * float(steepest(times, 1.5, std).max()) < limit)

    log_million = 6 * torch.log(torch.tensor(10.0)).item()
    bound.narrowest(first_below(log_million, 2))
    for wrong in (first_below(log_million, 1), first_below(6, 2), 0.0, float("nan")):  # e^L; 6 for log 10^6
        with pytest.raises(AssertionError, match="a million"):
            bound.narrowest(wrong)
