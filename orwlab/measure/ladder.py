"""The ladder of bounds on the Wasserstein-2 distance between two flows; distances between samples come with it.

Everything here is **squared**. The ladder bounds W2^2 between what a policy v and a reference v_ref generate, from
tight to loose. With both flows started from the same noise, ``dv_s = v(s, x_s) - v_ref(s, x_s)`` on the policy's
trajectories, and L(t), mu(t) the suprema over x of the norm and of the largest symmetric eigenvalue of the Jacobian
of v_ref:

    empirical         W2^2 between the two sets of samples
    coupled           E|x_1 - y_1|^2 = E|int Phi(1, s; x_s) dv_s ds|^2
    secant            E( int e^{int_s^1 m_u du} |dv_s| ds )^2,  m = <x - y, v_ref(x) - v_ref(y)> / |x - y|^2
    flow_map          E( int |Phi(1, s; x_s)| |dv_s| ds )^2
    one_sided         ( int e^{int_s^1 mu(u) du} sqrt(E|dv_s|^2) ds )^2
    minkowski         ( int e^{int_s^1 L(u) du} sqrt(E|dv_s|^2) ds )^2
    time_varying      int e^{2 int_s^1 L(u) du} E|dv_s|^2 ds
    global_lipschitz  e^{2L} int E|dv_s|^2 ds, the paper's Theorem 3

Each is at most the next, except that secant and flow_map are not ordered between themselves.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from orwlab import checks, flow
from orwlab.measure.coupled_flows import CELLS, FlowMap, Pair, compare, simpson
from orwlab.measure.distances import sinkhorn_w2_squared, sliced_w2_squared, w2_squared, w2_squared_gaussian
from orwlab.velocity import Velocity

__all__ = ["Ladder", "Rung", "bounds", "sinkhorn_w2_squared", "sliced_w2_squared", "w2_squared", "w2_squared_gaussian"]

_SAMPLED = "L and mu are suprema over all x; sampled ones are too small, and so may the bound be"
_RUNGS = {  # name: (whether certified, what it assumes)
    "empirical": (
        False,
        "Nothing of the flows; an estimate of W2^2 from n samples, biased upward, and at most the coupled cost of the "
        "same samples.",
    ),
    "coupled": (True, "Both flows start from the same noise: that is one coupling, and W2^2 is the least over all."),
    "secant": (True, "v_ref is continuous; its difference quotient is taken along each pair, with no supremum."),
    "flow_map": (True, "v_ref is continuously differentiable; the Jacobian is taken where it acts, with no supremum."),
    "one_sided": (False, f"v_ref pulls points apart at most at the rate mu(t). {_SAMPLED}."),
    "minkowski": (False, f"v_ref is L(t)-Lipschitz; Minkowski's inequality over particles. {_SAMPLED}."),
    "time_varying": (False, f"v_ref is L(t)-Lipschitz; Jensen's inequality over time. {_SAMPLED}."),
    "global_lipschitz": (False, f"v_ref is L-Lipschitz at all times: the paper's Theorem 3. {_SAMPLED}."),
}


@dataclass(frozen=True)
class Rung:
    """One bound on W2^2: its value, what it assumes, and which particles and times it comes from."""

    name: str
    log: float
    """its natural logarithm; -inf where the bound is 0"""
    certified: bool
    """True: nothing but Monte Carlo's and the solvers' error stands between it and a proof. False: an estimate."""
    assumes: str
    """in one sentence"""
    particles: Tensor
    """(n,) each particle's share of the bound, summing to 1 (0 where the bound is 0)"""
    times: Tensor
    """(8,) the share of each of eight equal cells of flow time, summing to 1; signed for the coupled cost

    The empirical distance has no shares of its own: it shows those of the coupled cost.
    """

    @property
    def value(self) -> float:
        """The bound on W2^2; inf beyond the range of floating-point numbers."""
        return math.exp(self.log) if self.log < 709 else math.inf


@dataclass(frozen=True)
class Ladder:
    """The bounds on W2^2 between what a policy and its reference generate, and what they were computed from."""

    empirical: float
    coupled: float
    secant: float
    flow_map: float
    one_sided: float
    minkowski: float
    time_varying: float
    global_lipschitz: float
    rungs: dict[str, Rung]
    """by name, from tight to loose"""
    identity: float
    """the coupled cost again, as E|int Phi(1, s; x_s) dv_s ds|^2: how good the quadrature behind flow_map is"""
    penalty: float
    """int E|dv_s|^2 ds, what the method's W2 term penalises, on the policy's own trajectories"""
    pair: Pair
    """trajectories, |dv_s|, L(t), mu(t), and the steepest point at each time with the particle it belongs to"""

    @property
    def log(self) -> dict[str, float]:
        """The natural logarithm of every bound, by name: ``e^{2L}`` soon overflows."""
        return {name: rung.log for name, rung in self.rungs.items()}

    def __str__(self) -> str:
        lines = [f"{'bound on W2^2':18} {'value':>12} {'log10':>8}"]
        for rung in self.rungs.values():
            kind = "certified" if rung.certified else "estimated"
            lines.append(f"{rung.name:18} {rung.value:12.4g} {rung.log / math.log(10):8.2f}  {kind}")
        return "\n".join(lines)


def bounds(
    policy: Velocity,
    reference: Velocity,
    n: int = 1000,
    seed: int = 0,
    *,
    x0: Tensor | None = None,
    tol: float = 0.005,
) -> Ladder:
    """The ladder of bounds on W2^2 between what ``policy`` and ``reference`` generate; see the head of this file.

    Args:
        policy: v(t, x), t scalar or (n,), x (n, d).
        reference: v_ref(t, x), likewise; L, mu and Phi are of this field. d <= 16, for its Jacobian is formed.
        n: number of particles. Both flows start from the same noise; E is under the policy's own trajectories.
        seed: of the noise.
        x0: (n, d) noise to use instead; it sets the precision too, which is otherwise that of the networks, and double
            where both fields are closed forms.
        tol: of the adaptive integration of the flow map; smaller is slower. At the default the identity meets the
            coupled cost to 2 %.

    Suprema are over one pool of points at each time: the policy's trajectories, the reference's, three points between
    the two, and trajectories of the reference launched from the policy's at eight times. They are lower estimates of
    the suprema over all x, and more particles find larger ones.

    Warns:
        UserWarning: the identity misses the coupled cost by more than 2 %, because a trajectory crosses between two
            basins of the reference in less time than the precision resolves; ``flow_map`` is then not certified.
    """
    if x0 is None:
        shape = getattr(policy, "event_shape", None) or getattr(reference, "event_shape", None)
        if shape is None:
            raise checks.fail("x0", x0, "noise of shape (n, d), as neither field has an event_shape that says d")
        generator = torch.Generator().manual_seed(checks.integer("seed", seed, low=0))
        x0 = flow.noise(checks.integer("n", n, low=2), tuple(shape), generator=generator).to(_dtype(policy, reference))
    checks.points("x0", x0)
    if x0.ndim != 2 or not 1 <= x0.shape[1] <= 16:
        raise checks.fail("x0", x0, "points of shape (n, d) with d <= 16")
    checks.number("tol", tol, above=0.0)
    for name, field in (("policy", policy), ("reference", reference)):
        _check_field(name, field, x0)
    return _assemble(*compare(policy, reference, x0, tol=tol))


def _dtype(*fields: Velocity) -> torch.dtype:
    parameters = [p for field in fields if isinstance(field, torch.nn.Module) for p in field.parameters()]
    return parameters[0].dtype if parameters else torch.float64


def _check_field(name: str, field: Velocity, x0: Tensor) -> None:
    allowed = "a velocity v(t, x), t scalar or (n,), x (n, d) -> finite (n, d), the same for both kinds of t"
    with torch.no_grad():
        try:
            each, once = field(x0.new_full((len(x0),), 0.5), x0), field(x0.new_tensor(0.5), x0)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{name} cannot be evaluated ({error}); allowed: {allowed}") from error
    good = all(isinstance(u, Tensor) and u.shape == x0.shape and torch.isfinite(u).all() for u in (each, once))
    if not good or not torch.allclose(each, once, rtol=1e-3, atol=1e-4):
        raise checks.fail(name, field, allowed)


def _assemble(pair: Pair, along: FlowMap) -> Ladder:
    dv = pair.dv  # (T, n)
    gap = (pair.x[-1] - pair.y[-1]).double()  # (n, d)
    cost = gap.square().sum(1)  # (n,)
    moved = torch.einsum("knd,nd->k", along.moved, gap)  # (CELLS,)
    distance = w2_squared(pair.x[-1], pair.y[-1])
    length = along.length.sum(0)  # (n,)

    # of each rung: its logarithm, and weights proportional to the shares of particles and of times
    found: dict[str, tuple[float, Tensor, Tensor]] = {
        "empirical": (math.log(distance) if distance > 0 else -math.inf, cost, moved),
        "coupled": (_log_mean_exp(cost.log()), cost, moved),
    }
    log_total, cells = _log_integral(_until_one(pair.secant), dv)  # (n,), (CELLS, n) each summing to 1
    square = (2 * (log_total - log_total.max())).exp().nan_to_num()
    found["secant"] = (_log_mean_exp(2 * log_total), square, cells @ square)
    found["flow_map"] = (_log_mean_exp(2 * length.log()), length.square(), along.length @ length)

    mean_square = dv.square().mean(1, keepdim=True)  # (T, 1), E|dv_s|^2
    rms = mean_square.sqrt()
    mu, lip, top = pair.log_norm[:, None], pair.lipschitz[:, None], pair.lipschitz.max().expand(len(dv), 1)
    for name, stretch, size, power in (
        ("one_sided", _until_one(mu), rms, 2),
        ("minkowski", _until_one(lip), rms, 2),
        ("time_varying", 2 * _until_one(lip), mean_square, 1),
        ("global_lipschitz", 2 * top, mean_square, 1),
    ):
        log_total, cells = _log_integral(stretch, size)  # (1,), (CELLS, 1)
        each = _log_integral(stretch.expand_as(dv), dv.square() * size / mean_square.clamp_min(1e-300))[0]  # (n,)
        found[name] = (power * float(log_total), (each - each.max()).exp().nan_to_num(), cells[:, 0])

    identity = float(along.integral.sum(0).square().sum(1).mean())
    resolved = math.isclose(identity, float(cost.mean()), rel_tol=0.02, abs_tol=1e-12)
    if not resolved:
        warnings.warn(
            f"the flow map is not resolved: the identity gives {identity:.4g} where the coupled cost is "
            f"{float(cost.mean()):.4g}. Try a smaller tol, or x0 in double precision.",
            stacklevel=3,
        )
    rungs = {}
    for name, (certified, assumes) in _RUNGS.items():
        log, particles, times = found[name]
        total, sum_of_times = particles.sum(), times.sum()
        rungs[name] = Rung(
            name,
            log,
            certified and (resolved or name != "flow_map"),
            assumes,
            particles / total if total > 0 else torch.zeros_like(particles),
            times / sum_of_times if sum_of_times > 0 else torch.zeros_like(times),
        )
    return Ladder(
        **{name: rung.value for name, rung in rungs.items()},
        rungs=rungs,
        identity=identity,
        penalty=float(_pieces(mean_square).sum()),
        pair=pair,
    )


def _pieces(f: Tensor) -> Tensor:
    """Integrals of ``f`` (T, k), given on equally spaced times from 0 to 1, between each time and the next."""
    panels = f.unfold(0, 3, 2).movedim(-1, 1)  # ((T - 1) / 2, 3, k)
    return simpson(panels, f.new_full((len(panels),), 1 / (len(f) - 1))).transpose(0, 1).flatten(0, 1)


def _until_one(rate: Tensor) -> Tensor:
    """``int_s^1 rate(u) du`` at every time s: (T, k) -> (T, k)."""
    return torch.cat([_pieces(rate).flip(0).cumsum(0).flip(0), torch.zeros_like(rate[:1])])


def _log_integral(log_weight: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """``log int e^{log_weight} f ds`` (k,), and each cell's share of the integral (CELLS, k), for f (T, k) >= 0."""
    top = log_weight.amax(0)  # (k,)
    cells = _pieces((log_weight - top).exp() * f).unflatten(0, (CELLS, -1)).sum(1)
    total = cells.sum(0)
    return top + total.log(), (cells / total).nan_to_num()


def _log_mean_exp(logs: Tensor) -> float:
    return float(logs.logsumexp(0)) - math.log(len(logs))
