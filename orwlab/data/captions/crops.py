"""Single digits as ``measuring.look`` finds them on pictures: what a classifier learns from that has to name them."""

import torch
from torch import Tensor

from orwlab import checks
from orwlab.data.captions.drawing import draw
from orwlab.data.captions.grammar import DIGITS, Group, Scene
from orwlab.data.captions.measuring import look

_SCENES = [Scene((Group(digit),)) for digit in DIGITS]


class Crops:
    """A law of crops (1, 8, 8) of digits in all colours, weights and leans, from which one draws as from ``Patches``.

    Args:
        split: whose handwriting, "train" or "test".
    """

    names = DIGITS
    event_shape = (1, 8, 8)

    def __init__(self, split: str) -> None:
        self.split = str(checks.choice("split", split, ("train", "test")))

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """``n`` crops, (n, 1, 8, 8), paper -1 and ink 1."""
        return self.draw(n, generator=generator)[0]

    def draw(self, n: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """``n`` crops, and which digit each is, (n,)."""
        n, generator = checks.integer("n", n), checks.generator("generator", generator)
        labels = torch.randint(len(DIGITS), (n,), generator=generator)
        seen = look(draw([_SCENES[k] for k in labels.tolist()], self.split, generator=generator))
        blank = torch.full(self.event_shape, -1.0)  # of a digit so thin that nothing was found
        return torch.stack([things[0].crop if things else blank for things in seen]), labels
