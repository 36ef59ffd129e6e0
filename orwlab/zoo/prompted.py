"""A flow of pictures that is told a sentence, and guidance away from what it would do without one.

    v = zoo.load("captions")                                     # v(t, x, c), c the tokens of sentences
    said = captions.tokens(["a red three left of a two"] * 16)
    pictures = flow.sample(Conditioned(Guided(v, 2.0), said), noise)

The sentence comes in twice: its first token, which stands for the whole, is added to what every block is told of the
time, and each place of the coarse level asks all words once. In training the sentence is left out now and then, so that
the same network is also the flow of all pictures.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orwlab import checks, paths
from orwlab.data import captions
from orwlab.data.captions import Scene
from orwlab.velocity import UNet, initialise
from orwlab.zoo.clip import Reader, as_tokens

_HEADS = 4


class Prompted(nn.Module):
    """A velocity ``v(t, x, c)`` of pictures (3, 24, 24) with a sentence.

    Args:
        width: channels of the fine level, a multiple of 8; a token has twice as many units.
        depth: layers of the transformer that reads.
        seed: of the initial weights; the global random state is left alone.
    """

    kind = "prompted"
    event_shape = (3, captions.SIDE, captions.SIDE)

    def __init__(self, width: int = 32, depth: int = 2, *, seed: int = 0) -> None:
        super().__init__()
        width, depth = checks.integer("width", width), checks.integer("depth", depth)
        seed = checks.seed("seed", seed)
        self.config = dict(kind=self.kind, width=width, depth=depth)
        self.body = UNet(self.event_shape, width, seed=seed)
        with torch.inference_mode(False), torch.device("meta"):
            self.read = Reader(2 * width, depth)
            self.tell = nn.Linear(2 * width, 4 * width)
            self.ask = _Asking(2 * width, 2 * width)
        for part in (self.read, self.tell, self.ask):
            initialise(part, seed)

    def forward(self, t: Tensor | float, x: Tensor, c: Sequence[str | Scene] | Tensor) -> Tensor:
        """``t`` scalar or (n,), ``x`` (n, 3, 24, 24), sentences or tokens for all or each -> (n, 3, 24, 24)."""
        x, tokens = checks.samples("x", x, self.event_shape), as_tokens("c", c)
        if len(tokens) not in (1, len(x)):
            raise checks.fail("c", f"a list of {len(tokens)}", f"one sentence, or one for each of {len(x)}")
        own = x.to(self.tell.weight)
        words = self.read(tokens).expand(len(x), -1, -1)
        there = (tokens != captions.PAD).to(x.device).expand(len(x), -1)
        features = self.body.features(paths.time_like(t, own).reshape(-1), len(x)) + self.tell(words[:, 0])
        return self.body.through(features, own, lambda h: self.ask(h, words, there)).to(x)


class _Asking(nn.Module):
    """Every place asks all words once."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.places, self.words = nn.Linear(channels, channels), nn.Linear(width, 2 * channels)
        self.tell = nn.Linear(channels, channels)

    def forward(self, h: Tensor, words: Tensor, there: Tensor) -> Tensor:
        n, channels, high, wide = h.shape
        apart = lambda x: x.reshape(n, -1, _HEADS, channels // _HEADS).transpose(1, 2)  # noqa: E731
        asking = self.places(self.norm(h).flatten(2).transpose(1, 2))
        key, value = self.words(words).chunk(2, dim=2)
        found = F.scaled_dot_product_attention(
            apart(asking), apart(key), apart(value), attn_mask=there[:, None, None, :]
        )  # (n, HEADS, high wide, channels / HEADS)
        told = self.tell(found.transpose(1, 2).reshape(n, high * wide, channels))
        return h + told.transpose(1, 2).reshape(h.shape)


class Guided(nn.Module):
    """Classifier-free guidance: ``v(t, x, c)`` away from what the network would do without a sentence.

        v(t, x, null) + scale (v(t, x, c) - v(t, x, null))        (Ho and Salimans, arXiv 2207.12598)

    At scale 1 it is the network's own; at 0 it hears nothing.

    Args:
        v: a network v(t, x, c) that takes ``captions.tokens``, such as ``Prompted``.
        scale: at least 0.
    """

    def __init__(self, v: nn.Module, scale: float) -> None:
        super().__init__()
        if not isinstance(v, nn.Module) or not hasattr(v, "event_shape"):
            raise checks.fail("v", v, "a network v(t, x, c) with an event_shape, such as zoo.load('captions')")
        self.v, self.scale = v, checks.number("scale", scale, low=0.0)
        for name in ("event_shape", "path", "solver"):
            if hasattr(v, name):
                setattr(self, name, getattr(v, name))

    def forward(self, t: Tensor | float, x: Tensor, c: Any) -> Tensor:
        """As the network's own call, for about twice its time."""
        if self.scale == 1:
            return self.v(t, x, c)
        with_words, without = self.v(t, x, c), self.v(t, x, [captions.NULL])
        return without + self.scale * (with_words - without)
