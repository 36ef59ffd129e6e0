"""What is known of the methods that race, without any network: exact answers, and the best that KL allows."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from orwlab import methods
from orwlab.exact import sweep
from orwlab.exact.grid import Grid
from orwlab.exact.optima import Optimum, kl_tilt, w2_proximal
from orwlab.methods.cards import Card
from orwlab.methods.method import LOOK, is_flat
from orwlab.show.lab import exact, own
from orwlab.show.lab.banners import Banner
from orwlab.show.lab.exact import Exact
from orwlab.show.lab.settings import Settings

GOES_ON = "no limit: it goes on towards ever more reward"
SHUT = "no limit: it is shut out, for the reward has no slope"
UNKNOWN = "no exact answer is known for it"
LEAVES = "no limit to show: it leaves the grid"
STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)  # of the tilts that make a frontier
PRICES = (1.0, 0.5, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)  # of a unit of W2^2, for the other
EDGE = 1e-3  # of the mass at the grid's edge: then it is about to leave


@dataclass(frozen=True)
class Goal(Exact):
    """Where a method goes, exactly."""

    kl: float
    """to the reference, in nats"""


def shut_out(card: Card) -> Banner:
    """What a lane says whose method cannot follow the reward."""
    return Banner(
        "stopped",
        f"{card.short} is shut out.",
        "It follows the slope of the reward, and this one has none where the samples are. Choose a reward that rises, "
        "or a method that needs only its values.",
    )


def why_never(name: str) -> str:
    """The reason, if one knows without looking, that a method has no limit; else ""."""
    return "" if methods.card(name).settles else GOES_ON


def key(settings: Settings) -> tuple[object, ...]:
    """What the answers of all lanes depend on."""
    return ("race", settings.target, settings.reward, settings.methods, settings.strength)


def goal(settings: Settings, name: str) -> tuple[Goal | None, str]:
    """Where a method goes at these settings; or None, and why. Remembered; a second at worst."""
    why = why_never(name) or (
        SHUT if methods.card(name).gradient and shuts_out(settings.target, settings.reward) else ""
    )
    return (None, why) if why else _goal(settings.target, settings.reward, name, settings.strength)


@functools.lru_cache(maxsize=128)
def _goal(target: str, reward: str, name: str, strength: float) -> tuple[Goal | None, str]:
    state = exact.dynamics(Settings().taken(target=target, reward=reward), 1.0, exact.LIMIT_AXIS)
    try:
        found = methods.get(name).exact(state.cells, state.reference_density, state.reward_values, strength)
    except FloatingPointError:
        return None, "no limit to show: it is finer than the grid"
    if found is None:
        return None, UNKNOWN
    if leaves(state.cells, found):
        return None, LEAVES
    return _told(target, state.cells, found), ""


def leaves(cells: Grid, found: Optimum) -> bool:
    """Whether so much of a density lies at the edge of the grid that it is about to leave it."""
    mass = found.density * cells.dx**cells.dim
    inside = float(mass[2:-2, 2:-2].sum())
    return float(mass.sum()) - inside > EDGE


def _told(target: str, cells: Grid, found: Optimum) -> Goal:
    density = found.density * cells.dx**cells.dim  # (A, A), of the cells that are drawn
    return Goal(
        reward=found.mean_reward,
        resolved=True,
        density=density,
        extent=cells.extent,
        mode_mass=exact.mass_at_modes(target, cells, found.density),
        ess=float("nan"),
        diversity=sweep.mean_distance(cells, found.density),
        w2=exact.w2(target, density, cells.extent),
        kl=found.kl,
    )


Frontiers = Mapping[str, Sequence[tuple[float, float]]]


@functools.lru_cache(maxsize=16)
def frontiers(target: str, reward: str) -> Frontiers:
    """The most reward that there is for a distance to the reference: "kl" and "w2", each a list of (distance, reward).

    For KL these are tilts, for ``W2^2`` the W2-proximal optima. They begin at the reference.
    """
    state = exact.dynamics(Settings().taken(target=target, reward=reward), 1.0, exact.LIMIT_AXIS)
    cells, p, r = state.cells, state.reference_density, state.reward_values
    start = (0.0, float((p * r).sum()) * cells.dx**2)
    tilts = [kl_tilt(cells, p, r, strength) for strength in STRENGTHS]
    moved = [w2_proximal(cells, p, r, price) for price in PRICES]
    return {
        "kl": [start, *((one.kl, one.mean_reward) for one in tilts if not leaves(cells, one))],
        "w2": [start, *((one.w2_squared, one.mean_reward) for one in moved if not leaves(cells, one))],
    }


@functools.lru_cache(maxsize=64)
def shuts_out(target: str, reward: str) -> bool:
    """Whether the reward has no slope at any of some samples of the data, so that nothing can follow it."""
    x1 = own.target(target).sample(LOOK, generator=torch.Generator().manual_seed(0))
    try:
        return is_flat(own.reward(reward), x1)
    except ValueError:
        return True


def plain(found: Any) -> dict[str, float] | None:
    """A goal as JSON holds it."""
    return None if found is None else {"reward": found.reward, "kl": found.kl, "w2": found.w2}
