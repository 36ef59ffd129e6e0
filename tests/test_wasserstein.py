import math
from itertools import pairwise

import numpy as np
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
    assert sinkhorn_w2_squared(x, x) == 0
    same = [sliced_w2_squared(x, y, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert same[0] == same[1] != same[2]


def test_nearly_equal_gaussians_keep_their_digits():
    """(A - I) Sigma (A - I) for A = (1 + h) I, where the traces of the usual formula cancel to nothing."""
    factor = noise(12, 12)
    S, zero = factor @ factor.T, torch.zeros(12)
    for h in (1e-3, 1e-6, 1e-8):
        found = w2_squared_gaussian(zero, S, zero, (1 + h) ** 2 * S)
        assert found == pytest.approx(h**2 * float(S.trace()), rel=1e-5)
    assert w2_squared_gaussian(zero, S, zero, S) <= 1e-24 * float(S.trace())


def test_singular_and_single_precision_gaussians():
    """A line's Gaussian v v^T against I: |v|^2 + d - 2 |v|; what rounding makes of it is still a covariance."""
    v = noise(1, 5, 3)[0]
    exact = float(v @ v) + 5 - 2 * float(v.norm())
    zero = [0.0] * 5
    line, whole = torch.outer(v, v), torch.eye(5, dtype=torch.int64)
    for form, rounding in ((line, 1e-15), (line.numpy(), 1e-15), (line.tolist(), 1e-15), (line.float(), 1e-7)):
        for first, second in ((form, whole), (whole, form)):
            found = w2_squared_gaussian(zero, first, zero, second)
            assert found == pytest.approx(exact, rel=5 * math.sqrt(rounding))  # a root of the matrix is taken
    for scale in (1e-12, 1e12):
        found = w2_squared_gaussian(v * 0, scale * torch.outer(v, v), v * 0, scale * torch.eye(5))
        assert found == pytest.approx(scale * exact, rel=1e-7)


@pytest.mark.parametrize("epsilon", [1e12, 0.3, 0.05, 1e-2, 1e-3, 1e-5, 1e-8])
def test_sinkhorn_is_right_or_says_that_it_is_not(epsilon):
    """In the plane, with far clusters, outliers and repeated points: near the exact value, or a ValueError."""
    mean = 0.0
    for kind, (x, y) in {
        "round": (noise(80, 2), noise(60, 2, 1) * torch.tensor([2.0, 0.5]) + 2),
        "clusters": tuple(0.01 * noise(n, 2, n) + 10 * (torch.arange(n) % k)[:, None] for n, k in ((60, 3), (70, 2))),
        "outlier": (torch.cat([noise(60, 2), torch.full((1, 2), 100.0)]), noise(60, 2, 1) + 1),
        "repeated": ((3 * noise(60, 2)).round(), (3 * noise(50, 2, 1)).round() + 1),
        "nearly equal": (noise(60, 2), noise(60, 2) + 0.01 * noise(60, 2, 1)),
    }.items():
        exact, unit = w2_squared(x, y), float(torch.cdist(x, y).square().mean())
        mean = float((x.mean(0) - y.mean(0)).square().sum())
        try:
            found = sinkhorn_w2_squared(x, y, epsilon)
        except ValueError:
            assert epsilon < 0.05, kind
            continue
        # with all entropy only the means' distance is left, and in between it lies in between
        low, high = (mean, mean) if epsilon > 1 else (mean, exact) if epsilon > 0.05 else (exact, exact)
        allowed = 2e-3 * unit if epsilon <= 1e-3 or epsilon > 1 else 0.02 * unit
        assert low - allowed <= found <= high + allowed, kind


def test_sinkhorn_says_when_its_iterations_end():
    x, y = noise(100, 2), noise(100, 2, 1) + 1
    with pytest.raises(ValueError, match=r"epsilon is 0\.001 and max_iterations is 30, after which"):
        sinkhorn_w2_squared(x, y, 1e-3, max_iterations=30)
    assert sinkhorn_w2_squared(x, y, 1e-3) == pytest.approx(w2_squared(x, y), rel=0.01)


def test_what_does_not_fit_into_memory_is_refused():
    x, y = torch.zeros(20_000, 2), torch.zeros(6_000, 2)
    for distance in (w2_squared, sinkhorn_w2_squared):
        with pytest.raises(ValueError, match="x and y are 20,000 and 6,000 points; allowed: at most 100,000,000 pairs"):
            distance(x, y)
    assert w2_squared(x[:, :1], y[:, :1] + 3) == pytest.approx(9, rel=1e-9)  # quantiles take any number
    assert w2_squared(x[:50], y[:40]) == sinkhorn_w2_squared(x[:50], y[:40]) == 0


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


@pytest.mark.parametrize(
    ("log", "value"),
    [(-math.inf, 0.0), (-800.0, 0.0), (709.5, math.exp(709.5)), (710.0, math.inf), (math.inf, math.inf)],
)
def test_a_rung_has_the_value_of_its_logarithm(log, value):
    rung = wasserstein.Rung("coupled", log, True, "Nothing.", torch.ones(1), torch.ones(8) / 8)
    assert rung.value == value


# The ladder, invariances ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c", "b"), [(3.0, (5.0, -2.0)), (1e-6, (1.0, 0.0)), (1e6, (0.0, 0.0)), (1e100, (0.0, 1e100))])
def test_scaling_and_translation(c, b):
    """Fields seen in coordinates c x + b: all rungs are multiplied by c^2, with the same L, mu and shares."""
    b = torch.tensor(b, dtype=torch.float64)
    mixtures = [
        targets.GaussianMixture(torch.ones(2), torch.tensor(m), torch.tensor([0.3, 0.5]))
        for m in ([[1.0, 0.0], [-1.0, 0.5]], [[1.5, 1.0], [-1.0, -1.0]])
    ]
    fields = [velocity.MixtureField(m) for m in mixtures]

    def seen(field):
        return lambda t, x: c * field(t, (x - b) / c)

    x0 = noise(20, 2)
    ladder, other = bounds(*fields, x0=x0, tol=1e-3), bounds(*map(seen, fields), x0=c * x0 + b, tol=1e-3)
    for name in ladder.log:
        assert other.log[name] == pytest.approx(ladder.log[name] + 2 * math.log(c), abs=2e-3), name
        assert torch.allclose(other.rungs[name].particles, ladder.rungs[name].particles, atol=2e-3), name
    assert torch.allclose(other.pair.log_norm, ladder.pair.log_norm, rtol=1e-2)
    assert torch.allclose(other.pair.lipschitz, ladder.pair.lipschitz, rtol=1e-2)
    assert other.identity == pytest.approx(c**2 * ladder.identity, rel=5e-3)
    assert other.penalty == pytest.approx(c**2 * ladder.penalty, rel=5e-3)
    assert torch.allclose(other.pair.x, c * ladder.pair.x + b, rtol=1e-4, atol=1e-4 * c)
    assert torch.allclose(other.pair.dv, c * ladder.pair.dv, rtol=1e-4, atol=1e-4 * c)


def test_fields_without_a_graph_scale_too():
    """Difference quotients take their step in the data's own unit: v_ref = c sin(x / c)."""
    x0 = noise(20, 1)
    logs = []
    for c in (1e-6, 1.0, 1e6):
        reference = lambda t, x, c=c: c * np.sin(x.detach().numpy() / c)  # noqa: E731
        policy = lambda t, x, c=c: torch.full_like(x, 0.3 * c)  # noqa: E731
        ladder = bounds(policy, reference, x0=c * x0)
        assert_ordered(ladder)
        logs.append([log - 2 * math.log(c) for log in ladder.log.values()])
        assert float(ladder.pair.lipschitz.max()) == pytest.approx(1, abs=0.05)
    assert logs[0] == pytest.approx(logs[1], abs=1e-3)
    assert logs[2] == pytest.approx(logs[1], abs=1e-3)


@pytest.mark.parametrize("tol", [1e-12, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_extremes_of_tol(tol, dtype):
    """By matrix exponentials, as above: no finer than the precision allows, no coarser than the identity promises."""
    A = torch.tensor([[0.2, 0.9], [-0.4, 0.5]], dtype=dtype)
    B = torch.tensor([[-0.6, 0.3], [0.8, 0.1]], dtype=dtype)
    x0 = noise(20, 2).to(dtype)
    ladder = bounds(Field(lambda t, x: x @ A.T, 2), Field(lambda t, x: x @ B.T, 2), x0=x0, tol=tol)
    gap = (torch.linalg.matrix_exp(A) - torch.linalg.matrix_exp(B)).double()
    assert ladder.coupled == pytest.approx(float((x0.double() @ gap.T).square().sum(1).mean()), rel=1e-3)
    assert ladder.pair.x.dtype == dtype
    assert_ordered(ladder, tol=0.02)


# The ladder, what people bring ---------------------------------------------------------------------------------------


def test_noise_in_every_form():
    networks = [velocity.MLP(2, 16, 1, seed=i) for i in (0, 1)]
    whole = torch.randint(-3, 4, (6, 2), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        inference = whole.float() * 1
    first = bounds(*networks, x0=whole.double()).log
    for x0 in (
        whole,
        whole.float(),
        whole.bfloat16(),
        whole.numpy(),
        whole.double().numpy(),
        whole.tolist(),
        whole.float().requires_grad_(),
        whole.float().T.contiguous().T,
        inference,
    ):
        assert bounds(*networks, x0=x0).log == first
    by_seed = bounds(*networks, n=7, seed=1).log
    assert bounds(*networks, n=np.int64(7), seed=np.int64(1)).log == by_seed
    assert bounds(*networks, n=torch.tensor(7), seed=torch.tensor(1), tol=np.float64(0.005)).log == by_seed


def test_under_no_grad_and_inference_mode():
    networks = [velocity.MLP(2, 16, 1, seed=i) for i in (0, 1)]
    first = bounds(*networks, n=7).log
    for surroundings in (torch.no_grad, torch.inference_mode):
        with surroundings():
            assert bounds(*networks, n=7).log == first
            _, J = jacobian(networks[0], torch.tensor(0.3), torch.ones(4, 2))
        assert torch.equal(J, jacobian(networks[0], 0.3, torch.ones(4, 2))[1])
        assert J.abs().max() > 0


def test_the_precision_is_that_of_the_networks():
    single = [velocity.MLP(2, 16, 1, seed=i) for i in (0, 1)]
    double = [velocity.MLP(2, 16, 1, seed=i).double() for i in (0, 1)]
    x0 = noise(7, 2)
    ladders = [bounds(*single, x0=x0), bounds(*double, x0=x0.float()), bounds(single[0], double[1], x0=x0)]
    assert [ladder.pair.x.dtype for ladder in ladders] == [torch.float32, torch.float64, torch.float32]
    for ladder in ladders:
        assert ladder.coupled == pytest.approx(ladders[1].coupled, rel=0.01)
        assert_ordered(ladder)
    with pytest.raises(ValueError, match=r"policy computes in torch\.bfloat16; allowed: float32 or float64"):
        bounds(velocity.MLP(2, 16, 1).bfloat16(), single[1], n=5)


class Noisy(torch.nn.Module):
    """A network that is another one, and moves, while it is trained."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.event_shape = torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.5), (2,)

    def forward(self, t, x):
        return self.drop(self.norm(x))


def test_networks_in_training_are_measured_at_rest_and_stay_as_they_were():
    network, field = Noisy(), velocity.MLP(2, 16, 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    expected = bounds(network.eval(), field, n=7).log
    network.train()
    assert bounds(network, field, n=7).log == bounds(lambda t, x: network(t, x), field, n=7).log == expected
    assert torch.equal(jacobian(network, 0.3, torch.ones(3, 2))[1], jacobian(network.eval(), 0.3, torch.ones(3, 2))[1])
    assert all(torch.equal(value, before[name]) for name, value in network.train().state_dict().items())
    assert all(part.training for part in network.modules())


def test_a_velocity_that_writes_into_its_argument_changes_nothing():
    plain = bounds(lambda t, x: 0.5 * x, lambda t, x: -0.5 * x, x0=noise(5, 2)).log
    assert bounds(lambda t, x: x.mul_(0.5), lambda t, x: x.mul_(-0.5), x0=noise(5, 2)).log == pytest.approx(plain)


def test_a_network_seen_through_detached_points_still_has_a_jacobian():
    """Its parameters give the answer a graph, but not one that leads back to x."""
    network, x = velocity.MLP(2, 16, 1).double(), noise(6, 2)
    _, exact = jacobian(network, 0.3, x)
    _, by_differences = jacobian(lambda t, x: network(t, x.detach()), 0.3, x)
    _, from_numpy = jacobian(lambda t, x: np.sin(x.numpy()), 0.3, x)
    assert torch.allclose(by_differences, exact, atol=1e-6)
    assert torch.allclose(from_numpy, torch.diag_embed(x.cos()), atol=1e-6)


def test_a_smaller_tol_is_no_worse_where_mass_crosses_between_modes():
    """The work goes to the few panels of time that hold a spike, not evenly to all until none is left for them."""
    fields = [velocity.MixtureField(targets.get(name)) for name in ("four_modes", "eight_gaussians")]
    x0 = noise(60, 2)[40:]
    for tol in (0.005, 1e-4):
        ladder = bounds(*fields, x0=x0, tol=tol)
        assert ladder.identity == pytest.approx(ladder.coupled, rel=2 * tol + 0.01)
        assert ladder.rungs["flow_map"].certified
        assert_ordered(ladder)


def test_a_coarse_flow_map_is_not_certified():
    fields = [Field(lambda t, x: -x, 2), Field(lambda t, x: 1 - x, 2)]
    certified = [bounds(*fields, x0=noise(5, 2), tol=tol).rungs["flow_map"].certified for tol in (0.1, 0.2)]
    assert certified == [True, False]


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
        (lambda: sliced_w2_squared(x, x, 2**70, generator=torch.Generator()), "projections is 1180591620717411303424"),
        (lambda: sliced_w2_squared(x, x, generator=None), "generator is None"),
        (lambda: sinkhorn_w2_squared(x, x, 0.0), "epsilon is 0"),
        (lambda: sinkhorn_w2_squared(x, x, 1e-12), "epsilon is 1e-12"),
        (lambda: sinkhorn_w2_squared(x, x, max_iterations=0), "max_iterations is 0"),
        (lambda: w2_squared_gaussian(two, torch.eye(2) * math.nan, two, torch.eye(2)), "cov_a holds NaN"),
        (lambda: w2_squared_gaussian(two, torch.tensor([[1.0, 0.5], [0.0, 1.0]]), two, torch.eye(2)), "cov_a is"),
        (lambda: w2_squared_gaussian(torch.zeros(0), torch.zeros(0, 0), two, torch.eye(2)), "mean_a is"),
        (lambda: bounds(plain, plain), "x0 is None"),
        (lambda: bounds(v, v, n=1), "n is 1"),
        (lambda: bounds(v, v, seed=-1), "seed is -1"),
        (lambda: bounds(v, v, x0=torch.zeros(3, 2, 2)), "x0 is a tensor"),
        (lambda: bounds(v, v, x0=torch.zeros(3, 20)), "x0 is a tensor"),
        (lambda: bounds(v, v, x0=torch.zeros(10_001, 2)), "x0 is a tensor.*n <= 10,000"),
        (lambda: bounds(v, v, n=10_001), "n is 10001"),
        (lambda: bounds(v, v, seed=2**32), "seed is 4294967296"),
        (lambda: bounds(v, v, seed=1.5), "seed is 1.5"),
        (lambda: bounds(v, v, n=5, tol=0.0), "tol is 0"),
        (lambda: bounds(v, v, n=5, tol=1e3), "tol is 1000"),
        (
            lambda: bounds(v, lambda x, t: x, n=5),
            r"reference takes \(x, t\); allowed: a velocity v\(t, x\), time first",
        ),
        (lambda: bounds(3, v, n=5), "policy is 3"),
        (lambda: bounds(v, lambda t, x: x - x.mean(0), n=5), r"reference\(t, x\) depends on which other points"),
        (lambda: bounds(v, lambda t, x: x * (1 + t.ndim), n=5), r"reference\(t, x\) differs between"),
        (
            lambda: bounds(v, lambda t, x: (1 - x[:, :1] * 0 - t.max()) ** -2 * x, n=5),
            "reference has a flow that cannot",
        ),
        (
            lambda: bounds(v, lambda t, x: x.abs().sqrt() * x, x0=torch.zeros(3, 2)),
            "reference has a flow that cannot",
        ),
        (lambda: jacobian(v, 0.5, torch.zeros(3, 1, 2)), r"x is a tensor of shape \(3, 1, 2\)"),
        (lambda: jacobian(v, torch.zeros(2), torch.zeros(3, 2)), r"t is a tensor of shape \(2,\)"),
        (lambda: jacobian(v, -1, torch.zeros(3, 2)), "t is -1"),
        (lambda: jacobian(lambda t, x: x[:, 0], 0.5, torch.zeros(3, 2)), r"v\(t, x\) is a tensor of shape \(3,\)"),
        (lambda: bounds(v, velocity.MLP(3), n=5), "x is a tensor of shape"),
        (lambda: bounds(v, lambda t, x: t * x, n=5), "reference raised RuntimeError"),
        (lambda: bounds(lambda t, x: x[:, :1], v, n=5), r"policy\(t, x\) is a tensor of shape \(5, 1\)"),
        (lambda: bounds(lambda t, x: x / 0, v, n=5), r"policy\(t, x\) is NaN or infinite"),
        (lambda: bounds(v, Field(lambda t, x: 1e3 * x**3, 2), n=5), "reference has a flow that cannot be followed"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_jacobian_that_is_not_finite_is_named():
    """Policy to the right, reference to the left; half way between them, where neither goes, is a kink."""

    def kinked(t, x):
        u, between = 0 * x - 1, (x.abs() < 0.05) & (t.reshape(-1, 1) > 0.4)
        u[between] = u[between] + (0 * x[between]).sqrt()
        return u

    with pytest.raises(ValueError, match=r"reference has a Jacobian that is not finite at time 0\.4"):
        bounds(lambda t, x: 0 * x + 1, kinked, x0=0.01 * noise(5, 1))


def test_the_module_offers_distances_and_ladder():
    assert {"bounds", "w2_squared", "w2_squared_gaussian"} <= set(wasserstein.__all__)
