"""RAFT: draw K samples for every one that is kept, keep the best, and fit the flow to what was kept."""

from typing import ClassVar

import torch
from torch import Tensor

from orwlab.exact import laws
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum
from orwlab.methods.cards import Card
from orwlab.methods.method import Regression


class Raft(Regression):
    """Fit the best of every K samples, ``K = 1 + strength``, rounded, at least 2. Arguments as ``Method`` has them.

    What a round fits has the law ``q K F(r)^(K - 1)``, with F the distribution function of the reward under q: only the
    order of the rewards counts; an increasing map of them changes nothing (proved). A round costs K draws a sample.
    """

    card: ClassVar[Card] = Card(
        name="raft",
        title="RAFT, the best of K",
        formula=r"E\,|v_\theta(t, x_t) - u_t|^2, \quad x_1 = \mathrm{argmax}_{k \le K}\, r(x_1^k)",
        source="Dong et al. 2023, arXiv 2304.06767",
        read='in a code of its authors, the rule "best of each prompt"; theirs can also take the best share of all',
        idea="Draw K, keep the best, learn it as if it were data.",
        dial="K = 1 + strength, rounded, at least 2",
        goes_to="the best point there is: a round takes the K-th power of the reward's distribution function (proved)",
        settles=False,
    )

    @property
    def best_of(self) -> int:
        """K, of which one is kept."""
        return _best_of(self.strength)

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return laws.best_of(cells, density, r, _best_of(strength))

    def _draw(self) -> Tensor:
        return self._policy_samples(self.pool_size * self.best_of)

    def _chosen(self, x1: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        best = r.view(-1, self.best_of).argmax(1)
        chosen = x1.view(-1, self.best_of, *self.event_shape)[torch.arange(len(best)), best]
        return chosen, torch.ones_like(r[: len(best)])


def _best_of(strength: float) -> int:
    return max(2, round(1 + strength))
