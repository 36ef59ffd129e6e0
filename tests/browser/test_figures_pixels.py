"""Figures as people see them: every series there and told from the others, no text cut, covered or covering."""

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from figure_page import FigurePage, near, runs

from orwlab import rewards
from orwlab.exact.sweep import Map
from orwlab.show import figures, theme
from orwlab.show.figures import Band, Curve, Patient, layout
from orwlab.show.figures.bound import WORDS
from orwlab.tasks.images import Outcome

pytestmark = pytest.mark.browser

N = 12
X = np.linspace(0.0, 1.0, 60)
LEVELS = {f"series {k}": np.full(60, float(k)) for k in range(N)}
LONG = "a name that is a good deal longer than names should be"


@pytest.fixture(scope="module")
def page(browser) -> Iterator[FigurePage]:
    page = FigurePage(browser)
    yield page
    page.context.close()
    assert not page.complaints


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def curve(k: int) -> np.ndarray:
    rounds = np.arange(1, 201)
    return (0.3 + 0.05 * k) * (1 - np.exp(-rounds / 30)) + 0.02 * np.random.default_rng(k).standard_normal(200)


# --- every series is there


def level_lines(style: str) -> list[Curve]:
    return [Curve(name, X, y, style) for name, y in LEVELS.items()]


LINES = {
    "curves_over_rounds": lambda: figures.curves_over_rounds(LEVELS),
    "curves": lambda: figures.curves(level_lines("line"), xlabel="x", ylabel="y"),
    "curves, dashed": lambda: figures.curves(level_lines("dashes"), xlabel="x", ylabel="y"),
    "labelled_curves": lambda: figures.labelled_curves(level_lines("line"), xlabel="x", ylabel="y"),
    "densities_on_a_line": lambda: figures.densities_on_a_line(X, LEVELS),
    "bands": lambda: figures.bands(
        [Band(name, X, y, y - 1e-3, y + 1e-3) for name, y in LEVELS.items()],
        Curve("truth", X, 0 * X - 1),
        xlabel="x",
        ylabel="y",
    ),
}


@pytest.mark.parametrize("kind", LINES)
def test_twelve_lines_are_seen_and_told_apart(page, kind):
    """Each level line has its colour all along; lines of one colour are inked to shares, or in strokes, that differ."""
    figure = LINES[kind]()
    page.draw(figure)
    picture = page.picture()
    seen = {}
    for k in range(N):
        colour = theme.CYCLE[k % len(theme.CYCLE)]
        (left, y), (right, _) = (page.place(x, float(k)) for x in (figure.data[0].x[0], figure.data[0].x[-1]))
        stripe = near(picture, colour)[round(y) - 2 : round(y) + 3, round(left) + 4 : round(right) - 4].any(0)
        assert stripe.mean() > 0.3, f"line {k} is not there"
        assert stripe.reshape(-1)[: len(stripe) // 9 * 9].reshape(9, -1).any(1).all(), f"line {k} is only there in part"
        seen[k] = colour, float(stripe.mean()), float(np.mean(runs(stripe)))
    for (a, share, stroke), (b, other_share, other_stroke) in itertools.combinations(seen.values(), 2):
        if a == b:
            assert abs(share - other_share) > 0.2 or max(stroke, other_stroke) > 1.4 * min(stroke, other_stroke)


def test_limits_are_dashed_and_those_of_one_colour_differ(page):
    exact = {name: k + 0.5 for k, name in enumerate(LEVELS)}
    figure = figures.curves_over_rounds(LEVELS, exact=exact)
    page.draw(figure)
    picture = page.picture()
    strokes = {}
    for k in range(N):
        (left, y), (right, _) = page.place(1, k + 0.5), page.place(60, k + 0.5)
        colour = near(picture, theme.CYCLE[k % len(theme.CYCLE)])
        stripe = colour[round(y) - 1 : round(y) + 2, round(left) + 4 : round(right) - 4].any(0)
        assert 0.3 < stripe.mean() < 0.8, "a limit is dashed"
        strokes[k] = np.median(runs(stripe))
    assert all(strokes[k + 7] > 1.3 * strokes[k] for k in range(N - 7))


def test_twelve_bars_are_seen_and_hatched_the_second_time(page):
    figure = figures.bars({name: {"a": 1.0} for name in LEVELS}, xlabel="x", ylabel="y")
    page.draw(figure)
    picture = page.picture()
    left, bottom = page.place(-0.4, 0.05)
    right, top = page.place(0.4, 0.95)
    for k in range(N):
        a, b = (left + (right - left) * (k + share) / N for share in (0.1, 0.9))
        filled = near(picture, theme.CYCLE[k % 7])[round(top) : round(bottom), round(a) : round(b)].mean()
        assert filled > 0.97 if k < 7 else 0.2 < filled < 0.8


def test_twelve_groups_of_points_are_seen_and_have_other_markers_the_second_time(page):
    figure = figures.learned_against_exact({name: ([float(k)], [11.0 - k]) for k, name in enumerate(LEVELS)})
    page.draw(figure)
    picture = page.picture()
    for k in range(N):
        x, y = page.place(float(k), 11.0 - k)
        box = near(picture, theme.CYCLE[k % 7])[round(y) - 5 : round(y) + 5, round(x) - 5 : round(x) + 5]
        corners = box[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert box.mean() > 0.6
        assert corners.sum() <= 1 if k < 7 else corners.sum() >= 3, "a circle has no corners, a square has four"


# --- no text is cut, covered or covering


def outcomes() -> list[Outcome]:
    images = noise(12, 1, 8, 8).clamp(-1, 1)
    numbers = {"judge": 1.0, "off_data": 1.0, "diversity": 12.3}
    return [Outcome(alpha, images, 1.0, numbers) for alpha in (None, 0.0, 0.125, 0.5, 2.0)]


def map_of(alphas: int, taus: int) -> Map:
    reward = torch.rand(alphas, taus, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = (torch.logspace(-2, 1.5, n, dtype=torch.float64) for n in (alphas, taus))
    return Map(*values, reward, 4 - 3 * reward, reward, reward > 0.2)


T = torch.linspace(0, 1, 15)
FIELD = torch.rand(48, 48, generator=torch.Generator().manual_seed(0))
RISING = torch.stack([t * torch.linspace(1, 3, 5)[:, None] for t in T])
CROWD = [1, 3, 10, 30, 100], ([3.6, 3.82, 3.86, 3.865, 3.866], [0.3, 0.1, 0.03, 0.01, 0.003])
FIGURES = {
    "twelve rounds and limits": lambda: figures.curves_over_rounds(
        {f"α = {k / 4:g}": curve(k) for k in range(N)}, exact={f"α = {k / 4:g}": 0.3 + k / 20 for k in range(N)}
    ),
    "21 rounds": lambda: figures.curves_over_rounds({f"{LONG} {k}": curve(k) for k in range(21)}, title=LONG),
    "curves": lambda: figures.curves(
        [Curve(f"{LONG} {k}", X, k * X, s) for k, s in enumerate(("line", "dashes", "markers") * 4)],
        xlabel="x",
        ylabel="y",
    ),
    "labelled, ends at the bottom": lambda: figures.labelled_curves(
        [Curve(f"N = {k}", 10_000 * X, k * (1 - X)) for k in range(N)], xlabel="x", ylabel="y", title=LONG
    ),
    "labelled, long names": lambda: figures.labelled_curves(
        [Curve(f"{LONG} {k}", X, k * X) for k in range(20)], xlabel="x", ylabel="y", title=f"{LONG}, {LONG}, {LONG}"
    ),
    "labelled, logarithmic": lambda: figures.labelled_curves(
        [Curve(f"a<br>b {k}", X + 0.01, 10.0**k * (X + 0.01)) for k in range(5)],
        xlabel="x",
        ylabel="y",
        log_x=True,
        log_y=True,
    ),
    "densities": lambda: figures.densities_on_a_line(X, LEVELS, reference=X, title=LONG),
    "learned": lambda: figures.learned_against_exact(dict.fromkeys(LEVELS, (X, X))),
    "bars": lambda: figures.bars({name: {"a": 1.0, "b": 2.0} for name in LEVELS}, xlabel="x", ylabel="y", title="t"),
    "bands": lambda: figures.bands(
        [Band(n, X, y, y - 0.1, y + 0.1) for n, y in LEVELS.items()], Curve("truth", X, X), xlabel="x", ylabel="y"
    ),
    "trade-off, twelve": lambda: figures.reward_against_diversity(
        np.logspace(-2, 1, N),
        (np.linspace(0.8, 3.9, N), np.linspace(0.9, 0, N)),
        {k + 1.0: [(1 + k / 4, 0.9 - k / 14)] for k in range(N)},
        collapse=0.5,
    ),
    "trade-off, crowded": lambda: figures.reward_against_diversity(
        *CROWD, {1.0: [(3.6, 0.28)]}, collapse=0.4, title="t"
    ),
    "penalty": lambda: figures.penalty_against_distance(
        {f"α = {k}": [(10**-i, (3 + k / 4) * 10**-i) for i in range(1, 4)] for k in range(9)}, title="t"
    ),
    "ladder": lambda: figures.ladder_over_alpha(
        {a: {name: 0.1 * k - a for k, name in enumerate(WORDS)} for a in (0.1, 1.0)}, {0.1: 0.3, 1.0: 0.2}, title="t"
    ),
    "pairings": lambda: figures.pairings(
        [(LONG, noise(6, 2), noise(6, 2) + 1, torch.arange(6)) for _ in range(3)], title="t"
    ),
    "coupled paths": lambda: figures.coupled_paths(T, RISING, -RISING, title="t"),
    "coupled paths, from above": lambda: figures.coupled_paths(T, 9 - 3 * RISING, 9 - RISING, title="t"),
    "paths": lambda: figures.paths_in_time([("a", T, noise(15, 5))], mark=(0.5, 0.0), title=LONG),
    "velocities": lambda: figures.velocities_at_a_point(
        torch.cat([noise(3000) - 2.4, noise(3000) + 2.4]), 12 * T - 6, torch.ones(15) / 12, 0.4, title="t"
    ),
    "arrows": lambda: figures.arrows_in_panels([(LONG, noise(40, 2), noise(40, 2))] * 2, extent=10, title=LONG),
    "trajectories": lambda: figures.trajectories_in_panels([("a", noise(5, 20, 2))] * 3, title="t"),
    "samples": lambda: figures.samples_in_panels(
        [(f"<b>α = {k}</b><br>{LONG}", noise(200, 2)) for k in range(4)], reward=rewards.get("bump"), title="t"
    ),
    "samples, one panel": lambda: figures.samples_in_panels([("a", noise(200, 2))], extent=30, title=LONG),
    "weighted samples": lambda: figures.weighted_samples(
        [("a", noise(50, 2), torch.ones(50), noise(50, 2))], title=LONG
    ),
    "weighted regression": lambda: figures.weighted_regression(
        noise(200), noise(200), torch.ones(200), [Curve(LONG, X, 3 * X)], title="t"
    ),
    "densities in panels": lambda: figures.densities_in_panels([(LONG, FIELD)] * 3, reward=FIELD, title="t"),
    "densities in two rows": lambda: figures.densities_in_panels([("a", FIELD)] * 3 + [(LONG, FIELD)], title="t"),
    "ward": lambda: figures.ward([Patient(f"run {k}", k * noise(200, 2), curve(k)) for k in range(5)], title="t"),
    "ward, one": lambda: figures.ward([Patient("a", noise(200, 2), curve(1))], title="t"),
    "digits": lambda: figures.digits_over_alpha(outcomes()),
    "colours": lambda: figures.images_over_alpha(
        [Outcome(alpha, noise(6, 3, 16, 16).clamp(-1, 1), 1.0, {}) for alpha in (None, 0.0, 0.125)],
        {"reward": f"{LONG} {{:.0f}}"},
        title="t",
    ),
    "rows": lambda: figures.images_in_rows([(LONG, f"{LONG}<br>t", noise(6, 1, 8, 8)), ("b", "", noise(6, 1, 8, 8))]),
    "rows without words": lambda: figures.images_in_rows([("a", "", noise(6, 3, 8, 8))], title=LONG),
    "seeds": lambda: figures.seeds_over_alpha(
        [0.0, 0.05, 0.125, 1.0, None], {f"{LONG} {k}": k + noise(5, 3) for k in range(N)}, ylabel="y", title=LONG
    ),
    "digits, one column": lambda: figures.digits_over_alpha(outcomes(), columns=1),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_no_text_is_cut_or_covers_anything(page, kind):
    page.draw(FIGURES[kind]())
    assert page.texts()
    assert page.faults(covers=("collapsed",)) == []  # that one names the band it stands in


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize("size", [(3, 2), (7, 5), (14, 9)])
def test_the_numbers_of_a_map_stand_in_their_cells(page, size, points):
    exact = map_of(*size)
    found = [(float(exact.alphas[k]), float(exact.taus[0]), 0.5, 2.0) for k in range(3)] if points else []
    figure = figures.maps_over_alpha_and_tau(exact, points=found, collapse=1.5, title="t")
    page.draw(figure)
    cells = {note.text for note in figure.layout.annotations}
    assert page.faults(covers=tuple(cells)) == []
    maps = page.images()
    for text in page.texts():
        if text.words in cells and text.words[0].isdigit():
            box = next(m for m in maps if m[0] <= text.left <= m[2] and m[1] <= (text.top + text.bottom) / 2 <= m[3])
            wide, high = (box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]
            assert int((text.left - box[0]) // wide) == int((text.right - box[0]) // wide)
            assert int((text.top + 3 - box[1]) // high) == int((text.bottom - 3 - box[1]) // high)


def test_a_long_table_is_shown_as_a_whole(page):
    names = ("reward_before", "effective_sample_size_of_the_last_round", "diversity", "outside_of_the_data")
    chart = {f"run {k}": dict.fromkeys(names, k / 3) for k in range(15)}
    page.draw(figures.readings_table(chart, title="t"))
    texts = page.texts()
    words = [text.words for text in texts]
    assert all(words.count(run) == 1 for run in chart)
    assert max(text.bottom for text in texts) <= page.height
    assert "run 14" in max(texts, key=lambda text: (text.top, -text.left)).words


@pytest.mark.parametrize("width", [700, 1000, None])
def test_no_word_stands_on_a_digit(page, width):
    """However wide the figure is made: the images are smaller then, and the words beside them are not."""
    figure = figures.digits_over_alpha(outcomes())
    if width:
        figure.update_layout(width=width)
    page.draw(figure)
    images = page.images()
    assert len(images) == 5
    assert all(right - left > 200 for left, _, right, _ in images)
    for text in page.texts():
        assert not any(text.meets(*image) for image in images), text.words
    with_words, without = page.picture(), page.picture(texts=False)
    for left, top, right, bottom in images:
        box = slice(round(top), round(bottom)), slice(round(left), round(right))
        assert (with_words[box] == without[box]).all(), "a word is painted over an image"
    assert (with_words != without).any()
    assert page.faults() == []


def test_estimated_widths_of_texts_hold(page):
    """Rooms are cut to them. Too narrow a room would cut words, too wide a one would waste some."""
    texts = [
        "classifier says even: 100%",
        "ORW-CFM-W2, α = 0.5",
        "<b>reference</b>",
        "THE QUICK BROWN FOX",
        "0.123456789",
    ]
    texts += ["mean reward 0.74, exact limit 0.74", "W<sub>2</sub>² = 10 × penalty", "jill", "mommy"]
    figure = figures.labelled_curves([Curve(text, X, k + X) for k, text in enumerate(texts)], xlabel="x", ylabel="y")
    page.draw(figure)
    found = page.texts()
    for note in figure.layout.annotations:
        plain = re.sub("<[^<>]*>", "", note.text)
        (box,) = [text for text in found if text.words == plain]
        assert 0.93 < layout.width_of(note.text, note.font.size) / (box.right - box.left) < 1.2
