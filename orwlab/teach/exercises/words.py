"""Checks of notebook 10, on words: the contrastive loss, guidance, weights within each prompt, low-rank changes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from orwlab import targets, velocity, weights
from orwlab.teach import checks


@checks.exercise
def contrastive_loss(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """10.1: ``answer(logits, also)``: (n, n) each -> the contrastive loss, the mean over both directions.

    ``logits[i, j]`` says how well picture i and sentence j fit; ``also[i, j]`` whether sentence j is true of picture i
    too, in which case the pair counts neither way; on the diagonal it is False.
    """
    none = torch.zeros(2, 2, dtype=torch.bool)
    rows = (
        "In each row the right one is on the diagonal: `cross_entropy` with `torch.arange(n)`. Then columns likewise."
    )
    checks.close("all fit alike, two of each", answer(torch.zeros(2, 2), none.clone()), 0.6931, 1e-3, hint=rows)
    good = torch.tensor([[5.0, 0.0], [0.0, 5.0]])
    checks.close("each fits its own", answer(good.clone(), none.clone()), 0.0067, 1e-3, hint=rows)
    leaning = torch.tensor([[2.0, 4.0, 0.0], [0.0, 3.0, 0.0], [0.0, 4.0, 1.0]])
    exact = (F.cross_entropy(leaning, torch.arange(3)) + F.cross_entropy(leaning.T, torch.arange(3))) / 2
    both = "Pictures choose among sentences, and sentences among pictures: rows and columns, half of each."
    checks.close(
        "one sentence pleases all", answer(leaning.clone(), torch.zeros(3, 3, dtype=torch.bool)), exact, 1e-4, hint=both
    )
    also = torch.tensor([[False, True, False], [True, False, False], [False, False, False]])
    logits = torch.tensor([[2.0, 6.0, 0.0], [5.0, 2.0, 1.0], [0.0, 1.0, 3.0]])
    masked = logits.masked_fill(also, -torch.inf)
    exact = (F.cross_entropy(masked, torch.arange(3)) + F.cross_entropy(masked.T, torch.arange(3))) / 2
    left = "What is true too is no rival: give it the logit minus infinity, and it takes no share."
    checks.close("two are true of each other", answer(logits.clone(), also.clone()), exact, 1e-4, hint=left)


def _field(mean: float, std: float) -> velocity.MixtureField:
    weight, place = torch.ones(1), torch.tensor([[mean]])
    return velocity.MixtureField(targets.GaussianMixture(weight, place, torch.tensor([[[std**2]]])))


@checks.exercise
def guided(answer: Callable[[Callable[..., Tensor], Callable[..., Tensor], float], Any]) -> None:
    """10.2: ``answer(v, v_null, scale)`` -> the guided velocity, a function of t and x.

    ``v(t, x)`` is told the sentence, ``v_null(t, x)`` nothing. At scale 1 it is v, at 0 v_null.
    """
    told, untold = _field(2.0, 0.5), _field(0.0, 1.5)
    x, t = torch.linspace(-3, 4, 15)[:, None], torch.tensor(0.6)
    line = "A line through both answers: start at the one without a sentence, and go scale times the way to the other."
    kind = "Return a function of t and x, time first; call both networks inside of it."
    for scale in (1.0, 0.0, 3.0):
        v = answer(told, untold, scale)
        checks.holds(f"scale {scale:g}: a function comes back", callable(v), hint=kind)
        exact = untold(t, x) + scale * (told(t, x) - untold(t, x))
        checks.close(f"scale {scale:g}: largest error", (v(t, x) - exact).abs().max(), 0.0, 1e-4, hint=line)
    other = torch.tensor(0.2)
    v = answer(told, untold, 2.0)
    later = "It must ask both networks at the t and x of the call."
    checks.close("another t", (v(other, x) - 2 * told(other, x) + untold(other, x)).abs().max(), 0.0, 1e-4, hint=later)


@checks.exercise
def weights_within(answer: Callable[[Tensor, Sequence[int], float], Any]) -> None:
    """10.3: ``answer(r, prompts, tau)`` -> weights (n,), of mean one within each prompt.

    ``r`` (n,) are rewards, ``prompts`` (n,) says to which prompt each sample belongs, in any order; the weight is
    ``exp(tau r)`` over its mean among the samples of the same prompt.
    """
    same = "Divide by the mean of the samples of the *same* prompt: one softmax for each prompt, times how many it has."
    one = torch.tensor([1.0, 1.0, 1.0])
    checks.close(
        "equal rewards: the largest weight", _at("max", answer(one.clone(), [0, 0, 0], 2.0)), 1.0, 1e-5, hint=same
    )
    r = torch.tensor([0.0, 5.0, 1.0, 6.0])
    found = answer(r.clone(), [0, 1, 0, 1], 1.0)
    exact = torch.tensor([0.5379, 0.5379, 1.4621, 1.4621])
    order = "Samples of a prompt need not stand beside each other: pick them with `prompts == k`."
    checks.close("an easy and a hard prompt: largest error", _off(found, exact), 0.0, 1e-3, hint=f"{same} {order}")
    generator = torch.Generator().manual_seed(0)
    r, prompts = torch.randn(24, generator=generator), (torch.randperm(24, generator=generator) % 3).tolist()
    exact = torch.zeros(24)
    for k in range(3):
        rows = torch.tensor([row for row, prompt in enumerate(prompts) if prompt == k])
        exact[rows] = weights.log_weights(r[rows], 3.0, "mean_one").exp()
    checks.close(
        "three prompts, tau 3: largest error", _off(answer(r.clone(), prompts, 3.0), exact), 0.0, 1e-3, hint=order
    )
    large = r + 1000 * torch.tensor([float(prompt) for prompt in prompts])
    over = "What is added to all rewards of a prompt must not matter, and exp(3000) is no number here: `softmax`."
    checks.close("the same, 1,000 a prompt added", _off(answer(large, prompts, 3.0), exact), 0.0, 1e-2, hint=over)


def _at(name: str, w: Any) -> Any:
    return getattr(torch.as_tensor(w), name)()


def _off(found: Any, exact: Tensor) -> Any:
    found = torch.as_tensor(found)
    return (found - exact.to(found)).abs().max() if found.shape == exact.shape else float("nan")


@checks.exercise
def best_adapter(answer: Callable[[Tensor, int], Any]) -> None:
    """10.4: ``answer(change, rank)`` -> ``up`` (outputs, rank), ``down`` (rank, inputs), with ``up @ down`` nearest.

    ``change`` (outputs, inputs) is what should be added to a weight; nearest: the least sum of squares is left.
    """
    generator = torch.Generator().manual_seed(1)
    change = torch.randn(6, 4, generator=generator)
    svd = (
        "`torch.linalg.svd(change, full_matrices=False)` gives U, S, Vh: change = U diag(S) Vh. Keep the largest of S."
    )
    up, down = answer(change.clone(), 2)
    checks.close("rank 2 of 6 x 4: rows and columns of up", 10 * up.shape[0] + up.shape[1], 62, 1e-9, hint=svd)
    checks.close("rank 2: rows and columns of down", 10 * down.shape[0] + down.shape[1], 24, 1e-9, hint=svd)
    values = torch.linalg.svdvals(change)
    least = "The least that can be left is the sum of the squares of the other singular values (Eckart and Young)."
    checks.close(
        "rank 2: what is left", (change - up @ down).square().sum(), values[2:].square().sum(), 1e-4, hint=least
    )
    up, down = answer(change.clone(), 4)
    checks.close("rank 4: what is left", (change - up @ down).abs().max(), 0.0, 1e-4, hint=least)
    single = torch.outer(torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, -1.0]))
    up, down = answer(single.clone(), 1)
    checks.close("a change that has rank 1", (single - up @ down).abs().max(), 0.0, 1e-5, hint=svd)
