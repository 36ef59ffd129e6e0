"""Two small image classifiers that have little in common, so that what fools one need not fool the other."""

import math
from abc import ABC

import torch
from torch import Tensor, nn

from orwlab import checks
from orwlab.velocity import initialise

FEATURES = 64  # numbers by which an image is told from another
COARSEST = 4  # pixels a side at which convolutions end


class _Judging(nn.Module, ABC):
    """Images to ``FEATURES`` numbers by ``body``, and those to logits by ``head``."""

    event_shape: tuple[int, ...]
    body: nn.Sequential
    head: nn.Linear

    def features(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, 64), what the logits are made of: near where images look alike to it."""
        return self.body(self._images(x)).to(checks.tensor("x", x, "images"))

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes), in x's floating type and on its device."""
        return self.head(self.body(self._images(x))).to(checks.tensor("x", x, "images"))

    def _images(self, x: Tensor) -> Tensor:
        allowed = f"real numbers of shape (n, {', '.join(map(str, self.event_shape))})"
        x = checks.tensor("x", x, allowed)
        if x.ndim == 0 or tuple(x.shape[1:]) != self.event_shape:
            raise checks.fail("x", x, allowed)
        return x.to(next(self.parameters()))


class Classifier(_Judging):
    """Logits of an image, by convolutions that halve it until it is small.

    Args:
        event_shape: (channels, height, width).
        classes: number of classes.
        width: channels of the first convolution; each halving doubles them.
        seed: of the initial weights; the global random state is left alone.
    """

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int = 24, *, seed: int = 0) -> None:
        super().__init__()
        self.event_shape = shape = _image_shape(event_shape)
        classes, width = checks.integer("classes", classes), checks.integer("width", width)
        seed = checks.seed("seed", seed)
        self.config = dict(kind="classifier", event_shape=list(shape), classes=classes, width=width)
        channels, height, side = shape
        with torch.inference_mode(False), torch.device("meta"):
            layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU()]
            while max(height, side) > COARSEST:
                layers += [nn.Conv2d(width, 2 * width, 3, padding=1, stride=2), nn.SiLU()]
                width, height, side = 2 * width, -(-height // 2), -(-side // 2)
            layers += [nn.Flatten(), nn.Linear(width * height * side, FEATURES), nn.SiLU()]
            self.body, self.head = nn.Sequential(*layers), nn.Linear(FEATURES, classes)
        initialise(self, seed)


class Perceptron(_Judging):
    """Logits of an image, by a perceptron on its pixels that knows nothing of neighbours.

    Args:
        event_shape: (channels, height, width).
        classes: number of classes.
        width: units of the first layer.
        seed: of the initial weights; the global random state is left alone.
    """

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int = 256, *, seed: int = 0) -> None:
        super().__init__()
        self.event_shape = shape = _image_shape(event_shape)
        classes, width = checks.integer("classes", classes), checks.integer("width", width)
        seed = checks.seed("seed", seed)
        self.config = dict(kind="perceptron", event_shape=list(shape), classes=classes, width=width)
        with torch.inference_mode(False), torch.device("meta"):
            self.body = nn.Sequential(
                nn.Flatten(), nn.Linear(math.prod(shape), width), nn.SiLU(), nn.Linear(width, FEATURES), nn.SiLU()
            )
            self.head = nn.Linear(FEATURES, classes)
        initialise(self, seed)


def _image_shape(event_shape: tuple[int, ...]) -> tuple[int, ...]:
    shape = checks.shape("event_shape", event_shape)
    if len(shape) != 3:
        raise checks.fail("event_shape", event_shape, "(channels, height, width)")
    return shape
