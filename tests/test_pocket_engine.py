"""The Pocket lab's engine is the oracle: the same scheme in JavaScript, held to Python number by number."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from test_scripts import _names

from orwlab import flow, rewards, targets
from orwlab.exact import sweep
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.grid import Grid, default_extent
from orwlab.show import pocket
from orwlab.show.lab import exact, yardstick
from orwlab.show.lab.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::orwlab.exact.dynamics.OracleWarning")

RUN = """
const field = (values) => Float64Array.from(values);
const referenceOf = ({ dim, axis, extent, logP }, options) =>
  new Reference(new Grid(dim, axis, extent), field(logP), options);
const dynamicsOf = (g, options) => new Dynamics(referenceOf(g, options), field(g.reward), g);
const numbersOf = (d) => [d.meanReward, d.kl, d.tv, d.moved, d.mass];
"""
ENTRIES = ("settle.js", "place.js", "measure.js")


def in_node(folder, script, **given):
    """What ``script`` finds, a body of JavaScript with the engine's names, those of ``RUN`` and ``given``."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    files = dict.fromkeys(name for entry in ENTRIES for name in pocket.files(entry))
    engine = pocket.stage.joined("\n".join((pocket._SHOW / name).read_text() for name in files))
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "run.mjs").write_text(f"""
import {{ readFileSync, writeFileSync }} from "node:fs";
{engine}
{RUN}
const given = JSON.parse(readFileSync("given.json", "utf8"));
const flat = (key, value) => (ArrayBuffer.isView(value) ? [...value] : value);
writeFileSync("found.json", JSON.stringify((() => {{ {script} }})(), flat));
""")
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def dynamics(target="eight_gaussians", reward="right", axis=48, **settings):
    reward = rewards.get(reward) if isinstance(reward, str) else reward
    return PopulationDynamics(targets.get(target), reward, axis=axis, **settings)


def plain(state):
    """What JavaScript has to know of dynamics."""
    cells = state.cells
    log_p = state.target.log_prob(cells.flat).double()
    return {
        "dim": cells.dim, "axis": cells.n, "extent": cells.extent, "logP": log_p.tolist(),
        "reward": state.reward_values.flatten().tolist(),
        "tau": state.tau, "alpha": state.alpha, "weighting": state.weighting,
    }  # fmt: skip


def masses(state):
    return (state.density * state.cells.dx**state.cells.dim).flatten().numpy()


def apart(found, state):
    """Total variation between what JavaScript found and a state."""
    return 0.5 * np.abs(np.array(found) - masses(state)).sum()


def numbers(state):
    return [state.mean_reward, state.kl, state.tv, state.moved, state.mass]


# Rounds -------------------------------------------------------------------------------------------------------------

CASES = [
    *[
        (target, reward, 48, alpha, weighting, tau)
        for k, target in enumerate(targets.names(2))
        for reward, alpha, weighting, tau in [
            [
                (rewards.names()[k % 7], 0.3, "exp", 1.0),
                (rewards.names()[(k + 3) % 7], (0.05, 1.0, 3.0)[k % 3], ("mean_one", "clipped", "exp")[k % 3], 2.0),
            ][n]
            for n in range(2)
        ]
    ],
    ("eight_gaussians", "right", 64, 1.0, "exp", 1.0),
    ("two_spirals", "angle", 64, 0.1, "exp", 3.0),
    ("eight_gaussians", "right", 48, 0.0, "exp", 1.0),
    ("two_modes_1d", "right", 64, 0.5, "exp", 1.0),
    ("three_modes_1d", "plane", 256, 0.2, "mean_one", 2.0),
    ("two_moons", "plane", 48, 1e-300, "exp", 5.0),  # beside such weights no alpha at all
]
ROUNDS = 20


def stepped(case):
    target, reward, axis, alpha, weighting, tau = case
    state = dynamics(target, reward, axis, alpha=alpha, weighting=weighting, tau=tau)
    given, curve = plain(state), []
    for _ in range(ROUNDS):
        state.advance()
        curve.append([*numbers(state), sorted(state.problems)])
    return given, curve, state


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """Of every case the Python state, its curve, and what JavaScript found."""
    runs = [stepped(case) for case in CASES]
    script = """
return given.cases.map((g) => {
  const d = dynamicsOf(g), curve = [];
  for (let k = 0; k < given.rounds; k++) {
    d.advance();
    curve.push([...numbersOf(d), Object.keys(d.problems).sort()]);
  }
  return { curve, q: d.q, l: d.l, round: d.round };
});"""
    found = in_node(tmp_path_factory.mktemp("rounds"), script, cases=[given for given, _, _ in runs], rounds=ROUNDS)
    return [(curve, state, js) for (_, curve, state), js in zip(runs, found)]


def test_the_cases_hold_every_target_and_reward_and_weighting():
    assert {case[0] for case in CASES} == {*targets.names(2), *targets.names(1)}
    assert {case[1] for case in CASES} == set(rewards.names())
    assert {case[4] for case in CASES} == {"exp", "mean_one", "clipped"}


@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: "-".join(map(str, CASES[k])))
def test_rounds_are_those_of_python(rounds, k):
    curve, state, found = rounds[k]
    assert found["round"] == ROUNDS
    for ours, theirs in zip(found["curve"], curve, strict=True):
        assert ours[5] == theirs[5]  # problems
        assert ours[:5] == pytest.approx(theirs[:5], rel=1e-10, abs=1e-10)
    assert apart(found["q"], state) < 1e-10
    assert state.moved > 0


def test_settings_may_change_between_rounds(tmp_path):
    state = dynamics(alpha=0.5)
    given, other = plain(state), rewards.get("bump")
    state.iterate(3)
    state.alpha, state.tau, state.weighting, state.reward = 2.0, 0.5, "mean_one", other
    changed = state.reward_values.flatten().tolist()
    state.iterate(3)
    script = """
const d = dynamicsOf(given.start);
for (let k = 0; k < 3; k++) d.advance();
const kept = d.copy(), before = d.q.slice();
Object.assign(d, { alpha: 2, tau: 0.5, weighting: "mean_one", reward: field(given.changed) });
for (let k = 0; k < 3; k++) d.advance();
const after = numbersOf(d), same = kept.q.every((mass, k) => mass === before[k]);
for (let k = 0; k < 3; k++) kept.advance();
d.reset();
return { after, same, kept: numbersOf(kept), reset: [d.round, d.tv, d.kl, d.moved] };"""
    found = in_node(tmp_path, script, start=given, changed=changed)
    assert found["after"] == pytest.approx(numbers(state), rel=1e-8)
    assert found["same"], "a copy goes its own way"
    unchanged = dynamics(alpha=0.5)
    unchanged.iterate(6)
    assert found["kept"] == pytest.approx(numbers(unchanged), rel=1e-8)
    assert found["reset"] == [0, 0, 0, 0]


def test_a_round_that_is_not_finite_leaves_the_last_good_state(tmp_path):
    script = """
const d = dynamicsOf(given.start);
d.advance();
const before = [d.round, ...numbersOf(d)];
d.tau = 1e308;
d.reward = d.reward.map((r) => 10 * r);
const said = (() => { try { d.advance(); } catch (error) { return [error.name, error.message]; } })();
return { said, before, after: [d.round, d.meanReward / 10, ...numbersOf(d).slice(1)] };"""
    found = in_node(tmp_path, script, start=plain(dynamics()))
    assert found["said"][0] == "NotFinite"
    assert "round 2" in found["said"][1]
    assert found["after"] == pytest.approx(found["before"], rel=1e-12)


def test_a_wider_cut_of_the_kernels_would_be_seen(tmp_path):
    """Where a reference is uneven and weights reach far, what a row's small entries reach can weigh most."""
    state = dynamics("two_spirals", lambda x: 100 * x[:, 0].clamp(max=1), alpha=100.0, tau=0.5)
    given = plain(state)
    state.iterate(10)
    script = """
return [{}, { cut: 1e-40 }].map((options) => {
  const d = dynamicsOf(given.start, options);
  for (let k = 0; k < 10; k++) d.advance();
  return d.q;
});"""
    own, wide = (apart(q, state) for q in in_node(tmp_path, script, start=given))
    assert own < 1e-9 < 1e-2 < wide


# Limits -------------------------------------------------------------------------------------------------------------

LIMITS = [
    ("eight_gaussians", "right", 1.0, "mean_one", 1.0, ""),
    ("two_moons", "bump", 0.3, "exp", 1.0, ""),
    ("four_modes", "ring", 3.0, "clipped", 2.0, "finer"),
    ("eight_gaussians", "plane", 0.05, "exp", 3.0, "leaves"),
    ("gaussian", "bump", 0.0, "exp", 1.0, "moving"),
]
WHY = {
    "": "",
    "finer": "no limit to show: it is finer than the grid",
    "leaves": "no limit to show: it leaves the grid",
    "moving": f"no limit found: still moving after {exact.MAX_ROUNDS} rounds",
}


def test_limits_are_those_of_python(tmp_path):
    given, searched, settled = [], [], []
    for target, reward, alpha, weighting, tau, _ in LIMITS:
        state, other = (dynamics(target, reward, alpha=alpha, weighting=weighting, tau=tau) for _ in range(2))
        given.append(plain(state))
        end = state.fixed_point(1e-6, max_rounds=60)
        searched.append((end, state))
        why = exact.settle(other, "bump")
        settled.append((why, other))
    script = """
return given.cases.map((g) => {
  const d = dynamicsOf(g), other = dynamicsOf(g), end = d.fixedPoint({ tol: 1e-6, maxRounds: 60 });
  return { end, q: d.q, why: settle(other), settled: other.q };
});"""
    for case, (end, state), (why, other), found in zip(
        LIMITS, searched, settled, in_node(tmp_path, script, cases=given), strict=True
    ):
        assert found["end"]["converged"] == end.converged
        assert found["end"]["rounds"] == end.rounds
        assert found["end"]["moved"] == pytest.approx(end.moved, rel=1e-2, abs=1e-9)
        if end.converged:
            assert found["end"]["error"] == pytest.approx(end.error, rel=0.05)
        assert apart(found["q"], state) < 1e-6
        assert found["why"] == case[-1]
        assert WHY[found["why"]] == why
        assert apart(found["settled"], other) < 1e-6


def test_a_search_gives_way_after_every_round_and_starts_from_a_near_limit(tmp_path):
    start = dynamics(alpha=1.0, weighting="mean_one")
    given = plain(start)
    near = rewards.get("right")
    moved = dynamics(reward=lambda x: near(x) + 0.01 * x[:, 1], alpha=1.0, weighting="mean_one")
    changed = moved.reward_values.flatten().tolist()
    moved.fixed_point(1e-7)
    script = """
const d = dynamicsOf(given.start), search = settling(d), seen = [];
for (;;) {
  const { done } = search.next();
  if (done) break;
  seen.push(d.round);
}
const rounds = d.round, end = finished(settlingFrom(d, field(given.changed)));
const far = finished(settlingFrom(d, d.reward.map((r) => 1e300 * 1e300 * r)));
return { seen, rounds, q: end.q, took: end.round - rounds, far };"""
    found = in_node(tmp_path, script, start=given, changed=changed)
    assert found["seen"] == list(range(1, found["rounds"] + 1))
    assert found["took"] < found["rounds"]
    assert apart(found["q"], moved) < 1e-4
    assert found["far"] is None


def test_the_rate_of_a_search_is_the_largest_real_part(tmp_path):
    rng = np.random.default_rng(0)
    matrices = [*[rng.normal(size=(m, m)) for m in range(1, 7)], np.array([[0.0, 3.0], [-3.0, 0.0]])]
    systems = [(A, rng.normal(size=(len(A), 2))) for A in matrices]
    script = "return given.systems.map(([A, B]) => [abscissa(A), solved(A, B)]);"
    found = in_node(tmp_path, script, systems=[(A.tolist(), B.tolist()) for A, B in systems])
    for (A, B), (rate, X) in zip(systems, found, strict=True):
        assert rate == pytest.approx(np.linalg.eigvals(A).real.max(), abs=1e-10)
        np.testing.assert_allclose(X, np.linalg.solve(A, B), rtol=1e-9)


# Velocities and particles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "dim"), [("eight_gaussians", 2), ("two_modes_1d", 1)])
def test_velocities_and_the_ways_along_them(tmp_path, target, dim):
    state = dynamics(target, alpha=0.5)
    given = plain(state)
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(60, dim, generator=generator, dtype=torch.float64)
    t = torch.linspace(0, 1, 60, dtype=torch.float64)  # the last ones are later than the grid resolves
    start = state.policy(t, x)
    state.iterate(4)
    way = (1.0, 0.7, 0.0)
    carried = flow.trajectory(state.velocity, x, way, method="rk4", steps=4)
    script = """
const d = dynamicsOf(given.start), x = field(given.x), t = field(given.t), start = d.policy.at(t, x);
for (let k = 0; k < 4; k++) d.advance();
return { start, policy: d.policy.at(t, x), velocity: d.velocity.at(t, x), one: d.velocity.at(0.5, x),
  ways: trajectory(d.velocity, x, given.way, 4), given: [...x] };"""
    found = in_node(tmp_path, script, start=given, x=x.flatten().tolist(), t=t.tolist(), way=way)
    for name, v in (
        ("start", start),
        ("policy", state.policy(t, x)),
        ("velocity", state.velocity(t, x)),
        ("one", state.velocity(0.5, x)),
    ):
        np.testing.assert_allclose(found[name], v.flatten(), rtol=1e-7, atol=1e-7, err_msg=name)
    assert not np.allclose(found["policy"], found["velocity"], atol=1e-2)
    np.testing.assert_allclose(found["ways"], carried.reshape(3, -1), rtol=1e-7, atol=1e-7)
    assert found["given"] == x.flatten().tolist(), "the points given are left alone"


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """A state of the lab's own dynamics, and what JavaScript makes of it."""
    settings = Settings(target="eight_gaussians", reward="right")
    state = exact.dynamics(settings, 0.3, 48)
    given = plain(state)
    for _ in range(5):
        state.advance()
    fine, log_p = exact._fine(state.target.name, state.cells.extent)
    generator = torch.Generator().manual_seed(1)
    z = torch.cat([torch.randn(300, 2, generator=generator), torch.tensor([[-7.0, 7.0], [0.0, -3.6], [3.5, 2.5]])])
    x0, t = yardstick.crossings()
    labels = state.target.mode_of(state.cells.flat).tolist()
    script = """
const d = dynamicsOf(given.start);
for (let k = 0; k < 5; k++) d.advance();
const fine = { grid: new Grid(2, given.fine, given.start.extent), logP: field(given.logP) };
const q = density(d, fine), u = uniform(given.z), at = (u) => place(q, given.fine, fine.grid.extent, u);
return { q, u, points: at(u), distance: meanDistance(d.reference.grid, d.q), ess: ess(d),
  modes: modeMass(d.q, given.labels, 8),
  penalty: penalty(d, field(given.x0), field(given.t), at(field(given.even))) };"""
    found = in_node(
        tmp_path_factory.mktemp("placed"), script, start=given, fine=fine.n, logP=log_p.flatten().tolist(),
        z=z.flatten().tolist(), labels=labels, even=yardstick.uniform().flatten().tolist(),
        x0=x0.flatten().tolist(), t=t.tolist(),
    )  # fmt: skip
    return state, z, found


def test_particles_lie_where_python_places_them(placed):
    state, z, found = placed
    q, u = exact.density(state), exact.uniform(z)
    np.testing.assert_allclose(found["q"], q.flatten(), atol=1e-12)
    np.testing.assert_allclose(found["u"], u.flatten(), rtol=1e-12, atol=1e-15)
    points = exact.place(q, state.cells.extent, u)  # in float32
    np.testing.assert_allclose(found["points"], points.flatten(), atol=2e-6)


def test_numbers_of_a_state(placed):
    state, _, found = placed
    assert found["distance"] == pytest.approx(sweep.mean_distance(state.cells, state.density), rel=1e-10)
    assert found["ess"] == pytest.approx(exact.ess(state), rel=1e-8)
    modes = exact.mass_at_modes("eight_gaussians", state.cells, state.density)
    np.testing.assert_allclose(found["modes"], modes, atol=1e-10)
    assert found["penalty"] == pytest.approx(exact.penalty(state), rel=1e-4)  # there in float32
    assert found["penalty"] > 0.01


def test_the_mean_distance_of_masses(tmp_path):
    rng = np.random.default_rng(2)
    grids = [Grid(1, 16, 4.0), Grid(1, 100, 4.0), Grid(2, 16, 6.0), Grid(2, 24, 3.0)]
    cases = [(grid, q) for grid in grids for q in (rng.random(grid.n**grid.dim) ** 4, np.eye(grid.n**grid.dim)[5])]
    cases[0][1][3] = 1e-9  # too little to count
    script = """
return given.cases.map(([dim, n, extent, q]) => {
  const grid = new Grid(dim, n, extent);
  return [meanDistance(grid, field(q)), meanDistance(grid, field(q).reverse())];
});"""
    found = in_node(tmp_path, script, cases=[(g.dim, g.n, g.extent, q.tolist()) for g, q in cases])
    for (grid, q), (there, back) in zip(cases, found, strict=True):
        expected = sweep.mean_distance(grid, torch.from_numpy(q).reshape(grid.shape))
        assert there == pytest.approx(expected, rel=1e-11)
        assert back == pytest.approx(expected, rel=1e-11)


def test_the_best_assignment(tmp_path):
    rng = np.random.default_rng(3)
    cases = [(rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + shift) for n, shift in ((1, 2), (7, 0), (128, 0.5))]
    cases.append((rng.integers(0, 3, (40, 2)) * 1.0, rng.integers(0, 3, (40, 2)) * 1.0))  # many ties
    given = [(x.flatten().tolist(), y.flatten().tolist()) for x, y in cases]
    script = "return given.cases.map(([x, y]) => [assignmentW2(field(x), field(y)), assignmentW2(field(x), field(x))]);"
    for (x, y), (found, same) in zip(cases, in_node(tmp_path, script, cases=given), strict=True):
        cost = ((x[:, None] - y) ** 2).sum(-1)
        assert found == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-12)
        assert same == 0


# Grids --------------------------------------------------------------------------------------------------------------


class Wide:
    """A Gaussian at (shift, 0) of a standard deviation."""

    dim = 2

    def __init__(self, shift, sd):
        self.shift, self.sd = shift, sd

    def log_prob(self, x):
        return -((x[:, 0] - self.shift) ** 2 + x[:, 1] ** 2) / (2 * self.sd**2)


def test_the_domain_holds_the_target(tmp_path):
    laws = [(0.0, 0.5), (3.0, 1.0), (0.0, 2.5), (9.0, 2.0), (0.0, 50.0)]
    script = """
return given.laws.map(([shift, sd]) => defaultExtent(2, (points) => {
  const out = new Float64Array(points.length / 2);
  for (let k = 0; k < out.length; k++) {
    out[k] = -((points[2 * k] - shift) ** 2 + points[2 * k + 1] ** 2) / (2 * sd * sd);
  }
  return out;
}));"""
    found = in_node(tmp_path, script, laws=laws)
    assert found == [default_extent(Wide(*law)) for law in laws]
    assert len(set(found)) == 5


@pytest.mark.parametrize("dim", [1, 2])
def test_fields_between_cells(tmp_path, dim):
    grid = Grid(dim, 16, 3.0)
    generator = torch.Generator().manual_seed(dim)
    f = torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    x = 3 * torch.randn(200, dim, generator=generator, dtype=torch.float64)  # some outside
    where = f > 1.5
    script = """
const grid = new Grid(given.dim, 16, 3), f = field(given.f), wide = grid.widened(Uint8Array.from(given.where), 2);
return { at: grid.interpolate(f, field(given.x)), smooth: grid.smooth(f), points: grid.points, wide };"""
    found = in_node(
        tmp_path, script, dim=dim, f=f.flatten().tolist(), x=x.flatten().tolist(), where=where.flatten().int().tolist()
    )
    np.testing.assert_allclose(found["at"], grid.interpolate(f[None], x.T)[0], atol=1e-12)
    np.testing.assert_allclose(found["smooth"], grid.smooth(f).flatten(), atol=1e-14)
    np.testing.assert_allclose(found["points"], grid.flat.flatten(), atol=1e-14)
    assert found["wide"] == grid.widened(where, 2).flatten().int().tolist()


def test_what_is_no_grid_is_refused(tmp_path):
    script = """
return [[3, 48, 6], [2, 47, 6], [2, 8, 6], [2, 48, 0], [2, 48, NaN]].map((given) => {
  try { return new Grid(...given).n; } catch (error) { return error.name; }
});"""
    assert in_node(tmp_path, script) == ["RangeError"] * 5


# Joining ------------------------------------------------------------------------------------------------------------


def test_modules_are_joined_after_what_they_need():
    files = pocket.files("settle.js")
    assert files[-1] == "pocket/settle.js"
    assert len(files) == len(set(files))
    assert files.index("pocket/grid.js") < files.index("pocket/dynamics.js") < files.index("pocket/settle.js")
    text = pocket.script("settle.js")
    assert not any(line.startswith(("import ", "export ")) for line in text.splitlines())


@pytest.mark.parametrize("entry", sorted(file.name for file in (pocket._SHOW / "pocket").glob("*.js")))
def test_no_name_is_given_twice_in_what_a_module_needs(entry):
    assert [name for name, count in _names(pocket.script(entry)).items() if count > 1] == []


def test_modules_that_need_each_other_are_refused(tmp_path, monkeypatch):
    (tmp_path / "pocket").mkdir()
    (tmp_path / "stage").mkdir()
    (tmp_path / "pocket/a.js").write_text('import { B } from "../stage/b.js";\nexport const A = 1;\n')
    (tmp_path / "stage/b.js").write_text("export const B = 2;\n")
    monkeypatch.setattr(pocket, "_SHOW", tmp_path)
    assert pocket.files("a.js") == ["stage/b.js", "pocket/a.js"]
    assert pocket.script("a.js") == "const B = 2;\n\nconst A = 1;\n"
    (tmp_path / "stage/b.js").write_text('import { A } from "../pocket/a.js";\nexport const B = 2;\n')
    with pytest.raises(ValueError, match=r"pocket/a\.js imports stage/b\.js imports pocket/a\.js"):
        pocket.files("a.js")
