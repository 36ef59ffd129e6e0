"""What the network is told of prompts, kept within bounds: all at once where there are few, else round by round.

    words = Words(model, prompts)
    c = words.of(["a red fox", "a red fox", "a blue owl"])  # a row for each, on the CPU

An encoded prompt of a large model takes megabytes, and every process keeps its own. If all fit into ``MOST`` bytes they
are encoded once, and the text encoders are dropped. Else the encoders stay in the main memory, come to the device when
a round has prompts that are not known, and as many are kept as fit. A prompt is then encoded alone, so that what the
network is told does not depend on what else is in the round: floating-point sums differ with how many go together.
"""

from collections.abc import Iterable, Sequence

import torch

from orwlab.large.models import Model, Told

MOST = 2**30
"""bytes of encoded prompts in the main memory of each process"""


class Words:
    """Encoded prompts of one model.

    Args:
        model: its text encoders are dropped if all prompts fit.
        prompts: all that will be asked for, but for others that ``of`` is given while the encoders are there.
        at_least: how many are kept even if they take more than ``MOST``: those of a round.
    """

    def __init__(self, model: Model, prompts: Iterable[str], at_least: int = 1) -> None:
        texts = list(dict.fromkeys(prompts))
        self._model, self._kept = model, dict[str, Told]()
        first = model.encode(texts[:1])
        self.most = max(MOST // bytes_of(first), at_least)
        self.all = len(texts) <= self.most
        if self.all:
            told = model.encode(texts)
            self._kept = {text: told[row : row + 1] for row, text in enumerate(texts)}
            model.settle()

    def of(self, prompts: Sequence[str]) -> Told:
        """A row for each prompt, on the CPU."""
        found = {text: self._kept.pop(text) for text in dict.fromkeys(prompts) if text in self._kept}
        missing = [text for text in dict.fromkeys(prompts) if text not in found]
        if missing:
            with self._model.reading():
                found |= {text: self._model.encode([text]) for text in missing}
        self._kept |= found  # those that were asked for last are the last
        for text in list(self._kept)[: max(0, len(self._kept) - self.most)]:
            del self._kept[text]
        rows = [found[text] for text in prompts]
        return Told(torch.cat([row.embeds for row in rows]), torch.cat([row.pooled for row in rows]))

    def __len__(self) -> int:
        return len(self._kept)


def bytes_of(told: Told) -> int:
    """What encoded prompts take."""
    return told.embeds.nbytes + told.pooled.nbytes
