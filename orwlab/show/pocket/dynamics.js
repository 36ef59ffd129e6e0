// What an infinitely good network would do: exact/dynamics.py in the browser, and the same scheme digit for digit.

import { searching } from "./anderson.js";
import { PopulationField } from "./field.js";
import { logSumExp, maximum, total } from "./grid.js";
import { CUT, Moments } from "./moments.js";

const TINY = 1e-150; // beside the largest weight
const FLOOR = 1e-14; // of its maximum, below which the reference's density is not followed
const TAPER = 1e-9; // of its maximum, below which l is led to 0: there is nothing there to weigh
const LOG_CLIP = Math.log(20);
const MEMORY = 6; // differences that a search for the limit keeps

/** `log w` of rewards; of "mean_one" but for the factor that the population decides. */
export function logWeights(r, tau, weighting) {
  return r.map((value) => (weighting === "clipped" ? Math.min(LOG_CLIP, tau * value) : tau * value));
}

/** All that a target alone decides, shared by all dynamics over it: `logP`, its log density at the cell centres. */
export class Reference {
  constructor(grid, logP, { times = 20, cut = CUT } = {}) {
    const top = maximum(logP);
    if (!Number.isFinite(top)) throw new RangeError("a target's log density; allowed: finite somewhere and nowhere infinite");
    const p = Float64Array.from(logP, (value) => Math.max(Math.exp(value - top), FLOOR)), sum = total(p);
    this.grid = grid;
    this.taper = p.map((value) => value / (value + TAPER));
    this.logTail = p.map((value, k) => (value >= 1e-6 ? -Infinity : logP[k] - top)); // beside its peak; elsewhere no tail
    this.far = p.map((value) => value / FLOOR); // how far above the floor, to see what has gone where next to nothing is
    this.p = p.map((value) => value / sum);
    this.logP = this.p.map(Math.log);
    // where the taper leaves something of the correction, and where the smoothing mixes it in from
    const followed = grid.widened(Uint8Array.from(this.taper, (value) => (value > 1e-4 ? 1 : 0)), 2);
    this.moments = new Moments(grid, this.p, times, followed, cut);
    this.velocity = new PopulationField(grid, this.moments.times.at(-1), this.p, 0, null, null, cut);
    this.spare = [new Float64Array(grid.size), new Float64Array(grid.size), new Float64Array(grid.size)];
  }
}

/** A state of the recursion, l = log(q / p_ref), and the refresh that led to it. */
class State {
  constructor(size) {
    for (const name of ["state", "q", "before", "w", "logW"]) this[name] = new Float64Array(size);
    Object.assign(this, { mass: 1, moved: 0, fitted: false, alpha: 0, Z: 1, problems: {} });
  }

  get over() {
    return "domain" in this.problems;
  }

  copy() {
    const copy = Object.assign(Object.create(State.prototype), this);
    for (const name of ["state", "q", "before", "w", "logW"]) copy[name] = this[name].slice();
    return copy;
  }
}

/** A refresh whose numbers stopped being finite. */
export class NotFinite extends Error {
  constructor(round, { alpha, tau }) {
    super(`round ${round} of the population dynamics is not finite (alpha ${alpha}, tau ${tau}); the last good state is kept`);
    this.name = "NotFinite";
  }
}

/**
 * Exact online fine-tuning of a density: `tau`, `alpha`, `weighting` ("exp", "mean_one", "clipped") and `reward` (a field)
 * may be set between rounds.
 *
 * `q` (the mass of each cell) and `l` are the present state's own arrays: a later round writes to them, so who keeps
 * them copies them. `problems` says what is wrong with the present state, kind -> how much of it: "coarse", "domain",
 * "tail", "mass", "limit".
 */
export class Dynamics {
  constructor(reference, reward, { tau = 1, alpha = 1, weighting = "exp" } = {}) {
    Object.assign(this, { reference, reward, tau, alpha, weighting });
    this.reset();
  }

  /** Back to the reference, round 0. */
  reset() {
    this.round = 0;
    this._at = new State(this.reference.grid.size);
    this._spare = this._taken = null;
    this._at.q.set(this.reference.p);
    this._at.problems = this._inspect(this._at, 0);
  }

  /** Another one in the same state, from where both go their own ways. */
  copy() {
    const copy = Object.assign(Object.create(Dynamics.prototype), this);
    return Object.assign(copy, { _at: this._at.copy(), _spare: null, _taken: null });
  }

  get q() { return this._at.q; }
  get l() { return this._at.state; }
  get mass() { return this._at.mass; }
  get moved() { return this._at.moved; }
  get problems() { return this._at.problems; }

  /** E r under the present density. */
  get meanReward() { return total(this._at.q, this.reward); }

  /** KL(q | p_ref) in nats. */
  get kl() { return total(this._at.q, this._at.state); }

  /** Total variation between the present density and the reference. */
  get tv() { return apart(this._at.q, this.reference.p); }

  /** The flow-matching field of the present density. */
  get velocity() {
    const { grid, moments } = this.reference;
    return new PopulationField(grid, moments.times.at(-1), this._at.q, 0, null, null, moments.cut);
  }

  /** The field v* that the last refresh fitted, which a network would have learned; v_ref at round 0. */
  get policy() {
    const { fitted, before, w, alpha } = this._at, { grid, moments, p } = this.reference;
    if (!fitted) return this.velocity;
    return new PopulationField(grid, moments.times.at(-1), before.map((q, k) => q * w[k]), alpha, before, p, moments.cut);
  }

  /**
   * One refresh; whether it had to be worked out. Throws `NotFinite`, and keeps the last good state, where there is none.
   * One that was taken back costs nothing, if nothing has been set in between.
   */
  advance() {
    const { alpha, tau, weighting, reward } = this, taken = this._taken;
    this._taken = null;
    if (taken && taken.alpha === alpha && taken.tau === tau && taken.weighting === weighting && taken.reward === reward) {
      this.round++;
      this._swap();
      return false;
    }
    this._spare ??= new State(this.reference.grid.size);
    this._refresh(this._at.state, this._at.q, this._spare);
    this._swap();
    return true;
  }

  /** Takes the last refresh back: once, and before anything is set. */
  retreat() {
    const { alpha, tau, weighting, reward } = this;
    this._taken = { alpha, tau, weighting, reward };
    this.round--;
    this._swap();
  }

  _swap() {
    [this._at, this._spare] = [this._spare, this._at];
  }

  /** Goes on until one more refresh moves at most `tol` in total variation: see `anderson.js` for the answer. */
  fixedPoint(options = {}) {
    return finished(this.seeking(options));
  }

  /** `fixedPoint`, refresh by refresh: a generator, so that whoever asks may do something else in between. */
  *seeking({ tol = 1e-4, maxRounds = 500 } = {}) {
    const { p, logP, grid } = this.reference, spare = new Float64Array(grid.size);
    const end = yield* searching({
      refresh: (state) => {
        const to = new State(grid.size);
        this._refresh(state, state === this._at.state ? this._at.q : state.map((l, k) => Math.exp(l + logP[k])), to);
        return to;
      },
      start: this._at.state,
      accept: (found) => { this._at = found; this._taken = null; },
      restore: (state) => {
        for (let k = 0; k < spare.length; k++) spare[k] = state[k] + logP[k];
        const whole = logSumExp(spare);
        return state.map((l) => l - whole);
      },
      weight: p,
      tol,
      maxRounds,
      memory: this.alpha > 0 ? MEMORY : 0, // without the penalty nothing contracts
      slowest: this._slowest(),
    });
    if ("tail" in this._at.problems) end.converged = false;
    if (!end.converged) this._at.problems = { ...this._at.problems, limit: end.moved };
    return end;
  }

  _refresh(state, q, to) {
    const { reference: { grid, moments, logP, taper, spare: [correction, smooth, spare] } } = this, { size } = grid;
    this.round++;
    if (!this._weigh(state, q, to)) this._fail();
    const { w, alpha, Z, logW } = to, l = to.state;
    if (alpha === 0) { // log q_N = N log w + log p_ref, and never -inf
      const top = maximum(logW);
      for (let k = 0; k < size; k++) l[k] = Math.max(-1e300, state[k] + (logW[k] - top));
    } else {
      moments.correction(q, w, alpha, correction);
      for (let k = 0; k < size; k++) correction[k] = state[k] - correction[k];
      // smoothing and taper stop what the grid does not resolve from growing, at large alpha and at the edges;
      // the factor (w + alpha) is exact as it stands, jumps included
      grid.smooth(correction, smooth, spare);
      for (let k = 0; k < size; k++) l[k] = (smooth[k] + Math.log((w[k] + alpha) / (Z + alpha))) * taper[k];
    }
    let top = -Infinity, sum = 0, check = 0, moved = 0;
    for (let k = 0; k < size; k++) top = Math.max(top, l[k] + logP[k]);
    for (let k = 0; k < size; k++) {
      const mass = Math.exp(l[k] + logP[k] - top);
      to.q[k] = mass;
      sum += mass;
      check += l[k];
    }
    const logMass = top + Math.log(sum);
    if (!Number.isFinite(check + logMass)) this._fail();
    for (let k = 0; k < size; k++) {
      to.q[k] /= sum;
      moved += Math.abs(to.q[k] - q[k]);
      l[k] -= logMass;
    }
    to.before.set(q);
    to.mass = alpha > 0 ? Math.exp(Math.min(logMass, 700)) : 1;
    to.moved = 0.5 * moved;
    to.fitted = true;
    to.problems = this._inspect(to, to.moved);
  }

  _fail() {
    this.round--;
    throw new NotFinite(this.round + 1, this);
  }

  /** w and alpha, divided by a common factor so that neither overflows, and Z = E_q w on that scale; false where not finite. */
  _weigh(state, q, to) {
    const { reference: { logP, spare: [x] }, reward, tau, weighting } = this, { logW, w } = to, { length } = logW;
    let top = -Infinity, finite = 0;
    for (let k = 0; k < length; k++) {
      logW[k] = weighting === "clipped" ? Math.min(LOG_CLIP, tau * reward[k]) : tau * reward[k];
      finite += 0 * logW[k];
      if (logW[k] > top) top = logW[k];
    }
    if (finite !== 0) return false;
    if (weighting === "mean_one") { // over the population, not over the cells
      for (let k = 0; k < length; k++) x[k] = logW[k] - top + state[k] + logP[k];
      const mean = top + logSumExp(x);
      for (let k = 0; k < length; k++) logW[k] -= mean;
      top -= mean;
    }
    const logAlpha = this.alpha > 0 ? Math.log(this.alpha) : -Infinity, scale = Math.max(top, logAlpha);
    const alpha = Math.exp(logAlpha - scale);
    to.Z = 0;
    for (let k = 0; k < length; k++) {
      w[k] = Math.exp(logW[k] - scale);
      to.Z += q[k] * w[k];
    }
    to.alpha = alpha > TINY ? alpha : 0; // beside the largest weight such an alpha does nothing, and in sums it would underflow
    return true;
  }

  /** An upper guide to the rate at which refreshes contract: of a cell of which nothing flows to others. */
  _slowest() {
    const to = new State(this.reference.grid.size);
    if (!this._weigh(this._at.state, this._at.q, to)) return 1;
    const top = maximum(to.w);
    return top / (top + to.alpha);
  }

  /** What is wrong with a state, given the refresh that led to it. */
  _inspect(state, moved) {
    const { grid, grid: { n, dim, size }, far, spare: [smooth, spare] } = this.reference, { q } = state, found = {};
    grid.smooth(q, smooth, spare);
    const nowhere = 10 * (this.alpha > 0 ? TAPER : FLOOR) / FLOOR;
    let blurred = 0, inside = 0, lost = 0;
    for (let k = 0; k < size; k++) {
      blurred += Math.abs(smooth[k] - q[k]);
      const j = k % n, i = (k / n) | 0;
      if (j > 2 && j < n - 3 && (dim === 1 || (i > 2 && i < n - 3))) inside += q[k];
      if (far[k] < nowhere) lost += q[k];
    }
    if (0.5 * blurred > 0.02) found.coarse = 0.5 * blurred;
    if (1 - inside > 1e-3) found.domain = 1 - inside;
    else if (lost > 1e-3) found.domain = lost;
    else if (state.fitted && moved < 0.02) {
      const tail = this._tail(state);
      if (tail > 0) found.tail = tail;
    }
    if (Math.abs(state.mass - 1) > 0.01) found.mass = state.mass;
    return found;
  }

  /** How far, now that the recursion hardly moves, some cell's own equilibrium lies above the reference's peak. */
  _tail({ w, alpha, Z }) {
    // where nothing but a cell's own weight acts, l grows by log((w + alpha) / (Z + alpha)) a round and relaxes by the
    // factor w / (w + alpha)
    if (alpha === 0) return 0;
    const { logTail } = this.reference;
    let most = -Infinity;
    for (let k = 0; k < w.length; k++) {
      if (logTail[k] === -Infinity) continue;
      most = Math.max(most, (Math.log((w[k] + alpha) / (Z + alpha)) * (w[k] + alpha)) / alpha + logTail[k]);
    }
    return most;
  }
}

/** Total variation between two fields of masses. */
export function apart(q, p) {
  let sum = 0;
  for (let k = 0; k < q.length; k++) sum += Math.abs(q[k] - p[k]);
  return 0.5 * sum;
}

/** What a generator answers in the end. */
export function finished(generator) {
  for (;;) {
    const { done, value } = generator.next();
    if (done) return value;
  }
}
