"""Rewards in the plane of digits: which digits are wanted, and who says what a picture shows.

``digits:02468`` pays a point for the probability that the picture there (``zoo.load("digits_vae").decode``) shows an
even digit, as ``digits_classifier`` sees it. ``judge:02468`` is the same as ``digits_judge`` sees it, which learned
from other pictures: what is paid for by the one can be judged by the other.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from orwlab import checks, zoo
from orwlab.show.stage.scenes import Pictures
from orwlab.zoo.latent import Autoencoder

CLASSIFIERS = {"digits:": "digits_classifier", "judge:": "digits_judge"}
PREFIXES = tuple(CLASSIFIERS)
PLANE = "digits_latent"  # the target that these rewards are for
TEN = "0123456789"
SOFTNESS = 2.0  # by which logits are divided: else the borders between digits are finer than the oracle's grid
REACH = 5.0  # half the side of the square of which there are pictures: beyond, those at its edge
PLACES = 25  # a side: pixels that are blended between four of them are right to 1 % of the way from white to black
AT_ONCE = 1024  # points that the processor's cache can hold
_NAMED = {"02468": "Even digits", "13579": "Odd digits"}
_ALLOWED = "some of 0123456789, each once and not all of them, such as digits:02468"


@dataclass(frozen=True)
class Shown:
    """The probability that what is decoded at a point shows one of the ``wanted`` digits, in [0, 1].

    Args:
        wanted: digits, each once; neither none nor all.
        classifier: who says so: the name of one of the zoo's classifiers of digits.

    Raises:
        ValueError: no such digits or classifier.
    """

    wanted: str
    classifier: str = "digits_classifier"

    def __post_init__(self) -> None:
        text = self.wanted
        if not (isinstance(text, str) and set(text) <= set(TEN) and len(set(text)) == len(text) and 0 < len(text) < 10):
            raise checks.fail("digits", text, _ALLOWED)
        checks.choice("classifier", self.classifier, CLASSIFIERS.values())

    def __call__(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n,)."""
        x = checks.points("x", x, (2,))
        return odds(x, self.classifier)[:, [int(digit) for digit in sorted(self.wanted)]].sum(1).clamp_max(1.0)


def pictures(x: Tensor) -> Tensor:
    """What is decoded at points ``x`` (n, 2): images (n, 1, 8, 8) in [-1, 1]."""
    return _autoencoder().decode(x.to(torch.promote_types(x.dtype, torch.float32)))


@functools.cache
@torch.no_grad()
def atlas() -> Pictures:
    """The pictures all over the plane, and what the judge takes them for."""
    axis = torch.linspace(-REACH, REACH, PLACES)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    z = torch.stack([x, y], -1).reshape(-1, 2)
    ink = (pictures(z) + 1) / 2
    levels, sure = ((255 * part).round().to(torch.uint8) for part in (ink, odds(z, "digits_judge")))
    return Pictures(
        REACH, levels.reshape(PLACES, PLACES, 8, 8).numpy(), sure.reshape(PLACES, PLACES, 10).numpy(), list(TEN)
    )


def odds(x: Tensor, classifier: str) -> Tensor:
    """The probability of each digit in the pictures at points ``x`` (n, 2), as ``classifier`` sees them: (n, 10)."""
    logits = [_network(classifier)(pictures(part)) for part in x.split(AT_ONCE)]
    return (torch.cat(logits) / SOFTNESS).softmax(1)


def _autoencoder() -> Autoencoder:
    made = _network(zoo.CODES[PLANE])
    assert isinstance(made, Autoencoder)
    return made


@functools.cache
@torch.inference_mode(False)  # what is kept serves under any mode
def _network(name: str) -> nn.Module:
    return zoo.load(name).requires_grad_(False)


def read(text: str) -> Shown:
    """The reward of a setting's value.

    Raises:
        ValueError: it does not begin with one of ``PREFIXES``, or as ``Shown``.
    """
    prefix = next((prefix for prefix in PREFIXES if isinstance(text, str) and text.startswith(prefix)), None)
    if prefix is None:
        raise checks.fail("digits", text, f"a text that begins with {' or '.join(map(repr, PREFIXES))}")
    return Shown(text.removeprefix(prefix), CLASSIFIERS[prefix])


def words(text: str) -> str:
    """A setting's value in a few words, such as "Even digits" or "Digits 1, 7"; so says ``web/digit_words.js``."""
    prefix, _, wanted = text.partition(":")
    digits = "".join(sorted(wanted))
    listed = digits if len(digits) <= 5 else [digit for digit in TEN if digit not in digits]
    said = f"{'Digit' if len(listed) == 1 else 'Digits'} {', '.join(listed)}"
    said = _NAMED.get(digits, said if len(digits) <= 5 else f"All digits but {', '.join(listed)}")
    return f"{said}, by the judge" if prefix == "judge" else said
