"""The paper's method on one page: offline (RW-CFM), online (ORW-CFM), and with the W2 term (ORW-CFM-W2).

One loop serves all. A round draws x1 (online: from the current policy; offline: from given data), weighs it by its
reward, and takes ``steps_per_round`` gradient steps on

    E[ w(x1) |v_theta(t, x_t) - u_t|^2 + alpha |v_theta(t, x_t) - v_ref(t, x_t)|^2 ].

A network learns from its own samples here, and no network fits even those exactly: what it gets wrong is in the next
draw, and the loop runs away from the data even where all weights are 1. ``control_variate`` c, from 0 to 1, works
against that. With v_old the policy that drew x1, m the mean weight and h = c m, the first term becomes

    E[ (w(x1) - h) |v_theta - u_t|^2 + h |v_theta - v_old|^2 ].

On the first step after a draw v_theta is v_old, and h is a baseline for the weights. If v_old = E[u_t | x_t], the
gradient is the same on average (proved, for an h that is not computed from the same draw). What the two differ by is
handed on to the next refresh, h / (W + alpha) times, with W = E[w | x_t] (proved, for perfect fits); that it dies out
where h is below alpha plus the smallest weight is expected. Far above that a run is faster at first and strays later
(measured). At c = 1 and equal weights a run that begins at the reference does not move.
"""

import copy
import math
from collections.abc import Callable
from os import PathLike
from typing import Any, Self

import torch
from torch import Tensor, nn

from orwlab import checks, couplings, files, losses, paths, rewards, weights
from orwlab.flow import Sampler
from orwlab.methods.run import FORMAT, Diverged, Numbers, Run, Setting, Snapshot
from orwlab.rewards import Reward

__all__ = ["Diverged", "FineTuning", "Snapshot"]

DRIFT = 5.0  # nats by which a draw's largest weight may leave the unit, before the unit follows


class FineTuning(Run):
    """Fine-tune a pretrained velocity towards a reward, round by round.

    Args:
        reference: ``v_ref(t, x)``, pretrained; a frozen copy is kept, and the policy starts from another.
        reward: any callable (n, *event) -> (n,).
        tau: inverse temperature of the weights, >= 0.
        alpha: coefficient of the W2 term, >= 0.
        weighting: "exp" (raw), "mean_one" or "clipped"; see ``weights``.
        coupling: "independent" or "ot"; see ``couplings``. The reference should have been trained with the same.
        steps_per_round: gradient steps on each draw. More reuse the draw (cheaper), fewer stay closer to the theory.
        batch_size: samples a gradient step.
        pool_size: samples drawn a round; ``batch_size`` if None. Each step takes a random batch of them.
        lr: Adam's learning rate.
        average_decay: the running average of the weights keeps this fraction of itself a gradient step; only the run's
            own steps count in it. 1: their plain mean.
        sampler: how the policy's own samples are drawn while training: a solver and its number of steps, such as
            ("rk4", 3), or a learned solver. None: the reference's own learned ``solver`` if it has one, else rk4.
        path: "linear" or "cosine"; that of the reference if None.
        data: (m, *event) fixed samples: then the method is offline (RW-CFM). None: online.
        policy: a trainable network to start from instead of a copy of the reference (which may then be a closed form).
            Frozen and unused parameters stay as they are.
        event_shape: shape of one sample; needed only where neither network has an ``event_shape``.
        rank: of low-rank ``adapters``, if only these are to learn; v_ref is then the policy with its adapters off.
        control_variate: 0 to 1, how much of the mean weight holds the policy to itself instead of to samples: see the
            top of this file. Above 0 only online, with the "independent" coupling; one evaluation more a step.
        seed: of everything random in the run, from 0 to 2^32 - 1. torch's global random state is never used.

    ``tau``, ``alpha``, ``lr``, ``reward``, ``steps_per_round`` and ``control_variate`` may change between rounds. The
    run computes where the policy's parameters are, and in their floating type.

    Raises:
        ValueError: any argument out of range, named.
    """

    _log_unit: float | None = None

    tau = Setting(lambda name, value: checks.number(name, value, low=0.0), "Inverse temperature, >= 0.")
    alpha = Setting(lambda name, value: checks.number(name, value, low=0.0), "W2 coefficient, >= 0.")
    steps_per_round = Setting(checks.integer, "Gradient steps on each draw, >= 1.")
    settings_names: tuple[str, ...] = (
        *("tau", "alpha", "weighting", "coupling", "steps_per_round", "batch_size", "lr", "seed", "pool_size"),
        *("average_decay", "sampler", "path", "rank", "control_variate"),
    )

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        tau: float = 1.0,
        alpha: float = 1.0,
        weighting: str = "exp",
        coupling: str = "independent",
        steps_per_round: int = 1,
        batch_size: int = 256,
        lr: float = 1e-3,
        seed: int = 0,
        *,
        pool_size: int | None = None,
        average_decay: float = 0.98,
        sampler: Sampler | None = None,
        path: str | None = None,
        data: Tensor | None = None,
        policy: nn.Module | None = None,
        event_shape: tuple[int, ...] | None = None,
        rank: int | None = None,
        control_variate: float = 0.0,
    ) -> None:
        super().__init__(
            reference, reward, batch_size=batch_size, lr=lr, seed=seed, average_decay=average_decay, sampler=sampler,
            policy=policy, event_shape=event_shape, rank=rank,
        )  # fmt: skip
        self.tau, self.alpha, self.steps_per_round = tau, alpha, steps_per_round
        self.weighting = checks.choice("weighting", weighting, weights.KINDS)
        self.coupling = checks.choice("coupling", coupling, couplings.NAMES)
        pool_size = self.batch_size if pool_size is None else pool_size
        self.pool_size = checks.integer("pool_size", pool_size, low=self.batch_size)
        reference_path = getattr(getattr(reference, "path", None), "name", None)
        self.path = paths.get(reference_path or "linear" if path is None else path)
        if reference_path not in (None, self.path.name):
            raise checks.fail(
                "path", path, f"the reference's, {reference_path!r} (else v_ref penalises the wrong thing)"
            )
        self.data = None if data is None else self._here("data", data)
        self.control_variate = control_variate

    @property
    def control_variate(self) -> float:
        """How much of the mean weight holds the policy to itself, 0 to 1; may change between rounds."""
        return self._control_variate

    @control_variate.setter
    def control_variate(self, value: float) -> None:
        value = checks.number("control_variate", value, low=0.0, high=1.0)
        if value > 0 and (self.data is not None or self.coupling != "independent"):
            given = f"coupling {self.coupling!r}" if self.data is None else "data"
            allowed = (
                "0, but online and with coupling 'independent', where v_old is the velocity of what x1 is drawn from"
            )
            raise checks.fail("control_variate", f"{value:g} with {given}", allowed)
        self._control_variate = value

    # The algorithm --------------------------------------------------------------------------------------------------

    def _draw(self) -> Tensor | tuple[Tensor, Tensor]:
        """x1 for one round: from the policy (online) or from the data (offline)."""
        if self.data is None:
            return self._policy_samples(self.pool_size)
        return self.data[self._any(len(self.data), self.pool_size)]

    def _weighed(self, x1: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """The rewards of a draw and the logarithms of its weights, (pool,) each."""
        r = rewards.evaluate(self.reward, x1)
        return r, weights.log_weights(r, self.tau, self.weighting)

    def _learn(self, x1: Tensor, c: Tensor | None = None) -> Numbers:
        """Weigh the draw and take the round's gradient steps."""
        r, log_w = self._weighed(x1, c)
        self.cost.add(rewards=len(x1))
        w = (log_w - self._unit_for(log_w)).exp()
        held = self.control_variate * self._mean(w)
        old = copy.deepcopy(self.policy).requires_grad_(False) if self.control_variate > 0 else None
        totals: Tensor | float = 0.0
        for _ in range(self.steps_per_round):
            batch: Tensor | slice = slice(None)
            if self.pool_size > self.batch_size:
                batch = self._some(self.pool_size, self.batch_size)
            totals = totals + self._step(x1[batch], w[batch], held[batch], old, None if c is None else c[batch])
        return self._measured(r, log_w, torch.as_tensor(totals).cpu().double() / self.steps_per_round)

    def _measured(self, r: Tensor, log_w: Tensor, terms: Tensor) -> Numbers:
        """What the round says of itself: rewards, log weights, and the two terms of the loss, each the steps' mean."""
        fit, penalty = terms.tolist()
        fit *= math.exp(min(self._log_unit or 0.0, 700.0))
        ess = weights.effective_sample_size(log_w)
        return Numbers(reward=float(r.mean()), penalty=penalty, fit=fit, ess=ess, alpha=self.alpha, tau=self.tau)

    def _mean(self, w: Tensor) -> Tensor:
        """For each sample the mean weight of those that it is weighed against."""
        return w.mean().expand(len(w))

    def _step(self, x1: Tensor, w: Tensor, held: Tensor, old: nn.Module | None, c: Tensor | None) -> Tensor:
        """One gradient step; returns the two terms of the loss, the first without its control variate."""
        policy, reference = self._told(self.policy, c), self._told(self.reference, c)
        n = len(x1)
        asked = 1 + (self.coupling != "independent")  # of the policy
        self.cost.add(forward=n * (asked + 1 + (old is not None)), backward=n * asked)
        x0, t = self._noise(self.batch_size), self._times(self.batch_size)
        pairs = self._pair(x0, x1, w)
        x_t, u_t = self.path.interpolate(t, pairs.x0, pairs.x1)
        v_t = policy(t, x_t)
        fit = self._term(losses.fit, v_t, u_t, pairs.w)
        steadied = fit
        if old is not None:
            with torch.no_grad():
                v_old_t = self._told(old, c)(t, x_t)
            steadied = self._term(losses.steadied_fit, v_t, u_t, v_old_t, pairs.w, held)
        if self.coupling != "independent":  # the tilted pairs are not the policy's x_t: the penalty needs its own
            unweighted = couplings.pair_unweighted(self.coupling, x0, x1, generator=self.generator)
            x_t, _ = self.path.interpolate(t, *unweighted)
            v_t = policy(t, x_t)
        penalty = self._penalty(t, v_t, reference(t, x_t))
        # (unit fit + alpha penalty) / (unit + alpha), the weights being in that unit: the divisor leaves Adam's path as
        # it is, keeps any weight and any alpha a number near 1, and spares Adam a jump when alpha changes
        pull = self._pull()
        self._descend((1 - pull) * steadied + pull * penalty)
        return torch.stack([fit.detach(), penalty.detach()]).float()

    def _term(self, loss: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
        """A term of the loss, its mean over samples; in an ensemble, over each run's own."""
        return loss(*arguments)

    def _penalty(self, t: Tensor, v_t: Tensor, v_ref_t: Tensor) -> Tensor:
        """What holds the policy to the reference; another method's overrides this."""
        return self._term(losses.penalty, v_t, v_ref_t)

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> couplings.Pairs:
        """Noise and data for the fit term; what pairs them otherwise overrides this."""
        return couplings.pair(self.coupling, x0, x1, w, generator=self.generator)

    def _unit_for(self, log_w: Tensor) -> float:
        """The logarithm of the unit of weights: that of the run's first draw, until a draw's have drifted far from it.

        Fixed, because a unit that followed every draw would weigh draws against each other in the optimiser's memory.
        """
        log_unit = weights.unit(log_w)
        if self._log_unit is None:
            self._log_unit = log_unit
        elif abs(log_unit - self._log_unit) > DRIFT:
            before, self._log_unit = self._log_total(), log_unit
            self._rescale(before - self._log_total())
        return self._log_unit

    def _pull(self) -> Any:
        """The penalty's share of the loss, ``alpha / (unit + alpha)``."""
        return _ratio(self._log_alpha - self._log_total())

    @property
    def _log_alpha(self) -> float:
        return math.log(self.alpha) if self.alpha > 0 else -math.inf

    def _log_total(self) -> float:
        """``log(unit + alpha)``."""
        high, low = max(self._log_unit or 0.0, self._log_alpha), min(self._log_unit or 0.0, self._log_alpha)
        return high + math.log1p(_ratio(low - high))

    def _described(self) -> str:
        return f"alpha {self.alpha:g}, tau {self.tau:g}, {super()._described()}"

    # Keeping a run --------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Tensor]:
        unit = {} if self._log_unit is None else {"log_unit": torch.tensor(self._log_unit, dtype=torch.float64)}
        return super()._state() | unit

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave."""
        super().load_state_dict(state)
        self._log_unit = float(state["log_unit"]) if "log_unit" in state else None

    def settings(self) -> dict[str, Any]:
        """The arguments, as they are now, that rebuild this run next to its networks, reward and data."""
        return super().settings() | {"path": self.path.name}

    def _facts(self) -> dict[str, Any]:
        return {"offline": self.data is not None}

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
        """A saved run, ready to go on: on the same machine, as if it had never stopped, bit for bit.

        Args:
            path: a file written by ``save``.
            reward: the reward, which a file cannot hold.
            reference: needed only if it is not one of orwlab's networks; its saved values are loaded into a copy.
            policy: likewise.
            data: the data of an offline run.

        Raises:
            ValueError: the file is missing, damaged, or not such a file; or it needs one of the arguments.
        """
        tensors, metadata = files.read(path, FORMAT)
        if metadata["offline"] and data is None:
            raise checks.fail("data", data, "the data of this offline run, (m, *event)")
        return cls._rebuilt(tensors, metadata, reward, reference, policy, data=data)


def _ratio(log: float) -> float:
    return math.exp(log) if log > -700 else 0.0
