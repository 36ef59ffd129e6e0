"""The exact dial: its fan agrees with the limits themselves, moves smoothly, and is worked out once for everybody."""

import base64
import gzip
import json
import math
import threading
import time

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from orwlab import rewards
from orwlab.show.classroom import dial
from orwlab.show.lab import exact, own
from orwlab.show.lab.link import Link
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import frames, scenes
from orwlab.show.web.classroom import Classroom
from orwlab.show.web.errands import Errands

SCENE = "alpha=0.3&tau=1.5"
LESSON = "title: Turn it\nscenes:\n  - {title: Held, link: alpha=0.3}\n"


@pytest.fixture(scope="module")
def fan():
    """The fan of ``SCENE``: its first piece, and alpha -> piece of the others, in the order in which they came."""
    first, *rest = dial.pieces(SCENE)
    return first, {piece["alpha"]: piece for piece in rest}


def places(piece) -> np.ndarray:
    return frames.decode(piece["frame"])[1]["x"][0]


# The fan


def test_its_places_are_the_labs_and_the_scenes_own(fan):
    first, rest = fan
    assert first["alphas"] == sorted(rest) == list(dial.ALPHAS)
    assert first["alpha"] == next(iter(rest)) == 0.3
    assert dial.places_of(Settings(alpha=0.42)) == tuple(sorted((*dial.ALPHAS, 0.42)))
    assert dial.places_of(Settings(alpha=0.01)) == dial.ALPHAS
    logs = np.diff(np.log(dial.ALPHAS))
    assert logs.max() < 0.52  # no gap is wider than a factor of 5/3
    assert (dial.ALPHAS[0], dial.ALPHAS[-1]) == (exact.SMALLEST_ALPHA, 100)


@pytest.mark.parametrize("start", [0.05, 1.0, 7.0, 100.0])
def test_a_few_of_them_span_the_dial(start):
    turn = dial.in_turn(dial.ALPHAS, start)
    assert turn[0] == start
    assert sorted(turn) == list(dial.ALPHAS)

    def gap(count):
        """The farthest that any place is from the nearest of the first ones, as a factor."""
        return math.exp(max(min(abs(math.log(a / b)) for b in turn[:count]) for a in dial.ALPHAS))

    assert {0.05, 100.0} <= set(turn[:3])
    assert gap(5) <= 5
    assert gap(10) <= 2


def test_readings_are_those_of_the_exact_limits(fan):
    settings = Link.read(SCENE).story.settings
    for alpha in (0.05, 0.3, 2.0, 100.0):
        limit = exact.limit(settings, alpha)
        assert fan[1][alpha]["reading"] == pytest.approx(
            {"reward": limit.reward, "diversity": limit.diversity, "w2": limit.w2, "effective": limit.ess}, abs=1e-6
        )
        assert fan[1][alpha]["why"] == ("" if limit.resolved else dial.ROUGH)


def test_alpha_trades_reward_for_diversity(fan):
    reading = [fan[1][alpha]["reading"] for alpha in dial.ALPHAS]
    assert (np.diff([one["reward"] for one in reading]) < 0).all()
    assert (np.diff([one["diversity"] for one in reading]) > 0).all()
    assert (np.diff([one["w2"] for one in reading]) < 0).all()


def test_a_scenes_own_tau_reward_and_target_count():
    link = "alpha=0.5&tau=2&reward=bump&target=two_moons&weighting=mean_one"
    settings = Link.read(link).story.settings
    course = dial.pieces(link)
    scene = frames.decode(next(course)["scene"])[0]
    assert scene["modes"] == own.target("two_moons").n_modes
    piece = next(course)
    assert piece["alpha"] == 0.5
    assert piece["reading"]["reward"] == pytest.approx(exact.limit(settings, 0.5).reward, abs=1e-6)
    others = [settings.changed(**{name: getattr(Settings(), name)}) for name in ("tau", "reward", "weighting")]
    for other in others:
        assert abs(piece["reading"]["reward"] - exact.limit(other, 0.5).reward) > 0.01


def test_particles_are_the_limits(fan):
    """Their mean reward is the reading's, and at each mode there are as many of them as the limit has mass there."""
    settings, first = Link.read(SCENE).story.settings, fan[0]
    target = own.target(settings.target)
    for alpha, piece in fan[1].items():
        limit, x = exact.limit(settings, alpha), torch.from_numpy(places(piece))
        assert x.shape == (dial.PARTICLES, 2)
        r = rewards.evaluate(own.reward(settings.reward), x)
        assert abs(float(r.mean()) - limit.reward) < float(r.std()) / math.sqrt(
            dial.PARTICLES
        )  # even points: it is less
        share = target.mode_of(x).bincount(minlength=target.n_modes) / dial.PARTICLES
        assert (share - limit.mode_mass).abs().max() < 0.015
    labels = frames.decode(first["scene"])[1]["labels"]
    shares = np.bincount(labels, minlength=target.n_modes) / dial.PARTICLES
    assert shares == pytest.approx(np.full(8, 1 / 8), abs=0.01)


def test_a_dot_is_the_same_dot_everywhere_and_moves_the_less_the_nearer_alpha_is(fan):
    at = {alpha: places(piece) for alpha, piece in fan[1].items()}
    apart = {b: np.linalg.norm(at[1.0] - at[b], axis=1).mean() for b in dial.ALPHAS}
    above, below = [apart[b] for b in dial.ALPHAS if b >= 1], [apart[b] for b in dial.ALPHAS if b <= 1]
    assert (np.diff(above) > 0).all()
    assert (np.diff(below) < 0).all()
    steps = [np.linalg.norm(at[a] - at[b], axis=1).mean() for a, b in zip(dial.ALPHAS, dial.ALPHAS[1:])]
    assert max(steps) < 0.6
    shuffled = at[1.0][np.random.default_rng(0).permutation(dial.PARTICLES)]
    assert np.linalg.norm(at[1.0] - shuffled, axis=1).mean() > 4 * max(steps)
    nearly = dial._piece(Settings(tau=1.5), 1.01, dial._Backdrop(Settings(tau=1.5)), 0)
    assert np.linalg.norm(at[1.0] - places(nearly), axis=1).mean() < 0.1 * apart[1.5]


def test_a_tightly_held_limit_is_where_the_reference_is(fan):
    first = dial._Backdrop(Link.read(SCENE).story.settings).first.numpy()
    assert np.linalg.norm(places(fan[1][100.0]) - first, axis=1).mean() < 0.05
    assert np.linalg.norm(places(fan[1][0.05]) - first, axis=1).mean() > 2


def test_frames_are_what_the_stage_draws(fan):
    first, rest = fan
    meta, arrays = frames.decode(first["scene"])
    assert arrays["reward"].shape == arrays["density"].shape == (dial.BACKDROP, dial.BACKDROP)
    assert arrays["labels"].shape == (dial.PARTICLES,)
    for alpha, piece in rest.items():
        meta, arrays = frames.decode(piece["frame"])
        assert set(arrays) == {"x", "rounds", "changes"}
        assert meta["mode"] == "both"
        assert meta["view"] == [-5, 5, -5, 5]
        (lane,) = meta["lanes"]
        assert (lane["alpha"], lane["label"]) == (alpha, f"α = {alpha:g}")
        assert [number["key"] for number in lane["numbers"]] == ["reward", "diversity", "w2", "ess"]
        assert all(number["hint"] for number in lane["numbers"])
        said = float(lane["numbers"][0]["value"].removeprefix("≈ ").replace("−", "-"))
        assert said == pytest.approx(piece["reading"]["reward"], abs=0.0051)


def test_what_is_sent_of_a_density_covers_the_picture_and_draws_the_same_lines(fan):
    limit = exact.limit(Link.read(SCENE).story.settings, 0.3)
    meta, arrays = frames.decode(fan[1][0.3]["exact"])
    whole, all_of_it = frames.decode(scenes.exact([limit.density], limit.extent))
    assert meta["view"][1] >= 5
    assert arrays["density"].shape[1] < all_of_it["density"].shape[1]
    assert meta["lanes"][0]["levels"] == pytest.approx(whole["lanes"][0]["levels"], abs=1e-6)
    cut = (all_of_it["density"].shape[1] - arrays["density"].shape[1]) // 2
    assert arrays["density"][0] == pytest.approx(all_of_it["density"][0][cut:-cut, cut:-cut], abs=2e-5)
    step = 2 * limit.extent / all_of_it["density"].shape[1]
    assert meta["view"][1] == pytest.approx(whole["view"][1] - cut * step)


def test_where_there_is_no_limit_it_is_said():
    settings = Link.read("reward=bump&tau=4").story.settings
    piece = dial._piece(settings, 0.05, dial._Backdrop(settings), 0)
    assert piece == {
        "alpha": 0.05, "frame": "", "exact": "", "reading": None, "why": exact.why_none(settings, 0.05),
    }  # fmt: skip
    assert "finer than the grid" in piece["why"]
    rough = dial._piece(settings, 0.5, dial._Backdrop(settings), 0)
    assert rough["why"] == dial.ROUGH
    assert frames.decode(rough["frame"])[0]["lanes"][0]["numbers"][0]["value"].startswith("≈ ")


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("methods=orw_cfm,raft", "methods is 'orw_cfm, raft'; allowed: no race, where a dial of α is to be turned"),
        ("coupling=ot", "coupling is 'ot'; allowed: 'independent'"),
        ("alpha=1000", "allowed: a number from 0 to 100"),
        ("nonsense=1", "link's part is 'nonsense'; allowed"),
    ],
)
def test_a_scene_without_a_dial_is_refused_in_a_sentence(link, words):
    with pytest.raises(ValueError, match=words.replace("'", ".")):
        next(dial.pieces(link))


@pytest.mark.parametrize("link", ["", "target=digits_latent&reward=right", "target=pinwheel&truth=bump"])
def test_a_phone_gets_little(link):
    """At most 600 kB as text, and half of that on the air."""
    first, second = (piece for _, piece in zip(range(2), dial.pieces(link)))
    sent = json.dumps([first, *[second] * len(dial.ALPHAS)]).encode()
    assert len(sent) < 600_000
    assert len(gzip.compress(json.dumps([second]).encode())) * len(dial.ALPHAS) < 300_000


# For many phones


def counted(path):
    """A few pieces, slowly; leaves a letter in a file whenever it begins."""
    with open(path, "a") as file:
        file.write("x")
    for k in range(4):
        time.sleep(0.1)
        yield {"alpha": k}


def unpacked(answer: bytes) -> dict:
    return json.loads(gzip.decompress(answer))


def test_forty_phones_cost_one_computation(tmp_path):
    path, errands = str(tmp_path / "begun"), Errands()
    asked, looks = [], []

    def look(*arguments, **more):
        looks.append(more["since"])
        return errands.look(*arguments, **more)

    fans = dial.Fans(look, counted)

    def phone():
        have, pieces, done = 0, [], False
        while not done:
            found = unpacked(fans.answer(path, have))
            pieces += found["pieces"]
            have, done = len(pieces), found["done"]
            time.sleep(0.05)
        asked.append(pieces)

    phones = [threading.Thread(target=phone) for _ in range(40)]
    for one in phones:
        one.start()
    for one in phones:
        one.join(60)
    errands.shut()
    assert asked == [[{"alpha": k} for k in range(4)]] * 40
    assert (tmp_path / "begun").read_text() == "x"
    before = len(looks)
    assert unpacked(fans.answer(path, 1))["pieces"] == [{"alpha": k} for k in range(1, 4)]
    assert len(looks) == before, "what is all there is not looked for again"


class Given:
    """``look`` of an errand whose answers are given."""

    def __init__(self, *answers):
        self.answers, self.since = list(answers), []

    def __call__(self, work, link, since):
        self.since.append(since)
        return self.answers.pop(0)


def test_each_answer_is_packed_once_and_right_for_whoever_asks():
    look = Given({"pieces": ["a", "b"], "done": False}, {"pieces": [], "done": False}, {"pieces": ["c"], "done": True})
    fans = dial.Fans(look)
    first = fans.answer("x", 0)
    assert unpacked(first) == {"pieces": ["a", "b"], "done": False, "of": unpacked(first)["of"]}
    assert fans.answer("x", 0) is first, "nothing has changed: the same bytes"
    assert unpacked(fans.answer("x", 1))["pieces"] == ["b", "c"]
    assert unpacked(fans.answer("x", 0)) == {"pieces": ["a", "b", "c"], "done": True, "of": unpacked(first)["of"]}
    assert unpacked(fans.answer("x", 3))["pieces"] == unpacked(fans.answer("x", 10**9))["pieces"] == []
    assert look.since == [0, 2, 2]


def test_two_scenes_are_told_apart_and_few_are_kept():
    fans = dial.Fans(lambda work, link, since: {"pieces": [link][since:], "done": True})
    of = {link: unpacked(fans.answer(link, 0))["of"] for link in map(str, range(2 * dial.KEPT))}
    assert len(set(of.values())) == len(of)
    assert len(fans._fans) == dial.KEPT
    assert unpacked(fans.answer("0", 0)) == {"pieces": ["0"], "done": True, "of": of["0"]}


def test_a_refusal_is_told_and_a_fault_is_tried_again_after_a_while():
    now = [0.0]
    fault = {"pieces": [], "done": True, "error": "It could not be.", "again": True}
    look = Given({"pieces": ["a"], "done": False}, fault, {"pieces": ["b"], "done": True})
    fans = dial.Fans(look, clock=lambda: now[0])
    fans.answer("x", 0)
    for _ in range(3):
        found = unpacked(fans.answer("x", 1))
        assert (found["pieces"], found["done"], found["error"]) == ([], False, "It could not be.")
    assert look.since == [0, 1]
    now[0] = dial.AGAIN
    found = unpacked(fans.answer("x", 0))
    assert (found["pieces"], found["done"], "error" in found) == (["a", "b"], True, False)
    refused = dial.Fans(Given({"pieces": [], "done": True, "error": "Never."}))
    assert unpacked(refused.answer("y", 0))["error"] == unpacked(refused.answer("y", 0))["error"] == "Never."


# The address


class NoRuns:
    """A registry for rooms at which nobody looks."""


@pytest.fixture
def app():
    return Classroom(None, NoRuns())  # type: ignore[arg-type]


@pytest.fixture
def client(app):
    return TestClient(app)


def asks(client, where, token, **body):
    return client.post(where, json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def room(app, client):
    """(code, the teacher's secret, a student's token) of a room where everybody has ``SCENE`` in hand."""
    made = client.post("/classroom/rooms", json={"text": LESSON}).json()
    code, secret = made["code"], made["secret"]
    token = client.post("/join/enter", json={"code": code}).json()["token"]
    return code, secret, token


def hand(client, room, link, version=0):
    given = {"code": room[0], "what": "hands", "version": version, "value": link}
    assert asks(client, "/classroom/act", room[1], **given).json() == {"done": True}


def test_students_and_the_teacher_get_the_dial_that_is_on(app, client, room):
    code, secret, token = room
    app.fans = dial.Fans(lambda work, link, since: {"pieces": [link, "more"][since:], "done": True})
    assert asks(client, "/join/dial", token, code=code, since=0).json() == {"pieces": [], "done": True}
    hand(client, room, SCENE)
    found = asks(client, "/join/dial", token, code=code, since=0)
    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["cache-control"] == "no-store"
    assert found.json()["pieces"] == [SCENE, "more"]
    assert asks(client, "/classroom/dial", secret, code=code, since=1).json()["pieces"] == ["more"]
    plain = client.post(
        "/join/dial",
        json={"code": code, "since": 1},
        headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
    )
    assert "content-encoding" not in plain.headers
    assert plain.json()["pieces"] == ["more"]
    hand(client, room, None, 1)
    assert asks(client, "/join/dial", token, code=code, since=0).json() == {"pieces": [], "done": True}


def test_a_scene_of_defaults_has_an_empty_link_and_a_dial(app, client, room):
    app.fans = dial.Fans(lambda work, link, since: {"pieces": [f"of {link!r}"][since:], "done": True})
    hand(client, room, "alpha=1")
    assert asks(client, "/join/dial", room[2], code=room[0], since=0).json()["pieces"] == ["of ''"]


@pytest.mark.parametrize("since", [-1, 1.5, "0", None, True, [], 2**70])
def test_nonsense_is_refused_in_a_sentence(client, room, since):
    hand(client, room, SCENE)
    found = asks(client, "/join/dial", room[2], code=room[0], since=since)
    assert found.status_code == 400
    assert found.json()["error"].startswith("since is ")


def test_strangers_get_nothing_and_nobody_too_much(app, client, room):
    code, _, token = room
    app.fans = dial.Fans(lambda work, link, since: {"pieces": [], "done": True})
    hand(client, room, SCENE)
    for stranger in ("", "nonsense", base64.b64encode(b"x" * 30).decode()):
        assert asks(client, "/join/dial", stranger, code=code, since=0).status_code == 403
    assert asks(client, "/join/dial", token, code="BBBBB", since=0).status_code in (403, 404)
    seen = [asks(client, "/join/dial", token, code=code, since=0).status_code for _ in range(16)]
    assert seen[:10] == [200] * 10
    assert 429 in seen[10:]
    other = client.post("/join/enter", json={"code": code}).json()["token"]
    assert asks(client, "/join/dial", other, code=code, since=0).status_code == 200
