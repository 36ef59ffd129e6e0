// The reference's velocities, written down on a lattice of places and times and read off linearly in between.

import { CUT, kernelRow } from "./moments.js";

const PLACES = 96; // a side, from one edge of the grid to the other
const TIMES = 33; // from 0 to 1, closer together towards 1, where velocities change fast

/** The time of row s, 0 to TIMES - 1. */
const timeOfRow = (s) => 1 - (1 - s / (TIMES - 1)) ** 2;

/**
 * What `reference.velocity.at` answers, quickly: see dynamics.js's Reference, of the plane. Times run from 0 to 1; outside
 * the grid it goes on as at the edge. Until `ready` somebody has to ask it to `build`, a time each time.
 */
export class TabledField {
  constructor({ grid, p, moments }, places = PLACES) {
    Object.assign(this, { grid, places, rows: 0, extent: grid.extent, step: (2 * grid.extent) / (places - 1) });
    Object.assign(this, { p, last: moments.times.at(-1) });
    this.values = new Float32Array(TIMES * places * places * 2);
  }

  /** Whether all is written down. */
  get ready() { return this.rows === TIMES; }

  /** Writes the next time down: the density under the kernels of all places is a product of matrices. */
  build() {
    const { grid: { n, coordinates: g }, p, places, last, extent, step, values } = this, now = timeOfRow(this.rows), t = Math.min(now, last);
    const K = new Float64Array(places * n), band = [0, n];
    for (let i = 0; i < places; i++) kernelRow(i * step - extent, t, g, K, i * n, CUT, band);
    const sum = new Float64Array(n), sumX = sum.slice(); // over one coordinate, of the density and of it with x
    for (let i = 0, out = this.rows * 2 * places * places; i < places; i++) {
      sum.fill(0);
      sumX.fill(0);
      for (let k = 0; k < n; k++) {
        const weight = K[i * n + k], there = weight * g[k];
        if (weight > 0) for (let j = 0, at = k * n; j < n; j++, at++) {
          sum[j] += weight * p[at];
          sumX[j] += there * p[at];
        }
      }
      for (let j = 0; j < places; j++, out += 2) {
        let whole = 0, x = 0, y = 0;
        for (let k = 0, at = j * n; k < n; k++, at++) {
          whole += K[at] * sum[k];
          x += K[at] * sumX[k];
          y += K[at] * sum[k] * g[k];
        }
        values[out] = velocityOf(i * step - extent, x / whole, t, now);
        values[out + 1] = velocityOf(j * step - extent, y / whole, t, now);
      }
    }
    this.rows++;
  }

  /** Velocities of the first `count` points, at one time for all or one each, written to `out`. */
  at(t, points, out = new Float64Array(points.length), count = points.length / 2) {
    const { places, step, extent, values } = this, layer = 2 * places * places, line = 2 * places, one = typeof t === "number";
    for (let k = 0; k < count; k++) {
      const s = (1 - Math.sqrt(1 - (one ? t : t[k]))) * (TIMES - 1), row = Math.min(TIMES - 2, s | 0), c = s - row;
      const x = (points[2 * k] + extent) / step, y = (points[2 * k + 1] + extent) / step;
      const i = Math.min(places - 2, Math.max(0, x | 0)), j = Math.min(places - 2, Math.max(0, y | 0)), a = x - i, b = y - j;
      const at = row * layer + i * line + 2 * j, p = (1 - a) * (1 - b), q = (1 - a) * b, u = a * (1 - b), v = a * b;
      for (let axis = 0; axis < 2; axis++) {
        const f = at + axis, g = f + layer;
        const before = p * values[f] + q * values[f + 2] + u * values[f + line] + v * values[f + line + 2];
        const after = p * values[g] + q * values[g + 2] + u * values[g + line] + v * values[g + line + 2];
        out[2 * k + axis] = before + c * (after - before);
      }
    }
    return out;
  }
}

/** All of it, at once. */
export function tabledField(reference) {
  const table = new TabledField(reference);
  while (!table.ready) table.build();
  return table;
}

/** Of what E[x1 | x_t] is `aim` at time t; later, `now`, the score is kept as it was. */
function velocityOf(x, aim, t, now) {
  const v = (aim - x) / (1 - t);
  return now > t ? (x + ((1 - now) * (t * v - x)) / (1 - t)) / now : v;
}
