// Where everything goes: boxes {x, y, w, h} in CSS pixels for a picture of a given size. Pure arithmetic.
//
// Wide pictures have the plots at the left and the read-outs beside them, or the plots in a row and the read-outs below,
// whichever makes the plots larger. Narrow ones flow downwards and choose their own height.

import { smallOf } from "./theme.js";

const GRIDS = { 1: [[1, 1]], 2: [[2, 1], [1, 2]], 3: [[3, 1], [2, 2], [1, 3]], 4: [[4, 1], [2, 2], [1, 4]] };

const box = (x, y, w, h) => ({ x: Math.round(x), y: Math.round(y), w: Math.floor(w), h: Math.floor(h) });
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Whether a picture of this width flows downwards; the host then gets its height from `layoutOf(...).height`. */
export const isNarrow = (width, lanes) => width < (lanes > 1 ? 800 : 620);

/**
 * wish: {lanes: 1 to 4, panels, session: numbers of the whole session, lane: numbers of each lane, exacts: how many of these
 * have an exact limit, several: whether a panel has several series, low: whether the window is a phone on its side, large: whether few numbers are shown large, button: whether there is one that shows more, touch: whether
 * fingers have to hit it, present}.
 *
 * -> {narrow, height, size, small, margins, columns, plots, heads, numbers, panels: [{head, body}]}; `numbers` also
 * says how many columns and rows of tiles there is room for, or that it is a table.
 */
export function layoutOf(width, height, wish = {}) {
  const { lanes = 1, present = false } = wish;
  const narrow = isNarrow(width, lanes);
  const plain = narrow ? clamp(width / 27, 13, 16) : clamp(Math.min(height / 40, width / 62), 13, 20);
  const size = Math.round(plain * (present ? (narrow ? 1.2 : 1.5) : 1));
  const small = smallOf(size, present ? (narrow ? 15 : 18) : 13); // from the back of a room, too
  const margins = {
    left: Math.round(2.7 * small), bottom: Math.round(1.7 * small), head: Math.round(1.75 * size),
    gap: Math.round(0.8 * size),
  };
  const common = { narrow, size, small, margins, lanes, present };
  const want = { ...wish, panels: wish.panels ?? 2, session: wish.session ?? 2, lane: wish.lane ?? 2, exacts: wish.exacts ?? 0, lanes, present };
  return narrow ? flow(width, common, want) : best(width, height, common, want);
}

function flow(width, common, want) {
  const { margins, size } = common;
  const columns = Math.min(want.low && width > 560 ? 4 : 2, want.lanes), rows = Math.ceil(want.lanes / columns);
  const block = plotsIn(0, 0, width, Infinity, columns, rows, common);
  let y = block.h + margins.gap;
  const across = width >= (want.lanes > 1 ? 30 : 23) * size ? 2 : 1; // curves of several lanes need room for their names
  const down = Math.ceil(want.panels / across);
  const each = Math.round((want.lanes > 1 ? 13 : 10.5) * size);
  const tall = down * each + (down - 1) * margins.gap;
  const panels = gridOf(0, y, width, tall, across, want.panels, common); // curves first: one scrolls for the rest
  if (want.panels) y += tall + margins.gap;
  const numbers = numbersIn(0, y, width, Infinity, common, want);
  const height = y + numbers.h;
  return { ...common, height: height + 2, columns, ...block, numbers, panels };
}

function best(width, height, common, want) {
  const { margins, size, present } = common;
  const side = clamp(0.31 * width, 16 * size, present ? 22 * size : 34 * size);
  const strip = want.panels || want.lane ? (want.lanes > 2 ? Math.max(0.38 * height, 15 * size) : Math.max(0.3 * height, 11 * size)) : 0;
  let chosen = null;
  for (const [columns, rows] of GRIDS[want.lanes]) {
    for (const beside of [true, false]) {
      const w = width - (beside ? side + 1.5 * margins.gap : 0), h = height - (beside ? 0 : strip + margins.gap);
      const block = plotsIn(0, 0, w, h, columns, rows, common);
      if (!chosen || block.square > chosen.block.square) chosen = { block, columns, rows, beside };
    }
  }
  const { block, columns, rows, beside } = chosen;
  if (beside) {
    const x = block.w + 1.5 * margins.gap;
    const w = Math.min(width - x, Math.max(1.6 * block.w, 34 * size));
    const numbers = numbersIn(x, 0, w, (present ? 0.5 : 0.42) * height, common, want);
    const y = numbers.h ? numbers.h + 0.7 * margins.gap : 0;
    const panels = panelsIn(x, y, w, height - y - 2, common, want);
    return { ...common, height, columns, ...block, numbers, panels };
  }
  const centred = plotsIn((width - block.w) / 2, 0, block.w + 1, block.h + 1, columns, rows, common);
  const y = centred.h + margins.gap, h = height - y - 2;
  const share = want.lanes > 1 ? clamp(9 * size + 4.6 * size * want.lanes, 0.2 * width, 0.42 * width) : 0.36 * width;
  const numbers = numbersIn(0, y, share, h, common, want);
  const x = share + 1.5 * margins.gap;
  return { ...common, height, columns, ...centred, numbers, panels: panelsIn(x, y, width - x, h, common, want) };
}

/** Square plots in a grid, each with its head above it; ticks left of the first column and below the last row. */
function plotsIn(x, y, w, h, columns, rows, { lanes, margins: { left, bottom, head, gap } }) {
  const square = Math.floor(Math.max(60, Math.min(
    (w - left - (columns - 1) * gap - 2) / columns, (h - bottom - rows * head - (rows - 1) * gap) / rows)));
  const plots = [], heads = [];
  for (let k = 0; k < lanes; k++) {
    const px = x + left + (k % columns) * (square + gap);
    const py = y + head + Math.floor(k / columns) * (square + gap + head);
    plots.push(box(px, py, square, square));
    heads.push(box(px, py - head, square, head));
  }
  const size = { w: left + columns * square + (columns - 1) * gap + 2, h: rows * (square + head) + (rows - 1) * gap + bottom };
  return { square, plots, heads, ...size, area: box(x, y, size.w, size.h) };
}

function numbersIn(x, y, w, most, { size, small, present, lanes }, want) {
  if (lanes > 1) {
    const row = Math.round(1.72 * size), above = want.session ? 1 : 0, cell = (0.68 * w) / lanes;
    const inline = cell > 12.5 * small; // "0.40 (exact 0.43)" in one cell
    const total = want.lane + (inline ? 0 : want.exacts), least = Math.min(total, present ? 3 : 2);
    const rows = Math.max(least, Math.min(total, present ? 6 : 16, Math.floor(most / row) - above - 1));
    const head = want.touch && want.button ? Math.max(44, row) : row; // a finger has to hit the button in it
    const h = want.lane || above ? rows * row + (rows ? head : 0) + above * row : 0;
    return { ...box(x, y, w, h), table: true, row, head, rows, columns: lanes, inline, above, button: want.button };
  }
  const total = want.session + want.lane + (want.button && want.lane ? 1 : 0);
  const value = Math.round((want.large ? 1.9 : 1.3) * size);
  const fitting = clamp(Math.floor(w / (11 * size)), 1, Math.max(1, total));
  const row = Math.max(want.touch ? 44 : 0, Math.round(1.3 * small + (want.large ? 2.5 : 1.75) * size + 4));
  const least = present ? Math.ceil(Math.min(3, total) / fitting) : 1; // reward, diversity and W2 stay
  const rows = Math.max(least, Math.min(Math.ceil(total / fitting), present ? 2 : 6, Math.max(1, Math.floor(most / row))));
  const columns = Math.min(fitting, Math.ceil(total / Math.max(1, rows))); // full rows where possible
  const alone = want.large && want.button && rows > 1 && total - 1 === (rows - 1) * columns; // the button has the last row
  const last = alone ? Math.max(want.touch ? 44 : 0, 2 * small) : row;
  return { ...box(x, y, w, total ? (rows - 1) * row + last : 0), table: false, row, rows, columns, value, button: want.button && want.lane > 0 };
}

/** Panels in the grid that gives them the best shape; the last ones are left out where there is no room. */
function panelsIn(x, y, w, h, common, want) {
  const { size, margins: { gap } } = common;
  for (let count = want.panels; count > 0; count--) {
    let chosen = null;
    for (let across = 1; across <= count; across++) {
      const down = Math.ceil(count / across);
      const pw = (w - (across - 1) * gap) / across, ph = (h - (down - 1) * gap) / down;
      const head = headHeight(size);
      if (pw < 10 * size || ph < head + (want.several && count > 2 ? 8 : 7) * size) continue;
      const score = Math.min(pw / 1.6, ph - head) * (count % across ? 0.9 : 1);
      if (!chosen || score > chosen.score) chosen = { across, score };
    }
    if (chosen) return gridOf(x, y, w, h, chosen.across, count, common);
  }
  return [];
}

const headHeight = (size) => Math.round(1.8 * size);

function gridOf(x, y, w, h, across, count, { size, margins: { gap } }) {
  const down = Math.ceil(count / across);
  const pw = Math.floor((w - (across - 1) * gap) / across), ph = Math.floor((h - (down - 1) * gap) / Math.max(1, down));
  const head = headHeight(size);
  return Array.from({ length: count }, (_, k) => {
    const px = x + (k % across) * (pw + gap), py = y + Math.floor(k / across) * (ph + gap);
    return { head: box(px, py, pw, head), body: box(px, py + head, pw, ph - head) };
  });
}
