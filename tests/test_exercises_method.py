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
    ],
)
def test_pointwise_minimiser(wrong, alpha):
    method.pointwise_minimiser(best)
    with pytest.raises(AssertionError, match=f"alpha {alpha}:"):
        method.pointwise_minimiser(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p, w, a: p * w / (p * w).sum(),
        lambda p, w, a: p * (w + a),
        lambda p, w, a: (p * w / (p * w).sum() + a * p) / (1 + a),  # forgets Z
        lambda p, w, a: p * (w + a).log() / (p * (w + a).log()).sum(),
        lambda p, w, a: p * w ** (1 / (1 + a)) / (p * w ** (1 / (1 + a))).sum(),
    ],
)
def test_first_refresh(wrong):
    method.first_refresh(lambda p, w, a: p * (w + a) / (p * (w + a)).sum())
    with pytest.raises(AssertionError, match="total variation"):
        method.first_refresh(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda Z, a, f: math.ceil(math.log(f) / -math.log(a / (Z + a))),
        lambda Z, a, f: math.ceil(math.log(f) * Z / (Z + a)),
        lambda Z, a, f: math.floor(math.log(f) / math.log((Z + a) / Z)),
        lambda Z, a, f: math.ceil(math.log(f) / math.log(1 + a)),
    ],
)
def test_rounds_needed(wrong):
    method.rounds_needed(lambda Z, a, f: math.ceil(math.log(f) / math.log((Z + a) / Z)))
    with pytest.raises(AssertionError, match="rounds"):
        method.rounds_needed(wrong)


def squares(a, b):
    return (a - b).square().sum(1)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda v, u, r, w, a: (w * (squares(v, u) + a * squares(v, r))).mean(), "ten times"),  # both weighed
        (lambda v, u, r, w, a: (w * squares(v, u)).mean() + a * (v - r).square().mean(), "u = "),  # mean over d
        (lambda v, u, r, w, a: w.mean() * squares(v, u).mean() + a * squares(v, r).mean(), "alpha 0"),
        (lambda v, u, r, w, a: (w * squares(v, u)).mean() - a * squares(v, r).mean(), "u = "),
        (lambda v, u, r, w, a: (w * squares(v, u)).mean() + a * squares(u, r).mean(), "ten times|equal|u = "),
    ],
)
def test_repaired_loss(wrong, where):
    method.repaired_loss(lambda v, u, r, w, a: (w * squares(v, u)).mean() + a * squares(v, r).mean())
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
        for _ in range(rounds):
            source = reference if wrong.get("offline") else policy
            x1 = flow.push(source, torch.randn(256, 2, generator=generator), reference.solver)
            w = (tau * reward(x1)).exp()
            seen.append(float(reward(x1).mean()))
            x0, t = torch.randn(256, 2, generator=generator), torch.rand(256, generator=generator)
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
        return policy, seen

    return train


@pytest.mark.parametrize(
    "mistake",
    [
        *("offline", "penalty_elsewhere", "wrong_sign", "weighted_penalty", "unweighted", "mean_over_coordinates"),
        "gradients_kept",
    ],
)
def test_the_visible_loop_is_the_library_s(mistake):
    method.visible_loop(loop())
    with pytest.raises(AssertionError, match="all twelve"):
        method.visible_loop(loop(**{mistake: True}))


@pytest.mark.parametrize("answer", [lambda *_: None, lambda *_: (None, [0.0]), lambda *_: [0.0] * 12])
def test_an_answer_of_another_shape_is_told_so(answer):
    with pytest.raises(AssertionError):
        method.visible_loop(answer)
