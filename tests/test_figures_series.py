"""Every series that a figure is given is drawn, and can be told from all others; nothing that is given is dropped."""

import numpy as np
import pytest
import torch

from orwlab.show import figures, theme
from orwlab.show.figures import Band, Curve

X = np.linspace(0.1, 1.0, 8)


def named(n):
    return [f"series {k}" for k in range(n)]


def rising(n, style="line"):
    return [Curve(name, X, k + X, style) for k, name in enumerate(named(n))]


FIGURES = {  # a figure of n series, and its traces that are series
    "curves_over_rounds": lambda n: figures.curves_over_rounds(
        {name: k + X for k, name in enumerate(named(n))}, exact={name: float(k) for k, name in enumerate(named(n))}
    ),
    "curves": lambda n: figures.curves(rising(n), xlabel="x", ylabel="y"),
    "curves, dashed": lambda n: figures.curves(rising(n, "dashes"), xlabel="x", ylabel="y"),
    "curves, markers": lambda n: figures.curves(rising(n, "markers"), xlabel="x", ylabel="y"),
    "labelled_curves": lambda n: figures.labelled_curves(rising(n), xlabel="x", ylabel="y"),
    "densities_on_a_line": lambda n: figures.densities_on_a_line(X, {name: k + X for k, name in enumerate(named(n))}),
    "learned_against_exact": lambda n: figures.learned_against_exact(dict.fromkeys(named(n), (X, X))),
    "bars": lambda n: figures.bars({name: {"a": 1.0, "b": 2.0} for name in named(n)}, xlabel="x", ylabel="y"),
    "bands": lambda n: figures.bands(
        [Band(name, X, k + X, k + X - 0.1, k + X + 0.1) for k, name in enumerate(named(n))],
        Curve("truth", X, X),
        xlabel="x",
        ylabel="y",
    ),
    "penalty_against_distance": lambda n: figures.penalty_against_distance(
        {name: [(1, 2), (3, 4)] for name in named(n)}
    ),
    "seeds_over_alpha": lambda n: figures.seeds_over_alpha(
        [0.0, None], {name: [[k, k + 1], [k, k]] for k, name in enumerate(named(n))}, ylabel="y"
    ),
    "reward_against_diversity": lambda n: figures.reward_against_diversity(
        [1, 2], ([1, 2], [2, 1]), {1.0 + k: [(1, 2)] for k in range(n)}
    ),
}


def looks(figure):
    """What of each series can be seen: colour, dash, marker, hatching."""
    seen = []
    for trace in figure.data:
        if not (trace.name or "").startswith(("series", "networks")) or trace.name.endswith("band"):
            continue
        if trace.type == "bar":
            seen.append((trace.marker.color, trace.marker.pattern.shape))
        else:
            line = (trace.line.color, trace.line.dash or "solid") if "lines" in trace.mode else None
            marks = (trace.marker.color, trace.marker.symbol or "circle") if "markers" in trace.mode else None
            seen.append((line, marks))
    return seen


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("n", [1, 7, 12, theme.SERIES])
def test_every_series_is_drawn_with_a_look_of_its_own(kind, n):
    seen = looks(FIGURES[kind](n))
    assert len(seen) == n
    assert len(set(seen)) == n


@pytest.mark.parametrize("kind", FIGURES)
def test_more_than_can_be_told_apart_are_refused(kind):
    with pytest.raises(ValueError, match=f"allowed: at most {theme.SERIES}"):
        FIGURES[kind](theme.SERIES + 1)


def test_limits_of_series_of_one_colour_differ():
    figure = FIGURES["curves_over_rounds"](12)
    limits = [(shape.line.color, shape.line.dash) for shape in figure.layout.shapes]
    assert len(set(limits)) == 12
    series = {(trace.line.color, trace.line.dash or "solid") for trace in figure.data}
    assert not series & set(limits)


def test_lines_of_a_chosen_colour_use_up_no_look():
    lines = [Curve("", X, X, colour=theme.GHOST) for _ in range(40)] + [Curve("a", X, X), Curve("b", X, X)]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y")
    assert len(figure.data) == 42
    assert [trace.line.dash for trace in figure.data] == ["solid"] * 42


def test_a_line_is_told_from_an_earlier_one_whose_colour_was_chosen():
    lines = [Curve("chosen", X, X, colour=theme.CYCLE[1]), Curve("in turn", X, 2 * X)]
    a, b = figures.curves(lines, xlabel="x", ylabel="y").data
    assert a.line.color == b.line.color == theme.CYCLE[1]
    assert a.line.dash != b.line.dash


def test_names_show_the_dash_where_the_colour_is_not_enough():
    figure = figures.labelled_curves(rising(9), xlabel="x", ylabel="y")
    texts = {note.text.removeprefix("··· "): note.text for note in figure.layout.annotations}
    assert list(texts) == sorted(texts, reverse=True)
    assert [name for name, text in texts.items() if text != name] == ["series 8", "series 7"]


def test_a_curve_has_as_many_y_as_x():
    for y in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0]):
        for draw in (figures.curves, figures.labelled_curves):
            with pytest.raises(ValueError, match=r"y of 'a' is .*3 finite numbers"):
                draw([Curve("a", [1, 2, 3], y)], xlabel="x", ylabel="y")


def test_a_gap_stays_a_gap_and_the_name_goes_to_the_last_number():
    figure = figures.labelled_curves(
        [Curve("a", [1, 2, 3], [0.0, 1.0, np.nan])], xlabel="x", ylabel="y", y_range=(0, 2)
    )
    assert np.isnan(figure.data[0].y[2])
    assert figure.layout.annotations[0].y == pytest.approx(0.5)
    assert np.isnan(figures.curves_over_rounds({"a": [1.0, np.nan, 2.0]}).data[0].y[1])
    for nothing in ([np.nan, np.nan], [1.0, np.inf]):
        with pytest.raises(ValueError, match=r"series\['a'\] holds NaN or infinite"):
            figures.curves_over_rounds({"a": nothing})


def test_logarithmic_axes_refuse_what_they_cannot_show():
    for log, x, y in (("log_x", [0, 1], [1, 2]), ("log_y", [1, 2], [-1, 1])):
        with pytest.raises(ValueError, match="positive"):
            figures.curves([Curve("a", x, y)], xlabel="x", ylabel="y", **{log: True})
    with pytest.raises(ValueError, match="positive"):
        figures.bars({"a": {"u": 0.0}}, xlabel="x", ylabel="y", log_y=True)
    tiny = figures.curves([Curve("a", [1, 2], [1e-300, 1.0])], xlabel="x", ylabel="y", log_y=True)
    assert tiny.data[0].y[0] == 1e-300, "a zero would not be drawn"


def test_every_series_has_every_bar():
    with pytest.raises(ValueError, match=r"groups\['b'\] is \['v'\]; allowed: .*'u'"):
        figures.bars({"a": {"u": 1.0}, "b": {"v": 1.0}}, xlabel="x", ylabel="y")


def test_contours_are_as_many_as_panels():
    x, exact = torch.zeros(3, 2), (torch.linspace(-1, 1, 5), torch.ones(5, 5))
    for contours in ([exact], [exact] * 3):
        with pytest.raises(ValueError, match=r"contours holds [13] entries; allowed: .* 2 panels"):
            figures.samples_in_panels([("a", x), ("b", x)], contours=contours)
    figure = figures.samples_in_panels([("a", x), ("b", x)], contours=[None, exact])
    assert [trace.type for trace in figure.data] == ["scatter", "scatter", "contour"]
