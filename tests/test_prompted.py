"""A flow that is told a sentence: what it hears, guidance, and how often its pictures show what was asked for."""

import pytest
import torch

from orwlab import flow, zoo
from orwlab.data import captions
from orwlab.velocity import Conditioned
from orwlab.zoo import recipes
from orwlab.zoo.prompted import Guided, Prompted

SAID = ["a red three", "a thin blue two left of a square", ""]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def small():
    network = Prompted(width=8, depth=1, seed=2).eval()
    network.path = recipes.paths.get("linear")
    return network


@pytest.fixture(scope="module")
def x():
    return torch.randn(3, 3, 24, 24, generator=seeded())


def test_each_picture_hears_its_own_sentence(small, x):
    together = small(torch.tensor([0.1, 0.5, 0.9]), x, SAID)
    for k, (t, words) in enumerate(zip((0.1, 0.5, 0.9), SAID)):
        assert torch.allclose(small(t, x[k : k + 1], [words]), together[k : k + 1], atol=1e-4)
    assert torch.allclose(small(0.5, x, [SAID[1]]), small(0.5, x, [SAID[1]] * 3), atol=1e-5)
    assert torch.equal(small(0.5, x, captions.tokens(SAID)), small(0.5, x, SAID))
    assert small(0.5, x.double(), SAID).dtype == torch.float64
    assert small(0.5, x[:0], SAID[:1]).shape == (0, 3, 24, 24)


@pytest.mark.parametrize("other", ["a red two", "a blue three", "a bold red three", "two red threes"])
def test_every_word_is_heard(small, x, other):
    assert (small(0.5, x, ["a red three"]) - small(0.5, x, [other])).abs().max() > 1e-5


def test_guidance_is_a_line_through_both_answers(small, x):
    told, untold = small(0.3, x, SAID), small(0.3, x, [captions.NULL])
    for scale in (0.0, 1.0, 2.5):
        assert torch.allclose(Guided(small, scale)(0.3, x, SAID), untold + scale * (told - untold), atol=1e-5)
    assert torch.equal(Guided(small, 1.0)(0.3, x, SAID), told)
    assert Guided(small, 2.0).event_shape == small.event_shape
    assert Guided(small, 2.0).path is small.path


def test_bound_to_a_sentence_it_is_a_velocity_like_any_other(small, x):
    v = Conditioned(Guided(small, 2.0), captions.tokens(SAID))
    drawn = flow.sample(v, x, steps=2)
    assert drawn.shape == x.shape
    assert torch.isfinite(drawn).all()


def test_what_does_not_fit_is_named(small, x):
    for call, message in [
        (lambda: small(0.5, x, SAID[:2]), "c is 'a list of 2'; allowed: one sentence, or one for each of 3"),
        (lambda: small(0.5, x[:, :1], SAID), "x is"),
        (lambda: small(0.5, x, ["a lion"]), '"lion"'),
        (lambda: small(0.5, x, torch.zeros(3, 2)), "c is"),
        (lambda: Guided(small, -1.0), "scale is"),
        (lambda: Guided(lambda t, x, c: x, 1.0), "v is"),
        (lambda: Prompted(width=6), "width is 6; allowed: a multiple of 8"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_network_comes_back_from_its_file(small, x, tmp_path):
    zoo.write(small, tmp_path / "flow.safetensors")
    again = zoo.read(tmp_path / "flow.safetensors")
    assert torch.equal(again(0.5, x, SAID), small(0.5, x, SAID))
    assert again.path is small.path


def test_pictures_show_what_was_asked_for_and_guidance_helps():
    """By what is measured in pixels; the data themselves are not always read right."""
    quality = zoo.card("captions")["quality"]
    for end in ("", "_held_out"):
        assert quality[f"true_data{end}"] > 0.9
        assert quality[f"words{end}"] > 0.6
        assert quality[f"words_guided{end}"] > quality[f"words{end}"] + 0.08
        assert quality[f"words_guided{end}"] < quality[f"words_data{end}"], "there is something left to fine-tune"
