// What the stage's messages hold: stage/scenes.py in the browser.

import { bytes8, encodeFrame, numbers32, quantised } from "./encode.js";

const BACKDROP = 112; // points a side of the backdrop's grids
const SHARES = [0.9, 0.5]; // of the data that lie inside the contours
const ZOOM = 1.5;
const ABSENT = -1; // mass of a mode that nobody has worked out
/** Half the side of the square that one sees first. */
export const HOME = 5;

/** Half the side of the square to show: it grows at once and shrinks late. `x`: points. */
export function viewFor(x, before) {
  const reaches = new Float64Array(x.length / 2);
  for (let k = 0; k < reaches.length; k++) reaches[k] = Math.max(Math.abs(x[2 * k]), Math.abs(x[2 * k + 1]));
  reaches.sort();
  const at = 0.98 * (reaches.length - 1), low = Math.floor(at), high = Math.min(reaches.length - 1, low + 1);
  const reach = reaches[low] + (at - low) * (reaches[high] - reaches[low]);
  let size = HOME;
  while (size < reach && size < 1e6) size *= ZOOM;
  return before / ZOOM ** 1.01 <= size && size < before && reach > 0.8 * size ? before : size;
}

/** The backdrop: rewards and the density of the data on [-size, size]^2, row 0 at the lowest y, and the particles' colours. */
export function sceneText(target, grounds, size, labels, names) {
  const points = new Float64Array(2 * BACKDROP * BACKDROP), step = (2 * size) / (BACKDROP - 1), shape = [BACKDROP, BACKDROP];
  for (let row = 0, k = 0; row < BACKDROP; row++) {
    for (let column = 0; column < BACKDROP; column++, k += 2) {
      points[k] = column * step - size;
      points[k + 1] = row * step - size;
    }
  }
  const { root, levels } = leveled(target.logProb(points).map(Math.exp)), arrays = { density: quantised(root, shape, 0, 1) }, ranges = {};
  for (const [name, ground] of Object.entries(grounds)) {
    const values = ground(points), low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    arrays[name] = quantised(values, shape, low, high > low ? high : low + 1);
    ranges[name] = { low, high };
  }
  arrays.labels = bytes8(labels, [labels.length]);
  const centres = Array.from(target.centres, (centre) => Array.from(centre)), spreads = Array.from(target.spreads);
  const shares = [...SHARES].reverse().map((share) => `${(100 * share).toFixed(0)} %`).join(" and ");
  const meta = { view: [-size, size, -size, size], levels, shares, ...ranges, modes: centres.length, centres, spreads };
  return encodeFrame(names ? { ...meta, names } : meta, arrays);
}

/** The root of a density over its maximum, and its levels around SHARES of the mass. */
function leveled(density) {
  const ordered = Float64Array.from(density).sort(), top = Math.max(ordered[ordered.length - 1], 1e-300);
  const root = Float64Array.from(density, (value) => Math.sqrt(value / top)), whole = Math.max(ordered.reduce((a, b) => a + b), 1e-300);
  const levels = SHARES.map((share) => {
    let k = ordered.length - 1;
    for (let inside = ordered[k] / whole; inside < share && k > 0; inside += ordered[k] / whole) k--;
    return Math.sqrt(ordered[k] / top);
  });
  return { root, levels };
}

/** Densities of the lanes, masses on n * n cells of [-extent, extent]^2 at i * n + j for (x_i, y_j). */
export function exactText(densities, n, extent, resolved) {
  const values = new Float64Array(densities.length * n * n), edge = extent * (1 - 1 / n);
  const lanes = densities.map((q, lane) => {
    if (q === null) return null;
    const { root, levels } = leveled(q), start = lane * n * n;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) values[start + j * n + i] = root[i * n + j]; // rows are y here
    return { levels, resolved: resolved[lane] };
  });
  return encodeFrame({ view: [-edge, edge, -edge, edge], lanes }, { density: quantised(values, [densities.length, n, n], 0, 1) });
}

/** Arrays of lanes, one after the other. */
function together(lanes) {
  const all = new Float64Array(lanes.reduce((sum, lane) => sum + lane.length, 0));
  let at = 0;
  for (const lane of lanes) {
    all.set(lane, at);
    at += lane.length;
  }
  return all;
}

/**
 * One frame. `x`: points, one array a lane; `arrows`: x, y, u, v, likewise; `paths`: of every lane its ways, each of points;
 * `trace`: points; `masses` and `limitMasses` at the modes, null for a lane without.
 */
export function frameText(meta, { x, size, rounds, curves, changes, arrows, paths, trace, masses, limitMasses }) {
  const lanes = x.length, far = 2 * size, spread = (of, shape) => quantised(together(of), [lanes, ...shape], -far, far);
  const arrays = { x: spread(x, [x[0].length / 2, 2]), rounds: numbers32(rounds, [rounds.length]), changes: numbers32(changes, [changes.length]) };
  for (const curve of curves) Object.assign(arrays, curve.arrays);
  if (arrows) arrays.arrows = numbers32(together(arrows), [lanes, arrows[0].length / 4, 4]);
  if (paths) arrays.paths = spread(paths.map(together), [paths[0].length, paths[0][0].length / 2, 2]);
  if (trace) arrays.trace = spread(trace, [trace[0].length / 2, 2]);
  arrays.mode_mass = numbers32(together(masses), [lanes, masses[0].length]);
  if (limitMasses.some(Boolean)) {
    const { length } = limitMasses.find(Boolean);
    arrays.mode_mass_exact = numbers32(together(limitMasses.map((one) => one ?? new Float64Array(length).fill(ABSENT))), [lanes, length]);
  }
  return encodeFrame({ ...meta, view: [-size, size, -size, size], curves: curves.map(({ header }) => header) }, arrays);
}
