"""Paintings and the mixtures made of them: what is painted is what the density and the reward say."""

import itertools
import math
import re

import numpy as np
import pytest
import torch

from orwlab import rewards, targets
from orwlab.exact.grid import Grid
from orwlab.oracle import PopulationDynamics
from orwlab.show.lab import clouds, painting
from orwlab.show.lab.clouds import Cloud
from orwlab.show.lab.painting import Painted, Stroke, canvas, stroke

PIXELS = Grid(2, painting.SIDE, painting.EXTENT)
LINE = stroke([[-3, -2], [3, 1.5]], size=0.35)


def circle(radius, **brush):
    angle = torch.linspace(0, 2 * math.pi, 120, dtype=torch.float64)
    return stroke(radius * torch.stack([angle.cos(), angle.sin()], -1), **brush)


def some_strokes(seed):
    rng = np.random.default_rng(seed)
    symmetries = list(painting.SYMMETRIES)
    return tuple(
        Stroke(
            # small steps, large steps and dabs
            tuple(map(tuple, np.clip(rng.integers(0, 256, 2) + rng.integers(-s, s + 1, (n, 2)), 0, 255).tolist())),
            rng.choice(painting.SIZES),
            rng.choice(painting.STRENGTHS),
            bool(rng.integers(2)),
            symmetries[rng.integers(len(symmetries))],
        )
        for n, s in zip(rng.integers(1, 40, 12), rng.integers(0, 200, 12))
    )


@pytest.mark.parametrize("seed", range(5))
def test_strokes_survive_their_text(seed):
    strokes = some_strokes(seed)
    text = painting.write(strokes)
    assert painting.read(text) == strokes
    assert re.fullmatch(r"paint:[A-Za-z0-9._~-]*", text)  # what a link holds as it is


def test_the_text_is_what_the_head_of_the_file_says():
    one = Stroke(((1, 2), (31, 0), (200, 255)), size=0.7, strength=0.5, eraser=True, symmetry="both")
    # brush 15 = 6 * 2 + 2 * 1 + 1, symmetry 3, then (0, 4, 2) = 258, (31 + 30, 31 - 2), and (12, 35, 63) = 51455
    assert painting.write([one]) == "paint:PDAEC9d_Mj_"


def test_nothing_is_a_painting_too():
    assert painting.write([]) == "paint:"
    assert painting.read("paint:") == ()
    assert float(canvas([]).abs().max()) == 0.0
    with pytest.raises(ValueError, match=r"the painting is empty; allowed: some ink"):
        painting.target([])


def test_an_erased_painting_has_no_density():
    with pytest.raises(ValueError, match="the painting is empty"):
        painting.target([LINE, *[stroke([[-3, -2], [3, 1.5]], size=1.2, eraser=True)] * 6])


def test_a_short_text_holds_a_drawing():
    assert len(painting.write([circle(3)])) < 100
    text = painting.write([circle(radius, size=0.2) for radius in np.linspace(0.2, 4.5, 60)])
    assert len(text) < 4000


@pytest.mark.parametrize(
    "text",
    [
        "paint",
        "paint:.",
        "paint:AA",
        "paint:AAAA",
        "paint:AAAAA.",
        "paint:zAAAA",  # a brush that there is not
        "paint:AzAAA",
        "paint:AA___",  # a point beyond the lattice
        "paint:AAAAAA",
        "paint:AAAAAAA",  # a step out of it
        "paint:AAAAA_AAB",  # a step written the long way
        "paint:AAAAA ",
        "paint:AAAAÄ",
        "paint:" + "A" * 30_000,
        "formula:x",
        "",
        None,
        7,
    ],
)
def test_damaged_texts_are_said_to_be(text):
    with pytest.raises(ValueError, match=r"damaged|allowed"):
        painting.read(text)


def test_any_text_is_a_painting_or_a_sentence():
    rng = np.random.default_rng(0)
    good, digits = painting.write(some_strokes(0)), np.array(list(painting._DIGITS + ".~ä%\0\n"))
    read = 0
    for _ in range(1000):
        letters = np.array(list(good))
        at = rng.integers(6, len(letters), rng.integers(1, 6))
        letters[at] = rng.choice(digits, len(at))
        text = "".join(letters[: rng.integers(6, len(letters) + 1)])
        try:
            assert painting.write(painting.read(text)) == text
            read += 1
        except ValueError:
            pass
    assert 0 < read < 1000


def test_the_longest_text_is_painted():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 256, (4990, 2))
    strokes = [Stroke(tuple(map(tuple, points.tolist())), size=1.2, symmetry="eighths")]
    assert 0.9 * painting.LONGEST < len(painting.write(strokes)) <= painting.LONGEST
    assert canvas(strokes).max() > 0.9
    with pytest.raises(ValueError, match=r"the painting is full: it takes 38,\d+ characters; allowed: 20,000"):
        painting.write(strokes * 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(points=[]), "points is .*; allowed: at least one pair of whole numbers from 0 to 255"),
        (dict(points=[[0, 256]]), "points is"),
        (dict(points=[[0.5, 1]]), "points is"),
        (dict(points=[[0, math.nan]]), "points holds NaN"),
        (dict(points=[1, 2]), "points is"),
        (dict(points="line"), "points is"),
        (dict(size=0.5), "size is 0.5; allowed: one of 0.2, 0.35, 0.7, 1.2"),
        (dict(strength=2), "strength is 2; allowed: one of 1, 0.5, 0.25"),
        (dict(eraser="yes"), "eraser is 'yes'"),
        (dict(symmetry="thirds"), "symmetry is 'thirds'"),
    ],
)
def test_bad_strokes(wrong, message):
    with pytest.raises(ValueError, match=message):
        Stroke(**{"points": [[1, 2]], **wrong})


@pytest.mark.parametrize("use", [painting.write, canvas, painting.target, Painted])
@pytest.mark.parametrize("wrong", [None, "paint:", [[1, 2]], 7, torch.zeros(2, 2)])
def test_only_strokes_are_painted(use, wrong):
    with pytest.raises(ValueError, match=r"strokes is .*; allowed: painting.Strokes"):
        use(wrong)


@pytest.mark.parametrize("points", [np.array([[3, 4]]), torch.tensor([[3.0, 4.0]]), [(3, np.int64(4))]])
def test_points_in_any_form(points):
    assert Stroke(points) == Stroke(((3, 4),))
    assert hash(Stroke(points)) == hash(Stroke(((3, 4),)))


def pixel_by_pixel(strokes, side):
    """The rules of the file's head, one pixel after the other, with nothing but arithmetic."""
    images = {
        "none": [(1, 0, 0, 1)],
        "left_right": [(1, 0, 0, 1), (-1, 0, 0, 1)],
        "up_down": [(1, 0, 0, 1), (1, 0, 0, -1)],
        "both": [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)],
        "quarters": [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)],
    }
    images["eighths"] = [*images["both"], *[(c, d, a, b) for a, b, c, d in images["both"]]]

    def cover(one, x, y):
        line = [(-5 + (a + 0.5) * 10 / 256, -5 + (b + 0.5) * 10 / 256) for a, b in one.points]
        best = 0.0
        for a, b, c, d in images[one.symmetry]:
            u, v = a * x + b * y, c * x + d * y
            for (px, py), (qx, qy) in zip(line, line[1:] or line):
                length = (qx - px) ** 2 + (qy - py) ** 2
                s = min(max(((u - px) * (qx - px) + (v - py) * (qy - py)) / length, 0), 1) if length else 0
                away = math.hypot(u - px - s * (qx - px), v - py - s * (qy - py))
                if away <= 5 * one.size:
                    best = max(best, one.strength * math.exp(-(away**2) / (2 * one.size**2)))
        return best

    ink = torch.zeros(side, side, dtype=torch.float64)
    for i in range(side):
        for j in range(side):
            for one in strokes:
                g = cover(one, -5 + (i + 0.5) * 10 / side, -5 + (j + 0.5) * 10 / side)
                ink[i, j] = ink[i, j] * (1 - g) if one.eraser else ink[i, j] + (1 - ink[i, j]) * g
    return ink


@pytest.mark.parametrize("symmetry", painting.SYMMETRIES)
def test_the_picture_is_what_the_rules_say(symmetry):
    strokes = [
        stroke([[1, 0.4], [3.5, 2], [3.4, -1]], size=0.35, symmetry=symmetry),
        stroke([[4.9, 4.0]], size=1.2, strength=0.5, symmetry=symmetry),
        stroke([[2, 0], [3, 3]], size=0.2, eraser=True, strength=0.5, symmetry=symmetry),
    ]
    torch.testing.assert_close(canvas(strokes, 32), pixel_by_pixel(strokes, 32), rtol=0, atol=1e-12)


def test_symmetric_brushes_are_symmetric():
    def ink(symmetry):
        return canvas([stroke([[0.7, 0.2], [2.9, 1.1], [1.8, 4.1]], symmetry=symmetry)])

    maps = {
        "left_right": [lambda c: c.flip(0)],
        "up_down": [lambda c: c.flip(1)],
        "both": [lambda c: c.flip(0), lambda c: c.flip(1)],
        "quarters": [lambda c: c.rot90()],
        "eighths": [lambda c: c.rot90(), lambda c: c.flip(0), lambda c: c.T],
    }
    assert maps.keys() | {"none"} == painting.SYMMETRIES.keys()
    for symmetry, images in maps.items():
        for image in images:
            assert float((image(ink(symmetry)) - ink(symmetry)).abs().max()) < 1e-12
            assert float((image(ink("none")) - ink("none")).abs().max()) > 0.5


def test_a_symmetric_painting_is_a_symmetric_density():
    target = painting.target([stroke([[0.7, 0.2], [2.9, 1.1]], symmetry="both")])
    torch.testing.assert_close(target.mean(), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-9)


def test_ink_fills_and_never_runs_over():
    layers = [float(canvas([LINE] * n).max()) for n in (1, 2, 50)]
    assert 0.99 < layers[0] < layers[1] <= layers[2] <= 1.0
    half = stroke([[-3, -2], [3, 1.5]], strength=0.5)
    assert float(canvas([half]).max()) == pytest.approx(0.5, abs=0.01)
    assert float(canvas([half] * 2).max()) == pytest.approx(0.75, abs=0.01)
    assert float(canvas([LINE, stroke([[-3, -2], [3, 1.5]], eraser=True)]).max()) < 0.3


def test_a_stroke_keeps_few_points_and_its_way():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 5, 500)
    way = (0.5 + 0.7 * angle[:, None]) * np.stack([np.cos(angle), np.sin(angle)], -1) + rng.normal(0, 0.005, (500, 2))
    kept = stroke(way, tolerance=0.03)
    assert len(kept.points) < 50
    line = (np.array(kept.points) + 0.5) * (10 / 256) - 5
    segments = itertools.pairwise(line)
    away = np.min([painting._squared_distance(*way.T, a, b) for a, b in segments], 0) ** 0.5
    assert away.max() < 0.03 + 10 / 256
    assert len(stroke([[0, 0], [1, 1], [2, 2]]).points) == 2
    assert len(stroke([[0, 0], [0.001, 0]]).points) == 1
    assert stroke([[-99, 99]]).points == ((0, 255),)


@pytest.mark.parametrize("way", [[], [[1.0]], [[math.inf, 0]], "line", torch.zeros(3)])
def test_no_way(way):
    with pytest.raises(ValueError, match="way"):
        stroke(way)


SCENES = {
    "line": [LINE],
    "thin ring": [circle(3, size=0.2)],
    "disc": [stroke([[0, 0]], size=1.2)],
    "rays": [stroke([[1, 0.5], [4, 1.5]], size=0.2, symmetry="eighths"), stroke([[0, 0]], size=0.7, strength=0.5)],
    "cut": [stroke([[-2, -2], [2, 2]], size=0.7), stroke([[-2, 2], [2, -2]], size=0.35, eraser=True)],
}


@pytest.mark.parametrize("strokes", SCENES.values(), ids=list(SCENES))
def test_the_density_looks_as_painted(strokes):
    target, ink = painting.target(strokes), canvas(strokes)
    density = target.log_prob(PIXELS.flat).exp().reshape(ink.shape)
    assert float(torch.corrcoef(torch.stack([ink.flatten(), density.flatten()]))[0, 1]) > 0.995
    assert float((density / density.sum() - ink / ink.sum()).abs().sum() / 2) < 0.04  # of the mass is elsewhere
    assert float(density.sum() * PIXELS.dx**2) == pytest.approx(1, abs=0.01)  # none of it beside the square
    share = (ink / ink.sum())[..., None]
    torch.testing.assert_close(target.mean(), (share * PIXELS.points).sum((0, 1)), rtol=0, atol=0.02)
    assert len(target.weights) <= painting.MOST
    assert target.name == "painting"


@pytest.mark.parametrize(
    ("strokes", "modes"),
    [
        ([stroke([[-2, 0]]), stroke([[2, 0]])], 2),
        ([stroke([[-2, 0], [2, 0]])], 1),
        ([circle(3)], 1),
        ([circle(3), circle(1.2)], 2),
        (SCENES["cut"], 2),
        ([stroke([[3, 1.2]], symmetry="eighths")], 8),
        ([stroke([[-2, 0]], size=0.7), stroke([[3, 3]], size=0.2, strength=0.25)], 2),  # small, but 2 % of the mass
    ],
)
def test_modes_are_what_one_sees_apart(strokes, modes):
    assert painting.target(strokes).n_modes == modes


def test_all_over_is_a_density_too():
    lines = [stroke([[-5, y], [5, y]], size=1.2) for y in range(-5, 6, 2)]
    target = painting.target(lines)
    assert len(target.weights) <= painting.MOST
    assert target.n_modes == 1


def test_modes_are_numbered_anticlockwise():
    target = painting.target([stroke([[2, y]]) for y in (-2, 2)] + [stroke([[-2, y]]) for y in (-2, 2)])
    corners = torch.tensor([[2.0, 2], [-2, 2], [-2, -2], [2, -2]])
    assert target.mode_of(corners).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["gaussian", "four_modes", "eight_gaussians", "two_moons", "checkerboard", "rings"])
def test_hills_are_the_modes_that_a_target_was_built_with(name):
    known = targets.get(name)
    found = Cloud(known.weights, known.means, float(known.covs[0, 0, 0]) ** 0.5)
    assert found.n_modes == known.n_modes
    pairs = set(zip(found.modes.tolist(), known.modes.tolist()))
    assert len(pairs) == known.n_modes  # one to one


def test_a_cloud_is_the_mixture_it_says():
    generator = torch.Generator().manual_seed(0)
    weights, means = torch.rand(30, generator=generator) + 0.1, torch.randn(30, 2, generator=generator)
    x = 3 * torch.randn(1500, 2, generator=generator)
    cloud, mixture = Cloud(weights, means, 0.3), targets.GaussianMixture(weights, means, 0.09)
    torch.testing.assert_close(cloud.component_log_prob(x), mixture.component_log_prob(x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cloud.log_prob(x), mixture.log_prob(x))
    torch.testing.assert_close(cloud.log_prob(x.double()), mixture.log_prob(x.double()))


def test_specks_and_crowds_are_no_modes():
    crowd = torch.cartesian_prod(torch.arange(-4.0, 5, 2), torch.arange(-4.0, 5, 2))
    assert Cloud(torch.ones(25), crowd, 0.2).n_modes == clouds.MOST_MODES
    speck = Cloud(torch.tensor([1.0, 1.0, 0.004]), torch.tensor([[-2.0, 0], [2, 0], [4, 0]]), 0.2)
    assert speck.modes.tolist() == [1, 0, 0]
    far = Cloud(torch.tensor([1.0, 1e-9]), torch.tensor([[0.0, 0], [4, 4]]), 0.2)
    assert far.n_modes == 1


@pytest.mark.parametrize("std", [0, -1, math.nan, None])
def test_a_cloud_has_a_width(std):
    with pytest.raises(ValueError, match="std is"):
        Cloud(torch.ones(2), torch.zeros(2, 2), std)


def test_the_reward_is_the_ink():
    strokes = [LINE, stroke([[2, -2]], size=1.2, strength=0.5)]
    reward, ink = Painted(tuple(strokes)), canvas(strokes)
    values = rewards.evaluate(reward, PIXELS.flat).reshape(ink.shape)
    torch.testing.assert_close(values, ink, rtol=0, atol=1e-12)
    fine = Grid(2, 256, painting.EXTENT)  # between the pixels too
    between = rewards.evaluate(reward, fine.flat).reshape(fine.shape)
    torch.testing.assert_close(between, canvas(strokes, 256), rtol=0, atol=5e-3)
    assert float(between.min()) >= 0
    assert float(between.max()) <= 1


def test_the_reward_is_constant_beyond_the_edge():
    reward = Painted((stroke([[4.9, 0]], size=0.7),))
    inside, outside = rewards.evaluate(reward, torch.tensor([[4.97, 0.0], [50.0, 0.0]]))
    assert float(outside) == pytest.approx(float(inside), abs=1e-3)
    assert float(outside) > 0.9


def test_the_reward_has_a_gradient_uphill():
    reward = Painted((stroke([[0, 0]], size=1.2),))
    x = torch.tensor([[1.0, 0.5], [-0.6, 1.4]], dtype=torch.float64, requires_grad=True)
    reward(x).sum().backward()
    centre = torch.full((2,), 10 / 512, dtype=torch.float64)
    away = x.detach() - centre
    wanted = -away / 1.2**2 * torch.exp(-away.square().sum(1, keepdim=True) / (2 * 1.2**2))
    torch.testing.assert_close(x.grad, wanted, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
def test_the_reward_takes_any_numbers(dtype):
    values = Painted((LINE,))(torch.zeros(3, 2, dtype=dtype))
    assert values.shape == (3,)
    assert values.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("x", [torch.zeros(3, 1), torch.zeros(0, 2), torch.full((1, 2), math.nan), [], "x"])
def test_the_reward_wants_points(x):
    with pytest.raises(ValueError, match=r"x (is|holds)"):
        Painted((LINE,))(x)


def test_exact_answers_to_paintings():
    target, reward = painting.target([stroke([[-2, 0]]), stroke([[2, 0]])]), Painted((stroke([[2, 0]], size=1.2),))
    dynamics = PopulationDynamics(target, reward, axis=64)
    before = dynamics.mode_mass
    torch.testing.assert_close(before, torch.full((2,), 0.5, dtype=torch.float64), rtol=0, atol=0.02)
    assert dynamics.fixed_point(1e-4).converged
    assert float(dynamics.mode_mass[0]) > 0.6  # what is painted draws the mass: mode 0 is on the right
    assert "mass" not in dynamics.problems


def test_a_long_painting_is_not_painted_anew_for_every_stroke():
    """Adding a stroke, or undoing one, takes as long however many there are."""
    strokes = [painting.stroke([[k / 50 - 3, k % 7 - 3.0], [0, 0]], size=0.2, eraser=k % 9 == 8) for k in range(150)]
    whole = painting.canvas(strokes, 64)
    for change in (strokes[:-1], strokes, [*strokes[:-2], strokes[0]]):
        painting.canvas(change[:-1], 64)
        misses = painting._cover.cache_info().misses
        found = painting.canvas(change, 64)
        assert painting._cover.cache_info().misses <= misses + 1
        painting._canvases.clear()
        assert torch.equal(painting.canvas(change, 64), found)  # to the last bit
    assert torch.equal(painting.canvas(strokes, 64), whole)
    for k in range(3 * painting.CANVASES):  # a stroke that is being drawn
        misses = painting._cover.cache_info().misses
        painting.canvas([*strokes, painting.stroke([[k / 20, 0], [1, 1]])], 64)
        assert painting._cover.cache_info().misses == misses + 1
    whole.zero_()  # is the caller's
    assert painting.canvas(strokes, 64).max() > 0.5
    for k in range(40):
        painting.canvas(strokes[: k + 1], 64)
    assert len(painting._canvases) <= painting.CANVASES
