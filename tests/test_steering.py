"""alpha steered to a budget: the rule is dual ascent, and it ends where the budget is spent."""

import math

import pytest
import torch

from orwlab import rewards, targets, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.methods.orw import FineTuning
from orwlab.methods.steering import HIGH, LOW, Steering


def test_a_step_is_the_one_that_is_written_down():
    steering = Steering(0.5, 2.0, rate=0.1)
    assert steering.update(0.7) == pytest.approx(2 * math.exp(0.2 * 0.2 / 1.2))
    assert steering.update(0.5) == steering.alpha  # what is allowed is spent: it rests
    assert steering.update(0.0) == pytest.approx(2 * math.exp(0.2 * (0.2 / 1.2 - 1)))  # the longest step there is


def test_near_the_budget_it_is_a_step_in_the_logarithm():
    for share in (0.97, 1.02):
        steering = Steering(3.0, 1.0, rate=0.05)
        assert math.log(steering.update(3 * share)) == pytest.approx(0.05 * math.log(share), rel=1e-3)


def test_the_lagrangians_minimiser_spends_what_the_dual_function_rises_by():
    """The envelope theorem, on a draw of five samples at one (t, x): g'(alpha) = P(v_alpha) - budget."""
    w, u = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0]).double(), torch.tensor([-1.0, 0.3, 2.0, -0.4, 1.1]).double()
    reference, budget = 0.25, 0.3

    def least(alpha):
        v = ((w * u).mean() + alpha * reference) / (w.mean() + alpha)
        spent = (v - reference) ** 2
        return float((w * (v - u) ** 2).mean() + alpha * (spent - budget)), float(spent)

    spent = []
    for alpha in (0.1, 1.0, 4.0):
        slope = (least(alpha + 1e-5)[0] - least(alpha - 1e-5)[0]) / 2e-5
        assert slope == pytest.approx(least(alpha)[1] - budget, abs=1e-8)
        spent.append(least(alpha)[1])
    assert spent[0] > spent[1] > spent[2]  # so one alpha at most spends the budget
    steering = Steering(0.05, 1.0, rate=0.5)
    for _ in range(200):
        steering.update(least(steering.alpha)[1])
    assert least(steering.alpha)[1] == pytest.approx(0.05, rel=1e-6)


def test_it_stays_within_its_ends():
    steering = Steering(1.0, 0.0)
    assert steering.alpha == LOW
    for _ in range(1000):
        steering.update(1e9)
    assert steering.alpha == HIGH
    for _ in range(1000):
        steering.update(0.0)
    assert steering.alpha == LOW
    assert Steering(1e-300, 1.0, rate=1e9).update(1e300) == HIGH


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0.0}, "budget is 0.0"),
        ({"budget": math.nan}, "budget is nan"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"rate": 0.0}, "rate is 0.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Steering(**{"budget": 0.5, **arguments})
    with pytest.raises(ValueError, match=r"spent is -0\.1"):
        Steering(0.5).update(-0.1)


@pytest.mark.parametrize("budget", [0.1, 0.5, 2.0])
def test_a_network_spends_its_budget(budget):
    """Measured to be within 4 %; its own penalty, round by round, is off by a tenth."""
    run = FineTuning(zoo.load("eight_gaussians"), rewards.get("right"))
    steering, spent = Steering(budget), []
    for snapshot in run.rounds(250):
        run.alpha = steering.update(snapshot.penalty)
        spent.append(snapshot.penalty)
    assert sum(spent[-100:]) / 100 == pytest.approx(budget, rel=0.1)


@pytest.mark.parametrize("budget", [0.1, 0.5, 1.5])
def test_the_exact_density_spends_its_budget_of_kl(budget):
    state = PopulationDynamics(targets.get("eight_gaussians"), rewards.get("right"), axis=64)
    steering = Steering(budget, rate=0.1)
    for _ in range(150):
        state.advance()
        state.alpha = steering.update(state.kl)
    assert state.kl == pytest.approx(budget, rel=0.02)
    assert not state.problems
