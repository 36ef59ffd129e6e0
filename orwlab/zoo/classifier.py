"""A small image classifier: two convolutions and two linear layers."""

import torch
from torch import Tensor, nn

from orwlab.velocity import initialise


class Classifier(nn.Module):
    """Logits of an image.

    Args:
        event_shape: (channels, height, width).
        classes: number of classes.
        width: channels of the first convolution.
        seed: of the initial weights; the global random state is left alone.
    """

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int = 24, *, seed: int = 0) -> None:
        super().__init__()
        self.config = dict(kind="classifier", event_shape=list(event_shape), classes=classes, width=width)
        channels, height, side = event_shape
        with torch.device("meta"):
            self.net = nn.Sequential(
                nn.Conv2d(channels, width, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
                nn.SiLU(),
                nn.Flatten(),
                nn.Linear(2 * width * -(-height // 2) * -(-side // 2), 64),
                nn.SiLU(),
                nn.Linear(64, classes),
            )
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        return self.net(x)
