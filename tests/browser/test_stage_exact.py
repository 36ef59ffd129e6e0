"""What the stage shows in exact mode: the chosen ground, over it the exact density, and samples of that."""

import numpy as np
import pytest
from stage_page import give, near, pixels

from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import frames

pytest_plugins = ["stage_page"]  # the fixture host
pytestmark = [pytest.mark.browser, pytest.mark.slow]

BARE = {"samples": False, "ghost": False, "contours": False, "modes": False}
LEGEND = "() => [...document.querySelectorAll('.orw-legend li')].map((e) => e.textContent.trim())"
# the density's root at the middle of every pixel that `pixels` returns, by the stage's camera
ROOT = """(lane) => {
    const { plots } = stage.layout, p = plots[lane], r = stage.picture.ratio, [x0, x1, y0, y1] = stage.camera.now;
    const { density: { data, shape: [rows, columns] }, view: [s0, s1, r0, r1] } = stage.exact[lane];
    const left = Math.trunc(p.x * r + 2), top = Math.trunc(p.y * r + 2);
    const width = Math.trunc(p.w * r - 4), height = Math.trunc(p.h * r - 4), found = [];
    for (let j = 0; j < height; j++) for (let i = 0; i < width; i++) {
        const x = x0 + ((left + i + 0.5) / r - p.x) / p.w * (x1 - x0);
        const y = y1 - ((top + j + 0.5) / r - p.y) / p.h * (y1 - y0);
        const u = (x - s0) / (s1 - s0) * (columns - 1), v = (y - r0) / (r1 - r0) * (rows - 1);
        const a = Math.floor(u), b = Math.floor(v), k = b * columns + a;
        if (a < 0 || b < 0 || a + 1 >= columns || b + 1 >= rows) { found.push(-1); continue; }
        found.push((1 - v + b) * ((1 - u + a) * data[k] + (u - a) * data[k + 1]) +
            (v - b) * ((1 - u + a) * data[k + columns] + (u - a) * data[k + columns + 1]));
    }
    return found;
}"""


@pytest.fixture(scope="module")
def exact():
    """``exact(lanes, **meta)``: what a host hands over after twelve exact rounds, the frame's header changed."""
    others, made = {1: (), 2: (1.0,), 4: (0.3, 1.0, 3.0)}, {}

    def value(lanes, **meta):
        if lanes not in made:
            session = Session(Settings(mode="exact", alpha=0.1, others=others[lanes]), particles=400)
            for _ in range(12):
                session.step()
                session.advance()
            made[lanes] = session.frame()
            session.close()
        return made[lanes] | {"frame": frames.amended(made[lanes]["frame"], lambda header: header.update(meta))}

    return value


def rgb(page, path: str) -> np.ndarray:
    """A colour of the theme, (3,)."""
    found = page.evaluate(f"stage.theme.{path}")
    return np.array([int(found[i : i + 2], 16) for i in (1, 3, 5)] if isinstance(found, str) else found)


@pytest.mark.parametrize(("lanes", "dark"), [(1, False), (2, True)])
def test_the_ground_keeps_its_colours_and_mass_lies_over_it(host, exact, lanes, dark):
    """Where the root of the density is s, a share s times `opacity` of the picture is the exact colour."""
    page = host(exact(lanes, mode="exact"), 900, 600, dark=dark, options=BARE)
    roots = [np.array(page.evaluate(ROOT, lane)) for lane in range(lanes)]
    opacity, colour = page.evaluate("stage.theme.mass.opacity"), rgb(page, "mass.color")
    assert 0.3 < opacity < 0.7  # the ground is seen through the densest place, too
    for background in ("reward", "density", "none"):
        page.evaluate("(background) => stage.configure({background})", background)
        give(page, exact(lanes, mode="learned"))
        grounds = [pixels(page, lane) for lane in range(lanes)]
        give(page, exact(lanes))
        for lane, ground in enumerate(grounds):
            shown, root = pixels(page, lane), roots[lane]
            far, dense = np.abs(root) < 0.002, root > 0.5
            assert far.mean() > 0.3
            assert dense.sum() > 300
            np.testing.assert_allclose(shown[far], ground[far], atol=1)  # plainly the ground
            share = opacity * root[dense, None]
            np.testing.assert_allclose(shown[dense], (1 - share) * ground[dense] + share * colour, atol=9)
            assert np.abs(shown[dense] - ground[dense]).sum(1).min() > 30  # and it is seen that something is there
            if background == "none":
                assert near(shown[far], rgb(page, "panel"), 2) > 0.99  # all but the ticks
            elif background == "reward":
                low, high = rgb(page, "reward[0]"), rgb(page, "reward[1]")
                assert near(shown[far], low) > 0.1  # the ramp from end to end: the reward goes to the right
                assert near(shown[far], high) > 0.1


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("lanes", [1, 4])
def test_samples_of_the_density_are_drawn_in_the_exact_colour_and_can_be_switched_off(host, exact, lanes, dark):
    page = host(exact(lanes), dark=dark, options={**BARE, "samples": True})
    page.wait_for_function("stage.motion.x.done")
    assert page.evaluate("stage.visible") > 300 * lanes
    colour = rgb(page, "contour")
    shares = [near(pixels(page, lane), colour, 90) for lane in range(lanes)]
    dotted = [pixels(page, lane) for lane in range(lanes)]
    page.evaluate("stage.configure({samples: false})")
    assert page.evaluate("stage.visible") == 0
    for lane, share in enumerate(shares):
        plain = pixels(page, lane)
        changed = np.abs(plain - dotted[lane]).sum(1) > 12
        assert changed.mean() > 0.004
        assert share > near(plain, colour, 90) + 0.004
    assert not any("samples of" in words for words in page.evaluate(LEGEND))


def test_the_exact_density_is_of_finished_samples(host, exact):
    page = host(exact(1), options=BARE)
    ground = rgb(page, "panel")
    page.evaluate("stage.configure({background: 'none'})")
    finished = np.abs(pixels(page) - ground).sum()
    give(page, exact(1, t=0.4))
    assert np.abs(pixels(page) - ground).sum() == pytest.approx(0.35 * finished, rel=0.1)
    assert "the exact density in this round, of finished samples" in page.evaluate(LEGEND)
    give(page, exact(1))
    assert np.abs(pixels(page) - ground).sum() == finished


def test_the_legend_says_what_is_exact_in_each_mode(host, exact):
    now = {"samples of the exact density", "the exact density in this round"}
    inside = "50 % and 90 % of it inside"
    limit = "the exact limit: the same shares"
    page = host(exact(2))
    told = set(page.evaluate(LEGEND))
    assert {*now, inside} <= told
    assert limit not in told  # what is on show has not come to rest
    assert any(words.startswith("reward −") for words in told)
    page.evaluate("stage.configure({contours: false, background: 'density'})")
    told = set(page.evaluate(LEGEND))
    assert now <= told
    assert inside not in told
    assert "density of the data" in told
    page.evaluate("stage.configure({contours: true})")
    give(page, exact(2, mode="both"))
    told = set(page.evaluate(LEGEND))
    assert limit in told
    assert not told & {*now, inside}


def test_a_sample_is_pointed_at_and_followed_as_in_other_modes(host, exact):
    page = host(exact(2))
    page.wait_for_function("stage.motion.x.done")
    page.evaluate("() => { window.traced = []; stage.host.trace = (k) => traced.push(k); }")
    place = page.evaluate(
        """() => { const { x, y, w, h } = stage.layout.plots[1], [x0, x1, y0, y1] = stage.camera.now;
            const k = 2 * (stage.frame.n + 7), [u, v] = stage.positions.subarray(k, k + 2);
            const { left, top } = stage.canvas.getBoundingClientRect();
            return [left + x + (u - x0) / (x1 - x0) * w, top + y + (y1 - v) / (y1 - y0) * h]; }"""
    )
    page.mouse.move(*place)
    page.wait_for_function("traced.length > 0")
    chosen = page.evaluate("stage.tracing.wanted")
    assert page.evaluate("traced.at(-1)") == chosen
    near_by = page.evaluate(
        """(k) => [0, 1].map((i) => { const { positions, frame: { n } } = stage;
            return positions[2 * (n + k) + i] - positions[2 * (n + 7) + i]; })""",
        chosen,
    )
    assert np.hypot(*near_by) < 0.5
    before = [pixels(page, lane) for lane in range(2)]
    page.mouse.move(2, 2)
    page.wait_for_function("stage.tracing.wanted === null")
    page.wait_for_timeout(100)
    for lane, ringed in enumerate(before):
        assert (np.abs(pixels(page, lane) - ringed).sum(1) > 30).sum() > 40  # a ring, in every lane
    page.evaluate("stage.configure({samples: false})")
    page.mouse.move(*place)
    page.wait_for_timeout(150)
    assert page.evaluate("stage.tracing.wanted") is None


def test_what_is_exact_is_told_from_lanes_and_grounds(host, exact):
    """The samples' colour is neither a lane's nor a ground's nor a mode's beside it, in light and dark."""
    for dark in (False, True):
        page = host(exact(1), dark=dark)
        own = rgb(page, "contour")
        np.testing.assert_array_equal(rgb(page, "mass.color"), own)  # the density, its lines and its samples
        grounds = [rgb(page, f"{ground}[1]") for ground in ("reward", "truth", "density")]
        others = [rgb(page, f"dots[{k}]") for k in range(4)] + grounds
        for other in others:
            assert np.abs(own - other).sum() > 120
