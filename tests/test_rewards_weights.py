import math

import pytest
import torch

from orwlab import rewards, weights


@pytest.mark.parametrize("name", rewards.names())
def test_gallery_rewards_are_finite_and_shaped(name, generator):
    x = 3 * torch.randn(100, 2, generator=generator)
    r = rewards.evaluate(rewards.get(name), x)
    assert r.shape == (100,)
    assert torch.isfinite(r).all()
    assert r.std() > 0.01


def test_closed_forms():
    x = torch.tensor([[0.0, 0.0], [2.5, 0.0], [0.0, 1.8], [2.1, 2.1], [100.0, 0.0]])
    assert rewards.get("right")(x)[1] == pytest.approx(math.tanh(1))
    assert rewards.get("right")(x)[4] == pytest.approx(1)
    assert rewards.get("plane")(x)[4] == pytest.approx(100 / 3)
    assert rewards.get("ring")(x)[2] == pytest.approx(1)
    assert rewards.get("bump")(x)[3] == pytest.approx(1)
    assert rewards.get("angle")(x)[:3].tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert rewards.get("box")(x).tolist() == [1, 1, 1, 1, 0]
    assert rewards.get("two_bumps")(torch.tensor([[-2.1, 2.1], [2.1, -2.1]])).tolist() == pytest.approx(
        [0.7, 1.0], abs=1e-3
    )


def test_sum_is_linear(generator):
    x = torch.randn(20, 2, generator=generator)
    both = rewards.Sum((rewards.get("bump"), rewards.get("ring")), (2.0, -0.5))
    assert torch.allclose(both(x), 2 * rewards.get("bump")(x) - 0.5 * rewards.get("ring")(x))


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (lambda x: x, "reward\\(x\\) is a tensor of shape \\(4, 2\\)"),
        (lambda x: 1.0, "reward\\(x\\) is a tensor of shape \\(\\)"),
        (lambda x: x[:, 0] / 0, "NaN or infinite at 4 of 4"),
        (lambda x: 1 / 0, "reward raised ZeroDivisionError"),
        ("right", "reward is 'right'; allowed: a callable"),
    ],
)
def test_bad_rewards_are_named(reward, message):
    with pytest.raises(ValueError, match=message):
        rewards.evaluate(reward, torch.ones(4, 2))


def test_weights_follow_their_definitions(generator):
    r = torch.randn(50, generator=generator, dtype=torch.float64)
    raw = weights.log_weights(r, 1.5).exp()
    assert torch.allclose(raw, (1.5 * r).exp())
    assert torch.allclose(weights.log_weights(r, 1.5, "mean_one").exp(), raw / raw.mean())
    assert torch.allclose(weights.log_weights(r, 1.5, "clipped", clip=2.0).exp(), raw.clamp_max(2.0))


def test_mean_one_ignores_a_constant(generator):
    r = torch.randn(50, generator=generator, dtype=torch.float64)
    assert torch.allclose(weights.log_weights(r, 2.0, "mean_one"), weights.log_weights(r + 1e3, 2.0, "mean_one"))


def test_the_unit_is_the_nearest_power_of_two():
    for top in (-1000.0, -15.0, 0.0, 0.3, 40.0, 1000.0):
        log_w = torch.tensor([top - 500.0, top - 1.0, top], dtype=torch.float64)
        unit = weights.unit(log_w)
        assert abs(float(log_w.max()) - unit) <= math.log(2) / 2 + 1e-9
        assert unit / math.log(2) == pytest.approx(round(unit / math.log(2)), abs=1e-9)
    assert weights.unit(torch.zeros(3)) == 0.0
    mean_one = weights.log_weights(torch.tensor([0.0, 500.0, 1000.0]).double(), 1.0, "mean_one").exp()
    assert float(mean_one.mean()) == pytest.approx(1)


def test_effective_sample_size():
    assert weights.effective_sample_size(torch.zeros(40)) == pytest.approx(40)
    assert weights.effective_sample_size(torch.tensor([0.0, 1e4, 0.0])) == pytest.approx(1)
    assert weights.effective_sample_size(torch.tensor([2.0, 2.0, -1e4])) == pytest.approx(2)


@pytest.mark.parametrize("tau", [-1.0, math.nan, math.inf, "1", True])
def test_bad_tau_is_named(tau):
    with pytest.raises(ValueError, match="tau is"):
        weights.log_weights(torch.zeros(3), tau)


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="weighting is 'softmax'; allowed: one of 'exp'"):
        weights.log_weights(torch.zeros(3), 1.0, "softmax")
    with pytest.raises(ValueError, match="reward is 'left'"):
        rewards.get("left")
