"""The measures that report and notebooks share, against closed forms."""

import math

import pytest
import torch

from orwlab import finetune, rewards, targets, velocity, zoo
from orwlab.measure.coupled_flows import jacobian
from orwlab.oracle import PopulationDynamics
from orwlab.teach.science import bounds, method


def test_discrepancy_of_fields_that_differ_linearly():
    """For v - v_ref = a + b x, x_t ~ N(t x1, (1 - t)^2): D = int (a + b t x1)^2 + b^2 (1 - t)^2 dt."""
    a, b = 0.7, -1.3
    x1 = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    D = method.discrepancy(lambda t, x: x + a + b * x, lambda t, x: x, x1, times=200)
    exact = a**2 + a * b * x1 + b**2 * (x1**2 + 1) / 3
    assert torch.allclose(D, exact, rtol=1e-4)


def test_best_beta_finds_a_line_and_says_when_there_is_none():
    dynamics = PopulationDynamics(targets.get("two_modes_1d"), rewards.get("right"), tau=2.0)
    beta, fit = method.best_beta(dynamics, 3.0 + 0.25 * dynamics.reward_values)
    assert beta == pytest.approx(8.0)
    assert fit == pytest.approx(1.0)
    beta, fit = method.best_beta(dynamics, dynamics.reward_values.square())  # even, where the reward is odd
    assert beta == pytest.approx(0.0, abs=1e-3)
    assert fit == pytest.approx(0.0, abs=1e-3)


def test_penalty_and_distance_of_a_shift():
    """v = v_ref + c moves every sample by c: both are |c|^2."""
    c = torch.tensor([0.6, -0.8])
    x0 = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    penalty, distance = bounds.penalty_and_distance(lambda t, x: c.expand_as(x), lambda t, x: 0 * x, x0)
    assert penalty == pytest.approx(1.0, rel=1e-5)
    assert distance == pytest.approx(1.0, rel=1e-4)


def test_steepness_at_the_centre_is_the_fields():
    field, centre = velocity.MixtureField(targets.get("four_modes")), torch.zeros(1, 2, dtype=torch.float64)
    times = torch.linspace(0, 1, 11, dtype=torch.float64)
    formula = bounds.steepness_at_the_centre(times, 2.5, 0.35)
    exact = [float(torch.linalg.eigvalsh(jacobian(field, t, centre)[1][0])[-1]) for t in times]
    assert formula.tolist() == pytest.approx(exact, abs=1e-6)


def test_one_sided_along_is_exact_for_a_linear_field():
    """mu = 2 everywhere and |dv| = 3: (3 (e^2 - 1) / 2)^2."""
    times = torch.linspace(0, 1, 201, dtype=torch.float64)
    x, dv = torch.zeros(201, 4, 1, dtype=torch.float64), torch.full((201, 4), 3.0, dtype=torch.float64)
    found = bounds.one_sided_along(lambda t, x: 2 * x, times, x, dv)
    assert found == pytest.approx((1.5 * (math.e**2 - 1)) ** 2, rel=1e-3)


def test_wandering_goes_on_from_where_the_run_is_and_stops_where_it_says():
    run = finetune.FineTuning(zoo.load("gaussian"), rewards.get("right"), alpha=1.0)
    x0 = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    single, averaged = method.wandering(run, x0, 4, 8, every=2)
    assert run.round == 8
    assert len(single) == len(averaged) == 2
    again, _ = method.wandering(run, x0, 8, 12, every=2)
    assert run.round == 12
    assert len(again) == 2
    assert again != single
