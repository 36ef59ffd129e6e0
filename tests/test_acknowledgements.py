"""Who painted what, when the work rests, when nobody is taken to be there any more."""

import re
import sys
import threading

from orwlab.show.lab.acknowledgements import DOUBT, EVERY, PATIENCE, WINDOW, Acknowledgements
from orwlab.show.stage import javascript


def with_view(sent: int = 0, **kwargs) -> Acknowledgements:
    made = Acknowledgements(**kwargs)
    made.heard("one")
    made.sent(sent)
    return made


def test_the_stage_acknowledges_as_often_as_it_is_expected_to():
    assert re.search(r"ACKNOWLEDGE_EVERY = (\d+)", javascript())[1] == str(EVERY)


def test_nobody_is_there_until_somebody_says_so():
    made = Acknowledgements()
    assert not made.watched(0.0)
    made.heard("one", visible=False)
    assert not made.watched(0.0)
    made.heard("two")
    assert made.watched(0.0)
    made.gone("two")
    made.gone("nobody")
    assert not made.watched(0.0)


def test_the_work_rests_where_too_much_is_unpainted_and_goes_on_as_soon_as_it_is_painted():
    made = with_view(WINDOW - 1)
    assert not made.behind(0.0)
    made.sent(WINDOW)
    assert made.behind(0.0)
    made.heard("one", 1)
    assert not made.behind(0.0)


def test_it_goes_as_fast_as_the_fastest_that_can_be_seen():
    made = with_view()
    made.heard("two")
    made.sent(WINDOW)
    made.heard("two", WINDOW)
    assert not made.behind(0.0)
    made.heard("two", WINDOW, visible=False)
    assert made.behind(0.0)


def test_doubt_and_patience_begin_when_a_word_is_due():
    made = with_view(EVERY)
    assert made.watched(1e6)  # ten frames are nothing to speak of
    made.sent(EVERY + 1)
    start = 2e6  # after a long rest
    assert made.watched(start)
    assert not made.behind(start + DOUBT)
    assert made.behind(start + DOUBT + 0.1)
    assert made.watched(start + PATIENCE)
    assert not made.watched(start + PATIENCE + 0.1)
    assert not made.watched(start)  # forgotten
    made.heard("one")  # and back, with nothing outstanding
    assert made.watched(start + 1e6)
    assert not made.behind(start + 1e6)


def test_any_word_is_a_sign_of_life():
    made = with_view(EVERY + 1)
    for k in range(10):
        assert made.watched(k * PATIENCE * 0.9)
        made.heard("one", 0)


def test_numbers_that_nobody_sent_count_as_the_newest():
    made = with_view(5)
    made.heard("one", 10**9)
    assert made.painted == 5
    made.heard("one", 3)
    assert made.painted == 5  # an older word that comes later takes nothing back
    made.heard("one", None)
    assert made.painted == 5


def test_words_and_looks_from_different_threads_lose_no_view():
    made = Acknowledgements()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda k=k: [made.heard(f"{k} {i}", visible=True) for i in range(2000)])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            made.heard("another")
            assert made.watched(0.0)
            made.gone("another")
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(made._views) == 8000
