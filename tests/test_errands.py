"""Long questions: they come piece by piece, rest when nobody asks, take turns, and survive the end of their process."""

import os
import signal
import time

import pytest

from orwlab.show.web import bound_lab, errands, trade_off
from orwlab.show.web.errands import ATTEMPTS, FAILED, Errands


def counted(n, pause=0.0):
    for k in range(n):
        time.sleep(pause)
        yield k


def refused(text):
    yield 1
    raise ValueError(f"{text} cannot be")


def broken(n):
    yield from range(n)
    raise KeyError("a fault of ours")


def killed(path, times):
    """Ends its process as often as it has been told to."""
    yield "before"
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    yield "after"


@pytest.fixture(scope="module")
def kept():
    made = Errands()
    yield made
    made.shut()


def until(look, holds, timeout=60.0):
    """Ask again and again, as a page does, until ``holds``."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = look()
        if holds(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"not in time: {look()}")


def done(found):
    return found["done"]


def test_pieces_come_in_order_from_where_one_has_them(kept):
    assert until(lambda: kept.look(counted, 5), done) == {"pieces": [0, 1, 2, 3, 4], "done": True}
    assert kept.look(counted, 5, since=3)["pieces"] == [3, 4]
    assert kept.look(counted, 5, since=99)["pieces"] == []


def test_what_is_there_can_be_seen_before_all_is(kept):
    some = until(lambda: kept.look(counted, 60, 0.05), lambda found: found["pieces"])
    assert not some["done"]
    assert some["pieces"] == list(range(len(some["pieces"])))
    assert until(lambda: kept.look(counted, 60, 0.05), done)["pieces"] == list(range(60))


def test_two_take_turns(kept):
    long = lambda: kept.look(counted, 200, 0.02)  # noqa: E731
    until(long, lambda found: found["pieces"])
    until(lambda: kept.look(counted, 3), done)
    assert not long()["done"], "the short one did not wait for the long one"


def test_a_refusal_is_a_sentence_and_a_fault_is_another(kept):
    found = until(lambda: kept.look(refused, "That"), done)
    assert found == {"pieces": [], "done": True, "error": "That cannot be"}
    found = until(lambda: kept.look(broken, 3), done)
    assert (found["error"], found["again"]) == (FAILED, True)
    assert not kept.look(broken, 3)["done"], "whoever looks again has it tried again"


def test_nobody_asks_and_it_rests_and_goes_on_when_somebody_does():
    made = Errands(patience=0.5)
    look = lambda: made.look(counted, 400, 0.01)  # noqa: E731
    until(look, lambda found: found["pieces"])
    until(lambda: made._busy, lambda busy: not busy)  # the thread has ended
    there = len(made._errands[(counted, (400, 0.01))].pieces)
    assert 0 < there < 400
    time.sleep(1.0)
    assert len(made._errands[(counted, (400, 0.01))].pieces) == there
    assert until(look, done)["pieces"] == list(range(400))
    made.shut()


@pytest.mark.slow
def test_a_process_that_ends_is_replaced_but_not_for_ever(tmp_path):
    made = Errands()
    once, always = str(tmp_path / "once"), str(tmp_path / "always")
    assert until(lambda: made.look(killed, once, 1), done) == {"pieces": ["before", "after"], "done": True}
    assert until(lambda: made.look(killed, always, 99), done)["error"] == FAILED
    assert os.path.getsize(always) == ATTEMPTS
    assert until(lambda: made.look(counted, 2), done)["pieces"] == [0, 1]
    made.shut()


def test_what_is_remembered_is_bounded(kept, monkeypatch):
    monkeypatch.setattr(kept, "kept", 3)
    for n in range(6):
        until(lambda n=n: kept.look(counted, n), done)
    assert len(kept._errands) == 3
    assert [arguments for _, arguments in kept._errands] == [(3,), (4,), (5,)]


def test_courses_that_are_gone_on_with_are_bounded_and_begun_again_where_they_are_not_there(monkeypatch):
    monkeypatch.setattr(errands, "_courses", type(errands._courses)())
    monkeypatch.setattr(errands, "give_way", lambda: None)
    for n in range(2, 10):
        errands._go_on(counted, (10**9, 0.0 * n + n * 1e-9), 0, 0.0)
    assert len(errands._courses) <= errands.COURSES
    assert errands._go_on(counted, (7,), 5, 1.0) == ([5, 6], True)


def test_the_pages_share_a_process():
    assert bound_lab.Bounds().errands is trade_off.TradeOffs().errands


def test_more_than_are_kept_come_in_one_after_the_other():
    few = Errands(kept=3)
    try:
        found, until_ = {}, time.monotonic() + 60
        while len(found) < 8 and time.monotonic() < until_:
            for k in range(8):
                if k not in found and (said := few.look(counted, 1 + k % 2, 0.01 * k))["done"]:
                    found[k] = said["pieces"]
            time.sleep(0.02)
        assert len(found) == 8
    finally:
        few.shut()
