"""Theorem 1 at the level of the loss, and what couplings do to the reward's signal."""

import pytest
import torch

from orwlab import couplings, losses, paths, targets, velocity, weights

N = 60_000


def draw(target, seed, path="linear", n=N):
    g = torch.Generator().manual_seed(seed)
    x1 = target.sample(n, generator=g).double()
    x0 = torch.randn(x1.shape, generator=g, dtype=torch.float64)
    t = torch.rand(n, generator=g, dtype=torch.float64)
    return x1, t, *paths.get(path).interpolate(t, x0, x1)


def z_of_stationarity(v, w, t, x_t, u_t):
    """Largest z-score of E[w (v - u) phi(t, x_t)] over test functions phi: about 0 only at the loss's minimiser."""
    phi = torch.stack([torch.ones_like(t), t, *x_t.T, *x_t.sin().T, (x_t[:, 0] * 2).cos()])  # (P, n)
    values = (w[:, None] * (v(t, x_t) - u_t))[None] * phi[:, :, None]  # (P, n, d)
    return float((values.mean(1) / (values.std(1) / len(t) ** 0.5)).abs().max())


A = torch.tensor([1.0, -0.5], dtype=torch.float64)
B = -torch.tensor([[0.8, 0.3], [0.3, 0.4]], dtype=torch.float64)


@pytest.mark.parametrize("path", paths.names())
@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("name", ["gaussian", "eight_gaussians"])
def test_theorem_1_the_weighted_loss_is_stationary_at_the_tilted_density(name, quadratic, path):
    target, tau = targets.get(name), 0.6
    reward = lambda x: x @ A + (0.5 * ((x @ B) * x).sum(-1) if quadratic else 0)  # noqa: E731
    x1, t, x_t, u_t = draw(target, seed=0, path=path)
    w = weights.log_weights(reward(x1), tau).exp()
    tilted = target.tilted(tau * A, tau * B if quadratic else None)
    z = z_of_stationarity(velocity.MixtureField(tilted, path), w, t, x_t, u_t)
    z_untilted = z_of_stationarity(velocity.MixtureField(target, path), w, t, x_t, u_t)
    assert z < 4.5
    assert z_untilted > 20


def test_the_gradient_of_fit_and_penalty_is_the_pointwise_condition(generator):
    """At v* = (E[w u] + alpha v_ref)/(E[w] + alpha) both derivatives cancel: here for one x_t shared by all."""
    u, w, v_ref, alpha = (
        torch.randn(64, 2, generator=generator),
        torch.rand(64, generator=generator),
        torch.ones(2),
        0.7,
    )
    v_star = (((w[:, None] * u).mean(0) + alpha * v_ref) / (w.mean() + alpha)).requires_grad_()
    loss = losses.fit(v_star.expand(64, 2), u, w) + alpha * losses.penalty(v_star.expand(64, 2), v_ref.expand(64, 2))
    (gradient,) = torch.autograd.grad(loss, v_star)
    assert gradient.abs().max() < 1e-6


def test_losses_sum_over_the_event_and_average_over_samples():
    v, u = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    assert losses.fit(v, u) == pytest.approx(4)
    assert losses.fit(v, u, torch.tensor([1.0, 2.0, 0.0])) == pytest.approx(4)
    assert losses.penalty(v, 3 * v) == pytest.approx(16)


def released_pairing(x0, x1, w, generator):
    """What loses the signal: x1 is resampled by transport, the weights stay in their old order."""
    rows, columns = couplings.draw_pairs(couplings.transport_plan(x0, x1, torch.ones_like(w)), generator)
    return couplings.Pairs(x0[rows], x1[columns], w)


def bias_gradient(pairing, shuffled, seeds=range(12), n=192):
    """The fit term's gradient in a constant velocity, along the reward's direction: -2 E[w u_t]. One value a seed."""
    values = []
    for seed in seeds:
        g = torch.Generator().manual_seed(seed)
        x1 = targets.get("eight_gaussians").sample(n, generator=g)
        x0 = torch.randn(n, 2, generator=g)
        w = (x1[:, 0] / 3).exp()
        if shuffled:
            w = w[torch.randperm(n, generator=g)]
        pairs = pairing(x0, x1, w, g)
        bias = torch.zeros(2, requires_grad=True)
        _, u_t = paths.get("linear").interpolate(0.5, pairs.x0, pairs.x1)
        losses.fit(bias.expand(n, 2), u_t, pairs.w).backward()
        values.append(float(bias.grad[0]))
    return torch.tensor(values)


def z_of_shuffling(pairing):
    kept, shuffled = (bias_gradient(pairing, s) for s in (False, True))
    return float((kept.mean() - shuffled.mean()).abs() / ((kept.var() + shuffled.var()) / len(kept)).sqrt())


@pytest.mark.parametrize("coupling", couplings.NAMES)
def test_shuffling_rewards_changes_the_expected_gradient(coupling):
    assert z_of_shuffling(lambda x0, x1, w, g: couplings.pair(coupling, x0, x1, w, generator=g)) > 8


def test_the_same_test_catches_weights_left_in_their_old_order():
    assert z_of_shuffling(released_pairing) < 3


def test_ot_pairs_follow_both_marginals(generator):
    """Every x0 is used once; x1 as often as its weight asks, up to the noise of drawing."""
    n = 256
    x0, x1 = torch.randn(2, n, 2, generator=generator)
    w = x1[:, 0].exp()
    pairs = couplings.pair("ot", x0, x1, w, generator=generator)
    assert torch.equal(pairs.x0.sort(0).values, x0.sort(0).values)
    weighted_mean = (w[:, None] * x1).sum(0) / w.sum()
    assert torch.allclose(pairs.x1.mean(0), weighted_mean, atol=0.1)
    assert torch.allclose(pairs.w, w.mean().expand(n))


def test_unweighted_ot_is_the_optimal_assignment(generator):
    """On a line the optimal pairing is monotone."""
    x0, x1 = torch.randn(2, 64, 1, generator=generator)
    a, b = couplings.pair_unweighted("ot", x0, x1, generator=generator)
    assert torch.equal(a.squeeze(1).argsort(), b.squeeze(1).argsort())


def test_independent_pairs_are_the_arguments(generator):
    x0, x1 = torch.randn(2, 8, 2, generator=generator)
    w = torch.rand(8, generator=generator)
    pairs = couplings.pair("independent", x0, x1, w, generator=generator)
    assert pairs.x0 is x0
    assert pairs.x1 is x1
    assert pairs.w is w


def test_bad_input_is_named(generator):
    x = torch.zeros(4, 2)
    with pytest.raises(ValueError, match="coupling is 'optimal'; allowed: one of 'independent', 'ot'"):
        couplings.pair("optimal", x, x, torch.ones(4), generator=generator)
    one, g = torch.ones(4), generator
    cases = [
        (lambda: couplings.pair("ot", x, x, torch.ones(3), generator=g), r"w is a tensor of shape \(3,\)"),
        (lambda: couplings.pair("independent", x, x, one[:, None], generator=g), r"w is a tensor of shape \(4, 1\)"),
        (lambda: couplings.pair("independent", x, x[:, :1], one, generator=g), r"x0 is a tensor of shape \(4, 2\)"),
        (lambda: couplings.pair("ot", x[:3], x, one, generator=g), r"x0 is a tensor of shape \(3, 2\)"),
        (lambda: couplings.pair("ot", x, x, -one, generator=g), "w is from -1 to -1; allowed: finite weights >= 0"),
        (lambda: couplings.pair("ot", x, x, 0 * one, generator=g), "w is from 0 to 0"),
        (lambda: couplings.pair("ot", x, x, one / 0, generator=g), "w holds NaN or infinite"),
        (lambda: couplings.pair("ot", x / 0, x, one, generator=g), "x0 holds NaN or infinite"),
        (lambda: couplings.pair("ot", x, x, one, generator=None), "generator is None"),
        (lambda: couplings.pair("independent", x, x, one, generator=0), "generator is 0"),
        (lambda: couplings.transport_plan(x.double(), x.double() + 1e300, one), "x0 and x1 are too far apart"),
        (lambda: couplings.draw_pairs(torch.zeros(3, 3), g), "plan is"),
        (lambda: couplings.draw_pairs(torch.ones(3), g), "plan is"),
        (lambda: couplings.draw_pairs(torch.ones(3, 3), None), "generator is None"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda v, u, w: losses.fit(v, u, w[:, None]), r"w is a tensor of shape \(5, 1\)"),
        (lambda v, u, w: losses.fit(v, u, w[None]), r"w is a tensor of shape \(1, 5\)"),
        (lambda v, u, w: losses.fit(v, u, w[:1]), r"w is a tensor of shape \(1,\)"),
        (lambda v, u, w: losses.fit(v, u[:1], w), r"u_t is a tensor of shape \(1, 2\)"),
        (lambda v, u, w: losses.fit(v, u[:, :1], w), r"u_t is a tensor of shape \(5, 1\)"),
        (lambda v, u, w: losses.fit(v[0], u, w), "v_t is a tensor"),
        (lambda v, u, w: losses.fit(v[:, :1], u, w), "u_t is a tensor"),
        (lambda v, u, w: losses.penalty(v, u[:1]), "v_ref_t is a tensor"),
        (lambda v, u, w: losses.penalty(v[:, None], u), "v_ref_t is a tensor"),
        (lambda v, u, w: losses.penalty(v, u.sum()), "v_ref_t is a tensor"),
        (lambda v, u, w: losses.squared_norm(v[:, 0]), "v is a tensor"),
        (lambda v, u, w: losses.squared_norm(v[:0]), "v is a tensor"),
        (lambda v, u, w: losses.fit(v * 1j, u), "v_t is a tensor"),
        (lambda v, u, w: losses.fit(v, u, "heavy"), "w is 'heavy'"),
        (lambda v, u, w: paths.get("linear").interpolate(w[:, None], v, u), r"t is a tensor of shape \(5, 1\)"),
        (lambda v, u, w: paths.get("linear").interpolate(w[:2], v, u), r"t is a tensor of shape \(2,\)"),
        (lambda v, u, w: paths.get("linear").interpolate(w, v, u[:1]), r"x0 is a tensor of shape \(5, 2\)"),
        (lambda v, u, w: paths.get("cosine").interpolate(w, v[:, :1], u), r"x0 is a tensor of shape \(5, 1\)"),
        (lambda v, u, w: paths.get("linear").interpolate(4 * w, v, u), "t is from 2 to 2; allowed: times in"),
        (lambda v, u, w: weights.log_weights(w[:, None], 1.0), r"r is a tensor of shape \(5, 1\)"),
        (lambda v, u, w: weights.effective_sample_size(v), r"log_w is a tensor of shape \(5, 2\)"),
        (lambda v, u, w: weights.unit(w[:0]), r"log_w is a tensor of shape \(0,\)"),
    ],
)
def test_nothing_broadcasts_in_silence(call, named):
    v, u, w = torch.ones(5, 2), torch.zeros(5, 2), torch.full((5,), 0.5)
    with pytest.raises(ValueError, match=named):
        call(v, u, w)


def test_a_loss_that_is_not_finite_says_so():
    v = torch.full((3, 2), torch.inf)
    assert torch.isinf(losses.fit(v, torch.zeros(3, 2)))
    assert torch.isnan(losses.penalty(v, v))


def test_losses_in_bfloat16_are_summed_in_float32(generator):
    v, u = torch.randn(2, 4000, 8, generator=generator)
    short = losses.fit(v.bfloat16(), u.bfloat16())
    assert short.dtype == torch.float32
    assert float(short) == pytest.approx(float(losses.fit(v.bfloat16().double(), u.bfloat16().double())), rel=1e-2)


@pytest.mark.parametrize("scale", [1e-300, 1e-45, 1e-12, 1.0, 1e30, 1e305])
def test_ot_pairs_are_the_same_for_weights_of_any_size(scale):
    """Only w / sum(w) is a marginal: neither sums of huge weights nor tiny weights may change it."""
    g = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, 64, 2, generator=g, dtype=torch.float64)
    w = (3 * x1[:, 0]).exp()
    w = (w / w.max()).clamp_min(2.0**-20)
    draw = lambda w: couplings.pair("ot", x0, x1, w, generator=torch.Generator().manual_seed(1))  # noqa: E731
    plain, scaled = draw(w), draw(w * scale)
    assert torch.equal(scaled.x1, plain.x1)
    assert torch.allclose(scaled.w / scale, plain.w)
    plan = couplings.transport_plan(x0, x1, w * scale)
    assert torch.allclose(plan.sum(0), w / w.sum(), atol=1e-12)
    assert torch.allclose(plan.sum(1), torch.full((64,), 1 / 64, dtype=torch.float64), atol=1e-12)


def test_ot_is_exact_far_from_the_origin(generator):
    x0, x1 = torch.randn(2, 48, 2, generator=generator, dtype=torch.float64)
    plan = couplings.transport_plan(x0, x1, torch.ones(48))
    assert torch.equal(couplings.transport_plan(x0 + 1e6, x1 + 1e6, torch.ones(48)).argmax(1), plan.argmax(1))


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_a_transport_plan_is_the_same_at_any_scale(generator, scale):
    x0, x1 = torch.randn(2, 24, 2, generator=generator, dtype=torch.float64)
    w = torch.rand(24, generator=generator, dtype=torch.float64)
    plan = couplings.transport_plan(x0, x1, w)
    assert torch.allclose(couplings.transport_plan(scale * x0, scale * x1, w), plan, atol=1e-12)
