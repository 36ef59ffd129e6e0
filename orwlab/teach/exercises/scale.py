"""Checks of notebook 14, at scale: another library's sign, weights across machines, what a round costs, failures."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from orwlab.teach import checks

D = torch.float64


@checks.exercise
def velocity_from(answer: Callable[[Callable[[Tensor, float], Tensor], float, Tensor], Any]) -> None:
    """14.1: ``answer(output, t, x)`` -> v(t, x), from a network ``output(x, timestep)`` with another library's signs.

    There sigma = 1 - t is the share of noise, the time step is 1000 sigma, and the output is noise minus data.
    """
    mean, std = torch.tensor([1.0, -2.0], dtype=D), 0.5

    def fields(sigma: float, x: Tensor) -> Tensor:
        """E[noise - data | x] of N(mean, std^2 I), x = (1 - sigma) data + sigma noise."""
        apart = (x - (1 - sigma) * mean) / ((1 - sigma) ** 2 * std**2 + sigma**2)
        return sigma * apart - mean - (1 - sigma) * std**2 * apart

    def output(x: Tensor, timestep: float) -> Tensor:
        return fields(float(timestep) / 1000, x)

    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=D)
    sign = "Their output points from data to noise, and v from noise to data."
    time = "At t = 0 all is noise: which sigma is that, and which time step?"
    middle = answer(output, 0.5, x.clone())
    checks.same("t = 0.5, where both clocks show the same", middle, -fields(0.5, x), 1e-9, hint=sign)
    for t in (0.0, 0.2, 0.9):
        checks.same(f"t = {t:g}", answer(output, t, x.clone()), -fields(1 - t, x), 1e-9, hint=time)


@checks.exercise
def gathered_weights(answer: Callable[[Tensor, Tensor, float], Any]) -> None:
    """14.2: ``answer(r, prompt, tau)`` -> w (ranks, m): exp(tau r), divided by its mean over all images of the prompt.

    Rewards r (ranks, m), and the number of each image's prompt (ranks, m).
    """
    r = torch.tensor([[0.0, 1.0], [2.0, 3.0]], dtype=D)
    one = torch.zeros(2, 2, dtype=torch.long)
    e = r.exp()
    gather = "Images of one prompt lie on several ranks: the mean is over all of them, and not over a rank's."
    checks.same("one prompt on two ranks", answer(r.clone(), one, 1.0), e / e.mean(), 1e-9, hint=gather)
    two = torch.tensor([[0, 1], [1, 0]])
    expected = e / torch.tensor([[e[0, 0] + e[1, 1], e[0, 1] + e[1, 0]]] * 2, dtype=D)[[[0, 0], [0, 0]], two] * 2
    apart = "Each prompt has a mean of its own, else the easy prompts get all the weight."
    checks.same("two prompts, mixed", answer(r.clone(), two, 1.0), expected, 1e-9, hint=apart)
    generator = torch.Generator().manual_seed(1)
    r = torch.randn(4, 6, generator=generator, dtype=D)
    prompt = torch.arange(24).reshape(4, 6) % 3
    w = checks.shaped("four ranks, three prompts", answer(r.clone(), prompt, 2.0), (4, 6)).double()
    means = torch.stack([w[prompt == k].mean() for k in range(3)])
    checks.same("four ranks, three prompts: mean of each prompt", means, torch.ones(3, dtype=D), 1e-9, hint=apart)
    chosen = prompt == 1
    slope = float((w[chosen].log()[0] - w[chosen].log()[1]) / (r[chosen][0] - r[chosen][1]))
    checks.close("log weight over reward, tau = 2", slope, 2.0, 1e-6, hint="The exponent is tau times the reward.")
    high = answer(torch.full((2, 2), 1000.0, dtype=D), one, 1.0)
    checks.same(
        "all rewards 1000", high, torch.ones(2, 2, dtype=D), 1e-9, hint="exp(1000) is too large: use a softmax."
    )


@checks.exercise
def share_of_drawing(answer: Callable[[int, int, bool], Any]) -> None:
    """14.3: ``answer(sampler_steps, steps_per_round, checkpointing)`` -> the share of a round that goes into drawing.

    Counted in evaluations: drawing an image asks the network once a sampler step. A gradient step asks, for each image,
    v_theta with its gradient (3 evaluations' worth, one more with checkpointing) and v_ref once.
    """
    drawing = "Drawing costs one evaluation a sampler step; is it part of the whole, too?"
    for steps, often in ((28, 1), (10, 1), (28, 8)):
        expected = steps / (steps + 4 * often)
        what = f"{steps} sampler steps, {often} gradient step{'s' if often > 1 else ''}"
        checks.close(what, answer(steps, often, False), expected, 1e-9, hint=drawing)
    again = "Checkpointing evaluates v_theta once more on the way back: 4 in place of 3, beside v_ref's 1."
    checks.close("28, 8, with checkpointing", answer(28, 8, True), 28 / (28 + 40), 1e-9, hint=again)


@checks.exercise
def time_with_failures(answer: Callable[[float, float], Any]) -> None:
    """14.4: ``answer(work, mtbf)`` -> the hours it takes on average until ``work`` hours pass without a failure.

    Failures come at random, one in ``mtbf`` hours on average; each one throws away what was done, and it begins anew.
    """
    first = "Half of a stretch is lost with each failure, on average, if failures are rare: work + work^2 / (2 mtbf)."
    checks.close("1 hour, a failure in 1000", answer(1.0, 1000.0), 1000 * math.expm1(1 / 1000), 1e-6, hint=first)
    exact = (
        "Exactly: it ends after `work` hours with probability e^(-work/mtbf); else what was done is lost, and the same "
        "time lies ahead once more."
    )
    for work, mtbf in ((10.0, 20.0), (10.0, 10.0), (24.0, 8.0)):
        what = f"{work:g} hours, a failure in {mtbf:g}"
        expected = mtbf * math.expm1(work / mtbf)
        checks.close(what, answer(work, mtbf), expected, 1e-6 * expected, hint=exact)
    generator = torch.Generator().manual_seed(2)
    failures = torch.empty(40_000, 60, dtype=D).exponential_(1 / 10.0, generator=generator)
    tries = (failures > 10.0).int().argmax(1)  # the first stretch that passes
    lost = (failures * (torch.arange(60) < tries[:, None])).sum(1)
    checks.close("simulated, 10 hours, a failure in 10", (lost + 10.0).mean(), answer(10.0, 10.0), 0.4, hint=exact)
