"""What one can choose where images are fine-tuned, and a run of theirs as one can tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orwlab import checks
from orwlab.show.lab.controls import BY_NAME, SEED_MAX, Choice, Control, Number, Scale, Sentence, Subset, Whole
from orwlab.tasks.digits import EVEN
from orwlab.tasks.words import PROMPTS

MOST = 500  # changes that a story keeps
LAST = 100_000  # round

TABLE: tuple[Control, ...] = (
    Choice(
        "task",
        "Images",
        "What the reference has learned, and what is paid for. Starts again.",
        {"digits": "Digits", "photographs": "Photographs", "words": "Words"},
        few=True,
        restarts=True,
    ),
    Subset(
        "wanted",
        "Wanted digits",
        "The reward is a small classifier’s probability of one of these. Starts again.",
        tuple(str(k) for k in range(10)),
        restarts=True,
    ),
    Choice(
        "files",
        "JPEG files",
        "The reward counts the bytes of each image as a JPEG. Starts again.",
        {"small": "Small files pay", "large": "Large files pay"},
        few=True,
        restarts=True,
    ),
    Sentence(
        "prompt",
        "Sentence",
        "What is drawn. Press Enter to draw another.",
        (
            PROMPTS[0],
            "two bold green sevens",
            "a thin black nine",
            "three purple rings",
            "a disc above a six",
        ),
    ),
    Choice(
        "lesson",
        "What is learned from",
        "From this sentence: another one starts again. From the set: the box only says what is drawn.",
        {"this": "This sentence", "set": "A set of hard sentences"},
        few=True,
        restarts=True,
    ),
    Number(
        "guidance",
        "Guidance of the reference",
        "At 1 there is none. More pushes the reference’s pictures towards the words while they are drawn; nothing is "
        "learned, and the other grids have none.",
        1.0,
        4.0,
        Scale(tuple(round(1 + k / 10, 1) for k in range(31)), (1, 2, 3, 4)),
        said="guidance",
    ),
    BY_NAME["alpha"],
    replace(
        BY_NAME["others"],
        help="Up to three more α, from the same seed and the same noise. Another number of them starts again.",
    ),
    Whole(
        "seed",
        "Seed",
        "The same seed and the same moves give the same images. A new one starts again.",
        0,
        SEED_MAX,
        restarts=True,
    ),
)
"""one for every field of ``ImageSettings``, in its order"""
CONTROLS: Mapping[str, Control] = {control.name: control for control in TABLE}
FROM_THE_START = tuple(control.name for control in TABLE if control.restarts)
OF_IMAGES, OF_WORDS = ("wanted", "files"), ("prompt", "lesson", "guidance")
"""what only images without words have, and only those with"""
ON_THE_WAY = ("alpha", "others", "prompt", "guidance")
"""what may change under a run: the only names in a log"""


@dataclass(frozen=True)
class ImageSettings:
    """What one can choose; ``TABLE`` says what is allowed. ``ValueError`` tells it in plain words.

    Args:
        task: "digits", "photographs" or "words".
        wanted: the digits that are paid for; at least one and not all.
        files: which photographs are paid for, those whose JPEG files are "small" or "large".
        prompt: the sentence that is drawn.
        lesson: what is learned from: "this" sentence or a "set" of others.
        guidance: of the reference's pictures of the sentence, 1 to 4; 1 is none.
        alpha: W2 weight of the first lane.
        others: up to three more alphas, from the same seed and noise.
        seed: of everything random.
    """

    task: str = "digits"
    wanted: tuple[int, ...] = EVEN
    files: str = "small"
    prompt: str = PROMPTS[0]
    lesson: str = "this"
    guidance: float = 1.0
    alpha: float = 0.2
    others: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for control in TABLE:
            object.__setattr__(self, control.name, control.check(getattr(self, control.name)))

    def changed(self, **changes: Any) -> "ImageSettings":
        """These settings with some others in place of theirs.

        Raises:
            ValueError: in plain words.
        """
        for name in changes:
            checks.choice("control", name, CONTROLS)
        return replace(self, **changes)

    @property
    def alphas(self) -> tuple[float, ...]:
        """The alpha of every lane."""
        return (self.alpha, *self.others)

    def starts_again(self, before: "ImageSettings") -> bool:
        """Whether coming from ``before`` means to start again from the reference."""
        changed = any(getattr(self, name) != getattr(before, name) for name in FROM_THE_START)
        return changed or self.taught != before.taught or len(self.others) != len(before.others)

    @property
    def taught(self) -> str | None:
        """The one sentence that is learned from, if it is one."""
        return self.prompt if self.task == "words" and self.lesson == "this" else None

    @property
    def view(self) -> tuple[str, float] | None:
        """What says how the noise is drawn, beside the networks: the sentence, and the reference's guidance."""
        return (self.prompt, self.guidance) if self.task == "words" else None

    def plain(self) -> dict[str, Any]:
        """As JSON has it, without what the task does not have."""
        without = OF_IMAGES if self.task == "words" else OF_WORDS
        found = {name: value for name, value in vars(self).items() if name not in without}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


Change = tuple[int, str, Any]
"""a round, one of ``ON_THE_WAY``, and the value that it took before the round after it"""


@dataclass(frozen=True)
class ImageStory:
    """All that decides a run: whoever repeats it gets the same images.

    Args:
        start: the settings at round 0.
        log: the changes since, in order. Of more than ``MOST`` every second one is kept.
        round: how far it went.
    """

    start: ImageSettings = field(default_factory=ImageSettings)
    log: tuple[Change, ...] = ()
    round: int = 0

    @classmethod
    def read(cls, given: Any) -> "ImageStory":
        """A story from outside, ``{"scene": {control: value}, "log": [[round, control, value], ...], "round": n}``.

        ``log`` and ``round`` may be missing. Controls that the scene leaves out have their defaults.

        Raises:
            ValueError: in plain words: it is no such thing, a value is not allowed, rounds go back or are above
                100,000, or there are too many changes.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("scene"), Mapping):
            raise checks.fail("scene", given, "controls and their values, such as {'alpha': 0.3}")
        story = cls(ImageSettings().changed(**given["scene"]))
        log = given.get("log", ())
        if not isinstance(log, list | tuple) or len(log) > MOST:
            raise checks.fail("log", log, f"a list of at most {MOST} changes, each [round, control, value]")
        at = 0
        for entry in log:
            if not isinstance(entry, list | tuple) or len(entry) != 3:
                raise checks.fail("change", entry, "[round, control, value]")
            at = checks.integer("round of a change", entry[0], low=at, high=LAST)
            name = checks.choice("control of a change", entry[1], ON_THE_WAY)
            settings = story.settings.changed(**{name: entry[2]})
            if settings.taught != story.start.taught:
                raise checks.fail("sentence", entry[2], "the one that is learned from, as at the beginning")
            if settings.starts_again(story.start):
                raise checks.fail("further α", entry[2], f"as many as at the beginning, {len(story.start.others)}")
            story = story.changed(at, name, getattr(settings, name))
        return replace(story, round=checks.integer("round", given.get("round", at), low=at, high=LAST))

    @property
    def settings(self) -> ImageSettings:
        """The settings at its end."""
        return self.at(LAST)

    def at(self, round: int) -> ImageSettings:
        """The settings for the round after ``round``."""
        changes = {name: value for when, name, value in self.log if when <= round}
        return replace(self.start, **changes) if changes else self.start

    def changed(self, round: int, name: str, value: Any) -> "ImageStory":
        """With this change after ``round`` rounds; in place of what the same control was told there before."""
        log = [*(change for change in self.log if change[:2] != (round, name)), (round, name, value)]
        if len(log) > MOST:
            log = [*log[:-1:2], log[-1]]
        return replace(self, log=tuple(log), round=max(self.round, round))

    def plain(self) -> dict[str, Any]:
        """What ``read`` takes, as JSON has it; of the scene only what differs from the defaults."""
        scene = self.at(0).plain()
        usual = ImageSettings(task=scene["task"]).plain() | {"task": ImageSettings.task}
        log = [[at, name, list(value) if isinstance(value, tuple) else value] for at, name, value in self.log if at > 0]
        return {
            "scene": {name: value for name, value in scene.items() if value != usual[name]},
            "log": log,
            "round": self.round,
        }
