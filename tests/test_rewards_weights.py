import math

import numpy as np
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


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: rewards.Direction(width=0.0), "width is 0"),
        (lambda: rewards.Direction(degrees=math.nan), "degrees is nan"),
        (lambda: rewards.Direction(width="wide"), "width is 'wide'"),
        (lambda: rewards.Plane(slope=math.inf), "slope is inf"),
        (lambda: rewards.Bump(width=-1.0), "width is -1"),
        (lambda: rewards.Bump(height=math.nan), "height is nan"),
        (lambda: rewards.Bump(centre=()), r"centre is \(\)"),
        (lambda: rewards.Bump(centre=(0.0, math.nan)), "centre is nan"),
        (lambda: rewards.Bump(centre=1.0), "centre is 1.0"),
        (lambda: rewards.Ring(radius=-1.0), "radius is -1"),
        (lambda: rewards.Ring(width=0.0), "width is 0"),
        (lambda: rewards.Angle(degrees=None), "degrees is None"),
        (lambda: rewards.Box((0.0, 0.0), (1.0, -1.0)), "high is"),
        (lambda: rewards.Box((0.0, 0.0), (1.0,)), "high is"),
        (lambda: rewards.Sum(()), "rewards is"),
        (lambda: rewards.Sum((rewards.Bump(), "ring")), "rewards is"),
        (lambda: rewards.Sum(rewards.Bump()), "rewards is"),
        (lambda: rewards.Sum((rewards.Bump(),), (1.0, 2.0)), "coefficients is"),
        (lambda: rewards.Sum((rewards.Bump(),), (math.inf,)), "coefficients is"),
        (lambda: rewards.Bump((1.0,))(torch.zeros(3, 2)), r"centre is \(1.0,\); allowed: at least 2 numbers"),
        (lambda: rewards.Box((0.0,), (1.0,))(torch.zeros(3, 2)), r"low is \(0.0,\); allowed: at least 2 numbers"),
        (lambda: rewards.Angle()(torch.zeros(3, 1)), r"x is a tensor of shape \(3, 1\)"),
        (lambda: rewards.Sum((lambda x: x, rewards.Bump()))(torch.zeros(3, 2)), r"rewards\[0\]\(x\) is a tensor"),
        (lambda: rewards.Direction()(torch.zeros(3)), "x is a tensor"),
    ],
)
def test_rewards_name_what_does_not_fit(make, named):
    with pytest.raises(ValueError, match=named) as raised:
        make()
    assert "allowed" in str(raised.value)


def test_rewards_take_numbers_and_points_of_all_kinds():
    made = rewards.Bump(np.array([1.0, 2.0]), np.float64(0.5), torch.tensor(2))
    assert made == rewards.Bump((1.0, 2.0), 0.5, 2.0)
    assert rewards.Sum([made, made], [np.float32(1.0), 2]).coefficients == (1.0, 2.0)
    x = torch.tensor([[0.5, -1.0], [2.0, 0.25], [-1.5, 3.0]])
    for name in rewards.names():
        r = rewards.get(name)
        for same in (x.double(), x.bfloat16(), x.numpy(), x.tolist(), x.T.contiguous().T):
            assert torch.allclose(r(same).float(), r(x), atol=1e-6), name


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e25, 1e150])
def test_an_angle_is_told_at_any_distance(size):
    direction = torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
    r = rewards.Angle(degrees=math.degrees(math.atan2(0.8, 0.6)))
    expected = [1.0, 0.0] if size > 1e-6 else [size * 1e6, 0.0]  # zero at the origin
    assert r(size * direction).tolist() == pytest.approx(expected, abs=1e-12)
    if size <= 1e25:
        assert r((size * direction).float()).tolist() == pytest.approx(expected, abs=1e-6)
    assert rewards.Ring(radius=size, width=size / 2)(size * direction).tolist() == pytest.approx([1.0, 1.0])


def test_a_part_of_a_sum_that_writes_into_its_points_does_not_change_the_others():
    def writes(x):
        x.zero_()
        return x[:, 0]

    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    kept = x.clone()
    assert torch.equal(rewards.Sum((writes, rewards.get("right")))(x), rewards.get("right")(x))
    assert torch.equal(x, kept)


def test_the_gradient_of_a_reward_passes():
    for name in ("right", "plane", "bump", "ring", "angle", "two_bumps"):
        x = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(rewards.get(name), x)


def test_weights_of_bfloat16_and_of_lists_are_those_of_float32(generator):
    r = torch.randn(500, generator=generator).bfloat16()
    for kind in weights.KINDS:
        plain = weights.log_weights(r.float(), 1.5, kind)
        assert torch.equal(weights.log_weights(r, 1.5, kind), plain)
        assert torch.allclose(weights.log_weights(r.tolist(), np.float64(1.5), kind).float(), plain, atol=1e-6)
    assert weights.effective_sample_size(r) == pytest.approx(weights.effective_sample_size(r.double()), rel=1e-6)


def test_rows_are_weighed_each_by_itself():
    r = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)) * 40
    taus = torch.tensor([0.0, 0.5, 1.0, 2.0, 8.0])
    for kind in weights.KINDS:
        together = weights.log_weights_of_rows(r, taus, kind)
        each = [weights.log_weights(row, float(tau), kind) for row, tau in zip(r, taus)]
        assert torch.allclose(together, torch.stack(each), rtol=1e-6)
        assert torch.allclose(weights.log_weights_of_rows(r, 2.0, kind)[3], each[3], rtol=1e-6)
        sizes = [weights.effective_sample_size(row) for row in each]
        assert weights.units(together).tolist() == [weights.unit(row) for row in together]
        assert weights.effective_sample_sizes(together).tolist() == pytest.approx(sizes, rel=1e-4)
    nothing = torch.full((1, 3), -torch.inf)
    assert (weights.units(nothing), weights.effective_sample_sizes(nothing)) == (0, 0)
    for tau in (torch.ones(4), torch.ones(7), [-1.0] * 5, "one"):
        with pytest.raises(ValueError, match=r"tau is .*or one for each of 5 rows"):
            weights.log_weights_of_rows(r, tau)
    with pytest.raises(ValueError, match=r"r is .*allowed: .*shape \(m, n\)"):
        weights.log_weights_of_rows(r[0], 1.0)


def test_bad_weights_are_named():
    for call, message in [
        (lambda: weights.log_weights([], 1.0), "r is"),
        (lambda: weights.log_weights([[1.0], [2.0]], 1.0), "r is"),
        (lambda: weights.log_weights([1.0, math.nan], 1.0), "r holds NaN"),
        (lambda: weights.log_weights([1.0, 2.0], 1.0, clip=0.0), "clip is 0"),
        (
            lambda: weights.log_weights(torch.ones(2), 1e300),
            r"tau is 1e\+300; allowed: a number for which tau r is finite",
        ),
        (lambda: weights.effective_sample_size([math.inf, 0.0]), "log_w holds NaN or infinite"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
