"""What an infinitely good network would do: ORW-CFM-W2's population dynamics, exactly, on a grid.

For data q the loss has the pointwise minimiser, with expectations over x1 given x_t = x,

    v*(t, x) = (E[w(x1) u_t] + alpha v_ref(t, x)) / (E[w(x1)] + alpha),

and one refresh pushes N(0, I) through v*. With ``e = v_ref - v^q``, rho_t the law of x_t under q and
``W = E[w | x_t]``, the density that arrives is, along the v*-trajectory that ends at x,

    q_new(x) = q(x) (w(x) + alpha) / (Z + alpha) exp(-alpha int_0^1 (div e + e . grad log rho_t) / (W + alpha) dt).

The state is ``l = log(q / p_ref)``, so only the correction in the exponent carries a discretisation error: the first
refresh, ``q_1 = (w + alpha) p_ref / (Z + alpha)``, has none. The Gaussian kernel of x_t given x1 is separable, so
every conditional moment is ``K F K^T``. No network, no particles.
"""

import math
import warnings
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from orwlab import checks, weights
from orwlab.exact import anderson
from orwlab.exact.anderson import FixedPoint
from orwlab.exact.grid import NOISE, Grid, GridDensity, as_field, default_extent, evaluate, reward_values
from orwlab.exact.moments import Moments, PopulationField

PENALTIES = ("policy", "reference")
LARGEST = {1: 4096, 2: 1024}  # cells an axis, by dimension: a few GB of kernels
NOTHING = 1e-150  # beside the largest weight
FLOOR = 1e-14  # of its maximum, below which the reference's density is not followed
TAPER = 1e-9  # of its maximum, below which l is led to 0: there is nothing there to weigh


class OracleWarning(UserWarning):
    """The grid no longer resolves the density, or mass has left the domain: the numbers are not to be trusted."""


class _Weights(NamedTuple):
    """w on the grid and alpha, both divided by a common factor so that neither overflows; Z = E_q w on that scale."""

    log_w: Tensor
    w: Tensor
    alpha: float
    Z: float


@dataclass(frozen=True)
class _Round:
    """A state of the recursion and the refresh that led to it; nothing of it is ever written to."""

    state: Tensor  # l = log(q / p_ref), (*shape)
    q: Tensor  # the mass of each cell
    mass: float = 1.0  # what the refresh's density summed to before it was normalised
    moved: float = 0.0  # how far, in total variation, the refresh moved it
    before: Tensor | None = None  # the q that v* was fitted to, if one was
    last: _Weights | None = None  # and the weights
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return "domain" in self.problems


class PopulationDynamics:
    """Exact online fine-tuning of a density in one or two dimensions.

    Args:
        target: what the reference has learned: anything with ``.dim`` and ``.log_prob(x) -> (n,)``, or density values
            on a grid, (n,) or (n, n) indexed [x, y]; pictures through ``grids.GridDensity.from_image``.
        reward: a callable (n, d) -> (n,), or values on a grid over the same domain.
        tau: inverse temperature, >= 0.
        alpha: W2 coefficient, >= 0; 0 is pure reward weighting, ``q_N = w^N p_ref / Z``.
        weighting: "exp" (raw), "mean_one" or "clipped", as in ``orwlab.weights``.
        penalty: "policy" averages the penalty over the policy's samples, as the method does; "reference" over the
            reference's, which gives ``q_new = (w q + alpha p_ref) / (Z + alpha)``, Kingman's house of cards.
        axis: cells an axis; 128 in 2-D and 256 on a line by default. 64 in 2-D is four times faster and five times
            less exact.
        extent: half the side of the domain ``[-extent, extent]^dim``; chosen from the target by default, at least 6.
        times: flow times of the quadrature.
        device: where to compute, and where densities and fields then are. Always in float64: weights and tails reach
            over hundreds of orders of magnitude.

    ``tau``, ``alpha``, ``weighting``, ``penalty`` and ``reward`` may be set between rounds. ``problems`` names what is
    wrong with the present state (empty when all is well); an ``OracleWarning`` says it once.

    Raises:
        ValueError: bad arguments, a reward that is not finite, a density that is negative or not a grid.
    """

    def __init__(
        self,
        target: Any,
        reward: Any,
        tau: float = 1.0,
        alpha: float = 1.0,
        *,
        weighting: str = "exp",
        penalty: str = "policy",
        axis: int | None = None,
        extent: float | None = None,
        times: int = 20,
        device: torch.device | str = "cpu",
    ) -> None:
        if not hasattr(target, "log_prob"):
            target = GridDensity(target, 6.0 if extent is None else extent)
        self.target = target
        # the last settings, rewards and weights, which stay what they are from round to round
        self._known: tuple[tuple[float, float, str], Tensor, _Weights] | None = None
        with torch.inference_mode(False):  # its tensors are used under any mode
            self._set_up(target, axis, extent, times, device)
            self.tau, self.alpha, self.weighting, self.penalty = tau, alpha, weighting, penalty
            self.reward = reward
        self.reset()

    def _set_up(self, target: Any, axis: Any, extent: Any, times: Any, device: Any) -> None:
        """What the target alone decides."""
        dim = checks.integer("target.dim", getattr(target, "dim", None), low=1, high=2)
        axis = checks.integer("axis", (128 if dim == 2 else 256) if axis is None else axis, low=16, high=LARGEST[dim])
        times = checks.integer("times", times, low=4, high=1000)
        extent = default_extent(target) if extent is None else checks.number("extent", extent, above=0.0)
        if not NOISE <= extent <= axis / 2:
            raise checks.fail(
                "extent",
                extent,
                f"{NOISE:g} to {axis / 2:g} with an axis of {axis}: the domain holds the noise N(0, I), and "
                "cells of at most 1 resolve it",
            )
        self.cells = Grid(dim, axis, extent, device)
        log_p = evaluate(target.log_prob, self.cells)
        if not math.isfinite(float(log_p.max())):
            raise checks.fail("target.log_prob(x)", log_p, "log densities, finite somewhere and nowhere +infinity")
        p = (log_p - log_p.max()).exp().clamp_min(FLOOR).reshape(self.cells.shape)
        self._p = p / p.sum()  # the mass of each cell
        self._log_p = self._p.log()
        self._taper = p / (p + TAPER)
        # beside its peak; elsewhere no tail
        self._log_tail = (log_p - log_p.max()).reshape(self.cells.shape).masked_fill_(p >= 1e-6, -math.inf)
        # where, without alpha and with it, the reference has next to nothing
        self._nowhere = [(p < bound).double() for bound in (10 * FLOOR, 10 * TAPER)]
        # where the taper leaves something of the correction, and where the smoothing mixes it in from
        followed = self.cells.widened(self._taper > 1e-4, 2)
        self._moments = Moments(self.cells, self._p, times, followed)

    @property
    def reward(self) -> Any:
        """The reward as it was given."""
        return self._reward

    @reward.setter
    def reward(self, reward: Any) -> None:
        if callable(reward):
            values = reward_values(reward, self.cells)
        else:
            field = as_field("reward", reward)
            if field.ndim != self.cells.dim:
                raise checks.fail("reward", field, f"a callable, or values on a {self.cells.dim}-D grid")
            values = self.cells.resample(field.to(self.cells.device))
        self._reward, self.reward_values = reward, values

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("tau", "alpha"):
            value = checks.number(name, value, low=0.0)
        elif name == "weighting":
            value = checks.choice(name, value, weights.KINDS)
        elif name == "penalty":
            value = checks.choice(name, value, PENALTIES)
        super().__setattr__(name, value)

    @property
    def mass(self) -> float:
        """What the last refresh's density summed to before it was normalised."""
        return self._at.mass

    @property
    def moved(self) -> float:
        """How far, in total variation, the last refresh moved the density."""
        return self._at.moved

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with the present state, by kind; empty when all is well."""
        return dict(self._at.problems)

    def reset(self) -> None:
        """Back to the reference, round 0."""
        self.round = 0
        with torch.inference_mode(False):
            self._at = _Round(torch.zeros_like(self._p), self._p, problems=self._inspect(self._p))
        self._warn_of_new({})

    def step(self) -> None:
        """One refresh: fit the pointwise minimiser to the current density and push the noise through it."""
        known = self.problems
        self.advance()
        self._warn_of_new(known)

    def advance(self) -> None:
        """``step`` without warnings, for searches that pass through states nobody sees; ``problems`` is set."""
        self._at = self._refresh(self._at.state)

    def iterate(self, n: int) -> None:
        """``n`` refreshes."""
        for _ in range(checks.integer("n", n, low=0)):
            self.step()

    def fixed_point(self, tol: float = 1e-4, *, max_rounds: int = 500, accelerated: bool = True) -> FixedPoint:
        """Go on until one more refresh moves the density by at most ``tol`` in total variation.

        With ``accelerated`` the refreshes are extrapolated (Anderson's method), which reaches the same limit in far
        fewer of them; without it this is the plain recursion. At least two refreshes are made, for one alone says
        nothing of the rate. Stops early when mass leaves the domain. The distance that remains to the limit is about
        ``.error``, not ``tol``. A search that ends elsewhere than at a limit says so (``problems["limit"]``).

        Args:
            tol: total variation, > 0.
            max_rounds: refreshes at most.
            accelerated: whether to extrapolate.
        """
        tol = checks.number("tol", tol, above=0.0)
        max_rounds = checks.integer("max_rounds", max_rounds)
        accelerated = checks.yes_or_no("accelerated", accelerated)
        known = {kind: text for kind, text in self.problems.items() if kind != "limit"}

        def accept(found: _Round) -> None:
            self._at = found

        # without the penalty nothing contracts; the house of cards may condense, which extrapolation would hide
        contracts = self.alpha > 0 and self.penalty == "policy"
        end = anderson.search(
            self._refresh,
            self._at.state,
            accept=accept,
            restore=lambda state: state - _log_sum_exp(state + self._log_p),
            weight=self._p,
            tol=tol,
            max_rounds=max_rounds,
            memory=6 if accelerated and contracts else 0,
            slowest=self._slowest(),
        )
        if "tail" in self._at.problems:
            end = replace(end, converged=False)
        if not end.converged:
            if {"domain", "tail"} & self._at.problems.keys():
                why = "the density is running away"
            else:
                why = f"the last one moved {end.moved:.2g} of the mass (tol {tol:g}), {end.error:.2g} may remain"
            said = f"the search for the limit ended without one after {end.rounds} refreshes: {why}"
            self._at = replace(self._at, problems=self._at.problems | {"limit": said})
        self._warn_of_new(known)
        return end

    @torch.inference_mode(False)
    def _refresh(self, state: Tensor) -> _Round:
        """One refresh of the state l, whatever the present one is."""
        self.round += 1
        q = self._at.q if state is self._at.state else (state + self._log_p).exp()
        last = self._weigh(state, q)
        log_w, w, alpha, Z = last
        if self.penalty == "reference":
            l_new = ((w * (q / self._p) + alpha) / (Z + alpha)).clamp_min(1e-300).log()
        elif alpha == 0:
            l_new = (state + (log_w - log_w.max())).clamp_min_(-1e300)  # log q_N = N log w + log p_ref, and never -inf
        else:
            correction = self._moments.correction(q, w, alpha)
            # smoothing and taper stop what the grid does not resolve from growing, at large alpha and at the edges;
            # the factor (w + alpha) is exact as it stands, jumps included
            l_new = self.cells.smooth(correction.neg_().add_(state))
            l_new.add_(((w + alpha) / (Z + alpha)).log_()).mul_(self._taper)
        log_q = l_new + self._log_p
        top = log_q.max()
        q_new = log_q.sub_(top).exp_()
        total = q_new.sum()
        log_mass = float(top + total.log())
        if not math.isfinite(float(l_new.sum()) + log_mass):
            self.round -= 1
            raise FloatingPointError(
                f"round {self.round + 1} of the population dynamics is not finite (alpha {self.alpha:g}, "
                f"tau {self.tau:g}); the last good state is kept. Try a smaller tau or a larger extent"
            )
        q_new.div_(total)
        mass = math.exp(min(log_mass, 700.0)) if alpha > 0 else 1.0
        moved = 0.5 * float((q_new - q).abs_().sum())
        problems = self._inspect(q_new, mass, moved, last)
        fitted = q if self.penalty == "policy" else None
        return _Round(l_new.sub_(log_mass), q_new, mass, moved, fitted, last, problems)

    @torch.inference_mode(False)
    def _weigh(self, state: Tensor, q: Tensor) -> _Weights:
        settings, r = (self.tau, self.alpha, self.weighting), self.reward_values
        same = self._known is not None and self._known[0] == settings and torch.equal(self._known[1], r)
        if self._known is None or not same or self.weighting == "mean_one":
            kind = "clipped" if self.weighting == "clipped" else "exp"
            log_w = weights.log_weights(r.flatten(), self.tau, kind).reshape(self.cells.shape)
            if self.weighting == "mean_one":  # over the population, not over the cells
                log_w = log_w - log_w.max()
                log_w = log_w - _log_sum_exp(log_w + state + self._log_p)
            log_alpha = math.log(self.alpha) if self.alpha > 0 else -math.inf
            scale = max(float(log_w.max()), log_alpha)
            alpha = math.exp(log_alpha - scale)
            # beside the largest weight such an alpha does nothing, and in sums it would only underflow
            last = _Weights(log_w, (log_w - scale).exp_(), alpha if alpha > NOTHING else 0.0, 0.0)
            self._known = settings, r.clone(), last
        last = self._known[2]
        return last._replace(Z=float((q * last.w).sum()))

    def _slowest(self) -> float:
        """An upper guide to the rate at which refreshes contract: of a cell of which nothing flows to others."""
        _, w, alpha, Z = self._weigh(self._at.state, self._at.q)
        return float(w.max()) / ((Z if self.penalty == "reference" else float(w.max())) + alpha)

    def _inspect(
        self, q: Tensor, mass: float = 1.0, moved: float = 0.0, last: _Weights | None = None
    ) -> dict[str, str]:
        """What is wrong with the state of cell masses ``q``, given the refresh that led to it."""
        found = {}
        blurred = self.cells.alternating(q)
        if blurred > 0.02:
            found["coarse"] = (
                f"the grid is too coarse: {blurred:.1%} of the mass varies from cell to cell "
                f"(cells of {self.cells.dx:.3g}); give a larger axis than {self.cells.n}, or a larger alpha"
            )
        interior = q[(slice(3, -3),) * self.cells.dim].sum()
        edge = 1 - float(interior)
        lost = float((q * self._nowhere[self.alpha > 0]).sum())
        if edge > 1e-3:
            found["domain"] = (
                f"{edge:.1%} of the mass lies at the domain's edge (+-{self.cells.extent:g}): the density is leaving "
                "it. Give a larger extent, a larger alpha or a bounded reward"
            )
        elif lost > 1e-3:
            found["domain"] = (
                f"{lost:.1%} of the mass has gone where the reference has next to none: the density is running away. "
                "Give a larger alpha or a bounded reward"
            )
        elif last is not None and moved < 0.02 and self._tail_wins(last):
            found["tail"] = (
                "far out in the reference's tail the reward outgrows the penalty: the exact recursion is expected to "
                "run away from there, and what the grid shows is a plateau that depends on how far it follows the "
                "tail. Give a larger alpha or a bounded reward"
            )
        if abs(mass - 1) > 0.01:
            found["mass"] = (
                f"a refresh changed the total mass to {mass:.4f} before it was normalised: the grid does not "
                f"resolve this step; give a larger axis than {self.cells.n}, or more times"
            )
        return found

    def _warn_of_new(self, known: dict[str, str]) -> None:
        for kind in sorted(self.problems.keys() - known.keys()):
            warnings.warn(f"round {self.round}: {self.problems[kind]}", OracleWarning, stacklevel=3)

    def _tail_wins(self, last: _Weights) -> bool:
        """Whether, now that the recursion hardly moves, some cell's own equilibrium lies above the reference's peak."""
        # where nothing but a cell's own weight acts, l grows by log((w + alpha) / (Z + alpha)) a round and relaxes by
        # the factor w / (w + alpha)
        _, w, alpha, Z = last
        if self.penalty != "policy" or alpha == 0:
            return False
        equilibrium = ((w + alpha) / (Z + alpha)).log_().mul_((w + alpha).div_(alpha))
        return float(equilibrium.add_(self._log_tail).max()) > 0

    @property
    def grid(self) -> Tensor:
        """The cell centres, (n, 1) or (n, n, 2)."""
        return self.cells.points.clone()

    @property
    def density(self) -> Tensor:
        """The current density at the cell centres, (n,) or (n, n): times the cell's volume it sums to 1."""
        return self._at.q / self.cells.dx**self.cells.dim

    @property
    def reference_density(self) -> Tensor:
        """The reference's density on the same cells."""
        return self._p / self.cells.dx**self.cells.dim

    @property
    def mean_reward(self) -> float:
        """``E r`` under the current density."""
        return float((self._at.q * self.reward_values).sum())

    @property
    def kl(self) -> float:
        """``KL(q | p_ref)`` in nats."""
        return float((self._at.q * self._at.state).sum())

    @property
    def tv(self) -> float:
        """Total variation between the current density and the reference, in [0, 1]."""
        return 0.5 * float((self._at.q - self._p).abs().sum())

    @property
    def mode_mass(self) -> Tensor:
        """The mass that each of the target's modes claims, (n_modes,); for targets with ``mode_of``."""
        if not hasattr(self.target, "mode_of"):
            raise checks.fail("target", self.target, "a target with modes, such as those of orwlab.targets")
        q = self._at.q.flatten()
        labels = self.target.mode_of(self.cells.flat.clone()).to(q.device)
        return q.new_zeros(self.target.n_modes).index_add(0, labels, q)

    @property
    def velocity(self) -> PopulationField:
        """The flow-matching field ``E_q[u_t | x_t = x]`` of the current density: (t, x) -> v, for any sampler."""
        return PopulationField(self._moments, self._at.q)

    @property
    def policy(self) -> PopulationField:
        """The field v* that the last refresh fitted, which a network would have learned; v_ref at round 0."""
        if self._at.before is None or self._at.last is None:
            return self.velocity
        return PopulationField(self._moments, self._at.before, self._at.last.w, self._at.last.alpha, self._p)


def _log_sum_exp(x: Tensor) -> Tensor:
    """``log sum exp x`` over all entries, a scalar: what ``logsumexp`` gives, which takes ten times as long."""
    top = x.max()
    return (x - top).exp_().sum().log_().add_(top)
