// Targets and rewards by the text that says them: show/lab/own.py in the browser.

import { Mixture } from "./mixtures.js";
import { namedReward } from "./rewards.js";

const KEPT_GIVEN = 64; // densities and rewards that are remembered
const named = { targets: {}, rewards: {} };

/** What given.py knows of names, once, before anything is asked. */
function load(tables) {
  Object.assign(named, tables);
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

function chosen(what, text, allowed) {
  if (Object.hasOwn(allowed, text)) return allowed[text];
  throw new Error(`${what} is '${text}'; allowed: one of ${Object.keys(allowed).map((name) => `'${name}'`).join(", ")}`);
}

const target = remembered((text) => new Mixture({ name: text, ...chosen("target", text, named.targets) }));
const reward = remembered((text) => namedReward(chosen("reward", text, named.rewards)));

export const given = { load, target, reward };
