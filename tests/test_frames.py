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


def test_the_browsers_decoder_agrees(arrays, tmp_path):
    node = shutil.which("node")
    if node is None:
        if os.environ.get("ORWLAB_REQUIRE_BROWSER") == "1":
            pytest.fail("there is no node on the PATH")
        pytest.skip("there is no node on the PATH to run the stage's decoder")
    text = encode(META, arrays)
    _, back = decode(text)
    expected = {name: {"shape": list(a.shape), "values": a.ravel().astype(float).tolist()} for name, a in back.items()}
    (tmp_path / "frame.txt").write_text(text)
    (tmp_path / "expected.json").write_text(json.dumps({"meta": META, "arrays": expected}))
    run = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(Path(__file__).parent / "stage.test.mjs")],
        env={**os.environ, "ORWLAB_FRAMES": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# pass 5" in run.stdout


def test_the_joined_script_is_free_of_modules_and_defines_the_stage():
    script = stage.javascript()
    assert "\nimport " not in script
    assert "\nexport " not in script
    assert "function createStage(" in script
    assert "http" not in script  # nothing to fetch
    openings = [line.strip() for line in stage.stylesheet().splitlines() if "{" in line]
    assert openings
    assert all(line.startswith((".orw-stage", "@media")) for line in openings)  # it styles nothing else on the page


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


def test_the_view_grows_at_once_and_shrinks_late():
    x = torch.linspace(-3, 3, 200)[:, None].expand(-1, 2)
    assert scenes.view_for(x) == scenes.HOME
    far = scenes.view_for(4 * x)
    assert far >= 12 * 0.97
    just_smaller = x * (0.85 * far / 1.5 / 3)
    assert scenes.view_for(just_smaller, before=far) == far
    assert scenes.view_for(x, before=far) == scenes.HOME
