"""The checks of notebook 14 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.teach.exercises import scale as exercises


def velocity_from(output, t, x):
    return -output(x, 1000 * (1 - t))


def gathered_weights(r, prompt, tau):
    """By a loop over images, where the notebook loops over prompts."""
    w = torch.empty_like(r)
    for place in range(r.numel()):
        same = prompt.flatten() == prompt.flatten()[place]
        w.view(-1)[place] = 1 / (tau * (r.flatten()[same] - r.flatten()[place])).exp().mean()
    return w


def share_of_drawing(sampler_steps, steps_per_round, checkpointing):
    return 1 / (1 + (3 + checkpointing) * steps_per_round / sampler_steps)


def time_with_failures(work, mtbf, restart):
    """As a sum over tries, where the notebook has the closed form."""
    passes = math.exp(-work / mtbf)
    lost_a_try = mtbf - work * passes / (1 - passes)  # mean of a failure's time, given that it came within the work
    return work + (1 / passes - 1) * (lost_a_try + restart)


RIGHT = [velocity_from, gathered_weights, share_of_drawing, time_with_failures]


def test_right_answers_pass(capsys):
    for answer in RIGHT:
        getattr(exercises, answer.__name__)(answer)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 5 + 6 + 4 + 6
    assert "NO" not in printed


@pytest.mark.parametrize("answer", RIGHT, ids=lambda f: f.__name__)
@pytest.mark.parametrize("bad", [None, 3.0, lambda *a: None, lambda *a: "much", lambda *a: 1 / 0, lambda: 1.0])
def test_nonsense_ends_in_words(answer, bad):
    with pytest.raises(AssertionError, match="NO"):
        getattr(exercises, answer.__name__)(bad)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda output, t, x: output(x, 1000 * (1 - t)), "from data to noise"),
        (lambda output, t, x: -output(x, 1000 * t), "At t = 0 all is noise"),
        (lambda output, t, x: output(x, 1000 * t), "from data to noise"),
        (lambda output, t, x: -output(x, 1 - t), "a number from 0 to 1000"),
    ],
)
def test_wrong_velocities_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.velocity_from(wrong)


def test_a_velocity_may_be_asked_in_rows_and_in_float32():
    exercises.velocity_from(lambda output, t, x: -output(x, torch.full((len(x),), 1000 * (1 - t), dtype=torch.float32)))


def test_weights_may_be_float32():
    exercises.gathered_weights(lambda r, prompt, tau: gathered_weights(r.float(), prompt, tau))


def of_each_machine(r, prompt, tau):
    return torch.cat([gathered_weights(r[k : k + 1], prompt[k : k + 1], tau) for k in range(len(r))])


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (of_each_machine, "lie on several machines"),
        (lambda r, prompt, tau: (tau * r).exp() / (tau * r).exp().mean(), "a mean of its own"),
        (lambda r, prompt, tau: gathered_weights(r, prompt, 1.0), "tau times the reward"),
        (lambda r, prompt, tau: gathered_weights(r, prompt, tau) / r.numel(), "number of its images"),
        (
            lambda r, prompt, tau: torch.stack(
                [
                    (tau * (r - r.max())).exp() / (tau * (r - r.max()))[prompt == p].exp().mean() * (prompt == p)
                    for p in range(3)
                ]
            ).nansum(0),
            "too large",
        ),
        (
            lambda r, prompt, tau: torch.stack(
                [(tau * r).exp() / (tau * r)[prompt == p].exp().mean() * (prompt == p) for p in range(3)]
            ).nansum(0),
            "too large",
        ),
    ],
)
def test_wrong_weights_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.gathered_weights(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda s, k, c: s / (3 * k), "part of the whole"),
        (lambda s, k, c: s / (s + 2 * k), "part of the whole"),
        (lambda s, k, c: s / (s + 3), "part of the whole"),
        (lambda s, k, c: s / (s + 3 * k), "once more on the way back"),
    ],
)
def test_wrong_shares_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.share_of_drawing(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda work, mtbf, restart: work, "formula of the text"),
        (lambda work, mtbf, restart: work * math.exp(work / mtbf), "formula of the text"),
        (lambda work, mtbf, restart: mtbf * math.expm1(work / mtbf), "costs the restart"),
        (lambda work, mtbf, restart: mtbf * math.expm1(work / mtbf) + restart, "costs the restart"),
        (lambda work, mtbf, restart: mtbf * math.expm1((work + restart) / mtbf), "costs the restart"),
        (lambda work, mtbf, restart: mtbf * math.expm1(work / mtbf) + restart * work / mtbf, "costs the restart"),
    ],
)
def test_wrong_times_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.time_with_failures(wrong)
