// Sentences over the picture: show/lab/banners.py in the browser; the words are Python's.

import { tabled } from "./settings.js";

const TOO_MANY_OUTSIDE = 0.3; // of the samples
const KEEPS_LITTLE = 0.25; // of the reference's mean distance: then it has collapsed

/** Whether a reward has no ceiling. */
export const hasNoCeiling = (text) => tabled.banners.unbounded.includes(text) || Boolean(tabled.given.reward(text).unbounded);

/** What a search for the limit has to say, why it found none: see settle.js. */
export const whyNoLimit = (why, reward) => tabled.limits[why === "leaves" && hasNoCeiling(reward) ? "unbounded" : why];

const way = (settings) => (hasNoCeiling(settings.reward) ? "unbounded" : "ceiling");

/** Whether points, which began as `first`, have collapsed or are leaving the data; or null. */
export function glancedAt(x, first, region, settings) {
  const { collapsed, collapsedOutside, left, advice } = tabled.banners;
  const fallen = meanPairwise(x) < KEEPS_LITTLE * meanPairwise(first), outside = region.outside(x) > TOO_MANY_OUTSIDE;
  if (fallen && outside) return { ...collapsed, title: collapsedOutside };
  if (outside) return { ...left, text: `${left.text} ${advice[way(settings)]}` };
  return fallen ? collapsed : null;
}

/** Anything that nobody foresaw. */
export function failedFor(error) {
  const { failed } = tabled.banners;
  return { ...failed, text: failed.text.replace("{what}", String(error.message ?? error).replace(/\.+$/, "")) };
}

/** Whether few samples of a draw carry the weight; or null. */
export function fewDecide(ess, drawn, weighting) {
  const { few, fewShare } = tabled.banners;
  if (ess >= fewShare * drawn) return null;
  const said = few[weighting === "clipped" ? "clipped" : "plain"];
  return { ...said, text: said.text.replace("{ess}", Math.max(1, Math.round(ess))).replace("{drawn}", drawn) };
}

/** A run whose numbers stopped being finite. */
export function divergedFor({ what }, settings) {
  const { diverged, usualLr } = tabled.banners, said = diverged[way(settings)][settings.lr > usualLr ? "fast" : "usual"];
  return { ...said, title: said.title.replace("{what}", what) };
}

/** What exact dynamics say about their own grid. */
export function beyondTheGrid(problems, settings, coarseAtRest = 0) {
  if ("domain" in problems || "tail" in problems) return tabled.banners.runsAway[way(settings)];
  const { finer, finerYet } = tabled.banners; // that the data are thin already is no news of the density
  return problems.coarse > finerYet * coarseAtRest || "mass" in problems ? finer : null;
}

function meanPairwise(x) {
  const n = x.length / 2;
  let sum = 0;
  for (let a = 0; a < n; a++) for (let b = 0; b < a; b++) sum += Math.hypot(x[2 * a] - x[2 * b], x[2 * a + 1] - x[2 * b + 1]);
  return (2 * sum) / (n * (n - 1));
}
