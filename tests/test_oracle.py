"""The exact population dynamics against closed forms, independent schemes and itself."""

import math
import warnings
from itertools import pairwise

import pytest
import torch

from orwlab import flow, rewards, targets, velocity
from orwlab.oracle import OracleWarning, PopulationDynamics
from orwlab.targets import GaussianMixture

RIGHT = rewards.get("right")
D = torch.float64


def normal(mean=0.0, std=1.0, dim=1):
    return GaussianMixture(torch.ones(1), torch.full((1, dim), mean), std**2)


def cell_mass(dynamics):
    return dynamics.density * dynamics.cells.dx**dynamics.cells.dim


def tv(a, b):
    return 0.5 * float((a - b).abs().sum())


def exact_mass(dynamics, mixture):
    p = mixture.log_prob(dynamics.cells.flat).exp().reshape(dynamics.cells.shape)
    return p / p.sum()


# -- against closed forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eight_gaussians", "pinwheel", "three_modes_1d"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("reward", ["right", "box"])
def test_the_first_refresh_is_w_plus_alpha_times_the_reference(name, alpha, reward):
    dynamics = PopulationDynamics(targets.get(name), rewards.get(reward), tau=1.5, alpha=alpha)
    expected = ((1.5 * dynamics.reward_values).exp() + alpha) * cell_mass(dynamics)
    dynamics.step()
    # 1e-6: what lies where the reference is below 1e-9 of its maximum is not followed
    assert tv(cell_mass(dynamics), expected / expected.sum()) < 1e-6


@pytest.mark.parametrize(("name", "rounds"), [("eight_gaussians", 5), ("three_modes_1d", 3), ("pinwheel", 3)])
def test_without_the_penalty_a_linear_reward_gives_theorem_2(name, rounds):
    target = targets.get(name)
    a = torch.tensor([0.4, -0.3], dtype=D)[: target.dim]
    dynamics = PopulationDynamics(target, lambda x: x @ a.to(x), tau=0.5, alpha=0.0, extent=7.0)
    dynamics.iterate(rounds)
    expected = target.tilted(rounds * 0.5 * a)
    assert tv(cell_mass(dynamics), exact_mass(dynamics, expected)) < 1e-6
    assert dynamics.kl == pytest.approx(
        float((cell_mass(dynamics) * (dynamics.density / dynamics.reference_density).log()).sum()), abs=1e-9
    )


def test_without_the_penalty_a_quadratic_reward_narrows_a_gaussian_as_derived():
    # precision 1/s^2 -> 1/s^2 + 2 N tau c for r = -c x^2
    dynamics = PopulationDynamics(normal(0.5, 1.2), lambda x: -0.15 * x[:, 0] ** 2, tau=2.0, alpha=0.0)
    for n in range(1, 6):
        dynamics.step()
        precision = 1 / 1.2**2 + 2 * n * 2.0 * 0.15
        expected = normal(0.5 / 1.2**2 / precision, precision**-0.5)
        assert tv(cell_mass(dynamics), exact_mass(dynamics, expected)) < 1e-6
    shift = PopulationDynamics(normal(), lambda x: x[:, 0], tau=0.7, alpha=0.0)
    shift.step()
    assert shift.kl == pytest.approx(0.7**2 / 2, abs=1e-4)
    assert shift.tv == pytest.approx(math.erf(0.35 / math.sqrt(2)), abs=1e-4)


def test_house_of_cards_with_a_linear_reward_is_a_mixture_of_tilts():
    # q_n = sum_k c_k N(k tau, 1): w lifts component k to k + 1, and the reference feeds component 0
    tau, alpha = 0.3, 2.0
    dynamics = PopulationDynamics(normal(), lambda x: x[:, 0], tau=tau, alpha=alpha, penalty="reference", extent=8)
    c = torch.ones(1, dtype=D)
    for _ in range(6):
        dynamics.step()
        k = torch.arange(len(c), dtype=D)
        lifted = c * (tau * k * tau + tau**2 / 2).exp()
        c = torch.cat([torch.tensor([alpha], dtype=D), lifted])
        c = c / c.sum()
    k = torch.arange(len(c), dtype=D)[:, None]
    expected = GaussianMixture(c, k * tau, 1.0)
    assert tv(cell_mass(dynamics), exact_mass(dynamics, expected)) < 1e-6


def test_house_of_cards_converges_to_its_closed_form_above_its_threshold_and_condenses_below():
    target = targets.get("two_modes_1d")
    probe = PopulationDynamics(target, RIGHT, penalty="reference")
    w, p = probe.reward_values.exp(), cell_mass(probe)
    threshold = 1 / float((p / (math.e - w)).sum())  # w's supremum, e, is at infinity
    assert 0.8 < threshold < 1.5
    for alpha in (1.2 * threshold, 3 * threshold):
        dynamics = PopulationDynamics(target, RIGHT, alpha=alpha, penalty="reference")
        assert dynamics.fixed_point(1e-8).converged
        Z = float((w * cell_mass(dynamics)).sum())
        limit = alpha * p / (alpha + Z - w)
        assert float(limit.sum()) == pytest.approx(1, abs=1e-6)
        assert tv(cell_mass(dynamics), limit) < 1e-6
    below = PopulationDynamics(target, RIGHT, alpha=0.5 * threshold, penalty="reference")
    with pytest.warns(OracleWarning, match="running away"):
        end = below.fixed_point(1e-8)
    assert not end.converged
    own = PopulationDynamics(target, RIGHT, alpha=0.5 * threshold)  # the method itself has no such threshold
    assert own.fixed_point(1e-6).converged
    assert not own.problems


@pytest.mark.parametrize("alpha", [0.3, 1.0, 10.0])
def test_a_weak_tilt_converges_at_the_derived_rate_to_the_derived_limit(alpha):
    # h = q / p_ref - 1 obeys h' = Z / (Z + alpha) (h + w / Z - 1)
    tilt = 1e-3
    dynamics = PopulationDynamics(targets.get("two_modes_1d"), RIGHT, tau=tilt, alpha=alpha, axis=512, times=40)
    w, p = (tilt * dynamics.reward_values).exp(), cell_mass(dynamics)
    Z = float((w * p).sum())
    dynamics.step()
    h = [cell_mass(dynamics) / p - 1]
    for _ in range(3):
        dynamics.step()
        h.append(cell_mass(dynamics) / p - 1)
        predicted = Z / (Z + alpha) * (h[-2] + w / Z - 1)
        assert float((p * (h[-1] - predicted).abs()).sum()) < 0.01 * float((p * h[-1].abs()).sum())
    end = dynamics.fixed_point(1e-9, accelerated=False)
    limit = Z / alpha * (w / Z - 1)
    error = float((p * (cell_mass(dynamics) / p - 1 - limit).abs()).sum())
    assert error < 0.02 * float((p * limit.abs()).sum())
    assert end.rate == pytest.approx(Z / (Z + alpha), abs=0.01)


def test_a_constant_reward_and_an_infinite_alpha_change_nothing():
    target = targets.get("two_moons")
    constant = PopulationDynamics(target, lambda x: torch.full((len(x),), 3.0), alpha=0.5)
    constant.iterate(5)
    assert constant.tv < 1e-6
    held = PopulationDynamics(target, RIGHT, alpha=1e9)
    held.iterate(5)
    assert held.tv < 1e-6
    unpenalised = PopulationDynamics(target, lambda x: torch.full((len(x),), 3.0), alpha=0.0)
    unpenalised.iterate(5)
    assert unpenalised.tv < 1e-9


# -- against independent schemes --------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.3, 1.0, 3.0])
def test_a_product_with_a_reward_of_x_alone_stays_a_product(alpha):
    across, along = targets.get("two_modes_1d"), targets.get("three_modes_1d")

    class Product:
        dim = 2

        @staticmethod
        def log_prob(x):
            return along.log_prob(x[:, :1]) + across.log_prob(x[:, 1:])

    plane = PopulationDynamics(Product, RIGHT, alpha=alpha, axis=128, extent=6.0)
    line = PopulationDynamics(along, RIGHT, alpha=alpha, axis=9 * 128, extent=6.0, times=60)
    plane.iterate(10)
    line.iterate(10)
    fine = cell_mass(line)[4::9]  # every ninth cell of the fine line has the same centre as a cell of the plane
    other = across.log_prob(plane.cells.coordinates[:, None]).exp()
    expected = (fine / fine.sum())[:, None] * (other / other.sum())
    assert tv(cell_mass(plane), expected) <= 0.005


def exact_aim(x, g, q, p, w, alpha, t):
    """``x + (1 - t) v*(t, x)`` in one dimension, by plain sums over support points g with masses q and p."""
    K = (-((x[:, None] - t * g) ** 2) / (2 * (1 - t) ** 2)).exp() + 1e-290
    E_w, E_wx = K @ (q * w) / (K @ q), K @ (q * w * g) / (K @ q)
    return (E_wx + alpha * (K @ (p * g)) / (K @ p)) / (E_w + alpha)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_in_one_dimension_it_agrees_with_pushed_quantiles(alpha):
    # Lagrangian: the quantiles of N(0, 1) are pushed through v*; no density is ever transported
    target = targets.get("three_modes_1d")
    dynamics = PopulationDynamics(target, RIGHT, alpha=alpha, axis=512, extent=6.0, times=40)
    g, p = dynamics.cells.coordinates, cell_mass(dynamics)
    w = (g / 2.5).tanh().exp()
    level = (torch.arange(1500, dtype=D) + 0.5) / 1500
    times = (1 - torch.linspace(1, 0.12, 80, dtype=D) ** 2).tolist()
    edges = torch.linspace(-5, 5, 61, dtype=D)
    q = p
    for _ in range(4):
        x = math.sqrt(2) * torch.erfinv(2 * level - 1)
        for a, b in pairwise(times):
            k1 = (exact_aim(x, g, q, p, w, alpha, a) - x) / (1 - a)
            guess = x + (b - a) * k1
            x = x + (b - a) / 2 * (k1 + (exact_aim(guess, g, q, p, w, alpha, b) - guess) / (1 - b))
        x = exact_aim(x, g, q, p, w, alpha, times[-1])  # a straight line to t = 1
        dynamics.step()
        pushed = interpolate(edges, x, level).diff()
        ours = interpolate(edges, g + dynamics.cells.dx / 2, cell_mass(dynamics).cumsum(0)).diff()
        assert tv(pushed, ours) <= 0.002
        # the next round's data are the pushed quantiles, as cell masses
        cdf = interpolate(torch.cat([g[:1] - dynamics.cells.dx / 2, g + dynamics.cells.dx / 2]), x, level)
        q = cdf.diff().clamp_min(0) + 1e-14


def interpolate(at, x, y):
    """Piecewise linear y(x), 0 before and 1 after."""
    i = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    value = y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1])
    return value.clamp(0, 1)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_in_two_dimensions_it_agrees_with_direct_transport(alpha):
    # the noise's density is carried through v* by an adaptive solver with the exact divergence of v*:
    # neither the ratio to the reference nor the formula for the correction is used
    dynamics = PopulationDynamics(targets.get("four_modes"), RIGHT, alpha=alpha, axis=128)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        before = cell_mass(dynamics)
        dynamics.step()
        cell = torch.multinomial(cell_mass(dynamics).flatten(), 200, replacement=True, generator=generator)
        x = dynamics.cells.flat[cell]
        carried = flow.log_prob(dynamics.policy, x, rtol=1e-4, atol=1e-5)
        ratio = (carried - dynamics.density.flatten()[cell].log()).exp()
        assert 0.5 * float((ratio - 1).abs().mean()) < 0.01
        assert abs(float(ratio.mean()) - 1) < 0.01
        moved = tv(before, cell_mass(dynamics))
        assert moved > 0.04  # the agreement means something


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "limit"), [(1.0, 0.3975), (0.3, 0.674)])
def test_the_limits_for_eight_gaussians_do_not_depend_on_the_grid(alpha, limit):
    target = targets.get("eight_gaussians")
    coarse = PopulationDynamics(target, RIGHT, alpha=alpha, axis=128)
    fine = PopulationDynamics(target, RIGHT, alpha=alpha, axis=256, times=32)
    assert coarse.fixed_point(2e-5).converged
    assert fine.fixed_point(2e-5).converged
    blocks = cell_mass(fine).reshape(128, 2, 128, 2).sum((1, 3))
    assert tv(cell_mass(coarse), blocks) <= 0.008
    assert coarse.mean_reward == pytest.approx(limit, abs=0.002)
    assert fine.mean_reward == pytest.approx(limit, abs=0.001)


# -- invariants and the search for the limit ---------------------------------------------------------------------


def test_mass_is_conserved_and_mirrored_rewards_give_mirrored_densities():
    target = targets.get("rings")
    right = PopulationDynamics(target, RIGHT, alpha=0.3)
    left = PopulationDynamics(target, lambda x: RIGHT(-x), alpha=0.3)
    for _ in range(4):
        right.step()
        left.step()
        assert right.mass == pytest.approx(1, abs=0.01)
        assert float(cell_mass(right).sum()) == pytest.approx(1, abs=1e-12)
        # the ring's circles have an even number of components, so the target is its own mirror image
        assert tv(cell_mass(right), cell_mass(left).flip(0)) < 1e-6
    assert right.tv > 0.2


@pytest.mark.parametrize("alpha", [0.3, 1.0, 5.0])
def test_acceleration_finds_the_same_limit_in_fewer_rounds(alpha):
    target = targets.get("three_modes_1d")
    plain = PopulationDynamics(target, RIGHT, alpha=alpha)
    fast = PopulationDynamics(target, RIGHT, alpha=alpha)
    slow_end = plain.fixed_point(1e-7, accelerated=False)
    fast_end = fast.fixed_point(1e-6)
    assert slow_end.converged
    assert fast_end.converged
    assert fast_end.rounds < 0.7 * slow_end.rounds + 1  # one plain refresh confirms the limit
    assert tv(cell_mass(plain), cell_mass(fast)) < 1e-5
    # the plain recursion is still losing faster errors; the slowest rate is at most that of a cell on its own
    assert slow_end.rate - 0.05 < fast_end.rate < math.e / (math.e + alpha) + 0.01


def test_mean_one_weights_do_not_notice_a_constant_and_equal_raw_weights_at_a_scaled_alpha():
    target = targets.get("two_modes_1d")
    plain = PopulationDynamics(target, RIGHT, alpha=0.5, weighting="mean_one")
    lifted = PopulationDynamics(target, lambda x: RIGHT(x) + 5, alpha=0.5, weighting="mean_one")
    raw = PopulationDynamics(target, RIGHT, alpha=0.5)
    for _ in range(4):
        raw.alpha = 0.5 * float((cell_mass(raw) * raw.reward_values.exp()).sum())
        for dynamics in (plain, lifted, raw):
            dynamics.step()
    assert tv(cell_mass(plain), cell_mass(lifted)) < 1e-6
    assert tv(cell_mass(plain), cell_mass(raw)) < 1e-9
    assert plain.tv > 0.1


def test_clipped_weights_stop_at_the_clip():
    dynamics = PopulationDynamics(normal(), lambda x: 4 * x[:, 0], alpha=1.0, weighting="clipped")
    expected = ((4 * dynamics.reward_values / 4).exp().clamp_max(20.0) + 1) * cell_mass(dynamics)
    dynamics.step()
    assert tv(cell_mass(dynamics), expected / expected.sum()) < 1e-6


def test_alpha_tau_and_reward_act_from_the_next_round_on():
    target = targets.get("two_modes_1d")
    dynamics = PopulationDynamics(target, RIGHT, alpha=0.0)
    dynamics.iterate(2)
    dynamics.tau, dynamics.reward = 0.5, lambda x: -x[:, 0] / 3
    dynamics.step()
    x = dynamics.cells.coordinates
    expected = exact_mass(dynamics, target) * (2 * (x / 2.5).tanh() - x / 6).exp()
    assert tv(cell_mass(dynamics), expected / expected.sum()) < 1e-6
    dynamics.alpha, dynamics.reward = 1.0, lambda x: torch.zeros(len(x))
    dynamics.fixed_point(1e-6)  # nothing pulls any more: back to the reference
    assert dynamics.tv < 1e-4
    assert dynamics.round > 3
    dynamics.reset()
    assert dynamics.round == 0
    assert dynamics.tv < 1e-12


@pytest.mark.parametrize("tau", [50.0, 1e4])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 1e300])
def test_extreme_settings_stay_finite(tau, alpha):
    dynamics = PopulationDynamics(targets.get("four_modes"), RIGHT, tau=tau, alpha=alpha, axis=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OracleWarning)
        dynamics.iterate(4)
    assert torch.isfinite(dynamics.density).all()
    assert float(cell_mass(dynamics).sum()) == pytest.approx(1, abs=1e-9)
    assert math.isfinite(dynamics.kl)
    assert math.isfinite(dynamics.mean_reward)


# -- fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eight_gaussians", "three_modes_1d"])
def test_at_round_0_the_velocity_is_the_exact_field_of_the_mixture(name):
    target = targets.get(name)
    field = PopulationDynamics(target, RIGHT).velocity
    exact = velocity.MixtureField(target)
    generator = torch.Generator().manual_seed(0)
    for t in (0.0, 0.3, 0.6, 0.9):
        x0 = torch.randn(200, target.dim, generator=generator, dtype=D)
        x = (1 - t) * x0 + t * target.sample(200, generator=generator).double()
        assert (field(t, x) - exact(t, x)).abs().max() < 2e-3
    times = torch.rand(200, generator=generator, dtype=D)
    assert torch.allclose(field(times, x)[:3], torch.cat([field(times[i], x[i : i + 1]) for i in range(3)]))


@pytest.mark.parametrize("which", ["velocity", "policy"])
@pytest.mark.parametrize("name", ["three_modes_1d", "four_modes"])
def test_both_fields_generate_the_current_density(name, which):
    target = targets.get(name)
    dynamics = PopulationDynamics(target, RIGHT, alpha=0.5)
    dynamics.iterate(3)
    x0 = flow.noise(1000, (target.dim,), generator=torch.Generator().manual_seed(1))
    x0 = torch.cat([x0, -x0])
    x1 = flow.sample(getattr(dynamics, which), x0, method="midpoint", steps=40)
    assert x1.dtype == torch.float32
    spread = float(RIGHT(x1).std()) / math.sqrt(len(x1))
    assert float(RIGHT(x1).mean()) == pytest.approx(dynamics.mean_reward, abs=4 * spread + 0.002)
    share = torch.bincount(target.mode_of(x1), minlength=target.n_modes) / len(x1)
    assert (share - dynamics.mode_mass).abs().max() < 0.05
    assert (dynamics.mode_mass - 1 / target.n_modes).abs().max() > 0.05


def test_the_policy_is_another_field_than_the_velocity_of_its_density():
    dynamics = PopulationDynamics(targets.get("three_modes_1d"), RIGHT, alpha=0.5)
    x = torch.linspace(-2, 2, 9, dtype=D)[:, None]
    assert torch.equal(dynamics.policy(0.5, x), dynamics.velocity(0.5, x))
    dynamics.iterate(3)
    assert (dynamics.policy(0.5, x) - dynamics.velocity(0.5, x)).abs().max() > 0.05


# -- warnings and refusals ---------------------------------------------------------------------------------------


def test_it_warns_when_the_grid_is_too_coarse():
    with pytest.warns(OracleWarning, match="too coarse"):
        dynamics = PopulationDynamics(normal(std=0.05, dim=2), RIGHT, axis=64)
    assert "coarse" in dynamics.problems
    collapsing = PopulationDynamics(targets.get("four_modes"), rewards.get("bump"), alpha=0.0, tau=20.0)
    assert not collapsing.problems
    with pytest.warns(OracleWarning, match="too coarse"):
        collapsing.iterate(20)


@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_it_warns_when_an_unbounded_reward_runs_away(alpha):
    dynamics = PopulationDynamics(normal(), lambda x: x[:, 0], tau=0.5, alpha=alpha)
    with pytest.warns(OracleWarning, match="tail"):
        end = dynamics.fixed_point(1e-4, max_rounds=100, accelerated=False)
    assert not end.converged
    assert "tail" in dynamics.problems
    assert torch.isfinite(dynamics.density).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bounded = PopulationDynamics(normal(), RIGHT, tau=0.5, alpha=alpha)
        assert bounded.fixed_point(1e-5).converged


def test_it_warns_when_mass_leaves_the_domain():
    dynamics = PopulationDynamics(normal(), lambda x: x[:, 0], tau=0.5, alpha=0.0)
    with pytest.warns(OracleWarning, match="edge|next to none"):
        end = dynamics.fixed_point(1e-5)
    assert not end.converged
    assert end.rounds < 20
    assert "domain" in dynamics.problems


BAD = [
    (dict(alpha=-1.0), "alpha"),
    (dict(alpha=math.nan), "alpha"),
    (dict(tau=-0.5), "tau"),
    (dict(tau="1"), "tau"),
    (dict(weighting="soft"), "weighting"),
    (dict(penalty="both"), "penalty"),
    (dict(axis=3), "axis"),
    (dict(extent=-2.0), "extent"),
    (dict(times=1), "times"),
    (dict(reward=lambda x: x[:, 0] / 0), "reward"),
    (dict(reward=lambda x: x), "reward"),
    (dict(reward=torch.ones(5)), "reward"),
    (dict(reward=torch.full((20, 20), math.inf)), "reward"),
    (dict(reward="right"), "reward"),
    (dict(target=torch.full((20, 20), -1.0)), "density"),
    (dict(target=torch.ones(20, 30)), "density"),
    (dict(target=torch.ones(4, 4, 4)), "density"),
    (dict(target=torch.zeros(20, 20)), "density"),
    (dict(target=torch.full((20,), math.nan)), "density"),
    (dict(target="eight_gaussians"), "density"),
]


@pytest.mark.parametrize(("change", "named"), BAD)
def test_bad_input_is_refused_by_name(change, named):
    arguments = dict(target=targets.get("four_modes"), reward=RIGHT) | change
    with pytest.raises(ValueError, match=named):
        PopulationDynamics(arguments.pop("target"), arguments.pop("reward"), **arguments)


def test_a_bad_change_between_rounds_leaves_the_old_value():
    dynamics = PopulationDynamics(targets.get("two_modes_1d"), RIGHT, alpha=0.5)
    for name, value in (("alpha", -1), ("tau", math.inf), ("reward", lambda x: x.log().sum(-1))):
        with pytest.raises(ValueError, match=name):
            setattr(dynamics, name, value)
    assert (dynamics.alpha, dynamics.tau, dynamics.reward) == (0.5, 1.0, RIGHT)
    with pytest.raises(ValueError, match="tol"):
        dynamics.fixed_point(0)
    with pytest.raises(ValueError, match="n is"):
        dynamics.iterate(-1)
    dynamics.step()
    assert dynamics.tv > 0.05


@pytest.mark.parametrize(("target", "reward", "alpha"), [("eight_gaussians", "bump", 0.3), ("pinwheel", "ring", 0.3)])
def test_the_accelerated_limit_is_the_plain_one(target, reward, alpha):
    """The first of these once threw the extrapolation so far off that it never came back."""
    fast, plain = (
        PopulationDynamics(targets.get(target), rewards.get(reward), tau=1.0, alpha=alpha, axis=96) for _ in range(2)
    )
    end = fast.fixed_point(1e-3)
    plain.iterate(45)
    assert end.converged
    assert end.rounds < 30
    assert fast.mean_reward == pytest.approx(plain.mean_reward, abs=0.002)
    assert set(fast.problems) <= set(plain.problems)
