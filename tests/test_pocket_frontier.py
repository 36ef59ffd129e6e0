"""What rewards could buy at best, in the Pocket lab: held to Python's optima and frontiers number by number."""

import numpy as np
import pytest
import test_pocket_engine as engine
import test_pocket_session as session
import torch
from scipy.optimize import linear_sum_assignment

from orwlab import flow, rewards, targets
from orwlab.exact import optima
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.frontiers import Frontiers, w2_distance_squared
from orwlab.exact.grid import Grid
from orwlab.show.lab import exact as lab
from orwlab.show.lab.settings import Settings
from orwlab.show.pocket import given as own_tables

pytestmark = pytest.mark.filterwarnings("ignore::orwlab.exact.dynamics.OracleWarning")

CASES = [
    ("eight_gaussians", "right", 48),
    ("eight_gaussians", "box", 48),  # jumps
    ("two_moons", "ring", 48),
    ("two_spirals", "bump", 64),
    ("four_modes", "plane", 48),  # without a ceiling
    ("two_modes_1d", "right", 64),
    ("three_modes_1d", "bump", 256),
    ("four_modes", "flat", 48),  # nothing to be had
]


def FLAT(x):
    return torch.full_like(x[:, 0], 0.3)


LAM, TAU = (0.05, 0.4, 3.0), (0.5, 4.0)
MIDDLE = (0.01, 0.3, 1.7, 20.0)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of every case Python's grid, reference and reward, and what JavaScript makes of them."""
    known, plain = [], []
    for target, reward, axis in CASES:
        reward = FLAT if reward == "flat" else rewards.get(reward)
        state = PopulationDynamics(targets.get(target), reward, axis=axis)
        p, r = state.reference_density, state.reward_values
        known.append((state.cells, p, r))
        masses = (p / p.sum()).flatten().tolist()
        plain.append([state.cells.dim, axis, state.cells.extent, masses, r.flatten().tolist()])
    script = """
return given.cases.map(([dim, n, extent, masses, values]) => {
  const grid = new Grid(dim, n, extent), p = field(masses), r = field(values);
  const frontiers = [() => klSweep(p, r), () => w2Sweep(grid, p, r)].map((make) => {
    const swept = make(), traced = make();
    let turns = 0;
    for (const _ of sweeping(swept)) turns++;
    finished(tracing(traced));
    const { points } = traced.frontier, slack = points.price.slice(1).map((_, k) => slackAt(points, k));
    return { ...swept.frontier.points, turns, most: given.middle.map((x) => mostAt(points, x)), traced: points, slack };
  });
  return {
    frontiers,
    tilts: given.tau.map((tau) => tilted(p, r, tau))
      .map((q) => ({ q, reward: total(q, r), kl: relativeEntropy(q, p) })),
    proximal: given.lam.map((lam) => proximal(grid, p, r, lam)),
  };
});"""
    folder = tmp_path_factory.mktemp("frontiers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "ENTRIES", (*engine.ENTRIES, "frontiers.js"))
        js = engine.in_node(folder, script, cases=plain, tau=TAU, lam=LAM, middle=MIDDLE)
    return list(zip(known, js, strict=True))


@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: "-".join(map(str, CASES[k])))
def test_both_optima_are_those_of_python(found, k):
    (cells, p, r), js = found[k]
    for tau, ours in zip(TAU, js["tilts"], strict=True):
        theirs = optima.kl_tilt(cells, p, r, tau)
        assert [ours["reward"], ours["kl"]] == pytest.approx([theirs.mean_reward, theirs.kl], rel=1e-10, abs=1e-12)
        assert _apart(ours["q"], cells, theirs) < 1e-12
    for lam, ours in zip(LAM, js["proximal"], strict=True):
        theirs = optima.w2_proximal(cells, p, r, lam)
        assert ours["goal"] == pytest.approx(theirs.map.flatten().tolist(), abs=1e-10)
        numbers = [theirs.mean_reward, theirs.kl, theirs.w2_squared]
        assert [ours["reward"], ours["kl"], ours["w2"]] == pytest.approx(numbers, rel=1e-9, abs=1e-10)
        assert _apart(ours["q"], cells, theirs) < 1e-10


def _apart(q, cells, optimum):
    return 0.5 * np.abs(np.array(q) - (optimum.density * cells.dx**cells.dim).flatten().numpy()).sum()


@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: "-".join(map(str, CASES[k])))
def test_both_frontiers_are_those_of_python(found, k):
    (cells, p, r), js = found[k]
    both = Frontiers(cells, p, r)
    for ours, theirs in zip(js["frontiers"], (both.kl, both.w2), strict=True):
        assert ours["price"][1:] == pytest.approx(theirs.price[1:].tolist(), rel=1e-12)  # infinite at the reference
        assert ours["distance"] == pytest.approx(theirs.distance.tolist(), rel=1e-8, abs=1e-9)
        assert ours["reward"] == pytest.approx(theirs.reward.tolist(), rel=1e-9, abs=1e-9)
        assert ours["highest"] == pytest.approx(theirs.highest, rel=1e-14)
        assert ours["turns"] == len(theirs.price) - 1, "it gives way after every price"


@pytest.mark.parametrize("k", range(len(CASES) - 1), ids=lambda k: "-".join(map(str, CASES[k])))  # some reward
def test_what_is_allowed_bounds_what_python_allows_and_hardly_exceeds_it(found, k):
    (cells, p, r), js = found[k]
    both, spread = Frontiers(cells, p, r), float(r.max() - r.min())
    for ours, theirs in zip(js["frontiers"], (both.kl, both.w2), strict=True):
        allowed = np.array([theirs.allowed(x) for x in MIDDLE])
        assert (ours["most"] > allowed - 1e-4 * spread).all()  # Python's own, where the reward jumps: 1e-5
        assert (ours["most"] < allowed + 2e-3 * spread).all()
        assert max(ours["slack"][1:]) < 1.1e-3 * spread  # but for the first, of the smallest move there is
        distance = np.array(ours["traced"]["distance"])
        assert (np.diff(distance) >= -1e-9).all()
        assert len(distance) > len(theirs.price)


# What a worker answers ----------------------------------------------------------------------------------------------

ASKS = """
const sent = [], service = new Service({ send: (message) => sent.push(message), given: world, later: () => {} });
const answer = (...given) => {
  service.hear({ id: sent.length, call: "frontier", arguments: given });
  return sent.at(-1).answer ?? sent.at(-1).error;
};
const asked = (distance) => {
  const all = [];
  do all.push(answer("pocket", { distance, have: all.at(-1)?.version ?? "" }));
  while (all.at(-1).more && all.length < 2000);
  return { answers: all.length, last: all.at(-1), frontier: all.findLast(({ frontier }) => frontier).frontier };
};
const most = ({ last, frontier }) => last.lanes.map(({ now }) => mostAt(frontier, now.distance));
const early = answer("pocket", {}), settings = { alpha: 1, others: [3], target: "two_moons" };
service.hear({ id: 1, call: "start", arguments: [{ settings, particles: 16, axis: 48 }] });
const { session } = service;
session.advance();
for (let k = 0; k < 8; k++) { session.press("step"); session.advance(); }
search(session);
const kl = asked("kl"), w2 = asked("w2"), again = answer("pocket", { distance: "w2", have: w2.last.version });
session.order({ name: "reward", value: "plane", stamp: 1 });
session.press("step");
session.advance();
const other = answer("pocket", {});
const both = { settings: { ...settings, mode: "both" }, particles: 64, axis: 48 };
service.hear({ id: 2, call: "start", arguments: [both] });
for (let k = 0; k < 12; k++) { service.session.press("step"); service.session.advance(); }
const networks = [answer("pocket", { distance: "kl" }), answer("pocket", { distance: "w2" })];
return {
  networks, early, kl, w2, again, z: normals(11, 512), most: { kl: most(kl), w2: most(w2) },
  other, foreign: answer("x", {}), wrong: answer("pocket", { distance: "x" }),
};
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """What a worker answers after eight rounds, and Python's states."""
    start = session.START
    more = """
import { mostAt } from "FOLDER/frontier_lines.js";
import { normals } from "FOLDER/twister.js";
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "START", start.replace("const given =", more + "const given =", 1))
        found = session.in_node(tmp_path_factory.mktemp("asked"), ASKS)
    states = [lab.dynamics(Settings(target="two_moons"), alpha, 48) for alpha in (1.0, 3.0)]
    for state in states:
        for _ in range(8):
            state.advance()
    return found, states


def test_a_worker_says_where_the_lanes_are_and_what_the_best_are(asked):
    found, states = asked
    for lane, state, most in zip(found["kl"]["last"]["lanes"], states, found["most"]["kl"], strict=True):
        assert lane["now"]["reward"] == pytest.approx(state.mean_reward, rel=1e-8)
        assert lane["now"]["distance"] == pytest.approx(state.kl, rel=1e-8)
        assert lane["now"]["reward"] <= most
        place = Frontiers(state.cells, state.reference_density, state.reward_values).place(state.density)
        assert most == pytest.approx(place.kl_allows, abs=2e-3)
        assert lane["limit"]["reward"] < most + 0.1
        assert lane["limit"]["distance"] > 0.5 * state.kl
        assert len(lane["trail"]["reward"]) > 2
        assert lane["trail"]["distance"][0] == 0
    for lane, most in zip(found["w2"]["last"]["lanes"], found["most"]["w2"], strict=True):
        assert lane["now"]["distance"] > 0
        assert lane["now"]["round"] == 8
        assert lane["now"]["reward"] < most - 1e-3, "the limits do not trade optimally in W2"


def test_networks_have_a_w2_and_no_kl(asked):
    kl, w2 = asked[0]["networks"]
    assert [(lane["now"], lane["trail"]["reward"]) for lane in kl["lanes"]] == [(None, [])] * 2
    for lane in w2["lanes"]:
        assert lane["now"]["distance"] > 0
        assert lane["now"]["reward"] == lane["trail"]["reward"][-1]
        assert not w2["lanes"][0].get("coupling")


def test_a_worker_works_a_little_at_a_time_and_sends_a_frontier_once(asked):
    found, _ = asked
    assert found["early"] == found["foreign"] == {"known": False}
    assert found["w2"]["answers"] > 1
    assert found["w2"]["last"]["done"]
    assert found["again"]["frontier"] is None
    assert "distance" in found["wrong"]
    fresh = found["other"]  # of another reward: from its own beginning, and what was before is of another
    assert fresh["version"] != found["kl"]["last"]["version"]
    assert [len(lane["trail"]["reward"]) for lane in fresh["lanes"]] == [1, 1], "of what was before nothing"


def test_the_coupled_cost_is_that_of_both_flows_from_the_same_noise_and_no_pairing_costs_less(asked):
    found, states = asked
    start = lab.dynamics(Settings(target="two_moons"), 1.0, 48)
    z = torch.tensor(found["z"], dtype=torch.float64).reshape(-1, 2)
    for lane, state in zip(found["w2"]["last"]["lanes"], states, strict=True):
        x, y = (flow.trajectory(v, z, (0.0, 1.0), method="rk4", steps=40)[-1] for v in (state.velocity, start.velocity))
        coupled = float((x - y).square().sum(-1).mean())
        assert lane["coupling"]["coupled"] == pytest.approx(coupled, rel=0.02)
        cost = torch.cdist(x, y).square().numpy()
        paired = cost[linear_sum_assignment(cost)].mean()
        assert lane["coupling"]["paired"] == pytest.approx(paired, rel=0.02)
        assert lane["coupling"]["paired"] < lane["coupling"]["coupled"] - 1e-3


def test_w2_of_all_lanes_is_read_in_turn_where_there_is_time_for_one(tmp_path):
    """Every ten rounds, which is how old a W2 has to be."""
    found = session.in_node(
        tmp_path,
        """
const { it } = new Session({ settings: { alpha: 1, others: [2, 3] }, particles: 16, axis: 48 });
const { readings } = it, seen = [];
for (let k = 1; k <= 6; k++) {
  for (let round = 0; round < 10; round++) it.lanes.advance();
  readings.read(true, false, 1);
  seen.push([...readings.dear]);
}
return seen;""",
    )
    assert found == [[10, 0, 0], [10, 20, 0], [10, 20, 30], [40, 20, 30], [40, 50, 30], [40, 50, 60]]


# On a line -----------------------------------------------------------------------------------------------------------

LINES = [
    {"target": "two_modes_1d", "reward": "right", "alpha": 1.0, "tau": 1.0, "weighting": "exp", "rounds": 3},
    {"target": "three_modes_1d", "reward": "bump", "alpha": 0.5, "tau": 2.0, "weighting": "mean_one", "rounds": 5},
    {"target": "two_modes_1d", "reward": "plane", "alpha": 0.1, "tau": 1.0, "weighting": "exp", "rounds": 2},  # no end
    {
        "target": {"heights": [0, 0.2, 1, 0.3, 0, 0, 0.7, 0.4, 0.1, 0], "reach": 4.5},
        "reward": "box", "alpha": 3.0, "tau": 1.0, "weighting": "clipped", "rounds": 0,
    },
    {  # narrower than a cell, and paid only in its tail
        "target": {"heights": [0, 0, 0, 0, 1, 0, 0, 0, 0, 0], "reach": 0.2},
        "reward": "box", "alpha": 0.01, "tau": 2.0, "weighting": "exp", "rounds": 1,
    },
]  # fmt: skip
WRONG = [
    {"weighting": "x"},
    {"target": "eight_gaussians"},
    {"target": {"heights": [0] * 9, "reach": 4}},
    {"alpha": 0},
    {"rounds": 99},
]


def _on_the_line(case):
    """Python's state at the beginning."""
    target, settings = case["target"], {name: case[name] for name in ("alpha", "tau", "weighting")}
    if isinstance(target, str):
        target = targets.get(target)
    else:  # a bump at each height, somewhat wider than they are apart
        heights = torch.tensor(target["heights"], dtype=torch.float64)
        means = torch.linspace(-target["reach"], target["reach"], 10, dtype=torch.float64)
        variance = (1.2 * (means[1] - means[0])) ** 2
        target = targets.GaussianMixture(heights[heights > 0], means[heights > 0, None], variance)
    return PopulationDynamics(target, rewards.get(case["reward"]), axis=128, **settings)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What JavaScript finds on lines, what it says of what it cannot be asked, and W2 between some masses."""
    imports = """
import { given as known } from "FOLDER/given.js";
import { Grid } from "FOLDER/grid.js";
import { OnALine } from "FOLDER/on_a_line.js";
import { w2OnALine } from "FOLDER/quantiles.js";
"""
    script = """
known.load(given.own);
let now = 0;
const line = new OnALine(() => (now += 0.009)); // by this clock two refreshes fit into a turn
const found = given.lines.map((question) => {
  let asks = 1, answer = line.answer(known, question);
  const first = answer.round;
  for (; !answer.done; asks++) answer = line.answer(known, question);
  return { asks, first, ...answer };
});
const wrong = given.wrong.map((change) => {
  try { return line.answer(known, { ...given.lines[0], ...change }).done; } catch (error) { return error.message; }
});
const grid = new Grid(1, 40, 3), [a, b] = given.masses.map((one) => Float64Array.from(one));
return { found, wrong, w2: [w2OnALine(grid, a, b), w2OnALine(grid, b, a), w2OnALine(grid, a, a)] };"""
    rng = np.random.default_rng(0)
    masses = [rng.random(40) ** 6, rng.random(40) ** 2 * (np.arange(40) % 3 > 0)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "START", session.START.replace("const given =", imports + "const given =", 1))
        js = session.in_node(
            tmp_path_factory.mktemp("lines"), script, lines=LINES, wrong=WRONG, own=own_tables.tables(),
            masses=[(one / one.sum()).tolist() for one in masses],
        )  # fmt: skip
    return js, masses


@pytest.mark.parametrize("k", range(len(LINES)))
def test_on_a_line_rounds_and_the_limit_are_those_of_python(lines, k):
    case, found, state = LINES[k], lines[0]["found"][k], _on_the_line(LINES[k])
    np.testing.assert_allclose(found["x"], state.cells.coordinates, rtol=1e-12)
    np.testing.assert_allclose(found["reward"], state.reward_values, atol=1e-12)
    np.testing.assert_allclose(found["p"]["density"], state.reference_density, atol=1e-9)
    state.iterate(case["rounds"])
    _same(found["q"], state)
    assert found["round"] == found["of"] == case["rounds"]
    if found.get("limit"):
        state.reset()
        state.fixed_point(1e-5, max_rounds=100)
        _same(found["limit"], state)
        assert found["why"] == ""
    else:
        assert {2: "the reward has no ceiling", 4: "finer than the grid"}[k] in found["why"]


def _same(found, state):
    np.testing.assert_allclose(found["density"], state.density, atol=1e-5)
    assert found["reward"] == pytest.approx(state.mean_reward, abs=1e-6)
    assert found["kl"] == pytest.approx(state.kl, abs=1e-6)
    assert found["w2"] == pytest.approx(
        w2_distance_squared(state.cells, state.density, state.reference_density), abs=1e-5
    )


@pytest.mark.parametrize("k", range(len(LINES)))
def test_on_a_line_the_optima_beside_it_have_its_distance_and_the_most_reward_there(lines, k):
    found, state = lines[0]["found"][k], _on_the_line(LINES[k])
    beside = found.get("limit") or found["q"]
    both = Frontiers(state.cells, state.reference_density, state.reward_values)
    assert found["tilt"]["kl"] == pytest.approx(beside["kl"], rel=1e-4, abs=1e-9)
    assert found["tilt"]["reward"] == pytest.approx(both.kl.allowed(beside["kl"]), abs=1e-5)
    assert found["tilt"]["reward"] >= beside["reward"] - 1e-6
    assert found["proximal"]["w2"] == pytest.approx(min(beside["w2"], float(both.w2.distance[-1])), rel=1e-3)
    unresolved = 1e-2 if k == 4 else 1e-4  # narrower than a cell: how far mass moves within one is told in two ways
    assert found["proximal"]["reward"] == pytest.approx(both.w2.allowed(beside["w2"]), abs=unresolved)
    assert k == 4 or found["proximal"]["reward"] >= beside["reward"] - 1e-6


def test_a_line_is_worked_out_a_little_at_a_time(lines):
    found = lines[0]["found"][0]
    assert found["first"] < 3
    assert found["asks"] > 10


def test_w2_on_a_line_is_that_of_python(lines):
    found, masses = lines
    theirs = w2_distance_squared(Grid(1, 40, 3.0), *map(torch.from_numpy, masses))
    assert found["w2"] == pytest.approx([theirs, theirs, 0.0], rel=1e-10, abs=1e-15)


def test_a_line_says_what_it_cannot_be_asked(lines):
    for said, name in zip(lines[0]["wrong"], ("weighting", "target", "heights", "alpha", "rounds"), strict=True):
        assert name in said
        assert "allowed" in said
