"""Two flows started from the same noise, and what drives them apart.

    dx/dt = v(t, x),   dy/dt = v_ref(t, y),   x_0 = y_0,   dv_s = v(s, x_s) - v_ref(s, x_s)

Let ``z_s`` be where the reference carries the point x_s from time s on to time 1, so that ``z_0 = y_1`` and
``z_1 = x_1``. Then ``dz_s/ds = Phi(1, s; x_s) dv_s`` (Alekseev and Groebner), with Phi the Jacobian of the reference's
flow map from time s to time 1. ``wasserstein.bounds`` builds every rung of its ladder from what is computed here.

Tolerances, and the step of a difference quotient, take it that the points are around 0 and a length of 1 apart:
``wasserstein.bounds`` sees to that.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from orwlab import checks, flow, foreign
from orwlab.velocity import Velocity

__all__ = ["FlowMap", "Pair", "jacobian"]

CELLS = 8  # equal cells of time: the reference is launched from every edge, and shares of time are told by cell
FINE = 4  # steps of the common time grid in a cell
DENSE = 256  # stored points of a policy's trajectory in a cell
SUB = {torch.float32: 2**4, torch.float64: 2**16}  # finest steps between two of them: what the precision resolves
MOST = 150  # launches a particle, on average, after which only the worst panels are halved, one a particle


@dataclass(frozen=True)
class Pair:
    """The coupled pair on the common grid of T times, and the reference's Jacobian over the pooled points."""

    times: Tensor
    """(T,)"""
    x: Tensor
    """(T, n, d), the policy's trajectories"""
    y: Tensor
    """(T, n, d), the reference's"""
    dv: Tensor
    """(T, n), |dv_s|"""
    secant: Tensor
    """(T, n), <x - y, v_ref(x) - v_ref(y)> / |x - y|^2"""
    lipschitz: Tensor
    """(T,), largest spectral norm of the Jacobian of v_ref over the pool"""
    log_norm: Tensor
    """(T,), largest eigenvalue of its symmetric part over the pool"""
    steepest: Tensor
    """(T, d), the pooled point at which ``log_norm`` is attained, to 0.01 %"""
    steepest_particle: Tensor
    """(T,), the particle that this point belongs to"""


@dataclass(frozen=True)
class FlowMap:
    """Integrals over s of the reference's flow map along the policy's trajectories, cell by cell of time."""

    moved: Tensor
    """(CELLS, n, d), change of z_s over each cell; the sum is x_1 - y_1"""
    integral: Tensor
    """(CELLS, n, d), the same as the integral of Phi dv_s: equal up to the quadrature's error"""
    length: Tensor
    """(CELLS, n), the integral of |Phi| |dv_s|"""
    launches: int
    """trajectories of the reference that were needed"""


def jacobian(v: Velocity, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """``v(t, x)`` (n, d) and its Jacobian in x (n, d, d), where each row of v depends on its own row of x only.

    By automatic differentiation, one backward pass a dimension; by central differences, of a step that is right for
    lengths about 1, for a field whose graph does not lead back to x, such as numpy's.

    Args:
        v: a velocity; a network is evaluated in eval mode.
        t: a time in [0, 1], or (n,) of them.
        x: (n, d); the answers are in its floating type, but in no shorter one than float32.

    Raises:
        ValueError: shapes that do not fit, or a velocity that does not answer with x's shape.
    """
    field = foreign.velocity("v", v)
    x = checks.points("x", x).detach()
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    if x.ndim != 2:
        raise checks.fail("x", x, "points of shape (n, d)")
    allowed = f"a time in [0, 1], or ({len(x)},) of them, one for each of x"
    times = checks.array("t", t, allowed).detach()
    if times.shape not in ((), (len(x),)) or times.min() < 0 or times.max() > 1:
        raise checks.fail("t", t, allowed)
    with torch.inference_mode(False), foreign.at_rest(v):
        return _jacobian(field, times.to(x), x)


def _jacobian(v: Velocity, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    d, x = x.shape[1], x.detach()
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        try:
            u = v(t, leaf)
        except ValueError:  # numpy refuses numbers that carry a gradient; if that is not it, it fails again below
            u = x
        columns = range(d) if u.requires_grad else ()
        rows = [torch.autograd.grad(u[:, i].sum(), leaf, retain_graph=i + 1 < d, allow_unused=True)[0] for i in columns]
    if any(row is not None for row in rows):
        return u.detach(), torch.stack([torch.zeros_like(x) if row is None else row for row in rows], dim=1)
    with torch.no_grad():
        u = v(t, x)
        h = torch.finfo(x.dtype).eps ** (1 / 3) * max(1.0, float(x.abs().max()))
        steps = h * torch.eye(d, dtype=x.dtype, device=x.device)
        return u, torch.stack([(v(t, x + e) - v(t, x - e)) / (2 * h) for e in steps], dim=2)


def _launch(v: Velocity, s: Tensor, x: Tensor, until: Tensor, tol: float) -> tuple[Tensor, Tensor]:
    """Carry each point ``x`` (m, d) from its own time ``s`` (m,) towards time 1, with the flow map's Jacobian.

    All start together because time is rescaled: ``t = s + (1 - s) theta``. ``until`` (k,) are the values of theta,
    from 0, at which positions are wanted: (k, m, d), and the Jacobians (k, m, d, d).
    """

    def variational(theta: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        u, J = _jacobian(v, (s + (1 - s) * theta).clamp(0.0, 1.0), state[0])
        return (1 - s)[:, None] * u, (1 - s)[:, None, None] * (J @ state[1])

    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
    with torch.no_grad():
        return _solve("reference", variational, (x, eye), until, tol, tol)


def _solve(name: str, f: Any, y0: Any, times: Tensor, rtol: float, atol: float) -> Any:
    """The solution at ``times``; what the solver cannot do is said of the field called ``name``."""
    try:
        # the same steps whichever times are wanted: then equal fields have equal trajectories
        return flow.solve(f, y0, times, "dopri5", rtol, atol, interpolate=True)
    except ValueError as error:
        if not isinstance(error.__cause__, AssertionError):
            raise  # the field itself failed
        raise ValueError(f"{name} has a flow that cannot be followed until time 1: {error}") from error


def compare(policy: Velocity, reference: Velocity, x0: Tensor, *, tol: float = 0.005) -> tuple[Pair, FlowMap]:
    """Run both flows from ``x0`` (n, d), launch the reference from the policy's trajectories, and measure.

    Args:
        policy: v, as ``foreign.velocity`` gives it.
        reference: v_ref, likewise. Times are passed as scalars and as (n,).
        x0: the noise they share.
        tol: where the change of z_s over a panel of time and the quadrature of ``Phi dv_s`` over it differ by more
            than this fraction of ``sqrt(E|x_1 - y_1|^2)``, that particle's panel is halved.

    Raises:
        ValueError: a flow that does not stay finite, named.
    """
    stored = torch.linspace(0, 1, CELLS * DENSE + 1, dtype=x0.dtype, device=x0.device)
    path = _trajectory("policy", policy, x0, stored)  # (CELLS * DENSE + 1, n, d)
    times = stored[:: DENSE // FINE]
    x = path[:: DENSE // FINE]
    y = _trajectory("reference", reference, x0, times)

    distance = float((x[-1] - y[-1]).square().sum(1).mean().sqrt())
    floor = 100 * torch.finfo(x0.dtype).eps
    # well below the changes of z_s that it is to tell, and never so large that the launched trajectories leave the flow
    solver_tol = min(max(0.4 * tol * min(1.0, distance), floor), 0.01)
    launched = []  # for each cell's left edge: positions at the grid's later times, and the Jacobian at the end
    for cell in range(CELLS):
        k = cell * FINE
        s = times[k].expand(len(x0))
        z, Phi = _launch(reference, s, x[k], (times[k:] - times[k]) / (1 - times[k]), solver_tol)
        launched.append((z, Phi[-1]))
    pair = _pool(policy, reference, times, x, y, [z for z, _ in launched])
    allowed = max(tol * distance, 20 * floor) if distance > 0 else torch.inf
    return pair, _integrate(policy, reference, path, launched, allowed, solver_tol)


def _trajectory(name: str, v: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    rtol = 1e-5 if x0.dtype == torch.float32 else 1e-8
    with torch.no_grad():
        xs = _solve(name, v, x0, times, rtol, rtol / 10)
    if not torch.isfinite(xs).all():
        raise ValueError(f"{name} has a flow that does not stay finite until time 1")
    return xs


def _pool(policy: Velocity, reference: Velocity, times: Tensor, x: Tensor, y: Tensor, launched: list[Tensor]) -> Pair:
    """At every time, over x, y, three points between them and all launched trajectories: the suprema."""
    n = x.shape[1]
    rows = []
    for k, t in enumerate(times):
        gap = x[k] - y[k]
        later = [launched[cell][k - cell * FINE] for cell in range(1, CELLS) if cell * FINE < k]
        points = torch.cat([x[k], y[k], *(y[k] + share * gap for share in (0.25, 0.5, 0.75)), *later])
        u, J = _jacobian(reference, t, points)
        if not torch.isfinite(J).all():
            raise ValueError(f"reference has a Jacobian that is not finite at time {float(t):.3g}")
        largest = torch.linalg.eigvalsh((J + J.mT).double() / 2)[:, -1]  # (points,)
        with torch.no_grad():
            dv = policy(t, x[k]) - u[:n]
        # Where the pair has not parted in the numbers' precision, the difference quotient becomes the derivative in
        # the direction in which it parts.
        distance = gap.norm(dim=1)
        near = distance <= 1e3 * torch.finfo(x.dtype).eps * (1 + x[k].norm(dim=1))
        e = torch.nn.functional.normalize(torch.where(near[:, None], dv, gap), dim=1, eps=1e-30)
        quotient = (e * (u[:n] - u[n : 2 * n])).sum(1) / distance.clamp_min(1e-30)
        secant = torch.where(near, (e * (J[:n] @ e[..., None])[..., 0]).sum(1), quotient)
        mu = float(largest.max())  # of points that are as good as equal the first, so that rounding does not choose
        worst = int((largest >= mu - 1e-4 * max(1.0, abs(mu))).nonzero()[0])
        norm = torch.linalg.matrix_norm(J.double(), ord=2).max()
        rows.append((dv.norm(dim=1).double(), secant.double(), norm, largest.max(), points[worst], worst % n))
    dv_norm, secants, lipschitz, log_norm, steepest, particle = zip(*rows)
    return Pair(
        times.double(),
        x,
        y,
        torch.stack(dv_norm),
        torch.stack(secants),
        torch.stack(lipschitz),
        torch.stack(log_norm),
        torch.stack(steepest),
        torch.tensor(particle),
    )


def _integrate(
    policy: Velocity,
    reference: Velocity,
    path: Tensor,
    launched: list[tuple[Tensor, Tensor]],
    allowed: float,
    solver_tol: float,
) -> FlowMap:
    """Adaptive Simpson's rule for the integrals of ``Phi dv_s`` and ``|Phi| |dv_s|``, particle by particle.

    Phi is a spike in s where a trajectory crosses from the basin of one mode to that of another; but the jump of z_s
    tells the true integral, so that no spike is missed.
    """
    n, d = path.shape[1:]
    sub = SUB.get(path.dtype, 2**4)
    cell_steps, last = DENSE * sub, CELLS * DENSE * sub

    def position(index: Tensor, particle: Tensor) -> tuple[Tensor, Tensor]:
        left, share = index // sub, (index % sub).to(path)[:, None] / sub
        right = (left + 1).clamp_max(len(path) - 1)
        return index.to(path) / last, torch.lerp(path[left, particle], path[right, particle], share)

    def integrands(index: Tensor, particle: Tensor, Phi: Tensor) -> tuple[Tensor, Tensor]:
        s, x = position(index, particle)
        with torch.no_grad():
            dv = (policy(s, x) - reference(s, x)).double()
        Phi = Phi.double()
        return (Phi @ dv[..., None])[..., 0], torch.linalg.matrix_norm(Phi, ord=2) * dv.norm(dim=1)

    eye = torch.eye(d, dtype=path.dtype, device=path.device).expand(n, -1, -1)
    every = torch.arange(n, device=path.device)
    edges = [torch.full_like(every, cell * cell_steps) for cell in range(CELLS + 1)]
    index, particle = torch.cat(edges), every.repeat(CELLS + 1)  # of each node: its time, its particle
    Phis = torch.cat([Phi for _, Phi in launched] + [eye])
    z = torch.cat([positions[-1] for positions, _ in launched] + [path[-1]]).double()  # (nodes, d)
    g, length = integrands(index, particle, Phis)  # (nodes, d), (nodes,)
    start = (index[: n * CELLS] // cell_steps % 2 == 0).nonzero()[:, 0]  # a panel is two cells, three edges
    panels = torch.stack([start, start + n, start + 2 * n], dim=1)  # (panels, 3) nodes

    ends = torch.stack([z[n * k : n * (k + 1)] for k in range(CELLS + 1)])
    result = FlowMap(ends.diff(dim=0), torch.zeros_like(ends[1:]), torch.zeros_like(ends[1:, :, 0]), len(index))
    coarser: Tensor | None = None
    while len(panels):
        a, m, b = panels.T
        width = index[m] - index[a]  # of half a panel, in units of the finest step
        h = width.double() / last
        plain = halves = simpson(torch.cat([g, length[:, None]], dim=1)[panels], h)  # (2, panels, d + 1)
        if coarser is not None:  # Richardson's extrapolation from the panel that these two are halves of
            excess = plain.sum(0).unflatten(0, (2, -1)).sum(0) - coarser
            halves = plain + excess.repeat(2, 1) / 60
        defect = (z[b] - z[a] - halves.sum(0)[:, :d]).norm(dim=1)
        keep = (defect <= allowed) | (width == 1)
        if len(index) > MOST * n and int((~keep).sum()) > n:
            keep |= defect < defect[~keep].topk(n).values[-1]
        for half, left in zip(halves, (a, m)):
            where = (index[left][keep] // cell_steps, particle[left][keep])
            result.integral.index_put_(where, half[keep, :d], accumulate=True)
            result.length.index_put_(where, half[keep, d], accumulate=True)
        coarser = plain[:, ~keep].sum(0)
        a, m, b = panels[~keep].T
        if len(a) == 0:
            break
        middle, who = torch.cat([index[a] + index[m], index[m] + index[b]]) // 2, particle[a].repeat(2)
        ends_z, ends_Phi = _launch_all(reference, *position(middle, who), solver_tol)
        new_g, new_length = integrands(middle, who, ends_Phi)
        new = len(index) + torch.arange(2 * len(a), device=path.device)
        panels = torch.cat([torch.stack([a, new[: len(a)], m], 1), torch.stack([m, new[len(a) :], b], 1)])
        index, particle = torch.cat([index, middle]), torch.cat([particle, who])
        z, g, length = torch.cat([z, ends_z.double()]), torch.cat([g, new_g]), torch.cat([length, new_length])
    return FlowMap(result.moved, result.integral, result.length, len(index))


def _launch_all(reference: Velocity, s: Tensor, x: Tensor, tol: float, chunk: int = 8192) -> tuple[Tensor, Tensor]:
    """Where each (s, x) arrives at time 1 and with what Jacobian, in chunks that fit the cache."""
    until = torch.tensor([0.0, 1.0], dtype=x.dtype, device=x.device)
    parts = [_launch(reference, a, b, until, tol) for a, b in zip(s.split(chunk), x.split(chunk))]
    return torch.cat([z[-1] for z, _ in parts]), torch.cat([Phi[-1] for _, Phi in parts])


def simpson(f: Tensor, h: Tensor) -> Tensor:
    """Integrals over the two halves, each h (p,) long, of panels with values ``f`` (p, 3, ...): (2, p, ...).

    That of the parabola through the three values; the halves add up to Simpson's rule.
    """
    weights = torch.tensor([[5.0, 8.0, -1.0], [-1.0, 8.0, 5.0]], dtype=f.dtype, device=f.device) / 12
    return torch.einsum("qk,pk...,p->qp...", weights, f, h)
