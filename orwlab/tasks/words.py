"""Sentences that a small text-to-image flow gets wrong, and fine-tuning that mends them.

    from orwlab.tasks import images, words
    outcomes = images.fine_tune(words.Words(), alphas=(0.0, 0.3, 1.0))

The reward is a tiny CLIP's score of a picture and its sentence. Two judges that nothing is optimised for look at the
same pictures: another CLIP, trained from another start on other people's handwriting, and the pixels themselves, in
which is measured for each word whether it is true (which digit it is, a classifier says).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, flow, foreign, velocity, zoo
from orwlab.data import captions
from orwlab.data.captions import Row, Scene
from orwlab.data.captions.tokens import checked
from orwlab.measure.samples import mean_pairwise_distance
from orwlab.methods.prompted import PromptedFineTuning
from orwlab.tasks import images
from orwlab.tasks.images import Numbers, Outcome, Plan, Task
from orwlab.zoo.clip import Clip, as_tokens

PROMPTS = (
    "a black seven left of a red square",
    "a red two right of a black cross",
    "a blue square above a black disc",
    "a green cross right of a red disc",
    "a purple two left of a black triangle",
    "a red ring left of a blue five",
    "a black three left of a blue one",
    "a red zero below a black one",
)
"""what the zoo's flow gets wrong most often, of what it has learned: two things, and where they stand"""
NEW = (
    "a black seven right of a red nine",
    "a red triangle right of a black square",
    "a green ring left of a red disc",
    "a blue cross left of a blue seven",
    "a blue three below a green disc",
    "a purple zero left of a green eight",
    "a red two below a purple one",
    "a purple disc left of a black square",
)
"""the same of combinations that were held out: nothing here learns from them"""


@dataclass(frozen=True)
class Method:
    """How the samples of a prompt are weighed and the policy is held: arguments of ``PromptedFineTuning``."""

    weighting: str = "mean_one"
    threshold: float | None = None
    penalty: str = "w2"


METHODS = {
    "ORW-CFM-W2": Method(),
    "RAFT": Method("best"),
    "ReFT": Method("above", 0.7),
    "ORW-CFM-KL": Method(penalty="kl"),
}


@dataclass(frozen=True)
class WordsPlan(Plan):
    """How a task of words is fine-tuned, next to alpha and seed. A round draws samples of every prompt."""

    samples_a_prompt: int = 32
    control_variate: float = 1.0
    """more than is safe in a long run; without it this flow runs away from its own samples: see ``methods.orw``"""
    rank: int | None = None
    method: Method = Method()


_WORDS = {
    "judge": "the judge's score",
    "true": "pictures of which every word is true",
    "words": "words that are true",
    "diversity": "diversity within a prompt",
    "new_score": "score of prompts that were not learned",
    "new_judge": "the judge's, of these",
    "new_true": "pictures of these of which every word is true",
}


class Words(Task):
    """Pictures of ``prompts``, pulled towards what a tiny CLIP says belongs to them.

    Args:
        prompts: sentences, at least one; every outcome has as many pictures of each.
        new: other sentences, that are only looked at; none if empty.

    Raises:
        ValueError: a sentence that is not understood, with the words that are not known and the nearest that are.
    """

    name = "words"
    plan: WordsPlan = WordsPlan(tau=20.0, lr=2e-4, rounds=30, batch_size=64, steps_per_round=12)
    words = _WORDS
    judged_on = 256

    def __init__(self, prompts: Sequence[str | Scene] = PROMPTS, new: Sequence[str | Scene] = NEW) -> None:
        self.prompts = [_said("prompts", scene) for scene in checked(prompts, "prompts")]
        nothing = isinstance(new, list | tuple) and not new
        self.new = [] if nothing else [_said("new", scene) for scene in checked(new, "new")]
        self.reference = zoo.load("captions")
        self.clip, self.judging = _clip("captions_clip"), _clip("captions_judge")
        naming = zoo.load("captions_digits")
        self.names: Callable[[Tensor], Tensor] = lambda crops: naming(crops).softmax(1)
        self.tokens = captions.tokens(self.prompts)
        self.reward = self._paid_in_turn
        self._usual: dict[int, float] = {}

    def told(self, n: int) -> Tensor:
        """The tokens of ``n`` pictures, of which as many in a row are of each prompt: (n, 13)."""
        return self.tokens.repeat_interleave(self._each("n", n), 0)

    def said(self, n: int) -> list[Scene]:
        """The sentences of ``n`` pictures, likewise."""
        each = self._each("n", n)
        return [scene for scene in self.prompts for _ in range(each)]

    def _each(self, name: str, n: int) -> int:
        n = checks.integer(name, n, high=images.MOST)
        if n % len(self.prompts):
            raise checks.fail(name, n, f"a multiple of {len(self.prompts)}, the prompts")
        return n // len(self.prompts)

    def _paid_in_turn(self, x: Tensor) -> Tensor:
        """The reward of pictures of which as many in a row are of each prompt."""
        return self.clip.score(x, self.told(len(x)))

    def begin(self, alpha: float, seed: int = 0, plan: Plan | None = None) -> PromptedFineTuning:
        """A run at ``alpha``, against weights of mean one within each prompt."""
        plan = images.plan_of(plan, self.plan)
        more = plan if isinstance(plan, WordsPlan) else self.plan
        method = more.method
        return PromptedFineTuning(
            self.reference,
            self.clip.score,
            self.tokens,
            tau=plan.tau,
            alpha=alpha,
            weighting=method.weighting,
            threshold=method.threshold,
            penalty=method.penalty,
            samples_a_prompt=more.samples_a_prompt,
            steps_per_round=plan.steps_per_round,
            batch_size=plan.batch_size,
            lr=plan.lr,
            seed=seed,
            rank=more.rank,
            control_variate=more.control_variate,
        )

    def push(self, v: nn.Module, x0: Tensor) -> Tensor:
        """Noise (n, *event) to pictures, of which as many in a row are of each prompt."""
        x0 = checks.points("x0", x0, self.event_shape)
        self._each("x0", len(x0))
        return draw(images.network(v), x0, self.told(len(x0)))

    def shown(self, k: int, n: int) -> list[int]:
        """As many of each prompt, the first ones."""
        each, kept = self._each("n", n), max(1, checks.integer("k", k) // len(self.prompts))
        return [place for place in range(n) if place % each < kept]

    def judge(self, x: Tensor) -> Numbers:
        """Numbers of pictures, as many in a row of each prompt, that nothing was optimised for.

        "judge": the mean score by another CLIP. "words": the share of words that are true, by what is measured in the
        pixels; "true": of pictures of which every word is. "diversity": the mean pairwise distance of pixels within a
        prompt, divided by the reference's. "each": "true" for each prompt.
        """
        x = checks.points("x", x, self.event_shape, at_least=2 * len(self.prompts))
        tables = captions.tables(x, self.said(len(x)), self.names)
        right = torch.tensor([all(row.holds is not False for row in rows) for rows in tables]).double()
        held = [row.holds for rows in tables for row in rows if row.holds is not None]
        return {
            "judge": float(foreign.values("judge", lambda x: self.judging.score(x, self.told(len(x))), x).mean()),
            "words": sum(held) / len(held) if held else 1.0,
            "true": float(right.mean()),
            "diversity": self.spread(x) / self._reference_spread(len(x)),
            "each": right.reshape(len(self.prompts), -1).mean(1).tolist(),
        }

    def outcome(self, v: nn.Module, x0: Tensor, alpha: float | None, seed: int = 0, **more: Any) -> Outcome:
        """See ``Task.outcome``; of ``new`` prompts too, from the same noise: "new_score", "new_judge", "new_true"."""
        x0 = checks.points("x0", x0, self.event_shape, at_least=2 * len(self.prompts))
        self._each("x0", len(x0))
        found = super().outcome(v, x0, alpha, seed, **more)
        if not self.new:
            return found
        each = max(1, len(x0) // len(self.new))
        said = [scene for scene in self.new for _ in range(each)]
        noise = x0[torch.arange(len(said)) % len(x0)]
        told = captions.tokens(said)
        x = draw(v, noise, told)
        with torch.no_grad():
            score, judge = (float(clip.score(x, told).mean()) for clip in (self.clip, self.judging))
        true = float(captions.holds(x, said, self.names).double().mean())
        return replace(found, numbers=found.numbers | {"new_score": score, "new_judge": judge, "new_true": true})

    def spread(self, x: Tensor) -> float:
        """The mean pairwise distance of pixels within a prompt, mean over prompts."""
        x = checks.points("x", x, self.event_shape, at_least=2 * len(self.prompts)).clamp(-1, 1)
        parts = x.split(self._each("x", len(x)))
        return sum(mean_pairwise_distance(part) for part in parts) / len(parts)

    def _reference_spread(self, n: int) -> float:
        if n not in self._usual:
            self._usual[n] = self.spread(self.push(self.reference, self.noise(n, seed=2**32 - 1)))
        return self._usual[n]

    def table(self, picture: Tensor, text: str | Scene) -> list[Row]:
        """For each word of a sentence whether it is true of a picture (3, 24, 24), and what was measured."""
        (scene,) = checked([text], "text")
        return captions.table(picture, _said("text", scene), self.names)


def draw(v: nn.Module, x0: Tensor, told: Tensor, size: int = 64) -> Tensor:
    """Noise x0 (n, *event) to pictures by ``v(t, x, c)``, by its own solver; ``size`` at a time.

    ``told``: a sentence for each, or its tokens (n, 13).
    """
    x0, told = checks.points("x0", x0, getattr(v, "event_shape", None)), as_tokens("told", told)
    if len(told) != len(x0):
        raise checks.fail("told", f"{len(told)} rows", f"one for each of x0, {len(x0)}")
    size, solver = checks.integer("size", size), getattr(v, "solver", ("midpoint", 12))
    return torch.cat(
        [flow.push(velocity.Conditioned(v, c), part, solver) for part, c in zip(x0.split(size), told.split(size))]
    )


def _clip(name: str) -> Clip:
    clip = zoo.load(name)
    assert isinstance(clip, Clip)
    return clip


def _said(name: str, scene: Scene) -> Scene:
    if not scene.groups:
        raise checks.fail(name, str(scene), 'sentences that say something, such as "a red three"')
    return scene
