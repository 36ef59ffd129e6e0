"""Room for words: how wide a text is, titles and headings that fit, names that cover nothing."""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from orwlab.show import theme
from orwlab.show.figures import given

LINE = 1.3
"""from one line of text to the next, in font sizes, as plotly has it"""
HEADING = 16
"""font size of the headings that ``make_subplots`` writes"""
FIRST, SECOND = "first coordinate", "second coordinate"
"""the axes of a plane: x1 is an end point, not a coordinate"""
_LEGEND = 250  # pixels for a name in a legend, before it is broken

# Widths of DejaVu Sans in units of the font size; Verdana's are about the same, Arial's smaller.
_WIDTHS = {
    **dict.fromkeys("ijlI'J", 0.29),
    **dict.fromkeys(" .,:;|/!·", 0.34),
    **dict.fromkeys("ftr()[]-", 0.39),
    **dict.fromkeys("csxzvyk", 0.56),
    **dict.fromkeys("ABCKPRSTVXYZE", 0.67),
    **dict.fromkeys("DGHNOQUw&", 0.78),
    **dict.fromkeys("mM%W", 0.95),
    **dict.fromkeys("=+<>~−×≤≥±", 0.84),
}
_OTHER = 0.63
_TAG = re.compile(r"<[^<>]*>")


def width_of(text: str, size: float) -> float:
    """About how many pixels wide ``text`` is, its widest line if it holds ``<br>``, in type of ``size`` pixels."""
    widest = 0.0
    for row in text.split("<br>"):
        ems, small, bold = 0.0, 1.0, 1.0
        for part in re.split(r"(<[^<>]*>)", row):
            if _TAG.fullmatch(part):
                small = 0.7 if part in ("<sub>", "<sup>") else 1.0 if part in ("</sub>", "</sup>") else small
                bold = 1.12 if part == "<b>" else 1.0 if part == "</b>" else bold
            else:
                ems += small * bold * sum(_WIDTHS.get(letter, _OTHER) for letter in part)
        widest = max(widest, ems * size)
    return widest


def rows(text: str) -> int:
    """How many lines a text has."""
    return 1 + text.count("<br>")


def wrapped(text: str, size: float, pixels: float) -> str:
    """The text with line breaks, so that no line is wider than ``pixels`` unless it is a single word."""
    done = []
    for row in text.split("<br>"):
        line = ""
        for word in re.findall(r"(?:<[^<>]*>|[^ <]|<)+", row):  # blanks inside a tag are no place to break
            longer = f"{line} {word}" if line else word
            if line and width_of(longer, size) > pixels:
                done.append(line)
                line = word
            else:
                line = longer
        done.append(line)
    return "<br>".join(done)


def headings(texts: Sequence[str], width: int, between: float) -> list[str]:
    """Headings of panels side by side, broken where they are wider than their panel.

    Args:
        texts: a heading for each panel.
        width: of the figure, pixels.
        between: the share of the width between two panels.
    """
    room = _panel(len(texts), width, between) + min(between * width, 2 * theme.MARGIN["r"]) - 8
    return [wrapped(text, HEADING, room) if width_of(text, HEADING) > room else text for text in texts]


def _panel(count: int, width: int, between: float) -> float:
    """The pixels of one of ``count`` panels."""
    return (width - theme.MARGIN["l"] - theme.MARGIN["r"]) * (1 - between * (count - 1)) / count


def gap(usual: float, panels: int) -> float:
    """The share of the width between two panels: the usual one, or less, so that many panels have room."""
    return min(usual, 0.5 / panels)


def finished(
    figure: go.Figure,
    title: str,
    *,
    width: int,
    height: int,
    top: int | tuple[int, int] | None = None,
    bottom: int | None = None,
    over: Sequence[str] = (),
    font_size: int = 15,
    **layout: Any,
) -> go.Figure:
    """The figure with the house's looks and its title, as high as title, headings and legend need.

    Args:
        figure: changed in place and returned.
        title: broken into lines where it is wider than the figure.
        width: pixels.
        height: pixels, where title and headings fit above the axes and the legend beside them.
        top: the margin above the axes, likewise; the template's if None. Two numbers: with a title, and without.
        bottom: the margin below.
        over: the headings above the panels.
        font_size: of the template.
        layout: whatever else plotly is to be told; ``margin`` is for the sides.
    """
    size = font_size + 4
    words = given.words("title", title)
    if width_of(words, size) > 0.97 * width:
        words = wrapped(words, size, 0.97 * width)
    margin = {**layout.pop("margin", {}), **({} if bottom is None else {"b": bottom})}
    if isinstance(top, tuple):
        top = top[0] if words else top[1]
    usual = theme.MARGIN["t"] if top is None else top
    # a heading wider than its panel, which may be a square, stands higher: the y axis has a number at its upper end
    square = min(0.9 * width / max(1, len(over)), height - usual - margin.get("b", theme.MARGIN["b"])) - 10
    raised = [HEADING / 2 * (width_of(text, HEADING) > square) for text in over]
    under = max((LINE * HEADING * rows(text) + up + 4 for text, up in zip(over, raised, strict=True)), default=0.0)
    needed = usual / 2 + LINE * size * (rows(words) - 0.5) if words else 0.0  # a title's first line is in the middle
    more = max(0, math.ceil(needed + under - usual))
    if top is not None or more:
        margin["t"] = usual + more
    around = {**theme.MARGIN, **margin}
    for note, up in zip(figure.layout.annotations, raised):  # make_subplots writes the headings first
        if up:
            note.yshift = up
    if layout.get("showlegend", True):
        listed = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
        for trace in listed:
            if width_of(trace.name, font_size) > _LEGEND:
                trace.name = wrapped(trace.name, font_size, _LEGEND)
        legend = sum(LINE * font_size * rows(trace.name) + 3 for trace in listed) + 10 if len(listed) > 1 else 0
        height = max(height, usual + around["b"] + math.ceil(legend))
    height += more
    if margin:
        layout["margin"] = margin
    figure.update_layout(template=theme.template(font_size), title=words, width=width, height=height, **layout)
    if more and words:
        figure.update_layout(title=dict(y=1 - usual / 2 / height, yanchor="middle"))
    return figure


def steps(extent: float, usual: float = 2.0) -> float:
    """The distance of ticks on an axis from -extent to extent: the usual one if that makes three to nine of them."""
    if 1.5 * usual / 2 <= extent <= 4.5 * usual:
        return usual
    rough = extent / 2.5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough)


SLOTS = {  # where a text may stand beside its point: plotly's words, and which way it lies from there
    "top right": (1, -1),
    "bottom right": (1, 1),
    "top left": (-1, -1),
    "bottom left": (-1, 1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top center": (0, -1),
    "bottom center": (0, 1),
}


def along(points: np.ndarray) -> np.ndarray:
    """A line through points (n, 2) in pixels, as points no farther apart than two pixels."""
    parts = [points[:1]]
    for a, b in itertools.pairwise(points):
        count = max(1, math.ceil(float(np.abs(b - a).max()) / 2))
        parts.append(a + (b - a) * np.linspace(0, 1, count + 1)[1:, None])
    return np.concatenate(parts)


def discs(points: np.ndarray, radius: float) -> np.ndarray:
    """Markers at points (n, 2), both in pixels, as the points of their rims and their middles."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.concatenate([points, (points[:, None] + rim).reshape(-1, 2)])


def beside(
    anchors: np.ndarray,
    texts: Sequence[str],
    obstacles: np.ndarray,
    area: tuple[float, float],
    *,
    size: float = 14,
    first: str = "top right",
    reach: float = 8,
    above: float = 16,
) -> list[tuple[str, float, float]]:
    """A place for each text near its point, where it covers neither an obstacle nor another text.

    Args:
        anchors: the points (n, 2) in pixels, y downwards.
        texts: a text for each.
        obstacles: points (m, 2) in pixels that no text may cover: everything that is drawn.
        area: width and height within which texts must stay.
        size: of the type, pixels.
        first: the slot to try first.
        reach: how far a marker reaches around its point, pixels.
        above: how far a text may stand out over the area's upper edge, pixels.

    Returns:
        for each text (slot, 0, 0), one of ``SLOTS``, right beside its point; or ("", dx, dy), the middle of the text
        that far from its point, for an arrow to point back.
    """
    order = [first, *[slot for slot in SLOTS if slot != first]]
    taken: list[tuple[float, float, float, float]] = []
    found = []
    for (x, y), text in zip(anchors, texts, strict=True):
        w, h = width_of(text, size) + 4, LINE * size * rows(text)
        near = []
        for slot in order:
            right, down = SLOTS[slot]
            near.append((slot, right * (reach + w / 2), down * (reach * (0.8 if right else 1) + h / 2)))
        far = [
            ("", distance * np.cos(angle) + np.sign(np.cos(angle)) * w / 2, distance * np.sin(angle))
            for distance in (28, 44, 64, 90, 120)
            for angle in np.radians([-45, -20, 20, 45, -70, 70, 135, 160, 200, 225])
        ]
        best = None
        for slot, dx, dy in [*near, *far]:
            box = (x + dx - w / 2, y + dy - h / 2, x + dx + w / 2, y + dy + h / 2)
            if box[0] < 0 or box[1] < -above or box[2] > area[0] or box[3] > area[1]:
                continue
            if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                continue
            inside = (obstacles > np.array(box[:2]) + 1) & (obstacles < np.array(box[2:]) - 1)
            if inside.all(1).any():
                continue
            best = (slot, dx, dy, box)
            break
        if best is None:  # nowhere is free: where it would stand if it were alone
            slot, dx, dy = near[0]
            best = (slot, dx, dy, (x + dx - w / 2, y + dy - h / 2, x + dx + w / 2, y + dy + h / 2))
        taken.append(best[3])
        found.append((best[0], 0.0, 0.0) if best[0] else (best[0], float(best[1]), float(best[2])))
    return found


def slots(places: Sequence[tuple[str, float, float]]) -> str | list[str]:
    """The places that ``beside`` found, as plotly's ``textposition``: one word if all are alike."""
    found = [slot or "top right" for slot, *_ in places]
    return found if len(set(found)) > 1 else found[0]


def point_at(
    figure: go.Figure, x: float, y: float, text: str, place: tuple[str, float, float], colour: str, **at: Any
) -> None:
    """The text with an arrow to its point, if ``beside`` found no room for it right there."""
    slot, dx, dy = place
    if not slot:
        figure.add_annotation(
            x=x,
            y=y,
            text=text,
            ax=dx,
            ay=dy,
            arrowwidth=1,
            arrowhead=0,
            standoff=6,
            arrowcolor=colour,
            font=dict(size=14, color=colour),
            **at,
        )
