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
from typing import Any, NamedTuple

import torch
from torch import Tensor

from orwlab import checks, weights
from orwlab.exact.grid import Grid, GridDensity, as_field, default_extent, evaluate, reward_values
from orwlab.exact.moments import FixedPoint, Moments, PopulationField, accelerate

PENALTIES = ("policy", "reference")
FLOOR = 1e-14  # of its maximum, below which the reference's density is not followed
TAPER = 1e-9  # of its maximum, below which l is led to 0: there is nothing there to weigh


class OracleWarning(UserWarning):
    """The grid no longer resolves the density, or mass has left the domain: the numbers are not to be trusted."""


class _Weights(NamedTuple):
    """w on the grid and alpha, both divided by a common factor so that neither overflows; Z = E_q w on that scale."""

    w: Tensor
    alpha: float
    Z: float


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
        axis: cells an axis; 128 in 2-D and 256 on a line by default. 64 in 2-D is five times faster and five times
            less exact.
        extent: half the side of the domain ``[-extent, extent]^dim``; chosen from the target by default, at least 6.
        times: flow times of the quadrature.

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
    ) -> None:
        if not hasattr(target, "log_prob"):
            target = GridDensity(target, 6.0 if extent is None else extent)
        self.target = target
        dim = checks.integer("target.dim", getattr(target, "dim", None), low=1, high=2)
        axis = checks.integer("axis", (128 if dim == 2 else 256) if axis is None else axis, low=16, high=4096)
        self.cells = Grid(dim, axis, default_extent(target) if extent is None else extent)
        self.tau, self.alpha, self.weighting, self.penalty = tau, alpha, weighting, penalty
        self.reward = reward
        log_p = evaluate(target.log_prob, self.cells)
        if log_p.shape != (axis**dim,) or log_p.isnan().any() or not math.isfinite(float(log_p.max())):
            raise checks.fail("target.log_prob(x)", log_p, f"({axis**dim},) log densities, not NaN, somewhere finite")
        p = (log_p - log_p.max()).exp().clamp_min(FLOOR).reshape(self.cells.shape)
        self._p = p / p.sum()  # the mass of each cell
        self._log_p, self._relative = self._p.log(), p
        self._log_relative = (log_p - log_p.max()).reshape(self.cells.shape)
        self._taper = p / (p + TAPER)
        self._moments = Moments(self.cells, self._p, checks.integer("times", times, low=4))
        self.problems: dict[str, str] = {}
        self.reset()

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
            values = self.cells.resample(field)
        self._reward, self.reward_values = reward, values

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("tau", "alpha"):
            value = checks.number(name, value, low=0.0)
        elif name == "weighting":
            checks.choice(name, value, weights.KINDS)
        elif name == "penalty":
            checks.choice(name, value, PENALTIES)
        super().__setattr__(name, value)

    def reset(self) -> None:
        """Back to the reference, round 0."""
        self.round = 0
        self.mass = 1.0  # what the last refresh's density summed to before it was normalised
        self.moved = 0.0  # how far, in total variation, the last refresh moved it
        self._l = torch.zeros_like(self._p)
        self._policy: PopulationField | None = None
        self.problems = {}
        self._inspect()
        self._warn_of_new({})

    def step(self) -> None:
        """One refresh: fit the pointwise minimiser to the current density and push the noise through it."""
        known = self.problems
        self.advance()
        self._warn_of_new(known)

    def advance(self) -> None:
        """``step`` without warnings, for searches that pass through states nobody sees; ``problems`` is set."""
        q, last = self._q, self._weigh()
        self._l, self.mass = self._refresh(q, *last)
        self.round += 1
        self.moved = 0.5 * float((self._q - q).abs().sum())
        self._policy = None
        if self.penalty == "policy":
            self._policy = PopulationField(self._moments, q, last.w, last.alpha, self._p)
        self._inspect(last)

    def iterate(self, n: int) -> None:
        """``n`` refreshes."""
        for _ in range(checks.integer("n", n, low=0)):
            self.step()

    def fixed_point(self, tol: float = 1e-4, *, max_rounds: int = 500, accelerated: bool = True) -> FixedPoint:
        """Go on until one more refresh moves the density by at most ``tol`` in total variation.

        With ``accelerated`` the refreshes are extrapolated (Anderson's method), which reaches the same limit in far
        fewer of them; without it this is the plain recursion. Stops early when mass leaves the domain. The distance
        that remains to the limit is about ``.error``, not ``tol``.

        Args:
            tol: total variation, > 0.
            max_rounds: refreshes at most.
            accelerated: whether to extrapolate.
        """
        checks.number("tol", tol, above=0.0)
        checks.integer("max_rounds", max_rounds)
        known = self.problems
        # without the penalty nothing contracts; the house of cards may condense, which extrapolation would hide
        contracts = self.alpha > 0 and self.penalty == "policy"
        end = accelerate(self, tol, max_rounds, memory=6 if accelerated and contracts else 0)
        self._warn_of_new(known)
        return end

    def _weigh(self) -> _Weights:
        kind = "clipped" if self.weighting == "clipped" else "exp"
        log_w = weights.log_weights(self.reward_values.flatten(), self.tau, kind).reshape(self.cells.shape)
        log_alpha = math.log(self.alpha) if self.alpha > 0 else -math.inf
        if self.weighting == "mean_one":  # over the population, not over the cells
            log_w = log_w - (log_w + self._log_q).flatten().logsumexp(0)
        scale = max(float(log_w.max()), log_alpha)
        w = (log_w - scale).exp()
        return _Weights(w, math.exp(log_alpha - scale), float((self._q * w).sum()))

    def _refresh(self, q: Tensor, w: Tensor, alpha: float, Z: float) -> tuple[Tensor, float]:
        """The state after one refresh of the cell masses ``q``, and what these summed to before normalising."""
        if self.penalty == "reference":
            l_new = ((w * (q / self._p) + alpha) / (Z + alpha)).clamp_min(1e-300).log()
        elif alpha == 0:
            l_new = self._l + (w / Z).clamp_min(1e-300).log()
        else:
            correction = self._moments.correction(q, w, alpha)
            # smoothing and taper stop what the grid does not resolve from growing, at large alpha and at the edges;
            # the factor (w + alpha) is exact as it stands, jumps included
            l_new = self.cells.smooth(self._l - correction) + ((w + alpha) / (Z + alpha)).log()
            l_new = l_new * self._taper
        log_mass = float((l_new + self._log_p).flatten().logsumexp(0))
        l_new = l_new - log_mass
        if not torch.isfinite(l_new).all():
            raise FloatingPointError(
                f"round {self.round + 1} of the population dynamics is not finite (alpha {self.alpha:g}, "
                f"tau {self.tau:g}); the last good state is kept. Try a smaller tau or a larger extent"
            )
        return l_new, math.exp(log_mass) if self.alpha > 0 else 1.0

    def _inspect(self, last: _Weights | None = None) -> None:
        """Set ``problems`` from the present state and the weights that led to it."""
        q, found = self._q, {}
        blurred = 0.5 * float((q - self.cells.smooth(q)).abs().sum())
        if blurred > 0.02:
            found["coarse"] = (
                f"the grid is too coarse: {blurred:.1%} of the mass varies from cell to cell "
                f"(cells of {self.cells.dx:.3g}); give a larger axis than {self.cells.n}, or a larger alpha"
            )
        interior = q[(slice(3, -3),) * self.cells.dim].sum()
        edge = 1 - float(interior)
        lost = float(q[self._relative < (10 * TAPER if self.alpha > 0 else 10 * FLOOR)].sum())
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
        elif last is not None and self.moved < 0.02 and self._tail_wins(*last):
            found["tail"] = (
                "far out in the reference's tail the reward outgrows the penalty: the exact recursion runs away from "
                "there, and what the grid shows is a plateau that depends on how far it follows the tail. Give a "
                "larger alpha or a bounded reward"
            )
        if abs(self.mass - 1) > 0.01:
            found["mass"] = (
                f"a refresh changed the total mass to {self.mass:.4f} before it was normalised: the grid does not "
                f"resolve this step; give a larger axis than {self.cells.n}, or more times"
            )
        self.problems = found

    def _warn_of_new(self, known: dict[str, str]) -> None:
        for kind in sorted(self.problems.keys() - known.keys()):
            warnings.warn(f"round {self.round}: {self.problems[kind]}", OracleWarning, stacklevel=3)

    def _tail_wins(self, w: Tensor, alpha: float, Z: float) -> bool:
        """Whether, now that the recursion hardly moves, some cell's own equilibrium lies above the reference's peak."""
        # where nothing but a cell's own weight acts, l grows by log((w + alpha) / (Z + alpha)) a round and relaxes by
        # the factor w / (w + alpha)
        if self.penalty != "policy" or alpha == 0:
            return False
        equilibrium = (w + alpha) / alpha * ((w + alpha) / (Z + alpha)).log()
        return bool((equilibrium + self._log_relative > 0)[self._relative < 1e-6].any())

    @property
    def _log_q(self) -> Tensor:
        return self._l + self._log_p

    @property
    def _q(self) -> Tensor:
        """The mass of each cell."""
        return self._log_q.exp()

    @property
    def grid(self) -> Tensor:
        """The cell centres, (n, 1) or (n, n, 2)."""
        return self.cells.points

    @property
    def density(self) -> Tensor:
        """The current density at the cell centres, (n,) or (n, n): times the cell's volume it sums to 1."""
        return self._q / self.cells.dx**self.cells.dim

    @property
    def reference_density(self) -> Tensor:
        """The reference's density on the same cells."""
        return self._p / self.cells.dx**self.cells.dim

    @property
    def mean_reward(self) -> float:
        """``E r`` under the current density."""
        return float((self._q * self.reward_values).sum())

    @property
    def kl(self) -> float:
        """``KL(q | p_ref)`` in nats."""
        return float((self._q * self._l).sum())

    @property
    def tv(self) -> float:
        """Total variation between the current density and the reference, in [0, 1]."""
        return 0.5 * float((self._q - self._p).abs().sum())

    @property
    def mode_mass(self) -> Tensor:
        """The mass that each of the target's modes claims, (n_modes,); for targets with ``mode_of``."""
        if not hasattr(self.target, "mode_of"):
            raise checks.fail("target", self.target, "a target with modes, such as those of orwlab.targets")
        labels = self.target.mode_of(self.cells.flat)
        return torch.zeros(self.target.n_modes, dtype=torch.float64).index_add(0, labels, self._q.flatten())

    @property
    def velocity(self) -> PopulationField:
        """The flow-matching field ``E_q[u_t | x_t = x]`` of the current density: (t, x) -> v, for any sampler."""
        return PopulationField(self._moments, self._q)

    @property
    def policy(self) -> PopulationField:
        """The field v* that the last refresh fitted, which a network would have learned; v_ref at round 0."""
        return self.velocity if self._policy is None else self._policy
