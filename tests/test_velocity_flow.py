import math

import pytest
import torch

from orwlab import flow, paths, targets, velocity


@pytest.mark.parametrize("path", paths.names())
@pytest.mark.parametrize("name", ["eight_gaussians", "pinwheel", "three_modes_1d"])
def test_mixture_field_is_the_conditional_expectation(name, path):
    """Against E[u_t | x_t = x] by quadrature over x1: weights q(x1) N(x; data(t) x1, noise(t)^2)."""
    target = targets.get(name)
    field = velocity.MixtureField(target, path)
    way = paths.get(path)
    axis = torch.linspace(-6, 6, 481, dtype=torch.float64)
    x1 = axis[:, None] if target.dim == 1 else torch.cartesian_prod(axis, axis)
    q = target.log_prob(x1).exp()
    t = torch.tensor(0.55, dtype=torch.float64)
    x = target.sample(6, generator=torch.Generator().manual_seed(0)).double() * way.data(t)
    for point in x:
        x0 = (point - way.data(t) * x1) / way.noise(t)  # the noise that leads from x1 to this point
        mass = q * (-0.5 * x0.square().sum(-1)).exp()
        u = way.d_noise(t) * x0 + way.d_data(t) * x1
        expected = (mass[:, None] * u).sum(0) / mass.sum()
        assert torch.allclose(field(t, point[None])[0], expected, atol=2e-5)


@pytest.mark.parametrize("path", paths.names())
def test_mixture_field_solves_the_continuity_equation(path):
    """d rho_t / dt + div(rho_t v) = 0 by finite differences, with rho_t the exact mixture at time t."""
    target = targets.get("four_modes")
    field, way = velocity.MixtureField(target, path), paths.get(path)

    def rho(t, x):
        t = torch.as_tensor(t, dtype=torch.float64)
        covs = way.noise(t) ** 2 * torch.eye(2, dtype=torch.float64) + way.data(t) ** 2 * target.covs
        return targets.GaussianMixture(target.weights, way.data(t) * target.means, covs).log_prob(x).exp()

    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t, h = 0.6, 1e-5
    d_rho = (rho(t + h, x) - rho(t - h, x)) / (2 * h)
    div = torch.zeros(30, dtype=torch.float64)
    for i in range(2):
        e = torch.zeros(2, dtype=torch.float64)
        e[i] = h
        flux = [rho(t, x + s * e) * field(t, x + s * e)[:, i] for s in (1, -1)]
        div += (flux[0] - flux[1]) / (2 * h)
    assert torch.allclose(d_rho, -div, atol=1e-6)


def test_time_may_be_scalar_or_one_a_sample(generator):
    x = torch.randn(5, 2, generator=generator)
    for v in (velocity.MLP(2), velocity.MixtureField(targets.get("rings"))):
        assert torch.allclose(v(torch.tensor(0.4), x), v(torch.full((5,), 0.4), x), atol=1e-6)
        t = torch.linspace(0, 1, 5)
        each = torch.cat([v(t[i], x[i : i + 1]) for i in range(5)])
        assert torch.allclose(v(t, x), each, atol=1e-5)


def test_networks_are_rebuilt_from_their_config():
    for network in (velocity.MLP(2, 16, 2), velocity.ResidualMLP((1, 4, 4), 16, 2)):
        again = velocity.build(network.config)
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values()))
        x = torch.zeros(3, *network.event_shape)
        assert network(torch.tensor(0.5), x).shape == x.shape
    assert not torch.equal(velocity.MLP(2, seed=0).net[0].weight, velocity.MLP(2, seed=1).net[0].weight)


def test_exact_flow_of_a_gaussian(generator):
    """For N(0, s^2) data and a linear path, x_1 = s x_0 exactly."""
    field = velocity.MixtureField(targets.GaussianMixture(torch.ones(1), torch.zeros(1, 2), 0.4**2))
    x0 = torch.randn(50, 2, generator=generator, dtype=torch.float64)
    assert torch.allclose(flow.sample(field, x0, method="dopri5", rtol=1e-9, atol=1e-9), 0.4 * x0, atol=1e-7)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_solver_order(method, order, generator):
    """Halving the step divides the error by 2^order: dx/dt = cos(t) x has x_1 = x_0 e^{sin 1}."""
    x0 = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    exact = x0 * math.exp(math.sin(1))

    def error(steps):
        return (flow.sample(lambda t, x: t.cos() * x, x0, method=method, steps=steps) - exact).abs().max()

    assert float(torch.log2(error(32) / error(64))) == pytest.approx(order, abs=0.1)


def test_trajectory_passes_the_asked_times_and_runs_backwards(generator):
    x0 = torch.randn(10, 2, generator=generator, dtype=torch.float64)
    v = lambda t, x: 2 * t * x  # noqa: E731  (x_t = x_0 exp(t^2))
    times = (0.0, 0.1, 0.55, 1.0)
    for arguments in (dict(method="rk4", steps=40), dict(method="dopri5", rtol=1e-8, atol=1e-8)):
        xs = flow.trajectory(v, x0, times, **arguments)
        assert xs.shape == (4, 10, 2)
        for t, x in zip(times, xs):
            assert torch.allclose(x, x0 * math.exp(t**2), atol=1e-6)
        assert torch.allclose(flow.trajectory(v, xs[-1], times[::-1], **arguments)[-1], x0, atol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "two_moons", "three_modes_1d"])
def test_log_likelihood_of_the_exact_field_is_the_density(name):
    target = targets.get(name)
    x1 = target.sample(15, generator=torch.Generator().manual_seed(2)).double()
    found = flow.log_prob(velocity.MixtureField(target), x1)
    assert torch.allclose(found, target.log_prob(x1), atol=2e-4)


def test_hutchinson_is_unbiased():
    """The mean over many probes meets the exact divergence's answer within its own standard error."""
    target = targets.get("four_modes")
    x1 = target.sample(1, generator=torch.Generator().manual_seed(1)).double().expand(400, 2)
    found = flow.log_prob(
        velocity.MixtureField(target),
        x1,
        divergence="hutchinson",
        generator=torch.Generator().manual_seed(0),
        method="rk4",
        steps=20,
    )
    exact = flow.log_prob(velocity.MixtureField(target), x1[:1], method="rk4", steps=20)
    assert found.std() > 1e-3
    assert abs(found.mean() - exact[0]) < 4 * found.std() / 20


def test_hutchinson_is_exact_for_an_isotropic_field(generator):
    x1 = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    v = lambda t, x: 0.5 * x  # noqa: E731
    a = flow.log_prob(v, x1)
    b = flow.log_prob(v, x1, divergence="hutchinson", generator=generator)
    assert torch.allclose(a, b)
    s = math.exp(0.5)
    closed = -0.5 * (x1 / s).square().sum(1) - 1.5 * math.log(2 * math.pi) - 3 * 0.5
    assert torch.allclose(a, closed, atol=1e-5)


def test_bad_input_is_named(generator):
    v, x0 = velocity.MLP(2), torch.zeros(3, 2)
    cases = [
        (lambda: flow.sample(v, x0, method="heun"), "method is 'heun'"),
        (lambda: flow.sample(v, x0, steps=0), "steps is 0"),
        (lambda: flow.sample(v, torch.zeros(3)), "x0 is a tensor"),
        (lambda: flow.sample(v, torch.zeros(3, 5)), "x is a tensor of shape"),
        (lambda: flow.sample(v, torch.full((3, 2), torch.inf)), "x0 holds NaN or infinite"),
        (lambda: flow.sample(v, x0, method="dopri5", rtol=0.0), "rtol is 0"),
        (lambda: flow.trajectory(v, x0, (0.0, 0.5, 0.5)), "times is"),
        (lambda: flow.trajectory(v, x0, (0.0, 1.5)), "times is"),
        (lambda: flow.log_prob(v, x0, divergence="hutchinson"), "generator is None"),
        (lambda: flow.noise(0, (2,), generator=generator), "n is 0"),
        (lambda: velocity.MLP(0), "dim is 0"),
        (lambda: velocity.MLP(2, seed=-1), "seed is -1"),
        (lambda: velocity.build({"kind": "cnn"}), "config\\['kind'\\] is 'cnn'"),
        (lambda: velocity.build({"kind": "mlp", "size": 3}), "config is"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
