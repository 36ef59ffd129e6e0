"""What the methods share that can be set side by side: one dial, a card, and the exact answer where one is known.

    run = methods.get("raft")(reference, reward, strength=2.0, seed=0)
    for snapshot in run.rounds(300, watch=x0): ...

``strength`` is the inverse temperature that a method aims at: at strength b the KL-regularised optimum is
``p_ref e^{b r} / Z``. Few methods go exactly there; what each makes of its strength stands on its card, and
``dial.achieved`` measures it.
"""

import inspect
import itertools
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from orwlab import checks, files, flow, foreign, losses, rewards, weights
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum, masses, reward_on
from orwlab.flow import Sampler
from orwlab.methods import rollout
from orwlab.methods.cards import Card
from orwlab.methods.rollout import Step
from orwlab.methods.run import FORMAT, Numbers, Run, Setting
from orwlab.paths import Linear
from orwlab.rewards import Reward

LINEAR = Linear()
LOOK = 256  # samples of the reference at which a reward must have a slope
HOW_WELL = ("batch_size", "pool_size", "steps_per_round", "lr", "average_decay", "seed")
"""settings that say how well and how soon a method gets where it goes, and not where"""
DRAW = 64
"""from so many samples on: what a round takes from the mean of its own draw is off by one part in as many"""
FINE = {"rk4": 3, "midpoint": 10, "euler": 200}
"""steps of a sampler that draws as well as the usual one, or better (measured on the zoo's flows of points)"""


def checked_strength(name: str, value: Any) -> float:
    """``value`` must be an inverse temperature that a method can aim at."""
    return checks.number(name, value, low=1e-3, high=1e3)


def is_flat(reward: Reward, x1: Tensor) -> bool:
    """Whether a reward differs among samples ``x1`` (n, *event), and has no slope at any of them: it is in or out.

    Raises:
        ValueError: it has no gradient at all.
    """
    r, g = foreign.slope("reward", reward, x1)
    return not g.any() and float(r.max()) > float(r.min())


def usual_settings(method: type) -> dict[str, Any]:
    """What the arguments of a method are, if nobody says; a class's own before those of what it is made from."""
    found: dict[str, Any] = {}
    for kind in method.__mro__:
        if "__init__" in vars(kind) and kind is not object:
            arguments = inspect.signature(vars(kind)["__init__"]).parameters.values()
            for one in itertools.filterfalse(lambda one: one.default is one.empty, arguments):
                found.setdefault(one.name, one.default)
    return found


def _by_name(settings: Any) -> dict[str, Any]:
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise checks.fail("settings", settings, "settings by name")
    return dict(settings)


class Contestant:
    """What is known of a method beside its rounds: a card, and the exact answer."""

    card: ClassVar[Card]
    leave: ClassVar[Mapping[str, Callable[[Any], bool]]] = {}
    """settings of the method's own -> for which values, beside the usual one, ``exact`` is still where it goes"""

    @classmethod
    def goes_there(cls, settings: Mapping[str, Any]) -> bool:
        """Whether ``exact`` knows where the method goes with these settings, beside ``strength``.

        A setting of which nothing is known leads elsewhere, unless it has its usual value.
        """
        usual, settings = usual_settings(cls), _by_name(settings)
        other = {n: v for n, v in settings.items() if n not in HOW_WELL and not (n in usual and usual[n] == v)}
        if "sampler" in other:
            sampler = flow.as_sampler(other.pop("sampler"))
            if not isinstance(sampler, tuple) or sampler[1] < FINE[sampler[0]]:
                return False
        if not all(name in cls.leave and cls.leave[name](value) for name, value in other.items()):
            return False
        sizes = [settings.get(name) or usual[name] for name in ("pool_size", "batch_size")]
        return (sizes[0] or sizes[1]) >= DRAW

    @classmethod
    def is_sure(cls, settings: Mapping[str, Any]) -> bool:
        """Whether it settles at ``exact`` with these settings, and does not only aim at it."""
        return cls._is_sure(usual_settings(cls) | _by_name(settings))

    @classmethod
    def _is_sure(cls, settings: dict[str, Any]) -> bool:
        """``is_sure``, of all settings."""
        return True

    @classmethod
    def exact(cls, cells: Grid, reference: Any, reward: Any, strength: float) -> Optimum | None:
        """The density that the method aims at with this strength, where a formula or the oracle knows one; else None.

        Most lead there if they fit perfectly; the card says which do not.

        Args:
            cells: the grid, as ``PopulationDynamics.cells``.
            reference: the density of p_ref on it, (*shape), >= 0.
            reward: a callable (n, d) -> (n,), or values (*shape).
            strength: the dial, 0.001 to 1000.

        Raises:
            ValueError: an argument out of range, named.
        """
        p, r = masses("reference", cells, reference), reward_on(cells, reward)
        return cls._exact(cells, p / cells.dx**cells.dim, r, checked_strength("strength", strength))

    @classmethod
    def exact_round(cls, cells: Grid, reference: Any, reward: Any, strength: float) -> Optimum | None:
        """The density after one round from the reference that is fitted perfectly, if a formula is known.

        Args:
            cells: the grid, as ``PopulationDynamics.cells``.
            reference: the density of p_ref on it, (*shape), >= 0.
            reward: a callable (n, d) -> (n,), or values (*shape).
            strength: the dial, 0.001 to 1000.

        Raises:
            ValueError: an argument out of range, named.
        """
        p, r = masses("reference", cells, reference), reward_on(cells, reward)
        return cls._exact_round(cells, p / cells.dx**cells.dim, r, checked_strength("strength", strength))

    @classmethod
    def _exact_round(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum | None:
        """``exact_round``, of checked arguments."""
        return None

    @classmethod
    def _exact(cls, cells: Grid, density: Tensor, r: Tensor, strength: float) -> Optimum | None:
        """``exact``, of checked arguments; for a method without a known limit None."""
        return None


class Method(Contestant, Run):
    """A method beside the paper's. Each file after this one holds one or two, and says what it draws and its loss.

    Args:
        reference: ``v_ref(t, x)``, pretrained on the linear path.
        reward: any callable (n, *event) -> (n,).
        strength: the inverse temperature that the method aims at, 0.001 to 1000; what it sets stands on the ``card``.
        seed: of everything random in the run, from 0 to 2^32 - 1.
        batch_size: samples a gradient step, at least 2: they are compared with one another.
        pool_size: samples that a round learns from; ``batch_size`` if None. Each step takes a random batch of them.
        steps_per_round: gradient steps on each draw.
        lr: Adam's learning rate.
        average_decay: as ``Run`` has it.
        sampler: as ``Run`` has it; methods that sample by noisy or by Euler's steps of their own do not use it.
        policy: as ``Run`` has it.
        event_shape: as ``Run`` has it.
        rank: as ``Run`` has it.

    ``strength``, ``lr``, ``reward`` and ``steps_per_round`` may change between rounds.

    Raises:
        ValueError: any argument out of range, named.
    """

    strength = Setting(checked_strength, "What the method aims at, an inverse temperature.")
    steps_per_round = Setting(checks.integer, "Gradient steps on each draw, >= 1.")
    settings_names: tuple[str, ...] = (
        *("strength", "seed", "batch_size", "pool_size", "steps_per_round", "lr", "average_decay", "sampler", "rank"),
    )

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        strength: float = 1.0,
        seed: int = 0,
        *,
        batch_size: int = 256,
        pool_size: int | None = None,
        steps_per_round: int = 1,
        lr: float = 1e-3,
        average_decay: float = 0.98,
        sampler: Sampler | None = None,
        policy: nn.Module | None = None,
        event_shape: tuple[int, ...] | None = None,
        rank: int | None = None,
    ) -> None:
        path = getattr(getattr(reference, "path", None), "name", LINEAR.name)
        if path != LINEAR.name:
            raise checks.fail("reference", f"a velocity on the {path} path", "one on the linear path")
        batch_size = checks.integer("batch_size", batch_size, low=2)
        super().__init__(
            reference, reward, batch_size=batch_size, lr=lr, seed=seed, average_decay=average_decay, sampler=sampler,
            policy=policy, event_shape=event_shape, rank=rank,
        )  # fmt: skip
        self.strength, self.steps_per_round = strength, steps_per_round
        pool_size = self.batch_size if pool_size is None else pool_size
        self.pool_size = checks.integer("pool_size", pool_size, low=self.batch_size)
        self.check_reward()

    def _rewards(self, x1: Tensor) -> Tensor:
        """The rewards of samples, (n,)."""
        self.cost.add(rewards=len(x1))
        return rewards.evaluate(self.reward, x1)

    @property
    def _speed(self) -> float:
        """What multiplies the learning rate."""
        return 1.0

    def _descend(self, loss: Tensor) -> None:
        lr = self.lr
        self.lr = lr * self._speed
        try:
            super()._descend(loss)
        finally:
            self.lr = lr

    def _rolled(self, way: list[Step]) -> Tensor:
        """Fresh noise and all states of the policy's noisy steps from it, (k + 1, n, *event); the last are samples."""
        self.cost.add(forward=self.pool_size * len(way))
        states = rollout.roll(self.policy, self._noise(self.pool_size), way, self.generator)
        if not checks.all_finite(states):
            raise self._diverged("policy's samples")
        return states

    def _asked_along(self, network: nn.Module, way: list[Step], states: Tensor, *, learning: bool = False) -> Tensor:
        """A network at the start of every step, (k, n, *event); with its gradient if it is ``learning``."""
        points = len(way) * states.shape[1]
        self.cost.add(forward=points, backward=points if learning else 0)
        with torch.set_grad_enabled(learning):
            return rollout.along(network, way, states)

    def _uses_a_draw_once(self) -> None:
        """Refuse a draw that is larger than a batch, for a method whose gradient goes through the draw itself."""
        if self.pool_size != self.batch_size:
            raise checks.fail(
                "pool_size", self.pool_size, f"batch_size, {self.batch_size}: {self.card.name} uses it once"
            )

    def _of_reference(self, n: int) -> Tensor:
        """``n`` samples of the reference, drawn so that the run goes on as if nobody had asked."""
        own = torch.Generator().manual_seed(self.seed)
        x0 = flow.noise(n, self.event_shape, generator=own, device=self.device, dtype=self.dtype)
        return flow.push(self.reference, x0, self.sampler)

    def check_reward(self) -> None:
        """Refuse, before any work, a reward that this method could never climb.

        Raises:
            ValueError: it follows the reward's gradient, and there is none, or it is 0 wherever one looks.
        """
        if not self.card.gradient:
            return
        if is_flat(self.reward, self._of_reference(LOOK)):
            raise ValueError(
                f"reward has the gradient 0 at each of {LOOK} samples of the reference; allowed: a reward with a "
                f"slope, for {self.card.name} follows it"
            )

    def _slope(self, x1: Tensor) -> tuple[Tensor, Tensor]:
        """The rewards of samples, (n,), and their gradients, (n, *event)."""
        self.cost.add(rewards=len(x1), reward_gradients=len(x1))
        return foreign.slope("reward", self.reward, x1)

    def _described(self) -> str:
        return f"strength {self.strength:g}, {super()._described()}"

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        reward: Reward,
        reference: nn.Module | None = None,
        policy: nn.Module | None = None,
    ) -> Self:
        """A saved run, ready to go on: on the same machine, as if it had never stopped, bit for bit.

        Args:
            path: a file written by ``save``.
            reward: the reward, which a file cannot hold.
            reference: needed only if it is not one of orwlab's networks; its saved values are loaded into a copy.
            policy: likewise.

        Raises:
            ValueError: the file is missing, damaged, or not such a file; or it needs one of the arguments.
        """
        tensors, metadata = files.read(path, FORMAT)
        return cls._rebuilt(tensors, metadata, reward, reference, policy)


class Regression(Method):
    """A method that draws samples x1, gives each a number a, and regresses on the straight lines that lead to them.

    A subclass says which samples and numbers (``_chosen``) and, if it is more than a fit, the loss (``_loss``).
    """

    def _draw(self) -> Tensor:
        return self._policy_samples(self.pool_size)

    def _chosen(self, x1: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """The samples to learn from, (k, *event), and a number for each, (k,): an advantage or a weight."""
        return x1, r

    def _loss(self, t: Tensor, x_t: Tensor, u_t: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """The loss on lines to x1, and the mean of ``|v_theta - v_ref|^2`` on them; as it stands, a plain fit."""
        v_t, v_ref_t = self._ask(t, x_t)
        return losses.fit(v_t, u_t), losses.penalty(v_t.detach(), v_ref_t)

    def _learn(self, x1: Tensor, c: Tensor | None = None) -> Numbers:
        r = self._rewards(x1)
        mean = float(r.mean())
        x1, a = self._chosen(x1, r)
        totals = torch.zeros(2)
        for _ in range(self.steps_per_round if len(x1) else 0):
            size = min(self.batch_size, len(x1))
            batch, t = self._some(len(x1), size), self._times(size)
            x_t, u_t = LINEAR.interpolate(t, self._noise(size), x1[batch])
            loss, penalty = self._loss(t, x_t, u_t, a[batch])
            self._descend(loss)
            totals += torch.stack([loss.detach(), penalty.detach()]).float().cpu()
        fit, penalty = (totals.double() / self.steps_per_round).tolist()
        ess = weights.effective_sample_size(a.clamp_min(0).log()) if len(a) else 0.0
        return Numbers(reward=mean, penalty=penalty, fit=fit, ess=ess)

    def _ask(self, t: Tensor, x_t: Tensor) -> tuple[Tensor, Tensor]:
        """``v_theta`` and ``v_ref`` at the same points."""
        self.cost.add(forward=2 * len(x_t), backward=len(x_t))
        return self.policy(t, x_t), self.reference(t, x_t)
