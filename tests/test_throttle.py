"""How often somebody may do something: by a clock that stands still until it is told to go on."""

import random

import pytest

from orwlab.show.web import throttle as throttles
from orwlab.show.web.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_so_many_at_once_and_then_as_many_as_time_brings(clock):
    throttle = Throttle(3, 0.5, clock)
    assert [throttle.allows("ada") for _ in range(5)] == [True, True, True, False, False]
    clock.now += 1.9
    assert not throttle.allows("ada"), "being refused costs nothing, and brings nothing"
    clock.now += 0.1
    assert [throttle.allows("ada") for _ in range(2)] == [True, False]
    clock.now += 1e6
    assert [throttle.allows("ada") for _ in range(5)] == [True, True, True, False, False], "more than full it never is"


def test_one_does_not_spend_what_is_another_s(clock):
    throttle = Throttle(1, 1, clock)
    assert throttle.allows("ada")
    assert not throttle.allows("ada")
    assert throttle.allows("bob")


def test_who_only_asks_spends_nothing(clock):
    throttle = Throttle(2, 1, clock)
    assert all(throttle.allows("ada", spend=False) for _ in range(50))
    assert [throttle.allows("ada") for _ in range(3)] == [True, True, False]
    assert not throttle.allows("ada", spend=False)
    clock.now += 1
    assert throttle.allows("ada", spend=False)
    assert [throttle.allows("ada") for _ in range(2)] == [True, False]


def test_nobody_ever_gets_more_than_burst_and_rate_bring(clock):
    rng = random.Random(3)
    throttle, start, done = Throttle(4, 2.5, clock), clock.now, []
    for _ in range(3000):
        clock.now += rng.choice([0, 0, 0.01, 0.3, 2])
        if throttle.allows("ada", spend=rng.random() < 0.8 or bool(done)):
            done.append(clock.now)
    for k in range(0, len(done), 37):
        for j in range(k, min(k + 60, len(done))):
            assert j - k + 1 <= 4 + 2.5 * (done[j] - done[k]) + 1e-6
    assert len(done) >= min(3000, 2.5 * (clock.now - start)) * 0.2


def test_it_remembers_so_many_and_forgets_who_was_silent_for_longest(clock, monkeypatch):
    monkeypatch.setattr(throttles, "KEPT", 10)
    throttle = Throttle(1, 0.001, clock)
    assert throttle.allows("ada")
    assert throttle.allows("bob")
    for k in range(9):
        assert not throttle.allows("ada")  # heard of again and again
        assert throttle.allows(f"crowd {k}")
    assert len(throttle._left) == 10
    assert not throttle.allows("ada")
    assert throttle.allows("bob"), "who was forgotten begins anew"


@pytest.mark.parametrize(
    ("burst", "rate"), [(0, 1), (0.5, 1), (1, 0), (1, -1), ("many", 1), (1, None), (1, float("nan"))]
)
def test_what_would_let_nobody_through_is_refused(burst, rate):
    with pytest.raises(ValueError, match=r"(burst|rate) is .*; allowed: a finite number"):
        Throttle(burst, rate)
