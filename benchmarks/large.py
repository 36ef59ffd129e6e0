"""What does a round of ORW-CFM-W2 take on a text-to-image pipeline, in seconds and in memory, and its parts?

    python benchmarks/large.py                      # tiny random pipelines, on the CPU
    python benchmarks/large.py --device cuda --precision bf16 --model stabilityai/stable-diffusion-3.5-medium

A round draws images, scores them and learns from them. It is measured as it is, then with gradient checkpointing, in
turns in one process, so that whatever else the machine does hits both alike. The reward is the brightness: it costs
nothing. What is not there is "not measured".
"""

import argparse
import math
import statistics
import tempfile
from pathlib import Path

import torch

from orwlab.large import models, quiet, tiny
from orwlab.large.settings import Settings
from orwlab.large.training import TYPES, Snapshot, Training

PARTS = ("draw", "reward", "learn")
PROMPTS = ("a red fox in the snow", "a blue owl on a branch")


def main() -> None:
    """Run and print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a folder or a name on the hub; without it tiny pipelines of both kinds")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=TYPES, default="fp32")
    parser.add_argument("--resolution", type=int, help="pixels; without it the model's own")
    parser.add_argument("--images", type=int, default=8, help="in a round")
    parser.add_argument("--micro-batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20, help="of the sampler")
    parser.add_argument("--rounds", type=int, default=5, help="that are measured, of each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place, quiet.libraries():
        if options.model:
            measure(options.model, options, Path(place))
        else:
            options.resolution = options.resolution or tiny.SIZE
            for kind in tiny.KINDS:
                measure(str(tiny.save(kind, Path(place) / kind)), options, Path(place))


def measure(model: str, options: argparse.Namespace, place: Path) -> None:
    name = Path(model).name
    if options.device == "cuda" and not torch.cuda.is_available():
        print(f"{name} on a GPU: not measured, there is none here")
        return
    shared = load(model, options)
    seen: dict[bool, list[Snapshot]] = {False: [], True: []}
    run = Training(settings(model, options, place / f"run of {name}"), model=shared, reward=brightness)
    list(run.rounds(1))  # what is done once is done
    for _ in range(options.rounds):
        for checkpointing, shots in seen.items():
            switch(shared, checkpointing)
            shots.extend(run.rounds(1))
    own = sum(p.numel() for p in run.model.network.parameters() if not p.requires_grad)
    learns = sum(p.numel() for p in run.model.adapters.values())
    print(
        f"\n{name} ({shared.kind}) on {where(options.device)}, {options.precision}: {own:.3g} weights, {learns:.3g} in "
        f"adapters; {options.images} images of {shared.resolution[0]} pixels, {options.steps} steps of the sampler"
    )
    print(f"{'':<24}{'seconds':>9}" + "".join(f"{part:>9}" for part in PARTS) + f"{'peak memory':>15}")
    for checkpointing, shots in seen.items():
        label = "with checkpointing" if checkpointing else "without checkpointing"
        parts = "".join(f"{middle(shots, lambda s: s.parts[part]):9.3f}" for part in PARTS)  # noqa: B023
        print(f"{label:<24}{middle(shots, lambda s: s.seconds):9.3f}{parts}{gib(shots):>15}")
    ratio = statistics.median(b.parts["learn"] / a.parts["learn"] for a, b in zip(seen[False], seen[True], strict=True))
    print(f"learning with checkpointing takes {ratio:.2f} times as long as without")


def load(model: str, options: argparse.Namespace) -> models.Model:
    return models.load(
        model, resolution=options.resolution, device=options.device, dtype=TYPES[options.precision],
        gradient_checkpointing=True,
    )  # fmt: skip


def settings(model: str, options: argparse.Namespace, folder: Path) -> Settings:
    return Settings(
        model=model, prompts=PROMPTS, folder=folder, rounds=10_000, save_every=10_000, sampler_steps=options.steps,
        images_a_prompt=options.images // 2, micro_batch=options.micro_batch, device=options.device,
        precision=options.precision, tracker="none",
    )  # fmt: skip


def switch(model: models.Model, checkpointing: bool) -> None:
    network = model.network
    network.enable_gradient_checkpointing() if checkpointing else network.disable_gradient_checkpointing()


def brightness(images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    return images.mean((1, 2, 3))


def middle(shots: list[Snapshot], what) -> float:
    return statistics.median(map(what, shots))


def gib(shots: list[Snapshot]) -> str:
    most = middle(shots, lambda s: s.memory)
    return "not measured" if math.isnan(most) else f"{most:.2f} GiB"


def where(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "a CPU, one thread"


if __name__ == "__main__":
    main()
