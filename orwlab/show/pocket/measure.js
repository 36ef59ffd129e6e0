// Numbers of a state: `diversity`, `ess`, `w2`, `penalty` and the masses at the modes of show/lab/exact.py in the browser.

import { logWeights } from "./dynamics.js";
import { logSumExp, maximum, total } from "./grid.js";

const LEAST_SQUARE = 1e-12; // of distances: less is rounding

/** `E|x - x'|` for two independent draws of cell masses; cells with less than 1e-7 of the fullest one's are left out. */
export function meanDistance(grid, q) {
  const least = 1e-7 * maximum(q), kept = q.map((mass) => (mass > least ? mass : 0)), sum = total(kept);
  const within = grid.dx * (grid.dim === 1 ? 1 / 3 : 0.5214); // two uniform points in one cell
  const m = 2 ** Math.ceil(Math.log2(2 * grid.n)), { re, im, distances } = spectrumOf(grid, m);
  let square = 0, apart = 0;
  re.fill(0);
  im.fill(0);
  for (let k = 0; k < kept.length; k++) {
    const mass = kept[k] / sum;
    square += mass * mass;
    re[grid.dim === 1 ? k : Math.floor(k / grid.n) * m + (k % grid.n)] = mass;
  }
  transform(grid, m, re, im);
  for (let k = 0; k < re.length; k++) apart += (re[k] * re[k] + im[k] * im[k]) * distances[k];
  return apart / re.length + within * square;
}

const spectra = new WeakMap();

/** Memory for a transform of twice the grid's side and more, and the transform of the distances between cells. */
function spectrumOf(grid, m) {
  if (spectra.has(grid)) return spectra.get(grid);
  const size = m ** grid.dim, distances = new Float64Array(size), im = new Float64Array(size);
  const away = (i) => (i > m / 2 ? i - m : i);
  for (let k = 0; k < size; k++) distances[k] = grid.dx * Math.hypot(away(k % m), away(Math.floor(k / m)));
  transform(grid, m, distances, im); // it is symmetric: what is left of the imaginary part is rounding
  const found = { re: new Float64Array(size), im, distances };
  spectra.set(grid, found);
  return found;
}

/** Fourier's transform of a padded field, in place; rows first, of which those without anything are passed over. */
function transform(grid, m, re, im) {
  if (grid.dim === 1) return fourier(re, im, 0, 1, m);
  for (let i = 0; i < m; i++) {
    if (re.subarray(i * m, (i + 1) * m).some((value) => value !== 0)) fourier(re, im, i * m, 1, m);
  }
  for (let j = 0; j < m; j++) fourier(re, im, j, m, m);
}

/** Of the `m` (a power of two) complex numbers from `start`, `step` apart, in place. */
function fourier(re, im, start, step, m) {
  for (let i = 1, j = 0; i < m; i++) {
    let bit = m >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const a = start + i * step, b = start + j * step, x = re[a], y = im[a];
    re[a] = re[b];
    im[a] = im[b];
    re[b] = x;
    im[b] = y;
  }
  for (let half = 1; half < m; half *= 2) {
    for (let k = 0; k < half; k++) {
      const c = Math.cos((-Math.PI * k) / half), s = Math.sin((-Math.PI * k) / half);
      for (let i = k; i < m; i += 2 * half) {
        const a = start + i * step, b = a + half * step, x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

/** `(E w)^2 / E w^2` under the state's density: the share of a large draw that counts. */
export function ess({ q, reward, tau, weighting }) {
  const logW = logWeights(reward, tau, weighting), logQ = q.map((mass) => Math.log(Math.max(mass, 1e-300)));
  const of = (power) => logSumExp(logQ.map((value, k) => value + power * logW[k]));
  return Math.exp(2 * of(1) - of(2) - logSumExp(logQ));
}

/** The same of samples, by the logarithms of their weights. */
export const shareThatCounts = (logW) => Math.exp(2 * logSumExp(logW) - logSumExp(logW.map((log) => 2 * log))) / logW.length;

/** `E|x - x'|` for two independent draws, from points that lie evenly. */
export function meanApart(x) {
  let sum = 0;
  for (let a = 0; a < x.length; a += 2) for (let b = 0; b < a; b += 2) sum += Math.hypot(x[a] - x[b], x[a + 1] - x[b + 1]);
  return (8 * sum) / x.length ** 2;
}

/** The mass at each of `count` modes, given which one each cell belongs to. */
export function modeMass(q, labels, count) {
  const mass = new Float64Array(count);
  for (let k = 0; k < q.length; k++) mass[labels[k]] += q[k];
  return mass;
}

/** A mean square; 0 where what differs may differ by rounding alone. */
const beyondRounding = (square) => (square > LEAST_SQUARE ? square : 0);

/** `E|v* - v_ref|^2` at times t (m,) between noise x0 and the state's own points x1: what the last round spent. */
export function penalty(dynamics, x0, t, x1) {
  const between = x0.map((value, k) => (1 - t[k >> 1]) * value + t[k >> 1] * x1[k]);
  const v = dynamics.policy.at(t, between), ref = dynamics.reference.velocity.at(t, between);
  return beyondRounding(v.reduce((sum, value, k) => sum + (value - ref[k]) ** 2, 0) / t.length);
}

/** `W2^2` between equally many points of the plane, exactly: the best assignment, by shortest augmenting paths. */
export function assignmentW2(x, y) {
  const n = x.length / 2, cost = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) cost[i * n + j] = (x[2 * i] - y[2 * j]) ** 2 + (x[2 * i + 1] - y[2 * j + 1]) ** 2;
  }
  const columns = assigned(cost, n);
  return beyondRounding(columns.reduce((sum, j, i) => sum + cost[i * n + j], 0) / n);
}

/** The column of each row in the cheapest assignment: Jonker and Volgenant's way (Computing 38, 1987). */
function assigned(cost, n) {
  const u = new Float64Array(n), v = new Float64Array(n), rowOf = new Int32Array(n).fill(-1), columnOf = new Int32Array(n).fill(-1);
  const least = new Float64Array(n), from = new Int32Array(n), seen = new Uint8Array(n);
  for (let start = 0; start < n; start++) {
    least.fill(Infinity);
    seen.fill(0);
    let i = start, j = -1, reached = 0, sink = -1;
    while (sink < 0) { // Dijkstra's way from the row to a column that is free
      let best = Infinity;
      for (let c = 0; c < n; c++) {
        if (seen[c]) continue;
        const way = reached + cost[i * n + c] - u[i] - v[c];
        if (way < least[c]) {
          least[c] = way;
          from[c] = i;
        }
        if (least[c] < best || (least[c] === best && rowOf[c] < 0)) {
          best = least[c];
          j = c;
        }
      }
      reached = best;
      seen[j] = 1;
      if (rowOf[j] < 0) sink = j;
      else i = rowOf[j];
    }
    u[start] += reached;
    for (let c = 0; c < n; c++) {
      if (!seen[c] || c === sink) continue;
      u[rowOf[c]] += reached - least[c];
      v[c] -= reached - least[c];
    }
    for (let c = sink; ; ) {
      const row = from[c], next = columnOf[row];
      rowOf[c] = row;
      columnOf[row] = c;
      if (row === start) break;
      c = next;
    }
  }
  return columnOf;
}
