"""A room: how far its lesson is, who may do what, and what each is told. It knows neither a server nor a run.

A scene goes through steps, which its teacher takes one by one::

    lobby -> [ask -> locked -> run -> reveal] -> ... -> end          with a question
             [show -> run]                                           without; no run where ``rounds`` is 0

Before ``reveal`` nobody is told what others have answered, nor what is exact.
"""

import csv
import hmac
import io
import json
import unicodedata
from dataclasses import asdict, dataclass, replace
from typing import Any

from orwlab import checks, files
from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom import predictions
from orwlab.show.classroom.lesson import Lesson, Scene
from orwlab.show.classroom.store import Store, digest
from orwlab.show.lab.link import Link

NAME = 24  # characters of a name
STEPS = ("lobby", "ask", "locked", "show", "run", "reveal", "end")
BEST = 8  # people on the board
LONGEST_LINK = 4000  # characters of a link that a student sends
LINKS = 50  # of those, the newest, that the teacher is told


@dataclass(frozen=True)
class State:
    """How far a room is; all of it is kept.

    Args:
        scene: number of the scene, from 0.
        step: one of ``STEPS``.
        version: one more with every change: who acts on an older one is told the new one, and nothing is done.
        attempt: of the question that is on show, from 0: one that is asked again begins without answers.
        truths: question -> what ``truths.truth`` says, of what has been revealed; with ``run`` if the run told it.
        hands: a link that everybody is sent to play with, None if nothing is.
        shown: a link that is on the projector in the scene's place, None if none is.
        points: whether points are shown.
        ran: a link to the scene's run as it came out, with what the teacher changed under way; "" until it did.
    """

    scene: int = 0
    step: str = "lobby"
    version: int = 0
    attempt: int = 0
    truths: dict[str, Any] | None = None
    hands: str | None = None
    shown: str | None = None
    points: bool = False
    ran: str = ""


@dataclass(frozen=True)
class Wish:
    """What the stage of a room is to show.

    Args:
        key: another one for everything that begins anew.
        link: the state to begin with.
        rounds: how far it is to go; None: it goes on as the teacher likes.
        running: whether it is to run.
        open: whether what is exact may be seen.
        answers: whether it is to be seen, with the answer to a question.
    """

    key: str
    link: Link
    rounds: int | None
    running: bool
    open: bool
    answers: bool = False


class Room:
    """One room. For one thread at a time.

    Args:
        store: where it is kept.
        code: its code.

    Raises:
        ValueError: there is no such room.
    """

    def __init__(self, store: Store, code: str) -> None:
        found = store.room(code)
        if found is None:
            raise ValueError(NO_ROOM)
        self.store, self.code = store, code
        self.lesson: Lesson = lessons.read(found["lesson"])
        self.state = State(**found["state"])
        self._secret: str = found["secret"]
        self._people = store.people(code)
        self._answers: dict[str, dict[int, Any]] = store.answers(code)
        self._links = store.links(code)
        self._wished: tuple[State, Wish] | None = None  # of which state
        self._changes = 0  # of people and answers
        self._worth: tuple[tuple[int, int], dict[int, int]] | None = None  # at which changes, and everybody's points

    @classmethod
    def make(cls, store: Store, text: str) -> tuple["Room", str]:
        """A new room for a lesson, and its teacher's secret.

        Raises:
            ValueError: it is no lesson, or there can be no more rooms.
        """
        lesson = lessons.read(text)
        code, secret = store.make(text, asdict(State(points=lesson.scores)))
        return cls(store, code), secret

    # Who ------------------------------------------------------------------------------------------------------------

    def is_teacher(self, secret: Any) -> bool:
        """Whether this is the teacher's secret."""
        return isinstance(secret, str) and hmac.compare_digest(digest(secret), self._secret)

    def enter(self, name: Any) -> tuple[int, str]:
        """Somebody comes in; see ``Store.enter``. A name is optional.

        Raises:
            ValueError: it is no name, or the room is full.
        """
        person, token = self.store.enter(self.code, clean := name_of(name))
        self._people[person] = clean
        self._changes += 1
        return person, token

    def person(self, token: Any) -> int | None:
        """Who has this token."""
        found = self.store.person(self.code, token) if isinstance(token, str) and len(token) < 100 else None
        return None if found is None else found[0]

    # What the teacher does ------------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """The one that is on, or comes next."""
        return self.lesson.scenes[min(self.state.scene, len(self.lesson.scenes) - 1)]

    @property
    def item(self) -> str:
        """The question that is on: scene and attempt."""
        return f"{self.state.scene}.{self.state.attempt}"

    def act(self, what: Any, version: Any, value: Any = None) -> bool:
        """Do what the teacher wants. Returns whether it was done; it is not where the room has changed meanwhile.

        Args:
            what: "next" or "back", a step; "again", the question once more; "hands", everybody
                gets the link ``value`` to play with, or nothing any more; "show", a link on the projector, or the
                scene again; "points", whether they are shown.
            version: of the state that the teacher sees.
            value: see above.

        Raises:
            ValueError: it is no such thing.
        """
        checks.choice("what", what, tuple(_ACTS))
        if version != self.state.version:
            return False
        changed = _ACTS[what](self, value)
        if changed == self.state:
            return False
        self._become(changed)
        return True

    def _become(self, state: State) -> None:
        changed = replace(state, version=self.state.version + 1)
        self.store.keep(self.code, asdict(changed))
        self.state = changed

    def _next(self, value: Any) -> State:
        now, scene = self.state, self.scene
        plain = replace(now, shown=None, hands=None)
        match now.step:
            case "lobby":
                return self._entered(plain, 0)
            case "ask":
                return replace(plain, step="locked")
            case "locked":
                return replace(plain, step="run" if scene.rounds else "reveal")
            case "show" if scene.rounds:
                return replace(plain, step="run")
            case "run" if scene.ask is not None:
                return replace(plain, step="reveal")
            case "end":
                return plain
            case _:
                return self._entered(plain, now.scene + 1)

    def _entered(self, state: State, number: int) -> State:
        if number >= len(self.lesson.scenes):
            return replace(state, step="end", scene=len(self.lesson.scenes) - 1)
        step = "ask" if self.lesson.scenes[number].ask else "show"
        return replace(state, scene=number, step=step, attempt=self._open_attempt(number), ran="")

    def _back(self, value: Any) -> State:
        """A step back: what was locked opens again, what ran begins anew, and so on."""
        now, asked = replace(self.state, shown=None, hands=None), self.scene.ask is not None
        match now.step:
            case "lobby":
                return now
            case "locked":
                return replace(now, step="ask", attempt=self._open_attempt(now.scene), ran="")
            case "run":
                return replace(now, step="locked" if asked else "show")
            case "reveal":
                return replace(now, step="run" if self.scene.rounds else "locked")
            case "end":
                return replace(now, step=self._last(now.scene))
            case _ if now.scene == 0:
                return replace(now, step="lobby", attempt=0)
            case _:
                before = now.scene - 1
                return replace(now, scene=before, step=self._last(before), attempt=self._attempts(before), ran="")

    def _attempts(self, number: int) -> int:
        """The last attempt at a scene's question that there was."""
        items = (item.split(".") for item in {**self._answers, **(self.state.truths or {})})
        return max((int(attempt) for scene, attempt in items if int(scene) == number), default=0)

    def _open_attempt(self, number: int) -> int:
        """The attempt at a scene's question that may still be answered: whose answer has been told is over."""
        attempt = max(self._attempts(number), self.state.attempt if number == self.state.scene else 0)
        return attempt + (f"{number}.{attempt}" in (self.state.truths or {}))

    def _last(self, number: int) -> str:
        """A scene's last step."""
        scene = self.lesson.scenes[number]
        return "reveal" if scene.ask else "run" if scene.rounds else "show"

    def _again(self, value: Any) -> State:
        """The question once more, such as after people have talked to each other; the first answers are kept beside."""
        if self.scene.ask is None or self.state.step in ("lobby", "ask", "end"):
            return self.state
        attempt = self.state.attempt + 1
        return replace(self.state, step="ask", attempt=attempt, shown=None, hands=None, ran="")

    def _hands(self, value: Any) -> State:
        if value is not None and self.scene.ask is not None and self.state.step in ("ask", "locked", "run"):
            raise ValueError("Hands on waits for the answer to this question: the dial would tell it")
        return replace(self.state, hands=None if value is None else Link.read(value).text())

    def _show(self, value: Any) -> State:
        return replace(self.state, shown=None if value is None else Link.read(value).text())

    def _points(self, value: Any) -> State:
        return replace(self.state, points=checks.yes_or_no("points", value))

    def came_out(self, ran: str) -> None:
        """The scene's run has ended; see ``State.ran``."""
        self._become(replace(self.state, ran=ran))

    def told(self, truth: dict[str, Any], item: str) -> None:
        """The truth of a question, once it is known; see ``truths.truth``."""
        self._become(replace(self.state, truths={**(self.state.truths or {}), item: truth}))

    @property
    def wish(self) -> Wish:
        """What the stage is to show now. Asked for with every picture, and worked out once a state."""
        if self._wished is None or self._wished[0] is not self.state:
            self._wished = self.state, self._wish()
        return self._wished[1]

    def _wish(self) -> Wish:
        now, scene = self.state, self.scene
        if now.shown is not None:
            return Wish(f"shown {now.shown}", Link.read(now.shown), None, False, True)
        key = f"{now.scene} {now.attempt}"
        open_ = scene.ask is None or now.step in ("reveal", "end")
        if now.step in ("run", "reveal", "end"):
            seen = Link.read(now.ran) if now.ran and now.step != "run" else scene.seen
            return Wish(key, seen, scene.rounds, now.step == "run", open_, open_ and scene.ask is not None)
        return Wish(key, scene.seen, 0, False, open_)

    # What students do -----------------------------------------------------------------------------------------------

    def answer(self, person: int, item: Any, value: Any) -> Any:
        """Somebody's answer, as it is kept.

        Raises:
            ValueError: the question is not open, or the answer is none.
        """
        if self.state.step != "ask" or item != self.item:
            raise ValueError("This question is closed: the answer was not counted.")
        clean = predictions.check(self.scene, value)
        self.store.answer(self.code, self.item, person, clean)
        self._answers.setdefault(self.item, {})[person] = clean
        self._changes += 1
        return clean

    def send(self, person: int, link: Any) -> None:
        """A link for the teacher.

        Raises:
            ValueError: it is none.
        """
        clean = Link.read(link).text()
        if len(clean) > LONGEST_LINK:
            raise checks.fail(
                "link", f"a text of {len(clean)} characters", f"at most {LONGEST_LINK}, without paintings"
            )
        self.store.send(self.code, person, clean)
        self._links = self.store.links(self.code)

    # What each is told ----------------------------------------------------------------------------------------------

    @property
    def answered(self) -> int:
        """How many have answered what is on."""
        return len(self._answers.get(self.item, {}))

    @property
    def revealed(self) -> bool:
        """Whether guesses and truth may be seen."""
        return self.state.step == "reveal" and self.scene.ask is not None and self.state.shown is None

    def common(self) -> dict[str, Any]:
        """What everybody is told."""
        now, scene = self.state, self.scene
        told: dict[str, Any] = {
            "code": self.code,
            "version": now.version,
            "lesson": self.lesson.title,
            "about": self.lesson.about,
            "scene": now.scene,
            "scenes": len(self.lesson.scenes),
            "step": now.step,
            "item": self.item,
            "people": len(self._people),
            "answered": self.answered,
            "hands": now.hands,
            "shown": now.shown is not None,
            "open": self.wish.open,
            "stage": dict(self.wish.link.stage),
        }
        if now.step not in ("lobby", "end"):
            told |= {"title": scene.title, "say": scene.say, "rounds": scene.rounds, "ask": self._ask()}
        if self.revealed:
            told["reveal"] = self._reveal() | {"why": scene.why}
        if now.points and (now.step == "end" or self.revealed):
            told["board"] = self.board()[:BEST]
        return told

    def _ask(self) -> dict[str, Any] | None:
        """The question without its answer."""
        scene = self.scene
        if scene.ask is None:
            return None
        plain = scene.ask.model_dump(exclude={"answer", "goal"})
        settings = scene.seen.story.settings
        return plain | {"alphas": list(settings.alphas), "curve": predictions.CURVE, "rounds": scene.rounds}

    def _reveal(self) -> dict[str, Any]:
        """All guesses, nobody's by name, with the truth."""
        guesses = list(self._answers.get(self.item, {}).values())
        truth = (self.state.truths or {}).get(self.item)
        told = {"guesses": guesses, "together": predictions.together(self.scene, guesses), "truth": truth}
        if self.state.attempt:
            before = list(self._answers.get(f"{self.state.scene}.{self.state.attempt - 1}", {}).values())
            told["before"] = predictions.together(self.scene, before)
        return told

    def for_teacher(self) -> dict[str, Any]:
        """What the teacher is told besides."""
        told = {"links": self._links[:LINKS], "points": self.state.points, "link": self.wish.link.text()}
        return told | {"sent": len(self._links)}

    def for_student(self, person: int) -> dict[str, Any]:
        """What somebody is told besides: of answers their own."""
        own = self._answers.get(self.item, {}).get(person)
        told: dict[str, Any] = {"name": self._people.get(person, ""), "own": own}
        if self.revealed and own is not None:
            told["near"] = self._near(self.item, own)
        if self.state.points:
            told["points"] = self._points_of_all().get(person, 0)
        return told

    def _near(self, item: str, guess: Any) -> float | None:
        """How near somebody's guess at a question was, as far as its answer has been told."""
        ask, truth = self.lesson.scenes[int(item.split(".")[0])].ask, (self.state.truths or {}).get(item) or {}
        return None if ask is None else predictions.closeness(ask, guess, truth.get("value"), truth.get("alike", ()))

    def _points_of_all(self) -> dict[int, int]:
        """Person -> points of everybody, the best first, from what has been revealed; worked out once for all."""
        at = self.state.version, self._changes
        if self._worth is None or self._worth[0] != at:
            self._worth = at, self._counted()
        return self._worth[1]

    def _counted(self) -> dict[int, int]:
        points = dict.fromkeys(self._people, 0)
        last: dict[int, tuple[int, str]] = {}  # scene -> its last attempt that was revealed
        for item in self.state.truths or {}:
            number, attempt = map(int, item.split("."))
            last[number] = max(last.get(number, (-1, "")), (attempt, item))
        for _, item in last.values():
            for person, guess in list(self._answers.get(item, {}).items()):  # others may come in meanwhile
                if person in points:
                    points[person] += predictions.points(self._near(item, guess))
        return dict(sorted(points.items(), key=lambda one: (-one[1], one[0])))

    def board(self) -> list[dict[str, Any]]:
        """Names and points, the best first; those without a name are left out."""
        named = [(self._people[person], points) for person, points in self._points_of_all().items()]
        return [{"name": name, "points": points} for name, points in named if name]

    def results(self) -> str:
        """All answers as CSV: a row an answer."""
        file = io.StringIO()
        rows = csv.writer(file)
        rows.writerow(["scene", "attempt", "question", "person", "name", "answer", "truth", "points"])
        for (number, attempt), item in sorted((tuple(map(int, item.split("."))), item) for item in self._answers):
            answers, ask = self._answers[item], self.lesson.scenes[number].ask
            truth = ((self.state.truths or {}).get(item) or {}).get("value")
            for person, guess in list(answers.items()):  # others may come in meanwhile
                near = self._near(item, guess)
                rows.writerow([
                    number + 1, attempt + 1, files.cell(ask.prompt if ask else ""), person,
                    files.cell(self._people.get(person, "")), json.dumps(guess),
                    "" if truth is None else json.dumps(truth), "" if near is None else predictions.points(near),
                ])  # fmt: skip
        return file.getvalue()


_ACTS = {
    "next": Room._next,
    "back": Room._back,
    "again": Room._again,
    "hands": Room._hands,
    "show": Room._show,
    "points": Room._points,
}
NO_ROOM = "There is no room with this code. Codes are five letters; ask for it again."


def name_of(given: Any) -> str:
    """A name as it is kept: one line without control characters; "" if none is given.

    Raises:
        ValueError: it is none.
    """
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > 20 * NAME:
        raise checks.fail("name", given, f"at most {NAME} characters, or none")
    plain = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in given)
    clean = " ".join(plain.split())
    if len(clean) > NAME:
        raise checks.fail("name", given, f"at most {NAME} characters, or none")
    return clean
