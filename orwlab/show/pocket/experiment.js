// What a session works on, and the pictures of it: show/lab/experiment.py and picture.py in the browser.

import { glancedAt } from "./banners.js";
import { FINE_AXIS } from "./ground.js";
import { Lanes, meanOver } from "./lanes.js";
import { curvesOf, laneNumbers, sessionNumbers } from "./readouts.js";
import { Readings } from "./readings.js";
import { exactText, frameText, HOME, sceneText, viewFor } from "./scenes.js";
import { NetworkLanes } from "./network_lanes.js";
import { alike, isExact, isSteered, tabled } from "./settings.js";
import { RESUME, Story } from "./story.js";
import { normals } from "./twister.js";

const LOOK_EVERY = 5; // rounds between looks for collapse and leaving the data
const LOOKED_AT = 200; // particles
const SEEDS_BEYOND = 2 ** 31 - 1; // what torch's generator is seeded with besides the seed, so that noise is not the run's own
const ARROWS_A_SIDE = 13, PATHS_SHOWN = 24, PATH_POINTS = 13, TRACE_POINTS = 25;

/** Lanes from the reference on, with their curves and pictures. Learned and exact ones are kept apart, made when wanted. */
export class Experiment {
  constructor(settings, particles, axis) {
    Object.assign(this, { settings, axis, z: normals(settings.seed + SEEDS_BEYOND, 2 * particles), failure: null, kinds: {} });
    this._show(settings);
  }

  /** Shows the lanes of the kind that settings ask for. */
  _show(settings) {
    const kind = isExact(settings) ? "exact" : "learned", fresh = !this.kinds[kind];
    if (this.kind === kind) return;
    if (this.kind) this.kinds[this.kind].ownStory = this.ownStory;
    if (fresh) {
      const lanes = new (isExact(settings) ? Lanes : NetworkLanes)(settings, this.z, this.axis), labels = lanes.ground.target.modeOf(lanes.first);
      this.kinds[kind] = { lanes, labels, readings: new Readings(lanes), ownStory: new Story(settings) };
    }
    Object.assign(this, { kind, ...this.kinds[kind], looked: -LOOK_EVERY });
    this.looks = this.lanes.rounds.map(() => null);
    Object.assign(this, { size: HOME, drawn: "", scene: { of: "", text: "" }, exact: { of: null, text: "" } });
    this.draw(); // the particles are those of this kind
    if (fresh) this.readings.read(true);
  }

  get round() { return Math.max(...this.lanes.rounds); }
  get history() { return this.readings.history; }
  get story() { return this.ownStory.seenAs(this.settings).changed(this.round); }
  get stopped() { return this.lanes.stopped.every(Boolean); }

  /** Lets the lanes know the settings; whether they go another way now. */
  obey(settings) {
    this.settings = settings;
    this._show(settings);
    const before = this.lanes.settings, moved = tabled.onTheWay.filter((name) => !alike(before[name], settings[name])), { history } = this;
    if (moved.length) this.ownStory = this.ownStory.changed(this.round, moved.map((name) => [name, settings[name]]));
    const changed = this.lanes.obey(settings);
    if (changed) history.mark(this.round);
    if (before.reward !== settings.reward) history.first.reward = this.lanes.ofReference(settings.reward);
    if (before.truth !== settings.truth) history.first.truth = settings.truth ? this.lanes.ofReference(settings.truth) : NaN;
    return changed;
  }

  /** Lets lanes that stopped go on from their last good state. */
  resume() {
    if (this.lanes.stopped.some(Boolean)) this.ownStory = this.ownStory.changed(this.round, [[RESUME, true]]);
    this.failure = null;
    this.lanes.resume();
  }

  /** Whether the particles on show are of this round and view; of networks some may be of an earlier round. */
  get drawnForThis() { return this._view() === this.drawn; }
  get upToDate() { return this.drawnForThis && !this.lanes.mixed; }

  _view() {
    const { t, paths, arrows } = this.settings;
    return JSON.stringify([this.round, t, paths, arrows]);
  }

  /** Places the particles, of networks maybe not the `whole` of them, and works out arrows and paths if they are wanted. */
  draw(whole = true) {
    const { lanes, settings: { t, arrows, paths } } = this;
    this.finished = lanes.push(whole);
    this.x = t === 1 ? this.finished : lanes.at(this.finished, t);
    this.size = viewFor(joinedPoints(this.x), this.size);
    const lattice = arrows ? latticeOf(this.size) : null;
    this.arrows = arrows ? this.x.map((_, k) => besides(lattice, lanes.velocity(k, t, lattice))) : null;
    this.paths = paths ? lanes.paths(this.finished.map((x) => x.subarray(0, 2 * PATHS_SHOWN)), PATH_POINTS) : null;
    this.drawn = this._view();
    if (this.looked <= this.round && this.round < this.looked + LOOK_EVERY) return;
    this.looked = this.round;
    const first = lanes.first.subarray(0, 2 * LOOKED_AT);
    this.looks = this.finished.map((x) => glancedAt(x.subarray(0, 2 * LOOKED_AT), first, lanes.ground.region, this.settings));
  }

  /** The most important thing to say about a lane. */
  banner(lane) {
    return this.failure ?? this.lanes.stopped[lane] ?? this.looks[lane] ?? this.lanes.warning(lane);
  }

  /** {scene, exact, frame}: `meta` is completed, `limits` know where it ends. */
  messages(meta, limits, speed) {
    const { lanes, settings, history } = this, ends = limits.of(settings), why = limits.said(settings);
    const truths = settings.truth ? ends.map((limit) => (limit ? meanOver(settings.truth, limit) : null)) : null;
    const steered = isSteered(settings), { labels, alphas, rounds } = lanes, measured = this.kind === "exact" ? null : settings.measured;
    const described = alphas.map((alpha, k) => ({
      alpha, label: labels[k], round: rounds[k], banner: this.banner(k), limit: why[k],
      numbers: laneNumbers(history, k, ends[k], { truths, steered: steered ? alpha : null, measured }),
    }));
    const particles = this.x[0].length / 2, traced = meta.traced < particles ? meta.traced : null; // null stays null
    return {
      scene: this._sceneText(),
      exact: this._exactText(ends),
      frame: frameText({ ...meta, traced, lanes: described, numbers: sessionNumbers(meta.round, speed, particles) }, {
        x: this.x, size: this.size, rounds: history.rounds, changes: history.changes,
        curves: curvesOf(history, ends, truths, meta.steering, measured),
        arrows: this.arrows, paths: this.paths, trace: traced === null ? null : this._trace(traced),
        masses: this.readings.modeMass, limitMasses: ends.map((limit) => limit?.modeMass ?? null),
      }),
    };
  }

  /** The way of one particle from its noise to where it is at the flow time on show. */
  _trace(particle) {
    const one = this.finished.map((x) => x.slice(2 * particle, 2 * particle + 2)), { t } = this.settings;
    let before = 0;
    while (before < TRACE_POINTS && before / (TRACE_POINTS - 1) < t - 1e-6) before++;
    return this.lanes.paths(one, TRACE_POINTS).map(([way], k) =>
      Float64Array.from([...way.subarray(0, 2 * Math.max(1, before)), this.x[k][2 * particle], this.x[k][2 * particle + 1]]));
  }

  _sceneText() {
    const { settings: { target, reward, truth }, size } = this, of = JSON.stringify([reward, truth, size]);
    if (this.scene.of !== of) {
      const { given } = tabled, grounds = { reward: given.reward(reward), ...(truth ? { truth: given.reward(truth) } : {}) };
      this.scene = { of, text: sceneText(this.lanes.ground.target, grounds, size, this.labels, tabled.modeNames[target]) };
    }
    return this.scene.text;
  }

  /** The densities of exact lanes; beside networks those of the limits `ends`. */
  _exactText(ends) {
    const { lanes } = this;
    if (this.kind === "learned") return this._limitsText(ends);
    if (this.exact.of !== lanes.densities) {
      const resolved = lanes.states.map(({ problems }) => Object.keys(problems).length === 0);
      this.exact = { of: lanes.densities, text: exactText(lanes.densities, FINE_AXIS, lanes.ground.extent, resolved) };
    }
    return this.exact.text;
  }

  _limitsText(ends) {
    const known = ends.find(Boolean);
    if (this.settings.mode === "learned" || !known) return "";
    if (!this.exact.of || !alike(this.exact.of, ends)) {
      const densities = ends.map((limit) => limit?.density ?? null), resolved = ends.map((limit) => limit?.resolved ?? false);
      this.exact = { of: ends, text: exactText(densities, FINE_AXIS, known.extent, resolved) };
    }
    return this.exact.text;
  }
}

function joinedPoints(lanes) {
  const all = new Float64Array(lanes.length * lanes[0].length);
  lanes.forEach((lane, k) => all.set(lane, k * lane.length));
  return all;
}

/** Places evenly over the view. */
function latticeOf(size) {
  const points = [], axis = Array.from({ length: ARROWS_A_SIDE }, (_, k) => 0.92 * size * ((2 * k) / (ARROWS_A_SIDE - 1) - 1));
  for (const x of axis) for (const y of axis) points.push(x, y);
  return Float64Array.from(points);
}

/** x, y, u, v of places and velocities. */
function besides(points, u) {
  const both = new Float64Array(2 * points.length);
  for (let k = 0; k < points.length; k += 2) both.set([points[k], points[k + 1], u[k], u[k + 1]], 2 * k);
  return both;
}
