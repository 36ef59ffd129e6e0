"""Tiny random pipelines, written as the folders of real ones: to try a ``train.yaml``, to learn, to test.

They are made from configurations alone, a few ten thousand numbers each, and nothing is fetched. Everything that a real
pipeline has is there: tokenizers, text encoders, transformer, decoder, scheduler. Only the images mean nothing.
"""

from os import PathLike
from pathlib import Path
from typing import Any

from orwlab import checks
from orwlab.large import quiet
from orwlab.large.models import seeded

KINDS = ("sd3", "flux")
WORDS = 24  # characters of a prompt that the text encoders read, less two
SIZE = 16  # pixels
SPECIAL = ["<s>", "</s>", "<pad>"]  # transformers' CLIP looks for the end elsewhere if its number is 2
TOKENS = len(SPECIAL) + 256


def save(kind: str, folder: str | PathLike[str], seed: int = 0) -> Path:
    """Write a random pipeline to ``folder`` and return it; its images have 16 x 16 pixels.

    A Flux pipeline does not say how large its images are: give it ``resolution: 16``.

    Args:
        kind: "sd3" (Stable Diffusion 3) or "flux" (like Flux-dev: guidance is an input).
        folder: made if it is not there.
        seed: of the weights. torch's global generator is left as it was.

    Raises:
        ValueError: an argument out of range, or a folder that cannot be written.
    """
    kind, seed = checks.choice("kind", kind, KINDS), checks.seed("seed", seed)
    with quiet.libraries(), seeded(seed):
        pipeline = _sd3() if kind == "sd3" else _flux()
        try:
            place = Path(folder).expanduser()
            place.mkdir(parents=True, exist_ok=True)
            pipeline.save_pretrained(place)
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise checks.fail("folder", folder, f"the name of a folder that can be written ({error})") from error
    return place


def _sd3() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    clips = [_clip(projection=True) for _ in range(2)]
    transformer = SD3Transformer2DModel(
        sample_size=SIZE, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, caption_projection_dim=16, joint_attention_dim=32, pooled_projection_dim=32,
        pos_embed_max_size=SIZE,
    )  # fmt: skip
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_decoder(),
        text_encoder=clips[0],
        tokenizer=_tokenizer(),
        text_encoder_2=clips[1],
        tokenizer_2=_tokenizer(),
        text_encoder_3=_t5(),
        tokenizer_3=_tokenizer(),
    )


def _flux() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    transformer = FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(2, 2, 4),
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15)
    return FluxPipeline(
        transformer=transformer,
        scheduler=scheduler,
        vae=_decoder(),
        text_encoder=_clip(projection=False),
        tokenizer=_tokenizer(),
        text_encoder_2=_t5(),
        tokenizer_2=_tokenizer(),
    )


def _tokenizer() -> Any:
    """A token for every byte, in front of them one that begins and behind them one that ends, and one that fills."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: k for k, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    letters = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    letters.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(token, vocabulary[token]) for token in SPECIAL[:2]]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=letters, model_max_length=WORDS, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


def _clip(*, projection: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    made = CLIPTextModelWithProjection if projection else CLIPTextModel
    config = CLIPTextConfig(
        vocab_size=TOKENS, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=WORDS, projection_dim=16, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    return made(config).eval()


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=TOKENS, d_model=32, d_kv=8, d_ff=16, num_layers=1, num_heads=2, pad_token_id=2)
    ).eval()


def _decoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4,), latent_channels=4, norm_num_groups=1, sample_size=SIZE, scaling_factor=1.5,
        shift_factor=0.1,
    )  # fmt: skip


def save_clip(folder: str | PathLike[str], seed: int = 0) -> Path:
    """Write a random CLIP with its processor to ``folder`` and return it; it looks at 16 x 16 pixels.

    Args:
        folder: made if it is not there.
        seed: of the weights. torch's global generator is left as it was.

    Raises:
        ValueError: an argument out of range, or a folder that cannot be written.
    """
    seed = checks.seed("seed", seed)
    with quiet.libraries(), seeded(seed):
        from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

        layers = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
        words = dict(vocab_size=TOKENS, max_position_embeddings=WORDS, bos_token_id=0, eos_token_id=1, pad_token_id=2)
        picture = dict(image_size=SIZE, patch_size=SIZE // 2)
        model = CLIPModel(
            CLIPConfig(text_config=layers | words, vision_config=layers | picture, projection_dim=16)
        ).eval()
        processor = CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
        try:
            place = Path(folder).expanduser()
            for part in (model, processor, _tokenizer()):
                part.save_pretrained(place)
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise checks.fail("folder", folder, f"the name of a folder that can be written ({error})") from error
    return place
