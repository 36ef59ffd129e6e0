"""Fine-tuning with prompts: the condition goes along, prompts do not compete, rivals differ where they should."""

import math

import pytest
import torch
from scipy import integrate
from torch import nn

from orwlab import flow, losses, paths, targets, velocity, weights
from orwlab.finetune import FineTuning
from orwlab.methods.prompted import PromptedFineTuning

CONDITIONS = torch.eye(3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Told(nn.Module):
    """v(t, x, c) of points: a plain network that sees c beside x."""

    event_shape = (2,)

    def __init__(self, seed=0):
        super().__init__()
        self.net = velocity.MLP(2 + CONDITIONS.shape[1], 48, 2, seed=seed)
        self.path = paths.get("linear")

    def forward(self, t, x, c):
        return self.net(t, torch.cat([x, c.to(x).expand(len(x), -1)], 1))[:, :2]


@pytest.fixture(scope="module")
def told():
    """A flow of a Gaussian whatever it is told, so that nothing but rewards makes prompts different."""
    v, generator, target = Told(), seeded(1), targets.get("gaussian")
    c = torch.eye(3).repeat(64, 1)

    def draw():
        return target.sample(len(c), generator=generator)

    flow.learn(v, flow.matching_losses(lambda t, x: v(t, x, c), draw, generator), 400, 3e-3, "", progress=False)
    return v.eval()


def towards(x, c):
    """Each prompt wants another direction."""
    way = torch.tensor([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])
    return (x * (c.to(x) @ way.to(x))).sum(1).tanh()


def begin(v, reward=towards, **more):
    more = {"tau": 2.0, "alpha": 0.3, "samples_a_prompt": 32, "lr": 3e-3, "seed": 0} | more
    return PromptedFineTuning(v, reward, CONDITIONS, **more)


def done(run, rounds, **more):
    return list(run.rounds(rounds, **more))


def test_the_first_round_is_the_reference(told):
    first = done(begin(told), 1)[0]
    assert first.penalty == 0
    assert done(begin(told, rank=2), 1)[0].penalty == 0


@pytest.mark.parametrize("rank", [None, 4])
def test_every_prompt_learns_its_own(told, rank):
    watch = torch.randn(3 * 200, 2, generator=seeded())
    run = begin(told, rank=rank, lr=3e-3 if rank is None else 1e-2)
    first, *_, last = done(run, 80, watch=watch)
    for k, (before, after) in enumerate(zip(first.samples.split(200), last.samples.split(200))):
        c = CONDITIONS[k].expand(200, -1)
        assert towards(after, c).mean() > towards(before, c).mean() + 0.1
        assert (run.told(600)[200 * k : 200 * (k + 1)] == CONDITIONS[k]).all()


def test_rewards_of_other_samples_teach_nothing(told):
    """The control: the same rewards in another order within each prompt."""
    order = torch.randperm(32, generator=seeded(7))

    def shuffled(x, c):
        return towards(x, c).reshape(-1, 32)[:, order].flatten()

    watch = torch.randn(600, 2, generator=seeded())
    gains = {}
    for name, reward in (("own", towards), ("shuffled", shuffled)):
        first, *_, last = done(begin(told, reward), 60, watch=watch)
        c = CONDITIONS.repeat_interleave(200, 0)
        gains[name] = float(towards(last.samples, c).mean() - towards(first.samples, c).mean())
    assert gains["own"] > 0.1
    assert abs(gains["shuffled"]) < gains["own"] / 3


def test_an_easy_prompt_weighs_no_more_than_a_hard_one(told):
    """What is added to all rewards of a prompt changes nothing."""
    offset = torch.tensor([0.0, 10.0, -20.0])

    def shifted(x, c):
        return towards(x, c).double() + c.double() @ offset.double()

    for one, other in zip(done(begin(told), 6), done(begin(told, shifted), 6)):
        assert one.penalty == pytest.approx(other.penalty, rel=1e-3, abs=1e-9)
        assert one.ess == pytest.approx(other.ess, rel=1e-3)
        assert one.ess > 30, "over the whole batch one prompt alone would weigh"
    r = shifted(torch.zeros(96, 2), CONDITIONS.repeat_interleave(32, 0))
    assert weights.effective_sample_size(weights.log_weights(r, 2.0, "mean_one")) < 33


def test_with_one_prompt_it_is_the_papers_method(told):
    """Bit for bit a run on the network that is bound to the prompt."""

    class Bound(nn.Module):
        event_shape, path = (2,), told.path

        def __init__(self):
            super().__init__()
            self.v = told

        def forward(self, t, x):
            return self.v(t, x, CONDITIONS[:1])

    plan = {"tau": 2.0, "alpha": 0.3, "lr": 1e-3, "seed": 3, "steps_per_round": 2}
    one = PromptedFineTuning(told, towards, CONDITIONS[:1], samples_a_prompt=16, **plan)

    def reward(x):
        return towards(x, CONDITIONS[:1].expand(len(x), -1))

    other = FineTuning(Bound(), reward, weighting="mean_one", batch_size=16, **plan)
    for mine, theirs in zip(one.rounds(5), other.rounds(5)):
        assert (mine.reward, mine.penalty, mine.fit, mine.ess) == (
            theirs.reward,
            theirs.penalty,
            theirs.fit,
            theirs.ess,
        )


def test_prompts_take_turns(told):
    seen = []

    def counted(x, c):
        seen.append(c.argmax(1)[::4].tolist())
        return towards(x, c)

    run = begin(told, counted, prompts_a_round=2, samples_a_prompt=4)
    done(run, 9)
    assert all(len(set(asked)) == 2 or len(asked) == 2 for asked in seen)
    asked = [k for one in seen for k in one]
    assert sorted(asked) == sorted([0, 1, 2] * 6)


def test_a_run_goes_on_from_its_file(told, tmp_path):
    for rank in (None, 2):
        run = begin(told, rank=rank, prompts_a_round=2, weighting="above", threshold=0.1, penalty="kl")
        done(run, 3)
        run.save(tmp_path / "run.safetensors")
        again = PromptedFineTuning.load(
            tmp_path / "run.safetensors", reward=towards, conditions=CONDITIONS, reference=told
        )
        for one, other in zip(run.rounds(4), again.rounds(4)):
            assert (one.reward, one.penalty, one.ess) == (other.reward, other.penalty, other.ess)
    with pytest.raises(ValueError, match="allowed: a run of FineTuning"):
        FineTuning.load(tmp_path / "run.safetensors", reward=towards, reference=told)


# -- the rivals --------------------------------------------------------------------------------------------------


def test_raft_sees_ranks_alone(told):
    """A reward that rises with another makes the same run."""

    def bent(x, c):
        return (3 * towards(x, c)).exp()

    for one, other in zip(done(begin(told, weighting="best"), 5), done(begin(told, bent, weighting="best"), 5)):
        assert (one.penalty, one.ess) == (other.penalty, other.ess)
        assert one.ess == pytest.approx(3), "one sample of each prompt"


def test_reft_leaves_out_what_is_below(told):
    nothing = done(begin(told, weighting="above", threshold=2.0), 2)
    assert [snapshot.ess for snapshot in nothing] == [0, 0]
    assert nothing[1].penalty == 0, "without a sample worth learning nothing is learned"
    everything = done(begin(told, weighting="above", threshold=-2.0), 1)[0]
    assert everything.ess == pytest.approx(96)


def test_within_by_hand():
    r = torch.tensor([[0.0, 1.0, 2.0], [5.0, 5.0, 7.0]])
    w = weights.within(r, 1.0).exp()
    expected = torch.tensor([1.0, math.e, math.e**2])
    assert torch.allclose(w[0], 3 * expected / expected.sum())
    assert torch.allclose(w.mean(1), torch.ones(2))
    assert weights.within(r, 1.0, "best").exp().flatten().tolist() == pytest.approx([0, 0, 3, 0, 0, 3])
    assert weights.within(torch.ones(1, 3), 1.0, "best").exp()[0].tolist() == pytest.approx([3, 0, 0])
    above = weights.within(r, 1.0, "above", threshold=1.0).exp()
    assert above.flatten().tolist() == pytest.approx([0, 1.5, 1.5, 1, 1, 1])
    assert weights.within(r, 1.0, "above", threshold=8.0).exp().sum() == 0
    assert weights.unit(torch.full((3,), -torch.inf)) == 0
    assert weights.effective_sample_size(torch.tensor([0.0, -torch.inf, 0.0])) == pytest.approx(2)
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="log_w holds NaN or infinite values"):
            weights.unit(torch.tensor([0.0, wrong]))


@pytest.mark.parametrize("std", [0.5, 1.0, 1.7])
def test_the_kl_penalty_is_the_kl_of_a_tilt(std):
    """Data N(0, s^2) tilted by exp(m x / s^2): the field is moved by m (1 - t) / c_t, and KL = m^2 / (2 s^2).

    The tilt is what the process of ``kl_weight`` makes of the reference at least cost, so that its bound is met.
    """
    m = 0.7

    def c(t):
        return (1 - t) ** 2 + t**2 * std**2

    def moved(t):
        return t / (1 - t) * (m * (1 - t) / c(t)) ** 2

    assert integrate.quad(moved, 0, 1)[0] == pytest.approx(m**2 / (2 * std**2), rel=1e-6)
    t = torch.linspace(0, 0.94, 500)
    v_ref, v = torch.zeros(500, 1), (m * (1 - t) / c(t))[:, None]
    mean = losses.penalty(v, v_ref, losses.kl_weight(t))
    assert float(mean) * 0.94 == pytest.approx(integrate.quad(moved, 0, 0.94)[0], rel=5e-3)


def test_the_kl_weight_has_a_ceiling():
    t = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    assert float(losses.kl_weight(t).max()) == losses.MOST_KL == 19
    assert float(losses.kl_weight(t).mean()) == pytest.approx(math.log(20), rel=1e-4)


@pytest.mark.parametrize("penalty", ["w2", "kl"])
def test_either_penalty_holds(told, penalty):
    free, held = (done(begin(told, penalty=penalty, alpha=alpha), 60)[-1].penalty for alpha in (0.0, 3.0))
    assert held < free / 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weighting": "above"}, 'threshold is None; allowed: a number for "above"'),
        ({"threshold": 0.5}, "threshold is 0.5; allowed"),
        ({"weighting": "exp"}, "weighting is 'exp'; allowed: one of 'mean_one', 'best', 'above'"),
        ({"penalty": "l2"}, "penalty is 'l2'; allowed: one of 'w2', 'kl'"),
        ({"samples_a_prompt": 1}, "samples_a_prompt is 1; allowed: a whole number >= 2"),
        ({"prompts_a_round": 0}, "prompts_a_round is 0"),
        ({"batch_size": 0}, "batch_size is 0; allowed: a whole number >= 1"),
    ],
)
def test_bad_settings_are_named(told, more, message):
    with pytest.raises(ValueError, match=message):
        begin(told, **more)


def test_bad_conditions_and_rewards_are_named(told):
    for wrong in (None, "a three", torch.ones(3), torch.zeros(0, 3), [[1.0, float("nan")]]):
        with pytest.raises(ValueError, match=r"conditions (is|holds)"):
            PromptedFineTuning(told, towards, wrong)
    with pytest.raises(ValueError, match="reference raised"):
        PromptedFineTuning(velocity.MLP(2), towards, CONDITIONS)
    with pytest.raises(ValueError, match=r"reward\(x\) is"):
        done(begin(told, lambda x, c: x), 1)
    with pytest.raises(ValueError, match="allowed: a multiple of 3, the prompts"):
        begin(told).rounds(1, watch=torch.zeros(4, 2))
    with pytest.raises(ValueError, match="n is 4; allowed: a multiple of 3"):
        begin(told).told(4)
