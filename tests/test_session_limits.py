"""Where there is no exact limit to be seen, a few words say why."""

import time

import pytest

from orwlab.show.lab import exact
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import decode


def lanes(s: Session) -> list[dict]:
    return decode(s.frame()["frame"])[0]["lanes"]


def until_known(s: Session) -> None:
    deadline = time.monotonic() + 60
    while s._limits.pending and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.parametrize("mode", ["both", "exact"])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": 0.0}, "no limit at α = 0: nothing holds it back"),
        ({"alpha": 0.04}, "below α = 0.05"),
        ({"coupling": "ot"}, "optimal transport"),
        ({"reward": "plane", "tau": 5.0, "alpha": 0.1}, "the reward has no ceiling"),
        ({"reward": "ring"}, ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_it_is_said_why_there_is_no_limit(settings, words, mode):
    s = Session(Settings(mode=mode, others=(5.0,), **settings), particles=50)
    until_known(s)
    for lane, alpha in zip(lanes(s), s.settings.alphas):
        said, limit = lane["limit"], exact.limit(s.settings, alpha)
        assert (limit is None) == (said["state"] != "there")
        reward = next(number for number in lane["numbers"] if number["key"] == "reward")
        assert (reward["exact"] is None) == (said["state"] != "there")
        assert len(said["text"]) <= 60
    said = lanes(s)[0]["limit"]
    assert words in said["text"]
    assert said["state"] == ("none" if words else "there")
    assert bool(said["text"]) == bool(words)


def test_while_it_is_being_worked_out_that_is_said(monkeypatch):
    monkeypatch.setattr("orwlab.show.lab.limits._thread.submit", lambda work: None)
    s = Session(Settings(others=(0.0,)), particles=50)
    assert [lane["limit"]["state"] for lane in lanes(s)] == ["pending", "none"]
    assert "being worked out" in lanes(s)[0]["limit"]["text"]


def test_when_it_could_not_be_worked_out_that_is_said(monkeypatch):
    monkeypatch.setattr(exact, "limit", lambda settings, alpha: 1 / 0)
    s = Session(Settings(tau=0.7), particles=50)
    until_known(s)
    assert lanes(s)[0]["limit"] == {"state": "none", "text": "the exact limit could not be worked out"}
