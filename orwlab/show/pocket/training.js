// A small network that learns from its own samples, round by round: methods/orw.py and methods/run.py in the browser.
//
// The policy is v_theta(t, x) = v_ref(t, x) + network(t, x); the network's last layer is 0 at first, so that at round 0 it
// is the reference. All is in double precision, and the random numbers are torch's: same seed, same numbers.

import { Adam, BATCH, initialParameters, Network } from "./network.js";
import { drawNormals, Twister } from "./twister.js";
import { logWeights } from "./dynamics.js";
import { logSumExp, total } from "./grid.js";
import { shareThatCounts } from "./measure.js";

const DRAW_STEPS = 8; // midpoint steps of a draw, shorter towards 1, where the field changes fast
/** When step `k` of a draw begins; 1 after the last one. */
export const timeOfStep = (k) => 1 - (1 - k / DRAW_STEPS) ** 1.5;
const DRIFT = 5; // nats by which a draw's largest weight may leave the unit, before the unit follows
const LARGEST_MEMORY = 35; // nats
const AVERAGE_DECAY = 0.98;
const FIRST_WEIGHTS = 4e9; // the seed of all networks' first weights, beyond those of runs

/** Noise `x0` carried to time 1 along `field` ({at(t, points, out)}), written to `out`: a generator that stops after every step. */
export function* pushing(field, x0, out, room = roomFor(x0.length)) {
  const { v, middle } = room, { length } = x0;
  out.set(x0);
  for (let k = 0; k < DRAW_STEPS; k++) {
    const t = timeOfStep(k), h = timeOfStep(k + 1) - t;
    field.at(t, out, v);
    for (let i = 0; i < length; i++) middle[i] = out[i] + 0.5 * h * v[i];
    field.at(t + 0.5 * h, middle, v);
    for (let i = 0; i < length; i++) out[i] += h * v[i];
    yield;
  }
}

const roomFor = (length) => ({ v: new Float64Array(length), middle: new Float64Array(length) });

/** The field that a network adds to the reference's. */
export class LearnedField {
  constructor(reference, parameters) {
    this.reference = reference;
    this.network = new Network(parameters);
  }

  at(t, points, out = new Float64Array(points.length)) {
    this.reference.at(t, points, out);
    if (typeof t === "number") this.network.addAt(t, points, out);
    else this.network.addEach(t, points, out);
    return out;
  }
}

/** Something stopped being finite; the run is back at its last good state. */
export class Diverged extends Error {
  constructor(what, round) {
    super(`the ${what} stopped being finite in round ${round}; the last state that drew finite samples is kept`);
    this.name = "Diverged";
    this.what = what;
  }
}

/** All that rounds change, so that it can be kept and put back. */
class KeptRun {
  constructor(run) {
    this.arrays = run.changing.map((array) => array.slice());
    this.twister = new Twister(0);
    this.keep(run);
  }

  keep(run) {
    run.changing.forEach((array, k) => this.arrays[k].set(array));
    this.twister.follow(run.twister);
    Object.assign(this, { round: run.round, steps: run.adam.steps, logUnit: run.logUnit });
  }

  putBack(run) {
    run.changing.forEach((array, k) => array.set(this.arrays[k]));
    run.twister.follow(this.twister);
    Object.assign(run, { round: this.round, logUnit: this.logUnit });
    run.adam.steps = this.steps;
  }
}

/**
 * One run of ORW-CFM-W2 with batches of BATCH. `reference`: a TabledField that is ready; `reward`: points -> values.
 *
 * `tau`, `alpha`, `lr`, `reward` and `stepsPerRound` may change between rounds. `policy` and `average` are fields; `last`
 * is what the last round measured on its own draw: {reward, penalty, fit, ess}, or null.
 */
export class FineTuning {
  constructor(reference, reward, { tau = 1, alpha = 1, weighting = "exp", stepsPerRound = 1, lr = 1e-3, seed = 0 } = {}) {
    Object.assign(this, { reference, reward, tau, alpha, weighting, stepsPerRound, lr });
    const parameters = initialParameters(FIRST_WEIGHTS), size = 2 * BATCH;
    this.policy = new LearnedField(reference, parameters);
    this.average = new LearnedField(reference, parameters.slice());
    this.adam = new Adam(parameters);
    this.twister = new Twister(seed);
    Object.assign(this, { round: 0, logUnit: null, last: null });
    for (const name of ["x0", "x1", "xt", "v", "ref", "dv"]) this[name] = new Float64Array(size);
    for (const name of ["t", "w"]) this[name] = new Float64Array(BATCH);
    this.room = roomFor(size);
    this.changing = [parameters, this.adam.first, this.adam.second, this.average.network.parameters];
    this._before = new KeptRun(this);
    this._good = new KeptRun(this);
  }

  /** A round: a generator that stops after the draw and after every gradient step. Throws `Diverged`. */
  *rounding() {
    this._before.keep(this);
    drawNormals(this.twister, this.x0);
    yield* pushing(this.policy, this.x0, this.x1, this.room);
    if (!allFinite(this.x1)) this._fail("policy's samples");
    [this._good, this._before] = [this._before, this._good]; // its policy draws finite samples
    const { reward: r, logW } = this._weigh();
    let fit = 0, penalty = 0;
    for (let k = 0; k < this.stepsPerRound; k++) {
      const terms = this._step();
      fit += terms.fit;
      penalty += terms.penalty;
      yield;
    }
    this.round++;
    this.last = {
      reward: total(r) / BATCH, ess: BATCH * shareThatCounts(logW), penalty: penalty / this.stepsPerRound,
      fit: (fit / this.stepsPerRound) * Math.exp(Math.min(this.logUnit, 700)),
    };
  }

  _weigh() {
    const { x1, w, tau, weighting, reward } = this, r = reward(x1), logW = logWeights(r, tau, weighting);
    if (weighting === "mean_one") {
      const log = logSumExp(logW) - Math.log(logW.length);
      for (let k = 0; k < logW.length; k++) logW[k] -= log;
    }
    const top = logW.reduce((a, b) => Math.max(a, b));
    if (!Number.isFinite(top)) this._fail("loss or its gradient");
    this._follow(Math.LN2 * Math.round(top / Math.LN2));
    for (let k = 0; k < w.length; k++) w[k] = Math.exp(logW[k] - this.logUnit);
    return { reward: r, logW };
  }

  /** The unit of weights is the first draw's, a power of two near its largest, until a draw's have drifted far from it. */
  _follow(logUnit) {
    if (this.logUnit === null) this.logUnit = logUnit;
    else if (Math.abs(logUnit - this.logUnit) > DRIFT) {
      const before = this._logTotal();
      this.logUnit = logUnit;
      this._rescale(before - this._logTotal());
    }
  }

  /** The loss is another multiple now: so is Adam's memory of its gradients. */
  _rescale(logFactor) {
    const factor = Math.exp(Math.max(-LARGEST_MEMORY, Math.min(LARGEST_MEMORY, logFactor))), most = Math.exp(LARGEST_MEMORY);
    const { first, second } = this.adam;
    for (let k = 0; k < first.length; k++) {
      first[k] = Math.max(-most, Math.min(most, first[k] * factor));
      second[k] = Math.min(most * most, second[k] * factor * factor);
    }
  }

  get _logAlpha() { return this.alpha > 0 ? Math.log(this.alpha) : -Infinity; }

  /** log(unit + alpha). */
  _logTotal() {
    const high = Math.max(this.logUnit, this._logAlpha), low = Math.min(this.logUnit, this._logAlpha);
    return high + Math.log1p(Math.exp(low - high));
  }

  /** A gradient step on `(unit fit + alpha penalty) / (unit + alpha)`, and one of the running average. */
  _step() {
    const { x0, x1, xt, t, v, ref, adam, policy: { network } } = this;
    drawNormals(this.twister, x0);
    for (let i = 0; i < BATCH; i++) t[i] = this.twister.share();
    for (let k = 0; k < x0.length; k++) xt[k] = (1 - t[k >> 1]) * x0[k] + t[k >> 1] * x1[k];
    this.reference.at(t, xt, ref);
    v.set(ref);
    network.forward(t, xt, v, BATCH);
    const terms = this._loss();
    network.backward(this.dv, adam.gradients, BATCH);
    if (!Number.isFinite(terms.fit + terms.penalty) || !allFinite(adam.gradient)) this._fail("loss or its gradient");
    adam.step(this.lr);
    const newest = (1 - AVERAGE_DECAY) / (1 - AVERAGE_DECAY ** adam.steps);
    const averaged = this.average.network.parameters, { parameters } = network;
    for (let k = 0; k < averaged.length; k++) averaged[k] += newest * (parameters[k] - averaged[k]);
    return terms;
  }

  /** Both terms, each a mean over the batch, and the derivatives of the loss by the velocities. */
  _loss() {
    const { x0, x1, v, ref, dv, w } = this, pull = Math.exp(this._logAlpha - this._logTotal());
    let fit = 0, penalty = 0;
    for (let k = 0; k < v.length; k++) {
      const off = v[k] - (x1[k] - x0[k]), away = v[k] - ref[k], weight = w[k >> 1];
      fit += weight * off * off;
      penalty += away * away;
      dv[k] = (2 / BATCH) * ((1 - pull) * weight * off + pull * away);
    }
    return { fit: fit / BATCH, penalty: penalty / BATCH };
  }

  _fail(what) {
    const round = this.round + 1;
    this._good.putBack(this);
    throw new Diverged(what, round);
  }
}

/** Whether all are finite. */
export function allFinite(values) {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += 0 * values[k];
  return sum === 0;
}
