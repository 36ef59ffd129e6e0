"""Runs on words: sentences that are tried while it learns, guidance that nothing is learned from, words one by one."""

import json

import numpy as np
import pytest
import torch
from test_image_session import after, pixels

from orwlab.data import captions
from orwlab.show.lab import exhibits
from orwlab.show.lab.exhibits import WordsExhibit, measured, without
from orwlab.show.lab.image_session import ImageSession
from orwlab.show.lab.image_settings import CONTROLS, ImageSettings, ImageStory
from orwlab.show.web import album_markup, images_markup, words_markup, words_page
from orwlab.tasks.words import NEW, PROMPTS, Words
from orwlab.zoo.prompted import Guided

OTHER = "two bold green sevens"


def begun(**settings):
    """A session of words before its first round, with the reference drawn and judged."""
    session = ImageSession(ImageStory(ImageSettings(task="words", **settings)))
    session.advance()
    return session


@pytest.fixture(scope="module")
def one():
    """Before the first round, with two alphas, learning from the set. Tests leave it at its sentence."""
    return begun(lesson="set", alpha=0.0, others=(1.0,))


# -- what can be chosen ------------------------------------------------------------------------------------------------


def test_a_sentence_is_kept_as_the_grammar_writes_it():
    settings = ImageSettings(task="words", prompt="3 to the LEFT of the Blue circle.")
    assert settings.prompt == "a three left of a blue disc"
    assert ImageSettings(prompt=settings.prompt).prompt == settings.prompt


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a red thre", '"thre" (perhaps "three")'),
        ("a purpel ring and a dragon", '"purpel" (perhaps "purple"), "dragon"'),
        ("", "one that says something"),
        ("four rings", "a, two or three of a thing"),
        ("a bold ring", '"bold" of digits alone'),
        (7, "a sentence of at most 200 characters"),
        (None, "a sentence of at most 200 characters"),
    ],
)
def test_a_sentence_that_is_not_understood_is_refused_in_words(prompt, said):
    with pytest.raises(ValueError, match=r"^sentence is .*; allowed: ") as error:
        ImageSettings().changed(prompt=prompt)
    assert said in str(error.value)


@pytest.mark.parametrize(("guidance", "fits"), [(1, True), (4.0, True), (2.35, True), (0.9, False), (5, False)])
def test_guidance_goes_from_one_to_four(guidance, fits):
    if fits:
        assert ImageSettings(guidance=guidance).guidance == guidance
    else:
        with pytest.raises(ValueError, match=r"guidance is .*; allowed: a number from 1 to 4"):
            ImageSettings(guidance=guidance)


def test_what_starts_again():
    this, whole = ImageSettings(task="words"), ImageSettings(task="words", lesson="set")
    assert this.changed(prompt=OTHER).starts_again(this)
    assert not whole.changed(prompt=OTHER).starts_again(whole)
    assert whole.starts_again(this)
    for settings in (this, whole):
        assert not settings.changed(guidance=3.0, alpha=7.0).starts_again(settings)
    assert not ImageSettings(prompt=OTHER).starts_again(ImageSettings()), "digits know of no sentence"


def test_a_story_of_words_is_read_as_it_was_written():
    story = ImageStory(ImageSettings(task="words", lesson="set", prompt=NEW[0], alpha=0.3))
    story = story.changed(3, "prompt", OTHER).changed(3, "guidance", 2.5).changed(8, "alpha", 1.0)
    plain = json.loads(json.dumps(story.plain()))
    assert plain["log"] == [[3, "prompt", OTHER], [3, "guidance", 2.5], [8, "alpha", 1.0]]
    assert {"wanted", "files"}.isdisjoint(plain["scene"])
    again = ImageStory.read(plain)
    assert (again.start, again.log, again.round) == (story.start, story.log, 8)
    assert again.at(2).prompt == str(captions.parse(NEW[0]))
    assert again.settings.view == (OTHER, 2.5)


def test_a_log_cannot_change_the_sentence_that_is_learned_from():
    scene = {"task": "words", "lesson": "this"}
    with pytest.raises(ValueError, match="the one that is learned from"):
        ImageStory.read({"scene": scene, "log": [[2, "prompt", OTHER]]})
    ImageStory.read({"scene": scene | {"lesson": "set"}, "log": [[2, "prompt", OTHER]]})
    ImageStory.read({"scene": scene, "log": [[2, "guidance", 2]]})


def test_images_without_words_say_nothing_of_words():
    assert {"prompt", "lesson", "guidance"}.isdisjoint(ImageSettings().plain())
    assert {"wanted", "files"}.isdisjoint(ImageSettings(task="words").plain())
    assert 'value="words"' not in images_markup.markup("images", {})
    assert 'data-name="prompt"' not in images_markup.markup("images", {})


# -- what happens ------------------------------------------------------------------------------------------------------


def test_before_the_first_round_every_lane_is_the_reference(one):
    frame = one.frame()
    assert {lane["sheet"] for lane in frame["lanes"]} == {frame["reference"]["sheet"]}
    numbers = frame["reference"]["numbers"]
    assert all(lane["numbers"] == numbers for lane in frame["lanes"])
    assert set(numbers) >= {words.key for words in WordsExhibit.numbers}
    assert numbers["diversity"] == pytest.approx(1, abs=0.1), "of pictures from other noise"
    assert "when" not in frame["reference"]
    json.dumps(frame)


def test_guidance_redraws_the_reference_alone_and_nothing_starts_again(one):
    before, runs = one.frame(), [lane.run for lane in one.lanes]
    one.control(guidance=3.0)
    assert not one.idle
    one.advance()
    guided = one.frame()
    assert guided["begun"] == before["begun"]
    assert [lane.run for lane in one.lanes] == runs
    assert guided["reference"]["when"] == "guidance 3"
    assert guided["lanes"] == before["lanes"]
    exhibit, task = one.exhibit, Words([PROMPTS[0]], new=())
    x = task.push(Guided(task.reference, 3.0), exhibit.noise(0)[: exhibit.shown])
    assert np.abs(pixels(exhibit.sheet(x)) - pixels(guided["reference"]["sheet"])).max() <= 1
    assert one.exhibit.reference(one.settings).scale == 3
    one.control(guidance=1)
    one.advance()
    assert one.frame()["reference"] == before["reference"]


@pytest.mark.slow
def test_with_the_set_another_sentence_is_drawn_and_the_runs_go_on():
    session = after(begun(lesson="set", alpha=0.0), 1)
    before, (lane,) = session.frame(), session.lanes
    weights = {name: value.clone() for name, value in lane.run.average.state_dict().items()}
    session.control(prompt=OTHER)
    session.advance()
    now = session.frame()
    assert (now["begun"], now["round"], session.lanes) == (before["begun"], 1, [lane])
    assert all(torch.equal(value, weights[name]) for name, value in lane.run.average.state_dict().items())
    assert now["story"]["log"] == [[1, "prompt", OTHER]]
    assert now["exhibit"]["about"] == OTHER != before["exhibit"]["about"]
    assert now["reference"]["sheet"] != before["reference"]["sheet"]
    assert [point[1] for point in now["points"]] == [1], "what was measured of another sentence is no part of its curve"
    task = Words([OTHER], new=())
    x = task.push(lane.run.average, task.noise(64, 0))
    assert now["lanes"][0]["numbers"]["score"] == pytest.approx(float(task.reward(x).detach().mean()), abs=2e-3)
    session.control(prompt=PROMPTS[0])
    session.advance()
    assert session.frame()["lanes"][0]["sheet"] == before["lanes"][0]["sheet"]


def test_with_this_sentence_another_one_starts_again():
    session = after(begun(), 1)
    first = session.begun
    session.control(prompt=OTHER)
    session.advance()
    assert session.begun > first
    assert session.round == 0
    assert session.story.start.prompt == OTHER
    assert [captions.tokens([OTHER]).tolist()] == [lane.run.conditions.tolist() for lane in session.lanes]


def test_a_sentence_that_is_refused_changes_nothing(one):
    seq, story = one.seq, one.story
    with pytest.raises(ValueError, match='perhaps "three"'):
        one.obey({"name": "prompt", "value": "a red thre"})
    assert (one.seq, one.story) == (seq, story)


def test_the_set_and_one_sentence_are_what_is_learned_from():
    of_set, of_one = (WordsExhibit(OTHER, lesson).begin(0.5, 3) for lesson in ("set", "this"))
    assert torch.equal(of_set.conditions.cpu(), captions.tokens(PROMPTS))
    assert torch.equal(of_one.conditions.cpu(), captions.tokens([OTHER]))
    assert of_set.samples_a_prompt == exhibits.LIVE.samples_a_prompt
    assert of_one.samples_a_prompt == of_one.batch_size, "of one sentence alone there must be enough to choose from"
    assert of_set.steps_per_round == of_one.steps_per_round == exhibits.LIVE.steps_per_round
    assert of_one.control_variate == Words.plan.control_variate
    assert (of_one.alpha, of_one.seed) == (0.5, 3)


@pytest.mark.slow
def test_a_story_with_words_is_repeated_bit_for_bit():
    session = after(begun(lesson="set", alpha=0.0, seed=2), 1)
    session.control(prompt=OTHER, guidance=2.0)
    after(session, 1)
    again = ImageSession(ImageStory.read({**session.story.plain(), "round": 2}))
    again.advance()
    assert again.round == 2
    for name in ("lanes", "reference"):
        assert again.frame()[name] == session.frame()[name]


# -- word by word ------------------------------------------------------------------------------------------------------


def test_the_table_of_a_picture_is_that_of_its_pixels(one):
    k = 5
    way = one.path(1, k)
    task = Words([PROMPTS[0]], new=())
    (x,) = task.push(task.reference, one.exhibit.noise(0)[k : k + 1])
    (scene,) = task.prompts
    rows = captions.table(x, scene, task.names)
    for name in ("reference", "lane"):
        found = way[name]["table"]
        assert [(row["word"], row["holds"]) for row in found] == [(row.word, row.holds) for row in rows]
        assert [row["measured"] for row in found] == [measured(row) for row in rows]
    json.dumps(way)
    for row, shorter in zip(way["reference"]["table"], without(scene)):
        if shorter is None:
            assert row["falls"] is None
        else:
            falls = task.clip.score(x[None], scene) - task.clip.score(x[None], shorter)
            assert row["falls"] == pytest.approx(float(falls.detach()), abs=1e-5)


@pytest.mark.parametrize(
    "text", [*PROMPTS, *NEW, OTHER, "a ring", "a thin upright black six above a blue square", "a four and a nine"]
)
def test_without_a_word_a_sentence_says_that_word_less(text):
    scene = captions.parse(text)
    rows, shorter = captions.table(torch.ones(3, 24, 24), scene), without(scene)
    assert len(rows) == len(shorter)
    for row, other in zip(rows, shorter):
        if row.kind in ("number", "thing"):
            assert other is None
            continue
        assert scene.entails(other)
        assert not other.entails(scene)
        words, fewer = (f" {one} ".replace(" of ", "_of ") for one in (scene, other))
        word = row.word.replace(" of", "_of")
        assert words.count(f" {word} ") == fewer.count(f" {word} ") + 1


def test_of_a_picture_that_shows_the_sentence_every_word_is_told_as_true():
    scene = captions.parse("two bold red threes")
    (x,) = captions.draw([scene], generator=torch.Generator().manual_seed(0))
    told = [measured(row) for row in captions.table(x, scene)]
    assert told[0] == "2 things; 2 wanted"
    assert told[1] == "not asked", "which digit it is needs a classifier"
    assert "pixels of ink; at least" in told[2]
    assert told[3].startswith("share of ink 1.00; at least 0.70")
    assert measured(captions.table(torch.ones(3, 24, 24), scene)[2]) == "no such thing to measure"


def test_digits_have_no_words():
    session = ImageSession()
    session.advance()
    assert [session.path(0, 0)[name]["table"] for name in ("lane", "reference")] == [[], []]
    assert "when" not in session.frame()["reference"]


# -- in words ----------------------------------------------------------------------------------------------------------

FIRST = {"score": 0.4, "judge": 0.3, "true": 0.3, "words": 0.7, "diversity": 1.0}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, "About what the reference draws."),
        ({"score": 0.6}, "exploited: it rises, and neither the judge nor the pixels"),
        (
            {"score": 0.6, "true": 0.1},
            "exploited: it rises, and every word is true in 10 % of the pictures, 30 % before",
        ),
        ({"score": 0.6, "judge": 0.4}, "the pixels do not say that more words are true"),
        ({"score": 0.6, "judge": 0.4, "true": 0.7}, "every word in 70 % of the pictures, 30 % before"),
        ({"score": 0.6, "judge": 0.4, "true": 1.0}, "Every word is true in all of the pictures."),
        ({"score": 0.6, "true": 0.97}, "Every word is true in nearly all of the pictures."),
        ({"true": 0.1}, "Less of it is true"),
        ({"score": 0.6, "judge": 0.4, "words": 0.5}, "falls apart: 50 % of the words are true, 70 % before"),
        ({"score": 0.3}, "has fallen below the reference’s"),
        ({"score": 0.6, "judge": 0.4, "true": 1.0, "diversity": 0.5}, "50 % of the reference’s diversity is left"),
    ],
)
def test_the_verdict_says_what_the_numbers_say(now, said):
    found = WordsExhibit.verdict(_untrained(), FIRST | now, FIRST).replace("\N{NO-BREAK SPACE}", " ")
    assert said in found
    assert ("alike" in found) == (now.get("diversity", 1) < exhibits.NARROW)


def _untrained():
    """An exhibit without its networks: a verdict looks at numbers alone."""
    return WordsExhibit.__new__(WordsExhibit)


def test_the_page_offers_words_that_there_are():
    text = words_markup.markup("words", {"words": "Words"})
    for word in (*captions.THINGS, *captions.COLOURS, *captions.WEIGHTS, *captions.LEANS, *captions.RELATIONS):
        assert word in text
    for sentence in CONTROLS["prompt"].offered:
        assert str(captions.parse(sentence)) == sentence
        assert f'data-sentence="{sentence}"' in text
    assert text.count("data-attempt") == len(words_markup.MOVES) == 5
    assert "@" not in words_page.explanation()
    assert album_markup.STORY in text


@pytest.mark.slow
def test_on_the_page_a_sentence_is_learned():
    """What a visitor sees who presses Play and waits: proxy, judge and pixels rise together, within ten rounds."""
    exhibit = WordsExhibit(PROMPTS[0], "this")
    run, x0 = exhibit.begin(0.3, 0), exhibit.noise(0)
    before = exhibit.read(exhibit.task.push(exhibit.task.reference, x0))
    for _ in run.rounds(10):
        pass
    after = exhibit.read(exhibit.task.push(run.average, x0))
    for key in ("score", "judge", "words"):
        assert after[key] > before[key] + 0.03, key
    assert exhibit.verdict(after, before) != exhibit.verdict(before, before)
