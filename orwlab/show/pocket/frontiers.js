// How much reward any method can have at a given distance from the reference: exact/frontiers.py in the browser.
//
// Both frontiers are traced by sweeping a price: `max E r - price * distance` has the tilt as its answer for KL, and the
// proximal optimum for W2^2. Each answer gives a point of the frontier and a line that no density crosses.

import { maximum, total } from "./grid.js";
import { carried, highestOf, proximalMap, relativeEntropy, tilted } from "./optima.js";

/** Prices swept. */
const PRICES = 64;
const BISECTIONS = 12;

/** `distance`, `reward` and `price` of the points, from the reference on; `optimum(price)` -> [distance, reward]. */
export class Frontier {
  constructor(start, highest, optimum) {
    Object.assign(this, { distance: [0], reward: [start], price: [Infinity], highest, optimum });
  }

  add(price) {
    const [distance, reward] = this.optimum(price);
    this.distance.push(distance);
    this.reward.push(reward);
    this.price.push(price);
  }

  /** The largest mean reward at a distance: the least of the lines over all prices, found by bisection. */
  allowed(distance) {
    const { price, highest } = this;
    if (distance === 0 || price.length === 1) return this.reward[0];
    const first = this.distance.findIndex((reached) => reached >= distance), last = price.length - 1;
    const after = first < 0 ? last : Math.min(last, Math.max(1, first));
    const tried = [after, after - 1].filter((k) => price[k] < Infinity).map((k) => [price[k], this.distance[k], this.reward[k]]);
    if (tried.length === 2) {
      let [low, high] = [tried[0][0], tried[1][0]];
      for (let k = 0; k < BISECTIONS; k++) {
        const middle = Math.sqrt(low) * Math.sqrt(high), [reached, reward] = this.optimum(middle);
        tried.push([middle, reached, reward]);
        if (reached > distance) low = middle;
        else high = middle;
      }
    }
    return Math.min(highest, ...tried.map(([cost, reached, reward]) => reward + cost * (distance - reached)));
  }
}

/** A frontier over prices from `high` down to `low`: a generator that stops after every price. */
function* swept(frontier, low, high, n) {
  for (let k = 0; k < n && low > 0; k++) {
    frontier.add(high * (low / high) ** (k / (n - 1)));
    yield frontier;
  }
  return frontier;
}

/** E r against KL(q | p) in nats, by the tilt: a generator that answers a Frontier. */
export function* klFrontier(p, r, n = PRICES) {
  const start = total(p, r), unit = largest(r) || 1, q = new Float64Array(p.length);
  const spread = unit * Math.sqrt(total(p, r.map((value) => ((value - start) / unit) ** 2)));
  const frontier = new Frontier(start, highestOf(p, r), (price) => {
    tilted(p, r, Math.min(1 / price, 1e308), q);
    return [Math.max(0, relativeEntropy(q, p)), total(q, r)];
  });
  return yield* swept(frontier, 1e-4 * spread, 1e4 * spread, n);
}

/** E r against W2^2 to p, by the proximal optimum: likewise. */
export function* w2Frontier(grid, p, r, n = PRICES) {
  const highest = maximum(r), spread = highest + maximum(r.map((value) => -value));
  const frontier = new Frontier(total(p, r), highest, (price) => {
    const goal = proximalMap(grid, r, price);
    return [carried(grid, p, goal), total(p, grid.interpolate(r, goal))];
  });
  // from almost everything at the best place of the domain to moves of a twentieth of a cell
  return yield* swept(frontier, (1e-3 * spread) / (2 * grid.extent) ** 2, (10 * steepest(grid, r)) / grid.dx ** 2, n);
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
