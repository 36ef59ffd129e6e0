"""Many people in the Live lab: each has a session of their own, the queue is told, what goes wrong is said."""

import os
import signal
import time

import numpy as np
import pytest
from lab import RELOADED, choose, drag, eventually, press, reward, round_of, shown, state, typed, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_two_visitors_do_not_see_each_other(visit):
    one, two = visit(), visit()
    wait(two, "round > 20")
    press(one, "toggle")
    wait(one, "meta.state === 'paused'")
    drag(one, "alpha", 100)
    choose(one, "reward", "ring")
    before = round_of(two)
    wait(two, f"round > {before + 10} && meta.state === 'running'")
    assert state(two)["meta"]["run"] != state(one)["meta"]["run"]
    assert typed(two, "alpha") == state(two)["meta"]["lanes"][0]["alpha"] == 1
    assert two.evaluate("document.querySelector('.orw-stage').stage.scene.reward.low") < -0.9  # still "right"


def test_a_reload_keeps_what_was_chosen_and_rests(visit):
    page = visit(tolerate=RELOADED)
    run = state(page)["meta"]["run"]
    choose(page, "target", "four_modes")
    wait(page, "stage.scene.modes === 4 && round > 3")
    drag(page, "alpha", 0.1)
    wait(page, "meta.lanes[0].alpha === 0.1")
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")
    time.sleep(1)
    before, chosen = state(page), shown(page)
    page.reload()
    there = f"round === {before['meta']['round']} && !meta.replaying"
    wait(page, f"meta?.run !== '{run}' && meta.run !== 'first' && {there}")
    time.sleep(1.5)  # dots glide to where they belong
    after = state(page)
    assert shown(page) == chosen
    assert (after["meta"]["state"], after["meta"]["lanes"][0]["alpha"]) == ("paused", 0.1)
    assert page.evaluate("document.querySelector('.orw-stage').stage.scene.modes") == 4
    np.testing.assert_allclose(after["positions"], before["positions"], atol=1e-3)


def test_leaving_frees_the_session(visit, registry):
    page = visit()
    here = len(registry)
    assert here >= 1
    page.close()
    assert eventually(lambda: len(registry) < here)


def test_a_stream_that_ended_is_asked_for_again(visit, registry):
    page = visit()
    wait(page, "round > 5")
    run = state(page)["meta"]["run"]
    end_stream(registry, run)
    round_then = round_of(page)
    wait(page, f"round > {round_then + 10} && meta.run === '{run}'")
    assert reward(page) > 0


def test_a_session_that_was_forgotten_comes_back_with_what_was_chosen(visit, registry):
    page = visit()
    drag(page, "alpha", 0.1)
    wait(page, "meta.lanes[0].alpha === 0.1")
    run = state(page)["meta"]["run"]
    registry.close(next(visitor for visitor, broadcast in registry._by_visitor.items() if broadcast.name == run))
    wait(page, f"meta.run !== '{run}' && meta.lanes[0].alpha === 0.1 && round > 3")
    assert typed(page, "alpha") == 0.1


def test_when_its_worker_dies_the_page_says_so_and_goes_on_with_what_was_chosen(visit, registry):
    page = visit()
    drag(page, "alpha", 0.1)
    wait(page, "meta.lanes[0].alpha === 0.1 && round > 10")
    run = state(page)["meta"]["run"]
    worker = registry.find_run(run).worker
    os.kill(worker.ask(os.getpid), signal.SIGKILL)
    reached = round_of(page)
    wait(page, "meta.lanes[0].banner?.title.includes('started again')", 120)
    assert page.locator(".orw-banner").first.is_visible()
    wait(page, f"meta.run === '{run}' && round > {reached} && !meta.replaying && meta.lanes[0].alpha === 0.1")
    assert typed(page, "alpha") == 0.1


def test_a_server_that_does_not_answer_is_said_and_nothing_chosen_is_lost(visit):
    page = visit(tolerate=("ERR_FAILED",))
    page.route("**/component_server**", lambda route: route.abort())
    drag(page, "alpha", 10)
    notice = page.locator(".lab .notice")
    notice.wait_for(timeout=20_000)
    assert "does not answer" in notice.inner_text()
    page.unroute("**/component_server**")
    wait(page, "meta.lanes[0].alpha === 10")
    assert eventually(lambda: not notice.is_visible())
    assert typed(page, "alpha") == 10


def test_when_the_lab_is_full_one_reads_ones_place_and_is_let_in_by_itself(small_lab, visit):
    first = visit(address=small_lab)
    second, third = (visit(address=small_lab, running=False) for _ in range(2))
    for page, place in ((second, "You are next"), (third, "You are number 2")):
        notice = page.locator(".lab .notice")
        notice.wait_for()
        assert "full" in notice.inner_text()
        assert eventually(lambda n=notice, p=place: p in n.inner_text()), notice.inner_text()
    time.sleep(1)
    assert state(second)["meta"]["run"] == "first"  # a still picture meanwhile
    there = third.locator(".lab .notice a")
    assert there.get_attribute("href") == "./pocket" + third.evaluate("location.hash")
    assert there.bounding_box()["height"] >= 40
    third.evaluate("document.querySelector('.lab').lab.waits('You are number 1.')")
    assert third.locator(".lab .notice").inner_text() == "You are number 1. " + there.inner_text()
    first.close()
    wait(second, "meta.run !== 'first' && meta.state === 'paused' && round === 0")
    press(second, "toggle")
    wait(second, "meta.state === 'running' && round > 2")
    assert not second.locator(".lab .notice").is_visible()
    assert eventually(lambda: "You are next" in third.locator(".lab .notice").inner_text())
    third.close()  # who leaves the queue holds up nobody
    second.close()
    fourth = visit(address=small_lab)
    wait(fourth, "round > 2")


def end_stream(registry, run: str) -> None:
    """As after a long sleep: the stream is over, the session is still there."""
    broadcast = registry.find_run(run)
    broadcast._generation += 1
    broadcast._streaming = False
