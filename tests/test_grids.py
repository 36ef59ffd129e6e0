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
    ],
)
def test_pictures_that_hold_no_density_are_refused(image, named):
    with pytest.raises(ValueError, match=named):
        GridDensity.from_image(image)
