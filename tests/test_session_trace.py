"""A dot's way from its noise."""

import numpy as np
import pytest

from orwlab import flow
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage.frames import decode


@pytest.mark.parametrize("mode", ["learned", "exact"])
@pytest.mark.parametrize("t", [0.0, 0.01, 0.5, 1.0])
def test_a_trace_leads_from_the_noise_to_the_dot(mode, t):
    s = Session(Settings(mode=mode, t=t, others=(0.1,), speed=0), particles=80, running=True)
    for _ in range(4):
        s.advance()
    s.trace(37)
    assert s.wants_work
    s.advance()
    meta, arrays = decode(s.frame()["frame"])
    assert meta["traced"] == 37
    way, dots = arrays["trace"], arrays["x"]
    assert way.shape[::2] == (2, 2)
    np.testing.assert_allclose(way[:, -1], dots[:, 37], atol=1e-3)
    if mode == "learned":
        np.testing.assert_allclose(way[:, 0], s.watch[37].expand(2, 2), atol=1e-3)
        for k in range(2):
            accurate = flow.trajectory(s.runs[k].policy, s.watch[37:38], (0.0, max(t, 1e-9)), method="dopri5")[-1]
            np.testing.assert_allclose(way[k, -1], accurate[0], atol=0.1)
    steps = np.linalg.norm(np.diff(way, axis=1), axis=2)
    assert steps.max() < 1.0  # a way, and no jump


def test_a_trace_is_cheap_asked_for_while_paused_and_ends():
    s = Session(Settings(), particles=80)
    while s.wants_work:
        s.advance()
    drawn = []
    s._it.draw = drawn.append
    s.trace(3)
    assert s.advance(0.04)
    assert "trace" in decode(s.frame()["frame"])[1]
    s.trace(None)
    assert s.advance(0.04)
    meta, arrays = decode(s.frame()["frame"])
    assert meta["traced"] is None
    assert "trace" not in arrays
    assert not drawn  # no particle was pushed for it


def test_a_dot_that_is_not_drawn_has_no_trace():
    s = Session(Settings(speed=0), particles=400, running=True)
    for _ in range(20):
        s.advance(budget=1e-6)
    assert s.samples.shape[1] == 200
    s.trace(300)
    s.advance(budget=1e-6)
    assert decode(s.frame()["frame"])[0]["traced"] is None


@pytest.mark.parametrize("k", [-1, 80, 1.5, "a", True])
def test_there_is_no_other_particle(k):
    with pytest.raises(ValueError, match=r"trace is .*; allowed: a whole number >= 0 and <= 79"):
        Session(particles=80).trace(k)
