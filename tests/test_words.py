"""Sentences as a task: what is asked, what judges, and that neither sees what the other optimises."""

from dataclasses import replace

import pytest
import torch

from orwlab import zoo
from orwlab.data import captions
from orwlab.tasks import images, words
from orwlab.tasks.words import METHODS, NEW, PROMPTS, Words, WordsPlan

SHORT = replace(Words.plan, rounds=2, samples_a_prompt=8, steps_per_round=2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def task():
    return Words()


@pytest.fixture(scope="module")
def small():
    return Words(["a red three", "two blue discs"], ["a green ring"])


def drawn(scenes, each, seed=0):
    """Pictures by the hand that the flow has learned from, as many in a row of each sentence."""
    return captions.draw([scene for scene in scenes for _ in range(each)], generator=seeded(seed))


def test_prompts_are_learned_combinations_and_new_ones_are_held_out():
    assert len(PROMPTS) == len(NEW) == 8
    assert len({*PROMPTS, *NEW}) == 16
    assert not any(captions.held_out(captions.parse(text)) for text in PROMPTS)
    assert all(captions.held_out(captions.parse(text)) for text in NEW)
    for text in (*PROMPTS, *NEW):
        assert str(captions.parse(text)) == text


def test_pictures_come_in_blocks_of_a_prompt(small):
    said = [str(scene) for scene in small.said(6)]
    assert said == ["a red three"] * 3 + ["two blue discs"] * 3
    assert torch.equal(small.told(6), captions.tokens(said))
    assert small.shown(2, 8) == [0, 4]
    assert small.shown(4, 8) == [0, 1, 4, 5]
    for call in (small.told, small.said):
        with pytest.raises(ValueError, match="n is 5; allowed: a multiple of 2, the prompts"):
            call(5)


def test_the_judge_finds_true_pictures_true_and_others_not(small):
    right = small.judge(drawn(small.prompts, 24))
    wrong = small.judge(drawn(small.prompts[::-1], 24))
    assert right["words"] > 0.95
    assert right["true"] > 0.9
    assert right["each"] == pytest.approx([right["true"]] * 2, abs=0.1)
    assert wrong["true"] == 0
    assert wrong["words"] < 0.5
    assert right["judge"] > wrong["judge"] + 0.3


def test_the_reward_belongs_to_the_prompt(small):
    x = drawn(small.prompts, 12)
    turned = torch.cat([x[12:], x[:12]])
    assert (small.reward(x) > small.reward(turned)).double().mean() > 0.95
    assert torch.allclose(small.reward(x), small.clip.score(x, small.said(24)), atol=1e-6)


def test_diversity_is_that_of_the_reference_where_it_is_the_reference(small):
    x = small.push(small.reference, small.noise(64, seed=5))
    assert small.judge(x)["diversity"] == pytest.approx(1.0, abs=0.1)
    assert small.judge(x[:1].repeat(64, 1, 1, 1))["diversity"] == 0


def test_a_run_learns_within_prompts_and_starts_at_the_reference(small):
    first, second = list(small.begin(0.3, plan=replace(SHORT, steps_per_round=1)).rounds(2))
    assert first.penalty < 1e-9
    assert second.penalty > 0
    run = small.begin(0.3, plan=replace(SHORT, rank=2, method=METHODS["RAFT"]))
    assert run.weighting == "best"
    assert run.rank == 2
    assert next(run.rounds(1)).ess == pytest.approx(2)
    kl = small.begin(0.3, plan=replace(SHORT, method=METHODS["ORW-CFM-KL"]))
    assert kl.penalty == "kl"
    plain = small.begin(0.3, plan=images.Plan(tau=1.0, lr=1e-4, rounds=1, batch_size=16))
    assert plain.samples_a_prompt == WordsPlan(tau=1.0, lr=1e-4, rounds=1).samples_a_prompt


def test_an_outcome_looks_at_new_prompts_too(small):
    (before, after) = images.fine_tune(small, (0.3,), plan=SHORT, samples=8, progress=False)
    for outcome in (before, after):
        assert {"judge", "words", "true", "diversity", "new_score", "new_judge", "new_true"} <= outcome.numbers.keys()
    assert before.alpha is None
    nothing_new = Words(["a red three"], [])
    assert "new_true" not in nothing_new.outcome(nothing_new.reference, nothing_new.noise(4), None).numbers


def test_same_seed_same_pictures(small):
    one, two = (images.fine_tune(small, (0.3,), plan=SHORT, samples=4, progress=False)[1] for _ in range(2))
    assert torch.equal(one.samples, two.samples)


def test_what_is_not_understood_is_named():
    for call, message in [
        (lambda: Words(["a red lion"]), r'not known: "lion"'),
        (lambda: Words(["a rde three"]), r'"rde" \(perhaps "red"\)'),
        (lambda: Words([]), "prompts is"),
        (lambda: Words([""]), "prompts is '';? ?allowed: sentences that say something|prompts is ''"),
        (lambda: Words("a red three"), "prompts is"),
        (lambda: Words(["a three"], ["a unicorn"]), '"unicorn"'),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_the_flow_gets_the_prompts_wrong_and_the_hand_that_it_learned_from_does_not(task):
    """By pixels: less than half of its pictures are right, of every prompt; drawn ones nearly always."""
    x = task.push(task.reference, task.noise(256, seed=7))
    numbers = task.judge(x)
    assert max(numbers["each"]) < 0.6
    assert numbers["true"] < 0.4
    assert task.judge(drawn(task.prompts, 16))["true"] > 0.85


def test_words_draws_by_its_own_solver(task):
    assert task.reference.solver.evaluations == 12
    x0 = task.noise(16, seed=3)
    exact = words.draw(_Exactly(task.reference), x0, task.told(16))
    assert (task.push(task.reference, x0) - exact).square().mean().sqrt() < 0.1


class _Exactly(torch.nn.Module):
    """A network without the solver that it brings."""

    solver = ("rk4", 24)

    def __init__(self, network):
        super().__init__()
        self.network, self.event_shape = network, network.event_shape

    def forward(self, t, x, c):
        return self.network(t, x, c)


def test_guidance_is_no_fine_tuning_of_the_task(task):
    """The reference with guidance is another flow, which the same task can draw from."""
    guided = zoo.prompted.Guided(task.reference, 2.0)
    x = task.push(guided, task.noise(64, seed=7))
    assert task.judge(x)["judge"] > task.judge(task.push(task.reference, task.noise(64, seed=7)))["judge"]
