"""Figures hold what they are given, and can be read."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from orwlab import rewards
from orwlab.show import figures, theme
from orwlab.show.notebook import explorer
from orwlab.tasks import digits


def test_panels_share_equal_axes_and_hold_the_samples(generator):
    x, y = torch.randn(2, 30, 2, generator=generator)
    figure = figures.samples_in_panels([("a", x), ("b", y)], reference=x, reward=rewards.get("ring"), extent=4.0)
    scatters = [t for t in figure.data if t.type == "scatter"]
    assert len(scatters) == 4
    assert np.allclose(scatters[3].y, y[:, 1])
    for axis in (figure.layout.xaxis, figure.layout.xaxis2, figure.layout.yaxis, figure.layout.yaxis2):
        assert list(axis.range) == [-4, 4]
    assert figure.layout.yaxis2.scaleanchor == "x2"
    assert figure.layout.xaxis.title.text
    assert [a.text for a in figure.layout.annotations] == ["a", "b"]


def test_backgrounds_and_contours_are_not_transposed():
    """The reward grows with x, so the background's rows, which are y, are all alike and increasing."""
    axis = torch.linspace(-5, 5, 9)
    density = axis[:, None].expand(9, 9) + 6  # first index is x
    figure = figures.samples_in_panels([("a", torch.zeros(1, 2))], contours=[(axis, density)], reward=lambda x: x[:, 0])
    for kind in ("heatmap", "contour"):
        (trace,) = [t for t in figure.data if t.type == kind]
        z = np.asarray(trace.z)
        assert np.allclose(z, z[0])
        assert (np.diff(z[0]) > 0).all()


def test_curves_show_their_limits():
    figure = figures.curves_over_rounds({"α = 1": [0.1, 0.2, 0.3], "α = 0": [0.1, 0.4, 0.9]}, exact={"α = 1": 0.25})
    assert [t.name for t in figure.data] == ["α = 1, limit 0.250", "α = 0"]
    assert list(figure.data[0].x) == [1, 2, 3]
    assert figure.layout.shapes[0].y0 == 0.25
    assert figure.layout.xaxis.title.text == "round"


def test_a_limit_that_belongs_to_no_series_is_refused():
    with pytest.raises(ValueError, match=r"exact is \['α=1'\]; allowed: .*'α = 1'"):
        figures.curves_over_rounds({"α = 1": [0.1, 0.2]}, exact={"α=1": 0.25})


def test_theory_figures_hold_their_numbers_and_label_their_axes():
    lines = [figures.Curve("measured", [1, 10], [2, 3], "markers"), figures.Curve("formula", [1, 10], [2, 4], "dashes")]
    drawn = figures.curves(lines, xlabel="α", ylabel="rate", log_x=True)
    assert [t.mode for t in drawn.data] == ["markers", "lines"]
    assert drawn.data[1].line.dash == "dash"
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("α", "rate")
    assert drawn.layout.xaxis.type == "log"
    scatter = figures.learned_against_exact({"a": ([0.1, 0.5], [0.2, 0.4])})
    assert list(scatter.data[1].y) == pytest.approx([0.2, 0.4])
    assert scatter.layout.yaxis.scaleanchor == "x"
    grouped = figures.bars({"s": {"u": 1.0, "v": 2.0}}, xlabel="x", ylabel="y")
    assert list(grouped.data[0].x) == ["u", "v"]
    line = figures.densities_on_a_line([0, 1], {"α = 1": [0.5, 0.5]}, reference=[1, 0])
    assert [t.name for t in line.data] == ["reference", "α = 1"]


NUMBERS = {"judge": 0.5, "off_data": 0.25, "diversity": 3.0}


def test_images_in_colour_stand_in_rows_too():
    images = torch.rand(3, 3, 4, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    outcomes = [digits.Outcome(alpha, images, 0.5, {"bytes": 300.0}) for alpha in (None, 0.0, 1.0)]
    figure = figures.images_over_alpha(outcomes, {"bytes": "{:.0f} bytes", "reward": "reward {:.1f}"}, title="t")
    assert len(figure.data) == 3
    z = np.asarray(figure.data[1].z)
    assert z.shape == (4, 3 * 9 - 1, 4)
    assert np.allclose(z[:, :8, :3], (np.moveaxis(images[0].numpy(), 0, -1) + 1) * 127.5, atol=0.51)
    assert (z[:, 8, 3] == 0).all(), "clear between two images"
    assert (z[:, :8, 3] == 255).all()
    assert [note.text for note in figure.layout.annotations[1::2]] == ["300 bytes<br>reward 0.5"] * 3
    with pytest.raises(ValueError, match=r"outcomes is \[0, 3\]; allowed: those of one seed"):
        figures.images_over_alpha([*outcomes, replace(outcomes[0], seed=3)], {})
    for said, message in (
        ({"size": "{}"}, "said is 'size'; allowed: one of bytes, reward"),
        ({"bytes": "{:q}"}, "said is '{:q}'"),
        ({"bytes": 3}, "said is 3"),
        ("bytes", "said is 'bytes'"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            figures.images_over_alpha(outcomes, said)


@pytest.mark.parametrize(("level", "lined"), [(1.0, True), (0.0, False), (-1.0, False)])
def test_pictures_on_white_paper_are_told_apart(level, lined):
    x = torch.full((2, 3, 8, 8), level)
    (image,) = figures.images_in_rows([("a", "", x)], columns=2).data
    between = np.asarray(image.z)[:, 8]
    assert (between[:, 3] == (255 if lined else 0)).all(), "the page shows, or a line"
    assert not lined or (between[:, 0] < 230).all()


def test_images_of_any_kind_stand_in_rows_with_words():
    images = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    figure = figures.images_in_rows([("real", "two of them", images), ("made", "", -images)], columns=2)
    assert [note.text for note in figure.layout.annotations] == ["<b>real</b>", "two of them", "<b>made</b>", ""]
    for trace, shown in zip(figure.data, (images, -images), strict=True):
        z = np.asarray(trace.z)
        assert z.shape == (4, 2 * 5 - 1)
        assert np.allclose(z[:, :4], shown[0, 0])
        assert np.allclose(z[:, 5:], shown[1, 0])
    with pytest.raises(ValueError, match=r"rows is .* as many images of the same size"):
        figures.images_in_rows([("a", "", images), ("b", "", images[:2])])


def test_the_digits_figure_has_a_row_an_outcome():
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    outcomes = [digits.Outcome(alpha, images, reward, NUMBERS) for alpha, reward in ((None, 0.5), (0.1, 0.9))]
    figure = figures.digits_over_alpha(outcomes, columns=4)
    assert len(figure.data) == 2
    for row in figure.data:
        z = np.asarray(row.z)
        assert z.shape == (8, 4 * 9 - 1)
        assert np.allclose(z[:, :8], images[0, 0])
        assert np.allclose(z[:, 27:35], images[3, 0])
        assert np.isnan(z[:, 8]).all()  # white between two images
    assert figure.layout.yaxis.autorange is None
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # an image's first row is at the top
    texts = " ".join(a.text for a in figure.layout.annotations)
    assert all(words in texts for words in ("reference", "α = 0.1", "90%", "25%", "classifier says even"))
    other = figures.digits_over_alpha(outcomes, wanted="{1} or 7")
    assert "judge says {1} or 7: 50%" in other.layout.annotations[1].text
    assert other.layout.title.text == "Digits fine-tuned towards {1} or 7 ones"
    fewer = digits.Outcome(1.0, images[:3], 0.5, NUMBERS)
    with pytest.raises(ValueError, match=r"outcomes is .* as many images"):
        figures.digits_over_alpha([*outcomes, fewer])


def test_dragging_alpha_moves_the_limit():
    box = explorer.alpha_slider("three_modes_1d", "bump", tau=2.0)
    slider, words, figure = box.children
    assert slider.value == pytest.approx(explorer.HIGHEST)
    assert [trace.line.dash for trace in figure.data] == [None, "dash"], "what is exact is dashed"
    assert figure.data[1].line.color == "#0072B2"
    slider.value = 20.0
    weak = np.array(figure.data[1].y), words.value
    slider.value = 0.2
    strong = np.array(figure.data[1].y), words.value
    x = np.asarray(figure.data[1].x)
    mean = [float((x * y).sum() / y.sum()) for y in (weak[0], strong[0])]
    assert mean[1] > mean[0] + 1
    assert weak[1] != strong[1]
    # at a large alpha the limit is the pretrained density
    assert np.abs(weak[0] - np.asarray(figure.data[0].y)).max() < 0.15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.samples_in_panels([]), "panels is"),
        (lambda: figures.digits_over_alpha([]), "outcomes is"),
        (lambda: figures.curves([], xlabel="x", ylabel="y"), "lines is"),
        (lambda: figures.learned_against_exact({}), "groups is"),
        (lambda: figures.bars({}, xlabel="x", ylabel="y"), "groups is"),
        (lambda: figures.curves([figures.Curve("a", [0], [0], "dots")], xlabel="x", ylabel="y"), "style is 'dots'"),
        (lambda: explorer.alpha_slider("two_cheeses"), "target is 'two_cheeses'"),
        (lambda: explorer.alpha_slider("two_moons"), "target_name is 'two_moons'"),
        (lambda: explorer.exact_limit_figure("two_modes_1d", rewards.get("right"), 1.0, ()), "alphas is"),
        (lambda: explorer.exact_limit_figure("two_modes_1d", rewards.get("right"), 1.0, (1.0, 1.0000001)), "alphas is"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_slider_in_a_figure_shows_one_limit_a_stop_and_needs_no_kernel():
    reward, stops = rewards.get("bump"), (0.3, 1.0, 3.0)
    figure = explorer.exact_limit_figure("three_modes_1d", reward, 2.0, (0.3, 3.0))
    before = [trace.name for trace in figure.data]
    explorer.with_stops(figure, "three_modes_1d", reward, 2.0, stops)
    assert [trace.name for trace in figure.data if trace.visible is None] == before, "at first all that was there"
    all_of_them, *each = [step.args[0]["visible"] for step in figure.layout.sliders[0].steps]
    assert all_of_them == [True] * 3 + [False] * 3
    peaks = []
    for alpha, visible in zip(stops, each, strict=True):
        grey, shown = [trace for trace, seen in zip(figure.data, visible, strict=True) if seen]
        assert grey.name == "reference"
        assert shown.name.startswith(f"α = {alpha:g}<br>reward 0.")
        assert shown.line.color == theme.alpha_colour(alpha)
        assert float(np.trapezoid(shown.y, shown.x)) == pytest.approx(1, abs=0.01)
        peaks.append(float(max(shown.y)))
    assert peaks == sorted(peaks, reverse=True)
    assert figure.layout.yaxis.range[1] >= peaks[0]
    with pytest.raises(ValueError, match="stops is"):
        explorer.with_stops(figure, "three_modes_1d", reward, 2.0, (0.0,))


def test_an_alpha_has_one_colour_in_every_figure():
    names = ["α = 0", "α = 0.1", "ring, α = 0.3", "α = 1, limit 0.397", "α = 3", "α = 10.", "α = 100"]
    each = [theme.alpha_colour(a) for a in (0, 0.1, 0.3, 1, 3, 10, 100)]
    assert theme.colours(names) == each
    assert len(set(each)) == 7
    assert theme.colours(["exact", "α = 1/3", "other"])[1] == each[2], "the nearest of the named"
    assert set(theme.colours(["exact", "α = 1", "other"])[::2]).isdisjoint({each[3]}), "others keep clear of it"
    looks = theme.looks("series", ["right, α = 0.3", "ring, α = 0.3"])
    assert looks[0].colour == looks[1].colour
    assert looks[0].dash != looks[1].dash
    for wrong in (-1.0, float("nan"), "a"):
        with pytest.raises(ValueError, match="alpha"):
            theme.alpha_colour(wrong)
