"""Figures of flows hold what they are given."""

import numpy as np
import pytest
import torch

from orwlab.show import figures


def test_ways_on_a_line_are_one_trace_with_gaps():
    times, x = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([[0.0, 1.0], [0.5, 2.0], [1.0, 3.0]])  # two walkers
    axis = torch.linspace(-1, 1, 5)
    density = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    figure = figures.paths_in_time([("a", times, x), ("b", times, x)], density=(times, axis, density), mark=(0.5, 0.2))
    assert [trace.type for trace in figure.data] == ["heatmap", "scatter", "scatter"] * 2
    heat, way, dot = figure.data[:3]
    assert np.allclose(heat.z, (density / density.max(1, keepdim=True).values).T)  # plotly's rows are y
    assert np.allclose(way.x, [0, 0.5, 1, np.nan] * 2, equal_nan=True)
    assert np.allclose(way.y, [0, 0.5, 1, np.nan, 1, 2, 3, np.nan], equal_nan=True)
    assert (dot.x[0], dot.y[0]) == (0.5, 0.2)
    with pytest.raises(ValueError, match="panels"):
        figures.paths_in_time([])


def test_bars_of_velocities_are_a_density():
    u = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    grid = torch.linspace(-5, 5, 101)
    figure = figures.velocities_at_a_point(u, grid, torch.exp(-(grid**2) / 2) / (2 * torch.pi) ** 0.5, 0.0)
    bars, curve = figure.data
    assert curve.line.dash == "dash", "exact is dashed, everywhere"
    assert figure.layout.shapes[0].line.dash == "dash"
    assert float(np.sum(bars.y) * bars.width) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(np.interp(bars.x, curve.x, curve.y) - bars.y).max() < 0.05
    assert "0.00" in figure.layout.annotations[0].text
    beyond = figures.velocities_at_a_point(torch.cat([u, u + 100]), grid, torch.ones(101), 0.0).data[0]
    assert float(np.sum(beyond.y) * beyond.width) == pytest.approx(0.5, abs=1e-5), "half of them have no bar"


def test_arrows_start_at_their_places_and_point_along_the_velocity():
    x, v = torch.tensor([[0.0, 0.0], [1.0, -1.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    figure = figures.arrows_in_panels([("a", x, v)], points=x, length=0.5)
    dots, arrows = figure.data
    assert np.allclose(dots.x, x[:, 0])
    xs, ys = np.reshape(arrows.x, (2, 6)), np.reshape(arrows.y, (2, 6))  # start, tip, barb, tip, barb, gap
    assert np.allclose(np.stack([xs[:, 0], ys[:, 0]], 1), x)
    assert np.allclose(np.stack([xs[:, 1], ys[:, 1]], 1), x + 0.5 * v)
    assert np.isnan(xs[:, 5]).all()


def test_trajectories_begin_grey_and_end_blue():
    x = torch.stack([torch.zeros(4, 2), torch.ones(4, 2)])  # (T, n, 2)
    figure = figures.trajectories_in_panels([("a", x), ("b", x)], extent=3.0)
    assert len(figure.data) == 6
    _, begin, end = figure.data[:3]
    assert set(begin.x) == {0.0}
    assert set(end.y) == {1.0}
    assert figure.layout.yaxis2.scaleanchor == "x2"
    assert list(figure.layout.xaxis2.range) == [-3, 3]


def test_planes_are_as_high_as_they_are_wide():
    """Equal units make a plane square: in a low figure it would be small, and white space beside it."""
    x = torch.zeros(2, 4, 2)
    for figure in (figures.trajectories_in_panels([("a", x), ("b", x)]), figures.arrows_in_panels([("a", x[0], x[0])])):
        layout = figure.layout
        high = layout.height - 105 - 70
        wide = (layout.width - 80) * (layout.xaxis.domain[1] - layout.xaxis.domain[0])
        assert 0.9 * wide < high < 1.2 * wide


def test_a_single_panel_of_ways_is_wide_enough_for_a_room():
    t, x = torch.tensor([0.0, 1.0]), torch.zeros(2, 3)
    one, two = (figures.paths_in_time([("a", t, x)] * k).layout.width for k in (1, 2))
    assert 650 <= one <= two
