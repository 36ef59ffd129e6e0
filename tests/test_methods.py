"""Every method of the arena: its card, its mechanics, and its mathematics on a Gaussian, where all is known."""

import inspect
import itertools
import math

import pytest
import torch
from torch import nn

from orwlab import flow, methods, rewards, targets, velocity, zoo
from orwlab.exact import laws
from orwlab.methods import dial, rollout

NAMES = methods.names()
SLOPE = 0.6  # of the linear reward r = SLOPE x
STILL = ["adrpo", "diffusion_nft", "ddpo", "flow_grpo", "adjoint_matching", "draft", "refl"]


def linear(x):
    return SLOPE * x[:, 0]


def right(x):
    return (x[:, 0] / 2).tanh()


def level(x):
    return 0 * x[:, 0] + 3.0


def box(x):
    return (x[:, 0] > 0).to(x)


def small(name, reward=right, **changes):
    """A quick run on an untrained network, for mechanics rather than mathematics."""
    arguments = dict(strength=0.7, batch_size=16, seed=3) | changes
    return methods.get(name)(velocity.MLP(2, 16, 1), reward, **arguments)


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# What they say of themselves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_a_method_is(name):
    card = methods.card(name)
    assert card is methods.get(name).card
    assert card.name == name
    assert "arXiv" in card.source
    for text in (card.title, card.formula, card.read, card.idea, card.dial, card.goes_to, card.needs):
        assert text in str(card)
        assert text


def test_an_unknown_method_is_answered_with_those_there_are():
    for ask in (methods.get, methods.card):
        with pytest.raises(ValueError, match=r"method is 'rafts'; allowed: .*raft"):
            ask("rafts")


def test_a_method_without_a_known_limit_says_so_and_one_that_runs_away_has_none():
    cells, p, r = on_the_grid(1.0)
    for name in NAMES:
        limit = methods.get(name).exact(cells, p, r, 1.0)
        if not methods.card(name).settles:
            assert limit is None, name
        if limit is not None:
            assert limit.mean_reward > float((p * r).sum()) * cells.dx**cells.dim + 0.03
    unknown = {
        name for name in NAMES if methods.card(name).settles and methods.get(name).exact(cells, p, r, 1.0) is None
    }
    assert unknown == {"adrpo", "draft"}


# Mechanics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_rounds_are_repeatable_and_move_the_policy(name):
    first, second = small(name), small(name)
    before = {k: v.clone() for k, v in first.policy.state_dict().items()}
    a, b = ([vars(s) for s in run.rounds(3)] for run in (first, second))
    for x, y in zip(a, b, strict=True):
        assert x["reward"] == y["reward"]
        assert math.isfinite(x["penalty"])
        assert math.isfinite(x["fit"])
    assert equal(first.policy, second.policy)
    assert any(not torch.equal(v, before[k]) for k, v in first.policy.state_dict().items())
    assert a[0]["penalty"] < 1e-10, "the first step is taken at the reference"


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_run_goes_on_as_if_it_had_never_stopped(name, tmp_path):
    run = small(name) if name in ("draft", "refl") else small(name, steps_per_round=2, pool_size=20)
    list(run.rounds(2))
    run.save(tmp_path / "run.safetensors")
    again = methods.get(name).load(tmp_path / "run.safetensors", reward=right)
    assert again.settings() == run.settings()
    assert again.cost == run.cost
    list(run.rounds(2))
    list(again.rounds(2))
    assert equal(run.policy, again.policy)
    assert equal(run.average, again.average)


@pytest.mark.parametrize("name", NAMES)
def test_strength_is_a_dial_that_may_be_turned_between_rounds(name):
    run, left_alone = small(name), small(name)
    list(run.rounds(2))
    list(left_alone.rounds(2))
    run.strength = 4.0
    assert run.strength == pytest.approx(4.0)
    list(run.rounds(2))
    list(left_alone.rounds(2))
    assert not equal(run.policy, left_alone.policy)
    for bad in (0.0, -1.0, math.nan, "much"):
        with pytest.raises(ValueError, match="strength is"):
            run.strength = bad
        with pytest.raises(ValueError, match="strength is"):
            small(name, strength=bad)
    assert run.strength == pytest.approx(4.0)


class Counting(nn.Module):
    """A velocity that counts the points it is asked about, and those whose answer was differentiated."""

    event_shape = (2,)

    def __init__(self, book):
        super().__init__()
        self.inner, self.book = velocity.MLP(2, 8, 1), book

    def __deepcopy__(self, memo):
        twin = Counting(self.book)
        twin.load_state_dict(self.state_dict())
        return twin

    def forward(self, t, x):
        v = self.inner(t, x)
        self.book["forward"] += len(x)
        if v.requires_grad:
            v.register_hook(lambda g: self.book.__setitem__("backward", self.book["backward"] + len(g)))
        return v


@pytest.mark.parametrize("name", NAMES)
def test_the_cost_is_what_the_networks_and_the_reward_were_asked(name):
    book = dict(forward=0, backward=0, rewards=0)

    def reward(x):
        book["rewards"] += len(x)
        return right(x)

    run = methods.get(name)(Counting(book), reward, strength=0.7, batch_size=16, seed=3)
    if name == "reft":
        assert run.passes  # it looks at the reference once, and that counts
    book.update(forward=0, backward=0, rewards=0)
    before = vars(run.cost).copy()
    list(run.rounds(3))
    spent = {key: value - before[key] for key, value in vars(run.cost).items()}
    assert spent["forward"] == book["forward"]
    assert spent["backward"] == book["backward"]
    assert spent["rewards"] == book["rewards"] > 0
    assert spent["reward_gradients"] == (book["rewards"] if methods.card(name).gradient else 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_reward_without_a_slope_shuts_out_those_that_follow_it(name):
    if not methods.card(name).gradient:
        list(small(name, box).rounds(1))
        return
    with pytest.raises(ValueError, match="reward has no gradient"):
        small(name, box)
    with pytest.raises(ValueError, match="reward has the gradient 0"):
        small(name, lambda x: right(x).sign())
    run = small(name)
    list(run.rounds(1))
    run.reward = box  # later, too, and the run is then as it was
    with pytest.raises(ValueError, match="reward has no gradient"):
        list(run.rounds(1))
    run.reward = right
    list(run.rounds(1))
    assert run.round == 2


@pytest.mark.parametrize("name", STILL)
def test_where_no_sample_is_better_than_another_nothing_moves(name):
    run = small(name, level)
    before = {k: v.clone() for k, v in run.policy.state_dict().items()}
    list(run.rounds(4))
    assert all(torch.equal(v, before[k]) for k, v in run.policy.state_dict().items())


def test_a_threshold_that_nothing_passes_leaves_the_policy_alone():
    run = small("reft", threshold=2.0)
    before = {k: v.clone() for k, v in run.policy.state_dict().items()}
    (seen,) = run.rounds(1)
    assert seen.ess == 0
    assert all(torch.equal(v, before[k]) for k, v in run.policy.state_dict().items())


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("ddpo", {"noisy_steps": 1}, "noisy_steps is 1"),
        ("ddpo", {"noise": 0.0}, "noise is 0"),
        ("flow_grpo", {"rule": "heun"}, "rule is 'heun'"),
        ("flow_grpo", {"clip": 2.0}, "clip is 2"),
        ("adjoint_matching", {"noisy_steps": 0}, "noisy_steps is 0"),
        ("draft", {"last": 13}, "last is 13"),
        ("draft", {"held": "yes"}, "held is 'yes'"),
        ("refl", {"way_steps": 3}, "way_steps is 3"),
        ("diffusion_nft", {"mix": 0.0}, "mix is 0"),
        ("diffusion_nft", {"old_decay": 1.0}, "old_decay is 1"),
        ("awm", {"anchor": -1.0}, "anchor is -1"),
        ("reft", {"threshold": math.nan}, "threshold is nan"),
        ("raft", {"pool_size": 4}, "pool_size is 4"),
        ("adrpo", {"steps_per_round": 0}, "steps_per_round is 0"),
        ("orw_cfm_w2", {"tau": 0.0}, "tau is 0"),
        ("orw_cfm_w2", {"data": torch.zeros(3, 2)}, "data is"),
        ("draft", {"steps_per_round": 2}, "steps_per_round is 2"),
        ("refl", {"pool_size": 32}, "pool_size is 32"),
        ("ddpo", {"batch_size": 1}, "batch_size is 1"),
    ],
)
def test_a_bad_setting_is_named(name, changes, said):
    with pytest.raises(ValueError, match=f"{said}.*; allowed: "):
        small(name, **changes)


def test_a_reference_on_another_path_is_refused():
    field = velocity.MLP(2, 8, 1)
    field.path = methods.orw.paths.get("cosine")
    with pytest.raises(ValueError, match="reference is 'a velocity on the cosine path'"):
        methods.get("raft")(field, right)


# On a Gaussian, in closed form --------------------------------------------------------------------------------------
#
# Data N(0, I) and r = c x: then Cov(r, u_t | x_t) = c (1 - t) / c_t along the first axis, c_t = (1 - t)^2 + t^2, and
# the field v_ref + delta (1 - t) / c_t moves the data by delta. The tilt e^{s r} moves them by s c.


def test_an_alpha_that_no_strength_stands_for_is_named_before_anything_is_written(tmp_path):
    run = small("orw_cfm_w2")
    run.alpha = 0.0
    with pytest.raises(ValueError, match="strength is inf; allowed: "):
        run.save(tmp_path / "run.safetensors")
    assert not list(tmp_path.iterdir())


class Leaning(nn.Module):
    """The exact field of N(0, I), and ``delta (1 - t) / c_t`` along the first axis."""

    event_shape = (2,)

    def __init__(self, delta=0.0):
        super().__init__()
        self.delta = nn.Parameter(torch.tensor(delta))

    def forward(self, t, x):
        t = torch.as_tensor(t).to(x).reshape(-1, 1)
        c = (1 - t) ** 2 + t**2
        return (2 * t - 1) / c * x + self.delta * (1 - t) / c * x.new_tensor([1.0, 0.0])


def leaning(name, strength, **more):
    return methods.get(name)(Leaning(), linear, strength=strength, seed=5, **more)


@pytest.mark.parametrize(
    ("name", "more", "wanted"),
    [
        ("adrpo", {}, lambda s: s * SLOPE),
        ("diffusion_nft", {}, lambda s: s * SLOPE),
        ("diffusion_nft", {"mix": 0.5}, lambda s: s * SLOPE),
        ("awm", {"anchor": 0.0}, lambda s: s * SLOPE),
        ("awm", {"anchor": 2.0}, lambda s: SLOPE / (1 / s + 2.0)),
    ],
)
def test_the_first_round_of_a_perfect_fit_has_the_closed_form(name, more, wanted):
    strength, n = 0.25, 200_000
    run = leaning(name, strength, batch_size=n, **more)
    x1 = torch.randn(n, 2, generator=torch.Generator().manual_seed(7))
    x1, a = run._chosen(x1, linear(x1))
    t = torch.rand(n, generator=run.generator)
    x_t, u_t = methods.method.LINEAR.interpolate(t, run._noise(n), x1)
    losses = []
    for delta in (0.0, 1.0, 2.0):  # a parabola
        run.policy.delta.data.fill_(delta)
        losses.append(float(run._loss(t, x_t, u_t, a)[0].detach()))
    bend, fall = losses[0] - 2 * losses[1] + losses[2], 3 * losses[0] - 4 * losses[1] + losses[2]
    assert fall / (2 * bend) == pytest.approx(wanted(strength), rel=0.06)


def on_the_grid(strength):
    from orwlab.exact.dynamics import PopulationDynamics

    exact = PopulationDynamics(targets.get("gaussian"), right, axis=64)
    return exact.cells, exact.reference_density, exact.reward_values


@pytest.mark.parametrize(("name", "rounds"), [("adjoint_matching", 150), ("flow_grpo", 400), ("draft", 150)])
def test_methods_that_steer_settle_where_the_formula_says(name, rounds):
    """Only delta learns: both tilts move N(0, I) by s c; control by the best delta, as it has no other field."""
    strength = 0.8
    more = dict(noise=rollout.MEMORYLESS, rule="exact") if name == "flow_grpo" else {}
    more |= dict(way_steps=40) if name == "draft" else {}
    run = leaning(name, strength, batch_size=1024, lr=0.02, average_decay=0.98, **more)
    list(run.rounds(rounds))
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    moved = float((flow.sample(run.average, x0) - flow.sample(Leaning(), x0))[:, 0].mean())
    assert moved == pytest.approx(strength * SLOPE * (wanted_of_control() if name == "draft" else 1.0), rel=0.07)


def wanted_of_control():
    """Of control by ``delta (1 - t) / c_t`` alone: the best of ``c delta - lam delta^2 int ((1 - t) / c_t)^2``."""
    t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    cost = float((((1 - t) / ((1 - t) ** 2 + t**2)) ** 2).mean())
    return 1 / cost


# Noisy steps --------------------------------------------------------------------------------------------------------


def of_gaussian_data(way):
    """The variances of x at all times, and the factor by which a mean passes each step, for data N(0, I)."""
    variances, factors = [1.0], []
    for step in way:
        t = step.t
        factors.append(step.keep + step.move * (2 * t - 1) / ((1 - t) ** 2 + t**2))
        variances.append(factors[-1] ** 2 * variances[-1] + step.spread**2)
    return variances, factors


@pytest.mark.parametrize(("n", "noise"), list(itertools.product([2, 5, 20], [0.3, 0.7, math.sqrt(2), 2.0])))
def test_exact_steps_keep_the_variance_however_long_they_are(n, noise):
    way = rollout.way(n, noise)
    variances, factors = of_gaussian_data(way)
    for k, variance in enumerate(variances):
        t = k / n
        assert variance == pytest.approx((1 - t) ** 2 + t**2, rel=1e-12)
    assert factors[0] == pytest.approx(0, abs=1e-12), "the first step forgets where it began"


@pytest.mark.parametrize("noise", [0.5, 0.7, math.sqrt(2)])
def test_eulers_steps_start_too_wide_and_the_error_falls_as_the_memory_of_it_does(noise):
    """The first step, of size h, leaves an error at t = h, of which h^(noise^2) is left in the variance at the end."""
    way = rollout.way(10, noise, "euler")
    assert of_gaussian_data(way)[0][1] == pytest.approx((1 - noise**2 / 2 - 0.1) ** 2 + noise**2)
    ends = [of_gaussian_data(rollout.way(n, noise, "euler"))[0][-1] - 1 for n in (2**14, 2**16)]
    assert math.log(ends[0] / ends[1], 4) == pytest.approx(noise**2, rel=0.08)


def test_what_the_end_remembers_of_a_time_is_the_less_the_more_noise_there_is():
    """corr(x_t, x_1) = (t / sqrt(c_t))^(noise^2 / 2)."""
    n = 2000
    for noise in (0.3, 0.7, math.sqrt(2)):
        _, factors = of_gaussian_data(rollout.way(n, noise, "euler"))
        for k in (200, 1000):
            t = k / n
            c = (1 - t) ** 2 + t**2
            correlation = math.prod(factors[k:]) * math.sqrt(c)
            assert correlation == pytest.approx((t / math.sqrt(c)) ** (noise**2 / 2), rel=0.02)


def test_a_rollout_has_the_likelihood_that_its_steps_say(generator):
    way = rollout.way(6, 0.7)
    states = rollout.roll(Leaning(), torch.randn(20_000, 2, generator=generator), way, generator)
    v = rollout.along(Leaning(), way, states[:-1])
    keep, move, spread = (rollout.column(way, what, v) for what in ("keep", "move", "spread"))
    z = (states[1:] - keep * states[:-1] - move * v) / spread
    assert z.mean((1,)).abs().max() < 0.03
    assert (z.var(1) - 1).abs().max() < 0.05


# The dial -----------------------------------------------------------------------------------------------------------


def test_what_was_achieved_on_a_gaussian_is_its_closed_form():
    """The tilt e^{s r} of N(0, I) with r = c x: slope s, r^2 1, KL s^2 c^2 / 2, W2^2 s^2 c^2."""
    s = 1.5
    shift = s * SLOPE
    found = dial.achieved(Leaning(shift), Leaning(), linear, n=400, seed=2)
    assert found.strength == pytest.approx(s, rel=0.01)
    assert found.r_squared == pytest.approx(1, abs=0.01)
    assert found.kl == pytest.approx(shift**2 / 2, abs=4 * SLOPE * s / 20)
    assert found.w2_squared == pytest.approx(shift**2, rel=0.01)
    assert found.mean_reward == pytest.approx(SLOPE * shift, abs=4 * found.standard_error)
    nothing = dial.achieved(Leaning(), Leaning(), linear, n=64)
    assert nothing.kl == nothing.w2_squared == nothing.strength == 0
    assert math.isnan(nothing.r_squared)


# Learned against exact ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more", "rounds"),
    [
        ("orw_cfm_w2", {}, 200),
        ("rw_cfm", {}, 200),
        ("reft", dict(pool_size=8192, steps_per_round=300), 1),
        ("awm", {}, 200),
        ("flow_grpo", dict(noise=rollout.MEMORYLESS, rule="exact"), 150),
        ("adjoint_matching", dict(noisy_steps=10), 100),
    ],
)
def test_a_network_comes_to_the_exact_answer(name, more, rounds):
    reference, reward = zoo.load("gaussian"), rewards.get("right")
    from orwlab.exact.dynamics import PopulationDynamics

    dynamics = PopulationDynamics(targets.get("gaussian"), reward, axis=64)
    exact = methods.get(name).exact(dynamics.cells, dynamics.reference_density, reward, 2.0)
    run = methods.get(name)(reference, reward, strength=2.0, seed=0, **more)
    list(run.rounds(rounds))
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    r, r_ref = (reward(flow.sample(v, x0)).mean() for v in (run.average, reference))
    assert float(r - r_ref) == pytest.approx(exact.mean_reward, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if not methods.card(name).gradient and name != "ddpo"])
def test_rewards_that_are_shuffled_lead_nowhere(name):
    """The same rewards, handed to the wrong samples: what a method learns, it learns from whose reward is whose.

    DDPO is left out: where nothing holds it, its noise leads somewhere too.
    """
    reference, reward = zoo.load("gaussian"), rewards.get("right")
    shuffle = torch.Generator().manual_seed(8)

    def shuffled(x):
        return reward(x)[torch.randperm(len(x), generator=shuffle)]

    x0, means = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1)), []
    for r in (reward, shuffled):
        run = methods.get(name)(reference, r, strength=2.0, seed=0)
        list(run.rounds(60))
        means.append(float((reward(flow.sample(run.average, x0)) - reward(flow.sample(reference, x0))).mean()))
    assert means[0] > 0.2
    assert abs(means[1]) < 0.4 * means[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["orw_cfm_w2", "orw_cfm", "raft", "reft", "adrpo", "diffusion_nft", "awm"])
def test_one_round_that_is_fitted_well_has_the_exact_law(name):
    """Two modes on a line, 300 gradient steps on one draw of 8,192: the mean reward is the law's."""
    from orwlab.exact.dynamics import PopulationDynamics

    reference, reward = zoo.load("two_modes_1d"), rewards.get("right")
    dynamics = PopulationDynamics(targets.get("two_modes_1d"), reward)
    law = methods.get(name).exact_round(dynamics.cells, dynamics.reference_density, reward, 1.0)
    run = methods.get(name)(reference, reward, strength=1.0, seed=0, pool_size=8192, steps_per_round=300)
    list(run.rounds(1))
    x0 = torch.randn(4000, 1, generator=torch.Generator().manual_seed(1))
    r, r_ref = (reward(flow.sample(v, x0)).mean() for v in (run.average, reference))
    before = float((dynamics.reference_density * dynamics.reward_values).sum()) * dynamics.cells.dx
    assert float(r - r_ref) == pytest.approx(law.mean_reward - before, abs=0.03)


@pytest.mark.slow
def test_a_network_fits_the_best_of_two_and_drifts_where_a_perfect_fit_would_stay():
    """One round is the exact law; of a cut that is fitted again, a network smears the edge and the next cut gains."""
    from orwlab.exact.dynamics import PopulationDynamics

    reference, reward = zoo.load("gaussian"), rewards.get("right")
    dynamics = PopulationDynamics(targets.get("gaussian"), reward, axis=64)
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))

    def seen(name, rounds):
        run = methods.get(name)(reference, reward, strength=1.0, seed=0, pool_size=8192, steps_per_round=300)
        return [float(reward(flow.sample(run.average, x0)).mean()) for _ in run.rounds(rounds)]

    best = laws.best_of(dynamics.cells, dynamics.reference_density, reward, 2)
    assert seen("raft", 1)[0] == pytest.approx(best.mean_reward, abs=0.03)
    cut = seen("reft", 4)
    assert cut[3] > cut[0] + 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "strength"), [(0.3, 1.0), (0.6, 0.8)])
def test_held_control_of_a_gaussian_is_a_shift_by_half_pi(slope, strength):
    """Data N(0, I), r = slope x: each particle is moved by strength slope pi / 2."""
    reference = zoo.load("gaussian")
    run = methods.get("draft")(reference, lambda x: slope * x[:, 0], strength=strength, seed=0, way_steps=24)
    list(run.rounds(250))
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    moved = flow.sample(run.average, x0) - flow.sample(reference, x0)
    assert float(moved[:, 0].mean()) == pytest.approx(strength * slope * math.pi / 2, rel=0.06)
    assert float(moved[:, 1].mean()) == pytest.approx(0, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if not methods.card(name).settles])
def test_what_nothing_holds_goes_on_to_the_best_point(name):
    reference, reward = zoo.load("gaussian"), rewards.get("right")
    run = methods.get(name)(reference, reward, strength=3.0, seed=0)
    seen = [s.reward for s in run.rounds(120)]
    assert seen[0] < 0.2
    assert sum(seen[-10:]) / 10 > 0.75


def test_every_argument_of_a_method_is_told():
    """A run is rebuilt from its settings: each of them is an argument, of the method or of what it hands on to."""
    for name in NAMES:
        kind = methods.get(name)
        made = [part.__init__ for part in kind.__mro__ if "__init__" in vars(part)]
        known = {argument for f in made for argument in inspect.signature(f).parameters}
        assert set(kind.settings_names) <= known, name
