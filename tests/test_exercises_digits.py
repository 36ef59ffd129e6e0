"""The checks of notebook 08 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.teach.exercises import digits as exercises


def wanted_probability(logits, wanted):
    return logits.softmax(1)[:, list(wanted)].sum(1)


def unlike_any(images, real):
    own = torch.cdist(real.flatten(1), real.flatten(1)).fill_diagonal_(math.inf).min(1).values
    return (torch.cdist(images.flatten(1), real.flatten(1)).min(1).values > own.max()).float().mean()


def best_alpha(rows):
    good = [row for row in rows if row["off_data"] <= 0.02 and row["within"] >= 0.8 and row["smallest"] >= 0.5]
    return max(good, key=lambda row: row["judge"])["alpha"] if good else math.inf


def tilted_shares(probabilities, tau_eff, wanted):
    weights = (tau_eff * probabilities[:, list(wanted)].sum(1)).softmax(0)
    return torch.zeros(10).index_add(0, probabilities.argmax(1), weights)


def test_right_answers_pass(capsys):
    exercises.wanted_probability(wanted_probability)
    exercises.unlike_any(unlike_any)
    exercises.best_alpha(best_alpha)
    exercises.tilted_shares(tilted_shares)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 5 + 4 + 6 + 4
    assert "NO" not in printed


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda z, wanted: z[:, list(wanted)].sum(1), "Probabilities first"),
        (lambda z, wanted: z.sigmoid()[:, list(wanted)].sum(1), "Probabilities first"),
        (lambda z, wanted: z[:, list(wanted)].softmax(1).sum(1), "Probabilities first"),
        (lambda z, wanted: z.softmax(0)[:, list(wanted)].sum(1), "Probabilities first"),
        (lambda z, wanted: z.softmax(1)[:, list(wanted)].max(1).values, "Probabilities first"),
        (lambda z, wanted: z.softmax(1)[:, list(wanted)].mean(1), "Probabilities first"),
        (lambda z, wanted: torch.isin(z.argmax(1), torch.tensor(wanted)).float(), "Probabilities first"),
        (lambda z, wanted: z.softmax(1)[:, list(wanted)], "shape"),
        (lambda z, wanted: z.softmax(1)[:, ::2].sum(1), "Probabilities first"),
        (lambda z, wanted: z.exp()[:, list(wanted)].sum(1) / z.exp().sum(1), "overflows"),
    ],
)
def test_wrong_rewards_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.wanted_probability(wrong)


def distances(a, b):
    return torch.cdist(a.flatten(1), b.flatten(1))


def near_itself(images, real):
    return (distances(images, real).min(1).values > distances(real, real).min(1).values.max()).float().mean()


def to_the_mean(images, real):
    return (distances(images, real).mean(1) > distances(real, real).mean(1).max()).float().mean()


def from_the_farthest(images, real):
    return (distances(images, real).max(1).values > distances(real, real).max()).float().mean()


def mean_reach(images, real):
    own = distances(real, real).fill_diagonal_(math.inf).min(1).values
    return (distances(images, real).min(1).values > own.mean()).float().mean()


def how_many(images, real):
    return len(images) * unlike_any(images, real)


def the_likes(images, real):
    return 1 - unlike_any(images, real)


def the_other_way_round(images, real):
    return unlike_any(real, images)


@pytest.mark.parametrize(
    "wrong", [near_itself, to_the_mean, from_the_farthest, mean_reach, how_many, the_likes, the_other_way_round]
)
def test_wrong_distances_fail(wrong):
    with pytest.raises(AssertionError, match="nearest"):
        exercises.unlike_any(wrong)


def choosing(key="judge", off_data=0.02, within=0.8, smallest=0.5, otherwise=math.inf):
    def choose(rows):
        good = [r for r in rows if r["off_data"] <= off_data and r["within"] >= within and r["smallest"] >= smallest]
        return max(good, key=lambda row: row[key])["alpha"] if good else otherwise

    return choose


@pytest.mark.parametrize(
    "wrong",
    [
        choosing("reward"),
        choosing(off_data=1.0),
        choosing(within=0.0),
        choosing(smallest=0.0),
        choosing(otherwise=0.0),
        choosing("alpha"),
        lambda rows: min(row["alpha"] for row in rows if row["off_data"] <= 0.02),
        lambda rows: rows[-1]["alpha"],
        lambda rows: best_alpha(rows[1:]),
        lambda rows: 0.1,
    ],
)
def test_wrong_choices_fail(wrong):
    with pytest.raises(AssertionError, match="NO"):
        exercises.best_alpha(wrong)


def by_labels(probabilities, tau_eff, wanted):
    r = torch.isin(probabilities.argmax(1), torch.tensor(list(wanted))).float()
    return torch.zeros(10).index_add(0, probabilities.argmax(1), (tau_eff * r).softmax(0))


def not_divided(probabilities, tau_eff, wanted):
    weights = (tau_eff * probabilities[:, list(wanted)].sum(1)).exp()
    return torch.zeros(10).index_add(0, probabilities.argmax(1), weights)


def softly(probabilities, tau_eff, wanted):
    return (tau_eff * probabilities[:, list(wanted)].sum(1)).softmax(0) @ probabilities


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (by_labels, "not whether the likeliest"),
        (not_divided, "divided by their sum"),
        (softly, "the images that are it"),
        (lambda p, s, wanted: tilted_shares(p, 1 / (s + 1e-9), wanted), "divided by their sum"),
        (lambda p, s, wanted: tilted_shares(p, s, (0, 2, 4, 6, 8)), "not whether the likeliest"),
        (lambda p, s, wanted: p.argmax(1).bincount(minlength=10) / len(p), "divided by their sum"),
        (lambda p, s, wanted: tilted_shares(p, s, wanted)[list(wanted)], "shape"),
    ],
)
def test_wrong_shares_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.tilted_shares(wrong)
