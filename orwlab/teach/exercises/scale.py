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

    def fields(sigma: Any, x: Tensor) -> Tensor:
        """E[noise - data | x] of N(mean, std^2 I), x = (1 - sigma) data + sigma noise."""
        apart = (x - (1 - sigma) * mean) / ((1 - sigma) ** 2 * std**2 + sigma**2)
        return sigma * apart - mean - (1 - sigma) * std**2 * apart

    def output(x: Tensor, timestep: Any) -> Tensor:  # one time step for all, or (n,)
        sigma = torch.as_tensor(timestep, dtype=D).reshape(-1, 1) / 1000
        return fields(sigma, x)

    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=D)
    unit = "The time step is 1000 sigma, a number from 0 to 1000."
    sign = "Their output points from data to noise, and v from noise to data."
    time = "At t = 0 all is noise: which sigma is that, and which time step?"
    middle = checks.shaped("t = 0.5, where both clocks show the same", answer(output, 0.5, x.clone()), (6, 2))
    exact = -fields(0.5, x)
    checks.same("t = 0.5, where both clocks show the same: size", middle.abs(), exact.abs(), 1e-6, hint=unit)
    checks.same("t = 0.5: sign", middle, exact, 1e-6, hint=sign)
    for t in (0.0, 0.2, 0.9):
        checks.same(f"t = {t:g}", answer(output, t, x.clone()), -fields(1 - t, x), 1e-6, hint=time)


@checks.exercise
def gathered_weights(answer: Callable[[Tensor, Tensor, float], Any]) -> None:
    """14.2: ``answer(r, prompt, tau)`` -> w (machines, m): exp(tau r), over its mean over all images of the prompt.

    Rewards r (machines, m), and the number of each image's prompt (machines, m).
    """
    r = torch.tensor([[0.0, 1.0], [2.0, 3.0]], dtype=D)
    one = torch.zeros(2, 2, dtype=torch.long)
    e = r.exp()
    size = "Weights of mean one: the sum over a prompt is the number of its images."
    gather = "Images of one prompt lie on several machines: the mean is over all of them, and not over one machine's."
    first = checks.shaped("one prompt on two machines", answer(r.clone(), one, 1.0), (2, 2))
    checks.close("one prompt on two machines: sum", first.sum(), 4.0, 1e-5, hint=size)
    checks.same("one prompt on two machines", first, e / e.mean(), 1e-6, hint=gather)
    two = torch.tensor([[0, 1], [1, 0]])
    means = torch.tensor([[e[0, 0] + e[1, 1], e[0, 1] + e[1, 0]], [e[0, 1] + e[1, 0], e[0, 0] + e[1, 1]]], dtype=D) / 2
    apart = "Each prompt has a mean of its own, else the easy prompts get all the weight."
    checks.same("two prompts, mixed", answer(r.clone(), two, 1.0), e / means, 1e-6, hint=apart)
    generator = torch.Generator().manual_seed(1)
    r = torch.randn(4, 6, generator=generator, dtype=D)
    prompt = torch.arange(24).reshape(4, 6) % 3
    w = checks.shaped("four machines, three prompts", answer(r.clone(), prompt, 2.0), (4, 6)).double()
    sums = torch.stack([w[prompt == k].mean() for k in range(3)])
    checks.same("four machines, three prompts: mean of each prompt", sums, torch.ones(3, dtype=D), 1e-6, hint=apart)
    chosen = prompt == 1
    slope = float((w[chosen].log()[0] - w[chosen].log()[1]) / (r[chosen][0] - r[chosen][1]))
    checks.close("log weight over reward, tau = 2", slope, 2.0, 1e-5, hint="The exponent is tau times the reward.")
    large = "exp(1000) is too large, and exp(-1000) is 0: use a softmax within each prompt."
    far = torch.tensor([[1000.0, 0.0], [1000.0, 0.0]], dtype=D)
    apart_by_1000 = answer(far, torch.tensor([[0, 1], [0, 1]]), 1.0)
    checks.same("a prompt with rewards of 1000, one with 0", apart_by_1000, torch.ones(2, 2, dtype=D), 1e-6, hint=large)


@checks.exercise
def share_of_drawing(answer: Callable[[int, int, bool], Any]) -> None:
    """14.3: ``answer(sampler_steps, steps_per_round, checkpointing)`` -> the share of a round that goes into drawing.

    Counted in evaluations, with adapters that learn: drawing an image asks the network once a sampler step. A gradient
    step asks, for each image, v_theta with its way back (2 in all, one more with checkpointing) and v_ref once.
    """
    drawing = "Drawing costs one evaluation a sampler step; is it part of the whole, too?"
    for steps, often in ((28, 1), (10, 1), (28, 8)):
        expected = steps / (steps + 3 * often)
        what = f"{steps} sampler steps, {often} gradient step{'s' if often > 1 else ''}"
        checks.close(what, answer(steps, often, False), expected, 1e-9, hint=drawing)
    again = "Checkpointing evaluates v_theta once more on the way back: 3 in place of 2, beside v_ref's 1."
    checks.close("28, 8, with checkpointing", answer(28, 8, True), 28 / (28 + 32), 1e-9, hint=again)


@checks.exercise
def time_with_failures(answer: Callable[[float, float, float], Any]) -> None:
    """14.4: ``answer(work, mtbf, restart)`` -> the mean hours until ``work`` hours have passed without a failure.

    Failures come at random, one in ``mtbf`` hours of work on average; each one throws away what was done, and
    ``restart`` hours pass before work begins anew.
    """
    known = "Without a restart it is the formula of the text, M (exp(H / M) - 1)."
    for work, mtbf in ((1.0, 1000.0), (10.0, 20.0), (24.0, 8.0)):
        expected = mtbf * math.expm1(work / mtbf)
        what = f"{work:g} hour{'s' if work > 1 else ''}, a failure in {mtbf:g}, no restart"
        checks.close(what, answer(work, mtbf, 0.0), expected, 1e-6 * expected, hint=known)
    each = "Every failure costs the restart, and there are exp(H / M) - 1 of them on average."
    for work, mtbf, restart in ((10.0, 10.0, 0.5), (24.0, 8.0, 2.0)):
        expected = (mtbf + restart) * math.expm1(work / mtbf)
        what = f"{work:g} hours, a failure in {mtbf:g}, {restart:g} to restart"
        checks.close(what, answer(work, mtbf, restart), expected, 1e-6 * expected, hint=each)
    generator = torch.Generator().manual_seed(2)
    failures = torch.empty(40_000, 60, dtype=D).exponential_(1 / 10.0, generator=generator)
    tries = (failures > 10.0).int().argmax(1)  # the first stretch that passes
    lost = ((failures + 0.5) * (torch.arange(60) < tries[:, None])).sum(1)
    checks.close(
        "simulated, 10 hours, a failure in 10, half an hour",
        (lost + 10.0).mean(),
        answer(10.0, 10.0, 0.5),
        0.5,
        hint=each,
    )
