"""Many runs of the paper's method as one program: a batch of networks, and of everything that each run has of its own.

    ensemble = Ensemble(reference, reward, alpha=[0.1, 0.3, 1.0, 3.0], seed=7)
    for snapshot in ensemble.rounds(300):
        print(snapshot.reward)                # (4,)
    ensemble.samples(x0)                      # (4, n, *event)
    ensemble.run(2).save("alpha-1.safetensors")

Run i is ``FineTuning(reference, reward, alpha=alpha[i], tau=tau[i], seed=seed[i], ...)``: it draws the same numbers in
the same order, and what comes out is the same but for rounding. For the loss is the sum of the runs' losses, and a sum
has no gradient that leads from one run to another; Adam and the running average go number by number; weights are
taken row by row, a row a run.

That is made for machines that have more to give than one small network asks for, graphics cards (there it was not
measured: ``benchmarks/gpu.py``). On one thread of a CPU it gains next to nothing: ``benchmarks/ensemble.py``.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orwlab import checks, couplings, flow, rewards, weights
from orwlab.flow import Sampler
from orwlab.methods import stacked
from orwlab.methods.orw import DRIFT, FineTuning
from orwlab.methods.run import GRADIENT, LARGEST_MEMORY, SAMPLES, Diverged, Numbers, Snapshot
from orwlab.rewards import Reward

DRAWS = ("own", "shared")
_WHAT = (SAMPLES, GRADIENT)


@dataclass(frozen=True, kw_only=True)
class Readings(Numbers):
    """What one round measured, as ``Numbers`` has it, for each run: tensors (runs,) of float64 on the CPU.

    Of a run that has stopped they are NaN.
    """

    reward: Tensor  # type: ignore[assignment]
    penalty: Tensor  # type: ignore[assignment]
    fit: Tensor  # type: ignore[assignment]
    ess: Tensor  # type: ignore[assignment]
    alpha: Tensor  # type: ignore[assignment]
    tau: Tensor  # type: ignore[assignment]
    going: Tensor
    """whether a run goes on; where not, ``Ensemble.stopped`` says why"""


@dataclass(frozen=True, kw_only=True)
class EnsembleSnapshot(Readings, Snapshot):
    """What a round measured in each run, its number, and the watched samples of each after it."""

    @property
    def samples(self) -> Tensor:
        """The watched noise pushed through each policy as it was then: (runs, m, *event); computed on each access."""
        return super().samples.unflatten(0, (len(self.going), -1))


class Ensemble(FineTuning):
    """Many runs at once, each as ``FineTuning`` would have it, or as near as rounding lets it.

    Args:
        reference: ``v_ref(t, x)``, pretrained; held once, whatever the number of runs.
        reward: any callable (n, *event) -> (n,). It is asked for the samples of all runs together, and has to give each
            point its own value, whatever else is asked with it.
        tau: inverse temperature, >= 0.
        alpha: coefficient of the W2 term, >= 0.
        seed: of everything random in a run, from 0 to 2^32 - 1; runs with one seed draw the same numbers. ``tau``,
            ``alpha`` and ``seed`` are one number for all runs, or a list with one for each.
        weighting: as ``FineTuning`` has it, and so all that follows: one for all runs.
        coupling: "independent".
        steps_per_round: gradient steps on each draw.
        batch_size: samples a gradient step, in each run.
        lr: Adam's learning rate.
        pool_size: samples drawn a round, in each run; ``batch_size`` if None.
        average_decay: of the running averages.
        sampler: how the policies draw while they train.
        path: "linear" or "cosine"; that of the reference if None.
        data: (m, *event) fixed samples, the same for all runs: then the method is offline.
        policy: a trainable network that all start from instead of a copy of the reference. Its answer may hold nothing
            random, and may not depend on the values of x by way of Python, such as ``if``.
        event_shape: needed only where neither network has one.
        rank: None.
        control_variate: 0 to 1.
        draws: "own": each run from its own seed, on the CPU, as if it were alone. "shared": all from one generator on
            the device, seeded by all seeds together: the same law, other numbers, and nothing to be copied there. For
            very many small runs on a graphics card.

    ``tau``, ``alpha``, ``lr``, ``reward``, ``steps_per_round`` and ``control_variate`` may change between rounds. A run
    that diverges is put back to its last good state and stops there, see ``stopped``; the others go on as if it had
    never been. Where the last one stops, ``rounds`` raises.

    What cannot be shared is refused: minibatch OT, which solves one batch at a time, and low-rank adapters, which begin
    from other numbers in each run.

    Raises:
        ValueError: any argument out of range, named.
    """

    _snapshot_kind = EnsembleSnapshot
    settings_names = (*(name for name in FineTuning.settings_names if name not in ("coupling", "rank")), "draws")
    generator: Any
    seed: Any
    _log_units: Tensor | None = None  # (runs,)

    def __init__(
        self,
        reference: nn.Module,
        reward: Reward,
        *,
        tau: Any = 1.0,
        alpha: Any = 1.0,
        seed: Any = 0,
        weighting: str = "exp",
        coupling: str = "independent",
        steps_per_round: int = 1,
        batch_size: int = 256,
        lr: float = 1e-3,
        pool_size: int | None = None,
        average_decay: float = 0.98,
        sampler: Sampler | None = None,
        path: str | None = None,
        data: Tensor | None = None,
        policy: nn.Module | None = None,
        event_shape: tuple[int, ...] | None = None,
        rank: int | None = None,
        control_variate: float = 0.0,
        draws: str = "own",
    ) -> None:
        if checks.choice("coupling", coupling, couplings.NAMES) != "independent":
            raise checks.fail("coupling", coupling, "'independent': OT solves one batch at a time; such runs go alone")
        if rank is not None:
            raise checks.fail("rank", rank, "None: adapters begin from other numbers in each run, which go alone")
        given = {"tau": _each("tau", tau, _from_0), "alpha": _each("alpha", alpha, _from_0)}
        given["seed"] = _each("seed", seed, checks.seed)
        self.runs = max(map(len, given.values()))
        self.draws = checks.choice("draws", draws, DRAWS)
        self._stopped: dict[int, dict[str, Tensor]] = {}
        seeds = self._spread("seed", given["seed"])
        super().__init__(
            reference, reward, given["tau"], given["alpha"], weighting, coupling, steps_per_round, batch_size, lr,  # type: ignore[arg-type]
            seeds[0], pool_size=pool_size, average_decay=average_decay, sampler=sampler, path=path, data=data,
            policy=policy, event_shape=event_shape, control_variate=control_variate,
        )  # fmt: skip
        self.seed = seeds
        self.generator = _Streams(seeds) if self.draws == "own" else _shared(seeds, self.device)
        self._good = self.state_dict()

    @property
    def tau(self) -> tuple[float, ...]:
        """Inverse temperature of each run; may change between rounds, to one number or to a list."""
        return self._tau

    @tau.setter
    def tau(self, value: Any) -> None:
        self._tau = self._spread("tau", _each("tau", value, _from_0))

    @property
    def alpha(self) -> tuple[float, ...]:
        """W2 coefficient of each run; may change between rounds, to one number or to a list."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: Any) -> None:
        self._alpha = self._spread("alpha", _each("alpha", value, _from_0))

    def _spread(self, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) not in (1, self.runs):
            raise checks.fail(name, values, f"one for all, or one for each of {self.runs} runs")
        return values * self.runs if len(values) == 1 else values

    @property
    def stopped(self) -> dict[int, Diverged]:
        """The runs that have stopped, and why: what ``FineTuning`` would have raised."""
        return {i: self._why(i) for i in sorted(self._stopped)}

    def rounds(self, n: int, watch: Tensor | None = None) -> Iterator[EnsembleSnapshot]:
        """As ``FineTuning.rounds``; ``watch`` is pushed through each policy, and numbers are tensors (runs,)."""
        return super().rounds(n, watch)  # type: ignore[return-value]

    def samples(self, x0: Tensor, *, average: bool = False) -> Tensor:
        """Noise ``x0`` (n, *event) pushed through every policy by the runs' sampler: (runs, n, *event).

        Args:
            x0: the noise, the same for each.
            average: through the running averages instead.
        """
        x0, average = self._here("x0", x0), checks.yes_or_no("average", average)
        network = self.average if average else self.policy
        return self._by_run(flow.push(network, self._repeated(x0), self.sampler))

    def run(self, i: int) -> FineTuning:
        """Run ``i``, from 0, as a run of its own: a copy, which goes on as it would have here.

        With ``draws="shared"`` it has drawn nothing of its own so far, and goes on with the numbers of its seed. One
        that has stopped is at its last good state.
        """
        i = checks.integer("i", i, low=0, high=self.runs - 1)
        run = FineTuning(
            self.reference, self.reward, self.tau[i], self.alpha[i], self.weighting, self.coupling,
            self.steps_per_round, self.batch_size, self.lr, self.seed[i], pool_size=self.pool_size,
            average_decay=self.average_decay, sampler=self.sampler, path=self.path.name, data=self.data,
            policy=stacked.alone(self.policy, i), event_shape=self.event_shape, control_variate=self.control_variate,
        )  # fmt: skip
        fresh = {"generator": run.generator.get_state()}
        now, good = (fresh | (self._stopped.get(i) or self._alone(state, i)) for state in (self._state(), self._good))
        run.load_state_dict(now)
        run._good = {key: value.clone() for key, value in good.items()}
        return run

    # Random numbers: each run's, one below the other -----------------------------------------------------------------

    def _drawn(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """What ``draw`` takes from each run's generator. Those that have stopped draw nothing; see ``_acting``."""
        found = {i: draw(self.generator.each[i]) for i in range(self.runs) if i not in self._stopped}
        return torch.cat([found[i] for i in self._acting()])

    def _noise(self, n: int) -> Tensor:
        if self.draws == "own":
            x0 = self._drawn(lambda g: flow.noise(n, self.event_shape, generator=g))
        else:
            x0 = torch.randn(
                self.runs * n, *self.event_shape, generator=self.generator, device=self.device, dtype=torch.float32
            )
        return x0.to(self.device, self.dtype)

    def _times(self, n: int) -> Tensor:
        if self.draws == "own":
            t = self._drawn(lambda g: torch.rand(n, generator=g, dtype=torch.float32))
        else:
            t = torch.rand(self.runs * n, generator=self.generator, device=self.device, dtype=torch.float32)
        return t.to(self.device, self.dtype)

    def _any(self, n: int, k: int) -> Tensor:
        if self.draws == "own":
            return self._drawn(lambda g: torch.randint(n, (k,), generator=g)).to(self.device)
        return torch.randint(n, (self.runs * k,), generator=self.generator, device=self.device)

    def _some(self, n: int, k: int) -> Tensor:
        if self.draws == "own":
            order = self._by_run(self._drawn(lambda g: torch.randperm(n, generator=g)[:k])).to(self.device)
        else:
            order = torch.rand(self.runs, n, generator=self.generator, device=self.device, dtype=torch.float32).argsort(
                1
            )[:, :k]
        return (order + n * torch.arange(self.runs, device=self.device)[:, None]).flatten()

    # The algorithm, a row a run --------------------------------------------------------------------------------------

    def _policy_like(self, network: nn.Module) -> nn.Module:
        return stacked.stack(network, self.runs)

    def _by_run(self, x: Tensor) -> Tensor:
        """(runs n, ...) -> (runs, n, ...)."""
        return x.unflatten(0, (self.runs, -1))

    def _repeated(self, x: Tensor) -> Tensor:
        """(n, ...) -> (runs n, ...), the same for each run."""
        return x.expand(self.runs, *x.shape).flatten(0, 1)

    def _acting(self) -> list[int]:
        """For each run itself; for one that has stopped another that has not, of which it plays a copy.

        So that stacks keep their shape and hold nothing odd. What it learns meanwhile is forgotten at once.
        """
        first = next((i for i in range(self.runs) if i not in self._stopped), 0)
        return [first if i in self._stopped else i for i in range(self.runs)]

    def _rounds(self, n: int, watch: Tensor | None) -> Iterator[Snapshot]:
        return super()._rounds(n, None if watch is None else self._repeated(watch))

    def _draw(self) -> Tensor | tuple[Tensor, Tensor]:
        self._if_any_goes_on()
        return super()._draw()

    def _sound(self, x1: Tensor) -> Tensor:
        """Samples, all finite: where a run's are not it stops."""
        x1 = self._by_run(x1)
        if not checks.all_finite(x1):
            self._stop(~torch.isfinite(x1).flatten(1).all(1), SAMPLES)
        return (x1[self._acting()] if self._stopped else x1).flatten(0, 1)

    def _weighed(self, x1: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        r = rewards.evaluate(self.reward, x1)
        tau = torch.tensor(self.tau, dtype=torch.float64)[self._acting()]
        return r, weights.log_weights_of_rows(self._by_run(r), tau, self.weighting).flatten()

    def _mean(self, w: Tensor) -> Tensor:
        return self._by_run(w).mean(1).repeat_interleave(self.pool_size)

    def _term(self, loss: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
        return torch.vmap(loss)(*map(self._by_run, arguments))

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> couplings.Pairs:
        return couplings.Pairs(x0, x1, w)

    def _learn(self, x1: Tensor, c: Tensor | None = None) -> Numbers:
        numbers = super()._learn(x1, c)
        self._put_back()
        return numbers

    def _measured(self, r: Tensor, log_w: Tensor, terms: Tensor) -> Numbers:
        assert self._log_units is not None
        going = torch.tensor([i not in self._stopped for i in range(self.runs)])
        fit, penalty = terms
        found = {
            "reward": self._by_run(r).mean(1).cpu().double(),
            "penalty": penalty,
            "fit": fit * self._log_units.clamp_max(700.0).exp(),
            "ess": weights.effective_sample_sizes(self._by_run(log_w)),
        }
        settings = {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in ("alpha", "tau")}
        return Readings(**{name: v.where(going, math.nan) for name, v in found.items()}, **settings, going=going)

    def _unit_for(self, log_w: Tensor) -> Any:
        """``FineTuning._unit_for`` of each run, for each of its samples."""
        units = weights.units(self._by_run(log_w))
        if self._log_units is None:
            self._log_units = units
        elif (far := (units - self._log_units).abs() > DRIFT).any():
            before, self._log_units = self._log_totals(), torch.where(far, units, self._log_units)
            self._rescale(before - self._log_totals())
        return self._log_units.to(log_w).repeat_interleave(self.pool_size)

    def _log_alphas(self) -> Tensor:
        return torch.tensor(self.alpha, dtype=torch.float64).log()

    def _log_totals(self) -> Tensor:
        """``log(unit + alpha)`` of each run."""
        assert self._log_units is not None
        return torch.logaddexp(self._log_units, self._log_alphas())

    def _pull(self) -> Tensor:
        return (self._log_alphas() - self._log_totals()).exp().to(self.device, self.dtype)

    def _rescale(self, log_factor: Any) -> None:
        factor, largest = log_factor.clamp(-LARGEST_MEMORY, LARGEST_MEMORY).exp(), math.exp(LARGEST_MEMORY)
        for state in self.optimizer.state.values():
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            each = factor.reshape(-1, *[1] * (mean.ndim - 1))
            mean.mul_(each.to(mean)).clamp_(-largest, largest)
            square.mul_(each.square().to(square)).clamp_(max=largest**2)

    # Runs that stop --------------------------------------------------------------------------------------------------

    def _look_at(self, loss: Tensor, gradients: list[Tensor]) -> None:
        """Where a run's loss or gradient is not finite it stops, and no gradient reaches one that has."""
        sizes = [torch.linalg.vector_norm(g.reshape(self.runs, -1), dim=1) for g in gradients]
        if not checks.all_finite(torch.stack([*sizes, loss])):
            self._stop(~torch.isfinite(torch.stack([*sizes, loss])).all(0), GRADIENT)
        if self._stopped:
            for g in gradients:
                g[sorted(self._stopped)] = 0

    def _stop(self, failed: Tensor, what: str) -> None:
        """Those of the runs (runs,) that have not stopped before do so now."""
        new = [i for i in failed.nonzero().flatten().tolist() if i not in self._stopped]
        for i in new:
            facts = {"what": _WHAT.index(what), "failed": self.round + 1, "alpha": self.alpha[i], "tau": self.tau[i]}
            self._stopped[i] = {key: value.clone() for key, value in self._alone(self._good, i).items()}
            for name, value in {**facts, "lr": self.lr}.items():
                self._stopped[i][name] = torch.tensor(value, dtype=torch.float64)
        self._if_any_goes_on()

    def _if_any_goes_on(self) -> None:
        """Else raise what the last one to stop would have raised alone; the ensemble is then at ``_good``."""
        if len(self._stopped) == self.runs:
            self._good = {k: v for k, v in self._good.items() if not k.startswith("stopped.")} | self._stops()
            raise self._why(max(self._stopped, key=lambda i: float(self._stopped[i]["failed"])))

    def _put_back(self) -> None:
        """Policies and averages of runs that have stopped to what they were."""
        with torch.no_grad():
            for name in ("policy", "average"):
                for key, p in stacked.rows(getattr(self, name)).items():
                    for i, kept in self._stopped.items():
                        p[i] = kept[f"{name}.{key}"]

    def _why(self, i: int) -> Diverged:
        facts = {name: float(self._stopped[i][name]) for name in ("what", "failed", "alpha", "tau", "lr")}
        said = f"run {i}, alpha {facts['alpha']:g}, tau {facts['tau']:g}, lr {facts['lr']:g}"
        return Diverged(_WHAT[int(facts["what"])], int(facts["failed"]), said)

    # Keeping an ensemble ---------------------------------------------------------------------------------------------

    def _alone(self, state: dict[str, Tensor], i: int) -> dict[str, Tensor]:
        """What ``FineTuning.state_dict`` would be of run ``i`` alone, of the ensemble's ``state``."""
        found = {"round": state["round"], "steps": state["steps"], "cost": state["cost"] // self.runs}
        if self.draws == "own":
            found["generator"] = state["generator"][i]
        if "log_unit" in state:
            found["log_unit"] = state["log_unit"][i]
        for name in ("policy", "average"):
            whole = {key.removeprefix(f"{name}."): v for key, v in state.items() if key.startswith(f"{name}.")}
            own = stacked.state_alone(getattr(self, name), whole, i)
            found |= {f"{name}.{key}": value for key, value in own.items()}
        moments = {key: value for key, value in state.items() if key.startswith("optimizer.")}
        return found | {key: value if key.endswith(".step") else value[i] for key, value in moments.items()}

    def _state(self) -> dict[str, Tensor]:
        unit = {} if self._log_units is None else {"log_unit": self._log_units}
        return super()._state() | unit | self._stops()

    def _stops(self) -> dict[str, Tensor]:
        return {f"stopped.{i}.{key}": value for i, kept in self._stopped.items() for key, value in kept.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave."""
        super().load_state_dict(
            {k: v for k, v in state.items() if k != "log_unit"} if isinstance(state, dict) else state
        )
        self._log_units = state["log_unit"].clone() if "log_unit" in state else None
        self._stopped = {}
        for key, value in state.items():
            if key.startswith("stopped."):
                _, i, name = key.split(".", 2)
                self._stopped.setdefault(int(i), {})[name] = value

    @classmethod
    def _fill(cls, network: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
        """A file holds the policies in a stack, which the ensemble is to make first."""
        if name == "policy":
            network.to(next(v.dtype for k, v in tensors.items() if k.startswith("policy.") and v.is_floating_point()))
        else:
            super()._fill(network, tensors, name)


class _Streams:
    """A generator for each run."""

    def __init__(self, seeds: tuple[int, ...]) -> None:
        self.each = [torch.Generator().manual_seed(seed) for seed in seeds]

    def get_state(self) -> Tensor:
        return torch.stack([generator.get_state() for generator in self.each])

    def set_state(self, state: Tensor) -> None:
        for generator, own in zip(self.each, state, strict=True):
            generator.set_state(own.clone())


def _shared(seeds: tuple[int, ...], device: torch.device) -> torch.Generator:
    """One generator on ``device``, seeded by all ``seeds``."""
    return torch.Generator(device).manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))


def _from_0(name: str, value: Any) -> float:
    return checks.number(name, value, low=0.0)


def _each(name: str, values: Any, one: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    """One number, or any list of them, each checked by ``one``: a tuple."""
    if not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0:
        return (one(name, values),)
    found = () if isinstance(values, str | bytes | dict) else tuple(one(name, value) for value in values)
    if not found:
        raise checks.fail(name, values, "a number, or a list with one for each run")
    return found
