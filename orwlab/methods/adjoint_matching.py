"""Adjoint Matching: regress the velocity on what the reward's slope, carried back along the way, asks of it."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from orwlab import checks
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum, kl_tilt
from orwlab.methods import rollout
from orwlab.methods.cards import Card
from orwlab.methods.method import Method
from orwlab.methods.run import Numbers
from orwlab.rewards import Reward

STEPS = 20  # so many count as many


class AdjointMatching(Method):
    """Stochastic control as a regression. Arguments as ``Method`` has them, and:

    Args:
        noisy_steps: of the memoryless sampler, 2 to 10,000.

    With the steps of ``rollout``, ``x' = a x + b v + s z``, the lean adjoint starts from the reward's slope and goes
    back through the reference's steps,

        adjoint(1) = -strength grad r(x_1),    adjoint_k = (a + b grad v_ref(t_k, x_k))^T adjoint_(k+1),

    and the loss is ``sum_k b^2 / (2 s^2) |v - (v_ref - s^2 / b adjoint_(k+1))|^2``. In the limit of many steps s^2 / b
    is sigma^2 / 2, and the optimum is the tilt ``p_ref e^{strength r} / Z``, exactly (proved there, not here).
    """

    card: ClassVar[Card] = Card(
        name="adjoint_matching",
        title="Adjoint Matching",
        formula=r"E \int \frac{2}{\sigma_t^2} \left| v_\theta - v_{ref} + \tfrac{1}{2} \sigma_t^2\, a_t \right|^2 dt",
        source="Domingo-Enrich et al. 2024, arXiv 2409.08861",
        read="in the first author's code for diffusion models, and for flows in others' code",
        idea="Carry the reward's slope back through the reference's flow, and learn to lean that way.",
        dial="the tilt's inverse temperature, 1 / lambda",
        goes_to="the tilt exp(strength r) (proved for many steps and perfect fits)",
        settles=True,
        gradient=True,
        steps=True,
    )
    settings_names = (*Method.settings_names, "noisy_steps")
    leave: ClassVar = {"noisy_steps": lambda value: value >= STEPS}

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        noisy_steps: int = STEPS,
        **more: Any,
    ) -> None:
        super().__init__(reference, reward, strength, seed, **more)
        self.noisy_steps = checks.integer("noisy_steps", noisy_steps, low=2, high=10_000)
        self.way = rollout.way(self.noisy_steps, rollout.MEMORYLESS)

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return kl_tilt(cells, density, r, strength)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Samples, and all states on the way to them."""
        states = self._rolled(self.way)
        return states[-1], states

    def _learn(self, x1: Tensor, states: Tensor | None = None) -> Numbers:
        assert states is not None
        r, slope = self._slope(x1)
        v_ref, adjoint = self._carried_back(states, -self.strength * slope)
        move, spread = (rollout.column(self.way, what, states) for what in ("move", "spread"))
        target = v_ref - spread.square() / move * adjoint[1:]
        totals = torch.zeros(2)
        for _ in range(self.steps_per_round):
            batch = torch.randperm(len(x1), generator=self.generator)[: self.batch_size].to(self.device)
            v = self._asked_along(self.policy, self.way, states[:-1, batch], learning=True)
            loss = (move / spread * (v - target[:, batch])).flatten(2).square().sum(2).sum(0).mean() / 2
            self._descend(loss)
            penalty = (v.detach() - v_ref[:, batch]).flatten(2).square().sum(2).mean()
            totals += torch.stack([loss.detach(), penalty]).float().cpu()
        fit, penalty = (totals.double() / self.steps_per_round).tolist()
        return Numbers(reward=float(r.mean()), penalty=penalty, fit=fit)

    def _carried_back(self, states: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """``v_ref`` at all states, and the lean adjoint at each, (k, n, *event) and (k + 1, n, *event)."""
        adjoints, fields = [end], []
        for step, x in zip(reversed(self.way), reversed(states[:-1])):
            x = x.detach().requires_grad_()
            v_ref = self.reference(x.new_full((), step.t), x)
            (back,) = torch.autograd.grad(v_ref, x, adjoints[-1])
            self.cost.add(forward=len(x), backward=len(x))
            adjoints.append(step.keep * adjoints[-1] + step.move * back)
            fields.append(v_ref.detach())
        return torch.stack(fields[::-1]), torch.stack(adjoints[::-1])
