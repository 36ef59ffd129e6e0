"""How the zoo's networks are made. Same seed and machine, same network.

Flows of points regress on the exact field ``E[u_t | x_t]`` of their target (``velocity.MixtureField``) rather than on
u_t itself: the minimiser is the same and the noise is gone, so a minute of training goes a long way. Flows of images,
and flows coupled by optimal transport, have no closed form and learn by plain conditional flow matching.

Classifiers of digits learn from another part of the data each, so that what one has seen is news to the other. The
autoencoder learns from the part that the first one learned from, which says what it recognises: the other one judges.
The classifier of photographs learns one class more, of what is none: without it noise lies among photographs in its
features.

What compares pictures with sentences is tested on other people's handwriting than it learned from.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, data, flow, foreign, paths, velocity, zoo
from orwlab.data import Patches, Pool, captions
from orwlab.data.captions import Scene
from orwlab.measure.samples import energy_distance
from orwlab.zoo.classifier import Classifier, Perceptron
from orwlab.zoo.clip import Clip
from orwlab.zoo.latent import DIM, RECOGNITION, Autoencoder
from orwlab.zoo.prompted import Guided, Prompted

Images = Pool | Patches | captions.Crops
FLOWS = ("points", "images", "prompted")
SHOWN = {"digits": 898, "patches": 256}  # images that a flow's card is measured on


@dataclass(frozen=True)
class Recipe:
    """All that training needs, next to the data."""

    data: str
    network: Callable[..., nn.Module]
    """of a seed for points; of event shape, number of classes and seed for images"""
    regress_on: str
    """"exact field", "u_t", "u_t, told", "labels", "itself" or "sentences" """
    steps: int
    batch_size: int = 512
    lr: float = 2e-3
    seed: int = 0
    path: str = "linear"
    coupling: str = "independent"
    split: str = "all"
    """of the data, that it learns from"""
    unseen: str = "all"
    """of the data, that it is tested on, if it is no flow"""
    noise: float = 0.0
    """std of what is added to the images that these learn from, lest they learn single pixels by heart"""
    spoilt: float = 0.0
    """share of the images that a classifier learns as one class more, the last: see ``spoil``"""

    @property
    def kind(self) -> str:
        """See ``zoo.names``."""
        seeing = {"labels": "classifier", "itself": "autoencoder", "sentences": "clip", "u_t, told": "prompted"}.get(
            self.regress_on
        )
        return seeing or ("images" if self.data in SHOWN else "points")


def _points(name: str, steps: int, width: int = 128, depth: int = 3, frequencies: int = 4) -> Recipe:
    # the codes of images are in the plane; that no autoencoder is loaded here lets one be trained before there is any
    dim = DIM if name in zoo.CODES else zoo.target(name).dim
    network = lambda seed: velocity.MLP(dim, width, depth, frequencies=frequencies, seed=seed)  # noqa: E731
    return Recipe(name, network, "exact field", steps)


_OT = Recipe("eight_gaussians", lambda seed: velocity.MLP(2, seed=seed), "u_t", 8000, 256, coupling="ot")


def _digits_flow(shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    return velocity.ResidualMLP(shape, seed=seed)


def _patches_flow(shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    return velocity.UNet(shape, PATCHES_WIDTH, seed=seed)


def _classifier(shape: Any, classes: int, seed: int) -> nn.Module:
    return Classifier(shape, classes, seed=seed)


def _judge(shape: Any, classes: int, seed: int) -> nn.Module:
    return Perceptron(shape, classes, seed=seed)


def _autoencoder(shape: Any, classes: int, seed: int) -> nn.Module:
    return Autoencoder(shape, classes, seed=seed)


def _labels(
    name: str,
    network: Callable[..., nn.Module],
    *,
    noise: float,
    split: str = "train",
    unseen: str = "test",
    seed: int = 0,
    spoilt: float = 0.0,
) -> Recipe:
    more: dict[str, Any] = {"split": split, "unseen": unseen, "noise": noise, "spoilt": spoilt}
    return Recipe(name, network, "labels", 1500, batch_size=128, lr=2e-3, seed=seed, **more)


def _prompted(seed: int) -> nn.Module:
    return Prompted(seed=seed)


def _clip(split: str, seed: int) -> Recipe:
    """Learns from the handwriting of one split, and from nothing that is held out."""
    network = lambda seed: Clip(seed=seed)  # noqa: E731
    return Recipe("captions", network, "sentences", 6000, 256, 1e-3, seed, split=split, unseen="held_out")


PATCHES_WIDTH = 32
RECOGNISER = "digits_classifier"  # which has to recognise what the autoencoder decodes
JUDGE = "digits_judge"  # which says whether it can be recognised
BANDWIDTHS = (0.08, 0.1, 0.12, 0.15, 0.2, 0.3)  # in standard deviations of the codes

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
    "digits": Recipe("digits", _digits_flow, "u_t", 8000, batch_size=256, lr=1e-3),
    "digits_classifier": _labels("digits", _classifier, noise=0.2),
    "digits_judge": _labels("digits", _judge, noise=0.2, split="test", unseen="train", seed=1),
    "digits_vae": Recipe("digits", _autoencoder, "itself", 5000, 128, split="train", unseen="test", noise=0.3),
    "digits_latent": _points("digits_latent", 10000, depth=4),
    "patches": Recipe("patches", _patches_flow, "u_t", 8000, batch_size=64, lr=1e-3, split="train"),
    "patches_features": _labels("patches", _classifier, noise=0.1, unseen="train", spoilt=0.25),
    "captions": Recipe("captions", _prompted, "u_t, told", 10000, 96, 1e-3, split="train", unseen="held_out"),
    "captions_digits": _labels("crops", _classifier, noise=0.2),
    "captions_clip": _clip("train", 0),
    "captions_judge": _clip("test", 1),
}


def images(name: str, split: str, source: Any = None) -> Images:
    """What a recipe's images are drawn from.

    Args:
        name: "digits", "patches" or "crops".
        split: of ``data``.
        source: as ``data.digits`` and ``data.small_photographs`` take it; None: what ships with libraries, as always
            for "crops".
    """
    if checks.choice("name", name, (*SHOWN, "crops")) == "digits":
        return Pool(*data.digits(split, "scikit-learn" if source is None else source))
    if name == "crops":
        return captions.Crops(split)
    return data.small_photographs(source, split)


def train(
    name: str,
    folder: str | PathLike[str],
    *,
    steps: int | None = None,
    source: Any = None,
    jobs: int = 1,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train network ``name`` into ``folder``, with a progress bar; returns its card.

    Args:
        name: one of ``RECIPES``.
        folder: where NAME.safetensors goes.
        steps: instead of the recipe's number, for a quick look.
        source: other images for the same recipe: see ``images``.
        jobs: processes that draw pictures of captions ahead; what they draw does not depend on how many there are.
        device: where networks of captions learn, such as "cuda"; all else is drawn and learned on the CPU.

    Raises:
        ValueError: no such name or folder, images that cannot be had, or a source where the data are points.
    """
    recipe = RECIPES[checks.choice("name", name, RECIPES)]
    steps = checks.integer("steps", recipe.steps if steps is None else steps)
    folder, jobs, device = checks.folder("folder", folder), checks.integer("jobs", jobs), str(device)
    place = checks.device("device", device)
    if (jobs > 1 or place.type != "cpu") and recipe.kind not in ("clip", "prompted"):
        raise checks.fail("jobs or device", f"{jobs}, {device}", "1 and cpu: only networks of captions take others")
    _check_source(recipe, source)
    generator = torch.Generator().manual_seed(recipe.seed)
    if recipe.kind == "points":
        network = recipe.network(recipe.seed)
        losses = _losses_of_points(recipe, network, generator)
    elif recipe.kind == "clip":
        network = recipe.network(recipe.seed)
        assert isinstance(network, Clip)
        losses = _losses_of_sentences(network, _batches(_sentences, recipe, steps, jobs))
    elif recipe.kind == "prompted":
        network = recipe.network(recipe.seed)
        losses = _losses_of_prompts(recipe, network, generator, _batches(_prompts, recipe, steps, jobs))
    else:
        pictures = images(recipe.data, recipe.split, source)
        network = recipe.network(pictures.event_shape, len(pictures.names) + (recipe.spoilt > 0), recipe.seed)
        if isinstance(network, Autoencoder):
            losses = _losses_of_codes(recipe, network, generator, pictures)
        else:
            losses = _losses_of_images(recipe, network, generator, pictures)
    started = time.perf_counter()
    flow.learn(network.to(place), losses, steps, recipe.lr, name)
    seconds = time.perf_counter() - started
    network.cpu().eval()
    if isinstance(network, Autoencoder):
        network.settle(*data.digits(recipe.split), generator)
    if recipe.kind in FLOWS:
        network.path = paths.get(recipe.path)  # type: ignore[assignment]
    file = folder / f"{name}.safetensors"
    sha256 = zoo.write(network, file)
    plan = {k: v for k, v in asdict(recipe).items() if k != "network"} | {"steps": steps}
    if source is not None:
        plan["source"] = str(source)
    return {
        "name": name,
        "kind": recipe.kind,
        "recipe": {**plan, "network": network.config, "optimizer": "Adam, cosine decay to 0"},
        "parameters": sum(p.numel() for p in network.parameters()),
        "bytes": file.stat().st_size,
        "sha256": sha256,
        "training_seconds": round(seconds),
        "threads": torch.get_num_threads(),
        **({} if place.type == "cpu" else {"device": torch.cuda.get_device_name(place)}),
        "quality": quality(name, network, source=source),
    }


def quality(name: str, network: nn.Module, n: int = 2000, source: Any = None) -> dict[str, float]:
    """How close a network is to its data: what its card states, and what a test computes again.

    Flows: energy distance of ``n`` of their samples to fresh data, beside that of two fresh draws of data (for
    digits, the two halves of the data set; for patches, 256 of each). Classifiers: accuracy on images they have not
    seen; of patches on fresh draws, a quarter of them spoilt, of which there are so few different ones that nearly all
    have been seen.
    Autoencoders: see ``_of_codes``; what compares pictures with sentences: ``_of_sentences``; flows that
    are told one: ``_of_prompts``.
    """
    recipe = RECIPES[checks.choice("name", name, RECIPES)]
    n = checks.integer("n", n, low=2)
    if not isinstance(network, nn.Module):
        raise checks.fail("network", network, "a network, such as zoo.load(name)")
    _check_source(recipe, source)
    generator = torch.Generator().manual_seed(1000 + recipe.seed)
    if isinstance(network, Autoencoder):
        return _of_codes(network, recipe, generator)
    if isinstance(network, Clip):
        return _of_sentences(network, recipe, generator)
    if isinstance(network, Prompted):
        return _of_prompts(network, recipe, generator)
    if recipe.kind == "classifier":
        pictures = images(recipe.data, recipe.unseen, source)
        x, labels = _with_spoilt(recipe, *_unseen(pictures, n, generator), len(pictures.names), generator)
        right = lambda x: network(x).argmax(1) == labels  # noqa: E731
        return {"test_accuracy": round(float(foreign.values("network", right, x).mean()), 4)}
    if recipe.kind == "images":
        fresh, other = _two_draws(images(recipe.data, recipe.split, source), SHOWN[recipe.data], generator)
    else:
        target = zoo.target(recipe.data)
        fresh, other = (target.sample(n, generator=generator) for _ in range(2))
    x0 = flow.noise(len(fresh), tuple(fresh.shape[1:]), generator=generator)
    samples = flow.sample(foreign.velocity("network", network), x0, steps=24 if recipe.data == "patches" else 48)
    return {
        "samples": len(fresh),
        "energy_distance_model_to_data": round(energy_distance(samples, fresh), 5),
        "energy_distance_data_to_data": round(energy_distance(other, fresh), 5),
    }


def _of_codes(network: Autoencoder, recipe: Recipe, generator: torch.Generator) -> dict[str, float]:
    """What is left of images that an autoencoder has not seen, and how well its density describes their codes.

    The share of the pixels' variance that it brings back; the share of the images that a judge still recognises, of all
    and of the worst class; and the mean log density of their codes in nats, beside that of a kernel density estimate
    from the codes of as many images as were seen (scipy's, with the bandwidth that serves it best here).
    """
    from scipy.stats import gaussian_kde  # imported here because scipy takes most of a second

    seen, unseen = (Pool(*data.digits(split)) for split in (recipe.split, recipe.unseen))
    with torch.no_grad():
        drawn = [network.encode(pool.images, generator).double() for pool in (seen, unseen)]
        decoded = network.decode(network.encode(unseen.images))
        right = zoo.load(JUDGE)(decoded).argmax(1) == unseen.labels
    density = network.density("codes")
    rivals = (gaussian_kde(drawn[0].numpy().T, bandwidth)(drawn[1].numpy().T) for bandwidth in BANDWIDTHS)
    varies = unseen.images - unseen.images.mean(0)
    found = {
        "variance_brought_back": 1 - (decoded - unseen.images).square().mean() / varies.square().mean(),
        "judged_right": right.float().mean(),
        "judged_right_worst_class": min(right[unseen.labels == k].float().mean() for k in range(len(unseen.names))),
        "log_likelihood": density.log_prob(drawn[1]).mean(),
        "log_likelihood_of_kernels": max(torch.from_numpy(rival).log().mean() for rival in rivals),
    }
    return {key: round(float(value), 4) for key, value in found.items()}


OTHERS = 64  # pictures and sentences among which the right ones have to be found
ROUNDS = 16  # how often


def _of_sentences(network: Clip, recipe: Recipe, generator: torch.Generator) -> dict[str, float]:
    """How often pictures and sentences find each other: on the recipe's combinations in other people's handwriting,
    and on those that were held out.

    "found": the share of pictures whose whole sentence is the best of 64, and of sentences whose picture is, both
    together; others that are true too do not count. "turned": of two things, the share of pictures on which the
    sentence is better than the one with the relation turned round, where chance gives a half; "exchanged": than the one
    with their colours exchanged, where these differ.
    """
    found: dict[str, float] = {}
    for split, name in (("train" if recipe.split == "test" else "test", "found"), (recipe.unseen, "found_held_out")):
        right, misses = [], {"turned": [], "exchanged": []}  # type: ignore[var-annotated]
        for _ in range(ROUNDS):
            pictures, whole = captions.sample(OTHERS, split, whole=True, generator=generator)
            with torch.no_grad():
                logits = network(pictures, whole)
            own = torch.eye(OTHERS, dtype=torch.bool)
            logits = logits.masked_fill(captions.entailed(whole, whole) & ~own, -torch.inf)
            right += [logits.argmax(1) == own.int().argmax(1), logits.argmax(0) == own.int().argmax(0)]
            for miss, wrong in _misses(whole).items():
                with torch.no_grad():
                    told = network.score(pictures[[*wrong]], [whole[k] for k in wrong])
                    misses[miss].append(told > network.score(pictures[[*wrong]], [*wrong.values()]))
        found[name] = float(torch.cat(right).double().mean())
        for miss, better in misses.items():
            found[name.replace("found", miss)] = float(torch.cat(better).double().mean())
    return {key: round(value, 4) for key, value in found.items()}


def _misses(whole: list[Scene]) -> dict[str, dict[int, Scene]]:
    """What is wrong with one thing in it, for those scenes where it can be: their places -> the wrong scenes."""
    turned, exchanged = {}, {}
    for k, scene in enumerate(whole):
        if scene.relation is not None:
            first, second = scene.groups
            turned[k] = Scene(scene.groups, captions.CONVERSE[scene.relation])
            if first.colour != second.colour:
                groups = (replace(first, colour=second.colour), replace(second, colour=first.colour))
                exchanged[k] = Scene(groups, scene.relation)
    return {"turned": turned, "exchanged": exchanged}


PROMPTS = 256  # pictures, each of a sentence of its own
GUIDANCE = 2.0  # beside none, which is 1


def _of_prompts(network: Prompted, recipe: Recipe, generator: torch.Generator) -> dict[str, float]:
    """How often pictures show what they were asked for, by what is measured in their pixels.

    "words": the share of words that are true; "true": the share of pictures of which all are. For combinations that
    were learned and for those held out, as the flow draws them by itself and with guidance of 2, beside drawn data.
    """
    judge = zoo.load("captions_digits")
    names = lambda crops: judge(crops).softmax(1)  # noqa: E731
    found: dict[str, float] = {}
    for split, end in (("test", ""), (recipe.unseen, "_held_out")):
        data, said = captions.sample(PROMPTS, split, generator=generator)
        tokens = captions.tokens(said)
        x0 = flow.noise(PROMPTS, network.event_shape, generator=generator)
        drawn = {
            "": flow.sample(velocity.Conditioned(network, tokens), x0, steps=24),
            "_guided": flow.sample(velocity.Conditioned(Guided(network, GUIDANCE), tokens), x0, steps=24),
            "_data": data,
        }
        for how, pictures in drawn.items():
            found[f"words{how}{end}"] = float(captions.agreement(pictures, said, names).mean())
            found[f"true{how}{end}"] = float(captions.holds(pictures, said, names).double().mean())
    return {key: round(value, 4) for key, value in found.items()}


def _check_source(recipe: Recipe, source: Any) -> None:
    if source is None:
        return
    if recipe.kind == "points":
        raise checks.fail("source", source, f"None: {recipe.data} is a target that needs no files")
    if recipe.data in ("captions", "crops"):
        raise checks.fail("source", source, "None: these pictures are drawn")
    if recipe.kind == "autoencoder":
        raise checks.fail("source", source, f"None: {RECOGNISER} knows no other images")


def _unseen(pictures: Images, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """All of a fixed set; ``n`` fresh ones of a law."""
    return (pictures.images, pictures.labels) if isinstance(pictures, Pool) else pictures.draw(n, generator=generator)


def _two_draws(pictures: Images, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Of a fixed set no image twice."""
    if not isinstance(pictures, Pool):
        return pictures.sample(n, generator=generator), pictures.sample(n, generator=generator)
    order = torch.randperm(len(pictures.images), generator=generator)
    half = min(n, len(order) // 2)
    return pictures.images[order[:half]], pictures.images[order[half : 2 * half + len(order) % 2]]


def _losses_of_points(recipe: Recipe, network: nn.Module, generator: torch.Generator) -> Iterator[Tensor]:
    """One loss a step, for ever."""
    target = zoo.target(recipe.data)
    exact = velocity.MixtureField(target, recipe.path) if recipe.regress_on == "exact field" else None
    draw = lambda: target.sample(recipe.batch_size, generator=generator)  # noqa: E731
    return flow.matching_losses(network, draw, generator, path=recipe.path, coupling=recipe.coupling, exact=exact)


def _losses_of_images(
    recipe: Recipe, network: nn.Module, generator: torch.Generator, pictures: Images
) -> Iterator[Tensor]:
    """One loss a step, for ever: of a flow or of a classifier."""
    if recipe.kind == "images":
        draw = lambda: pictures.sample(recipe.batch_size, generator=generator)  # noqa: E731
        yield from flow.matching_losses(network, draw, generator, path=recipe.path, coupling=recipe.coupling)
    while True:
        drawn = pictures.draw(recipe.batch_size, generator=generator)
        x, labels = _with_spoilt(recipe, *drawn, len(pictures.names), generator)
        noisy = x + recipe.noise * torch.randn(x.shape, generator=generator, dtype=torch.float32)
        yield nn.functional.cross_entropy(network(noisy), labels)


def _losses_of_codes(
    recipe: Recipe, network: Autoencoder, generator: torch.Generator, pictures: Images
) -> Iterator[Tensor]:
    """One loss a step, for ever: of an autoencoder."""
    recogniser = zoo.load(RECOGNISER).requires_grad_(False)
    while True:
        x, labels = pictures.draw(recipe.batch_size, generator=generator)
        bound, decoded = network.losses(x, generator, recipe.noise)
        yield bound + RECOGNITION * nn.functional.cross_entropy(recogniser(decoded), labels)


Batch = tuple[Tensor, ...]


def _batches(make: Callable[[Recipe, int], Batch], recipe: Recipe, steps: int, jobs: int) -> Iterator[Batch]:
    """``make(recipe, k)`` for each step k, in order; by ``jobs`` processes, which work ahead, the same as by one."""
    if jobs == 1:
        yield from (make(recipe, k) for k in range(steps))
        return
    from joblib import Parallel, delayed

    ahead = Parallel(n_jobs=jobs, return_as="generator", pre_dispatch=4 * jobs, batch_size=1, max_nbytes=None)
    yield from ahead(delayed(_on_one_thread)(make, recipe, k) for k in range(steps))


def _on_one_thread(make: Callable[[Recipe, int], Batch], recipe: Recipe, k: int) -> Batch:
    """A batch, in a process beside others: threads of their own would only be in each other's way."""
    torch.set_num_threads(1)
    return make(recipe, k)


def _of_step(recipe: Recipe, k: int) -> torch.Generator:
    """Random numbers of a step's own, so that steps can be made apart."""
    return torch.Generator().manual_seed((1 + recipe.seed) * 2**32 + k)


MISSES = 2  # of each sentence


def _sentences(recipe: Recipe, k: int) -> Batch:
    """Pictures, the tokens of their sentences and of near misses, and which of these is true of which picture.

    Half of the sentences say all that is true, so that what tells pictures apart is asked for, the others a part of it.
    """
    generator = _of_step(recipe, k)
    pictures, whole = captions.sample(recipe.batch_size, recipe.split, whole=True, generator=generator)
    half = recipe.batch_size // 2
    said = [*whole[:half], *(captions.shortened(scene, generator=generator) for scene in whole[half:])]
    misses = [captions.altered(scene, generator=generator) for scene in said for _ in range(MISSES)]
    return pictures, captions.tokens([*said, *misses]), captions.entailed(whole, [*said, *misses])


LEFT_OUT = 0.12  # of the sentences, so that the flow without one is learned too


def _prompts(recipe: Recipe, k: int) -> Batch:
    """Pictures, and the tokens of what is said of them: all, or a part, or nothing."""
    generator = _of_step(recipe, k)
    pictures, said = captions.sample(recipe.batch_size, recipe.split, generator=generator)
    silent = (torch.rand(len(said), generator=generator, dtype=torch.float32) < LEFT_OUT).tolist()
    return pictures, captions.tokens([Scene() if skip else scene for scene, skip in zip(said, silent)])


def _losses_of_sentences(network: Clip, batches: Iterator[Batch]) -> Iterator[Tensor]:
    """One loss a batch: of what compares pictures with sentences."""
    for pictures, tokens, also in batches:
        yield network.loss(pictures, tokens, also)


def _losses_of_prompts(
    recipe: Recipe, network: nn.Module, generator: torch.Generator, batches: Iterator[Batch]
) -> Iterator[Tensor]:
    """One loss a batch: of a flow that is told what is on the picture."""
    told: list[Tensor] = []

    def draw() -> Tensor:
        pictures, tokens = next(batches)
        told[:] = [tokens]
        return pictures

    v = lambda t, x: network(t, x, told[0])  # noqa: E731
    yield from flow.matching_losses(v, draw, generator, path=recipe.path, coupling=recipe.coupling)


def _with_spoilt(
    recipe: Recipe, x: Tensor, labels: Tensor, label: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The first so many images spoilt, if the recipe wants some."""
    k = round(recipe.spoilt * len(x))
    if not k:
        return x, labels
    return torch.cat([spoil(x[:k], generator=generator), x[k:]]), torch.cat([torch.full((k,), label), labels[k:]])


def spoil(x: Tensor, *, generator: torch.Generator) -> Tensor:
    """Images with about the levels of ``x`` (n, channels, height, width), in [-1, 1], that show nothing.

    By chance an image's pixels are shuffled, or noise of its mean and std stands in its place, or even noise does, or
    noise of std 0.5 lies over it.
    """
    x, generator = checks.points("x", x), checks.generator("generator", generator)
    if x.ndim != 4:
        raise checks.fail("x", f"a tensor of shape {tuple(x.shape)}", "images (n, channels, height, width)")
    n, channels = x.shape[:2]
    flat = x.reshape(n, channels, -1)
    order = torch.rand(n, 1, flat.shape[2], generator=generator, dtype=torch.float64).argsort(2)
    noise = torch.randn(flat.shape, generator=generator, dtype=torch.float32).to(
        x
    )  # the same numbers for every floating type
    even = 2 * torch.rand(flat.shape, generator=generator, dtype=torch.float32).to(x) - 1
    kinds = [
        flat.gather(2, order.expand_as(flat)),
        flat.mean(2, keepdim=True) + flat.std(2, keepdim=True) * noise,
        even,
        flat + 0.5 * noise,
    ]
    which = torch.randint(len(kinds), (n,), generator=generator)
    return torch.stack(kinds)[which, torch.arange(n)].clamp(-1, 1).reshape(x.shape)
