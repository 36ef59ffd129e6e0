"""Key rounds come with the flow of some particles, so that flow time can be moved when one looks back at them."""

import numpy as np
import pytest
import torch

from orwlab.show.lab import key_rounds
from orwlab.show.lab.key_rounds import KeyRounds
from orwlab.show.lab.picture import FLOW, FLOW_TIMES, FLOWS
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import scenes
from orwlab.show.stage.frames import LEVELS, decode

STEP = 4 * scenes.HOME / LEVELS  # of what is sent


def settled(s: Session) -> dict[str, str]:
    while s.wants_work:
        s.advance()
    return s.frame()


def stepped(settings: Settings | None = None, rounds: int = 3, **more) -> Session:
    s = Session(settings or Settings(), **{"particles": 600, "flow": True} | more)
    for _ in range(rounds):
        s.step()
        s.advance()
    return s


def ways_of(picture: dict[str, str]) -> np.ndarray:
    return decode(picture["flow"])[1]["flow"]


@pytest.mark.parametrize("others", [(), (0.1, 3.0)])
def test_a_flow_leads_from_the_noise_to_the_particles_of_its_picture(others):
    s = stepped(Settings(others=others))
    picture = settled(s)
    ways, dots = ways_of(picture), decode(picture["frame"])[1]["x"]
    lanes, n = 1 + len(others), min(FLOW, FLOWS // (1 + len(others)))
    assert ways.shape == (lanes, FLOW_TIMES, n, 2)
    np.testing.assert_allclose(ways[:, 0], s.watch[:n].expand(lanes, n, 2), atol=STEP)
    np.testing.assert_array_equal(ways[:, -1], dots[:, :n])
    s.close()


def test_it_has_the_particles_where_the_picture_has_them_at_that_flow_time():
    s = stepped(Settings(alpha=0.3, tau=2.0), rounds=30)
    ways = ways_of(settled(s))[0]
    own = s._it.lanes.paths(s.samples[:, :FLOW], torch.linspace(0, 1, FLOW_TIMES))[0].movedim(1, 0)
    np.testing.assert_allclose(ways[:-1], own[:-1], atol=STEP)
    for k in range(1, FLOW_TIMES - 1):
        s.control(t=k / (FLOW_TIMES - 1))
        dots = decode(settled(s)["frame"])[1]["x"][0, :FLOW]
        apart = np.linalg.norm(ways[k] - dots, axis=1)
        # two solvers with steps of their own: half a pixel of a plot of 500 for most, and few that fall to another mode
        assert np.quantile(apart, 0.9) < 0.02
        assert np.quantile(apart, 0.97) < 0.1
    s.close()


def test_where_a_density_is_drawn_there_is_no_flow():
    s = stepped(Settings(mode="exact"))
    picture = settled(s)
    assert (picture["flow"], decode(picture["frame"])[0]["flow"]) == ("", False)
    s.close()


def test_who_does_not_ask_gets_none():
    picture = settled(stepped(flow=False))
    assert "flow" not in picture
    assert decode(picture["frame"])[0]["flow"] is False


def test_the_same_flow_comes_as_long_as_it_is_true_and_is_worked_out_once():
    s = stepped()
    first, solved = settled(s)["flow"], []
    paths = s._it.lanes.paths
    s._it.lanes.paths = lambda *given: solved.append(given) or paths(*given)
    s.control(t=0.5, arrows=True)
    assert settled(s)["flow"] == first
    assert solved == []
    s.step()
    assert settled(s)["flow"] != first
    assert len(solved) == 1
    s.reset()
    at_first = settled(s)["flow"]
    s.control(target="rings")
    assert settled(s)["flow"] not in (first, at_first)  # round 0 as well, of another network
    s.close()


def test_what_is_being_repeated_has_a_flow_at_its_end():
    s = stepped(rounds=6)
    story = s.story
    s.begin(story)
    s.advance(1e-6)
    picture = s.frame()
    assert decode(picture["frame"])[0]["replaying"]
    assert picture["flow"] == ""
    picture = settled(s)
    assert decode(picture["frame"])[0]["round"] == 6
    assert picture["flow"]
    s.close()


def test_particles_that_are_nowhere_have_no_flow():
    s = stepped()
    s._it.lanes.paths = lambda x, times: torch.full((*x.shape[:2], len(times), 2), torch.nan)
    s.step()
    assert settled(s)["flow"] == ""
    s.close()


def test_key_rounds_grow_apart():
    assert [key_rounds.gap(round) for round in (0, 199, 200, 399, 400, 799, 800)] == [1, 1, 2, 2, 4, 4, 8]
    keys, round = 0, 0
    while round < 100_000:
        keys, round = keys + 1, round + key_rounds.gap(round)
    assert keys < 1300  # an hour and more of 20 rounds a second


@pytest.mark.parametrize(("cost", "share"), [(0.004, 1.0), (0.01, 0.5), (0.04, 0.125)])
def test_flows_cost_a_share_of_the_other_work(cost, share):
    s = stepped(Settings(speed=0), rounds=0, particles=200, running=True)
    for _ in range(key_rounds.FIRST):
        s.advance()
    times = iter(range(10**6))
    keys = KeyRounds(lambda: cost * next(times))  # a look at it takes as long as a flow
    found = []
    for _ in range(24):
        s.advance()
        found.append(keys.flow(s._it, at_rest=False, work=0.02) != "")
    assert found[0]
    assert sum(found[1:]) == pytest.approx(23 * share, abs=1.5)
    assert keys.flow(s._it, at_rest=True, work=0.0)
    s.close()


@pytest.mark.parametrize("shape", [(9, 2), (1, 9, 5, 3), (1, 1, 5, 2), (5, 9, 5, 2), (1, 9, 0, 2), (0, 9, 5, 2)])
def test_what_is_no_flow_is_named(shape):
    with pytest.raises(ValueError, match=r"ways has shape"):
        scenes.flow(torch.zeros(shape), 5.0)
