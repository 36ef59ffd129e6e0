"""The Pocket lab's small network: gradients and Adam are torch's, rounds ``FineTuning``'s; it comes near the limit."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from orwlab import rewards
from orwlab.methods import orw
from orwlab.methods.orw import FineTuning
from orwlab.show import pocket
from orwlab.show.pocket import given, tables
from orwlab.solvers import NonStationary

FOLDER = Path(pocket.__file__).parent
START = """
import { readFileSync, writeFileSync } from "node:fs";
import { finished } from "FOLDER/dynamics.js";
import { given as own } from "FOLDER/given.js";
import { groundOf, rewardOn } from "FOLDER/ground.js";
import { Adam, BATCH, Network, PARAMETERS, initialParameters } from "FOLDER/network.js";
import { Dynamics } from "FOLDER/dynamics.js";
import { NetworkLanes } from "FOLDER/network_lanes.js";
import { changedSettings, loadTables } from "FOLDER/settings.js";
import { settle } from "FOLDER/settle.js";
import { TabledField } from "FOLDER/tabled_field.js";
import { FineTuning, LearnedField, pushing, timeOfStep } from "FOLDER/training.js";
import { normals, Twister } from "FOLDER/twister.js";
const given = JSON.parse(readFileSync("given.json", "utf8"));
loadTables(given.tables, own);
own.load(given.own);
const field = (values) => Float64Array.from(values);
const tableOf = (target, places) => {
  const ground = groundOf(target, 64), table = new TabledField(ground.reference, places);
  while (!table.ready) table.build();
  return { ground, table };
};
const pushed = (v, z) => { const x = z.slice(); finished(pushing(v, z, x)); return x; };
const meanOf = (values) => values.reduce((a, b) => a + b) / values.length;
const flat = (key, value) => (ArrayBuffer.isView(value) ? [...value] : value);
"""
INPUTS, WIDTH = 9, 64


def in_node(folder, script, **known):
    """What ``script`` finds, the body of a function."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    world = {"tables": tables.plain(), "own": given.tables()}
    (folder / "given.json").write_text(json.dumps(world | known))
    wrapped = "writeFileSync('found.json', JSON.stringify(await (async () => {\n" + script + "\n})(), flat));"
    (folder / "run.mjs").write_text((START + wrapped).replace("FOLDER", str(FOLDER)))
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


class Table(nn.Module):
    """A field written down on times 1 - (1 - s)^2 and places of [-extent, extent]^2, in double precision."""

    def __init__(self, values, extent):
        super().__init__()
        self.values, self.extent, self.event_shape = values, extent, (2,)

    def forward(self, t, x):
        times, places = self.values.shape[:2]
        at = [(1 - (1 - t.expand(len(x)).to(x)).sqrt()) * (times - 1)]
        at += [(x[:, k] + self.extent) / (2 * self.extent) * (places - 1) for k in range(2)]
        first = [p.floor().long().clamp(0, n - 2) for p, n in zip(at, (times, places, places))]
        found = torch.zeros_like(x)
        for corner in torch.cartesian_prod(*[torch.arange(2)] * 3).tolist():
            share = [p - i if up else 1 - (p - i) for p, i, up in zip(at, first, corner)]
            index = tuple(i + up for i, up in zip(first, corner))
            found = found + (share[0] * share[1] * share[2])[:, None] * self.values[index]
        return found


class Corrected(nn.Module):
    """The same policy as the page's: what the reference says, and what a small network adds."""

    def __init__(self, reference, parameters):
        super().__init__()
        self.reference, self.event_shape = reference, (2,)
        with torch.device("meta"):  # torch's layers would draw from the generator that all threads share
            layers = [nn.Linear(INPUTS, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 2)]
        self.net = nn.Sequential(*layers).to_empty(device="cpu").double()
        torch.nn.utils.vector_to_parameters(torch.tensor(parameters, dtype=torch.float64), self.net.parameters())

    def forward(self, t, x):
        v, t = self.reference(t, x), t.expand(len(x)).to(x)[:, None]
        angle = torch.pi * t * torch.arange(1, 3).to(x)
        features = torch.cat([x, x + (1 - t) * v, t, angle.sin(), angle.cos()], 1)
        return v + self.net(features)


def vector(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach()


# The reference ------------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_reference_does(tmp_path):
    script = """
return given.targets.map((target) => [96, 24].map((places) => {
  const { ground, table } = tableOf(target, places), v = ground.reference.velocity, z = normals(5, 4000);
  const off = [0.05, 0.3, 0.6, 0.8, 0.9, 0.97].map((t) => {
    const x = pushed(table, z).map((one, k) => t * one + (1 - t) * z[4000 - 1 - k]);
    const all = new Float64Array(2000).fill(t);
    const exact = v.at(t, x), read = table.at(t, x), each = table.at(all, x, new Float64Array(4000));
    const square = (a, b) => a.reduce((sum, value, k) => sum + (value - b[k]) ** 2, 0);
    return [square(read, exact) / square(exact, exact.map(() => 0)), square(read, each)];
  });
  return off;
}));"""
    for fine, coarse in in_node(tmp_path, script, targets=["eight_gaussians", "two_moons", "rings"]):
        assert max(off for off, _ in fine) < 2e-3 < max(off for off, _ in coarse)  # shares of the mean square velocity
        assert all(apart == 0 for _, apart in (*fine, *coarse))


# Gradients ----------------------------------------------------------------------------------------------------------

BATCH_OF_NUMBERS = """
const parameters = initialParameters(3), twister = new Twister(4);
for (let k = PARAMETERS - 130; k < PARAMETERS; k++) parameters[k] = twister.share() - 0.5;
const network = new Network(parameters), adam = new Adam(parameters), count = given.count;
const shares = (length) => field(Array.from({ length }, () => twister.share()));
const x = shares(2 * count).map((value) => 10 * value - 5), t = shares(count), w = t.map((value) => 1 + value);
const ref = x.map((value, k) => Math.sin(value) + x[k ^ 1]), aim = x.map((value, k) => 0.5 * value + k / x.length);
const start = parameters.slice(), dv = new Float64Array(2 * count);
const loss = () => {
  const v = ref.slice();
  network.forward(t, x, v, count);
  return v.reduce((sum, value, k) => {
    const off = value - aim[k];
    dv[k] = (2 * w[k >> 1] * off) / count;
    return sum + (w[k >> 1] * off * off) / count;
  }, 0);
};
"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """What JavaScript finds for one batch; and after some of Adam's steps."""
    script = (
        BATCH_OF_NUMBERS
        + """
const first = loss();
network.backward(dv, adam.gradients, count);
const gradient = adam.gradient.slice(), values = first;
const differences = given.some.map((k) => {
  const kept = parameters[k], h = 1e-4;
  parameters[k] = kept + h;
  const up = loss();
  parameters[k] = kept - h;
  const down = loss();
  parameters[k] = kept;
  return (up - down) / (2 * h);
});
for (let k = 0; k < 5; k++) {
  loss();
  network.backward(dv, adam.gradients, count);
  adam.step(0.01);
}
const plain = new Float64Array(2 * count), each = ref.slice(), alone = ref.slice(0, 2 * count);
network.addEach(t, x, each);
for (let k = 0; k < count; k++) {
  const one = alone.slice(2 * k, 2 * k + 2);
  network.addAt(t[k], x.slice(2 * k, 2 * k + 2), one);
  plain.set(one, 2 * k);
}
return { start, x, t, ref, aim, w, value: values, gradient, differences, after: parameters, plain, each };"""
    )
    some = list(range(0, 64 * 9 + 64 + 64 * 64 + 64 + 130, 97))
    found = in_node(tmp_path_factory.mktemp("batch"), script, count=37, some=some)
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()} | {"some": some}


def in_torch(batch):
    """The same network, and its loss."""
    rows = {name: batch[name].reshape(-1, 2) for name in ("x", "ref", "aim")}
    made = Corrected(lambda t, x: rows["ref"], batch["start"].tolist())

    def loss():
        v = made(batch["t"], rows["x"])
        return (batch["w"] * (v - rows["aim"]).square().sum(1)).mean()

    return made, loss


def test_gradients_are_those_of_autograd_and_of_differences(batch):
    made, loss = in_torch(batch)
    value = loss()
    value.backward()
    value = value.detach()
    gradient = nn.utils.parameters_to_vector([p.grad for p in made.parameters()])
    largest = float(gradient.abs().max())
    assert float(batch["value"]) == pytest.approx(float(value), rel=1e-7)
    assert float((batch["gradient"] - gradient).abs().max()) < 1e-6 * largest
    assert float((batch["differences"] - batch["gradient"][batch["some"]]).abs().max()) < 1e-5 * largest
    assert (gradient.abs() > 1e-9).double().mean() > 0.95, "next to all of them say something"


def test_a_step_is_torchs_adam(batch):
    made, loss = in_torch(batch)
    adam = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(5):
        adam.zero_grad()
        loss().backward()
        adam.step()
    assert float((batch["after"] - vector(made)).abs().max()) < 1e-6
    assert float((batch["after"] - batch["start"]).abs().median()) > 0.03


def test_one_time_for_all_and_one_for_each_say_the_same(batch):
    assert float((batch["plain"] - batch["each"]).abs().max()) < 1e-12
    assert float((batch["plain"] - batch["ref"]).abs().max()) > 0.1


# Rounds -------------------------------------------------------------------------------------------------------------

RUNS = [
    dict(alpha=1.0, tau=1.0, weighting="exp", steps_per_round=2, lr=1e-3, seed=3),
    dict(alpha=0.0, tau=2.0, weighting="mean_one", steps_per_round=1, lr=3e-3, seed=0),
    dict(alpha=0.3, tau=3.0, weighting="clipped", steps_per_round=3, lr=1e-2, seed=2**31 - 1),
]
LATER = dict(alpha=2.0, tau=40.0, lr=2e-3)  # so that the weights' unit follows
ROUNDS = 4


def sampler(times):
    """Midpoint steps from each of ``times`` to the next, written as a rule that knows all velocities so far."""
    n = len(times) - 1
    middles = [0.5 * (a + b) for a, b in itertools.pairwise(times)]
    rows = []
    for k in range(n):
        full = [0.0, 0.0] * n
        for j in range(k):
            full[2 * j + 1] = times[j + 1] - times[j]
        half, whole = list(full), list(full)
        half[2 * k], whole[2 * k + 1] = middles[k] - times[k], times[k + 1] - times[k]
        rows += [half, whole]
    at = [t for pair in zip(times, middles) for t in pair]
    return NonStationary(tuple(at), tuple(map(tuple, rows)))


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    script = """
const { ground, table } = tableOf("eight_gaussians", 96), reward = own.reward("right");
const runs = given.runs.map(({ steps_per_round: stepsPerRound, ...options }) => {
  const run = new FineTuning(table, (x) => reward(x), { ...options, stepsPerRound }), said = [];
  const start = run.policy.network.parameters.slice();
  for (let k = 0; k < given.rounds; k++) {
    if (k === given.rounds - 2) Object.assign(run, given.later);
    finished(run.rounding());
    said.push(run.last);
  }
  return { start, said, end: run.policy.network.parameters, average: run.average.network.parameters, x1: run.x1 };
});
const times = Array.from({ length: 9 }, (_, k) => timeOfStep(k));
return { runs, times, values: table.values, extent: ground.extent };"""
    return in_node(tmp_path_factory.mktemp("rounds"), script, runs=RUNS, later=LATER, rounds=ROUNDS)


@pytest.mark.parametrize("k", range(len(RUNS)))
def test_rounds_are_those_of_fine_tuning(rounds, k):
    """From the same weights and seed the page's worker does what the app's runs do, number by number."""
    found, settings = rounds["runs"][k], RUNS[k]
    values = torch.tensor(rounds["values"], dtype=torch.float64).reshape(33, 96, 96, 2)
    reference = Table(values, rounds["extent"])
    rule = sampler(rounds["times"])
    drawn = []
    reward = rewards.get("right")
    run = FineTuning(
        reference, lambda x: (drawn.append(x), reward(x))[1], **settings,
        policy=Corrected(reference, found["start"]), sampler=rule, event_shape=(2,),
    )  # fmt: skip
    moved = 0.0
    for number, said in enumerate(found["said"]):
        if number == ROUNDS - 2:
            run.alpha, run.tau, run.lr = LATER["alpha"], LATER["tau"], LATER["lr"]
        snapshot = next(run.rounds(1))
        for name in ("reward", "penalty", "ess", "fit"):
            assert said[name] == pytest.approx(getattr(snapshot, name), rel=3e-5, abs=1e-6)
        moved = max(moved, snapshot.penalty)
    assert float((torch.tensor(found["x1"], dtype=torch.float64).reshape(-1, 2) - drawn[-1]).abs().max()) < 1e-4
    start, end = torch.tensor(found["start"], dtype=torch.float64), torch.tensor(found["end"], dtype=torch.float64)
    assert float((end - vector(run.policy)).abs().max()) < 1e-5
    assert float((torch.tensor(found["average"], dtype=torch.float64) - vector(run.average)).abs().max()) < 1e-5
    assert float((end - start).abs().max()) > 1e-3
    assert moved > 1e-6
    if settings["weighting"] == "exp":
        assert run._log_unit > orw.DRIFT, "the unit has followed"


def test_a_run_that_diverges_is_back_at_its_last_good_state_and_goes_on(tmp_path):
    script = """
const { table } = tableOf("eight_gaussians", 24), reward = own.reward("right"), bad = (x) => reward(x).fill(NaN);
const [run, other] = [0, 1].map(() => new FineTuning(table, (x) => reward(x), { alpha: 1 }));
const same = () => run.policy.network.parameters.every((value, k) => value === other.policy.network.parameters[k]);
for (let k = 0; k < 3; k++) { finished(run.rounding()); finished(other.rounding()); }
run.reward = bad;
const said = (() => { try { finished(run.rounding()); } catch (error) { return [error.name, error.message]; } })();
const back = [run.round, same()];
run.reward = (x) => reward(x);
finished(run.rounding());
finished(other.rounding());
const goesOn = same();
run.lr = 1e200;
const wild = [];
for (let k = 0; k < 3 && !wild.length; k++) {
  try { finished(run.rounding()); } catch (error) { wild.push(error.name, run.round); }
}
return { said, back, goesOn, wild, after: run.policy.network.parameters.every(Number.isFinite) };"""
    found = in_node(tmp_path, script)
    assert found["said"][0] == "Diverged"
    assert "round 4" in found["said"][1]
    assert found["back"] == [3, True]
    assert found["goesOn"]
    assert found["wild"][0] == "Diverged"
    assert found["after"]


# What it learns -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Mean rewards of what was learned, of the exact limit, and of the reference."""
    script = """
const z = normals(77, 4096);
return given.cases.map(({ target, reward, rounds, ...options }) => {
  const { ground, table } = tableOf(target, 96), r = own.reward(reward), at = (v) => meanOf(r(pushed(v, z)));
  const run = new FineTuning(table, (x) => r(x), { ...options, lr: 3e-3, stepsPerRound: 4 }), curve = [];
  for (let k = 0; k < rounds; k++) {
    finished(run.rounding());
    if ((k + 1) % (rounds / 2) === 0) curve.push(at(run.average));
  }
  const exact = new Dynamics(ground.reference, rewardOn(reward, 64, ground.extent), options), first = exact.meanReward;
  if (options.alpha > 0) settle(exact);
  const limit = options.alpha > 0 ? exact.meanReward : null;
  return { first, table: at(table), curve, limit, penalty: run.last.penalty };
});"""
    cases = [
        dict(target="eight_gaussians", reward="right", alpha=1.0, tau=1.0, seed=0, rounds=100),
        dict(target="two_moons", reward="bump", alpha=0.5, tau=1.0, seed=0, rounds=100),
        dict(target="eight_gaussians", reward="right", alpha=0.0, tau=1.0, seed=0, rounds=50),
        dict(target="eight_gaussians", reward="right", alpha=1.0, tau=0.0, seed=0, rounds=40),
    ]
    return in_node(tmp_path_factory.mktemp("learned"), script, cases=cases)


def test_the_page_draws_the_reference(learned):
    assert all(case["table"] == pytest.approx(case["first"], abs=0.01) for case in learned)


@pytest.mark.parametrize(("k", "least"), [(0, 0.8), (1, 0.5)])
def test_with_alpha_it_comes_near_the_exact_limit(learned, k, least):
    """Measured: 0.9 and 0.6 of the way; it is small, learns from few samples, and repeats its own mistakes."""
    case = learned[k]
    share = (case["curve"][-1] - case["first"]) / (case["limit"] - case["first"])
    assert least < share < 1.1


def test_without_alpha_it_goes_on(learned):
    half, end = learned[2]["curve"]
    assert end > half + 0.03
    assert end > learned[0]["limit"] + 0.2


def test_without_a_reward_it_stays_where_it_is(learned):
    case = learned[3]
    assert case["curve"] == pytest.approx([case["first"]] * 2, abs=0.03)
    assert case["penalty"] < 0.05
    assert case["penalty"] < 0.1 * learned[0]["penalty"]


def test_lanes_that_learn_in_parts_are_read_each_by_its_own_samples(tmp_path):
    """A session obeys between the parts of a round; that used to throw away what the first lane had been pushed for."""
    script = """
const begin = { mode: "learned", alpha: 0.1, others: [100], tau: 4, lr: 1e-2, measured: "iterate", speed: 0 };
const settings = changedSettings(begin);
const lanes = new NetworkLanes(settings, normals(5, 400), 64);
for (let round = 0; round < 10; round++) while (!lanes.advance(() => true)) lanes.obey(settings);
const inParts = [0, 1].map((k) => lanes.read(k, true).values);
lanes.told = [];
return [inParts, [0, 1].map((k) => lanes.read(k, true).values)];"""
    in_parts, at_once = in_node(tmp_path, script)
    assert in_parts == at_once
    assert in_parts[0]["reward"] > in_parts[1]["reward"] + 0.02
