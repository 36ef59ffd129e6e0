// Functions on a square grid: exact/grid.py in the browser.
//
// A field is a Float64Array of n cells on a line, or of n * n in the plane, where cell (x_i, y_j) is at i * n + j.
// Points are Float64Arrays x0, y0, x1, y1, ... in the plane, x0, x1, ... on a line.

/** An interpolating filter: keeps what a few cells resolve, removes what alternates from cell to cell. */
const SMOOTHING = [10 / 16, 4 / 16, -1 / 16];

/** `n` cell centres an axis on [-extent, extent]^dim. */
export class Grid {
  constructor(dim, n, extent) {
    if (![1, 2].includes(dim) || !(n >= 16 && n % 2 === 0) || !(extent > 0)) {
      throw new RangeError(`a grid of ${dim} dimensions, ${n} cells an axis and extent ${extent}; allowed: 1 or 2, even from 16, above 0`);
    }
    Object.assign(this, { dim, n, extent, dx: (2 * extent) / n, size: n ** dim });
    this.coordinates = Float64Array.from({ length: n }, (_, i) => (i + 0.5) * this.dx - extent);
  }

  /** The cell centres, as points. */
  get points() {
    const { n, dim, coordinates: g } = this, points = new Float64Array(this.size * dim);
    if (dim === 1) return g.slice();
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) points.set([g[i], g[j]], 2 * (i * n + j));
    }
    return points;
  }

  /** A field at points by (bi)linear interpolation, constant outside. */
  interpolate(field, points) {
    const { n, dim } = this, values = new Float64Array(points.length / dim);
    const place = (x) => Math.min(n - 1, Math.max(0, (x + this.extent) / this.dx - 0.5));
    for (let k = 0; k < values.length; k++) {
      const x = place(points[k * dim]), i = Math.min(n - 2, Math.floor(x)), a = x - i;
      if (dim === 1) {
        values[k] = (1 - a) * field[i] + a * field[i + 1];
        continue;
      }
      const y = place(points[2 * k + 1]), j = Math.min(n - 2, Math.floor(y)), b = y - j, at = i * n + j;
      values[k] = (1 - a) * ((1 - b) * field[at] + b * field[at + 1]) + a * ((1 - b) * field[at + n] + b * field[at + n + 1]);
    }
    return values;
  }

  /** A field with what alternates from cell to cell removed, along every axis; `spare` is written to. */
  smooth(field, out = new Float64Array(this.size), spare = new Float64Array(this.size)) {
    if (this.dim === 1) return this._smoothAlong(field, out, 1);
    return this._smoothAlong(this._smoothAlong(field, spare, this.n), out, 1);
  }

  _smoothAlong(f, out, step) {
    const { n, size } = this, lines = size / n, stride = step === 1 ? n : 1, [a, b, c] = SMOOTHING, end = (n - 1) * step;
    for (let line = 0; line < lines; line++) {
      const first = line * stride, last = first + end;
      for (let k = first; k <= last; k += step) {
        const low = Math.max(first, k - step), high = Math.min(last, k + step);
        const lower = Math.max(first, k - 2 * step), higher = Math.min(last, k + 2 * step);
        out[k] = a * f[k] + b * (f[low] + f[high]) + c * (f[lower] + f[higher]);
      }
    }
    return out;
  }

  /** The cells at most `by` cells an axis from those of `where`, a Uint8Array: likewise. */
  widened(where, by) {
    const { n, size, dim } = this;
    let wide = where;
    for (const step of dim === 1 ? [1] : [n, 1]) {
      const next = new Uint8Array(size);
      for (let k = 0; k < size; k++) {
        if (!wide[k]) continue;
        const at = step === 1 ? k % n : Math.floor(k / n);
        for (let d = Math.max(-by, -at); d <= Math.min(by, n - 1 - at); d++) next[k + d * step] = 1;
      }
      wide = next;
    }
    return wide;
  }
}

/**
 * Half the side of a domain that holds the noise N(0, I) and all but a negligible part of a target whose log density
 * `logProb(points)` gives: grown from 6 until the log density on the border is 23 below its maximum, or to 30.
 */
export function defaultExtent(dim, logProb) {
  let extent = 6;
  while (extent < 30) {
    const grid = new Grid(dim, 64, extent), logP = logProb(grid.points);
    const onBorder = (k) => [k % 64, dim === 2 ? Math.floor(k / 64) : 1].some((i) => i === 0 || i === 63);
    let border = -Infinity, top = -Infinity;
    for (let k = 0; k < logP.length; k++) {
      top = Math.max(top, logP[k]);
      if (onBorder(k)) border = Math.max(border, logP[k]);
    }
    if (!(border > top - 23)) break;
    extent *= 1.25;
  }
  return Math.min(extent, 30);
}

/** `log sum exp` over a field. */
export function logSumExp(x) {
  const top = maximum(x);
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += Math.exp(x[k] - top);
  return top + Math.log(sum);
}

/** The largest entry of a field. */
export function maximum(x) {
  let top = -Infinity;
  for (let k = 0; k < x.length; k++) if (x[k] > top) top = x[k];
  return top;
}

/** The sum of a field, or of the products of two. */
export function total(x, y = null) {
  let sum = 0;
  if (y === null) for (let k = 0; k < x.length; k++) sum += x[k];
  else for (let k = 0; k < x.length; k++) sum += x[k] * y[k];
  return sum;
}
