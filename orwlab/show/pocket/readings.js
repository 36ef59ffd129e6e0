// When the lanes are read, and what was read: show/lab/readings.py in the browser.

import { History } from "./history.js";

const READINGS = 5; // a second, at the speed that is asked for
const MOST_APART = 10; // rounds
const FIRST_ROUNDS = 10; // they are read one by one where that costs next to nothing: most of what happens happens there
const DEAR_APART = 10; // rounds from one W2 to the next, at least
const SOMETIMES = ["spent", "truth"]; // known at some rounds only

/** Rounds from one reading to the next at a speed in rounds a second; 0 is as fast as it goes. */
export const every = (speed) => (speed === 0 ? MOST_APART : Math.min(MOST_APART, Math.max(1, Math.round(speed / READINGS))));

export class Readings {
  constructor(lanes) {
    const count = lanes.rounds.length;
    Object.assign(this, { lanes, history: new History(), last: null, dear: new Array(count).fill(0) });
    this.modeMass = lanes.rounds.map(() => new Float64Array(lanes.ground.count));
  }

  _now() {
    const { settings: { measured, reward, tau, truth }, steered, rounds } = this.lanes;
    return { round: Math.max(...rounds), measured, reward, tau, truth, steered: steered.kind };
  }

  /** Whether to read now: `atRest` whatever has not been read yet; else only every so many rounds. */
  due(atRest) {
    const now = this._now(), { last } = this;
    if (atRest && this.dear.some((round) => round !== now.round)) return true;
    const others = !last || ["measured", "reward", "truth", "steered"].some((name) => now[name] !== last[name]);
    if (others || atRest) return !last || Object.keys(now).some((name) => now[name] !== last[name]);
    const first = now.round <= FIRST_ROUNDS && !this.lanes.pauses;
    return now.round !== last.round && (first || now.round % every(this.lanes.settings.speed) === 0);
  }

  /** Reads all lanes, and adds that to the curves; W2 only when it is `quiet`, and of `most` lanes. */
  read(quiet, atRest = false, most = Infinity) {
    const now = this._now(), { last, history, lanes } = this;
    if (last && now.truth !== last.truth) history.forget("truth");
    if (last && now.steered !== last.steered) history.forget("spent");
    this.last = now;
    const kept = (name) => (history.rounds.length ? [...history.last(name)] : lanes.rounds.map(() => (SOMETIMES.includes(name) ? NaN : 0)));
    const values = Object.fromEntries(lanes.series.map((name) => [name, kept(name)]));
    const age = (k) => (this.dear[k] <= now.round ? now.round - this.dear[k] : Infinity);
    const due = [...lanes.rounds.keys()].filter((k) => (atRest ? age(k) > 0 : quiet && age(k) >= DEAR_APART));
    const oldest = due.sort((a, b) => age(b) - age(a) || a - b).slice(0, most); // or else the first would always come first
    lanes.rounds.forEach((_, k) => {
      const dear = oldest.includes(k), found = lanes.read(k, dear);
      if (dear) this.dear[k] = now.round;
      if (found === null) return; // it keeps its last numbers
      this.modeMass[k] = found.modeMass;
      for (const name in found.values) values[name][k] = found.values[name];
    });
    history.add(now.round, values);
  }
}
