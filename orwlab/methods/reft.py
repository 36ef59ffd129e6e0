"""ReFT: keep the samples whose reward passes a threshold, and fit the flow to them."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from orwlab import checks, flow
from orwlab.exact import laws
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum
from orwlab.methods.cards import Card
from orwlab.methods.method import Regression
from orwlab.rewards import Reward

LOOK = 4096  # samples of the reference that say where its rewards lie


class Reft(Regression):
    """Fit the samples with ``r >= threshold``. Arguments as ``Method`` has them, and:

    Args:
        threshold: of the reward. None: the one that a share ``1 / (1 + strength)`` of the reference's samples passes.

    With rewards that many samples share, such as 0 and 1, no threshold may let just that share through.

    The law of what is kept, ``q 1[r >= c] / Z``, passes the threshold already: another round leaves it alone (proved).
    A network cannot draw the cut: it smears it, what falls below is cut off again, and the reward creeps up (measured).
    """

    card: ClassVar[Card] = Card(
        name="reft",
        title="ReFT, above a threshold",
        formula=r"E\left[\,|v_\theta(t, x_t) - u_t|^2 \,\middle|\, r(x_1) \ge c\,\right]",
        source="Huguet et al. 2024 (FoldFlow-2), arXiv 2405.20313",
        read="in no primary source: notes of a reader take fixed data, and weigh what passes by its reward as well",
        idea="Throw away what is not good enough, learn the rest as if it were data.",
        dial="the threshold c, which the share 1 / (1 + strength) of the reference passes",
        goes_to="p_ref cut off below c, in one perfect round (proved); a network creeps on from there (measured)",
        settles=True,
    )
    settings_names = (*Regression.settings_names, "threshold")

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        threshold: float | None = None,
        **more: Any,
    ) -> None:
        self._seen: Tensor | None = None  # the reference's rewards
        super().__init__(reference, reward, strength, seed, **more)
        self._seen_of = self.reward
        self.threshold = None if threshold is None else checks.number("threshold", threshold)

    @property
    def passes(self) -> float:
        """The threshold c in force."""
        if self.threshold is not None:
            return self.threshold
        if self._seen is None or self._seen_of is not self.reward:
            self.cost.add(forward=LOOK * flow.evaluations(self.sampler))
            self._seen_of, self._seen = self.reward, self._rewards(self._of_reference(LOOK))
        return float(self._seen.cpu().double().quantile(1 - 1 / (1 + self.strength)))

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return laws.above(cells, density, r, share=1 / (1 + strength))

    _exact_round = _exact  # the same

    def _chosen(self, x1: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        good = r >= self.passes
        return x1[good], torch.ones_like(r[good])

    def _state(self) -> dict[str, Tensor]:
        return super()._state() | ({} if self._seen is None else {"seen": self._seen})

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave."""
        super().load_state_dict(state)
        self._seen = state["seen"].clone() if "seen" in state else None
