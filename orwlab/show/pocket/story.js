// A run as one can tell it: show/lab/story.py in the browser, and its JSON, so that a link opens in either.

import { alike, changedSettings, checkedChoice, checkedWhole, notAllowed, seenAs, tabled } from "./settings.js";
import { CLOSE } from "./history.js";

const MOST_CHANGES = 500;
const HEAVY = 100000; // characters of all texts among the changes
const LAST_ROUND = 100000;
export const RESUME = "resume";

/** What it began with (`start`, settings), what was changed (`log`, of [round, control, value]), and how far it went. */
export class Story {
  constructor(start, log = [], round = 0, whole = true) {
    Object.assign(this, { start, log, round, whole });
  }

  /** A story from outside, {scene, log, round}; an Error says in plain words what is wrong with it. */
  static read(given) {
    const plain = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
    if (!plain(given) || !plain(given.scene)) throw notAllowed("scene", given, "controls and their values, such as {'alpha': 0.3}");
    Object.keys(given.scene).forEach((name) => checkedChoice("control", name, Object.keys(tabled.defaults)));
    const said = Object.keys(tabled.defaults).filter((name) => Object.hasOwn(given.scene, name)).map((name) => [name, given.scene[name]]);
    const start = changedSettings(Object.fromEntries(said)), { log: entries = [] } = given;
    if (!Array.isArray(entries) || entries.length > MOST_CHANGES) {
      throw notAllowed("log", entries, `a list of at most ${MOST_CHANGES} changes, each [round, control, value]`);
    }
    const log = [];
    let settings = start, at = 0;
    for (const entry of entries) {
      if (!Array.isArray(entry) || entry.length !== 3) throw notAllowed("change", entry, "[round, control, value]");
      at = checkedWhole("round of a change", entry[0], at, LAST_ROUND);
      const name = checkedChoice("control of a change", entry[1], [...tabled.onTheWay, RESUME]);
      if (name !== RESUME) settings = changedSettings({ [name]: entry[2] }, settings);
      if (settings.others.length !== start.others.length) {
        throw notAllowed("further α", entry[2], `as many as at the beginning, ${start.others.length}`);
      }
      put(log, [at, name, name === RESUME ? true : settings[name]]);
    }
    const { round = at } = given;
    return new Story(start, log, checkedWhole("round", round, at, LAST_ROUND), given.whole !== false);
  }

  /** What `read` takes, as JSON for a picture: without the round, which pictures say by themselves. */
  text(undo) {
    const start = this.at(0), scene = {};
    for (const [name, value] of Object.entries(start)) if (!alike(value, tabled.defaults[name])) scene[name] = value;
    return JSON.stringify({ scene, log: this.log.filter(([at]) => at > 0), ...(this.whole ? {} : { whole: false }), undo });
  }

  get settings() {
    return this.at(this.round);
  }

  /** The settings for the round after `round`. */
  at(round) {
    const changes = {};
    for (const [at, name, value] of this.log) if (at <= round && name !== RESUME) changes[name] = value;
    return { ...this.start, ...changes };
  }

  /** With these changes, [control, value], after `round` rounds, and no further. */
  changed(round, changes = []) {
    let log = [...this.log];
    if (log.length && log.at(-1)[0] > round) { // it went back to its last good state: what was changed since goes with it
      log = [];
      for (const [at, name, value] of this.log) put(log, [Math.min(at, round), name, value]);
    }
    for (const [name, value] of changes) put(log, [round, name, value]);
    let { whole } = this, gap = CLOSE;
    while (log.length > MOST_CHANGES || (heavy(log) && gap < 2 * LAST_ROUND)) {
      log = thinned(log, gap);
      whole = false;
      gap *= 2;
    }
    return new Story(this.start, log, round, whole);
  }

  /** Up to its last change, without it; null if there was none. A drag is one change. */
  undone() {
    const log = [...this.log];
    while (log.length && log.at(-1)[1] === RESUME) log.pop();
    if (!log.length) return null;
    let [at, name] = log.pop();
    while (log.length && log.at(-1)[1] === name && at - log.at(-1)[0] < CLOSE) [at] = log.pop();
    return new Story(this.start, log, at, this.whole);
  }

  /** The same course with other views. */
  seenAs(settings) {
    return new Story(seenAs(this.start, settings), this.log, this.round, this.whole);
  }

}

/** At the end, in place of what the same control was told in the same round. */
function put(log, change) {
  for (let k = log.length - 1; k >= 0 && log[k][0] === change[0]; k--) {
    if (log[k][1] !== change[1]) continue;
    log.splice(k, 1);
    break;
  }
  log.push(change);
}

/** Without changes that the same control takes back, or goes on with, fewer than `gap` rounds later. */
function thinned(log, gap) {
  const later = {};
  return [...log].reverse().filter(([at, name]) => {
    if (name in later && later[name] - at < gap) return false;
    later[name] = at;
    return true;
  }).reverse();
}

const heavy = (log) => log.reduce((sum, [, , value]) => sum + (typeof value === "string" ? value.length : 0), 0) > HEAVY;
