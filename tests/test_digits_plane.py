"""Digits in the plane: wanted ones as a reward, and what fine-tuning makes of them, exactly and by networks."""

import itertools

import pytest
import torch

from orwlab import rewards, zoo
from orwlab.show.lab import digits, exact, lanes, own
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import scenes
from orwlab.show.stage.frames import decode

EVEN, EVEN_BY_THE_JUDGE = "digits:02468", "judge:02468"
SETTINGS = Settings(target=digits.PLANE, reward=EVEN, truth=EVEN_BY_THE_JUDGE, mode="both")


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return zoo.target(digits.PLANE).sample(3000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("text", "classifier", "wanted"),
    [
        (EVEN, "digits_classifier", [0, 2, 4, 6, 8]),
        (EVEN_BY_THE_JUDGE, "digits_judge", [0, 2, 4, 6, 8]),
        ("digits:71", "digits_classifier", [1, 7]),
    ],
)
def test_the_reward_is_what_the_classifier_makes_of_the_decoded_picture(x, text, classifier, wanted):
    found = rewards.evaluate(own.reward(text), x)
    pictures = zoo.load("digits_vae").decode(x)
    logits = zoo.load(classifier)(pictures)
    assert torch.allclose(found, (logits / 2).softmax(1)[:, wanted].sum(1), atol=1e-5)
    assert found.min() >= 0
    assert found.max() <= 1
    assert 0.8 < torch.where(found > 0.5, found, 1 - found).mean() < 1  # sure of itself, but not to the last digit


def test_even_and_odd_are_all_there_is(x):
    both = own.reward(EVEN)(x) + own.reward("digits:13579")(x)
    assert torch.allclose(both, torch.ones(len(x)), atol=1e-5)
    assert own.reward(EVEN)(x.double()).dtype == torch.float64


def test_what_one_classifier_pays_for_the_other_mostly_sees_too(x):
    paid, judged = own.reward(EVEN)(x) > 0.5, own.reward(EVEN_BY_THE_JUDGE)(x) > 0.5
    assert 0.97 < (paid == judged).float().mean() < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EVEN, "Even digits"),
        ("digits:86420", "Even digits"),
        ("digits:13579", "Odd digits"),
        ("digits:7", "Digit 7"),
        ("digits:71", "Digits 1, 7"),
        ("digits:012345679", "All digits but 8"),
        ("judge:0123456", "All digits but 7, 8, 9, by the judge"),
        (EVEN_BY_THE_JUDGE, "Even digits, by the judge"),
    ],
)
def test_wanted_digits_are_said_in_words(text, words):
    assert own.words(text) == words
    assert own.check_reward(text) == text
    assert own.reward(text) is own.reward(text)


@pytest.mark.parametrize("wanted", ["", "0123456789", "00", "2a", "-1", "0 2", "２", "0,2"])
def test_wanted_digits_that_are_none_are_said(wanted):
    for prefix in digits.PREFIXES:
        with pytest.raises(ValueError, match=r"digits is '.*'; allowed: some of 0123456789, each once and not all"):
            own.check_reward(prefix + wanted)
        with pytest.raises(ValueError, match=r"digits is '.*'; allowed: some of"):
            Settings(reward=prefix + wanted)


def test_wanted_digits_are_no_target():
    with pytest.raises(ValueError, match="wanted digits are a reward, not a target; allowed: the name of a target"):
        own.check_target(EVEN)
    with pytest.raises(ValueError, match="digits is 'left'; allowed: a text that begins with 'digits:' or 'judge:'"):
        digits.read("left")
    with pytest.raises(ValueError, match="classifier is 'lion'"):
        digits.Shown("1", "lion")


def test_the_scene_brings_the_pictures_of_the_plane_and_of_no_other():
    plane = zoo.target(digits.PLANE)
    meta, arrays = decode(scenes.scene(plane, own.reward(EVEN), pictures=digits.atlas()))
    n = len(arrays["pictures"])
    assert arrays["pictures"].shape == (n, n, 8, 8)
    assert meta["pictures"] == {"view": [-5, 5, -5, 5], "kinds": list("0123456789")}
    assert meta["names"] == meta["pictures"]["kinds"]
    axis = torch.linspace(-5, 5, n)
    for row, column in ((0, 0), (3, n - 1), (n // 2, n // 3)):
        ink = (zoo.load("digits_vae").decode(torch.stack([axis[column], axis[row]])[None]) + 1) / 2
        assert abs(arrays["pictures"][row, column] / 255 - ink[0, 0].detach().numpy()).max() < 0.005
    assert abs(arrays["odds"].astype(int).sum(-1) - 255).max() <= 5  # each is rounded
    assert "pictures" not in decode(scenes.scene(plane, own.reward(EVEN)))[1]
    for target in (digits.PLANE, "rings"):
        session = Session(Settings(target=target), particles=20)
        session.advance()
        assert ("pictures" in decode(session.frame()["scene"])[1]) == (target == digits.PLANE)
        session.close()


def even(mode_mass: torch.Tensor) -> float:
    """The mass at the modes of even digits."""
    return float(mode_mass[::2].sum())


def test_the_smaller_alpha_the_more_even_digits():
    """As the exact limits have it; half of the digits were even. The judge sees nearly as many."""
    found = {alpha: exact.limit(SETTINGS, alpha) for alpha in (10.0, 3.0, 1.0, 0.3)}
    assert all(limit is not None and limit.resolved for limit in found.values())
    shares = [even(limit.mode_mass) for limit in found.values()]
    paid = [limit.reward for limit in found.values()]
    judged = [exact.mean(EVEN_BY_THE_JUDGE, limit) for limit in found.values()]
    assert 0.5 < shares[0] < 0.58
    for row in (shares, paid, judged):
        assert all(after - before > 0.05 for before, after in itertools.pairwise(row)), row
    assert shares[-1] > 0.9
    assert all(0 < r - truth < 0.04 for r, truth in zip(paid, judged))


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_a_network_comes_near_the_exact_limit(alpha):
    settings = SETTINGS.changed(alpha=alpha)
    limit = exact.limit(settings, alpha)
    learned = lanes.LearnedLanes(settings, lanes.noise(0, 2))
    start = learned.of_reference(EVEN)
    for _ in range(600):
        learned.advance()
    found = learned.read(0)
    assert found.values["reward"] == pytest.approx(limit.reward, abs=0.05)
    assert found.values["reward"] - start > 0.8 * (limit.reward - start)
    assert even(found.mode_mass) == pytest.approx(even(limit.mode_mass), abs=0.05)
