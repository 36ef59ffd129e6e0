"""Small photographs, pulled towards those that JPEG makes small: compression as a reward, with a real encoder.

    from orwlab.tasks import images, photographs
    outcomes = images.fine_tune(photographs.Photographs(), alphas=(0.0, 0.3, 1.0))

The reward counts bytes. It has no gradient, and it needs none. Precision and coverage in the feature space of a network
that nothing is optimised for say what became of the photographs.
"""

import io
from os import PathLike

import numpy as np
import torch
from torch import Tensor

from orwlab import checks
from orwlab.data import as_bytes, small_photographs
from orwlab.measure.distances import w2_squared
from orwlab.measure.samples import coverage, mean_pairwise_distance, precision_and_recall
from orwlab.tasks import images
from orwlab.tasks.images import Numbers, Plan, Task, check_classifier, networks_of

_SCAN = b"\xff\xda"  # the marker that starts the scan: what comes before is the same for all images of a size


class JpegBytes:
    """The reward ``r(x1)``: minus the size of the image as a JPEG, in units of 100 bytes; or plus.

    Counted from the start-of-scan marker on, because the header before it is the same for all images.

    Args:
        quality: of the encoder, 1 to 95.
        sign: -1 pays for small files, +1 for large ones.
    """

    def __init__(self, quality: int = 75, sign: int = -1) -> None:
        self.quality = checks.integer("quality", quality, low=1, high=95)
        self.sign = checks.integer("sign", sign, low=-1, high=1)
        if self.sign == 0:
            raise checks.fail("sign", sign, "-1 (small files) or 1 (large ones)")

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 3, height, width) -> (n,), 100 bytes; in x's floating type."""
        sizes = [self._size(levels) for levels in as_bytes(x, channels=3)]
        like = checks.tensor("x", x, "images")
        return (self.sign * torch.tensor(sizes, dtype=torch.float64) / 100).to(like.device, like.dtype)

    def _size(self, levels: np.ndarray) -> int:
        """Bytes of one picture, uint8 (height, width, 3), after its header."""
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(levels).save(file, "jpeg", quality=self.quality)
        written = file.getvalue()
        return len(written) - written.index(_SCAN)


_WORDS = {
    "bytes": "bytes after the header",
    "diversity": "mean pairwise distance of features",
    "w2": "W2² to the reference, in features",
    "precision": "look like photographs",
    "recall": "photographs within reach",
    "coverage": "photographs still covered",
    "nothing": "show nothing at all",
}


class Photographs(Task):
    """Patches of photographs, pulled towards those that JPEG makes small, or large.

    Args:
        quality: of the encoder, 1 to 95.
        sign: -1 pays for small files, +1 for large ones.
        source: of the real pictures: see ``data.small_photographs``.
        networks: a folder with ``patches`` and ``patches_features``, as ``orwlab zoo train NAME --source SOURCE
            --folder FOLDER`` makes them for another source; the zoo's if None.

    Raises:
        ValueError: an argument out of range; pictures or networks that are not there or do not fit.
    """

    name = "photographs"
    plan = Plan(tau=1.0, lr=1e-4, rounds=40, batch_size=64, steps_per_round=2)
    words = _WORDS
    judged_on = 256
    judged_by = 3

    def __init__(
        self,
        quality: int = 75,
        sign: int = -1,
        *,
        source: str | PathLike[str] | None = None,
        networks: str | PathLike[str] | None = None,
    ) -> None:
        self.reward = JpegBytes(quality, sign)
        self.reference, self.features = networks_of(networks, "patches", "patches_features")
        if source is not None and networks is None:
            allowed = "a folder with networks of this source: the zoo's have learned other pictures"
            raise checks.fail("networks", networks, allowed)
        self.pictures = small_photographs(source, "test")
        if self.pictures.event_shape != self.event_shape:
            raise checks.fail("source", source, f"pictures of the networks' shape {self.event_shape}")
        check_classifier(self.features, self.event_shape, len(self.pictures.names) + 1)
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def judge(self, x: Tensor) -> Numbers:
        """Numbers of images that nothing was optimised for.

        "bytes": their mean size. In the space of a classifier's 64 features, divided so that real pictures are 1 apart
        in the mean: "diversity", mean pairwise distance; "w2", W2^2 to as many of the reference's own images, which
        between two sets of the reference's is not 0 but what chance makes of it; "precision", "recall" and "coverage"
        against as many real ones. By the classifier, "shares": of each photograph, and "nothing": of what is none, such
        as noise.

        Levels beyond black and white count as black and white, as they do for whoever looks at the image.
        """
        x = checks.points("x", x, self.event_shape, at_least=4)
        labels = self.seen(x).argmax(1)
        *shares, nothing = (labels.bincount(minlength=len(self.pictures.names) + 1).double() / len(x)).tolist()
        real, usual = self._comparisons(len(x))
        scale = mean_pairwise_distance(real)
        if scale == 0:
            raise checks.fail("source", "pictures", "pictures that are not all alike")
        own = self._features(x)
        precision, recall = precision_and_recall(own, real)
        return {
            "bytes": 100 * float(abs(self.reward(x).double()).mean()),
            "diversity": mean_pairwise_distance(own) / scale,
            "w2": w2_squared(own, usual) / scale**2,
            "precision": precision,
            "recall": recall,
            "coverage": coverage(own, real),
            "nothing": nothing,
            "shares": shares,
        }

    @torch.no_grad()
    def seen(self, x: Tensor) -> Tensor:
        """Images (n, *event) -> probabilities of each photograph, and last of nothing at all, (n, photographs + 1)."""
        return self.features(checks.points("x", x, self.event_shape).clamp(-1, 1)).softmax(1)

    @torch.no_grad()
    def _features(self, x: Tensor) -> Tensor:
        return self.features.features(x.clamp(-1, 1))

    def _comparisons(self, n: int) -> tuple[Tensor, Tensor]:
        """Features of ``n`` real pictures, and of ``n`` images of the reference from noise of its own."""
        if n not in self._kept:
            generator = torch.Generator().manual_seed(2**32 - 1)
            real = self.pictures.sample(n, generator=generator)
            self._kept[n] = (
                self._features(real),
                self._features(images.push(self.reference, self.noise(n, seed=2**32 - 1))),
            )
        return self._kept[n]
