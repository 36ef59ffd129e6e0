"""Checks of notebook 05: a loss to repair, its minimiser, an alpha read off a refresh, rates, an alpha, the loop."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from orwlab import rewards, targets, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.methods.orw import FineTuning
from orwlab.teach import checks

_RIGHT = rewards.get("right")


@checks.exercise
def pointwise_minimiser(minimiser: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """``minimiser(u, w, v_ref, alpha)``: u (n, d), w (n,), v_ref (d,) -> the best v (d,) at one (t, x_t)."""
    generator = torch.Generator().manual_seed(0)
    u, w = torch.randn(400, 2, generator=generator), (2 * torch.randn(400, generator=generator)).exp()
    v_ref = torch.tensor([1.0, -2.0])
    for alpha in (0.0, 0.7, 50.0):
        v = checks.shaped("the best v", minimiser(u, w, v_ref, alpha), (2,)).clone().requires_grad_()
        loss = (w * (v - u).square().sum(1)).mean() + alpha * (v - v_ref).square().sum()
        (slope,) = torch.autograd.grad(loss, v)
        hint = "One ratio of two means: mean(w u) + alpha v_ref over mean(w) + alpha. Not a mean of ratios."
        checks.below(f"slope of the loss at alpha {alpha:g}", slope.norm() / (w.mean() + alpha), 1e-4, hint=hint)


@checks.exercise
def alpha_behind(find: Callable[[Tensor, Tensor, Tensor], float]) -> None:
    """``find(p, w, q_1)``: the alpha of a first refresh, from masses p of p_ref's cells, raw weights w, masses q_1."""
    for name, tau, alpha in (("three_modes_1d", 1.0, 0.5), ("two_modes_1d", 2.0, 4.0), ("three_modes_1d", 1.0, 0.0)):
        dynamics = PopulationDynamics(targets.get(name), _RIGHT, tau=tau, alpha=alpha)
        p = dynamics.reference_density / dynamics.reference_density.sum()
        w = (tau * dynamics.reward_values).exp()
        dynamics.step()
        found = find(p.clone(), w.clone(), dynamics.density / dynamics.density.sum())
        hint = (
            "q_1 (Z + alpha) = p (w + alpha) holds in every cell, and in every sum over cells. Solve one that does not "
            "divide by nothing. Z is the mean of w under p, and it is not 1."
        )
        checks.close(f"{name}, tau {tau:g}: alpha", found, alpha, 1e-3 * (1 + alpha), hint=hint)


@checks.exercise
def rounds_needed(rounds: Callable[[float, float, float], int]) -> None:
    """``rounds(Z, alpha, factor)``: refreshes until a weak tilt's distance to the limit has shrunk by ``factor``."""
    for Z, alpha, factor in ((1.0, 1.0, 1000.0), (1.0, 0.1, 100.0), (2.5, 10.0, 50.0), (1.0, 1.0, 1024.0)):
        exact = math.ceil(math.log(factor) / math.log((Z + alpha) / Z) - 1e-9)
        hint = "The distance is multiplied by Z / (Z + alpha) a round."
        checks.close(
            f"Z {Z:g}, alpha {alpha:g}, factor {factor:g}: rounds", rounds(Z, alpha, factor), exact, 0.0, hint=hint
        )


@checks.exercise
def repaired_loss(loss: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """``loss(v_t, u_t, v_ref_t, w, alpha)``: the repaired loss of ORW-CFM-W2, velocities (n, d), w (n,) -> scalar."""
    generator = torch.Generator().manual_seed(3)
    v_t, u_t, v_ref_t = torch.randn(3, 64, 2, generator=generator)
    w = 3 * torch.rand(64, generator=generator) + 0.5
    checks.close("all velocities equal", loss(v_t, v_t, v_t, w, 3.0), 0.0, 1e-6)
    far = float((v_t - v_ref_t).square().sum(1).mean())
    hint = "w belongs to x1 and to the first term alone: the penalty is the plain mean of |v_t - v_ref_t|^2."
    checks.close("fit term zero, alpha 1: the penalty", loss(v_t, v_t, v_ref_t, w, 1.0), far, 1e-4, hint=hint)
    expected = float((w * (v_t - u_t).square().sum(1)).mean())
    hint = "|.|^2 sums over the coordinates of one sample; the mean is over samples, after the weight."
    checks.close("alpha 0", loss(v_t, u_t, v_ref_t, w, 0.0), expected, 1e-4, hint=hint)
    both = loss(v_t, u_t, v_ref_t, w, 2.5)
    checks.close(
        "both terms, alpha 2.5", both, expected + 2.5 * far, 1e-4 * (expected + far), hint="fit + alpha penalty."
    )
    asked = v_t.clone().requires_grad_()
    value = loss(asked, u_t, v_ref_t, w, 2.5)
    follows = isinstance(value, Tensor) and value.requires_grad
    hint = "A loss is trained on: return a tensor, and detach nothing that depends on v_t."
    checks.holds("a gradient comes back to the policy's velocity", follows, hint=hint)
    (slope,) = torch.autograd.grad(value, asked)
    right = (2 * w[:, None] * (v_t - u_t) + 2.5 * 2 * (v_t - v_ref_t)) / len(w)
    checks.below("largest error of that gradient", (slope - right).abs().max(), 1e-5, hint=hint)


@checks.exercise
def alpha_for(alpha: float) -> None:
    """The alpha at which the exact limit on two modes (reward right, tau 1, raw weights) has mean reward 0.5."""
    hint = "The mean reward falls as alpha grows: halve an interval of alphas."
    alpha = float(alpha)
    if not 0.01 <= alpha <= 100:
        raise AssertionError(f"alpha is {alpha:g}, expected a number between 0.01 and 100.\n{hint}")
    limit = PopulationDynamics(targets.get("two_modes_1d"), _RIGHT, tau=1.0, alpha=alpha)
    limit.fixed_point(1e-6)
    checks.close("mean reward of the exact limit at your alpha", limit.mean_reward, 0.5, 0.005, hint=hint)


@checks.exercise
def visible_loop(train: Callable[..., tuple[object, list[float]]]) -> None:
    """``train(reference, reward, tau, alpha, rounds, seed)``: draws and policy are those of ``FineTuning``."""
    reference = zoo.load("eight_gaussians")
    t, x = torch.tensor(0.5), torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    before = reference(t, x).detach().clone()
    cases = (
        (
            1.0,
            0.0,
            "bump",
            "Is w = exp(tau r) in the first term alone, and is each draw from the policy as it is by then?",
        ),
        (0.5, 2.0, "right", "The penalty: the same (t, x_t) as the fit, a sum over coordinates, no weights."),
    )
    for tau, alpha, name, hint in cases:
        reward = rewards.get(name)
        library = FineTuning(reference, reward, tau=tau, alpha=alpha, seed=4)
        expected = [s.reward for s in library.rounds(12)]
        answer = train(reference, reward, tau, alpha, 12, 4)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise AssertionError(f"expected the policy and a list of mean rewards, got {type(answer).__name__}.")
        seen = checks.shaped("mean rewards", torch.as_tensor(answer[1]), (12,))
        gaps = (seen - torch.tensor(expected)).abs()
        first = "Round 1 draws from the reference itself: noise, then flow.push, from this generator and in this order."
        checks.below(
            f"tau {tau:g}, alpha {alpha:g}, {name}: the first draw, against FineTuning", gaps[0], 1e-4, hint=first
        )
        checks.below(f"tau {tau:g}, alpha {alpha:g}, {name}: all twelve draws", gaps.max(), 1e-3, hint=hint)
        policy, kept = answer[0], "Return the network that was trained; the reference stays as it was."
        moved = float((policy(t, x) - library.policy(t, x)).detach().abs().max()) if callable(policy) else math.inf
        checks.below(f"tau {tau:g}, alpha {alpha:g}, {name}: the policy, against FineTuning's", moved, 1e-2, hint=kept)
        checks.below("what became of the reference", (reference(t, x).detach() - before).abs().max(), 1e-9, hint=kept)
