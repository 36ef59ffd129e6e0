// Targets and rewards by the text that says them: show/lab/own.py in the browser.

import { digitsWords } from "../web/digit_words.js";
import { formulaReward } from "./formula.js";
import { Mixture } from "./mixtures.js";
import { inkedPainting, paintedReward, paintedTarget } from "./painting.js";
import { pointsTarget, readPoints } from "./points.js";
import { namedReward } from "./rewards.js";

const KEPT_GIVEN = 64; // densities and rewards that are remembered
const named = {};

/** What kind of thing somebody brought along, "paint" to "judge"; undefined for a name. */
const broughtKind = (text) => /^(paint|points|formula|digits|judge):/.exec(text)?.[1];
const bodyOf = (text) => text.slice(text.indexOf(":") + 1);

const TARGET_MAKERS = {
  paint: paintedTarget,
  points: pointsTarget,
  formula: () => onlyAReward("a formula is"),
  digits: () => onlyAReward("wanted digits are"),
  judge: () => onlyAReward("wanted digits are"),
};
const REWARD_MAKERS = {
  paint: paintedReward,
  points: () => refused("points are a target, not a reward; allowed: the name of a reward, a painting or a formula"),
  formula: (text) => formulaReward(bodyOf(text)),
  digits: wantedDigits,
  judge: wantedDigits,
};

function refused(why) {
  throw new Error(why);
}

const onlyAReward = (what) => refused(`${what} a reward, not a target; allowed: the name of a target, a painting or points`);

function wantedDigits(text) {
  const wanted = bodyOf(text), known = /^[0-9]{1,9}$/.test(wanted) && new Set(wanted).size === wanted.length;
  if (!known) refused(`digits is '${wanted}'; allowed: some of 0123456789, each once and not all of them, such as digits:02468`);
  return refused(named.noDigits);
}

function byName(what, text, known) {
  if (Object.hasOwn(known, text)) return known[text];
  return refused(`${what} is '${text}'; allowed: one of ${Object.keys(known).map((name) => `'${name}'`).join(", ")}`);
}

/** A function of texts that remembers its last answers. */
function remembered(make) {
  const kept = new Map();
  return (text) => {
    const found = kept.get(text) ?? make(text);
    kept.delete(text);
    kept.set(text, found); // the newest
    if (kept.size > KEPT_GIVEN) kept.delete(kept.keys().next().value);
    return found;
  };
}

/** What people bring along, and what has a name. All but `load` take a text; those that find something wrong throw an Error. */
export const given = {
  /** The tables of given.py, once, before anything is asked. */
  load(tables) { Object.assign(named, tables); },

  isOwn: (text) => typeof text === "string" && broughtKind(text) !== undefined,

  /** A Mixture, whose name is the text. */
  target: remembered((text) => {
    const kind = broughtKind(text);
    return kind ? TARGET_MAKERS[kind](text) : new Mixture({ name: text, ...byName("target", text, named.targets) });
  }),

  /** (points, dim = 2) -> Float64Array; of a formula with `unbounded`. */
  reward: remembered((text) => {
    const kind = broughtKind(text);
    return kind ? REWARD_MAKERS[kind](text) : namedReward(byName("reward", text, named.rewards));
  }),

  /** The text, if it says a target. No density is made of what was brought. */
  checkTarget(text) {
    const check = { paint: inkedPainting, points: readPoints }[broughtKind(text)] ?? given.target;
    check(text);
    return text;
  },

  /** The text, if it says a reward. */
  checkReward(text) {
    given.reward(text);
    return text;
  },

  /** What somebody brought along, in a few words; a name is said as it is. */
  words(text) {
    const kind = broughtKind(text);
    if (kind === "paint" || kind === "points") return kind === "paint" ? "Your painting" : "Your points";
    const letters = [...(kind === "formula" ? `Your formula: ${bodyOf(text)}` : (digitsWords(text) ?? text))];
    return letters.length <= named.mostWords ? letters.join("") : `${letters.slice(0, named.mostWords - 1).join("")}…`;
  },
};
