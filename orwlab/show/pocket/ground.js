// What a target or a reward alone decides, worked out once and shared by all lanes, limits and pictures.

import { Reference } from "./dynamics.js";
import { defaultExtent, Grid } from "./grid.js";
import { density, place } from "./place.js";
import { tabled } from "./settings.js";
import { tabledField } from "./tabled_field.js";
import { normals } from "./twister.js";

/** Cells an axis of what is drawn. */
export const FINE_AXIS = 96;
const REMEMBERED = 4; // targets; of some megabytes each
const VALUES_REMEMBERED = 24;
const REGION_SEED = 1, REGION_POINTS = 2000;

function remembering(most, make) {
  const known = new Map();
  return (...key) => {
    const name = JSON.stringify(key), found = known.get(name) ?? make(...key);
    known.delete(name);
    known.set(name, found);
    if (known.size > most) known.delete(known.keys().next().value);
    return found;
  };
}

/** All that `text`, a target, decides: {target, extent, reference, labels, count, fine: {grid, logP}, corners, region, table}. */
export const groundOf = remembering(REMEMBERED, (text, axis) => {
  const target = tabled.given.target(text), logProb = (points) => target.logProb(points);
  const extent = defaultExtent(2, logProb), grid = new Grid(2, axis, extent), fineGrid = new Grid(2, FINE_AXIS, extent);
  const fine = { grid: fineGrid, logP: logProb(fineGrid.points) }, top = fine.logP.reduce((a, b) => Math.max(a, b));
  const reference = new Reference(grid, logProb(grid.points)), labels = target.modeOf(grid.points);
  let region = null, table = null;
  return {
    target, extent, reference, labels, fine, count: Array.from(target.centres).length,
    corners: place(fine.logP.map((value) => Math.exp(value - top)), FINE_AXIS, extent, cornersOf()),
    get region() { return region ??= new Region(target); },
    get table() { return table ??= tabledField(reference); }, // that networks add to
  };
});

/** The values of a reward at the cells of a grid. */
export const rewardOn = remembering(VALUES_REMEMBERED, (text, n, extent) => tabled.given.reward(text)(new Grid(2, n, extent).points));

/** The yardstick's points in the unit square, noise that networks are read on, and where velocities are compared: {u, noise, x0, t}. */
export const yardstick = remembering(1, () => {
  const { u, grains, noise, x0, t } = tabled.yardstick;
  return { u: Float64Array.from(u, (value) => value / grains), noise: Float64Array.from(noise), x0: Float64Array.from(x0), t: Float64Array.from(t) };
});

export const cornersOf = () => yardstick().u.subarray(0, 2 * tabled.yardstick.transport);

/** Where the particles of a density are: `q`, masses on the fine cells. */
export const placed = (q, extent, u) => place(q, FINE_AXIS, extent, u);

/** A state's density on the fine cells of its ground. */
export const fineDensity = (state, ground) => density(state, ground.fine);

/** Where the data are: within reach of a draw of them, the reach being what they have among themselves. */
class Region {
  constructor(target) {
    this.data = drawn(target, REGION_POINTS);
    const nearest = Float64Array.from({ length: REGION_POINTS }, (_, k) => this._nearest(this.data[2 * k], this.data[2 * k + 1], k)).sort();
    this.reach = 1.5 * nearest[Math.round(0.999 * (REGION_POINTS - 1))];
  }

  _nearest(x, y, but = -1) {
    let least = Infinity;
    for (let k = 0; k < REGION_POINTS; k++) {
      const a = this.data[2 * k] - x, b = this.data[2 * k + 1] - y, square = a * a + b * b;
      if (square < least && k !== but) least = square;
    }
    return Math.sqrt(least);
  }

  /** The share of points that are farther than the reach from all data. */
  outside(points) {
    let far = 0;
    for (let k = 0; k < points.length; k += 2) if (this._nearest(points[k], points[k + 1]) > this.reach) far++;
    return (2 * far) / points.length;
  }
}

/** Points of a mixture. */
function drawn({ weights, means, covs }, n) {
  const shares = Float64Array.from(weights), mean = flat(means), cov = flat(covs), whole = shares.reduce((a, b) => a + b);
  const z = normals(REGION_SEED, 2 * n), points = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) { // evenly over the components, as their weights say
    let k = 0, left = ((i + 0.5) / n) * whole;
    while (k < shares.length - 1 && left > shares[k]) left -= shares[k++];
    const a = Math.sqrt(cov[4 * k]), b = cov[4 * k + 1] / a, c = Math.sqrt(Math.max(0, cov[4 * k + 3] - b * b));
    points[2 * i] = mean[2 * k] + a * z[2 * i];
    points[2 * i + 1] = mean[2 * k + 1] + b * z[2 * i] + c * z[2 * i + 1];
  }
  return points;
}

const flat = (values) => Float64Array.from(ArrayBuffer.isView(values) ? values : values.flat(Infinity));
