// Optima of one reward on a grid: exact/optima.py in the browser. `p` and `q` are masses of cells and sum to one.

import { total } from "./grid.js";

/** The exponential tilt `p e^(tau r) / Z`, what maximises E r - KL / tau; however large tau, nothing overflows. */
export function tilted(p, r, tau, q = new Float64Array(p.length)) {
  let top = -Infinity, highest = -Infinity;
  for (let k = 0; k < p.length; k++) if (p[k] > 0 && r[k] > top) top = r[k];
  for (let k = 0; k < p.length; k++) {
    q[k] = Math.log(p[k]) + tau * Math.min(0, r[k] - top);
    if (q[k] > highest) highest = q[k];
  }
  for (let k = 0; k < p.length; k++) q[k] = Math.exp(q[k] - highest);
  const whole = total(q);
  for (let k = 0; k < p.length; k++) q[k] /= whole;
  return q;
}

/** `KL(q | p)` in nats; infinite where p is 0 and q is not. */
export function relativeEntropy(q, p) {
  let sum = 0;
  for (let k = 0; k < q.length; k++) if (q[k] > 0) sum += q[k] * (Math.log(q[k]) - Math.log(p[k]));
  return sum;
}

/**
 * `argmax_y r(y) - lam |y - x|^2` for every cell centre x, as points; r is linear between cells. A pass an axis finds the
 * best cell, and a parabola through its neighbours the point between cells, which is kept where it is better.
 */
export function proximalMap(grid, r, lam) {
  const { n, dim, size, dx, coordinates: g } = grid, cost = new Float64Array(n * n), found = [];
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) cost[i * n + j] = lam * (g[i] - g[j]) ** 2;
  let value = r;
  for (const step of dim === 1 ? [1] : [1, n]) {
    found.unshift(bestAlong(value, cost, n, step));
    value = found[0].value;
  }
  const goal = new Float64Array(size * dim), refined = new Float64Array(size * dim);
  for (let k = 0; k < size; k++) {
    const cell = dim === 1 ? found[0].where[k] : bestCell(found, k, n);
    for (let a = 0; a < dim; a++) {
      const step = a === dim - 1 ? 1 : n, x = g[along(k, step, n)], at = along(cell, step, n), y = g[at];
      goal[k * dim + a] = y;
      refined[k * dim + a] = y + (at > 0 && at < n - 1 ? dx * between(r, cell, step, lam, y - x, dx) : 0);
    }
  }
  const there = grid.interpolate(r, refined);
  for (let k = 0; k < size; k++) {
    if (!(there[k] - lam * squareTo(grid, refined, k) > value[k])) continue;
    for (let a = 0; a < dim; a++) goal[k * dim + a] = refined[k * dim + a];
  }
  return goal;
}

/** The number along one axis of a cell. */
const along = (cell, step, n) => (step === 1 ? cell % n : Math.floor(cell / n));

/** Of every cell the largest `value - cost` along its line of cells, `step` apart, and the number of the cell that has it. */
function bestAlong(value, cost, n, step) {
  const found = { value: new Float64Array(value.length), where: new Int32Array(value.length) }, line = new Float64Array(n);
  for (let first = 0, lines = value.length / n; lines > 0; lines--, first += step === 1 ? n : 1) {
    for (let j = 0; j < n; j++) line[j] = value[first + j * step];
    for (let i = 0, at = 0; i < n; i++) {
      let best = -Infinity, where = 0;
      for (let j = 0; j < n; j++, at++) {
        const worth = line[j] - cost[at];
        if (worth > best) {
          best = worth;
          where = j;
        }
      }
      found.value[first + i * step] = best;
      found.where[first + i * step] = where;
    }
  }
  return found;
}

/** Where the two passes lead from a cell of the plane. */
function bestCell([across, up], k, n) {
  const i = across.where[k];
  return i * n + up.where[i * n + (k % n)];
}

/** Cells, at most half of one: from the middle of `cell` to the top of the parabola through it and its neighbours. */
function between(r, cell, step, lam, away, dx) {
  const low = r[cell - step] - lam * (away - dx) ** 2, high = r[cell + step] - lam * (away + dx) ** 2;
  const offset = (0.5 * (high - low)) / (2 * (r[cell] - lam * away ** 2) - low - high);
  return Number.isFinite(offset) ? Math.min(0.5, Math.max(-0.5, offset)) : 0;
}

/** The squared distance from cell k to point k. */
function squareTo({ n, dim, coordinates: g }, points, k) {
  if (dim === 1) return (points[k] - g[k]) ** 2;
  return (points[2 * k] - g[Math.floor(k / n)]) ** 2 + (points[2 * k + 1] - g[k % n]) ** 2;
}

/** `E|goal - x|^2` over p: what it costs to carry every cell's mass to its goal. */
export function carried(grid, p, goal) {
  let sum = 0;
  for (let k = 0; k < p.length; k++) sum += p[k] * squareTo(grid, goal, k);
  return sum;
}

/** What maximises `E r - lam W2^2` to p: {q, goal, reward, kl, w2}; `q` shares what arrives among the cells around it. */
export function proximal(grid, p, r, lam) {
  const goal = proximalMap(grid, r, lam), q = deposited(grid, p, goal);
  return { q, goal, reward: total(q, r), kl: relativeEntropy(q, p), w2: carried(grid, p, goal) };
}

/** Masses put down at points, each shared linearly among the cell centres around it. */
function deposited({ n, dim, size, extent, dx }, p, goal) {
  const q = new Float64Array(size), place = (y) => Math.min(n - 1, Math.max(0, (y + extent) / dx - 0.5));
  for (let k = 0; k < size; k++) {
    const x = place(goal[k * dim]), i = Math.min(n - 2, Math.floor(x)), a = x - i;
    if (dim === 1) {
      q[i] += p[k] * (1 - a);
      q[i + 1] += p[k] * a;
      continue;
    }
    const y = place(goal[2 * k + 1]), j = Math.min(n - 2, Math.floor(y)), b = y - j, at = i * n + j;
    q[at] += p[k] * (1 - a) * (1 - b);
    q[at + 1] += p[k] * (1 - a) * b;
    q[at + n] += p[k] * a * (1 - b);
    q[at + n + 1] += p[k] * a * b;
  }
  return q;
}
