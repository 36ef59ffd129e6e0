"""What is kept of rooms, in one SQLite file: whoever pulls the plug loses nothing that had been answered.

Tokens are kept as digests: who reads the file can enter no room with it. All functions may be called from any thread.
"""

import hashlib
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orwlab import checks

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""of codes: no vowels, which would make words, and nothing that looks like a digit"""
LENGTH = 5
ROOMS = 2000
"""at once"""
PEOPLE = 400
"""in a room"""
LINKS = 400
"""that a room's people may have sent"""
GONE = "This room has been deleted."

_TABLES = """
create table if not exists rooms (
    code text primary key, secret text not null, lesson text not null, state text not null, made real not null,
    touched real not null);
create table if not exists people (
    id integer primary key, room text not null references rooms on delete cascade, token text not null unique,
    name text not null, joined real not null);
create table if not exists answers (
    room text not null references rooms on delete cascade, item text not null,
    person integer not null references people on delete cascade, value text not null, at real not null,
    primary key (room, item, person));
create table if not exists links (
    id integer primary key, room text not null references rooms on delete cascade,
    person integer not null references people on delete cascade, link text not null, at real not null);
create index if not exists people_of_rooms on people (room);
create index if not exists links_of_rooms on links (room);
"""


class Store:
    """The file. It is made with the first room; "" is one in memory, which is gone with the process.

    Args:
        path: where it is.
        clock: seconds since 1970.
    """

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self._clock = path, clock
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def check(self) -> None:
        """Whether rooms can be kept there; no file is left where there was none.

        Raises:
            ValueError: they cannot, and why.
        """
        if self.path == "":
            return
        try:
            with open(self.path, "xb"):
                pass
            os.unlink(self.path)
        except FileExistsError:
            with self._lock:
                if self._open is None:
                    self._connected().close()
        except (OSError, ValueError) as error:  # ValueError: a path that no file can have
            raise self._useless(getattr(error, "strerror", None) or str(error)) from None

    def _useless(self, why: str) -> ValueError:
        allowed = "a file that can be read and written, in a folder that exists; empty: rooms are in memory alone"
        return checks.fail("ORWLAB_ROOMS", str(self.path), f"{allowed} ({why})")

    def _run(self, what: Callable[[sqlite3.Connection], Any], *, making: bool = False) -> Any:
        """``what`` within one transaction, which is on the disk when this returns; None if there is no file yet."""
        with self._lock:
            if self._open is None:
                if not making and self.path != "" and not os.path.exists(self.path):
                    return None
                self._open = self._connected()
            try:
                with self._open:
                    return what(self._open)
            except sqlite3.IntegrityError:  # what is written is somebody's in some room, and one of the two is gone
                raise ValueError(GONE) from None

    def _connected(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = None
        try:
            found = sqlite3.connect(str(self.path) or ":memory:", check_same_thread=False)
            found.execute("pragma journal_mode = wal")
            found.execute("pragma synchronous = full")
            found.execute("pragma foreign_keys = on")
            found.execute("pragma secure_delete = on")
            found.executescript(_TABLES)
        except (sqlite3.Error, ValueError) as error:  # ValueError: a path that no file can have
            if found is not None:
                found.close()
            raise self._useless(str(error)) from None
        return found

    def close(self) -> None:
        """Nothing more is asked of it."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    # Rooms ----------------------------------------------------------------------------------------------------------

    def make(self, lesson: str, state: Any) -> tuple[str, str]:
        """A new room: its code, and its teacher's secret, which is not kept.

        Raises:
            ValueError: there are too many, or the file cannot be written.
        """

        def work(db: sqlite3.Connection) -> tuple[str, str]:
            if db.execute("select count(*) from rooms").fetchone()[0] >= ROOMS:
                raise ValueError(f"there are {ROOMS} rooms; allowed: no more. Delete one that is over, or come later")
            code = _code()
            while db.execute("select 1 from rooms where code = ?", (code,)).fetchone():
                code = _code()
            secret, now = secrets.token_urlsafe(32), self._clock()
            db.execute(
                "insert into rooms values (?, ?, ?, ?, ?, ?)",
                (code, digest(secret), lesson, json.dumps(state), now, now),
            )
            return code, secret

        made: tuple[str, str] = self._run(work, making=True)
        return made

    def room(self, code: str) -> dict[str, Any] | None:
        """``{"secret" (its digest), "lesson", "state", "made", "touched"}`` of a room, None if there is none."""
        row = self._run(lambda db: db.execute("select * from rooms where code = ?", (code,)).fetchone())
        if row is None:
            return None
        _, secret, lesson, state, made, touched = row
        return {"secret": secret, "lesson": lesson, "state": json.loads(state), "made": made, "touched": touched}

    def keep(self, code: str, state: Any) -> None:
        """How far the room is."""
        given = (json.dumps(state), self._clock(), code)
        self._run(lambda db: db.execute("update rooms set state = ?, touched = ? where code = ?", given))

    def delete(self, code: str) -> None:
        """The room with everything in it, overwritten."""
        self._run(lambda db: db.execute("delete from rooms where code = ?", (code,)))
        self._shrink()

    def sweep(self, days: float) -> list[str]:
        """Delete the rooms that nobody has touched for so many days; their codes."""
        before = self._clock() - 86_400 * days

        def work(db: sqlite3.Connection) -> list[str]:
            old = [code for (code,) in db.execute("select code from rooms where touched < ?", (before,))]
            db.executemany("delete from rooms where code = ?", [(code,) for code in old])
            return old

        found: list[str] = self._run(work) or []
        if found:
            self._shrink()
        return found

    def _shrink(self) -> None:
        """What was deleted is not left in the log that SQLite writes beside the file either."""
        self._run(lambda db: None)
        with self._lock:
            if self._open is not None:
                self._open.execute("pragma wal_checkpoint(truncate)")

    # People ---------------------------------------------------------------------------------------------------------

    def enter(self, code: str, name: str) -> tuple[int, str]:
        """Somebody new in a room: a number, and a token, which is not kept.

        Raises:
            ValueError: the room is full, or gone.
        """

        def work(db: sqlite3.Connection) -> tuple[int, str]:
            if db.execute("select count(*) from people where room = ?", (code,)).fetchone()[0] >= PEOPLE:
                raise ValueError(f"this room has {PEOPLE} people; allowed: no more")
            token, now = secrets.token_urlsafe(24), self._clock()
            made = db.execute(
                "insert into people (room, token, name, joined) values (?, ?, ?, ?)",
                (code, digest(token), name, now),
            )
            db.execute("update rooms set touched = ? where code = ?", (now, code))
            return int(made.lastrowid or 0), token

        entered: tuple[int, str] = self._run(work)
        return entered

    def person(self, code: str, token: str) -> tuple[int, str] | None:
        """Number and name of who has this token, None if it is nobody's in this room."""
        given = (code, digest(token))
        found = self._run(
            lambda db: db.execute("select id, name from people where room = ? and token = ?", given).fetchone()
        )
        return None if found is None else (int(found[0]), str(found[1]))

    def who(self, code: str, token: str) -> int | None:
        """The number of who has this token, 0 for the room's teacher; None if it is nobody's, or there is no room. That
        takes as long: from outside one cannot tell the one from the other.
        """
        given = {"room": code, "token": digest(token)}
        found = self._run(
            lambda db: db.execute(
                "select 0 from rooms where code = :room and secret = :token "
                "union all select id from people where room = :room and token = :token",
                given,
            ).fetchone()
        )
        return None if found is None else int(found[0])

    def people(self, code: str) -> dict[int, str]:
        """Number -> name of everybody in a room."""
        return dict(self._run(lambda db: db.execute("select id, name from people where room = ?", (code,)).fetchall()))

    # Answers and links ----------------------------------------------------------------------------------------------

    def answer(self, code: str, item: str, person: int, value: Any) -> None:
        """Somebody's answer to a question; a later one takes its place.

        Raises:
            ValueError: the room is gone.
        """
        given = (code, item, person, json.dumps(value), self._clock())
        self._run(lambda db: db.execute("insert or replace into answers values (?, ?, ?, ?, ?)", given))

    def answers(self, code: str) -> dict[str, dict[int, Any]]:
        """Question -> person -> answer, the first to come first."""
        rows = self._run(
            lambda db: db.execute(
                "select item, person, value from answers where room = ? order by at", (code,)
            ).fetchall()
        )
        found: dict[str, dict[int, Any]] = {}
        for of, person, value in rows or ():
            found.setdefault(of, {})[person] = json.loads(value)
        return found

    def send(self, code: str, person: int, link: str) -> None:
        """A link for the teacher; of one person the newest counts.

        Raises:
            ValueError: there are too many, or the room is gone.
        """

        def work(db: sqlite3.Connection) -> None:
            db.execute("delete from links where room = ? and person = ?", (code, person))
            if db.execute("select count(*) from links where room = ?", (code,)).fetchone()[0] >= LINKS:
                raise ValueError(f"{LINKS} links have been sent; allowed: no more")
            row = (code, person, link, self._clock())
            db.execute("insert into links (room, person, link, at) values (?, ?, ?, ?)", row)

        self._run(work)

    def links(self, code: str) -> list[dict[str, Any]]:
        """``{"id", "name", "link"}`` of all that were sent, the newest first."""
        rows = self._run(
            lambda db: db.execute(
                "select links.id, name, link from links join people on people.id = person where links.room = ? "
                "order by links.id desc",
                (code,),
            ).fetchall()
        )
        return [{"id": ident, "name": name, "link": link} for ident, name, link in rows or ()]


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
