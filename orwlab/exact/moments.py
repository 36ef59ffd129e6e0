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
    """

    def __init__(self, cells: Grid, p: Tensor, times: int) -> None:
        self.cells, self.p = cells, p
        u = torch.linspace(1.0, math.sqrt(STOP * cells.dx), times, dtype=torch.float64)
        self.times = [0.0, *(1 - u[1:] ** 2).tolist()]
        g = cells.coordinates
        self._g = g / cells.extent  # (n,)
        self.here = [self._g, self._g[:, None]][: cells.dim]  # the coordinates of the cell centres, to be broadcast
        self.kernels = [kernel(g, g, torch.tensor(t, dtype=torch.float64))[0] for t in self.times]  # (n, n) each
        self._with_g = [(K * self._g).T.contiguous() for K in self.kernels] if cells.dim == 2 else []
        # the reference's E[x1 | x_t], by the same sums: where q = p_ref the correction then vanishes exactly
        source = self.lay_out(p)
        self.reference = []  # (d, *shape) each
        for k in range(times):
            sums = self.sums(k, source)
            self.reference.append(sums[1:] / sums[0])

    def lay_out(self, field: Tensor) -> Tensor:
        """A field (*shape) and its product with the first coordinate, side by side as ``sums`` takes them."""
        return torch.cat([field.view(len(field), -1), field.view(len(field), -1) * self._g[:, None]], 1)

    def sums(self, k: int, source: Tensor, out: Tensor | None = None) -> Tensor:
        """``sum_g K[x, g] F(g)``, then ``sum_g K[x, g] F(g) g_a`` for each coordinate a, at time k: (1 + d, *shape)."""
        K, n, dim = self.kernels[k], self.cells.n, self.cells.dim
        out = source.new_empty(1 + dim, *self.cells.shape) if out is None else out
        half = K @ source
        if dim == 1:
            return out.copy_(half.T)
        plain, with_x = half[:, :n], half[:, n:]
        for left, right, to in ((plain, K.T, out[0]), (plain, self._with_g[k], out[1]), (with_x, K.T, out[2])):
            torch.mm(left, right, out=to)
        return out

    def correction(self, q: Tensor, w: Tensor, alpha: float) -> Tensor:
        """``alpha int_0^1 (div e + e . grad log rho_t) / (W + alpha) dt`` on the v*-trajectories that end at each cell.

        Followed backward from t = 1 by Heun's method. Fields are carried as ``E[x1 | x_t]`` in place of velocities,
        ``v = (E[x1 | x_t] - x) / (1 - t)``: these stay bounded as t goes to 1. q and w are (*shape); so is the answer.
        """
        way = _Backward(self, q, w, alpha)
        end = torch.stack([here.expand(q.shape) for here in self.here])  # (d, *shape)
        x, guess, (pull, older) = end.clone(), torch.empty_like(end), torch.empty(2, *end.shape, dtype=end.dtype)
        total, before, last = torch.zeros_like(q), 0.0, len(self.times) - 1
        for k in range(last, -1, -1):
            way.stop_at(k)
            rest, step = 1 - self.times[k], self.times[k] - self.times[max(k - 1, 0)]  # times behind, and to the next
            if k == last:  # from 1 back to the first time: a straight line at the speed it has there
                for _ in range(2):
                    way.look(x, pull)
                    torch.sub(end, pull, out=x)
                rate = way.look(x, pull)
            else:
                rate = way.look(guess, pull)
            # one look a step: predict with the last two slopes, look there, correct (PEC); x is half a step ahead
            x.add_(pull, alpha=-(before + step) / 2 / rest)
            bend = step / before / 2 if before else 0.0
            torch.add(x, pull, alpha=-step * (0.5 + bend) / rest, out=guess)
            if before:
                guess.add_(older, alpha=step * bend / (rest - before))
            # the trapezoid rule; the rate falls linearly to 0 at t = 1
            total.add_(rate, alpha=((before or rest) + step) / 2 * way.unit)
            pull, older, before = older, pull, step
        return total


class _Backward:
    """The way back from t = 1: v* and the integrand of ``Moments.correction`` at one time after the other.

    All is written to the same memory at every time, so that it stays in the processor's cache: a field is 128 KB.
    """

    def __init__(self, moments: Moments, q: Tensor, w: Tensor, alpha: float) -> None:
        cells, dim, n = moments.cells, moments.cells.dim, moments.cells.n
        self.moments, self.alpha = moments, alpha
        self._sources = [moments.lay_out(q), moments.lay_out(q * (w + alpha))]
        self._sums = list(q.new_empty(2, 1 + dim, *q.shape))
        (self._S, self._S_x), (self._T, self._T_x) = ((sums[0], sums[1:]) for sums in self._sums)
        self._e = q.new_empty(dim, *q.shape)
        plane = (n if dim == 2 else 1, n)  # as grid_sample has it: a line is a plane with y = 0
        self._fields, self._where = q.new_empty(1, dim + 1, *plane), q.new_zeros(1, *plane, 2)
        self._here = self._where[0, ..., :dim].movedim(-1, 0).view(dim, *q.shape)
        out = self._fields.view(dim + 1, *q.shape)
        self._aim, self._rate = out[:-1], out[-1]
        self._axes = []
        for a, here in enumerate(moments.here):
            e, axis = self._e[a], dim - 1 - a
            self._axes.append((e, self._S_x[a], here, cells.inside(self._rate, axis), cells.differences(e, axis)))

    def stop_at(self, k: int) -> None:
        """Go to time k: ``x + (1 - t) v*``, and the integrand but for the factor ``unit``, on all cells.

        With the sums S of q and T of q (w + alpha), v* pulls to the reference's ``E[x1 | x_t]`` by ``alpha S / T``.
        """
        t, extent = self.moments.times[k], self.moments.cells.extent
        for source, sums in zip(self._sources, self._sums):
            self.moments.sums(k, source, sums)
        mean, pull = self._S_x.div_(self._S), self._S.div_(self._T)
        torch.sub(self.moments.reference[k], mean, out=self._e)  # (1 - t) times the velocities' difference
        torch.div(self._T_x, self._T, out=self._aim).addcmul_(pull, self._e, value=self.alpha)
        self._rate.zero_()
        for e_a, mean_a, here, inside, differences in self._axes:
            # e . grad log rho_t = e . (t mean - x) / (1 - t)^2, and div e
            self._rate.addcmul_(e_a, mean_a, value=t).addcmul_(e_a, here, value=-1)
            for weight, shifted in differences:
                inside.add_(shifted, alpha=weight * (1 - t) ** 2 / extent)
        self._rate.mul_(pull)
        self.unit = self.alpha * extent**2 / (1 - t) ** 3

    def look(self, x: Tensor, out: Tensor) -> Tensor:
        """At positions ``x`` (d, *shape): (1 - t) v* into ``out`` (d, *shape); the answer is the integrand (*shape)."""
        self._here.copy_(x)
        values = torch.grid_sampler(self._fields, self._where, 0, 1, False).view(-1, *x.shape[1:])  # bilinear
        torch.sub(values[:-1], x, out=out)
        return values[-1]


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
