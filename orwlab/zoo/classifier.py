"""Two small image classifiers that have little in common, so that what fools one need not fool the other."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from orwlab import checks
from orwlab.velocity import initialise

FEATURES = 64  # numbers by which an image is told from another
COARSEST = 4  # pixels a side at which convolutions end


class _Judging(nn.Module, ABC):
    """Images to ``FEATURES`` numbers by ``body``, and those to logits by ``head``.

    A subclass says which ``kind`` it is, and what its layers are.
    """

    kind: str

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int, seed: int) -> None:
        super().__init__()
        self.event_shape = checks.shape("event_shape", event_shape)
        if len(self.event_shape) != 3:
            raise checks.fail("event_shape", event_shape, "(channels, height, width)")
        classes, width = checks.integer("classes", classes), checks.integer("width", width)
        seed = checks.seed("seed", seed)
        self.config = dict(kind=self.kind, event_shape=list(self.event_shape), classes=classes, width=width)
        with torch.inference_mode(False), torch.device("meta"):
            self.body, self.head = nn.Sequential(*self._layers(width)), nn.Linear(FEATURES, classes)
        initialise(self, seed)

    @abstractmethod
    def _layers(self, width: int) -> list[nn.Module]:
        """From images to ``FEATURES`` numbers."""

    def features(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, 64), what the logits are made of: near where images look alike to it."""
        x = checks.samples("x", x, self.event_shape)
        return self.body(x.to(self.head.weight)).to(x)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes), in x's floating type and on its device."""
        x = checks.samples("x", x, self.event_shape)
        return self.head(self.body(x.to(self.head.weight))).to(x)


class Classifier(_Judging):
    """Logits of an image, by convolutions that halve it until it is small.

    Args:
        event_shape: (channels, height, width).
        classes: number of classes.
        width: channels of the first convolution; each halving doubles them.
        seed: of the initial weights; the global random state is left alone.
    """

    kind = "classifier"

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int = 24, *, seed: int = 0) -> None:
        super().__init__(event_shape, classes, width, seed)

    def _layers(self, width: int) -> list[nn.Module]:
        channels, height, side = self.event_shape
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU()]
        while max(height, side) > COARSEST:
            layers += [nn.Conv2d(width, 2 * width, 3, padding=1, stride=2), nn.SiLU()]
            width, height, side = 2 * width, -(-height // 2), -(-side // 2)
        return [*layers, nn.Flatten(), nn.Linear(width * height * side, FEATURES), nn.SiLU()]


class Perceptron(_Judging):
    """Logits of an image, by a perceptron on its pixels that knows nothing of neighbours.

    Args:
        event_shape: (channels, height, width).
        classes: number of classes.
        width: units of the first layer.
        seed: of the initial weights; the global random state is left alone.
    """

    kind = "perceptron"

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int = 256, *, seed: int = 0) -> None:
        super().__init__(event_shape, classes, width, seed)

    def _layers(self, width: int) -> list[nn.Module]:
        size = math.prod(self.event_shape)
        return [nn.Flatten(), nn.Linear(size, width), nn.SiLU(), nn.Linear(width, FEATURES), nn.SiLU()]
