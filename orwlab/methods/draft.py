"""DRaFT and ReFL: follow the reward's slope through the sampler itself."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from orwlab import checks, losses
from orwlab.methods.cards import Card
from orwlab.methods.method import Method
from orwlab.methods.run import Numbers, Setting
from orwlab.rewards import Reward

_ONCE = Setting(
    lambda name, value: checks.integer(name, value, high=1), "1: the gradient goes through the draw itself."
)


class Draft(Method):
    """``-r(x_1)`` through the last Euler steps, plus the cost of leaving v_ref. Arguments as ``Method`` has them, and:

    Args:
        way_steps: Euler steps of the sampler, at least 2.
        last: through how many of them, the last ones, the gradient goes; all if None. DRaFT-K of the paper.
        held: whether the way's cost counts: ``lam int |v - v_ref|^2 dt`` with ``lam = 1 / (2 strength)``. Without it
            this is DRaFT as published, and strength only multiplies the learning rate.

    Held, and with the gradient through all steps, this is deterministic control: each particle is steered to where
    ``r(x_1) - lam int |u|^2 dt`` is largest. For data N(m, s^2 I) and r = c.x that shifts them by
    ``strength c s pi / 2``, as ``int_0^1 dt / ((1 - t)^2 + s^2 t^2) = pi / (2 s)``. A draw is used once.
    """

    card: ClassVar[Card] = Card(
        name="draft",
        title="DRaFT, the slope through the sampler",
        formula=r"-E\, r(x_1) + \lambda\, E \int |v_\theta - v_{ref}|^2 dt, \quad \dot x = v_\theta(t, x)",
        source="Clark et al. 2023, arXiv 2309.17400",
        read="its abstract, and others' code; the pull to v_ref is ours",
        idea="The sampler is differentiable: climb the reward through it.",
        dial="lambda = 1 / (2 strength)",
        goes_to="the best control of every particle; a known shift for Gaussian data and a linear reward (proved)",
        settles=True,
        gradient=True,
    )
    settings_names = (*Method.settings_names, "way_steps", "last", "held")
    steps_per_round = _ONCE

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        way_steps: int = 12,
        last: int | None = None,
        held: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(reference, reward, strength, seed, **more)
        self._uses_a_draw_once()
        self.way_steps = checks.integer("way_steps", way_steps, low=2)
        self.last = None if last is None else checks.integer("last", last, high=self.way_steps)
        self.held = checks.yes_or_no("held", held)

    def _draw(self) -> Tensor:
        """The noise that a round starts from: samples come while it learns."""
        return self._noise(self.batch_size)

    def _learn(self, x0: Tensor, c: Tensor | None = None) -> Numbers:
        h, x, spent = 1 / self.way_steps, x0, x0.new_zeros(())
        first = self.way_steps - (self.last or self.way_steps)  # the first step that learns
        for k in range(self.way_steps):
            learns = k >= first
            counts = learns and self.held  # whether what the step costs is learned from
            self.cost.add(forward=2 * len(x), backward=len(x) * (learns + (counts and x.requires_grad)))
            t = x.new_full((), k * h)
            with torch.set_grad_enabled(learns):
                v = self.policy(t, x)
                with torch.set_grad_enabled(counts):
                    spent = spent + h * losses.penalty(v, self.reference(t, x))
                x = x + h * v
        if not checks.all_finite(x):
            raise self._diverged("policy's samples")
        r, slope = self._slope(x.detach())
        loss = -(slope * x).flatten(1).sum(1).mean()  # whose gradient is that of -r
        if self.held:
            loss = loss + spent / (2 * self.strength)
        self._descend(loss)
        return Numbers(reward=float(r.mean()), penalty=float(spent.detach()), fit=-float(r.mean()))

    @property
    def _speed(self) -> float:
        return 1.0 if self.held else self.strength


class Refl(Method):
    """``-r`` of one look ahead from a late time, ``x_t + (1 - t) v(t, x_t)``. Arguments as ``Method`` has them, and:

    Args:
        way_steps: Euler steps of the sampler, at least 4; the look is from one of the last quarter, at random.

    The gradient goes through that one evaluation alone: cheap, and blind to all that comes before. A draw is used once.
    """

    card: ClassVar[Card] = Card(
        name="refl",
        title="ReFL, one late look",
        formula=r"-E\, r\left(x_t + (1 - t)\, v_\theta(t, x_t)\right), \quad t \text{ late, } x_t \text{ held fixed}",
        source="Xu et al. 2023, arXiv 2304.05977",
        read="in the authors' code, without its ReLU",
        idea="Look ahead from a late time, and climb the reward of what is seen.",
        dial="how fast it climbs: it multiplies the learning rate",
        goes_to="the best point that late steps can reach (expected)",
        settles=False,
        gradient=True,
    )
    settings_names = (*Method.settings_names, "way_steps")
    steps_per_round = _ONCE

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        way_steps: int = 12,
        **more: Any,
    ) -> None:
        super().__init__(reference, reward, strength, seed, **more)
        self._uses_a_draw_once()
        self.way_steps = checks.integer("way_steps", way_steps, low=4)

    def _draw(self) -> Tensor:
        """The noise that a round starts from."""
        return self._noise(self.batch_size)

    def _learn(self, x0: Tensor, c: Tensor | None = None) -> Numbers:
        n, h = self.way_steps, 1 / self.way_steps
        late = n - n // 4 + int(torch.randint(n // 4, (), generator=self.generator))
        x = x0
        with torch.no_grad():
            for k in range(late):
                x = x + h * self.policy(x.new_full((), k * h), x)
        if not checks.all_finite(x):
            raise self._diverged("policy's samples")
        t = x.new_full((), late * h)
        v, v_ref = self.policy(t, x), self.reference(t, x)
        self.cost.add(forward=(late + 2) * len(x), backward=len(x))
        seen = x + (1 - late * h) * v
        r, slope = self._slope(seen.detach())
        self._descend(-(slope * seen).flatten(1).sum(1).mean())
        return Numbers(reward=float(r.mean()), penalty=float(losses.penalty(v.detach(), v_ref)), fit=-float(r.mean()))

    @property
    def _speed(self) -> float:
        return self.strength
