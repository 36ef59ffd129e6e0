"""Exercises of notebook 05: the right answer passes, each plausible wrong one fails where it should."""

import copy
import math

import pytest
import torch

from orwlab import flow, rewards, targets
from orwlab.oracle import PopulationDynamics
from orwlab.teach.exercises import method


def best(u, w, v_ref, alpha):
    return ((w[:, None] * u).mean(0) + alpha * v_ref) / (w.mean() + alpha)


@pytest.mark.parametrize(
    ("wrong", "alpha"),
    [
        (lambda u, w, v, a: ((w[:, None] * u + a * v) / (w[:, None] + a)).mean(0), "0"),  # a mean of ratios
        (lambda u, w, v, a: ((w[:, None] * u).sum(0) + a * v) / (w.sum() + a), "0.7"),  # sums against one alpha
        (lambda u, w, v, a: (w[:, None] * u).mean(0) / w.mean() + a * v, "0.7"),
        (lambda u, w, v, a: (u.mean(0) + a * v) / (1 + a), "0"),
        (lambda u, w, v, a: (w[:, None] * u).mean(0) + a * v, "0"),
        (lambda u, w, v, a: (w[:, None] * u).mean(0) / w.mean() * (1 - a / (1 + a)) + a / (1 + a) * v, "0.7"),
        (lambda u, w, v, a: (w[:, None] * u).mean(0) / w.mean(), "0.7"),  # no pull
        (lambda u, w, v, a: ((w[:, None] * u).mean() + a * v) / (w.mean() + a), "0"),  # over coordinates too
    ],
)
def test_pointwise_minimiser(wrong, alpha):
    method.pointwise_minimiser(best)
    with pytest.raises(AssertionError, match=f"alpha {alpha}:"):
        method.pointwise_minimiser(wrong)


def share_of_the_tilt(p, w, q):
    """Z / (Z + alpha), by total variations."""
    return (q - p).abs().sum() / (p * w / (p * w).sum() - p).abs().sum()


def from_the_share(p, w, q):
    share = share_of_the_tilt(p, w, q)
    return float((p * w).sum() * (1 - share) / share)


def from_the_mean_weight(p, w, q):
    Z, square, mean = (p * w).sum(), (p * w * w).sum(), (q * w).sum()
    return (square - Z * mean) / (mean - Z)


def from_one_cell(p, w, q):
    Z, k = (p * w).sum(), (p * w).argmax()
    return (p[k] * w[k] - Z * q[k]) / (q[k] - p[k])


@pytest.mark.parametrize("right", [from_the_share, from_the_mean_weight, from_one_cell])
def test_alpha_behind_takes_every_way_to_it(right):
    method.alpha_behind(right)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p, w, q: 1 / share_of_the_tilt(p, w, q) - 1,  # Z taken for 1
        lambda p, w, q: 1 - share_of_the_tilt(p, w, q),  # the reference's share of the mixture
        lambda p, w, q: ((p * w - w.mean() * q) / (q - p)).median(),  # Z as the mean over cells
        lambda p, w, q: ((p * w - (p * w).sum() * q) / (q - p)).mean(),  # over all cells, also where nothing is
        lambda p, w, q: ((q * w).sum() * p / q - w).mean(),
        lambda p, w, q: 0.5,
        lambda p, w, q: from_the_share(p, w, q) / float((p * w).sum()),  # that of weights of mean one
        lambda p, w, q: from_the_share(q, w, p),
    ],
)
def test_alpha_behind(wrong):
    with pytest.raises(AssertionError, match="alpha"):
        method.alpha_behind(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda Z, a, f: math.ceil(math.log(f) / -math.log(a / (Z + a))),
        lambda Z, a, f: math.ceil(math.log(f) * Z / (Z + a)),
        lambda Z, a, f: math.floor(math.log(f) / math.log((Z + a) / Z)),
        lambda Z, a, f: math.ceil(math.log(f) / math.log(1 + a)),
        lambda Z, a, f: int(math.log(f) / math.log((Z + a) / Z)) + 1,  # one too many where it is whole
        lambda Z, a, f: round(math.log(f) / math.log((Z + a) / Z)),
        lambda Z, a, f: math.log(f) / math.log((Z + a) / Z),
        lambda Z, a, f: math.ceil(f * Z / (Z + a)),
    ],
)
def test_rounds_needed(wrong):
    method.rounds_needed(lambda Z, a, f: math.ceil(math.log(f) / math.log((Z + a) / Z)))
    with pytest.raises(AssertionError, match="rounds"):
        method.rounds_needed(wrong)


def squares(a, b):
    return (a - b).square().sum(1)


def fit(v, u, w):
    return (w * squares(v, u)).mean()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda v, u, r, w, a: (w * (squares(v, u) + a * squares(v, r))).mean(), "the penalty"),  # both weighed
        # by weights of mean 1
        (lambda v, u, r, w, a: fit(v, u, w) + a * (w / w.mean() * squares(v, r)).mean(), "the penalty"),
        (lambda v, u, r, w, a: fit(v, u, w) + a * w.mean() * squares(v, r).mean(), "the penalty"),
        (lambda v, u, r, w, a: fit(v, u, w / w.mean()) + a * squares(v, r).mean(), "alpha 0"),
        (lambda v, u, r, w, a: fit(v, u, w) + a * (v - r).square().mean(), "the penalty"),  # mean over d
        (lambda v, u, r, w, a: w.mean() * squares(v, u).mean() + a * squares(v, r).mean(), "alpha 0"),
        (lambda v, u, r, w, a: fit(v, u, w) - a * squares(v, r).mean(), "the penalty"),
        (lambda v, u, r, w, a: fit(v, u, w) + a * squares(u, r).mean(), "both terms"),
        (lambda v, u, r, w, a: fit(v, u, w) + squares(v, r).mean(), "alpha 0"),  # without alpha
        (lambda v, u, r, w, a: fit(v, u, w) + a**2 * squares(v, r).mean(), "both terms"),
        (lambda v, u, r, w, a: (fit(v, u, w) + a * squares(v, r).mean()) / (1 + a), "the penalty"),
        (lambda v, u, r, w, a: fit(v, u, w) + a * squares(v, r).mean().sqrt(), "the penalty"),
        (lambda v, u, r, w, a: (fit(v, u, w) + a * squares(v, r).mean()).detach(), "a gradient comes back"),
        (lambda v, u, r, w, a: float((fit(v, u, w) + a * squares(v, r).mean()).detach()), "a gradient comes back"),
        (lambda v, u, r, w, a: fit(v, u, w) + a * squares(v.detach(), r).mean(), "error of that gradient"),
        (lambda v, u, r, w, a: fit(v.detach(), u, w) + a * squares(v, r).mean(), "error of that gradient"),
    ],
)
def test_repaired_loss(wrong, where):
    method.repaired_loss(lambda v, u, r, w, a: fit(v, u, w) + a * squares(v, r).mean())
    with pytest.raises(AssertionError, match=where):
        method.repaired_loss(wrong)


def test_alpha_for():
    low, high = 0.1, 3.0
    for _ in range(12):
        middle = (low * high) ** 0.5
        limit = PopulationDynamics(targets.get("two_modes_1d"), rewards.get("right"), alpha=middle)
        limit.fixed_point()
        low, high = (middle, high) if limit.mean_reward > 0.5 else (low, middle)
    method.alpha_for(low)
    for wrong in (1 / low, 1.15 * low, 0.5, 0.0, float("nan")):
        with pytest.raises(AssertionError, match=r"mean reward|0\.01 and 100"):
            method.alpha_for(wrong)


def loop(**wrong):
    """The loop of ORW-CFM-W2 in plain PyTorch, with a mistake if one is asked for."""

    def train(reference, reward, tau, alpha, rounds, seed=0):
        policy, seen = copy.deepcopy(reference), []
        adam = torch.optim.Adam(policy.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(seed)
        if wrong.get("not_copied"):
            policy = reference
            adam = torch.optim.Adam(policy.requires_grad_(True).parameters(), lr=1e-3)
        for n in range(rounds):
            source = reference if wrong.get("offline") else policy
            noise = torch.randn(256, 2, generator=generator)
            if n == 0 or not wrong.get("drawn_once"):
                x1 = flow.push(source, noise, reference.solver)
            w = (tau * reward(x1)).exp()
            if wrong.get("mean_one"):
                w = w / w.mean()
            if wrong.get("tau_forgotten"):
                w = reward(x1).exp()
            seen.append(float(reward(x1).mean()))
            x0, t = torch.randn(256, 2, generator=generator), torch.rand(256, generator=generator)
            if wrong.get("time_reversed"):
                t = 1 - t
            x_t, u_t = (1 - t[:, None]) * x0 + t[:, None] * x1, x1 - x0
            v_t, v_ref_t = policy(t, x_t), reference(t, x_t).detach()
            if wrong.get("penalty_elsewhere"):
                v_ref_t = reference(t, x0).detach()
            if wrong.get("wrong_sign"):
                u_t = x0 - x1
            fit = (w * (v_t - u_t).square().sum(1)).mean()
            penalty = ((w if wrong.get("weighted_penalty") else 1) * (v_t - v_ref_t).square().sum(1)).mean()
            if wrong.get("unweighted"):
                fit = (v_t - u_t).square().sum(1).mean()
            if wrong.get("mean_over_coordinates"):
                penalty = penalty / 2
            if not wrong.get("gradients_kept"):
                adam.zero_grad()
            (fit + alpha * penalty).backward()
            adam.step()
        return reference if wrong.get("reference_returned") else policy, seen

    return train


@pytest.mark.parametrize(
    "mistake",
    [
        *("offline", "penalty_elsewhere", "wrong_sign", "weighted_penalty", "unweighted", "mean_over_coordinates"),
        *("gradients_kept", "drawn_once", "mean_one", "tau_forgotten", "time_reversed"),
    ],
)
def test_the_visible_loop_is_the_library_s(mistake):
    method.visible_loop(loop())
    with pytest.raises(AssertionError, match="all twelve"):
        method.visible_loop(loop(**{mistake: True}))


@pytest.mark.parametrize("mistake", ["reference_returned", "not_copied"])
def test_the_policy_that_comes_back_is_the_trained_one_and_the_reference_is_left_alone(mistake):
    with pytest.raises(AssertionError, match=r"reference stays as it was|all twelve"):
        method.visible_loop(loop(**{mistake: True}))


@pytest.mark.parametrize("answer", [lambda *_: None, lambda *_: (None, [0.0]), lambda *_: [0.0] * 12])
def test_an_answer_of_another_shape_is_told_so(answer):
    with pytest.raises(AssertionError):
        method.visible_loop(answer)
