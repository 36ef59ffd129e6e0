"""Cards: of every method, and of every network and solver of the zoo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orwlab import methods, zoo
from orwlab.methods.cards import Card
from orwlab.zoo import __main__ as listed
from pages.words import plain, table

KINDS = {
    "points": "Flows in the plane and on a line",
    "images": "Flows of images",
    "prompted": "A flow that is told a sentence",
    "autoencoder": "An autoencoder",
    "classifier": "Classifiers",
    "clip": "What compares pictures with sentences",
    "solver": "Learned solvers",
}
"""kind -> what such networks are called, in the order in which they are shown"""


def write(folder: Path) -> list[str]:
    """Both pages."""
    (folder / "methods.md").write_text(of_methods(), encoding="utf-8")
    (folder / "zoo.md").write_text(of_the_zoo(), encoding="utf-8")
    return ["methods", "zoo"]


def of_methods() -> str:
    """The methods' cards in Markdown."""
    top = """# Methods

Each method by the name that `methods.get` takes, with its loss, what it needs of the reward and of the sampler, what
its `strength` sets, and where rounds without end lead. How far they come in practice is in
[Other ways to fine-tune](other_ways_to_fine_tune.md); notebook [11](notebooks/11_the_arena.ipynb) builds them.

"""
    return top + "\n\n".join(_method(methods.card(name)) for name in methods.names()) + "\n"


def _method(card: Card) -> str:
    return (
        f"## {plain(card.title)}\n\n`{card.name}`: {plain(card.idea)}\n\n$$\n{card.formula}\n$$\n\n"
        f"- Needs: {plain(card.needs)}\n- `strength`: {plain(card.dial)}\n- Goes to: {plain(card.goes_to)}.\n"
        f"- Source: {plain(card.source)}; {plain(card.read)}"
    )


def of_the_zoo() -> str:
    """The zoo's cards in Markdown."""
    top = """# The zoo

Pretrained networks that come with the package, `zoo.load(NAME)`, and solvers, `zoo.solver(NAME)`. Each has a card,
`zoo.card(NAME)`: how it was made, how large it is, and how good it is, as it was measured after its training.
`orwlab zoo train NAME` makes one again. An energy distance of 0 is none at all, and two draws of the data have one
too: that is the yardstick beside it.

"""
    return top + "\n\n".join(_kind(kind) for kind in KINDS) + "\n"


def _kind(kind: str) -> str:
    cards = [zoo.card(name) for name in zoo.names(kind)]
    return f"## {KINDS[kind]}\n\n" + "\n\n".join(_network(card) for card in cards)


def _network(card: Mapping[str, Any]) -> str:
    lines = [
        f"Made from: {plain(_value(card['recipe']))}",
        f"Trained in {card['training_seconds']:,} s on {_machine(card)}",
    ]
    if "parameters" in card:
        lines.append(
            f"Size: {card['parameters']:,} numbers, {card['bytes'] / 1000:,.0f} kB; SHA-256 `{card['sha256']}`"
        )
    if card["kind"] != "solver":
        lines.append(f"Measured: {plain(_value(card['quality']))}")
    text = f"### {card['name']}\n\n{_sentence(listed.quality(card))}\n\n" + "\n".join(f"- {line}" for line in lines)
    return text + (_measured(card["quality"]) if card["kind"] == "solver" else "")


def _measured(quality: Mapping[str, Mapping[str, float]]) -> str:
    """A solver's errors, flow by flow."""
    columns = list(dict.fromkeys(column for found in quality.values() for column in found))
    rows = [
        (plain(flow), *(f"{found[column]:.5f}" if column in found else "" for column in columns))
        for flow, found in quality.items()
    ]
    head = ("flow", *(plain(column.replace("_", " ")) for column in columns))
    return f"\n\n{table(head, rows, numbers=range(1, len(head)))}"


def _sentence(text: str) -> str:
    return f"{plain(text[0].upper() + text[1:])}."


def _machine(card: Mapping[str, Any]) -> str:
    threads = "one thread" if card["threads"] == 1 else f"{card['threads']} threads"
    return str(card.get("device", threads))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " × ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
