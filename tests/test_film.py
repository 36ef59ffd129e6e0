"""Films of stages: controls move at the rounds that were asked for, and what is seen follows."""

import copy
import io

import numpy as np
import pytest
from PIL import Image

from orwlab.show import live
from orwlab.show.notebook import film, still
from orwlab.show.stage import frames

SMALL = dict(reward="bump", tau=2.0, alpha=1.0, mode="learned", particles=60)


def described(moves, **changes):
    stage = live.stage("eight_gaussians", film=moves, **{**SMALL, **changes})
    description = copy.deepcopy(stage._still)
    stage.close()
    return description


def test_controls_move_at_their_rounds(monkeypatch):
    monkeypatch.setattr(film, "FRAMES", 7)
    values = film._values(described(((0, {"alpha": 0.0}), (3, {"alpha": 3.0}), (6, {}))))
    seen = [frames.decode(value["frame"])[0] for value in values]
    assert [meta["lanes"][0]["round"] for meta in seen] == list(range(7))
    assert [meta["lanes"][0]["alpha"] for meta in seen] == [0, 0, 0, 3, 3, 3, 3]


def test_a_film_is_known_by_its_description():
    one = described(((4, {}),))
    assert film.fingerprint(one) == film.fingerprint(copy.deepcopy(one))
    others = [described(((5, {}),)), described(((2, {"tau": 1.0}), (4, {}))), described(((4, {}),), tau=1.0)]
    assert len({film.fingerprint(d) for d in [one, *others]}) == 4
    stage = live.stage("eight_gaussians", **SMALL)
    assert "film" not in stage._still
    with pytest.raises(ValueError, match="description is"):
        film.gif(stage._still)
    stage.close()


@pytest.mark.parametrize(
    "wrong",
    [
        "all",
        3,
        [(1,)],
        [(2, {}), (2, {})],
        [(1, {"colour": 3})],
        [(1, {"alpha": -1.0})],
        [(1.5, {})],
        [(0, {})],
        [(1, 2)],
    ],
)
def test_what_no_film_can_be_made_of_is_named(wrong):
    with pytest.raises(ValueError, match=r"film|α is -1.0"):
        live.stage("eight_gaussians", film=wrong, **SMALL)


@pytest.mark.browser
def test_the_film_shows_that_something_happens(monkeypatch):
    monkeypatch.setattr(film, "FRAMES", 4)
    description = described(((0, {"alpha": 0.0}), (40, {})))
    recorded = film.gif(description)
    assert film.key_of(recorded) == film.fingerprint(description)
    gif = Image.open(io.BytesIO(recorded))
    assert gif.n_frames == 4
    assert gif.width == round(still.SCALE * film.WIDTH)
    shots = []
    for k in range(4):
        gif.seek(k)
        shots.append(np.asarray(gif.convert("RGB"), dtype=float))
    left = [shot[:, : gif.width // 2] for shot in shots]  # where the particles are
    moved = [float((np.abs(a - left[0]).max(-1) > 40).mean()) for a in left]
    assert moved[0] == 0
    assert min(moved[1:]) > 0.002
    assert all(float((shot.min(-1) > 240).mean()) > 0.4 for shot in shots), "a light page"
