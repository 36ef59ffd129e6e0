import math

import pytest
import torch

from orwlab import paths


@pytest.mark.parametrize("name", paths.names())
def test_ends_are_noise_and_data(name, generator):
    x0, x1 = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    path = paths.get(name)
    assert torch.allclose(path.interpolate(0.0, x0, x1)[0], x0)
    assert torch.allclose(path.interpolate(1.0, x0, x1)[0], x1)


@pytest.mark.parametrize("name", paths.names())
def test_u_t_is_the_time_derivative(name, generator):
    x0, x1 = torch.randn(2, 5, 1, 2, 2, generator=generator, dtype=torch.float64)
    t = torch.rand(5, generator=generator, dtype=torch.float64) * 0.9 + 0.05
    path, h = paths.get(name), 1e-5
    ahead, behind = (path.interpolate(t + s, x0, x1)[0] for s in (h, -h))
    assert torch.allclose(path.interpolate(t, x0, x1)[1], (ahead - behind) / (2 * h), atol=1e-8)


def test_linear_velocity_is_the_difference(generator):
    x0, x1 = torch.randn(2, 5, 2, generator=generator)
    assert torch.equal(paths.get("linear").interpolate(0.3, x0, x1)[1], x1 - x0)


def test_cosine_keeps_unit_variance():
    t = torch.linspace(0, 1, 11)
    path = paths.get("cosine")
    assert torch.allclose(path.noise(t) ** 2 + path.data(t) ** 2, torch.ones(11))
    assert float(path.d_data(torch.tensor(0.0))) == pytest.approx(math.pi / 2)


def test_bad_input_is_named():
    x = torch.zeros(4, 2)
    with pytest.raises(ValueError, match="path is 'bent'; allowed: one of 'linear', 'cosine'"):
        paths.get("bent")
    with pytest.raises(ValueError, match="x0 is"):
        paths.get("linear").interpolate(0.5, x[:3], x)
    with pytest.raises(ValueError, match="t is"):
        paths.get("linear").interpolate(torch.zeros(3), x, x)
