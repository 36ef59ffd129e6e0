import math
import threading

import numpy as np
import pytest
import torch
from torch import nn

from orwlab import flow, paths, targets, velocity, zoo
from orwlab.metrics import energy_distance


def seeded(seed):
    return torch.Generator().manual_seed(seed)


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
    for network in (velocity.MLP(2, 16, 2), velocity.ResidualMLP((1, 4, 4), 16, 2), velocity.UNet((3, 8, 4), 8, 1)):
        again = velocity.build(network.config)
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values()))
        x = torch.zeros(3, *network.event_shape)
        assert network(torch.tensor(0.5), x).shape == x.shape
    assert not torch.equal(velocity.MLP(2, seed=0).net[0].weight, velocity.MLP(2, seed=1).net[0].weight)


def test_the_u_net_sees_the_whole_image_and_the_time(generator):
    network = velocity.UNet((1, 32, 32), 8, 1)
    x = torch.randn(1, 1, 32, 32, generator=generator).requires_grad_()
    out = network(torch.tensor(0.5), x)
    (gradient,) = torch.autograd.grad(out[0, 0, 0, 0], x)
    assert (gradient != 0).all(), "one corner knows of every pixel"
    assert (network(torch.tensor(0.9), x) - out).abs().max() > 1e-4
    assert network(torch.tensor(0.5), x[:0]).shape == (0, 1, 32, 32)
    for shape, width, message in (
        ((1, 6, 8), 8, "event_shape is"),
        ((8,), 8, "event_shape is"),
        ((1, 8, 8), 12, "width is 12"),
    ):
        with pytest.raises(ValueError, match=message):
            velocity.UNet(shape, width)


def test_the_u_net_learns_one_picture():
    """Data at one place: the exact field is (x1 - x_t) / (1 - t)."""
    x1 = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8)
    network = flow.fit(
        x1 + 0.01 * torch.randn(64, 1, 8, 8, generator=seeded(0)),
        network=velocity.UNet((1, 8, 8), 16, 1),
        steps=300,
        batch_size=32,
        progress=False,
    )
    x = flow.sample(network, flow.noise(16, (1, 8, 8), generator=seeded(1)))
    assert (x - x1).square().mean() < 0.1


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


@pytest.mark.parametrize(("method", "off"), [("dopri5", 5e-4), ("dopri8", 5e-5), ("bosh3", 5e-4)])
@pytest.mark.parametrize("backwards", [False, True])
def test_adaptive_methods_step_to_every_wanted_time(method, off, backwards):
    """Between its steps a method interpolates, with much larger errors than the tolerance asks for."""
    v = velocity.MixtureField(targets.get("eight_gaussians"))
    x0 = torch.randn(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    times = (0.0, 0.3, 0.5, 1.0)
    fine = flow.trajectory(v, x0, times, method="rk4", steps=500)
    if backwards:
        times, fine = times[::-1], fine.flip(0)
    found = flow.trajectory(v, fine[0], times, method=method, rtol=1e-5, atol=1e-6)
    assert float((found - fine).abs().max()) < off


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
        (lambda: velocity.build({"kind": "mlp", "dim": 2, "width": 0}), "width is 0"),
        (lambda: velocity.build({"kind": "mlp", "dim": "2"}), "dim is '2'"),
        (lambda: velocity.build({"kind": "residual_mlp", "event_shape": 8}), "event_shape is 8"),
        (lambda: velocity.build({"kind": "preconditioned", "network": None, "mean": 0, "std": 1}), "config is None"),
        (lambda: velocity.build({"kind": ["mlp"]}), "config\\['kind'\\] is \\['mlp'\\]"),
        (lambda: velocity.build([("kind", "mlp")]), "config is"),
        (lambda: velocity.ResidualMLP((1, 4, 4), width=0), "width is 0"),
        (lambda: velocity.ResidualMLP((1, 4, 4), blocks=-1), "blocks is -1"),
        (lambda: velocity.ResidualMLP(()), "event_shape is \\(\\)"),
        (lambda: velocity.ResidualMLP((1, 0)), "event_shape is"),
        (lambda: velocity.MLP(2, seed=2**32), "seed is 4294967296"),
        (lambda: velocity.MLP(2, width=2**70), "width is"),
        (lambda: velocity.Preconditioned(velocity.MLP(2, 4, 1), 0.0, 0.0), "std is 0"),
        (lambda: velocity.Preconditioned(velocity.MLP(2, 4, 1), [0.0, 1.0, 2.0], 1.0), "mean is"),
        (lambda: velocity.Preconditioned(lambda t, x: x, 0.0, 1.0), "network is"),
        (lambda: velocity.Conditioned(lambda x, t, c: x, 1.0), r"v takes \(x, t\)"),
        (lambda: flow.trajectory(v, x0, "now"), "times is"),
        (lambda: flow.trajectory(v, x0, torch.tensor([0.0, torch.nan])), "times holds NaN"),
        (lambda: flow.sample(v, x0, grad=1), "grad is 1"),
        (lambda: flow.sample(v, x0, rtol=-1.0), "rtol is -1"),
        (lambda: flow.sample(v, x0, method="dopri5", rtol=1e-12), "rtol is 1e-12; allowed: a finite number >= "),
        (lambda: flow.sample(v, torch.zeros(3, 0)), "x0 is a tensor"),
        (lambda: flow.log_prob(v, x0, probes=0), "probes is 0"),
        (lambda: flow.noise(3, (), generator=generator), "event_shape is"),
        (lambda: flow.noise(3, (2,), generator=None), "generator is None"),
        (lambda: flow.noise(3, (2,), generator=generator, dtype=torch.int64), "dtype is torch.int64"),
        (lambda: flow.noise(3, (2,), generator=generator, dtype="float"), "dtype is 'float'"),
        (lambda: flow.noise(3, (2,), generator=generator, device="abacus"), "device is 'abacus'"),
        (lambda: flow.sample_sde(v, x0, generator=generator, sigma=-1.0), "sigma is -1"),
        (lambda: flow.sample_sde(v, x0, generator=generator, sigma=lambda t: 1 / t if t else math.inf), "sigma is inf"),
        (lambda: flow.sample_sde(v, x0, generator=0), "generator is 0"),
        (lambda: flow.fit(torch.zeros(1, 2), progress=False), "data is"),
        (lambda: flow.fit(torch.ones(9, 2), progress=False), "data is .*; allowed: data that differ"),
        (lambda: flow.fit(1e6 + torch.rand(9, 2, generator=generator), progress=False), "data is .*differ"),
        (lambda: flow.fit(x0, network=lambda t, x: x, progress=False), "network is"),
        (
            lambda: flow.fit(x0 + 1, network=velocity.MLP(3), steps=1, progress=False),
            "data is a tensor of shape .*samples of the network",
        ),
        (lambda: flow.fit(torch.eye(2), steps=3, lr=1e300, progress=False), "lr is 1e\\+300"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


# -- surroundings and floating types -----------------------------------------------------------------------------


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode])
def test_a_run_comes_out_the_same_without_gradients_around_it(surroundings):
    network, data = velocity.MLP(2, 8, 1), torch.randn(20, 2, generator=seeded(0))
    x0 = data[:5]

    def everything():
        fitted = flow.fit(data, steps=3, batch_size=4, progress=False)
        x = flow.sample(network, x0, grad=True)
        with torch.inference_mode(False):
            (g,) = torch.autograd.grad(x, network.net[0].weight, torch.ones_like(x))
        ends = [flow.sample(network, x0, method=m) for m in ("midpoint", "dopri5")]
        return [
            *fitted.state_dict().values(),
            *ends,
            g,
            flow.log_prob(network, x0, method="rk4", steps=3),
            flow.sample_sde(network, x0, generator=seeded(1), steps=3),
        ]

    plain = everything()
    with surroundings():
        x0 = data[:5].clone()  # born without gradients, too
        inside = everything()
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))


@pytest.mark.parametrize("own", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("asked", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_any_floating_type_may_be_asked_of_any_network(own, asked):
    x0 = torch.tensor([[0.5, -1.0], [2.0, 0.25], [-1.5, 3.0]])  # bfloat16 holds them exactly
    network = velocity.MLP(2, 16, 2)
    plain = [flow.sample(network, x0), flow.log_prob(network, x0, method="rk4"), network(0.5, x0)]
    network.to(own)
    found = [flow.sample(network, x0.to(asked)), flow.log_prob(network, x0.to(asked), method="rk4")]
    found.append(network(torch.tensor(0.5, dtype=asked), x0.to(asked)))
    assert [u.dtype for u in found] == [asked, torch.promote_types(asked, torch.float32), asked]
    short = {own, asked} & {torch.bfloat16, torch.float16}
    for a, b in zip(plain, found):
        assert torch.allclose(a.double(), b.double(), rtol=2e-2 if short else 1e-5, atol=3e-2 if short else 1e-5)


def test_arrays_and_whole_numbers_are_points_like_others():
    network, x0 = velocity.MLP(2, 8, 1), torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    plain = flow.sample(network, x0)
    for same in (
        x0.numpy(),
        x0.double().numpy(),
        x0.numpy().astype(">f4"),
        x0.long(),
        x0.tolist(),
        x0.T.contiguous().T,
    ):
        assert torch.allclose(flow.sample(network, same).float(), plain, atol=1e-6)


def test_a_mixture_in_bfloat16_is_computed_in_float32():
    field = velocity.MixtureField(targets.get("checkerboard"))
    x = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    assert torch.equal(field(0.9, x.bfloat16()), field(0.9, x).bfloat16())


# -- initial values ----------------------------------------------------------------------------------------------


def test_networks_that_threads_build_are_those_of_one_thread():
    alone = [velocity.MLP(2, 8, 1, seed=seed) for seed in range(60)]
    before, found = torch.get_rng_state(), {}

    def build(seeds):
        for seed in seeds:
            found[seed] = velocity.MLP(2, 8, 1, seed=seed)

    threads = [threading.Thread(target=build, args=(range(k, 60, 3),)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(torch.get_rng_state(), before)
    for seed, network in enumerate(alone):
        same = zip(network.state_dict().values(), found[seed].state_dict().values())
        assert all(torch.equal(a, b) for a, b in same)


def test_initial_values_are_torch_s_own():
    """The law of nn.Linear's reset_parameters: uniform within 1/sqrt(inputs), weights and biases."""
    layer = velocity.MLP(2, 400, 2).net[2]
    bound = 1 / math.sqrt(400)
    for values in (layer.weight, layer.bias):
        assert values.abs().max() <= bound
        assert float(values.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.08)
    with pytest.raises(ValueError, match="network is 'BatchNorm1d'"), torch.device("meta"):
        velocity.initialise(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0)


def test_numbers_of_numpy_make_a_network_that_can_be_written(tmp_path):
    made = velocity.MLP(np.int64(2), np.int32(8), torch.tensor(1), seed=np.int64(3))
    zoo.write(made, tmp_path / "x")
    again = zoo.read(tmp_path / "x")
    assert torch.equal(again.net[0].weight, velocity.MLP(2, 8, 1, seed=3).net[0].weight)


# -- solvers that fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "v",
    [
        lambda t, x: x / (1.0001 - t) ** 3,  # leaves the numbers before time 1
        lambda t, x: x * torch.nan,
        lambda t, x: torch.where(t > 0.5, torch.inf, x),
    ],
)
@pytest.mark.parametrize("method", flow.ADAPTIVE)
def test_a_flow_that_no_step_can_follow_is_named(v, method):
    with pytest.raises(
        ValueError, match=f"{method} cannot follow v to rtol 1e-05.*allowed: a velocity that stays finite"
    ):
        flow.sample(v, torch.ones(2, 2), method=method)


def test_a_tolerance_that_cannot_be_met_ends(monkeypatch):
    assert flow.MOST_STEPS <= 10_000  # without a limit it goes on for hours
    monkeypatch.setattr(flow, "MOST_STEPS", 100)
    rough, x0 = lambda t, x: 300 * (3000 * x).sin(), torch.rand(4, 2, generator=seeded(0), dtype=torch.float64)
    for method in flow.ADAPTIVE:
        with pytest.raises(ValueError, match=f"{method} cannot follow v to rtol 1e-12"):
            flow.sample(rough, x0, method=method, rtol=1e-12, atol=1e-12)


# -- likelihoods without a graph ---------------------------------------------------------------------------------


def test_likelihood_of_a_constant_field():
    x1 = torch.randn(5, 2, generator=seeded(0))
    shifted = -0.5 * (x1 - 1).square().sum(1) - math.log(2 * math.pi)
    bias = nn.Parameter(torch.ones(2))
    for v in (lambda t, x: torch.ones_like(x), lambda t, x: bias.expand_as(x)):
        assert torch.allclose(flow.log_prob(v, x1), shifted, atol=1e-5)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-6), (torch.float32, 1e-3)])
def test_likelihood_of_a_field_without_gradients(dtype, atol):
    target = targets.get("four_modes")
    field, scale = velocity.MixtureField(target), nn.Parameter(torch.ones((), dtype=dtype))
    x1 = target.sample(6, generator=seeded(0)).to(dtype)

    def detached(t, x):  # its graph leads to a parameter, but not to x
        return scale * field(t, x.detach())

    def in_numpy(t, x):
        return field(t, torch.from_numpy(x.numpy())).numpy()

    expected = flow.log_prob(field, x1, method="rk4", steps=40)
    for v in (detached, in_numpy):
        assert torch.allclose(flow.log_prob(v, x1, method="rk4", steps=40), expected, atol=atol)


# -- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4", "dopri5"])
def test_the_gradient_of_samples_is_that_of_finite_differences(method):
    network = velocity.MLP(2, 8, 1).double()
    x0 = torch.randn(4, 2, generator=seeded(0), dtype=torch.float64)
    options = dict(method=method, steps=4, rtol=1e-10, atol=1e-10)

    def loss(grad=False):
        return flow.sample(network, x0, grad=grad, **options).square().sum()

    assert not loss().requires_grad
    x0.requires_grad_()
    weight = network.net[0].weight
    g_x0, g_weight = torch.autograd.grad(loss(grad=True), (x0, weight))
    h = 1e-5
    with torch.no_grad():
        for values, gradient in ((x0, g_x0), (weight, g_weight)):
            for place in ((0, 0), (3, 1)):
                values[place] += h
                ahead = loss()
                values[place] -= 2 * h
                behind = loss()
                values[place] += h
                assert float(gradient[place]) == pytest.approx(float(ahead - behind) / (2 * h), rel=1e-5)


# -- conditions --------------------------------------------------------------------------------------------------


class Shifted(nn.Module):
    """The field of N(c, s^2): v = c + the field of N(0, s^2) around the moving mean t c."""

    event_shape = (2,)

    def __init__(self, s):
        super().__init__()
        self.s = nn.Parameter(torch.tensor(s))

    def forward(self, t, x, c):
        t = paths.time_like(t, x)
        slope = (t * self.s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * self.s**2)
        return c + slope * (x - t * c)


def test_a_condition_is_handed_to_every_evaluation():
    x0, c = torch.randn(50, 2, generator=seeded(0)), torch.linspace(-3, 3, 50)[:, None].expand(50, 2)
    v = velocity.Conditioned(Shifted(0.5), c)
    expected = c + 0.5 * x0
    assert v.event_shape == (2,)
    for bound in (v, velocity.Conditioned(lambda t, x, c: v.v(t, x, c), c)):
        assert torch.allclose(flow.sample(bound, x0, method="dopri5", rtol=1e-6), expected, atol=1e-4)
    normal = torch.distributions.Normal(c, 0.5)
    assert torch.allclose(flow.log_prob(v, expected), normal.log_prob(expected).sum(1), atol=1e-3)
    (g,) = torch.autograd.grad(flow.sample(v, x0, method="rk4", grad=True).sum(), v.v.s)  # sum of c + s x0
    assert float(g) == pytest.approx(float(x0.sum()), rel=1e-3)
    v.double()  # the condition goes along
    assert torch.allclose(flow.sample(v, x0.double(), method="dopri5", rtol=1e-6).float(), expected, atol=1e-4)


# -- the stochastic sampler --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", paths.names())
@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.5, lambda t: 2 * (1 - t)])
def test_the_sde_ends_in_the_flow_s_gaussian(path, sigma):
    n, mean, s = 20_000, torch.tensor([1.0, -2.0]), 0.6
    field = velocity.MixtureField(targets.GaussianMixture([1.0], mean[None], s**2), path)
    x0 = flow.noise(n, (2,), generator=seeded(0))
    x = flow.sample_sde(field, x0, generator=seeded(1), sigma=sigma, steps=200)
    assert torch.allclose(x.mean(0), mean, atol=5 * s / n**0.5 + 0.01)  # noise, and the bias of Euler's steps
    assert torch.allclose(x.var(0), torch.full((2,), s**2), rtol=5 * (2 / n) ** 0.5 + 0.02)
    if sigma:
        pushed = flow.sample(field, x0)
        correlation = torch.corrcoef(torch.stack([x[:, 0], pushed[:, 0]]))[0, 1]
        assert correlation < 0.9  # the noise did something


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_the_sde_samples_a_mixture(sigma):
    target = targets.get("eight_gaussians")
    data, other = (target.sample(3000, generator=seeded(seed)) for seed in (0, 1))
    x0 = flow.noise(3000, (2,), generator=seeded(2))
    x = flow.sample_sde(velocity.MixtureField(target), x0, generator=seeded(3), sigma=sigma, steps=200)
    assert energy_distance(x, data) < abs(energy_distance(other, data)) + 2e-3


def test_the_sde_is_the_seed_s_and_without_noise_euler_s():
    field, x0 = velocity.MixtureField(targets.get("rings")), flow.noise(50, (2,), generator=seeded(0))
    draw = lambda seed, **more: flow.sample_sde(field, x0, generator=seeded(seed), steps=20, **more)  # noqa: E731
    assert torch.equal(draw(1), draw(1))
    assert not torch.allclose(draw(1), draw(2))
    assert torch.allclose(draw(1, sigma=0.0), flow.sample(field, x0, method="euler", steps=20), atol=1e-5)


# -- flows of anybody's data -------------------------------------------------------------------------------------


def test_a_change_of_coordinates_is_exact():
    """Around the exact field of standardised data stands the exact field of the data."""
    inner, mean, std = targets.get("four_modes"), torch.tensor([100.0, -3.0]), 20.0
    outer = targets.GaussianMixture(inner.weights, mean + std * inner.means, std**2 * inner.covs)
    field = velocity.MixtureField(inner)
    field.register_parameter("unused", nn.Parameter(torch.zeros((), dtype=torch.float64)))
    v, exact = velocity.Preconditioned(field, mean, std), velocity.MixtureField(outer)
    x0 = torch.randn(40, 2, generator=seeded(0), dtype=torch.float64)
    for t in (0.0, 0.02, 0.5, 1.0):
        x = (1 - t) * x0 + t * outer.sample(40, generator=seeded(1)).double()
        assert torch.allclose(v(t, x), exact(t, x), rtol=1e-8, atol=1e-8)
    times = (0.0, 0.3, 1.0)
    ours = flow.trajectory(v, x0, times, method="dopri5", rtol=1e-9, atol=1e-9)
    assert torch.allclose(ours, flow.trajectory(exact, x0, times, method="dopri5", rtol=1e-9, atol=1e-9), rtol=1e-5)
    assert torch.allclose(
        flow.trajectory(v, ours[-1], times[::-1], method="dopri5", rtol=1e-9, atol=1e-9)[-1], x0, atol=1e-5
    )
    assert torch.allclose(flow.log_prob(v, ours[-1]), outer.log_prob(ours[-1]), atol=1e-4)


def moons(mean, size):
    return lambda n, seed: mean + size * targets.get("two_moons").sample(n, generator=seeded(seed))


def line(n, seed):
    return 3 * targets.get("three_modes_1d").sample(n, generator=seeded(seed)) - 50


def images(n, seed):
    """One of four bright corners, and noise: pixels from 0 to 255."""
    generator = seeded(seed)
    corner = torch.eye(4)[torch.randint(0, 4, (n,), generator=generator)].reshape(n, 1, 2, 2)
    bright = corner.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return 128 + 100 * (bright + 0.1 * torch.randn(n, 1, 4, 4, generator=generator))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "options"),
    [
        (moons(0.0, 1.0), {}),
        (moons(100.0, 20.0), {}),
        (moons(0.0, 1e-3), {}),
        (moons(-1.0, 1e6), {}),
        (moons(100.0, 20.0), dict(coupling="ot", batch_size=128)),
        (line, {}),
        (images, dict(batch_size=64, steps=300)),
    ],
    ids=["plain", "far and large", "tiny", "huge", "ot", "line", "images"],
)
def test_a_fitted_flow_samples_data_of_any_position_and_size(draw, options):
    data = draw(3000, 0)
    v = flow.fit(data, progress=False, **dict(steps=800) | options)
    assert v.event_shape == data.shape[1:]
    x = flow.sample(v, flow.noise(1500, v.event_shape, generator=seeded(1)))
    fresh, other = draw(1500, 2), draw(1500, 3)
    centre, size = fresh.double().mean(0), fresh.double().std()
    unit = lambda points: (points.double() - centre) / size  # noqa: E731
    apart, between_draws = energy_distance(unit(x), unit(fresh)), energy_distance(unit(other), unit(fresh))
    assert apart < abs(between_draws) + 0.02  # another corner for all, or half the width, is 0.2 and more


def test_fits_of_the_same_data_elsewhere_are_one_fit():
    """Moved and scaled data give the moved and scaled flow."""
    data, x0 = moons(0.0, 1.0)(500, 0).double(), flow.noise(20, (2,), generator=seeded(1), dtype=torch.float64)
    fit = lambda mean, size: flow.fit(mean + size * data, steps=40, batch_size=32, progress=False)  # noqa: E731
    plain = flow.sample(fit(0.0, 1.0), x0)
    for mean, size in ((100.0, 20.0), (-1.0, 1e-3), (0.0, 1e8)):
        assert torch.allclose((flow.sample(fit(mean, size), x0) - mean) / size, plain, atol=2e-2)


def test_a_fit_is_its_seed_s_and_can_be_written(tmp_path, capsys):
    data = moons(5.0, 3.0)(200, 0)
    fit = lambda seed, progress=False: flow.fit(data, steps=20, batch_size=16, seed=seed, progress=progress)  # noqa: E731
    first, again, other = fit(np.int64(1)), fit(1, progress=True), fit(2)
    assert "flow: 100%" in capsys.readouterr().err
    same = zip(first.state_dict().values(), again.state_dict().values())
    assert all(torch.equal(a, b) for a, b in same)
    assert not torch.equal(first.network.net[0].weight, other.network.net[0].weight)
    assert not first.training
    assert all(p.grad is None for p in first.parameters())
    zoo.write(first, tmp_path / "x")
    read, x0 = zoo.read(tmp_path / "x"), flow.noise(9, (2,), generator=seeded(0))
    assert read.path.name == "linear"
    assert torch.equal(flow.sample(read, x0), flow.sample(first, x0))


def test_a_fit_tells_how_far_it_is_and_ends_when_it_is_told_to(capsys):
    data, told = moons(0.0, 1.0)(300, 0), []
    fit = lambda **options: flow.fit(data, **{"steps": 30, "batch_size": 16} | options)  # noqa: E731
    whole = fit(progress=lambda *at: told.append(at))  # which answers None
    assert told == [(step, 30) for step in range(1, 31)]
    assert capsys.readouterr().err == ""
    assert torch.equal(whole.network.net[0].weight, fit(progress=False).network.net[0].weight)
    for enough in (False, np.False_):
        told.clear()
        part = fit(progress=lambda *at, enough=enough: told.append(at) or {7: enough}.get(at[0], True))
        assert told[-1] == (7, 30)
        assert not torch.equal(part.network.net[0].weight, whole.network.net[0].weight)
        assert flow.sample(part, torch.zeros(3, 2)).isfinite().all()
        assert not part.training
    learner = velocity.MLP(2, 16, 2)
    rest = iter([learner.net[0].weight.square().sum() for _ in range(9)])
    flow.learn(learner, rest, 9, 1e-6, "", lambda step, steps: step < 4)
    assert len(list(rest)) == 5
    with pytest.raises(ValueError, match="progress is 'bar'; allowed: True, False, or a callable"):
        fit(progress="bar")


def test_a_network_of_one_s_own_learns_in_place():
    data, network = moons(0.0, 1.0)(300, 0), velocity.MLP(2, 16, 2).double()
    network.net[0].weight.requires_grad_(False)
    frozen, moving = network.net[0].weight.clone(), network.net[2].weight.clone()
    fitted = flow.fit(data.numpy(), steps=5, network=network, progress=False)
    assert fitted is network
    assert torch.equal(network.net[0].weight, frozen)
    assert not torch.equal(network.net[2].weight, moving)
    assert network.net[2].weight.dtype == torch.float64
