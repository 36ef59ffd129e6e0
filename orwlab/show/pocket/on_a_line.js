// The same on a line: rounds, the limit, and the optima beside it, worked out refresh by refresh.

import { whyNoLimit } from "./banners.js";
import { Dynamics, Reference } from "./dynamics.js";
import { klSweep, w2Sweep } from "./frontiers.js";
import { defaultExtent, Grid, total } from "./grid.js";
import { Mixture } from "./mixtures.js";
import { proximal, relativeEntropy, tilted } from "./optima.js";
import { w2OnALine } from "./quantiles.js";
import { checkedChoice, checkedWhole, notAllowed } from "./settings.js";
import { settling } from "./settle.js";

const CELLS_OF_A_LINE = 128;
const MOST_ROUNDS_OF_A_LINE = 40;
const HALVINGS = 30;
const WORK_ON_A_LINE = 0.02; // seconds at a time
const MOST_PRICE = 1e30; // at which a tilt is tried
const DRAWN_SPREAD = 1.2; // of the distance between two heights that somebody drew

/** A target that somebody drew: {heights: at least 8 numbers >= 0, reach: half the width they stand evenly on}. */
export function drawnTarget({ heights, reach }) {
  const some = Array.isArray(heights) && heights.length >= 8 && heights.length <= 200 && heights.some((h) => h > 0);
  if (!some || !heights.every((h) => h >= 0 && h <= 1e6)) throw notAllowed("heights", heights, "from 8 to 200 numbers >= 0, not all of them 0");
  numberFrom("reach", reach, 0.1, 20);
  const apart = (2 * reach) / (heights.length - 1), kept = heights.map((_, k) => k).filter((k) => heights[k] > 0);
  const means = kept.map((k) => k * apart - reach), weights = kept.map((k) => heights[k]);
  return new Mixture({ name: "drawn", dim: 1, weights, means, covs: (DRAWN_SPREAD * apart) ** 2, modes: kept.map(() => 0) });
}

function numberFrom(name, value, low, high) {
  if (!(typeof value === "number" && value >= low && value <= high)) throw notAllowed(name, value, `a number from ${low} to ${high}`);
  return value;
}

/** A checked question: {target: a name, or what `drawnTarget` takes, reward, alpha, tau, weighting, rounds}. */
function checkedQuestion({ target, reward, alpha, tau, weighting, rounds }) {
  checkedWhole("rounds", rounds, 0, MOST_ROUNDS_OF_A_LINE);
  checkedChoice("weighting", weighting, ["exp", "mean_one", "clipped"]);
  return { target, reward, alpha: numberFrom("alpha", alpha, 0.01, 1000), tau: numberFrom("tau", tau, 0, 10), weighting, rounds };
}

/** Answers questions about a line, a little at a time: the same one again goes on where it was left. */
export class OnALine {
  constructor(clock) {
    Object.assign(this, { clock, key: "", ground: { key: "" } });
  }

  /** {done, round, of, x, p, reward, q, limit, tilt, proximal, why}: densities as far as they are known; see `laid`. */
  answer(given, question) {
    const asked = checkedQuestion(question ?? {}), key = JSON.stringify(asked), until = this.clock() + WORK_ON_A_LINE;
    if (key !== this.key) {
      this.found = { done: false, why: "" };
      this.steps = this._steps(given, asked, this.found);
      this.key = key;
    }
    try {
      while (!this.found.done && this.clock() < until) this.found.done = this.steps.next().done;
    } catch (error) {
      this.key = ""; // it would not go on
      throw error;
    }
    return { ...this.found };
  }

  _groundOf(given, target) {
    const key = JSON.stringify(target);
    if (this.ground.key === key) return this.ground;
    const mixture = typeof target === "string" ? given.target(target) : drawnTarget(target ?? {});
    if (mixture.dim !== 1) throw notAllowed("target", target, "one on a line");
    const logProb = (points) => mixture.logProb(points), grid = new Grid(1, CELLS_OF_A_LINE, defaultExtent(1, logProb));
    this.ground = { key, grid, reference: new Reference(grid, logProb(grid.points)) };
    return this.ground;
  }

  *_steps(given, { target, reward, rounds, ...options }, found) {
    const { grid, reference, reference: { p } } = this._groundOf(given, target), r = given.reward(reward)(grid.points, 1);
    const laid = (q) => {
      const kl = Math.max(0, relativeEntropy(q, p));
      return { density: q.map((mass) => mass / grid.dx), reward: total(q, r), kl, w2: w2OnALine(grid, q, p) };
    };
    const dynamics = new Dynamics(reference, r, options);
    Object.assign(found, { x: grid.coordinates, reward: r, p: laid(p), of: rounds, round: 0, q: laid(dynamics.q) });
    while (dynamics.round < rounds) {
      dynamics.advance();
      Object.assign(found, { round: dynamics.round, q: laid(dynamics.q) });
      yield;
    }
    const end = new Dynamics(reference, r, options), why = yield* settling(end);
    if (!why) found.limit = laid(end.q);
    else found.why = whyNoLimit(why, reward);
    const beside = found.limit ?? found.q;
    found.tilt = laid(yield* tiltAt(p, r, beside.kl));
    const moved = yield* proximalAt(grid, p, r, beside.w2);
    found.proximal = { ...laid(moved.q), reward: moved.reward, w2: moved.w2 };
  }
}

/** The two prices, next to each other, between which `distanceOf(price)` passes `distance`: [at most, at least] that far. */
function* pricesAt({ low, high }, distance, distanceOf) {
  let [dear, cheap] = [high, low];
  for (let k = 0; k < HALVINGS && cheap > 0; k++) {
    const middle = Math.sqrt(dear) * Math.sqrt(cheap);
    if (distanceOf(middle) > distance) cheap = middle;
    else dear = middle;
    yield;
  }
  return [dear, cheap];
}

/** The tilt at a KL, which is what has most reward there. */
function* tiltAt(p, r, kl) {
  const q = new Float64Array(p.length), klOf = (one) => relativeEntropy(tilted(p, r, 1 / one, q), p);
  let { low, high } = klSweep(p, r);
  for (; high > 0 && high < MOST_PRICE && klOf(high) > kl; high *= 1e4) yield; // of a reward that is paid where next to nothing is
  const [price] = yield* pricesAt({ low, high }, kl, klOf);
  return price > 0 ? tilted(p, r, 1 / price, q) : p;
}

/** What has most reward at a W2^2: {q, reward, w2}. Where the optimum jumps, both sides are optima of one price, and so are their mixtures. */
function* proximalAt(grid, p, r, w2) {
  const sweep = w2Sweep(grid, p, r), [dear, cheap] = yield* pricesAt(sweep, w2, (one) => sweep.frontier.optimum(one)[0]);
  if (!(cheap > 0)) return { q: p, reward: total(p, r), w2: 0 };
  const dearest = proximal(grid, p, r, dear), short = dearest.w2 > w2; // then the first step from the reference is too far already
  const near = short ? { q: p, reward: total(p, r), w2: 0 } : dearest, far = short ? dearest : proximal(grid, p, r, cheap), jump = far.w2 - near.w2;
  const share = jump > 0 ? Math.min(1, Math.max(0, (w2 - near.w2) / jump)) : 0, mixed = (a, b) => (1 - share) * a + share * b;
  return { q: near.q.map((mass, k) => mixed(mass, far.q[k])), reward: mixed(near.reward, far.reward), w2: mixed(near.w2, far.w2) };
}
