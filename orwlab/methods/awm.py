"""AWM: policy gradient with the flow-matching loss in place of the likelihood, so that any solver may draw."""

from typing import Any, ClassVar

from torch import Tensor, nn

from orwlab import checks, losses
from orwlab.exact import laws
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum
from orwlab.methods.cards import Card
from orwlab.methods.method import Regression
from orwlab.rewards import Reward

ANCHOR = 1.0


class Awm(Regression):
    """``A |v - u|^2 + beta |v - v_ref|^2``, ``beta = 1 / strength``. Arguments as ``Method`` has them, and:

    Args:
        anchor: how much plain flow matching on its own samples is added, ``anchor |v - u|^2``, >= 0.

    The advantage is ``A = r - mean r``. If v is the flow-matching field of its own samples, then at rest
    ``beta (v - v_ref) = Cov(r, u_t | x_t)``: the equation of ORW-CFM-W2 with the reward itself as the weight, where a
    constant more changes nothing. So the oracle knows the limit.

    But nothing in ``A |v - u|^2`` makes v that field, for A is 0 on average: without the anchor v drifts among the
    many fields that lead to the same samples, and then to others (measured: eight Gaussians, strength 1, mean reward
    0.65 and rising where 0.34 is exact; with the anchor 0.345). The published loss is held by a running average of the
    policy in its place.
    """

    card: ClassVar[Card] = Card(
        name="awm",
        title="AWM, advantage-weighted matching",
        formula=r"E\,(A(x_1) + c)\,|v_\theta - u_t|^2 + \beta\,|v_\theta - v_{ref}|^2, \quad A = r - E r",
        source="Xue et al. 2025, arXiv 2509.25050",
        read="in the authors' code, on-policy, without its robust loss, time weight and scaling of A; c is ours",
        idea="Towards what is better than average, away from what is worse; the matching loss is the likelihood.",
        dial="beta = 1 / strength",
        goes_to="the limit of ORW-CFM-W2 with w = r + constant and alpha = beta (proved where v is its samples' field)",
        settles=True,
    )
    settings_names = (*Regression.settings_names, "anchor")
    leave: ClassVar = {"anchor": lambda value: value >= ANCHOR}  # more of it; with less the velocity drifts

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        anchor: float = ANCHOR,
        **more: Any,
    ) -> None:
        super().__init__(reference, reward, strength, seed, **more)
        self.anchor = checks.number("anchor", anchor, low=0.0)

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return laws.linear_limit(cells, density, r, 1 / strength)

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum | None:
        q = density / density.sum()
        weight = r - (q * r).sum() + ANCHOR + 1 / strength  # the first round of ORW-CFM-W2 with the weight A + anchor
        return laws.optimum_of(cells, q * weight, q, r) if float(weight.min()) >= 0 else None

    def _chosen(self, x1: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        return x1, r - r.mean()

    def _loss(self, t: Tensor, x_t: Tensor, u_t: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        v_t, v_ref_t = self._ask(t, x_t)
        penalty = losses.penalty(v_t, v_ref_t)
        return losses.fit(v_t, u_t, a + self.anchor) + penalty / self.strength, penalty.detach()
