import math

import numpy as np
import pytest
import torch

from orwlab import targets


@pytest.mark.parametrize("name", targets.names())
def test_density_integrates_to_one(name):
    target = targets.get(name)
    axis = torch.linspace(-6.5, 6.5, 261, dtype=torch.float64)
    grid = axis[:, None] if target.dim == 1 else torch.cartesian_prod(axis, axis)
    mass = target.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** target.dim
    assert float(mass) == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("name", targets.names())
def test_samples_have_the_density_s_moments_and_modes(name, generator):
    target = targets.get(name)
    n = 20_000
    x = target.sample(n, generator=generator).double()
    assert x.shape == (n, target.dim)
    spread = target.cov().diagonal().sqrt()
    assert ((x.mean(0) - target.mean()).abs() < 4.5 * spread / math.sqrt(n)).all()
    assert torch.allclose(torch.cov(x.T).reshape(target.dim, target.dim), target.cov(), atol=0.05)
    mass = torch.bincount(target.mode_of(x), minlength=target.n_modes) / n
    truth = torch.zeros(target.n_modes, dtype=torch.float64).index_add_(0, target.modes, target.weights)
    assert (mass - truth).abs().max() < 0.02


@pytest.mark.parametrize("name", targets.names())
def test_samples_follow_log_prob(name, generator):
    """E_q[log q] from samples equals the integral of q log q on a grid."""
    target = targets.get(name)
    axis = torch.linspace(-6.5, 6.5, 261, dtype=torch.float64)
    grid = axis[:, None] if target.dim == 1 else torch.cartesian_prod(axis, axis)
    log_q = target.log_prob(grid)
    integral = (log_q.exp() * log_q).sum() * (axis[1] - axis[0]) ** target.dim
    values = target.log_prob(target.sample(10_000, generator=generator).double())
    assert abs(values.mean() - integral) < 5 * values.std() / 100


def test_checkerboard_is_flat_inside_a_square():
    target = targets.get("checkerboard")
    side = 1.5
    centre = target.means[:64].mean(0)
    s = torch.linspace(-0.25 * side, 0.25 * side, 41, dtype=torch.float64)
    inside = target.log_prob(centre + torch.cartesian_prod(s, s))
    assert inside.max() - inside.min() < 0.02


@pytest.mark.parametrize("name", ["eight_gaussians", "pinwheel", "three_modes_1d"])
def test_tilt_is_the_reweighted_density(name):
    """tilted(a, B) is q exp(a.x + x.B x / 2) up to a constant."""
    target = targets.get(name)
    d = target.dim
    a = torch.tensor([0.7, -0.4][:d], dtype=torch.float64)
    B = -torch.tensor([[0.5, 0.2], [0.2, 0.3]], dtype=torch.float64)[:d, :d]
    x = target.sample(200, generator=torch.Generator().manual_seed(1)).double()
    log_tilt = x @ a + 0.5 * ((x @ B) * x).sum(-1)
    constant = target.tilted(a, B).log_prob(x) - target.log_prob(x) - log_tilt
    assert constant.std() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([1.0, -1.0], torch.zeros(2, 2), 1.0), "weights"),
        (([1.0], torch.zeros(2, 2), 1.0), "weights"),
        (([1.0], torch.zeros(2), 1.0), "means"),
        (([1.0], torch.zeros(1, 2), torch.tensor([[[1.0, 2.0], [2.0, 1.0]]])), "covs"),
        (([1.0], torch.zeros(1, 2), torch.tensor([[[1.0, 0.5], [0.0, 1.0]]])), "covs"),
        (([1.0], torch.zeros(1, 2), 1e-12 * torch.tensor([[[1.0, 0.5], [0.0, 1.0]]])), "covs"),
        (([1.0, 1.0], torch.zeros(2, 2), torch.ones(2, 1)), "covs"),
        (([1.0], torch.zeros(1, 2), -1.0), "covs"),
        (([1.0], torch.zeros(1, 2), 1.0, [-1]), "modes"),
        (([1.0], torch.zeros(1, 2), 1.0, [1]), "modes"),
        (([1.0], torch.zeros(1, 2), 1.0, [0.5]), "modes"),
        (([1.0], torch.zeros(1, 2), 1.0, [[0]]), "modes"),
        (([1.0], torch.zeros(1, 2), 1.0, "left"), "modes"),
        (([1.0], torch.zeros(1, 2), 1.0, 0), "modes"),
    ],
)
def test_bad_mixtures_are_named(arguments, named):
    with pytest.raises(ValueError, match=f"^{named} is"):
        targets.GaussianMixture(torch.as_tensor(arguments[0]), *arguments[1:])


def test_values_that_are_not_finite_are_named():
    for arguments, named in [
        (([math.nan], [[0.0]], 1.0), "weights"),
        (([1.0], [[math.nan]], 1.0), "means"),
        (([1.0], [[0.0]], math.inf), "covs"),
    ]:
        with pytest.raises(ValueError, match=f"^{named} holds NaN"):
            targets.GaussianMixture(*arguments)


def test_mixtures_are_made_of_lists_and_arrays_and_keep_copies():
    means = np.array([[-1.0, 0.0], [2.0, 1.0]])
    made = targets.GaussianMixture([1, 3], means, [0.25, 1], modes=[1, 0])
    same = targets.GaussianMixture(torch.tensor([0.25, 0.75]), torch.tensor(means), torch.tensor([0.25, 1.0]).double())
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    before = made.log_prob(x)
    means[:] = 100
    assert torch.equal(made.log_prob(x), before)
    assert torch.allclose(same.log_prob(x), before)
    assert torch.equal(made.mode_of(x), 1 - same.mode_of(x))
    learnable = targets.GaussianMixture(torch.ones(1, requires_grad=True), torch.zeros(1, 2, requires_grad=True), 1.0)
    assert not learnable.sample(3, generator=torch.Generator().manual_seed(0)).requires_grad


def test_points_of_all_kinds_have_their_density():
    target = targets.get("four_modes")
    x = torch.tensor([[0.5, -1.0], [2.0, 0.25], [-1.5, 3.0]])
    for same in (x.double(), x.bfloat16(), x.numpy(), x.tolist(), x.T.contiguous().T):
        assert torch.allclose(target.log_prob(same).float(), target.log_prob(x))
        assert torch.equal(target.mode_of(same), target.mode_of(x))
    assert target.log_prob(x.bfloat16()).dtype == torch.float32


def test_bad_input_is_named(generator):
    target = targets.get("two_moons")
    with pytest.raises(ValueError, match="target is 'moons'; allowed: one of 'gaussian'"):
        targets.get("moons")
    with pytest.raises(ValueError, match="n is 0; allowed: a whole number >= 1"):
        target.sample(0, generator=generator)
    with pytest.raises(ValueError, match=r"x is a tensor of shape \(3, 1\)"):
        target.log_prob(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="x holds NaN"):
        target.log_prob(torch.full((3, 2), torch.nan))
    for call, message in [
        (lambda: target.tilted(torch.zeros(2), 1000 * torch.eye(2)), "B is"),
        (lambda: target.tilted(torch.zeros(2), [[0.0, 1.0], [0.0, 0.0]]), "B is .*; allowed: a symmetric matrix"),
        (lambda: target.tilted(torch.zeros(3)), "a is"),
        (lambda: target.tilted(torch.zeros(2, 1)), "a is"),
        (lambda: target.tilted([0.0, 1e300]), "a is"),
        (lambda: target.tilted([0.0, math.nan]), "a holds NaN"),
        (lambda: target.sample(3, generator=None), "generator is None; allowed: a torch.Generator"),
        (lambda: target.sample(2.0, generator=generator), "n is 2.0"),
        (lambda: target.mode_of([[1e300, 0.0]]), "x is"),
        (lambda: targets.names("2"), "dim is '2'"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_same_seed_same_samples_another_seed_others():
    target = targets.get("rings")
    draw = lambda seed: target.sample(50, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))
