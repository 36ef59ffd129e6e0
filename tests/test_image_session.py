"""Runs on images: one noise behind every grid, alphas that steer, stories that repeat, words for what happened."""

import base64
import contextlib
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from orwlab import data
from orwlab.methods.orw import Diverged
from orwlab.show.lab import exhibits, image_session
from orwlab.show.lab.exhibits import DigitsExhibit, PhotographsExhibit, sheet
from orwlab.show.lab.image_session import PATH, ImageSession
from orwlab.show.lab.image_settings import CONTROLS, MOST, ImageSettings, ImageStory
from orwlab.tasks import images


def begun(**settings):
    """A session before its first round, with the reference drawn and judged."""
    session = ImageSession(ImageStory(ImageSettings(**settings)))
    session.advance()
    return session


def after(session, rounds):
    for _ in range(rounds):
        session.step()
    session.advance()
    return session


def pixels(source):
    """A sheet as numbers, (height, width) or (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))).astype(float)


def sheets(session):
    return [lane.sheet for lane in session.lanes]


@pytest.fixture(scope="module")
def three():
    """After three rounds at alpha 0 and 2."""
    return after(begun(alpha=0.0, others=(2.0,)), 3)


# -- images ------------------------------------------------------------------------------------------------------


def test_before_the_first_round_every_lane_is_the_reference():
    session = begun(others=(0.0, 3.0))
    frame = session.frame()
    assert len(frame["lanes"]) == 3
    assert {lane["sheet"] for lane in frame["lanes"]} == {frame["reference"]["sheet"]}
    assert all(lane["numbers"] == frame["reference"]["numbers"] for lane in frame["lanes"])
    assert frame["points"] == [
        [session.seq, 0, [frame["lanes"][0]["numbers"]["reward"]] * 3, [frame["lanes"][0]["numbers"]["judge"]] * 3]
    ]
    json.dumps(frame)


def test_the_same_seed_gives_the_same_images_and_another_one_others(three):
    again = after(begun(alpha=0.0, others=(2.0,)), 3)
    assert sheets(again) == sheets(three)
    assert again.frame()["lanes"] == three.frame()["lanes"]
    other = begun(alpha=0.0, others=(2.0,), seed=1)
    assert other.frame()["reference"]["sheet"] != three.frame()["reference"]["sheet"]


def test_lanes_are_in_step_and_differ_by_alpha_alone(three):
    assert [lane.run.round for lane in three.lanes] == [three.round] * 2 == [3, 3]
    assert [lane.run.seed for lane in three.lanes] == [0, 0]
    first, second = (pixels(source) for source in sheets(three))
    reference = pixels(three.frame()["reference"]["sheet"])
    assert np.abs(first - reference).mean() > np.abs(second - reference).mean() > 0


@pytest.mark.slow
def test_without_alpha_the_reward_is_hacked_and_with_a_large_one_the_reference_stays():
    session = after(begun(alpha=0.0, others=(20.0,)), 64)
    free, held = session.frame()["lanes"]
    first = session.frame()["reference"]
    assert free["numbers"]["reward"] > held["numbers"]["reward"] + 0.25
    assert free["numbers"]["off_data"] > 0.9
    assert held["numbers"]["off_data"] < 0.02
    assert "hacked" in free["said"]
    assert "hacked" not in held["said"]
    moved = [np.abs(pixels(lane["sheet"]) - pixels(first["sheet"])).mean() for lane in (free, held)]
    assert moved[0] > 2 * moved[1]


@pytest.mark.slow
def test_photographs_that_are_paid_for_small_files_make_smaller_files():
    session = after(begun(task="photographs", alpha=0.0), 4)
    frame = session.frame()
    (lane,), reference = frame["lanes"], frame["reference"]
    assert lane["numbers"]["bytes"] < reference["numbers"]["bytes"] - 10
    assert pixels(lane["sheet"]).shape == (128, 128, 3)
    answer = session.path(0, 15)
    assert "bytes" in answer["lane"]["said"]
    with pytest.raises(ValueError, match="the reference's mean"):
        session.suggest(300)
    assert 0 < session.suggest(250)["alpha"] < 100


def test_the_way_of_an_image_begins_at_the_same_noise_and_ends_at_the_image(three):
    way = three.path(0, 10)
    assert way["times"] == list(PATH)
    lane, reference = (pixels(way[name]["sheet"]) for name in ("lane", "reference"))
    assert lane.shape == (8, 8 * len(PATH))
    assert np.array_equal(lane[:, :8], reference[:, :8])
    assert not np.array_equal(lane[:, -8:], reference[:, -8:])
    for end, board in ((lane, three.lanes[0].sheet), (reference, three.frame()["reference"]["sheet"])):
        shown = pixels(board)[8:16, 16:24]  # image 10: second row, third column
        assert np.abs(end[:, -8:] - shown).mean() < 6, "a fine solver and the learned one agree to some levels of 256"
    assert way["lane"]["said"].startswith("The judge sees a ")


@pytest.mark.parametrize(("lane", "k"), [(2, 0), (-1, 0), ("0", 0), (0, 64), (0, None), (True, 0), (0.5, 0), (0, [1])])
def test_there_is_no_way_of_what_is_not_there(three, lane, k):
    with pytest.raises(ValueError, match="allowed"):
        three.path(lane, k)


def test_nothing_has_a_way_before_anything_is_drawn():
    with pytest.raises(ValueError, match="nothing has yet"):
        ImageSession().path(0, 0)


def test_a_sheet_holds_the_images_row_by_row():
    x = torch.linspace(-1, 1, 5).view(5, 1, 1, 1).expand(5, 1, 2, 3)
    found = pixels(sheet(x, 2))
    assert found.shape == (6, 6)
    tops = found[::2, ::3]
    assert tops[:2].ravel().tolist() == [0, 64, 128, 191]
    assert tops[2].tolist() == [255, 0]
    with pytest.raises(ValueError, match="finite images"):
        sheet(x * torch.nan, 2)


# -- steering ----------------------------------------------------------------------------------------------------


def test_alpha_takes_effect_with_the_next_round_and_the_log_says_when():
    moved, still = begun(alpha=5.0), begun(alpha=5.0)
    after(moved, 2)
    after(still, 2)
    assert sheets(moved) == sheets(still)
    moved.control(alpha=0.0)
    assert moved.lanes[0].alpha == 5.0, "not in the middle of anything"
    assert moved.frame()["lanes"][0]["alpha"] == 0.0, "but it is said at once"
    after(moved, 2)
    after(still, 2)
    assert moved.lanes[0].alpha == 0.0
    assert sheets(moved) != sheets(still)
    assert moved.story.plain() == {"scene": {"alpha": 5.0}, "log": [[2, "alpha", 0.0]], "round": 2}
    again = ImageSession(ImageStory.read({**moved.story.plain(), "round": 4}))
    again.advance()
    assert again.round == 4
    assert sheets(again) == sheets(moved), "whoever repeats the story sees the same images"
    assert again.state == "paused"


def test_reset_is_exact():
    session = begun(others=(0.0,))
    first = [session.frame()["lanes"], after(session, 2).frame()["lanes"]]
    session.reset()
    session.advance()
    assert session.round == 0
    assert [session.frame()["lanes"], after(session, 2).frame()["lanes"]] == first


def test_what_a_network_has_not_learned_for_starts_again_and_alphas_do_not():
    session = after(begun(), 1)
    begun_before = session.begun
    session.control(alpha=1.0)
    assert session.begun == begun_before
    for change in ({"seed": 3}, {"wanted": [7]}, {"others": [1.0]}):
        before = session.begun
        session.control(**change)
        assert session.begun > before
        assert session.round == 0
    session.control(others=[2.0])
    assert session.begun == before + 1, "another value is no other number of lanes"


def test_it_works_piece_by_piece_and_rests_when_there_is_nothing_to_do():
    session = begun(others=(0.0,))
    assert session.idle
    session.advance(0.0)
    assert session.round == 0
    session.step()
    done = []
    while not session.idle:
        session.advance(0.0)
        done.append((session.round, [lane.run.round for lane in session.lanes], session.doing))
    assert [lanes for _, lanes, _ in done[:2]] == [[1, 0], [1, 1]]
    assert done[0][0] == 0, "a round is done when all lanes have done it"
    assert done[-1][:2] == (1, [1, 1])
    assert done[0][2] == "Round 1: learning at α = 0"
    session.play()
    session.advance(0.0)
    assert not session.idle
    session.pause()
    session.advance()
    assert session.idle
    assert session.round == 2


def test_a_frame_tells_what_is_new():
    session = begun()
    have = session.seq
    assert "lanes" not in session.frame(have)
    after(session, 1)
    frame = session.frame(have)
    assert [point[1] for point in frame["points"]] == [1]
    assert [point[1] for point in session.frame(0)["points"]] == [0, 1]


def test_curves_are_bounded(monkeypatch):
    monkeypatch.setattr(image_session, "POINTS", 4)
    session = begun()
    for _ in range(7):
        after(session, 1)
    rounds = [point[1] for point in session.frame()["points"]]
    assert len(rounds) <= 4
    assert (rounds[0], rounds[-1]) == (0, 7)
    assert rounds == sorted(rounds)


def test_a_lane_that_diverges_says_so_and_the_others_go_on(monkeypatch):
    session = begun(others=(0.0,))

    def broken(n):
        raise Diverged("loss or its gradient", 1, "alpha 0")

    monkeypatch.setattr(session.lanes[1].run, "rounds", broken)
    after(session, 2)
    sound, lost = session.frame()["lanes"]
    assert lost["stopped"]
    assert "diverged" in lost["said"]
    assert not sound["stopped"]
    assert [lane.run.round for lane in session.lanes] == [2, 0]
    monkeypatch.undo()
    session.control(others=[1.0])
    after(session, 1)
    assert [lane.run.round for lane in session.lanes] == [3, 1]
    assert not session.frame()["lanes"][1]["stopped"]


def test_of_a_lane_that_has_stopped_nothing_new_is_read(monkeypatch):
    session = begun(others=(3.0,))
    after(session, 1)
    monkeypatch.setattr(type(session.exhibit), "near_rest", 3)

    def broken(n):
        raise Diverged("loss or its gradient", 1, "alpha 3")

    monkeypatch.setattr(session.lanes[1].run, "rounds", broken)
    after(session, 4)
    going, lost = session.lanes
    assert (going.round, lost.round) == (5, 1), "a caption says of which round its images are"
    assert list(session._seen) == [going.alpha], "what has stopped is not at rest"


def test_images_that_cannot_be_shown_stop_no_training(monkeypatch):
    session = begun()
    monkeypatch.setattr(images, "push", lambda v, x0: torch.full_like(x0, torch.inf))
    after(session, 1)
    (lane,) = session.frame()["lanes"]
    assert lane["stopped"]
    assert "too far out" in lane["said"]
    assert lane["round"] == 0
    monkeypatch.undo()
    after(session, 1)
    assert session.lanes[0].run.round == 2
    assert not session.frame()["lanes"][0]["stopped"]


@pytest.mark.parametrize("when", ["mid-round", "repeating"])
def test_the_story_of_a_frame_can_always_be_repeated(when):
    session = begun(others=(2.0,))
    if when == "repeating":
        session.begin(ImageStory(session.settings, round=3))
        session.advance(0.0)
    else:
        session.play()
        session.advance(0.0)  # one lane has learned, the other has not
    session.control(alpha=0.0)
    told = session.frame()["story"]
    story = ImageStory.read(json.loads(json.dumps(told)))
    assert story.settings.alpha == 0.0
    assert story.round == told["round"] == max(at for at, *_ in told["log"])
    session.pause()
    session.play()
    while session.replaying or session.round < story.round:
        session.advance(0.0)
    session.pause()
    session.advance()
    again = ImageSession(ImageStory.read({**told, "round": session.round}))
    again.advance()
    assert sheets(again) == sheets(session)


def test_a_step_asked_for_while_a_story_is_repeated_comes_after_it_and_pause_holds_it():
    session = ImageSession(ImageStory(round=3))
    session.step()
    session.advance()
    assert session.round == 4
    session = ImageSession(ImageStory(round=6), running=True)
    while session.round < 1:
        session.advance(0.0)
    session.pause()
    session.advance()
    assert session.idle
    held = session.round
    assert held < 6
    assert session.frame()["story"]["round"] == 6, "nothing is forgotten"
    assert not session.frame()["doing"]
    session.step()
    session.advance()
    assert session.round == held + 1
    session.play()
    while session.replaying:
        session.advance(0.0)
    assert session.round == 6


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (ValueError("source is gone; allowed: one that is there"), False, "source is gone"),
        (OSError("no such file"), True, "Reset begins"),
    ],
)
def test_what_cannot_be_worked_out_is_said_once_and_reset_begins_again(monkeypatch, error, raised, said):
    session = ImageSession()
    monkeypatch.setattr(exhibits, "of", lambda settings: (_ for _ in ()).throw(error))
    with pytest.raises(OSError, match="no such file") if raised else contextlib.nullcontext():
        session.advance()
    assert said in session.frame()["notice"]
    session.play()
    assert session.idle
    assert not session.advance()
    monkeypatch.undo()
    session.reset()
    after(session, 1)
    assert (session.round, session.frame()["notice"]) == (1, "")


STRANGE = [
    None,
    [],
    "play",
    {},
    {"press": "explode"},
    {"press": ["play"]},
    {"press": "play", "name": "alpha", "value": 1},
    {"name": "alpha"},
    {"name": "alpha", "value": -1},
    {"name": "alpha", "value": "NaN"},
    {"name": "alpha", "value": 1e9},
    {"name": "_pieces", "value": 1},
    {"name": "wanted", "value": []},
    {"name": "wanted", "value": list(range(10))},
    {"name": "wanted", "value": [10]},
    {"name": "wanted", "value": "24"},
    {"name": "others", "value": [1, 1, 1, 1]},
    {"name": "seed", "value": 2**40},
    {"name": "task", "value": "faces"},
    {"name": "files", "value": None},
    {"scene": None},
    {"scene": {"alpha": True}},
    {"scene": {"nothing": 1}},
    {"scene": {}, "log": "all"},
    {"scene": {}, "log": [[1, "seed", 2]]},
    {"scene": {}, "log": [[2, "alpha", 1], [1, "alpha", 2]]},
    {"scene": {}, "log": [[1, "others", [1]]]},
    {"scene": {}, "log": [[0, "alpha", 1]] * (MOST + 1)},
    {"scene": {}, "round": -1},
    {"scene": {}, "round": 10**9},
    {"scene": {}, "state": "flying"},
]


@pytest.mark.parametrize("order", STRANGE, ids=str)
def test_orders_that_are_none_are_refused_in_a_sentence_and_change_nothing(three, order):
    before = three.frame()
    with pytest.raises(ValueError, match="allowed"):
        three.obey(order)
    assert three.frame() == before


# -- words and guesses -------------------------------------------------------------------------------------------

FINE = {"reward": 0.8, "judge": 0.79, "off_data": 0.0, "smallest": 0.8, "within": 0.97}
FIRST = {"reward": 0.48, "judge": 0.48, "off_data": 0.0, "smallest": 0.9, "within": 1.0}


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, "Real digits, and more of the wanted ones."),
        ({"reward": 0.5}, "About what the reference draws."),
        ({"judge": 0.6}, "The judge does not agree: the reward says 80 %, the judge 60 %."),
        ({"off_data": 0.3}, "leaving the data: 30 %"),
        (
            {"off_data": 0.97, "judge": 0.4},
            "hacked: 97 % of these look like no real digit. The reward says 80 %, the judge 40 %",
        ),
        ({"smallest": 0.1}, "collapsing: one of the wanted digits has nearly vanished"),
        ({"within": 0.5}, "all look alike"),
        ({"within": 0.0}, "Real digits, and more of the wanted ones."),
    ],
)
def test_a_verdict_on_digits(numbers, words):
    assert words in exhibits.of(ImageSettings()).verdict(FINE | numbers, FIRST)


def test_of_a_single_wanted_digit_none_can_vanish():
    found = DigitsExhibit((7,)).verdict(FINE | {"smallest": 0.0}, FIRST)
    assert "vanished" not in found


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, "Still photographs of many kinds, in files 14 % smaller."),
        ({"bytes": 278.0}, "About what the reference draws."),
        ({"coverage": 0.3}, "collapsing: 30 % of the photographs are still covered, 80 % at first"),
        ({"coverage": 0.05}, "has collapsed: only 5 %"),
        ({"precision": 0.2}, "hacked: 80 % of these look like no photograph"),
        ({"coverage": 0.0, "precision": 0.0, "nothing": 0.9}, "No photographs any more: a classifier says that 90 %"),
    ],
)
def test_a_verdict_on_photographs(numbers, words):
    first = {"bytes": 280.0, "coverage": 0.8, "precision": 0.9, "nothing": 0.0}
    assert words in PhotographsExhibit("small").verdict(first | {"bytes": 240.0} | numbers, first)


def test_one_photograph_in_the_eyes_of_a_classifier():
    exhibit = PhotographsExhibit("small")
    patches, labels = data.Patches().draw(30, generator=torch.Generator().manual_seed(0))
    said = [exhibit.view(x[None]) for x in patches]
    right = [f"“{exhibit.task.pictures.names[k]}”" in words for k, words in zip(labels.tolist(), said)]
    assert sum(right) > 27
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert "says that it shows nothing (100 %)" in exhibit.view(noise)


def test_one_digit_is_judged_as_it_looks():
    exhibit = exhibits.of(ImageSettings())
    pictures, labels = data.digits("test")
    assert all(f"sees a {k} " in exhibit.view(x[None]) for x, k in zip(pictures[:10], labels[:10].tolist()))
    judged = [exhibit.view(x).partition(".")[0] for x in (3 * pictures[:1], (3 * pictures[:1]).clamp(-1, 1))]
    assert judged[0] == judged[1]


def test_a_suggestion_says_how_far_off_it_may_be_and_learns_from_what_was_seen():
    session = begun()
    guess = session.suggest(0.8)
    assert "between 0.7 and 6 times" in guess["said"]
    assert session.suggest(0.6)["alpha"] > guess["alpha"] > session.suggest(0.95)["alpha"], "more reward is less alpha"
    session._seen = {1.0: 0.67, 0.2: 0.86}  # what the kept results have
    better = session.suggest(0.8)
    assert "α = 1, 0.2" in better["said"]
    assert 0.2 < better["alpha"] < 0.6, "the kept results have 0.75 at alpha 0.5 and 0.86 at 0.2"
    for goal in (0.2, 2.0, float("nan"), "much", None):
        with pytest.raises(ValueError, match="allowed"):
            session.suggest(goal)


def test_what_a_run_has_shown_is_kept_once_it_has_stayed_long_enough(monkeypatch):
    session = begun(alpha=1.0, others=(0.0,))
    monkeypatch.setattr(type(session.exhibit), "near_rest", 2)
    after(session, 1)
    assert session._seen == {}
    after(session, 1)
    assert session._seen == {1.0: session.lanes[0].numbers["reward"]}, "not of alpha 0, which never comes to rest"


def test_every_setting_has_one_control():
    assert list(CONTROLS) == list(vars(ImageSettings()))


@pytest.mark.parametrize(
    ("given", "read"), [([7], (7,)), ((3, 1, 3), (1, 3)), ([2.0, 4.0], (2, 4)), (np.array([0]), (0,))]
)
def test_wanted_digits_are_read_as_people_write_them(given, read):
    assert ImageSettings(wanted=given).wanted == read


def test_a_long_log_is_thinned_and_keeps_its_end():
    story = ImageStory()
    for k in range(MOST + 20):
        story = story.changed(k, "alpha", k / 100)
    assert len(story.log) <= MOST
    assert story.settings.alpha == (MOST + 19) / 100
    assert ImageStory.read(story.plain()).settings == story.settings
