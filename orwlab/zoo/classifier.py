"""A small image classifier: two convolutions and two linear layers."""

import torch
from torch import Tensor, nn

from orwlab import checks
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
        shape = checks.shape("event_shape", event_shape)
        if len(shape) != 3:
            raise checks.fail("event_shape", event_shape, "(channels, height, width)")
        classes, width = checks.integer("classes", classes), checks.integer("width", width)
        seed = checks.seed("seed", seed)
        self.config = dict(kind="classifier", event_shape=list(shape), classes=classes, width=width)
        self.event_shape = shape
        channels, height, side = shape
        with torch.inference_mode(False), torch.device("meta"):
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
        """(n, channels, height, width) -> (n, classes), in x's floating type and on its device."""
        allowed = f"real numbers of shape (n, {', '.join(map(str, self.event_shape))})"
        x = checks.tensor("x", x, allowed)
        if x.ndim == 0 or tuple(x.shape[1:]) != self.event_shape:
            raise checks.fail("x", x, allowed)
        return self.net(x.to(next(self.parameters()))).to(x)
