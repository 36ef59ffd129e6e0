"""The figure of what a reading owes to its noise."""

import numpy as np
import pytest
import torch

from orwlab import flow, rewards, targets
from orwlab.oracle import PopulationDynamics
from orwlab.show import figures
from orwlab.show.lab import yardstick

PARTICLES = [16, 64, 256]


def readings(noise, count=6):
    """Mean rewards of the exact limit of one Gaussian, read on ``count`` draws of each size, minus the exact value."""
    limit = PopulationDynamics(targets.get("gaussian"), rewards.get("right"), axis=64)
    limit.fixed_point()
    right = rewards.get("right")
    return torch.tensor(
        [
            [
                float(right(flow.sample(limit.velocity, noise(n, seed).double(), steps=8)).mean()) - limit.mean_reward
                for seed in range(count)
            ]
            for n in PARTICLES
        ]
    )


def random(n, seed):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def test_even_noise_reads_the_exact_value_with_few_particles_and_the_figure_shows_it():
    found = {"random": readings(random), "Sobol's": readings(lambda n, seed: yardstick.even_noise(n, seed=seed))}
    figure = figures.readings_over_particles(found, PARTICLES, title="One Gaussian")
    lines = {trace.name: trace for trace in figure.data}
    assert list(lines) == ["exact", "random", "Sobol's", "random, band", "Sobol's, band"]
    for name, values in found.items():
        np.testing.assert_allclose(lines[name].y, values.mean(1), atol=1e-6)
        np.testing.assert_allclose(lines[name].x, PARTICLES)
        upper = lines[f"{name}, band"].y[: len(PARTICLES)]
        np.testing.assert_allclose(upper, values.mean(1) + values.std(1, correction=0), atol=1e-6)
    np.testing.assert_allclose(lines["exact"].y, 0)
    (strip,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert (strip.y0, strip.y1) == (-0.02, 0.02)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.range == pytest.approx((np.log10(PARTICLES[0]), np.log10(PARTICLES[-1]))), "all are seen"
    # with as many particles: a tenth of the error
    spread = {name: float(values[-1].square().mean().sqrt()) for name, values in found.items()}
    assert spread["Sobol's"] < 0.005 < spread["random"]
    assert {note.text for note in figure.layout.annotations} == {"exact", "random", "Sobol's"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"particles": [16, 16, 256]}, "particles .* growing numbers"),
        ({"particles": [0, 16, 256]}, "particles holds 0"),
        ({"particles": [16, 64]}, r"readings\['a'\] is a tensor of shape \(3, 4\) .*; allowed: .* of shape \(2, n\)"),
        ({"readings": {}}, "readings .* at least one series"),
        ({"within": 0.0}, "within is 0.0"),
    ],
)
def test_what_it_does_not_draw_is_named(changes, message):
    arguments = {"readings": {"a": torch.zeros(3, 4)}, "particles": PARTICLES, **changes}
    with pytest.raises(ValueError, match=message):
        figures.readings_over_particles(**arguments)


def test_both_edges_of_the_strip_are_seen():
    low = {"far below": [[-0.5, -0.4], [-0.5, -0.4]]}
    bottom, top = figures.readings_over_particles(low, [10, 20], within=0.02).layout.yaxis.range
    assert bottom <= -0.5
    assert top > 0.02
