from dataclasses import replace

import numpy as np
import pytest
import torch
from test_data import write_mnist

from orwlab import data, zoo
from orwlab.tasks import digits, images
from orwlab.zoo import recipes
from orwlab.zoo.classifier import Classifier


def test_the_reward_is_the_probability_of_even():
    images, labels = data.digits("test")
    r = digits.Wanted()(images)
    assert ((r >= 0) & (r <= 1 + 1e-6)).all()
    assert ((r > 0.5) == (labels % 2 == 0)).float().mean() > 0.97
    some = digits.Wanted([7, 3, 3])
    assert some.wanted == (3, 7)
    assert ((some(images) > 0.5) == ((labels == 3) | (labels == 7))).float().mean() > 0.97
    rest = digits.Wanted(set(range(10)) - {3, 7})(images)
    torch.testing.assert_close(some(images) + rest, torch.ones(len(images)))


def of_classes(*wanted, n=60):
    """Real images of these digits, as many of each."""
    images, labels = data.digits("all")
    return torch.cat([images[labels == k][:n] for k in wanted])


def test_the_judge_counts_what_is_there():
    """On real images, where it is known."""
    task = digits.Digits()
    wanted, mixed, two = (task.judge(of_classes(*k)) for k in ((0, 2, 4, 6, 8), range(10), (4, 6)))
    assert wanted["judge"] > 0.95
    assert mixed["judge"] == pytest.approx(0.5, abs=0.03)
    assert wanted["smallest"] > 0.9
    assert mixed["smallest"] > 0.9
    assert two["smallest"] < 0.05, "three of five are missing"
    assert mixed["shares"] == pytest.approx([0.1] * 10, abs=0.02)
    for found in (wanted, mixed, two):
        assert found["off_data"] == 0
        assert found["within"] == pytest.approx(1.05, abs=0.12), "real digits are as varied as the reference's"
    assert two["diversity"] < wanted["diversity"] < mixed["diversity"]
    same = of_classes(6)[:1].expand(50, -1, -1, -1)
    assert task.judge(same)["within"] == 0
    noise = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert task.judge(noise)["off_data"] == 1


def test_the_judge_is_no_relative_of_the_classifier():
    judge, classifier = zoo.load("digits_judge"), zoo.load("digits_classifier")
    assert type(judge) is not type(classifier)
    halves = [zoo.card(name)["recipe"]["split"] for name in ("digits_judge", "digits_classifier")]
    assert sorted(halves) == ["test", "train"]


def test_arrays_of_numbers_are_taken():
    plan = replace(digits.Digits.plan, rounds=1)
    arguments = dict(plan=plan, samples=np.int64(4), seeds=np.arange(1, 2), progress=False)
    start, first, second = digits.fine_tune(np.array([0.0, 0.5]), **arguments)
    assert [start.alpha, first.alpha, second.alpha] == [None, 0.0, 0.5]
    assert first.samples.shape == (4, 1, 8, 8)


@pytest.mark.slow
def test_alpha_0_collapses_and_cheats_and_a_good_alpha_does_not():
    """The README's claim. Cheating: the reward is near its ceiling while no sample resembles a digit."""
    start, none, good = digits.fine_tune(alphas=(0.0, 0.1), samples=256, progress=False)
    assert start.alpha is None
    assert start.numbers["off_data"] < 0.02
    assert none.reward > 0.99
    assert none.numbers["off_data"] > 0.95
    assert none.numbers["smallest"] < 0.1, "most wanted digits are gone"
    assert none.numbers["diversity"] < 0.55 * start.numbers["diversity"]
    assert start.reward + 0.35 < good.reward < none.reward - 0.03
    assert good.numbers["judge"] == pytest.approx(good.reward, abs=0.05), "another network says the same"
    assert good.numbers["off_data"] < 0.02
    assert good.numbers["within"] > 0.8
    assert good.numbers["smallest"] > 0.25, "every wanted digit is there"
    assert len(good.rewards) == digits.Digits.plan.rounds


@pytest.mark.slow
def test_other_digits_may_be_wanted():
    task = digits.Digits({1, 7})
    start, good = images.fine_tune(task, [0.2], plan=replace(task.plan, rounds=200), samples=256, progress=False)
    assert start.numbers["judge"] < 0.3
    assert good.numbers["judge"] > 0.6
    assert good.numbers["shares"][1] > 0.2
    assert good.numbers["shares"][7] > 0.2
    assert good.numbers["off_data"] < 0.02


def test_each_seed_has_its_noise_and_its_reference(tmp_path):
    told = []
    task = digits.Digits()
    options = dict(plan=replace(task.plan, rounds=2, batch_size=8), samples=8, progress=False)
    outcomes = images.fine_tune(task, (0.5, 2.0), seeds=(3, 4), told=told.append, **options)
    assert [(o.seed, o.alpha) for o in outcomes] == [(3, None), (3, 0.5), (3, 2.0), (4, None), (4, 0.5), (4, 2.0)]
    assert len(told) == 8
    again = images.fine_tune(task, (0.5,), seeds=(4,), **options)
    assert torch.equal(again[1].samples, outcomes[4].samples)
    assert torch.equal(again[0].samples, outcomes[3].samples)
    assert not torch.equal(outcomes[0].samples, outcomes[3].samples)
    assert (outcomes[1].samples - outcomes[0].samples).abs().max() < 1, "two small steps from the same noise"


def test_networks_of_one_s_own(tmp_path):
    """The same task on another source: made by the same recipes, at their size."""
    write_mnist(tmp_path, n=(60, 40))
    for name in ("digits", "digits_classifier", "digits_judge"):
        card = recipes.train(name, tmp_path, steps=2, source=tmp_path)
        assert card["recipe"]["source"] == str(tmp_path)
    task = digits.Digits((0, 1), source=tmp_path, networks=tmp_path)
    assert task.event_shape == (1, 28, 28)
    run = task.begin(0.5, plan=replace(task.plan, batch_size=4))
    assert next(iter(run.rounds(1))).round == 1
    assert set(task.judge(data.digits("test", tmp_path)[0])) >= set(task.words)
    with pytest.raises(ValueError, match=r"source is 'scikit-learn'; allowed: images of the networks' shape"):
        digits.Digits(networks=tmp_path)
    with pytest.raises(ValueError, match=r"source is .*; allowed: images of the networks' shape \(1, 8, 8\)"):
        digits.Digits(source=tmp_path)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for name, made in (
        ("digits", "digits"),
        ("digits_classifier", "digits_classifier"),
        ("digits_judge", "patches_features"),
    ):
        zoo.write(zoo.load(made), wrong / f"{name}.safetensors")
    with pytest.raises(ValueError, match=r"networks is .*; allowed: a classifier of images \(1, 8, 8\) and 10 classes"):
        digits.Digits(networks=wrong)
    with pytest.raises(ValueError, match=r"folder is .*nothing.*"):
        digits.Digits(networks=tmp_path / "nothing")


def test_bad_input_is_named():
    task = digits.Digits()
    for call, message in [
        (lambda: digits.fine_tune(alphas=()), "alphas is"),
        (lambda: digits.fine_tune(alphas=(-1.0,)), "alphas is -1.0"),
        (lambda: digits.fine_tune(plan=replace(task.plan, rounds=0)), "rounds is 0"),
        (lambda: digits.fine_tune(plan=3), "plan is 3"),
        (lambda: digits.fine_tune(seeds=(-2,)), "seeds is -2"),
        (lambda: digits.fine_tune(seeds=(2**32,)), "seeds is 4294967296"),
        (lambda: digits.fine_tune(seeds=()), "seeds is"),
        (lambda: digits.fine_tune(seeds=3), "seeds is 3"),
        (lambda: digits.fine_tune(seeds="0"), "seeds is '0'"),
        (lambda: digits.fine_tune(seeds=[1.5]), "seeds is 1.5"),
        (lambda: digits.Wanted([8], Classifier((1, 8, 8), 5))(task.noise(2)), "classifier is"),
        (lambda: digits.fine_tune(alphas=1.0), "alphas is 1.0"),
        (lambda: digits.fine_tune(alphas=np.array([[1.0]])), "alphas is an array of shape"),
        (lambda: digits.fine_tune(plan=replace(task.plan, tau=-1.0)), "tau is -1"),
        (lambda: digits.fine_tune(plan=replace(task.plan, lr=0.0)), "lr is 0"),
        (lambda: digits.fine_tune(samples=1), "samples is 1"),
        (lambda: digits.fine_tune(progress="yes"), "progress is 'yes'"),
        (lambda: images.fine_tune("digits", (0.5,)), "task is 'digits'"),
        (lambda: task.begin(-1.0), "alpha is -1"),
        (lambda: task.noise(1), "n is 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("wanted", [(), range(10), (10,), (-1,), (1.5,), "even", None, 3, [[1]], ("1",), (True,)])
def test_no_such_digits_can_be_wanted(wanted):
    for make in (digits.Wanted, digits.Digits):
        with pytest.raises(ValueError, match=r"wanted is .*allowed: digits 0 \.\. 9, at least one of them and not all"):
            make(wanted)
