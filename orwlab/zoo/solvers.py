"""How the zoo's few-step solvers are made, and how good they are: ``python -m orwlab.zoo train solver_8``.

A solver fitted to one flow is useless on its neighbours, and fine-tuning moves through neighbours all the time. So it
is fitted to many fields in closed form at once: mixtures of a few Gaussians on rings, in clouds and along curves, of
all weights and sizes, each with a smooth disturbance that belongs to no mixture, as what networks learn has too. No
target, no network and no policy is among them: how well they are solved is a test.

Photographs are another matter. A patch varies by 19 along one direction and by 0.001 along another, and no such family
resembles that: by the plane's solver they come out smeared. Their solver is fitted to the network itself, from a few
images. Policies that are fine-tuned from it are solved nearly as well (measured: on the card). Pictures of
captions have theirs in the same way.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, flow, rewards, solvers, velocity, zoo
from orwlab.data import captions
from orwlab.flow import Sampler
from orwlab.methods.orw import FineTuning
from orwlab.methods.prompted import PromptedFineTuning
from orwlab.targets import GaussianMixture
from orwlab.zoo.prompted import Prompted


@dataclass(frozen=True)
class Recipe:
    """All that a fit needs."""

    evaluations: int
    fields: int = 256
    points: int = 16
    """noise and end points a field, in pairs of opposite noise"""
    components: int = 8
    """Gaussians a field"""
    disturbance: float = 0.3
    """the largest root mean square by which a field is off a mixture's"""
    steps: int = 40
    seed: int = 0


@dataclass(frozen=True)
class OfOneFlow:
    """All that a fit to a single network needs."""

    evaluations: int
    flow: str
    """its name in the zoo"""
    points: int = 24
    """noise, and where rk4 takes it with EXACT steps"""
    steps: int = 12
    seed: int = 0


RECIPES: dict[str, Recipe | OfOneFlow] = {f"solver_{n}": Recipe(n) for n in (6, 8)}
RECIPES["solver_patches"] = OfOneFlow(12, "patches")
RECIPES["solver_captions"] = OfOneFlow(12, "captions")
EXACT = {"patches": 24, "captions": 24}
"""steps of rk4 that count as exact, where 64 would take minutes"""
RK4: Sampler = ("rk4", 3)
RIGHT = rewards.get("right")


def train(name: str, *, steps: int | None = None) -> dict[str, Any]:
    """Fit solver ``name``, with a progress bar; returns its card, which holds its coefficients too.

    Args:
        name: one of ``RECIPES``.
        steps: instead of the recipe's number, for a quick look.
    """
    recipe = RECIPES[checks.choice("name", name, RECIPES)]
    steps = checks.integer("steps", recipe.steps if steps is None else steps)
    started = time.perf_counter()
    v, x0, x1 = flows(recipe) if isinstance(recipe, Recipe) else one_flow(recipe)
    solver = solvers.fit(v, x0, x1, evaluations=recipe.evaluations, steps=steps)
    seconds = time.perf_counter() - started
    return {
        "name": name,
        "kind": "solver",
        "recipe": asdict(recipe) | {"steps": steps},
        "training_seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "solver": solver.config,
        "quality": quality(solver) if isinstance(recipe, Recipe) else quality(solver, [recipe.flow]),
    }


# -- what they are fitted to -------------------------------------------------------------------------------------


def flows(recipe: Recipe) -> tuple[velocity.Velocity, Tensor, Tensor]:
    """Many fields as one ``v(t, x)``, noise and where it ends, each (fields, points, 2), in double precision."""
    generator = torch.Generator().manual_seed(recipe.seed)
    normal, _ = _draws(generator)
    mixtures = [random_mixture(recipe.components, generator) for _ in range(recipe.fields)]
    v = _disturbed(_at_once(mixtures), recipe, generator)
    half = normal(recipe.fields, recipe.points // 2, 2)
    x0 = torch.cat([half, -half], 1)
    return v, x0, flow.sample(v, x0, method="rk4", steps=64)


def one_flow(recipe: OfOneFlow) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of the zoo, noise, and where it ends, each (points, *event); told a sentence each, if it takes one."""
    v = _told(_flow(recipe.flow), recipe.points, seed=1)
    x0 = flow.noise(recipe.points, v.event_shape, generator=torch.Generator().manual_seed(recipe.seed))  # type: ignore[arg-type]
    return v, x0, flow.sample(v, x0, method="rk4", steps=EXACT[recipe.flow])


def _flow(name: str) -> nn.Module:
    """One of the zoo's, without the solver that it would bring: that may be what is about to be made."""
    return zoo.read(zoo.MODELS / f"{name}.safetensors")


def _told(v: nn.Module, n: int, seed: int) -> nn.Module:
    """``v``, or if it is told sentences, ``v`` bound to ``n`` random ones."""
    if not isinstance(v, Prompted):
        return v
    _, said = captions.sample(n, generator=torch.Generator().manual_seed(seed))
    return velocity.Conditioned(v, captions.tokens(said))


def random_mixture(components: int, generator: torch.Generator) -> GaussianMixture:
    """Gaussians in the plane on a ring, in a cloud or along a curve; the sizes are those of what people draw."""
    K = components
    normal, uniform = _draws(generator)
    layout = int(torch.randint(3, (1,), generator=generator))
    if layout == 0:
        angle = 2 * math.pi * (torch.arange(K, dtype=torch.float64) / K + uniform(0.0, 1.0))
        means = uniform(1.0, 3.3) * torch.stack([angle.cos(), angle.sin()], -1) + 0.2 * normal(K, 2)
    elif layout == 1:
        means = uniform(0.7, 2.2) * normal(K, 2)
    else:
        s = torch.linspace(-1, 1, K, dtype=torch.float64)
        along = uniform(0.75, 3.75) * s
        across = uniform(0.0, 2.5) * (uniform(1.0, 3.0) * s + uniform(0.0, 2 * math.pi)).cos()
        means = torch.stack([along, across - across.mean()], -1) @ _rotation(2 * math.pi * normal(()))
    std = math.exp(uniform(math.log(0.12), math.log(0.8))) * (0.25 * normal(K)).exp()
    stretch, axes = (0.2 * normal(K)).exp(), _rotation(2 * math.pi * normal(K))
    covs = axes @ torch.diag_embed(torch.stack([std * stretch, std / stretch], -1).square()) @ axes.mT
    log_weights = uniform(0.0, 1.5) * normal(K)
    return GaussianMixture(log_weights.exp(), means + 0.3 * normal(2), covs)


def _draws(generator: torch.Generator) -> tuple[Callable[..., Tensor], Callable[[float, float], float]]:
    """Normal numbers of any shape, and a uniform one between two bounds."""
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    uniform = lambda low, high: low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float32))  # noqa: E731
    return normal, uniform


def _rotation(angle: Tensor) -> Tensor:
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def _at_once(mixtures: list[GaussianMixture]) -> velocity.Velocity:
    """The exact fields of many mixtures, each for its own row of x (fields, n, 2)."""
    fields = [velocity.MixtureField(mixture) for mixture in mixtures]
    held = {key: torch.stack([field.get_buffer(key) for field in fields]) for key, _ in fields[0].named_buffers()}
    one = lambda held, t, x: torch.func.functional_call(fields[0], held, (t, x))  # noqa: E731
    all_of_them = torch.func.vmap(one, in_dims=(0, None, 0))
    return lambda t, x: all_of_them(held, t, x)


def _disturbed(v: velocity.Velocity, recipe: Recipe, generator: torch.Generator, waves: int = 6) -> velocity.Velocity:
    """``v`` and a few waves over the plane and time, a few units long, of another strength in each field."""
    normal, _ = _draws(generator)
    F = recipe.fields
    in_space, in_time, phase = 1.4 * normal(F, 2, waves), 4 * normal(F, 1, waves), 2 * math.pi * normal(F, 1, waves)
    strength = recipe.disturbance * torch.rand(F, 1, 1, generator=generator, dtype=torch.float64)
    heights = strength * normal(F, waves, 2) * (2 / waves) ** 0.5
    return lambda t, x: v(t, x) + (x @ in_space + t * in_time + phase).sin() @ heights


# -- how good they are -------------------------------------------------------------------------------------------


SMALL = ["digits"]  # flows of images that are measured with those of points
SEEN = 64  # images of those that take long


def quality(solver: solvers.NonStationary, names: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Errors of ``solver``, and of rk4 with 12 evaluations, on the zoo's flows and on policies fine-tuned from them.

    For each flow of points, and for its policy after 100 rounds of "right" at alpha 0.3: see ``errors``. For images,
    the root mean square alone; for photographs and captions, which take long, of 64, and of their policy after 20
    rounds of ``calm`` at alpha 0.3.

    Args:
        solver: a solver.
        names: of flows in the zoo; those of points and of digits if None.
    """
    found = {}
    for name in zoo.names("points") + SMALL if names is None else names:
        card, reference = zoo.card(name), _flow(name)
        target = zoo.target(card["recipe"]["data"]) if card["kind"] == "points" else None
        how: dict[str, Any] = {"n": SEEN, "steps": EXACT[name]} if name in EXACT else {}
        found[name] = errors(solver, _told(reference, SEEN, seed=2), target, **how)
        if name not in SMALL:
            policy = _told(_policy(name, reference, solver), SEEN, seed=2)
            found[f"{name}, a policy"] = errors(solver, policy, target, **how)
    return found


def _policy(name: str, reference: nn.Module, solver: solvers.NonStationary) -> nn.Module:
    """Fine-tuned from the zoo's flow of that name, as ``quality`` says."""
    if isinstance(reference, Prompted):
        _, said = captions.sample(8, generator=torch.Generator().manual_seed(3))
        paid = lambda x, c: calm(x)  # noqa: E731
        more: dict[str, Any] = {"lr": 1e-4, "samples_a_prompt": 8, "steps_per_round": 2, "sampler": solver}
        rounds: int = 20
        run: FineTuning = PromptedFineTuning(reference, paid, captions.tokens(said), alpha=0.3, **more)
    elif name in EXACT:
        plan: dict[str, Any] = {"lr": 1e-4, "batch_size": 64, "steps_per_round": 2, "weighting": "mean_one"}
        rounds, run = 20, FineTuning(reference, calm, alpha=0.3, sampler=solver, **plan)
    else:
        coupling = zoo.card(name)["recipe"]["coupling"]
        rounds, run = 100, FineTuning(reference, RIGHT, alpha=0.3, coupling=coupling, sampler=RK4)
    for _ in run.rounds(rounds):
        pass
    return run.policy


def calm(x: Tensor) -> Tensor:
    """Images (n, channels, height, width) whose neighbouring pixels are alike are worth more: (n,)."""
    return -10 * x.diff(dim=-1).abs().mean((1, 2, 3))


def errors(
    solver: solvers.NonStationary,
    v: nn.Module,
    target: GaussianMixture | None,
    n: int = 1000,
    seed: int = 0,
    *,
    steps: int = 64,
) -> dict[str, float]:
    """How far ``solver`` and rk4's 12 evaluations are from ``steps`` of rk4, on ``n`` particles in opposite pairs.

    "rmse" is the root mean square of a coordinate's error. With a target also what online training would add up round
    by round: the bias of the modes' "width", which is the root mean square distance to the nearest component's mean,
    an axis; and that of the mean "reward" of "right".
    """
    half = flow.noise(n // 2, v.event_shape, generator=torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
    x0 = torch.cat([half, -half])
    exact = flow.sample(v, x0, method="rk4", steps=steps)
    found = {}
    for suffix, sampler in {"": solver, "_of_rk4_12": RK4}.items():
        x1 = flow.push(v, x0, sampler)
        found[f"rmse{suffix}"] = float((x1 - exact).square().mean().sqrt())
        if target is not None:
            found[f"width{suffix}"] = width(target, x1) - width(target, exact)
            found[f"reward{suffix}"] = float((RIGHT(x1) - RIGHT(exact)).mean())
    return {key: round(value, 5) for key, value in found.items()}


def width(target: GaussianMixture, x: Tensor) -> float:
    """Root mean square distance of ``x`` (n, d) from the means of the components that it most probably came from."""
    nearest = target.means[target.component_log_prob(x).argmax(-1)]
    return float((x.double() - nearest).square().mean().sqrt())
