"""ADRPO: a pull to the reference that is weak where a sample is good and strong where it is bad."""

from typing import ClassVar

from torch import Tensor

from orwlab import losses
from orwlab.exact import laws
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum
from orwlab.methods.cards import Card
from orwlab.methods.method import Regression


class Adrpo(Regression):
    """``A |v - u|^2 + (beta - A) |v - v_ref|^2`` with ``beta = 1 / strength``. Arguments as ``Method`` has them.

    The advantage is ``A = r - mean(r)``. Both terms together weigh ``beta`` whatever A is, so the loss is bounded below
    where AWM's is not; its minimiser at x is ``v_ref + E[A (u_t - v_ref) | x_t] / beta`` (proved).
    """

    card: ClassVar[Card] = Card(
        name="adrpo",
        title="ADRPO, an adaptive pull",
        formula=r"E\,A(x_1)\,|v_\theta - u_t|^2 + (\beta - A(x_1))\,|v_\theta - v_{ref}|^2",
        source="Fan et al. 2025, arXiv 2510.18053",
        read="on the first author's page; the limits of its clipping were not found, and there is none here",
        idea="Good samples are let go, bad ones are pulled back to the reference.",
        dial="beta = 1 / strength",
        goes_to="the first round is known (proved), no limit is; it drifted on one Gaussian (measured)",
        settles=True,
    )

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return laws.lean(cells, density, r, strength)

    def _chosen(self, x1: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        return x1, r - r.mean()

    def _loss(self, t: Tensor, x_t: Tensor, u_t: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        v_t, v_ref_t = self._ask(t, x_t)
        loss = losses.fit(v_t, u_t, a) + losses.penalty(v_t, v_ref_t, 1 / self.strength - a)
        return loss, losses.penalty(v_t.detach(), v_ref_t)
