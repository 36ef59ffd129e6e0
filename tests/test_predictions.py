"""What one may guess, how near a guess is, and what all guesses say together."""

import math

import numpy as np
import pytest

from orwlab.show.classroom import predictions
from orwlab.show.classroom.lesson import Scene

CURVE = predictions.CURVE


def scene(ask, link="", rounds=0):
    return Scene(title="a scene", link=link, rounds=rounds, ask=ask)


CHOOSE = scene({"kind": "choose", "prompt": "?", "options": ["a", "b", "c"], "answer": 2})
ALPHA = scene({"kind": "alpha", "prompt": "?", "answer": 0.3})
PLACE = scene({"kind": "place", "prompt": "?", "answer": [1, 2]})
DRAWN = scene({"kind": "curve", "prompt": "?", "of": "diversity", "low": 1, "high": 5}, rounds=80)
ORDER = scene({"kind": "order", "prompt": "?", "by": "reward"}, "#alpha=1&others=3,0.3,10")

GOOD = [
    (CHOOSE, 3, 3),
    (ALPHA, 0, 0.0),
    (ALPHA, 100, 100.0),
    (PLACE, [1, -2.00049], [1.0, -2.0]),
    (DRAWN, [2] * CURVE, [2.0] * CURVE),
    (ORDER, [4, 1, 3, 2], [4, 1, 3, 2]),
]
BAD = [
    (CHOOSE, 0, "choice is 0; allowed: "),
    (CHOOSE, 4, "choice is 4; allowed: "),
    (CHOOSE, 1.5, "choice is 1.5; allowed: "),
    (CHOOSE, True, "choice is True; allowed: "),
    (CHOOSE, "2", "choice is '2'; allowed: "),
    (CHOOSE, None, "choice is None; allowed: "),
    (ALPHA, -0.1, "α is -0.1; allowed: "),
    (ALPHA, 101, "α is 101; allowed: "),
    (ALPHA, math.nan, "α is nan; allowed: "),
    (ALPHA, math.inf, "α is inf; allowed: "),
    (ALPHA, [1], "α is [1]; allowed: "),
    (PLACE, [1], "place is [1]; allowed: 2 numbers"),
    (PLACE, [1, 2, 3], "place is [1, 2, 3]; allowed: 2 numbers"),
    (PLACE, [0, 20.5], "place is 20.5; allowed: "),
    (PLACE, [0, math.nan], "place is nan; allowed: "),
    (PLACE, {"x": 0, "y": 1}, "place is {'x': 0, 'y': 1}; allowed: 2 numbers"),
    (DRAWN, [2] * (CURVE - 1), "curve is "),
    (DRAWN, [2] * (CURVE - 1) + [5.1], "curve is 5.1; allowed: "),
    (DRAWN, [0.9] + [2] * (CURVE - 1), "curve is 0.9; allowed: "),
    (DRAWN, [2] * (CURVE - 1) + ["2"], "curve is '2'; allowed: "),
    (ORDER, [1, 2, 3], "order is [1, 2, 3]; allowed: the numbers 1 to 4, each once"),
    (ORDER, [1, 2, 3, 3], "order is [1, 2, 3, 3]; allowed: the numbers 1 to 4, each once"),
    (ORDER, [0, 1, 2, 3], "order is [0, 1, 2, 3]; allowed: the numbers 1 to 4, each once"),
    (ORDER, [1.0, 2, 3, 4], "order is [1.0, 2, 3, 4]; allowed: the numbers 1 to 4, each once"),
    (ORDER, "1234", "order is '1234'; allowed: the numbers 1 to 4, each once"),
    (scene(None), 1, "nothing is asked here; allowed: an answer while a question is on show"),
]


@pytest.mark.parametrize(("asked", "guess", "kept"), GOOD)
def test_a_guess_is_kept(asked, guess, kept):
    assert predictions.check(asked, guess) == kept


@pytest.mark.parametrize(("asked", "guess", "sentence"), BAD)
def test_what_is_no_guess_is_said_in_a_sentence(asked, guess, sentence):
    with pytest.raises(ValueError) as found:  # noqa: PT011  what it says is looked at below
        predictions.check(asked, guess)
    assert str(found.value).startswith(sentence)
    assert "\n" not in str(found.value)


# How near -------------------------------------------------------------------------------------------------------------

TRUE = [(CHOOSE, 2), (ALPHA, 0.3), (PLACE, [1.0, 2.0]), (DRAWN, [3.0] * CURVE), (ORDER, [3, 1, 2, 4])]


@pytest.mark.parametrize(("asked", "truth"), TRUE)
def test_the_truth_is_as_near_as_can_be(asked, truth):
    assert predictions.closeness(asked.ask, truth, truth) == 1
    assert predictions.closeness(asked.ask, truth, None) is None, "nothing is right where nothing is known"


FARTHER = [
    (CHOOSE, 2, [2, 3]),
    (ALPHA, 0.3, [0.3, 0.5, 1.0, 2.9]),
    (ALPHA, 0.3, [0.3, 0.2, 0.1, 0.031]),
    (PLACE, [1.0, 2.0], [[1.0, 2.0], [1.5, 2.0], [1.5, 3.0], [3.0, 3.0]]),
    (DRAWN, [3.0] * CURVE, [[3.0 + up] * CURVE for up in (0, 0.5, 1.0, 1.5, 1.9)]),
    (ORDER, [1, 2, 3, 4], [[1, 2, 3, 4], [2, 1, 3, 4], [2, 1, 4, 3], [4, 2, 3, 1], [4, 3, 2, 1]]),
]
NOWHERE = [
    (CHOOSE, 2, 1),
    (ALPHA, 0.3, 3.1),
    (ALPHA, 0.3, 100.0),
    (ALPHA, 0.3, 0.0),
    (PLACE, [1.0, 2.0], [1.0, -1.1]),
    (PLACE, [1.0, 2.0], [20.0, 20.0]),
    (DRAWN, [5.0] * CURVE, [1.0] * CURVE),
    (ORDER, [1, 2, 3, 4], [4, 3, 2, 1]),
]


@pytest.mark.parametrize(("asked", "truth", "guesses"), FARTHER)
def test_it_falls_with_the_distance(asked, truth, guesses):
    near = [predictions.closeness(asked.ask, guess, truth) for guess in guesses]
    assert near == sorted(near, reverse=True)
    assert len(set(near)) == len(near)
    assert all(0 <= one <= 1 for one in near)


@pytest.mark.parametrize(("asked", "truth", "guess"), NOWHERE)
def test_far_away_is_worth_nothing(asked, truth, guess):
    assert predictions.closeness(asked.ask, guess, truth) == 0


def test_alphas_are_compared_by_their_powers_of_ten():
    def near(guess, truth):
        return predictions.closeness(ALPHA.ask, guess, truth)

    assert near(0.1, 0.2) == pytest.approx(near(10, 5)), "twice is twice, wherever it is"
    assert near(0.1, 0.2) == pytest.approx(1 - math.log10(2))
    assert near(0.0, 0.0) == 1
    assert near(0.0, 0.02) == near(0.01, 0.02), "0 counts as the place next to it"


def test_an_order_is_worth_the_share_of_its_pairs():
    truth = [3, 1, 2, 4]
    assert predictions.closeness(ORDER.ask, [1, 3, 2, 4], truth) == 5 / 6
    assert predictions.closeness(ORDER.ask, [4, 3, 1, 2], truth) == 3 / 6


def test_points_are_hundredths():
    assert [predictions.points(near) for near in (None, 0.0, 0.426, 1.0)] == [0, 0, 43, 100]


# All together ---------------------------------------------------------------------------------------------------------


def test_options_are_counted_and_the_middle_is_not_drawn_away_by_one():
    assert predictions.together(CHOOSE, [2, 2, 3]) == {"counts": [0, 2, 1]}
    assert predictions.together(CHOOSE, []) == {"counts": [0, 0, 0]}
    assert predictions.together(ALPHA, [0.1, 0.3, 100.0]) == {"middle": 0.3}
    assert predictions.together(PLACE, [[0, 0], [1, 2], [20, -20]]) == {"middle": [1.0, 0.0]}
    curves = [[1.0] * CURVE, [2.0] * CURVE, [5.0] * CURVE]
    assert predictions.together(DRAWN, curves) == {"middle": [2.0] * CURVE}
    for asked in (ALPHA, PLACE, DRAWN, ORDER):
        assert predictions.together(asked, []) == {}


def test_of_orders_each_lane_has_its_mean_rank():
    assert predictions.together(ORDER, [[1, 2, 3, 4], [2, 1, 3, 4]]) == {"ranks": [1.5, 1.5, 3.0, 4.0]}
    assert predictions.together(ORDER, [[4, 3, 2, 1]]) == {"ranks": [4.0, 3.0, 2.0, 1.0]}


# What only the run can tell -------------------------------------------------------------------------------------------


def test_a_runs_curve_is_taken_at_even_rounds_and_kept_on_the_axes():
    rounds = [0, 10, 20, 80]
    end = {"rounds": rounds, "values": {"diversity": [[4.0, 3.0, 2.0, 0.5], [9.0] * 4]}}
    found = predictions.of_the_run(DRAWN.ask, end, 80)
    at = np.linspace(0, 80, CURVE)
    assert found == pytest.approx(np.interp(at, rounds, [4.0, 3.0, 2.0, 0.5]).clip(1, 5).tolist(), abs=1e-4)
    assert found[-1] == 1, "below the axis it lies on its edge"
    assert predictions.check(DRAWN, found) == found, "it is what one could have guessed"


def test_a_runs_order_is_that_of_its_end():
    end = {"rounds": [0, 1], "values": {"reward": [[0.0, 0.3], [0.9, 0.1], [0.0, 0.5], [0.0, 0.05]]}}
    assert predictions.of_the_run(ORDER.ask, end, 1) == [4, 2, 1, 3]


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        (DRAWN, {}),
        (DRAWN, {"rounds": [0], "values": {"diversity": [[4.0]]}}),
        (DRAWN, {"rounds": [0, 1], "values": {"reward": [[4.0, 1.0]]}}),
        (ORDER, {"rounds": [0, 1], "values": {}}),
        (CHOOSE, {"rounds": [0, 1], "values": {"reward": [[4.0, 1.0]]}}),
    ],
)
def test_where_the_run_does_not_tell_there_is_nothing(asked, end):
    assert predictions.of_the_run(asked.ask, end, 1) is None


def test_lanes_that_read_the_same_may_stand_either_way():
    order, alike = predictions.ordered([0.5177, 0.2, 0.5175])
    assert order == [2, 3, 1]
    assert alike == [[3, 1]]
    ask = ORDER.ask
    assert predictions.closeness(ask, [2, 1, 3], order, alike) == 1
    assert predictions.closeness(ask, [2, 3, 1], order, alike) == 1
    assert predictions.closeness(ask, [1, 2, 3], order, alike) == 0.5
    assert predictions.closeness(ask, [1, 2, 3], *predictions.ordered([0.2, 0.2, 0.2])) == 1
    assert predictions.ordered([0.1, float("nan")]) == (None, [])
    assert predictions.ordered([12.0, 12.05])[1] == [[1, 2]], "large ones by their share"
