"""What every method shares: networks, optimiser, random numbers, rounds that are done whole or not at all, and files.

A method says what a round draws (``Run._draw``) and what it learns from it (``Run._learn``); all else is here.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Self

import torch
from torch import Tensor, nn

from orwlab import adapters, checks, files, flow, foreign, solvers, velocity
from orwlab.flow import Sampler
from orwlab.rewards import Reward
from orwlab.solvers import NonStationary
from orwlab.velocity import Velocity

FORMAT = "orwlab fine-tuning run 3"
CLASSICAL: Sampler = ("rk4", 3)  # where nobody has learned a better solver
SAMPLES, GRADIENT = "policy's samples", "loss or its gradient"  # what may stop being finite
LARGEST_MEMORY = 35.0  # nats: of a gradient that the optimiser remembers, whose square has to be a float32


class Diverged(RuntimeError):
    """A sample, loss or gradient stopped being finite. The run is back at its last good state."""

    def __init__(self, what: str, round: int, settings: str) -> None:
        self.what, self.round, self.settings = what, round, settings
        super().__init__(
            f"the {what} stopped being finite in round {round} ({settings}). The last state that drew finite samples "
            "is kept. Try a larger alpha, a smaller tau or lr, or a bounded reward."
        )

    def __reduce__(self) -> tuple[type["Diverged"], tuple[str, int, str]]:
        return type(self), (self.what, self.round, self.settings)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What one round measured, on its own draw, before its gradient steps moved the policy.

    A number that means nothing to a method is NaN.
    """

    reward: float
    """mean of r(x1)"""
    penalty: float
    """mean of |v_theta - v_ref|^2 at the training points, the round's average"""
    fit: float
    """mean of what the method learns from beside the penalty, such as w |v_theta - u_t|^2, the round's average"""
    ess: float = math.nan
    """effective sample size of the weights, 1 .. number drawn"""
    alpha: float = math.nan
    tau: float = math.nan


@dataclass
class Cost:
    """What a run has spent so far, counted in points: a batch of 256 that goes once through a network is 256."""

    forward: int = 0
    """evaluations of a velocity, whoever's"""
    backward: int = 0
    """of these, the ones through which a gradient went back: each is about two evaluations more"""
    rewards: int = 0
    """rewards asked for"""
    reward_gradients: int = 0
    """of these, the ones whose gradient was taken"""

    def add(self, *, forward: int = 0, backward: int = 0, rewards: int = 0, reward_gradients: int = 0) -> None:
        """Count so many more of each."""
        self.forward, self.backward = self.forward + forward, self.backward + backward
        self.rewards, self.reward_gradients = self.rewards + rewards, self.reward_gradients + reward_gradients


@dataclass(frozen=True, kw_only=True)
class Snapshot(Numbers):
    """What a round measured, its number, and the watched samples after it."""

    round: int
    _policy: nn.Module = field(repr=False)
    _state: dict[str, Tensor] | None = field(repr=False)
    _watch: Tensor | None = field(repr=False)
    _sampler: Sampler = field(repr=False)
    _told: Callable[[nn.Module], Velocity] = field(repr=False)

    @property
    def samples(self) -> Tensor:
        """The watched noise pushed by the run's sampler through the policy as it was then; computed on each access."""
        if self._watch is None or self._state is None:
            raise checks.fail("watch", None, "noise x0 of shape (n, *event) given to rounds(n, watch=x0)")
        with torch.inference_mode(False):
            then = copy.deepcopy(self._policy)
            then.load_state_dict(self._state)
        return flow.push(self._told(then), self._watch, self._sampler)


class Setting:
    """An attribute that may change between rounds, checked whenever it is set."""

    def __init__(self, check: Callable[[str, Any], Any], doc: str) -> None:
        self._check, self.__doc__ = check, doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, run: Any, owner: type | None = None) -> Any:
        return self if run is None else run.__dict__[self._name]

    def __set__(self, run: Any, value: Any) -> None:
        run.__dict__[self._name] = self._check(self._name, value)


def _reward(name: str, value: Any) -> Reward:
    if not callable(value):
        raise checks.fail(name, value, "a callable (n, *event) -> (n,), such as rewards.get(name)")
    return value


class Run:
    """A policy being fine-tuned from a pretrained reference. Each method is a subclass.

    Args:
        reference: ``v_ref(t, x)``, pretrained; a frozen copy is kept, and the policy starts from another.
        reward: any callable (n, *event) -> (n,).
        batch_size: samples a gradient step.
        lr: Adam's learning rate.
        seed: of everything random in the run, from 0 to 2^32 - 1. torch's global random state is never used.
        average_decay: the running average of the weights keeps this fraction of itself a gradient step. Only the run's
            own steps count in it (corrected as Adam's averages are), so that it does not lag behind at the start; with
            1 it is their plain mean.
        sampler: how the policy's own samples are drawn while training: a solver and its number of steps, such as
            ("rk4", 3), or a learned solver. None: the reference's own learned ``solver`` if it has one, else rk4.
        policy: a trainable network to start from instead of a copy of the reference (which may then be a closed form).
            Frozen and unused parameters stay as they are.
        event_shape: shape of one sample; needed only where neither network has an ``event_shape``.
        rank: of low-rank ``adapters``, if only these are to learn: the reference is then the policy with its adapters
            off, and there is no second copy of its weights. None: all weights learn.

    The run computes where the policy's parameters are, and in their floating type.

    Raises:
        ValueError: any argument out of range, named.
    """

    reward = Setting(_reward, "The reward, any callable (n, *event) -> (n,).")
    runs: int = 1
    """how many runs these are: an ``Ensemble`` is many"""
    _snapshot_kind: type[Snapshot] = Snapshot
    settings_names: tuple[str, ...] = ("batch_size", "lr", "seed", "average_decay", "sampler", "rank")
    """the arguments that a file keeps"""

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        *,
        batch_size: int,
        lr: float,
        seed: int,
        average_decay: float,
        sampler: Sampler | None,
        policy: nn.Module | None,
        event_shape: tuple[int, ...] | None,
        rank: int | None = None,
    ) -> None:
        if not isinstance(reference, nn.Module):
            raise checks.fail("reference", reference, "a torch.nn.Module v(t, x), such as zoo.load(name)")
        self.rank = None if rank is None else checks.integer("rank", rank)
        if self.rank is not None:
            if policy is not None:
                raise checks.fail("rank", rank, "None where a policy is given: adapters belong to the reference")
            policy = adapters.attach(reference, self.rank, seed=checks.seed("seed", seed))
        trained = reference if policy is None else policy
        if not isinstance(trained, nn.Module) or not any(p.requires_grad for p in trained.parameters()):
            name = "reference" if policy is None else "policy"
            raise checks.fail(name, trained, "a network with trainable parameters (or pass one as policy=)")
        said = [event_shape, *(getattr(network, "event_shape", None) for network in (trained, reference))]
        shape = next((shape for shape in said if shape is not None), None)
        if shape is None:
            raise checks.fail("event_shape", event_shape, "the shape of one sample, as the networks do not say")
        self.event_shape = checks.shape("event_shape", shape)
        self.batch_size = checks.integer("batch_size", batch_size)
        self.average_decay = checks.number("average_decay", average_decay, low=0.0, high=1.0)
        self.sampler = flow.as_sampler(getattr(reference, "solver", CLASSICAL) if sampler is None else sampler)
        self.seed = checks.seed("seed", seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.reward = reward

        with torch.inference_mode(False):
            # eval(): with dropout on in the policy alone, the penalty would not be 0 at the start
            self.policy = self._policy_like(trained).eval()
            if self.rank is None:
                self.reference = copy.deepcopy(reference).eval().requires_grad_(False)
            else:
                self.reference = adapters.Off(self.policy)
            self.average = copy.deepcopy(self.policy).requires_grad_(False)
        trainable = next(p for p in self.policy.parameters() if p.requires_grad)
        self.device, self.dtype = trainable.device, trainable.dtype
        self.reference.to(self.device)
        if foreign.dtype_of(self.reference) not in (None, self.dtype):
            self.reference.to(self.dtype)
        self._try("reference", self.reference)
        self._try("policy", self.policy)
        self._learning, self._averaged = tuple(self.policy.parameters()), tuple(self.average.parameters())
        self.optimizer = torch.optim.Adam(self._learning, lr=1e-3, fused=True)
        self.lr = lr
        self.round = self.steps = 0
        self.cost = Cost()
        self._good = self.state_dict()

    def _policy_like(self, network: nn.Module) -> nn.Module:
        """What learns, a copy of ``network``; an ensemble's is many."""
        return copy.deepcopy(network)

    def _try(self, name: str, network: nn.Module) -> None:
        """A network that answers rightly here does so in every round; one that does not is named before any work."""
        x = torch.zeros(2 * self.runs, *self.event_shape, device=self.device, dtype=self.dtype)
        v = foreign.velocity(name, network, *self._trial())
        with torch.inference_mode(False), torch.no_grad():
            for t in (x.new_full((), 0.5), x.new_full((len(x),), 0.5)):
                v(t, x)

    def _trial(self) -> tuple[Tensor, ...]:
        """What networks take beside two points; nothing, where they are told nothing."""
        return ()

    def _told(self, network: nn.Module, c: Tensor | None) -> Velocity:
        """``network`` as ``v(t, x)``, told ``c``, a row for each x; itself where nobody is told anything."""
        return network if c is None else lambda t, x: network(t, x, c)

    def _watching(self, n: int) -> Tensor | None:
        """What ``n`` watched samples are told."""
        return None

    @property
    def lr(self) -> float:
        """Learning rate, > 0; may change between rounds."""
        return self.optimizer.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self.optimizer.param_groups[0]["lr"] = checks.number("lr", value, above=0.0)

    # Rounds ---------------------------------------------------------------------------------------------------------

    def rounds(self, n: int, watch: Tensor | None = None) -> Iterator[Snapshot]:
        """Run ``n`` rounds, one each time the iterator is asked for its next snapshot.

        Args:
            n: how many.
            watch: noise (m, *event); ``snapshot.samples`` is then this noise pushed through the policy by ``sampler``.

        Raises:
            ValueError: ``n`` or ``watch`` is bad, at once; the reward raises or returns something that is not a finite
                (n,), when it does.
            Diverged: something stopped being finite; the last state that drew finite samples is restored.

        Whatever else ends a round, an interrupt from the keyboard or a lack of memory, the run is then as it was after
        the last whole round, and goes on from there as if nothing had happened.
        """
        n = checks.integer("n", n)
        if watch is not None:
            watch = self._here("watch", watch)
        return self._rounds(n, watch)

    def _rounds(self, n: int, watch: Tensor | None) -> Iterator[Snapshot]:
        c = None if watch is None else self._watching(len(watch))
        for _ in range(n):
            numbers = self._whole_round()
            state = None if watch is None else {k: p.detach().clone() for k, p in self.policy.state_dict().items()}
            yield self._snapshot_kind(
                **vars(numbers),
                round=self.round,
                _policy=self.policy,
                _state=state,
                _watch=watch,
                _sampler=self.sampler,
                _told=lambda network: self._told(network, c),
            )

    # whoever calls may have switched gradients off; and nothing may be left switched on between two rounds
    @torch.inference_mode(False)
    @torch.enable_grad()
    def _whole_round(self) -> Numbers:
        before = self.state_dict()
        try:
            drawn = self._draw()
            self._good = before  # its policy draws finite samples
            numbers = self._learn(*drawn) if isinstance(drawn, tuple) else self._learn(drawn)
            self.round += 1
        except Diverged:
            self.load_state_dict(self._good)
            raise
        except BaseException:
            self.load_state_dict(before)
            raise
        return numbers

    def _draw(self) -> Tensor | tuple[Tensor, Tensor]:
        """What a round learns from: x1 (m, *event), finite; or x1, and c, a row for each, if the policy is told it."""
        raise NotImplementedError

    def _learn(self, x1: Tensor, c: Tensor | None = None) -> Numbers:
        """The round's gradient steps; returns what it measured."""
        raise NotImplementedError

    def _policy_samples(self, n: int, c: Tensor | None = None) -> Tensor:
        """``n`` fresh samples of the policy, (n, *event), told ``c``."""
        return self._samples_of(self.policy, n, c)

    def _samples_of(self, network: nn.Module, n: int, c: Tensor | None = None) -> Tensor:
        """``n`` fresh samples of the policy, whichever of its networks stands for it."""
        x0 = self._noise(n)
        self.cost.add(forward=len(x0) * flow.evaluations(self.sampler))
        return self._sound(flow.push(self._told(network, c), x0, self.sampler))

    def _sound(self, x1: Tensor) -> Tensor:
        """Samples of the policy, all of them finite, or ``Diverged``."""
        if not checks.all_finite(x1):
            raise self._diverged(SAMPLES)
        return x1

    def _here(self, name: str, x: Any) -> Tensor:
        """Samples from outside, checked, where the run computes and in its floating type, maybe a shorter one."""
        x = checks.points(name, x, self.event_shape).to(self.device, self.dtype)
        return checks.points(name, x, self.event_shape)

    def _noise(self, n: int) -> Tensor:
        return flow.noise(n, self.event_shape, generator=self.generator, device=self.device, dtype=self.dtype)

    def _times(self, n: int) -> Tensor:
        """``n`` times, evenly in [0, 1): drawn on the CPU in float32, as noise is."""
        return torch.rand(n, generator=self.generator, dtype=torch.float32).to(self.device, self.dtype)

    def _any(self, n: int, k: int) -> Tensor:
        """``k`` of ``n`` samples, each time any of them."""
        return torch.randint(n, (k,), generator=self.generator).to(self.device)

    def _some(self, n: int, k: int) -> Tensor:
        """Which ``k`` of ``n`` samples a gradient step learns from, none of them twice."""
        return torch.randperm(n, generator=self.generator)[:k].to(self.device)

    def _rescale(self, log_factor: float) -> None:
        """From now on the loss is ``e^log_factor`` times what it was: so is the optimiser's memory of its gradients."""
        factor = math.exp(max(-LARGEST_MEMORY, min(LARGEST_MEMORY, log_factor)))
        largest = math.exp(LARGEST_MEMORY)
        for state in self.optimizer.state.values():
            state["exp_avg"].mul_(factor).clamp_(-largest, largest)
            state["exp_avg_sq"].mul_(factor**2).clamp_(max=largest**2)

    def _descend(self, loss: Tensor) -> None:
        """One gradient step, and one of the running average."""
        for p in self._learning:
            p.grad = None
        loss.sum().backward()  # one number; an ensemble has one for each run
        self._look_at(loss.detach(), [p.grad for p in self._learning if p.grad is not None])
        self.optimizer.step()
        with torch.no_grad():
            self.steps += 1
            torch._foreach_lerp_(self._averaged, self._learning, newest(self.average_decay, self.steps))

    def _look_at(self, loss: Tensor, gradients: list[Tensor]) -> None:
        """Whether loss and gradients are finite, or ``Diverged``."""
        if not checks.all_finite(torch.stack([*torch._foreach_norm(gradients), loss])):
            raise self._diverged(GRADIENT)

    def _diverged(self, what: str) -> Diverged:
        return Diverged(what, self.round + 1, self._described())

    def _described(self) -> str:
        return f"lr {self.lr:g}"

    # Keeping a run --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """All that rounds change, as copies: networks, optimiser, random numbers, the round, what the method adds."""
        with torch.no_grad():
            return {key: value.clone() for key, value in self._state().items()}

    def _state(self) -> dict[str, Tensor]:
        """What ``state_dict`` copies; a method that remembers more adds it here."""
        state = {"round": torch.tensor(self.round), "steps": torch.tensor(self.steps)}
        state["cost"] = torch.tensor(list(vars(self.cost).values()))
        state["generator"] = self.generator.get_state()
        live = {f"{name}.{k}": v for name in ("policy", "average") for k, v in getattr(self, name).state_dict().items()}
        for index, entries in self.optimizer.state_dict()["state"].items():
            live |= {f"optimizer.{index}.{key}": value for key, value in entries.items()}
        return state | live

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave.

        Raises:
            ValueError: the values do not fit the networks, or some are missing.
        """
        if not isinstance(state, dict) or not {"generator", "round", "steps"} <= state.keys():
            raise checks.fail("state", state, "what state_dict() gave")
        for name in ("policy", "average"):
            fill(getattr(self, name), state, name)
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                entries.setdefault(int(index), {})[name] = value.clone()
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": entries, "param_groups": groups})
        self.generator.set_state(state["generator"].clone())  # a row of a larger tensor would end the process
        self.round, self.steps = int(state["round"]), int(state["steps"])
        self.cost = Cost(*state["cost"].tolist()) if "cost" in state else Cost()  # files of old have none

    def settings(self) -> dict[str, Any]:
        """The arguments, as they are now, that rebuild this run next to its networks, reward and data."""
        found = {name: getattr(self, name) for name in self.settings_names}
        if isinstance(self.sampler, NonStationary):
            found["sampler"] = self.sampler.config
        return found

    def save(self, path: str | PathLike[str]) -> None:
        """Write networks, optimiser, random state and settings to one safetensors file, all or nothing."""
        tensors = self.state_dict()
        tensors |= {f"good.{key}": value for key, value in self._good.items()}
        reference = self.reference if self.rank is None else adapters.base(self.policy)
        tensors |= {f"reference.{key}": value for key, value in reference.state_dict().items()}
        metadata = {
            "format": FORMAT,
            "method": type(self).__name__,
            "settings": self.settings(),
            "event_shape": list(self.event_shape),
            "reference": getattr(self.reference, "config", None),
            "policy": None if self.rank is not None else getattr(self.policy, "config", None),
            **self._facts(),
        }
        files.write(path, tensors, metadata)

    def _facts(self) -> dict[str, Any]:
        """What else a file has to say."""
        return {}

    @classmethod
    def _rebuilt(
        cls,
        tensors: dict[str, Tensor],
        metadata: dict[str, Any],
        reward: Reward,
        reference: nn.Module | None,
        policy: nn.Module | None,
        **arguments: Any,
    ) -> Self:
        """The run that a file holds; ``arguments`` are those of the method's ``__init__`` that a file cannot keep."""
        if metadata["method"] != cls.__name__:
            raise checks.fail("path", metadata["method"], f"a run of {cls.__name__}")
        networks: dict[str, nn.Module | None] = {"policy": None}
        adapted = metadata["settings"].get("rank") is not None
        for name, given in (("reference", reference), ("policy", policy)):
            if name == "policy" and adapted and given is None:
                continue  # the reference with adapters, which the run itself attaches
            if given is not None and not isinstance(given, nn.Module):
                raise checks.fail(name, given, "a torch.nn.Module v(t, x), or None")
            config = metadata[name]
            if given is None and config is None:
                raise checks.fail(name, given, "a module of the saved one's class: the file cannot say how to build it")
            network = copy.deepcopy(given) if given is not None else velocity.build(config)
            cls._fill(network, tensors, name)
            networks[name] = network
        settings = dict(metadata["settings"])
        if isinstance(settings["sampler"], dict):
            settings["sampler"] = solvers.build(settings["sampler"])
        run = cls(
            networks["reference"],  # type: ignore[arg-type]
            reward,
            policy=networks["policy"],
            event_shape=tuple(metadata["event_shape"]),
            **settings,
            **arguments,
        )
        run.load_state_dict(tensors)
        run._good = {key.removeprefix("good."): v for key, v in tensors.items() if key.startswith("good.")}
        return run

    @classmethod
    def _fill(cls, network: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
        """Put into ``network``, of which the run is then made, what a file holds of it."""
        fill(network, tensors, name)


def newest(decay: float, n: int) -> float:
    """The share of the newest of ``n`` values in their running average, whose shares fall by ``decay`` and sum to 1."""
    return 1 / n if decay == 1 else (1 - decay) / (1 - decay**n)


def fill(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    """Load the values whose names begin with ``prefix.`` into ``module``, in their own floating type.

    Raises:
        ValueError: they do not fit.
    """
    saved = {key.removeprefix(prefix + "."): v for key, v in tensors.items() if key.startswith(prefix + ".")}
    types = {v.dtype for v in saved.values() if v.is_floating_point()}
    if len(types) == 1:
        module.to(types.pop())
    try:
        module.load_state_dict(saved)
    except RuntimeError as error:
        raise checks.fail(prefix, type(module).__name__, f"a module that fits the saved values ({error})") from error
