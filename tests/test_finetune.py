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

from orwlab import couplings, finetune, flow, metrics, rewards, targets, velocity, zoo
from orwlab import files as checkpoint

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
    method, steps = run.sampler
    now = flow.sample(run.policy, watch, method=method, steps=steps)
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
    checkpoint.write(file, {"x": torch.zeros(2)}, {"format": "something else"})
    with pytest.raises(ValueError, match="something else"):
        FineTuning.load(file, reward=rewards.get("right"))
    with pytest.raises(ValueError, match="path is"):
        FineTuning.load(tmp_path / "missing.safetensors", reward=rewards.get("right"))
    with pytest.raises(ValueError, match="existing folder"):
        run.save(tmp_path / "no" / "such" / "run.safetensors")
    assert list(tmp_path.glob("*.partial")) == []


def test_an_offline_run_asks_for_its_data(tmp_path):
    small(data=noise(5)).save(tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match="data is None"):
        FineTuning.load(tmp_path / "run.safetensors", reward=rewards.get("right"))
