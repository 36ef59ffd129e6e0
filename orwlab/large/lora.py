"""Low-rank adapters that a run begins with: a file that diffusers or peft have written, put on the run's own.

    values = read("my-lora", network, rank=16)   # by the names of the run's adapters

A layer's change is ``scale B A``, with B (out, r) and A (r, in); peft's scale is ``lora_alpha / r``, or over the root
of r. A file of a smaller rank fits a larger one: the rest of B is 0, and so changes nothing at first.
"""

import json
import math
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from orwlab import checks

FILES = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""as peft and diffusers name them"""
FRONT = ("base_model.model.", "transformer.")
A, B = "lora_A.weight", "lora_B.weight"
ALLOWED = "a folder or file with a LoRA of this model's attention, as diffusers or peft write it"


def read(path: str | PathLike[str], layers: dict[str, nn.Linear], rank: int) -> dict[str, tuple[Tensor, Tensor]]:
    """A and B of the layers that a file has, float32: (rank or fewer, in), (out, as many), with the scale in B.

    Args:
        path: a safetensors file, or a folder with one.
        layers: that have adapters, by name.
        rank: of the adapters.

    Raises:
        ValueError: there is no such file, it cannot be read, it is of other layers, or its rank is larger.
    """
    place = Path(path)
    file = next((place / name for name in FILES if (place / name).is_file()), place)
    try:
        with safe_open(str(file), framework="pt") as opened:
            said = opened.metadata() or {}
            found = {_plain(name): opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)
        about = _about(place if place.is_dir() else place.parent, said)
    except (OSError, SafetensorError, ValueError) as error:
        raise checks.fail("lora", str(path), f"{ALLOWED} ({error})") from None
    values = {}
    for name in sorted({name.rpartition(".lora_")[0] for name in found}):
        a, b = found.get(f"{name}.{A}"), found.get(f"{name}.{B}")
        if name not in layers or a is None or b is None or a.ndim != 2 or b.ndim != 2:
            raise checks.fail("lora", str(path), f"{ALLOWED}; it has {next(k for k in found if k.startswith(name))!r}")
        r, layer = len(a), layers[name]
        if a.shape != (r, layer.in_features) or b.shape != (layer.out_features, r):
            raise checks.fail("lora", str(path), f"{ALLOWED}; its {name} is of another width")
        if r > rank:
            raise checks.fail("rank", rank, f"a whole number >= {r}, the rank of {path}")
        alpha = float(about.get("lora_alpha", r))
        scale = alpha / (math.sqrt(r) if about.get("use_rslora") else r)
        values[name] = a.float(), scale * b.float()
    if not values:
        raise checks.fail("lora", str(path), f"{ALLOWED}; it is empty")
    return values


def put(values: dict[str, tuple[Tensor, Tensor]], adapters: dict[str, nn.Parameter]) -> None:
    """Let adapters begin with these values."""
    with torch.no_grad():
        for name, (a, b) in values.items():
            adapters[f"{name}.{A}"][: len(a)] = a
            adapters[f"{name}.{B}"].zero_()
            adapters[f"{name}.{B}"][:, : b.shape[1]] = b


def _plain(name: str) -> str:
    for front in FRONT:
        name = name.removeprefix(front)
    return name.replace(".default.", ".")


def _about(folder: Path, said: dict[str, str]) -> dict[str, Any]:
    """What stands beside the numbers: peft has a file of its own, diffusers a line in the same one, if any."""
    beside = folder / "adapter_config.json"
    if beside.is_file():
        found = json.loads(beside.read_text("utf-8"))
    else:
        line = json.loads(said.get("lora_adapter_metadata", "{}"))
        found = {name.removeprefix("transformer."): value for name, value in line.items()}
    for name in ("rank_pattern", "alpha_pattern"):
        if found.get(name):
            raise ValueError(f"its {name} gives layers ranks or scales of their own")
    if found.get("use_dora"):
        raise ValueError("it is a DoRA")
    return found
