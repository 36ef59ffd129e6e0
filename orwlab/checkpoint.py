"""A fine-tuning run in one safetensors file: read completely and checked before anything is built from it."""

import copy
import hashlib
import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from orwlab import _check, velocity

if TYPE_CHECKING:
    from orwlab.finetune import FineTuning
    from orwlab.rewards import Reward

FORMAT = "orwlab fine-tuning run 1"


def write(path: str | PathLike[str], tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and JSON-able ``metadata`` to a safetensors file; an old file stays until the new is whole."""
    path = Path(path)
    if not path.parent.is_dir():
        raise _check.fail("path", str(path), "a file in an existing folder")
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    os.close(handle)
    try:
        # clone: safetensors refuses tensors that share memory
        held = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        # one entry, for safetensors writes several in random order: the same content shall give the same bytes
        save_file(held, temporary, {"orwlab": json.dumps(metadata, sort_keys=True)})
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read(path: str | PathLike[str], format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors and the metadata of a file of that ``format``.

    Raises:
        ValueError: the file is missing, damaged, not of this format, or holds values that are not finite.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("orwlab", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise _check.fail("path", str(path), f"a readable safetensors file ({error})") from error
    if metadata.get("format") != format:
        raise _check.fail("path", str(path), f"a file of format {format!r}, not {metadata.get('format')!r}")
    if metadata.get("digest") != digest(tensors):
        raise _check.fail("path", str(path), "an undamaged file: its numbers are not those that were written")
    return tensors, metadata


def digest(tensors: dict[str, Tensor]) -> str:
    """A fingerprint of the tensors' names, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        total.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save(run: "FineTuning", path: str | PathLike[str]) -> None:
    """Write ``run`` to ``path``."""
    tensors = _tensors(run)
    metadata = {
        "format": FORMAT,
        "settings": run.settings(),
        "round": run.round,
        "event_shape": list(run.event_shape),
        "reference": getattr(run.reference, "config", None),
        "policy": getattr(run.policy, "config", None),
        "offline": run.data is not None,
        "digest": digest(tensors),
    }
    write(path, tensors, metadata)


def load(
    cls: "type[FineTuning]",
    path: str | PathLike[str],
    *,
    reward: "Reward",
    reference: nn.Module | None,
    policy: nn.Module | None,
    data: Tensor | None,
) -> "FineTuning":
    """Read a run that ``save`` wrote; see ``FineTuning.load``."""
    tensors, metadata = read(path, FORMAT)
    if metadata["offline"] and data is None:
        raise _check.fail("data", data, "the data of this offline run, (m, *event)")
    networks = {}
    for name, given in (("reference", reference), ("policy", policy)):
        config = metadata[name]
        if given is None and config is None:
            raise _check.fail(name, given, "a module of the saved one's class: the file cannot say how to build it")
        networks[name] = copy.deepcopy(given) if given is not None else velocity.build(config)
        _fill(networks[name], tensors, name)
    settings = dict(metadata["settings"])
    settings["sampler"] = tuple(settings["sampler"])
    run = cls(
        networks["reference"],
        reward,
        policy=networks["policy"],
        data=data,
        event_shape=tuple(metadata["event_shape"]),
        **settings,
    )
    _fill(run.average, tensors, "average")
    run.round = metadata["round"]
    run.generator.set_state(tensors["generator"])
    if "adam.step" in tensors:
        _set_adam(run, tensors)
    return run


def _tensors(run: "FineTuning") -> dict[str, Tensor]:
    tensors = {"generator": run.generator.get_state()}
    for name in ("reference", "policy", "average"):
        tensors |= {f"{name}.{key}": value for key, value in getattr(run, name).state_dict().items()}
    parameters = list(run.policy.parameters())
    if run.optimizer.state:
        tensors["adam.step"] = run.optimizer.state[parameters[0]]["step"]
        for i, p in enumerate(parameters):
            tensors[f"adam.exp_avg.{i}"] = run.optimizer.state[p]["exp_avg"]
            tensors[f"adam.exp_avg_sq.{i}"] = run.optimizer.state[p]["exp_avg_sq"]
    return tensors


def _set_adam(run: "FineTuning", tensors: dict[str, Tensor]) -> None:
    for i, p in enumerate(run.policy.parameters()):
        run.optimizer.state[p] = {
            "step": tensors["adam.step"].clone(),
            "exp_avg": tensors[f"adam.exp_avg.{i}"].to(p.device).clone(),
            "exp_avg_sq": tensors[f"adam.exp_avg_sq.{i}"].to(p.device).clone(),
        }


def _fill(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    saved = {key.removeprefix(prefix + "."): v for key, v in tensors.items() if key.startswith(prefix + ".")}
    try:
        module.load_state_dict(saved)
    except RuntimeError as error:
        raise _check.fail(prefix, type(module).__name__, f"a module that fits the saved values ({error})") from error


def copy_state(run: "FineTuning") -> dict[str, Tensor]:
    """All that a round changes, as copies."""
    state = {k: v.clone() for k, v in _tensors(run).items() if not k.startswith("reference.")}
    return {"round": torch.tensor(run.round), **state}


def restore_state(run: "FineTuning", state: dict[str, Tensor]) -> None:
    """Put back what ``copy_state`` took."""
    run.round = int(state["round"])
    run.generator.set_state(state["generator"])
    _fill(run.policy, state, "policy")
    _fill(run.average, state, "average")
    if "adam.step" in state:
        _set_adam(run, state)
    else:
        run.optimizer.state.clear()
