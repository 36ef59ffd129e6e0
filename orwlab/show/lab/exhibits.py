"""What is shown of a task on images: how many of them, what is read off them and how often, and all of it in words."""

import base64
import functools
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from orwlab import rewards
from orwlab.data import as_bytes
from orwlab.show.lab.image_settings import ImageSettings
from orwlab.tasks import images
from orwlab.tasks.digits import Digits
from orwlab.tasks.images import Task
from orwlab.tasks.photographs import Photographs

LEAVING = 0.1  # share of images unlike any real one, from which it is told
HACKED = 0.5  # share of images unlike any real one, from which that is what is said
GAP = 0.1  # between what the reward and what the judge say
VANISHED = 0.15  # of an even split: a wanted digit with a smaller share is called nearly gone
ALIKE = 0.75  # of the reference's diversity within a digit
UNCOVERED = 0.1  # of the photographs: less is called a collapse
MOVED = 0.05  # of the scale of the reward: less is called about the same as before
KEPT = 4  # exhibits that a process remembers

Read = dict[str, float]
"""what was read off the images, by its key"""


@dataclass(frozen=True)
class Words:
    """One number: its key in a ``Read``, what it is called, whether it is a "share" or a "count", and what it means."""

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
    numbers: tuple[Words, ...]
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

    def noise(self, seed: int) -> Tensor:
        """The noise behind the images: the same for every lane and for the reference."""
        return self.task.noise(self.judged, seed)

    @functools.cached_property
    def rewards(self) -> Tensor:
        """Of the reference's own samples, (rewarded,)."""
        x = images.push(self.task.reference, self.task.noise(self.rewarded, seed=2**32 - 1))
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
        }


class DigitsExhibit(Exhibit):
    """Handwritten digits; the reward is a classifier's probability of the ``wanted`` ones, 0 .. 9."""

    name = "digits"
    columns, shown, judged = 8, 64, 256
    drawn_every, measured_every, near_rest, rewarded = 2, 8, 150, 1024
    together, goal = True, 0.8
    numbers = (
        Words("reward", "Reward", "share", "Paid for: the mean probability of a wanted digit, by the classifier."),
        Words("judge", "Judge", "share", "The same, by a network that nothing is optimised for."),
        Words("off_data", "Unlike any digit", "share", "Farther from every real digit than real ones are."),
        Words("smallest", "Rarest wanted", "share", "Its share, of an even split among the wanted ones."),
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
        Words("bytes", "Bytes", "count", "Paid for: the mean size of an image as a JPEG, after its header."),
        Words("coverage", "Coverage", "share", "Real photographs with one of these images near: is all still there?"),
        Words("precision", "Precision", "share", "Images that are near a real photograph: do they look like one?"),
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


_KINDS: dict[str, Callable[[Any], Exhibit]] = {"digits": DigitsExhibit, "photographs": PhotographsExhibit}


def of(settings: ImageSettings) -> Exhibit:
    """What is shown with these settings. Takes seconds the first time; the last few are remembered."""
    return _made(settings.task, settings.wanted if settings.task == "digits" else settings.files)


@functools.lru_cache(KEPT)
def _made(task: str, chosen: tuple[int, ...] | str) -> Exhibit:
    return _KINDS[task](chosen)


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


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
