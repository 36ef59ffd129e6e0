"""The numerics under the oracle: conditional moments on a grid, and the fields made of them."""

import math

import torch
from torch import Tensor

from orwlab.exact.grid import Grid
from orwlab.velocity import Field

STOP = 0.6  # cells: the kernel's width at the last time; narrower ones fall between the cells
NOTHING = 1e-150  # of a row's largest entry, below which a kernel is 0: subnormal numbers multiply five times slower


class Moments:
    """Conditional moments given x_t at all cell centres and all quadrature times, for the linear path.

    Given x1 = g, x_t is Gaussian with mean t g and standard deviation 1 - t in every coordinate, so
    ``E[f(x1) | x_t = x]`` is a ratio of separable sums ``sum_g K[x, g] q(g) f(g)``.
    Times are ``t = 1 - u^2`` with u linear from 1 to sqrt(0.6 dx): dense where the flow is fast, and ending where the
    kernel is still wide enough for the cells.

    Positions are in units of half the domain's side, and their coordinates in the order of torch's ``grid_sample``:
    that of the fields' last axis comes first.

    Args:
        cells: the grid.
        p: the reference's mass of each cell, (*shape).
        times: how many.
        followed: the cells whose ``correction`` is wanted, (*shape), bool; at the others it is 0.
    """

    def __init__(self, cells: Grid, p: Tensor, times: int, followed: Tensor) -> None:
        self.cells, self.p = cells, p
        u = torch.linspace(1.0, math.sqrt(STOP * cells.dx), times, dtype=torch.float64)
        self.times = [0.0, *(1 - u[1:] ** 2).tolist()]
        g = cells.coordinates
        self._g = g / cells.extent  # (n,)
        self.here = [self._g, self._g[:, None]][: cells.dim]  # the coordinates of the cell centres, to be broadcast
        ends = followed.flatten().nonzero()[:, 0]  # (m,)
        self.ends, self.end = ends, torch.stack([here.expand(p.shape).flatten()[ends] for here in self.here])  # (d, m)
        self.kernels = [kernel(g, g, g.new_tensor(t))[0] for t in self.times]  # (n, n) each
        self._factors = []  # K above K g, (2 n, n), and both transposed, at each time
        if cells.dim == 2:
            both = [torch.cat([K, K * self._g]) for K in self.kernels]
            self._factors = [(K, *K.T.tensor_split(2, 1)) for K in both]
            self.kernels = [K[: cells.n] for K in both]
        # the reference's E[x1 | x_t], by the same sums: where q = p_ref the correction then vanishes exactly
        self.reference = [self.mean(p)]  # (d,) at t = 0, then (d, *shape) each
        for k in range(1, times):
            sums = self.sums(k, self.lay_out(p))
            self.reference.append(sums[1:] / sums[0])

    def mean(self, q: Tensor) -> Tensor:
        """``E[x1]``, (d,): the conditional one at t = 0, where x_t knows nothing of x1."""
        return torch.stack([(q * here).sum() for here in self.here]) / q.sum()

    def lay_out(self, field: Tensor) -> Tensor:
        """A field (*shape) as ``sums`` takes it: as it is, or on a line beside its product with the coordinate."""
        return torch.stack([field, field * self._g], 1) if self.cells.dim == 1 else field

    def sums(self, k: int, source: Tensor, out: Tensor | None = None) -> Tensor:
        """``sum_g K[x, g] F(g)``, then ``sum_g K[x, g] F(g) g_a`` for each coordinate a, at time k: (1 + d, *shape)."""
        out = source.new_empty(1 + self.cells.dim, *self.cells.shape) if out is None else out
        if self.cells.dim == 1:
            return out.copy_((self.kernels[k] @ source).T)
        both, K_T, K_g_T = self._factors[k]
        plain, with_g = (both @ source).tensor_split(2)  # along the first axis
        for left, right, to in ((plain, K_T, out[0]), (plain, K_g_T, out[1]), (with_g, K_T, out[2])):
            torch.mm(left, right, out=to)
        return out

    def correction(self, q: Tensor, w: Tensor, alpha: float) -> Tensor:
        """``alpha int_0^1 (div e + e . grad log rho_t) / (W + alpha) dt`` on the v*-trajectories that end at each cell.

        Followed backward from t = 1 by Heun's method. Fields are carried as ``E[x1 | x_t]`` in place of velocities,
        ``v = (E[x1 | x_t] - x) / (1 - t)``: these stay bounded as t goes to 1. q and w are (*shape); so is the answer.
        """
        way, times, last = _Backward(self, q, w, alpha), self.times, len(self.times) - 1
        way.stop_at(last)
        rest, step = 1 - times[last], times[last] - times[last - 1]  # times behind, and to the next
        x = self.end
        for _ in range(2):  # from 1 back to the first time: a straight line at the speed it has there
            x = self.end - way.look(x)[0]
        pull, rate = way.look(x)
        total = rate * ((rest + step) / 2 * way.unit)  # the rate falls linearly to 0 at t = 1
        guess = torch.sub(x, pull, alpha=step / rest)
        x.sub_(pull, alpha=step / 2 / rest)
        for k in range(last - 1, 0, -1):
            way.stop_at(k)
            older, behind, before = pull, rest, step
            rest, step = 1 - times[k], times[k] - times[k - 1]
            # one look a step: predict with the last two slopes, look there, correct (PEC); x is half a step ahead
            pull, rate = way.look(guess)
            total.add_(rate, alpha=(before + step) / 2 * way.unit)  # the trapezoid rule
            x.sub_(pull, alpha=(before + step) / 2 / rest)
            bend = step / before / 2
            torch.sub(x, pull, alpha=step * (0.5 + bend) / rest, out=guess).add_(older, alpha=step * bend / behind)
        total.add_(way.rate_at_0(guess), alpha=step / 2)
        return q.new_zeros(q.numel()).index_copy_(0, self.ends, total).view(q.shape)


class _Backward:
    """The way back from t = 1: v* and the integrand of ``Moments.correction`` at one time after the other.

    Fields have the shape ``plane``, as grid_sample takes them: a line is a plane with y = 0. All is written to the same
    memory at every time, and no more of it than needed: the processor's cache holds some 16 fields of 128 KB.
    """

    def __init__(self, moments: Moments, q: Tensor, w: Tensor, alpha: float) -> None:
        cells, dim = moments.cells, moments.cells.dim
        self.moments, self.alpha = moments, alpha
        self._fitted = [q * (w + alpha), q]
        self._sources = [moments.lay_out(field) for field in self._fitted]
        self._sums = q.new_empty(2, 1 + dim, *q.shape)
        plane = (cells.n if dim == 2 else 1, cells.n)
        # one after the other: T and its sums with each coordinate, S and its
        self._T, fields, self._mean = self._sums.view(-1, *plane).tensor_split([1, 2 + dim])
        self._fields, self._S = fields[None], fields[-1]
        self._rate, self._minus_e = self._T[0], q.new_empty(plane)
        rate, minus_e = self._rate.view(q.shape), self._minus_e.view(q.shape)
        slopes = [(cells.inside(rate, a), cells.differences(minus_e, a)) for a in reversed(range(dim))]
        self._coordinates = list(zip(fields, self._mean, moments.here, slopes))

    def stop_at(self, k: int) -> None:
        """Go to time k > 0: ``x + (1 - t) v*``, and the integrand but for the factor ``unit``, on all cells.

        With S and T the sums of q and of q (w + alpha), and ``e = E_p_ref[x1 | x_t] - E_q[x1 | x_t]``, which is 1 - t
        times the velocities' difference, ``x + (1 - t) v* = T_x / T + alpha S / T e``; and 1 / (W + alpha) is S / T.
        """
        t, extent, minus_e = self.moments.times[k], self.moments.cells.extent, self._minus_e
        for source, sums in zip(self._sources, self._sums):
            self.moments.sums(k, source, sums)
        self._mean.div_(self._S)
        self._fields.mul_(self._T.reciprocal_())
        pull, rate = self._S, self._rate  # from here on S is S / T, and the rate is in T's memory
        for a, (aim, mean, here, (inside, differences)) in enumerate(self._coordinates):
            torch.sub(mean, self.moments.reference[k][a].view_as(mean), out=minus_e)
            aim.addcmul_(pull, minus_e, value=-self.alpha)
            minus_score = torch.sub(here, mean, alpha=t, out=mean)  # times (1 - t)^2
            if a == 0:
                torch.mul(minus_e, minus_score, out=rate)
            else:
                rate.addcmul_(minus_e, minus_score)
            for weight, shifted in differences:
                inside.add_(shifted, alpha=-weight * (1 - t) ** 2 / extent)
        pull.mul_(rate)
        self.unit = self.alpha * extent**2 / (1 - t) ** 3

    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """At positions ``x`` (d, m): (1 - t) v*, (d, m), and the integrand but for ``unit``, (m,)."""
        where = x if len(x) == 2 else torch.cat([x, torch.zeros_like(x)])
        values = torch.grid_sampler(self._fields, where.T[None, None], 0, 1, False)[0, :, 0]  # bilinear
        return values[:-1].sub_(x), values[-1]

    def rate_at_0(self, x: Tensor) -> Tensor:
        """The integrand at t = 0 and positions ``x`` (d, m): (m,). Here e and W are constant, grad log rho is -x."""
        moments, (T, S) = self.moments, (float(field.sum()) for field in self._fitted)
        e, g = moments.reference[0] - moments.mean(self._fitted[1]), moments.here[0]
        return (e @ x.clamp(g[0], g[-1])).mul_(-self.alpha * moments.cells.extent**2 * S / T)


def kernel(x: Tensor, g: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(-(x - t g)^2 / (2 (1 - t)^2))`` for x (m,) and g (n,), t scalar or (m,): (m, n).

    Every row is divided by its largest entry, lest a whole row underflows; the second answer is what was divided by,
    as a logarithm, (m, 1).
    """
    t = t.reshape(-1, 1)
    exponent = -((x[:, None] - t * g).square()) / (2 * (1 - t).square())
    top = exponent.amax(1, keepdim=True)
    return torch.nn.functional.threshold((exponent - top).exp(), NOTHING, 0.0), top


class PopulationField(Field):
    """The pointwise minimiser ``(E_q[w u_t | x_t = x] + alpha v_ref) / (E_q[w | x_t = x] + alpha)`` as ``v(t, x)``.

    With no w and alpha 0, the flow-matching field of q. Has no parameters; differentiable in x. The cells resolve
    nothing finer than the oracle's last quadrature time: after it the score in ``v = x / t + (1 - t) / t score`` is
    kept as it was.
    """

    fields: Tensor  # (c, *shape)

    def __init__(
        self, moments: Moments, q: Tensor, w: Tensor | None = None, alpha: float = 0.0, p: Tensor | None = None
    ) -> None:
        super().__init__()
        self.cells, self.alpha, self.last = moments.cells, alpha, moments.times[-1]
        self.event_shape = (self.cells.dim,)
        fields = [q if w is None else q * w] + ([q, p] if alpha > 0 and p is not None else [])
        with torch.inference_mode(False):
            self.register_buffer("fields", torch.stack(fields))

    def _computes_in(self, x: Tensor) -> Tensor:
        """``x`` in float64, where the fields are."""
        return x.to(self.fields)

    def _at(self, time: Tensor, x: Tensor) -> Tensor:
        now, time = time, time.clamp_max(self.last)
        total, first = self._sums(time, x)  # (c, m), (c, m, d)
        if self.alpha > 0:
            pull = self.alpha * total[1]
            v_ref = first[2] / total[2][:, None]
            aim = (first[0] + pull[:, None] * v_ref) / (total[0] + pull)[:, None]
        else:
            aim = first[0] / total[0][:, None]
        velocity = (aim - x) / (1 - time)[:, None]
        if bool((now > time).any()):
            now, time = now[:, None], time[:, None]
            score = (time * velocity - x) / (1 - time)  # v = x / t + (1 - t) / t * score
            velocity = torch.where(now > time, (x + (1 - now) * score) / now, velocity)
        return velocity

    def _sums(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        g, fields = self.cells.coordinates.to(x), self.fields
        K = [kernel(x[:, a], g, t)[0] for a in range(self.cells.dim)]
        if self.cells.dim == 1:
            return fields @ K[0].T, (fields * g @ K[0].T)[..., None]
        left, left_g = K[0] @ fields, (K[0] * g) @ fields  # (c, m, n)
        first = torch.stack([(left_g * K[1]).sum(-1), (left * (K[1] * g)).sum(-1)], -1)
        return (left * K[1]).sum(-1), first
