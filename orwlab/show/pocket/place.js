// From densities to particles: `density`, `place` and `uniform` of show/lab/exact.py in the browser.

const places = new WeakMap(); // of finer grids, where their cells lie

/** A state's density on finer cells, `fine` = {grid, logP}: masses. log(q / p_ref) is smooth and is interpolated. */
export function density(dynamics, fine) {
  if (!places.has(fine.grid)) places.set(fine.grid, fine.grid.points);
  const { q, reference: { p, grid } } = dynamics, ratio = q.map((mass, k) => Math.log(Math.max(mass / p[k], 1e-300)));
  const logQ = grid.interpolate(ratio, places.get(fine.grid));
  let top = -Infinity, sum = 0;
  for (let k = 0; k < logQ.length; k++) {
    logQ[k] += fine.logP[k];
    if (logQ[k] > top) top = logQ[k];
  }
  for (let k = 0; k < logQ.length; k++) {
    logQ[k] = Math.exp(logQ[k] - top);
    sum += logQ[k];
  }
  for (let k = 0; k < logQ.length; k++) logQ[k] /= sum;
  return logQ;
}

/**
 * Points of a density `q` of n * n cells on [-extent, extent]^2 from uniform numbers u0, u1, u0, u1, ...
 *
 * Rosenblatt's map: the first coordinate inverts the marginal's distribution function, the second that of the
 * conditional density. Between cell centres the density is taken to be linear. Points move continuously with q.
 */
export function place(q, n, extent, u) {
  const marginal = new Float64Array(n), line = new Float64Array(n), below = new Float64Array(n - 1), points = new Float64Array(u.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) marginal[i] += q[i * n + j];
  const belowX = accumulated(marginal, new Float64Array(n - 1)), cell = (2 * extent) / n;
  for (let k = 0; k < u.length; k += 2) {
    const x = inverted(marginal, belowX, u[k]), left = Math.min(n - 2, Math.floor(x)), share = x - left, at = left * n;
    for (let j = 0; j < n; j++) line[j] = (1 - share) * q[at + j] + share * q[at + n + j];
    points[k] = (x + 0.5) * cell - extent;
    points[k + 1] = (inverted(line, accumulated(line, below), u[k + 1]) + 0.5) * cell - extent;
  }
  return points;
}

/** The integral of `f`, linear between whole numbers, from 0 to each of 1, 2, ... */
function accumulated(f, out) {
  for (let k = 0, sum = 0; k < out.length; k++) {
    sum += (f[k] + f[k + 1]) / 2;
    out[k] = sum;
  }
  return out;
}

/** Where the integral of `f`, whose values at 1, 2, ... are `below`, reaches the share u. */
function inverted(f, below, u) {
  const wanted = u * below[below.length - 1];
  let low = 0, high = below.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (below[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  const a = f[low], b = f[low + 1], area = (a + b) / 2, rest = Math.min(Math.max(wanted - below[low] + area, 0), area);
  // a s + (b - a) s^2 / 2 = rest, in the form that does not cancel
  const s = (2 * rest) / Math.max(a + Math.sqrt(Math.max(a * a + 2 * (b - a) * rest, 0)), 1e-300);
  return low + Math.min(1, Math.max(0, s));
}

/** Standard normal numbers as uniform ones, kept off 0 and 1. */
export function uniform(z) {
  return Float64Array.from(z, (value) => Math.min(1 - 1e-9, Math.max(1e-9, normalShare(value))));
}

/** The share of N(0, 1) below z. */
function normalShare(z) {
  const x = Math.abs(z) / Math.SQRT2, tail = 0.5 * erfc(x);
  return z < 0 ? tail : 1 - tail;
}

/** `1 - erf(x)` for x >= 0: the series below 2.5, where it is quick, else the continued fraction. */
function erfc(x) {
  const square = x * x;
  if (x < 2.5) {
    let term = x, sum = x;
    for (let k = 1; Math.abs(term) > 1e-17 * sum; k++) {
      term *= (2 * square) / (2 * k + 1); // all terms have one sign: nothing cancels
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
  }
  let fraction = x;
  for (let k = 60; k > 0; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-square) / Math.sqrt(Math.PI) / fraction;
}
