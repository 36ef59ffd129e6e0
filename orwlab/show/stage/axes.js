// Where the lines of a panel lie: which of them set the axis, its ends and its ticks.

import { logTicks, niceTicks, tickLabel } from "./numerals.js";

const LEAST_SHARE = 0.6; // of the height for the lines that belong together; a line far above is named at the edge
const FAR = 1; // decades from the others that a line or a mark has to be to be named at the edge
const MOST_DECADES = 400; // no number of a computer is farther out
const LEAST_DECADES = 0.6; // noise must not be blown up to the height of the panel

/** A round end that changes rarely, so that curves grow instead of being squeezed all the time. */
export function roundEnd(last) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, last)));
  return [50, 100, 200, 300, 500, 700].find((n) => n >= last) ?? power * Math.ceil(last / power - 1e-9);
}

/** A mark's height on the axis: its decade in a logarithmic panel. */
export const heightOf = (panel, mark) => (panel.log ? Math.log10(mark.value) : mark.value);

/** Lowest and highest value of each line: [[bottom, top], ...]; Infinity, -Infinity where it has none. */
function extents({ lines, floor, log }) {
  const most = log ? MOST_DECADES : Infinity, within = (y) => Math.max(-most, Math.min(most, y));
  return lines.map(({ lanes }) => {
    let bottom = Infinity, top = -Infinity;
    for (const { ys } of lanes) {
      for (let i = 0; i < ys.length; i++) {
        if (!(ys[i] > floor)) continue;
        top = Math.max(top, within(ys[i]));
        bottom = Math.min(bottom, within(ys[i]));
      }
    }
    return [bottom, top];
  });
}

/** -> {low, high, far: Set of the lines that lie far above the others}. */
function together(panel) {
  const found = extents(panel);
  const order = found.map((_, s) => s).filter((s) => found[s][0] < Infinity).sort((a, b) => found[a][1] - found[b][1]);
  const hull = (kept) => [Math.min(...kept.map((s) => found[s][0])), Math.max(...kept.map((s) => found[s][1]))];
  const most = !panel.log ? 0 : order.length > 2 ? Math.floor((order.length - 1) / 2) : order.length - 1;
  for (let count = most; count > 0; count--) {
    const kept = order.slice(0, -count), far = order.slice(-count);
    const [low, high] = hull(kept), next = found[far[0]][1];
    if (next > high + FAR && Math.max(high - low, LEAST_DECADES) < LEAST_SHARE * (next - low)) return { low, high, far: new Set(far) };
  }
  const [low, high] = order.length ? hull(order) : [Infinity, -Infinity];
  return { low, high, far: new Set() };
}

/**
 * The vertical axis of a panel of this height: {low, high, step, far: lines named at the upper edge, outside: marks named
 * at an edge}. In a logarithmic panel heights are decades.
 */
export function rangeOf(panel, height, small) {
  let { low, high, far } = together(panel);
  const outside = new Set(), marks = [];
  for (const mark of [panel.baseline, ...panel.exact].filter(Boolean)) {
    const value = heightOf(panel, mark);
    if (!Number.isFinite(value)) outside.add(mark);
    else if (panel.log && low < Infinity && (value > high + FAR || value < low - FAR) &&
        Math.max(high - low, LEAST_DECADES) < LEAST_SHARE * (Math.max(high, value) - Math.min(low, value))) outside.add(mark);
    else marks.push(value);
  }
  low = Math.min(low, ...marks);
  high = Math.max(high, ...marks);
  if (low > high) [low, high] = panel.log ? [-2, 1] : [0, 1];
  const least = panel.log ? LEAST_DECADES : Math.max(panel.span, 1e-5 * Math.max(Math.abs(low), Math.abs(high)));
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const words = Math.min(0.5, (1.35 * small) / height); // the share of the height that words above a line take
  const fewest = high + (0.26 * small * (high - low)) / height;
  const topFrom = (foot) => Math.max(fewest, ...marks.map((value) => foot + (value - foot) / (1 - words)));
  let { step } = niceTicks(low, topFrom(low), height / (2.3 * small));
  if (panel.log) step = Math.max(1, Math.round(step));
  const unit = panel.log ? (high - low > 3 ? 0.5 : 0.125) : step / 2;
  const foot = Math.floor(low / unit + 1e-9) * unit;
  return { low: foot, high: Math.ceil(topFrom(foot) / unit - 1e-9) * unit, step, far, outside };
}

/** Heights and labels of the vertical axis: [[height, label], ...]. */
export function ticksOf(panel, { low, high, step }, height, small) {
  if (panel.log) return logTicks(low, high, height, small);
  const largest = Math.max(Math.abs(low), Math.abs(high)), ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push([k * step, tickLabel(k * step, step, largest)]);
  return ticks;
}
