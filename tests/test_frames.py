"""Frames: what Python packs, Python and the browser's decoder unpack alike."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from orwlab import rewards, targets
from orwlab.show import stage
from orwlab.show.stage import scenes
from orwlab.show.stage.frames import LEVELS, Quantised, decode, encode
from orwlab.show.stage.readouts import NOTHING, Curve, Number, signed, significant
from orwlab.targets import GaussianMixture

META = {"run": "abc", "seq": 7, "round": 120, "note": "α = 1, −0.5 “ok”", "list": [1, 2.5, None]}


@pytest.fixture
def arrays() -> dict[str, np.ndarray | Quantised]:
    rng = np.random.default_rng(0)
    return {
        "x": Quantised(rng.normal(0, 2, (301, 2)), -10.0, 10.0),
        "labels": rng.integers(0, 8, 301).astype(np.uint8),  # an odd length: the next array has to be aligned again
        "reward": rng.normal(size=33).astype(np.float32),
        "empty": np.zeros(0, np.float32),
        "grid": Quantised(rng.random((5, 9)), 0.0, 1.0),
    }


def test_a_frame_comes_back_as_it_was(arrays):
    meta, back = decode(encode(META, arrays))
    assert meta == META
    assert list(back) == list(arrays)
    np.testing.assert_array_equal(back["labels"], arrays["labels"])
    np.testing.assert_array_equal(back["reward"], arrays["reward"])
    assert back["empty"].shape == (0,)
    assert back["x"].shape == (301, 2)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-10.0, 10.0), (0.0, 1e-3), (-5e3, 5e3)])
def test_quantisation_errs_by_half_a_step_at_most(low, high):
    values = np.random.default_rng(1).uniform(low, high, 20_000)
    _, back = decode(encode({}, {"x": Quantised(values, low, high)}))
    error = np.abs(back["x"].astype(np.float64) - values).max()
    step = (high - low) / LEVELS
    assert error <= 0.5 * step + 1e-7 * max(abs(low), abs(high))
    assert error >= 0.45 * step  # it is 16 bits, not more


def test_what_lies_outside_the_limits_is_clipped_to_them():
    _, back = decode(encode({}, {"x": Quantised(np.array([-99.0, -2.0, 2.0, 99.0]), -2.0, 2.0)}))
    np.testing.assert_allclose(back["x"], [-2, -2, 2, 2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_browser_never_gets_a_number_that_is_none(bad):
    for array in (np.array([0.0, bad]), Quantised(np.array([0.0, bad]), -1.0, 1.0)):
        with pytest.raises(ValueError, match="'x' holds NaN or infinite"):
            encode({}, {"x": array})
    with pytest.raises(ValueError, match=r"[Oo]ut of range float"):
        encode({"speed": bad}, {})
    with pytest.raises(ValueError, match="limits of 'x'"):
        encode({}, {"x": Quantised(np.zeros(2), 0.0, bad)})


def test_limits_must_be_in_order():
    with pytest.raises(ValueError, match="low < high"):
        encode({}, {"x": Quantised(np.zeros(2), 1.0, 1.0)})


def test_a_damaged_frame_is_refused(arrays):
    text = encode(META, arrays)
    with pytest.raises(ValueError, match="ends inside array 'grid'"):
        decode(text[: -8 * 4])
    with pytest.raises(ValueError, match="not a frame"):
        decode("AAAA" + text[4:])


def lab_message() -> str:
    """Two lanes with a bit of everything; what `stage.test.mjs` expects of it is written there."""
    lanes = [
        {"alpha": 0.3, "label": "α = 0.3", "round": 12, "banner": None,
         "numbers": [Number("reward", "mean reward", "reward", "0.25", "0.67", "The mean of r.", "±0.012"),
                     Number("ess", "effective samples", "effective", "40 %")]},
        {"alpha": 1.0, "label": "α = 1", "round": 12,
         "banner": {"kind": "warning", "title": "It has collapsed.", "text": "Try a larger α."},
         "numbers": [Number("reward", "mean reward", "reward", "0.50"), Number("ess", "ess", "eff.", "60 %")]},
    ]  # fmt: skip
    meta = {"run": "a", "seq": 1, "state": "running", "mode": "both", "t": 0.5, "lanes": lanes,
            "numbers": [Number("round", "round", "round", "12")]}  # fmt: skip
    curves = [
        Curve("reward", "Mean reward", [[0.0, 0.25], [0.0, 0.5]], 0.0, [0.67, None]),
        Curve(("w2", "bound"), "Distance", [[[0, 2], [0, 3]], [[0, 1e9], [0, 1e66]]], log=True, names=("W₂²", "bound"),
              rounds=[10, 12]),
    ]  # fmt: skip
    g = torch.Generator().manual_seed(0)
    return scenes.frame(
        meta,
        torch.randn(2, 50, 2, generator=g),
        5.0,
        [0, 12],
        curves,
        [7],
        arrows=torch.randn(2, 9, 4, generator=g),
        paths=torch.randn(2, 3, 4, 2, generator=g),
        mode_mass=torch.tensor([[0.5, 0.5], [0.1, 0.9]]),
        mode_mass_exact=[torch.tensor([0.25, 0.75]), None],
    )


def gaussian_on_cells(cells: int = 48, s: float = 5.0) -> torch.Tensor:
    """N((1.5, -1), 0.5 I) on cell centres, indexed [x, y]."""
    axis = (torch.arange(cells) + 0.5) * (2 * s / cells) - s
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    return torch.exp(-((x - 1.5) ** 2 + (y + 1) ** 2))


def test_node_agrees(arrays, tmp_path):
    node = shutil.which("node")
    if node is None:
        if os.environ.get("ORWLAB_REQUIRE_BROWSER") == "1":
            pytest.fail("there is no node on the PATH")
        pytest.skip("there is no node on the PATH to run the stage's decoder")
    text = encode(META, arrays)
    _, back = decode(text)
    expected = {name: {"shape": list(a.shape), "values": a.ravel().astype(float).tolist()} for name, a in back.items()}
    (tmp_path / "frame.txt").write_text(text)
    (tmp_path / "lab.txt").write_text(lab_message())
    (tmp_path / "exact.txt").write_text(scenes.exact([gaussian_on_cells(), None], 5.0))
    (tmp_path / "expected.json").write_text(json.dumps({"meta": META, "arrays": expected}))
    tests = Path(__file__).parent / "stage.test.mjs"
    run = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(tests)],
        env={**os.environ, "ORWLAB_FRAMES": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"# pass {tests.read_text().count(chr(10) + 'test(')}" in run.stdout


def test_the_joined_script_is_one_that_runs(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on the PATH")
    (tmp_path / "stage.js").write_text(stage.javascript())  # a name defined twice among the modules is an error here
    run = subprocess.run([node, "--check", str(tmp_path / "stage.js")], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert max(path.read_text().count("\n") for path in Path(stage.__file__).parent.glob("*.js")) <= 320


def test_the_joined_script_is_free_of_modules_and_defines_the_stage():
    script = stage.javascript()
    assert "\nimport " not in script
    assert "\nexport " not in script
    assert "function createStage(" in script
    assert "http" not in script.replace("http://www.w3.org/2000/svg", "")  # nothing to fetch: that one is a name
    openings = [line.strip() for line in stage.stylesheet().splitlines() if "{" in line]
    assert openings
    ours = (".orw-stage", ".orw-player", "@media")
    assert all(line.startswith(ours) for line in openings)  # it styles nothing else on the page


def test_the_backdrop_holds_reward_and_density_where_they_are():
    target, reward, size = targets.get("eight_gaussians"), rewards.get("right"), 5.0
    meta, arrays = decode(scenes.scene(target, reward, size, torch.arange(8), grid=81))
    axis = np.linspace(-size, size, 81)
    np.testing.assert_allclose(arrays["reward"], np.tile(np.tanh(axis / 2.5), (81, 1)), atol=2e-5)
    j, i = np.unravel_index(arrays["density"].argmax(), (81, 81))
    assert np.hypot(axis[i], axis[j]) == pytest.approx(3.0, abs=0.15)  # a mode of the ring of eight
    assert meta["modes"] == 8
    # the share of fresh data above each contour's level is the share it says it holds
    x = target.sample(4000, generator=torch.Generator().manual_seed(0))
    peak = target.log_prob(torch.tensor([[axis[i], axis[j]]], dtype=torch.float32)).exp()
    root = (target.log_prob(x).exp() / peak).sqrt()
    for level, share in zip(meta["levels"], scenes.SHARES):
        assert (root > level).float().mean() == pytest.approx(share, abs=0.03)


def test_a_scene_says_where_its_modes_are():
    means, weights = [[0.0, 0.0], [2.0, 0.0], [-3.0, 1.0]], [1.0, 3.0, 2.0]
    target = GaussianMixture(weights, means, [0.25 * np.eye(2)] * 3, modes=[0, 0, 1])
    meta, _ = decode(scenes.scene(target, rewards.get("right"), grid=20))
    assert meta["centres"] == [pytest.approx([1.5, 0.0]), pytest.approx([-3.0, 1.0])]  # weighted by mass
    # between the components 3/4, inside each 1/4 along x; 1/4 along y; their mean's root
    assert meta["spreads"] == pytest.approx([np.sqrt((0.75 + 0.25 + 0.25) / 2), 0.5])


def test_the_way_of_one_particle_is_sent_lane_by_lane():
    x, way = torch.zeros(2, 5, 2), torch.linspace(-4, 4, 2 * 7 * 2).reshape(2, 7, 2)
    meta, back = decode(scenes.frame({"traced": 3}, x, 5.0, [], [], trace=way))
    assert meta["traced"] == 3
    np.testing.assert_allclose(back["trace"], way, atol=20 / LEVELS)
    assert decode(scenes.frame({}, x[0], 5.0, [], [], trace=way[0]))[1]["trace"].shape == (1, 7, 2)
    with pytest.raises(ValueError, match="trace has 1 lanes"):
        scenes.frame({}, x, 5.0, [], [], trace=way[0])


def test_the_view_grows_at_once_and_shrinks_late():
    x = torch.linspace(-3, 3, 200)[:, None].expand(-1, 2)
    assert scenes.view_for(x) == scenes.HOME
    far = scenes.view_for(4 * x)
    assert far >= 12 * 0.97
    just_smaller = x * (0.85 * far / 1.5 / 3)
    assert scenes.view_for(just_smaller, before=far) == far
    assert scenes.view_for(x, before=far) == scenes.HOME


def test_one_lane_may_leave_out_its_dimension_and_several_come_back_apart():
    x = torch.randn(2, 20, 2, generator=torch.Generator().manual_seed(0))
    for given, lanes in ((x[0], 1), (x, 2)):
        meta, back = decode(scenes.frame({}, given, 5.0, [0], []))
        assert back["x"].shape == (lanes, 20, 2)
        np.testing.assert_allclose(back["x"], x[:lanes], atol=20 / LEVELS)
        assert meta["view"] == [-5, 5, -5, 5]


def test_lanes_must_agree():
    x, nan = torch.zeros(2, 5, 2), torch.full((2, 5, 2), torch.nan)
    with pytest.raises(ValueError, match="arrows has 3 lanes; allowed: as many as x has, 2"):
        scenes.frame({}, x, 5.0, [], [], arrows=torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match="reward has 1 lanes"):
        scenes.frame({}, x, 5.0, [0], [Curve("reward", "r", [0.5])])
    with pytest.raises(ValueError, match="meta describes 1 lanes"):
        scenes.frame({"lanes": [{}]}, x, 5.0, [], [])
    with pytest.raises(ValueError, match="1 to 4 lanes"):
        scenes.frame({}, torch.zeros(5, 3, 2), 5.0, [], [])
    with pytest.raises(ValueError, match="'x' holds NaN"):
        scenes.frame({}, nan, 5.0, [], [])
    with pytest.raises(ValueError, match="paths has shape"):
        scenes.frame({}, x, 5.0, [], [], paths=torch.zeros(4, 2))


def test_a_curve_says_its_values_and_limits_lane_by_lane():
    one = Curve("reward", "Mean reward", [0.1, 0.4], 0.0, 0.3975).header()
    assert one["values"] == ["0.40"]
    assert one["exact"] == [{"value": 0.3975, "label": "exact limit 0.40"}]
    two = Curve("reward", "Mean reward", [[0.1], [-0.2]], 0.0, [None, 0.5], ["exact limit", "about"])
    assert two.header()["values"] == ["0.10", "−0.20"]
    assert two.header()["exact"] == [None, {"value": 0.5, "label": "about 0.50"}]
    assert two.arrays()["reward"].shape == (2, 1)
    with pytest.raises(ValueError, match="allowed: one a lane, 2"):
        Curve("reward", "Mean reward", [[0.1], [0.2]], 0.0, [0.5]).header()
    with pytest.raises(ValueError, match="values of curve 'Distance' has shape"):
        Curve(("a", "b"), "Distance", [[1.0, 2.0]]).header()


def test_a_logarithmic_curve_sends_decades_and_leaves_out_what_has_none():
    back = Curve("bound", "Bound", [0.0, 10.0, 1e66], log=True).arrays()["bound"]
    np.testing.assert_allclose(back, [[NOTHING, 1, 66]], rtol=1e-6)
    with pytest.raises(ValueError, match="'bound' holds NaN or infinite"):
        scenes.frame({}, torch.zeros(3, 2), 5.0, [0], [Curve("bound", "Bound", [float("inf")], log=True)])


def test_numbers_are_said_for_people():
    assert [signed(v) for v in (0.397, -0.004, -1.5, 12345.0)] == ["0.40", "0.00", "−1.50", "1.2·10⁴"]
    assert [significant(v) for v in (0.0, 0.0123, 3.34, 123.0, 1.3e9, 2e-5)] == [
        "0", "0.012", "3.3", "123", "1.3·10⁹", "2.0·10⁻⁵"
    ]  # fmt: skip


def test_the_exact_limit_is_where_the_density_is():
    density = gaussian_on_cells()
    meta, back = decode(scenes.exact([density, None], 5.0, [True, False]))
    assert back["density"].shape == (2, 48, 48)
    j, i = np.unravel_index(back["density"][0].argmax(), (48, 48))
    low, high = meta["view"][:2]
    axis = np.linspace(low, high, 48)  # the outermost cells' middles
    assert (axis[i], axis[j]) == pytest.approx((1.5, -1.0), abs=0.11)
    assert meta["lanes"][1] is None
    outer, inner = meta["lanes"][0]["levels"]
    # the root of a Gaussian's density falls to sqrt(1 - share) where that share lies inside
    assert (outer, inner) == pytest.approx((np.sqrt(0.1), np.sqrt(0.5)), abs=0.03)


@pytest.mark.parametrize(
    ("densities", "message"),
    [
        ([], "0 lanes"),
        ([torch.ones(4, 5)], "one shape"),
        ([torch.ones(4, 4), torch.ones(5, 5)], "one shape"),
        ([-torch.ones(4, 4)], r"densities\[0\]"),
        ([torch.full((4, 4), torch.nan)], r"densities\[0\]"),
    ],
)
def test_what_is_no_density_is_refused(densities, message):
    with pytest.raises(ValueError, match=message):
        scenes.exact(densities, 5.0)
