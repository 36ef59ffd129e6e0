"""The paper's method for large text-to-image flows: Stable Diffusion 3 and Flux, by low-rank adapters.

    model: stabilityai/stable-diffusion-3-medium-diffusers
    prompts: prompts.txt
    reward: clip
    tau: 5.0
    alpha: 1.0
    folder: run

is a whole ``train.yaml``, and ::

    python -m orwlab.large train.yaml --check     # what it will do, and what it takes
    accelerate launch -m orwlab.large train.yaml  # on all GPUs of this machine
    python -m orwlab.large train.yaml             # on one

run it; ``settings.Settings`` says what else can stand in it. The same from Python::

    from orwlab.large import settings, training

    run = training.Training(settings.read("train.yaml"), reward=lambda images, prompts: images[:, 0].mean((1, 2)))
    for snapshot in run.rounds(10):
        print(snapshot.round, snapshot.reward)

It needs more than orwlab's other rooms: ``pip install "orwlab[large]"``.
"""

import importlib.util
import os
from types import ModuleType

from orwlab.lazy import submodules

__all__ = ["models", "preflight", "rewards", "settings", "sheets", "tiny", "training"]

NEEDED = ("pydantic", "transformers", "diffusers", "peft", "accelerate")


def needs() -> None:
    """Say what is missing of the extra ``large``.

    Raises:
        ModuleNotFoundError: a library is not installed; the message says what brings it.
    """
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(
                f'{name} is not installed; this brings it: pip install "orwlab[large]"', name=name
            )


def first() -> bool:
    """Whether this process is the first of a run, or the only one: it speaks, writes and draws sheets."""
    return os.environ.get("RANK", "0") == "0"


_load, __dir__ = submodules(__name__, __all__)


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        needs()
    return _load(name)
