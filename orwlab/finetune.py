"""Reward-weighted fine-tuning of a flow: offline (RW-CFM), online (ORW-CFM) and with the W2 term (ORW-CFM-W2).

One loop serves all. A round draws x1 (online: from the current policy; offline: from given data), weighs it by its
reward, and takes ``steps_per_round`` gradient steps on

    E[ w(x1) |v_theta(t, x_t) - u_t|^2 + alpha |v_theta(t, x_t) - v_ref(t, x_t)|^2 ].
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from orwlab import _check, checkpoint, couplings, flow, losses, paths, rewards, weights
from orwlab.rewards import Reward


class Diverged(RuntimeError):
    """A sample, loss or gradient stopped being finite. The run is back at its last good state."""

    def __init__(self, what: str, round: int, settings: str) -> None:
        self.what, self.round = what, round
        super().__init__(
            f"the {what} stopped being finite in round {round} ({settings}). The last state that drew finite samples "
            "is kept. Try a larger alpha, a smaller tau or lr, or a bounded reward."
        )


@dataclass(frozen=True)
class Snapshot:
    """What one round did. Averages are over the round's own draw, before its gradient steps moved the policy."""

    round: int
    reward: float
    """mean of r(x1)"""
    penalty: float
    """mean of |v_theta - v_ref|^2 at the training points, the round's average"""
    fit: float
    """mean of w |v_theta - u_t|^2, the round's average"""
    ess: float
    """effective sample size of the weights, 1 .. number drawn"""
    alpha: float
    tau: float
    _policy: nn.Module = field(repr=False)
    _state: dict[str, Tensor] | None = field(repr=False)
    _watch: Tensor | None = field(repr=False)
    _sampler: tuple[str, int] = field(repr=False)

    @property
    def samples(self) -> Tensor:
        """The watched noise pushed by the run's sampler through the policy as it was then; computed on each access."""
        if self._watch is None or self._state is None:
            raise _check.fail("watch", None, "noise x0 of shape (n, *event) given to rounds(n, watch=x0)")
        state, (method, steps) = self._state, self._sampler
        v = lambda t, x: functional_call(self._policy, state, (t, x))  # noqa: E731
        return flow.sample(v, self._watch, method=method, steps=steps)


class FineTuning:
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
        average_decay: the running average of the weights keeps this fraction of itself a gradient step.
        sampler: solver and number of steps with which the policy's own samples are drawn while training.
        path: "linear" or "cosine"; that of the reference if None.
        data: (m, *event) fixed samples: then the method is offline (RW-CFM). None: online.
        policy: a trainable network to start from instead of a copy of the reference (which may then be a closed form).
        event_shape: shape of one sample; needed only where neither network has an ``event_shape``.
        seed: of everything random in the run. torch's global random state is never used.

    Raises:
        ValueError: any argument out of range, named.
    """

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
        sampler: tuple[str, int] = ("rk4", 3),
        path: str | None = None,
        data: Tensor | None = None,
        policy: nn.Module | None = None,
        event_shape: tuple[int, ...] | None = None,
    ) -> None:
        if not isinstance(reference, nn.Module):
            raise _check.fail("reference", reference, "a torch.nn.Module v(t, x), such as zoo.load(name)")
        trained = reference if policy is None else policy
        if not isinstance(trained, nn.Module) or not any(p.requires_grad for p in trained.parameters()):
            name = "reference" if policy is None else "policy"
            raise _check.fail(name, trained, "a network with trainable parameters (or pass one as policy=)")
        shape = event_shape or getattr(trained, "event_shape", None) or getattr(reference, "event_shape", None)
        if shape is None:
            raise _check.fail("event_shape", event_shape, "the shape of one sample, as the networks do not say")
        self.event_shape = tuple(shape)
        self.weighting = _check.choice("weighting", weighting, weights.KINDS)
        self.coupling = _check.choice("coupling", coupling, couplings.NAMES)
        self.steps_per_round = _check.integer("steps_per_round", steps_per_round)
        self.batch_size = _check.integer("batch_size", batch_size)
        self.pool_size = _check.integer("pool_size", pool_size or batch_size, low=batch_size)
        self.average_decay = _check.number("average_decay", average_decay, low=0.0, high=1.0)
        self.sampler = (_check.choice("sampler[0]", sampler[0], flow.FIXED), _check.integer("sampler[1]", sampler[1]))
        reference_path = getattr(getattr(reference, "path", None), "name", None)
        self.path = paths.get(path or reference_path or "linear")
        if reference_path not in (None, self.path.name):
            raise _check.fail(
                "path", path, f"the reference's, {reference_path!r} (else v_ref penalises the wrong thing)"
            )
        self.data = None if data is None else _check.points("data", data, self.event_shape)
        self.seed = _check.integer("seed", seed, low=0)
        self.generator = torch.Generator().manual_seed(seed)

        # eval(): with dropout on in the policy alone, the penalty would not be 0 at the start
        self.reference = copy.deepcopy(reference).eval().requires_grad_(False)
        self.policy = copy.deepcopy(trained).eval()
        self.average = copy.deepcopy(self.policy).requires_grad_(False)
        self.device = next(self.policy.parameters()).device
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=1e-3, fused=True)
        self.round = 0
        self.tau, self.alpha, self.lr, self.reward = tau, alpha, lr, reward
        self._good = checkpoint.copy_state(self)

    # Settings that may change between rounds ------------------------------------------------------------------------

    @property
    def tau(self) -> float:
        """Inverse temperature, >= 0."""
        return self._tau

    @tau.setter
    def tau(self, value: float) -> None:
        self._tau = _check.number("tau", value, low=0.0)

    @property
    def alpha(self) -> float:
        """W2 coefficient, >= 0."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha = _check.number("alpha", value, low=0.0)

    @property
    def lr(self) -> float:
        """Learning rate, > 0."""
        return self.optimizer.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self.optimizer.param_groups[0]["lr"] = _check.number("lr", value, above=0.0)

    @property
    def reward(self) -> Reward:
        """The reward, any callable (n, *event) -> (n,)."""
        return self._reward

    @reward.setter
    def reward(self, value: Reward) -> None:
        if not callable(value):
            raise _check.fail("reward", value, "a callable (n, *event) -> (n,), such as rewards.get(name)")
        self._reward = value

    # The algorithm --------------------------------------------------------------------------------------------------

    def rounds(self, n: int, watch: Tensor | None = None) -> Iterator[Snapshot]:
        """Run ``n`` rounds, one each time the iterator is asked for its next snapshot.

        Args:
            n: how many.
            watch: noise (m, *event); ``snapshot.samples`` is then this noise pushed through the policy by ``sampler``.

        Raises:
            ValueError: ``n`` or ``watch`` is bad, at once; the reward raises or returns something that is not a finite
                (n,), when it does.
            Diverged: something stopped being finite; the last state that drew finite samples is restored.
        """
        _check.integer("n", n)
        if watch is not None:
            _check.points("watch", watch, self.event_shape)
        return self._rounds(n, watch)

    def _rounds(self, n: int, watch: Tensor | None) -> Iterator[Snapshot]:
        for _ in range(n):
            before = checkpoint.copy_state(self)
            try:
                x1 = self._draw()  # (pool, *event)
                self._good = before  # its policy draws finite samples
                reward, ess, fit, penalty = self._learn(x1)
            except Diverged:
                checkpoint.restore_state(self, self._good)
                raise
            except ValueError:  # the reward failed on this draw: nothing of the round is kept
                checkpoint.restore_state(self, before)
                raise
            self.round += 1
            state = None if watch is None else {k: p.detach().clone() for k, p in self.policy.state_dict().items()}
            numbers = (self.round, reward, penalty, fit, ess, self.alpha, self.tau)
            yield Snapshot(*numbers, self.policy, state, watch, self.sampler)

    def _learn(self, x1: Tensor) -> tuple[float, float, float, float]:
        """Weigh the draw and take the round's gradient steps; mean reward, effective sample size, both loss terms."""
        r = rewards.evaluate(self.reward, x1)  # (pool,)
        log_w = weights.log_weights(r, self.tau, self.weighting)
        w, scale = weights.exponentiate(log_w)
        totals = torch.zeros(2)
        for _ in range(self.steps_per_round):
            batch: Tensor | slice = slice(None)
            if self.pool_size > self.batch_size:
                batch = torch.randperm(self.pool_size, generator=self.generator)[: self.batch_size].to(self.device)
            totals += self._step(x1[batch], w[batch], self.alpha * scale)
        fit, penalty = (totals / self.steps_per_round).tolist()
        return float(r.mean()), weights.effective_sample_size(log_w), fit / scale, penalty

    def _draw(self) -> Tensor:
        """x1 for one round: from the policy (online) or from the data (offline)."""
        if self.data is not None:
            rows = torch.randint(len(self.data), (self.pool_size,), generator=self.generator)
            return self.data[rows].to(self.device)
        method, steps = self.sampler
        x1 = flow.sample(self.policy, self._noise(self.pool_size), method=method, steps=steps)
        if not torch.isfinite(x1).all():
            raise self._diverged("policy's samples")
        return x1

    def _step(self, x1: Tensor, w: Tensor, alpha: float) -> Tensor:
        """One gradient step; returns the two terms of the loss."""
        x0 = self._noise(len(x1))
        t = torch.rand(len(x1), generator=self.generator).to(x1)
        pairs = self._pair(x0, x1, w)
        x_t, u_t = self.path.interpolate(t, pairs.x0, pairs.x1)
        v_t = self.policy(t, x_t)
        fit = losses.fit(v_t, u_t, pairs.w)
        if self.coupling != "independent":  # the tilted pairs are not the policy's x_t: the penalty needs its own
            unweighted = couplings.pair_unweighted(self.coupling, x0, x1, generator=self.generator)
            x_t, _ = self.path.interpolate(t, *unweighted)
            v_t = self.policy(t, x_t)
        penalty = losses.penalty(v_t, self.reference(t, x_t))
        # dividing by (1 + alpha) leaves Adam's path as it is, keeps large alphas finite, and spares Adam's memory of
        # past gradients a jump when alpha changes
        loss = (fit + alpha * penalty) / (1 + alpha)
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.policy.parameters() if p.grad is not None])
        if not torch.isfinite(norm + loss.detach()):
            raise self._diverged("loss or its gradient")
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                tuple(self.average.parameters()), tuple(self.policy.parameters()), 1 - self.average_decay
            )
        return torch.stack([fit.detach(), penalty.detach()]).cpu()

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> couplings.Pairs:
        return couplings.pair(self.coupling, x0, x1, w, generator=self.generator)

    def _noise(self, n: int) -> Tensor:
        return flow.noise(n, self.event_shape, generator=self.generator, device=self.device)

    def _diverged(self, what: str) -> Diverged:
        return Diverged(what, self.round + 1, f"alpha {self.alpha:g}, tau {self.tau:g}, lr {self.lr:g}")

    # Keeping a run --------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """The arguments, as they are now, that rebuild this run next to its networks, reward and data."""
        names = "tau alpha weighting coupling steps_per_round batch_size lr seed pool_size average_decay sampler"
        return {**{name: getattr(self, name) for name in names.split()}, "path": self.path.name}

    def save(self, path: str | PathLike[str]) -> None:
        """Write networks, optimiser, random state and settings to one safetensors file, all or nothing."""
        checkpoint.save(self, path)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        reward: Reward,
        reference: nn.Module | None = None,
        policy: nn.Module | None = None,
        data: Tensor | None = None,
    ) -> "FineTuning":
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
        return checkpoint.load(cls, path, reward=reward, reference=reference, policy=policy, data=data)
