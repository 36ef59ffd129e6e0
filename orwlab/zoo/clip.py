"""A tiny CLIP: pictures and sentences as directions in one space, near each other where the sentence is true.

    clip = zoo.load("captions_clip")
    clip.score(pictures, "a red three left of a two")      # (n,) cosines, from -1 to 1

Of a batch each picture has to find its own sentence, and each sentence its picture (Radford et al., "Learning
Transferable Visual Models From Natural Language Supervision", arXiv 2103.00020). There every other sentence of the
batch counts as wrong. Here it is known which of them are true of a picture too, and those count neither way.

That alone teaches which words belong to a picture, and not how they belong together: among 64 pictures the words are
enough. Measured: a network that found 99 % of them preferred "a three left of a two" to "a three right of a two" on
only 53 % of the pictures where it is true; chance gives 50 %. CLIP has the same weakness (Yuksekgonul et al., "When and
Why Vision-Language Models Behave like Bags-of-Words", arXiv 2210.01936), and what helps there helps here: each picture
also has to turn down near misses of its sentence.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orwlab import checks
from orwlab.data import captions
from orwlab.data.captions import Scene
from orwlab.data.captions.tokens import checked
from orwlab.velocity import initialise

SPACE = 64
"""numbers of a direction"""
_HEADS = 4
_SHARPEST, _SHARP = 100.0, 14.0  # a cosine is multiplied by at most that, and by that at first, as in the paper


class Clip(nn.Module):
    """Pictures and sentences to directions of ``SPACE`` numbers.

    Args:
        width: channels of the first convolution that looks at a picture, a multiple of 4; the transformer that reads
            sentences has twice as many units.
        depth: layers of the transformer.
        seed: of the initial weights; the global random state is left alone.
    """

    kind = "clip"
    event_shape = (3, captions.SIDE, captions.SIDE)

    def __init__(self, width: int = 24, depth: int = 3, *, seed: int = 0) -> None:
        super().__init__()
        width, depth = checks.integer("width", width), checks.integer("depth", depth)
        if width % _HEADS:
            raise checks.fail("width", width, f"a multiple of {_HEADS}")
        self.config = dict(kind=self.kind, width=width, depth=depth)
        with torch.inference_mode(False), torch.device("meta"):
            self.look = _Convolutions(width)
            self.read = Reader(2 * width, depth)
            self.seen, self.said = nn.Linear(self.look.wide, SPACE), nn.Linear(2 * width, SPACE)
        initialise(self, checks.seed("seed", seed))
        self.sharpness = nn.Parameter(torch.tensor(_SHARP).log())

    def of_pictures(self, x: Tensor) -> Tensor:
        """Pictures (n, 3, 24, 24) in [-1, 1] -> directions (n, 64), each of length 1, in x's floating type."""
        x = checks.samples("x", x, self.event_shape)
        return F.normalize(self.seen(self.look(x.to(self.sharpness))), dim=1).to(x)

    def of_sentences(self, texts: Sequence[str | Scene] | Tensor) -> Tensor:
        """Sentences, or ``captions.tokens`` of them (n, 13) -> directions (n, 64), each of length 1."""
        return F.normalize(self.said(self.read(as_tokens("texts", texts))[:, 0]), dim=1)

    def forward(self, x: Tensor, texts: Sequence[str | Scene] | Tensor) -> Tensor:
        """How well each of (n, 3, 24, 24) and of m sentences fit: cosines times the sharpness, (n, m)."""
        x = checks.samples("x", x, self.event_shape)
        cosines = self.of_pictures(x) @ self.of_sentences(texts).to(x).T
        return self.sharpness.exp().clamp(max=_SHARPEST).to(x) * cosines

    def score(self, x: Tensor, texts: str | Scene | Sequence[str | Scene] | Tensor) -> Tensor:
        """The cosine of each picture (n, 3, 24, 24) with its sentence: (n,), -1 .. 1.

        Args:
            x: pictures.
            texts: one sentence for all, or one for each; or their tokens.

        Raises:
            ValueError: no such pictures, a sentence that is not understood, or another number of them.
        """
        seen, said = self.of_pictures(x), self.of_sentences([texts] if isinstance(texts, str | Scene) else texts)
        if len(said) not in (1, len(seen)):
            raise checks.fail("texts", f"a list of {len(said)}", f"one sentence, or one for each of {len(seen)}")
        return (seen * said.to(seen)).sum(1)

    def loss(self, x: Tensor, texts: Sequence[str | Scene] | Tensor, also: Tensor) -> Tensor:
        """The contrastive loss of n pictures and m sentences, of which the first n belong to them.

        Cross entropy of the right one among all, over sentences and over pictures, the mean of both. The other
        sentences belong to no picture, such as near misses; the pictures have to turn them down.

        Args:
            x: pictures (n, 3, 24, 24).
            texts: m sentences or their tokens.
            also: which are true of which picture, (n, m), bool; where that is not the picture's own, it is left out.
        """
        logits = self(x, texts)
        n, m = logits.shape
        own = torch.eye(n, m, dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(also.to(logits.device) & ~own, -torch.inf)
        right = torch.arange(n, device=logits.device)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits[:, :n].T, right)) / 2


class Reader(nn.Module):
    """A transformer on sentences, which looks both ways: tokens (n, 13) -> (n, 13, width), the first for the whole.

    Args:
        width: units a token, a multiple of 4.
        depth: layers.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.words = nn.Embedding(len(captions.VOCABULARY), width)
        self.places = nn.Embedding(captions.LENGTH, width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Each token in the light of the others, padding left out."""
        tokens = tokens.to(self.words.weight.device)
        there = (tokens != captions.PAD)[:, None, None, :]
        h = self.words(tokens) + self.places.weight
        for layer in self.layers:
            h = layer(h, there)
        return self.norm(h)


class _Layer(nn.Module):
    """Every place asks all others once, then thinks for itself (Vaswani et al., 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.ask, self.tell = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, h: Tensor, there: Tensor | None = None) -> Tensor:
        """(n, places, width) -> the same; ``there`` (n, 1, 1, places): which places may be asked."""
        n, places, width = h.shape
        asked = self.ask(self.norm(h)).reshape(n, places, 3, _HEADS, width // _HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = asked.unbind(0)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=there)  # (n, HEADS, places, width / HEADS)
        h = h + self.tell(found.transpose(1, 2).reshape(n, places, width))
        return h + self.think(h)


class _Convolutions(nn.Module):
    """Three halvings, and then all places beside each other: where things stand matters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        side = captions.SIDE // 8
        self.wide = 4 * width * side**2
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.SiLU()]
        for of, to in ((width, 2 * width), (2 * width, 4 * width), (4 * width, 4 * width)):
            layers += [nn.Conv2d(of, to, 3, stride=2, padding=1), nn.GroupNorm(8, to), nn.SiLU()]
            layers += [nn.Conv2d(to, to, 3, padding=1), nn.GroupNorm(8, to), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def as_tokens(name: str, texts: Any) -> Tensor:
    """Tokens (n, 13), of sentences or as they are; ``name`` is what errors call them."""
    if not isinstance(texts, Tensor):
        return captions.tokens(checked(texts, name))
    allowed = f"whole numbers (n, {captions.LENGTH}) from 0 to {len(captions.VOCABULARY) - 1}, as captions.tokens gives"
    if texts.ndim != 2 or texts.shape[1] != captions.LENGTH or texts.is_floating_point() or texts.is_complex():
        raise checks.fail(name, texts, allowed)
    if len(texts) and (int(texts.min()) < 0 or int(texts.max()) >= len(captions.VOCABULARY)):
        raise checks.fail(name, texts, allowed)
    return texts.long()
