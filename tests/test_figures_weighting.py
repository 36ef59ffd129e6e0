"""Figures of weighting and of going online: what is on them is what was given."""

import numpy as np
import pytest
import torch

from orwlab.show import figures, theme
from orwlab.show.figures import Band, Curve


def heights(figure):
    """Where the names stand, from the bottom (0) to the top (1) of the axes."""
    return {a.text: a.y for a in figure.layout.annotations}


def test_names_stand_at_the_ends_of_their_lines_in_their_colours():
    lines = [Curve("up", [0, 1], [0.0, 1.0]), Curve("level", [0, 1], [0.5, 0.5], "dashes", "#000000")]
    figure = figures.labelled_curves(lines, xlabel="round", ylabel="share", y_range=(0.0, 2.0))
    assert heights(figure) == pytest.approx({"up": 0.5, "level": 0.25})
    colours = {a.text: a.font.color for a in figure.layout.annotations}
    assert colours == {"up": theme.BLUE, "level": "#000000"}
    assert [trace.line.dash for trace in figure.data] == ["solid", "dash"]
    assert min(a.font.size for a in figure.layout.annotations) >= 13


@pytest.mark.parametrize("log", [False, True])
def test_names_never_touch(log):
    lines = [Curve(f"seed {k}", [1, 2], [1.0, 3.0 + 1e-3 * k]) for k in range(6)]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y", log_y=log, log_x=log)
    places = sorted(heights(figure).values())
    pixels = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    assert np.diff(places).min() * pixels >= 18


def test_names_stay_clear_of_the_last_tick():
    """The tick's label stands under the corner of the axes, some pixels below them."""
    lines = [Curve(f"N = {k}", [0, 1], [1.0, 0.0]) for k in range(5)]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y")
    pixels = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    assert min(heights(figure).values()) * pixels - 19 / 2 >= -7.001


def test_long_names_make_the_figure_wider():
    short, long = (
        figures.labelled_curves([Curve(name, [0, 1], [0, 1])], xlabel="x", ylabel="y").layout
        for name in ("short", "a name that nobody would think of giving to a curve")
    )
    assert long.width - long.margin.r == short.width - short.margin.r
    assert long.margin.r > 300


def test_names_stay_beside_the_axes():
    lines = [Curve(f"N = {k}", [0, 1], [1.0, 0.0]) for k in range(5)]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y")
    assert min(heights(figure).values()) >= -0.05
    assert max(heights(figure).values()) <= 1.05


def test_a_line_leads_to_a_name_that_had_to_move():
    near = [Curve("level", [0, 1], [0.5, 0.5]), Curve("up", [0, 1], [0.0, 1.0])]
    assert not figures.labelled_curves(near, xlabel="x", ylabel="y").layout.shapes
    close = [*near, Curve("beside", [0, 1], [0.5, 0.51])]
    figure = figures.labelled_curves(close, xlabel="x", ylabel="y", y_range=(0.0, 1.0))
    (leader,) = figure.layout.shapes
    assert leader.line.color == figure.data[0].line.color, "the lower of the two gave way"
    assert (leader.x0, leader.y0) == pytest.approx((1.0, 0.5), abs=0.02)
    assert leader.y1 == heights(figure)["level"] < 0.5 - 0.02
    assert leader.line.dash == "solid", "dashed means exact"


@pytest.mark.parametrize("log", [False, True])
def test_a_line_that_ends_early_is_led_to_its_name(log):
    lines = [Curve("early", [1, 10], [1.0, 1.0]), Curve("all", [1, 100], [1.0, 3.0])]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y", log_x=log)
    (leader,) = figure.layout.shapes
    assert leader.x0 == pytest.approx(0.5 if log else 9 / 99, abs=0.02)
    assert leader.y0 == leader.y1 == heights(figure)["early"]


def test_markers_at_the_ends_are_not_cut():
    lines = [Curve("a", [0, 1], [0.0, 1.0], "markers"), Curve("b", [0, 1], [1.0, 2.0])]
    low, high = figures.labelled_curves(lines, xlabel="x", ylabel="y").layout.xaxis.range
    assert (low, high) == pytest.approx((-0.025, 1.025))
    assert figures.labelled_curves(lines[1:], xlabel="x", ylabel="y").layout.xaxis.range == (0.0, 1.0)
    one = figures.labelled_curves([Curve("a", [2], [1.0], "markers")], xlabel="x", ylabel="y")
    assert one.layout.xaxis.range == (1.5, 2.5)


def test_a_name_of_two_lines_takes_more_room():
    lines = [Curve("one<br>two", [1, 2], [1.0, 3.0]), Curve("other", [1, 2], [1.0, 3.0])]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y")
    pixels = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    assert abs(np.diff(list(heights(figure).values())))[0] * pixels >= 27


def test_logarithmic_axes_hold_every_point_and_refuse_zeros():
    lines = [Curve("a", [1, 10, 100], [1.0, 0.1, 0.01])]
    figure = figures.labelled_curves(lines, xlabel="x", ylabel="y", log_x=True, log_y=True)
    low, high = figure.layout.yaxis.range
    assert low < -2
    assert high > 0
    assert list(figure.layout.xaxis.ticktext[:4]) == ["1", "2", "5", "10"]
    assert not figure.layout.xaxis.dtick
    wide = figures.labelled_curves([Curve("a", [1, 2], [1.0, 1e-6])], xlabel="x", ylabel="y", log_y=True)
    assert wide.layout.yaxis.dtick == 1, "powers of ten only"
    with pytest.raises(ValueError, match="positive"):
        figures.labelled_curves([Curve("a", [1, 2], [0.0, 1.0])], xlabel="x", ylabel="y", log_y=True)
    with pytest.raises(ValueError, match="style"):
        figures.labelled_curves([Curve("a", [1, 2], [0.0, 1.0], "dotted")], xlabel="x", ylabel="y")
    with pytest.raises(ValueError, match="at least one"):
        figures.labelled_curves([], xlabel="x", ylabel="y")


def test_a_band_lies_between_its_edges_and_the_truth_is_dashed():
    x = [0.0, 1.0, 2.0]
    band = Band("n = 100", x, [1.0, 0.5, 0.2], [0.9, 0.4, 0.1], [1.1, 0.6, 0.3])
    figure = figures.bands([band], Curve("exact", x, [1.0, 0.4, 0.01]), xlabel="τ", ylabel="y", log_y=True)
    truth, middle, shade = figure.data
    assert truth.line.dash == "dash"
    assert list(middle.y) == pytest.approx([1.0, 0.5, 0.2])
    assert sorted(shade.y.tolist()) == pytest.approx(sorted([0.9, 0.4, 0.1, 1.1, 0.6, 0.3]))
    # the truth may fall out of the picture; the estimates may not
    assert 10 ** figure.layout.yaxis.range[0] == pytest.approx(0.05)
    with pytest.raises(ValueError, match="at least one"):
        figures.bands([], Curve("exact", x, x), xlabel="τ", ylabel="y")
    with pytest.raises(ValueError, match="low of 'a'"):
        figures.bands([Band("a", x, x, [3.0, 3, 3], x)], Curve("exact", x, x), xlabel="τ", ylabel="y")
    wide = figures.bands([Band("a", x, x, [-9.0, 0, 1], [0, 1, 9.0])], Curve("exact", x, x), xlabel="τ", ylabel="y")
    assert wide.layout.yaxis.range == (-9.0, 9.0), "no band is cut"


def test_no_fit_is_cut_by_the_points_range():
    x, w = torch.linspace(-1, 1, 50), torch.ones(50)
    figure = figures.weighted_regression(x, x, w, [Curve("fit", [0, 1], [0.0, 30.0])])
    assert figure.layout.yaxis.range[1] >= 30.0
    with pytest.raises(ValueError, match="w is"):
        figures.weighted_regression(x, x, 0 * w, [Curve("fit", [0, 1], [0.0, 3.0])])


def test_the_heaviest_pair_is_the_largest_point_and_lies_behind_the_curves():
    x, u, w = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0])
    figure = figures.weighted_regression(x, u, w, [Curve("fit", [0, 1], [1.0, 2.0])])
    dots, fit = figure.data
    assert dots.mode == "markers"
    assert fit.name == "fit"
    assert dots.marker.size[1] - 2 == pytest.approx(2 * (dots.marker.size[0] - 2))  # area proportional to w


def test_rings_have_areas_in_proportion_to_their_weights():
    data, w = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([1.0, 9.0])
    learned = torch.zeros(5, 2)
    axis = torch.linspace(-1, 1, 8)
    panels = [("a", data, w, learned), ("b", data, w, learned)]
    figure = figures.weighted_samples(panels, contours=[None, (axis, torch.ones(8, 8))], centre=(1.0, 0.0), extent=2.0)
    rings = [t for t in figure.data if t.name == "data"]
    assert len(rings) == 2
    small, large = (size - 2 for size in rings[0].marker.size)
    assert large == pytest.approx(3 * small)
    assert [t.name for t in figure.data].count("exact") == 1
    assert figure.layout.xaxis.range == (-1.0, 3.0)
    assert figure.layout.yaxis2.scaleanchor == "x2"
    with pytest.raises(ValueError, match="at least one"):
        figures.weighted_samples([])
    with pytest.raises(ValueError, match=r"contours holds 1 entries; allowed: .* 2 panels"):
        figures.weighted_samples(panels, contours=[None])
    with pytest.raises(ValueError, match="weights of 'a'"):
        figures.weighted_samples([("a", data, -w, learned)])


def test_planes_call_their_axes_coordinates_and_never_by_the_name_of_an_end_point():
    points = torch.zeros(3, 2)
    axis = torch.linspace(-3.0, 3.0, 8)
    figure = figures.samples_in_panels([("a", points), ("b", points)], contours=[None, (axis, torch.ones(8, 8))])
    assert figure.layout.xaxis.title.text == figure.layout.xaxis2.title.text == "first coordinate"
    assert figure.layout.yaxis.title.text == "second coordinate"
    assert figure.layout.yaxis2.title.text is None
    contour = figure.data[-1]
    assert contour.line.dash == "dash", "dashed means exact"
    assert figure.data[1].marker.opacity < figure.data[0].marker.opacity, "points must not hide the contours below"


def test_a_truth_that_leaves_the_axes_is_named_where_it_leaves_them():
    x = [0.0, 1.0, 2.0, 3.0]
    band = Band("n = 100", x, [1.0, 0.5, 0.2, 0.2], [0.9, 0.4, 0.1, 0.1], [1.1, 0.6, 0.3, 0.3])
    figure = figures.bands([band], Curve("exact", x, [1.0, 0.4, 0.01, 1e-5]), xlabel="τ", ylabel="y", log_y=True)
    (label,) = [a for a in figure.layout.annotations if a.text == "exact"]
    assert (label.x, label.y, label.yref) == (2.0, 0.0, "y domain"), "0.05 is the lowest that the axis shows"
    stays = figures.bands([band], Curve("exact", x, [1.0, 0.4, 0.1, 0.1]), xlabel="τ", ylabel="y", log_y=True)
    assert [a.xref for a in stays.layout.annotations] == ["paper", "paper"]
    assert figure.data[0].name == stays.data[0].name == "exact"


def test_weighted_data_can_be_drawn_before_anything_was_learned():
    data, w = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([1.0, 3.0])
    axis = torch.linspace(-1, 1, 8)
    figure = figures.weighted_samples([("a", data, w, None)], contours=[(axis, torch.ones(8, 8))])
    exact, rings = figure.data
    assert (exact.type, exact.line.dash) == ("contour", "dash")
    assert list(rings.x) == [0.0, 1.0]
