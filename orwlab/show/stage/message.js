// Turns what a host hands over into what the stage draws. Everything is checked here, before anything is drawn: a
// message that is not whole throws, and the stage keeps its last good picture. The header is described in scenes.py.

import { decodeFrame } from "./decode.js";
import { contourSegments, refined } from "./contours.js";

export const MOST_LANES = 4;
const NOTHING = -90; // log10 of what a logarithmic panel leaves out, see readouts.py

function need(condition, what) {
  if (!condition) throw new Error(what);
}

/** -> {meta, arrays, lanes, numbers, panels, count, n}: `meta` as it was sent, the rest ready to be drawn. */
export function readFrame(text) {
  const { meta, arrays } = decodeFrame(text);
  const shape = arrays.x?.shape ?? [];
  need(shape.at(-1) === 2 && (shape.length === 2 || shape.length === 3), "x is no list of points");
  const [count, n] = shape.length === 3 ? shape : [1, shape[0]];
  need(count >= 1 && count <= MOST_LANES, `${count} lanes`);
  need(Array.isArray(meta.view) && meta.view.length === 4 && meta.view.every(Number.isFinite) &&
    meta.view[0] < meta.view[1] && meta.view[2] < meta.view[3], "no view");
  const rounds = arrays.rounds?.data ?? new Float32Array(0);
  for (const [name, dims] of [["arrows", 3], ["paths", 4], ["trace", 3], ["mode_mass", 2], ["mode_mass_exact", 2]]) {
    if (arrays[name]) need(arrays[name].shape.length === dims && arrays[name].shape[0] === count, `shape of ${name}`);
  }
  if (arrays.arrows) need(arrays.arrows.shape[2] === 4, "shape of arrows");
  if (arrays.trace) need(arrays.trace.shape[2] === 2 && arrays.trace.shape[1] > 1, "shape of trace");
  if (arrays.paths) need(arrays.paths.shape[3] === 2, "shape of paths");
  if (arrays.mode_mass && arrays.mode_mass_exact) {
    need(arrays.mode_mass.shape[1] === arrays.mode_mass_exact.shape[1] || arrays.mode_mass_exact.shape[1] === 1,
      "shape of mode_mass_exact");
  }
  const given = Array.isArray(meta.lanes) && meta.lanes.length ? meta.lanes : [{ ...meta, numbers: [] }];
  need(given.length === count, `${given.length} lanes described, ${count} sent`);
  const lanes = given.map((lane) => ({
    label: lane.label ?? (count > 1 && lane.alpha !== undefined ? `α = ${lane.alpha}` : ""),
    round: lane.round ?? meta.round,
    banner: lane.banner?.title ? lane.banner : null,
    limit: lane.limit?.state ? { state: String(lane.limit.state), text: String(lane.limit.text ?? "") } : null,
    numbers: (lane.numbers ?? []).map(readNumber),
  }));
  meta.round ??= lanes[0].round;
  meta.state ??= "paused";
  return {
    meta, arrays, lanes, count, n,
    mode: ["learned", "exact", "both"].includes(meta.mode) ? meta.mode : "learned",
    time: Number.isFinite(meta.t) ? meta.t : 1,
    numbers: (meta.numbers ?? []).map(readNumber),
    panels: (meta.curves ?? []).map((curve) => readCurve(curve, arrays, rounds, count)),
    changes: arrays.changes?.data ?? new Float32Array(0),
  };
}

function readNumber(number) {
  const given = Array.isArray(number) ? { name: number[0], value: number[1], short: number[2] } : number;
  const name = String(given.name ?? given.key);
  return {
    key: String(given.key ?? name), name, short: String(given.short ?? name), value: String(given.value ?? "–"),
    exact: given.exact ?? null, spread: given.spread ?? null, hint: String(given.hint ?? ""),
  };
}

/** -> {title, hint, log, span, baseline, exact: one a lane, lines: [{name, series, lanes: [{xs, ys, value}]}]} */
function readCurve(curve, arrays, frameRounds, count) {
  const series = [curve.series].flat();
  const xs = arrays[`rounds of ${series[0]}`]?.data ?? frameRounds;
  const lines = series.map((name, s) => {
    const array = arrays[name];
    need(array, `no values of ${name}`);
    const length = array.shape.at(-1);
    need(length === xs.length && array.data.length === count * length, `shape of ${name}`);
    const said = Array.isArray(curve.series) ? curve.values?.[s] : curve.values;
    const lanes = Array.from({ length: count }, (_, k) => ({
      ys: array.data.subarray(k * length, (k + 1) * length),
      value: String(said?.[k] ?? "–"),
    }));
    return { name: curve.names?.[s] ?? name, series: name, lanes };
  });
  const exact = Array.from({ length: count }, (_, k) => curve.exact?.[k] ?? null);
  need([curve.baseline, ...exact].every((m) => !m || Number.isFinite(m.value)), `marks of ${series[0]}`);
  return {
    title: String(curve.title ?? series[0]), hint: String(curve.hint ?? ""), log: Boolean(curve.log),
    span: curve.span > 0 ? curve.span : 0.5, floor: curve.log ? NOTHING : -Infinity,
    baseline: curve.baseline ?? null, exact, xs, lines,
  };
}

/** -> the scene's header with its contours (data coordinates) and grids. */
export function readScene(text) {
  const { meta, arrays } = decodeFrame(text);
  const { reward, truth, density, labels } = arrays;
  need(reward && density && meta.view?.every(Number.isFinite), "the scene is not whole");
  const { centres } = meta;
  need(!centres || (Array.isArray(centres) && centres.every((c) => c?.length === 2 && c.every(Number.isFinite))), "centres of the modes");
  const contours = meta.levels.map((level) => contoursOf(density.data, density.shape, meta.view, level));
  const grounds = { reward: grid(reward), truth: truth && grid(truth), density: grid(density) };
  const pictures = arrays.pictures ? readPictures(meta.pictures, arrays) : null;
  return { ...meta, contours, ...grounds, labels: labels?.data, pictures };
}

/** Pictures on a grid of places, and the odds of what each shows. */
function readPictures({ view, kinds }, { pictures, odds }) {
  const { shape } = pictures;
  need(shape.length === 4 && shape[0] > 1 && shape[1] > 1 && view?.length === 4 && view.every(Number.isFinite), "shape of pictures");
  need(odds?.shape.join() === [shape[0], shape[1], kinds?.length].join(), "shape of odds");
  return { view, kinds: kinds.map(String), shape, levels: pictures.data, odds: odds.data };
}

/** -> [{view, contours, density, resolved} or null a lane, ...]; the density is its root over the highest, on a finer grid */
export function readExact(text) {
  const { meta, arrays } = decodeFrame(text);
  const [lanes, rows, columns] = arrays.density.shape;
  need(meta.lanes.length === lanes && meta.view.every(Number.isFinite), "the exact limits are not whole");
  return meta.lanes.map((lane, k) => {
    if (!lane) return null;
    const values = arrays.density.data.subarray(k * rows * columns, (k + 1) * rows * columns);
    const fine = refined(values, rows, columns, 3), density = { data: fine.values, shape: [fine.rows, fine.columns] };
    const contours = lane.levels.map((level) => contoursOf(density.data, density.shape, meta.view, level));
    return { view: meta.view, contours, resolved: lane.resolved, density };
  });
}

function grid({ data, shape, low, high }) {
  need(shape.length === 2 && low < high, "shape of a grid");
  return { data, shape, low, high };
}

function contoursOf(values, [rows, columns], [x0, x1, y0, y1], level) {
  const segments = Float32Array.from(contourSegments(values, rows, columns, level));
  for (let i = 0; i < segments.length; i += 2) {
    segments[i] = x0 + (segments[i] / (columns - 1)) * (x1 - x0);
    segments[i + 1] = y0 + (segments[i + 1] / (rows - 1)) * (y1 - y0);
  }
  return segments;
}
