"""Grids: interpolation, derivatives, the smoothing filter; painted densities."""

import numpy as np
import pytest
import torch
from PIL import Image

from orwlab import rewards
from orwlab.exact.grid import Grid, GridDensity, default_extent
from orwlab.oracle import PopulationDynamics
from orwlab.targets import GaussianMixture, get

D = torch.float64


@pytest.mark.parametrize("dim", [1, 2])
def test_linear_functions_are_interpolated_exactly_and_cubics_differentiated_exactly(dim):
    grid = Grid(dim, 32, 3.0)
    linear = grid.points @ torch.tensor([2.0, -1.0], dtype=D)[:dim] + 0.5
    x = 5 * torch.rand(dim, 7, 3, generator=torch.Generator().manual_seed(0), dtype=D) - 2.5
    expected = torch.tensordot(torch.tensor([2.0, -1.0], dtype=D)[:dim], x, 1) + 0.5
    assert torch.allclose(grid.interpolate(linear[None], x)[0], expected)
    for axis in range(dim):
        u = grid.points[..., axis]
        slope = grid.derivative(u**3 - u**4, axis)
        inside = (slice(2, -2),) * dim
        assert torch.allclose(slope[inside], (3 * u**2 - 4 * u**3)[inside])


def test_smoothing_keeps_cubics_and_removes_what_alternates():
    grid = Grid(1, 40, 2.0)
    u = grid.coordinates
    assert torch.allclose(grid.smooth(u**3 - u)[4:-4], (u**3 - u)[4:-4])
    alternating = torch.tensor([1.0, -1.0], dtype=D).repeat(20)
    assert grid.smooth(alternating)[4:-4].abs().max() < 1e-12


@pytest.mark.parametrize("dim", [1, 2])
def test_a_region_is_widened_by_whole_cells_along_every_axis(dim):
    grid = Grid(dim, 12, 3.0)
    where = torch.zeros(grid.shape, dtype=torch.bool)
    where[(5,) * dim] = where[(0,) * dim] = True
    expected = torch.zeros_like(where)
    expected[(slice(3, 8),) * dim] = expected[(slice(0, 3),) * dim] = True
    assert torch.equal(grid.widened(where, 2), expected)


def test_a_grid_density_samples_what_its_log_prob_says():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(5, 5, generator=generator, dtype=D)
    target = GridDensity(values, extent=2.0)
    fine = Grid(2, 300, 3.0)
    density = target.log_prob(fine.flat).exp()
    assert float(density.sum()) * fine.dx**2 == pytest.approx(1, abs=1e-3)
    x = target.sample(200_000, generator=generator).double()
    for f in (lambda x: x[:, 0], lambda x: x[:, 1] ** 2, lambda x: (x.sum(1) > 0.7).double()):
        expected = float((density * f(fine.flat)).sum()) * fine.dx**2
        assert float(f(x).mean()) == pytest.approx(expected, abs=0.01)


def test_a_picture_stands_upright_and_dark_is_dense():
    picture = np.full((40, 40, 3), 255, dtype=np.uint8)
    picture[2:8, 30:36] = 0  # a dark square at the top right
    target = GridDensity.from_image(Image.fromarray(picture), extent=6.0)
    x = target.sample(2000, generator=torch.Generator().manual_seed(0))
    assert x.mean(0).tolist() == pytest.approx(
        [2.9, 3.4], abs=0.2
    )  # +-4.5 is painted: x = 33/40, y = 5/40 from the top
    light = GridDensity.from_image(255 - picture, extent=6.0, dark=False)
    assert torch.allclose(target.mass, light.mass, atol=1e-12)
    dynamics = PopulationDynamics(target, rewards.get("right"), alpha=0.5)
    before = dynamics.mean_reward
    dynamics.iterate(3)
    assert dynamics.mean_reward > before + 0.005
    assert not dynamics.problems


def strokes():
    """A grey picture without symmetry, 0 to 255, every value a multiple of 17 (so that fewer bits hold it)."""
    picture = np.full((24, 20), 255, dtype=np.uint8)
    picture[2:9, 3:6] = 0
    picture[12:20, 10:17] = 119
    return picture


def near_black_and_white():
    picture = strokes()
    picture[picture < 200] = 0
    return picture


def deep(grey):
    return Image.fromarray((grey.astype(np.uint32) * 257).astype(np.uint16))


def coloured():
    """Red, green and blue strokes."""
    picture = np.stack([strokes()] * 3, -1)
    picture[2:9, 3:6] = (200, 0, 40)
    picture[12:20, 10:17] = (0, 60, 240)
    return picture


def through_palette(grey):
    """As colours 7 and 3 of a palette: the numbers in the file are no shades."""
    index = np.full(grey.shape, 3, dtype=np.uint8)
    index[grey == 0] = 7
    index[grey == 119] = 5
    image = Image.fromarray(index).convert("P")
    palette = [0] * 768
    palette[9:12], palette[15:18], palette[21:24] = [255] * 3, [119] * 3, [0] * 3
    image.putpalette(palette)
    image.putdata(index.flatten().tolist())
    return image


def with_alpha(mode):
    """Black everywhere, seen only where the strokes are."""
    grey, opacity = Image.new("L", (20, 24), 0), Image.fromarray(255 - strokes())
    if mode == "LA":
        return Image.merge("LA", [grey, opacity])
    image = Image.merge("RGBA", [grey, grey, grey, opacity])
    return image.convert(mode)


def rotated(grey):
    """On its side, with the tag that cameras write."""
    image = Image.fromarray(np.rot90(grey, 1).copy())
    image.getexif()[274] = 6  # to be turned clockwise
    return image


GREY = {
    "L": lambda: Image.fromarray(strokes()),
    "RGB": lambda: Image.fromarray(strokes()).convert("RGB"),
    "P": lambda: through_palette(strokes()),
    "I;16": lambda: deep(strokes()),
    "I": lambda: deep(strokes()).convert("I"),
    "F": lambda: Image.fromarray(strokes().astype(np.float32) / 255),
    "CMYK": lambda: Image.fromarray(strokes()).convert("CMYK"),
    "YCbCr": lambda: Image.fromarray(strokes()).convert("YCbCr"),
    "HSV": lambda: Image.fromarray(strokes()).convert("HSV"),
    "LA": lambda: with_alpha("LA"),
    "RGBA": lambda: with_alpha("RGBA"),
    "RGBa": lambda: with_alpha("RGBa"),
    "rotated": lambda: rotated(strokes()),
    "uint16": lambda: strokes().astype(np.uint16) * 257,
    "big-endian": lambda: (strokes().astype(np.uint16) * 257).astype(">u2"),
    "int64": lambda: strokes().astype(np.int64),
    "float": lambda: strokes() / 255,
    "list": lambda: (strokes() / 255).tolist(),
    "tensor": lambda: torch.from_numpy(strokes()),
    "tensor with gradient": lambda: (torch.from_numpy(strokes()) / 255).requires_grad_(),
    "bfloat16": lambda: (torch.from_numpy(strokes()) / 255).bfloat16(),
    "upside down": lambda: strokes()[::-1].copy()[::-1],
}


@pytest.mark.parametrize("mode", GREY)
def test_a_picture_of_any_mode_gives_the_density_that_one_sees(mode):
    expected = GridDensity.from_image(strokes(), axis=48)
    found = GridDensity.from_image(GREY[mode](), axis=48)
    assert 0.5 * float((found.mass - expected.mass).abs().sum()) < (0.01 if mode in ("YCbCr", "bfloat16") else 1e-6)


def test_one_bit_pictures_and_colours_are_seen_too():
    black = near_black_and_white()
    expected = GridDensity.from_image(black, axis=48)
    for image in (Image.fromarray(black).convert("1"), black > 0, Image.fromarray(black).convert("P")):
        assert torch.allclose(GridDensity.from_image(image, axis=48).mass, expected.mass, atol=1e-12)
    colour = GridDensity.from_image(coloured(), axis=48)
    for image in (Image.fromarray(coloured()), Image.fromarray(coloured()).convert("CMYK"), palette_of(coloured())):
        assert torch.allclose(GridDensity.from_image(image, axis=48).mass, colour.mass, atol=1e-9)


def palette_of(colours):
    return Image.fromarray(colours).quantize(8, dither=Image.Dither.NONE)


def test_a_transparent_colour_of_a_palette_is_empty():
    image = through_palette(strokes())
    image.info["transparency"] = 7  # the black strokes
    only_grey = strokes()
    only_grey[only_grey == 0] = 255
    expected = GridDensity.from_image(only_grey, axis=48)
    assert torch.allclose(GridDensity.from_image(image, axis=48).mass, expected.mass, atol=1e-9)


def test_pictures_from_files_are_read_as_they_are_seen(tmp_path):
    expected = GridDensity.from_image(strokes(), axis=48)
    for name, image in (
        ("deep.png", deep(strokes())),
        ("palette.png", through_palette(strokes())),
        ("inks.tif", GREY["CMYK"]()),
    ):
        image.save(tmp_path / name)
        with Image.open(tmp_path / name) as opened:
            found = GridDensity.from_image(opened, axis=48)
        assert torch.allclose(found.mass, expected.mass, atol=1e-6), name
    (tmp_path / "broken.png").write_bytes((tmp_path / "deep.png").read_bytes()[:60])
    with (
        Image.open(tmp_path / "broken.png") as opened,
        pytest.raises(ValueError, match="image is a PIL image that cannot be read"),
    ):
        GridDensity.from_image(opened)


def test_a_grid_density_takes_points_of_any_kind_and_keeps_its_own_values():
    values = torch.rand(6, 6, generator=torch.Generator().manual_seed(0), dtype=D) + 0.1
    given = values.clone()
    target = GridDensity(given, extent=np.float32(2.0))
    expected = target.log_prob(torch.zeros(2, 2, dtype=D))
    given.zero_()
    for x in (
        torch.zeros(2, 2),
        np.zeros((2, 2)),
        [[0, 0], [0, 0]],
        torch.zeros(2, 2).bfloat16(),
        torch.zeros(2, 2).long(),
    ):
        assert torch.allclose(target.log_prob(x).double(), expected, rtol=1e-2)
    scaled = GridDensity(1e307 * values, extent=2.0), GridDensity(1e-310 * values, extent=2.0)
    for other in scaled:
        assert torch.allclose(other.mass, target.mass, rtol=1e-2)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: Grid(3, 8, 1.0), "dim"),
        (lambda: Grid(1, 8.0, 1.0), "axis"),
        (lambda: Grid(1, 8, 1e308), "extent"),
        (lambda: Grid(1, 8, 1e-300), "extent"),
        (lambda: GridDensity(torch.ones(8), extent=0), "extent"),
        (lambda: GridDensity(np.array(["a"] * 8)), "density"),
        (lambda: GridDensity(torch.ones(8)).log_prob(torch.zeros(4, 2)), "x is"),
        (lambda: GridDensity(torch.ones(8)).log_prob(torch.full((4, 1), torch.nan)), "x holds"),
        (lambda: GridDensity(torch.ones(8)).sample(0, generator=torch.Generator()), "n is"),
        (lambda: GridDensity(torch.ones(8)).sample(3, generator=0), "generator"),
        (lambda: GridDensity.from_image(strokes(), axis=5), "axis"),
        (lambda: GridDensity.from_image(strokes(), blur=-1), "blur"),
        (lambda: GridDensity.from_image(strokes(), dark="yes"), "dark"),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_grids_take_numbers_of_any_kind():
    assert Grid(np.int64(2), torch.tensor(8), np.float32(3.0)) == Grid(2, 8, 3.0)
    assert Grid(2, 8, np.array(3)).points.dtype == torch.float64
    with torch.inference_mode():
        points = Grid(1, 8, 3.0).points
    assert not points.is_inference()


def test_a_small_painting_gets_a_domain_that_holds_the_noise():
    small = GridDensity(torch.ones(32), extent=1.0)
    dynamics = PopulationDynamics(small, rewards.get("right"), axis=256)
    assert dynamics.cells.extent == 3.0
    assert float(dynamics.reference_density[dynamics.grid[:, 0].abs() < 1].sum()) * dynamics.cells.dx > 0.98


def test_a_density_or_reward_on_a_grid_equals_the_function_it_was_taken_from():
    target, reward = get("four_modes"), rewards.get("right")
    exact = PopulationDynamics(target, reward, alpha=0.5)
    painted = PopulationDynamics(exact.density, exact.reward_values, alpha=0.5)
    for dynamics in (exact, painted):
        dynamics.iterate(3)
    volume = exact.cells.dx**2
    assert 0.5 * float((exact.density - painted.density).abs().sum()) * volume < 1e-6
    finer = Grid(2, 200, 6.0)
    resampled = PopulationDynamics(target, reward(finer.flat).reshape(200, 200), alpha=0.5)
    resampled.iterate(3)
    assert resampled.mean_reward == pytest.approx(exact.mean_reward, abs=1e-3)


def test_the_default_domain_holds_the_target():
    assert default_extent(get("eight_gaussians")) == 6.0
    wide = GaussianMixture(torch.ones(2), torch.tensor([[-12.0], [3.0]]), 0.5)
    extent = default_extent(wide)
    assert 14 < extent < 25
    assert float(wide.log_prob(torch.tensor([[-extent]])).exp()) < 1e-9


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (np.zeros((3, 3)), "image"),
        (np.zeros(10), "image"),
        (np.full((9, 9), 2.0), "image"),
        (np.ones((9, 9)), "density"),
        (np.zeros((9, 9, 5)), "image"),
        (np.full((9, 9), -1), "image"),
        (np.full((9, 9), 256), "image"),
        (np.full((9, 9), np.nan), "image"),
        (np.zeros((9, 9)) * 1j, "image"),
        (np.full((9, 9), "x"), "image"),
        ([[0.0] * 9, [0.0] * 8], "image"),
        ("picture.png", "image"),
        (None, "image"),
        (Image.new("L", (2, 2)), "image"),
        (Image.new("F", (9, 9), 255.0), "image"),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "density is zero"),
    ],
)
def test_pictures_that_hold_no_density_are_refused(image, named):
    with pytest.raises(ValueError, match=named):
        GridDensity.from_image(image)
