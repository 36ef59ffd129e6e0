// Gaussian mixtures: targets.py and show/lab/clouds.py in the browser.

const NEGLIGIBLE = -40; // below the largest, what a component's log density adds is lost in rounding
const CELLS = 80; // an axis, on which hills are told apart
const CLEAR = 1.5; // how many times as dense as the pass a hill's top must be
const FAINT = 1e-3; // of the highest density, below which nothing founds a hill
const SPECK = 0.01; // of the mass; what is lighter belongs to the nearest hill
const MOST_HILLS = 12; // that one can still tell apart by colour and number
const even = (value) => Math.round(value * 1e9) / 1e9; // what only rounding tells apart is equal, here and in Python

/**
 * `q(x) = sum_k weights_k N(x; means_k, covs_k)` on a line or in the plane.
 *
 * weights: K positive numbers; means: K * dim; covs: a variance that all have, or K * dim * dim; modes: K labels.
 * `centres` [[x, y], ...] and `spreads` say where each mode is, and how far it reaches (stage/scenes.py).
 */
export class Mixture {
  constructor({ name, dim = 2, weights, means, covs, modes }) {
    const K = weights.length, sum = weights.reduce((a, b) => a + b, 0);
    Object.assign(this, { name, dim, means: Float64Array.from(means), modes: Int32Array.from(modes) });
    this.weights = Float64Array.from(weights, (weight) => weight / sum);
    this.count = this.modes.reduce((a, b) => Math.max(a, b), 0) + 1;
    this.covs = typeof covs === "number" ? roundCovs(covs, K, dim) : Float64Array.from(covs);
    this._terms = new Float64Array(K);
    this._prepare();
    Object.assign(this, this._modes());
  }

  /** Of each component: the inverse of its Cholesky factor, and the logarithm of all that stands before the exponential. */
  _prepare() {
    const { dim, covs, weights } = this, K = weights.length;
    this._inverse = new Float64Array(3 * K); // 1 / a, b / (a c), 1 / c of the factor [[a, 0], [b, c]]
    this._constant = new Float64Array(K);
    for (let k = 0; k < K; k++) {
      const a = Math.sqrt(covs[k * dim * dim]), b = dim === 1 ? 0 : covs[4 * k + 2] / a;
      const c = dim === 1 ? 1 : Math.sqrt(covs[4 * k + 3] - b * b);
      this._inverse.set([1 / a, b / (a * c), 1 / c], 3 * k);
      this._constant[k] = Math.log(weights[k]) - Math.log(a) - Math.log(c) - 0.5 * dim * Math.log(2 * Math.PI);
    }
  }

  /** Writes every component's log density at (x, y) to `_terms`; returns which is the largest, the first of equals. */
  _at(x, y) {
    const { dim, means, _inverse: inverse, _constant: constant, _terms: terms } = this;
    let best = 0;
    for (let k = 0; k < terms.length; k++) {
      const dx = x - means[k * dim], u = dx * inverse[3 * k];
      const v = dim === 1 ? 0 : (y - means[2 * k + 1]) * inverse[3 * k + 2] - dx * inverse[3 * k + 1];
      terms[k] = constant[k] - 0.5 * (u * u + v * v);
      if (terms[k] > terms[best]) best = k;
    }
    return best;
  }

  /** The exact log density at points. */
  logProb(points, out = new Float64Array(points.length / this.dim)) {
    const { dim, _terms: terms } = this;
    for (let i = 0; i < out.length; i++) {
      const top = terms[this._at(points[i * dim], points[i * dim + 1])];
      let sum = 0;
      for (let k = 0; k < terms.length; k++) {
        const below = terms[k] - top;
        if (below > NEGLIGIBLE) sum += Math.exp(below);
      }
      out[i] = top + Math.log(sum);
    }
    return out;
  }

  /** The mode that most probably made each point. */
  modeOf(points) {
    const { dim, modes } = this;
    return Int32Array.from({ length: points.length / dim }, (_, i) => modes[this._at(points[i * dim], points[i * dim + 1])]);
  }

  _modes() {
    const { dim, count, weights, means, covs, modes } = this, centres = [], spreads = [];
    for (let mode = 0; mode < count; mode++) {
      const own = [...modes.keys()].filter((k) => modes[k] === mode), mass = own.reduce((sum, k) => sum + weights[k], 0);
      const mean = (of) => own.reduce((sum, k) => sum + weights[k] * of(k), 0) / mass, axes = [...Array(dim).keys()];
      const centre = axes.map((a) => mean((k) => means[k * dim + a]));
      const square = (k) => axes.reduce((sum, a) => sum + (means[k * dim + a] - centre[a]) ** 2 + covs[k * dim * dim + a * (dim + 1)], 0);
      centres.push(centre);
      spreads.push(Math.sqrt(mean(square) / 2));
    }
    return { centres, spreads };
  }
}

function roundCovs(variance, K, dim) {
  const covs = new Float64Array(K * dim * dim);
  for (let k = 0; k < K; k++) for (let a = 0; a < dim; a++) covs[k * dim * dim + a * (dim + 1)] = variance;
  return covs;
}

/** Equal round Gaussians in the plane as one target, whose modes are its density's hills, numbered anticlockwise. */
export function cloud(weights, means, std, name) {
  const sum = weights.reduce((a, b) => a + b, 0), shares = Float64Array.from(weights, (weight) => weight / sum);
  return new Mixture({ name, weights: shares, means, covs: std ** 2, modes: hillsOf(shares, means, std) });
}

/** The hill on which each component stands. */
function hillsOf(weights, means, std) {
  const K = weights.length, low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let k = 0; k < 2 * K; k++) {
    low[k % 2] = Math.min(low[k % 2], means[k] - 2 * std);
    high[k % 2] = Math.max(high[k % 2], means[k] + 2 * std);
  }
  const side = Math.max(high[0] - low[0], high[1] - low[1]), corner = [0, 1].map((a) => (low[a] + high[a] - side) / 2);
  const wide = Math.max(std, side / CELLS), heights = new Float64Array(CELLS * CELLS);
  const bell = (k, a) => Float64Array.from({ length: CELLS }, (_, i) => {
    return Math.exp(-((((corner[a] + ((i + 0.5) * side) / CELLS) - means[2 * k + a]) / wide) ** 2) / 2);
  });
  for (let k = 0; k < K; k++) {
    const x = bell(k, 0), y = bell(k, 1);
    for (let i = 0; i < CELLS; i++) for (let j = 0; j < CELLS; j++) heights[i * CELLS + j] += weights[k] * x[i] * y[j];
  }
  const owner = floodOf(heights);
  const cell = (k, a) => Math.min(CELLS - 1, Math.max(0, Math.trunc(((means[2 * k + a] - corner[a]) / side) * CELLS)));
  const found = Array.from({ length: K }, (_, k) => owner[cell(k, 0) * CELLS + cell(k, 1)]);
  let next = Math.max(...found); // what is too faint is a speck, and specks go to others
  return numberedHills(found.map((hill) => (hill < 0 ? (next += 1) : hill)), weights, means);
}

/** The hill of every cell by its top's number among the cells; -1 where next to nothing is. Water falls, from the top. */
function floodOf(heights) {
  const wide = CELLS + 2, levels = new Float64Array(wide * wide); // a border of zeros, so that every cell has eight neighbours
  for (let i = 0; i < CELLS; i++) levels.set(heights.subarray(i * CELLS, (i + 1) * CELLS), (i + 1) * wide + 1);
  const around = [-wide - 1, -wide, -wide + 1, -1, 1, wide - 1, wide, wide + 1], highest = levels.reduce((a, b) => Math.max(a, b), 0);
  levels.forEach((level, k) => { levels[k] = even(level / highest); });
  const order = [...levels.keys()].filter((k) => levels[k] > FAINT).sort((a, b) => levels[b] - levels[a] || a - b);
  const parent = new Int32Array(wide * wide).fill(-1); // towards the top
  const top = (k) => {
    while (parent[k] !== k) parent[k] = k = parent[parent[k]];
    return k;
  };
  for (const k of order) {
    const tops = new Set(around.filter((step) => parent[k + step] >= 0).map((step) => top(k + step)));
    let best = -1;
    for (const one of tops) if (best < 0 || levels[one] > levels[best] || (levels[one] === levels[best] && one < best)) best = one;
    parent[k] = best < 0 ? k : best;
    for (const other of tops) if (other !== best && levels[other] < CLEAR * levels[k]) parent[other] = best;
  }
  const owner = new Int32Array(CELLS * CELLS).fill(-1);
  for (const k of order) owner[(Math.floor(k / wide) - 1) * CELLS + (k % wide) - 1] = top(k);
  return owner;
}

/** Labels from 0 on without specks, at most MOST_HILLS, by the angle of their middles. */
function numberedHills(found, weights, means) {
  for (;;) {
    const names = [...new Set(found)].sort((a, b) => a - b), labels = found.map((hill) => names.indexOf(hill));
    const mass = names.map(() => 0), centres = names.map(() => [0, 0]);
    labels.forEach((label, k) => {
      mass[label] += weights[k];
      for (const a of [0, 1]) centres[label][a] += weights[k] * means[2 * k + a];
    });
    centres.forEach((centre, label) => centre.forEach((sum, a) => { centre[a] = sum / mass[label]; }));
    const evened = mass.map(even), least = evened.indexOf(Math.min(...evened)), all = mass.reduce((a, b) => a + b, 0);
    if (names.length === 1 || (names.length <= MOST_HILLS && mass[least] >= SPECK * all)) return ranked(centres, labels);
    const away = centres.map(([x, y], k) => (k === least ? Infinity : even((x - centres[least][0]) ** 2 + (y - centres[least][1]) ** 2)));
    const nearest = names[away.indexOf(Math.min(...away))];
    found = labels.map((label, k) => (label === least ? nearest : found[k]));
  }
}

function ranked(centres, labels) {
  const angles = centres.map(([x, y]) => {
    const angle = (Math.atan2(y, x) + 2 * Math.PI) % (2 * Math.PI);
    return angle > 2 * Math.PI - 1e-6 || Math.hypot(x, y) < 1e-6 ? 0 : even(angle); // but for rounding
  });
  const order = [...angles.keys()].sort((a, b) => angles[a] - angles[b] || a - b);
  return labels.map((label) => order.indexOf(label));
}
