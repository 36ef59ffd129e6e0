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
    return 1 / (1 + (4 + checkpointing) * steps_per_round / sampler_steps)


def time_with_failures(work, mtbf):
    """As a sum over tries, where the notebook has the closed form."""
    passes = math.exp(-work / mtbf)
    lost_a_try = mtbf - work * passes / (1 - passes)  # mean of a failure's time, given that it came within the work
    return work + (1 / passes - 1) * lost_a_try


RIGHT = [velocity_from, gathered_weights, share_of_drawing, time_with_failures]


def test_right_answers_pass(capsys):
    for answer in RIGHT:
        getattr(exercises, answer.__name__)(answer)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 4 + 5 + 4 + 5
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
        (lambda output, t, x: -output(x, 1 - t), "from data to noise"),
    ],
)
def test_wrong_velocities_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.velocity_from(wrong)


def of_each_rank(r, prompt, tau):
    return torch.cat([gathered_weights(r[k : k + 1], prompt[k : k + 1], tau) for k in range(len(r))])


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (of_each_rank, "lie on several ranks"),
        (lambda r, prompt, tau: (tau * r).exp() / (tau * r).exp().mean(), "a mean of its own"),
        (lambda r, prompt, tau: gathered_weights(r, prompt, 1.0), "tau times the reward"),
        (lambda r, prompt, tau: gathered_weights(r, prompt, tau) / r.numel(), "lie on several ranks"),
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
        (lambda s, k, c: s / (4 * k), "part of the whole"),
        (lambda s, k, c: s / (s + 3 * k), "part of the whole"),
        (lambda s, k, c: s / (s + 4), "part of the whole"),
        (lambda s, k, c: s / (s + 4 * k), "once more on the way back"),
    ],
)
def test_wrong_shares_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.share_of_drawing(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda work, mtbf: work, "Half of a stretch"),
        (lambda work, mtbf: work + work**2 / mtbf, "Half of a stretch"),
        (lambda work, mtbf: work * math.exp(work / mtbf), "Half of a stretch"),
        (lambda work, mtbf: work + work**2 / (2 * mtbf), "the same time lies ahead"),
    ],
)
def test_wrong_times_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.time_with_failures(wrong)
