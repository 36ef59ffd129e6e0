import math
import subprocess
import sys

import pytest
import torch

from orwlab import metrics, targets, wasserstein


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, d, seed=0):
    return torch.randn(n, d, generator=gen(seed), dtype=torch.float64)


# Closed forms --------------------------------------------------------------------------------------------------------


def test_mean_pairwise_distance_of_a_gaussian(generator):
    """For N(0, s^2 I) in the plane two points are sqrt(pi) s apart on average."""
    x = 0.5 * torch.randn(3000, 2, generator=generator)
    assert metrics.mean_pairwise_distance(x) == pytest.approx(0.5 * math.sqrt(math.pi), rel=0.02)
    assert metrics.mean_pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx(5)


def test_mean_pairwise_distance_is_the_same_in_blocks(monkeypatch):
    x, y = normal(50, 3), normal(40, 3, 1)
    whole = metrics.mean_pairwise_distance(x), metrics.energy_distance(x, y)
    monkeypatch.setattr("orwlab.measure.distances.BLOCK", 3 * 50)
    assert (metrics.mean_pairwise_distance(x), metrics.energy_distance(x, y)) == pytest.approx(whole, rel=1e-12)
    assert whole[0] == pytest.approx(float(torch.nn.functional.pdist(x).mean()), rel=1e-12)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_vendi_score_counts_well_separated_clusters(k, generator):
    centres = 100 * torch.arange(k)[:, None].expand(k, 2).float()
    x = centres.repeat(20, 1) + 1e-4 * torch.randn(20 * k, 2, generator=generator)
    assert metrics.vendi_score(x) == pytest.approx(k, rel=1e-3)


def test_vendi_score_of_two_points_and_at_extreme_bandwidths():
    """The eigenvalues of K / 2 are (1 +- k) / 2 for two points with kernel k."""
    x, k = torch.tensor([[0.0], [1.5]]), math.exp(-(1.5**2) / (2 * 2.0**2))
    p = (1 + k) / 2
    assert metrics.vendi_score(x, 2.0) == pytest.approx(p**-p * (1 - p) ** (p - 1), rel=1e-12)
    assert metrics.vendi_score(normal(9, 2), 1e-300) == pytest.approx(9, rel=1e-12)
    assert metrics.vendi_score(normal(9, 2), 1e300) == pytest.approx(1, rel=1e-12)
    assert metrics.vendi_score(torch.ones(9, 2)) == pytest.approx(1, rel=1e-12)


def test_mode_mass_counts(generator):
    target = targets.get("four_modes")
    x = target.means[[0, 0, 0, 2]].float()
    assert metrics.mode_mass(x, target).tolist() == [0.75, 0, 0.25, 0]
    assert metrics.mode_mass(1e5 * x.half().double(), target).sum() == 1


def test_mode_mass_is_the_same_in_blocks(generator, monkeypatch):
    target = targets.get("eight_gaussians")
    x = target.sample(1000, generator=generator)
    whole = metrics.mode_mass(x, target)
    monkeypatch.setattr("orwlab.measure.samples.BLOCK", 4 * 8 * 2 * 7)  # seven points at a time
    assert torch.equal(metrics.mode_mass(x, target), whole)


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
    assert metrics.collapsed(reference[:1].expand(5, 2), reference)


@pytest.mark.parametrize("name", ["eight_gaussians", "checkerboard", "two_spirals", "gaussian"])
def test_off_data_is_seen_and_only_then(name, generator):
    target = targets.get(name)
    region = metrics.DataRegion(target.sample(2000, generator=generator))
    assert region.fraction_outside(target.sample(2000, generator=generator)) < 0.01
    assert region.fraction_outside(target.sample(2000, generator=generator) + 12) == 1


def test_the_reach_is_that_of_different_points():
    grid = torch.cartesian_prod(torch.arange(6.0), torch.arange(6.0))  # nearest neighbours are 1 apart
    for data in (grid, grid.repeat(3, 1)):
        region = metrics.DataRegion(data, quantile=0.5, slack=1.25)
        assert region.reach == pytest.approx(1.25)
        beside = torch.tensor([[0.0, -1.2], [0.0, -1.3], [2.5, 2.5], [7.0, 7.0]])
        assert region.fraction_outside(beside) == 0.5


def test_precision_and_recall_on_a_line_where_one_can_count(monkeypatch):
    """Data at 0 .. 9, each within reach 1 of a neighbour; samples crowded near one of them, and far away."""
    data = torch.arange(10.0)[:, None]
    x = torch.tensor([[2.0], [2.1], [2.3], [50.0], [50.4]])
    for block in (2**23, 7):
        monkeypatch.setattr("orwlab.measure.distances.BLOCK", block)
        assert metrics.precision_and_recall(x, data, k=1) == (0.6, 0.1)  # only the datum 2 is within 0.2 of a sample
        assert metrics.precision_and_recall(x, data, k=4)[1] == 1.0, "the far samples reach back over everything"
        assert metrics.precision_and_recall(data, data) == (1.0, 1.0)
        assert metrics.precision_and_recall(data + 100, data, k=1) == (0.0, 0.0)
        assert metrics.precision_and_recall(data[:5], data, k=1) == (1.0, 0.6)  # 5 is within reach of 4
    with pytest.raises(ValueError, match="n >= 4"):
        metrics.precision_and_recall(data[:3], data)


def test_coverage_on_a_line_where_one_can_count(monkeypatch):
    """Far samples reach nothing, however far apart they lie: there recall says 1."""
    data = torch.arange(10.0)[:, None]
    x = torch.tensor([[2.0], [2.1], [2.3], [50.0], [50.4]])
    for block in (2**23, 7):
        monkeypatch.setattr("orwlab.measure.distances.BLOCK", block)
        assert metrics.coverage(x, data, k=1) == 0.3  # 2, and 1 and 3, whose neighbours are 1 away
        assert metrics.coverage(x, data, k=4) == 0.5  # 0 and 1, whose reaches are 4 and 3, and 2, 3, 4, whose are 2
        assert metrics.coverage(data, data) == 1.0
        assert metrics.coverage(data + 100, data) == 0.0
        assert metrics.coverage(data[:1], data, k=1) == 0.2
    for k, few in ((3, data[:3]), (10, data)):
        with pytest.raises(ValueError, match=rf"data is 'of {len(few)} points'; allowed: more than k = {k}"):
            metrics.coverage(data, few, k)


@pytest.mark.parametrize(("n", "m", "k", "dim"), [(80, 80, 3, 1), (80, 80, 3, 20), (30, 90, 2, 5)])
def test_fresh_data_cover_data_to_what_chance_says(n, m, k, dim):
    """Whatever the law: which of all neighbours come first is a matter of exchangeable ranks."""
    generator = gen(4)
    draws = [torch.randn(n + m, dim, generator=generator).exp() for _ in range(300)]
    found = sum(metrics.coverage(both[:n], both[n:], k) for both in draws) / len(draws)
    exact = 1 - torch.tensor([(m - i) / (n + m - i) for i in range(1, k + 1)]).prod().item()
    assert found == pytest.approx(exact, abs=0.012)


# Invariances --------------------------------------------------------------------------------------------------------

MEASURES = {  # name: the number of x and y, and the power of the unit of length in it
    "mean_pairwise_distance": (lambda x, y: metrics.mean_pairwise_distance(x), 1),
    "energy_distance": (metrics.energy_distance, 1),
    "reach": (lambda x, y: metrics.DataRegion(x).reach, 1),
    "fraction_outside": (lambda x, y: metrics.DataRegion(x, 0.5, 1.0).fraction_outside(y), 0),
    "collapsed": (lambda x, y: metrics.collapsed(x, y, ratio=0.6), 0),
    "w2_squared": (wasserstein.w2_squared, 2),
    "w2_squared, one dimension": (lambda x, y: wasserstein.w2_squared(x[:, :1], y[:, :1]), 2),
    "sliced_w2_squared": (lambda x, y: wasserstein.sliced_w2_squared(x, y, 16, generator=gen()), 2),
    "sinkhorn_w2_squared": (wasserstein.sinkhorn_w2_squared, 2),
    "precision": (lambda x, y: metrics.precision_and_recall(x, y)[0], 0),
    "recall": (lambda x, y: metrics.precision_and_recall(x, y)[1], 0),
    "coverage": (metrics.coverage, 0),
    "vendi_score": (lambda x, y: metrics.vendi_score(x, float((x[0] - x[1]).double().norm())), 0),
}


def pair():
    return normal(60, 2), normal(45, 2, 1) * torch.tensor([2.0, 0.5]) + 1


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1e-6, 1e6, 1e12, 1e100])
def test_every_measure_scales_as_its_unit_does(name, scale):
    measure, power = MEASURES[name]
    x, y = pair()
    assert measure(scale * x, scale * y) == pytest.approx(scale**power * measure(x, y), rel=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_the_same_far_away(name):
    measure, _ = MEASURES[name]
    x, y = ((2**20 * points).round() / 2**20 for points in pair())  # so that adding 2^20 rounds nothing
    assert measure(x + 2**20, y - -(2**20)) == pytest.approx(measure(x, y), rel=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_the_same_far_away_in_single_precision(name):
    measure, _ = MEASURES[name]
    x, y = ((64 * points).round() / 64 for points in pair())
    near, far = measure(x, y), measure((x + 1e4).float(), (y + 1e4).float())
    assert far == pytest.approx(near, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "vendi_score"])  # its bandwidth is of two points
def test_the_order_of_samples_does_not_matter(name):
    measure, _ = MEASURES[name]
    x, y = pair()
    assert measure(x.flip(0), y.roll(7, 0)) == pytest.approx(measure(x, y), rel=1e-3 if "sinkhorn" in name else 1e-9)


# What people bring ---------------------------------------------------------------------------------------------------


def guests():
    """The same whole numbers in every guise, all exact."""
    plain = torch.randint(-100, 100, (24, 2), generator=gen())
    reverse = plain.double().numpy()[::-1].copy()[::-1]
    with torch.inference_mode():
        inference = plain.float() * 1
    return {
        "float64": plain.double(),
        "float32": plain.float(),
        "bfloat16": plain.bfloat16(),
        "float16": plain.half(),
        "int64": plain,
        "int8": plain.to(torch.int8),
        "numpy float64": plain.double().numpy(),
        "numpy float32": plain.float().numpy(),
        "numpy int": plain.numpy(),
        "numpy reversed": reverse,
        "list": plain.tolist(),
        "not contiguous": plain.double().T.contiguous().T,
        "strided": plain.double().repeat_interleave(2, 1)[:, ::2],
        "requires_grad": plain.double().requires_grad_(),
        "inference": inference,
    }


GUESTS = guests()
FORMS = {
    **{
        name: measure
        for name, (measure, _) in MEASURES.items()
        if name not in ("vendi_score", "w2_squared, one dimension")
    },
    "vendi_score": lambda x, y: metrics.vendi_score(x, 20.0),
    "mode_mass": lambda x, y: metrics.mode_mass(x, targets.get("four_modes")).tolist(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_numbers_gives_the_same(name):
    y = torch.randint(-100, 100, (17, 2), generator=gen(1))
    expected = FORMS[name](GUESTS["float64"], y)
    for form, x in GUESTS.items():
        found = FORMS[name](x, y)
        assert found == expected, form
        assert isinstance(found, float | bool | list), form
    if name not in ("vendi_score", "mode_mass", "mean_pairwise_distance", "reach"):
        expected = FORMS[name](y.double(), GUESTS["float64"])
        for form, x in GUESTS.items():
            assert FORMS[name](y.double(), x) == expected, form


def test_whole_numbers_beyond_single_precision_are_kept():
    x = torch.tensor([[2**24], [2**24 + 1], [2**24 + 3]])
    for form in (x, x.numpy(), x.tolist()):
        assert metrics.mean_pairwise_distance(form) == 2
        assert wasserstein.w2_squared(form, x.double() + 1) == 1


def test_samples_of_any_shape():
    x, y = torch.randn(2, 12, 3, 4, 4, generator=gen(), dtype=torch.float64)
    for measure in (
        metrics.mean_pairwise_distance,
        metrics.vendi_score,
        lambda x: metrics.energy_distance(x, y.reshape(x.shape)),
        lambda x: metrics.DataRegion(x).fraction_outside(y.reshape(x.shape)),
        lambda x: wasserstein.w2_squared(x, y.reshape(x.shape)),
    ):
        assert measure(x) == pytest.approx(measure(x.flatten(1)), rel=1e-12)


def test_what_is_large_takes_little_memory():
    """A matrix of distances of 50,000 points would be 20 GB, and the modes of 300,000 as much."""
    code = """
import resource, torch
from orwlab import metrics, targets, wasserstein
torch.set_num_threads(1)
g = torch.Generator().manual_seed(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
x = torch.randn(50_000, 2, generator=g)
assert metrics.DataRegion(x).fraction_outside(x) == 0
metrics.mean_pairwise_distance(x[:15_000])
metrics.mode_mass(x, targets.get("checkerboard"))
wasserstein.sliced_w2_squared(x, x[:40_000], 16, generator=g)
unit = 1 if __import__("sys").platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / 1e9)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(found) < 1.0


BAD = {
    "NaN": torch.tensor([[0.0, float("nan")]] * 20),
    "infinite": torch.full((20, 2), float("inf")),
    "too large": torch.full((20, 2), 1e200, dtype=torch.float64),
    "empty": torch.zeros(0, 2),
    "no coordinates": torch.zeros(20, 0),
    "one dimension": torch.zeros(20),
    "a number": 3.0,
    "None": None,
    "words": [["a", "b"]] * 20,
    "ragged": [[1.0, 2.0], [3.0]],
    "complex": torch.zeros(20, 2, dtype=torch.complex64),
    "sparse": torch.eye(20).to_sparse(),
}


@pytest.mark.parametrize("form", BAD)
def test_what_is_no_set_of_points_is_named(form):
    bad, good, target = BAD[form], normal(20, 2), targets.get("four_modes")
    for name, call in [
        ("x", lambda: metrics.mean_pairwise_distance(bad)),
        ("x", lambda: metrics.vendi_score(bad)),
        ("x", lambda: metrics.mode_mass(bad, target)),
        ("x", lambda: metrics.energy_distance(bad, good)),
        ("y", lambda: metrics.energy_distance(good, bad)),
        ("x", lambda: metrics.collapsed(bad, good)),
        ("reference", lambda: metrics.collapsed(good, bad)),
        ("data", lambda: metrics.DataRegion(bad)),
        ("x", lambda: metrics.DataRegion(good).fraction_outside(bad)),
        ("x", lambda: wasserstein.w2_squared(bad, good)),
        ("y", lambda: wasserstein.w2_squared(good, bad)),
        ("x", lambda: wasserstein.sliced_w2_squared(bad, good, generator=gen())),
        ("y", lambda: wasserstein.sinkhorn_w2_squared(good, bad)),
        ("mean_a", lambda: wasserstein.w2_squared_gaussian(bad, torch.eye(2), good[0], torch.eye(2))),
        ("cov_b", lambda: wasserstein.w2_squared_gaussian(good[0], torch.eye(2), good[0], bad)),
    ]:
        if form in ("one dimension", "too large") and name in ("mean_a", "cov_b"):
            continue
        with pytest.raises(ValueError, match=rf"^{name} (is|holds) .*allowed"):
            call()


def test_bad_input_is_named():
    x, many = torch.zeros(3, 2), torch.zeros(10_001, 2)
    four, spread = targets.get("four_modes"), normal(20, 2)
    for call, message in [
        (lambda: metrics.mean_pairwise_distance(x[:1]), "x is a tensor"),
        (lambda: metrics.mean_pairwise_distance(x / 0), "x holds NaN"),
        (lambda: metrics.vendi_score(x, 0.0), "bandwidth is 0.0"),
        (lambda: metrics.vendi_score(x, math.inf), "bandwidth is inf"),
        (lambda: metrics.vendi_score(x, "1"), "bandwidth is '1'"),
        (lambda: metrics.vendi_score(many), r"x is a tensor of shape \(10001, 2\).*at most 10,000"),
        (lambda: metrics.mode_mass(torch.zeros(3, 1), four), "x is a tensor"),
        (lambda: metrics.mode_mass(x, "four_modes"), "target is 'four_modes'"),
        (lambda: metrics.energy_distance(x, torch.zeros(3, 1)), "y is a tensor"),
        (lambda: metrics.energy_distance(x, x[:1]), r"y is a tensor of shape \(1, 2\)"),
        (lambda: metrics.DataRegion(x), "data is a tensor"),
        (lambda: metrics.DataRegion(torch.ones(20, 2)), "data is a tensor.*not all alike"),
        (lambda: metrics.DataRegion(spread, 1.1), "quantile is 1.1"),
        (lambda: metrics.DataRegion(spread, slack=0.0), "slack is 0.0"),
        (lambda: metrics.DataRegion(spread).fraction_outside(torch.zeros(3, 3)), r"x is a tensor of shape \(3, 3\)"),
        (lambda: metrics.collapsed(x, spread, ratio=-1.0), "ratio is -1.0"),
        (lambda: metrics.collapsed(spread, x), "reference is a tensor.*not all alike"),
        (lambda: metrics.collapsed(spread, spread[:1]), r"reference is a tensor of shape \(1, 2\)"),
        (lambda: metrics.collapsed(spread, torch.zeros(3, 3)), r"reference is a tensor of shape \(3, 3\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
