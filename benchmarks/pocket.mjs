// Run by pocket.py: the Pocket lab's engine on the cases of a file, timed and compared with kernels that are not cut.
import { readFileSync } from "node:fs";

import { Dynamics, Reference, apart, finished } from "../orwlab/show/pocket/dynamics.js";
import { Grid } from "../orwlab/show/pocket/grid.js";
import { CUT } from "../orwlab/show/pocket/moments.js";
import { tabledField } from "../orwlab/show/pocket/tabled_field.js";
import { FineTuning } from "../orwlab/show/pocket/training.js";

const DENSE = CUT; // where Python cuts as well
const { timed, compared, cuts, rounds, repeats, steps } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const dynamicsOf = (g, cut) => new Dynamics(new Reference(new Grid(2, g.axis, g.extent), g.logP, { cut }), Float64Array.from(g.reward), g);
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const processor = (f) => {
  const before = process.cpuUsage();
  f();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

/** Median milliseconds of a refresh with each cut, taken by turns, and of making the reference. */
function times(g) {
  const all = [...cuts, DENSE].map((cut) => dynamicsOf(g, cut)), found = all.map(() => []);
  for (let k = -3; k < repeats; k++) {
    all.forEach((dynamics, i) => {
      const ms = processor(() => dynamics.advance());
      if (k >= 0) found[i].push(ms);
    });
  }
  return { axis: g.axis, ms: found.map(median), reference: median([0, 1, 2].map(() => processor(() => dynamicsOf(g, DENSE)))) };
}

/** How far each cut is off after some rounds: total variation and mean reward. */
function errors(g) {
  const after = (cut) => {
    const dynamics = dynamicsOf(g, cut);
    for (let k = 0; k < rounds; k++) dynamics.advance();
    return dynamics;
  };
  const dense = after(DENSE);
  return cuts.map(after).map((d) => [apart(d.q, dense.q), Math.abs(d.meanReward - dense.meanReward)]);
}

/** Median milliseconds of writing the reference down, and of a small network's round with so many gradient steps. */
function learning(g) {
  const { reference, reward } = dynamicsOf(g, DENSE), table = tabledField(reference);
  const runs = steps.map((stepsPerRound) => new FineTuning(table, (points) => reference.grid.interpolate(reward, points), { stepsPerRound }));
  const found = runs.map(() => []);
  for (let k = -3; k < repeats; k++) {
    runs.forEach((run, i) => {
      const ms = processor(() => finished(run.rounding()));
      if (k >= 0) found[i].push(ms);
    });
  }
  return { axis: g.axis, table: median([0, 1, 2].map(() => processor(() => tabledField(reference)))), ms: found.map(median) };
}

console.log(JSON.stringify({ times: timed.map(times), errors: compared.map(errors), learning: timed.map(learning) }));
