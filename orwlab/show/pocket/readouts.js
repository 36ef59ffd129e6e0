// Read-outs and curves of exact lanes: show/lab/readouts.py and stage/readouts.py in the browser; the hints are Python's.

import { fixed, said } from "../stage/numerals.js";
import { numbers32 } from "./encode.js";
import { tabled } from "./settings.js";

const LEAST_SAID = 1e-12; // less is rounding
const LEFT_OUT = -99; // log10 of what a logarithmic panel cannot show

const signed = (value) => said(value, false);
const significant = (value) => said(value, true);
export const perCent = (share) => `${fixed(100 * share, share >= 0.1 || share < LEAST_SAID ? 0 : 1)} %`;


/** A read-out. */
const tile = (key, name, short, value, exact, hint) => ({ key, name, short, value, exact, hint, spread: null });

function exactly(limit, name, say) {
  if (!limit) return null;
  return limit.resolved ? say(limit[name]) : `about ${say(limit[name])}`;
}

/** What explains a read-out; with the network it was `measured` on, if it was. */
const hintOf = (key, measured) => tabled.hints[key] + (measured ? ` ${tabled.readOn[measured]}.` : "");

/**
 * The read-outs of a lane: the present round's, with the limit beside it. `truths`: in the limits, null without one;
 * `measured`: on which of a network's weights, null of exact lanes.
 */
export function laneNumbers(history, lane, limit, { truths, steered, measured }) {
  const last = (name) => history.last(name)[lane], hints = Object.fromEntries(Object.keys(tabled.hints).map((key) => [key, hintOf(key, measured)]));
  const distance = (value) => (value > 0 ? significant(value) : "–");
  const made = [
    tile("reward", "mean reward", "reward", signed(last("reward")), exactly(limit, "reward", signed), hints.reward),
    tile("diversity", "diversity", "diversity", signed(last("diversity")), exactly(limit, "diversity", signed), hints.diversity),
    tile("w2", "distance W₂²", "W₂²", distance(last("w2")), exactly(limit, "w2", significant), hints.w2),
    ...(measured ? [
      tile("coupled", "coupled cost", "coupled", distance(last("coupled")), null, hints.coupled),
      tile("penalty", "distance penalty", "penalty", distance(last("penalty")), null, hints.penalty),
    ] : []),
    tile("ess", "effective samples", "effective", perCent(last("effective")), exactly(limit, "ess", perCent), hints.ess),
    ...(measured ? [] : [tile("moved", "moved a round", "moved", perCent(last("moved")), null, hints.moved)]),
  ];
  if (truths) {
    const value = last("truth"), limitSays = truths[lane] === null ? null : signed(truths[lane]);
    made.splice(1, 0, tile("truth", "true reward", "true", Number.isNaN(value) ? "–" : signed(value), limitSays, hints.truth));
  }
  if (steered !== null) made.push(tile("alpha", "steered α", "α", significant(steered), null, hints.alpha));
  return made;
}

/** The read-outs that belong to the whole session. */
export function sessionNumbers(round, speed, drawn) {
  const { hints } = tabled, commas = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
  return [
    tile("round", "round", "round", commas(round), null, hints.round),
    tile("speed", "rounds a second", "rounds/s", speed === null ? "–" : speed.toFixed(0), null, hints.speed),
    tile("drawn", "particles", "particles", commas(drawn), null, hints.drawn.replace("{why}", "")),
  ];
}

/** The panels, {header, arrays} each: reward, diversity, distances; the true reward and a steered alpha where there are such. */
export function curvesOf(history, limits, truths, steering, measured = null) {
  const distances = { w2: "W₂²", ...(measured ? { coupled: "coupled cost", penalty: "penalty" } : {}) }, of = Object.keys(distances);
  const names = limits.map((limit) => (!limit || limit.resolved ? "exact limit" : "exact limit, about"));
  const marks = (name) => limits.map((limit) => (limit ? limit[name] : null));
  const linear = (series, title, span) => curve({
    series, title, values: [history.series(series)], baseline: history.first[series], exact: marks(series), names, span, hint: hintOf(series, measured),
  });
  return [
    linear("reward", "Mean reward", 0.4),
    ...(truths ? [truthCurve(history, truths, names, measured)] : []),
    ...(steering && !steering.why ? [steeredCurve(history, steering)] : []),
    linear("diversity", "Diversity", 1),
    curve({
      series: of, title: "Distances", values: of.map((name) => history.series(name)), exact: marks("w2"), names,
      hint: hintOf("w2", measured), log: true, lines: Object.values(distances), span: 1,
    }),
  ];
}

function truthCurve(history, truths, names, measured) {
  const { rounds, kept } = knownRounds(history, "truth"), { truth: first } = history.first;
  return curve({
    series: "truth", title: "True reward", values: [kept(history.series("truth"))], baseline: Number.isNaN(first) ? null : first,
    exact: truths, names, span: 0.4, hint: hintOf("truth", measured), rounds,
  });
}

function steeredCurve(history, { budget, kind }) {
  const { rounds, kept } = knownRounds(history, "spent", 1), what = tabled.spent[kind];
  const values = [kept(history.series("alpha")), kept(history.series("spent")).map((lane) => lane.map((v) => (Number.isNaN(v) ? 0 : v)))];
  return curve({
    series: ["alpha", "spent"], title: "Steered α", values, exact: values[0].map((_, k) => (k ? null : budget)),
    names: values[0].map(() => "budget"), log: true, lines: ["α", what], span: 1, rounds,
    hint: `${tabled.hints.alpha} The dashed line is the budget of the first lane, for the ${what}.`,
  });
}

/** The rounds at which a series is known in the first `lanes`, by default all, and what keeps of others those. */
function knownRounds(history, name, lanes = Infinity) {
  const values = history.series(name).slice(0, lanes);
  const there = history.rounds.map((_, k) => values.every((lane) => Number.isFinite(lane[k])));
  const kept = (series) => series.map((lane) => lane.filter((_, k) => there[k]));
  return { rounds: history.rounds.filter((_, k) => there[k]), kept };
}

/** One panel: `values` are (series, lanes, rounds). */
function curve({ series, title, values, baseline = null, exact, names, span, hint, log = false, lines = [], rounds = null }) {
  const say = log ? significant : signed, of = [series].flat(), arrays = {};
  const last = values.map((lanes) => lanes.map((lane) => (lane.length ? say(lane.at(-1)) : "–")));
  const written = (value) => (log ? (value > 0 ? Math.log10(value) : LEFT_OUT) : value);
  of.forEach((name, k) => {
    arrays[name] = numbers32(values[k].flat().map(written), [values[k].length, values[k][0].length]);
  });
  if (rounds) arrays[`rounds of ${of[0]}`] = numbers32(rounds, [rounds.length]);
  const header = {
    series, title, hint, log, span, names: lines, values: Array.isArray(series) ? last : last[0],
    baseline: baseline === null ? null : { value: baseline, label: `reference ${say(baseline)}` },
    exact: exact.map((value, k) => (value === null ? null : { value, label: `${names[k]} ${say(value)}` })),
  };
  return { header, arrays };
}
