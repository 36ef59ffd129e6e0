// Small networks that learn in the page, one a lane: LearnedLanes of show/lab/lanes.py in the browser.

import { divergedFor, fewDecide } from "./banners.js";
import { finished, logWeights } from "./dynamics.js";
import { trajectory } from "./field.js";
import { total } from "./grid.js";
import { groundOf, rewardOn, yardstick } from "./ground.js";
import { BACK_STEPS, labelsFor, waysOf } from "./lanes.js";
import { assignmentW2, meanApart, shareThatCounts } from "./measure.js";
import { BATCH } from "./network.js";
import { every } from "./readings.js";
import { alike, tabled } from "./settings.js";
import { Steered } from "./steering.js";
import { allFinite, FineTuning, pushing } from "./training.js";

const TRAINING = ["reward", "tau", "lr", "steps_per_round", "alpha", "others", "steer", "budget"];
const SHOWN = [1000, 600, 480, 400]; // particles of a lane at most, by the number of lanes
const PUSHED = 512; // particles of all lanes that are pushed for a picture while rounds go on: it takes them in turns

/** `z`: the noise that is pushed for the picture. */
export class NetworkLanes {
  constructor(settings, z, axis) {
    Object.assign(this, { settings, axis, steered: new Steered(tabled.learnedRate), ground: groundOf(settings.target, axis) });
    const { tau, weighting, steps_per_round: stepsPerRound, lr, seed } = settings, { table } = this.ground, reward = paidFor(settings);
    this.alphasAtFirst = [this.steered.obey(settings, 0), ...settings.others];
    this.runs = this.alphasAtFirst.map((alpha) => new FineTuning(table, reward, { tau, alpha, weighting, stepsPerRound, lr, seed }));
    const { length } = this.runs;
    this.x0 = z.slice(0, 2 * Math.min(z.length / 2, SHOWN[length - 1]));
    Object.assign(this, { job: null, done: null, told: [], turn: 0, back: null, lost: this.runs.map(() => false) });
    this.turns = Math.ceil((this.x0.length / 2) * length / PUSHED);
    this.stale = 0;
    this.resume();
    this.first = pushedAlong(table, this.x0);
    this.shown = this.runs.map(() => this.first.slice());
    this.yardstick = pushedAlong(table, yardstick().noise);
  }

  get series() { return ["reward", "diversity", "effective", "penalty", "w2", "coupled", "alpha", "spent", "truth"]; }
  get pauses() { return true; } // a round may be done in parts
  get settled() { return false; } // chance never rests
  /** Whether a round is done in part. */
  get midway() { return this.job !== null; }
  get rounds() { return this.done ?? this.runs.map(({ round }) => round); }
  get alphas() { return this.runs.map(({ alpha }) => alpha); }
  get labels() { return labelsFor(this.alphas, this.settings); }
  /** Whether some of the particles are of an earlier round than others. */
  get mixed() { return this.stale > 0; }

  /** Takes over what may change under way, between rounds; whether anything of the training did. */
  obey(settings) {
    const before = this.settings;
    this.settings = settings;
    if (before.measured !== settings.measured) this.told = []; // of others; what one obeys in between takes nothing away
    if (TRAINING.every((name) => alike(before[name], settings[name]))) return false;
    const alphas = [this.steered.obey(settings, this.runs[0].round), ...settings.others];
    this.runs.forEach((run, k) => {
      Object.assign(run, { alpha: alphas[k], tau: settings.tau, lr: settings.lr, stepsPerRound: settings.steps_per_round });
      if (before.reward !== settings.reward) run.reward = paidFor(settings);
    });
    return true;
  }

  resume() {
    this.stopped = this.runs.map(() => null);
  }

  /** One round of every lane that has not stopped; false where it is `late` before its end: the next call goes on from there. */
  advance(late = () => false) {
    this.done ??= this.rounds;
    this.job ??= this._rounding();
    while (!this.job.next().done) if (late()) return false;
    Object.assign(this, { job: null, done: null, stale: this.turns });
    return true;
  }

  *_rounding() {
    this.told = [];
    for (const [k, run] of this.runs.entries()) {
      if (this.stopped[k]) continue;
      try {
        yield* run.rounding();
      } catch (error) {
        if (error.name !== "Diverged") throw error;
        this.stopped[k] = divergedFor(error, this.settings);
        continue;
      }
      if (k === 0 && this.steered.kind) run.alpha = this.steered.after(run.round, run.last.penalty);
    }
    if (Math.max(...this.runs.map(({ round }) => round)) % every(this.settings.speed)) return;
    for (const [k, run] of this.runs.entries()) { // what will be read is pushed in parts, too
      const { noise } = yardstick(), x = new Float64Array(noise.length);
      yield* pushing(this._readOn(run), noise, x);
      this.told[k] = x;
    }
  }

  _readOn({ average, policy }) {
    return this.settings.measured === "average" ? average : policy;
  }

  /** The finished particles, one array of points a lane: the newest networks', or, if not `whole`, some of them in turn. */
  push(whole = true) {
    const { x0, turns, turn } = this;
    this.latest = whole ? null : turn;
    this.runs.forEach(({ policy }, lane) => {
      const x = pushedAlong(policy, whole ? x0 : inTurn(x0, turn, turns));
      this.lost[lane] = !allFinite(x);
      if (!this.lost[lane]) putInTurn(this.shown[lane], x, whole ? 0 : turn, whole ? 1 : turns);
    });
    this.turn = (turn + 1) % turns;
    this.stale = whole ? 0 : Math.max(0, this.stale - 1);
    return this.shown;
  }

  /** Where finished particles were at flow time t. */
  at(x, t) {
    const turns = this.back?.t === t && this.latest !== null ? this.turns : 1, turn = turns > 1 ? this.latest : 0;
    if (turns === 1) this.back = { t, x: x.map((points) => points.slice()) };
    x.forEach((points, k) => {
      putInTurn(this.back.x[k], trajectory(this.runs[k].policy, inTurn(points, turn, turns), [1, t], BACK_STEPS).at(-1), turn, turns);
    });
    return this.back.x;
  }

  paths(x, count) {
    return waysOf(this.runs.map(({ policy }) => policy), x, count);
  }

  velocity(lane, t, x) {
    return this.runs[lane].policy.at(t, x);
  }

  warning(lane) {
    const { last } = this.runs[lane];
    if (this.lost[lane]) return tabled.banners.lost;
    return last && fewDecide(last.ess, BATCH, this.settings.weighting);
  }

  /** The mean of a reward over the reference. */
  ofReference(reward) {
    return meanOf(tabled.given.reward(reward)(this.yardstick));
  }

  /** What is read off a lane, series -> value, or null where that is not finite; W2 only if it is `dear`. */
  read(lane, dear) {
    const { settings, ground, runs } = this, run = runs[lane], v = this._readOn(run), x = this.told[lane] ?? pushedAlong(v, yardstick().noise);
    if (!allFinite(x)) return null;
    const r = tabled.given.reward(settings.reward)(x), apart = x.map((value, k) => value - this.yardstick[k]);
    const values = {
      reward: meanOf(r), diversity: meanApart(x), effective: shareThatCounts(logWeights(r, run.tau, run.weighting)),
      penalty: penaltyOf(v, x), alpha: run.alpha,
    };
    if (dear) Object.assign(values, { w2: assignmentW2(x, this.yardstick), coupled: total(apart, apart) / (x.length / 2) });
    if (settings.truth) values.truth = meanOf(tabled.given.reward(settings.truth)(x));
    if (!Object.values(values).every(Number.isFinite)) return null;
    if (lane === 0) values.spent = this.steered.spent;
    const mass = new Float64Array(ground.count), modes = ground.target.modeOf(x);
    for (let k = 0; k < modes.length; k++) mass[modes[k]] += 1 / modes.length;
    return { values, modeMass: mass };
  }
}

/** The reward as runs get it. */
function paidFor({ reward }) {
  const value = tabled.given.reward(reward);
  return (points) => value(points);
}

const meanOf = (values) => total(values) / values.length;

function pushedAlong(field, x0) {
  const x = new Float64Array(x0.length);
  finished(pushing(field, x0, x));
  return x;
}

/** Every so many-th point, from the `turn`-th on. */
function inTurn(points, turn, turns) {
  if (turns === 1) return points;
  const some = new Float64Array(2 * Math.ceil((points.length / 2 - turn) / turns));
  for (let k = 0, at = 2 * turn; k < some.length; k += 2, at += 2 * turns) {
    some[k] = points[at];
    some[k + 1] = points[at + 1];
  }
  return some;
}

function putInTurn(points, some, turn, turns) {
  for (let k = 0, at = 2 * turn; k < some.length; k += 2, at += 2 * turns) {
    points[at] = some[k];
    points[at + 1] = some[k + 1];
  }
}

/** E|v - v_ref|^2 where the training looks, between noise and samples `x1` of v. */
function penaltyOf(v, x1) {
  const { x0, t } = yardstick(), count = x1.length / 2, times = t.subarray(0, count);
  const between = x1.map((value, k) => t[k >> 1] * value + (1 - t[k >> 1]) * x0[k]), ref = v.reference.at(times, between);
  const away = v.at(times, between).map((value, k) => value - ref[k]);
  return total(away, away) / count;
}
