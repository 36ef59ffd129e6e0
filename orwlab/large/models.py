"""A text-to-image pipeline of diffusers as what orwlab calls a model: noise, and a velocity ``v(t, x, c)``.

    model = models.load("stabilityai/stable-diffusion-3-medium-diffusers", device="cuda", dtype=torch.bfloat16)
    c = model.encode(["a red fox", "a blue owl"])
    x1 = model.draw(c, x0, steps=20)              # latents, by Euler steps at the times of the pipeline's scheduler
    images = model.decode(x1)                     # (n, 3, height, width), in [0, 1]
    with model.reference():
        v_ref = model.velocity(t, x, c)           # the same weights with their adapters off: there is no second copy

diffusers counts from data to noise: with sigma = 1 - t its transformers take ``1000 sigma`` and answer with noise minus
data. So ``v(t, x, c) = -transformer(x, 1000 (1 - t), c)``, and a draw is ``dx/dt = v`` from t = 0, at the
times 1 - sigma of the scheduler. The samples equal those of the pipeline itself (measured: to the last bit in float32).
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from orwlab import checks, files
from orwlab.large import hub, lora, quiet

FLOWS = {"StableDiffusion3Pipeline": "sd3", "FluxPipeline": "flux"}
SCHEDULER = "FlowMatchEulerDiscreteScheduler"
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""the layers of attention, which get adapters"""
FLUX_SIZE = 128  # of the latents, which a Flux pipeline does not say: its own default
TYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Told:
    """What the network is told of prompts, a row for each; ``c[rows]`` are some of them."""

    embeds: Tensor
    """what the text encoders say of every token, (n, tokens, d)"""
    pooled: Tensor
    """and of the whole, (n, p)"""

    def __len__(self) -> int:
        return len(self.embeds)

    def __getitem__(self, rows: Any) -> "Told":
        return Told(self.embeds[rows], self.pooled[rows])

    def to(self, device: torch.device | str) -> "Told":
        """The same on another device."""
        return Told(self.embeds.to(device), self.pooled.to(device))


class Model:
    """A pipeline with adapters on its attention; ``load`` makes one. Only the adapters learn, and they are float32.

    The network goes to its device when it is first asked; text encoders and decoder only for as long as they work.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        pipeline: Any,
        *,
        resolution: int | tuple[int, int] | None,
        device: torch.device,
        dtype: torch.dtype,
        rank: int,
        begin: str | PathLike[str] | None,
        guidance: float,
        seed: int,
        gradient_checkpointing: bool,
    ) -> None:
        self.pipeline, self.device, self.dtype, self.guidance = pipeline, numbered(device), dtype, guidance
        self.network: Any = pipeline.transformer.eval().requires_grad_(False)
        for part in (pipeline.vae, *self._encoders()):
            part.eval().requires_grad_(False)
        if dtype == torch.float16:
            with quiet.libraries():  # diffusers advises against it where weights have been rounded, as here they may be
                pipeline.vae.to(torch.float32)  # some decoders leave the range of float16
        self.resolution, self.event_shape = sizes(self.kind, self.network.config, pipeline.vae.config, resolution)
        self.adapters = _attach(self.network, rank, seed, begin)
        if gradient_checkpointing:
            self.network.enable_gradient_checkpointing()
        self._untold: Told | None = None

    # What differs between the kinds ---------------------------------------------------------------------------------

    def _embedded(self, prompts: list[str]) -> Told:
        """What the text encoders say."""
        raise NotImplementedError

    def _answer(self, x: Tensor, timestep: Tensor, c: Told) -> Tensor:
        """The transformer's own answer, noise minus data; ``timestep`` is 1000 sigma."""
        raise NotImplementedError

    def _schedule(self, steps: int) -> dict[str, Any]:
        """What the pipeline hands to its scheduler beside the number of steps."""
        raise NotImplementedError

    def _tokens(self, patch: int) -> int:
        """Of an image, to the network."""
        return (self.event_shape[1] // patch) * (self.event_shape[2] // patch)

    # Words ----------------------------------------------------------------------------------------------------------

    def encode(self, prompts: Sequence[str], at_once: int = 16) -> Told:
        """What the network is told of ``prompts``: a row for each, on the CPU.

        Args:
            prompts: texts.
            at_once: how many go through the text encoders together.

        Raises:
            ValueError: no texts, or the text encoders have been dropped.
        """
        at_once = checks.integer("at_once", at_once)
        if isinstance(prompts, str) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
            raise checks.fail("prompts", prompts, "a list of texts, at least one")
        if not self._encoders():
            raise checks.fail("prompts", list(prompts), "none any more: settle() has dropped the text encoders")
        with torch.no_grad(), quiet.libraries(), self._here(*self._encoders()):
            if self.kind == "sd3" and self.guidance > 1 and self._untold is None:
                self._untold = self._embedded([""]).to("cpu")
            parts = [list(prompts[k : k + at_once]) for k in range(0, len(prompts), at_once)]
            told = [self._embedded(part).to("cpu") for part in parts]
        return Told(torch.cat([c.embeds for c in told]), torch.cat([c.pooled for c in told]))

    def settle(self) -> None:
        """Drop the text encoders, once all prompts are encoded, and move the network to its device."""
        for name in ("text_encoder", "text_encoder_2", "text_encoder_3"):
            if getattr(self.pipeline, name, None) is not None:
                setattr(self.pipeline, name, None)
        self.network.to(self.device)

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Within the block the text encoders are on the model's device; ``encode`` alone takes them there and back."""
        return self._here(*self._encoders())

    def _encoders(self) -> list[nn.Module]:
        found = (getattr(self.pipeline, name, None) for name in ("text_encoder", "text_encoder_2", "text_encoder_3"))
        return [part for part in found if part is not None]

    # The flow -------------------------------------------------------------------------------------------------------

    def velocity(self, t: Tensor, x: Tensor, c: Told) -> Tensor:
        """``v(t, x, c)``: (n, *event_shape), in x's floating type. Gradients lead to the adapters.

        Args:
            t: times in [0, 1], one number or (n,).
            x: (n, *event_shape).
            c: what ``encode`` gave, a row for each x.

        Raises:
            ValueError: an argument out of range, named.
        """
        x, c = checks.samples("x", x, self.event_shape), self._of(c, len(x))
        # in float64, where 1 - (1 - sigma) is sigma: diffusers' times come back to the last bit
        times = checks.tensor("t", t, "times in [0, 1]").detach().double().cpu()
        if times.shape not in ((), (len(x),)) or not ((times >= 0) & (times <= 1)).all():
            raise checks.fail("t", t, f"times in [0, 1], one number or ({len(x)},)")
        timestep = ((1 - times) * 1000).float().expand(len(x)).to(self.device)
        if next(self.network.parameters()).device != self.device:
            self.network.to(self.device)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return -self._answer(x.to(self.device, torch.float32), timestep, c.to(self.device)).to(x)

    def heard(self, t: Tensor) -> Tensor:
        """The times that the network hears when it is asked at ``t``, in t's floating type.

        Flux rounds them to the type in which it computes, twice: bfloat16 has 8 binary digits, and near the noise a
        time is heard up to 0.004 beside itself (measured). What learns there must be at the time that is heard. Draws
        leave it at that, as the pipeline's own do.
        """
        return t

    def times(self, steps: int) -> Tensor:
        """The times of a draw, from 0 to 1, as the pipeline's scheduler spaces them: (steps + 1,), float64."""
        scheduler = self.pipeline.scheduler
        scheduler.set_timesteps(**({"num_inference_steps": checks.integer("steps", steps)} | self._schedule(steps)))
        return 1 - scheduler.sigmas.double().cpu()

    def draw(self, c: Told, x0: Tensor, steps: int) -> Tensor:
        """Noise to latents, by Euler's steps along the flow: (n, *event_shape), as x0 is, on the model's device.

        With a guidance above 1 Stable Diffusion 3 does not follow v(t, x, c), but ``v(t, x, "") + guidance (v(t, x, c)
        - v(t, x, ""))``: what it draws is then no sample of the flow of v.

        Args:
            c: what ``encode`` gave, a row for each image.
            x0: noise, (n, *event_shape).
            steps: of Euler's.

        Raises:
            ValueError: an argument out of range, named.
        """
        x, times = checks.samples("x0", x0, self.event_shape).to(self.device), self.times(steps)
        c = self._of(c, len(x)).to(self.device)  # once, and not at every step
        with torch.no_grad():
            for t, end in pairwise(times):
                x = x + float(end - t) * self._guided(t, x, c)
        return x

    def _of(self, c: Any, n: int) -> Told:
        if not isinstance(c, Told) or len(c) != n:
            raise checks.fail(
                "c", c if not isinstance(c, Told) else f"of {len(c)} prompts", f"a row of encode() for each of {n}"
            )
        return c

    def _guided(self, t: Tensor, x: Tensor, c: Told) -> Tensor:
        v_t = self.velocity(t, x, c)
        if self._untold is None:
            return v_t
        plain = self.velocity(t, x, self._untold[[0] * len(x)])
        return plain + self.guidance * (v_t - plain)

    def decode(self, x1: Tensor) -> Tensor:
        """Latents to images, without gradient: (n, 3, height, width), in [0, 1] and float32."""
        vae, x1 = self.pipeline.vae, checks.samples("x1", x1, self.event_shape)
        with torch.no_grad(), self.decoding():
            latents = x1.to(self.device, torch.float32) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
            images = vae.decode(latents.to(vae.dtype), return_dict=False)[0].float()
        return self.pipeline.image_processor.postprocess(images, output_type="pt")

    def decoding(self) -> contextlib.AbstractContextManager[None]:
        """Within the block the decoder is on the model's device; ``decode`` alone takes it there and back each time."""
        return self._here(self.pipeline.vae)

    @contextlib.contextmanager
    def _here(self, *parts: nn.Module) -> Iterator[None]:
        """Within the block, ``parts`` are on the model's device; those that were elsewhere go back to the CPU."""
        moved = [part for part in parts if next(part.parameters()).device != self.device]
        try:
            for part in moved:
                part.to(self.device)
            yield
        finally:
            for part in moved:
                part.to("cpu")

    # Adapters -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """Within the block the adapters are off, and ``velocity`` is v_ref.

        Not around a backward pass: gradient checkpointing asks the network once more in there, as it is then.
        """
        self.network.disable_adapters()
        try:
            yield
        finally:
            self.network.enable_adapters()

    @contextlib.contextmanager
    def wearing(self, values: dict[str, Tensor]) -> Iterator[None]:
        """Within the block the adapters have other ``values``, such as their running average; then their own again."""
        own = {name: p.detach().clone() for name, p in self.adapters.items()}
        self.put_on(values)
        try:
            yield
        finally:
            self.put_on(own)

    def put_on(self, values: dict[str, Tensor]) -> None:
        """Give the adapters these values.

        Raises:
            ValueError: they are another model's, or of another rank.
        """
        own = {name: tuple(p.shape) for name, p in self.adapters.items()}
        if own != {name: tuple(value.shape) for name, value in values.items()}:
            raise checks.fail("values", sorted(values), f"a value for each adapter of this {self.kind} model, as it is")
        with torch.no_grad():
            for name, p in self.adapters.items():
                p.copy_(values[name])

    def export(self, folder: str | PathLike[str], values: dict[str, Tensor]) -> None:
        """Write adapters as a LoRA file, which ``pipe.load_lora_weights(folder)`` reads, whole or not at all.

        Raises:
            ValueError: the folder cannot be written.
        """
        layers, place = {name: value.detach().cpu() for name, value in values.items()}, Path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place) as made, quiet.libraries():
                self.pipeline.save_lora_weights(made, transformer_lora_layers=layers)
                for file in Path(made).iterdir():
                    files.write_bytes(place / file.name, file.read_bytes())
        except OSError as error:
            raise checks.fail("folder", str(folder), f"a folder that can be written ({error.strerror})") from error


class StableDiffusion3(Model):
    """Stable Diffusion 3 and 3.5."""

    kind = "sd3"

    def _embedded(self, prompts: list[str]) -> Told:
        third = self.pipeline.tokenizer_3
        longest = 256 if third is None else min(256, third.model_max_length)
        embeds, _, pooled, _ = self.pipeline.encode_prompt(
            prompts, None, None, device=self.device, do_classifier_free_guidance=False, max_sequence_length=longest
        )
        return Told(embeds, pooled)

    def _answer(self, x: Tensor, timestep: Tensor, c: Told) -> Tensor:
        return self.network(
            hidden_states=x,
            timestep=timestep,
            encoder_hidden_states=c.embeds,
            pooled_projections=c.pooled,
            return_dict=False,
        )[0]

    def _schedule(self, steps: int) -> dict[str, Any]:
        from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

        config, tokens = self.pipeline.scheduler.config, self._tokens(self.network.config.patch_size)
        if not config.get("use_dynamic_shifting"):
            return {}
        return {"mu": calculate_shift(tokens, **_shift(config, max_shift=1.16))}


class Flux(Model):
    """Flux. The dev model takes guidance as an input, the same in draws, v_theta and v_ref; the schnell model none."""

    kind = "flux"

    def _embedded(self, prompts: list[str]) -> Told:
        longest = min(512 if self.network.config.guidance_embeds else 256, self.pipeline.tokenizer_2.model_max_length)
        embeds, pooled, _ = self.pipeline.encode_prompt(prompts, None, device=self.device, max_sequence_length=longest)
        return Told(embeds, pooled)

    def _answer(self, x: Tensor, timestep: Tensor, c: Told) -> Tensor:
        n, channels, height, width = x.shape
        pipeline = self.pipeline
        guidance = None
        if self.network.config.guidance_embeds:
            guidance = torch.full((n,), self.guidance, device=x.device, dtype=torch.float32)
        answer = self.network(
            hidden_states=pipeline._pack_latents(x, n, channels, height, width),
            timestep=timestep / 1000,
            guidance=guidance,
            pooled_projections=c.pooled,
            encoder_hidden_states=c.embeds,
            txt_ids=x.new_zeros(c.embeds.shape[1], 3),
            img_ids=pipeline._prepare_latent_image_ids(n, height // 2, width // 2, x.device, x.dtype),
            return_dict=False,
        )[0]
        return pipeline._unpack_latents(answer, *self.resolution, pipeline.vae_scale_factor)

    def heard(self, t: Tensor) -> Tensor:
        """See ``Model``."""
        if self.dtype == torch.float32:
            return t
        sigma = ((1 - t.double()) * 1000).float() / 1000  # as ``velocity`` has it, and then diffusers
        return (1 - (sigma.to(self.dtype) * 1000).double() / 1000).to(t.dtype)

    def _schedule(self, steps: int) -> dict[str, Any]:
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        config, tokens = self.pipeline.scheduler.config, self._tokens(2)
        sigmas = None if config.get("use_flow_sigmas") else np.linspace(1.0, 1 / steps, steps)
        return {"sigmas": sigmas, "mu": calculate_shift(tokens, **_shift(config, max_shift=1.15))}


def _shift(config: Any, *, max_shift: float) -> dict[str, Any]:
    """How the spacing of a scheduler's times depends on how large an image is."""
    return {
        "base_seq_len": config.get("base_image_seq_len", 256),
        "max_seq_len": config.get("max_image_seq_len", 4096),
        "base_shift": config.get("base_shift", 0.5),
        "max_shift": config.get("max_shift", max_shift),
    }


def attention(network: Any) -> dict[str, nn.Linear]:
    """The layers that get adapters, by name."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and f".{name}".endswith(tuple(f".{end}" for end in ATTENTION))
    }


def fits(rank: int, network: Any) -> None:
    """A rank is at most the width of the narrowest layer: with it that layer can become any.

    Raises:
        ValueError: it is larger.
    """
    most = min(min(layer.in_features, layer.out_features) for layer in attention(network).values())
    if rank > most:
        raise checks.fail("rank", rank, f"a whole number from 1 to {most}, the least width of this model's attention")


def numbered(device: torch.device) -> torch.device:
    """The same device by its number: "cuda" is the current one, and compares as another than "cuda:0"."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within the block libraries draw on the CPU from a seed, in float32; all generators are then as they were.

    ``torch.manual_seed`` would seed every GPU too, and nothing puts those back.
    """
    plain = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(plain)


def _attach(network: Any, rank: int, seed: int, begin: str | PathLike[str] | None) -> dict[str, nn.Parameter]:
    """Adapters on all attention, float32, by the names that LoRA files use; they change nothing if nothing is given."""
    from diffusers.training_utils import cast_training_params
    from peft import LoraConfig

    fits(rank, network)
    given = {} if begin is None else lora.read(begin, attention(network), rank)
    with seeded(seed):  # peft draws from torch's generator
        network.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ATTENTION)))
    cast_training_params(network, torch.float32)
    found = {name.replace(".default.", "."): p for name, p in network.named_parameters() if p.requires_grad}
    lora.put(given, found)
    return found


def index(model: str | PathLike[str], revision: str | None = None) -> dict[str, Any]:
    """The index of a flow's pipeline, before anything large is read: its class, and the class of each part.

    Args:
        model: a folder, or a name on the hub.
        revision: on the hub.

    Raises:
        ValueError: there is no such pipeline, or it is no flow that orwlab knows.
    """
    allowed = "a folder with a pipeline of diffusers (its model_index.json), or the name of one on the Hugging Face hub"
    if not isinstance(model, str | PathLike) or not str(model).strip():
        raise checks.fail("model", model, allowed)
    with quiet.libraries():
        from diffusers import DiffusionPipeline

        try:
            parts: Any = DiffusionPipeline.load_config(str(model), revision=revision)
        except (OSError, ValueError) as error:  # also what the hub's client raises
            raise checks.fail("model", str(model), f"{allowed}. {hub.why(model, error)}") from error
    found = parts.get("_class_name")
    if found not in FLOWS:
        raise checks.fail("model", f"{model} ({found})", f"a flow: {' or '.join(FLOWS)}")
    scheduler = (parts.get("scheduler") or [None, None])[1]
    if scheduler != SCHEDULER:
        raise checks.fail("model", f"{model} (its scheduler is {scheduler})", f"a flow, with a {SCHEDULER}")
    return parts


def pixels(name: str, value: Any) -> tuple[int, int]:
    """Height and width: two whole numbers, or one for both.

    Raises:
        ValueError: neither.
    """
    both = value if isinstance(value, list | tuple) else (value, value)
    if len(both) != 2:
        raise checks.fail(name, value, "a whole number of pixels, or two: height and width")
    height, width = (checks.integer(name, one, low=8, high=4096) for one in both)
    return height, width


def sizes(
    kind: str, network: Any, decoder: Any, resolution: int | tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[int, int, int]]:
    """Height and width of an image in pixels, and the shape of its latents.

    Args:
        kind: "sd3" or "flux".
        network: the transformer's configuration.
        decoder: and the decoder's.
        resolution: that is wanted, one number or height and width; None: the model's own.

    Raises:
        ValueError: this model makes no images of that size.
    """
    scale = 2 ** (len(decoder.block_out_channels) - 1)
    channels = network.in_channels // (4 if kind == "flux" else 1)
    if resolution is None:
        resolution = (FLUX_SIZE if kind == "flux" else network.sample_size) * scale
    unit = (2 if kind == "flux" else network.patch_size) * scale
    most = None if kind == "flux" else network.pos_embed_max_size * unit
    height, width = resolution if isinstance(resolution, list | tuple) else (resolution, resolution)
    for one in (height, width):
        if checks.integer("resolution", one, low=unit, high=most) % unit:
            raise checks.fail("resolution", one, f"a multiple of {unit} pixels")
    return (height, width), (channels, height // scale, width // scale)


def load(
    model: str | PathLike[str],
    *,
    revision: str | None = None,
    resolution: int | tuple[int, int] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    rank: int = 16,
    lora: str | PathLike[str] | None = None,
    guidance: float = 1.0,
    seed: int = 0,
    gradient_checkpointing: bool = False,
) -> Model:
    """A pipeline with adapters, which do nothing yet if they are fresh.

    Args:
        model: a folder, or a name on the hub, of a Stable Diffusion 3 or Flux pipeline.
        revision: on the hub; None: the newest.
        resolution: of the images in pixels, one number, or height and width; None: the model's own.
        device: where the network computes.
        dtype: of the frozen weights, and in which the network computes: torch.float32, bfloat16 or float16.
        rank: of the adapters.
        lora: a folder or file of diffusers' or peft's whose adapters they begin as; ``reference`` is without them.
        guidance: 1 for none; see ``draw`` and ``Flux``.
        seed: of the adapters' initial values. torch's global generator is left as it was.
        gradient_checkpointing: compute again on the way back what would take memory to keep.

    Raises:
        ValueError: an argument out of range, named; there is no such model, or it is no flow.
    """
    resolution = None if resolution is None else pixels("resolution", resolution)
    rank, seed = checks.integer("rank", rank), checks.seed("seed", seed)
    guidance, device = checks.number("guidance", guidance, low=1.0), checks.device("device", device)
    gradient_checkpointing = checks.yes_or_no("gradient_checkpointing", gradient_checkpointing)
    if lora is not None and not isinstance(lora, str | PathLike):
        raise checks.fail("lora", lora, "a folder or file with a LoRA, or None")
    if dtype not in TYPES:
        raise checks.fail("dtype", dtype, "torch.float32, torch.bfloat16 or torch.float16")
    kind = FLOWS[index(model, revision)["_class_name"]]
    with quiet.libraries(), torch.random.fork_rng(devices=[]):
        import diffusers

        made = diffusers.StableDiffusion3Pipeline if kind == "sd3" else diffusers.FluxPipeline
        try:
            pipeline = made.from_pretrained(str(model), revision=revision, torch_dtype=dtype)
        except (OSError, ValueError) as error:
            raise checks.fail("model", str(model), f"a whole pipeline. {hub.why(model, error)}") from error
    config = pipeline.scheduler.config
    if config.get("stochastic_sampling") or config.get("invert_sigmas"):
        raise checks.fail("model", str(model), "a flow without noise on its way (stochastic_sampling, invert_sigmas)")
    if kind == "flux" and guidance > 1 and not pipeline.transformer.config.guidance_embeds:
        raise checks.fail("guidance", guidance, "1: this Flux model takes none")
    return (StableDiffusion3 if kind == "sd3" else Flux)(
        pipeline,
        resolution=resolution,
        device=torch.device(device),
        dtype=dtype,
        rank=rank,
        begin=lora,
        guidance=guidance,
        seed=seed,
        gradient_checkpointing=gradient_checkpointing,
    )
