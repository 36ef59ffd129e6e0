"""Before anything is computed: whether a run can work, and what it will do and take.

    plan = check(settings)   # ValueError: the first thing that is wrong, in a sentence
    print(plan)              # images and network evaluations a round, memory and disk as expected

What is large is not read for it, but a CLIP that scores: networks are built from their configurations alone.
"""

import importlib.util
import os
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from orwlab import checks, large
from orwlab.large import hub, keeping, lora, models, origin, quiet, rewards, training, words
from orwlab.large.settings import Settings

GREY = 0.5
INSIDE = 20  # numbers of the network's width that a block keeps for each token, on the way to a gradient
STATE = 8  # times the adapters' bytes in a state: they, their average, Adam's two moments; of now, and of the last good
SHEET = 6 * 2**20  # bytes of a round's two sheets
GIB = 2**30
LEAST_TAU = 10.0  # with which a CLIP score that is 0.03 higher weighs a third more


@dataclass(frozen=True)
class Plan:
    """What a run will do and take; what is not counted but estimated is called expected."""

    settings: Settings
    kind: str
    resolution: tuple[int, int]
    """height and width, in pixels"""
    event_shape: tuple[int, ...]
    parameters: int
    """of the frozen network"""
    learned: int
    """of the adapters"""
    processes: int
    device: torch.device
    to_draw: int
    """network evaluations that draw a round's images, on all devices together; one is one image once through it"""
    to_learn: int
    """evaluations that learn from them, and half as many backward"""
    memory: dict[str, float]
    """bytes on each device, by what takes them, at the most: expected"""
    host: tuple[float, str]
    """bytes of main memory that each process takes for prompts, at the most, and how: expected"""
    disk: int
    """bytes that the folder will hold: expected"""
    free: int
    """bytes that are free there"""
    done: int
    """rounds that the folder holds already"""
    grey: tuple[float, ...]
    """the reward of two grey images"""
    warnings: tuple[str, ...]
    reward: rewards.Reward
    """on the device, ready to be asked"""
    known: dict[str, str | None]
    """its fingerprint, from before it was asked; see ``Training``"""
    features: rewards.Features
    """in which sheets compare images; of the first process alone, which draws them"""

    def __str__(self) -> str:
        s = self.settings
        where = f"{self.processes} x {self.device.type}"
        reward = f"{s.reward} ({s.clip_model})" if s.reward == "clip" else s.reward
        images = f"{s.prompts_a_round} prompts x {s.images_a_prompt} = {s.images_a_round} images"
        at_once = f"{s.micro_batch} at once on each of {where}"
        state = f"goes on after round {self.done}" if self.done else "begins"
        if self.done >= s.rounds:
            state = f"is at round {self.done}: nothing is left to do"
        lines = {
            "model": f"{s.model}: {self.kind}, {_many(self.parameters)} parameters, {self.resolution[0]} x "
            f"{self.resolution[1]} pixels, latents {' x '.join(map(str, self.event_shape))}, {s.precision}",
            "learns": f"{_many(self.learned)} parameters (rank {s.rank}), lr {s.lr:g}, tau {s.tau:g}, "
            f"alpha {s.alpha:g}",
            "prompts": f"{len(s.prompts)}, such as {s.prompts[0]!r:.80}",
            "reward": f"{reward}; of two grey images {', '.join(f'{r:.3g}' for r in self.grey)}",
            "a round": f"{images}, {at_once}; {s.steps_per_round} gradient step{'s' * (s.steps_per_round > 1)}",
            "evaluations": f"a round {self.to_draw:,} of the network to draw, {self.to_learn:,} to learn, "
            f"and {self.to_learn // 2:,} backward",
            "memory": f"about {_bytes(sum(self.memory.values()))} on each device, expected: "
            + ", ".join(f"{name} {_bytes(size)}" for name, size in self.memory.items()),
            "main memory": f"about {_bytes(self.host[0])} for each process, expected: {self.host[1]}",
            "disk": f"about {_bytes(self.disk)} in {s.folder}, expected; {_bytes(self.free)} are free",
            "run": f"{state}, of {s.rounds} rounds; a state every {s.save_every}"
            + (f", a sheet every {s.sheet_every}" if s.sheet_every else ", no sheets"),
        }
        told = [*lines.items(), *(("note", sentence) for sentence in self.warnings)]
        return "\n".join(
            textwrap.fill(text, 110, initial_indent=f"{name:12}", subsequent_indent=" " * 12, break_long_words=False)
            for name, text in told
        )


def check(settings: Settings, reward: rewards.Reward | None = None) -> Plan:
    """What a run with these settings will do and take.

    Args:
        settings: of the run.
        reward: to be tried in place of the settings' own.

    Raises:
        ValueError: it cannot work; the message says why: no GPU, no such model or no flow, no room or no right to
            write, a library that is not installed, a reward that cannot be imported, answers wrongly or is another than
        the one with which the folder's run was begun.
    """
    device, processes = training.device(settings), int(os.environ.get("WORLD_SIZE", 1))
    training.shared(settings, processes)
    _installed(settings)
    begun, free = keeping.kept(settings), _folder(settings)
    done = 0 if begun is None else begun.round
    index = models.index(settings.model, settings.revision)
    kind, parts = models.FLOWS[index["_class_name"]], _parts(settings, index)
    network, decoder = parts["transformer"], parts["vae"]
    resolution, event_shape = models.sizes(kind, network.config, decoder.config, settings.resolution)
    models.fits(settings.rank, network)
    layers = models.attention(network)
    if settings.lora is not None:
        lora.read(settings.lora, layers, settings.rank)
    learned = sum(settings.rank * (layer.in_features + layer.out_features) for layer in layers.values())
    states = (
        3 * STATE + 1 + (STATE + 1) * _stay(settings, done)
    )  # the last two, one that is written, and those that stay
    disk = states * 4 * learned + SHEET * _sheets(settings, done)
    if free < disk:
        allowed = f"one with {_bytes(disk)} free for states and sheets (expected); {_bytes(free)} are"
        raise checks.fail("folder", str(settings.folder), allowed)
    guided = kind == "sd3" and settings.guidance > 1
    images = settings.images_a_round
    memory = _memory(settings, kind, parts, event_shape, resolution, learned)
    reward = rewards.get(settings, device=device) if reward is None else reward
    known = {"reward": origin.of_reward(reward)}  # now: it may change when it is asked
    # what the model is will be seen when it is read
    notes = [] if begun is None else keeping.changed(settings, begun, known)
    if known["reward"] is None:
        notes.append(origin.UNKNOWN)
    grey = _grey(reward, settings, resolution, device)
    draws = settings.sheet_every and large.first()
    return Plan(
        settings=settings,
        kind=kind,
        resolution=resolution,
        event_shape=event_shape,
        parameters=_count(network),
        learned=learned,
        processes=processes,
        device=device,
        to_draw=images * settings.sampler_steps * (1 + guided),
        to_learn=2 * images * settings.steps_per_round,
        memory=memory,
        host=_host(settings, kind, parts),
        disk=disk,
        free=free,
        done=done,
        grey=grey,
        warnings=(*notes, *_warnings(settings, guided, device, sum(memory.values()))),
        reward=reward,
        known=known,
        features=rewards.features(settings, reward, device=device) if draws else rewards.thumbnails,
    )


def _installed(settings: Settings) -> None:
    def missing(name: str, value: Any, otherwise: str, library: str) -> None:
        if importlib.util.find_spec(library) is None:
            raise checks.fail(name, value, f"{otherwise}; or install {library}: pip install {library}")

    if settings.tracker == "tensorboard":
        missing("tracker", settings.tracker, "none", "tensorboard")
    if settings.eight_bit:
        missing("eight_bit", True, "false", "bitsandbytes")


def _folder(settings: Settings) -> int:
    """How many bytes are free in it. It is not made."""
    place = settings.folder
    there = next(path for path in (place, *place.parents) if path.exists())
    if not there.is_dir():
        raise checks.fail("folder", str(place), f"a folder; {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise checks.fail("folder", str(place), f"one that can be written to; {there} cannot")
    return shutil.disk_usage(there).free


def _parts(settings: Settings, index: dict[str, Any]) -> dict[str, nn.Module]:
    """The pipeline's networks by their names in it, from their configurations: without any numbers in them."""
    import diffusers
    import transformers

    found: dict[str, nn.Module] = {}
    for name, (library, kind) in ((k, v) for k, v in index.items() if isinstance(v, list) and v[0] is not None):
        if name not in ("transformer", "vae") and not name.startswith("text_encoder"):
            continue
        where = {"subfolder": name, "revision": settings.revision}
        with quiet.libraries(), torch.device("meta"):
            try:
                if library == "diffusers":
                    made = getattr(diffusers, kind)
                    found[name] = made.from_config(made.load_config(settings.model, **where))
                else:
                    made = getattr(transformers, kind)
                    found[name] = made(made.config_class.from_pretrained(settings.model, **where))
            except (OSError, ValueError, AttributeError) as error:
                allowed = f"a whole pipeline; its {name} cannot be made. {hub.why(settings.model, error)}"
                raise checks.fail("model", settings.model, allowed) from error
    return found


def _memory(
    settings: Settings,
    kind: str,
    parts: dict[str, Any],
    event_shape: tuple[int, ...],
    resolution: tuple[int, int],
    learned: int,
) -> dict[str, float]:
    """Bytes that a device holds at the most, roughly: text encoders leave it before anything is drawn."""
    network, decoder, each = parts["transformer"], parts["vae"], 4 if settings.precision == "fp32" else 2
    config = network.config
    patch = 2 if kind == "flux" else config.patch_size
    tokens = settings.micro_batch * (_tokens(kind) + event_shape[1] * event_shape[2] // patch**2)
    block = tokens * config.num_attention_heads * config.attention_head_dim * each
    blocks = config.num_layers + (config.num_single_layers if kind == "flux" else 0)
    passing = block * (blocks + INSIDE if settings.gradient_checkpointing else blocks * INSIDE)
    decoding = (
        settings.micro_batch * resolution[0] * resolution[1] * 3 * max(decoder.config.block_out_channels[:2]) * each
    )
    holding = {
        "network": _count(network) * each,
        "adapters, gradients, optimiser": learned * (4 + 4 + 4 + (2 if settings.eight_bit else 8)),
        "activations or decoding": max(passing, decoding + _count(decoder) * each),
    }
    reading = _reading(parts) * each
    if len(_texts(settings)) > _fit(settings, kind, parts):
        return holding | {"text encoders, beside it": float(reading)}
    if reading > sum(holding.values()):
        holding = {"text encoders, at the start": reading}
    return dict(holding)


def _tokens(kind: str) -> int:
    """Of a prompt, at most."""
    return 512 if kind == "flux" else 333


def _texts(settings: Settings) -> set[str]:
    return {*settings.prompts, *settings.sheet_prompts, *settings.held_out}


def _fit(settings: Settings, kind: str, parts: dict[str, Any]) -> int:
    """How many encoded prompts each process keeps, as ``words`` has it."""
    return max(words.MOST // _told(settings, kind, parts), settings.prompts_a_round)


def _told(settings: Settings, kind: str, parts: dict[str, Any]) -> int:
    """Bytes of an encoded prompt, at most."""
    config, each = parts["transformer"].config, 4 if settings.precision == "fp32" else 2
    return (_tokens(kind) * config.joint_attention_dim + config.pooled_projection_dim) * each


def _reading(parts: dict[str, Any]) -> int:
    """Parameters of the text encoders."""
    return sum(_count(part) for name, part in parts.items() if name.startswith("text_encoder"))


def _host(settings: Settings, kind: str, parts: dict[str, Any]) -> tuple[float, str]:
    """Bytes of main memory that each process needs for prompts, and how they are kept."""
    texts, fit = len(_texts(settings)), _fit(settings, kind, parts)
    size = _told(settings, kind, parts)
    if texts <= fit:
        return texts * size, f"all {texts} prompts, encoded at the start"
    reading = _reading(parts) * (4 if settings.precision == "fp32" else 2)
    return (
        fit * size + reading,
        f"text encoders, and {fit} of {texts} prompts; the others are encoded when their turn comes",
    )


def _grey(
    reward: rewards.Reward, settings: Settings, resolution: tuple[int, int], device: torch.device
) -> tuple[float, ...]:
    """What the reward says of two grey images."""
    images = torch.full((2, 3, *resolution), GREY, device=device)
    prompts = [settings.prompts[0], settings.prompts[-1]]
    return tuple(rewards.values(reward, images, prompts).tolist())


def _warnings(settings: Settings, guided: bool, device: torch.device, expected: float) -> list[str]:
    found = []
    if guided:
        found.append(training.guided(settings.guidance))
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
        if expected > there:
            found.append(f"the device has {_bytes(there)}: a smaller micro_batch, resolution or precision needs less")
    if settings.reward == "clip" and settings.weighting == "mean_one" and settings.tau < LEAST_TAU:
        found.append(
            f"tau is {settings.tau:g}: CLIP scores of a prompt's images lie some hundredths apart (expected), and "
            "weigh nearly the same; with 30 to 100 they differ"
        )
    if settings.sheet_images == 1 and settings.sheet_every:
        found.append("sheet_images is 1: diversity is between images of one prompt, and will be missing")
    return found


def _sheets(settings: Settings, done: int) -> int:
    return max(0, settings.rounds - done) // settings.sheet_every + 1 if settings.sheet_every else 0


def _stay(settings: Settings, done: int) -> int:
    return max(0, settings.rounds - done) // settings.keep_every if settings.keep_every else 0


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _many(n: int) -> str:
    for unit, name in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if n >= unit:
            return f"{n / unit:.3g} {name}"
    return str(n)


def _bytes(n: float) -> str:
    for unit, name in ((2**40, "TiB"), (GIB, "GiB"), (2**20, "MiB")):
        if n >= unit:
            return f"{n / unit:.3g} {name}"
    return f"{n / 1024:.3g} KiB"
