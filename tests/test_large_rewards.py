"""Rewards of images: a CLIP's pixels and scores, people's own callables, and what they may do wrong."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from orwlab.large import quiet, rewards, tiny
from orwlab.large.settings import Settings

transformers = pytest.importorskip("transformers")
PROMPTS = ["a red fox", "two owls", "a red fox"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def clip(folder):
    return rewards.Clip(folder, at_once=2)


def pictures(n, height, width, seed=0):
    """Smooth images in whole levels, (n, 3, height, width)."""
    coarse = torch.rand(n, 3, 7, 5, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (fine * 255).round() / 255


def as_pillow(images):
    return [Image.fromarray((one * 255).round().byte().permute(1, 2, 0).numpy()) for one in images]


@pytest.mark.parametrize("size", [(224, 224), (512, 512), (300, 517), (1024, 640), (96, 64)])
@pytest.mark.parametrize("kind", ["CLIPImageProcessor", "SiglipImageProcessor"])
def test_pixels_are_those_of_the_models_own_processor(kind, size):
    with quiet.libraries():
        processor = getattr(transformers, kind)()
        images = pictures(1, *size)
        wanted = processor(images=as_pillow(images), return_tensors="pt")["pixel_values"]
    prepared = rewards._Prepared(processor)
    off = ((prepared(images) - wanted) * prepared.std * 255).abs()
    assert off.max() < 2  # levels: pillow rounds after each direction
    assert off.mean() < 0.35


def test_scores_are_those_of_the_model_as_it_is_used(clip, folder):
    images = pictures(3, 16, 16)
    with quiet.libraries():
        model = transformers.CLIPModel.from_pretrained(folder)
        processor = transformers.CLIPProcessor.from_pretrained(folder)
        given = processor(text=PROMPTS, images=as_pillow(images), return_tensors="pt", padding=True)
    with torch.no_grad():
        wanted = model(**given).logits_per_image.diag() / model.logit_scale.exp()
    assert torch.allclose(clip(images, PROMPTS), wanted, atol=1e-6)
    assert len(set(clip(images, PROMPTS).tolist())) == 3


def test_a_score_does_not_depend_on_who_else_is_asked(clip):
    images = pictures(5, 24, 40)
    told = ["a", "a longer prompt", "b", "a", "c"]
    one_by_one = torch.cat([clip(images[k : k + 1], [told[k]]) for k in range(5)])
    assert torch.allclose(clip(images, told), one_by_one, atol=1e-6)


def test_features_are_unit_vectors_that_tell_images_apart(clip):
    points = clip.features(pictures(4, 16, 16))
    assert torch.allclose(points.norm(dim=1), torch.ones(4))
    assert torch.cdist(points, points).topk(2, largest=False).values[:, 1].min() > 1e-3


def test_long_prompts_are_read_as_far_as_it_can(clip):
    image = pictures(1, 16, 16)
    long = "a fox " * 100
    assert torch.equal(clip(image, [long]), clip(image, [long + "and an owl"]))


def test_a_siglip_scores_too(folder, tmp_path):
    layers = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    with quiet.libraries(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = layers | dict(vocab_size=300, max_position_embeddings=24, projection_size=16)
        config = transformers.SiglipConfig(text_config=text, vision_config=layers | dict(image_size=16, patch_size=8))
        model = transformers.SiglipModel(config).eval()
        model.save_pretrained(tmp_path)
        transformers.SiglipImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
        transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tokens = tokenizer(PROMPTS, padding="max_length", max_length=24, return_tensors="pt")["input_ids"]
    images, siglip = pictures(3, 16, 16), rewards.Clip(tmp_path)
    with torch.no_grad():
        pixels = (images - 0.5) / 0.5
        answer = model(input_ids=tokens, pixel_values=pixels)
    wanted = (answer.logits_per_image.diag() - model.logit_bias) / model.logit_scale.exp()
    assert torch.allclose(siglip(images, PROMPTS), wanted, atol=1e-5)


def test_thumbnails_measure_in_units_of_black_to_white():
    black, white = torch.zeros(1, 3, 32, 48), torch.ones(1, 3, 32, 48)
    a, b = rewards.thumbnails(torch.cat([black, white]))
    assert float((a - b).norm()) == pytest.approx(1)
    assert a.shape == (768,)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("somebody/clip", "^clip_model is 'somebody/clip'; allowed: a CLIP or SigLIP that is there. There is no such"),
        ("", "^clip_model is ''; allowed: a folder, or a name"),
        (3, "^clip_model is 3; allowed: a folder, or a name"),
    ],
)
def test_no_such_clip(name, said):
    with pytest.raises(ValueError, match=said):
        rewards.Clip(name)


def test_a_model_of_another_kind(tmp_path):
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"^clip_model is .*\(its type is bert\).*; allowed: a CLIP or SigLIP$"):
        rewards.Clip(tmp_path)


# -- somebody's own ------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    (tmp_path / "own_rewards.py").write_text(
        "def redness(images, prompts):\n    return images[:, 0].mean((1, 2))\n"
        "class Length:\n    def __call__(self, images, prompts):\n        return [float(len(p)) for p in prompts]\n"
        "class Needs:\n    def __init__(self, what): pass\n"
        "three = 3\n"
    )
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("own_rewards"):
            del sys.modules[name]


def test_a_function_or_a_class_beside_the_file(home):
    images = pictures(3, 8, 8)
    redness = rewards.get("own_rewards:redness", home=home)
    assert torch.equal(rewards.values(redness, images, PROMPTS), images[:, 0].mean((1, 2)))
    length = rewards.get("own_rewards:Length", home=home)
    assert rewards.values(length, images, PROMPTS).tolist() == [9, 8, 9]
    settings = Settings(home, model="a/b", prompts=["a"], folder="run", reward="own_rewards:redness")
    assert rewards.get(settings) is redness


def test_two_folders_with_modules_of_one_name(home, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "own_rewards.py").write_text("def redness(images, prompts):\n    return [5.0] * len(images)\n")
    rewards.get("own_rewards:redness", home=home)
    again = rewards.get("own_rewards:redness", home=other)
    assert rewards.values(again, pictures(2, 8, 8), ["a", "b"]).tolist() == [5, 5]


def test_what_cannot_be_had_is_said(home):
    for spec, said in (
        ("own_rewards:gone", "^reward is 'own_rewards:gone'; allowed: the name of something in own_rewards"),
        ("own_rewards:three", r"^reward is 'own_rewards:three'; allowed: a callable \(images, prompts\) -> \(n,\)"),
        ("own_rewards:Needs", "^reward is 'own_rewards:Needs'; allowed: a class that needs no arguments"),
        ("gone_for_good:f", "^reward is 'gone_for_good:f'; .* No module named 'gone_for_good'"),
        ("plain", "^reward is 'plain'; allowed: \"clip\", or"),
        (3, "^reward is 3; allowed"),
    ):
        with pytest.raises(ValueError, match=said):
            rewards.get(spec, home=home)


def test_what_answers_wrongly_is_said():
    images = pictures(3, 8, 8)

    def raises(x, prompts):
        raise KeyError("owl")

    for reward, said in (
        (lambda x, prompts: x.mean((2, 3)), r"^reward\(x\) is a tensor of shape \(3, 3\)"),
        (lambda x, prompts: x.mean((1, 2, 3)) / 0 * 0, r"^reward\(x\) is NaN or infinite at 3 of 3 points"),
        (lambda x, prompts: torch.fft.fft(x.mean((1, 2, 3))), r"^reward\(x\) is a tensor .*complex"),
        (lambda x: x, "^reward raised TypeError"),
        (raises, "^reward raised KeyError: 'owl'"),
        (3, "^reward is 3; allowed: a callable"),
    ):
        with pytest.raises(ValueError, match=said):
            rewards.values(reward, images, PROMPTS)
    with pytest.raises(ValueError, match=r"^prompts is .*; allowed: as many texts as images, 3"):
        rewards.values(raises, images, PROMPTS[:2])
    with pytest.raises(ValueError, match=r"^images is .*; allowed: numbers of shape"):
        rewards.values(raises, images[:, :2], PROMPTS)


def test_a_reward_can_do_what_it_likes_to_its_arguments():
    images, told = pictures(2, 8, 8), ["a", "b"]
    before = images.clone()

    def rude(x, prompts):
        prompts.clear()
        return x.zero_().sum((1, 2, 3)).numpy().astype(np.float64)

    assert rewards.values(rude, images, told).tolist() == [0, 0]
    assert torch.equal(images, before)
    assert told == ["a", "b"]


def test_a_network_is_asked_as_it_is_used_and_leaves_no_graph():
    with torch.random.fork_rng(devices=[]):
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 1), torch.nn.Dropout(0.9)).train()

    def reward(x, prompts):
        assert not torch.is_grad_enabled()
        return network(x)[:, 0]

    images = pictures(3, 8, 8)
    r = rewards.values(reward, images, PROMPTS)
    assert torch.equal(r, rewards.values(reward, images, PROMPTS)), "no dropout"
    assert network.training
    assert not r.requires_grad


def test_in_what_images_are_compared(clip, folder):
    made = dict(model="a/b", prompts=["a"], folder="run", reward="a:b")
    assert rewards.features(Settings(clip_model=folder, **made), clip) == clip.features, "not loaded twice"
    assert rewards.features(Settings(clip_model=None, **made), lambda x, prompts: 0) is rewards.thumbnails
    other = rewards.features(Settings(clip_model=folder, **made), lambda x, prompts: 0)
    images = pictures(2, 16, 16)
    assert torch.allclose(other(images), clip.features(images))
