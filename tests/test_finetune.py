import itertools
import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch

from orwlab import couplings, files, finetune, flow, metrics, rewards, solvers, targets, velocity, zoo
from orwlab.methods import orw

FineTuning = finetune.FineTuning


@pytest.fixture(scope="module")
def gaussian():
    return zoo.load("gaussian")


@pytest.fixture(scope="module")
def eight():
    return zoo.load("eight_gaussians")


def small(**changes):
    """A quick run on an untrained network, for mechanics rather than mathematics."""
    arguments = dict(reward=rewards.get("right"), batch_size=16, seed=3) | changes
    return FineTuning(velocity.MLP(2, 16, 1), **arguments)


def noise(n, seed=99, dim=2):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def advance(run, n):
    return list(run.rounds(n))


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# Theorems -----------------------------------------------------------------------------------------------------------


def test_theorem_1_offline_with_a_linear_and_a_quadratic_reward(gaussian):
    """N(0, I) weighed by exp(tau (a.x - b x_1^2 / 2)) is N(tau a / P, 1/P) with P = (1, 1 + tau b)."""
    tau, a, b = 0.5, torch.tensor([1.2, 0.6]), 2.0
    reward = lambda x: x @ a - 0.5 * b * x[:, 1] ** 2  # noqa: E731
    data = targets.get("gaussian").sample(20_000, generator=torch.Generator().manual_seed(5))
    run = FineTuning(gaussian, reward, tau=tau, alpha=0.0, data=data, lr=2e-3, batch_size=512)
    advance(run, 400)
    x = flow.sample(run.average, noise(8000))
    precision = torch.tensor([1.0, 1 + tau * b])
    assert torch.allclose(x.mean(0), tau * a / precision, atol=0.06)
    assert torch.allclose(x.var(0), 1 / precision, rtol=0.12)


def test_theorem_2_each_online_refresh_moves_a_gaussian_by_tau_a(gaussian):
    """q_N is N(N tau a, I): the mean goes up by the same step every round, the spread stays."""
    tau = 0.4
    run = FineTuning(
        gaussian, lambda x: x[:, 0], tau=tau, alpha=0.0, steps_per_round=250, pool_size=8192, lr=2e-3, seed=1
    )
    means = [0.0]
    for _ in range(3):
        advance(run, 1)
        x = flow.sample(run.average, noise(8000))
        means.append(float(x[:, 0].mean()))
        assert abs(x[:, 1].mean()) < 0.1
    assert means == pytest.approx([0, tau, 2 * tau, 3 * tau], abs=0.12)
    assert float(x[:, 0].std()) == pytest.approx(1, abs=0.12)


def test_online_collapses_without_the_w2_term_and_not_with_it(eight):
    """Theorem 2 collapses onto the best mode; Theorem 4's regulariser stops that. tau 2 to have it soon."""
    diversity = {}
    for alpha in (0.0, 1.0):
        run = FineTuning(eight, rewards.get("two_bumps"), tau=4.0, alpha=alpha, weighting="mean_one", lr=2e-3)
        advance(run, 150)
        x = flow.sample(run.average, noise(1000))
        diversity[alpha] = metrics.mean_pairwise_distance(x), float(rewards.get("two_bumps")(x).mean())
    base = metrics.mean_pairwise_distance(flow.sample(eight, noise(1000)))
    assert diversity[0.0][0] < 0.45 * base
    assert diversity[1.0][0] > 0.6 * base
    assert diversity[0.0][1] > diversity[1.0][1] + 0.1


def test_a_constant_reward_changes_nothing(eight):
    start = flow.sample(eight, noise(1500))
    moved = {}
    for name, reward in (("constant", lambda x: torch.full((len(x),), 3.0)), ("right", rewards.get("right"))):
        run = FineTuning(eight, reward, alpha=1.0, weighting="mean_one")
        advance(run, 150)
        moved[name] = metrics.energy_distance(flow.sample(run.average, noise(1500, seed=7)), start)
    fresh = abs(metrics.energy_distance(flow.sample(eight, noise(1500, seed=7)), start))
    assert moved["constant"] < fresh + 0.01
    assert moved["right"] > 0.1


def test_alpha_to_infinity_gives_v_ref(eight):
    t, x = torch.rand(500, generator=torch.Generator().manual_seed(0)), noise(500) * 2
    distance = {}
    for alpha in (0.0, 1e6):
        run = FineTuning(eight, rewards.get("right"), tau=3.0, alpha=alpha)
        advance(run, 80)
        distance[alpha] = float((run.average(t, x) - eight(t, x)).norm(dim=1).mean().detach())
    assert distance[1e6] < 0.03
    assert distance[0.0] > 10 * distance[1e6]


def test_the_reward_rises_under_every_coupling():
    for coupling, name in (("independent", "eight_gaussians"), ("ot", "eight_gaussians_ot")):
        reference = zoo.load(name)
        run = FineTuning(reference, rewards.get("right"), alpha=0.3, coupling=coupling, batch_size=192)
        advance(run, 120)
        x0 = noise(2000)
        start, end = (float(rewards.get("right")(flow.sample(v, x0)).mean()) for v in (reference, run.average))
        assert end > start + 0.4, coupling


# The loop -----------------------------------------------------------------------------------------------------------


def test_same_seed_same_numbers_another_seed_others():
    a, b, c = small(), small(), small(seed=4)
    watch = noise(5)
    last = [list(run.rounds(4, watch=watch))[-1] for run in (a, b, c)]
    assert last[0].reward == last[1].reward
    assert torch.equal(last[0].samples, last[1].samples)
    assert last[0].reward != last[2].reward
    assert not torch.equal(last[0].samples, last[2].samples)


def test_watching_and_saving_do_not_change_the_run(tmp_path):
    a, b = small(), small()
    for snapshot in a.rounds(5, watch=noise(7)):
        assert snapshot.samples.shape == (7, 2)
        a.save(tmp_path / "a.safetensors")
    advance(b, 5)
    assert equal(a.policy, b.policy)


def test_a_snapshot_keeps_its_own_policy():
    run, watch = small(lr=1e-2), noise(5)
    snapshots = run.rounds(6, watch=watch)
    first = next(snapshots)
    now = flow.push(run.policy, watch, run.sampler)
    list(snapshots)
    assert torch.equal(first.samples, now)  # bit for bit: what the run itself would draw
    assert not torch.allclose(flow.sample(run.policy, watch), now, atol=1e-3)


def test_settings_change_between_rounds():
    run = small(alpha=1.0)
    seen = []
    for snapshot in run.rounds(4):
        seen.append((snapshot.round, snapshot.alpha, snapshot.tau))
        if snapshot.round == 2:
            run.alpha, run.tau, run.lr = 0.3, 2.0, 1e-4
            run.reward = lambda x: torch.full((len(x),), 7.0)
    assert seen == [(1, 1.0, 1.0), (2, 1.0, 1.0), (3, 0.3, 2.0), (4, 0.3, 2.0)]
    assert snapshot.reward == pytest.approx(7)
    assert snapshot.ess == pytest.approx(16)


def test_what_a_snapshot_reports_is_what_happened(eight):
    """First round: the policy is the reference, so the penalty is 0 and the reward is the reference's."""
    run = FineTuning(eight, rewards.get("right"), tau=0.0, batch_size=4000, weighting="exp")
    snapshot = next(run.rounds(1))
    assert snapshot.penalty == 0
    assert snapshot.ess == pytest.approx(4000)
    reference = float(rewards.get("right")(flow.sample(eight, noise(4000))).mean())
    assert snapshot.reward == pytest.approx(reference, abs=0.05)
    assert not equal(run.policy, run.reference)


def test_offline_draws_from_the_data_only():
    data = torch.tensor([[5.0, 5.0], [7.0, 5.0]])
    seen = []
    run = small(reward=lambda x: seen.append(x.clone()) or x[:, 0], data=data)
    snapshot = advance(run, 3)[-1]
    assert set(torch.cat(seen)[:, 0].tolist()) == {5.0, 7.0}
    assert 5 < snapshot.reward < 7


def test_a_closed_form_can_be_the_reference_when_a_policy_is_given():
    field = velocity.MixtureField(targets.get("gaussian"), "cosine")
    run = FineTuning(field, rewards.get("right"), policy=velocity.MLP(2, 16, 1), batch_size=16)
    assert run.path.name == "cosine"
    assert math.isfinite(advance(run, 2)[-1].penalty)


def test_the_reference_is_not_touched(eight):
    before = [p.clone() for p in eight.parameters()]
    run = FineTuning(eight, rewards.get("right"), lr=1e-2, batch_size=16)
    advance(run, 3)
    assert all(torch.equal(a, b) for a, b in zip(before, eight.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(before, run.reference.parameters()))


def test_dropout_is_off_in_policy_and_reference():
    class Dropping(velocity.MLP):
        def forward(self, t, x):
            return torch.nn.functional.dropout(super().forward(t, x), 0.5, self.training)

    run = FineTuning(Dropping(2, 16, 1).train(), rewards.get("right"), batch_size=16)
    assert next(run.rounds(1)).penalty == 0


# When things go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds_before", [0, 3])
def test_divergence_says_what_and_keeps_the_last_good_state(rounds_before):
    run = small()
    if rounds_before:
        advance(run, rounds_before)
    good = {k: v.clone() for k, v in run.policy.state_dict().items()}
    run.lr = 1e38
    with pytest.raises(finetune.Diverged, match=r"stopped being finite in round \d+ .*lr 1e\+38.*Try a larger alpha"):
        advance(run, 5)
    assert all(torch.isfinite(p).all() for p in run.policy.parameters())
    assert all(torch.equal(a, b) for a, b in zip(good.values(), run.policy.state_dict().values()))
    assert run.round == rounds_before
    run.lr = 1e-3
    assert math.isfinite(advance(run, 2)[-1].reward)


def test_an_infinite_gradient_diverges_instead_of_spoiling_the_weights():
    class Fragile(velocity.MLP):
        def forward(self, t, x):
            out = super().forward(t, x)
            return out / 0 if torch.is_grad_enabled() else out

    run = FineTuning(Fragile(2, 16, 1), rewards.get("right"), batch_size=16)
    with pytest.raises(finetune.Diverged, match="loss or its gradient"):
        advance(run, 1)
    assert all(torch.isfinite(p).all() for p in run.policy.parameters())


def test_a_failing_reward_is_named_and_its_round_undone():
    calls = itertools.count()

    def reward(x):
        return x[:, 0] / (0 if next(calls) == 2 else 1)

    run, plain = small(reward=reward), small(reward=lambda x: x[:, 0])
    with pytest.raises(ValueError, match="reward"):
        advance(run, 5)
    assert run.round == 2
    advance(run, 3)
    advance(plain, 5)
    assert equal(run.policy, plain.policy)


def test_huge_rewards_do_not_overflow():
    run = small(reward=lambda x: 1e4 * x[:, 0], alpha=1.0)
    assert all(math.isfinite(s.reward) for s in advance(run, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(alpha=-0.1), "alpha is -0.1; allowed: a finite number >= 0"),
        (dict(alpha=math.nan), "alpha is nan"),
        (dict(tau=-1), "tau is -1"),
        (dict(lr=0.0), "lr is 0.0; allowed: a finite number > 0"),
        (dict(seed=-1), "seed is -1"),
        (dict(seed=1.5), "seed is 1.5"),
        (dict(batch_size=0), "batch_size is 0"),
        (dict(pool_size=8), "pool_size is 8; allowed: a whole number >= 16"),
        (dict(steps_per_round=0), "steps_per_round is 0"),
        (dict(weighting="softmax"), "weighting is 'softmax'"),
        (dict(coupling="sinkhorn"), "coupling is 'sinkhorn'"),
        (dict(path="bent"), "path is 'bent'"),
        (dict(sampler=("dopri5", 3)), r"sampler\[0\] is 'dopri5'"),
        (dict(average_decay=1.5), "average_decay is 1.5"),
        (dict(reward=3), "reward is 3"),
        (dict(data=torch.zeros(5, 3)), "data is a tensor of shape"),
        (dict(data=torch.full((5, 2), torch.nan)), "data holds NaN"),
        (dict(policy=velocity.MixtureField(targets.get("rings"))), "policy is"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        small(**change)


def test_more_bad_arguments_are_named(gaussian):
    run = small()
    for call, message in [
        (lambda: run.rounds(0), "n is 0"),
        (lambda: run.rounds(2, watch=torch.zeros(4, 3)), "watch is a tensor"),
        (lambda: next(run.rounds(1)).samples, "watch is None"),
        (lambda: FineTuning("eight", rewards.get("right")), "reference is 'eight'"),
        (lambda: FineTuning(velocity.MixtureField(targets.get("rings")), rewards.get("right")), "reference is"),
        (lambda: FineTuning(torch.nn.Bilinear(1, 2, 2, device="meta"), rewards.get("right")), "event_shape is None"),
        (lambda: FineTuning(gaussian, rewards.get("right"), path="cosine"), "path is 'cosine'"),
        (lambda: setattr(run, "alpha", -1), "alpha is -1"),
        (lambda: setattr(run, "tau", math.inf), "tau is inf"),
        (lambda: setattr(run, "lr", -1.0), "lr is -1"),
        (lambda: setattr(run, "reward", None), "reward is None"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    assert (run.alpha, run.tau, run.lr) == (1.0, 1.0, 1e-3)


# Keeping a run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", couplings.NAMES)
@pytest.mark.parametrize("offline", [False, True])
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path, coupling, offline):
    data = noise(40) if offline else None
    changes = dict(coupling=coupling, data=data, steps_per_round=2, pool_size=32, weighting="mean_one")
    whole, first = small(**changes), small(**changes)
    for run in (whole, first):
        advance(run, 3)
        run.alpha = 0.25
    first.save(tmp_path / "run.safetensors")
    second = FineTuning.load(tmp_path / "run.safetensors", reward=rewards.get("right"), data=data)
    assert second.round == 3
    assert second.alpha == 0.25
    a, b = advance(whole, 4)[-1], advance(second, 4)[-1]
    assert (a.round, a.reward, a.penalty, a.ess) == (b.round, b.reward, b.penalty, b.ess)
    assert equal(whole.policy, second.policy)
    assert equal(whole.average, second.average)
    assert equal(whole.reference, second.reference)


def test_killed_while_saving_the_file_is_whole_and_resumes(tmp_path):
    file = tmp_path / "run.safetensors"
    program = f"""
        import torch
        torch.set_num_threads(1)
        from orwlab import finetune, rewards, velocity
        run = finetune.FineTuning(velocity.MLP(2, 16, 1), rewards.get("right"), batch_size=16, seed=3)
        for snapshot in run.rounds(10**6):
            run.save({str(file)!r})
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        deadline = time.time() + 120
        while not file.exists() and time.time() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    resumed = FineTuning.load(file, reward=rewards.get("right"))
    assert resumed.round >= 1
    uninterrupted = small()
    advance(uninterrupted, resumed.round + 2)
    advance(resumed, 2)
    assert equal(resumed.policy, uninterrupted.policy)


def test_own_modules_are_saved_and_loaded_with_a_given_class(tmp_path):
    class Own(torch.nn.Module):
        event_shape = (2,)

        def __init__(self):
            super().__init__()
            self.net = velocity.MLP(3, 8, 1).net[0]  # a linear layer, seeded

        def forward(self, t, x):
            return self.net(torch.cat([x, t.expand(len(x))[:, None].expand(-1, 10)], 1))[:, :2]

    run = FineTuning(Own(), rewards.get("right"), batch_size=16)
    advance(run, 2)
    run.save(tmp_path / "own.safetensors")
    with pytest.raises(ValueError, match="reference is None; allowed: a module of the saved one's class"):
        FineTuning.load(tmp_path / "own.safetensors", reward=rewards.get("right"))
    again = FineTuning.load(tmp_path / "own.safetensors", reward=rewards.get("right"), reference=Own(), policy=Own())
    assert equal(again.policy, run.policy)
    with pytest.raises(ValueError, match="policy is 'MLP'"):
        FineTuning.load(
            tmp_path / "own.safetensors", reward=rewards.get("right"), reference=Own(), policy=velocity.MLP(2)
        )


def test_damaged_and_foreign_files_are_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    run = small()
    run.save(file)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[-10] ^= 0xFF
    for content in (b"", b"not a safetensors file", whole[: len(whole) // 2], whole[:-1], bytes(flipped)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="path is"):
            FineTuning.load(file, reward=rewards.get("right"))
    files.write(file, {"x": torch.zeros(2)}, {"format": "something else"})
    with pytest.raises(ValueError, match="something else"):
        FineTuning.load(file, reward=rewards.get("right"))
    with pytest.raises(ValueError, match="path is"):
        FineTuning.load(tmp_path / "missing.safetensors", reward=rewards.get("right"))
    with pytest.raises(ValueError, match="a folder that exists"):
        run.save(tmp_path / "no" / "such" / "run.safetensors")
    assert list(tmp_path.glob("*.partial")) == []


def test_an_offline_run_asks_for_its_data(tmp_path):
    small(data=noise(5)).save(tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match="data is None"):
        FineTuning.load(tmp_path / "run.safetensors", reward=rewards.get("right"))


# A constant in the reward, and other scales -------------------------------------------------------------------------


def shifted(reward, c):
    return lambda x: reward(x) + c


@pytest.mark.parametrize("c", [-1000.0, -25.0, -15.0, 15.0, 300.0])
def test_a_constant_in_the_reward_changes_nothing_at_alpha_0(eight, c):
    """Weights are only ever compared with each other; e^-25 is as good as 1."""
    right = rewards.get("right")
    (plain, moved) = (FineTuning(eight, shifted(right, shift), alpha=0, seed=0) for shift in (0.0, c))
    reached = [advance(run, 60)[-1].reward for run in (plain, moved)]
    assert reached[0] > 0.9
    assert reached[1] - c == pytest.approx(reached[0], abs=0.005)  # float32 rewards near 1000 have 4 digits left


@pytest.mark.parametrize(("c", "tau"), [(-15.0, 1.0), (-4.0, 3.0), (20.0, 0.5)])
def test_nor_does_it_with_alpha_in_the_same_unit(eight, c, tau):
    right = rewards.get("right")
    plain = FineTuning(eight, right, tau, 0.5)
    moved = FineTuning(eight, shifted(right, c), tau, 0.5 * math.exp(c * tau))
    a, b = advance(plain, 60)[-1], advance(moved, 60)[-1]
    assert b.reward - c == pytest.approx(a.reward, abs=0.002)
    assert b.penalty == pytest.approx(a.penalty, rel=0.01)
    assert b.fit * math.exp(-c * tau) == pytest.approx(a.fit, rel=0.01)


def test_nor_does_it_under_optimal_transport():
    right = rewards.get("right")
    rewarded = [advance(small(reward=shifted(right, c), coupling="ot", alpha=0.0), 30)[-1].reward - c for c in (0, -60)]
    assert rewarded[1] == pytest.approx(rewarded[0], abs=1e-3)


def test_an_alpha_however_large_or_small_is_a_number(eight):
    """The loss is divided by unit + alpha: at 1e30 it is the penalty alone, at 1e-30 the fit alone."""
    far = FineTuning(eight, rewards.get("right"), alpha=1e30)
    assert all(s.penalty < 1e-6 for s in advance(far, 20))
    near, none = (FineTuning(eight, rewards.get("right"), alpha=alpha) for alpha in (1e-30, 0.0))
    assert advance(near, 10)[-1].reward == pytest.approx(advance(none, 10)[-1].reward, abs=1e-6)


class Rising:
    def __init__(self):
        self.gained = 0

    def __call__(self, x):
        self.gained += 3
        return x[:, 0].tanh() + self.gained


@pytest.mark.parametrize("alpha", [0.0, 50.0])
def test_the_unit_follows_weights_that_drift_and_the_optimiser_does_not_notice(monkeypatch, alpha):
    """In double precision 60 nats need no new unit: with and without one, Adam takes the same steps."""
    reached = []
    for drift in (orw.DRIFT, math.inf):
        monkeypatch.setattr(orw, "DRIFT", drift)
        run = FineTuning(velocity.MLP(2, 16, 1).double(), Rising(), alpha=alpha)
        advance(run, 20)
        reached.append(run)
    with_units, without = reached
    assert with_units._log_unit > 40
    assert without._log_unit < 5
    for p, q in zip(with_units.policy.parameters(), without.policy.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-4)  # Adam's epsilon; they moved by 0.02


# Foreign callables, surroundings, floating types -----------------------------------------------------------------


def test_a_reward_may_write_into_its_argument_or_differentiate_it(eight):
    right = rewards.get("right")

    def rude(x):
        r = right(x)
        x.zero_()
        return r

    def slope(x):
        x.requires_grad_()
        r = right(x)
        (g,) = torch.autograd.grad(r.sum(), x)
        return r + 0 * g[:, 0]

    plain = FineTuning(eight, right)
    for reward in (rude, slope, lambda x: right(x).numpy(force=True)):
        other = FineTuning(eight, reward)
        advance(other, 2)
    advance(plain, 2)
    assert equal(plain.policy, other.policy)


class WithNorm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(x)[:, 0]


def test_a_reward_network_in_training_mode_stays_as_it_was():
    reward = WithNorm().train()
    before = {key: value.clone() for key, value in reward.state_dict().items()}
    advance(small(reward=reward), 2)
    assert reward.training
    assert all(torch.equal(value, before[key]) for key, value in reward.state_dict().items())


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_whoever_calls_may_have_switched_gradients_off(surroundings):
    plain = small()
    advance(plain, 3)
    with surroundings():
        inside = small()
        advance(inside, 2)
    advance(inside, 1)
    assert equal(plain.policy, inside.policy)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_run_computes_in_its_networks_floating_type(dtype):
    reference = velocity.MLP(2, 16, 1).to(dtype)
    data = targets.get("gaussian").sample(64, generator=torch.Generator().manual_seed(0))
    for given in (None, data, data.double().numpy()):
        run = FineTuning(reference, rewards.get("right"), batch_size=16, data=given)
        (snapshot,) = run.rounds(1, watch=noise(5))
        assert snapshot.samples.dtype == dtype
        assert next(run.policy.parameters()).dtype == dtype
        assert math.isfinite(snapshot.reward)
    once, twice = (FineTuning(reference, rewards.get("right"), batch_size=16) for _ in range(2))
    advance(once, 2)
    advance(twice, 2)
    assert equal(once.policy, twice.policy)


def test_double_precision_agrees_with_single():
    reference = velocity.MLP(2, 16, 1)
    runs = [FineTuning(r, rewards.get("right"), batch_size=16) for r in (reference, reference.double())]
    rewarded = [advance(run, 5)[-1].reward for run in runs]
    assert rewarded[0] == pytest.approx(rewarded[1], abs=1e-4)


def test_a_double_run_is_saved_and_resumed(tmp_path):
    run = FineTuning(velocity.MLP(2, 16, 1).double(), rewards.get("right"), batch_size=16)
    advance(run, 2)
    run.save(tmp_path / "run")
    again = FineTuning.load(tmp_path / "run", reward=rewards.get("right"))
    advance(run, 2)
    advance(again, 2)
    assert equal(run.policy, again.policy)
    assert again.dtype == torch.float64


def test_numpys_numbers_are_numbers():
    import numpy as np

    plain = small(seed=1, batch_size=16, alpha=0.5)
    other = small(seed=np.int64(1), batch_size=np.int64(16), alpha=np.float32(0.5), event_shape=np.array([2]))
    advance(plain, 2)
    advance(other, np.int64(2))
    assert equal(plain.policy, other.policy)
    assert small(seed=2**32 - 1).seed == 2**32 - 1
    for seed in (2**32, 2**64, -1, 1.0, True):
        with pytest.raises(ValueError, match=r"seed is .*; allowed: a whole number >= 0 and <= 4294967295"):
            small(seed=seed)


def test_settings_are_checked_when_they_change_too():
    run = small()
    for name, value in (("steps_per_round", 0), ("alpha", -1), ("tau", math.nan), ("lr", 0), ("reward", 3)):
        before = getattr(run, name)
        with pytest.raises(ValueError, match=f"{name} is"):
            setattr(run, name, value)
        assert getattr(run, name) == before
    with pytest.raises(ValueError, match="pool_size is 0"):
        small(pool_size=0)


class Swapped(torch.nn.Module):
    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x, t):
        return self.layer(x)


class Narrow(Swapped):
    def forward(self, t, x):
        return self.layer(x)[:, :1]


@pytest.mark.parametrize(("network", "message"), [(Swapped, r"takes \(x, t\)"), (Narrow, r"shape \(2, 1\)")])
def test_velocities_of_another_form_are_named_before_any_work(network, message):
    before = torch.get_rng_state()
    with torch.random.fork_rng():
        made = network()
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match=f"reference.*{message}"):
        FineTuning(made, rewards.get("right"))
    with pytest.raises(ValueError, match=f"policy.*{message}"):
        FineTuning(velocity.MLP(2, 8, 1), rewards.get("right"), policy=made)


# Partly frozen networks ---------------------------------------------------------------------------------------------


class Adapter(torch.nn.Module):
    """A frozen body with a small trainable part, and a parameter that nothing uses."""

    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.ones(3))
        self.body = velocity.MLP(2, 16, 1, seed=1).requires_grad_(False)
        self.low = torch.nn.Parameter(torch.zeros(2, 2))

    def forward(self, t, x):
        return self.body(t, x) + x @ self.low


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.98, 1.0])
def test_the_running_average_is_of_the_run_s_own_steps_alone(decay):
    """Shares that fall by ``decay`` and sum to 1; where the run began is not among them."""
    run, seen = small(average_decay=decay), []
    for _ in range(7):
        advance(run, 1)
        seen.append(torch.nn.utils.parameters_to_vector(run.policy.parameters()).detach().clone())
    shares = torch.tensor([decay**k for k in range(6, -1, -1)])
    expected = (shares / shares.sum()) @ torch.stack(seen)
    torch.testing.assert_close(torch.nn.utils.parameters_to_vector(run.average.parameters()), expected)


def test_the_running_average_counts_gradient_steps():
    one, three = small(average_decay=0.5), small(average_decay=0.5, steps_per_round=3)
    advance(one, 2), advance(three, 2)
    assert (one.steps, three.steps) == (2, 6)


def test_frozen_and_unused_parameters_stay_and_the_others_learn(tmp_path):
    run = FineTuning(Adapter(), rewards.get("right"), alpha=0.1, batch_size=16)
    before = {key: value.clone() for key, value in run.policy.state_dict().items()}
    advance(run, 3)
    moved = {key for key, value in run.policy.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"low"}
    run.save(tmp_path / "run")
    again = FineTuning.load(tmp_path / "run", reward=run.reward, reference=Adapter(), policy=Adapter())
    advance(run, 3)
    advance(again, 3)
    assert equal(run.policy, again.policy)
    assert equal(run.average, again.average)


def test_parts_may_be_frozen_under_way():
    run = small()
    advance(run, 2)
    first = next(run.policy.parameters())
    first.requires_grad_(False)
    kept = first.detach().clone()
    advance(run, 2)
    assert torch.equal(first, kept)


# Interrupts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, torch.OutOfMemoryError, RuntimeError, SystemExit])
@pytest.mark.parametrize("where", ["draw", "reward", "forward", "backward", "optimiser", "average"])
def test_whatever_ends_a_round_the_run_is_at_the_last_whole_one(monkeypatch, error, where):
    """Interrupted anywhere in its third round, it goes on as if nothing had happened."""
    plain, run = small(steps_per_round=3), small(steps_per_round=3)
    advance(plain, 5)
    advance(run, 2)

    def fail(*_, **__):
        raise error("now")

    with monkeypatch.context() as patch:
        if where == "draw":
            patch.setattr(flow, "sample", fail)
        elif where == "reward":
            patch.setattr(rewards, "evaluate", fail)
        elif where == "forward":
            calls = itertools.count()
            forward = run.policy.forward
            # the sampler's evaluations pass, and the first gradient step's
            patch.setattr(run.policy, "forward", lambda t, x: fail() if next(calls) == 13 else forward(t, x))
        elif where == "backward":
            patch.setattr(torch.Tensor, "backward", fail)
        elif where == "optimiser":
            steps, step = itertools.count(), run.optimizer.step
            patch.setattr(run.optimizer, "step", lambda: fail() if next(steps) == 1 else step())
        else:
            patch.setattr(torch, "_foreach_lerp_", fail)
        with pytest.raises(error):
            advance(run, 1)
    assert run.round == 2
    advance(run, 3)
    assert equal(plain.policy, run.policy)
    assert equal(plain.average, run.average)
    assert torch.equal(plain.generator.get_state(), run.generator.get_state())


def test_a_real_ctrl_c_leaves_a_whole_round():
    code = textwrap.dedent("""
        import os, signal, threading, time, torch
        from orwlab import finetune, rewards, velocity
        make = lambda: finetune.FineTuning(velocity.MLP(2, 64, 2), rewards.get("right"), steps_per_round=4)
        run = make()
        def interrupt():
            while run.round < 3: time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            for _ in run.rounds(10**6): pass
        except KeyboardInterrupt: print("stopped")
        reached = run.round
        for _ in run.rounds(2): pass
        plain = make()
        for _ in plain.rounds(reached + 2): pass
        same = all(torch.equal(a, b) for a, b in zip(run.state_dict().values(), plain.state_dict().values()))
        print(reached > 0, same)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["stopped", "True", "True"]


def test_a_divergence_can_be_sent_to_another_process():
    import pickle

    error = finetune.Diverged("loss", 7, "alpha 1")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is finetune.Diverged
    assert (str(again), again.round, again.what) == (str(error), 7, "loss")


def test_a_loaded_run_knows_its_last_good_state(tmp_path):
    """Its policy was spoiled after the last draw: the next draw is not finite, and the state before it comes back."""
    run = small()
    advance(run, 3)
    good = {key: value.clone() for key, value in run._good.items()}
    with torch.no_grad():
        next(run.policy.parameters()).fill_(math.inf)
    run.save(tmp_path / "run")
    again = FineTuning.load(tmp_path / "run", reward=run.reward)
    for spoiled in (run, again):
        with pytest.raises(finetune.Diverged):
            advance(spoiled, 1)
        assert all(torch.equal(value, good[key]) for key, value in spoiled.state_dict().items())


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_a_saved_file_has_the_permissions_that_a_new_file_gets(tmp_path):
    run, file = small(), tmp_path / "run"
    before = os.umask(0o027)
    try:
        run.save(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link"
    link.symlink_to(file)
    file.chmod(0o600)
    run.save(link)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert FineTuning.load(link, reward=run.reward).round == 0


# Solvers ------------------------------------------------------------------------------------------------------------


def test_a_run_draws_by_its_references_own_solver_unless_told_otherwise(tmp_path):
    reference, solver = velocity.MLP(2, 16, 1), solvers.midpoint(4)
    assert FineTuning(reference, rewards.get("right")).sampler == ("rk4", 3)
    reference.solver = solver
    run = FineTuning(reference, rewards.get("right"), batch_size=16)
    assert run.sampler == solver
    advance(run, 2)
    told = FineTuning(reference, rewards.get("right"), batch_size=16, sampler=("midpoint", 2))
    advance(told, 2)
    for p, q in zip(run.policy.parameters(), told.policy.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)  # the same rule
    run.save(tmp_path / "run")
    again = FineTuning.load(tmp_path / "run", reward=run.reward)
    assert again.sampler == solver
    for each in (run, again):
        advance(each, 2)
    assert equal(run.policy, again.policy)
    for sampler in ("rk4", ("rk4",), ("dopri5", 3), ("rk4", 0), 3):
        with pytest.raises(ValueError, match="sampler"):
            FineTuning(reference, rewards.get("right"), sampler=sampler)
