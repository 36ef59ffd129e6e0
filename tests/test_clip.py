"""What compares pictures with sentences: what it is told, what it learns from, and what it can tell apart."""

import random

import pytest
import torch

from orwlab import zoo
from orwlab.data import captions
from orwlab.data.captions import Group, Scene
from orwlab.zoo import recipes
from orwlab.zoo.clip import SPACE, Clip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def small():
    return Clip(width=8, depth=1, seed=3)


@pytest.fixture(scope="module")
def shown():
    return captions.sample(24, whole=True, generator=seeded(1))


def test_directions_have_length_one_and_padding_changes_nothing(small, shown):
    pictures, scenes = shown
    seen, said = small.of_pictures(pictures), small.of_sentences(scenes)
    assert seen.shape == said.shape == (24, SPACE)
    assert torch.allclose(seen.norm(dim=1), torch.ones(24), atol=1e-5)
    assert torch.allclose(said.norm(dim=1), torch.ones(24), atol=1e-5)
    alone = torch.cat([small.of_sentences([scene]) for scene in scenes])
    assert torch.allclose(alone, said, atol=1e-5)


def test_what_stands_where_padding_is_does_not_matter(small):
    """The words are asked, and the places after them are not."""
    ids = captions.tokens(["a three"])
    before = small.read(ids)
    with torch.no_grad():
        kept = small.read.words.weight[captions.PAD].clone()
        small.read.words.weight[captions.PAD] += 5.0
        after = small.read(ids)
        small.read.words.weight[captions.PAD] = kept
    there = ids[0] != captions.PAD
    assert torch.allclose(before[0, there], after[0, there], atol=1e-5)


def test_the_order_of_words_matters(small):
    left, right = small.of_sentences(["a three left of a two", "a two left of a three"])
    assert (left - right).norm() > 1e-3


def test_scores_are_cosines_of_one_sentence_or_of_each(small, shown):
    pictures, scenes = shown
    each = small.score(pictures, scenes)
    logits = small(pictures, scenes)
    assert torch.allclose(each * small.sharpness.exp(), logits.diagonal(), atol=1e-4)
    one = small.score(pictures, "a red three")
    assert torch.allclose(one, small.score(pictures, captions.tokens(["a red three"])), atol=1e-6)
    assert one.abs().max() <= 1 + 1e-6
    assert small.score(pictures.double(), "a three").dtype == torch.float64
    for call, message in [
        (
            lambda: small.score(pictures, scenes[:3]),
            "texts is 'a list of 3'; allowed: one sentence, or one for each of 24",
        ),
        (lambda: small.score(pictures[:, :, :8], "a three"), "x is"),
        (lambda: small.score(pictures, "a lion"), '"lion"'),
        (lambda: small.of_sentences(torch.zeros(2, 5, dtype=torch.long)), r"texts is .*whole numbers \(n, 13\)"),
        (lambda: small.of_sentences(torch.full((2, 13), 99)), r"texts is .*from 0 to \d+"),
        (lambda: small.of_sentences(torch.zeros(2, 13)), "texts is"),
        (lambda: Clip(width=6), "width is 6; allowed: a multiple of 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_the_loss_leaves_out_what_is_true_too(small):
    """Of two pictures with the same sentence neither is wrong for the other; by hand, from the cosines.

    The near misses compete for the pictures alone. The first is true of the third picture.
    """
    whole = [captions.parse(text) for text in ("a red three", "a red three", "a blue square")]
    said = [captions.parse(text) for text in ("a three", "a red three", "a blue square")]
    pictures = captions.draw(["a red three", "a red three", "a blue square"], generator=seeded(2))
    wrong = [captions.parse(text) for text in ("a square", "a red two", "a red square")]
    logits = small(pictures, [*said, *wrong])
    # the first two are true of each other
    rows = [logits[0, [0, 2, 3, 4, 5]], logits[1, [1, 2, 3, 4, 5]], logits[2, [0, 1, 2, 4, 5]]]
    logits = logits[:, :3]
    columns = [logits[[0, 2], 0], logits[[1, 2], 1], logits[:, 2]]
    right = [0, 0, 2]
    each = [-part.log_softmax(0)[k] for part, k in zip((*rows, *columns), (*right, *right))]
    also = captions.entailed(whole, [*said, *wrong])
    assert small.loss(pictures, [*said, *wrong], also).item() == pytest.approx(sum(each).item() / 6, rel=1e-5)


def test_same_seed_same_network_and_the_global_state_is_left_alone():
    state = torch.get_rng_state()
    one, two, other = Clip(width=8, seed=1), Clip(width=8, seed=1), Clip(width=8, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    assert not torch.equal(one.read.words.weight, other.read.words.weight)
    assert one.read.words.weight.std().item() == pytest.approx(1.0, abs=0.1)


def test_a_network_comes_back_from_its_file(small, shown, tmp_path):
    zoo.write(small, tmp_path / "clip.safetensors")
    again = zoo.read(tmp_path / "clip.safetensors")
    assert torch.equal(again(*shown), small(*shown))


# Which sentences are true too -----------------------------------------------------------------------------------------


def some_scenes(n):
    chance = random.Random(1)
    things, manners = ("three", "two", "square"), (None, "bold", "thin")
    for _ in range(n):
        groups = []
        for _ in range(chance.choice((0, 1, 1, 2, 2))):
            thing = chance.choice(things)
            weight = None if thing == "square" else chance.choice(manners)
            lean = None if thing == "square" else chance.choice((None, "slanted"))
            groups.append(Group(thing, 1, chance.choice((None, "red", "blue")), weight, lean))
        if len(groups) == 1:
            one = groups[0]
            groups = [Group(one.thing, chance.choice((1, 2, 3)), one.colour, one.weight, one.lean)]
        relation = chance.choice((None, *captions.RELATIONS)) if len(groups) == 2 else None
        yield Scene(tuple(groups), relation)


def test_all_at_once_is_what_each_scene_says():
    whole, said = list(some_scenes(300)), list(some_scenes(300))
    said += [Scene(), *(scene.turned() for scene in whole[:50])]
    exact = torch.tensor([[one.entails(other) for other in said] for one in whole])
    assert torch.equal(captions.entailed(whole, said), exact)
    assert 0.03 < exact.float().mean() < 0.5
    assert captions.entailed(["a three left of a three"], ["two threes", "a three and a three"]).all()


# What it learned ------------------------------------------------------------------------------------------------------


def test_pictures_and_sentences_find_each_other_and_relations_are_understood():
    """Chance: one in 64, and a half."""
    quality = zoo.card("captions_clip")["quality"]
    assert quality["found"] > 0.9
    assert quality["found_held_out"] > 0.75
    assert quality["turned"] > 0.9
    assert quality["turned_held_out"] > 0.8
    assert quality["exchanged"] > 0.9
    assert quality["exchanged_held_out"] > 0.8


def test_a_wrong_word_costs():
    """Each kind of word, with the others as they are: the right one scores higher, on nine pictures in ten."""
    clip = zoo.load("captions_clip")
    cases = {
        "number": ("two red threes", "three red threes"),
        "thing": ("a red three", "a red eight"),
        "colour": ("a red three", "a blue three"),
        "weight": ("a bold red three", "a thin red three"),
        "lean": ("a slanted red three", "an upright red three"),
        "relation": ("a red three left of a blue two", "a red three right of a blue two"),
        "whose colour": ("a red three left of a blue two", "a blue three left of a red two"),
    }
    for right, wrong in cases.values():
        pictures = captions.draw([right] * 100, generator=seeded(4))
        with torch.no_grad():
            better = clip.score(pictures, right) > clip.score(pictures, wrong)
        assert better.float().mean() > 0.9, (right, wrong)


def test_a_step_of_training_is_the_same_again_whoever_draws_the_pictures(tmp_path):
    cards = [recipes.train("captions_clip", tmp_path, steps=3, jobs=jobs) for jobs in (1, 1, 2)]
    assert cards[0]["sha256"] == cards[1]["sha256"] == cards[2]["sha256"]
    for more, message in [
        ({"jobs": 0}, "jobs is 0"),
        ({"device": "nowhere"}, "device is 'nowhere'"),
        ({"jobs": 2, "name": "gaussian"}, "only networks of captions take others"),
    ]:
        with pytest.raises(ValueError, match=message):
            recipes.train(**({"name": "captions_clip", "folder": tmp_path, "steps": 1} | more))
    with pytest.raises(ValueError, match="source is 'x'; allowed: None"):
        recipes.train("captions_clip", tmp_path, source="x")
