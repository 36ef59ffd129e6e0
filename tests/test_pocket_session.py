"""The Pocket lab's session is the Live lab's exact mode: the same pictures, numbers and stories, told by JavaScript."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from orwlab.show import pocket
from orwlab.show.lab import controls, exact, own
from orwlab.show.lab.readouts import per_cent
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import Story
from orwlab.show.pocket import given, tables
from orwlab.show.stage import scenes
from orwlab.show.stage.frames import decode
from orwlab.show.stage.readouts import signed, significant

HERE = Path(__file__).parent
FOLDER = Path(pocket.__file__).parent
TARGETS = ("eight_gaussians", "two_moons")
CLOSE = {"x": 4e-4, "paths": 4e-4, "trace": 4e-4, "density": 2e-5}  # steps of 16 bits; others 1e-5

START = """
import { readFileSync, writeFileSync } from "node:fs";
import { worldOf } from "HERE/pocket_given.mjs";
import { changedSettings, loadTables } from "FOLDER/settings.js";
import { Session } from "FOLDER/session.js";
import { Service } from "FOLDER/service.js";
import { Story } from "FOLDER/story.js";
import { decodeFrame } from "FOLDER/../stage/decode.js";
const given = JSON.parse(readFileSync("given.json", "utf8"));
const world = worldOf(given.targets);
loadTables(given.tables, world);
const flat = (key, value) => (ArrayBuffer.isView(value) ? [...value] : Number.isNaN(value) ? "nan" : value);
const search = (session) => { while (session.limits.pending) session.limits.work(() => false); };
const seen = (text) => { const { meta, arrays } = decodeFrame(text); return { meta, arrays }; };
const tried = (act) => { try { return act(); } catch ({ message }) { return message; } };
const shown = ({ story, ...parts }) => ({
  story, ...Object.fromEntries(["scene", "exact", "frame"].map((part) => [part, seen(parts[part])])),
});
"""


def in_node(folder, script, **given):
    """What ``script``, the body of an async function, finds."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    known = {name: _world(name) for name in TARGETS}
    (folder / "given.json").write_text(json.dumps({"tables": tables.plain(), "targets": known, **given}))
    text = START.replace("HERE", str(HERE)).replace("FOLDER", str(FOLDER))
    wrapped = "writeFileSync('found.json', JSON.stringify(await (async () => {\n" + script + "\n})(), flat));\n"
    wrapped += "process.exit(0);"  # a worker waits for its page for ever
    (folder / "run.mjs").write_text(text + wrapped)
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def _world(name):
    target = own.target(name)
    plain = {part: getattr(target, part).tolist() for part in ("weights", "means", "covs", "modes")}
    return plain | scenes._modes(target)


# Pictures -----------------------------------------------------------------------------------------------------------

COURSES = [
    ({"alpha": 0.5, "others": [2.0], "truth": "plane", "arrows": True, "paths": True, "t": 0.5}, 10,
     [["alpha", 1.0]], 5),
    ({"alpha": 0.0, "reward": "plane", "tau": 2.0}, 12, [["tau", 3.0]], 8),
    ({"steer": "w2", "budget": 0.3, "seed": 5, "target": "two_moons"}, 9, [["budget", 0.6]], 6),
    ({"steer": "kl", "budget": 0.4, "weighting": "clipped"}, 6, [["steer", ""], ["reward", "plane"]], 6),
    ({"alpha": 3.0, "weighting": "mean_one", "others": [0.02, 0.3, 10.0], "coupling": "ot"}, 4,
     [["truth", "right"]], 2),
]  # fmt: skip


def python_pictures():
    for scene, before, changes, after in COURSES:
        session = Session(Settings(**{"mode": "exact", **scene}), particles=300)

        def rounds(count, session=session):
            for _ in range(count):
                session.step()
                session.advance()

        session.advance()
        rounds(before)
        session.control(**dict(changes))
        session.trace(3)
        rounds(after)
        patience = time.monotonic() + 60
        while session._limits.pending and time.monotonic() < patience:
            time.sleep(0.02)
        session.advance()
        yield session.frame()
        session.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Of every course Python's picture and JavaScript's."""
    script = """
return given.courses.map(([settings, before, changes, after]) => {
  const session = new Session({ settings, particles: 300 });
  const rounds = (count) => { for (let k = 0; k < count; k++) { session.press("step"); session.advance(); } };
  session.advance();
  rounds(before);
  changes.forEach(([name, value], k) => session.order({ name, value, stamp: k + 1 }));
  session.order({ trace: 3 });
  rounds(after);
  search(session);
  session.advance();
  return shown(session.frame());
});
"""
    found = in_node(tmp_path_factory.mktemp("pictures"), script, courses=COURSES)
    return list(zip(python_pictures(), found, strict=True))


@pytest.mark.parametrize("course", range(len(COURSES)))
@pytest.mark.parametrize("part", ["scene", "exact", "frame"])
def test_arrays_are_those_of_the_app(pictures, course, part):
    """Particles, ways, arrows, curves, modes, the ground and the contours."""
    expected, found = pictures[course]
    _, arrays = decode(expected[part])
    assert found[part]["arrays"].keys() == arrays.keys()
    for name, array in arrays.items():
        mine = found[part]["arrays"][name]
        assert mine["shape"] == list(array.shape), name
        apart = np.abs(np.array(mine["data"]).reshape(array.shape) - array).max(initial=0)
        assert apart <= CLOSE.get(name, 1e-5) * max(1, np.abs(array).max(initial=0)), name


def _same(path, mine, theirs):
    """JSON alike, and floats to 1e-6."""
    if isinstance(theirs, dict):
        assert mine.keys() == theirs.keys(), path
        for name in theirs:
            _same(f"{path}.{name}", mine[name], theirs[name])
    elif isinstance(theirs, list):
        assert len(mine) == len(theirs), path
        for k, one in enumerate(theirs):
            _same(f"{path}[{k}]", mine[k], one)
    elif isinstance(theirs, float):
        assert mine == pytest.approx(theirs, rel=1e-6, abs=1e-6), path
    else:
        assert mine == theirs, path


@pytest.mark.parametrize("course", range(len(COURSES)))
def test_texts_are_those_of_the_app(pictures, course):
    """Tiles, hints, banners, labels, limits and why there are none, as people read them; and the story."""
    expected, found = pictures[course]
    for part in ("scene", "exact", "frame"):
        mine = found[part]["meta"]
        mine.pop("networks", None)
        assert mine.pop("coarse", "") == "", "as many cells as the app's"
        _same(part, mine, decode(expected[part])[0])
    _same("story", json.loads(found["story"]), json.loads(expected["story"]))


def test_courses_say_what_they_are_for(pictures):
    """They hold limits, reasons why there are none, steering, a banner and a true reward: else they compare little."""
    metas = [found["frame"]["meta"] for _, found in pictures]
    assert {lane["limit"]["state"] for meta in metas for lane in meta["lanes"]} == {"there", "none"}
    assert any(lane["banner"] for meta in metas for lane in meta["lanes"])
    assert any(meta["steering"] for meta in metas)
    assert any(number["key"] == "truth" for meta in metas for lane in meta["lanes"] for number in lane["numbers"])


# Stories and orders ---------------------------------------------------------------------------------------------------


def test_story_is_repeated_to_the_same_numbers(tmp_path):
    """A link made here opens here with the same picture, and in Python with the same course."""
    found = in_node(
        tmp_path,
        """
const session = new Session({ particles: 50 });
session.advance();
const rounds = (count) => { for (let k = 0; k < count; k++) { session.press("step"); session.advance(); } };
rounds(4);
session.order({ name: "alpha", value: 0.4, stamp: 1 });
rounds(3);
const first = session.frame(), story = { ...JSON.parse(first.story), round: session.round };
const again = new Session({ particles: 50 });
again.order({ ...story, state: "paused" });
for (let k = 0; again.wanted || again.script || k < 3; k++) again.advance(0.01);
return { story, first: shown(first), again: shown(again.frame()) };
""",
    )
    first, again = found["first"]["frame"], found["again"]["frame"]
    assert again["arrays"]["x"] == first["arrays"]["x"]
    assert again["meta"]["round"] == 7
    story = Story.read(found["story"])
    assert (story.round, story.at(4).alpha, story.at(3).alpha, story.start.mode) == (7, 0.4, 1.0, "exact")


def test_undo_goes_back_to_the_round_of_the_change(tmp_path):
    """As if it had not been made; where a change began a new story, to where the old one was."""
    found = in_node(
        tmp_path,
        """
const session = new Session({ particles: 50 });
const on = (count) => { for (let k = 0; k < count; k++) { session.press("step"); session.advance(); } };
const whole = () => { for (let k = 0; session.wanted || session.script || k < 2; k++) session.advance(0.05); };
const at = () => [session.round, session.settings.alpha, session.settings.target];
session.advance(); on(4);
session.order({ name: "alpha", value: 0.4, stamp: 1 });
on(3);
const seen = [at()];
session.order({ press: "undo" }); whole(); seen.push(at());
session.order({ name: "target", value: "two_moons", stamp: 2 }); whole(); seen.push(at());
session.order({ press: "undo" }); whole(); seen.push(at());
return seen;
""",
    )
    assert found == [
        [7, 0.4, "eight_gaussians"], [4, 1, "eight_gaussians"], [0, 1, "two_moons"], [4, 1, "eight_gaussians"],
    ]  # fmt: skip


def test_what_this_page_cannot_train_is_kept_and_said(tmp_path):
    """Then it shows the exact answer; the link says what it said, so that it opens in the app as it was."""
    scenes = [
        {"mode": "both", "lr": 0.01}, {"mode": "exact"}, {"methods": ["raft", "reft"], "strength": 4},
        {"mode": "both", "coupling": "ot"}, {"mode": "both", "fault": "shuffled"},
    ]  # fmt: skip
    found = in_node(
        tmp_path,
        """
const told = [];
for (const [scene, networks] of [...given.scenes.map((one) => [one, true]), [given.scenes[0], false]]) {
  const session = new Session({ particles: 50, networks });
  session.order({ scene, state: "paused" });
  session.advance();
  const { frame, story } = session.frame(), { meta } = seen(frame);
  const { scene: kept } = JSON.parse(story), { mode, networks: said } = meta;
  told.push({ scene: kept, mode, networks: said, alphas: meta.lanes.map((lane) => lane.alpha) });
}
return told;
""",
        scenes=scenes,
    )
    assert [one["scene"] for one in found] == [*scenes, scenes[0]]
    said = ["", "", *[tables.NETWORKS] * 3, tables.WITHOUT["phone"]]
    assert [one["networks"] for one in found] == said
    assert [one["mode"] for one in found] == ["both", *["exact"] * 5]
    assert found[2]["alphas"] == [0.25]


BAD = [
    ("alpha", -1), ("alpha", "x"), ("alpha", None), ("tau", 7), ("tau", True), ("seed", 1.5), ("seed", -1),
    ("others", [1, 2, 3, 4]), ("others", 3), ("others", [1, -2]), ("steer", "x"), ("budget", 0),
    ("methods", ["raft"] * 2), ("methods", ["x"]),
    ("weighting", "x"), ("arrows", 1), ("speed", 101), ("mode", "x"), ("t", 2),
    ("nothing", 1), ("alpha", -1.5e-7), ("alpha", "é'\""), ("weighting", "a\nb\t\u200b"), ("mode", "it's"),
    ("tau", "😀" * 90),
    ("others", {"b" * 90: [[1, 2.5], "x"], "a": {}}), ("alpha", [[[[[[[1]]]]]]]), ("steer", list(range(9))),
]  # fmt: skip


def test_refusals_are_python_s_sentences(tmp_path):
    """What is not allowed is refused alike, in the same words; what is, is taken."""
    good = {"alpha": 0.3, "others": [0, 1.5], "seed": 7, "steer": "kl", "arrows": True, "speed": 0, "t": 0.25}
    found = in_node(
        tmp_path,
        """
const said = (name, value) => {
  try { changedSettings({ [name]: value }); return ""; } catch (error) { return error.message; }
};
return [given.bad.map(([name, value]) => said(name, value)), changedSettings(given.good)];
""",
        bad=BAD,
        good=good,
    )
    for (name, value), mine in zip(BAD, found[0], strict=True):
        with pytest.raises(ValueError, match="allowed") as refused:
            Settings().changed(**{name: value})
        assert mine == str(refused.value)
    _same("settings", found[1], json.loads(json.dumps(vars(Settings().changed(**good)))))


STORIES = [
    {"scene": {}, "log": None}, {"scene": {}, "round": None}, {"scene": {"tau": 9, "alpha": -1}},
    {"scene": {"tau": 9, "x": 1}},
]  # fmt: skip


def test_stories_are_refused_for_the_same_reason(tmp_path):
    """The first thing that is wrong is the same; what is null is not what is missing."""
    found = in_node(tmp_path, "return given.stories.map((one) => tried(() => Story.read(one)));", stories=STORIES)
    for story, mine in zip(STORIES, found, strict=True):
        with pytest.raises(ValueError, match="allowed") as refused:
            Story.read(story)
        assert mine == str(refused.value)


def test_numbers_are_written_as_python_writes_them(tmp_path):
    """Halves go to the even digit, what two decimals call 1000 is a power of ten, and what is rounding is nothing."""
    values = [
        0.125,
        0.375,
        -0.125,
        2.5,
        12.5,
        0.0,
        -0.0,
        999.994,
        999.996,
        -999.999,
        1000.0,
        0.5,
        1.5,
        376850.0,
        0.001953125,
    ]
    shares = [0.125, 0.005, 0.00125, 0.0, 1e-17, 1e-13, 1e-4, 1.0]
    script = """
const { generalText } = await import("FOLDER/plainly.js");
const { said } = await import("FOLDER/../stage/numerals.js");
const { perCent } = await import("FOLDER/readouts.js");
const generals = (value) => [6, 4].map((n) => generalText(value, n));
const numbers = given.values.map((value) => [said(value, false), said(value, true), ...generals(value)]);
return [numbers, given.shares.map(perCent)];
""".replace("FOLDER", str(FOLDER))
    numbers, said = in_node(tmp_path, script, values=values, shares=shares)
    assert numbers == [[signed(v), significant(v), f"{v:g}", f"{v:.4g}"] for v in values]
    assert said == [per_cent(share) for share in shares]


def test_what_is_rounding_is_no_distance(tmp_path):
    """A reward that is the same everywhere moves nothing: neither lab makes a distance of 1e-29 of it."""
    settings = {"reward": "formula:0", "alpha": 1.0, "tau": 0.5, "steer": "w2"}
    found = in_node(
        tmp_path,
        """
const nothing = (points) => new Float64Array(points.length / 2);
const flat = { ...world, reward: (text) => (text === "formula:0" ? nothing : world.reward(text)) };
loadTables(given.tables, flat);
const session = new Session({ settings: { ...given.settings, mode: "exact" }, particles: 50 });
session.advance();
for (let k = 0; k < 10; k++) { session.press("step"); session.advance(); }
search(session);
session.advance();
const { lanes, curves } = seen(session.frame().frame).meta;
return [lanes[0].numbers, curves];
""",
        settings=settings,
    )
    session = Session(Settings(mode="exact", **settings), particles=50)
    session.advance()
    for _ in range(10):
        session.step()
        session.advance()
    patience = time.monotonic() + 60
    while session._limits.pending and time.monotonic() < patience:
        time.sleep(0.02)
    session.advance()
    meta = decode(session.frame()["frame"])[0]
    session.close()
    assert found[0] == meta["lanes"][0]["numbers"]
    assert [one["values"] for one in found[1]] == [one["values"] for one in meta["curves"]]
    assert {one["key"]: one["value"] for one in found[0]}["w2"] == "–"


def test_orders_of_anything_never_break_it(tmp_path):
    """Three hundred orders by chance, good and bad: each is obeyed or refused in a sentence, and pictures go on."""
    found = in_node(
        tmp_path,
        """
let state = 1;
const chance = (n) => (state = (state * 48271) % 2147483647) % n, pick = (list) => list[chance(list.length)];
const values = [0, 1, -1, 0.05, 3, 100, "", "x", null, true, [], [0.3], [1, 2, 3], {}, "right", "plane", "two_moons",
  "w2", "kl", "formula:y", "exact", "both", "clipped", "ot", ["raft"], "eight_gaussians"];
const names = [...Object.keys(given.tables.defaults), "x"];
const order = () => pick([
  () => ({ name: pick(names), value: pick(values), stamp: chance(1e6) }),
  () => ({ press: pick(["play", "pause", "toggle", "step", "reset", "undo", "x"]) }),
  () => ({
    scene: { [pick(names)]: pick(values) }, log: pick([[], [[1, "alpha", 2]], 3, [[2, "x", 1]]]),
    round: pick([0, 3, -1, undefined]), state: pick(["paused", "running", "x"]),
  }),
  () => ({ trace: pick(values) }), () => pick(values), () => ({}),
])();
const sent = [], service = new Service({ send: (message) => sent.push(message), given: world, later: () => {} });
service.hear({ id: 1, call: "start", arguments: [{ settings: {}, particles: 16, axis: 48 }] });
const { session } = service;
let refusals = 0, failed = 0;
for (let k = 0; k < 300; k++) {
  const answer = service.obey("pocket", [order()]);
  refusals += answer.errors.length;
  session.advance(0.001);
  if (session.it.failure) failed++;
  if (k % 10 === 0) seen(session.frame().frame);
}
return { refusals, failed, error: sent[0].error ?? "", rounds: session.it.history.rounds.length };
""",
    )
    assert found["error"] == ""
    assert 50 < found["refusals"] < 300
    assert found["failed"] == 0
    assert found["rounds"] > 0


def test_worker_plays_and_answers(tmp_path):
    """It sends pictures while it plays, obeys at once, searches the limit beside it, and rests when nobody paints."""
    found = in_node(
        tmp_path,
        """
const sent = [], service = new Service({ send: (message) => sent.push(message), given: world });
const wait = (ms) => new Promise((done) => setTimeout(done, ms)), pictures = () => sent.filter((one) => one.picture);
const meta = () => seen(pictures().at(-1).picture.frame).meta;
service.hear({ id: 1, call: "start", arguments: [{ settings: {}, particles: 50 }] });
const orders = [{ press: "play" }, { name: "alpha", value: 0.5, stamp: 1 }];
service.hear({ id: 2, call: "obey", arguments: ["pocket", orders] });
const young = () => pictures().length < 4 || meta().lanes[0].limit.state === "pending" || meta().round < 3;
for (let k = 0; k < 400 && young(); k++) {
  await wait(25);
  service.acknowledge("pocket", service.session.seq);
}
const played = meta();
await wait(1500); // nobody acknowledges any more
const asleep = pictures().length;
await wait(300);
const still = pictures().length;
service.hear({ id: 3, call: "x", arguments: [] });
service.hear({ id: 4, call: "obey", arguments: ["other", []] });
service.hear({ id: 5, call: "stop" });
return { played, asleep, still, answers: sent.filter((one) => one.id) };
""",
    )
    assert found["played"]["state"] == "running"
    assert found["played"]["round"] >= 3
    assert found["played"]["lanes"][0]["limit"]["state"] == "there"
    assert found["still"] == found["asleep"]
    answers = {one["id"]: one for one in found["answers"]}
    assert answers[2]["answer"]["settings"]["alpha"] == 0.5
    assert "allowed" in answers[3]["error"]
    assert answers[4]["answer"] == {"known": False}
    assert len(answers) == 5


def test_finer_than_the_grid_is_what_has_become_so(tmp_path):
    """Thin data are coarse from the start, which is no news; what shrinks to half as much again is, in either lab."""
    cases = [
        ("two_moons", 0.0, 5.0),
        ("two_moons", 3.0, 1.0),
        ("eight_gaussians", 0.0, 5.0),
        ("eight_gaussians", 3.0, 5.0),
    ]
    found = in_node(
        tmp_path,
        """
return given.cases.map(([target, alpha, tau]) => {
  const { lanes } = new Session({ settings: { target, alpha, reward: "right", tau }, particles: 8 }).it;
  return Array.from({ length: 31 }, () => {
    const said = lanes.warning(0)?.title ?? null;
    lanes.advance();
    return said;
  });
});
""",
        cases=cases,
    )
    for (target, alpha, tau), titles in zip(cases, found, strict=True):
        settings = Settings(target=target, alpha=alpha, reward="right", tau=tau, mode="exact")
        lanes = exact.ExactLanes(settings, torch.zeros(8, 2))
        for title in titles:
            warning = lanes.warning(0)
            assert title == (warning and warning.title)
            lanes.advance()
        assert titles[0] is None
        assert bool(titles[-1]) == (alpha == 0)
        assert ("coarse" in lanes.states[0].problems) == (target == "two_moons" or alpha == 0)
    assert found[2][-1].endswith("finer than the grid.")


def test_round_in_parts_is_the_same_round(tmp_path):
    """A round that stops after every lane moves nobody until it is whole, and only what was set is worked out again."""
    found = in_node(
        tmp_path,
        """
const settings = { target: "eight_gaussians", alpha: 0.5, others: [0.3, 1, 3] };
const made = () => new Session({ settings, particles: 16, axis: 32 });
const plain = made().it.lanes, parts = made().it.lanes, told = [];
let refreshes = 0, calls = 0;
for (const state of parts.states) {
  const { _refresh: refresh } = state;
  state._refresh = (...given) => { refreshes++; refresh.apply(state, given); };
}
const whole = (move = () => {}) => {
  calls = refreshes = 0;
  while (!parts.advance(() => true)) {
    if (++calls === 2) move();
    told.push(parts.rounds);
  }
  return [calls, refreshes];
};
const apart = (q, other) => [...q].map((value, i) => Math.abs(value - other[i]));
const off = () => Math.max(...plain.states.flatMap(({ q }, k) => apart(q, parts.states[k].q)));
plain.advance();
const first = whole(), firstOff = off();
plain.obey({ ...plain.settings, alpha: 2 });
plain.advance();
const second = whole(() => parts.obey({ ...parts.settings, alpha: 2 })), secondOff = off();
plain.obey({ ...plain.settings, tau: 2 });
plain.advance();
const third = whole(() => parts.obey({ ...parts.settings, tau: 2 })), thirdOff = off();
return { first, second, third, off: [firstOff, secondOff, thirdOff], told, rounds: parts.rounds };
""",
    )
    assert found["off"] == [0, 0, 0]
    assert found["first"] == [3, 4]  # three calls that only began, and a refresh of every lane
    assert found["second"] == [4, 5]  # the first lane's alpha: its refresh is made again, the other's is not
    assert found["third"][1] == 6  # tau belongs to all: both are made again
    assert found["rounds"] == [3, 3, 3, 3]
    assert all(len(set(rounds)) == 1 for rounds in found["told"])


def test_rounds_go_on_while_a_hand_moves(tmp_path):
    """A control that is moved before every turn is seen each time, and rounds are finished all the same."""
    found = in_node(
        tmp_path,
        """
let now = 0;
const settings = { alpha: 0.5, others: [0.3, 1, 3], speed: 0 };
const session = new Session({ settings, particles: 16, axis: 32, clock: () => now += 0.02 });
session.press("play");
session.advance(0.032);
const seen = [], rounds = [];
for (let k = 0; k < 60; k++) {
  session.obey({ ...session.settings, tau: 1 + 0.01 * k });
  session.advance(0.032);
  seen.push(session.frame() && session.it.settings.tau);
  rounds.push(session.round);
}
return { seen, last: session.round, most: Math.max(...rounds.map((round, k) => (k ? round - rounds[k - 1] : 0))) };
""",
    )
    assert found["seen"] == pytest.approx([1 + 0.01 * k for k in range(60)])
    assert found["last"] >= 10
    assert found["most"] == 1


def test_joined_script_is_one_program(tmp_path):
    """No name twice: hosts evaluate all of it as one text."""
    (tmp_path / "all.mjs").write_text(pocket.script("worker.js"))
    done = subprocess.run(["node", "--check", "all.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_whole_worker_shows_every_target_and_reward(tmp_path):
    """The joined script with the real tables: a picture of each, with the app's numbers of the reference."""
    names = [name for name in controls.BY_NAME["target"].options if name in given.tables()["targets"]]
    rewards = [name for name in controls.BY_NAME["reward"].options if name in given.tables()["rewards"]]
    cases = [[name, rewards[k % len(rewards)]] for k, name in enumerate(names)]
    assert len(cases) > 6
    found = in_node(
        tmp_path,
        """
const sent = [], self = { postMessage: (message) => sent.push(message) };
new Function("self", given.source)(self);
const wait = (ms) => new Promise((done) => setTimeout(done, ms)), found = [];
for (const [k, [target, reward]] of given.cases.entries()) {
  sent.length = 0;
  const { tables, own: ownTables } = given, settings = { target, reward };
  const start = { tables, ownTables, settings, particles: 20, axis: 64 };
  self.onmessage({ data: { id: k, call: "start", arguments: [start] } });
  for (let n = 0; n < 200 && !sent.some((one) => one.picture); n++) await wait(10);
  self.onmessage({ data: { id: -1, call: "stop" } });
  const { error = "" } = sent.find((one) => one.id === k), { picture } = sent.find((one) => one.picture);
  found.push([seen(picture.frame).meta, error]);
}
return found;
""",
        source=f"(() => {{\n{pocket.script('worker.js')}\n}})();",
        own=given.tables(),
        cases=cases,
    )
    for (target, reward), (meta, error) in zip(cases, found, strict=True):
        assert error == ""
        lane = meta["lanes"][0]
        settings = Settings(target=target, reward=reward, mode="exact")
        state = exact.dynamics(settings, 1.0)
        shown = {number["key"]: number["value"] for number in lane["numbers"]}
        assert lane["banner"] is None  # that a target is thin is no news of a density that has not moved
        assert exact.ExactLanes(settings, torch.zeros(1, 2)).warning(0) is None
        assert shown["reward"] == signed(float(state.mean_reward))
        assert shown["diversity"] == signed(exact.diversity(state))
