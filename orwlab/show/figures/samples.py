"""Figures of samples: points in panels, curves over rounds, images."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from orwlab import checks, rewards
from orwlab.data import as_bytes
from orwlab.rewards import Reward
from orwlab.show import theme
from orwlab.show.figures import given, layout

if TYPE_CHECKING:
    from orwlab.tasks.images import Outcome

HEIGHT = 400
PAPER = 0.8  # level at the sides of images in colour above which they are on white paper
CELL = 56  # pixels of an image of the digits figure, which may be given less


def samples_in_panels(
    panels: Sequence[tuple[str, Tensor]],
    *,
    reference: Tensor | None = None,
    contours: Sequence[tuple[Tensor, Tensor] | None] = (),
    reward: Reward | None = None,
    extent: float = 5.0,
    title: str = "",
) -> go.Figure:
    """Scatter plots of points side by side, on equal axes of the same range.

    Args:
        panels: (heading, points (n, 2)) for each panel.
        reference: points (m, 2) drawn in grey behind every panel.
        contours: nothing, or for each panel None or (axis (k,), density (k, k)) of an exact density, drawn as dashed
            lines; the density's first index is x.
        reward: drawn as a pale background, darker where it is larger.
        extent: half the side of each panel.
        title: above all panels.
    """
    shown = given.panels("panels", panels, "heading, points")
    between, width = layout.gap(0.03, len(shown)), 60 + (HEIGHT - 90) * len(shown)
    headings = layout.headings([heading for heading, _ in shown], width, between)
    exact = given.for_each("contours", contours, len(shown))
    extent = checks.number("extent", extent, above=0.0)
    behind = [] if reward is None else [_background(reward, extent)]
    if reference is not None:
        behind.append(_points("reference", reference, theme.GHOST, 3, 0.35))
    figure = make_subplots(cols=len(shown), subplot_titles=headings, horizontal_spacing=between)
    for column, ((heading, x), contour) in enumerate(zip(shown, exact, strict=True), start=1):
        size, opacity = (3.5, 0.55) if contour is None else (3.0, 0.35)  # plotly draws contours below points
        front = [_points(f"points of {heading!r}", x, theme.BLUE, size, opacity, "samples")]
        if contour is not None:
            front.append(_contour(contour))
        for trace in behind + front:
            figure.add_trace(trace, row=1, col=column)
        plane_axes(figure, column, extent)
    return layout.finished(
        figure,
        title,
        width=width,
        height=HEIGHT,
        top=(110, 70),
        over=headings,
        showlegend=False,
    )


def curves_over_rounds(
    series: Mapping[str, Sequence[float]],
    *,
    exact: Mapping[str, float] | None = None,
    ylabel: str = "mean reward",
    title: str = "",
) -> go.Figure:
    """One line a series over rounds, with exact limits as dashed lines of the same colour.

    Series that share a colour differ in dash, and so do their limits.

    Args:
        series: values at rounds 1, 2, ... by label; NaN is a gap.
        exact: the exact limit by the same label; labels without a limit may be left out.
        ylabel: what is drawn.
        title: above the figure.
    """
    shown = given.by_name("series", series, "at least one series, its values by its label")
    limits = (
        given.by_name("exact", exact, "limits by the labels of series, or None", empty=True)
        if exact is not None
        else {}
    )
    given.among("exact", limits, shown)
    figure = go.Figure()
    for look, (label, values) in zip(theme.looks("series", list(shown)), shown.items(), strict=True):
        y = given.line(f"series[{label!r}]", values, gaps=True)
        line: dict[str, Any] = dict(color=look.colour, width=1.5)
        if look.lap:
            line["dash"] = look.dash
        name = label
        if label in limits:
            limit = checks.number(f"exact[{label!r}]", limits[label])
            name = f"{label}, limit {limit:.3f}"
            figure.add_hline(limit, line=dict(color=look.colour, dash=look.limit, width=2.5))
        figure.add_trace(go.Scatter(x=np.arange(1, len(y) + 1), y=y, name=name, mode="lines", line=line))
    layout.finished(figure, title, width=820, height=HEIGHT)
    figure.update_xaxes(title="round")
    figure.update_yaxes(title=given.words("ylabel", ylabel))
    return figure


def digits_over_alpha(outcomes: Sequence["Outcome"], columns: int = 10, wanted: str = "even") -> go.Figure:
    """A row of digits for the reference and for each alpha, with the numbers that say what they are worth.

    Args:
        outcomes: as ``tasks.digits.fine_tune`` returns them; all hold as many images of one size.
        columns: images a row; the same noise stands in the same column.
        wanted: what the reward wants, in a word: "even", "1 or 7".
    """
    wanted = given.words("wanted", wanted)
    plain = wanted.replace("{", "{{").replace("}", "}}")
    said = {
        "reward": f"classifier says {plain}: {{:.0%}}",
        "judge": f"judge says {plain}: {{:.0%}}",
        "off_data": "unlike any real digit: {:.0%}",
        "diversity": "diversity: {:.1f}",
    }
    return images_over_alpha(outcomes, said, columns=columns, title=f"Digits fine-tuned towards {wanted} ones")


def images_over_alpha(
    outcomes: Sequence["Outcome"], said: Mapping[str, str], *, columns: int = 10, title: str = ""
) -> go.Figure:
    """A row of sample images for the reference and for each alpha, with the numbers that say what they are worth.

    The words stand in the margin, so that however narrow the figure is made, they cover no image.

    Args:
        outcomes: as ``tasks.images.fine_tune`` returns them, of one seed; all hold as many images of one size, grey or
            in colour.
        said: "reward" or the name of a number of the task's judge -> a line about it, such as ``"reward: {:.2f}"``.
        columns: images a row; the same noise stands in the same column.
        title: of the figure.
    """
    from orwlab.tasks.images import Outcome  # here, for it needs scikit-learn

    shown, title = given.instances("outcomes", outcomes, Outcome), given.words("title", title)
    pictures = [given.field("samples of an outcome", outcome.samples, (None, None, None, None)) for outcome in shown]
    seeds = {checks.seed("seed of an outcome", outcome.seed) for outcome in shown}
    if len(seeds) > 1:
        raise checks.fail("outcomes", sorted(seeds), "those of one seed: the same noise stands in the same column")
    texts = [(f"<b>{_alpha(outcome)}</b>", "<br>".join(_lines(outcome, said))) for outcome in shown]
    return _in_rows("outcomes", texts, pictures, columns, title)


def images_in_rows(rows: Sequence[tuple[str, str, Tensor]], *, columns: int = 10, title: str = "") -> go.Figure:
    """Images in rows, each with a heading and words about it in the margin.

    Args:
        rows: (heading, words, images (n, channels, height, width)) for each row; all hold as many images of one size,
            grey or in colour, about -1 .. 1. Words may be empty and may hold ``<br>``.
        columns: images a row.
        title: of the figure.
    """
    shown, title = given.panels("rows", rows, "heading, words, images"), given.words("title", title)
    pictures = [given.field(f"images of {heading!r}", x, (None, None, None, None)) for heading, _, x in shown]
    texts = [(f"<b>{heading}</b>", given.words(f"words of {heading!r}", words)) for heading, words, _ in shown]
    return _in_rows("rows", texts, pictures, columns, title)


def _in_rows(
    name: str, texts: Sequence[tuple[str, str]], pictures: Sequence[np.ndarray], columns: int, title: str
) -> go.Figure:
    """Rows of images (n, channels, height, width), a heading and words beside each; ``name`` is what errors say."""
    shapes = [picture.shape for picture in pictures]
    if len(set(shapes)) > 1 or shapes[0][1] not in (1, 3):
        raise checks.fail(name, shapes, "as many images of the same size in each, with 1 or 3 channels")
    n, channels, high, wide = shapes[0]
    columns = min(checks.integer("columns", columns), n)
    gap = max(1, round(wide / 8))  # image pixels between two images
    edges = np.stack([picture[..., edge] for picture in pictures for edge in (0, -1)])
    between = 0.6 if channels == 3 and np.median(edges) > PAPER else np.nan  # white beside white needs a line
    name_wide, words_wide = (max(layout.width_of(text[k], size) for text in texts) for k, size in ((0, 18), (1, 14)))
    left = math.ceil(10 + name_wide + 20 + words_wide + 20 * (words_wide > 0))
    figure = make_subplots(rows=len(texts), vertical_spacing=0.0)
    across = columns * (wide + gap) - gap
    for row, (picture, (heading, words)) in enumerate(zip(pictures, texts, strict=True), start=1):
        at: dict[str, Any] = dict(row=row, col=1)
        canvas = np.full((high, across, channels), between, dtype=np.float32)
        for column in range(columns):
            place = canvas[:, column * (wide + gap) :][:, :wide]
            place[:] = np.moveaxis(picture[column].clip(-1, 1), 0, -1)
        if channels == 1:
            grey = dict(zmin=-1, zmax=1, colorscale="Greys", showscale=False, hoverinfo="skip")
            figure.add_trace(go.Heatmap(z=canvas[..., 0], **grey), **at)
        else:
            (levels,) = as_bytes(np.moveaxis(np.nan_to_num(canvas), -1, 0)[None], 3)
            seen = np.where(np.isnan(canvas[..., :1]), 0, 255).astype(np.uint8)  # the page shows there
            colours = dict(colormodel="rgba256", hoverinfo="skip")
            figure.add_trace(go.Image(z=np.concatenate([levels, seen], -1), **colours), **at)
        hidden = dict(visible=False, constrain="domain")
        figure.update_xaxes(range=[-0.5, across - 0.5], constraintoward="left", **hidden, **at)
        anchor = "x" if row == 1 else f"x{row}"
        figure.update_yaxes(range=[high - 0.5 + gap, -0.5 - gap], scaleanchor=anchor, **hidden, **at)
        letter = "" if row == 1 else str(row)
        middle = dict(xref="paper", x=0, xanchor="left", yref=f"y{letter} domain", y=0.5, showarrow=False, align="left")
        figure.add_annotation(xshift=10 - left, text=heading, font=dict(size=18), **middle)
        figure.add_annotation(xshift=30 + name_wide - left, text=words, font=dict(size=14), **middle)
    lines = max(1, *(text[1].count("<br>") + 1 for text in texts))
    cell = max(CELL, math.ceil((19 * lines + 8) / (1 + 2 * gap / high)))  # as high as its words are
    layout.finished(
        figure,
        title,
        width=max(left + round(cell / wide * across) + 10, math.ceil(layout.width_of(title, 19)) + 30),
        height=len(texts) * round(cell / wide * (high + 2 * gap)) + 50,
        top=40,
        bottom=10,
        showlegend=False,
        margin=dict(l=left, r=10),
    )
    return figure.update_layout(title_font_size=18)


def _alpha(outcome: "Outcome") -> str:
    return "reference" if outcome.alpha is None else f"α = {checks.number('alpha of an outcome', outcome.alpha):g}"


def _lines(outcome: "Outcome", said: Mapping[str, str]) -> list[str]:
    """What is said of an outcome, a line a number."""
    allowed = 'a number of the outcomes -> words with a place for it, such as {"reward": "reward: {:.2f}"}'
    if not isinstance(said, Mapping):
        raise checks.fail("said", said, allowed)
    if not isinstance(outcome.numbers, Mapping):
        raise checks.fail("numbers of an outcome", outcome.numbers, "name -> number, as a task's judge gives them")
    known = {**outcome.numbers, "reward": outcome.reward}
    lines = []
    for name, words in said.items():
        if name not in known:
            raise checks.fail("said", name, f"one of {', '.join(known)}")
        value = checks.number(f"{name} of an outcome", known[name])
        try:
            lines.append(given.words("said", words.format(value)))
        except (AttributeError, IndexError, KeyError, ValueError) as error:
            raise checks.fail("said", words, allowed) from error
    return lines


def _points(name: str, x: Tensor, colour: str, size: float, opacity: float, label: str = "") -> go.Scatter:
    xy = given.points(name, x)
    return go.Scatter(
        x=xy[:, 0],
        y=xy[:, 1],
        mode="markers",
        marker=dict(color=colour, size=size, opacity=opacity),
        name=label or name,
        hoverinfo="skip",
    )


def _background(reward: Reward, extent: float, n: int = 41) -> go.Heatmap:
    axis = torch.linspace(-extent, extent, n)
    r = rewards.evaluate(reward, torch.cartesian_prod(axis, axis)).reshape(n, n)  # first index x
    return go.Heatmap(
        x=axis.numpy(),
        y=axis.numpy(),
        z=r.T.numpy(),
        colorscale=[[0, "#FFFFFF"], [1, "#CFC4E8"]],
        showscale=False,
        hoverinfo="skip",
        zsmooth="best",
    )


def _contour(exact: tuple[Tensor, Tensor]) -> go.Contour:
    if not isinstance(exact, tuple | list) or len(exact) != 2:
        raise checks.fail("a panel of contours", exact, "(axis (k,), density (k, k)), or None")
    axis = given.line("axis of contours", exact[0])
    z = given.small(given.density("density of contours", exact[1], (len(axis), len(axis))))
    top = float(z.max())
    return go.Contour(
        x=axis,
        y=axis,
        z=z.T,  # plotly wants rows to be y
        contours=dict(coloring="none", start=0.06 * top, end=0.9 * top, size=0.28 * top),
        line=dict(color=theme.VERMILION, width=1.75, dash="dash"),
        showscale=False,
        hoverinfo="skip",
        name="exact",
    )


def plane_axes(figure: go.Figure, column: int, extent: float, centre: tuple[float, float] = (0.0, 0.0)) -> None:
    """Axes of one panel in a row of planes: equal units, ``extent`` to each side of ``centre``."""
    extent, middle = checks.number("extent", extent, above=0.0), checks.numbers("centre", centre)
    if len(middle) != 2:
        raise checks.fail("centre", centre, "two numbers")
    x, y = ([c - extent, c + extent] for c in middle)
    place = dict(row=1, col=column)
    dtick = layout.steps(extent)
    figure.update_xaxes(range=x, title=layout.FIRST, constrain="domain", dtick=dtick, **place)
    figure.update_yaxes(
        range=y,
        title=layout.SECOND if column == 1 else None,
        showticklabels=column == 1,
        scaleanchor="x" if column == 1 else f"x{column}",
        dtick=dtick,
        **place,
    )
