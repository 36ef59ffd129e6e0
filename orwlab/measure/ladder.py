"""The ladder of bounds on the Wasserstein-2 distance between two flows.

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
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from orwlab import checks, flow, foreign
from orwlab.measure.coupled_flows import CELLS, FlowMap, Pair, compare, simpson
from orwlab.measure.distances import doubles, w2_squared
from orwlab.velocity import Velocity

__all__ = ["Ladder", "Rung", "bounds"]

MOST = 10_000  # particles: the empirical distance compares all with all
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
        try:
            return math.exp(self.log)
        except OverflowError:
            return math.inf


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
    problem: str
    """what ``bounds`` warns of, "" if there is nothing"""

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
    warn: bool = True,
) -> Ladder:
    """The ladder of bounds on W2^2 between what ``policy`` and ``reference`` generate; see the head of this file.

    Args:
        policy: v(t, x), t scalar or (n,), x (n, d). A network is evaluated in eval mode.
        reference: v_ref(t, x), likewise; L, mu and Phi are of this field. d <= 16, for its Jacobian is formed.
        n: number of particles, from 2 to 10,000. Both flows start from the same noise; E is under the policy's own
            trajectories.
        seed: of the noise, from 0 to 2^32 - 1.
        x0: (n, d) noise to use instead, of any position and size.
        tol: of the adaptive integration of the flow map, at most 0.5; smaller is slower. At the default the identity
            meets the coupled cost to 2 %; above 0.1 ``flow_map`` is not certified.
        warn: whether to warn of the ladder's ``problem``. Not in threads: the filters of warnings are not safe there.

    The precision is that of the networks, the shorter one of two; where both fields are closed forms, that of x0, or
    double without one. Suprema are over one pool of points at each time: the policy's trajectories, the reference's,
    three points between the two, and trajectories of the reference launched from the policy's at eight times. They are
    lower estimates of the suprema over all x, and more particles find larger ones.

    Raises:
        ValueError: an argument out of range; a field that is no velocity, whose answer for a point depends on the other
            points, or whose flow does not stay finite.

    Warns:
        UserWarning: the identity misses the coupled cost by more than 2 %, because a trajectory crosses between two
            basins of the reference in less time than the precision resolves; ``flow_map`` is then not certified.
    """
    v, v_ref = foreign.velocity("policy", policy), foreign.velocity("reference", reference)
    n, seed = checks.integer("n", n, low=2, high=MOST), checks.seed("seed", seed)
    tol, warn = checks.number("tol", tol, above=0.0, high=0.5), checks.yes_or_no("warn", warn)
    if x0 is None:
        shape = getattr(policy, "event_shape", None) or getattr(reference, "event_shape", None)
        if shape is None:
            raise checks.fail("x0", x0, "noise of shape (n, d), as neither field has an event_shape that says d")
        x0 = flow.noise(n, tuple(shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    start = doubles("x0", x0)
    if start.ndim != 2 or start.shape[1] > 16 or len(start) > MOST:
        raise checks.fail("x0", x0, f"points of shape (n, d) with n <= {MOST:,} and d <= 16")
    dtype, device = _home(policy, reference, x0)
    start = start.to(device)
    with torch.inference_mode(False), foreign.at_rest(policy), foreign.at_rest(reference):
        speed = max(_check_field(name, f, start.to(dtype)) for name, f in (("policy", v), ("reference", v_ref)))
        centre, unit = _units(start, speed)
        z0 = ((start - centre) / unit).to(dtype)
        centre = centre.to(dtype)
        pair, along = compare(_seen(v, centre, unit), _seen(v_ref, centre, unit), z0, tol=tol)
    found = _assemble(pair, along, centre, unit, fine=tol <= 0.1)
    if found.problem and warn:
        warnings.warn(found.problem, stacklevel=2)
    return found


def _home(policy: Velocity, reference: Velocity, x0: Tensor) -> tuple[torch.dtype, torch.device | None]:
    """In which floating type, and on which device, the two flows are followed."""
    homes = {"policy": foreign.home_of(policy), "reference": foreign.home_of(reference)}
    types = [dtype for dtype, _ in homes.values() if dtype is not None]
    for name, (dtype, _) in homes.items():
        if dtype not in (None, torch.float32, torch.float64):
            raise ValueError(f"{name} computes in {dtype}; allowed: float32 or float64, such as {name}.float()")
    if not types and isinstance(x0, Tensor) and x0.is_floating_point():
        types = [torch.promote_types(x0.dtype, torch.float32)]
    devices = [device for _, device in homes.values() if device is not None]
    return torch.float32 if torch.float32 in types else torch.float64, devices[0] if devices else None


def _check_field(name: str, v: Velocity, x0: Tensor) -> float:
    """How fast the field moves ``x0``, as the root of a mean square."""
    allowed = "a velocity v(t, x), t scalar or (n,), x (n, d) -> finite (n, d), the same for both kinds of t"
    with torch.no_grad():
        each, once = v(x0.new_full((len(x0),), 0.5), x0), v(x0.new_tensor(0.5), x0)
        alone = v(x0.new_tensor(0.5), x0[:1])
    size = float(each.double().square().mean().sqrt())
    if not torch.isfinite(each).all() or not torch.isfinite(once).all():
        raise ValueError(f"{name}(t, x) is NaN or infinite at time 0.5 for some x0; allowed: {allowed}")
    if not torch.allclose(each, once, rtol=1e-3, atol=1e-4 * size):
        raise ValueError(f"{name}(t, x) differs between t = 0.5 and t = 0.5 for every point; allowed: {allowed}")
    if not torch.allclose(once[:1], alone, rtol=1e-3, atol=1e-4 * size):
        raise ValueError(f"{name}(t, x) depends on which other points x holds; allowed: a velocity of each point alone")
    return size


def _units(x0: Tensor, speed: float) -> tuple[Tensor, float]:
    """A centre (d,) and a length in which ``x0`` (n, d) lies around 0 and 1 apart; 0 and 1 if it nearly does.

    So that tolerances mean the same wherever the data are and whatever their unit: W2^2 scales with its square. Where
    all x0 are close together, the flow's ``speed`` is a length too, as the flow lasts for a time of 1.
    """
    centre = x0.mean(0)
    spread = float((x0 - centre).square().mean().sqrt())
    length = spread if spread >= 1 else min(1.0, max(spread, speed))
    if float(centre.abs().max()) <= 10 * length:
        centre = torch.zeros_like(centre)
    return centre, 2.0 ** round(math.log2(length)) if length > 0 else 1.0  # a power of two rounds nothing


def _seen(v: Velocity, centre: Tensor, unit: float) -> Velocity:
    """``v`` in coordinates z with ``x = centre + unit z``."""
    return lambda t, z: v(t, centre + unit * z) / unit


def _assemble(pair: Pair, along: FlowMap, centre: Tensor, unit: float, *, fine: bool) -> Ladder:
    """The ladder from what was measured in coordinates z, ``x = centre + unit z``, with a ``fine`` flow map or not."""
    dv = pair.dv  # (T, n)
    gap = (pair.x[-1] - pair.y[-1]).double()  # (n, d)
    cost = gap.square().sum(1)  # (n,)
    moved = torch.einsum("knd,nd->k", along.moved, gap)  # (CELLS,)
    distance = w2_squared(pair.x[-1], pair.y[-1])
    length = along.length.sum(0).clamp_min(0)  # (n,)

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
    least = (10 * torch.finfo(pair.x.dtype).eps) ** 2  # what rounding makes of 0
    resolved = math.isclose(identity, float(cost.mean()), rel_tol=0.02, abs_tol=least)
    problem = ""
    if not resolved:
        problem = (
            f"the flow map is not resolved: the identity gives {identity * unit**2:.4g} where the coupled cost is "
            f"{float(cost.mean()) * unit**2:.4g}. Try a smaller tol, or double precision (of networks, or else of x0)."
        )
    rungs = {}
    for name, (certified, assumes) in _RUNGS.items():
        log, particles, times = found[name]
        total, sum_of_times = particles.sum(), times.sum()
        rungs[name] = Rung(
            name,
            log + 2 * math.log(unit),
            certified and (name != "flow_map" or (resolved and fine)),
            assumes,
            particles / total if total > 0 else torch.zeros_like(particles),
            times / sum_of_times if sum_of_times > 0 else torch.zeros_like(times),
        )
    return Ladder(
        **{name: rung.value for name, rung in rungs.items()},
        rungs=rungs,
        identity=identity * unit**2,
        penalty=float(_pieces(mean_square).sum()) * unit**2,
        pair=replace(
            pair,
            x=centre + unit * pair.x,
            y=centre + unit * pair.y,
            dv=unit * pair.dv,
            steepest=centre + unit * pair.steepest,
        ),
        problem=problem,
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
