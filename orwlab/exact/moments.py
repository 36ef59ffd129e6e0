"""The numerics under the oracle: conditional moments on a grid, fields from them, and the search for a fixed point."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from orwlab import paths
from orwlab.exact.grid import Grid

if TYPE_CHECKING:
    from orwlab.exact.dynamics import PopulationDynamics

LINEAR = 0.05  # total variation a refresh, below which extrapolating pays
STOP = 0.6  # cells: the kernel's width at the last time; narrower ones fall between the cells


class Moments:
    """Conditional moments given x_t at all cell centres and all quadrature times, for the linear path.

    Given x1 = g, x_t is Gaussian with mean t g and standard deviation 1 - t in every coordinate, so
    ``E[f(x1) | x_t = x]`` is a ratio of separable sums ``sum_g K[x, g] q(g) f(g)``.
    Times are ``t = 1 - u^2`` with u linear from 1 to sqrt(0.6 dx): dense where the flow is fast, and ending where the
    kernel is still wide enough for the cells.
    """

    def __init__(self, cells: Grid, p: Tensor, times: int) -> None:
        self.cells, self.p = cells, p
        u = torch.linspace(1.0, math.sqrt(STOP * cells.dx), times, dtype=torch.float64)
        self.times = [0.0, *(1 - u[1:] ** 2).tolist()]
        g = cells.coordinates
        self.kernels = [kernel(g, g, torch.tensor(t, dtype=torch.float64))[0] for t in self.times]  # (n, n) each
        self._right = [torch.cat([K.T, (K * g).T], 1) for K in self.kernels]  # (n, 2n): acts on the last axis
        # the reference's E[x1 | x_t], by the same sums: where q = p_ref the correction then vanishes exactly
        source = self.lay_out(p[None])
        self.reference = []
        for k in range(times):
            total, first = self.sums(k, source)
            self.reference.append(torch.stack([f[0] / total[0] for f in first]))  # (d, *shape)

    def lay_out(self, fields: Tensor) -> Tensor:
        """Fields (c, *shape) and their products with the first coordinate, side by side as ``sums`` takes them."""
        g, n = self.cells.coordinates, self.cells.n
        if self.cells.dim == 1:
            return torch.stack([fields.T, fields.T * g[:, None]])  # (2, n, c)
        side = fields.movedim(0, 1).reshape(n, -1)  # (n, c * n)
        return torch.stack([side, side * g[:, None]])  # (2, n, c * n)

    def sums(self, k: int, source: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``sum_g K[x, g] F(g)``, and ``sum_g K[x, g] F(g) g_a`` for every axis a, at time k: (c, *shape) each."""
        K, n = self.kernels[k], self.cells.n
        plain, with_g = K @ source[0], K @ source[1]
        if self.cells.dim == 1:
            return plain.T, [with_g.T]
        both = (plain.view(-1, n) @ self._right[k]).view(n, -1, 2, n).movedim(0, 2)  # (c, 2, n, n)
        return both[:, 0], [(with_g.view(-1, n) @ K.T).view(n, -1, n).movedim(0, 1), both[:, 1]]

    def correction(self, q: Tensor, w: Tensor, alpha: float) -> Tensor:
        """``alpha int_0^1 (div e + e . grad log rho_t) / (W + alpha) dt`` on the v*-trajectories that end at each cell.

        Followed backward from t = 1 by Heun's method. Fields are carried as ``E[x1 | x_t]`` in place of velocities,
        ``v = (E[x1 | x_t] - x) / (1 - t)``: these stay bounded as t goes to 1. q and w are (*shape); so is the answer.
        """
        source = self.lay_out(torch.stack([q, q * w]))
        x = end = self.cells.components  # (d, *shape)
        total = torch.zeros_like(q)
        last = len(self.times) - 1
        velocity = older = rate = total
        before = 0.0
        for k in range(last, -1, -1):
            t = self.times[k]
            aim_and_rate = self._aim_and_rate(k, source, alpha)  # (d + 1, *shape)

            def look(x: Tensor, both: Tensor = aim_and_rate, t: float = t) -> tuple[Tensor, Tensor]:
                values = self.cells.interpolate(both, x)
                return values[:-1].sub_(x).div_(1 - t), values[-1]

            if k == last:  # from 1 back to the first time: a straight line at the speed it has there
                for _ in range(2):
                    x = end - (1 - t) * look(x)[0]
                velocity, rate = look(x)
                total = total + (1 - t) / 2 * rate  # the rate falls linearly to 0 at t = 1
                continue
            dt = self.times[k + 1] - t
            # one look a step: predict with the previous slope, look there, correct (PEC)
            guess = x - dt * (velocity + (0.5 * dt / before) * (velocity - older) if before else velocity)
            new, new_rate = look(guess)
            x = x - dt / 2 * (velocity + new)
            total = total + dt / 2 * (rate + new_rate)
            older, velocity, rate, before = velocity, new, new_rate, dt
        return total

    def _aim_and_rate(self, k: int, source: Tensor, alpha: float) -> Tensor:
        """v* as ``x + (1 - t) v*`` (d fields), and the integrand of ``correction``, at time k: (d + 1, *shape)."""
        t, reference = self.times[k], self.reference[k]
        (S, S_w), first = self.sums(k, source)  # E[.] = S_. / S
        pull = alpha * S
        share = 1 / (S_w + pull)
        inverse = 1 / S
        out = torch.empty(len(first) + 1, *S.shape, dtype=S.dtype)
        rate = torch.zeros_like(S)
        for a, (S_a, S_wa) in enumerate(first):
            torch.mul(torch.addcmul(S_wa, pull, reference[a]), share, out=out[a])
            mean = S_a * inverse
            e = reference[a] - mean  # (1 - t) times the velocities' difference
            rate += self.cells.derivative(e, a)
            rate.addcmul_(e, (t * mean).sub_(self.cells.components[a]), value=(1 - t) ** -2)  # e . grad log rho_t
        torch.mul(rate, pull * share, out=out[-1]).div_(1 - t)
        return out


def kernel(x: Tensor, g: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(-(x - t g)^2 / (2 (1 - t)^2))`` for x (m,) and g (n,), t scalar or (m,): (m, n).

    Every row is divided by its largest entry, lest a whole row underflows; the second answer is what was divided by,
    as a logarithm, (m, 1).
    """
    t = t.reshape(-1, 1)
    exponent = -((x[:, None] - t * g).square()) / (2 * (1 - t).square())
    top = exponent.amax(1, keepdim=True)
    return (exponent - top).exp(), top


class PopulationField(nn.Module):
    """The pointwise minimiser ``(E_q[w u_t | x_t = x] + alpha v_ref) / (E_q[w | x_t = x] + alpha)`` as ``v(t, x)``.

    With no w and alpha 0, the flow-matching field of q. Has no parameters; differentiable in x. The cells resolve
    nothing finer than the oracle's last quadrature time: after it the score in ``v = x / t + (1 - t) / t score`` is
    kept as it was.
    """

    def __init__(
        self, moments: Moments, q: Tensor, w: Tensor | None = None, alpha: float = 0.0, p: Tensor | None = None
    ) -> None:
        super().__init__()
        self.cells, self.alpha, self.last = moments.cells, alpha, moments.times[-1]
        self.event_shape = (self.cells.dim,)
        fields = [q if w is None else q * w] + ([q, p] if alpha > 0 and p is not None else [])
        self.register_buffer("fields", torch.stack(fields))

    def forward(self, t: Tensor | float, x: Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, d) -> (n, d)."""
        points = x.double()
        now = paths.time_like(t, points).reshape(-1)
        time = now.clamp_max(self.last)
        total, first = self._sums(time, points)  # (c, m), (c, m, d)
        if self.alpha > 0:
            pull = self.alpha * total[1]
            v_ref = first[2] / total[2][:, None]
            aim = (first[0] + pull[:, None] * v_ref) / (total[0] + pull)[:, None]
        else:
            aim = first[0] / total[0][:, None]
        velocity = (aim - points) / (1 - time)[:, None]
        if bool((now > time).any()):
            now, time = now[:, None], time[:, None]
            score = (time * velocity - points) / (1 - time)  # v = x / t + (1 - t) / t * score
            velocity = torch.where(now > time, (points + (1 - now) * score) / now, velocity)
        return velocity.to(x.dtype)

    def _sums(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        g, fields = self.cells.coordinates.to(x), self.get_buffer("fields")
        K = [kernel(x[:, a], g, t)[0] for a in range(self.cells.dim)]
        if self.cells.dim == 1:
            return fields @ K[0].T, (fields * g @ K[0].T)[..., None]
        left, left_g = K[0] @ fields, (K[0] * g) @ fields  # (c, m, n)
        first = torch.stack([(left_g * K[1]).sum(-1), (left * (K[1] * g)).sum(-1)], -1)
        return (left * K[1]).sum(-1), first


@dataclass(frozen=True)
class FixedPoint:
    """How the search for the limit ended.

    ``converged``; ``rounds`` refreshes computed; ``moved``, the total variation of the last one; ``rate``, the factor
    by which the slowest remaining error shrinks a refresh (of the plain recursion, also when it was accelerated);
    ``error``, what may remain to the limit, ``moved / (1 - rate)``.
    """

    converged: bool
    rounds: int
    moved: float
    rate: float
    error: float


def accelerate(dynamics: "PopulationDynamics", tol: float, max_rounds: int, memory: int) -> FixedPoint:
    """Anderson's method on ``l -> refresh(l)``, in the norm of L2(p_ref); with ``memory`` 0 the plain recursion.

    It extrapolates only once refreshes move little: before, the map is far from linear. An extrapolated state from
    which the next refresh moves further than the last is dropped for the plain refresh that it replaced. The slowest
    rate is read off the secants: the largest eigenvalue of the linear map that they fit.
    """
    root = dynamics._p.sqrt()
    steps: list[Tensor] = []  # differences of states, each (*shape)
    bends: list[Tensor] = []  # differences of residuals
    previous: tuple[Tensor, Tensor] | None = None
    plain: Tensor | None = None  # what the last extrapolation replaced
    moved, rate, rounds = math.inf, math.nan, 0
    while rounds < max_rounds:
        state, moved_before = dynamics._l, moved
        try:
            dynamics.advance()
            failed = plain is not None and dynamics.moved > moved_before
        except FloatingPointError:
            if plain is None:
                raise
            failed = True
        rounds += 1
        if failed:
            assert plain is not None
            dynamics._l, plain, previous = plain, None, None
            steps, bends = [], []
            continue
        plain = None
        moved = dynamics.moved
        if memory == 0:
            rate = moved / moved_before if moved_before < math.inf else math.nan
        if moved <= tol or "domain" in dynamics.problems:
            break
        if memory == 0 or moved > LINEAR:
            continue
        residual = dynamics._l - state
        if previous is not None:
            steps = [*steps, state - previous[0]][-memory:]
            bends = [*bends, residual - previous[1]][-memory:]
        previous = (state, residual)
        if steps:
            A = torch.stack([(b * root).flatten() for b in bends], 1)  # (cells, m)
            B = torch.stack([(s * root).flatten() for s in steps], 1)
            gram = A.T @ A
            gram += 1e-12 * gram.diagonal().max() * torch.eye(len(gram), dtype=gram.dtype)
            c = torch.linalg.solve(gram, A.T @ (residual * root).flatten())
            plain = dynamics._l
            l_new = plain - sum(ci * (s + b) for ci, s, b in zip(c.tolist(), steps, bends))
            dynamics._l = l_new - (l_new + dynamics._p.log()).flatten().logsumexp(0)
            rate = _slowest(A, B)
    if plain is not None:  # out of rounds on an extrapolated state
        dynamics._l = plain
    converged = moved <= tol and not {"domain", "tail"} & dynamics.problems.keys()
    error = moved / (1 - rate) if rate < 1 else math.inf
    return FixedPoint(converged, rounds, moved, rate, error)


def _slowest(bends: Tensor, steps: Tensor) -> float:
    """The largest eigenvalue of the refresh's linearisation: residuals bend by (J - 1) times the step."""
    fitted = torch.linalg.lstsq(steps, bends).solution  # steps @ fitted ~ bends
    return float(1 + torch.linalg.eigvals(fitted).real.max())
