"""Networks in the Pocket lab's session: the app's pictures of them, and rounds in parts that are the same rounds."""

import json

import pytest
from test_pocket_network import in_node

from orwlab.show.lab import banners, readouts, steered, yardstick
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.pocket import tables
from orwlab.show.stage.frames import decode

START = """
const { Session } = await import("FOLDER/session.js"), { decodeFrame } = await import("FOLDER/../stage/decode.js");
let now = 0, pace = 0; // the clock says nothing of how busy a machine is
const clock = () => (now += pace);
const few = { particles: 300, axis: 32, clock };
const made = (settings, options) => new Session({ settings: { mode: "both", ...settings }, ...few, ...options });
const seen = (session) => decodeFrame(session.frame().frame);
const search = (session) => { while (session.limits.pending) session.limits.work(() => false); };
const weights = (session, k = 0) => session.it.lanes.runs[k].policy.network.parameters;
const same = (a, b) => a.every((value, k) => value === b[k]);
"""


def learn(folder, script, **known):
    """What ``script`` finds, with sessions at hand."""
    return in_node(folder, START + script, **known)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A picture of networks beside the exact limit, by JavaScript and by the app."""
    settings = {"others": [0.3], "alpha": 1.0, "truth": "bump"}
    script = """
const session = made(given.settings, { axis: 48 });
search(session);
session.press("step");
while (session.idleFor <= 0) session.advance();
const parts = session.frame(), { meta, arrays } = decodeFrame(parts.frame), exact = decodeFrame(parts.exact).meta;
return { meta, exact, x: arrays.x.shape, story: parts.story, learned: (() => {
  session.order({ name: "mode", value: "learned", stamp: 1 });
  session.advance();
  return session.frame().exact;
})() };"""
    found = learn(tmp_path_factory.mktemp("both"), script, settings=settings)
    session = Session(Settings(mode="both", **{**settings, "others": (0.3,)}), particles=300)
    session.step()
    session.advance()
    return found, decode(session.frame()["frame"])[0]


def test_tiles_and_panels_are_the_app_s_but_for_two_bounds(both):
    found, theirs = both
    assert found["meta"]["mode"] == theirs["mode"] == "both"
    assert [lane["label"] for lane in found["meta"]["lanes"]] == [lane["label"] for lane in theirs["lanes"]]
    for mine, lane in zip(found["meta"]["lanes"], theirs["lanes"], strict=True):
        wanted = [number for number in lane["numbers"] if number["key"] not in ("secant", "bound")]
        assert [number["key"] for number in mine["numbers"]] == [number["key"] for number in wanted]
        for number, other in zip(mine["numbers"], wanted):
            assert (number["name"], number["short"]) == (other["name"], other["short"])
            fewer = other["hint"].replace(f" {yardstick.SIZE} ", " 256 ").replace(f"; {readouts.SPREAD}", "")
            assert number["hint"] == fewer
    for mine, curve in zip(found["meta"]["curves"], theirs["curves"], strict=True):
        assert mine["title"] == curve["title"]
        assert mine["names"] == [name for name in curve["names"] if name != "the paper's bound"]


def test_the_exact_limit_stands_beside_what_is_learned(both):
    found, _ = both
    reward, truth, *_ = found["meta"]["curves"]
    assert all(lane["limit"]["state"] == "there" for lane in found["meta"]["lanes"])
    assert all("exact limit" in mark["label"] for curve in (reward, truth) for mark in curve["exact"])
    assert [lane is not None for lane in found["exact"]["lanes"]] == [True, True]
    assert found["learned"] == ""
    assert found["x"] == [2, 300, 2]
    assert json.loads(found["story"])["scene"]["mode"] == "both"


def test_a_round_in_parts_is_the_same_round_and_a_moved_control_waits_for_its_end(tmp_path):
    script = """
const settings = { others: [0.3], steps_per_round: 3, speed: 0 }, plain = made(settings), parts = made(settings);
pace = 0.003; // so that a turn ends after a few steps
for (const session of [plain, parts]) session.press("play");
let turns = 0;
const until = (round) => { while (parts.round < round || parts.it.lanes.midway) { parts.advance(0.001); turns++; } };
until(2);
while (!parts.it.lanes.midway) parts.advance(0.001);
const begun = parts.round;
parts.order({ name: "alpha", value: 3, stamp: 1 });
parts.advance(0.001);
const heldBack = parts.it.settings.alpha;
while (parts.it.settings.alpha !== 3) parts.advance(0.001);
const taken = parts.it.story.log[0];
parts.press("pause");
while (parts.idleFor <= 0) parts.advance(0.001);
pace = 0;
const again = made(settings);
const { story } = parts;
again.order({ scene: story.start, log: story.log, round: story.round });
while (again.idleFor <= 0) again.advance();
while (plain.round < begun + 1) plain.it.lanes.advance();
plain.it.obey({ ...plain.it.settings, alpha: 3 });
while (plain.round < parts.round) plain.it.lanes.advance();
const read = (session) => seen(session).meta.lanes.map((lane) => lane.numbers.map(({ value }) => value));
const numbers = [read(parts), read(again)];
parts.order({ name: "tau", value: 2, stamp: 2 });
while (parts.idleFor <= 0) parts.advance(0.001);
const waits = parts.round === parts.it.story.round && parts.it.settings.tau === 2 && parts.round === again.round;
return {
  waits, turns, begun, heldBack, taken, rounds: [plain.round, parts.round, again.round], log: story.log,
  same: [0, 1].flatMap((k) => [same(weights(plain, k), weights(parts, k)), same(weights(again, k), weights(parts, k))]),
  apart: same(weights(parts, 0), weights(parts, 1)), mixed: parts.it.lanes.mixed,
  numbers,
};"""
    found = learn(tmp_path, script)
    assert found["turns"] > 8, "rounds were done in parts"
    assert found["heldBack"] == 1
    assert found["taken"] == [found["begun"] + 1, "alpha", 3]
    assert found["log"] == [found["taken"]]
    assert len(set(found["rounds"])) == 1
    assert found["same"] == [True] * 4
    assert not found["apart"]
    assert found["waits"], "paused networks do not follow a control"
    assert not found["mixed"], "at rest all particles are of one round"
    assert found["numbers"][0] == found["numbers"][1]


def test_kinds_are_kept_apart_and_an_end_of_training_is_told(tmp_path):
    script = """
const session = made({ speed: 0 });
for (let k = 0; k < 3; k++) { session.press("step"); session.advance(); }
const turn = (value, stamp) => {
  session.order({ name: "mode", value, stamp });
  session.advance();
  return [session.round, seen(session).meta.mode];
};
const kinds = [turn("exact", 1), turn("both", 2)];
const first = session.it.lanes.runs[0], good = first.reward;
first.reward = (x) => good(x).fill(NaN);
session.press("play");
session.advance();
const stopped = [session.state, seen(session).meta.lanes[0].banner];
first.reward = good;
session.press("play");
for (let k = 0; k < 2; k++) session.advance();
return { kinds, stopped, after: [session.state, session.round, seen(session).meta.lanes[0].banner] };"""
    found = learn(tmp_path, script)
    assert found["kinds"] == [[0, "exact"], [3, "both"]]
    state, banner = found["stopped"]
    assert state == "stopped"
    diverged = banners.Diverged("loss or its gradient", 4, "")
    assert banner == banners.diverged(diverged, Settings(mode="both")).plain()
    assert found["after"][:2] == ["running", 5]
    assert found["after"][2] is None


def test_a_picture_holds_the_samples_of_the_kind_that_it_says(tmp_path):
    """Also the first one after the kind was changed while rounds go on, whatever the next round is doing."""
    script = """
const session = made({ alpha: 0.5, speed: 0 }, { particles: 1200 }), found = [];
pace = 0.004;
session.press("play");
for (let k = 0; k < 80; k++) {
  const other = session.settings.mode === "both" ? "exact" : "both";
  if (k % 8 === 7) session.order({ name: "mode", value: other, stamp: k + 1 });
  session.advance(0.03);
  const { frame, scene } = session.frame(), { meta, arrays } = decodeFrame(frame);
  const { labels } = decodeFrame(scene).arrays;
  found.push([meta.mode, arrays.x.shape[1], labels.shape[0]]);
}
return found;"""
    found = learn(tmp_path, script)
    assert {(mode, count) for mode, count, _ in found} == {("both", 1000), ("exact", 1200)}
    assert all(labels >= count for _, count, labels in found)


def test_a_repetition_that_is_asked_for_the_exact_answer_begins_with_it(tmp_path):
    script = """
pace = 0.001;
const scene = { mode: "both", alpha: 0.3, steps_per_round: 2 };
const session = made({}), order = { scene, log: [[5, "tau", 2]], round: 300 };
session.order({ ...order, state: "paused" });
for (let k = 0; k < 3; k++) session.advance(0.001);
const before = [session.it.kind, session.script !== null];
session.order({ name: "mode", value: "exact", stamp: 1 });
session.advance(0.001);
const there = session.it.kind;
while (session.idleFor <= 0) session.advance(0.03);
const { meta } = seen(session);
const slow = made({}); // a clock on which every round is slow
slow.order({ ...order, state: "paused" });
pace = 0.2;
for (let k = 0; k < 60 && slow.it.kind !== "exact"; k++) slow.advance(0.001);
return { before, there, meta, slow: slow.it.kind, why: seen(slow).meta.networks };"""
    found = learn(tmp_path, script)
    assert found["before"] == ["learned", True]
    assert found["there"] == found["slow"] == "exact"
    assert (found["meta"]["mode"], found["meta"]["round"], found["meta"]["tau"]) == ("exact", 300, 2)
    assert found["why"] == tables.WITHOUT["slow"]


def test_a_budget_steers_alpha_and_few_samples_are_told(tmp_path):
    script = """
const session = made({ steer: "w2", budget: 0.02, lr: 0.01, steps_per_round: 8, tau: 5, reward: "plane" });
for (let k = 0; k < 6; k++) { session.press("step"); session.advance(); }
const { alphas, runs } = session.it.lanes, { meta } = seen(session), plenty = session.it.lanes.warning(0);
Object.assign(runs[0].last, { ess: 7 });
const kl = made({ steer: "kl" });
return {
  alpha: alphas[0], label: meta.lanes[0].label, titles: meta.curves.map(({ title }) => title), steering: meta.steering,
  last: runs[0].last, plenty, banner: session.it.lanes.warning(0),
  why: seen(kl).meta.steering.why, resting: seen(kl).meta.lanes[0].alpha,
};"""
    found = learn(tmp_path, script)
    assert found["alpha"] > 1, "more is spent than the budget allows"
    assert found["label"] == "α steered"
    assert "Steered α" in found["titles"]
    assert found["steering"]["spent"] == pytest.approx(found["last"]["penalty"])
    few = banners.few_decide(7, 256, "exp")
    assert few is not None
    assert (found["plenty"], found["banner"]) == (None, few.plain())
    assert (found["why"], found["resting"]) == (steered.NO_KL, 1)


@pytest.mark.parametrize("slow", [False, True])
def test_where_rounds_take_long_the_exact_answer_is_shown(tmp_path, slow):
    script = """
const session = made({ speed: 0 });
session.press("play");
for (let k = 0; k < 12; k++) { pace = given.slow ? 0.2 : 0; session.advance(); }
const { mode, networks } = seen(session).meta, { story } = session;
pace = 0;
session.press("reset");
session.advance();
return { mode, networks, asked: story.start.mode, again: seen(session).meta.mode };"""
    found = learn(tmp_path, script, slow=slow)
    assert found["mode"] == ("exact" if slow else "both")
    assert found["networks"] == (tables.WITHOUT["slow"] if slow else "")
    assert (found["asked"], found["again"]) == ("both", "both")


def test_any_order_is_obeyed_or_refused_while_networks_learn(tmp_path):
    script = """
const { Twister } = await import("FOLDER/twister.js");
const twister = new Twister(5), pick = (all) => all[Math.floor(twister.share() * all.length)];
const values = {
  mode: ["learned", "both", "exact"], alpha: [0, 0.1, 1, 30], tau: [0, 1, 5], reward: ["right", "bump", "plane"],
  measured: ["average", "iterate"], lr: [1e-5, 1e-3, 0.1], steps_per_round: [1, 3], t: [0, 0.3, 1],
  arrows: [true, false], paths: [true, false], truth: ["", "ring"], others: [[], [0.5], [1, 3]],
  target: ["eight_gaussians", "two_moons"], steer: ["", "w2", "kl"], coupling: ["independent", "independent", "ot"],
  weighting: ["exp", "mean_one"], fault: ["", "", "shuffled"],
};
const session = made({}, { particles: 60 }), modes = new Set(), failures = [];
pace = 0.002;
for (let k = 0; k < 200; k++) {
  const name = pick(Object.keys(values)), press = pick(["play", "pause", "step", "undo", "reset", "play", "step"]);
  session.order(twister.share() < 0.6 ? { name, value: pick(values[name]), stamp: k } : { press });
  if (k % 7 === 0) session.order({ trace: pick([null, 3, 59]) });
  session.advance(0.02);
  const { meta } = seen(session);
  modes.add(meta.mode);
  if (session.it.failure) failures.push(session.it.failure.text);
}
return { modes: [...modes].sort(), failures };"""
    found = learn(tmp_path, script)
    assert found["modes"] == ["both", "exact", "learned"]
    assert found["failures"] == []
