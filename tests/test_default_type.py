"""``torch.set_default_dtype`` changes no number: whatever is drawn or made says its own floating type."""

import contextlib

import pytest
import torch

from orwlab import flow, methods, rewards, targets, zoo
from orwlab.data.captions import drawing
from orwlab.measure import distances
from orwlab.methods.ensemble import Ensemble
from orwlab.methods.failures import DropoutInOne

LINE = "two_modes_1d"
OF = zoo.load(LINE), rewards.get("right")
MORE = dict(seed=3, batch_size=16)

RUNS = {
    **{name: (lambda name=name: methods.get(name)(*OF, **MORE)) for name in methods.names()},
    "adapters": lambda: methods.get("orw_cfm_w2")(*OF, rank=2, **MORE),
    "pairs": lambda: methods.get("orw_cfm_w2")(*OF, coupling="ot", **MORE),
    "a pool": lambda: methods.get("awm")(*OF, pool_size=32, **MORE),
    "dropout": lambda: DropoutInOne(*OF, **MORE),
    "an ensemble": lambda: Ensemble(*OF, alpha=[0.3, 1.0], pool_size=32, **MORE),
    "an ensemble that shares": lambda: Ensemble(*OF, alpha=[0.3, 1.0], pool_size=32, draws="shared", **MORE),
}


@contextlib.contextmanager
def double():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def state(make):
    run = make()
    *_, last = run.rounds(2)
    return {**run.state_dict(), "reward": torch.as_tensor(last.reward, dtype=torch.float64)}


@pytest.mark.parametrize("make", RUNS.values(), ids=RUNS)
def test_a_run_is_the_same_to_the_bit(make):
    usual = state(make)
    with double():
        other = state(make)
    assert usual.keys() == other.keys()
    for key, value in usual.items():
        assert value.dtype == other[key].dtype, key
        torch.testing.assert_close(value, other[key], rtol=0, atol=0, equal_nan=True, msg=key)


def test_targets_samples_and_drawings_are_the_same_to_the_bit():
    def made():
        seed = lambda: torch.Generator().manual_seed(5)  # noqa: E731
        found = [drawing.sample(6, generator=seed())[0]]
        for name in targets.names():
            target = targets.get(name)
            found += [x := target.sample(20, generator=seed()), target.log_prob(x)]
        x0 = flow.noise(8, (1,), generator=seed())
        found += [x := flow.sample(OF[0], x0), flow.log_prob(OF[0], x)]
        found.append(torch.tensor(distances.sliced_w2_squared(x, x0, generator=seed()), dtype=torch.float64))
        return found

    usual = made()
    with double():
        other = made()
    for one, two in zip(usual, other, strict=True):
        assert one.dtype == two.dtype
        assert torch.equal(one, two)
