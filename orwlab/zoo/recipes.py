"""How the zoo's networks are made. Same seed and machine, same network.

Flows of points regress on the exact field ``E[u_t | x_t]`` of their target (``velocity.MixtureField``) rather than on
u_t itself: the minimiser is the same and the noise is gone, so a minute of training goes a long way. Flows of images,
and flows coupled by optimal transport, have no closed form and learn by plain conditional flow matching.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, flow, foreign, paths, targets, velocity
from orwlab.measure.samples import energy_distance
from orwlab.zoo import write
from orwlab.zoo.classifier import Classifier


@dataclass(frozen=True)
class Recipe:
    """All that training needs, next to the data."""

    data: str
    network: Callable[[int], nn.Module]
    regress_on: str
    """"exact field", "u_t" or "labels" """
    steps: int
    batch_size: int = 512
    lr: float = 2e-3
    seed: int = 0
    path: str = "linear"
    coupling: str = "independent"


def _points(name: str, steps: int, width: int = 128, depth: int = 3, frequencies: int = 4) -> Recipe:
    dim = targets.get(name).dim
    network = lambda seed: velocity.MLP(dim, width, depth, frequencies=frequencies, seed=seed)  # noqa: E731
    return Recipe(name, network, "exact field", steps)


_OT = Recipe("eight_gaussians", lambda seed: velocity.MLP(2, seed=seed), "u_t", 8000, 256, coupling="ot")

RECIPES: dict[str, Recipe] = {
    "gaussian": _points("gaussian", 3000),
    "four_modes": _points("four_modes", 8000),
    "eight_gaussians": _points("eight_gaussians", 10000),
    "eight_gaussians_ot": _OT,
    "two_moons": _points("two_moons", 10000),
    "checkerboard": _points("checkerboard", 10000, depth=4),
    "pinwheel": _points("pinwheel", 12000, depth=4),
    "rings": _points("rings", 10000, depth=4),
    "two_spirals": _points("two_spirals", 14000, depth=4),
    "two_modes_1d": _points("two_modes_1d", 4000, width=64),
    "three_modes_1d": _points("three_modes_1d", 4000, width=64),
    "digits": Recipe(
        "digits", lambda seed: velocity.ResidualMLP((1, 8, 8), seed=seed), "u_t", 8000, batch_size=256, lr=1e-3
    ),
    "digits_classifier": Recipe(
        "digits", lambda seed: Classifier((1, 8, 8), 10, seed=seed), "labels", 1500, batch_size=128, lr=2e-3
    ),
}


def train(name: str, folder: Path, *, steps: int | None = None) -> dict[str, Any]:
    """Train network ``name`` into ``folder``, with a progress bar; returns its card.

    Args:
        name: one of ``RECIPES``.
        folder: where NAME.safetensors goes.
        steps: instead of the recipe's number, for a quick look.
    """
    recipe = RECIPES[checks.choice("name", name, RECIPES)]
    steps = checks.integer("steps", recipe.steps if steps is None else steps)
    if not isinstance(folder, str | PathLike) or not str(folder) or not Path(folder).is_dir():
        raise checks.fail("folder", folder, "a folder that exists")
    generator = torch.Generator().manual_seed(recipe.seed)
    network = recipe.network(recipe.seed)
    started = time.perf_counter()
    flow.learn(network, _losses(recipe, network, generator), steps, recipe.lr, name)
    seconds = time.perf_counter() - started
    network.eval()
    if recipe.regress_on != "labels":
        network.path = paths.get(recipe.path)  # type: ignore[assignment]
    file = Path(folder) / f"{name}.safetensors"
    sha256 = write(network, file)
    plan = {k: v for k, v in asdict(recipe).items() if k != "network"} | {"steps": steps}
    return {
        "name": name,
        "kind": {"exact field": "points", "labels": "classifier"}.get(
            recipe.regress_on, "images" if recipe.data == "digits" else "points"
        ),
        "recipe": {**plan, "network": network.config, "optimizer": "Adam, cosine decay to 0"},
        "parameters": sum(p.numel() for p in network.parameters()),
        "bytes": file.stat().st_size,
        "sha256": sha256,
        "training_seconds_on_one_thread": round(seconds),
        "quality": quality(name, network),
    }


def quality(name: str, network: nn.Module, n: int = 2000) -> dict[str, float]:
    """How close a network is to its data: what its card states, and what a test computes again.

    Flows: energy distance of ``n`` of their samples to fresh data, beside that of two fresh draws of data (for
    digits, the two halves of the data set). Classifier: accuracy on digits it has not seen.
    """
    recipe = RECIPES[checks.choice("name", name, RECIPES)]
    n = checks.integer("n", n, low=2)
    if not isinstance(network, nn.Module):
        raise checks.fail("network", network, "a network, such as zoo.load(name)")
    generator = torch.Generator().manual_seed(1000 + recipe.seed)
    if recipe.regress_on == "labels":
        from orwlab.zoo import data

        images, labels = data.digits("test")
        right = lambda x: network(x).argmax(1) == labels  # noqa: E731
        return {"test_accuracy": round(float(foreign.values("network", right, images).mean()), 4)}
    if recipe.data == "digits":
        from orwlab.zoo import data

        images, _ = data.digits("all")
        order = torch.randperm(len(images), generator=generator)
        fresh, other = images[order[: len(images) // 2]], images[order[len(images) // 2 :]]
    else:
        target = targets.get(recipe.data)
        fresh, other = (target.sample(n, generator=generator) for _ in range(2))
    x0 = flow.noise(len(fresh), tuple(fresh.shape[1:]), generator=generator)
    samples = flow.sample(foreign.velocity("network", network), x0, steps=48)
    return {
        "samples": len(fresh),
        "energy_distance_model_to_data": round(energy_distance(samples, fresh), 5),
        "energy_distance_data_to_data": round(energy_distance(other, fresh), 5),
    }


def _losses(recipe: Recipe, network: nn.Module, generator: torch.Generator) -> Iterator[Tensor]:
    """One loss a step, for ever."""
    if recipe.regress_on == "labels":
        yield from _classification_losses(recipe, network, generator)
    exact = velocity.MixtureField(targets.get(recipe.data), recipe.path) if recipe.regress_on == "exact field" else None
    draw = _sampler(recipe, generator)
    yield from flow.matching_losses(network, draw, generator, path=recipe.path, coupling=recipe.coupling, exact=exact)


def _sampler(recipe: Recipe, generator: torch.Generator) -> Callable[[], Tensor]:
    if recipe.data == "digits":
        from orwlab.zoo import data

        images, _ = data.digits("all")
        return lambda: images[torch.randint(len(images), (recipe.batch_size,), generator=generator)]
    target = targets.get(recipe.data)
    return lambda: target.sample(recipe.batch_size, generator=generator)


def _classification_losses(recipe: Recipe, network: nn.Module, generator: torch.Generator) -> Iterator[Tensor]:
    """Cross entropy on noisy images: the noise keeps a small network from learning single pixels by heart."""
    from orwlab.zoo import data

    images, labels = data.digits("train")
    while True:
        rows = torch.randint(len(images), (recipe.batch_size,), generator=generator)
        noisy = images[rows] + 0.2 * torch.randn(images[rows].shape, generator=generator)
        yield nn.functional.cross_entropy(network(noisy), labels[rows])
