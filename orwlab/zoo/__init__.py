"""Pretrained networks: a reference flow for every target, for digits and for small photographs; classifiers; solvers;
an autoencoder, whose codes of digits are one more target.

Each network is a safetensors file with a card beside it (``models/NAME.json``) that says how it was made and how close
its samples are to the data. A solver's few coefficients are on its card. ``python -m orwlab.zoo train NAME`` makes one
again.
"""

import hashlib
import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from orwlab import checks, files, paths, targets, velocity
from orwlab.solvers import NonStationary, build
from orwlab.targets import GaussianMixture
from orwlab.zoo.classifier import Classifier, Perceptron
from orwlab.zoo.clip import Clip
from orwlab.zoo.latent import Autoencoder
from orwlab.zoo.prompted import Prompted

FORMAT = "orwlab network 1"
MODELS = Path(__file__).parent / "models"
SOLVER = "solver_8"  # as good as rk4's twelve evaluations
SOLVERS = {"patches": "solver_patches", "captions": "solver_captions"}
"""flows with a solver of their own, of that name"""
CODES = {"digits_latent": "digits_vae"}
"""targets that are the codes of images, by the autoencoder that encodes them"""
_OWN: dict[str, Callable[..., nn.Module]] = {
    one.kind: one for one in (Classifier, Perceptron, Autoencoder, Clip, Prompted)
}


def names(kind: str | None = None) -> list[str]:
    """The names that ``load`` knows, sorted; or those of one ``kind``.

    Args:
        kind: "points" or "images", of which a network is a flow, or "prompted" if it is told a sentence;
            "classifier", "autoencoder", "clip" or "solver".
    """
    if kind == "solver":
        return sorted(path.stem for path in MODELS.glob("solver_*.json"))
    found = sorted(path.stem for path in MODELS.glob("*.safetensors"))
    if kind is None:
        return found
    checks.choice("kind", kind, ("points", "images", "prompted", "classifier", "autoencoder", "clip", "solver"))
    return [name for name in found if card(name)["kind"] == kind]


def card(name: str) -> dict[str, Any]:
    """What is known of a network or a solver: its recipe, seed, size, and how good it is."""
    checks.choice("name", name, [*names(), *names("solver")])
    return json.loads((MODELS / f"{name}.json").read_text())


def load(name: str, folder: str | PathLike[str] | None = None) -> nn.Module:
    """The pretrained network called ``name``, in eval mode.

    A flow is a velocity ``v(t, x)`` with ``.event_shape``, ``.path`` and the ``.solver`` by which fine-tuning draws
    from it, its own of ``SOLVERS`` or else ``solver()``; a classifier maps images to logits; an autoencoder, images to
    the plane and back; what compares pictures with sentences is a ``zoo.clip.Clip``. A flow that is told a sentence is
    ``v(t, x, c)``, with c the ``captions.tokens``.

    Args:
        name: one of ``names()``.
        folder: where it lies, as ``recipes.train`` writes it; the package's own if None.

    Raises:
        ValueError: no such network, or its file is damaged.
    """
    if folder is None:
        checks.choice("name", name, names())
    place = MODELS if folder is None else checks.folder("folder", folder)
    network = read(place / f"{name}.safetensors")
    if hasattr(network, "path"):
        network.solver = solver(SOLVERS.get(name, SOLVER))  # type: ignore[assignment]
    return network


def solver(name: str = SOLVER) -> NonStationary:
    """The learned few-step solver called ``name``; for flows on the linear path.

    solver_6 and solver_8 are for data about as large as the noise, such as points in the plane; solver_patches is for
    photographs, solver_captions for pictures of captions. Flows that ``load`` gives have theirs.
    ``FineTuning(..., sampler=zoo.solver())`` draws by one from any other.

    Raises:
        ValueError: no such solver.
    """
    checks.choice("name", name, names("solver"))
    return build(card(name)["solver"])


def target(name: str) -> GaussianMixture:
    """What the flow of points called ``name`` has learned: one of ``targets``, or the codes of images.

    Raises:
        ValueError: no such target.
    """
    if checks.choice("target", name, [*targets.names(), *CODES]) not in CODES:
        return targets.get(name)
    encoder = load(CODES[name])
    assert isinstance(encoder, Autoencoder)
    return encoder.density(name)


def read(path: str | PathLike[str]) -> nn.Module:
    """A network from a file that ``write`` made; nothing is returned unless all of it is sound.

    Raises:
        ValueError: the file is missing, damaged, or holds something else.
    """
    tensors, metadata = files.read(path, FORMAT)
    try:
        config = dict(metadata["config"])
        own = _OWN.get(str(config.get("kind")))
        arguments = {name: value for name, value in config.items() if name != "kind"}
        network = velocity.build(config) if own is None else own(**arguments)
        if "path" in metadata:
            network.path = paths.get(metadata["path"])  # type: ignore[assignment]
        types = {value.dtype for value in tensors.values() if value.is_floating_point()}
        if len(types) == 1:
            network.to(types.pop())
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise checks.fail("path", str(path), f"a file whose tensors fit its network ({error})") from error
    return network.eval()


def write(network: nn.Module, path: str | PathLike[str]) -> str:
    """Write a network (with ``.config``, and ``.path`` if it is a flow) to a file; returns the file's SHA-256.

    Raises:
        ValueError: a network that does not say how to build it again, or no place for a file.
    """
    config = getattr(network, "config", None)
    if not isinstance(network, nn.Module) or not isinstance(config, dict):
        raise checks.fail("network", network, "a network with a .config, such as those of orwlab.velocity")
    metadata = {"format": FORMAT, "config": config}
    path_of_flow = getattr(network, "path", None)
    if isinstance(path_of_flow, paths.Linear):
        metadata["path"] = path_of_flow.name
    files.write(path, network.state_dict(), metadata)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
