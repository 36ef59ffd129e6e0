"""DDPO: the policy gradient on the sampler's own noisy steps, with a clipped ratio."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from orwlab import checks
from orwlab.methods import rollout
from orwlab.methods.cards import Card
from orwlab.methods.method import Method
from orwlab.methods.run import Numbers
from orwlab.rewards import Reward


class Ddpo(Method):
    """Make the steps likelier that led to good samples. Arguments as ``Method`` has them, and:

    Args:
        noisy_steps: of the sampler, 2 to 10,000.
        noise: its factor of sigma, 0.001 to 10: see ``rollout``.
        rule: "euler", the step of Flow-GRPO's code, or "exact"; DDPO's own sampler is DDIM with eta 1.
        clip: how far the ratio of a step's likelihoods counts, 0 to 1; with one gradient step a draw the ratio is 1.

    The gradient of a round is ``-E sum_k A grad log p_theta(x_(k+1) | x_k)`` at the states that a draw has left behind.
    """

    card: ClassVar[Card] = Card(
        name="ddpo",
        title="DDPO, policy gradient",
        formula=r"-E \sum_k \min(\rho_k A, \mathrm{clip}(\rho_k) A), \ \rho_k = p_\theta / p_{old}\,(x_{k+1} | x_k)",
        source="Black et al. 2023, arXiv 2305.13301",
        read="in the authors' code, which takes the ratio to the power 1 / dimension; here it is whole",
        idea="Sampling is a chain of decisions; reward the decisions that led to good ends.",
        dial="how fast it climbs: it multiplies the learning rate",
        goes_to="the best point there is: nothing holds it back (expected)",
        settles=False,
        steps=True,
    )
    settings_names = (*Method.settings_names, "noisy_steps", "noise", "rule", "clip")

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        noisy_steps: int = 10,
        noise: float = 0.7,
        rule: str = "euler",
        clip: float = 0.2,
        **more: Any,
    ) -> None:
        super().__init__(reference, reward, strength, seed, **more)
        self.noisy_steps = checks.integer("noisy_steps", noisy_steps, low=2, high=10_000)
        self.way = rollout.way(self.noisy_steps, noise, rule)
        self.noise, self.rule = float(noise), rule
        self.clip = checks.number("clip", clip, low=0.0, high=1.0)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Samples, and all states on the way to them."""
        states = self._rolled(self.way)
        return states[-1], states

    def _learn(self, x1: Tensor, states: Tensor | None = None) -> Numbers:
        assert states is not None
        r, way, here, there = self._rewards(x1), self.way, states[:-1], states[1:]
        keep, move, spread = (rollout.column(way, what, states) for what in ("keep", "move", "spread"))
        v_old, v_ref = (self._asked_along(network, way, here) for network in (self.policy, self.reference))
        A = self._credit(self._advantage(r), _half_square(move / spread * (v_old - v_ref)))
        totals = torch.zeros(2)
        for _ in range(self.steps_per_round):
            batch = torch.randperm(len(x1), generator=self.generator)[: self.batch_size].to(self.device)
            x, x_next, before, ref = (along[:, batch] for along in (here, there, v_old, v_ref))
            v = self._asked_along(self.policy, way, x, learning=True)
            z, z_old = ((x_next - keep * x - move * u) / spread for u in (v, before))
            rho = (_half_square(z_old) - _half_square(z)).clamp(-20, 20).exp()  # (k, n)
            gain = torch.minimum(rho * A[:, batch], rho.clamp(1 - self.clip, 1 + self.clip) * A[:, batch])
            self._descend(self._total(gain, _half_square(move / spread * (v - ref))))
            penalty = 2 * _half_square(v.detach() - ref).mean()
            totals += torch.stack([-gain.detach().sum(0).mean(), penalty]).float().cpu()
        fit, penalty = (totals.double() / self.steps_per_round).tolist()
        return Numbers(reward=float(r.mean()), penalty=penalty, fit=fit)

    def _advantage(self, r: Tensor) -> Tensor:
        return (r - r.mean()) / r.std().clamp_min(1e-6)

    def _credit(self, A: Tensor, kl: Tensor) -> Tensor:
        """What each step is held to have done, (k, n), from the advantage, (n,), and the steps' KL, (k, n)."""
        return A.expand_as(kl)

    def _total(self, gain: Tensor, kl: Tensor) -> Tensor:
        """The loss, of what every step gains and of its KL to the reference's step, (k, n) each."""
        return -gain.sum(0).mean()

    @property
    def _speed(self) -> float:
        return self.strength


def _half_square(z: Tensor) -> Tensor:
    """``|z|^2 / 2`` of each step and sample: (k, n, *event) -> (k, n)."""
    return z.flatten(2).square().sum(2) / 2
