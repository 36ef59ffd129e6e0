"""Small photographs and JPEG: the reward is the encoder's own count, the judge knows real pictures from others."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from orwlab import data, zoo
from orwlab.tasks import images, photographs
from orwlab.zoo import recipes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def task():
    return photographs.Photographs()


@pytest.fixture(scope="module")
def real():
    return data.Patches().sample(256, generator=seeded())


@pytest.mark.parametrize("quality", [10, 75, 95])
def test_the_reward_counts_the_bytes_of_a_jpeg_after_its_header(real, quality):
    r = photographs.JpegBytes(quality)(real[:20])
    for x, value in zip(real, r):
        file = io.BytesIO()
        Image.fromarray(data.as_bytes(x[None])[0]).save(file, "jpeg", quality=quality)
        whole = file.getvalue()
        header = whole.index(b"\xff\xda")
        assert -100 * float(value) == pytest.approx(len(whole) - header)
        assert 100 < header < len(whole)
    assert torch.equal(photographs.JpegBytes(quality, 1)(real[:20]), -r)


def test_what_is_even_is_small_and_what_is_noise_is_large(real):
    count = photographs.JpegBytes()
    flat = count(torch.full((1, 3, 32, 32), 0.3))
    noise = count(torch.rand(8, 3, 32, 32, generator=seeded()) * 2 - 1)
    assert float(flat) > float(count(real).max()) - 0.2, "nothing is smaller than one colour"
    assert noise.max() < count(real).min(), "nothing is larger than noise"
    coarse, fine = photographs.JpegBytes(10)(real), photographs.JpegBytes(90)(real)
    assert (coarse > fine).all()
    assert count(real.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.zeros(2, 1, 32, 32), r"x is .*3 channels \(colour\)"),
        (torch.zeros(3, 32, 32), "x is"),
        (torch.full((1, 3, 8, 8), torch.nan), "x holds NaN"),
    ],
)
def test_grey_where_colour_is_due_is_named(task, x, said):
    for f in (photographs.JpegBytes(), task.judge):
        with pytest.raises(ValueError, match=said if f != task.judge else "x (is|holds)"):
            f(x)


def test_the_judge_tells_photographs_from_other_pictures(task, real):
    """Fresh photographs, half of them, one alone, and noise."""
    fresh = data.Patches().draw(256, generator=seeded(1))
    other = task.judge(fresh[0])
    assert other["precision"] > 0.85
    assert other["recall"] > 0.85
    assert other["coverage"] == pytest.approx(0.875, abs=0.06), "what chance leaves of the same law"
    assert other["diversity"] == pytest.approx(1, abs=0.1)
    assert np.allclose(other["shares"], fresh[1].bincount(minlength=6) / 256, atol=0.02)
    some = task.judge(data.Patches().sample(2000, generator=seeded(2))[fresh_of(task, 2000, (0, 1))][:256])
    assert some["recall"] < 0.6, "four of six photographs are missing"
    assert some["coverage"] < 0.4
    assert some["precision"] > 0.85
    same = task.judge(real[:1].expand(64, -1, -1, -1))
    assert same["diversity"] == pytest.approx(0, abs=1e-6)
    assert same["recall"] < 0.1
    assert same["coverage"] < 0.1
    assert other["nothing"] < 0.02


def coarse_noise(real):
    return nn.functional.interpolate(torch.rand(256, 3, 8, 8, generator=seeded()) * 2 - 1, scale_factor=4.0)


def scattered_pixels(real):
    black_or_white = torch.sign(torch.rand(256, 1, 32, 32, generator=seeded(2)) - 0.5)
    return torch.where(torch.rand(256, 1, 32, 32, generator=seeded()) < 0.15, black_or_white, real)


@pytest.mark.parametrize(
    "nothing",
    [
        lambda real: torch.rand(256, 3, 32, 32, generator=seeded()) * 2 - 1,
        lambda real: recipes.spoil(real, generator=seeded(3)),
        lambda real: real + 0.5 * torch.randn(real.shape, generator=seeded(4)),
        coarse_noise,
        scattered_pixels,
    ],
)
def test_what_shows_nothing_is_not_taken_for_a_photograph(task, real, nothing):
    """Also kinds that the network has never seen: the last two."""
    found = task.judge(nothing(real))
    assert found["precision"] < 0.05
    assert found["nothing"] > 0.9
    assert found["w2"] > 1, "four times what it is between photographs and the reference's own"


def test_a_little_noise_is_forgiven_and_more_is_not(task, real):
    spoilt = [task.judge(real + std * torch.randn(real.shape, generator=seeded(4))) for std in (0.0, 0.2, 0.3, 0.5)]
    precision = [numbers["precision"] for numbers in spoilt]
    assert precision == sorted(precision, reverse=True)
    assert precision[0] > 0.95 > 0.85 > precision[1] > 0.5 > precision[2]


def test_levels_beyond_black_and_white_are_judged_as_they_look(task, real):
    far = 3 * real[:64]
    assert task.judge(far) == task.judge(far.clamp(-1, 1))


def test_what_is_spoilt_keeps_its_levels_and_loses_its_order(real):
    spoilt = recipes.spoil(real, generator=seeded())
    assert torch.equal(spoilt, recipes.spoil(real, generator=seeded()))
    assert spoilt.shape == real.shape
    assert spoilt.abs().max() <= 1
    alike = lambda x: float((x[..., 1:] - x[..., :-1]).abs().mean())  # noqa: E731
    assert alike(spoilt) > 2 * alike(real), "neighbours know nothing of each other"
    shuffled = [
        k
        for k, (old, new) in enumerate(zip(real, spoilt))
        if torch.equal(*(x.flatten(1).sort(1)[0] for x in (old, new)))
    ]
    assert 0.15 < len(shuffled) / len(real) < 0.35
    colours = lambda x: {tuple(c) for c in x.flatten(1).T.tolist()}  # noqa: E731
    assert colours(real[shuffled[0]]) == colours(spoilt[shuffled[0]]), "a pixel keeps its colour"
    for x, said in [(real[0], "x is"), (torch.zeros(2, 3), r"x is .*images \(n, channels, height, width\)")]:
        with pytest.raises(ValueError, match=said):
            recipes.spoil(x, generator=seeded())


def fresh_of(task, n, which):
    """Of the same draw, those that are of some photographs."""
    _, labels = data.Patches().draw(n, generator=seeded(2))
    return torch.isin(labels, torch.tensor(which))


def test_the_reference_makes_pictures_like_photographs(task):
    card = zoo.card("patches")
    assert card["bytes"] < 3e6
    start = task.outcome(task.reference, task.noise(128, 5), None, 5)
    assert start.numbers["precision"] > 0.7
    assert start.numbers["recall"] > 0.6
    assert start.numbers["coverage"] > 0.6
    assert min(start.numbers["shares"]) > 0.03, "every photograph is there"


@pytest.mark.slow
def test_bytes_fall_at_once_and_a_larger_alpha_holds_them_up(task):
    """A few rounds are enough for that."""
    plan = replace(task.plan, rounds=25)
    outcomes = images.fine_tune(task, (0.3, 10.0), plan=plan, samples=128, progress=False)
    start, free, held = (outcome.numbers["bytes"] for outcome in outcomes)
    assert free < start - 25
    assert free < held - 15
    assert outcomes[1].numbers["precision"] > 0.7


def test_pictures_of_one_s_own(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        levels = rng.integers(0, 256, (12, 14, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
        Image.fromarray(levels).save(tmp_path / name)
    for name in ("patches", "patches_features"):
        card = recipes.train(name, tmp_path, steps=1, source=tmp_path)
        assert card["recipe"]["source"] == str(tmp_path)
    own = photographs.Photographs(source=tmp_path, networks=tmp_path)
    assert len(own.judge(own.pictures.sample(8, generator=seeded()))["shares"]) == 2


def own(source):
    """The zoo's networks as if they were of other pictures."""
    return photographs.Photographs(source=source, networks=zoo.MODELS)


def test_bad_input_is_named(task, tmp_path):
    for call, message in [
        (lambda: photographs.JpegBytes(0), "quality is 0"),
        (lambda: photographs.JpegBytes(96), "quality is 96"),
        (lambda: photographs.JpegBytes(75, 0), "sign is 0"),
        (lambda: photographs.JpegBytes(75, 2), "sign is 2"),
        (
            lambda: photographs.Photographs(source=tmp_path),
            r"networks is None; allowed: a folder with networks of this source",
        ),
        (lambda: own(tmp_path), r"source is .*a folder with pictures in it"),
        (lambda: own(tmp_path / "none"), r"source is .*a folder that is there"),
        (lambda: photographs.Photographs(networks=tmp_path / "none"), "folder is"),
        (lambda: task.judge(torch.zeros(3, 3, 32, 32)), r"x is .*n >= 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 and no more")
    with pytest.raises(ValueError, match=r"picture is .*a\.jpg.*; allowed: a whole picture file"):
        own(tmp_path)
    save = Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save
    for k in range(2):
        save(tmp_path / f"{k}.png")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(ValueError, match=r"networks is .* 7 classes.*; allowed: a classifier of images .* 3 classes"):
        own(tmp_path)
