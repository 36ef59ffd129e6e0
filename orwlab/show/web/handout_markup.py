"""HTML of a lesson's handout: what a class writes its predictions on, with the answers on a page to be cut off.

It is printed, or kept as a PDF by the browser. ``handout.css`` says what it looks like on paper and on a screen.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from html import escape

import numpy as np

from orwlab.show.classroom.lesson import Alpha, Ask, Choose, Curve, Lesson, Order, Place, Scene
from orwlab.show.classroom.store import LENGTH
from orwlab.show.lab import own
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.controls import Choice as Choices
from orwlab.show.lab.formula import PREFIX as FORMULA
from orwlab.show.stage import frames, scenes
from orwlab.show.web import classroom_assets

GRID = 64
"""points a side on which contours are looked for: cells of four pixels"""
PLANE = 240
"""pixels a side of a plane"""
WIDE, HIGH = 296, 190
"""pixels of a curve's axes: as wide as a phone is, so that their numbers are not drawn smaller"""
MARGIN = 34
"""pixels beside axes, for their numbers"""
STEPS = (0.25, 0.5, 0.75)
"""from the least reward on show to the largest: where its contours are"""
NAMES = {
    "reward": "mean reward",
    "diversity": "diversity",
    "w2": "distance W₂²",
    "effective": "share of effective samples",
}
"""what is read off a model, in words"""
IN_THE_ROOM = "Worked out in the room"


def handout(lesson: Lesson, up: str, back: tuple[str, str] = ("classroom", "Back to the Classroom")) -> str:
    """The page.

    Args:
        lesson: what it is of. All of its texts are shown as texts.
        up: the way from its address to the app's, "./" or "../"; "" where its style and script lie beside it.
        back: where its link leads, from the app's address on, and that link's words.
    """
    style, code = classroom_assets.address("handout", "css"), classroom_assets.address("handout", "js")
    title = escape(lesson.title)
    about = f'<p class="about">{escape(lesson.about)}</p>' if lesson.about else ""
    notes = f"<p>{escape(lesson.notes)}</p>" if lesson.notes else ""
    parts = "".join(_scene(k, scene) for k, scene in enumerate(lesson.scenes, 1))
    answers = "".join(_answer(k, scene) for k, scene in enumerate(lesson.scenes, 1))
    boxes = '<span class="box"></span>' * LENGTH
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Handout: {title}</title>
<link rel="icon" type="image/svg+xml" href="{up}favicon.ico"><link rel="stylesheet" href="{up}{style}">
<script src="{up}{code}" defer></script></head>
<body><main>
<p class="screen"><button type="button" class="print">Print</button>
<a href="{up}{back[0]}">{escape(back[1])}</a></p>
<header>
<p class="who"><span>Name<span class="line"></span></span><span>Date<span class="line"></span></span></p>
<h1>{title}</h1>
{about}
<p class="facts">{_minutes(lesson)} Write each guess down <b>before</b> anything runs: a wrong guess on paper teaches
more than a right one that is not.</p>
<p class="join">To join by phone: the address that the projector shows, ending in <b>/join</b>, and the code
<span class="code" role="img" aria-label="a box for each letter of the code">{boxes}</span></p>
</header>
{parts}
<section class="teacher"><h2>For the teacher: cut off</h2>
<p class="join">Open a room with this lesson in the Classroom. Students go to the app's address with <b>/join</b> at its
end, and type the code that the room shows; or they read the square code with a phone's camera.</p>
{notes}
<ol class="answers">{answers}</ol></section>
</main></body></html>
"""


def _minutes(lesson: Lesson) -> str:
    return f"{lesson.minutes} minute{'s' * (lesson.minutes != 1)}."


# A scene --------------------------------------------------------------------------------------------------------------


def _scene(number: int, scene: Scene) -> str:
    """A scene without its answer, with room to predict by pen."""
    say = f'<p class="say">{escape(scene.say)}</p>' if scene.say else ""
    title = f"<h2>{number}. {escape(scene.title)}</h2>"
    if scene.ask is None:
        return f'<section class="scene">{title}{say}<p class="write">What I see<span class="line"></span></p></section>'
    points = '<p class="points">Points<span class="line"></span></p>'
    asked = f'{say}<p class="prompt">{escape(scene.ask.prompt)}</p>'
    line = '<p class="write"><span class="line"></span></p>'
    why = f'<div class="why"><p class="write">Why?<span class="line"></span></p>{line}{line}</div>'
    space = _space(scene.ask, scene)
    if isinstance(scene.ask, Place | Curve):  # a large picture has all else at its left
        body = f'<div class="wide">{asked}{why}</div>{space}'
    else:
        body = f'<div class="above">{asked}</div><div class="wide">{space}</div>{why}'
    return f'<section class="scene asked"><div class="head">{title}{points}</div>{body}</section>'


def _space(ask: Ask, scene: Scene) -> str:
    """Where a guess is written."""
    if isinstance(ask, Choose):
        rows = "".join(
            f'<li><span class="box"></span><b>{_letter(k)}</b> {escape(option)}</li>'
            for k, option in enumerate(ask.options)
        )
        return f'<ul class="options">{rows}</ul>'
    if isinstance(ask, Alpha):
        return f'<figure>{_alphas()}</figure><p class="write">My guess: α =<span class="line short"></span></p>'
    if isinstance(ask, Place):
        settings = scene.seen.story.settings
        return f"<figure>{_plane(settings.target, settings.reward)}</figure>"
    if isinstance(ask, Curve):
        return f"<figure>{_axes(NAMES[ask.of], scene.rounds, ask.low, ask.high)}</figure>"
    cards = "".join(f'<li>α = {alpha:g}<span class="box"></span></li>' for alpha in scene.seen.story.settings.alphas)
    many = len(scene.seen.story.settings.alphas)
    return (
        f'<ul class="ranks">{cards}</ul><p class="small">1: the least {NAMES[ask.by]}; {many}: the most. Each number '
        "once.</p>"
    )


def _letter(k: int) -> str:
    return "ABCDEF"[k]


# Answers --------------------------------------------------------------------------------------------------------------


def _answer(number: int, scene: Scene) -> str:
    """What the file says is right, and why."""
    said = "" if scene.ask is None else f"<br>{escape(_right(scene.ask))}"
    why = f"<br>{escape(scene.why)}" if scene.why else ""
    return f'<li value="{number}"><b>{escape(scene.title)}</b>{said}{why}</li>'


def _right(ask: Ask) -> str:
    poll = "A poll: nothing is right or wrong."
    if isinstance(ask, Choose):
        return poll if ask.answer is None else f"{_letter(ask.answer - 1)}: {ask.options[ask.answer - 1]}"
    if isinstance(ask, Alpha):
        if ask.goal is not None:
            return f"{IN_THE_ROOM}: the α at which the exact limit has {NAMES[ask.goal.reading]} {ask.goal.value:g}."
        return poll if ask.answer is None else f"α = {ask.answer:g}"
    if isinstance(ask, Place):
        if ask.answer == "peak":
            return f"{IN_THE_ROOM}: where the exact limit is densest."
        if ask.answer == "first_to_die":
            return f"{IN_THE_ROOM}: the middle of the place that the exact rounds empty first."
        return poll if ask.answer is None else f"x = {ask.answer[0]:g}, y = {ask.answer[1]:g}"
    if isinstance(ask, Curve):
        return f"{IN_THE_ROOM}: {NAMES[ask.of]} as the run has it."
    assert isinstance(ask, Order)
    return f"{IN_THE_ROOM}: by {NAMES[ask.by]} in the exact limits."


# Axes -----------------------------------------------------------------------------------------------------------------


def _svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """A picture whose units are pixels, so that its letters have the size they say."""
    return (
        f'<svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "axis") -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _alphas() -> str:
    """A logarithmic axis from 0.01 to 100, with a place of its own for 0."""
    left, first, last, y = 12.0, 48.0, WIDE - 16.0, 18.0
    decade = (last - first) / 4
    parts = [_line(first, y, last, y), _line(left, y - 7, left, y + 7), _text(left, y + 24, "0")]
    parts.append(f'<path class="axis gap" d="M{left} {y}L{first} {y}"/>')
    for power in range(-2, 3):
        x = first + (power + 2) * decade
        parts += [_line(x, y - 7, x, y + 7), _text(x, y + 24, f"{10.0**power:g}")]
        if power < 2:
            parts += [_line(at, y - 3, at, y + 3) for at in (x + decade * math.log10(k) for k in range(2, 10))]
    return _svg(WIDE, 48, "an axis for α: 0, then from 0.01 to 100, each step ten times the one before", parts)


def _axes(name: str, rounds: int, low: float, high: float) -> str:
    """Empty axes: ``name`` from ``low`` to ``high`` over rounds."""
    left, top, right, bottom = 46.0, 20.0, WIDE - 12.0, HIGH - 36.0
    parts = [_text(4, 12, name, "start"), _text((left + right) / 2, HIGH - 4, "round")]
    for x, share in _ticks(0, rounds):
        place = left + (right - left) * share
        parts += [_line(place, top, place, bottom, "grid"), _text(place, bottom + 16, f"{x:g}")]
    for y, share in _ticks(low, high):
        place = bottom - (bottom - top) * share
        parts += [_line(left, place, right, place, "grid"), _text(left - 6, place + 4, f"{y:.6g}", "end")]
    parts += [_line(left, top, left, bottom), _line(left, bottom, right, bottom)]
    return _svg(WIDE, HIGH, f"empty axes: {name} from {low:g} to {high:g} over {rounds} rounds", parts)


def _ticks(low: float, high: float) -> list[tuple[float, float]]:
    """Round numbers from ``low`` to ``high``, each with how far it is on the way, from 0 to 1.

    Where the two are so near or far that this cannot be told, there are only they.
    """
    rough = high / 5 - low / 5
    if not 1e-300 < rough < 1e300:
        return [(low, 0.0), (high, 1.0)]
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(k for k in (1, 2, 5, 10) if k * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(k * step, (k * step - low) / (high - low)) for k in range(first, last + 1)]


@functools.lru_cache(maxsize=64)
def _plane(target: str, reward: str) -> str:
    """An empty plane with contours of the data, and of the reward."""
    size, edge = scenes.HOME, PLANE + MARGIN
    meta, arrays = frames.decode(scenes.scene(own.target(target), own.reward(reward), size, grid=GRID))
    low, high = meta["reward"]["low"], meta["reward"]["high"]
    levels = [low + share * (high - low) for share in STEPS]

    def at(value: float) -> float:
        return PLANE * (value + size) / (2 * size)

    parts = []
    for k, level in enumerate(levels):
        parts.append(f'<path class="reward r{k}" d="{_path(arrays["reward"], level)}"/>')
    for level in meta["levels"]:
        parts.append(f'<path class="data" d="{_path(arrays["density"], level)}"/>')
    parts.append(f'<path class="axis" d="M{MARGIN} 1V{PLANE}H{edge - 1}V1Z"/>')
    for value in range(-4, 5, 2):
        x, y = MARGIN + at(value), PLANE - at(value)
        parts += [_line(x, PLANE, x, PLANE + 5), _text(x, PLANE + 18, f"{value}".replace("-", "−"))]
        parts += [_line(MARGIN - 5, y, MARGIN, y), _text(MARGIN - 8, y + 4, f"{value}".replace("-", "−"), "end")]
    parts += [_text(MARGIN + PLANE / 2, PLANE + 33, "x"), _text(6, PLANE / 2 + 4, "y", "start")]
    control = BY_NAME["reward"]
    assert isinstance(control, Choices)
    said = "a formula" if reward.startswith(FORMULA) else control.words(reward)
    heights = ", ".join(f"{level:.2g}" for level in levels)
    text = (
        f"Solid: around 9 of 10 and half of the data. Dashed: where the reward is {heights}, the thicker the higher. "
        f"Reward: {said}."
    )
    picture = _svg(edge + 2, PLANE + 38, f"an empty plane, x and y from −{size:g} to {size:g}", parts)
    return f"{picture}<figcaption>{escape(text)}</figcaption>"


# Contours -------------------------------------------------------------------------------------------------------------

_Edge = tuple[int, int, int]  # row, column, and 0 for the one to the next column, 1 for that to the next row


def _path(values: np.ndarray, level: float) -> str:
    """The contours of a grid (rows, columns) over the plane, as an SVG path."""
    scale = PLANE / (len(values) - 1)
    lines = []
    for line in _contours(np.asarray(values, float), level):
        points = [f"{MARGIN + scale * x:.1f} {PLANE - scale * y:.1f}" for x, y in line]
        lines.append(f"M{'L'.join(points)}")
    return "".join(lines)


def _contours(values: np.ndarray, level: float) -> Iterator[list[tuple[float, float]]]:
    """Lines along which a grid has this value, in columns and rows: marching squares."""
    inside = values >= level
    corners = inside[:-1, :-1].astype(int) + inside[:-1, 1:] + inside[1:, :-1] + inside[1:, 1:]
    beside: dict[_Edge, list[_Edge]] = {}
    for i, j in np.argwhere((corners > 0) & (corners < 4)).tolist():
        around: list[_Edge] = [(i, j, 0), (i, j + 1, 1), (i + 1, j, 0), (i, j, 1)]
        crossed = [edge for edge in around if _crosses(inside, edge)]
        for one, other in zip(crossed[::2], crossed[1::2]):
            beside.setdefault(one, []).append(other)
            beside.setdefault(other, []).append(one)
    ends = [edge for edge, others in beside.items() if len(others) == 1]
    left = dict.fromkeys([*ends, *beside])  # those that end at the border first, then the closed ones
    while left:
        first: _Edge | None = next(iter(left))
        line, edge = [], first
        while edge is not None:
            left.pop(edge, None)
            line.append(edge)
            edge = next((other for other in beside[edge] if other in left), None)
        if first is not None and len(line) > 2 and first in beside[line[-1]]:
            line.append(first)
        yield [_where(values, level, edge) for edge in line]


def _crosses(inside: np.ndarray, edge: _Edge) -> bool:
    i, j, down = edge
    return bool(inside[i, j] != inside[i + down, j + 1 - down])


def _where(values: np.ndarray, level: float, edge: _Edge) -> tuple[float, float]:
    i, j, down = edge
    a, b = float(values[i, j]), float(values[i + down, j + 1 - down])
    share = (level - a) / (b - a)
    return j + share * (1 - down), i + share * down
