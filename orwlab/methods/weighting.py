"""The paper's three losses with the dial that all methods have: offline, online, and held by the W2 term."""

import math
from os import PathLike
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from orwlab import checks, files, flow
from orwlab.exact import laws
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum, kl_tilt
from orwlab.methods.cards import Card
from orwlab.methods.method import Contestant, checked_strength
from orwlab.methods.orw import FineTuning
from orwlab.methods.run import CLASSICAL, FORMAT
from orwlab.rewards import Reward

SOURCE = "Fan et al., ICLR 2025, arXiv 2502.06061"
READ = "in the paper"
DATA = 16_384  # samples of the reference that stand for its training data


class OrwCfmW2(Contestant, FineTuning):
    """ORW-CFM-W2, weights of mean one and ``alpha = tau / strength``. Other arguments as ``FineTuning`` has them.

    ``exact`` and ``exact_round`` are those of tau = 1.
    """

    card: ClassVar[Card] = Card(
        name="orw_cfm_w2",
        title="ORW-CFM-W2",
        formula=r"E\,w(x_1)\,|v_\theta - u_t|^2 + \alpha\,|v_\theta - v_{ref}|^2, \quad w = e^{\tau r} / E\,e^{\tau r}",
        source=SOURCE,
        read=READ,
        idea="Weigh own samples by their reward, and hold the velocity to the reference's.",
        dial="alpha = tau / strength, with weights of mean one",
        goes_to="the oracle's limit; the tilt exp(tau r / alpha) where that is weak (measured: it converges)",
        settles=True,
    )
    settings_names = (
        *("strength", "tau", "coupling", "steps_per_round", "batch_size", "lr", "seed", "pool_size"),
        *("average_decay", "sampler", "rank", "control_variate"),
    )

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        tau: float = 1.0,
        **more: Any,
    ) -> None:
        _no_data(more)
        tau, strength = checks.number("tau", tau, low=1e-3, high=1e3), checked_strength("strength", strength)
        super().__init__(reference, reward, tau, tau / strength, "mean_one", seed=seed, **more)

    @property
    def strength(self) -> float:
        """``tau / alpha``; may change between rounds, and alpha with it."""
        return self.tau / self.alpha if self.alpha > 0 else math.inf

    @strength.setter
    def strength(self, value: float) -> None:
        self.alpha = self.tau / checked_strength("strength", value)

    def settings(self) -> dict[str, Any]:
        """As ``FineTuning.settings``; an alpha and a tau that no strength stands for are named."""
        checked_strength("strength", self.strength)
        return super().settings()

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return laws.orw_limit(cells, density, r, 1.0, 1.0 / strength)

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        q = density / density.sum()  # (w + alpha) / (1 + alpha) q, for weights of mean one and tau = 1
        tilted = kl_tilt(cells, q, r, 1.0).density * cells.dx**cells.dim
        return laws.optimum_of(cells, tilted + q / strength, q, r)


class _ByTau(Contestant, FineTuning):
    """Without the W2 term the dial is tau itself, and a perfect round tilts by it."""

    @property
    def strength(self) -> float:
        """``tau``; may change between rounds."""
        return self.tau

    @strength.setter
    def strength(self, value: float) -> None:
        self.tau = checked_strength("strength", value)

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return kl_tilt(cells, density, r, strength)


class OrwCfm(_ByTau):
    """ORW-CFM, no W2 term: weights of mean one, ``tau = strength``. Other arguments as ``FineTuning`` has them."""

    card: ClassVar[Card] = Card(
        name="orw_cfm",
        title="ORW-CFM, nothing holds it",
        formula=r"E_{x_1 \sim p_\theta}\,w(x_1)\,|v_\theta - u_t|^2, \quad w = e^{\tau r} / E\,e^{\tau r}",
        source=SOURCE,
        read=READ,
        idea="Weigh own samples by their reward, again and again.",
        dial="tau = strength: the inverse temperature that one perfect round gains",
        goes_to="the best point there is: after N rounds exp(N tau r) p_ref (proved for perfect fits)",
        settles=False,
    )
    settings_names = tuple(name for name in OrwCfmW2.settings_names if name != "tau")

    def __init__(self, reference: nn.Module, reward: Reward, strength: float = 1.0, seed: int = 0, **more: Any) -> None:
        _no_data(more)
        super().__init__(reference, reward, checked_strength("strength", strength), 0.0, "mean_one", seed=seed, **more)


class RwCfm(_ByTau):
    """RW-CFM: data that stay what they are, weighed by their reward. Other arguments as ``FineTuning`` has them.

    Args:
        data: (m, *event); None: samples of the reference, drawn once from the run's seed. They count as given: ``cost``
            does not hold what it took to draw them.
    """

    card: ClassVar[Card] = Card(
        name="rw_cfm",
        title="RW-CFM, offline",
        formula=r"E_{x_1 \sim data}\,w(x_1)\,|v_\theta - u_t|^2, \quad w = e^{\tau r} / E\,e^{\tau r}",
        source=SOURCE,
        read=READ,
        idea="Weigh fixed data by their reward, and fit them once more.",
        dial="tau = strength",
        goes_to="the tilt exp(tau r) p_ref / Z, as far as the data reach (proved)",
        settles=True,
        online=False,
    )
    settings_names = OrwCfm.settings_names

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        data: Tensor | None = None,
        **more: Any,
    ) -> None:
        tau = checked_strength("strength", strength)
        self._drawn = data is None
        if data is None:
            sampler = more.get("sampler")
            shape = more.get("event_shape") or getattr(reference, "event_shape", None)
            shape = checks.shape("event_shape", shape)
            generator = torch.Generator().manual_seed(checks.seed("seed", seed))
            x0 = flow.noise(DATA, shape, generator=generator)
            data = flow.push(reference, x0, getattr(reference, "solver", CLASSICAL) if sampler is None else sampler)
        super().__init__(reference, reward, tau, 0.0, "mean_one", seed=seed, data=data, **more)

    def _facts(self) -> dict[str, Any]:
        return super()._facts() | {"drawn": self._drawn}

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        reward: Reward,
        reference: nn.Module | None = None,
        policy: nn.Module | None = None,
        data: Tensor | None = None,
    ) -> Self:
        """See ``FineTuning.load``; data that the run has drawn itself are drawn again."""
        tensors, metadata = files.read(path, FORMAT)
        if data is None and not metadata.get("drawn", False):
            raise checks.fail("data", data, "the data of this offline run, (m, *event)")
        return cls._rebuilt(tensors, metadata, reward, reference, policy, data=data)

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum:
        return cls._exact_round(cells, density, r, strength)  # another round over the same data changes nothing


def _no_data(more: dict[str, Any]) -> None:
    if more.get("data") is not None:
        raise checks.fail("data", more["data"], "None: this method learns from its own samples; rw_cfm takes data")
