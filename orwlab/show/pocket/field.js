// The velocities of a density on a grid, and the ways that follow them: PopulationField and flow.trajectory in the browser.

import { maximum } from "./grid.js";
import { CUT, kernelRow } from "./moments.js";

const NOTHING_THERE = 1e-13; // of the largest, below which a cell's mass and a kernel's entry are passed over at first
const ENOUGH = 1e-3; // of the fullest cell's mass: sums below it are done again with all there is

/**
 * The pointwise minimiser `(E_q[w u_t | x_t = x] + alpha v_ref) / (E_q[w | x_t = x] + alpha)`.
 *
 * `first`: q w; `q` and `p`, where alpha > 0: the density and the reference. With alpha 0 and no w, the flow-matching
 * field of a density. After the time `last`, which the cells still resolve, the score is kept as it was.
 */
export class PopulationField {
  constructor(grid, last, first, alpha = 0, q = null, p = null, cut = CUT) {
    Object.assign(this, { grid, last, alpha, cut, fields: alpha > 0 ? [first, q, p] : [first] });
    const { n } = grid, fresh = () => new Float64Array(n);
    this.rows = [fresh(), fresh()];
    this.withG = fresh();
    this.bands = [[0, n], [0, n]];
    this.sums = [0, 1, 2].map(() => new Float64Array(3));
    this.aim = new Float64Array(2);
    this.enough = this.fields.map((field) => ENOUGH * maximum(field));
    this.whole = [new Int32Array(n), new Int32Array(n).fill(n)];
    this.inked = this.fields.map((field) => (grid.dim === 1 ? this.whole : rangesOf(field, n, NOTHING_THERE * maximum(field))));
  }

  /** Velocities at points (see grid.js), at one time or one each, written to `out`. */
  at(t, points, out = new Float64Array(points.length)) {
    const { grid: { dim }, last, aim } = this;
    for (let k = 0; k < points.length; k += dim) {
      const now = typeof t === "number" ? t : t[k / dim], time = Math.min(now, last);
      this._aimAt(time, points, k);
      for (let a = 0; a < dim; a++) {
        const x = points[k + a], v = (aim[a] - x) / (1 - time);
        out[k + a] = now > time ? (x + ((1 - now) * (time * v - x)) / (1 - time)) / now : v; // v = x / t + (1 - t) / t * score
      }
    }
    return out;
  }

  /** What the velocity at points[k] leads to, E[x1 | x_t] as it is weighted. */
  _aimAt(time, points, k) {
    const { alpha, cut, sums, aim, grid: { dim } } = this;
    if (!this._sumAll(time, points, k, NOTHING_THERE, false)) this._sumAll(time, points, k, cut, true);
    const [first, q, p] = sums, pull = alpha > 0 ? alpha * q[0] : 0;
    for (let a = 1; a <= dim; a++) {
      aim[a - 1] = alpha > 0 ? (first[a] + (pull * p[a]) / p[0]) / (first[0] + pull) : first[a] / first[0];
    }
  }

  /** Fills `sums`; whether none of them is so small that what was left out could count. */
  _sumAll(time, points, k, cut, whole) {
    const { grid: { dim, coordinates: g }, rows, bands, fields, sums, enough } = this;
    for (let a = 0; a < dim; a++) kernelRow(points[k + a], time, g, rows[a], 0, cut, bands[a]);
    for (let j = bands[1][0]; dim === 2 && j < bands[1][1]; j++) this.withG[j] = rows[1][j] * g[j];
    let all = true;
    for (let c = 0; c < fields.length; c++) {
      this._sum(fields[c], whole ? this.whole : this.inked[c], sums[c]);
      all &&= sums[c][0] > enough[c];
    }
    return all;
  }

  /** The sums of a field, of it with x and with y, under the kernels in `rows`, each row of cells from `lows` to `highs`. */
  _sum(field, [lows, highs], to) {
    const { grid: { dim, n, coordinates: g }, rows: [kx, ky], withG: kyg, bands: [[left, right], [low, high]] } = this;
    let sum = 0, x = 0, y = 0;
    for (let i = left; i < right; i++) {
      let plain = 0, withY = 0;
      if (dim === 1) plain = field[i];
      else {
        const end = Math.min(high, highs[i]);
        for (let j = Math.max(low, lows[i]), at = i * n + j; j < end; j++, at++) {
          plain += ky[j] * field[at];
          withY += kyg[j] * field[at];
        }
      }
      sum += kx[i] * plain;
      x += kx[i] * g[i] * plain;
      y += kx[i] * withY;
    }
    to[0] = sum;
    to[1] = x;
    to[2] = y;
  }
}

/** Of every row of cells the first one above `least`, and the one after the last. */
function rangesOf(field, n, least) {
  const lows = new Int32Array(n).fill(n), highs = new Int32Array(n);
  for (let k = 0; k < field.length; k++) {
    if (!(field[k] > least)) continue;
    const i = Math.floor(k / n), j = k % n;
    lows[i] = Math.min(lows[i], j);
    highs[i] = j + 1;
  }
  return [lows, highs];
}

/**
 * Points carried along a field from times[0] through all of `times`, by the 3/8 rule, `steps` in all: one array a time.
 * Times may run backwards.
 */
export function trajectory(field, points, times, steps) {
  const span = Math.abs(times[times.length - 1] - times[0]), ways = [Float64Array.from(points)], m = points.length;
  const slopes = Array.from({ length: 4 }, () => new Float64Array(m)), [k1, k2, k3, k4] = slopes, middle = new Float64Array(m);
  for (let s = 0; s + 1 < times.length; s++) {
    const from = times[s], whole = times[s + 1] - from, count = Math.max(1, roundHalfEven((steps * Math.abs(whole)) / span));
    const x = ways[s].slice();
    for (let step = 0; step < count; step++) {
      const t = from + (whole * step) / count, end = from + (whole * (step + 1)) / count, h = end - t;
      field.at(t, x, k1);
      for (let i = 0; i < m; i++) middle[i] = x[i] + (h * k1[i]) / 3;
      field.at(t + h / 3, middle, k2);
      for (let i = 0; i < m; i++) middle[i] = x[i] + h * (k2[i] - k1[i] / 3);
      field.at(t + (2 * h) / 3, middle, k3);
      for (let i = 0; i < m; i++) middle[i] = x[i] + h * (k1[i] - k2[i] + k3[i]);
      field.at(end, middle, k4);
      for (let i = 0; i < m; i++) x[i] += ((k1[i] + 3 * (k2[i] + k3[i]) + k4[i]) * h) / 8;
    }
    ways.push(x);
  }
  return ways;
}

/** As Python rounds. */
function roundHalfEven(x) {
  const low = Math.floor(x), rest = x - low;
  return rest === 0.5 ? low + (low % 2) : Math.round(x);
}
