"""Flow-GRPO: DDPO's policy gradient for flows, held by the KL of every noisy step to the reference's."""

import math
from typing import Any, ClassVar

from torch import Tensor, nn

from orwlab import checks
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum, kl_tilt
from orwlab.methods import rollout
from orwlab.methods.cards import Card
from orwlab.methods.ddpo import Ddpo
from orwlab.rewards import Reward

STEPS = 20  # so many count as many


class FlowGrpo(Ddpo):
    """DDPO's loss and ``beta sum_k KL_k`` with ``beta = 1 / strength``. Arguments as ``Ddpo`` has them, and:

    Args:
        foresight: whether a step also answers for the KL of the steps that follow from it, which the published loss
            leaves out. Only then is this the gradient of ``E r - beta KL`` of the whole way (proved).

    The KL of a step is exact, ``|b_k (v - v_ref)|^2 / (2 s_k^2)``; at ``noise = sqrt 2`` and many steps the sum is
    ``int t / (1 - t) |v - v_ref|^2 dt``, a W2 term that minds late times most. The advantage is ``r - mean r``: to
    divide it by the rewards' deviation, as is usual, divides the temperature by the same number, which then changes
    from round to round.

    Two things keep this loss from the tilt ``p_ref e^{strength r} / Z``. Euler's first steps are wrong, and with little
    noise the end remembers them; and without foresight a step pays only for itself. The second weighs more (measured:
    eight Gaussians, memoryless, strength 2: mean reward 0.47, with foresight 0.57, tilt 0.59).
    """

    card: ClassVar[Card] = Card(
        name="flow_grpo",
        title="Flow-GRPO, policy gradient and KL",
        formula=r"-E \sum_k \min(\rho_k A, \mathrm{clip}(\rho_k) A) + \beta\, KL(p_\theta \| p_{ref})(x_{k+1} | x_k)",
        source="Liu et al. 2025, arXiv 2505.05470",
        read="in the authors' code, where the KL is times h, A over its deviation, and rho to the power 1 / dimension",
        idea="The policy gradient on noisy steps, and each step stays near the reference's.",
        dial="beta = 1 / strength",
        goes_to="near the tilt exp(strength r), where memory and the KL of later steps do not matter (measured)",
        settles=True,
        steps=True,
    )

    settings_names = (*Ddpo.settings_names, "foresight")
    leave: ClassVar = dict.fromkeys(("noisy_steps", "noise", "rule", "clip", "foresight"), lambda value: True)

    @classmethod
    def _is_sure(cls, settings: dict[str, Any]) -> bool:
        """Only with foresight and steps that forget where they began; else it comes near the tilt, and not there."""
        memoryless = settings["rule"] == "exact" and math.isclose(settings["noise"], rollout.MEMORYLESS, rel_tol=0.01)
        return bool(settings["foresight"]) and memoryless and settings["noisy_steps"] >= STEPS

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        foresight: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(reference, reward, strength, seed, **more)
        self.foresight = checks.yes_or_no("foresight", foresight)

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return kl_tilt(cells, density, r, strength)

    def _advantage(self, r: Tensor) -> Tensor:
        return r - r.mean()

    def _credit(self, A: Tensor, kl: Tensor) -> Tensor:
        if not self.foresight:
            return super()._credit(A, kl)
        later = kl.flip(0).cumsum(0).flip(0) - kl  # what the steps after each one cost
        return A - (later - later.mean(1, keepdim=True)) / self.strength

    def _total(self, gain: Tensor, kl: Tensor) -> Tensor:
        return (kl / self.strength - gain).sum(0).mean()

    @property
    def _speed(self) -> float:
        return 1.0
