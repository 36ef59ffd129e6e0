"""From a velocity to samples, trajectories and likelihoods, and from data to a velocity.

    dx/dt = v(t, x),   x_0 ~ N(0, I)

torchdiffeq solves the equations. Fixed-step methods cost a known number of evaluations (for live use); adaptive ones
meet a tolerance (for exact work). ``fit`` learns a velocity from anybody's own data.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from orwlab import checks, couplings, foreign, losses, paths, velocity
from orwlab.solvers import NonStationary
from orwlab.velocity import Velocity

Sampler = tuple[str, int] | NonStationary
"""How a draw is made where its cost counts: a fixed method and its steps, or a learned solver."""
Progress = Callable[[int, int], Any]
"""Is told of (steps done, steps in all), and may answer False to end there."""
FIXED = {"euler": 1, "midpoint": 2, "rk4": 4}  # evaluations of v a step
ADAPTIVE = ("dopri5", "dopri8", "bosh3")
MOST_STEPS = 10_000  # of an adaptive method between two times: ten times what the sharpest of our flows needs


# what is made in inference mode cannot take part in anything that is differentiated
_outside_inference = torch.inference_mode(False)


def noise(
    n: int,
    event_shape: tuple[int, ...],
    *,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """``x0 ~ N(0, I)``, (n, *event). Drawn on the CPU in float32, so that all devices start from the same numbers."""
    n, shape = checks.integer("n", n), checks.shape("event_shape", event_shape)
    device, dtype = checks.device("device", device), checks.floating("dtype", dtype)
    generator = checks.generator("generator", generator)
    return torch.randn(n, *shape, generator=generator, dtype=torch.float32).to(device, dtype)


def sample(
    v: Velocity,
    x0: Tensor,
    *,
    method: str = "midpoint",
    steps: int = 24,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    grad: bool = False,
) -> Tensor:
    """Push noise ``x0`` (n, *event) through the flow of ``v`` to time 1: (n, *event), as x0 is.

    Args:
        v: velocity ``v(t, x)``; ``velocity.Conditioned`` binds one with a condition. A network is evaluated in eval
            mode, where it lies and in its own floating type; the answer is in x0's, and where x0 is.
        x0: the starting points.
        method: "euler", "midpoint" or "rk4" (fixed steps), "dopri5", "dopri8" or "bosh3" (adaptive).
        steps: steps of a fixed method.
        rtol: relative tolerance of an adaptive method.
        atol: absolute tolerance of an adaptive method.
        grad: whether the answer carries a gradient to x0 and to v's parameters, through every step of the solver.

    Raises:
        ValueError: an argument out of range; ``v`` does not answer with x's shape; an adaptive method cannot meet its
            tolerance.
    """
    grad = checks.yes_or_no("grad", grad)
    with torch.inference_mode(False), torch.set_grad_enabled(grad):  # picking the last one is part of the graph
        return trajectory(v, x0, (0.0, 1.0), method=method, steps=steps, rtol=rtol, atol=atol, grad=grad)[-1]


def push(v: Velocity, x0: Tensor, sampler: Sampler) -> Tensor:
    """Noise ``x0`` (n, *event) to samples by a ``Sampler``, such as a run's own: (n, *event), as x0 is.

    Raises:
        ValueError: an argument out of range; ``v`` does not answer with x's shape.
    """
    sampler = as_sampler(sampler)
    if isinstance(sampler, NonStationary):
        return sampler.sample(v, x0)
    return sample(v, x0, method=sampler[0], steps=sampler[1])


def as_sampler(sampler: Any) -> Sampler:
    """A ``Sampler``, checked: a fixed method and its steps as (method, steps), or a learned solver."""
    if isinstance(sampler, NonStationary):
        return sampler
    if not isinstance(sampler, tuple | list) or len(sampler) != 2:
        raise checks.fail("sampler", sampler, "a method and a number of steps, such as ('rk4', 3), or a learned solver")
    return checks.choice("sampler[0]", sampler[0], FIXED), checks.integer("sampler[1]", sampler[1])


def evaluations(sampler: Sampler) -> int:
    """How often a ``Sampler`` evaluates the velocity, for each point."""
    sampler = as_sampler(sampler)
    return sampler.evaluations if isinstance(sampler, NonStationary) else FIXED[sampler[0]] * sampler[1]


@_outside_inference
def trajectory(
    v: Velocity,
    x0: Tensor,
    times: Tensor | tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0),
    *,
    method: str = "midpoint",
    steps: int = 24,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    grad: bool = False,
) -> Tensor:
    """The flow's positions at each of ``times``, starting from ``x0`` at ``times[0]``: (T, n, *event).

    Times may run backwards (from data to noise). Arguments as in ``sample``; ``steps`` are spread over the whole span,
    at least one between two times.
    """
    field, grad = foreign.velocity("v", v), checks.yes_or_no("grad", grad)
    x0 = checks.points("x0", x0)
    x = foreign.at_home(field, x0)
    stops = _stops(times, x)
    with torch.set_grad_enabled(grad), foreign.at_rest(field):
        if isinstance(v, velocity.Preconditioned):
            return _in_own_coordinates(v, x, stops, method, steps, rtol, atol).to(x0)
        grid, wanted = _grid(stops, method, steps)
        return solve(field, x, grid, method, rtol, atol)[wanted].to(x0)


def _in_own_coordinates(
    v: velocity.Preconditioned, x: Tensor, stops: Tensor, method: str, steps: int, rtol: float, atol: float
) -> Tensor:
    """The flow of ``v`` at the times ``stops``, solved where equal steps fit the data whatever their size."""
    y = v.inward(stops[0], x)[1]
    taus, which = torch.unique_consecutive(torch.stack([v.inward(t, x)[0] for t in stops]), return_inverse=True)
    ys = y[None]
    if len(taus) > 1:  # of data of huge size, times may be one in floating-point numbers
        grid, wanted = _grid(taus, method, steps)
        ys = solve(foreign.velocity("v.network", v.network), y, grid, method, rtol, atol)[wanted]
    return torch.stack([v.outward(t, ys[k]) for t, k in zip(stops, which.tolist())])


@_outside_inference
def sample_sde(
    v: Velocity,
    x0: Tensor,
    *,
    generator: torch.Generator,
    sigma: float | Callable[[float], float] = 1.0,
    steps: int = 100,
    path: str | None = None,
) -> Tensor:
    """Noise ``x0`` (n, *event) to samples by an SDE whose marginals at every t are those of the flow: (n, *event).

    ``dx = [v + sigma^2 / 2 s] dt + sigma dW`` with the score ``s(t, x) = -E[x0 | x_t = x] / noise(t)``, which follows
    from v where v is the flow-matching field of the path: on the linear one ``s = (t v - x) / (1 - t)`` (Song et al.,
    2021, for the identity of the marginals). By Euler's and Maruyama's method; the score is taken at the left end of
    each step, where it is finite. Steps have to be small: ``sigma^2 / steps`` below the variance of the sharpest mode.

    Args:
        v: velocity ``v(t, x)``.
        x0: the starting points, N(0, I).
        generator: draws dW, on the CPU.
        sigma: the noise's strength >= 0, a number or a function of t in [0, 1); with 0 these are Euler's steps of the
            flow. Finite wherever it is asked: at 0, 1/steps, ...
        steps: equal steps.
        path: "linear" or "cosine"; that of v if None, and linear where v does not say.

    Raises:
        ValueError: an argument out of range; ``v`` does not answer with x's shape.
    """
    field = foreign.velocity("v", v)
    x0, steps = checks.points("x0", x0), checks.integer("steps", steps)
    generator = checks.generator("generator", generator)
    strength = sigma if callable(sigma) else lambda t: sigma
    way = paths.get(_path_of(v) if path is None else path)
    x, h = foreign.at_home(field, x0), 1 / steps
    with torch.no_grad(), foreign.at_rest(field):
        for k in range(steps):
            s = checks.number("sigma", strength(k * h), low=0.0)
            t = torch.tensor(k * h, dtype=torch.float64)
            u = field(t.to(x), x)
            a, b, da, db = (float(f(t)) for f in (way.noise, way.data, way.d_noise, way.d_data))
            score = (b * u - db * x) / (a * db - b * da) / a
            dw = math.sqrt(h) * torch.randn(x.shape, generator=generator, dtype=torch.float32).to(x)
            x = x + h * (u + 0.5 * s * s * score) + s * dw
    return x.to(x0)


def _path_of(v: Velocity) -> str:
    path = getattr(v, "path", None)
    return path.name if isinstance(path, paths.Linear) else "linear"


@_outside_inference
def log_prob(
    v: Velocity,
    x1: Tensor,
    *,
    divergence: str = "exact",
    probes: int = 1,
    generator: torch.Generator | None = None,
    method: str = "dopri5",
    steps: int = 24,
    rtol: float = 1e-6,
    atol: float = 1e-7,
) -> Tensor:
    """The model's log density at ``x1`` (n, *event): (n,), by the instantaneous change of variables.

    ``log p_1(x_1) = log N(x_0; 0, I) - int_0^1 div v(t, x_t) dt`` along the flow that ends at x1.

    Args:
        v: velocity ``v(t, x)``. One that cannot be differentiated in x, such as numpy's, costs two evaluations a
            dimension more, and half the digits.
        x1: where to evaluate.
        divergence: "exact" costs one backward pass a dimension: for few dimensions. "hutchinson" estimates it without
            bias from ``probes`` random directions: for many.
        probes: directions of Hutchinson's estimate, the same all along a trajectory.
        generator: draws the probes; needed by "hutchinson".
        method: as in ``sample``.
        steps: as in ``sample``.
        rtol: as in ``sample``.
        atol: as in ``sample``.

    Returns:
        (n,), in x1's floating type, but no shorter one than float32.

    Raises:
        ValueError: as in ``sample``.
    """
    field, x1 = foreign.velocity("v", v), checks.points("x1", x1).detach()
    checks.choice("divergence", divergence, ("exact", "hutchinson"))
    probes = checks.integer("probes", probes)
    if generator is not None or divergence == "hutchinson":
        generator = checks.generator("generator", generator)
    size = math.prod(x1.shape[1:])
    x, stretch = foreign.at_home(field, x1), 0.0
    if isinstance(v, velocity.Preconditioned):  # in its own coordinates, where all data have size 1
        field, stretch = foreign.velocity("v.network", v.network), size * math.log(float(v.std))
        x = v.inward(x.new_ones(()), x)[1]
    if divergence == "exact":
        directions = torch.eye(size, dtype=x.dtype, device=x.device)[:, None, :].expand(-1, len(x), -1)
        scale = 1.0
    else:
        signs = torch.randint(0, 2, (probes, len(x), size), generator=generator)
        directions, scale = (2.0 * signs - 1.0).to(x), 1.0 / probes  # (D, n, size)

    def augmented(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        u, div = _velocity_and_divergence(field, t, state[0], directions)
        return u, scale * div

    grid, _ = _grid(_stops((1.0, 0.0), x), method, steps)
    with torch.no_grad(), foreign.at_rest(field):
        # integrating from 1 to 0, the second component becomes minus the integral of the divergence
        end, minus_integral = solve(augmented, (x, x.new_zeros(len(x))), grid, method, rtol, atol)
    z = end[-1].flatten(1)
    log_p = -0.5 * z.square().sum(1) - 0.5 * size * math.log(2 * math.pi) + minus_integral[-1] - stretch
    return log_p.to(x1.device, torch.promote_types(x1.dtype, torch.float32))


def _velocity_and_divergence(v: Velocity, t: Tensor, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """``v(t, x)`` (n, *event) and ``sum_e e . grad(v . e)`` (n,) over the directions e (D, n, size).

    By automatic differentiation; by central differences for a field whose graph does not lead back to x.
    """
    x, rows = x.detach(), None
    try:
        with torch.enable_grad():
            along = x.clone().requires_grad_()
            u = v(t, along)
            rows = _gradients(u, along, directions)
    except ValueError:  # numpy refuses numbers that carry a gradient
        u = v(t, x)
    u = u.detach()
    if rows is None:
        h = torch.finfo(x.dtype).eps ** (1 / 3) * max(1.0, float(x.abs().max()))
        steps = (h * e.reshape(x.shape) for e in directions)
        with torch.no_grad():
            rows = [(v(t, x + step) - v(t, x - step)) / (2 * h) for step in steps]
    div = torch.zeros_like(u.flatten(1)[:, 0])
    for row, e in zip(rows, directions):
        div = div + (row.flatten(1) * e).sum(1)
    return u, div


def _gradients(u: Tensor, x: Tensor, directions: Tensor) -> list[Tensor] | None:
    """``grad (u . e)`` in x for every direction e; None where u does not come from x by way of a graph."""
    found = []
    for i, e in enumerate(directions if u.requires_grad else ()):
        along = (u.flatten(1) * e).sum()
        (row,) = torch.autograd.grad(along, x, retain_graph=i + 1 < len(directions), allow_unused=True)
        if row is not None:
            found.append(row)
    return found or None


def solve(
    f: Callable[..., Any],
    y0: Any,
    grid: Tensor,
    method: str,
    rtol: float,
    atol: float,
    *,
    interpolate: bool = False,
) -> Any:
    """Torchdiffeq's ``odeint`` with its failures as sentences: y at every time of ``grid``.

    Args:
        f: the right side, (t, y) -> dy/dt.
        y0: a tensor or a tuple of them.
        grid: times, of a fixed method's every step.
        method: one of ``FIXED`` or ``ADAPTIVE``.
        rtol: relative tolerance of an adaptive method; not below the numbers' own precision.
        atol: absolute tolerance of an adaptive method.
        interpolate: let an adaptive method choose its steps whatever the grid, and interpolate between them: the steps
            are then the same for every grid, but values between may be up to 600 times further off.

    Raises:
        ValueError: a tolerance out of range, or one that no step however small can meet.
    """
    from torchdiffeq import odeint  # imported here because it takes half a second

    checks.choice("method", method, [*FIXED, *ADAPTIVE])
    interpolate = checks.yes_or_no("interpolate", interpolate)
    rtol, atol = checks.number("rtol", rtol, above=0.0), checks.number("atol", atol, above=0.0)
    grid = _strictly_ordered("grid", checks.array("grid", grid, "times"), grid)
    parts = [checks.tensor("y0", part, "numbers, a tensor or a tuple of them") for part in _as_tuple(y0)]
    y0 = tuple(parts) if isinstance(y0, tuple) else parts[0]
    if method in FIXED:
        return odeint(f, y0, grid, method=method)
    checks.number("rtol", rtol, low=2 * torch.finfo(grid.dtype).eps)
    options: dict[str, Any] = {"max_num_steps": MOST_STEPS}
    if not interpolate:
        options["step_t"] = grid  # a step ends at every wanted time
    try:
        return odeint(f, y0, grid, method=method, rtol=rtol, atol=atol, options=options)
    except AssertionError as error:  # the step has shrunk to nothing, or there were too many
        raise ValueError(
            f"{method} cannot follow v to rtol {rtol:g} and atol {atol:g} ({error}); allowed: a velocity that stays "
            f"finite and smooth on the way, a larger tolerance, or a fixed method ({', '.join(FIXED)})"
        ) from error


def _as_tuple(y: Any) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)


def _strictly_ordered(name: str, times: Tensor, given: Any) -> Tensor:
    gaps = times.diff() if times.ndim == 1 else times
    if times.ndim != 1 or len(times) < 2 or not ((gaps > 0).all() or (gaps < 0).all()):
        raise checks.fail(name, given, "at least two times, strictly increasing or decreasing")
    return times


def _stops(times: Tensor | tuple[float, ...], x: Tensor) -> Tensor:
    # their order is looked at as the solver will see them
    stops = _strictly_ordered("times", checks.array("times", times, "times in [0, 1]").detach().to(x), times)
    if stops.min() < 0 or stops.max() > 1:
        raise checks.fail("times", times, "times in [0, 1]")
    return stops


def _grid(stops: Tensor, method: str, steps: int) -> tuple[Tensor, slice | Tensor]:
    """The solver's grid, and where the wanted times stand in it."""
    checks.choice("method", method, [*FIXED, *ADAPTIVE])
    steps = checks.integer("steps", steps)
    if method not in FIXED:
        return stops, slice(None)
    span = float((stops[-1] - stops[0]).abs())
    counts = [max(1, round(steps * float((b - a).abs()) / span)) for a, b in pairwise(stops)]
    pieces = [
        torch.linspace(a, b, n + 1, dtype=torch.float64)[:-1] for (a, b), n in zip(pairwise(stops.tolist()), counts)
    ]
    grid = torch.cat([*pieces, stops[-1:].cpu().double()]).to(stops)
    return grid, torch.tensor([0, *counts]).cumsum(0)


# -- from data to a velocity -------------------------------------------------------------------------------------


@_outside_inference
def fit(
    data: Tensor,
    *,
    steps: int = 4000,
    batch_size: int = 256,
    lr: float = 2e-3,
    coupling: str = "independent",
    network: nn.Module | None = None,
    seed: int = 0,
    progress: bool | Progress = True,
) -> nn.Module:
    """Learn the flow of anybody's own data, by conditional flow matching on the linear path: a reference ``v(t, x)``.

    Args:
        data: (n, d) points or (n, *event) images, of any position and size; n >= 2.
        steps: gradient steps, at a learning rate that falls to 0 along a cosine.
        batch_size: data a step, drawn with replacement.
        lr: Adam's learning rate at the start.
        coupling: "independent" or "ot"; see ``couplings``.
        network: a trainable v(t, x) to fit in place, for data as they are. None: an ``MLP`` for points and a
            ``ResidualMLP`` for anything else, made for the data's position and size: ``velocity.Preconditioned``.
        seed: of initial weights and draws, from 0 to 2^32 - 1; torch's global random state is not used.
        progress: show a bar; or a callable that is told of every step, see ``learn``. If it ends the training, the
            network is what it is by then.

    Returns:
        The network in eval mode, with ``.event_shape`` and ``.path``, on the data's device.

    Raises:
        ValueError: an argument out of range, or data that are all alike.
    """
    data = checks.points("data", data, at_least=2).detach()
    steps, batch_size = checks.integer("steps", steps), checks.integer("batch_size", batch_size)
    lr, seed = checks.number("lr", lr, above=0.0), checks.seed("seed", seed)
    checks.choice("coupling", coupling, couplings.NAMES)
    progress = _as_progress(progress)
    shape = getattr(network, "event_shape", data.shape[1:])
    if tuple(shape) != tuple(data.shape[1:]):
        raise checks.fail("data", data, f"samples of the network's shape {tuple(shape)}")
    generator = torch.Generator().manual_seed(seed)
    fresh = _fresh_network(data, seed) if network is None else None
    whole: Any = network if fresh is None else fresh
    parameters = [p for p in whole.parameters() if p.requires_grad] if isinstance(whole, nn.Module) else []
    if not parameters:
        raise checks.fail("network", network, "a network v(t, x) with trainable parameters")
    x1 = checks.points("data", data.to(parameters[0]))  # which may be of a shorter floating type
    learner = whole
    if fresh is not None:
        learner, x1 = fresh.network, (data.cpu().double() - fresh.mean.cpu().double()).div(float(fresh.std)).to(x1)
    draw = lambda: x1[torch.randint(len(x1), (batch_size,), generator=generator).to(x1.device)]  # noqa: E731
    field = foreign.velocity("network", learner)
    learn(learner, matching_losses(field, draw, generator, coupling=coupling), steps, lr, "flow", progress)
    whole.path, whole.event_shape = paths.get("linear"), tuple(data.shape[1:])
    return whole.eval()


def _fresh_network(data: Tensor, seed: int) -> velocity.Preconditioned:
    """A network for data of this shape, position and size, on their device."""
    shape, exact = tuple(data.shape[1:]), data.cpu().double()  # there are devices without double precision
    mean = exact.mean(0)
    largest = float((exact - mean).abs().max())
    std = largest * float(((exact - mean) / largest).square().mean().sqrt()) if 0 < largest < math.inf else largest
    resolution = torch.finfo(torch.float32).eps * float(exact.abs().max())
    if not max(1e3 * resolution, velocity.SMALLEST) < std < 1 / velocity.SMALLEST:
        raise checks.fail("data", data, "data that differ, by 1e-4 of their distance from 0 or more (else move them)")
    inner = velocity.MLP(shape[0], seed=seed) if len(shape) == 1 else velocity.ResidualMLP(shape, seed=seed)
    return velocity.Preconditioned(inner.float(), mean, std).to(data.device)


def matching_losses(
    v: Velocity,
    draw: Callable[[], Tensor],
    generator: torch.Generator,
    *,
    path: str = "linear",
    coupling: str = "independent",
    exact: Velocity | None = None,
) -> Iterator[Tensor]:
    """Conditional flow matching, ``E |v(t, x_t) - u_t|^2``, one loss a batch, for ever.

    Args:
        v: the velocity that learns.
        draw: gives a batch of data, (n, *event).
        generator: draws noise, times and pairs.
        path: of ``paths``.
        coupling: of ``couplings``.
        exact: ``E[u_t | x_t]`` where it is known in closed form: it then stands in for u_t. The minimiser is the same
            and the noise is gone.
    """
    if not callable(draw):
        raise checks.fail("draw", draw, "a callable that gives a batch of data, (n, *event)")
    field = foreign.velocity("v", v)
    way, generator = paths.get(path), checks.generator("generator", generator)
    checks.choice("coupling", coupling, couplings.NAMES)
    known = None if exact is None else foreign.velocity("exact", exact)

    def losses_for_ever() -> Iterator[Tensor]:
        while True:
            x1 = checks.points("draw()", draw())
            x0 = noise(len(x1), tuple(x1.shape[1:]), generator=generator, device=x1.device, dtype=x1.dtype)
            t = torch.rand(len(x1), generator=generator, dtype=torch.float32).to(x1)
            x0, x1 = couplings.pair_unweighted(coupling, x0, x1, generator=generator)
            x_t, u_t = way.interpolate(t, x0, x1)
            if known is not None:
                with torch.no_grad():
                    u_t = known(t, x_t)
            yield losses.fit(field(t, x_t), u_t)

    return losses_for_ever()


@_outside_inference
def learn(
    network: nn.Module,
    losses: Iterable[Tensor],
    steps: int,
    lr: float,
    label: str,
    progress: bool | Progress = True,
) -> None:
    """``steps`` of Adam on a stream of losses, the learning rate falling to 0 along a cosine, with a progress bar.

    Instead of a bar, ``progress`` may be a callable: ``progress(step, steps)`` comes after every step, and if it
    returns False the training ends there.

    Raises:
        ValueError: an argument out of range, or a loss that stops being finite.
    """
    parameters = [p for p in network.parameters() if p.requires_grad] if isinstance(network, nn.Module) else []
    if not parameters:
        raise checks.fail("network", network, "a network with trainable parameters")
    if not isinstance(losses, Iterable) or isinstance(losses, str | bytes):
        raise checks.fail("losses", losses, "an iterable of losses, each a tensor of one number")
    steps, lr = checks.integer("steps", steps), checks.number("lr", lr, above=0.0)
    progress = _as_progress(progress)
    tell = progress if callable(progress) else None
    optimizer = torch.optim.Adam(parameters, lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    bar = tqdm(islice(losses, steps), total=steps, desc=str(label), mininterval=0.5, disable=progress is not True)
    with torch.enable_grad():
        for step, loss in enumerate(bar, start=1):
            if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
                raise checks.fail("losses", loss, "losses of the network: tensors of one number, with a gradient")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % 100 == 0 or step == steps:
                if not all(bool(torch.isfinite(p).all()) for p in parameters):
                    raise ValueError(
                        f"lr is {lr:g}, and by step {step} the network is no longer finite; allowed: a smaller one, or "
                        "other data"
                    )
                bar.set_postfix(loss=f"{float(loss.detach()):.4f}")
            if tell is not None and (answer := tell(step, steps)) is not None and not answer:
                break
    optimizer.zero_grad()


def _as_progress(progress: Any) -> bool | Progress:
    """Whether to show a bar, or whom to tell."""
    if callable(progress):
        return progress
    try:
        return checks.yes_or_no("progress", progress)
    except ValueError:
        raise checks.fail(
            "progress", progress, "True, False, or a callable (step, steps) -> whether to go on"
        ) from None
