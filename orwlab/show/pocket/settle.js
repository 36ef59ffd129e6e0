// Where dynamics come to rest, and why there is nothing to show if they do not: `settle` and `_from` of show/lab/exact.py.

import { finished } from "./dynamics.js";

/** Total variation a refresh: below it no digit changes any more. */
export const SETTLED = 1e-5;
const MOST_ROUNDS = 100; // of a search for the limit
const NEARLY = 1e-3; // as SETTLED, of a search that may end before it has settled

/**
 * Lets dynamics go on to their limit, refresh by refresh: a generator that answers "" if they are there, else why there
 * is none to show: "finer" than the grid, "leaves" it, or still "moving".
 */
export function* settling(dynamics) {
  let found;
  try {
    found = yield* dynamics.seeking({ tol: SETTLED, maxRounds: MOST_ROUNDS });
  } catch (error) {
    if (error.name !== "NotFinite") throw error;
    return "finer";
  }
  const { problems } = dynamics;
  if ("domain" in problems || "tail" in problems) return "leaves";
  if ("mass" in problems) return "finer";
  return found.moved > NEARLY ? "moving" : "";
}

/** `settling` in one go. */
export function settle(dynamics) {
  return finished(settling(dynamics));
}

/**
 * The limit from the limit `end` of another reward, which while somebody paints is close: a generator that answers new
 * dynamics, or null where it is not found so.
 */
export function* settlingFrom(end, reward) {
  const near = Object.assign(end.copy(), { reward });
  let found;
  try {
    found = yield* near.seeking({ tol: SETTLED, maxRounds: MOST_ROUNDS });
  } catch (error) {
    if (error.name !== "NotFinite") throw error;
    return null;
  }
  return found.converged && !["domain", "tail", "mass"].some((kind) => kind in near.problems) ? near : null;
}
