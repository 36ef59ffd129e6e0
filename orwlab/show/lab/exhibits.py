"""What is shown of a task on images: how many of them, what is read off them and how often, and all of it in words."""

import base64
import functools
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import rewards
from orwlab.data import as_bytes, captions
from orwlab.data.captions import Row, Scene
from orwlab.methods.orw import FineTuning
from orwlab.show.lab.image_settings import ImageSettings
from orwlab.tasks.digits import Digits
from orwlab.tasks.images import Task
from orwlab.tasks.photographs import Photographs
from orwlab.tasks.words import PROMPTS, Words
from orwlab.velocity import Conditioned
from orwlab.zoo.prompted import Guided

LEAVING = 0.1  # share of images unlike any real one, from which it is told
HACKED = 0.5  # share of images unlike any real one, from which that is what is said
GAP = 0.1  # between what the reward and what the judge say
VANISHED = 0.15  # of an even split: a wanted digit with a smaller share is called nearly gone
ALIKE = 0.75  # of the reference's diversity within a digit
UNCOVERED = 0.1  # of the photographs: less is called a collapse
MOVED = 0.05  # of the scale of the reward: less is called about the same as before
NARROW = 0.8  # of the reference's diversity within a sentence: less is told
CLOSER = 0.02  # of a cosine: a score that rises by less is called about the same
TRUE = 0.95  # share of pictures of which every word is true, from which that is what is said
APART = 0.15  # share of words: if so many fewer are true, that is what is said
KEPT = 4  # exhibits that a process remembers
LIVE = replace(Words.plan, samples_a_prompt=16, steps_per_round=6)  # half of a round of the task, for who looks on

Read = dict[str, float]
"""what was read off the images, by its key"""


@dataclass(frozen=True)
class Named:
    """One number: its key in a ``Read``, what it is called, what kind it is of, and what it means.

    Kinds are "share", "count" and "cosine".
    """

    key: str
    label: str
    kind: str
    help: str


class Exhibit(ABC):
    """A task, and how it is shown. The first two ``numbers`` are what is paid for and what a judge says of it."""

    task: Task
    name: str
    columns: int
    """of the grid"""
    shown: int
    """images in the grid"""
    judged: int
    """images that numbers are read off; the grid's are the first of them"""
    drawn_every: int
    """rounds"""
    measured_every: int
    """rounds"""
    near_rest: int
    """rounds at one alpha after which a run counts as nearly at rest"""
    rewarded: int
    """images of the reference whose rewards tell which alpha to choose"""
    numbers: tuple[Named, ...]
    together: bool
    """whether proxy and judge are on one scale"""
    goal: float
    """of the mean of the first number, to begin with"""

    @abstractmethod
    def read(self, x: Tensor) -> Read:
        """What the reward and the judge say of images (n, channels, height, width)."""

    @abstractmethod
    def verdict(self, now: Read, first: Read) -> str:
        """What has become of them, in a sentence; ``first`` is what was read off the reference's."""

    @abstractmethod
    def view(self, x: Tensor) -> str:
        """What one image (1, channels, height, width) is, in the eyes of those who judge."""

    @abstractmethod
    def reward_of(self, goal: float) -> float:
        """The mean reward at which the first number is ``goal``."""

    def begin(self, alpha: float, seed: int) -> FineTuning:
        """A run at ``alpha``."""
        return self.task.begin(alpha, seed)

    def reference(self, settings: ImageSettings) -> nn.Module:
        """What the reference's grid is drawn by."""
        return self.task.reference

    def guided(self, settings: ImageSettings, now: Read, first: Read) -> dict[str, str]:
        """What is said of a guided reference, "when" and "said"; nothing if there is no guidance.

        Args:
            settings: by which it was drawn.
            now: what was read off its images; empty while that is not known.
            first: the same without guidance.
        """
        return {}

    def bound(self, v: nn.Module) -> nn.Module:
        """A network like the reference as ``v(t, x)``."""
        return v

    def table(self, v: nn.Module, x0: Tensor) -> list[dict[str, Any]]:
        """What is told of the image that ``v`` makes of x0 (1, *event), a row each; none if there is no more to tell
        than ``view`` does.
        """
        return []

    def noise(self, seed: int) -> Tensor:
        """The noise behind the images: the same for every lane and for the reference."""
        return self.task.noise(self.judged, seed)

    @functools.cached_property
    def rewards(self) -> Tensor:
        """Of the reference's own samples, (rewarded,)."""
        x = self.task.push(self.task.reference, self.task.noise(self.rewarded, seed=2**32 - 1))
        return rewards.evaluate(self.task.reward, x).double()

    def sheet(self, x: Tensor) -> str:
        """Images (n, channels, height, width) side by side in rows of ``columns``: a PNG as a data URL."""
        return sheet(x, self.columns)

    def plain(self) -> dict[str, object]:
        """What a page has to know before it can draw."""
        _, height, width = self.task.event_shape
        return {
            "name": self.name,
            "columns": self.columns,
            "shown": self.shown,
            "size": [width, height],
            "numbers": [asdict(words) for words in self.numbers],
            "together": self.together,
            "goal": self.goal,
            "about": self.about,
        }

    @property
    def about(self) -> str:
        """Numbers of another one cannot be compared with these, and begin curves of their own."""
        return self.name


class DigitsExhibit(Exhibit):
    """Handwritten digits; the reward is a classifier's probability of the ``wanted`` ones, 0 .. 9."""

    name = "digits"
    columns, shown, judged = 8, 64, 256
    drawn_every, measured_every, near_rest, rewarded = 2, 8, 150, 1024
    together, goal = True, 0.8
    numbers = (
        Named("reward", "Reward", "share", "Paid for: the mean probability of a wanted digit, by the classifier."),
        Named("judge", "Judge", "share", "The same, by a network that nothing is optimised for."),
        Named("off_data", "Unlike any digit", "share", "Farther from every real digit than real ones are."),
        Named("smallest", "Rarest wanted", "share", "Its share, of an even split among the wanted ones."),
    )

    def __init__(self, wanted: tuple[int, ...]) -> None:
        self.task = self._digits = Digits(wanted)

    def read(self, x: Tensor) -> Read:
        """See ``Exhibit``; "within" is the diversity within a digit, of the reference's."""
        found = self._digits.judge(x)
        reward = float(rewards.evaluate(self.task.reward, x).mean())
        return {"reward": reward} | {k: v for k, v in found.items() if isinstance(v, float)}

    def verdict(self, now: Read, first: Read) -> str:
        """See ``Exhibit``."""
        paid, judge = _percent(now["reward"]), _percent(now["judge"])
        if now["off_data"] > HACKED:
            fooled = f", the judge {judge}" if now["reward"] - now["judge"] > GAP else ""
            return (
                f"The reward is hacked: {_percent(now['off_data'])} of these look like no real digit. "
                f"The reward says {paid}{fooled}."
            )
        if now["off_data"] > LEAVING:
            return f"It is leaving the data: {_percent(now['off_data'])} of these look like no real digit."
        if len(self._digits.wanted) > 1 and now["smallest"] < VANISHED:
            return "It is collapsing: one of the wanted digits has nearly vanished."
        if 0 < now["within"] < ALIKE:  # 0 is of no digit there are enough
            return "It is collapsing: digits of a kind all look alike."
        if now["reward"] - now["judge"] > GAP:
            return f"The judge does not agree: the reward says {paid}, the judge {judge}."
        if now["reward"] < first["reward"] + MOVED:
            return "About what the reference draws."
        return "Real digits, and more of the wanted ones."

    def view(self, x: Tensor) -> str:
        """See ``Exhibit``."""
        p = self._digits.seen(x)[0]
        reward = float(rewards.evaluate(self.task.reward, x)[0])
        k = int(p.argmax())
        return f"The judge sees a {k} ({_percent(float(p[k]))}). Reward: {_percent(reward)}."

    def reward_of(self, goal: float) -> float:
        """See ``Exhibit``: they are the same."""
        return goal


class PhotographsExhibit(Exhibit):
    """Small photographs; the reward pays for JPEG ``files`` that are "small" or "large"."""

    name = "photographs"
    columns, shown, judged = 4, 16, 64
    drawn_every, measured_every, near_rest, rewarded = 1, 4, 60, 128
    together = False
    numbers = (
        Named("bytes", "Bytes", "count", "Paid for: the mean size of an image as a JPEG, after its header."),
        Named("coverage", "Coverage", "share", "Real photographs with one of these images near: is all still there?"),
        Named("precision", "Precision", "share", "Images that are near a real photograph: do they look like one?"),
    )

    def __init__(self, files: str) -> None:
        self._sign = -1 if files == "small" else 1
        self.task = self._photographs = Photographs(sign=self._sign)
        self.goal = 210.0 if files == "small" else 300.0

    def read(self, x: Tensor) -> Read:
        """See ``Exhibit``."""
        return {k: v for k, v in self._photographs.judge(x).items() if isinstance(v, float)}

    def verdict(self, now: Read, first: Read) -> str:
        """See ``Exhibit``."""
        covered, gain = now["coverage"], self._sign * (now["bytes"] / first["bytes"] - 1)
        if now["nothing"] > HACKED:
            return f"No photographs any more: a classifier says that {_percent(now['nothing'])} of these show nothing."
        if covered < UNCOVERED:
            return f"It has collapsed: only {_percent(covered)} of the photographs are still covered."
        if covered < first["coverage"] / 2:
            before = _percent(first["coverage"])
            return f"It is collapsing: {_percent(covered)} of the photographs are still covered, {before} at first."
        if now["precision"] < HACKED:
            return f"The reward is hacked: {_percent(1 - now['precision'])} of these look like no photograph."
        if gain < MOVED:
            return "About what the reference draws."
        way = "smaller" if self._sign < 0 else "larger"
        return f"Still photographs of many kinds, in files {_percent(gain)} {way}."

    def view(self, x: Tensor) -> str:
        """See ``Exhibit``."""
        *shown, nothing = self._photographs.seen(x)[0].tolist()
        size = 100 * abs(float(rewards.evaluate(self.task.reward, x)[0]))
        if nothing > max(shown):
            return f"{size:.0f} bytes. A classifier says that it shows nothing ({_percent(nothing)})."
        name = self._photographs.pictures.names[shown.index(max(shown))].replace("_", " ")
        return f"{size:.0f} bytes. A classifier takes it for a piece of “{name}” ({_percent(max(shown))})."

    def reward_of(self, goal: float) -> float:
        """See ``Exhibit``: in units of 100 bytes, with the sign that is paid for."""
        return self._sign * goal / 100


class WordsExhibit(Exhibit):
    """Pictures of one sentence; the reward is a tiny CLIP's score.

    Args:
        prompt: the sentence that is drawn.
        lesson: what is learned from: "this" sentence, or the "set" of hard ones.
    """

    name = "words"
    columns, shown, judged = 4, 16, 64
    drawn_every, measured_every, near_rest, rewarded = 2, 4, 60, 128
    together, goal = False, 0.8
    numbers = (
        Named("score", "CLIP score", "cosine", "Paid for: how well a tiny CLIP says that picture and sentence fit."),
        Named("judge", "Judge’s score", "cosine", "The same by another CLIP, which nothing is optimised for."),
        Named("true", "All words true", "share", "Pictures of which every word is true, as measured in the pixels."),
        Named("diversity", "Diversity", "share", "How much the pictures differ, of what the reference’s do unguided."),
    )

    def __init__(self, prompt: str, lesson: str) -> None:
        self.task = self._words = Words([prompt], new=())
        (self._scene,) = self._words.prompts
        self.lesson, self.prompt = lesson, prompt

    @property
    def about(self) -> str:
        """See ``Exhibit``: the sentence."""
        return self.prompt

    def begin(self, alpha: float, seed: int) -> FineTuning:
        """See ``Exhibit``: of a single sentence, all pictures of a round are of it."""
        if self.lesson == "set":
            return _set().begin(alpha, seed, LIVE)
        return self._words.begin(alpha, seed, replace(LIVE, samples_a_prompt=LIVE.batch_size))

    def reference(self, settings: ImageSettings) -> nn.Module:
        """See ``Exhibit``: guided, if that is asked for."""
        v = self.task.reference
        return v if settings.guidance == 1 else Guided(v, settings.guidance)

    def guided(self, settings: ImageSettings, now: Read, first: Read) -> dict[str, str]:
        """See ``Exhibit``."""
        if settings.guidance == 1:
            return {}
        said = self.verdict(now, first) if now else "Drawn towards the words; nothing is learned."
        return {"when": f"guidance {settings.guidance:g}", "said": said}

    def bound(self, v: nn.Module) -> nn.Module:
        """See ``Exhibit``: told the sentence."""
        return Conditioned(v, self._words.tokens)

    def read(self, x: Tensor) -> Read:
        """See ``Exhibit``."""
        found = self._words.judge(x)
        score = float(rewards.evaluate(self.task.reward, x).mean())
        return {"score": score} | {k: v for k, v in found.items() if isinstance(v, float)}

    def verdict(self, now: Read, first: Read) -> str:
        """See ``Exhibit``."""
        return f"{self._fit(now, first)} {self._breadth(now)}".strip().replace(" %", "\N{NO-BREAK SPACE}%")

    def _fit(self, now: Read, first: Read) -> str:
        paid, judge, true, words = (now[key] - first[key] for key in ("score", "judge", "true", "words"))
        share, before = _percent(now["true"]), _percent(first["true"])
        if words < -APART:
            return f"It falls apart: {_percent(now['words'])} of the words are true, {_percent(first['words'])} before."
        if paid > CLOSER and true < -MOVED:
            return (
                f"The score is exploited: it rises, and every word is true in {share} of the pictures, {before} before."
            )
        if now["true"] >= TRUE:
            return f"Every word is true in {'all' if now['true'] == 1 else 'nearly all'} of the pictures."
        if paid > CLOSER and judge < CLOSER / 2 and true < MOVED:
            return (
                "The score is exploited: it rises, and neither the judge nor the pixels say that the words fit better."
            )
        if true > MOVED:
            return f"More of it is true: every word in {share} of the pictures, {before} before."
        if true < -MOVED:
            return f"Less of it is true: every word in {share} of the pictures, {before} before."
        if paid > CLOSER:
            return "The score and its judge rise, but the pixels do not say that more words are true."
        if paid < -CLOSER:
            return "The score has fallen below the reference’s."
        return "About what the reference draws."

    def _breadth(self, now: Read) -> str:
        if now["diversity"] >= NARROW:
            return ""
        return f"They are becoming alike: {_percent(now['diversity'])} of the reference’s diversity is left."

    @torch.no_grad()
    def view(self, x: Tensor) -> str:
        """See ``Exhibit``."""
        tokens = self._words.tokens
        score, judge = (float(clip.score(x, tokens)[0]) for clip in (self._words.clip, self._words.judging))
        return f"CLIP score {_signed(score)}; the judge’s {_signed(judge)}."

    @torch.no_grad()
    def table(self, v: nn.Module, x0: Tensor) -> list[dict[str, Any]]:
        """See ``Exhibit``: a row for each word, of the picture as the grid has it.

        "word"; "holds", whether it is true (None: not asked); "measured" in words; "falls", by how much the CLIP score
        falls without the word, None where the sentence would be none without it.
        """
        (x,) = self._words.push(v, x0)
        whole = float(self._words.clip.score(x[None], self._scene)[0])
        found = []
        for row, shorter in zip(self._words.table(x, self._scene), without(self._scene)):
            falls = None if shorter is None else whole - float(self._words.clip.score(x[None], shorter)[0])
            found.append({"word": row.word, "holds": row.holds, "measured": measured(row), "falls": falls})
        return found

    def reward_of(self, goal: float) -> float:
        """See ``Exhibit``: they are the same."""
        return goal


@functools.cache
def _set() -> Words:
    """What a run on the whole set learns from."""
    return Words(PROMPTS, new=())


def without(scene: Scene) -> list[Scene | None]:
    """For each row of ``captions.table`` the sentence without its word; None for number and thing."""
    found: list[Scene | None] = [None]
    for k, group in enumerate(scene.groups):
        found.append(None)
        less = (
            group.weight and replace(group, weight=None),
            group.lean and replace(group, lean=None),
            group.colour and replace(group, colour=None),
        )
        for other in (one for one in less if one):
            found.append(Scene((*scene.groups[:k], other, *scene.groups[k + 1 :]), scene.relation))
    if scene.relation is not None:
        found.append(Scene(scene.groups))
    return found


def measured(row: Row) -> str:
    """What was measured for a word, and what it has to reach, as one reads it."""
    value, limit = row.value, row.limit
    if math.isnan(value):
        return "no such thing to measure" if row.holds is False else "not asked"
    if row.kind == "number":
        return f"{value:.0f} thing{'' if value == 1 else 's'}; {limit:.0f} wanted"
    if row.kind == "relation":
        return f"{value:.0f}° off; at most {limit:.0f}°"
    bound = "at most" if row.word in ("thin", "upright") else "at least"
    if row.kind == "weight":
        return f"{value:.0f} pixels of ink; {bound} {limit:.0f}"
    what = {"lean": "leans by", "colour": "share of ink", "thing": "likeness"}[row.kind]
    if row.kind == "thing" and row.word in captions.DIGITS:
        what = "probability"
    return f"{what} {_signed(value)}; {bound} {_signed(limit)}"


_KINDS: dict[str, Callable[..., Exhibit]] = {
    "digits": DigitsExhibit,
    "photographs": PhotographsExhibit,
    "words": WordsExhibit,
}
_CHOSEN = {"digits": ("wanted",), "photographs": ("files",), "words": ("prompt", "lesson")}


def of(settings: ImageSettings) -> Exhibit:
    """What is shown with these settings. Takes seconds the first time; the last few are remembered."""
    return _made(settings.task, *(getattr(settings, name) for name in _CHOSEN[settings.task]))


@functools.lru_cache(KEPT)
def _made(task: str, *chosen: tuple[int, ...] | str) -> Exhibit:
    return _KINDS[task](*chosen)


def sheet(x: Tensor, columns: int) -> str:
    """Images (n, channels, height, width) side by side in rows of ``columns``: a PNG as a data URL.

    The last row is filled up with black.

    Raises:
        ValueError: ``x`` are no finite images of 1 or 3 channels.
    """
    from PIL import Image

    levels = torch.from_numpy(as_bytes(x))  # (n, height, width, channels)
    n, height, width, channels = levels.shape
    rows = -(-n // columns)
    whole = torch.zeros(rows * columns, height, width, channels, dtype=torch.uint8)
    whole[:n] = levels
    parted = whole.reshape(rows, columns, height, width, channels).transpose(1, 2)
    board = parted.reshape(rows * height, columns * width, channels).numpy()
    file = io.BytesIO()
    Image.fromarray(board[..., 0] if channels == 1 else board).save(file, "png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
