"""What decides a run beside its settings: fingerprints of the model's parts and of the reward.

    origin.of(model, reward, settings)  # {"transformer": "9f…", "vae": …, "reward": …}

They are of what was loaded, and not of names: a folder may move, and a file may be written again. What counts of a
network is its configuration and every bit of its numbers, by sums of whole numbers that are exact in any order and on
any device, at some GiB a second on one core (measured). It is no proof: numbers that are exchanged in whole rows of
8 KiB are not told apart. Of a reward its code and all that it refers to count, as ``sweep.meaning`` has it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from orwlab.large.models import Model
from orwlab.large.rewards import Clip, Reward
from orwlab.large.settings import Settings
from orwlab.sweep import meaning

ROW = 1024
UNKNOWN = "the reward holds something that cannot be compared: a change in it will not be noticed"
NOT_OURS = ("transformers_version", "dtype", "torch_dtype", "architectures")
"""of a configuration: who wrote it, and what a setting says"""


def of(
    model: Model, reward: Reward, settings: Settings, known: Mapping[str, str | None] | None = None
) -> dict[str, str | None]:
    """A fingerprint of each part, before ``settle`` drops some; None for a reward that cannot be described.

    What is ``known`` is taken from there.
    """
    found: dict[str, str | None] = {name: _part(part) for name, part in _parts(model)}
    found["reward"] = known["reward"] if known and "reward" in known else of_reward(reward)
    if settings.clip_model is not None and not isinstance(reward, Clip):  # then it is what sheets compare images in
        found["clip_model"] = _of_files(settings.clip_model)
    found["lora"] = "none" if settings.lora is None else _of_files(settings.lora)
    return found


def of_reward(reward: Reward) -> str | None:
    """A reward's fingerprint; None if it holds what has no description, such as a connection."""
    if isinstance(reward, Clip):
        return _digest([_part(reward.model), _part(reward._tokenizer), vars(reward._prepared)])
    try:
        return meaning.of(reward)
    except Exception:  # other people's objects may raise anything
        return None


def _parts(model: Model) -> list[tuple[str, Any]]:
    pipeline = model.pipeline
    found = {name: getattr(pipeline, name, None) for name in sorted(pipeline.config) if not name.startswith("_")}
    return [(name, part) for name, part in found.items() if hasattr(part, "config") or hasattr(part, "get_vocab")]


def _part(part: Any) -> str:
    """Of a network, a scheduler or a tokenizer."""
    if hasattr(part, "get_vocab"):
        return _digest([type(part).__name__, part.model_max_length, _written(part)])
    config = part.config if isinstance(part.config, Mapping) else part.config.to_dict()
    told = {name: value for name, value in config.items() if not name.startswith("_") and name not in NOT_OURS}
    numbers = _numbers(part) if isinstance(part, nn.Module) else ""
    return _digest([type(part).__name__, told, numbers])


def _written(tokenizer: Any) -> Any:
    """All of a tokenizer but how it cuts and fills, which is decided at each call."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return tokenizer.get_vocab()
    return {k: v for k, v in json.loads(backend.to_str()).items() if k not in ("truncation", "padding")}


def _numbers(network: nn.Module) -> str:
    """Of all numbers that are kept with a network but adapters'."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if ".lora_" not in name:
            total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            total.update(_bits(value))
    return total.hexdigest()


def _bits(value: Tensor) -> bytes:
    """Sums of a tensor's bytes, eight of them a whole number, over rows; and the bytes of what fills no row.

    Sums are modulo 2^64: a change in one place always changes them.
    """
    flat = value.detach().contiguous().flatten().view(torch.uint8)
    flat = flat.clone() if flat.storage_offset() % 8 else flat
    whole = flat.numel() // (8 * ROW) * 8 * ROW
    sums = flat[:whole].view(torch.int64).view(-1, ROW).sum(0)
    return sums.cpu().numpy().tobytes() + flat[whole:].cpu().numpy().tobytes()


def _of_files(name: str) -> str:
    """Of a file or a folder's files, wherever it is; of a model on the hub its name."""
    place, total = Path(name), hashlib.sha256()
    if not place.exists():
        return _digest(name)
    within = place.iterdir() if place.is_dir() else [place]
    for path in sorted(path for path in within if path.is_file() and not path.name.startswith(".")):
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _digest(value: Any) -> str:
    def plain(part: Any) -> Any:
        return part.tolist() if isinstance(part, Tensor) else str(part)

    return hashlib.sha256(json.dumps(value, sort_keys=True, default=plain).encode()).hexdigest()
