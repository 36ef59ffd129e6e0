"""What is kept of rooms: nothing that was answered is lost, nothing secret is written down, nothing deleted stays."""

import concurrent.futures
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from orwlab.show.classroom import store as stores
from orwlab.show.classroom.store import ALPHABET, GONE, LENGTH, Store, digest

LESSON = "title: A lesson with a word that is looked for, HIPPOPOTAMUS\nscenes: [{title: A}]"


def bytes_of(path) -> bytes:
    """All that is on the disk of a store: the file, and what SQLite writes beside it."""
    return b"".join(one.read_bytes() for one in sorted(path.parent.glob(f"{path.name}*")))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rooms.sqlite"


@pytest.fixture
def store(path):
    made = Store(path)
    yield made
    made.close()


def test_there_is_no_file_before_the_first_room(store, path):
    assert store.room("BCDFG") is None
    assert store.person("BCDFG", "token") is None
    assert store.answers("BCDFG") == {}
    assert store.links("BCDFG") == []
    assert store.sweep(30) == []
    store.delete("BCDFG")
    store.keep("BCDFG", {})
    assert list(path.parent.iterdir()) == []
    store.make(LESSON, {})
    assert path.exists()


def test_a_room_in_memory_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store("")
    code, _ = store.make(LESSON, {"step": "lobby"})
    person, token = store.enter(code, "Ada")
    assert store.person(code, token) == (person, "Ada")
    assert list(tmp_path.iterdir()) == []
    store.close()


def test_what_was_kept_is_there_in_another_process_s_store(store, path):
    code, secret = store.make(LESSON, {"step": "lobby"})
    ada, token = store.enter(code, "Ada")
    bob, _ = store.enter(code, "")
    store.keep(code, {"step": "ask", "scene": 0})
    store.answer(code, "0.0", bob, [1.5, -2])
    store.answer(code, "0.0", ada, 3)
    store.answer(code, "0.0", bob, [0, 0])
    store.answer(code, "0.1", ada, "x")
    store.send(code, ada, "alpha=1")
    store.send(code, ada, "alpha=2")
    other = Store(path)
    room = other.room(code)
    assert room is not None
    assert (room["lesson"], room["state"], room["secret"]) == (LESSON, {"step": "ask", "scene": 0}, digest(secret))
    assert other.people(code) == {ada: "Ada", bob: ""}
    assert other.answers(code) == {"0.0": {ada: 3, bob: [0, 0]}, "0.1": {ada: "x"}}
    assert [(one["name"], one["link"]) for one in other.links(code)] == [("Ada", "alpha=2")]
    assert other.person(code, token) == (ada, "Ada")
    assert other.person(code, token + "x") is None
    assert other.person(other.make(LESSON, {})[0], token) is None, "a token is good in its own room only"
    other.close()


def test_codes_are_letters_that_make_no_words(store):
    codes = [store.make(LESSON, {})[0] for _ in range(50)]
    assert len(set(codes)) == 50
    assert all(len(code) == LENGTH and set(code) <= set(ALPHABET) for code in codes)
    assert set("AEIOUY01L") - set("L") & set(ALPHABET) == set()


def test_two_of_a_code_cannot_be(store, monkeypatch):
    codes = iter(["BBBBB", "BBBBB", "BBBBB", "CCCCC"])
    monkeypatch.setattr(stores, "_code", lambda: next(codes))
    assert [store.make(LESSON, {})[0], store.make(LESSON, {})[0]] == ["BBBBB", "CCCCC"]


def test_threads_lose_nothing(store):
    code, _ = store.make(LESSON, {})
    people = [store.enter(code, f"P{k}")[0] for k in range(8)]
    start = threading.Barrier(8)

    def write(person: int) -> list[int]:
        start.wait(10)
        for k in range(25):
            store.answer(code, f"{k}.0", person, k)
            store.keep(code, {"version": k})
        return [store.enter(code, "late")[0] for _ in range(3)]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        late = [one for found in threads.map(write, people) for one in found]
    assert store.answers(code) == {f"{k}.0": dict.fromkeys(people, k) for k in range(25)}
    assert len(set(late)) == 24
    assert len(store.people(code)) == 32


def test_two_stores_of_one_file_do_not_get_into_each_other_s_way(store, path):
    code, _ = store.make(LESSON, {})
    other = Store(path)
    people = [store.enter(code, "")[0], other.enter(code, "")[0]]

    def write(mine: tuple[Store, int]) -> None:
        for k in range(40):
            mine[0].answer(code, f"{k}.0", mine[1], k)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        list(threads.map(write, zip((store, other), people, strict=True)))
    assert store.answers(code) == {f"{k}.0": dict.fromkeys(people, k) for k in range(40)}
    other.close()


WRITER = """
import sys, threading
from orwlab.show.classroom.store import Store

store = Store(sys.argv[1])
code, _ = store.make("title: T", {})
print(code, flush=True)
lock = threading.Lock()

def write(person):
    for k in range(100_000):
        store.answer(code, f"{k}.0", person, k)
        with lock:
            print(person, k, flush=True)

for one in [store.enter(code, "")[0] for _ in range(3)]:
    threading.Thread(target=write, args=(one,)).start()
"""


@pytest.mark.parametrize("after", [0, 1, 40, 150])
def test_who_pulls_the_plug_loses_nothing_that_was_answered(path, after):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        code = writer.stdout.readline().strip()
        seen = [writer.stdout.readline() for _ in range(after)]
    finally:
        os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read()  # what it had said before the end
    writer.wait(10)
    writer.stdout.close()
    lines = "".join(seen) + rest[: rest.rfind("\n") + 1]  # the last one may be half
    said = [tuple(map(int, line.split())) for line in lines.splitlines()]
    assert len(said) >= after
    store = Store(path)
    found = store.answers(code)
    assert all(found[f"{k}.0"][person] == k for person, k in said)
    store.answer(code, "x", store.enter(code, "")[0], 1)  # and it goes on
    store.close()


def test_secrets_and_tokens_are_not_written_down(store, path):
    code, secret = store.make(LESSON, {})
    tokens = [store.enter(code, f"Someone {k}")[1] for k in range(20)]
    for opened in (True, False):
        data = bytes_of(path)
        assert b"HIPPOPOTAMUS" in data, "the search finds what is there"
        assert b"Someone 7" in data
        for one in (secret, *tokens):
            assert one.encode() not in data
            assert one[:16].encode() not in data
        if opened:
            store.close()


@pytest.mark.parametrize("how", ["delete", "sweep"])
def test_of_a_deleted_room_nothing_is_left_in_the_file(path, how):
    now = [1e9]
    store = Store(path, clock=lambda: now[0])
    code, _ = store.make(LESSON, {"hands": "CROCODILE"})
    people = [store.enter(code, f"Wilhelmina {k}")[0] for k in range(60)]
    for person in people:
        store.answer(code, "0.0", person, [f"RHINOCEROS {person}"] * 20)
        store.send(code, person, f"say=ELEPHANT{person}")
        store.answer(code, "0.0", person, f"ANTELOPE {person}")
    now[0] += 5 * 86_400
    other, _ = store.make("title: Another, GIRAFFE", {})
    stays, _ = store.enter(other, "Rosalind")
    store.answer(other, "0.0", stays, 7)
    words = (b"Wilhelmina", b"RHINOCEROS", b"ELEPHANT", b"ANTELOPE", b"HIPPOPOTAMUS", b"CROCODILE", code.encode())
    assert all(word in bytes_of(path) for word in words)
    if how == "delete":
        store.delete(code)
    else:
        assert store.sweep(4) == [code]
    for _ in range(2):
        data = bytes_of(path)
        assert [word for word in words if word in data] == []
        assert b"GIRAFFE" in data
        assert b"Rosalind" in data
        store.close()
    again = Store(path)
    assert again.room(code) is None
    assert again.people(code) == {}
    assert (again.people(other), again.answers(other)) == ({stays: "Rosalind"}, {"0.0": {stays: 7}})
    again.close()


def test_rooms_go_when_nobody_has_been_there_for_some_days(path):
    now = [1e9]
    store = Store(path, clock=lambda: now[0])
    codes = [store.make(LESSON, {})[0] for _ in range(3)]
    now[0] += 9 * 86_400
    store.keep(codes[1], {"step": "ask"})
    store.enter(codes[2], "Ada")
    now[0] += 86_400
    assert store.sweep(10) == [], "ten days are not more than ten"
    now[0] += 1
    assert store.sweep(10) == [codes[0]]
    assert store.sweep(10) == []
    assert [store.room(code) is None for code in codes] == [True, False, False]
    store.close()


@pytest.mark.parametrize(
    "where",
    ["nowhere/rooms.sqlite", ".", "x" * 300, "a\0b", "text.txt/rooms.sqlite", "text.txt"],
    ids=["no folder", "a folder", "too long", "NUL", "below a file", "no database"],
)
def test_where_nothing_can_be_kept_a_sentence_says_so(tmp_path, where):
    (tmp_path / "text.txt").write_text("This is some text, and no database. " * 40)
    store = Store(f"{tmp_path}/{where}")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^ORWLAB_ROOMS is '.*; allowed: a file that can be read and ") as e:
            store.make(LESSON, {})
        assert str(e.value).isprintable()
        with pytest.raises(ValueError, match=r"^ORWLAB_ROOMS is '.*; allowed: a file that can be read and ") as e:
            store.check()
        assert str(e.value).isprintable()
    if where not in (".", "text.txt"):
        assert store.room("BCDFG") is None
    assert (tmp_path / "text.txt").read_text().startswith("This is some text")
    assert not list(tmp_path.rglob("*sqlite*"))


@pytest.mark.parametrize("where", ["", "rooms.sqlite"])
def test_a_look_beforehand_leaves_no_file_and_changes_none(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    store = Store(where)
    store.check()
    assert not list(tmp_path.iterdir())
    code, _ = store.make(LESSON, {"step": "ask"})
    store.check()  # while it is open
    Store(where).check()  # another's
    assert store.room(code)["state"] == {"step": "ask"}
    store.close()


def test_a_full_file_keeps_what_it_has(store, path):
    code, _ = store.make(LESSON, {"step": "ask"})
    ada, _ = store.enter(code, "Ada")
    store.answer(code, "0.0", ada, 1)
    store._open.execute(f"pragma max_page_count = {store._open.execute('pragma page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.Error, match="full"):
        store.answer(code, "0.1", ada, "x" * 50_000)
    assert store.answers(code) == {"0.0": {ada: 1}}
    store.answer(code, "0.0", ada, 2)
    assert store.answers(code) == {"0.0": {ada: 2}}


def test_who_writes_into_a_room_that_is_gone_is_told(store):
    code, _ = store.make(LESSON, {})
    ada, token = store.enter(code, "Ada")
    store.delete(code)
    for work in (
        lambda: store.answer(code, "0.0", ada, 1),
        lambda: store.send(code, ada, "alpha=1"),
        lambda: store.enter(code, "Bob"),
    ):
        with pytest.raises(ValueError, match=GONE):
            work()
    store.keep(code, {})
    assert (store.room(code), store.person(code, token), store.people(code)) == (None, None, {})


def test_there_is_room_for_so_many_and_no_more(store, monkeypatch):
    monkeypatch.setattr(stores, "ROOMS", 3)
    monkeypatch.setattr(stores, "PEOPLE", 4)
    monkeypatch.setattr(stores, "LINKS", 2)
    codes = [store.make(LESSON, {})[0] for _ in range(3)]
    with pytest.raises(ValueError, match="there are 3 rooms; allowed: no more"):
        store.make(LESSON, {})
    people = [store.enter(codes[0], "")[0] for _ in range(4)]
    with pytest.raises(ValueError, match="this room has 4 people; allowed: no more"):
        store.enter(codes[0], "")
    store.enter(codes[1], "")
    for person in people[:2]:
        store.send(codes[0], person, "alpha=1")
    with pytest.raises(ValueError, match="2 links have been sent; allowed: no more"):
        store.send(codes[0], people[2], "alpha=3")
    store.send(codes[0], people[0], "alpha=2")  # in place of one's own there is always room
    assert [one["link"] for one in store.links(codes[0])] == ["alpha=2", "alpha=1"]
    store.delete(codes[2])
    assert store.make(LESSON, {})[0] not in codes[:2]


def test_texts_of_all_kinds_come_back_as_they_were(store):
    rng = random.Random(7)
    code, _ = store.make(LESSON, {})
    letters = [*map(chr, range(32, 127)), *map(chr, range(0xA0, 0xD800))]
    names = ["", "'; drop table rooms; --", "Zoë 😀", "名前", '"', "\\", "a\u0301"]
    names += ["".join(rng.choices(letters, k=24)) for _ in range(30)]
    people = {store.enter(code, name)[0]: name for name in names}
    for person, name in people.items():
        store.answer(code, name, person, {"said": name, "n": [0.1, None, True]})
    assert store.people(code) == people
    for person, name in people.items():
        assert store.answers(code)[name][person] == {"said": name, "n": [0.1, None, True]}
