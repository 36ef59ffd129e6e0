"""Rewards of images and what was asked for: an open CLIP or SigLIP by name, or anybody's own callable.

    reward = get("clip", clip_model="openai/clip-vit-large-patch14", device="cuda")
    reward = get("mine:redness", home="here")  # the function redness of here/mine.py
    r = values(reward, images, prompts)        # (n,), checked

A reward is any callable (images, prompts) -> (n,): images (n, 3, height, width) in [0, 1], a prompt for each.
"""

import math
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from orwlab import checks, foreign
from orwlab.large import hub, quiet
from orwlab.large.settings import Settings

Reward = Callable[[Tensor, list[str]], Any]
Features = Callable[[Tensor], Tensor]
"""images (n, 3, height, width) to points (n, d) whose distances say how different they look"""

THUMBNAIL = 16  # pixels
_MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}  # as pillow counts its ways to resize


class Clip(nn.Module):
    """How well images fit their prompts: the cosine between what an open CLIP or SigLIP makes of both.

    ``E(image) . E(prompt) / (|E(image)| |E(prompt)|)``, between -1 and 1; for CLIP models, usually between 0.1 and 0.4
    (Hessel et al., "CLIPScore", arXiv 2104.08718, without its factor of 2.5). Images are prepared as the model's own
    processor does, in torch and where they are: the same pixels but for the rounding of resized images to whole levels.

    Args:
        name: a folder, or a name on the hub.
        device: where it computes.
        at_once: how many images or prompts go through it together.
        revision: on the hub.

    Raises:
        ValueError: there is no such model, or it is of another kind.
    """

    def __init__(
        self,
        name: str | PathLike[str],
        *,
        device: torch.device | str = "cpu",
        at_once: int = 16,
        revision: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(name, str | PathLike) or not str(name).strip():
            raise checks.fail("clip_model", name, "a folder, or a name on the Hugging Face hub")
        self.at_once, device = checks.integer("at_once", at_once), checks.device("device", device)
        with quiet.libraries(), torch.random.fork_rng(devices=[]):
            from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

            try:
                kind = AutoConfig.from_pretrained(name, revision=revision).model_type
                if kind not in ("clip", "siglip"):
                    raise checks.fail("clip_model", f"{name} (its type is {kind})", "a CLIP or SigLIP")
                self.model = AutoModel.from_pretrained(name, revision=revision, dtype=torch.float32)
                self._tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
                processor = AutoImageProcessor.from_pretrained(name, revision=revision, backend="pil")
            except (OSError, ValueError) as error:
                if str(error).startswith("clip_model is "):
                    raise
                raise checks.fail(
                    "clip_model", str(name), f"a CLIP or SigLIP that is there. {hub.why(name, error)}"
                ) from None
        self._prepared = _Prepared(processor)
        # SigLIP has only ever seen full lengths, and no mask
        self._padding: str | bool = "max_length" if kind == "siglip" else True
        self._read = 1 if kind == "siglip" else 2
        self._longest = min(self._tokenizer.model_max_length, self.model.config.text_config.max_position_embeddings)
        self.model.eval().requires_grad_(False).to(device)

    def forward(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """The scores: (n,), where the images are. See ``Clip``."""
        texts = list(dict.fromkeys(prompts))  # each is read once
        told = self.told(texts)[[texts.index(prompt) for prompt in prompts]]
        return (self.features(images) * told).sum(1).to(images.device)

    def features(self, images: Tensor) -> Tensor:
        """What it makes of images (n, 3, height, width) in [0, 1]: unit vectors (n, d), on its device."""
        with torch.no_grad():
            made = [
                self.model.get_image_features(pixel_values=self.pixels(some)) for some in images.split(self.at_once)
            ]
        return normalize(torch.cat([_pooled(one) for one in made]), dim=1)

    def told(self, prompts: Sequence[str]) -> Tensor:
        """What it makes of prompts: unit vectors (n, d), on its device. What is beyond its longest text is not read."""
        found = []
        with torch.no_grad(), quiet.libraries():
            for k in range(0, len(prompts), self.at_once):
                tokens = self._tokenizer(
                    list(prompts[k : k + self.at_once]),
                    padding=self._padding,
                    truncation=True,
                    max_length=self._longest,
                    return_tensors="pt",
                )
                of = {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")[: self._read]}
                found.append(_pooled(self.model.get_text_features(**of)))
        return normalize(torch.cat(found), dim=1)

    def pixels(self, images: Tensor) -> Tensor:
        """Images (n, 3, height, width) in [0, 1] as the model wants them, on its device."""
        return self._prepared(images.to(self._device, torch.float32))

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


class _Prepared:
    """What an image processor of transformers does, with torch alone: resize, cut out the middle, normalise."""

    def __init__(self, processor: Any) -> None:
        kept = processor.to_dict()
        size, crop = kept["size"], kept.get("crop_size") if kept.get("do_center_crop") else None
        self.size: int | tuple[int, int] | None = None
        if kept["do_resize"]:
            self.size = size["shortest_edge"] if size.get("shortest_edge") else (size["height"], size["width"])
        self.crop = None if crop is None else (crop["height"], crop["width"])
        self.mode = _MODES.get(kept["resample"], "bicubic")
        plain = not kept["do_normalize"]
        self.mean = torch.tensor([0.0] * 3 if plain else kept["image_mean"]).reshape(3, 1, 1)
        self.std = torch.tensor([1.0] * 3 if plain else kept["image_std"]).reshape(3, 1, 1)

    def __call__(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.size is not None:
            size = self.size
            if isinstance(size, int):  # of the shorter edge
                short = min(height, width)
                size = (int(size * height / short), int(size * width / short))
            if size != (height, width):
                smooth = self.mode in ("bilinear", "bicubic")
                x = interpolate(x, size, mode=self.mode, antialias=smooth).clamp(0, 1)  # a cubic overshoots
        if self.crop is not None:
            top, left = ((have - want) // 2 for have, want in zip(x.shape[-2:], self.crop))
            x = x[..., max(top, 0) : max(top, 0) + self.crop[0], max(left, 0) : max(left, 0) + self.crop[1]]
        return (x - self.mean.to(x)) / self.std.to(x)


def _pooled(made: Any) -> Tensor:
    """Version 5 of transformers gives an object, 4 the tensor in it."""
    return getattr(made, "pooler_output", made)


def thumbnails(images: Tensor) -> Tensor:
    """Features that need no model: 16 x 16 pixels, (n, 768); black and white are a distance of 1 apart."""
    small = interpolate(_images(images).float(), (THUMBNAIL, THUMBNAIL), mode="area").flatten(1)
    return small / math.sqrt(small.shape[1])


def get(
    spec: str | Settings,
    *,
    home: str | PathLike[str] | None = None,
    clip_model: str | PathLike[str] = "",
    device: torch.device | str = "cpu",
) -> Reward:
    """A reward by name.

    Args:
        spec: "clip", or "module:function", where a class stands for what it makes when it is called without arguments;
            or settings, which say all but the device.
        home: a folder with modules of one's own, which come before those that are installed.
        clip_model: for "clip": see ``Clip``.
        device: for "clip".

    Raises:
        ValueError: there is no such reward, or it cannot be imported.
    """
    home = None if home is None else checks.folder("home", home)
    if isinstance(spec, Settings):
        return get(spec.reward, home=spec.home, clip_model=spec.clip_model or "", device=device)
    if spec == "clip":
        return Clip(clip_model, device=device)
    if not isinstance(spec, str) or ":" not in spec:
        raise checks.fail("reward", spec, '"clip", or "module:function"')
    found = foreign.named("reward", spec, home)
    if not callable(found):
        raise checks.fail("reward", spec, "a callable (images, prompts) -> (n,)")
    return found


def values(reward: Reward, images: Tensor, prompts: Sequence[str]) -> Tensor:
    """``reward(images, prompts)``, checked: (n,), float32, on the images' device and without gradient.

    The reward sees a copy of the images; its networks are asked as they are used, not as they are trained.

    Args:
        reward: a callable (images, prompts) -> (n,).
        images: (n, 3, height, width), in [0, 1].
        prompts: one for each.

    Raises:
        ValueError: it is no callable, raises, or answers with another shape, complex numbers, NaN or infinity.
    """
    images = _images(images)
    told = list(prompts) if isinstance(prompts, list | tuple) else []
    if len(told) != len(images) or not all(isinstance(prompt, str) for prompt in told):
        raise checks.fail("prompts", prompts, f"as many texts as images, {len(images)}")
    if not callable(reward):
        raise checks.fail("reward", reward, "a callable (images, prompts) -> (n,)")

    def ask(x: Tensor) -> Any:
        with torch.no_grad():
            return reward(x, list(told))

    return foreign.values("reward", ask, images)


def _images(images: Any) -> Tensor:
    """``images`` must be (n, 3, height, width)."""
    found = checks.points("images", images)
    if found.ndim != 4 or found.shape[1] != 3:
        raise checks.fail("images", images, "numbers of shape (n, 3, height, width)")
    return found


def features(settings: Settings, reward: Reward, *, device: torch.device | str = "cpu") -> Features:
    """In which images are compared: what the settings' CLIP makes of them, or ``thumbnails`` if there is none.

    Args:
        settings: of the run.
        reward: of the run; if it is that CLIP it is not loaded a second time.
        device: where another one computes.

    Raises:
        ValueError: there is no such CLIP.
    """
    if isinstance(reward, Clip):
        return reward.features
    if settings.clip_model is None:
        return thumbnails
    try:
        return Clip(settings.clip_model, device=device).features
    except ValueError as error:
        raise ValueError(f"{error}. Sheets compare images in it; null compares their pixels") from None
