// The population dynamics of every lane, stepped round by round: ExactLanes of show/lab/exact.py in the browser.

import { beyondTheGrid } from "./banners.js";
import { Dynamics } from "./dynamics.js";
import { trajectory } from "./field.js";
import { cornersOf, fineDensity, FINE_AXIS, groundOf, placed, rewardOn, yardstick } from "./ground.js";
import { assignmentW2, ess, meanDistance, modeMass, penalty } from "./measure.js";
import { uniform } from "./place.js";
import { generalText } from "./plainly.js";
import { alike, isSteered, tabled } from "./settings.js";
import { SETTLED } from "./settle.js";
import { Steered } from "./steering.js";
import { total } from "./grid.js";

/** Of the solver that carries particles back. */
export const BACK_STEPS = 4;
const COURSE = ["target", "reward", "weighting", "coupling", "tau", "steer", "budget", "others"];

/** Dynamics at round 0. */
export function dynamicsFor(settings, alpha, axis) {
  const { reference, extent } = groundOf(settings.target, axis), { tau, weighting } = settings;
  return new Dynamics(reference, rewardOn(settings.reward, axis, extent), { tau, alpha, weighting });
}

/** All numbers of a limit; see Exact of show/lab/exact.py. */
export function limitNumbers(state, settings, axis) {
  const ground = groundOf(settings.target, axis), q = fineDensity(state, ground);
  return {
    reward: state.meanReward, kl: Math.max(0, state.kl), resolved: Object.keys(state.problems).length === 0, density: q, extent: ground.extent,
    modeMass: modeMass(state.q, ground.labels, ground.count), ess: ess(state),
    diversity: meanDistance(ground.reference.grid, state.q), w2: toReference(q, ground),
  };
}

/** The mean of a reward over a limit. */
export const meanOver = (reward, { density: q, extent }) => total(rewardOn(reward, FINE_AXIS, extent), q);

const toReference = (q, ground) => assignmentW2(placed(q, ground.extent, cornersOf()), ground.corners);

/** What lanes of some alphas are called. */
export const labelsFor = (alphas, settings) => alphas.map((alpha, k) => (k === 0 && isSteered(settings) ? "α steered" : `α = ${generalText(alpha)}`));

/** The ways along `fields`, one a lane, that led to `x`: see `Lanes.paths`. */
export function waysOf(fields, x, count) {
  const times = Array.from({ length: count }, (_, k) => 1 - k / (count - 1));
  return x.map((points, lane) => {
    const ways = trajectory(fields[lane], points, times, BACK_STEPS).reverse();
    return Array.from({ length: points.length / 2 }, (_, k) => Float64Array.from(ways.flatMap((at) => [at[2 * k], at[2 * k + 1]])));
  });
}

/** `z`: normal numbers, from which the particles are placed. */
export class Lanes {
  constructor(settings, z, axis) {
    Object.assign(this, { settings, axis, steered: new Steered(), ground: groundOf(settings.target, axis) });
    this.states = [this.steered.obey(settings, 0), ...settings.others].map((alpha) => dynamicsFor(settings, alpha, axis));
    this.stopped = this.states.map(() => null);
    this.coarseAtRest = this.states[0].problems.coarse;
    this.u = uniform(z);
    this.first = placed(fineDensity(dynamicsFor(settings, 1, axis), this.ground), this.ground.extent, this.u);
  }

  get rounds() { return this.states.map(({ round }) => round); }
  get alphas() { return this.states.map(({ alpha }) => alpha); }
  get labels() { return labelsFor(this.alphas, this.settings); }
  get series() { return ["reward", "diversity", "effective", "moved", "w2", "kl", "alpha", "spent", "truth"]; }

  /** Whether another round would move nothing that one could see. */
  get settled() {
    return this.states.every(({ round, moved }, k) => this.stopped[k] || (round > 0 && moved < SETTLED));
  }

  /** Takes over what may change under way; whether the recursion is another one now. */
  obey(settings) {
    const before = this.settings;
    this.settings = settings;
    const changed = COURSE.some((name) => !alike(before[name], settings[name])) || resting(before) !== resting(settings);
    if (changed) this.resume();
    const alphas = [this.steered.obey(settings, this.states[0].round), ...settings.others];
    this.states.forEach((state, k) => {
      state.alpha = alphas[k];
      state.tau = settings.tau;
      if (before.reward !== settings.reward) state.reward = rewardOn(settings.reward, this.axis, this.ground.extent);
    });
    return changed;
  }

  resume() {
    this.stopped = this.states.map(() => null);
  }

  /**
   * One round: a refresh of every lane that has not stopped. If it is `late` before the last one, all are where they were
   * and the answer is false; what has been worked out is not lost, and the next call goes on from there.
   */
  advance(late = () => false) {
    const moved = [];
    for (const [k, state] of this.states.entries()) {
      if (this.stopped[k]) continue;
      try {
        const worked = state.advance();
        moved.push(state);
        if (worked && k < this.states.length - 1 && late()) {
          moved.forEach((one) => one.retreat());
          return false;
        }
      } catch (error) {
        if (error.name !== "NotFinite") throw error;
        this.stopped[k] = tabled.banners.spike;
      }
    }
    const [first] = this.states;
    if (moved[0] === first && this.steered.kind) first.alpha = this.steered.after(first.round, this._spent(first));
    return true;
  }

  _spent(state) {
    if (this.steered.kind === "kl") return Math.max(0, state.kl);
    const { u, x0, t } = yardstick();
    return penalty(state, x0, t, placed(fineDensity(state, this.ground), this.ground.extent, u));
  }

  /** The finished particles, one array of points a lane. */
  push() {
    this.densities = this.states.map((state) => fineDensity(state, this.ground));
    return this.densities.map((q) => placed(q, this.ground.extent, this.u));
  }

  /** Where finished particles were at flow time t. */
  at(x, t) {
    return x.map((points, k) => trajectory(this.states[k].velocity, points, [1, t], BACK_STEPS).at(-1));
  }

  /** The ways that led to `x`, at `count` times from 0 to 1: of every lane, of every particle, points. */
  paths(x, count) {
    return waysOf(this.states.map(({ velocity }) => velocity), x, count);
  }

  velocity(lane, t, x) {
    return this.states[lane].velocity.at(t, x);
  }

  warning(lane) {
    return beyondTheGrid(this.states[lane].problems, this.settings, this.coarseAtRest);
  }

  /** The mean of a reward over the reference. */
  ofReference(reward) {
    return total(rewardOn(reward, this.axis, this.ground.extent), this.ground.reference.p);
  }

  /** What is read off a lane, series -> value; W2 only if it is `dear`. */
  read(lane, dear) {
    const state = this.states[lane], { ground, settings } = this;
    const values = {
      reward: state.meanReward, diversity: meanDistance(ground.reference.grid, state.q), effective: ess(state),
      moved: state.moved, kl: state.kl, alpha: state.alpha,
    };
    if (dear) values.w2 = toReference(fineDensity(state, ground), ground);
    if (settings.truth) values.truth = total(rewardOn(settings.truth, this.axis, ground.extent), state.q);
    if (lane === 0) values.spent = this.steered.spent;
    return { values, modeMass: modeMass(state.q, ground.labels, ground.count) };
  }
}

/** The first alpha where it rests; null where it is steered. */
const resting = (settings) => (isSteered(settings) ? null : settings.alpha);
