"""Rooms: their steps, who may do what, and what each is told, without a server and without a run."""

import csv
import io
import json
import random
import sqlite3
from dataclasses import asdict

import pytest

from orwlab.show.classroom import room as rooms
from orwlab.show.classroom.room import NO_ROOM, STEPS, Room, State, name_of
from orwlab.show.classroom.store import Store

LESSON = """
title: All kinds of scenes
about: What one can do.
scenes:
  - title: Asked, and run
    link: "#alpha=0.5&tau=2"
    rounds: 20
    ask: {kind: place, prompt: "Where is it?", answer: [7.125, -3.375]}
    why: WHY-ONE, which gives it away.
  - title: Asked, and not run
    ask: {kind: choose, prompt: "Which?", options: [left, right, neither], answer: 2}
    why: WHY-TWO, which gives it away.
  - title: Only run
    say: Look at this.
    rounds: 5
  - title: Only shown
  - title: An alpha
    rounds: 3
    ask: {kind: alpha, prompt: "Which alpha?", goal: {reading: w2, value: 0.34567}}
    why: WHY-FIVE, which gives it away.
"""
COURSE = [
    (0, "lobby"),
    *((0, step) for step in ("ask", "locked", "run", "reveal")),
    *((1, step) for step in ("ask", "locked", "reveal")),
    *((2, step) for step in ("show", "run")),
    (3, "show"),
    *((4, step) for step in ("ask", "locked", "run", "reveal")),
    (4, "end"),
]
TRUTH = {0: [7.125, -3.375], 1: 2, 4: 0.617}
SECRETS = ("7.125", "3.375", "WHY-", "0.34567", "0.617", "goal", '"answer":', '"truth"')


@pytest.fixture
def store():
    made = Store("")
    yield made
    made.close()


@pytest.fixture
def room(store):
    return Room.make(store, LESSON)[0]


def where(room: Room) -> tuple[int, str]:
    return room.state.scene, room.state.step


def go(room: Room, what: str, value=None) -> bool:
    return room.act(what, room.state.version, value)


def to(room: Room, scene: int, step: str) -> Room:
    """On, to a step, with the truth told wherever it is revealed."""
    while where(room) != (scene, step):
        assert go(room, "next")
        tell(room)
    return room


def tell(room: Room) -> None:
    """The truth of what is revealed, as a hall tells it."""
    if room.revealed and room.item not in (room.state.truths or {}):
        room.told({"value": TRUTH[room.state.scene], "exact": [], "why": ""}, room.item)


def a_guess(room: Room, k: int = 0):
    """Another one for every ``k``, easily found in a text."""
    kind = room.scene.ask.kind
    return {"place": [1.001 + k / 2, 2.003 + k / 2], "choose": 1 + k % 3, "alpha": 40.007 + k}[kind]


# Steps ----------------------------------------------------------------------------------------------------------------


def test_a_lesson_goes_its_course_and_back_again(room):
    seen = [where(room)]
    while go(room, "next"):
        seen.append(where(room))
    assert seen == COURSE
    back = [where(room)]
    while go(room, "back"):
        back.append(where(room))
    assert back == COURSE[::-1]
    to(room, 1, "locked")  # from the lobby on again


@pytest.mark.parametrize(("at", "scene"), [(k, place) for k, place in enumerate(COURSE)])
def test_the_question_can_be_asked_again_wherever_there_is_one(room, at, scene):
    for _ in range(at):
        go(room, "next")
    assert where(room) == scene
    asked = room.scene.ask is not None and scene[1] not in ("lobby", "ask", "end")
    before = room.state
    assert go(room, "again") == asked
    assert room.state == before or (where(room), room.state.attempt) == ((scene[0], "ask"), 1)
    if asked:
        assert not go(room, "again"), "a vote that is open is not wiped"
        go(room, "next")
        go(room, "again")
        assert room.item == f"{scene[0]}.2"


def test_who_acts_on_an_older_state_does_nothing(room):
    version = room.state.version
    assert room.act("next", version)
    for old in (version, version - 1, version + 2, None, "1", -1, [], float("nan")):
        assert not room.act("next", old)
        assert where(room) == (0, "ask")
    assert room.state.version == version + 1


@pytest.mark.parametrize(
    "what", ["", "Next", "state", "_next", "came_out", "__init__", None, 3, ["next"], {}, "x" * 5000]
)
def test_only_what_a_teacher_can_do_is_done(room, what):
    with pytest.raises(ValueError, match=r"what is .*; allowed: one of 'next', 'back', 'again', 'hands', "):
        go(room, what)
    assert room.state == State()


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("hands", "#colour=3"), ("hands", 3), ("hands", ["#alpha=1"]), ("hands", "x" * 70_000), ("hands", False),
        ("show", "#alpha=-1"), ("show", {}), ("show", "javascript:alert(1)#alpha=x"),
        ("points", 1), ("points", None), ("points", "true"),
    ],
)  # fmt: skip
def test_what_is_no_link_and_no_switch_changes_nothing(room, what, value):
    with pytest.raises(ValueError, match="; allowed: ") as found:
        go(room, what, value)
    assert str(found.value).isprintable()
    assert room.state == State()


def test_a_link_in_hand_or_on_show_lasts_for_a_step(room):
    to(room, 2, "run")
    assert go(room, "hands", "http://elsewhere.example/path?q=1#alpha=3&say=Hello")
    assert room.common()["hands"] == "alpha=3&say=Hello", "only what stands behind the # of a link goes to phones"
    assert go(room, "show", "#alpha=4")
    assert not go(room, "show", "#alpha=4")
    assert (room.wish.link.story.settings.alpha, room.wish.rounds, room.wish.running) == (4.0, None, False)
    go(room, "show", None)
    assert room.wish.link.story.settings.alpha == 1
    go(room, "next")
    assert (room.state.hands, room.state.shown) == (None, None)


class Model:
    """The same rules once more, as the course says them."""

    def __init__(self) -> None:
        self.at, self.attempt = 0, 0

    def act(self, what: str, seen: set[str], told: set[str]) -> None:
        def last(number: int) -> int:
            return max([int(item.partition(".")[2]) for item in seen if item.startswith(f"{number}.")], default=0)

        def still_open(number: int) -> int:
            attempt = max(last(number), self.attempt if number == scene else 0)
            return attempt + (f"{number}.{attempt}" in told)

        before = COURSE[self.at]
        scene, step = before
        if what == "next":
            self.at = min(self.at + 1, len(COURSE) - 1)
        elif what == "back":
            self.at = max(self.at - 1, 0)
        elif scene in TRUTH and step not in ("lobby", "ask", "end"):
            self.at, self.attempt = COURSE.index((scene, "ask")), self.attempt + 1
        now, step = COURSE[self.at]
        if step == "lobby":
            self.attempt = 0
        elif now > scene or before[1] == "lobby" or (what, before[1], step) == ("back", "locked", "ask"):
            self.attempt = still_open(now)  # who has been told the answer does not vote on it
        elif now < scene:  # back to what there was last
            self.attempt = last(now)


@pytest.mark.parametrize("seed", range(12))
def test_wherever_a_room_goes_it_keeps_its_rules(store, seed):
    rng = random.Random(seed)
    room, secret = Room.make(
        store, LESSON.replace("title: All", f"scores: {rng.choice(['true', 'false'])}\ntitle: All")
    )
    people = [room.enter(f"Name-{k}-of-somebody")[0] for k in range(4)]
    model, given = Model(), {}
    for _ in range(160):
        version, before = room.state.version, room.state
        match rng.choice(
            ["next", "next", "next", "back", "again", "stale", "answer", "answer", "hands", "points", "show"]
        ):
            case "stale":
                assert not room.act(rng.choice(["next", "back", "again"]), version - rng.randrange(1, 4))
                assert room.state == before
            case "answer":
                person, k = rng.choice(people), rng.randrange(30)
                item = room.item if rng.random() < 0.8 else f"{rng.randrange(5)}.{rng.randrange(2)}"
                value = a_guess(room, k) if room.scene.ask else 1
                if room.state.step == "ask" and item == room.item:
                    given.setdefault(item, {})[person] = room.answer(person, item, value)
                else:
                    with pytest.raises(ValueError, match="This question is closed: the answer was not counted"):
                        room.answer(person, item, value)
                assert room.state == before
            case "hands":
                link = rng.choice([None, "#alpha=2"])
                if link and room.scene.ask and room.state.step in ("ask", "locked", "run"):
                    with pytest.raises(ValueError, match="Hands on waits for the answer"):
                        go(room, "hands", link)
                else:
                    go(room, "hands", link)
            case "points":
                go(room, "points", rng.random() < 0.5)
            case "show":
                go(room, "show", rng.choice([None, None, "#alpha=3"]))
            case what:
                done = go(room, what)
                model.act(what, {*given, *(before.truths or {})}, {*(before.truths or {})})
                assert done == (replaced(room.state) != replaced(before))
                if done and what in ("next", "back"):
                    assert (room.state.hands, room.state.shown) == (None, None)
        assert (where(room), room.state.attempt) == (COURSE[model.at], model.attempt)
        assert room.state.version - version in (0, 1)
        assert (room.state.version == version) == (room.state == before)
        tell(room)
        for mine in (room, Room(store, room.code)):  # what is kept is what is there
            assert asdict(mine.state) == asdict(room.state)
            assert mine._answers == given
            assert mine.answered == len(given.get(room.item, {}))
            assert mine.is_teacher(secret)
            check_told(mine, people)


def replaced(state: State) -> dict:
    return {**asdict(state), "version": 0}


def check_told(room: Room, people: list[int]) -> None:
    """What may be said in a step, and nothing else."""
    common = json.dumps(room.common(), allow_nan=False)
    for person in people:
        mine = json.dumps(room.for_student(person), allow_nan=False)
        assert all(f"Name-{k}-of" not in mine or people[k] == person for k in range(len(people)))
        if not room.revealed:
            assert "near" not in json.loads(mine)
            assert not [word for word in SECRETS if word in mine]
    if not room.revealed:
        assert [word for word in SECRETS if word in common] == []
        assert '"guesses"' not in common
        assert "40.0" not in common
        assert "01, " not in common
        assert room.state.step == "end" or "Name-" not in common
    else:
        told = json.loads(common)["reveal"]
        assert len(told["guesses"]) == room.answered
        assert told["truth"] is None or told["truth"]["value"] == TRUTH[room.state.scene]
        assert told["why"].startswith("WHY-")
    assert room.state.points or '"board"' not in common


# What each is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", [0, 1, 4])
def test_before_the_answer_nobody_is_told_of_others_or_of_what_is_true(room, scene):
    people = [room.enter(f"Name-{k}-of-somebody")[0] for k in range(4)]
    to(room, scene, "ask")
    for k, person in enumerate(people[:3]):
        room.answer(person, room.item, a_guess(room, k))
    while True:
        check_told(room, people)
        common = room.common()
        assert (common["people"], common["answered"]) == (4, 3)
        assert [room.for_student(person)["own"] for person in people] == [a_guess(room, k) for k in range(3)] + [None]
        if room.state.step == "reveal":
            break
        assert "reveal" not in common
        go(room, "next")
    assert common["reveal"]["guesses"] == [a_guess(room, k) for k in range(3)]
    assert common["reveal"]["truth"] is None, "not known yet: that is said, and the guesses can be seen"
    assert [room.for_student(person).get("near") for person in people] == [None] * 4
    tell(room)
    assert room.common()["reveal"]["truth"]["value"] == TRUTH[scene]
    nears = [room.for_student(person).get("near") for person in people]
    assert all(0 <= near <= 1 for near in nears[:3])
    assert nears[3] is None


def test_what_is_shown_in_the_scene_s_place_hides_the_answer(room):
    to(room, 0, "reveal")
    go(room, "show", "#alpha=2")
    assert "reveal" not in room.common()
    check_told(room, [])
    go(room, "show", None)
    assert "reveal" in room.common()


def test_after_asking_again_both_answers_are_side_by_side(room):
    ada, bob = room.enter("Ada")[0], room.enter("Bob")[0]
    to(room, 1, "ask")
    room.answer(ada, "1.0", 1)
    room.answer(bob, "1.0", 1)
    go(room, "next")
    go(room, "again")
    assert room.for_student(ada)["own"] is None
    assert room.answered == 0
    with pytest.raises(ValueError, match="closed"):
        room.answer(ada, "1.0", 2)
    room.answer(ada, "1.1", 3)
    room.answer(ada, "1.1", 2)  # one may think again
    to(room, 1, "reveal")
    told = room.common()["reveal"]
    assert (told["before"], told["together"]) == ({"counts": [2, 0, 0]}, {"counts": [0, 1, 0]})
    assert (told["guesses"], room.answered) == ([2], 1)


def test_the_teacher_alone_sees_links(room):
    ada = room.enter("Ada")[0]
    room.send(ada, "http://x.example/#alpha=0.25")
    room.send(ada, "http://x.example/#alpha=0.75")
    told = room.for_teacher()
    assert [(one["name"], one["link"]) for one in told["links"]] == [("Ada", "alpha=0.75")]
    assert "Only shown" not in json.dumps([room.common(), room.for_student(ada)])
    for wrong in ("#colour=1", 3, None, "x" * 70_000):
        with pytest.raises(ValueError, match="; allowed: "):
            room.send(ada, wrong)


# Answers and points ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scene", "value"),
    [(0, value) for value in (None, 1, [1], [1, 2, 3], ["1", 2], [1, 21], [True, 1], {"x": 1, "y": 2}, "12", [[1], 2])]
    + [(0, [float("nan"), 0]), (0, [0, float("inf")]), (0, [10**400, 0])]
    + [(1, value) for value in (0, 4, -1, 1.0, 1.5, True, "1", [1], None, 10**40, float("nan"))]
    + [(4, value) for value in (-0.1, 100.1, "3", True, [3], None, float("nan"), float("inf"), 10**400)],
)
def test_what_is_no_answer_is_not_kept(room, scene, value):
    ada = room.enter("Ada")[0]
    to(room, scene, "ask")
    with pytest.raises(ValueError, match="; allowed: ") as found:
        room.answer(ada, room.item, value)
    assert len(str(found.value)) < 300
    assert room.answered == 0
    assert Room(room.store, room.code).answered == 0


def test_points_count_the_last_answer_that_was_revealed(room):
    people = ada, bob, eve = [room.enter(name)[0] for name in ("Ada", "Bob", "")]
    to(room, 0, "ask")
    room.answer(ada, "0.0", TRUTH[0])
    room.answer(bob, "0.0", [7.125, -1.875])  # half of the way at which it is worth nothing
    go(room, "points", True)
    assert [room.for_student(one)["points"] for one in people] == [0, 0, 0]
    to(room, 0, "reveal")
    assert [room.for_student(one)["points"] for one in people] == [100, 50, 0]
    to(room, 1, "ask")
    room.answer(ada, "1.0", 1)
    room.answer(eve, "1.0", 2)
    assert [room.for_student(one)["points"] for one in people] == [100, 50, 0], "not before it is revealed"
    assert "board" not in room.common()
    to(room, 1, "reveal")
    assert [room.for_student(one)["points"] for one in people] == [100, 50, 100]
    assert room.common()["board"] == [{"name": "Ada", "points": 100}, {"name": "Bob", "points": 50}]
    go(room, "again")
    room.answer(ada, "1.1", 2)
    to(room, 1, "reveal")
    assert [room.for_student(one)["points"] for one in people] == [200, 50, 0], "the second answer is what counts"
    assert room.board()[0] == {"name": "Ada", "points": 200}
    go(room, "points", False)
    assert "board" not in room.common()
    assert "points" not in room.for_student(ada)
    late = room.enter("Late")[0]
    go(room, "points", True)
    assert room.for_student(late)["points"] == 0


def test_the_board_shows_the_best_with_names(room):
    people = [room.enter(f"Name-{k}")[0] for k in range(rooms.BEST + 5)]
    to(room, 0, "ask")
    for k, person in enumerate(people):
        room.answer(person, "0.0", [7.125, -3.375 + k / 10])
    go(room, "points", True)
    to(room, 0, "reveal")
    board = room.common()["board"]
    assert [one["name"] for one in board] == [f"Name-{k}" for k in range(rooms.BEST)]
    assert [one["points"] for one in board] == sorted((one["points"] for one in board), reverse=True)


def test_a_change_that_cannot_be_kept_is_not_made(room):
    ada = room.enter("Ada")[0]
    to(room, 0, "ask")
    before = room.state
    room.store._open.execute("pragma query_only = on")
    with pytest.raises(sqlite3.Error):
        go(room, "next")
    with pytest.raises(sqlite3.Error):
        room.answer(ada, "0.0", [1, 2])
    assert (room.state, room.answered) == (before, 0)
    room.store._open.execute("pragma query_only = off")
    assert go(room, "next")


# Results --------------------------------------------------------------------------------------------------------------

FORMULAS = ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠x"]


def test_results_are_a_table_in_which_nothing_is_worked_out(store):
    room = Room.make(store, LESSON.replace("Which?", "=1+1, is it?"))[0]
    names = [*FORMULAS, 'a "quote", and a comma', "two\nlines", "Ada"]
    people = {room.enter(name[:24])[0]: name[:24] for name in names}
    to(room, 0, "ask")
    for person in people:
        room.answer(person, "0.0", [1.5, -2])
    to(room, 1, "ask")
    for person in list(people)[:2]:
        room.answer(person, "1.0", 2)
    go(room, "next")
    go(room, "again")
    room.answer(next(iter(people)), "1.1", 3)
    rows = list(csv.reader(io.StringIO(room.results())))
    assert rows[0] == ["scene", "attempt", "question", "person", "name", "answer", "truth", "points"]
    assert len(rows) == 1 + len(names) + 2 + 1
    for row in rows[1:]:
        assert len(row) == 8
        assert not [cell for cell in row if cell[:1] in tuple("=+-@\t\r＝＋－＠")]
        assert row[4].removeprefix("'") == name_of(people[int(row[3])])
    assert [row[:3] for row in rows[-3:]] == [["2", "1", "'=1+1, is it?"]] * 2 + [["2", "2", "'=1+1, is it?"]]
    assert rows[1][5:] == ["[1.5, -2.0]", "[7.125, -3.375]", "0"]
    assert rows[-1][5:] == ["3", "", ""], "what has not been revealed has no truth here either"


# Who ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ""), ("", ""), ("   ", ""), ("Ada", "Ada"), ("  Ada \t Lovelace\n", "Ada Lovelace"),
        ("<img src=x onerror=alert(1)>"[:24], "<img src=x onerror=alert"), ("Zoë 😀", "Zoë 😀"), ("名前", "名前"),
        ("a\0b\x1b[2Jc", "a b [2Jc"), ("abc\u202edcba", "abc dcba"), ("a\u200bb\ufeffc", "a b c"), ("\ud800x", "x"),
        ("\u2028line\u2029", "line"), ("\ue000private", "private"), (" " * 400 + "x", "x"), ("x" * 24, "x" * 24),
    ],
)  # fmt: skip
def test_a_name_is_one_line_of_text(store, room, given, kept):
    person, _ = room.enter(given)
    assert room.for_student(person)["name"] == kept == Room(store, room.code)._people[person]
    assert kept.isprintable()


@pytest.mark.parametrize("given", ["x" * 25, "x" * 1000, 3, ["Ada"], {"name": "Ada"}, True, "x " * 200])
def test_what_is_no_name_is_said(room, given):
    with pytest.raises(ValueError, match=r"name is .*; allowed: at most 24 characters, or none") as found:
        room.enter(given)
    assert len(str(found.value)) < 250
    assert room.common()["people"] == 0


def test_only_the_secret_makes_a_teacher_and_only_a_token_somebody(store):
    room, secret = Room.make(store, LESSON)
    other, others = Room.make(store, LESSON)
    person, token = room.enter("Ada")
    kept = store.room(room.code)["secret"]
    assert room.is_teacher(secret)
    for wrong in (
        others,
        token,
        kept,
        secret[:-1],
        secret + "x",
        secret.swapcase(),
        "",
        None,
        3,
        [secret],
        "\ud800",
        b"",
    ):
        assert not room.is_teacher(wrong)
    assert room.person(token) == person
    for wrong in (secret, token[:-1], token.swapcase(), "", None, 3, [token], "x" * 10_000, "\ud800", "' or 1=1 --"):
        assert room.person(wrong) is None
    assert other.person(token) is None


def test_there_is_no_room_that_nobody_made(store):
    with pytest.raises(ValueError, match=NO_ROOM):
        Room(store, "BCDFG")


def test_what_is_no_lesson_makes_no_room(tmp_path):
    store = Store(tmp_path / "rooms.sqlite")
    for text in ("", None, 3, "title: T", LESSON + "    colour: red"):
        with pytest.raises(ValueError, match=r"lesson|line"):
            Room.make(store, text)
    assert list(tmp_path.iterdir()) == []


def test_the_steps_are_those_that_are_named():
    assert {step for _, step in COURSE} == set(STEPS)


def test_what_ran_stays_with_its_scene(store):
    text = LESSON.replace(
        "  - title: Asked, and not run\n", '  - title: Asked, and not run\n    link: "#alpha=3"\n    rounds: 4\n'
    )
    room = Room.make(store, text)[0]
    to(room, 1, "run")
    room.came_out("alpha=3&round=4")
    go(room, "next")
    assert room.wish.link.story.start.alpha == 3
    for _ in range(4):
        go(room, "back")
    assert where(room) == (0, "reveal")
    assert room.wish.link.story.start.alpha == 0.5


def test_who_has_been_told_the_answer_cannot_vote_on_it(room):
    person, _ = room.enter("Ada")
    to(room, 1, "ask")
    first = room.item
    room.answer(person, first, 1)
    to(room, 1, "reveal")
    tell(room)
    go(room, "back")
    go(room, "back")
    assert where(room) == (1, "ask")
    assert room.item != first
    with pytest.raises(ValueError, match="closed"):
        room.answer(person, first, 2)
    assert room.for_student(person)["own"] is None
    room.answer(person, room.item, 2)
    go(room, "points", True)
    assert room.for_student(person)["points"] == 0, "the one that was revealed"


@pytest.mark.parametrize("step", ["ask", "locked", "run"])
def test_nothing_is_handed_out_that_could_tell_the_answer(room, step):
    to(room, 0, step)
    with pytest.raises(ValueError, match="waits for the answer"):
        go(room, "hands", "#alpha=1")
    assert room.state.hands is None
    to(room, 0, "reveal")
    assert go(room, "hands", "#alpha=1")


def test_a_link_is_short_and_the_teacher_is_told_the_newest(room):
    for k in range(rooms.LINKS + 3):
        person, _ = room.enter(f"p{k}")
        room.send(person, f"#alpha={k / 10}")
    told = room.for_teacher()
    assert told["sent"] == rooms.LINKS + 3
    assert len(told["links"]) == rooms.LINKS
    assert told["links"][0]["name"] == f"p{rooms.LINKS + 2}"
    with pytest.raises(ValueError, match="at most 4000"):
        room.send(person, "#round=500&log=" + ";".join(f"{k}:alpha:0.{k}" for k in range(1, 450)))


def test_results_go_by_number_and_not_by_spelling(store):
    scene = "  - {title: s, ask: {kind: choose, prompt: p, options: [a, b], answer: 1}}\n"
    room = Room.make(store, "title: many\nscenes:\n" + 12 * scene)[0]
    person, _ = room.enter("")
    for k in range(12):
        while where(room) != (k, "ask"):
            go(room, "next")
        room.answer(person, room.item, 1)
    assert [row["scene"] for row in csv.DictReader(io.StringIO(room.results()))] == [str(k + 1) for k in range(12)]
