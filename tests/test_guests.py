"""Odd guests: every public function meets what somebody may have at hand, one argument at a time.

The functions find themselves, so that a new one is taken in without being named here; all that it may need is a good
value for an argument of a new name. Each argument of a good call is then replaced by every guest of its kind. What
holds the same numbers has to give the same answer. Anything else has to give an answer, or a ``ValueError`` that names
the argument and says what is allowed: never another error, and no numbers where NaN went in.
"""

import copy
import dataclasses
import functools
import importlib
import inspect
import math
import pkgutil
import re
import tempfile
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from test_data import write_cifar
from torch import Tensor, nn

import orwlab
from orwlab import adapters, flow, solvers, targets, velocity, zoo
from orwlab import methods as methods_of_the_arena
from orwlab.data import captions
from orwlab.large import tiny
from orwlab.large.settings import Settings
from orwlab.large.training import Training
from orwlab.methods.run import Diverged, Run
from orwlab.sweep import Row, Table
from orwlab.tasks import contest, digits, images, photographs, results, words
from orwlab.zoo import recipes
from orwlab.zoo.prompted import Prompted

# -- good values -------------------------------------------------------------------------------------------------

N = 16


def grid(n, d, seed):
    """Points whose coordinates every floating type holds exactly."""
    return torch.randint(-8, 9, (n, d), generator=seeded(seed)) / 4 + 0.125


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drift(t, x):
    return 0.5 - 0.25 * x


def right(x):
    return x[:, 0] / 2


def network():
    return velocity.MLP(2, 4, 1, frequencies=1)


X, Y = grid(N, 2, 0), grid(N, 2, 1)
ROW = X[:, 0]
WEIGHT = ROW.abs()
TIME = (torch.arange(N) + 0.5) / N
FILE = "orwlab-guest.safetensors"

GOOD: dict[str, Callable[[], object]] = {  # by the name of the argument
    # points and numbers
    "x": lambda: X,
    "x0": lambda: X,
    "x1": lambda: Y,
    "y": lambda: Y,
    "data": lambda: X,
    "v_t": lambda: X,
    "u_t": lambda: Y,
    "v_old_t": lambda: Y,
    "v_ref_t": lambda: Y,
    "w": lambda: WEIGHT,
    "r": lambda: ROW,
    "log_w": lambda: ROW,
    "t": lambda: TIME,
    "times": lambda: (0.0, 0.25, 1.0),
    "plan": lambda: torch.eye(N),
    "tau": lambda: 0.5,
    "alpha": lambda: 1.0,
    "alphas": lambda: (0.5, 1.0),
    "taus": lambda: (0.5, 1.0),
    "lr": lambda: 2.0**-7,
    "sigma": lambda: 0.5,
    "goal": lambda: 0.75,
    "n": lambda: N,
    "steps": lambda: 2,
    "rounds": lambda: 1,
    "samples": lambda: 2,
    "batch_size": lambda: 4,
    "probes": lambda: 2,
    "projections": lambda: 2,
    "dim": lambda: 2,
    "depth": lambda: 1,
    "frequencies": lambda: 1,
    "classes": lambda: 3,
    "seed": lambda: 3,
    "progress": lambda: False,
    # names and places
    "name": lambda: "eight_gaussians",
    "method": lambda: "euler",
    "path": lambda: "linear",
    "label": lambda: "guests",
    "kind": lambda: "points",
    "split": lambda: "test",
    # things
    "generator": seeded,
    "event_shape": lambda: (2,),
    "device": lambda: "cpu",
    "dtype": lambda: torch.float32,
    "v": lambda: drift,
    "policy": lambda: drift,
    "reference": lambda: drift,
    "reward": lambda: right,
    "network": network,
    "mixture": lambda: targets.get("four_modes"),
    "target": lambda: targets.get("four_modes"),
}

LINE = (torch.arange(32) % 8 + 1) / 8  # values on the oracle's cells
SLOPE = torch.arange(32) / 8


def dynamics():
    from orwlab.oracle import PopulationDynamics

    return PopulationDynamics(targets.get("two_modes_1d"), right, axis=32, times=4)


def cells():
    from orwlab.exact.grid import Grid

    return Grid(1, 32, 6.0)


def frontier():
    from orwlab.frontiers import Frontiers

    return Frontiers(cells(), LINE, SLOPE, n=4).kl


def saved():
    path = Path("orwlab-run.safetensors").absolute()
    run().save(path)
    return path


def run():
    from orwlab.finetune import FineTuning

    return FineTuning(network(), right, batch_size=4)


class Told(nn.Module):
    """A velocity of points that is told a number."""

    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, t, x, c):
        return self.network(t, x) + c.to(x)


def scored(x, c):
    return right(x) * c[:, 0]


def prompted_run():
    from orwlab.methods.prompted import PromptedFineTuning

    return PromptedFineTuning(Told(), scored, ROW[:2, None], samples_a_prompt=2)


def saved_with_prompts():
    path = Path("orwlab-prompted-run.safetensors").absolute()
    prompted_run().save(path)
    return path


def ensemble():
    from orwlab.methods.ensemble import Ensemble

    return Ensemble(network(), right, tau=0.5, alpha=(0.5, 1.0), seed=range(2), batch_size=4)


def saved_ensemble():
    path = Path("orwlab-ensemble.safetensors").absolute()
    ensemble().save(path)
    return path


def rival(name):
    """A run of a method of the arena."""
    return methods_of_the_arena.get(name)(network(), right, batch_size=4, seed=3)


def saved_rival(name):
    path = Path(f"orwlab-{name}.safetensors").absolute()
    rival(name).save(path)
    return path


def layers():
    return nn.Sequential(nn.Linear(2, 4, device="meta"), nn.LayerNorm(4, device="meta"))


class Pupil:
    """A network, and the losses by which it learns."""

    @classmethod
    def network(cls):
        cls.now = network()
        return cls.now

    @classmethod
    def losses(cls):
        return flow.matching_losses(cls.now, draws, seeded())


def draws():
    return X


def mean_reward(limit):
    return limit.mean_reward


def shifted(t, x, c):
    return drift(t, x) + c


def greenness(images, prompts):
    return images[:, 1].mean((1, 2))


@functools.cache
def tiny_clip():
    """The folder of a tiny CLIP."""
    return tiny.save_clip(tempfile.mkdtemp(prefix="orwlab-guest-clip-"))


IMAGE = grid(3, 16, 2).reshape(3, 1, 4, 4)
COLOURS = grid(4, 3 * 32 * 32, 5).reshape(4, 3, 32, 32) / 4
PIXELS = velocity.ResidualMLP((1, 8, 8), 4, 1, frequencies=1)
COLOURED = velocity.ResidualMLP((3, 32, 32), 4, 1, frequencies=1)


@functools.cache
def described():
    """Pictures of "two red threes" and "a ring", in levels that every floating type holds exactly."""
    return (captions.draw(["two red threes", "a ring"], generator=seeded()) * 16).round() / 16


SHORT = images.Plan(tau=0.5, lr=2.0**-9, rounds=1, batch_size=4)


@functools.cache
def digits_task():
    return digits.Digits((3, 4))


@functools.cache
def kept_results():
    return results.load("digits")


@functools.cache
def words_task():
    return words.Words(["two red threes", "a ring"], ["a blue disc"])


@functools.cache
def photographs_task():
    return photographs.Photographs()


@functools.cache
def swept():
    """A table of one row."""
    row = Row(target="gaussian", reward="right", method="raft", alpha=0.5, tau=1.0, seed=3, strength=2.0, kl=0.25)
    return Table((row,))


def specified():
    path = Path("orwlab-sweep.yaml").absolute()
    path.write_text("alphas: 0.5\n")
    return path


def written():
    path = Path("orwlab-sweep.csv").absolute()
    swept().write(path)
    return path


CLASSIFIER = {"x": lambda: IMAGE, "event_shape": lambda: (1, 4, 4), "width": lambda: 2}
WORDS = {
    "x": described,
    "width": lambda: 8,
    "depth": lambda: 1,
    "channels": lambda: 8,
    "texts": lambda: ["two red threes", "a ring"],
    "whole": lambda: [captions.parse(text) for text in ("two red threes", "a ring")],
    "said": lambda: [captions.parse(text) for text in ("two threes", "a ring")],
    "c": lambda: ["two red threes", "a ring"],
    "tokens": lambda: captions.tokens(["two red threes", "a ring"]),
}
CHECKED = {"name": lambda: "value", "allowed": lambda: "numbers"}


@functools.cache
def pipeline():
    """The folder of a tiny pipeline, while tests run."""
    place = tempfile.TemporaryDirectory()
    tiny.save("sd3", place.name)
    return place


def large_settings():
    return Settings(
        model=pipeline().name, folder=Path("large").absolute(), prompts=("two red threes", "a ring"), rank=2,
        sampler_steps=1, images_a_prompt=2, precision="fp32", device="cpu", tracker="none",
    )  # fmt: skip


def large_run():
    return Training(large_settings(), reward=lambda images, prompts: images.mean((1, 2, 3)))


# where an argument means something else: in a room, a file or a function
SAID = {  # where the word by which people know a thing is not the argument's name
    ("orwlab.data.pictures.folder", "path"): "folder",
    ("orwlab.data.pictures.picture", "path"): "picture",
    ("orwlab.tasks.digits.Digits", "networks"): "folder",
    ("orwlab.tasks.photographs.Photographs", "networks"): "folder",
    ("orwlab.exact.dynamics.PopulationDynamics", "target"): "density",
    ("orwlab.exact.grid.Grid", "n"): "axis",
    ("orwlab.exact.grid.GridDensity", "values"): "density",
    ("orwlab.zoo.target", "name"): "target",
    ("orwlab.sweep.spec.read", "path"): "YAML",
    ("orwlab.methods.failures.get", "name"): "failure",
    ("orwlab.zoo.clip.Clip.score", "texts"): "text",
    ("orwlab.large.training.Training", "reward"): "clip_model",  # which is asked where there is no other
    ("orwlab.large.rewards.Clip", "name"): "clip_model",
}

GOOD_IN: dict[str, dict[str, Callable[[], object]]] = {
    "orwlab.large.tiny": {"kind": lambda: "flux", "folder": lambda: Path("tiny").absolute()},
    "orwlab.large.models.load": {
        "model": lambda: pipeline().name,
        "revision": lambda: None,
        "resolution": lambda: 8,
        "device": lambda: "cpu",
        "dtype": lambda: torch.float32,
        "rank": lambda: 2,
        "lora": lambda: None,
    },
    "orwlab.large.training.Training": {
        "settings": large_settings,
        "model": lambda: None,
        "reward": lambda: lambda images, prompts: images.mean((1, 2, 3)),
        "known": lambda: None,
        "prompts": lambda: ["two red threes", "a ring"],
        "each": lambda: 1,
    },
    "orwlab.checks": CHECKED,
    "orwlab.checks.array": CHECKED | {"name": lambda: "x"},
    "orwlab.checks.tensor": CHECKED | {"name": lambda: "x"},
    "orwlab.checks.points": {"name": lambda: "x"},
    "orwlab.checks.samples": {"name": lambda: "x"},
    "orwlab.checks.fail": {"value": lambda: 0.5},
    "orwlab.checks.choice": {"value": lambda: "euler", "allowed": lambda: ["euler", "rk4"]},
    "orwlab.checks.device": {"value": lambda: "cpu"},
    "orwlab.checks.folder": {"value": lambda: Path.cwd(), "allowed": lambda: "a folder"},
    "orwlab.checks.floating": {"value": lambda: torch.float32},
    "orwlab.checks.generator": {"value": seeded},
    "orwlab.checks.integer": {"value": lambda: 3},
    "orwlab.checks.number": {"value": lambda: 0.5},
    "orwlab.checks.numbers": {"name": lambda: "values", "values": lambda: (0.5, 1.0)},
    "orwlab.checks.labels": {
        "name": lambda: "values",
        "values": lambda: torch.tensor([0, 1, 0]),
        "n": lambda: 3,
        "classes": lambda: 2,
        "each": lambda: "image",
    },
    "orwlab.checks.seed": {"value": lambda: 3},
    "orwlab.checks.shape": {"value": lambda: (2, 3)},
    "orwlab.checks.yes_or_no": {"value": lambda: True},
    "orwlab.couplings": {"coupling": lambda: "ot"},
    "orwlab.files": {
        "path": lambda: Path(FILE).absolute(),
        "format": lambda: zoo.FORMAT,
        "tensors": lambda: {"a": X},
        "metadata": lambda: {"format": zoo.FORMAT},
        "content": lambda: b"guests",
    },
    "orwlab.files.cell": {"text": lambda: "=1"},
    "orwlab.files.uncelled": {"text": lambda: "'=1"},
    "orwlab.foreign.named": {"name": lambda: "spec", "spec": lambda: "math:sin", "home": lambda: None},
    "orwlab.sweep.plan.planned": {
        "seeds": lambda: (3, 4),
        "target": lambda: "gaussian",
        "reward": lambda: {"mine": right},
        "method": lambda: "orw_cfm_w2",
    },
    "orwlab.sweep.spec.parsed": {"text": lambda: "alphas: 0.5", "home": lambda: None},
    "orwlab.sweep.spec.read": {"path": specified},
    "orwlab.sweep.table.Table": {"rows": lambda: list(swept().rows), "what": lambda: "kl", "setting": lambda: "alpha"},
    "orwlab.sweep.table.Table.parsed": {"text": lambda: swept().csv()},
    "orwlab.sweep.table.Table.read": {"path": written},
    "orwlab.sweep.table.Table.write": {"path": lambda: Path("orwlab-sweep.csv").absolute()},
    "orwlab.flow.fit": {"network": network, "lr": lambda: 2.0**-20},
    "orwlab.flow": {"sampler": lambda: ("euler", 2)},
    "orwlab.flow.learn": {"network": Pupil.network, "losses": Pupil.losses},
    "orwlab.flow.matching_losses": {"draw": lambda: draws, "exact": lambda: drift},
    "orwlab.flow.solve": {
        "f": lambda: drift,
        "y0": lambda: X,
        "grid": lambda: torch.linspace(0, 1, 5),
        "rtol": lambda: 2.0**-7,
        "atol": lambda: 2.0**-7,
    },
    "orwlab.foreign": {"name": lambda: "f", "f": lambda: right},
    "orwlab.foreign.velocity": {"name": lambda: "v", "more": lambda: 0.0},
    "orwlab.losses.squared_norm": {"v": lambda: X},
    "orwlab.large.rewards": {
        "spec": lambda: "clip",
        "home": lambda: None,
        "clip_model": tiny_clip,
        "revision": lambda: None,
        "at_once": lambda: 2,
        "images": lambda: COLOURS / 8 + 0.5,
        "reward": lambda: greenness,
        "prompts": lambda: ["a", "b", "c", "d"],
    },
    "orwlab.large.rewards.Clip": {"name": tiny_clip},
    "orwlab.lazy": {"package": lambda: "orwlab.zoo", "names": lambda: ["data"]},
    "orwlab.paths.get": {"name": lambda: "linear"},
    "orwlab.rewards.get": {"name": lambda: "right"},
    "orwlab.rewards.Sum": {"rewards": lambda: (right, right), "coefficients": lambda: (0.5, 2.0)},
    "orwlab.targets.GaussianMixture": {
        "name": lambda: "guests",
        "weights": lambda: torch.tensor([0.5, 1.0, 1.5]),
        "means": lambda: torch.tensor([[-1.0, 0.0], [2.0, 1.0], [0.0, -2.0]]),
        "covs": lambda: torch.tensor([[[1.0, 0.25], [0.25, 0.5]]]).repeat(3, 1, 1),
        "modes": lambda: torch.tensor([1, 0, 1]),
        "a": lambda: torch.tensor([0.5, -0.25]),
        "B": lambda: torch.tensor([[-0.5, 0.25], [0.25, -0.5]]),
    },
    "orwlab.velocity.Conditioned": {"v": lambda: shifted, "c": lambda: Y},
    "orwlab.velocity.Preconditioned": {"mean": lambda: torch.tensor([0.5, -2.0]), "std": lambda: 2.0},
    "orwlab.velocity.ResidualMLP": CLASSIFIER | {"blocks": lambda: 1, "t": lambda: TIME[:3]},
    "orwlab.velocity.UNet": {
        "x": lambda: IMAGE.repeat(1, 1, 2, 2),
        "event_shape": lambda: (1, 8, 8),
        "width": lambda: 8,
        "blocks": lambda: 1,
        "t": lambda: TIME[:3],
    },
    "orwlab.velocity.build": {"config": lambda: network().config},
    "orwlab.velocity.initialise": {"network": layers},
    "orwlab.zoo": {"path": lambda: Path(FILE).absolute()},
    "orwlab.zoo.classifier": CLASSIFIER,
    "orwlab.data.captions.tokens.entailed": {
        "whole": lambda: ["two red threes", "a ring"],
        "said": lambda: ["two threes", "a ring and a disc"],
    },
    "orwlab.data.captions.crops": {"split": lambda: "train", "n": lambda: 4},
    "orwlab.zoo.clip": WORDS,
    "orwlab.zoo.clip.Clip.score": {"texts": lambda: "two red threes"},
    "orwlab.zoo.prompted": WORDS
    | {
        "t": lambda: torch.tensor([0.25, 0.5]),
        "c": lambda: ["a ring"],
        "v": lambda: Prompted(8, 1),
        "scale": lambda: 2.0,
    },
    "orwlab.zoo.latent": CLASSIFIER | {"z": lambda: X},
    "orwlab.zoo.load": {"folder": lambda: None},
    "orwlab.zoo.recipes.images": {"name": lambda: "digits", "source": lambda: None},
    "orwlab.zoo.recipes.spoil": {"x": lambda: IMAGE / 8},
    "orwlab.zoo.recipes": {
        "source": lambda: None,
        "name": lambda: "gaussian",
        "folder": lambda: Path.cwd(),
        "n": lambda: 4,
        "steps": lambda: 1,
    },
    "orwlab.data": {
        "x": lambda: IMAGE / 8,
        "levels": lambda: 16 * IMAGE.abs(),
        "path": lambda: Path.cwd() / "pictures",
        "channels": lambda: 3,
        "source": lambda: Path.cwd() / "pictures",
        "size": lambda: 4,
        "shrink": lambda: 1.0,
    },
    "orwlab.data.patches.small_photographs": {"source": lambda: None},
    "orwlab.data.captions": {
        "thing": lambda: "three",
        "count": lambda: 2,
        "colour": lambda: "red",
        "weight": lambda: "bold",
        "lean": lambda: "upright",
        "groups": lambda: captions.parse("a red three and a disc").groups,
        "relation": lambda: "above",
        "scene": lambda: captions.parse("two red threes"),
        "other": lambda: captions.parse("two threes"),
        "text": lambda: "two red threes",
        "texts": lambda: ["two red threes", "a ring"],
        "pictures": described,
        "picture": lambda: described()[0],
        "names": lambda: None,
        "n": lambda: 3,
    },
    "orwlab.data.labelled": {"source": lambda: Path.cwd() / "cifar"},
    "orwlab.data.labelled.digits": {"source": lambda: "scikit-learn"},
    "orwlab.data.labelled.Pool": {
        "images": lambda: IMAGE,
        "labels": lambda: torch.tensor([0, 1, 0]),
        "names": lambda: None,
    },
    "orwlab.data.pictures.as_bytes": {"channels": lambda: 1},
    "orwlab.data.pictures.picture": {"path": lambda: Path.cwd() / "pictures" / "a.png"},
    "orwlab.tasks": {
        "task": digits_task,
        "seeds": lambda: range(1),
        "plan": lambda: SHORT,
        "told": lambda: None,
        "folder": lambda: None,
        "networks": lambda: None,
        "wanted": lambda: range(3, 5),
        "v": lambda: PIXELS,
        "alphas": lambda: (0.5,),
        "alpha": lambda: 0.5,
        "x": lambda: torch.zeros(2, 1, 8, 8) + 0.5,
        "x0": lambda: IMAGE.repeat(1, 1, 2, 2),
    },
    "orwlab.tasks.contest": {
        "rows": lambda: contest.load(),
        "target": lambda: "two_modes_1d",
        "entry": lambda: "RAFT",
        "what": lambda: "gap",
        "folder": lambda: contest.FOLDER,
    },
    "orwlab.tasks.results": {
        "name": lambda: "digits",
        "folder": lambda: results.FOLDER,
        "found": kept_results,
        "alpha": lambda: 0.5,
    },
    "orwlab.tasks.results.Results": {"name": lambda: "judge"},
    "orwlab.tasks.images.push": {"v": lambda: drift, "size": lambda: 5, "x0": lambda: X},
    "orwlab.tasks.digits": {"k": lambda: 2, "n": lambda: 4},
    "orwlab.tasks.words": {
        "prompts": lambda: ["two red threes", "a ring"],
        "new": lambda: ["a blue disc"],
        "n": lambda: 4,
        "k": lambda: 2,
        "x": lambda: torch.cat([described(), described()]),
        "x0": lambda: torch.cat([described(), described()]),
        "v": lambda: words_task().reference,
        "picture": lambda: described()[0],
        "text": lambda: "two red threes",
        "told": lambda: captions.tokens(["two red threes", "two red threes", "a ring", "a ring"]),
        "size": lambda: 3,
    },
    "orwlab.tasks.digits.Wanted": {"classifier": lambda: None},
    "orwlab.tasks.digits.Digits": {"source": lambda: "scikit-learn"},
    "orwlab.tasks.photographs": {
        "quality": lambda: 60,
        "sign": lambda: 1,
        "k": lambda: 2,
        "n": lambda: 4,
        "source": lambda: None,
        "x": lambda: COLOURS,
        "x0": lambda: COLOURS,
        "v": lambda: COLOURED,
    },
    "orwlab.measure": {
        "x": lambda: X,
        "reference": lambda: X,
        "policy": lambda: drift,
    },
    "orwlab.measure.ladder": {"reference": lambda: drift, "x0": lambda: X[:4], "tol": lambda: 0.5, "n": lambda: 4},
    "orwlab.measure.distances.w2_squared_gaussian": {
        "mean_a": lambda: torch.tensor([0.5, -1.0]),
        "mean_b": lambda: torch.tensor([-0.5, 2.0]),
        "cov_a": lambda: torch.tensor([[1.0, 0.5], [0.5, 2.0]]),
        "cov_b": lambda: torch.tensor([[2.0, -0.25], [-0.25, 0.5]]),
    },
    "orwlab.exact.frontiers": {"distance": lambda: 0.5, "w2_squared": lambda: 0.5},
    "orwlab.exact.grid.GridDensity": {
        "name": lambda: "guests",
        "image": lambda: (np.arange(64).reshape(8, 8) * 4).astype(np.uint8),
        "x": lambda: X[:, :1],
        "axis": lambda: 32,
    },
    "orwlab.exact.optima": {"reward_sup": lambda: 8.0},
    "orwlab.exact.optima.effective_temperature": {"reward": lambda: SLOPE},
    "orwlab.exact.laws": {
        "reward": lambda: SLOPE,
        "k": lambda: 2,
        "threshold": lambda: 1.0,
        "share": lambda: None,
        "beta": lambda: 0.5,
        "gain": lambda: 0.5,
        "omega": lambda: 0.5,
        "times": lambda: 8,
    },
    "orwlab.methods.rollout.way": {"noise": lambda: 0.75, "rule": lambda: "exact"},
    "orwlab.methods.dial.achieved": {"policy": lambda: drift, "reference": lambda: drift},
    "orwlab.methods.failures.get": {"name": lambda: "stale_rewards"},
    "orwlab.methods.get": {"name": lambda: "raft"},
    "orwlab.methods.card": {"name": lambda: "raft"},
    "orwlab.flow.evaluations": {"sampler": lambda: ("euler", 2)},
    "orwlab.foreign.slope": {"f": lambda: right},
    "orwlab.exact.sweep": {
        "measure": lambda: mean_reward,
        "goal": lambda: 0.25,
        "low": lambda: 0.5,
        "high": lambda: 8.0,
        "n": lambda: N,
    },
    "orwlab.exact.sweep.alpha_from_rewards": {"r": lambda: ROW, "goal": lambda: 1.0, "seen": lambda: ((0.5, 1.0),)},
    "orwlab.measure.samples.coverage": {"data": lambda: Y, "k": lambda: 2},
    "orwlab.measure.samples.precision_and_recall": {"data": lambda: Y, "k": lambda: 2},
    "orwlab.methods": {
        "reference": network,
        "policy": network,
        "pool_size": lambda: 8,
        "data": lambda: X,
        "watch": lambda: Y[:3],
        "state": lambda: run().state_dict(),
        "sampler": lambda: ("euler", 1),
        "rank": lambda: None,
    },
    "orwlab.methods.prompted": {
        "reference": Told,
        "policy": lambda: None,
        "reward": lambda: scored,
        "conditions": lambda: ROW[:2, None],
        "tau": lambda: 0.5,
        "weighting": lambda: "mean_one",
        "threshold": lambda: None,
        "penalty": lambda: "kl",
        "prompts_a_round": lambda: 2,
        "samples_a_prompt": lambda: 2,
        "rank": lambda: None,
        "watch": lambda: Y[:4],
        "n": lambda: 4,
        "state": lambda: prompted_run().state_dict(),
    },
    "orwlab.methods.prompted.PromptedFineTuning.save": {"path": lambda: Path(FILE).absolute()},
    "orwlab.methods.prompted.PromptedFineTuning.load": {"path": lambda: saved_with_prompts()},
    "orwlab.methods.ensemble": {
        "alpha": lambda: (0.5, 1.0),
        "tau": lambda: (0.5, 0.25),
        "seed": lambda: range(2),
        "coupling": lambda: "independent",
        "i": lambda: 1,
        "x0": lambda: X[:3],
        "state": lambda: ensemble().state_dict(),
    },
    "orwlab.methods.ensemble.Ensemble.save": {"path": lambda: Path(FILE).absolute()},
    "orwlab.methods.ensemble.Ensemble.load": {"path": lambda: saved_ensemble(), "data": lambda: None},
    "orwlab.weights.log_weights_of_rows": {"r": lambda: X, "tau": lambda: WEIGHT},
    "orwlab.weights.units": {"log_w": lambda: X},
    "orwlab.weights.effective_sample_sizes": {"log_w": lambda: X},
    "orwlab.adapters": {"rank": lambda: 2, "network": lambda: adapters.attach(network(), 2)},
    "orwlab.adapters.attach": {"network": network},
    "orwlab.weights.within": {"r": lambda: X, "weighting": lambda: "mean_one", "threshold": lambda: None},
    "orwlab.losses.penalty": {"weight": lambda: WEIGHT},
    "orwlab.losses.steadied_fit": {"held": lambda: WEIGHT},
    "orwlab.solvers": {
        "times": lambda: (0.0, 0.5),
        "B": lambda: torch.tensor([[0.5, 0.0], [0.25, 0.75]]),
        "evaluations": lambda: 2,
        "config": lambda: solvers.midpoint(2).config,
        "large": lambda: 0.5,
        "x1": lambda: flow.sample(drift, X),
    },
    "orwlab.zoo.solver": {"name": lambda: "solver_8"},
    "orwlab.methods.steering": {"budget": lambda: 0.5, "spent": lambda: 0.75, "rate": lambda: 2.0**-6},
    "orwlab.methods.orw.FineTuning.save": {"path": lambda: Path(FILE).absolute()},
    "orwlab.methods.orw.FineTuning.load": {"path": lambda: saved(), "data": lambda: None},
    "orwlab.exact": {
        "cells": cells,
        "grid": cells,
        "reference": lambda: LINE,
        "density": lambda: LINE,
        "values": lambda: LINE,
        "a": lambda: LINE,
        "b": lambda: LINE.flip(0),
        "p": lambda: LINE,
        "q": lambda: LINE.flip(0),
        "r": lambda: SLOPE,
        "f": lambda: LINE,
        "w": lambda: LINE,
        "target": lambda: targets.get("two_modes_1d"),
        "axis": lambda: 32,
        "extent": lambda: 6.0,
        "times": lambda: 4,
        "n": lambda: 4,
        "lam": lambda: 0.5,
        "tol": lambda: 0.125,
        "dynamics": dynamics,
        "max_atoms": lambda: 100,
    },
}

for _name in methods_of_the_arena.names():
    _kind = methods_of_the_arena.get(_name)
    _label = f"{_kind.__module__}.{_kind.__name__}"
    GOOD_IN[_label] = {
        "strength": lambda: 0.5,
        "pool_size": lambda: 8,
        "threshold": lambda: 0.25,
        "last": lambda: 2,
        "state": lambda name=_name: rival(name).state_dict(),
    }
    SAID[_label, "reference"] = "event_shape"
    GOOD_IN[f"{_label}.exact"] = {
        "cells": cells,
        "reference": lambda: LINE,
        "reward": lambda: SLOPE,
        "strength": lambda: 0.5,
        "tau": lambda: 0.5,
    }
    GOOD_IN[f"{_label}.exact_round"] = GOOD_IN[f"{_label}.exact"]
    GOOD_IN[f"{_label}.goes_there"] = GOOD_IN[f"{_label}.is_sure"] = {"settings": lambda: {"lr": 1e-3}}
    GOOD_IN[f"{_label}.save"] = {"path": lambda: Path(FILE).absolute()}
    GOOD_IN[f"{_label}.load"] = {
        "path": lambda name=_name: saved_rival(name),
        "data": lambda name=_name: X if name == "rw_cfm" else None,
        "policy": lambda: None,
        "reference": lambda: None,
    }

# what the oracle, the ladder and the runs hand about inside their own rooms: nobody else calls it
HOUSEHOLD = (
    "orwlab.adapters.LowRank",
    "orwlab.adapters.Off.forward",
    "orwlab.data.captions.pens.",
    "orwlab.data.captions.tokens.checked",
    "orwlab.data.formats.",
    "orwlab.data.labelled.holds_cifar10",
    "orwlab.data.pictures.pictures_in",
    "orwlab.tasks.images.check_classifier",
    "orwlab.tasks.contest.main",
    "orwlab.tasks.contest.make",
    "orwlab.tasks.contest.ran_away",
    "orwlab.tasks.contest.run",
    "orwlab.tasks.results.each_once",
    "orwlab.tasks.results.main",
    "orwlab.tasks.results.make",
    "orwlab.sweep.finished",  # likewise
    "orwlab.sweep.meaning.",
    "orwlab.sweep.modules.",
    "orwlab.sweep.sent.",
    "orwlab.sweep.once.",
    "orwlab.sweep.plan.Plan",
    "orwlab.sweep.plan.all_settings",
    "orwlab.sweep.plan.known_settings",
    "orwlab.sweep.plan.unknown",
    "orwlab.sweep.run",  # its arguments are those of plan.planned; no two of its tables have the same seconds
    "orwlab.sweep.spec.folder_of",
    "orwlab.sweep.table.Row",
    "orwlab.sweep.work.",
    "orwlab.tasks.images.networks_of",
    "orwlab.tasks.images.network",
    "orwlab.tasks.images.plan_of",
    "orwlab.exact.anderson.",
    "orwlab.exact.grid.Grid.",
    "orwlab.exact.grid.as_field",
    "orwlab.exact.grid.normalised",
    "orwlab.exact.grid.evaluate",
    "orwlab.exact.grid.reward_values",
    "orwlab.exact.grid.default_extent",
    "orwlab.exact.laws.optimum_of",
    "orwlab.exact.moments.Moments",
    "orwlab.exact.moments.PopulationField",
    "orwlab.exact.moments.kernel",
    "orwlab.exact.optima.masses",
    "orwlab.exact.optima.proximal_map",
    "orwlab.exact.optima.relative_entropy",
    "orwlab.exact.optima.reward_on",
    "orwlab.exact.optima.tilt",
    "orwlab.large.models.Flux",
    "orwlab.large.models.Model",
    "orwlab.large.models.StableDiffusion3",
    "orwlab.large.models.Told",
    "orwlab.large.models.attention",
    "orwlab.large.models.fits",
    "orwlab.large.models.index",
    "orwlab.large.models.numbered",
    "orwlab.large.models.pixels",
    "orwlab.large.models.seeded",
    "orwlab.large.models.sizes",
    "orwlab.large.training.Training.load_state_dict",
    "orwlab.large.training.Training.rounds",
    "orwlab.large.training.device",
    "orwlab.large.training.guided",
    "orwlab.large.training.shared",
    "orwlab.measure.coupled_flows.",
    "orwlab.methods.run.Run",
    "orwlab.methods.run.Cost",
    "orwlab.methods.cards.",
    "orwlab.methods.method.",
    "orwlab.methods.rollout.roll",
    "orwlab.methods.rollout.along",
    "orwlab.methods.rollout.column",
    "orwlab.methods.run.Setting",
    "orwlab.methods.stacked.",
    "orwlab.methods.run.fill",
    # what is told by a file, or passes between the parts of a run: tests/test_large_*.py ask them
    "orwlab.large.hub.",
    "orwlab.large.keeping.",
    "orwlab.large.lora.",
    "orwlab.large.origin.",
    "orwlab.large.words.",
    "orwlab.large.preflight.",
    "orwlab.large.settings.",
    "orwlab.large.sheets.",
    "orwlab.large.rewards.Clip.",
    "orwlab.large.rewards.features",
    "orwlab.methods.run.newest",
    "orwlab.velocity.UNet.features",
    "orwlab.velocity.UNet.through",
    "orwlab.zoo.clip.Clip.loss",
    "orwlab.zoo.clip.Reader",
    "orwlab.zoo.clip.as_tokens",
    "orwlab.zoo.latent.Autoencoder.losses",
    "orwlab.zoo.latent.Autoencoder.settle",
    "orwlab.zoo.solvers.",
    "orwlab.written.",
)

MADE: dict[str, Callable[[], object]] = {  # of the classes whose objects come from elsewhere: one of them
    "orwlab.tasks.digits.Digits": digits_task,
    "orwlab.tasks.results.Results": kept_results,
    "orwlab.tasks.photographs.Photographs": photographs_task,
    "orwlab.tasks.words.Words": words_task,
    "orwlab.exact.frontiers.Frontier": frontier,
    "orwlab.large.training.Training": large_run,
    "orwlab.sweep.table.Table": swept,
}

INSIDE: dict[str, set[str]] = {  # what those who write a check or a package say: nobody else's value comes here
    "orwlab.checks": {"name", "allowed", "low", "high", "above", "at_least", "event_shape"},
    "orwlab.checks.fail": {"value"},
    "orwlab.checks.labels": {"n", "classes", "each"},
    "orwlab.foreign.at_rest": {"f"},
    "orwlab.foreign.networks": {"f"},
    "orwlab.foreign.home_of": {"f"},
    "orwlab.foreign.at_home": {"f"},
    "orwlab.foreign.dtype_of": {"f"},
    "orwlab.foreign": {"name"},
    "orwlab.foreign.velocity": {"v"},
    "orwlab.flow.solve": {"f"},
    "orwlab.flow.learn": {"network"},  # any that has parameters
    "orwlab.velocity.Conditioned": {"c"},  # it is handed on as it is
    "orwlab.velocity.MLP.at_each": {"x"},  # whether it is what the network takes is what the answer says
    "orwlab.velocity.initialise": {"network"},  # any that has parts
    "orwlab.solvers.fit": {"x0", "x1"},  # where a search ends rounding decides
    "orwlab.data.captions": {"text"},  # that nothing is said is a sentence too
    "orwlab.zoo.clip": {"texts"},
    "orwlab.tasks.words.draw": {"told"},
    "orwlab.zoo.write": {"network"},  # another floating type is another file
    "orwlab.large.models.load": {"revision"},  # nobody asks a folder for one
    "orwlab.large.tiny": {"folder"},  # it is made
    "orwlab.lazy": {"package", "names"},
    "orwlab.large.rewards.Clip": {"revision"},  # a folder has none
    "orwlab.sweep.plan.planned": {"seeds", "target", "method"},  # one, or several
    "orwlab.sweep.spec.parsed": {"text"},  # what is wrong has a line, and not its name
    "orwlab.files.cell": {"text"},  # any text is one
    "orwlab.files.uncelled": {"text"},
}

# -- guests ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Guest:
    """A value in place of a good one; ``like``, if any, is the good one that it has to be as good as."""

    name: str
    value: object
    like: object = None
    refused: bool = False  # no answer will do


def strided(x):
    return torch.stack([x, x], -1)[..., 0]


def of_inference(x):
    with torch.inference_mode():
        return x.clone()


DEVICES = [d for d, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if there]


def tensors(x: Tensor) -> list[Guest]:
    nan, huge = x.double().clone(), torch.full_like(x.double(), 1e300)
    nan.view(-1)[0] = math.nan
    same = {
        "float64": x.double(),
        "bf16": x.bfloat16(),
        "float16": x.half(),
        "array": x.numpy(),
        "reversed array": x.numpy()[::-1].copy()[::-1],
        "other byte order": x.numpy().astype(">f8"),
        "list": x.tolist(),
        "not contiguous": strided(x),
        "with a gradient": x.clone().requires_grad_(),
        "of inference": of_inference(x),
    } | {device: x.to(device) for device in DEVICES}
    odd = {
        "empty": x[:0],
        "empty list": [],
        "(n, 1)": x.reshape(len(x), -1)[:, :1],
        "(1, ...)": x[None],
        "first row": x[0],
        "one row": x[:1],
        "negative": -x,
        "huge": huge,
        "infinite": huge * 1e300,
        "NaN": nan,
        "one number": 0.5,
        "true": x > 0,
    }
    whole = x.round()
    return [
        *(Guest(name, value, x) for name, value in same.items()),
        Guest("whole numbers", whole.long(), whole),
        *(Guest(name, value) for name, value in odd.items()),
        Guest("complex", x * 1j, refused=True),
        Guest("array of objects", np.array([None] * len(x)), refused=True),
    ]


def labels(x: Tensor) -> list[Guest]:
    same = [x.int(), x.numpy(), x.tolist(), strided(x)]
    odd = [x + 0.5, x[:0], x[:, None], x[0], -1 - x, x + 2**40]
    return [
        *(Guest(type(value).__name__, value, x) for value in same),
        *(Guest(repr(value), value, refused=True) for value in odd),
    ]


def numbers(x: float) -> list[Guest]:
    same = [np.float64(x), np.float32(x), np.array(x), torch.tensor(x), torch.tensor(x, dtype=torch.float64)]
    same += [torch.tensor(x, requires_grad=True)]
    odd = {"negative": -1.0, "zero": 0.0, "huge": 1e300, "large": 10**400, "tiny": 5e-324, "NaN": math.nan}
    return [
        *(Guest(f"{type(value).__name__} {getattr(value, 'dtype', '')}", value, x) for value in same),
        *(Guest(name, value) for name, value in odd.items()),
        Guest("infinite", math.inf),
        Guest("NaN of numpy", np.float32("nan")),
        Guest("truth", True, refused=True),
        Guest("list", [x], refused=True),
        Guest("array", np.array([x, x]), refused=True),
        Guest("complex", 1j, refused=True),
    ]


def integers(x: int) -> list[Guest]:
    same = [np.int64(x), np.uint16(x), np.array(x), torch.tensor(x)]
    return [
        *(Guest(type(value).__name__, value, x) for value in same),
        *(Guest(name, value) for name, value in {"negative": -1, "zero": 0, "one": 1}.items()),
        Guest("huge", 2**70, refused=True),
        *(Guest(str(value), value, refused=True) for value in (1.5, 1e300, math.nan, True, [x], np.array([x, x]))),
    ]


def seeds(x: int) -> list[Guest]:
    return [*integers(x), *(Guest(str(value), value, refused=True) for value in (-1, 2**32, 2**32 + x, 2**64))]


def switches(x: bool) -> list[Guest]:
    same = [Guest(type(value).__name__, value, x) for value in (np.bool_(x), np.array(x), torch.tensor(x))]
    return [*same, *(Guest(str(value), value, refused=True) for value in (2, 0.5, [x], math.nan))]


def choices(x: str) -> list[Guest]:
    return [Guest("text of numpy", np.str_(x), x), *(Guest(str(v), v, refused=True) for v in (3, [x], b"x", math.nan))]


def texts(x: str) -> list[Guest]:
    return [Guest("text of numpy", np.str_(x), x)]


def places(x: Path) -> list[Guest]:
    bad = (3, x.parent, x.parent / "missing" / x.name, x / "inside", "a\0b", b"x", [x], math.nan)
    return [Guest("text", str(x), x), *(Guest(str(v), v, refused=True) for v in bad)]


def folders(x: Path) -> list[Guest]:
    bad = (3, x / "missing", "a\0b", [x], math.nan)
    return [Guest("text", str(x), x), *(Guest(str(v), v, refused=True) for v in bad)]


def generators(x: torch.Generator) -> list[Guest]:
    return [Guest(str(v), v, refused=True) for v in (0, np.random.default_rng(0), seeded)]


def sizes(x: tuple[int, ...]) -> list[Guest]:
    same = (list(x), np.array(x), torch.tensor(x), torch.Size(x), tuple(np.int64(n) for n in x))
    bad = ((), (0,), (-1,), (1.5,), (2**70,), (math.nan,), ("2",), {2: 2})
    return [
        *(Guest(type(value).__name__, value, x) for value in same),
        *(Guest(str(value), value, refused=True) for value in bad),
    ]


def series(x: tuple[float, ...]) -> list[Guest]:
    same = (list(x), np.array(x), torch.tensor(x), torch.tensor(x).double().requires_grad_())
    bad = ((), ("1",), [list(x)], (math.nan,), (math.inf,), (None,), {1.0: 1.0}, (1j,))
    return [
        *(Guest(type(value).__name__, value, x) for value in same),
        *(Guest(str(value), value, refused=True) for value in bad),
        Guest("negative", tuple(-1 - v for v in x)),
        Guest("huge", tuple(1e300 * (i + 1) for i in range(len(x)))),
    ]


def judges(f: Callable) -> list[Guest]:
    """Rewards, or anything else that gives a number to each point."""

    def writes(x):
        r = f(x).clone()
        x.zero_()
        return r

    def differentiates(x):
        x.requires_grad_()
        torch.autograd.grad(x.sum(), x)
        return f(x)

    same = {
        "writes into its points": writes,
        "differentiates": differentiates,
        "float64": lambda x: f(x).double(),
        "array": lambda x: f(x).detach().numpy(),
        "list": lambda x: f(x).tolist(),
        "float32 only": lambda x: f(x + torch.zeros((), dtype=torch.float32)),
    }
    bad = {
        "(n, 1)": lambda x: f(x)[:, None],
        "one number": lambda x: f(x).sum(),
        "complex": lambda x: f(x) * 1j,
        "None": lambda x: None,
        "raises": lambda x: {}["missing"],
        "takes nothing": lambda: 0.0,
        "NaN": lambda x: f(x) * math.nan,
        "text": lambda x: "good",
    }
    return [
        *(Guest(name, value, f) for name, value in same.items()),
        *(Guest(name, value, refused=True) for name, value in bad.items()),
    ]


def fields(f: Callable) -> list[Guest]:
    """Velocities v(t, x)."""

    def writes(t, x):
        u = f(t, x).clone()
        with torch.no_grad():
            x.zero_()
            t.zero_()
        return u

    same = {
        "float64": lambda t, x: f(t, x).double(),
        "float32 only": lambda t, x: f(t, x).float(),
        "array": lambda t, x: f(t.detach(), x.detach()).numpy(),
    } | ({} if isinstance(f, nn.Module) else {"writes into its arguments": writes})
    bad = {
        "takes x first": lambda x, t: f(t, x),
        "(n, 1)": lambda t, x: f(t, x)[:, :1],
        "one number": lambda t, x: f(t, x).sum(),
        "complex": lambda t, x: f(t, x) * 1j,
        "None": lambda t, x: None,
        "raises": lambda t, x: {}["missing"],
        "takes one": lambda t: t,
    }
    return [
        *(Guest(name, value, f) for name, value in same.items()),
        *(Guest(name, value, refused=True) for name, value in bad.items()),
        Guest("NaN", lambda t, x: f(t, x) * math.nan),
    ]


def modules(f: nn.Module) -> list[Guest]:
    bad = (nn.Sequential(), nn.LayerNorm(2), lambda t, x: x, 3)
    return [
        Guest("in training", copy.deepcopy(f).train(), f),
        Guest("double", copy.deepcopy(f).double(), f),
        *(Guest(type(value).__name__, value, refused=True) for value in bad),
    ]


def things(x: object) -> list[Guest]:
    return [Guest(str(value), value) for value in (3, [x], math.nan)]


def guests(name: str, value: object, annotation: object) -> list[Guest]:
    """Those who come for an argument, by the kind of its good value."""
    text = isinstance(value, str) and name in TEXTS
    if isinstance(value, Tensor):
        found = tensors(value) if value.is_floating_point() else labels(value)
    elif isinstance(value, bool):
        found = switches(value)
    elif isinstance(value, int):
        found = seeds(value) if name == "seed" else integers(value)
    elif isinstance(value, float):
        found = numbers(value)
    elif isinstance(value, Path):
        found = folders(value) if value.is_dir() else places(value)
    elif isinstance(value, str):
        found = texts(value) if text else choices(value)
    elif isinstance(value, torch.Generator):
        found = generators(value)
    elif isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        found = sizes(value)
    elif isinstance(value, tuple) and all(isinstance(part, float) for part in value):
        found = series(value)
    elif value is drift:
        found = fields(value)
    elif value is right:
        found = judges(value)
    elif isinstance(value, nn.Module):
        found = modules(value)
    else:
        found = [Guest(repr(odd), odd) for odd in (3, [value], math.nan)]
    optional = text or annotation is typing.Any or type(None) in typing.get_args(annotation)
    words = text or isinstance(value, Path)
    return [
        *found,
        Guest("None", None, refused=not optional),
        Guest("nonsense", "nonsense", refused=not words),
        Guest("no text", "", refused=not text),
    ]


TEXTS = ("name", "label", "format")  # free words, where no choice is offered


# -- whom they visit ---------------------------------------------------------------------------------------------


def rooms() -> Iterator[ModuleType]:
    """All modules but those that show, teach or run as a command."""
    for found in pkgutil.walk_packages(orwlab.__path__, "orwlab."):
        parts = found.name.split(".")
        if parts[1] not in ("show", "teach", "cli") and parts[-1] != "__main__":
            yield importlib.import_module(found.name)


def public() -> dict[str, Callable]:
    """What is offered, by where it is defined: functions, classes that people make, their methods."""
    found: dict[str, Callable] = {}
    for module in rooms():
        offered = getattr(module, "__all__", None)
        for name in offered or [name for name in vars(module) if not name.startswith("_")]:
            thing = getattr(module, name)
            home = getattr(thing, "__module__", None) or ""
            if not (inspect.isfunction(thing) or inspect.isclass(thing)) or not home.startswith("orwlab"):
                continue
            if offered is None and home != module.__name__:  # imported for its own use
                continue
            label = f"{home}.{thing.__qualname__}"
            if inspect.isfunction(thing):
                found[label] = thing
            elif (
                not issubclass(thing, BaseException | tuple)
                and not inspect.isabstract(thing)
                and not getattr(thing, "_is_protocol", False)
            ):
                if not is_record(thing):
                    found[label] = thing
                found |= {f"{label}.{method}": thing for method in methods(thing)}
    return {label: found[label] for label in sorted(found) if not label.startswith(HOUSEHOLD)}


def is_record(kind: type) -> bool:
    """Whether it only carries answers, so that nobody makes one by hand."""
    return dataclasses.is_dataclass(kind) and not hasattr(kind, "__post_init__")


def methods(kind: type) -> list[str]:
    """Those that the house defines and that take arguments."""
    own = {name: f for part in kind.__mro__ if part.__module__.startswith("orwlab") for name, f in vars(part).items()}
    return [
        name
        for name, f in own.items()
        if not name.startswith("_") or name == "__call__"
        if isinstance(f, classmethod | staticmethod)
        or (inspect.isfunction(f) and len(inspect.signature(f).parameters) > 1)
    ]


PUBLIC = public()


def good(label: str, parameter: inspect.Parameter) -> object:
    """A good value, made anew: as the function has it, its room, the house, or the function's own default."""
    name, where = parameter.name, label
    while where and name not in GOOD_IN.get(where, {}):
        where = where.rpartition(".")[0]
    if where or name in GOOD:
        value = (GOOD_IN[where] if where else GOOD)[name]()
        return value.clone() if isinstance(value, Tensor) else value
    if parameter.default is inspect.Parameter.empty or parameter.default is None:
        pytest.fail(f"{label} takes {name}, of which there is no good value: give one in GOOD or GOOD_IN")
    return parameter.default


def made(label: str, kind: type) -> object:
    """An object of a class, from good values."""
    if label in MADE:
        return MADE[label]()
    parameters = [p for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_KEYWORD]
    return kind(**{p.name: good(label, p) for p in parameters})


def open_door(label: str) -> tuple[list[inspect.Parameter], Callable[..., object]]:
    """What is to be called, and with what: a method anew on a fresh object each time."""
    thing = PUBLIC[label]
    if not inspect.isclass(thing) or label == f"{thing.__module__}.{thing.__qualname__}":
        return list(inspect.signature(thing).parameters.values()), thing
    owner, _, name = label.rpartition(".")
    f = inspect.getattr_static(thing, name)
    if isinstance(f, classmethod | staticmethod):
        return list(inspect.signature(getattr(thing, name)).parameters.values()), getattr(thing, name)
    parameters = list(inspect.signature(f).parameters.values())[1:]

    def call(**arguments):
        visited = made(owner, thing)
        said = getattr(visited, name)(**arguments)
        return visited if said is None else said  # what says nothing has changed something

    return parameters, call


# -- what they are given -----------------------------------------------------------------------------------------


def answer(result: object) -> object:
    """What a result says, in tensors, texts, lists and dictionaries; what cannot be compared is left out."""
    if isinstance(result, Tensor):
        return (torch.view_as_real(result) if result.is_complex() else result).detach().cpu().double()
    if isinstance(result, np.ndarray | np.number | np.bool_ | bool | int | float):
        return torch.as_tensor(np.asarray(result)).double() if np.asarray(result).dtype.kind in "biuf" else None
    if isinstance(result, str | Path | torch.dtype | torch.device) or result is None:
        return str(result)
    if isinstance(result, dict):
        return {str(key): answer(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return [answer(value) for value in result]
    if isinstance(result, Iterator):
        return answer(next(result))
    if isinstance(result, nn.Module):
        return answer(result.state_dict())
    if isinstance(result, Run):  # what it was made with shows when it runs
        list(result.rounds(1))
        return answer(result.state_dict())
    if type(result).__module__.startswith("orwlab"):
        return answer({key: value for key, value in vars(result).items() if not callable(value)})
    return None


def differ(a: object, b: object, tolerance: float) -> str:
    """Where two answers differ; nothing where they do not."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape:
            return f"shape {tuple(b.shape)} for {tuple(a.shape)}"
        close = torch.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        return "" if close.all() else f"{b[~close][0]} for {a[~close][0]}"
    if isinstance(a, dict) and isinstance(b, dict):
        a, b = (list(dict(sorted(part.items())).values()) for part in (a, b))
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{len(b)} parts for {len(a)}"
        return next((found for x, y in zip(a, b) if (found := differ(x, y, tolerance))), "")
    return "" if type(a) is type(b) and a == b else f"{b!r} for {a!r}"


def has_nan(value: object) -> bool:
    if isinstance(value, dict | list | tuple):
        return any(map(has_nan, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Tensor) and not bool(torch.isfinite(value).all())


def named(message: str, argument: str, label: str, others: list[str]) -> bool:
    """Whether an error says which argument it is about, by its name or by what ``get(name)`` gets.

    Of two that do not fit each other either may be named.
    """
    words = [
        argument,
        SAID.get((label, argument), argument),
        *[label.split(".")[-2].rstrip("s")] * label.endswith(".get"),
    ]
    found = any(re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", message) for word in words)
    return "allowed" in message and (
        found or any(re.match(rf"{re.escape(other)} (is|holds)", message) for other in others)
    )


class Visit:
    """One function, and what went wrong while guests were there."""

    def __init__(self, label: str) -> None:
        self.label = label
        parameters, self.call = open_door(label)
        inside = set().union(*(names for where, names in INSIDE.items() if f"{label}.".startswith(f"{where}.")))
        self.parameters = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        self.open = [p for p in self.parameters if p.name not in inside]
        self.complaints: list[str] = []

    def values(self) -> dict[str, object]:
        wanted = [p for p in self.parameters if p in self.open or p.default is p.empty]
        return {p.name: good(self.label, p) for p in wanted}

    def ask(self, **instead: object) -> object:
        return answer(self.call(**self.values() | instead))

    def complain(self, argument: str, guest: str, what: str) -> None:
        self.complaints.append(f"{self.label}({argument} = {guest}): {what}")

    def plain(self) -> None:
        """The good call leaves its arguments as they were, and is the same wherever gradients are switched off."""
        values = self.values()
        kept = {name: value.clone() for name, value in values.items() if isinstance(value, Tensor)}
        plain = self.expected = self.ask(**values)
        for name, value in kept.items():
            if not torch.equal(value, values[name]):
                self.complain(name, "a good value", "is not what it was before")
        for surroundings in (torch.no_grad, torch.inference_mode):
            with surroundings():
                found = self.ask()
            if difference := differ(plain, found, 0.0):
                self.complain("all", f"good values in {surroundings.__name__}", difference)

    def receive(self, argument: str, guest: Guest) -> None:
        try:
            found = self.ask(**{argument: guest.value})
        except ValueError as error:
            others = [name for name, value in self.values().items() if isinstance(value, Tensor | float)]
            if not named(str(error), argument, self.label, others):
                self.complain(argument, guest.name, f"named by nobody: {error}")
            elif "has no gradient" in str(error) and guest.name in ("array", "list"):  # rightly: they have none
                return
            elif guest.like is not None and not self.refuses(argument, guest.like):
                self.complain(argument, guest.name, f"refused: {error}")
            return
        except Diverged:  # which says so, and at what settings
            return
        except Exception as error:
            self.complain(argument, guest.name, f"{type(error).__name__}: {error}")
            return
        if guest.refused:
            self.complain(argument, guest.name, "was taken")
        elif guest.name.startswith("NaN") and not has_nan(found) and self.matters(argument):
            self.complain(argument, guest.name, "disappeared")
        elif guest.like is not None:
            short = getattr(guest.value, "dtype", None) in (torch.bfloat16, torch.float16)
            plain = self.ask(**{argument: guest.like}) if guest.name == "whole numbers" else self.expected
            if difference := differ(plain, found, 2e-2 if short else 1e-4):
                self.complain(argument, guest.name, difference)

    def matters(self, argument: str) -> bool:
        """Whether an argument's numbers matter, and not only their shape."""
        value = self.values()[argument]
        return callable(value) or bool(differ(self.expected, self.ask(**{argument: -value}), 0.0))

    def refuses(self, argument: str, value: object) -> bool:
        """Whether a value is refused for what it says, and not for how it says it."""
        try:
            self.ask(**{argument: value})
        except ValueError:
            return True
        return False


@pytest.fixture(autouse=True)
def somewhere_small(tmp_path, monkeypatch):
    """A folder with a network's file in it, for those who read and write; little work for those who train."""
    monkeypatch.chdir(tmp_path)
    zoo.write(network(), tmp_path / FILE)
    monkeypatch.setitem(recipes.RECIPES, "gaussian", dataclasses.replace(recipes.RECIPES["gaussian"], steps=2))
    monkeypatch.setattr(recipes.quality, "__defaults__", (4, None))
    monkeypatch.setattr("orwlab.measure.coupled_flows.DENSE", 16)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(tmp_path / "pictures" / "a.png")
    (tmp_path / "cifar").mkdir()
    write_cifar(tmp_path / "cifar", python=False)


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore")  # that a grid is too coarse is known
@pytest.mark.parametrize("label", PUBLIC)
def test_guests(label):
    visit = Visit(label)
    visit.plain()
    for p in visit.open:
        for guest in guests(p.name, good(label, p), p.annotation):
            visit.receive(p.name, guest)
    assert not visit.complaints, "\n".join(["", *visit.complaints])


def test_the_guests_find_faults(monkeypatch):
    """A function that is wrong in every way that guests look for."""

    def wrong(x, tau=0.5, seed=3, v=drift, generator=None):
        x = torch.as_tensor(x)
        if x.dtype == torch.float16:
            raise TypeError("no halves")
        if x.shape != X.shape:
            raise ValueError("wrong shape")
        numbers = x.nan_to_num() * (tau if isinstance(tau, bool) else float(tau or 0))
        x.detach().zero_()
        return numbers if torch.is_grad_enabled() else numbers + 1

    monkeypatch.setitem(PUBLIC, "orwlab.wrong", wrong)
    visit = Visit("orwlab.wrong")
    visit.plain()
    for p in visit.open:
        for guest in guests(p.name, good("orwlab.wrong", p), p.annotation):
            visit.receive(p.name, guest)
    said = "\n".join(visit.complaints)
    for complaint in (
        "orwlab.wrong(x = a good value): is not what it was before",
        "orwlab.wrong(all = good values in no_grad): ",
        "orwlab.wrong(x = float16): TypeError: no halves",
        "orwlab.wrong(x = (n, 1)): named by nobody: wrong shape",
        "orwlab.wrong(x = complex): was taken",
        "orwlab.wrong(x = NaN): disappeared",
        "orwlab.wrong(tau = truth): was taken",
        "orwlab.wrong(tau = list): TypeError",
        "orwlab.wrong(seed = 4294967296): was taken",
        "orwlab.wrong(v = takes x first): was taken",
        "orwlab.wrong(generator = 0): was taken",
    ):
        assert complaint in said, said
