import math

import pytest
import torch

from orwlab import metrics, targets


def test_mean_pairwise_distance_of_a_gaussian(generator):
    """For N(0, s^2 I) in the plane two points are sqrt(pi) s apart on average."""
    x = 0.5 * torch.randn(3000, 2, generator=generator)
    assert metrics.mean_pairwise_distance(x) == pytest.approx(0.5 * math.sqrt(math.pi), rel=0.02)
    assert metrics.mean_pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx(5)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_vendi_score_counts_well_separated_clusters(k, generator):
    centres = 100 * torch.arange(k)[:, None].expand(k, 2).float()
    x = centres.repeat(20, 1) + 1e-4 * torch.randn(20 * k, 2, generator=generator)
    assert metrics.vendi_score(x) == pytest.approx(k, rel=1e-3)


def test_mode_mass_counts(generator):
    target = targets.get("four_modes")
    x = target.means[[0, 0, 0, 2]].float()
    assert metrics.mode_mass(x, target).tolist() == [0.75, 0, 0.25, 0]


def test_energy_distance(generator):
    x, y = torch.randn(2, 2000, 2, generator=generator)
    assert abs(metrics.energy_distance(x, y)) < 0.01
    # two point masses at distance 3: 2 * 3
    assert metrics.energy_distance(torch.zeros(2, 1), torch.full((2, 1), 3.0)) == pytest.approx(6)
    # N(0, 1) and N(m, 1) on a line: 2 E|Z sqrt2 + m| - 2 E|Z sqrt2|
    m, s = 1.0, math.sqrt(2)
    folded = s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * math.erf(m / (s * math.sqrt(2)))
    a, b = torch.randn(2, 6000, 1, generator=generator)
    assert metrics.energy_distance(a, b + m) == pytest.approx(2 * folded - 2 * 2 / math.sqrt(math.pi), abs=0.03)


def test_collapse_is_seen_and_only_then(generator):
    reference = targets.get("eight_gaussians").sample(500, generator=generator)
    assert metrics.collapsed(reference[:1] + 0.1 * torch.randn(500, 2, generator=generator), reference)
    assert not metrics.collapsed(reference[reference[:, 0] > 0], reference)


@pytest.mark.parametrize("name", ["eight_gaussians", "checkerboard", "two_spirals", "gaussian"])
def test_off_data_is_seen_and_only_then(name, generator):
    target = targets.get(name)
    region = metrics.DataRegion(target.sample(2000, generator=generator))
    assert region.fraction_outside(target.sample(2000, generator=generator)) < 0.01
    assert region.fraction_outside(target.sample(2000, generator=generator) + 12) == 1


def test_bad_input_is_named():
    x = torch.zeros(3, 2)
    for call, message in [
        (lambda: metrics.mean_pairwise_distance(x[:1]), "x is a tensor"),
        (lambda: metrics.mean_pairwise_distance(x / 0), "x holds NaN"),
        (lambda: metrics.vendi_score(x, 0.0), "bandwidth is 0.0"),
        (lambda: metrics.energy_distance(x, torch.zeros(3, 1)), "y is a tensor"),
        (lambda: metrics.DataRegion(x), "data is a tensor"),
        (lambda: metrics.collapsed(x, x, ratio=-1.0), "ratio is -1.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
