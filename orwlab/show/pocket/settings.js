// What one can choose, checked once: show/lab/settings.py and the checks of its table of controls, in the browser.
//
// Settings are plain objects with a value for every control; nobody writes to one. What needs networks is kept as it was
// said, so that links mean the same in the app; `shownFor` says what the exact answer to it is.

import { shownBriefly } from "./plainly.js";

/** What Python says: see tables.py; and `given`, where targets and rewards are known from. */
export const tabled = {};

/** Once, before anything else: the tables, and {target, reward, isOwn, words, checkTarget, checkReward}. */
export function loadTables(tables, given) {
  Object.assign(tabled, tables, { given });
}

/** The error of every check; a number is said as Python reads it from JSON. */
export function notAllowed(name, value, allowed) {
  return new RangeError(`${name} is ${shownBriefly(value)}; allowed: ${allowed}`);
}

export function checkedChoice(name, value, options) {
  if (typeof value !== "string" || !options.includes(value)) {
    throw notAllowed(name, value, `one of ${options.map((option) => `'${option}'`).join(", ")}`);
  }
  return value;
}

export function checkedWhole(name, value, low, high, allowed = `a whole number >= ${low} and <= ${high}`) {
  if (!Number.isInteger(value) || value < low || value > high) throw notAllowed(name, value, allowed);
  return value;
}

function checkedNumber(name, value, { low, high, allowed }) {
  if (typeof value !== "number" || !(value >= low && value <= high)) throw notAllowed(name, value, allowed);
  return value;
}

const MOST_LANES_HERE = 4; // side by side
const CHECKS = {
  Number: (control, value) => checkedNumber(control.called, value, control),
  Whole: (control, value) => checkedWhole(control.called, value, control.low, control.high, control.allowed),
  Switch: (control, value) => {
    if (typeof value !== "boolean") throw notAllowed(control.called, value, "True or False");
    return value;
  },
  Choice: (control, value) => checkedChoice(control.called, value, control.options),
  Several: ({ called, of, most }, value) => {
    if (!Array.isArray(value) || value.length > most) throw notAllowed(called, value, `at most ${most} numbers, to be shown side by side`);
    return value.map((one) => checkedNumber(of.called, one, of));
  },
  Lineup: ({ called, options }, value) => {
    const allowed = `at most ${MOST_LANES_HERE}, to be shown side by side`;
    if (!Array.isArray(value) || value.length > MOST_LANES_HERE) throw notAllowed(`${called}s`, value, allowed);
    const found = value.map((one) => checkedChoice(called, one, options));
    if (new Set(found).size < found.length) throw notAllowed(`${called}s`, value, "each one once");
    return found;
  },
};

/** The clean value of a setting; an Error names it, the value and what is allowed. */
export function checkedSetting(name, value) {
  const { controls, given } = tabled, control = controls[checkedChoice("control", name, Object.keys(controls))];
  if (given.isOwn(value) && name === "target") return given.checkTarget(value) ?? value;
  if (given.isOwn(value) && (name === "reward" || name === "truth")) return given.checkReward(value) ?? value;
  return CHECKS[control.kind](control, value);
}

/** Settings with some others in place of theirs; only those are checked. Of none, the defaults. */
export function changedSettings(changes, settings = tabled.defaults) {
  const made = { ...settings };
  for (const [name, value] of Object.entries(changes)) made[name] = checkedSetting(name, value);
  return made;
}

/** Settings with the views of others. */
export const seenAs = (settings, { mode, measured, truth, speed, t, arrows, paths }) =>
  ({ ...settings, mode, measured, truth, speed, t, arrows, paths });

/** Whether two values of a setting are the same. */
export const alike = (a, b) => a === b ||
  (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, k) => one === b[k]));

export const sameSettings = (a, b) => Object.keys(a).every((name) => alike(a[name], b[name]));

export const isExact = ({ mode, methods }) => mode === "exact" && methods.length === 0;
export const isSteered = (settings) => settings.methods.length === 0 &&
  (settings.steer === "w2" || (settings.steer === "kl" && isExact(settings)));
export const lanesOf = ({ methods, others }) => methods.length || 1 + others.length;

/** Whether coming from `before` means to start again from the reference. */
export function startsAgain(settings, before) {
  return tabled.fromTheStart.some((name) => !alike(settings[name], before[name])) || lanesOf(settings) !== lanesOf(before);
}

/** Whether these are of networks that this page can train: of one method, without what only the app has. */
export const trainable = ({ mode, methods, coupling, fault }) => mode !== "exact" && methods.length === 0 && coupling === "independent" && !fault;

/** The settings of what is shown: the exact answer stands in for networks that are not to be had; `networks`: whether any are. */
export function shownFor(settings, networks = true) {
  if (isExact(settings) || (networks && trainable(settings))) return settings;
  const exact = { ...settings, mode: "exact" };
  if (settings.methods.length === 0) return exact;
  // for all that race, the one whose course is known exactly
  return { ...exact, methods: [], others: [], steer: "", weighting: "mean_one", tau: 1, alpha: 1 / settings.strength };
}
