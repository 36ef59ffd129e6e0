"""Sheets of samples: images with their prompts and rewards as PNG, and what they amount to as lines of JSON.

A sheet shows the policy's images, another the reference's beside them from the same noise, so that one sees what has
changed. Both say for the images on them

- the mean reward;
- the diversity: the mean distance between two images of one prompt, in features, mean over prompts;
- ``W2^2`` to the reference's images in features: exact transport between the images of a prompt, mean over prompts.
  Images of different prompts are not exchanged, for p_ref(x | c) is what the W2 term holds each prompt to;
- ``moved``: the mean squared distance between the two images that came from one noise: the cost of one particular
  transport, and so at least W2^2;
- the ``floor``: W2^2 between the reference's images and as many others of the reference, from other noise.

With ``held_out`` prompts there is the mean reward on them too, ``reward_held_out`` beside the reference's: nothing is
learned on them, so it says what the rise on the others is worth where prompts are new.

How to read W2^2 of few images. Between two finite sets it overestimates: two draws of one law are the floor apart, and
the fewer images, the higher it is. Policy and reference start from the same noise, so W2^2 is exactly 0 while nothing
has been learned, and grows as images change. When their laws have so much moved that the common noise no longer tells,
it contains the floor. So: a value well below the floor says that images were changed a little and one by one; a value
at the floor can still mean equal laws; what is above the floor is a difference of the laws (expected, not a test: the
floor itself is one draw).
"""

import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orwlab import checks, files
from orwlab.large import rewards
from orwlab.large.settings import Settings
from orwlab.measure.distances import w2_squared
from orwlab.measure.samples import mean_pairwise_distance

WIDTH, MARGIN, GAP, APART = 1280, 28, 12, 36
"""of a sheet, in pixels; around it, between images, and between pairs of images"""
MOST_IN_A_ROW = 6
GROUND, INK, FAINT = "#FFFFFF", "#1B2430", "#5B6672"
NUMBERS = "numbers.jsonl"


@dataclass(frozen=True)
class Samples:
    """Images of some prompts, as many of each, and what is made of them; all on the CPU."""

    images: Tensor
    """(prompts, k, 3, height, width), in [0, 1]"""
    r: Tensor
    """rewards, (prompts, k)"""
    points: Tensor
    """features, (prompts, k, d)"""


def look(
    images: Tensor, prompts: Sequence[str], reward: rewards.Reward, features: rewards.Features = rewards.thumbnails
) -> Samples:
    """What there is to see of images.

    Args:
        images: (n, 3, height, width), in [0, 1]; as many in a row of each prompt, in their order.
        prompts: a text each.
        reward: (images, prompts) -> (n,).
        features: (n, 3, height, width) -> (n, d).

    Raises:
        ValueError: shapes that do not fit, or a reward that does not work.
    """
    told = list(prompts)
    if not told or len(images) % len(told):
        raise checks.fail("images", images, f"as many of each of the {len(told)} prompts")
    k = len(images) // len(told)
    r = rewards.values(reward, images, [prompt for prompt in told for _ in range(k)])
    points = features(images)
    if points.ndim != 2 or len(points) != len(images):
        raise checks.fail("features(images)", points, f"points of shape ({len(images)}, d)")
    shape = (len(told), k)
    return Samples(*(part.detach().float().cpu().unflatten(0, shape) for part in (images, r, points)))


def numbers(policy: Samples, reference: Samples, other: Samples) -> dict[str, Any]:
    """What images of the policy, of the reference from the same noise, and of the reference from other noise amount to.

    Rewards are means; distances squared are in the features' unit. Diversities are None where there is one image a
    prompt.
    """
    return {
        "images": policy.r.numel(),
        "reward": float(policy.r.mean()),
        "reward_reference": float(reference.r.mean()),
        "diversity": _diversity(policy),
        "diversity_reference": _diversity(reference),
        "w2_squared": _apart(policy, reference),
        "floor": _apart(reference, other),
        "moved": float((policy.points.double() - reference.points.double()).square().sum(-1).mean()),
        "rewards": policy.r.mean(1).tolist(),
        "rewards_reference": reference.r.mean(1).tolist(),
    }


def _diversity(samples: Samples) -> float | None:
    if samples.r.shape[1] < 2:
        return None
    return sum(mean_pairwise_distance(points) for points in samples.points) / len(samples.points)


def _apart(a: Samples, b: Samples) -> float:
    """``W2^2`` within prompts, mean over them."""
    return sum(w2_squared(x, y) for x, y in zip(a.points, b.points)) / len(a.points)


def keep(path: str | PathLike[str], row: dict[str, Any]) -> None:
    """Add a row to a file of JSON lines, whole or not at all, in the order of rounds and each round once.

    Rows of this round and of later ones, which a run left behind that was interrupted and went on from an earlier
    state, are replaced. So is a last line that was not written to its end.

    Args:
        path: the file; made if there is none.
        row: with a "round".

    Raises:
        ValueError: the file cannot be written.
    """
    before = [old for old in kept(path) if old["round"] < row["round"]]
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (*before, row))
    files.write_bytes(path, text.encode())


def kept(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """The rows of a file that ``keep`` has written; none if there is no such file. What is no row is passed over."""
    try:
        lines = Path(path).read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise checks.fail("path", str(path), f"a file that can be read ({error.strerror})") from None
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("round"), int):
            found.append(row)
    return found


class Sheets:
    """The sheets of a run and the numbers beside them.

    Args:
        settings: of the run: its folder, into which sheets go as ``sheets/*.png`` and numbers as ``numbers.jsonl``, and
            what sheets show.
        images: draws, as ``Training.images`` does: (prompts, each, of="average" or "reference") -> images, the same
            noise each time.
        reward: (images, prompts) -> (n,).
        features: (n, 3, height, width) -> (n, d).

    Raises:
        ValueError: a folder that cannot be made.
    """

    def __init__(
        self,
        settings: Settings,
        images: Callable[..., Tensor],
        reward: rewards.Reward,
        features: rewards.Features = rewards.thumbnails,
    ) -> None:
        self.settings, self._images, self._reward, self._features = settings, images, reward, features
        self._place = Path(settings.folder)
        self._unchanged: tuple[Samples, Samples] | None = None
        self._elsewhere: float | None = None
        try:
            (self._place / "sheets").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise checks.fail("folder", str(self._place), f"one that can be written to ({error.strerror})") from None

    def due(self, round: int) -> bool:
        """Whether a sheet of that round is wanted."""
        every = self.settings.sheet_every
        return bool(every) and round > 0 and (round % every == 0 or round == self.settings.rounds)

    def missing(self, round: int) -> bool:
        """Whether one is, and is not there: a run may have ended while it was drawn, and its numbers come last."""
        return self.due(round) and all(row["round"] != round for row in kept(self._place / NUMBERS))

    def add(self, round: int) -> dict[str, Any]:
        """Draw both sheets of a round, and keep its numbers: see ``numbers``, which are returned.

        Args:
            round: how many have been done.

        Raises:
            ValueError: the reward does not work, or nothing can be written.
        """
        settings = self.settings
        prompts, each = settings.sheet_prompts, settings.sheet_images
        if self._unchanged is None:  # the reference does not change: its two draws, from the policy's noise and another
            both = self._images([*prompts, *prompts], each, of="reference")
            halves = both.split(len(both) // 2)
            self._unchanged = self._look(halves[0]), self._look(halves[1])
        reference, other = self._unchanged
        policy = self._look(self._images(prompts, each, of="average"))
        found, about = numbers(policy, reference, other), f"tau {settings.tau:g}, alpha {settings.alpha:g}"
        if settings.held_out:
            if self._elsewhere is None:
                self._elsewhere = self._scored("reference")
            found |= {"reward_held_out": self._scored("average"), "reward_held_out_reference": self._elsewhere}
        for name, page in (
            (f"{round:06d}.png", sheet(prompts, policy, round, found, about)),
            (f"{round:06d}-beside-reference.png", beside(prompts, reference, policy, round, found, about)),
        ):
            held = io.BytesIO()
            page.save(held, "PNG")
            files.write_bytes(self._place / "sheets" / name, held.getvalue())
        row = {"round": round, "tau": settings.tau, "alpha": settings.alpha, **found, "prompts": list(prompts)}
        keep(self._place / NUMBERS, row)
        return row

    def _scored(self, of: str) -> float:
        """The mean reward of images of the prompts on which nothing is learned, from the same noise each time."""
        prompts, each = self.settings.held_out, self.settings.sheet_images
        told = [prompt for prompt in prompts for _ in range(each)]
        return float(rewards.values(self._reward, self._images(prompts, each, of=of), told).mean())

    def _look(self, images: Tensor) -> Samples:
        return look(images, self.settings.sheet_prompts, self._reward, self._features)


def told(found: dict[str, Any]) -> str:
    """What ``numbers`` are, in a line."""
    return " · ".join(_summary(found))


# Drawing --------------------------------------------------------------------------------------------------------------


def sheet(prompts: Sequence[str], samples: Samples, round: int, found: dict[str, Any], about: str = "") -> Any:
    """The images of ``samples``, a row for each prompt with rewards below, as a picture of pillow's."""
    said = _as_digits(samples.r)
    rows = [
        (prompt, [([image], said(r)) for image, r in zip(images, row)])
        for prompt, images, row in zip(prompts, samples.images, samples.r.tolist())
    ]
    return _page(f"Round {round}", _summary(found), about, rows)


def beside(
    prompts: Sequence[str], reference: Samples, policy: Samples, round: int, found: dict[str, Any], about: str = ""
) -> Any:
    """Pairs of images from one noise, the reference's on the left and the policy's on the right."""
    said = _as_digits(torch.cat([reference.r, policy.r]))
    rows = []
    for k, prompt in enumerate(prompts):
        before, after = reference.r[k].tolist(), policy.r[k].tolist()
        pairs = zip(reference.images[k], policy.images[k], before, after)
        rows.append((prompt, [([a, b], f"{said(r_a)} → {said(r_b)}") for a, b, r_a, r_b in pairs]))
    return _page(f"Round {round}: reference | policy, from the same noise", _summary(found), about, rows)


def _as_digits(r: Tensor) -> Callable[[float], str]:
    """How rewards are written: all with as many decimals, the largest with three digits."""
    decimals = 2 - math.floor(math.log10(max(float(r.abs().max()), 1e-9)))
    return lambda value: f"{value:.{min(max(decimals, 0), 9)}f}".replace("-", "\u2212")


def _summary(found: dict[str, Any]) -> list[str]:
    """What stands below the title."""
    both = torch.tensor([found["reward"], found["reward_reference"]])
    r, r_ref = map(_as_digits(both), both.tolist())
    said = [f"reward {r} (reference {r_ref})"]
    if found["diversity"] is not None:
        said.append(f"diversity {found['diversity']:.3g} (reference {found['diversity_reference']:.3g})")
    said.append(f"W2² to the reference {found['w2_squared']:.3g} (two draws of the reference {found['floor']:.3g})")
    if "reward_held_out" in found:
        both = torch.tensor([found["reward_held_out"], found["reward_held_out_reference"]])
        r, r_ref = map(_as_digits(both), both.tolist())
        said.append(f"on prompts held out {r} (reference {r_ref})")
    return [*said, f"{found['images']} images"]


def _page(
    title: str, said: Sequence[str], about: str, rows: Sequence[tuple[str, Sequence[tuple[list[Tensor], str]]]]
) -> Any:
    """A picture: title, numbers, rows."""
    from PIL import Image, ImageDraw

    large, plain, small = _font(30), _font(18), _font(16)
    inner = WIDTH - 2 * MARGIN
    groups = max(len(groups) for _, groups in rows)
    together = max(len(images) for _, groups_of in rows for images, _ in groups_of)
    across = min(groups, max(1, MOST_IN_A_ROW // together))
    lines = -(-groups // across)
    across = -(-groups // lines)  # as even as can be
    apart = APART if together > 1 else GAP
    side = (inner - apart * (across - 1) - (together - 1) * across * 2) // (across * together)
    side = min(side, 400)
    height = rows[0][1][0][0][0].shape[-2] * side // rows[0][1][0][0][0].shape[-1]
    heads = [_wrapped(prompt, plain, inner, 2) for prompt, _ in rows]
    below = _wrapped(" · ".join([*said, *([about] if about else [])]), plain, inner, 3)
    head = MARGIN + 44 + 26 * len(below) + 10
    tall = head + sum(26 * len(words) + 18 + lines * (height + 32) for words in heads) + MARGIN - 12
    page = Image.new("RGB", (WIDTH, tall), GROUND)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN - 6), title, font=large, fill=INK)
    for k, line in enumerate(below):
        pen.text((MARGIN, MARGIN + 40 + 26 * k), line, font=plain, fill=FAINT)
    top = head
    for (_, groups_of), words in zip(rows, heads):
        pen.line((MARGIN, top, WIDTH - MARGIN, top), fill="#D5DAE0")
        top += 8
        for line in words:
            pen.text((MARGIN, top), line, font=plain, fill=INK)
            top += 26
        top += 4
        for k, (images, caption) in enumerate(groups_of):
            left = MARGIN + (k % across) * (together * (side + 2) - 2 + apart)
            upper = top + (k // across) * (height + 32)
            for j, image in enumerate(images):
                page.paste(_picture(image, side, height), (left + j * (side + 2), upper))
            middle = left + (together * (side + 2) - 2) // 2
            pen.text((middle, upper + height + 4), caption, font=small, fill=INK, anchor="ma")
        top += lines * (height + 32) + 6
    return page


def _picture(image: Tensor, width: int, height: int) -> Any:
    """An image (3, height, width) in [0, 1], as large as wanted; the pixels of a small one stay squares."""
    from PIL import Image

    levels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    how = Image.Resampling.NEAREST if image.shape[-1] < width // 2 else Image.Resampling.LANCZOS
    return Image.fromarray(levels).resize((width, height), how)


def _font(size: int) -> Any:
    """A font with many letters if the machine has it, else pillow's own."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def _wrapped(text: str, font: Any, width: int, most: int) -> list[str]:
    """A text in lines that are not wider than ``width``; what does not fit into ``most`` of them is cut off."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most:
        fits = len(rest)
        while font.getlength(rest[:fits]) > width:
            fits -= 1
        if fits < len(rest):
            space = rest.rfind(" ", 1, fits + 1)
            fits = space if space > 0 else fits
        lines.append(rest[:fits].strip())
        rest = rest[fits:].strip()
    if rest:
        last = lines[-1]
        while last and font.getlength(f"{last}…") > width:
            last = last[:-1]
        lines[-1] = f"{last.rstrip()}…"
    return lines or [""]
