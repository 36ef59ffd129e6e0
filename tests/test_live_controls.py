"""The scales of a live stage's controls, and the lists that one types."""

import itertools

import pytest

from orwlab.show.lab.settings import ALPHA_MAX, TAU_MAX
from orwlab.show.notebook import controls


def test_the_scale_of_alpha():
    places = controls.alphas()
    assert places[0] == 0.0
    assert places[1] == controls.DECADES[0]
    assert places[-1] == ALPHA_MAX
    assert {0.1, 0.3, 1.0, 3.0, 10.0} <= set(places)
    ratios = [b / a for a, b in itertools.pairwise(places[1:])]
    assert max(ratios) < 1.2  # logarithmic, up to the rounding
    assert min(ratios) > 1.05
    assert 0.37 in controls.alphas(also=0.37)


def test_the_scale_of_tau():
    places = controls.taus()
    assert (places[0], places[-1]) == (0.0, TAU_MAX)
    assert all(b - a == pytest.approx(controls.TAU_STEP) for a, b in itertools.pairwise(places))


@pytest.mark.parametrize(("text", "expected"), [("", ()), (" 0, 0.3 ,1e1,", (0.0, 0.3, 10.0)), ("5", (5.0,))])
def test_typed_lists_of_alpha(text, expected):
    assert controls.parse_alphas(text) == expected


@pytest.mark.parametrize("text", ["one", "1; 2", "1, 2 3"])
def test_lists_that_are_none(text):
    with pytest.raises(ValueError, match=r"other alphas is .*allowed: numbers with commas"):
        controls.parse_alphas(text)
