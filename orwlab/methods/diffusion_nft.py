"""DiffusionNFT: learn from good samples forwards and from bad ones backwards, by one regression each."""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from orwlab import checks, losses
from orwlab.exact import laws
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum
from orwlab.methods.cards import Card
from orwlab.methods.method import Regression
from orwlab.methods.run import fill
from orwlab.rewards import Reward


class DiffusionNft(Regression):
    """``p |v+ - u|^2 + (1 - p) |v- - u|^2``, ``v+- = v_old +- mix (v - v_old)``. Arguments as ``Method`` has them, and:

    Args:
        mix: the paper's beta, > 0, in ``v+- = v_old +- mix (v - v_old)``.
        old_decay: of ``v_old``, which draws the samples, this share stays in every round; 0 to below 1.

    ``p = 1/2 + strength mix (r - mean r) / 2``, kept within [0, 1], is how good a sample is held to be. The minimiser
    is ``v_old + (2 / mix) Cov(p, u_t | x_t)``: one perfect round tilts by about ``strength`` (proved to first order).
    """

    card: ClassVar[Card] = Card(
        name="diffusion_nft",
        title="DiffusionNFT, forwards and backwards",
        formula=r"E\,p\,|v^+ - u_t|^2 + (1 - p)\,|v^- - u_t|^2, \quad v^\pm = v_{old} \pm \beta (v_\theta - v_{old})",
        source="Zheng et al. 2025, arXiv 2509.16117",
        read="in the authors' code, as the plain loss: without its adaptive weights and its small pull to v_ref",
        idea="What is learned from good samples, and the opposite of what would be learned from bad ones.",
        dial="what one perfect round gains, while strength |r - mean r| is below 1 / beta: then p is cut off",
        goes_to="the best point there is: nothing holds it back (expected)",
        settles=False,
    )
    settings_names = (*Regression.settings_names, "mix", "old_decay")

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        mix: float = 1.0,
        old_decay: float = 0.0,
        **more: Any,
    ) -> None:
        self.mix = checks.number("mix", mix, above=0.0)
        self.old_decay = checks.number("old_decay", old_decay, low=0.0, high=0.999)
        self.old: nn.Module | None = None
        super().__init__(reference, reward, strength, seed, **more)
        with torch.inference_mode(False):
            self.old = copy.deepcopy(self.policy).requires_grad_(False)
        self._good = self.state_dict()

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        q = density / density.sum()
        good = (0.5 + 0.5 * strength * (r - (q * r).sum())).clamp(0, 1)
        return laws.optimum_of(cells, laws.lean(cells, q, good, 2.0).density, q, r)

    def _draw(self) -> Tensor:
        assert self.old is not None
        with torch.no_grad():  # the old policy follows the new one, at once or slowly
            torch._foreach_lerp_(tuple(self.old.parameters()), self._learning, 1 - self.old_decay)
        return self._samples_of(self.old, self.pool_size)

    def _chosen(self, x1: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        return x1, (0.5 + 0.5 * self.strength * self.mix * (r - r.mean())).clamp(0, 1)

    def _loss(self, t: Tensor, x_t: Tensor, u_t: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        assert self.old is not None
        v_t, v_ref_t = self._ask(t, x_t)
        self.cost.add(forward=len(x_t))
        with torch.no_grad():
            v_old_t = self.old(t, x_t)
        change = self.mix * (v_t - v_old_t)
        loss = losses.fit(v_old_t + change, u_t, a) + losses.fit(v_old_t - change, u_t, 1 - a)
        return loss, losses.penalty(v_t.detach(), v_ref_t)

    def _state(self) -> dict[str, Tensor]:
        old = {} if self.old is None else {f"old.{key}": value for key, value in self.old.state_dict().items()}
        return super()._state() | old

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave."""
        super().load_state_dict(state)
        if self.old is not None:
            fill(self.old, state, "old")
