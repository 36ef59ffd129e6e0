import math
from itertools import pairwise

import pytest
import torch

from orwlab import finetune, rewards, targets, velocity, wasserstein, zoo
from orwlab.measure.coupled_flows import jacobian
from orwlab.wasserstein import bounds, sinkhorn_w2_squared, sliced_w2_squared, w2_squared, w2_squared_gaussian

CHAINS = (
    ("empirical", "coupled", "flow_map", "one_sided", "minkowski", "time_varying", "global_lipschitz"),
    ("coupled", "secant", "one_sided"),
)


def assert_ordered(ladder, tol=0.01):
    """Every chain of rungs, in logarithms; the identity within the 2 % that is promised."""
    for chain in CHAINS:
        for low, high in pairwise(chain):
            assert ladder.log[low] <= ladder.log[high] + tol, f"{low} > {high}\n{ladder}"
    assert ladder.identity == pytest.approx(ladder.coupled, rel=0.02)


def noise(n, d, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Field(torch.nn.Module):
    """A function of (t, x), t as (1, 1) or (n, 1), with an event shape."""

    def __init__(self, f, d):
        super().__init__()
        self.f, self.event_shape = f, (d,)

    def forward(self, t, x):
        return self.f(torch.as_tensor(t, dtype=x.dtype).reshape(-1, 1), x)


# Distances -----------------------------------------------------------------------------------------------------------


def test_one_dimension_is_exact_also_for_unequal_sizes():
    """Quantiles against the linear programme: repeating points until the sizes agree changes no distribution."""
    x, y = noise(6, 1), noise(4, 1, 1) * 2 + 1
    by_repeating = w2_squared(x.repeat_interleave(2, 0), y.repeat_interleave(3, 0))
    padded = w2_squared(torch.cat([x, torch.zeros_like(x)], 1), torch.cat([y, torch.zeros_like(y)], 1))
    assert w2_squared(x, y) == pytest.approx(by_repeating, rel=1e-12)
    assert w2_squared(x, y) == pytest.approx(padded, rel=1e-9)
    assert w2_squared(y, x) == pytest.approx(w2_squared(x, y), rel=1e-12)


def test_samples_in_the_plane():
    x, shift = noise(60, 2), torch.tensor([3.0, -1.0])
    assert w2_squared(x, x.flip(0)) == pytest.approx(0, abs=1e-12)
    assert w2_squared(x, x + shift) == pytest.approx(10, rel=1e-9)
    assert w2_squared(x, 3 * x) == pytest.approx(4 * float(x.square().sum(1).mean()), rel=1e-9)
    y = noise(45, 2, 1)
    assert w2_squared(5 * x + shift, 5 * y + shift) == pytest.approx(25 * w2_squared(x, y), rel=1e-9)


def test_gaussians_meet_bures():
    """A linear map x -> A x with A symmetric and positive is optimal, so that W2^2 = tr (A - I) Sigma (A - I)."""
    A = torch.tensor([[1.5, 0.4], [0.4, 0.8]], dtype=torch.float64)
    S = torch.tensor([[1.0, -0.3], [-0.3, 0.5]], dtype=torch.float64)
    eye, zero, mean = torch.eye(2, dtype=torch.float64), torch.zeros(2), torch.tensor([1.0, 2.0])
    exact = float(torch.trace((A - eye) @ S @ (A - eye)))
    assert w2_squared_gaussian(zero, S, mean, A @ S @ A) == pytest.approx(exact + 5, rel=1e-12)
    assert w2_squared_gaussian(zero, S, zero, S) == pytest.approx(0, abs=1e-12)
    point = torch.zeros(2, 2)  # the distance to a point is the second moment
    assert w2_squared_gaussian(zero, S, mean, point) == pytest.approx(1.5 + 5, rel=1e-12)
    x = noise(1500, 2) @ torch.linalg.cholesky(S).T
    assert w2_squared(x, noise(1500, 2, 1) @ torch.linalg.cholesky(A @ S @ A).T) == pytest.approx(exact, abs=0.1)
    assert w2_squared(x, x @ A) == pytest.approx(exact, rel=0.1)


def test_sliced_and_sinkhorn():
    x, shift = noise(400, 2), torch.tensor([3.0, -1.0])
    sliced = sliced_w2_squared(x, x + shift, 2000, generator=torch.Generator().manual_seed(0))
    assert sliced == pytest.approx(10 / 2, rel=0.05)  # E (shift . theta)^2
    y = noise(300, 2, 1) * torch.tensor([2.0, 0.5]) + shift
    exact = w2_squared(x, y)
    assert sliced_w2_squared(x, y, generator=torch.Generator().manual_seed(0)) <= exact / 2 * 1.1
    errors = [abs(sinkhorn_w2_squared(x, y, epsilon) - exact) / exact for epsilon in (0.3, 0.02)]
    assert errors[1] < 0.01
    assert errors[1] < errors[0]
    assert sinkhorn_w2_squared(x, x) == pytest.approx(0, abs=1e-9)
    same = [sliced_w2_squared(x, y, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert same[0] == same[1] != same[2]


# The ladder, by hand -------------------------------------------------------------------------------------------------


def test_growth_at_a_changing_rate_and_a_constant_push():
    """v_ref = (a + b t) x and v = v_ref + c: everything but the last two rungs is |int e^{Lambda} c ds|^2."""
    a, b = 0.3, 1.0
    c = torch.tensor([1.0, 2.0], dtype=torch.float64)
    reference = Field(lambda t, x: (a + b * t) * x, 2)
    policy = Field(lambda t, x: (a + b * t) * x + c, 2)
    s = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    growth = (a * (1 - s) + b * (1 - s.square()) / 2).exp()
    once = 5 * float(torch.trapezoid(growth, s)) ** 2
    ladder = bounds(policy, reference, x0=noise(40, 2), tol=1e-5)
    for name in ("empirical", "coupled", "secant", "flow_map", "one_sided", "minkowski"):
        assert getattr(ladder, name) == pytest.approx(once, rel=1e-4), name
    assert ladder.identity == pytest.approx(once, rel=1e-4)
    assert ladder.time_varying == pytest.approx(5 * float(torch.trapezoid(growth.square(), s)), rel=1e-4)
    assert ladder.global_lipschitz == pytest.approx(5 * math.exp(2 * (a + b)), rel=1e-6)
    assert ladder.penalty == pytest.approx(5, rel=1e-6)
    by_cell = torch.stack([torch.trapezoid(g, u) for g, u in zip(growth[:-1].split(12_500), s[:-1].split(12_500))])
    for name in ("coupled", "flow_map", "one_sided"):
        assert torch.allclose(ladder.rungs[name].times, by_cell / by_cell.sum(), atol=1e-3)
        assert torch.allclose(ladder.rungs[name].particles, torch.full((40,), 1 / 40, dtype=torch.float64), rtol=1e-4)


def test_decay_helps_only_the_one_sided_rungs():
    """v_ref = -x: mu = -1 but L = 1."""
    reference, policy = Field(lambda t, x: -x, 2), Field(lambda t, x: -x + 1, 2)
    ladder = bounds(policy, reference, x0=noise(30, 2), tol=1e-5)
    tight, loose = 2 * (1 - math.exp(-1)) ** 2, 2 * (math.e - 1) ** 2
    for name in ("empirical", "coupled", "secant", "flow_map", "one_sided"):
        assert getattr(ladder, name) == pytest.approx(tight, rel=1e-4), name
    assert ladder.minkowski == pytest.approx(loose, rel=1e-4)
    assert ladder.time_varying == pytest.approx(math.e**2 - 1, rel=1e-4)
    assert ladder.global_lipschitz == pytest.approx(2 * math.e**2, rel=1e-6)


def test_rotation_and_shear():
    """A rotation by angle w and a shear by k: flow maps whose norms are known; mu = 0 and k / 2, L = w and k."""
    w, k = 2.0, 3.0
    push = torch.tensor([1.0, 0.0], dtype=torch.float64)
    turn = torch.tensor([[0.0, -w], [w, 0.0]], dtype=torch.float64)
    ladder = bounds(
        Field(lambda t, x: x @ turn.T + push, 2), Field(lambda t, x: x @ turn.T, 2), x0=noise(30, 2), tol=1e-5
    )
    assert ladder.coupled == pytest.approx(2 * (1 - math.cos(w)) / w**2, rel=1e-4)  # |int e^{iws} ds|^2
    assert ladder.flow_map == pytest.approx(1, rel=1e-4)
    assert ladder.one_sided == pytest.approx(1, rel=1e-4)
    assert ladder.minkowski == pytest.approx(((math.exp(w) - 1) / w) ** 2, rel=1e-3)
    assert ladder.global_lipschitz == pytest.approx(math.exp(2 * w), rel=1e-5)

    shear = torch.tensor([[0.0, k], [0.0, 0.0]], dtype=torch.float64)
    ladder = bounds(
        Field(lambda t, x: x @ shear.T + push, 2), Field(lambda t, x: x @ shear.T, 2), x0=noise(30, 2), tol=1e-5
    )
    assert ladder.coupled == pytest.approx(1, rel=1e-4)  # the push is along the shear, which leaves it alone
    r = torch.linspace(0, 1, 10_001, dtype=torch.float64) * k
    norm = r / 2 + (1 + r.square() / 4).sqrt()  # of [[1, r], [0, 1]]
    assert ladder.flow_map == pytest.approx(float(torch.trapezoid(norm, r / k)) ** 2, rel=1e-4)
    assert ladder.one_sided == pytest.approx(((math.exp(k / 2) - 1) / (k / 2)) ** 2, rel=1e-4)
    assert_ordered(ladder)


def test_two_linear_fields_by_matrix_exponentials():
    """v = A x, v_ref = B x: the coupled cost is tr (e^A - e^B)(e^A - e^B)^T over the samples, L and mu are B's."""
    A = torch.tensor([[0.2, 0.9], [-0.4, 0.5]], dtype=torch.float64)
    B = torch.tensor([[-0.6, 0.3], [0.8, 0.1]], dtype=torch.float64)
    x0 = noise(200, 2)
    ladder = bounds(Field(lambda t, x: x @ A.T, 2), Field(lambda t, x: x @ B.T, 2), x0=x0, tol=1e-4)
    gap = torch.linalg.matrix_exp(A) - torch.linalg.matrix_exp(B)
    assert ladder.coupled == pytest.approx(float((x0 @ gap.T).square().sum(1).mean()), rel=1e-5)
    assert ladder.pair.lipschitz.tolist() == pytest.approx([float(torch.linalg.matrix_norm(B, ord=2))] * 33)
    assert ladder.pair.log_norm.tolist() == pytest.approx([float(torch.linalg.eigvalsh((B + B.T) / 2)[-1])] * 33)
    assert ladder.identity == pytest.approx(ladder.coupled, rel=1e-4)
    assert_ordered(ladder, tol=1e-4)


def test_gaussian_fields_meet_bures_and_the_coupled_cost():
    """From N(0, I) the exact fields of two round Gaussians make the optimal map: W2 exact = coupled = Bures."""
    fields = [
        velocity.MixtureField(targets.GaussianMixture(torch.ones(1), torch.tensor([mean]), var))
        for mean, var in (([1.0, 0.0], 0.25), ([0.0, 0.5], 1.44))
    ]
    ladder = bounds(*fields, x0=noise(1500, 2))
    bures = w2_squared_gaussian(
        torch.tensor([1.0, 0]), 0.25 * torch.eye(2), torch.tensor([0, 0.5]), 1.44 * torch.eye(2)
    )
    assert ladder.coupled == pytest.approx(bures, rel=0.05)
    assert ladder.empirical == pytest.approx(ladder.coupled, rel=1e-6)
    assert_ordered(ladder)


# The ladder, ordered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_random_networks(dim, seed):
    networks = [velocity.MLP(dim, 32, 2, seed=2 * seed + i) for i in (0, 1)]
    for network in networks:
        for p in network.parameters():
            p.data.mul_(1.7)  # at its initial size a network is almost linear
    ladder = bounds(*networks, n=60, seed=seed)
    assert ladder.coupled > 1e-3
    assert_ordered(ladder)
    if dim == 1:
        assert ladder.empirical == pytest.approx(ladder.coupled, rel=1e-4)  # a flow on the line keeps the order
    for rung in ladder.rungs.values():
        assert float(rung.particles.sum()) == pytest.approx(1)
        assert float(rung.times.sum()) == pytest.approx(1)
        assert rung.assumes.endswith(".")


@pytest.fixture(scope="module")
def tuned():
    reference, policies = zoo.load("eight_gaussians"), {}
    for alpha in (0.3, 1.0):
        run = finetune.FineTuning(reference, rewards.get("right"), alpha=alpha)
        for _ in run.rounds(60):
            pass
        policies[alpha] = run.average
    return reference, policies


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_fine_tuned_eight_gaussians(tuned, alpha):
    reference, policies = tuned
    ladder = bounds(policies[alpha], reference, n=200)
    assert_ordered(ladder)
    assert ladder.flow_map < 5 * ladder.coupled  # what needs no supremum stays within reach ...
    assert ladder.log["time_varying"] > math.log(1e3 * ladder.flow_map)  # ... what needs one does not
    assert ladder.log["global_lipschitz"] > 20 + ladder.log["time_varying"]
    straight, along = (
        (ladder.rungs[k].particles * ladder.rungs[k].value * 200).sqrt() for k in ("coupled", "flow_map")
    )
    assert (straight <= along + 0.05 * math.sqrt(ladder.coupled)).all()  # particle by particle


def test_a_far_policy_whose_pool_needs_what_lies_between():
    """Reference modes at -2 and 2, policy N(4, 0.1): the separatrix is on neither's trajectories for most pairs."""
    reference = velocity.MixtureField(
        targets.GaussianMixture(torch.ones(2), torch.tensor([[-2.0], [2.0]]), torch.tensor([0.1, 0.1]))
    )
    policy = velocity.MixtureField(targets.GaussianMixture(torch.ones(1), torch.tensor([[4.0]]), 0.1))
    ladder = bounds(policy, reference, n=300)
    assert_ordered(ladder)
    assert ladder.coupled == pytest.approx(20, rel=0.1)  # half the mass goes 2, half 6
    assert ladder.secant == pytest.approx(ladder.coupled, rel=0.02)  # on the line nothing is lost when dv has one sign


def test_identical_fields_are_at_distance_zero(tuned):
    reference, _ = tuned
    ladder = bounds(reference, reference, n=20)
    assert set(ladder.log.values()) == {-math.inf}
    assert ladder.penalty == ladder.identity == ladder.global_lipschitz == 0
    assert all(float(rung.particles.sum()) == 0 for rung in ladder.rungs.values())


def test_values_too_large_for_a_float_keep_their_logarithm():
    stiff, shifted = Field(lambda t, x: -400 * x, 1), Field(lambda t, x: -400 * x + 0.5, 1)
    with pytest.warns(UserWarning, match="flow map is not resolved"):
        ladder = bounds(shifted, stiff, x0=noise(5, 1), tol=0.1)
    assert not ladder.rungs["flow_map"].certified
    assert ladder.global_lipschitz == math.inf
    assert ladder.log["global_lipschitz"] == pytest.approx(2 * 400 + 2 * math.log(0.5), rel=1e-6)
    assert ladder.log["time_varying"] == pytest.approx(800 - math.log(800) + 2 * math.log(0.5), abs=3)
    assert ladder.coupled == pytest.approx((0.5 / 400) ** 2, rel=1e-3)


# The ladder, invariances ---------------------------------------------------------------------------------------------


def test_scaling_and_translation():
    """Fields seen in coordinates c x + b: all rungs are multiplied by c^2, with the same L, mu and shares."""
    c, b = 3.0, torch.tensor([5.0, -2.0], dtype=torch.float64)
    mixtures = [
        targets.GaussianMixture(torch.ones(2), torch.tensor(m), torch.tensor([0.3, 0.5]))
        for m in ([[1.0, 0.0], [-1.0, 0.5]], [[1.5, 1.0], [-1.0, -1.0]])
    ]
    fields = [velocity.MixtureField(m) for m in mixtures]

    def seen(field):
        return lambda t, x: c * field(t, (x - b) / c)

    x0 = noise(60, 2)
    ladder, other = bounds(*fields, x0=x0, tol=1e-3), bounds(*map(seen, fields), x0=c * x0 + b, tol=1e-3)
    for name in ladder.log:
        assert other.log[name] == pytest.approx(ladder.log[name] + 2 * math.log(c), abs=2e-3), name
        assert torch.allclose(other.rungs[name].particles, ladder.rungs[name].particles, atol=2e-3), name
    assert torch.allclose(other.pair.log_norm, ladder.pair.log_norm, rtol=1e-2)
    assert torch.allclose(other.pair.lipschitz, ladder.pair.lipschitz, rtol=1e-2)


def test_seeds(tuned):
    reference, policies = tuned
    first, again, other = (bounds(policies[1.0], reference, n=20, seed=seed) for seed in (0, 0, 1))
    assert first.log == again.log
    assert first.coupled != other.coupled


def test_a_field_without_a_graph_is_differentiated_by_differences():
    x, t = noise(7, 2), torch.tensor(0.3)
    field = velocity.MixtureField(targets.get("four_modes"))
    _, by_differences = jacobian(lambda t, x: field(t, x.detach()), t, x)
    _, automatic = jacobian(field, t, x)
    assert torch.allclose(by_differences, automatic, atol=1e-6)
    assert torch.equal(jacobian(lambda t, x: torch.ones_like(x), t, x)[1], torch.zeros(7, 2, 2, dtype=torch.float64))


def test_the_table_says_which_rungs_are_certified(tuned):
    reference, policies = tuned
    ladder = bounds(policies[1.0], reference, n=20)
    lines = str(ladder).splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(ladder.rungs)
    certified = {line.split()[0] for line in lines if line.endswith("certified")}
    assert certified == {"coupled", "secant", "flow_map"}


def test_bad_input_is_named():
    v, x = velocity.MLP(2), noise(5, 2)
    plain = lambda t, x: x  # noqa: E731
    one, two = torch.zeros(1), torch.zeros(2)
    cases = [
        (lambda: w2_squared(x, noise(5, 3)), "y is a tensor of shape"),
        (lambda: w2_squared(x[:0], x), "x is a tensor of shape"),
        (lambda: w2_squared(x, x / 0), "y holds NaN"),
        (lambda: w2_squared_gaussian(two, torch.eye(2), one, torch.eye(1)), "mean_b is"),
        (lambda: w2_squared_gaussian(two, -torch.eye(2), two, torch.eye(2)), "cov_a is"),
        (lambda: w2_squared_gaussian(two, torch.eye(2), two, torch.eye(3)), "cov_b is"),
        (lambda: sliced_w2_squared(x, x, 0, generator=torch.Generator()), "projections is 0"),
        (lambda: sinkhorn_w2_squared(x, x, 0.0), "epsilon is 0"),
        (lambda: bounds(plain, plain), "x0 is None"),
        (lambda: bounds(v, v, n=1), "n is 1"),
        (lambda: bounds(v, v, seed=-1), "seed is -1"),
        (lambda: bounds(v, v, x0=torch.zeros(3, 2, 2)), "x0 is a tensor"),
        (lambda: bounds(v, v, x0=torch.zeros(3, 20)), "x0 is a tensor"),
        (lambda: bounds(v, v, n=5, tol=0.0), "tol is 0"),
        (lambda: bounds(v, velocity.MLP(3), n=5), "x is a tensor of shape"),
        (lambda: bounds(v, lambda t, x: t * x, n=5), "reference raised RuntimeError"),
        (lambda: bounds(lambda t, x: x[:, :1], v, n=5), r"policy\(t, x\) is a tensor of shape \(5, 1\)"),
        (lambda: bounds(lambda t, x: x / 0, v, n=5), r"policy\(t, x\) is NaN or infinite"),
        (lambda: bounds(v, Field(lambda t, x: 1e3 * x**3, 2), n=5), "reference has a flow that cannot be followed"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_the_module_offers_distances_and_ladder():
    assert {"bounds", "w2_squared", "w2_squared_gaussian"} <= set(wasserstein.__all__)
