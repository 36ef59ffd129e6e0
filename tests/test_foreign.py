"""What other people's rewards, densities and velocities may do, and what is said when they may not."""

import functools
import threading

import numpy as np
import pytest
import torch
from torch import nn

from orwlab import checks, flow, foreign, rewards

X = torch.tensor([[0.5, -1.0], [2.0, 0.25], [-1.5, 3.0], [0.0, 1.0]])


def writes(x):
    x.mul_(0).add_(7)
    return x[:, 0]


def needs_gradients(x):
    x.requires_grad_()
    (g,) = torch.autograd.grad((x**3).sum(), x)
    return g.sum(1)


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (writes, [7.0] * 4),
        (needs_gradients, (3 * X**2).sum(1).tolist()),
        (lambda x: x.numpy()[:, 1], X[:, 1].tolist()),
        (lambda x: x.numpy()[::-1, 1], X[:, 1].tolist()[::-1]),
        (lambda x: [int(v > 0) for v in x[:, 0]], [1.0, 1.0, 0.0, 0.0]),
        (lambda x: x[:, 0] > 0, [1.0, 1.0, 0.0, 0.0]),
        (lambda x: (2 * x[:, 0]).long(), [1.0, 4.0, -3.0, 0.0]),
        (lambda x: x[:, 0].bfloat16(), X[:, 0].tolist()),
    ],
)
@pytest.mark.parametrize("surroundings", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_rewards_of_all_kinds_give_their_numbers_and_leave_the_points_alone(reward, expected, surroundings):
    x = X.clone()
    with surroundings():
        r = rewards.evaluate(reward, x)
    assert r.dtype == torch.float32
    assert not r.requires_grad
    assert r.tolist() == pytest.approx(expected)
    assert torch.equal(x, X)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (
            lambda x: torch.complex(x[:, 0], x[:, 1]),
            r"reward\(x\) is a tensor of shape \(4,\) and dtype torch.complex64",
        ),
        (lambda x: x.numpy()[:, 0] * 1j, r"reward\(x\) is a tensor of shape \(4,\) and dtype torch.complex"),
        (lambda x: x[:, :1], r"reward\(x\) is a tensor of shape \(4, 1\)"),
        (lambda x: x[:3, 0], r"reward\(x\) is a tensor of shape \(3,\)"),
        (lambda x: 1.0, r"reward\(x\)"),
        (lambda x: None, r"reward\(x\) is None"),
        (lambda x: "good", r"reward\(x\) is 'good'"),
        (lambda x: x[:, 0].log(), r"reward\(x\) is NaN or infinite at 2 of 4 points"),
        (lambda x: {}["missing"], "reward raised KeyError: 'missing'"),
        (lambda: 1.0, "reward raised TypeError"),
    ],
)
def test_what_is_wrong_with_a_reward_is_named(reward, message):
    with pytest.raises(ValueError, match=message) as raised:
        rewards.evaluate(reward, X)
    assert "allowed" in str(raised.value)


def test_lack_of_memory_is_no_fault_of_the_reward():
    def hungry(x):
        raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        rewards.evaluate(hungry, X)


def test_infinity_is_allowed_where_it_means_something():
    log_p = foreign.values("log_prob", lambda x: x[:, 0].clamp_min(0).log(), X, infinite=True)
    assert log_p.tolist() == pytest.approx([np.log(0.5), np.log(2), -np.inf, -np.inf])
    with pytest.raises(ValueError, match=r"log_prob\(x\) is NaN at 1 of 4 points"):
        foreign.values("log_prob", lambda x: x[:, 0].log(), X, infinite=True)


# -- networks ----------------------------------------------------------------------------------------------------


def normed(dtype=torch.float32):
    """A network that learns from whatever it is asked, and answers at random, while it is in training mode."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 2)).to(dtype)
    with torch.no_grad():
        network[2].weight.copy_(torch.randn(2, 2, generator=generator))
        network[2].bias.zero_()
    return network.train()


@pytest.fixture
def network():
    with torch.random.fork_rng():
        return normed()


class Judge:
    def __init__(self, network):
        self.network = network

    def __call__(self, x):
        return self.network(x)[:, 0]

    def score(self, x):
        return self.network(x)[:, 0]


class Scores(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[:, 0]


def helper(network, x):
    return network(x)[:, 0]


WAYS = {  # by which a network gets into a reward
    "module": Scores,
    "lambda": lambda network: lambda x: network(x)[:, 0],
    "object": Judge,
    "method": lambda network: Judge(network).score,
    "object in a lambda": lambda network: (lambda judge: lambda x: judge(x) + 0)(Judge(network)),
    "partial": lambda network: functools.partial(helper, network),
    "default": lambda network: lambda x, network=network: network(x)[:, 0],
    "list": lambda network: (lambda parts: lambda x: parts[0](x)[:, 0])([network]),
    "sum": lambda network: rewards.Sum((Scores(network), rewards.get("right")), (1.0, 0.0)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_network_in_training_mode_answers_as_it_is_used_and_does_not_move(network, way):
    expected = (X / (1 + 1e-5) ** 0.5 @ network[2].weight.detach().T)[:, 0]
    r = rewards.evaluate(WAYS[way](network), X)
    assert torch.allclose(r, expected, atol=1e-6)
    assert network[0].num_batches_tracked == 0
    assert network[0].running_mean.tolist() == [0, 0]
    assert all(part.training for part in network.modules())


def test_a_network_among_a_module_s_globals_is_found(network):
    namespace = {"network": network}
    exec("reward = lambda x: network(x)[:, 0]", namespace)  # as in a notebook
    rewards.evaluate(namespace["reward"], X)
    assert network[0].num_batches_tracked == 0


def test_only_what_was_in_training_mode_goes_back_to_it(network):
    network[1].eval()
    seen = []

    def fails(x):
        seen.extend(part.training for part in network.modules())
        return 1 / 0

    with pytest.raises(ValueError, match="ZeroDivisionError"):
        rewards.evaluate(fails, X)
    assert not any(seen)
    assert [part.training for part in network] == [True, False, True]


def test_two_threads_may_ask_one_network(network):
    """The one that is done first must not switch training on under the other."""
    inside, leave = threading.Event(), threading.Event()

    def first():
        with foreign.at_rest(network):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with foreign.at_rest(network):
        leave.set()
        thread.join(10)
        assert not network.training
    assert network.training


@pytest.mark.parametrize("way", ["module", "lambda", "object", "method"])
@pytest.mark.parametrize("own", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("asked", [torch.float32, torch.float64, torch.bfloat16])
def test_networks_are_asked_in_their_own_floating_type(way, own, asked):
    with torch.random.fork_rng():
        network = normed(own)
    r = rewards.evaluate(WAYS[way](network), X.to(asked))
    expected = (X.double() / (1 + 1e-5) ** 0.5 @ network[2].weight.detach().double().T)[:, 0]
    assert r.dtype == torch.promote_types(asked, torch.float32)
    assert torch.allclose(r.double(), expected, rtol=3e-2 if own == torch.bfloat16 else 1e-5, atol=3e-2)


@pytest.mark.parametrize("own", [torch.float32, torch.float64])
@pytest.mark.parametrize("asked", [torch.float32, torch.float64, torch.bfloat16])
def test_what_takes_one_floating_type_only_is_asked_in_it(own, asked):
    matrix = torch.eye(2, dtype=own)
    assert torch.equal(rewards.evaluate(lambda x: (x @ matrix)[:, 0], X.to(asked)).float(), X[:, 0])


# -- velocities --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("v", "message"),
    [
        (lambda x, t: -x, r"v takes \(x, t\); allowed: a velocity v\(t, x\), time first"),
        (lambda sample, timestep: -sample, r"v takes \(sample, timestep\)"),
        (lambda t, x: x[:, :1], r"v\(t, x\) is a tensor of shape \(4, 1\)"),
        (lambda t, x: x.sum(), r"v\(t, x\) is a tensor of shape \(\)"),
        (lambda t, x: torch.complex(x, x), r"v\(t, x\) is a tensor of shape \(4, 2\) and dtype torch.complex64"),
        (lambda t, x: None, r"v\(t, x\) is None"),
        (lambda t, x: x @ torch.ones(3, 3), "v raised RuntimeError: .*shape"),
        (lambda t, x: {}["missing"], "v raised KeyError"),
        (lambda t: t, "v raised TypeError"),
        ("zoo", "v is 'zoo'; allowed: a velocity"),
    ],
)
@pytest.mark.parametrize("method", ["midpoint", "dopri5"])
def test_what_is_wrong_with_a_velocity_is_named(v, message, method):
    with pytest.raises(ValueError, match=message) as raised:
        flow.sample(v, X, method=method)
    assert "allowed" in str(raised.value)


def test_a_velocity_may_write_into_its_arguments_and_answer_in_numpy():
    def careless(t, x):
        u = -x.numpy() * float(t)
        x.zero_()
        t.zero_()
        return u

    plain = flow.sample(lambda t, x: -x * t, X)
    assert torch.allclose(flow.sample(careless, X), plain, atol=1e-6)


def test_a_velocity_in_training_mode_does_not_move(network):
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, t, x):
            return self.network(x)

    for v in (Norm(), lambda t, x: network(x)):
        once, again = flow.sample(v, X), flow.sample(v, X)
        assert torch.equal(once, again)  # no dropout
        assert network[0].num_batches_tracked == 0
        assert network.training


def test_seeds_are_all_different_runs():
    for seed in (2**32, 2**64, -1, 1.0, np.float64(1), True, None, "1"):
        with pytest.raises(ValueError, match="seed is"):
            checks.seed("seed", seed)
    for seed in (0, np.int64(7), np.uint8(3), torch.tensor(5), np.array(2), 2**32 - 1):
        assert checks.seed("seed", seed) == int(seed)
