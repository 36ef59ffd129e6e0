"""The checks of notebook 10 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import pytest
import torch
from torch.nn import functional as F

from orwlab.teach.exercises import words as exercises


def contrastive_loss(logits, also):
    logits, right = logits.masked_fill(also, -torch.inf), torch.arange(len(logits))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def guided(v, v_null, scale):
    return lambda t, x: v_null(t, x) + scale * (v(t, x) - v_null(t, x))


def weights_within(r, prompts, tau):
    prompts, w = torch.tensor(prompts), torch.zeros(len(r))
    for k in prompts.unique():
        own = prompts == k
        w[own] = own.sum() * (tau * r[own]).softmax(0)
    return w


def best_adapter(change, rank):
    U, S, Vh = torch.linalg.svd(change, full_matrices=False)
    return U[:, :rank] * S[:rank], Vh[:rank]


def test_right_answers_pass(capsys):
    exercises.contrastive_loss(contrastive_loss)
    exercises.guided(guided)
    exercises.weights_within(weights_within)
    exercises.best_adapter(best_adapter)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 4 + 7 + 4 + 5
    assert "NO" not in printed


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (
            lambda logits, also: F.cross_entropy(logits.masked_fill(also, -torch.inf), torch.arange(len(logits))),
            "Pictures",
        ),
        (lambda logits, also: contrastive_loss(logits, torch.zeros_like(also)), "no rival"),
        (lambda logits, also: 2 * contrastive_loss(logits, also), "diagonal"),
        (lambda logits, also: contrastive_loss(-logits, also), "diagonal"),
        (lambda logits, also: contrastive_loss(logits.softmax(1), also), "diagonal"),
        (lambda logits, also: contrastive_loss(logits.masked_fill(also, 0.0), torch.zeros_like(also)), "no rival"),
        (lambda logits, also: -logits.log_softmax(1).diagonal().mean(), "Pictures"),
        (lambda logits, also: F.cross_entropy(logits.T, torch.arange(len(logits))), "Pictures"),
    ],
)
def test_wrong_losses_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.contrastive_loss(wrong)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda v, null, s: lambda t, x: null(t, x) + s * v(t, x), "line"),
        (lambda v, null, s: lambda t, x: v(t, x) + s * (v(t, x) - null(t, x)), "line"),
        (lambda v, null, s: lambda t, x: v(t, x) + s * (null(t, x) - v(t, x)), "line"),
        (lambda v, null, s: lambda t, x: s * v(t, x) + (1 - s) * null(t, x) * (s != 3), "line"),
        (lambda v, null, s: v, "line"),
        (lambda v, null, s: guided(v, null, s)(torch.tensor(0.6), torch.zeros(15, 1)), "function of t and x"),
        (lambda v, null, s: lambda t, x: guided(v, null, s)(torch.tensor(0.6), x), "t and x of the call"),
    ],
)
def test_wrong_guidance_fails(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.guided(wrong)


def over_all(r, prompts, tau):
    return len(r) * (tau * r).softmax(0)


def in_order(r, prompts, tau):
    each = len(r) // (max(prompts) + 1)
    return torch.cat([each * (tau * part).softmax(0) for part in r.split(each)])


def sums_to_one(r, prompts, tau):
    w = weights_within(r, prompts, tau)
    return w / len(r)


def by_formula(r, prompts, tau):
    prompts, w = torch.tensor(prompts), (tau * r).exp()
    means = torch.stack([w[prompts == k].mean() for k in range(int(prompts.max()) + 1)])
    return w / means[prompts]


def without_tau(r, prompts, tau):
    return weights_within(r, prompts, 1.0)


def minus_the_mean(r, prompts, tau):
    prompts = torch.tensor(prompts)
    means = torch.stack([r[prompts == k].mean() for k in range(int(prompts.max()) + 1)])
    return (tau * (r - means[prompts])).exp()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (over_all, "same"),
        (in_order, "need not stand"),
        (sums_to_one, "same"),
        (by_formula, "softmax"),
        (without_tau, "need not stand"),
        (minus_the_mean, "same"),
        (lambda r, prompts, tau: weights_within(r, prompts, tau)[:1], "same"),
    ],
)
def test_wrong_weights_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.weights_within(wrong)


def smallest(change, rank):
    U, S, Vh = torch.linalg.svd(change, full_matrices=False)
    return U[:, -rank:] * S[-rank:], Vh[-rank:]


def without_values(change, rank):
    U, _, Vh = torch.linalg.svd(change, full_matrices=False)
    return U[:, :rank], Vh[:rank]


def values_twice(change, rank):
    U, S, Vh = torch.linalg.svd(change, full_matrices=False)
    return U[:, :rank] * S[:rank], S[:rank, None] * Vh[:rank]


def first_rows(change, rank):
    return torch.eye(len(change))[:, :rank], change[:rank]


def turned(change, rank):
    up, down = best_adapter(change, rank)
    return down.T, up.T


@pytest.mark.parametrize("wrong", [smallest, without_values, values_twice, first_rows, turned])
def test_wrong_adapters_fail(wrong):
    with pytest.raises(AssertionError, match=r"NO\n(`torch.linalg.svd|The least)"):
        exercises.best_adapter(wrong)
