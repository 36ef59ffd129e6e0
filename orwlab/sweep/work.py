"""The two tasks of a sweep, as pure functions with names: a run, measured, and the exact answer that it is held to.

Mean rewards are of the running average's samples from fixed noise, as they are. Beside them stands what the pretrained
reference has from the same noise: ``table.Row`` takes the difference, in which neither the noise nor what the reference
has not learned counts.
"""

import contextlib
import math
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orwlab import flow, methods, rewards, zoo
from orwlab.exact.dynamics import OracleWarning, PopulationDynamics
from orwlab.exact.sweep import limits, mean_distance
from orwlab.measure import distances, samples
from orwlab.methods import dial
from orwlab.methods.run import Diverged
from orwlab.sweep import once

SEEN = 4000  # samples whose mean reward is taken
APART = 2000  # of these, between which distances are taken
FOLLOWED = 512  # whose densities are followed along the flow
PLANE = 4  # dimensions up to which that is cheap: a backward pass each, at every step
NOISE = 1234  # the seed of the noise, the same for all
LAST = 0.1  # of the rounds: their mean effective sample size is kept
TOL = 1e-4  # of the search for a limit, in total variation
PAPER = "orw_cfm_w2"
"""the method that takes alpha and tau as they are"""
BY_TAU = ("orw_cfm", "rw_cfm")
"""those without alpha: their strength is tau"""

CODE = (
    *("foreign.py", "paths.py", "couplings.py", "weights.py", "rewards.py", "targets.py", "losses.py", "velocity.py"),
    *("adapters.py", "solvers.py", "flow.py", "measure", "exact", "methods", "sweep/work.py"),
)
"""what decides a result, beside the settings"""

_lock = threading.Lock()
_under_way: list[int] = []  # the seeds of tasks
_before: list[tuple[Any, ...]] = []  # the generators as they were before the first of these

Settings = Mapping[str, Any]
"""of a method: "alpha" and "tau", or "strength", beside what else it takes"""


def told(task: Settings, function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a function gives, and which task it is of, for whoever finds the file."""
    with _by_itself(task):
        return {"task": dict(task), **function(*arguments)}


@contextlib.contextmanager
def _by_itself(task: Settings) -> Iterator[None]:
    """Within the block a callable that draws from Python's, numpy's or torch's own generator draws what is the task's.

    So that the same task gives the same numbers in whatever process and after whatever else, and nobody's generators
    are changed. Of one process all threads have the same generators: there the numbers cannot be had, and what was
    there before is put back when the last one is done. Likewise torch's usual floating type, of which another process
    would not know.
    """
    seed = int(once.digest(dict(task))[:8], 16)
    with _lock:
        if not _before:
            _before.append(_generators())
        _under_way.append(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  a callable may draw from it
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(seed)
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _lock:
            _under_way.remove(seed)
            if not _under_way:
                _put_back(_before.pop())


def _generators() -> tuple[Any, ...]:
    cards = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    numpys = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpys, torch.get_rng_state(), cards, torch.get_default_dtype()


def _put_back(before: tuple[Any, ...]) -> None:
    python, numpys, torchs, cards, floating = before
    random.setstate(python)
    np.random.set_state(numpys)  # noqa: NPY002
    torch.set_rng_state(torchs)
    if cards is not None:
        torch.cuda.set_rng_state_all(cards)
    torch.set_default_dtype(floating)


def run(
    target: str | nn.Module, reward: Any, method: str, dial_at: Settings, seed: int, rounds: int, more: Settings
) -> dict[str, Any]:
    """One run, measured: numbers by name. Those that there are not are NaN.

    A run that diverges is measured at its last good state. Whatever else goes wrong is said in "error", and "again" is
    then true: it may be mended.

    Args:
        target: a name of the zoo's flows of points, or a flow.
        reward: a name, or a callable.
        method: a name.
        dial_at: {"alpha": ..., "tau": ...} for the paper's, {"strength": ...} for others.
        seed: of the run.
        rounds: how many.
        more: other arguments of the method.
    """
    try:
        return _run(target, reward, method, dial_at, seed, rounds, more)
    except Exception as error:
        return {"error": _sentence(error), "again": True}


def _run(
    target: str | nn.Module, reward: Any, method: str, dial_at: Settings, seed: int, rounds: int, more: Settings
) -> dict[str, Any]:
    reference = zoo.load(target) if isinstance(target, str) else target
    reward = rewards.get(reward) if isinstance(reward, str) else reward
    made = begun(reference, reward, method, dial_at, seed, more)
    began, error, ess = time.perf_counter(), "", []
    try:
        for snapshot in made.rounds(rounds):
            ess.append(snapshot.ess)
    except Diverged as diverged:
        error = _sentence(diverged)
    seconds = time.perf_counter() - began
    x0 = flow.noise(SEEN, made.event_shape, generator=torch.Generator().manual_seed(NOISE))
    x1, y1 = flow.sample(made.average, x0), flow.sample(made.reference, x0)
    last = ess[-max(1, round(LAST * rounds)) :] if len(ess) == rounds else ess[-1:]
    return {
        "raw_reward": float(rewards.evaluate(reward, x1).double().mean()),
        "raw_reference": float(rewards.evaluate(reward, y1).double().mean()),
        "diversity": samples.mean_pairwise_distance(x1[:APART]),
        **_away(made.average, made.reference, reward, x0, x1, y1),
        "ess": sum(last) / len(last) if last else math.nan,
        **asdict(made.cost),
        "rounds": made.round,
        "seconds": seconds,
        "error": error,
    }


def begun(reference: nn.Module, reward: Any, method: str, dial_at: Settings, seed: int, more: Settings) -> Any:
    """A run of ``method`` before its first round.

    Raises:
        ValueError: an argument that the method does not take, named.
    """
    kind = methods.get(method)
    if method != PAPER:
        return kind(reference, reward, strength=dial_at["strength"], seed=seed, **more)
    made = kind(reference, reward, seed=seed, **more)
    made.tau, made.alpha = dial_at["tau"], dial_at["alpha"]  # as they are: a strength would round alpha
    return made


def _away(
    average: nn.Module, reference: nn.Module, reward: Any, x0: Tensor, x1: Tensor, y1: Tensor
) -> dict[str, float]:
    """How far the law has gone from the reference's; the densities' part only in few dimensions."""
    if x0[0].numel() > PLANE:
        apart = distances.w2_squared(x1[:FOLLOWED].flatten(1), y1[:FOLLOWED].flatten(1))
        return {"kl": math.nan, "w2_squared": apart, "achieved": math.nan, "r_squared": math.nan}
    found = dial.achieved(average, reference, reward, x0=x0[:FOLLOWED])
    return {
        "kl": found.kl,
        "w2_squared": found.w2_squared,
        "achieved": found.strength,
        "r_squared": found.r_squared,
    }


def limit(
    target: Any, reward: Any, method: str, dial_at: Settings, known: bool = True, sure: bool = True
) -> dict[str, Any]:
    """What an infinitely good network would come to: mean reward, KL and diversity; NaN where nobody knows.

    "exact_reference" is the mean reward of the target itself, which is there for every method. "trusted" is false where
    the search for the limit did not end, where the grid does not resolve it, and where the method only aims at it.

    Args:
        target: a name of the zoo's flows of points, or a target with ``dim``, 1 or 2, and ``log_prob``.
        reward: a name, or a callable.
        method: a name.
        dial_at: as ``run`` has it.
        known: whether it goes where its dial says; if not, only "exact_reference" is worked out.
        sure: whether it gets there.
    """
    try:
        found = _limit(target, reward, method, dial_at, known)
    except Exception as error:
        return {"error": _sentence(error), "again": True}
    return found if sure else {**found, "trusted": False}


def _limit(target: Any, reward: Any, method: str, dial_at: Settings, known: bool) -> dict[str, Any]:
    target = zoo.target(target) if isinstance(target, str) else target
    reward = rewards.get(reward) if isinstance(reward, str) else reward
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", OracleWarning)
        dynamics = PopulationDynamics(target, reward, weighting="mean_one")
        cells, density, r = dynamics.cells, dynamics.reference_density, dynamics.reward_values
        start = dynamics.mean_reward
        unknown = {"exact": math.nan, "exact_kl": math.nan, "exact_diversity": math.nan, "trusted": False}
        if not known or dial_at.get("alpha") == 0:  # at 0 nothing holds it
            return {"exact_reference": start, **unknown}
        if method == PAPER:
            found = limits(dynamics, [dial_at["alpha"]], [dial_at["tau"]], tol=TOL)
            exact, kl, apart = float(found.reward), float(found.kl), float(found.diversity)
            trusted = bool(found.trusted)
        else:
            optimum = methods.get(method).exact(cells, density, r, dial_at["strength"])
            if optimum is None:
                return {"exact_reference": start, **unknown}
            exact, kl, apart = optimum.mean_reward, optimum.kl, mean_distance(cells, optimum.density)
            trusted = not any(issubclass(one.category, OracleWarning) for one in said)
    return {"exact_reference": start, "exact": exact, "exact_kl": kl, "exact_diversity": apart, "trusted": trusted}


def _sentence(error: BaseException) -> str:
    words = " ".join(str(error).split()).encode("utf-8", "replace").decode()  # whatever it holds, a file can hold it
    return f"{type(error).__name__}: {words}"
