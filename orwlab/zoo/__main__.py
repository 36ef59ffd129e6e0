"""``python -m orwlab.zoo list | train NAME... [--steps N] [--folder DIR] [--source IMAGES] [--threads N]``."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from orwlab import zoo
from orwlab.zoo import recipes, solvers


def main(arguments: list[str] | None = None, program: str = "python -m orwlab.zoo") -> int:
    """Run the command line; returns the exit status. ``program`` is what help calls it."""
    parser = argparse.ArgumentParser(prog=program, description="The zoo of pretrained networks and solvers.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the networks and how close each samples to its data; the solvers")
    train = commands.add_parser("train", help="make networks or solvers again")
    train.add_argument("names", nargs="+", choices=[*recipes.RECIPES, *solvers.RECIPES, "all"], metavar="NAME")
    train.add_argument("--steps", type=int, help="instead of the recipe's number")
    train.add_argument("--folder", type=Path, default=zoo.MODELS, help="where to write (default: the package)")
    train.add_argument("--source", help="other images for a recipe of digits or patches, such as a folder with MNIST")
    train.add_argument("--threads", type=int, default=1, help="processor cores (default: 1; others, other numbers)")
    train.add_argument("--jobs", type=int, default=1, help="processes that draw ahead, for networks of captions")
    train.add_argument("--device", default="cpu", help="where networks of captions learn, such as cuda (default: cpu)")
    options = parser.parse_args(arguments)
    if options.command == "list":
        print(table())
        return 0
    if options.threads < 1:
        parser.error(f"--threads is {options.threads}; allowed: a whole number >= 1")
    torch.set_num_threads(options.threads)  # with one, the same numbers on every machine of one kind
    names = [*recipes.RECIPES, *solvers.RECIPES] if "all" in options.names else options.names
    if options.source is not None:
        taking = [name for name, recipe in recipes.RECIPES.items() if recipe.kind in ("images", "classifier")]
        if not set(names) <= set(taking):
            parser.error(f"--source is {options.source!r}; allowed: with {', '.join(taking)} only")
        if options.folder == zoo.MODELS:
            parser.error(f"--source is {options.source!r}; allowed: with --folder, for the package's own networks stay")
        options.folder.mkdir(parents=True, exist_ok=True)
    if not options.folder.is_dir():
        parser.error(f"--folder is {str(options.folder)!r}; allowed: an existing folder")
    for name in names:
        try:
            if name in solvers.RECIPES:
                card = solvers.train(name, steps=options.steps)
            else:
                more = {"source": options.source, "jobs": options.jobs, "device": options.device}
                card = recipes.train(name, options.folder, steps=options.steps, **more)
        except ValueError as error:
            parser.error(str(error))
        (options.folder / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n")
        print(name, card["quality"])
    return 0


def table() -> str:
    """A line a network: size, and the card's quality."""
    lines = [f"{'name':20} {'kind':11} {'parameters':>10} {'kB':>6}  quality"]
    for name in zoo.names():
        card = zoo.card(name)
        size = f"{card['parameters']:10,} {card['bytes'] / 1000:6.0f}"
        lines.append(f"{name:20} {card['kind']:11} {size}  {quality(card)}")
    lines += [f"{name:20} {'solver':11} {'':10} {'':6}  {quality(zoo.card(name))}" for name in zoo.names("solver")]
    return "\n".join(lines)


def quality(card: Mapping[str, Any]) -> str:
    """How good a network or a solver is, in words, from its card."""
    found = card["quality"]
    if card["kind"] == "solver":
        rmse, rk4 = (sum(one[key] for one in found.values()) / len(found) for key in ("rmse", "rmse_of_rk4_12"))
        return f"off the exact flow by {rmse:.4f} (rk4, 12 evaluations: {rk4:.4f}), mean over flows and policies"
    if "test_accuracy" in found:
        unseen = "unseen" if card["recipe"]["split"] != card["recipe"]["unseen"] else "fresh"
        return f"accuracy {found['test_accuracy']:.1%} on {unseen} images"
    if "found" in found:
        return f"{found['found_held_out']:.1%} of held-out pictures and sentences find each other among 64"
    if "true_guided" in found:
        known, new = found["true_guided"], found["true_guided_held_out"]
        return f"guided, {known:.1%} show all that was asked for, {new:.1%} where that was held out"
    if "judged_right" in found:
        return f"{found['judged_right']:.1%} of unseen images are still recognised"
    model, data = found["energy_distance_model_to_data"], found["energy_distance_data_to_data"]
    return f"energy distance to data {model:+.4f} (two draws of data: {data:+.4f})"


if __name__ == "__main__":
    sys.exit(main())
