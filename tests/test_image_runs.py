"""Who fine-tunes images where: runs live as long as somebody asks, and come back by their story."""

import asyncio
import os
import signal

import pytest

from orwlab.show.web import image_runs
from orwlab.show.web.image_runs import DROPPED, LOST, ImageRuns
from orwlab.show.web.workers import Pool, _facts

BEGIN = {"scene": {"alpha": 0.5}, "log": [], "round": 0, "state": "paused"}


@pytest.fixture(scope="module")
def pool():
    made = Pool(1)
    yield made
    made.shut()


@pytest.fixture
def runs(pool):
    return ImageRuns(pool)


def asked(runs, what="look", **question):
    """One answer."""
    return asyncio.run(runs.answer({"what": what, "begin": BEGIN, **question}))


def until(runs, run, holds, **question):
    """Ask again and again, as a page does; a run that never gets there fails by the test's own time."""
    while True:
        found = asked(runs, run=run, **question)
        if holds(found):
            return found


def idle(found):
    return found["idle"] and "lanes" in found


def begun(runs, **begin):
    found = asked(runs, run="", begin=BEGIN | begin)
    return until(runs, found["run"], idle)


def test_a_run_begins_works_while_it_is_asked_and_obeys(runs):
    first = begun(runs)
    run = first["run"]
    assert (first["round"], first["settings"]["alpha"], first["notice"]) == (0, 0.5, "")
    one = asked(runs, run=run, have=first["seq"], orders=[{"press": "step"}, {"name": "alpha", "value": 2}])
    assert one["settings"]["alpha"] == 2
    done = until(runs, run, idle)
    assert done["round"] == 1
    assert done["lanes"][0]["alpha"] == 2
    assert len(runs) == 1


def test_orders_that_cannot_be_are_told_beside_the_answer(runs):
    run = begun(runs)["run"]
    found = asked(runs, run=run, orders=[{"name": "alpha", "value": -1}, {"press": "dance"}, 3])
    assert [error["name"] for error in found["errors"]] == ["alpha", "", ""]
    assert all("allowed" in error["text"] for error in found["errors"])
    assert found["settings"]["alpha"] == 0.5


@pytest.mark.parametrize(
    "question",
    [
        {"what": "shell"},
        {"orders": "all"},
        {"orders": [{}] * 101},
        {"begin": None},
        {"begin": {"scene": {"alpha": "much"}}},
        {"begin": {"press": "play"}},
    ],
    ids=str,
)
def test_a_stranger_is_refused_in_a_sentence_and_leaves_nothing_behind(runs, question):
    with pytest.raises(ValueError, match="allowed"):
        asked(runs, **{"run": "", **question})
    assert len(runs) == 0


@pytest.mark.parametrize("what", ["path", "suggest"])
def test_of_a_run_that_has_gone_people_are_told_what_to_do(runs, what):
    with pytest.raises(ValueError, match=r"the page begins it again\. Ask once more"):
        asked(runs, what, run="nobody", lane=0, k=0, goal=0.8)


def test_the_way_of_an_image_and_a_suggestion_are_answered(runs):
    run = begun(runs)["run"]
    assert asked(runs, "path", run=run, lane=0, k=3)["k"] == 3
    assert 0 < asked(runs, "suggest", run=run, goal=0.8)["alpha"] < 100
    with pytest.raises(ValueError, match="lane is"):
        asked(runs, "path", run=run, lane=4, k=3)


def test_names_of_runs_are_not_to_be_guessed(runs):
    names = {asked(runs, run="")["run"] for _ in range(3)}
    assert len(names) == 3
    assert all(len(name) == 24 for name in names)


def test_there_are_not_too_many_and_who_says_nothing_makes_room(pool):
    runs = ImageRuns(pool, most=1, yields=1e9)
    first = asked(runs, run="")["run"]
    assert asked(runs, run="")["full"].startswith("All places are taken: One person is")
    assert "full" not in asked(runs, run=first)
    runs.yields = 0.0
    second = asked(runs, run="")["run"]
    assert second != first
    assert len(runs) == 1


def test_a_run_that_nobody_has_asked_of_is_put_away_and_comes_back_by_its_story(pool):
    runs = ImageRuns(pool, patience=1e9)
    run = begun(runs)["run"]
    asked(runs, run=run, orders=[{"press": "step"}, {"press": "step"}])
    known = until(runs, run, lambda found: idle(found) and found["round"] == 2)
    runs.patience = 0.0
    again = asked(runs, run=run, begin={**known["story"], "state": "paused"}, have=known["seq"])
    runs.patience = 1e9
    assert again["run"] != run
    assert again["notice"] == DROPPED
    there = pool.workers[0].ask(_sessions_there)
    assert again["run"] in there
    assert run not in there, "its memory is free"
    found = until(runs, again["run"], lambda found: idle(found) and found["round"] == 2)
    assert [lane["sheet"] for lane in found["lanes"]] == [lane["sheet"] for lane in known["lanes"]]


def _sessions_there():
    return sorted(image_runs._sessions)


def test_while_a_question_is_being_answered_the_next_one_waits(runs):
    run = begun(runs)["run"]

    async def both():
        question = {"what": "look", "run": run, "begin": BEGIN, "orders": [{"press": "step"}]}
        return await asyncio.gather(runs.answer(question), runs.answer(question))

    answers = asyncio.run(both())
    assert answers[1] == {"wait": True}
    assert until(runs, run, idle)["round"] == 1, "its step was not done twice"


@pytest.mark.slow
def test_a_process_that_ends_is_replaced_and_the_run_is_repeated():
    pool = Pool(1)
    runs = ImageRuns(pool)
    known = begun(runs)
    asked(runs, run=known["run"], orders=[{"press": "step"}])
    known = until(runs, known["run"], lambda found: idle(found) and found["round"] == 1)
    os.kill(pool.workers[0].ask(_facts)["pid"], signal.SIGKILL)
    with pytest.raises(ValueError, match="This run has gone"):
        asked(runs, "path", run=known["run"], lane=0, k=0)
    found = asked(runs, run=known["run"], begin={**known["story"], "state": "paused"})
    assert found["notice"] in (LOST, DROPPED)
    found = until(runs, found["run"], lambda found: idle(found) and found["round"] == 1)
    assert [lane["sheet"] for lane in found["lanes"]] == [lane["sheet"] for lane in known["lanes"]]
    os.kill(pool.workers[0].ask(_facts)["pid"], signal.SIGKILL)
    orders = [{"name": "alpha", "value": 3.0}, {"press": "step"}]
    lost = asked(runs, run=found["run"], begin={**found["story"], "state": "paused"}, orders=orders)
    assert lost["notice"] == LOST
    found = until(runs, lost["run"], lambda found: idle(found) and found["round"] == 2)
    assert found["settings"]["alpha"] == 3.0, "what was asked for when it ended is done"
    assert found["story"]["log"] == [[1, "alpha", 3.0]]
    told = asked(runs, run=lost["run"], orders=[{"press": "pause"}])
    assert told["notice"] == "", "it has been read"
    pool.shut()
