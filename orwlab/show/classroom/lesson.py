"""Lessons: what a teacher writes down, read from YAML. What is wrong is said in a sentence with its line.

A lesson is a list of scenes. A scene is a link of the Live lab, and perhaps a question about what will become of it::

    title: Collapse
    about: What imitation does when nothing holds it.
    notes: Go on only when everybody has a guess.
    minutes: 7
    scenes:
      - title: Two hundred rounds
        link: "#reward=bump&tau=2&alpha=0"
        rounds: 200
        ask:
          kind: choose
          prompt: What is left after 200 rounds?
          options: [all eight modes, one mode, the whole plane]
          answer: 2
        why: Imitating one's best samples again and again multiplies the weights.

``schema`` is the same as a JSON schema, for editors that know one.
"""

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from orwlab import written
from orwlab.show.lab.link import Link
from orwlab.written import Written

LARGEST = 65_536  # characters of a file
MOST = 4000  # names and values; twenty scenes have less than a thousand
FOLDER = Path(__file__).parent / "lessons"
READINGS = ("reward", "diversity", "w2", "effective")
"""what can be read off a model: see ``exact.Exact``"""

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=240)]
Reading = Literal["reward", "diversity", "w2", "effective"]
Coordinate = Annotated[float, Field(ge=-20, le=20)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Choose(_Part):
    """One of some sentences."""

    kind: Literal["choose"] = Field(description="which kind of question it is")
    prompt: Prompt = Field(description="what is asked")
    options: tuple[Line, ...] = Field(min_length=2, max_length=6, description="what one can choose, two to six")
    answer: int | None = Field(None, ge=1, description="the right option, from 1; left out in a poll")

    @model_validator(mode="after")
    def _fits(self) -> "Choose":
        if self.answer is not None and self.answer > len(self.options):
            raise ValueError(f"answer is {self.answer}; allowed: from 1 to {len(self.options)}, one of the options")
        if len(set(self.options)) < len(self.options):
            raise ValueError("options hold one sentence twice; allowed: each one once")
        return self


class Goal(_Part):
    """What an exact limit is to have."""

    reading: Reading = Field(description="what is read off the exact limit")
    value: float = Field(description="what it is to be")


class Alpha(_Part):
    """A value of alpha."""

    kind: Literal["alpha"] = Field(description="which kind of question it is")
    prompt: Prompt = Field(description="what is asked")
    goal: Goal | None = Field(None, description="the right alpha is the one whose exact limit has this")
    answer: float | None = Field(None, ge=0, le=100, description="the right alpha, if it is no goal's")

    @model_validator(mode="after")
    def _fits(self) -> "Alpha":
        if self.goal is not None and self.answer is not None:
            raise ValueError("goal and answer are both there; allowed: one of them")
        return self


class Place(_Part):
    """A place in the plane."""

    kind: Literal["place"] = Field(description="which kind of question it is")
    prompt: Prompt = Field(description="what is asked")
    answer: Literal["peak", "first_to_die"] | tuple[Coordinate, Coordinate] | None = Field(
        None,
        description="peak: where the exact limit is densest; first_to_die: the mode that exact rounds empty first; or "
        "[x, y]; left out in a poll",
    )


class Curve(_Part):
    """How something goes on over the rounds of the scene's run."""

    kind: Literal["curve"] = Field(description="which kind of question it is")
    prompt: Prompt = Field(description="what is asked")
    of: Literal["reward", "diversity", "w2"] = Field("reward", description="what is drawn")
    low: float = Field(ge=-1e6, le=1e6, description="the lower end of the axis")
    high: float = Field(ge=-1e6, le=1e6, description="its upper end")

    @model_validator(mode="after")
    def _fits(self) -> "Curve":
        if not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}; allowed: low < high")
        return self


class Order(_Part):
    """The scene's alphas, from the least of something to the most."""

    kind: Literal["order"] = Field(description="which kind of question it is")
    prompt: Prompt = Field(description="what is asked")
    by: Reading = Field("reward", description="what they are ordered by, least first: the exact limits', or where one "
                        "has none the run's at its end")  # fmt: skip


Ask = Annotated[Choose | Alpha | Place | Curve | Order, Field(discriminator="kind")]


class Scene(_Part):
    """A state of the Live lab, and perhaps a question about what becomes of it."""

    title: Line = Field(description="what it is called")
    link: str = Field("", max_length=60_000, description="a link of the Live lab, or what stands behind its #")
    say: Words = Field("", description="what stands beside it while it is on show")
    rounds: int = Field(0, ge=0, le=2000, description="how far it runs; 0: it is looked at as it is")
    ask: Ask | None = Field(None, description="what everybody predicts before it runs")
    why: Words = Field("", description="a sentence, shown with the answer")

    @model_validator(mode="after")
    def _fits(self) -> "Scene":
        try:
            settings = Link.read(self.link).story.settings
        except ValueError as error:
            raise ValueError(f"link cannot be used: {error}") from None
        if isinstance(self.ask, Curve) and not self.rounds:
            raise ValueError("rounds is 0; allowed: at least 1 where a curve over rounds is drawn")
        if isinstance(self.ask, Order) and len(settings.alphas) < 3:
            raise ValueError("link has fewer than three alphas; allowed: alpha and two or three others, to be ordered")
        if settings.methods and isinstance(self.ask, Alpha | Order):
            raise ValueError("link lets methods race; allowed here: alphas")
        return self

    @functools.cached_property
    def seen(self) -> Link:
        """What the link says; read once, for it may hold paintings."""
        return Link.read(self.link)


class Lesson(_Part):
    """What a class does in some minutes."""

    title: Line = Field(description="what it is called")
    about: Words = Field("", description="what it is about; everybody may read it")
    notes: Words = Field("", description="for the teacher: shown on the list of lessons and on the handout's last part")
    minutes: int = Field(8, ge=1, le=90, description="how long it takes")
    scores: bool = Field(False, description="whether guesses earn points")
    scenes: tuple[Scene, ...] = Field(min_length=1, max_length=20, description="what is done, in this order")


def schema() -> dict[str, Any]:
    """The format as a JSON schema."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Lesson.model_json_schema()}


def names() -> list[str]:
    """The lessons that come along, in the order in which a course would take them."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def text_of(name: str) -> str:
    """The file of one of them.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in names():
        raise ValueError(f"lesson is {name!r:.80}; allowed: one of {', '.join(names())}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def read(text: Any) -> Lesson:
    """The lesson that a file says.

    Raises:
        ValueError: it is none; the message says where and why, and what is allowed.
    """
    if not isinstance(text, str) or len(text) > LARGEST:
        raise ValueError(f"the lesson is too long, or no text; allowed: at most {LARGEST} characters")
    file = written.read(text, "lesson", most=MOST)
    if not isinstance(file.value, dict):
        raise ValueError("line 1: a lesson begins with a table: title, about, minutes, scenes")
    try:
        return Lesson.model_validate(file.value)
    except ValidationError as error:
        raise ValueError(_said(error, file)) from None


def _said(error: ValidationError, file: Written) -> str:
    """The first thing that is wrong, as a sentence."""
    first = error.errors(include_url=False)[0]
    place = _place(first["loc"])
    name, context = written.named(place), first.get("ctx", {})
    kinds = f"allowed: one of {', '.join(sorted(_KINDS))}"
    if place[-2:] == ["ask", "answer"] and len(first["loc"]) > len(place) + 1:  # of a place, which may be many things
        given = written.short(_plain(file.at(place)))
        said = f"{name} is {given}; allowed: peak, first_to_die, or [x, y], each from -20 to 20"
    elif first["type"] == "union_tag_not_found":
        said = f"{name}.kind is missing; {kinds}"
    elif first["type"] == "union_tag_invalid":
        said, place = f"{name}.kind is {written.short(context.get('tag'))}; {kinds}", [*place, "kind"]
    else:
        known = _neighbours(place, file) if first["type"] == "extra_forbidden" else ()
        said = written.complaint(first, place, known)
        if first["type"] == "value_error":
            place = [*place, str(context["error"]).partition(" ")[0]]  # it begins with what is wrong
    return f"line {file.line(place)}: {said}"


_KINDS: dict[str, type[_Part]] = {"choose": Choose, "alpha": Alpha, "place": Place, "curve": Curve, "order": Order}


def _place(parts: tuple[int | str, ...]) -> list[int | str]:
    """Where something is in the file: pydantic also says which kind of question, and of answer, it took it for."""
    found: list[int | str] = []
    for k, part in enumerate(parts):
        if k and parts[k - 1] == "ask" and part in _KINDS:
            continue
        found.append(part)
        if found[-2:] == ["ask", "answer"]:
            break
    return found


def _plain(node: yaml.Node | None) -> Any:
    """What a node says, as it is written."""
    return [_plain(one) for one in node.value] if isinstance(node, yaml.SequenceNode) else getattr(node, "value", None)


def _neighbours(place: list[Any], file: Written) -> list[str]:
    """The names that are allowed where one is that is not."""
    above = [part for part in place[:-1] if isinstance(part, str)]
    if not above:
        return list(Lesson.model_fields)
    if above[-1] == "scenes":
        return list(Scene.model_fields)
    if above[-1] == "goal":
        return list(Goal.model_fields)
    kind = file.at([*place[:-1], "kind"])
    model = _KINDS.get(str(getattr(kind, "value", "")), Choose)
    return list(model.model_fields)
