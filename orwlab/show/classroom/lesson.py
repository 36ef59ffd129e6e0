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
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from orwlab.show.lab.link import Link

LARGEST = 65_536  # characters of a file
DEEPEST = 12  # lists and tables within each other
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
    root, found = _loaded(text)
    if not isinstance(found, dict):
        raise ValueError("line 1: a lesson begins with a table: title, about, minutes, scenes")
    try:
        return Lesson.model_validate(found)
    except ValidationError as error:
        raise ValueError(_said(error, root)) from None


# YAML: no objects, no aliases, nothing twice, and yes and no stay words -----------------------------------------------


class _Loader(yaml.SafeLoader):
    """Safe, and with fewer surprises: only true and false are switches, there are no dates, and what a lesson cannot
    need ends the reading at once, however much of it there is.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._parts = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next part of the file, with all that lies within it."""
        event = self.peek_event()
        line = event.start_mark.line + 1
        deeper = isinstance(event, yaml.CollectionStartEvent)
        self._depth, self._parts = self._depth + deeper, self._parts + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise ValueError(f"line {line}: & and * are not known here; quote a text that begins with one of them")
        if event.tag:
            raise ValueError(f"line {line}: ! is not known here; quote a text that begins with it")
        if self._depth > DEEPEST:
            raise ValueError(f"line {line}: lists and tables lie too deep within each other")
        if self._parts > MOST:
            raise ValueError(f"line {line}: the lesson has too many parts; allowed: at most {MOST} names and values")
        node = super().compose_node(parent, index)
        self._depth -= deeper
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, what) for tag, what in kinds if tag.rsplit(":")[-1] not in ("bool", "timestamp", "merge", "value")]
    for first, kinds in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)\Z"), list("tf"))


def _loaded(text: str) -> tuple[yaml.Node | None, Any]:
    """The file's nodes, which know their lines, and what they say."""
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            for node in _all(root):
                _check(node, loader)
            return root, loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        said = (error.problem or error.context or "").removeprefix("but ")
        raise ValueError(f"{where}this is no YAML: {said}") from None
    except yaml.reader.ReaderError as error:
        line = len(re.findall("\r\n|[\r\n]", text[: error.position])) + 1
        raise ValueError(f"line {line}: this is no YAML: it holds a character that no text has") from None


def _all(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if node is None:
        return
    yield node
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        for one in part if isinstance(part, tuple) else (part,):
            yield from _all(one)


def _check(node: yaml.Node, loader: _Loader) -> None:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not key.tag.endswith(":str"):
                raise ValueError(f"line {line}: a name is no word; allowed: words, such as title")
            if key.value in known:
                raise ValueError(f"line {line}: {key.value[:40]!r} is there twice; allowed: once")
            known.add(key.value)
    elif node.tag.endswith((":int", ":float")):
        if len(node.value) > 30:
            raise ValueError(f"line {line}: this number is too long")
        try:
            loader.construct_object(node)
        except (ValueError, OverflowError):  # such as 0x_
            raise ValueError(f"line {line}: {node.value!r} looks like a number, and is none") from None


def _said(error: ValidationError, root: yaml.Node | None) -> str:
    """The first thing that is wrong, as a sentence."""
    first = error.errors(include_url=False)[0]
    place = _place(first["loc"])
    name = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{_short(part)[1:-1]}" for part in place)
    name = name.removeprefix(".")
    given, allowed = _short(first.get("input")), first.get("ctx", {})
    line = f"line {_line(place, root)}: "
    if place[-2:] == ["ask", "answer"] and len(first["loc"]) > len(place) + 1:  # of a place, which may be many things
        given = _short(_plain(_node(place, root)))
        return f"{line}{name} is {given}; allowed: peak, first_to_die, or [x, y], each from -20 to 20"
    match first["type"]:
        case "missing":
            return f"{line}{name} is missing"
        case "extra_forbidden":
            return f"{line}{name} is not known here; allowed: {', '.join(_neighbours(place, root))}"
        case "union_tag_not_found":
            return f"{line}{name}.kind is missing; allowed: one of {', '.join(sorted(_KINDS))}"
        case "union_tag_invalid":
            line = f"line {_line([*place, 'kind'], root)}: "
            return f"{line}{name}.kind is {_short(allowed.get('tag'))}; allowed: one of {', '.join(sorted(_KINDS))}"
        case "value_error":
            said = str(allowed["error"])
            line = f"line {_line([*place, said.partition(' ')[0]], root)}: "  # it begins with what is wrong
            return f"{line}{name}: {said}"
        case "too_short" | "too_long":
            many = (
                f"at least {allowed['min_length']}" if "min_length" in allowed else f"at most {allowed['max_length']}"
            )
            return f"{line}{name} has {allowed.get('actual_length', 'more')} entries; allowed: {many}"
        case "string_too_long":
            return f"{line}{name} is {given}; allowed: at most {allowed['max_length']} characters"
        case "string_too_short":
            return f"{line}{name} is empty; allowed: a text"
        case kind:
            words = next((words for start, words in _WANTED.items() if kind.startswith(start)), first["msg"])
            return f"{line}{name} is {given}; allowed: {words.removeprefix('Input should be ')}"


_WANTED = {
    "int_": "a whole number",
    "float_": "a number",
    "string_type": "a text; quote it if it looks like a number",
    "string_unicode": "a text, without halves of characters",
    "bool_": "true or false",
    "tuple_": "a list",
    "model_": "a table",
}


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


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _neighbours(place: list[Any], root: yaml.Node | None) -> list[str]:
    """The names that are allowed where one is that is not."""
    above = [part for part in place[:-1] if isinstance(part, str)]
    if not above:
        return list(Lesson.model_fields)
    if above[-1] == "scenes":
        return list(Scene.model_fields)
    if above[-1] == "goal":
        return list(Goal.model_fields)
    kind = _node([*place[:-1], "kind"], root)
    model = _KINDS.get(str(getattr(kind, "value", "")), Choose)
    return list(model.model_fields)


def _line(place: list[Any], root: yaml.Node | None) -> int:
    """The line of a place, where its name stands, or of the nearest that there is above it."""
    while place:
        node = _node(place[:-1], root)
        if isinstance(node, yaml.MappingNode):
            node = next((key for key, _ in node.value if key.value == place[-1]), None)
        else:
            node = _node(place, root)
        if node is not None:
            return int(node.start_mark.line) + 1
        place = place[:-1]
    return 1


def _node(place: list[Any], node: yaml.Node | None) -> yaml.Node | None:
    for part in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        else:
            return None
    return node
