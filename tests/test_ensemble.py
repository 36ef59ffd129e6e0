"""Many runs as one program: each is the run that it would be alone, and none knows of another."""

import copy

import pytest
import torch
from torch import nn

from orwlab import adapters, flow, rewards, targets, velocity, zoo
from orwlab.finetune import FineTuning
from orwlab.methods import stacked
from orwlab.methods.ensemble import Ensemble
from orwlab.methods.run import Diverged

RIGHT = rewards.get("right")
EACH = {"alpha": [0.0, 0.3, 1.0, 30.0], "tau": [1.0, 4.0, 0.5, 2.0], "seed": [0, 7, 7, 2**32 - 1]}


def noise(n, *shape, seed=99):
    return torch.randn(n, *(shape or (2,)), generator=torch.Generator().manual_seed(seed))


def advance(run, n):
    return list(run.rounds(n))


def alone(reference, i, reward=RIGHT, each=EACH, **more):
    return FineTuning(reference, reward, **{name: values[i] for name, values in each.items()}, **more)


def apart(a, b):
    """The largest distance of two runs' states, beside the size of their numbers."""
    a, b = a.state_dict(), b.state_dict()
    assert a.keys() == b.keys()
    pairs = [(a[key].double(), b[key].double()) for key in a]
    return max(float((x - y).abs().max() / x.abs().max().clamp_min(1.0)) for x, y in pairs)


def mlp(dtype=torch.float64):
    return velocity.MLP(2, 16, 2).to(dtype)


SETTINGS = {
    "raw": {},
    "mean one, several steps on a pool": dict(weighting="mean_one", steps_per_round=3, pool_size=20),
    "clipped": dict(weighting="clipped", steps_per_round=2),
    "a control variate": dict(control_variate=0.7, weighting="mean_one", steps_per_round=2, pool_size=20),
    "a cosine path and Euler": dict(path="cosine", sampler=("euler", 4), average_decay=1.0),
    "offline": dict(data=2 * noise(50), steps_per_round=2),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_each_run_is_the_run_that_it_would_be_alone(settings):
    reference = mlp()
    ensemble = Ensemble(reference, RIGHT, **EACH, batch_size=12, lr=3e-3, **settings)
    seen = advance(ensemble, 20)
    for i in range(4):
        run = alone(reference, i, batch_size=12, lr=3e-3, **settings)
        for mine, theirs in zip(advance(run, 20), seen, strict=True):
            for name in ("reward", "penalty", "fit", "ess", "alpha", "tau"):
                assert getattr(mine, name) == pytest.approx(float(getattr(theirs, name)[i]), rel=1e-9, abs=1e-12)
        assert apart(run, ensemble.run(i)) < 1e-10
    assert seen[-1].penalty.unique().numel() == 4, "and they differ from one another"


NETWORKS = {
    "mlp": lambda: zoo.load("eight_gaussians"),
    "residual": lambda: velocity.ResidualMLP((1, 4, 4), 16, 2),
    "unet": lambda: velocity.UNet((1, 8, 8), 8, 1),
    "preconditioned": lambda: velocity.Preconditioned(velocity.MLP(2, 16, 1), torch.tensor([5.0, -3.0]), 2.5),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_so_it_is_for_every_network_and_in_float32(make):
    reference, settings = make(), dict(batch_size=8, steps_per_round=2, weighting="mean_one")
    reward = lambda x: x.flatten(1).mean(1).tanh()  # noqa: E731
    ensemble = Ensemble(reference, reward, **EACH, **settings)
    x0 = noise(6, *reference.event_shape)
    last = list(ensemble.rounds(4, watch=x0))[-1]
    assert ensemble.samples(x0, average=True).shape == (4, 6, *reference.event_shape)
    for i in range(4):
        run = alone(reference, i, reward, **settings)
        snapshot = list(run.rounds(4, watch=x0))[-1]
        assert float(last.penalty[i]) == pytest.approx(snapshot.penalty, rel=1e-3, abs=1e-9)
        assert torch.allclose(last.samples[i], snapshot.samples, atol=1e-4)
        assert torch.allclose(ensemble.samples(x0)[i], snapshot.samples, atol=1e-4)
        average = flow.push(run.average, x0, run.sampler)
        assert torch.allclose(ensemble.samples(x0, average=True)[i], average, atol=1e-4)


def test_a_run_goes_on_alone_as_it_would_have_here():
    settings = dict(batch_size=8, pool_size=10, steps_per_round=2)
    ensemble = Ensemble(mlp(), RIGHT, **EACH, **settings)
    advance(ensemble, 3)
    run = ensemble.run(2)
    assert (run.round, run.steps, run.seed, run.cost.rewards) == (3, 6, 7, 30)
    same = alone(mlp(), 2, **settings)
    advance(same, 3)
    assert run._good["round"] == same._good["round"] == 2, "and knows where to go back to"
    assert torch.allclose(run._good["policy.net.0.weight"], same._good["policy.net.0.weight"], atol=1e-12)
    advance(run, 5), advance(ensemble, 5)
    assert apart(run, ensemble.run(2)) < 1e-10
    with pytest.raises(ValueError, match="i is 4; allowed"):
        ensemble.run(4)


def test_no_run_knows_of_another():
    """Bit for bit: whatever becomes of the others, in a stack of the same size."""
    one = Ensemble(mlp(), RIGHT, alpha=[1.0, 0.1, 3.0], seed=[1, 2, 3], batch_size=8)
    two = Ensemble(mlp(), RIGHT, alpha=[0.0, 0.1, 9.0], tau=[9.0, 1.0, 2.0], seed=[8, 2, 8], batch_size=8)
    advance(one, 10), advance(two, 10)
    assert apart(one.run(1), two.run(1)) == 0
    assert apart(one.run(0), two.run(0)) > 1e-3


def test_one_number_is_for_all_and_settings_may_change_between_rounds():
    reference = mlp()
    ensemble = Ensemble(reference, RIGHT, alpha=1.0, tau=2.0, seed=range(3), batch_size=8)
    assert (ensemble.runs, ensemble.alpha, ensemble.seed) == (3, (1.0, 1.0, 1.0), (0, 1, 2))
    runs = [FineTuning(reference, RIGHT, alpha=1.0, tau=2.0, seed=i, batch_size=8) for i in range(3)]
    for change in ({}, {"alpha": [0.1, 1.0, 5.0], "lr": 1e-2}, {"tau": 0.5}, {"reward": rewards.get("ring")}):
        for name, value in change.items():
            setattr(ensemble, name, value)
            for i, run in enumerate(runs):
                setattr(run, name, value[i] if isinstance(value, list) else value)
        advance(ensemble, 2), [advance(run, 2) for run in runs]
    assert max(apart(run, ensemble.run(i)) for i, run in enumerate(runs)) < 1e-10
    for wrong in ([1.0, 2.0], -1.0, [1.0, 2.0, float("nan")], "one", []):
        with pytest.raises(ValueError, match="alpha is"):
            ensemble.alpha = wrong


def test_the_unit_of_weights_follows_each_runs_own():
    """Rewards that grow by hundreds of nats in one run, and stay in the other."""
    shift = [0.0]
    reward = lambda x: RIGHT(x) + shift[0]  # noqa: E731
    ensemble = Ensemble(mlp(), reward, tau=[1.0, 0.01], alpha=0.0, batch_size=8)
    runs = [FineTuning(mlp(), reward, tau=tau, alpha=0.0, batch_size=8) for tau in (1.0, 0.01)]
    for value in (0.0, 300.0, -200.0):
        shift[0] = value
        advance(ensemble, 2), [advance(run, 2) for run in runs]
    assert max(apart(run, ensemble.run(i)) for i, run in enumerate(runs)) < 1e-9


def test_the_reference_is_held_once_and_so_is_what_does_not_learn():
    reference = velocity.MLP(2, 16, 2)
    reference.net[0].requires_grad_(False)
    ensemble = Ensemble(reference, RIGHT, seed=range(50), batch_size=4)
    size = sum(p.numel() for p in reference.parameters())
    learning = sum(p.numel() for p in reference.parameters() if p.requires_grad)
    assert sum(p.numel() for p in ensemble.reference.parameters()) == size
    assert sum(p.numel() for p in ensemble.policy.parameters()) == size - learning + 50 * learning
    advance(ensemble, 2)
    first = ensemble.run(49).policy.net[0]
    assert torch.equal(first.weight, reference.net[0].weight)
    assert not first.weight.requires_grad


def test_weights_that_two_layers_share_are_still_one():
    class Tied(nn.Module):
        event_shape = (2,)

        def __init__(self):
            super().__init__()
            self.one = nn.utils.skip_init(nn.Linear, 2, 2)
            self.one.load_state_dict({"weight": torch.eye(2), "bias": torch.ones(2)})
            self.other = self.one

        def forward(self, t, x):
            return self.other(self.one(x).tanh())

    network = Tied()
    ensemble = Ensemble(network, RIGHT, seed=[0, 1], batch_size=4)
    run = FineTuning(network, RIGHT, seed=1, batch_size=4)
    advance(ensemble, 3), advance(run, 3)
    assert torch.allclose(ensemble.run(1).policy.one.weight, run.policy.one.weight, atol=1e-5)


# Runs that stop -------------------------------------------------------------------------------------------------------


class Brittle(nn.Module):
    """A drift that breaks beyond 1: with a temperature that nothing holds it soon gets there."""

    event_shape = (1,)

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, t, x):
        return self.b + 0 * x + torch.where(self.b > 1, torch.inf, 0.0)


def up(x):
    return x[:, 0]


BRITTLE = dict(batch_size=16, lr=0.08, sampler=("euler", 2))


@pytest.mark.parametrize(
    ("more", "what"),
    [(BRITTLE, "policy's samples"), (BRITTLE | dict(steps_per_round=9, pool_size=20), "loss or its gradient")],
)
def test_a_run_that_diverges_stops_alone(more, what):
    """And the others go on bit for bit as beside one that does not, whether it is found in a draw or in a step."""
    wild = Ensemble(Brittle(), up, tau=[1.0, 4.0, 0.5], alpha=[1e3, 0.0, 1e3], seed=[3, 4, 5], **more)
    calm = Ensemble(Brittle(), up, tau=[1.0, 0.1, 0.5], alpha=[1e3, 1e6, 1e3], seed=[3, 4, 5], **more)
    run = FineTuning(Brittle(), up, tau=4.0, alpha=0.0, seed=4, **more)
    with pytest.raises(Diverged, match=what) as single:
        advance(run, 40)
    snapshots = advance(wild, 40)
    assert wild.stopped.keys() == {1}
    found = wild.stopped[1]
    assert (found.what, found.round) == (single.value.what, single.value.round)
    assert "run 1, alpha 0, tau 4, lr 0.08" in str(found)
    assert apart(run, wild.run(1)) < 1e-5, "back at the same state"
    at = found.round - 1
    assert all(s.going.tolist() == [True, True, True] for s in snapshots[:at])
    assert all(s.going.tolist() == [True, False, True] for s in snapshots[at:])
    assert snapshots[at].reward.isnan().tolist() == [False, True, False]
    advance(calm, 40)
    assert [apart(wild.run(i), calm.run(i)) for i in (0, 2)] == [0, 0]
    assert wild.samples(noise(5, 1)).isfinite().all()


def test_where_a_gradient_stops_being_finite():
    """Bad numbers in one run's policy, as from a kernel that failed, in the midst of a round."""
    ensemble = Ensemble(mlp(), RIGHT, seed=[0, 1, 2], batch_size=8, steps_per_round=3)
    twin = copy.deepcopy(ensemble)
    advance(ensemble, 2), advance(twin, 2)
    before = twin.run(1)
    original, calls = ensemble._penalty, []

    def failing(t, v_t, v_ref_t):
        calls.append(1)
        bad = torch.ones(24, 1, dtype=v_t.dtype)
        bad[8:16] = float("nan") if len(calls) == 2 else 1.0
        return original(t, v_t * bad, v_ref_t)

    ensemble._penalty = failing
    advance(ensemble, 4), advance(twin, 4)
    assert ensemble.stopped[1].what == "loss or its gradient"
    assert ensemble.stopped[1].round == 3
    assert apart(before, ensemble.run(1)) == 0, "as it was before that round"
    assert all(v.isfinite().all() for v in ensemble.state_dict().values()), "nothing odd stays anywhere"
    assert [apart(ensemble.run(i), twin.run(i)) for i in (0, 2)] == [0, 0]


def test_where_all_have_stopped_it_says_so(tmp_path):
    ensemble = Ensemble(Brittle(), up, tau=4.0, alpha=0.0, seed=[3, 4], **BRITTLE)
    with pytest.raises(Diverged, match=r"policy's samples stopped being finite in round \d+ \(run \d, alpha 0, tau 4"):
        advance(ensemble, 100)
    assert ensemble.stopped.keys() == {0, 1}
    ensemble.save(tmp_path / "all.safetensors")
    again = Ensemble.load(tmp_path / "all.safetensors", reward=up, reference=Brittle(), policy=Brittle())
    for kept in (ensemble, again):
        with pytest.raises(Diverged):
            advance(kept, 1)
        assert str(kept.stopped[0]) == str(ensemble.stopped[0])
        alone_again = kept.run(0)
        alone_again.alpha = 1e6
        assert len(advance(alone_again, 1)) == 1, "and with more to hold it goes on"


# Keeping an ensemble --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", ["own", "shared"])
def test_an_ensemble_goes_on_from_its_file(tmp_path, draws):
    reference = flow.fit(noise(64) * 3 + 5, steps=3, progress=False)
    settings = dict(batch_size=8, pool_size=10, steps_per_round=2, control_variate=0.5, draws=draws)
    ensemble = Ensemble(reference, RIGHT, **EACH, **settings)
    advance(ensemble, 3)
    ensemble.save(tmp_path / "ensemble.safetensors")
    again = Ensemble.load(tmp_path / "ensemble.safetensors", reward=RIGHT)
    assert again.settings() == ensemble.settings()
    advance(ensemble, 3), advance(again, 3)
    assert apart(ensemble, again) == 0
    with pytest.raises(ValueError, match="allowed: a run of FineTuning"):
        FineTuning.load(tmp_path / "ensemble.safetensors", reward=RIGHT)


def test_a_file_keeps_the_runs_that_have_stopped(tmp_path):
    ensemble = Ensemble(Brittle(), up, seed=[3, 4], tau=[1.0, 4.0], alpha=[1e3, 0.0], **BRITTLE)
    advance(ensemble, 40)
    ensemble.save(tmp_path / "ensemble.safetensors")
    again = Ensemble.load(tmp_path / "ensemble.safetensors", reward=up, reference=Brittle(), policy=Brittle())
    assert {i: str(why) for i, why in again.stopped.items()} == {1: str(ensemble.stopped[1])}
    advance(ensemble, 2), advance(again, 2)
    assert apart(ensemble, again) == 0
    assert apart(ensemble.run(1), again.run(1)) == 0


def test_whatever_else_ends_a_round_leaves_it_as_it_was():
    ensemble = Ensemble(mlp(), RIGHT, **EACH, batch_size=8)
    twin = copy.deepcopy(ensemble)
    advance(ensemble, 2), advance(twin, 2)
    ensemble.reward = lambda x: 1 / 0
    with pytest.raises(ValueError, match="reward raised ZeroDivisionError"):
        advance(ensemble, 1)
    ensemble.reward = RIGHT
    assert apart(ensemble, twin) == 0
    state = twin.state_dict()
    advance(twin, 3)
    twin.load_state_dict(state)
    advance(twin, 1), advance(ensemble, 1)
    assert apart(ensemble, twin) == 0
    with pytest.raises(ValueError, match="policy is"):
        Ensemble(mlp(), RIGHT, seed=range(3)).load_state_dict(state)


# One generator for all ------------------------------------------------------------------------------------------------


def test_shared_draws_have_the_same_law():
    """Mean rewards of one round are normal; 200 runs of either kind agree, and so do their penalties after ten."""
    reference = zoo.load("eight_gaussians")
    settings = dict(seed=range(200), batch_size=16, pool_size=24, lr=3e-3)
    found = {}
    for draws in ("own", "shared"):
        snapshots = advance(Ensemble(reference, RIGHT, draws=draws, **settings), 10)
        found[draws] = snapshots[0].reward, snapshots[-1].penalty
    for own, shared in zip(*found.values(), strict=True):
        error = ((own.var() + shared.var()) / 200).sqrt()
        assert float((own.mean() - shared.mean()).abs() / error) < 3.5
        assert 0.7 < float(own.std() / shared.std()) < 1.4
    rewards_of_one = found["shared"][0]
    assert rewards_of_one.unique().numel() == 200, "no two runs draw the same"


def test_the_seeds_of_shared_draws_and_the_pieces_of_a_pool():
    def run(*seeds):
        ensemble = Ensemble(mlp(), RIGHT, seed=seeds, batch_size=6, pool_size=9, draws="shared")
        return advance(ensemble, 2)[-1].reward.tolist(), ensemble

    assert run(0, 1)[0] == run(0, 1)[0]
    assert run(0, 1)[0] != run(1, 0)[0]
    for draws in ("own", "shared"):
        ensemble = Ensemble(mlp(), RIGHT, seed=[0, 1], batch_size=6, pool_size=9, draws=draws)
        rows = ensemble._some(9, 6).reshape(2, 6)
        assert [len(set(row.tolist())) for row in rows] == [6, 6], "none twice"
        assert rows[0].max() < 9 <= rows[1].min(), "each from its own draw"
    alone_now = run(0, 1)[1].run(1)
    assert alone_now.round == 2
    advance(alone_now, 1)


def test_seeds_that_are_equal_draw_the_same():
    first = advance(Ensemble(mlp(), RIGHT, seed=[5, 5, 6], batch_size=8), 1)[0]
    assert first.reward[0] == first.reward[1] != first.reward[2]


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (dict(coupling="ot"), "coupling is 'ot'; allowed: 'independent'"),
        (dict(rank=4), "rank is 4; allowed: None"),
        (dict(draws="mine"), "draws is 'mine'; allowed: one of 'own', 'shared'"),
        (dict(alpha=[1.0, 2.0], seed=[1, 2, 3]), r"alpha is \(1.0, 2.0\); allowed: one for all, or one for each of 3"),
        (dict(tau=[1.0, -1.0]), "tau is -1.0; allowed: a finite number >= 0"),
        (dict(seed=[]), r"seed is \[\]; allowed: a number, or a list with one for each run"),
        (dict(seed="12"), "seed is '12'"),
    ],
)
def test_bad_arguments_are_named(more, message):
    with pytest.raises(ValueError, match=message):
        Ensemble(mlp(), RIGHT, **more)


def test_a_reference_that_cannot_learn_is_named():
    with pytest.raises(ValueError, match="reference is MixtureField"):
        Ensemble(velocity.MixtureField(targets.get("gaussian")), RIGHT)
    ensemble = Ensemble(velocity.MixtureField(targets.get("gaussian")), RIGHT, policy=mlp(), seed=[0, 1], batch_size=4)
    assert advance(ensemble, 1)[0].penalty.isfinite().all()


# Stacks ---------------------------------------------------------------------------------------------------------------


def test_a_stack_answers_as_its_networks_do():
    stack = stacked.stack(velocity.ResidualMLP((3, 2), 8, 1), 3)
    with torch.no_grad():
        for p in stack.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    x, t = noise(12, 3, 2), torch.rand(12, generator=torch.Generator().manual_seed(1))
    for i, rows in enumerate(torch.arange(12).split(4)):
        one = stacked.alone(stack, i)
        assert torch.allclose(stack(t, x)[rows], one(t[rows], x[rows]), atol=1e-5)
        assert torch.allclose(stack(0.3, x)[rows], one(0.3, x[rows]), atol=1e-5)
        own = stacked.state_alone(stack, stack.state_dict(), i)
        assert all(torch.equal(own[key], value) for key, value in one.state_dict().items())
    with pytest.raises(ValueError, match="as many points for each of 3 networks"):
        stack(0.3, x[:4])
    for wrong in (velocity.MLP(2), 3):
        with pytest.raises(ValueError, match="allowed: a stack of networks"):
            stacked.alone(wrong, 0)


def test_adapters_may_be_merged_first():
    """What the refusal leaves: a network whose adapters have become its weights is one like any other."""
    network = adapters.merged(adapters.attach(mlp(), 2)).requires_grad_()
    assert advance(Ensemble(network, RIGHT, seed=[0, 1], batch_size=4), 1)[0].reward.isfinite().all()
