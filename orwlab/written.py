"""Files that people write, in YAML: read with few surprises; what is wrong is said in one sentence with its line.

Only true and false are switches, there are no dates, and ``1e-4`` is a number. No objects, no aliases, nothing twice.
What a file says is checked by a model of pydantic's; its first complaint becomes such a sentence here.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

DEEPEST = 12  # lists and tables within each other
_MISSPELT = 0.6  # how alike two names are, from 0 to 1, of which one may be meant for the other


@dataclass(frozen=True)
class Written:
    """A file that was read: what it says, and where."""

    value: Any
    root: yaml.Node | None

    def line(self, place: Sequence[int | str]) -> int:
        """The line of a place, where its name stands, or of the nearest that there is above it; places as ``at``."""
        place = list(place)
        while place:
            node = self.at(place[:-1])
            if isinstance(node, yaml.MappingNode):
                node = next((key for key, _ in node.value if key.value == place[-1]), None)
            else:
                node = self.at(place)
            if node is not None:
                return int(node.start_mark.line) + 1
            place = place[:-1]
        return 1

    def at(self, place: Sequence[int | str]) -> yaml.Node | None:
        """What stands at a place: names of tables and numbers in lists, from 0; None if nothing does."""
        node = self.root
        for part in place:
            if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            elif isinstance(node, yaml.MappingNode):
                node = next((value for key, value in node.value if key.value == part), None)
            else:
                return None
        return node


def read(text: str, what: str, *, most: int) -> Written:
    """A file's text, read.

    Args:
        text: the YAML.
        what: what errors call the file, such as "lesson".
        most: names and values, at most.

    Raises:
        ValueError: it is no YAML, or some that nobody needs here; the message begins with the line.
    """
    try:
        loader = _Loader(text, what, most)
        try:
            root = loader.get_single_node()
            for node in _all(root):
                _check(node, loader)
            return Written(loader.construct_document(root) if root is not None else None, root)
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


class _Loader(yaml.SafeLoader):
    """Safe; and what no such file can need ends the reading at once, however much of it there is."""

    def __init__(self, text: str, what: str, most: int) -> None:
        super().__init__(text)
        self._what, self._most = what, most
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
        if self._parts > self._most:
            raise ValueError(
                f"line {line}: the {self._what} has too many parts; allowed: at most {self._most} names and values"
            )
        node = super().compose_node(parent, index)
        self._depth -= deeper
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, what) for tag, what in kinds if tag.rsplit(":")[-1] not in ("bool", "timestamp", "merge", "value")]
    for first, kinds in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)\Z"), list("tf"))
# YAML 1.2 and everybody else take 1e-4 for a number; YAML 1.1, which PyYAML follows, asks for 1.0e-4
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z"), list("-+0123456789")
)


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


# What pydantic complains of, as people say it -------------------------------------------------------------------------


def complaint(fault: Any, place: Sequence[int | str], known: Sequence[str] = ()) -> str:
    """One of the faults that pydantic lists (``ValidationError.errors()``), as a sentence without its line.

    Args:
        fault: with "type", "input", "msg" and "ctx".
        place: where it is, as ``Written.at`` has it.
        known: the names that are allowed there, for one that is not.
    """
    name, given, context = named(place), short(fault.get("input")), fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return f"{name} is missing"
        case "extra_forbidden":
            return f"{name} is not known here; allowed: {', '.join(known)}"
        case "value_error":
            return f"{name}: {context['error']}"
        case "too_short" | "too_long":
            many = (
                f"at least {context['min_length']}" if "min_length" in context else f"at most {context['max_length']}"
            )
            return f"{name} has {context.get('actual_length', 'more')} entries; allowed: {many}"
        case "string_too_long":
            return f"{name} is {given}; allowed: at most {context['max_length']} characters"
        case "string_too_short":
            return f"{name} is empty; allowed: a text"
        case kind:
            words = next((words for start, words in _WANTED.items() if kind.startswith(start)), fault["msg"])
            return f"{name} is {given}; allowed: {words.removeprefix('Input should be ')}"


_WANTED = {
    "int_": "a whole number",
    "float_": "a number",
    "string_type": "a text; quote it if it looks like a number",
    "string_unicode": "a text, without halves of characters",
    "bool_": "true or false",
    "tuple_": "a list",
    "model_": "a table",
}


def named(place: Sequence[int | str]) -> str:
    """A place as people count: ``scenes[1].title``."""
    name = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{short(part)[1:-1]}" for part in place)
    return name.removeprefix(".")


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The one of some names that was probably meant; None if none is like it."""
    found = difflib.get_close_matches(name[:40], known, n=1, cutoff=_MISSPELT)
    return found[0] if found else None


def short(value: Any) -> str:
    """A value as Python writes it, but never the whole of something long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
