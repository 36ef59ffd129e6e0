"""What the figures of couplings and bounds show."""

import math

import numpy as np
import pytest
import torch

from orwlab.show import figures
from orwlab.show.figures.bound import CERTIFIED, PENALTY, WORDS
from orwlab.wasserstein import Ladder

RUNGS = {
    alpha: {name: shift + k for k, name in enumerate(WORDS)} for alpha, shift in ((0.3, 0.9), (1.0, 0.5), (3.0, -0.1))
}


def test_pairings_join_each_point_with_its_partner():
    x, y = torch.arange(6.0).reshape(3, 2), 10 + torch.arange(6.0).reshape(3, 2)
    order = torch.tensor([2, 0, 1])
    figure = figures.pairings([("one", x, y, torch.arange(3)), ("two", x, y, order)])
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(lines) == 2
    starts, ends = lines[1].x[0::3], lines[1].x[1::3]
    assert starts.tolist() == x[:, 0].tolist()
    assert ends.tolist() == y[order][:, 0].tolist()
    assert np.isnan(lines[1].x[2::3]).all()  # no line from one pair to the next


def test_coupled_paths_start_together_and_show_every_gap():
    times = torch.linspace(0, 1, 5)
    x0 = torch.tensor([[-1.0], [0.5]])
    x, y = (torch.stack([x0 + t * v for t in times]) for v in (1.0, -0.5))
    figure = figures.coupled_paths(times, x, y)
    reference, policy, *gaps = figure.data
    assert reference.y[0] == policy.y[0] == -1.0
    assert len(gaps) == 2
    assert [sorted(gap.y) for gap in gaps] == [[-1.5, 0.0], [0.0, 1.5]]
    assert len({gap.x[0] for gap in gaps}) == 2
    with pytest.raises(ValueError, match=r"y is a tensor of shape \(5, 1, 1\)"):
        figures.coupled_paths(times, x, y[:, :1])


def test_the_ladder_shows_one_alpha_at_a_time_and_says_what_is_certified():
    assert set(WORDS) == set(Ladder.__dataclass_fields__) - {"rungs", "identity", "penalty", "pair", "problem"}
    figure = figures.ladder_over_alpha(RUNGS, {0.3: 1.0, 1.0: 0.5, 3.0: 0.1}, start=1.0)
    shown = [trace for trace in figure.data if trace.visible]
    dots = shown[-1]
    assert dict(zip(dots.y, dots.x)) == {WORDS[name]: value for name, value in RUNGS[1.0].items()}
    filled = {name for name, colour in zip(WORDS, dots.marker.color) if colour != "white"}
    assert filled == set(CERTIFIED)
    assert dots.text[1].strip() == f"{10**1.5:.3g}"
    assert "<sup>7.5" in dots.text[-1]
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == ["0.3", "1", "3"]
    last = [trace for trace, on in zip(figure.data, slider.steps[2].args[0]["visible"]) if on]
    assert last[-1].x[0] == RUNGS[3.0]["empirical"]
    assert last[1].y[0] == PENALTY
    assert last[1].x[0] == pytest.approx(math.log10(0.1))


def test_bad_rungs_are_named():
    with pytest.raises(ValueError, match="rungs is"):
        figures.ladder_over_alpha({1.0: {"coupled": 1.0}}, {1.0: 0.5})
    penalty = {0.3: 1.0, 1.0: 0.5, 3.0: 0.1}
    with pytest.raises(ValueError, match="penalty is"):
        figures.ladder_over_alpha(RUNGS, {1.0: 0.5})
    with pytest.raises(ValueError, match=r"penalty\[3.0\] is 0"):  # it has no place on a logarithmic axis
        figures.ladder_over_alpha(RUNGS, penalty | {3.0: 0})
    with pytest.raises(ValueError, match="start is 2"):
        figures.ladder_over_alpha(RUNGS, penalty, start=2)
    for call in (figures.pairings, figures.penalty_against_distance):
        with pytest.raises(ValueError, match=r"panels|runs"):
            call([])


def test_the_flow_that_ends_higher_is_named_above():
    times = torch.linspace(0, 1, 9)
    falling, rising = (torch.stack([torch.full((3, 1), v * float(t)) for t in times]) for v in (-1.0, 1.0))
    for flows, above in (((rising, falling), "policy"), ((falling, rising), "reference")):
        figure = figures.coupled_paths(times, *flows)
        heights = {a.text: a.y + 1e-3 * (a.yshift or 0) for a in figure.layout.annotations if a.text != "gaps"}
        assert max(heights, key=heights.get) == above
        assert max(heights.values()) > 1.0
        assert min(heights.values()) < -1.0
    with pytest.raises(ValueError, match="names is"):
        figures.coupled_paths(times, rising, falling, names=("policy", "reference", "nobody"))


def test_a_pairing_is_a_permutation():
    x = torch.arange(6.0).reshape(3, 2)
    for order in ([0, 1, 3], [0, 0, 1], [0, 1], [0.5, 1, 2]):
        with pytest.raises(ValueError, match="order of 'a'"):
            figures.pairings([("a", x, x, order)])
    figures.pairings([("a", x, x, [2, 0, 1])])


def test_penalty_against_distance_keeps_the_order_of_rounds_and_draws_equal_ratios():
    runs = {"one": [(0.01, 0.2), (0.1, 1.0), (0.05, 0.4)], "two": [(1.0, 3.0)]}
    figure = figures.penalty_against_distance(runs)
    once, tenfold, one, _ = figure.data
    assert np.allclose(once.x, once.y)
    assert np.allclose(10 * np.array(tenfold.x), tenfold.y)
    assert one.x.tolist() == pytest.approx([0.01, 0.1, 0.05])
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert [trace.name for trace in figure.data][2:] == ["one", "two"]
    with pytest.raises(ValueError, match=r"runs\['one'\]"):
        figures.penalty_against_distance({"one": [(0.0, 0.2)]})
