"""What one brings along, by the one text that says it all."""

import pytest
import torch

from orwlab import rewards, targets
from orwlab.oracle import PopulationDynamics
from orwlab.show.lab import formula, own, painting, points
from orwlab.velocity import MixtureField

PAINTING = painting.write([painting.stroke([[-2, 1], [2, 1]], symmetry="up_down")])
POINTS = points.write(points.sketch([[-2.0, 0], [2, 0], [2, 1]]))
FORMULA = formula.write("exp(-x^2)")


@pytest.mark.parametrize("text", [PAINTING, POINTS])
def test_a_text_is_one_target(text):
    target = own.target(text)
    assert own.is_own(text)
    assert own.target("".join(list(text))) is target
    assert target.name == text  # by which what is derived from it is remembered
    assert own.check_target(text) == text
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert MixtureField(target)(torch.tensor(0.5), x).shape == (5, 2)
    assert target.sample(10, generator=torch.Generator().manual_seed(0)).shape == (10, 2)


@pytest.mark.parametrize("text", [PAINTING, "paint:", FORMULA])
def test_a_text_is_one_reward(text):
    reward = own.reward(text)
    assert own.is_own(text)
    assert own.reward("".join(list(text))) is reward
    assert own.check_reward(text) == text
    assert rewards.evaluate(reward, torch.zeros(3, 2)).shape == (3,)


def test_names_are_names():
    for name in targets.names(2):
        assert own.target(name).name == name
        assert not own.is_own(name)
    for name in rewards.names():
        assert own.reward(name) is rewards.get(name)


@pytest.mark.parametrize("text", ["nobody", "", "Paint:AA", "plot:x", None, 7, ["paint:"], float("nan")])
def test_what_is_neither_is_said(text):
    assert not own.is_own(text)
    with pytest.raises(ValueError, match=r"target is .*; allowed: one of 'gaussian'"):
        own.target(text)
    with pytest.raises(ValueError, match=r"reward is .*; allowed: one of 'right'"):
        own.check_reward(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paint:", "the painting is empty"),
        ("paint:???", "damaged"),
        ("points:???", "damaged"),
        (FORMULA, "a formula is a reward, not a target; allowed: the name of a target, a painting or points"),
    ],
)
def test_no_target(text, message):
    with pytest.raises(ValueError, match=message):
        own.check_target(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paint:???", "damaged"),
        ("formula:", "nothing is written"),
        ("formula:1/x", "at x = 0, y = -6 it is infinite"),
        (POINTS, "points are a target, not a reward; allowed: the name of a reward, a painting or a formula"),
    ],
)
def test_no_reward(text, message):
    with pytest.raises(ValueError, match=message):
        own.check_reward(text)


def test_made_under_inference_mode_it_serves_elsewhere():
    text = painting.write([painting.stroke([[1.1, -2.2]], size=0.7)])
    with torch.inference_mode():
        target, reward = own.target(text), own.reward(text)
        reward(torch.zeros(1, 2))
    x = torch.tensor([[1.0, -2.0]], requires_grad=True)
    (target.log_prob(x) + reward(x)).sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.filterwarnings("ignore:.*too coarse")
def test_all_of_it_together():
    for reward in (FORMULA, PAINTING):
        dynamics = PopulationDynamics(own.target(POINTS), own.reward(reward), axis=64)
        before = dynamics.mean_reward
        dynamics.iterate(3)
        assert dynamics.mean_reward > before
