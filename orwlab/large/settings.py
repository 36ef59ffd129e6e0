"""What a ``train.yaml`` says: every setting with its default, checked before anything is computed.

    settings = read("train.yaml")
    settings = Settings(model="my-sd3", prompts=["a red fox", "a blue owl"], folder="run", rounds=10)

Paths in a file are relative to the file. What is wrong is one sentence that names the setting, its value, what is
allowed, and the line.
"""

import re
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from orwlab import checks, written
from orwlab.weights import WITHIN

LARGEST = 2**20  # characters of a train.yaml, and of a prompt file
MOST = 20_000  # names and values in it
LONGEST = 2000  # characters of a prompt
SHEET_PROMPTS = 4  # how many are on a sheet if nothing is said


def _check(check: Any, **limits: Any) -> BeforeValidator:
    """One of ``checks``, with the setting's own name: what people have at hand is taken as everywhere in orwlab."""

    def checked(value: Any, info: ValidationInfo) -> Any:
        return check(info.field_name, value, **limits)

    return BeforeValidator(checked)


def _perhaps(check: Any, **limits: Any) -> BeforeValidator:
    """The same for a setting that may be null."""

    def checked(value: Any, info: ValidationInfo) -> Any:
        return None if value is None else check(info.field_name, value, **limits)

    return BeforeValidator(checked)


def _text(name: str | None, value: Any) -> str:
    """``value`` must be a text with something in it."""
    value = str(value) if isinstance(value, PathLike) else value
    if not isinstance(value, str):
        raise checks.fail(str(name), value, "a text; quote it if it looks like a number")
    if not value.strip() or not value.isprintable():
        raise checks.fail(str(name), value, "a text in one line, with something in it")
    return value.strip()


def _switch(value: Any, info: ValidationInfo) -> bool:
    """As ``checks.yes_or_no``, in the words of YAML."""
    if not isinstance(value, bool):
        raise checks.fail(str(info.field_name), value, "true or false")
    return value


def _pixels(value: Any, info: ValidationInfo) -> int | tuple[int, int] | None:
    """One whole number, or two."""
    name, each = str(info.field_name), dict(low=8, high=4096)
    if not isinstance(value, list | tuple):
        return None if value is None else checks.integer(name, value, **each)
    if len(value) != 2:
        raise checks.fail(name, value, "a whole number of pixels, or two: [height, width]")
    height, width = (checks.integer(name, one, **each) for one in value)
    return height if height == width else (height, width)


def _resume(value: Any, info: ValidationInfo) -> bool | str:
    """A switch with a third side."""
    if not isinstance(value, bool) and value != "anyway":
        raise checks.fail(str(info.field_name), value, "true or false, or anyway")
    return value


def _home(info: ValidationInfo) -> Path:
    return (info.context or {})["home"]


def _folder(value: Any, info: ValidationInfo) -> Path:
    """Where the run is kept: relative names are seen from home."""
    return _home(info) / Path(_text(info.field_name, value)).expanduser()


def _model(value: Any, info: ValidationInfo) -> str:
    """A folder, if there is one of that name; else a name on the hub."""
    name = _text(info.field_name, value)
    place = _home(info) / Path(name).expanduser()
    return str(place) if place.is_dir() else name


def _model_or_none(value: Any, info: ValidationInfo) -> str | None:
    return None if value is None else _model(value, info)


def _place(value: Any, info: ValidationInfo) -> str | None:
    """A file or a folder that is there; relative names are seen from home."""
    if value is None:
        return None
    place = _home(info) / Path(_text(info.field_name, value)).expanduser()
    if not place.exists():
        raise checks.fail(str(info.field_name), value, f"a file or folder that is there, not {place}")
    return str(place)


def _prompts(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """A list of prompts, or a file of them."""
    name = str(info.field_name)
    if isinstance(value, str | PathLike):
        return _prompts_in(name, _text(name, value), _home(info))
    if not isinstance(value, list | tuple):
        raise checks.fail(name, value, "a list of prompts, or the name of a text file with one a line")
    if not value:
        raise ValueError(f"{name} is empty; allowed: at least one prompt")
    return tuple(_prompt(f"{name}[{k + 1}]", prompt) for k, prompt in enumerate(value))


def _prompts_in(name: str, given: str, home: Path) -> tuple[str, ...]:
    path = home / Path(given).expanduser()
    if path.is_dir():
        raise checks.fail(name, given, "a text file with one prompt a line, not a folder")
    try:
        raw = path.read_bytes()
    except OSError as error:
        allowed = f"a list of prompts, or the name of a text file with one a line ({path}: {error.strerror})"
        raise checks.fail(name, given, allowed) from None
    if len(raw) > LARGEST:
        raise checks.fail(name, given, f"a text file of at most {LARGEST} bytes; it has {len(raw)}")
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise checks.fail(name, given, f"a text file in UTF-8; its line {line} is not") from None
    found = tuple(
        _prompt(f"{name} in {path.name}, line {k + 1},", text) for k, text in enumerate(lines) if text.strip()
    )
    if not found:
        raise checks.fail(name, given, "a text file with at least one prompt; it is empty")
    return found


def _prompt(name: str, value: Any) -> str:
    text = _text(name, value)
    if len(text) > LONGEST:
        raise checks.fail(name, text, f"at most {LONGEST} characters")
    return text


def _sheet_prompts(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """Prompts, or how many of the first."""
    prompts = info.data.get("prompts")
    if prompts is None:  # they are wrong, and that will be said
        return ()
    if value is None:
        return prompts[:SHEET_PROMPTS]
    if isinstance(value, str | PathLike | list | tuple):
        return _prompts(value, info)
    return prompts[: checks.integer(str(info.field_name), value, high=len(prompts))]


def _held_out(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """Prompts, or none."""
    found = () if value is None else _prompts(value, info)
    both = [prompt for prompt in found if prompt in (info.data.get("prompts") or ())]
    if both:
        raise checks.fail(str(info.field_name), both[0], "prompts that are not among those on which it learns")
    return found


Text = Annotated[str, _check(_text)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Count = Annotated[int, _check(checks.integer)]
Prompts = Annotated[tuple[str, ...], BeforeValidator(_prompts)]


class Settings(BaseModel):
    """A run: model, prompts, reward, method, and where it is kept.

    Args:
        home: the folder from which relative paths, and the module of a reward, are seen: of the file, if the settings
            are from one; else where Python was started. Not a setting itself.

    All else are the fields below, with what they mean.

    Raises:
        ValueError: a setting is missing, unknown or out of range, or two do not fit each other; the message begins with
            its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    # what is fine-tuned, and on what
    model: Annotated[str, BeforeValidator(_model)] = Field(
        description="a Stable Diffusion 3 or Flux pipeline: its name on the Hugging Face hub, or a folder"
    )
    revision: Annotated[str | None, _perhaps(_text)] = Field(
        None, description="of the model on the hub; null: the newest"
    )
    resolution: Annotated[int | tuple[int, int] | None, BeforeValidator(_pixels)] = Field(
        None, description="of the images in pixels: a number, or [height, width]; null: the model's own"
    )
    prompts: Prompts = Field(description="a list, or the name of a text file with one a line")

    # what it is to become
    reward: Text = Field("clip", description="clip, or module:function, any (images, prompts) -> (n,)")
    clip_model: Annotated[str | None, BeforeValidator(_model_or_none)] = Field(
        "openai/clip-vit-large-patch14",
        description="a CLIP or SigLIP: the reward clip, and what sheets compare images in; null: in pixels",
    )
    tau: Annotated[float, _check(checks.number, low=0.0)] = Field(
        1.0, description="inverse temperature of the weights; CLIP scores lie hundredths apart: 30 or more"
    )
    alpha: Annotated[float, _check(checks.number, low=0.0)] = Field(1.0, description="coefficient of the W2 term")
    weighting: Annotated[str, _check(checks.choice, allowed=WITHIN)] = Field(
        "mean_one", description=f"of a prompt's images against one another: {', '.join(WITHIN)}"
    )
    threshold: Annotated[float | None, _perhaps(checks.number)] = Field(
        None, description="of the reward; for the weighting above, and only for that"
    )

    # how it learns
    rounds: Count = Field(100, description="draws of images")
    prompts_a_round: Count = Field(8, description="how many different ones; all, if there are fewer")
    images_a_prompt: Annotated[int, _check(checks.integer, low=2)] = Field(
        8, description="in a round; they are weighed against one another"
    )
    steps_per_round: Count = Field(1, description="gradient steps on each draw, each of them on all of it")
    micro_batch: Count = Field(4, description="images at once through the network, on each device")
    lr: Annotated[float, _check(checks.number, above=0.0)] = Field(1e-4, description="the optimiser's learning rate")
    warmup_steps: Annotated[int, _check(checks.integer, low=0)] = Field(
        0, description="gradient steps on which lr rises to its value in a straight line"
    )
    max_grad_norm: Annotated[float | None, _perhaps(checks.number, above=0.0)] = Field(
        None, description="a longer gradient, of all adapters together, is cut to this length; null: none is"
    )
    rank: Count = Field(16, description="of the low-rank adapters")
    lora: Annotated[str | None, BeforeValidator(_place)] = Field(
        None,
        description="a file or folder of adapters to begin with, of diffusers or peft; null: they begin as nothing",
    )
    average_decay: Annotated[float, _check(checks.number, low=0.0, high=1.0)] = Field(
        0.98, description="what a gradient step leaves of the running average, which sheets show"
    )
    seed: Annotated[int, _check(checks.seed)] = Field(0, description="of everything random")

    # how images are drawn
    sampler_steps: Count = Field(20, description="of the pipeline's own scheduler")
    guidance: Annotated[float, _check(checks.number, low=1.0)] = Field(
        1.0, description="1: none, as the theory has it; Flux is told this number as one of its inputs"
    )

    # on which machine
    device: Annotated[str, _check(checks.choice, allowed=("auto", "cuda", "cpu"))] = Field(
        "auto", description="auto, cuda or cpu; auto is a GPU if there is one"
    )
    precision: Annotated[str, _check(checks.choice, allowed=("bf16", "fp16", "fp32"))] = Field(
        "bf16", description="of the frozen network: bf16, fp16 or fp32; what learns is always fp32"
    )
    gradient_checkpointing: Switch = Field(True, description="less memory for about a third more time")
    eight_bit: Switch = Field(False, description="the optimiser's moments in eight bits; needs bitsandbytes")

    # what is kept and shown
    folder: Annotated[Path, BeforeValidator(_folder)] = Field(description="where the run is kept; made if need be")
    save_every: Count = Field(10, description="rounds between two states on the disk")
    keep_every: Annotated[int, _check(checks.integer, low=0)] = Field(
        0, description="rounds between two states that stay, in kept/; 0: only the last two are there"
    )
    sheet_every: Annotated[int, _check(checks.integer, low=0)] = Field(
        10, description="rounds between two sheets of samples; 0: none"
    )
    sheet_prompts: Annotated[tuple[str, ...], BeforeValidator(_sheet_prompts)] = Field(
        None,  # type: ignore[arg-type]  # until the prompts are known
        description=f"a list, a file, or how many of the first; null: the first {SHEET_PROMPTS}",
    )
    sheet_images: Count = Field(4, description="of each prompt, on a sheet")
    held_out: Annotated[tuple[str, ...], BeforeValidator(_held_out)] = Field(
        None,  # type: ignore[arg-type]
        description="prompts that nothing is learned on, a list or a file: sheets say their reward; null: none",
    )
    tracker: Annotated[str, _check(checks.choice, allowed=("tensorboard", "none"))] = Field(
        "tensorboard", description="where curves go: tensorboard or none"
    )
    resume: Annotated[bool | str, BeforeValidator(_resume)] = Field(
        True, description="go on from the folder's state; false: it must have none; anyway: with another reward too"
    )

    _home: Path = PrivateAttr()

    def __init__(self, home: str | PathLike[str] | None = None, /, **values: Any) -> None:
        place = Path.cwd() if home is None else checks.folder("home", home).absolute()
        try:
            self.__pydantic_validator__.validate_python(values, self_instance=self, context={"home": place})
        except ValidationError as error:
            raise ValueError(_said(error)) from None
        self._home = place

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """What depends on more than one setting. A default gives way; what somebody chose is refused."""
        self._limit("prompts_a_round", len(self.prompts), "as many as there are prompts")
        self._limit("micro_batch", self.images_a_round, "the images of a round")
        if self.threshold is None and self.weighting == "above":
            raise ValueError("threshold is missing; allowed: a number, the reward above which an image weighs")
        if self.threshold is not None and self.weighting != "above":
            raise checks.fail("threshold", self.threshold, f"none, as the weighting is {self.weighting!r}")
        if self.reward != "clip" and not re.fullmatch(r"[\w.]+:[\w.]+", self.reward):
            raise checks.fail(
                "reward", self.reward, "clip, or module:function of a module beside this file or installed"
            )
        if self.reward == "clip" and self.clip_model is None:
            raise ValueError("clip_model is null; allowed: a CLIP or SigLIP, as the reward is clip")
        return self

    def _limit(self, name: str, most: int, which: str) -> None:
        if getattr(self, name) > most:
            if name in self.model_fields_set:
                raise checks.fail(name, getattr(self, name), f"a whole number from 1 to {most}, {which}")
            self.__dict__[name] = most

    @property
    def home(self) -> Path:
        """The folder from which the reward's module is seen."""
        return self._home

    @property
    def images_a_round(self) -> int:
        """All that are drawn in one: the global batch."""
        return self.prompts_a_round * self.images_a_prompt

    def changed(self, **values: Any) -> "Settings":
        """The same with other values, checked again."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return Settings(self.home, **(given | values))

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return self.model_dump(mode="json")

    def goes_on(self, kept: Mapping[str, Any], but: Collection[str] = ()) -> None:
        """Whether a run with these settings may go on from one that was kept with others.

        Model and reward are not compared here by their names: what they are counts, and is known once they are loaded.

        Args:
            kept: what ``as_json`` gave then.
            but: settings that may differ.

        Raises:
            ValueError: a setting differs on which the numbers depend; the message begins with its name.
        """
        now = self.as_json()
        for name in now:
            before = kept.get(name, type(self).model_fields[name].default)  # one that there was not then
            if name not in FREE and name not in but and now[name] != before:
                said, was = (f"{_plain(value):.120}" for value in (now[name], before))
                begun = f"{was}, with which the run in {self.folder} was begun; or another folder"
                hatch = "; or resume: anyway, to go on with this one" if name in STEERED else ""
                raise ValueError(f"{name} is {said}; allowed: {begun}{hatch}")


FREE = (
    *("folder", "resume", "rounds", "save_every", "sheet_every", "sheet_prompts", "sheet_images", "tracker"),
    *("held_out", "keep_every"),
    *("micro_batch", "gradient_checkpointing", "device"),
    *("model", "revision", "reward", "clip_model", "lora"),
)
"""settings that a run may change on its way: what is learned does not depend on them, or only in its last digits; or,
as for the last, not on the name, but on what it stands for (``origin``)"""

STEERED = ("lr", "tau", "alpha", "warmup_steps", "max_grad_norm")
"""settings that a run may change if it has diverged, or if ``resume`` is "anyway"; its history has them"""


def read(path: str | PathLike[str], **values: Any) -> Settings:
    """The settings in a file, with those that are given in place of the file's.

    Args:
        path: a ``train.yaml``.
        values: settings that somebody has chosen elsewhere, such as at the command line.

    Raises:
        ValueError: there is no such file, or it is wrong; the message names the file and the line.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not in UTF-8; allowed: a text file in YAML") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; allowed: a text file in YAML") from None
    if len(text) > LARGEST:
        raise ValueError(f"{path} has {len(text)} characters; allowed: at most {LARGEST}")
    try:
        file = written.read(text, "file", most=MOST)
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None
    if not isinstance(file.value, dict):
        what = "is empty" if file.value is None else "is no table"
        raise ValueError(f"{path} {what}; allowed: a line for each setting, such as tau: 1.0")
    try:
        return Settings(path.parent, **(file.value | values))
    except ValueError as error:
        said = str(error).replace(" is None;", " is null;")
        name = _speaks_of(said, [*file.value, *values])
        if name in values:  # it is not the file's
            raise ValueError(said) from None
        raise ValueError(f"{path}{_line(file, name, said)}: {said}") from None


_BEGIN = {
    "model": "What is fine-tuned, and on what",
    "reward": "What it is to become",
    "rounds": "How it learns: a round is a draw of images and the gradient steps on it",
    "sampler_steps": "How images are drawn",
    "device": "On which machine",
    "folder": "What is kept and shown",
}
_EXAMPLES = {
    "model": "stabilityai/stable-diffusion-3-medium-diffusers",
    "prompts": [
        *("a red fox in the snow", "two blue owls on a branch", "a lighthouse at night", "an empty street after rain"),
        *("three green apples", "a cat on a sofa", "a bridge over a river", "a child's drawing of a house"),
    ],
    "folder": "run",
}


def example() -> str:
    """A ``train.yaml`` with every setting, its default and what it is."""
    lines = [
        "# Fine-tune a text-to-image flow towards a reward: python -m orwlab.large train.yaml",
        "# Paths are relative to this file. What is left out has the value that stands here.",
    ]
    for name, field in Settings.model_fields.items():
        if name in _BEGIN:
            lines += ["", f"# {_BEGIN[name]}"]
        value = _EXAMPLES.get(name, field.default)
        said = f"# {field.description}"
        if isinstance(value, list):
            written_down, more = f"{name}:", [f"  - {entry}" for entry in value]
        else:
            written_down, more = f"{name}: {_plain(value)}", []
        lines += [f"{written_down:34}{said}" if len(written_down) < 34 else f"{written_down}  {said}", *more]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    """A value as YAML has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) and value != int(value) else str(value)


def _speaks_of(said: str, names: list[str]) -> str | None:
    """The setting of which a sentence speaks: it begins with its name."""
    return next((name for name in names if re.match(rf"{re.escape(written.named([name]))}(?!\w)", said)), None)


def _line(file: written.Written, name: str | None, said: str) -> str:
    """Where that is in the file; nothing if it is not there."""
    if name is None:
        return ""
    entry = re.match(r"\w+\[(\d+)\]", said)
    return f", line {file.line([name, int(entry[1]) - 1] if entry else [name])}"


def _said(error: ValidationError) -> str:
    """The first thing that is wrong, as a sentence that begins with the setting's name."""
    faults = error.errors(include_url=False)
    for fault in sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden"):  # a slip makes others missing
        name = written.named(fault["loc"]) or "''"
        if fault["type"] == "value_error":
            return str(fault["ctx"]["error"])
        if fault["type"] == "extra_forbidden":
            meant = written.nearest(str(fault["loc"][0]), list(Settings.model_fields))
            allowed = f"did you mean {meant}?" if meant else f"allowed: {', '.join(Settings.model_fields)}"
            return f"{name} is not known; {allowed}"
        return written.complaint(fault, fault["loc"])
    raise AssertionError("an error without a fault")
