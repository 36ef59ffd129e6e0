// How much reward any method can have at a given distance from the reference: exact/frontiers.py in the browser.
//
// Both frontiers are traced by sweeping a price: `max E r - price * distance` has the tilt as its answer for KL, and the
// proximal optimum for W2^2. Each answer gives a point of the frontier and a line that no density crosses.

import { slackAt } from "./frontier_lines.js";
import { maximum, total } from "./grid.js";
import { carried, proximalMap, relativeEntropy, tilted } from "./optima.js";

const PRICES = 64; // swept, as in Python
const SLACK = 1e-3; // of the rewards' range: lines that meet farther above their points have another one put between
const MOST_PRICES = 240;

/** `distance`, `reward` and `price` of the points, from the reference on; `optimum(price)` -> [distance, reward]. */
export class Frontier {
  constructor(start, highest, optimum) {
    Object.assign(this, { distance: [0], reward: [start], price: [Infinity], highest, optimum });
  }

  /** A point more, at index `k`. */
  add(price, k = this.price.length) {
    const [distance, reward] = this.optimum(price);
    this.distance.splice(k, 0, distance);
    this.reward.splice(k, 0, reward);
    this.price.splice(k, 0, price);
  }

  /** What can be sent. */
  get points() {
    return { distance: [...this.distance], reward: [...this.reward], price: [...this.price], highest: this.highest };
  }
}

/** Python's sweep: prices from `high` down to `low`. A generator that stops after every price. */
export function* sweeping({ frontier, low, high }, n = PRICES) {
  for (let k = 0; k < n && low > 0; k++) {
    frontier.add(high * (low / high) ** (k / (n - 1)));
    yield frontier;
  }
}

/** The sweep, and then prices between others until lines and points lie within SLACK: a generator that answers a Frontier. */
export function* tracing(sweep) {
  yield* sweeping(sweep);
  const { frontier, frontier: { reward, price } } = sweep, most = SLACK * (Math.max(...reward) - Math.min(...reward));
  for (let k = 1; k < price.length - 1 && price.length < MOST_PRICES; ) {
    if (slackAt(frontier, k) > most && price[k] > price[k + 1] * (1 + 1e-6)) {
      frontier.add(Math.sqrt(price[k]) * Math.sqrt(price[k + 1]), k + 1);
      yield frontier;
    } else k++;
  }
  return frontier;
}

/** The prices of E r against KL(q | p) in nats, by the tilt: {frontier, low, high}. */
export function klSweep(p, r) {
  const start = total(p, r), unit = largest(r) || 1, q = new Float64Array(p.length), there = r.filter((_, k) => p[k] > 0);
  const highest = maximum(there), flat = there.every((value) => value === highest);
  const spread = flat ? 0 : unit * Math.sqrt(total(p, r.map((value) => ((value - start) / unit) ** 2)));
  const frontier = new Frontier(start, highest, (price) => {
    tilted(p, r, Math.min(1 / price, 1e308), q);
    return [Math.max(0, relativeEntropy(q, p)), total(q, r)];
  });
  return { frontier, low: 1e-4 * spread, high: 1e4 * spread };
}

/** The prices of E r against W2^2 to p, by the proximal optimum: likewise. */
export function w2Sweep(grid, p, r) {
  const highest = maximum(r), spread = highest + maximum(r.map((value) => -value));
  const frontier = new Frontier(total(p, r), highest, (price) => {
    const goal = proximalMap(grid, r, price);
    return [carried(grid, p, goal), total(p, grid.interpolate(r, goal))];
  });
  // from almost everything at the best place of the domain to moves of a twentieth of a cell
  return { frontier, low: (1e-3 * spread) / (2 * grid.extent) ** 2, high: (10 * steepest(grid, r)) / grid.dx ** 2 };
}

const largest = (r) => maximum(r.map(Math.abs));

/** The largest difference between neighbours. */
function steepest({ n, dim, size }, r) {
  let most = 0;
  for (let k = 0; k < size; k++) {
    if (k % n < n - 1) most = Math.max(most, Math.abs(r[k + 1] - r[k]));
    if (dim === 2 && k + n < size) most = Math.max(most, Math.abs(r[k + n] - r[k]));
  }
  return most;
}
