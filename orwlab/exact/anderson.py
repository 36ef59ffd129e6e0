"""Where repeating a map ends, found sooner than by repeating it: Anderson's method.

For ``state <- refresh(state)`` that contracts. It knows vectors and a map, and nothing of what they stand for.
Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 12, 1965; Walker and Ni, "Anderson
acceleration for fixed-point iterations", SIAM J. Numer. Anal. 49, 2011.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

LINEAR = 0.05  # a move, below which the map is close enough to linear for extrapolating to pay
ROUNDING = 1e-12  # moves below it say nothing about how the map contracts


class Refreshed(Protocol):
    """What there is to know of a refresh."""

    @property
    def state(self) -> Tensor:
        """Where it led."""

    @property
    def moved(self) -> float:
        """How far that is from where it began, in the distance that ``tol`` means."""

    @property
    def over(self) -> bool:
        """Whether going on is pointless."""


R = TypeVar("R", bound=Refreshed)


@dataclass(frozen=True)
class FixedPoint:
    """How the search for the limit ended.

    ``converged``; ``rounds`` refreshes computed; ``moved``, how far the last one that counts moved; ``rate``, the
    factor by which the slowest remaining error shrinks a refresh (of the plain recursion, also when it was
    accelerated); ``error``, what may remain to the limit: ``2 moved / (1 - rate)``, twice what one rate would leave,
    for the rate still rises while the faster errors die away. A single refresh has no rate: NaN, and any error.
    """

    converged: bool
    rounds: int
    moved: float
    rate: float
    error: float


def search(
    refresh: Callable[[Tensor], R],
    start: Tensor,
    *,
    accept: Callable[[R], None],
    restore: Callable[[Tensor], Tensor],
    weight: Tensor,
    tol: float,
    max_rounds: int,
    memory: int,
    slowest: float = 1.0,
) -> FixedPoint:
    """Repeat ``refresh`` until it moves by at most ``tol``, extrapolating between repetitions.

    It extrapolates only once refreshes move little: before, the map is far from linear. An extrapolated state from
    which the next refresh moves further than the last is dropped for the plain refresh that it replaced; and after the
    k-th such rejection 2^k plain refreshes come before the next try, so that where the map does not take to it the
    search is the plain one but for a few refreshes. An extrapolation may happen on a state whose refresh moves little
    though it is far from the limit: the last refresh is therefore a plain one that moves less than the one before it.

    Args:
        refresh: the map, from a state to what there is to know of its refresh; may raise ``FloatingPointError``.
        start: the first state, any shape.
        accept: called with every refresh that counts, the last of them the answer.
        restore: takes an extrapolated state back to where states live.
        weight: of each entry in the inner product of states, of their shape.
        tol: how far a last refresh may move.
        max_rounds: refreshes at most.
        memory: differences that are kept for extrapolating; 0 is the plain recursion.
        slowest: taken for the rate where refreshes move by rounding alone.

    Raises:
        FloatingPointError: of ``refresh``, from a state that was not extrapolated.
    """
    root = weight.sqrt()
    steps: list[Tensor] = []  # differences of states
    bends: list[Tensor] = []  # differences of residuals
    previous: tuple[Tensor, Tensor] | None = None
    plain: Tensor | None = None  # what the last extrapolation replaced
    state, moved, ratio, over = start, math.inf, math.nan, False
    rounds = rejected = pause = 0

    def settled() -> bool:
        return moved <= tol and (ratio < 1 or (moved <= ROUNDING and not math.isnan(ratio)))

    while rounds < max_rounds and not over and not settled():
        try:
            found = refresh(state)
            failed = plain is not None and found.moved > moved
        except FloatingPointError:
            if plain is None:
                raise
            failed = True
        rounds += 1
        if failed:
            assert plain is not None
            state, plain, previous = plain, None, None
            steps, bends = [], []
            rejected += 1
            pause = 2**rejected
            continue
        accept(found)
        if plain is not None or moved == math.inf:
            ratio = math.nan
        else:
            ratio = found.moved / moved if moved > ROUNDING else slowest
        before, state, plain = state, found.state, None
        moved, over = found.moved, found.over
        if memory == 0 or moved > LINEAR:
            continue
        residual = state - before
        if previous is not None:
            steps = [*steps, before - previous[0]][-memory:]
            bends = [*bends, residual - previous[1]][-memory:]
        previous = (before, residual)
        pause = max(0, pause - 1)
        if steps and not pause and moved > max(tol, ROUNDING):
            plain, state = state, restore(state - _beyond(residual, steps, bends, root))
    fitted = _slowest(steps, bends, root) if steps and moved > ROUNDING else math.nan
    known = [rate for rate in (ratio, fitted if fitted < 1 else math.nan) if not math.isnan(rate)]
    rate = max(known, default=math.nan)
    error = 2 * moved / (1 - rate) if rate < 1 else moved if moved <= ROUNDING else math.inf
    return FixedPoint(settled() and not over, rounds, moved, rate, error)


def _columns(vectors: list[Tensor], root: Tensor) -> Tensor:
    return torch.stack([(v * root).flatten() for v in vectors], 1)  # (entries, m)


def _beyond(residual: Tensor, steps: list[Tensor], bends: list[Tensor], root: Tensor) -> Tensor:
    """What to take from the refreshed state for the one at which the residual would vanish if all was linear."""
    A = _columns(bends, root)
    gram = A.T @ A
    gram += 1e-12 * gram.diagonal().max() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    c = torch.linalg.solve(gram, A.T @ (residual * root).flatten()).tolist()
    return torch.stack([ci * (s + b) for ci, s, b in zip(c, steps, bends)]).sum(0)


def _slowest(steps: list[Tensor], bends: list[Tensor], root: Tensor) -> float:
    """The largest eigenvalue of the refresh's linearisation J: residuals bend by (J - 1) times the step."""
    fitted = torch.linalg.lstsq(_columns(steps, root), _columns(bends, root)).solution  # steps @ fitted ~ bends
    return float(1 + torch.linalg.eigvals(fitted).real.max())
