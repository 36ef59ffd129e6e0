import numpy as np
import pytest
import torch

from orwlab.tasks import digits
from orwlab.zoo import data


def test_the_data_are_the_real_digits():
    images, labels = data.digits("all")
    assert images.shape == (1797, 1, 8, 8)
    assert (images.min(), images.max()) == (-1, 1)
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    train, test = data.digits("train")[0], data.digits("test")[0]
    assert len(train) + len(test) == 1797
    assert torch.cdist(train.flatten(1), test.flatten(1)).min() > 0


def test_the_reward_is_the_probability_of_even():
    images, labels = data.digits("test")
    r = digits.EvenProbability()(images)
    assert ((r >= 0) & (r <= 1 + 1e-6)).all()
    assert ((r > 0.5) == (labels % 2 == 0)).float().mean() > 0.97


def test_arrays_of_numbers_are_taken():
    arguments = dict(rounds=1, samples=np.int64(4), seed=np.int64(1), progress=False)
    start, first, second = digits.fine_tune(np.array([0.0, 0.5]), **arguments)
    assert [start.alpha, first.alpha, second.alpha] == [None, 0.0, 0.5]
    assert first.samples.shape == (4, 1, 8, 8)


@pytest.mark.slow
def test_alpha_0_collapses_and_cheats_and_a_good_alpha_does_not():
    """The README's claim. Cheating: the reward is near its ceiling while no sample resembles a digit."""
    start, none, good = digits.fine_tune(alphas=(0.0, 0.1), rounds=300, samples=128, progress=False)
    assert start.alpha is None
    assert start.off_data < 0.02
    assert none.reward > start.reward + 0.35
    assert none.off_data > 0.95
    assert none.diversity < 0.55 * start.diversity
    assert good.reward > start.reward + 0.35
    assert good.judged_even > 0.75
    assert good.off_data < 0.02
    assert good.diversity > 0.6 * start.diversity


def test_bad_input_is_named():
    for call, message in [
        (lambda: digits.fine_tune(alphas=()), "alphas is"),
        (lambda: digits.fine_tune(alphas=(-1.0,)), "alphas is -1.0"),
        (lambda: digits.fine_tune(rounds=0), "rounds is 0"),
        (lambda: digits.fine_tune(seed=-2), "seed is -2"),
        (lambda: digits.fine_tune(seed=2**32), "seed is 4294967296"),
        (lambda: digits.fine_tune(alphas=1.0), "alphas is 1.0"),
        (lambda: digits.fine_tune(alphas=np.array([[1.0]])), "alphas is an array of shape"),
        (lambda: digits.fine_tune(tau=-1.0), "tau is -1"),
        (lambda: digits.fine_tune(lr=0.0), "lr is 0"),
        (lambda: digits.fine_tune(samples=1), "samples is 1"),
        (lambda: digits.fine_tune(progress="yes"), "progress is 'yes'"),
        (lambda: data.digits("validation"), "split is 'validation'"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
