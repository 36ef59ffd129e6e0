"""Low-rank adapters: nothing changes at first, only they learn, and switched off they leave the reference."""

import copy

import pytest
import torch
from torch import nn

from orwlab import adapters, velocity, zoo
from orwlab.finetune import FineTuning


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def right(x):
    return (x[:, 0] / 2.5).tanh()


@pytest.fixture(params=["points", "images"])
def network(request):
    if request.param == "points":
        return velocity.MLP(2, 16, 2, seed=3).requires_grad_(False)
    return velocity.UNet((1, 8, 8), 8, seed=3).requires_grad_(False)  # convolutions to be learned round otherwise


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def x(network):
    return torch.randn(4, *network.event_shape, generator=seeded())


def moved(adapted, seed=1):
    """The same with adapters that are not 0."""
    generator = seeded(seed)
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if name.endswith("adapter.up"):
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    return adapted


def test_an_adapted_network_begins_as_it_was(network, x):
    before = copy.deepcopy(network.state_dict())
    adapted = adapters.attach(network, 2)
    assert torch.equal(adapted(0.3, x), network(0.3, x))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items()), "it is a copy"
    assert type(network) is type(adapted)


def test_only_the_adapters_learn_and_they_are_few(network):
    adapted = adapters.attach(network, 2)
    own = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert {name.split(".")[-1] for name in own} == {"up", "down"}
    layers = [part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    sizes = [(len(layer.weight), layer.weight[0].numel()) for layer in layers]
    assert sum(p.numel() for p in own.values()) == sum(min(2, *size) * sum(size) for size in sizes)


def test_off_is_the_reference_and_on_is_not(network, x):
    adapted = moved(adapters.attach(network, 2))
    there = adapted(0.3, x)
    assert (there - network(0.3, x)).abs().max() > 1e-3
    with adapters.off(adapted):
        assert torch.equal(adapted(0.3, x), network(0.3, x))
        with adapters.off(adapted):
            pass
        assert torch.equal(adapted(0.3, x), network(0.3, x)), "an inner block does not switch them on"
    assert torch.equal(adapted(0.3, x), there)
    assert torch.equal(adapters.Off(adapted)(0.3, x), network(0.3, x))
    assert torch.equal(adapted(0.3, x), there)


def test_off_ends_with_an_error_too(network, x):
    adapted = moved(adapters.attach(network, 2))
    there = adapted(0.3, x)
    with pytest.raises(KeyError), adapters.off(adapted):
        raise KeyError
    assert torch.equal(adapted(0.3, x), there)


def test_what_is_added_has_the_rank(network):
    adapted = moved(adapters.attach(network, 2))
    for key, weight in adapters.merged(adapted).state_dict().items():
        if weight.ndim > 1 and "norm" not in key:
            more = (weight - network.state_dict()[key]).flatten(1).double()
            assert torch.linalg.matrix_rank(more, atol=1e-5) <= 2
            assert more.abs().max() > 0


def test_plain_copies_answer_as_the_network_does(network, x):
    adapted = moved(adapters.attach(network, 2))
    there = adapted(0.3, x)
    merged, base = adapters.merged(adapted), adapters.base(adapted)
    assert torch.allclose(merged(0.3, x), there, atol=1e-5)
    assert torch.equal(base(0.3, x), network(0.3, x))
    assert merged.state_dict().keys() == base.state_dict().keys() == network.state_dict().keys()
    assert torch.equal(adapted(0.3, x), there), "the network itself keeps its adapters"


def test_seeds_and_copies(network, x):
    one, same, other = (adapters.attach(network, 2, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
    adapted = moved(adapters.attach(network, 2))
    again = copy.deepcopy(adapted)
    with adapters.off(adapted):
        assert not torch.equal(again(0.3, x), adapted(0.3, x)), "a copy has a switch of its own"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adapters.attach(None, 2), "network is None; allowed: a torch.nn.Module"),
        (lambda: adapters.attach(velocity.MLP(2), 0), "rank is 0; allowed: a whole number >= 1"),
        (lambda: adapters.attach(nn.LayerNorm(3), 2), "allowed: a network with linear layers or convolutions"),
        (lambda: adapters.attach(adapters.attach(velocity.MLP(2), 2), 2), "network is 'a MLP with adapters'"),
        (lambda: adapters.Off(velocity.MLP(2)), "network is 'MLP'; allowed: a network with adapters"),
        (lambda: adapters.merged(velocity.MLP(2)), "allowed: a network with adapters"),
        (lambda: FineTuning(velocity.MLP(2), right, rank=0), "rank is 0"),
        (lambda: FineTuning(velocity.MLP(2), right, rank=2, policy=velocity.MLP(2)), "rank is 2; allowed: None where"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- a run on adapters -------------------------------------------------------------------------------------------


def test_a_run_on_adapters_starts_at_the_reference_and_leaves_it_alone():
    reference, x = zoo.load("gaussian"), torch.randn(8, 2, generator=seeded())
    run = FineTuning(reference, right, alpha=0.3, rank=4, lr=5e-3)
    rewards = list(run.rounds(60))
    assert rewards[0].penalty == 0, "policy and reference are one network"
    assert rewards[-1].penalty > 0
    assert rewards[-1].reward > rewards[0].reward + 0.05
    assert torch.equal(run.reference(0.4, x), reference(0.4, x))
    assert not torch.equal(run.policy(0.4, x), reference(0.4, x))
    assert len(list(run.reference.parameters())) == 0, "there is no second copy of its weights"


def test_a_huge_alpha_keeps_the_reference():
    run = FineTuning(zoo.load("gaussian"), right, alpha=1e6, rank=4, lr=5e-3, seed=1)
    x = torch.randn(256, 2, generator=seeded())
    for _ in run.rounds(30):
        pass
    assert (run.average(0.4, x) - run.reference(0.4, x)).abs().mean() < 0.02


def test_a_run_on_adapters_goes_on_from_its_file(tmp_path):
    run = FineTuning(zoo.load("gaussian"), right, alpha=0.3, rank=3, seed=5)
    for _ in run.rounds(3):
        pass
    run.save(tmp_path / "run.safetensors")
    again = FineTuning.load(tmp_path / "run.safetensors", reward=right)
    assert again.rank == 3
    for one, other in zip(run.rounds(4), again.rounds(4)):
        assert (one.reward, one.penalty) == (other.reward, other.penalty)
    x = torch.randn(8, 2, generator=seeded())
    assert torch.equal(run.reference(0.4, x), again.reference(0.4, x))
