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


@pytest.mark.parametrize("name", paths.names())
def test_whole_numbers_and_short_floats_are_not_cut(name):
    path, x0, x1 = paths.get(name), torch.tensor([[2, -4], [0, 8]]), torch.tensor([[1, 3], [-6, 2]])
    plain = path.interpolate(0.25, x0.double(), x1.double())
    for a, b in ((x0, x1), (x0.double(), x1.bfloat16()), (x0.tolist(), x1.numpy()), (x0, x1.half())):
        for found, expected in zip(path.interpolate(0.25, a, b), plain):
            assert torch.allclose(found.double(), expected, rtol=1e-2)
    for t in (0.25, [0.25, 0.25], torch.tensor(0.25).bfloat16(), torch.tensor([0.25]), plain[0].new_tensor(0.25)):
        assert torch.allclose(path.interpolate(t, x0.double(), x1.double())[0], plain[0])
    for f in (path.noise, path.data, path.d_noise, path.d_data):
        assert float(f(1)) == pytest.approx(float(f(torch.tensor(1.0, dtype=torch.float64))), abs=1e-6)
        assert f(torch.tensor(math.nan)).isnan()


def test_times_out_of_range_are_named():
    x = torch.ones(4, 2)
    for t in (-0.1, 1.5, [0.0, 0.5, 1.0, 2.0], math.nan, math.inf, "noon", None, 1j, torch.zeros(4, 1), torch.zeros(3)):
        with pytest.raises(ValueError, match=r"^t (is|holds)"):
            paths.get("linear").interpolate(t, x, x)
